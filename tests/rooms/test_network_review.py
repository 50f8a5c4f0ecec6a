"""Faults at their edges: devices that are let go, tickets that are still open, a poller in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, text

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import Reading
from integrations.snmp.understanding import poll_plan
from integrations.snmp.watch import Sample
from service.core.actor import Role
from service.core.work import Work
from service.monitoring.devices import EditDevice, delete_device, edit_device
from service.monitoring.judging import Judged, Watched, judge
from service.monitoring.maintenance import PlanMaintenance, plan_maintenance
from service.monitoring.memory import Memory
from service.monitoring.models import FaultState, NetworkDevice, NetworkFault, NetworkParent, NetworkWatch
from service.monitoring.planned import Planned
from service.monitoring.reporting import report, waiting
from service.monitoring.rules import UNREACHABLE
from service.monitoring.suspicion import doubt
from service.monitoring.ticketing import MOST_ALIKE, POLLER_KEY, source_key, words
from service.monitoring.transitions import Changed, Opened, Recovered, Reopened, Told, Vanished
from service.monitoring.trapping import APART, look_after_traps
from service.monitoring.wording import About, sentence
from service.tickets import actions, inputs
from service.tickets.lifecycle import Status
from service.tickets.models import Ticket, TicketEvent
from tests import makers

PROFILES = load_profiles()
GENERIC = PROFILES.by_name("generic")
HOT = "sensor.too_hot"
CALM = Sample()


async def a_device(work: Work, **given: Any) -> NetworkDevice:
    """A device that has been discovered and is polled."""
    await makers.default_queue(work)
    device = await makers.make_network_device(work, **given)
    device.discovered_at, device.profile = work.now, "generic"
    watch = await watch_of(work, device)
    watch.next_poll_at = work.now
    await work.session.flush()
    return device


async def watch_of(work: Work, device: NetworkDevice) -> NetworkWatch:
    return await work.session.get_one(NetworkWatch, device.id, populate_existing=True)


def opened(work: Work, check: str = UNREACHABLE, instance: str = "", **given: Any) -> Opened:
    return Opened(check=check, instance=instance, at=work.now, since=work.now, **given)


def recovered(work: Work, check: str = UNREACHABLE, instance: str = "") -> Recovered:
    return Recovered(check=check, instance=instance, at=work.now, since=work.now, lasted=timedelta(0))


async def told(work: Work, device: NetworkDevice, *transitions: Any, suspect: Any = None) -> None:
    await report(work, PROFILES, device.id, transitions, suspect)


async def faults_of(work: Work, device: NetworkDevice) -> list[NetworkFault]:
    query = select(NetworkFault).where(NetworkFault.device_id == device.id).order_by(NetworkFault.id)
    return list(await work.session.scalars(query.execution_options(populate_existing=True)))


async def ticket_of(work: Work, device: NetworkDevice) -> Ticket:
    number = (await faults_of(work, device))[-1].ticket_id
    assert number is not None
    return await work.session.get_one(Ticket, number, populate_existing=True)


async def said(work: Work, number: int) -> list[str]:
    query = select(TicketEvent.body).where(TicketEvent.ticket_id == number).order_by(TicketEvent.id)
    return [body for body in await work.session.scalars(query) if body]


async def by_a_person(work: Work) -> Work:
    return await makers.acting(work, await makers.make_person(work, Role.ADMIN))


async def test_what_is_not_watched_any_more_has_no_faults_and_its_tickets_are_told(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work))
    watch = await watch_of(work, device)
    watch.memory = {"tracks": [{"check": UNREACHABLE, "instance": "", "phase": "open"}]}
    watch.lease, watch.leased_until = "mine", work.now + timedelta(minutes=4)
    await edit_device(work, device.id, EditDevice(watched=False))
    [fault] = await faults_of(work, device)
    assert fault.resolved_at == work.now
    ticket = await ticket_of(work, device)
    assert ticket.status is Status.NEW
    assert "no longer watched" in (await said(work, ticket.id))[-1]
    watch = await watch_of(work, device)
    assert (watch.memory, watch.lease, watch.next_poll_at) == ({}, None, None)


async def test_a_device_that_is_deleted_tells_the_tickets_of_its_faults(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work))
    number = (await ticket_of(work, device)).id
    await delete_device(work, device.id)
    assert "no longer watched" in (await said(work, number))[-1]


async def test_what_waits_makes_no_ticket_once_nobody_watches(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work), suspect="itself")
    device.watched = False
    await work.session.flush()
    work.now += timedelta(minutes=10)
    await told(work, device)
    assert [fault.ticket_id for fault in await faults_of(work, device)] == [None]


async def test_what_is_watched_again_is_polled_at_once_if_it_is_known(work: Work) -> None:
    device = await a_device(work)
    await edit_device(work, device.id, EditDevice(watched=False))
    await edit_device(work, device.id, EditDevice(watched=True))
    assert (await watch_of(work, device)).next_poll_at == work.now


@pytest.mark.parametrize("change", [{"address": "10.99.0.9"}, {"port": 1161}, {"profile": "generic"}])
async def test_a_poll_that_asked_before_an_edit_has_lost_its_lease(work: Work, change: Any) -> None:
    device = await a_device(work)
    device.profile = ""
    watch = await watch_of(work, device)
    watch.lease, watch.leased_until = "mine", work.now + timedelta(minutes=4)
    await work.session.flush()
    await edit_device(work, device.id, EditDevice(**change))
    assert (await watch_of(work, device)).lease is None


async def test_what_is_wrong_moves_with_its_device_to_another_school(work: Work) -> None:
    school, other = await makers.make_school(work), await makers.make_school(work)
    device = await a_device(work, school_id=school.id)
    await told(work, device, opened(work))
    await edit_device(work, device.id, EditDevice(school_id=other.id))
    assert [fault.school_id for fault in await faults_of(work, device)] == [other.id]


async def test_a_new_fault_is_told_on_the_ticket_that_was_left_open(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work))
    ticket = await ticket_of(work, device)
    await actions.note(await by_a_person(work), ticket.id, inputs.Note(body="On my way."))
    await told(work, device, recovered(work))
    work.now += timedelta(hours=3)
    await told(work, device, opened(work))
    assert (await ticket_of(work, device)).id == ticket.id
    assert (await said(work, ticket.id))[-1].startswith("It is back")


async def test_two_long_names_with_one_beginning_are_two_faults(work: Work) -> None:
    long = "x" * 290
    keys = {source_key(1, "disk.failed", long + end) for end in "ab"}
    assert len(keys) == 2
    assert all(len(key) <= 200 for key in keys)
    device = await a_device(work)
    await told(work, device, opened(work, HOT, long + "a"), opened(work, HOT, long + "b"))
    assert len({fault.ticket_id for fault in await faults_of(work, device)}) == 2


async def test_a_measure_that_moves_is_told_once_an_hour_and_a_new_word_at_once(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work, HOT, "1", label="Intake", value=41))
    number = (await ticket_of(work, device)).id

    async def changes(label: str, value: Any) -> int:
        work.now += timedelta(minutes=5)
        given: dict[str, Any] = {"at": work.now, "since": work.now, "before": Told()}
        await told(work, device, Changed(check=HOT, instance="1", label=label, value=value, **given))
        assert [fault.value for fault in await faults_of(work, device)] == [value]
        return len(await said(work, number))

    before = await changes("Intake", 45)
    assert [await changes("Intake", value) for value in (41, 45, 41, 47)] == [before] * 4
    assert await changes("Exhaust", 47) == before + 1
    assert await changes("Exhaust", "critical") == before + 2
    work.now += timedelta(hours=1)
    assert await changes("Exhaust", 52) == before + 3


async def test_a_part_that_is_not_answered_any_more_is_told(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work, HOT, "1", label="Intake", value=41))
    vanished = Vanished(check=HOT, instance="1", at=work.now, since=work.now)
    await told(work, device, vanished)
    ticket = await ticket_of(work, device)
    assert ticket.status is Status.NEW
    assert "no longer answers for this (Intake)" in (await said(work, ticket.id))[-1]


async def test_a_port_that_is_down_hides_only_what_hangs_on_it(work: Work) -> None:
    switch, ap = await a_device(work), await a_device(work)
    link = NetworkParent(device_id=ap.id, parent_id=switch.id, parent_port="Gi1", by_hand=True)
    work.session.add(link)
    under = {"instance": "", "state": FaultState.UNDER_PARENT, "parent_id": switch.id}
    await makers.make_fault(work, ap, UNREACHABLE, **under)
    await makers.make_fault(work, switch, "port.down", instance="Gi2")
    assert await waiting(work) == [ap.id]
    await makers.make_fault(work, switch, "port.down", instance="Gi1")
    assert await waiting(work) == []


async def test_many_silenced_faults_let_others_have_their_turn(work: Work) -> None:
    silenced = [await a_device(work) for _ in range(4)]
    other = await a_device(work)
    window = PlanMaintenance(everything=True, ends_at=work.now + timedelta(hours=1), reason="Core switch")
    await plan_maintenance(work, window)
    for device in silenced:
        await told(work, device, opened(work))
    await makers.make_fault(work, other, UNREACHABLE, instance="", state=FaultState.UNDER_PARENT)
    assert await waiting(work) == [other.id]
    work.now += timedelta(minutes=2)
    assert set(await waiting(work)) == {other.id, *(device.id for device in silenced)}
    work.now += timedelta(hours=1)
    await told(work, silenced[0])
    assert (await ticket_of(work, silenced[0])).status is Status.NEW


def looked(devices: Sequence[NetworkDevice], work: Work, *, opens: bool = False) -> list[Judged]:
    """What a poll that nobody answered makes of devices that were well; `opens` where it is confirmed."""
    found = []
    for device in devices:
        memory = Memory(pinged_at=work.now - timedelta(minutes=5))
        for _ in range(4 if opens else 1):
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
            work.now += timedelta(seconds=15)
            one = judge(watched, work.now, None, "silent", False)
            memory = one.memory
        found.append(one)
    return found


async def polled(work: Work, devices: Sequence[NetworkDevice], *, answer: bool) -> None:
    """As polls leave the watches of devices that answer, or are down."""
    values = {"ids": [device.id for device in devices], "now": work.now, "reach": 2 if answer else 3}
    await work.session.execute(
        text(
            "UPDATE network_watches SET polled_at = :now, reach = :reach, answered_at = "
            "CASE WHEN :reach = 2 THEN CAST(:now AS timestamptz) ELSE answered_at END "
            "WHERE device_id = ANY(:ids)"
        ),
        values,
    )


async def poller_tickets(work: Work) -> list[Ticket]:
    query = select(Ticket).where(Ticket.source_key == POLLER_KEY).order_by(Ticket.id)
    return list(await work.session.scalars(query.execution_options(populate_existing=True)))


NETWORK: Any = SimpleNamespace()


async def test_a_doubtful_poller_holds_faults_back_until_it_sees_clearly(work: Work) -> None:
    devices = [await a_device(work) for _ in range(5)]
    judged = looked(devices, work, opens=True)
    await polled(work, devices, answer=False)
    await work.session.execute(text("UPDATE network_watches SET reach = 2"))
    suspect = await doubt(work, NETWORK, CALM, CALM, judged)
    assert suspect == "uplink"
    for one in judged:
        await report(work, PROFILES, one.watched.device_id, one.transitions, suspect)
    await polled(work, devices, answer=False)
    for minutes in (3, 10, 60):
        work.now += timedelta(minutes=minutes)
        await polled(work, devices, answer=False)
        for device_id in await waiting(work):
            await report(work, PROFILES, device_id, ())
        assert await doubt(work, NETWORK, CALM, CALM, judged) == "uplink"
    states = {fault.state for device in devices for fault in await faults_of(work, device)}
    assert states == {FaultState.SUSPENDED}
    assert [ticket.status for ticket in await poller_tickets(work)] == [Status.NEW]

    await polled(work, devices[1:], answer=True)
    await work.session.execute(text("UPDATE network_watches SET next_poll_at = now() + interval '1 day'"))
    assert await doubt(work, NETWORK, CALM, CALM, []) is None
    assert [ticket.status for ticket in await poller_tickets(work)] == [Status.RESOLVED]
    assert await waiting(work) == []
    assert (await watch_of(work, devices[0])).next_poll_at == work.now
    work.now += timedelta(minutes=6)
    await told(work, devices[0])
    assert (await ticket_of(work, devices[0])).status is Status.NEW


async def test_a_host_that_always_loses_datagrams_still_tells_of_what_is_dead(work: Work) -> None:
    devices = [await a_device(work) for _ in range(5)]
    await polled(work, devices, answer=True)
    judged = looked(devices[:1], work, opens=True)
    await polled(work, devices[:1], answer=False)
    await work.session.execute(text("UPDATE network_watches SET reach = 2"))
    before, after = Sample(drops=10), Sample(drops=12)
    suspect = await doubt(work, NETWORK, before, after, judged)
    assert suspect == "itself"
    await told(work, devices[0], *judged[0].transitions, suspect=suspect)
    await polled(work, devices[:1], answer=False)
    assert await doubt(work, NETWORK, before, after, []) is None
    assert [ticket.status for ticket in await poller_tickets(work)] == [Status.RESOLVED]
    work.now += timedelta(minutes=6)
    assert await waiting(work) == [devices[0].id]
    await told(work, devices[0])
    assert (await ticket_of(work, devices[0])).status is Status.NEW


async def test_a_doubt_ends_once_where_two_batches_end_it(work: Work) -> None:
    devices = [await a_device(work) for _ in range(5)]
    judged = looked(devices, work, opens=True)
    await polled(work, devices, answer=False)
    await work.session.execute(text("UPDATE network_watches SET reach = 2"))
    await doubt(work, NETWORK, CALM, CALM, judged)
    [ticket] = await poller_tickets(work)
    outcome = inputs.Resolve(resolution="It was real.", cause="other", fix="none")
    await actions.resolve(await by_a_person(work), ticket.id, outcome)
    await polled(work, devices, answer=True)
    assert await doubt(work, NETWORK, CALM, CALM, []) is None
    assert [ticket.status for ticket in await poller_tickets(work)] == [Status.RESOLVED]


async def test_traps_have_a_device_polled_only_so_often(work: Work) -> None:
    device = await a_device(work)
    watch = await watch_of(work, device)
    watch.polled_at, watch.next_poll_at = work.now - timedelta(seconds=5), work.now + timedelta(minutes=4)
    await work.session.flush()
    await look_after_traps(work, {device.id})
    assert (await watch_of(work, device)).next_poll_at == work.now - timedelta(seconds=5) + APART
    work.now += timedelta(minutes=1)
    watch.next_poll_at = work.now + timedelta(minutes=4)
    await work.session.flush()
    await look_after_traps(work, {device.id})
    assert (await watch_of(work, device)).next_poll_at == work.now


async def test_many_devices_of_one_profile_share_a_ticket_until_the_last_is_well(work: Work) -> None:
    devices = [await a_device(work) for _ in range(3)]
    first = await makers.make_ticket(work)
    for number in range(MOST_ALIKE - 1):
        given = {"instance": str(number), "ticket_id": first.id}
        await makers.make_fault(work, devices[0], HOT, **given)
    for device in devices:
        await told(work, device, opened(work, HOT, "new", label="Intake", value=41))
    own, *shared = [await ticket_of(work, device) for device in devices]
    assert own.source_key == source_key(devices[0].id, HOT, "new")
    assert shared[0].id == shared[1].id
    assert shared[0].subject == f"More than 150 devices (generic) report the same within an hour: {HOT}"
    await told(work, devices[1], recovered(work, HOT, "new"))
    assert (await ticket_of(work, devices[1])).status is Status.NEW
    await told(work, devices[2], recovered(work, HOT, "new"))
    assert (await ticket_of(work, devices[2])).status is Status.RESOLVED


async def test_a_fault_that_is_back_goes_on_where_its_key_has_an_open_ticket(work: Work) -> None:
    device = await a_device(work)
    await told(work, device, opened(work))
    old = await ticket_of(work, device)
    await told(work, device, recovered(work))
    newer = await makers.make_ticket(work, source_key=old.source_key, channel="monitoring")
    again: dict[str, Any] = {"since": work.now, "at": work.now, "flaps": 1}
    await told(work, device, Reopened(check=UNREACHABLE, instance="", **again))
    assert (await ticket_of(work, device)).id == newer.id
    assert (await said(work, newer.id))[-1].startswith("It is back")


def test_a_region_of_a_language_is_spoken_to_in_the_language() -> None:
    assert words("es-MX", "poller") == words("es", "poller") != words("en", "poller")
    assert sentence({"en": "Broken", "es": "Averiado"}, About("x", "10.0.0.1"), "es-MX") == "Averiado"
    assert sentence({"en": "Broken", "es": "Averiado"}, About("x", "10.0.0.1"), "so") == "Broken"
