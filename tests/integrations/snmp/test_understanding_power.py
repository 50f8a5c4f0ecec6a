"""UPSs and projectors: what is an outage, what is only a test, and when a battery matters."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Reading, Verdict
from integrations.snmp.target import Answers
from integrations.snmp.understanding import understand

UPS, APC, CPS = "1.3.6.1.2.1.33.1", "1.3.6.1.4.1.318.1.1.1", "1.3.6.1.4.1.3808.1.1.1"
MGE, XUPS = "1.3.6.1.4.1.705.1", "1.3.6.1.4.1.534.1"


def standard(**more: Any) -> Answers:
    return {
        f"{UPS}.1.1.0": b"Tripp Lite",
        f"{UPS}.2.1.0": 2,
        f"{UPS}.2.2.0": 0,
        f"{UPS}.2.3.0": 40,
        f"{UPS}.2.4.0": 100,
        f"{UPS}.2.5.0": 272,
        f"{UPS}.3.3.1.3.1": 121,
        f"{UPS}.4.1.0": 3,
        f"{UPS}.4.4.1.2.1": 120,
        f"{UPS}.4.4.1.5.1": 30,
        f"{UPS}.6.1.0": 0,
        f"{UPS}.7.3.0": 1,
    } | {f"{UPS}.{at.lstrip('_').replace('_', '.')}": value for at, value in more.items()}


def apc(**more: Any) -> Answers:
    return {
        f"{APC}.1.1.1.0": b"Smart-UPS 1500",
        f"{APC}.2.1.1.0": 2,
        f"{APC}.2.2.1.0": 100,
        f"{APC}.2.2.3.0": 240_000,
        f"{APC}.2.2.4.0": 1,
        f"{APC}.4.1.1.0": 2,
        f"{APC}.4.2.3.0": 25,
    } | {f"{APC}.{at.lstrip('_').replace('_', '.')}": value for at, value in more.items()}


def read(profile: str, answers: Answers) -> Reading:
    return understand(load_profiles().by_name(profile), answers)


def verdicts(profile: str, answers: Answers) -> dict[str, Verdict]:
    return {one.check: one.verdict for one in read(profile, answers).findings if one.instance == ""}


def bad(profile: str, answers: Answers) -> set[str]:
    return {check for check, verdict in verdicts(profile, answers).items() if verdict is Verdict.BAD}


def test_a_ups_on_mains_has_no_fault_and_nothing_is_left_open() -> None:
    found = verdicts("ups", standard())
    assert set(found.values()) == {Verdict.GOOD}
    assert {"ups.on_battery", "ups.battery_low", "ups.bypass", "ups.overload", "ups.replace_battery"} <= set(
        found
    )


def test_the_numbers_of_a_ups_have_the_units_that_people_use() -> None:
    ups = read("ups", standard()).ups
    assert ups is not None
    assert (ups.source, ups.battery, ups.minutes_left, ups.charge_percent) == (
        "normal",
        "normal",
        40.0,
        100.0,
    )
    assert (ups.battery_volts, ups.input_volts, ups.output_volts, ups.load_percent) == (
        27.2,
        121.0,
        120.0,
        30.0,
    )
    assert read("ups-apc", apc()).ups.minutes_left == 40.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "checks"),
    [
        ({"_4_1_0": 5}, {"ups.on_battery"}),
        ({"_4_1_0": 5, "_2_3_0": 3}, {"ups.on_battery", "ups.battery_low"}),
        ({"_4_1_0": 5, "_2_4_0": 15}, {"ups.on_battery", "ups.battery_low"}),
        ({"_2_1_0": 3}, {"ups.battery_low"}),
        ({"_2_1_0": 4}, {"ups.battery_low"}),
        ({"_4_1_0": 4}, {"ups.bypass"}),
        ({"_4_1_0": 2}, {"ups.output_off"}),
        ({"_4_1_0": 6}, set()),
        ({"_4_1_0": 7}, set()),
        ({"_4_4_1_5_1": 100}, {"ups.overload"}),
        ({"_2_3_0": 0}, set()),
        ({"_2_4_0": 10}, set()),
        ({"_2_3_0": -1}, set()),
    ],
)
def test_what_a_ups_says_is_its_fault_and_no_other(more: dict[str, int], checks: set[str]) -> None:
    assert bad("ups", standard(**more)) == checks


def test_a_self_test_is_no_outage() -> None:
    during = standard(_4_1_0=5, _7_3_0=5, _2_1_0=3)
    assert bad("ups", during) == set()
    assert verdicts("ups", during)["ups.on_battery"] is Verdict.KEEP
    assert bad("ups-apc", apc(_4_1_1_0=15)) == set()
    assert read("ups-apc", apc(_4_1_1_0=15)).ups.testing is True  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "source"),
    [
        (2, "normal"),
        (3, "battery"),
        (4, "boost"),
        (6, "bypass"),
        (7, "off"),
        (10, "bypass"),
        (12, "trim"),
        (15, "test"),
    ],
)
def test_apc_says_where_its_power_comes_from(status: int, source: str) -> None:
    assert read("ups-apc", apc(_4_1_1_0=status)).ups.source == source  # type: ignore[union-attr]


def test_a_battery_that_wants_to_be_replaced_is_told() -> None:
    assert bad("ups-apc", apc(_2_2_4_0=2)) == {"ups.replace_battery"}
    assert bad("ups-eaton", {f"{MGE}.1.1.0": b"Eaton", f"{MGE}.5.11.0": 1}) == {"ups.replace_battery"}
    assert bad("ups", standard(_6_1_0=1, _6_2_1_2_1=f"{UPS}.6.3.1")) == {"ups.replace_battery"}


def test_alarms_are_told_in_words_and_those_that_are_none_are_left_out() -> None:
    answers = standard(
        _6_1_0=3, _6_2_1_2_1=f"{UPS}.6.3.16", _6_2_1_2_2=f"{UPS}.6.3.24", _6_2_1_2_3="1.3.6.1.4.1.5.1"
    )
    ups = read("ups", answers).ups
    assert ups is not None
    assert ups.alarms == ["1.3.6.1.4.1.5.1", "fan_failure"]
    assert bad("ups", answers) == {"ups.alarm"}


@pytest.mark.parametrize(
    ("status", "checks"),
    [
        (2, set()),
        (3, {"ups.on_battery"}),
        (4, set()),
        (9, {"ups.bypass"}),
        (10, set()),
        (11, {"ups.overload"}),
        (6, {"ups.output_off"}),
    ],
)
def test_cyberpower_answers_its_own_mib(status: int, checks: set[str]) -> None:
    answers: Answers = {
        f"{UPS}.1.1.0": b"CyberPower",
        f"{CPS}.1.1.1.0": b"OR1500LCDRTXL2U",
        f"{CPS}.2.1.1.0": 2,
        f"{CPS}.2.2.1.0": 100,
        f"{CPS}.2.2.4.0": 300_000,
        f"{CPS}.4.1.1.0": status,
        f"{CPS}.4.2.3.0": 20,
    }
    reading = read("ups-cyberpower", answers)
    assert reading.identity.model == "OR1500LCDRTXL2U"
    assert reading.ups is not None
    assert (reading.ups.charge_percent, reading.ups.minutes_left) == (100.0, 50.0)
    assert bad("ups-cyberpower", answers) == checks


def test_eaton_answers_three_mibs_and_the_standard_one_counts_first() -> None:
    answers: Answers = {
        f"{XUPS}.1.2.0": b"93E",
        f"{XUPS}.4.5.0": 5,
        f"{XUPS}.2.1.0": 600,
        f"{XUPS}.2.4.0": 80,
    }
    reading = read("ups-eaton", answers)
    assert reading.ups is not None
    assert (reading.ups.source, reading.ups.minutes_left, reading.ups.charge_percent) == (
        "battery",
        10.0,
        80.0,
    )
    assert bad("ups-eaton", answers | {f"{UPS}.4.1.0": 3}) == set()


def test_a_ups_that_says_nothing_of_a_field_neither_opens_nor_closes() -> None:
    found = verdicts("ups", {f"{UPS}.1.1.0": b"X", f"{UPS}.2.4.0": 50})
    assert found["ups.on_battery"] is Verdict.KEEP
    assert found["ups.replace_battery"] is Verdict.KEEP


@pytest.mark.parametrize(
    ("hours", "expected"), [(4000, Verdict.GOOD), (4200, Verdict.KEEP), (4500, Verdict.BAD)]
)
def test_a_projectors_lamp_is_told_before_it_ends(hours: int, expected: Verdict) -> None:
    answers = {"1.3.6.1.4.1.1248.4.1.1.1.1.0": hours}
    reading = read("projector-epson", answers)
    assert reading.projector is not None
    assert reading.projector.lamp_hours == hours
    assert verdicts("projector-epson", answers) == {"projector.lamp_end": expected}
