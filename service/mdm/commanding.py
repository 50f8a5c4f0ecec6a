"""Commands to devices: what may be asked of which, and the row that keeps it.

A command is a row from the moment that it is asked for; it is sent by the job `mdm.send`, and followed until
it ends. Nothing here speaks with a vendor.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from integrations.mdm.port import RISKS, Risk, Verb
from service.assets.models import Asset
from service.core.actor import Scope
from service.core.errors import Conflict, FieldError, Invalid, NotFound, require
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.vault import open_vault
from service.core.work import Work
from service.mdm.access import COMMANDS, CONFIGURES, may_command, may_configure
from service.mdm.command_changes import follow
from service.mdm.command_inputs import AskCommand
from service.mdm.command_rules import (
    COOLDOWNS,
    DAY,
    IN_FLIGHT,
    INVERSES,
    MOST_DESTRUCTIVE_A_DAY,
    REFUSING_TESTS,
    WAITS_FOR_A_PERSON,
    Earlier,
    alike,
    in_the_way,
    misfits,
    needs_second_person,
    takes_pin,
)
from service.mdm.command_targets import Target, asset_row, target_of
from service.mdm.models import CommandState, MdmCommand
from service.places.decided import testing_now
from service.tickets.queries import ticket_rights

SAFETY: Final = timedelta(minutes=1)
"""After which a command that nobody took up is taken up again."""
log = structlog.get_logger()


class CommandTooSoon(Conflict):
    code = "command_too_soon"
    title = "The same was asked of this device a short time ago."


class TooManyCommands(Conflict):
    code = "too_many_commands"
    title = "That is as much as one person may have destroyed in a day."


class DuringTest(Conflict):
    code = "testing_now"
    title = "A test is being taken at this device's school. Wait until it is over."


@dataclass(frozen=True, slots=True)
class Wished:
    """A command as one of its doors wants it. `asked_by_id` None: by nobody in particular. `approved_by_id`
    is a second person who has agreed already. `key` makes it one.
    """

    verb: Verb
    arguments: Mapping[str, str]
    reason: str
    asked_by_id: int | None
    pin: SecretStr | None = None
    ticket_id: int | None = None
    connection_id: int | None = None
    during_testing: bool = False
    approved_by_id: int | None = None
    action_id: int | None = None
    bulk_id: int | None = None
    key: str | None = None
    wait: timedelta = field(default=timedelta(0))

    @property
    def risk(self) -> Risk:
        return RISKS[self.verb]


@once(MdmCommand)
async def ask_command(work: Work, asset_tag: str, wanted: AskCommand) -> MdmCommand:
    """Have a device do something. Refused where it is not managed, commands are off, the vendor cannot, the
    same is under way or was done a short time ago, or a test is being taken.
    """
    require(may_command(work.actor), COMMANDS)
    if wanted.during_testing:
        require(may_configure(work.actor), CONFIGURES)
    asset = await _asset(work, asset_tag)
    if wanted.ticket is not None:
        await _ticket(work, wanted.ticket)
    wished = Wished(
        verb=wanted.verb,
        arguments=wanted.arguments.plain(),
        reason=wanted.reason,
        asked_by_id=work.actor.person_id,
        pin=wanted.arguments.pin,
        ticket_id=wanted.ticket,
        connection_id=wanted.connection_id,
        during_testing=wanted.during_testing,
    )
    made = await take(work, asset, wished)
    assert made is not None
    work.version = made.version
    return made


async def take(work: Work, asset: Any, wished: Wished) -> MdmCommand | None:
    """Keep a command and have it sent, if nothing stands against it; a Refusal says what does. None where its
    key was used before.
    """
    await lock_device(work, asset.id)
    target = await target_of(work, asset, wished.verb, wished.connection_id)
    await may_be_asked(work, target, wished)
    waits = needs_second_person(wished.risk) and wished.approved_by_id is None
    state = CommandState.WAITING if waits else CommandState.QUEUED
    command = await keep(work, asset, wished, target=target, state=state)
    if command is not None and state is CommandState.QUEUED and not wished.wait:
        await enqueue(work, "mdm.send", command_id=command.id)
    return command


async def lock_device(work: Work, asset_id: int) -> None:
    """One at a time decides about the commands of a device."""
    await work.session.execute(select(Asset.id).where(Asset.id == asset_id).with_for_update(key_share=True))


async def may_be_asked(work: Work, target: Target, wished: Wished) -> None:
    """Nothing, or the Refusal that stands against it. The device is locked."""
    given = {**wished.arguments, **({} if wished.pin is None else {"pin": wished.pin.get_secret_value()})}
    wrong = misfits(wished.verb, given, target.vendor, target.platform)
    if wrong:
        fields = [FieldError(f"arguments.{one.argument}", "misfit", one.why) for one in wrong]
        raise Invalid(wrong[0].why, fields=fields)
    earlier = await _earlier(work, target.asset.id, wished)
    found = in_the_way(wished.verb, wished.risk, earlier, work.now)
    if found is not None:
        raise CommandTooSoon(found[1])
    minds = wished.risk in REFUSING_TESTS and not wished.during_testing
    if minds and await testing_now(work, target.asset.school_id):
        raise DuringTest
    if wished.risk is Risk.DESTRUCTIVE and wished.asked_by_id is not None and wished.bulk_id is None:
        await _within_the_day(work, wished.asked_by_id)


async def _earlier(work: Work, asset_id: int, wished: Wished) -> list[Earlier]:
    """What the device was told that may stand in the way: the same, and what undoes it."""
    query = (
        select(MdmCommand.id, MdmCommand.verb, MdmCommand.state, MdmCommand.sent_at)
        .where(
            MdmCommand.asset_id == asset_id,
            MdmCommand.verb.in_(alike(wished.verb) | INVERSES.get(wished.verb, frozenset())),
            MdmCommand.state.in_(IN_FLIGHT)
            | (MdmCommand.sent_at > work.now - COOLDOWNS[wished.risk] - timedelta(seconds=1)),
        )
        .order_by(MdmCommand.id.desc())
        .limit(200)
    )
    return [Earlier(*row) for row in (await work.session.execute(query)).all()]


async def _within_the_day(work: Work, person_id: int) -> None:
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"mdm destroys {person_id}", 0))
    await work.session.execute(select(lock))
    query = select(func.count()).where(
        MdmCommand.asked_by_id == person_id,
        MdmCommand.risk == Risk.DESTRUCTIVE,
        MdmCommand.bulk_id.is_(None),
        MdmCommand.created_at > work.now - DAY,
    )
    if (await work.session.scalar(query) or 0) >= MOST_DESTRUCTIVE_A_DAY:
        raise TooManyCommands(
            f"One person may ask for {MOST_DESTRUCTIVE_A_DAY} commands that destroy data in a day."
        )


async def keep(
    work: Work,
    asset: Any,
    wished: Wished,
    *,
    target: Target | None,
    state: CommandState,
    detail: str | None = None,
) -> MdmCommand | None:
    """The command's row; None where somebody else has just made it under its key. `target` None, with an end
    for a state: one that was never to be sent.
    """
    ended = state not in IN_FLIGHT
    expires = work.now + (WAITS_FOR_A_PERSON if state is CommandState.WAITING else SAFETY)
    row = (
        insert(MdmCommand)
        .values(
            key=wished.key,
            verb=wished.verb,
            risk=wished.risk,
            state=state,
            asset_id=asset.id,
            record_id=target.managed.record.id if target else None,
            connection_id=target.managed.connection.id if target else None,
            school_id=asset.school_id,
            ticket_id=wished.ticket_id,
            action_id=wished.action_id,
            bulk_id=wished.bulk_id,
            arguments=dict(wished.arguments),
            sealed=_sealed_pin(wished, target) if target and not ended else None,
            reason=wished.reason,
            detail=detail,
            asked_by_id=wished.asked_by_id,
            decided_by_id=wished.approved_by_id,
            decided_at=work.now if wished.approved_by_id is not None else None,
            during_testing=wished.during_testing,
            created_at=work.now,
            ended_at=work.now if ended else None,
            next_look_at=None if ended else (work.now + wished.wait if wished.wait else expires),
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(MdmCommand.id)
    )
    made = await work.session.scalar(row)
    if made is None:
        return None
    command = await work.session.get_one(MdmCommand, made)
    log.info(
        "mdm_command_asked",
        command=made,
        verb=wished.verb.value,
        asset=asset.tag,
        state=state.value,
        by=wished.asked_by_id,
        ticket=wished.ticket_id,
        during_testing=wished.during_testing,
    )
    await follow(work, command)
    return command


def _sealed_pin(wished: Wished, target: Target) -> bytes | None:
    if not takes_pin(wished.verb, target.vendor, target.platform):
        return None
    pin = wished.pin.get_secret_value() if wished.pin else f"{secrets.randbelow(10**6):06}"
    return open_vault().seal({"pin": pin})


async def _asset(work: Work, tag: str) -> Any:
    """What is commanded must be visible too: to the desk everything is that the directory has."""
    require(work.actor.holds(Scope.DIRECTORY_READ))
    found = await work.session.scalar(select(Asset.id).where(Asset.tag == tag))
    if found is None:
        raise NotFound("There is no device with this tag.")
    return await asset_row(work, found)


async def _ticket(work: Work, number: int) -> None:
    try:
        await ticket_rights(work, number)
    except NotFound:
        told = f"There is no ticket {number} that you can see."
        raise Invalid.field("ticket", told, "unknown_ticket") from None
