"""Device management: vendors, connections, and what vendors' words mean."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from integrations.mdm.port import Platform, Verb
from schema.context import Info
from schema.nodes import Connection, Node, PageInfo, field, global_id, loaded, number_in, page_size, told
from schema.places import Place, cursor_after
from service.assets.models import AssetKind
from service.mdm import connection_listing as listing
from service.mdm import mappings
from service.mdm.mapped import Why
from service.mdm.models import MappingKind, VendorName
from service.mdm.unmapped import unmapped_cursor, unmapped_page


@strawberry.type(description="One field of a connection's form; a `secret` is write-only.")
class MdmSetting:
    key: str
    label: str
    secret: bool
    required: bool
    kind: str = strawberry.field(description="`text`, `url`, `email`, `json` or `choice`.")
    choices: list[str] = strawberry.field(description="Empty where anything may be said.")
    default: str | None


@strawberry.type(description="A command, and the platforms of which it can be asked.")
class MdmSupported:
    verb: Verb
    platforms: list[Platform]


@strawberry.type(description="A device management that a connection may be of.")
class MdmVendor:
    vendor: VendorName
    label: str
    settings: list[MdmSetting]
    verbs: list[MdmSupported] = strawberry.field(description="What its devices can be told.")


def _said(name: str) -> Any:
    return told(lambda found: found[name])


@strawberry.type(description="A right that is missing, and what it is needed for.")
class MdmMissingRight:
    right: str = _said("right")
    purpose: str = _said("purpose")


@strawberry.type(description="What the last test of a connection found.")
class MdmChecked:
    works: bool = _said("works")
    detail: str = _said("detail")
    granted: list[str] = _said("granted")
    missing: list[MdmMissingRight] = _said("missing")


@strawberry.type(description="A connection without its secrets; those are never told.")
class MdmConnection(Node):
    id: strawberry.ID = global_id("MdmConnection")
    connection_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    version: int = strawberry.field(description="Send it back as `expectedVersion`.")
    name: str
    vendor: VendorName
    settings: JSON = strawberry.field(description="Those that are no secret, by name.")
    has_secrets: list[str] = strawberry.field(description="Names of the secrets that are kept.")
    secrets_lost: bool = strawberry.field(description="No key opens them any more: enter them again.")
    enabled: bool
    sync_minutes: int
    full_hours: int
    guard_percent: int
    adds_assets: bool
    owns_holder: bool
    owns_tag: bool
    allows_commands: bool
    devices: int = strawberry.field(description="How many it lists.")
    unmatched: int = strawberry.field(description="How many of these are no device of the inventory yet.")
    watermark: datetime | None = strawberry.field(description="The start of the last complete sync.")
    full_at: datetime | None
    next_sync_at: datetime | None
    checked_at: datetime | None
    checked: MdmChecked | None = strawberry.field(description="Null until it was tested as it is now.")
    failure: str | None
    failure_detail: str | None
    failing_since: datetime | None
    created_at: datetime
    changed_at: datetime


@strawberry.type
class MdmConnectionEdge:
    cursor: str
    node: MdmConnection


@strawberry.type
class MdmConnectionConnection:
    nodes: list[MdmConnection]
    edges: list[MdmConnectionEdge]
    page_info: PageInfo


@strawberry.type(description="What a word means. Neither place nor kind nor name: ignored on purpose.")
class MdmMapping(Node):
    id: strawberry.ID = global_id("MdmMapping")
    mapping_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    kind: MappingKind
    connection_id: strawberry.ID | None = strawberry.field(description="Null: of every connection.")
    connection_name: str | None
    word: str
    place_id: str | None
    place_name: str | None
    place: Place | None = loaded("place", "place_id")
    asset_kind: AssetKind | None
    model_name: str | None
    changed_at: datetime


@strawberry.type
class MdmMappingEdge:
    cursor: str
    node: MdmMapping


@strawberry.type
class MdmMappingConnection:
    nodes: list[MdmMapping]
    edges: list[MdmMappingEdge]
    page_info: PageInfo


@strawberry.type(description="A word that devices carry and that means nothing here.")
class MdmUnmapped:
    kind: MappingKind
    connection_id: strawberry.ID
    connection_name: str
    word: str
    model_id: str | None = strawberry.field(description="Of a model: the vendor's id of it.")
    platform: Platform | None = strawberry.field(description="Of a model.")
    records: int = strawberry.field(description="How many devices carry it.")
    example_id: strawberry.ID = strawberry.field(description="The record of one of them.")
    why: Why


@strawberry.type
class MdmUnmappedEdge:
    cursor: str
    node: MdmUnmapped


@strawberry.type
class MdmUnmappedConnection:
    nodes: list[MdmUnmapped]
    edges: list[MdmUnmappedEdge]
    page_info: PageInfo


def connection_number(given: strawberry.ID | None) -> int | None:
    return number_in(given, "MdmConnection", "connection_id") if given is not None else None


@strawberry.type
class Query:
    @field(graphql_type=list[MdmVendor] | None, description="Device managements that can be connected.")
    async def mdm_vendors(self, info: Info) -> object:
        async with info.context.read() as read:
            return listing.vendors_shown(read)

    @field(graphql_type=MdmConnection | None, description="One connection to a device management.")
    async def mdm_connection(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await listing.connection_by_id(read, number_in(id, "MdmConnection"))

    @field(graphql_type=MdmConnectionConnection | None, description="Connections, by id.")
    async def mdm_connections(
        self,
        info: Info,
        vendor: VendorName | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await listing.connections_page(read, vendor=vendor, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=MdmMapping | None, description="What one word means.")
    async def mdm_mapping(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await mappings.mapping_by_id(read, number_in(id, "MdmMapping"))

    @field(graphql_type=MdmMappingConnection | None, description="What vendors' words mean here, by id.")
    async def mdm_mappings(
        self,
        info: Info,
        kind: MappingKind | None = None,
        connection_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        owner = connection_number(connection_id)
        async with info.context.read() as read:
            page = await mappings.mappings_page(
                read, kind=kind, connection_id=owner, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)

    @field(
        graphql_type=MdmUnmappedConnection | None,
        description="Words that devices carry and that mean nothing here, with why.",
    )
    async def mdm_unmapped(
        self,
        info: Info,
        kind: MappingKind,
        connection_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        owner = connection_number(connection_id)
        async with info.context.read() as read:
            page = await unmapped_page(read, kind, connection_id=owner, limit=page_size(first), cursor=after)
        return Connection(page, unmapped_cursor, after=after)
