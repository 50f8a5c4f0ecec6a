"""A simulated Microsoft Graph with an invented school's devices in Intune: sign-in, pages by link, filters
(which it can be told to ignore, as the real one at times does), actions with their log, and limits.

An action is pending for `PENDING`, then active until `DONE`, by the simulator's clock; `fates` says how it
ends for a device ("failed", "notSupported", "canceled"), and it is done otherwise. For one that is `off` it
stays pending.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson

from integrations.mdm.simulated.intune_school import school
from integrations.mdm.simulated.server import Answer, Asked, Clock, Simulator

TENANT = "0b7e6a52-1f0c-4a53-9d6e-5d2f8a1c9e40"
CLIENT = "7f3c2b10-9a4d-4c55-8e21-6b0d5f4a3c21"
SECRET = "pine~Cone.7Hill_secret"  # noqa: S105
READ = "DeviceManagementManagedDevices.Read.All"
EDIT = "DeviceManagementManagedDevices.ReadWrite.All"
ACT = "DeviceManagementManagedDevices.PrivilegedOperations.All"
PENDING = timedelta(minutes=1)
DONE = timedelta(minutes=5)
LIFE = timedelta(seconds=3599)
WINDOW = timedelta(seconds=20)

LOGGED = {"wipe": "factoryReset", "retire": "removeCompanyData"}
NO_BODY = frozenset(
    {
        "rebootNow",
        "shutDown",
        "remoteLock",
        "resetPasscode",
        "syncDevice",
        "retire",
        "locateDevice",
        "disableLostMode",
    }
)
BODIES: Mapping[str, frozenset[str]] = {
    "wipe": frozenset({"keepEnrollmentData", "keepUserData", "macOsUnlockCode", "persistEsimDataPlan"}),
    "enableLostMode": frozenset({"message", "phoneNumber", "footer"}),
    "playLostModeSound": frozenset({"durationInMinutes"}),
    "setDeviceName": frozenset({"deviceName"}),
    "sendCustomNotificationToCompanyPortal": frozenset({"notificationTitle", "notificationBody"}),
}
IN_V1 = NO_BODY | {"wipe"}
NOT_FOR: Mapping[str, tuple[str, ...]] = {
    "remoteLock": ("Windows",),
    "shutDown": ("Windows", "Android"),
    "enableLostMode": ("Windows", "Android", "macOS"),
    "resetPasscode": ("Windows", "macOS"),
}


class SimulatedIntune(Simulator):
    """`page_size` devices a page, `writes` actions in twenty seconds, `roles` of the application."""

    def __init__(
        self, clock: Clock | None = None, *, pending: timedelta = PENDING, done: timedelta = DONE
    ) -> None:
        super().__init__(clock)
        self.devices: dict[str, dict[str, Any]] = {each["id"]: each for each in school(self.clock.now)}
        self.page_size = 4
        self.writes = 200
        self.roles = {READ, ACT}
        self.ignores_filters = False
        self.repeats_rows = True
        self.fates: dict[str, str] = {}
        self.off: set[str] = set()
        self.pending, self.done = pending, done
        self._tokens: dict[str, datetime] = {}
        self._written: list[datetime] = []
        self.on("POST", "/{tenant}/oauth2/v2.0/token", self._sign_in)
        self.on("GET", "/v1.0/deviceManagement/managedDevices", self._list)
        self.on("GET", "/v1.0/deviceManagement/managedDevices/{id}", self._one)
        self.on("GET", "/beta/deviceManagement/managedDevices/{id}", self._hardware)
        self.on("POST", "/{version}/deviceManagement/managedDevices/{id}/{action}", self._act)

    def missing(self, asked: Asked) -> Answer:
        return fault(400, "BadRequest", "Resource not found for the segment.")

    def _sign_in(self, asked: Asked) -> Answer:
        form = asked.form()
        if asked.at["tenant"] != TENANT:
            return _no_token(400, "invalid_request", 90002)
        if form.get("client_id") != CLIENT:
            return _no_token(400, "unauthorized_client", 700016)
        if form.get("client_secret") != SECRET:
            return _no_token(401, "invalid_client", 7000215)
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith("/.default"):
            return _no_token(400, "invalid_scope", 70011)
        token = self._issue()
        return Answer(
            200,
            {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token},
        )

    def _issue(self) -> str:
        claims = orjson.dumps({"roles": sorted(self.roles), "n": len(self._tokens)})
        token = f"eyJ0eXAi.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.simulated-signature"
        self._tokens[token] = self.clock.now + LIFE
        return token

    def _refused(self, asked: Asked, *roles: str) -> Answer | None:
        if self._tokens.get(asked.bearer or "", self.clock.now) <= self.clock.now:
            return fault(
                401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."
            )
        if not self.roles & set(roles):
            wanted = ", ".join(roles)
            return fault(
                403,
                "Forbidden",
                _wrapped(
                    "Application is not authorized to perform this operation. Application must have one of"
                    f" the following scopes: {wanted}"
                ),
            )
        return None

    def _list(self, asked: Asked) -> Answer:
        refused = self._refused(asked, EDIT, READ)
        if refused is not None:
            return refused
        if "$skip" in asked.query:
            return fault(400, "BadRequest", _wrapped("Skip is not supported."))
        self._progress()
        rows = [row for row in self.devices.values() if self._wanted(row, asked.query.get("$filter"))]
        start = int(asked.query.get("$skiptoken", "p0")[1:])
        size = min(self.page_size, int(asked.query.get("$top", self.page_size)))
        first = max(0, start - 1) if self.repeats_rows else start
        page = rows[first : start + size]
        body: dict[str, Any] = {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#deviceManagement/managedDevices",
            "@odata.count": len(page),
            "value": [_selected(row, asked.query.get("$select"), listed=True) for row in page],
        }
        if start + size < len(rows) and "$top" not in asked.query:
            body["@odata.nextLink"] = _link(asked, f"p{start + size}")
        return Answer(200, body)

    def _wanted(self, row: Mapping[str, Any], wanted: str | None) -> bool:
        if wanted is None or self.ignores_filters:
            return True
        if found := re.fullmatch(r"lastSyncDateTime ge (\S+)", wanted):
            return bool(row["lastSyncDateTime"] >= found[1])
        if found := re.fullmatch(r"serialNumber eq '(.*)'", wanted):
            return bool(row["serialNumber"] == found[1].replace("''", "'"))
        return True

    def _one(self, asked: Asked) -> Answer:
        refused = self._refused(asked, EDIT, READ)
        if refused is not None:
            return refused
        self._progress()
        row = self.devices.get(asked.at["id"])
        if row is None:
            return fault(404, "ResourceNotFound", _wrapped("An error has occurred"))
        context = "https://graph.microsoft.com/v1.0/$metadata#deviceManagement/managedDevices/$entity"
        return Answer(200, {"@odata.context": context, **_selected(row, asked.query.get("$select"))})

    def _hardware(self, asked: Asked) -> Answer:
        refused = self._refused(asked, EDIT, READ)
        if refused is not None:
            return refused
        row = self.devices.get(asked.at["id"])
        if row is None:
            return fault(404, "ResourceNotFound", _wrapped("An error has occurred"))
        return Answer(200, {"id": row["id"], "hardwareInformation": row["-hardware"]})

    def _act(self, asked: Asked) -> Answer:
        refused = self._refused(asked, EDIT, ACT)
        if refused is not None:
            return refused
        self._written = [at for at in self._written if at > self.clock.now - WINDOW]
        if len(self._written) >= self.writes:
            return fault(429, "TooManyRequests", "Too many requests", {"retry-after": "20"})
        row, action = self.devices.get(asked.at["id"]), asked.at["action"]
        if row is None:
            return fault(404, "ResourceNotFound", _wrapped("An error has occurred"))
        if not _fits(asked, action) or row["operatingSystem"] in NOT_FOR.get(action, ()):
            return fault(400, "BadRequest", _wrapped("An error has occurred"))
        self._written.append(self.clock.now)
        self.effects.append((action, row["id"]))
        if action != "sendCustomNotificationToCompanyPortal":
            self._log(row, action, asked.json() or {})
        return Answer(204)

    def _log(self, row: dict[str, Any], action: str, body: Mapping[str, Any]) -> None:
        now = _graph(self.clock.now)
        name = LOGGED.get(action, action)
        kept = [each for each in row["deviceActionResults"] if each["actionName"] != name]
        entry = {
            "actionName": name,
            "actionState": "pending",
            "startDateTime": now,
            "lastUpdatedDateTime": now,
        }
        row["deviceActionResults"] = [*kept, entry]
        row["-bodies"] = {**row.get("-bodies", {}), name: dict(body)}

    def _progress(self) -> None:
        """What has become of all actions by now."""
        for row in list(self.devices.values()):
            for entry in row["deviceActionResults"]:
                if entry["actionState"] in ("pending", "active"):
                    self._advance(row, entry)

    def _advance(self, row: dict[str, Any], entry: dict[str, Any]) -> None:
        started = datetime.fromisoformat(entry["startDateTime"])
        if row["id"] in self.off or self.clock.now - started < self.pending:
            return
        entry["actionState"] = "active"
        entry["lastUpdatedDateTime"] = _graph(started + self.pending)
        if self.clock.now - started < self.done:
            return
        entry["actionState"] = self.fates.get(row["id"], "done")
        entry["lastUpdatedDateTime"] = _graph(started + self.done)
        if entry["actionState"] == "done":
            self._done(row, entry)

    def _done(self, row: dict[str, Any], entry: dict[str, Any]) -> None:
        name = entry["actionName"]
        if name in LOGGED.values():
            del self.devices[row["id"]]
        elif name == "setDeviceName":
            row["deviceName"] = row["-bodies"][name]["deviceName"]
        elif name == "syncDevice":
            row["lastSyncDateTime"] = entry["lastUpdatedDateTime"]
        elif name == "remoteLock" and row["operatingSystem"] == "macOS":
            entry |= {"@odata.type": "#microsoft.graph.remoteLockActionResult", "unlockPin": "481516"}
        elif name == "resetPasscode" and row["operatingSystem"] == "Android":
            entry |= {"@odata.type": "#microsoft.graph.resetPasscodeActionResult", "passcode": "Hazel-42-Owl"}


def fault(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as Graph writes it."""
    inner = {
        "date": "2026-09-14T15:00:00",
        "request-id": "5d0f4c1e-0000-4000-8000-00000000feed",
        "client-request-id": "5d0f4c1e-0000-4000-8000-00000000beef",
    }
    body = {"error": {"code": code, "message": message, "innerError": inner}}
    return Answer(status, body, headers or {})


def _wrapped(message: str) -> str:
    """Intune's own words: a JSON document as a string."""
    return orjson.dumps(
        {
            "_version": 3,
            "Message": f"{message} - Operation ID (for customer support): 0",
            "CustomApiErrorPhrase": "",
            "RetryAfter": None,
            "ErrorSourceService": "",
            "HttpHeaders": "{}",
        }
    ).decode()


def _no_token(status: int, error: str, number: int) -> Answer:
    return Answer(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{number}: simulated.",
            "error_codes": [number],
            "timestamp": "2026-09-14 15:00:00Z",
            "trace_id": "5d0f4c1e-0000-4000-8000-00000000aaaa",
            "correlation_id": "5d0f4c1e-0000-4000-8000-00000000bbbb",
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        },
    )


def _fits(asked: Asked, action: str) -> bool:
    """Whether the version has the action and the body is one it takes."""
    if asked.at["version"] == "v1.0" and action not in IN_V1:
        return False
    if action in NO_BODY:
        return not asked.body
    allowed = BODIES.get(action)
    body = asked.json() if asked.body else {}
    return allowed is not None and isinstance(body, dict) and body.keys() <= allowed


def _selected(row: Mapping[str, Any], select: str | None, *, listed: bool = False) -> dict[str, Any]:
    wanted = set(select.split(",")) | {"id"} if select else None
    return {
        name: None if listed and name in ("udid", "notes") else value
        for name, value in row.items()
        if not name.startswith("-") and (wanted is None or name in wanted)
    }


def _link(asked: Asked, token: str) -> str:
    kept = "&".join(
        f"{name}={quote(value, safe=',')}" for name, value in asked.query.items() if name != "$skiptoken"
    )
    skip = f"%24skiptoken={token}"
    return f"http://{asked.headers['host']}{asked.path}?{kept}{'&' if kept else ''}{skip}"


def _graph(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
