"""How a simulated Jamf Pro lists: sections, RSQL filters, and what commands do to a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.mdm import reading
from integrations.mdm.simulated.jamf_pro_school import stamp

Query = Sequence[tuple[str, str]]

COMPUTER_FIELDS = {
    name: name
    for name in (
        "id",
        "general.name",
        "general.lastContact",
        "general.lastCheckIn",
        "general.reportDate",
        "general.lastEnrolledDate",
        "hardware.serialNumber",
    )
}
MOBILE_FIELDS = {
    "mobileDeviceId": "mobileDeviceId",
    "serialNumber": "hardware.serialNumber",
    "lastInventoryUpdateDate": "general.lastInventoryUpdateDate",
    "lastContactDate": "general.lastContactDate",
}
COMMAND_FIELDS = {
    "uuid": "uuid",
    "clientManagementId": "client.managementId",
    "command": "commandType",
    "dateSent": "dateSent",
}


class InvalidFilter(Exception):
    """A field that cannot be filtered by, or no comparison."""


def sectioned(row: Mapping[str, Any], identity: str, query: Query) -> dict[str, Any]:
    """The sections that were asked for; others are null, and of mobile devices left out."""
    asked = {_camel(value) for name, value in query if name == "section"} or {"general"}
    always = {"id", "udid", "mobileDeviceId", "deviceType"}
    if identity == "uuid":
        return dict(row)
    if identity == "mobileDeviceId":
        return {name: value for name, value in row.items() if name in asked | always}
    return {name: value if name in asked | always else None for name, value in row.items()}


def _camel(section: str) -> str:
    first, *others = section.lower().split("_")
    return first + "".join(other.capitalize() for other in others)


def passes(row: Mapping[str, Any], wanted: str, fields: Mapping[str, str]) -> bool:
    """An RSQL filter of comparisons joined by "," (or) and ";" (and)."""
    if not wanted:
        return True
    either = [each.split(";") for each in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', wanted)]
    if not all(_field(part) in fields for each in either for part in each):
        raise InvalidFilter
    return any(all(_holds(row, part, fields) for part in each) for each in either)


COMPARISON = re.compile(r'([\w.]+)(==|=ge=)"?((?:[^"\\]|\\.)*)"?')


def _field(comparison: str) -> str | None:
    found = COMPARISON.fullmatch(comparison)
    return found[1] if found else None


def _holds(row: Mapping[str, Any], comparison: str, fields: Mapping[str, str]) -> bool:
    found = COMPARISON.fullmatch(comparison)
    if not found:
        raise InvalidFilter
    said = reading.dig(row, *fields[found[1]].split("."))
    wanted = re.sub(r"\\(.)", r"\1", found[3])
    if found[2] == "==":
        return isinstance(said, str) and said.casefold() == wanted.casefold()
    at, least = reading.instant(said), reading.instant(wanted)
    return at is not None and least is not None and at >= least


def unfit(row: Mapping[str, Any], kind: str) -> str | None:
    """Why the device will refuse."""
    lost = reading.dig(row, "security", "lostModeEnabled")
    if kind in ("PLAY_LOST_MODE_SOUND", "DISABLE_LOST_MODE") and not lost:
        return "The device is not in Lost Mode"
    if kind in ("ENABLE_LOST_MODE", "RESTART_DEVICE") and not row["general"]["supervised"]:
        return "The device is not supervised"
    return None


def take_effect(row: dict[str, Any], data: Mapping[str, Any], now: datetime) -> None:
    kind, general = data["commandType"], row["general"]
    if kind in ("ENABLE_LOST_MODE", "DISABLE_LOST_MODE"):
        row["security"]["lostModeEnabled"] = kind == "ENABLE_LOST_MODE"
    elif kind == "SETTINGS":
        general["name"] = data["deviceName"]
    elif kind == "CLEAR_PASSCODE":
        row["security"]["passcodeCompliant"] = False
    general["lastContact" if "id" in row else "lastContactDate"] = stamp(now)
    if kind == "DEVICE_INFORMATION":
        general["reportDate" if "id" in row else "lastInventoryUpdateDate"] = stamp(now)
