"""From a credential to an Actor."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Text, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from service.core.actor import SERVING_ROLES, SYSTEM, Actor, Scope
from service.core.errors import Unauthenticated
from service.core.work import Resources
from service.people.models import Person, Relation, RelationKind, ServedQueue, ServedSchool, Token

PREFIX = "fb_"
SEEN_EVERY = timedelta(minutes=1)


def new_secret() -> str:
    """256 random bits, as text that a person can recognise as ours."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def actor_for(resources: Resources, secret: str) -> Actor:
    """The actor behind a token; unknown, expired and revoked tokens are all refused alike."""
    digest = digest_of(secret)
    now = resources.clock()
    known = await resources.shelf.get(("actor", digest), lambda: _load(resources, digest, now))
    if known is None:
        raise Unauthenticated
    actor, expires_at = known
    if expires_at is not None and expires_at <= now:
        raise Unauthenticated("This token has expired. Ask your administrator for a new one.")
    return actor


async def _load(resources: Resources, digest: bytes, now: datetime) -> tuple[Actor, datetime | None] | None:
    async with resources.read(SYSTEM) as read:
        row = (await read.db.execute(_who(digest))).one_or_none()
        if row is None or row.revoked_at is not None or not row.active:
            return None
        await read.db.execute(_seen(row.token_id, now))
    return _actor(row), row.expires_at


def _seen(token_id: int, now: datetime) -> Any:
    return (
        update(Token)
        .where(
            Token.id == token_id,
            or_(Token.last_used_at.is_(None), Token.last_used_at < now - SEEN_EVERY),
        )
        .values(last_used_at=now)
    )


def _gathered(column: Any, *where: Any) -> Any:
    kind = Text if column.type.python_type is str else BigInteger
    return func.coalesce(
        select(func.array_agg(column)).where(*where).scalar_subquery(),
        literal([], ARRAY(kind)),
        type_=ARRAY(kind),
    )


def actor_columns() -> list[Any]:
    return [
        Person.id.label("person_id"),
        Person.name,
        Person.role,
        Person.language,
        Person.active,
        Person.school_id,
        _gathered(ServedSchool.school_id, ServedSchool.person_id == Person.id).label("schools"),
        _gathered(ServedQueue.queue_id, ServedQueue.person_id == Person.id).label("queues"),
        _gathered(
            Relation.other_id,
            Relation.person_id == Person.id,
            Relation.kind == RelationKind.GUARDIAN_OF,
        ).label("children"),
    ]


def _who(digest: bytes) -> Any:
    return (
        select(*actor_columns(), Token.id.label("token_id"), Token.scopes, Token.expires_at, Token.revoked_at)
        .join(Token, Token.person_id == Person.id)
        .where(Token.digest == digest)
    )


def _actor(row: Any) -> Actor:
    known = {scope.value for scope in Scope}
    return Actor(
        name=row.name,
        role=row.role,
        person_id=row.person_id,
        home_school_id=row.school_id,
        token_id=row.token_id,
        language=row.language,
        scopes=frozenset(Scope(s) for s in row.scopes if s in known),
        school_ids=frozenset(row.schools if row.role in SERVING_ROLES else ()),
        queue_ids=frozenset(row.queues if row.role in SERVING_ROLES else ()),
        child_ids=frozenset(row.children),
    )


async def actor_of_person(db: Any, person_id: int) -> Actor:
    """The actor that a person is, with every scope: for work done in their name by the desk itself."""
    row = (await db.execute(select(*actor_columns()).where(Person.id == person_id))).one()
    return Actor(
        name=row.name,
        role=row.role,
        person_id=row.person_id,
        home_school_id=row.school_id,
        language=row.language,
        school_ids=frozenset(row.schools if row.role in SERVING_ROLES else ()),
        queue_ids=frozenset(row.queues if row.role in SERVING_ROLES else ()),
        child_ids=frozenset(row.children),
    )


def identify_with(resources: Resources) -> Callable[[str], Awaitable[Actor]]:
    """How a process tells who asks."""
    return lambda secret: actor_for(resources, secret)
