"""The HTTP door to the network: devices, faults, topology, maintenance and trap counts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import Field

from service.core.fields import Id, Input, Key
from service.core.paging import MAX_PAGE
from service.monitoring import devices, inventories, listing, maintenance, parts_wire, whereabouts, wire
from service.monitoring.fault_listing import FaultFilter, fault_view, faults_page
from service.monitoring.listing import DeviceFilter, MaintenanceState
from service.web import Cursor, Json, Limit, Reading, RowId, Working, door, paged, refusals

router = door("/network", "network")
DEVICE: dict[str, Any] = {"response_model": wire.NetworkDeviceOut, "responses": refusals(404, 409, 412)}
GONE: dict[str, Any] = {"status_code": 204, "response_class": Response}
Mac = Annotated[
    str,
    Path(
        min_length=12, max_length=40, description="In any usual way of writing.", examples=["001b.213c.9df8"]
    ),
]


class _Page(Input):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=500, description="`next_cursor` of the page before.")


class DeviceList(_Page, DeviceFilter):
    """A list: what it is narrowed to, its page."""


class FaultList(_Page, FaultFilter):
    """A list: what it is narrowed to, its page."""


async def _shown(work: Working, device_id: int, status: int = 200) -> Json:
    return Json(await wire.device_whole(work, device_id), status)


@router.get(
    "/devices",
    operation_id="listNetworkDevices",
    summary="Devices of the network, by id",
    response_model=wire.NetworkDevicePage,
    responses=refusals(),
)
async def list_devices(wanted: Annotated[DeviceList, Query()], read: Reading) -> Json:
    page = await listing.devices_page(read, wanted, limit=wanted.limit, cursor=wanted.cursor)
    return Json(paged(page, wire.device))


@router.post(
    "/devices",
    operation_id="addNetworkDevice",
    summary="Watch a device; it is discovered at once",
    status_code=201,
    response_model=wire.NetworkDeviceOut,
    responses=refusals(409),
)
async def add_device(device: devices.AddDevice, work: Working) -> Json:
    return await _shown(work, (await devices.add_device(work, device)).id, 201)


@router.get(
    "/devices/{device}",
    operation_id="getNetworkDevice",
    summary="A device, its states, how much it has, and what it hangs on",
    response_model=wire.NetworkDeviceOut,
    responses=refusals(404),
)
async def get_device(device: RowId, read: Reading) -> Json:
    return Json(await wire.device_whole(read, device))


@router.patch(
    "/devices/{device}",
    operation_id="editNetworkDevice",
    summary="Change what is sent of a device; the rest stays",
    **DEVICE,
)
async def edit_device(device: RowId, edit: devices.EditDevice, work: Working) -> Json:
    await devices.edit_device(work, device, edit)
    return await _shown(work, device)


@router.delete(
    "/devices/{device}",
    operation_id="deleteNetworkDevice",
    summary="Watch it no more and forget its history; tickets stay",
    responses=refusals(404, 412),
    **GONE,
)
async def delete_device(device: RowId, work: Working) -> Response:
    await devices.delete_device(work, device)
    return Response(status_code=204)


@router.post(
    "/devices/{device}/poll",
    operation_id="pollNetworkDevice",
    summary="Ask it now",
    status_code=202,
    **DEVICE,
)
async def poll(device: RowId, work: Working) -> Json:
    await devices.poll_now(work, device)
    return await _shown(work, device, 202)


@router.post(
    "/devices/{device}/rediscover",
    operation_id="rediscoverNetworkDevice",
    summary="Find anew what it is and has",
    status_code=202,
    **DEVICE,
)
async def rediscover(device: RowId, work: Working) -> Json:
    await devices.rediscover(work, device)
    return await _shown(work, device, 202)


@router.put(
    "/devices/{device}/parents",
    operation_id="setNetworkParents",
    summary="Say what it hangs on, instead of what was found",
    **DEVICE,
)
async def set_parents(device: RowId, parents: devices.SetParents, work: Working) -> Json:
    await devices.set_parents(work, device, parents)
    return await _shown(work, device)


@router.get(
    "/devices/{device}/inventory",
    operation_id="getNetworkInventory",
    summary="Supplies, trays, battery, sensors, loads: as of the last poll",
    response_model=parts_wire.InventoryOut,
    responses=refusals(404),
)
async def get_inventory(device: RowId, read: Reading) -> Json:
    return Json(await inventories.inventory(read, device))


@router.get(
    "/devices/{device}/ports",
    operation_id="listNetworkPorts",
    summary="Its ports, and what was found behind each",
    response_model=parts_wire.PortPage,
    responses=refusals(404),
)
async def list_ports(device: RowId, read: Reading, limit: Limit = 50, cursor: Cursor = None) -> Json:
    return Json(paged(await inventories.ports_page(read, device, limit=limit, cursor=cursor), _whole))


@router.get(
    "/devices/{device}/access-points",
    operation_id="listNetworkAccessPoints",
    summary="The access points that a controller knows",
    response_model=parts_wire.AccessPointPage,
    responses=refusals(404),
)
async def list_access_points(device: RowId, read: Reading, limit: Limit = 50, cursor: Cursor = None) -> Json:
    return Json(paged(await inventories.access_points_page(read, device, limit=limit, cursor=cursor), _whole))


def _whole(part: Any) -> Any:
    """As it is: the encoder knows dataclasses."""
    return part


@router.get(
    "/faults",
    operation_id="listNetworkFaults",
    summary="What is or was wrong, newest first",
    response_model=wire.FaultPage,
    responses=refusals(),
)
async def list_faults(wanted: Annotated[FaultList, Query()], read: Reading) -> Json:
    return Json(paged(await faults_page(read, wanted, limit=wanted.limit, cursor=wanted.cursor), wire.fault))


@router.get(
    "/faults/{fault}", operation_id="getNetworkFault", response_model=wire.FaultOut, responses=refusals(404)
)
async def get_fault(fault: RowId, read: Reading) -> Json:
    return Json(wire.fault(await fault_view(read, fault)))


@router.get(
    "/topology",
    operation_id="getNetworkTopology",
    summary="Devices, what was found at their ports, and what they hang on",
    response_model=wire.TopologyOut,
    responses=refusals(),
)
async def get_topology(read: Reading, school_id: Key | None = None) -> Json:
    return Json(wire.topology(await whereabouts.topology(read, school_id)))


@router.get(
    "/macs/{mac}",
    operation_id="getNetworkMac",
    summary="On which port a MAC was last found; each look is logged",
    response_model=wire.MacOut,
    responses=refusals(404),
)
async def get_mac(mac: Mac, read: Reading) -> Json:
    return Json(wire.plain(await whereabouts.mac_location(read, mac)))


@router.get(
    "/maintenances",
    operation_id="listNetworkMaintenances",
    summary="Maintenance that is current or to come, newest first",
    response_model=wire.MaintenancePage,
    responses=refusals(),
)
async def list_maintenances(
    read: Reading,
    state: MaintenanceState | None = None,
    school_id: Key | None = None,
    device_id: Id | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    page = await listing.maintenances_page(
        read, state=state, school_id=school_id, device_id=device_id, limit=limit, cursor=cursor
    )
    return Json(paged(page, wire.maintenance))


@router.post(
    "/maintenances",
    operation_id="planNetworkMaintenance",
    summary="Make no tickets of faults for a time",
    status_code=201,
    response_model=wire.MaintenanceOut,
    responses=refusals(),
)
async def plan_maintenance(wanted: maintenance.PlanMaintenance, work: Working) -> Json:
    planned = await maintenance.plan_maintenance(work, wanted)
    return Json(wire.maintenance(await listing.maintenance_by_id(work, planned.id)), 201)


@router.get(
    "/maintenances/{planned}",
    operation_id="getNetworkMaintenance",
    response_model=wire.MaintenanceOut,
    responses=refusals(404),
)
async def get_maintenance(planned: RowId, read: Reading) -> Json:
    return Json(wire.maintenance(await listing.maintenance_by_id(read, planned)))


@router.post(
    "/maintenances/{planned}/cancel",
    operation_id="cancelNetworkMaintenance",
    summary="End it now, or before it begins",
    response_model=wire.MaintenanceOut,
    responses=refusals(404, 409),
)
async def cancel_maintenance(planned: RowId, work: Working) -> Json:
    await maintenance.cancel_maintenance(work, planned)
    return Json(wire.maintenance(await listing.maintenance_by_id(work, planned)))


@router.get(
    "/traps",
    operation_id="listNetworkTraps",
    summary="How many traps came from where, and what became of them",
    response_model=wire.TrapCountPage,
    responses=refusals(),
)
async def list_traps(
    read: Reading, known: bool | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Json:
    return Json(paged(await listing.traps_page(read, known=known, limit=limit, cursor=cursor), wire.plain))
