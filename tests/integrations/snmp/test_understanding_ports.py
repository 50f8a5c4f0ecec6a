"""Ports, power over Ethernet, and what a switch knows of others."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import LinkState, Reading, Verdict
from integrations.snmp.target import Answers
from integrations.snmp.understanding import rate_verdict, understand

PROFILE = load_profiles().by_name("switch")
IF, IFX, POE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1", "1.3.6.1.2.1.105.1.1.1"
LLDP, CDP = "1.0.8802.1.1.2.1.4.1.1", "1.3.6.1.4.1.9.9.23.1.2.1.1"
PHONE = bytes.fromhex("00ab12cd34ef")


def port(index: int, name: str | None = None, *, admin: int = 1, oper: int = 1, kind: int = 6) -> Answers:
    answers: Answers = {
        f"{IF}.2.{index}": f"Ethernet {index}".encode(),
        f"{IF}.3.{index}": kind,
        f"{IF}.7.{index}": admin,
        f"{IF}.8.{index}": oper,
    }
    return answers | ({f"{IFX}.1.{index}": name.encode()} if name else {})


def read(answers: Answers) -> Reading:
    return understand(PROFILE, answers)


def verdict(answers: Answers, check: str) -> dict[str, Verdict]:
    return {one.instance: one.verdict for one in read(answers).findings if one.check == check}


def test_a_port_is_known_by_its_name_and_by_its_index_where_names_repeat() -> None:
    reading = read(port(1, "gi1") | port(2, "gi2") | port(3, "x") | port(4, "x") | port(5) | {f"{IF}.8.6": 1})
    assert [one.key for one in reading.ports] == ["gi1", "gi2", "x#3", "x#4", "Ethernet 5", "#6"]


@pytest.mark.parametrize(
    ("admin", "oper", "expected"),
    [
        (1, 1, Verdict.GOOD),
        (1, 2, Verdict.BAD),
        (1, 7, Verdict.BAD),
        (1, 6, Verdict.BAD),
        (1, 5, Verdict.KEEP),
        (1, 4, Verdict.KEEP),
        (2, 2, Verdict.GOOD),
    ],
)
def test_a_port_is_down_if_it_is_switched_on_and_has_no_link(
    admin: int, oper: int, expected: Verdict
) -> None:
    assert verdict(port(1, "gi1", admin=admin, oper=oper), "port.down") == {"gi1": expected}


def test_a_port_whose_admin_state_is_unknown_is_left_alone() -> None:
    answers = port(1, "gi1", oper=2)
    del answers[f"{IF}.7.1"]
    assert verdict(answers, "port.down") == {"gi1": Verdict.KEEP}


def test_only_ports_with_a_socket_are_judged() -> None:
    answers = port(1, "gi1") | port(2, "Po1", oper=2, kind=161) | port(3, "Vl1", oper=2, kind=53)
    assert set(verdict(answers, "port.down")) == {"gi1"}
    assert len(read(answers).ports) == 3


def test_speed_is_in_megabits_whichever_object_says_it() -> None:
    answers = {
        **port(1), **port(2), **port(3), **port(4),
        f"{IFX}.15.1": 10_000, f"{IF}.5.1": 4_294_967_295,
        f"{IFX}.15.2": 0, f"{IF}.5.2": 64_000,
        f"{IF}.5.3": 100_000_000,
        f"{IF}.5.4": 4_294_967_295,
    }  # fmt: skip
    assert [one.speed_mbps for one in read(answers).ports] == [10_000.0, 0.064, 100.0, None]


def test_wide_counters_are_read_before_narrow_ones() -> None:
    answers = port(1, "gi1") | {
        f"{IF}.10.1": 5,
        f"{IFX}.6.1": 5_000_000_000,
        f"{IF}.16.1": 7,
        f"{IF}.14.1": 2,
    }
    found = read(answers).ports[0]
    assert (found.in_octets, found.out_octets, found.in_errors) == (5_000_000_000, 7, 2)
    metrics = {one.name: (one.value, one.counter) for one in read(answers).metrics}
    assert metrics["port.in_octets"] == (5_000_000_000, True)
    assert metrics["port.out_octets"] == (7, True)


def test_errors_are_judged_by_the_hour() -> None:
    spec = PROFILE.faults["port.errors"]
    assert spec.rate is not None
    judged = [rate_verdict(spec.rate, per_hour) for per_hour in (600, 599, 61, 60, 0, None)]
    assert judged == [Verdict.BAD, Verdict.KEEP, Verdict.KEEP, Verdict.GOOD, Verdict.GOOD, Verdict.KEEP]


@pytest.mark.parametrize(
    ("state", "word", "expected"),
    [
        (1, "disabled", Verdict.GOOD),
        (2, "searching", Verdict.GOOD),
        (3, "delivering", Verdict.GOOD),
        (4, "fault", Verdict.BAD),
        (5, "test", Verdict.KEEP),
        (6, "other_fault", Verdict.BAD),
    ],
)
def test_power_over_ethernet_has_six_states(state: int, word: str, expected: Verdict) -> None:
    answers = port(1, "gi1") | {f"{POE}.3.1.1": 1, f"{POE}.6.1.1": state, f"{POE}.10.1.1": 4}
    found = read(answers).ports[0]
    assert (found.poe_state, found.poe_admin, found.poe_class, found.poe_index) == (word, True, 3, "1.1")
    assert verdict(answers, "poe.fault") == {"gi1": expected}


def test_power_finds_its_port_by_name_by_bridge_and_by_index() -> None:
    cisco = port(10101, "Gi1/0/1") | port(10202, "Gi2/0/2") | {f"{POE}.6.1.1": 3, f"{POE}.6.2.2": 4}
    assert [one.poe_state for one in read(cisco).ports] == ["delivering", "fault"]
    stack = port(1, "Gi1/0/1") | port(2, "Gi2/0/1") | {f"{POE}.6.1.1": 3, f"{POE}.6.2.1": 2}
    assert [one.poe_state for one in read(stack).ports] == ["delivering", "searching"]
    from_nought = port(1, "ge-0/0/1") | {f"{POE}.6.1.1": 3}
    assert [one.poe_state for one in read(from_nought).ports] == ["delivering"]
    bridged = port(7, "a") | port(8, "b") | {"1.3.6.1.2.1.17.1.4.1.2.1": 8, f"{POE}.6.1.1": 3}
    assert [one.poe_state for one in read(bridged).ports] == [None, "delivering"]
    assert read(port(1, "a") | {f"{POE}.6.1.1": 2, f"{POE}.6.1.9": 3}).ports[0].poe_state == "searching"


def test_ciscos_watts_are_told() -> None:
    answers = port(1, "Gi0/1") | {f"{POE}.6.1.1": 3, "1.3.6.1.4.1.9.9.402.1.2.1.9.1.1": 6_300}
    assert read(answers).ports[0].poe_watts == 6.3


def bridge(**more: Any) -> Answers:
    return port(11, "a") | port(12, "b") | {f"1.3.6.1.2.1.17.1.4.1.2.{at}": at + 10 for at in (1, 2)} | more


def test_a_learned_mac_has_the_vlan_of_its_database_and_the_port_of_its_bridge_port() -> None:
    mac = ".".join(str(octet) for octet in PHONE)
    answers = bridge() | {
        f"1.3.6.1.2.1.17.7.1.2.2.1.2.7.{mac}": 2,
        f"1.3.6.1.2.1.17.7.1.2.2.1.3.7.{mac}": 3,
        "1.3.6.1.2.1.17.7.1.4.2.1.3.0.120": 7,
        "1.3.6.1.2.1.17.7.1.2.2.1.2.7.0.0.0.0.0.9": 1,
        "1.3.6.1.2.1.17.7.1.2.2.1.3.7.0.0.0.0.0.9": 4,
        f"1.3.6.1.2.1.17.4.3.1.2.{mac}": 1,
    }
    learned = read(answers).learned
    assert [(one.mac, one.vlan, one.bridge_port, one.index, one.port_key) for one in learned] == [
        ("00:ab:12:cd:34:ef", 120, 2, 12, "b")
    ]


def test_a_bridge_without_vlans_says_where_a_mac_is() -> None:
    mac = ".".join(str(octet) for octet in PHONE)
    answers = bridge() | {f"1.3.6.1.2.1.17.4.3.1.2.{mac}": 2, f"1.3.6.1.2.1.17.4.3.1.3.{mac}": 3}
    learned = read(answers).learned
    assert [(one.mac, one.vlan, one.port_key) for one in learned] == [("00:ab:12:cd:34:ef", None, "b")]


def test_newer_bridges_answer_their_own_mib() -> None:
    mac = ".".join(str(octet) for octet in PHONE)
    base = "1.3.111.2.802.1.1.4.1"
    answers = bridge() | {
        f"{base}.2.2.1.2.1.30.{mac}": 1,
        f"{base}.2.2.1.3.1.30.{mac}": 3,
        f"{base}.4.3.1.3.1.30": b"Staff",
        f"{base}.4.5.1.1.1.1": 30,
    }
    reading = read(answers)
    assert [(one.mac, one.vlan, one.port_key) for one in reading.learned] == [("00:ab:12:cd:34:ef", 30, "a")]
    assert [(one.id, one.name) for one in reading.vlans] == [(30, "Staff")]
    assert reading.ports[0].vlan == 30


def test_vlans_have_their_names_from_whoever_says_them() -> None:
    answers = {
        "1.3.6.1.2.1.17.7.1.4.3.1.1.20": b"Pupils",
        "1.3.6.1.2.1.17.7.1.4.3.1.1.1": b"",
        "1.3.6.1.4.1.9.9.46.1.3.1.1.4.1.30": b"Staff",
    }
    assert [(one.id, one.name) for one in read(answers).vlans] == [(1, None), (20, "Pupils"), (30, "Staff")]


def lldp(number: int, *, chassis: bytes = PHONE, subtype: int = 4, more: Answers | None = None) -> Answers:
    at = f"0.{number}.1"
    return {
        f"{LLDP}.4.{at}": subtype,
        f"{LLDP}.5.{at}": chassis,
        f"{LLDP}.6.{at}": 5,
        f"{LLDP}.7.{at}": b"eth0",
        f"{LLDP}.9.{at}": b"ap-204",
        f"{LLDP}.12.{at}": b"\x20\x00",
        **(more or {}),
    }


def test_a_neighbour_stands_at_the_port_that_lldp_names() -> None:
    answers = port(1, "gi1") | port(2, "gi2") | lldp(9) | {"1.0.8802.1.1.2.1.3.7.1.3.9": b"gi2"}
    answers["1.0.8802.1.1.2.1.4.2.1.3.0.9.1.1.4.10.0.0.9"] = 2
    answers["1.0.8802.1.1.2.1.4.2.1.3.0.9.1.2.16.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1"] = 2
    (found,) = read(answers).neighbours
    assert (found.protocol, found.local_port, found.port_key, found.index) == ("lldp", "9", "gi2", 2)
    assert (found.chassis, found.port, found.name) == ("00:ab:12:cd:34:ef", "eth0", "ap-204")
    assert (found.address, found.is_bridge) == ("10.0.0.9", True)


def test_a_neighbour_without_a_name_for_our_port_stands_at_its_bridge_port() -> None:
    (found,) = read(bridge() | lldp(2)).neighbours
    assert found.port_key == "b"


def test_a_chassis_may_be_an_address_or_words() -> None:
    (found,) = read(port(1) | lldp(1, chassis=b"\x01\x0a\x00\x00\x07", subtype=5)).neighbours
    assert found.chassis == "10.0.0.7"
    (found,) = read(port(1) | lldp(1, chassis=b"switch-7", subtype=7)).neighbours
    assert found.chassis == "switch-7"


def test_cdp_is_heard_where_lldp_is_silent() -> None:
    said = {
        f"{CDP}.4.{{}}.1": b"\x0a\x00\x00\x05",
        f"{CDP}.6.{{}}.1": b"phone7",
        f"{CDP}.7.{{}}.1": b"Port 1",
    }
    answers = port(1, "gi1") | port(2, "gi2") | lldp(1)
    for at in (1, 2):
        answers |= {oid.format(at): value for oid, value in said.items()}
    answers[f"{CDP}.9.2.1"] = b"\x00\x00\x04\x90"
    found = read(answers).neighbours
    assert [(one.protocol, one.port_key) for one in found] == [("lldp", "gi1"), ("cdp", "gi2")]
    assert (found[1].name, found[1].address, found[1].is_bridge) == ("phone7", "10.0.0.5", False)


def test_addresses_and_arp_come_from_the_old_tables_or_the_new() -> None:
    answers: Answers = {
        "1.3.6.1.2.1.4.20.1.2.10.0.0.1": 3,
        "1.3.6.1.2.1.4.20.1.3.10.0.0.1": "255.255.252.0",
        "1.3.6.1.2.1.4.34.1.3.1.4.10.0.0.1": 3,
        "1.3.6.1.2.1.4.34.1.3.2.16.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1": 3,
        "1.3.6.1.2.1.4.34.1.5.2.16.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1": (
            "1.3.6.1.2.1.4.32.1.5.3.2.16.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.0.64"
        ),
        "1.3.6.1.2.1.4.22.1.2.3.10.0.0.7": PHONE,
        "1.3.6.1.2.1.4.35.1.4.3.1.4.10.0.0.7": PHONE,
        "1.3.6.1.2.1.4.35.1.4.3.1.4.10.0.0.8": bytes.fromhex("00ab12cd34f0"),
        "1.3.6.1.2.1.4.22.1.2.3.10.0.0.9": b"",
    }
    reading = read(answers)
    assert [(one.address, one.prefix, one.index) for one in reading.addresses] == [
        ("10.0.0.1", 22, 3),
        ("fe80::1", 64, 3),
    ]
    assert [(one.address, one.mac) for one in reading.arp] == [
        ("10.0.0.7", "00:ab:12:cd:34:ef"),
        ("10.0.0.8", "00:ab:12:cd:34:f0"),
    ]


def test_a_link_state_is_a_word_and_compares_as_one() -> None:
    found = read(port(1, oper=7)).ports[0]
    assert found.oper is LinkState.LOWER_LAYER_DOWN
    assert found.oper == "lower_layer_down"
