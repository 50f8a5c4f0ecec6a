"""Working time: how much of it lies between two instants, and when an amount of it has run.

PURE. Every argument is an aware datetime and every answer is aware UTC, exact to the microsecond.
A naive time, a year near 1 or 9999, or an interval of more than a century is OutOfRange.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from service.sla.calendar import (
    DAY_US,
    EARLIEST,
    LATEST,
    MICROSECOND,
    Calendar,
    Span,
    instant,
    micros,
)

Interval = tuple[datetime, datetime]
"""Half-open `[start, end)`; nothing if it runs backwards."""

HORIZON_YEARS: Final = 20
YEAR_US: Final = 366 * DAY_US
HORIZON_US: Final = HORIZON_YEARS * YEAR_US


class NeverOpen(ValueError):
    """The calendar, named in the message, has not that much open time within the horizon."""


def elapsed(start: datetime, end: datetime, calendar: Calendar, pauses: Sequence[Interval] = ()) -> timedelta:
    """The open, unpaused time in `[start, end)`; zero if `end` is not after `start`."""
    since, until = micros(start), micros(end)
    if until <= since:
        return timedelta(0)
    spans = calendar.spans(since, until)
    run = spans.open_before(until) - spans.open_before(since)
    if pauses:
        for begin, finish in _apart(pauses):
            run -= spans.open_before(_within(finish, since, until)) - spans.open_before(
                _within(begin, since, until)
            )
    return timedelta(microseconds=run)


def due_at(
    start: datetime, target: timedelta, calendar: Calendar, pauses: Sequence[Interval] = ()
) -> datetime:
    """The first instant at which `target` of open, unpaused time has run since `start`.

    That is closing time, not the next opening. For a target of zero it is the first open, unpaused instant.
    NeverOpen beyond the horizon; ValueError for a negative target.
    """
    at, left = micros(start), _amount(target)
    if pauses:
        for begin, end in _apart(pauses):
            if end <= at:
                continue
            if begin > at:
                spans = calendar.spans(at, begin)
                run = spans.open_before(begin) - spans.open_before(at)
                if run >= left and (left or run):
                    break
                left -= run
            at = end
    return instant(_forward(calendar, at, left))


def due_before(end: datetime, target: timedelta, calendar: Calendar) -> datetime:
    """The last instant from which `target` of open time still runs until `end`: an opening, not a closing.

    For a target of zero it is `end`. NeverOpen beyond the horizon; ValueError for a negative target.
    """
    until, left = micros(end), _amount(target)
    horizon = max(until - HORIZON_US, EARLIEST)
    since = until
    while left:
        spans = calendar.spans(since, until)
        at = spans.last_with(spans.open_before(until) - left)
        if at is not None and at >= max(horizon, spans.since):
            return instant(at)
        if since <= horizon:
            raise _never_open(calendar, end, "before")
        since = max(horizon, min(since - YEAR_US, 2 * since - until))
    return instant(until)


def is_open(at: datetime, calendar: Calendar) -> bool:
    """Whether the calendar is open at this instant; at opening yes, at closing no."""
    us = micros(at)
    return calendar.spans(us, us).is_open(us)


def open_spans(start: datetime, end: datetime, calendar: Calendar) -> list[Interval]:
    """The open spans in `[start, end)` in order, cut to it."""
    since, until = micros(start), micros(end)
    if until <= since:
        return []
    return [(instant(a), instant(b)) for a, b in calendar.spans(since, until).between(since, until)]


def _forward(calendar: Calendar, at: int, left: int) -> int:
    """Where `left` microseconds have run since `at`; compiles further years only as they are needed."""
    horizon = min(at + HORIZON_US, LATEST)
    until = at
    while True:
        spans = calendar.spans(at, until)
        due = spans.first_with(spans.open_before(at) + left) if left else spans.next_open(at)
        if due is not None and due <= min(horizon, spans.until):
            return due
        if until >= horizon:
            raise _never_open(calendar, instant(at), "after")
        until = min(horizon, max(until + YEAR_US, 2 * until - at))


def _never_open(calendar: Calendar, at: datetime, side: str) -> NeverOpen:
    return NeverOpen(
        f'the calendar "{calendar.name}" is not open for that long '
        f"in the {HORIZON_YEARS} years {side} {at.date().isoformat()}"
    )


def _amount(target: timedelta) -> int:
    if target < timedelta(0):
        raise ValueError("an amount of working time cannot be negative")
    return target // MICROSECOND


def _apart(pauses: Sequence[Interval]) -> list[Span]:
    """Pauses as sorted spans that neither overlap nor run backwards."""
    apart: list[Span] = []
    for begin, end in sorted((micros(begin), micros(end)) for begin, end in pauses):
        if end <= begin:
            continue
        if apart and begin <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((begin, end))
    return apart


def _within(at: int, since: int, until: int) -> int:
    return min(max(at, since), until)
