"""Records of devices: as a list without who uses them, one by one whole, and all of an asset side by side.

What a record holds about a person and where the device was is personal: whoever reads it is written down.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from pydantic import Field
from sqlalchemy import ColumnElement, or_, select

from integrations.mdm.port import Platform
from service.assets.models import Asset
from service.core.errors import NotFound, require
from service.core.fields import Id, Input, Instant, Line
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.mdm.access import SEES, may_see_records
from service.mdm.models import MdmConnection, MdmRecord
from service.people.tokens import int_key

_PERSONAL: Final = ("record", "digest", "mapped_place_id")
LISTED: Final = [
    *(column for column in MdmRecord.__table__.c if column.name not in _PERSONAL),
    MdmConnection.name.label("connection_name"),
    Asset.tag.label("asset_tag"),
]
WHOLE: Final = [*LISTED, MdmRecord.record.label("device")]
MOST_OF_AN_ASSET: Final = 100
log = structlog.get_logger()


class RecordFilter(Input):
    """What records are narrowed to; conditions add up."""

    connection_id: Id | None = None
    platform: Platform | None = None
    serial: Line | None = Field(None, description="The whole of it, in upper or lower case.")
    matched: bool | None = Field(None, description="False: only those that are no asset yet.")
    missing: bool | None = Field(None, description="True: only those that are not listed any more.")
    not_seen_since: Instant | None = Field(
        None, description="Only those whose last check-in was before that, or never."
    )


async def records_page(
    eyes: Eyes, narrowed: RecordFilter, *, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Records, the oldest first, without their users."""
    require(may_see_records(eyes.actor), SEES)
    query = _named(LISTED).where(*_conditions(narrowed)).order_by(MdmRecord.id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmRecord.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def record_by_id(eyes: Eyes, record_id: int) -> Any:
    """All that a connection said of one device. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    row = (await eyes.db.execute(_named(WHOLE).where(MdmRecord.id == record_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such record.")
    _read(eyes, [row])
    return row


async def records_of(eyes: Eyes, tag: str) -> list[Any]:
    """All that every connection said of one asset, the newest check-in first. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    asset_id = (await eyes.db.execute(select(Asset.id).where(Asset.tag == tag))).scalar()
    if asset_id is None:
        raise NotFound("There is no such device.")
    newest = MdmRecord.last_check_in.desc().nulls_last(), MdmRecord.id.desc()
    query = _named(WHOLE).where(MdmRecord.asset_id == asset_id).order_by(*newest)
    rows = list((await eyes.db.execute(query.limit(MOST_OF_AN_ASSET))).all())
    _read(eyes, rows)
    return rows


def _read(eyes: Eyes, rows: list[Any]) -> None:
    who = eyes.actor
    ids = [row.id for row in rows]
    log.info("mdm_records_read", person_id=who.person_id, token_id=who.token_id, record_ids=ids)


def _named(columns: list[Any]) -> Any:
    return (
        select(*columns)
        .join(MdmConnection, MdmConnection.id == MdmRecord.connection_id)
        .outerjoin(Asset, Asset.id == MdmRecord.asset_id)
    )


def _conditions(narrowed: RecordFilter) -> list[ColumnElement[bool]]:
    told: list[ColumnElement[bool]] = []
    if narrowed.connection_id is not None:
        told.append(MdmRecord.connection_id == narrowed.connection_id)
    if narrowed.platform is not None:
        told.append(MdmRecord.platform == narrowed.platform)
    if narrowed.serial is not None:
        told.append(MdmRecord.serial == narrowed.serial.upper())
    if narrowed.matched is not None:
        none = MdmRecord.asset_id.is_(None)
        told.append(~none if narrowed.matched else none)
    if narrowed.missing is not None:
        listed = MdmRecord.missing_since.is_(None)
        told.append(~listed if narrowed.missing else listed)
    if narrowed.not_seen_since is not None:
        seen = MdmRecord.last_check_in
        told.append(or_(seen.is_(None), seen < narrowed.not_seen_since))
    return told
