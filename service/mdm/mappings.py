"""Mapping tables: what vendors' words for sites and models mean here, and which words mean nothing yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from pydantic import Field, StringConstraints
from sqlalchemy import func, select

from service.assets.models import AssetKind
from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Clean, Id, Input, Key, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.mdm.access import CONFIGURES, SEES, may_configure, may_see_records
from service.mdm.mapped import folded
from service.mdm.models import MappingKind, MdmConnection, MdmMapping
from service.people.tokens import int_key
from service.places.models import Place

MOST_MAPPINGS: Final = 20_000
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Clean]
log = structlog.get_logger()


class SetMapping(Input):
    """What a word means, whole. A site is a place; a model is a kind of device, another name for it, or both.
    With none of these the word is ignored on purpose.
    """

    kind: MappingKind
    word: Word = Field(
        description="As the vendor writes it; case does not count. A unit of a tree begins with a slash and "
        "speaks for what is under it too. For a model its name, or the vendor's id of it.",
        examples=["/Schools/North"],
    )
    connection_id: Id | None = Field(None, description="Null: of every connection.")
    place_id: Key | None = Field(None, description="Of a site.", examples=["0101"])
    asset_kind: AssetKind | None = Field(None, description="Of a model.")
    model_name: Line | None = Field(None, description="Of a model: what it is called here.")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a mapping said before it was changed."""

    place_id: str | None
    asset_kind: AssetKind | None
    model_name: str | None


@once(MdmMapping)
async def set_mapping(work: Work, wanted: SetMapping) -> MdmMapping:
    """Say what a word means, anew where it was said before. Records that carry it are looked at again by a
    job. Invalid where place, kind or connection do not fit.
    """
    require(may_configure(work.actor), CONFIGURES)
    await _fits(work, wanted)
    row = await _same_word(work, wanted)
    before = _meaning(row) if row is not None else None
    if row is None:
        await _has_room(work)
        row = MdmMapping(kind=wanted.kind, connection_id=wanted.connection_id)
        work.session.add(row)
    row.word = wanted.word
    row.place_id, row.asset_kind, row.model_name = wanted.place_id, wanted.asset_kind, wanted.model_name
    row.changed_at = work.now
    await work.session.flush()
    if before != _meaning(row):
        await _remap(work, row, before)
    _tell(work, row, "mdm_mapping_set")
    return row


@once(MdmMapping)
async def delete_mapping(work: Work, mapping_id: int) -> MdmMapping:
    """Take a mapping away. Devices stay where it put them, until something else speaks for them. NotFound."""
    require(may_see_records(work.actor) or may_configure(work.actor), SEES)
    row = await work.session.get(MdmMapping, mapping_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such mapping.")
    require(may_configure(work.actor), CONFIGURES)
    before = _meaning(row)
    await work.session.delete(row)
    await work.session.flush()
    await _remap(work, row, before)
    _tell(work, row, "mdm_mapping_deleted")
    return row


_COLUMNS: Final = [
    *MdmMapping.__table__.c,
    MdmConnection.name.label("connection_name"),
    Place.name.label("place_name"),
]


async def mappings_page(
    eyes: Eyes,
    *,
    kind: MappingKind | None = None,
    connection_id: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Mappings by id; of one connection without those that are everybody's."""
    require(may_see_records(eyes.actor), SEES)
    query = _mappings().order_by(MdmMapping.id)
    if kind is not None:
        query = query.where(MdmMapping.kind == kind)
    if connection_id is not None:
        query = query.where(MdmMapping.connection_id == connection_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmMapping.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def mapping_by_id(eyes: Eyes, mapping_id: int) -> Any:
    """One mapping with the names of its connection and place. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    row = (await eyes.db.execute(_mappings().where(MdmMapping.id == mapping_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such mapping.")
    return row


def _mappings() -> Any:
    return (
        select(*_COLUMNS)
        .outerjoin(MdmConnection, MdmConnection.id == MdmMapping.connection_id)
        .outerjoin(Place, Place.id == MdmMapping.place_id)
    )


async def _fits(work: Work, wanted: SetMapping) -> None:
    is_site = wanted.kind is MappingKind.SITE
    if is_site and (wanted.asset_kind is not None or wanted.model_name is not None):
        name = "asset_kind" if wanted.asset_kind is not None else "model_name"
        raise Invalid.field(name, "A site is a place; only a model is a kind of device.", "not_of_site")
    if not is_site and wanted.place_id is not None:
        raise Invalid.field("place_id", "A model stands nowhere; only a site is a place.", "not_of_model")
    if not folded(wanted.word):
        raise Invalid.field("word", "This says nothing.", "required")
    if wanted.place_id is not None and await work.session.get(Place, wanted.place_id) is None:
        raise Invalid.field("place_id", "There is no such place.", "unknown_place")
    owner = wanted.connection_id
    if owner is not None and await work.session.get(MdmConnection, owner) is None:
        raise Invalid.field("connection_id", "There is no such connection.", "unknown_connection")


async def _same_word(work: Work, wanted: SetMapping) -> MdmMapping | None:
    """The row for that word, in whatever case it was written; words are changed one at a time."""
    await work.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("mdm mappings", 0))))
    query = select(MdmMapping).where(
        MdmMapping.kind == wanted.kind,
        MdmMapping.connection_id.is_not_distinct_from(wanted.connection_id),
    )
    word = folded(wanted.word)
    rows = (await work.session.scalars(query.order_by(MdmMapping.id.desc()))).all()
    return next((row for row in rows if folded(row.word) == word), None)


async def _has_room(work: Work) -> None:
    there = await work.session.scalar(select(func.count()).select_from(MdmMapping))
    if (there or 0) >= MOST_MAPPINGS:
        raise Conflict(f"The desk keeps at most {MOST_MAPPINGS:,} mappings.")


def _meaning(row: MdmMapping) -> Meaning:
    return Meaning(row.place_id, row.asset_kind, row.model_name)


async def _remap(work: Work, row: MdmMapping, before: Meaning | None) -> None:
    await enqueue(
        work,
        "mdm.remap",
        kind=row.kind.value,
        connection_id=row.connection_id,
        word=row.word,
        was_mapped=before is not None,
        asset_kind=before.asset_kind.value if before and before.asset_kind else None,
        model_name=before.model_name if before else None,
    )


def _tell(work: Work, row: MdmMapping, event: str) -> None:
    log.info(
        event,
        mapping_id=row.id,
        kind=row.kind.value,
        connection_id=row.connection_id,
        person_id=work.actor.person_id,
    )
