"""What devices of every kind have: system group, interfaces, chassis, counters that run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from integrations.snmp.agent import Tree, Type, running
from integrations.snmp.agent.ber import Value
from integrations.snmp.agent.tree import Live

Row = tuple[str, Type, Value | Live]
Clock = Callable[[], float]

SYSTEM = "1.3.6.1.2.1.1"
IF = "1.3.6.1.2.1.2.2.1"
IFX = "1.3.6.1.2.1.31.1.1.1"
ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
SENSOR = "1.3.6.1.2.1.99.1.1.1"
STORAGE = "1.3.6.1.2.1.25.2.3.1"
PROCESSOR = "1.3.6.1.2.1.25.3.3.1.2"
DOCUMENTATION = "1.3.6.1.4.1.32473"
"""The enterprise number for examples (RFC 5612): the vendors of this district do not exist."""

UP, DOWN = 1, 2
ETHERNET = 6
WAVE = 900.0
"""Seconds in which traffic swells and ebbs once."""


@dataclass(frozen=True, slots=True)
class Face:
    """Who a device says it is. `up_for`: seconds since its start when it is made."""

    name: str
    location: str
    model: str
    serial: str
    mac: bytes
    address: str = "127.0.0.1"
    firmware: str = "1.0.0"
    up_for: float = 30 * 86_400.0

    def near(self, offset: int) -> bytes:
        """A MAC of the same device: `offset` behind the first."""
        return (int.from_bytes(self.mac) + offset).to_bytes(6)


class Meter:
    """A counter of octets that gains `rate` a second on average while it goes; a start puts it to 0."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._base = 0
        self._since = 0.0
        self._goes = True

    def __call__(self, seconds: float) -> int:
        if seconds < self._since:
            self._base, self._since = 0, 0.0
        return self._base + (int(self._gained(seconds) - self._gained(self._since)) if self._goes else 0)

    def stop(self, seconds: float) -> None:
        self._base, self._since, self._goes = self(seconds), seconds, False

    def go(self, seconds: float) -> None:
        self._base, self._since, self._goes = self(seconds), seconds, True

    def _gained(self, seconds: float) -> float:
        return self.rate * (seconds - 0.6 * WAVE / math.tau * math.cos(math.tau * seconds / WAVE))


@dataclass(slots=True)
class Nic:
    """An Ethernet interface. `mbps` is its speed, `received` and `sent` count its octets."""

    index: int
    name: str
    description: str
    mac: bytes
    mbps: int = 1000
    alias: str = ""
    is_up: bool = True
    received: Meter = field(default_factory=lambda: Meter(20_000))
    sent: Meter = field(default_factory=lambda: Meter(60_000))

    def rows(self) -> list[Row]:
        at = self.index
        speed = min(self.mbps * 1_000_000, 0xFFFFFFFF)
        return [
            (f"{IF}.1.{at}", Type.INTEGER, at),
            (f"{IF}.2.{at}", Type.OCTETS, self.description.encode()),
            (f"{IF}.3.{at}", Type.INTEGER, ETHERNET),
            (f"{IF}.4.{at}", Type.INTEGER, 1500),
            (f"{IF}.5.{at}", Type.GAUGE32, speed),
            (f"{IF}.6.{at}", Type.OCTETS, self.mac),
            (f"{IF}.7.{at}", Type.INTEGER, UP),
            (f"{IF}.8.{at}", Type.INTEGER, UP if self.is_up else DOWN),
            (f"{IF}.9.{at}", Type.TICKS, 0),
            (f"{IF}.10.{at}", Type.COUNTER32, self.received),
            (f"{IF}.14.{at}", Type.COUNTER32, 0),
            (f"{IF}.16.{at}", Type.COUNTER32, self.sent),
            (f"{IF}.20.{at}", Type.COUNTER32, 0),
            (f"{IFX}.1.{at}", Type.OCTETS, self.name.encode()),
            (f"{IFX}.6.{at}", Type.COUNTER64, self.received),
            (f"{IFX}.10.{at}", Type.COUNTER64, self.sent),
            (f"{IFX}.15.{at}", Type.GAUGE32, self.mbps),
            (f"{IFX}.18.{at}", Type.OCTETS, self.alias.encode()),
            (f"{IFX}.19.{at}", Type.TICKS, 0),
        ]


def set_link(tree: Tree, nic: Nic, is_up: bool, at: float) -> None:
    """Whether the interface has a link since `at` (the device's seconds); without one its counters stand."""
    if nic.is_up is is_up:
        return
    nic.is_up = is_up
    for meter in (nic.received, nic.sent):
        (meter.go if is_up else meter.stop)(at)
    tree.set(f"{IF}.8.{nic.index}", Type.INTEGER, UP if is_up else DOWN)
    tree.set(f"{IF}.9.{nic.index}", Type.TICKS, int(at * 100) & 0xFFFFFFFF)


def made(face: Face, rows: Iterable[Row], clock: Clock = time.monotonic) -> Tree:
    """A tree that has been up for as long as the face says."""
    tree = Tree.of(rows, clock)
    tree.uptime = face.up_for
    return tree


def system(face: Face, description: str, object_id: str, services: int = 72) -> list[Row]:
    """The system group."""
    return [
        (f"{SYSTEM}.1.0", Type.OCTETS, description.encode()),
        (f"{SYSTEM}.2.0", Type.OID, object_id),
        (f"{SYSTEM}.3.0", Type.TICKS, running()),
        (f"{SYSTEM}.4.0", Type.OCTETS, b"netops@example.org"),
        (f"{SYSTEM}.5.0", Type.OCTETS, face.name.encode()),
        (f"{SYSTEM}.6.0", Type.OCTETS, face.location.encode()),
        (f"{SYSTEM}.7.0", Type.INTEGER, services),
    ]


def interfaces(nics: Sequence[Nic]) -> list[Row]:
    """ifTable and ifXTable."""
    rows: list[Row] = [
        ("1.3.6.1.2.1.2.1.0", Type.INTEGER, len(nics)),
        ("1.3.6.1.2.1.31.1.5.0", Type.TICKS, 0),
    ]
    return rows + [row for nic in nics for row in nic.rows()]


def one_port(face: Face, name: str = "eth0", mbps: int = 1000) -> list[Row]:
    """The interfaces of a device that has one."""
    return interfaces([Nic(1, name, name, face.mac, mbps)]) + address_of(face, 1)


def address_of(face: Face, index: int) -> list[Row]:
    """Its own address, as ipAddrTable has it, on an interface."""
    at = face.address
    return [
        (f"1.3.6.1.2.1.4.20.1.1.{at}", Type.IP, at),
        (f"1.3.6.1.2.1.4.20.1.2.{at}", Type.INTEGER, index),
        (f"1.3.6.1.2.1.4.20.1.3.{at}", Type.IP, "255.255.252.0"),
    ]


def chassis(face: Face, vendor: str) -> list[Row]:
    """ENTITY-MIB's first row."""
    return [
        (f"{ENTITY}.2.1", Type.OCTETS, f"{vendor} {face.model}".encode()),
        (f"{ENTITY}.4.1", Type.INTEGER, 0),
        (f"{ENTITY}.5.1", Type.INTEGER, 3),
        (f"{ENTITY}.7.1", Type.OCTETS, b"Chassis"),
        (f"{ENTITY}.10.1", Type.OCTETS, face.firmware.encode()),
        (f"{ENTITY}.11.1", Type.OCTETS, face.serial.encode()),
        (f"{ENTITY}.12.1", Type.OCTETS, vendor.encode()),
        (f"{ENTITY}.13.1", Type.OCTETS, face.model.encode()),
        ("1.3.6.1.2.1.47.1.4.1.0", Type.TICKS, 0),
    ]


def sensor(index: int, name: str, kind: int, value: int, precision: int = 0) -> list[Row]:
    """A row of ENTITY-SENSOR-MIB (RFC 3433), contained in the chassis; `value` has `precision` decimals."""
    return [
        (f"{ENTITY}.2.{index}", Type.OCTETS, name.encode()),
        (f"{ENTITY}.4.{index}", Type.INTEGER, 1),
        (f"{ENTITY}.5.{index}", Type.INTEGER, 8),
        (f"{ENTITY}.7.{index}", Type.OCTETS, name.encode()),
        (f"{SENSOR}.1.{index}", Type.INTEGER, kind),
        (f"{SENSOR}.2.{index}", Type.INTEGER, 9),
        (f"{SENSOR}.3.{index}", Type.INTEGER, precision),
        (f"{SENSOR}.4.{index}", Type.INTEGER, value),
        (f"{SENSOR}.5.{index}", Type.INTEGER, 1),
    ]


def store(index: int, name: str, kind: int, unit: int, size: int, used: int) -> list[Row]:
    """A row of hrStorageTable; `kind` is the last number of hrStorageTypes, sizes are in units of octets."""
    return [
        (f"{STORAGE}.1.{index}", Type.INTEGER, index),
        (f"{STORAGE}.2.{index}", Type.OID, f"1.3.6.1.2.1.25.2.1.{kind}"),
        (f"{STORAGE}.3.{index}", Type.OCTETS, name.encode()),
        (f"{STORAGE}.4.{index}", Type.INTEGER, unit),
        (f"{STORAGE}.5.{index}", Type.INTEGER, size),
        (f"{STORAGE}.6.{index}", Type.INTEGER, used),
    ]


def dotted(mac: bytes) -> str:
    """A MAC as an index."""
    return ".".join(map(str, mac))


def packed(address: str) -> bytes:
    return IPv4Address(address).packed
