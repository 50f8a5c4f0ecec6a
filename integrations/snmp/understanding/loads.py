"""Processors, memories and stores: HOST-RESOURCES-MIB, and as the rows of a profile say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from integrations.snmp.decoding import integer, number, percent
from integrations.snmp.reading import Load, Metric, Reading
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding.answered import Answered
from integrations.snmp.understanding.sensors import label_of, needed

if TYPE_CHECKING:
    from integrations.snmp.grammar import LoadSpec

Want = Callable[[str, str], "str | None"]
Reader = Callable[[Answers, Reading], None]

STORAGE: Final = "1.3.6.1.2.1.25.2.3.1"
PROCESSOR: Final = "1.3.6.1.2.1.25.3.3.1.2"
DEVICE_TEXT: Final = "1.3.6.1.2.1.25.3.2.1.3"
FS_ACCESS, FS_STORAGE = "1.3.6.1.2.1.25.3.8.1.5", "1.3.6.1.2.1.25.3.8.1.7"
HOST_COLUMNS: Final = (STORAGE, PROCESSOR, DEVICE_TEXT, FS_ACCESS, FS_STORAGE)
READ_ONLY: Final = 2
STORAGE_KINDS: Final = {
    1: "other",
    2: "memory",
    3: "virtual_memory",
    4: "storage",
    5: "removable",
    6: "floppy",
    7: "optical",
    8: "ramdisk",
    9: "flash",
    10: "network_disk",
}
_PSEUDO: Final = re.compile(
    r"^/(snap|sys|proc|dev|run|boot/efi)(/|$)|^/tmp$|^(dev|proc|lin|t?mp)fs\b"
    r"|mounted on: /(dev|proc|sys|\.mount|packages|junos)\b"
)
"""What hosts mount that is no disk, or is full on purpose."""


def host_loads(answered: Answered) -> list[Load]:
    """hrProcessorTable and hrStorageTable as the device says it (Linux counts its cache as used memory)."""
    found = []
    for index, value in answered.column(PROCESSOR).items():
        said = answered.text(f"{DEVICE_TEXT}.{index}") or f"Processor {index}"
        found.append(
            Load(
                f"processor.{index}",
                "processor",
                said,
                percent(number(value), 100),
                oid=f"{PROCESSOR}.{index}",
            )
        )
    read_only = _read_only(answered)
    return [*found, *(_store(answered, index, read_only) for index in answered.column(f"{STORAGE}.5"))]


def _read_only(answered: Answered) -> set[str]:
    """Rows of hrStorageTable that hold a file system which cannot be written: full for ever, and well."""
    access = answered.column(FS_ACCESS)
    return {
        str(integer(row))
        for index, row in answered.column(FS_STORAGE).items()
        if integer(access.get(index)) == READ_ONLY
    }


def _store(answered: Answered, index: str, read_only: set[str]) -> Load:
    said = answered.text(f"{STORAGE}.3.{index}")
    number_ = integer((answered.text(f"{STORAGE}.2.{index}") or "").rpartition(".")[2].encode())
    kind = STORAGE_KINDS.get(number_ or 0, "other")
    if kind == "storage" and (index in read_only or _PSEUDO.search(said or "")):
        kind = "pseudo"
    made = Load(f"{kind}.{index}", kind, said, oid=f"{STORAGE}.6.{index}")
    made.unit = answered.integer(f"{STORAGE}.4.{index}") or 1
    _measure(made, answered.get(f"{STORAGE}.6.{index}"), answered.get(f"{STORAGE}.5.{index}"))
    return made


def _measure(store: Load, used: Value | None, size: Value | None) -> None:
    """More in it than fits says that the size has run over 32 bits: then there is no percentage."""
    held, whole = _unsigned(integer(used)), _unsigned(integer(size))
    unit = store.unit or 1
    store.used = None if held is None else held * unit
    store.total = None if whole is None else whole * unit
    store.percent = percent(held, whole) if held is None or whole is None or held <= whole else None


def _unsigned(value: int | None) -> int | None:
    """Agents let sizes of more than 2^31 units run into the sign."""
    return value if value is None or value >= 0 else value + 2**32


def declared_loads(specs: tuple[LoadSpec, ...], answered: Answered) -> Iterator[tuple[LoadSpec, str, Load]]:
    """Every load of the profile's rows, with its rule and its index."""
    for spec in specs:
        for index in _load_indexes(spec, answered):
            if all(needed(answered, column, index, spec) for column in spec.needs):
                load = _load(spec, index, label_of(spec, answered, index), answered.answers)
                if load.percent is not None:
                    yield spec, index, load


def _load_indexes(spec: LoadSpec, answered: Answered) -> list[str]:
    first = spec.percent or spec.used or spec.free or ""
    if spec.scalar:
        return ["0"] if first in answered.answers else []
    return list(answered.column(first))


def load_places(spec: LoadSpec, index: str) -> list[tuple[str, str]]:
    """Column and index of each object of the load."""
    named = [oid for oid in (spec.percent, spec.used, spec.free, spec.total) if oid is not None]
    if spec.scalar:
        return [(oid.rpartition(".")[0], oid.rpartition(".")[2]) for oid in named]
    return [(oid, index) for oid in named]


def _load(spec: LoadSpec, index: str, label: str, answers: Answers) -> Load:
    def at(oid: str | None) -> float | None:
        if oid is None:
            return None
        return number(answers.get(oid if spec.scalar else f"{oid}.{index}"))

    used, free, total, share = at(spec.used), at(spec.free), at(spec.total), at(spec.percent)
    if used is None and free is not None and total is not None:
        used = total - free
    if total is None and used is not None and free is not None:
        total = used + free
    if used is None and share is not None and total is not None:
        used = total * share / 100
    main = spec.percent or spec.used or spec.free or ""
    return Load(
        f"{spec.key}.{index}",
        spec.kind,
        label,
        share if share is not None else percent(used, total),
        None if used is None or spec.kind == "processor" else int(used * spec.bytes),
        None if total is None or spec.kind == "processor" else int(total * spec.bytes),
        main if spec.scalar else f"{main}.{index}",
    )


def compiled_loads(
    stores: list[Load], declared: list[tuple[LoadSpec, str, Load]], want: Want
) -> Reader | None:
    """Processors and stores of the host, then the profile's own."""
    wanted = []
    for load in stores:
        column, index = (PROCESSOR, load.key.partition(".")[2])
        if load.kind != "processor":
            column, index = f"{STORAGE}.6", load.key.rpartition(".")[2]
        oid = want(column, index)
        if oid is not None:
            wanted.append((load, oid, want(f"{STORAGE}.5", index) if load.kind != "processor" else None))
    rules = []
    for spec, index, load in declared:
        places = [want(*place) for place in load_places(spec, index)]
        if any(places):
            rules.append((spec, index, load))
    if not wanted and not rules:
        return None

    def read(answers: Answers, reading: Reading) -> None:
        for known, oid, size in wanted:
            reading.loads.append(_host_load(known, answers.get(oid), answers.get(size) if size else None))
        for spec, index, known in rules:
            reading.loads.append(_load(spec, index, known.description or index, answers))
        for load in reading.loads:
            if load.percent is not None:
                reading.metrics.append(Metric(f"load.{load.kind}", load.key, load.percent, False, "%"))

    return read


def _host_load(known: Load, value: Value | None, size: Value | None) -> Load:
    made = Load(known.key, known.kind, known.description, oid=known.oid, unit=known.unit)
    if known.kind == "processor":
        made.percent = percent(number(value), 100)
    else:
        _measure(made, value, size)
    return made
