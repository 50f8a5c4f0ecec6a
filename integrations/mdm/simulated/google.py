"""A simulated Google: the token endpoint, the Directory API's ChromeOS devices, telemetry of batteries.

Paths, parameters and shapes are those of the discovery documents (revision 20261104), errors those of
Google's JSON error format. Texts of errors are invented. A command is seen by its device after a step (30
seconds of the clock), acknowledged after two, executed after three; a device that is off lets it expire after
ten minutes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations.mdm.simulated import google_school
from integrations.mdm.simulated.google_tokens import acceptable, signed_claims
from integrations.mdm.simulated.server import Answer, Asked, Clock, Simulator

SCOPES = "https://www.googleapis.com/auth/"
READ = f"{SCOPES}admin.directory.device.chromeos.readonly"
WRITE = f"{SCOPES}admin.directory.device.chromeos"
TELEMETRY = f"{SCOPES}chrome.management.telemetry.readonly"
ALL = frozenset({READ, WRITE, TELEMETRY})
LIST = "/admin/directory/v1/customer/{customer}/devices/chromeos"
TELEMETRY_LIST = "/v1/customers/{customer}/telemetry/devices"
PAGE_TOKEN_LIVES = timedelta(minutes=10)
EXPIRES = timedelta(minutes=10)
COMMANDS = frozenset(
    {
        "REBOOT",
        "TAKE_A_SCREENSHOT",
        "SET_VOLUME",
        "WIPE_USERS",
        "REMOTE_POWERWASH",
        "DEVICE_START_CRD_SESSION",
        "CAPTURE_LOGS",
        "FETCH_CRD_AVAILABILITY_INFO",
        "FETCH_SUPPORT_PACKET",
    }
)
KIOSK_ONLY = frozenset({"TAKE_A_SCREENSHOT", "SET_VOLUME", "CAPTURE_LOGS"})
STATUS_AFTER = {"DISABLE": "DISABLED", "REENABLE": "ACTIVE", "DEPROVISION": "DEPROVISIONED"}
LONGEST = {
    "annotatedUser": 100,
    "annotatedAssetId": 200,
    "annotatedLocation": 200,
    "notes": 500,
    "orgUnitPath": 1000,
    "orgUnitId": 100,
}


class Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def error(code: int, reason: str, message: str, status: str | None = None) -> Answer:
    """Google's error body, with the reason of old and, where given, the status of new."""
    body: dict[str, Any] = {
        "code": code,
        "message": message,
        "errors": [{"domain": "global", "reason": reason, "message": message}],
    }
    if status is not None:
        body["status"] = status
    return Answer(code, {"error": body})


UNAUTHORISED = error(401, "authError", "Request had invalid authentication credentials.", "UNAUTHENTICATED")
NOT_ALLOWED = error(403, "forbidden", "Not Authorized to access this resource/api")
WRONG_SCOPE = error(403, "insufficientPermissions", "Insufficient Permission", "PERMISSION_DENIED")
TOO_FAST = error(403, "userRateLimitExceeded", "Quota exceeded for quota metric Queries per minute per user")
BROKEN = error(503, "backendError", "Backend Error", "UNAVAILABLE")


class SimulatedGoogle(Simulator):
    """`delegated` are the scopes that the account may ask for; `privileges` those that the administrator's
    role really has; `page` devices go on a page at most; `quota` requests a minute are answered; `off`
    devices take no command, `failing` ones fail at it; `without_licence` refuses to enable.
    """

    def __init__(
        self,
        key: rsa.RSAPublicKey,
        clock: Clock | None = None,
        *,
        delegated: frozenset[str] = ALL,
        privileges: frozenset[str] = ALL,
        page: int = 4,
        quota: int | None = None,
        step: timedelta = timedelta(seconds=30),
    ) -> None:
        super().__init__(clock)
        self.key, self.delegated, self.privileges, self.page, self.quota = (
            key,
            delegated,
            privileges,
            page,
            quota,
        )
        self.devices = {each["deviceId"]: each for each in google_school.devices()}
        self.telemetry = {each["deviceId"]: each for each in google_school.batteries()}
        self.units = dict(google_school.UNITS)
        self.commands: dict[str, dict[str, Any]] = {}
        self.off: set[str] = set()
        self.failing: set[str] = set()
        self.step = step
        self.without_licence = False
        self.tokens: dict[str, tuple[str, datetime]] = {}
        self._minute: tuple[datetime, int] = (self.clock.now, 0)
        self.on("POST", "/token", self._token)
        one = f"{LIST}/{{device}}"
        self.on("GET", LIST, self._for(self._list, READ, WRITE))
        self.on("GET", f"{LIST}:countChromeOsDevices", self._for(self._count, READ, WRITE))
        self.on("POST", f"{LIST}:batchChangeStatus", self._for(self._change, WRITE))
        self.on("POST", f"{LIST}/moveDevicesToOu", self._for(self._move, WRITE))
        self.on("POST", f"{one}:issueCommand", self._for(self._issue, WRITE))
        self.on("GET", f"{one}/commands/{{command}}", self._for(self._command, READ, WRITE))
        self.on("GET", one, self._for(self._one, READ, WRITE))
        self.on("PATCH", one, self._for(self._patch, WRITE))
        self.on("GET", TELEMETRY_LIST, self._for(self._batteries, TELEMETRY))
        self.on("GET", f"{TELEMETRY_LIST}/{{device}}", self._for(self._battery, TELEMETRY))

    def missing(self, asked: Asked) -> Answer:
        return error(404, "notFound", "Not Found", "NOT_FOUND")

    def _for(self, handler: Callable[[Asked], Answer], *scopes: str) -> Callable[[Asked], Answer]:
        """The handler behind who may: token, scope, role, quota."""

        def guarded(asked: Asked) -> Answer:
            scope, ends = self.tokens.get(asked.bearer or "", ("", self.clock.now))
            if ends <= self.clock.now:
                return UNAUTHORISED
            if scope not in scopes:
                return WRONG_SCOPE
            if scope not in self.privileges:
                return NOT_ALLOWED
            if self._too_fast():
                return TOO_FAST
            try:
                return handler(asked)
            except Refused as refusal:
                return refusal.answer
            except orjson.JSONDecodeError:
                return error(400, "parseError", "Parse Error", "INVALID_ARGUMENT")

        return guarded

    def _too_fast(self) -> bool:
        began, count = self._minute
        if self.clock.now - began >= timedelta(minutes=1):
            began, count = self.clock.now, 0
        self._minute = (began, count + 1)
        return self.quota is not None and count >= self.quota

    def _token(self, asked: Asked) -> Answer:
        form = asked.form()
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return Answer(400, {"error": "unsupported_grant_type"})
        claims = signed_claims(form.get("assertion", ""), self.key)
        if claims is None or not acceptable(claims, self.clock.now.timestamp()):
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT."})
        scopes = str(claims.get("scope", "")).split()
        if not scopes or not self.delegated.issuperset(scopes):
            said = "Client is unauthorized to retrieve access tokens using this method."
            return Answer(401, {"error": "unauthorized_client", "error_description": said})
        token = f"ya29.simulated-{len(self.tokens) + 1:04d}-{scopes[0].rpartition('/')[2]}"
        self.tokens[token] = (scopes[0], self.clock.now + timedelta(seconds=3599))
        return Answer(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _list(self, asked: Asked) -> Answer:
        if asked.query.get("projection", "BASIC") not in ("BASIC", "FULL"):
            return error(400, "invalid", "Invalid value for: projection")
        found = [each for each in self.devices.values() if _meets(each, asked.query.get("query", ""))]
        most = min(_size(asked, "maxResults", 100, 300), self.page)
        begin = self._begin(asked)
        body: dict[str, Any] = {"kind": "admin#directory#chromeosdevices", "etag": '"list"'}
        here = [self._shown(each, asked) for each in found[begin : begin + most]]
        if here:
            body["chromeosdevices"] = here
        if begin + most < len(found):
            body["nextPageToken"] = self._page_token(begin + most)
        mask = asked.query.get("fields")
        return Answer(200, _masked(body, mask) if mask else body)

    def _shown(self, device: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """BASIC leaves out what is read from the device itself."""
        if asked.query.get("projection") == "FULL":
            return dict(device)
        full_only = (
            "recentUsers",
            "lastKnownNetwork",
            "diskSpaceUsage",
            "diskVolumeReports",
            "cpuStatusReports",
        )
        return {name: value for name, value in device.items() if name not in full_only}

    def _page_token(self, begin: int) -> str:
        ends = self.clock.now + PAGE_TOKEN_LIVES
        return base64.urlsafe_b64encode(f"{begin}|{ends.timestamp()}".encode()).decode()

    def _begin(self, asked: Asked) -> int:
        token = asked.query.get("pageToken")
        if token is None:
            return 0
        try:
            begin, ends = base64.urlsafe_b64decode(token).decode().split("|")
            if float(ends) > self.clock.now.timestamp():
                return int(begin)
        except ValueError:
            pass
        raise Refused(error(400, "invalid", "Invalid Value: pageToken"))

    def _count(self, asked: Asked) -> Answer:
        found = [each for each in self.devices.values() if _meets(each, asked.query.get("filter", ""))]
        return Answer(200, {"count": str(len(found))})

    def _one(self, asked: Asked) -> Answer:
        device = self._shown(self._found(asked.at["device"]), asked)
        mask = asked.query.get("fields")
        return Answer(
            200, {name: device[name] for name in mask.split(",") if name in device} if mask else device
        )

    def _found(self, device_id: str) -> dict[str, Any]:
        device = self.devices.get(device_id)
        if device is None:
            raise Refused(error(404, "notFound", "Resource Not Found: deviceId"))
        return device

    def _patch(self, asked: Asked) -> Answer:
        device, wanted = self._found(asked.at["device"]), asked.json()
        if not isinstance(wanted, dict) or not LONGEST.keys() >= wanted.keys():
            return error(400, "invalid", "Invalid Input")
        if any(not isinstance(value, str) or len(value) > LONGEST[name] for name, value in wanted.items()):
            return error(400, "invalidInput", "Invalid Input: too long")
        for name, value in wanted.items():
            device[name] = value
            if not value:
                del device[name]
            self.effects.append(("patched", device["deviceId"], name, value))
        return Answer(200, dict(device))

    def _move(self, asked: Asked) -> Answer:
        """Unknown devices are passed over in silence, as Google does."""
        wanted, body = asked.query.get("orgUnitPath", ""), asked.json()
        unit = next((each for each in self.units.items() if wanted in each), None)
        if unit is None or not _ids(body):
            return error(400, "invalidInput", "Invalid Input: INVALID_OU_ID")
        for device_id in _ids(body):
            if device_id in self.devices:
                self.devices[device_id] |= {"orgUnitPath": unit[0], "orgUnitId": unit[1]}
                self.effects.append(("moved", device_id, unit[0]))
        return Answer(204)

    def _change(self, asked: Asked) -> Answer:
        body = asked.json()
        said = str(body.get("changeChromeOsDeviceStatusAction", "")) if isinstance(body, dict) else ""
        action = said.removeprefix("CHANGE_CHROME_OS_DEVICE_STATUS_ACTION_")
        leaves = isinstance(body, dict) and "deprovisionReason" in body
        if action not in STATUS_AFTER or not _ids(body) or leaves != (action == "DEPROVISION"):
            return error(400, "badRequest", "Bad Request", "INVALID_ARGUMENT")
        results = [{"deviceId": each, **self._changed(each, action)} for each in _ids(body)]
        return Answer(200, {"changeChromeOsDeviceStatusResults": results})

    def _changed(self, device_id: str, action: str) -> dict[str, Any]:
        device = self.devices.get(device_id)
        if device is None:
            return {"error": {"code": 5, "message": "Device not found."}}
        if device["status"] == "DEPROVISIONED":
            return {"error": {"code": 9, "message": "The device is deprovisioned."}}
        if action == "REENABLE" and self.without_licence:
            return {"error": {"code": 9, "message": "Delinquent account."}}
        device["status"] = STATUS_AFTER[action]
        if action == "DEPROVISION":
            device.pop("orgUnitPath", None)
            device.pop("orgUnitId", None)
        self.effects.append(("status", device_id, device["status"]))
        return {"response": {}}

    def _issue(self, asked: Asked) -> Answer:
        device, body = self._found(asked.at["device"]), asked.json()
        kind = body.get("commandType") if isinstance(body, dict) else None
        if kind not in COMMANDS or not _payload_is_good(kind, body.get("payload")):
            return error(400, "invalid", "Invalid value at 'command_type' or 'payload'", "INVALID_ARGUMENT")
        if kind in KIOSK_ONLY or device["status"] not in ("ACTIVE", "DISABLED"):
            return error(400, "invalidArgument", "The command cannot be issued to this device.")
        number = str(1_789_000_000_000 + len(self.commands))
        self.commands[number] = {
            "commandId": number,
            "type": kind,
            "issueTime": _stamp(self.clock.now),
            "commandExpireTime": _stamp(self.clock.now + EXPIRES),
            "deviceId": device["deviceId"],
            **({"payload": body["payload"]} if "payload" in body else {}),
        }
        self.effects.append(("issued", device["deviceId"], kind))
        return Answer(200, {"commandId": number})

    def _command(self, asked: Asked) -> Answer:
        kept = self.commands.get(asked.at["command"])
        if kept is None or kept["deviceId"] != asked.at["device"]:
            return error(404, "notFound", "Resource Not Found: commandId")
        shown = {name: value for name, value in kept.items() if name != "deviceId"}
        return Answer(200, shown | self._progress(kept))

    def _progress(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        issued = datetime.fromisoformat(kept["issueTime"])
        age = self.clock.now - issued
        if kept["deviceId"] in self.off:
            return {"state": "EXPIRED" if age >= EXPIRES else "PENDING"}
        if age < 3 * self.step:
            return {"state": ("PENDING", "SENT_TO_CLIENT", "ACKED_BY_CLIENT")[max(0, age // self.step)]}
        result: dict[str, str] = {"executeTime": _stamp(issued + 3 * self.step)}
        if kept["deviceId"] in self.failing:
            result |= {"result": "FAILURE", "errorMessage": "The device could not do it."}
        else:
            result["result"] = "SUCCESS"
            if kept["type"] in ("WIPE_USERS", "REMOTE_POWERWASH"):
                self.devices[kept["deviceId"]].pop("recentUsers", None)
        return {"state": "EXECUTED_BY_CLIENT", "commandResult": result}

    def _batteries(self, asked: Asked) -> Answer:
        names = _read_mask(asked)
        most, begin = min(_size(asked, "pageSize", 100, 1000), self.page // 2 or 1), self._begin(asked)
        found = list(self.telemetry.values())
        body: dict[str, Any] = {}
        if here := [_only(each, names) for each in found[begin : begin + most]]:
            body["devices"] = here
        if begin + most < len(found):
            body["nextPageToken"] = self._page_token(begin + most)
        return Answer(200, body)

    def _battery(self, asked: Asked) -> Answer:
        names = _read_mask(asked)
        found = self.telemetry.get(asked.at["device"])
        if found is None:
            return error(404, "notFound", "Requested entity was not found.", "NOT_FOUND")
        return Answer(200, _only(found, names))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _size(asked: Asked, name: str, usual: int, most: int) -> int:
    said = asked.query.get(name, str(usual))
    if not said.isdecimal() or not 1 <= int(said) <= most:
        raise Refused(error(400, "invalid", f"Invalid value for: {name}"))
    return int(said)


def _read_mask(asked: Asked) -> list[str]:
    mask = asked.query.get("readMask")
    if not mask:
        raise Refused(error(400, "badRequest", "readMask is required.", "INVALID_ARGUMENT"))
    return mask.split(",")


def _only(raw: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: raw[name] for name in names if name in raw}


def _ids(body: object) -> list[str]:
    listed = body.get("deviceIds") if isinstance(body, dict) else None
    return listed if isinstance(listed, list) and 1 <= len(listed) <= 50 else []


def _payload_is_good(kind: str, payload: object) -> bool:
    """A string of JSON; only some commands take one."""
    if payload is None:
        return True
    if kind != "REBOOT" or not isinstance(payload, str):
        return False
    said = orjson.loads(payload)
    delay = said.get("user_session_delay_seconds") if isinstance(said, dict) else None
    return isinstance(delay, int) and 0 <= delay <= 300


def _meets(device: Mapping[str, Any], query: str) -> bool:
    """`id:` (a part of the serial number, three characters or more) and `sync:` (days)."""
    name, _, value = query.partition(":")
    if name == "id":
        return len(value) >= 3 and value.lower() in device.get("serialNumber", "").lower()
    if name == "sync":
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?", value)
        day = device.get("lastSync", "")[:10]
        return bool(found and day and (found[1] or "") <= day <= (found[2] or "9999"))
    if query:
        raise Refused(error(400, "invalidInput", f"Invalid Input: Bad request for {name}"))
    return True


def _masked(body: Mapping[str, Any], mask: str) -> dict[str, Any]:
    """A partial response: names, and for the devices names in brackets."""
    inner = re.search(r"chromeosdevices\(([^)]*)\)", mask)
    names = set(re.sub(r"\([^)]*\)", "", mask).split(","))
    kept = {name: value for name, value in body.items() if name in names}
    if inner and "chromeosdevices" in kept:
        kept["chromeosdevices"] = [_only(each, inner[1].split(",")) for each in kept["chromeosdevices"]]
    return kept
