"""What breaks in the network and heals again: exactly the tickets it should be, over real UDP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select, text

from integrations.snmp.reading import DeviceKind
from service.assets.models import Asset, AssetFact
from service.core.actor import Role
from service.demo.network.school import MIDDLE, Spec
from service.monitoring.maintenance import PlanMaintenance, plan_maintenance
from service.monitoring.models import FaultState, NetworkDevice, ReachBy, ReachState, SnmpState
from service.tickets import actions, inputs
from service.tickets.models import Ticket, TicketEvent, TicketLink
from service.tickets.queries import timeline
from tests import makers
from tests.conftest import fresh_database
from tests.network_lab import Lab, a_lab

pytestmark = pytest.mark.xdist_group("network")
PRINTER, SWITCH, UPS, CORE = "rhs-printer-library", "rhs-sw-a", "rhs-ups-mdf", "rhs-core"
AP, CONTROLLER = "kbm-ap-102", "district-wlc"
Told = list[tuple[str, str]]


@pytest.fixture(scope="module")
def url(server_url: str, empty_url: str) -> Iterator[str]:
    with fresh_database(server_url, "fb_network_plays", like=empty_url) as made:
        yield made


async def quiet(lab: Lab) -> None:
    """Everything is well, and nobody says otherwise."""
    await lab.run(6)
    assert await lab.told() == []
    assert await lab.faults() == []


async def texts(lab: Lab, number: int) -> list[str]:
    async with lab.work() as work:
        rows = await work.session.scalars(
            select(TicketEvent.body).where(TicketEvent.ticket_id == number).order_by(TicketEvent.id)
        )
        return [body for body in rows if body]


async def test_a_jam_is_one_ticket_until_it_is_cleared(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        lab.school.jam(PRINTER)
        await lab.run(11)
        assert await lab.told() == [(f"{PRINTER} printer.jammed", "new")]
        ticket = (await lab.tickets())[0]
        assert ticket.subject.startswith("The printer in 0304-A-Library")
        assert "Paper jam in the fuser area" in ticket.description
        assert (ticket.category_id, ticket.school_id, ticket.place_id) == ("print", "0304", "0304-A-Library")
        assert ticket.asset_id is not None
        assert "printer.jammed" in ticket.tags
        lab.school.clear(PRINTER)
        await lab.run(12)
        assert await lab.told() == [(f"{PRINTER} printer.jammed", "resolved")]
        ticket = (await lab.tickets())[0]
        assert (ticket.cause, ticket.outcome) == ("print.jam", "solved_confirmed")


async def test_a_jam_that_comes_back_within_its_flap_window_is_the_old_ticket(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        for _ in range(2):
            lab.school.jam(PRINTER)
            await lab.run(6)
            lab.school.clear(PRINTER)
            await lab.run(12)
        assert await lab.told() == [(f"{PRINTER} printer.jammed", "resolved")]
        ticket = (await lab.tickets())[0]
        assert ticket.reopens == 1
        assert len(await lab.faults(unresolved=False)) == 1


async def test_a_ticket_that_somebody_works_on_is_told_and_left_to_them(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        lab.school.jam(PRINTER)
        await lab.run(6)
        number = (await lab.tickets())[0].id
        async with lab.work() as work:
            person = await makers.make_person(work, Role.ADMIN)
            admin = await makers.acting(work, person)
            await actions.note(admin, number, inputs.Note(body="On my way."))
        lab.school.clear(PRINTER)
        await lab.run(12)
        assert await lab.told() == [(f"{PRINTER} printer.jammed", "new")]
        assert "well again since" in (await texts(lab, number))[-1]
        assert await lab.faults() == []


async def test_toner_low_becomes_empty_and_is_replaced(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        lab.school.toner_low(PRINTER)
        await lab.run(12)
        assert [key.split()[1] for key, _ in await lab.told()] == ["printer.toner_low"]
        lab.school.empty_toner(PRINTER)
        await lab.run(12)
        told = await lab.told()
        assert [key.split()[1] for key, _ in told] == ["printer.toner_low", "printer.toner_empty"]
        assert (await lab.tickets(still_open=True))[-1].subject == (
            "The printer in 0304-A-Library, 0304 is out of black toner."
        )
        lab.school.replace_toner(PRINTER)
        await lab.run(12)
        assert {status for _, status in await lab.told()} == {"resolved"}
        assert len(await lab.tickets()) == 2


async def test_facts_land_on_the_asset_with_their_time(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        lab.school.jam(PRINTER)
        await lab.run(6)
        async with lab.work() as work:
            asset = await work.session.scalar(
                select(NetworkDevice.asset_id).where(NetworkDevice.id == lab.ids[PRINTER])
            )
            rows = await work.session.scalars(select(AssetFact).where(AssetFact.asset_id == asset))
            facts = {row.name: row for row in rows}
        assert facts["printer.jammed"].value is True
        assert facts["printer.supply.min_percent"].value == 74
        assert facts["net.port_up"].value is True
        assert facts["printer.jammed"].source == "snmp"
        assert (lab.now - facts["printer.jammed"].as_of).total_seconds() <= 300


async def test_a_sleeping_printer_is_not_down_but_one_without_power_is(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        async with lab.work() as work:
            device = await work.session.get_one(NetworkDevice, lab.ids[PRINTER])
            device.reach_by, device.reach_port = ReachBy.SNMP, None
        lab.school.silence(PRINTER)
        await lab.run(20)
        assert (await lab.watch(PRINTER)).reach is ReachState.ASLEEP
        assert await lab.told() == []
        lab.school.speak(PRINTER)
        await lab.run(6)
        assert await lab.told() == []
        lab.school.unplug(PRINTER)
        await lab.run(12)
        assert [key for key, _ in await lab.told()] == [f"{PRINTER} device.unreachable"]
        lab.school.plug(PRINTER)
        await lab.run(8)
        assert await lab.told() == [(f"{PRINTER} device.unreachable", "resolved")]


async def test_a_lost_link_of_a_switch_is_the_ports_ticket_and_what_hangs_on_it_is_told_there(
    url: str,
) -> None:
    async with a_lab(url, AP) as lab:
        await quiet(lab)
        switch = lab.school[AP].spec.parent
        assert switch is not None
        lab.school.port_down(switch, lab.school[AP].port)
        await lab.run(8)
        told = await lab.told()
        assert [key.split()[:2] for key, _ in told] == [[switch, "port.down"]]
        under = [f for f in await lab.faults() if f.state is FaultState.UNDER_PARENT]
        assert [f.device_id for f in under] == [lab.ids[AP]]
        assert any(AP in said for said in await texts(lab, (await lab.tickets())[0].id))
        lab.school.port_up(switch, lab.school[AP].port)
        await lab.run(15)
        assert [status for _, status in await lab.told()] == ["resolved"]
        assert await lab.faults() == []


def a_new_wing() -> Iterator[Spec]:
    """A third closet of the middle school, and what hangs in it."""
    closet = "kbm-sw-c"
    yield Spec(closet, DeviceKind.SWITCH, MIDDLE, "C", "kbm-core", "CL-24P")
    for number in range(301, 313):
        place = f"C-{number}"
        yield Spec(f"kbm-ap-{number}", DeviceKind.ACCESS_POINT, MIDDLE, place, closet, "U6-Pro", poe=True)
    for number in range(301, 310):
        place = f"C-{number}"
        yield Spec(f"kbm-printer-{number}", DeviceKind.PRINTER, MIDDLE, place, closet, "4200")


async def test_a_dead_switch_is_one_ticket_that_lists_what_hangs_on_it(url: str) -> None:
    async with a_lab(url, "kbm-*", more=list(a_new_wing())) as lab:
        await quiet(lab)
        core = "kbm-core"
        behind = [n for n in lab.ids if n.startswith("kbm-") and n != core]
        assert len(behind) >= 40
        lab.school.die(core)
        await lab.run(14)
        told = await lab.told()
        assert [key for key, _ in told] == [f"{core} device.unreachable"]
        ticket = (await lab.tickets())[0]
        assert all(f"- {name}" in ticket.description for name in behind)
        under = {f.device_id for f in await lab.faults() if f.state is FaultState.UNDER_PARENT}
        sleepers = {
            n for n in behind if lab.school[n].spec.kind in (DeviceKind.PRINTER, DeviceKind.PROJECTOR)
        }
        assert under >= {lab.ids[name] for name in behind if name not in sleepers}
        assert under <= {lab.ids[name] for name in behind}
        lab.school.revive(core)
        await lab.run(25)
        assert [status for _, status in await lab.told()] == ["resolved"]
        assert await lab.faults() == []


async def test_on_battery_is_a_ticket_and_a_self_test_is_none(url: str) -> None:
    async with a_lab(url, UPS) as lab:
        await quiet(lab)
        lab.school.self_test(UPS)
        await lab.run(11)
        lab.school.power_back(UPS)
        await lab.run(6)
        assert await lab.told() == []
        lab.school.power_cut(UPS)
        await lab.run(4)
        assert f"{UPS} ups.on_battery" in [key for key, _ in await lab.told()]
        lab.school.power_back(UPS)
        await lab.run(12)
        assert {status for _, status in await lab.told()} == {"resolved"}


async def test_a_reboot_and_a_wrapped_uptime_are_no_faults_and_make_no_spikes(url: str) -> None:
    async with a_lab(url, SWITCH) as lab:
        await quiet(lab)
        lab.school.reboot(SWITCH)
        await lab.run(11)
        lab.school.wrap_uptime(CORE, 60.0)
        await lab.run(11)
        assert await lab.told() == []
        async with lab.work() as work:
            most = await work.session.scalar(
                text('SELECT max(v) FROM network_samples, unnest("values") AS v WHERE v IS NOT NULL')
            )
        assert most is not None
        assert most < 1.25e9


async def test_a_silent_agent_is_closed_only_by_its_own_check(url: str) -> None:
    async with a_lab(url, SWITCH) as lab:
        await quiet(lab)
        lab.school.silence(SWITCH)
        await lab.run(8)
        assert await lab.told() == [(f"{SWITCH} device.snmp", "new")]
        watch = await lab.watch(SWITCH)
        assert (watch.reach, watch.snmp) == (ReachState.UP, SnmpState.SILENT)
        await lab.run(10)
        assert await lab.told() == [(f"{SWITCH} device.snmp", "new")]
        lab.school.speak(SWITCH)
        await lab.run(12)
        assert await lab.told() == [(f"{SWITCH} device.snmp", "resolved")]


async def test_a_flapping_port_is_one_ticket(url: str) -> None:
    async with a_lab(url, AP) as lab:
        await quiet(lab)
        switch, port = str(lab.school[AP].spec.parent), lab.school[AP].port
        for _ in range(4):
            lab.school.port_down(switch, port)
            await lab.run(3)
            lab.school.port_up(switch, port)
            await lab.run(11)
        told = [key for key, _ in await lab.told()]
        assert len(told) == 1, told


async def test_maintenance_collects_and_lets_recoveries_through(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        lab.school.jam(PRINTER)
        await lab.run(6)
        assert len(await lab.tickets()) == 1
        async with lab.work() as work:
            window = PlanMaintenance(
                device_id=lab.ids[SWITCH],
                starts_at=lab.now,
                ends_at=lab.now + timedelta(hours=1),
                reason="New switch",
            )
            await plan_maintenance(work, window)
        lab.school.clear(PRINTER)
        lab.school.open_door(PRINTER)
        lab.school.die(SWITCH)
        await lab.run(10)
        assert [status for _, status in await lab.told()] == ["new"]
        lab.school.revive(SWITCH)
        await lab.run(15)
        assert await lab.told() == [(f"{PRINTER} printer.jammed", "resolved")]
        states = {f.check: f.state for f in await lab.faults()}
        assert states == {"printer.door_open": FaultState.SILENCED}
        watch = await lab.watch(PRINTER)
        assert watch.current["printer"]["errors"] == ["door_open"]
        await lab.run(45)
        assert [key.split()[1] for key, _ in await lab.told()] == ["printer.jammed", "printer.door_open"]


async def test_a_lost_access_point_is_told_by_its_controller(url: str) -> None:
    async with a_lab(url, CONTROLLER) as lab:
        await quiet(lab)
        lab.school.ap_lost("rhs-ap-102")
        await lab.run(16)
        assert [key.split()[:2] for key, _ in await lab.told()] == [[CONTROLLER, "ap.down"]]
        lab.school.ap_back("rhs-ap-102")
        await lab.run(12)
        assert [status for _, status in await lab.told()] == ["resolved"]


async def test_teachers_tickets_are_tied_to_what_broke_and_told_once(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await quiet(lab)
        async with lab.work() as work:
            teacher = await makers.acting(
                work, await makers.make_person(work, school_id="0304", language="es")
            )
            asset = await work.session.scalar(
                select(Asset.tag)
                .join(NetworkDevice, NetworkDevice.asset_id == Asset.id)
                .where(NetworkDevice.id == lab.ids[PRINTER])
            )
            first = await makers.make_ticket(teacher, subject="No imprime", asset_tag=asset)
            other = await makers.make_ticket(
                teacher, subject="Projector", place_id="0304-A-Library", category="av"
            )
            numbers = first.id, other.id
        lab.school.jam(PRINTER)
        await lab.run(8)
        cause = (await lab.tickets())[0].id
        async with lab.work() as work:
            links = (await work.session.execute(select(TicketLink.ticket_id, TicketLink.other_id))).all()
        assert [tuple(link) for link in links] == [(numbers[0], cause)]
        replies = [t for t in await texts(lab, numbers[0]) if t.startswith("Ya lo sabemos")]
        assert len(replies) == 1
        lab.school.clear(PRINTER)
        await lab.run(12)
        assert len([t for t in await texts(lab, numbers[0]) if "Ya lo sabemos" in t]) == 1
        assert "What caused this is over" in (await texts(lab, numbers[0]))[-1]
        async with lab.work() as work:
            ticket = await work.session.get(Ticket, numbers[0])
            assert ticket is not None
            assert ticket.status.value == "new"
            page = await timeline(work, numbers[1])
            assert all("caused" not in str(row) for row in page.rows)


async def test_the_ticket_of_a_port_ends_when_it_is_up_also_if_nothing_hangs_on_it_any_more(url: str) -> None:
    async with a_lab(url, "kbm-ap-102") as lab:
        await lab.run(6)
        switch, port = str(lab.school["kbm-ap-102"].spec.parent), lab.school["kbm-ap-102"].port
        lab.school.port_down(switch, port)
        await lab.run(8)
        assert [status for _, status in await lab.told()] == ["new"]
        async with lab.work() as work:
            await work.session.execute(
                text("DELETE FROM network_devices WHERE id = :id"), {"id": lab.ids["kbm-ap-102"]}
            )
        lab.school.port_up(switch, port)
        await lab.run(16)
        assert [status for _, status in await lab.told()] == ["resolved"]


async def test_what_hangs_on_a_silent_switch_has_it_asked_no_more_often_than_it_is_anyhow(url: str) -> None:
    async with a_lab(url, "kbm-ap-*") as lab:
        await quiet(lab)
        switch = str(lab.school["kbm-ap-102"].spec.parent)
        lab.school.die(switch)
        looks = {(await lab.watch(switch)).polled_at}
        for _ in range(36):
            await lab.run(5 / 60)
            looks.add((await lab.watch(switch)).polled_at)
        instants = sorted(at for at in looks if at is not None)
        assert len(instants) >= 5
        assert min(after - before for before, after in pairwise(instants)) >= timedelta(seconds=15)
        assert len(await lab.told()) == 1
