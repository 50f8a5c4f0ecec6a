"""Who may see a run, answer in it, approve in it; and who may write playbooks.

`may_view` and `visible_to` give one answer, in Python and in SQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, true

from service.core.actor import SERVING_ROLES, Actor, Role, Scope
from service.playbooks.grammar import Risk
from service.playbooks.grammar import Role as Approver
from service.playbooks.models import PlaybookRun
from service.playbooks.state import By
from service.tickets import access as tickets
from service.tickets.models import Ticket

APPROVERS = {
    Approver.TECHNICIAN: frozenset({Role.TECHNICIAN, Role.LEAD, Role.ADMIN}),
    Approver.LEAD: frozenset({Role.LEAD, Role.ADMIN}),
    Approver.ADMIN: frozenset({Role.ADMIN}),
}


def may_view(actor: Actor, run: Any, ticket: Any | None) -> bool:
    """A run is seen by whose it is, their guardians, and whoever works there. `ticket` is the run's.

    A vendor sees none: what people answered is not for them, even where the ticket is shared.
    """
    if actor.sees_all or is_own(actor, run, ticket):
        return True
    if actor.role is Role.VENDOR:
        return False
    if ticket is not None:
        return tickets.may_view(actor, ticket)
    return actor.role in SERVING_ROLES and run.school_id in actor.school_ids


def is_own(actor: Actor, run: Any, ticket: Any | None) -> bool:
    """Theirs, one they started, or their child's; not the child's where its ticket is confidential."""
    me = actor.person_id
    if me is None:
        return False
    if me in (run.person_id, run.started_by_id):
        return True
    return run.person_id in actor.child_ids and not (ticket is not None and ticket.confidential)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The rule of `may_view` as a condition on `playbook_runs`."""
    if actor.sees_all:
        return true()
    by_ticket = PlaybookRun.ticket_id.in_(select(Ticket.id).where(tickets.visible_to(actor)))
    ways = [PlaybookRun.person_id == actor.person_id, PlaybookRun.started_by_id == actor.person_id]
    if actor.child_ids:
        secret = exists().where(Ticket.id == PlaybookRun.ticket_id, Ticket.confidential)
        ways.append(and_(PlaybookRun.person_id.in_(sorted(actor.child_ids)), ~secret))
    if actor.role is not Role.VENDOR:
        ways.append(by_ticket)
    if actor.role in SERVING_ROLES and actor.school_ids:
        here = PlaybookRun.school_id.in_(sorted(actor.school_ids))
        ways.append(and_(PlaybookRun.ticket_id.is_(None), here))
    return or_(*ways)


def may_read(actor: Actor) -> bool:
    return actor.holds(Scope.TICKETS_READ)


def may_start(actor: Actor) -> bool:
    return actor.holds(Scope.TICKETS_WRITE) and actor.role is not Role.VENDOR


def may_start_for(actor: Actor, ticket: Any) -> bool:
    """A run can change and resolve its ticket: it is begun by whose it is, and by who works there."""
    me = actor.person_id
    own = me is not None and me in (ticket.requester_id, ticket.opened_by_id)
    return own or ticket.requester_id in actor.child_ids or tickets.may_work(actor, ticket)


def may_use_device(actor: Actor, holder_id: int | None) -> bool:
    """A run reads what is known of its device, and acts on it: not on one that is not theirs to know."""
    return tickets.may_know_device(actor, holder_id)


def may_work(actor: Actor, run: Any, ticket: Any | None) -> bool:
    """Whether somebody of the desk answers for the desk in this run."""
    if not (actor.is_desk and actor.holds(Scope.TICKETS_WRITE)):
        return False
    if ticket is not None:
        return tickets.may_work(actor, ticket)
    return actor.sees_all or run.school_id in actor.school_ids


def side_of(actor: Actor, run: Any, ticket: Any | None) -> By | None:
    """On which side somebody answers; None if they may not."""
    if not actor.holds(Scope.TICKETS_WRITE):
        return None
    if actor.person_id is not None and actor.person_id == run.person_id:
        return "requester"
    if may_work(actor, run, ticket):
        return "technician"
    return "requester" if is_own(actor, run, ticket) else None


def may_approve(actor: Actor, run: Any, role: str) -> bool:
    """An approver has the role, and is neither whose run it is nor who started it."""
    if not actor.holds(Scope.TICKETS_WRITE) or actor.role not in APPROVERS[Approver(role)]:
        return False
    return actor.person_id is not None and actor.person_id not in (run.person_id, run.started_by_id)


def may_write_playbooks(actor: Actor) -> bool:
    return tickets.may_configure(actor)


def may_publish(actor: Actor, author_id: int | None, risks: set[Risk]) -> bool:
    """What interrupts somebody or can lose data is published by somebody other than its author."""
    alone = actor.person_id is not None and actor.person_id == author_id
    return may_write_playbooks(actor) and not (alone and risks & {Risk.R2, Risk.R3})


def may_read_analytics(actor: Actor) -> bool:
    return actor.is_desk and actor.holds(Scope.REPORTS_READ)


def may_see_district(actor: Actor) -> bool:
    return actor.is_desk and actor.holds(Scope.DIRECTORY_READ)
