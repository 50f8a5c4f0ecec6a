"""The HTTP door to commands: asked for, approved, withdrawn, followed; and to bulk commands."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from service.core.fields import Line
from service.core.paging import MAX_PAGE
from service.mdm import bulks, commanding
from service.mdm import command_deciding as deciding
from service.mdm import command_listing as listing
from service.mdm import command_wire as wire
from service.mdm.command_inputs import ApproveCommand, AskCommand, RefuseCommand
from service.web import Cursor, Json, Limit, Reading, RowId, Working, door, paged, refusals

router = door("/mdm", "device management")
TagPath = Annotated[Line, Path(examples=["CB-00017"])]


class CommandList(listing.CommandFilter):
    """A list: what it is narrowed to, its page."""

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=500, description="`next_cursor` of the page before.")


async def _shown(work: Working, command_id: int, status: int = 200) -> Json:
    return Json(wire.command(await listing.command_shown(work, command_id)), status)


@router.post(
    "/assets/{tag}/commands",
    operation_id="askMdmCommand",
    summary="Have a device do something",
    description="What destroys data waits for a second person. The outcome is read with the command.",
    status_code=202,
    response_model=wire.MdmCommandOut,
    responses=refusals(404, 409),
)
async def ask_command(tag: TagPath, wanted: AskCommand, work: Working) -> Json:
    return await _shown(work, (await commanding.ask_command(work, tag, wanted)).id, 202)


@router.get(
    "/commands",
    operation_id="listMdmCommands",
    summary="Commands to devices, newest first",
    response_model=wire.MdmCommandPage,
    responses=refusals(),
)
async def list_commands(wanted: Annotated[CommandList, Query()], read: Reading) -> Json:
    page = await listing.commands_page(read, wanted, limit=wanted.limit, cursor=wanted.cursor)
    return Json(paged(page, wire.command))


@router.get(
    "/commands/{command}",
    operation_id="getMdmCommand",
    summary="A command, and what became of it",
    response_model=wire.MdmCommandOut,
    responses=refusals(404),
)
async def get_command(command: RowId, read: Reading) -> Json:
    return Json(wire.command(await listing.command_by_id(read, command)))


@router.post(
    "/commands/{command}/approve",
    operation_id="approveMdmCommand",
    summary="Agree, as the second person, to a command that destroys",
    response_model=wire.MdmCommandOut,
    responses=refusals(404, 409, 412),
)
async def approve_command(command: RowId, wanted: ApproveCommand, work: Working) -> Json:
    return await _shown(work, (await deciding.approve_command(work, command, wanted)).id)


@router.post(
    "/commands/{command}/refuse",
    operation_id="refuseMdmCommand",
    summary="Do not agree to a command",
    response_model=wire.MdmCommandOut,
    responses=refusals(404, 409, 412),
)
async def refuse_command(command: RowId, wanted: RefuseCommand, work: Working) -> Json:
    return await _shown(work, (await deciding.refuse_command(work, command, wanted)).id)


@router.post(
    "/commands/{command}/cancel",
    operation_id="cancelMdmCommand",
    summary="Take back a command that was not sent yet",
    response_model=wire.MdmCommandOut,
    responses=refusals(404, 409, 412),
)
async def cancel_command(command: RowId, work: Working) -> Json:
    return await _shown(work, (await deciding.cancel_command(work, command)).id)


@router.post(
    "/commands/{command}/secrets",
    operation_id="readMdmCommandSecrets",
    summary="Read the PIN or code of a command, once",
    description="To who asked for the command or approved it. The answer is kept nowhere, and an "
    "`Idempotency-Key` does not bring it back.",
    response_model=wire.MdmSecretsOut,
    responses=refusals(404, 409, 412),
)
async def read_secrets(command: RowId, work: Working) -> Json:
    return Json(wire.told_secrets(command, await deciding.read_secrets(work, command)))


@router.post(
    "/bulk-commands",
    operation_id="proposeMdmBulk",
    summary="Draw up one command for many devices; nothing is sent before it is confirmed",
    status_code=201,
    response_model=wire.MdmBulkOut,
    responses=refusals(409),
)
async def propose_bulk(wanted: bulks.ProposeBulk, work: Working) -> Json:
    made = await bulks.propose_bulk(work, wanted)
    return Json(wire.bulk(await listing.bulk_shown(work, made.id)), 201)


@router.get(
    "/bulk-commands",
    operation_id="listMdmBulks",
    summary="Bulk commands, newest first",
    response_model=wire.MdmBulkPage,
    responses=refusals(),
)
async def list_bulks(read: Reading, limit: Limit = 50, cursor: Cursor = None) -> Json:
    page = await listing.bulks_page(read, limit=limit, cursor=cursor)
    return Json(paged(page, wire.bulk_listed))


@router.get(
    "/bulk-commands/{bulk}",
    operation_id="getMdmBulk",
    summary="A bulk command, its devices, and how far it is",
    response_model=wire.MdmBulkOut,
    responses=refusals(404),
)
async def get_bulk(bulk: RowId, read: Reading) -> Json:
    return Json(wire.bulk(await listing.bulk_by_id(read, bulk)))


@router.post(
    "/bulk-commands/{bulk}/confirm",
    operation_id="confirmMdmBulk",
    summary="Have a bulk command done, to the devices as they were shown",
    description="They are read again before anything is sent; if they are others by then, nothing is.",
    status_code=202,
    response_model=wire.MdmBulkOut,
    responses=refusals(404, 409, 412),
)
async def confirm_bulk(bulk: RowId, wanted: bulks.ConfirmBulk, work: Working) -> Json:
    made = await bulks.confirm_bulk(work, bulk, wanted)
    return Json(wire.bulk(await listing.bulk_shown(work, made.id)), 202)
