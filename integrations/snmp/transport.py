"""All that is asked of SNMP agents goes through here: two engines behind one small protocol.

pysnmp can do everything and is slow; gufo-snmp reads only, at a fortieth of the cost, and asks pysnmp where
it cannot tell what an agent meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self

from integrations.snmp.bounds import WALK_SECONDS, Memories, Memory
from integrations.snmp.gufo_engine import MAX_SESSIONS, GufoEngine
from integrations.snmp.pysnmp_engine import PysnmpEngine
from integrations.snmp.target import Answers, Engine, SetType, Target, Walked

__all__ = ["Memory", "Transport"]


class Transport:
    """Both engines, one of each, for the event loop that it is first used in.

    `prefer`: "pysnmp" reads by pysnmp alone; otherwise gufo reads what it can serve. At most `gufo_in_flight`
    and `pysnmp_in_flight` questions wait for answers at once; pysnmp's answers share one receive buffer,
    which overflows above 25. `gufo_sessions` are kept for their targets' next questions. A walk takes
    `walk_seconds` at most.
    """

    def __init__(
        self,
        prefer: Literal["gufo", "pysnmp"] | None = None,
        *,
        gufo_in_flight: int = 64,
        pysnmp_in_flight: int = 25,
        gufo_sessions: int = MAX_SESSIONS,
        walk_seconds: float = WALK_SECONDS,
    ) -> None:
        self._memories = Memories()
        self._pysnmp = PysnmpEngine(self._memories, in_flight=pysnmp_in_flight, walk_seconds=walk_seconds)
        self._gufo = GufoEngine(
            self._pysnmp,
            self._memories,
            in_flight=gufo_in_flight,
            sessions=gufo_sessions,
            walk_seconds=walk_seconds,
        )
        self._prefers_gufo = prefer != "pysnmp"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def engine_for(self, target: Target) -> Engine:
        """Which engine reads from the target."""
        return self._gufo if self._prefers_gufo and self._gufo.serves(target) else self._pysnmp

    async def get(self, target: Target, oids: Sequence[str]) -> Answers:
        """The named objects that the agent has. SnmpError says why there is no answer."""
        return await self.engine_for(target).get(target, oids)

    async def walk(self, target: Target, base: str, limit: int = 20_000) -> Walked:
        """Every object below `base`, at most `limit`. SnmpError where nothing at all was answered."""
        return await self.engine_for(target).walk(target, base, limit=limit)

    async def set(self, target: Target, values: Mapping[str, tuple[SetType, int | str | bytes]]) -> None:
        """One SET of all values, sent once. Silent says only that no answer came: it may have been obeyed."""
        await self._pysnmp.set(target, values)

    def remembered(self, target: Target) -> Memory:
        """What was learnt of the target's agent so far, to be stored and given with the next target."""
        return replace(self._memories.of(target))

    async def close(self) -> None:
        """Let go of every socket. Not while calls are under way."""
        await self._gufo.close()
        await self._pysnmp.close()
