"""Calendars: made, read, edited; and what an edit would move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import insert, select

from service.core.actor import Actor, Role, Scope
from service.core.errors import Invalid, NotFound, Stale, require
from service.core.fields import Input, Line, PlainObject
from service.core.idempotency import once
from service.core.work import Eyes, Work
from service.sla import covering, timers
from service.sla.calendar import BadCalendar, Calendar, OutOfRange
from service.sla.clock import NeverOpen, due_at
from service.sla.cycle import judged
from service.sla.models import CalendarEdition, SchoolCalendar, SlaTimer
from service.sla.policy import Agreement, Target

MOST_MOVED = 200_000


class NewCalendar(Input):
    name: Line = Field(examples=["Elementary schools 2026-27"])
    definition: PlainObject = Field(
        description="`zone`, `hours` by weekday, `closed` dates, `overrides` and `breaks` by date.",
        examples=[
            {
                "zone": "America/Chicago",
                "hours": {"mon": [["07:30", "16:00"]], "tue": [["07:30", "16:00"]]},
                "closed": ["2026-11-26"],
                "overrides": {"2026-12-18": [["07:30", "11:30"]]},
            }
        ],
    )


class EditCalendar(Input):
    """The new definition, whole. Running timers move with it."""

    definition: PlainObject


@dataclass(frozen=True, slots=True)
class Move:
    """A target whose due time an edit of its calendar moves."""

    timer_id: int
    ticket_id: int
    agreement: Agreement
    target: Target
    cycle: int
    due_at: datetime | None
    moves_to: datetime | None


def may_configure(actor: Actor) -> bool:
    """Calendars and policies are the leads' and admins'."""
    return actor.role in (Role.ADMIN, Role.LEAD, Role.SYSTEM) and actor.holds(Scope.DESK_WRITE)


def checked(definition: dict[str, Any], name: str, now: datetime) -> Calendar:
    """The calendar that a definition describes, open some time ahead; else Invalid."""
    try:
        calendar = Calendar.from_json({**definition, "name": name})
        due_at(now, timedelta(minutes=1), calendar)
    except (BadCalendar, NeverOpen, OutOfRange) as error:
        raise Invalid.field("definition", str(error), "bad_calendar") from None
    return calendar


@once(SchoolCalendar)
async def create_calendar(work: Work, wanted: NewCalendar) -> SchoolCalendar:
    require(may_configure(work.actor))
    checked(wanted.definition, wanted.name, work.now)
    calendar = SchoolCalendar(name=wanted.name, version=1, definition=wanted.definition)
    work.session.add(calendar)
    await work.session.flush()
    await _keep_edition(work, calendar)
    work.change_config()
    return calendar


async def calendar_for_update(work: Work, calendar_id: int) -> SchoolCalendar:
    require(may_configure(work.actor))
    calendar = await work.session.get(SchoolCalendar, calendar_id, with_for_update=True)
    if calendar is None:
        raise NotFound("There is no such calendar.")
    expected = work.conditions.expected_version
    if expected is not None and expected != calendar.version:
        raise Stale
    return calendar


async def save_edition(work: Work, calendar: SchoolCalendar, definition: dict[str, Any]) -> None:
    """The calendar says `definition` from now on; what it said stays readable."""
    calendar.version += 1
    calendar.definition = definition
    await work.session.flush()
    await _keep_edition(work, calendar)
    work.change_config()
    work.version = calendar.version


async def _keep_edition(work: Work, calendar: SchoolCalendar) -> None:
    await work.session.execute(
        insert(CalendarEdition).values(
            calendar_id=calendar.id,
            version=calendar.version,
            definition=calendar.definition,
            at=work.now,
            actor=work.actor.name,
        )
    )


async def moves(eyes: Eyes, calendar_id: int, definition: dict[str, Any]) -> list[Move]:
    """Every running target that another definition of the calendar would move, soonest first."""
    require(may_configure(eyes.actor))
    kept = await covering.calendar(eyes, calendar_id)
    edited = checked(definition, kept.calendar.name, eyes.now)
    found = []
    for row in await running_on(eyes, calendar_id):
        cycle = timers.cycle_of(row)
        there = None if cycle.is_paused else judged(cycle, edited, eyes.now).due_at
        if there != row.due_at:
            found.append(Move(row.id, row.ticket_id, row.agreement, row.target, row.n, row.due_at, there))
    return sorted(found, key=lambda move: (move.moves_to or move.due_at or eyes.now, move.timer_id))


async def running_on(eyes: Eyes, calendar_id: int, *, locked: bool = False) -> Sequence[Any]:
    query = (
        select(SlaTimer.ticket_id, *timers.COLUMNS)
        .where(SlaTimer.calendar_id == calendar_id, SlaTimer.stopped_at.is_(None))
        .order_by(SlaTimer.id)
        .limit(MOST_MOVED)
    )
    if locked:
        query = query.with_for_update()
    return (await eyes.db.execute(query)).all()


async def move(work: Work, calendar_id: int) -> list[Move]:
    """Bring every running target of an edited calendar to what the calendar says now."""
    kept = await covering.calendar(work, calendar_id)
    moved, values = [], []
    for row in await running_on(work, calendar_id, locked=True):
        covered = covering.Covered(row.policy_id, row.policy_version, calendar_id, "P1")
        measure = covering.Measure(covered, kept, await covering.policy(work, covered))
        cycle = timers.cycle_of(row)
        new = timers.values_of(cycle, measure, work.now, noted=row.breached_at, steps=row.steps)
        values.append({f"new_{name}": value for name, value in new.items()} | {"row": row.id})
        if new["due_at"] != row.due_at:
            moved.append(
                Move(row.id, row.ticket_id, row.agreement, row.target, row.n, row.due_at, new["due_at"])
            )
    if values:
        await (await work.session.connection()).execute(timers.UPDATE, values)
    return moved


async def calendars(eyes: Eyes) -> Sequence[Any]:
    require(eyes.actor.holds(Scope.DIRECTORY_READ))
    return (await eyes.db.execute(_ALL)).all()


async def calendar_by_id(eyes: Eyes, calendar_id: int) -> Any:
    require(eyes.actor.holds(Scope.DIRECTORY_READ))
    row = (await eyes.db.execute(_ALL.where(SchoolCalendar.id == calendar_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such calendar.")
    eyes.version = row.version
    return row


_ALL = select(
    SchoolCalendar.id, SchoolCalendar.name, SchoolCalendar.version, SchoolCalendar.definition
).order_by(SchoolCalendar.name)
