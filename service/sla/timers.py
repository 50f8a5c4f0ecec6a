"""Timers of live tickets: the pure step of `course.advance`, a party at a time, kept in rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import bindparam, insert, select, update

from service.core.work import Work
from service.sla import covering
from service.sla.agreement import THE_DESK, Party, seen_by
from service.sla.course import CancelledBecause, Change, Course, TargetsChanged, advance
from service.sla.covering import CANNOT_COUNT, Covered, Measure
from service.sla.cycle import Cycle, Pause, judged, share_run_at, step_at
from service.sla.models import SlaTimer, TimerState
from service.sla.policy import Agreement, Policy, State, Target

log = structlog.get_logger()
Key = tuple[Agreement, Target, int]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a change of a ticket means to one party. `course` is what the ticket's row says, without cycles.

    `covered` is what measures it from now on; None is whatever its open rows ran under. `replaced` says that
    this may not be what they were made under: the targets change first, with the pauses already earned.
    """

    party: Party
    course: Course
    changes: Sequence[Change]
    covered: Covered | None
    priority: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Breach:
    agreement: Agreement
    target: Target
    n: int
    due_at: datetime


async def begin(work: Work, turns: Sequence[Turn]) -> TicketTimers:
    """The first cycles of a ticket being opened, to be written once the ticket has its row."""
    timers = TicketTimers(work, ())
    for turn in turns:
        await timers.take(turn)
    return timers


async def follow(work: Work, ticket_id: int, turns: Sequence[Turn]) -> TicketTimers:
    """Carry the timers of a ticket through a change."""
    rows = (await work.db.execute(_ROWS, {"ticket": ticket_id})).all()
    timers = TicketTimers(work, rows, ticket_id)
    for turn in turns:
        await timers.take(turn)
    await timers.write(ticket_id)
    return timers


class TicketTimers:
    """The timers of one ticket on their way through a change; what became of them is written in the end.

    A party whose calendar has run out (no opening hours ahead) is left as it was and named in `uncounted`.
    """

    def __init__(self, work: Work, rows: Sequence[Any], ticket_id: int | None = None) -> None:
        self.work = work
        self.ticket_id = ticket_id
        self.rows: dict[Key, Any] = {(row.agreement, row.target, row.n): row for row in rows}
        self.cycles: defaultdict[Party, tuple[Cycle, ...]] = defaultdict(tuple)
        for row in rows:
            self.cycles[Party(row.agreement, row.vendor_id)] += (cycle_of(row),)
        self.courses: dict[Party, Course] = {}
        self.values: dict[Key, dict[str, Any]] = {}
        self.breaches: list[Breach] = []
        self.uncounted: set[Party] = set()

    @property
    def desk(self) -> Course | None:
        """The SLA's course as it is now; None if it was left alone."""
        return self.courses.get(THE_DESK)

    @property
    def next_due_at(self) -> datetime | None:
        """The earliest due time that still runs, whoever owes it."""
        kept = [(row.stopped_at, row.due_at) for key, row in self.rows.items() if key not in self.values]
        made = [(values["stopped_at"], values["due_at"]) for values in self.values.values()]
        return min((due for stopped, due in kept + made if stopped is None and due), default=None)

    async def take(self, turn: Turn) -> None:
        """One party's turn."""
        course = self._course(turn)
        try:
            measure, changes = await self._measured(turn)
            if measure is not None:
                for change in changes:
                    if (seen := seen_by(turn.party, change, course)) is not None:
                        course = advance(course, seen, measure.policy, measure.calendar)
                self._keep(turn.party, course, measure)
        except CANNOT_COUNT as error:
            agreement = turn.party.agreement.value
            log.warning("timers_left_alone", ticket=self.ticket_id, agreement=agreement, error=str(error))
            self.uncounted.add(turn.party)
            return
        self.courses[turn.party], self.cycles[turn.party] = course, course.cycles

    def _course(self, turn: Turn) -> Course:
        """The party's course with its cycles. A contract's count goes on from those of other vendors; what a
        queue is newly promised to do earns the waits that the desk's own timers know of.
        """
        agreement, mine = turn.party.agreement, self.cycles[turn.party]
        counted, stays = 0, turn.course.stays
        if agreement is Agreement.VENDOR:
            counted = max((key[2] for key in self.rows if key[0] is agreement), default=0)
        if agreement is Agreement.OLA and turn.replaced:
            waits = {pause for cycle in (*self.cycles[THE_DESK], *mine) for pause in cycle.pauses}
            stays = tuple(sorted(waits, key=lambda p: (p.end is None, p.start)))
        return replace(turn.course, cycles=mine, counted=counted, stays=stays)

    async def _measured(self, turn: Turn) -> tuple[Measure | None, Sequence[Change]]:
        """What this turn is counted by, and its changes: no policy any more ends what still runs."""
        if turn.covered is not None and turn.covered.is_measured:
            measure = await self._fresh(turn.covered)
            changed = [TargetsChanged(self.work.now, measure.policy)] if measure and turn.replaced else []
            return measure, [*changed, *turn.changes]
        ran_under = self._ran_under(turn)
        if ran_under is None:
            return None, ()
        if turn.covered is None:
            return await self._fresh(ran_under), turn.changes
        kept = await covering.calendar(self.work, ran_under.calendar_id or 0)
        ended = CancelledBecause(self.work.now, "no policy covers this ticket any more")
        return Measure(ran_under, kept, Policy(targets={})), [ended]

    def _ran_under(self, turn: Turn) -> Covered | None:
        for (agreement, _, _), row in self.rows.items():
            if (agreement, row.vendor_id) == turn.party and row.stopped_at is None:
                return Covered(row.policy_id, row.policy_version, row.calendar_id, turn.priority)
        return None

    async def _fresh(self, covered: Covered) -> Measure | None:
        """The measure, read again where a row has seen a later edition of the calendar than this process."""
        measure = await covering.measure(self.work, covered)
        if measure is not None and any(
            row.calendar_id == measure.kept.id and row.calendar_version > measure.kept.version
            for row in self.rows.values()
        ):
            self.work.shelf.drop(("calendar", covered.calendar_id))
            measure = await covering.measure(self.work, covered)
        return measure

    def _keep(self, party: Party, course: Course, measure: Measure) -> None:
        """Note the cycles that are new or changed; finished ones are left as they are."""
        finished = {(cycle.target, cycle.n) for cycle in self.cycles[party] if not cycle.is_open}
        values, breaches = {}, []
        for cycle in course.cycles:
            key = (party.agreement, cycle.target, cycle.n)
            row = self.rows.get(key)
            if (cycle.target, cycle.n) in finished or (row is not None and _is_same(row, cycle, measure)):
                continue
            noted = row.breached_at if row is not None else None
            steps = row.steps if row is not None else ()
            values[key] = values_of(cycle, measure, self.work.now, noted=noted, steps=steps) | {
                "agreement": party.agreement,
                "vendor_id": party.vendor,
            }
            if noted is None and (due_at := _noticed(cycle, measure, self.work.now)) is not None:
                breaches.append(Breach(*key, due_at))
        self.values |= values
        self.breaches += breaches

    async def write(self, ticket_id: int) -> None:
        """New rows in one statement, changed ones in one."""
        new = [
            values | {"ticket_id": ticket_id} for key, values in self.values.items() if key not in self.rows
        ]
        changed = [
            {f"new_{name}": value for name, value in values.items()} | {"row": self.rows[key].id}
            for key, values in self.values.items()
            if key in self.rows
        ]
        if new:
            await self.work.db.execute(_INSERT, new)
        if changed:
            one_or_many = changed[0] if len(changed) == 1 else changed  # one in a list costs a pipeline
            await (await self.work.session.connection()).execute(UPDATE, one_or_many)


def _is_same(row: Any, cycle: Cycle, measure: Measure) -> bool:
    ran_under = (row.policy_id, row.policy_version, row.calendar_id, row.calendar_version)
    return cycle_of(row) == cycle and ran_under == (
        measure.covered.policy_id,
        measure.covered.policy_version,
        measure.kept.id,
        measure.kept.version,
    )


def _noticed(cycle: Cycle, measure: Measure, now: datetime) -> datetime | None:
    """When a cycle was breached that no sweep will look at again, because it is done or stands still."""
    if cycle.is_open and not cycle.is_paused:
        return None
    judgement = judged(cycle, measure.calendar, now)
    return judgement.due_at if judgement.state is State.BREACHED else None


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
    measure: Measure,
    now: datetime,
    *,
    noted: datetime | None = None,
    steps: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The columns of a cycle as it stands `now`; `steps` are those its row had.

    A breach that the sweep has not noted is left to it: the row runs, with its due time as a check.
    """
    kept = measure.kept
    judgement = judged(cycle, kept.calendar, now)
    counts = cycle.is_open and not cycle.is_paused
    runs = counts and (noted is None or judgement.due_at != noted)
    checks = _checks(cycle, measure, now, judgement.due_at) if runs else []
    waiting = steps_of(cycle, measure, now, steps)
    ahead = [*checks[:1], *(step["at"] for step in waiting if counts and step["at"] and not step["fired"])]
    return {
        "target": cycle.target,
        "n": cycle.n,
        "state": TimerState.RUNNING if runs else TimerState(judgement.state.value),
        "policy_id": measure.covered.policy_id,
        "policy_version": measure.covered.policy_version,
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
        "steps": waiting,
        "next_check_at": min(ahead, default=None),
    }


def _checks(cycle: Cycle, measure: Measure, now: datetime, due_at: datetime) -> list[datetime]:
    """Warnings still ahead, and the due time, whether or not it has passed."""
    warnings = [share_run_at(cycle, share, measure.calendar, now) for share in measure.policy.warn_at]
    return [*(at for at in warnings if now < at < due_at), due_at]


def steps_of(
    cycle: Cycle, measure: Measure, now: datetime, before: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The policy's further steps for this target, with their instants while it counts.

    One that was taken in this cycle is not taken again, wherever it moves to.
    """
    counts = cycle.is_open and not cycle.is_paused
    fired = {_which(step) for step in before if step["fired"]}
    steps = []
    for step in measure.policy.escalate:
        if step.target is cycle.target:
            told = step.to_json()
            del told["target"]
            at = step_at(cycle, step, measure.calendar, now) if counts else None
            steps.append(told | {"at": at, "fired": _which(told) in fired})
    return steps


def _which(step: dict[str, Any]) -> tuple[float | None, float | None]:
    return step.get("before_minutes"), step.get("after_minutes")


COLUMNS = [
    SlaTimer.id,
    SlaTimer.agreement,
    SlaTimer.vendor_id,
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
    SlaTimer.steps,
]
IN_ORDER = (SlaTimer.agreement, SlaTimer.target, SlaTimer.n)
_ROWS = (
    select(*COLUMNS).where(SlaTimer.ticket_id == bindparam("ticket")).order_by(*IN_ORDER).with_for_update()
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
    "steps",
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
