"""UPSs and projectors: the fields that a profile picks, and UPS-MIB's alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from integrations.snmp.reading import Metric, Projector, Reading, Ups
from integrations.snmp.target import Answers
from integrations.snmp.understanding.answered import Answered
from integrations.snmp.understanding.system import converted, places_of

if TYPE_CHECKING:
    from integrations.snmp.grammar import Pick, Profile

UPS_FIELDS: Final = tuple(field.name for field in fields(Ups) if field.name != "alarms")
PROJECTOR_FIELDS: Final = tuple(field.name for field in fields(Projector))
SOURCES: Final = frozenset({"normal", "battery", "bypass", "boost", "trim", "test", "off", "other"})
_UNITS: Final = {
    "minutes_left": "min",
    "charge_percent": "%",
    "load_percent": "%",
    "input_volts": "V",
    "output_volts": "V",
    "battery_volts": "V",
    "temperature": "°C",
    "lamp_hours": "h",
    "lamp_percent": "%",
}
_WHOLE: Final = frozenset({"seconds_on_battery", "alarm_count"})
Want = Callable[[str, str], "str | None"]
Reader = Callable[[Answers, Reading], None]


def polled(profile: Profile, answered: Answered) -> list[tuple[str, str]]:
    """Column and index of the first place of each field that the device answers."""
    found = []
    for picks in (*profile.ups.values(), *profile.projector.values()):
        for pick, place in places_of(picks, answered)[:1]:
            found.append(split(pick, place))
    return found


def split(pick: Pick, place: str) -> tuple[str, str]:
    if pick.column is not None:
        return pick.column, place[len(pick.column) + 1 :]
    column, _, index = place.rpartition(".")
    return column, index


def compiled_ups(profile: Profile, rows: Mapping[str, list[str]], want: Want) -> Reader | None:
    """None for a device that answers no field of a UPS."""
    wanted = _wanted(profile.ups, rows, want)
    if not wanted:
        return None
    alarms, words = profile.ups_alarms, profile.ups_alarm_words

    def read(answers: Answers, reading: Reading) -> None:
        ups = Ups(**_values(wanted, answers))
        if ups.source == "test":
            ups.testing = True
        if alarms is not None:
            ups.alarms = alarms_of(answers, alarms, words)
        reading.ups = ups
        _measure("ups", ups, reading.metrics)

    return read


def compiled_projector(profile: Profile, rows: Mapping[str, list[str]], want: Want) -> Reader | None:
    wanted = _wanted(profile.projector, rows, want)
    if not wanted:
        return None

    def read(answers: Answers, reading: Reading) -> None:
        reading.projector = Projector(**_values(wanted, answers))
        _measure("projector", reading.projector, reading.metrics)

    return read


def _wanted(
    picks: Mapping[str, tuple[Pick, ...]], rows: Mapping[str, list[str]], want: Want
) -> list[tuple[str, Pick, str]]:
    found = []
    for name, choices in picks.items():
        place = next((made for pick in choices if (made := _place(pick, rows, want)) is not None), None)
        if place is not None:
            found.append((name, *place))
    return found


def _place(pick: Pick, rows: Mapping[str, list[str]], want: Want) -> tuple[Pick, str] | None:
    if pick.oid is not None:
        column, _, index = pick.oid.rpartition(".")
        oid = want(column, index)
        return None if oid is None else (pick, oid)
    for index in rows.get(pick.column or "", []):
        oid = want(pick.column or "", index)
        if oid is not None:
            return pick, oid
    return None


def _values(wanted: list[tuple[str, Pick, str]], answers: Answers) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, pick, oid in wanted:
        value = converted(pick, answers.get(oid))
        found[name] = int(value) if name in _WHOLE and isinstance(value, float) else value
    return found


def alarms_of(answers: Answers, column: str, words: Mapping[str, str]) -> list[str]:
    """Alarms that stand, in words: each row of upsAlarmDescr names a well-known object."""
    prefix = f"{column}."
    rows = (str(value) for oid, value in answers.items() if oid.startswith(prefix))
    return sorted({words.get(row, row) for row in rows if words.get(row, row) != "ignored"})


def _measure(kind: str, found: Ups | Projector, metrics: list[Metric]) -> None:
    for name, unit in _UNITS.items():
        value = getattr(found, name, None)
        if isinstance(value, float | int):
            metrics.append(Metric(f"{kind}.{name}", "", float(value), unit=unit))
