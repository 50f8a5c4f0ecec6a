"""What follows when a command moves from one state to another: its version, its ticket, whoever waits for it.

Secrets go through here too: they are sealed from the moment that they are known, and no log line, note or
event ever holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select

from service.assets.models import Asset
from service.core.outbox import enqueue
from service.core.vault import KeyMissing, Vault
from service.core.work import Work
from service.mdm.command_rules import ENDED
from service.mdm.command_words import sentence
from service.mdm.models import CommandState, MdmCommand, MdmConnection
from service.mdm.vendors import WALKED
from service.tickets import actions, inputs
from service.tickets.queries import language_of_notes

LONGEST_DETAIL: Final = 500
RESULTS: Final[Mapping[CommandState, str]] = {
    CommandState.SUCCEEDED: "ok",
    CommandState.FAILED: "failed",
    CommandState.EXPIRED: "expired",
    CommandState.CANCELLED: "failed",
    CommandState.UNSUPPORTED: "unsupported",
    CommandState.UNVERIFIABLE: "unverifiable",
    CommandState.REFUSED: "refused",
}
"""The words that playbooks know."""
PERHAPS_DONE: Final = frozenset({CommandState.UNVERIFIABLE, CommandState.EXPIRED})
VERIFIED: Final = frozenset({CommandState.SUCCEEDED, CommandState.UNVERIFIABLE})
READ_AFTER: Final = tuple(timedelta(seconds=each) for each in (20, 60, 150, 270, 570, 870, 1770))
"""Within the times that playbooks give an action to show: 5, 10, 15 and 30 minutes."""
TOLD_ON_TICKET: Final = ENDED | {CommandState.WAITING}
log = structlog.get_logger()


async def move(
    work: Work,
    command: MdmCommand,
    state: CommandState,
    *,
    detail: str | None = None,
    next_look_at: datetime | None = None,
) -> None:
    """Bring a locked command into a state. An end forgets secret arguments, goes on the ticket, and is told
    to the playbook that waits for it.
    """
    command.state, command.version = state, command.version + 1
    command.detail = detail[:LONGEST_DETAIL] if detail else None
    command.lease_until, command.looks, command.next_look_at = None, 0, next_look_at
    if state in ENDED:
        if state in PERHAPS_DONE:
            offer_pin(command)
        command.ended_at, command.next_look_at, command.sealed = work.now, None, None
    await work.session.flush()
    work.version = command.version
    log.info(
        "mdm_command_moved",
        command=command.id,
        verb=command.verb.value,
        state=state.value,
        by=work.actor.person_id or work.actor.name,
    )
    await follow(work, command)


async def follow(work: Work, command: MdmCommand) -> None:
    """What a command's new state means to its ticket and its playbook."""
    if command.state in TOLD_ON_TICKET:
        await _note(work, command)
    if command.state in ENDED and command.action_id is not None:
        await enqueue(
            work,
            "playbooks.hear",
            action_id=command.action_id,
            result=RESULTS[command.state],
            detail=command.detail,
        )
        await _have_it_read(work, command)


async def _have_it_read(work: Work, command: MdmCommand) -> None:
    """A playbook looks whether it helped, and only managements that are asked say so: ask while it may wait.
    Not where one look is a walk through all devices; there the next sync tells.
    """
    if command.asset_id is None or command.state not in VERIFIED:
        return
    vendor = select(MdmConnection.vendor).where(MdmConnection.id == command.connection_id)
    if await work.session.scalar(vendor) in WALKED:
        return
    for after in READ_AFTER:
        at = work.now + after
        await enqueue(work, "mdm.read_device", at=at, asset_id=command.asset_id, facts=[])


async def _note(work: Work, command: MdmCommand) -> None:
    if command.ticket_id is None:
        return
    language = await language_of_notes(work, command.ticket_id)
    tag = await work.session.scalar(select(Asset.tag).where(Asset.id == command.asset_id))
    body = sentence(
        language,
        command.verb,
        command.state,
        tag=tag or "—",
        number=command.id,
        detail=command.detail,
        secret=command.told is not None,
    )
    await actions.note(work.as_desk(), command.ticket_id, inputs.Note(body=body))


def secrets_in(vault: Vault, sealed: bytes | None) -> dict[str, str]:
    """None where there are none, or where the key that sealed them is gone."""
    if sealed is None:
        return {}
    try:
        return vault.open(sealed)
    except KeyMissing:
        log.warning("mdm_secret_lost")
        return {}


def offer_pin(command: MdmCommand) -> None:
    """A PIN that may lock a device by now can be read, once."""
    if command.attempts and command.told is None and command.told_at is None:
        command.told = command.sealed


def keep_told(vault: Vault, command: MdmCommand, *secrets: Mapping[str, str]) -> None:
    """Seal what somebody may have to read, later ones before earlier ones. What was read already is not
    offered again, unless there is more by now.
    """
    found = {name: value for each in secrets for name, value in each.items() if value}
    if not found:
        return
    unread = secrets_in(vault, command.told)
    command.told = vault.seal({**unread, **found})
    command.told_at = command.told_to_id = None
