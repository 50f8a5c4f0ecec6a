"""What a notification says, once its sender is known to be the one it claims to be.

The frame of a message is opened by hand and its PDU by pysnmp, so that a sender without the secret costs no
decoding of variables. RFC 1157 section 4.1.6, RFC 2576 section 3.1, RFC 3416 sections 4.2.6 and 4.2.7.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from typing import Any

from pyasn1.codec.ber import decoder  # type: ignore[import-untyped, unused-ignore]
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped, unused-ignore]
from pyasn1.type import univ  # type: ignore[import-untyped, unused-ignore]
from pysnmp.proto.api import v1, v2c  # type: ignore[import-untyped, unused-ignore]

from integrations.snmp.target import Credential, Value, Version
from integrations.snmp.trap_gate import Reason

SYS_UPTIME = "1.3.6.1.2.1.1.3.0"
SNMP_TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"
GENERIC_TRAPS = "1.3.6.1.6.3.1.1.5"
ENTERPRISE_SPECIFIC = 6

SEQUENCE, INTEGER, OCTETS = 0x30, 0x02, 0x04
RESPONSE, TRAP_V1, INFORM, TRAP, REPORT = 0xA2, 0xA4, 0xA6, 0xA7, 0xA8
VERSIONS = {0: Version.V1, 1: Version.V2C, 3: Version.V3}
OPAQUE_FLOAT = b"\x9f\x78\x04"
_LEAKS = (PyAsn1Error, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What pyasn1 raises for octets that are no BER: its own error, and what it did not foresee."""


class Unfit(Exception):
    """A message that is not taken, why, and the report to answer it with if v3 wants one."""

    def __init__(self, reason: Reason, answer: bytes | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Said:
    """`uptime` is hundredths of a second; `request_id` 0 for v1. `values` leaves uptime and trap OID out."""

    trap_oid: str
    values: dict[str, Value]
    uptime: int | None
    inform: bool
    request_id: int


def tlv(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start and stop of the content of a BER value that must lie within `end`; Unfit if none does."""
    if at + 2 > end:
        raise Unfit(Reason.MALFORMED)
    size, start = data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        if not 0 < octets <= 4:
            raise Unfit(Reason.MALFORMED)
        start += octets
        size = int.from_bytes(data[at + 2 : start], "big")
    if start + size > end:
        raise Unfit(Reason.MALFORMED)
    return data[at], start, start + size


def expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and stop of the content of a value that must have this tag."""
    found, start, stop = tlv(data, at, end)
    if found != tag:
        raise Unfit(Reason.MALFORMED)
    return start, stop


def version_of(data: bytes) -> tuple[Version, int, int]:
    """The version, and the bounds of what follows it."""
    at, end = expect(data, 0, len(data), SEQUENCE)
    start, at = expect(data, at, end, INTEGER)
    version = VERSIONS.get(int.from_bytes(data[start:at], "big"))
    if version is None:
        raise Unfit(Reason.MALFORMED)
    return version, at, end


def trusted_pdu(data: bytes, at: int, end: int, credential: Credential) -> tuple[int, int]:
    """The bounds of the PDU of a v1 or v2c message from behind its version. Unfit unless the community is
    the credential's.
    """
    start, at = expect(data, at, end, OCTETS)
    if not hmac.compare_digest(data[start:at], credential.community.encode()):
        raise Unfit(Reason.WRONG_COMMUNITY)
    return at, tlv(data, at, end)[2]


def acknowledgement(message: bytes, at: int) -> bytes:
    """The Response to the inform whose PDU begins at `at`: it echoes everything but the PDU's type."""
    return message[:at] + bytes((RESPONSE,)) + message[at + 1 :]


def said(pdu: bytes, version: Version) -> Said:
    """What a PDU says. Unfit for a PDU that is none of the version's notifications."""
    if pdu[0] not in ((TRAP_V1,) if version is Version.V1 else (TRAP, INFORM)):
        raise Unfit(Reason.NOT_A_NOTIFICATION)
    return _said_by_v1(decoded(pdu, v1.TrapPDU())) if version is Version.V1 else _said_by_v2(pdu)


def decoded(data: bytes, spec: Any) -> Any:
    """pysnmp's object for exactly these octets; Unfit if they are none."""
    try:
        found, behind = decoder.decode(data, asn1Spec=spec)
    except _LEAKS:
        raise Unfit(Reason.MALFORMED) from None
    if behind:
        raise Unfit(Reason.MALFORMED)
    return found


def _said_by_v2(pdu: bytes) -> Said:
    inform = pdu[0] == INFORM
    found = decoded(pdu, v2c.InformRequestPDU() if inform else v2c.SNMPv2TrapPDU())
    values = _values(v2c.apiPDU.get_varbinds(found))
    trap_oid, uptime = values.pop(SNMP_TRAP_OID, None), values.pop(SYS_UPTIME, None)
    if not isinstance(trap_oid, str):
        raise Unfit(Reason.MALFORMED)
    ticks = uptime if isinstance(uptime, int) else None
    return Said(trap_oid, values, ticks, inform, int(v2c.apiPDU.get_request_id(found)))


def _said_by_v1(pdu: Any) -> Said:
    generic = int(v1.apiTrapPDU.get_generic_trap(pdu))
    if generic == ENTERPRISE_SPECIFIC:
        specific = int(v1.apiTrapPDU.get_specific_trap(pdu))
        trap_oid = f"{v1.apiTrapPDU.get_enterprise(pdu)}.0.{specific}"
    else:
        trap_oid = f"{GENERIC_TRAPS}.{generic + 1}"
    ticks = int(v1.apiTrapPDU.get_timestamp(pdu))
    return Said(trap_oid, _values(v1.apiTrapPDU.get_varbinds(pdu)), ticks, False, 0)


def _values(binds: Any) -> dict[str, Value]:
    found = {str(name): _value(value) for name, value in binds}
    return {name: value for name, value in found.items() if value is not None}


def _value(value: Any) -> Value | None:
    """In the Python types of `target`; None for NULL and the exceptions of RFC 3416."""
    if isinstance(value, univ.Integer):
        return int(value)
    if isinstance(value, univ.ObjectIdentifier):
        return str(value)
    if isinstance(value, v2c.IpAddress | v1.IpAddress):
        return ".".join(map(str, value.asNumbers()))
    if isinstance(value, univ.OctetString) and not isinstance(value, univ.Null):
        octets: bytes = value.asOctets()
        if octets.startswith(OPAQUE_FLOAT) and isinstance(value, v2c.Opaque | v1.Opaque) and len(octets) == 7:
            return float(struct.unpack(">f", octets[3:])[0])
        return octets
    return None
