"""Whether an SNMPv3 answer is signed as was asked (RFC 3414, section 3.2). gufo-snmp 0.13 does not look at
an answer's digest or level, so anybody who can send from an agent's address could answer for it.

`Relay` takes the network's place at a gufo socket and lets in only what is believed.
"""

from __future__ import annotations

import hmac
import os
import socket
from collections.abc import Callable
from typing import Protocol

from integrations.snmp.target import AuthProtocol

DIGEST_OCTETS = {
    AuthProtocol.MD5: 12,
    AuthProtocol.SHA1: 12,
    AuthProtocol.SHA224: 16,
    AuthProtocol.SHA256: 24,
    AuthProtocol.SHA384: 32,
    AuthProtocol.SHA512: 48,
}
SEQUENCE, INTEGER, OCTETS, REPORT = 0x30, 0x02, 0x04, 0xA8
SIGNED, LEVEL = 1, 3
V3 = 3
LARGEST = 65_535


class Descriptor(Protocol):
    def get_fd(self) -> int: ...


class Guard:
    """Believes answers of one user at one agent.

    `level`: 1 signed, 3 encrypted as well. `key` gives the key that is localised for an engine id. Reports
    may be in plain, and unsigned where the agent does not know us; they carry no values.
    """

    def __init__(self, protocol: AuthProtocol, level: int, key: Callable[[bytes], bytes]) -> None:
        self.protocol = protocol
        self.level = level
        self.key = key
        self._known: tuple[bytes, bytes] = (b"", b"")

    def believes(self, data: bytes, engine_id: bytes) -> bool:
        """`engine_id` is whose answer it must be, once it is known."""
        try:
            flags, author, digest_at, digest_end, scoped = _framed(data)
        except (ValueError, IndexError):
            return False
        if not flags & SIGNED:
            return _is_report(data, scoped)
        if author != engine_id or not self._is_signed(data, digest_at, digest_end, author):
            return False
        return flags & LEVEL == self.level or _is_report(data, scoped)

    def _is_signed(self, data: bytes, at: int, end: int, engine_id: bytes) -> bool:
        if end - at != DIGEST_OCTETS[self.protocol]:
            return False
        if self._known[0] != engine_id:
            self._known = (engine_id, self.key(engine_id))
        unsigned = data[:at] + bytes(end - at) + data[end:]
        made = hmac.digest(self._known[1], unsigned, self.protocol.value)[: end - at]
        return hmac.compare_digest(made, data[at:end])


def message_id(data: bytes) -> int | None:
    """What ties an answer to its question: v3's message id, else the request id. None where there is none."""
    try:
        at, _ = opened(data, 0, SEQUENCE)
        version, at = opened(data, at, INTEGER)
        if data[version] == V3:
            at, _ = opened(data, at, SEQUENCE)
        else:
            _, at = opened(data, at, OCTETS)
            at, _ = opened(data, at, data[at])
        number, end = opened(data, at, INTEGER)
    except (ValueError, IndexError):
        return None
    return int.from_bytes(data[number:end], signed=True)


def _framed(data: bytes) -> tuple[int, bytes, int, int, int]:
    """The flags, the engine id, where the digest is from and to, and where the scoped PDU begins."""
    at, _ = opened(data, 0, SEQUENCE)
    _, at = opened(data, at, INTEGER)
    header, at = opened(data, at, SEQUENCE)
    for _ in ("message id", "largest message"):
        _, header = opened(data, header, INTEGER)
    flags, _ = opened(data, header, OCTETS)
    security, scoped = opened(data, at, OCTETS)
    part, _ = opened(data, security, SEQUENCE)
    engine, part = opened(data, part, OCTETS)
    engine_id = data[engine:part]
    for _ in ("boots", "time"):
        _, part = opened(data, part, INTEGER)
    _, part = opened(data, part, OCTETS)
    digest, end = opened(data, part, OCTETS)
    return data[flags], engine_id, digest, end, scoped


def _is_report(data: bytes, at: int) -> bool:
    try:
        inside, _ = opened(data, at, SEQUENCE)
        for _ in ("context engine id", "context name"):
            _, inside = opened(data, inside, OCTETS)
        return data[inside] == REPORT
    except (ValueError, IndexError):
        return False


def opened(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of the TLV at `at` begins and ends. ValueError where it is none, or not whole."""
    if data[at] != tag:
        raise ValueError("That is another tag.")
    length, start = data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise ValueError("There is no such length.")
        length, start = int.from_bytes(data[start : start + octets]), start + octets
    if start + length > len(data):
        raise ValueError("It is cut short.")
    return start, start + length


class Relay:
    """A UDP socket of ours between a gufo socket and its agent. OSError where it cannot be made.

    The descriptor of gufo's socket is made one end of a pair, whose other end is ours.
    """

    def __init__(self, inner: Descriptor, address: str, port: int, guard: Guard) -> None:
        self.guard = guard
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        theirs, self._inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outside = socket.socket(family, socket.SOCK_DGRAM)
        try:
            for each in (theirs, self._inside, self._outside):
                each.setblocking(False)
            self._outside.connect((address, port))
            os.dup2(theirs.fileno(), inner.get_fd(), inheritable=False)
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()

    def fileno(self) -> int:
        return self._outside.fileno()

    def send_on(self) -> None:
        """What gufo has just sent. OSError as the network says it."""
        self._outside.send(self._inside.recv(LARGEST))

    def let_in(self, engine_id: bytes) -> bool:
        """Whether the next datagram was believed; then it lies ready for gufo. OSError as the network says
        it.
        """
        data = self._outside.recv(LARGEST)
        if not self.guard.believes(data, engine_id):
            return False
        self._inside.send(data)
        return True

    def close(self) -> None:
        self._inside.close()
        self._outside.close()
