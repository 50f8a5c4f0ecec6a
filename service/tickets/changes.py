"""What follows from a change of a ticket: its event, its timers, its jobs, the announcement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, inspect

from service.core.actor import Role
from service.core.outbox import announce, enqueue
from service.core.work import Work
from service.sla import timers
from service.sla.course import By, CancelledBecause, Change, Note, Opened, PublicReply, StatusChanged
from service.tickets import agreements
from service.tickets.models import Ticket, TicketEvent

REPLY, NOTE = "ticket.replied", "ticket.noted"


async def record(
    work: Work,
    ticket: Ticket,
    kind: str,
    *,
    body: str | None = None,
    public: bool = True,
    timers_end: str | None = None,
    **detail: Any,
) -> None:
    """Write down that `kind` happened, and do everything that follows from it.

    What changed is read off the row itself. `timers_end` is the reason for which open timers are cancelled.
    """
    changed = _changes(ticket)
    ticket.version += 1
    ticket.updated_at = work.now
    breaches = await _retime(work, ticket, kind, changed, timers_end)
    await work.session.flush()
    for breach in breaches:
        await write_event(
            work, ticket, "sla.breached", {}, at=breach.due_at, public=False, detail=breach_detail(breach)
        )
    event_id = await write_event(work, ticket, kind, changed, body=body, public=public, detail=detail)
    if "hold_until" in changed and ticket.hold_until is not None:
        await enqueue(work, "tickets.end_hold", at=ticket.hold_until, ticket_id=ticket.id)
    tell(work, ticket, event_id, changed)


async def record_opened(work: Work, ticket: Ticket, traits: Mapping[str, str | None]) -> None:
    """The same for a ticket that is being opened: it has no timers yet.

    A calendar that has run out (no opening hours ahead) leaves it without timers, never unopened.
    """
    begun = await timers.begin(
        work, await agreements.at_opening(work, ticket, traits, _opening(work, ticket))
    )
    agreements.keep_counted(ticket, begun)
    ticket.next_due_at = begun.next_due_at
    await work.session.flush()
    await begun.write(ticket.id)
    first = {"status": None, "queue_id": None}
    detail = {"channel": ticket.channel.value}
    event_id = await write_event(work, ticket, "ticket.opened", first, detail=detail)
    tell(work, ticket, event_id, {})


def breach_detail(breach: timers.Breach) -> dict[str, Any]:
    return {
        "agreement": breach.agreement.value,
        "target": breach.target.value,
        "cycle": breach.n,
        "due_at": breach.due_at.isoformat(),
    }


def _opening(work: Work, ticket: Ticket) -> Opened:
    return Opened(
        at=ticket.opened_at,
        by=side(work, ticket),
        status=ticket.status.value,
        reported_at=ticket.reported_at,
        for_requester=agreements.awaits_response(ticket),
    )


async def _retime(
    work: Work, ticket: Ticket, kind: str, changed: Mapping[str, Any], timers_end: str | None
) -> list[timers.Breach]:
    """Carry the ticket's timers through the change, and its next due time with them."""
    follows = _for_timers(work, ticket, kind, changed, timers_end)
    turns = await agreements.in_change(work, ticket, changed, follows)
    if not turns:
        return []
    followed = await timers.follow(work, ticket.id, turns)
    ticket.next_due_at = followed.next_due_at
    if followed.desk is not None:
        ticket.unanswered_since = followed.desk.unanswered_since
        ticket.touched_at = followed.desk.touched_at
    return followed.breaches


def tell(work: Work, ticket: Ticket, event_id: int, changed: Mapping[str, Any]) -> None:
    work.version = ticket.version
    queues = [ticket.queue_id]
    if isinstance(changed.get("queue_id"), int) and changed["queue_id"] != ticket.queue_id:
        queues.append(changed["queue_id"])
    announce(work, ticket=ticket.id, event=event_id, queues=queues)


def side(work: Work, ticket: Ticket) -> By:
    """Which side of the desk speaks. A technician's own ticket is still a requester's.

    A vendor with whom a ticket is shared is neither: no clock of the desk's starts or stops for it.
    """
    is_requester = work.actor.person_id is not None and work.actor.person_id == ticket.requester_id
    if is_requester:
        return "requester"
    if work.actor.role in (Role.INTEGRATION, Role.SYSTEM, Role.VENDOR):
        return "system"
    if not work.actor.is_desk:
        return "requester"
    return "technician"


def _changes(ticket: Ticket) -> dict[str, Any]:
    """Changed columns of the row with the values they had."""
    state = inspect(ticket)
    columns = state.attrs
    return {
        name: (history.deleted or [None])[0]
        for name in set(columns.keys()) - state.unmodified
        if (history := columns[name].history).has_changes()
    }


def _for_timers(
    work: Work, ticket: Ticket, kind: str, changed: Mapping[str, Any], timers_end: str | None
) -> list[Change]:
    if timers_end:
        return [CancelledBecause(work.now, timers_end)]
    by = side(work, ticket)
    changes: list[Change] = []
    if kind == REPLY:
        changes.append(PublicReply(work.now, by))
    if kind == NOTE:
        changes.append(Note(work.now, by))
    if "status" in changed:
        changes.append(StatusChanged(work.now, ticket.status.value, by, ticket.vendor_id))
    return changes


async def write_event(
    work: Work,
    ticket: Ticket,
    kind: str,
    changed: Mapping[str, Any],
    *,
    at: datetime | None = None,
    body: str | None = None,
    public: bool = True,
    detail: Mapping[str, Any],
) -> int:
    event = {
        "ticket_id": ticket.id,
        "kind": kind,
        "at": at or work.now,
        "actor_id": work.actor.person_id,
        "actor_name": work.actor.name,
        "by_desk": work.actor.is_desk,
        "public": public,
        "status": ticket.status if "status" in changed else None,
        "queue_id": ticket.queue_id if "queue_id" in changed else None,
        "body": body,
        "detail": {name: value for name, value in detail.items() if value is not None},
    }
    event_id: int = (await work.db.execute(_WRITE_EVENT, event)).scalar_one()
    return event_id


_EVENTS: Any = TicketEvent.__table__
_WRITE_EVENT = insert(_EVENTS).returning(_EVENTS.c.id)
