"""What a policy promises and how its timers run: every decision has a test that says it.

The school is open Monday to Friday 07:30-16:00 in Chicago.
Times are written "day hour:minute" of November 2026: the 20th is a Friday, the 23rd a Monday.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sla.calendar import WEEKDAYS, Calendar
from service.sla.clock import due_at, elapsed
from service.sla.course import (
    By,
    CancelledBecause,
    Change,
    Course,
    Note,
    Opened,
    OutOfOrder,
    PublicReply,
    StatusChanged,
    TargetsChanged,
    advance,
    followed,
)
from service.sla.cycle import Cycle, Judgement, Pause, intervals, judged, next_warning_at, share_run_at
from service.sla.policy import BadPolicy, Policy, State, Target, minutes

FIRST, NEXT, UPDATE, RESOLUTION = Target
SCHOOL = Calendar("America/Chicago", dict.fromkeys(WEEKDAYS[:5], ((450, 960),)))
GOALS: dict[str, float] = {"first_response": 60, "next_response": 120, "update": 480, "resolution": 960}


def policy(targets: dict[str, float] | None = None, **rules: Any) -> Policy:
    return Policy.from_json({"targets": GOALS if targets is None else targets, **rules})


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=ZoneInfo("America/Chicago"))


def opened(when: str, by: By = "requester", **more: Any) -> Opened:
    return Opened(at(when), by, **more)


def reply(when: str, by: By = "technician") -> PublicReply:
    return PublicReply(at(when), by)


def note(when: str, by: By = "technician") -> Note:
    return Note(at(when), by)


def moved(when: str, to: str, by: By = "system") -> StatusChanged:
    return StatusChanged(at(when), to, by)


def course(rules: Policy, first: Opened, *changes: Change) -> tuple[Cycle, ...]:
    return followed(first, changes, rules, SCHOOL)


def of(target: Target, cycles: Sequence[Cycle]) -> list[Cycle]:
    return [cycle for cycle in cycles if cycle.target is target]


def the(target: Target, cycles: Sequence[Cycle]) -> Cycle:
    (cycle,) = of(target, cycles)
    return cycle


def how(cycle: Cycle, when: str) -> Judgement:
    return judged(cycle, SCHOOL, at(when))


def hours(n: float) -> timedelta:
    return timedelta(hours=n)


# The policy


def test_the_json_form_comes_back_as_an_equal_policy() -> None:
    written = policy({"update": 0.5, "resolution": 960}, on_reopen="none", pause={"on_hold": ["resolution"]})
    assert Policy.from_json(written.to_json()) == written
    assert written.to_json()["targets"] == {"update": 0.5, "resolution": 960}


def test_by_default_waiting_pauses_all_but_the_first_response_and_hold_pauses_resolution_and_update() -> None:
    rules = policy()
    assert [t for t in Target if rules.pauses("waiting_on_requester", t)] == [NEXT, UPDATE, RESOLUTION]
    assert [t for t in Target if rules.pauses("on_hold", t)] == [UPDATE, RESOLUTION]
    assert not any(rules.pauses("in_progress", t) for t in Target)
    assert (rules.on_reopen, rules.on_change, rules.warn_at) == ("resume", "retroactive", (0.5, 0.75, 0.9))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"targets": {"resolution": 0}}, "targets: resolution must be more than zero minutes"),
        ({"targets": {"resolution": -5}}, "more than zero"),
        ({"targets": {"resolution": 1e-9}}, "more than zero"),
        ({"targets": {"resolution": float("nan")}}, "a number of minutes, ten years at most, is wanted"),
        ({"targets": {"resolution": float("inf")}}, "a number of minutes, ten years at most, is wanted"),
        ({"targets": {"resolution": True}}, "a number of minutes, ten years at most, is wanted"),
        ({"targets": {"resolution": "60"}}, "a number of minutes, ten years at most, is wanted"),
        ({"targets": {"resolution": 10**400}}, "ten years at most"),
        ({"targets": {"fix": 60}}, "'fix' is no target"),
        ({"targets": []}, "targets: an object is wanted"),
        ({"pause": {"waiting": []}}, "'waiting' is no status"),
        ({"pause": {"on_hold": ["fix"]}}, "on_hold: a list of targets"),
        ({"pause": {"on_hold": [[]]}}, "on_hold: a list of targets"),
        ({"on_reopen": "restart"}, "on_reopen: one of resume, new_cycle, none"),
        ({"on_change": []}, "on_change: one of retroactive, from_now"),
        ({"warn_at": [0.9, 0.5]}, "warn_at: rising shares"),
        ({"warn_at": [1.5]}, "warn_at: rising shares"),
        ({"warn_at": ["half"]}, "warn_at: a list of shares"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused_by_name(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadPolicy) as refusal:
        Policy.from_json({"targets": GOALS, **wrong})
    assert sentence in str(refusal.value)


def test_a_policy_needs_targets_and_an_object() -> None:
    with pytest.raises(BadPolicy, match="targets is missing"):
        Policy.from_json({})
    with pytest.raises(BadPolicy, match="an object is wanted"):
        Policy.from_json(None)


def test_a_target_of_zero_is_refused_in_code_too() -> None:
    with pytest.raises(BadPolicy, match="resolution must be more than zero"):
        Policy({RESOLUTION: timedelta(0)})


def test_minutes_are_whole_where_they_are_whole_and_exact_where_they_are_not() -> None:
    assert minutes(hours(8)) == 480
    assert isinstance(minutes(hours(8)), int)
    odd = timedelta(minutes=-7, microseconds=1)
    assert timedelta(minutes=minutes(odd)) == odd


# First response


def test_the_first_response_counts_from_the_opening() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00")))
    assert how(cycle, "20 09:30").due_at == at("20 10:00")
    assert how(cycle, "20 09:30").state is State.RUNNING


def test_timers_count_from_the_first_contact_if_the_ticket_says_so() -> None:
    cycles = course(
        policy(), opened("20 09:00", "technician", for_requester=True, reported_at=at("20 08:15"))
    )
    assert {cycle.started_at for cycle in cycles} == {at("20 08:15")}
    assert [cycle.target for cycle in cycles] == [FIRST, UPDATE, RESOLUTION]


def test_a_contact_after_the_opening_is_refused() -> None:
    with pytest.raises(OutOfOrder, match="reported after it was opened"):
        course(policy(), opened("20 09:00", reported_at=at("20 10:00")))


@pytest.mark.parametrize("by", ["system", "technician"])
def test_opened_by_monitoring_or_by_staff_for_nobody_there_is_no_response_target(by: By) -> None:
    cycles = course(policy(), opened("20 09:00", by))
    assert [cycle.target for cycle in cycles] == [UPDATE, RESOLUTION]


def test_opened_by_staff_for_a_requester_the_first_response_runs() -> None:
    assert of(FIRST, course(policy(), opened("20 09:00", "technician", for_requester=True)))


def test_a_public_reply_by_a_technician_is_the_first_response() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00"), reply("20 09:20")))
    assert (cycle.ending, cycle.stopped_at) == ("met", at("20 09:20"))


@pytest.mark.parametrize(
    "other", [note("20 09:20"), reply("20 09:20", "system"), reply("20 09:20", "requester")]
)
def test_a_note_machine_mail_or_the_requester_is_no_first_response(other: Change) -> None:
    assert the(FIRST, course(policy(), opened("20 09:00"), other)).is_open


@pytest.mark.parametrize("status", ["resolved", "closed"])
def test_resolving_answers_the_first_response_too(status: str) -> None:
    assert the(FIRST, course(policy(), opened("20 09:00"), moved("20 09:30", status))).ending == "met"
    late = the(FIRST, course(policy(), opened("20 09:00"), moved("20 11:30", status)))
    assert late.ending == "breached"
    assert how(late, "20 12:00").breached_at == at("20 10:00")


def test_waiting_on_the_requester_does_not_pause_a_first_response_not_yet_given() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00"), moved("20 09:10", "waiting_on_requester")))
    assert how(cycle, "20 09:30").state is State.RUNNING


def test_a_pause_moves_the_response_target_if_the_policy_says_so() -> None:
    rules = policy(pause={"on_hold": ["first_response"]})
    cycle = the(
        FIRST,
        course(rules, opened("20 09:00"), moved("20 09:10", "on_hold"), moved("20 09:40", "in_progress")),
    )
    assert how(cycle, "20 09:50").due_at == at("20 10:30")


# Met and breached


def test_a_stop_exactly_at_the_due_instant_is_met() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00"), reply("20 10:00")))
    assert cycle.ending == "met"
    assert how(cycle, "20 12:00").remaining == timedelta(0)


def test_a_stop_a_second_later_is_breached_at_the_due_instant() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00"), reply("20 10:00:01")))
    judgement = how(cycle, "23 12:00")
    assert (judgement.state, judgement.breached_at) == (State.BREACHED, at("20 10:00"))
    assert judgement.remaining == timedelta(seconds=-1)


def test_friday_17_00_is_too_late_for_closing_time_at_16_00() -> None:
    cycle = the(FIRST, course(policy(), opened("20 15:00"), reply("20 17:00")))
    judgement = how(cycle, "23 09:00")
    assert (judgement.state, judgement.due_at) == (State.BREACHED, at("20 16:00"))
    assert judgement.remaining == timedelta(0)


def test_a_reply_at_the_weekend_is_in_time_for_monday() -> None:
    cycle = the(FIRST, course(policy(), opened("20 15:30"), reply("21 20:00")))
    assert cycle.ending == "met"
    assert how(cycle, "23 09:00").due_at == at("23 08:00")


def test_breached_at_is_the_due_instant_and_not_when_somebody_looked() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00")))
    for seen in ("20 10:01", "23 12:00", "30 12:00"):
        assert how(cycle, seen).breached_at == at("20 10:00")


def test_a_breached_timer_keeps_counting_until_it_is_stopped() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00")))
    assert how(cycle, "20 12:00").elapsed == hours(3)
    assert how(cycle, "20 12:00").remaining == hours(-2)


def test_a_due_time_stays_once_a_timer_is_met() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00"), reply("20 09:20"), moved("20 09:30", "on_hold")))
    assert {how(cycle, seen).due_at for seen in ("20 09:20", "20 15:00", "30 09:00")} == {at("20 10:00")}


def test_what_happens_after_the_instant_of_judgement_has_not_happened() -> None:
    cycle = the(FIRST, course(policy(), opened("20 09:00"), reply("20 11:00")))
    assert how(cycle, "20 09:30").state is State.RUNNING
    assert how(cycle, "20 10:30").state is State.BREACHED
    waited = the(
        RESOLUTION,
        course(
            policy(),
            opened("20 09:00"),
            moved("20 10:00", "on_hold"),
            moved("20 12:00", "in_progress"),
        ),
    )
    assert how(waited, "20 09:30") == how(replace(waited, pauses=()), "20 09:30")
    assert how(waited, "20 11:00").state is State.PAUSED
    assert how(waited, "20 11:00").elapsed == hours(1)


def test_outside_hours_is_not_paused() -> None:
    cycle = the(RESOLUTION, course(policy(), opened("20 15:00")))
    saturday = how(cycle, "21 12:00")
    assert (saturday.state, saturday.outside_hours) == (State.RUNNING, True)
    assert how(cycle, "23 12:00").outside_hours is False
    stopped = the(FIRST, course(policy(), opened("20 15:00"), reply("20 15:10")))
    assert how(stopped, "21 12:00").outside_hours is False


def test_a_recorded_ending_stands_when_the_calendar_is_edited_and_a_second_judgement_can_be_asked_for() -> (
    None
):
    late = the(FIRST, course(policy(), opened("20 09:00"), reply("20 11:00")))
    snow_day = replace(SCHOOL, closed=frozenset({at("20 00:00").date()}))
    assert judged(late, snow_day, at("23 12:00")).state is State.BREACHED
    assert judged(replace(late, ending=None), snow_day, at("23 12:00")).state is State.MET


def test_a_running_cycle_moves_when_a_snow_day_is_added() -> None:
    cycle = the(RESOLUTION, course(policy({"resolution": 60}), opened("20 15:30")))
    snow_day = replace(SCHOOL, closed=frozenset({at("23 00:00").date()}))
    assert how(cycle, "20 15:45").due_at == at("23 08:00")
    assert judged(cycle, snow_day, at("20 15:45")).due_at == at("24 08:00")


# Pauses


def test_waiting_on_the_requester_stops_the_clock() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({"resolution": 120}),
            opened("20 09:00"),
            moved("20 09:30", "waiting_on_requester"),
            moved("23 09:30", "in_progress"),
        ),
    )
    assert cycle.pauses == (Pause(at("20 09:30"), at("23 09:30"), "waiting_on_requester"),)
    assert how(cycle, "23 10:00").due_at == at("23 11:00")
    assert how(cycle, "23 10:00").elapsed == hours(1)


def test_a_paused_timer_is_not_breached_however_long_it_waits() -> None:
    cycle = the(
        RESOLUTION,
        course(policy({"resolution": 60}), opened("20 09:00"), moved("20 09:59:59", "waiting_on_requester")),
    )
    for seen in ("20 10:30", "25 12:00", "30 12:00"):
        assert how(cycle, seen).state is State.PAUSED
        assert how(cycle, seen).remaining == timedelta(seconds=1)
        assert how(cycle, seen).due_at == at(seen) + timedelta(seconds=1)


def test_a_timer_is_paused_from_the_very_instant_of_the_change() -> None:
    cycle = the(RESOLUTION, course(policy(), opened("20 09:00"), moved("20 10:00", "on_hold")))
    assert how(cycle, "20 10:00").state is State.PAUSED


def test_a_timer_resumed_after_its_old_due_time_has_not_failed() -> None:
    cycles = course(
        policy({"resolution": 60}),
        opened("20 09:00"),
        moved("20 09:30", "waiting_on_requester"),
        moved("24 09:00", "in_progress"),
        moved("24 09:30", "resolved"),
    )
    assert the(RESOLUTION, cycles).ending == "met"


@pytest.mark.parametrize("when", ["20 10:00", "20 10:30"])
def test_a_pause_at_or_after_the_breach_changes_nothing(when: str) -> None:
    cycle = the(
        RESOLUTION,
        course(policy({"resolution": 60}), opened("20 09:00"), moved(when, "waiting_on_requester")),
    )
    judgement = how(cycle, "20 11:00")
    assert (judgement.state, judgement.breached_at) == (State.BREACHED, at("20 10:00"))


def test_a_pause_outside_opening_hours_costs_nothing() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({"resolution": 120}),
            opened("20 15:00"),
            moved("20 17:00", "on_hold"),
            moved("23 07:00", "in_progress"),
        ),
    )
    assert how(cycle, "23 08:00").due_at == at("23 08:30")


def test_a_ticket_may_be_opened_paused() -> None:
    cycles = course(policy(), opened("20 09:00", status="on_hold"))
    assert the(RESOLUTION, cycles).pauses == (Pause(at("20 09:00"), None, "on_hold"),)
    assert how(the(RESOLUTION, cycles), "20 12:00").elapsed == timedelta(0)
    assert how(the(FIRST, cycles), "20 09:30").state is State.RUNNING


def test_opened_paused_after_an_earlier_contact_the_time_before_the_opening_counts() -> None:
    cycle = the(
        RESOLUTION, course(policy(), opened("20 09:00", status="on_hold", reported_at=at("20 08:00")))
    )
    assert how(cycle, "20 12:00").elapsed == hours(1)


def test_from_one_pausing_status_to_another_there_are_two_pauses_and_no_gap() -> None:
    cycles = course(
        policy(),
        opened("20 09:00"),
        reply("20 09:10"),
        moved("20 10:00", "waiting_on_requester"),
        reply("20 10:30", "requester"),
        moved("20 11:00", "on_hold"),
        moved("20 12:00", "in_progress"),
    )
    assert the(RESOLUTION, cycles).pauses == (
        Pause(at("20 10:00"), at("20 11:00"), "waiting_on_requester"),
        Pause(at("20 11:00"), at("20 12:00"), "on_hold"),
    )
    assert the(NEXT, cycles).pauses == (Pause(at("20 10:30"), at("20 11:00"), "waiting_on_requester"),)


def test_the_same_status_again_is_no_change() -> None:
    first = course(policy(), opened("20 09:00"), moved("20 10:00", "on_hold", "technician"))
    again = course(
        policy(),
        opened("20 09:00"),
        moved("20 10:00", "on_hold", "technician"),
        moved("20 11:00", "on_hold", "technician"),
    )
    assert first == again


def test_a_pause_without_length_is_dropped() -> None:
    cycles = course(
        policy(), opened("20 09:00"), moved("20 10:00", "on_hold"), moved("20 10:00", "in_progress")
    )
    assert the(RESOLUTION, cycles).pauses == ()


def test_time_resolved_is_not_shown_as_waiting() -> None:
    cycles = course(
        policy(),
        opened("20 09:00"),
        moved("20 10:00", "waiting_on_requester"),
        moved("20 11:00", "resolved"),
        moved("23 09:00", "in_progress"),
    )
    _, second = of(RESOLUTION, cycles)
    assert [(p.start, p.end, p.reason) for p in second.pauses] == [
        (at("20 10:00"), at("20 11:00"), "waiting_on_requester"),
        (at("20 11:00"), at("23 09:00"), "resolved"),
    ]


# Next response


def test_a_requester_message_after_the_first_response_starts_the_next_response() -> None:
    cycle = the(NEXT, course(policy(), opened("20 09:00"), reply("20 09:10"), reply("20 10:00", "requester")))
    assert how(cycle, "20 10:30").due_at == at("20 12:00")


def test_further_messages_do_not_move_it() -> None:
    cycle = the(
        NEXT,
        course(
            policy(),
            opened("20 09:00"),
            reply("20 09:10"),
            reply("20 10:00", "requester"),
            reply("20 11:30", "requester"),
        ),
    )
    assert cycle.started_at == at("20 10:00")


def test_before_the_first_response_a_message_starts_no_next_response() -> None:
    assert not of(NEXT, course(policy(), opened("20 09:00"), reply("20 09:10", "requester")))


def test_each_unanswered_message_has_its_own_cycle_and_none_is_lost() -> None:
    cycles = of(
        NEXT,
        course(
            policy(),
            opened("20 08:00"),
            reply("20 08:10"),
            reply("20 09:00", "requester"),
            reply("20 12:00"),
            reply("20 13:00", "requester"),
            reply("20 13:30"),
        ),
    )
    assert [(c.n, c.started_at, c.ending) for c in cycles] == [
        (1, at("20 09:00"), "breached"),
        (2, at("20 13:00"), "met"),
    ]


@pytest.mark.parametrize("other", [note("20 11:00"), reply("20 11:00", "system")])
def test_only_a_reply_by_a_technician_answers_a_message(other: Change) -> None:
    asked = (opened("20 09:00"), reply("20 09:10"), reply("20 10:00", "requester"))
    assert the(NEXT, course(policy(), *asked, other)).is_open


def test_resolving_answers_a_message_too() -> None:
    asked = (opened("20 09:00"), reply("20 09:10"), reply("20 10:00", "requester"))
    assert the(NEXT, course(policy(), *asked, moved("20 11:00", "resolved"))).ending == "met"


def test_a_message_in_a_status_that_pauses_it_starts_paused() -> None:
    cycle = the(
        NEXT,
        course(
            policy(),
            opened("20 09:00"),
            reply("20 09:10"),
            moved("20 09:20", "waiting_on_requester"),
            reply("20 10:00", "requester"),
        ),
    )
    assert how(cycle, "20 12:00").state is State.PAUSED


def test_thanks_on_a_resolved_ticket_starts_nothing_and_a_reopening_finds_it_unanswered() -> None:
    thanked = (
        opened("20 09:00"),
        reply("20 09:10"),
        moved("20 10:00", "resolved"),
        reply("20 11:00", "requester"),
    )
    assert not of(NEXT, course(policy(), *thanked))
    reopened = course(policy(), *thanked, moved("20 11:00", "in_progress"))
    assert the(NEXT, reopened).started_at == at("20 11:00")


# Updates


@pytest.mark.parametrize(
    "touch", [reply("20 11:00"), note("20 11:00"), moved("20 11:00", "in_progress", "technician")]
)
def test_any_touch_by_staff_ends_the_update_and_starts_the_next(touch: Change) -> None:
    first, second = of(UPDATE, course(policy(), opened("20 09:00"), touch))
    assert (first.ending, first.stopped_at) == ("met", at("20 11:00"))
    assert (second.n, second.started_at, second.is_open) == (2, at("20 11:00"), True)


@pytest.mark.parametrize(
    "other",
    [reply("20 11:00", "requester"), note("20 11:00", "system"), moved("20 11:00", "in_progress")],
)
def test_what_staff_did_not_do_is_no_update(other: Change) -> None:
    assert len(of(UPDATE, course(policy(), opened("20 09:00"), other))) == 1


def test_two_touches_at_the_same_instant_are_one() -> None:
    cycles = course(
        policy(), opened("20 09:00"), reply("20 11:00"), moved("20 11:00", "in_progress", "technician")
    )
    assert len(of(UPDATE, cycles)) == 2


def test_a_touch_that_begins_a_wait_starts_the_next_update_paused() -> None:
    _, second = of(
        UPDATE, course(policy(), opened("20 09:00"), moved("20 11:00", "waiting_on_requester", "technician"))
    )
    assert how(second, "20 15:00").state is State.PAUSED


def test_a_late_update_is_breached_and_the_next_one_starts_fresh() -> None:
    first, second = of(UPDATE, course(policy({"update": 60}), opened("20 09:00"), note("20 11:00")))
    assert first.ending == "breached"
    assert how(second, "20 11:30").state is State.RUNNING


def test_an_update_target_shorter_than_the_response_target_leaves_it_alone() -> None:
    cycles = course(policy({"first_response": 240, "update": 30}), opened("20 09:00"), note("20 09:20"))
    assert how(the(FIRST, cycles), "20 09:30").due_at == at("20 13:00")


def test_updates_stop_when_the_ticket_is_resolved_and_none_runs_while_it_is_closed() -> None:
    cycles = course(
        policy({"update": 30}),
        opened("20 09:00"),
        moved("20 09:20", "resolved", "technician"),
        note("23 09:00"),
        moved("24 09:00", "closed", "technician"),
        reply("25 09:00"),
    )
    assert [(c.n, c.ending) for c in of(UPDATE, cycles)] == [(1, "met")]


# Resolution and reopening


def test_resolving_stops_everything() -> None:
    cycles = course(policy(), opened("20 09:00"), moved("20 10:00", "resolved"))
    assert {cycle.stopped_at for cycle in cycles} == {at("20 10:00")}


def test_closing_without_resolving_stops_the_resolution_and_closing_a_resolved_ticket_changes_nothing() -> (
    None
):
    closed = course(policy(), opened("20 09:00"), moved("20 10:00", "closed"))
    assert the(RESOLUTION, closed).ending == "met"
    resolved = (opened("20 09:00"), moved("20 10:00", "resolved"))
    assert course(policy(), *resolved) == course(policy(), *resolved, moved("25 10:00", "closed"))


def test_a_ticket_opened_already_resolved_is_met_at_once() -> None:
    cycles = course(policy(), opened("20 09:00", status="resolved"))
    assert [(c.target, c.ending, c.stopped_at) for c in cycles] == [
        (target, "met", at("20 09:00")) for target in (FIRST, UPDATE, RESOLUTION)
    ]


def test_a_cancelled_ticket_cancels_what_is_open_with_the_reason() -> None:
    cycles = course(policy(), opened("20 09:00"), reply("20 09:10"), moved("20 09:30", "cancelled"))
    assert the(FIRST, cycles).ending == "met"
    cancelled = the(RESOLUTION, cycles)
    assert (cancelled.ending, cancelled.reason) == ("cancelled", "the ticket was cancelled")
    assert how(cancelled, "30 09:00").state is State.CANCELLED
    assert how(cancelled, "30 09:00").breached_at is None


def test_a_breach_before_the_cancellation_stays_a_fact() -> None:
    cycle = the(
        RESOLUTION, course(policy({"resolution": 60}), opened("20 09:00"), moved("20 11:00", "cancelled"))
    )
    assert (how(cycle, "23 09:00").state, how(cycle, "23 09:00").breached_at) == (
        State.CANCELLED,
        at("20 10:00"),
    )


RESOLVED = (
    opened("20 09:00"),
    reply("20 09:10"),
    moved("20 11:00", "on_hold"),
    moved("20 12:00", "in_progress"),
    moved("20 13:00", "resolved"),
)


def test_resume_carries_the_time_already_used_and_resolved_time_does_not_count() -> None:
    first, second = of(RESOLUTION, course(policy(), *RESOLVED, moved("23 09:30", "in_progress")))
    assert (first.ending, first.stopped_at) == ("met", at("20 13:00"))
    assert (second.n, second.started_at) == (2, at("20 09:00"))
    judgement = how(second, "23 10:00")
    assert judgement.elapsed == hours(3.5)
    paused = intervals(second.pauses, at("23 10:00"))
    assert judgement.elapsed == elapsed(at("20 09:00"), at("23 10:00"), SCHOOL, paused)


def test_resume_carries_an_update_too_and_the_reopening_itself_is_no_touch() -> None:
    *_, last = of(UPDATE, course(policy(), *RESOLVED, moved("23 09:30", "in_progress", "technician")))
    assert last.started_at == at("20 09:10")
    assert last.pauses[-1] == Pause(at("20 13:00"), at("23 09:30"), "resolved")


def test_a_new_cycle_is_fresh() -> None:
    _, second = of(
        RESOLUTION, course(policy(on_reopen="new_cycle"), *RESOLVED, moved("23 09:30", "in_progress"))
    )
    assert (second.n, second.started_at, second.pauses) == (2, at("23 09:30"), ())


def test_none_gives_a_reopened_ticket_no_new_target() -> None:
    cycles = course(policy(on_reopen="none"), *RESOLVED, moved("23 09:30", "in_progress"), note("23 10:00"))
    assert not [cycle for cycle in cycles if cycle.is_open]


@pytest.mark.parametrize("on_reopen", ["resume", "new_cycle", "none"])
def test_a_finished_cycle_is_never_rewritten_and_a_first_response_never_restarted(on_reopen: str) -> None:
    rules = policy(on_reopen=on_reopen)
    before = course(rules, *RESOLVED)
    after = course(
        rules,
        *RESOLVED,
        moved("23 09:30", "in_progress"),
        TargetsChanged(at("23 10:00"), policy({"resolution": 1})),
    )
    assert set(before) <= set(after)
    assert len(of(FIRST, after)) == 1


def test_a_ticket_reopened_into_waiting_is_paused_from_then_on() -> None:
    _, second = of(RESOLUTION, course(policy(), *RESOLVED, moved("23 09:30", "waiting_on_requester")))
    assert second.pauses[-1] == Pause(at("23 09:30"), None, "waiting_on_requester")
    assert how(second, "23 12:00").state is State.PAUSED


def test_a_ticket_reopened_twice_carries_everything() -> None:
    *_, third = of(
        RESOLUTION,
        course(
            policy(),
            *RESOLVED,
            moved("23 09:30", "in_progress"),
            moved("23 10:30", "resolved"),
            moved("24 08:00", "closed"),
            moved("24 09:00", "in_progress"),
        ),
    )
    assert third.n == 3
    assert how(third, "24 10:00").elapsed == hours(5)


def test_resuming_a_breached_cycle_stays_breached_at_the_old_due_instant() -> None:
    rules = policy({"resolution": 60})
    first, second = of(RESOLUTION, course(rules, *RESOLVED, moved("23 09:30", "in_progress")))
    assert first.ending == "breached"
    assert how(second, "23 09:45").breached_at == at("20 10:00")


def test_reopened_after_a_cancellation_a_cycle_starts_fresh() -> None:
    cycles = course(policy(), opened("20 09:00"), moved("20 10:00", "cancelled"), moved("23 09:30", "new"))
    first, second = of(RESOLUTION, cycles)
    assert (first.ending, second.started_at, second.pauses) == ("cancelled", at("23 09:30"), ())


def test_a_merge_cancels_with_its_reason() -> None:
    cycles = course(policy(), opened("20 09:00"), CancelledBecause(at("20 10:00"), "merged into 4711"))
    assert {(cycle.ending, cycle.reason) for cycle in cycles} == {("cancelled", "merged into 4711")}


# Changes of target and policy


def changed(when: str, targets: dict[str, float], **rules: Any) -> TargetsChanged:
    return TargetsChanged(at(when), policy(targets, **rules))


def test_retroactive_the_new_target_counts_from_the_original_start_with_the_pauses_already_earned() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy(),
            opened("20 09:00"),
            moved("20 10:00", "on_hold"),
            moved("20 11:00", "in_progress"),
            changed("20 12:00", {"resolution": 240}),
        ),
    )
    assert (cycle.n, cycle.started_at, cycle.goal) == (1, at("20 09:00"), hours(4))
    assert how(cycle, "20 12:00").due_at == at("20 14:00")


def test_retroactive_a_shorter_target_may_have_been_breached_before_it_was_set() -> None:
    cycle = the(RESOLUTION, course(policy(), opened("20 09:00"), changed("20 12:00", {"resolution": 60})))
    assert how(cycle, "20 12:00").breached_at == at("20 10:00")


def test_from_now_the_old_cycle_is_cancelled_and_a_new_one_starts() -> None:
    first, second = of(
        RESOLUTION,
        course(policy(), opened("20 09:00"), changed("20 12:00", {"resolution": 240}, on_change="from_now")),
    )
    assert (first.ending, first.reason, first.stopped_at) == ("cancelled", "targets changed", at("20 12:00"))
    assert (second.n, second.started_at, second.goal) == (2, at("20 12:00"), hours(4))


def test_from_now_a_cycle_already_breached_stays_breached() -> None:
    first, second = of(
        RESOLUTION,
        course(
            policy({"resolution": 60}),
            opened("20 09:00"),
            changed("20 12:00", {"resolution": 240}, on_change="from_now"),
        ),
    )
    assert (first.ending, first.stopped_at) == ("breached", at("20 12:00"))
    assert second.is_open


def test_from_now_in_a_pausing_status_the_new_cycle_starts_paused() -> None:
    _, second = of(
        RESOLUTION,
        course(
            policy(),
            opened("20 09:00", status="on_hold"),
            changed("20 12:00", {"resolution": 240}, on_change="from_now"),
        ),
    )
    assert second.pauses == (Pause(at("20 12:00"), None, "on_hold"),)


@pytest.mark.parametrize("on_change", ["retroactive", "from_now"])
def test_a_target_that_stays_the_same_is_left_alone(on_change: str) -> None:
    before = course(policy(), opened("20 09:00"))
    assert course(policy(), opened("20 09:00"), changed("20 12:00", GOALS, on_change=on_change)) == before


def test_a_removed_target_is_cancelled_with_the_reason() -> None:
    cycle = the(UPDATE, course(policy(), opened("20 09:00"), changed("20 12:00", {"resolution": 960})))
    assert (cycle.ending, cycle.reason) == ("cancelled", "the target was removed")


def test_a_policy_swapped_while_waiting_does_not_forget_the_pause() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({"resolution": 120}),
            opened("20 09:00"),
            moved("20 09:30", "waiting_on_requester"),
            changed("20 12:00", {"resolution": 60}),
            moved("20 14:00", "in_progress"),
        ),
    )
    assert cycle.pauses == (Pause(at("20 09:30"), at("20 14:00"), "waiting_on_requester"),)
    assert how(cycle, "20 14:00").due_at == at("20 14:30")


def test_new_pause_rules_hold_from_the_change_on_and_what_was_earned_stays() -> None:
    stricter = changed("20 12:00", {"resolution": 960}, pause={})
    cycle = the(RESOLUTION, course(policy(), opened("20 09:00"), moved("20 10:00", "on_hold"), stricter))
    assert cycle.pauses == (Pause(at("20 10:00"), at("20 12:00"), "on_hold"),)
    assert how(cycle, "20 13:00").elapsed == hours(2)
    gentler = changed("20 12:00", {"resolution": 960})
    cycle = the(
        RESOLUTION,
        course(
            policy({"resolution": 960}, pause={}), opened("20 09:00"), moved("20 10:00", "on_hold"), gentler
        ),
    )
    assert cycle.pauses == (Pause(at("20 12:00"), None, "on_hold"),)


def test_a_target_newly_promised_counts_from_the_opening_less_the_waits() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({"first_response": 60}),
            opened("20 09:00"),
            moved("20 10:00", "waiting_on_requester"),
            moved("20 11:00", "in_progress"),
            changed("20 12:00", {"first_response": 60, "resolution": 240}),
        ),
    )
    assert (cycle.started_at, how(cycle, "20 12:00").due_at) == (at("20 09:00"), at("20 14:00"))


def test_a_target_newly_promised_while_waiting_is_paused() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({"first_response": 60}),
            opened("20 09:00"),
            moved("20 10:00", "waiting_on_requester"),
            changed("20 12:00", {"resolution": 240}),
        ),
    )
    assert cycle.pauses == (Pause(at("20 10:00"), None, "waiting_on_requester"),)


def test_a_target_newly_promised_from_now_starts_now() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({}), opened("20 09:00"), changed("20 12:00", {"resolution": 240}, on_change="from_now")
        ),
    )
    assert cycle.started_at == at("20 12:00")


def test_a_first_response_newly_promised_runs_only_if_it_is_still_owed() -> None:
    late = changed("20 12:00", {"first_response": 240})
    assert the(FIRST, course(policy({}), opened("20 09:00"), late)).started_at == at("20 09:00")
    assert not course(policy({}), opened("20 09:00"), reply("20 10:00"), late)
    assert not course(policy({}), opened("20 09:00", "system"), late)


def test_a_next_response_newly_promised_counts_from_the_oldest_unanswered_message() -> None:
    asked = (
        opened("20 09:00"),
        reply("20 09:10"),
        reply("20 10:00", "requester"),
        reply("20 11:00", "requester"),
    )
    late = changed("20 12:00", {"next_response": 240})
    assert the(NEXT, course(policy({}), *asked, late)).started_at == at("20 10:00")
    assert not course(policy({}), *asked, reply("20 11:30"), late)


def test_an_update_newly_promised_counts_from_the_last_touch() -> None:
    cycle = the(
        UPDATE, course(policy({}), opened("20 09:00"), note("20 11:00"), changed("20 12:00", {"update": 240}))
    )
    assert cycle.started_at == at("20 11:00")


def test_a_change_on_a_resolved_ticket_waits_for_the_reopening() -> None:
    change = changed("20 14:00", {"resolution": 240})
    assert course(policy(), *RESOLVED, change) == course(policy(), *RESOLVED)
    _, second = of(RESOLUTION, course(policy(), *RESOLVED, change, moved("23 09:30", "in_progress")))
    assert second.goal == hours(4)


def test_a_target_taken_away_and_given_back_runs_again_from_the_opening() -> None:
    first, second = of(
        RESOLUTION,
        course(
            policy(), opened("20 09:00"), changed("20 10:00", {}), changed("20 11:00", {"resolution": 240})
        ),
    )
    assert first.ending == "cancelled"
    assert (second.n, second.started_at) == (2, at("20 09:00"))


# One step at a time


def test_something_before_the_opening_and_a_second_opening_are_refused() -> None:
    with pytest.raises(OutOfOrder, match="before the ticket was opened"):
        advance(Course(), reply("20 09:00"), policy(), SCHOOL)
    with pytest.raises(OutOfOrder, match="opened twice"):
        course(policy(), opened("20 09:00"), opened("20 10:00"))


def test_the_open_rows_alone_are_enough_for_the_next_step() -> None:
    """A live ticket is loaded as its status and the latest cycle of each target."""
    cycles = course(policy(), *RESOLVED[:3])
    live = Course("on_hold", tuple(cycle for cycle in cycles if cycle.is_open))
    after = advance(live, moved("20 12:00", "in_progress"), policy(), SCHOOL)
    assert the(RESOLUTION, after.cycles) == the(RESOLUTION, course(policy(), *RESOLVED[:4]))


def test_without_a_history_of_stays_the_pauses_of_other_timers_stand_in() -> None:
    waited = Pause(at("20 10:00"), at("20 11:00"), "waiting_on_requester")
    live = Course("in_progress", (Cycle(UPDATE, 1, at("20 09:00"), hours(8), (waited,)),))
    after = advance(live, changed("20 12:00", {"resolution": 240}), policy(), SCHOOL)
    assert the(RESOLUTION, after.cycles).pauses == (waited,)
    assert the(RESOLUTION, after.cycles).started_at == at("20 09:00")


# Warnings


def test_warnings_come_at_shares_of_the_target() -> None:
    cycle = the(RESOLUTION, course(policy({"resolution": 240}), opened("20 09:00")))
    seen, instants = at("20 09:00"), []
    while warning := next_warning_at(cycle, policy(), SCHOOL, seen):
        instants.append((warning.share, warning.at))
        seen = warning.at
    assert instants == [(0.5, at("20 11:00")), (0.75, at("20 12:00")), (0.9, at("20 12:36"))]


def test_a_warning_falls_into_opening_hours_and_moves_with_a_pause() -> None:
    cycle = the(
        RESOLUTION,
        course(
            policy({"resolution": 240}),
            opened("20 15:00"),
            moved("20 15:30", "on_hold"),
            moved("23 09:00", "in_progress"),
        ),
    )
    warning = next_warning_at(cycle, policy(), SCHOOL, at("23 09:00"))
    assert warning is not None
    assert warning.at == at("23 10:30")


def test_a_paused_or_finished_timer_has_no_next_warning() -> None:
    waiting = the(RESOLUTION, course(policy(), opened("20 09:00"), moved("20 09:30", "on_hold")))
    assert next_warning_at(waiting, policy(), SCHOOL, at("20 10:00")) is None
    done = the(RESOLUTION, course(policy(), opened("20 09:00"), moved("20 09:30", "resolved")))
    assert next_warning_at(done, policy(), SCHOOL, at("20 10:00")) is None


def test_a_share_above_one_is_a_step_after_the_breach() -> None:
    cycle = the(RESOLUTION, course(policy({"resolution": 240}), opened("20 09:00")))
    assert share_run_at(cycle, 1, SCHOOL, at("20 09:00")) == at("20 13:00")
    assert share_run_at(cycle, 1.5, SCHOOL, at("20 09:00")) == at("20 15:00")


# Properties of any course

AFTERWARDS = st.lists(
    st.tuples(st.integers(0, 5 * 24 * 60), st.integers(0, 16)),
    max_size=14,
).map(sorted)
STATUSES = ("new", "in_progress", "waiting_on_requester", "on_hold", "resolved", "closed", "cancelled")


def change(minute: int, kind: int) -> Change:
    when = at("20 09:00") + timedelta(minutes=minute)
    by: By = ("requester", "technician", "system")[kind % 3]
    if kind < 7:
        return StatusChanged(when, STATUSES[kind], by)
    if kind < 10:
        return PublicReply(when, by)
    if kind < 13:
        return Note(when, by)
    choices: list[dict[str, float]] = [{"resolution": 300}, {"first_response": 30, "update": 45}, GOALS, {}]
    return TargetsChanged(
        when, policy(choices[kind - 13], on_change="from_now" if minute % 2 else "retroactive")
    )


@settings(deadline=None, derandomize=True, max_examples=300)
@given(AFTERWARDS, st.sampled_from(["resume", "new_cycle", "none"]), st.sampled_from(STATUSES))
def test_whatever_happens_the_cycles_stay_sound(
    happened: list[tuple[int, int]], on_reopen: str, status: str
) -> None:
    changes = [change(minute, kind) for minute, kind in happened]
    first = opened("20 09:00", status=status)
    end = at("30 12:00")
    before: tuple[Cycle, ...] = ()
    for n in range(len(changes) + 1):
        cycles = course(policy(on_reopen=on_reopen), first, *changes[:n])
        finished = {cycle for cycle in before if not cycle.is_open}
        assert finished <= set(cycles)
        before = cycles
    for target in Target:
        mine = of(target, before)
        assert [cycle.n for cycle in mine] == list(range(1, len(mine) + 1))
        assert all(not cycle.is_open for cycle in mine[:-1])
    for cycle in before:
        judgement = judged(cycle, SCHOOL, end)
        until = cycle.stopped_at or end
        paused = intervals(cycle.pauses, until)
        assert all(start < finish for start, finish in paused)
        assert all(
            a.end is not None and a.end <= b.start
            for a, b in zip(cycle.pauses, cycle.pauses[1:], strict=False)
        )
        assert judgement.elapsed == elapsed(cycle.started_at, until, SCHOOL, paused)
        assert judgement.due_at == due_at(cycle.started_at, cycle.goal, SCHOOL, paused)
        assert judgement.breached_at in (None, judgement.due_at)
        assert (judgement.state is State.BREACHED) <= (until > judgement.due_at)
        assert (judgement.state in (State.MET, State.RUNNING, State.PAUSED)) <= (until <= judgement.due_at)
        assert (
            judgement.state is judged(replace(cycle, ending=None), SCHOOL, end).state
            or cycle.ending == "cancelled"
        )
