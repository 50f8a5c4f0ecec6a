"""A calendar changes: a holiday, a snow day. Running timers move, and their tickets' places in the line."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, insert, select, update

from service.core.idempotency import once
from service.core.outbox import announce, enqueue
from service.core.shelf import SETTLED
from service.core.work import Work
from service.sla.calendars import (
    EditCalendar,
    Move,
    calendar_for_update,
    checked,
    move,
    save_edition,
)
from service.sla.models import SchoolCalendar, SlaTimer
from service.tickets.models import Ticket, TicketEvent


@once(SchoolCalendar)
async def edit_calendar(work: Work, calendar_id: int, wanted: EditCalendar) -> SchoolCalendar:
    """Say what the calendar says from now on; running timers move, finished ones stay as they were judged."""
    calendar = await calendar_for_update(work, calendar_id)
    checked(wanted.definition, calendar.name, work.now)
    await save_edition(work, calendar, wanted.definition)
    await follow_calendar(work, calendar_id)
    for seconds in (SETTLED, 2 * SETTLED):
        at = work.now + timedelta(seconds=seconds)
        await enqueue(work, "tickets.follow_calendar", at=at, calendar_id=calendar_id)
    return calendar


async def follow_calendar(work: Work, calendar_id: int) -> None:
    """Bring running timers to what the calendar says now.

    Done at once, and again when no process can hold the calendar as it was: a ticket that was being opened
    or changed meanwhile may have been timed by the old edition.
    """
    measured = select(SlaTimer.ticket_id).where(
        SlaTimer.calendar_id == calendar_id, SlaTimer.stopped_at.is_(None)
    )
    await work.session.execute(
        select(Ticket.id).where(Ticket.id.in_(measured)).order_by(Ticket.id).with_for_update(key_share=True)
    )
    moved = await move(work, calendar_id)
    if moved:
        calendar = await work.session.get_one(SchoolCalendar, calendar_id)
        await _follow(work, calendar, moved)


async def _follow(work: Work, calendar: SchoolCalendar, moved: list[Move]) -> None:
    tickets = sorted({one.ticket_id for one in moved})
    earliest = (
        select(func.min(SlaTimer.due_at))
        .where(SlaTimer.ticket_id == Ticket.id, SlaTimer.stopped_at.is_(None))
        .scalar_subquery()
    )
    await work.session.execute(
        update(Ticket).where(Ticket.id.in_(tickets)).values(next_due_at=earliest),
        execution_options={"synchronize_session": False},
    )
    events = [
        {
            "ticket_id": one.ticket_id,
            "kind": "sla.moved",
            "at": work.now,
            "actor_id": work.actor.person_id,
            "actor_name": work.actor.name,
            "by_desk": True,
            "public": False,
            "detail": {
                "agreement": one.agreement.value,
                "target": one.target.value,
                "cycle": one.cycle,
                "from": one.due_at.isoformat() if one.due_at else None,
                "to": one.moves_to.isoformat() if one.moves_to else None,
                "because": f"calendar “{calendar.name}” version {calendar.version}",
            },
        }
        for one in moved
    ]
    written = insert(TicketEvent).returning(TicketEvent.id, TicketEvent.ticket_id)
    ids = (await work.session.execute(written, events)).all()
    queues = dict(
        (await work.session.execute(select(Ticket.id, Ticket.queue_id).where(Ticket.id.in_(tickets)))).all()
    )
    for row in ids:
        announce(work, ticket=row.ticket_id, event=row.id, queues=[queues[row.ticket_id]])
