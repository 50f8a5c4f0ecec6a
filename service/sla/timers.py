"""Timers of live tickets: the pure step of `policy.advance`, kept in rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import aliased

from service.core.errors import NotFound
from service.core.traits import fits
from service.core.work import Eyes, Work
from service.places.models import Place
from service.sla.calendar import Calendar, OutOfRange
from service.sla.clock import NeverOpen
from service.sla.course import CancelledBecause, Change, Course, Opened, TargetsChanged, advance
from service.sla.cycle import Cycle, Pause, judged, share_run_at
from service.sla.models import (
    CalendarEdition,
    PolicyEdition,
    SchoolCalendar,
    SlaPolicy,
    SlaTimer,
    TimerState,
)
from service.sla.policy import Policy, Target


@dataclass(frozen=True, slots=True)
class Covered:
    """What a ticket is measured by; a ticket without policy or calendar has no timers."""

    policy_id: int | None
    policy_version: int | None
    calendar_id: int | None
    priority: str

    @property
    def is_measured(self) -> bool:
        return self.policy_id is not None and self.calendar_id is not None


NOT_COVERED = Covered(None, None, None, "P4")
CANNOT_COUNT = (NeverOpen, OutOfRange)


@dataclass(frozen=True, slots=True)
class Breach:
    target: Target
    n: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the timers: the earliest due time still running, and breaches nobody had noted yet."""

    course: Course = field(default_factory=Course)
    next_due_at: datetime | None = None
    breaches: tuple[Breach, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptCalendar:
    id: int
    version: int
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    id: int
    version: int
    calendar_id: int | None
    matches: Mapping[str, Sequence[str]]


async def choose(
    eyes: Eyes, traits: Mapping[str, str | None], place_id: str | None, priority: str
) -> Covered:
    """The policy that covers a ticket with these traits, and the calendar it is counted on."""
    policies = await eyes.shelf.get("policies", lambda: _load_policies(eyes.db))
    chosen = next((kept for kept in policies if fits(kept.matches, traits)), None)
    if chosen is None:
        return Covered(None, None, None, priority)
    calendar_id = chosen.calendar_id or await calendar_of_place(eyes, place_id)
    return Covered(chosen.id, chosen.version, calendar_id, priority)


async def calendar_of_place(eyes: Eyes, place_id: str | None) -> int | None:
    """The calendar the place keeps, or that of the place it lies in, or the district's first."""
    return await eyes.shelf.get(("place calendar", place_id), lambda: _load_place_calendar(eyes.db, place_id))


async def calendar(eyes: Eyes, calendar_id: int) -> KeptCalendar:
    return await eyes.shelf.get(("calendar", calendar_id), lambda: _load_calendar(eyes.db, calendar_id))


async def calendar_edition(eyes: Eyes, calendar_id: int, version: int) -> Calendar:
    """The calendar as it was at a version."""
    kept = await calendar(eyes, calendar_id)
    if kept.version == version:
        return kept.calendar
    query = select(CalendarEdition.definition).where(
        CalendarEdition.calendar_id == calendar_id, CalendarEdition.version == version
    )
    definition = (await eyes.db.execute(query)).scalar_one()
    return Calendar.from_json(definition)


async def policy(eyes: Eyes, covered: Covered) -> Policy:
    """The edition of the policy that covers a ticket, with the targets of its priority."""
    name = ("policy", covered.policy_id, covered.policy_version, covered.priority)
    return await eyes.shelf.get(name, lambda: _load_policy(eyes.db, covered))


async def begin(work: Work, covered: Covered, opened: Opened) -> Followed:
    """The first cycles of a ticket being opened; `save_new` keeps them once the ticket has its row."""
    if covered.calendar_id is None or covered.policy_id is None:
        return Followed()
    kept = await calendar(work, covered.calendar_id)
    course = advance(Course(), opened, await policy(work, covered), kept.calendar)
    return _followed(course, kept.calendar, work.now, before={})


async def save_new(work: Work, ticket_id: int, covered: Covered, followed: Followed) -> None:
    if not followed.course.cycles or covered.calendar_id is None:
        return
    kept = await calendar(work, covered.calendar_id)
    rules = await policy(work, covered)
    rows = [values_of(c, covered, kept, rules, work.now) for c in followed.course.cycles]
    await work.db.execute(_INSERT, [row | {"ticket_id": ticket_id} for row in rows])


async def follow(
    work: Work,
    ticket_id: int,
    covered: Covered,
    course: Course,
    changes: Sequence[Change],
    *,
    replaced: bool = False,
) -> Followed:
    """Carry the timers of a ticket through `changes`; `course` is what its row says, without cycles.

    `replaced` says that its policy, priority or calendar is not the one its rows were made under: the
    targets change first, with the pauses already earned; they end when no policy covers it any more.
    """
    rows = (await work.db.execute(_ROWS, {"ticket": ticket_id})).all()
    before = {(row.target, row.n): row for row in rows}
    course = replace(course, cycles=tuple(cycle_of(row) for row in rows))
    if covered.calendar_id is None or covered.policy_id is None:
        return await _uncovered(work, ticket_id, course, before)
    kept = await calendar(work, covered.calendar_id)
    if any(row.calendar_id == kept.id and row.calendar_version > kept.version for row in rows):
        work.shelf.drop(("calendar", covered.calendar_id))
        kept = await calendar(work, covered.calendar_id)
    rules = await policy(work, covered)
    if replaced:
        changes = [TargetsChanged(work.now, rules), *changes]
    for change in changes:
        course = advance(course, change, rules, kept.calendar)
    await _save(work, ticket_id, course, before, covered, kept, rules)
    return _followed(course, kept.calendar, work.now, before)


async def _uncovered(
    work: Work, ticket_id: int, course: Course, before: Mapping[tuple[Target, int], Any]
) -> Followed:
    """No policy matches any more: what still runs is cancelled, with that as the reason."""
    ran_under = next((row for row in before.values() if row.stopped_at is None), None)
    if ran_under is None:
        return Followed(course)
    covered = Covered(ran_under.policy_id, ran_under.policy_version, ran_under.calendar_id, "P4")
    kept = await calendar(work, ran_under.calendar_id)
    rules = Policy(targets={})
    ended = CancelledBecause(work.now, "no policy covers this ticket any more")
    course = advance(course, ended, rules, kept.calendar)
    await _save(work, ticket_id, course, before, covered, kept, rules)
    return _followed(course, kept.calendar, work.now, before)


async def _save(
    work: Work,
    ticket_id: int,
    course: Course,
    before: Mapping[tuple[Target, int], Any],
    covered: Covered,
    kept: KeptCalendar,
    rules: Policy,
) -> None:
    """Write the cycles that are new or changed; finished ones are left as they are."""
    new, changed = [], []
    for cycle in course.cycles:
        row = before.get((cycle.target, cycle.n))
        if row is None:
            values = values_of(cycle, covered, kept, rules, work.now)
            new.append(values | {"ticket_id": ticket_id})
        elif row.stopped_at is None and (cycle_of(row) != cycle or row.calendar_version != kept.version):
            values = values_of(cycle, covered, kept, rules, work.now, noted=row.breached_at)
            changed.append({f"new_{name}": value for name, value in values.items()} | {"row": row.id})
    if new:
        await work.db.execute(_INSERT, new)
    if changed:
        one_or_many = changed[0] if len(changed) == 1 else changed  # one in a list costs a pipeline
        await (await work.session.connection()).execute(UPDATE, one_or_many)


def _followed(
    course: Course, calendar: Calendar, now: datetime, before: Mapping[tuple[Target, int], Any]
) -> Followed:
    due: list[datetime] = []
    breaches = []
    for cycle in course.cycles:
        row = before.get((cycle.target, cycle.n))
        if cycle.is_open and not cycle.is_paused:
            due.append(judged(cycle, calendar, now).due_at)
        if cycle.ending == "breached" and (row is None or row.breached_at is None):
            breaches.append(Breach(cycle.target, cycle.n, judged(cycle, calendar, now).due_at))
    return Followed(course, min(due, default=None), tuple(breaches))


def cycle_of(row: Any) -> Cycle:
    """The pure cycle that a row holds."""
    ending = row.state.value if row.stopped_at is not None else None
    return Cycle(
        target=row.target,
        n=row.n,
        started_at=row.started_at,
        goal=row.goal,
        pauses=tuple(
            Pause(datetime.fromisoformat(since), datetime.fromisoformat(until) if until else None, reason)
            for since, until, reason in row.pauses
        ),
        stopped_at=row.stopped_at,
        ending=ending,
        reason=row.reason,
    )


def values_of(
    cycle: Cycle,
    covered: Covered,
    kept: KeptCalendar,
    rules: Policy,
    now: datetime,
    *,
    noted: datetime | None = None,
) -> dict[str, Any]:
    """The columns of a cycle as it stands `now`.

    A breach that the sweep has not noted is left to it: the row runs, with its due time as a check.
    """
    judgement = judged(cycle, kept.calendar, now)
    runs = cycle.is_open and not cycle.is_paused and (noted is None or judgement.due_at != noted)
    checks = _checks(cycle, rules, kept.calendar, now, judgement.due_at) if runs else []
    state = TimerState.RUNNING if runs else TimerState(judgement.state.value)
    return {
        "target": cycle.target,
        "n": cycle.n,
        "state": state,
        "policy_id": covered.policy_id,
        "policy_version": covered.policy_version,
        "calendar_id": kept.id,
        "calendar_version": kept.version,
        "started_at": cycle.started_at,
        "goal": cycle.goal,
        "pauses": [
            [p.start.isoformat(), p.end.isoformat() if p.end else None, p.reason] for p in cycle.pauses
        ],
        "due_at": judgement.due_at if not cycle.is_paused else None,
        "stopped_at": cycle.stopped_at,
        "breached_at": judgement.breached_at if not runs else None,
        "reason": cycle.reason,
        "checks": checks,
        "next_check_at": checks[0] if checks else None,
    }


def _checks(
    cycle: Cycle, rules: Policy, calendar: Calendar, now: datetime, due_at: datetime
) -> list[datetime]:
    """Warnings still ahead, and the due time, whether or not it has passed."""
    warnings = [share_run_at(cycle, share, calendar, now) for share in rules.warn_at]
    return [*(at for at in warnings if now < at < due_at), due_at]


COLUMNS = [
    SlaTimer.id,
    SlaTimer.target,
    SlaTimer.n,
    SlaTimer.state,
    SlaTimer.policy_id,
    SlaTimer.policy_version,
    SlaTimer.calendar_id,
    SlaTimer.calendar_version,
    SlaTimer.started_at,
    SlaTimer.goal,
    SlaTimer.pauses,
    SlaTimer.due_at,
    SlaTimer.stopped_at,
    SlaTimer.breached_at,
    SlaTimer.reason,
]
_ROWS = (
    select(*COLUMNS)
    .where(SlaTimer.ticket_id == bindparam("ticket"))
    .order_by(SlaTimer.target, SlaTimer.n)
    .with_for_update()
)
CHANGING = [
    "state",
    "policy_id",
    "policy_version",
    "calendar_id",
    "calendar_version",
    "started_at",
    "goal",
    "pauses",
    "due_at",
    "stopped_at",
    "breached_at",
    "reason",
    "checks",
    "next_check_at",
]
_TABLE: Any = SlaTimer.__table__
_INSERT = insert(_TABLE).returning(
    _TABLE.c.id
)  # asked for its ids, SQLAlchemy writes all rows in one statement
UPDATE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("row"))
    .values({name: bindparam(f"new_{name}", type_=_TABLE.c[name].type) for name in CHANGING})
)


async def _load_policies(db: Any) -> tuple[KeptPolicy, ...]:
    query = (
        select(SlaPolicy.id, SlaPolicy.version, SlaPolicy.calendar_id, SlaPolicy.matches)
        .where(SlaPolicy.active)
        .order_by(SlaPolicy.position, SlaPolicy.id)
    )
    return tuple(KeptPolicy(*row) for row in await db.execute(query))


async def _load_policy(db: Any, covered: Covered) -> Policy:
    query = select(PolicyEdition.definition).where(
        PolicyEdition.policy_id == covered.policy_id, PolicyEdition.version == covered.policy_version
    )
    definition = (await db.execute(query)).scalar_one()
    return Policy.from_json(
        definition["rules"] | {"targets": definition["targets"].get(covered.priority, {})}
    )


async def _load_calendar(db: Any, calendar_id: int) -> KeptCalendar:
    query = select(SchoolCalendar.name, SchoolCalendar.version, SchoolCalendar.definition).where(
        SchoolCalendar.id == calendar_id
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such calendar.")
    return KeptCalendar(calendar_id, row.version, Calendar.from_json(row.definition | {"name": row.name}))


async def _load_place_calendar(db: Any, place_id: str | None) -> int | None:
    return await db.scalar(_PLACE_CALENDAR, {"place": place_id})  # type: ignore[no-any-return]


def _place_calendar() -> Any:
    """A place lies in a building, a building in a school: the nearest that keeps a calendar, in one look."""
    here, above, top = aliased(Place), aliased(Place), aliased(Place)
    nearest = (
        select(func.coalesce(here.calendar_id, above.calendar_id, top.calendar_id))
        .outerjoin(above, above.id == here.parent_id)
        .outerjoin(top, top.id == above.parent_id)
        .where(here.id == bindparam("place"))
        .scalar_subquery()
    )
    first = select(SchoolCalendar.id).order_by(SchoolCalendar.id).limit(1).scalar_subquery()
    return select(func.coalesce(nearest, first))


_PLACE_CALENDAR = _place_calendar()
