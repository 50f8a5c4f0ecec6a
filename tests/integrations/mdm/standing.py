"""One port for the tests of a module, on which one simulator after the other stands: opening and closing a
server for each test costs more than the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from integrations.mdm.simulated.server import Simulator, serving


class _Stage(Simulator):
    current: Simulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)


@dataclass(frozen=True)
class Place:
    stage: _Stage
    url: str

    def stands(self, simulator: Simulator) -> str:
        """The address, at which it answers from now on."""
        self.stage.current = simulator
        return self.url


@asynccontextmanager
async def one_place() -> AsyncIterator[Place]:
    stage = _Stage()
    async with serving(stage) as url:
        yield Place(stage, url)
