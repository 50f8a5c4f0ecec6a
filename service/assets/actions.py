"""Devices: added, edited, found."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, func, select, true

from service.assets.models import Asset, AssetKind
from service.core.actor import Actor, Scope
from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Id, Input, Key, Line
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.people.models import Person
from service.people.tokens import int_key
from service.places.actions import may_edit_directory
from service.places.models import Place


def normal_serial(serial: str) -> str:
    """A serial number as it is compared: without blanks around it, in capitals."""
    return serial.strip().upper()


class EditAsset(Input):
    kind: AssetKind
    model: Line | None = None
    serial: Line | None = None
    holder_id: Id | None = Field(None, description="Who has it.")
    place_id: Key | None = Field(None, description="Where it stands.")
    is_loaner: bool = Field(False, description="True: it is lent out while other devices are away.")


class NewAsset(EditAsset):
    tag: Line = Field(description="The tag that is stuck on it.", examples=["CB-00017"])


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The desk sees all devices, others their own and their children's."""
    if actor.is_desk:
        return true()
    return Asset.holder_id.in_([actor.person_id, *sorted(actor.child_ids)])


@once(Asset)
async def add_asset(work: Work, wanted: NewAsset) -> Asset:
    require(may_edit_directory(work.actor))
    if await work.session.scalar(select(Asset.id).where(Asset.tag == wanted.tag)) is not None:
        raise Conflict(f"There is a device with the tag {wanted.tag} already.")
    asset = Asset(**wanted.model_dump(), school_id=await _school(work, wanted))
    work.session.add(asset)
    await work.session.flush()
    return asset


@once(Asset)
async def edit_asset(work: Work, tag: str, wanted: EditAsset) -> Asset:
    require(may_edit_directory(work.actor))
    asset = await work.session.scalar(select(Asset).where(Asset.tag == tag).with_for_update())
    if asset is None:
        raise NotFound("There is no such device.")
    for name, value in wanted.model_dump().items():
        setattr(asset, name, value)
    asset.school_id = await _school(work, wanted)
    await work.session.flush()
    return asset


async def _school(work: Work, wanted: EditAsset) -> str | None:
    if wanted.holder_id is not None and await work.session.get(Person, wanted.holder_id) is None:
        raise Invalid.field("holder_id", "There is no such person.", "unknown_person")
    if wanted.place_id is None:
        return None
    place = await work.session.get(Place, wanted.place_id)
    if place is None:
        raise Invalid.field("place_id", "There is no such place.", "unknown_place")
    return place.school_id


ASSET = list(Asset.__table__.c)


async def assets_page(
    eyes: Eyes,
    *,
    kind: AssetKind | None = None,
    school_id: str | None = None,
    holder_id: int | None = None,
    serial: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Devices the actor sees, by id; with a serial number, however it is spelt, those that bear it."""
    require(eyes.actor.holds(Scope.DIRECTORY_READ))
    query = select(*ASSET).where(visible_to(eyes.actor)).order_by(Asset.id)
    if kind is not None:
        query = query.where(Asset.kind == kind)
    if school_id is not None:
        query = query.where(Asset.school_id == school_id)
    if holder_id is not None:
        query = query.where(Asset.holder_id == holder_id)
    if serial is not None:
        query = query.where(func.upper(Asset.serial) == normal_serial(serial))
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(Asset.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def asset_by_tag(eyes: Eyes, tag: str) -> Any:
    require(eyes.actor.holds(Scope.DIRECTORY_READ))
    query = select(*ASSET).where(Asset.tag == tag, visible_to(eyes.actor))
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no device with this tag that you can see.")
    return row
