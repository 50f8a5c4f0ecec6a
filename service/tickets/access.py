"""Who may see and do what with tickets. `may_view` and `visible_to` give one answer, in Python and in SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Text, and_, bindparam, cast, func, or_, text, true
from sqlalchemy.dialects.postgresql import ARRAY

from service.core.actor import SERVING_ROLES, Actor, Role, Scope
from service.sla.models import SlaTimer
from service.sla.policy import Agreement
from service.tickets.models import Ticket

SERVING = SERVING_ROLES
SLA = list(Agreement).index(Agreement.SLA) + 1


def may_read(actor: Actor) -> bool:
    return actor.holds(Scope.TICKETS_READ)


def may_view(actor: Actor, ticket: Any) -> bool:
    """True when the ticket exists for this actor. `ticket` is a Ticket or a row with its columns."""
    me = actor.person_id
    if actor.sees_all:
        return True
    if actor.role is Role.VENDOR:
        return me in ticket.shared_with
    if me in (ticket.requester_id, ticket.opened_by_id) or me in ticket.shared_with:
        return True
    if actor.role is Role.GUARDIAN:
        return not ticket.confidential and ticket.device_holder_id in actor.child_ids
    return actor.role in SERVING and _is_served(actor, ticket)


def _is_served(actor: Actor, ticket: Any) -> bool:
    if ticket.queue_id in actor.queue_ids:
        return True
    return not ticket.confidential and (
        ticket.assignee_id == actor.person_id or ticket.school_id in actor.school_ids
    )


@dataclass(frozen=True, slots=True)
class Branch:
    """A way to be visible that one index answers: `column` is one of `values`, and `also` holds."""

    column: Any
    values: tuple[Any, ...]
    also: ColumnElement[bool] = field(default_factory=true)

    @property
    def condition(self) -> ColumnElement[bool]:
        return and_(self.column.in_(self.values), self.also)

    @property
    def has_many(self) -> bool:
        return len(self.values) > 1

    @property
    def name(self) -> str:
        """What a list calls its values."""
        return f"seen_{self.column.key}"

    @property
    def value(self) -> Any:
        return list(self.values) if self.has_many else self.values[0]


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The rule of `may_view` as a condition on `tickets`."""
    if actor.sees_all:
        return true()
    return or_(shared_with([actor.person_id]), *(branch.condition for branch in visible_branches(actor)))


def visible_branches(actor: Actor) -> list[Branch]:
    """The ways in which a ticket can be visible to somebody who does not see all, but for being shared."""
    me = actor.person_id
    if actor.role is Role.VENDOR:
        return []
    open_to_all = ~Ticket.confidential
    branches = [Branch(Ticket.requester_id, (me,)), Branch(Ticket.opened_by_id, (me,))]
    if actor.role is Role.GUARDIAN and actor.child_ids:
        branches.append(Branch(Ticket.device_holder_id, tuple(sorted(actor.child_ids)), open_to_all))
    if actor.role in SERVING:
        branches.append(Branch(Ticket.assignee_id, (me,), open_to_all))
        if actor.queue_ids:
            branches.append(Branch(Ticket.queue_id, tuple(sorted(actor.queue_ids))))
        if actor.school_ids:
            branches.append(Branch(Ticket.school_id, tuple(sorted(actor.school_ids)), open_to_all))
    return branches


def sees_every_of(actor: Actor, *, requester_id: int | None, queue_id: int | None) -> bool:
    """Whether all tickets of a requester or in a queue are visible, so that no rule need be added."""
    if actor.sees_all:
        return True
    if requester_id is not None and requester_id == actor.person_id and actor.role is not Role.VENDOR:
        return True
    return queue_id is not None and queue_id in actor.queue_ids and actor.role in SERVING


def may_see_queue(actor: Actor, queue_id: int) -> bool:
    """Whether a confidential queue exists for this actor."""
    return actor.sees_all or (actor.role in SERVING and queue_id in actor.queue_ids)


def shared_with(me: Any) -> ColumnElement[bool]:
    """Tickets that somebody on the desk shared with the actor, given as an array of one."""
    return and_(text("tickets.shared_with <> '{}'"), Ticket.shared_with.contains(me))


def may_open(actor: Actor) -> bool:
    return actor.holds(Scope.TICKETS_WRITE)


def may_open_for_others(actor: Actor) -> bool:
    """Only the desk files a ticket in another person's name (a guardian: in a child's)."""
    return actor.is_desk


def may_know_device(actor: Actor, holder_id: int | None) -> bool:
    """Where a device stands and who has it: for staff and the desk; for others their own and children's."""
    if actor.is_desk or actor.role is Role.STAFF:
        return True
    return holder_id is not None and holder_id in {actor.person_id, *actor.child_ids}


def may_shape(actor: Actor) -> bool:
    """Fields that decide about a ticket's place in the line: queue, priority, channel, external ids."""
    return actor.is_desk


def may_reply(actor: Actor, ticket: Ticket) -> bool:
    return actor.holds(Scope.TICKETS_WRITE)


def may_work(actor: Actor, ticket: Ticket) -> bool:
    """The verbs of the desk: note, triage, assign, transfer, start, wait, hold, resolve, tag, link, share."""
    return actor.is_desk and actor.holds(Scope.TICKETS_WRITE) and _is_in_reach(actor, ticket)


def _is_in_reach(actor: Actor, ticket: Ticket) -> bool:
    """A technician who only asked for help in a ticket is a requester there."""
    return actor.sees_all or _is_served(actor, ticket)


def may_finish(actor: Actor, ticket: Ticket) -> bool:
    """Close, reopen, cancel: the desk, and whom the ticket is for."""
    own = actor.person_id is not None and actor.person_id in (ticket.requester_id, ticket.opened_by_id)
    return actor.holds(Scope.TICKETS_WRITE) and (own or may_work(actor, ticket))


def sees_notes(actor: Actor, ticket: Any) -> bool:
    """Internal notes and the desk's own events are for those who work the ticket."""
    return actor.is_desk and (actor.sees_all or _is_served(actor, ticket))


def sees_timer(actor: Actor, ticket: Any, timer: Any) -> bool:
    """What the desk owes the requester is for all who see the ticket; what it agreed beside that is for
    those who work it, and a vendor's contract for that vendor.
    """
    if timer.agreement is Agreement.SLA or sees_notes(actor, ticket):
        return True
    return actor.role is Role.VENDOR and timer.vendor_id is not None and timer.vendor_id == actor.person_id


def timers_seen(actor: Actor, ticket: Any, timers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a ticket's timers, as the database writes them into JSON, that the actor sees."""
    if all(timer["agreement"] == SLA for timer in timers) or sees_notes(actor, ticket):
        return timers
    own = actor.person_id if actor.role is Role.VENDOR else None
    return [t for t in timers if t["agreement"] == SLA or (own is not None and t["vendor_id"] == own)]


TIMER_SEEN: ColumnElement[bool] = or_(
    SlaTimer.agreement == Agreement.SLA,
    bindparam("sees_every_timer", type_=Boolean),
    SlaTimer.vendor_id == bindparam("vendor_self", type_=BigInteger),
    Ticket.queue_id == func.any(cast(bindparam("served_queues"), ARRAY(BigInteger))),
    and_(
        ~Ticket.confidential,
        or_(
            Ticket.assignee_id == bindparam("serving_self", type_=BigInteger),
            Ticket.school_id == func.any(cast(bindparam("served_schools"), ARRAY(Text))),
        ),
    ),
)
"""The rule of `sees_timer` as a condition on `sla_timers` and their `tickets`, for the values of `seeing`."""


def seeing(actor: Actor) -> dict[str, Any]:
    """Who looks, as the parameters of TIMER_SEEN."""
    serves = actor.is_desk and not actor.sees_all
    return {
        "sees_every_timer": actor.sees_all,
        "vendor_self": actor.person_id if actor.role is Role.VENDOR else None,
        "serving_self": actor.person_id if serves else None,
        "served_queues": sorted(actor.queue_ids) if serves else [],
        "served_schools": sorted(actor.school_ids) if serves else [],
    }


def may_configure(actor: Actor) -> bool:
    """Queues, categories, routing, the priority matrix."""
    return actor.role in (Role.ADMIN, Role.LEAD, Role.SYSTEM) and actor.holds(Scope.DESK_WRITE)
