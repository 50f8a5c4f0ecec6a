"""The demo district: whole, in every state, and consistent with the rules it was made by."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

from service.assets.models import Asset
from service.core.actor import DESK_ROLES, SYSTEM, Role
from service.core.database import make_engine
from service.core.errors import Conflict
from service.core.migrating import migrate
from service.core.work import Read, Resources
from service.demo.fill import ensure_filled, fresh_tokens
from service.people.actions import NewPerson, add_person
from service.people.identity import identify_with
from service.people.models import Person
from service.places.models import Place, PlaceKind
from service.sla import covering, timers
from service.sla.agreement import THE_QUEUE, Party, seen_by
from service.sla.calendar import Calendar
from service.sla.course import (
    CancelledBecause,
    Change,
    Course,
    HandedOver,
    Note,
    Opened,
    PublicReply,
    Received,
    StatusChanged,
    TargetsChanged,
    advance,
    followed,
)
from service.sla.cycle import Cycle, judged
from service.sla.models import SlaTimer, TimerState
from service.sla.policy import Agreement, Policy
from service.tickets.lifecycle import Status, moved
from service.tickets.models import Channel, Queue, Ticket, TicketEvent
from tests.conftest import fresh_database
from tests.doors.conftest import DEMO_NOW as NOW

NOTHING = (Policy(targets={}), Calendar("UTC", {}))
pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
async def demo(server_url: str, filled_demo: str) -> AsyncIterator[Resources]:
    """A filled desk of its own."""
    with fresh_database(server_url, "demo", like=filled_demo) as url:
        engine = make_engine(url, pool=2)
        resources = Resources(engine=engine, clock=lambda: NOW)
        resources.identify = identify_with(resources)
        yield resources
        await engine.dispose()


@pytest.fixture
async def read(demo: Resources) -> AsyncIterator[Read]:
    async with demo.read(SYSTEM) as read:
        yield read


async def test_it_has_four_schools_sixty_people_of_all_roles_and_three_hundred_devices(read: Read) -> None:
    assert await _count(read, select(Place.id).where(Place.kind == PlaceKind.SCHOOL)) == 4
    assert await _count(read, select(Asset.id)) == 300
    roles = (await read.db.execute(select(Person.role))).scalars().all()
    assert len(roles) == 60
    assert set(roles) == set(Role) - {Role.SYSTEM}


async def test_it_has_some_weeks_of_tickets_in_every_status_and_every_queue(read: Read) -> None:
    rows = (await read.db.execute(select(Ticket.status, Ticket.queue_id, Ticket.opened_at))).all()
    assert 250 <= len(rows) <= 400
    assert {row.status for row in rows} == set(Status)
    assert {row.queue_id for row in rows} == set((await read.db.execute(select(Queue.id))).scalars())
    assert (max(r.opened_at for r in rows) - min(r.opened_at for r in rows)).days >= 30
    assert max(r.opened_at for r in rows) <= NOW


async def test_numbers_and_events_ascend_in_time(read: Read) -> None:
    opened = (await read.db.execute(select(Ticket.opened_at).order_by(Ticket.id))).scalars().all()
    assert list(opened) == sorted(opened)
    acts = select(TicketEvent.at).where(~TicketEvent.kind.startswith("sla.")).order_by(TicketEvent.id)
    happened = (await read.db.execute(acts)).scalars().all()
    assert list(happened) == sorted(happened)
    assert happened[-1] <= NOW


async def test_the_events_of_every_ticket_replay_to_its_status(read: Read) -> None:
    events = await _events(read)
    for ticket in await _tickets(read):
        statuses = [event.status for event in events[ticket.id] if event.status is not None]
        assert statuses[0] is Status.NEW
        status = statuses[0]
        for following in statuses[1:]:
            status = moved(status, to=following)
        assert status is ticket.status, ticket.id


async def test_the_timers_are_what_the_pure_rules_make_of_the_events(read: Read) -> None:
    events, rows = await _events(read), await _timers(read)
    replay = Replay(read, await _roles(read))
    retimed = 0
    for ticket in await _tickets(read):
        story = await replay.story(ticket, events[ticket.id])
        owed = [row for row in rows[ticket.id] if row.agreement is Agreement.SLA]
        assert {(c.target, c.n): c for c in story.cycles} == {
            (row.target, row.n): timers.cycle_of(row) for row in owed
        }, ticket.id
        retimed += story.retimed
        if not story.retimed and story.policy is not None:
            opened, *changes = story.changes
            assert isinstance(opened, Opened)
            again = followed(opened, changes, story.policy, story.calendar)
            assert set(again) == set(story.cycles), ticket.id
        for row in owed:
            cycle = timers.cycle_of(row)
            if cycle.is_open and not cycle.is_paused:
                assert row.due_at == judged(cycle, story.calendar, NOW).due_at
    assert retimed


async def test_what_queues_and_vendors_owe_is_what_the_pure_rules_make_of_the_events(read: Read) -> None:
    events, rows = await _events(read), await _timers(read)
    replay = Replay(read, await _roles(read))
    seen: Counter[tuple[str, str]] = Counter()
    for ticket in await _tickets(read):
        vendors = {Party(Agreement.VENDOR, row.vendor_id) for row in rows[ticket.id] if row.vendor_id}
        for party in (THE_QUEUE, *vendors):
            cycles = await replay.agreed(party, ticket, events[ticket.id])
            owed = [row for row in rows[ticket.id] if (row.agreement, row.vendor_id) == party]
            assert {timers.cycle_of(row) for row in owed} == set(cycles), ticket.id
            seen.update((party.agreement.value, row.state.value) for row in owed)
    assert {"met", "breached"} <= {state for kind, state in seen if kind == "ola"}
    assert {kind for kind, _ in seen} == {"ola", "vendor"}


async def test_the_next_due_time_of_a_ticket_is_the_earliest_that_runs(read: Read) -> None:
    rows = await _timers(read)
    for ticket in await _tickets(read):
        running = [row.due_at for row in rows[ticket.id] if row.stopped_at is None and row.due_at]
        assert ticket.next_due_at == min(running, default=None), ticket.id


async def test_every_breach_is_noted_once_and_none_is_left_to_the_sweep(read: Read) -> None:
    """A target that was late and is counted anew on another calendar may be late again at another instant."""
    noted = Counter(
        (event.ticket_id, event.detail["agreement"], event.detail["target"], event.detail["cycle"], event.at)
        for of_one in (await _events(read)).values()
        for event in of_one
        if event.kind == "sla.breached"
    )
    rows = [row for of_one in (await _timers(read)).values() for row in of_one]
    late = [row for row in rows if row.breached_at is not None]
    assert {
        (row.ticket_id, row.agreement.value, row.target.value, row.n, row.breached_at) for row in late
    } <= set(noted)
    assert set(noted.values()) == {1}
    assert len(late) > 20
    assert not [row for row in rows if row.state is TimerState.RUNNING and row.due_at < NOW]
    assert {row.state for row in rows} == set(TimerState)


async def test_a_second_run_adds_nothing(demo: Resources, read: Read) -> None:
    tables = [Place.id, Person.id, Asset.id, Ticket.id, TicketEvent.id, SlaTimer.id]
    before = [await _count(read, select(column)) for column in tables]
    assert not await ensure_filled(demo)
    assert [await _count(read, select(column)) for column in tables] == before


async def test_its_tokens_are_a_teachers_a_technicians_and_an_integrations(demo: Resources) -> None:
    tokens = await fresh_tokens(demo)
    roles = {name: (await demo.identify(made.secret)).role for name, made in tokens.items()}
    assert roles == {"teacher": Role.STAFF, "technician": Role.TECHNICIAN, "integration": Role.INTEGRATION}
    assert all(made.secret.startswith("fb_") for made in tokens.values())


async def test_a_desk_with_data_of_its_own_is_refused(server_url: str) -> None:
    with fresh_database(server_url, f"own_{uuid.uuid4().hex[:12]}") as url:
        migrate(url)
        engine = make_engine(url, pool=2)
        resources = Resources(engine=engine)
        async with resources.begin(SYSTEM) as work:
            await add_person(work, NewPerson(name="Somebody", role=Role.ADMIN))
        with pytest.raises(Conflict, match="data of its own"):
            await ensure_filled(resources)
        await engine.dispose()


class Replay:
    """Reads a ticket's events as the changes that the pure rules know."""

    def __init__(self, read: Read, roles: dict[int, Role]) -> None:
        self.read = read
        self.roles = roles

    async def story(self, ticket: Any, events: list[Any]) -> Story:
        story = Story()
        traits = await self._first_traits(ticket, events)
        for event in events:
            if event.kind.startswith("sla."):
                continue
            if retimed := _retiming(event, traits) | await self._moved_queue(event):
                traits |= retimed
            covered = await covering.choose(self.read, traits, ticket.place_id, traits["priority"] or "")
            if covered.policy_id is None or covered.calendar_id is None:
                continue
            policy = await covering.policy(self.read, covered)
            calendar = (await covering.calendar(self.read, covered.calendar_id)).calendar
            if retimed and event.kind != "ticket.opened":
                story.retimed = True
                story.step(TargetsChanged(event.at, policy), policy, calendar)
            for change in self._changes(ticket, event):
                story.step(change, policy, calendar)
        return story

    async def agreed(self, party: Party, ticket: Any, events: list[Any]) -> tuple[Cycle, ...]:
        """The cycles of a queue's or a vendor's course."""
        course, status, before = Course(), "new", NOTHING
        traits = await self._first_traits(ticket, events)
        for event in events:
            if event.kind.startswith("sla."):
                continue
            retimed = _retiming(event, traits) | await self._moved_queue(event)
            traits |= retimed
            known = traits | ({"vendor": str(party.vendor)} if party.vendor else {})
            covered = await covering.choose(
                self.read, known, ticket.place_id, traits["priority"] or "", party.agreement
            )
            measure = await covering.measure(self.read, covered)
            after = (measure.policy, measure.calendar) if measure else NOTHING
            steps: list[tuple[Change, tuple[Policy, Calendar]]] = []
            if party is THE_QUEUE and event.kind == "ticket.transferred":
                steps = [(HandedOver(event.at), before), (Received(event.at, status), after)]
            elif event.kind == "ticket.triaged" and retimed and measure:
                steps = [(TargetsChanged(event.at, measure.policy), after)]
            steps += [(change, after) for change in self._changes(ticket, event)]
            for change, (policy, calendar) in steps:
                if (told := seen_by(party, change, course)) is not None:
                    course = advance(course, told, policy, calendar)
            status, before = (event.status.value if event.status else status), after
        return course.cycles

    async def _first_traits(self, ticket: Any, events: list[Any]) -> dict[str, str | None]:
        traits: dict[str, str | None] = {
            "kind": ticket.kind.value,
            "category": ticket.category_id,
            "school": ticket.school_id,
            "requester_role": self.roles[ticket.requester_id].value if ticket.requester_id else None,
            "channel": ticket.channel.value,
            "priority": ticket.priority.value,
        }
        for event in reversed([e for e in events if e.kind == "ticket.triaged"]):
            traits |= {name: old for name, (old, _) in event.detail["changes"].items() if name in traits}
        return traits

    async def _moved_queue(self, event: Any) -> dict[str, str | None]:
        if event.queue_id is None:
            return {}
        return {"queue": await self.read.db.scalar(select(Queue.key).where(Queue.id == event.queue_id))}

    def _changes(self, ticket: Any, event: Any) -> list[Change]:
        by = self._side(ticket, event)
        if event.kind == "ticket.opened":
            waits = ticket.requester_id is not None and ticket.channel is not Channel.MONITORING
            return [Opened(event.at, by, "new", ticket.reported_at, waits)]
        if event.kind == "ticket.cancelled" and ticket.outcome == "duplicate":
            return [CancelledBecause(event.at, f"merged: {event.detail['reason']}")]
        changes: list[Change] = []
        if event.kind == "ticket.replied":
            changes.append(PublicReply(event.at, by))
        if event.kind == "ticket.noted":
            changes.append(Note(event.at, by))
        if event.status is not None:
            held_by = event.detail.get("vendor_id") if event.kind == "ticket.held" else None
            changes.append(StatusChanged(event.at, event.status.value, by, held_by))
        return changes

    def _side(self, ticket: Any, event: Any) -> Any:
        role = self.roles.get(event.actor_id, Role.SYSTEM)
        if event.actor_id is not None and event.actor_id == ticket.requester_id:
            return "requester"
        if role in (Role.SYSTEM, Role.INTEGRATION, Role.VENDOR):
            return "system"
        return "technician" if role in DESK_ROLES else "requester"


class Story:
    """A fold of `advance`, like `followed`, that lets calendar and policy change on the way."""

    calendar: Calendar

    def __init__(self) -> None:
        self.course = Course()
        self.changes: list[Change] = []
        self.policy: Policy | None = None
        self.retimed = False

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        return self.course.cycles

    def step(self, change: Change, policy: Policy, calendar: Calendar) -> None:
        self.changes.append(change)
        self.policy, self.calendar = policy, calendar
        self.course = advance(self.course, change, policy, calendar)


def _retiming(event: Any, traits: dict[str, str | None]) -> dict[str, str | None]:
    changes = event.detail.get("changes", {}) if event.kind == "ticket.triaged" else {}
    return {name: new for name, (_, new) in changes.items() if name in traits}


async def _tickets(read: Read) -> list[Any]:
    return list((await read.db.execute(select(*Ticket.__table__.c).order_by(Ticket.id))).all())


async def _events(read: Read) -> dict[int, list[Any]]:
    found = defaultdict(list)
    for row in await read.db.execute(select(*TicketEvent.__table__.c).order_by(TicketEvent.id)):
        found[row.ticket_id].append(row)
    return found


async def _timers(read: Read) -> dict[int, list[Any]]:
    found = defaultdict(list)
    for row in await read.db.execute(select(*SlaTimer.__table__.c).order_by(SlaTimer.id)):
        found[row.ticket_id].append(row)
    return found


async def _roles(read: Read) -> dict[int, Role]:
    return {row.id: row.role for row in await read.db.execute(select(Person.id, Person.role))}


async def _count(read: Read, query: Any) -> int:
    return int(await read.db.scalar(select(func.count()).select_from(query.subquery())) or 0)
