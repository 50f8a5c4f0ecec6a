"""The arithmetic of a timer in words, and one scenario or one sum at a time for machines.

PURE. A scenario is a calendar, a policy and what happened to one ticket; `explained` answers with its timers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from service.sla.calendar import (
    END_OF_DAY,
    MOST_EXCEPTIONS,
    Calendar,
    OutOfRange,
    instant,
)
from service.sla.clock import NeverOpen, due_at, due_before, elapsed, open_spans
from service.sla.policy import (
    FINISHED,
    By,
    Change,
    Cycle,
    Judgement,
    Note,
    Opened,
    OutOfOrder,
    Policy,
    PublicReply,
    State,
    StatusChanged,
    Target,
    TargetsChanged,
    amount_of_minutes,
    followed,
    judged,
    minutes,
    targets_from_json,
)

MOST_EVENTS: Final = 5_000
MOST_CARRIED: Final = 50_000
MOST_YEARS: Final = 30
MOST_LINES: Final = 60
DAYS_IN_A_ROW: Final = 14
MOST_DAYS: Final = 400

Status = Literal["new", "in_progress", "waiting_on_requester", "on_hold", "resolved", "closed", "cancelled"]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REASONS = {"waiting_on_requester": "Waiting on the requester", "on_hold": "On hold", "resolved": "Resolved"}


class BadScenario(ValueError):
    """A scenario, or a line of `sla time`, that cannot be answered; the message is one sentence."""


def instant_from(text: object) -> datetime:
    """The aware datetime of an RFC 3339 text; ValueError for anything else, a time without an offset too."""
    if isinstance(text, datetime) and text.tzinfo is not None:
        return text
    if isinstance(text, str) and _RFC3339.fullmatch(text):
        return datetime.fromisoformat(text.upper())
    raise ValueError(f"{str(text)[:40]!r} is no time with an offset, like 2026-11-20T09:00:00-06:00")


Instant = Annotated[
    datetime, BeforeValidator(instant_from), WithJsonSchema({"type": "string", "format": "date-time"})
]
Windows = list[tuple[str, str]]
Minutes = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CalendarForm(_Form):
    """Opening hours: `[from, to)` windows by weekday, "24:00" ends a day; exceptions by date."""

    zone: str = Field(max_length=200, examples=["America/Chicago"])
    hours: dict[str, Windows] = Field(max_length=7)
    closed: list[str] = Field(default=[], max_length=MOST_EXCEPTIONS)
    overrides: dict[str, Windows] = Field(default={}, max_length=MOST_EXCEPTIONS)
    breaks: dict[str, Windows] = Field(default={}, max_length=MOST_EXCEPTIONS)
    name: str = Field(default="calendar", min_length=1, max_length=200)


class PolicyForm(_Form):
    """Targets in minutes of working time, the targets each status pauses, and the rules of change."""

    targets: dict[Target, Minutes | None]
    pause: dict[Status, list[Target]] | None = None
    on_reopen: Literal["resume", "new_cycle", "none"] = "resume"
    on_change: Literal["retroactive", "from_now"] = "retroactive"
    warn_at: list[float] | None = Field(default=None, max_length=20)


class OpenedEvent(_Form):
    """The ticket was opened, by `reported_at` if the requester first made contact earlier."""

    kind: Literal["opened"]
    at: Instant
    by: By
    status: Status = "new"
    reported_at: Instant | None = None
    for_requester: bool | None = None


class PublicReplyEvent(_Form):
    """A message that requester and staff both see."""

    kind: Literal["public_reply"]
    at: Instant
    by: By


class NoteEvent(_Form):
    """An internal note."""

    kind: Literal["note"]
    at: Instant
    by: By


class StatusEvent(_Form):
    """The status changed; it is a touch by staff only if it says that a technician did it."""

    kind: Literal["status"]
    at: Instant
    to: Status
    by: By = "system"


class TargetsEvent(_Form):
    """Some of the policy's targets changed; null removes one."""

    kind: Literal["targets"]
    at: Instant
    targets: dict[Target, Minutes | None]
    by: By = "system"


Event = Annotated[
    OpenedEvent | PublicReplyEvent | NoteEvent | StatusEvent | TargetsEvent, Field(discriminator="kind")
]


class Scenario(_Form):
    """What happened to one ticket under a calendar and a policy, judged at `as_of` or the last event."""

    calendar: CalendarForm
    policy: PolicyForm
    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)
    as_of: Instant | None = None
    _calendar: Calendar = PrivateAttr()
    _policy: Policy = PrivateAttr()
    _changes: list[Change] = PrivateAttr()
    _judged_at: datetime = PrivateAttr()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self._calendar = Calendar.from_json(self.calendar.model_dump())
        self._policy = Policy.from_json(self.policy.model_dump(exclude_none=True))
        self._changes = _changes(sorted(self.events, key=lambda event: event.at), self._policy)
        self._judged_at = self.as_of or self._changes[-1].at
        opened = self._changes[0]
        if not isinstance(opened, Opened):
            raise ValueError(
                "the first event must be opened: something else happened before the ticket was opened"
            )
        if sum(isinstance(change, Opened) for change in self._changes) > 1:
            raise ValueError("the ticket was opened twice")
        first, last = opened.reported_at or opened.at, max(self.judged_at, self._changes[-1].at)
        if first > opened.at:
            raise ValueError("the ticket was reported after it was opened")
        if last - first > timedelta(days=366 * MOST_YEARS):
            raise ValueError(f"a scenario spans {MOST_YEARS} years at most")
        if _carried(self._changes) > MOST_CARRIED:
            raise ValueError("the ticket was paused, reopened and changed too often to explain in one answer")
        return self

    @property
    def judged_at(self) -> datetime:
        """The instant the timers are judged at."""
        return self._judged_at

    def cycles(self) -> tuple[tuple[Cycle, ...], Calendar]:
        """The cycles that what happened until `as_of` makes, and the calendar they run on."""
        happened = [change for change in self._changes if change.at <= self.judged_at]
        if not happened or not isinstance(happened[0], Opened):
            return (), self._calendar
        return followed(happened[0], happened[1:], self._policy, self._calendar), self._calendar


def _changes(events: list[Any], policy: Policy) -> list[Change]:
    changes: list[Change] = []
    for event in events:
        match event:
            case OpenedEvent():
                changes.append(
                    Opened(event.at, event.by, event.status, event.reported_at, event.for_requester)
                )
            case PublicReplyEvent():
                changes.append(PublicReply(event.at, event.by))
            case NoteEvent():
                changes.append(Note(event.at, event.by))
            case StatusEvent():
                changes.append(StatusChanged(event.at, event.to, event.by))
            case TargetsEvent():
                policy = policy.with_targets(targets_from_json(event.targets))
                changes.append(TargetsChanged(event.at, policy))
    return changes


def _carried(changes: list[Change]) -> int:
    """At most so many pauses are carried over by reopenings and by changes of target."""
    carried = moves = 0
    status = ""
    for change in changes:
        if isinstance(change, Opened):
            status = change.status
        elif isinstance(change, StatusChanged):
            moves += 1
            if status in FINISHED and change.to not in FINISHED:
                carried += moves
            status = change.to
        elif isinstance(change, TargetsChanged):
            carried += moves
    return carried


def scenario_from_json(text: str | bytes) -> Scenario:
    """Read a scenario; BadScenario says in one sentence what is wrong."""
    try:
        return Scenario.model_validate(_json_object(text))
    except ValidationError as wrong:
        raise BadScenario(_sentence(wrong)) from None


def explained(scenario: Scenario) -> dict[str, Any]:
    """The scenario's timers with their arithmetic, in the machine-readable form.

    Times are RFC 3339 with the offset of the calendar's zone. BadScenario if the calendar cannot answer.
    """
    try:
        cycles, calendar = scenario.cycles()
        return {"timers": [_timer(cycle, calendar, scenario.judged_at) for cycle in cycles]}
    except (NeverOpen, OutOfRange, OutOfOrder) as wrong:
        raise BadScenario(str(wrong)) from None


def _timer(cycle: Cycle, calendar: Calendar, as_of: datetime) -> dict[str, Any]:
    judgement = judged(cycle, calendar, as_of)
    return {
        "target": cycle.target.value,
        "cycle": cycle.n,
        "state": judgement.state.value,
        "outside_hours": judgement.outside_hours,
        "started_at": _rfc3339(cycle.started_at, calendar),
        "due_at": _rfc3339(judgement.due_at, calendar),
        "stopped_at": _rfc3339(cycle.stopped_at, calendar),
        "breached_at": _rfc3339(judgement.breached_at, calendar),
        "target_minutes": minutes(cycle.goal),
        "elapsed_minutes": minutes(judgement.elapsed),
        "remaining_minutes": minutes(judgement.remaining),
        "paused": [
            {"from": _rfc3339(p.start, calendar), "to": _rfc3339(p.end, calendar), "reason": p.reason}
            for p in cycle.pauses
        ],
        "explain": _lines(cycle, judgement, calendar, as_of),
    }


def explanation(cycle: Cycle, calendar: Calendar, as_of: datetime) -> list[str]:
    """The arithmetic of one cycle, line by line, in the calendar's local time; at most 60 lines."""
    return _lines(cycle, judged(cycle, calendar, as_of), calendar, as_of)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of arithmetic: a stretch of time, and how much of it counted (None: it does not count)."""

    start: datetime
    end: datetime
    label: str
    counted: timedelta | None


def _lines(cycle: Cycle, judgement: Judgement, calendar: Calendar, as_of: datetime) -> list[str]:
    words = _Words(calendar, cycle.started_at)
    stop = cycle.stopped_at if cycle.stopped_at is not None and cycle.stopped_at <= as_of else None
    entries = words.shortened(list(words.entries(cycle, stop or as_of)))
    title = cycle.target.replace("_", " ").capitalize() + (f" (cycle {cycle.n})" if cycle.n > 1 else "")
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

    def __init__(self, calendar: Calendar, started_at: datetime) -> None:
        self.calendar = calendar
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
        what = _REASONS.get(reason, f"Paused ({reason.replace('_', ' ')})")
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


def sla_time(line: object) -> dict[str, Any]:
    """Answer one object of the `sla time` protocol: `{"minutes"}` for elapsed, `{"at"}` for due.

    For the backward direction `start` is where the time ends. BadScenario says in one sentence what is wrong.
    """
    try:
        return _sum(_asked(line))
    except BadScenario:
        raise
    except ValueError as wrong:
        raise BadScenario(str(wrong)) from None


def answered(text: str | bytes) -> dict[str, Any]:
    """Answer one line of the `sla time` protocol, a bad one with `{"error"}`."""
    try:
        return sla_time(_json_object(text))
    except BadScenario as wrong:
        return {"error": str(wrong)}


_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "elapsed": frozenset({"calendar", "op", "start", "end"}),
    "due": frozenset({"calendar", "op", "start", "minutes"}),
}


def _asked(line: object) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise BadScenario("a line holds one object")
    op = line.get("op")
    if not isinstance(op, str) or op not in _KEYS:
        raise BadScenario("op: elapsed or due is wanted")
    if missing := _KEYS[op] - line.keys():
        raise BadScenario(f"{min(missing)} is missing")
    if unknown := line.keys() - _KEYS[op] - ({"direction"} if op == "due" else set()):
        raise BadScenario(f"{min(unknown)!r} is unknown here")
    return line


def _sum(line: dict[str, Any]) -> dict[str, Any]:
    calendar = _calendar_of(json.dumps(line["calendar"], sort_keys=True))
    start = _time_in(line, "start")
    if line["op"] == "elapsed":
        return {"minutes": minutes(elapsed(start, _time_in(line, "end"), calendar))}
    target = amount_of_minutes(line["minutes"], "minutes")
    match line.get("direction", "forward"):
        case "forward":
            return {"at": _rfc3339(due_at(start, target, calendar), calendar)}
        case "backward":
            return {"at": _rfc3339(due_before(start, target, calendar), calendar)}
        case _:
            raise BadScenario("direction: forward or backward is wanted")


def _time_in(line: dict[str, Any], key: str) -> datetime:
    try:
        return instant_from(line[key])
    except ValueError as wrong:
        raise BadScenario(f"{key}: {wrong}") from None


@lru_cache(maxsize=64)
def _calendar_of(text: str) -> Calendar:
    return Calendar.from_json(json.loads(text))


def _json_object(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadScenario("this is not JSON") from None


def _sentence(wrong: ValidationError) -> str:
    error = wrong.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _rfc3339(at: datetime | None, calendar: Calendar) -> str | None:
    """In local time; in UTC where the zone's offset, long ago, had seconds, which RFC 3339 cannot write."""
    if at is None:
        return None
    local = at.astimezone(calendar.tz)
    offset = local.utcoffset() or timedelta(0)
    return (local.astimezone(UTC) if offset % timedelta(minutes=1) else local).isoformat()


def _clock(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _number(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
