"""Whether a v2c answer says that an agent has nothing more: endOfMibView, and no error.

gufo-snmp tells neither of them from an answer that holds nothing, so its next datagram is looked at before it
takes it. RFC 3416, section 4.2.3.
"""

from __future__ import annotations

import socket
from typing import Final

from integrations.snmp.bounds import numbers
from integrations.snmp.trap_messages import INTEGER, OCTETS, RESPONSE, SEQUENCE, Unfit, expect, tlv

OBJECT_ID: Final = 0x06
END_OF_MIB_VIEW: Final = 0x82
LONGEST: Final = 65_535


def next_datagram(descriptor: int) -> bytes:
    """What a UDP socket will give next, and still does; nothing where nothing waits."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 0, descriptor)
    try:
        return ours.recv(LONGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""
    finally:
        ours.detach()


def says_end(message: bytes, after: str) -> bool:
    """Whether this is a v2c Response without an error by which nothing comes after the named object."""
    try:
        at, end = expect(message, 0, len(message), SEQUENCE)
        for tag in (INTEGER, OCTETS):
            _, at = expect(message, at, end, tag)
        at, end = expect(message, at, end, RESPONSE)
        _, at = expect(message, at, end, INTEGER)
        status, at = expect(message, at, end, INTEGER)
        _, behind = expect(message, at, end, INTEGER)
        first, end = expect(message, behind, end, SEQUENCE)
        first, end = expect(message, first, end, SEQUENCE)
        start, stop = expect(message, first, end, OBJECT_ID)
        return (
            not any(message[status:at])
            and message[start:stop] == _encoded(after)
            and tlv(message, stop, end)[0] == END_OF_MIB_VIEW
        )
    except Unfit:
        return False


def _encoded(oid: str) -> bytes:
    """The content of an OBJECT IDENTIFIER (X.690, 8.19)."""
    first, second, *others = numbers(oid)
    return b"".join(_base_128(number) for number in (40 * first + second, *others))


def _base_128(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    return bytes(reversed(octets))
