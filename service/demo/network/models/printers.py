"""Printers (Printer MIB, RFC 3805, and the printer part of RFC 2790)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from integrations.snmp.agent import Tree, Type, growing
from service.demo.network.models.parts import DOCUMENTATION, Clock, Face, Row, made, one_port, system

DEVICE = "1.3.6.1.2.1.25.3.2.1"
HOST_PRINTER = "1.3.6.1.2.1.25.3.5.1"
MIB = "1.3.6.1.2.1.43"
COVER, TRAY, MARKER = f"{MIB}.6.1.1", f"{MIB}.8.2.1", f"{MIB}.10.2.1"
SUPPLY, COLORANT = f"{MIB}.11.1.1", f"{MIB}.12.1.1.4"
PANEL, ALERT = f"{MIB}.16.5.1.2", f"{MIB}.18.1.1"

IDLE, OTHER = 3, 1
RUNNING, WARNING, STOPPED = 2, 3, 5
CLOSED, OPEN = 4, 3
CONSUMED, RECEPTACLE = 3, 4
TONER, WASTE, DRUM = 3, 4, 9
PERCENT, SHEETS = 19, 8
TONER_FULL = 100


@dataclass(frozen=True, slots=True)
class Told:
    """How a trouble is told: the bit of hrPrinterDetectedErrorState, whether printing stops, and the alert's
    severity, training level, group, code and words.
    """

    bit: int
    stops: bool
    severity: int
    training: int
    group: int
    code: int
    words: str


class Trouble(Enum):
    """What ails a printer."""

    JAM = Told(5, True, 3, 3, 13, 8, "Paper jam in the fuser area. Open the rear cover.")
    DOOR = Told(4, True, 3, 3, 6, 3, "Front cover is open.")
    TONER_EMPTY = Told(3, True, 3, 3, 11, 1101, "Replace black toner.")
    TONER_LOW = Told(2, False, 4, 3, 11, 1104, "Black toner is low.")


def printer(face: Face, *, colour: bool = False, toner: int = 74, clock: Clock = time.monotonic) -> Tree:
    """A laser printer with two trays and a bypass; `toner` is its black toner in percent.

    With colour: four toners, four drums and a box for waste toner; without: one toner and one drum.
    """
    title = f"Inkwell {face.model}"
    description = f"{title}; firmware {face.firmware}; SN {face.serial}; network card NC-20"
    rows = system(face, description, f"{DOCUMENTATION}.1.4.{2 if colour else 1}") + one_port(face)
    rows += _host(title) + _general(face) + _trays() + _covers() + _supplies(colour, toner)
    return made(face, rows, clock)


def _host(title: str) -> list[Row]:
    return [
        (f"{DEVICE}.1.1", Type.INTEGER, 1),
        (f"{DEVICE}.2.1", Type.OID, "1.3.6.1.2.1.25.3.1.5"),
        (f"{DEVICE}.3.1", Type.OCTETS, title.encode()),
        (f"{DEVICE}.4.1", Type.OID, "0.0"),
        (f"{DEVICE}.5.1", Type.INTEGER, RUNNING),
        (f"{DEVICE}.6.1", Type.COUNTER32, 0),
        (f"{HOST_PRINTER}.1.1", Type.INTEGER, IDLE),
        (f"{HOST_PRINTER}.2.1", Type.OCTETS, b"\0\0"),
    ]


def _general(face: Face) -> list[Row]:
    return [
        (f"{MIB}.5.1.1.1.1", Type.COUNTER32, 4),
        (f"{MIB}.5.1.1.16.1", Type.OCTETS, face.name.encode()),
        (f"{MIB}.5.1.1.17.1", Type.OCTETS, face.serial.encode()),
        (f"{MARKER}.2.1.1", Type.INTEGER, 4),
        (f"{MARKER}.3.1.1", Type.INTEGER, 7),
        (f"{MARKER}.4.1.1", Type.COUNTER32, growing(0.012, 18_000)),
        (f"{PANEL}.1.1", Type.OCTETS, b"Ready"),
    ]


def _covers() -> list[Row]:
    names = ("Front cover", "Rear cover")
    return [
        row
        for at, name in enumerate(names, 1)
        for row in (
            (f"{COVER}.2.1.{at}", Type.OCTETS, name.encode()),
            (f"{COVER}.3.1.{at}", Type.INTEGER, CLOSED),
        )
    ]


def _trays() -> list[Row]:
    trays = ((4, "Tray 1", 250, 180), (4, "Tray 2", 500, 320), (5, "Bypass tray", 50, 0))
    return [
        row
        for at, (kind, name, most, level) in enumerate(trays, 1)
        for row in _tray(at, kind, name, most, level)
    ]


def _tray(at: int, kind: int, name: str, most: int, level: int) -> list[Row]:
    return [
        (f"{TRAY}.2.1.{at}", Type.INTEGER, kind),
        (f"{TRAY}.8.1.{at}", Type.INTEGER, SHEETS),
        (f"{TRAY}.9.1.{at}", Type.INTEGER, most),
        (f"{TRAY}.10.1.{at}", Type.INTEGER, level),
        (f"{TRAY}.11.1.{at}", Type.INTEGER, 0),
        (f"{TRAY}.12.1.{at}", Type.OCTETS, b"na-letter"),
        (f"{TRAY}.13.1.{at}", Type.OCTETS, name.encode()),
        (f"{TRAY}.18.1.{at}", Type.OCTETS, name.encode()),
    ]


def _supplies(colour: bool, toner: int) -> list[Row]:
    inks = ("black", "cyan", "magenta", "yellow") if colour else ("black",)
    rows: list[Row] = [(f"{COLORANT}.1.{at}", Type.OCTETS, ink.encode()) for at, ink in enumerate(inks, 1)]
    known = [(CONSUMED, TONER, at, f"{ink.capitalize()} toner") for at, ink in enumerate(inks, 1)]
    known += [(CONSUMED, DRUM, at, f"{ink.capitalize()} drum") for at, ink in enumerate(inks, 1)]
    known += [(RECEPTACLE, WASTE, 0, "Waste toner box")] if colour else []
    levels = [toner, *(58 + 9 * n for n in range(1, len(inks)))] + [81] * len(inks) + [64]
    for at, ((role, kind, ink, words), level) in enumerate(zip(known, levels, strict=False), 1):
        rows += [
            (f"{SUPPLY}.2.1.{at}", Type.INTEGER, 1),
            (f"{SUPPLY}.3.1.{at}", Type.INTEGER, ink),
            (f"{SUPPLY}.4.1.{at}", Type.INTEGER, role),
            (f"{SUPPLY}.5.1.{at}", Type.INTEGER, kind),
            (f"{SUPPLY}.6.1.{at}", Type.OCTETS, words.encode()),
            (f"{SUPPLY}.7.1.{at}", Type.INTEGER, PERCENT),
            (f"{SUPPLY}.8.1.{at}", Type.INTEGER, TONER_FULL),
            (f"{SUPPLY}.9.1.{at}", Type.INTEGER, level),
        ]
    return rows


def set_toner(tree: Tree, percent: int) -> None:
    """Of the black toner, which is every printer's first supply."""
    tree.set(f"{SUPPLY}.9.1.1", Type.INTEGER, percent)


def show(tree: Tree, troubles: Iterable[Trouble]) -> None:
    """Let the printer tell exactly these troubles, in its error bits, its alert table and on its panel."""
    ails = [trouble.value for trouble in Trouble if trouble in set(troubles)]
    bits = 0
    for told in ails:
        bits |= 0x8000 >> told.bit
    stopped = any(told.stops for told in ails)
    tree.set(f"{HOST_PRINTER}.2.1", Type.OCTETS, bits.to_bytes(2))
    tree.set(f"{HOST_PRINTER}.1.1", Type.INTEGER, OTHER if stopped else IDLE)
    tree.set(f"{DEVICE}.5.1", Type.INTEGER, STOPPED if stopped else WARNING if ails else RUNNING)
    tree.set(f"{COVER}.3.1.1", Type.INTEGER, OPEN if Trouble.DOOR.value in ails else CLOSED)
    tree.set(f"{PANEL}.1.1", Type.OCTETS, (ails[0].words if ails else "Ready").encode())
    tree.remove(ALERT)
    tree.update(row for at, told in enumerate(ails, 1) for row in _alert(at, told, tree.uptime))


def _alert(at: int, told: Told, seconds: float) -> list[Row]:
    return [
        (f"{ALERT}.2.1.{at}", Type.INTEGER, told.severity),
        (f"{ALERT}.3.1.{at}", Type.INTEGER, told.training),
        (f"{ALERT}.4.1.{at}", Type.INTEGER, told.group),
        (f"{ALERT}.5.1.{at}", Type.INTEGER, 1),
        (f"{ALERT}.6.1.{at}", Type.INTEGER, -2),
        (f"{ALERT}.7.1.{at}", Type.INTEGER, told.code),
        (f"{ALERT}.8.1.{at}", Type.OCTETS, told.words.encode()),
        (f"{ALERT}.9.1.{at}", Type.TICKS, int(seconds * 100) & 0xFFFFFFFF),
    ]
