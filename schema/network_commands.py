"""Port commands: power taken away and given back, ports enabled and disabled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from schema.changes import changed
from schema.context import Info
from schema.errors import UserError
from schema.nodes import Connection, PageInfo, field, mutation, number_in, page_size, told
from schema.places import cursor_after
from schema.ticket_inputs import Once, mirrors, wanted
from service.monitoring import commanding
from service.monitoring.models import CommandState
from service.monitoring.port_rules import PortVerb


@strawberry.type(description="Something that was done to a port, and how it ended.")
class NetworkCommand:
    command_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    device_id: strawberry.ID
    port_key: str
    verb: PortVerb
    reason: str | None
    action_id: int | None = strawberry.field(description="The playbook's action that it is for.")
    state: CommandState
    detail: str | None
    before: JSON | None = strawberry.field(description="What stood there before anything was written.")
    asked_by_id: strawberry.ID | None
    asked_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


@strawberry.type
class NetworkCommandEdge:
    cursor: str
    node: NetworkCommand


@strawberry.type
class NetworkCommandConnection:
    nodes: list[NetworkCommand]
    edges: list[NetworkCommandEdge]
    page_info: PageInfo


@mirrors(commanding.AskForPortCommand, "AskForPortCommandInput")
class AskForPortCommand(Once):
    id: strawberry.ID = strawberry.field(description="Of the device.")
    verb: PortVerb
    port_key: str
    reason: str


@strawberry.type
class NetworkCommandPayload:
    command: NetworkCommand | None
    user_errors: list[UserError]


@strawberry.type
class Query:
    @field(graphql_type=NetworkCommandConnection | None, description="Port commands, newest first.")
    async def network_commands(
        self,
        info: Info,
        device_id: strawberry.ID | None = None,
        state: CommandState | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        device = number_in(device_id, "NetworkDevice", "device_id") if device_id is not None else None
        async with info.context.read() as read:
            page = await commanding.commands_page(
                read, device_id=device, state=state, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=NetworkCommand | None, description="A port command and how it ended.")
    async def network_command(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await commanding.command_by_id(read, number_in(id, "NetworkCommand"))


@strawberry.type
class Mutation:
    @mutation(description="Have a port cycled, enabled or disabled.")
    async def ask_for_port_command(self, info: Info, input: AskForPortCommand) -> NetworkCommandPayload:
        def arguments() -> list[Any]:
            device = number_in(input.id, "NetworkDevice")
            return [device, wanted(input, commanding.AskForPortCommand)]

        row: Any
        row, errors = await changed(info, input, commanding.ask_for_port_command, arguments)
        return NetworkCommandPayload(command=row, user_errors=errors)
