"""ChromeOS devices of Google, read into ours. Pure.

Shapes are `ChromeOsDevice` of the Directory API and `TelemetryDevice` of the Chrome Management API (discovery
documents, revision 20261104). What is empty is left out there, never null; 64-bit numbers are strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from integrations.mdm import reading
from integrations.mdm.port import (
    BadRecord,
    Compliance,
    Enrolment,
    ManagedDevice,
    Outcome,
    Platform,
    State,
)

FIELDS = (
    "deviceId",
    "serialNumber",
    "status",
    "lastSync",
    "model",
    "osVersion",
    "macAddress",
    "lastEnrollmentTime",
    "orgUnitPath",
    "orgUnitId",
    "autoUpdateThrough",
    "autoUpdateExpiration",
    "osVersionCompliance",
    "annotatedUser",
    "annotatedAssetId",
    "recentUsers",
    "lastKnownNetwork",
    "diskSpaceUsage",
    "diskVolumeReports",
)
"""What is read of a device: asked for by name, since a whole one carries days of processor reports."""

BATTERY_MASK = "name,deviceId,serialNumber,batteryInfo,batteryStatusReport"

_ENROLMENT = {
    "ACTIVE": Enrolment.ENROLLED,
    "DISABLED": Enrolment.DISABLED,
    "DEPROVISIONED": Enrolment.UNENROLLED,
    "PRE_PROVISIONED": Enrolment.PENDING,
    "SHIPPED": Enrolment.PENDING,
}
_COMPLIANCE = {
    "compliant": Compliance.OK,
    "notCompliant": Compliance.BAD,
    "pending": Compliance.GRACE,
}
_STATES = {
    "PENDING": State.QUEUED,
    "SENT_TO_CLIENT": State.SENT,
    "ACKED_BY_CLIENT": State.ACKNOWLEDGED,
    "EXPIRED": State.EXPIRED,
    "CANCELLED": State.CANCELLED,
}
_RESULTS = {"SUCCESS": State.SUCCEEDED, "FAILURE": State.FAILED, "IGNORED": State.CANCELLED}


@dataclass(frozen=True, slots=True)
class Battery:
    """Charge and health in percent (health: what a full charge holds of what it was designed to)."""

    percent: float | None = None
    health: float | None = None
    cycles: int | None = None


def managed_device(raw: object, battery: Battery | None = None) -> ManagedDevice | BadRecord:
    """A `ChromeOsDevice`, with what telemetry says of its battery."""
    device_id = reading.text(reading.dig(raw, "deviceId"))
    if not isinstance(raw, Mapping) or device_id is None:
        return BadRecord(None, "no deviceId")
    status = (reading.text(raw.get("status")) or "").upper()
    total, free = _storage(raw)
    serial, tag = reading.serial(raw.get("serialNumber")), reading.text(raw.get("annotatedAssetId"))
    device = ManagedDevice(
        external_id=device_id,
        command_id=device_id,
        serial=serial,
        name=tag or serial,
        model=reading.text(raw.get("model")),
        platform=Platform.CHROMEOS,
        os_version=reading.text(raw.get("osVersion")),
        user=reading.address(raw.get("annotatedUser")),
        last_user=reading.address(reading.dig(raw, "recentUsers", 0, "email")),
        asset_tag=tag,
        site=reading.text(raw.get("orgUnitPath")),
        site_id=reading.text(raw.get("orgUnitId")),
        last_check_in=reading.instant(raw.get("lastSync")),
        enrolled_at=reading.instant(raw.get("lastEnrollmentTime")),
        enrolment=_ENROLMENT.get(status, Enrolment.UNKNOWN),
        compliance=_COMPLIANCE.get(reading.text(raw.get("osVersionCompliance")) or "", Compliance.UNKNOWN),
        storage_total=total,
        storage_free=free,
        wifi_mac=reading.mac(raw.get("macAddress")),
        lan_address=reading.ip(reading.dig(raw, "lastKnownNetwork", 0, "ipAddress")),
        public_address=reading.ip(reading.dig(raw, "lastKnownNetwork", 0, "wanIpAddress")),
        lost_mode=status == "DISABLED" if status else None,
        support_ends=_support_ends(raw),
        vendor={"status": status} if status else {},
    )
    return device if battery is None else with_battery(device, battery)


def with_battery(device: ManagedDevice, battery: Battery) -> ManagedDevice:
    return replace(
        device,
        battery_percent=battery.percent,
        battery_health_percent=battery.health,
        battery_cycles=battery.cycles,
    )


def _support_ends(raw: Mapping[str, Any]) -> datetime | None:
    through = reading.instant(raw.get("autoUpdateThrough"))
    return through or reading.epoch(raw.get("autoUpdateExpiration"), per_second=1000)


def _storage(raw: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Bytes in all and free: of the disk, else of the largest volume."""
    total = reading.size(reading.dig(raw, "diskSpaceUsage", "capacityBytes"))
    used = reading.whole(reading.dig(raw, "diskSpaceUsage", "usedBytes"))
    if total is not None:
        return total, total - used if used is not None and 0 <= used <= total else None
    volumes = [
        (size, reading.whole(reading.dig(volume, "storageFree")))
        for report in reading.rows(raw.get("diskVolumeReports"))
        for volume in reading.rows(reading.dig(report, "volumeInfo"))
        if (size := reading.size(reading.dig(volume, "storageTotal"))) is not None
    ]
    return max(volumes, key=lambda each: each[0], default=(None, None))


def battery_of(raw: object) -> tuple[str, Battery] | None:
    """The deviceId of a `TelemetryDevice` and its battery by the newest report; None where it has none."""
    device_id = reading.text(reading.dig(raw, "deviceId"))
    report = _newest(reading.dig(raw, "batteryStatusReport"))
    if device_id is None or report is None:
        return None
    full = reading.number(report.get("fullChargeCapacity")) or 0
    remaining = reading.number((_newest(report.get("sample")) or {}).get("remainingCapacity"))
    designed = _designed(raw, report.get("serialNumber"))
    return device_id, Battery(
        percent=None if remaining is None else reading.percent(min(remaining, full), of=full),
        health=reading.percent(min(full, designed), of=designed) if full > 0 else None,
        cycles=reading.whole(report.get("cycleCount")),
    )


def _designed(raw: object, battery: object) -> float:
    listed = [each for each in reading.rows(reading.dig(raw, "batteryInfo")) if isinstance(each, Mapping)]
    same = [each for each in listed if each.get("serialNumber") == battery] or listed
    return (reading.number(same[0].get("designCapacity")) or 0) if same else 0


def _newest(reports: object) -> Mapping[str, Any] | None:
    listed = [each for each in reading.rows(reports) if isinstance(each, Mapping)]
    never = datetime.min.replace(tzinfo=UTC)
    return max(listed, key=lambda each: reading.instant(each.get("reportTime")) or never, default=None)


def command_outcome(raw: Mapping[str, Any]) -> Outcome:
    """A command's record. "Executed" alone is no success: its result is."""
    state = raw.get("state")
    if state != "EXECUTED_BY_CLIENT":
        ended = reading.instant(raw.get("commandExpireTime")) if state == "EXPIRED" else None
        return Outcome(_STATES.get(str(state), State.QUEUED), at=ended)
    result = reading.dig(raw, "commandResult")
    return Outcome(
        _RESULTS.get(str(reading.dig(result, "result")), State.UNVERIFIABLE),
        detail=reading.text(reading.dig(result, "errorMessage")),
        at=reading.instant(reading.dig(result, "executeTime")),
    )
