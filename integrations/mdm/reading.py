"""Words and numbers as vendors send them, made plain. Pure: a value in, a value or None ("not said") out;
what cannot be understood is None and never an error.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

MEBIBYTE = 1024**2
GIGABYTE = 10**9
FIRST_YEAR = 1990
"""No managed device was seen before: year 1, 1900 and 1970 are how vendors write "never"."""
PLACEHOLDERS = frozenset(
    {
        "0",
        "00000000",
        "NONE",
        "NULL",
        "N/A",
        "NA",
        "UNKNOWN",
        "UNDEFINED",
        "DEFAULTSTRING",
        "DEFAULTSERIAL",
        "DEFAULTSERIALNUMBER",
        "SYSTEMSERIALNUMBER",
        "SERIALNUMBER",
        "TOBEFILLEDBYOEM",
        "TOBEFILLEDBYO.E.M.",
        "NOTSPECIFIED",
        "NOTAVAILABLE",
        "NOTAPPLICABLE",
        "INVALID",
        "123456789",
        "1234567890",
        "EMPTY",
        "CHASSISSERIALNUMBER",
        "BASEBOARDSERIALNUMBER",
    }
)
"""Serial numbers that are none, upper case and without blanks: what a maker leaves in an unfilled field."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ADDRESS = re.compile(
    r"[^\s@<>,;:\"()\[\]]{1,64}@(?:[^\s@<>,;:\"()\[\].]{1,63}\.)+[^\s@<>,;:\"()\[\].]{2,63}"
)
_FRACTION = re.compile(r"(\.\d{6})\d+")


def text(value: object, *sentinels: str) -> str | None:
    """Words without surrounding blanks and control characters; None for nothing and for `sentinels` (compared
    without case). Numbers are written out.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    plain = _CONTROL.sub("", str(value)).strip()
    unsaid = {sentinel.casefold() for sentinel in sentinels}
    return None if not plain or plain.casefold() in unsaid else plain


def serial(value: object) -> str | None:
    """Upper case; None where it is a placeholder (`PLACEHOLDERS`, or one character over and over)."""
    plain = text(value)
    if plain is None:
        return None
    upper = plain.upper()
    bare = re.sub(r"\s+", "", upper)
    filler = bare.strip("-_.") == "" or (len(set(bare)) == 1 and bare[0] in "0XF-.*?")
    return None if filler or bare in PLACEHOLDERS else upper


def address(value: object) -> str | None:
    """An e-mail address without case; None for free text such as the name of a cart."""
    plain = text(value)
    return plain.casefold() if plain and _ADDRESS.fullmatch(plain) else None


def instant(value: object) -> datetime | None:
    """RFC 3339, or a date, or "Y-m-d H:M:S": aware UTC (taken for UTC where no zone is said)."""
    plain = text(value)
    if plain is None:
        return None
    try:
        read = datetime.fromisoformat(_FRACTION.sub(r"\1", plain))
        return _plausible(read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def epoch(value: object, *, per_second: int = 1) -> datetime | None:
    """Seconds since 1970, or with `per_second=1000` milliseconds, as a number or in a string: aware UTC."""
    read = number(value)
    if read is None:
        return None
    try:
        return _plausible(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=read / per_second))
    except OverflowError:
        return None


def _plausible(read: datetime) -> datetime | None:
    return read if read.year >= FIRST_YEAR else None


def truth(value: object) -> bool | None:
    """True, "true", "1", 1 and their opposites; None for anything else."""
    if isinstance(value, bool):
        return value
    plain = text(value)
    return {"true": True, "1": True, "false": False, "0": False}.get(plain.casefold() if plain else "")


def number(value: object) -> float | None:
    """A finite number, also from a string."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def whole(value: object) -> int | None:
    """A whole number, exactly, also from a string (Google and Mosyle send 64-bit numbers so)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}\s*", value, re.ASCII):
        return int(value)
    read = number(value)
    return int(read) if read is not None and read == int(read) else None


def size(value: object, unit: int = 1) -> int | None:
    """Bytes from a count of `unit`s (`MEBIBYTE`, `GIGABYTE`); None for nothing and less."""
    read = number(value) if unit != 1 else whole(value)
    return int(read * unit) if read is not None and read > 0 else None


def percent(value: object, *, of: float = 100) -> float | None:
    """A share of `of` as 0 to 100, to a tenth; None where it is outside."""
    read = number(value)
    if read is None or of <= 0:
        return None
    share = read / of * 100
    return round(share, 1) if 0 <= share <= 100 else None


def mac(value: object) -> str | None:
    """Lower case in pairs ("aa:bb:cc:dd:ee:ff") from twelve hex digits however separated; None for zeros."""
    plain = text(value)
    if plain is None or not re.fullmatch(r"[0-9A-Fa-f:.\-\s]+", plain):
        return None
    digits = re.sub(r"[^0-9a-f]", "", plain.lower())
    if len(digits) != 12 or set(digits) == {"0"}:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def ip(value: object) -> str | None:
    """An IPv4 or IPv6 address in its usual spelling; None for 0.0.0.0, :: and what is no address."""
    plain = text(value)
    try:
        read = ipaddress.ip_address(plain) if plain else None
    except ValueError:
        return None
    return None if read is None or read.is_unspecified else str(read)


def dig(raw: object, *keys: str | int) -> Any:
    """What lies under `keys`, one after the other; None where any of them is missing or of another shape."""
    for key in keys:
        if isinstance(key, str):
            raw = raw.get(key) if isinstance(raw, Mapping) else None
        else:
            listed = (
                isinstance(raw, Sequence) and not isinstance(raw, str | bytes) and -len(raw) <= key < len(raw)
            )
            raw = raw[key] if listed else None  # type: ignore[index]
    return raw


def rows(value: object) -> list[Any]:
    """A list as it is; an empty one for anything else (vendors leave empty lists out)."""
    return value if isinstance(value, list) else []


def base_url(pasted: str, *, keep_path: bool = False) -> str:
    """The address of an API from what somebody pasted, perhaps a browser's whole address: https, host in
    lower case, port, no user, query or fragment; the path only with `keep_path`, without a trailing slash.
    Plain http is left to loopback. ValueError where there is no host.
    """
    plain = pasted.strip()
    parts = urlsplit(plain if "://" in plain else f"https://{plain.lstrip('/')}")
    host, port = parts.hostname, parts.port
    if not host or parts.scheme not in ("http", "https") or not re.fullmatch(r"[a-z0-9._:\-]+", host):
        raise ValueError("not the address of a server")
    scheme = "http" if parts.scheme == "http" and is_loopback(host) else "https"
    if port == (80 if parts.scheme == "http" else 443):
        port = None
    shown = f"[{host}]" if ":" in host else host
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/") if keep_path else ""
    return f"{scheme}://{shown}{'' if port is None else f':{port}'}{path}"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
