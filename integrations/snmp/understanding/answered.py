"""Answers by column and row."""

from __future__ import annotations

from bisect import bisect_left

from integrations.snmp.decoding import integer, number, ordered, text
from integrations.snmp.target import Answers, Value


class Answered:
    """What a device answered. A column's rows are in the agent's order; a scalar's only row is "0"."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._sorted = sorted(answers)
        self._columns: dict[str, dict[str, Value]] = {}

    def column(self, oid: str) -> dict[str, Value]:
        """Index → value of every row below `oid`; empty if there is none."""
        found = self._columns.get(oid)
        if found is None:
            found = self._columns[oid] = self._rows(f"{oid}.")
        return found

    def _rows(self, prefix: str) -> dict[str, Value]:
        at = bisect_left(self._sorted, prefix)
        rows = []
        while at < len(self._sorted) and self._sorted[at].startswith(prefix):
            rows.append(self._sorted[at][len(prefix) :])
            at += 1
        return {index: self.answers[prefix + index] for index in sorted(rows, key=ordered)}

    def get(self, oid: str) -> Value | None:
        return self.answers.get(oid)

    def text(self, oid: str) -> str | None:
        return text(self.answers.get(oid))

    def integer(self, oid: str) -> int | None:
        return integer(self.answers.get(oid))

    def number(self, oid: str) -> float | None:
        return number(self.answers.get(oid))
