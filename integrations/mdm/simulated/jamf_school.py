"""A simulated Jamf School with an invented school: one list without pages, a record of another shape,
commands without an id, and a key whose rights go by HTTP verb.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.mdm.simulated.server import Answer, Asked, Clock, Simulator

NETWORK = "10482337"
KEY = "ROWAN7KEYSIMULATED5HEDGE"
TAKES = timedelta(minutes=1)
LOCATIONS = {0: "Rowan District", 1: "Rowan Primary", 2: "Rowan High"}


class SimulatedJamfSchool(Simulator):
    """`verbs` are the HTTP verbs that the key may use. A device does what it was told `TAKES` later by the
    simulator's clock, one that is `off` never; `newer` servers wrap asset tags and enrolment types in
    objects.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.devices = {row["UDID"]: row for row in school(self.clock.now)}
        self.locations = dict(LOCATIONS)
        self.off: set[str] = set()
        self.users = {101: "ada.byron@rowan.example.org", 102: "Grace.H@Rowan.example.org"}
        self.verbs = {"GET", "POST", "PUT"}
        self.newer = False
        self._due: list[tuple[datetime, Callable[[], object]]] = []
        self.on("GET", "/api/locations", self._locations)
        self.on("GET", "/api/users", self._users)
        self.on("GET", "/api/devices", self._list)
        self.on("GET", "/api/devices/{udid}", self._one)
        self.on("POST", "/api/devices/{udid}/details", self._details)
        self.on("POST", "/api/devices/{udid}/{command}", self._command)
        self.on("PUT", "/api/devices/{udid}/owner", self._owner)
        self.on("PUT", "/api/devices/{udid}/migrate", self._migrate)

    async def answer(self, asked: Asked) -> Answer:
        """Without the version of the protocol no address is known."""
        basic = base64.b64encode(f"{NETWORK}:{KEY}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return Answer(401, {"code": 401, "message": "Unauthorized"})
        if asked.headers.get("x-server-protocol-version") != "3":
            return self.missing(asked)
        if asked.method not in self.verbs:
            words = f"Requested method ({asked.method}) not allowed using this API key"
            return Answer(405, {"error": {"code": 405, "message": words}})
        self._progress()
        return await super().answer(asked)

    def missing(self, asked: Asked) -> Answer:
        return Answer(404, b"404 page not found", {"content-type": "text/plain"})

    def _locations(self, asked: Asked) -> Answer:
        rows = [
            {"id": number, "name": name, "isDistrict": not number} for number, name in self.locations.items()
        ]
        return Answer(200, {"locations": rows})

    def _users(self, asked: Asked) -> Answer:
        rows = [{"id": number, "email": email} for number, email in self.users.items()]
        return Answer(200, {"code": 200, "count": len(rows), "users": rows})

    def _list(self, asked: Asked) -> Answer:
        wanted = asked.query.get("serialnumber", "").casefold()
        rows = [
            row for row in self.devices.values() if not wanted or row["serialNumber"].casefold() == wanted
        ]
        return Answer(200, {"code": 200, "count": len(rows), "devices": rows})

    def _one(self, asked: Asked) -> Answer:
        row = self.devices.get(asked.at["udid"])
        return Answer(200, {"code": 200, "device": detail(row, newer=self.newer)}) if row else unknown()

    def _details(self, asked: Asked) -> Answer:
        row = self.devices.get(asked.at["udid"])
        if row is None:
            return unknown()
        self.effects.append(("details", row["UDID"], str(asked.json())))
        row |= asked.json()
        return Answer(200, {"code": 200, "message": "DeviceDetailsSaved"})

    def _owner(self, asked: Asked) -> Answer:
        row, number = self.devices.get(asked.at["udid"]), asked.json()["user"]
        if row is None or (number and number not in self.users):
            return unknown()
        self.effects.append(("owner", row["UDID"], str(number)))
        row["owner"] = owner(number, self.users.get(number, ""))
        return Answer(200, {"code": 200, "message": "DeviceOwnerSaved"})

    def _migrate(self, asked: Asked) -> Answer:
        row, place = self.devices.get(asked.at["udid"]), asked.json()["locationId"]
        if row is None or place not in self.locations:
            return unknown()
        self.effects.append(("migrate", row["UDID"], str(place)))
        row["locationId"] = place
        return Answer(202, {"code": 202, "message": "DeviceMigrated"})

    def _command(self, asked: Asked) -> Answer:
        row, command = self.devices.get(asked.at["udid"]), asked.at["command"]
        if row is None:
            return unknown()
        if command not in ("restart", "wipe", "refresh", "unenroll"):
            return self.missing(asked)
        self.effects.append((command, row["UDID"], str(asked.json())))
        due = self.clock.now + TAKES
        if row["UDID"] not in self.off:
            self._due.append((due, lambda: _obeyed(row, command, due)))
        return Answer(200, {"message": f"Device{command.capitalize()}Scheduled", "device": row["UDID"]})

    def _progress(self) -> None:
        done = [each for each in self._due if each[0] <= self.clock.now]
        self._due = [each for each in self._due if each not in done]
        for _, does in done:
            does()


def _obeyed(row: dict[str, Any], command: str, at: datetime) -> None:
    if command in ("wipe", "unenroll"):
        row["isManaged"] = False
    else:
        row["lastCheckin"] = row["modified"] = _written(at)


def unknown() -> Answer:
    return Answer(404, {"code": 404, "message": "DeviceNotFound"})


def owner(number: int, email: str) -> dict[str, Any]:
    """Nobody is number 0 without a name."""
    if not number:
        return {"id": 0, "locationId": 0, "name": "", "vpp": []}
    return {"id": number, "locationId": 1, "username": email, "email": email, "name": email, "vpp": []}


def detail(row: Mapping[str, Any], *, newer: bool = False) -> dict[str, Any]:
    """The record read alone: nobody is an empty owner, the network is flat, the check-in an object."""
    network, moved = row["networkInformation"], ("networkInformation", "enrollType", "depProfile")
    kept = {
        name: value for name, value in row.items() if name not in (*moved, "owner", "iTunesStoreLoggedIn")
    }
    kind, tag = row["enrollType"], row["assetTag"]
    return {
        **kept,
        "inTrash": row.get("inTrash", False),
        "owner": row["owner"] if row["owner"]["id"] else {},
        "assetTag": {"value": tag} if newer else tag,
        "deviceEnrollType": {"value": kind} if newer else kind,
        "deviceDepProfile": row["depProfile"],
        "model": {**row["model"], "type": {"value": row["model"]["type"]}},
        "passcodeCompliant": 1,
        "WiFiMAC": network["WiFiMAC"],
        "bluetoothMAC": network["BluetoothMAC"],
        "IPAddress": network["IPAddress"],
        "lastCheckin": _when(row["lastCheckin"], newer=newer),
    }


def _when(written: str, *, newer: bool) -> dict[str, Any] | None:
    if not written:
        return None
    if newer:
        at = datetime.fromisoformat(written).replace(tzinfo=UTC)
        return {"date": written, "epoch": int(at.timestamp())}
    return {"date": f"{written}.000000", "timezone_type": 3, "timezone": "UTC"}


def school(now: datetime) -> Iterator[dict[str, Any]]:
    """Awkward ones: location 0, nobody's, a placeholder for a serial number, one serial number twice,
    pending, in the trash, not managed, never checked in, no charge known, an address in upper case, one that
    is not supervised.
    """
    yield _row(1, now, email="ada.byron@rowan.example.org")
    yield _row(2, now, email="GRACE.H@Rowan.Example.org", name="Zoë Füße iPad", assetTag="RW-2")
    yield _row(3, now, locationId=0)
    yield _row(4, now, locationId=2, **_mac())
    yield _row(5, now, serialNumber="N/A", email="the library")
    yield _row(6, now, serialNumber="RWS00006", enrollType="depPending", isManaged=False)
    yield _row(7, now, serialNumber="RWS00006", isManaged=False, inTrash=True)
    yield _row(8, now, lastCheckin="", modified="", batteryLevel=-1.0)
    yield _row(9, now, isManaged=False, days=40)
    yield _row(10, now, locationId=7, isSupervised=False, batteryLevel=0.57)
    yield _row(11, now, **_apple_tv())


def _row(number: int, now: datetime, *, email: str = "", days: float = 0, **said: Any) -> dict[str, Any]:
    seen = _written(now - timedelta(days=days, minutes=13 * number))
    return {
        "UDID": f"00008110-{number:016X}" if number % 2 else f"{number:040x}",
        "locationId": 1,
        "serialNumber": f"RWS{number:05d}",
        "assetTag": "",
        "class": "ipad",
        "model": {"name": "iPad (10th generation)", "identifier": "iPad13,18", "type": "iPad"},
        "os": {"prefix": "iPadOS", "version": "26.1"},
        "name": f"Cart-{number:02d}",
        "owner": owner(100 + number if email else 0, email),
        "isManaged": True,
        "isSupervised": True,
        "enrollType": "dep",
        "depProfile": None,
        "groups": ["All iPads"],
        "batteryLevel": 0.8,
        "totalCapacity": 64.0,
        "availableCapacity": 30.5,
        "region": {"string": "", "coordinates": None},
        "notes": "",
        "lastCheckin": seen,
        "modified": seen,
        "networkInformation": {
            "IPAddress": f"10.31.0.{number}",
            "BluetoothMAC": f"02:5c:00:00:01:{number:02x}",
            "WiFiMAC": f"02:5c:00:00:00:{number:02x}",
        },
        **said,
    }


def _mac() -> dict[str, Any]:
    return {
        "class": "mac",
        "model": {"name": "MacBook Air (M1, 2020)", "identifier": "MacBookAir10,1", "type": "Mac"},
        "os": {"prefix": "macOS", "version": "15.7.2"},
    }


def _apple_tv() -> dict[str, Any]:
    return {
        "class": "appletv",
        "model": {"name": "Apple TV 4K", "identifier": "AppleTV14,1", "type": "Apple TV"},
        "os": {"prefix": "tvOS", "version": "26.1"},
    }


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
