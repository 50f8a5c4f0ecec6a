"""What is known of a device: each fact with when it was so, and who said it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictFloat, StrictInt
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from service.assets.actions import asset_by_tag
from service.assets.models import Asset, AssetFact
from service.core.actor import Actor, Scope
from service.core.errors import Invalid, NotFound, require
from service.core.fields import Clean, Input, Instant, Line
from service.core.idempotency import once
from service.core.work import Eyes, Work
from service.places.actions import may_edit_directory

FactName = Annotated[str, Field(max_length=80, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")]
_Amount = Field(ge=-(2**53), le=2**53)  # what JSON tells without loss, and our own encoder at all
FactValue = (
    StrictBool
    | Annotated[StrictInt, _Amount]
    | Annotated[StrictFloat, _Amount]
    | Annotated[str, Field(max_length=500), Clean]
)
AHEAD = timedelta(minutes=5)  # how far a source's clock may run before ours


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


async def facts_of(eyes: Eyes, tag: str) -> Sequence[Any]:
    """The facts of a device, by name."""
    require(may_read_facts(eyes.actor))
    asset = await asset_by_tag(eyes, tag)
    query = select(*AssetFact.__table__.c).where(AssetFact.asset_id == asset.id).order_by(AssetFact.name)
    return (await eyes.db.execute(query)).all()
