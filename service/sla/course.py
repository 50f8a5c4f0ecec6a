"""What happens to a ticket's timers when something happens to the ticket.

PURE. `advance` is the one step: it takes what is known of a ticket's timers and one change, and gives what is
known afterwards. A scenario is a fold over it; a live ticket is one step from its open rows.
A finished cycle is never rewritten: a reopening or a new target adds a cycle.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from service.sla.calendar import Calendar
from service.sla.cycle import Cycle, Pause, judged
from service.sla.policy import FINISHED, WORKING, Policy, State, Target

By = Literal["requester", "technician", "system"]


class OutOfOrder(ValueError):
    """A change that cannot come here: before the ticket was opened, or a second opening."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of a ticket's timers: enough to take the next step.

    `cycles` needs the latest cycle of each target only; older ones may be left out. The rest matters when a
    target is promised later than at the opening: `started_at` is the opening or the first contact,
    `owes_response` whether the first response is still owed, `unanswered_since` the oldest requester message
    after it that staff have not answered, `touched_at` staff's last touch, and `stays` the time in statuses
    other than new and in progress. Without `stays` the pauses of the cycles stand in for them. Cycles that
    began before `started_at` were somebody else's: nothing is carried from them, and the count goes on, as it
    does from `counted`, the cycles of others that are left out.
    """

    status: str = "new"
    cycles: tuple[Cycle, ...] = ()
    started_at: datetime | None = None
    owes_response: bool = False
    unanswered_since: datetime | None = None
    touched_at: datetime | None = None
    stays: tuple[Pause, ...] = ()
    counted: int = 0


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
    """The ticket's status is `to` from `at`; on hold, perhaps with a vendor."""

    at: datetime
    to: str
    by: By = "system"
    vendor: int | None = None


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


@dataclass(frozen=True, slots=True)
class Received:
    """Somebody gets the ticket in this status: what they owe counts from here."""

    at: datetime
    status: str = "new"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Who had the ticket gives it away: what they owed is done, in time or late."""

    at: datetime


Change = (
    Opened | PublicReply | Note | StatusChanged | TargetsChanged | CancelledBecause | Received | HandedOver
)


def advance(course: Course, change: Change, policy: Policy, calendar: Calendar) -> Course:
    """The course after one change, under the policy in force (a TargetsChanged brings its own).

    Changes come in order of time. OutOfOrder for a change before the opening or for a second opening.
    """
    if isinstance(change, Opened):
        return _opened(course, change, policy, calendar)
    if isinstance(change, Received):
        return _received(course, change, policy, calendar)
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
        case HandedOver():
            step.stop_all()
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


def _received(course: Course, change: Received, policy: Policy, calendar: Calendar) -> Course:
    """From here on the course is that of who gets the ticket; they owe no answer to the requester."""
    stays = () if change.status in WORKING else (Pause(change.at, None, change.status),)
    course = Course(change.status, course.cycles, change.at, stays=stays, counted=course.counted)
    step = _Step(course, change.at, policy, calendar)
    if change.status not in FINISHED:
        step.start(Target.UPDATE, change.at)
        step.start(Target.RESOLUTION, change.at)
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
            self.before.counted,
        )

    def last(self, target: Target) -> Cycle | None:
        i = self.latest.get(target)
        return None if i is None else self.cycles[i]

    def own(self, target: Target) -> Cycle | None:
        """The latest cycle, unless it was somebody else's who had the ticket before."""
        last, since = self.last(target), self.before.started_at
        return None if last is None or (since is not None and last.started_at < since) else last

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
        n = max(last.n if last else 0, self.before.counted) + 1
        self.latest[target] = len(self.cycles)
        self.cycles.append(Cycle(target, n, since, goal, pauses))
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

    def stop_all(self) -> None:
        for target in Target:
            self.stop(target)

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
        if status == "cancelled":
            self.cancel_all("the ticket was cancelled")
        else:
            self.stop_all()

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
        last = self.own(target)
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
        last = self.own(target)
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
