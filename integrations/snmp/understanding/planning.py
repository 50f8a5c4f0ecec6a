"""From discovery to polls: which rows are kept, what a poll asks, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from integrations.snmp.conditions import words_in
from integrations.snmp.reading import AccessPoint, Finding, Load, Metric, Port, Reading, Sensor
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
    from integrations.snmp.grammar import FaultSpec, LoadSpec, Profile, SensorSpec

Rows = Mapping[str, list[str]]
Reader = Callable[[Answers, Reading], None]
PORT_COLUMNS: Final = frozenset(ports.POLLED)
_PORT_FIELDS: Final = frozenset(field.name for field in fields(Port))


@dataclass(frozen=True, slots=True)
class Glance:
    """A poll for those who keep counters apart: `reading` has no metrics of its ports; `counts` are their
    counters in the order of `Plan.counted`, None where there was no answer.
    """

    reading: Reading
    counts: Sequence[int | None]


@dataclass(slots=True)
class _Checking:
    """A check, and what it found of ports as long as their states are the same list."""

    check: Check
    by_states: bool
    ports: list[Port] | None = None
    found: Sequence[Finding] = ()

    def findings(self, reading: Reading) -> Sequence[Finding]:
        if not self.by_states:
            return self.check.findings(reading)
        if self.ports is not reading.ports:
            self.found, self.ports = self.check.findings(reading), reading.ports
        return self.found


@dataclass(frozen=True, slots=True)
class Plan:
    """GET `oids`, and walk `walks`: tables whose rows come and go (a printer's alerts, a UPS's alarms).
    `read` and `glance` take the answers of either or both, and find the same.
    """

    profile: str
    oids: tuple[str, ...]
    walks: tuple[str, ...]
    _known: Reading
    _ports: ports.PolledPorts | None
    _readers: tuple[Reader, ...]
    _checks: tuple[_Checking, ...]
    _counts_are_checked: bool

    @property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """The ports' counters that are polled: metric and port."""
        return self._ports.counted if self._ports is not None else ()

    @property
    def narrow(self) -> Mapping[int, float | None]:
        """Places in `counted` of what is a Counter32, with the most that it can count in a second: None where
        nobody knows.
        """
        return self._ports.narrow if self._ports is not None else {}

    def read(self, answers: Answers) -> Reading:
        """What was polled, with the names that discovery found. Nothing that was not answered has a value."""
        reading = self._begun(answers)
        if self._ports is not None:
            reading.ports = self._ports.ports(answers)
            narrow, counts = self.narrow, self._ports.counts(answers)
            reading.metrics = [
                Metric(*name, value, True, bits=32 if at in narrow else 64)
                for at, (name, value) in enumerate(zip(self.counted, counts, strict=True))
                if value is not None
            ]
        return self._read_on(reading, answers)

    def glance(self, answers: Answers) -> Glance:
        """As `read`, at less cost: ports whose states have not moved are not looked at anew, so neither they
        nor what was found of them may be changed. They have counters only where a check asks for them.
        """
        reading = self._begun(answers)
        if self._ports is None:
            return Glance(self._read_on(reading, answers), ())
        ports_of = self._ports.ports if self._counts_are_checked else self._ports.states
        reading.ports = ports_of(answers)
        return Glance(self._read_on(reading, answers), self._ports.counts(answers))

    def _begun(self, answers: Answers) -> Reading:
        return Reading(self.profile, self._known.identity, system.uptime_of(answers))

    def _read_on(self, reading: Reading, answers: Answers) -> Reading:
        for reader in self._readers:
            reader(answers, reading)
        for checking in self._checks:
            reading.findings.extend(checking.findings(reading))
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
    polled_ports = ports.compiled(known.ports, want) if "ports" in profile.reads else None
    made: list[Reader | None] = [
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
        polled_ports,
        tuple(reader for reader in made if reader is not None),
        tuple(
            _Checking(check, _is_by_states(profile.faults[check.name])) for check in checks_of(profile.faults)
        ),
        any(spec.each == "port" and _names(spec) & ports.MOVING for spec in profile.faults.values()),
    )


def _is_by_states(spec: FaultSpec) -> bool:
    """Whether the check asks for nothing but its port's own states and names."""
    names = _names(spec)
    return spec.each == "port" and not names & ports.MOVING and names <= _PORT_FIELDS


def _names(spec: FaultSpec) -> set[str]:
    """The fields that a check speaks of."""
    said = {*spec.evidence, *([spec.value] if spec.value else [])}
    return said.union(*(words_in(source)[0] for source in (spec.where, spec.bad, spec.good) if source))


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
