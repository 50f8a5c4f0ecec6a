"""Traps and informs of a simulated device (RFC 3416 sections 4.2.6 and 4.2.7, RFC 1157 section 4.1.6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Self

from integrations.snmp.agent.ber import (
    SEQUENCE,
    Malformed,
    Type,
    Value,
    encode,
    integer,
    oid_content,
    parse_oid,
    tlv,
)
from integrations.snmp.agent.endpoint import MAX_DATAGRAM, Endpoint, Peer
from integrations.snmp.agent.engine import USM, Report
from integrations.snmp.agent.message import (
    AUTH,
    PRIV,
    REPORTABLE,
    V1,
    V2C,
    V3,
    Framed,
    Pdu,
    PduType,
    Security,
    encode_community,
    encode_pdu,
    encode_scoped,
    parse_community,
    parse_framed,
    parse_scoped,
    read_bind,
    varbind,
    version_of,
)
from integrations.snmp.agent.usm import DecryptionFailed, Keys, User

UPTIME = "1.3.6.1.2.1.1.3.0"
TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"
NOBODY = User("")

Binds = Iterable[tuple[str, Type, Value]]


class Refused(Exception):
    """The receiver answered an inform with a report or an error; `reason` is the report's OID, or words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Receiver:
    """An inform's receiver as an authoritative engine; `at` is our clock when its time was `seconds`."""

    keys: Keys
    engine_id: bytes
    boots: int
    seconds: int
    at: float


class Notifier:
    """Sends to one receiver: v2c with a `community`, v3 with a `user`, at the user's level.

    `source` is the address that the receiver sees. Traps of v3 are in the name of our own engine, informs in
    the receiver's, which is discovered. `clock` gives seconds.
    """

    def __init__(
        self,
        address: str,
        port: int,
        *,
        community: str = "public",
        user: User | None = None,
        context: str = "",
        engine_id: bytes = b"\x80\x00\x00\x00\x05firstbell",
        boots: int = 1,
        source: str = "127.0.0.1",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.peer: Peer = (address, port)
        self.community = community.encode()
        self.user = user
        self.context = context.encode()
        self.engine_id = engine_id
        self.boots = boots
        self.clock = clock
        self.started = clock()
        self._endpoint = Endpoint(self._hear, source)
        self._numbers = count(int(time.time()) & 0xFFFFFF)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._keys: Keys | None = None
        self._receiver: Receiver | None = None

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Take a port, inside a running event loop."""
        self._endpoint.open()

    def close(self) -> None:
        """Give the port up; informs under way time out."""
        self._endpoint.close()

    @property
    def seconds(self) -> float:
        """Seconds since the device started: uptime, and time of our own engine."""
        return self.clock() - self.started

    def trap(self, oid: str, binds: Binds = ()) -> None:
        """A trap of v2c or v3. It may be lost, and nobody says so."""
        number = next(self._numbers)
        pdu = self._pdu(PduType.TRAP, number, oid, binds)
        if self.user is None:
            self._endpoint.send(encode_community(V2C, self.community, pdu), self.peer)
            return
        if self._keys is None:
            self._keys = Keys.of(self.user, self.engine_id)
        message = _secured(
            self._keys,
            number,
            self.engine_id,
            self.boots,
            int(self.seconds),
            pdu,
            self.context,
            self.user.level,
        )
        self._endpoint.send(message, self.peer)

    def trap_v1(
        self, enterprise: str, generic: int, specific: int = 0, binds: Binds = (), agent: str | None = None
    ) -> None:
        """RFC 1157's trap; `agent` is the address that it claims to be from, the source's by default."""
        head = tlv(Type.OID, oid_content(parse_oid(enterprise)))
        head += encode(Type.IP, agent or self._endpoint.address) + integer(generic) + integer(specific)
        head += encode(Type.TICKS, int(self.seconds * 100) & 0xFFFFFFFF)
        pdu = tlv(PduType.TRAP_V1, head + tlv(SEQUENCE, b"".join(varbind(*each) for each in binds)))
        self._endpoint.send(encode_community(V1, self.community, pdu), self.peer)

    async def inform(self, oid: str, binds: Binds = (), *, wait: float = 1.0, retries: int = 2) -> None:
        """An inform, sent again after `wait` seconds up to `retries` times.

        TimeoutError if nobody acknowledges it, Refused if the receiver answers that it will not have it.
        """
        binds = list(binds)
        if self.user is None:
            number = next(self._numbers)
            pdu = self._pdu(PduType.INFORM, number, oid, binds)
            message = encode_community(V2C, self.community, pdu)
            _, at, stop, data = await self._asked(number, message, wait, retries)
            _acknowledged(parse_community(data, V2C, at, stop).pdu)
            return
        await self._inform_v3(self.user, oid, binds, wait, retries)

    async def _inform_v3(self, user: User, oid: str, binds: Binds, wait: float, retries: int) -> None:
        for _ in range(2):
            receiver = self._receiver or await self._discovered(user, wait, retries)
            number = next(self._numbers)
            pdu = self._pdu(PduType.INFORM, number, oid, binds)
            seconds = receiver.seconds + int(self.clock() - receiver.at)
            level = user.level | REPORTABLE
            message = _secured(
                receiver.keys, number, receiver.engine_id, receiver.boots, seconds, pdu, self.context, level
            )
            framed, answer = self._opened(receiver.keys, *await self._asked(number, message, wait, retries))
            if answer.type != PduType.REPORT:
                return _acknowledged(answer)
            if (report := _report(answer)) != Report.NOT_IN_TIME_WINDOWS:
                raise Refused(report)
            self._receiver = self._known(receiver.keys, framed.security)
        raise Refused(Report.NOT_IN_TIME_WINDOWS)

    async def _discovered(self, user: User, wait: float, retries: int) -> Receiver:
        number = next(self._numbers)
        pdu = encode_pdu(PduType.GET, number, b"")
        nobody = Keys(NOBODY, b"", b"")
        message = _secured(nobody, number, b"", 0, 0, pdu, b"", REPORTABLE)
        _, at, stop, data = await self._asked(number, message, wait, retries)
        security = parse_framed(data, at, stop).security
        self._receiver = self._known(Keys.of(user, security.engine_id), security)
        return self._receiver

    def _known(self, keys: Keys, security: Security) -> Receiver:
        return Receiver(keys, security.engine_id, security.boots, security.time, self.clock())

    def _opened(self, keys: Keys, _: int, at: int, stop: int, data: bytes) -> tuple[Framed, Pdu]:
        framed = parse_framed(data, at, stop)
        if framed.flags & AUTH and not keys.is_signed(data, framed):
            raise Refused("The answer's digest is wrong.")
        if not framed.encrypted:
            return framed, parse_scoped(framed.data).pdu
        security = framed.security
        try:
            plain = keys.decrypted(framed.data, security.salt, security.boots, security.time)
            return framed, parse_scoped(plain).pdu
        except (DecryptionFailed, Malformed):
            raise Refused("The answer cannot be decrypted.") from None

    def _pdu(self, kind: PduType, number: int, oid: str, binds: Binds) -> bytes:
        ticks = int(self.seconds * 100) & 0xFFFFFFFF
        head = varbind(UPTIME, Type.TICKS, ticks) + varbind(TRAP_OID, Type.OID, oid)
        return encode_pdu(kind, number, head + b"".join(varbind(*each) for each in binds))

    async def _asked(
        self, number: int, message: bytes, wait: float, retries: int
    ) -> tuple[int, int, int, bytes]:
        """The answer with the same number: version, bounds of what follows it, all of it."""
        answered = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            for _ in range(retries + 1):
                self._endpoint.send(message, self.peer)
                done, _pending = await asyncio.wait((answered,), timeout=wait)
                if done:
                    data = answered.result()
                    return (*version_of(data), data)
            raise TimeoutError("Nobody acknowledges the inform.")
        finally:
            del self._waiting[number]

    def _hear(self, data: bytes, peer: Peer) -> None:
        if peer != self.peer:
            return
        try:
            version, at, stop = version_of(data)
            if version == V3:
                number = parse_framed(data, at, stop).message_id
            else:
                number = parse_community(data, version, at, stop).pdu.request_id
        except Malformed:
            return
        waiting = self._waiting.get(number)
        if waiting and not waiting.done():
            waiting.set_result(data)


def _secured(
    keys: Keys,
    number: int,
    engine_id: bytes,
    boots: int,
    seconds: int,
    pdu: bytes,
    context: bytes,
    flags: int,
) -> bytes:
    scoped, salt = encode_scoped(engine_id, context, pdu), b""
    if flags & PRIV:
        scoped, salt = keys.encrypted(scoped, boots, seconds, time.time_ns())
    security = Security(engine_id, boots, seconds, keys.user.name.encode(), b"", salt, 0)
    return keys.signed(Framed(number, MAX_DATAGRAM, flags, USM, security, bool(flags & PRIV), scoped))


def _acknowledged(pdu: Pdu) -> None:
    if pdu.type != PduType.RESPONSE or pdu.first:
        raise Refused(f"PDU {pdu.type:#x} with error status {pdu.first}.")


def _report(pdu: Pdu) -> str:
    return read_bind(pdu.binds[0])[0] if pdu.binds else "An empty report."
