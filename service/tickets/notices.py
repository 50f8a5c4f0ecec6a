"""Who is told when time runs short: the assignee before, the queue's leads too once it is late.

Everything a sweep finds for a person becomes one message. It is held back until the ticket's calendar
opens, unless the ticket is P1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from service.core.actor import Role
from service.core.errors import NotFound
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.people.models import Person, ServedQueue
from service.people.tokens import int_key
from service.sla import timers
from service.sla.calendar import OutOfRange
from service.sla.clock import NeverOpen, due_at
from service.tickets.models import Notice

P1 = 1
NAMED = 10


async def notify(work: Work, found: Sequence[Any]) -> None:
    """Bundle what a sweep found into one notice a person and sending time."""
    if not found:
        return
    leads = await _leads(work, {row.queue_id for row in found})
    bundles: dict[tuple[int, datetime], dict[str, list[dict[str, Any]]]] = defaultdict(
        lambda: {"warned": [], "breached": []}
    )
    for row in found:
        send_at = await _send_at(work, row)
        what = "breached" if row.kind == "sla.breached" else "warned"
        entry = {
            "number": row.ticket_id,
            "target": row.detail["target"],
            "due_at": row.detail["due_at"],
        }
        for person in _told(row, what, leads):
            bundles[person, send_at][what].append(entry)
    rows = [
        {"person_id": person, "at": work.now, "send_at": send_at, "text": said(detail), "detail": detail}
        for (person, send_at), detail in sorted(bundles.items())
    ]
    if rows:
        await work.session.execute(insert(Notice), rows)


def said(detail: dict[str, list[dict[str, Any]]]) -> str:
    """The message in a sentence or two."""
    parts = [
        _sentence(detail["breached"], "is late", "are late"),
        _sentence(detail["warned"], "is close to being late", "are close to being late"),
    ]
    return " ".join(part for part in parts if part)


def _sentence(entries: list[dict[str, Any]], one: str, many: str) -> str:
    numbers = sorted({entry["number"] for entry in entries})
    if not numbers:
        return ""
    names = ", ".join(str(number) for number in numbers[:NAMED])
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    if len(numbers) == 1:
        return f"Ticket {names} {one}."
    return f"{len(numbers)} tickets {many}: {names}{more}."


def _told(row: Any, what: str, leads: dict[int, list[int]]) -> Iterable[int]:
    """Nobody has it, or it is late already: then the leads of its queue hear of it."""
    people = {row.assignee_id} if row.assignee_id is not None else set()
    if what == "breached" or not people:
        people |= set(leads.get(row.queue_id, ()))
    return sorted(people)


async def _leads(work: Work, queues: set[int]) -> dict[int, list[int]]:
    query = (
        select(ServedQueue.queue_id, Person.id)
        .join(Person, Person.id == ServedQueue.person_id)
        .where(ServedQueue.queue_id.in_(sorted(queues)), Person.role == Role.LEAD, Person.active)
    )
    leads: dict[int, list[int]] = defaultdict(list)
    for row in await work.session.execute(query):
        leads[row.queue_id].append(row.id)
    return leads


async def _send_at(work: Work, row: Any) -> datetime:
    if row.priority == P1 or row.calendar_id is None:
        return work.now
    kept = await timers.calendar(work, row.calendar_id)
    try:
        return due_at(work.now, timedelta(0), kept.calendar)
    except (NeverOpen, OutOfRange):
        return work.now


NOTICE = list(Notice.__table__.c)


async def notices_page(eyes: Eyes, *, limit: int = 50, cursor: str | None = None) -> Page[Any]:
    """The actor's notices that may be shown by now, newest first."""
    query = (
        select(*NOTICE)
        .where(Notice.person_id == eyes.actor.person_id, Notice.send_at <= eyes.now)
        .order_by(Notice.id.desc())
    )
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(Notice.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


@once(Notice)
async def see_notice(work: Work, notice_id: int) -> Notice:
    """Say that one of one's own notices was seen."""
    notice = await work.session.scalar(
        select(Notice).where(Notice.id == notice_id, Notice.person_id == work.actor.person_id)
    )
    if notice is None or notice.send_at > work.now:
        raise NotFound("There is no such notice for you.")
    notice.seen_at = notice.seen_at or work.now
    await work.session.flush()
    return notice
