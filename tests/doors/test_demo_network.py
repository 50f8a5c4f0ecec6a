"""The demo's network as `firstbell up --demo` founds and runs it, over real UDP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from integrations.snmp.profile import load_profiles
from integrations.snmp.transport import Transport
from integrations.snmp.watch import Watch
from service.assets.models import Asset
from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.migrating import migrate
from service.core.vault import open_vault
from service.core.work import Resources
from service.demo import district
from service.demo.network.founding import networked
from service.demo.network.running import running
from service.demo.network.school import TITLES
from service.monitoring.charting import chart_district
from service.monitoring.models import (
    NetworkDevice,
    NetworkFault,
    NetworkMac,
    NetworkParent,
    NetworkWatch,
    ReachState,
    SnmpCredential,
    SnmpState,
)
from service.monitoring.network import Network
from service.monitoring.polling import poll, take_due
from service.monitoring.rediscovering import rediscover
from service.places.actions import NewPlace, add_place
from service.places.models import PlaceKind
from tests.conftest import fresh_database
from tests.ports import free_port

pytestmark = pytest.mark.xdist_group("network")
FIRST = "127.23.0.1"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
async def desk(server_url: str, port: int) -> AsyncIterator[Resources]:
    """The district's two schools and their network, not looked at yet."""
    with fresh_database(server_url, "fb_demo_network") as url:
        migrate(url)
        resources = Resources(make_engine(url, pool=4))
        async with resources.begin(SYSTEM) as work:
            for school, title in TITLES.items():
                await add_place(work, NewPlace(id=school, kind=PlaceKind.SCHOOL, name=title))
                for wing, rooms in district.ROOMS.items():
                    inside = f"{school}-{wing}"
                    place = NewPlace(id=inside, kind=PlaceKind.BUILDING, name=wing, parent_id=school)
                    await add_place(work, place)
                    for room in rooms:
                        place = NewPlace(
                            id=f"{inside}-{room}", kind=PlaceKind.ROOM, name=room, parent_id=inside
                        )
                        await add_place(work, place)
            began = time.process_time()
            await networked(work, port=port, first=FIRST)
            assert time.process_time() - began < 2
        yield resources
        await resources.close()


@pytest.fixture(scope="module")
async def network() -> AsyncIterator[Network]:
    watch = Watch()
    watch.start()
    made = Network(Transport(), load_profiles(), open_vault(), watch)
    yield made
    await made.close()


async def test_it_founds_devices_assets_and_credentials_that_are_not_looked_at_yet(desk: Resources) -> None:
    async with desk.read(SYSTEM) as read:
        devices = (await read.db.execute(select(NetworkDevice.__table__))).all()
        assert len(devices) == 39
        assert {row.profile for row in devices} == {""}
        assert {row.school_id for row in devices} == set(TITLES)
        assert sum(row.asset_id is not None for row in devices) == 29
        assert sum(row.write_credential_id is not None for row in devices) == 4
        assert [row.name for row in devices if row.is_root] == ["district-fw"]
        assert await read.db.scalar(select(func.count()).select_from(Asset)) == 29
        sealed = (await read.db.execute(select(SnmpCredential.sealed))).scalars().all()
        assert len(sealed) == 3
        assert not any(b"demo" in one for one in sealed)


async def test_discovery_and_a_poll_find_it_whole_and_well(
    desk: Resources, network: Network, port: int
) -> None:
    said: list[str] = []
    async with running(said.append, port=port, first=FIRST) as school:
        assert school is not None
        assert said == []
        async with desk.read(SYSTEM) as read:
            ids = dict((await read.db.execute(select(NetworkDevice.name, NetworkDevice.id))).all())
        assert await rediscover(desk, network, list(ids.values()), try_for=0.3) == 39
        async with desk.begin(SYSTEM) as work:
            await chart_district(work)
        await _is_known_as_it_is(desk, {device.name: device for device in school.devices.values()}, ids)
        async with desk.begin(SYSTEM) as work:
            for watch in await work.session.scalars(select(NetworkWatch)):
                watch.next_poll_at = work.now
        async with desk.begin(SYSTEM) as work:
            lease, due = await take_due(work, slow=False, size=100)
        found = await poll(desk, network, lease, due)
        assert (found.polled, found.failed) == (39, 0)
    async with desk.read(SYSTEM) as read:
        states = (await read.db.execute(select(NetworkWatch.reach, NetworkWatch.snmp))).all()
        assert set(states) == {(ReachState.UP, SnmpState.OK)}
        assert await read.db.scalar(select(func.count()).select_from(NetworkFault)) == 0
    assert all(
        device.agent is None or not device.agent._endpoint.is_open for device in school.devices.values()
    )


async def _is_known_as_it_is(desk: Resources, devices: dict, ids: dict[str, int]) -> None:
    names = {number: name for name, number in ids.items()}
    async with desk.read(SYSTEM) as read:
        rows = (await read.db.execute(select(NetworkDevice.__table__))).all()
        assert {row.name: row.kind for row in rows} == {name: devices[name].spec.kind for name in ids}
        secure = (
            await read.db.execute(select(SnmpCredential.id).where(SnmpCredential.position == 2))
        ).scalar()
        assert {row.name for row in rows if row.credential_id == secure} == {
            name for name in ids if devices[name].spec.secure
        }
        hangs = (await read.db.execute(select(NetworkParent.__table__))).all()
        assert {names[row.device_id]: (names[row.parent_id], row.parent_port) for row in hangs} == {
            name: (devices[name].spec.parent, _port(devices, name)) for name in ids if name != "district-fw"
        }
        mac = "02:46:42:00:03:f1"
        place = await read.db.execute(
            select(NetworkMac.device_id, NetworkMac.port_key).where(NetworkMac.mac == mac)
        )
        assert place.one() == (ids["rhs-sw-a"], "Gi1/0/23")


def _port(devices: dict, name: str) -> str:
    """What the port of its parent is called; the router's is not told by anybody."""
    parent = devices[devices[name].spec.parent]
    return parent.nics[devices[name].port - 1].name if parent.is_switch else "internal"


async def test_a_port_that_is_taken_is_said_and_the_demo_goes_on(port: int) -> None:
    said: list[str] = []
    async with running(said.append, port=port, first="127.24.0.1") as first:
        assert first is not None
        async with running(said.append, port=port, first="127.24.0.1") as second:
            assert second is None
    assert said == [
        f"The demo goes on without its simulated network: 127.24.0.1:{port}: Address already in use."
    ]
    async with running(said.append, port=port, first="127.24.0.1") as again:
        assert again is not None
