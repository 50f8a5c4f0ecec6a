"""What polls leave behind: counters that the next one counts from, samples, and states that moved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from integrations.snmp.profile import load_profiles
from integrations.snmp.target import Answers
from integrations.snmp.understanding import poll_plan, rows_of, understand
from service.monitoring.current import ports_of
from service.monitoring.judging import Judged, Watched, judge
from service.monitoring.memory import Memory
from service.monitoring.planned import Planned
from service.monitoring.transitions import Suspected

START = datetime(2026, 9, 14, 7, 0, tzinfo=UTC)
IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
PROFILE = load_profiles().by_name("switch")


def switch(ports: int, octets: int = 0, errors: int = 0) -> Answers:
    answers: Answers = {"1.3.6.1.2.1.1.3.0": 10**7}
    for at in range(1, ports + 1):
        whole = {3: 6, 7: 1, 8: 1, 14: errors, 20: 0}
        answers |= {f"{IF}.{column}.{at}": value for column, value in whole.items()}
        answers |= {f"{IFX}.1.{at}": f"gi{at}".encode(), f"{IFX}.6.{at}": octets, f"{IFX}.10.{at}": at}
    return answers


def planned(answers: Answers) -> Planned:
    found = Planned(poll_plan(PROFILE, rows_of(PROFILE, answers), understand(PROFILE, answers)))
    found.place({name: at for at, name in enumerate(found.counted, 1)})
    return found


def watched(plan: Planned, last: Judged | None = None, **others: Any) -> Watched:
    """As it comes back from the database after `last`."""
    row: Mapping[str, Any] = orjson.loads(orjson.dumps(last.row())) if last is not None else {}
    return Watched(
        device_id=7, address="127.0.0.7", asset_id=None, profile=PROFILE, planned=plan, target=None,
        reach_by="snmp", reach_port=None, memory=Memory.from_json(row.get("memory", {})),
        counters=others.get("counters", row.get("counters") or {}),
        current_hash=(last.current_hash or last.watched.current_hash) if last is not None else None,
    )  # fmt: skip


def polled(device: Watched, answers: Answers, minutes: float) -> Judged:
    ticks = 10**7 + int(minutes * 6000)
    at = START + timedelta(minutes=minutes)
    judged = judge(device, at, answers | {"1.3.6.1.2.1.1.3.0": ticks}, None, True)
    judged.values = judged.as_sample()
    return judged


def test_counters_are_rates_from_the_second_poll_on() -> None:
    plan = planned(switch(2))
    first = polled(watched(plan), switch(2), 0)
    assert (first.values, first.unplaced()) == ([], [])
    second = polled(watched(plan, first), switch(2, octets=600, errors=6), 1)
    assert dict(zip(plan.counted, second.values, strict=True)) == {
        (f"port.{metric}", port): rate
        for port in ("gi1", "gi2")
        for metric, rate in (("in_octets", 10), ("out_octets", 0), ("in_errors", 0.1), ("out_errors", 0))
    }
    third = polled(watched(plan, second), switch(2, octets=500, errors=6), 2)
    assert dict(zip(plan.counted, third.values, strict=True))["port.in_octets", "gi1"] is None


def test_counters_of_another_plan_or_of_an_older_shape_give_no_rate_rather_than_a_wrong_one() -> None:
    before = polled(watched(planned(switch(2))), switch(2), 0)
    grown = planned(switch(3))
    assert polled(watched(grown, before), switch(3, octets=600), 1).values == []
    older = {"at": START.isoformat(), "of": {"port.in_octets": {"gi1": 0}}}
    assert polled(watched(grown, counters=older), switch(3, octets=600), 1).values == []
    again = planned(switch(2))
    assert again.stamp == before.watched.planned.stamp
    assert polled(watched(again, before), switch(2, octets=600), 1).values[0] == 10


def test_a_number_without_a_place_waits_for_one() -> None:
    plan = planned(switch(1))
    plan.positions.clear()
    plan.place({("port.out_octets", "gi1"): 2})
    first = polled(watched(plan), switch(1), 0)
    second = polled(watched(plan, first), switch(1, octets=600), 1)
    assert second.values == [None, 0.0]
    missing = [
        ("port.in_octets", "gi1", "/s"),
        ("port.in_errors", "gi1", "/s"),
        ("port.out_errors", "gi1", "/s"),
    ]
    assert second.unplaced() == missing
    plan.place({(metric, port): at for (metric, port, _), at in zip(missing, (1, 3, 5), strict=True)})
    assert (second.as_sample(), second.unplaced()) == ([10.0, 0.0, 0.0, None, 0.0], [])


def test_states_are_stored_when_they_move_and_not_when_counters_do() -> None:
    plan = planned(switch(3))
    first = polled(watched(plan), switch(3), 0)
    assert first.current == ports_of(plan.plan.read(switch(3)).ports)
    second = polled(watched(plan, first), switch(3, octets=9), 1)
    assert second.current is None
    down = polled(watched(plan, second), switch(3) | {f"{IF}.8.2": 2}, 2)
    assert down.current == {"ports": {"gi1": ["up", "up", None], "gi2": ["up", "down", None],
                                      "gi3": ["up", "up", None]}}  # fmt: skip
    elsewhere = polled(watched(planned(switch(3)), down), switch(3) | {f"{IF}.8.2": 2}, 3)
    assert elsewhere.current is None
    assert polled(watched(plan, down), switch(3), 3).current == first.current


def test_errors_of_an_hour_are_found_when_they_are_many_and_followed_until_they_are_few() -> None:
    plan = planned(switch(2))
    last = polled(watched(plan), switch(2), 0)
    errors, said = 0, []
    for minute, more in enumerate((0, 11, 11, 11, 0, 0, 0, 0), 1):
        errors += more
        last = polled(watched(plan, last), switch(2) | {f"{IF}.14.2": errors}, minute)
        said.append([(type(one).__name__, one.check, one.instance) for one in last.transitions])
        suspected = [one for one in last.transitions if isinstance(one, Suspected)]
        assert all(one.evidence == {"in an hour": 660} for one in suspected)
    assert said == [
        [],
        [("Suspected", "port.errors", "gi2")],
        [("Opened", "port.errors", "gi2")],
        [],
        [],
        [("Recovered", "port.errors", "gi2")],
        [],
        [],
    ]


@pytest.mark.parametrize(("confirm", "looks"), [(None, 4), (1, 1), (6, 6)])
def test_a_devices_own_checks_are_as_patient_as_its_profile_says(confirm: int | None, looks: int) -> None:
    faults = {
        name: spec.model_copy(update={"confirm": confirm}) if name.startswith("device.") else spec
        for name, spec in PROFILE.faults.items()
    }
    patient = PROFILE.model_copy(update={"faults": faults})
    for check, is_there in (("device.unreachable", False), ("device.snmp", True)):
        last = polled(watched(planned(switch(1))), switch(1), 0)
        said = []
        for n in range(1, looks + 1):
            device = watched(planned(switch(1)), last)
            device.profile = patient
            last = judge(device, START + timedelta(seconds=15 * n), None, "silent", is_there)
            said += [(type(one).__name__, n) for one in last.transitions if one.check == check]
        assert said[-1] == ("Opened", looks)


def narrow(octets: tuple[int, int], errors: int) -> Answers:
    """A port at 100 Mbit/s that has Counter32 alone."""
    wide = {f"{IFX}.6.1", f"{IFX}.10.1"}
    whole = {oid: value for oid, value in switch(1, errors=errors).items() if oid not in wide}
    return whole | {f"{IF}.10.1": octets[0], f"{IF}.16.1": octets[1], f"{IFX}.15.1": 100}


def test_a_counter_of_32_bits_goes_round_without_a_gap_and_a_reset_is_one() -> None:
    plan = planned(narrow((0, 0), 0))
    polls = [
        ((2**32 - 600, 9_000), 2**32 - 60),
        ((5_400, 9_600), 2**32 - 54),
        ((6_000, 10_200), 66),
        ((60, 0), 0),
        ((660, 600), 6),
    ]
    last, told = None, []
    for minute, (octets, errors) in enumerate(polls):
        last = polled(watched(plan, last), narrow(octets, errors), minute)
        told.append(last.values)
    assert [name for name, _ in plan.counted] == [
        "port.in_octets", "port.out_octets", "port.in_errors", "port.out_errors"
    ]  # fmt: skip
    assert told == [
        [], [100, 10, 0.1, 0], [10, 10, 2, 0], [None, None, None, 0], [10, 10, 0.1, 0]
    ]  # fmt: skip


def test_errors_that_were_set_to_nought_are_not_taken_for_four_thousand_million() -> None:
    plan = planned(narrow((0, 0), 0))
    first = polled(watched(plan), narrow((0, 0), 100), 0)
    second = polled(watched(plan, first), narrow((600, 600), 0), 1)
    assert second.values == [10, 10, None, 0]
    assert second.transitions == ()
