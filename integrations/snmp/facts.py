"""The facts that playbooks ask for, from one reading. PURE.

Names and choices are those of `service/assets/fact_words.py`; what the device did not say is not there.
Whether it was reached at all is for the caller to add (`printer.reachable`, `net.ap.status`, `av.reachable`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from integrations.snmp.reading import DeviceKind, Printer, Projector, Reading, Supply
from integrations.snmp.understanding.printer_words import PRINTS_WITH

_STATUSES = frozenset({"idle", "printing", "warming_up"})


def facts_of(reading: Reading) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if reading.printer is not None:
        facts |= _printer(reading.printer)
    if reading.projector is not None:
        facts |= _projector(reading.projector)
    if reading.identity.kind is DeviceKind.ACCESS_POINT:
        facts["net.ap.clients"] = reading.clients
    return {name: value for name, value in facts.items() if value is not None}


def _printer(printer: Printer) -> dict[str, Any]:
    toners = [one for one in printer.supplies if one.kind in PRINTS_WITH and not one.receptacle]
    boxes = [one for one in printer.supplies if one.receptacle]
    percents = [one.percent for one in toners if one.percent is not None]
    return {
        "printer.status": _status(printer),
        "printer.jammed": _has(printer, "jammed"),
        "printer.paper_out": True if printer.out_of_paper else _has(printer, "no_paper"),
        "printer.door_open": _has(printer, "door_open"),
        "printer.supply.min_percent": min(percents, default=None),
        "printer.supply.empty": _any(toners, _is_empty) if printer.reported != "empty" else True,
        "printer.waste_full": _any(boxes, _is_full),
        "printer.panel_text": printer.panel,
    }


def _status(printer: Printer) -> str | None:
    """Stopped where the device is down or says nothing but what is wrong."""
    if printer.device_status == "down":
        return "stopped"
    if printer.status in _STATUSES:
        return printer.status
    stops = {"no_paper", "no_toner", "door_open", "jammed", "offline"}
    return "stopped" if stops.intersection(printer.troubles or ()) else None


def _has(printer: Printer, trouble: str) -> bool | None:
    return None if printer.troubles is None else trouble in printer.troubles


def _any(supplies: Iterable[Supply], judge: Callable[[Supply], bool | None]) -> bool | None:
    """True if one is, false if all are known not to be."""
    judged = [judge(one) for one in supplies]
    if True in judged:
        return True
    return None if None in judged or not judged else False


def _is_empty(supply: Supply) -> bool | None:
    if supply.reported is not None:
        return supply.reported == "empty" or supply.percent == 0
    return None if supply.percent is None else supply.percent == 0


def _is_full(box: Supply) -> bool | None:
    if box.reported is not None:
        return box.reported == "full" or box.percent == 0
    return None if box.percent is None else box.percent == 0


def _projector(projector: Projector) -> dict[str, Any]:
    return {
        "av.power": projector.power,
        "av.input": projector.input,
        "av.fault": projector.fault,
        "av.lamp_percent": projector.lamp_percent,
    }
