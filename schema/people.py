"""People, and who asks."""

from __future__ import annotations

import strawberry

from schema.context import Info
from schema.nodes import (
    Connection,
    Node,
    PageInfo,
    field,
    global_id,
    key_in,
    line,
    loaded,
    number_in,
    page_size,
    told,
)
from schema.places import Place, cursor_after
from service.core.actor import Role, Scope
from service.people import actions


@strawberry.type(
    description="A person. Who may not look people up reads id, name and role; the rest is null."
)
class Person(Node):
    id: strawberry.ID = global_id("Person")
    person_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    name: str
    role: Role
    email: str | None
    external_id: str | None
    language: str | None
    school_id: str | None
    active: bool | None
    school: Place | None = loaded("place", "school_id")


@strawberry.type
class PersonEdge:
    cursor: str
    node: Person


@strawberry.type
class PersonConnection:
    nodes: list[Person]
    edges: list[PersonEdge]
    page_info: PageInfo


@strawberry.type(description="You, as the desk knows you, and what this token may do.")
class Me:
    person: Person
    scopes: list[Scope]
    school_ids: list[str]
    queue_ids: list[strawberry.ID]
    child_ids: list[strawberry.ID]


@strawberry.type
class Query:
    @field(graphql_type=Me | None, description="Who you are.")
    async def me(self, info: Info) -> object:
        async with info.context.read() as read:
            person = await actions.me(read)
        actor = info.context.actor
        return Me(
            person=person,
            scopes=sorted(actor.scopes),
            school_ids=sorted(actor.school_ids),
            queue_ids=sorted(actor.queue_ids),  # type: ignore[arg-type]
            child_ids=sorted(actor.child_ids),  # type: ignore[arg-type]
        )

    @field(graphql_type=Person | None, description="One person, by id or global id.")
    async def person(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await actions.person_by_id(read, number_in(id, "Person"))

    @field(graphql_type=PersonConnection | None, description="People by id, for the desk.")
    async def people(
        self,
        info: Info,
        role: Role | None = None,
        school_id: strawberry.ID | None = None,
        words: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        school = key_in(school_id, "Place", "school_id") if school_id is not None else None
        wanted = line(words, "words")
        async with info.context.read() as read:
            page = await actions.people_page(
                read, role=role, school_id=school, words=wanted, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)
