"""The arithmetic of reports: what a ticket's events make of it, and what many tickets make together.

PURE. Instants and amounts are whole UTC microseconds, so that sums are exact; hours appear last, rounded to
six places. Percentiles interpolate linearly between the two nearest values, as SQL's `percentile_cont` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import chain
from typing import Any, Final
from zoneinfo import ZoneInfo

from service.sla.calendar import Calendar, Span, instant, micros

HOUR_US: Final = 3_600_000_000
QUARTER_US: Final = 900_000_000
PLACES: Final = 6
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

CLOCKS: Final = ("calendar", "working")
HOLDS: Final = ("with_hold", "without_hold", "without_on_hold", "without_waiting")
TIMES: Final = ("time_to_first_resolution", "time_to_last_resolution", "time_to_close")

RESOLVED: Final = "resolved"
CLOSED: Final = "closed"
OPEN: Final = frozenset({"new", "in_progress", "waiting_on_requester", "on_hold"})
FINISHED: Final = frozenset({RESOLVED, CLOSED})

Event = tuple[int, str | None, int | None]
"""An instant with the status and the queue that an event says, None where it says nothing of them."""
Ending = tuple[str, bool, bool, bool]
"""A target of a ticket: its name, whether a cycle of it was met, was breached, and is breached and runs."""
Clock = Callable[[int], int]
"""How much time has run by an instant, from some beginning: only differences mean something."""


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
    last_at: int
    """The latest instant at which anything is said of its status, or the opening."""

    @property
    def is_open(self) -> bool:
        return not self.statuses or self.statuses[-1][1] in OPEN


def history(opened_at: int, events: Iterable[Event]) -> History:
    """What the events make of a ticket. They come in the order of the audit log, whatever their times say."""
    statuses: list[tuple[int, str]] = []
    resolved: list[int] = []
    closed: list[int] = []
    reopened: list[int] = []
    moved: list[int] = []
    waits: dict[str, list[Span]] = {"on_hold": [], "waiting_on_requester": []}
    before, since, queue = "", opened_at, None
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
        last_at=max(statuses)[0] if statuses else opened_at,
    )


def spent(clock: Clock, since: int, until: int, pauses: Sequence[Span] = ()) -> int:
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


def working_clock(calendar: Calendar, since: int, until: int) -> Clock:
    """A clock that counts the open time of a calendar; good from `since` to `until`."""
    return calendar.spans(since, until).open_before


def percentile(ordered: Sequence[int], tenths: int) -> int:
    """Ten times the value below which `tenths` tenths of the sorted values lie, interpolated linearly."""
    low, rest = divmod((len(ordered) - 1) * tenths, 10)
    below = ordered[low]
    return 10 * below + (ordered[low + 1] - below) * rest if rest else 10 * below


def hours(us: int, parts: int = 1) -> float:
    """`us / parts` microseconds as hours, rounded to six places; the division is exact until then."""
    return round(us / (parts * HOUR_US), PLACES)


def summary(amounts: Iterable[int | None]) -> dict[str, int | float | None]:
    """Count, mean, median and 90th percentile in hours of the amounts that are there; None where none is."""
    ordered = sorted(amount for amount in amounts if amount is not None)
    n = len(ordered)
    if not n:
        return {"n": 0, "mean_h": None, "median_h": None, "p90_h": None}
    return {
        "n": n,
        "mean_h": hours(sum(ordered), n),
        "median_h": hours(percentile(ordered, 5), 10),
        "p90_h": hours(percentile(ordered, 9), 10),
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
        """The first of each month after `since`, up to the one after `until`: its date, and 00:00 there."""
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
    found: list[int] = []
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


AMOUNTS: Final = tuple((name, clock, hold) for clock in CLOCKS for name in TIMES for hold in HOLDS)
"""What the amounts of a ticket are, in their order."""


@dataclass(slots=True)
class Counted:
    """A ticket as it counts: the months of what happened, and amounts of time where AMOUNTS has a name.

    `responses` are the amounts to the first response by clock.
    """

    opened: str
    resolved: str | None
    closed: str | None
    reopens: tuple[str, ...]
    moves: tuple[str, ...]
    amounts: tuple[int | None, ...]
    responses: tuple[int | None, ...] = ()
    is_unanswered: bool = False
    targets: Sequence[Ending] = ()


def counted(ticket: History, months: Months, clocks: Sequence[Clock]) -> Counted:
    """The ticket as it counts, on the calendar clock and, where there is one, a working clock."""
    ends = (ticket.first_resolved_at, ticket.last_resolved_at, ticket.last_closed_at)
    return Counted(
        opened=months.month(ticket.opened_at),
        resolved=None if ends[1] is None else months.month(ends[1]),
        closed=None if ends[2] is None else months.month(ends[2]),
        reopens=tuple(map(months.month, ticket.reopened_at)),
        moves=tuple(map(months.month, ticket.moved_at)),
        amounts=tuple(chain.from_iterable(_amounts(ticket, ends, clock) for clock in clocks)),
    )


def _amounts(ticket: History, ends: Sequence[int | None], clock: Clock) -> Iterable[int | None]:
    """For each end, four amounts in the order of HOLDS."""
    found: dict[int | None, tuple[int | None, ...]] = {None: (None, None, None, None)}
    opened_at, on_hold, waiting = ticket.opened_at, ticket.on_hold, ticket.waiting
    for end in ends:
        if end is not None and end not in found:
            whole = spent(clock, opened_at, end)
            less_hold = spent(clock, opened_at, end, on_hold) if on_hold else whole
            less_waiting = spent(clock, opened_at, end, waiting) if waiting else whole
            less_both = spent(clock, opened_at, end, on_hold + waiting) if on_hold and waiting else 0
            neither = less_both if on_hold and waiting else less_hold if on_hold else less_waiting
            found[end] = (whole, neither, less_hold, less_waiting)
    return chain.from_iterable(found[end] for end in ends)


def figures(
    tickets: Sequence[Counted], backlog: Sequence[tuple[str, int]], targets: Sequence[str], *, working: bool
) -> dict[str, Any]:
    """The figures of tickets, in a fixed order. Working time is None where there is no calendar for it."""
    columns = zip(*(ticket.amounts for ticket in tickets), strict=True) if tickets else ((),) * len(AMOUNTS)
    summaries = {name: summary(column) for name, column in zip(AMOUNTS, columns, strict=False)}
    clocks = CLOCKS if working else CLOCKS[:1]
    return {
        "tickets": len(tickets),
        "opened": _by_month(ticket.opened for ticket in tickets),
        "resolved": _by_month(ticket.resolved for ticket in tickets),
        "closed": _by_month(ticket.closed for ticket in tickets),
        **{
            name: {
                clock: {hold: summaries[name, clock, hold] for hold in HOLDS} if clock in clocks else None
                for clock in CLOCKS
            }
            for name in TIMES
        },
        "first_response": {
            clock: summary(t.responses[place] for t in tickets if t.responses) if clock in clocks else None
            for place, clock in enumerate(CLOCKS)
        }
        | {"unanswered": sum(ticket.is_unanswered for ticket in tickets)},
        "sla": _attainments(tickets, targets),
        "reopened": _happenings("reopens", [ticket.reopens for ticket in tickets if ticket.reopens]),
        "reassigned": _happenings("moves", [ticket.moves for ticket in tickets if ticket.moves]),
        "backlog": dict(backlog),
    }


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


def _attainments(tickets: Sequence[Counted], targets: Sequence[str]) -> dict[str, Any]:
    counts = {target: [0, 0, 0] for target in targets}
    for ticket in tickets:
        for target, met, breached, runs in ticket.targets:
            found = counts[target]
            found[0] += met and not breached
            found[1] += breached
            found[2] += breached and runs
    return {target: attainment(*found) for target, found in counts.items()}


def _happenings(name: str, by_ticket: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    months = _by_month(chain.from_iterable(by_ticket))
    return {"tickets": len(by_ticket), name: months["count"], "by_month": months["by_month"]}


def _by_month(months: Iterable[str | None]) -> dict[str, Any]:
    counts = Counter(months)
    counts.pop(None, None)
    return {"count": counts.total(), "by_month": dict(sorted(counts.items()))}
