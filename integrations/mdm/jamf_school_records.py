"""Jamf School's devices, read into ours. Pure.

No schema is published; names are those of Jamf's own SDK and of recorded answers under protocol version 3.
The list and the single device differ: flags are booleans here and 0 or 1 there, the check-in is a string here
and an object there, network facts are nested here and flat there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from integrations.mdm import reading
from integrations.mdm.port import Enrolment, ManagedDevice, Platform

Record = Mapping[str, Any]

PLATFORMS = {
    "ipados": Platform.IPADOS,
    "ios": Platform.IOS,
    "macos": Platform.MACOS,
    "tvos": Platform.TVOS,
    "visionos": Platform.VISIONOS,
}


def device(raw: Record, places: Mapping[str, str]) -> ManagedDevice:
    """A device from the list or read alone; `places` are names by location id, of which "0" is one.

    ValueError where the record has no UDID or a part has another shape.
    """
    system, model, owner = _part(raw, "os"), _part(raw, "model"), _part(raw, "owner")
    network = _part(raw, "networkInformation") or raw
    place = reading.text(raw.get("locationId"))
    return ManagedDevice(
        external_id=_identity(raw),
        serial=reading.serial(raw.get("serialNumber")),
        name=reading.text(raw.get("name")),
        manufacturer="Apple",
        model=reading.text(model.get("name")),
        model_id=reading.text(model.get("identifier")),
        platform=PLATFORMS.get((reading.text(system.get("prefix")) or "").casefold(), Platform.OTHER),
        os_version=reading.text(system.get("version")),
        user=reading.address(owner.get("email")),
        asset_tag=reading.text(_unwrapped(raw.get("assetTag"))),
        site=places.get(place) if place else None,
        site_id=place,
        last_check_in=checked_in(raw.get("lastCheckin")),
        enrolment=_enrolment(raw),
        supervised=reading.truth(raw.get("isSupervised")),
        battery_percent=_percent(raw.get("batteryLevel")),
        storage_total=_bytes(raw.get("totalCapacity")) or None,
        storage_free=_bytes(raw.get("availableCapacity")),
        wifi_mac=reading.mac(network.get("WiFiMAC")),
        lan_address=reading.ip(network.get("IPAddress")),
    )


def udid(raw: object) -> str | None:
    """The UDID of a record, or None where it has none."""
    found = raw.get("UDID") if isinstance(raw, Mapping) else None
    return reading.text(found) if isinstance(found, str) else None


def checked_in(said: object) -> datetime | None:
    """When a device checked in, from "2026-11-20 15:30:00", which is taken for UTC, or from an object
    {date, timezone} or {date, epoch}.
    """
    if not isinstance(said, Mapping):
        return reading.instant(said)
    if (known := reading.epoch(said.get("epoch"))) is not None:
        return known
    written, zone = reading.text(said.get("date")), reading.text(said.get("timezone")) or "UTC"
    if zone[0] in "+-":
        return reading.instant(f"{written}{zone}")
    read = reading.instant(written)
    return read and read.replace(tzinfo=_zone(zone)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _identity(raw: Record) -> str:
    found = udid(raw)
    if found is None:
        raise ValueError("no UDID")
    return found


def _part(raw: Record, name: str) -> Record:
    found = raw.get(name)
    if found is None or found == []:
        return {}
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} has another shape")
    return found


def _unwrapped(value: object) -> object:
    return value.get("value") if isinstance(value, Mapping) else value


def _enrolment(raw: Record) -> Enrolment:
    kind = str(_unwrapped(raw.get("enrollType") or raw.get("deviceEnrollType")) or "")
    managed = reading.truth(raw.get("isManaged"))
    if reading.truth(raw.get("inTrash")):
        return Enrolment.UNENROLLED
    if kind.endswith("Pending"):
        return Enrolment.PENDING
    if managed is None:
        return Enrolment.UNKNOWN
    return Enrolment.ENROLLED if managed else Enrolment.UNENROLLED


def _percent(value: object) -> float | None:
    """A charge of 0 to 1 in percent; above 1 it is in percent already, below 0 it is not known."""
    said = reading.number(value)
    if said is None or said < 0:
        return None
    return round(said * 100 if said <= 1 else said, 1)


def _bytes(gigabytes: object) -> int | None:
    said = reading.number(gigabytes)
    return None if said is None or said < 0 else round(said * reading.GIGABYTE)
