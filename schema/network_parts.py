"""What devices of the network have (ports, supplies, sensors …), and how they hang together."""

from __future__ import annotations

from datetime import datetime

import strawberry

from integrations.snmp.reading import DeviceKind
from schema.nodes import PageInfo, told
from service.monitoring.models import ReachState


@strawberry.type(description="A neighbour at a port: by LLDP, CDP or the bridge's table.")
class NetworkNeighbour:
    protocol: str
    device_id: strawberry.ID | None = strawberry.field(description="Null where it is not watched.")
    name: str | None
    port: str | None
    uplink: bool


@strawberry.type(description="A port of a device, as of its last poll.")
class NetworkPort:
    key: str = strawberry.field(description="Stays the same over reboots: “Gi1/0/24”.")
    alias: str | None
    description: str | None
    admin: str | None
    oper: str | None
    speed_mbps: float | None
    mac: str | None
    vlan: int | None
    poe: str | None
    uplink: bool
    important: bool
    neighbours: list[NetworkNeighbour]
    macs: int = strawberry.field(description="How many MACs were last found on it.")


@strawberry.type
class NetworkPortEdge:
    cursor: str
    node: NetworkPort


@strawberry.type
class NetworkPortConnection:
    nodes: list[NetworkPort]
    edges: list[NetworkPortEdge]
    page_info: PageInfo


@strawberry.type(description="An access point as its controller tells of it.")
class NetworkAccessPoint:
    key: str
    name: str | None
    up: bool | None
    mac: str | None
    address: str | None
    model: str | None
    serial: str | None
    clients: int | None


@strawberry.type
class NetworkAccessPointEdge:
    cursor: str
    node: NetworkAccessPoint


@strawberry.type
class NetworkAccessPointConnection:
    nodes: list[NetworkAccessPoint]
    edges: list[NetworkAccessPointEdge]
    page_info: PageInfo


@strawberry.type(description="Toner, ink, a waste box (`receptacle`: the level is the room left in it).")
class PrinterSupply:
    key: str
    kind: str | None
    description: str | None
    colour: str | None
    receptacle: bool
    percent: float | None
    special: str | None = strawberry.field(description="Where the level is no number: some_remains …")


@strawberry.type
class PrinterTray:
    key: str
    name: str | None
    percent: float | None
    special: str | None


@strawberry.type
class PrinterState:
    status: str | None
    errors: list[str]
    panel: str | None
    pages: int | None
    supplies: list[PrinterSupply]
    trays: list[PrinterTray]


@strawberry.type(description="Minutes, seconds, percent, volts, °C.")
class UpsState:
    source: str | None
    battery: str | None
    replace_battery: bool | None
    seconds_on_battery: int | None
    minutes_left: float | None
    charge_percent: float | None
    load_percent: float | None
    input_volts: float | None
    output_volts: float | None
    temperature: float | None
    testing: bool | None
    alarms: list[str]


@strawberry.type
class ProjectorState:
    power: str | None
    input: str | None
    fault: str | None
    lamp_hours: float | None
    lamp_percent: float | None


@strawberry.type
class NetworkSensor:
    key: str
    kind: str | None
    description: str | None
    value: float | None
    unit: str | None
    state: str | None
    healthy: bool | None


@strawberry.type(description="A processor, a memory or a store; `used` and `total` in bytes.")
class NetworkLoad:
    key: str
    kind: str | None
    description: str | None
    percent: float | None
    used: float | None
    total: float | None


@strawberry.type(description="What a device has beside ports and access points, as of its last poll.")
class NetworkInventory:
    location: str | None
    contact: str | None
    description: str | None
    clients: int | None
    printer: PrinterState | None
    ups: UpsState | None
    projector: ProjectorState | None
    sensors: list[NetworkSensor]
    loads: list[NetworkLoad]
    addresses: list[str]
    vlans: list[int]


@strawberry.type(description="How many of what a device has.")
class NetworkSummary:
    ports: int
    ports_up: int
    access_points: int
    access_points_up: int
    sensors: int
    supplies: int
    lowest_supply: float | None = strawberry.field(description="Percent.")
    clients: int | None


@strawberry.type
class NetworkNode:
    device_id: strawberry.ID = told(lambda row: row.id)
    name: str
    kind: DeviceKind
    school_id: str | None
    is_root: bool
    reach: ReachState = told(lambda row: row.reach or ReachState.UNKNOWN)


@strawberry.type(description="What was found at a port; `neighbourId` where it is watched.")
class NetworkLink:
    device_id: strawberry.ID
    port: str
    neighbour_id: strawberry.ID | None
    neighbour_name: str | None
    neighbour_port: str | None
    protocol: str
    uplink: bool
    seen_at: datetime


@strawberry.type
class NetworkHangsOn:
    device_id: strawberry.ID
    parent_id: strawberry.ID
    port: str
    by_hand: bool


@strawberry.type(description="Not `complete` past 5,000 devices or 20,000 links: ask school by school.")
class NetworkTopology:
    nodes: list[NetworkNode]
    links: list[NetworkLink]
    parents: list[NetworkHangsOn]
    complete: bool


@strawberry.type(description="Where a MAC was last found.")
class NetworkMac:
    mac: str
    device_id: strawberry.ID
    device_name: str
    place_name: str | None
    school_name: str | None
    port: str
    vlan: int | None
    address: str | None
    seen_at: datetime
