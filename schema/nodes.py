"""What all types share: plain fields told from a row, global ids, and pages with their cursors."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import strawberry
from graphql import (
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLError,
    GraphQLFieldResolver,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
)
from pydantic import TypeAdapter, ValidationError
from strawberry import relay
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from service.core.errors import Invalid
from service.core.fields import Instant, Line
from service.core.paging import MAX_PAGE, Page

if TYPE_CHECKING:
    from schema.context import Context

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Tell = Callable[[Any], Any]
Fetch = Callable[[Any, "Context"], Any]


class Decorator(Protocol):
    """Makes a field of a resolver; the annotation of the resolver tells what it returns, `graphql_type` what
    the wire says."""

    def __call__(self, *, description: str, graphql_type: Any = None) -> Callable[[F], F]: ...


field: Decorator = cast("Any", strawberry.field)
mutation: Decorator = cast("Any", strawberry.mutation)
subscription: Decorator = cast("Any", strawberry.subscription)


def _instant(value: object) -> datetime:
    try:
        return datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise GraphQLError("This is not an instant such as “2026-09-14T15:00:00Z”.") from None


INSTANT = strawberry.scalar(
    name="DateTime",
    description="An instant, RFC 3339, always with its offset.",
    serialize=lambda value: value,
    parse_value=_instant,
    specified_by_url="https://scalars.graphql.org/andimarek/date-time",
)


class Told(StrawberryField):
    """A plain field: what `tell` makes of the row."""

    tell: Tell

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        return self.tell(source)

    def __copy__(self) -> Told:
        copied = super().__copy__()
        copied.tell = self.tell
        return copied


class Loaded(StrawberryField):
    """A field of a related row: `fetch` gives the loader's future, or None at once.

    It can be null, always: a field that must not be would take its siblings with it when the loader fails.
    """

    fetch: Fetch

    def __copy__(self) -> Loaded:
        copied = super().__copy__()
        copied.fetch = self.fetch
        return copied


def told(tell: Tell, *, name: str | None = None, description: str | None = None) -> Any:
    field = Told(graphql_name=name, description=description)
    field.tell = tell
    return field


def loaded(loader: str, key: str, *, description: str | None = None) -> Any:
    """The row that `loader` has for the row's `key`; null without a key."""

    def fetch(row: Any, context: Context) -> Any:
        value = getattr(row, key)
        return None if value is None else getattr(context.loaders, loader).load(value)

    return fetched(fetch, description=description)


def fetched(fetch: Fetch, *, description: str | None = None) -> Any:
    """What `fetch` has at once, or a loader has in a while."""
    field = Loaded(description=description)
    field.fetch = fetch
    return field


def straighten(schema: GraphQLSchema) -> None:
    """Let fields and enums answer straight from the row, without the calls and searches in between."""
    for graphql_type in schema.type_map.values():
        if isinstance(graphql_type, GraphQLEnumType):
            graphql_type.coerce_output_value = _named(graphql_type)  # type: ignore[assignment]
        elif isinstance(graphql_type, GraphQLObjectType):
            graphql_type.is_type_of = None
            for field in graphql_type.fields.values():
                definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
                if isinstance(definition, StrawberryField) and definition.is_basic_field:
                    field.resolve = _straight(definition)


def _named(enum: GraphQLEnumType) -> Callable[[Any], str]:
    """A member's name by the member, or by its plain value."""
    names = {value.value: name for name, value in enum.values.items()}
    return names.__getitem__


def _straight(field: StrawberryField) -> GraphQLFieldResolver:
    if isinstance(field, Told):
        tell = field.tell
        return lambda row, info: tell(row)
    if isinstance(field, Loaded):
        fetch = field.fetch
        return lambda row, info: fetch(row, info.context)
    name = field.python_name
    return lambda row, info: getattr(row, name)


def global_id(type_name: str, key: str = "id") -> Any:
    """The field `id` of a node: opaque to clients, made of the type and the row's own key."""
    prefix = f"{type_name}:".encode()

    def tell(row: Any) -> str:
        return base64.b64encode(prefix + str(getattr(row, key)).encode()).decode()

    return told(tell, description="For `node` and for caches; opaque.")


@strawberry.interface(description="Anything with an id of its own, to be fetched again by `node`.")
class Node:
    id: strawberry.ID

    @classmethod
    def is_type_of(cls, row: Any, info: GraphQLResolveInfo[Any]) -> bool:
        """Rows carry no type: a field's type says what they are, `Noded` does for `node`."""
        return True

    @classmethod
    def resolve_type(cls, row: Any, info: GraphQLResolveInfo[Any], of: GraphQLAbstractType) -> str:
        return str(row.type_name)


class Noded:
    """A row that says of which type it is."""

    def __init__(self, type_name: str, row: Any) -> None:
        self.type_name = type_name
        self.row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


def key_in(value: str, type_name: str, field: str = "id") -> str:
    """The row's own key in a global id of that type; a plain key stands for itself."""
    try:
        given = relay.GlobalID.from_id(value)
    except relay.GlobalIDValueError:
        return value
    if given.type_name != type_name:
        if given.type_name.isascii() and given.type_name.isalpha():
            raise Invalid.field(
                field, f"This is the id of a {given.type_name}, not of a {type_name}.", "bad_id"
            )
        return value
    return given.node_id


def number_in(value: str, type_name: str, field: str = "id") -> int:
    """The same for rows that are known by a number."""
    key = key_in(value, type_name, field)
    if not (key.isascii() and key.isdigit() and len(key) <= 16):
        raise Invalid.field(field, f"This is not the id of a {type_name}.", "bad_id")
    return int(key)


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Edge(Generic[T]):
    """A row with the cursor that continues after it, made only when somebody asks for it."""

    __slots__ = ("_cursor_after", "node")

    def __init__(self, node: T, cursor_after: Callable[[T], str]) -> None:
        self.node = node
        self._cursor_after = cursor_after

    @property
    def cursor(self) -> str:
        return self._cursor_after(self.node)


class Connection(Generic[T]):
    """A page of rows as Relay wants it, and as a plain list in `nodes`."""

    def __init__(self, page: Page[T], cursor_after: Callable[[T], str], *, after: str | None) -> None:
        self.nodes: Sequence[T] = page.rows
        self._page = page
        self._cursor_after = cursor_after
        self._after = after

    @property
    def edges(self) -> list[Edge[T]]:
        return [Edge(row, self._cursor_after) for row in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        rows = self.nodes
        return PageInfo(
            has_next_page=self._page.has_next,
            has_previous_page=self._after is not None,
            start_cursor=self._cursor_after(rows[0]) if rows else None,
            end_cursor=self._cursor_after(rows[-1]) if rows else None,
        )


def line(value: str | None, field: str) -> str | None:
    """A short text as REST takes it."""
    try:
        return _LINE.validate_python(value)
    except ValidationError as error:
        raise Invalid.field(field, error.errors()[0]["msg"], error.errors()[0]["type"]) from None


_LINE: TypeAdapter[str | None] = TypeAdapter(Line | None)


def instant(value: datetime | None, field: str) -> datetime | None:
    """An instant as REST takes it: with its offset, and within the years that can be computed."""
    try:
        return _INSTANT.validate_python(value)
    except ValidationError as error:
        raise Invalid.field(field, error.errors()[0]["msg"], error.errors()[0]["type"]) from None


_INSTANT: TypeAdapter[datetime | None] = TypeAdapter(Instant | None)


def page_size(first: int | None) -> int:
    """Rows in a page; refused when it is not a number a page can have."""
    if first is None:
        return 50
    if not 1 <= first <= MAX_PAGE:
        raise Invalid.field("first", f"A page has 1 to {MAX_PAGE} rows.", "bad_page_size")
    return first
