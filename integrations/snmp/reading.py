"""What a device's answers mean, in one shape for every vendor. PURE: values only.

Everything is optional: a field that the device did not answer is None, a table that it does not have is
empty. `oid` is the object that a value came from. Percentages are 0 to 100; a level that the device gives
as "some remains" (-3), "unknown" (-2) or "no limit" (-1) has no percentage but a `special`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class DeviceKind(StrEnum):
    PRINTER = "printer"
    SWITCH = "switch"
    ROUTER = "router"
    FIREWALL = "firewall"
    ACCESS_POINT = "access_point"
    WIRELESS_CONTROLLER = "wireless_controller"
    UPS = "ups"
    SERVER = "server"
    STORAGE = "storage"
    SENSOR = "sensor"
    PROJECTOR = "projector"
    PHONE = "phone"
    CAMERA = "camera"
    OTHER = "other"


class Special(StrEnum):
    """Levels that are no number (RFC 3805)."""

    UNRESTRICTED = "unrestricted"
    UNKNOWN = "unknown"
    SOME_REMAINS = "some_remains"


class LinkState(StrEnum):
    UP = "up"
    DOWN = "down"
    TESTING = "testing"
    UNKNOWN = "unknown"
    DORMANT = "dormant"
    NOT_PRESENT = "not_present"
    LOWER_LAYER_DOWN = "lower_layer_down"


@dataclass(slots=True)
class Identity:
    """`object_id`, `description`, `name`, `location` and `contact` are the system group's words; the rest is
    ours.
    """

    kind: DeviceKind = DeviceKind.OTHER
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    version: str | None = None
    object_id: str | None = None
    description: str | None = None
    name: str | None = None
    location: str | None = None
    contact: str | None = None


@dataclass(slots=True)
class Uptime:
    """Hundredths of a second since the agent started (`ticks` wraps at 2^32); seconds since the engine and
    the host.
    """

    ticks: int | None = None
    engine_seconds: int | None = None
    engine_boots: int | None = None
    host_ticks: int | None = None


@dataclass(slots=True)
class Port:
    """`key` is what stays the same over reboots: the interface's name, with its index where names repeat."""

    key: str
    index: int
    name: str | None = None
    description: str | None = None
    alias: str | None = None
    type: int | None = None
    admin: LinkState | None = None
    oper: LinkState | None = None
    speed_mbps: float | None = None
    mtu: int | None = None
    mac: str | None = None
    duplex: str | None = None
    last_change: int | None = None
    in_octets: int | None = None
    out_octets: int | None = None
    in_errors: int | None = None
    out_errors: int | None = None
    discontinuity: int | None = None
    bridge_port: int | None = None
    vlan: int | None = None
    poe_admin: bool | None = None
    poe_state: str | None = None
    poe_class: int | None = None
    poe_watts: float | None = None
    poe_index: str | None = None


@dataclass(slots=True)
class Supply:
    """`receptacle`: a waste box, whose level is the room left in it. `colour` is as the device names it,
    lower case. `reported` is what the printer says of it beside its level: ok, low, empty, near_full, full.
    """

    key: str
    kind: str
    description: str | None = None
    colour: str | None = None
    receptacle: bool = False
    unit: str | None = None
    capacity: int | None = None
    level: int | None = None
    percent: float | None = None
    special: Special | None = None
    oid: str | None = None
    reported: str | None = None


@dataclass(slots=True)
class Tray:
    """`bypass`: a multi-purpose tray or slot that is empty most of the time."""

    key: str
    name: str | None = None
    capacity: int | None = None
    level: int | None = None
    percent: float | None = None
    special: Special | None = None
    status: int | None = None
    oid: str | None = None
    bypass: bool = False


@dataclass(slots=True)
class Alert:
    """A row of the printer's alert table: its own words for what is wrong. `trained` says who can mend it."""

    key: str
    severity: str
    code: int | None = None
    group: str | None = None
    description: str | None = None
    trained: bool | None = None


@dataclass(slots=True)
class Printer:
    """`errors` are the bits of hrPrinterDetectedErrorState; `troubles` those and what the alerts say, in the
    same words. `reported` is low or empty where the printer does not say which supply it means, else ok.
    `out_of_paper`: no tray but a bypass has any.
    """

    status: str | None = None
    device_status: str | None = None
    errors: tuple[str, ...] | None = None
    panel: str | None = None
    pages: int | None = None
    supplies: list[Supply] = field(default_factory=list)
    trays: list[Tray] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    troubles: tuple[str, ...] | None = None
    reported: str | None = None
    out_of_paper: bool | None = None


@dataclass(slots=True)
class Sensor:
    """A measured value, or a state with the device's word for it. `kind` is a class (temperature, humidity,
    voltage, current, power, frequency, charge, runtime, load, fanspeed, dbm, count, percent, state
    …), `unit` its unit (°C, %, V, A, W, Hz, s, rpm, dBm). `healthy` is None where the profile does
    not say, `fault` the check that an unhealthy one is; between `low` and `high` a value is well. `factor` is
    what the raw value of an entity sensor is multiplied by.
    """

    key: str
    kind: str
    description: str | None = None
    value: float | None = None
    unit: str | None = None
    state: str | None = None
    healthy: bool | None = None
    oid: str | None = None
    fault: str | None = None
    low: float | None = None
    high: float | None = None
    factor: float | None = None


@dataclass(slots=True)
class Ups:
    """Minutes, percent, volts. `source` is normal, battery, bypass, boost, trim, test, off or other."""

    source: str | None = None
    battery: str | None = None
    replace_battery: bool | None = None
    seconds_on_battery: int | None = None
    minutes_left: float | None = None
    charge_percent: float | None = None
    load_percent: float | None = None
    input_volts: float | None = None
    output_volts: float | None = None
    battery_volts: float | None = None
    temperature: float | None = None
    testing: bool | None = None
    alarms: list[str] = field(default_factory=list)
    overload: bool | None = None
    alarm_count: int | None = None


@dataclass(slots=True)
class Projector:
    """`power` is off, on, cooling or warming_up; `fault` is none, lamp, heat, filter, cover, fan or other."""

    power: str | None = None
    input: str | None = None
    fault: str | None = None
    lamp_hours: float | None = None
    lamp_percent: float | None = None


@dataclass(slots=True)
class Load:
    """A processor, a memory or a store. `used` and `total` are bytes (processors have percent only); `unit`
    is how many of them the device counts as one.
    """

    key: str
    kind: str
    description: str | None = None
    percent: float | None = None
    used: int | None = None
    total: int | None = None
    oid: str | None = None
    unit: int | None = None


@dataclass(slots=True)
class AccessPoint:
    """An access point as its controller tells of it. `index` is its row in the controller's table."""

    key: str
    name: str | None = None
    up: bool | None = None
    state: str | None = None
    mac: str | None = None
    address: str | None = None
    model: str | None = None
    serial: str | None = None
    clients: int | None = None
    index: str | None = None


@dataclass(slots=True)
class Neighbour:
    """What LLDP or CDP says stands at the other end. `port_key` names our port, `index` its ifIndex where
    known.
    """

    protocol: str
    local_port: str
    port_key: str | None = None
    index: int | None = None
    chassis: str | None = None
    port: str | None = None
    port_description: str | None = None
    name: str | None = None
    description: str | None = None
    address: str | None = None
    is_bridge: bool | None = None


@dataclass(slots=True)
class Learned:
    """A MAC that a bridge has learned on a port (`index` is the ifIndex; None where the map does not say)."""

    mac: str
    vlan: int | None
    bridge_port: int
    index: int | None = None
    port_key: str | None = None


@dataclass(slots=True)
class Address:
    address: str
    prefix: int | None = None
    index: int | None = None


@dataclass(slots=True)
class Arp:
    address: str
    mac: str
    index: int | None = None


@dataclass(slots=True)
class Vlan:
    id: int
    name: str | None = None


class Verdict(StrEnum):
    """`KEEP`: between the threshold that opens and the one that closes, or unknown; whatever was, stays."""

    BAD = "bad"
    GOOD = "good"
    KEEP = "keep"


@dataclass(slots=True)
class Finding:
    """One check of one instance. `check` names a fault of the profile's, `instance` what it is about ("" for
    the device), `label` that in words, `value` what was measured, `evidence` name → value as read.
    """

    check: str
    instance: str
    verdict: Verdict
    label: str | None = None
    value: Any = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Metric:
    """A number worth a history: gauge, or counter (rates are taken from two readings). `bits` is a counter's
    width, 32 or 64, after which it starts anew; None where nobody says it.
    """

    name: str
    instance: str
    value: float
    counter: bool = False
    unit: str = ""
    bits: int | None = None


@dataclass(slots=True)
class Reading:
    """All that was understood of one discovery or one poll."""

    profile: str
    identity: Identity = field(default_factory=Identity)
    uptime: Uptime = field(default_factory=Uptime)
    ports: list[Port] = field(default_factory=list)
    printer: Printer | None = None
    ups: Ups | None = None
    sensors: list[Sensor] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    access_points: list[AccessPoint] = field(default_factory=list)
    clients: int | None = None
    neighbours: list[Neighbour] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    arp: list[Arp] = field(default_factory=list)
    vlans: list[Vlan] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    projector: Projector | None = None
