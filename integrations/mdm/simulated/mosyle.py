"""A simulated Mosyle Manager with an invented school: login by a header, one list for each system in pages,
commands that answer "OK" whatever they say inside, and records written by serial number.

`first_page` is the number of the first page (1, or 0 with a page 1 of its own); `array_form` wraps a list as
the sister API does. Commands take effect after `TAKES` by the simulator's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.mdm.simulated.mosyle_school import COLUMNS, school
from integrations.mdm.simulated.server import Answer, Asked, Clock, Simulator

ACCESS = "simulated-mosyle-access-token"
EMAIL = "api@pine.example.org"
PASSWORD = "Larch&Alder 9"  # noqa: S105
LIFE = timedelta(hours=24)
TAKES = timedelta(minutes=2)
BULK = frozenset(
    {"restart_devices", "shutdown_devices", "lock_device", "wipe_devices", "move_device_account"}
)
LOST = frozenset({"enable", "disable", "play_sound", "request_location"})


class SimulatedMosyle(Simulator):
    """`page_size` devices a page; `allowed` false refuses every command inside its "OK"."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.devices: dict[str, dict[str, Any]] = {
            each["deviceudid"]: each for each in school(self.clock.now)
        }
        self.users = {"byron": "ada.byron@pine.example.org", "hopper": "grace.hopper@pine.example.org"}
        self.accounts = {"1", "2"}
        self.page_size = 3
        self.first_page = 1
        self.array_form = False
        self.repeats_rows = True
        self.allowed = True
        self._tokens: dict[str, datetime] = {}
        self._due: list[tuple[datetime, str, dict[str, Any]]] = []
        self.on("POST", "/v2/login", self._login)
        self.on("POST", "/v2/listdevices", self._let_in(self._list))
        self.on("POST", "/v2/bulkops", self._let_in(self._bulk))
        self.on("POST", "/v2/lostmode", self._let_in(self._lost_mode))
        self.on("POST", "/v2/devices", self._let_in(self._write))
        self.on("POST", "/v2/users", self._let_in(self._assign))

    def _login(self, asked: Asked) -> Answer:
        body = asked.json() or {}
        if (body.get("accessToken"), body.get("email"), body.get("password")) != (ACCESS, EMAIL, PASSWORD):
            return Answer(401, {"status": "ERROR"})
        token = f"simulated.mosyle.jwt{len(self._tokens)}"
        self._tokens[token] = self.clock.now + LIFE
        return Answer(200, {"UserID": "15", "email": EMAIL}, {"Authorization": f"Bearer {token}"})

    def _let_in(self, handler: Callable[[dict[str, Any]], Answer]) -> Callable[[Asked], Answer]:
        def handled(asked: Asked) -> Answer:
            body = asked.json() or {}
            token = self._tokens.get(asked.bearer or "", self.clock.now)
            if token <= self.clock.now or body.get("accessToken") != ACCESS:
                return Answer(401, {"status": "ERROR"})
            self._progress()
            return handler(body)

        return handled

    def _list(self, body: dict[str, Any]) -> Answer:
        options = body["options"]
        columns = options.get("specific_columns")
        if columns is not None and not set(columns) <= COLUMNS:
            return _said("UNKNOWN_COLUMNS")
        rows = [row for row in self.devices.values() if row["os"] == options["os"]]
        if "serial_numbers" in options:
            rows = [row for row in rows if row["serial_number"] in options["serial_numbers"]]
        number = int(options.get("page", self.first_page))
        start = max(0, number - self.first_page) * self.page_size
        page = rows[start : start + self.page_size]
        if page and start and self.repeats_rows:
            page = [rows[start - 1], *page]
        if not page:
            return _said("DEVICES_NOTFOUND", devices_notfound=[])
        listed = {
            "devices": [_columns(row, columns) for row in page],
            "rows": str(len(rows)),
            "page_size": self.page_size,
            "page": number,
        }
        return Answer(200, {"status": "OK", "response": [listed] if self.array_form else listed})

    def _bulk(self, body: dict[str, Any]) -> Answer:
        return self._commanded(body["elements"][0], BULK)

    def _lost_mode(self, body: dict[str, Any]) -> Answer:
        element = body["elements"][0]
        if element["operation"] == "enable" and not element.get("message"):
            return _said("MISSING_DATA", info="Missing key: message")
        return self._commanded(element, LOST)

    def _commanded(self, element: dict[str, Any], known: frozenset[str]) -> Answer:
        if not self.allowed:
            return _said("NOT_ALLOWED")
        if element.get("operation") not in known or not element.get("devices"):
            return _said("MISSING_DATA", info="Missing key: devices")
        if "AccountID" in element and str(element["AccountID"]) not in self.accounts:
            return _said("ACCOUNT_NOTFOUND")
        missing = [udid for udid in element["devices"] if udid not in self.devices]
        found = [udid for udid in element["devices"] if udid in self.devices]
        for udid in found:
            self._take(udid, element)
        if missing and not found:
            return _said("ERROR", info="The device selected is not valid.", devices_notfound=missing)
        return _said(
            "COMMAND_SENT", info="Command sent.", **({"devices_notfound": missing} if missing else {})
        )

    def _take(self, udid: str, element: dict[str, Any]) -> None:
        self.effects.append((element["operation"], udid))
        self._due.append((self.clock.now + TAKES, udid, element))

    def _write(self, body: dict[str, Any]) -> Answer:
        written = []
        for element in body["elements"]:
            for row in self.devices.values():
                if row["serial_number"] == element["serialnumber"]:
                    written.append(element["serialnumber"])
                    self.effects.append(("devices", element["serialnumber"]))
                    if "asset_tag" in element:
                        row["asset_tag"] = element["asset_tag"]
                    if "name" in element:
                        self._due.append((self.clock.now + TAKES, row["deviceudid"], element))
        if not written:
            return _said("DEVICES_NOTFOUND")
        return Answer(200, {"status": "OK", "devices": written})

    def _assign(self, body: dict[str, Any]) -> Answer:
        element = body["elements"][0]
        rows = [row for row in self.devices.values() if row["serial_number"] == element["serial_number"]]
        if element["id"] not in self.users:
            return _said("USERS_NOTFOUND")
        if not rows:
            return _said("DEVICES_NOTFOUND")
        for row in rows:
            self.effects.append(("assign_device", row["serial_number"]))
            row |= {"userid": element["id"], "useremail": self.users[element["id"]], "status": "IN"}
        return _said("COMMAND_SENT")

    def _progress(self) -> None:
        """What has reached the devices by now."""
        due = [each for each in self._due if each[0] <= self.clock.now]
        self._due = [each for each in self._due if each[0] > self.clock.now]
        for at, udid, element in due:
            if udid in self.devices:
                self._reach(self.devices[udid], element)
                self.devices[udid]["date_last_beat"] = str(int(at.timestamp()))

    def _reach(self, row: dict[str, Any], element: Mapping[str, Any]) -> None:
        operation = element.get("operation")
        if "name" in element:
            row["device_name"] = element["name"]
        elif operation == "enable":
            row |= {"lostmode_status": "ENABLED", "latitude": "42.01", "longitude": "-71.02"}
        elif operation == "disable":
            row["lostmode_status"] = "DISABLED"
        elif operation == "move_device_account":
            row["idaccount"] = str(element["AccountID"])
        elif operation == "wipe_devices":
            row["status"] = "LIMBO"


def _said(status: str, **more: Any) -> Answer:
    return Answer(200, {"status": "OK", "response": [{"status": status, **more}]})


def _columns(row: Mapping[str, Any], columns: list[str] | None) -> dict[str, Any]:
    return {name: value for name, value in row.items() if columns is None or name in columns}
