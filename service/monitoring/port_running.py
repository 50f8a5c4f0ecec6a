"""A port command on its way: looked at again, sent once, read back, told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, update

from integrations.snmp.reading import Port
from integrations.snmp.target import SnmpError, Target
from service.core.actor import SYSTEM
from service.core.outbox import enqueue
from service.core.work import Resources, Work
from service.monitoring.asking import target_of
from service.monitoring.commanding import keep_port_facts, tell
from service.monitoring.models import CommandState, NetworkCommand, NetworkDevice, NetworkWatch
from service.monitoring.network import Network
from service.monitoring.port_finding import PortPlace, device_row, port_in, situation
from service.monitoring.port_rules import PortVerb, refusal
from service.monitoring.port_writing import Before, Ended, Moved, Pace, PortWriter, Result

BUSY_FOR: Final = timedelta(minutes=5)
ASK_AGAIN: Final = timedelta(seconds=15)
PATIENCE: Final = timedelta(minutes=10)
STATES: Final = {
    Result.OK: CommandState.DONE,
    Result.FAILED: CommandState.FAILED,
    Result.UNVERIFIABLE: CommandState.UNVERIFIABLE,
}
ENDED: Final = frozenset(CommandState) - {CommandState.WAITING, CommandState.SENT}
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A command that may be sent, or was sent by somebody who did not see its end."""

    command_id: int
    verb: PortVerb
    port: Port
    reading: Target
    writing: Target
    sent_before: Before | None

    def writer(self, network: Network, pace: Pace) -> PortWriter:
        return PortWriter(network.transport, self.reading, self.writing, self.port, pace)


async def run_command(
    resources: Resources,
    network: Network,
    command_id: int,
    target_id: int | None,
    seconds: float,
    pace: Pace | None = None,
) -> None:
    """Do a command, once. What cannot or must not be done ends it with the reason."""
    async with resources.begin(SYSTEM) as work:
        prepared = await _prepared(work, network, command_id, target_id)
    if prepared is None:
        return
    writer = prepared.writer(network, pace or Pace())
    ended: Ended | None
    if prepared.sent_before is not None:
        ended = await _picked_up(writer, prepared)
    else:
        ended = await _sent(resources, writer, prepared, target_id, seconds)
    if ended is not None:
        async with resources.begin(SYSTEM) as work:
            await _end(work, command_id, STATES[ended.result], ended.detail)


async def _prepared(work: Work, network: Network, command_id: int, target_id: int | None) -> Prepared | None:
    command = await work.session.get(NetworkCommand, command_id, with_for_update=True)
    if command is None or command.state in ENDED:
        return None
    verb = PortVerb(command.verb)
    device = await device_row(work, command.device_id)
    port = port_in(device, command.port_key)
    if command.state is CommandState.WAITING:
        place = PortPlace(command.device_id, command.port_key, target_id)
        refused = refusal(verb, await situation(work, device, port, place))
        if refused is not None:
            await _end(work, command_id, CommandState.REFUSED, refused.why, refused.result)
            return None
    reading = await target_of(work, network.vault, device)
    writing = await target_of(work, network.vault, device, write=True)
    if port is None or reading is None or writing is None:
        await _end(work, command_id, CommandState.FAILED, "The device cannot be asked any more.")
        return None
    before = Before(**(command.before or {})) if command.state is CommandState.SENT else None
    return Prepared(command_id, verb, port, reading, writing, before)


async def _picked_up(writer: PortWriter, prepared: Prepared) -> Ended:
    before = prepared.sent_before or Before()
    if prepared.verb is PortVerb.CYCLE:
        return await writer.resume(before)
    return await writer.switched(prepared.verb)


async def _sent(
    resources: Resources, writer: PortWriter, prepared: Prepared, target_id: int | None, seconds: float
) -> Ended | None:
    """None where it has to wait for another command to the same device, or has ended meanwhile."""
    try:
        before = await writer.before()
    except Moved:
        await _look_anew(resources, prepared.command_id)
        return Ended(Result.FAILED, "The device's ports have other numbers by now; they are read anew.")
    except SnmpError as error:
        return Ended(Result.FAILED, f"The device cannot be read ({error.reason}). Nothing was changed.")
    wrong = _unfit(prepared.verb, before)
    if wrong is not None:
        return wrong
    async with resources.begin(SYSTEM) as work:
        if not await _mark_sent(work, prepared, before, target_id, seconds):
            return None
    if prepared.verb is PortVerb.CYCLE:
        return await writer.cycle(before, seconds)
    return await writer.switch(prepared.verb)


def _unfit(verb: PortVerb, before: Before) -> Ended | None:
    """What the device says just before stands against it."""
    if verb is not PortVerb.CYCLE:
        told = "The device does not say whether the port is enabled. Nothing was changed."
        return Ended(Result.FAILED, told) if before.admin is None else None
    if before.power_admin is None:
        return Ended(
            Result.FAILED, "The device does not say whether the port gives power. Nothing was changed."
        )
    if before.power_admin != 1:
        return Ended(
            Result.FAILED, "Power is switched off on this port, so it stays off. Nothing was changed."
        )
    return None


async def _mark_sent(
    work: Work, prepared: Prepared, before: Before, target_id: int | None, seconds: float
) -> bool:
    """From here on it counts as sent. One at a time for each device, and the rules hold at this instant."""
    command = await work.session.get_one(NetworkCommand, prepared.command_id)
    await work.session.get_one(NetworkDevice, command.device_id, with_for_update=True)
    command = await work.session.get_one(
        NetworkCommand, prepared.command_id, with_for_update=True, populate_existing=True
    )
    if command.state is not CommandState.WAITING:
        return False
    if await _is_busy(work, command.device_id):
        await _wait(work, command, target_id, seconds)
        return False
    device = await device_row(work, command.device_id)
    place = PortPlace(command.device_id, command.port_key, target_id)
    refused = refusal(prepared.verb, await situation(work, device, prepared.port, place))
    if refused is not None:
        await _end(work, command.id, CommandState.REFUSED, refused.why, refused.result)
        return False
    command.state, command.before, command.sent_at = CommandState.SENT, before.to_json(), work.now
    await work.session.flush()
    return True


async def _is_busy(work: Work, device_id: int) -> bool:
    query = select(NetworkCommand.id).where(
        NetworkCommand.device_id == device_id,
        NetworkCommand.state == CommandState.SENT,
        NetworkCommand.sent_at > work.now - BUSY_FOR,
    )
    return await work.session.scalar(query.limit(1)) is not None


async def _wait(work: Work, command: NetworkCommand, target_id: int | None, seconds: float) -> None:
    if work.now - command.asked_at > PATIENCE:
        told = "Other commands to this device took too long. Nothing was changed."
        await _end(work, command.id, CommandState.FAILED, told)
        return
    at = work.now + ASK_AGAIN
    await enqueue(
        work, "monitoring.run_command", at=at, command_id=command.id, target_id=target_id, seconds=seconds
    )


async def _end(
    work: Work, command_id: int, state: CommandState, detail: str, result: str | None = None
) -> None:
    """Keep how it ended, tell whoever waits, look at the device soon, bring the port's facts up to date."""
    command = await work.session.get(NetworkCommand, command_id, with_for_update=True, populate_existing=True)
    if command is None or command.state in ENDED:
        return
    command.state, command.detail, command.ended_at = state, detail, work.now
    await work.session.flush()
    words: dict[Any, str] = {CommandState.DONE: "ok"}
    await tell(work, command, result or words.get(state, state.value))
    if state is CommandState.FAILED:
        log.warning("port_command_failed", command=command.id, device_id=command.device_id, detail=detail)
    if command.sent_at is not None:
        await _poll_soon(work, command.device_id)
    await _keep_facts(work, command)


async def _poll_soon(work: Work, device_id: int) -> None:
    watch = update(NetworkWatch).where(NetworkWatch.device_id == device_id)
    await work.session.execute(watch.values(next_poll_at=work.now))


async def _look_anew(resources: Resources, command_id: int) -> None:
    async with resources.begin(SYSTEM) as work:
        command = await work.session.get_one(NetworkCommand, command_id)
        watch = update(NetworkWatch).where(NetworkWatch.device_id == command.device_id)
        await work.session.execute(watch.values(next_discovery_at=work.now))


async def _keep_facts(work: Work, command: NetworkCommand) -> None:
    """For every asset whose device hangs on the port."""
    device = await device_row(work, command.device_id)
    port = port_in(device, command.port_key)
    place = PortPlace(command.device_id, command.port_key)
    behind = (await situation(work, device, port, place)).behind
    query = select(NetworkDevice.asset_id).where(
        NetworkDevice.id.in_([one.device_id for one in behind]), NetworkDevice.asset_id.is_not(None)
    )
    for asset_id in (await work.session.scalars(query)).all():
        if asset_id is not None:
            await keep_port_facts(work, asset_id)
