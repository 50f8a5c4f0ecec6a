"""What a device has, as a technician looks at it: the inventory of its last discovery with the states of its
last poll. PURE.

`inventory` is a reading as it is stored (integrations/snmp/storing.py): by the names of `Reading`'s fields,
where what the device does not have may be left out. `current` is what service/monitoring/current.py keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

MOST: Final = 1_000

Kept = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Behind:
    """A neighbour on a port: by LLDP, CDP or the bridge's table. `device_id` where it is watched."""

    protocol: str
    device_id: int | None
    name: str | None
    port: str | None
    uplink: bool = False


@dataclass(frozen=True, slots=True)
class PortShown:
    """`macs` is how many MACs were last found on it."""

    key: str
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
    neighbours: list[Behind]
    macs: int


@dataclass(frozen=True, slots=True)
class SupplyShown:
    """`special` says what the level is where it is no number."""

    key: str
    kind: str | None
    description: str | None
    colour: str | None
    receptacle: bool
    percent: float | None
    special: str | None


@dataclass(frozen=True, slots=True)
class TrayShown:
    key: str
    name: str | None
    percent: float | None
    special: str | None


@dataclass(frozen=True, slots=True)
class PrinterShown:
    status: str | None
    errors: list[str]
    panel: str | None
    pages: int | None
    supplies: list[SupplyShown]
    trays: list[TrayShown]


@dataclass(frozen=True, slots=True)
class UpsShown:
    """Minutes, seconds, percent, volts, °C."""

    source: str | None = None
    battery: str | None = None
    replace_battery: bool | None = None
    seconds_on_battery: int | None = None
    minutes_left: float | None = None
    charge_percent: float | None = None
    load_percent: float | None = None
    input_volts: float | None = None
    output_volts: float | None = None
    temperature: float | None = None
    testing: bool | None = None
    alarms: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProjectorShown:
    """`lamp_hours` run so far, `lamp_percent` left."""

    power: str | None = None
    input: str | None = None
    fault: str | None = None
    lamp_hours: float | None = None
    lamp_percent: float | None = None


@dataclass(frozen=True, slots=True)
class SensorShown:
    key: str
    kind: str | None
    description: str | None
    value: float | None
    unit: str | None
    state: str | None
    healthy: bool | None


@dataclass(frozen=True, slots=True)
class LoadShown:
    """`used` and `total` in bytes, as of the last discovery."""

    key: str
    kind: str | None
    description: str | None
    percent: float | None
    used: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class AccessPointShown:
    """`clients` as of the last discovery."""

    key: str
    name: str | None
    up: bool | None
    mac: str | None
    address: str | None
    model: str | None
    serial: str | None
    clients: int | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Parts other than ports and access points, at most a thousand of each kind."""

    location: str | None = None
    contact: str | None = None
    description: str | None = None
    clients: int | None = None
    printer: PrinterShown | None = None
    ups: UpsShown | None = None
    projector: ProjectorShown | None = None
    sensors: list[SensorShown] = field(default_factory=list)
    loads: list[LoadShown] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    vlans: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Summary:
    """How many of what; `lowest_supply` in percent."""

    ports: int = 0
    ports_up: int = 0
    access_points: int = 0
    access_points_up: int = 0
    sensors: int = 0
    supplies: int = 0
    lowest_supply: float | None = None
    clients: int | None = None


def summary_of(inventory: Kept, current: Kept) -> Summary:
    ports, aps = list(_rows(inventory, "ports")), list(_rows(inventory, "access_points"))
    supplies = _supplies(inventory, current)
    levels = [one.percent for one in supplies if one.percent is not None]
    return Summary(
        ports=len(ports),
        ports_up=sum(_port_state(row, current)[1] == "up" for row in ports),
        access_points=len(aps),
        access_points_up=sum(_at(current, "aps", row["key"], row.get("up")) is True for row in aps),
        sensors=sum(1 for _ in _rows(inventory, "sensors")),
        supplies=len(supplies),
        lowest_supply=min(levels, default=None),
        clients=_clients(inventory, current),
    )


def port_rows(inventory: Kept) -> Sequence[Mapping[str, Any]]:
    """The ports as they are stored, in the device's own order."""
    return list(_rows(inventory, "ports"))


def access_point_rows(inventory: Kept) -> Sequence[Mapping[str, Any]]:
    return list(_rows(inventory, "access_points"))


def port_shown(
    row: Mapping[str, Any], current: Kept, behind: Sequence[Behind], important: bool, macs: int
) -> PortShown:
    admin, oper, poe = _port_state(row, current)
    return PortShown(
        key=row["key"],
        alias=row.get("alias"),
        description=row.get("description"),
        admin=admin,
        oper=oper,
        speed_mbps=row.get("speed_mbps"),
        mac=row.get("mac"),
        vlan=row.get("vlan"),
        poe=poe,
        uplink=any(one.uplink for one in behind),
        important=important,
        neighbours=list(behind),
        macs=macs,
    )


def access_point_shown(row: Mapping[str, Any], current: Kept) -> AccessPointShown:
    names = ("name", "mac", "address", "model", "serial", "clients")
    up = _at(current, "aps", row["key"], row.get("up"))
    return AccessPointShown(key=row["key"], up=up, **{name: row.get(name) for name in names})


def inventory_of(inventory: Kept, current: Kept) -> Inventory:
    """Everything that is no port and no access point."""
    identity = (inventory or {}).get("identity") or {}
    return Inventory(
        location=identity.get("location"),
        contact=identity.get("contact"),
        description=identity.get("description"),
        clients=_clients(inventory, current),
        printer=_printer(inventory, current),
        ups=_whole(UpsShown, "ups", inventory, current),
        projector=_whole(ProjectorShown, "projector", inventory, current),
        sensors=[_sensor(row, current) for row in _rows(inventory, "sensors")][:MOST],
        loads=[_load(row, current) for row in _rows(inventory, "loads")][:MOST],
        addresses=[row["address"] for row in _rows(inventory, "addresses")][:MOST],
        vlans=sorted({row["id"] for row in _rows(inventory, "vlans")})[:MOST],
    )


def _rows(inventory: Kept, name: str) -> Iterable[Mapping[str, Any]]:
    return (inventory or {}).get(name) or ()


def _at(current: Kept, part: str, key: str, otherwise: Any) -> Any:
    """What the last poll said of a part; what the discovery said where it did not."""
    return ((current or {}).get(part) or {}).get(key, otherwise)


def _port_state(row: Mapping[str, Any], current: Kept) -> Sequence[Any]:
    found = [row.get("admin"), row.get("oper"), row.get("poe_state")]
    now = _at(current, "ports", row["key"], found)
    return [new if new is not None else old for new, old in zip(now, found, strict=False)]


def _clients(inventory: Kept, current: Kept) -> int | None:
    now = (current or {}).get("clients")
    found: int | None = now if now is not None else (inventory or {}).get("clients")
    return found


def _printer(inventory: Kept, current: Kept) -> PrinterShown | None:
    stored = (inventory or {}).get("printer")
    if not stored:
        return None
    now = {**stored, **((current or {}).get("printer") or {})}
    return PrinterShown(
        status=now.get("status"),
        errors=list(now.get("errors") or ()),
        panel=now.get("panel"),
        pages=now.get("pages"),
        supplies=_supplies(inventory, current)[:MOST],
        trays=[_tray(row, current) for row in stored.get("trays") or ()][:MOST],
    )


def _supplies(inventory: Kept, current: Kept) -> list[SupplyShown]:
    stored = (inventory or {}).get("printer") or {}
    return [_supply(row, current) for row in stored.get("supplies") or ()]


def _level(row: Mapping[str, Any], part: str, current: Kept) -> Sequence[Any]:
    """Percent and special go together: one of them is None."""
    level: Sequence[Any] = _at(current, part, row["key"], [row.get("percent"), row.get("special")])
    return level


def _supply(row: Mapping[str, Any], current: Kept) -> SupplyShown:
    percent, special = _level(row, "supplies", current)
    return SupplyShown(
        key=row["key"],
        kind=row.get("kind"),
        description=row.get("description"),
        colour=row.get("colour"),
        receptacle=bool(row.get("receptacle")),
        percent=percent,
        special=special,
    )


def _tray(row: Mapping[str, Any], current: Kept) -> TrayShown:
    percent, special = _level(row, "trays", current)
    return TrayShown(row["key"], row.get("name"), percent, special)


P = TypeVar("P", "UpsShown", "ProjectorShown")


def _whole(shape: type[P], name: str, inventory: Kept, current: Kept) -> P | None:
    """A part that a device has once: what was polled of it over what was discovered."""
    stored = (inventory or {}).get(name)
    if not stored:
        return None
    now = {**stored, **((current or {}).get(name) or {})}
    return shape(**{one.name: now[one.name] for one in fields(shape) if now.get(one.name) is not None})


def _sensor(row: Mapping[str, Any], current: Kept) -> SensorShown:
    found = [row.get("value"), row.get("state"), row.get("healthy")]
    value, state, healthy = _at(current, "sensors", row["key"], found)
    return SensorShown(
        row["key"], row.get("kind"), row.get("description"), value, row.get("unit"), state, healthy
    )


def _load(row: Mapping[str, Any], current: Kept) -> LoadShown:
    percent = _at(current, "loads", row["key"], row.get("percent"))
    return LoadShown(
        row["key"], row.get("kind"), row.get("description"), percent, row.get("used"), row.get("total")
    )
