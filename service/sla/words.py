"""The arithmetic of a timer in words, line by line.

PURE.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from service.sla.calendar import END_OF_DAY, Calendar, instant
from service.sla.clock import elapsed, open_spans
from service.sla.cycle import Cycle, Judgement
from service.sla.policy import NAMES, Agreement, State

MOST_LINES: Final = 60
DAYS_IN_A_ROW: Final = 14
MOST_DAYS: Final = 400

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REASONS = {"waiting_on_requester": "Waiting on the requester", "on_hold": "On hold", "resolved": "Resolved"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of arithmetic: a stretch of time, and how much of it counted (None: it does not count)."""

    start: datetime
    end: datetime
    label: str
    counted: timedelta | None


def told(
    cycle: Cycle,
    judgement: Judgement,
    calendar: Calendar,
    as_of: datetime,
    *,
    under: tuple[Agreement, str] | None = None,
) -> list[str]:
    """A cycle as it was judged at `as_of`, line by line, in the calendar's local time; at most 60 lines."""
    agreement, policy = under or (Agreement.SLA, "")
    words = _Words(calendar, cycle.started_at, agreement)
    stop = cycle.stopped_at if cycle.stopped_at is not None and cycle.stopped_at <= as_of else None
    entries = words.shortened(list(words.entries(cycle, stop or as_of)))
    title = cycle.target.replace("_", " ").capitalize() + (f" (cycle {cycle.n})" if cycle.n > 1 else "")
    if agreement is not Agreement.SLA:
        title += f", {NAMES[agreement]} “{policy}”"
    began = f"{words.opening} ({calendar.zone})"
    lines = [f"{title}: {amount(cycle.goal)} of working time, counted from {began}."]
    run = timedelta(0)
    for entry in entries:
        if entry.counted is None:
            lines.append(entry.label)
        else:
            run += entry.counted
            lines.append(f"{entry.label}: {amount(entry.counted)} ({amount(run)} of {amount(cycle.goal)})")
    return [*lines, words.conclusion(cycle, judgement, stop, as_of)]


class _Words:
    """How one timer is told: in its calendar's local time, with the year where it is not the first one."""

    def __init__(self, calendar: Calendar, started_at: datetime, agreement: Agreement) -> None:
        self.calendar = calendar
        self.reasons = _REASONS | (
            {"resolved": "Not with the vendor"} if agreement is Agreement.VENDOR else {}
        )
        self.year: int | None = None
        self.opening = self.when(started_at)
        self.year = self.local(started_at).year

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.calendar.tz)

    def day(self, day: date) -> str:
        year = "" if day.year == self.year else f" {day.year}"
        return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}{year}"

    def when(self, at: datetime) -> str:
        local = self.local(at)
        return f"{self.day(local.date())} {_clock(local)}"

    def entries(self, cycle: Cycle, until: datetime) -> Iterator[_Entry]:
        """What counted and what did not, in order of time, up to `until`."""
        at = cycle.started_at
        for pause in sorted(cycle.pauses, key=lambda p: p.start):
            begin, end = max(pause.start, at), min(pause.end or until, until)
            if begin >= end:
                continue
            yield from self.counted(at, begin)
            yield self.paused(pause.reason, begin, end, lasts=pause.end is None or pause.end > until)
            at = end
        yield from self.counted(at, until)

    def paused(self, reason: str, begin: datetime, end: datetime, *, lasts: bool) -> _Entry:
        what = self.reasons.get(reason, f"Paused ({reason.replace('_', ' ')})")
        span = f"since {self.when(begin)}" if lasts else f"from {self.when(begin)} to {self.when(end)}"
        skipped = elapsed(begin, end, self.calendar)
        hours = f" ({amount(skipped)} of opening hours)" if skipped else ""
        return _Entry(begin, end, f"{what} {span}: not counted{hours}", None)

    def counted(self, start: datetime, end: datetime) -> list[_Entry]:
        """A stretch between pauses: day by day, a long one summed but for its last days."""
        if end <= start:
            return []
        if end - start > timedelta(days=MOST_DAYS):
            label = f"{self.when(start)} to {self.when(end)}"
            return [_Entry(start, end, label, elapsed(start, end, self.calendar))]
        days = self.closures_joined(list(self.days(start, end)))
        if len(days) <= DAYS_IN_A_ROW:
            return days
        return [self.summed(days[:-3]), *days[-3:]]

    def days(self, start: datetime, end: datetime) -> Iterator[_Entry]:
        """One entry for each local date that was open, and for each whole one that was closed."""
        first, last = self.local(start).date(), self.local(end).date()
        for n in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(n)
            midnight, next_midnight = (instant(self.calendar.edge(day, m)) for m in (0, END_OF_DAY))
            since, until = max(start, midnight), min(end, next_midnight)
            if open_time := elapsed(since, until, self.calendar):
                yield _Entry(
                    since, until, f"{self.day(day)} {self.hours(since, until, next_midnight)}", open_time
                )
            elif midnight < next_midnight and start <= midnight and next_midnight <= end:
                yield _Entry(since, until, f"{self.day(day)}: closed", None)

    def hours(self, since: datetime, until: datetime, midnight: datetime) -> str:
        spans = open_spans(since, until, self.calendar)
        if len(spans) > 3:
            return f"{self.clock(spans[0][0])}-{self.clock(spans[-1][1], midnight)} in {len(spans)} parts"
        return ", ".join(f"{self.clock(a)}-{self.clock(b, midnight)}" for a, b in spans)

    def clock(self, at: datetime, midnight: datetime | None = None) -> str:
        return "24:00" if at == midnight else _clock(self.local(at))

    def closures_joined(self, days: list[_Entry]) -> list[_Entry]:
        """Closed days in a row as one entry."""
        joined: list[_Entry] = []
        for entry in days:
            last = joined[-1] if joined else None
            if last is not None and last.counted is None and entry.counted is None:
                first_day, last_day = self.local(last.start).date(), self.local(entry.start).date()
                label = f"{self.day(first_day)} to {self.day(last_day)}: closed"
                joined[-1] = _Entry(last.start, entry.end, label, None)
            else:
                joined.append(entry)
        return joined

    def summed(self, entries: list[_Entry]) -> _Entry:
        """Many entries as one that counts what they counted together."""
        start, end = entries[0].start, entries[-1].end
        counted = [entry.counted for entry in entries if entry.counted is not None]
        days = len({self.local(entry.start).date() for entry in entries if entry.counted is not None})
        label = f"{self.when(start)} to {self.when(end)}, {_number(days, 'day')} with opening hours"
        return _Entry(start, end, label, sum(counted, timedelta(0)))

    def shortened(self, entries: list[_Entry]) -> list[_Entry]:
        """At most as many entries as fit: the first and the last ones, and the middle summed."""
        room = MOST_LINES - 2
        if len(entries) <= room:
            return entries
        first, last = entries[:10], entries[11 - room :]
        middle = entries[10 : 11 - room]
        counted = sum((entry.counted for entry in middle if entry.counted is not None), timedelta(0))
        pauses = sum(entry.counted is None and not entry.label.endswith(": closed") for entry in middle)
        label = f"{self.when(middle[0].start)} to {self.when(middle[-1].end)}"
        if pauses:
            label += f", less {_number(pauses, 'pause')}"
        return [*first, _Entry(middle[0].start, middle[-1].end, label, counted), *last]

    def conclusion(self, cycle: Cycle, judgement: Judgement, stop: datetime | None, as_of: datetime) -> str:
        due, left = self.when(judgement.due_at), judgement.remaining
        closed = " Outside opening hours now: no time runs." if judgement.outside_hours else ""
        over = f", {amount(-left)} over" if left < timedelta(0) else ""
        match judgement.state:
            case State.RUNNING:
                return f"Due {due}; {amount(left)} left.{closed}"
            case State.PAUSED:
                return f"Paused; were it to go on now it would be due {due}; {amount(left)} left."
            case State.MET:
                spare = f" with {amount(left)} to spare" if left > timedelta(0) else ""
                return f"Due {due}; done {self.when(stop or as_of)}: met{spare}."
            case State.BREACHED if stop is not None:
                return f"Due {due}; done {self.when(stop)}: breached{over}."
            case State.BREACHED:
                return f"Due {due}; not done by {self.when(as_of)}: breached{over and over + ' so far'}."
            case _:
                return f"Cancelled {self.when(stop or as_of)}: {cycle.reason or 'no reason given'}."


def amount(of: timedelta) -> str:
    """An amount of time in hours, minutes and seconds, rounded to the second: "3 h 10 min"."""
    if timedelta(0) < abs(of) < timedelta(seconds=1):
        return "less than a second"
    seconds = round(abs(of).total_seconds())
    parts = (seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")
    words = " ".join(f"{n} {unit}" for n, unit in parts if n)
    return ("-" if of < timedelta(0) else "") + (words or "0 min")


def _clock(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _number(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
