"""Syncs of device managements, records of devices, and reviews of those that fit no asset by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from integrations.mdm.port import Enrolment, Platform
from schema.assets import Asset
from schema.context import Info
from schema.nodes import (
    Connection,
    Node,
    PageInfo,
    field,
    global_id,
    loaded,
    number_in,
    page_size,
    told,
)
from schema.places import cursor_after
from schema.ticket_inputs import mirrors, wanted
from service.assets.models import AssetKind
from service.mdm import record_listing, reviewing, run_listing
from service.mdm.models import LineKind, Matched, ReviewWhy, SyncKind, SyncState


def _counted(name: str, description: str | None = None) -> Any:
    return told(lambda counts: counts.get(name, 0), description=description)


@strawberry.type(description="Devices, by what they came to in a sync.")
class MdmCounts:
    listed: int = _counted("listed")
    added: int = _counted("added", "Seen for the first time.")
    updated: int = _counted("updated")
    unchanged: int = _counted("unchanged")
    missing: int = _counted("missing", "Not listed any more.")
    returned: int = _counted("returned", "Were missing, and are listed again.")
    bad: int = _counted("bad", "Records that could not be read.")
    assets_added: int = _counted("assets_added")
    unmatched: int = _counted("unmatched", "Wait for a person, since whenever.")
    ambiguous: int = _counted("ambiguous", "Wait for a person to choose, since whenever.")


@strawberry.type(description="One thing that a person may want to read of a sync.")
class MdmRunLine:
    line_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    kind: LineKind
    external_id: str | None = strawberry.field(description="The vendor's name of the device.")
    asset_id: strawberry.ID | None
    why: str


@strawberry.type
class MdmRunLineEdge:
    cursor: str
    node: MdmRunLine


@strawberry.type
class MdmRunLineConnection:
    nodes: list[MdmRunLine]
    edges: list[MdmRunLineEdge]
    page_info: PageInfo


@strawberry.type(description="A sync, and what it came to. Before it has ended, counts are those so far.")
class MdmRun(Node):
    id: strawberry.ID = global_id("MdmRun")
    run_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    connection_id: strawberry.ID
    connection_name: str
    kind: SyncKind
    state: SyncState
    dry: bool = strawberry.field(description="It only tells what would be done.")
    since: datetime | None
    asked_by_id: strawberry.ID | None = strawberry.field(description="Null: it was due.")
    decided_by_id: strawberry.ID | None
    decided_at: datetime | None
    counts: MdmCounts
    would_change_percent: float | None = strawberry.field(
        description="Of the devices that were known before."
    )
    pages_staged: int
    failure: str | None
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @field(graphql_type=MdmRunLineConnection | None, description="What it has to tell.")
    async def lines(
        root: Any,  # noqa: N805
        info: Info,
        kind: LineKind | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await run_listing.lines_page(
                read, root.id, kind=kind, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)


@strawberry.type
class MdmRunEdge:
    cursor: str
    node: MdmRun


@strawberry.type
class MdmRunConnection:
    nodes: list[MdmRun]
    edges: list[MdmRunEdge]
    page_info: PageInfo


@strawberry.type(description="What one connection last said of one device.")
class MdmRecord(Node):
    id: strawberry.ID = global_id("MdmRecord")
    record_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    connection_id: strawberry.ID
    connection_name: str
    external_id: str
    asset_id: strawberry.ID | None
    asset_tag: str | None
    asset: Asset | None = loaded("asset", "asset_id")
    matched: Matched | None = strawberry.field(
        description="What ties it to its asset; null where it has none."
    )
    serial: str | None
    tag: str | None
    platform: Platform
    enrolment: Enrolment
    site: str | None
    model: str | None
    last_check_in: datetime | None
    first_seen_at: datetime
    changed_at: datetime
    missing_since: datetime | None

    @field(
        graphql_type=JSON | None,
        description="All that was said, by the names of a canonical device; reading it is written down.",
    )
    async def device(root: Any, info: Info) -> object:  # noqa: N805
        if hasattr(root, "device"):
            return root.device
        async with info.context.read() as read:
            return (await record_listing.record_by_id(read, root.id)).device


@strawberry.type
class MdmRecordEdge:
    cursor: str
    node: MdmRecord


@strawberry.type
class MdmRecordConnection:
    nodes: list[MdmRecord]
    edges: list[MdmRecordEdge]
    page_info: PageInfo


@mirrors(record_listing.RecordFilter, "MdmRecordFilter")
class MdmRecordFilter:
    connection_id: strawberry.ID | None = UNSET
    platform: Platform | None = UNSET
    serial: str | None = UNSET
    matched: bool | None = UNSET
    missing: bool | None = UNSET
    not_seen_since: datetime | None = UNSET


@strawberry.type(description="An asset that a record may be.")
class MdmCandidate:
    asset_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    tag: str
    kind: AssetKind
    model: str | None
    serial: str | None
    school_id: str | None


@strawberry.type(description="A record that waits for a person to say which asset it is, or that waited.")
class MdmReview(Node):
    id: strawberry.ID = global_id("MdmReview")
    review_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    record_id: strawberry.ID
    why: ReviewWhy
    candidates: list[MdmCandidate]
    raised_at: datetime
    settled_at: datetime | None
    settled_by_id: strawberry.ID | None = strawberry.field(
        description="Null where a sync has found the asset meanwhile."
    )
    connection_id: strawberry.ID
    connection_name: str
    external_id: str
    serial: str | None
    tag: str | None
    platform: Platform
    enrolment: Enrolment
    model: str | None
    site: str | None
    last_check_in: datetime | None
    asset_tag: str | None


@strawberry.type
class MdmReviewEdge:
    cursor: str
    node: MdmReview


@strawberry.type
class MdmReviewConnection:
    nodes: list[MdmReview]
    edges: list[MdmReviewEdge]
    page_info: PageInfo


def _of_connection(connection_id: strawberry.ID | None) -> int | None:
    return None if connection_id is None else number_in(connection_id, "MdmConnection", "connection_id")


@strawberry.type
class Query:
    @field(graphql_type=MdmRun | None, description="A sync, and what it came to.")
    async def mdm_run(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await run_listing.run_by_id(read, number_in(id, "MdmRun"))

    @field(graphql_type=MdmRunConnection | None, description="Syncs, newest first.")
    async def mdm_runs(
        self,
        info: Info,
        connection_id: strawberry.ID | None = None,
        state: SyncState | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        of = _of_connection(connection_id)
        async with info.context.read() as read:
            page = await run_listing.runs_page(
                read, connection_id=of, state=state, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=MdmRecord | None, description="What a connection said of one device.")
    async def mdm_record(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await record_listing.record_by_id(read, number_in(id, "MdmRecord"))

    @field(graphql_type=MdmRecordConnection | None, description="What connections said of devices.")
    async def mdm_records(
        self,
        info: Info,
        filter: MdmRecordFilter | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        if filter is not None and isinstance(filter.connection_id, str):
            filter.connection_id = _of_connection(filter.connection_id)  # type: ignore[assignment]
        narrowed = wanted(filter, record_listing.RecordFilter)
        async with info.context.read() as read:
            page = await record_listing.records_page(read, narrowed, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=list[MdmRecord] | None, description="All that every connection said of one asset.")
    async def mdm_asset_records(self, info: Info, tag: str) -> object:
        async with info.context.read() as read:
            return await record_listing.records_of(read, tag)

    @field(graphql_type=MdmReview | None, description="A record that waits for a person, or waited.")
    async def mdm_review(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await reviewing.review_by_id(read, number_in(id, "MdmReview"))

    @field(
        graphql_type=MdmReviewConnection | None,
        description="Records that wait for a person to say which asset they are, the oldest first.",
    )
    async def mdm_reviews(
        self,
        info: Info,
        connection_id: strawberry.ID | None = None,
        why: ReviewWhy | None = None,
        settled: bool = False,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        of = _of_connection(connection_id)
        async with info.context.read() as read:
            page = await reviewing.reviews_page(
                read, connection_id=of, why=why, settled=settled, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)
