"""The network: its devices, what is wrong with them, what hangs on what, and maintenance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from integrations.snmp.reading import DeviceKind
from schema.assets import Asset
from schema.context import Info
from schema.network_parts import (
    NetworkAccessPointConnection,
    NetworkInventory,
    NetworkMac,
    NetworkPortConnection,
    NetworkSummary,
    NetworkTopology,
)
from schema.nodes import (
    Connection,
    Node,
    PageInfo,
    field,
    global_id,
    key_in,
    loaded,
    number_in,
    page_size,
    told,
)
from schema.places import Place, cursor_after
from schema.ticket_inputs import mirrors, wanted
from service.monitoring import fault_listing, inventories, listing, whereabouts
from service.monitoring.listing import MaintenanceState
from service.monitoring.models import FaultState, ReachBy, ReachState, SnmpState

TYPES = {
    "device_id": "NetworkDevice",
    "credential_id": "SnmpCredential",
    "write_credential_id": "SnmpCredential",
}


def identified(given: Any) -> Any:
    """An input of ours with global ids turned into the service's own."""
    for name, type_name in TYPES.items():
        if isinstance(value := getattr(given, name, None), str):
            setattr(given, name, number_in(value, type_name, name))
    return given


@strawberry.type(description="A device that another one hangs on.")
class NetworkParent:
    device_id: strawberry.ID
    name: str
    port: str = strawberry.field(description="Empty where it is not known.")
    by_hand: bool


@strawberry.type(description="A device of the network that is asked over SNMP.")
class NetworkDevice(Node):
    id: strawberry.ID = global_id("NetworkDevice")
    device_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    version: int = strawberry.field(description="Send it back as `expectedVersion`.")
    name: str
    address: str
    port: int
    kind: DeviceKind
    profile: str | None = told(lambda row: row.profile or None, description="Null until it is discovered.")
    vendor: str | None
    model: str | None
    serial: str | None
    firmware: str | None
    asset_tag: str | None
    asset: Asset | None = loaded("asset", "asset_id")
    school_id: str | None
    school_name: str | None
    place_id: str | None
    place_name: str | None
    place: Place | None = loaded("place", "place_id")
    credential_id: strawberry.ID | None
    write_credential_id: strawberry.ID | None
    reach_by: ReachBy
    reach_port: int | None
    watched: bool
    is_root: bool
    important_ports: list[str]
    reach: ReachState = told(lambda row: row.reach or ReachState.UNKNOWN)
    reach_since: datetime | None
    snmp: SnmpState = told(lambda row: row.snmp or SnmpState.UNKNOWN)
    snmp_since: datetime | None
    open_faults: int
    polled_at: datetime | None
    answered_at: datetime | None
    next_poll_at: datetime | None
    discovered_at: datetime | None
    next_discovery_at: datetime | None
    created_at: datetime

    @field(graphql_type=NetworkSummary | None, description="How much it has.")
    async def summary(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await inventories.summary(read, root.id)

    @field(graphql_type=list[NetworkParent] | None, description="What it hangs on.")
    async def parents(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await listing.parents_of(read, root.id)

    @field(graphql_type=NetworkInventory | None, description="Everything but ports and access points.")
    async def inventory(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await inventories.inventory(read, root.id)

    @field(graphql_type=NetworkPortConnection | None, description="Ports, and what is behind each.")
    async def ports(
        root: Any,  # noqa: N805
        info: Info,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await inventories.ports_page(read, root.id, limit=page_size(first), cursor=after)
        return Connection(page, inventories.part_cursor, after=after)

    @field(graphql_type=NetworkAccessPointConnection | None, description="What a controller knows.")
    async def access_points(
        root: Any,  # noqa: N805
        info: Info,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await inventories.access_points_page(read, root.id, limit=page_size(first), cursor=after)
        return Connection(page, inventories.part_cursor, after=after)


@strawberry.type
class NetworkDeviceEdge:
    cursor: str
    node: NetworkDevice


@strawberry.type
class NetworkDeviceConnection:
    nodes: list[NetworkDevice]
    edges: list[NetworkDeviceEdge]
    page_info: PageInfo


@strawberry.type(description="One thing wrong with one device; `instance` is what of it.")
class NetworkFault(Node):
    id: strawberry.ID = global_id("NetworkFault")
    fault_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    device_id: strawberry.ID
    device_name: str
    device_kind: DeviceKind
    school_id: str | None
    school_name: str | None
    place_name: str | None
    check: str
    instance: str = strawberry.field(description="Empty for the device itself.")
    label: str | None
    state: FaultState
    value: JSON | None
    evidence: JSON = strawberry.field(description="What the device said, by name.")
    since: datetime
    opened_at: datetime
    hold_until: datetime | None
    resolved_at: datetime | None
    flaps: int = strawberry.field(description="How often it came back.")
    ticket_number: int | None = told(lambda row: row.ticket_id)
    parent_id: strawberry.ID | None = strawberry.field(description="The device that explains this one.")
    parent_name: str | None


@strawberry.type
class NetworkFaultEdge:
    cursor: str
    node: NetworkFault


@strawberry.type
class NetworkFaultConnection:
    nodes: list[NetworkFault]
    edges: list[NetworkFaultEdge]
    page_info: PageInfo


@strawberry.type(description="A time in which faults make no tickets.")
class NetworkMaintenance(Node):
    id: strawberry.ID = global_id("NetworkMaintenance")
    maintenance_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    state: MaintenanceState
    school_id: str | None = strawberry.field(description="Neither school nor device: the whole district.")
    school_name: str | None
    device_id: strawberry.ID | None
    device_name: str | None
    reason: str
    starts_at: datetime
    ends_at: datetime
    created_by_id: strawberry.ID | None
    created_at: datetime
    cancelled_at: datetime | None


@strawberry.type
class NetworkMaintenanceEdge:
    cursor: str
    node: NetworkMaintenance


@strawberry.type
class NetworkMaintenanceConnection:
    nodes: list[NetworkMaintenance]
    edges: list[NetworkMaintenanceEdge]
    page_info: PageInfo


@strawberry.type(description="How many traps came from a source, and what became of them.")
class NetworkTrapCount:
    address: str
    reason: str
    count: float = told(lambda row: row._mapping["count"])
    known: bool = strawberry.field(description="Whether a device that is watched has this address.")
    first_at: datetime
    last_at: datetime


@strawberry.type
class NetworkTrapCountEdge:
    cursor: str
    node: NetworkTrapCount


@strawberry.type
class NetworkTrapCountConnection:
    nodes: list[NetworkTrapCount]
    edges: list[NetworkTrapCountEdge]
    page_info: PageInfo


@mirrors(listing.DeviceFilter, "NetworkDeviceFilter")
class DeviceFilter:
    school_id: strawberry.ID | None = UNSET
    kind: DeviceKind | None = UNSET
    reach: ReachState | None = UNSET
    snmp: SnmpState | None = UNSET
    watched: bool | None = UNSET


@mirrors(fault_listing.FaultFilter, "NetworkFaultFilter")
class FaultFilter:
    school_id: strawberry.ID | None = UNSET
    device_id: strawberry.ID | None = UNSET
    state: FaultState | None = UNSET
    check: str | None = UNSET
    open: bool | None = UNSET


def _devices(narrowed: DeviceFilter | None, words: str | None) -> listing.DeviceFilter:
    sent = wanted(narrowed, listing.DeviceFilter).model_dump(exclude_unset=True) if narrowed else {}
    return listing.DeviceFilter(**sent, q=words)


def _school(school_id: strawberry.ID | None) -> str | None:
    return key_in(school_id, "Place", "school_id") if school_id is not None else None


@strawberry.type
class Query:
    @field(graphql_type=NetworkDevice | None, description="One device of the network.")
    async def network_device(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await listing.device_view(read, number_in(id, "NetworkDevice"))

    @field(graphql_type=NetworkDeviceConnection | None, description="Devices of the network, by id.")
    async def network_devices(
        self,
        info: Info,
        filter: DeviceFilter | None = None,
        words: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        narrowed = _devices(filter, words)
        async with info.context.read() as read:
            page = await listing.devices_page(read, narrowed, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=NetworkFault | None, description="One fault.")
    async def network_fault(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await fault_listing.fault_view(read, number_in(id, "NetworkFault"))

    @field(graphql_type=NetworkFaultConnection | None, description="What is or was wrong, newest first.")
    async def network_faults(
        self,
        info: Info,
        filter: FaultFilter | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        narrowed = wanted(identified(filter), fault_listing.FaultFilter)
        async with info.context.read() as read:
            page = await fault_listing.faults_page(read, narrowed, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=NetworkTopology | None, description="A school's network, or the whole district's.")
    async def network_topology(self, info: Info, school_id: strawberry.ID | None = None) -> object:
        school = _school(school_id)
        async with info.context.read() as read:
            return await whereabouts.topology(read, school)

    @field(graphql_type=NetworkMac | None, description="Where a MAC was last found; each look is logged.")
    async def network_mac(self, info: Info, mac: str) -> object:
        async with info.context.read() as read:
            return await whereabouts.mac_location(read, mac)

    @field(graphql_type=NetworkMaintenance | None, description="One maintenance.")
    async def network_maintenance(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await listing.maintenance_by_id(read, number_in(id, "NetworkMaintenance"))

    @field(
        graphql_type=NetworkMaintenanceConnection | None,
        description="Maintenance that is current or to come, newest first; what is over if `state` says so.",
    )
    async def network_maintenances(
        self,
        info: Info,
        state: MaintenanceState | None = None,
        school_id: strawberry.ID | None = None,
        device_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        school = _school(school_id)
        device = number_in(device_id, "NetworkDevice", "device_id") if device_id is not None else None
        async with info.context.read() as read:
            page = await listing.maintenances_page(
                read,
                state=state,
                school_id=school,
                device_id=device,
                limit=page_size(first),
                cursor=after,
            )
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=NetworkTrapCountConnection | None, description="Traps by source, as counts.")
    async def network_traps(
        self, info: Info, known: bool | None = None, first: int | None = None, after: str | None = None
    ) -> object:
        async with info.context.read() as read:
            page = await listing.traps_page(read, known=known, limit=page_size(first), cursor=after)
        return Connection(page, listing.trap_cursor, after=after)
