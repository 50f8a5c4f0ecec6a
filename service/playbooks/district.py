"""What the district decided, as facts: fees, loaners, testing windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field
from sqlalchemy import select

from service.assets.facts import FactValue
from service.core.errors import Invalid, NotFound, require
from service.core.fields import Input, Instant, Key, Line
from service.core.idempotency import once
from service.core.work import Eyes, Work
from service.places.models import DistrictFact, Place
from service.playbooks import access
from service.playbooks.facts import FACTS, FactType, Keeper, KnownFact

MOST = 1000


class SetDistrictFact(Input):
    """The district's word on something, or one school's; a testing window is `school.testing` from until."""

    name: Line = Field(examples=["school.testing"])
    value: FactValue = Field(examples=[True])
    school_id: Key | None = Field(None, description="One school; else all of them.")
    since: Instant | None = None
    until: Instant | None = None


@once(DistrictFact)
async def set_district_fact(work: Work, wanted: SetDistrictFact) -> DistrictFact:
    """Set a fact of the district. One without times replaces the earlier one of the same school."""
    require(access.may_write_playbooks(work.actor))
    known = FACTS.get(wanted.name)
    if known is None or known.keeper is not Keeper.DISTRICT:
        names = ", ".join(name for name, one in FACTS.items() if one.keeper is Keeper.DISTRICT)
        raise Invalid.field("name", f"The district's facts are {names}.", "unknown_fact")
    if not _fits(known, wanted.value):
        raise Invalid.field("value", f"{wanted.name} is a {known.type.value}.", "wrong_type")
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise Invalid.field("until", "It ends before it begins.", "in_the_past")
    if wanted.school_id is not None:
        place = await work.session.get(Place, wanted.school_id)
        if place is None or place.school_id != place.id:
            raise Invalid.field("school_id", "There is no such school.", "unknown_place")
    fact = await _earlier(work, wanted) or DistrictFact(name=wanted.name, school_id=wanted.school_id)
    fact.value, fact.since, fact.until = wanted.value, wanted.since, wanted.until
    fact.set_at, fact.set_by = work.now, work.actor.name
    work.session.add(fact)
    await work.session.flush()
    work.change_config()
    return fact


async def _earlier(work: Work, wanted: SetDistrictFact) -> DistrictFact | None:
    if wanted.since is not None or wanted.until is not None:
        return None
    query = select(DistrictFact).where(
        DistrictFact.name == wanted.name,
        DistrictFact.school_id.is_not_distinct_from(wanted.school_id),
        DistrictFact.since.is_(None),
        DistrictFact.until.is_(None),
    )
    return await work.session.scalar(query.with_for_update().limit(1))


def _fits(known: KnownFact, value: Any) -> bool:
    if known.type is FactType.BOOLEAN:
        return isinstance(value, bool)
    if known.type is FactType.NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


@once(DistrictFact)
async def end_district_fact(work: Work, fact_id: int) -> DistrictFact:
    """It holds no more from now."""
    require(access.may_write_playbooks(work.actor))
    fact = await work.session.get(DistrictFact, fact_id, with_for_update=True)
    if fact is None:
        raise NotFound("There is no such fact.")
    fact.until = min(fact.until or work.now, work.now)
    await work.session.flush()
    work.change_config()
    return fact


async def district_facts(eyes: Eyes) -> Sequence[Any]:
    """Everything the district decided that holds now or will."""
    require(access.may_see_district(eyes.actor))
    columns = DistrictFact.__table__.c
    query = (
        select(*columns)
        .where(DistrictFact.until.is_(None) | (DistrictFact.until > eyes.now))
        .order_by(DistrictFact.name, DistrictFact.school_id.nulls_first(), DistrictFact.id)
        .limit(MOST)
    )
    return (await eyes.db.execute(query)).all()


def known_facts(language: str) -> list[dict[str, Any]]:
    """Every fact that a playbook may ask about."""
    return [
        {
            "name": known.name,
            "type": known.type.value,
            "keeper": known.keeper.value,
            "label": known.label.get(language.partition("-")[0]) or known.label["en"],
            "max_age_seconds": int(known.max_age.total_seconds()),
            "choices": list(known.choices),
            "staff_only": known.staff_only,
        }
        for known in FACTS.values()
    ]
