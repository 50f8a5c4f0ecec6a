"""A simulated Jamf Pro with an invented district: signing in, lists with sections, filters and page numbers,
commands with their life cycle, the two Classic ones, and refusals in both of its manners.

A command is pending for `PENDING`, then acknowledged, by the simulator's clock; `asleep` devices answer that
it is not the time, and `fates` says what else becomes of one, by management id.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from integrations.mdm.simulated.jamf_pro_lists import (
    COMMAND_FIELDS,
    COMPUTER_FIELDS,
    MOBILE_FIELDS,
    InvalidFilter,
    Query,
    passes,
    sectioned,
    take_effect,
    unfit,
)
from integrations.mdm.simulated.jamf_pro_school import SITES, computers, mobiles, stamp
from integrations.mdm.simulated.server import Answer, Asked, Clock, Simulator, Wire

CLIENT = "5d2a8f1e-simulated"
SECRET = "Alder&Oak=Secret+9"  # noqa: S105
USER, PASSWORD = "firstbell", "Hawthorn: 7 lanes"
PENDING = timedelta(minutes=1)
VIEW = "View MDM command information in Jamf Pro API"
LOST_MODE = "Send Mobile Device Lost Mode Command"
SEND = {
    "RESTART_DEVICE": ("Send Computer Restart Command", "Send Mobile Device Restart Device Command"),
    "SHUT_DOWN_DEVICE": ("Send Computer Shut Down Command", "Send Mobile Device Shut Down Command"),
    "DEVICE_LOCK": ("Send Computer Remote Lock Command", "Send Mobile Device Remote Lock Command"),
    "DEVICE_INFORMATION": ("Send Device Information Command", "Send Device Information Command"),
    "SETTINGS": (VIEW, VIEW),
    "ENABLE_LOST_MODE": (LOST_MODE, LOST_MODE),
    "DISABLE_LOST_MODE": (LOST_MODE, LOST_MODE),
    "PLAY_LOST_MODE_SOUND": (LOST_MODE, LOST_MODE),
    "DEVICE_LOCATION": (LOST_MODE, LOST_MODE),
}
CLASSIC = {
    "ClearPasscode": ("CLEAR_PASSCODE", "Send Mobile Device Remove Passcode Command"),
    "UpdateInventory": ("DEVICE_INFORMATION", "Send Inventory Requests to Mobile Devices"),
}
LISTED = frozenset(SEND) | {"ERASE_DEVICE", "CLEAR_PASSCODE"}
_query: ContextVar[Query] = ContextVar("query", default=())
STATUS_PAGE = b"<html><head><title>Status page</title></head><body><p>Unauthorized</p></body></html>"


@dataclass
class Sent:
    """A command under way. `then` is what it does to the device's record when it is acknowledged."""

    uuid: str
    client: str
    kind: str | None
    at: datetime
    then: Callable[[], None]
    error: str | None = None


class SimulatedJamfPro(Simulator):
    """`rights` of the client's role, `life` of a token in seconds, `largest_page` to which sizes are cut.
    An `older` server knows neither v4 of the computers' routes nor the newer way to a token nor the last
    contact of mobile devices. With `ignores_filters` lists are whole whatever was asked for.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.computers = {row["id"]: row for row in computers(self.clock.now)}
        self.mobiles = {row["mobileDeviceId"]: row for row in mobiles(self.clock.now)}
        self.rights = {VIEW, "Read Computers", "Read Mobile Devices", "Read Sites", *_every_right()}
        self.life = 59
        self.largest_page = 2000
        self.older = False
        self.ignores_filters = False
        self.asleep: set[str] = set()
        self.fates: dict[str, str] = {}
        self.sent: list[Sent] = []
        self.pins: dict[str, str] = {}
        self._tokens: dict[str, datetime] = {}
        self.on("POST", "/api/v1/oauth/token", self._sign_in)
        self.on("POST", "/api/oauth/token", self._sign_in)
        self.on("POST", "/api/v1/auth/token", self._sign_in_as_user)
        self.on("GET", "/api/v1/sites", self._sites)
        self.on("GET", "/api/{v}/computers-inventory", self._computers)
        self.on("GET", "/api/{v}/computers-inventory/{id}", self._computer)
        self.on("GET", "/api/{v}/computers-inventory/{id}/view-device-lock-pin", self._lock_pin)
        self.on("POST", "/api/{v}/{room}/{id}/erase", self._erase)
        self.on("POST", "/api/{v}/{room}/{id}/remove-mdm-profile", self._unmanage_computer)
        self.on("PATCH", "/api/{v}/computers-inventory-detail/{id}", self._edit_computer)
        self.on("GET", "/api/v2/mobile-devices/detail", self._mobiles)
        self.on("PATCH", "/api/v2/mobile-devices/{id}", self._edit_mobile)
        self.on("POST", "/api/v2/mobile-devices/{id}/unmanage", self._unmanage_mobile)
        self.on("GET", "/api/v2/mdm/commands", self._commands)
        self.on("POST", "/api/v2/mdm/commands", self._send)
        self.on("POST", "/JSSResource/mobiledevicecommands/command/{name}/id/{id}", self._classic)

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[[], Any], send: Wire) -> None:
        _query.set(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True))
        await super().__call__(scope, receive, send)

    def missing(self, asked: Asked) -> Answer:
        return fault(404, "NOT_FOUND", "Not found")

    # Signing in

    def _sign_in(self, asked: Asked) -> Answer:
        if self.older and asked.path == "/api/v1/oauth/token":
            return self.missing(asked)
        form = asked.form()
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
            return Answer(400, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials":
            return Answer(400, {"error": "unsupported_grant_type"})
        issued = {"access_token": self._issue(), "scope": "api-role:2", "token_type": "Bearer"}
        return Answer(200, {**issued, "expires_in": self.life})

    def _sign_in_as_user(self, asked: Asked) -> Answer:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return fault(401, "UNAUTHORIZED", "Unauthorized")
        ends = stamp(self.clock.now + timedelta(seconds=self.life))
        return Answer(200, {"token": self._issue(), "expires": ends})

    def _issue(self) -> str:
        token = f"eyJhbGciOiJ.simulated-{len(self._tokens)}-{id(self):x}"
        self._tokens[token] = self.clock.now + timedelta(seconds=self.life)
        return token

    def _refused(self, asked: Asked, *rights: str) -> Answer | None:
        if self._tokens.get(asked.bearer or "", self.clock.now) <= self.clock.now:
            return fault(401, "INVALID_TOKEN", "Unauthorized")
        if asked.at.get("v") == "v4" and self.older:
            return self.missing(asked)
        if not self.rights >= set(rights):
            return fault(403, "INVALID_PRIVILEGE", "Forbidden")
        self._progress()
        return None

    # Lists

    def _sites(self, asked: Asked) -> Answer:
        rows = [{"id": number, "name": name, "divisionId": None} for number, name in SITES.items()]
        return self._refused(asked, "Read Sites") or Answer(200, rows)

    def _computers(self, asked: Asked) -> Answer:
        return self._refused(asked, "Read Computers") or self._listed(
            asked, list(self.computers.values()), COMPUTER_FIELDS, "id"
        )

    def _mobiles(self, asked: Asked) -> Answer:
        known = {
            name: at for name, at in MOBILE_FIELDS.items() if not (self.older and name == "lastContactDate")
        }
        broken = any(row["hardware"] is None for row in self.mobiles.values())
        if broken and asked.query.get("exception-handling") != "LENIENT":
            return fault(500, "INTERNAL", "One record could not be read")
        return self._refused(asked, "Read Mobile Devices") or self._listed(
            asked, list(self.mobiles.values()), known, "mobileDeviceId"
        )

    def _listed(
        self, asked: Asked, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, str], identity: str
    ) -> Answer:
        try:
            wanted = "" if self.ignores_filters else asked.query.get("filter", "")
            kept = [row for row in rows if passes(row, wanted, fields)]
        except InvalidFilter:
            return fault(400, "INVALID_FIELD", "Query is not valid", "filter")
        if asked.query.get("sort") == f"{identity}:asc":
            kept.sort(key=lambda row: int(row[identity] or 0))
        size = min(int(asked.query.get("page-size", "100")), self.largest_page)
        first = int(asked.query.get("page", "0")) * size
        page = [sectioned(row, identity, _query.get()) for row in kept[first : first + size]]
        return Answer(200, {"totalCount": len(kept), "results": page})

    def _computer(self, asked: Asked) -> Answer:
        refused = self._refused(asked, "Read Computers")
        row = self.computers.get(asked.at["id"])
        if refused is not None or row is None:
            return refused or self.missing(asked)
        return Answer(200, sectioned(row, "id", _query.get()))

    def _lock_pin(self, asked: Asked) -> Answer:
        refused = self._refused(asked, "View Computer Device Lock Pin")
        pin = self.pins.get(asked.at["id"])
        if refused is not None or pin is None:
            return refused or self.missing(asked)
        return Answer(200, {"pin": pin})

    def _commands(self, asked: Asked) -> Answer:
        refused = self._refused(asked, VIEW)
        if refused is not None:
            return refused
        if not asked.query.get("filter"):
            return fault(400, "INVALID_FIELD", "A filter is required", "filter")
        rows = [self._shown(each) for each in reversed(self.sent)]
        return self._listed(asked, rows, COMMAND_FIELDS, "uuid")

    # Changes

    def _edit_computer(self, asked: Asked) -> Answer:
        refused = self._refused(asked, "Update Computers")
        row = self.computers.get(asked.at["id"])
        if refused is not None or row is None:
            return refused or self.missing(asked)
        edit = asked.json()
        general = dict(edit.get("general", {}))
        if "siteId" in general:
            number = general.pop("siteId")
            general["site"] = {"id": number, "name": SITES.get(number, "None")}
        row["general"] |= general
        row["userAndLocation"] |= edit.get("userAndLocation", {})
        self.effects.append(("edit", "computer", row["id"], str(edit)))
        return Answer(204)

    def _edit_mobile(self, asked: Asked) -> Answer:
        refused = self._refused(asked, "Update Mobile Devices")
        row = self.mobiles.get(asked.at["id"])
        if refused is not None or row is None:
            return refused or self.missing(asked)
        edit = dict(asked.json())
        self.effects.append(("edit", "mobile", row["mobileDeviceId"], str(edit)))
        row["general"] |= {name: edit[name] for name in ("assetTag", "siteId") if name in edit}
        row["userAndLocation"] |= edit.get("location", {})
        if "name" in edit:
            self._queue(row, "SETTINGS", lambda: row["general"].update(displayName=edit["name"]))
        return Answer(200, {"id": row["mobileDeviceId"], "assetTag": row["general"]["assetTag"]})

    def _erase(self, asked: Asked) -> Answer:
        mac = asked.at["room"] != "mobile-devices"
        room = "mobile-devices" if not mac else "computers-inventory"
        if self.older and mac:
            room = "computer-inventory"
        right = "Send Computer Remote Wipe Command" if mac else "Send Mobile Device Remote Wipe Command"
        refused = None if asked.at["room"] == room else self.missing(asked)
        refused = refused or self._refused(asked, right)
        row = (self.computers if mac else self.mobiles).get(asked.at["id"])
        if refused is not None or row is None:
            return refused or self.missing(asked)
        self.effects.append(("erase", row["general"]["managementId"]))
        sent = self._queue(row, "ERASE_DEVICE", lambda: row["general"].update(assetTag=""))
        return Answer(200, {"deviceId": asked.at["id"], "commandUuid": sent.uuid})

    def _unmanage_computer(self, asked: Asked) -> Answer:
        refused = self._refused(asked, "Send Computer Unmanage Command")
        row = self.computers.get(asked.at["id"])
        if refused is not None or row is None:
            return refused or self.missing(asked)
        self.effects.append(("unmanage", row["general"]["managementId"]))
        sent = self._queue(row, None, lambda: row["general"]["remoteManagement"].update(managed=False))
        return Answer(200, {"deviceId": row["id"], "commandUuid": sent.uuid})

    def _unmanage_mobile(self, asked: Asked) -> Answer:
        refused = self._refused(asked, "Unmanage Mobile Devices")
        row = self.mobiles.get(asked.at["id"])
        if refused is not None or row is None:
            return refused or self.missing(asked)
        self.effects.append(("unmanage", row["general"]["managementId"]))
        sent = self._queue(row, None, lambda: row["general"].update(managed=False))
        return Answer(200, {"deviceId": row["mobileDeviceId"], "commandUuid": sent.uuid})

    def _send(self, asked: Asked) -> Answer:
        data = asked.json()["commandData"]
        client = asked.json()["clientData"][0]["managementId"]
        row = self._by_management_id(client)
        mac = row is not None and "id" in row
        rights = SEND.get(data["commandType"], (VIEW, VIEW))
        refused = self._refused(asked, VIEW, rights[0 if mac else 1])
        if refused is not None or row is None:
            return refused or fault(400, "NOT_FOUND", "No command was queued", "managementId")
        self.effects.append((data["commandType"], client))
        if mac and "pin" in data:
            self.pins[row["id"]] = data["pin"]
        sent = self._queue(row, data["commandType"], lambda: take_effect(row, data, self.clock.now))
        sent.error = unfit(row, data["commandType"])
        link = f"http://{asked.headers['host']}/api/v2/mdm/commands?filter=uuid%3D%3D{sent.uuid}"
        return Answer(201, [{"id": sent.uuid, "href": link}])

    def _classic(self, asked: Asked) -> Answer:
        """Answers in XML; a right that is missing is a 401 with a page."""
        kind, right = CLASSIC.get(asked.at["name"], (None, ""))
        refused = self._refused(asked)
        row = self.mobiles.get(asked.at["id"])
        if refused is not None or row is None or kind is None:
            return refused or Answer(404, STATUS_PAGE, {"content-type": "text/html"})
        if right not in self.rights:
            return Answer(401, STATUS_PAGE, {"content-type": "text/html"})
        self.effects.append((kind, row["general"]["managementId"]))
        data = {"commandType": kind}
        sent = self._queue(row, kind, lambda: take_effect(row, data, self.clock.now))
        body = (
            '<?xml version="1.0" encoding="UTF-8"?><mobile_device_command><command>'
            f"<name>{asked.at['name']}</name></command><mobile_devices><mobile_device>"
            f"<id>{asked.at['id']}</id><management_id>{sent.client}</management_id>"
            f"<command_uuid>{sent.uuid}</command_uuid></mobile_device></mobile_devices>"
            "</mobile_device_command>"
        )
        return Answer(201, body.encode(), {"content-type": "application/xml"})

    # Commands under way

    def _by_management_id(self, client: str) -> dict[str, Any] | None:
        every = (*self.computers.values(), *self.mobiles.values())
        return next((row for row in every if row["general"]["managementId"] == client), None)

    def _queue(self, row: Mapping[str, Any], kind: str | None, then: Callable[[], None]) -> Sent:
        uuid = str(UUID(int=0x7F << 96 | len(self.sent) + 1))
        sent = Sent(uuid, row["general"]["managementId"], kind, self.clock.now, then)
        self.sent.append(sent)
        return sent

    def _state(self, sent: Sent) -> str:
        if self.clock.now - sent.at < PENDING:
            return "PENDING"
        if sent.client in self.asleep:
            return "NOT_NOW"
        return self.fates.get(sent.client) or ("ERROR" if sent.error else "ACKNOWLEDGED")

    def _progress(self) -> None:
        """What acknowledged commands do, once."""
        for sent in self.sent:
            if self._state(sent) == "ACKNOWLEDGED":
                sent.then()
                sent.then = _nothing

    def _shown(self, sent: Sent) -> dict[str, Any]:
        state = self._state(sent)
        said = sent.error or "The device refused"
        error = {
            "errorCode": 12021,
            "errorDomain": "MCMDMErrorDomain",
            "errorLocalizedDescription": said,
            "errorEnglishDescription": said,
        }
        mac = "c0de" in sent.client
        return {
            "uuid": sent.uuid,
            "dateSent": stamp(sent.at),
            "dateCompleted": None if state in ("PENDING", "NOT_NOW") else stamp(sent.at + PENDING),
            "client": {"managementId": sent.client, "clientType": "COMPUTER" if mac else "MOBILE_DEVICE"},
            "commandState": state,
            "commandType": sent.kind if sent.kind in LISTED else None,
            "commandError": error if state in ("ERROR", "COMMAND_FORMAT_ERROR") else None,
            "profileId": None,
        }


def fault(status: int, code: str, description: str, field: str | None = None) -> Answer:
    """An error as Jamf Pro writes it."""
    cause = {"code": code, "description": description, "id": "0", "field": field}
    return Answer(status, {"httpStatus": status, "errors": [cause]})


def _every_right() -> set[str]:
    sending = {right for pair in SEND.values() for right in pair} | {right for _, right in CLASSIC.values()}
    return sending | {
        "Send Computer Remote Wipe Command",
        "Send Mobile Device Remote Wipe Command",
        "Send Computer Unmanage Command",
        "Unmanage Mobile Devices",
        "Update Computers",
        "Update Mobile Devices",
        "View Computer Device Lock Pin",
    }


def _nothing() -> None:
    """What a command does that is done."""
