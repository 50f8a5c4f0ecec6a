"""Sensors, loads and access points, as the rows of profiles say."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Reading, Verdict
from integrations.snmp.target import Answers
from integrations.snmp.understanding import poll_plan, rows_of, understand

ENVMON, SYNOLOGY, STORAGE = "1.3.6.1.4.1.9.9.13.1", "1.3.6.1.4.1.6574", "1.3.6.1.2.1.25.2.3.1"
FIXED_DISK = "1.3.6.1.2.1.25.2.1.4"
AIREOS, ZD, SZ = (
    "1.3.6.1.4.1.14179.2.2.1.1",
    "1.3.6.1.4.1.25053.1.2.2.1.1.2.1.1",
    "1.3.6.1.4.1.25053.1.4.2.1.1.2.2.1",
)
MACS = ("0.11.22.33.44.55", "0.11.22.33.44.66")


def read(profile: str, answers: Answers) -> Reading:
    return understand(load_profiles().by_name(profile), answers)


def verdicts(profile: str, answers: Answers) -> dict[tuple[str, str | None], Verdict]:
    return {(one.check, one.label): one.verdict for one in read(profile, answers).findings}


@pytest.mark.parametrize(
    ("state", "word", "expected"),
    [
        (1, "normal", Verdict.GOOD),
        (2, "warning", Verdict.KEEP),
        (3, "critical", Verdict.BAD),
        (5, "notPresent", Verdict.KEEP),
        (6, "notFunctioning", Verdict.BAD),
        (99, "99", Verdict.KEEP),
    ],
)
def test_a_state_that_is_not_healthy_is_the_fault_that_the_profile_names(
    state: int, word: str, expected: Verdict
) -> None:
    answers = {f"{ENVMON}.4.1.3.7": state, f"{ENVMON}.4.1.2.7": b"Fan 2"}
    (sensor,) = read("switch-cisco", answers).sensors
    assert (sensor.description, sensor.state) == ("Fan 2", word)
    assert verdicts("switch-cisco", answers) == {("fan.failed", "Fan 2"): expected}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(60, Verdict.GOOD), (63, Verdict.GOOD), (64, Verdict.KEEP), (65, Verdict.KEEP), (66, Verdict.BAD)],
)
def test_too_hot_is_above_the_devices_own_limit(value: int, expected: Verdict) -> None:
    answers = {f"{ENVMON}.3.1.3.1": value, f"{ENVMON}.3.1.4.1": 65, f"{ENVMON}.3.1.2.1": b"Inlet"}
    assert verdicts("switch-cisco", answers) == {("sensor.too_hot", "Inlet"): expected}


def test_a_temperature_without_a_limit_is_a_number_and_no_fault() -> None:
    answers = {f"{ENVMON}.3.1.3.1": 90}
    reading = read("switch-cisco", answers)
    assert ([one.value for one in reading.sensors], reading.findings) == ([90.0], [])
    assert [(one.name, one.value, one.unit) for one in reading.metrics] == [
        ("sensor.temperature", 90.0, "°C")
    ]


def test_a_value_that_says_there_is_no_sensor_is_no_sensor() -> None:
    room, cabinet = "1.3.6.1.4.1.318.1.1.25.1.2.1", "1.3.6.1.4.1.318.1.1.25.1.4.1"
    answers = {f"{room}.3.1.1": b"Room", f"{room}.6.1.1": 41, f"{room}.7.1.1": -1, f"{cabinet}.8.1.1": 40}
    (sensor,) = read("ups-apc", answers).sensors
    assert (sensor.kind, sensor.value, sensor.high) == ("temperature", 41.0, 40.0)
    assert verdicts("ups-apc", answers)["sensor.too_hot", "Room"] is Verdict.BAD


@pytest.mark.parametrize(
    ("value", "expected"), [(9500, Verdict.BAD), (9000, Verdict.GOOD), (2760, Verdict.GOOD)]
)
def test_humidity_has_its_range(value: int, expected: Verdict) -> None:
    answers = {"1.3.6.1.4.1.20916.1.10.1.2.3.0": value, "1.3.6.1.4.1.20916.1.10.1.2.8.0": b"Server room"}
    assert verdicts("sensor-roomalert", answers) == {("sensor.out_of_range", "Server room"): expected}


def test_an_entity_sensor_is_read_if_it_works() -> None:
    base, name = "1.3.6.1.2.1.99.1.1.1", "1.3.6.1.2.1.47.1.1.1.1.7"
    answers: Answers = {}
    for at, (kind, scale, precision, value, status) in enumerate(
        [(8, 9, 1, 235, 1), (6, 8, 0, 4500, 1), (8, 9, 0, 0, 2), (1, 9, 0, 5, 1), (10, 9, 0, 3200, 1)],
        start=1,
    ):
        answers |= {
            f"{base}.{n}.{at}": v for n, v in enumerate((kind, scale, precision, value, status), start=1)
        }
        answers[f"{name}.{at}"] = f"Part {at}".encode()
    found = read("switch", answers).sensors
    assert [(one.description, one.kind, one.value, one.unit) for one in found] == [
        ("Part 1", "temperature", 23.5, "°C"),
        ("Part 2", "power", 4.5, "W"),
        ("Part 5", "fanspeed", 3200.0, "rpm"),
    ]


def store(at: int, words: str, used: int, size: int, kind: str = FIXED_DISK, unit: int = 4096) -> Answers:
    values = (kind, words.encode(), unit, size, used)
    return {f"{STORAGE}.{column}.{at}": value for column, value in enumerate(values, start=2)}


@pytest.mark.parametrize(
    ("used", "expected"), [(90, Verdict.GOOD), (94, Verdict.KEEP), (95, Verdict.BAD), (100, Verdict.BAD)]
)
def test_a_disk_is_full_at_ninety_five_percent_and_well_at_ninety(used: int, expected: Verdict) -> None:
    assert verdicts("server", store(31, "/home", used, 100)) == {("storage.full", "/home"): expected}


@pytest.mark.parametrize(
    "answers",
    [
        store(1, "Random Access Memory", 100, 100, "1.3.6.1.2.1.25.2.1.2"),
        store(4, "eMMC", 100, 100, "1.3.6.1.2.1.25.2.1.1"),
        store(3, "SPIFlash", 100, 100, "1.3.6.1.2.1.25.2.1.9"),
        store(5, "D:\\ CD", 100, 100, "1.3.6.1.2.1.25.2.1.7"),
        store(6, "ramdisk", 100, 100, "1.3.6.1.2.1.25.2.1.8"),
        store(7, "/snap/core/1", 100, 100),
        store(8, "/dev/shm", 100, 100),  # noqa: S108
        store(9, "devfs: dev file system, mounted on: /dev", 100, 100),
        store(31, "/", 100, 100) | {"1.3.6.1.2.1.25.3.8.1.5.1": 2, "1.3.6.1.2.1.25.3.8.1.7.1": 31},
        store(31, "/empty", 0, 0),
        store(31, "/ifs", 1_354_557_667, 186_914_868),
        store(31, "/odd", 1, 100, "0.0"),
    ],
)
def test_what_is_full_on_purpose_is_no_fault(answers: Answers) -> None:
    assert Verdict.BAD not in verdicts("server", answers).values()


def test_a_store_is_told_in_bytes() -> None:
    (load,) = read("server", store(31, "/home", -1_000_000_000, -500_000_000, unit=1024)).loads
    assert (load.used, load.total) == ((2**32 - 1_000_000_000) * 1024, (2**32 - 500_000_000) * 1024)


def test_a_disk_and_a_volume_that_fail_are_two_faults() -> None:
    answers = {
        f"{SYNOLOGY}.2.1.1.2.0": b"Disk 1",
        f"{SYNOLOGY}.2.1.1.3.0": b"WD40",
        f"{SYNOLOGY}.2.1.1.5.0": 5,
        f"{SYNOLOGY}.3.1.1.2.0": b"Volume 1",
        f"{SYNOLOGY}.3.1.1.3.0": 11,
        f"{SYNOLOGY}.1.4.1.0": 2,
        f"{SYNOLOGY}.1.3.0": 1,
    }
    found = verdicts("nas-synology", answers)
    assert {key for key, verdict in found.items() if verdict is Verdict.BAD} == {
        ("disk.failed", "Disk 1 WD40"),
        ("storage.failed", "Volume 1"),
        ("fan.failed", "FAN - System"),
    }
    assert found["power_supply.failed", "Power"] is Verdict.GOOD


def test_a_load_is_read_from_whatever_the_device_has_of_it() -> None:
    pool, fgt = "1.3.6.1.4.1.9.9.48.1.1.1", "1.3.6.1.4.1.12356.101.4.1"
    (cisco,) = read(
        "switch-cisco", {f"{pool}.2.1": b"Processor", f"{pool}.5.1": 300, f"{pool}.6.1": 700}
    ).loads
    assert (cisco.description, cisco.percent, cisco.used, cisco.total) == ("Processor", 30.0, 300, 1000)
    fortinet = read("firewall-fortigate", {f"{fgt}.3.0": 6, f"{fgt}.4.0": 25, f"{fgt}.5.0": 1000}).loads
    assert [(one.kind, one.percent, one.used) for one in fortinet] == [
        ("processor", 6.0, None),
        ("memory", 25.0, 256_000),
    ]


def aireos(*states: int | None) -> Answers:
    answers: Answers = {"1.3.6.1.2.1.1.3.0": 5}
    for mac, state in zip(MACS, states, strict=True):
        answers[f"{AIREOS}.3.{mac}"] = f"ap-{mac[-2:]}".encode()
        answers[f"{AIREOS}.19.{mac}"] = "10.0.0.9"
        if state is not None:
            answers[f"{AIREOS}.6.{mac}"] = state
    return answers


def test_a_controller_tells_of_its_access_points() -> None:
    reading = read("controller-cisco-aireos", aireos(1, 2))
    assert [(one.key, one.name, one.up, one.state, one.address) for one in reading.access_points] == [
        ("00:0b:16:21:2c:37", "ap-55", True, "associated", "10.0.0.9"),
        ("00:0b:16:21:2c:42", "ap-66", False, "disassociating", "10.0.0.9"),
    ]
    assert verdicts("controller-cisco-aireos", aireos(1, 2)) == {
        ("ap.down", "ap-55"): Verdict.GOOD,
        ("ap.down", "ap-66"): Verdict.BAD,
    }


def test_an_access_point_whose_row_is_gone_is_down_while_others_answer() -> None:
    profile, known = load_profiles().by_name("controller-cisco-aireos"), aireos(1, 1)
    plan = poll_plan(profile, rows_of(profile, known), understand(profile, known))
    one_gone = plan.read(aireos(1, None))
    assert [(one.name, one.up, one.state) for one in one_gone.access_points] == [
        ("ap-55", True, "associated"),
        ("ap-66", False, "gone"),
    ]
    all_gone = plan.read(aireos(None, None))
    assert [one.verdict for one in all_gone.findings] == [Verdict.KEEP, Verdict.KEEP]


@pytest.mark.parametrize(
    ("profile", "answers", "expected"),
    [
        (
            "controller-ruckus-zd",
            {f"{ZD}.3.6.{MACS[0]}": 1, f"{ZD}.15.6.{MACS[0]}": 12},
            ("connected", True, 12),
        ),
        ("controller-ruckus-zd", {f"{ZD}.3.6.{MACS[0]}": 0}, ("disconnected", False, None)),
        ("controller-ruckus-zd", {f"{ZD}.3.6.{MACS[0]}": 2}, ("approvalPending", None, None)),
        (
            "controller-ruckus-smartzone",
            {f"{SZ}.16.6.{MACS[0]}": b"Connect", f"{SZ}.15.6.{MACS[0]}": 3},
            ("connected", True, 3),
        ),
        (
            "controller-ruckus-smartzone",
            {f"{SZ}.16.6.{MACS[0]}": b"Disconnect"},
            ("disconnected", False, None),
        ),
        (
            "controller-ruckus-smartzone",
            {f"{SZ}.16.6.{MACS[0]}": b"Provisioning"},
            ("Provisioning", None, None),
        ),
    ],
)
def test_states_of_access_points_are_numbers_or_words(profile: str, answers: Answers, expected: Any) -> None:
    (found,) = read(profile, answers).access_points
    assert found.key == "00:0b:16:21:2c:37"
    assert (found.state, found.up, found.clients) == expected


def test_wireless_clients_are_counted_as_the_device_tells_them() -> None:
    assert read("controller-ruckus-zd", {f"{ZD}.15.6.{mac}": 7 for mac in MACS}).clients == 14
    assert read("controller-aruba", {"1.3.6.1.4.1.14823.2.2.1.1.3.2.0": 120}).clients == 120
    stations = {f"1.3.6.1.4.1.14823.2.3.3.1.2.4.1.1.{mac}": b"x" for mac in MACS}
    assert read("access-point-aruba-instant", stations).clients == 2
    assert (
        read("access-point-unifi", {f"1.3.6.1.4.1.41112.1.6.1.2.1.8.{at}": 4 for at in (0, 1, 2)}).clients
        == 12
    )
