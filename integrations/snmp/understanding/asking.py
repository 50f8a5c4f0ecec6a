"""What a profile reads at discovery: the bases to walk and the objects to get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from integrations.snmp.understanding import (
    addresses,
    bridges,
    loads,
    neighbours,
    ports,
    printers,
    sensors,
    system,
)

if TYPE_CHECKING:
    from integrations.snmp.grammar import Pick, Profile

FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "ports": ports.COLUMNS,
    "poe": ports.POE_COLUMNS,
    "bridge": bridges.COLUMNS,
    "neighbours": neighbours.COLUMNS,
    "addresses": addresses.COLUMNS,
    "arp": addresses.ARP_COLUMNS,
    "printer": printers.COLUMNS,
    "host": loads.HOST_COLUMNS,
    "entity": system.ENTITY_COLUMNS,
    "entity_sensors": sensors.ENTITY_COLUMNS,
}


def discovery_of(profile: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(walk, get); nothing is asked twice."""
    walk: dict[str, None] = {}
    get = dict.fromkeys(system.SCALARS)
    for family in profile.reads:
        walk.update(dict.fromkeys(FAMILIES[family]))
    for columns, scalars in (_picked(profile), _sensors(profile), _loads(profile), _wireless(profile)):
        walk.update(dict.fromkeys(columns))
        get.update(dict.fromkeys(scalars))
    bases = tuple(base for base in walk if not any(_below(base, other) for other in walk))
    return bases, tuple(oid for oid in get if not any(_below(oid, base) for base in bases))


def _below(oid: str, base: str) -> bool:
    return oid.startswith(f"{base}.")


def _picked(profile: Profile) -> tuple[list[str], list[str]]:
    picks: list[Pick] = [
        pick
        for group in (profile.identity, profile.ups, profile.projector)
        for choices in group.values()
        for pick in choices
    ]
    columns = [pick.column for pick in picks if pick.column]
    if profile.ups_alarms:
        columns.append(profile.ups_alarms)
    return columns, [pick.oid for pick in picks if pick.oid]


def _sensors(profile: Profile) -> tuple[list[str], list[str]]:
    columns: list[str] = []
    scalars: list[str] = []
    for spec in profile.sensors:
        limits = [
            limit
            for limit in (spec.high, spec.low)
            if limit is not None and not isinstance(limit, float | int)
        ]
        columns += [oid for oid in (spec.column, *(limit.column for limit in limits)) if oid]
        scalars += [oid for oid in (spec.oid, *(limit.oid for limit in limits)) if oid]
        beside = [*(labels.column for labels in spec.labels.values()), *spec.needs]
        columns += [oid for oid in beside if not _is_scalar(oid)]
        scalars += [oid for oid in beside if _is_scalar(oid)]
    return columns, scalars


def _is_scalar(oid: str) -> bool:
    return oid.endswith(".0")


def _loads(profile: Profile) -> tuple[list[str], list[str]]:
    columns: list[str] = []
    scalars: list[str] = []
    for spec in profile.loads:
        asked = [oid for oid in (spec.percent, spec.used, spec.free, spec.total) if oid]
        (scalars if spec.scalar else columns).extend(asked)
        beside = [*(labels.column for labels in spec.labels.values()), *spec.needs]
        columns += [oid for oid in beside if not _is_scalar(oid)]
        scalars += [oid for oid in beside if _is_scalar(oid)]
    return columns, scalars


def _wireless(profile: Profile) -> tuple[list[str], list[str]]:
    columns: list[str] = []
    for spec in profile.access_points:
        named = (spec.state, spec.name, spec.mac, spec.address, spec.model, spec.serial, spec.clients)
        columns += [oid for oid in named if oid]
    for rule in profile.clients:
        columns += [oid for oid in (rule.count, rule.sum) if oid]
    return columns, [rule.oid for rule in profile.clients if rule.oid]
