"""Uninterruptible power supplies: UPS-MIB (RFC 1628) and APC's PowerNet MIB."""

from __future__ import annotations

import time
from enum import Enum

from integrations.snmp.agent import Tree, Type
from service.demo.network.models.parts import DOCUMENTATION, Clock, Face, Row, made, one_port, system

UPS = "1.3.6.1.2.1.33.1"
ALARMS = f"{UPS}.6.2.1"
ON_BATTERY_ALARM = f"{UPS}.6.3.2"
APC = "1.3.6.1.4.1.318.1.1.1"
MAINS_VOLTS = 120
LASTS = 2_400.0
"""Seconds that a full battery carries the load."""
CHARGES_IN = 3 * LASTS
LOW_MINUTES = 3


class Source(Enum):
    """What feeds the load: its number in UPS-MIB and in PowerNet's upsBasicOutputStatus."""

    MAINS = 3, 2
    BATTERY = 5, 3
    TEST = 5, 15


class Battery:
    """Drains while it carries the load, and is charged afterwards. Times are the device's seconds."""

    def __init__(self) -> None:
        self.source = Source.MAINS
        self._full = 1.0
        self._since = 0.0

    def feed(self, source: Source, seconds: float) -> None:
        """From now on the load lives on `source`."""
        self._full, self._since, self.source = self.full(seconds), seconds, source

    def full(self, seconds: float) -> float:
        """0 to 1."""
        passed = max(seconds - self._since, 0.0)
        gained = passed / CHARGES_IN if self.source is Source.MAINS else -passed / LASTS
        return min(max(self._full + gained, 0.0), 1.0)

    def seconds_on(self, seconds: float) -> int:
        return 0 if self.source is Source.MAINS else int(max(seconds - self._since, 0.0))

    def percent(self, seconds: float) -> int:
        return round(100 * self.full(seconds))

    def seconds_left(self, seconds: float) -> int:
        return int(self.full(seconds) * LASTS)

    def minutes_left(self, seconds: float) -> int:
        return self.seconds_left(seconds) // 60

    def is_low(self, seconds: float) -> bool:
        return self.source is not Source.MAINS and self.minutes_left(seconds) < LOW_MINUTES


def ups(face: Face, battery: Battery, *, clock: Clock = time.monotonic) -> Tree:
    """A UPS with a network card that knows UPS-MIB."""
    description = f"Steadypower {face.model} network card, version {face.firmware}"
    rows = system(face, description, f"{DOCUMENTATION}.3.1500") + one_port(face, mbps=100)
    rows += _named(face) + _battery(battery) + _lines()
    rows += [
        (f"{UPS}.7.1.0", Type.OID, f"{UPS}.7.7.1"),
        (f"{UPS}.7.3.0", Type.INTEGER, 1),
        (f"{UPS}.7.4.0", Type.OCTETS, b""),
    ]
    tree = made(face, rows, clock)
    show_ups(tree, battery)
    return tree


def _named(face: Face) -> list[Row]:
    return [
        (f"{UPS}.1.1.0", Type.OCTETS, b"Steadypower"),
        (f"{UPS}.1.2.0", Type.OCTETS, face.model.encode()),
        (f"{UPS}.1.3.0", Type.OCTETS, face.firmware.encode()),
        (f"{UPS}.1.4.0", Type.OCTETS, face.firmware.encode()),
        (f"{UPS}.1.5.0", Type.OCTETS, face.name.encode()),
    ]


def _battery(battery: Battery) -> list[Row]:
    return [
        (f"{UPS}.2.1.0", Type.INTEGER, lambda s: 3 if battery.is_low(s) else 2),
        (f"{UPS}.2.2.0", Type.INTEGER, battery.seconds_on),
        (f"{UPS}.2.3.0", Type.INTEGER, battery.minutes_left),
        (f"{UPS}.2.4.0", Type.INTEGER, battery.percent),
        (f"{UPS}.2.5.0", Type.INTEGER, 274),
        (f"{UPS}.2.7.0", Type.INTEGER, 26),
    ]


def _lines() -> list[Row]:
    return [
        (f"{UPS}.3.2.0", Type.INTEGER, 1),
        (f"{UPS}.3.3.1.2.1", Type.INTEGER, 600),
        (f"{UPS}.4.2.0", Type.INTEGER, 600),
        (f"{UPS}.4.3.0", Type.INTEGER, 1),
        (f"{UPS}.4.4.1.2.1", Type.INTEGER, MAINS_VOLTS),
        (f"{UPS}.4.4.1.3.1", Type.INTEGER, 31),
        (f"{UPS}.4.4.1.4.1", Type.INTEGER, 372),
        (f"{UPS}.4.4.1.5.1", Type.INTEGER, 27),
    ]


def show_ups(tree: Tree, battery: Battery) -> None:
    """The source of the load, the mains and the alarms, as UPS-MIB tells them."""
    source = battery.source
    tree.set(f"{UPS}.3.3.1.3.1", Type.INTEGER, 0 if source is Source.BATTERY else MAINS_VOLTS)
    tree.set(f"{UPS}.4.1.0", Type.INTEGER, source.value[0])
    tree.set(f"{UPS}.7.3.0", Type.INTEGER, 5 if source is Source.TEST else 1)
    tree.remove(ALARMS)
    on_battery = source is Source.BATTERY
    tree.set(f"{UPS}.6.1.0", Type.GAUGE32, int(on_battery))
    if on_battery:
        at = int(tree.uptime * 100) & 0xFFFFFFFF
        tree.update([(f"{ALARMS}.2.1", Type.OID, ON_BATTERY_ALARM), (f"{ALARMS}.3.1", Type.TICKS, at)])


def apc_ups(face: Face, battery: Battery, *, clock: Clock = time.monotonic) -> Tree:
    """A Smart-UPS with a network management card."""
    description = (
        f"APC Web/SNMP Management Card (MB:v4.2.9 PF:v{face.firmware} PN:apc_hw05_aos.bin MN:AP9641 "
        f"HR:5 SN: {face.serial} MD:03/14/2022)"
    )
    rows = system(face, description, "1.3.6.1.4.1.318.1.3.27") + one_port(face, mbps=100)
    rows += [
        (f"{APC}.1.1.1.0", Type.OCTETS, face.model.encode()),
        (f"{APC}.1.1.2.0", Type.OCTETS, face.name.encode()),
        (f"{APC}.1.2.1.0", Type.OCTETS, b"UPS 18.3"),
        (f"{APC}.1.2.3.0", Type.OCTETS, face.serial.encode()),
        (f"{APC}.2.1.1.0", Type.INTEGER, lambda s: 3 if battery.is_low(s) else 2),
        (f"{APC}.2.1.2.0", Type.TICKS, lambda s: 100 * battery.seconds_on(s)),
        (f"{APC}.2.2.1.0", Type.GAUGE32, battery.percent),
        (f"{APC}.2.2.2.0", Type.GAUGE32, 25),
        (f"{APC}.2.2.3.0", Type.TICKS, lambda s: 100 * battery.seconds_left(s)),
        (f"{APC}.2.2.4.0", Type.INTEGER, 1),
        (f"{APC}.2.2.8.0", Type.INTEGER, 54),
        (f"{APC}.3.2.4.0", Type.GAUGE32, 60),
        (f"{APC}.4.2.1.0", Type.GAUGE32, MAINS_VOLTS),
        (f"{APC}.4.2.2.0", Type.GAUGE32, 60),
        (f"{APC}.4.2.3.0", Type.GAUGE32, 34),
        (f"{APC}.4.2.4.0", Type.GAUGE32, 4),
        (f"{APC}.7.2.3.0", Type.INTEGER, 1),
    ]
    tree = made(face, rows, clock)
    show_apc(tree, battery)
    return tree


def show_apc(tree: Tree, battery: Battery) -> None:
    """The source of the load and the mains, as PowerNet tells them."""
    source = battery.source
    tree.set(f"{APC}.3.2.1.0", Type.GAUGE32, 0 if source is Source.BATTERY else MAINS_VOLTS)
    tree.set(f"{APC}.4.1.1.0", Type.INTEGER, source.value[1])
    tree.set(f"{APC}.7.2.3.0", Type.INTEGER, 4 if source is Source.TEST else 1)
