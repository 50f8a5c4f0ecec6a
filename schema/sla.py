"""SLA timers, policies and calendars."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from schema.context import Info
from schema.nodes import Node, field, global_id, number_in, told
from service.sla import calendars, policies
from service.sla.models import TimerState
from service.sla.policy import Agreement, Target


@strawberry.type(description="A cycle of a target. `dueAt` is null while it is paused.")
class SlaTimer:
    agreement: Agreement
    policy: str = strawberry.field(description="The policy's name.")
    target: Target
    cycle: int
    state: TimerState
    started_at: datetime
    due_at: datetime | None
    stopped_at: datetime | None
    breached_at: datetime | None
    target_minutes: float = told(
        lambda row: float(row.target_minutes), description="Of working time, on the ticket's calendar."
    )


@strawberry.type(description="When a school is open. `definition` is what REST shows of it.")
class SchoolCalendar(Node):
    id: strawberry.ID = global_id("SchoolCalendar")
    calendar_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    name: str
    version: int
    definition: JSON


@strawberry.type(description="Targets by priority for the tickets that match.")
class SlaPolicy(Node):
    id: strawberry.ID = global_id("SlaPolicy")
    policy_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    name: str
    kind: Agreement
    version: int
    position: int
    active: bool
    calendar_id: strawberry.ID | None
    matches: JSON
    targets: JSON
    rules: JSON


@strawberry.type
class Query:
    @field(graphql_type=list[SlaPolicy] | None, description="In the order in which they are tried.")
    async def sla_policies(self, info: Info) -> object:
        async with info.context.read() as read:
            return await policies.policies(read)

    @field(graphql_type=list[SchoolCalendar] | None, description="Every calendar, by name.")
    async def calendars(self, info: Info) -> object:
        async with info.context.read() as read:
            return await calendars.calendars(read)

    @field(graphql_type=SchoolCalendar | None, description="One calendar.")
    async def calendar(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await calendars.calendar_by_id(read, number_in(id, "SchoolCalendar"))
