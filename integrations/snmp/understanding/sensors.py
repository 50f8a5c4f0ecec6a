"""Sensors: as the rows of a profile say, and of ENTITY-SENSOR-MIB (RFC 3433)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from integrations.snmp import decoding
from integrations.snmp.decoding import entity_sensor_factor, integer, number, scaled, text
from integrations.snmp.reading import Metric, Reading, Sensor
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding.answered import Answered

if TYPE_CHECKING:
    from integrations.snmp.grammar import Labels, Limit, LoadSpec, SensorSpec

Want = Callable[[str, str], "str | None"]
Reader = Callable[[Answers, Reading], None]

ENTITY_SENSOR: Final = "1.3.6.1.2.1.99.1.1.1"
ENTITY_NAME, ENTITY_TEXT = "1.3.6.1.2.1.47.1.1.1.1.7", "1.3.6.1.2.1.47.1.1.1.1.2"
ENTITY_COLUMNS: Final = (ENTITY_SENSOR, ENTITY_NAME, ENTITY_TEXT)
ENTITY_KINDS: Final = {
    3: ("voltage", "V"),
    4: ("voltage", "V"),
    5: ("current", "A"),
    6: ("power", "W"),
    7: ("frequency", "Hz"),
    8: ("temperature", "°C"),
    9: ("humidity", "%"),
    10: ("fanspeed", "rpm"),
    11: ("airflow", "m³/min"),
    14: ("dbm", "dBm"),
}
WORKS: Final = 1


def sensors_of(specs: tuple[SensorSpec, ...], answered: Answered) -> Iterator[tuple[SensorSpec, Sensor]]:
    """Every sensor that is there, with the rule that found it."""
    for spec in specs:
        for index, oid in _places(spec, answered):
            if all(needed(answered, column, index, spec) for column in spec.needs):
                made = _sensor(spec, answered, index, oid)
                if made is not None:
                    yield spec, made


def _places(spec: SensorSpec, answered: Answered) -> list[tuple[str, str]]:
    if spec.oid is not None:
        return [("0", spec.oid)] if spec.oid in answered.answers else []
    return [(index, f"{spec.column}.{index}") for index in answered.column(spec.column or "")]


def needed(answered: Answered, column: str, index: str, spec: SensorSpec | LoadSpec) -> bool:
    scalar = answered.get(column)
    value = scalar if scalar is not None else answered.get(f"{column}.{index}")
    return integer(value) in spec.needs[column]


def _sensor(spec: SensorSpec, answered: Answered, index: str, oid: str) -> Sensor | None:
    made = Sensor(
        key=oid,
        kind=spec.kind,
        description=label_of(spec, answered, index),
        unit=spec.unit,
        oid=oid,
        fault=spec.fault,
        high=_limit(spec, spec.high, answered, index),
        low=_limit(spec, spec.low, answered, index),
    )
    raw = answered.get(oid)
    if number(raw) is None or integer(raw) in spec.skip:
        return None
    _measure(made, spec, raw)
    return made


def label_of(spec: SensorSpec | LoadSpec, answered: Answered, index: str) -> str:
    """The label with its holes filled; a hole that nothing fills is the index."""
    holes = {"index": index, "last": index.rpartition(".")[2]}
    for name, where in spec.labels.items():
        holes[name] = _label(where, answered, index) or index
    return text(spec.label.format_map(holes)) or index


def _label(where: Labels, answered: Answered, index: str) -> str | None:
    row = index if where.take is None else ".".join(index.split(".")[: where.take])
    value = answered.get(f"{where.column}.{row}")
    if value is None:
        value = answered.get(where.column)
    if where.decode == "mac":
        return decoding.mac(value)
    return decoding.address(value) if where.decode == "address" else text(value)


def _limit(spec: SensorSpec, limit: float | Limit | None, answered: Answered, index: str) -> float | None:
    if limit is None or isinstance(limit, float | int):
        return limit
    value = answered.number(limit.oid) if limit.oid else answered.number(f"{limit.column}.{index}")
    if value is None or int(value) in spec.skip:
        return None
    return scaled(value, spec.divisor, spec.multiplier)


def _measure(sensor: Sensor, spec: SensorSpec, raw: Value | None) -> None:
    """Value, state and health of a raw value; nothing of one that says that there is no sensor."""
    found = number(raw)
    if found is None or (spec.skip and int(found) in spec.skip):
        return
    if spec.states:
        state = spec.states.get(int(found))
        sensor.value = found
        sensor.state = state.name if state else str(int(found))
        sensor.healthy = state.healthy if state else None
        return
    value = scaled(found, spec.divisor, spec.multiplier)
    if spec.decode == "channel_mhz":
        value = decoding.channel_mhz(value)
    elif spec.decode == "fahrenheit":
        value = decoding.fahrenheit(value)
    elif spec.decode == "dbm":
        value = decoding.dbm(value)
    sensor.value = value


def compiled_sensors(known: list[tuple[SensorSpec | None, Sensor]], want: Want) -> Reader | None:
    """`known` sensors with their rule; an entity sensor has none."""
    wanted = []
    for spec, sensor in known:
        column, _, index = (sensor.oid or "").rpartition(".")
        if spec is not None and spec.column is not None:
            column, index = spec.column, (sensor.oid or "")[len(spec.column) + 1 :]
        oid = want(column, index)
        if oid is not None:
            wanted.append((spec, sensor, oid, f"sensor.{sensor.kind}", sensor.unit or ""))
    if not wanted:
        return None

    def read(answers: Answers, reading: Reading) -> None:
        for spec, old, oid, metric, unit in wanted:
            made = Sensor(old.key, old.kind, old.description, None, old.unit, None, None, old.oid, old.fault)
            made.high, made.low, made.factor = old.high, old.low, old.factor
            raw = answers.get(oid)
            if spec is not None:
                _measure(made, spec, raw)
            elif old.factor is not None and (found := number(raw)) is not None:
                made.value = round(found * old.factor, 6)
            reading.sensors.append(made)
            if made.value is not None and made.state is None:
                reading.metrics.append(Metric(metric, made.key, made.value, False, unit))

    return read


def entity_sensors(answered: Answered) -> Iterator[Sensor]:
    """Sensors of ENTITY-SENSOR-MIB that work."""
    for index, kind in answered.column(f"{ENTITY_SENSOR}.1").items():
        named = ENTITY_KINDS.get(integer(kind) or 0)
        factor = entity_sensor_factor(
            answered.integer(f"{ENTITY_SENSOR}.2.{index}"), answered.integer(f"{ENTITY_SENSOR}.3.{index}")
        )
        raw = answered.number(f"{ENTITY_SENSOR}.4.{index}")
        if named is None or factor is None or raw is None:
            continue
        if answered.integer(f"{ENTITY_SENSOR}.5.{index}") not in (WORKS, None):
            continue
        oid = f"{ENTITY_SENSOR}.4.{index}"
        said = answered.text(f"{ENTITY_NAME}.{index}") or answered.text(f"{ENTITY_TEXT}.{index}") or index
        value = round(raw * factor, 6)
        yield Sensor(oid, named[0], said, value, named[1], oid=oid, factor=factor)
