"""What a reader sees of a ticket's device: the facts as they were when the ticket was filed, a look since
then, other open tickets about it, in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from service.assets.fact_words import PLAIN, in_words, is_stale, label_of, note_of, place_of, said, unit_of
from service.assets.facts import log_reading, may_read_facts
from service.assets.models import Asset, AssetKind
from service.core.actor import Actor
from service.core.work import Eyes
from service.tickets import access
from service.tickets.models import Ticket, TicketDevice


class Sight(StrEnum):
    """How much of a device somebody sees: everything, what is plain, nothing."""

    ALL = "all"
    PLAIN = "plain"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FactSeen:
    """A fact in words. `stale`: it was more than a day old when it was taken down here."""

    name: str
    label: str
    value: Any
    unit: str | None
    words: str
    as_of: datetime
    source: str
    stale: bool


@dataclass(frozen=True, slots=True)
class FreshSeen:
    """A look at the device after the filing. `as_of` is when it ended, null while it is under way; `detail`
    why it brought nothing.
    """

    facts: list[FactSeen]
    as_of: datetime | None
    asked_at: datetime
    detail: str | None


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """`facts` are those of `taken_at` and stay as they were; `withheld`: they are not for this reader."""

    tag: str
    kind: AssetKind
    model: str | None
    serial: str | None
    withheld: bool
    note: str | None
    facts: list[FactSeen]
    duplicates: list[int]
    taken_at: datetime
    fresh: FreshSeen | None


PATIENCE: Final = timedelta(minutes=15)
"""How long a look may be under way."""
KEPT: Final = ("facts", "duplicates", "taken_at", "fresh", "fresh_asked_at", "fresh_at", "fresh_detail")
_FROZEN: Any = TicketDevice.__table__
KEPT_DEVICE: Final = (
    select(
        func.json_build_object(*(part for name in ("asset_id", *KEPT) for part in (name, _FROZEN.c[name])))
    )
    .where(_FROZEN.c.ticket_id == Ticket.id, _FROZEN.c.asset_id == Ticket.asset_id)
    .correlate(Ticket)
    .scalar_subquery()
    .label("device")
)
"""What is kept of a ticket's device, as JSON; null where nothing is."""


def sight_of(actor: Actor, device_holder_id: int | None) -> Sight:
    """What is told of a ticket's device. The holder is whoever had it when the ticket was opened, so that a
    device that has moved on tells nobody else's story.
    """
    if may_read_facts(actor):
        return Sight.ALL
    return Sight.PLAIN if access.may_know_device(actor, device_holder_id) else Sight.NONE


async def see_device(eyes: Eyes, row: Any) -> None:
    """Put what the reader sees of the device in place of what is kept of it, on a row of `ticket_view`."""
    kept: dict[str, Any] | None = row.device
    if kept is None:
        return
    about = {"tag": row.asset_tag, "kind": row.asset_kind, "model": row.asset_model}
    sight = sight_of(eyes.actor, row.device_holder_id)
    duplicates = await _visible(eyes, kept["duplicates"]) if sight is not Sight.NONE else []
    seen = _seen(eyes, sight, about | {"serial": row.asset_serial}, kept, duplicates)
    _log(eyes.actor, [(sight, row.device_holder_id, kept["asset_id"])])
    kept.clear()
    kept["seen"] = seen


def device_of(row: Any) -> DeviceSeen | None:
    """What `see_device` left on the row."""
    seen: DeviceSeen | None = (row.device or {}).get("seen")
    return seen


async def devices_of(eyes: Eyes, numbers: Sequence[int]) -> dict[int, DeviceSeen]:
    """The devices of several tickets that the reader sees, by their numbers; in one statement."""
    found: dict[int, DeviceSeen] = {}
    looks = []
    for row in (await eyes.db.execute(_devices(eyes.actor, numbers))).all():
        sight = sight_of(eyes.actor, row.device_holder_id)
        duplicates = list(row.visible or ()) if sight is not Sight.NONE else []
        kept = row._asdict()
        found[row.ticket_id] = _seen(eyes, sight, kept, kept, duplicates)
        looks.append((sight, row.device_holder_id, row.asset_id))
    _log(eyes.actor, looks)
    return found


def _devices(actor: Actor, numbers: Sequence[int]) -> Any:
    """The filed ticket by another name: rules of visibility speak of the duplicates' own rows."""
    filed = aliased(Ticket)
    visible = (
        select(func.array_agg(Ticket.id))
        .where(Ticket.id == func.any(TicketDevice.duplicates), access.visible_to(actor))
        .correlate(TicketDevice)
        .scalar_subquery()
    )
    kept = [getattr(TicketDevice, name) for name in KEPT]
    return (
        select(
            TicketDevice.ticket_id,
            TicketDevice.asset_id,
            *kept,
            filed.device_holder_id,
            Asset.tag,
            Asset.kind,
            Asset.model,
            Asset.serial,
            visible.label("visible"),
        )
        .join(filed, filed.id == TicketDevice.ticket_id)
        .join(Asset, Asset.id == TicketDevice.asset_id)
        .where(TicketDevice.ticket_id.in_(numbers), filed.asset_id == TicketDevice.asset_id)
    )


async def _visible(eyes: Eyes, numbers: Sequence[int]) -> list[int]:
    if not numbers or eyes.actor.sees_all:
        return list(numbers)
    given = literal(list(numbers), ARRAY(BigInteger))
    query = select(Ticket.id).where(Ticket.id == func.any(given), access.visible_to(eyes.actor))
    return list((await eyes.db.execute(query)).scalars())


def _seen(
    eyes: Eyes, sight: Sight, about: Mapping[str, Any], kept: Mapping[str, Any], duplicates: Iterable[int]
) -> DeviceSeen:
    """`kept` by the names of KEPT, its instants as such or as PostgreSQL writes them into JSON."""
    language = eyes.actor.language
    taken_at = _at(kept["taken_at"])
    assert taken_at is not None
    shown = _facts(kept["facts"], sight, language, taken_at)
    if sight is Sight.NONE:
        note: str | None = said("withheld", language)
    else:
        values = {fact.name: (fact.value, fact.as_of) for fact in shown}
        note = note_of(values, taken_at=taken_at, now=eyes.now, language=language)
    return DeviceSeen(
        tag=about["tag"],
        kind=about["kind"],
        model=about["model"],
        serial=None if sight is Sight.NONE else about["serial"],
        withheld=sight is Sight.NONE,
        note=note,
        facts=shown,
        duplicates=sorted(duplicates, reverse=True),
        taken_at=taken_at,
        fresh=None if sight is Sight.NONE else _fresh(eyes, kept, sight),
    )


def _fresh(eyes: Eyes, kept: Mapping[str, Any], sight: Sight) -> FreshSeen | None:
    """Why a look brought nothing is told to the desk in full, to others in one plain sentence."""
    language = eyes.actor.language
    asked_at, ended_at = _at(kept["fresh_asked_at"]), _at(kept["fresh_at"])
    if asked_at is None:
        return None
    detail = kept["fresh_detail"]
    is_lost = ended_at is None and eyes.now - asked_at > PATIENCE
    if is_lost or (detail is not None and sight is not Sight.ALL):
        detail = said("not_asked", language)
    facts = _facts(kept["fresh"] or (), sight, language, ended_at) if ended_at is not None else []
    return FreshSeen(facts, ended_at, asked_at, detail)


def _facts(
    kept: Iterable[Mapping[str, Any]], sight: Sight, language: str, taken_at: datetime
) -> list[FactSeen]:
    shown = []
    for fact in kept:
        name, as_of = fact["name"], _at(fact["as_of"])
        if as_of is None or sight is Sight.NONE or (sight is Sight.PLAIN and name not in PLAIN):
            continue
        shown.append(
            FactSeen(
                name=name,
                label=label_of(name, language),
                value=fact["value"],
                unit=unit_of(name),
                words=in_words(name, fact["value"], language),
                as_of=as_of,
                source=fact["source"],
                stale=is_stale(as_of, taken_at),
            )
        )
    return sorted(shown, key=lambda fact: place_of(fact.name))


def _at(told: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(told) if isinstance(told, str) else told


def _log(actor: Actor, looks: Iterable[tuple[Sight, int | None, int]]) -> None:
    """Whole records of devices that somebody else has."""
    log_reading(
        actor,
        [
            asset_id
            for sight, holder_id, asset_id in looks
            if sight is Sight.ALL and holder_id is not None and holder_id != actor.person_id
        ],
    )
