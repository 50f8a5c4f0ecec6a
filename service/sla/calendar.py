"""Opening hours of a school, and the open time they make.

PURE. A `Calendar` is what people write down: a zone, weekly windows, exceptions by date. It compiles, a year
at a time and only when asked, to sorted spans of UTC microseconds, so that the open time between two instants
is two bisections whatever lies between them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

Window = tuple[int, int]
"""Minutes after local midnight, half-open; 1440 is the end of the day."""
Span = tuple[int, int]
"""UTC microseconds since 1970, half-open."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
END_OF_DAY: Final = 24 * 60
MOST_EXCEPTIONS: Final = 20_000
MOST_WINDOWS: Final = 24
LONGEST_INTERVAL_YEARS: Final = 100

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000
FIRST_YEAR: Final = 2
LAST_YEAR: Final = 9997
EARLIEST: Final = (datetime(FIRST_YEAR, 1, 3, tzinfo=UTC) - EPOCH) // MICROSECOND
LATEST: Final = (datetime(LAST_YEAR, 12, 29, tzinfo=UTC) - EPOCH) // MICROSECOND

_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class BadCalendar(ValueError):
    """The opening hours cannot be read; the message says which part and why."""


class OutOfRange(ValueError):
    """An instant without a zone, outside the years a calendar answers for, or too long an interval."""


def micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime; OutOfRange for a naive one."""
    if at.tzinfo is None:
        raise OutOfRange(f"the time {at.isoformat()} has no time zone")
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(us: int) -> datetime:
    """The aware UTC datetime at `us` microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Spans:
    """The open spans of whole local years, sorted and apart.

    Answers hold from `since` to `until` (UTC microseconds). `before[i]` is the open time ahead of `starts[i]`
    and `before[-1]` the whole of it, counted from the first span: compare only what comes from one `Spans`.
    """

    first_year: int
    last_year: int
    since: int
    until: int
    starts: list[int]
    ends: list[int]
    before: list[int]

    def open_before(self, at: int) -> int:
        """Open microseconds from the first span up to `at`."""
        i = bisect_right(self.starts, at) - 1
        if i < 0:
            return 0
        return self.before[i] + min(at, self.ends[i]) - self.starts[i]

    def is_open(self, at: int) -> bool:
        """Whether `at` lies in a span; its first instant does, its end does not."""
        i = bisect_right(self.starts, at) - 1
        return i >= 0 and at < self.ends[i]

    def first_with(self, run: int) -> int | None:
        """The first instant with `run` (more than zero) open microseconds before it: closing, not opening."""
        i = bisect_left(self.before, run) - 1
        return self.starts[i] + run - self.before[i] if i < len(self.starts) else None

    def last_with(self, run: int) -> int | None:
        """The last instant with `run` open microseconds before it: the opening, not the closing before."""
        i = bisect_right(self.before, run) - 1
        return self.starts[i] + run - self.before[i] if 0 <= i < len(self.starts) else None

    def next_open(self, at: int) -> int | None:
        """`at` if it is open, else the next opening."""
        i = bisect_right(self.ends, at)
        return max(at, self.starts[i]) if i < len(self.starts) else None

    def between(self, since: int, until: int) -> list[Span]:
        """The open spans inside `[since, until)`, cut to it."""
        first = bisect_right(self.ends, since)
        last = bisect_left(self.starts, until)
        return [(max(self.starts[i], since), min(self.ends[i], until)) for i in range(first, last)]


@dataclass(frozen=True)
class Calendar:
    """When a school is open: `[from, to)` windows by weekday, and what differs on single dates.

    `hours` is by weekday ("mon" … "sun"); `overrides` replace a date's windows, `breaks` are cut out of
    whatever the date has, and a date in `closed` has none at all. BadCalendar if it makes no sense.
    """

    zone: str
    hours: Mapping[str, tuple[Window, ...]]
    closed: frozenset[date] = frozenset()
    overrides: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    breaks: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    name: str = "calendar"
    _years: dict[int, list[Span]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _spans: Spans | None = field(default=None, init=False, repr=False, compare=False)
    _tz: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.closed) + len(self.overrides) + len(self.breaks) > MOST_EXCEPTIONS:
            raise BadCalendar(
                f"the calendar has more than {MOST_EXCEPTIONS} closed dates, overrides and breaks"
            )
        for key in self.hours:
            if key not in WEEKDAYS:
                raise BadCalendar(f"hours: {key!r} is no weekday; the weekdays are {', '.join(WEEKDAYS)}")
        put = object.__setattr__
        put(self, "_tz", _zone(self.zone))
        put(self, "closed", frozenset(self.closed))
        put(self, "hours", {d: _tidy(w, f"hours: {d}") for d, w in self.hours.items()})
        put(self, "overrides", {d: _tidy(w, f"overrides: {d}") for d, w in self.overrides.items()})
        put(self, "breaks", {d: tuple(_joined(_checked(w, f"breaks: {d}"))) for d, w in self.breaks.items()})

    def __hash__(self) -> int:
        return hash((self.zone, self.name, self.closed))

    @classmethod
    def from_json(cls, obj: object) -> "Calendar":
        """Read `{zone, hours, closed?, overrides?, breaks?, name?}`; BadCalendar says what is wrong."""
        given = _object(obj, "calendar")
        unknown = given.keys() - {"zone", "hours", "closed", "overrides", "breaks", "name"}
        if unknown:
            raise BadCalendar(f"calendar: unknown key {min(unknown)!r}")
        for key in ("zone", "hours"):
            if key not in given:
                raise BadCalendar(f"calendar: {key} is missing")
        closed = given.get("closed", [])
        if not isinstance(closed, list) or len(closed) > MOST_EXCEPTIONS:
            raise BadCalendar(f"closed: a list of at most {MOST_EXCEPTIONS} dates is wanted")
        return cls(
            zone=_text(given["zone"], "zone"),
            hours={day: _windows(w, f"hours: {day}") for day, w in _object(given["hours"], "hours").items()},
            closed=frozenset(_date(day, "closed") for day in closed),
            overrides=_by_date(given.get("overrides", {}), "overrides"),
            breaks=_by_date(given.get("breaks", {}), "breaks"),
            name=_text(given.get("name", "calendar"), "name"),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form, in a fixed order, from which `from_json` makes an equal calendar."""
        written: dict[str, Any] = {
            "zone": self.zone,
            "hours": {day: _written(self.hours[day]) for day in WEEKDAYS if day in self.hours},
            "closed": [day.isoformat() for day in sorted(self.closed)],
            "overrides": {day.isoformat(): _written(w) for day, w in sorted(self.overrides.items())},
            "breaks": {day.isoformat(): _written(w) for day, w in sorted(self.breaks.items())},
        }
        return written if self.name == "calendar" else {"name": self.name, **written}

    @property
    def tz(self) -> ZoneInfo:
        """The zone the windows are read in."""
        return self._tz

    def windows_on(self, day: date) -> tuple[Window, ...]:
        """The windows of a local date, before its breaks are cut out."""
        if day in self.closed:
            return ()
        override = self.overrides.get(day)
        return self.hours.get(WEEKDAYS[day.weekday()], ()) if override is None else override

    def spans(self, since: int, until: int) -> Spans:
        """The compiled spans for every instant from `since` to `until` (UTC microseconds); OutOfRange."""
        spans = self._spans
        if spans is not None and spans.since <= since and until <= spans.until:
            return spans
        return self._compiled(since, until)

    def _compiled(self, since: int, until: int) -> Spans:
        """Spans of the years asked for, joined to those at hand unless they lie far apart."""
        if since < EARLIEST or until > LATEST:
            raise OutOfRange(f"calendars answer for the years {FIRST_YEAR} to {LAST_YEAR} only")
        first, last = instant(since - 2 * DAY_US).year, instant(until + 2 * DAY_US).year
        if last - first > LONGEST_INTERVAL_YEARS + 1:
            raise OutOfRange(f"the interval is longer than {LONGEST_INTERVAL_YEARS} years")
        known = self._spans
        if known is not None:
            both = min(first, known.first_year), max(last, known.last_year)
            if both[1] - both[0] <= 2 * LONGEST_INTERVAL_YEARS:
                first, last = both
        spans = _assembled(first, last, _joined(s for y in range(first, last + 1) for s in self._year(y)))
        object.__setattr__(self, "_spans", spans)
        return spans

    def _year(self, year: int) -> list[Span]:
        spans = self._years.get(year)
        if spans is None:
            if len(self._years) > 4 * LONGEST_INTERVAL_YEARS:
                self._years.clear()
            days = range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal())
            spans = [span for n in days for span in self._spans_on(date.fromordinal(n))]
            self._years[year] = spans
        return spans

    def _spans_on(self, day: date) -> list[Span]:
        """The open spans of a local date; none on a date that its zone skipped altogether."""
        windows = self.windows_on(day)
        if not windows or self.edge(day, 0) >= self.edge(day, END_OF_DAY):
            return []
        spans = _joined((self.edge(day, opens), self.edge(day, closes)) for opens, closes in windows)
        for opens, closes in self.breaks.get(day, ()):
            spans = _without(spans, (self.edge(day, opens), self.edge(day, closes)))
        return spans

    def edge(self, day: date, minute: int) -> int:
        """The instant of a wall-clock minute in UTC microseconds.

        `fold=0` takes the first of two such minutes, and carries one that does not exist later by the gap.
        """
        wall = datetime.combine(day, time.min, self._tz) + timedelta(minutes=minute)
        return micros(wall)


def _assembled(first_year: int, last_year: int, spans: list[Span]) -> Spans:
    """Spans of whole local years, trusted from two days inside their ends: no zone is further from UTC."""
    starts, ends = [s for s, _ in spans], [e for _, e in spans]
    return Spans(
        first_year,
        last_year,
        micros(datetime(first_year, 1, 3, tzinfo=UTC)),
        micros(datetime(last_year, 12, 29, tzinfo=UTC)),
        starts,
        ends,
        list(accumulate((e - s for s, e in spans), initial=0)),
    )


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Sorted, with what overlaps or touches joined and what is empty or backwards dropped."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _without(spans: list[Span], cut: Span) -> list[Span]:
    """What is left of `spans` once `cut` is taken out; a backwards cut takes nothing."""
    opens, closes = cut
    if opens >= closes:
        return spans
    left = [(s, min(e, opens)) for s, e in spans] + [(max(s, closes), e) for s, e in spans]
    return _joined(left)


def _tidy(windows: Iterable[Window], where: str) -> tuple[Window, ...]:
    """Sorted windows with touching ones joined; BadCalendar where two overlap."""
    checked = sorted(_checked(windows, where))
    for (_, closes), (opens, _) in pairwise(checked):
        if opens < closes:
            raise BadCalendar(f"{where}: two windows overlap at {_clock(opens)}")
    return tuple(_joined(checked))


def _checked(windows: Iterable[Window], where: str) -> list[Window]:
    checked = list(windows)
    if len(checked) > MOST_WINDOWS:
        raise BadCalendar(f"{where}: more than {MOST_WINDOWS} windows")
    for opens, closes in checked:
        if not 0 <= opens < closes <= END_OF_DAY:
            raise BadCalendar(
                f"{where}: the window {_clock(opens)}-{_clock(closes)} does not end after it begins"
            )
    return checked


def _zone(key: str) -> ZoneInfo:
    try:
        if key in ("", "localtime"):
            raise ValueError(key)
        return ZoneInfo(key)
    except (ValueError, KeyError, OSError):
        raise BadCalendar(f"zone: {key!r} is no IANA time zone") from None


def _object(obj: object, where: str) -> dict[str, Any]:
    if not isinstance(obj, dict):
        raise BadCalendar(f"{where}: an object is wanted")
    return obj


def _text(obj: object, where: str) -> str:
    if not isinstance(obj, str) or not 0 < len(obj) <= 200:
        raise BadCalendar(f"{where}: a text of 1 to 200 characters is wanted")
    return obj


def _date(obj: object, where: str) -> date:
    try:
        if isinstance(obj, str) and _DATE.fullmatch(obj):
            return date.fromisoformat(obj)
    except ValueError:
        pass
    raise BadCalendar(f"{where}: {str(obj)[:40]!r} is no date like 2026-11-26")


def _by_date(obj: object, where: str) -> dict[date, tuple[Window, ...]]:
    return {_date(day, where): _windows(w, f"{where}: {day}") for day, w in _object(obj, where).items()}


def _windows(obj: object, where: str) -> tuple[Window, ...]:
    if not isinstance(obj, list | tuple) or not all(isinstance(w, list | tuple) and len(w) == 2 for w in obj):
        raise BadCalendar(f'{where}: a list of windows like ["07:30", "16:00"] is wanted')
    return tuple((_minute(opens, where), _minute(closes, where, end=True)) for opens, closes in obj)


def _minute(obj: object, where: str, *, end: bool = False) -> int:
    if end and obj == "24:00":
        return END_OF_DAY
    match = _CLOCK_TIME.fullmatch(obj) if isinstance(obj, str) else None
    if match is None:
        raise BadCalendar(f"{where}: {str(obj)[:40]!r} is no time like 07:30 (24:00 may end a day)")
    return int(match[1]) * 60 + int(match[2])


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _written(windows: tuple[Window, ...]) -> list[list[str]]:
    return [[_clock(opens), _clock(closes)] for opens, closes in windows]
