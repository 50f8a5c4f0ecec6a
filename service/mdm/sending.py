"""Sending a command, once: claimed in one transaction, sent outside of any, settled in another.

Between the claim and the settling nobody knows whether the vendor has it. Whatever happens in between (a lost
answer, a killed worker), the command is looked for before anybody thinks of sending it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, select, update

from integrations.mdm.asking import redacted
from integrations.mdm.port import (
    AuthFailed,
    Command,
    Enrolment,
    ManagedDevice,
    MdmError,
    RateLimited,
    Receipt,
    Transient,
    Vendor,
)
from service.core.actor import SYSTEM
from service.core.outbox import enqueue
from service.core.vault import KeyMissing, Vault
from service.core.work import Resources, Work
from service.mdm.command_changes import keep_told, move, offer_pin, secrets_in
from service.mdm.command_rules import (
    CHECKED_BEFORE,
    FOLLOWED,
    IN_FLIGHT,
    INVERSES,
    LOOKS_WHEN_UNSURE,
    REFUSING_TESTS,
    UNSENT_ENDS,
    Then,
    after_failed_send,
    after_receipt,
    for_vendor,
    given_up_at,
    next_look,
    next_try,
)
from service.mdm.command_targets import asset_row, unfit
from service.mdm.connection_listing import LABELS
from service.mdm.models import CommandState, MdmCommand, MdmConnection
from service.mdm.queries import Managed, record_with_connection
from service.mdm.records import from_json
from service.mdm.turns import LATER
from service.mdm.vendors import Managements
from service.places.decided import testing_now

LEASE: Final = timedelta(minutes=5)
TAKEN: Final = timedelta(minutes=3)
"""For so long nobody else takes up a command that was handed out."""
CHECKING: Final = 90.0
SENDING: Final = 150.0
"""Seconds for the look at the device before, and for the sending: together well within the lease."""
GONE: Final = "The connection or the record by which it was asked for is gone."
BAD_SETTINGS: Final = "The settings of the connection are not complete or not right."
"""A setting's own words may hold a secret, and are not told."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command that is ours to send, to the device as last known. `checks`: that is read again first."""

    id: int
    attempts: int
    checks: bool
    command: Command
    connection: Any


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why the command must not be sent after all; nothing was."""

    why: str


Said = Receipt | MdmError | Unfit


async def send(resources: Resources, managements: Managements, command_id: int) -> None:
    """Send a queued command, unless somebody else does; keep what the vendor said."""
    async with turn_for(resources, managements, command_id) as is_ours:
        if is_ours:
            await _send(resources, managements, command_id)


@asynccontextmanager
async def turn_for(resources: Resources, managements: Managements, command_id: int) -> AsyncIterator[bool]:
    """Whether it is the command's turn at its connection; where it is not, it is taken up again soon."""
    async with resources.read(SYSTEM) as read:
        query = select(MdmCommand.connection_id).where(MdmCommand.id == command_id)
        connection_id = (await read.db.execute(query)).scalar()
    async with managements.turns.of(connection_id) as is_ours:
        if not is_ours:
            async with resources.begin(SYSTEM) as work:
                await _put_off(work, command_id)
        yield is_ours


async def _put_off(work: Work, command_id: int) -> None:
    """Not while it is being sent: then the time of its next look is the end of a lease; and not where a
    vendor has asked for patience.
    """
    soon = work.now + LATER
    handed_out = update(MdmCommand).where(
        MdmCommand.id == command_id,
        MdmCommand.state.in_([CommandState.QUEUED, *FOLLOWED]),
        MdmCommand.next_look_at.between(soon, work.now + TAKEN),
    )
    await work.session.execute(
        handed_out.values(next_look_at=soon), execution_options={"synchronize_session": False}
    )


async def _send(resources: Resources, managements: Managements, command_id: int) -> None:
    async with resources.begin(SYSTEM) as work:
        claimed = await _claim(work, managements.vault, command_id)
    if claimed is None:
        return
    said = await _asked(managements, claimed)
    async with resources.begin(SYSTEM) as work:
        await _settle(work, managements.vault, claimed, said)


async def _claim(work: Work, vault: Vault, command_id: int) -> Claimed | None:
    """From here on it counts as sent. None where it is not ours to send, or must not be sent any more."""
    row = await work.session.get(MdmCommand, command_id, with_for_update=True, populate_existing=True)
    if row is None or row.state is not CommandState.QUEUED:
        return None
    managed = await managed_of(work, row)
    if await _is_ended(work, row, managed) or managed is None:
        return None
    row.state, row.version, row.attempts = CommandState.SENDING, row.version + 1, row.attempts + 1
    row.sent_at, row.lease_until = work.now, work.now + LEASE
    row.next_look_at, row.detail = row.lease_until, None
    await work.session.flush()
    log.info("mdm_command_sending", command=row.id, verb=row.verb.value, attempt=row.attempts)
    command = command_of(vault, row, managed)
    return Claimed(row.id, row.attempts, row.risk in CHECKED_BEFORE, command, managed.connection)


async def managed_of(work: Work, row: MdmCommand) -> Managed | None:
    return None if row.record_id is None else await record_with_connection(work, row.record_id)


def command_of(vault: Vault, row: MdmCommand, managed: Managed) -> Command:
    """As the adapter takes it, with the secret arguments that are kept still."""
    arguments = for_vendor(row.arguments) | secrets_in(vault, row.sealed)
    return Command(row.verb, from_json(managed.record.record), arguments)


async def _is_ended(work: Work, row: MdmCommand, managed: Managed | None) -> bool:
    """Whether something has come in the way since it was asked for; then that is its end."""
    unsent = _unsent(row)
    if work.now >= given_up_at(row.state, row.risk, row.decided_at or row.created_at):
        told = f"The device management could not be asked in time. {unsent}"
        await move(work, row, CommandState.EXPIRED, detail=told)
        return True
    if await is_undone(work, row):
        told = f"The opposite was asked for meanwhile. {unsent}"
        await move(work, row, CommandState.CANCELLED, detail=told)
        return True
    asset = await asset_row(work, row.asset_id) if row.asset_id is not None else None
    if managed is None or asset is None:
        await move(work, row, CommandState.FAILED, detail=f"{GONE} {unsent}")
        return True
    if managed.record.asset_id != row.asset_id:
        told = f"The record by which it was asked for is another device's now. {unsent}"
        await move(work, row, CommandState.FAILED, detail=told)
        return True
    refusal = unfit(managed, asset, row.verb)
    if refusal is not None:
        await move(work, row, CommandState.FAILED, detail=f"{refusal.detail} {unsent}")
        return True
    minds = row.risk in REFUSING_TESTS and not row.during_testing
    if minds and await testing_now(work, asset.school_id):
        told = f"A test is being taken at this device's school. {unsent}"
        await move(work, row, CommandState.REFUSED, detail=told)
        return True
    return False


def _unsent(row: MdmCommand) -> str:
    return "It was not sent again." if row.attempts else "Nothing was sent."


async def is_undone(work: Work, row: MdmCommand) -> bool:
    """Whether the opposite was asked for since: what comes late must not have the last word."""
    query = select(MdmCommand.id).where(
        MdmCommand.asset_id == row.asset_id,
        MdmCommand.id > row.id,
        MdmCommand.verb.in_(INVERSES.get(row.verb, ())),
        MdmCommand.state.not_in(UNSENT_ENDS),
    )
    return await work.session.scalar(query.limit(1)) is not None


async def _asked(managements: Managements, claimed: Claimed) -> Said:
    """What the vendor says to it; errors are values here."""
    try:
        vendor = managements.vendor(claimed.connection)
    except KeyMissing as error:
        return Unfit(str(error))
    except MdmError as error:
        return unsent(error)
    except (ValueError, KeyError):
        return Unfit(BAD_SETTINGS)
    command = claimed.command
    if claimed.checks:
        device = await _read_again(vendor, command.device)
        if not isinstance(device, ManagedDevice):
            return device
        command = replace(command, device=device)
    try:
        async with asyncio.timeout(SENDING):
            return await vendor.send(command)
    except TimeoutError:
        return Transient("There was no answer in time.")
    except MdmError as error:
        return error


async def _read_again(vendor: Vendor, known: ManagedDevice) -> ManagedDevice | MdmError | Unfit:
    """The device as its management has it now, if it is the one that was meant."""
    try:
        async with asyncio.timeout(CHECKING):
            device = await vendor.device(known.external_id)
    except TimeoutError:
        return unsent(Transient("There was no answer in time."))
    except MdmError as error:
        return unsent(error)
    if device.external_id != known.external_id or device.serial != known.serial:
        return Unfit("It is another device now: its serial number is not the one that was known.")
    if device.enrolment is Enrolment.UNENROLLED:
        return Unfit("The device has left its management.")
    return device


def unsent(error: MdmError) -> MdmError:
    error.sent = False
    return error


async def _settle(work: Work, vault: Vault, claimed: Claimed, said: Said) -> None:
    row = await work.session.get(MdmCommand, claimed.id, with_for_update=True, populate_existing=True)
    if row is None or row.attempts != claimed.attempts:
        return
    if isinstance(said, Receipt):
        if row.state in (CommandState.SENDING, CommandState.UNSURE):
            await take_receipt(work, vault, row, said, claimed.command)
        return
    if row.state is not CommandState.SENDING:
        return
    if isinstance(said, Unfit):
        row.attempts -= 1
        await move(work, row, CommandState.FAILED, detail=f"{said.why} {_unsent(row)}")
        return
    await _settle_error(work, row, claimed, said)


async def _settle_error(work: Work, row: MdmCommand, claimed: Claimed, error: MdmError) -> None:
    detail = f"{LABELS[claimed.connection.vendor]}: {without(claimed.command, str(error))}"
    await note_trouble(work, claimed.connection, error)
    match after_failed_send(error):
        case Then.LOOK:
            offer_pin(row)
            first = work.now + LOOKS_WHEN_UNSURE[0]
            await move(work, row, CommandState.UNSURE, detail=detail, next_look_at=first)
        case Then.AGAIN:
            tries = row.looks + 1
            asked_for = error.retry_after if isinstance(error, RateLimited) else None
            row.attempts, row.sent_at = row.attempts - 1, None
            again = work.now + next_try(tries, asked_for)
            await move(work, row, CommandState.QUEUED, detail=detail, next_look_at=again)
            row.looks = tries
        case Then.UNSUPPORTED:
            await move(work, row, CommandState.UNSUPPORTED, detail=detail)
        case Then.FAIL:
            await move(work, row, CommandState.FAILED, detail=detail)


async def take_receipt(work: Work, vault: Vault, row: MdmCommand, receipt: Receipt, command: Command) -> None:
    """The vendor has it: keep by what its outcome is asked for, and what somebody may have to know."""
    state = after_receipt(receipt.state, receipt.handle)
    row.handle = receipt.handle
    ours = secrets_in(vault, row.sealed) if row.told_at is None else {}
    keep_told(vault, row, ours, receipt.secrets)
    row.sealed = None
    detail = without(command, receipt.detail) if receipt.detail else None
    looks = work.now + next_look(0) if state in IN_FLIGHT else None
    await move(work, row, state, detail=detail, next_look_at=looks)


def without(command: Command, words: str) -> str:
    """A vendor's words, without the PIN that was sent with the command."""
    return redacted(words, [command.arguments.get("pin", "")])


async def note_trouble(work: Work, connection: Any, error: MdmError) -> None:
    """Credentials that are refused stop everything that is asked by itself, until somebody sees to them; not
    where somebody has since the connection (a row with its columns) was read.
    """
    if not isinstance(error, AuthFailed):
        return
    asked = update(MdmConnection).where(
        MdmConnection.id == connection.id, MdmConnection.version == connection.version
    )
    began = func.coalesce(MdmConnection.failing_since, work.now)
    await work.session.execute(
        asked.values(failure=AuthFailed.reason, failure_detail=str(error), failing_since=began),
        execution_options={"synchronize_session": False},
    )


async def queue_again(work: Work, row: MdmCommand, detail: str | None) -> None:
    """Have it sent once more, at once."""
    row.sent_at = row.handle = None
    await move(work, row, CommandState.QUEUED, detail=detail, next_look_at=work.now + LEASE)
    await enqueue(work, "mdm.send", command_id=row.id)
