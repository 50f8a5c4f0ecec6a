"""The demo's Chromebooks as Google lists them (`ChromeOsDevice` of the Directory API, `TelemetryDevice` of
the Chrome Management API), with the awkward rows that a real district has. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from service.demo.management.fleet import GB, Fleet, Life, Owned, Row, address_of, mac_of, name_of, written

VENDOR: Final = "google"
STRANGER: Final = "NXKD9SP001253"
STRANGERS_TAG: Final = "CB-00152"
"""A Chromebook that came from the shop and is in no inventory yet."""
UNREADABLE: Final = "NXKD9SP000999"
ASTRAY: Final = "/Summer School"
"""A unit that nobody has said the school of."""
NEVER: Final = "0001-01-01T00:00:00.000Z"
DISK: Final = 32 * GB
DESIGNED: Final = 42_000
"""What a battery was made to hold, in milliampere-hours."""


def units(schools: Sequence[str]) -> dict[str, str]:
    """Organisational units by path, with their ids."""
    paths = ["/Students", *(unit_of(school) for school in schools), ASTRAY]
    return {path: f"id:03fb{number:08d}" for number, path in enumerate(paths, 1)}


def unit_of(school: str) -> str:
    return f"/Students/{school}"


def devices(fleet: Fleet, now: datetime) -> Iterator[Row]:
    """Those of the inventory, one of them astray and one switched off from afar because it was lost; one that
    was enrolled twice; one that is new; one that cannot be read, for it has no id.
    """
    astray, lost, twice = fleet.awkward(3)
    for one, life in fleet:
        row = _row(one, life, name_of(VENDOR, one.serial), now)
        if one is astray:
            row["orgUnitPath"] = ASTRAY
        elif one is lost:
            row |= {"status": "DISABLED", "lastSync": written(now - timedelta(days=6))}
        yield row
    if twice is not None:
        yield _earlier(twice, fleet.lives[twice.serial], now)
    if astray is not None:
        yield _stranger(astray, fleet.lives[astray.serial], now)
    yield {"kind": "admin#directory#chromeosdevice", "serialNumber": UNREADABLE, "status": "ACTIVE"}


def batteries(fleet: Fleet, now: datetime) -> Iterator[Row]:
    """Of those that were ever seen."""
    for one, life in fleet:
        if life.seen is not None:
            yield _telemetry(one, life, life.seen)


def off(fleet: Fleet) -> set[str]:
    """Ids of those that answer nothing these days."""
    _, lost, twice = fleet.awkward(3)
    silent = {name_of(VENDOR, one.serial) for one, life in fleet if not life.is_on or one is lost}
    earlier = {name_of(VENDOR, f"{twice.serial}/earlier")} if twice is not None else set()
    return silent | earlier | {UNREADABLE}


def _row(one: Owned, life: Life, device_id: str, now: datetime) -> Row:
    used = DISK * life.used // 100
    row = {
        "kind": "admin#directory#chromeosdevice",
        "etag": f'"{life.number}"',
        "deviceId": device_id,
        "serialNumber": one.serial,
        "status": "ACTIVE",
        "lastSync": NEVER if life.seen is None else written(life.seen),
        "model": one.model,
        "osVersion": f"{140 + life.number % 4}.0.{7300 + life.number % 4 * 50}.{life.number % 90}",
        "macAddress": mac_of(life),
        "lastEnrollmentTime": f"{now.year - 1 - life.number % 3}-08-{1 + life.number % 20:02}T14:30:00.000Z",
        "orgUnitPath": unit_of(one.school),
        "autoUpdateThrough": f"{now.year + (0, 2, 4, 6)[life.number % 4]}-06-30",
        "osVersionCompliance": "compliant" if life.number % 4 else "notCompliant",
        "annotatedAssetId": one.tag,
        "lastKnownNetwork": [{"ipAddress": address_of(life), "wanIpAddress": "203.0.113.40"}],
        "diskSpaceUsage": {"capacityBytes": str(DISK), "usedBytes": str(used)},
    }
    if one.email is not None:
        row |= {
            "annotatedUser": one.email,
            "recentUsers": [{"type": "USER_TYPE_MANAGED", "email": one.email}],
        }
    return row


def _earlier(one: Owned, life: Life, now: datetime) -> Row:
    """What an enrolment that nobody took away has left behind."""
    row = _row(one, life, name_of(VENDOR, f"{one.serial}/earlier"), now)
    del row["annotatedAssetId"]
    return row | {"lastSync": written(now - timedelta(days=12))}


def _stranger(like: Owned, life: Life, now: datetime) -> Row:
    row = _row(like, life, name_of(VENDOR, STRANGER), now)
    return row | {
        "serialNumber": STRANGER,
        "annotatedAssetId": STRANGERS_TAG,
        "macAddress": f"{mac_of(life)[:-2]}fe",
        "lastEnrollmentTime": written(now - timedelta(days=2)),
        "lastSync": written(now - timedelta(hours=3)),
    }


def _telemetry(one: Owned, life: Life, at: datetime) -> Row:
    device_id, battery = name_of(VENDOR, one.serial), f"BAT-{one.serial}"
    full = DESIGNED * life.health // 100
    sample = {"reportTime": written(at), "remainingCapacity": str(full * life.charge // 100)}
    return {
        "name": f"customers/C03fb0001/telemetry/devices/{device_id}",
        "customer": "C03fb0001",
        "deviceId": device_id,
        "serialNumber": one.serial,
        "batteryInfo": [{"serialNumber": battery, "designCapacity": str(DESIGNED)}],
        "batteryStatusReport": [
            {
                "reportTime": written(at),
                "serialNumber": battery,
                "cycleCount": life.cycles,
                "fullChargeCapacity": str(full),
                "sample": [sample],
            }
        ],
    }
