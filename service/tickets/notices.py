"""Who is told when time runs short: the assignee before, the queue's leads too once it is late, and whom the
policy's further steps name.

Everything a sweep finds for a person becomes one message. It is held back until the timer's calendar opens,
unless the ticket is P1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from service.sla import covering
from service.sla.calendar import OutOfRange
from service.sla.clock import NeverOpen, due_at
from service.sla.policy import Tell
from service.tickets.lookups import WORKERS
from service.tickets.models import Notice

P1 = 1
NAMED = 10
WHAT = {"sla.warned": "warned", "sla.breached": "breached", "sla.escalated": "escalated"}


@dataclass(frozen=True, slots=True)
class Desk:
    """Who could be told: by queue the people who work it and, of these, its leads; the admins."""

    people: Mapping[int, Sequence[int]]
    leads: Mapping[int, Sequence[int]]
    admins: Sequence[int]


async def notify(work: Work, found: Sequence[Any]) -> None:
    """Bundle what a sweep found into one notice a person and sending time."""
    if not found:
        return
    desk = await _desk(work, found)
    bundles: dict[tuple[int, datetime], dict[str, list[dict[str, Any]]]] = defaultdict(
        lambda: {what: [] for what in WHAT.values()}
    )
    for row in found:
        send_at = await _send_at(work, row)
        entry = {
            "number": row.ticket_id,
            "agreement": row.detail["agreement"],
            "target": row.detail["target"],
            "due_at": row.detail["due_at"],
        }
        for person in _told(row, desk):
            bundles[person, send_at][WHAT[row.kind]].append(entry)
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
        _sentence(detail["escalated"], "is escalated to you", "are escalated to you"),
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


def _told(row: Any, desk: Desk) -> Iterable[int]:
    """Nobody has it, or it is late already: then the leads of its queue hear of it."""
    tell = row.detail.get("tell", _LADDER.get(row.kind, ()))
    people: set[int] = set()
    if Tell.ASSIGNEE in tell:
        people |= {row.assignee_id} if row.assignee_id is not None else {*desk.leads.get(row.queue_id, ())}
    if Tell.QUEUE in tell:
        people |= {*desk.people.get(row.queue_id, ())}
    if Tell.LEADS in tell:
        people |= {*desk.leads.get(row.queue_id, ())}
    if Tell.ADMINS in tell:
        people |= {*desk.admins}
    return sorted(people)


_LADDER = {"sla.warned": (Tell.ASSIGNEE,), "sla.breached": (Tell.ASSIGNEE, Tell.LEADS)}


async def _desk(work: Work, found: Sequence[Any]) -> Desk:
    query = (
        select(ServedQueue.queue_id, Person.id, Person.role)
        .join(Person, Person.id == ServedQueue.person_id)
        .where(
            ServedQueue.queue_id.in_(sorted({row.queue_id for row in found})),
            Person.role.in_(WORKERS),
            Person.active,
        )
    )
    people: dict[int, list[int]] = defaultdict(list)
    leads: dict[int, list[int]] = defaultdict(list)
    for row in await work.session.execute(query):
        people[row.queue_id].append(row.id)
        if row.role is Role.LEAD:
            leads[row.queue_id].append(row.id)
    admins: Sequence[int] = ()
    if any(Tell.ADMINS in row.detail.get("tell", ()) for row in found):
        everybody = select(Person.id).where(Person.role == Role.ADMIN, Person.active)
        admins = (await work.session.execute(everybody)).scalars().all()
    return Desk(people, leads, admins)


async def _send_at(work: Work, row: Any) -> datetime:
    if row.priority == P1 or row.calendar_id is None:
        return work.now
    kept = await covering.calendar(work, row.calendar_id)
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
