"""What covers a ticket: the policy of each agreement, the calendar it is counted on, read from the shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import aliased

from service.core.errors import NotFound
from service.core.traits import fits
from service.core.work import Eyes
from service.places.models import Place
from service.sla.calendar import Calendar, OutOfRange
from service.sla.clock import NeverOpen
from service.sla.models import CalendarEdition, PolicyEdition, SchoolCalendar, SlaPolicy
from service.sla.policy import Agreement, Policy

CANNOT_COUNT = (NeverOpen, OutOfRange)


@dataclass(frozen=True, slots=True)
class Covered:
    """What a ticket is measured by; without policy or calendar nothing is timed."""

    policy_id: int | None
    policy_version: int | None
    calendar_id: int | None
    priority: str

    @property
    def is_measured(self) -> bool:
        return self.policy_id is not None and self.calendar_id is not None


NOT_COVERED = Covered(None, None, None, "P4")


@dataclass(frozen=True, slots=True)
class KeptCalendar:
    id: int
    version: int
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    id: int
    version: int
    calendar_id: int | None
    matches: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Measure:
    """A policy edition with the targets of one priority, and the calendar it is counted on."""

    covered: Covered
    kept: KeptCalendar
    policy: Policy

    @property
    def calendar(self) -> Calendar:
        return self.kept.calendar


async def choose(
    eyes: Eyes,
    traits: Mapping[str, str | None],
    place_id: str | None,
    priority: str,
    agreement: Agreement = Agreement.SLA,
) -> Covered:
    """The policy of this kind that covers a ticket with these traits, and the calendar it is counted on."""
    chosen = next((kept for kept in await _policies(eyes, agreement) if fits(kept.matches, traits)), None)
    if chosen is None:
        return Covered(None, None, None, priority)
    calendar_id = chosen.calendar_id or await calendar_of_place(eyes, place_id)
    return Covered(chosen.id, chosen.version, calendar_id, priority)


async def are_any(eyes: Eyes, agreement: Agreement) -> bool:
    """Whether the desk has such agreements at all."""
    return bool(await _policies(eyes, agreement))


async def _policies(eyes: Eyes, agreement: Agreement) -> Sequence[KeptPolicy]:
    by_kind = await eyes.shelf.get("policies", lambda: _load_policies(eyes.db))
    return by_kind.get(agreement, ())


async def calendar_of_place(eyes: Eyes, place_id: str | None) -> int | None:
    """The calendar the place keeps, or that of the place it lies in, or the district's first."""
    return await eyes.shelf.get(("place calendar", place_id), lambda: _load_place_calendar(eyes.db, place_id))


async def calendar(eyes: Eyes, calendar_id: int) -> KeptCalendar:
    return await eyes.shelf.get(("calendar", calendar_id), lambda: _load_calendar(eyes.db, calendar_id))


async def calendar_edition(eyes: Eyes, calendar_id: int, version: int) -> Calendar:
    """The calendar as it was at a version."""
    kept = await calendar(eyes, calendar_id)
    if kept.version == version:
        return kept.calendar
    query = select(CalendarEdition.definition).where(
        CalendarEdition.calendar_id == calendar_id, CalendarEdition.version == version
    )
    definition = (await eyes.db.execute(query)).scalar_one()
    return Calendar.from_json(definition)


async def policy(eyes: Eyes, covered: Covered) -> Policy:
    """The edition of the policy that covers a ticket, with the targets of its priority."""
    name = ("policy", covered.policy_id, covered.policy_version, covered.priority)
    return await eyes.shelf.get(name, lambda: _load_policy(eyes.db, covered))


async def measure(eyes: Eyes, covered: Covered) -> Measure | None:
    """What is needed to count; None for what is not measured."""
    if covered.calendar_id is None or covered.policy_id is None:
        return None
    kept = await calendar(eyes, covered.calendar_id)
    return Measure(covered, kept, await policy(eyes, covered))


async def _load_policies(db: Any) -> dict[Agreement, tuple[KeptPolicy, ...]]:
    query = (
        select(SlaPolicy.kind, SlaPolicy.id, SlaPolicy.version, SlaPolicy.calendar_id, SlaPolicy.matches)
        .where(SlaPolicy.active)
        .order_by(SlaPolicy.position, SlaPolicy.id)
    )
    rows = (await db.execute(query)).all()
    return {kind: tuple(KeptPolicy(*row[1:]) for row in rows if row.kind is kind) for kind in Agreement}


async def _load_policy(db: Any, covered: Covered) -> Policy:
    query = select(PolicyEdition.definition).where(
        PolicyEdition.policy_id == covered.policy_id, PolicyEdition.version == covered.policy_version
    )
    definition = (await db.execute(query)).scalar_one()
    return Policy.from_json(
        definition["rules"] | {"targets": definition["targets"].get(covered.priority, {})}
    )


async def _load_calendar(db: Any, calendar_id: int) -> KeptCalendar:
    query = select(SchoolCalendar.name, SchoolCalendar.version, SchoolCalendar.definition).where(
        SchoolCalendar.id == calendar_id
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such calendar.")
    return KeptCalendar(calendar_id, row.version, Calendar.from_json(row.definition | {"name": row.name}))


async def _load_place_calendar(db: Any, place_id: str | None) -> int | None:
    return await db.scalar(_PLACE_CALENDAR, {"place": place_id})  # type: ignore[no-any-return]


def _place_calendar() -> Any:
    """A place lies in a building, a building in a school: the nearest that keeps a calendar, in one look."""
    here, above, top = aliased(Place), aliased(Place), aliased(Place)
    nearest = (
        select(func.coalesce(here.calendar_id, above.calendar_id, top.calendar_id))
        .outerjoin(above, above.id == here.parent_id)
        .outerjoin(top, top.id == above.parent_id)
        .where(here.id == bindparam("place"))
        .scalar_subquery()
    )
    first = select(SchoolCalendar.id).order_by(SchoolCalendar.id).limit(1).scalar_subquery()
    return select(func.coalesce(nearest, first))


_PLACE_CALENDAR = _place_calendar()
