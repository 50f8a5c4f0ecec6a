"""Jamf Pro's inventory records, read into devices. Pure.

Shapes are those of `GET /api/v4/computers-inventory` and `GET /api/v2/mobile-devices/detail` (OpenAPI of
Jamf Pro 11.30.1). A section that was not asked for, or that the server could not read, is null there.
Computers and mobile devices number themselves apart, so the kind stands before every id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.mdm import reading
from integrations.mdm.port import Compliance, Enrolment, ManagedDevice, Platform

COMPUTER, MOBILE = "computer", "mobile"
WIRELESS = "IEEE80211"
NO_SITE = "-1"

Record = Mapping[str, Any]


def computer(raw: Record) -> ManagedDevice:
    """A Mac from its record. ValueError where the record has no id or a section is no section.

    `batteryCapacityPercent` is what the battery can still hold, not what it holds, and is read as its health.
    """
    general, hardware = _section(raw, "general"), _section(raw, "hardware")
    system, place = _section(raw, "operatingSystem"), _section(raw, "userAndLocation")
    total, free = _boot_storage(_section(raw, "storage"))
    site = _section(general, "site")
    site_id = _site_id(site.get("id"))
    return ManagedDevice(
        external_id=f"{COMPUTER}:{_identity(raw, 'id')}",
        command_id=reading.text(general.get("managementId")),
        serial=reading.serial(hardware.get("serialNumber")),
        name=reading.text(general.get("name")),
        manufacturer=reading.text(hardware.get("make")),
        model=reading.text(hardware.get("model")),
        model_id=reading.text(hardware.get("modelIdentifier")),
        platform=Platform.MACOS,
        os_version=reading.text(system.get("version")),
        user=reading.address(place.get("email")),
        asset_tag=reading.text(general.get("assetTag")),
        site=reading.text(site.get("name")) if site_id else None,
        site_id=site_id,
        last_check_in=reading.instant(general.get("lastContact"))
        or reading.instant(general.get("lastCheckIn")),
        enrolled_at=reading.instant(general.get("lastEnrolledDate")),
        enrolment=_enrolment(_section(general, "remoteManagement").get("managed")),
        supervised=reading.truth(general.get("supervised")),
        battery_health_percent=reading.percent(hardware.get("batteryCapacityPercent")),
        storage_total=total,
        storage_free=free,
        wifi_mac=_wireless(hardware),
        lan_address=reading.ip(general.get("lastReportedIpV4")),
        public_address=reading.ip(general.get("lastIpAddress")),
    )


def mobile(raw: Record, sites: Mapping[str, str]) -> ManagedDevice:
    """An iPad, iPhone, Apple TV or Vision Pro from its record; `sites` are names by id.

    ValueError where the record has no id or a section is no section. Personal devices have no serial number.
    """
    general, hardware = _section(raw, "general"), _section(raw, "hardware")
    place, security = _section(raw, "userAndLocation"), _section(raw, "security")
    site_id = _site_id(general.get("siteId"))
    return ManagedDevice(
        external_id=f"{MOBILE}:{_identity(raw, 'mobileDeviceId')}",
        command_id=reading.text(general.get("managementId")),
        serial=reading.serial(hardware.get("serialNumber")),
        name=reading.text(general.get("displayName")),
        manufacturer="Apple",
        model=reading.text(hardware.get("model")),
        model_id=reading.text(hardware.get("modelIdentifier")),
        platform=_platform(raw.get("deviceType"), hardware),
        os_version=reading.text(general.get("osVersion")),
        user=reading.address(place.get("emailAddress")),
        asset_tag=reading.text(general.get("assetTag")),
        site=(sites.get(site_id) if site_id else None) or reading.text(place.get("building")),
        site_id=site_id,
        last_check_in=reading.instant(general.get("lastContactDate"))
        or reading.instant(general.get("lastInventoryUpdateDate")),
        enrolled_at=reading.instant(general.get("lastEnrolledDate")),
        enrolment=_enrolment(general.get("managed")),
        compliance=_compliance(security),
        supervised=reading.truth(general.get("supervised")),
        battery_percent=reading.percent(hardware.get("batteryLevel")),
        storage_total=_megabytes(hardware.get("capacityMb")) or None,
        storage_free=_megabytes(hardware.get("availableSpaceMb")),
        wifi_mac=reading.mac(hardware.get("wifiMacAddress")),
        lan_address=reading.ip(general.get("ipAddress")),
        lost_mode=reading.truth(security.get("lostModeEnabled")),
    )


def split(external_id: str) -> tuple[str, str]:
    """The kind and the number within it. ValueError where it is none of ours."""
    kind, _, number = external_id.partition(":")
    if kind not in (COMPUTER, MOBILE) or not number.isdigit():
        raise ValueError("not the id of a computer or a mobile device")
    return kind, number


def reader(kind: str, sites: Mapping[str, str]) -> Callable[[Record], ManagedDevice]:
    return computer if kind == COMPUTER else lambda raw: mobile(raw, sites)


def record_id(kind: str, raw: object) -> str | None:
    """The external id of a record, or None where it has none."""
    try:
        if not isinstance(raw, Mapping):
            return None
        return f"{kind}:{_identity(raw, 'id' if kind == COMPUTER else 'mobileDeviceId')}"
    except ValueError:
        return None


def _identity(raw: Record, key: str) -> str:
    said = reading.text(raw.get(key))
    if said is None or not said.isdigit():
        raise ValueError("no id")
    return said


def _section(raw: Record, name: str) -> Record:
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is not a section")
    return found


def _site_id(value: object) -> str | None:
    said = reading.text(value)
    return None if said == NO_SITE else said


def _enrolment(managed: object) -> Enrolment:
    said = reading.truth(managed)
    if said is None:
        return Enrolment.UNKNOWN
    return Enrolment.ENROLLED if said else Enrolment.UNENROLLED


def _compliance(security: Record) -> Compliance:
    passcode = reading.truth(security.get("passcodeCompliant"))
    broken = reading.truth(security.get("jailBreakDetected"))
    if passcode is False or broken:
        return Compliance.BAD
    return Compliance.OK if passcode else Compliance.UNKNOWN


def _platform(kind: object, hardware: Record) -> Platform:
    if kind == "iOS":
        models = (reading.text(hardware.get(name)) or "" for name in ("modelIdentifier", "model"))
        return Platform.IPADOS if any(model.startswith("iPad") for model in models) else Platform.IOS
    return {"tvOS": Platform.TVOS, "visionOS": Platform.VISIONOS}.get(str(kind), Platform.OTHER)


def _megabytes(value: object) -> int | None:
    """Bytes; a full disk has 0 free, which is something said."""
    said = reading.number(value)
    return None if said is None or said < 0 else int(said * reading.MEBIBYTE)


def _boot_storage(storage: Record) -> tuple[int | None, int | None]:
    parts = (part for disk in reading.rows(storage.get("disks")) for part in _partitions(disk))
    boot = next((part for part in parts if reading.dig(part, "partitionType") == "BOOT"), None)
    free = storage.get("bootDriveAvailableSpaceMegabytes")
    left = reading.dig(boot, "availableMegabytes") if free is None else free
    return _megabytes(reading.dig(boot, "sizeMegabytes")) or None, _megabytes(left)


def _partitions(disk: object) -> list[Any]:
    return reading.rows(reading.dig(disk, "partitions"))


def _wireless(hardware: Record) -> str | None:
    pairs = (("networkAdapterType", "macAddress"), ("altNetworkAdapterType", "altMacAddress"))
    return next(
        (reading.mac(hardware.get(mac)) for kind, mac in pairs if hardware.get(kind) == WIRELESS), None
    )
