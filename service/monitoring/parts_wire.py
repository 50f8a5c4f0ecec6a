"""What a device has, as REST shows it; service/monitoring/parts.py has the values in the same fields."""

from __future__ import annotations

from pydantic import BaseModel, Field


class NetworkSummaryOut(BaseModel):
    """How many of what it has."""

    ports: int
    ports_up: int
    access_points: int
    access_points_up: int
    sensors: int
    supplies: int
    lowest_supply: float | None = Field(description="Percent.")
    clients: int | None


class BehindOut(BaseModel):
    """A neighbour at a port; `device_id` where it is watched."""

    protocol: str = Field(examples=["lldp"])
    device_id: int | None
    name: str | None
    port: str | None
    uplink: bool


class PortOut(BaseModel):
    key: str = Field(description="Stays the same over reboots.", examples=["Gi1/0/24"])
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
    neighbours: list[BehindOut]
    macs: int = Field(description="How many MACs were last found on it.")


class PortPage(BaseModel):
    items: list[PortOut]
    next_cursor: str | None


class AccessPointOut(BaseModel):
    """An access point as its controller tells of it."""

    key: str
    name: str | None
    up: bool | None
    mac: str | None
    address: str | None
    model: str | None
    serial: str | None
    clients: int | None


class AccessPointPage(BaseModel):
    items: list[AccessPointOut]
    next_cursor: str | None


class SupplyOut(BaseModel):
    """Toner, ink, a waste box (`receptacle`: the level is the room left in it)."""

    key: str
    kind: str | None
    description: str | None
    colour: str | None
    receptacle: bool
    percent: float | None
    special: str | None = Field(description="Where the level is no number: some_remains, unknown …")


class TrayOut(BaseModel):
    key: str
    name: str | None
    percent: float | None
    special: str | None


class PrinterOut(BaseModel):
    status: str | None
    errors: list[str] = Field(examples=[["jammed"]])
    panel: str | None
    pages: int | None
    supplies: list[SupplyOut]
    trays: list[TrayOut]


class UpsOut(BaseModel):
    """Minutes, seconds, percent, volts, °C."""

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


class ProjectorOut(BaseModel):
    power: str | None
    input: str | None
    fault: str | None
    lamp_hours: float | None
    lamp_percent: float | None


class SensorOut(BaseModel):
    key: str
    kind: str | None
    description: str | None
    value: float | None
    unit: str | None
    state: str | None
    healthy: bool | None


class LoadOut(BaseModel):
    """A processor, a memory or a store; `used` and `total` in bytes."""

    key: str
    kind: str | None
    description: str | None
    percent: float | None
    used: int | None
    total: int | None


class InventoryOut(BaseModel):
    """What it has beside ports and access points, as of its last poll; at most a thousand of each kind."""

    location: str | None
    contact: str | None
    description: str | None
    clients: int | None
    printer: PrinterOut | None
    ups: UpsOut | None
    projector: ProjectorOut | None
    sensors: list[SensorOut]
    loads: list[LoadOut]
    addresses: list[str]
    vlans: list[int]
