"""The demo's devices over real UDP and TCP: credentials, silence, power over Ethernet, taken ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from integrations.snmp.reading import LinkState
from integrations.snmp.target import Credential, SetType, Silent, Target, Unreachable, Version
from integrations.snmp.transport import Transport
from service.demo.network.models.switches import power_object
from service.demo.network.plays import SchoolNetwork
from service.demo.network.school import READER, READS, WRITER, Device
from tests.integrations.snmp.demo_watching import discovered


def target(device: Device, *, write: bool = False) -> Target:
    assert device.agent is not None
    user = WRITER if write else READER
    credential = Credential(Version.V2C, community=READS)
    if write or device.spec.secure:
        credential = Credential(
            Version.V3,
            user=user.name,
            auth=user.auth,
            auth_password=user.auth_password,
            priv=user.priv,
            priv_password=user.priv_password,
        )
    return Target(device.face.address, credential, device.agent.port, timeout=0.4, retries=0)


@pytest.fixture
async def school() -> AsyncIterator[SchoolNetwork]:
    async with SchoolNetwork(port=0, first="127.21.0.1", boot=0.05) as made:
        yield made


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport() as made:
        yield made


NAME = "1.3.6.1.2.1.1.5.0"


async def test_devices_answer_v2c_or_v3_by_their_credentials(
    school: SchoolNetwork, transport: Transport
) -> None:
    for name in ("kbm-sw-a", "kbm-core"):
        answers = await transport.get(target(school[name]), [NAME])
        assert answers == {NAME: name.encode()}
    plain = Credential(Version.V2C, community=READS)
    core = school["kbm-core"]
    with pytest.raises(Silent):
        await transport.get(
            Target(core.face.address, plain, school.agent("kbm-core").port, timeout=0.2, retries=0), [NAME]
        )


async def test_a_silent_device_is_there_and_an_unplugged_one_is_not(
    school: SchoolNetwork, transport: Transport
) -> None:
    device = school["rhs-printer-library"]
    school.silence(device.name)
    with pytest.raises(Silent):
        await transport.get(target(device), [NAME])
    assert await _rings(device)
    school.speak(device.name)
    assert await transport.get(target(device), [NAME])
    school.unplug(device.name)
    with pytest.raises((Silent, Unreachable)):
        await transport.get(target(device), [NAME])
    assert not await _rings(device)


async def _rings(device: Device) -> bool:
    assert device.agent is not None
    try:
        _, writer = await asyncio.open_connection(device.face.address, device.agent.reach_port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_switching_a_port_off_and_on_restarts_what_it_feeds(
    school: SchoolNetwork, transport: Transport
) -> None:
    switch, point = school["kbm-sw-b"], school["kbm-ap-202"]
    boots = school.agent(point.name).engine.boots
    off = {power_object(point.port): (SetType.INTEGER, 2)}
    on = {power_object(point.port): (SetType.INTEGER, 1)}
    await transport.set(target(switch, write=True), off)
    assert not school.is_on(point.name)
    with pytest.raises((Silent, Unreachable)):
        await transport.get(target(point), [NAME])
    state = discovered(switch)[1].ports[point.port - 1]
    assert (state.poe_admin, state.poe_state, state.oper) == (False, "disabled", LinkState.DOWN)
    await transport.set(target(switch, write=True), on)
    assert not school.is_on(point.name)
    await asyncio.sleep(0.1)
    assert await transport.get(target(point), [NAME]) == {NAME: b"kbm-ap-202"}
    assert school.agent(point.name).engine.boots == boots + 1
    assert discovered(switch)[1].ports[point.port - 1].poe_state == "delivering"


async def test_flapping_ends_with_the_port_up(school: SchoolNetwork) -> None:
    point = school["kbm-ap-201"]
    boots = school.agent(point.name).engine.boots
    await school.flap("kbm-sw-b", point.port, times=2, pause=0.08)
    assert school.is_reached(point.name)
    assert school.agent(point.name).engine.boots == boots + 2


async def test_a_taken_port_is_said_and_leaves_nothing_open(school: SchoolNetwork) -> None:
    taken = school.agent("rhs-nas")
    other = SchoolNetwork(port=taken.port, first="127.21.0.1")
    with pytest.raises(OSError, match="in use"):
        other.start()
    assert all(
        device.agent is None or not device.agent._endpoint.is_open for device in other.devices.values()
    )
