"""What breaks in the demo's network makes exactly the finding it should, and healing clears it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.snmp.reading import LinkState
from service.demo.network.plays import SchoolNetwork
from service.demo.network.story import MINUTES, SCENES, tell
from tests.integrations.snmp.demo_watching import Bad, Clock, Watcher, discovered


@pytest.fixture(scope="module")
def watcher() -> Watcher:
    """One for all: each test heals what it breaks."""
    return Watcher(SchoolNetwork(port=0, boot=0))


Act = Callable[[SchoolNetwork], object]
PLAYS: dict[str, tuple[Act, Act, Bad]] = {
    "jam": (
        lambda school: school.jam("rhs-printer-library"),
        lambda school: school.clear("rhs-printer-library"),
        {("rhs-printer-library", "printer.jammed", "")},
    ),
    "door": (
        lambda school: school.open_door("rhs-printer-library"),
        lambda school: school.close_door("rhs-printer-library"),
        {("rhs-printer-library", "printer.door_open", "")},
    ),
    "toner low": (
        lambda school: school.toner_low("kbm-printer-office"),
        lambda school: school.replace_toner("kbm-printer-office"),
        {("kbm-printer-office", "printer.toner_low", "1.1")},
    ),
    "toner empty": (
        lambda school: school.empty_toner("kbm-printer-office"),
        lambda school: school.replace_toner("kbm-printer-office"),
        {("kbm-printer-office", "printer.toner_empty", "1.1")},
    ),
    "toner of a colour printer": (
        lambda school: school.empty_toner("rhs-printer-office-colour"),
        lambda school: school.replace_toner("rhs-printer-office-colour"),
        {("rhs-printer-office-colour", "printer.toner_empty", "1.1")},
    ),
    "power cut, APC": (
        lambda school: school.power_cut("rhs-ups-mdf"),
        lambda school: school.power_back("rhs-ups-mdf"),
        {("rhs-ups-mdf", "ups.on_battery", "")},
    ),
    "power cut, UPS-MIB": (
        lambda school: school.power_cut("rhs-ups-b"),
        lambda school: school.power_back("rhs-ups-b"),
        {("rhs-ups-b", "ups.on_battery", "")},
    ),
    "self-test, APC": (
        lambda school: school.self_test("rhs-ups-mdf"),
        lambda school: school.power_back("rhs-ups-mdf"),
        set(),
    ),
    "self-test, UPS-MIB": (
        lambda school: school.self_test("rhs-ups-b"),
        lambda school: school.power_back("rhs-ups-b"),
        set(),
    ),
    "disk": (
        lambda school: school.fill_disk("rhs-nas"),
        lambda school: school.free_disk("rhs-nas"),
        {("rhs-nas", "storage.full", "storage.51")},
    ),
    "heat": (
        lambda school: school.heat("kbm-sensor-mdf"),
        lambda school: school.cool("kbm-sensor-mdf"),
        {("kbm-sensor-mdf", "sensor.too_hot", "1.3.6.1.4.1.20916.1.10.1.2.1.0")},
    ),
    "port": (
        lambda school: school.port_down("kbm-sw-a", 6),
        lambda school: school.port_up("kbm-sw-a", 6),
        {("kbm-sw-a", "port.down", "Gi1/0/6")},
    ),
}


@pytest.mark.parametrize("name", PLAYS)
def test_what_breaks_makes_its_finding_and_healing_clears_it(watcher: Watcher, name: str) -> None:
    broken, healed, expected = PLAYS[name]
    broken(watcher.school)
    assert watcher.news() == expected
    healed(watcher.school)
    assert watcher.bad() == watcher.before


def test_a_jam_and_low_toner_are_told_together_and_healed_apart(watcher: Watcher) -> None:
    watcher.school.jam("rhs-printer-library")
    watcher.school.toner_low("rhs-printer-library")
    printer = watcher.reading("rhs-printer-library").printer
    assert printer is not None
    assert set(printer.errors or ()) == {"jammed", "low_toner"}
    watcher.school.clear("rhs-printer-library")
    assert {check for _, check, _ in watcher.news()} == {"printer.toner_low"}
    watcher.school.replace_toner("rhs-printer-library")
    assert watcher.bad() == watcher.before


def test_a_battery_drains_runs_low_and_is_charged_again() -> None:
    clock = Clock()
    school = SchoolNetwork(port=0, clock=clock)
    watcher = Watcher(school)
    school.power_cut("rhs-ups-b")
    clock.seconds += 600
    ups = watcher.reading("rhs-ups-b").ups
    assert ups is not None
    assert (ups.seconds_on_battery, ups.charge_percent, ups.minutes_left) == (600, 75.0, 30)
    clock.seconds += 1_740
    assert ("rhs-ups-b", "ups.battery_low", "") in watcher.news()
    school.power_back("rhs-ups-b")
    clock.seconds += 7_200
    assert watcher.bad() == watcher.before


def test_the_controller_loses_an_access_point_whose_row_vanishes(watcher: Watcher) -> None:
    watcher.school.ap_lost("rhs-ap-103")
    points = discovered(watcher.school["district-wlc"])[1].access_points
    assert len(points) == 7
    assert "rhs-ap-103" not in {point.name for point in points}
    watcher.school.ap_back("rhs-ap-103")
    assert len(discovered(watcher.school["district-wlc"])[1].access_points) == 8


def test_a_port_that_goes_down_takes_power_neighbour_and_macs_with_it(watcher: Watcher) -> None:
    school = watcher.school
    device = school["kbm-ap-202"]
    place = device.spec.parent or "", device.port
    before = discovered(school["kbm-sw-b"])[1]
    school.port_down(*place)
    assert not school.is_reached("kbm-ap-202")
    reading = discovered(school["kbm-sw-b"])[1]
    port = reading.ports[device.port - 1]
    assert (port.admin, port.oper, port.poe_state) == (LinkState.UP, LinkState.DOWN, "searching")
    assert {one.name for one in before.neighbours} - {one.name for one in reading.neighbours} == {
        "kbm-ap-202"
    }
    assert len(before.learned) - len(reading.learned) == 1
    school.port_up(*place)
    assert school.is_reached("kbm-ap-202")
    assert discovered(school["kbm-sw-b"])[1].neighbours == before.neighbours


def test_a_dead_switch_takes_all_behind_it_and_gives_it_back(watcher: Watcher) -> None:
    school = watcher.school
    school.die("kbm-sw-b")
    gone = {name for name in school.devices if not school.is_reached(name)}
    behind = {name for name, device in school.devices.items() if device.spec.parent == "kbm-sw-b"}
    assert gone == behind | {"kbm-sw-b"}
    port = school["kbm-core"].nics[school["kbm-sw-b"].port - 1].name
    assert watcher.news() == {("kbm-core", "port.down", port)}
    assert len(discovered(school["district-fw"])[1].arp) == 46 - len(gone)
    school.revive("kbm-sw-b")
    assert watcher.bad() == watcher.before
    assert school.is_well


def test_counters_run_with_a_link_stand_without_and_start_anew() -> None:
    clock = Clock()
    school = SchoolNetwork(port=0, boot=0, clock=clock)
    switch = school["kbm-sw-a"]

    def octets() -> int:
        return discovered(switch)[1].ports[5].in_octets or 0

    first = octets()
    clock.seconds += 60
    second = octets()
    assert second > first > 0
    school.port_down("kbm-sw-a", 6)
    clock.seconds += 600
    assert octets() == second
    school.port_up("kbm-sw-a", 6)
    clock.seconds += 60
    assert octets() > second
    school.reboot("kbm-sw-a")
    assert octets() < second
    assert (discovered(switch)[1].uptime.ticks or 0) < 100


def test_an_uptime_wraps_while_the_engine_goes_on() -> None:
    clock = Clock()
    school = SchoolNetwork(port=0, clock=clock)
    school.wrap_uptime("kbm-core", 30)
    before = discovered(school["kbm-core"])[1].uptime
    clock.seconds += 60
    after = discovered(school["kbm-core"])[1].uptime
    assert before.ticks is not None
    assert after.ticks is not None
    assert before.ticks > 2**32 - 3_100
    assert after.ticks == pytest.approx(3_000, abs=100)
    assert (after.engine_seconds or 0) - (before.engine_seconds or 0) == 60
    assert after.engine_boots == before.engine_boots


def test_the_story_breaks_things_and_ends_where_it_began(watcher: Watcher) -> None:
    minutes = [scene.minute for scene in SCENES]
    assert minutes == sorted(minutes)
    assert minutes[-1] < MINUTES
    seen: set[str] = set()
    for scene in SCENES:
        scene.play(watcher.school)
        seen |= {check for _, check, _ in watcher.news()}
    assert watcher.bad() == watcher.before
    assert watcher.school.is_well
    assert {"printer.jammed", "printer.toner_low", "printer.toner_empty", "printer.door_open"} <= seen
    assert {"port.down", "ups.on_battery", "sensor.too_hot"} <= seen


async def test_the_story_is_told_at_its_minutes_over_and_over() -> None:
    clock, waited = Clock(), []

    class Enough(Exception):
        pass

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock.seconds += seconds
        if len(waited) > len(SCENES) + 1:
            raise Enough

    school = SchoolNetwork(port=0, boot=0, clock=clock)
    with pytest.raises(Enough):
        await tell(school, clock, sleep=sleep)
    assert waited[:3] == [60.0, 120.0, 180.0]
    assert sum(waited[: len(SCENES) + 1]) == (MINUTES + SCENES[0].minute) * 60
    assert {trouble.name for trouble in school.troubles("rhs-printer-library")} == {"JAM"}
