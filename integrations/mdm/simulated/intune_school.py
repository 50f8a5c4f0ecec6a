"""An invented school in Intune: laptops, a cart of iPads, Macs, phones, and rows as awkward as real ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

NEVER = "0001-01-01T00:00:00Z"


def school(now: datetime) -> Iterator[dict[str, Any]]:
    """Managed devices in the order in which they are listed. Keys with a leading "-" are the simulator's own.

    Awkward ones: two with one serial number, placeholders for one, a user in upper case, none, and one in
    free text, a device that never checked in, one that is being retired, a quote in a serial number.
    """
    yield _row(1, now, deviceName="WIL-LT-001", userPrincipalName="ada.byron@willow.example.org")
    yield _row(2, now, deviceName="WIL-LT-002", userPrincipalName="GRACE.HOPPER@Willow.Example.org")
    yield _row(3, now, serialNumber="SystemSerialNumber", model="Virtual Machine", manufacturer="Microsoft")
    yield _row(4, now, serialNumber="0", userPrincipalName="", emailAddress="", totalStorageSpaceInBytes=0)
    yield _row(5, now, serialNumber="WLW000005", deviceName="iPad de Zoë", **_ipad())
    yield _row(6, now, serialNumber="WLW000005", deviceName="Cart B 06", userPrincipalName="", **_ipad())
    yield _row(7, now, deviceName="WIL-MB-007", **_mac(), complianceState="noncompliant")
    yield _row(8, now, lastSyncDateTime=NEVER, enrolledDateTime=NEVER, complianceState="unknown")
    yield _row(9, now, managementState="retirePending", complianceState="inGracePeriod")
    yield _row(10, now, serialNumber="O'NEIL-10", userPrincipalName="Library desk", emailAddress="")
    yield _row(11, now, deviceName="Pixel of the office", **_android(), managedDeviceOwnerType="personal")
    yield _row(
        12,
        now,
        deviceName="Old phone",
        operatingSystem="iOS",
        model="iPhone 12",
        manufacturer="Apple",
        isSupervised=False,
        lastSyncDateTime=_at(now - timedelta(days=40)),
    )


def _ipad() -> dict[str, Any]:
    return {
        "operatingSystem": "iOS",
        "osVersion": "26.1",
        "model": "iPad (10th generation)",
        "manufacturer": "Apple",
        "isSupervised": True,
        "deviceEnrollmentType": "appleBulkWithoutUser",
        "deviceCategoryDisplayName": "Cart",
        "-hardware": {"batteryLevelPercentage": 81.0, "productName": "iPad13,18"},
    }


def _mac() -> dict[str, Any]:
    return {
        "operatingSystem": "macOS",
        "osVersion": "15.7.2 (24G325)",
        "model": "MacBook Air",
        "manufacturer": "Apple",
        "isSupervised": True,
        "deviceEnrollmentType": "appleBulkWithUser",
        "-hardware": {"batteryHealthPercentage": 88, "batteryChargeCycles": 212, "productName": "Mac15,12"},
    }


def _android() -> dict[str, Any]:
    return {
        "operatingSystem": "Android",
        "osVersion": "16",
        "model": "Pixel 8",
        "manufacturer": "Google",
        "deviceEnrollmentType": "userEnrollment",
    }


def _row(number: int, now: datetime, **differs: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "id": f"3c9d{number:04d}-77aa-4e0e-9c11-d00000000{number:03d}",
        "userId": f"8a11{number:04d}-0000-4000-8000-000000000000",
        "deviceName": f"WIL-{number:03d}",
        "managedDeviceOwnerType": "company",
        "enrolledDateTime": _at(now - timedelta(days=300)),
        "lastSyncDateTime": _at(now - timedelta(hours=number)),
        "operatingSystem": "Windows",
        "complianceState": "compliant",
        "jailBroken": "Unknown",
        "managementAgent": "mdm",
        "osVersion": "10.0.26100.6899",
        "deviceEnrollmentType": "windowsAutoEnrollment",
        "emailAddress": "",
        "azureADDeviceId": f"91b2{number:04d}-0000-4000-8000-000000000000",
        "deviceRegistrationState": "registered",
        "deviceCategoryDisplayName": "Unknown",
        "isSupervised": False,
        "isEncrypted": True,
        "userPrincipalName": f"pupil{number}@willow.example.org",
        "model": "Latitude 3450",
        "manufacturer": "Dell Inc.",
        "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59Z",
        "serialNumber": f"WLW{number:06d}",
        "userDisplayName": "",
        "wiFiMacAddress": f"02AA0000{number:04X}",
        "totalStorageSpaceInBytes": 255_124_869_120,
        "freeStorageSpaceInBytes": 91_234_567_890,
        "udid": None,
        "notes": None,
        "managementState": "managed",
        "deviceActionResults": [],
        "-hardware": {},
    }
    return usual | differs


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
