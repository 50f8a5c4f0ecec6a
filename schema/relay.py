"""Anything by its global id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import strawberry
from strawberry import relay

from schema.context import Context, Info
from schema.guided import run_by_key, version_by_key
from schema.nodes import Node, Noded, field, number_in
from schema.tickets import queue_by_key
from service.assets.actions import asset_by_tag
from service.core.errors import Invalid, NotFound
from service.core.paging import MAX_PAGE
from service.mdm.connection_listing import connection_by_id
from service.mdm.mappings import mapping_by_id
from service.mdm.record_listing import record_by_id
from service.mdm.reviewing import review_by_id
from service.mdm.run_listing import run_by_id
from service.monitoring.fault_listing import fault_view
from service.monitoring.listing import credential_by_id, device_view, maintenance_by_id
from service.monitoring.scanning import scan_by_id
from service.people.actions import person_by_id
from service.places.actions import place_by_id
from service.sla.calendars import calendar_by_id
from service.sla.policies import policies
from service.tickets.desk import categories
from service.tickets.queries import ticket_view


async def _ticket(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await ticket_view(read, number_in(key, "Ticket"))


async def _person(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await person_by_id(read, number_in(key, "Person"))


async def _place(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await place_by_id(read, key)


async def _asset(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await asset_by_tag(read, key)


async def _category(context: Context, key: str) -> Any:
    async with context.read() as read:
        return _one(await categories(read), key)


async def _calendar(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await calendar_by_id(read, number_in(key, "SchoolCalendar"))


async def _policy(context: Context, key: str) -> Any:
    async with context.read() as read:
        return _one(await policies(read), key)


def _numbered(
    type_name: str, view: Callable[..., Awaitable[Any]]
) -> Callable[[Context, str], Awaitable[Any]]:
    """A fetch of what `view` shows by its number."""

    async def fetch(context: Context, key: str) -> Any:
        async with context.read() as read:
            return await view(read, number_in(key, type_name))

    return fetch


def _one(rows: Any, key: str) -> Any:
    for row in rows:
        if str(row.id) == key:
            return row
    raise NotFound


FETCH: dict[str, Callable[[Context, str], Awaitable[Any]]] = {
    "Ticket": _ticket,
    "Person": _person,
    "Place": _place,
    "Asset": _asset,
    "Queue": queue_by_key,
    "Category": _category,
    "SchoolCalendar": _calendar,
    "SlaPolicy": _policy,
    "PlaybookRun": run_by_key,
    "PlaybookVersion": version_by_key,
    "MdmConnection": _numbered("MdmConnection", connection_by_id),
    "MdmMapping": _numbered("MdmMapping", mapping_by_id),
    "MdmRun": _numbered("MdmRun", run_by_id),
    "MdmRecord": _numbered("MdmRecord", record_by_id),
    "MdmReview": _numbered("MdmReview", review_by_id),
    "NetworkDevice": _numbered("NetworkDevice", device_view),
    "NetworkFault": _numbered("NetworkFault", fault_view),
    "NetworkMaintenance": _numbered("NetworkMaintenance", maintenance_by_id),
    "NetworkScan": _numbered("NetworkScan", scan_by_id),
    "SnmpCredential": _numbered("SnmpCredential", credential_by_id),
}


async def _fetched(context: Context, value: str) -> Noded:
    try:
        given = relay.GlobalID.from_id(value)
        fetch = FETCH[given.type_name]
    except (relay.GlobalIDValueError, KeyError):
        raise Invalid.field("id", "This id is not one of ours.", "bad_id") from None
    return Noded(given.type_name, await fetch(context, given.node_id))


@strawberry.type
class Query:
    @field(graphql_type=Node | None, description="Anything, by its global id.")
    async def node(self, info: Info, id: strawberry.ID) -> object:
        return await _fetched(info.context, id)

    @field(
        graphql_type=list[Node | None] | None,
        description="Several things by their global ids, in that order; null, with an error, for what is not "
        f"there. At most {MAX_PAGE}.",
    )
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> object:
        if len(ids) > MAX_PAGE:
            raise Invalid.field("ids", f"At most {MAX_PAGE} ids at once.", "too_many")
        found = (_fetched(info.context, each) for each in ids)
        return await asyncio.gather(*found, return_exceptions=True)
