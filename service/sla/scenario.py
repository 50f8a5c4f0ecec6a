"""The form of a scenario: a calendar, a policy and what happened to one ticket.

PURE. A `Scenario` that could be read makes sense: it has been checked as a whole and gives its cycles.
"""

import json
import re
from datetime import datetime, timedelta
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

from service.sla.calendar import MOST_EXCEPTIONS, Calendar
from service.sla.course import (
    By,
    Change,
    Note,
    Opened,
    PublicReply,
    StatusChanged,
    TargetsChanged,
    followed,
)
from service.sla.cycle import Cycle
from service.sla.policy import FINISHED, Policy, Target, targets_from_json

MOST_EVENTS: Final = 5_000
MOST_CARRIED: Final = 50_000
MOST_YEARS: Final = 30

Status = Literal["new", "in_progress", "waiting_on_requester", "on_hold", "resolved", "closed", "cancelled"]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


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
        return Scenario.model_validate(json_from(text))
    except ValidationError as wrong:
        raise BadScenario(_sentence(wrong)) from None


def json_from(text: str | bytes) -> object:
    """The JSON value that a text holds, or BadScenario."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadScenario("this is not JSON") from None


def _sentence(wrong: ValidationError) -> str:
    error = wrong.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
