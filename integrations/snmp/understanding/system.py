"""Who a device is and how long it has been up: the system group, ENTITY-MIB, and what a profile picks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from integrations.snmp.decoding import integer, number, scaled, text
from integrations.snmp.reading import Identity, Uptime
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding.answered import Answered

if TYPE_CHECKING:
    from integrations.snmp.grammar import Pick, Profile

SYSTEM: Final = "1.3.6.1.2.1.1"
UPTIME: Final = f"{SYSTEM}.3.0"
ENGINE_BOOTS: Final = "1.3.6.1.6.3.10.2.1.2.0"
ENGINE_TIME: Final = "1.3.6.1.6.3.10.2.1.3.0"
HOST_UPTIME: Final = "1.3.6.1.2.1.25.1.1.0"
SCALARS: Final = (*(f"{SYSTEM}.{n}.0" for n in (1, 2, 3, 4, 5, 6)), ENGINE_BOOTS, ENGINE_TIME, HOST_UPTIME)
POLLED: Final = (UPTIME, ENGINE_TIME, ENGINE_BOOTS, HOST_UPTIME)

ENTITY: Final = "1.3.6.1.2.1.47.1.1.1.1"
ENTITY_COLUMNS: Final = tuple(f"{ENTITY}.{n}" for n in (4, 5, 7, 10, 11, 12, 13))
CHASSIS: Final = 3
STACK: Final = 11


def uptime_of(answers: Answers) -> Uptime:
    return Uptime(
        ticks=integer(answers.get(UPTIME)),
        engine_seconds=integer(answers.get(ENGINE_TIME)),
        engine_boots=integer(answers.get(ENGINE_BOOTS)),
        host_ticks=integer(answers.get(HOST_UPTIME)),
    )


def identity_of(profile: Profile, answered: Answered) -> Identity:
    """The profile's picks first, then ENTITY-MIB's chassis where the profile reads it."""
    entity = _chassis(answered) if "entity" in profile.reads else {}
    picked = {
        name: next(
            (words for pick in profile.identity.get(name, ()) if (words := picked_text(pick, answered))), None
        )
        for name in ("model", "serial", "version", "vendor")
    }
    vendor = picked["vendor"] or profile.vendor or entity.get("vendor")
    return Identity(
        kind=profile.kind,
        vendor=vendor,
        model=picked["model"] or entity.get("model"),
        serial=picked["serial"] or entity.get("serial"),
        version=picked["version"] or entity.get("version"),
        object_id=answered.text(f"{SYSTEM}.2.0"),
        description=answered.text(f"{SYSTEM}.1.0"),
        contact=answered.text(f"{SYSTEM}.4.0"),
        name=answered.text(f"{SYSTEM}.5.0"),
        location=answered.text(f"{SYSTEM}.6.0"),
    )


def _chassis(answered: Answered) -> dict[str, str]:
    """Of the first part that is a chassis, else of the first that is contained in nothing."""
    classes = answered.column(f"{ENTITY}.5")
    contained = answered.column(f"{ENTITY}.4")
    candidates = [index for index, kind in classes.items() if kind == CHASSIS]
    candidates += [
        index for index, within in contained.items() if within == 0 and classes.get(index) != STACK
    ]
    found: dict[str, str] = {}
    for index in candidates[:8]:
        for name, column in (("model", 13), ("serial", 11), ("version", 10), ("vendor", 12)):
            said = answered.text(f"{ENTITY}.{column}.{index}")
            if said:
                found.setdefault(name, said)
    return found


def picked_value(pick: Pick, answered: Answered) -> Value | None:
    """The first raw value of the pick's place that it does not skip."""
    place = {"": answered.get(pick.oid)} if pick.oid is not None else answered.column(pick.column or "")
    for value in place.values():
        if value is not None and integer(value) not in pick.skip:
            return value
    return None


def picked_place(pick: Pick, answered: Answered) -> str | None:
    """The object that the pick takes its value from."""
    if pick.oid is not None:
        value = answered.get(pick.oid)
        return pick.oid if value is not None and integer(value) not in pick.skip else None
    for index, value in answered.column(pick.column or "").items():
        if integer(value) not in pick.skip:
            return f"{pick.column}.{index}"
    return None


def picked_text(pick: Pick, answered: Answered) -> str | None:
    value = picked_value(pick, answered)
    said = text(value)
    if said is None:
        return None
    if pick.words:
        word = pick.words.get(integer(value) if integer(value) is not None else -1)  # type: ignore[arg-type]
        return None if word is None else str(word)
    if pick.pattern is None:
        return said
    found = re.search(pick.pattern, said)
    return text(found.group(1) if found.re.groups else found.group(0)) if found else None


def converted(pick: Pick, value: Value | None) -> float | str | bool | None:
    """A raw value in the pick's words or scale; None for what it skips or has no word for."""
    raw = integer(value)
    if value is None or (raw is not None and raw in pick.skip):
        return None
    if pick.words:
        return None if raw is None else pick.words.get(raw)
    if pick.pattern is not None:
        found = re.search(pick.pattern, text(value) or "")
        return number(found.group(1) if found.re.groups else found.group(0)) if found else None
    return scaled(number(value), pick.divisor, pick.multiplier)


def places_of(picks: Sequence[Pick], answered: Answered) -> list[tuple[Pick, str]]:
    """Where the device answers a pick, best first."""
    found = ((pick, picked_place(pick, answered)) for pick in picks)
    return [(pick, place) for pick, place in found if place is not None]
