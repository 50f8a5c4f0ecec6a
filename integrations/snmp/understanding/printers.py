"""Printers: RFC 2790's printer tables, RFC 3805's supplies, trays, alerts and panel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from integrations.snmp.decoding import error_bits, integer, percent, special, subids, text
from integrations.snmp.reading import Alert, Metric, Printer, Reading, Supply, Tray
from integrations.snmp.target import Answers, Value
from integrations.snmp.understanding.answered import Answered
from integrations.snmp.understanding.printer_words import (
    COLOURS,
    DEVICE_STATUSES,
    GROUPS,
    KINDS,
    PRINTS_WITH,
    REPORTED,
    SEVERITIES,
    STATUSES,
    TROUBLE_IN_GROUP,
    TROUBLE_OF_CODE,
    UNITS,
)

DEVICE_TYPE, DEVICE_STATUS = "1.3.6.1.2.1.25.3.2.1.2", "1.3.6.1.2.1.25.3.2.1.5"
STATUS, ERRORS = "1.3.6.1.2.1.25.3.5.1.1", "1.3.6.1.2.1.25.3.5.1.2"
IS_PRINTER: Final = "1.3.6.1.2.1.25.3.1.5"
PANEL: Final = "1.3.6.1.2.1.43.16.5.1.2"
LIFE: Final = "1.3.6.1.2.1.43.10.2.1.4"
SUPPLY: Final = "1.3.6.1.2.1.43.11.1.1"
COLORANT_OF, CLASS, TYPE, DESCRIPTION, UNIT, CAPACITY, LEVEL = (f"{SUPPLY}.{n}" for n in range(3, 10))
COLORANT: Final = "1.3.6.1.2.1.43.12.1.1.4"
INPUT: Final = "1.3.6.1.2.1.43.8.2.1"
INPUT_TYPE, INPUT_CAPACITY, INPUT_LEVEL, INPUT_STATUS, INPUT_NAME, INPUT_TEXT = (
    f"{INPUT}.{n}" for n in (2, 9, 10, 11, 13, 18)
)
ALERT: Final = "1.3.6.1.2.1.43.18.1.1"
COLUMNS: Final = (
    *(DEVICE_TYPE, "1.3.6.1.2.1.25.3.2.1.3", DEVICE_STATUS, "1.3.6.1.2.1.25.3.5.1", PANEL),
    *(LIFE, SUPPLY, COLORANT, INPUT, ALERT),
)

_BYPASS: Final = re.compile(
    r"\b(mp|mpt|mpf|manual|bypass|by-pass|multi|multipurpose|multi-?purpose)\b", re.IGNORECASE
)
_MOST_ALERTS: Final = 50
_MANUAL: Final = 5
SUPPLIES_GROUP: Final = 11

Want = Callable[[str, str], "str | None"]


def printer_of(answered: Answered) -> Printer:
    """Everything a printer answers; of a print server, its first printer."""
    known = Printer(supplies=_supplies(answered), trays=_trays(answered))
    reader = compiled(known, answered, lambda column, index: _if_answered(answered, column, index))
    reading = Reading(profile="")
    reader(answered.answers, reading)
    return reading.printer or known


def _if_answered(answered: Answered, column: str, index: str) -> str | None:
    oid = f"{column}.{index}"
    return oid if oid in answered.answers else None


def _supplies(answered: Answered) -> list[Supply]:
    rows: dict[str, None] = {}
    for column in (LEVEL, DESCRIPTION, TYPE):
        rows.update(dict.fromkeys(answered.column(column)))
    return [_supply(answered, index) for index in rows if len(subids(index)) == 2]


def _supply(answered: Answered, index: str) -> Supply:
    kind = KINDS.get(answered.integer(f"{TYPE}.{index}") or 2, "unknown")
    description = answered.text(f"{DESCRIPTION}.{index}")
    made = Supply(
        key=index,
        kind=kind,
        description=description,
        colour=_colour(answered, index, description) if kind in PRINTS_WITH or kind == "opc" else None,
        receptacle=answered.integer(f"{CLASS}.{index}") == 4 or kind.startswith("waste"),
        unit=UNITS.get(answered.integer(f"{UNIT}.{index}") or 0),
        capacity=answered.integer(f"{CAPACITY}.{index}"),
        oid=f"{LEVEL}.{index}",
    )
    _fill(made, answered.integer(f"{LEVEL}.{index}"))
    return made


def _colour(answered: Answered, index: str, description: str | None) -> str | None:
    """The colorant's name where the supply has one, else the first colour in its description."""
    colorant = answered.integer(f"{COLORANT_OF}.{index}")
    if colorant:
        named = answered.text(f"{COLORANT}.{index.partition('.')[0]}.{colorant}")
        if named and named.lower() not in ("unknown", "other", "none"):
            return named.lower()
    words = (description or "").lower()
    return next((colour for colour in reversed(COLOURS) if re.search(rf"\b{colour}\b", words)), None)


def _fill(supply: Supply, level: int | None) -> None:
    supply.level = level
    supply.special = special(level)
    supply.percent = percent(level, supply.capacity)


def _trays(answered: Answered) -> list[Tray]:
    rows: dict[str, None] = {}
    for column in (INPUT_LEVEL, INPUT_CAPACITY):
        rows.update(dict.fromkeys(answered.column(column)))
    trays = [
        Tray(
            key=index,
            name=answered.text(f"{INPUT_NAME}.{index}") or answered.text(f"{INPUT_TEXT}.{index}"),
            capacity=answered.integer(f"{INPUT_CAPACITY}.{index}"),
            oid=f"{INPUT_LEVEL}.{index}",
            bypass=answered.integer(f"{INPUT_TYPE}.{index}") == _MANUAL,
        )
        for index in rows
    ]
    largest = max((tray.capacity or 0 for tray in trays), default=0)
    for tray in trays:
        tray.bypass = tray.bypass or _looks_like_bypass(tray, largest)
    return trays


def _looks_like_bypass(tray: Tray, largest: int) -> bool:
    """By its name; one without a name is if it holds less than half of what the largest holds."""
    if tray.name:
        return bool(_BYPASS.search(tray.name)) or tray.capacity == 1
    return tray.capacity is not None and 0 < tray.capacity * 2 < largest


def polled(answered: Answered) -> Iterable[tuple[str, str]]:
    """Column and index of what a poll asks for, the most important first."""
    device = _device(answered)
    for column in (ERRORS, STATUS, DEVICE_STATUS):
        yield column, device
    for column in (LEVEL, INPUT_LEVEL):
        for index in answered.column(column):
            yield column, index
    for index in list(answered.column(LIFE))[:1]:
        yield LIFE, index
    for index in list(answered.column(INPUT_STATUS))[:12]:
        yield INPUT_STATUS, index
    for index in list(answered.column(PANEL))[:8]:
        yield PANEL, index


def _device(answered: Answered) -> str:
    """The printer's index among the devices."""
    types = answered.column(DEVICE_TYPE)
    printers = [index for index, kind in types.items() if kind == IS_PRINTER]
    return next(iter(printers or answered.column(ERRORS) or answered.column(STATUS)), "1")


def compiled(
    known: Printer, rows: Answered | Mapping[str, list[str]], want: Want
) -> Callable[[Answers, Reading], None]:
    """Reads status, levels, panel and (where they were walked) alerts."""
    errors, status, device = (_first(rows, column, want) for column in (ERRORS, STATUS, DEVICE_STATUS))
    pages = _first(rows, LIFE, want)
    panel = [oid for index in _indexes(rows, PANEL) if (oid := want(PANEL, index))]
    supplies = [(supply, want(LEVEL, supply.key)) for supply in known.supplies]
    trays = [(tray, want(INPUT_LEVEL, tray.key), want(INPUT_STATUS, tray.key)) for tray in known.trays]

    def read(answers: Answers, reading: Reading) -> None:
        get = answers.get
        printer = Printer(
            status=STATUSES.get(integer(get(status or "")) or 0),
            device_status=DEVICE_STATUSES.get(integer(get(device or "")) or 0),
            errors=error_bits(get(errors or "")),
            panel=text(" ".join(filter(None, (text(get(oid)) for oid in panel)))),
            pages=integer(get(pages or "")),
            supplies=[_levelled(supply, get(level or "")) for supply, level in supplies],
            trays=[_filled(tray, get(level or ""), get(state or "")) for tray, level, state in trays],
        )
        raw = _alert_rows(answers)
        printer.alerts = [_alert(key, row) for key, row in raw.items()]
        _conclude(printer, raw)
        reading.printer = printer
        _measure(printer, reading.metrics)

    return read


def _indexes(rows: Answered | Mapping[str, list[str]], column: str) -> list[str]:
    if isinstance(rows, Answered):
        return [index for at, index in polled(rows) if at == column]
    return rows.get(column, [])


def _first(rows: Answered | Mapping[str, list[str]], column: str, want: Want) -> str | None:
    return next((oid for index in _indexes(rows, column) if (oid := want(column, index))), None)


def _levelled(known: Supply, level: Value | None) -> Supply:
    made = Supply(
        key=known.key,
        kind=known.kind,
        description=known.description,
        colour=known.colour,
        receptacle=known.receptacle,
        unit=known.unit,
        capacity=known.capacity,
        oid=known.oid,
    )
    _fill(made, integer(level))
    return made


def _filled(known: Tray, level: Value | None, status: Value | None) -> Tray:
    found = integer(level)
    return Tray(
        key=known.key,
        name=known.name,
        capacity=known.capacity,
        level=found,
        percent=percent(found, known.capacity),
        special=special(found),
        status=integer(status),
        oid=known.oid,
        bypass=known.bypass,
    )


def _alert_rows(answers: Answers) -> dict[str, dict[int, Value]]:
    rows: dict[str, dict[int, Value]] = {}
    prefix = f"{ALERT}."
    for oid, value in answers.items():
        if oid.startswith(prefix):
            column, _, index = oid[len(prefix) :].partition(".")
            if column.isdigit():
                rows.setdefault(index, {})[int(column)] = value
    kept = sorted(rows.items(), key=lambda row: subids(row[0]))[:_MOST_ALERTS]
    return {index: row for index, row in kept if 2 in row or 7 in row}


def _alert(key: str, row: Mapping[int, Value]) -> Alert:
    training = integer(row.get(3))
    return Alert(
        key=key,
        severity=SEVERITIES.get(integer(row.get(2)) or 1, "other"),
        code=integer(row.get(7)),
        group=GROUPS.get(integer(row.get(4)) or 0),
        description=text(row.get(8)),
        trained=None if training in (None, 1, 2) else training in (4, 5),
    )


def _conclude(printer: Printer, raw: Mapping[str, Mapping[int, Value]]) -> None:
    """What bits and alerts say together: troubles, which supply is meant, whether there is paper."""
    numbers = {number for supply in printer.supplies for number in subids(supply.key)[-1:]}
    told = {
        trouble
        for alert in printer.alerts
        if (trouble := _trouble(alert, _named(raw[alert.key]) in numbers)) is not None
    }
    if printer.errors is None and not printer.alerts and printer.device_status != "running":
        printer.troubles = None
    else:
        bits = printer.errors or ()
        printer.troubles = (*bits, *sorted(told.difference(bits)))
    _blame(printer, raw)
    levels = [tray.level for tray in printer.trays if not tray.bypass]
    if levels and all(level is not None and level >= 0 for level in levels):
        printer.out_of_paper = not any(levels)


def _trouble(alert: Alert, names_supply: bool) -> str | None:
    """An alert that names its supply is about that one only; an empty tray stops a printer if critical."""
    if alert.code is None:
        return None
    said = TROUBLE_IN_GROUP.get((alert.group or "", alert.code)) or TROUBLE_OF_CODE.get(alert.code)
    if said in ("no_toner", "low_toner") and names_supply:
        return None
    return "no_paper" if said == "input_tray_empty" and alert.severity == "critical" else said


def _blame(printer: Printer, raw: Mapping[str, Mapping[int, Value]]) -> None:
    """Gives `low` and `empty` to the supply they are about: the one that an alert names, the only one there
    is, the lowest of those that have a number, the only one without; else to the printer as a whole.
    """
    if printer.troubles is not None:
        for supply in printer.supplies:
            supply.reported = "ok"
    for row in raw.values():
        _blame_named(printer, row)
    troubles = printer.troubles or ()
    candidates = [one for one in printer.supplies if one.kind in PRINTS_WITH and not one.receptacle]
    for trouble, word, at_most in (("no_toner", "empty", 5), ("low_toner", "low", 20)):
        if trouble not in troubles or any(one.reported in (word, "empty") for one in candidates):
            continue
        meant = _meant(candidates, at_most)
        for one in meant:
            one.reported = word
        if not meant and printer.reported is None:
            printer.reported = word
    if printer.reported is None and printer.troubles is not None:
        printer.reported = "ok"


def _named(row: Mapping[int, Value]) -> int | None:
    """The index of the supply that an alert is about."""
    return integer(row.get(5)) if integer(row.get(4)) == SUPPLIES_GROUP else None


def _blame_named(printer: Printer, row: Mapping[int, Value]) -> None:
    word = REPORTED.get(integer(row.get(7)) or 0)
    number = _named(row)
    for supply in printer.supplies if word is not None else ():
        is_meant = subids(supply.key)[-1:] == [number]
        if is_meant or (number is None and supply.receptacle and word in ("full", "near_full")):
            supply.reported = word


def _meant(candidates: list[Supply], at_most: float) -> list[Supply]:
    if len(candidates) <= 1:
        return candidates
    numbered = [one for one in candidates if one.percent is not None]
    lowest = min((one.percent for one in numbered if one.percent is not None), default=100.0)
    if lowest <= at_most:
        return [one for one in numbered if one.percent == lowest]
    rest = [one for one in candidates if one.percent is None]
    empty = [one for one in rest if one.level == 0]
    if len(empty) == 1:
        return empty
    return rest if len(rest) == 1 else []


def _measure(printer: Printer, metrics: list[Metric]) -> None:
    levels = [(supply.key, supply.percent) for supply in printer.supplies if supply.percent is not None]
    metrics.extend(Metric("supply.percent", key, percentage, unit="%") for key, percentage in levels)
    if printer.pages is not None:
        metrics.append(Metric("printer.pages", "", printer.pages, counter=True, unit="pages", bits=32))
