"""After a word's meaning changed: devices that carry it follow.

What a person has said of a device since stays: only a place that a mapping gave, a kind or a model's name
that the word meant before, or none at all, is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import or_, select, update

from service.assets.models import Asset, AssetKind
from service.core.actor import SYSTEM
from service.core.work import Eyes, Resources, Work
from service.mdm.applying import alone, reapply
from service.mdm.mapped import Mapped, compiled, folded, kind_for, levels
from service.mdm.mappings import Meaning
from service.mdm.models import MappingKind, MdmMapping, MdmRecord
from service.mdm.planning import load_mapped
from service.mdm.queries import connection_row
from service.places.models import Place

BATCH: Final = 500
_MODEL_ID: Final = MdmRecord.record["model_id"].astext
_SPEAKING: Final = MdmRecord.asset_id.is_not(None), MdmRecord.missing_since.is_(None)


@dataclass(frozen=True, slots=True)
class Changed:
    """The word of a mapping whose meaning changed; `before` None where it meant nothing."""

    kind: MappingKind
    connection_id: int | None
    word: str
    before: Meaning | None


async def remap(resources: Resources, change: Changed, *, batch: int = BATCH) -> int:
    """Apply it, `batch` devices a transaction; how many were changed. Done again, it changes nothing more."""
    if change.kind is MappingKind.SITE:
        return await _remap_sites(resources, change, batch)
    return await _remap_models(resources, change)


async def _remap_sites(resources: Resources, change: Changed, batch: int) -> int:
    async with resources.read(SYSTEM) as read:
        mapped = await load_mapped(read)
        said = (await read.db.execute(_words(change, MdmRecord.site))).all()
    word, done = folded(change.word), 0
    for row in said:
        after: int | None = 0
        while after is not None and row.site is not None and word in levels(folded(row.site)):
            async with resources.begin(SYSTEM) as work:
                moved, after = await _replace(work, row, mapped, after, batch)
            done += moved
    return done


async def _replace(work: Work, row: Any, mapped: Mapped, after: int, batch: int) -> tuple[int, int | None]:
    """One batch of a site's devices, as a sync would place them; and where the next begins."""
    await alone(work)
    connection = await connection_row(work, row.connection_id)
    these = MdmRecord.connection_id == row.connection_id, MdmRecord.site == row.site
    query = select(MdmRecord.id, MdmRecord.record, MdmRecord.digest).where(*_SPEAKING, *these)
    records = (
        await work.db.execute(query.where(MdmRecord.id > after).order_by(MdmRecord.id).limit(batch))
    ).all()
    if connection is None or not records:
        return 0, None
    plan = await reapply(work, connection, mapped, records)
    moved = sum(one.merge is not None and "place_id" in one.merge.sets for one in plan.devices)
    return moved, records[-1].id if len(records) == batch else None


async def _remap_models(resources: Resources, change: Changed) -> int:
    """A model at a time."""
    columns = MdmRecord.model, MdmRecord.platform, _MODEL_ID.label("model_id")
    async with resources.read(SYSTEM) as read:
        rows = (await read.db.execute(select(*MdmMapping.__table__.c))).all()
        said = (await read.db.execute(_words(change, *columns))).all()
        now, earlier = await load_mapped(read), await _compiled(read, _earlier(rows, change))
    word, done = folded(change.word), 0
    for row in said:
        if word in [folded(name) for name in (row.model, row.model_id) if name]:
            async with resources.begin(SYSTEM) as work:
                await alone(work)
                done += await _rename(work, row, earlier, now)
    return done


async def _compiled(eyes: Eyes, rows: Iterator[Any]) -> Mapped:
    places = (await eyes.db.execute(select(Place.id, Place.name, Place.school_id))).all()
    return compiled(rows, places)


def _earlier(rows: Sequence[Any], change: Changed) -> Iterator[Any]:
    """The table as it was before the change."""
    word = folded(change.word)
    for row in rows:
        is_it = row.kind is change.kind and row.connection_id == change.connection_id
        if not (is_it and folded(row.word) == word):
            yield row
    if change.before is not None:
        yield SimpleNamespace(
            id=0,
            kind=change.kind,
            connection_id=change.connection_id,
            word=change.word,
            place_id=change.before.place_id,
            asset_kind=change.before.asset_kind,
            model_name=change.before.model_name,
        )


def _words(change: Changed, *columns: Any) -> Any:
    query = select(MdmRecord.connection_id, *columns).where(*_SPEAKING).distinct()
    if change.connection_id is not None:
        query = query.where(MdmRecord.connection_id == change.connection_id)
    return query


async def _rename(work: Work, row: Any, earlier: Mapped, now: Mapped) -> int:
    was = kind_for(earlier, row.connection_id, row.model, row.model_id, row.platform)
    found = kind_for(now, row.connection_id, row.model, row.model_id, row.platform)
    these = (
        Asset.id == MdmRecord.asset_id,
        *_SPEAKING,
        MdmRecord.connection_id == row.connection_id,
        MdmRecord.platform == row.platform,
        MdmRecord.model.is_not_distinct_from(row.model),
        _MODEL_ID.is_not_distinct_from(row.model_id),
    )
    done = 0
    if found.kind != was.kind:
        given = Asset.kind.in_({was.kind, AssetKind.OTHER})
        done = await _changed(work, update(Asset).where(*these, given).values(kind=found.kind))
    name, earlier_name = found.model_name or row.model, was.model_name or row.model
    if name is not None and name != earlier_name:
        unsaid = or_(Asset.model.is_(None), Asset.model == (earlier_name or ""))
        done = max(done, await _changed(work, update(Asset).where(*these, unsaid).values(model=name)))
    return done


async def _changed(work: Work, statement: Any) -> int:
    done: Any = await work.db.execute(statement)
    return int(done.rowcount)
