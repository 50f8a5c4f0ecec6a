"""The report on resolution: counts, times, attainment, reopenings, moves and backlog, by up to three cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field
from sqlalchemy import ColumnElement, Text, cast, or_, select

from service.core.actor import Actor, Scope
from service.core.database import Coded
from service.core.errors import Invalid, require
from service.core.fields import Code, Input, Instant, Key, Line
from service.core.work import Eyes
from service.reports import queries
from service.reports.definitions import DEFINITIONS
from service.reports.measures import (
    CLOCKS,
    Event,
    History,
    Months,
    Tally,
    amounts_of,
    calendar_clock,
    history,
    open_at,
    spent,
    working_clock,
)
from service.sla import timers
from service.sla.calendar import micros
from service.sla.models import SchoolCalendar
from service.sla.policy import Target
from service.tickets.access import visible_to
from service.tickets.lifecycle import Status
from service.tickets.models import Queue, Ticket
from service.tickets.priority import Priority

MOST_CUTS = 3
STATUS = Coded(Status)
STATUSES = {STATUS.code(status): status.value for status in Status}
Clock = Callable[[int], int]


class Cut(StrEnum):
    """What the figures may be broken down by."""

    SCHOOL = "school"
    QUEUE = "queue"
    CATEGORY = "category"
    PRIORITY = "priority"
    MONTH = "month"
    WEEKDAY = "weekday"


def _split(value: Any) -> Any:
    """Commas part values as well as repetition does."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        return [part.strip() for item in value for part in (item.split(",") if isinstance(item, str) else [item])]
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):
        raise ValueError("is no IANA time zone, such as America/Chicago") from None
    return value


def _distinct(value: list[Cut]) -> list[Cut]:
    if len(set(value)) != len(value):
        raise ValueError("names a cut twice")
    return value


class ReportQuery(Input):
    """Which tickets count, how they are grouped, and on which clock."""

    opened_since: Instant | None = Field(None, description="Tickets opened at or after this instant.")
    opened_until: Instant | None = Field(None, description="Tickets opened before this instant.")
    by: Annotated[list[Cut], BeforeValidator(_split), AfterValidator(_distinct)] = Field(
        default_factory=list, max_length=MOST_CUTS, description="Up to three cuts; none gives the total only."
    )
    calendar: Line | None = Field(None, description="Id or name of the calendar that working time is counted on.")
    zone: Annotated[str, Field(max_length=60), AfterValidator(_zone)] | None = Field(
        None, description="Zone of months and weekdays: else that of `calendar`, else UTC."
    )
    school: Annotated[list[Key], BeforeValidator(_split)] = Field(default_factory=list, max_length=200)
    queue: Annotated[list[Key], BeforeValidator(_split)] = Field(default_factory=list, max_length=200)
    category: Annotated[list[Code], BeforeValidator(_split)] = Field(
        default_factory=list, max_length=200, description="With what lies under it."
    )
    priority: Annotated[list[Priority], BeforeValidator(_split)] = Field(default_factory=list)
    external_prefix: Line | None = Field(None, description="Only tickets whose external id begins so.")


def may_report(actor: Actor) -> bool:
    return actor.is_desk and actor.holds(Scope.REPORTS_READ)


@dataclass(frozen=True, slots=True)
class Group:
    """The values of the cuts, as the ticket holds them."""

    values: tuple[Any, ...]


@dataclass(slots=True)
class _Setting:
    """What the figures are computed with."""

    months: Months
    zone: str
    clock_of: Callable[[int | None], Clock | None]
    calendar: str | None
    measures_work: bool


async def resolution_report(eyes: Eyes, wanted: ReportQuery) -> dict[str, Any]:
    """The report, over the tickets that the actor sees: query, definitions, groups and total."""
    require(may_report(eyes.actor), "Reports are for the desk, with a token for reports:read.")
    conditions = _conditions(eyes, wanted)
    rows = await queries.ticket_rows(eyes, conditions)
    since = micros(wanted.opened_since) if wanted.opened_since else None
    tickets = [_history(row) for row in rows]
    setting = await _setting(eyes, wanted, rows, tickets)
    total, groups = Tally(), dict[tuple[Any, ...], Tally]()
    found: dict[int, tuple[Tally, ...]] = {}
    cuts = [_cut(cut, setting.months) for cut in wanted.by]
    begins = _begins(eyes, since, tickets, setting.months)
    instants = [at for _, at in begins]
    for row, ticket in zip(rows, tickets, strict=True):
        counted = since is None or ticket.opened_at >= since
        values = tuple(cut(row) for cut in cuts)
        if not counted and values not in groups and _is_dated(wanted):
            continue
        tallies = (total, groups.setdefault(values, Tally())) if cuts else (total,)
        if counted:
            found[row.id] = tallies
            _add(row, ticket, tallies, setting)
        for place in open_at(ticket, instants):
            for tally in tallies:
                tally.backlog[place] = tally.backlog.get(place, 0) + 1
    for judged in await queries.target_rows(eyes, conditions):
        for tally in found.get(judged.ticket_id, ()):
            tally.judge(judged.target.value, met=judged.met, breached=judged.breached, running=judged.running)
    return await _answer(eyes, wanted, setting, total, groups, [day for day, _ in begins])


def _is_dated(wanted: ReportQuery) -> bool:
    return Cut.MONTH in wanted.by


def _conditions(eyes: Eyes, wanted: ReportQuery) -> list[ColumnElement[bool]]:
    """The filters but `opened_since`: the backlog counts what was opened before it too."""
    found = [visible_to(eyes.actor)]
    if wanted.opened_until is not None:
        found.append(Ticket.opened_at < wanted.opened_until)
    if wanted.school:
        found.append(Ticket.school_id.in_(wanted.school))
    if wanted.queue:
        found.append(Ticket.queue_id.in_(select(Queue.id).where(Queue.key.in_(wanted.queue))))
    if wanted.category:
        under = [Ticket.category_id.startswith(f"{name}.", autoescape=True) for name in wanted.category]
        found.append(or_(Ticket.category_id.in_(wanted.category), *under))
    if wanted.priority:
        found.append(Ticket.priority.in_(wanted.priority))
    if wanted.external_prefix is not None:
        found.append(Ticket.external_id.startswith(wanted.external_prefix, autoescape=True))
    return found


def _history(row: Any) -> History:
    times = row.times or ()
    events = (
        Event(at, STATUSES.get(status), queue or None)
        for at, status, queue in zip(times, row.statuses or (), row.queues or (), strict=True)
    )
    return history(row.opened_at, events)


async def _setting(
    eyes: Eyes, wanted: ReportQuery, rows: Sequence[Any], tickets: Sequence[History]
) -> _Setting:
    asked = await _calendar(eyes, wanted.calendar) if wanted.calendar is not None else None
    first = asked or await timers.calendar_of_place(eyes, None)
    ids = {first} if asked else {first, *(row.calendar_id for row in rows)}
    since = min((min(t.opened_at, row.reported_at) for t, row in zip(tickets, rows, strict=True)), default=0)
    until = max((max(t.last_at, row.first_response_at or 0) for t, row in zip(tickets, rows, strict=True)), default=0)
    clocks: dict[int | None, Clock] = {}
    name = zone = None
    for calendar_id in sorted(ids - {None}):
        kept = await timers.calendar(eyes, calendar_id)
        clocks[calendar_id] = working_clock(kept.calendar, since, until)
        if calendar_id == asked:
            name, zone = kept.calendar.name, kept.calendar.zone
    fallback = clocks.get(first)

    def clock_of(calendar_id: int | None) -> Clock | None:
        return fallback if asked else clocks.get(calendar_id, fallback)

    zone = wanted.zone or zone or "UTC"
    return _Setting(Months(zone), zone, clock_of, name, bool(clocks))


async def _calendar(eyes: Eyes, named: str) -> int:
    """The calendar of this name, or id."""
    query = select(SchoolCalendar.id).where(
        or_(SchoolCalendar.name == named, cast(SchoolCalendar.id, Text) == named)
    )
    found: list[int] = list((await eyes.db.scalars(query.order_by(SchoolCalendar.name != named))).all())
    if not found:
        raise Invalid.field("calendar", f"There is no calendar “{named}”.", "unknown_calendar")
    return found[0]


def _cut(cut: Cut, months: Months) -> Callable[[Any], Any]:
    match cut:
        case Cut.MONTH:
            return lambda row: months.month(row.opened_at)
        case Cut.WEEKDAY:
            return lambda row: months.weekday(row.opened_at)
        case Cut.PRIORITY:
            return lambda row: row.priority.value
        case _:
            column = f"{cut.value}_id"
            return lambda row: getattr(row, column)


def _begins(
    eyes: Eyes, since: int | None, tickets: Sequence[History], months: Months
) -> list[tuple[str, int]]:
    """The ends of months at which the backlog is counted: from the first opening to the last event."""
    if not tickets:
        return []
    now = micros(eyes.now)
    first = min(ticket.opened_at for ticket in tickets)
    last = now if any(ticket.is_open for ticket in tickets) else max(ticket.last_at for ticket in tickets)
    begins = months.begins(max(first, since or first), last)
    if since is not None:
        begins = [*((day, at) for day, at in months.begins(since - 1, since - 1) if at == since), *begins]
    return [(day, at) for day, at in dict(begins).items() if at <= now]


def _add(row: Any, ticket: History, tallies: Iterable[Tally], setting: _Setting) -> None:
    working = setting.clock_of(row.calendar_id)
    clocks = [("calendar", calendar_clock)] + ([("working", working)] if working else [])
    amounts = amounts_of(ticket, clocks)
    for tally in tallies:
        tally.add(ticket, setting.months, amounts)
        if not row.for_requester:
            continue
        if row.first_response_at is None:
            tally.unanswered += 1
            continue
        for name, clock in clocks:
            amount = spent(clock, row.reported_at, row.first_response_at)
            tally.responses.setdefault(name, []).append(amount)


async def _answer(
    eyes: Eyes,
    wanted: ReportQuery,
    setting: _Setting,
    total: Tally,
    groups: Mapping[tuple[Any, ...], Tally],
    begins: Sequence[str],
) -> dict[str, Any]:
    known = await queries.names(eyes)
    targets = [target.value for target in Target]

    def figures(tally: Tally) -> dict[str, Any]:
        return tally.figures(begins, working=setting.measures_work, targets=targets)

    listed = [
        _labelled(wanted.by, values, known) | figures(groups[values])
        for values in sorted(groups, key=lambda values: _order(wanted.by, values, known))
    ]
    query = wanted.model_dump(mode="json") | {"zone": setting.zone, "calendar": setting.calendar}
    return {
        "query": query,
        "generated_at": eyes.now.isoformat(),
        "definitions": DEFINITIONS,
        "groups": listed,
        "total": figures(total),
    }


def _labelled(
    by: Sequence[Cut], values: tuple[Any, ...], known: Mapping[str, Mapping[Any, tuple[str, str]]]
) -> dict[str, Any]:
    """The group's keys, and the names that people say."""
    pairs = [
        (cut.value, *known.get(cut.value, {}).get(value, (value, value)))
        for cut, value in zip(by, values, strict=True)
    ]
    return {"by": {cut: key for cut, key, _ in pairs}, "names": {cut: name for cut, _, name in pairs}}


def _order(
    by: Sequence[Cut], values: tuple[Any, ...], known: Mapping[str, Mapping[Any, tuple[str, str]]]
) -> list[tuple[bool, Any]]:
    """Groups by the names of their values, weekdays from Monday, what has none last."""
    place = {day: n for n, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
    order: list[tuple[bool, Any]] = []
    for cut, value in zip(by, values, strict=True):
        if cut is Cut.WEEKDAY:
            order.append((False, place[value]))
        else:
            order.append((value is None, known.get(cut.value, {}).get(value, ("", str(value)))[1]))
    return order


_ = CLOCKS
