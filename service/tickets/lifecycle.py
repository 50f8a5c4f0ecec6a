"""The life cycle of a ticket, pure."""

from __future__ import annotations

from enum import StrEnum

from service.core.errors import Conflict


class Status(StrEnum):
    """In the order of their codes; the open ones come first."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING_ON_REQUESTER = "waiting_on_requester"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OPEN_STATUSES = frozenset({Status.NEW, Status.IN_PROGRESS, Status.WAITING_ON_REQUESTER, Status.ON_HOLD})
WORKED = OPEN_STATUSES - {Status.NEW}

MOVES: dict[Status, frozenset[Status]] = {
    Status.NEW: WORKED | {Status.RESOLVED, Status.CANCELLED},
    Status.IN_PROGRESS: WORKED - {Status.IN_PROGRESS} | {Status.NEW, Status.RESOLVED, Status.CANCELLED},
    Status.WAITING_ON_REQUESTER: frozenset(
        {Status.NEW, Status.IN_PROGRESS, Status.ON_HOLD, Status.RESOLVED, Status.CANCELLED}
    ),
    Status.ON_HOLD: frozenset(
        {Status.NEW, Status.IN_PROGRESS, Status.WAITING_ON_REQUESTER, Status.RESOLVED, Status.CANCELLED}
    ),
    Status.RESOLVED: frozenset({Status.NEW, Status.IN_PROGRESS, Status.CLOSED}),
    Status.CLOSED: frozenset({Status.NEW, Status.IN_PROGRESS}),
    Status.CANCELLED: frozenset({Status.NEW, Status.IN_PROGRESS}),
}

SAID: dict[Status, str] = {
    Status.NEW: "new",
    Status.IN_PROGRESS: "in progress",
    Status.WAITING_ON_REQUESTER: "waiting on the requester",
    Status.ON_HOLD: "on hold",
    Status.RESOLVED: "resolved",
    Status.CLOSED: "closed",
    Status.CANCELLED: "cancelled",
}


class WrongStatus(Conflict):
    code = "wrong_status"


def is_open(status: Status) -> bool:
    return status in OPEN_STATUSES


def moved(status: Status, *, to: Status) -> Status:
    """`to`, when a ticket may go there from `status`; else a refusal that says both."""
    if to in MOVES[status]:
        return to
    if status == to:
        raise WrongStatus(f"This ticket is already {SAID[status]}.")
    raise WrongStatus(f"This ticket is {SAID[status]}; from there it cannot become {SAID[to]}.")
