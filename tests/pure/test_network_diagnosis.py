"""Looks in, transitions out: against a slow reference, and the days that a school's network has."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.snmp.reading import Finding, Uptime, Verdict
from service.monitoring.diagnosis import (
    SNMP,
    UNREACHABLE,
    Changed,
    CheckRule,
    Diagnosis,
    Memory,
    Missing,
    Observation,
    Opened,
    Recovered,
    Reopened,
    Rules,
    Standing,
    Suspected,
    Transition,
    Vanished,
    diagnose,
    telling,
)

quick = settings(max_examples=60)
START = datetime(2026, 9, 14, 7, 0, tzinfo=UTC)
BAD, GOOD, KEEP = Verdict
TONER, AP, ALERT = "printer.toner_low", "ap.down", "printer.alert"
RULES = Rules(
    checks={
        TONER: CheckRule(confirm=2, clear=3),
        AP: CheckRule(confirm=2, clear=2, missing=Missing.BAD),
        ALERT: CheckRule(confirm=1, clear=2, missing=Missing.GOOD),
    },
    flap_window=timedelta(minutes=40),
    flaps=2,
    steady=timedelta(minutes=20),
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def finding(verdict: Verdict, check: str = TONER, instance: str = "1", **words: Any) -> Finding:
    return Finding(check, instance, verdict, **words)


def answered(seconds: float, *findings: Finding, **words: Any) -> Observation:
    return Observation(at(seconds), reachable=True, snmp="ok", findings=findings, **words)


def silent(seconds: float, reachable: bool | None = False, **words: Any) -> Observation:
    return Observation(at(seconds), reachable=reachable, snmp="silent", **words)


@dataclass
class Watched:
    """A device, look by look; every memory goes through JSON."""

    rules: Rules = RULES
    memory: Memory = field(default_factory=Memory)
    last: Diagnosis = field(default_factory=lambda: Diagnosis(Memory()))

    def see(self, *looks: Observation) -> list[Transition]:
        said: list[Transition] = []
        for look in looks:
            self.last = diagnose(self.memory, look, self.rules)
            self.memory = Memory.from_json(
                json.loads(json.dumps(self.last.memory.to_json(), allow_nan=False))
            )
            assert self.memory == self.last.memory
            said += self.last.transitions
        return said

    def is_open(self, check: str, instance: str = "") -> bool:
        return (check, instance) in self.memory.open_faults


def kinds(said: Iterable[Transition]) -> list[type[Transition]]:
    return [type(one) for one in said]


FINDINGS = st.builds(
    finding,
    st.sampled_from([GOOD, GOOD, KEEP, BAD]),
    st.sampled_from([TONER, AP, ALERT, "unheard.of"]),
    st.sampled_from(["1", "2", "2\x00"]),
    label=st.sampled_from([None, "two"]),
)


@quick
@given(st.lists(st.lists(FINDINGS, max_size=9), min_size=2, max_size=9), st.sampled_from([60, 300, 3000]))
def test_what_tells_nothing_can_be_left_out_whatever_came_before(
    polls: list[list[Finding]], pace: int
) -> None:
    memory = Memory()
    for turn, found in enumerate(polls):
        look = answered(turn * pace, *found, uptime=Uptime(ticks=10**6 + 100 * turn * pace))
        told = replace(look, findings=telling(found, memory, RULES))
        whole = diagnose(memory, look, RULES)
        assert diagnose(memory, told, RULES) == whole
        memory = whole.memory


def test_of_a_healthy_device_only_rows_that_have_to_be_there_tell_something() -> None:
    found = [finding(GOOD), finding(KEEP, ALERT), finding(GOOD, AP)]
    assert telling(found, Memory(), RULES) == [found[2]]
    suspected = diagnose(Memory(), answered(0, finding(BAD)), RULES).memory
    assert telling(found, suspected, RULES) == [found[0], found[2]]


# Any sequence of looks.


@dataclass(frozen=True)
class Scene:
    after: int
    reachable: bool
    snmp: str
    findings: tuple[tuple[str, Verdict], ...]


scenes = st.lists(
    st.builds(
        Scene,
        st.sampled_from([15, 60, 300, 600]),
        st.sampled_from([True, True, True, False]),
        st.sampled_from(["ok", "ok", "ok", "silent", "bad_credentials"]),
        st.tuples(
            st.tuples(st.just("1"), st.sampled_from(Verdict)),
            st.tuples(st.just("2"), st.sampled_from([BAD, GOOD])),
        ),
    ),
    max_size=60,
)


def looks_of(scenes: Sequence[Scene]) -> list[Observation]:
    looks, seconds = [], 0
    for scene in scenes:
        seconds += scene.after
        findings = [finding(verdict, instance=instance) for instance, verdict in scene.findings]
        told = findings if scene.snmp == "ok" else ()
        looks.append(Observation(at(seconds), scene.reachable, scene.snmp, told))
    return looks


Moment = tuple[str, datetime, int]


def reference(history: Sequence[tuple[datetime, Verdict]], rule: CheckRule, rules: Rules) -> list[Moment]:
    """Opens, returns and ends of one fault, by looking back over all that was ever seen of it."""
    found: list[Moment] = []
    flaps, ended, began = 0, None, 0
    for n, (now, verdict) in enumerate(history):
        tail = [history[n]]
        for earlier in reversed(history[began:n]):
            if earlier[1] is not verdict or (verdict is BAD and tail[0][0] - earlier[0] > rules.stale):
                break
            tail.insert(0, earlier)
        is_open = bool(found) and found[-1][0] != "end"
        first = tail[0][0]
        if not is_open and verdict is BAD and len(tail) >= rule.confirm:
            returns = ended is not None and first - ended <= rules.flap_window
            flaps = flaps + 1 if returns else 0
            found.append(("return" if returns else "open", now, flaps))
            began = n + 1
        steady = flaps < rules.flaps or now - first >= rules.steady
        if is_open and verdict is GOOD and len(tail) >= rule.clear and steady:
            found.append(("end", now, flaps))
            ended, began = now, n + 1
    return found


def histories(
    looks: Sequence[Observation], rules: Rules
) -> dict[tuple[str, str], list[tuple[datetime, Verdict]]]:
    """What each fault is judged by: its own check, and of SNMP no silence while there is no way to it."""
    seen: dict[tuple[str, str], list[tuple[datetime, Verdict]]] = {
        (UNREACHABLE, ""): [],
        (SNMP, ""): [],
        (TONER, "1"): [],
        (TONER, "2"): [],
    }
    for look in looks:
        pings = seen[UNREACHABLE, ""]
        pings.append((look.at, GOOD if look.reachable else BAD))
        moments = reference(pings, rules.of(UNREACHABLE), rules)
        is_down = bool(moments) and moments[-1][0] != "end"
        if look.snmp == "ok":
            seen[SNMP, ""].append((look.at, GOOD))
        elif look.reachable and not is_down:
            seen[SNMP, ""].append((look.at, BAD))
        for one in look.findings:
            if one.verdict is not KEEP:
                seen[one.check, one.instance].append((look.at, one.verdict))
    return seen


def told(said: Iterable[Transition], key: tuple[str, str]) -> list[Moment]:
    found: list[Moment] = []
    for one in said:
        if (one.check, one.instance) != key:
            continue
        if isinstance(one, Opened | Reopened):
            again = isinstance(one, Reopened)
            found.append(("return" if again else "open", one.at, getattr(one, "flaps", 0)))
        elif isinstance(one, Recovered):
            found.append(("end", one.at, found[-1][2]))
    return found


@settings(max_examples=150)
@given(scenes)
def test_what_opens_and_ends_and_when_is_what_the_whole_history_says(drawn: list[Scene]) -> None:
    looks = looks_of(drawn)
    said = Watched().see(*looks)
    for key, history in histories(looks, RULES).items():
        assert told(said, key) == reference(history, RULES.of(key[0]), RULES)


@quick
@given(scenes)
def test_a_look_that_comes_twice_or_late_changes_nothing(drawn: list[Scene]) -> None:
    looks = looks_of(drawn)
    once, twice = Watched(), Watched()
    expected = once.see(*looks)
    said: list[Transition] = []
    for n, look in enumerate(looks):
        said += twice.see(look)
        assert twice.see(look, *looks[max(0, n - 2) : n]) == []
    assert (said, twice.memory) == (expected, once.memory)


@quick
@given(scenes)
def test_nothing_opens_twice_or_ends_unopened_and_memory_is_only_of_what_is_not_well(
    drawn: list[Scene],
) -> None:
    device = Watched()
    is_open: set[tuple[str, str]] = set()
    for look in looks_of(drawn):
        for one in device.see(look):
            key = (one.check, one.instance)
            if isinstance(one, Opened | Reopened):
                assert key not in is_open
                is_open.add(key)
            elif isinstance(one, Recovered):
                is_open.remove(key)
                assert one.at == look.at
                assert timedelta(0) < one.lasted <= one.at - one.since
            elif isinstance(one, Changed):
                assert key in is_open
        assert is_open == set(device.memory.open_faults)
    device.see(
        *(answered(36_000 + 60 * n, finding(GOOD), finding(GOOD, instance="2")) for n in range(40)),
        answered(48_000, finding(GOOD), finding(GOOD, instance="2")),
    )
    assert device.memory.tracks == {}


@quick
@given(scenes, st.sampled_from([True, None, False]))
def test_reachability_never_moves_what_snmp_found_and_the_other_way_round(
    drawn: list[Scene], port_up: bool | None
) -> None:
    device = Watched()
    for look in looks_of(drawn):
        before = device.memory
        pinged = diagnose(before, Observation(look.at, look.reachable, port_up=port_up), RULES)
        assert {one.check for one in pinged.transitions} <= {UNREACHABLE}
        polled = diagnose(before, replace(look, reachable=None), RULES)
        assert UNREACHABLE not in {one.check for one in polled.transitions}
        device.see(look)


# The two states.


def test_a_device_is_unreachable_after_the_first_failure_and_three_retries() -> None:
    device = Watched()
    device.see(answered(0))
    assert kinds(device.see(silent(300))) == [Suspected]
    assert (device.last.next_in, device.memory.standing) == (15, Standing.UNKNOWN)
    assert device.see(silent(315), silent(330)) == []
    [opened] = device.see(silent(345))
    assert isinstance(opened, Opened)
    assert (opened.check, opened.since, opened.at) == (UNREACHABLE, at(300), at(345))
    assert device.memory.standing is Standing.DOWN
    assert not device.is_open(SNMP)


def test_one_lost_answer_is_nothing() -> None:
    device = Watched()
    device.see(answered(0), silent(300), silent(315), answered(330))
    assert (device.memory.tracks, device.last.next_in) == ({}, None)


def test_an_answer_to_a_ping_does_not_end_that_snmp_is_silent() -> None:
    device = Watched()
    device.see(answered(0), *(silent(300 + 15 * n, reachable=True) for n in range(4)))
    assert (device.is_open(SNMP), device.memory.standing) == (True, Standing.UP)
    assert device.see(*(Observation(at(400 + 60 * n), reachable=True) for n in range(20))) == []
    assert device.is_open(SNMP)
    assert kinds(device.see(answered(1700), answered(1760))) == [Recovered]


def test_an_answer_to_snmp_does_not_end_that_pings_are_lost() -> None:
    device = Watched()
    device.see(*(Observation(at(15 * n), reachable=False) for n in range(4)))
    assert device.is_open(UNREACHABLE)
    assert device.see(*(Observation(at(300 * n), snmp="ok") for n in range(1, 9))) == []
    assert device.is_open(UNREACHABLE)
    assert kinds(device.see(*(Observation(at(3000 + 60 * n), reachable=True) for n in range(2)))) == [
        Recovered
    ]


def test_while_a_device_is_down_nothing_else_opens_and_nothing_recovers() -> None:
    device = Watched()
    device.see(*(answered(15 * n, finding(BAD)) for n in range(2)))
    assert device.is_open(TONER, "1")
    said = device.see(*(silent(300 + 60 * n) for n in range(60)))
    assert [one.check for one in said] == [UNREACHABLE, UNREACHABLE]
    assert device.is_open(TONER, "1")


def test_a_device_that_answers_pings_again_has_time_to_start_its_agent() -> None:
    device = Watched()
    device.see(answered(0), *(silent(300 + 15 * n) for n in range(4)))
    said = device.see(silent(360, True), silent(420, True), silent(480, True))
    assert [(type(one), one.check) for one in said] == [(Recovered, UNREACHABLE), (Suspected, SNMP)]
    assert device.see(answered(495)) == []
    assert device.memory.open_faults == ()


def test_why_snmp_fails_is_told_when_it_becomes_another_reason() -> None:
    device = Watched()
    device.see(*(silent(15 * n, reachable=True) for n in range(4)))
    [changed] = device.see(Observation(at(300), True, "bad_credentials"))
    assert isinstance(changed, Changed)
    assert (changed.before.evidence, changed.evidence) == (
        {"reason": "silent"},
        {"reason": "bad_credentials"},
    )


def test_a_device_that_is_only_known_by_snmp_is_down_as_a_parent_when_its_agent_is_silent() -> None:
    device = Watched()
    device.see(answered(0), silent(300, None))
    assert device.memory.standing is Standing.UNKNOWN
    device.see(*(silent(315 + 15 * n, None) for n in range(3)))
    assert (device.is_open(SNMP), device.memory.standing) == (True, Standing.DOWN)
    refused = Watched()
    refused.see(*(Observation(at(15 * n), None, "bad_credentials") for n in range(4)))
    assert (refused.is_open(SNMP), refused.memory.standing) == (True, Standing.UNKNOWN)


def test_the_longer_an_outage_the_rarer_a_look_until_it_answers() -> None:
    device = Watched()
    paces = []
    for seconds in (0, 15, 30, 45, 1200, 4800, 86_400):
        device.see(silent(seconds))
        paces.append(device.last.next_in)
    assert paces == [15, 15, 15, 60, 120, 480, 900]
    device.see(answered(87_000))
    assert device.last.next_in == 60
    device.see(answered(87_060))
    assert device.last.next_in is None


# Confirmation, hysteresis, gaps.


def test_between_the_thresholds_a_fault_stays_what_it_was() -> None:
    device = Watched()
    assert device.see(*(answered(300 * n, finding(KEEP)) for n in range(5))) == []
    device.see(answered(1800, finding(BAD)))
    assert device.last.next_in == 15
    device.see(answered(1815, finding(KEEP)))
    assert device.last.next_in is None
    assert kinds(device.see(*(answered(3000 + 15 * n, finding(BAD)) for n in range(2)))) == [
        Suspected,
        Opened,
    ]
    assert device.see(*(answered(4000 + 300 * n, finding(KEEP)) for n in range(9))) == []
    assert device.is_open(TONER, "1")


def test_a_bad_look_starts_the_good_ones_anew() -> None:
    device = Watched()
    verdicts = [BAD, BAD, GOOD, GOOD, BAD, GOOD, GOOD, KEEP, GOOD]
    said = device.see(*(answered(300 * n, finding(verdict)) for n, verdict in enumerate(verdicts)))
    assert kinds(said) == [Suspected, Opened, Recovered]
    assert said[-1].at == at(2400)  # type: ignore[attr-defined]


def test_a_suspicion_that_nobody_followed_up_for_an_hour_starts_anew() -> None:
    device = Watched()
    said = device.see(answered(0, finding(BAD)), answered(3600, finding(BAD)))
    assert kinds(said) == [Suspected, Suspected]
    [opened] = device.see(answered(3615, finding(BAD)))
    assert isinstance(opened, Opened)
    assert opened.since == at(3600)


def test_what_has_to_last_opens_when_it_has_and_is_not_asked_over_and_over() -> None:
    device = Watched(Rules(checks={TONER: CheckRule(confirm=2, lasting=timedelta(minutes=2))}))
    device.see(answered(0, finding(BAD)))
    assert device.last.next_in == 15
    assert device.see(answered(15, finding(BAD))) == []
    assert device.last.next_in == 60
    assert device.see(answered(75, finding(BAD))) == []
    assert device.last.next_in == 45
    assert kinds(device.see(answered(120, finding(BAD)))) == [Opened]


def test_one_look_is_enough_where_the_check_says_so() -> None:
    device = Watched()
    [opened] = device.see(answered(0, finding(BAD, ALERT, label="Jam in tray 2")))
    assert isinstance(opened, Opened)
    assert opened.label == "Jam in tray 2"


def test_of_two_findings_with_one_name_the_worse_counts() -> None:
    device = Watched()
    for order in ([BAD, GOOD, KEEP], [KEEP, GOOD, BAD]):
        device.see(*(answered(15 * n, *(finding(v) for v in order)) for n in range(2)))
        assert device.is_open(TONER, "1")
        device = Watched()


def test_a_finding_cannot_pass_for_one_of_the_two_states() -> None:
    device = Watched()
    assert (
        device.see(
            *(answered(15 * n, finding(BAD, UNREACHABLE, ""), finding(BAD, SNMP, "")) for n in range(9))
        )
        == []
    )


def test_a_look_from_a_clock_that_was_a_year_ahead_does_not_blind_us_for_a_year() -> None:
    device = Watched()
    device.see(answered(365 * 86_400))
    assert kinds(device.see(*(silent(15 * n) for n in range(4))))[-1] is Opened


def test_patience_of_no_look_at_all_is_refused() -> None:
    for words in ({"confirm": 0}, {"clear": 0}, {"lasting": timedelta(seconds=-1)}):
        with pytest.raises(ValueError, match="at least one look"):
            CheckRule(**words)
    with pytest.raises(ValueError, match="zone"):
        Observation(datetime(2026, 9, 14))  # noqa: DTZ001


# Flapping.


def spell(device: Watched, start: float, bad: int = 2, good: int = 3, pace: float = 60) -> list[Transition]:
    verdicts = [BAD] * bad + [GOOD] * good
    return device.see(*(answered(start + pace * n, finding(v)) for n, v in enumerate(verdicts)))


def test_what_comes_back_within_the_window_is_the_old_fault_and_afterwards_a_new_one() -> None:
    device = Watched()
    assert kinds(spell(device, 0)) == [Suspected, Opened, Recovered]
    assert kinds(spell(device, 240 + 2400)) == [Suspected, Reopened, Recovered]
    assert kinds(spell(device, 240 + 2400 + 240 + 2401)) == [Suspected, Opened, Recovered]


def test_a_suspicion_that_passes_does_not_make_the_old_fault_forgotten() -> None:
    device = Watched()
    spell(device, 0)
    assert kinds(device.see(answered(600, finding(BAD)), answered(660, finding(GOOD)))) == [Suspected]
    assert kinds(spell(device, 900)) == [Suspected, Reopened, Recovered]


def test_a_row_that_is_gone_for_a_while_does_not_make_the_old_fault_forgotten() -> None:
    device = Watched()
    spell(device, 0)
    assert device.see(*(answered(300 + 60 * n) for n in range(6))) == []
    assert kinds(spell(device, 900)) == [Suspected, Reopened, Recovered]


def test_what_flaps_stays_open_until_it_has_been_good_for_long() -> None:
    device = Watched()
    spell(device, 0)
    spell(device, 600)
    said = spell(device, 1200, good=10)
    assert kinds(said) == [Suspected, Reopened]
    assert isinstance(said[1], Reopened)
    assert (said[1].flaps, said[1].flapping) == (2, True)
    assert spell(device, 1980, bad=1, good=20) == []
    [ended] = device.see(answered(1980 + 60 + 1200, finding(GOOD)))
    assert isinstance(ended, Recovered)
    assert ended.lasted == timedelta(seconds=1980 + 60 - 1200)


# Words, and rows that come and go.


def test_a_change_is_told_once_when_it_is_worth_it() -> None:
    device = Watched()

    def level(seconds: float, percent: float | None, **evidence: Any) -> list[Transition]:
        words: dict[str, Any] = {"label": "Black Toner", "value": percent, "evidence": evidence}
        return device.see(answered(seconds, finding(BAD, **words)))

    level(0, 3, seconds_on=5)
    assert kinds(level(15, 3, seconds_on=20)) == [Opened]
    assert level(300, 3, seconds_on=305) == []
    assert level(600, 2.5, seconds_on=605) == []
    [changed] = level(900, 0, seconds_on=905)
    assert isinstance(changed, Changed)
    assert (changed.before.value, changed.value, changed.since) == (3, 0, at(0))
    assert level(1200, 0, seconds_on=1205) == []
    assert kinds(level(1500, 0, seconds_on=1505, bits=["noToner"])) == [Changed]
    assert kinds(level(1800, None, seconds_on=1805, bits=["noToner"])) == [Changed]
    assert kinds(level(2100, None, seconds_on=2105, bits=["noToner"])) == [Changed]
    assert level(2400, None, seconds_on=2105.5, bits=["noToner"]) == []
    renamed: dict[str, Any] = {"label": "Cyan Toner", "evidence": {"seconds_on": 2105.5, "bits": ["noToner"]}}
    assert kinds(device.see(answered(2700, finding(BAD, **renamed)))) == [Changed]


def test_foreign_words_fit_into_the_database() -> None:
    device = Watched()
    ugly: dict[str, Any] = {
        "mac": b"\x00\x1b",
        "nul": "a\x00b",
        "lone": "\ud800",
        "nan": float("nan"),
        "big": 2**64 - 1,
        "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}},
        "many": list(range(1000)),
        "set": {"b", "a"},
        "long": "x" * 100_000,
        "none": None,
        "yes": True,
        "odd": START,
    }
    label, instance = "T\x00oner\udfff", "1\x00"
    looks = [answered(15 * n, finding(BAD, instance=instance, label=label, evidence=ugly)) for n in range(2)]
    opened = device.see(*looks)[-1]
    assert isinstance(opened, Opened)
    stored = json.dumps(opened.evidence, allow_nan=False).encode("utf-8")
    assert b"\\u0000" not in stored
    assert b"\\ud8" not in stored
    assert len(stored) < 3000
    assert opened.evidence["mac"] == "001b"
    assert opened.evidence["set"] == ["a", "b"]
    assert (opened.instance, opened.label, opened.evidence["yes"]) == ("1", "Toner?", True)
    assert device.see(answered(300, finding(BAD, instance=instance, label=label, evidence=ugly))) == []


def test_a_row_that_is_gone_is_told_once_and_its_fault_stays_open() -> None:
    device = Watched()
    device.see(*(answered(15 * n, finding(BAD)) for n in range(2)))
    said = device.see(*(answered(300 * n) for n in range(1, 9)))
    assert kinds(said) == [Vanished]
    assert said[0].at == at(900)  # type: ignore[attr-defined]
    assert device.is_open(TONER, "1")
    assert kinds(device.see(*(answered(3000 + 300 * n, finding(GOOD)) for n in range(3)))) == [Recovered]


def test_a_row_that_vanishes_under_a_mere_suspicion_is_nothing() -> None:
    device = Watched()
    said = device.see(answered(0, finding(BAD)), *(answered(15 * n) for n in range(1, 6)))
    assert kinds(said) == [Suspected]
    assert device.memory.tracks == {}


def test_a_row_that_is_back_in_between_has_not_vanished() -> None:
    device = Watched()
    device.see(*(answered(15 * n, finding(BAD)) for n in range(2)))
    looks = [answered(300), answered(600), answered(900, finding(KEEP)), answered(1200), answered(1500)]
    assert device.see(*looks) == []


def test_a_printers_alert_that_is_gone_is_mended() -> None:
    device = Watched()
    device.see(answered(0, finding(BAD, ALERT)))
    [ended] = device.see(answered(300), answered(600))
    assert isinstance(ended, Recovered)
    assert (ended.gone, ended.lasted) == (True, timedelta(seconds=300))


def test_an_access_point_whose_row_vanishes_is_down_also_if_it_was_well() -> None:
    device = Watched()
    device.see(answered(0, finding(GOOD, AP, "lab", label="AP Lab"), finding(GOOD, AP, "gym")))
    device.see(answered(150, finding(KEEP, AP, "lab"), finding(GOOD, AP, "gym")))
    said = device.see(*(answered(300 + 15 * n, finding(GOOD, AP, "gym")) for n in range(2)))
    assert kinds(said) == [Suspected, Opened]
    assert isinstance(said[1], Opened)
    assert (said[1].instance, said[1].label, said[1].evidence) == ("lab", "AP Lab", {"missing": True})
    back = [answered(600 + 300 * n, finding(GOOD, AP, "lab"), finding(GOOD, AP, "gym")) for n in range(2)]
    assert kinds(device.see(*back)) == [Recovered]


def test_an_access_point_that_is_taken_away_for_good_can_be_forgotten() -> None:
    device = Watched()
    device.see(answered(0, finding(GOOD, AP, "lab")), answered(300), answered(315))
    assert device.is_open(AP, "lab")
    device.memory = device.memory.without(AP, "lab")
    assert (device.memory.known, device.memory.tracks) == ({}, {})
    assert device.see(answered(600), answered(900)) == []


def test_a_table_that_was_cut_short_or_is_still_filling_up_after_a_start_misses_nothing() -> None:
    device = Watched()
    device.see(answered(0, finding(GOOD, AP, "lab"), finding(BAD, ALERT)))
    cut = [answered(300 * n, complete=False) for n in range(1, 5)]
    starting = [answered(1500 + 60 * n, uptime=Uptime(ticks=6000 * (n + 1))) for n in range(5)]
    assert device.see(*cut, *starting) == []


# Sleep and reboots.

SLEEPY = replace(RULES, grace=timedelta(hours=4))


def test_a_printer_whose_port_is_up_sleeps_until_its_grace_is_over() -> None:
    device = Watched(SLEEPY)
    device.see(answered(0))
    assert device.see(*(silent(300 * n, port_up=True) for n in range(1, 49))) == []
    assert (device.last.asleep, device.last.next_in) == (True, None)
    assert device.memory.standing is Standing.UNKNOWN
    said = device.see(*(silent(300 + 14_400 + 15 * n, port_up=True) for n in range(4)))
    assert kinds(said) == [Suspected, Opened]
    assert isinstance(said[1], Opened)
    assert (said[1].since, device.last.asleep) == (at(300), False)


def test_a_printer_that_answers_pings_in_its_sleep_does_not_sleep_for_ever() -> None:
    device = Watched(SLEEPY)
    device.see(answered(0))
    looks = [silent(300 * n, reachable=True, port_up=True) for n in range(1, 49)]
    assert device.see(*looks) == []
    assert device.last.asleep
    said = device.see(*(silent(300 + 14_400 + 15 * n, reachable=True, port_up=True) for n in range(4)))
    assert [one.check for one in said] == [SNMP, SNMP]
    assert device.is_open(SNMP)


def test_a_printer_that_wakes_was_never_down() -> None:
    device = Watched(SLEEPY)
    assert (
        device.see(answered(0), *(silent(300 * n, port_up=True) for n in range(1, 9)), answered(3000)) == []
    )
    assert (device.last.asleep, device.memory.tracks) == (False, {})


def test_a_printer_whose_port_goes_down_is_down_once_confirmed_and_not_while_the_switch_is_silent() -> None:
    device = Watched(SLEEPY)
    device.see(answered(0), silent(300, port_up=True), silent(600, port_up=True))
    assert device.see(silent(900, port_up=None)) == []
    assert device.last.asleep
    assert kinds(device.see(silent(1200, port_up=False))) == [Suspected]
    assert device.last.next_in == 15
    assert kinds(device.see(*(silent(1215 + 15 * n, port_up=False) for n in range(3)))) == [Opened]


def test_who_refuses_us_or_has_no_grace_does_not_sleep() -> None:
    refusing = Watched(SLEEPY)
    looks = [Observation(at(15 * n), True, "bad_credentials", port_up=True) for n in range(4)]
    assert kinds(refusing.see(*looks)) == [Suspected, Opened]
    switch = Watched(RULES)
    assert kinds(switch.see(*(silent(15 * n, port_up=True) for n in range(4)))) == [Suspected, Opened]


def test_a_reboot_is_told_once_and_a_wrap_is_none() -> None:
    device = Watched()
    told_of = []
    for seconds, ticks in ((0, 2**32 - 15_000), (300, 15_000), (600, 45_000), (900, 2_000), (1200, 32_000)):
        device.see(answered(seconds, uptime=Uptime(ticks=ticks)))
        told_of.append(device.last.rebooted)
        device.see(answered(seconds, uptime=Uptime(ticks=ticks)))
        assert not device.last.rebooted
    assert told_of == [False, False, False, True, False]


def test_what_a_healthy_device_leaves_in_the_database_is_small() -> None:
    device = Watched()
    looks = [answered(300 * n, *(finding(GOOD, instance=str(i)) for i in range(80))) for n in range(5)]
    device.see(*(replace(look, uptime=Uptime(ticks=n * 30_000)) for n, look in enumerate(looks)))
    assert len(json.dumps(device.memory.to_json())) < 200
