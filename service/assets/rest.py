"""The HTTP door to devices."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from service.assets import actions
from service.assets.models import Asset, AssetKind
from service.core.fields import Id, Key, Line
from service.web import Cursor, Limit, Reading, Working, door, refusals

router = door("/assets", "directory")
TagPath = Annotated[Line, Path(examples=["CB-00017"])]


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


class AssetPage(BaseModel):
    items: list[AssetOut]
    next_cursor: str | None


@router.get("", operation_id="listAssets", response_model=AssetPage, responses=refusals())
async def list_assets(
    read: Reading,
    kind: AssetKind | None = None,
    school_id: Key | None = None,
    holder_id: Id | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await actions.assets_page(
        read, kind=kind, school_id=school_id, holder_id=holder_id, limit=limit, cursor=cursor
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
