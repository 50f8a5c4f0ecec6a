"""Tokens: made, listed, revoked. The secret is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from sqlalchemy import select

from service.core.actor import Actor, Role, Scope
from service.core.errors import Invalid, NotFound, require
from service.core.fields import Id, Input, Instant, Line
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.people.identity import digest_of, new_secret
from service.people.models import Person, Token

DEFAULT_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.STAFF: frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE, Scope.DIRECTORY_READ}),
    Role.ADMIN: frozenset(Scope),
    Role.LEAD: frozenset(Scope) - {Scope.TOKENS_WRITE, Scope.DIRECTORY_WRITE},
    Role.TECHNICIAN: frozenset(
        {
            Scope.TICKETS_READ,
            Scope.TICKETS_WRITE,
            Scope.DIRECTORY_READ,
            Scope.REPORTS_READ,
            Scope.NETWORK_READ,
            Scope.NETWORK_WRITE,
            Scope.MDM_READ,
            Scope.MDM_WRITE,
        }
    ),
}


class NewToken(Input):
    person_id: Id
    label: Line = Field(examples=["Classroom tablet"])
    scopes: list[Scope] | None = Field(None, description="What it may be used for; the role's usual ones.")
    expires_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token with its secret, which nobody can read again."""

    token: Token
    secret: str

    @property
    def id(self) -> int:
        return self.token.id


def may_manage_tokens(actor: Actor) -> bool:
    return actor.role in (Role.ADMIN, Role.SYSTEM) and actor.holds(Scope.TOKENS_WRITE)


@once(Token, keeps_answer=False)
async def create_token(work: Work, wanted: NewToken) -> MadeToken | Token:
    """A new token for a person. Repeated under its key it answers without the secret."""
    require(may_manage_tokens(work.actor), "Only administrators make tokens.")
    person = await work.session.get(Person, wanted.person_id)
    if person is None:
        raise Invalid.field("person_id", "There is no such person.", "unknown_person")
    if wanted.expires_at is not None and wanted.expires_at <= work.now:
        raise Invalid.field("expires_at", "That moment has passed.", "in_the_past")
    secret = new_secret()
    usual = DEFAULT_SCOPES.get(person.role, DEFAULT_SCOPES[Role.STAFF])
    token = Token(
        person_id=person.id,
        digest=digest_of(secret),
        label=wanted.label,
        scopes=sorted(wanted.scopes if wanted.scopes is not None else usual),
        created_at=work.now,
        expires_at=wanted.expires_at,
    )
    work.session.add(token)
    await work.session.flush()
    return MadeToken(token, secret)


@once(Token)
async def revoke_token(work: Work, token_id: int) -> Token:
    """The token is refused from now on, by every process."""
    require(may_manage_tokens(work.actor), "Only administrators revoke tokens.")
    token = await work.session.get(Token, token_id, with_for_update=True)
    if token is None:
        raise NotFound("There is no such token.")
    if token.revoked_at is None:
        token.revoked_at = work.now
        await work.session.flush()
        work.change_config()
    return token


async def tokens_page(
    eyes: Eyes, *, person_id: int | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Tokens without their secrets, newest first, with whose they are."""
    require(may_manage_tokens(eyes.actor), "Only administrators see tokens.")
    query = select(*COLUMNS).join(Person, Person.id == Token.person_id).order_by(Token.id.desc())
    if person_id is not None:
        query = query.where(Token.person_id == person_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(Token.id < int_key(key))
    rows: Sequence[Any] = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


COLUMNS = [
    Token.id,
    Token.person_id,
    Person.name.label("person_name"),
    Person.role,
    Token.label,
    Token.scopes,
    Token.created_at,
    Token.expires_at,
    Token.last_used_at,
    Token.revoked_at,
]


def int_key(key: list[Any]) -> int:
    if not isinstance(key[0], int) or not 0 <= key[0] < 2**63:
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor")
    return key[0]
