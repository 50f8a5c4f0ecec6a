"""The HTTP door to people and their tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.core.actor import Role, Scope
from service.core.fields import Id, Key, Line
from service.people import actions, tokens
from service.people.models import Person, Token
from service.web import Cursor, Limit, Reading, RowId, Working, door, refusals

router = door("", "directory")


class PersonOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    role: Role
    email: str | None
    external_id: str | None
    language: str
    school_id: str | None
    active: bool


class PersonPage(BaseModel):
    items: list[PersonOut]
    next_cursor: str | None


class Me(PersonOut):
    """You, as the desk knows you, and what this token may do."""

    scopes: list[Scope]
    school_ids: list[str]
    queue_ids: list[int]
    child_ids: list[int]


class TokenOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    person_id: int
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewTokenOut(TokenOut):
    secret: str | None = Field(description="Shown this once. Null when a key is repeated.")


class TokenPage(BaseModel):
    items: list[TokenOut]
    next_cursor: str | None


@router.get("/me", operation_id="getMe", response_model=Me, responses=refusals(404))
async def get_me(read: Reading) -> dict[str, Any]:
    actor = read.actor
    person = await actions.me(read)
    return dict(person._mapping) | {
        "scopes": sorted(actor.scopes),
        "school_ids": sorted(actor.school_ids),
        "queue_ids": sorted(actor.queue_ids),
        "child_ids": sorted(actor.child_ids),
    }


@router.get("/people", operation_id="listPeople", response_model=PersonPage, responses=refusals())
async def list_people(
    read: Reading,
    role: Role | None = None,
    school_id: Key | None = None,
    q: Line | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await actions.people_page(
        read, role=role, school_id=school_id, words=q, limit=limit, cursor=cursor
    )
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.post(
    "/people", operation_id="addPerson", response_model=PersonOut, status_code=201, responses=refusals(409)
)
async def add_person(person: actions.NewPerson, work: Working) -> Person:
    return await actions.add_person(work, person)


@router.get(
    "/people/{person_id}", operation_id="getPerson", response_model=PersonOut, responses=refusals(404)
)
async def get_person(person_id: RowId, read: Reading) -> object:
    return await actions.person_by_id(read, person_id)


@router.put(
    "/people/{person_id}", operation_id="editPerson", response_model=PersonOut, responses=refusals(404, 409)
)
async def edit_person(person_id: RowId, person: actions.EditPerson, work: Working) -> Person:
    return await actions.edit_person(work, person_id, person)


@router.post(
    "/people/{person_id}/relate",
    operation_id="relatePerson",
    response_model=PersonOut,
    responses=refusals(404),
)
async def relate(person_id: RowId, relation: actions.Relate, work: Working) -> Person:
    return await actions.relate(work, person_id, relation)


@router.post(
    "/people/{person_id}/unrelate",
    operation_id="unrelatePerson",
    response_model=PersonOut,
    responses=refusals(404),
)
async def unrelate(person_id: RowId, relation: actions.Relate, work: Working) -> Person:
    return await actions.unrelate(work, person_id, relation)


@router.post(
    "/people/{person_id}/serve",
    operation_id="serve",
    response_model=PersonOut,
    responses=refusals(404, 409),
)
async def serve(person_id: RowId, serves: actions.Serve, work: Working) -> Person:
    return await actions.serve(work, person_id, serves)


@router.get("/tokens", operation_id="listTokens", response_model=TokenPage, responses=refusals())
async def list_tokens(
    read: Reading, person_id: Id | None = None, limit: Limit = 50, cursor: Cursor = None
) -> object:
    page = await tokens.tokens_page(read, person_id=person_id, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.post(
    "/tokens", operation_id="createToken", response_model=NewTokenOut, status_code=201, responses=refusals()
)
async def create_token(token: tokens.NewToken, work: Working) -> dict[str, Any]:
    return shown(await tokens.create_token(work, token))


@router.post(
    "/tokens/{token_id}/revoke",
    operation_id="revokeToken",
    response_model=TokenOut,
    responses=refusals(404),
)
async def revoke_token(token_id: RowId, work: Working) -> object:
    return await tokens.revoke_token(work, token_id)


def shown(made: tokens.MadeToken | Token) -> dict[str, Any]:
    token, secret = (made.token, made.secret) if isinstance(made, tokens.MadeToken) else (made, None)
    return TokenOut.model_validate(token).model_dump() | {"secret": secret}
