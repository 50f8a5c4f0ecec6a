"""Commands to managed devices, and bulk commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from integrations.mdm.port import Platform, Risk, Verb
from schema.context import Info
from schema.mdm import connection_number
from schema.nodes import Connection, PageInfo, field, number_in, page_size, told
from schema.places import cursor_after
from schema.ticket_inputs import mirrors
from service.assets.models import AssetKind
from service.mdm import command_listing as listing
from service.mdm import command_wire as wire
from service.mdm.models import CommandState, VendorName


@strawberry.type(description="A command for one device, and what became of it.")
class MdmCommand:
    command_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    version: int = strawberry.field(description="Send it back as `expectedVersion`.")
    verb: Verb
    risk: Risk
    state: CommandState
    asset_tag: str | None
    school_id: str | None
    connection_id: strawberry.ID | None
    connection_name: str | None
    vendor: VendorName | None
    ticket_number: int | None = told(
        lambda row: row.ticket_id, description="The ticket on which the outcome is noted."
    )
    action_id: int | None = strawberry.field(description="The playbook's action that it is for.")
    bulk_id: strawberry.ID | None
    arguments: JSON
    reason: str
    detail: str | None = strawberry.field(description="Why it stands as it does, in a sentence.")
    asked_by_id: strawberry.ID | None
    asked_by_name: str | None
    decided_by_id: strawberry.ID | None = strawberry.field(
        description="The second person, who approved or refused it."
    )
    decided_by_name: str | None
    decided_at: datetime | None
    decision: str | None = strawberry.field(description="What the second person said.")
    during_testing: bool
    has_secrets: bool = strawberry.field(description="A PIN or code can be read, once.")
    told_at: datetime | None = strawberry.field(description="When that was read.")
    told_to_id: strawberry.ID | None
    attempts: int = strawberry.field(description="How often it may have reached the vendor.")
    created_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    next_look_at: datetime | None


@strawberry.type
class MdmCommandEdge:
    cursor: str
    node: MdmCommand


@strawberry.type
class MdmCommandConnection:
    nodes: list[MdmCommand]
    edges: list[MdmCommandEdge]
    page_info: PageInfo


@mirrors(listing.CommandFilter, "MdmCommandFilter")
class MdmCommandFilter:
    asset_tag: str | None = UNSET
    ticket: int | None = UNSET
    state: CommandState | None = UNSET
    connection_id: strawberry.ID | None = UNSET
    bulk_id: strawberry.ID | None = UNSET


def _said(name: str) -> Any:
    return told(lambda found: found[name])


@strawberry.type(description="A device of a bulk command.")
class MdmBulkDevice:
    asset_tag: str | None
    serial: str | None
    platform: Platform
    model: str | None
    connection_name: str


@strawberry.type(description="A device that was asked for and cannot take the command.")
class MdmBulkLeftOut:
    tag: str = _said("tag")
    why: str = _said("why")


@strawberry.type(description="How many commands of a bulk stand in a state.")
class MdmStateCount:
    state: CommandState = told(lambda found: CommandState(found["state"]))
    count: int = _said("count")


@strawberry.type(description="One command for many devices. `refused` says why nothing of it was sent.")
class MdmBulk:
    bulk_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    verb: Verb
    arguments: JSON
    reason: str
    tags: list[str]
    school_id: str | None
    kinds: list[AssetKind] = told(lambda row: [AssetKind(kind) for kind in row.kinds])
    count: int = strawberry.field(description="How many devices it is for.")
    digest: str = strawberry.field(description="Of the list of devices: confirm with it.")
    counts: list[MdmStateCount] = told(wire.counts, description="Its commands by state, once it was sent.")
    during_testing: bool
    asked_by_id: strawberry.ID | None
    asked_by_name: str | None
    confirmed_by_id: strawberry.ID | None
    confirmed_by_name: str | None
    created_at: datetime
    confirmed_at: datetime | None
    reread_at: datetime | None = strawberry.field(
        description="When its devices were read again and compared."
    )
    refused: str | None
    devices: list[MdmBulkDevice] = strawberry.field(description="Of one bulk command; lists leave them out.")
    left_out: list[MdmBulkLeftOut] = told(
        lambda row: row.left_out or [], description="Devices that cannot take it; a hundred at most."
    )


@strawberry.type
class MdmBulkEdge:
    cursor: str
    node: MdmBulk


@strawberry.type
class MdmBulkConnection:
    nodes: list[MdmBulk]
    edges: list[MdmBulkEdge]
    page_info: PageInfo


@strawberry.type
class Query:
    @field(graphql_type=MdmCommandConnection | None, description="Commands to devices, newest first.")
    async def mdm_commands(
        self,
        info: Info,
        filter: MdmCommandFilter | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        narrowed = narrowed_by(filter)
        async with info.context.read() as read:
            page = await listing.commands_page(read, narrowed, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=MdmCommand | None, description="A command, and what became of it.")
    async def mdm_command(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await listing.command_by_id(read, number_in(id, "MdmCommand"))

    @field(graphql_type=MdmBulkConnection | None, description="Bulk commands, newest first.")
    async def mdm_bulks(self, info: Info, first: int | None = None, after: str | None = None) -> object:
        async with info.context.read() as read:
            page = await listing.bulks_page(read, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=MdmBulk | None, description="A bulk command, its devices, and how far it is.")
    async def mdm_bulk(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await listing.bulk_by_id(read, number_in(id, "MdmBulk"))


def narrowed_by(given: MdmCommandFilter | None) -> listing.CommandFilter:
    sent = {} if given is None else {name: value for name, value in vars(given).items() if value is not UNSET}
    if sent.get("connection_id") is not None:
        sent["connection_id"] = connection_number(sent["connection_id"])
    if sent.get("bulk_id") is not None:
        sent["bulk_id"] = number_in(sent["bulk_id"], "MdmBulk", "bulk_id")
    return listing.CommandFilter(**sent)
