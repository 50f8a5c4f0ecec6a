"""The demo's tablets as Jamf School lists them, under version 3 of its protocol. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from service.demo.management.fleet import Fleet, Life, Owned, Row, address_of, mac_of, name_of, said

VENDOR: Final = "jamf school"
REPLACEMENT: Final = "DMPX2K9QF8HT"
"""A new tablet that was given the tag of the one it replaces."""


def locations(schools: Mapping[str, str]) -> dict[int, str]:
    """Names by number; 0 is the district."""
    return {0: "District", **dict(enumerate(schools.values(), 1))}


def devices(fleet: Fleet, places: Mapping[int, str], now: datetime) -> Iterator[Row]:
    """Those of the inventory, one of them no longer managed, and one with the tag of another."""
    numbers = {name: number for number, name in places.items()}
    replaced, left = fleet.awkward(2)
    for one, life in fleet:
        row = _row(one, life, numbers[one.school])
        yield row | {"isManaged": False} if one is left else row
    if replaced is None:
        return
    life = fleet.lives[replaced.serial]
    seen = said(now - timedelta(hours=5))
    yield _row(replaced, life, numbers[replaced.school]) | {
        "UDID": name_of(VENDOR, REPLACEMENT),
        "serialNumber": REPLACEMENT,
        "name": f"{replaced.tag} new",
        "lastCheckin": seen,
        "modified": seen,
    }


def off(fleet: Fleet) -> set[str]:
    """Ids of those that answer nothing these days."""
    return {name_of(VENDOR, one.serial) for one, life in fleet if not life.is_on}


def _row(one: Owned, life: Life, place: int) -> Row:
    seen = "" if life.seen is None else said(life.seen)
    mac = mac_of(life)
    colons = ":".join(mac[at : at + 2] for at in range(0, 12, 2))
    return {
        "UDID": name_of(VENDOR, one.serial),
        "locationId": place,
        "serialNumber": one.serial,
        "assetTag": one.tag,
        "class": "ipad",
        "model": {"name": one.model, "identifier": "Slatepad9,1", "type": "iPad"},
        "os": {"prefix": "iPadOS", "version": ("26.1", "26.0.1", "18.7")[life.number % 3]},
        "name": one.tag,
        "owner": {"id": 0, "locationId": 0, "name": "", "vpp": []},
        "isManaged": True,
        "isSupervised": True,
        "enrollType": "dep",
        "depProfile": None,
        "groups": ["Carts"],
        "batteryLevel": life.charge / 100,
        "totalCapacity": 64.0,
        "availableCapacity": round(64 * (100 - life.used) / 100, 1),
        "region": {"string": "", "coordinates": None},
        "notes": "",
        "lastCheckin": seen,
        "modified": seen,
        "networkInformation": {
            "IPAddress": address_of(life),
            "BluetoothMAC": f"{colons[:-2]}bb",
            "WiFiMAC": colons,
        },
    }
