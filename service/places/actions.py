"""Places: the tree of schools, buildings and rooms."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import Text, literal, select

from service.core.actor import Actor, Role, Scope
from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Id, Input, Key, Line
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.places.models import Place, PlaceKind

PARENT_OF = {PlaceKind.BUILDING: PlaceKind.SCHOOL, PlaceKind.ROOM: PlaceKind.BUILDING}


class NewPlace(Input):
    id: Key = Field(description="As the district writes it; leading zeros stay.", examples=["0421"])
    kind: PlaceKind
    name: Line = Field(examples=["Lincoln Elementary"])
    parent_id: Key | None = Field(None, description="A building's school, a room's building.")
    calendar_id: Id | None = Field(None, description="The calendar it keeps; else its parent's.")


class EditPlace(Input):
    name: Line
    calendar_id: Id | None = None


def may_edit_directory(actor: Actor) -> bool:
    """Places, people and devices are edited by admins and by integrations (rosters, inventories)."""
    return actor.role in (Role.ADMIN, Role.INTEGRATION, Role.SYSTEM) and actor.holds(Scope.DIRECTORY_WRITE)


@once(Place)
async def add_place(work: Work, wanted: NewPlace) -> Place:
    require(may_edit_directory(work.actor))
    if await work.session.get(Place, wanted.id) is not None:
        raise Conflict(f"There is a place {wanted.id} already.")
    place = Place(**wanted.model_dump(), school_id=await _school_of(work, wanted))
    work.session.add(place)
    await work.session.flush()
    work.change_config()
    return place


@once(Place)
async def edit_place(work: Work, place_id: str, wanted: EditPlace) -> Place:
    require(may_edit_directory(work.actor))
    place = await work.session.get(Place, place_id, with_for_update=True)
    if place is None:
        raise NotFound("There is no such place.")
    place.name, place.calendar_id = wanted.name, wanted.calendar_id
    await work.session.flush()
    work.change_config()
    return place


async def _school_of(work: Work, wanted: NewPlace) -> str:
    if wanted.kind is PlaceKind.SCHOOL:
        if wanted.parent_id is not None:
            raise Invalid.field("parent_id", "A school lies in no other place.", "has_parent")
        return wanted.id
    parent = await work.session.get(Place, wanted.parent_id) if wanted.parent_id else None
    if parent is None or parent.kind not in (PARENT_OF[wanted.kind], PlaceKind.SCHOOL):
        raise Invalid.field(
            "parent_id", "A building lies in a school, a room in a building or school.", "bad_parent"
        )
    return parent.school_id


PLACE = list(Place.__table__.c)


async def places_page(
    eyes: Eyes,
    *,
    kind: PlaceKind | None = None,
    school_id: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Places by id."""
    require(eyes.actor.holds(Scope.DIRECTORY_READ))
    query = select(*PLACE).order_by(Place.id)
    if kind is not None:
        query = query.where(Place.kind == kind)
    if school_id is not None:
        query = query.where(Place.school_id == school_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(Place.id > literal(str(key[0]), Text))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def place_by_id(eyes: Eyes, place_id: str) -> Any:
    require(eyes.actor.holds(Scope.DIRECTORY_READ))
    row = (await eyes.db.execute(select(*PLACE).where(Place.id == place_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such place.")
    return row
