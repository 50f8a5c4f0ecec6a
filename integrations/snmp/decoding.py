"""From what an agent sends to values. PURE: a value that makes no sense is None, never an error.

Texts are octets of any encoding, indexes are the sub-identifiers after a column, joined by dots.
"""

from __future__ import annotations

import math
import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from integrations.snmp.reading import LinkState, Special
from integrations.snmp.target import Value

LONGEST_TEXT: Final = 500
ERROR_BITS: Final = (
    "low_paper",
    "no_paper",
    "low_toner",
    "no_toner",
    "door_open",
    "jammed",
    "offline",
    "service_requested",
    "input_tray_missing",
    "output_tray_missing",
    "marker_supply_missing",
    "output_near_full",
    "output_full",
    "input_tray_empty",
    "overdue_prevent_maint",
)
"""hrPrinterDetectedErrorState (RFC 2790): bit 0 is the most significant one of the first byte."""

SPECIALS: Final = {-1: Special.UNRESTRICTED, -2: Special.UNKNOWN, -3: Special.SOME_REMAINS}
LINK_STATES: Final = dict(enumerate(LinkState, start=1))
"""ifOperStatus (RFC 2863); ifAdminStatus has the first three."""

_MACS: Final = re.compile(r"[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}", re.IGNORECASE)


def text(value: Value | None) -> str | None:
    """One line without control characters, at most 500 characters; None if nothing is left."""
    if value is None:
        return None
    if isinstance(value, bytes):
        value = _decoded(value.rstrip(b"\0"))
    words = "".join(one if one.isprintable() else " " for one in str(value))
    return " ".join(words.split())[:LONGEST_TEXT] or None


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def integer(value: Value | None) -> int | None:
    """A whole number, also where it came as the text of one."""
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    if isinstance(value, bytes):
        value = text(value) or ""
    return int(value) if value is not None and re.fullmatch(r"[+-]?\d{1,20}", value) else None


def number(value: Value | None) -> float | None:
    """A number, also where it came as text ("23.5", "41 C"): some agents write their readings out."""
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    found = re.match(r"\s*([+-]?\d{1,18}(?:\.\d{1,18})?)(?![\d.])", text(value) or "")
    return float(found.group(1)) if found else None


def mac(value: Value | None) -> str | None:
    """`00:1b:a9:0b:a7:52` from six octets or from a text of them; None for all zeros."""
    if isinstance(value, bytes) and len(value) != 6:
        value = text(value)
    if isinstance(value, str):
        if not _MACS.fullmatch(value):
            return None
        value = bytes(int(part, 16) for part in re.split("[:-]", value))
    if not isinstance(value, bytes) or not any(value):
        return None
    return value.hex(":")


def bits(value: Value | None) -> tuple[int, ...] | None:
    """The numbers of the bits that are set in a BITS value of at most 512 octets, first bit first."""
    if not isinstance(value, bytes) or len(value) > 512:
        return None
    return tuple(8 * at + bit for at, octet in enumerate(value) for bit in range(8) if octet & (0x80 >> bit))


def error_bits(value: Value | None) -> tuple[str, ...] | None:
    """What hrPrinterDetectedErrorState says in words; no octets at all say that nothing is wrong."""
    if not isinstance(value, bytes):
        return None
    return tuple(ERROR_BITS[bit] for bit in bits(value[:2]) or () if bit < len(ERROR_BITS))


def special(level: int | None) -> Special | None:
    """What a level below zero means (RFC 3805); any other number below zero says as little as -2."""
    if level is None or level >= 0:
        return None
    return SPECIALS.get(level, Special.UNKNOWN)


def percent(level: float | None, capacity: float | None) -> float | None:
    """0 to 100, one decimal; None unless both are numbers that make sense, such as a level of -3."""
    if level is None or capacity is None or level < 0 or capacity <= 0:
        return None
    return min(100.0, round(100 * level / capacity, 1))


def dbm(milliwatts: float | None) -> float | None:
    """Decibel-milliwatts, two decimals; None for no power at all."""
    return round(10 * math.log10(milliwatts), 2) if milliwatts and milliwatts > 0 else None


def channel_mhz(value: float | None) -> float | None:
    """The middle of a Wi-Fi channel in MHz (2.4 and 5 GHz); channels of 40 MHz may come with 256 added."""
    if value is None or value < 1:
        return None
    channel = int(value) % 256
    if channel == 14:
        return 2484.0
    if 1 <= channel <= 13:
        return 2407.0 + 5 * channel
    return 5000.0 + 5 * channel if 34 <= channel <= 196 else None


def fahrenheit(value: float | None) -> float | None:
    """°C, two decimals."""
    return None if value is None else round((value - 32) / 1.8, 2)


def scaled(value: float | None, divisor: float = 1.0, multiplier: float = 1.0) -> float | None:
    """`value` times multiplier by divisor, without the dust of binary fractions."""
    if value is None:
        return None
    return round(value * multiplier / divisor, 6)


def entity_sensor_factor(scale: int | None, precision: int | None) -> float | None:
    """What entPhySensorValue is multiplied by (RFC 3433); scale 9 is units, 8 thousandths, 10 thousands."""
    if scale is None or precision is None or not 1 <= scale <= 17 or not -8 <= precision <= 9:
        return None
    return float(10.0 ** (3 * (scale - 9) - precision))


def link_state(value: Value | None) -> LinkState | None:
    return LINK_STATES.get(value) if isinstance(value, int) else None


def subids(index: str) -> list[int]:
    """The sub-identifiers; none if one of them is no number."""
    parts = index.split(".")
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else []


def index_mac(parts: list[int]) -> str | None:
    """Six sub-identifiers as a MAC."""
    if len(parts) != 6 or any(part > 255 for part in parts):
        return None
    return bytes(parts).hex(":")


def index_address(parts: list[int]) -> str | None:
    """Four or 16 sub-identifiers as an address of IPv4 or IPv6."""
    if len(parts) not in (4, 16) or any(part > 255 for part in parts):
        return None
    octets = bytes(parts)
    return str(IPv4Address(octets) if len(parts) == 4 else IPv6Address(octets))


def address(value: Value | None) -> str | None:
    """An address from four or 16 octets, or from the text of one."""
    if isinstance(value, bytes) and len(value) in (4, 16):
        return index_address(list(value))
    try:
        return str(IPv4Address(text(value) or ""))
    except ValueError:
        return None


def prefix_of(mask: Value | None) -> int | None:
    """How many leading ones a netmask has; None if it is none."""
    dotted = address(mask)
    if dotted is None or ":" in dotted:
        return None
    ones = f"{int(IPv4Address(dotted)):032b}"
    return None if "01" in ones else ones.count("1")


def ordered(index: str) -> tuple[int, ...]:
    """What sorts indexes as an agent does."""
    return tuple(subids(index))
