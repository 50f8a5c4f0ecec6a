"""The event lines of one ticket, folded into the ticket that they made: its row, its events, its timers.

PURE. The lines are the truth: where the ticket stood is what its last line says, it was last resolved at its
last line in `resolved` (or its first in `closed`, where it has none), last closed at its last line in
`closed`, and reopened whenever a line leads out of `resolved` or `closed` into an open status. Its queue is
the last group named. Times stay as they are, also where they run backwards or lie before the opening.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from service.imports.lines import Line
from service.sla.calendar import Calendar, instant
from service.sla.course import (
    CancelledBecause,
    Change,
    Course,
    Note,
    Opened,
    StatusChanged,
    TargetsChanged,
    advance,
)
from service.sla.cycle import Cycle
from service.sla.policy import Policy, Target

FINISHED = frozenset({"resolved", "closed"})
OPEN = frozenset({"new", "in_progress", "waiting_on_requester", "on_hold"})
UPDATED = "ticket.imported_update"
KINDS = {
    "in_progress": "ticket.started",
    "waiting_on_requester": "ticket.waiting",
    "on_hold": "ticket.held",
    "resolved": "ticket.resolved",
    "closed": "ticket.closed",
    "cancelled": "ticket.cancelled",
}
NOT_COVERED = "no policy covers this ticket any more"
NOTHING = Policy(targets={})
NEVER = Calendar("UTC", {})


class Event(NamedTuple):
    """One entry of the audit log. `status` and `queue` are None where the event says nothing of them."""

    at: int
    kind: str
    status: str | None
    queue: str | None
    by: str | None
    public: bool
    detail: dict[str, Any]


class Traits(NamedTuple):
    """What decides about the policy, as the source names it."""

    priority: str
    queue: str | None
    category: str | None
    school: str | None


class Turn(NamedTuple):
    """A line as timers see it."""

    at: int
    status: str
    traits: Traits


@dataclass(frozen=True, slots=True)
class Folded:
    """A ticket as its lines left it; instants are UTC microseconds."""

    number: str
    opened_at: int
    updated_at: int
    status: str
    priority: str
    impact: str | None
    urgency: str | None
    queue: str | None
    category: str | None
    school: str | None
    requester: str | None
    assignee: str | None
    subject: str
    description: str
    hold_reason: str | None
    resolved_at: int | None
    closed_at: int | None
    reopens: int
    events: list[Event]
    turns: list[Turn]
    hashes: list[str]
    fingerprint: str
    check_resolved: str
    check_closed: str


def folded(lines: Sequence[Line]) -> Folded:
    """The ticket of these lines, which are all of one ticket and in order."""
    first, last = lines[0], lines[-1]
    hashes = [hash_of(line) for line in lines]
    told = list(_told(lines, hashes))
    status = last.status
    resolved_at, closed_at = _last_resolved(lines), _last(lines, "closed")
    queue = _last_named(line.queue for line in lines)
    fingerprint = hashlib.blake2b("".join(hashes).encode(), digest_size=16).hexdigest()
    opened = {"channel": "import", "fingerprint": fingerprint, "lines": len(lines), "number": first.id}
    return Folded(
        number=first.id,
        opened_at=first.opened_at,
        updated_at=max(line.at for line in lines),
        status=status,
        priority=last.priority,
        impact=last.impact,
        urgency=last.urgency,
        queue=queue,
        category=last.category,
        school=last.school,
        requester=last.requester,
        assignee=last.assignee,
        subject=last.subject,
        description=last.description,
        hold_reason=last.state if status == "on_hold" else None,
        resolved_at=resolved_at if status in FINISHED else None,
        closed_at=closed_at if status == "closed" else last.at if status == "cancelled" else None,
        reopens=sum(event.kind == "ticket.reopened" for event in told),
        events=[Event(first.opened_at, "ticket.opened", "new", None, None, True, opened), *told],
        turns=[_turn(line, queue) for line, queue in _with_queue(lines)],
        hashes=hashes,
        fingerprint=fingerprint,
        check_resolved=_checked(last.resolved_at, resolved_at),
        check_closed=_checked(last.closed_at, closed_at),
    )


def hash_of(line: Line) -> str:
    """What the line says, wherever in a file it stands."""
    return hashlib.blake2b(repr(line[3:]).encode("utf-8", "replace"), digest_size=8).hexdigest()


def grew_from(before: Sequence[str], now: Sequence[str]) -> bool:
    """Whether `now` has every line of `before`, in that order, and more."""
    following = iter(now)
    return len(now) > len(before) and all(line in following for line in before)


def _told(lines: Sequence[Line], hashes: Sequence[str]) -> Iterable[Event]:
    """An event a line. A line in resolved or closed says so again: the last one counts."""
    status, queue, priority = "new", None, lines[0].priority
    for line, content in zip(lines, hashes, strict=True):
        detail: dict[str, Any] = {"line": line.line, "hash": content}
        changed = line.status != status
        moved = line.queue is not None and line.queue != queue
        if changed or line is lines[0]:
            detail["state"] = line.state
        if line.priority != priority or line is lines[0]:
            detail["priority"] = priority = line.priority
        says = line.status if changed or line.status in FINISHED else None
        kind = _kind(status, line.status) if changed else "ticket.transferred" if moved and queue else UPDATED
        yield Event(line.at, kind, says, line.queue if moved else None, line.by, changed, detail)
        status = line.status
        queue = line.queue if moved else queue


def _kind(came_from: str, to: str) -> str:
    if came_from in FINISHED and to in OPEN:
        return "ticket.reopened"
    return KINDS.get(to, UPDATED)


def _last_resolved(lines: Sequence[Line]) -> int | None:
    last = _last(lines, "resolved")
    return last if last is not None else next((line.at for line in lines if line.status == "closed"), None)


def _last(lines: Sequence[Line], status: str) -> int | None:
    return next((line.at for line in reversed(lines) if line.status == status), None)


def _last_named(names: Iterable[str | None]) -> str | None:
    last = None
    for name in names:
        last = name or last
    return last


def _with_queue(lines: Sequence[Line]) -> Iterable[tuple[Line, str | None]]:
    queue = None
    for line in lines:
        queue = line.queue or queue
        yield line, queue


def _turn(line: Line, queue: str | None) -> Turn:
    return Turn(line.at, line.status, Traits(line.priority, queue, line.category, line.school))


def _checked(summed: int | None, found: int | None) -> str:
    """How a summary column compares with the events."""
    if summed is None:
        return "equal" if found is None else "missing"
    return "equal" if summed == found else "differs"


class Cover(Protocol):
    """What a ticket with certain traits is measured by."""

    @property
    def policy(self) -> Policy: ...

    @property
    def calendar(self) -> Calendar: ...


C = TypeVar("C", bound=Cover)


def cycles_of(
    ticket: Folded, cover_of: Callable[[Traits], C | None], *, for_requester: bool
) -> list[tuple[Cycle, C]]:
    """Every cycle of every timer, run at the times of the lines, each with what it was measured by.

    Timers follow the lines in their order; a time that runs backwards, or lies before the opening, counts as
    the latest time before it. Every line is a touch by staff, since the log does not say whose it was.
    """
    at = instant(ticket.opened_at)
    cover = cover_of(ticket.turns[0].traits)
    opened = Opened(at, "system", "new", for_requester=for_requester)
    course = advance(Course(), opened, cover.policy if cover else NOTHING, NEVER)
    measured_by: dict[tuple[Target, int], C] = {}
    status = "new"
    traits = ticket.turns[0].traits
    for turn in ticket.turns:
        at = max(at, instant(turn.at))
        before = cover
        if turn.traits != traits:
            traits, cover = turn.traits, cover_of(turn.traits)
        rules = cover or before
        calendar = rules.calendar if rules else NEVER
        for change in _changes(at, before, cover, status, turn.status):
            course = advance(course, change, cover.policy if cover else NOTHING, calendar)
        status = turn.status
        for cycle in course.cycles:
            if not cycle.is_open and rules is not None:
                measured_by.setdefault((cycle.target, cycle.n), rules)
    return [
        (cycle, ran_under)
        for cycle in course.cycles
        if (ran_under := measured_by.get((cycle.target, cycle.n), cover)) is not None
    ]


def _changes(
    at: datetime, before: Cover | None, cover: Cover | None, came_from: str, to: str
) -> list[Change]:
    changes: list[Change] = []
    if cover is None and before is not None:
        changes.append(CancelledBecause(at, NOT_COVERED))
    elif cover is not None and cover is not before:
        changes.append(TargetsChanged(at, cover.policy))
    if to != came_from:
        changes.append(StatusChanged(at, to, "system"))
    if cover is not None and Target.UPDATE in cover.policy.targets:
        changes.append(Note(at, "technician"))
    return changes
