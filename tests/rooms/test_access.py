"""`may_view` and `visible_to` give one answer, and lists give exactly what that answer allows."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import insert, select

from service.core.actor import Actor, Role
from service.core.work import Work
from service.tickets import access
from service.tickets.lifecycle import Status
from service.tickets.listing import Sort, TicketFilter, count_tickets, tickets_page
from service.tickets.models import Channel, Kind, Ticket
from service.tickets.priority import Impact, Priority, Urgency
from tests import makers

ROLES = [role for role in Role if role is not Role.SYSTEM]


async def a_town(work: Work) -> tuple[list[Any], list[Any], list[Any], list[Actor]]:
    """People, queues and schools; tickets of every make; actors of every role."""
    dice = random.Random(20260914)
    people = [await makers.make_person(work) for _ in range(6)]
    queues = [await makers.make_queue(work, confidential=n == 0) for n in range(3)]
    schools = [await makers.make_school(work, calendar_id=None) for _ in range(3)]
    asset = await makers.make_asset(work)
    rows = [_ticket(dice, people, queues, schools, asset, n) for n in range(400)]
    await work.session.execute(insert(Ticket), rows)
    actors = [_actor(dice, people, queues, schools) for _ in range(120)]
    return people, queues, schools, actors


def _ticket(
    dice: random.Random, people: Any, queues: Any, schools: Any, asset: Any, n: int
) -> dict[str, Any]:
    some = lambda: dice.choice([None, *(p.id for p in people)])  # noqa: E731
    queue = dice.choice(queues)
    at = makers.later(minutes=n)
    return {
        "kind": Kind.INCIDENT, "status": dice.choice(list(Status)), "priority": Priority.P3,
        "impact": Impact.INDIVIDUAL, "urgency": Urgency.WORKAROUND, "channel": Channel.API,
        "confidential": queue.confidential, "version": 1, "reopens": 0, "queue_id": queue.id,
        "requester_id": some(), "opened_by_id": some(), "assignee_id": some(), "device_holder_id": some(),
        "asset_id": asset.id, "school_id": dice.choice([None, *(s.id for s in schools)]),
        "shared_with": sorted({p.id for p in dice.sample(people, dice.choice([0, 0, 1, 2]))}),
        "language": "en", "subject": "x", "description": "", "tags": [], "opened_at": at, "reported_at": at,
        "updated_at": at, "next_due_at": dice.choice([None, makers.later(minutes=dice.randrange(900))]),
    }  # fmt: skip


def _actor(dice: random.Random, people: Any, queues: Any, schools: Any) -> Actor:
    return makers.as_actor(
        dice.choice(ROLES),
        person_id=dice.choice(people).id,
        queue_ids=frozenset(q.id for q in dice.sample(queues, dice.choice([0, 1, 2]))),
        school_ids=frozenset(s.id for s in dice.sample(schools, dice.choice([0, 1, 2]))),
        child_ids=frozenset(p.id for p in dice.sample(people, dice.choice([0, 1, 2]))),
    )


async def test_python_and_the_database_agree_on_who_sees_what(work: Work) -> None:
    *_, actors = await a_town(work)
    tickets = list(await work.session.scalars(select(Ticket)))
    for actor in actors:
        there = {t.id for t in tickets if access.may_view(actor, t)}
        found = set(await work.session.scalars(select(Ticket.id).where(access.visible_to(actor))))
        assert found == there, actor


async def test_lists_give_what_may_be_seen_in_order_and_page_by_page(work: Work) -> None:
    *_, actors = await a_town(work)
    tickets = {t.id: t for t in await work.session.scalars(select(Ticket))}
    for actor in actors[:40]:
        work.actor = actor
        for sort in Sort:
            seen = [t for t in tickets.values() if access.may_view(actor, t)]
            if sort is Sort.NEXT_DUE:
                seen = [t for t in seen if t.status in (*list(Status)[:4],)]
            wanted = [t.id for t in sorted(seen, key=lambda t: _key(t, sort), reverse=sort is Sort.NEWEST)]
            assert await _walk(work, sort) == wanted
        number, more = await count_tickets(work, TicketFilter())
        assert (number, more) == (len([t for t in tickets.values() if access.may_view(actor, t)]), False)


def _key(ticket: Ticket, sort: Sort) -> tuple[Any, int]:
    if sort is Sort.NEXT_DUE:
        return (ticket.next_due_at or makers.later(days=9999), ticket.id)
    return (ticket.opened_at, ticket.id)


async def _walk(work: Work, sort: Sort) -> list[int]:
    ids: list[int] = []
    cursor = None
    while True:
        page = await tickets_page(work, TicketFilter(), sort=sort, limit=37, cursor=cursor)
        ids += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return ids


async def test_a_filter_gives_no_role_more_than_it_sees(work: Work) -> None:
    people, queues, _, actors = await a_town(work)
    tickets = list(await work.session.scalars(select(Ticket)))
    filters = [TicketFilter(queue=queue.key) for queue in queues]
    filters += [TicketFilter(requester_id=person.id) for person in people[:3]]
    for actor in actors[:60]:
        work.actor = actor
        for narrowed in filters:
            page = await tickets_page(work, narrowed, sort=Sort.OLDEST, limit=100)
            number, _ = await count_tickets(work, narrowed)
            wanted = [
                t.id
                for t in sorted(tickets, key=lambda t: (t.opened_at, t.id))
                if _fits(t, narrowed, queues) and access.may_view(actor, t)
            ]
            assert [row.id for row in page.rows] == wanted[:100], actor
            assert number == len(wanted)


def _fits(ticket: Ticket, narrowed: TicketFilter, queues: Any) -> bool:
    if narrowed.requester_id is not None:
        return ticket.requester_id == narrowed.requester_id
    return any(q.key == narrowed.queue and q.id == ticket.queue_id for q in queues)
