"""The desk's own rules, tokens and reports, read."""

from __future__ import annotations

import asyncio
from datetime import datetime

import strawberry
from pydantic import ValidationError
from strawberry.scalars import JSON

from schema.context import Info
from schema.nodes import Connection, PageInfo, field, loaded, number_in, page_size, told
from schema.people import Person
from schema.places import cursor_after
from service.core.errors import Invalid
from service.people import tokens
from service.reports.resolution import ReportQuery, resolution_report
from service.sla import calendars
from service.sla.explain import explained
from service.sla.policy import Agreement, Target
from service.sla.scenario import BadScenario, Scenario
from service.tickets import desk
from service.tickets.priority import Impact, Priority, Urgency
from service.web import fields_of


@strawberry.type(description="Tickets that fit `conditions` go to the queue of that key.")
class RoutingRule:
    conditions: JSON = told(lambda row: row["conditions"])
    queue: str = told(lambda row: row["queue"])


@strawberry.type(description="One cell of the priority matrix, as it counts now.")
class PriorityCell:
    impact: Impact = told(lambda row: row["impact"])
    urgency: Urgency = told(lambda row: row["urgency"])
    priority: Priority = told(lambda row: row["priority"])


@strawberry.type(description="A running target that an edit of its calendar moves.")
class Move:
    ticket_id: int = strawberry.field(description="The ticket's number.")
    agreement: Agreement
    target: Target
    cycle: int
    due_at: datetime | None
    moves_to: datetime | None


@strawberry.type(description="A credential, without its secret.")
class Token:
    token_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    person: Person | None = loaded("person", "person_id")
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@strawberry.type
class TokenEdge:
    cursor: str
    node: Token


@strawberry.type
class TokenConnection:
    nodes: list[Token]
    edges: list[TokenEdge]
    page_info: PageInfo


@strawberry.type
class Query:
    @field(graphql_type=list[RoutingRule] | None, description="In order; the first that fits.")
    async def routing(self, info: Info) -> object:
        async with info.context.read() as read:
            return await desk.routing(read)

    @field(graphql_type=list[PriorityCell] | None, description="Every cell as it counts now.")
    async def priority_matrix(self, info: Info) -> object:
        async with info.context.read() as read:
            return await desk.matrix(read)

    @field(
        graphql_type=list[Move] | None,
        description="Every running target that another definition of a calendar would move.",
    )
    async def preview_calendar(
        self,
        info: Info,
        id: strawberry.ID,
        definition: JSON,
    ) -> object:
        if not isinstance(definition, dict):
            raise Invalid.field("definition", "A calendar is an object.", "bad_calendar")
        async with info.context.read() as read:
            return await calendars.moves(read, number_in(id, "SchoolCalendar"), definition)

    @field(graphql_type=TokenConnection | None, description="Newest first, without secrets.")
    async def tokens(
        self,
        info: Info,
        person_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        person = number_in(person_id, "Person", "person_id") if person_id is not None else None
        async with info.context.read() as read:
            page = await tokens.tokens_page(read, person_id=person, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=JSON | None, description="The timers of a scenario; docs/sla.md has both.")
    async def explain_sla(self, info: Info, scenario: JSON) -> object:
        try:
            return await asyncio.to_thread(explained, Scenario.model_validate(scenario))
        except ValidationError as error:
            raise Invalid(fields=fields_of(error.errors())) from None
        except BadScenario as error:
            raise Invalid.field("scenario", str(error), "bad_scenario") from None

    @field(
        graphql_type=JSON | None,
        description="How tickets were resolved; `query` is as in REST, docs/reports.md has the answer.",
    )
    async def report_resolution(self, info: Info, query: JSON | None = None) -> object:
        try:
            wanted = ReportQuery.model_validate(query or {})
        except ValidationError as error:
            raise Invalid(fields=fields_of(error.errors())) from None
        async with info.context.read() as read:
            return await resolution_report(read, wanted)
