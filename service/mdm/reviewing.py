"""Records that wait for a person to say which asset they are, and what that person says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import structlog
from pydantic import Field
from sqlalchemy import delete, select, update

from service.assets.models import Asset, AssetReport
from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Id, Input, Line
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.mdm.access import COMMANDS, SEES, may_command, may_see_records
from service.mdm.applying import alone, reapply
from service.mdm.lease import QUIET
from service.mdm.mapped import Mapped, kind_for
from service.mdm.matching import LONGEST_TAG
from service.mdm.models import Matched, MdmConnection, MdmRecord, MdmReview, ReviewWhy
from service.mdm.planning import load_mapped
from service.mdm.queries import Managed, record_with_connection
from service.people.tokens import int_key

_RECORD: Final = [
    MdmRecord.connection_id,
    MdmConnection.name.label("connection_name"),
    MdmRecord.external_id,
    MdmRecord.serial,
    MdmRecord.tag,
    MdmRecord.platform,
    MdmRecord.enrolment,
    MdmRecord.model,
    MdmRecord.site,
    MdmRecord.last_check_in,
    Asset.tag.label("asset_tag"),
]
_CANDIDATE: Final = [Asset.id, Asset.tag, Asset.kind, Asset.model, Asset.serial, Asset.school_id]
log = structlog.get_logger()


class Settled(Conflict):
    code = "review_settled"
    title = "This record has found its asset by itself meanwhile."


class SettleAs(StrEnum):
    """`ASSET`: it is one that there is; `NEW`: it is one that is added; `NONE`: it is left aside for good."""

    ASSET = "asset"
    NEW = "new"
    NONE = "none"


class SettleReview(Input):
    """Which asset a record is."""

    how: SettleAs
    asset_tag: Line | None = Field(
        None,
        description="Of the asset that it is, or that is added; a new one is else called by the device's own "
        "tag or serial number.",
    )


@dataclass(frozen=True, slots=True)
class ReviewShown:
    """A review as lists have it: the row, and the assets that it may be."""

    row: Any
    candidates: Sequence[Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


async def reviews_page(
    eyes: Eyes,
    *,
    connection_id: Id | None = None,
    why: ReviewWhy | None = None,
    settled: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[ReviewShown]:
    """What waits for a person, the oldest first; or what is settled."""
    require(may_see_records(eyes.actor), SEES)
    opened = MdmReview.settled_at.is_(None)
    query = _named().where(~opened if settled else opened).order_by(MdmReview.id)
    if connection_id is not None:
        query = query.where(MdmRecord.connection_id == connection_id)
    if why is not None:
        query = query.where(MdmReview.why == why)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmReview.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    shown = await _shown(eyes, rows[:limit])
    return Page(shown, cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def review_by_id(eyes: Eyes, review_id: int) -> ReviewShown:
    """One of them. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    rows = (await eyes.db.execute(_named().where(MdmReview.id == review_id))).all()
    if not rows:
        raise NotFound("There is no such review.")
    return (await _shown(eyes, rows))[0]


@once(MdmReview)
async def settle_review(work: Work, review_id: int, wanted: SettleReview) -> MdmReview:
    """Say which asset a record is; it stays that whatever is read later, and may be said anew. NotFound,
    Invalid; Settled where a sync has found it.
    """
    require(may_see_records(work.actor) or may_command(work.actor), SEES)
    require(may_command(work.actor), COMMANDS)
    await alone(work)
    review = await work.session.get(MdmReview, review_id, with_for_update=True)
    managed = await record_with_connection(work, review.record_id) if review is not None else None
    if review is None or managed is None:
        raise NotFound("There is no such review.")
    by_itself = managed.record.asset_id is not None and managed.record.matched is not Matched.PERSON
    if review.settled_at is not None and by_itself:
        raise Settled
    mapped = await load_mapped(work)
    asset_id = await _asset(work, managed, mapped, wanted)
    before = managed.record.asset_id
    await _tie(work, managed, asset_id)
    if before is not None and before != asset_id:
        await _let_go(work, managed, mapped, before)
    if asset_id is not None:
        await reapply(work, managed.connection, mapped, await _records(work, managed, asset_id))
    review.settled_at, review.settled_by_id, review.asset_id = work.now, work.actor.person_id, asset_id
    await work.session.flush()
    log.info("mdm_review_settled", review_id=review.id, how=wanted.how, by=work.actor.person_id)
    return review


async def _asset(work: Work, managed: Managed, mapped: Mapped, wanted: SettleReview) -> int | None:
    if wanted.how is SettleAs.NONE:
        if wanted.asset_tag is not None:
            raise Invalid.field("asset_tag", "What is left aside has no asset.", "not_wanted")
        return None
    if wanted.how is SettleAs.NEW:
        return await _new(work, managed, mapped, wanted.asset_tag)
    found = select(Asset.id).where(Asset.tag == (wanted.asset_tag or ""))
    asset_id: int | None = (await work.db.execute(found)).scalar()
    if asset_id is None:
        raise Invalid.field("asset_tag", "There is no such device.", "unknown_asset")
    return asset_id


async def _new(work: Work, managed: Managed, mapped: Mapped, tag: str | None) -> int:
    """What else is known of it is filled in from the record afterwards."""
    record = managed.record
    names = [tag] if tag is not None else [record.tag, record.serial]
    wanted = [name for name in names if name is not None and len(name) <= LONGEST_TAG]
    taken = set((await work.db.execute(select(Asset.tag).where(Asset.tag.in_(wanted)))).scalars())
    free = [name for name in wanted if name not in taken]
    if not free:
        raise Invalid.field("asset_tag", "Say a tag that no other device has.", "tag_taken")
    kind = kind_for(
        mapped, record.connection_id, record.model, record.record.get("model_id"), record.platform
    )
    asset = Asset(tag=free[0], kind=kind.kind)
    work.session.add(asset)
    await work.session.flush()
    return asset.id


async def _tie(work: Work, managed: Managed, asset_id: int | None) -> None:
    values = {"asset_id": asset_id, "matched": Matched.PERSON, "changed_at": work.now}
    tied = update(MdmRecord).where(MdmRecord.id == managed.record.id).values(**values)
    await work.session.execute(tied, execution_options=QUIET)


async def _let_go(work: Work, managed: Managed, mapped: Mapped, asset_id: int) -> None:
    """What the record said of an asset that it is not goes; another record of it may speak from now on."""
    source = managed.connection.name
    said = delete(AssetReport).where(AssetReport.asset_id == asset_id, AssetReport.source == source)
    await work.session.execute(said, execution_options=QUIET)
    others = await _records(work, managed, asset_id)
    if others:
        await reapply(work, managed.connection, mapped, others)


async def _records(work: Work, managed: Managed, asset_id: int) -> Sequence[Any]:
    """Those of the same connection that are tied to an asset and listed."""
    query = (
        select(MdmRecord.record, MdmRecord.digest)
        .where(MdmRecord.asset_id == asset_id, MdmRecord.connection_id == managed.connection.id)
        .where(MdmRecord.missing_since.is_(None))
        .order_by(MdmRecord.id)
    )
    return (await work.db.execute(query)).all()


async def _shown(eyes: Eyes, rows: Iterable[Any]) -> list[ReviewShown]:
    rows = list(rows)
    ids = sorted({asset_id for row in rows for asset_id in row.candidates})
    query = select(*_CANDIDATE).where(Asset.id.in_(ids)) if ids else None
    found = (await eyes.db.execute(query)).all() if query is not None else []
    known = {row.id: row for row in found}
    return [ReviewShown(row, [known[each] for each in row.candidates if each in known]) for row in rows]


def _named() -> Any:
    columns = [column for column in MdmReview.__table__.c if column.name not in ("candidates", "asset_id")]
    return (
        select(*columns, MdmReview.candidates, *_RECORD)
        .join(MdmRecord, MdmRecord.id == MdmReview.record_id)
        .join(MdmConnection, MdmConnection.id == MdmRecord.connection_id)
        .outerjoin(Asset, Asset.id == MdmRecord.asset_id)
    )
