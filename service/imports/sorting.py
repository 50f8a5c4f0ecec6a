"""Lines brought together by their ticket, in bounded memory: sorted runs on disk, merged as they are read."""

from __future__ import annotations

import heapq
import marshal
import tempfile
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any, BinaryIO, cast

from service.imports.lines import Line

LINES_A_RUN = 100_000
TEXT_A_RUN = 100_000_000
LINES_A_BLOCK = 2_000
MOST_RUNS = 100


class Sorter:
    """Takes lines in any order and gives them ticket by ticket, each in the order that its mapping wants."""

    def __init__(self, lines_a_run: int = LINES_A_RUN) -> None:
        self._limit = lines_a_run
        self._held: list[tuple[Any, ...]] = []
        self._text = 0
        self._runs: list[BinaryIO] = []
        self.count = 0

    def __enter__(self) -> Sorter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs:
            run.close()

    def add(self, line: Line) -> None:
        self._held.append(tuple(line))
        self._text += len(line.subject) + len(line.description)
        self.count += 1
        if len(self._held) >= self._limit or self._text > TEXT_A_RUN:
            self._spill()

    def tickets(self) -> Iterator[list[Line]]:
        """The lines of one ticket after the other, by id."""
        self._held.sort()
        merged: Iterator[tuple[Any, ...]] = heapq.merge(*map(_read, self._runs), self._held)
        for _, lines in groupby(merged, key=itemgetter(0)):
            yield [Line._make(line) for line in lines]

    def _spill(self) -> None:
        self._held.sort()
        self._runs.append(_written(iter(self._held)))
        self._held, self._text = [], 0
        if len(self._runs) >= MOST_RUNS:
            runs, self._runs = self._runs, []
            self._runs.append(_written(heapq.merge(*map(_read, runs))))
            for run in runs:
                run.close()


def _written(lines: Iterator[tuple[Any, ...]]) -> BinaryIO:
    """A run in a temporary file, which vanishes with its last reader."""
    run = cast("BinaryIO", tempfile.TemporaryFile(prefix="firstbell-import-"))  # noqa: SIM115
    block: list[tuple[Any, ...]] = []
    for line in lines:
        block.append(line)
        if len(block) == LINES_A_BLOCK:
            marshal.dump(block, run)
            block = []
    marshal.dump(block, run)
    run.flush()
    return run


def _read(run: BinaryIO) -> Iterator[tuple[Any, ...]]:
    run.seek(0)
    while True:
        try:
            block = marshal.load(run)  # noqa: S302  (we wrote it ourselves a moment ago)
        except EOFError:
            return
        yield from block
