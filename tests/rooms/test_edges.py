"""What a cold eye found: each of these once went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.core.actor import SYSTEM, Role
from service.core.database import make_engine
from service.core.errors import Forbidden, Invalid, KeyReused, NotFound
from service.core.work import Conditions, Resources, Work
from service.people.actions import EditPerson, edit_person
from service.sla.calendars import EditCalendar
from service.sla.models import SlaTimer
from service.sla.policies import NewPolicy, create_policy
from service.tickets import actions, desk, inputs
from service.tickets.lifecycle import WrongStatus
from service.tickets.listing import TicketFilter, count_tickets, tickets_page
from service.tickets.models import Ticket
from service.tickets.queries import ticket_view
from service.tickets.recalculation import edit_calendar
from service.tickets.resolution import Cause, Fix
from service.tickets.sweep import sweep_batch
from tests import makers
from tests.conftest import NOW

OUTCOME = inputs.Resolve(resolution="Done", cause=Cause.OTHER, fix=Fix.NONE)
SUMMER = {"zone": "America/Chicago", "hours": {}, "overrides": {"2026-09-14": [["08:00", "16:00"]]}}


async def test_a_calendar_that_has_run_out_stops_neither_sweeps_nor_tickets(work: Work) -> None:
    await makers.default_queue(work)
    summer = await makers.make_calendar(work, SUMMER)
    school = await makers.make_school(work, calendar_id=summer.id)
    await makers.make_policy(
        work, matches={"school": [school.id]}, targets={"P3": {"resolution": 60}}, rules={"warn_at": []}
    )
    lead = await makers.make_person(work, Role.LEAD, queues=[await makers.default_queue(work)])
    teacher = await makers.acting(work, await makers.make_person(work, school_id=school.id))
    measured = await makers.make_ticket(teacher)
    assert measured.next_due_at is not None
    work.now = teacher.now = NOW + timedelta(days=2)
    assert await sweep_batch(work) >= 1
    late = await makers.make_ticket(teacher)
    assert (late.next_due_at, late.policy_id) == (None, None)
    await actions.reply(await makers.acting(work, lead), measured.id, inputs.Reply(body="Hello"))


async def test_who_served_a_queue_and_no_longer_works_there_sees_nothing_of_it(work: Work) -> None:
    secret = await makers.make_queue(work, confidential=True)
    technician = await makers.make_person(work, Role.TECHNICIAN, queues=[secret])
    ticket = await makers.make_ticket(work, queue=secret.key)
    assert (await ticket_view(await makers.acting(work, technician), ticket.id)).id == ticket.id
    await edit_person(work, technician.id, EditPerson(name="Moved on", role=Role.STAFF))
    theirs = await makers.acting(work, technician)
    narrowed = TicketFilter(queue=secret.key)
    assert list((await tickets_page(theirs, narrowed)).rows) == []
    assert await count_tickets(theirs, narrowed) == (0, False)
    assert secret.key not in {queue.key for queue in await desk.queues(theirs)}


async def test_a_vendor_lists_its_own_ticket_only_while_it_is_shared(work: Work) -> None:
    await makers.default_queue(work)
    vendor = await makers.make_person(work, Role.VENDOR)
    theirs = await makers.acting(work, vendor)
    ticket = await makers.make_ticket(theirs)
    narrowed = TicketFilter(requester_id=vendor.id)
    assert len((await tickets_page(theirs, narrowed)).rows) == 1
    await actions.unshare(work, ticket.id, inputs.Unshare(person_id=vendor.id))
    assert list((await tickets_page(theirs, narrowed)).rows) == []


async def test_a_lead_cannot_open_a_confidential_queue_that_they_do_not_serve(work: Work) -> None:
    secret = await makers.make_queue(work, confidential=True)
    lead = await makers.acting(work, await makers.make_person(work, Role.LEAD))
    with pytest.raises(NotFound):
        await desk.edit_queue(lead, secret.key, desk.EditQueue(name="Open"))


@pytest.mark.parametrize("end", ["resolve", "close", "cancel"])
async def test_only_reopening_brings_a_finished_ticket_back(work: Work, end: str) -> None:
    ticket = await makers.make_ticket(work)
    if end == "cancel":
        await actions.cancel(work, ticket.id, inputs.Cancel(reason="x"))
    else:
        await actions.resolve(work, ticket.id, OUTCOME)
    if end == "close":
        await actions.close(work, ticket.id, inputs.Close())
    with pytest.raises(WrongStatus, match="Reopen it"):
        await actions.start(work, ticket.id)


async def test_a_device_corrected_in_triage_is_read_by_the_right_family(work: Work) -> None:
    await makers.default_queue(work)
    children = [await makers.make_person(work, Role.PUPIL) for _ in range(2)]
    parents = [
        await makers.acting(work, await makers.make_person(work, Role.GUARDIAN, children=[child]))
        for child in children
    ]
    tags = [(await makers.make_asset(work, holder_id=child.id)).tag for child in children]
    ticket = await makers.make_ticket(work, asset_tag=tags[0])
    await actions.triage(work, ticket.id, inputs.Triage(asset_tag=tags[1]))
    with pytest.raises(NotFound):
        await ticket_view(parents[0], ticket.id)
    assert (await ticket_view(parents[1], ticket.id)).id == ticket.id
    await actions.triage(work, ticket.id, inputs.Triage(asset_tag=None, place_id=None))
    assert (ticket.asset_id, ticket.device_holder_id, ticket.place_id) == (None, None, None)


async def test_a_pupil_learns_nothing_of_somebody_elses_device(work: Work) -> None:
    await makers.default_queue(work)
    school = await makers.make_school(work)
    owner = await makers.make_person(work, Role.PUPIL)
    parent = await makers.acting(work, await makers.make_person(work, Role.GUARDIAN, children=[owner]))
    asset = await makers.make_asset(work, holder_id=owner.id, place_id=school.id)
    pupil = await makers.acting(work, await makers.make_person(work, Role.PUPIL))
    ticket = await makers.make_ticket(pupil, asset_tag=asset.tag)
    assert (ticket.place_id, ticket.device_holder_id) == (None, None)
    with pytest.raises(NotFound):
        await ticket_view(parent, ticket.id)


@pytest.mark.parametrize(
    "wanted",
    [
        {"targets": {}, "rules": {"warn_at": "boom"}},
        {"targets": {"P3": {"resolution": 5_256_000}}},
        {"targets": {}, "matches": {"\ud800": ["x"]}},
        {"targets": {}, "rules": {"x": 2**70}},
        {"targets": {}, "rules": {"x": "\x00"}},
    ],
)
async def test_a_policy_that_would_break_every_ticket_is_refused(work: Work, wanted: dict[str, Any]) -> None:
    with pytest.raises((Invalid, ValueError)):
        await create_policy(work, NewPolicy(name=makers.unique("Bad"), **wanted))


async def test_a_key_gives_a_lesser_token_nothing(work: Work) -> None:
    await makers.default_queue(work)
    person = await makers.make_person(work)
    full = await makers.acting(work, person, conditions=Conditions(key=makers.unique("key")))
    await makers.make_ticket(full)
    lesser = await makers.acting(work, person, conditions=full.conditions)
    lesser.actor = makers.as_actor(Role.STAFF, person_id=person.id, scopes=frozenset())
    with pytest.raises((KeyReused, Forbidden)):
        await makers.make_ticket(lesser)


@pytest.fixture
async def district(database_url: str) -> AsyncIterator[dict[str, Any]]:
    """A committed desk that two processes look at."""
    engines = [make_engine(database_url, pool=4) for _ in range(2)]
    here, there = [Resources(engine=engine) for engine in engines]
    async with here.begin(SYSTEM, now=NOW) as work:
        await makers.default_queue(work)
        calendar = await makers.make_calendar(work)
        school = await makers.make_school(work, calendar_id=calendar.id)
        await makers.make_policy(work, matches={"school": [school.id]})
        teacher = await makers.make_person(work, school_id=school.id)
        ticket = await makers.make_ticket(await makers.acting(work, teacher))
    yield {"here": here, "there": there, "calendar": calendar.id, "ticket": ticket.id}
    for engine in engines:
        await engine.dispose()


async def due_times(resources: Resources, number: int) -> list[Any]:
    async with resources.read(SYSTEM) as read:
        query = select(SlaTimer.calendar_version, SlaTimer.due_at).where(SlaTimer.ticket_id == number)
        return [tuple(row) for row in await read.db.execute(query.order_by(SlaTimer.target))]


async def test_a_process_that_missed_a_snow_day_does_not_undo_it(district: dict[str, Any]) -> None:
    here, there, number = district["here"], district["there"], district["ticket"]
    async with there.begin(SYSTEM, now=NOW) as work:
        await actions.note(work, number, inputs.Note(body="read the calendar"))
    definition = makers.CALENDAR | {"closed": ["2026-09-14", "2026-09-15"]}
    async with here.begin(SYSTEM, now=NOW) as work:
        await edit_calendar(work, district["calendar"], EditCalendar(definition=definition))
    moved = await due_times(here, number)
    async with there.begin(SYSTEM, now=NOW + timedelta(minutes=1)) as work:
        await actions.note(work, number, inputs.Note(body="with a stale shelf"))
    assert {version for version, _ in moved} == {2}
    assert await due_times(here, number) == moved


async def test_verbs_and_a_snow_day_at_once_do_not_lock_each_other_out(district: dict[str, Any]) -> None:
    here, there, number = district["here"], district["there"], district["ticket"]

    async def write(n: int) -> None:
        async with there.begin(SYSTEM, now=NOW + timedelta(seconds=n)) as work:
            await actions.reply(work, number, inputs.Reply(body=f"Reply {n}"))

    async def snow(n: int) -> None:
        definition = makers.CALENDAR | {"closed": [f"2026-09-{15 + n}"]}
        async with here.begin(SYSTEM, now=NOW) as work:
            await edit_calendar(work, district["calendar"], EditCalendar(definition=definition))

    await asyncio.gather(*(write(n) for n in range(12)), *(snow(n) for n in range(6)))
    async with here.read(SYSTEM) as read:
        version = await read.db.scalar(select(Ticket.version).where(Ticket.id == number))
    assert version == 13
