"""The opening hours: what can be written down, and what is refused in words."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sla.calendar import BadCalendar, Calendar, OutOfRange, instant, micros
from service.sla.clock import elapsed

WEEK = {
    "zone": "America/Chicago",
    "hours": {day: [["07:30", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "closed": ["2026-11-26", "2026-11-27"],
    "overrides": {"2026-12-18": [["07:30", "11:30"]], "2026-11-27": [["07:30", "12:00"]]},
    "breaks": {"2026-12-01": [["12:00", "12:45"]], "2026-12-18": [["11:00", "13:00"]]},
}


def calendar(**changes: object) -> Calendar:
    return Calendar.from_json({**WEEK, **changes})


def open_hours(day: str, of: Calendar) -> float:
    start = datetime.fromisoformat(day).replace(tzinfo=of.tz)
    end = (start + timedelta(days=1)).replace(tzinfo=of.tz)
    return elapsed(start, end, of) / timedelta(hours=1)


def test_a_weekday_has_its_weekly_windows() -> None:
    assert open_hours("2026-11-24", calendar()) == 8.5


def test_a_weekday_without_windows_is_closed() -> None:
    assert open_hours("2026-11-28", calendar()) == 0


def test_a_closed_date_beats_its_override() -> None:
    assert open_hours("2026-11-27", calendar()) == 0


def test_an_override_replaces_the_windows_of_its_date_and_a_break_is_cut_out_of_it() -> None:
    assert open_hours("2026-12-18", calendar()) == 3.5


def test_an_empty_override_closes_its_date() -> None:
    assert open_hours("2026-11-24", calendar(overrides={"2026-11-24": []})) == 0


def test_an_override_opens_a_saturday() -> None:
    assert open_hours("2026-11-28", calendar(overrides={"2026-11-28": [["09:00", "12:00"]]})) == 3


def test_a_break_splits_the_day() -> None:
    assert open_hours("2026-12-01", calendar()) == 7.75


def test_overlapping_breaks_count_once() -> None:
    cut = calendar(breaks={"2026-12-01": [["12:00", "13:00"], ["12:30", "13:30"]]})
    assert open_hours("2026-12-01", cut) == 7


def test_a_break_outside_the_windows_takes_nothing() -> None:
    assert open_hours("2026-12-01", calendar(breaks={"2026-12-01": [["18:00", "19:00"]]})) == 8.5


def test_24_00_is_the_end_of_the_day_and_23_59_is_a_minute_short() -> None:
    assert open_hours("2026-12-01", calendar(hours={"tue": [["00:00", "24:00"]]}, breaks={})) == 24
    assert open_hours("2026-12-01", calendar(hours={"tue": [["00:00", "23:59"]]}, breaks={})) == 24 - 1 / 60


def test_touching_windows_are_joined() -> None:
    joined = calendar(hours={"mon": [["12:00", "16:00"], ["08:00", "12:00"]]})
    assert joined.to_json()["hours"] == {"mon": [["08:00", "16:00"]]}


def test_the_json_form_comes_back_as_an_equal_calendar() -> None:
    named = calendar(name="Lincoln Elementary")
    assert Calendar.from_json(named.to_json()) == named
    assert hash(Calendar.from_json(named.to_json())) == hash(named)
    assert named != calendar()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"zone": "America/Springfield"}, "zone: 'America/Springfield' is no IANA time zone"),
        ({"zone": "../../etc/passwd"}, "no IANA time zone"),
        ({"zone": "America"}, "no IANA time zone"),
        ({"zone": "\0"}, "no IANA time zone"),
        ({"zone": 7}, "zone: a text"),
        ({"hours": {"monday": []}}, "hours: 'monday' is no weekday"),
        ({"hours": {"mon": [["7:30", "16:00"]]}}, "hours: mon: '7:30' is no time like 07:30"),
        ({"hours": {"mon": [["07:30", "24:01"]]}}, "hours: mon: '24:01' is no time"),
        ({"hours": {"mon": [["24:00", "24:00"]]}}, "hours: mon: '24:00' is no time"),
        ({"hours": {"mon": [["07:30", "25:00"]]}}, "hours: mon: '25:00' is no time"),
        ({"hours": {"mon": [["\u0660\u0667:\u0663\u0660", "16:00"]]}}, "is no time like 07:30"),
        ({"hours": {"mon": [[450, "16:00"]]}}, "hours: mon: '450' is no time"),
        ({"hours": {"mon": [["16:00", "07:30"]]}}, "hours: mon: the window 16:00-07:30 does not end after"),
        ({"hours": {"mon": [["07:30", "07:30"]]}}, "does not end after it begins"),
        (
            {"hours": {"mon": [["07:30", "12:00"], ["11:59", "16:00"]]}},
            "hours: mon: two windows overlap at 11:59",
        ),
        ({"hours": {"mon": ["07:30", "16:00"]}}, "hours: mon: a list of windows"),
        ({"hours": {"mon": [["07:30"]]}}, "hours: mon: a list of windows"),
        ({"hours": {"mon": [["00:00", "00:01"]] * 25}}, "more than 24 windows"),
        ({"hours": []}, "hours: an object is wanted"),
        ({"closed": ["2026-02-30"]}, "closed: '2026-02-30' is no date"),
        ({"closed": ["20261126"]}, "closed: '20261126' is no date"),
        ({"closed": [20261126]}, "closed: '20261126' is no date"),
        ({"closed": "2026-11-26"}, "closed: a list"),
        ({"closed": ["2026-11-26"] * 20_001}, "at most 20000 dates"),
        ({"overrides": {"Friday": []}}, "overrides: 'Friday' is no date"),
        (
            {"overrides": {"2026-11-25": [["12:00", "11:00"]]}},
            "overrides: 2026-11-25: the window 12:00-11:00",
        ),
        ({"breaks": {"2026-11-25": "noon"}}, "breaks: 2026-11-25: a list of windows"),
        ({"holidays": []}, "unknown key 'holidays'"),
        ({"name": ""}, "name: a text"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadCalendar) as refusal:
        calendar(**wrong)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("missing", ["zone", "hours"])
def test_the_zone_and_the_hours_must_be_given(missing: str) -> None:
    with pytest.raises(BadCalendar, match=f"{missing} is missing"):
        Calendar.from_json({key: value for key, value in WEEK.items() if key != missing})


def test_something_else_than_an_object_is_refused() -> None:
    with pytest.raises(BadCalendar, match="an object is wanted"):
        Calendar.from_json([])


def test_a_calendar_made_in_code_keeps_the_same_rules() -> None:
    with pytest.raises(BadCalendar, match="two windows overlap at 08:20"):
        Calendar("UTC", {"mon": ((480, 510), (500, 520))})


def test_twenty_thousand_exceptions_are_read() -> None:
    days = [date.fromordinal(date(1990, 1, 1).toordinal() + n).isoformat() for n in range(20_000)]
    assert open_hours("2026-11-24", calendar(closed=days, overrides={}, breaks={})) == 0


def test_years_far_apart_do_not_pile_up() -> None:
    hours = calendar()
    for year in (1000, 5000, 9000, 2026):
        start = datetime(year, 3, 2, tzinfo=UTC)
        assert elapsed(start, start + timedelta(days=7), hours) == timedelta(hours=42.5)
    assert hours.spans(micros(start), micros(start)).last_year < 2030


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000)))
def test_microseconds_and_instants_are_the_same_thing(since: timedelta) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + since
    assert instant(micros(at)) == at


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(OutOfRange, match="has no time zone"):
        micros(datetime(2026, 11, 20))  # noqa: DTZ001
