"""A firewall (FORTINET-FORTIGATE-MIB) and a file store (SYNOLOGY-SYSTEM-MIB, HOST-RESOURCES-MIB)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from integrations.snmp.agent import Tree, Type, running
from service.demo.network.models.parts import (
    PROCESSOR,
    STORAGE,
    Clock,
    Face,
    Meter,
    Nic,
    Row,
    address_of,
    chassis,
    interfaces,
    made,
    one_port,
    store,
    system,
)

FORTINET = "1.3.6.1.4.1.12356"
ARP = "1.3.6.1.2.1.4.22.1"
SYNOLOGY = "1.3.6.1.4.1.6574"
FIXED_DISK, RAM = 4, 2
VOLUME = 51
VOLUME_UNITS = 1_953_000_000
UNIT = 4096
INSIDE = 2
"""ifIndex of the firewall's port to the schools."""


def firewall(face: Face, *, clock: Clock = time.monotonic) -> Tree:
    """The district's firewall and router: the internet on wan1, the schools on internal."""
    nics = [
        Nic(1, "wan1", "wan1", face.mac, alias="Internet"),
        Nic(INSIDE, "internal", "internal", face.near(1), 10_000, alias="Schools"),
    ]
    for nic in nics:
        nic.received, nic.sent = Meter(9_000_000), Meter(2_400_000)
    rows = system(face, f"{face.model} district edge", f"{FORTINET}.101.1.10001", services=78)
    rows += interfaces(nics) + address_of(face, INSIDE) + chassis(face, "Fortinet")
    rows += [
        (f"{FORTINET}.100.1.1.1.0", Type.OCTETS, face.serial.encode()),
        (f"{FORTINET}.101.4.1.1.0", Type.OCTETS, face.firmware.encode()),
        (f"{FORTINET}.101.4.1.3.0", Type.GAUGE32, 17),
        (f"{FORTINET}.101.4.1.4.0", Type.GAUGE32, 43),
        (f"{FORTINET}.101.4.1.5.0", Type.GAUGE32, 4_052_000),
        (f"{FORTINET}.101.4.1.8.0", Type.GAUGE32, 1834),
    ]
    return made(face, rows, clock)


def show_arp(tree: Tree, macs: Mapping[str, bytes]) -> None:
    """Let the router know exactly these addresses."""
    tree.remove(ARP)
    rows: list[Row] = []
    for address, mac in macs.items():
        rows += [
            (f"{ARP}.1.{INSIDE}.{address}", Type.INTEGER, INSIDE),
            (f"{ARP}.2.{INSIDE}.{address}", Type.OCTETS, mac),
            (f"{ARP}.3.{INSIDE}.{address}", Type.IP, address),
            (f"{ARP}.4.{INSIDE}.{address}", Type.INTEGER, 3),
        ]
    tree.update(rows)


def nas(face: Face, *, used: float = 0.52, clock: Clock = time.monotonic) -> Tree:
    """A file store with two disks and one volume, of which the share `used` is full."""
    description = f"Linux {face.name} 4.4.302+ #64570 SMP x86_64"
    rows = system(face, description, "1.3.6.1.4.1.8072.3.2.10") + one_port(face)
    rows += [
        ("1.3.6.1.2.1.25.1.1.0", Type.TICKS, running()),
        (f"{PROCESSOR}.1", Type.INTEGER, 9),
        (f"{PROCESSOR}.2", Type.INTEGER, 14),
        *store(1, "Physical memory", RAM, 1024, 4_030_000, 2_310_000),
        *store(VOLUME, "/volume1", FIXED_DISK, UNIT, VOLUME_UNITS, int(used * VOLUME_UNITS)),
        (f"{SYNOLOGY}.1.1.0", Type.INTEGER, 1),
        (f"{SYNOLOGY}.1.2.0", Type.INTEGER, 38),
        (f"{SYNOLOGY}.1.3.0", Type.INTEGER, 1),
        (f"{SYNOLOGY}.1.4.1.0", Type.INTEGER, 1),
        (f"{SYNOLOGY}.1.4.2.0", Type.INTEGER, 1),
        (f"{SYNOLOGY}.1.5.1.0", Type.OCTETS, face.model.encode()),
        (f"{SYNOLOGY}.1.5.2.0", Type.OCTETS, face.serial.encode()),
        (f"{SYNOLOGY}.1.5.3.0", Type.OCTETS, face.firmware.encode()),
    ]
    for at in range(2):
        rows += [
            (f"{SYNOLOGY}.2.1.1.2.{at}", Type.OCTETS, f"Disk {at + 1}".encode()),
            (f"{SYNOLOGY}.2.1.1.3.{at}", Type.OCTETS, b"Platterworks 8TB"),
            (f"{SYNOLOGY}.2.1.1.4.{at}", Type.OCTETS, b"SATA"),
            (f"{SYNOLOGY}.2.1.1.5.{at}", Type.INTEGER, 1),
            (f"{SYNOLOGY}.2.1.1.6.{at}", Type.INTEGER, 34 + at),
        ]
    rows += [
        (f"{SYNOLOGY}.3.1.1.2.0", Type.OCTETS, b"Volume 1"),
        (f"{SYNOLOGY}.3.1.1.3.0", Type.INTEGER, 1),
        (f"{SYNOLOGY}.3.1.1.4.0", Type.COUNTER64, int((1 - used) * VOLUME_UNITS) * UNIT),
        (f"{SYNOLOGY}.3.1.1.5.0", Type.COUNTER64, VOLUME_UNITS * UNIT),
    ]
    return made(face, rows, clock)


def set_used(tree: Tree, share: float) -> None:
    """How full the volume is, 0 to 1."""
    tree.set(f"{STORAGE}.6.{VOLUME}", Type.INTEGER, int(share * VOLUME_UNITS))
    tree.set(f"{SYNOLOGY}.3.1.1.4.0", Type.COUNTER64, int((1 - share) * VOLUME_UNITS) * UNIT)
