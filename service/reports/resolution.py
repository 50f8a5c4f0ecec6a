"""The report on resolution: counts, times, attainment, reopenings, moves and backlog, by up to three cuts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
    WEEKDAYS,
    Clock,
    Counted,
    Ending,
    Event,
    History,
    Months,
    calendar_clock,
    counted,
    figures,
    history,
    open_at,
    spent,
    working_clock,
)
from service.sla import covering
from service.sla.calendar import Calendar, micros
from service.sla.models import SchoolCalendar
from service.sla.policy import Target
from service.tickets.access import visible_to
from service.tickets.lifecycle import Status
from service.tickets.models import OPEN, Queue, Ticket
from service.tickets.priority import Priority

MOST_CUTS = 3
STATUS = Coded(Status)
STATUSES = {STATUS.code(status): status.value for status in Status}
PLACES = {day: place for place, day in enumerate(WEEKDAYS)}
TARGETS = [target.value for target in Target]
Names = Mapping[str, Mapping[Any, tuple[str, str]]]
Values = tuple[Any, ...]


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
        return [
            part.strip() for item in value for part in (item.split(",") if isinstance(item, str) else [item])
        ]
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
    calendar: Line | None = Field(
        None, description="Id or name of the calendar that working time is counted on."
    )
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


@dataclass(slots=True)
class _Group:
    """The tickets of one group, and the backlog by the place of the month."""

    tickets: list[Counted] = field(default_factory=list)
    backlog: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Found:
    """All that the database says: enough to compute the report without it."""

    wanted: ReportQuery
    now: datetime
    rows: Sequence[Any]
    targets: Mapping[int, list[Ending]]
    names: Names
    calendars: Mapping[int, Calendar]
    asked: int | None
    fallback: int | None


async def resolution_report(eyes: Eyes, wanted: ReportQuery) -> dict[str, Any]:
    """The report, over the tickets that the actor sees: query, definitions, groups and total.

    The arithmetic runs in a thread, so that the process answers others meanwhile.
    """
    require(may_report(eyes.actor), "Reports are for the desk, with a token for reports:read.")
    conditions = _conditions(eyes, wanted)
    rows = await queries.ticket_rows(eyes, conditions)
    asked = await _calendar(eyes, wanted.calendar) if wanted.calendar is not None else None
    fallback = asked or await covering.calendar_of_place(eyes, None)
    ids = {fallback} if asked else {fallback, *(row.calendar_id for row in rows)}
    found = _Found(
        wanted=wanted,
        now=eyes.now,
        rows=rows,
        targets=await _targets(eyes, conditions),
        names=await queries.names(eyes),
        calendars={one: (await covering.calendar(eyes, one)).calendar for one in ids if one is not None},
        asked=asked,
        fallback=fallback,
    )
    return await asyncio.to_thread(_report, found)


async def _targets(eyes: Eyes, conditions: Sequence[ColumnElement[bool]]) -> dict[int, list[Ending]]:
    found: dict[int, list[Ending]] = {}
    for row in await queries.target_rows(eyes, conditions):
        found.setdefault(row.ticket_id, []).append((row.target.value, row.met, row.breached, row.running))
    return found


def _conditions(eyes: Eyes, wanted: ReportQuery) -> list[ColumnElement[bool]]:
    """The filters. What was opened before `opened_since` and was not finished then is in the backlog."""
    found = [visible_to(eyes.actor)]
    if wanted.opened_since is not None:
        since = wanted.opened_since
        found.append(or_(Ticket.opened_at >= since, OPEN, Ticket.updated_at >= since))
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
    if row.times is None:
        return history(row.opened_at, ())
    events: Iterable[Event] = zip(
        row.times, map(STATUSES.get, row.statuses), [queue or None for queue in row.queues], strict=True
    )
    return history(row.opened_at, events)


def _reach(rows: Sequence[Any], tickets: Sequence[History]) -> tuple[int, int]:
    """The earliest and the latest instant that any clock is asked about."""
    instants = [row.reported_at for row in rows]
    instants += [row.first_response_at for row in rows if row.first_response_at is not None]
    instants += [ticket.opened_at for ticket in tickets]
    instants += [ticket.last_at for ticket in tickets]
    return min(instants, default=0), max(instants, default=0)


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


def _report(found: _Found) -> dict[str, Any]:
    """The answer, computed."""
    wanted = found.wanted
    tickets = [_history(row) for row in found.rows]
    zone = wanted.zone or (found.calendars[found.asked].zone if found.asked else "UTC")
    months = Months(zone)
    begins = _begins(found, tickets, months)
    clocks_of = _clocks(found, tickets)
    total, groups = _grouped(found, tickets, months, clocks_of, [at for _, at in begins])

    def shown(group: _Group) -> dict[str, Any]:
        backlog = [(day, group.backlog[place]) for place, (day, _) in enumerate(begins)]
        return figures(group.tickets, backlog, TARGETS, working=bool(found.calendars))

    kept = [values for values, group in groups.items() if group.tickets]
    calendar = found.calendars[found.asked].name if found.asked else None
    return {
        "query": wanted.model_dump(mode="json") | {"zone": zone, "calendar": calendar},
        "generated_at": found.now.isoformat(),
        "definitions": DEFINITIONS,
        "groups": [
            _labelled(wanted.by, values, found.names) | shown(groups[values])
            for values in sorted(kept, key=lambda values: _order(wanted.by, values, found.names))
        ],
        "total": shown(total),
    }


def _grouped(
    found: _Found,
    tickets: Sequence[History],
    months: Months,
    clocks_of: Callable[[int | None], list[Clock]],
    begins: Sequence[int],
) -> tuple[_Group, dict[Values, _Group]]:
    """Every ticket, in total and in its group; one opened before `opened_since` in the backlog only."""
    since = micros(found.wanted.opened_since) if found.wanted.opened_since else None
    cuts = [_cut(cut, months) for cut in found.wanted.by]
    total, groups = _Group(), dict[Values, _Group]()
    for row, ticket in zip(found.rows, tickets, strict=True):
        values = tuple(cut(row) for cut in cuts)
        there = (total, groups.setdefault(values, _Group())) if cuts else (total,)
        if since is None or ticket.opened_at >= since:
            one = _counted(row, ticket, months, clocks_of(row.calendar_id), found.targets.get(row.id, ()))
            for group in there:
                group.tickets.append(one)
        for place in open_at(ticket, begins):
            for group in there:
                group.backlog[place] += 1
    return total, groups


def _counted(
    row: Any, ticket: History, months: Months, clocks: Sequence[Clock], targets: Sequence[Ending]
) -> Counted:
    one = counted(ticket, months, clocks)
    one.targets = targets
    if row.for_requester and row.first_response_at is not None:
        one.responses = tuple(spent(clock, row.reported_at, row.first_response_at) for clock in clocks)
    one.is_unanswered = row.for_requester and row.first_response_at is None
    return one


def _clocks(found: _Found, tickets: Sequence[History]) -> Callable[[int | None], list[Clock]]:
    """The clocks of a ticket by its calendar: every hour, and working time where the desk has a calendar."""
    since, until = _reach(found.rows, tickets)
    clocks: dict[int | None, list[Clock]] = {
        one: [calendar_clock, working_clock(calendar, since, until)]
        for one, calendar in found.calendars.items()
    }
    every_hour: list[Clock] = [calendar_clock]
    fallback = clocks.get(found.fallback, every_hour)
    return lambda calendar_id: clocks.get(calendar_id, fallback)


def _begins(found: _Found, tickets: Sequence[History], months: Months) -> list[tuple[str, int]]:
    """The firsts of months at which the backlog is counted, none of them ahead of now.

    From the first opening, or from `opened_since` if that is later, to the one after the last event; to now
    while a ticket is open.
    """
    if not tickets:
        return []
    now = micros(found.now)
    first = min(ticket.opened_at for ticket in tickets)
    if found.wanted.opened_since is not None:
        first = max(first, micros(found.wanted.opened_since) - 1)
    last = now if any(ticket.is_open for ticket in tickets) else max(ticket.last_at for ticket in tickets)
    return [(day, at) for day, at in months.begins(first, last) if at <= now]


def _labelled(by: Sequence[Cut], values: Values, names: Names) -> dict[str, Any]:
    """The group's keys, and the names that people say."""
    pairs = {
        cut.value: names.get(cut.value, {}).get(value, (value, value))
        for cut, value in zip(by, values, strict=True)
    }
    return {
        "by": {cut: key for cut, (key, _) in pairs.items()},
        "names": {cut: name for cut, (_, name) in pairs.items()},
    }


def _order(by: Sequence[Cut], values: Values, names: Names) -> list[tuple[bool, Any]]:
    """Groups by the names of their values, weekdays from Monday, what has none last."""
    return [
        (value is None, PLACES[value])
        if cut is Cut.WEEKDAY
        else (value is None, names.get(cut.value, {}).get(value, ("", str(value)))[1])
        for cut, value in zip(by, values, strict=True)
    ]
