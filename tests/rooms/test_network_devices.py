"""Devices that are watched: added, edited, looked at, hung on one another; and maintenance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from integrations.snmp.reading import DeviceKind
from service.assets.models import AssetKind
from service.core.actor import Role
from service.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from service.core.work import Conditions, Work
from service.monitoring import listing
from service.monitoring.devices import (
    AddDevice,
    EditDevice,
    ParentIn,
    SetParents,
    add_device,
    delete_device,
    edit_device,
    poll_now,
    rediscover,
    set_parents,
)
from service.monitoring.listing import MaintenanceState
from service.monitoring.maintenance import PlanMaintenance, cancel_maintenance, plan_maintenance
from service.monitoring.models import NetworkFault, NetworkMaintenance, NetworkParent, NetworkWatch, ReachBy
from service.places.models import Place, PlaceKind
from tests import makers
from tests.conftest import NOW


async def watch_of(work: Work, device_id: int) -> NetworkWatch:
    watch = await work.session.get(NetworkWatch, device_id, populate_existing=True)
    assert watch is not None
    return watch


async def make_room(work: Work, school: Place) -> Place:
    room = Place(
        id=makers.unique("r"), kind=PlaceKind.ROOM, name="Closet B", parent_id=school.id, school_id=school.id
    )
    work.session.add(room)
    await work.session.flush()
    return room


async def test_a_new_device_is_discovered_at_once_and_polled_after_that(work: Work) -> None:
    device = await add_device(work, AddDevice(address="10.0.0.5"))
    watch = await watch_of(work, device.id)
    assert (watch.next_discovery_at, watch.next_poll_at) == (NOW, None)
    shown = await listing.device_view(work, device.id)
    assert (shown.name, shown.port, shown.reach, shown.profile) == ("10.0.0.5", 161, "unknown", "")
    assert work.version == 1


@pytest.mark.parametrize(
    ("written", "kept"),
    [(" 10.0.0.5 ", "10.0.0.5"), ("::ffff:10.0.0.5", "10.0.0.5"), ("FD00::0:1", "fd00::1")],
)
def test_an_address_is_always_written_in_one_way(written: str, kept: str) -> None:
    assert AddDevice(address=written).address == kept


@pytest.mark.parametrize(
    "address",
    [
        "",
        "closet-b",
        "10.0.0",
        "224.0.0.1",
        "0.0.0.0",  # noqa: S104
        "255.255.255.255",
        "fe80::1%eth0",
        "10.0.0.0/24",
        "x\x00",
    ],
)
def test_what_is_no_address_of_one_device_is_refused(address: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AddDevice(address=address)
    assert refused.value.errors()[0]["loc"] == ("address",)


async def test_an_address_and_port_are_there_once(work: Work) -> None:
    await add_device(work, AddDevice(address="10.0.0.5"))
    other = await add_device(work, AddDevice(address="10.0.0.5", port=1161))
    with pytest.raises(Conflict):
        await add_device(work, AddDevice(address="::ffff:10.0.0.5"))
    with pytest.raises(Conflict):
        await edit_device(work, other.id, EditDevice(port=161))


async def test_a_tag_ties_it_to_its_asset_and_to_where_that_stands(work: Work) -> None:
    school = await makers.make_school(work)
    room = await make_room(work, school)
    asset = await makers.make_asset(work, kind=AssetKind.PRINTER, place_id=room.id, school_id=school.id)
    device = await makers.make_network_device(work, asset_tag=asset.tag)
    shown = await listing.device_view(work, device.id)
    assert (shown.asset_tag, shown.place_name, shown.school_name) == (asset.tag, "Closet B", school.name)
    assert shown.kind is DeviceKind.PRINTER
    with pytest.raises(Conflict):
        await makers.make_network_device(work, asset_tag=asset.tag)
    with pytest.raises(Invalid) as refused:
        await makers.make_network_device(work, asset_tag="nowhere")
    assert refused.value.fields[0].code == "unknown_asset"
    await edit_device(work, device.id, EditDevice(asset_tag=None))
    assert device.asset_id is None


async def test_a_place_says_the_school_and_must_not_be_at_another(work: Work) -> None:
    school, elsewhere = await makers.make_school(work), await makers.make_school(work)
    room = await make_room(work, school)
    device = await makers.make_network_device(work, place_id=room.id)
    assert device.school_id == school.id
    with pytest.raises(Invalid) as refused:
        await edit_device(work, device.id, EditDevice(place_id=room.id, school_id=elsewhere.id))
    assert refused.value.fields[0].code == "other_school"
    await edit_device(work, device.id, EditDevice(school_id=elsewhere.id))
    assert (device.school_id, device.place_id) == (elsewhere.id, None)
    with pytest.raises(Invalid):
        await edit_device(work, device.id, EditDevice(school_id=room.id))


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"credential_id": 10**9}, "credential_id", "unknown_credential"),
        ({"place_id": "nowhere"}, "place_id", "unknown_place"),
        ({"school_id": "nowhere"}, "school_id", "unknown_school"),
        ({"profile": "no-such"}, "profile", "unknown_profile"),
        ({"reach_by": "tcp"}, "reach_port", "required"),
        ({"reach_port": 80}, "reach_port", "only_tcp"),
    ],
)
async def test_what_does_not_fit_is_refused_by_field(
    work: Work, given: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await makers.make_network_device(work, **given)
    assert [(one.field, one.code) for one in refused.value.fields] == [(field, code)]


async def test_a_credential_for_writing_must_be_one(work: Work) -> None:
    reads = await makers.make_credential(work)
    with pytest.raises(Invalid) as refused:
        await makers.make_network_device(work, write_credential_id=reads.id)
    assert refused.value.fields[0].code == "does_not_write"


async def test_an_edit_changes_what_is_sent_and_nothing_else(work: Work) -> None:
    device = await makers.make_network_device(work, name="Switch", important_ports=["1", "2", "1"])
    await edit_device(work, device.id, EditDevice(reach_by=ReachBy.TCP, reach_port=443))
    assert (device.name, device.important_ports, device.reach_port) == ("Switch", ["1", "2"], 443)
    await edit_device(work, device.id, EditDevice(reach_by=ReachBy.ICMP))
    assert (device.reach_port, device.version, work.version) == (None, 3, 3)
    for name in ("name", "address", "important_ports", "watched"):
        with pytest.raises(Invalid) as refused:
            await edit_device(work, device.id, EditDevice(**{name: None}))
        assert [(one.field, one.code) for one in refused.value.fields] == [(name, "required")]


async def test_whoever_read_an_old_version_does_not_overwrite(work: Work) -> None:
    device = await makers.make_network_device(work)
    held = await makers.acting(work, conditions=Conditions(expected_version=1))
    await edit_device(held, device.id, EditDevice(name="First"))
    for change in (
        edit_device(held, device.id, EditDevice(name="Second")),
        delete_device(held, device.id),
        set_parents(held, device.id, SetParents(parents=[])),
    ):
        with pytest.raises(Stale):
            await change


async def test_who_is_asked_changes_so_it_is_discovered_anew(work: Work) -> None:
    device = await makers.make_network_device(work)
    later = NOW + timedelta(hours=5)
    for given, anew in (({"name": "X"}, False), ({"address": "10.9.9.9"}, True), ({"port": 1161}, True)):
        watch = await watch_of(work, device.id)
        watch.next_discovery_at, watch.engine_id = later, b"\x80\x00\x01"
        await work.session.flush()
        await edit_device(work, device.id, EditDevice(**given))
        watch = await watch_of(work, device.id)
        assert (watch.next_discovery_at, watch.engine_id) == (
            (NOW, None) if anew else (later, b"\x80\x00\x01")
        )


async def test_what_is_not_watched_is_not_asked(work: Work) -> None:
    device = await makers.make_network_device(work)
    await edit_device(work, device.id, EditDevice(watched=False))
    watch = await watch_of(work, device.id)
    assert (watch.next_poll_at, watch.next_discovery_at) == (None, None)
    for verb in (poll_now, rediscover):
        with pytest.raises(Conflict):
            await verb(work, device.id)
    await edit_device(work, device.id, EditDevice(watched=True))
    assert (await watch_of(work, device.id)).next_discovery_at == NOW
    sleeping = await makers.make_network_device(work, watched=False)
    assert (await watch_of(work, sleeping.id)).next_discovery_at is None


async def test_look_now_polls_what_is_known_and_discovers_what_is_not(work: Work) -> None:
    device = await makers.make_network_device(work)
    watch = await watch_of(work, device.id)
    watch.next_discovery_at = None
    await work.session.flush()
    await poll_now(work, device.id)
    watch = await watch_of(work, device.id)
    assert (watch.next_poll_at, watch.next_discovery_at) == (None, NOW)
    device.discovered_at, watch.next_discovery_at, watch.is_slow = NOW, None, True
    await work.session.flush()
    await poll_now(work, device.id)
    watch = await watch_of(work, device.id)
    assert (watch.next_poll_at, watch.next_discovery_at, watch.is_slow) == (NOW, None, False)
    await rediscover(work, device.id)
    assert (await watch_of(work, device.id)).next_discovery_at == NOW


async def test_what_is_deleted_takes_its_faults_and_parents_along(work: Work) -> None:
    device, child = await makers.make_network_device(work), await makers.make_network_device(work)
    await set_parents(work, child.id, SetParents(parents=[ParentIn(device_id=device.id, port="1")]))
    await makers.make_fault(work, device)
    orphan = await makers.make_fault(work, child, parent_id=device.id)
    gone = device.id
    await delete_device(work, gone)
    rows = (await work.session.execute(select(NetworkFault.id, NetworkFault.parent_id))).all()
    assert [tuple(row) for row in rows] == [(orphan.id, None)]
    assert await listing.parents_of(work, child.id) == []
    for verb in (delete_device, poll_now, rediscover):
        with pytest.raises(NotFound):
            await verb(work, gone)


async def test_parents_by_hand_replace_what_was_found(work: Work) -> None:
    core, other, leaf = [await makers.make_network_device(work, name=name) for name in ("core", "b", "leaf")]
    work.session.add(NetworkParent(device_id=leaf.id, parent_id=other.id, parent_port="3", by_hand=False))
    await work.session.flush()
    twice = [ParentIn(device_id=core.id, port="24"), ParentIn(device_id=core.id, port="24")]
    await set_parents(work, leaf.id, SetParents(parents=twice))
    assert [tuple(row) for row in await listing.parents_of(work, leaf.id)] == [(core.id, "core", "24", True)]
    assert leaf.version == 2


async def test_nothing_hangs_on_itself(work: Work) -> None:
    core, middle, leaf = [await makers.make_network_device(work) for _ in range(3)]
    await set_parents(work, middle.id, SetParents(parents=[ParentIn(device_id=core.id)]))
    await set_parents(work, leaf.id, SetParents(parents=[ParentIn(device_id=middle.id)]))
    for device, parent in ((core, core), (core, leaf), (middle, leaf)):
        with pytest.raises(Invalid) as refused:
            await set_parents(work, device.id, SetParents(parents=[ParentIn(device_id=parent.id)]))
        assert refused.value.fields[0].code == "loop"
    with pytest.raises(Invalid) as refused:
        await set_parents(work, core.id, SetParents(parents=[ParentIn(device_id=10**9)]))
    assert refused.value.fields[0].code == "unknown_device"


async def test_who_may_look_may_not_change(work: Work) -> None:
    device = await makers.make_network_device(work)
    technician = await makers.acting(work)
    technician.actor = makers.as_actor(Role.TECHNICIAN)
    await poll_now(technician, device.id)
    for change in (
        add_device(technician, AddDevice(address="10.1.1.1")),
        edit_device(technician, device.id, EditDevice(name="Mine")),
        delete_device(technician, device.id),
        set_parents(technician, device.id, SetParents(parents=[])),
    ):
        with pytest.raises(Forbidden):
            await change
    for role in (Role.STAFF, Role.PUPIL, Role.VENDOR, Role.GUARDIAN):
        outside = await makers.acting(work)
        outside.actor = makers.as_actor(role)
        with pytest.raises(Forbidden):
            await listing.device_view(outside, device.id)
        with pytest.raises(Forbidden):
            await edit_device(outside, 10**9, EditDevice(name="Mine"))


def planned(**given: Any) -> PlanMaintenance:
    return PlanMaintenance(
        **{"everything": True, "ends_at": NOW + timedelta(hours=2), "reason": "Fibre"} | given
    )


async def test_maintenance_is_current_to_come_or_over(work: Work) -> None:
    current = await plan_maintenance(work, planned())
    coming = await plan_maintenance(
        work, planned(starts_at=NOW + timedelta(days=1), ends_at=NOW + timedelta(days=2))
    )
    ended = await plan_maintenance(work, planned())
    await cancel_maintenance(work, ended.id)
    states = {row.id: row.state for row in (await listing.maintenances_page(work)).rows}
    assert states == {current.id: "current", coming.id: "upcoming"}
    for state, row in (
        (MaintenanceState.OVER, ended),
        (MaintenanceState.CURRENT, current),
        (MaintenanceState.UPCOMING, coming),
    ):
        assert [one.id for one in (await listing.maintenances_page(work, state=state)).rows] == [row.id]
    with pytest.raises(Conflict):
        await cancel_maintenance(work, ended.id)
    past = NetworkMaintenance(
        reason="x", starts_at=NOW - timedelta(2), ends_at=NOW - timedelta(1), created_at=NOW - timedelta(2)
    )
    work.session.add(past)
    await work.session.flush()
    with pytest.raises(Conflict):
        await cancel_maintenance(work, past.id)


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"everything": False}, "everything", "one_scope"),
        ({"device_id": 1}, "everything", "one_scope"),
        ({"everything": False, "device_id": 10**9}, "device_id", "unknown_device"),
        ({"everything": False, "school_id": "x"}, "school_id", "unknown_school"),
        ({"ends_at": NOW}, "ends_at", "bad_end"),
        ({"ends_at": NOW + timedelta(days=30, seconds=1)}, "ends_at", "too_long"),
        ({"starts_at": NOW - timedelta(hours=1)}, "starts_at", "in_the_past"),
        ({"starts_at": NOW + timedelta(days=400)}, "starts_at", "too_far"),
        ({"starts_at": NOW + timedelta(hours=3)}, "ends_at", "bad_end"),
    ],
)
async def test_a_maintenance_that_does_not_fit_is_refused_by_field(
    work: Work, given: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await plan_maintenance(work, planned(**given))
    assert [(one.field, one.code) for one in refused.value.fields] == [(field, code)]


async def test_a_maintenance_lasts_thirty_days_at_most_and_tells_its_names(work: Work) -> None:
    school = await makers.make_school(work)
    device = await makers.make_network_device(work, name="Core")
    whole = await plan_maintenance(work, planned(ends_at=NOW + timedelta(days=30)))
    of_school = await plan_maintenance(work, planned(everything=False, school_id=school.id))
    of_device = await plan_maintenance(work, planned(everything=False, device_id=device.id))
    rows = {
        row.id: (row.school_name, row.device_name) for row in (await listing.maintenances_page(work)).rows
    }
    assert rows == {whole.id: (None, None), of_school.id: (school.name, None), of_device.id: (None, "Core")}
    (only,) = (await listing.maintenances_page(work, school_id=school.id)).rows
    assert only.id == of_school.id


async def test_nobody_but_the_desk_plans_maintenance(work: Work) -> None:
    for role in (Role.STAFF, Role.VENDOR, Role.INTEGRATION):
        theirs = await makers.acting(work)
        theirs.actor = makers.as_actor(role)
        with pytest.raises(Forbidden):
            await plan_maintenance(theirs, planned())
    assert (await work.session.scalars(select(NetworkMaintenance.id))).all() == []
