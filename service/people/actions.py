"""People: added, edited, related, and what they serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import Field
from sqlalchemy import delete, func, select

from service.core.actor import Actor, Role, Scope
from service.core.errors import Conflict, Forbidden, Invalid, NotFound, require
from service.core.fields import Id, Input, Key, Language, Line
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.people.models import Person, Relation, RelationKind, ServedQueue, ServedSchool
from service.people.tokens import int_key
from service.places.actions import may_edit_directory
from service.places.models import Place

log = structlog.get_logger()
EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,190}$"


class NewPerson(Input):
    name: Line = Field(examples=["Rosa Delgado"])
    role: Role = Field(examples=["staff"])
    email: str | None = Field(None, max_length=255, pattern=EMAIL, examples=["rosa@example.org"])
    external_id: Line | None = Field(None, description="Its id in the roster.")
    language: Language = "en"
    school_id: Key | None = None


class EditPerson(NewPerson):
    """The person, whole; inactive people's tokens are refused."""

    active: bool = True


class Relate(Input):
    kind: RelationKind
    other_id: Id


class Serve(Input):
    """What a technician, lead or integration serves, whole: queues by id, schools by id."""

    queue_ids: list[Id] = Field(default_factory=list, max_length=500)
    school_ids: list[Key] = Field(default_factory=list, max_length=2_000)


def may_see_people(actor: Actor) -> bool:
    return actor.is_desk and actor.holds(Scope.DIRECTORY_READ)


def may_make(actor: Actor, role: Role) -> bool:
    """An integration brings the roster in; the desk's own roles are given by admins."""
    ordinary = role in (Role.STAFF, Role.PUPIL, Role.GUARDIAN)
    return may_edit_directory(actor) and role is not Role.SYSTEM and (ordinary or actor.sees_all)


@once(Person)
async def add_person(work: Work, wanted: NewPerson) -> Person:
    require(may_make(work.actor, wanted.role), "You may not add people of this role.")
    await _check(work, wanted)
    person = Person(**wanted.model_dump())
    work.session.add(person)
    await work.session.flush()
    return person


@once(Person)
async def edit_person(work: Work, person_id: int, wanted: EditPerson) -> Person:
    person = await _for_update(work, person_id)
    allowed = may_make(work.actor, wanted.role) and may_make(work.actor, person.role)
    require(allowed, "You may not edit people of this role.")
    await _check(work, wanted, person_id)
    for name, value in wanted.model_dump().items():
        setattr(person, name, value)
    await work.session.flush()
    work.change_config()
    return person


@once(Person)
async def relate(work: Work, person_id: int, relation: Relate) -> Person:
    """Say that a person is guardian of, or teaches, another."""
    person = await _for_update(work, person_id)
    if await work.session.get(Person, relation.other_id) is None or relation.other_id == person_id:
        raise Invalid.field("other_id", "There is no such other person.", "unknown_person")
    await work.session.merge(Relation(person_id=person_id, kind=relation.kind, other_id=relation.other_id))
    await work.session.flush()
    work.change_config()
    return person


@once(Person)
async def unrelate(work: Work, person_id: int, relation: Relate) -> Person:
    """Say that it is so no longer."""
    person = await _for_update(work, person_id)
    await work.session.execute(
        delete(Relation).where(
            Relation.person_id == person_id,
            Relation.kind == relation.kind,
            Relation.other_id == relation.other_id,
        )
    )
    work.change_config()
    return person


@once(Person)
async def serve(work: Work, person_id: int, serves: Serve) -> Person:
    """Say which queues and schools somebody of the desk serves."""
    require(work.actor.sees_all and work.actor.holds(Scope.DIRECTORY_WRITE))
    person = await _for_update(work, person_id)
    if person.role not in (Role.TECHNICIAN, Role.LEAD, Role.INTEGRATION):
        raise Conflict("Only technicians, leads and integrations serve queues and schools.")
    await work.session.execute(delete(ServedQueue).where(ServedQueue.person_id == person_id))
    await work.session.execute(delete(ServedSchool).where(ServedSchool.person_id == person_id))
    work.session.add_all(ServedQueue(person_id=person_id, queue_id=q) for q in sorted(set(serves.queue_ids)))
    work.session.add_all(
        ServedSchool(person_id=person_id, school_id=s) for s in sorted(set(serves.school_ids))
    )
    await work.session.flush()
    work.change_config()
    return person


async def _for_update(work: Work, person_id: int) -> Person:
    require(may_edit_directory(work.actor))
    person = await work.session.get(Person, person_id, with_for_update=True)
    if person is None:
        raise NotFound("There is no such person.")
    return person


async def _check(work: Work, wanted: NewPerson, person_id: int | None = None) -> None:
    if wanted.school_id is not None and await work.session.get(Place, wanted.school_id) is None:
        raise Invalid.field("school_id", "There is no such place.", "unknown_place")
    for name, column in (("email", func.lower(Person.email)), ("external_id", Person.external_id)):
        value = getattr(wanted, name)
        if value is None:
            continue
        value = value.lower() if name == "email" else value
        other = await work.session.scalar(select(Person.id).where(column == value))
        if other not in (None, person_id):
            raise Invalid.field(name, f"Somebody else has this {name.replace('_', ' ')}.", "taken")


PERSON = list(Person.__table__.c)


async def people_page(
    eyes: Eyes,
    *,
    role: Role | None = None,
    school_id: str | None = None,
    words: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """People by id, for the desk; `words` is a part of the name."""
    require(may_see_people(eyes.actor), "Only the desk looks people up.")
    query = select(*PERSON).order_by(Person.id)
    if role is not None:
        query = query.where(Person.role == role)
    if school_id is not None:
        query = query.where(Person.school_id == school_id)
    if words is not None:
        query = query.where(Person.name.icontains(words, autoescape=True))
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(Person.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    _log_reading(eyes.actor, rows[:limit])
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def person_by_id(eyes: Eyes, person_id: int) -> Any:
    """A person: oneself, one's children, anybody for the desk."""
    actor = eyes.actor
    if not may_see_people(actor) and person_id not in {actor.person_id, *actor.child_ids}:
        raise NotFound("There is no such person.")
    row = (await eyes.db.execute(select(*PERSON).where(Person.id == person_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such person.")
    _log_reading(actor, [row])
    return row


def _log_reading(actor: Actor, rows: Sequence[Any]) -> None:
    """Who looked at which pupils' records is written down."""
    pupils = [row.id for row in rows if row.role is Role.PUPIL and row.id != actor.person_id]
    if pupils:
        log.info("pupils_read", by=actor.person_id, pupils=pupils)


async def me(eyes: Eyes) -> Any:
    """The person behind the token."""
    if eyes.actor.person_id is None:
        raise Forbidden("The desk itself is nobody.")
    return await person_by_id(eyes, eyes.actor.person_id)
