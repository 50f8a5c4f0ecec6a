"""Access points that answer for themselves (UBNT-UniFi-MIB), and a controller that answers for its own
(AIRESPACE-WIRELESS-MIB).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from integrations.snmp.agent import Tree, Type
from service.demo.network.models.parts import (
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
    one_port,
    system,
)

UNIFI = "1.3.6.1.4.1.41112.1.6"
AIRESPACE = "1.3.6.1.4.1.14179"
AP_TABLE, RADIO_TABLE = f"{AIRESPACE}.2.2.1.1", f"{AIRESPACE}.2.2.2.1"
STATIONS = f"{AIRESPACE}.2.1.4.1"
NET_SNMP_LINUX = "1.3.6.1.4.1.8072.3.2.10"
NETWORKS = (("district-staff", 9), ("district-students", 23), ("district-guest", 2))
ASSOCIATED = 1


def access_point(face: Face, *, clock: Clock = time.monotonic) -> Tree:
    """An access point with two radios and three networks."""
    rows = system(face, f"{face.model} {face.firmware}", NET_SNMP_LINUX) + one_port(face)
    rows += [
        (f"{UNIFI}.3.1.0", Type.IP, face.address),
        (f"{UNIFI}.3.2.0", Type.INTEGER, 2),
        (f"{UNIFI}.3.3.0", Type.OCTETS, face.model.encode()),
        (f"{UNIFI}.3.4.0", Type.OCTETS, b"eth0"),
        (f"{UNIFI}.3.6.0", Type.OCTETS, face.firmware.encode()),
    ]
    for at, (radio, used) in enumerate((("ng", 31), ("na", 14)), 1):
        rows += [
            (f"{UNIFI}.1.1.1.2.{at}", Type.OCTETS, f"wifi{at - 1}".encode()),
            (f"{UNIFI}.1.1.1.3.{at}", Type.OCTETS, radio.encode()),
            (f"{UNIFI}.1.1.1.6.{at}", Type.INTEGER, used),
        ]
    for at, (network, clients) in enumerate(NETWORKS, 1):
        rows += _network(face, at, network, clients)
    return made(face, rows, clock)


def _network(face: Face, at: int, network: str, clients: int) -> list[Row]:
    return [
        (f"{UNIFI}.1.2.1.2.{at}", Type.OCTETS, face.near(at)),
        (f"{UNIFI}.1.2.1.4.{at}", Type.INTEGER, 36 + 4 * at),
        (f"{UNIFI}.1.2.1.6.{at}", Type.OCTETS, network.encode()),
        (f"{UNIFI}.1.2.1.7.{at}", Type.OCTETS, f"ath{at}".encode()),
        (f"{UNIFI}.1.2.1.8.{at}", Type.INTEGER, clients),
        (f"{UNIFI}.1.2.1.9.{at}", Type.OCTETS, b"na"),
        (f"{UNIFI}.1.2.1.22.{at}", Type.INTEGER, 1),
    ]


@dataclass(frozen=True, slots=True)
class Lightweight:
    """An access point that its controller answers for."""

    face: Face
    clients: int = 14


def controller(face: Face, own: Sequence[Lightweight], *, clock: Clock = time.monotonic) -> Tree:
    """A controller of lightweight access points, all of which have found it."""
    nics = [
        Nic(1, "TenGigabitEthernet0/0/1", "Unit: 0 Slot: 0 Port: 1 Gigabit", face.mac, 10_000),
        Nic(2, "TenGigabitEthernet0/0/2", "Unit: 0 Slot: 0 Port: 2 Gigabit", face.near(1), 10_000),
    ]
    for nic in nics:
        nic.received, nic.sent = Meter(900_000), Meter(2_100_000)
    rows = system(face, "Cisco Controller", "1.3.6.1.4.1.9.1.2427") + interfaces(nics)
    rows += address_of(face, 1) + chassis(face, "Cisco Systems Inc.")
    rows += [
        (f"{AIRESPACE}.1.1.1.3.0", Type.OCTETS, face.model.encode()),
        (f"{AIRESPACE}.1.1.1.4.0", Type.OCTETS, face.serial.encode()),
        (f"{AIRESPACE}.1.1.1.14.0", Type.OCTETS, face.firmware.encode()),
        (f"{AIRESPACE}.1.1.5.1.0", Type.INTEGER, 11),
        (f"{AIRESPACE}.1.1.5.2.0", Type.INTEGER, 3_735_000),
        (f"{AIRESPACE}.1.1.5.3.0", Type.INTEGER, 1_920_000),
    ]
    return made(face, [*rows, *(row for one in own for row in _joined(one))], clock)


def show_access_points(tree: Tree, joined: Iterable[Lightweight]) -> None:
    """Let the controller have exactly these; the row of one that is lost vanishes."""
    tree.remove(AP_TABLE)
    tree.remove(RADIO_TABLE)
    tree.remove(STATIONS)
    tree.update(row for one in joined for row in _joined(one))


def _joined(one: Lightweight) -> list[Row]:
    face, at = one.face, dotted(one.face.mac)
    rows: list[Row] = [
        (f"{AP_TABLE}.1.{at}", Type.OCTETS, face.mac),
        (f"{AP_TABLE}.3.{at}", Type.OCTETS, face.name.encode()),
        (f"{AP_TABLE}.4.{at}", Type.OCTETS, face.location.encode()),
        (f"{AP_TABLE}.6.{at}", Type.INTEGER, ASSOCIATED),
        (f"{AP_TABLE}.8.{at}", Type.OCTETS, face.firmware.encode()),
        (f"{AP_TABLE}.16.{at}", Type.OCTETS, face.model.encode()),
        (f"{AP_TABLE}.17.{at}", Type.OCTETS, face.serial.encode()),
        (f"{AP_TABLE}.19.{at}", Type.IP, face.address),
        (f"{AP_TABLE}.33.{at}", Type.OCTETS, face.near(1)),
    ]
    for slot, clients in enumerate((one.clients // 3, one.clients - one.clients // 3)):
        rows += [
            (f"{RADIO_TABLE}.2.{at}.{slot}", Type.INTEGER, 1 + slot),
            (f"{RADIO_TABLE}.4.{at}.{slot}", Type.INTEGER, 36 if slot else 6),
            (f"{RADIO_TABLE}.15.{at}.{slot}", Type.GAUGE32, clients),
        ]
    for number in range(one.clients):
        mac = face.near(0x40 + number)
        rows.append((f"{STATIONS}.1.{dotted(mac)}", Type.OCTETS, mac))
        rows.append((f"{STATIONS}.4.{dotted(mac)}", Type.OCTETS, face.mac))
    return rows
