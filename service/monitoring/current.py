"""The states of a device that polls move, small enough to be kept with every poll. PURE.

Shape: `ports` key → [admin, oper, power over Ethernet]; `supplies` and `trays` key → [percent, special];
`sensors` key → [value, state, healthy]; `loads` key → percent; `aps` key → up; `printer`, `ups` and
`projector` their fields; `clients` a number. What a poll does not ask for is not there.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from integrations.snmp.reading import Port, Printer, Reading, Ups

UPS_FIELDS = (
    "source",
    "battery",
    "replace_battery",
    "seconds_on_battery",
    "minutes_left",
    "charge_percent",
    "load_percent",
    "input_volts",
    "output_volts",
    "temperature",
    "testing",
    "alarms",
)


def ports_of(ports: Sequence[Port]) -> dict[str, Any]:
    """`ports` alone, if there are any."""
    return {"ports": {p.key: [p.admin, p.oper, p.poe_state] for p in ports}} if ports else {}


def beside_ports(reading: Reading) -> dict[str, Any]:
    """All but the ports."""
    found: dict[str, Any] = {
        "sensors": {s.key: [s.value, s.state, s.healthy] for s in reading.sensors},
        "loads": {load.key: load.percent for load in reading.loads if load.percent is not None},
        "aps": {ap.key: ap.up for ap in reading.access_points if ap.up is not None},
    }
    if reading.printer is not None:
        found |= _printer(reading.printer)
    if reading.ups is not None:
        found["ups"] = _ups(reading.ups)
    if reading.projector is not None:
        projector = asdict(reading.projector)
        found["projector"] = {name: value for name, value in projector.items() if value is not None}
    if reading.clients is not None:
        found["clients"] = reading.clients
    return {name: value for name, value in found.items() if value or value == 0}


def _printer(printer: Printer) -> dict[str, Any]:
    return {
        "printer": {
            "status": printer.status,
            "errors": sorted(printer.errors or ()),
            "panel": printer.panel,
            "pages": printer.pages,
        },
        "supplies": {s.key: [s.percent, s.special] for s in printer.supplies},
        "trays": {t.key: [t.percent, t.special] for t in printer.trays},
    }


def _ups(ups: Ups) -> dict[str, Any]:
    values = {name: getattr(ups, name) for name in UPS_FIELDS}
    return {name: value for name, value in values.items() if value is not None}


def hash_of(current: dict[str, Any], before: int = 0) -> int:
    """A checksum that tells whether anything moved, as a signed 64-bit number; `before` is that of another
    part, to be taken into it.
    """
    return zlib.crc32(orjson.dumps(current, option=orjson.OPT_SORT_KEYS), before)
