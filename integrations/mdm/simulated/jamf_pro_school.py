"""An invented district in Jamf Pro: Macs of teachers, iPads, an Apple TV, with rows as awkward as real."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

SITES = {"1": "Willow Elementary", "2": "Birch Middle"}
COMPUTER_SECTIONS = (
    *("general", "diskEncryption", "purchasing", "applications", "storage", "userAndLocation", "printers"),
    *("configurationProfiles", "services", "hardware", "localUserAccounts", "certificates", "attachments"),
    *("packageReceipts", "security", "operatingSystem", "licensedSoftware", "ibeacons", "softwareUpdates"),
    *("extensionAttributes", "contentCaching", "groupMemberships"),
)


def computers(now: datetime) -> Iterator[dict[str, Any]]:
    """Awkward ones: no user, free text for one, an address in upper case, a wired adapter before the wireless
    one, no hardware section, one serial number twice (wiped and enrolled again), not managed, a full disk.
    """
    yield _mac(1, now, email="ada.byron@willow.example.org", site="1")
    yield _mac(2, now, email="GRACE.HOPPER@Birch.Example.org", site="2", name="Grâce MacBook, Füße")
    yield _mac(3, now, email="Library desk", wired=True, free=0)
    yield {**_mac(4, now, email=None), "hardware": None, "storage": None}
    yield _mac(5, now, serial="WPM00005", days=400, managed=False)
    yield _mac(6, now, serial="WPM00005", email="", tag="MAC-0006")
    yield _mac(9, now, serial="To be filled by O.E.M.", email="alan.t@birch.example.org")


def mobiles(now: datetime) -> Iterator[dict[str, Any]]:
    """Awkward ones: numbers that computers have as well, a personal iPad without a serial number, an Apple
    TV without security or battery, one in lost mode, one that never checked in, one with a section that the
    server cannot read, one that is not supervised.
    """
    yield _ipad(1, now, email="kim.p@students.example.org", site="1")
    yield _ipad(2, now, email="", tag="IP-0002", site="2")
    yield _ipad(3, now, lost=True, site="9", building="Birch Middle")
    yield _ipad(4, now, serial=None, ownership="UserEnrollment", supervised=False)
    yield _apple_tv(5, now)
    yield _ipad(6, now, never=True, compliant=None, managed=False)
    yield {**_ipad(7, now), "hardware": None}
    yield _ipad(8, now, model="iPhone 14", model_id="iPhone14,7", compliant=False)
    yield _ipad(9, now, email="zoë@students.example.org", name="Zoë iPad", site="2")
    yield _ipad(10, now, days=90)


def stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _mac(
    number: int,
    now: datetime,
    *,
    name: str | None = None,
    serial: str | None = None,
    email: str | None = "",
    site: str = "-1",
    tag: str = "",
    days: float = 0,
    managed: bool = True,
    wired: bool = False,
    free: int = 120_000,
) -> dict[str, Any]:
    seen = now - timedelta(days=days, minutes=7 * number)
    mac = f"02:5A:00:00:00:{number:02X}"
    sections: dict[str, Any] = {
        "general": {
            "name": name or f"WIL-MB-{number:03d}",
            "lastIpAddress": "203.0.113.20",
            "lastReportedIpV4": f"10.20.0.{number}",
            "platform": "Mac",
            "assetTag": tag,
            "remoteManagement": {"managed": managed, "managementUsername": None},
            "supervised": True,
            "reportDate": stamp(seen - timedelta(hours=3)),
            "lastCheckIn": stamp(seen - timedelta(minutes=5)),
            "lastContact": stamp(seen),
            "lastEnrolledDate": stamp(seen - timedelta(days=200)),
            "site": {"id": site, "name": SITES.get(site, "None")},
            "managementId": f"0000c0de-0000-4000-8000-{number:012d}",
        },
        "hardware": {
            "make": "Apple",
            "model": "MacBook Air (13-inch, M3, 2024)",
            "modelIdentifier": "Mac15,12",
            "serialNumber": serial or f"WPM{number:05d}",
            "networkAdapterType": "Ethernet" if wired else "IEEE80211",
            "macAddress": "02:5A:00:00:AA:AA" if wired else mac,
            "altNetworkAdapterType": "IEEE80211" if wired else None,
            "altMacAddress": mac if wired else None,
            "batteryCapacityPercent": 91,
            "batteryHealth": "NORMAL",
        },
        "operatingSystem": {"name": "macOS", "version": "15.7.2", "build": "24G325"},
        "userAndLocation": {"username": email or "", "realname": "", "email": email, "buildingId": None},
        "storage": {
            "bootDriveAvailableSpaceMegabytes": free,
            "disks": [
                {
                    "id": "1",
                    "device": "disk0",
                    "partitions": [
                        {"name": "Recovery", "sizeMegabytes": 5000, "partitionType": "OTHER"},
                        {"name": "Macintosh HD", "sizeMegabytes": 245_107, "partitionType": "BOOT"},
                    ],
                }
            ],
        },
    }
    udid = f"0000ABCD-0000-0000-0000-{number:012d}"
    return {
        "id": str(number),
        "udid": udid,
        **{section: sections.get(section) for section in COMPUTER_SECTIONS},
    }


def _ipad(
    number: int,
    now: datetime,
    *,
    name: str | None = None,
    serial: str | None = "",
    email: str = "",
    site: str = "-1",
    building: str = "",
    tag: str | None = None,
    days: float = 0,
    managed: bool = True,
    supervised: bool = True,
    lost: bool = False,
    never: bool = False,
    compliant: bool | None = True,
    ownership: str = "Institutional",
    model: str = "iPad (10th generation)",
    model_id: str = "iPad13,18",
) -> dict[str, Any]:
    seen = now - timedelta(days=days, minutes=11 * number)
    return {
        "mobileDeviceId": str(number),
        "deviceType": "iOS",
        "general": {
            "udid": f"{number:040x}",
            "displayName": name or f"Cart-A-{number:02d}",
            "assetTag": tag,
            "siteId": site,
            "lastInventoryUpdateDate": None if never else stamp(seen - timedelta(hours=2)),
            "lastContactDate": None if never else stamp(seen),
            "osVersion": "26.1",
            "ipAddress": f"10.21.0.{number}",
            "managed": managed,
            "supervised": supervised,
            "deviceOwnershipType": ownership,
            "lastEnrolledDate": stamp(now - timedelta(days=300 + number)),
            "managementId": f"0000f00d-0000-4000-8000-{number:012d}",
            "sharedIpad": False,
        },
        "hardware": {
            "capacityMb": 64_000,
            "availableSpaceMb": 41_000 - number,
            "batteryLevel": 70 + number,
            "batteryHealth": "UNKNOWN",
            "serialNumber": f"WPI{number:05d}" if serial == "" else serial,
            "wifiMacAddress": f"02:5b:00:00:00:{number:02x}",
            "model": model,
            "modelIdentifier": model_id,
        },
        "userAndLocation": {"username": email, "realName": "", "emailAddress": email, "building": building},
        "security": {
            "passcodeCompliant": compliant,
            "jailBreakDetected": None if compliant is None else False,
            "lostModeEnabled": lost,
            "lostModeMessage": "Please return to Willow" if lost else "",
        },
    }


def _apple_tv(number: int, now: datetime) -> dict[str, Any]:
    row = _ipad(number, now, name="Gym TV", site="1")
    del row["security"], row["general"]["sharedIpad"]
    row["hardware"] |= {"model": "Apple TV 4K", "modelIdentifier": "AppleTV14,1", "batteryLevel": None}
    return {**row, "deviceType": "tvOS"}
