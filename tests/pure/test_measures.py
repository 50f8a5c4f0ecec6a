"""The arithmetic of reports, held against the standard library and small examples."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reports.measures import (
    HOUR_US,
    Event,
    Months,
    attainment,
    calendar_clock,
    counted,
    figures,
    history,
    hours,
    open_at,
    percentile,
    spent,
    summary,
    working_clock,
)
from service.sla.calendar import Calendar, micros
from service.sla.clock import elapsed

amounts = st.lists(st.integers(0, 10**14), min_size=1, max_size=60)
MINUTE = 60_000_000


def at(day: int, hour: int = 0, minute: int = 0, month: int = 3) -> int:
    return micros(datetime(2016, month, day, hour, minute, tzinfo=UTC))


@given(amounts)
def test_the_median_is_that_of_the_standard_library(values: list[int]) -> None:
    assert percentile(sorted(values), 5) / 10 == pytest.approx(statistics.median(values), rel=1e-15)


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=60))
def test_the_90th_percentile_is_the_inclusive_quantile(values: list[int]) -> None:
    wanted = statistics.quantiles(values, n=10, method="inclusive")[8]
    assert percentile(sorted(values), 9) / 10 == pytest.approx(wanted, rel=1e-12)


@given(amounts)
def test_a_summary_says_what_plain_floats_say(values: list[int]) -> None:
    made = summary(values)
    assert made["n"] == len(values)
    assert made["mean_h"] == pytest.approx(math.fsum(v / HOUR_US for v in values) / len(values), abs=1.1e-6)
    assert made["median_h"] == pytest.approx(statistics.median(v / HOUR_US for v in values), abs=1.1e-6)


def test_nothing_has_no_mean() -> None:
    assert summary([None, None]) == {"n": 0, "mean_h": None, "median_h": None, "p90_h": None}


def test_hours_are_rounded_once() -> None:
    assert hours(49 * MINUTE) == 0.816667
    assert hours(2 * 49 * MINUTE, 2) == 0.816667


spans = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500)).map(lambda pair: (min(pair), max(pair))), max_size=6
)


@given(st.integers(0, 500), st.integers(0, 500), spans)
def test_pauses_count_once_and_inside_only(since: int, until: int, pauses: list[tuple[int, int]]) -> None:
    wanted = sum(not any(begin <= moment < end for begin, end in pauses) for moment in range(since, until))
    assert spent(calendar_clock, since, until, pauses) == wanted


@given(st.integers(0, 60 * 24 * 20), st.integers(0, 60 * 24 * 20), spans)
def test_working_time_is_that_of_the_sla_clock(since: int, until: int, pauses: list[tuple[int, int]]) -> None:
    calendar = Calendar("America/Chicago", {"mon": ((480, 960),), "thu": ((450, 700), (720, 1000))})
    begin = datetime(2016, 3, 8, tzinfo=UTC)
    clock = working_clock(calendar, micros(begin), micros(begin + timedelta(days=60)))

    def moment(minute: int) -> datetime:
        return begin + timedelta(minutes=minute)

    paused = [(moment(a), moment(b)) for a, b in pauses]
    run = spent(
        clock,
        micros(moment(since)),
        micros(moment(until)),
        [(micros(a), micros(b)) for a, b in paused],
    )
    assert timedelta(microseconds=run) == elapsed(moment(since), moment(until), calendar, paused)


def test_the_last_resolution_counts_and_the_first_too() -> None:
    told = history(
        at(1),
        [
            (at(1), "new", None),
            (at(2), "resolved", None),
            (at(2, 5), "resolved", None),
            (at(3), "in_progress", None),
            (at(4), "resolved", None),
            (at(5), "closed", None),
        ],
    )
    assert (told.first_resolved_at, told.last_resolved_at, told.last_closed_at) == (at(2), at(4), at(5))
    assert told.reopened_at == (at(3),)


def test_a_ticket_that_was_only_closed_was_resolved_by_its_first_closing() -> None:
    told = history(at(1), [(at(2), "closed", None), (at(3), "new", None), (at(4), "closed", None)])
    assert (told.first_resolved_at, told.last_resolved_at, told.last_closed_at) == (at(2), at(2), at(4))


def test_resolved_to_closed_is_no_reopening_and_cancelled_none_either() -> None:
    told = history(at(1), [(at(2), "resolved", None), (at(3), "closed", None), (at(4), "cancelled", None)])
    assert told.reopened_at == ()
    assert not told.is_open


def test_the_first_queue_is_no_move_and_a_missing_one_is_left_out() -> None:
    events: list[Event] = [
        (at(1), None, None), (at(2), None, 7), (at(3), None, None), (at(4), None, 7), (at(5), None, 8),
    ]  # fmt: skip
    assert history(at(1), events).moved_at == (at(5),)


def test_time_on_hold_ends_with_the_next_status() -> None:
    told = history(
        at(1),
        [
            (at(1), "on_hold", None),
            (at(2), None, 3),
            (at(3), "waiting_on_requester", None),
            (at(4), "resolved", None),
        ],
    )
    assert told.on_hold == ((at(1), at(3)),)
    assert told.waiting == ((at(3), at(4)),)
    one = counted(told, Months("UTC"), [calendar_clock])
    assert [amount // HOUR_US for amount in one.amounts[:4] if amount is not None] == [72, 0, 24, 48]


def test_a_backlog_asks_the_order_of_the_log_not_of_the_times() -> None:
    """The last entry before the moment decides, also where an earlier entry has a later time."""
    told = history(
        at(29, 9, month=2),
        [
            (at(29, 11, month=2), "new", None),
            (at(29, 10, month=2), "resolved", None),
            (at(5), "closed", None),
        ],
    )
    assert open_at(told, [at(1), at(1, month=4)]) == []
    later = history(at(29, 9, month=2), [(at(2), "resolved", None)])
    assert open_at(later, [at(1), at(1, month=4)]) == [0]


def test_a_ticket_without_events_is_open_from_its_opening() -> None:
    assert open_at(history(at(2), []), [at(1), at(2), at(3)]) == [2]


def test_months_begin_in_their_zone() -> None:
    months = Months("America/Chicago")
    assert months.month(at(1, 3)) == "2016-02"
    assert months.weekday(at(1, 3)) == "mon"
    assert months.begins(at(1, 3), at(1, 3)) == [("2016-03-01", at(1, 6))]
    assert [day for day, _ in months.begins(at(10), at(20, month=4))] == ["2016-04-01", "2016-05-01"]


def test_attainment_is_a_share_of_what_ended_or_ran_late() -> None:
    assert attainment(2, 1, 1) == {
        "n": 3, "met": 2, "breached": 1, "running_past_due": 1, "share": 0.666667,
    }  # fmt: skip
    assert attainment(0, 0, 0)["share"] is None


def test_figures_of_nothing_are_zeros_and_nulls() -> None:
    made = figures([], [("2016-03-01", 0)], ["resolution"], working=False)
    assert made["tickets"] == 0
    assert made["time_to_close"]["working"] is None
    assert made["time_to_close"]["calendar"]["with_hold"]["n"] == 0
    assert made["backlog"] == {"2016-03-01": 0}
