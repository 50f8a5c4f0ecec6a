"""A report as rows and as CSV. PURE."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

CUTS = ("school", "queue", "category", "priority", "month", "weekday")
COLUMNS = ("group", *CUTS, "figure", "value")


def rows_of(report: Mapping[str, Any]) -> Iterator[list[Any]]:
    """One row a group and figure, in the order of COLUMNS: the total first, then the groups.

    A figure is named by its path, such as `time_to_close.calendar.with_hold.p90_h`.
    """
    yield from _rows("total", {}, report["total"])
    for group in report["groups"]:
        figures = {name: value for name, value in group.items() if name not in ("by", "names")}
        yield from _rows("group", group["by"], figures)


def csv_of(report: Mapping[str, Any]) -> str:
    """The rows as RFC 4180 CSV with a header; what is null is empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows_of(report))
    return text.getvalue()


def _rows(kind: str, by: Mapping[str, Any], figures: Mapping[str, Any]) -> Iterator[list[Any]]:
    cuts = [by.get(cut) for cut in CUTS]
    for path, value in _leaves(figures, ""):
        yield [kind, *cuts, path, value]


def _leaves(figures: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
