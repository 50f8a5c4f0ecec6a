"""Checks: from a reading to findings, by the conditions of a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from integrations.snmp.conditions import Getter, compiled
from integrations.snmp.reading import (
    AccessPoint,
    Finding,
    Identity,
    Load,
    Port,
    Printer,
    Projector,
    Reading,
    Sensor,
    Supply,
    Tray,
    Ups,
    Uptime,
    Verdict,
)

if TYPE_CHECKING:
    from integrations.snmp.grammar import FaultSpec, Rate

WHOLE: Final[dict[str, type[Any]]] = {
    "printer": Printer,
    "ups": Ups,
    "projector": Projector,
    "identity": Identity,
    "uptime": Uptime,
}
ITEMS: Final[dict[str, type[Any]]] = {
    "device": Reading,
    "port": Port,
    "supply": Supply,
    "tray": Tray,
    "sensor": Sensor,
    "load": Load,
    "access_point": AccessPoint,
}
_LABELS: Final[dict[str, Callable[[Any], str | None]]] = {
    "device": lambda item: None,
    "port": lambda port: f"{port.key} ({port.alias})" if port.alias and port.alias != port.key else port.key,
    "supply": lambda supply: supply.colour or supply.description or supply.key,
    "tray": lambda tray: tray.name or tray.key.rpartition(".")[2],
    "sensor": lambda sensor: sensor.description,
    "load": lambda load: load.description,
    "access_point": lambda point: point.name or point.mac or point.key,
}
_NONE: Final[list[Any]] = []


def names_in(scope: str) -> dict[str, Getter]:
    """What a condition of the scope may speak of."""
    names: dict[str, Getter] = {}
    for whole, kind in WHOLE.items():
        for field in fields(kind):
            names[f"{whole}.{field.name}"] = _of_whole(whole, field.name)
    names["clients"] = lambda item, reading: reading.clients
    if scope != "device":
        for field in fields(ITEMS[scope]):
            names[field.name] = _of_item(field.name)
    return names


def _of_item(name: str) -> Getter:
    read = attrgetter(name)
    return lambda item, reading: read(item)


def _of_whole(whole: str, name: str) -> Getter:
    def read(item: Any, reading: Any) -> Any:
        found = getattr(reading, whole)
        return None if found is None else getattr(found, name)

    return read


def items_of(scope: str, reading: Reading) -> list[Any]:
    if scope == "device":
        return [reading]
    if scope == "port":
        return reading.ports
    if scope in ("supply", "tray"):
        printer = reading.printer
        if printer is None:
            return _NONE
        return printer.supplies if scope == "supply" else printer.trays
    if scope == "sensor":
        return reading.sensors
    return reading.loads if scope == "load" else reading.access_points


class Check:
    """One fault of a profile, ready to be judged."""

    def __init__(self, name: str, spec: FaultSpec) -> None:
        names = names_in(spec.each)
        self.name = name
        self.scope = spec.each
        self.where = compiled(spec.where, names) if spec.where else None
        self.bad = compiled(spec.bad, names) if spec.bad else None
        self.good = compiled(spec.good, names) if spec.good else None
        self.value = names[spec.value] if spec.value else None
        self.evidence = [(word, names[word]) for word in spec.evidence]
        self.label = _LABELS[spec.each]

    def findings(self, reading: Reading) -> list[Finding]:
        found = []
        for item in items_of(self.scope, reading):
            if self.where is not None and self.where(item, reading) is not True:
                continue
            found.append(self._finding(item, reading))
        return found

    def _finding(self, item: Any, reading: Reading) -> Finding:
        verdict = self.verdict(item, reading)
        finding = Finding(
            self.name,
            "" if self.scope == "device" else item.key,
            verdict,
            self.label(item),
            self.value(item, reading) if self.value is not None else None,
        )
        if verdict is not Verdict.GOOD:
            for word, read in self.evidence:
                said = read(item, reading)
                if said is not None:
                    finding.evidence[word] = _plain(said)
        return finding

    def verdict(self, item: Any, reading: Reading) -> Verdict:
        is_bad = self.bad(item, reading) if self.bad is not None else None
        if is_bad:
            return Verdict.BAD
        if self.good is None:
            return Verdict.GOOD if is_bad is False else Verdict.KEEP
        return Verdict.GOOD if self.good(item, reading) else Verdict.KEEP


def _plain(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else value


def checks_of(faults: Mapping[str, FaultSpec]) -> list[Check]:
    """The faults that one reading can judge. Raises `BadCondition`."""
    return [Check(name, spec) for name, spec in faults.items() if spec.bad is not None]


def rate_verdict(rate: Rate, per_hour: float | None) -> Verdict:
    """What a fault with a `rate` is at so much in an hour; no rate says nothing."""
    if per_hour is None:
        return Verdict.KEEP
    if per_hour >= rate.bad:
        return Verdict.BAD
    return Verdict.GOOD if per_hour <= rate.good else Verdict.KEEP
