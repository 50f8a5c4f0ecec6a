"""BER as SNMP uses it (X.690, RFC 3417 section 8, RFC 2578): definite lengths only. PURE.

Decoding is strict: what is truncated, oversized, indefinite, padded beyond need or out of its type's range
raises `Malformed`. Encoders take Python values and return whole TLVs.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

Oid = tuple[int, ...]
Value = int | bytes | str | None


class Malformed(ValueError):
    """Bytes that are no BER, or no SNMP."""


class Type(IntEnum):
    """What an object's value is; the number is its BER tag."""

    INTEGER = 0x02
    OCTETS = 0x04
    NULL = 0x05
    OID = 0x06
    IP = 0x40
    COUNTER32 = 0x41
    GAUGE32 = 0x42
    TICKS = 0x43
    OPAQUE = 0x44
    COUNTER64 = 0x46


SEQUENCE = 0x30
NO_SUCH_OBJECT = b"\x80\x00"
NO_SUCH_INSTANCE = b"\x81\x00"
END_OF_MIB_VIEW = b"\x82\x00"
NULL = b"\x05\x00"
EXCEPTION_TAGS = frozenset({0x80, 0x81, 0x82})

WIDTH = {Type.COUNTER32: 32, Type.GAUGE32: 32, Type.TICKS: 32, Type.COUNTER64: 64}
MAX_SUBIDS = 128
MAX_SUBID = 0xFFFFFFFF


def tlv(tag: int, content: bytes) -> bytes:
    """Tag, shortest length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    if size < 0x100:
        return bytes((tag, 0x81, size)) + content
    if size < 0x10000:
        return bytes((tag, 0x82, size >> 8, size & 0xFF)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(number: int, tag: int = Type.INTEGER) -> bytes:
    """Two's complement in the fewest octets, of any size."""
    if 0 <= number < 0x80:
        return bytes((tag, 1, number))
    size = ((number if number >= 0 else ~number).bit_length() + 8) // 8
    return tlv(tag, number.to_bytes(size, "big", signed=True))


@lru_cache(maxsize=65_536)
def oid_content(oid: Oid) -> bytes:
    """The content octets of an OBJECT IDENTIFIER. ValueError where X.660 or RFC 2578 has no such name."""
    if not 2 <= len(oid) <= MAX_SUBIDS or oid[0] > 2 or (oid[0] < 2 and oid[1] > 39):
        raise ValueError(f"{oid} is no object identifier.")
    out = bytearray()
    for subid in (oid[0] * 40 + oid[1], *oid[2:]):
        if not 0 <= subid <= MAX_SUBID:
            raise ValueError(f"{subid} is no sub-identifier.")
        out += _base128(subid)
    return bytes(out)


def _base128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(0x80 | number & 0x7F)
    return bytes(reversed(octets))


@lru_cache(maxsize=65_536)
def decode_oid(content: bytes) -> Oid:
    """Content octets to sub-identifiers."""
    if not content or content[-1] & 0x80:
        raise Malformed("An object identifier is cut off.")
    subids: list[int] = []
    number, fresh = 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise Malformed("A sub-identifier is padded.")
        number = number << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if number > MAX_SUBID:
            raise Malformed("A sub-identifier exceeds 32 bits.")
        if fresh:
            subids.append(number)
            number = 0
    first = min(subids[0] // 40, 2)
    if len(subids) >= MAX_SUBIDS:
        raise Malformed("An object identifier has more than 128 sub-identifiers.")
    return (first, subids[0] - first * 40, *subids[1:])


@lru_cache(maxsize=65_536)
def parse_oid(text: str) -> Oid:
    """Dotted decimal, with or without a leading dot. ValueError if it is none."""
    return tuple(int(part) for part in text.strip(".").split("."))


def oid_text(oid: Oid) -> str:
    """Dotted decimal without a leading dot."""
    return ".".join(map(str, oid))


def encode(kind: Type, value: Value) -> bytes:
    """One value as a TLV.

    int for the numbers, bytes (or str, as UTF-8) for OCTETS and OPAQUE, dotted str for OID and IP, None for
    NULL. ValueError for another Python type or a number out of the type's range.
    """
    if kind in WIDTH or kind is Type.INTEGER:
        return _number(kind, value)
    if kind is Type.NULL:
        return NULL
    if kind is Type.OID and isinstance(value, str):
        return tlv(kind, oid_content(parse_oid(value)))
    if kind is Type.IP and isinstance(value, str):
        return tlv(kind, _address(value))
    if kind in (Type.OCTETS, Type.OPAQUE) and isinstance(value, bytes | str):
        return tlv(kind, value if isinstance(value, bytes) else value.encode("utf-8"))
    raise ValueError(f"{type(value).__name__} is no value for {kind.name}.")


def _number(kind: Type, value: Value) -> bytes:
    if not isinstance(value, int):
        raise ValueError(f"{type(value).__name__} is no value for {kind.name}.")
    low, high = (0, 1 << WIDTH[kind]) if kind in WIDTH else (-(1 << 31), 1 << 31)
    if not low <= value < high:
        raise ValueError(f"{value} is out of range for {kind.name}.")
    return integer(value, kind)


def _address(text: str) -> bytes:
    octets = bytes(int(part) for part in text.split("."))
    if len(octets) != 4:
        raise ValueError(f"{text} is no IPv4 address.")
    return octets


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and stop of the content of the TLV at `at`, which must lie within `end`."""
    if at + 2 > end:
        raise Malformed("A value is cut off.")
    tag, size, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise Malformed("SNMP has no long tags.")
    if size & 0x80:
        count = size & 0x7F
        if not 0 < count <= 4:
            raise Malformed("A length is indefinite or oversized.")
        start += count
        size = int.from_bytes(data[at + 2 : start], "big")
    if start + size > end:
        raise Malformed("A length reaches beyond its message.")
    return tag, start, start + size


def expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and stop of a TLV that must have `tag`."""
    found, start, stop = header(data, at, end)
    if found != tag:
        raise Malformed(f"Tag {found:#x} stands where {tag:#x} belongs.")
    return start, stop


def read_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An INTEGER of at most 32 bits and where it ends."""
    start, stop = expect(data, at, end, Type.INTEGER)
    return signed(data[start:stop]), stop


def signed(content: bytes, bits: int = 32) -> int:
    """Two's complement of at most `bits`, in the fewest octets."""
    size = len(content)
    if not 0 < size <= bits // 8:
        raise Malformed(f"An integer of {size} octets.")
    if size > 1 and ((content[0] == 0 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)):
        raise Malformed("An integer is padded.")
    return int.from_bytes(content, "big", signed=True)


def decode(tag: int, content: bytes) -> tuple[Type, Value]:
    """A value from its tag and content octets, in the Python types of `encode`."""
    try:
        kind = Type(tag)
    except ValueError:
        raise Malformed(f"{tag:#x} is no type of SNMP.") from None
    if kind is Type.INTEGER:
        return kind, signed(content)
    if kind in WIDTH:
        return kind, _unsigned(content, WIDTH[kind])
    if kind is Type.OID:
        return kind, oid_text(decode_oid(content))
    if kind is Type.IP:
        if len(content) != 4:
            raise Malformed("An IpAddress has four octets.")
        return kind, ".".join(map(str, content))
    if kind is Type.NULL:
        if content:
            raise Malformed("NULL has no content.")
        return kind, None
    return kind, content


def _unsigned(content: bytes, bits: int) -> int:
    number = signed(content, bits + 8)
    if not 0 <= number < 1 << bits:
        raise Malformed(f"{number} is out of range for {bits} bits.")
    return number
