"""What reports read: tickets with the events that say a status or a queue, and how their targets ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, cast, false, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.types import NullType

from service.core.work import Eyes
from service.places.models import Place, PlaceKind
from service.sla.models import SlaTimer, TimerState
from service.sla.policy import Agreement
from service.tickets.models import Category, Queue, Ticket, TicketEvent


def us(column: Any) -> Any:
    """An instant as whole microseconds since 1970."""
    return cast(func.extract("epoch", column) * 1_000_000, BigInteger)


async def ticket_rows(eyes: Eyes, conditions: Sequence[ColumnElement[bool]]) -> Sequence[Any]:
    """The tickets, each with its events that say a status or a queue: `events` is a flat list of numbers.

    Three numbers an event: its instant in microseconds, the code of its status or 0, its queue or 0.
    """
    wanted = select(Ticket.id).where(*conditions).cte("wanted")
    status = func.coalesce(cast(TicketEvent.status, BigInteger), 0)
    queue = func.coalesce(TicketEvent.queue_id, 0)

    def listed(value: Any) -> Any:
        return type_coerce(func.array_agg(aggregate_order_by(value, TicketEvent.id)), NullType)

    events = (
        select(
            TicketEvent.ticket_id,
            listed(us(TicketEvent.at)).label("times"),
            listed(status).label("statuses"),
            listed(queue).label("queues"),
        )
        .join(wanted, wanted.c.id == TicketEvent.ticket_id)
        .where(or_(TicketEvent.status.is_not(None), TicketEvent.queue_id.is_not(None)))
        .group_by(TicketEvent.ticket_id)
        .cte("events")
    )
    query = (
        select(
            Ticket.id,
            Ticket.priority,
            Ticket.queue_id,
            Ticket.category_id,
            Ticket.school_id,
            Ticket.calendar_id,
            us(Ticket.opened_at).label("opened_at"),
            us(Ticket.reported_at).label("reported_at"),
            us(Ticket.first_response_at).label("first_response_at"),
            Ticket.requester_id.is_not(None).label("for_requester"),
            events.c.times,
            events.c.statuses,
            events.c.queues,
        )
        .join(wanted, wanted.c.id == Ticket.id)
        .outerjoin(events, events.c.ticket_id == Ticket.id)
        .order_by(Ticket.id)
    )
    return (await eyes.db.execute(query)).all()


async def target_rows(eyes: Eyes, conditions: Sequence[ColumnElement[bool]]) -> Sequence[Any]:
    """One row a ticket and target of its SLA: whether a cycle was met, breached by now, and still runs so."""
    past_due = and_(SlaTimer.stopped_at.is_(None), func.coalesce(SlaTimer.due_at < eyes.now, false()))
    breached = or_(SlaTimer.breached_at.is_not(None), SlaTimer.state == TimerState.BREACHED, past_due)
    met = SlaTimer.state == TimerState.MET
    query = (
        select(
            SlaTimer.ticket_id,
            SlaTimer.target,
            func.bool_or(met).label("met"),
            func.bool_or(breached).label("breached"),
            func.bool_or(and_(breached, SlaTimer.stopped_at.is_(None))).label("running"),
        )
        .join(Ticket, Ticket.id == SlaTimer.ticket_id)
        .where(SlaTimer.agreement == Agreement.SLA, *conditions)
        .group_by(SlaTimer.ticket_id, SlaTimer.target)
    )
    return (await eyes.db.execute(query)).all()


async def names(eyes: Eyes) -> dict[str, dict[Any, tuple[str, str]]]:
    """The key and the name of every queue, category and school, by what the ticket holds."""
    queues = await eyes.db.execute(select(Queue.id, Queue.key, Queue.name))
    categories = await eyes.db.execute(select(Category.id, Category.name))
    schools = await eyes.db.execute(select(Place.id, Place.name).where(Place.kind == PlaceKind.SCHOOL))
    return {
        "queue": {row.id: (row.key, row.name) for row in queues},
        "category": {row.id: (row.id, row.name) for row in categories},
        "school": {row.id: (row.id, row.name) for row in schools},
    }
