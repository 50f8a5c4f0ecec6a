"""Words on commands that were asked for: a second person's, second thoughts; and their secrets, once."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from service.assets.models import Asset
from service.core.errors import Conflict, Forbidden, NotFound, Stale, require
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.vault import KeyMissing, open_vault
from service.core.work import Work
from service.mdm.access import APPROVES, COMMANDS, may_approve, may_command
from service.mdm.command_changes import move
from service.mdm.command_inputs import ApproveCommand, RefuseCommand
from service.mdm.command_targets import asker_is_active
from service.mdm.commanding import SAFETY, DuringTest
from service.mdm.models import CommandState, MdmCommand
from service.places.decided import testing_now

log = structlog.get_logger()


class NotWaiting(Conflict):
    code = "not_waiting"
    title = "This command does not wait for anybody."


class SecretsGone(Conflict):
    code = "secrets_gone"
    title = "This command's secrets were shown already."


@once(MdmCommand)
async def approve_command(work: Work, command_id: int, wanted: ApproveCommand) -> MdmCommand:
    """Agree, as the second person, to a command that destroys. Forbidden for one's own, by any token."""
    require(may_approve(work.actor), APPROVES)
    command = await command_for_update(work, command_id)
    _is_second(work, command)
    _is_waiting(command)
    await asker_is_active(work, command.asked_by_id)
    stands = select(Asset.school_id).where(Asset.id == command.asset_id)
    if not command.during_testing and await testing_now(work, await work.session.scalar(stands)):
        raise DuringTest
    _decide(work, command, wanted.comment)
    log.info("mdm_command_approved", command=command.id, by=work.actor.person_id)
    next_look_at = work.now + SAFETY
    await move(work, command, CommandState.QUEUED, next_look_at=next_look_at)
    await enqueue(work, "mdm.send", command_id=command.id)
    return command


@once(MdmCommand)
async def refuse_command(work: Work, command_id: int, wanted: RefuseCommand) -> MdmCommand:
    """Do not agree; the reason is kept with the command."""
    require(may_approve(work.actor), APPROVES)
    command = await command_for_update(work, command_id)
    _is_waiting(command)
    _decide(work, command, wanted.reason)
    await move(work, command, CommandState.REFUSED, detail=wanted.reason)
    return command


@once(MdmCommand)
async def cancel_command(work: Work, command_id: int) -> MdmCommand:
    """Take back what one asked for oneself, while it has not been sent."""
    require(may_command(work.actor), COMMANDS)
    command = await command_for_update(work, command_id)
    own = command.asked_by_id is not None and command.asked_by_id == work.actor.person_id
    if not (own or may_approve(work.actor)):
        raise Forbidden("Only who asked for a command takes it back, or a lead.")
    if command.state not in (CommandState.WAITING, CommandState.QUEUED):
        raise NotWaiting("It was sent already, or is over: it cannot be taken back.")
    await move(work, command, CommandState.CANCELLED, detail="It was taken back before it was sent.")
    return command


async def read_secrets(work: Work, command_id: int) -> dict[str, str]:
    """The PIN or code of a command, once: to who asked for it or approved it. SecretsGone the second time.

    What a playbook asked for is read by leads and administrators.
    """
    require(may_command(work.actor), COMMANDS)
    command = await command_for_update(work, command_id)
    me = work.actor.person_id
    hand_in_it = me is not None and me in (command.asked_by_id, command.decided_by_id)
    if not (hand_in_it or (command.action_id is not None and may_approve(work.actor))):
        raise Forbidden("Only who asked for a command or approved it reads its secrets.")
    if command.told is None:
        if command.told_at is not None:
            raise SecretsGone
        raise NotFound("This command has no secrets.")
    try:
        told = open_vault().open(command.told)
    except KeyMissing:
        raise Conflict("The key that these secrets were sealed with is gone.") from None
    command.told, command.told_at, command.told_to_id = None, work.now, me
    command.version += 1
    await work.session.flush()
    work.version = command.version
    log.info("mdm_command_secrets_read", command=command.id, by=me)
    return told


async def command_for_update(work: Work, command_id: int) -> MdmCommand:
    """Locked, and in the version that the caller expects. NotFound, Stale."""
    command = await work.session.get(MdmCommand, command_id, with_for_update=True, populate_existing=True)
    if command is None:
        raise NotFound("There is no such command.")
    expected = work.conditions.expected_version
    if expected is not None and expected != command.version:
        raise Stale
    return command


def _is_waiting(command: MdmCommand) -> None:
    if command.state is not CommandState.WAITING:
        raise NotWaiting


def _is_second(work: Work, command: MdmCommand) -> None:
    me = work.actor.person_id
    if me is None:
        raise Forbidden("A command is approved by a person.")
    if me == command.asked_by_id:
        raise Forbidden("Somebody else must approve what you asked for.")


def _decide(work: Work, command: MdmCommand, words: str | None) -> None:
    command.decided_by_id, command.decided_at, command.decision = work.actor.person_id, work.now, words
