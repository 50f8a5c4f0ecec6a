"""The fresh look at a ticket's device: when it is asked for, what it brings, and that it is made once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from service.assets.facts import FactIn, keep_facts
from service.assets.models import AssetKind
from service.core.work import Work
from service.tickets import actions, inputs
from service.tickets.device import GIVEN_UP, Turn, attach_fresh, begin_look, never_mind
from service.tickets.device_seen import device_of
from service.tickets.models import TicketDevice, TicketEvent
from service.tickets.queries import ticket_view
from tests import makers
from tests.device_school import PLAIN, School, make_device_school, report


@pytest.fixture
async def school(work: Work) -> School:
    return await make_device_school(work)


async def looks_asked_for(work: Work) -> list[dict[str, Any]]:
    query = text("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.look_at_device' ORDER BY id")
    return list((await work.session.execute(query)).scalars())


async def asked(school: School, number: int) -> TicketDevice:
    row = await school.work.session.get(TicketDevice, number, populate_existing=True)
    assert row is not None
    return row


async def test_a_look_is_asked_for_with_the_ticket_where_somebody_reports_on_the_device(
    school: School,
) -> None:
    ticket = await school.file()
    assert (await asked(school, ticket.id)).fresh_asked_at == school.work.now
    assert await looks_asked_for(school.work) == [{"ticket_id": ticket.id, "asset_id": school.asset.id}]
    fresh = (await school.seen(ticket.id)).fresh
    assert fresh is not None
    assert (fresh.as_of, fresh.facts, fresh.detail) == (None, [], None)


async def test_a_device_that_is_only_seen_on_the_network_is_not_looked_at(school: School) -> None:
    printer = await makers.make_asset(school.work, kind=AssetKind.PRINTER)
    await keep_facts(school.work, printer.id, "snmp", [FactIn(name="printer.jammed", value=True)])
    ticket = await school.file(asset_tag=printer.tag)
    assert (await asked(school, ticket.id)).fresh_asked_at is None
    assert await looks_asked_for(school.work) == []
    assert [fact.name for fact in (await school.seen(ticket.id, "technician")).facts] == ["printer.jammed"]


async def test_a_look_brings_what_is_known_then_and_leaves_the_rest(school: School) -> None:
    ticket = await school.file()
    version = ticket.version
    school.work.now += timedelta(minutes=1)
    assert await begin_look(school.work, ticket.id, school.asset.id) is Turn.GO
    await report(school.work, school.asset, days=0, **{"device.os_version": "143.0"})
    assert await attach_fresh(school.work, school.asset.id) == [ticket.id]
    device = await school.seen(ticket.id, "technician")
    assert device.fresh is not None
    assert device.fresh.as_of == school.work.now
    old = {fact.name: (fact.value, fact.stale) for fact in device.facts}["device.os_version"]
    new = {fact.name: (fact.value, fact.stale) for fact in device.fresh.facts}["device.os_version"]
    assert (old, new) == (("142.0.7444.59", True), ("143.0", False))
    row = await ticket_view(await school.as_("technician"), ticket.id)
    assert row.version == version, "what somebody has read stays what they may change"
    assert {fact.name for fact in (await school.seen(ticket.id)).fresh.facts} == PLAIN  # type: ignore[union-attr]


async def test_screens_are_told_and_the_requester_hears_no_noise(school: School) -> None:
    ticket = await school.file()
    school.work.announced.clear()
    await attach_fresh(school.work, school.asset.id)
    query = select(TicketEvent).where(TicketEvent.kind == "ticket.device_looked_at")
    (entry,) = (await school.work.session.scalars(query)).all()
    assert (entry.ticket_id, entry.public) == (ticket.id, False)
    told = {"ticket": ticket.id, "event": entry.id, "queues": [ticket.queue_id]}
    assert school.work.announced == [told]


async def test_why_a_look_failed_is_told_to_the_desk_and_plainly_to_others(school: School) -> None:
    ticket = await school.file()
    await attach_fresh(school.work, school.asset.id, detail="Fleet could not be asked: no answer in time.")
    desk, teacher = await school.seen(ticket.id, "technician"), await school.seen(ticket.id)
    assert desk.fresh is not None
    assert teacher.fresh is not None
    assert desk.fresh.detail == "Fleet could not be asked: no answer in time."
    assert teacher.fresh.detail == "The device could not be looked at again just now."
    assert (desk.fresh.facts, desk.fresh.as_of) == ([], school.work.now)
    assert len(desk.facts) > len(teacher.facts) > 0


async def test_one_look_serves_all_tickets_that_wait_for_it(school: School) -> None:
    first, second = (await school.file()).id, (await school.file("pupil")).id
    look = school.work, first, school.asset.id
    assert await begin_look(*look) is Turn.GO
    assert await begin_look(school.work, second, school.asset.id) is Turn.WAIT
    assert await begin_look(*look) is Turn.WAIT
    assert await attach_fresh(school.work, school.asset.id) == [first, second]
    assert await begin_look(school.work, second, school.asset.id) is Turn.DONE


@pytest.mark.parametrize("detail", [None, "Fleet could not be asked: too many requests."])
async def test_a_look_within_two_minutes_is_used_again(school: School, detail: str | None) -> None:
    first = (await school.file()).id
    assert await begin_look(school.work, first, school.asset.id) is Turn.GO
    await attach_fresh(school.work, school.asset.id, detail=detail)
    school.work.now += timedelta(seconds=119)
    second = (await school.file("pupil")).id
    assert await begin_look(school.work, second, school.asset.id) is Turn.DONE
    row = await asked(school, second)
    assert (row.fresh_at, row.fresh_detail, bool(row.fresh)) == (school.work.now, detail, detail is None)
    school.work.now += timedelta(seconds=2)
    third = (await school.file()).id
    assert await begin_look(school.work, third, school.asset.id) is Turn.GO


async def test_a_look_whose_worker_died_is_begun_again(school: School) -> None:
    first, second = (await school.file()).id, (await school.file("pupil")).id
    assert await begin_look(school.work, first, school.asset.id) is Turn.GO
    school.work.now += timedelta(minutes=2, seconds=1)
    assert await begin_look(school.work, second, school.asset.id) is Turn.GO
    assert await attach_fresh(school.work, school.asset.id) == [first, second]


async def test_a_look_that_fails_each_time_is_given_up(school: School) -> None:
    ticket = await school.file()
    turns = []
    for _ in range(9):
        turns.append(await begin_look(school.work, ticket.id, school.asset.id))
        school.work.now += timedelta(minutes=2, seconds=1)
    assert turns == [Turn.GO] * 8 + [Turn.DONE]
    row = await asked(school, ticket.id)
    assert (row.fresh_at is None, row.fresh_detail) == (False, GIVEN_UP)


async def test_a_look_that_never_ended_says_so_after_a_while(school: School) -> None:
    ticket = await school.file()
    later = await school.as_("technician", now=school.work.now + timedelta(minutes=16))
    device = device_of(await ticket_view(later, ticket.id))
    assert device is not None
    assert device.fresh is not None
    assert device.fresh.detail == "The device could not be looked at again just now."


async def test_where_nobody_can_be_asked_no_look_is_under_way(school: School) -> None:
    ticket = await school.file()
    assert await begin_look(school.work, ticket.id, school.asset.id) is Turn.GO
    await never_mind(school.work, school.asset.id)
    assert (await school.seen(ticket.id, "technician")).fresh is None
    assert await begin_look(school.work, ticket.id, school.asset.id) is Turn.DONE


async def test_a_look_for_a_device_that_the_ticket_is_not_about_any_more_ends_at_once(school: School) -> None:
    ticket = await school.file()
    other = await makers.make_asset(school.work)
    await actions.triage(await school.as_("technician"), ticket.id, inputs.Triage(asset_tag=other.tag))
    assert await begin_look(school.work, ticket.id, school.asset.id) is Turn.DONE
