"""What the network tells: lists, inventories with the last poll over them, topology, where a MAC hangs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from structlog.testing import CapturingLogger

from integrations.snmp.reading import (
    AccessPoint,
    Address,
    DeviceKind,
    Identity,
    LinkState,
    Load,
    Port,
    Printer,
    Reading,
    Sensor,
    Special,
    Supply,
    Tray,
    Ups,
    Vlan,
)
from service.core.actor import Role
from service.core.errors import Forbidden, Invalid, NotFound
from service.core.work import Work
from service.monitoring import inventories, listing, whereabouts, wire
from service.monitoring.current import beside_ports, ports_of
from service.monitoring.devices import ParentIn, SetParents, set_parents
from service.monitoring.fault_listing import FaultFilter, fault_view, faults_page
from service.monitoring.listing import DeviceFilter
from service.monitoring.models import (
    FaultState,
    NetworkLink,
    NetworkMac,
    NetworkWatch,
    ReachState,
    SnmpState,
    TrapCount,
)
from service.monitoring.probing import AskForProbe, ask_for_probe, probe_by_id
from service.monitoring.scanning import AskForScan, ask_for_scan
from tests import makers
from tests.conftest import NOW

MAC = "00:1b:21:3c:9d:f8"


def switch(ports: int = 5) -> Reading:
    return Reading(
        profile="switch",
        identity=Identity(kind=DeviceKind.SWITCH, location="Closet B"),
        ports=[
            Port(key=f"1/{n}", index=n, admin=LinkState.UP, oper=LinkState.UP, alias=f"Room {n}")
            for n in range(1, ports + 1)
        ],
        addresses=[Address("10.0.0.5")],
        vlans=[Vlan(20), Vlan(1), Vlan(20)],
    )


def printer(percent: float | None, errors: tuple[str, ...] = ()) -> Reading:
    supplies = [
        Supply(key="1", kind="toner", colour="black", percent=percent),
        Supply(key="2", kind="waste", receptacle=True, special=Special.SOME_REMAINS),
    ]
    return Reading(
        profile="printer",
        identity=Identity(kind=DeviceKind.PRINTER),
        printer=Printer(
            status="idle", errors=errors, pages=100, supplies=supplies, trays=[Tray(key="1", percent=50.0)]
        ),
    )


async def link(work: Work, device: Any, port: str, **given: Any) -> None:
    defaults = {"rank": 0, "protocol": "lldp", "described": {}, "is_uplink": False, "seen_at": NOW}
    work.session.add(NetworkLink(device_id=device.id, port_key=port, **defaults | given))
    await work.session.flush()


async def see(work: Work, device: Any, port: str, mac: str = MAC) -> None:
    work.session.add(NetworkMac(mac=mac, device_id=device.id, port_key=port, vlan=20, seen_at=NOW))
    await work.session.flush()


async def test_devices_are_narrowed_by_every_filter(work: Work) -> None:
    school = await makers.make_school(work)
    device = await makers.make_network_device(work, switch(), school_id=school.id, name="Core_1")
    other = await makers.make_network_device(work, watched=False, name="Core-1 old")
    device.serial, device.model = "FCW2140L0GH", "C2960X"
    watch = await work.session.get(NetworkWatch, device.id)
    assert watch is not None
    watch.reach, watch.snmp = ReachState.UP, SnmpState.SILENT
    await work.session.flush()
    for given in (
        {"school_id": school.id}, {"kind": "switch"}, {"reach": "up"}, {"snmp": "silent"}, {"watched": True},
        {"q": "core_1"}, {"q": "fcw21"}, {"q": "2960"}, {"q": device.address},
    ):  # fmt: skip
        page = await listing.devices_page(work, DeviceFilter(**given))
        assert [row.id for row in page.rows] == [device.id], given
    both = await listing.devices_page(work, DeviceFilter(q="CORE"), limit=1)
    rest = await listing.devices_page(work, DeviceFilter(q="CORE"), limit=1, cursor=both.next_cursor)
    assert [row.id for row in (*both.rows, *rest.rows)] == [device.id, other.id]
    assert rest.next_cursor is None


async def test_open_faults_are_counted_and_the_others_are_not(work: Work) -> None:
    device = await makers.make_network_device(work)
    for state, resolved in (
        (FaultState.OPEN, None), (FaultState.UNDER_PARENT, None), (FaultState.HELD, None),
        (FaultState.SILENCED, None), (FaultState.RECOVERED, NOW),
    ):  # fmt: skip
        await makers.make_fault(work, device, state=state, resolved_at=resolved)
    assert (await listing.device_view(work, device.id)).open_faults == 2


async def test_ports_come_in_pages_with_what_is_behind_and_as_last_polled(work: Work) -> None:
    polled = switch()
    polled.ports[1].oper = LinkState.DOWN
    device = await makers.make_network_device(
        work, switch(), ports_of(polled.ports), important_ports=["1/2", "1/9"]
    )
    ap = await makers.make_network_device(work, name="AP 12")
    await link(work, device, "1/2", neighbour_id=ap.id, neighbour_port="eth0")
    await link(work, device, "1/1", described={"name": "core"}, is_uplink=True, protocol="cdp")
    await see(work, device, "1/2")
    first = await inventories.ports_page(work, device.id, limit=2)
    assert [(p.key, p.admin, p.oper, p.alias) for p in first.rows] == [
        ("1/1", "up", "up", "Room 1"), ("1/2", "up", "down", "Room 2"),
    ]  # fmt: skip
    uplink, important = first.rows
    assert (uplink.uplink, uplink.important, uplink.macs, uplink.neighbours[0].name) == (
        True,
        False,
        0,
        "core",
    )
    assert (important.uplink, important.important, important.macs) == (False, True, 1)
    assert (important.neighbours[0].device_id, important.neighbours[0].port) == (ap.id, "eth0")
    keys, cursor = [], None
    while True:
        page = await inventories.ports_page(work, device.id, limit=2, cursor=cursor)
        keys += [port.key for port in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert keys == [f"1/{n}" for n in range(1, 6)]


async def test_a_page_that_begins_after_what_is_gone_is_refused(work: Work) -> None:
    device = await makers.make_network_device(work, switch(3))
    page = await inventories.ports_page(work, device.id, limit=2)
    smaller = await makers.make_network_device(work, switch(1))
    with pytest.raises(Invalid) as refused:
        await inventories.ports_page(work, smaller.id, cursor=page.next_cursor)
    assert refused.value.fields[0].code == "bad_cursor"


async def test_a_printer_shows_what_was_polled_over_what_was_discovered(work: Work) -> None:
    device = await makers.make_network_device(work, printer(80.0), beside_ports(printer(3.0, ("jammed",))))
    shown = (await inventories.inventory(work, device.id)).printer
    assert shown is not None
    assert (shown.errors, shown.pages, shown.trays[0].percent) == (["jammed"], 100, 50.0)
    assert [(one.percent, one.special, one.receptacle) for one in shown.supplies] == [
        (3.0, None, False), (None, "some_remains", True),
    ]  # fmt: skip
    summary = await inventories.summary(work, device.id)
    assert (summary.supplies, summary.lowest_supply, summary.ports) == (2, 3.0, 0)


async def test_every_part_is_told_and_what_a_device_has_not_is_empty(work: Work) -> None:
    whole = Reading(
        profile="ups",
        identity=Identity(kind=DeviceKind.UPS, location="Closet B"),
        ups=Ups(source="normal", charge_percent=100.0, alarms=["on bypass"]),
        sensors=[Sensor(key="t", kind="temperature", value=21.0, unit="°C", healthy=True)],
        loads=[Load(key="cpu", kind="processor", percent=10.0)],
        access_points=[AccessPoint(key="a", name="AP", up=True), AccessPoint(key="b", up=False)],
        clients=12,
    )
    now = (
        ports_of(whole.ports)
        | beside_ports(whole)
        | {"ups": {"source": "battery", "charge_percent": 0.0}, "clients": 0}
    )
    now["aps"] = {"a": False, "b": False}
    device = await makers.make_network_device(work, whole, now)
    shown = await inventories.inventory(work, device.id)
    assert shown.ups is not None
    assert (shown.ups.source, shown.ups.charge_percent, shown.ups.alarms) == ("battery", 0.0, ["on bypass"])
    assert (shown.location, shown.clients, shown.printer, shown.projector) == ("Closet B", 0, None, None)
    assert (shown.sensors[0].value, shown.loads[0].percent) == (21.0, 10.0)
    aps = await inventories.access_points_page(work, device.id, limit=1)
    assert [(ap.name, ap.up) for ap in aps.rows] == [("AP", False)]
    assert aps.next_cursor is not None
    summary = await inventories.summary(work, device.id)
    assert (summary.access_points, summary.access_points_up) == (2, 0)
    bare = await makers.make_network_device(work)
    empty = await inventories.inventory(work, bare.id)
    assert (empty.printer, empty.sensors, empty.vlans) == (None, [], [])
    assert (await inventories.ports_page(work, bare.id)).rows == []


async def test_a_device_is_told_whole_in_plain_values(work: Work) -> None:
    device, core = await makers.make_network_device(work, switch()), await makers.make_network_device(work)
    await set_parents(work, device.id, SetParents(parents=[ParentIn(device_id=core.id, port="7")]))
    told = orjson.loads(orjson.dumps(await wire.device_whole(work, device.id)))
    wire.NetworkDeviceOut.model_validate(told)
    assert set(told) == set(wire.NetworkDeviceOut.model_fields)
    assert told["summary"]["ports_up"] == 5
    assert told["parents"] == [{"device_id": core.id, "name": core.name, "port": "7", "by_hand": True}]
    shown = orjson.loads(orjson.dumps(await inventories.inventory(work, device.id)))
    assert (shown["addresses"], shown["vlans"]) == (["10.0.0.5"], [1, 20])


async def test_faults_are_narrowed_and_named(work: Work) -> None:
    school = await makers.make_school(work)
    core = await makers.make_network_device(work, name="Core")
    device = await makers.make_network_device(work, name="Switch", school_id=school.id)
    fault = await makers.make_fault(
        work, device, state=FaultState.UNDER_PARENT, parent_id=core.id, ticket_id=7
    )
    over = await makers.make_fault(work, core, "ups.battery", state=FaultState.RECOVERED, resolved_at=NOW)
    for given in (
        {"school_id": school.id}, {"device_id": device.id}, {"state": "under_parent"},
        {"check": "port.down"}, {"open": True},
    ):  # fmt: skip
        page = await faults_page(work, FaultFilter(**given))
        assert [row.id for row in page.rows] == [fault.id], given
    assert [row.id for row in (await faults_page(work, FaultFilter(open=False))).rows] == [over.id]
    first = await faults_page(work, FaultFilter(), limit=1)
    rest = await faults_page(work, FaultFilter(), limit=1, cursor=first.next_cursor)
    assert [row.id for row in (*first.rows, *rest.rows)] == [over.id, fault.id]
    told = wire.fault(await fault_view(work, fault.id))
    wire.FaultOut.model_validate(told)
    assert (told["device_name"], told["school_name"], told["ticket"]) == ("Switch", school.name, 7)
    assert told["parent_name"] == "Core"
    with pytest.raises(NotFound):
        await fault_view(work, 10**9)


async def test_topology_is_of_a_school_with_what_leads_out_of_it(work: Work) -> None:
    school = await makers.make_school(work)
    core = await makers.make_network_device(work, name="Core", is_root=True)
    device = await makers.make_network_device(work, name="Switch", school_id=school.id)
    await set_parents(work, device.id, SetParents(parents=[ParentIn(device_id=core.id, port="7")]))
    await link(work, device, "1/1", neighbour_id=core.id, neighbour_port="7", is_uplink=True)
    await link(work, core, "9", described={"name": "somebody's phone"})
    here = wire.topology(await whereabouts.topology(work, school.id))
    wire.TopologyOut.model_validate(here)
    assert [node["name"] for node in here["nodes"]] == ["Switch"]
    assert [(one["neighbour_name"], one["uplink"]) for one in here["links"]] == [("Core", True)]
    assert [(one["parent_id"], one["port"]) for one in here["parents"]] == [(core.id, "7")]
    whole = await whereabouts.topology(work)
    assert ([row.name for row in whole.nodes], len(whole.links), whole.complete) == (
        ["Core", "Switch"],
        2,
        True,
    )


async def test_a_topology_that_is_too_large_says_so(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "MOST_NODES", 1)
    one = await makers.make_network_device(work)
    await makers.make_network_device(work)
    found = await whereabouts.topology(work)
    assert ([row.id for row in found.nodes], found.complete) == ([one.id], False)


@pytest.mark.parametrize("written", [MAC, "00-1B-21-3C-9D-F8", "001b.213c.9df8", "001B213C9DF8"])
async def test_a_mac_is_found_however_it_is_written(work: Work, written: str) -> None:
    device = await makers.make_network_device(work, name="Switch")
    await see(work, device, "1/7")
    row = await whereabouts.mac_location(work, written)
    assert (row.mac, row.device_name, row.port, row.vlan, row.seen_at) == (MAC, "Switch", "1/7", 20, NOW)


async def test_each_look_for_a_mac_is_logged_without_the_mac(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await makers.make_network_device(work)
    await see(work, device, "1/7")
    theirs = await makers.acting(work, await makers.make_person(work, Role.ADMIN))
    heard = CapturingLogger()
    monkeypatch.setattr(whereabouts, "log", heard)
    await whereabouts.mac_location(theirs, MAC)
    with pytest.raises(NotFound):
        await whereabouts.mac_location(theirs, "00:00:00:00:00:01")
    who = {"person_id": theirs.actor.person_id, "token_id": None}
    assert [(call.method_name, call.args, call.kwargs) for call in heard.calls] == [
        ("info", ("network_mac_looked_up",), who | {"found": True}),
        ("info", ("network_mac_looked_up",), who | {"found": False}),
    ]


@pytest.mark.parametrize("mac", ["00:1b:21:3c:9d", "zz:1b:21:3c:9d:f8", "001b213c9df8f", "١٢٣٤٥٦٧٨٩٠١٢"])
def test_what_is_no_mac_is_refused(mac: str) -> None:
    with pytest.raises(Invalid):
        whereabouts.written(mac)


async def test_traps_are_told_by_source_and_whether_we_know_it(work: Work) -> None:
    device = await makers.make_network_device(work)
    for address, reason in (
        (device.address, "taken"),
        (device.address, "too_many"),
        ("10.250.0.1", "unknown"),
    ):
        work.session.add(
            TrapCount(address=address, reason=reason, count=3, first_at=NOW - timedelta(1), last_at=NOW)
        )
    await work.session.flush()
    rows = (await listing.traps_page(work, known=True)).rows
    assert [(row.address, row.reason, row._mapping["count"], row.known) for row in rows] == [
        (device.address, "taken", 3, True), (device.address, "too_many", 3, True),
    ]  # fmt: skip
    assert [row.address for row in (await listing.traps_page(work, known=False)).rows] == ["10.250.0.1"]
    seen, cursor = [], None
    while True:
        page = await listing.traps_page(work, limit=1, cursor=cursor)
        seen += [(row.address, row.reason) for row in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert len(seen) == len(set(seen)) == 3


async def test_a_probe_is_a_scan_that_adds_nothing(work: Work) -> None:
    asked = await ask_for_probe(work, AskForProbe(address="127.0.0.1", port=1161))
    assert (asked.targets, asked.port, asked.adopts) == (["127.0.0.1"], 1161, False)
    told = wire.probe(await probe_by_id(work, asked.id))
    wire.ProbeOut.model_validate(told)
    assert (told["address"], told["found"], told["state"]) == ("127.0.0.1", None, "waiting")
    asked.found = [{"address": "127.0.0.1", "kind": "switch", "credential": "ours"}]
    await work.session.flush()
    told = wire.probe(await probe_by_id(work, asked.id))
    assert (told["found"]["kind"], told["found"]["serial"]) == ("switch", None)
    scan = await ask_for_scan(work, AskForScan(targets=["127.0.0.1"]))
    with pytest.raises(NotFound):
        await probe_by_id(work, scan.id)


async def test_nobody_outside_the_desk_sees_the_network(work: Work) -> None:
    device = await makers.make_network_device(work, switch())
    await see(work, device, "1/7")
    for role in (Role.STAFF, Role.PUPIL, Role.GUARDIAN, Role.VENDOR):
        theirs = await makers.acting(work)
        theirs.actor = makers.as_actor(role)
        for look in (
            listing.devices_page(theirs, DeviceFilter()),
            inventories.ports_page(theirs, device.id),
            inventories.inventory(theirs, device.id),
            faults_page(theirs, FaultFilter()),
            whereabouts.topology(theirs),
            whereabouts.mac_location(theirs, MAC),
            listing.maintenances_page(theirs),
            listing.traps_page(theirs),
        ):
            with pytest.raises(Forbidden):
                await look
