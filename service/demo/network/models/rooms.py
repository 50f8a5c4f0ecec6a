"""What stands in rooms: environment monitors (AVTECH's ROOMALERT12E-MIB) and projectors."""

from __future__ import annotations

import time

from integrations.snmp.agent import Tree, Type
from service.demo.network.models.parts import Clock, Face, Row, made, one_port, system

ROOM_ALERT = "1.3.6.1.4.1.20916.1.10"
INSIDE, PROBE = f"{ROOM_ALERT}.1.1", f"{ROOM_ALERT}.1.2"
EPSON = "1.3.6.1.4.1.1248.4.1"
COOL_INSIDE, COOL_PROBE, HUMID = 24.1, 22.5, 41.0


def room_sensor(face: Face, *, clock: Clock = time.monotonic) -> Tree:
    """A monitor of a closet's temperature and humidity."""
    rows = system(face, f"{face.model} v{face.firmware}", ROOM_ALERT) + one_port(face, mbps=100)
    rows += [
        *_measured(f"{INSIDE}.1", COOL_INSIDE),
        (f"{INSIDE}.3.0", Type.OCTETS, b"Internal"),
        *_measured(f"{PROBE}.1", COOL_PROBE),
        (f"{PROBE}.3.0", Type.INTEGER, round(HUMID * 100)),
        (f"{PROBE}.8.0", Type.OCTETS, b"Rack"),
    ]
    return made(face, rows, clock)


def _measured(at: str, celsius: float) -> list[Row]:
    """A temperature in hundredths of °C, and of °F beside it."""
    fahrenheit = celsius * 9 / 5 + 32
    return [
        (f"{at}.0", Type.INTEGER, round(celsius * 100)),
        (f"{at[:-1]}2.0", Type.INTEGER, round(fahrenheit * 100)),
    ]


def set_temperature(tree: Tree, celsius: float = COOL_PROBE) -> None:
    """Of the probe in the rack."""
    tree.update(_measured(f"{PROBE}.1", celsius))


def projector(face: Face, *, lamp_hours: int = 1240, clock: Clock = time.monotonic) -> Tree:
    """A projector that tells how long its lamp has burnt."""
    rows = system(face, f"EPSON {face.model}", EPSON) + one_port(face, mbps=100)
    rows += [(f"{EPSON}.1.1.1.0", Type.INTEGER, lamp_hours)]
    return made(face, rows, clock)
