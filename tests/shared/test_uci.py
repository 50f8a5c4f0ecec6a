"""A year of a real service desk, imported whole: the report must give the reference figures, to the digit.

Further figures of the same kind are computed here from the file itself, in plain Python, without our code.
"""

from __future__ import annotations

import csv
import json
import lzma
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.work import Resources
from service.imports.actions import Imported, import_incidents, mapping_named
from service.reports.resolution import ReportQuery, resolution_report
from service.sla.models import SlaTimer
from service.tickets.models import Ticket, TicketEvent
from tests import makers
from tests.conftest import fresh_database

pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.xdist_group("uci")]

PRIORITIES = {"1 - Critical": "P1", "2 - High": "P2", "3 - Moderate": "P3", "4 - Low": "P4"}
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE = {day: [["08:00", "12:00"], ["13:00", "17:30"]] for day in WEEK[:5]}
DONE = {"Resolved", "Closed"}
HELD = {"Awaiting Problem", "Awaiting Vendor", "Awaiting Evidence"}
LEAST_RATE = 1_500
Lines = list[dict[str, Any]]


class Desk:
    """The database after the import, and how that went."""

    def __init__(self, resources: Resources, first: Imported, path: Path) -> None:
        self.resources, self.first, self.path = resources, first, path
        self._reports: dict[tuple[str, ...], dict[str, Any]] = {}

    async def report(self, *by: str) -> dict[str, Any]:
        """The report by these, made once."""
        if by not in self._reports:
            self._reports[by] = await self.made_anew(*by)
        return self._reports[by]

    async def made_anew(self, *by: str) -> dict[str, Any]:
        async with self.resources.read(SYSTEM) as read:
            return await resolution_report(read, ReportQuery(by=list(by)))

    async def digest(self) -> dict[str, Any]:
        """A sum over all that an import writes."""
        found = {}
        async with self.resources.read(SYSTEM) as read:
            for table in (
                "tickets",
                "ticket_events",
                "sla_timers",
                "ticket_texts",
                "queues",
                "categories",
                "places",
            ):
                query = f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric)::text FROM {table} t"
                found[table] = tuple((await read.db.execute(text(query))).one())
        return found


@pytest.fixture(scope="module")
async def desk(server_url: str, empty_url: str, shared: Path) -> AsyncIterator[Desk]:
    path = shared / "data" / "incidents" / "uci_incident_event_log.csv.xz"
    with fresh_database(server_url, f"fb_uci_{makers.unique('db')}", like=empty_url) as url:
        resources = Resources(engine=make_engine(url, pool=2))
        async with resources.begin(SYSTEM) as work:
            await makers.make_calendar(work, {"zone": "UTC", "hours": OFFICE})
            await makers.make_policy(work)
        first = await import_incidents(resources, SYSTEM, path, mapping_named("servicenow-events"))
        yield Desk(resources, first, path)
        await resources.close()


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Any]:
    content = json.loads((shared / "data" / "incidents" / "reference.json").read_text())
    return {key: entry["value"] for key, entry in content.items()}


@pytest.fixture(scope="module")
def incidents(shared: Path) -> dict[str, Lines]:
    """The file's own lines by incident, in their order, with times read."""
    found: dict[str, Lines] = defaultdict(list)
    cache: dict[str, datetime] = {}
    with lzma.open(shared / "data" / "incidents" / "uci_incident_event_log.csv.xz", "rt") as file:
        for line in csv.DictReader(file):
            for column in ("opened_at", "sys_updated_at"):
                value = line[column]
                if value not in cache:
                    cache[value] = datetime.strptime(value, "%d/%m/%Y %H:%M").replace(tzinfo=UTC)
                line[column] = cache[value]  # type: ignore[assignment]
            found[line["number"]].append(line)
    return found


def last_resolved(lines: Lines) -> datetime:
    found = [line["sys_updated_at"] for line in lines if line["incident_state"] == "Resolved"]
    return found[-1] if found else first_closed(lines)


def first_resolved(lines: Lines) -> datetime:
    found = [line["sys_updated_at"] for line in lines if line["incident_state"] == "Resolved"]
    return found[0] if found else first_closed(lines)


def first_closed(lines: Lines) -> datetime:
    return next(line["sys_updated_at"] for line in lines if line["incident_state"] == "Closed")


def last_closed(lines: Lines) -> datetime:
    return next(line["sys_updated_at"] for line in reversed(lines) if line["incident_state"] == "Closed")


def last_group(lines: Lines) -> str:
    named = [line["assignment_group"] for line in lines if line["assignment_group"] != "?"]
    return named[-1] if named else "No group"


def summed(values: Iterable[float]) -> dict[str, Any]:
    ordered = sorted(values)
    p90 = statistics.quantiles(ordered, n=10, method="inclusive")[8] if len(ordered) > 1 else ordered[0]
    return {
        "n": len(ordered),
        "mean_h": round(sum(ordered) / len(ordered), 6),
        "median_h": round(statistics.median(ordered), 6),
        "p90_h": round(p90, 6),
    }


def hours(lines: Lines, end: Callable[[Lines], datetime]) -> float:
    return (end(lines) - lines[0]["opened_at"]) / timedelta(hours=1)


def by(
    incidents: dict[str, Lines], key: Callable[[Lines], str], value: Callable[[Lines], float]
) -> dict[str, Any]:
    found = defaultdict(list)
    for lines in incidents.values():
        found[key(lines)].append(value(lines))
    return {name: summed(values) for name, values in found.items()}


async def test_every_incident_is_in_fast_and_nothing_was_rejected(desk: Desk) -> None:
    first = desk.first
    assert (first.lines, first.rejected, first.incidents, first.inserted) == (141_712, 0, 24_918, 24_918)
    assert first.lines_a_second >= LEAST_RATE
    assert first.checks["closed_at"] == {"equal": 24_918, "missing": 0, "differs": 0}
    assert first.checks["resolved_at"] == {"equal": 23_362, "missing": 1_556, "differs": 0}
    async with desk.resources.read(SYSTEM) as read:
        assert await read.db.scalar(select(func.count()).select_from(Ticket)) == 24_918
        lines = select(func.count()).where(TicketEvent.detail.has_key("line"))
        assert await read.db.scalar(lines) == 141_712
        assert await read.db.scalar(select(func.count()).where(SlaTimer.next_check_at.is_not(None))) == 0


async def test_every_figure_of_the_reference_comes_out(desk: Desk, reference: dict[str, Any]) -> None:
    report = await desk.report()
    total = report["total"]
    assert set(reference) == {
        "R01_counts", "R02_time_to_resolve", "R03_time_to_close", "R04_by_priority", "R05_by_month",
        "R06_reopened", "R07_reassigned", "R08_backlog",
    }  # fmt: skip
    assert reference["R01_counts"] == {
        "incidents": total["tickets"],
        **{name: total[name]["by_month"] for name in ("opened", "resolved", "closed")},
    }
    last = total["time_to_last_resolution"]["calendar"]["with_hold"]
    first = total["time_to_first_resolution"]["calendar"]["with_hold"]
    assert reference["R02_time_to_resolve"] == {"last": last, "first": first}
    assert reference["R03_time_to_close"] == total["time_to_close"]["calendar"]["with_hold"]
    reopened, moved = total["reopened"], total["reassigned"]
    assert reference["R06_reopened"] == {"incidents": reopened["tickets"], "reopens": reopened["reopens"]}
    assert reference["R07_reassigned"] == {"incidents": moved["tickets"], "moves": moved["moves"]}
    assert reference["R08_backlog"] == total["backlog"]


async def test_every_figure_by_priority_and_month_comes_out(desk: Desk, reference: dict[str, Any]) -> None:
    by_priority = grouped(await desk.report("priority"), "priority", "time_to_last_resolution")
    assert {PRIORITIES[name]: value for name, value in reference["R04_by_priority"].items()} == by_priority
    by_month = grouped(await desk.report("month"), "month", "time_to_last_resolution")
    assert reference["R05_by_month"] == by_month


def grouped(
    report: dict[str, Any], cut: str, figure: str, clock: str = "calendar", hold: str = "with_hold"
) -> Any:
    return {group["names"][cut]: group[figure][clock][hold] for group in report["groups"]}


async def test_times_by_queue_category_and_weekday_are_those_of_plain_python(
    desk: Desk, incidents: dict[str, Lines]
) -> None:
    report = await desk.report("queue")
    assert grouped(report, "queue", "time_to_last_resolution") == by(
        incidents, last_group, lambda lines: hours(lines, last_resolved)
    )
    report = await desk.report("category")
    wanted = by(incidents, lambda lines: lines[-1]["category"], lambda lines: hours(lines, last_closed))
    wanted[None] = wanted.pop("?")  # type: ignore[index]
    assert grouped(report, "category", "time_to_close") == wanted
    report = await desk.report("weekday")
    wanted = by(
        incidents,
        lambda lines: WEEK[lines[0]["opened_at"].weekday()],
        lambda lines: hours(lines, first_resolved),
    )
    assert grouped(report, "weekday", "time_to_first_resolution") == wanted


async def test_reopens_and_moves_by_priority_and_month_are_those_of_plain_python(
    desk: Desk, incidents: dict[str, Lines]
) -> None:
    reopens: Counter[str] = Counter()
    moves: Counter[str] = Counter()
    for lines in incidents.values():
        states = [line["incident_state"] for line in lines]
        left = pairwise(states)
        groups = [line["assignment_group"] for line in lines if line["assignment_group"] != "?"]
        priority = PRIORITIES[lines[-1]["priority"]]
        reopens[priority] += sum(a in DONE and b not in DONE for a, b in left)
        moves[f"{lines[0]['opened_at']:%Y-%m}"] += sum(a != b for a, b in pairwise(groups))
    report = await desk.report("priority")
    assert {g["by"]["priority"]: g["reopened"]["reopens"] for g in report["groups"]} == reopens
    report = await desk.report("month")
    assert {g["by"]["month"]: g["reassigned"]["moves"] for g in report["groups"]} == moves


def waited(lines: Lines, states: set[str], end: datetime) -> float:
    """Hours in these states between the opening and the end."""
    run = timedelta(0)
    for line, following in pairwise(lines):
        if line["incident_state"] in states:
            begin = max(line["sys_updated_at"], lines[0]["opened_at"])
            run += max(min(following["sys_updated_at"], end) - begin, timedelta(0))
    return run / timedelta(hours=1)


async def test_times_without_holds_are_those_of_plain_python(desk: Desk, incidents: dict[str, Lines]) -> None:
    made = (await desk.report())["total"]["time_to_last_resolution"]["calendar"]
    asks = {"Awaiting User Info"}
    for name, states in {
        "without_hold": HELD | asks,
        "without_on_hold": HELD,
        "without_waiting": asks,
    }.items():
        wanted = summed(
            hours(lines, last_resolved) - waited(lines, states, last_resolved(lines))
            for lines in incidents.values()
        )
        assert made[name] == wanted, name


def worked(since: datetime, until: datetime) -> int:
    """Minutes of office time, counted one by one; whole days at once."""
    count, at = 0, since
    while at < until:
        if at.hour == at.minute == 0 and until - at >= timedelta(days=1):
            count += 510 * (at.weekday() < 5)
            at += timedelta(days=1)
            continue
        minute = at.hour * 60 + at.minute
        count += at.weekday() < 5 and (480 <= minute < 720 or 780 <= minute < 1050)
        at += timedelta(minutes=1)
    return count


async def test_working_time_is_what_counting_minutes_gives(desk: Desk, incidents: dict[str, Lines]) -> None:
    """On the incidents of one rare queue, every minute."""
    chosen = {n: lines for n, lines in incidents.items() if last_group(lines) == "Group 3"}
    assert len(chosen) >= 10
    wanted = summed(worked(lines[0]["opened_at"], last_closed(lines)) / 60 for lines in chosen.values())
    report = await desk.report("queue")
    assert grouped(report, "queue", "time_to_close", "working")["Group 3"] == wanted


async def test_resolution_targets_were_judged_at_the_original_times(
    desk: Desk, incidents: dict[str, Lines]
) -> None:
    """A plain incident, that was P3 throughout and never waited nor came back, meets 24 hours or not."""
    wanted = {}
    for number, lines in list(incidents.items())[:3_000]:
        states = [line["incident_state"] for line in lines]
        plain = {*states} <= {"New", "Active", "Resolved", "Closed"} and "Resolved" in states
        came_back = any(a in DONE and b not in DONE for a, b in pairwise(states))
        early = any(line["sys_updated_at"] < lines[0]["opened_at"] for line in lines)
        p3 = {line["priority"] for line in lines} == {"3 - Moderate"}
        short = first_resolved(lines) - lines[0]["opened_at"] < timedelta(days=12)
        if plain and p3 and short and not came_back and not early and number != "INC0000137":
            wanted[number] = worked(lines[0]["opened_at"], first_resolved(lines)) <= 1_440
    sample = dict(list(wanted.items())[:150])
    query = (
        select(Ticket.external_id, SlaTimer.breached_at.is_(None).label("met"))
        .join(SlaTimer, SlaTimer.ticket_id == Ticket.id)
        .where(Ticket.external_id.in_(sample))
    )
    async with desk.resources.read(SYSTEM) as read:
        found = {row.external_id: row.met for row in await read.db.execute(query)}
    assert found == {number: worked_in_time for number, worked_in_time in wanted.items() if number in sample}
    assert set(found.values()) == {True, False}


async def test_the_second_run_changes_nothing(desk: Desk) -> None:
    before = await desk.digest()
    again = await import_incidents(desk.resources, SYSTEM, desk.path, mapping_named("servicenow-events"))
    assert (again.inserted, again.changed, again.differing, again.already_there) == (0, 0, 0, 24_918)
    assert not any(again.created.values())
    assert await desk.digest() == before


async def test_the_report_is_quick(desk: Desk) -> None:
    began = time.process_time()
    await desk.made_anew("queue", "month")
    assert time.process_time() - began < 5
