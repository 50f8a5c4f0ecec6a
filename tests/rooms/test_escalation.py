"""Whom a policy's further steps tell, and that each is taken once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from service.core.actor import SYSTEM, Role
from service.core.database import make_engine
from service.core.work import Resources, Work
from service.sla.calendars import EditCalendar
from service.sla.models import SlaTimer, TimerState
from service.tickets import actions, inputs
from service.tickets.models import Notice, TicketEvent
from service.tickets.queries import timeline
from service.tickets.recalculation import edit_calendar
from service.tickets.resolution import Cause, Fix
from service.tickets.sweep import sweep, sweep_batch
from tests import makers
from tests.conftest import NOW

OUTCOME = inputs.Resolve(resolution="Done", cause=Cause.OTHER, fix=Fix.NONE)
LADDER = [
    {"target": "resolution", "before_minutes": 30, "tell": ["assignee"]},
    {"target": "resolution", "after_minutes": 30, "tell": ["leads"]},
    {"target": "resolution", "after_minutes": 120, "tell": ["queue", "admins"]},
]
RULES = {"warn_at": [], "escalate": LADDER}
TARGETS = {"P1": {"resolution": 60}, "P2": {"resolution": 120}, "P3": {"resolution": 120}}


@pytest.fixture
async def desk(work: Work) -> dict[str, Any]:
    """A queue with a lead and two technicians, and two hours to resolve with three further steps."""
    school = await makers.make_school(work)
    await makers.make_policy(work, matches={"school": [school.id]}, targets=TARGETS, rules=RULES)
    queue = await makers.make_queue(work)
    people = {
        "teacher": await makers.make_person(work, school_id=school.id),
        "technician": await makers.make_person(work, Role.TECHNICIAN, queues=[queue]),
        "colleague": await makers.make_person(work, Role.TECHNICIAN, queues=[queue]),
        "lead": await makers.make_person(work, Role.LEAD, queues=[queue]),
        "admin": await makers.make_person(work, Role.ADMIN),
    }
    await makers.make_person(work, Role.TECHNICIAN, queues=[queue], active=False)
    await makers.make_person(work, Role.LEAD)
    lead = await makers.acting(work, people["lead"])
    return {"people": people, "lead": lead, "queue": queue, "school": school}


async def opened(desk: dict[str, Any], **given: Any) -> Any:
    """A ticket of the teacher's in the queue, in the technician's hands."""
    people, lead = desk["people"], desk["lead"]
    requester = people["teacher"].id
    ticket = await makers.make_ticket(lead, queue=desk["queue"].key, requester_id=requester, **given)
    await actions.assign(lead, ticket.id, inputs.Assign(assignee_id=people["technician"].id))
    return ticket


def at(work: Work, **given: float) -> Work:
    work.now = NOW + timedelta(**given)
    return work


async def escalated(work: Work, number: int) -> list[tuple[float, datetime]]:
    """The steps taken, as minutes after the due time (before it: negative), and their instants."""
    query = (
        select(TicketEvent.detail, TicketEvent.at, TicketEvent.public)
        .where(TicketEvent.ticket_id == number, TicketEvent.kind == "sla.escalated")
        .order_by(TicketEvent.id)
    )
    found = (await work.session.execute(query)).all()
    assert not any(row.public for row in found)
    return [(row.detail.get("after_minutes") or -row.detail["before_minutes"], row.at) for row in found]


async def timer(work: Work, number: int) -> Any:
    query = select(SlaTimer).where(SlaTimer.ticket_id == number).execution_options(populate_existing=True)
    return await work.session.scalar(query)


async def told(work: Work, desk: dict[str, Any]) -> dict[str, list[str]]:
    query = select(Notice.person_id, Notice.text).order_by(Notice.id)
    names = {person.id: name for name, person in desk["people"].items()}
    found: dict[str, list[str]] = {}
    for row in await work.session.execute(query):
        found.setdefault(names[row.person_id], []).append(row.text)
    return found


async def test_each_step_is_taken_once_at_its_instant_and_tells_whom_it_names(
    work: Work, desk: dict[str, Any]
) -> None:
    number = (await opened(desk)).id
    for minutes in (89, 91, 92, 121, 149, 151, 200, 239, 241, 300):
        await sweep_batch(at(work, minutes=minutes))
    due = NOW + timedelta(hours=2)
    assert await escalated(work, number) == [
        (-30, due - timedelta(minutes=30)),
        (30, due + timedelta(minutes=30)),
        (120, due + timedelta(minutes=120)),
    ]
    step, late = f"Ticket {number} is escalated to you.", f"Ticket {number} is late."
    assert await told(work, desk) == {
        "technician": [step, late, step], "lead": [late, step, step], "colleague": [step], "admin": [step]
    }  # fmt: skip
    row = await timer(work, number)
    assert (row.state, row.breached_at, row.next_check_at) == (TimerState.BREACHED, due, None)


async def test_a_breached_timer_keeps_its_later_steps_ahead(work: Work, desk: dict[str, Any]) -> None:
    number = (await opened(desk)).id
    await sweep_batch(at(work, minutes=125))
    row = await timer(work, number)
    assert (row.breached_at, row.next_check_at) == (NOW + timedelta(hours=2), NOW + timedelta(minutes=150))
    await actions.note(at(desk["lead"], minutes=130), number, inputs.Note(body="Hm"))
    assert (await timer(work, number)).next_check_at == NOW + timedelta(minutes=150)


async def test_after_downtime_every_step_is_taken_and_bundled_with_the_breach(
    work: Work, desk: dict[str, Any]
) -> None:
    number = (await opened(desk)).id
    await sweep_batch(at(work, minutes=160))
    due = NOW + timedelta(hours=2)
    assert [minutes for minutes, _ in await escalated(work, number)] == [-30, 30]
    query = select(TicketEvent.at).where(TicketEvent.ticket_id == number, TicketEvent.kind == "sla.breached")
    assert (await work.session.scalars(query)).all() == [due]
    both = f"Ticket {number} is late. Ticket {number} is escalated to you."
    assert await told(work, desk) == {"technician": [both], "lead": [both]}
    assert await sweep_batch(at(work, minutes=161)) == 0


async def test_a_step_moves_with_a_pause_and_is_not_taken_during_it(work: Work, desk: dict[str, Any]) -> None:
    number = (await opened(desk)).id
    lead = desk["lead"]
    await actions.hold(at(lead, minutes=60), number, inputs.Hold(reason="Parts"))
    assert (await timer(work, number)).next_check_at is None
    await sweep_batch(at(work, minutes=100))
    assert await escalated(work, number) == []
    await actions.start(at(lead, minutes=120), number)
    assert (await timer(work, number)).next_check_at == NOW + timedelta(minutes=150)
    await sweep_batch(at(work, minutes=151))
    assert await escalated(work, number) == [(-30, NOW + timedelta(minutes=150))]


async def test_a_step_after_the_breach_stands_still_with_the_ticket(work: Work, desk: dict[str, Any]) -> None:
    number = (await opened(desk)).id
    lead = desk["lead"]
    await sweep_batch(at(work, minutes=125))
    await actions.hold(at(lead, minutes=140), number, inputs.Hold(reason="Parts"))
    await sweep_batch(at(work, minutes=200))
    await actions.start(at(lead, minutes=240), number)
    assert (await timer(work, number)).next_check_at == NOW + timedelta(minutes=250)
    await sweep_batch(at(work, minutes=251))
    assert await escalated(work, number) == [
        (-30, NOW + timedelta(minutes=90)),
        (30, NOW + timedelta(minutes=250)),
    ]
    query = select(TicketEvent.id).where(TicketEvent.ticket_id == number, TicketEvent.kind == "sla.breached")
    assert len((await work.session.scalars(query)).all()) == 1


async def test_a_step_that_was_taken_is_not_taken_again_when_the_due_time_moves(
    work: Work, desk: dict[str, Any]
) -> None:
    ticket = await opened(desk, priority="P1")
    await sweep_batch(at(work, minutes=31))
    assert [minutes for minutes, _ in await escalated(work, ticket.id)] == [-30]
    await actions.triage(at(desk["lead"], minutes=40), ticket.id, inputs.Triage(priority="P2"))
    assert (await timer(work, ticket.id)).next_check_at == NOW + timedelta(minutes=120)
    await sweep_batch(at(work, minutes=95))
    assert [minutes for minutes, _ in await escalated(work, ticket.id)] == [-30]


async def test_a_step_whose_time_has_passed_when_the_target_shrinks_is_taken_at_the_next_look(
    work: Work, desk: dict[str, Any]
) -> None:
    ticket = await opened(desk)
    await actions.triage(at(desk["lead"], minutes=40), ticket.id, inputs.Triage(priority="P1"))
    await sweep_batch(at(work, minutes=41))
    assert await escalated(work, ticket.id) == [(-30, NOW + timedelta(minutes=30))]


async def test_a_snow_day_moves_the_steps_too(work: Work, desk: dict[str, Any]) -> None:
    ticket = await opened(desk)
    definition = makers.CALENDAR | {"overrides": {"2026-09-14": [["08:00", "11:00"]]}}
    await edit_calendar(at(work, minutes=5), ticket.calendar_id, EditCalendar(definition=definition))
    assert (await timer(work, ticket.id)).next_check_at == datetime(2026, 9, 15, 13, 30, tzinfo=UTC)


async def test_a_ticket_that_is_done_has_no_steps_left(work: Work, desk: dict[str, Any]) -> None:
    ticket = await opened(desk)
    await actions.resolve(at(desk["lead"], minutes=10), ticket.id, OUTCOME)
    await sweep_batch(at(work, minutes=500))
    assert await escalated(work, ticket.id) == []


async def test_a_step_for_an_assignee_that_there_is_not_goes_to_the_leads(
    work: Work, desk: dict[str, Any]
) -> None:
    requester = desk["people"]["teacher"].id
    await makers.make_ticket(desk["lead"], queue=desk["queue"].key, requester_id=requester)
    await sweep_batch(at(work, minutes=91))
    assert set(await told(work, desk)) == {"lead"}


async def test_a_step_waits_for_opening_hours_unless_the_ticket_is_p1(
    work: Work, desk: dict[str, Any]
) -> None:
    normal, urgent = await opened(desk), await opened(desk, priority="P1")
    night = at(work, hours=9).now
    await sweep_batch(work)
    morning = datetime(2026, 9, 15, 13, 0, tzinfo=UTC)
    query = select(Notice.send_at, Notice.detail).where(Notice.person_id == desk["people"]["admin"].id)
    found = {row.send_at: row.detail["escalated"] for row in await work.session.execute(query)}
    assert {when: [entry["number"] for entry in entries] for when, entries in found.items()} == {
        night: [urgent.id], morning: [normal.id]
    }  # fmt: skip
    assert found[night][0]["agreement"] == "sla"


async def test_a_requester_reads_nothing_of_a_step(work: Work, desk: dict[str, Any]) -> None:
    number = (await opened(desk)).id
    await sweep_batch(at(work, minutes=91))
    teacher = await makers.acting(work, desk["people"]["teacher"])
    assert "sla.escalated" not in {row.kind for row in (await timeline(teacher, number)).rows}
    assert "sla.escalated" in {row.kind for row in (await timeline(desk["lead"], number)).rows}


async def test_an_olas_steps_are_taken_like_the_slas(work: Work, desk: dict[str, Any]) -> None:
    queue = desk["queue"].key
    await makers.make_policy(
        work, kind="ola", matches={"queue": [queue]}, targets={"P3": {"resolution": 60}}, rules=RULES
    )
    desk["lead"].shelf = work.shelf
    number = (await opened(desk)).id
    await sweep_batch(at(work, minutes=91))
    query = select(TicketEvent.detail["agreement"].astext, TicketEvent.kind).where(
        TicketEvent.ticket_id == number, TicketEvent.kind.startswith("sla.")
    )
    found = sorted(tuple(row) for row in await work.session.execute(query))
    assert found == [
        ("ola", "sla.breached"), ("ola", "sla.escalated"), ("ola", "sla.escalated"), ("sla", "sla.escalated")
    ]  # fmt: skip


@pytest.fixture
async def overdue(database_url: str) -> AsyncIterator[tuple[Resources, list[int]]]:
    """A committed desk with forty tickets whose breach and first two steps lie within the last hours."""
    engine = make_engine(database_url, pool=4)
    resources = Resources(engine=engine)
    async with resources.begin(SYSTEM) as work:
        school = await makers.make_school(work)
        await makers.make_policy(work, matches={"school": [school.id]}, targets=TARGETS, rules=RULES)
        teacher = await makers.acting(work, await makers.make_person(work, school_id=school.id))
        teacher.now = NOW
        numbers = [(await makers.make_ticket(teacher)).id for _ in range(40)]
        await work.session.execute(
            update(SlaTimer)
            .where(SlaTimer.ticket_id.not_in(numbers))
            .values(next_check_at=None)
            .execution_options(synchronize_session=False)
        )
    yield resources, numbers
    await engine.dispose()


async def test_two_sweepers_after_downtime_take_every_step_once(
    overdue: tuple[Resources, list[int]],
) -> None:
    resources, numbers = overdue
    resources.clock = lambda: NOW + timedelta(minutes=160)
    await asyncio.gather(*(sweep(resources) for _ in range(2)))
    counted = text(
        "SELECT kind, count(*) AS n, count(DISTINCT ticket_id) AS tickets FROM ticket_events"
        " WHERE kind LIKE 'sla.%' AND ticket_id = ANY(:numbers) GROUP BY kind"
    )
    async with resources.read(SYSTEM) as read:
        found = {
            row.kind: (row.n, row.tickets) for row in await read.db.execute(counted, {"numbers": numbers})
        }
    assert found == {"sla.breached": (40, 40), "sla.escalated": (80, 40)}
    assert await sweep(resources) == 0
