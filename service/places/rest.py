"""The HTTP door to places."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from service.core.fields import Key
from service.places import actions
from service.places.models import Place, PlaceKind
from service.web import Cursor, Limit, Reading, Working, door, refusals

router = door("/places", "directory")
PlaceId = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["0421"])]


class PlaceOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: PlaceKind
    name: str
    parent_id: str | None
    school_id: str
    calendar_id: int | None


class PlacePage(BaseModel):
    items: list[PlaceOut]
    next_cursor: str | None


@router.get("", operation_id="listPlaces", response_model=PlacePage, responses=refusals())
async def list_places(
    read: Reading,
    kind: PlaceKind | None = None,
    school_id: Key | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await actions.places_page(read, kind=kind, school_id=school_id, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.post("", operation_id="addPlace", response_model=PlaceOut, status_code=201, responses=refusals(409))
async def add_place(place: actions.NewPlace, work: Working) -> Place:
    return await actions.add_place(work, place)


@router.get("/{place_id}", operation_id="getPlace", response_model=PlaceOut, responses=refusals(404))
async def get_place(place_id: PlaceId, read: Reading) -> object:
    return await actions.place_by_id(read, place_id)


@router.put("/{place_id}", operation_id="editPlace", response_model=PlaceOut, responses=refusals(404))
async def edit_place(place_id: PlaceId, place: actions.EditPlace, work: Working) -> Place:
    return await actions.edit_place(work, place_id, place)
