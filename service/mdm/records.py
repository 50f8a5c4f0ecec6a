"""A device as a connection told it, as JSON that is kept, and as facts about the asset it is. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, Final

import orjson

from integrations.mdm.port import Compliance, Enrolment, ManagedDevice, Platform

GB: Final = 1_000_000_000
LARGEST_RECORD: Final = 100_000
LONGEST_ID: Final = 500
LONGEST_SERIAL: Final = 200
LONGEST_TEXT: Final = 2_000
_INSTANTS: Final = frozenset({"last_check_in", "enrolled_at", "support_ends"})
_ENUMS: Final[Mapping[str, type[Enum]]] = {
    "platform": Platform,
    "enrolment": Enrolment,
    "compliance": Compliance,
}
_NAMES: Final = tuple(field.name for field in fields(ManagedDevice))
STATUS: Final[Mapping[Enrolment, str]] = {
    Enrolment.ENROLLED: "active",
    Enrolment.DISABLED: "disabled",
    Enrolment.UNENROLLED: "deprovisioned",
}


def as_json(device: ManagedDevice) -> dict[str, Any]:
    """What is not None, with instants in ISO 8601."""
    told: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(device, name)
        if value is None:
            continue
        if name in _INSTANTS:
            value = value.isoformat()
        elif name in _ENUMS:
            value = value.value
        elif name == "vendor":
            value = dict(value)
        told[name] = value
    return told


def from_json(told: Mapping[str, Any]) -> ManagedDevice:
    values = {name: value for name, value in told.items() if name in _NAMES}
    for name in _INSTANTS & values.keys():
        values[name] = datetime.fromisoformat(values[name])
    for name in _ENUMS.keys() & values.keys():
        values[name] = _ENUMS[name](values[name])
    return ManagedDevice(**values)


def why_not_kept(told: Mapping[str, Any]) -> str | None:
    """Why a device, as JSON, cannot be kept; None where it can. In words that repeat nothing of it."""
    if not 0 < len(told["external_id"]) <= LONGEST_ID:
        return "The vendor's id is empty or too long."
    if len(told.get("serial", "")) > LONGEST_SERIAL:
        return "Its serial number is too long."
    try:
        written = orjson.dumps(told)
    except (TypeError, ValueError):
        return "It holds what cannot be kept."
    if b"\\u0000" in written:
        return "It holds characters that are not text."
    if len(written) > LARGEST_RECORD:
        return "The record is too large."
    is_long = any(isinstance(value, str) and len(value) > LONGEST_TEXT for value in told.values())
    return "It holds a text that is too long." if is_long else None


def digest_of(told: Mapping[str, Any]) -> bytes:
    """16 bytes; equal records have equal ones, whatever the order of their fields."""
    return hashlib.blake2b(orjson.dumps(told, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def facts_told(device: ManagedDevice) -> dict[str, Any]:
    """What the device itself said at its last check-in, by the names of facts."""
    told: dict[str, Any] = {
        "device.os_version": device.os_version,
        "device.battery_percent": device.battery_percent,
        "device.battery_health_percent": device.battery_health_percent,
        "device.battery_cycles": device.battery_cycles,
        "device.last_network": device.lan_address,
        "device.public_address": device.public_address,
        "device.wifi_mac": device.wifi_mac,
        "device.last_user": device.last_user,
        "device.supervised": device.supervised,
    }
    if device.last_check_in is not None:
        told["device.last_seen"] = device.last_check_in.isoformat()
    if device.storage_free is not None:
        told["device.storage_free_gb"] = round(device.storage_free / GB, 1)
        if device.storage_total:
            told["device.storage_free_percent"] = round(100 * device.storage_free / device.storage_total, 1)
    if device.compliance is not Compliance.UNKNOWN:
        told["device.compliance"] = device.compliance.value
    return _known(told)


def facts_standing(device: ManagedDevice) -> dict[str, Any]:
    """What the management knows without asking the device, by the names of facts."""
    told: dict[str, Any] = {
        "device.name": device.name,
        "device.user": device.user,
        "device.status": "lost" if _is_lost(device) else STATUS.get(device.enrolment),
        "device.management": device.enrolment.value,
    }
    if device.enrolment is not Enrolment.UNKNOWN:
        told["device.enrolled"] = device.enrolment in (Enrolment.ENROLLED, Enrolment.DISABLED)
    if device.support_ends is not None:
        told["device.support_ends"] = device.support_ends.isoformat()
    return _known(told)


def _is_lost(device: ManagedDevice) -> bool:
    """In a lost mode of its own; where losing a device means disabling it, it is disabled."""
    return bool(device.lost_mode) and device.enrolment is not Enrolment.DISABLED


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}
