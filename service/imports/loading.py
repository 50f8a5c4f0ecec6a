"""Folded tickets into the database, a batch a transaction; what is there already is compared, not doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update

from service.core.database import Coded
from service.core.work import Work
from service.imports.copying import Json, copy_rows
from service.imports.directory import Directory, create_unknown, find_persons, person
from service.imports.folding import Folded, Traits, cycles_of, grew_from
from service.sla import covering, timers
from service.sla.calendar import instant
from service.sla.covering import Covered, Measure
from service.sla.cycle import Cycle, judged
from service.sla.models import SlaTimer, TimerState
from service.sla.policy import Target
from service.tickets.lifecycle import Status
from service.tickets.models import Channel, Kind, Ticket, TicketEvent, TicketText
from service.tickets.priority import Impact, Priority, Urgency

LOCK = 0x46425F49  # "FB_I"
IMPORTER = "Import"
STATUS, PRIORITY, IMPACT, URGENCY = Coded(Status), Coded(Priority), Coded(Impact), Coded(Urgency)
KIND, CHANNEL, TARGET, STATE = Coded(Kind), Coded(Channel), Coded(Target), Coded(TimerState)

TICKET_COLUMNS = [
    "id",
    "kind",
    "status",
    "priority",
    "impact",
    "urgency",
    "channel",
    "confidential",
    "version",
    "reopens",
    "queue_id",
    "requester_id",
    "assignee_id",
    "school_id",
    "place_id",
    "category_id",
    "language",
    "subject",
    "description",
    "tags",
    "shared_with",
    "external_id",
    "policy_id",
    "policy_version",
    "calendar_id",
    "hold_reason",
    "opened_at",
    "reported_at",
    "updated_at",
    "resolved_at",
    "closed_at",
    "next_due_at",
]
EVENT_COLUMNS = ["ticket_id", "kind", "at", "actor_name", "by_desk", "public", "status", "queue_id", "detail"]
TIMER_COLUMNS = ["ticket_id", "target", "n", *timers.CHANGING]


@dataclass
class Loader:
    """What an import keeps from batch to batch."""

    directory: Directory
    measures: dict[tuple[Any, ...], tuple[Covered, Measure | None]] = field(default_factory=dict)
    shared: dict[Covered, Measure] = field(default_factory=dict)


@dataclass
class Loaded:
    """What became of a batch; `differs` says why, by external id."""

    inserted: int = 0
    already_there: int = 0
    grown: int = 0
    differs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class There:
    """A ticket with one of our external ids. `lines` is None where no import made it."""

    id: int
    version: int
    lines: int | None
    fingerprint: str | None


async def load(work: Work, loader: Loader, batch: Sequence[Folded]) -> Loaded:
    """Insert what is new, leave what is equal, bring forward what grew, name what differs."""
    await work.session.execute(select(func.pg_advisory_xact_lock(LOCK)))
    there = await tickets_there(work, [external_id(loader.directory, ticket) for ticket in batch])
    loaded, new, grown = await sorted_out(work, loader.directory, batch, there)
    fresh = new + [ticket for ticket, _ in grown]
    if fresh:
        await create_unknown(work, loader.directory, fresh)
        await find_persons(work, loader.directory, fresh)
        for ticket in fresh:
            for traits in {turn.traits for turn in ticket.turns}:
                await _measure(work, loader, ticket, traits)
    if new:
        ids = await _numbers(work, len(new))
        await _insert(work, loader, list(zip(new, ids, strict=True)))
    if grown:
        await _replace(work, loader, grown)
    return loaded


def external_id(directory: Directory, ticket: Folded) -> str:
    return directory.mapping.ticket.external_prefix + ticket.number


async def tickets_there(eyes: Any, external_ids: Sequence[str]) -> dict[str, There]:
    """Tickets with these external ids, and what the import that made them knew."""
    opened = (
        select(TicketEvent.detail)
        .where(TicketEvent.ticket_id == Ticket.id, TicketEvent.kind == "ticket.opened")
        .order_by(TicketEvent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(Ticket.id, Ticket.external_id, Ticket.version, opened.label("opened")).where(
        Ticket.external_id.in_(external_ids)
    )
    found = {}
    for row in await eyes.db.execute(query):
        opened_with = row.opened or {}
        found[row.external_id] = There(
            row.id, row.version, opened_with.get("lines"), opened_with.get("fingerprint")
        )
    return found


async def sorted_out(
    eyes: Any, directory: Directory, batch: Sequence[Folded], there: dict[str, There]
) -> tuple[Loaded, list[Folded], list[tuple[Folded, int]]]:
    """The batch as what is new, what grew (with the id of its ticket), and a count of the rest."""
    loaded, new, grown = Loaded(), [], []
    for ticket in batch:
        name = external_id(directory, ticket)
        found = there.get(name)
        if found is None:
            new.append(ticket)
        elif found.fingerprint == ticket.fingerprint:
            loaded.already_there += 1
        elif reason := await _why_it_differs(eyes, ticket, found):
            loaded.differs[name] = reason
        else:
            grown.append((ticket, found.id))
    loaded.inserted, loaded.grown = len(new), len(grown)
    return loaded, new, grown


async def _why_it_differs(eyes: Any, ticket: Folded, there: There) -> str | None:
    """Why the ticket cannot follow the file; None if the file only has more of it."""
    if there.lines is None:
        return f"ticket {there.id} has this external id, and no import made it"
    if there.version != there.lines + 1:
        return f"ticket {there.id} was worked on here since it was imported"
    query = (
        select(TicketEvent.detail["hash"].astext)
        .where(TicketEvent.ticket_id == there.id, TicketEvent.detail.has_key("hash"))
        .order_by(TicketEvent.id)
    )
    before = [row[0] for row in await eyes.db.execute(query)]
    if grew_from(before, ticket.hashes):
        return None
    return f"the lines of ticket {there.id} are not the lines that were imported"


async def _numbers(work: Work, count: int) -> list[int]:
    query = text("SELECT nextval('ticket_numbers') FROM generate_series(1, :count)")
    return [row[0] for row in await work.session.execute(query, {"count": count})]


async def _measure(work: Work, loader: Loader, ticket: Folded, traits: Traits) -> None:
    """Find the policy for these traits once, and remember it."""
    key = _measure_key(loader, ticket, traits)
    if key in loader.measures:
        return
    directory = loader.directory
    queue = directory.queue(traits.queue)
    school_id = directory.schools.get(traits.school) if traits.school else None
    requester = person(directory, directory.mapping.requester, ticket.requester)
    chosen = {
        "kind": directory.mapping.ticket.kind.value,
        "category": directory.categories.get(traits.category) if traits.category else None,
        "school": school_id,
        "queue": queue.key if queue else None,
        "asset_kind": None,
        "requester_role": requester[1] if requester else None,
        "channel": Channel.IMPORT.value,
        "priority": traits.priority,
    }
    covered = await covering.choose(work, chosen, school_id, traits.priority)
    if covered not in loader.shared and (measure := await covering.measure(work, covered)) is not None:
        loader.shared[covered] = measure
    loader.measures[key] = (covered, loader.shared.get(covered))


def _measure_key(loader: Loader, ticket: Folded, traits: Traits) -> tuple[Any, ...]:
    requester = person(loader.directory, loader.directory.mapping.requester, ticket.requester)
    return (*traits, requester[1] if requester else None)


async def _insert(work: Work, loader: Loader, numbered: Sequence[tuple[Folded, int]]) -> None:
    tickets, timer_rows = _rows(loader, numbered, work.now)
    await copy_rows(work, "tickets", TICKET_COLUMNS, ([row[c] for c in TICKET_COLUMNS] for row in tickets))
    words = ((row["id"], f"{row['subject']}\n{row['description']}") for row in tickets)
    await copy_rows(work, "ticket_texts", ("ticket_id", "words"), words)
    await _insert_events(work, loader, numbered)
    await copy_rows(work, "sla_timers", TIMER_COLUMNS, timer_rows)


async def _insert_events(work: Work, loader: Loader, numbered: Sequence[tuple[Folded, int]]) -> None:
    rows = (row for ticket, number in numbered for row in _event_rows(loader.directory, ticket, number))
    await copy_rows(work, "ticket_events", EVENT_COLUMNS, rows)


async def _replace(work: Work, loader: Loader, grown: Sequence[tuple[Folded, int]]) -> None:
    """Fold tickets again that nobody has touched since they were imported: row, events and timers anew."""
    tickets, timer_rows = _rows(loader, grown, work.now)
    ids = [number for _, number in grown]
    imported = or_(TicketEvent.detail.has_key("hash"), TicketEvent.kind == "ticket.opened")
    await work.session.execute(delete(TicketEvent).where(TicketEvent.ticket_id.in_(ids), imported))
    await work.session.execute(delete(SlaTimer).where(SlaTimer.ticket_id.in_(ids)))
    for row in tickets:
        values = {name: value for name, value in _decoded(row).items() if name != "id"}
        await work.session.execute(update(Ticket).where(Ticket.id == row["id"]).values(values))
        await work.session.execute(
            update(TicketText)
            .where(TicketText.ticket_id == row["id"])
            .values(words=f"{row['subject']}\n{row['description']}")
        )
    await _insert_events(work, loader, grown)
    await copy_rows(work, "sla_timers", TIMER_COLUMNS, timer_rows)


def _rows(
    loader: Loader, numbered: Sequence[tuple[Folded, int]], now: datetime
) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Ticket rows and timer rows."""
    tickets, timer_rows = [], []
    for ticket, number in numbered:
        cycles = _cycles(loader, ticket)
        due = []
        for cycle, measure in cycles:
            timer_rows.append(_timer_row(cycle, measure, number, now))
            if cycle.is_open and not cycle.is_paused:
                due.append(judged(cycle, measure.calendar, now).due_at)
        tickets.append(_ticket_row(loader, ticket, number, min(due, default=None)))
    return tickets, timer_rows


def _cycles(loader: Loader, ticket: Folded) -> list[tuple[Cycle, Measure]]:
    def cover_of(traits: Traits) -> Measure | None:
        return loader.measures[_measure_key(loader, ticket, traits)][1]

    part = loader.directory.mapping.requester
    for_requester = person(loader.directory, part, ticket.requester) is not None
    return cycles_of(ticket, cover_of, for_requester=for_requester)


def _ticket_row(loader: Loader, ticket: Folded, number: int, next_due_at: datetime | None) -> dict[str, Any]:
    directory = loader.directory
    mapping = directory.mapping
    covered, _ = loader.measures[_measure_key(loader, ticket, ticket.turns[-1].traits)]
    queue = directory.queue(ticket.queue)
    assert queue is not None
    requester = person(directory, mapping.requester, ticket.requester)
    assignee = person(directory, mapping.assignee, ticket.assignee)
    school_id = directory.schools.get(ticket.school) if ticket.school else None
    return {
        "id": number,
        "kind": KIND.code(mapping.ticket.kind),
        "status": STATUS.code(Status(ticket.status)),
        "priority": PRIORITY.code(Priority(ticket.priority)),
        "impact": IMPACT.code(Impact(ticket.impact or "individual")),
        "urgency": URGENCY.code(Urgency(ticket.urgency or "workaround")),
        "channel": CHANNEL.code(Channel.IMPORT),
        "confidential": queue.confidential,
        "version": len(ticket.events),
        "reopens": ticket.reopens,
        "queue_id": queue.id,
        "requester_id": requester[0] if requester else None,
        "assignee_id": assignee[0] if assignee else None,
        "school_id": school_id,
        "place_id": school_id,
        "category_id": directory.categories.get(ticket.category) if ticket.category else None,
        "language": mapping.ticket.language,
        "subject": ticket.subject,
        "description": ticket.description,
        "tags": [],
        "shared_with": [],
        "external_id": external_id(directory, ticket),
        "policy_id": covered.policy_id,
        "policy_version": covered.policy_version,
        "calendar_id": covered.calendar_id,
        "hold_reason": ticket.hold_reason,
        "opened_at": instant(ticket.opened_at),
        "reported_at": instant(ticket.opened_at),
        "updated_at": instant(ticket.updated_at),
        "resolved_at": _instant(ticket.resolved_at),
        "closed_at": _instant(ticket.closed_at),
        "next_due_at": next_due_at,
    }


def _instant(us: int | None) -> datetime | None:
    return None if us is None else instant(us)


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    """The row as the ORM takes it: members instead of codes."""
    coded = {"kind": KIND, "status": STATUS, "priority": PRIORITY, "impact": IMPACT, "urgency": URGENCY}
    coded["channel"] = CHANNEL
    return row | {
        name: kind.process_result_value(row[name], None)  # type: ignore[attr-defined]
        for name, kind in coded.items()
    }


def _event_rows(directory: Directory, ticket: Folded, number: int) -> list[list[Any]]:
    codes = STATUS_CODES
    queues = directory.queues
    return [
        [
            number,
            event.kind,
            instant(event.at),
            event.by or IMPORTER,
            True,
            event.public,
            codes[event.status] if event.status else None,
            queues[event.queue].id if event.queue else None,
            Json(event.detail),
        ]
        for event in ticket.events
    ]


STATUS_CODES = {status.value: STATUS.code(status) for status in Status}


def _timer_row(cycle: Cycle, measure: Measure, number: int, now: datetime) -> list[Any]:
    """A timer as it stands now. One past its due time was breached then, and no sweep looks at it; steps
    whose time has passed are not taken any more.
    """
    due_at = judged(cycle, measure.calendar, now).due_at
    noted = due_at if due_at < now else None
    passed = [
        step | {"fired": True}
        for step in timers.steps_of(cycle, measure, now)
        if step["at"] is not None and step["at"] < now
    ]
    row = timers.values_of(cycle, measure, now, noted=noted, steps=passed)
    row["ticket_id"] = number
    row["target"], row["state"] = TARGET.code(row["target"]), STATE.code(row["state"])
    row["pauses"], row["steps"] = Json(row["pauses"]), Json(row["steps"])
    return [row[name] for name in TIMER_COLUMNS]
