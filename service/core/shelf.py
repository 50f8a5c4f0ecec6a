"""The rules of the desk, kept in the process: few rows, read on every ticket, changed once a month."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")
MOST_KEPT = 50_000
SECONDS = 30.0
SETTLED = 35  # seconds after which no process holds a rule as it was


class Shelf:
    """Values by name, dropped when the rules change anywhere (announced) or after `seconds` at the latest.

    What is not there (None) is not kept.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._kept: dict[Any, tuple[float, Any]] = {}
        self.edition = 0

    async def get(self, name: Any, load: Callable[[], Awaitable[T]]) -> T:
        kept = self._kept.get(name)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]  # type: ignore[no-any-return]
        edition = self.edition
        value = await load()
        if value is not None and edition == self.edition:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[name] = (time.monotonic() + self._seconds, value)
        return value

    def drop(self, name: Any) -> None:
        self._kept.pop(name, None)
        self.edition += 1

    def clear(self) -> None:
        self._kept.clear()
        self.edition += 1
