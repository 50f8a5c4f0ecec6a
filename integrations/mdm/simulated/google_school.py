"""An invented school's Chromebooks as Google would list them, with the rows that trip a reader up."""

from __future__ import annotations

from typing import Any

UNITS = (
    ("/Students", "id:02ab3c4d0000001"),
    ("/Students/Harbour Primary", "id:02ab3c4d0000002"),
    ("/Students/Mill Lane", "id:02ab3c4d0000003"),
    ("/Staff", "id:02ab3c4d0000004"),
)
"""Organisational units: path and id. An id stays when a unit is renamed."""


def devices() -> list[dict[str, Any]]:
    """Fresh `ChromeOsDevice`s, as of 14 September 2026."""
    return [
        _usual(1, "FBCHR0001", user="mira.holt@pupils.harbour.example", tag="HP-001"),
        _usual(2, "FBCHR0002", user="Noah.Abara@Pupils.Harbour.Example ", tag="HP-002"),
        _usual(3, "FBCHR0003", user="Cart 3, blue", tag="HP-003"),
        _usual(4, "FBCHR0004", recentUsers=[{"type": "USER_TYPE_UNMANAGED"}], lastKnownNetwork=[]),
        _usual(5, "FBCHR0005", user="zoë.müller@pupils.harbour.example", tag="Zürich-5", status="DISABLED"),
        _usual(6, "System Serial Number", tag="HP-006"),
        _usual(7, "FBCHR0007", lastSync="0001-01-01T00:00:00.000Z", osVersionCompliance="notCompliant"),
        _bare(8, "FBCHR0001", "DEPROVISIONED"),
        _bare(9, "FBCHR0009", "PRE_PROVISIONED"),
        _usual(10, "FBCHR00010", lastSync="2026-09-02T06:00:00.000Z", osVersionCompliance="pending"),
    ]


def batteries() -> list[dict[str, Any]]:
    """Fresh `TelemetryDevice`s of some of them."""
    return [_telemetry(1, 20_500, 41_000), _telemetry(2, 41_000, 40_000), _telemetry(5, None, 38_000)]


def device_id(number: int) -> str:
    return f"7f3c2a10-0000-4000-8000-{number:012d}"


def _usual(number: int, serial: str, *, user: str = "", tag: str = "", **other: Any) -> dict[str, Any]:
    path, unit_id = UNITS[1 + number % 2]
    given = {
        "kind": "admin#directory#chromeosdevice",
        "etag": f'"{number}"',
        "deviceId": device_id(number),
        "serialNumber": serial,
        "status": "ACTIVE",
        "lastSync": f"2026-09-14T1{number % 5}:0{number % 10}:00.500Z",
        "model": "Acer Chromebook 511 (C736)",
        "osVersion": "152.0.7811.40",
        "macAddress": f"02fb00aa00{number:02x}",
        "lastEnrollmentTime": "2025-08-20T09:30:00.000Z",
        "orgUnitPath": path,
        "orgUnitId": unit_id,
        "autoUpdateThrough": "2032-06-30",
        "autoUpdateExpiration": "1972166400000",
        "osVersionCompliance": "compliant",
        "annotatedUser": user,
        "annotatedAssetId": tag,
        "recentUsers": [{"type": "USER_TYPE_MANAGED", "email": f"pupil{number}@pupils.harbour.example"}],
        "lastKnownNetwork": [{"ipAddress": f"10.31.4.{number}", "wanIpAddress": "203.0.113.77"}],
        "diskSpaceUsage": {"capacityBytes": "62537072640", "usedBytes": str(9_000_000_000 + number)},
        "cpuStatusReports": [
            {"reportTime": "2026-09-14T12:00:00.000Z", "cpuUtilizationPercentageInfo": [12]}
        ],
        **other,
    }
    return {name: value for name, value in given.items() if value not in ("", [])}


def _bare(number: int, serial: str, status: str) -> dict[str, Any]:
    """One that never was, or no longer is, in a unit: most fields are missing."""
    return {
        "kind": "admin#directory#chromeosdevice",
        "etag": f'"{number}"',
        "deviceId": device_id(number),
        "serialNumber": serial,
        "status": status,
        "model": "Acer Chromebook 511 (C736)",
    }


def _telemetry(number: int, remaining: int | None, full: int) -> dict[str, Any]:
    sample = {"reportTime": "2026-09-14T14:30:00.000Z", "status": "DISCHARGING", "temperature": 29}
    if remaining is not None:
        sample["remainingCapacity"] = str(remaining)
    return {
        "name": f"customers/C02fb0001/telemetry/devices/{device_id(number)}",
        "customer": "C02fb0001",
        "deviceId": device_id(number),
        "serialNumber": f"FBCHR{number:04d}",
        "batteryInfo": [{"serialNumber": f"BAT{number}", "designCapacity": "47000", "technology": "Li-ion"}],
        "batteryStatusReport": [
            {
                "reportTime": "2026-09-13T14:30:00.000Z",
                "serialNumber": f"BAT{number}",
                "cycleCount": 210,
                "fullChargeCapacity": "47000",
                "sample": [],
            },
            {
                "reportTime": "2026-09-14T14:30:00.000Z",
                "serialNumber": f"BAT{number}",
                "batteryHealth": "BATTERY_HEALTH_NORMAL",
                "cycleCount": 212,
                "fullChargeCapacity": str(full),
                "sample": [sample],
            },
        ],
    }
