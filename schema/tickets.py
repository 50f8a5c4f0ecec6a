"""Tickets as GraphQL shows them, and the queues, categories and events around them."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from schema.assets import Asset
from schema.context import Context, Info
from schema.nodes import (
    Connection,
    Node,
    PageInfo,
    fetched,
    field,
    global_id,
    line,
    loaded,
    page_size,
    told,
)
from schema.people import Person
from schema.places import Place, cursor_after
from schema.sla import SlaTimer
from schema.ticket_inputs import TicketFilter, wanted
from service.assets.models import AssetKind
from service.core.errors import NotFound
from service.tickets import desk, listing, queries
from service.tickets.device_seen import device_of
from service.tickets.explaining import ticket_timers
from service.tickets.lifecycle import Status
from service.tickets.listing import Sort, count_tickets, tickets_page
from service.tickets.models import Channel, Kind, LinkKind
from service.tickets.models import Ticket as Row
from service.tickets.priority import Impact, Priority, Urgency
from service.tickets.resolution import Cause, Fix, Outcome


@strawberry.type(description="What a ticket is about.")
class Category(Node):
    id: strawberry.ID = global_id("Category")
    key: str = told(lambda row: row.id, description="As filters and inputs take it: “av.projector”.")
    name: str


@strawberry.type(description="An entry of the timeline; replies and notes carry a `body`.")
class TicketEvent:
    event_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    kind: str
    at: datetime
    by: Person | None = loaded("person", "actor_id", description="Null when the desk itself did it.")
    by_name: str = told(lambda row: row.actor_name, description="Their name at the time.")
    by_desk: bool
    public: bool = strawberry.field(description="Whether requesters see it.")
    status: Status | None = strawberry.field(description="The status it moved the ticket to, if it did.")
    body: str | None
    detail: JSON


@strawberry.type
class TicketEventEdge:
    cursor: str
    node: TicketEvent


@strawberry.type
class TicketEventConnection:
    nodes: list[TicketEvent]
    edges: list[TicketEventEdge]
    page_info: PageInfo


@strawberry.type(description="Another ticket that this one is tied to.")
class TicketLink:
    kind: LinkKind
    outward: bool = strawberry.field(
        description="True: this ticket is the one that relates to, duplicates, …"
    )
    number: int
    subject: str
    status: Status


@strawberry.type(description="Something that was known of a device, in the reader's language.")
class TicketDeviceFact:
    name: str
    label: str = strawberry.field(description="What people call it.")
    value: JSON
    unit: str | None
    words: str = strawberry.field(description="The value as a person reads it.")
    as_of: datetime = strawberry.field(description="When it was so.")
    source: str = strawberry.field(description="Who said it.")
    stale: bool = strawberry.field(
        description="It was more than a day old when it was taken down: at `takenAt`, or at the `asOf` of "
        "the fresh look. It does not change later."
    )


@strawberry.type(description="A look at the device that was asked for when the ticket was filed.")
class TicketDeviceLook:
    facts: list[TicketDeviceFact]
    as_of: datetime | None = strawberry.field(description="When it ended; null while it is under way.")
    asked_at: datetime
    detail: str | None = strawberry.field(description="Why it brought nothing, if it did not.")


@strawberry.type(
    description="What was known of the ticket's device when the ticket was filed, or tied to it; it stays as "
    "it was. The desk sees everything; whoever may know the device sees when it last checked in, its system, "
    "storage, battery, state, and until when it is supported; others only that the desk has it."
)
class TicketDevice:
    tag: str
    kind: AssetKind
    model: str | None
    serial: str | None
    withheld: bool = strawberry.field(description="True: what is known of it is not for you.")
    note: str | None = strawberry.field(description="How much the facts are worth, in a sentence.")
    facts: list[TicketDeviceFact]
    duplicates: list[int] = strawberry.field(
        description="Other tickets about the same device that were open then, of those you see; newest first."
    )
    taken_at: datetime
    fresh: TicketDeviceLook | None = strawberry.field(
        description="Null where no device management could be asked."
    )


def _device(row: Any, context: Context) -> Any:
    """What a view of one ticket has brought along already; else the loader's."""
    return device_of(row) if hasattr(row, "device") else context.loaders.device.load(row.id)


@strawberry.type(description="Where tickets wait.")
class Queue(Node):
    id: strawberry.ID = global_id("Queue", "key")
    queue_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    key: str
    name: str
    confidential: bool
    is_default: bool

    @field(graphql_type="TicketConnection | None", description="The tickets in it that you see.")
    async def tickets(
        root: Any,  # noqa: N805
        info: Info,
        filter: TicketFilter | None = UNSET,
        sort: Sort | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        narrowed = _narrowed(filter).model_copy(update={"queue": root.key})
        return await _page(info.context, narrowed, sort=sort, first=first, after=after)


def _next_due(row: Any, context: Context) -> Any:
    """The desk's own is on the row; others are not told of what the desk agreed for itself."""
    return row.next_due_at if context.actor.is_desk else _earliest(context.loaders.timers.load(row.id))


async def _earliest(timers: Awaitable[list[Any]]) -> datetime | None:
    running = [row.due_at for row in await timers if row.stopped_at is None and row.due_at is not None]
    return min(running, default=None)


@strawberry.type(description="A request for help.")
class Ticket(Node):
    id: strawberry.ID = global_id("Ticket")
    number: int = told(lambda row: row.id, description="The number that people say.")
    kind: Kind
    subject: str
    description: str
    status: Status
    priority: Priority
    impact: Impact
    urgency: Urgency
    queue: Queue | None = loaded("queue", "queue_id")
    category: Category | None = loaded("category", "category_id")
    requester: Person | None = loaded("person", "requester_id")
    opened_by: Person | None = loaded("person", "opened_by_id")
    assignee: Person | None = loaded("person", "assignee_id")
    place: Place | None = loaded("place", "place_id")
    school_id: str | None
    asset: Asset | None = loaded("asset", "asset_id")
    channel: Channel
    language: str
    tags: list[str]
    shared_with: list[strawberry.ID] = strawberry.field(description="Who else sees it, as `personId`.")
    external_id: str | None
    source_key: str | None
    opened_at: datetime
    reported_at: datetime = strawberry.field(description="When the requester first made contact.")
    updated_at: datetime
    next_due_at: datetime | None = fetched(
        _next_due, description="The earliest due time still running, of the timers that you see."
    )
    first_response_at: datetime | None
    last_reply_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    hold_reason: str | None
    hold_until: datetime | None
    vendor: Person | None = loaded("person", "vendor_id", description="With whom it is on hold.")
    resolution: str | None
    cause: Cause | None
    fix: Fix | None
    outcome: Outcome | None
    reopens: int
    version: int = strawberry.field(description="Send it back as `expectedVersion`.")
    timers: list[SlaTimer] | None = loaded("timers", "id", description="Its SLA timers.")
    last_reply: TicketEvent | None = loaded("last_reply", "id", description="The newest public reply.")
    device: TicketDevice | None = fetched(
        _device, description="What was known of its device at filing; null where it is about none."
    )

    @field(
        graphql_type=TicketEventConnection | None,
        description="What happened, oldest first; internal events are for those who work the ticket.",
    )
    async def timeline(
        root: Any,  # noqa: N805
        info: Info,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await queries.timeline(read, root.id, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=list[TicketLink] | None, description="Tickets it is tied to.")
    async def links(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await queries.links(read, root.id)

    @field(graphql_type=JSON | None, description="Its timers as they stand now, and why.")
    async def sla(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await ticket_timers(read, root.id)


@strawberry.type
class TicketEdge:
    cursor: str
    node: Ticket


@strawberry.type
class TicketConnection:
    nodes: list[Ticket]
    edges: list[TicketEdge]
    page_info: PageInfo


@strawberry.type
class TicketCount:
    count: int = strawberry.field(description="At most 10,000.")
    more: bool = strawberry.field(description="True when there are more than that.")


@strawberry.type
class Query:
    @field(graphql_type=Ticket | None, description="One ticket.")
    async def ticket(self, info: Info, number: int) -> object:
        async with info.context.read() as read:
            return await queries.ticket_view(read, number)

    @field(
        graphql_type=TicketConnection | None,
        description="Tickets you see. The desk's default order is next due first, over open tickets; "
        "others', and that of a search for `words`, is newest first.",
    )
    async def tickets(
        self,
        info: Info,
        filter: TicketFilter | None = UNSET,
        sort: Sort | None = None,
        words: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        narrowed = _narrowed(filter)
        return await _page(info.context, narrowed, sort=sort, words=words, first=first, after=after)

    @field(graphql_type=TicketCount | None, description="How many tickets you see.")
    async def ticket_count(self, info: Info, filter: TicketFilter | None = UNSET) -> object:
        async with info.context.read() as read:
            count, more = await count_tickets(read, _narrowed(filter))
        return TicketCount(count=count, more=more)

    @field(graphql_type=list[Queue] | None, description="Queues you see.")
    async def queues(self, info: Info) -> object:
        async with info.context.read() as read:
            return await desk.queues(read)

    @field(graphql_type=Queue | None, description="One queue, by its key.")
    async def queue(self, info: Info, key: str) -> object:
        return await queue_by_key(info.context, key)

    @field(graphql_type=list[Category] | None, description="What tickets can be about.")
    async def categories(self, info: Info) -> object:
        async with info.context.read() as read:
            return await desk.categories(read)


async def queue_by_key(context: Context, key: str) -> Any:
    """A queue the actor sees, else NotFound."""
    async with context.read() as read:
        for queue in await desk.queues(read):
            if queue.key == key:
                return queue
    raise NotFound(f"There is no queue “{key}” that you can see.")


def _narrowed(given: TicketFilter | None) -> listing.TicketFilter:
    return wanted(given, listing.TicketFilter) if given else listing.TicketFilter()


async def _page(
    context: Context,
    narrowed: listing.TicketFilter,
    *,
    sort: Sort | None,
    first: int | None,
    after: str | None,
    words: str | None = None,
) -> Connection[Any]:
    words = line(words, "words")
    order = sort or listing.default_sort(narrowed, by_due=context.actor.is_desk and words is None)
    async with context.read() as read:
        page = await tickets_page(
            read,
            narrowed,
            sort=order,
            words=words,
            limit=page_size(first),
            cursor=after,
            columns=columns_for(context.names),
        )
    return Connection(page, partial(listing.cursor_after, order=order), after=after)


ALWAYS = [Row.id, Row.opened_at, Row.next_due_at]
COLUMNS: dict[str, Any] = {
    "queue": Row.queue_id,
    "category": Row.category_id,
    "requester": Row.requester_id,
    "openedBy": Row.opened_by_id,
    "assignee": Row.assignee_id,
    "vendor": Row.vendor_id,
    "place": Row.place_id,
    "asset": Row.asset_id,
}


def columns_for(names: frozenset[str]) -> Sequence[Any]:
    """The columns that a document with these field names can ask for; all where nothing is known."""
    if not names:
        return queries.TICKET
    return ALWAYS + [column for name, column in _BY_NAME.items() if name in names]


_PLAIN = {field.python_name for field in get_object_definition(Ticket, strict=True).fields}
_BY_NAME = COLUMNS | {
    to_camel_case(column.name): column
    for column in queries.TICKET
    if column.name in _PLAIN and column.name not in ("id", "opened_at", "next_due_at")
}
