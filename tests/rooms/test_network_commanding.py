"""Port commands: which may be sent, how they are sent once, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from procrastinate import JobContext
from procrastinate.jobs import Job
from sqlalchemy import delete, select, text

from integrations.snmp.agent import Status, Type
from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import DeviceKind, Identity, LinkState, Port, Reading
from integrations.snmp.storing import reading_to_json
from integrations.snmp.target import Credential, Silent, SnmpError, Target, Version
from integrations.snmp.transport import Transport
from integrations.snmp.watch import Watch
from service.assets.models import Asset
from service.core.actor import SYSTEM, Role
from service.core.database import make_engine
from service.core.errors import Forbidden, NotFound
from service.core.outbox import jobs
from service.core.settings import settings
from service.core.vault import Vault, new_key
from service.core.work import Resources, Work
from service.monitoring.commanding import (
    AskForPortCommand,
    PortCommandRefused,
    PortCommandUnsupported,
    ask_for_port_command,
    command_by_id,
    commands_page,
    take_cycle,
)
from service.monitoring.field_jobs import cycle_port
from service.monitoring.models import (
    CommandState,
    NetworkCommand,
    NetworkDevice,
    NetworkLink,
    NetworkParent,
    NetworkWatch,
    ReachBy,
    ReachState,
    SnmpCredential,
    SnmpState,
)
from service.monitoring.network import Network
from service.monitoring.port_rules import Behind, PortVerb, Situation, refusal
from service.monitoring.port_running import run_command
from service.monitoring.port_writing import (
    ADMIN,
    NAME,
    POWER_ADMIN,
    POWER_STATE,
    Before,
    Moved,
    Pace,
    PortWriter,
    Result,
)
from tests import makers
from tests.simulated import DELIVERING, SEARCHING, PoweredSwitch, switch_tree, work_off

QUICK = Pace(between=0.02, longest=0.3)
PORT = Port(
    key="1",
    index=1,
    name="1",
    description="Port 1",
    poe_index="1.1",
    poe_admin=True,
    poe_state="delivering",
    admin=LinkState.UP,
    oper=LinkState.UP,
)
FREE = Situation(commands_on=True, may_write=True, port=PORT)
OFF_THEN_ON = [(f"{POWER_ADMIN}.1.1", 2), (f"{POWER_ADMIN}.1.1", 1)]


# Which commands may be sent.


def refused(verb: PortVerb = PortVerb.CYCLE, **given: Any) -> str | None:
    found = refusal(verb, replace(FREE, **given))
    return found.result if found else None


def test_a_port_that_gives_power_to_a_phone_may_be_cycled() -> None:
    assert refused() is None
    assert refused(behind=[Behind(7, DeviceKind.PHONE)], target_id=7, macs=2) is None


@pytest.mark.parametrize(
    "given",
    [
        {"commands_on": False},
        {"may_write": False},
        {"port": None},
        {"port": replace(PORT, poe_index=None)},
    ],
)
def test_what_cannot_be_done_here_is_unsupported(given: dict[str, Any]) -> None:
    assert refused(**given) == "unsupported"


@pytest.mark.parametrize(
    "given",
    [
        {"is_uplink": True},
        {"is_uplink": True, "behind": [Behind(7, DeviceKind.ACCESS_POINT)], "target_id": 7},
        {"has_bridge": True},
        {"behind": [Behind(7, DeviceKind.SWITCH)]},
        {"behind": [Behind(7, DeviceKind.SWITCH)], "target_id": 7},
        {"macs": 5},
        {"is_important": True},
        {"is_important": True, "behind": [Behind(7, DeviceKind.PHONE)], "target_id": 8},
        {"cycles": 3},
        {"cycles": 3, "behind": [Behind(7, DeviceKind.PHONE)], "target_id": 7},
        {"port": replace(PORT, poe_admin=False)},
        {"macs": 5, "behind": [Behind(7, DeviceKind.PHONE), Behind(8, DeviceKind.PHONE)], "target_id": 7},
    ],
)
def test_what_must_not_be_done_is_refused(given: dict[str, Any]) -> None:
    assert refused(**given) == "refused"


def test_the_port_of_the_very_access_point_may_be_cycled_whatever_hangs_on_its_radio() -> None:
    meant = {"behind": [Behind(7, DeviceKind.ACCESS_POINT)], "has_bridge": True, "macs": 40}
    assert refused(**meant, is_important=True, target_id=7) is None
    assert refused(**meant, is_important=True) is None
    assert refused(**meant, target_id=8) == "refused"


def test_a_port_may_always_be_enabled_but_not_every_one_disabled() -> None:
    assert refused(PortVerb.ENABLE, is_uplink=True, macs=99, is_important=True) is None
    assert refused(PortVerb.DISABLE, is_uplink=True) == "refused"
    assert refused(PortVerb.DISABLE, port=replace(PORT, poe_index=None)) is None
    assert refused(PortVerb.ENABLE, commands_on=False) == "unsupported"


# What is sent to the switch.


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport()
    yield made
    await made.close()


@pytest.fixture
async def switch() -> AsyncIterator[PoweredSwitch]:
    agent = PoweredSwitch(switch_tree())
    agent.start()
    yield agent
    agent.stop()


def writer(transport: Any, switch: PoweredSwitch, port: Port = PORT, pace: Pace = QUICK) -> PortWriter:
    reading = Target(switch.address, Credential(Version.V2C, "public"), switch.port, timeout=0.15, retries=1)
    writing = replace(reading, credential=Credential(Version.V2C, "private"))
    return PortWriter(transport, reading, writing, port, pace)


async def test_power_goes_off_and_comes_back(transport: Transport, switch: PoweredSwitch) -> None:
    one = writer(transport, switch)
    before = await one.before()
    assert before == Before(admin=1, power_admin=1, power_state=DELIVERING)
    ended = await one.cycle(before, 0.02)
    assert ended.result is Result.OK
    assert switch.written == OFF_THEN_ON
    assert switch.power("1.1") == (Type.INTEGER, DELIVERING)


async def test_a_device_that_takes_no_power_any_more_is_a_failure(
    transport: Transport, switch: PoweredSwitch
) -> None:
    switch.dead = True
    one = writer(transport, switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert ended.result is Result.FAILED
    assert switch.written == OFF_THEN_ON


async def test_a_port_that_delivered_nothing_before_cannot_be_verified(
    transport: Transport, switch: PoweredSwitch
) -> None:
    switch.dead = True
    switch.tree.set(f"{POWER_STATE}.1.1", Type.INTEGER, SEARCHING)
    one = writer(transport, switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert ended.result is Result.UNVERIFIABLE
    assert switch.written == OFF_THEN_ON


async def test_a_credential_that_may_not_write_changes_nothing(
    transport: Transport, switch: PoweredSwitch
) -> None:
    switch.write.clear()
    one = writer(transport, switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert ended.result is Result.FAILED
    assert switch.written == []
    assert switch.power("1.1") == (Type.INTEGER, DELIVERING)


async def test_a_switch_that_refuses_to_switch_on_again_is_asked_three_times_and_it_is_told(
    transport: Transport, switch: PoweredSwitch
) -> None:
    switch.rules.refuses = lambda oid, value: Status.COMMIT_FAILED if value == 1 else None
    one = writer(transport, switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert ended.result is Result.FAILED
    assert "could not be switched on again" in ended.detail
    assert switch.written == OFF_THEN_ON[:1]


class Lossy:
    """The real transport whose answers to SETs never arrive, and which tells what was sent."""

    def __init__(self, transport: Transport, *, obeys: bool = True, lost: int = 99) -> None:
        self._transport = transport
        self._obeys = obeys
        self.lost = lost
        self.sets: list[Any] = []

    async def get(self, target: Target, oids: Any) -> Any:
        return await self._transport.get(target, oids)

    async def set(self, target: Target, values: Any) -> None:
        self.sets.append({oid: value for oid, (_, value) in values.items()})
        if self._obeys:
            await self._transport.set(target, values)
        if self.lost:
            self.lost -= 1
            raise SnmpError("The answer was lost.")


async def test_a_lost_answer_is_followed_by_a_look_not_by_another_set(
    transport: Transport, switch: PoweredSwitch
) -> None:
    lossy = Lossy(transport)
    one = writer(lossy, switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert ended.result is Result.OK
    assert switch.written == OFF_THEN_ON
    assert len(lossy.sets) == 2


async def test_a_lost_set_that_was_not_obeyed_is_not_sent_again(
    transport: Transport, switch: PoweredSwitch
) -> None:
    lossy = Lossy(transport, obeys=False)
    one = writer(lossy, switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert ended.result is Result.FAILED
    assert lossy.sets == [{f"{POWER_ADMIN}.1.1": 2}]
    assert switch.written == []


class Deaf(Lossy):
    """Three questions after the first SET are not answered."""

    unheard = 3

    async def get(self, target: Target, oids: Any) -> Any:
        if self.sets and self.unheard:
            self.unheard -= 1
            raise Silent("Nothing answers.")
        return await super().get(target, oids)


async def test_a_switch_that_falls_silent_right_after_the_set_gets_its_power_back_when_it_returns(
    transport: Transport, switch: PoweredSwitch
) -> None:
    one = writer(Deaf(transport, lost=0), switch)
    ended = await one.cycle(await one.before(), 0.01)
    assert switch.written == OFF_THEN_ON
    assert ended.result is Result.UNVERIFIABLE


async def test_a_cycle_that_was_interrupted_gives_power_back_and_never_takes_it_again(
    transport: Transport, switch: PoweredSwitch
) -> None:
    one = writer(transport, switch)
    before = await one.before()
    switch.tree.set(f"{POWER_ADMIN}.1.1", Type.INTEGER, 2)
    switch.tree.set(f"{POWER_STATE}.1.1", Type.INTEGER, 1)
    assert (await one.resume(before)).result is Result.OK
    assert switch.written == OFF_THEN_ON[1:]
    assert (await one.resume(before)).result is Result.UNVERIFIABLE
    assert switch.written == OFF_THEN_ON[1:]


async def test_a_cancelled_cycle_gives_power_back(transport: Transport, switch: PoweredSwitch) -> None:
    one = writer(transport, switch)
    first = asyncio.Event()
    hook = switch.on_set
    assert hook is not None

    def heard(agent: Any, oid: str, value: Any) -> None:
        hook(agent, oid, value)
        first.set()

    switch.on_set = heard
    task = asyncio.create_task(one.cycle(await one.before(), 30))
    await asyncio.wait_for(first.wait(), 5)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert switch.written == OFF_THEN_ON


async def test_ports_that_were_renumbered_are_not_written(
    transport: Transport, switch: PoweredSwitch
) -> None:
    switch.tree.set(f"{NAME}.1", Type.OCTETS, b"24")
    with pytest.raises(Moved):
        await writer(transport, switch).before()
    assert switch.written == []


async def test_a_port_is_disabled_and_enabled_and_read_back(
    transport: Transport, switch: PoweredSwitch
) -> None:
    one = writer(transport, switch)
    assert (await one.switch(PortVerb.DISABLE)).result is Result.OK
    assert (await one.switch(PortVerb.DISABLE)).result is Result.OK
    assert (await one.switched(PortVerb.DISABLE)).result is Result.OK
    assert (await one.switched(PortVerb.ENABLE)).result is Result.FAILED
    assert (await one.switch(PortVerb.ENABLE)).result is Result.OK
    assert switch.written == [(f"{ADMIN}.1", 2), (f"{ADMIN}.1", 1)]


# A command on its way, with the database.


class Closet:
    """A switch that is watched, with what hangs on it; all of it is taken out of the database afterwards."""

    def __init__(self, resources: Resources, network: Network, switch: PoweredSwitch) -> None:
        self.resources = resources
        self.network = network
        self.switch = switch
        self.made: list[tuple[Any, int]] = []

    async def stands(self) -> Closet:
        async with self.resources.begin(SYSTEM) as work:
            self.reads = await self._credential(work, "public", writes=False)
            self.writes = await self._credential(work, "private", writes=True)
            self.asset = await makers.make_asset(work)
            self.device = await self._device(work, self.switch.address, self.switch.port, DeviceKind.SWITCH)
            self.device.write_credential_id = self.writes
            self.phone = await self._device(work, "127.77.0.1", 161, DeviceKind.PHONE)
            self.phone.asset_id = self.asset.id
            parent = {"device_id": self.phone.id, "parent_id": self.device.id, "parent_port": "1"}
            work.session.add(NetworkParent(**parent, by_hand=False))
        return self

    async def _credential(self, work: Work, community: str, *, writes: bool) -> int:
        row = SnmpCredential(
            name=makers.unique("credential"),
            version=Version.V2C,
            position=1,
            writes=writes,
            sealed=self.network.vault.seal({"community": community}),
            created_at=work.now,
            changed_at=work.now,
        )
        work.session.add(row)
        await work.session.flush()
        return row.id

    async def _device(self, work: Work, address: str, port: int, kind: DeviceKind) -> NetworkDevice:
        ports = [replace(PORT, key=str(n), index=n, name=str(n), poe_index=f"1.{n}") for n in range(1, 5)]
        reading = Reading(
            "switch", Identity(kind=kind), ports=[replace(one, description=None) for one in ports]
        )
        device = NetworkDevice(
            name=makers.unique("device"),
            address=address,
            port=port,
            kind=kind,
            profile="switch",
            credential_id=self.reads,
            reach_by=ReachBy.SNMP,
            important_ports=[],
            inventory=reading_to_json(reading),
            created_at=work.now,
            discovered_at=work.now,
        )
        work.session.add(device)
        await work.session.flush()
        watch = {"device_id": device.id, "reach": ReachState.UP, "snmp": SnmpState.OK}
        work.session.add(NetworkWatch(**watch, memory={}, counters={}, current={}, last_values=[]))
        return device

    async def ask(self, verb: str = "cycle", port: str = "1") -> int:
        async with self.resources.begin(SYSTEM) as work:
            wanted = AskForPortCommand(verb=PortVerb(verb), port_key=port, reason="It hangs")
            return (await ask_for_port_command(work, self.device.id, wanted)).id

    async def take(self, key: str, asset_id: int | None, **arguments: Any) -> None:
        async with self.resources.begin(SYSTEM) as work:
            await take_cycle(work, ACTION, asset_id, arguments, key)

    async def run(self, command_id: int, target_id: int | None = None) -> NetworkCommand:
        await run_command(self.resources, self.network, command_id, target_id, 0.02, QUICK)
        async with self.resources.begin(SYSTEM) as work:
            return await work.session.get_one(NetworkCommand, command_id)

    async def commands(self) -> list[NetworkCommand]:
        async with self.resources.begin(SYSTEM) as work:
            mine = NetworkCommand.device_id == self.device.id
            return list(
                await work.session.scalars(select(NetworkCommand).where(mine).order_by(NetworkCommand.id))
            )

    async def heard(self) -> list[tuple[str, str]]:
        """What playbooks were told: result and detail."""
        query = text(
            "SELECT args->>'result', args->>'detail' FROM procrastinate_jobs "
            "WHERE task_name = 'playbooks.hear' AND (args->>'action_id')::bigint = :action ORDER BY id"
        )
        async with self.resources.read(SYSTEM) as read:
            return [(row[0], row[1]) for row in (await read.db.execute(query, {"action": ACTION})).all()]

    async def facts(self) -> dict[str, Any]:
        query = text("SELECT name, value FROM asset_facts WHERE asset_id = :asset")
        async with self.resources.read(SYSTEM) as read:
            rows = (await read.db.execute(query, {"asset": self.asset.id})).all()
        return {row[0]: row[1] for row in rows}

    async def falls(self) -> None:
        async with self.resources.begin(SYSTEM) as work:
            for table, column, ids in (
                (NetworkDevice, NetworkDevice.id, [self.device.id, self.phone.id]),
                (SnmpCredential, SnmpCredential.id, [self.reads, self.writes]),
                (Asset, Asset.id, [self.asset.id]),
            ):
                await work.session.execute(delete(table).where(column.in_(ids)))
            names = ["monitoring.run_command", "playbooks.hear"]
            jobs = text("DELETE FROM procrastinate_jobs WHERE task_name = ANY(:names)")
            await work.session.execute(jobs, {"names": names})


ACTION = 900_000_001


@pytest.fixture
async def closet(
    database_url: str, transport: Transport, switch: PoweredSwitch, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Closet]:
    monkeypatch.setenv("FIRSTBELL_NETWORK_COMMANDS", "true")
    settings.cache_clear()
    resources = Resources(engine=make_engine(database_url, pool=4))
    network = Network(transport, load_profiles(), Vault([new_key()]), Watch())
    made = await Closet(resources, network, switch).stands()
    try:
        yield made
    finally:
        await made.falls()
        await resources.close()
        monkeypatch.undo()
        settings.cache_clear()


async def test_a_person_has_a_port_cycled_and_the_row_keeps_all_of_it(closet: Closet) -> None:
    command = await closet.run(await closet.ask())
    assert command.state is CommandState.DONE
    assert command.before == {"admin": 1, "power_admin": 1, "power_state": DELIVERING}
    assert command.sent_at is not None
    assert command.ended_at is not None
    assert closet.switch.written == OFF_THEN_ON
    assert await closet.facts() == {
        "net.poe_cycle_allowed": True,
        "net.poe_cycles_24h": 1,
        "net.port_enabled": True,
        "net.port_up": True,
        "port.oper_status": "up",
        "net.poe": "delivering",
    }


async def test_a_command_that_ended_is_not_done_again(closet: Closet) -> None:
    command_id = await closet.ask()
    await closet.run(command_id)
    await closet.run(command_id)
    assert closet.switch.written == OFF_THEN_ON


async def test_a_playbook_has_its_assets_port_cycled_once_for_its_key_and_hears_of_it(closet: Closet) -> None:
    await closet.take("run 1 restart 1", closet.asset.id, seconds=3)
    await closet.take("run 1 restart 1", closet.asset.id, seconds=3)
    (command,) = await closet.commands()
    assert (command.port_key, command.action_id) == ("1", ACTION)
    assert await closet.heard() == []
    done = await closet.run(command.id, closet.phone.id)
    assert closet.switch.written == OFF_THEN_ON
    assert await closet.heard() == [("ok", done.detail)]
    await closet.take("run 1 restart 1", closet.asset.id, seconds=3)
    assert len(await closet.commands()) == 1
    assert (await closet.heard())[1:] == [("ok", done.detail)]


async def test_workers_do_what_a_playbook_asks_for(closet: Closet, database_url: str) -> None:
    context = JobContext(
        app=jobs,
        job=Job(id=1, queue="desk", lock=None, queueing_lock=None, task_name="monitoring.cycle_port"),
        start_timestamp=0,
        abort_reason=lambda: None,
        additional_context={"resources": closet.resources, "network": closet.network},
    )
    key = "run 9 restart 1"
    await cycle_port(context, ACTION, closet.asset.id, {"seconds": 1}, key)
    await work_off(database_url, closet.resources, closet.network)
    assert closet.switch.written == OFF_THEN_ON
    assert [result for result, _ in await closet.heard()] == ["ok"]
    (command,) = await closet.commands()
    assert (command.key, command.state) == (key, CommandState.DONE)


async def test_a_playbook_is_told_where_there_is_no_port(closet: Closet) -> None:
    async with closet.resources.begin(SYSTEM) as work:
        unknown = (await makers.make_asset(work)).id
    await closet.take("run 2 restart 1", unknown)
    await closet.take("run 3 restart 1", None)
    assert [result for result, _ in await closet.heard()] == ["unsupported", "unsupported"]
    assert await closet.commands() == []


async def test_a_fourth_cycle_in_a_day_is_refused_however_it_is_asked_for(closet: Closet) -> None:
    for _ in range(3):
        await closet.run(await closet.ask())
    with pytest.raises(PortCommandRefused):
        await closet.ask()
    await closet.take("run 4 restart 1", closet.asset.id)
    assert [result for result, _ in await closet.heard()] == ["refused"]
    assert (await closet.commands())[-1].state is CommandState.REFUSED
    assert (await closet.facts())["net.poe_cycle_allowed"] is False
    assert len(closet.switch.written) == 6


async def test_cycles_asked_for_at_once_are_counted_when_they_are_sent(closet: Closet) -> None:
    ids = [await closet.ask() for _ in range(5)]
    ended = [await closet.run(one) for one in ids]
    states = [one.state for one in ended]
    assert states == [CommandState.DONE] * 3 + [CommandState.REFUSED] * 2
    assert len(closet.switch.written) == 6


async def test_one_command_at_a_time_for_each_device(closet: Closet) -> None:
    first, second = await closet.ask(), await closet.ask(port="2")
    async with closet.resources.begin(SYSTEM) as work:
        busy = await work.session.get_one(NetworkCommand, first)
        busy.state, busy.sent_at, busy.before = CommandState.SENT, work.now, {}
    waits = await closet.run(second)
    assert waits.state is CommandState.WAITING
    assert closet.switch.written == []
    async with closet.resources.begin(SYSTEM) as work:
        free = await work.session.get_one(NetworkCommand, first)
        free.state = CommandState.DONE
    assert (await closet.run(second)).state is CommandState.DONE


async def test_two_workers_with_one_command_send_it_once(closet: Closet) -> None:
    command_id = await closet.ask()
    await asyncio.gather(*(closet.run(command_id) for _ in range(4)))
    assert closet.switch.written.count(OFF_THEN_ON[0]) == 1
    assert (await closet.commands())[0].state in (CommandState.DONE, CommandState.UNVERIFIABLE)
    assert closet.switch.power("1.1") == (Type.INTEGER, DELIVERING)


async def test_after_a_crash_between_off_and_on_power_is_given_back(closet: Closet) -> None:
    command_id = await closet.ask()
    async with closet.resources.begin(SYSTEM) as work:
        sent = await work.session.get_one(NetworkCommand, command_id)
        sent.state, sent.sent_at = CommandState.SENT, work.now
        sent.before = {"admin": 1, "power_admin": 1, "power_state": DELIVERING}
    closet.switch.tree.set(f"{POWER_ADMIN}.1.1", Type.INTEGER, 2)
    closet.switch.tree.set(f"{POWER_STATE}.1.1", Type.INTEGER, 1)
    command = await closet.run(command_id)
    assert command.state is CommandState.DONE
    assert closet.switch.written == OFF_THEN_ON[1:]


async def test_a_switch_that_does_not_answer_is_told_and_nothing_is_written(closet: Closet) -> None:
    command_id = await closet.ask()
    closet.switch.unplug()
    command = await closet.run(command_id)
    assert command.state is CommandState.FAILED
    assert "Nothing was changed" in (command.detail or "")
    assert command.sent_at is None
    closet.switch.plug()


async def test_renumbered_ports_are_read_anew_and_not_written(closet: Closet) -> None:
    command_id = await closet.ask()
    closet.switch.tree.set(f"{NAME}.1", Type.OCTETS, b"24")
    command = await closet.run(command_id)
    assert command.state is CommandState.FAILED
    assert closet.switch.written == []
    async with closet.resources.begin(SYSTEM) as work:
        watch = await work.session.get_one(NetworkWatch, closet.device.id)
        assert watch.next_discovery_at is not None


async def test_what_became_forbidden_since_it_was_asked_for_is_not_sent(closet: Closet) -> None:
    command_id = await closet.ask()
    async with closet.resources.begin(SYSTEM) as work:
        link = {"device_id": closet.device.id, "port_key": "1", "rank": 0, "protocol": "lldp"}
        work.session.add(NetworkLink(**link, described={}, is_uplink=True, seen_at=work.now))
    command = await closet.run(command_id)
    assert command.state is CommandState.REFUSED
    assert closet.switch.written == []


async def test_a_port_is_disabled_and_enabled_by_a_person(closet: Closet) -> None:
    off = await closet.run(await closet.ask("disable", "2"))
    on = await closet.run(await closet.ask("enable", "2"))
    assert (off.state, on.state) == (CommandState.DONE, CommandState.DONE)
    assert closet.switch.written == [(f"{ADMIN}.2", 2), (f"{ADMIN}.2", 1)]


async def test_commands_are_off_unless_switched_on(closet: Closet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTBELL_NETWORK_COMMANDS", "false")
    settings.cache_clear()
    with pytest.raises(PortCommandUnsupported):
        await closet.ask()
    await closet.take("run 5 restart 1", closet.asset.id)
    assert [result for result, _ in await closet.heard()] == ["unsupported"]
    assert (await closet.facts()).get("net.poe_cycle_allowed", False) is False


async def test_a_device_without_a_credential_that_writes_cannot_be_commanded(closet: Closet) -> None:
    for credential_id in (None, closet.reads):
        async with closet.resources.begin(SYSTEM) as work:
            device = await work.session.get_one(NetworkDevice, closet.device.id)
            device.write_credential_id = credential_id
        with pytest.raises(PortCommandUnsupported):
            await closet.ask()


async def test_commands_are_listed_newest_first_for_whoever_sees_the_network(closet: Closet) -> None:
    ids = [await closet.ask(port=str(n)) for n in range(1, 4)]
    async with closet.resources.begin(SYSTEM) as work:
        first = await commands_page(work, device_id=closet.device.id, limit=2)
        rest = await commands_page(work, device_id=closet.device.id, limit=2, cursor=first.next_cursor)
        assert [row.id for row in [*first.rows, *rest.rows]] == ids[::-1]
        assert (await command_by_id(work, ids[0])).reason == "It hangs"
        with pytest.raises(NotFound):
            await command_by_id(work, 10**15)
        teacher = await makers.acting(work, actor=makers.as_actor(Role.STAFF))
        with pytest.raises(Forbidden):
            await commands_page(teacher)
        wanted = AskForPortCommand(verb=PortVerb.CYCLE, port_key="1", reason="No")
        with pytest.raises(Forbidden):
            await ask_for_port_command(teacher, closet.device.id, wanted)
