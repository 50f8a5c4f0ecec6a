"""The HTTP door to syncs, records and reviews."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from integrations.mdm.port import Platform
from service.core.fields import Id, Instant, Line
from service.mdm import record_listing, reviewing, run_listing, syncing
from service.mdm import sync_wire as wire
from service.mdm.models import LineKind, ReviewWhy, SyncState
from service.web import Cursor, Limit, Reading, RowId, Working, door, refusals

router = door("/mdm", "device management")
TagPath = Annotated[Line, Path(examples=["CB-00017"])]


@router.post(
    "/connections/{connection}/sync",
    operation_id="askMdmSync",
    summary="Have a connection synced",
    status_code=202,
    response_model=wire.MdmRunOut,
    responses=refusals(404, 409),
)
async def ask_sync(connection: RowId, wanted: syncing.AskSync, work: Working) -> object:
    run = await syncing.ask_sync(work, connection, wanted)
    return await run_listing.run_by_id(work, run.id)


@router.get(
    "/runs",
    operation_id="listMdmRuns",
    summary="Syncs, newest first",
    response_model=wire.MdmRunPage,
    responses=refusals(),
)
async def list_runs(
    read: Reading,
    connection_id: Id | None = None,
    state: SyncState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await run_listing.runs_page(
        read, connection_id=connection_id, state=state, limit=limit, cursor=cursor
    )
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.get(
    "/runs/{run}",
    operation_id="getMdmRun",
    summary="A sync, and what it came to",
    response_model=wire.MdmRunOut,
    responses=refusals(404),
)
async def get_run(run: RowId, read: Reading) -> object:
    return await run_listing.run_by_id(read, run)


@router.get(
    "/runs/{run}/lines",
    operation_id="listMdmRunLines",
    summary="What a sync has to tell",
    response_model=wire.MdmRunLinePage,
    responses=refusals(404),
)
async def list_lines(
    run: RowId, read: Reading, kind: LineKind | None = None, limit: Limit = 50, cursor: Cursor = None
) -> object:
    page = await run_listing.lines_page(read, run, kind=kind, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.post(
    "/runs/{run}/decide",
    operation_id="decideMdmRun",
    summary="Let a held sync through, or discard it",
    response_model=wire.MdmRunOut,
    responses=refusals(404, 409),
)
async def decide_run(run: RowId, decision: syncing.DecideRun, work: Working) -> object:
    decided = await syncing.decide_run(work, run, decision)
    return await run_listing.run_by_id(work, decided.id)


@router.post(
    "/runs/{run}/cancel",
    operation_id="cancelMdmRun",
    summary="Stop a sync before anything is written down",
    response_model=wire.MdmRunOut,
    responses=refusals(404, 409),
)
async def cancel_run(run: RowId, work: Working) -> object:
    cancelled = await syncing.cancel_run(work, run)
    return await run_listing.run_by_id(work, cancelled.id)


@router.get(
    "/records",
    operation_id="listMdmRecords",
    summary="What connections said of devices, without who uses them",
    response_model=wire.MdmRecordPage,
    responses=refusals(),
)
async def list_records(
    read: Reading,
    connection_id: Id | None = None,
    platform: Platform | None = None,
    serial: Line | None = None,
    matched: bool | None = None,
    missing: bool | None = None,
    not_seen_since: Instant | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    narrowed = record_listing.RecordFilter(
        connection_id=connection_id,
        platform=platform,
        serial=serial,
        matched=matched,
        missing=missing,
        not_seen_since=not_seen_since,
    )
    page = await record_listing.records_page(read, narrowed, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.get(
    "/records/{record}",
    operation_id="getMdmRecord",
    summary="All that a connection said of one device",
    response_model=wire.MdmRecordOut,
    responses=refusals(404),
)
async def get_record(record: RowId, read: Reading) -> object:
    return await record_listing.record_by_id(read, record)


@router.get(
    "/assets/{tag}/records",
    operation_id="listMdmAssetRecords",
    summary="All that every connection said of one asset",
    response_model=wire.MdmRecordList,
    responses=refusals(404),
)
async def list_asset_records(tag: TagPath, read: Reading) -> object:
    return {"items": await record_listing.records_of(read, tag)}


@router.get(
    "/reviews",
    operation_id="listMdmReviews",
    summary="Records that wait for a person to say which asset they are",
    response_model=wire.MdmReviewPage,
    responses=refusals(),
)
async def list_reviews(
    read: Reading,
    connection_id: Id | None = None,
    why: ReviewWhy | None = None,
    settled: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await reviewing.reviews_page(
        read, connection_id=connection_id, why=why, settled=settled, limit=limit, cursor=cursor
    )
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.get(
    "/reviews/{review}",
    operation_id="getMdmReview",
    summary="One of them",
    response_model=wire.MdmReviewOut,
    responses=refusals(404),
)
async def get_review(review: RowId, read: Reading) -> object:
    return await reviewing.review_by_id(read, review)


@router.post(
    "/reviews/{review}/settle",
    operation_id="settleMdmReview",
    summary="Say which asset a record is",
    response_model=wire.MdmReviewOut,
    responses=refusals(404, 409),
)
async def settle_review(review: RowId, wanted: reviewing.SettleReview, work: Working) -> object:
    settled = await reviewing.settle_review(work, review, wanted)
    return await reviewing.review_by_id(work, settled.id)
