"""Which profile a device has, and how profiles are made of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integrations.snmp.linting import lint
from integrations.snmp.profile import IDENTIFY, BadProfile, load_profiles
from integrations.snmp.reading import DeviceKind
from integrations.snmp.understanding import understand

DESCRIPTION, OBJECT_ID = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.2.0"
DEVICE_TYPE, ERRORS = "1.3.6.1.2.1.25.3.2.1.2.1", "1.3.6.1.2.1.25.3.5.1.2.1"
PRINTER = {DEVICE_TYPE: "1.3.6.1.2.1.25.3.1.5", ERRORS: b"\x00"}
ENTERPRISES = "1.3.6.1.4.1"

KNOWN: list[tuple[str, dict[str, Any]]] = [
    ("printer", PRINTER),
    ("printer", {"1.3.6.1.2.1.43.10.2.1.4.1.1": 500, DESCRIPTION: b"Lexmark MS421dn"}),
    ("printer-brother", {**PRINTER, OBJECT_ID: f"{ENTERPRISES}.2435.2.3.9.1"}),
    ("printer-hp", {**PRINTER, OBJECT_ID: f"{ENTERPRISES}.11.2.3.9.1"}),
    ("printer-konica", {**PRINTER, OBJECT_ID: f"{ENTERPRISES}.18334.1.1.1.2.1.181.2.4"}),
    (
        "server-windows",
        {**PRINTER, DESCRIPTION: b"Hardware: x86 - Software: Windows Version 6.3 (Build 9600)"},
    ),
    ("ups", {"1.3.6.1.2.1.33.1.1.1.0": b"Tripp Lite"}),
    ("ups", {"1.3.6.1.2.1.33.1.2.1.0": 2}),
    ("ups-apc", {f"{ENTERPRISES}.318.1.1.1.1.1.1.0": b"Smart-UPS 1500"}),
    (
        "ups-cyberpower",
        {f"{ENTERPRISES}.3808.1.1.1.1.1.1.0": b"OR1500", "1.3.6.1.2.1.33.1.1.1.0": b"CyberPower"},
    ),
    ("ups-eaton", {f"{ENTERPRISES}.705.1.1.1.0": b"Eaton 5PX", "1.3.6.1.2.1.33.1.1.1.0": b"EATON"}),
    ("ups-eaton", {f"{ENTERPRISES}.534.1.1.2.0": b"93E"}),
    ("switch", {"1.3.6.1.2.1.17.1.2.0": 26, OBJECT_ID: f"{ENTERPRISES}.171.10.1"}),
    ("switch", {DESCRIPTION: b"24-port Gigabit Switch"}),
    ("switch-cisco", {OBJECT_ID: f"{ENTERPRISES}.9.1.634", "1.3.6.1.2.1.17.1.2.0": 28}),
    ("switch-hp", {OBJECT_ID: f"{ENTERPRISES}.11.2.3.7.11.161"}),
    ("switch-unifi", {OBJECT_ID: "1.3.6.1.4.1", DESCRIPTION: b"USW-Flex-XG, 6.2.14.13855"}),
    ("router", {DESCRIPTION: b"RouterOS RB750"}),
    ("firewall", {DESCRIPTION: b"Palo Alto Networks PA-220 series firewall"}),
    ("firewall-fortigate", {OBJECT_ID: f"{ENTERPRISES}.12356.101.1.1041"}),
    ("access-point", {DESCRIPTION: b"Wireless Access Point X"}),
    ("access-point", {OBJECT_ID: f"{ENTERPRISES}.41112.1.4", DESCRIPTION: b"Linux 2.6.32.61"}),
    (
        "access-point-unifi",
        {OBJECT_ID: f"{ENTERPRISES}.8072.3.2.10", f"{ENTERPRISES}.41112.1.6.3.3.0": b"U7PG2"},
    ),
    ("access-point-aruba-instant", {f"{ENTERPRISES}.14823.2.3.3.1.1.4.0": b"8.6"}),
    (
        "controller-aruba",
        {OBJECT_ID: f"{ENTERPRISES}.14823.1.1.40", DESCRIPTION: b"ArubaOS (MODEL: Aruba7010)"},
    ),
    ("controller-cisco-aireos", {OBJECT_ID: f"{ENTERPRISES}.9.1.1069", DESCRIPTION: b"Cisco Controller"}),
    ("controller-ruckus-zd", {OBJECT_ID: f"{ENTERPRISES}.25053.3.1.5.15"}),
    ("controller-ruckus-smartzone", {OBJECT_ID: f"{ENTERPRISES}.25053.3.1.11.1"}),
    ("server", {OBJECT_ID: f"{ENTERPRISES}.8072.3.2.10", DESCRIPTION: b"Linux files 5.15"}),
    ("nas-synology", {OBJECT_ID: f"{ENTERPRISES}.8072.3.2.10", f"{ENTERPRISES}.6574.1.5.1.0": b"DS214se"}),
    ("sensor", {DESCRIPTION: b"NetBotz 200"}),
    ("sensor-roomalert", {OBJECT_ID: f"{ENTERPRISES}.20916.1.10"}),
    ("projector", {DESCRIPTION: b"NEC Projector"}),
    ("projector-epson", {OBJECT_ID: f"{ENTERPRISES}.1248.4.1.1"}),
    ("phone", {DESCRIPTION: b"Yealink SIP-T46S"}),
    ("camera", {DESCRIPTION: b"SAMSUNG iPolis Premium Level IP Camera"}),
    ("generic", {DESCRIPTION: b"Thing", OBJECT_ID: f"{ENTERPRISES}.99999.1"}),
    ("generic", {}),
]


@pytest.mark.parametrize(("name", "answers"), KNOWN)
def test_a_device_has_the_profile_that_knows_it_best(name: str, answers: dict[str, Any]) -> None:
    assert load_profiles().match(answers).name == name


def test_every_profile_is_matched_by_something() -> None:
    assert {name for name, _ in KNOWN} == {profile.name for profile in load_profiles().all}


def test_what_profiles_are_matched_by_is_asked_first() -> None:
    profiles = load_profiles()
    assert profiles.identify[: len(IDENTIFY)] == IDENTIFY
    asked = {oid for profile in profiles.all for match in profile.match for oid in match.answers}
    assert asked <= set(profiles.identify)
    assert len(profiles.identify) <= 60


def test_profiles_are_found_by_name() -> None:
    profiles = load_profiles()
    assert profiles.by_name("ups-apc").kind is DeviceKind.UPS
    with pytest.raises(KeyError):
        profiles.by_name("base")


@pytest.mark.parametrize("profile", load_profiles().all, ids=lambda profile: profile.name)
def test_a_profile_understands_a_device_that_answers_nothing(profile: Any) -> None:
    reading = understand(profile, {})
    assert reading.identity.kind is profile.kind
    assert [finding for finding in reading.findings if finding.verdict == "bad"] == []


@pytest.mark.parametrize("profile", load_profiles().all, ids=lambda profile: profile.name)
def test_discovery_asks_no_object_twice(profile: Any) -> None:
    walk, get = profile.discovery.walk, profile.discovery.get
    assert len(set(walk)) == len(walk)
    assert len(set(get)) == len(get)
    assert not any(one.startswith(f"{base}.") for base in walk for one in (*walk, *get))


def folder_of(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return path


FAULT = """
    category: network
    impact: individual
    urgency: would_help
    for_teacher: {en: "{device}", es: "{device}"}
    for_technician: {en: "{device}", es: "{device}"}
"""


def test_adding_a_device_kind_is_adding_a_file(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        clock="kind: other\nmatch: [{answers: {1.3.6.1.4.1.77.1.0: '^CLOCK'}}]\n"
        f"faults:\n  clock.late:{FAULT}    bad: clients > 3\n",
        rest="kind: other\norder: -9\nmatch: [{}]\n",
    )
    profiles = load_profiles(folder)
    assert "1.3.6.1.4.1.77.1.0" in profiles.identify
    assert profiles.match({"1.3.6.1.4.1.77.1.0": b"CLOCK 2"}).name == "clock"
    assert profiles.match({"1.3.6.1.4.1.77.1.0": b"OTHER"}).name == "rest"


def test_a_profile_takes_over_what_it_extends_and_changes_it(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        below="kind: ups\nabstract: true\norder: 9\nmatch: [{}]\nreads: [ports]\n"
        "identity:\n  model: [{oid: 1.3.1}]\n"
        f"faults:\n  a.one:{FAULT}    bad: clients > 3\n  a.two:{FAULT}    bad: clients > 4\n",
        above="extends: below\nreads: [host, ports]\nmatch: [{object_id: [1.3.6.1.4.1.9]}]\n"
        "identity:\n  model: [{oid: 1.3.2}]\nfaults:\n  a.one: {confirm: 5}\n  a.two: null\n",
    )
    profile = load_profiles(folder).by_name("above")
    assert (profile.kind, profile.order, profile.reads) == (DeviceKind.UPS, 0, ("ports", "host"))
    assert [pick.oid for pick in profile.identity["model"]] == ["1.3.2", "1.3.1"]
    assert set(profile.faults) == {"a.one"}
    assert (profile.faults["a.one"].confirm, profile.faults["a.one"].bad) == (5, "clients > 3")
    assert load_profiles(folder).all == (profile,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "mapping"),
        ("kind: [\n", "YAML"),
        ("kind: toaster\n", "kind"),
        ("kind: other\ncolour: red\n", "colour"),
        ("kind: other\nextends: nobody\n", "nobody"),
        ("kind: other\nextends: odd\n", "itself"),
        ("kind: other\nmatch: [{object_id: [1.3.x]}]\n", "object identifier"),
        ("kind: other\nmatch: [{description: '('}]\n", "regular expression"),
        ("kind: other\nsensors: [{kind: state, oid: 1.3.1}]\n", "numbers mean"),
        ("kind: other\nsensors: [{kind: count}]\n", "oid or a column"),
        ("kind: other\nloads: [{kind: memory, key: m, total: 1.3.1}]\n", "percentage"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_with_its_reason(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadProfile, match=says) as refused:
        load_profiles(folder_of(tmp_path, odd=text))
    assert refused.value.path.name == "odd.yaml"


def test_a_folder_without_a_general_profile_knows_not_every_device(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        load_profiles(tmp_path).match({})


def test_a_districts_own_folder_lies_over_ours(tmp_path: Path) -> None:
    (tmp_path / "sensor-classroom.yaml").write_text(
        "extends: sensor\nvendor: Kestrel\norder: 90\nmatch: [{object_id: [1.3.6.1.4.1.99999]}]\n"
    )
    profiles = load_profiles(own=tmp_path)
    found = profiles.match({"1.3.6.1.2.1.1.2.0": "1.3.6.1.4.1.99999.4"})
    assert (found.name, found.vendor) == ("sensor-classroom", "Kestrel")
    assert found.faults.keys() >= load_profiles().by_name("sensor").faults.keys()
    assert {one.name for one in load_profiles().all} < {one.name for one in profiles.all}
    assert lint(tmp_path) == []
