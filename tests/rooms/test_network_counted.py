"""Facts of an asset that are counted over time or over other devices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from integrations.snmp.reading import DeviceKind, Identity, LinkState, Port, Reading
from service.assets.models import Asset, AssetKind
from service.core.work import Work
from service.monitoring.counted_facts import counted_facts
from service.monitoring.history import ensure_series, store_samples
from service.monitoring.internet_line import line_port
from service.monitoring.models import (
    FaultState,
    NetworkDevice,
    NetworkMac,
    NetworkParent,
    NetworkWatch,
    ReachState,
)
from tests import makers

MAC = "00:1b:21:00:00:07"


async def told(work: Work, asset: Asset) -> dict[str, Any]:
    return {fact.name: fact.value for fact in await counted_facts(work, asset.id)}


async def a_device(work: Work, kind: DeviceKind, ports: Sequence[Port] = (), **given: Any) -> NetworkDevice:
    """A device with an asset of its own, watched for a month, its ports as they were found."""
    asset = await makers.make_asset(work, kind=AssetKind.OTHER)
    reading = Reading("generic", Identity(kind=kind), ports=list(ports))
    current = {"ports": {port.key: [port.admin, port.oper, None] for port in ports}}
    device = await makers.make_network_device(work, reading, current, **given)
    device.asset_id, device.created_at = asset.id, work.now - timedelta(days=30)
    await work.session.flush()
    return device


async def asset_of(work: Work, device: NetworkDevice) -> Asset:
    return await work.session.get_one(Asset, device.asset_id)


async def hangs_on(work: Work, child: NetworkDevice, parent: NetworkDevice, port: str) -> None:
    work.session.add(NetworkParent(device_id=child.id, parent_id=parent.id, parent_port=port))
    await work.session.flush()


async def measured(
    work: Work, device: NetworkDevice, names: Sequence[tuple[str, str]], rows: Sequence[tuple[float, Any]]
) -> None:
    """`rows` are minutes ago and the numbers by the order of `names`."""
    await ensure_series(work.session, {device.id: [(*name, "/s") for name in names]})
    raw = (await (await work.session.connection()).get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    samples = [(device.id, work.now - timedelta(minutes=ago), list(numbers)) for ago, numbers in rows]
    await store_samples(raw, samples)


def port(key: str, *, alias: str | None = None, oper: LinkState = LinkState.UP) -> Port:
    return Port(key, 1, name=key, alias=alias, type=6, admin=LinkState.UP, oper=oper, speed_mbps=1000)


ERRORS = [("port.in_errors", "1"), ("port.out_errors", "1"), ("port.in_errors", "2")]


async def test_errors_are_those_of_its_own_port_at_the_rate_of_the_last_hour(work: Work) -> None:
    switch = await a_device(work, DeviceKind.SWITCH)
    printer = await a_device(work, DeviceKind.PRINTER)
    await hangs_on(work, printer, switch, "1")
    asset = await asset_of(work, printer)
    assert "net.port_errors" not in await told(work, asset)
    rows: list[tuple[float, Any]] = [
        (70, (9.0, 9.0, 9.0)),
        (61, (9.0, 9.0, 9.0)),
        (51, (0.5, 0.5, 9.0)),
        (50, (0.0, 0.0, 9.0)),
        (21, (None, None, 9.0)),
        (1, (None, 0.25, 9.0)),
    ]
    await measured(work, switch, ERRORS, rows)
    [fact] = [one for one in await counted_facts(work, asset.id) if one.name == "net.port_errors"]
    assert fact.as_of == work.now - timedelta(minutes=1)
    assert fact.value == round((10 * 1.0 + 1 * 0.0 + 20 * 0.25) / 31 * 3600)


async def test_an_hour_without_samples_has_no_errors_rather_than_none_at_all(work: Work) -> None:
    switch = await a_device(work, DeviceKind.SWITCH)
    printer = await a_device(work, DeviceKind.PRINTER)
    await hangs_on(work, printer, switch, "1")
    await measured(work, switch, ERRORS, [(70, (1.0, 1.0, 1.0)), (65, (1.0, 1.0, 1.0))])
    assert "net.port_errors" not in await told(work, await asset_of(work, printer))


async def test_jams_are_counted_by_the_week_and_only_where_all_of_it_was_watched(work: Work) -> None:
    printer = await a_device(work, DeviceKind.PRINTER)
    asset = await asset_of(work, printer)
    assert await told(work, asset) == {"printer.jams_7d": 0}
    over = {"state": FaultState.RECOVERED, "resolved_at": work.now, "instance": ""}
    for days, flaps in ((8, 4), (6, 0), (1, 2)):
        at = work.now - timedelta(days=days)
        await makers.make_fault(work, printer, "printer.jammed", opened_at=at, flaps=flaps, **over)
    await makers.make_fault(work, printer, "printer.door_open", opened_at=work.now, **over)
    assert await told(work, asset) == {"printer.jams_7d": 4}
    printer.created_at = work.now - timedelta(days=6)
    await work.session.flush()
    assert await told(work, asset) == {}


@pytest.mark.parametrize(("seen", "matches"), [("10.1.0.7", True), ("10.1.0.99", False)])
async def test_a_silent_printer_has_the_address_at_which_its_mac_was_seen_since(
    work: Work, seen: str, matches: bool
) -> None:
    own = Port("eth0", 1, mac=MAC.upper())
    printer = await a_device(work, DeviceKind.PRINTER, [own], address="10.1.0.7")
    router = await a_device(work, DeviceKind.ROUTER)
    mac = {"mac": MAC, "device_id": router.id, "port_key": "1", "address": seen}
    work.session.add(NetworkMac(**mac, seen_at=work.now - timedelta(minutes=3)))
    watch = await work.session.get_one(NetworkWatch, printer.id)
    watch.answered_at = work.now - timedelta(minutes=10)
    await work.session.flush()
    facts = {fact.name: fact for fact in await counted_facts(work, (await asset_of(work, printer)).id)}
    assert facts["printer.address_matches"].value is matches
    assert facts["printer.address_matches"].as_of == work.now - timedelta(minutes=3)
    watch.answered_at = work.now
    await work.session.flush()
    assert "printer.address_matches" not in await told(work, await asset_of(work, printer))


async def test_phones_that_are_down_are_those_of_the_school_that_are_watched(work: Work) -> None:
    school, other = await makers.make_school(work), await makers.make_school(work)
    desk = await makers.make_asset(work, kind=AssetKind.PHONE, school_id=school.id)
    laptop = await makers.make_asset(work, kind=AssetKind.LAPTOP, school_id=school.id)
    assert await told(work, desk) == {}
    looks = (school, ReachState.DOWN), (school, ReachState.UP), (other, ReachState.DOWN)
    for minutes, (place, reach) in enumerate(looks, 1):
        phone = await a_device(work, DeviceKind.PHONE)
        phone.school_id = place.id
        watch = await work.session.get_one(NetworkWatch, phone.id)
        watch.reach, watch.polled_at = reach, work.now - timedelta(minutes=minutes)
    await work.session.flush()
    [fact] = await counted_facts(work, desk.id)
    assert (fact.name, fact.value, fact.as_of) == (
        "phone.others_down", 1, work.now - timedelta(minutes=2)
    )  # fmt: skip
    assert await told(work, laptop) == {}


@pytest.mark.parametrize(
    ("octets", "percent"),
    [
        ((125_000_000.0, 0.0), 100),
        ((3.0, 115_000_000.0), 92),
        ((100_000_000.0, 1.0), None),
        ((None, None), None),
    ],
)
async def test_a_full_port_to_the_internet_is_a_full_line_and_half_a_port_says_nothing(
    work: Work, octets: tuple[float | None, float | None], percent: int | None
) -> None:
    root = await a_device(work, DeviceKind.FIREWALL, [port("wan1"), port("internal")])
    root.is_root = True
    switch = await a_device(work, DeviceKind.SWITCH)
    point = await a_device(work, DeviceKind.ACCESS_POINT)
    await hangs_on(work, switch, root, "internal")
    await hangs_on(work, point, switch, "7")
    names = [("port.in_octets", "wan1"), ("port.out_octets", "wan1"), ("port.in_octets", "internal")]
    await measured(work, root, names, [(9, (9.0, 9.0, 1.2e8)), (4, (*octets, 1.2e8))])
    assert (await told(work, await asset_of(work, point))).get("net.wan_use_percent") == percent


def test_the_port_to_the_internet_is_known_or_it_is_none() -> None:
    first, second, inner = port("x1"), port("x2"), port("x3", alias="Internet")
    assert line_port([first, inner], {"x3"}) is first
    assert line_port([first, second], ()) is None
    called = port("x4", alias="to ISP")
    assert line_port([first, called, second], ()) is called
    assert line_port([called, port("wan2")], ()) is None
    assert line_port([port("swan")], {"swan"}) is None
