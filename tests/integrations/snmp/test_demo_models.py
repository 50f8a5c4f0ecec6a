"""The demo's devices are understood as what they are."""

from __future__ import annotations

import pytest

from integrations.snmp.profile import Profile
from integrations.snmp.reading import Reading, Verdict
from service.demo.network.plays import SchoolNetwork
from service.demo.network.school import Device
from tests.integrations.snmp.demo_watching import discovered


@pytest.fixture(scope="module")
def readings() -> dict[str, tuple[Device, Profile, Reading]]:
    school = SchoolNetwork(port=0)
    return {device.name: (device, *discovered(device)) for device in school.devices.values() if device.agent}


def test_there_are_two_schools_with_about_45_devices() -> None:
    school = SchoolNetwork(port=0)
    assert len(school.devices) == 47
    assert {device.spec.school for device in school.devices.values()} == {"0203", "0304"}
    assert len({device.face.serial for device in school.devices.values()}) == 47
    assert len({device.face.address for device in school.devices.values()}) == 47
    assert len({device.face.mac for device in school.devices.values()}) == 47


def test_every_device_is_understood_as_what_it_is(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    for device, profile, reading in readings.values():
        assert reading.identity.kind is device.spec.kind, device.name
        assert profile.name != "generic", device.name
        assert reading.identity.name == device.name
        assert reading.uptime.ticks == pytest.approx(device.face.up_for * 100, abs=6_000)
        assert [one.address for one in reading.addresses] == [device.face.address]


def test_a_healthy_network_has_nothing_wrong(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    bad = {
        (device.name, finding.check)
        for device, _, reading in readings.values()
        for finding in reading.findings
        if finding.verdict is Verdict.BAD
    }
    assert {check for _, check in bad} == {"port.down"}
    assert {name for name, _ in bad} <= {
        name for name, (device, _, _) in readings.items() if device.is_switch
    }


def test_switches_show_ports_power_and_who_hangs_where(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    for name, (device, _, reading) in readings.items():
        if not device.is_switch:
            continue
        assert [port.key for port in reading.ports] == [nic.name for nic in device.nics]
        neighbours = {one.name: one for one in reading.neighbours}
        for other, (child, _, _) in readings.items():
            if child.spec.parent == name and child.speaks_lldp:
                assert neighbours[other].port_key == device.nics[child.port - 1].name
                assert neighbours[other].address == child.face.address
        parent = readings[device.spec.parent or ""][0]
        assert neighbours[parent.name].port_key == "Te1/1/1"
        where = {one.mac: one for one in reading.learned}
        for child, _, _ in readings.values():
            if child.spec.parent == name:
                found = where[":".join(f"{octet:02x}" for octet in child.face.mac)]
                assert found.port_key == device.nics[child.port - 1].name
                assert found.vlan == 20


def test_an_access_point_is_fed_by_its_switch_port(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    device = readings["kbm-ap-202"][0]
    switch = {port.index: port for port in readings["kbm-sw-b"][2].ports}
    assert switch[device.port].poe_state == "delivering"
    assert switch[device.port].poe_index == f"1.{device.port}"
    assert readings["kbm-core"][2].ports[0].poe_state is None
    assert readings["kbm-ap-202"][2].clients == 34


def test_the_controller_has_its_access_points_and_the_router_their_addresses(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    points = readings["district-wlc"][2].access_points
    assert {point.name for point in points} == {f"rhs-ap-{room}" for room in _rooms()}
    assert all(point.up for point in points)
    assert readings["district-wlc"][2].clients == 8 * 14
    assert len(readings["district-fw"][2].arp) == 46


def _rooms() -> tuple[str, ...]:
    return "101", "102", "103", "104", "library", "201", "202", "gym"


def test_printers_have_supplies_trays_and_serials(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    device, _, plain = readings["rhs-printer-library"]
    colour = readings["rhs-printer-office-colour"][2]
    assert plain.printer is not None
    assert colour.printer is not None
    assert plain.identity.serial == device.face.serial
    assert [(one.kind, one.colour, one.percent) for one in plain.printer.supplies] == [
        ("toner", "black", 74.0),
        ("opc", "black", 81.0),
    ]
    assert len(colour.printer.supplies) == 9
    assert [one.receptacle for one in colour.printer.supplies].count(True) == 1
    assert [(one.name, one.bypass) for one in plain.printer.trays] == [
        ("Tray 1", False),
        ("Tray 2", False),
        ("Bypass tray", True),
    ]
    assert plain.printer.status == "idle"


def test_power_supplies_of_both_makes_say_what_feeds_the_load(
    readings: dict[str, tuple[Device, Profile, Reading]],
) -> None:
    for name in ("rhs-ups-mdf", "rhs-ups-b"):
        ups = readings[name][2].ups
        assert ups is not None
        assert (ups.source, ups.battery, ups.charge_percent) == ("normal", "normal", 100.0)
        assert ups.input_volts == 120
        assert ups.minutes_left == 40
