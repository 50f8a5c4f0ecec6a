"""The arithmetic of reports: what a ticket's events make of it, and what many tickets make together.

PURE. Instants and amounts are whole UTC microseconds, so that sums are exact; hours appear last, rounded to
six places. Percentiles interpolate linearly between the two nearest values, as SQL's `percentile_cont` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from service.sla.calendar import Calendar, Span, instant, micros

HOUR_US: Final = 3_600_000_000
QUARTER_US: Final = 900_000_000
PLACES: Final = 6
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
P90: Final = Fraction(9, 10)
MEDIAN: Final = Fraction(1, 2)

CLOCKS: Final = ("calendar", "working")
HOLDS: Final = ("with_hold", "without_hold", "without_on_hold", "without_waiting")
TIMES: Final = ("time_to_first_resolution", "time_to_last_resolution", "time_to_close")

RESOLVED: Final = "resolved"
CLOSED: Final = "closed"
OPEN: Final = frozenset({"new", "in_progress", "waiting_on_requester", "on_hold"})
FINISHED: Final = frozenset({RESOLVED, CLOSED})


class Event(NamedTuple):
    """An event that says something of the status or the queue, in the order of the audit log."""

    at: int
    status: str | None
    queue: int | None


@dataclass(frozen=True, slots=True)
class History:
    """What the events of one ticket say."""

    opened_at: int
    first_resolved_at: int | None
    last_resolved_at: int | None
    last_closed_at: int | None
    on_hold: tuple[Span, ...]
    waiting: tuple[Span, ...]
    reopened_at: tuple[int, ...]
    moved_at: tuple[int, ...]
    statuses: tuple[tuple[int, str], ...]
    """Every event that says a status, with its instant."""

    @property
    def is_open(self) -> bool:
        return not self.statuses or self.statuses[-1][1] in OPEN

    @property
    def last_at(self) -> int:
        """The latest instant at which anything is said of its status, or the opening."""
        return max((at for at, _ in self.statuses), default=self.opened_at)


def history(opened_at: int, events: Iterable[Event]) -> History:
    """What the events make of a ticket. They come in the order of the audit log, whatever their times say."""
    statuses: list[tuple[int, str]] = []
    resolved: list[int] = []
    closed: list[int] = []
    reopened: list[int] = []
    moved: list[int] = []
    waits: dict[str, list[Span]] = {"on_hold": [], "waiting_on_requester": []}
    before, since, queue = None, opened_at, None
    for at, status, named in events:
        if named is not None:
            if queue is not None and named != queue:
                moved.append(at)
            queue = named
        if status is None:
            continue
        statuses.append((at, status))
        if before in waits and at > since:
            waits[before].append((since, at))
        if before in FINISHED and status in OPEN:
            reopened.append(at)
        if status == RESOLVED:
            resolved.append(at)
        elif status == CLOSED:
            closed.append(at)
        before, since = status, at
    first = closed[0] if closed else None
    return History(
        opened_at=opened_at,
        first_resolved_at=resolved[0] if resolved else first,
        last_resolved_at=resolved[-1] if resolved else first,
        last_closed_at=closed[-1] if closed else None,
        on_hold=tuple(waits["on_hold"]),
        waiting=tuple(waits["waiting_on_requester"]),
        reopened_at=tuple(reopened),
        moved_at=tuple(moved),
        statuses=tuple(statuses),
    )


def spent(clock: Callable[[int], int], since: int, until: int, pauses: Sequence[Span] = ()) -> int:
    """What `clock` counts from `since` to `until`, less what it counts in the pauses; backwards is 0.

    A pause counts once, and only inside the interval.
    """
    if until <= since:
        return 0
    run = clock(until) - clock(since)
    reached = since
    for begin, end in sorted(pauses) if len(pauses) > 1 else pauses:
        begin, end = max(begin, reached), min(end, until)
        if end > begin:
            run -= clock(end) - clock(begin)
            reached = end
    return run


def calendar_clock(at: int) -> int:
    """Every microsecond counts."""
    return at


def working_clock(calendar: Calendar, since: int, until: int) -> Callable[[int], int]:
    """A clock that counts the open time of a calendar; good from `since` to `until`."""
    return calendar.spans(since, until).open_before


def percentile(ordered: Sequence[int], share: Fraction) -> Fraction:
    """The value below which `share` of the sorted values lie, interpolated linearly."""
    place = (len(ordered) - 1) * share
    low = place.numerator // place.denominator
    below = ordered[low]
    rest = place - low
    return below + (ordered[low + 1] - below) * rest if rest else Fraction(below)


def hours(us: Fraction | int) -> float:
    """Microseconds as hours, rounded to six places."""
    exact = Fraction(us)
    return round(exact.numerator / (exact.denominator * HOUR_US), PLACES)


def summary(amounts: list[int]) -> dict[str, int | float | None]:
    """Count, mean, median and 90th percentile, in hours; None where there is nothing to count."""
    n = len(amounts)
    if not n:
        return {"n": 0, "mean_h": None, "median_h": None, "p90_h": None}
    ordered = sorted(amounts)
    return {
        "n": n,
        "mean_h": hours(Fraction(sum(ordered), n)),
        "median_h": hours(percentile(ordered, MEDIAN)),
        "p90_h": hours(percentile(ordered, P90)),
    }


class Months:
    """Months and weekdays of instants in one zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._labels: dict[int, tuple[str, str]] = {}

    def _at(self, us: int) -> tuple[str, str]:
        quarter = us // QUARTER_US
        labels = self._labels.get(quarter)
        if labels is None:
            local = instant(us).astimezone(self._zone)
            labels = f"{local.year:04d}-{local.month:02d}", WEEKDAYS[local.weekday()]
            self._labels[quarter] = labels
        return labels

    def month(self, us: int) -> str:
        """As 2016-02."""
        return self._at(us)[0]

    def weekday(self, us: int) -> str:
        """mon to sun."""
        return self._at(us)[1]

    def begins(self, since: int, until: int) -> list[tuple[str, int]]:
        """The first of each month after `since` and up to the one after `until`: its date, and 00:00 there."""
        local = instant(since).astimezone(self._zone)
        year, month = local.year, local.month
        found: list[tuple[str, int]] = []
        while True:
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
            day = date(year, month, 1)
            at = micros(datetime.combine(day, time.min, self._zone))
            found.append((day.isoformat(), at))
            if at > until:
                return found


def open_at(history: History, begins: Sequence[int]) -> list[int]:
    """The places of those instants at which the ticket was opened before and not finished.

    Its status then is that of the last event, in the order of the log, with an earlier time.
    """
    first = bisect_right(begins, history.opened_at)
    last_at = history.last_at
    found = []
    for place in range(first, len(begins)):
        at = begins[place]
        if at > last_at:
            if history.is_open:
                found.extend(range(place, len(begins)))
            break
        status = next((s for when, s in reversed(history.statuses) if when < at), "new")
        if status in OPEN:
            found.append(place)
    return found


@dataclass
class Tally:
    """What many tickets make together."""

    tickets: int = 0
    opened: dict[str, int] = field(default_factory=dict)
    resolved: dict[str, int] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    reopens: dict[str, int] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    reopened: int = 0
    reassigned: int = 0
    amounts: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    responses: dict[str, list[int]] = field(default_factory=dict)
    unanswered: int = 0
    sla: dict[str, list[int]] = field(default_factory=dict)
    backlog: dict[int, int] = field(default_factory=dict)

    def add(self, ticket: History, months: Months, amounts: Iterable[tuple[tuple[str, str, str], int]]) -> None:
        """Count a ticket, with its amounts of time by measure, clock and treatment of holds."""
        self.tickets += 1
        _count(self.opened, months.month(ticket.opened_at))
        if ticket.last_resolved_at is not None:
            _count(self.resolved, months.month(ticket.last_resolved_at))
        if ticket.last_closed_at is not None:
            _count(self.closed, months.month(ticket.last_closed_at))
        self.reopened += bool(ticket.reopened_at)
        self.reassigned += bool(ticket.moved_at)
        for at in ticket.reopened_at:
            _count(self.reopens, months.month(at))
        for at in ticket.moved_at:
            _count(self.moves, months.month(at))
        for name, amount in amounts:
            self.amounts.setdefault(name, []).append(amount)

    def judge(self, target: str, *, met: bool, breached: bool, running: bool) -> None:
        """Count what became of one target of a ticket."""
        counts = self.sla.setdefault(target, [0, 0, 0])
        counts[0] += met and not breached
        counts[1] += breached
        counts[2] += breached and running

    def figures(self, begins: Sequence[str], *, working: bool, targets: Sequence[str]) -> dict[str, Any]:
        """The figures, in a fixed order. Working time is None where there is no calendar to count it on."""
        return {
            "tickets": self.tickets,
            "opened": _by_month(self.opened),
            "resolved": _by_month(self.resolved),
            "closed": _by_month(self.closed),
            **{name: self._times(name, working=working) for name in TIMES},
            "first_response": self._responses(working=working),
            "sla": {target: attainment(*self.sla.get(target, (0, 0, 0))) for target in targets},
            "reopened": {"tickets": self.reopened, "reopens": sum(self.reopens.values())}
            | {"by_month": dict(sorted(self.reopens.items()))},
            "reassigned": {"tickets": self.reassigned, "moves": sum(self.moves.values())}
            | {"by_month": dict(sorted(self.moves.items()))},
            "backlog": {day: self.backlog.get(place, 0) for place, day in enumerate(begins)},
        }

    def _times(self, name: str, *, working: bool) -> dict[str, Any]:
        return {
            clock: {hold: summary(self.amounts.get((name, clock, hold), [])) for hold in HOLDS}
            if working or clock == "calendar"
            else None
            for clock in CLOCKS
        }

    def _responses(self, *, working: bool) -> dict[str, Any]:
        return {
            clock: summary(self.responses.get(clock, [])) if working or clock == "calendar" else None
            for clock in CLOCKS
        } | {"unanswered": self.unanswered}


def attainment(met: int, breached: int, running: int) -> dict[str, int | float | None]:
    """Met as a share of all that ended or ran past its due time."""
    judged = met + breached
    return {
        "n": judged,
        "met": met,
        "breached": breached,
        "running_past_due": running,
        "share": round(met / judged, PLACES) if judged else None,
    }


def amounts_of(
    ticket: History, clocks: Sequence[tuple[str, Callable[[int], int]]]
) -> list[tuple[tuple[str, str, str], int]]:
    """The ticket's amounts of time by measure, clock and treatment of holds, where it has them."""
    ends = zip(
        TIMES, (ticket.first_resolved_at, ticket.last_resolved_at, ticket.last_closed_at), strict=True
    )
    pauses: dict[str, tuple[Span, ...]] = {
        "without_hold": ticket.on_hold + ticket.waiting,
        "without_on_hold": ticket.on_hold,
        "without_waiting": ticket.waiting,
    }
    found = []
    for name, end in ends:
        if end is None:
            continue
        for clock_name, clock in clocks:
            whole = spent(clock, ticket.opened_at, end)
            found.append(((name, clock_name, "with_hold"), whole))
            for hold, spans in pauses.items():
                amount = spent(clock, ticket.opened_at, end, spans) if spans else whole
                found.append(((name, clock_name, hold), amount))
    return found


def _by_month(counts: dict[str, int]) -> dict[str, Any]:
    return {"count": sum(counts.values()), "by_month": dict(sorted(counts.items()))}


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
