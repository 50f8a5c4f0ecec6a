"""Scans: which addresses, what answers, what it becomes, and what hangs on what afterwards."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import delete, func, select, text, update

from integrations.snmp.agent import Network as Agents
from integrations.snmp.agent import SimulatedAgent, Tree, Type, User
from integrations.snmp.profile import Profile, load_profiles
from integrations.snmp.reading import (
    Address,
    Arp,
    DeviceKind,
    Identity,
    Learned,
    Neighbour,
    Port,
    Reading,
)
from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from integrations.snmp.transport import Transport
from integrations.snmp.watch import Watch
from service.core.actor import SYSTEM, Actor, Role, Scope
from service.core.database import make_engine
from service.core.errors import Forbidden, Invalid, NotFound
from service.core.paging import Page
from service.core.vault import Vault, new_key
from service.core.work import Resources, Work
from service.monitoring.adopting import Adopted, KnownMacs, Whereabouts, adopt
from service.monitoring.charting import ask_for_chart, chart_district
from service.monitoring.commanding import keep_port_facts
from service.monitoring.devices import (
    AddDevice,
    EditDevice,
    ParentIn,
    SetParents,
    add_device,
    edit_device,
    set_parents,
)
from service.monitoring.discovering import Discovered
from service.monitoring.models import (
    NetworkDevice,
    NetworkLink,
    NetworkMac,
    NetworkParent,
    NetworkScan,
    NetworkWatch,
    ReachState,
    ScanState,
    SnmpCredential,
    SnmpState,
)
from service.monitoring.network import Network
from service.monitoring.rediscovering import hand_out, notice_changes, rediscover
from service.monitoring.scanning import AskForScan, ask_for_scan, scan_by_id, scans_page
from service.monitoring.sweeping import Pace, run_scan
from service.monitoring.targets import MOST_ADDRESSES, BadTarget, named
from tests import makers
from tests.ports import free_port
from tests.simulated import printer_tree, switch_tree, work_off

GENERIC = Profile(name="generic", kind=DeviceKind.OTHER)


# Which addresses are meant.


@pytest.mark.parametrize(
    ("targets", "count", "first"),
    [
        (["10.0.0.7"], 1, "10.0.0.7"),
        (["10.0.0.0/24"], 254, "10.0.0.1"),
        (["10.0.0.77/30"], 2, "10.0.0.77"),
        (["10.0.0.6/31"], 2, "10.0.0.6"),
        (["10.0.0.5-10.0.0.9"], 5, "10.0.0.5"),
        (["10.0.0.5-9", "10.0.0.7", "10.0.0.9-12"], 8, "10.0.0.5"),
        (["10.0.0.250-10.0.1.4"], 11, "10.0.0.250"),
        (["fd00::10/126"], 4, "fd00::10"),
        (["printer-2.school.example", "Printer-2.school.example."], 1, None),
        (["10.0.0.0/20"], 4094, "10.0.0.1"),
    ],
)
def test_targets_name_addresses_once(targets: list[str], count: int, first: str | None) -> None:
    found = named(targets)
    addresses = list(found.addresses())
    assert len(set(addresses)) == len(addresses)
    assert len(addresses) + len(found.hosts) == found.count == count
    assert (addresses[0] if addresses else None) == first


@pytest.mark.parametrize(
    "target",
    [
        "224.0.0.1", "ff02::1", "255.255.255.255", "0.0.0.0/32", "::", "240.0.0.1", "::ffff:224.0.0.1",
        "10.0.0.0/8", "0.0.0.0/0", "fd00::/64", "10.0.0.9-10.0.0.5", "10.0.0.1-fd00::1", "10.0.0.1-10.9.0.1",
        "127.1", "1234", "10.0.0", "10.0.0.256", "fe80::1%eth0", "a b", "-host", "host_with/slash", "",
        "x" * 254, "10.0.0.1; rm -rf /", "223.255.255.0-224.0.0.1",
    ],
)  # fmt: skip
def test_what_names_no_device_or_too_many_is_refused(target: str) -> None:
    with pytest.raises(BadTarget):
        named([target])


def test_all_targets_together_are_bounded() -> None:
    with pytest.raises(BadTarget, match="4,096"):
        named(["10.0.0.0/20", "10.1.0.0/29"])
    assert named(["10.0.0.0/20", "10.0.5.0/24"]).count <= MOST_ADDRESSES


# Asking for a scan.


def network_actor(role: Role, *scopes: Scope) -> Actor:
    return makers.as_actor(role, scopes=frozenset(scopes or (Scope.NETWORK_READ, Scope.NETWORK_WRITE)))


async def queued(work: Work, name: str) -> list[dict[str, Any]]:
    query = text("SELECT args FROM procrastinate_jobs WHERE task_name = :name ORDER BY id")
    return list((await work.session.scalars(query, {"name": name})).all())


async def test_a_scan_is_asked_for_and_its_job_goes_with_it(work: Work) -> None:
    school = await makers.make_school(work)
    scan = await ask_for_scan(work, AskForScan(targets=["10.0.0.0/30"], school_id=school.id))
    assert (scan.state, scan.port, scan.adopts, scan.found) == (ScanState.WAITING, 161, True, [])
    assert await queued(work, "monitoring.scan") == [{"scan_id": scan.id}]
    assert (await scan_by_id(work, scan.id)).targets == ["10.0.0.0/30"]
    with pytest.raises(NotFound):
        await scan_by_id(work, scan.id + 1)


async def test_scans_are_paged_newest_first(work: Work) -> None:
    made = [(await ask_for_scan(work, AskForScan(targets=[f"10.0.0.{n}"]))).id for n in range(1, 6)]
    first: Page[Any] = await scans_page(work, limit=3)
    rest = await scans_page(work, limit=3, cursor=first.next_cursor)
    assert [row.id for row in [*first.rows, *rest.rows]] == made[::-1]
    assert rest.next_cursor is None
    assert (await scans_page(work, state=ScanState.DONE)).rows == []


@pytest.mark.parametrize(
    "given",
    [
        {"targets": []},
        {"targets": ["10.0.0.1"] * 65},
        {"targets": ["224.0.0.1"]},
        {"targets": ["10.0.0.0/8"]},
        {"targets": ["10.0.0.1"], "port": 0},
        {"targets": ["10.0.0.1"], "other": 1},
        {"targets": ["10.0.0.1\x00"]},
    ],
)
def test_a_scan_that_does_not_fit_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AskForScan(**given)


async def test_a_scan_for_a_school_that_is_not_there_is_refused(work: Work) -> None:
    with pytest.raises(Invalid):
        await ask_for_scan(work, AskForScan(targets=["10.0.0.1"], school_id="nowhere"))


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.STAFF, Role.INTEGRATION])
async def test_only_leads_and_administrators_scan(work: Work, role: Role) -> None:
    with pytest.raises(Forbidden):
        await ask_for_scan(
            await makers.acting(work, actor=network_actor(role)), AskForScan(targets=["10.0.0.1"])
        )
    lead = await makers.acting(work, actor=network_actor(Role.LEAD))
    assert (await ask_for_scan(lead, AskForScan(targets=["10.0.0.1"]))).id
    with pytest.raises(Forbidden):
        await ask_for_scan(
            await makers.acting(work, actor=network_actor(Role.LEAD, Scope.NETWORK_READ)),
            AskForScan(targets=["10.0.0.1"]),
        )
    with pytest.raises(Forbidden):
        await scans_page(await makers.acting(work, actor=network_actor(Role.STAFF)))


# What answered becomes a device.


def found(serial: str | None = None, mac: str | None = None, **given: Any) -> Discovered:
    ports = [Port(key="1", index=1, name="1", mac=mac)] if mac else []
    identity = Identity(
        kind=given.pop("kind", DeviceKind.PRINTER), serial=serial, **given.pop("identity", {})
    )
    addresses = [Address(one) for one in given.pop("addresses", [])]
    reading = Reading("generic", identity, ports=ports, addresses=addresses)
    values: dict[str, Any] = {
        "matched": "generic", "rows": {}, "engine_id": None, "max_repetitions": 25, "changed": {}, "cut": {},
    }  # fmt: skip
    return Discovered(profile=GENERIC, reading=reading, **(values | given))


async def credential(work: Work) -> SnmpCredential:
    row = SnmpCredential(
        name=makers.unique("credential"),
        version=Version.V2C,
        position=1,
        sealed=b"sealed",
        created_at=work.now,
        changed_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    return row


class Street:
    """Where devices answer; `answers` is what a scan does with one."""

    def __init__(self, work: Work, known: SnmpCredential) -> None:
        self.work = work
        self.known = known
        self.macs = KnownMacs({})

    async def answers(self, address: str, discovered: Discovered, **given: Any) -> Adopted:
        at = Whereabouts(address, 161, self.known.id, **given)
        return await adopt(self.work, discovered, at, self.macs)

    async def all(self) -> list[tuple[int, str]]:
        query = select(NetworkDevice.id, NetworkDevice.address).order_by(NetworkDevice.id)
        return [(row.id, row.address) for row in (await self.work.session.execute(query)).all()]


@pytest.fixture
async def street(work: Work) -> Street:
    return Street(work, await credential(work))


async def test_what_answers_is_added_with_its_watch(street: Street) -> None:
    identity = {"name": "prn-7", "vendor": "HP", "model": "M252dw", "version": "1.2"}
    school = await makers.make_school(street.work)
    adopted = await street.answers("10.0.0.7", found("CN1234567", identity=identity), school_id=school.id)
    device = adopted.device
    assert adopted.is_new
    assert (device.name, device.kind, device.profile) == ("prn-7", DeviceKind.PRINTER, "generic")
    assert (device.vendor, device.model, device.serial) == ("HP", "M252dw", "CN1234567")
    assert (device.firmware, device.school_id, device.asset_id) == ("1.2", school.id, None)
    assert device.credential_id == street.known.id
    assert device.discovered_at == street.work.now
    watch = await street.work.session.get_one(NetworkWatch, device.id)
    assert (watch.reach, watch.snmp) == (ReachState.UP, SnmpState.OK)
    assert watch.next_poll_at is not None
    assert watch.next_discovery_at is not None


async def test_what_answers_again_is_there_once_and_keeps_what_people_set(street: Street) -> None:
    device = (await street.answers("10.0.0.7", found("CN1234567"))).device
    lead = await makers.acting(street.work, actor=network_actor(Role.LEAD))
    school = await makers.make_school(street.work)
    set_by_hand = EditDevice(name="Printer, office", school_id=school.id, important_ports=["1"], is_root=True)
    await edit_device(lead, device.id, set_by_hand)
    other = await credential(street.work)
    street.known = other
    again = await street.answers("10.0.0.7", found("CN1234567", identity={"name": "x", "version": "2"}))
    assert (again.is_new, again.device.id) == (False, device.id)
    await street.work.session.refresh(device)
    assert (device.name, device.school_id, device.important_ports) == ("Printer, office", school.id, ["1"])
    assert (device.is_root, device.firmware) == (True, "2")
    assert device.credential_id != other.id
    assert len(await street.all()) == 1


async def test_a_device_at_a_new_address_moves_by_its_serial_number(street: Street) -> None:
    device = (await street.answers("10.0.0.7", found("CN1234567"))).device
    moved = await street.answers("10.0.0.99", found("CN1234567"))
    assert not moved.is_new
    assert await street.all() == [(device.id, "10.0.0.99")]


async def test_a_device_at_a_new_address_moves_by_its_macs(street: Street) -> None:
    device = (await street.answers("10.0.0.7", found(mac="00:1b:21:00:00:01"))).device
    street.macs = await KnownMacs.read(street.work)
    await street.answers("10.0.0.99", found(mac="00:1B:21:00:00:01"))
    await street.answers("10.0.0.100", found(mac="00:1b:21:00:00:02"))
    found_at = await street.all()
    assert found_at[0] == (device.id, "10.0.0.99")
    assert len(found_at) == 2


async def test_a_device_at_a_new_address_moves_by_its_engine_if_it_is_alike(street: Street) -> None:
    engine, identity = b"\x80\x00\x00\x00\x05abc", {"name": "ups-1", "object_id": "1.3.6.1.4.1.318.1"}
    device = (await street.answers("10.0.0.7", found(engine_id=engine, identity=identity))).device
    await street.answers("10.0.0.8", found(engine_id=engine, identity=identity))
    cloned = identity | {"name": "ups-2"}
    await street.answers("10.0.0.9", found(engine_id=engine, identity=cloned))
    assert [address for _, address in await street.all()] == ["10.0.0.8", "10.0.0.9"]
    assert (await street.all())[0][0] == device.id


@pytest.mark.parametrize(
    "serial", ["0", "N/A", "0000000000", "1234567890", "To be filled by O.E.M.", "  ", "<private>"]
)
async def test_a_serial_number_that_is_nobodys_alone_moves_nothing(street: Street, serial: str) -> None:
    await street.answers("10.0.0.7", found(serial))
    await street.answers("10.0.0.8", found(serial))
    assert [address for _, address in await street.all()] == ["10.0.0.7", "10.0.0.8"]


async def test_two_devices_with_one_serial_number_and_other_macs_are_two(street: Street) -> None:
    await street.answers("10.0.0.7", found("CLONE-01", mac="00:1b:21:00:00:01"))
    await street.answers("10.0.0.8", found("CLONE-01", mac="00:1b:21:00:00:02"))
    assert len(await street.all()) == 2


async def test_a_router_that_answers_at_each_of_its_addresses_stays_at_the_first(street: Street) -> None:
    own = ["10.0.0.1", "10.0.1.1"]
    device = (await street.answers("10.0.0.1", found("RT123456", addresses=own))).device
    other = await street.answers("10.0.1.1", found("RT123456", addresses=own))
    assert (other.also_at, other.device.id) == ("10.0.0.1", device.id)
    assert await street.all() == [(device.id, "10.0.0.1")]


async def test_what_answered_in_this_very_scan_does_not_move_in_it(street: Street) -> None:
    since = street.work.now
    device = (await street.answers("10.0.0.1", found("RT123456"), since=since)).device
    assert (await street.answers("10.0.1.1", found("RT123456"), since=since)).also_at == "10.0.0.1"
    assert await street.all() == [(device.id, "10.0.0.1")]


async def test_two_devices_that_change_places_are_both_followed(street: Street) -> None:
    one = (await street.answers("10.0.0.1", found("AAA-1111"))).device
    two = (await street.answers("10.0.0.2", found("BBB-2222"))).device
    await street.answers("10.0.0.2", found("AAA-1111"))
    assert await street.all() == [(one.id, "10.0.0.2"), (two.id, "10.0.0.1")]
    await street.answers("10.0.0.1", found("BBB-2222"))
    assert await street.all() == [(one.id, "10.0.0.2"), (two.id, "10.0.0.1")]


async def test_a_known_device_takes_over_an_entry_that_was_never_more_than_an_address(street: Street) -> None:
    one = (await street.answers("10.0.0.1", found("AAA-1111"))).device
    lead = await makers.acting(street.work, actor=network_actor(Role.LEAD))
    await add_device(lead, AddDevice(address="10.0.0.2"))
    await street.answers("10.0.0.2", found("AAA-1111"))
    assert await street.all() == [(one.id, "10.0.0.2")]


async def test_a_device_is_tied_to_the_one_asset_with_its_serial_number(street: Street) -> None:
    school = await makers.make_school(street.work)
    asset = await makers.make_asset(street.work, serial="cn1234567", school_id=school.id, place_id=school.id)
    device = (await street.answers("10.0.0.7", found("CN1234567"))).device
    assert (device.asset_id, device.place_id, device.school_id) == (asset.id, school.id, school.id)
    twins = [await makers.make_asset(street.work, serial="TWIN-0001") for _ in range(2)]
    assert (await street.answers("10.0.0.8", found("TWIN-0001"))).device.asset_id is None
    assert twins


async def test_a_device_that_was_replaced_at_its_address_parts_with_the_old_ones_asset(
    street: Street,
) -> None:
    old = await makers.make_asset(street.work, serial="OLD-11111")
    new = await makers.make_asset(street.work, serial="NEW-22222")
    device = (await street.answers("10.0.0.7", found("OLD-11111"))).device
    assert device.asset_id == old.id
    await street.answers("10.0.0.7", found("NEW-22222"))
    assert (device.serial, device.asset_id) == ("NEW-22222", new.id)
    assert len(await street.all()) == 1


async def test_what_the_database_takes_for_no_text_is_left_out(street: Street) -> None:
    identity = {"name": "a\x00b\ud800", "description": "x\x00", "model": "M\x00"}
    device = (await street.answers("10.0.0.7", found("SER\x00IAL1", identity=identity))).device
    await street.work.session.refresh(device)
    assert (device.serial, device.model) == ("SERIAL1", "M")
    assert device.inventory is not None
    assert device.inventory["identity"]["description"] == "x"


# What hangs on what.

SWITCH, ACCESS_POINT, PHONE = "00:1b:21:00:01", "00:1b:21:aa:00:01", "00:1b:21:bb:00:01"


class School:
    """A router, a core switch, an edge switch with an access point and a printer behind it."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.work = street.work
        self.ids: dict[str, int] = {}

    async def stands(self) -> School:
        await self.device("router", 1, DeviceKind.ROUTER, arp=[Arp("10.0.0.5", "00:1b:21:05:00:01")])
        await self.device(
            "core", 2, DeviceKind.SWITCH, ports=4,
            neighbours=[self.says("1", "router", "1"), self.says("2", "edge", "4", is_bridge=True)],
        )  # fmt: skip
        learned = [Learned(f"00:1b:21:05:00:0{n}", 10, n, n, "3") for n in range(1, 3)]
        await self.device(
            "edge", 3, DeviceKind.SWITCH, ports=4, learned=learned,
            neighbours=[self.says("4", "core", "2", is_bridge=True), self.says("1", "ap", "1")],
        )  # fmt: skip
        await self.device("ap", 4, DeviceKind.ACCESS_POINT)
        await self.device("printer", 5, DeviceKind.PRINTER)
        return self

    async def device(self, name: str, number: int, kind: DeviceKind, ports: int = 1, **parts: Any) -> None:
        reading = Reading(
            "generic",
            Identity(kind=kind, name=name, serial=f"SERIAL-{number}"),
            ports=[
                Port(
                    key=str(n), index=n, name=str(n), type=6, mac=f"00:1b:21:{number:02x}:00:{n:02x}",
                    poe_index=f"1.{n}", poe_admin=True, poe_state="delivering", bridge_port=n,
                )
                for n in range(1, ports + 1)
            ],
            **parts,
        )  # fmt: skip
        discovered = found(f"SERIAL-{number}")
        discovered = Discovered(GENERIC, "generic", reading, {}, None, 25, {}, {})
        self.ids[name] = (await self.street.answers(f"10.0.0.{number}", discovered)).device.id

    @staticmethod
    def says(port: str, name: str, far: str, *, is_bridge: bool = False) -> Neighbour:
        return Neighbour(
            "lldp", port, port_key=port, index=int(port), name=name, port=far, is_bridge=is_bridge
        )

    async def parents(self) -> set[tuple[str, str, str, bool]]:
        names = {number: name for name, number in self.ids.items()}
        rows = await self.work.session.scalars(
            select(NetworkParent).execution_options(populate_existing=True)
        )
        return {(names[r.device_id], names[r.parent_id], r.parent_port, r.by_hand) for r in rows}


@pytest.fixture
async def school(street: Street) -> School:
    return await School(street).stands()


async def test_a_chart_writes_links_parents_and_macs(school: School) -> None:
    await chart_district(school.work)
    assert await school.parents() == {
        ("core", "router", "1", False),
        ("edge", "core", "2", False),
        ("ap", "edge", "1", False),
        ("printer", "edge", "3", False),
    }
    links = {
        (row.device_id, row.port_key): row
        for row in await school.work.session.scalars(select(NetworkLink).where(NetworkLink.rank == 0))
    }
    edge, core = school.ids["edge"], school.ids["core"]
    assert links[edge, "4"].is_uplink
    assert links[edge, "4"].described["is_bridge"] is True
    assert (links[edge, "4"].neighbour_id, links[edge, "4"].neighbour_port) == (core, "2")
    assert not links[core, "2"].is_uplink
    assert (links[edge, "1"].neighbour_id, links[edge, "1"].is_uplink) == (school.ids["ap"], False)
    mac = await school.work.session.get_one(NetworkMac, "00:1b:21:05:00:01")
    assert (mac.device_id, mac.port_key, mac.vlan, mac.address) == (edge, "3", 10, "10.0.0.5")


async def test_charting_again_changes_nothing_and_forgets_what_is_gone(school: School) -> None:
    await chart_district(school.work)
    tables = ("network_links", "network_parents", "network_macs")

    async def stamps() -> list[Any]:
        query = " UNION ALL ".join(
            f"SELECT '{table}', ctid::text, to_jsonb(t) FROM {table} AS t" for table in tables
        )
        return sorted((await school.work.session.execute(text(query))).all(), key=str)

    before = await stamps()
    assert len(before) > 10
    await chart_district(school.work)
    assert await stamps() == before
    edge = await school.work.session.get_one(NetworkDevice, school.ids["edge"])
    assert edge.inventory is not None
    edge.inventory = edge.inventory | {"neighbours": [], "learned": []}
    core = await school.work.session.get_one(NetworkDevice, school.ids["core"])
    assert core.inventory is not None
    core.inventory = core.inventory | {"neighbours": core.inventory["neighbours"][:1]}
    await school.work.session.flush()
    await chart_district(school.work)
    assert await school.parents() == {("core", "router", "1", False)}
    left = await school.work.session.scalar(select(func.count()).select_from(NetworkMac))
    assert left == sum(row[0] == "network_macs" for row in before)


async def test_parents_that_somebody_set_stay_and_nothing_hangs_on_itself(school: School) -> None:
    lead = await makers.acting(school.work, actor=network_actor(Role.LEAD))
    ids = school.ids
    by_hand = SetParents(parents=[ParentIn(device_id=ids["router"], port="9")])
    await set_parents(lead, ids["ap"], by_hand)
    await set_parents(lead, ids["core"], SetParents(parents=[ParentIn(device_id=ids["edge"], port="4")]))
    await chart_district(school.work)
    assert await school.parents() == {
        ("ap", "router", "9", True),
        ("core", "edge", "4", True),
        ("printer", "edge", "3", False),
    }


async def test_at_most_one_chart_waits(work: Work) -> None:
    await ask_for_chart(work)
    await ask_for_chart(work)
    await ask_for_chart(work, soon=False)
    await ask_for_chart(work, soon=False)
    assert len(await queued(work, "monitoring.chart")) == 2


async def test_an_asset_knows_its_port(school: School) -> None:
    asset = await makers.make_asset(school.work)
    ap = await school.work.session.get_one(NetworkDevice, school.ids["ap"])
    ap.asset_id = asset.id
    await school.work.session.flush()
    await chart_district(school.work)
    await keep_port_facts(school.work, asset.id)
    query = text("SELECT name, value FROM asset_facts WHERE asset_id = :asset")
    facts = dict((await school.work.session.execute(query, {"asset": asset.id})).all())
    assert facts["net.poe"] == "delivering"
    assert facts["net.poe_cycles_24h"] == 0
    assert facts["net.poe_cycle_allowed"] is False


# Agents that really answer.

FAST = Pace(at_once=16, a_second=1000, longest=20, try_for=0.5)


class Field:
    """Agents on the loopback, and a desk that searches there; all of it is taken away afterwards."""

    def __init__(self, resources: Resources, network: Network) -> None:
        self.resources = resources
        self.network = network
        self.air = Agents()
        self.port = free_port()
        self.block = next(BLOCKS)
        self.ids: list[int] = []

    def at(self, host: int) -> str:
        return f"127.{self.block}.0.{host}"

    def agent(self, host: int, tree: Tree, **given: Any) -> SimulatedAgent:
        made = SimulatedAgent(tree, address=self.at(host), port=self.port, **given)
        return self.air.add(str(host), made)

    async def knows(self, community: str = "public", **given: Any) -> str:
        secret = {"community": community} if "version" not in given else given.pop("secret")
        given.setdefault("version", Version.V2C)
        async with self.resources.begin(SYSTEM) as work:
            row = SnmpCredential(
                name=makers.unique("credential"),
                position=len(self.ids),
                sealed=self.network.vault.seal(secret),
                created_at=work.now,
                changed_at=work.now,
                **given,
            )
            work.session.add(row)
            await work.session.flush()
            self.ids.append(row.id)
            return row.name

    async def ask(self, *targets: str, **given: Any) -> int:
        async with self.resources.begin(SYSTEM) as work:
            wanted = AskForScan(targets=list(targets), port=self.port, **given)
            return (await ask_for_scan(work, wanted)).id

    async def scan(self, *targets: str, pace: Pace = FAST, **given: Any) -> Any:
        scan_id = await self.ask(*targets, **given)
        await run_scan(self.resources, self.network, scan_id, pace)
        return await self.read(scan_id)

    async def read(self, scan_id: int) -> Any:
        async with self.resources.read(SYSTEM) as read:
            return await scan_by_id(read, scan_id)

    async def rediscover(self, device_id: int) -> int:
        return await rediscover(self.resources, self.network, [device_id], try_for=0.3)

    async def devices(self) -> list[NetworkDevice]:
        async with self.resources.begin(SYSTEM) as work:
            mine = NetworkDevice.port == self.port
            query = select(NetworkDevice).where(mine).order_by(NetworkDevice.id)
            return list(await work.session.scalars(query))

    async def has_devices(self, count: int) -> bool:
        return len(await self.devices()) >= count

    async def is_running(self, scan_id: int) -> bool:
        return (await self.read(scan_id)).state is ScanState.RUNNING

    async def charted(self) -> bool:
        async with self.resources.begin(SYSTEM) as work:
            return bool(await queued(work, "monitoring.chart"))

    async def falls(self) -> None:
        self.air.stop()
        async with self.resources.begin(SYSTEM) as work:
            await work.session.execute(delete(NetworkDevice).where(NetworkDevice.port == self.port))
            await work.session.execute(delete(SnmpCredential).where(SnmpCredential.id.in_(self.ids)))
            await work.session.execute(delete(NetworkScan).where(NetworkScan.port == self.port))
            jobs = text("DELETE FROM procrastinate_jobs WHERE task_name = ANY(:names)")
            names = ["monitoring.scan", "monitoring.chart", "monitoring.rediscover"]
            await work.session.execute(jobs, {"names": names})


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it, at most ten seconds."""
    for _ in range(500):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to hold")


BLOCKS = itertools.count(40)


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport()
    yield made
    await made.close()


@pytest.fixture
async def ground(database_url: str, transport: Transport) -> AsyncIterator[Field]:
    resources = Resources(engine=make_engine(database_url, pool=6))
    made = Field(resources, Network(transport, load_profiles(), Vault([new_key()]), Watch()))
    made.air.start()
    try:
        yield made
    finally:
        await made.falls()
        await resources.close()


async def test_a_scan_finds_what_answers_and_nothing_else(ground: Field) -> None:
    name = await ground.knows()
    ground.agent(1, switch_tree("sw-1", "SW0001"))
    ground.agent(3, printer_tree("prn-1", "PRN0001"))
    outside = ground.agent(9, printer_tree("prn-9", "PRN0009"))
    scan = await ground.scan(f"{ground.at(1)}-5")
    assert (scan.state, scan.asked, scan.answered, scan.adopted) == (ScanState.DONE, 5, 2, 2)
    switch, printer = sorted(scan.found, key=lambda line: line["address"])
    assert switch | {"device_id": 0} == {
        "address": ground.at(1), "credential": name, "profile": "switch-hp", "kind": "switch",
        "vendor": "HP", "model": "J9299A", "serial": "SW0001", "name": "sw-1", "device_id": 0,
        "is_new": True, "why": None,
    }  # fmt: skip
    assert (printer["kind"], printer["serial"]) == ("printer", "PRN0001")
    assert [one.name for one in await ground.devices()] == ["sw-1", "prn-1"] or len(
        await ground.devices()
    ) == 2
    assert outside.received == 0
    assert await ground.charted()


async def test_a_worker_takes_the_scan_from_the_queue(ground: Field, database_url: str) -> None:
    await ground.knows()
    ground.agent(1, printer_tree())
    scan_id = await ground.ask(ground.at(1))
    await work_off(database_url, ground.resources, ground.network)
    scan = await ground.read(scan_id)
    assert (scan.state, scan.answered, scan.adopted) == (ScanState.DONE, 1, 1)


async def test_a_scan_that_only_looks_adds_nothing(ground: Field) -> None:
    await ground.knows()
    ground.agent(1, printer_tree())
    scan = await ground.scan(ground.at(1), adopts=False)
    assert (scan.answered, scan.adopted, scan.found[0]["device_id"]) == (1, 0, None)
    assert scan.found[0]["model"] is not None
    assert await ground.devices() == []
    assert not await ground.charted()


async def test_a_scan_that_only_looks_tells_which_devices_are_known_and_leaves_them(ground: Field) -> None:
    await ground.knows()
    ground.agent(1, printer_tree("prn-1", "SERIAL-1"))
    [known] = (await ground.scan(ground.at(1))).found
    ground.agent(2, printer_tree("prn-2", "SERIAL-2"), engine_id=b"\x80\x00\x00\x00\x05two")
    ground.agent(3, printer_tree("prn-1", "SERIAL-1"))
    before = [(one.id, one.address, one.discovered_at) for one in await ground.devices()]
    scan = await ground.scan(f"{ground.at(1)}-3", adopts=False)
    lines = {line["address"]: (line["device_id"], line["is_new"], line["why"]) for line in scan.found}
    assert (scan.answered, scan.adopted) == (3, 0)
    assert lines == {
        ground.at(1): (known["device_id"], False, None),
        ground.at(2): (None, None, None),
        ground.at(3): (known["device_id"], False, f"This device is known by its address {ground.at(1)}."),
    }
    assert [(one.id, one.address, one.discovered_at) for one in await ground.devices()] == before


async def test_credentials_are_tried_in_their_order_and_v3_among_them(ground: Field) -> None:
    await ground.knows("wrong")
    v3 = await ground.knows(
        version=Version.V3,
        username="desk",
        auth=AuthProtocol.SHA256,
        priv=PrivProtocol.AES128,
        secret={"auth_password": "authentic", "priv_password": "encrypted"},
    )
    last = await ground.knows("public")
    user = User("desk", AuthProtocol.SHA256, "authentic", PrivProtocol.AES128, "encrypted")
    ground.agent(1, printer_tree("both", "SERIAL-1"), users=[user], engine_id=b"\x80\x00\x00\x00\x05one")
    ground.agent(2, printer_tree("v2c", "SERIAL-2"), engine_id=b"\x80\x00\x00\x00\x05two")
    scan = await ground.scan(f"{ground.at(1)}-2")
    assert {line["name"]: line["credential"] for line in scan.found} == {"both": v3, "v2c": last}
    async with ground.resources.begin(SYSTEM) as work:
        watches = await work.session.scalars(
            select(NetworkWatch).join(NetworkDevice).where(NetworkDevice.name == "both")
        )
        assert watches.one().engine_id == b"\x80\x00\x00\x00\x05one"


async def test_an_agent_that_refuses_every_credential_has_a_line_that_says_so(ground: Field) -> None:
    await ground.knows(
        version=Version.V3, username="nobody", auth=AuthProtocol.SHA256, secret={"auth_password": "password1"}
    )
    ground.agent(1, printer_tree())
    scan = await ground.scan(f"{ground.at(1)}-2")
    (line,) = scan.found
    assert (line["address"], line["device_id"]) == (ground.at(1), None)
    assert line["why"] == "It answers, and none of the credentials is accepted."
    assert await ground.devices() == []


async def test_without_a_credential_that_opens_a_scan_says_so(ground: Field) -> None:
    name = await ground.knows()
    ground.network.vault = Vault([new_key()])
    scan = await ground.scan(ground.at(1))
    assert scan.state is ScanState.FAILED
    assert name in scan.detail


async def test_a_scan_done_again_adds_nothing_twice(ground: Field) -> None:
    await ground.knows()
    for host in range(1, 5):
        ground.agent(host, printer_tree(f"prn-{host}", f"SERIAL-{host}"))
    first = await ground.scan(f"{ground.at(1)}-4")
    ids = {line["address"]: line["device_id"] for line in first.found}
    again = await ground.scan(f"{ground.at(1)}-4")
    assert {line["address"]: line["device_id"] for line in again.found} == ids
    assert {line["is_new"] for line in again.found} == {False}
    assert len(await ground.devices()) == 4


async def test_a_scan_that_crashed_begins_again_and_doubles_nothing(ground: Field) -> None:
    await ground.knows()
    for host in range(1, 5):
        ground.agent(host, printer_tree(f"prn-{host}", f"SERIAL-{host}"))
    scan_id = await ground.ask(f"{ground.at(1)}-20")
    slow = Pace(at_once=2, a_second=25, longest=20)
    crashing = asyncio.create_task(run_scan(ground.resources, ground.network, scan_id, slow))
    await until(lambda: ground.has_devices(2))
    crashing.cancel()
    await asyncio.gather(crashing, return_exceptions=True)
    assert (await ground.read(scan_id)).state is ScanState.RUNNING
    await run_scan(ground.resources, ground.network, scan_id, FAST)
    scan = await ground.read(scan_id)
    assert (scan.state, scan.asked, scan.answered) == (ScanState.DONE, 20, 4)
    assert sorted(line["address"] for line in scan.found) == [ground.at(host) for host in range(1, 5)]
    assert len(await ground.devices()) == 4
    await run_scan(ground.resources, ground.network, scan_id, FAST)
    assert (await ground.read(scan_id)).ended_at == scan.ended_at


async def test_of_two_runs_of_one_scan_the_later_one_writes(ground: Field) -> None:
    await ground.knows()
    ground.agent(1, printer_tree())
    scan_id = await ground.ask(f"{ground.at(1)}-40")
    slow = Pace(at_once=2, a_second=20, longest=20)
    first = asyncio.create_task(run_scan(ground.resources, ground.network, scan_id, slow))
    await until(lambda: ground.is_running(scan_id))
    await run_scan(ground.resources, ground.network, scan_id, FAST)
    await asyncio.wait_for(first, 10)
    scan = await ground.read(scan_id)
    assert (scan.state, scan.asked, len(scan.found)) == (ScanState.DONE, 40, 1)


async def test_a_scan_takes_no_longer_than_it_may_and_keeps_what_it_found(ground: Field) -> None:
    await ground.knows()
    ground.agent(1, printer_tree())
    scan = await ground.scan(f"{ground.at(1)}-200", pace=Pace(at_once=4, a_second=20, longest=1.5))
    assert scan.state is ScanState.FAILED
    assert "too long" in scan.detail
    assert [line["address"] for line in scan.found] == [ground.at(1)]
    assert 0 < scan.asked < 100


async def test_addresses_are_asked_no_faster_than_the_pace(ground: Field) -> None:
    await ground.knows()
    began = asyncio.get_running_loop().time()
    scan = await ground.scan(f"{ground.at(1)}-20", pace=Pace(at_once=16, a_second=40, longest=20))
    assert asyncio.get_running_loop().time() - began > 20 / 40
    assert scan.asked == 20


async def test_hosts_are_looked_up_and_told_where_they_are_not_known(ground: Field) -> None:
    await ground.knows()
    scan = await ground.scan("no-such-host.invalid", ground.at(1), adopts=False)
    assert [(line["address"], line["why"]) for line in scan.found] == [
        ("no-such-host.invalid", "Its name is not known.")
    ]
    assert scan.asked == 2


# Known devices, read again.


async def due(ground: Field, device_id: int) -> Any:
    async with ground.resources.begin(SYSTEM) as work:
        watch = await work.session.get_one(NetworkWatch, device_id)
        return watch.next_discovery_at


async def test_a_device_that_somebody_added_is_discovered_with_the_credential_that_fits(
    ground: Field,
) -> None:
    await ground.knows("wrong")
    await ground.knows("public")
    ground.agent(1, printer_tree("prn-1", "PRN0001"))
    async with ground.resources.begin(SYSTEM) as work:
        device_id = (await add_device(work, AddDevice(address=ground.at(1), port=ground.port))).id
    assert await ground.rediscover(device_id) == 1
    (device,) = await ground.devices()
    assert (device.name, device.profile, device.serial) == ("prn-1", "printer-hp", "PRN0001")
    assert device.credential_id == ground.ids[1]
    async with ground.resources.begin(SYSTEM) as work:
        watch = await work.session.get_one(NetworkWatch, device_id)
        assert (watch.snmp, watch.reach) == (SnmpState.OK, ReachState.UP)
        assert watch.next_poll_at is not None
    assert await ground.charted()


async def test_a_device_that_is_silent_is_tried_again_and_its_state_told(ground: Field) -> None:
    await ground.knows("public")
    async with ground.resources.begin(SYSTEM) as work:
        device_id = (await add_device(work, AddDevice(address=ground.at(1), port=ground.port))).id
    assert await ground.rediscover(device_id) == 0
    async with ground.resources.begin(SYSTEM) as work:
        watch = await work.session.get_one(NetworkWatch, device_id)
        assert watch.snmp is SnmpState.SILENT
        assert watch.next_discovery_at is not None
        assert watch.next_discovery_at > work.now
    assert not await ground.charted()


async def test_a_profile_that_somebody_named_is_taken_and_stays(ground: Field) -> None:
    await ground.knows()
    ground.agent(1, printer_tree("prn-1", "PRN0001"))
    async with ground.resources.begin(SYSTEM) as work:
        wanted = AddDevice(address=ground.at(1), port=ground.port, profile="generic")
        device_id = (await add_device(work, wanted)).id
    for _ in range(2):
        await ground.rediscover(device_id)
        assert [one.profile for one in await ground.devices()] == ["generic"]
    async with ground.resources.begin(SYSTEM) as work:
        await edit_device(work, device_id, EditDevice(profile=None))
    await ground.rediscover(device_id)
    assert [one.profile for one in await ground.devices()] == ["printer-hp"]


async def test_a_device_whose_tables_changed_is_read_anew(ground: Field) -> None:
    await ground.knows()
    switch = ground.agent(1, switch_tree())
    device_id = (await ground.scan(ground.at(1))).found[0]["device_id"]
    before = await due(ground, device_id)
    assert await notice_changes(ground.resources, ground.network) == 0
    assert await due(ground, device_id) == before
    switch.tree.set("1.3.6.1.2.1.31.1.5.0", Type.TICKS, 200)
    assert await notice_changes(ground.resources, ground.network) == 1
    assert await due(ground, device_id) < before
    async with ground.resources.begin(SYSTEM) as work:
        others = update(NetworkWatch).where(NetworkWatch.device_id != device_id)
        await work.session.execute(others.values(next_discovery_at=None))
    await hand_out(ground.resources)
    async with ground.resources.begin(SYSTEM) as work:
        jobs = await queued(work, "monitoring.rediscover")
    assert device_id in {one for job in jobs for one in job["device_ids"]}
    await ground.rediscover(device_id)
    assert await notice_changes(ground.resources, ground.network) == 0


async def test_an_address_that_another_known_device_has_taken_is_followed(ground: Field) -> None:
    await ground.knows()
    one = ground.agent(1, printer_tree("prn-1", "SERIAL-1"))
    two = ground.agent(2, printer_tree("prn-2", "SERIAL-2"))
    await ground.scan(f"{ground.at(1)}-2")
    ids = {device.serial: device.id for device in await ground.devices()}
    one.tree, two.tree = two.tree, one.tree
    for agent in (one, two):
        agent.communities = {b"public": agent.tree}
    await ground.rediscover(ids["SERIAL-1"])
    places = {device.id: (device.serial, device.address) for device in await ground.devices()}
    assert places == {
        ids["SERIAL-1"]: ("SERIAL-1", ground.at(2)),
        ids["SERIAL-2"]: ("SERIAL-2", ground.at(1)),
    }
