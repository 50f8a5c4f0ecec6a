"""A calendar changes: a holiday, a snow day. Running timers move, and their tickets' places in the line."""

from __future__ import annotations

from sqlalchemy import func, insert, select, update

from service.core.idempotency import once
from service.core.outbox import announce
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
    moved = await move(work, calendar_id)
    if moved:
        await _follow(work, calendar, moved)
    return calendar


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
                "target": one.target.value,
                "cycle": one.cycle,
                "from": one.due_at.isoformat() if one.due_at else None,
                "to": one.moves_to.isoformat() if one.moves_to else None,
                "because": f"calendar “{calendar.name}” version {calendar.version}",
            },
        }
        for one in moved
    ]
    await work.session.execute(insert(TicketEvent), events)
    for ticket_id in tickets:
        announce(work, ticket=ticket_id, event=None, queues=[])
