"""Commands to ports: power taken away and given back, a port enabled or disabled. Off by default.

A command is a row from the moment that it is asked for; it is sent at most once, by the job
`monitoring.run_command`, whatever crashes in between.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from service.assets.facts import FactIn, keep_facts
from service.core.errors import Conflict, NotFound, require
from service.core.fields import Input, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.monitoring.access import RUNS, SEES, may_run_network, may_see_network
from service.monitoring.models import CommandState, NetworkCommand
from service.monitoring.port_finding import (
    PortPlace,
    cycles,
    device_row,
    port_in,
    port_of_asset,
    situation,
    states_now,
)
from service.monitoring.port_rules import PortVerb, Refused, refusal
from service.people.tokens import int_key

SECONDS: Final = 5
LONGEST_PAUSE: Final = 60
RESULTS: Final[Mapping[CommandState, str]] = {
    CommandState.DONE: "ok",
    CommandState.FAILED: "failed",
    CommandState.REFUSED: "refused",
    CommandState.UNVERIFIABLE: "unverifiable",
}
COMMAND: Final = list(NetworkCommand.__table__.c)


class PortCommandRefused(Conflict):
    code = "port_command_refused"
    title = "This port may not be switched."


class PortCommandUnsupported(Conflict):
    code = "port_command_unsupported"
    title = "This port cannot be switched from here."


class AskForPortCommand(Input):
    """A command to one port, with the reason that is kept with it."""

    verb: PortVerb = Field(
        description="`cycle` takes the port's power away for 5 seconds and gives it back.", examples=["cycle"]
    )
    port_key: Line = Field(description="The port, as the device's list of ports has it.", examples=["1/0/7"])
    reason: Line = Field(examples=["The access point of room 12 hangs"])


@once(NetworkCommand)
async def ask_for_port_command(work: Work, device_id: int, wanted: AskForPortCommand) -> NetworkCommand:
    """Have a port cycled, enabled or disabled. PortCommandRefused, PortCommandUnsupported."""
    require(may_run_network(work.actor), RUNS)
    place = PortPlace(device_id, wanted.port_key)
    refused = await why_not(work, wanted.verb, place)
    if refused is not None:
        kind = PortCommandUnsupported if refused.result == "unsupported" else PortCommandRefused
        raise kind(refused.why)
    command = NetworkCommand(
        key=uuid.uuid4().hex,
        device_id=device_id,
        port_key=wanted.port_key,
        verb=wanted.verb.value,
        reason=wanted.reason,
        state=CommandState.WAITING,
        asked_by_id=work.actor.person_id,
        asked_at=work.now,
    )
    work.session.add(command)
    await work.session.flush()
    await enqueue(work, "monitoring.run_command", command_id=command.id, target_id=None, seconds=SECONDS)
    return command


async def why_not(eyes: Eyes, verb: PortVerb, place: PortPlace) -> Refused | None:
    """Why a command must not be sent to a port, as far as is known of it. NotFound for no such device."""
    device = await device_row(eyes, place.device_id)
    if device is None:
        raise NotFound("There is no such network device.")
    return refusal(verb, await situation(eyes, device, port_in(device, place.port_key), place))


async def take_cycle(
    work: Work, action_id: int, asset_id: int | None, arguments: Mapping[str, Any], key: str
) -> None:
    """A playbook wants the port of an asset's device cycled, once for its key."""
    earlier = await work.session.scalar(select(NetworkCommand).where(NetworkCommand.key == key))
    if earlier is not None:
        await tell(work, earlier, RESULTS.get(earlier.state))
        return
    place = await _place(work, asset_id, arguments)
    if isinstance(place, str):
        await _hear(work, action_id, "unsupported", place)
        return
    refused = await why_not(work, PortVerb.CYCLE, place)
    command = await _kept(work, place, action_id, key, refused)
    if command is None:
        return
    if refused is not None:
        await tell(work, command, refused.result)
        return
    seconds = min(max(int(arguments.get("seconds", SECONDS)), 1), LONGEST_PAUSE)
    await enqueue(
        work, "monitoring.run_command", command_id=command.id, target_id=place.target_id, seconds=seconds
    )


async def _place(work: Work, asset_id: int | None, arguments: Mapping[str, Any]) -> PortPlace | str:
    """The port that the arguments name, else the asset's."""
    device_id, port_key = arguments.get("device_id"), arguments.get("port_key")
    if device_id is not None and port_key is not None:
        if await device_row(work, int(device_id)) is None:
            return "There is no such network device."
        return PortPlace(int(device_id), str(port_key))
    return "No device is named." if asset_id is None else await port_of_asset(work, asset_id)


async def _kept(
    work: Work, place: PortPlace, action_id: int, key: str, refused: Refused | None
) -> NetworkCommand | None:
    """The command's row; None where somebody else has just made it."""
    ended = refused is not None
    row = (
        insert(NetworkCommand)
        .values(
            key=key,
            device_id=place.device_id,
            port_key=place.port_key,
            verb=PortVerb.CYCLE.value,
            action_id=action_id,
            state=CommandState.REFUSED if ended else CommandState.WAITING,
            detail=refused.why if refused else None,
            asked_at=work.now,
            ended_at=work.now if ended else None,
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(NetworkCommand.id)
    )
    made = await work.session.scalar(row)
    return None if made is None else await work.session.get(NetworkCommand, made)


async def tell(work: Work, command: NetworkCommand, result: str | None) -> None:
    """Whoever waits for the command hears how it ended; nobody where it has not."""
    if command.action_id is not None and result is not None:
        await _hear(work, command.action_id, result, command.detail)


async def _hear(work: Work, action_id: int, result: str, detail: str | None) -> None:
    await enqueue(work, "playbooks.hear", action_id=action_id, result=result, detail=detail)


async def keep_port_facts(work: Work, asset_id: int) -> None:
    """What a playbook may ask of the port on which an asset hangs: power, link, whether it may be cycled."""
    facts = await port_facts(work, asset_id)
    if facts:
        await keep_facts(work, asset_id, "snmp", facts)


async def port_facts(eyes: Eyes, asset_id: int) -> list[FactIn]:
    """`net.poe`, `net.port_up`, `net.port_enabled` and `port.oper_status` (ifOperStatus in words) as last
    seen, `net.poe_cycle_allowed` and `net.poe_cycles_24h` as of now; nothing where the port is not known.
    """
    place = await port_of_asset(eyes, asset_id)
    if isinstance(place, str):
        return []
    device = await device_row(eyes, place.device_id)
    port = port_in(device, place.port_key)
    may = refusal(PortVerb.CYCLE, await situation(eyes, device, port, place)) is None
    count = await cycles(eyes, (place.device_id, place.port_key))
    found: dict[str, tuple[Any, Any]] = {
        "net.poe_cycle_allowed": (may, eyes.now),
        "net.poe_cycles_24h": (count, eyes.now),
    }
    if port is not None:
        admin, oper, power, as_of = await states_now(eyes, device, port)
        found["net.poe"] = (power, as_of)
        found["net.port_up"] = (None if oper is None else oper == "up", as_of)
        found["port.oper_status"] = (None if oper is None else str(oper), as_of)
        found["net.port_enabled"] = (None if admin is None else admin == "up", as_of)
    return [
        FactIn(name=name, value=value, as_of=min(as_of, eyes.now))
        for name, (value, as_of) in found.items()
        if value is not None and as_of is not None
    ]


async def commands_page(
    eyes: Eyes,
    *,
    device_id: int | None = None,
    state: CommandState | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Commands, newest first."""
    require(may_see_network(eyes.actor), SEES)
    query = select(*COMMAND).order_by(NetworkCommand.id.desc())
    if device_id is not None:
        query = query.where(NetworkCommand.device_id == device_id)
    if state is not None:
        query = query.where(NetworkCommand.state == state)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(NetworkCommand.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def command_by_id(eyes: Eyes, command_id: int) -> Any:
    require(may_see_network(eyes.actor), SEES)
    row = (await eyes.db.execute(select(*COMMAND).where(NetworkCommand.id == command_id))).first()
    if row is None:
        raise NotFound("There is no such command.")
    return row
