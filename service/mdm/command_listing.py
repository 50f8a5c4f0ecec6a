"""Commands and bulk commands as lists and one by one; none of their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from pydantic import Field
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from service.assets.models import Asset
from service.core.errors import NotFound, require
from service.core.fields import Id, Input, Line
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.mdm.access import SEES, may_see_records
from service.mdm.models import CommandState, MdmBulk, MdmCommand, MdmConnection, MdmRecord
from service.people.models import Person
from service.people.tokens import int_key

SECRET: Final = frozenset({"sealed", "told", "key", "handle", "lease_until", "looks", "record_id"})
"""Columns that nobody is shown."""
Asker, Decider = aliased(Person), aliased(Person)
_SHOWN: Final[list[Any]] = [
    *(column for column in MdmCommand.__table__.c if column.name not in SECRET),
    MdmCommand.told.is_not(None).label("has_secrets"),
    Asset.tag.label("asset_tag"),
    MdmConnection.name.label("connection_name"),
    MdmConnection.vendor.label("vendor"),
    Asker.name.label("asked_by_name"),
    Decider.name.label("decided_by_name"),
]
_BULK: Final[list[Any]] = [
    *MdmBulk.__table__.c,
    Asker.name.label("asked_by_name"),
    Decider.name.label("confirmed_by_name"),
]


class CommandFilter(Input):
    """What a list of commands is narrowed to."""

    asset_tag: Line | None = Field(None, examples=["CB-00017"])
    ticket: Id | None = Field(None, examples=[1001])
    state: CommandState | None = Field(None, description="`waiting`: for a second person's approval.")
    connection_id: Id | None = None
    bulk_id: Id | None = None


def _commands() -> Select[Any]:
    return (
        select(*_SHOWN)
        .select_from(MdmCommand)
        .outerjoin(Asset, Asset.id == MdmCommand.asset_id)
        .outerjoin(MdmConnection, MdmConnection.id == MdmCommand.connection_id)
        .outerjoin(Asker, Asker.id == MdmCommand.asked_by_id)
        .outerjoin(Decider, Decider.id == MdmCommand.decided_by_id)
    )


async def commands_page(
    eyes: Eyes, narrowed: CommandFilter, *, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Commands, newest first."""
    require(may_see_records(eyes.actor), SEES)
    query = _commands().order_by(MdmCommand.id.desc())
    if narrowed.asset_tag is not None:
        found = select(Asset.id).where(Asset.tag == narrowed.asset_tag).scalar_subquery()
        query = query.where(MdmCommand.asset_id == found)
    if narrowed.ticket is not None:
        query = query.where(MdmCommand.ticket_id == narrowed.ticket)
    if narrowed.state is not None:
        query = query.where(MdmCommand.state == narrowed.state)
    if narrowed.connection_id is not None:
        query = query.where(MdmCommand.connection_id == narrowed.connection_id)
    if narrowed.bulk_id is not None:
        query = query.where(MdmCommand.bulk_id == narrowed.bulk_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmCommand.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def command_by_id(eyes: Eyes, command_id: int) -> Any:
    """One of them; its version becomes the answer's ETag. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    return await command_shown(eyes, command_id)


async def command_shown(eyes: Eyes, command_id: int) -> Any:
    """The same for whoever just asked for it or decided about it."""
    row = (await eyes.db.execute(_commands().where(MdmCommand.id == command_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such command.")
    eyes.version = row.version
    return row


def _bulks() -> Select[Any]:
    return (
        select(*_BULK)
        .select_from(MdmBulk)
        .outerjoin(Asker, Asker.id == MdmBulk.asked_by_id)
        .outerjoin(Decider, Decider.id == MdmBulk.confirmed_by_id)
    )


async def bulks_page(eyes: Eyes, *, limit: int = 50, cursor: str | None = None) -> Page[Any]:
    """Bulk commands, newest first, with `counts` of their commands by state."""
    require(may_see_records(eyes.actor), SEES)
    query = _bulks().order_by(MdmBulk.id.desc())
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmBulk.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    counts = await _counts(eyes, [row.id for row in rows])
    shown = [_bulk(row, counts) for row in rows[:limit]]
    return Page(shown, cursor_of(shown[-1].id) if len(rows) > limit else None)


async def bulk_by_id(eyes: Eyes, bulk_id: int) -> Any:
    """One of them with its `devices`, as they were shown when it was proposed. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    return await bulk_shown(eyes, bulk_id)


async def bulk_shown(eyes: Eyes, bulk_id: int) -> Any:
    row = (await eyes.db.execute(_bulks().where(MdmBulk.id == bulk_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such bulk command.")
    shown = _bulk(row, await _counts(eyes, [row.id]))
    shown.devices = await _devices(eyes, row.targets)
    return shown


async def _counts(eyes: Eyes, bulk_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    query = (
        select(MdmCommand.bulk_id, MdmCommand.state, func.count().label("n"))
        .where(MdmCommand.bulk_id.in_(bulk_ids))
        .group_by(MdmCommand.bulk_id, MdmCommand.state)
    )
    found: dict[int, dict[str, int]] = {}
    for row in (await eyes.db.execute(query)).all():
        if row.bulk_id is not None:
            found.setdefault(row.bulk_id, {})[row.state.value] = row.n
    return found


async def _devices(eyes: Eyes, record_ids: Sequence[int]) -> Sequence[Any]:
    query = (
        select(
            Asset.tag.label("asset_tag"),
            MdmRecord.serial,
            MdmRecord.platform,
            MdmRecord.model,
            MdmConnection.name.label("connection_name"),
        )
        .select_from(MdmRecord)
        .join(MdmConnection, MdmConnection.id == MdmRecord.connection_id)
        .outerjoin(Asset, Asset.id == MdmRecord.asset_id)
        .where(MdmRecord.id.in_(record_ids))
        .order_by(Asset.tag, MdmRecord.id)
    )
    return (await eyes.db.execute(query)).all()


def _bulk(row: Any, counts: dict[int, dict[str, int]]) -> SimpleNamespace:
    told = dict(row._mapping)
    wanted = told.pop("wanted")
    told |= {name: wanted.get(name) for name in ("tags", "school_id", "kinds", "left_out")}
    told |= {"count": len(told.pop("targets")), "counts": counts.get(row.id, {}), "devices": []}
    return SimpleNamespace(**told)
