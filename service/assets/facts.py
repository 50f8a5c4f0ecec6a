"""What is known of a device: each fact with when it was so, and who said it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
import structlog
from pydantic import Field, StrictBool, StrictFloat, StrictInt
from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    column,
    func,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, distinct_on, insert

from service.assets.actions import asset_by_tag
from service.assets.models import Asset, AssetFact, AssetReport
from service.core.actor import Actor, Role, Scope
from service.core.errors import Invalid, NotFound, require
from service.core.fields import Clean, Input, Instant, Line
from service.core.idempotency import once
from service.core.work import Eyes, Work
from service.places.actions import may_edit_directory

LONGEST = 500
FactName = Annotated[str, Field(max_length=80, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")]
_Amount = Field(ge=-(2**53), le=2**53)  # what JSON tells without loss, and our own encoder at all
FactValue = (
    StrictBool
    | Annotated[StrictInt, _Amount]
    | Annotated[StrictFloat, _Amount]
    | Annotated[str, Field(max_length=LONGEST), Clean]
)
AHEAD = timedelta(minutes=5)  # how far a source's clock may run before ours
log = structlog.get_logger()


class FactIn(Input):
    name: FactName = Field(examples=["device.last_seen"])
    value: FactValue = Field(examples=["2026-09-14T14:55:00+00:00"])
    as_of: Instant | None = Field(None, description="When it was so; else now.")


class RecordFacts(Input):
    """What a source says of a device. A fact that is older than the one kept changes nothing."""

    source: Line = Field(examples=["google"])
    facts: list[FactIn] = Field(min_length=1, max_length=100)


def may_read_facts(actor: Actor) -> bool:
    """Facts of devices are for the desk: where a pupil's device was last seen is sensitive."""
    return actor.is_desk and actor.holds(Scope.DIRECTORY_READ)


@once(Asset)
async def record_facts(work: Work, tag: str, said: RecordFacts) -> Asset:
    """Keep what a source says of a device."""
    require(may_edit_directory(work.actor))
    asset = await work.session.scalar(select(Asset).where(Asset.tag == tag))
    if asset is None:
        raise NotFound("There is no such device.")
    await keep_facts(work, asset.id, said.source, said.facts)
    return asset


async def keep_facts(work: Work, asset_id: int, source: str, facts: Sequence[FactIn]) -> None:
    """The newest word on each fact is kept; what is older than it, or from the future, is not."""
    newest: dict[str, FactIn] = {}
    for fact in facts:
        if fact.as_of is not None and fact.as_of > work.now + AHEAD:
            raise Invalid.field("facts", f"{fact.name} is from the future.", "in_the_future")
        earlier = newest.get(fact.name)
        if earlier is None or (fact.as_of or work.now) >= (earlier.as_of or work.now):
            newest[fact.name] = fact
    rows = [
        {
            "asset_id": asset_id,
            "name": fact.name,
            "value": fact.value,
            "as_of": fact.as_of or work.now,
            "source": source,
            "received_at": work.now,
        }
        for fact in newest.values()
    ]
    said = insert(AssetFact).values(rows)
    kept = {name: said.excluded[name] for name in ("value", "as_of", "source", "received_at")}
    await work.session.execute(
        said.on_conflict_do_update(
            index_elements=["asset_id", "name"], set_=kept, where=AssetFact.as_of <= said.excluded.as_of
        )
    )


def known(asset_ids: Sequence[int]) -> Select[Any]:
    """Of each device every fact once, the newest word on it: `asset_id, name, value, as_of, source,
    received_at`, by device and name. Of two words equally new the one that came later counts, then the first
    source by name, then a single fact before a report.
    """
    return known_where(lambda asset_id: asset_id.in_(asset_ids))


def known_where(of: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
    """The same for the devices whose id `of` holds for."""
    single = select(*(AssetFact.__table__.c[name] for name in _WORD), literal_column("0").label("rank"))
    said = union_all(
        single.where(of(AssetFact.asset_id)),
        _reported(AssetReport.facts, AssetReport.as_of, 1).where(of(AssetReport.asset_id)),
        _reported(AssetReport.standing, AssetReport.received_at, 2).where(of(AssetReport.asset_id)),
    ).subquery()
    shown = [said.c[name] for name in _WORD]
    newest = said.c.as_of.desc(), said.c.received_at.desc(), said.c.source, said.c.rank
    device = said.c.asset_id, said.c.name
    return select(*shown).ext(distinct_on(*device)).order_by(*device, *newest)


_WORD = ("asset_id", "name", "value", "as_of", "source", "received_at")


def _reported(facts: Any, as_of: Any, rank: int) -> Select[Any]:
    each = func.jsonb_each(facts).table_valued(
        column("key", Text), column("value", JSONB), joins_implicitly=True
    )
    return select(
        AssetReport.asset_id,
        each.c.key.label("name"),
        each.c.value.label("value"),
        as_of.label("as_of"),
        AssetReport.source,
        AssetReport.received_at,
        literal_column(str(rank)).label("rank"),
    ).where(as_of.is_not(None))


async def facts_of(eyes: Eyes, tag: str) -> Sequence[Any]:
    """The facts of a device, by name. Who looked at which device is written down."""
    require(may_read_facts(eyes.actor))
    asset = await asset_by_tag(eyes, tag)
    rows: Sequence[Any] = (await eyes.db.execute(known([asset.id]))).all()
    log_reading(eyes.actor, [asset.id] if rows else [])
    return rows


def log_reading(actor: Actor, asset_ids: Sequence[int]) -> None:
    """A line in the log: who looked at what is known of which devices, never what that is."""
    if asset_ids and actor.role is not Role.SYSTEM:
        log.info("device_facts_read", by=actor.person_id, token_id=actor.token_id, assets=sorted(asset_ids))


@dataclass(frozen=True, slots=True)
class Report:
    """All that one source says of a device: `facts` so at `as_of`, `standing` so when it was read."""

    asset_id: int
    facts: Mapping[str, Any]
    standing: Mapping[str, Any]
    as_of: datetime | None


async def keep_reports(work: Work, source: str, reports: Iterable[Report]) -> None:
    """What one source says of many devices, in place of what it said before; what says the same is not
    written. What is None is left unsaid.
    """
    rows = [
        {
            "asset_id": one.asset_id,
            "facts": _said(one.facts),
            "standing": _said(one.standing),
            "as_of": one.as_of,
        }
        for one in reports
    ]
    if rows:
        given = {"source": source, "now": work.now, "rows": orjson.dumps(rows).decode()}
        await work.db.execute(_KEEP_REPORTS, given)


_KEEP_REPORTS = text("""
    INSERT INTO asset_reports AS kept (asset_id, source, facts, standing, as_of, received_at)
    SELECT n.asset_id, :source, n.facts, n.standing, n.as_of, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (asset_id bigint, facts jsonb, standing jsonb,
        as_of timestamptz)
    ON CONFLICT (asset_id, source) DO UPDATE SET
        facts = excluded.facts, standing = excluded.standing, as_of = excluded.as_of,
        received_at = excluded.received_at
    WHERE (kept.facts, kept.standing, kept.as_of)
        IS DISTINCT FROM (excluded.facts, excluded.standing, excluded.as_of)
""")


async def confirm_report(work: Work, asset_id: int, source: str) -> None:
    """The source was asked just now and says the same: what it knows without the device is so now."""
    query = update(AssetReport).where(AssetReport.asset_id == asset_id, AssetReport.source == source)
    await work.session.execute(
        query.values(received_at=work.now), execution_options={"synchronize_session": False}
    )


def _said(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value[:LONGEST] if isinstance(value, str) else value
        for name, value in facts.items()
        if value is not None
    }
