"""Polls: what they ask, that they stay small, and that no answer breaks them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.snmp.facts import facts_of
from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Metric, Reading, Verdict
from integrations.snmp.storing import reading_from_json, reading_to_json
from integrations.snmp.target import Answers
from integrations.snmp.understanding import Plan, poll_plan, rows_of, understand

PROFILES = load_profiles()
IF, IFX, POE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1", "1.3.6.1.2.1.105.1.1.1"


def switch(ports: int) -> Answers:
    answers: Answers = {"1.3.6.1.2.1.1.3.0": 500, "1.3.6.1.6.3.10.2.1.3.0": 5}
    for at in range(1, ports + 1):
        for column, value in (
            (3, 6),
            (7, 1),
            (8, 1),
            (10, 1),
            (14, 0),
            (16, 1),
            (20, 0),
            (5, 10**9),
            (6, b"\0" * 6),
        ):
            answers[f"{IF}.{column}.{at}"] = value
        for column, wide in ((1, f"gi{at}".encode()), (6, 10), (10, 20), (15, 1000)):
            answers[f"{IFX}.{column}.{at}"] = wide
        answers[f"{POE}.6.1.{at}"] = 3
    return answers


def planned(profile: str, answers: Answers) -> Plan:
    made = PROFILES.by_name(profile)
    return poll_plan(made, rows_of(made, answers), understand(made, answers))


def test_a_switch_of_24_ports_is_asked_for_little() -> None:
    plan = planned("switch", switch(24))
    asked = {oid.rsplit(".", 2)[0] if oid.startswith(POE) else oid.rpartition(".")[0] for oid in plan.oids}
    assert len(plan.oids) == 2 + 24 * 7
    assert asked == {
        *(f"{IF}.{n}" for n in (7, 8, 14, 20)), f"{IFX}.6", f"{IFX}.10", f"{POE}.6",
        "1.3.6.1.2.1.1.3", "1.3.6.1.6.3.10.2.1.3",
    }  # fmt: skip


def test_a_switch_of_500_ports_is_asked_for_the_state_of_as_many_as_fit() -> None:
    plan = planned("switch", switch(500))
    assert len(plan.oids) == PROFILES.by_name("switch").most_values == 400
    states = [oid for oid in plan.oids if oid.startswith(f"{IF}.8.")]
    assert len(states) == 398
    reading = plan.read(dict.fromkeys(plan.oids, 2))
    assert len(reading.ports) == 398


def test_a_poll_knows_names_from_discovery() -> None:
    reading = planned("switch", switch(2)).read({f"{IF}.8.1": 2, f"{IF}.7.1": 1})
    assert [(one.key, one.speed_mbps, one.oper) for one in reading.ports] == [
        ("gi1", 1000.0, "down"),
        ("gi2", 1000.0, None),
    ]
    assert {one.instance: one.verdict for one in reading.findings if one.check == "port.down"} == {
        "gi1": Verdict.BAD,
        "gi2": Verdict.KEEP,
    }


def test_what_was_not_answered_at_discovery_is_not_asked() -> None:
    answers = switch(3)
    del answers[f"{IFX}.6.2"], answers[f"{IF}.14.3"]
    oids = planned("switch", answers).oids
    assert f"{IFX}.6.2" not in oids
    assert f"{IF}.10.2" in oids
    assert f"{IF}.14.3" not in oids


def test_a_plan_of_rows_that_are_gone_reads_what_is_left() -> None:
    profile, answers = PROFILES.by_name("switch"), switch(2)
    known = understand(profile, answers)
    assert poll_plan(profile, {}, known).oids == ()
    assert poll_plan(profile, {}, known).read(answers).ports == []
    stray = poll_plan(profile, {f"{IF}.8": ["1", "77"]}, known)
    assert stray.oids == (f"{IF}.8.1",)


def test_the_counters_of_a_poll_are_metrics() -> None:
    reading = planned("switch", switch(1)).read({f"{IFX}.6.1": 2**40, f"{IF}.14.1": 3})
    assert [(one.name, one.instance, one.value, one.counter, one.bits) for one in reading.metrics] == [
        ("port.in_octets", "gi1", 2**40, True, 64),
        ("port.in_errors", "gi1", 3, True, 32),
    ]


@pytest.mark.parametrize(("speed", "most"), [(100, 12.5e6), (0, None)])
def test_counters_of_32_bits_are_known_with_the_most_they_can_count(speed: int, most: float | None) -> None:
    rows = {f"{IF}.3.1": 6, f"{IF}.7.1": 1, f"{IF}.8.1": 1, f"{IF}.10.1": 7, f"{IF}.14.1": 0}
    names = {f"{IFX}.1.1": b"gi1", f"{IFX}.10.1": 2**40, f"{IFX}.15.1": speed}
    polled = planned("switch", rows | names)
    assert {polled.counted[at][0]: told for at, told in polled.narrow.items()} == {
        "port.in_octets": most, "port.in_errors": 100_000
    }  # fmt: skip


def assert_a_glance_tells_the_same(plan: Plan, answers: Answers) -> None:
    """Metrics of ports apart, and their counters beside them."""
    whole, glance = plan.read(answers), plan.glance(answers)
    counts = zip(plan.counted, glance.counts, strict=True)
    counted = [
        Metric(*name, value, True, bits=32 if at in plan.narrow else 64)
        for at, (name, value) in enumerate(counts)
        if value is not None
    ]
    assert counted + glance.reading.metrics == whole.metrics
    moving: dict[str, Any] = dict.fromkeys(
        ("in_octets", "out_octets", "in_errors", "out_errors", "poe_watts")
    )
    whole.ports = [replace(port, **moving) for port in whole.ports]
    glance.reading.ports = [replace(port, **moving) for port in glance.reading.ports]
    whole.metrics = glance.reading.metrics
    assert glance.reading == whole


@settings(max_examples=40)
@given(
    st.lists(
        st.dictionaries(
            st.builds(
                "{}.{}".format,
                st.sampled_from([f"{IF}.7", f"{IF}.8", f"{IFX}.6", f"{IF}.14", f"{POE}.6.1"]),
                st.integers(1, 3),
            ),
            st.one_of(st.integers(0, 4), st.sampled_from([2**63, b"7", b"", "1.3"])),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_a_glance_finds_what_a_reading_finds_however_often_states_move(polls: list[Answers]) -> None:
    known = switch(3)
    plan = planned("switch", known)
    for said in polls:
        assert_a_glance_tells_the_same(
            plan, {oid: said.get(oid, known.get(oid, 0)) for oid in plan.oids} | said
        )
        assert_a_glance_tells_the_same(plan, said)


def test_ports_whose_states_stay_are_not_made_anew() -> None:
    known = switch(24)
    plan = planned("switch", known)
    first = plan.glance(known).reading.ports
    assert plan.glance(known | {f"{IFX}.6.7": 99, f"{IF}.14.2": 5}).reading.ports is first
    moved = plan.glance(known | {f"{IF}.8.3": 2}).reading
    assert [port.oper for port in moved.ports[1:4]] == ["up", "down", "up"]
    assert [one.instance for one in moved.findings if one.verdict is Verdict.BAD] == ["gi3"]
    assert plan.glance(known).reading == plan.glance(known).reading


def test_a_check_on_counters_sees_them_at_every_glance() -> None:
    profile, known = PROFILES.by_name("switch"), switch(2)
    spec = profile.faults["port.down"].model_copy(
        update={"where": None, "bad": "in_errors > 5", "good": None}
    )
    profile = profile.model_copy(update={"faults": {"port.noisy": spec}})
    plan = poll_plan(profile, rows_of(profile, known), understand(profile, known))
    for errors, verdict in ((0, Verdict.GOOD), (9, Verdict.BAD), (1, Verdict.GOOD)):
        found = plan.glance(known | {f"{IF}.14.2": errors}).reading.findings
        assert [one.verdict for one in found] == [Verdict.GOOD, verdict]


VALUES = st.one_of(
    st.integers(-(2**33), 2**65),
    st.binary(max_size=12),
    st.sampled_from(["0.0", "1.3.6.1.2.1.25.3.1.5", "10.0.0.1"]),
)
BASES = sorted(
    {base for profile in PROFILES.all for base in (*profile.discovery.walk, *profile.discovery.get)}
)


@settings(max_examples=40)
@given(
    st.sampled_from(PROFILES.all),
    st.dictionaries(
        st.tuples(st.sampled_from(BASES), st.lists(st.integers(0, 300), max_size=9)).map(
            lambda pair: ".".join([pair[0], *map(str, pair[1])])
        ),
        VALUES,
        max_size=60,
    ),
    VALUES,
)
def test_no_answers_are_too_odd_to_be_understood(profile: Any, answers: Answers, other: Any) -> None:
    known = understand(profile, answers)
    stored = reading_from_json(reading_to_json(known))
    assert stored == known
    plan = poll_plan(profile, rows_of(profile, answers), stored)
    assert len(plan.oids) <= profile.most_values
    for later in (answers, {}, dict.fromkeys(plan.oids, other)):
        assert_a_glance_tells_the_same(plan, later)
        reading = plan.read(later)
        facts_of(reading)
        reading_to_json(reading)


@settings(max_examples=25)
@given(st.sampled_from(PROFILES.all), st.data())
def test_no_table_is_too_odd_to_be_understood(profile: Any, data: st.DataObject) -> None:
    """Whole columns at a time, so that rows meet."""
    columns = data.draw(st.lists(st.sampled_from(profile.discovery.walk or ("1.3",)), max_size=14))
    answers: Answers = {}
    for column in columns:
        for index in ("1", "2", "1.1", "1.2", "0.1.1", "7.0.1.2.3.4.5", "1.0.1.2.3.4.5", "1.4.10.0.0.1"):
            for part in ("", "3.", "5.", "9."):
                answers[f"{column}.{part}{index}"] = data.draw(VALUES)
    known = understand(profile, answers)
    poll_plan(profile, rows_of(profile, answers), known).read(answers)


def test_a_stored_reading_leaves_out_what_is_not_known_and_comes_back_whole() -> None:
    known = understand(PROFILES.by_name("switch"), switch(2))
    stored = reading_to_json(known)
    assert "printer" not in stored
    assert "alias" not in stored["ports"][0]
    assert stored["ports"][0]["oper"] == "up"
    assert reading_from_json(stored) == known


def test_a_stored_reading_of_another_version_is_read_as_far_as_it_goes() -> None:
    assert reading_from_json({"profile": "switch", "flavour": 3}) == Reading("switch")
    for nonsense in ({}, {"profile": "x", "ports": [7]}, {"profile": "x", "ports": {"a": 1}}):
        with pytest.raises(ValueError, match="no stored reading"):
            reading_from_json(nonsense)


@pytest.mark.parametrize("profile", PROFILES.all, ids=lambda profile: profile.name)
def test_no_fault_says_anything_of_a_device_that_says_nothing(profile: Any) -> None:
    findings = understand(profile, {}).findings
    device_wide = {name for name, spec in profile.faults.items() if spec.each == "device" and spec.bad}
    assert {(one.check, one.verdict) for one in findings} == {(name, Verdict.KEEP) for name in device_wide}
