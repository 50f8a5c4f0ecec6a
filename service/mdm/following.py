"""What becomes of commands that were sent: asked for until it is known, or known that it never will be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, text

from integrations.mdm.port import Command, MdmError, Outcome, Platform, Receipt, Verb
from service.core.actor import SYSTEM
from service.core.outbox import enqueue
from service.core.vault import KeyMissing, Vault
from service.core.work import Resources, Work
from service.mdm.command_changes import keep_told, move, offer_pin
from service.mdm.command_rules import (
    ENDED,
    FOLLOWED,
    LOOKS_WHEN_UNSURE,
    SLOWEST,
    STATES,
    WAITS_FOR_A_PERSON,
    Asked,
    Found,
    after_failed_look,
    after_nothing_found,
    given_up_at,
    next_look,
    next_look_for_lost,
)
from service.mdm.connection_listing import LABELS
from service.mdm.models import CommandState, MdmCommand, VendorName
from service.mdm.sending import (
    BAD_SETTINGS,
    TAKEN,
    command_of,
    is_undone,
    managed_of,
    note_trouble,
    queue_again,
    take_receipt,
    turn_for,
    without,
)
from service.mdm.vendors import Managements

BATCH: Final = 10
"""Commands of one connection that are taken up at once: those of one that hangs leave room to the others."""
LOOKING: Final = 90.0
"""Seconds for one look."""
MARGIN: Final = timedelta(seconds=5)
TRIED_AGAIN: Final = timedelta(minutes=1)
UNCONFIRMED: Final = "It may have been done: the answer was lost, and {label} cannot tell."
log = structlog.get_logger()

_DUE: Final = text(
    """
    UPDATE mdm_commands SET next_look_at = :later
    WHERE id IN (
        SELECT id FROM mdm_commands WHERE state < 7 AND next_look_at <= :now AND id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY connection_id ORDER BY next_look_at, id) AS place
                FROM mdm_commands WHERE state < 7 AND next_look_at <= :now
            ) AS due WHERE place <= :batch)
        FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


async def take_up(work: Work) -> int:
    """Every command that is due: sent, looked for, asked about, or given up; how many there were."""
    values = {"now": work.now, "later": work.now + TAKEN, "batch": BATCH}
    due = sorted((await work.session.scalars(_DUE, values)).all())
    rows = await work.session.scalars(
        select(MdmCommand)
        .where(MdmCommand.id.in_(due))
        .order_by(MdmCommand.id)
        .execution_options(populate_existing=True)
    )
    for row in list(rows):
        await _take_up(work, row)
    return len(due)


async def _take_up(work: Work, row: MdmCommand) -> None:
    if row.state is CommandState.WAITING:
        await move(work, row, CommandState.EXPIRED, detail="Nobody approved it within two days.")
    elif row.state is CommandState.QUEUED:
        await enqueue(work, "mdm.send", command_id=row.id)
    else:
        if row.state is CommandState.SENDING:
            told = "Whoever sent it did not come back with an answer."
            offer_pin(row)
            await move(work, row, CommandState.UNSURE, detail=told, next_look_at=work.now + TAKEN)
        await enqueue(work, "mdm.follow", command_id=row.id)


@dataclass(frozen=True, slots=True)
class Followed:
    """A command to look for, or to ask about."""

    id: int
    state: CommandState
    version: int
    looks: int
    handle: str | None
    sent_at: Any
    command: Command
    connection: Any

    @property
    def label(self) -> str:
        return LABELS[self.connection.vendor]


async def follow(resources: Resources, managements: Managements, command_id: int) -> None:
    """One look: for a command whose answer was lost, or at what became of one that was taken."""
    async with turn_for(resources, managements, command_id) as is_ours:
        if is_ours:
            await _look(resources, managements, command_id)


async def _look(resources: Resources, managements: Managements, command_id: int) -> None:
    async with resources.begin(SYSTEM) as work:
        followed = await _followed(work, managements.vault, command_id)
    if followed is None:
        return
    said = await _asked(managements, followed)
    async with resources.begin(SYSTEM) as work:
        await _settle(work, managements.vault, followed, said)


async def _followed(work: Work, vault: Vault, command_id: int) -> Followed | None:
    row = await work.session.get(MdmCommand, command_id, with_for_update=True, populate_existing=True)
    if row is None or row.state not in FOLLOWED:
        return None
    managed = await managed_of(work, row)
    if managed is None:
        told = "The connection by which it was sent is gone: nobody can ask what became of it."
        await move(work, row, CommandState.UNVERIFIABLE, detail=told)
        return None
    if work.now >= given_up_at(row.state, row.risk, row.sent_at or row.created_at):
        await _give_up(work, row, LABELS[managed.connection.vendor])
        return None
    if not managed.connection.enabled or managed.connection.failure == "auth_failed":
        row.next_look_at = work.now + SLOWEST
        return None
    command = command_of(vault, row, managed)
    return Followed(
        row.id, row.state, row.version, row.looks, row.handle, row.sent_at, command, managed.connection
    )


async def _give_up(work: Work, row: MdmCommand, label: str) -> None:
    if row.state is CommandState.UNSURE:
        await move(work, row, CommandState.UNVERIFIABLE, detail=UNCONFIRMED.format(label=label))
        return
    told = f"It still waits at {label}, and may yet be done when the device comes online."
    await move(work, row, CommandState.EXPIRED, detail=told)


Said = Receipt | Outcome | MdmError | None


async def _asked(managements: Managements, one: Followed) -> Said:
    try:
        vendor = managements.vendor(one.connection)
        async with asyncio.timeout(LOOKING):
            if one.state is CommandState.UNSURE:
                return await vendor.recent(one.command, one.sent_at - MARGIN)
            return await vendor.outcome(one.command, one.handle or "")
    except KeyMissing as error:
        return MdmError(str(error))
    except TimeoutError:
        return MdmError("There was no answer in time.")
    except (ValueError, KeyError):
        return MdmError(BAD_SETTINGS)
    except MdmError as error:
        return error


async def _settle(work: Work, vault: Vault, one: Followed, said: Said) -> None:
    row = await work.session.get(MdmCommand, one.id, with_for_update=True, populate_existing=True)
    if row is None or (row.version, row.looks) != (one.version, one.looks):
        return
    if isinstance(said, MdmError):
        await _settle_error(work, row, one, said)
    elif isinstance(said, Receipt):
        log.info("mdm_command_found", command=row.id)
        await take_receipt(work, vault, row, said, one.command)
        _tell_of_lost_pin(row, one)
    elif isinstance(said, Outcome):
        await _settle_outcome(work, vault, row, one, said)
    else:
        await _settle_nothing(work, row, one)


async def _settle_error(work: Work, row: MdmCommand, one: Followed, error: MdmError) -> None:
    await note_trouble(work, one.connection, error)
    words = without(one.command, str(error))
    if after_failed_look(error) is Asked.LATER:
        row.next_look_at = work.now + _patience(work, row)
        row.detail = f"{one.label} could not be asked how it stands: {words}"[:500]
        return
    told = UNCONFIRMED.format(label=one.label)
    if row.state is not CommandState.UNSURE:
        told = f"{one.label} does not say any more what became of it: {words}"
    await move(work, row, CommandState.UNVERIFIABLE, detail=told)


def _patience(work: Work, row: MdmCommand) -> timedelta:
    """Until the next look after one that failed, which is none that found nothing."""
    if row.state is CommandState.UNSURE and row.sent_at is not None:
        return next_look_for_lost(work.now - row.sent_at)
    row.looks += 1
    return max(TRIED_AGAIN, next_look(row.looks))


async def _settle_outcome(work: Work, vault: Vault, row: MdmCommand, one: Followed, outcome: Outcome) -> None:
    state = STATES[outcome.state]
    if state in ENDED:
        keep_told(vault, row, outcome.secrets)
    detail = without(one.command, outcome.detail)[:500] if outcome.detail else None
    if state in ENDED or state is not row.state:
        later = None if state in ENDED else work.now + next_look(one.looks + 1)
        await move(work, row, state, detail=detail, next_look_at=later)
    if state not in ENDED:
        row.looks, row.detail = one.looks + 1, detail
        row.next_look_at = work.now + next_look(row.looks)


async def _settle_nothing(work: Work, row: MdmCommand, one: Followed) -> None:
    """The vendor has no such command, as far as it says now."""
    row.looks += 1
    match after_nothing_found(row.risk, row.looks, row.attempts):
        case Found.NEXT:
            row.next_look_at = work.now + LOOKS_WHEN_UNSURE[row.looks]
        case Found.PERSON:
            row.sent_at = row.decided_by_id = row.decided_at = row.decision = None
            told = f"The answer was lost, and nothing was found at {one.label}: approve it again to send it."
            later = work.now + WAITS_FOR_A_PERSON
            await move(work, row, CommandState.WAITING, detail=told, next_look_at=later)
        case Found.RESEND if await is_undone(work, row):
            told = "It was not taken, and the opposite was asked for meanwhile. It is not sent again."
            await move(work, row, CommandState.FAILED, detail=told)
        case Found.RESEND:
            await queue_again(work, row, f"{one.label} did not take it; it is sent again.")
        case Found.GIVE_UP:
            told = f"It was sent {row.attempts} times, and {one.label} did not take it."
            await move(work, row, CommandState.FAILED, detail=told)


def _tell_of_lost_pin(row: MdmCommand, one: Followed) -> None:
    """Fleet gives the PIN of a lock with the answer, and only then."""
    locks = row.verb in (Verb.LOCK, Verb.DISABLE) and one.command.device.platform is Platform.MACOS
    if one.connection.vendor is VendorName.FLEET and locks and row.told is None:
        row.detail = "Its PIN was in the answer that was lost: look it up at Fleet."
