"""Playbooks command devices exactly as people do: the same rules, the same row, the same outcome.

An action that destroys has been approved within its playbook. That counts as the second person's word where
whose run it is is known, and the approver is somebody else who may approve commands (a lead, an admin); else
the command waits for such a person here. So there are two people in all, always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from integrations.mdm.port import RISKS, Verb
from service.core.errors import Conflict, Invalid, Refusal
from service.core.outbox import enqueue
from service.core.work import Work
from service.mdm.access import CONFIGURING
from service.mdm.command_changes import RESULTS, move
from service.mdm.command_rules import FORMS, NOTHING, needs_second_person
from service.mdm.command_targets import CommandsOff, CommandUnsupported, NotManaged, asset_row
from service.mdm.commanding import Wished, keep, lock_device, take
from service.mdm.models import CommandState, MdmCommand
from service.people.models import Person

VERBS: Final[Mapping[str, Verb]] = {verb.value: verb for verb in Verb} | {"retire": Verb.UNENROL}
"""By the names that playbooks have for them."""
UNSUPPORTED: Final = NotManaged, CommandsOff, CommandUnsupported
REASON: Final = "Asked for by guided help."
WITHDRAWN: Final = "The guided help that asked for it went on without it."


@dataclass(frozen=True, slots=True)
class Behind:
    """Whose run the action belongs to, who approved it there, and on which ticket."""

    asked_by_id: int | None = None
    approver_ids: Sequence[int] = ()
    ticket_id: int | None = None


async def take_action(
    work: Work, action_id: int, asset_id: int | None, arguments: Mapping[str, Any], key: str, behind: Behind
) -> None:
    """A playbook wants a device commanded, once for its key. What stands against it is its result."""
    earlier = await work.session.scalar(select(MdmCommand).where(MdmCommand.key == key))
    if earlier is not None:
        if earlier.state in RESULTS:
            await _hear(work, action_id, RESULTS[earlier.state], earlier.detail)
        return
    asset = None if asset_id is None else await asset_row(work, asset_id)
    if asset is None:
        await _hear(work, action_id, "unsupported", "No device is named.")
        return
    verb = VERBS.get(str(arguments.get("command")))
    if verb is None:
        told = "No device management that is connected here does that."
        await _hear(work, action_id, "unsupported", told)
        return
    wished = await _wished(work, verb, action_id, arguments, key, behind)
    try:
        await take(work, asset, wished)
    except (Conflict, Invalid) as refusal:
        await keep(work, asset, wished, target=None, state=_end_of(refusal), detail=refusal.detail)


async def withdraw_action(
    work: Work, action_id: int, asset_id: int | None, arguments: Mapping[str, Any], key: str | None
) -> None:
    """A playbook does not wait for its command any more. One that comes later, for its job was held up, finds
    its key used.
    """
    if asset_id is not None:
        await lock_device(work, asset_id)
    await withdraw_of_action(work, action_id)
    asset = None if asset_id is None else await asset_row(work, asset_id)
    verb = VERBS.get(str(arguments.get("command")))
    if key is None or asset is None or verb is None:
        return
    wished = Wished(verb=verb, arguments={}, reason=REASON, asked_by_id=None, action_id=action_id, key=key)
    await keep(work, asset, wished, target=None, state=CommandState.CANCELLED, detail=WITHDRAWN)


async def withdraw_of_action(work: Work, action_id: int) -> None:
    """What was not sent never is."""
    query = select(MdmCommand).where(
        MdmCommand.action_id == action_id,
        MdmCommand.state.in_([CommandState.WAITING, CommandState.QUEUED]),
    )
    for command in list(await work.session.scalars(query.with_for_update())):
        await move(work, command, CommandState.CANCELLED, detail=WITHDRAWN)


async def _wished(
    work: Work, verb: Verb, action_id: int, arguments: Mapping[str, Any], key: str, behind: Behind
) -> Wished:
    takes = FORMS.get(verb, NOTHING).takes
    asker, approver = behind.asked_by_id, None
    if needs_second_person(RISKS[verb]):
        asker, approver = await _people(work, behind)
    return Wished(
        verb=verb,
        arguments={name: str(arguments[name]) for name in ("message",) if name in takes & arguments.keys()},
        reason=REASON,
        asked_by_id=asker,
        approved_by_id=approver,
        ticket_id=behind.ticket_id,
        action_id=action_id,
        key=key,
    )


async def _people(work: Work, behind: Behind) -> tuple[int | None, int | None]:
    """Who asked, and who agreed to it; never one person for both. Where nobody is known to have asked, who
    approved it in the playbook counts as that.
    """
    query = select(Person.id).where(
        Person.id.in_(behind.approver_ids), Person.active, Person.role.in_(CONFIGURING)
    )
    able = set((await work.session.scalars(query)).all())
    approvers = list(behind.approver_ids)
    asker = behind.asked_by_id or next(iter(approvers), None)
    return asker, next((one for one in approvers if one in able and one != asker), None)


def _end_of(refusal: Refusal) -> CommandState:
    if isinstance(refusal, UNSUPPORTED):
        return CommandState.UNSUPPORTED
    return CommandState.FAILED if isinstance(refusal, Invalid) else CommandState.REFUSED


async def _hear(work: Work, action_id: int, result: str, detail: str | None) -> None:
    await enqueue(work, "playbooks.hear", action_id=action_id, result=result, detail=detail)
