"""The HTTP door to devices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict

from service.assets import actions, facts, loans
from service.assets.models import Asset, AssetKind, LoanState
from service.core.fields import Id, Key, Line
from service.web import Cursor, Limit, Reading, RowId, Working, door, refusals

router = door("/assets", "directory")
lent = door("/loans", "loaners")
TagPath = Annotated[Line, Path(examples=["CB-00017"])]
SerialQuery = Annotated[
    Line | None,
    Query(
        description="The serial number that is printed on it, in capitals or not.", examples=["5CD1234XYZ"]
    ),
]


class AssetOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    tag: str
    kind: AssetKind
    model: str | None
    serial: str | None
    holder_id: int | None
    place_id: str | None
    school_id: str | None
    is_loaner: bool


class AssetPage(BaseModel):
    items: list[AssetOut]
    next_cursor: str | None


@router.get("", operation_id="listAssets", response_model=AssetPage, responses=refusals())
async def list_assets(
    read: Reading,
    kind: AssetKind | None = None,
    school_id: Key | None = None,
    holder_id: Id | None = None,
    serial: SerialQuery = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await actions.assets_page(
        read, kind=kind, school_id=school_id, holder_id=holder_id, serial=serial, limit=limit, cursor=cursor
    )
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.post("", operation_id="addAsset", response_model=AssetOut, status_code=201, responses=refusals(409))
async def add_asset(asset: actions.NewAsset, work: Working) -> Asset:
    return await actions.add_asset(work, asset)


@router.get("/{tag}", operation_id="getAsset", response_model=AssetOut, responses=refusals(404))
async def get_asset(tag: TagPath, read: Reading) -> object:
    return await actions.asset_by_tag(read, tag)


@router.put("/{tag}", operation_id="editAsset", response_model=AssetOut, responses=refusals(404))
async def edit_asset(tag: TagPath, asset: actions.EditAsset, work: Working) -> Asset:
    return await actions.edit_asset(work, tag, asset)


class FactOut(BaseModel):
    """What a source last said of a device, and when it was so. Of several sources the newest word counts."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    value: Any
    as_of: datetime
    source: str
    received_at: datetime


class LoanOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    state: LoanState
    kind: AssetKind
    asset_tag: str | None
    person_id: int | None
    school_id: str | None
    ticket_id: int | None
    asked_at: datetime
    due_at: datetime
    ended_at: datetime | None


class LoanPage(BaseModel):
    items: list[LoanOut]
    next_cursor: str | None


@router.get(
    "/{tag}/facts",
    operation_id="listAssetFacts",
    summary="What is known of a device",
    response_model=list[FactOut],
    responses=refusals(404),
)
async def list_facts(tag: TagPath, read: Reading) -> object:
    return await facts.facts_of(read, tag)


@router.post(
    "/{tag}/facts",
    operation_id="recordAssetFacts",
    summary="Say what is known of a device",
    response_model=AssetOut,
    responses=refusals(404),
)
async def record_facts(tag: TagPath, said: facts.RecordFacts, work: Working) -> Asset:
    return await facts.record_facts(work, tag, said)


@lent.get(
    "", operation_id="listLoans", summary="Loans, newest first", response_model=LoanPage, responses=refusals()
)
async def list_loans(
    read: Reading,
    state: LoanState | None = None,
    school_id: Key | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await loans.loans_page(read, state=state, school_id=school_id, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@lent.post(
    "",
    operation_id="askForLoaner",
    summary="Set a loaner aside for somebody, or order one",
    status_code=201,
    response_model=LoanOut,
    responses=refusals(409),
)
async def ask_for_loaner(wanted: loans.AskForLoaner, work: Working) -> object:
    return await loans.loan_by_id(work, (await loans.ask_for_loaner(work, wanted)).id)


@lent.post(
    "/{loan}/move",
    operation_id="moveLoan",
    summary="Say that a loaner was handed out, given back, or is not needed",
    response_model=LoanOut,
    responses=refusals(404, 409),
)
async def move_loan(loan: RowId, to: loans.MoveLoan, work: Working) -> object:
    return await loans.loan_by_id(work, (await loans.move_loan(work, loan, to)).id)
