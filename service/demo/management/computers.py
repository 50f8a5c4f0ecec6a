"""The demo's laptops and desktops as Intune lists them (`managedDevice` of Microsoft Graph). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from service.assets.models import AssetKind
from service.demo.management.fleet import GB, Fleet, Life, Owned, Row, mac_of, name_of, written

VENDOR: Final = "intune"
NEVER: Final = "0001-01-01T00:00:00Z"
VIRTUAL: Final = "Virtual Machine"
"""Of such a one nothing is known that an asset could be called by."""
DISK: Final = 256 * GB


def devices(fleet: Fleet, now: datetime) -> Iterator[Row]:
    """Those of the inventory, and a virtual machine without a serial number. Keys with a leading "-" are the
    simulator's own.
    """
    for one, life in fleet:
        yield _row(one, life, now)
    (like,) = fleet.awkward(1)
    if like is None:
        return
    yield _row(like, fleet.lives[like.serial], now) | {
        "id": name_of(VENDOR, VIRTUAL),
        "deviceName": "LAB-VM-01",
        "serialNumber": "SystemSerialNumber",
        "model": VIRTUAL,
        "manufacturer": "Microsoft Corporation",
        "wiFiMacAddress": "",
        "-hardware": {},
    }


def off(fleet: Fleet) -> set[str]:
    """Ids of those that answer nothing these days."""
    return {name_of(VENDOR, one.serial) for one, life in fleet if not life.is_on}


def _row(one: Owned, life: Life, now: datetime) -> Row:
    """A tag of its own is nothing that Intune has: the name of the computer is what people go by."""
    return {
        "id": name_of(VENDOR, one.serial),
        "userId": name_of(VENDOR, one.email) if one.email is not None else "",
        "deviceName": one.tag,
        "managedDeviceOwnerType": "company",
        "enrolledDateTime": f"{now.year - 1}-08-{1 + life.number % 20:02}T13:00:00Z",
        "lastSyncDateTime": NEVER if life.seen is None else written(life.seen),
        "operatingSystem": "Windows",
        "complianceState": ("compliant", "compliant", "inGracePeriod", "noncompliant")[life.number % 4],
        "jailBroken": "Unknown",
        "managementAgent": "mdm",
        "osVersion": ("10.0.26100.6899", "10.0.26100.4946", "10.0.22631.5909")[life.number % 3],
        "deviceEnrollmentType": "windowsAutoEnrollment",
        "emailAddress": one.email or "",
        "azureADDeviceId": name_of("entra", one.serial),
        "deviceRegistrationState": "registered",
        "deviceCategoryDisplayName": one.school,
        "isSupervised": False,
        "isEncrypted": True,
        "userPrincipalName": one.email or "",
        "model": one.model,
        "manufacturer": "Wayfarer" if one.kind is AssetKind.LAPTOP else "Deskline",
        "complianceGracePeriodExpirationDateTime": written(now + timedelta(days=3)),
        "serialNumber": one.serial,
        "userDisplayName": "",
        "wiFiMacAddress": mac_of(life).upper(),
        "totalStorageSpaceInBytes": DISK,
        "freeStorageSpaceInBytes": DISK * (100 - life.used) // 100,
        "udid": None,
        "notes": None,
        "managementState": "managed",
        "deviceActionResults": [],
        "-hardware": _hardware(one, life),
    }


def _hardware(one: Owned, life: Life) -> Row:
    """A desktop has no battery."""
    if one.kind is not AssetKind.LAPTOP:
        return {}
    return {
        "batteryLevelPercentage": float(life.charge),
        "batteryHealthPercentage": life.health,
        "batteryChargeCycles": life.cycles,
    }
