"""One run of one target, and how it stands at an instant.

PURE. A cycle is judged from what is known of it: its start, its goal, its pauses and its stop.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.sla.calendar import Calendar
from service.sla.clock import Interval, NeverOpen, due_at, elapsed, is_open
from service.sla.policy import Policy, State, Step, Target

Ending = Literal["met", "breached", "cancelled"]


@dataclass(frozen=True, slots=True)
class Pause:
    """A span in which a timer does not run; `end` is None while it lasts. `reason` is the ticket's status."""

    start: datetime
    end: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Cycle:
    """One run of one target. Once `stopped_at` is set it is history and `ending` says how it ended."""

    target: Target
    n: int
    started_at: datetime
    goal: timedelta
    pauses: tuple[Pause, ...] = ()
    stopped_at: datetime | None = None
    ending: Ending | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing has stopped it yet; it may be breached all the same."""
        return self.stopped_at is None

    @property
    def is_paused(self) -> bool:
        """Whether its last pause still lasts."""
        return self.is_open and bool(self.pauses) and self.pauses[-1].end is None


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a cycle stands; `elapsed` is working time less pauses, `remaining` is negative once it is over."""

    state: State
    outside_hours: bool
    due_at: datetime
    breached_at: datetime | None
    elapsed: timedelta
    remaining: timedelta


@dataclass(frozen=True, slots=True)
class WarningDue:
    """The instant at which `share` of a goal will have run."""

    share: float
    at: datetime


def judged(cycle: Cycle, calendar: Calendar, as_of: datetime) -> Judgement:
    """How the cycle stands at `as_of`; a stop or a pause later than that has not happened yet.

    A paused cycle is due as if its pause ended at `as_of`. A recorded ending is kept as it was judged then;
    `replace(cycle, ending=None)` asks for it to be judged again.
    """
    stop = cycle.stopped_at if cycle.stopped_at is not None and cycle.stopped_at <= as_of else None
    until = stop or as_of
    pauses = intervals(cycle.pauses, until)
    due = due_at(cycle.started_at, cycle.goal, calendar, pauses)
    late = until > due
    run = elapsed(cycle.started_at, until, calendar, pauses)
    state = _state(cycle, stop, as_of, late=late)
    return Judgement(
        state=state,
        outside_hours=stop is None and not is_open(as_of, calendar),
        due_at=due,
        breached_at=due if state is State.BREACHED or (state is State.CANCELLED and late) else None,
        elapsed=run,
        remaining=cycle.goal - run,
    )


def _state(cycle: Cycle, stop: datetime | None, as_of: datetime, *, late: bool) -> State:
    if stop is not None and cycle.ending is not None:
        return State(cycle.ending)
    if late:
        return State.BREACHED
    if stop is not None:
        return State.MET
    return State.PAUSED if paused_at(cycle, as_of) else State.RUNNING


def paused_at(cycle: Cycle, as_of: datetime) -> bool:
    """Whether a pause of the cycle covers the instant."""
    return any(p.start <= as_of and (p.end is None or as_of < p.end) for p in cycle.pauses)


def intervals(pauses: Iterable[Pause], until: datetime) -> list[Interval]:
    """The pauses as intervals that end at `until` at the latest, as open ones do."""
    return [(p.start, min(p.end or until, until)) for p in pauses if p.start < until]


def share_run_at(cycle: Cycle, share: float, calendar: Calendar, as_of: datetime) -> datetime:
    """When `share` of the goal (more than 1 is after the breach) has run, by what is known at `as_of`."""
    return due_at(cycle.started_at, cycle.goal * share, calendar, intervals(cycle.pauses, as_of))


def step_at(cycle: Cycle, step: Step, calendar: Calendar, as_of: datetime) -> datetime | None:
    """When a step of the cycle's target is due, by what is known at `as_of`.

    None where it would lie before the start, or the calendar runs out first.
    """
    amount = cycle.goal + step.after
    if amount <= timedelta(0):
        return None
    try:
        return due_at(cycle.started_at, amount, calendar, intervals(cycle.pauses, as_of))
    except NeverOpen:
        return None


def next_warning_at(cycle: Cycle, policy: Policy, calendar: Calendar, as_of: datetime) -> WarningDue | None:
    """The first warning after `as_of`; None when none is left, and while the cycle is paused or finished."""
    if not cycle.is_open or paused_at(cycle, as_of):
        return None
    for share in policy.warn_at:
        at = share_run_at(cycle, share, calendar, as_of)
        if at > as_of:
            return WarningDue(share, at)
    return None
