"""What a policy promises, and what happens to its timers when something happens to a ticket.

PURE. `advance` is the one step: it takes what is known of a ticket's timers and one change, and gives what is
known afterwards. A scenario is a fold over it; a live ticket is one step from its open rows.
A finished cycle is never rewritten: a reopening or a new target adds a cycle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from service.sla.calendar import Calendar
from service.sla.clock import Interval, due_at, elapsed, is_open

MOST_MINUTES: Final = 10 * 366 * 24 * 60
STATUSES: Final = (
    "new",
    "in_progress",
    "waiting_on_requester",
    "on_hold",
    "resolved",
    "closed",
    "cancelled",
)
WORKING: Final = frozenset({"new", "in_progress"})
FINISHED: Final = frozenset({"resolved", "closed", "cancelled"})

By = Literal["requester", "technician", "system"]
Ending = Literal["met", "breached", "cancelled"]
OnReopen = Literal["resume", "new_cycle", "none"]
OnChange = Literal["retroactive", "from_now"]


class BadPolicy(ValueError):
    """The policy cannot be read; the message says which part and why."""


class OutOfOrder(ValueError):
    """A change that cannot come here: before the ticket was opened, or a second opening."""


class Target(StrEnum):
    """What is promised."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    UPDATE = "update"
    RESOLUTION = "resolution"


class State(StrEnum):
    """How a cycle stands at an instant."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


DEFAULT_PAUSE: Final[Mapping[str, frozenset[Target]]] = {
    "waiting_on_requester": frozenset({Target.NEXT_RESPONSE, Target.UPDATE, Target.RESOLUTION}),
    "on_hold": frozenset({Target.UPDATE, Target.RESOLUTION}),
}


@dataclass(frozen=True)
class Policy:
    """The targets in working time, the targets each status pauses, and the rules of change. BadPolicy."""

    targets: Mapping[Target, timedelta]
    pause: Mapping[str, frozenset[Target]] = field(default_factory=lambda: DEFAULT_PAUSE)
    on_reopen: OnReopen = "resume"
    on_change: OnChange = "retroactive"
    warn_at: tuple[float, ...] = (0.5, 0.75, 0.9)

    def __post_init__(self) -> None:
        for target, goal in self.targets.items():
            if goal <= timedelta(0):
                raise BadPolicy(f"targets: {target} must be more than zero minutes")
        if list(self.warn_at) != sorted(set(self.warn_at)) or not all(0 < s < 1 for s in self.warn_at):
            raise BadPolicy("warn_at: rising shares between 0 and 1 are wanted, like 0.5, 0.75")

    def pauses(self, status: str, target: Target) -> bool:
        """Whether `target` does not run while the ticket is in `status`."""
        return target in self.pause.get(status, ())

    def with_targets(self, changes: Mapping[Target, timedelta | None]) -> "Policy":
        """The same rules with some targets replaced, or removed where the change is None."""
        merged = {**self.targets, **changes}
        return replace(self, targets={t: goal for t, goal in merged.items() if goal is not None})

    @classmethod
    def from_json(cls, obj: object) -> "Policy":
        """Read `{targets, pause?, on_reopen?, on_change?, warn_at?}`, targets in minutes, or BadPolicy."""
        given = _object(obj, "policy")
        unknown = given.keys() - {"targets", "pause", "on_reopen", "on_change", "warn_at"}
        if unknown:
            raise BadPolicy(f"policy: unknown key {min(unknown)!r}")
        if "targets" not in given:
            raise BadPolicy("policy: targets is missing")
        on_reopen: OnReopen = _one_of(
            given.get("on_reopen", "resume"), ("resume", "new_cycle", "none"), "on_reopen"
        )
        on_change: OnChange = _one_of(
            given.get("on_change", "retroactive"), ("retroactive", "from_now"), "on_change"
        )
        goals = targets_from_json(given["targets"])
        return cls(
            targets={t: goal for t, goal in goals.items() if goal is not None},
            pause=_pause_from_json(given["pause"]) if "pause" in given else DEFAULT_PAUSE,
            on_reopen=on_reopen,
            on_change=on_change,
            warn_at=_shares(given.get("warn_at", [0.5, 0.75, 0.9])),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form, minutes as numbers, from which `from_json` makes an equal policy."""
        return {
            "targets": {t.value: minutes(self.targets[t]) for t in Target if t in self.targets},
            "pause": {
                s: [t.value for t in Target if t in self.pause[s]] for s in STATUSES if s in self.pause
            },
            "on_reopen": self.on_reopen,
            "on_change": self.on_change,
            "warn_at": list(self.warn_at),
        }


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
class Course:
    """What is known of a ticket's timers: enough to take the next step.

    `cycles` needs the latest cycle of each target only; older ones may be left out. The rest matters when a
    target is promised later than at the opening: `started_at` is the opening or the first contact,
    `owes_response` whether the first response is still owed, `unanswered_since` the oldest requester message
    after it that staff have not answered, `touched_at` staff's last touch, and `stays` the time in statuses
    other than new and in progress. Without `stays` the pauses of the cycles stand in for them.
    """

    status: str = "new"
    cycles: tuple[Cycle, ...] = ()
    started_at: datetime | None = None
    owes_response: bool = False
    unanswered_since: datetime | None = None
    touched_at: datetime | None = None
    stays: tuple[Pause, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket exists from `at`; its timers count from `reported_at`, the first contact, if given."""

    at: datetime
    by: By
    status: str = "new"
    reported_at: datetime | None = None
    for_requester: bool | None = None

    @property
    def awaits_response(self) -> bool:
        """Whether somebody waits for an answer: a requester opened it, or it was opened for one."""
        return self.by == "requester" if self.for_requester is None else self.for_requester


@dataclass(frozen=True, slots=True)
class PublicReply:
    """A message that requester and staff both see."""

    at: datetime
    by: By


@dataclass(frozen=True, slots=True)
class Note:
    """An internal note."""

    at: datetime
    by: By


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The ticket's status is `to` from `at`."""

    at: datetime
    to: str
    by: By = "system"


@dataclass(frozen=True, slots=True)
class TargetsChanged:
    """From `at` this policy holds, whole, as after a new priority or an edited policy."""

    at: datetime
    policy: Policy


@dataclass(frozen=True, slots=True)
class CancelledBecause:
    """Nothing is promised any more: merged into another ticket, or no policy matches."""

    at: datetime
    reason: str


Change = Opened | PublicReply | Note | StatusChanged | TargetsChanged | CancelledBecause


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


def advance(course: Course, change: Change, policy: Policy, calendar: Calendar) -> Course:
    """The course after one change, under the policy in force (a TargetsChanged brings its own).

    Changes come in order of time. OutOfOrder for a change before the opening or for a second opening.
    """
    if isinstance(change, Opened):
        return _opened(course, change, policy, calendar)
    if course.started_at is None and not course.cycles:
        raise OutOfOrder("something happened before the ticket was opened")
    step = _Step(course, change.at, change.policy if isinstance(change, TargetsChanged) else policy, calendar)
    match change:
        case PublicReply(by="technician"):
            step.answered()
        case PublicReply(by="requester"):
            step.asked()
        case Note(by="technician"):
            step.touched()
        case StatusChanged():
            step.moved(change.to, by_staff=change.by == "technician")
        case TargetsChanged():
            step.promised()
        case CancelledBecause():
            step.cancel_all(change.reason)
    return step.course()


def followed(
    opened: Opened, changes: Iterable[Change], policy: Policy, calendar: Calendar
) -> tuple[Cycle, ...]:
    """Every cycle of a ticket, finished ones first to last by target, after its opening and later changes."""
    course = advance(Course(), opened, policy, calendar)
    finished: list[Cycle] = []
    for change in changes:
        policy = change.policy if isinstance(change, TargetsChanged) else policy
        course = advance(course, change, policy, calendar)
        latest = {cycle.target: cycle for cycle in course.cycles}
        finished += [cycle for cycle in course.cycles if cycle is not latest[cycle.target]]
        course = replace(course, cycles=tuple(latest.values()))
    order = {target: i for i, target in enumerate(Target)}
    return tuple(sorted([*finished, *course.cycles], key=lambda cycle: (order[cycle.target], cycle.n)))


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


def next_warning_at(cycle: Cycle, policy: Policy, calendar: Calendar, as_of: datetime) -> WarningDue | None:
    """The first warning after `as_of`; None when none is left, and while the cycle is paused or finished."""
    if not cycle.is_open or paused_at(cycle, as_of):
        return None
    for share in policy.warn_at:
        at = share_run_at(cycle, share, calendar, as_of)
        if at > as_of:
            return WarningDue(share, at)
    return None


def minutes(amount: timedelta) -> int | float:
    """Minutes as a number: whole where it is whole, else exact to the microsecond."""
    whole, rest = divmod(amount, timedelta(minutes=1))
    return amount / timedelta(minutes=1) if rest else whole


def targets_from_json(obj: object) -> dict[Target, timedelta | None]:
    """Goals by target from minutes; None where the target is null. BadPolicy."""
    goals: dict[Target, timedelta | None] = {}
    for key, value in _object(obj, "targets").items():
        if key not in list(Target):
            raise BadPolicy(f"targets: {key!r} is no target; the targets are {', '.join(Target)}")
        goals[Target(key)] = None if value is None else _goal(value, f"targets: {key}")
    return goals


def _opened(course: Course, change: Opened, policy: Policy, calendar: Calendar) -> Course:
    if course.started_at is not None or course.cycles:
        raise OutOfOrder("the ticket was opened twice")
    started = change.reported_at or change.at
    if started > change.at:
        raise OutOfOrder("the ticket was reported after it was opened")
    course = Course(started_at=started, owes_response=change.awaits_response)
    step = _Step(course, change.at, policy, calendar)
    if change.awaits_response:
        step.start(Target.FIRST_RESPONSE, started)
    step.start(Target.UPDATE, started)
    step.start(Target.RESOLUTION, started)
    step.moved(change.status, by_staff=False)
    return step.course()


class _Step:
    """One change being worked into a course: the fields of the course, edited in place, then read back."""

    def __init__(self, course: Course, at: datetime, policy: Policy, calendar: Calendar) -> None:
        self.before = course
        self.at = at
        self.policy = policy
        self.calendar = calendar
        self.status = course.status
        self.cycles = list(course.cycles)
        self.latest = {cycle.target: i for i, cycle in enumerate(self.cycles)}
        self.owes_response = course.owes_response
        self.unanswered_since = course.unanswered_since
        self.touched_at = course.touched_at
        self.stays = course.stays

    def course(self) -> Course:
        return Course(
            self.status,
            tuple(self.cycles),
            self.before.started_at,
            self.owes_response,
            self.unanswered_since,
            self.touched_at,
            self.stays,
        )

    def last(self, target: Target) -> Cycle | None:
        i = self.latest.get(target)
        return None if i is None else self.cycles[i]

    def running(self, target: Target) -> Cycle | None:
        """The open cycle of a target, paused or breached as it may be."""
        cycle = self.last(target)
        return cycle if cycle is not None and cycle.is_open else None

    def put(self, cycle: Cycle) -> None:
        self.cycles[self.latest[cycle.target]] = cycle

    def start(self, target: Target, since: datetime, pauses: tuple[Pause, ...] = ()) -> None:
        """A further cycle, if the policy has the target; paused from now if the status pauses it."""
        goal = self.policy.targets.get(target)
        if goal is None:
            return
        last = self.last(target)
        self.latest[target] = len(self.cycles)
        self.cycles.append(Cycle(target, last.n + 1 if last else 1, since, goal, pauses))
        self.pause_or_resume(target)

    def stop(self, target: Target) -> None:
        """What was promised has been done: met or breached by this instant."""
        if cycle := self.running(target):
            cycle = self.resumed(cycle)
            late = judged(cycle, self.calendar, self.at).state is State.BREACHED
            self.put(replace(cycle, stopped_at=self.at, ending="breached" if late else "met"))

    def cancel(self, target: Target, reason: str) -> None:
        if cycle := self.running(target):
            self.put(replace(self.resumed(cycle), stopped_at=self.at, ending="cancelled", reason=reason))

    def cancel_all(self, reason: str) -> None:
        for target in Target:
            self.cancel(target, reason)

    def resumed(self, cycle: Cycle) -> Cycle:
        """The cycle with its open pause ended here, or dropped where it has no length."""
        if not cycle.is_paused:
            return cycle
        *earlier, last = cycle.pauses
        ended = [replace(last, end=self.at)] if last.start < self.at else []
        return replace(cycle, pauses=(*earlier, *ended))

    def pause_or_resume(self, target: Target) -> None:
        """Bring an open cycle's pause into line with the status and the policy, from now on."""
        cycle = self.running(target)
        if cycle is None:
            return
        pausing = self.policy.pauses(self.status, target)
        if pausing and cycle.is_paused and cycle.pauses[-1].reason == self.status:
            return
        cycle = self.resumed(cycle)
        if pausing:
            cycle = replace(cycle, pauses=(*cycle.pauses, Pause(self.at, None, self.status)))
        self.put(cycle)

    def touched(self) -> None:
        """Staff did something: the update that was due is given and the next one is due in its turn."""
        self.touched_at = self.at
        cycle = self.running(Target.UPDATE)
        if cycle is not None and cycle.started_at < self.at:
            self.stop(Target.UPDATE)
            self.start(Target.UPDATE, self.at)

    def answered(self) -> None:
        """Staff replied in public."""
        self.owes_response = False
        self.unanswered_since = None
        self.stop(Target.FIRST_RESPONSE)
        self.stop(Target.NEXT_RESPONSE)
        self.touched()

    def asked(self) -> None:
        """The requester wrote: an answer is owed, once, unless the first response is still to come.

        On a finished ticket nothing runs, but a reopening finds the message unanswered.
        """
        if self.running(Target.FIRST_RESPONSE):
            return
        self.unanswered_since = self.unanswered_since or self.at
        if self.status not in FINISHED and not self.running(Target.NEXT_RESPONSE):
            self.start(Target.NEXT_RESPONSE, self.at)

    def moved(self, to: str, *, by_staff: bool) -> None:
        """The status changed; to the same status is no change."""
        came_from = self.status
        if to == came_from:
            return
        self.status = to
        self.stay(to)
        if to in FINISHED:
            self.finished(to)
        elif came_from in FINISHED:
            self.reopened(came_from)
        else:
            for target in Target:
                self.pause_or_resume(target)
            if by_staff:
                self.touched()

    def stay(self, status: str) -> None:
        if self.stays and self.stays[-1].end is None:
            *earlier, last = self.stays
            self.stays = (*earlier, replace(last, end=self.at)) if last.start < self.at else tuple(earlier)
        if status not in WORKING:
            self.stays = (*self.stays, Pause(self.at, None, status))

    def finished(self, status: str) -> None:
        """Resolved or closed: what still ran was done by now. Cancelled: it is owed no more."""
        self.owes_response = False
        self.unanswered_since = None
        for target in Target:
            if status == "cancelled":
                self.cancel(target, "the ticket was cancelled")
            else:
                self.stop(target)

    def reopened(self, came_from: str) -> None:
        """Further cycles as the policy says; a first response is never owed again."""
        if self.policy.on_reopen != "none":
            resume = self.policy.on_reopen == "resume" and came_from != "cancelled"
            for target in (Target.UPDATE, Target.RESOLUTION):
                self.run_again(target, resume=resume)
        if self.unanswered_since is not None:
            self.start(Target.NEXT_RESPONSE, self.at)

    def run_again(self, target: Target, *, resume: bool) -> None:
        """A cycle that carries the time the last one used, or a fresh one where there is none to resume."""
        last = self.last(target)
        if not resume or last is None or last.stopped_at is None or last.ending == "cancelled":
            self.start(target, self.at)
            return
        solved = (Pause(last.stopped_at, self.at, "resolved"),) if last.stopped_at < self.at else ()
        self.start(target, last.started_at, (*last.pauses, *solved))

    def promised(self) -> None:
        """The policy changed: its goals and pause rules hold from now, or from a reopening if finished."""
        if self.status in FINISHED:
            return
        for target in Target:
            cycle, goal = self.running(target), self.policy.targets.get(target)
            if cycle is None and goal is not None:
                self.added(target)
            elif cycle is not None and goal is None:
                self.cancel(target, "the target was removed")
            elif cycle is not None and goal is not None and goal != cycle.goal:
                self.retargeted(cycle, goal)
            self.pause_or_resume(target)

    def retargeted(self, cycle: Cycle, goal: timedelta) -> None:
        if self.policy.on_change == "retroactive":
            self.put(replace(cycle, goal=goal))
            return
        if judged(cycle, self.calendar, self.at).state is State.BREACHED:
            self.stop(cycle.target)
        else:
            self.cancel(cycle.target, "targets changed")
        self.start(cycle.target, self.at)

    def added(self, target: Target) -> None:
        """A target that was not promised until now, if what it promises is still owed."""
        since = self.owed_since(target)
        if since is None:
            return
        if self.policy.on_change == "retroactive":
            self.start(target, since, self.earned(target, since))
        else:
            self.start(target, self.at)

    def owed_since(self, target: Target) -> datetime | None:
        """Since when the target would have run; None if it has been given or nobody waits for it."""
        last = self.last(target)
        if target is Target.NEXT_RESPONSE:
            return None if self.running(Target.FIRST_RESPONSE) else self.unanswered_since
        if last is not None and last.ending != "cancelled":
            return None
        opened = self.before.started_at or min(cycle.started_at for cycle in self.cycles)
        if target is Target.FIRST_RESPONSE:
            return opened if self.owes_response else None
        return (self.touched_at or opened) if target is Target.UPDATE else opened

    def earned(self, target: Target, since: datetime) -> tuple[Pause, ...]:
        """The ticket's waits since then that pause this target, and the time it was resolved."""
        waits = self.stays or sorted(
            {pause for cycle in self.cycles for pause in cycle.pauses},
            key=lambda p: (p.end is None, p.start),
        )
        return tuple(
            Pause(max(p.start, since), p.end, "resolved" if p.reason in FINISHED else p.reason)
            for p in waits
            if (p.reason in FINISHED or self.policy.pauses(p.reason, target))
            and (p.end is None or p.end > since)
        )


def _object(obj: object, where: str) -> dict[str, Any]:
    if not isinstance(obj, dict):
        raise BadPolicy(f"{where}: an object is wanted")
    return obj


def _one_of(value: Any, choices: tuple[str, ...], where: str) -> Any:
    if value not in choices:
        raise BadPolicy(f"{where}: one of {', '.join(choices)} is wanted")
    return value


def _goal(value: object, where: str) -> timedelta:
    goal = amount_of_minutes(value, where)
    if goal <= timedelta(0):
        raise BadPolicy(f"{where} must be more than zero minutes")
    return goal


def amount_of_minutes(value: object, where: str) -> timedelta:
    """A number of minutes, whole or not, as an amount of time; BadPolicy if it is none or over ten years."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_MINUTES:
        return timedelta(minutes=value)
    raise BadPolicy(f"{where}: a number of minutes, ten years at most, is wanted")


def _pause_from_json(obj: object) -> dict[str, frozenset[Target]]:
    pause: dict[str, frozenset[Target]] = {}
    for status, names in _object(obj, "pause").items():
        if status not in STATUSES:
            raise BadPolicy(f"pause: {status!r} is no status; the statuses are {', '.join(STATUSES)}")
        if not isinstance(names, list | tuple) or not all(name in list(Target) for name in names):
            raise BadPolicy(f"pause: {status}: a list of targets is wanted")
        pause[status] = frozenset(Target(name) for name in names)
    return pause


def _shares(obj: object) -> tuple[float, ...]:
    if not isinstance(obj, list | tuple) or len(obj) > 20 or not all(isinstance(s, float) for s in obj):
        raise BadPolicy("warn_at: a list of shares like 0.5 is wanted")
    return tuple(obj)
