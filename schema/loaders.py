"""Related rows, fetched for a whole page at once, each kind in a short read of its own.

What a ticket shows of people, devices and places is what REST shows of them (a name, a tag); the rest of
such a row is null unless the actor may look it up in the directory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ColumnElement, case, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from strawberry.dataloader import DataLoader

from service.assets.actions import visible_to
from service.assets.models import Asset
from service.core.actor import Scope
from service.people.actions import may_see_people
from service.people.models import Person
from service.places.models import Place
from service.sla.models import SlaPolicy, SlaTimer
from service.tickets.changes import REPLY
from service.tickets.desk import categories
from service.tickets.device_seen import devices_of
from service.tickets.models import TicketEvent
from service.tickets.queries import EVENT, seen_timers
from service.tickets.rules import desk_rules

if TYPE_CHECKING:
    from schema.context import Context

TIMER = [
    SlaTimer.ticket_id,
    SlaTimer.agreement,
    SlaPolicy.name.label("policy"),
    SlaTimer.target,
    SlaTimer.n.label("cycle"),
    SlaTimer.state,
    SlaTimer.started_at,
    SlaTimer.due_at,
    SlaTimer.stopped_at,
    SlaTimer.breached_at,
    (func.extract("epoch", SlaTimer.goal) / 60).label("target_minutes"),
]


class Loaders:
    """The loaders of one operation; a row is loaded once in it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def person(self) -> DataLoader[int, Any]:
        return _loader(self._people)

    @cached_property
    def asset(self) -> DataLoader[int, Any]:
        return _loader(self._assets)

    @cached_property
    def place(self) -> DataLoader[str, Any]:
        return _loader(self._places)

    @cached_property
    def queue(self) -> DataLoader[int, Any]:
        return _loader(self._queues)

    @cached_property
    def category(self) -> DataLoader[str, Any]:
        return _loader(self._categories)

    @cached_property
    def timers(self) -> DataLoader[int, list[Any]]:
        return _loader(self._timers)

    @cached_property
    def last_reply(self) -> DataLoader[int, Any]:
        return _loader(self._last_replies)

    @cached_property
    def device(self) -> DataLoader[int, Any]:
        return _loader(self._devices)

    async def _people(self, ids: list[int]) -> list[Any]:
        actor = self._context.actor
        mine = [person for person in (actor.person_id, *actor.child_ids) if person is not None]
        known = true() if may_see_people(actor) else Person.id.in_(mine)
        columns = _shown(Person, {"id", "name", "role"}, known)
        return await self._by_id(select(*columns).where(Person.id.in_(ids)), ids)

    async def _assets(self, ids: list[int]) -> list[Any]:
        actor = self._context.actor
        known = visible_to(actor) if actor.holds(Scope.DIRECTORY_READ) else None
        columns = _shown(Asset, {"id", "tag", "kind", "model"}, known)
        return await self._by_id(select(*columns).where(Asset.id.in_(ids)), ids)

    async def _places(self, ids: list[str]) -> list[Any]:
        known = true() if self._context.actor.holds(Scope.DIRECTORY_READ) else None
        columns = _shown(Place, {"id", "name", "kind"}, known)
        return await self._by_id(select(*columns).where(Place.id.in_(ids)), ids)

    async def _queues(self, ids: list[int]) -> list[Any]:
        async with self._context.read() as read:
            rules = await desk_rules(read)
        return [rules.queues.get(queue) for queue in ids]

    async def _categories(self, ids: list[str]) -> list[Any]:
        async with self._context.read() as read:
            return _ordered({row.id: row for row in await categories(read)}, ids)

    async def _timers(self, ids: list[int]) -> list[list[Any]]:
        query = seen_timers(self._context.actor, *TIMER).where(SlaTimer.ticket_id.in_(ids))
        found: dict[int, list[Any]] = {number: [] for number in ids}
        for row in await self._rows(query):
            found[row.ticket_id].append(row)
        return [found[number] for number in ids]

    async def _last_replies(self, ids: list[int]) -> list[Any]:
        numbers = func.unnest(literal(ids, ARRAY(BigInteger))).table_valued("number").render_derived()
        last = (
            select(*EVENT)
            .where(TicketEvent.ticket_id == numbers.c.number, TicketEvent.kind == REPLY, TicketEvent.public)
            .order_by(TicketEvent.id.desc())
            .limit(1)
            .correlate(numbers)
            .subquery()
            .lateral()
        )
        rows = await self._rows(select(last).select_from(numbers).join(last, true()))
        return _ordered({row.ticket_id: row for row in rows}, ids)

    async def _devices(self, ids: list[int]) -> list[Any]:
        async with self._context.read() as read:
            return _ordered(await devices_of(read, ids), ids)

    async def _by_id(self, query: Any, ids: Sequence[Any]) -> list[Any]:
        return _ordered({row.id: row for row in await self._rows(query)}, ids)

    async def _rows(self, query: Any) -> Sequence[Any]:
        async with self._context.read() as read:
            return (await read.db.execute(query)).all()


def _loader(load: Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]) -> DataLoader[Any, Any]:
    """A loader whose read comes to its end even when nobody waits for it any more, and so gives its
    connection back."""

    async def whole(ids: list[Any]) -> list[Any]:
        return await asyncio.shield(asyncio.create_task(load(ids)))

    return DataLoader(whole)


def _ordered(found: Mapping[Any, Any], ids: Iterable[Any]) -> list[Any]:
    return [found.get(one) for one in ids]


def _shown(table: Any, always: set[str], known: ColumnElement[bool] | None) -> list[Any]:
    """A table's columns; those not shown `always` are null where `known` does not hold (None: nowhere)."""
    columns = []
    for column in table.__table__.c:
        if column.name in always:
            columns.append(column)
        elif known is None:
            columns.append(literal(None, column.type).label(column.name))
        else:
            columns.append(case((known, column)).label(column.name))
    return columns
