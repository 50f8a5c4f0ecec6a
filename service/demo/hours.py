"""The demo schools' calendars, pure: hours, closures and early releases around a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from service.sla.calendar import WEEKDAYS

ZONE = "America/Chicago"
WEEK = WEEKDAYS[:5]
MON, WED, THU = 0, 2, 3
Windows = list[list[str]]

OFFICE: Windows = [["07:00", "17:00"]]
ELEMENTARY: Windows = [["07:45", "11:30"], ["12:15", "15:45"]]
MIDDLE: Windows = [["07:30", "11:45"], ["12:30", "15:30"]]
HIGH: Windows = [["07:15", "12:00"], ["12:45", "16:00"]]


def definition(windows: Windows, today: date, *, early: str | None = None) -> dict[str, Any]:
    """A calendar for about a year around `today`; on early-release days everybody leaves at `early`."""
    years = range(today.year - 1, today.year + 3)
    closed = {day for year in years for day in closures(year)}
    made: dict[str, Any] = {
        "zone": ZONE,
        "hours": dict.fromkeys(WEEK, windows),
        "closed": [day.isoformat() for day in sorted(closed)],
    }
    if early:
        released = [day for day in first_wednesdays(today) if day not in closed]
        made["overrides"] = {day.isoformat(): [[windows[0][0], early]] for day in released}
    return made


def closures(year: int) -> Iterator[date]:
    """The holidays and breaks that schools in the United States commonly keep."""
    yield nth(year, 1, MON, 3)
    yield nth(year, 2, MON, 3)
    yield from days(nth(year, 3, MON, 3), 5)
    yield last_monday_of_may(year)
    yield date(year, 6, 19)
    yield date(year, 7, 4)
    yield nth(year, 9, MON, 1)
    yield nth(year, 10, MON, 2)
    yield date(year, 11, 11)
    yield from days(nth(year, 11, THU, 4), 2)
    yield from days(date(year, 12, 24), 9)


def first_wednesdays(today: date) -> Iterator[date]:
    for months in range(-3, 13):
        year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
        yield nth(year, month + 1, WED, 1)


def nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def days(first: date, count: int) -> Iterator[date]:
    for n in range(count):
        yield first + timedelta(days=n)
