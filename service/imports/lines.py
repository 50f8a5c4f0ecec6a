"""One row of an export as an event line: what its words mean here, or the reason why they mean nothing.

PURE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from service.imports.mapping import EventMapping, Names, Values, template_parts
from service.sla.calendar import micros

LONGEST_ID = 200
LONGEST_SUBJECT = 200
LONGEST_DESCRIPTION = 20_000
YEARS = range(1970, 2201)


class Line(NamedTuple):
    """What a line says. Instants are UTC microseconds; None is "missing". Lines sort by their first three."""

    id: str
    rank: int
    line: int
    at: int
    opened_at: int
    state: str
    status: str
    priority: str
    impact: str | None
    urgency: str | None
    queue: str | None
    category: str | None
    school: str | None
    requester: str | None
    assignee: str | None
    by: str | None
    subject: str
    description: str
    resolved_at: int | None
    closed_at: int | None


class Unfit(ValueError):
    """A line that means nothing; the message is the reason, as the rejects file tells it."""


@dataclass(frozen=True, slots=True)
class Known:
    """Names that the desk has: a line with another one is refused where the mapping wants that."""

    queue: frozenset[str] = field(default=frozenset())
    category: frozenset[str] = field(default=frozenset())
    school: frozenset[str] = field(default=frozenset())


Read = Callable[[Sequence[str]], Any]


def line_reader(
    mapping: EventMapping, header: Sequence[str], known: Known
) -> Callable[[int, list[str]], Line]:
    """A function from line number and values to a Line, or Unfit, compiled for one file."""
    places = {name: i for i, name in enumerate(header)}
    missing = frozenset(mapping.missing)
    text = _texts(places, missing)
    at = _instants(mapping)
    event, ticket = mapping.event, mapping.ticket
    read_id, read_at, read_opened = text(event.id), text(event.at), text(event.opened_at)
    read_by = text(event.by)
    read_state, status = text(mapping.status.column), _meaning(mapping.status, "status")
    read_priority, priority = text(mapping.priority.column), _meaning(mapping.priority, "priority")
    impact, urgency = _optional(mapping.impact, "impact", text), _optional(mapping.urgency, "urgency", text)
    queue = _named(mapping.queue, "queue", known.queue, text)
    category = _named(mapping.category, "category", known.category, text)
    school = _named(mapping.school, "school", known.school, text)
    requester = text(mapping.requester.column if mapping.requester else None)
    assignee = text(mapping.assignee.column if mapping.assignee else None)
    subject, description = _filled(ticket.subject, text), _filled(ticket.description, text)
    resolved_at, closed_at = text(mapping.checks.resolved_at), text(mapping.checks.closed_at)
    by_time = event.order == "time"

    def read(line: int, fields: list[str]) -> Line:
        name = read_id(fields)
        if name is None or len(name) > LONGEST_ID:
            raise Unfit(f"{event.id} is {'missing' if name is None else 'too long'}")
        when = at(_there(read_at(fields), event.at))
        state = _there(read_state(fields), mapping.status.column)
        summed = (resolved_at(fields), closed_at(fields))
        return Line(
            id=name,
            rank=when if by_time else line,
            line=line,
            at=when,
            opened_at=at(_there(read_opened(fields), event.opened_at)),
            state=state,
            status=status(state),
            priority=priority(read_priority(fields)),
            impact=impact(fields),
            urgency=urgency(fields),
            queue=queue(fields),
            category=category(fields),
            school=school(fields),
            requester=requester(fields),
            assignee=assignee(fields),
            by=read_by(fields),
            subject=subject(fields)[:LONGEST_SUBJECT] or name,
            description=description(fields)[:LONGEST_DESCRIPTION],
            resolved_at=at(summed[0]) if summed[0] else None,
            closed_at=at(summed[1]) if summed[1] else None,
        )

    return read


def event_test(mapping: EventMapping, header: Sequence[str]) -> Callable[[list[str]], bool]:
    """A function that says whether values can be an event line: an id, and both instants in place."""
    places = {name: i for i, name in enumerate(header)}
    text, at = _texts(places, frozenset(mapping.missing)), _instants(mapping)
    event = mapping.event
    read_id, reads = text(event.id), (text(event.at), text(event.opened_at))

    def can_be(fields: list[str]) -> bool:
        try:
            return read_id(fields) is not None and all(at(_there(read(fields), "")) for read in reads)
        except Unfit:
            return False

    return can_be


def _there(value: str | None, column: str) -> str:
    if value is None:
        raise Unfit(f"{column} is missing")
    return value


def _texts(places: Mapping[str, int], missing: frozenset[str]) -> Callable[[str | None], Read]:
    """How to read a column as text, None where it is missing."""

    def reader(column: str | None) -> Read:
        if column is None:
            return lambda fields: None
        place = places[column]

        def read(fields: Sequence[str]) -> str | None:
            value = fields[place].strip()
            return None if value in missing else value

        return read

    return reader


def _instants(mapping: EventMapping) -> Callable[[str], int]:
    """How to read an instant; the same text comes many times, so answers are kept."""
    zone = ZoneInfo(mapping.zone)

    @lru_cache(maxsize=1 << 16)
    def read(text: str) -> int:
        for form in mapping.dates:
            try:
                found = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
            except ValueError:
                continue
            if found.year not in YEARS:
                break
            aware = found if found.tzinfo is not None else found.replace(tzinfo=zone)
            return micros(aware.astimezone(UTC))
        raise Unfit(f"{text[:60]!r} is no date that the mapping reads")

    return read


def _meaning(part: Values, name: str) -> Callable[[str | None], str]:
    """How a value reads here."""
    values = {source: str(ours) for source, ours in part.values.items()}
    other = None if part.unmapped == "reject" else str(part.unmapped)

    def read(value: str | None) -> str:
        ours = values.get(value, other) if value is not None else other
        if ours is None:
            said = "is missing" if value is None else f"{value[:60]!r} has no {name} in the mapping"
            raise Unfit(f"{part.column}: {said}" if value is not None else f"{part.column} {said}")
        return ours

    return read


def _optional(part: Values | None, name: str, text: Callable[[str | None], Read]) -> Read:
    if part is None:
        return lambda fields: None
    column, meaning = text(part.column), _meaning(part, name)
    return lambda fields: meaning(column(fields))


def _named(part: Names | None, name: str, known: frozenset[str], text: Callable[[str | None], Read]) -> Read:
    """A name as the source has it; one that leads nowhere is missing, or refused."""
    if part is None:
        return lambda fields: None
    column, create, refuse = text(part.column), part.create, part.unmapped == "reject"
    leads = known | frozenset(part.values)

    def read(fields: Sequence[str]) -> str | None:
        value: str | None = column(fields)
        if value is None or create or value in leads:
            return value
        if refuse:
            raise Unfit(f"{part.column}: there is no {name} {value[:60]!r}")
        return None

    return read


def _filled(template: str, text: Callable[[str | None], Read]) -> Callable[[Sequence[str]], str]:
    """How a template is filled in, with missing values left out and spaces drawn together."""
    parts = [(plain, text(column)) for plain, column in template_parts(template)]

    def fill(fields: Sequence[str]) -> str:
        return " ".join("".join(f"{plain}{read(fields) or ''}" for plain, read in parts).split())

    return fill
