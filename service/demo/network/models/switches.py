"""Switches: bridge tables (RFC 4188, RFC 4363), LLDP (802.1AB), power over Ethernet (RFC 3621)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from integrations.snmp.agent import Tree, Type
from service.demo.network.models.parts import (
    DOCUMENTATION,
    PROCESSOR,
    Clock,
    Face,
    Meter,
    Nic,
    Row,
    address_of,
    chassis,
    dotted,
    interfaces,
    made,
    packed,
    sensor,
    system,
)

BRIDGE = "1.3.6.1.2.1.17"
FORWARDING = f"{BRIDGE}.4.3.1"
VLAN_FORWARDING = f"{BRIDGE}.7.1.2.2.1"
VLAN_CURRENT, VLAN_STATIC = f"{BRIDGE}.7.1.4.2.1", f"{BRIDGE}.7.1.4.3.1"
PVID = f"{BRIDGE}.7.1.4.5.1.1"
LLDP = "1.0.8802.1.1.2.1"
REMOTE, MANAGEMENT = f"{LLDP}.4.1.1", f"{LLDP}.4.2.1"
POE = "1.3.6.1.2.1.105.1"
POE_PORT, POE_MAIN = f"{POE}.1.1", f"{POE}.3.1.1"

LEARNED = 3
VLANS: Mapping[int, str] = {10: "staff", 20: "devices", 30: "wireless", 99: "management"}
DEVICES_VLAN = 20
BUDGET_WATTS, WATTS_EACH = 370, 8
CELSIUS = 8
ON, OFF = 1, 2


class Power(IntEnum):
    """pethPsePortDetectionStatus."""

    DISABLED = 1
    SEARCHING = 2
    DELIVERING = 3


class Capability(IntEnum):
    """Bits of LLDP's system capabilities, the first the most significant one."""

    BRIDGE = 0x20
    ACCESS_POINT = 0x10
    ROUTER = 0x08
    STATION = 0x01


@dataclass(frozen=True, slots=True)
class Seen:
    """What LLDP hears on a port: the other end, and the name of its port."""

    face: Face
    port: str
    description: str
    capability: int


def ports(face: Face, count: int, uplinks: int = 2) -> list[Nic]:
    """`count` ports of 1 Gbit/s and the uplinks of 10 Gbit/s behind them; none has a link yet."""
    made_of = [("Gi1/0", "GigabitEthernet1/0", 1000)] * count + [
        ("Te1/1", "TenGigabitEthernet1/1", 10_000)
    ] * uplinks
    nics = []
    for at, (short, long, mbps) in enumerate(made_of, 1):
        place = at if at <= count else at - count
        nic = Nic(at, f"{short}/{place}", f"{long}/{place}", face.near(at), mbps, is_up=False)
        nic.received, nic.sent = Meter(15_000 + 977 * at), Meter(45_000 + 3_011 * at)
        for meter in (nic.received, nic.sent):
            meter.stop(0)
        nics.append(nic)
    return nics


def switch(face: Face, nics: Sequence[Nic], *, poe: int = 0, clock: Clock = time.monotonic) -> Tree:
    """A switch whose first `poe` ports can power what hangs on them, on their bridge ports' own numbers."""
    description = f"Crosslane {face.model} Managed Switch, software {face.firmware}, serial {face.serial}"
    rows = system(face, description, f"{DOCUMENTATION}.2.{len(nics)}", services=2)
    rows += interfaces(nics) + address_of(face, nics[-1].index) + chassis(face, "Crosslane")
    rows += _bridge(face, nics) + _local_lldp(face, nics) + _poe(nics[:poe])
    rows += sensor(1001, "Temperature inside", CELSIUS, 41)
    rows += [(f"{PROCESSOR}.1", Type.INTEGER, 12)]
    return made(face, rows, clock)


def _bridge(face: Face, nics: Sequence[Nic]) -> list[Row]:
    rows: list[Row] = [
        (f"{BRIDGE}.1.1.0", Type.OCTETS, face.mac),
        (f"{BRIDGE}.1.2.0", Type.INTEGER, len(nics)),
        (f"{BRIDGE}.1.3.0", Type.INTEGER, 2),
    ]
    for nic in nics:
        rows += [
            (f"{BRIDGE}.1.4.1.1.{nic.index}", Type.INTEGER, nic.index),
            (f"{BRIDGE}.1.4.1.2.{nic.index}", Type.INTEGER, nic.index),
            (f"{PVID}.{nic.index}", Type.GAUGE32, DEVICES_VLAN),
        ]
    for vlan, name in VLANS.items():
        rows += [
            (f"{VLAN_CURRENT}.3.0.{vlan}", Type.GAUGE32, _database(vlan)),
            (f"{VLAN_STATIC}.1.{vlan}", Type.OCTETS, name.encode()),
            (f"{VLAN_STATIC}.5.{vlan}", Type.INTEGER, 1),
        ]
    return rows


def _database(vlan: int) -> int:
    """The filtering database of a VLAN, whose number is another one on many switches."""
    return vlan // 10


def _local_lldp(face: Face, nics: Sequence[Nic]) -> list[Row]:
    rows: list[Row] = [
        (f"{LLDP}.3.1.0", Type.INTEGER, 4),
        (f"{LLDP}.3.2.0", Type.OCTETS, face.mac),
        (f"{LLDP}.3.3.0", Type.OCTETS, face.name.encode()),
        (f"{LLDP}.3.4.0", Type.OCTETS, f"Crosslane {face.model}".encode()),
    ]
    for nic in nics:
        rows += [
            (f"{LLDP}.3.7.1.2.{nic.index}", Type.INTEGER, 5),
            (f"{LLDP}.3.7.1.3.{nic.index}", Type.OCTETS, nic.name.encode()),
            (f"{LLDP}.3.7.1.4.{nic.index}", Type.OCTETS, nic.description.encode()),
        ]
    return rows


def _poe(nics: Sequence[Nic]) -> list[Row]:
    rows: list[Row] = []
    for nic in nics:
        rows += [
            (f"{POE_PORT}.3.1.{nic.index}", Type.INTEGER, ON),
            (f"{POE_PORT}.6.1.{nic.index}", Type.INTEGER, Power.SEARCHING),
            (f"{POE_PORT}.7.1.{nic.index}", Type.INTEGER, 3),
            (f"{POE_PORT}.9.1.{nic.index}", Type.OCTETS, b""),
            (f"{POE_PORT}.10.1.{nic.index}", Type.INTEGER, 1),
        ]
    if nics:
        rows += [
            (f"{POE_MAIN}.2.1", Type.GAUGE32, BUDGET_WATTS),
            (f"{POE_MAIN}.3.1", Type.INTEGER, ON),
            (f"{POE_MAIN}.4.1", Type.GAUGE32, 0),
        ]
    return rows


def show_power(tree: Tree, states: Mapping[int, Power]) -> None:
    """What each port that has power over Ethernet does, and what it takes of the budget."""
    for port, state in states.items():
        tree.set(f"{POE_PORT}.6.1.{port}", Type.INTEGER, state)
        tree.set(f"{POE_PORT}.10.1.{port}", Type.INTEGER, 4 if state is Power.DELIVERING else 1)
    taken = WATTS_EACH * sum(state is Power.DELIVERING for state in states.values())
    tree.set(f"{POE_MAIN}.4.1", Type.GAUGE32, taken)


def power_object(port: int) -> str:
    """pethPsePortAdminEnable of a port: 1 on, 2 off."""
    return f"{POE_PORT}.3.1.{port}"


def show_neighbours(tree: Tree, seen: Mapping[int, Seen]) -> None:
    """Let LLDP hear these on the ports of these numbers, and nobody else."""
    tree.remove(f"{LLDP}.4")
    tree.update(row for port, other in seen.items() for row in _neighbour(port, other))


def _neighbour(port: int, other: Seen) -> list[Row]:
    face, at = other.face, f"0.{port}.1"
    where = ".".join(map(str, packed(face.address)))
    return [
        (f"{REMOTE}.4.{at}", Type.INTEGER, 4),
        (f"{REMOTE}.5.{at}", Type.OCTETS, face.mac),
        (f"{REMOTE}.6.{at}", Type.INTEGER, 5),
        (f"{REMOTE}.7.{at}", Type.OCTETS, other.port.encode()),
        (f"{REMOTE}.8.{at}", Type.OCTETS, other.port.encode()),
        (f"{REMOTE}.9.{at}", Type.OCTETS, face.name.encode()),
        (f"{REMOTE}.10.{at}", Type.OCTETS, other.description.encode()),
        (f"{REMOTE}.11.{at}", Type.OCTETS, bytes((other.capability, 0))),
        (f"{REMOTE}.12.{at}", Type.OCTETS, bytes((other.capability, 0))),
        (f"{MANAGEMENT}.3.{at}.1.4.{where}", Type.INTEGER, 2),
        (f"{MANAGEMENT}.4.{at}.1.4.{where}", Type.INTEGER, 1),
    ]


def show_learned(tree: Tree, macs: Iterable[tuple[bytes, int]]) -> None:
    """Let the bridge have learned these MACs, each on the port of this number."""
    tree.remove(FORWARDING)
    tree.remove(VLAN_FORWARDING)
    tree.update(row for mac, port in macs for row in _learned(mac, port))


def _learned(mac: bytes, port: int) -> list[Row]:
    plain, by_vlan = dotted(mac), f"{_database(DEVICES_VLAN)}.{dotted(mac)}"
    return [
        (f"{FORWARDING}.1.{plain}", Type.OCTETS, mac),
        (f"{FORWARDING}.2.{plain}", Type.INTEGER, port),
        (f"{FORWARDING}.3.{plain}", Type.INTEGER, LEARNED),
        (f"{VLAN_FORWARDING}.2.{by_vlan}", Type.INTEGER, port),
        (f"{VLAN_FORWARDING}.3.{by_vlan}", Type.INTEGER, LEARNED),
    ]
