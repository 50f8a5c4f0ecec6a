"""What is known of an asset because its device is watched: by ordinary polls, and when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text

from integrations.snmp.agent import Type
from service.assets.models import Asset, AssetFact
from service.monitoring.models import NetworkDevice
from service.monitoring.reading_for import read_device
from tests import makers
from tests.conftest import fresh_database
from tests.network_lab import Lab, a_lab

pytestmark = pytest.mark.xdist_group("network")
PRINTER, UPS, AP, SWITCH = "rhs-printer-library", "rhs-ups-mdf", "kbm-ap-102", "rhs-sw-a"
IF_OPER, IF_HIGH_SPEED = "1.3.6.1.2.1.2.2.1.8", "1.3.6.1.2.1.31.1.1.1.15"
SERIAL = "1.3.6.1.2.1.43.5.1.1.17.1"


@pytest.fixture(scope="module")
def url(server_url: str, empty_url: str) -> Iterator[str]:
    with fresh_database(server_url, "fb_network_facts", like=empty_url) as made:
        yield made


async def asset_of(lab: Lab, name: str) -> int:
    async with lab.work() as work:
        query = select(NetworkDevice.asset_id).where(NetworkDevice.id == lab.ids[name])
        found = await work.session.scalar(query)
    assert found is not None
    return found


async def facts(lab: Lab, asset_id: int) -> dict[str, AssetFact]:
    async with lab.work() as work:
        rows = await work.session.scalars(select(AssetFact).where(AssetFact.asset_id == asset_id))
        return {row.name: row for row in rows}


async def values(lab: Lab, asset_id: int) -> dict[str, Any]:
    return {name: row.value for name, row in (await facts(lab, asset_id)).items()}


async def age(lab: Lab, asset_id: int, name: str) -> float:
    """In seconds."""
    return (lab.now - (await facts(lab, asset_id))[name].as_of).total_seconds()


async def a_chromebook_in_the_room_of(lab: Lab, name: str) -> int:
    async with lab.work() as work:
        device = await work.session.get_one(NetworkDevice, lab.ids[name])
        return (await makers.make_asset(work, place_id=device.place_id, school_id=device.school_id)).id


async def test_the_state_of_the_port_lands_on_whatever_hangs_on_it_by_polls_alone(url: str) -> None:
    async with a_lab(url, PRINTER, UPS, AP) as lab:
        await lab.run(6)
        for name in (PRINTER, UPS, AP, SWITCH):
            found = (await facts(lab, await asset_of(lab, name)))["port.oper_status"]
            assert (found.value, found.source) == ("up", "snmp")
            assert (lab.now - found.as_of).total_seconds() <= 300
        switch, port = str(lab.school[UPS].spec.parent), lab.school[UPS].port
        lab.school.port_down(switch, port)
        await lab.run(6)
        told = await values(lab, await asset_of(lab, UPS))
        assert (told["port.oper_status"], told["net.port_up"]) == ("down", False)


@pytest.mark.parametrize(("number", "word"), [(5, "dormant"), (7, "lower_layer_down")])
async def test_a_port_is_told_in_the_words_of_its_mib_by_polls_and_when_asked(
    url: str, number: int, word: str
) -> None:
    async with a_lab(url, UPS) as lab:
        switch, port = str(lab.school[UPS].spec.parent), lab.school[UPS].port
        lab.school[switch].tree.set(f"{IF_OPER}.{port}", Type.INTEGER, number)
        await lab.run(6)
        asset = await asset_of(lab, UPS)
        assert (await values(lab, asset))["port.oper_status"] == word
        async with lab.work() as work:
            await work.session.execute(text("DELETE FROM asset_facts"))
        await read_device(lab.resources, lab.network, asset)
        assert (await values(lab, asset))["port.oper_status"] == word


async def test_whether_a_printer_answers_is_known_without_anybody_asking(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await lab.run(6)
        asset = await asset_of(lab, PRINTER)
        assert (await values(lab, asset))["printer.reachable"] is True
        lab.school.unplug(PRINTER)
        await lab.run(12)
        assert (await values(lab, asset))["printer.reachable"] is False
        assert await age(lab, asset, "printer.reachable") <= 120
        assert await age(lab, asset, "printer.jammed") > 300


async def test_a_room_hears_of_its_access_point_when_it_comes_or_goes_and_once_an_hour(url: str) -> None:
    async with a_lab(url, AP) as lab:
        laptop = await a_chromebook_in_the_room_of(lab, AP)
        await lab.run(6)
        own = await asset_of(lab, AP)
        for asset in (own, laptop):
            told = await values(lab, asset)
            assert told["net.ap.status"] == "up"
            assert told["net.ap.clients"] >= 0
        ages = []
        for _ in range(14):
            await lab.run(6)
            ages.append(await age(lab, laptop, "net.ap.status"))
            assert await age(lab, own, "net.ap.status") <= 300
        assert 1800 < max(ages) <= 3900
        lab.school.unplug(AP)
        await lab.run(6)
        for asset in (own, laptop):
            assert (await values(lab, asset))["net.ap.status"] == "down"
            assert await age(lab, asset, "net.ap.status") <= 300


async def test_of_two_access_points_of_a_room_each_tells_its_own_state(url: str) -> None:
    async with a_lab(url, AP, "kbm-ap-202") as lab:
        async with lab.work() as work:
            other = await work.session.get_one(NetworkDevice, lab.ids["kbm-ap-202"])
            other.place_id = (await work.session.get_one(NetworkDevice, lab.ids[AP])).place_id
            for name in (AP, "kbm-ap-202"):
                asset = await work.session.get_one(Asset, await asset_of(lab, name))
                asset.place_id = other.place_id
        laptop = await a_chromebook_in_the_room_of(lab, AP)
        lab.school.unplug(AP)
        await lab.run(12)
        own, mate = await asset_of(lab, AP), await asset_of(lab, "kbm-ap-202")
        for _ in range(2):
            told = [(await values(lab, asset))["net.ap.status"] for asset in (own, mate, laptop)]
            assert told == ["down", "up", "up"]
            for asset in (own, mate, laptop):
                await read_device(lab.resources, lab.network, asset)


async def test_what_hangs_on_two_switches_of_one_batch_does_not_stop_it(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        async with lab.work() as work:
            await work.session.execute(
                text(
                    "INSERT INTO network_parents (device_id, parent_id, parent_port, by_hand) "
                    "SELECT :child, p.parent_id, p.parent_port, true FROM network_parents AS p "
                    "JOIN network_devices AS d ON d.id = p.parent_id AND d.name = 'rhs-core' LIMIT 1"
                ),
                {"child": lab.ids[PRINTER]},
            )
            await work.session.execute(
                text("UPDATE network_watches SET next_poll_at = :now"), {"now": lab.now}
            )
        await lab.tick()
        for name in (PRINTER, "rhs-core"):
            assert (await lab.watch(name)).polled_at == lab.now
        assert (await values(lab, await asset_of(lab, PRINTER)))["net.port_up"] is True


async def test_what_polls_do_not_ask_is_asked_when_somebody_wants_to_know(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await lab.run(11)
        asset = await asset_of(lab, PRINTER)
        assert not {"net.uplink_mbps", "printer.address_matches"} & (await values(lab, asset)).keys()
        await read_device(lab.resources, lab.network, asset)
        told = await values(lab, asset)
        assert told["net.uplink_mbps"] == 1000
        assert told["printer.address_matches"] is True
        assert told["net.port_errors"] >= 0
        assert "printer.jams_7d" not in told
        switch, port = str(lab.school[PRINTER].spec.parent), lab.school[PRINTER].port
        lab.school[switch].tree.set(f"{IF_HIGH_SPEED}.{port}", Type.GAUGE32, 100)
        lab.school[PRINTER].tree.set(SERIAL, Type.OCTETS, b"ANOTHER1")
        lab.pass_time(5)
        await read_device(lab.resources, lab.network, asset)
        told = await values(lab, asset)
        assert told["net.uplink_mbps"] == 100
        assert told["printer.address_matches"] is False


async def test_who_does_not_answer_tells_nothing_new(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        await lab.run(6)
        asset = await asset_of(lab, PRINTER)
        await read_device(lab.resources, lab.network, asset)
        before = (await facts(lab, asset))["net.uplink_mbps"].as_of
        lab.pass_time(60)
        lab.school.silence(str(lab.school[PRINTER].spec.parent))
        await read_device(lab.resources, lab.network, asset)
        after = await facts(lab, asset)
        assert after["net.uplink_mbps"].as_of == before
        assert after["printer.address_matches"].as_of == lab.now


async def test_jams_of_a_week_are_counted_with_their_returns(url: str) -> None:
    async with a_lab(url, PRINTER) as lab:
        asset = await asset_of(lab, PRINTER)
        async with lab.work() as work:
            await work.session.execute(
                text("UPDATE network_devices SET created_at = created_at - interval '8 days'")
            )
        for _ in range(2):
            lab.school.jam(PRINTER)
            await lab.run(6)
            lab.school.clear(PRINTER)
            await lab.run(12)
        await read_device(lab.resources, lab.network, asset)
        assert (await values(lab, asset))["printer.jams_7d"] == 2
