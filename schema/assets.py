"""Devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from schema.context import Info
from schema.nodes import (
    Connection,
    Node,
    PageInfo,
    field,
    global_id,
    key_in,
    line,
    loaded,
    number_in,
    page_size,
)
from schema.people import Person
from schema.places import Place, cursor_after
from service.assets import actions, facts
from service.assets.models import AssetKind


@strawberry.type(description="What a source last said of a device, and when it was so.")
class AssetFact:
    name: str
    value: JSON
    as_of: datetime
    source: str
    received_at: datetime


@strawberry.type(
    description="A device. Whose it is not, and who is not the desk, reads tag, kind and model only."
)
class Asset(Node):
    id: strawberry.ID = global_id("Asset", "tag")
    tag: str
    kind: AssetKind
    model: str | None
    serial: str | None
    school_id: str | None
    holder: Person | None = loaded("person", "holder_id", description="Who has it.")
    place: Place | None = loaded("place", "place_id", description="Where it stands.")
    is_loaner: bool | None = strawberry.field(description="Whether it is lent out while others are away.")

    @field(graphql_type=list[AssetFact] | None, description="What is known of it; for the desk.")
    async def facts(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await facts.facts_of(read, root.tag)


@strawberry.type
class AssetEdge:
    cursor: str
    node: Asset


@strawberry.type
class AssetConnection:
    nodes: list[Asset]
    edges: list[AssetEdge]
    page_info: PageInfo


@strawberry.type
class Query:
    @field(graphql_type=Asset | None, description="One device, by its tag.")
    async def asset(self, info: Info, tag: str) -> object:
        async with info.context.read() as read:
            return await actions.asset_by_tag(read, tag)

    @field(
        graphql_type=AssetConnection | None,
        description="Devices you see; with a `serial`, in capitals or not, those that bear it.",
    )
    async def assets(
        self,
        info: Info,
        kind: AssetKind | None = None,
        school_id: strawberry.ID | None = None,
        holder_id: strawberry.ID | None = None,
        serial: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        school = key_in(school_id, "Place", "school_id") if school_id is not None else None
        holder = number_in(holder_id, "Person", "holder_id") if holder_id is not None else None
        async with info.context.read() as read:
            page = await actions.assets_page(
                read,
                kind=kind,
                school_id=school,
                holder_id=holder,
                serial=line(serial, "serial"),
                limit=page_size(first),
                cursor=after,
            )
        return Connection(page, cursor_after, after=after)
