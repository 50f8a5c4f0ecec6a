"""Timers of live tickets, in rows, against the pure arithmetic and against the sweep."""

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
from service.sla import covering, timers
from service.sla.calendars import EditCalendar
from service.sla.course import Opened, PublicReply, StatusChanged, TargetsChanged, followed
from service.sla.models import SlaTimer, TimerState
from service.tickets import actions, inputs
from service.tickets.explaining import ticket_timers
from service.tickets.models import Notice, TicketEvent
from service.tickets.notices import notices_page
from service.tickets.recalculation import edit_calendar
from service.tickets.resolution import Cause, Fix
from service.tickets.sweep import sweep, sweep_batch
from tests import makers
from tests.conftest import NOW

OUTCOME = inputs.Resolve(resolution="Done", cause=Cause.OTHER, fix=Fix.NONE)


@pytest.fixture
async def desk(work: Work) -> dict[str, Any]:
    """A school, its policy, a teacher and a technician, in the test's own transaction."""
    school = await makers.make_school(work)
    await makers.make_policy(work, matches={"school": [school.id]})
    queue = await makers.default_queue(work)
    teacher = await makers.make_person(work, school_id=school.id)
    technician = await makers.make_person(work, Role.TECHNICIAN, queues=[queue])
    return {
        "teacher": await makers.acting(work, teacher),
        "technician": await makers.acting(work, technician),
        "school": school,
    }


def at(work: Work, **given: float) -> Work:
    """The same person, that much after the tests' now."""
    work.now = NOW + timedelta(**given)
    return work


async def rows(work: Work, number: int) -> dict[tuple[str, int], Any]:
    found = await work.session.execute(
        select(*timers.COLUMNS, SlaTimer.next_check_at)
        .where(SlaTimer.ticket_id == number)
        .order_by(SlaTimer.target, SlaTimer.n)
    )
    return {(row.target.value, row.n): row for row in found}


async def test_waiting_on_the_requester_moves_the_due_time_by_the_wait(
    desk: dict[str, Any],
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    technician = desk["technician"]
    before = (await rows(technician, ticket.id))["resolution", 1].due_at
    await actions.reply(at(technician, minutes=10), ticket.id, inputs.Reply(body="Which one?"))
    await actions.wait_on_requester(at(technician, minutes=20), ticket.id, inputs.WaitOnRequester())
    paused = (await rows(technician, ticket.id))["resolution", 1]
    assert (paused.state, paused.due_at, paused.next_check_at) == (TimerState.PAUSED, None, None)
    await actions.reply(at(desk["teacher"], minutes=80), ticket.id, inputs.Reply(body="The left one"))
    after = (await rows(technician, ticket.id))["resolution", 1].due_at
    assert after == before + timedelta(hours=1)


async def test_a_first_response_is_not_paused_by_waiting(desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.wait_on_requester(at(desk["technician"], minutes=5), ticket.id, inputs.WaitOnRequester())
    assert (await rows(desk["technician"], ticket.id))["first_response", 1].state is TimerState.RUNNING


async def test_a_note_is_no_first_response_and_resolving_is(desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.note(at(desk["technician"], minutes=5), ticket.id, inputs.Note(body="Hm"))
    assert (await rows(desk["technician"], ticket.id))["first_response", 1].stopped_at is None
    await actions.resolve(at(desk["technician"], minutes=6), ticket.id, OUTCOME)
    assert (await rows(desk["technician"], ticket.id))["first_response", 1].state is TimerState.MET


async def test_a_reopened_ticket_keeps_its_first_cycle_and_carries_its_time(
    desk: dict[str, Any],
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.resolve(at(desk["technician"], minutes=30), ticket.id, OUTCOME)
    first = (await rows(desk["technician"], ticket.id))["resolution", 1]
    await actions.reopen(at(desk["teacher"], minutes=90), ticket.id, inputs.Reopen(reason="No"))
    found = await rows(desk["technician"], ticket.id)
    assert found["resolution", 1] == first
    assert found["resolution", 2].due_at == first.due_at + timedelta(hours=1)
    assert ("first_response", 2) not in found


async def test_a_new_priority_counts_from_the_start_with_the_pauses_earned(desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    technician = desk["technician"]
    await actions.hold(at(technician, minutes=10), ticket.id, inputs.Hold(reason="Parts"))
    await actions.start(at(technician, minutes=40), ticket.id)
    await actions.triage(at(technician, minutes=50), ticket.id, inputs.Triage(priority="P1"))
    row = (await rows(technician, ticket.id))["resolution", 1]
    assert row.goal == timedelta(hours=4)
    assert row.due_at == NOW + timedelta(hours=4, minutes=30)


async def test_a_priority_changed_while_on_hold_does_not_forget_the_hold(desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    technician = desk["technician"]
    await actions.hold(at(technician, minutes=10), ticket.id, inputs.Hold(reason="Parts"))
    await actions.triage(at(technician, minutes=20), ticket.id, inputs.Triage(priority="P1"))
    assert (await rows(technician, ticket.id))["resolution", 1].state is TimerState.PAUSED
    await actions.start(at(technician, minutes=70), ticket.id)
    assert (await rows(technician, ticket.id))["resolution", 1].due_at == NOW + timedelta(hours=5)


async def test_a_ticket_that_no_policy_covers_any_more_says_why_its_timers_ended(
    work: Work, desk: dict[str, Any]
) -> None:
    elsewhere = await makers.make_school(work)
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.triage(at(desk["technician"], minutes=5), ticket.id, inputs.Triage(place_id=elsewhere.id))
    found = await rows(work, ticket.id)
    assert {row.state for row in found.values()} == {TimerState.CANCELLED}
    assert {row.reason for row in found.values()} == {"no policy covers this ticket any more"}
    assert ticket.next_due_at is None


async def test_a_duplicate_ends_its_timers_with_the_reason(desk: dict[str, Any]) -> None:
    kept = await makers.make_ticket(desk["teacher"])
    ticket = await makers.make_ticket(desk["teacher"])
    link = inputs.Link(kind="duplicate_of", other=kept.id)
    await actions.link(at(desk["technician"], minutes=5), ticket.id, link)
    found = await rows(desk["technician"], ticket.id)
    assert {row.reason for row in found.values()} == {f"merged: duplicate of {kept.id}"}


async def test_rows_are_what_the_pure_arithmetic_gives_for_the_same_story(desk: dict[str, Any]) -> None:
    teacher, technician = desk["teacher"], desk["technician"]
    ticket = await makers.make_ticket(at(teacher))
    story: list[Any] = []
    await actions.reply(at(technician, minutes=15), ticket.id, inputs.Reply(body="Hello"))
    story.append(PublicReply(technician.now, "technician"))
    await actions.wait_on_requester(at(technician, minutes=16), ticket.id, inputs.WaitOnRequester())
    story.append(StatusChanged(technician.now, "waiting_on_requester", "technician"))
    await actions.reply(at(teacher, hours=20), ticket.id, inputs.Reply(body="Here"))
    story += [PublicReply(teacher.now, "requester"), StatusChanged(teacher.now, "in_progress", "requester")]
    await actions.triage(at(technician, hours=21), ticket.id, inputs.Triage(priority="P2"))
    covered = covering.Covered(ticket.policy_id, ticket.policy_version, ticket.calendar_id, "P2")
    story.append(TargetsChanged(technician.now, await covering.policy(technician, covered)))
    await actions.resolve(at(technician, hours=30), ticket.id, OUTCOME)
    story.append(StatusChanged(technician.now, "resolved", "technician"))
    await actions.reopen(at(teacher, hours=45), ticket.id, inputs.Reopen(reason="No"))
    story.append(StatusChanged(teacher.now, "new", "requester"))
    kept = await covering.calendar(technician, ticket.calendar_id)
    opening = covering.Covered(ticket.policy_id, ticket.policy_version, ticket.calendar_id, "P3")
    rules = await covering.policy(technician, opening)
    pure = followed(Opened(NOW, "requester", for_requester=True), story, rules, kept.calendar)
    assert [timers.cycle_of(row) for row in (await rows(technician, ticket.id)).values()] == list(pure)
    explained = await ticket_timers(technician, ticket.id)
    assert [t["cycle"] for t in explained] == [c.n for c in pure]


async def test_a_breach_between_two_sweeps_is_noted_by_the_verb_that_ends_it(desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.resolve(at(desk["technician"], days=20), ticket.id, OUTCOME)
    events = await desk["technician"].session.execute(
        select(TicketEvent.kind, TicketEvent.at).where(TicketEvent.ticket_id == ticket.id)
    )
    found = [(e.kind, e.at) for e in events]
    due = {row.due_at for row in (await rows(desk["technician"], ticket.id)).values()}
    assert {when for kind, when in found if kind == "sla.breached"} == due


async def test_a_breach_that_a_pause_would_hide_from_the_sweep_is_noted_by_the_verb_that_pauses(
    desk: dict[str, Any],
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    technician = at(desk["technician"], days=20)
    await actions.hold(technician, ticket.id, inputs.Hold(reason="Parts"))
    query = select(TicketEvent.detail).where(
        TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "sla.breached"
    )
    found = [row.detail["target"] for row in await technician.session.execute(query)]
    assert found == ["resolution"]
    assert (await rows(technician, ticket.id))["resolution", 1].breached_at is not None


async def test_a_ticket_that_moves_to_another_school_is_counted_on_its_calendar(
    work: Work, desk: dict[str, Any]
) -> None:
    """Also where the target is as long there and the calendar as old."""
    early = makers.CALENDAR | {"hours": {day: [["08:00", "12:00"]] for day in makers.HOURS}}
    elsewhere = await makers.make_school(work, calendar_id=(await makers.make_calendar(work, early)).id)
    await makers.make_policy(work, matches={"school": [elsewhere.id]})
    ticket = await makers.make_ticket(desk["teacher"])
    before = (await rows(work, ticket.id))["resolution", 1]
    desk["technician"].shelf = work.shelf
    there = inputs.Triage(place_id=elsewhere.id)
    await actions.triage(at(desk["technician"], minutes=5), ticket.id, there)
    after = (await rows(work, ticket.id))["resolution", 1]
    assert (after.policy_id, after.calendar_id) == (ticket.policy_id, ticket.calendar_id)
    assert after.goal == before.goal
    assert after.due_at > before.due_at
    assert ticket.next_due_at == (await rows(work, ticket.id))["first_response", 1].due_at


async def test_warnings_and_the_breach_are_each_noted_once_at_their_instant(desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.reply(at(desk["technician"], minutes=1), ticket.id, inputs.Reply(body="Yes"))
    system = await makers.acting(desk["technician"])
    system.actor = SYSTEM
    goal = timedelta(hours=24)
    due = (await rows(system, ticket.id))["resolution", 1].due_at
    for hours in (0, 2, 4, 24 * 2, 24 * 2 + 1, 24 * 30, 24 * 31):
        await sweep_batch(at(system, hours=hours))
    events = await system.session.execute(
        select(TicketEvent.kind, TicketEvent.at)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind.startswith("sla."))
        .order_by(TicketEvent.id)
    )
    found = [(e.kind, e.at) for e in events]
    assert found[-1] == ("sla.breached", due)
    assert [kind for kind, _ in found].count("sla.breached") == 1
    assert all(kind == "sla.warned" for kind, _ in found[:-1])
    assert goal == (await rows(system, ticket.id))["resolution", 1].goal


async def test_a_hold_ends_by_itself(work: Work, desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    until = NOW + timedelta(hours=2)
    await actions.hold(at(desk["technician"], minutes=5), ticket.id, inputs.Hold(reason="Parts", until=until))
    job = (
        await work.session.execute(
            text("SELECT task_name, args, scheduled_at FROM procrastinate_jobs ORDER BY id DESC LIMIT 1")
        )
    ).one()
    assert (job.task_name, job.args, job.scheduled_at) == (
        "tickets.end_hold",
        {"ticket_id": ticket.id},
        until,
    )
    await actions.end_hold(at(work, hours=1), ticket.id)
    assert ticket.status.value == "on_hold"
    await actions.end_hold(at(work, hours=2), ticket.id)
    assert (ticket.status.value, ticket.hold_until) == ("in_progress", None)


@pytest.fixture
async def overdue(database_url: str) -> AsyncIterator[tuple[Resources, int]]:
    """A committed desk with 700 tickets whose first response fell due within the last hour."""
    engine = make_engine(database_url, pool=4)
    resources = Resources(engine=engine)
    async with resources.begin(SYSTEM) as work:
        school = await makers.make_school(work)
        await makers.make_policy(work, matches={"school": [school.id]})
        teacher = await makers.make_person(work, school_id=school.id)
        theirs = await makers.acting(work, teacher)
        theirs.now = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
        numbers = [(await makers.make_ticket(theirs)).id for _ in range(30)]
        await work.session.execute(
            update(SlaTimer)
            .where(SlaTimer.ticket_id.not_in(numbers))
            .values(next_check_at=None)
            .execution_options(synchronize_session=False)
        )
        await work.session.execute(
            text(
                "INSERT INTO sla_timers (ticket_id, target, n, state, policy_id, policy_version, calendar_id,"
                " calendar_version, started_at, goal, pauses, due_at, checks, next_check_at)"
                " SELECT ticket_id, 2, g, 1, policy_id, 1, calendar_id, 1, started_at, goal, pauses, due_at,"
                " ARRAY[due_at], due_at FROM sla_timers, generate_series(1, 40) AS g"
                " WHERE ticket_id = ANY(:numbers) AND target = 1"
            ),
            {"numbers": numbers},
        )
    yield resources, 30 * 40
    await engine.dispose()


async def test_two_sweepers_after_an_hours_downtime_note_every_breach_once(
    overdue: tuple[Resources, int],
) -> None:
    resources, expected = overdue
    resources.clock = lambda: datetime(2026, 9, 14, 18, 0, tzinfo=UTC)
    counts = await asyncio.gather(*(sweep(resources) for _ in range(2)))
    async with resources.read(SYSTEM) as read:
        noted = (
            await read.db.execute(
                text(
                    "SELECT count(*) AS n, count(DISTINCT (ticket_id, detail->>'cycle')) AS d, "
                    "bool_and(at = (detail->>'due_at')::timestamptz) AS at_due FROM ticket_events "
                    "WHERE kind = 'sla.breached' AND detail->>'target' = 'next_response' AND ticket_id = ANY("
                    "SELECT ticket_id FROM sla_timers WHERE n = 40)"
                )
            )
        ).one()
    assert (noted.n, noted.d, noted.at_due) == (expected, expected, True)
    assert sum(counts) >= expected
    assert await sweep(resources) == 0


async def test_a_ticket_of_monitoring_owes_nobody_a_response(work: Work, desk: dict[str, Any]) -> None:
    fault = await makers.make_ticket(
        work, channel="monitoring", source_key=makers.unique("ups"), place_id=desk["school"].id
    )
    assert {target for target, _ in await rows(work, fault.id)} == {"resolution"}


async def notices_of(work: Work, person_id: int) -> list[Any]:
    query = select(Notice.text, Notice.send_at).where(Notice.person_id == person_id).order_by(Notice.id)
    return [tuple(row) for row in await work.session.execute(query)]


async def test_a_sweep_tells_each_person_once_and_inside_opening_hours(work: Work) -> None:
    school = await makers.make_school(work)
    await makers.make_policy(work, matches={"school": [school.id]}, rules={"warn_at": []})
    queue = await makers.make_queue(work)
    teacher = await makers.make_person(work, school_id=school.id)
    technician = await makers.make_person(work, Role.TECHNICIAN, queues=[queue])
    lead = await makers.make_person(work, Role.LEAD, queues=[queue])
    theirs = await makers.acting(work, lead)
    opened = [
        (await makers.make_ticket(theirs, queue=queue.key, requester_id=teacher.id)).id for _ in range(5)
    ]
    for number in opened[:2]:
        await actions.assign(theirs, number, inputs.Assign(assignee_id=technician.id))
    night = NOW + timedelta(hours=9)
    await sweep_batch(at(work, hours=9))
    morning = datetime(2026, 9, 15, 13, 0, tzinfo=UTC)
    names = ", ".join(map(str, opened))
    assert night < morning
    assert await notices_of(work, lead.id) == [(f"5 tickets are late: {names}.", morning)]
    two = ", ".join(map(str, opened[:2]))
    assert await notices_of(work, technician.id) == [(f"2 tickets are late: {two}.", morning)]
    theirs.now = night
    assert (await notices_page(theirs)).rows == []
    theirs.now = morning
    assert len((await notices_page(theirs)).rows) == 1


async def test_a_p1_is_told_at_night_too(work: Work) -> None:
    school = await makers.make_school(work)
    await makers.make_policy(work, matches={"school": [school.id]}, rules={"warn_at": []})
    queue = await makers.make_queue(work)
    lead = await makers.make_person(work, Role.LEAD, queues=[queue])
    teacher = await makers.make_person(work, school_id=school.id)
    theirs = await makers.acting(work, lead)
    ticket = await makers.make_ticket(theirs, queue=queue.key, requester_id=teacher.id, priority="P1")
    await sweep_batch(at(work, hours=9))
    told = await notices_of(work, lead.id)
    assert told == [(f"Ticket {ticket.id} is late.", NOW + timedelta(hours=9))]


async def test_a_finished_timer_is_judged_again_beside_its_first_judgement(
    work: Work, desk: dict[str, Any]
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.resolve(at(desk["technician"], days=7), ticket.id, OUTCOME)
    closed = [f"2026-09-{day}" for day in range(15, 21)]
    edit = EditCalendar(definition=makers.CALENDAR | {"closed": closed})
    await edit_calendar(at(work, days=8), ticket.calendar_id, edit)
    resolution = next(t for t in await ticket_timers(work, ticket.id) if t["target"] == "resolution")
    assert (resolution["state"], resolution["calendar_version"]) == ("breached", 1)
    assert (resolution["recalculated"]["state"], resolution["recalculated"]["calendar_version"]) == ("met", 2)


async def test_a_vendors_reply_moves_no_clock_of_the_desk(work: Work, desk: dict[str, Any]) -> None:
    vendor = await makers.make_person(work, Role.VENDOR)
    ticket = await makers.make_ticket(desk["teacher"])
    technician = desk["technician"]
    await actions.reply(at(technician, minutes=5), ticket.id, inputs.Reply(body="Which one?"))
    await actions.wait_on_requester(at(technician, minutes=6), ticket.id, inputs.WaitOnRequester())
    await actions.share(technician, ticket.id, inputs.Share(person_id=vendor.id))
    before = await rows(work, ticket.id)
    theirs = await makers.acting(work, vendor)
    await actions.reply(at(theirs, minutes=30), ticket.id, inputs.Reply(body="Part ordered"))
    assert await rows(work, ticket.id) == before
    assert ticket.status.value == "waiting_on_requester"
