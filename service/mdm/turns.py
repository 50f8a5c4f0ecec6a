"""Whose turn it is to ask a device management, within one process: one that hangs holds up no others."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Final

AT_ONCE: Final = 4
"""So many ask one connection at the same time; only one where it hangs."""
HANGS: Final = 10.0
"""Seconds of one turn from which on a connection counts as one that hangs, until a turn was shorter."""
WAITS: Final = 1.0
"""Seconds for which a turn is waited for; whoever waits keeps others from a turn elsewhere."""
BETWEEN: Final = 0.02
LATER: Final = timedelta(seconds=5)
"""When who got no turn should come again."""


@dataclass
class _Asked:
    """One connection: since when those ask it that do now, and whether the last turn was long."""

    since: list[float] = field(default_factory=list)
    was_slow: bool = False

    @property
    def hangs(self) -> bool:
        return self.was_slow or any(monotonic() - began > HANGS for began in self.since)

    @property
    def is_full(self) -> bool:
        return len(self.since) >= (1 if self.hangs else AT_ONCE)

    async def comes_free(self) -> bool:
        """Soon; nobody waits for one that hangs."""
        until = monotonic() + WAITS
        while self.is_full:
            if self.hangs or monotonic() >= until:
                return False
            await asyncio.sleep(BETWEEN)
        return True


class Turns:
    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = defaultdict(_Asked)

    @asynccontextmanager
    async def of(self, connection_id: int | None) -> AsyncIterator[bool]:
        """Whether the connection may be asked while this is held; else somebody comes again `LATER`."""
        if connection_id is None:
            yield True
            return
        asked = self._asked[connection_id]
        if not await asked.comes_free():
            yield False
            return
        began = monotonic()
        asked.since.append(began)
        try:
            yield True
        finally:
            asked.since.remove(began)
            asked.was_slow = monotonic() - began > HANGS
