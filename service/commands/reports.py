"""`firstbell report`: figures of the desk, with their definitions."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from service.commands import base
from service.core.actor import SYSTEM
from service.core.migrating import migrate
from service.reports.rendering import csv_of
from service.reports.resolution import ReportQuery, resolution_report

app = typer.Typer(name="report", help="Figures of the desk, with their definitions.", no_args_is_help=True)
Several = list[str] | None


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    TABLE = "table"


@app.callback()
def about() -> None:
    """Figures of the desk, with their definitions."""


@app.command("resolution")
def resolution(
    by: Annotated[
        Several, typer.Option(help="Up to three of school, queue, category, priority, month, weekday.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Opened from this day (2026-09-01), or instant, on.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Opened before this day or instant.")] = None,
    calendar: Annotated[
        str | None, typer.Option(help="Name or id of the calendar of working time; else each ticket's own.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Zone of days and months; else that of --calendar, else UTC.")
    ] = None,
    school: Annotated[Several, typer.Option(help="Only this school, by id.")] = None,
    queue: Annotated[Several, typer.Option(help="Only this queue, by key.")] = None,
    category: Annotated[Several, typer.Option(help="Only this category and those under it.")] = None,
    priority: Annotated[Several, typer.Option(help="Only this priority.")] = None,
    external_prefix: Annotated[str | None, typer.Option(help="Only external ids that begin so.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Counts, times to resolve and close, attainment, reopenings, moves and backlog.

    The figures are written with their definitions in JSON; docs/reports.md has them too.
    """
    with base.sentences():
        query = ReportQuery(
            opened_since=_instant(since, zone),
            opened_until=_instant(until, zone),
            by=by or [],
            calendar=calendar,
            zone=zone,
            school=school or [],
            queue=queue or [],
            category=category or [],
            priority=priority or [],
            external_prefix=external_prefix,
        )
        report = _report(query)
    if as_json or form is Format.JSON:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    elif form is Format.CSV:
        sys.stdout.write(csv_of(report))
    else:
        _show(report)


def _instant(text: str | None, zone: str | None) -> datetime | None:
    """A day is its 00:00 in the zone; an instant says its own offset."""
    if text is None:
        return None
    try:
        local = ZoneInfo(zone) if zone else UTC
    except (ValueError, KeyError, OSError):
        local = UTC
    try:
        return datetime.combine(date.fromisoformat(text), time.min, local)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day like 2026-09-01 and no instant.") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=local)


def _report(query: ReportQuery) -> dict[str, Any]:
    """The report. Its many small objects are kept to the end, so the collector would only walk them."""

    async def go(url: str) -> dict[str, Any]:
        async with base.resources(url) as resources, resources.read(SYSTEM) as read:
            return await resolution_report(read, query)

    with base.database() as url:
        migrate(url)
        gc.disable()
        try:
            return base.run(go(url))
        finally:
            gc.enable()


def _show(report: Mapping[str, Any]) -> None:
    """The total and the groups as two tables that fit a narrow terminal, and the backlog."""
    zone = report["query"]["zone"]
    base.out.print(_table(report, f"Tickets (months and days in {zone})", COUNTS, _counts))
    base.out.print(_table(report, "Calendar hours, with time on hold", TIMES, _times))
    backlog = Table("At 00:00 on", title="Backlog")
    backlog.add_column("open", justify="right")
    for day, count in report["total"]["backlog"].items():
        backlog.add_row(day, f"{count:,}")
    base.out.print(backlog)
    base.out.print("--json has working time, time without holds, and what every figure means.")


def _table(
    report: Mapping[str, Any],
    title: str,
    headings: Sequence[str],
    cells: Callable[[Mapping[str, Any]], Iterator[str]],
) -> Table:
    cuts = report["query"]["by"]
    table = Table(*(cut.capitalize() for cut in cuts), title=title, box=SIMPLE_HEAD, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for group in report["groups"]:
        table.add_row(*(escape(group["names"][cut] or "none") for cut in cuts), *cells(group))
    if cuts:
        table.add_section()
    table.add_row(*(["total", *[""] * (len(cuts) - 1)] if cuts else []), *cells(report["total"]))
    return table


COUNTS = ("opened", "resolved", "closed", "reopened", "moved", "in time")
TIMES = ("first p50", "last mean", "last p50", "last p90", "close p50", "close p90")
TIME_CELLS = (
    ("time_to_first_resolution", "median_h"),
    ("time_to_last_resolution", "mean_h"),
    ("time_to_last_resolution", "median_h"),
    ("time_to_last_resolution", "p90_h"),
    ("time_to_close", "median_h"),
    ("time_to_close", "p90_h"),
)


def _counts(figures: Mapping[str, Any]) -> Iterator[str]:
    for name in ("opened", "resolved", "closed"):
        yield f"{figures[name]['count']:,}"
    yield f"{figures['reopened']['tickets']:,}"
    yield f"{figures['reassigned']['tickets']:,}"
    share = figures["sla"]["resolution"]["share"]
    yield "" if share is None else f"{share:.1%}"


def _times(figures: Mapping[str, Any]) -> Iterator[str]:
    for name, part in TIME_CELLS:
        hours = figures[name]["calendar"]["with_hold"][part]
        yield "" if hours is None else f"{hours:,.2f}"
