"""Imports into a real database of their own, since they commit."""

from __future__ import annotations

import csv
import gzip
import lzma
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from service.core.actor import SYSTEM, Actor, Role, Scope
from service.core.database import make_engine
from service.core.errors import Forbidden, Invalid
from service.core.migrating import migrate
from service.core.work import Resources
from service.imports import actions
from service.imports.actions import Imported, import_incidents
from service.imports.mapping import EventMapping, mapping_from_yaml
from service.places.models import Place
from service.sla.models import SlaTimer, TimerState
from service.tickets.lifecycle import Status
from service.tickets.models import Category, Channel, Queue, Ticket, TicketEvent
from service.tickets.priority import Priority
from tests import makers
from tests.conftest import fresh_database
from tests.rooms.test_imports_reading import SMALL

COLUMNS = ["number", "at", "opened", "state", "priority", "team", "kind", "site", "who", "text"]
HEADER = ",".join(COLUMNS)
MAPPING = SMALL.replace("{New: new, Done: resolved}", "{New: new, Work: in_progress, Hold: on_hold, "
    "Ask: waiting_on_requester, Done: resolved, Over: closed}") + """
category: {column: kind, create: true}
school: {column: site, create: true}
requester: {column: who, match: email}
"""  # fmt: skip
MON = "7/3/2016"


def event(number: str, at: str, state: str, **said: str) -> str:
    values = {"opened": f"{MON} 09:00", "priority": "low", "team": "Net", "kind": "WiFi", "site": "North"}
    values |= {"number": number, "at": f"{MON} {at}", "state": state, "who": "", "text": "no signal"} | said
    return ",".join(values[column] for column in COLUMNS)


LOG = [
    event("A1", "09:00", "New"),
    event("A1", "09:30", "Work"),
    event("A1", "10:00", "Hold", team="Desk"),
    event("A1", "11:00", "Done", priority="high"),
    event("B2", "09:05", "Done", opened=f"{MON} 08:00", team=""),
    event("B2", "09:45", "Over", opened=f"{MON} 08:00", team=""),
    event("C3", "12:00", "Work", kind=""),
]


@pytest.fixture(scope="module")
async def resources(server_url: str) -> AsyncIterator[Resources]:
    with fresh_database(server_url, f"fb_imports_{makers.unique('db')}") as url:
        migrate(url)
        made = Resources(engine=make_engine(url, pool=2))
        yield made
        await made.close()


@pytest.fixture(autouse=True)
async def desk(resources: Resources) -> AsyncIterator[None]:
    """A desk with a default queue, office hours in UTC and a policy; emptied afterwards."""
    hours = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    async with resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        await makers.make_calendar(work, {"zone": "UTC", "hours": hours})
        await makers.make_policy(work)
    yield
    async with resources.begin(SYSTEM) as work:
        tables = "tickets, queues, categories, places, persons, sla_policies, policy_editions, calendars"
        await work.session.execute(text(f"TRUNCATE {tables} CASCADE"))
        work.change_config()


@pytest.fixture
def mapping() -> EventMapping:
    return mapping_from_yaml(MAPPING)


def save(tmp_path: Path, lines: list[str], name: str = "log.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


async def state(resources: Resources) -> dict[str, Any]:
    """Everything an import writes, to be compared."""
    tables = ("tickets", "ticket_events", "sla_timers", "ticket_texts", "queues", "categories", "places")
    found = {}
    async with resources.read(SYSTEM) as read:
        for table in tables:
            rows = await read.db.execute(text(f"SELECT t::text FROM {table} t ORDER BY t::text"))
            found[table] = list(rows.scalars())
    return found


async def one(resources: Resources, number: str) -> Any:
    async with resources.read(SYSTEM) as read:
        return (await read.db.execute(select(Ticket.__table__).where(Ticket.external_id == number))).one()


async def events_of(resources: Resources, number: str) -> list[Any]:
    query = (
        select(TicketEvent.kind, TicketEvent.at, TicketEvent.status, Queue.name.label("queue"))
        .join(Ticket, Ticket.id == TicketEvent.ticket_id)
        .outerjoin(Queue, Queue.id == TicketEvent.queue_id)
        .where(Ticket.external_id == number)
        .order_by(TicketEvent.id)
    )
    async with resources.read(SYSTEM) as read:
        return list((await read.db.execute(query)).all())


async def test_an_incident_keeps_its_times_events_and_names(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    result = await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    assert (result.lines, result.incidents, result.inserted, result.rejected) == (7, 3, 3, 0)
    assert result.created == {"queues": 2, "categories": 1, "schools": 1}
    ticket = await one(resources, "A1")
    assert (ticket.status, ticket.priority, ticket.channel) == (Status.RESOLVED, Priority.P1, Channel.IMPORT)
    assert ticket.opened_at.isoformat() == "2016-03-07T09:00:00+00:00"
    assert ticket.resolved_at.isoformat() == "2016-03-07T11:00:00+00:00"
    assert (ticket.subject, ticket.version, ticket.school_id) == ("A1 no signal", 5, "north")
    told = [(e.kind, e.at.strftime("%H:%M"), e.status, e.queue) for e in await events_of(resources, "A1")]
    assert told == [
        ("ticket.opened", "09:00", Status.NEW, None),
        ("ticket.imported_update", "09:00", None, "Net"),
        ("ticket.started", "09:30", Status.IN_PROGRESS, None),
        ("ticket.held", "10:00", Status.ON_HOLD, "Desk"),
        ("ticket.resolved", "11:00", Status.RESOLVED, "Net"),
    ]


async def test_a_ticket_without_a_group_waits_in_the_default_queue_and_moves_nowhere(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    ticket = await one(resources, "B2")
    async with resources.read(SYSTEM) as read:
        assert await read.db.scalar(select(Queue.is_default).where(Queue.id == ticket.queue_id))
    assert [e.queue for e in await events_of(resources, "B2")] == [None, None, None]
    assert ticket.closed_at is not None


async def test_timers_ran_at_the_original_times(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    """P4 until 11:00, then P1, on hold from 10:00 to 11:00: the four hours of P1 were kept."""
    await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    ticket = await one(resources, "A1")
    query = select(SlaTimer.__table__).where(SlaTimer.ticket_id == ticket.id)
    async with resources.read(SYSTEM) as read:
        (timer,) = (await read.db.execute(query)).all()
    assert (timer.state, timer.goal.total_seconds(), timer.next_check_at) == (TimerState.MET, 240 * 60, None)
    assert timer.due_at.isoformat() == "2016-03-07T14:00:00+00:00"
    assert timer.pauses == [["2016-03-07T10:00:00+00:00", "2016-03-07T11:00:00+00:00", "on_hold"]]


async def test_a_breach_long_past_is_noted_and_no_sweep_finds_it(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    ticket = await one(resources, "C3")
    query = select(SlaTimer.__table__).where(SlaTimer.ticket_id == ticket.id)
    async with resources.read(SYSTEM) as read:
        (timer,) = (await read.db.execute(query)).all()
        assert await read.db.scalar(select(func.count()).where(SlaTimer.next_check_at.is_not(None))) == 0
    assert (timer.state, timer.stopped_at, timer.breached_at) == (TimerState.BREACHED, None, timer.due_at)
    assert ticket.next_due_at == timer.due_at


async def test_an_import_tells_nobody_of_what_is_long_past_and_begins_no_other_agreement(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    late = {"target": "resolution", "after_minutes": 30, "tell": ["leads"]}
    async with resources.begin(SYSTEM) as work:
        await makers.make_policy(work, position=1, rules={"escalate": [late]})
        await makers.make_policy(work, kind="ola", targets={"P4": {"resolution": 60}})
    await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    ticket = await one(resources, "C3")
    async with resources.read(SYSTEM) as read:
        agreements = (await read.db.execute(select(SlaTimer.agreement).distinct())).scalars().all()
        query = select(SlaTimer.steps, SlaTimer.next_check_at).where(SlaTimer.ticket_id == ticket.id)
        (timer,) = (await read.db.execute(query)).all()
    assert [agreement.value for agreement in agreements] == ["sla"]
    assert ([step["fired"] for step in timer.steps], timer.next_check_at) == ([True], None)


async def test_the_second_run_changes_nothing(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    path = save(tmp_path, LOG)
    await import_incidents(resources, SYSTEM, path, mapping)
    before = await state(resources)
    again = await import_incidents(resources, SYSTEM, path, mapping)
    assert (again.inserted, again.already_there, again.changed, again.differing) == (0, 3, 0, 0)
    assert await state(resources) == before


async def test_a_dry_run_says_the_same_and_writes_nothing(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    path, before = save(tmp_path, LOG), await state(resources)
    dry = await import_incidents(resources, SYSTEM, path, mapping, dry_run=True)
    assert await state(resources) == before
    wet = await import_incidents(resources, SYSTEM, path, mapping)

    def said(result: Imported) -> dict[str, Any]:
        return {
            k: v for k, v in result.to_json().items() if k not in ("dry_run", "seconds", "lines_a_second")
        }

    assert said(dry) == said(wet)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
async def test_packed_and_scattered_lines_make_the_same_tickets(
    resources: Resources, mapping: EventMapping, tmp_path: Path, pack: Any
) -> None:
    scattered = [LOG[4], LOG[0], LOG[6], LOG[1], LOG[5], LOG[2], LOG[3]]
    path = tmp_path / "log.packed"
    path.write_bytes(pack(("\n".join([HEADER, *scattered]) + "\n").encode()))
    await import_incidents(resources, SYSTEM, path, mapping, tickets_a_batch=1, lines_a_run=2)
    again = await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    assert again.already_there == 3


async def test_a_run_that_breaks_off_is_run_again(
    resources: Resources, mapping: EventMapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = save(tmp_path, LOG), actions.load
    calls = 0

    async def dies(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        loaded = await load(*args)
        if calls == 2:
            raise RuntimeError("the power fails before the commit")
        return loaded

    monkeypatch.setattr(actions, "load", dies)
    with pytest.raises(RuntimeError):
        await import_incidents(resources, SYSTEM, path, mapping, tickets_a_batch=1)
    monkeypatch.undo()
    again = await import_incidents(resources, SYSTEM, path, mapping, tickets_a_batch=1)
    assert (again.already_there, again.inserted) == (1, 2)
    assert (await import_incidents(resources, SYSTEM, path, mapping)).already_there == 3


async def test_a_later_export_brings_tickets_forward(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    await import_incidents(resources, SYSTEM, save(tmp_path, LOG[:2] + LOG[4:]), mapping)
    before = await one(resources, "A1")
    result = await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    after = await one(resources, "A1")
    assert (result.changed, result.already_there, result.differing) == (1, 2, 0)
    assert (before.id, before.status, after.id, after.status) == (
        after.id, Status.IN_PROGRESS, before.id, Status.RESOLVED,
    )  # fmt: skip
    assert len(await events_of(resources, "A1")) == after.version == 5
    assert (await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)).already_there == 3


async def test_what_differs_is_named_and_left_alone(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    await import_incidents(resources, SYSTEM, save(tmp_path, LOG), mapping)
    async with resources.begin(SYSTEM) as work:
        changed = update(Ticket).where(Ticket.external_id == "C3").values(version=9)
        await work.session.execute(changed)
        await makers.make_ticket(work, external_id="D4")
    before = await state(resources)
    lines = [*LOG[:3], *LOG[4:], event("C3", "13:00", "Done"), event("D4", "10:00", "New")]
    result = await import_incidents(resources, SYSTEM, save(tmp_path, lines), mapping)
    assert (result.inserted, result.already_there, result.changed, result.differing) == (0, 1, 0, 3)
    assert "not the lines that were imported" in result.differs["A1"]
    assert "worked on here" in result.differs["C3"]
    assert "no import made it" in result.differs["D4"]
    assert await state(resources) == before


async def test_bad_lines_are_written_down_and_lose_nothing_else(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    bad = {
        2: event("A1", "25:99", "Work"),
        4: event("A1", "09:40", "Nonsense"),
        5: 'A1,"never ended',
        7: event("", "09:41", "Work"),
        9: "only,three,values",
    }
    lines = list(LOG)
    for place, line in bad.items():
        lines.insert(place, line)
    result = await import_incidents(resources, SYSTEM, save(tmp_path, lines), mapping)
    assert (result.incidents, result.lines, result.rejected) == (3, 12, 5)
    path = tmp_path / "log.csv.rejects.csv"
    assert result.rejects == str(path)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["line", "reason", *COLUMNS]
    assert [int(row[0]) for row in rows[1:]] == [place + 2 for place in bad]
    assert "no date" in rows[1][1]
    assert "'Nonsense' has no status" in rows[2][1]
    again = await import_incidents(resources, SYSTEM, save(tmp_path, LOG, "clean.csv"), mapping)
    assert again.already_there == 3


async def test_rejects_go_where_they_are_wanted(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    path, wanted = save(tmp_path, ["nonsense"]), tmp_path / "why.csv"
    result = await import_incidents(resources, SYSTEM, path, mapping, rejects=wanted)
    assert (result.rejects, result.incidents) == (str(wanted), 0)
    nowhere = tmp_path / "no" / "such" / "folder.csv"
    with pytest.raises(Invalid, match="cannot be written"):
        await import_incidents(resources, SYSTEM, path, mapping, rejects=nowhere)


async def test_names_that_are_there_are_used(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    async with resources.begin(SYSTEM) as work:
        school = await makers.make_school(work, name="North", id="0007")
        net = await makers.make_queue(work, key="network", name="Net")
        await makers.make_category(work, "wifi")
        await makers.make_queue(work, key="desk-team", name="Desk")
        ann = await makers.make_person(work, email="Ann@North.example", school_id=school.id)
    lines = [event("A1", "10:00", "New", kind="wifi", who="ann@north.EXAMPLE")]
    result = await import_incidents(resources, SYSTEM, save(tmp_path, lines), mapping)
    ticket = await one(resources, "A1")
    assert result.created == {"queues": 0, "categories": 0, "schools": 0}
    assert (ticket.school_id, ticket.queue_id, ticket.category_id) == ("0007", net.id, "wifi")
    assert ticket.requester_id == ann.id


async def test_two_names_with_one_key_stay_two(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    lines = [event("A1", "10:00", "New", team="Net 1"), event("A2", "10:00", "New", team="net-1")]
    await import_incidents(resources, SYSTEM, save(tmp_path, lines), mapping)
    async with resources.read(SYSTEM) as read:
        keys = list(await read.db.scalars(select(Queue.key).order_by(Queue.key)))
        assert await read.db.scalar(select(func.count()).select_from(Category)) == 1
        assert await read.db.scalar(select(func.count()).select_from(Place)) == 1
    assert keys == ["desk", "net-1", "net-1-2"]


async def test_text_comes_through_as_it_is(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    odd = "Ünïcode \\N back\\slash {curly} “quotes” 🖨"
    lines = [event("A1", "10:00", "New", text=odd)]
    await import_incidents(resources, SYSTEM, save(tmp_path, lines), mapping)
    assert (await one(resources, "A1")).subject == f"A1 {odd}"


@pytest.mark.parametrize(
    "actor",
    [
        Actor("lead", Role.LEAD),
        Actor("admin with a narrow token", Role.ADMIN, scopes=frozenset({Scope.TICKETS_WRITE})),
    ],
)
async def test_only_an_administrator_imports(
    resources: Resources, mapping: EventMapping, tmp_path: Path, actor: Actor
) -> None:
    with pytest.raises(Forbidden):
        await import_incidents(resources, actor, save(tmp_path, LOG), mapping)


async def test_a_file_that_does_not_fit_is_refused_with_its_columns(
    resources: Resources, mapping: EventMapping, tmp_path: Path
) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Invalid, match=r"'number' \(event\.id\)"):
        await import_incidents(resources, SYSTEM, path, mapping)
    with pytest.raises(Invalid, match="cannot be read"):
        await import_incidents(resources, SYSTEM, tmp_path / "none.csv", mapping)
