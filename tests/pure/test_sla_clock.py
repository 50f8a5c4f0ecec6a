"""Working time: properties, a slow reference, and the days on which clocks change."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from service.sla.calendar import WEEKDAYS, Calendar, OutOfRange, Window
from service.sla.clock import Interval, NeverOpen, due_at, due_before, elapsed, is_open, open_spans

quick = settings(deadline=None, derandomize=True, max_examples=30)

MINUTE = timedelta(minutes=1)
ROUND_THE_CLOCK = dict.fromkeys(WEEKDAYS, ((0, 1440),))

CLOCK_CHANGES = [
    ("America/Chicago", date(2026, 3, 8)),
    ("America/Chicago", date(2026, 11, 1)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/Havana", date(2026, 3, 8)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Beirut", date(2024, 3, 31)),
    ("Asia/Beirut", date(2024, 10, 27)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Nuuk", date(2026, 3, 29)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("UTC", date(2026, 6, 1)),
]


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, ...]:
    edges = sorted(draw(st.sets(st.integers(0, 1440), min_size=2, max_size=6)))
    return tuple((a, b) for a, b in list(pairwise(edges))[::2])


@st.composite
def calendars(draw: st.DrawFn, zone: str | None = None, around: date = date(2026, 3, 8)) -> Calendar:
    """Any calendar that is open at some time of every week, with its exceptions near a date."""
    near = st.integers(-4, 4).map(lambda n: around + timedelta(days=n))
    hours = draw(st.dictionaries(st.sampled_from(WEEKDAYS), windows(), min_size=1))
    return Calendar(
        zone or draw(st.sampled_from([zone for zone, _ in CLOCK_CHANGES])),
        hours,
        closed=draw(st.frozensets(near, max_size=2)),
        overrides=draw(st.dictionaries(near, windows(), max_size=2)),
        breaks=draw(st.dictionaries(near, windows(), max_size=3)),
        name="any school",
    )


def starts() -> st.SearchStrategy[datetime]:
    return st.timedeltas(timedelta(0), timedelta(days=395)).map(
        lambda since: datetime(2025, 11, 1, tzinfo=UTC) + since
    )


def targets() -> st.SearchStrategy[timedelta]:
    return st.timedeltas(timedelta(microseconds=1), timedelta(hours=12))


def pauses() -> st.SearchStrategy[list[Interval]]:
    lengths = st.timedeltas(timedelta(days=-1), timedelta(days=9))
    return st.lists(st.tuples(starts(), lengths).map(lambda p: (p[0], p[0] + p[1])), max_size=4)


# The properties


@quick
@given(starts(), targets(), calendars())
def test_elapsed_time_until_due_is_the_target(start: datetime, target: timedelta, calendar: Calendar) -> None:
    due = due_at(start, target, calendar)
    assert elapsed(start, due, calendar) == target
    assert elapsed(start, due - timedelta(microseconds=1), calendar) < target


@quick
@given(starts(), targets(), calendars(), pauses())
def test_elapsed_time_until_due_is_the_target_whatever_was_paused(
    start: datetime, target: timedelta, calendar: Calendar, paused: list[Interval]
) -> None:
    due = due_at(start, target, calendar, paused)
    assert elapsed(start, due, calendar, paused) == target
    assert elapsed(start, due - timedelta(microseconds=1), calendar, paused) < target


@quick
@given(starts(), targets(), calendars())
def test_counting_backwards_is_undone_by_counting_forwards(
    end: datetime, target: timedelta, calendar: Calendar
) -> None:
    start = due_before(end, target, calendar)
    assert elapsed(start, end, calendar) == target
    assert elapsed(start + timedelta(microseconds=1), end, calendar) < target


@quick
@given(starts(), targets(), targets(), calendars())
def test_a_longer_target_is_due_later(
    start: datetime, one: timedelta, more: timedelta, calendar: Calendar
) -> None:
    assert due_at(start, one, calendar) < due_at(start, one + more, calendar)


@quick
@given(starts(), st.timedeltas(timedelta(0), timedelta(days=20)), targets(), calendars())
def test_a_later_start_is_never_due_earlier(
    start: datetime, later: timedelta, target: timedelta, calendar: Calendar
) -> None:
    assert due_at(start, target, calendar) <= due_at(start + later, target, calendar)


@quick
@given(starts(), starts(), starts(), calendars(), pauses())
def test_the_parts_of_an_interval_add_up(
    a: datetime, b: datetime, c: datetime, calendar: Calendar, paused: list[Interval]
) -> None:
    a, b, c = sorted((a, b, c))
    whole = elapsed(a, c, calendar, paused)
    assert elapsed(a, b, calendar, paused) + elapsed(b, c, calendar, paused) == whole


@quick
@given(starts(), targets(), calendars(), st.data())
def test_a_pause_before_due_moves_the_due_time_by_exactly_its_working_time(
    start: datetime, target: timedelta, calendar: Calendar, data: st.DataObject
) -> None:
    due = due_at(start, target, calendar)
    begin = data.draw(st.datetimes(start.replace(tzinfo=None), due.replace(tzinfo=None)))
    begin = min(begin.replace(tzinfo=UTC), due - timedelta(microseconds=1))
    end = begin + data.draw(st.timedeltas(timedelta(0), timedelta(days=9)))
    moved = due_at(start, target, calendar, [(begin, end)])
    assert elapsed(due, moved, calendar) == elapsed(begin, end, calendar)


@quick
@given(starts(), targets(), calendars(), st.timedeltas(timedelta(0), timedelta(days=9)))
def test_a_pause_from_the_due_time_on_changes_nothing(
    start: datetime, target: timedelta, calendar: Calendar, length: timedelta
) -> None:
    due = due_at(start, target, calendar)
    assert due_at(start, target, calendar, [(due, due + length)]) == due


@quick
@given(starts(), starts(), calendars(), pauses())
def test_pauses_may_overlap_and_come_in_any_order(
    a: datetime, b: datetime, calendar: Calendar, paused: list[Interval]
) -> None:
    twice = [*reversed(paused), *paused]
    assert elapsed(a, b, calendar, paused) == elapsed(a, b, calendar, twice)


@quick
@given(starts(), starts(), calendars(), pauses())
def test_time_open_is_the_sum_of_the_open_spans(
    a: datetime, b: datetime, calendar: Calendar, paused: list[Interval]
) -> None:
    spans = open_spans(a, b, calendar)
    assert sum((end - start for start, end in spans), timedelta(0)) == elapsed(a, b, calendar)
    assert all(is_open(start, calendar) for start, _ in spans)
    assert all(not is_open(end, calendar) for _, end in spans if end < b)
    assert elapsed(a, b, calendar, spans) == timedelta(0)


@quick
@given(starts(), calendars(), pauses())
def test_a_target_of_zero_is_due_at_the_first_open_unpaused_instant(
    start: datetime, calendar: Calendar, paused: list[Interval]
) -> None:
    due = due_at(start, timedelta(0), calendar, paused)
    assert is_open(due, calendar)
    assert not any(begin <= due < end for begin, end in paused)
    assert elapsed(start, due, calendar, paused) == timedelta(0)


@quick
@given(starts(), starts(), st.sampled_from([zone for zone, _ in CLOCK_CHANGES]))
def test_round_the_clock_is_exactly_the_time_that_passes(a: datetime, b: datetime, zone: str) -> None:
    calendar = Calendar(zone, ROUND_THE_CLOCK)
    assert elapsed(a, b, calendar) == max(b - a, timedelta(0))
    if b > a:
        assert due_at(a, b - a, calendar) == b
        assert due_before(b, b - a, calendar) == a


@quick
@given(starts(), targets(), st.sampled_from(WEEKDAYS), st.integers(0, 1439))
def test_a_window_of_one_minute_a_week_still_counts(
    start: datetime, target: timedelta, day: str, minute: int
) -> None:
    calendar = Calendar("Europe/Berlin", {day: ((minute, minute + 1),)})
    target = min(target, timedelta(minutes=90))
    assert elapsed(start, due_at(start, target, calendar), calendar) == target


# A slow reference


class MinuteByMinute:
    """Every minute of ten days around a date, walked in local time; shares no code with the fast one."""

    def __init__(self, calendar: Calendar, around: date) -> None:
        zone = ZoneInfo(calendar.zone)
        self.first = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=5)
        self.walls = [
            (self.first + n * MINUTE).astimezone(zone).replace(tzinfo=None, fold=0) for n in range(10 * 1440)
        ]
        self.days = {wall.date() for wall in self.walls}
        self.at: dict[datetime, int] = {}
        for n, wall in enumerate(self.walls):
            self.at.setdefault(wall, n)
        self.open = [False] * len(self.walls)
        for n in range(1, 9):
            self.walk(calendar, (self.first + timedelta(days=n)).date())
        lo, hi = self.first.date() + timedelta(days=2), self.first.date() + timedelta(days=8)
        self.lo = next(n for n, wall in enumerate(self.walls) if wall.date() >= lo)
        self.hi = next(n for n, wall in enumerate(self.walls) if wall.date() >= hi)

    def walk(self, calendar: Calendar, day: date) -> None:
        if day in calendar.closed or day not in self.days:
            return
        spans = calendar.overrides.get(day, calendar.hours.get(WEEKDAYS[day.weekday()], ()))
        here = [False] * len(self.walls)
        for opens, closes in spans:
            for n in range(self.edge(day, opens), self.edge(day, closes)):
                here[n] = True
        for opens, closes in calendar.breaks.get(day, ()):
            for n in range(self.edge(day, opens), self.edge(day, closes)):
                here[n] = False
        self.open = [was or now for was, now in zip(self.open, here, strict=True)]

    def edge(self, day: date, minute: int) -> int:
        wall = datetime.combine(day, time()) + minute * MINUTE
        if wall in self.at:
            return self.at[wall]
        for before, after in pairwise(self.walls):
            if before < wall < after:
                gap = after - before - MINUTE
                return self.at[wall + gap]
        raise AssertionError("a wall-clock minute beyond the days walked")

    def elapsed(self, a: int, b: int) -> int:
        return sum(self.open[a:b])

    def due(self, a: int, target: int) -> int | None:
        for n in range(a, self.hi):
            target -= self.open[n]
            if target == 0:
                return n + 1
        return None

    def due_before(self, b: int, target: int) -> int | None:
        for n in range(b - 1, self.lo - 1, -1):
            target -= self.open[n]
            if target == 0:
                return n
        return None


@pytest.mark.parametrize(("zone", "around"), CLOCK_CHANGES)
@settings(deadline=None, derandomize=True, max_examples=5, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_the_fast_arithmetic_agrees_with_walking_minute_by_minute(
    zone: str, around: date, data: st.DataObject
) -> None:
    calendar = data.draw(calendars(zone, around))
    walked = MinuteByMinute(calendar, around)
    moment = st.integers(walked.lo, walked.hi - 1)
    for _ in range(12):
        a, b, target = data.draw(moment), data.draw(moment), data.draw(st.integers(1, 900))
        start, end = walked.first + a * MINUTE, walked.first + b * MINUTE
        assert is_open(start, calendar) == walked.open[a]
        assert elapsed(start, end, calendar) == walked.elapsed(a, b) * MINUTE
        if (due := walked.due(a, target)) is not None:
            assert due_at(start, target * MINUTE, calendar) == walked.first + due * MINUTE
        if (since := walked.due_before(b, target)) is not None:
            assert due_before(end, target * MINUTE, calendar) == walked.first + since * MINUTE


# The days on which clocks change


def one_window(zone: str, opens: str, closes: str) -> Calendar:
    return Calendar.from_json({"zone": zone, "hours": {day: [[opens, closes]] for day in WEEKDAYS}})


def hours_of(day: str, calendar: Calendar) -> float:
    start = datetime.fromisoformat(day).replace(tzinfo=calendar.tz)
    return elapsed(start, start + timedelta(days=1), calendar) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Chicago", "2026-11-01", 25),
        ("America/Chicago", "2026-03-08", 23),
        ("America/Havana", "2026-11-01", 25),
        ("America/Havana", "2026-03-08", 23),
        ("Asia/Beirut", "2024-03-31", 23),
        ("Asia/Beirut", "2024-10-26", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
    ],
)
def test_a_day_open_all_day_has_the_hours_it_has(zone: str, day: str, hours: float) -> None:
    assert hours_of(day, Calendar(zone, ROUND_THE_CLOCK)) == hours


def test_an_opening_that_does_not_exist_is_one_hour_later() -> None:
    calendar = one_window("America/Chicago", "02:30", "05:00")
    assert due_at(datetime(2026, 3, 8, 7, tzinfo=UTC), timedelta(0), calendar) == datetime(
        2026, 3, 8, 8, 30, tzinfo=UTC
    )
    assert hours_of("2026-03-08", calendar) == 1.5


def test_a_closing_that_does_not_exist_is_one_hour_later() -> None:
    assert hours_of("2026-03-08", one_window("America/Chicago", "01:00", "02:30")) == 1.5


def test_a_window_that_would_run_backwards_is_empty() -> None:
    assert hours_of("2026-03-08", one_window("America/Chicago", "02:45", "03:30")) == 0


def test_windows_pushed_into_each_other_count_once() -> None:
    calendar = Calendar("America/Chicago", {"sun": ((90, 150), (180, 240))})
    assert hours_of("2026-03-08", calendar) == 1.5


def test_an_edge_that_occurs_twice_is_the_first() -> None:
    assert hours_of("2026-11-01", one_window("America/Chicago", "00:00", "01:30")) == 1.5
    assert hours_of("2026-11-01", one_window("America/Chicago", "01:30", "03:00")) == 2.5


def test_half_an_hour_of_daylight_saving_is_half_an_hour() -> None:
    assert hours_of("2026-10-04", one_window("Australia/Lord_Howe", "02:15", "03:00")) == 0.25
    assert hours_of("2026-04-05", one_window("Australia/Lord_Howe", "01:00", "02:00")) == 1.5


def test_a_date_that_a_zone_skipped_has_no_hours() -> None:
    calendar = Calendar("Pacific/Apia", {"fri": ((480, 960),)})
    start = datetime(2011, 12, 29, 12, tzinfo=UTC)
    assert elapsed(start, start + timedelta(days=3), calendar) == timedelta(0)


# What others get wrong, and the corners


def school(**exceptions: object) -> Calendar:
    hours = {day: [["07:30", "16:00"]] for day in WEEKDAYS[:5]}
    return Calendar.from_json({"zone": "America/Chicago", "hours": hours, "name": "Lincoln", **exceptions})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Chicago"))


@pytest.mark.parametrize("minutes", [30, 60, 120])
def test_a_target_on_the_last_day_before_a_sixty_day_summer_closure_is_due_after_it(minutes: int) -> None:
    summer = [(date(2026, 6, 6) + timedelta(days=n)).isoformat() for n in range(60)]
    calendar = school(closed=summer)
    due = due_at(at("2026-06-05T15:45"), timedelta(minutes=minutes), calendar)
    assert due == at("2026-08-05T07:30") + timedelta(minutes=minutes - 15)


def test_a_target_that_fits_before_a_summer_closure_is_due_at_closing_time() -> None:
    summer = [(date(2026, 6, 6) + timedelta(days=n)).isoformat() for n in range(60)]
    closing = at("2026-06-05T16:00")
    assert due_at(at("2026-06-05T15:30"), timedelta(minutes=30), school(closed=summer)) == closing


def test_a_holiday_makes_tickets_due_later_and_never_sooner() -> None:
    start, target = at("2026-11-25T15:00"), timedelta(hours=3)
    with_holiday = due_at(start, target, school(closed=["2026-11-26", "2026-11-27"]))
    assert due_at(start, target, school()) == at("2026-11-26T09:30")
    assert with_holiday == at("2026-11-30T09:30")


def test_a_snow_day_moves_what_was_due_on_it() -> None:
    start, target = at("2027-01-11T15:00"), timedelta(hours=2)
    assert due_at(start, target, school()) == at("2027-01-12T08:30")
    assert due_at(start, target, school(closed=["2027-01-12"])) == at("2027-01-13T08:30")


def test_00_00_to_24_00_loses_no_minute_in_a_year() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert elapsed(start, start + timedelta(days=365), Calendar("UTC", ROUND_THE_CLOCK)) == timedelta(
        days=365
    )


def test_00_00_to_23_59_is_a_minute_short_each_night_and_says_so() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    calendar = one_window("UTC", "00:00", "23:59")
    assert elapsed(start, start + timedelta(days=10), calendar) == timedelta(days=10) - 10 * MINUTE
    assert due_at(start, timedelta(days=1), calendar) == start + timedelta(days=1, minutes=1)


def test_exactly_at_closing_time_means_closing_time_and_not_the_next_opening() -> None:
    assert due_at(at("2026-11-20T15:00"), timedelta(hours=1), school()) == at("2026-11-20T16:00")


def test_counting_backwards_ends_at_an_opening_and_not_at_the_closing_before() -> None:
    assert due_before(at("2026-11-23T08:30"), timedelta(hours=1), school()) == at("2026-11-23T07:30")


def test_a_target_of_zero_is_due_at_once_when_open_and_at_the_next_opening_when_closed() -> None:
    assert due_at(at("2026-11-20T15:00"), timedelta(0), school()) == at("2026-11-20T15:00")
    assert due_at(at("2026-11-20T16:00"), timedelta(0), school()) == at("2026-11-23T07:30")


def test_nothing_before_the_end_is_needed_for_a_backward_target_of_zero() -> None:
    assert due_before(at("2026-11-21T15:00"), timedelta(0), school()) == at("2026-11-21T15:00")


def test_a_reversed_interval_is_zero() -> None:
    assert elapsed(at("2026-11-23T12:00"), at("2026-11-20T12:00"), school()) == timedelta(0)


def test_seconds_and_microseconds_are_exact() -> None:
    start = at("2026-11-20T15:59:59.999999")
    assert due_at(start, timedelta(microseconds=2), school()) == at("2026-11-23T07:30:00.000001")
    assert elapsed(start, at("2026-11-23T07:30:00.000001"), school()) == timedelta(microseconds=2)


def test_the_opening_is_open_and_the_closing_is_not() -> None:
    assert is_open(at("2026-11-20T07:30"), school())
    assert is_open(at("2026-11-20T15:59:59.999999"), school())
    assert not is_open(at("2026-11-20T16:00"), school())


def test_answers_are_in_utc() -> None:
    for answer in (
        due_at(at("2026-11-20T15:00"), timedelta(hours=9), school()),
        due_before(at("2026-11-20T15:00"), timedelta(hours=9), school()),
        due_before(at("2026-11-20T15:00"), timedelta(0), school()),
    ):
        assert answer.tzinfo is UTC


@pytest.mark.parametrize("hours", [{}, {"mon": []}])
def test_a_calendar_that_is_never_open_is_an_error_that_names_it(hours: dict[str, object]) -> None:
    shut = Calendar.from_json({"zone": "UTC", "hours": hours, "name": "Summer school"})
    start = datetime(2026, 6, 1, tzinfo=UTC)
    asked: Sequence[Callable[[], object]] = (
        lambda: due_at(start, MINUTE, shut),
        lambda: due_at(start, timedelta(0), shut),
        lambda: due_before(start, MINUTE, shut),
    )
    for ask in asked:
        with pytest.raises(NeverOpen, match='"Summer school" is not open'):
            ask()


def test_more_open_time_than_the_horizon_holds_is_an_error_whatever_was_compiled_before() -> None:
    once = Calendar.from_json({"zone": "UTC", "hours": {}, "overrides": {"2060-01-01": [["08:00", "09:00"]]}})
    start = datetime(2026, 6, 1, tzinfo=UTC)
    for _ in range(2):
        with pytest.raises(NeverOpen):
            due_at(start, MINUTE, once)
        assert is_open(datetime(2060, 1, 1, 8, tzinfo=UTC), once)
    assert due_at(datetime(2050, 1, 1, tzinfo=UTC), MINUTE, once) == datetime(2060, 1, 1, 8, 1, tzinfo=UTC)


def test_the_only_open_hour_of_ten_years_is_found_in_both_directions() -> None:
    once = Calendar.from_json({"zone": "UTC", "hours": {}, "overrides": {"2036-01-01": [["08:00", "09:00"]]}})
    assert due_at(datetime(2026, 6, 1, tzinfo=UTC), MINUTE, once) == datetime(2036, 1, 1, 8, 1, tzinfo=UTC)
    assert due_before(datetime(2046, 6, 1, tzinfo=UTC), MINUTE, once) == datetime(
        2036, 1, 1, 8, 59, tzinfo=UTC
    )


def test_a_pause_of_years_is_skipped_without_walking_through_it() -> None:
    paused = [(at("2026-11-20T15:00"), at("2061-11-21T15:00"))]
    assert due_at(at("2026-11-20T14:00"), timedelta(hours=2), school(), paused) == at("2061-11-21T16:00")


@pytest.mark.parametrize("edge", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
@pytest.mark.parametrize("offset", [-23, 0, 23])
def test_the_first_and_the_last_year_are_refused_in_words(edge: datetime, offset: int) -> None:
    far, near = edge.replace(tzinfo=timezone(timedelta(hours=offset))), datetime(2026, 1, 1, tzinfo=UTC)
    asked: Sequence[Callable[[], object]] = (
        lambda: elapsed(min(far, near), max(far, near), school()),
        lambda: due_at(far, MINUTE, school()),
        lambda: due_before(far, MINUTE, school()),
        lambda: is_open(far, school()),
    )
    for ask in asked:
        with pytest.raises(OutOfRange, match="calendars answer for the years 2 to 9997 only"):
            ask()


def test_an_interval_of_more_than_a_century_is_refused_in_words() -> None:
    with pytest.raises(OutOfRange, match="longer than 100 years"):
        elapsed(datetime(1800, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), school())


def test_a_negative_target_and_a_time_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        due_at(at("2026-11-20T15:00"), -MINUTE, school())
    with pytest.raises(OutOfRange, match="has no time zone"):
        elapsed(datetime(2026, 1, 1), at("2026-11-20T15:00"), school())  # noqa: DTZ001
