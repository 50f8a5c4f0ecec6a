"""Traps and informs (v1, v2c, v3) on a port of our own.

A datagram's sender may be forged, and a v2c community is sent in the clear. So what is heard here must never
change a state by itself: it asks for an immediate poll, and the poll's answers decide.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from integrations.snmp.target import Value, Version
from integrations.snmp.trap_gate import Gate, Limits, Reason, Source, Tally
from integrations.snmp.trap_messages import (
    INFORM,
    Said,
    Unfit,
    acknowledgement,
    said,
    trusted_pdu,
    version_of,
)
from integrations.snmp.trap_usm import Authority

__all__ = ["Limits", "Notification", "Reason", "Source", "TrapListener"]

RECEIVE_BUFFER = 4 << 20
AT_ONCE = 128
REST = 0.02
"""Seconds without reading after `AT_ONCE` datagrams in a row: a storm costs a bounded share of the process,
at most 6,400 datagrams a second. What the kernel's buffer cannot hold meanwhile is lost there, uncounted.
"""
INFORMS_KEPT = 4096
INFORM_KEPT_FOR = 120.0


@dataclass(frozen=True, slots=True)
class Notification:
    """What a source says has happened. It is a hint to poll the source now, never a fact.

    `trap_oid` is as of v2c (RFC 2576 section 3.1 for v1's), `uptime` hundredths of a second, `values` the
    objects sent beside those two.
    """

    source: Source
    trap_oid: str
    values: dict[str, Value]
    uptime: int | None
    inform: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    data: bytes
    peer: tuple[str, int]
    address: str
    source: Source


class TrapListener:
    """Hears notifications of known sources and counts all else, by reason; nothing that is sent raises.

    `sources` gives the source of an IP address, or None; it is asked for each datagram, must be quick, and
    may change its mind at any time. `hear` is called in the event loop; if it raises, the loop's exception
    handler is told, the datagram counts as `failed` and an inform is not acknowledged. `engine_id` names us
    to senders of v3 informs and must stay the same over restarts, `boots` must grow with each (by default the
    minutes since 1970). What passes `limits` is decoded one datagram for each turn of the loop.
    """

    def __init__(
        self,
        address: str,
        port: int,
        *,
        sources: Callable[[str], Source | None],
        hear: Callable[[Notification], None],
        engine_id: bytes,
        limits: Limits | None = None,
        boots: int | None = None,
    ) -> None:
        limits = limits or Limits()
        self.address = address
        self.port = port
        self._hear = hear
        self._tally = Tally(limits.strangers)
        self._gate = Gate(sources, limits, self._tally)
        self._authority = Authority(engine_id, boots)
        self._buffer = memoryview(bytearray(limits.size + 1))
        self._waiting: deque[_Waiting] = deque()
        self._informs: OrderedDict[bytes, float] = OrderedDict()
        self._socket: socket.socket | None = None
        self._resting: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Take the port, inside a running event loop; port 0 takes a free one and sets `port`. OSError if it
        is not to be had.
        """
        six = ipaddress.ip_address(self.address).version == 6
        made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            made.bind((self.address, self.port))
        except OSError:
            made.close()
            raise
        self.port = made.getsockname()[1]
        self._socket, self._loop = made, asyncio.get_running_loop()
        self._listen()

    def close(self) -> None:
        """Give the port up; what waits to be decoded is dropped."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._resting is not None:
            self._resting.cancel()
        self._waiting.clear()

    def counts(self) -> dict[str, int]:
        """How many datagrams met each `Reason` since the start."""
        return {reason.value: count for reason, count in sorted(self._tally.totals.items())}

    def strangers(self) -> list[tuple[str, int]]:
        """The unknown addresses that sent most since the last `drained`, with their numbers, most first."""
        return self._tally.strangers()

    def drained(self) -> dict[tuple[str, Reason], int]:
        """Counts by address and reason since the last call. Rare addresses are summed up under "*"."""
        return self._tally.drained()

    def _listen(self) -> None:
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._readable, self._socket)

    def _readable(self, ours: socket.socket) -> None:
        now = time.monotonic()
        for _ in range(AT_ONCE):
            try:
                size, peer = ours.recvfrom_into(self._buffer)
            except OSError:  # nothing more, or an ICMP error for an answer of ours
                return
            address = peer[0].removeprefix("::ffff:")
            source = self._gate.judge(address, size, now)
            if source is not None:
                self._waiting.append(_Waiting(bytes(self._buffer[:size]), peer, address, source))
                if len(self._waiting) == 1:
                    self._loop.call_soon(self._take_next)
        self._loop.remove_reader(ours)
        self._resting = self._loop.call_later(REST, self._listen)

    def _take_next(self) -> None:
        if not self._waiting:
            return
        self._take(self._waiting.popleft())
        if self._waiting:
            self._loop.call_soon(self._take_next)

    def _take(self, waiting: _Waiting) -> None:
        answer = None
        try:
            reason, answer = self._judged(waiting)
        except Unfit as unfit:
            reason, answer = unfit.reason, unfit.answer
        except Exception as error:  # noqa: BLE001 -- no datagram and no hearer may end the listening
            reason = Reason.FAILED
            self._loop.call_exception_handler({"message": "A trap was not dealt with.", "exception": error})
        self._tally.add(waiting.address, reason)
        if answer is not None:
            self._send(answer, waiting.peer)

    def _judged(self, waiting: _Waiting) -> tuple[Reason, bytes | None]:
        """What became of it and what to answer; Unfit if it is not believed."""
        data, source = waiting.data, waiting.source
        version, at, end = version_of(data)
        if (version is Version.V3) != (source.credential.version is Version.V3):
            raise Unfit(Reason.WRONG_VERSION)
        if version is Version.V3:
            opened = self._authority.opened(data, at, end, source)
            found = said(opened.scoped[opened.at :], version)
            if found.inform and not opened.ours:
                raise Unfit(Reason.UNKNOWN_ENGINE)
            reason = self._heard(source, found, waiting.address)
            return reason, self._authority.acknowledged(opened, source.credential) if found.inform else None
        at, end = trusted_pdu(data, at, end, source.credential)
        found = said(data[at:end], version)
        reason = self._heard(source, found, waiting.address)
        return reason, acknowledgement(data, at) if data[at] == INFORM else None

    def _heard(self, source: Source, found: Said, address: str) -> Reason:
        mark, now = _mark(address, found), time.monotonic()
        if found.inform and now - self._informs.get(mark, -INFORM_KEPT_FOR) < INFORM_KEPT_FOR:
            return Reason.DUPLICATE
        self._hear(Notification(source, found.trap_oid, found.values, found.uptime, found.inform))
        if found.inform:
            self._informs[mark] = now
            if len(self._informs) > INFORMS_KEPT:
                self._informs.popitem(last=False)
        return Reason.TAKEN

    def _send(self, answer: bytes, peer: tuple[str, int]) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(answer, peer)
        except OSError:
            return  # a lost acknowledgement: the sender repeats its inform


def _mark(address: str, found: Said) -> bytes:
    """What a repeated inform has in common with the first, whatever its salt, time and message number."""
    told = repr((address, found.request_id, found.trap_oid, found.uptime, sorted(found.values.items())))
    return hashlib.blake2b(told.encode(), digest_size=16).digest()
