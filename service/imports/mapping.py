"""How another desk's export is read: which column says what, and what its words mean here.

PURE. A mapping is written as YAML (docs/importing.md explains every key) and checked whole: a mistake is told
with the path of the key, before a line of the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.tickets.lifecycle import Status
from service.tickets.models import Kind
from service.tickets.priority import Impact, Priority, Urgency

NAME = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")
WIDEST = 1_000


class BadMapping(ValueError):
    """The mapping cannot be used; each line of the message names a key and says what is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Column = Annotated[str, Field(min_length=1, max_length=200)]


class FileForm(_Part):
    """How the text file is written."""

    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, value: str) -> str:
        try:
            plain = "\n".encode(value) == b"\n"
        except LookupError:
            raise ValueError("is not an encoding; utf-8, cp1252 and latin-1 are") from None
        if not plain:
            raise ValueError("must keep line ends as single bytes, as utf-8, cp1252 and latin-1 do")
        return value


class EventLine(_Part):
    """What one line is: something that happened to the ticket `id` at the time `at`."""

    id: Column
    at: Column
    opened_at: Column
    by: Column | None = None
    order: Literal["file", "time"] = "file"


class Values(_Part):
    """A column, and what its values mean; a value that is not listed is `unmapped`."""

    column: Column
    values: Mapping[str, str]
    unmapped: str = "reject"


class StatusValues(Values):
    values: Mapping[str, Status]
    unmapped: Status | Literal["reject"] = "reject"


class PriorityValues(Values):
    values: Mapping[str, Priority]
    unmapped: Priority | Literal["reject"] = "reject"


class ImpactValues(Values):
    values: Mapping[str, Impact]
    unmapped: Impact | Literal["reject"] = "reject"


class UrgencyValues(Values):
    values: Mapping[str, Urgency]
    unmapped: Urgency | Literal["reject"] = "reject"


class Names(_Part):
    """A column of names: `values` says which of ours each is; others are found by name, or created."""

    column: Column
    values: dict[str, str] = Field(default_factory=dict)
    create: bool = False
    unmapped: Literal["reject", "none"] = "none"


class QueueForNone(_Part):
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]


class QueueNames(Names):
    """`none` is where tickets wait that never had a group; the desk's default queue if it is not given."""

    none: QueueForNone | None = None


class PersonColumn(_Part):
    """A column that names a person who is in the directory already; others are left out, never created."""

    column: Column
    match: Literal["email", "external_id"]


class TicketForm(_Part):
    """The ticket that the lines make. In templates `{column}` is that column's value on the last line."""

    kind: Kind = Kind.INCIDENT
    external_prefix: Annotated[str, Field(max_length=60)] = ""
    subject: Annotated[str, Field(min_length=1, max_length=500)]
    description: Annotated[str, Field(max_length=2_000)] = ""
    language: str = "en"


class Checks(_Part):
    """Columns that sum up what the events say: compared, counted, never believed."""

    resolved_at: Column | None = None
    closed_at: Column | None = None


class EventMapping(_Part):
    """One export of event lines, described."""

    name: str
    description: str = ""
    file: FileForm = FileForm()
    missing: list[str] = Field(default_factory=lambda: [""])
    zone: str
    dates: Annotated[list[str], Field(min_length=1)]
    event: EventLine
    ticket: TicketForm
    status: StatusValues
    priority: PriorityValues
    impact: ImpactValues | None = None
    urgency: UrgencyValues | None = None
    queue: QueueNames
    category: Names | None = None
    school: Names | None = None
    requester: PersonColumn | None = None
    assignee: PersonColumn | None = None
    checks: Checks = Checks()

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not NAME.fullmatch(value) or len(value) > 60:
            raise ValueError("is small letters, digits and hyphens, such as servicenow-events")
        return value

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, KeyError, OSError):
            raise ValueError("is no IANA time zone, such as America/Chicago or UTC") from None
        return value

    @field_validator("dates")
    @classmethod
    def _are_formats(cls, value: list[str]) -> list[str]:
        probe = datetime(2016, 2, 29, 13, 5, tzinfo=UTC)
        for form in value:
            if form == "iso":
                continue
            try:
                read = datetime.strptime(probe.strftime(form), form)  # noqa: DTZ007
            except ValueError as wrong:
                raise ValueError(f"{form!r} needs day, month and year: {wrong}") from None
            if (read.year, read.month, read.day) != (2016, 2, 29):
                raise ValueError(f"{form!r} needs day, month and year")
        return value

    @model_validator(mode="after")
    def _knows_resolved_and_closed(self) -> EventMapping:
        for where in ("subject", "description"):
            try:
                _fields(getattr(self.ticket, where))
            except ValueError as wrong:
                raise ValueError(f"ticket.{where}: {wrong}") from None
        return self

    def columns(self) -> dict[str, str]:
        """Every column that the mapping names, with the first key that names it."""
        named: dict[str, str] = {}
        for key, column in self._named():
            if column is not None:
                named.setdefault(column, key)
        return named

    def _named(self) -> Iterable[tuple[str, str | None]]:
        for key in ("id", "at", "opened_at", "by"):
            yield f"event.{key}", getattr(self.event, key)
        parts = ("status", "priority", "impact", "urgency", "queue", "category", "school")
        for key in (*parts, "requester", "assignee"):
            part = getattr(self, key)
            yield f"{key}.column", part.column if part is not None else None
        for key in ("resolved_at", "closed_at"):
            yield f"checks.{key}", getattr(self.checks, key)
        for key in ("subject", "description"):
            for column in _fields(getattr(self.ticket, key)):
                yield f"ticket.{key}", column

    def missing_columns(self, header: Iterable[str]) -> list[str]:
        """Each column that the mapping names and the file does not have, with the key that names it."""
        there = set(header)
        return [f"{column!r} ({key})" for column, key in self.columns().items() if column not in there]


def template_parts(template: str) -> list[tuple[str, str | None]]:
    """The template as pairs of plain text and the column that follows it, if any."""
    return [(text, column) for text, column, _, _ in Formatter().parse(template)]


def _fields(template: str) -> list[str]:
    """The columns in a template; ValueError says what is wrong with it."""
    columns = []
    for _, column, form, conversion in Formatter().parse(template):
        if column is None:
            continue
        if not column or form or conversion:
            raise ValueError("a template holds column names in braces, such as {number}")
        columns.append(column)
    return columns


def mapping_from_yaml(text: str) -> EventMapping:
    """The mapping that a YAML text describes, or BadMapping."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise BadMapping(f"The mapping is not YAML: {_first_line(wrong)}") from None
    if not isinstance(content, Mapping):
        raise BadMapping(
            "The mapping is a YAML object with name, zone, dates, event, ticket, status and more."
        )
    try:
        return EventMapping.model_validate(content)
    except ValidationError as wrong:
        raise BadMapping("\n".join(_sentence(error) for error in wrong.errors())) from None


def _sentence(error: Any) -> str:
    path = ".".join(str(part) for part in error["loc"]) or "mapping"
    said = {
        "missing": "is missing",
        "extra_forbidden": "is no key that a mapping has",
    }.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{path}: {said}"


def _first_line(wrong: yaml.YAMLError) -> str:
    mark = getattr(wrong, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark is not None else ""
    return where + str(getattr(wrong, "problem", wrong) or wrong).splitlines()[0]
