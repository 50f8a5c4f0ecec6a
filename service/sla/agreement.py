"""Agreements beside the SLA: what a change of a ticket means to the queue that has it, and to a vendor.

PURE. The SLA follows a ticket from its opening to its end. An OLA follows it while one queue has it, a
vendor's contract while it is on hold with that vendor. Each is a course of its own under a policy and a
calendar of its own, advanced by the same arithmetic; here is told how each sees what happens.
"""

from typing import NamedTuple

from service.sla.course import (
    CancelledBecause,
    Change,
    Course,
    Opened,
    Received,
    StatusChanged,
    TargetsChanged,
)
from service.sla.policy import FINISHED, Agreement


class Party(NamedTuple):
    """Who owes it, and so whose course it is; only a contract names its vendor."""

    agreement: Agreement
    vendor: int | None = None


THE_DESK = Party(Agreement.SLA)
THE_QUEUE = Party(Agreement.OLA)


def seen_by(party: Party, change: Change, course: Course) -> Change | None:
    """The change as it concerns this party, whose course this is; None if it does not."""
    match party.agreement:
        case Agreement.SLA:
            return change
        case Agreement.OLA:
            return _seen_by_queue(change)
        case Agreement.VENDOR:
            return _seen_by_vendor(party.vendor, change, course)


def _seen_by_queue(change: Change) -> Change:
    """To a queue the ticket begins when the queue gets it, not when the requester first made contact."""
    return Received(change.at, change.status) if isinstance(change, Opened) else change


def _seen_by_vendor(vendor: int | None, change: Change, course: Course) -> Change | None:
    """To a vendor the ticket begins when it is first put on hold with them. Taken back, it is done for them;
    held with them again, it is open again. Nothing else concerns them but their contract.
    """
    begun = course.started_at is not None or bool(course.cycles)
    match change:
        case StatusChanged(vendor=holder) if holder is not None and holder == vendor:
            return StatusChanged(change.at, "in_progress") if begun else Received(change.at, "in_progress")
        case StatusChanged() if begun and course.status not in FINISHED:
            return StatusChanged(change.at, "cancelled" if change.to == "cancelled" else "resolved")
        case TargetsChanged() | CancelledBecause() if begun:
            return change
    return None
