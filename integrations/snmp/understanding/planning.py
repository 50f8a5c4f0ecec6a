"""From discovery to polls: which rows are kept, what a poll asks, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from integrations.snmp.reading import AccessPoint, Load, Reading, Sensor
from integrations.snmp.target import Answers
from integrations.snmp.understanding import (
    addresses,
    bridges,
    loads,
    neighbours,
    ports,
    power,
    printers,
    sensors,
    system,
    wireless,
)
from integrations.snmp.understanding.answered import Answered
from integrations.snmp.understanding.checking import Check, checks_of

if TYPE_CHECKING:
    from integrations.snmp.grammar import LoadSpec, Profile, SensorSpec

Rows = Mapping[str, list[str]]
Reader = Callable[[Answers, Reading], None]
PORT_COLUMNS: Final = frozenset(ports.POLLED)


@dataclass(frozen=True, slots=True)
class Plan:
    """GET `oids`, and walk `walks`: tables whose rows come and go (a printer's alerts, a UPS's alarms).
    `read` takes the answers of either or both.
    """

    profile: str
    oids: tuple[str, ...]
    walks: tuple[str, ...]
    _known: Reading
    _readers: tuple[Reader, ...]
    _checks: tuple[Check, ...]

    def read(self, answers: Answers) -> Reading:
        """What was polled, with the names that discovery found. Nothing that was not answered has a value."""
        reading = Reading(self.profile, self._known.identity, system.uptime_of(answers))
        for reader in self._readers:
            reader(answers, reading)
        for check in self._checks:
            reading.findings.extend(check.findings(reading))
        return reading


def understand(profile: Profile, answers: Answers) -> Reading:
    """Everything that discovery's answers say, with findings and metrics."""
    answered = Answered(answers)
    known = _learned(profile, answered)
    plan = poll_plan(profile, _all_rows(profile, answered, None), known)
    polled = plan.read(answers)
    known.findings, known.metrics = polled.findings, polled.metrics
    known.printer, known.ups, known.projector = polled.printer, polled.ups, polled.projector
    return known


def _learned(profile: Profile, answered: Answered) -> Reading:
    reads = set(profile.reads)
    reading = Reading(profile.name, system.identity_of(profile, answered), system.uptime_of(answered.answers))
    if "ports" in reads:
        reading.ports = ports.ports_of(answered)
    if "poe" in reads:
        ports.add_poe(reading.ports, answered)
    if "addresses" in reads:
        reading.addresses = addresses.addresses_of(answered)
    if "arp" in reads:
        reading.arp = addresses.arp_of(answered)
    if "bridge" in reads:
        reading.learned = bridges.learned_on(answered, reading.ports)
        reading.vlans = bridges.vlans_of(answered)
    if "neighbours" in reads:
        reading.neighbours = neighbours.neighbours_of(answered, reading.ports)
    if "printer" in reads:
        reading.printer = printers.printer_of(answered)
    if "host" in reads:
        reading.loads = loads.host_loads(answered)
    reading.loads += [load for _, _, load in loads.declared_loads(profile.loads, answered)]
    reading.sensors = [sensor for _, sensor in sensors.sensors_of(profile.sensors, answered)]
    if "entity_sensors" in reads:
        taken = {sensor.oid for sensor in reading.sensors}
        reading.sensors += [one for one in sensors.entity_sensors(answered) if one.oid not in taken]
    reading.access_points = [one for _, _, one in wireless.access_points(profile.access_points, answered)]
    reading.clients = wireless.clients_of(profile.clients, answered)
    return reading


def rows_of(profile: Profile, answers: Answers) -> dict[str, list[str]]:
    """Column → indexes of the rows that polls ask for ("0" for a scalar), at most `most_values` in all."""
    return _all_rows(profile, Answered(answers), profile.most_values)


def _all_rows(profile: Profile, answered: Answered, most: int | None) -> dict[str, list[str]]:
    rows: dict[str, dict[str, None]] = {}
    left = most if most is not None else 1_000_000
    for column, index in _places(profile, answered):
        if left <= 0:
            break
        if f"{column}.{index}" in answered.answers and index not in rows.setdefault(column, {}):
            rows[column][index] = None
            left -= 1
    return {column: list(indexes) for column, indexes in rows.items() if indexes}


def _places(profile: Profile, answered: Answered) -> Iterable[tuple[str, str]]:
    """Everything that a poll may ask, the most important first."""
    for oid in system.POLLED:
        yield oid[:-2], "0"
    if "printer" in profile.reads:
        yield from printers.polled(answered)
    yield from power.polled(profile, answered)
    points = list(wireless.access_points(profile.access_points, answered))
    yield from ((spec.state, index) for spec, index, _ in points)
    for sensor_spec, sensor in sensors.sensors_of(profile.sensors, answered):
        if sensor_spec.poll:
            column = sensor_spec.column or (sensor_spec.oid or "").rpartition(".")[0]
            yield column, (sensor.oid or "")[len(column) + 1 :]
    for load_spec, index, _ in loads.declared_loads(profile.loads, answered):
        yield from loads.load_places(load_spec, index)
    yield from wireless.client_places(profile.clients, answered)
    if "host" in profile.reads:
        for load in loads.host_loads(answered):
            index = load.key.rpartition(".")[2]
            yield from _store_places(load.kind, index)
    if "ports" in profile.reads:
        yield from _port_places(profile, answered)
    yield from ((spec.clients, index) for spec, index, _ in points if spec.clients)
    if "entity_sensors" in profile.reads:
        for sensor in sensors.entity_sensors(answered):
            yield f"{sensors.ENTITY_SENSOR}.4", (sensor.oid or "").rpartition(".")[2]


def _store_places(kind: str, index: str) -> list[tuple[str, str]]:
    if kind == "processor":
        return [(loads.PROCESSOR, index)]
    return [(f"{loads.STORAGE}.6", index), (f"{loads.STORAGE}.5", index)]


def _port_places(profile: Profile, answered: Answered) -> Iterable[tuple[str, str]]:
    """State of every port first, then traffic and errors; 32-bit counters only where there are no others."""
    known = [port for port in ports.ports_of(answered) if ports.is_physical(port)]
    for column in (ports.OPER, ports.ADMIN):
        yield from ((column, str(port.index)) for port in known)
    if "poe" in profile.reads:
        ports.add_poe(known, answered)
        yield from ((ports.POE_STATE, port.poe_index) for port in known if port.poe_index)
    for wide, narrow in ((ports.HC_IN, ports.IN_OCTETS), (ports.HC_OUT, ports.OUT_OCTETS)):
        for port in known:
            has_wide = f"{wide}.{port.index}" in answered.answers
            yield wide if has_wide else narrow, str(port.index)
    for column in (ports.IN_ERRORS, ports.OUT_ERRORS):
        yield from ((column, str(port.index)) for port in known)
    if "poe" in profile.reads:
        yield from ((ports.CISCO_WATTS, port.poe_index) for port in known if port.poe_index)


def poll_plan(profile: Profile, rows: Rows, known: Reading) -> Plan:
    """How a device is polled: `rows` of its last discovery, and `known`, what that understood."""
    asked: dict[str, None] = {}
    kept = {f"{column}.{index}" for column, indexes in rows.items() for index in indexes}

    def want(column: str, index: str) -> str | None:
        oid = f"{column}.{index}"
        if oid not in kept:
            return None
        asked[oid] = None
        return oid

    for oid in system.POLLED:
        want(oid[:-2], "0")
    made: list[Reader | None] = [
        ports.compiled(known.ports, want) if "ports" in profile.reads else None,
        printers.compiled(known.printer, rows, want) if known.printer is not None else None,
        power.compiled_ups(profile, rows, want),
        power.compiled_projector(profile, rows, want),
        wireless.compiled_access_points(_known_points(profile, rows, known), want),
        sensors.compiled_sensors(_known_sensors(profile, known), want),
        loads.compiled_loads(*_known_loads(profile, known), want),
        wireless.compiled_clients(profile.clients, rows, want),
    ]
    return Plan(
        profile.name,
        tuple(asked),
        _walks(profile, known),
        known,
        tuple(reader for reader in made if reader is not None),
        tuple(checks_of(profile.faults)),
    )


def _walks(profile: Profile, known: Reading) -> tuple[str, ...]:
    walks = (printers.ALERT,) if known.printer is not None and "printer" in profile.reads else ()
    return (*walks, *([profile.ups_alarms] if profile.ups_alarms else []))


def _known_points(profile: Profile, rows: Rows, known: Reading) -> list[tuple[Any, str, AccessPoint]]:
    by_index = {point.index: point for point in known.access_points}
    return [
        (spec, index, by_index[index])
        for spec in profile.access_points
        for index in rows.get(spec.state, [])
        if index in by_index
    ]


def _known_sensors(profile: Profile, known: Reading) -> list[tuple[SensorSpec | None, Sensor]]:
    """Sensors with the rule that reads them; those of ENTITY-SENSOR-MIB have a factor and no rule."""
    found: list[tuple[SensorSpec | None, Sensor]] = []
    for sensor in known.sensors:
        rule = next((spec for spec in profile.sensors if spec.poll and _reads(spec, sensor)), None)
        if rule is not None or sensor.factor is not None:
            found.append((rule, sensor))
    return found


def _reads(spec: SensorSpec, sensor: Sensor) -> bool:
    oid = sensor.oid or ""
    placed = oid == spec.oid if spec.column is None else oid.startswith(f"{spec.column}.")
    return placed and (spec.kind, spec.fault) == (sensor.kind, sensor.fault)


def _known_loads(profile: Profile, known: Reading) -> tuple[list[Load], list[tuple[LoadSpec, str, Load]]]:
    """The host's own, and the profile's with their rule and index."""
    rules = {spec.key: spec for spec in profile.loads}
    host, declared = [], []
    for load in known.loads:
        key, _, index = load.key.partition(".")
        if key in rules:
            declared.append((rules[key], index, load))
        else:
            host.append(load)
    return host, declared
