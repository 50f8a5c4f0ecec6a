"""The HTTP door to port commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from service.core.fields import Id
from service.monitoring import commanding
from service.monitoring.models import CommandState, NetworkCommand
from service.monitoring.port_rules import PortVerb
from service.web import Cursor, Limit, Reading, RowId, Working, door, refusals

router = door("/network", "network")


class NetworkCommandOut(BaseModel):
    """What was done to a port, and how it ended. `before` is what stood there before anything was written."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    device_id: int
    port_key: str
    verb: PortVerb
    reason: str | None
    action_id: int | None
    state: CommandState
    detail: str | None
    before: dict[str, Any] | None
    asked_by_id: int | None
    asked_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


class NetworkCommandPage(BaseModel):
    items: list[NetworkCommandOut]
    next_cursor: str | None


@router.post(
    "/devices/{device}/commands",
    operation_id="askForPortCommand",
    summary="Have a port cycled, enabled or disabled",
    status_code=202,
    response_model=NetworkCommandOut,
    responses=refusals(404, 409),
)
async def ask_for_port_command(
    device: RowId, wanted: commanding.AskForPortCommand, work: Working
) -> NetworkCommand:
    return await commanding.ask_for_port_command(work, device, wanted)


@router.get(
    "/commands",
    operation_id="listPortCommands",
    summary="Port commands, newest first",
    response_model=NetworkCommandPage,
    responses=refusals(),
)
async def list_commands(
    read: Reading,
    device_id: Id | None = None,
    state: CommandState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> object:
    page = await commanding.commands_page(read, device_id=device_id, state=state, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.get(
    "/commands/{command}",
    operation_id="getPortCommand",
    summary="A port command and how it ended",
    response_model=NetworkCommandOut,
    responses=refusals(404),
)
async def get_command(command: RowId, read: Reading) -> object:
    return await commanding.command_by_id(read, command)
