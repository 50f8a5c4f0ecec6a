"""Thirteen recorded devices: what ails them is seen and nothing else, at discovery and at polls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.snmp.reading import Reading, Verdict
from integrations.snmp.storing import reading_from_json, reading_to_json
from integrations.snmp.target import Answers
from integrations.snmp.understanding import poll_plan, rows_of
from integrations.snmp.understanding.ports import is_physical
from tests.integrations.snmp.recordings import PROFILES, device

pytestmark = pytest.mark.shared

FAULTS: dict[str, set[tuple[str, str]]] = {
    # Error bits 0100: serviceRequested. Its tray 1.7, at 0 of 150 beside two of 500, is the bypass; its eMMC
    # and SPIFlash at 100 % are no disks; its waste box says -3, some room left.
    "konica_c250i": {("printer.service_requested", "")},
}
"""What is wrong with each, but for ports without a link. Not wrong, though another monitor says so:

brother_hl5370dw  toner 1.1 is at 0 of an unknown capacity, the other at -3, no error bit: nobody says empty
eaton-mgeups_5px  the inverter of a line-interactive UPS is off while there is mains; 33 °C is its own limit
ios_c3560         an HSRP group is initial because its VLAN has no link, which no one has said is important
dsm_ds214se-dsm7  disk 2 counts 511 bad sectors, and the NAS calls the disk normal
"""


@pytest.mark.parametrize("name", PROFILES)
def test_a_recorded_device_has_the_faults_that_it_has_and_no_other(name: str) -> None:
    bad = {
        (finding.check, finding.instance)
        for finding in device(name).reading.findings
        if finding.verdict is Verdict.BAD and finding.check != "port.down"
    }
    assert bad == FAULTS.get(name, set())


@pytest.mark.parametrize("name", PROFILES)
def test_the_ports_without_a_link_are_those_that_are_switched_on(name: str) -> None:
    found = device(name)
    down = {
        finding.instance
        for finding in found.reading.findings
        if finding.check == "port.down" and finding.verdict is Verdict.BAD
    }
    without = set(found.recording["interfaces_admin_up_oper_down"])
    ports = found.reading.ports
    named = {port.key for port in ports if port.index in without and is_physical(port)}
    assert down == (named if "port.down" in found.profile.faults else set())


@pytest.mark.parametrize("name", PROFILES)
def test_every_fault_of_a_recorded_device_has_its_words(name: str) -> None:
    found = device(name)
    for finding in found.reading.findings:
        spec = found.profile.faults[finding.check]
        assert set(spec.for_teacher) == set(spec.for_technician) == {"en", "es"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_poll_agrees_with_discovery_on_all_that_it_asks(name: str) -> None:
    found = device(name)
    rows = rows_of(found.profile, found.asked())
    stored = json.loads(json.dumps(reading_to_json(found.reading)))
    plan = poll_plan(found.profile, json.loads(json.dumps(rows)), reading_from_json(stored))
    assert len(plan.oids) <= found.profile.most_values
    polled = plan.read({oid: found.answers[oid] for oid in plan.oids})
    same_items(polled, found.reading)
    assert verdicts(polled) == verdicts(found.reading)
    kept = {(one.name, one.instance): one.value for one in found.reading.metrics}
    assert {(one.name, one.instance): one.value for one in polled.metrics} == kept


NOT_POLLED = {"last_change", "discontinuity"}
"""Fields of a port that discovery alone reads."""


def same_items(polled: Reading, known: Reading) -> None:
    assert (polled.identity, polled.uptime) == (known.identity, known.uptime)
    assert (polled.printer, polled.ups, polled.projector) == (known.printer, known.ups, known.projector)
    for name in ("ports", "sensors", "loads", "access_points"):
        whole = {one.key: one for one in getattr(known, name)}
        for one in getattr(polled, name):
            for part in set(type(one).__dataclass_fields__) - NOT_POLLED:
                assert getattr(one, part) == getattr(whole[one.key], part), (one.key, part)


def verdicts(reading: Reading) -> dict[tuple[str, str], Any]:
    return {(one.check, one.instance): (one.verdict, one.value, one.label) for one in reading.findings}


PRINTER_ERRORS, PRINTER_STATUS = "1.3.6.1.2.1.25.3.5.1.2.1", "1.3.6.1.2.1.25.3.2.1.5.1"
LEVEL, TRAY = "1.3.6.1.2.1.43.11.1.1.9", "1.3.6.1.2.1.43.8.2.1.10"
STANDARD_UPS, APC = "1.3.6.1.2.1.33.1", "1.3.6.1.4.1.318.1.1.1"

MADE_ILL: list[tuple[str, Answers, set[tuple[str, str]]]] = [
    ("jetdirect_m252dw", {PRINTER_ERRORS: b"\x04", PRINTER_STATUS: 5}, {("printer.jammed", "")}),
    ("jetdirect_m252dw", {PRINTER_ERRORS: b"\x40", PRINTER_STATUS: 5}, {("printer.paper_out", "")}),
    ("jetdirect_m252dw", {f"{LEVEL}.1.3": 4}, {("printer.toner_low", "1.3")}),
    ("jetdirect_m252dw", {f"{LEVEL}.1.3": 0}, {("printer.toner_empty", "1.3")}),
    ("jetdirect_m252dw", {f"{TRAY}.1.2": 0}, {("printer.paper_out", "")}),
    ("brother", {PRINTER_ERRORS: b"\x20"}, {("printer.toner_low", "1.1")}),
    ("brother", {PRINTER_ERRORS: b"\x10"}, {("printer.toner_empty", "1.1")}),
    ("brother", {f"{LEVEL}.1.2": 100}, {("printer.drum_end", "1.2")}),
    ("brother_hl5370dw", {PRINTER_ERRORS: b"\x10"}, {("printer.toner_empty", "1.1")}),
    ("konica_c250i", {PRINTER_ERRORS: b"\x00"}, set()),
    ("konica_c250i", {PRINTER_ERRORS: b"\x00", f"{TRAY}.1.2": 0}, {("printer.tray_empty", "1.2")}),
    (
        "eaton-mgeups_5px",
        {f"{STANDARD_UPS}.4.1.0": 5, f"{STANDARD_UPS}.2.3.0": 12, f"{STANDARD_UPS}.2.4.0": 60},
        {("ups.on_battery", "")},
    ),
    ("apc_smtl1000-nmc3", {f"{APC}.4.1.1.0": 3}, {("ups.on_battery", "")}),
    ("apc_smtl1000-nmc3", {f"{APC}.4.1.1.0": 15}, set()),
    ("apc_smtl1000-nmc3", {f"{APC}.2.2.4.0": 2}, {("ups.replace_battery", "")}),
    (
        "apc_smtl1000-nmc3",
        {"1.3.6.1.4.1.318.1.1.25.1.2.1.6.1.1": 70},
        {("sensor.too_hot", "1.3.6.1.4.1.318.1.1.25.1.2.1.6.1.1")},
    ),
    (
        "procurve_2520",
        {"1.3.6.1.4.1.11.2.14.11.5.1.54.2.1.1.4.3": 0},
        {("fan.failed", "1.3.6.1.4.1.11.2.14.11.5.1.54.2.1.1.4.3")},
    ),
    (
        "procurve_2520",
        {"1.3.6.1.4.1.11.2.14.11.5.1.55.1.1.1.2.2": 4},
        {("power_supply.failed", "1.3.6.1.4.1.11.2.14.11.5.1.55.1.1.1.2.2")},
    ),
    (
        "dsm_ds214se-dsm7",
        {"1.3.6.1.4.1.6574.2.1.1.5.1": 5},
        {("disk.failed", "1.3.6.1.4.1.6574.2.1.1.5.1")},
    ),
    ("dsm_ds214se-dsm7", {"1.3.6.1.2.1.25.2.3.1.6.45": 1_400_000_000}, {("storage.full", "storage.45")}),
    (
        "aruba-instant_105",
        {"1.3.6.1.4.1.14823.2.3.3.1.2.1.1.11.36.222.198.195.80.164": 2},
        {("ap.down", "24:de:c6:c3:50:a4")},
    ),
]


@pytest.mark.parametrize(("name", "change", "faults"), MADE_ILL)
def test_a_change_of_a_recorded_device_is_its_fault_at_the_next_poll_and_no_other(
    name: str, change: Answers, faults: set[tuple[str, str]]
) -> None:
    found = device(name)
    plan = poll_plan(found.profile, rows_of(found.profile, found.asked()), found.reading)
    polled = plan.read({oid: found.answers[oid] for oid in plan.oids} | change)
    assert set(change) <= set(plan.oids)
    bad = {(one.check, one.instance) for one in polled.findings if one.verdict is Verdict.BAD}
    assert {one for one in bad if one[0] != "port.down"} == faults


def test_a_port_that_goes_down_is_told_at_the_next_poll() -> None:
    found = device("procurve_2520")
    plan = poll_plan(found.profile, rows_of(found.profile, found.asked()), found.reading)
    before = plan.read(found.answers)
    after = plan.read(found.answers | {"1.3.6.1.2.1.2.2.1.8.3": 2})
    down = [
        {one.instance for one in reading.findings if one.check == "port.down" and one.verdict is Verdict.BAD}
        for reading in (before, after)
    ]
    assert down[1] - down[0] == {"3"}
