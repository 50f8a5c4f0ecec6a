"""Schools, buildings and rooms."""

from __future__ import annotations

import strawberry

from schema import enums  # noqa: F401  (the enums have their names before a type uses them)
from schema.context import Info
from schema.nodes import Connection, Node, PageInfo, field, global_id, key_in, loaded, page_size, told
from service.core.paging import cursor_of
from service.places import actions
from service.places.models import PlaceKind


@strawberry.type(description="A school, a building or a room.")
class Place(Node):
    id: strawberry.ID = global_id("Place")
    place_id: str = told(lambda row: row.id, description="As the district writes it: “0421-204”.")
    name: str
    kind: PlaceKind
    school_id: str | None
    calendar_id: strawberry.ID | None = strawberry.field(description="The calendar it keeps itself.")
    parent: Place | None = loaded("place", "parent_id")
    school: Place | None = loaded("place", "school_id")


@strawberry.type
class PlaceEdge:
    cursor: str
    node: Place


@strawberry.type
class PlaceConnection:
    nodes: list[Place]
    edges: list[PlaceEdge]
    page_info: PageInfo


def cursor_after(row: object) -> str:
    return cursor_of(row.id)  # type: ignore[attr-defined]


@strawberry.type
class Query:
    @field(graphql_type=Place | None, description="One place, by its id or global id.")
    async def place(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await actions.place_by_id(read, key_in(id, "Place"))

    @field(graphql_type=PlaceConnection | None, description="Places by id.")
    async def places(
        self,
        info: Info,
        kind: PlaceKind | None = None,
        school_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        school = key_in(school_id, "Place", "school_id") if school_id is not None else None
        async with info.context.read() as read:
            page = await actions.places_page(
                read, kind=kind, school_id=school, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)
