"""Polls, sweeps and people at one device at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Reading
from integrations.snmp.understanding import poll_plan
from service.core.actor import SYSTEM, Role
from service.core.database import make_engine
from service.core.work import Resources, Work
from service.monitoring.devices import EditDevice, edit_device
from service.monitoring.judging import Judged, Watched, judge
from service.monitoring.memory import Memory
from service.monitoring.models import NetworkDevice, NetworkWatch
from service.monitoring.planned import Planned
from service.monitoring.polling import keep, look_now, look_soon, take_due
from service.monitoring.reporting import report
from service.monitoring.rules import UNREACHABLE
from service.monitoring.transitions import Recovered
from service.people.identity import actor_of_person
from service.tickets import actions
from service.tickets.lifecycle import Status
from service.tickets.models import Ticket, TicketEvent
from tests import makers
from tests.conftest import NOW, fresh_database

pytestmark = pytest.mark.xdist_group("network")
PROFILES = load_profiles()
GENERIC = PROFILES.by_name("generic")


@pytest.fixture(scope="module")
def url(server_url: str, empty_url: str) -> Iterator[str]:
    with fresh_database(server_url, "fb_network_review", like=empty_url) as made:
        yield made


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Resources]:
    made = Resources(make_engine(url, pool=4))
    made.clock = lambda: NOW
    yield made
    await made.close()


async def leased(desk: Resources) -> tuple[str, Judged]:
    """A device that was well, under a lease, and what its fourth silence in a row makes of it."""
    async with desk.begin(SYSTEM) as work:
        await work.session.execute(text("TRUNCATE network_devices, tickets CASCADE"))
        await makers.default_queue(work)
        device = await makers.make_network_device(work)
        device.discovered_at, device.profile = NOW, "generic"
        watch = await work.session.get_one(NetworkWatch, device.id)
        watch.next_poll_at = NOW
    async with desk.begin(SYSTEM) as work:
        lease, ids = await take_due(work, slow=False, size=10)
    assert ids == [device.id]
    return lease, silent(device)


def silent(device: NetworkDevice) -> Judged:
    memory, at = Memory(pinged_at=NOW - timedelta(minutes=5)), NOW
    while True:
        watched = Watched(
            device_id=device.id,
            address=device.address,
            asset_id=None,
            profile=GENERIC,
            planned=Planned(poll_plan(GENERIC, {}, Reading(GENERIC.name))),
            target=None,
            reach_by="icmp",
            reach_port=None,
            memory=memory,
        )
        found = judge(watched, at, None, "silent", False)
        if any(type(one).__name__ == "Opened" for one in found.transitions):
            return found
        memory, at = found.memory, at + timedelta(seconds=15)


async def next_poll(desk: Resources, device_id: int) -> object:
    async with desk.begin(SYSTEM) as work:
        return (await work.session.get_one(NetworkWatch, device_id)).next_poll_at


async def test_what_somebody_does_while_a_recovery_waits_for_the_ticket_counts(desk: Resources) -> None:
    _, one = await leased(desk)
    device_id = one.watched.device_id
    async with desk.begin(SYSTEM) as work:
        await report(work, PROFILES, device_id, one.transitions)
        number = await work.session.scalar(select(Ticket.id))
        person = await makers.make_person(work, Role.ADMIN)
        admin = await actor_of_person(work.db, person.id)
    assert number is not None
    at = NOW + timedelta(minutes=5)
    over = Recovered(check=UNREACHABLE, instance="", at=at, since=NOW, lasted=timedelta(minutes=5))

    async def recover() -> None:
        async with desk.begin(SYSTEM) as work:
            await report(work, PROFILES, device_id, [over])

    async with desk.begin(admin) as theirs:
        seen = (await actions.start(theirs, number)).version
        recovering = asyncio.create_task(recover())
        await asyncio.sleep(0.1)
        assert not recovering.done()
    await asyncio.wait_for(recovering, 2)
    async with desk.begin(SYSTEM) as work:
        ticket = await work.session.get_one(Ticket, number)
        assert (ticket.status, ticket.version) == (Status.IN_PROGRESS, seen + 1)
        last = select(TicketEvent.kind).where(TicketEvent.ticket_id == number).order_by(TicketEvent.id.desc())
        assert await work.session.scalar(last.limit(1)) == "ticket.noted"


async def test_what_nobody_watches_any_more_is_not_put_back_on_the_schedule(desk: Resources) -> None:
    lease, one = await leased(desk)
    async with desk.begin(SYSTEM) as work:
        await edit_device(work, one.watched.device_id, EditDevice(watched=False))
    async with desk.begin(SYSTEM) as work:
        assert await keep(work, lease, [one]) == frozenset()
    assert await next_poll(desk, one.watched.device_id) is None


async def report_of(work: Work, one: Judged) -> None:
    await report(work, PROFILES, one.watched.device_id, one.transitions)


async def test_a_batch_and_the_settling_sweep_do_not_wait_for_each_other(desk: Resources) -> None:
    lease, one = await leased(desk)
    device_id = one.watched.device_id
    async with desk.begin(SYSTEM) as sweep:
        await report(sweep, PROFILES, device_id, ())
        async with desk.begin(SYSTEM) as batch:
            keeping = asyncio.create_task(keep(batch, lease, [one]))
            await asyncio.sleep(0.05)
            await asyncio.wait_for(look_now(sweep, {device_id}), 0.5)
            await sweep.session.commit()
            assert await asyncio.wait_for(keeping, 2) == {device_id}
            await report_of(batch, one)


async def test_a_batch_and_an_edit_of_its_device_do_not_wait_for_each_other(desk: Resources) -> None:
    lease, one = await leased(desk)
    device_id = one.watched.device_id

    async def edit() -> None:
        async with desk.begin(SYSTEM) as work:
            await edit_device(work, device_id, EditDevice(address="10.9.9.9"))

    async with desk.begin(SYSTEM) as batch:
        assert await keep(batch, lease, [one]) == {device_id}
        editing = asyncio.create_task(edit())
        await asyncio.sleep(0.05)
        await asyncio.wait_for(report_of(batch, one), 0.9)
    await asyncio.wait_for(editing, 2)


async def test_a_look_that_is_asked_for_while_a_device_is_polled_is_not_lost(desk: Resources) -> None:
    lease, one = await leased(desk)
    desk.clock = lambda: NOW + timedelta(seconds=1)
    async with desk.begin(SYSTEM) as work:
        await look_now(work, {one.watched.device_id})
    async with desk.begin(SYSTEM) as work:
        await keep(work, lease, [one])
    assert await next_poll(desk, one.watched.device_id) == NOW + timedelta(seconds=1)


async def test_what_others_wait_for_is_looked_at_every_15_seconds_at_most(desk: Resources) -> None:
    lease, one = await leased(desk)
    device_id = one.watched.device_id
    async with desk.begin(SYSTEM) as work:
        await look_soon(work, {device_id})
    assert await next_poll(desk, device_id) == NOW
    async with desk.begin(SYSTEM) as work:
        assert await keep(work, lease, [one]) == {device_id}
        watch = await work.session.get_one(NetworkWatch, device_id)
        watch.polled_at, watch.next_poll_at = NOW, NOW + timedelta(minutes=5)
    for seconds, look in ((5, 15), (10, 15), (20, 15), (14, 15)):
        desk.clock = lambda seconds=seconds: NOW + timedelta(seconds=seconds)  # type: ignore[misc]
        async with desk.begin(SYSTEM) as work:
            await look_soon(work, {device_id})
        assert await next_poll(desk, device_id) == NOW + timedelta(seconds=look)
    async with desk.begin(SYSTEM) as work:
        await look_now(work, {device_id})
    assert await next_poll(desk, device_id) == NOW + timedelta(seconds=14)
