"""SNMP messages (RFC 1157, 1901, 3412, 3414, 3416) to and from bytes. PURE.

A variable binding travels as bytes (`bind`), so that an answer is a concatenation. What parses raises
`Malformed`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from integrations.snmp.agent.ber import (
    SEQUENCE,
    Malformed,
    Oid,
    Type,
    Value,
    decode,
    decode_oid,
    encode,
    expect,
    header,
    integer,
    oid_content,
    oid_text,
    parse_oid,
    read_integer,
    tlv,
)

Bind = tuple[bytes, int, bytes]
"""Content octets of the name, tag of the value, content octets of the value."""


class PduType(IntEnum):
    GET = 0xA0
    GETNEXT = 0xA1
    RESPONSE = 0xA2
    SET = 0xA3
    TRAP_V1 = 0xA4
    GETBULK = 0xA5
    INFORM = 0xA6
    TRAP = 0xA7
    REPORT = 0xA8


class Status(IntEnum):
    """Error statuses of RFC 3416 (0 to 5 are RFC 1157's too)."""

    NO_ERROR = 0
    TOO_BIG = 1
    NO_SUCH_NAME = 2
    BAD_VALUE = 3
    READ_ONLY = 4
    GEN_ERR = 5
    NO_ACCESS = 6
    WRONG_TYPE = 7
    WRONG_LENGTH = 8
    WRONG_ENCODING = 9
    WRONG_VALUE = 10
    NO_CREATION = 11
    INCONSISTENT_VALUE = 12
    RESOURCE_UNAVAILABLE = 13
    COMMIT_FAILED = 14
    UNDO_FAILED = 15
    AUTHORIZATION_ERROR = 16
    NOT_WRITABLE = 17
    INCONSISTENT_NAME = 18


V1, V2C, V3 = 0, 1, 3


@dataclass(slots=True)
class Pdu:
    """`first` and `second` are error status and index, or GETBULK's non-repeaters and max-repetitions.

    `raw` is the content of the list of bindings, as it came.
    """

    type: int
    request_id: int
    first: int
    second: int
    binds: list[Bind]
    raw: bytes


@dataclass(slots=True)
class Community:
    """A message of v1 (`version` 0) or v2c (1)."""

    version: int
    community: bytes
    pdu: Pdu


@dataclass(slots=True)
class Security:
    """USM's parameters, and where in the message the digest lies."""

    engine_id: bytes
    boots: int
    time: int
    user: bytes
    digest: bytes
    salt: bytes
    digest_at: int


@dataclass(slots=True)
class Framed:
    """A v3 message whose scoped PDU is still closed: `data` is its TLV, or the ciphertext's content."""

    message_id: int
    max_size: int
    flags: int
    model: int
    security: Security
    encrypted: bool
    data: bytes


@dataclass(slots=True)
class Scoped:
    engine_id: bytes
    context: bytes
    pdu: Pdu


AUTH, PRIV, REPORTABLE = 1, 2, 4


def version_of(data: bytes) -> tuple[int, int, int]:
    """The version and the bounds of what follows it. The message must fill `data` exactly."""
    start, stop = expect(data, 0, len(data), SEQUENCE)
    if stop != len(data):
        raise Malformed("Bytes follow the message.")
    version, at = read_integer(data, start, stop)
    return version, at, stop


def parse_community(data: bytes, version: int, at: int, stop: int) -> Community:
    """A v1 or v2c message, from behind its version."""
    start, end = expect(data, at, stop, Type.OCTETS)
    return Community(version, data[start:end], parse_pdu(data, end, stop))


def parse_pdu(data: bytes, at: int, stop: int) -> Pdu:
    """Any PDU but RFC 1157's trap; it must end at `stop`."""
    tag, at, end = header(data, at, stop)
    if not PduType.GET <= tag <= PduType.REPORT or tag == PduType.TRAP_V1 or end != stop:
        raise Malformed(f"{tag:#x} is no PDU, or bytes follow it.")
    request_id, at = read_integer(data, at, end)
    first, at = read_integer(data, at, end)
    second, at = read_integer(data, at, end)
    start, close = expect(data, at, end, SEQUENCE)
    if close != end:
        raise Malformed("Bytes follow the variable bindings.")
    return Pdu(tag, request_id, first, second, parse_binds(data, start, close), data[start:close])


def parse_binds(data: bytes, at: int, stop: int) -> list[Bind]:
    binds: list[Bind] = []
    while at < stop:
        at, end = expect(data, at, stop, SEQUENCE)
        name_at, name_end = expect(data, at, end, Type.OID)
        tag, value_at, value_end = header(data, name_end, end)
        if value_end != end:
            raise Malformed("Bytes follow a value.")
        binds.append((data[name_at:name_end], tag, data[value_at:value_end]))
        at = end
    return binds


def bind(name: bytes, value: bytes) -> bytes:
    """A variable binding from a name's content octets and a value's TLV."""
    return tlv(SEQUENCE, tlv(Type.OID, name) + value)


def varbind(oid: str | Oid, kind: Type, value: Value) -> bytes:
    """A variable binding from Python values."""
    return bind(oid_content(parse_oid(oid) if isinstance(oid, str) else oid), encode(kind, value))


def read_bind(found: Bind) -> tuple[str, Type, Value]:
    """Name, type and value. Malformed for exceptions such as endOfMibView too: they have no type."""
    name, tag, content = found
    return (oid_text(decode_oid(name)), *decode(tag, content))


def encode_pdu(kind: int, request_id: int, binds: bytes, first: int = 0, second: int = 0) -> bytes:
    """`binds` is the concatenation of whole variable bindings."""
    return tlv(kind, integer(request_id) + integer(first) + integer(second) + tlv(SEQUENCE, binds))


def encode_community(version: int, community: bytes, pdu: bytes) -> bytes:
    return tlv(SEQUENCE, integer(version) + tlv(Type.OCTETS, community) + pdu)


def encode_scoped(engine_id: bytes, context: bytes, pdu: bytes) -> bytes:
    return tlv(SEQUENCE, tlv(Type.OCTETS, engine_id) + tlv(Type.OCTETS, context) + pdu)


def parse_scoped(data: bytes) -> Scoped:
    """A scoped PDU. Bytes behind it are a block cipher's padding and let be."""
    start, stop = expect(data, 0, len(data), SEQUENCE)
    engine_at, engine_end = expect(data, start, stop, Type.OCTETS)
    context_at, context_end = expect(data, engine_end, stop, Type.OCTETS)
    pdu = parse_pdu(data, context_end, stop)
    return Scoped(data[engine_at:engine_end], data[context_at:context_end], pdu)


def parse_framed(data: bytes, at: int, stop: int) -> Framed:
    """A v3 message, from behind its version (RFC 3412 section 6)."""
    at, end = expect(data, at, stop, SEQUENCE)
    message_id, at = read_integer(data, at, end)
    max_size, at = read_integer(data, at, end)
    flags_at, flags_end = expect(data, at, end, Type.OCTETS)
    model, at = read_integer(data, flags_end, end)
    if at != end or flags_end - flags_at != 1 or max_size < 484 or message_id < 0:
        raise Malformed("The global header is none of SNMPv3.")
    start, at = expect(data, end, stop, Type.OCTETS)
    security = _security(data, start, at)
    tag, data_at, data_end = header(data, at, stop)
    if data_end != stop or tag not in (SEQUENCE, Type.OCTETS):
        raise Malformed("The scoped PDU is none, or bytes follow it.")
    encrypted = tag == Type.OCTETS
    payload = data[data_at if encrypted else at : data_end]
    return Framed(message_id, max_size, data[flags_at], model, security, encrypted, payload)


def _security(data: bytes, at: int, stop: int) -> Security:
    at, end = expect(data, at, stop, SEQUENCE)
    engine_at, engine_end = expect(data, at, end, Type.OCTETS)
    boots, at = read_integer(data, engine_end, end)
    time, at = read_integer(data, at, end)
    user_at, user_end = expect(data, at, end, Type.OCTETS)
    digest_at, digest_end = expect(data, user_end, end, Type.OCTETS)
    salt_at, salt_end = expect(data, digest_end, end, Type.OCTETS)
    if end != stop or salt_end != end:
        raise Malformed("Bytes follow the security parameters.")
    if boots < 0 or time < 0:
        raise Malformed("Boots and time are never negative.")
    return Security(
        data[engine_at:engine_end],
        boots,
        time,
        data[user_at:user_end],
        data[digest_at:digest_end],
        data[salt_at:salt_end],
        digest_at,
    )


def encode_framed(framed: Framed) -> tuple[bytes, int]:
    """A v3 message and where in it the digest lies. `security.digest_at` is ignored."""
    security = framed.security
    ahead = (
        tlv(Type.OCTETS, security.engine_id)
        + integer(security.boots)
        + integer(security.time)
        + tlv(Type.OCTETS, security.user)
    )
    behind = tlv(Type.OCTETS, security.salt)
    parameters = tlv(SEQUENCE, ahead + tlv(Type.OCTETS, security.digest) + behind)
    head = integer(framed.message_id) + integer(framed.max_size)
    head += tlv(Type.OCTETS, bytes((framed.flags,))) + integer(framed.model)
    data = tlv(Type.OCTETS, framed.data) if framed.encrypted else framed.data
    whole = tlv(SEQUENCE, integer(V3) + tlv(SEQUENCE, head) + tlv(Type.OCTETS, parameters) + data)
    return whole, len(whole) - len(data) - len(behind) - len(security.digest)


def with_digest(framed: Framed, digest: bytes) -> Framed:
    return replace(framed, security=replace(framed.security, digest=digest))
