"""The scenario, its answer, its words, and the two commands."""

import json
import subprocess
import sys
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from service.commands.sla import app
from service.sla.calendar import WEEKDAYS, Calendar
from service.sla.cycle import Cycle, Pause, judged
from service.sla.explain import answered, explained, explanation, sla_time
from service.sla.policy import Target
from service.sla.scenario import BadScenario, Scenario, instant_from, scenario_from_json
from service.sla.words import amount

EXAMPLE: dict[str, Any] = {
    "calendar": {
        "zone": "America/Chicago",
        "hours": {"mon": [["07:30", "16:00"]], "tue": []},
        "closed": ["2026-11-26"],
        "overrides": {"2026-12-18": [["07:30", "11:30"]]},
        "breaks": {"2026-12-01": [["12:00", "12:45"]]},
    },
    "policy": {
        "targets": {"first_response": 60, "next_response": 120, "update": 480, "resolution": 960},
        "pause": {
            "waiting_on_requester": ["next_response", "update", "resolution"],
            "on_hold": ["update", "resolution"],
        },
        "on_reopen": "resume",
        "on_change": "retroactive",
    },
    "events": [
        {"at": "2026-11-20T09:00:00-06:00", "kind": "opened", "by": "requester"},
        {"at": "2026-11-20T09:20:00-06:00", "kind": "public_reply", "by": "technician"},
        {"at": "2026-11-20T09:25:00-06:00", "kind": "status", "to": "waiting_on_requester"},
        {"at": "2026-11-23T08:00:00-06:00", "kind": "public_reply", "by": "requester"},
        {"at": "2026-11-23T08:00:00-06:00", "kind": "status", "to": "in_progress"},
        {"at": "2026-11-23T08:30:00-06:00", "kind": "targets", "targets": {"resolution": 480}},
    ],
    "as_of": "2026-11-23T09:00:00-06:00",
}
SCHOOL_HOURS = {day: [["07:30", "16:00"]] for day in WEEKDAYS[:5]}


def scenario(**changes: Any) -> Scenario:
    return scenario_from_json(json.dumps({**EXAMPLE, **changes}))


def week(**changes: Any) -> Scenario:
    """The example, but the school is open on every weekday."""
    return scenario(calendar={**EXAMPLE["calendar"], "hours": SCHOOL_HOURS}, **changes)


def timers(of: Scenario) -> list[dict[str, Any]]:
    answer = explained(of)
    assert answer == json.loads(json.dumps(answer))
    listed = answer["timers"]
    assert isinstance(listed, list)
    return listed


def timer(of: Scenario, target: str, cycle: int = 1) -> dict[str, Any]:
    (found,) = [t for t in timers(of) if (t["target"], t["cycle"]) == (target, cycle)]
    return found


# The example, by hand


def test_the_example_has_these_timers() -> None:
    assert [(t["target"], t["cycle"], t["state"]) for t in timers(scenario())] == [
        ("first_response", 1, "met"),
        ("next_response", 1, "running"),
        ("update", 1, "met"),
        ("update", 2, "running"),
        ("resolution", 1, "running"),
    ]


def test_the_example_as_written_is_open_on_mondays_only() -> None:
    resolution = timer(scenario(), "resolution")
    assert resolution == {
        "target": "resolution",
        "cycle": 1,
        "state": "running",
        "outside_hours": False,
        "started_at": "2026-11-20T09:00:00-06:00",
        "due_at": "2026-11-23T16:00:00-06:00",
        "stopped_at": None,
        "breached_at": None,
        "target_minutes": 480,
        "elapsed_minutes": 60,
        "remaining_minutes": 420,
        "paused": [
            {
                "from": "2026-11-20T09:25:00-06:00",
                "to": "2026-11-23T08:00:00-06:00",
                "reason": "waiting_on_requester",
            }
        ],
        "explain": [
            "Resolution: 8 h of working time, counted from Fri 20 Nov 2026 09:00 (America/Chicago).",
            "Waiting on the requester from Fri 20 Nov 09:25 to Mon 23 Nov 08:00: not counted "
            "(30 min of opening hours)",
            "Mon 23 Nov 08:00-09:00: 1 h (1 h of 8 h)",
            "Due Mon 23 Nov 16:00; 7 h left.",
        ],
    }
    response = timer(scenario(), "first_response")
    assert (response["due_at"], response["elapsed_minutes"]) == ("2026-11-23T08:30:00-06:00", 0)


def test_the_example_on_a_full_school_week() -> None:
    """25 min on Friday, 1 h on Monday until 09:00: 85 of 480, and 395 more end on Monday at 15:35."""
    resolution = timer(week(), "resolution")
    assert (resolution["elapsed_minutes"], resolution["remaining_minutes"]) == (85, 395)
    assert resolution["due_at"] == "2026-11-23T15:35:00-06:00"
    response = timer(week(), "first_response")
    assert (response["elapsed_minutes"], response["remaining_minutes"]) == (20, 40)
    assert (response["due_at"], response["stopped_at"]) == (
        "2026-11-20T10:00:00-06:00",
        "2026-11-20T09:20:00-06:00",
    )
    answer = timer(week(), "next_response")
    assert (answer["started_at"], answer["due_at"]) == (
        "2026-11-23T08:00:00-06:00",
        "2026-11-23T10:00:00-06:00",
    )
    update = timer(week(), "update", 2)
    assert (update["elapsed_minutes"], update["due_at"]) == (65, "2026-11-23T15:55:00-06:00")


def test_without_as_of_the_last_event_is_the_instant_of_judgement() -> None:
    last = week(as_of=None)
    assert timer(last, "resolution")["elapsed_minutes"] == 55


def test_events_after_as_of_are_ignored() -> None:
    early = week(as_of="2026-11-20T09:10:00-06:00")
    assert [t["state"] for t in timers(early)] == ["running"] * 3
    assert timer(early, "resolution")["target_minutes"] == 960
    assert timers(week(as_of="2026-11-20T08:00:00-06:00")) == []


def test_events_are_read_in_order_of_time() -> None:
    shuffled = [*EXAMPLE["events"][4:], EXAMPLE["events"][3], *EXAMPLE["events"][:3]]
    assert timer(week(events=shuffled), "resolution") == timer(week(), "resolution")


def test_null_removes_a_target() -> None:
    removed = [*EXAMPLE["events"][:5], {**EXAMPLE["events"][5], "targets": {"resolution": None}}]
    assert timer(week(events=removed), "resolution")["state"] == "cancelled"


def test_minutes_may_be_fractions() -> None:
    tight = {"targets": {"first_response": 0.5}}
    response = timer(week(policy=tight, events=EXAMPLE["events"][:2], as_of=None), "first_response")
    assert (response["target_minutes"], response["breached_at"]) == (0.5, "2026-11-20T09:00:30-06:00")


def test_an_opening_may_carry_its_status_and_the_first_contact() -> None:
    event = {
        "at": "2026-11-20T09:00:00-06:00",
        "kind": "opened",
        "by": "technician",
        "for_requester": True,
        "status": "on_hold",
        "reported_at": "2026-11-20T14:30:00Z",
    }
    opened = week(events=[event], as_of="2026-11-20T12:00:00-06:00")
    assert timer(opened, "first_response")["started_at"] == "2026-11-20T08:30:00-06:00"
    assert timer(opened, "resolution")["state"] == "paused"
    assert timer(opened, "resolution")["elapsed_minutes"] == 30
    assert timer(opened, "resolution")["paused"] == [
        {"from": "2026-11-20T09:00:00-06:00", "to": None, "reason": "on_hold"}
    ]


# What is refused


def event(**changes: Any) -> list[dict[str, Any]]:
    events = deepcopy(EXAMPLE["events"])
    events[1].update(changes)
    return [{k: v for k, v in e.items() if v is not ...} for e in events]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"events": EXAMPLE["events"][1:]}, "something else happened before the ticket was opened"),
        ({"events": [*EXAMPLE["events"], EXAMPLE["events"][0]]}, "the ticket was opened twice"),
        ({"events": []}, "events: List should have at least 1 item"),
        ({"events": event(at="2026-11-20T09:20:00")}, "is no time with an offset"),
        ({"events": event(at=1763650000)}, "is no time with an offset"),
        ({"events": event(at="2026-11-20T08:00:00-06:00")}, "before the ticket was opened"),
        ({"events": event(kind="call")}, "events.1"),
        ({"events": event(by="robot")}, "events.1.public_reply.by"),
        ({"events": event(by=...)}, "events.1.public_reply.by: Field required"),
        ({"events": event(mood="bad")}, "events.1.public_reply.mood: Extra inputs"),
        ({"events": [{**EXAMPLE["events"][0], "reported_at": "2026-11-21T00:00:00Z"}]}, "reported after"),
        (
            {"policy": {"targets": {"resolution": 0}}},
            "policy.targets.resolution: Input should be greater than 0",
        ),
        ({"policy": {"targets": {"resolution": "60"}}}, "policy.targets.resolution"),
        ({"policy": {}}, "policy.targets: Field required"),
        ({"calendar": {"zone": "Mars/Base", "hours": {}}}, "'Mars/Base' is no IANA time zone"),
        (
            {"calendar": {"zone": "UTC", "hours": {"mon": [["9:00", "10:00"]]}}},
            "hours: mon: '9:00' is no time",
        ),
        ({"calendar": {"zone": "UTC"}}, "calendar.hours: Field required"),
        ({"as_of": "tomorrow"}, "as_of: 'tomorrow' is no time with an offset"),
        ({"as_of": "2096-01-01T00:00:00Z"}, "a scenario spans 30 years at most"),
        ({"weather": "snow"}, "weather: Extra inputs are not permitted"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused_in_one_sentence(
    wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadScenario) as refusal:
        scenario(**wrong)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000, "nul"])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(BadScenario, match="this is not JSON"):
        scenario_from_json(text)


def test_more_than_five_thousand_events_are_refused() -> None:
    note = {"at": "2026-11-20T09:20:00-06:00", "kind": "note", "by": "technician"}
    with pytest.raises(BadScenario, match="at most 5000 items"):
        scenario(events=[EXAMPLE["events"][0], *[note] * 5000])


def test_a_calendar_that_is_never_open_is_named() -> None:
    shut = scenario(calendar={"zone": "UTC", "hours": {}, "name": "Summer school"})
    with pytest.raises(BadScenario, match='"Summer school" is not open'):
        explained(shut)


def test_a_time_at_the_end_of_all_years_is_refused_in_words() -> None:
    for when in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        with pytest.raises(BadScenario, match="years 2 to 9997"):
            explained(week(events=[{**EXAMPLE["events"][0], "at": when}], as_of=None))


def test_reopened_too_often_for_one_answer_is_refused() -> None:
    first = datetime.fromisoformat("2026-11-20T09:00:00-06:00")
    flips = [
        {
            "at": (first + timedelta(minutes=n)).isoformat(),
            "kind": "status",
            "to": "in_progress" if n % 2 else "resolved",
        }
        for n in range(2, 4000)
    ]
    with pytest.raises(BadScenario, match="too often"):
        week(events=[EXAMPLE["events"][0], *flips], as_of=None)


# Words


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Chicago"))


SCHOOL = Calendar.from_json(
    {"zone": "America/Chicago", "hours": SCHOOL_HOURS, "closed": ["2026-11-26", "2026-11-27"]}
)


def words(cycle: Cycle, as_of: str) -> list[str]:
    return explanation(cycle, SCHOOL, at(as_of))


def resolution(start: str, hours: float = 16, *pauses: Pause, **more: Any) -> Cycle:
    return Cycle(Target.RESOLUTION, more.pop("n", 1), at(start), timedelta(hours=hours), pauses, **more)


def test_a_short_timer_is_told_day_by_day() -> None:
    assert words(resolution("2026-11-25T12:00"), "2026-11-30T09:00") == [
        "Resolution: 16 h of working time, counted from Wed 25 Nov 2026 12:00 (America/Chicago).",
        "Wed 25 Nov 12:00-16:00: 4 h (4 h of 16 h)",
        "Thu 26 Nov to Sun 29 Nov: closed",
        "Mon 30 Nov 07:30-09:00: 1 h 30 min (5 h 30 min of 16 h)",
        "Due Tue 1 Dec 11:00; 10 h 30 min left.",
    ]


def test_a_single_closed_day_is_named() -> None:
    assert "Sat 21 Nov to Sun 22 Nov: closed" in words(resolution("2026-11-20T12:00"), "2026-11-23T09:00")
    snow = Calendar.from_json({**SCHOOL.to_json(), "closed": ["2026-11-24"]})
    assert "Tue 24 Nov: closed" in explanation(resolution("2026-11-23T12:00"), snow, at("2026-11-25T09:00"))


def test_a_long_run_is_summed_but_for_its_last_days() -> None:
    lines = words(resolution("2026-09-01T07:30", 500), "2026-11-20T16:00")
    assert lines[1].startswith("Tue 1 Sep 07:30 to ")
    assert "56 days with opening hours: 476 h (476 h of 500 h)" in lines[1]
    assert lines[-2] == "Fri 20 Nov 07:30-16:00: 8 h 30 min (501 h 30 min of 500 h)"
    assert len(lines) < 8


def test_years_are_summed_and_named_where_they_differ() -> None:
    lines = words(resolution("2024-11-20T07:30", 5000), "2026-11-20T16:00")
    assert lines[1].startswith("Wed 20 Nov 07:30 to Fri 20 Nov 2026 16:00: ")


def test_a_lasting_pause_and_what_it_would_mean() -> None:
    cycle = resolution("2026-11-20T09:00", 2, Pause(at("2026-11-20T09:30"), None, "waiting_on_requester"))
    assert words(cycle, "2026-11-20T10:00")[2:] == [
        "Waiting on the requester since Fri 20 Nov 09:30: not counted (30 min of opening hours)",
        "Paused; were it to go on now it would be due Fri 20 Nov 11:30; 1 h 30 min left.",
    ]


@pytest.mark.parametrize(
    ("reason", "words_for_it"),
    [
        ("on_hold", "On hold from"),
        ("resolved", "Resolved from"),
        ("with_vendor", "Paused (with vendor) from"),
    ],
)
def test_a_pause_says_why(reason: str, words_for_it: str) -> None:
    pause = Pause(at("2026-11-20T09:30"), at("2026-11-20T10:30"), reason)
    assert words(resolution("2026-11-20T09:00", 2, pause), "2026-11-20T11:00")[2].startswith(words_for_it)


def test_the_conclusion_says_how_it_ended() -> None:
    start = "2026-11-20T09:00"
    done = {"stopped_at": at("2026-11-20T10:30")}
    late = "2026-11-20T12:00"
    assert words(resolution(start, 2, **done), late)[-1] == (
        "Due Fri 20 Nov 11:00; done Fri 20 Nov 10:30: met with 30 min to spare."
    )
    assert words(resolution(start, 1.5, **done), late)[-1] == (
        "Due Fri 20 Nov 10:30; done Fri 20 Nov 10:30: met."
    )
    assert words(resolution(start, 1, **done), late)[-1] == (
        "Due Fri 20 Nov 10:00; done Fri 20 Nov 10:30: breached, 30 min over."
    )
    assert words(resolution(start, 1), late)[-1] == (
        "Due Fri 20 Nov 10:00; not done by Fri 20 Nov 12:00: breached, 2 h over so far."
    )
    assert words(resolution(start, 1, ending="cancelled", reason="merged into 4711", **done), late)[-1] == (
        "Cancelled Fri 20 Nov 10:30: merged into 4711."
    )


def test_outside_hours_the_words_say_that_no_time_runs() -> None:
    assert words(resolution("2026-11-20T09:00"), "2026-11-21T10:00")[-1] == (
        "Due Tue 24 Nov 08:00; 9 h left. Outside opening hours now: no time runs."
    )


def test_a_later_cycle_says_which_it_is() -> None:
    assert words(resolution("2026-11-20T09:00", n=2), "2026-11-20T10:00")[0].startswith(
        "Resolution (cycle 2): "
    )


def test_an_evening_that_runs_to_midnight_ends_at_24_00() -> None:
    always = Calendar("America/Chicago", dict.fromkeys(WEEKDAYS, ((0, 1440),)))
    lines = explanation(resolution("2026-10-31T20:00", 48), always, at("2026-11-01T12:00"))
    assert lines[1:3] == [
        "Sat 31 Oct 20:00-24:00: 4 h (4 h of 48 h)",
        "Sun 1 Nov 00:00-12:00: 13 h (17 h of 48 h)",
    ]


def test_many_windows_a_day_are_told_in_one_line() -> None:
    bells = [[f"{h:02}:00", f"{h:02}:50"] for h in range(8, 14)]
    calendar = Calendar.from_json({"zone": "America/Chicago", "hours": {"fri": bells}})
    lines = explanation(resolution("2026-11-20T07:00"), calendar, at("2026-11-20T16:00"))
    assert lines[1] == "Fri 20 Nov 08:00-13:50 in 6 parts: 5 h (5 h of 16 h)"


def test_many_pauses_are_summed_and_the_arithmetic_still_adds_up() -> None:
    start = at("2026-11-16T07:30")
    pauses = [
        Pause(start + timedelta(minutes=20 * n), start + timedelta(minutes=20 * n + 10), "on_hold")
        for n in range(100)
    ]
    lines = words(resolution("2026-11-16T07:30", 40, *pauses), "2026-11-18T16:00")
    assert len(lines) == 60
    assert any("less" in line and "pauses" in line for line in lines)
    assert "of 40 h)" in lines[-2]
    assert lines[-1].startswith("Due ")


@pytest.mark.parametrize(
    ("of", "words_for_it"),
    [
        (timedelta(0), "0 min"),
        (timedelta(hours=8), "8 h"),
        (timedelta(hours=3, minutes=10), "3 h 10 min"),
        (timedelta(minutes=30, seconds=30), "30 min 30 s"),
        (timedelta(microseconds=1), "less than a second"),
        (timedelta(seconds=59, microseconds=999_999), "1 min"),
        (timedelta(minutes=-5), "-5 min"),
    ],
)
def test_an_amount_is_told_in_hours_minutes_and_seconds(of: timedelta, words_for_it: str) -> None:
    assert amount(of) == words_for_it


MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda n: at("2026-09-01T00:00") + timedelta(minutes=n))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(MOMENTS, st.lists(st.tuples(MOMENTS, MOMENTS), max_size=6), MOMENTS)
def test_the_last_running_total_is_the_time_elapsed(
    start: datetime, spans: list[tuple[datetime, datetime]], end: datetime
) -> None:
    edges = sorted({moment for span in spans for moment in span})
    pauses = tuple(Pause(a, b, "on_hold") for a, b in zip(edges[::2], edges[1::2], strict=False))
    cycle = Cycle(Target.UPDATE, 1, start, timedelta(hours=40), pauses)
    answer = explained_cycle(cycle, end)
    totals = [line for line in answer["explain"] if line.endswith(" of 40 h)")]
    told = totals[-1].rsplit("(", 1)[1].removesuffix(" of 40 h)") if totals else "0 min"
    assert told == amount(timedelta(minutes=answer["elapsed_minutes"]))
    assert len(answer["explain"]) <= 60


def explained_cycle(cycle: Cycle, end: datetime) -> dict[str, Any]:
    judgement = judged(cycle, SCHOOL, end)
    return {
        "explain": explanation(cycle, SCHOOL, end),
        "elapsed_minutes": judgement.elapsed / timedelta(minutes=1),
    }


# One sum at a time

MONDAYS = {"zone": "America/Chicago", "hours": {"mon": [["07:30", "16:00"]]}}


def test_elapsed_answers_in_minutes() -> None:
    line = {
        "calendar": MONDAYS,
        "op": "elapsed",
        "start": "2026-11-20T09:00:00-06:00",
        "end": "2026-11-23T08:00:30-06:00",
    }
    assert sla_time(line) == {"minutes": 30.5}
    assert sla_time({**line, "end": "2026-11-19T08:00:00Z"}) == {"minutes": 0}


def test_due_answers_in_both_directions() -> None:
    line = {"calendar": MONDAYS, "op": "due", "start": "2026-11-23T15:00:00Z", "minutes": 90}
    assert sla_time(line) == {"at": "2026-11-23T10:30:00-06:00"}
    assert sla_time({**line, "direction": "forward"}) == sla_time(line)
    assert sla_time({**line, "direction": "backward"}) == {"at": "2026-11-23T07:30:00-06:00"}
    assert sla_time({**line, "minutes": 0}) == {"at": "2026-11-23T09:00:00-06:00"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"op": "sum"}, "op: elapsed or due is wanted"),
        ({"op": ["due"]}, "op: elapsed or due is wanted"),
        ({"minutes": ...}, "minutes is missing"),
        ({"minutes": "5"}, "minutes: a number of minutes"),
        ({"minutes": -5}, "cannot be negative"),
        ({"minutes": 1e300}, "ten years at most"),
        ({"start": "2026-11-23"}, "start: '2026-11-23' is no time with an offset"),
        ({"start": None}, "start: 'None' is no time"),
        ({"start": "2026-02-30T00:00:00Z"}, "start: "),
        ({"start": "9999-12-31T00:00:00Z"}, "years 2 to 9997"),
        ({"end": "2026-11-23T15:00:00Z"}, "'end' is unknown here"),
        ({"direction": "sideways"}, "direction: forward or backward"),
        ({"calendar": "Lincoln"}, "calendar: an object is wanted"),
        ({"calendar": {"zone": "UTC", "hours": {}}}, 'the calendar "calendar" is not open'),
    ],
)
def test_a_bad_line_is_answered_with_what_is_wrong(change: dict[str, Any], sentence: str) -> None:
    line = {"calendar": MONDAYS, "op": "due", "start": "2026-11-23T15:00:00Z", "minutes": 90, **change}
    answer = answered(json.dumps({key: value for key, value in line.items() if value is not ...}))
    assert sentence in answer["error"]


@pytest.mark.parametrize("text", ["", "[]", "7", "{", b"\xff\xfe"])
def test_a_line_that_is_no_object_is_answered_with_an_error(text: str | bytes) -> None:
    assert list(answered(text)) == ["error"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-20T09:00:00-06:00", "2026-11-20T15:00:00+00:00"),
        ("2026-11-20t15:00:00.25z", "2026-11-20T15:00:00.250000+00:00"),
        ("2026-11-20T15:00Z", "2026-11-20T15:00:00+00:00"),
    ],
)
def test_times_are_rfc_3339(text: str, same: str) -> None:
    assert instant_from(text) == datetime.fromisoformat(same)


# The commands


def test_the_command_explains_a_file_in_words(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps(EXAMPLE))
    result = CliRunner().invoke(app, ["explain", str(file)])
    assert result.exit_code == 0
    assert "Resolution, cycle 1  RUNNING" in result.stdout
    assert "  Due Mon 23 Nov 16:00; 7 h left." in result.stdout


def test_the_command_gives_the_machine_readable_form_of_standard_input() -> None:
    result = CliRunner().invoke(app, ["explain", "-", "--json"], input=json.dumps(EXAMPLE))
    assert json.loads(result.stdout) == explained(scenario())


def test_the_command_says_when_there_is_no_timer() -> None:
    nothing = {**EXAMPLE, "policy": {"targets": {}}, "events": EXAMPLE["events"][:5]}
    result = CliRunner().invoke(app, ["explain", "-"], input=json.dumps(nothing))
    assert result.stdout == "No timer: the policy promises nothing here.\n"


@pytest.mark.parametrize(
    ("given_file", "sentence"),
    [
        ("-", "this is not JSON\n"),
        ("nowhere.json", "nowhere.json cannot be read: No such file or directory\n"),
    ],
)
def test_the_command_refuses_in_one_sentence_and_exits_with_2(given_file: str, sentence: str) -> None:
    result = CliRunner().invoke(app, ["explain", given_file], input="{")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", sentence)


def test_the_command_counts_line_by_line_and_goes_on_after_a_bad_one() -> None:
    line = {"calendar": MONDAYS, "op": "due", "start": "2026-11-23T15:00:00Z", "minutes": 90}
    text = "\n".join([json.dumps(line), "", "what?", json.dumps({**line, "minutes": 30})])
    result = CliRunner().invoke(app, ["time"], input=text)
    assert [json.loads(answer) for answer in result.stdout.splitlines()] == [
        {"at": "2026-11-23T10:30:00-06:00"},
        {"error": "this is not JSON"},
        {"error": "this is not JSON"},
        {"at": "2026-11-23T09:30:00-06:00"},
    ]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_counting_quietly() -> None:
    run = [sys.executable, "-c", "from service.commands.sla import app; app(['time'])"]
    with subprocess.Popen(
        run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as counting:
        assert counting.stdin
        assert counting.stdout
        assert counting.stderr
        counting.stdin.write(b"{}\n")
        counting.stdin.flush()
        assert counting.stdout.readline()
        counting.stdout.close()
        counting.stdin.write(b"{}\n{}\n")
        counting.stdin.close()
        assert counting.stderr.read() == b""
