"""What a ticket refers to, found by what people call it, or a refusal that names the field."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select

from service.assets.actions import normal_serial
from service.assets.models import Asset
from service.core.actor import Role
from service.core.errors import Invalid
from service.core.work import Work
from service.people.identity import actor_of_person
from service.people.models import Person
from service.places.models import Place
from service.tickets import access
from service.tickets.models import Queue, Ticket
from service.tickets.rules import desk_rules

_PLACE = select(Place.id, Place.school_id).where(Place.id == bindparam("place"))
_DEVICE = select(Asset.id, Asset.tag, Asset.kind, Asset.holder_id, Asset.place_id, Asset.school_id)
_ASSET = _DEVICE.where(Asset.tag == bindparam("tag"))
_BY_SERIAL = _DEVICE.where(func.upper(Asset.serial) == bindparam("serial")).order_by(Asset.id).limit(10)
_PERSON = select(Person.id, Person.role, Person.language, Person.school_id).where(
    Person.id == bindparam("person"), Person.active
)
WORKERS = frozenset({Role.TECHNICIAN, Role.LEAD, Role.ADMIN})


async def place_by_id(work: Work, place_id: str | None) -> Any:
    place = await work.shelf.get(("place", place_id), lambda: _one(work, _PLACE, place=place_id))
    if place is None:
        raise Invalid.field("place_id", f"There is no place “{place_id}”.", "unknown_place")
    return place


async def asset_by_tag(work: Work, tag: str | None) -> Any:
    asset = await _one(work, _ASSET, tag=tag)
    if asset is None:
        raise Invalid.field("asset_tag", f"There is no device with the tag “{tag}”.", "unknown_asset")
    return asset


async def asset_by_serial(work: Work, serial: str) -> Any:
    """The device that bears a serial number; the desk is told the tags where several do."""
    found = (await work.db.execute(_BY_SERIAL, {"serial": normal_serial(serial)})).all()
    if not found:
        raise Invalid.field(
            "asset_serial", f"There is no device with the serial number “{serial}”.", "unknown_asset"
        )
    if len(found) > 1:
        tags = f" ({', '.join(asset.tag for asset in found)})" if work.actor.is_desk else ""
        raise Invalid.field(
            "asset_serial",
            f"Several devices bear the serial number “{serial}”{tags}. Give the tag instead.",
            "ambiguous_asset",
        )
    return found[0]


async def requester(work: Work, person_id: int) -> Any:
    """The person a ticket is opened for: anybody for the desk, a guardian's own child for a guardian."""
    person = await _one(work, _PERSON, person=person_id)
    allowed = access.may_open_for_others(work.actor) or (
        work.actor.role is Role.GUARDIAN and person_id in work.actor.child_ids
    )
    if person is None or not allowed:
        raise Invalid.field(
            "requester_id", "There is nobody with this id whom you can open a ticket for.", "unknown_person"
        )
    return person


async def confidence_of(work: Work, queue_id: int) -> bool:
    """Whether a queue is confidential, and stays as it is until this transaction ends."""
    query = select(Queue.confidential).where(Queue.id == queue_id).with_for_update(read=True)
    return (await work.session.execute(query)).scalar_one()


async def category_known(work: Work, category: str | None) -> str | None:
    if category is not None and category not in (await desk_rules(work)).categories:
        raise Invalid.field("category", f"There is no category “{category}”.", "unknown_category")
    return category


async def technician(work: Work, person_id: int, ticket: Ticket) -> Person:
    """Somebody of the desk who can see the ticket once it is theirs."""
    person = await work.session.get(Person, person_id)
    if person is None or not person.active or person.role not in WORKERS:
        raise Invalid.field("assignee_id", "There is no technician with this id.", "unknown_person")
    if ticket.confidential and not access.may_view(await actor_of_person(work.db, person_id), ticket):
        raise Invalid.field(
            "assignee_id", f"{person.name} does not serve this confidential queue.", "not_served"
        )
    return person


async def vendor(work: Work, person_id: int) -> Person:
    person = await work.session.get(Person, person_id)
    if person is None or not person.active or person.role is not Role.VENDOR:
        raise Invalid.field("vendor_id", "There is no vendor with this id.", "unknown_vendor")
    return person


async def _one(work: Work, query: Any, **values: Any) -> Any:
    return (await work.db.execute(query, values)).one_or_none()
