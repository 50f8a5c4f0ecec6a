"""ChromeOS devices by the Admin SDK Directory API, their batteries by Chrome Management telemetry.

A service account acts as an administrator (domain-wide delegation). Each scope has a token of its own, for
Google refuses a token whole when one of its scopes is not allowed: a district that only lets us read works.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from integrations.mdm import reading
from integrations.mdm.asking import Asker, Pace, Reply, Token, TokenKeeper, maybe_done, segment
from integrations.mdm.google_account import GRANT, TOKEN_URL, service_account
from integrations.mdm.google_commands import (
    ANNOTATIONS,
    ISSUED,
    STATUSES,
    SUPPORTED,
    issue_request,
    stands_in,
    status_request,
    target,
    unit_of,
)
from integrations.mdm.google_errors import judge_for, judge_token, of_one_device
from integrations.mdm.google_records import (
    BATTERY_MASK,
    FIELDS,
    Battery,
    battery_of,
    command_outcome,
    managed_device,
    with_battery,
)
from integrations.mdm.port import (
    BadRecord,
    BadRequest,
    Checked,
    Command,
    Forbidden,
    ManagedDevice,
    MdmError,
    NotFound,
    Outcome,
    Page,
    Platform,
    ProtocolError,
    Receipt,
    Setting,
    State,
    Transient,
    Unsupported,
    Verb,
)

SCOPES = "https://www.googleapis.com/auth/"
READ = f"{SCOPES}admin.directory.device.chromeos.readonly"
WRITE = f"{SCOPES}admin.directory.device.chromeos"
TELEMETRY = f"{SCOPES}chrome.management.telemetry.readonly"
PURPOSES = {READ: "reading devices", WRITE: "sending commands", TELEMETRY: "reading batteries"}
DIRECTORY_URL = "https://admin.googleapis.com/admin/directory/v1"
MANAGEMENT_URL = "https://chromemanagement.googleapis.com/v1"
PAGE = 300
"""Devices a page; Google says not to exceed it."""
TELEMETRY_PAGE = 1000
MOST_PAGES = 10_000
OVERLAP = timedelta(days=1)
"""`sync:` counts in days, of a zone that is not said."""


class Google:
    """`base_url` among the settings stands for all three of Google's hosts, for a simulator."""

    name = "google"
    settings: Sequence[Setting] = (
        Setting("service_account", "Service account key (JSON)", secret=True, kind="json"),
        Setting("admin", "Administrator to act as", kind="email"),
        Setting("customer", "Customer ID", required=False, default="my_customer"),
        Setting("base_url", "Address of a simulator", required=False, kind="url"),
    )

    def __init__(
        self,
        settings: Mapping[str, str],
        http: httpx.AsyncClient | None = None,
        *,
        pace: Pace | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._account = service_account(settings["service_account"])
        self._admin = settings["admin"].strip()
        customer = segment((settings.get("customer") or "my_customer").strip())
        base = reading.base_url(settings["base_url"]) if settings.get("base_url") else None
        self._token_url = f"{base}/token" if base else TOKEN_URL
        directory = f"{base}/admin/directory/v1" if base else DIRECTORY_URL
        self._devices = f"{directory}/customer/{customer}/devices/chromeos"
        management = f"{base}/v1" if base else MANAGEMENT_URL
        self._telemetry = f"{management}/customers/{customer}/telemetry/devices"
        self._now = now
        self._asker = Asker(http=http, pace=pace)
        self._keepers = {scope: self._keeper(scope) for scope in PURPOSES}

    def _keeper(self, scope: str) -> TokenKeeper:
        async def fetch() -> Token:
            return await self._fetched(scope)

        return TokenKeeper(fetch, clock=self._now)

    async def _fetched(self, scope: str) -> Token:
        assertion = self._account.assertion(self._admin, scope, self._now())
        reply = await self._asker.ask(
            "POST",
            self._token_url,
            form={"grant_type": GRANT, "assertion": assertion},
            repeatable=True,
            judge=judge_token(scope),
            secrets=(assertion,),
        )
        raw = reply.object()
        value, seconds = reading.text(raw.get("access_token")), reading.number(raw.get("expires_in"))
        if value is None or seconds is None:
            raise ProtocolError("The answer holds no token.")
        return Token(value, seconds)

    async def _ask(
        self,
        method: str,
        url: str,
        scope: str,
        params: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Reply:
        return await self._asker.ask(
            method, url, params=params, json=json, keeper=self._keepers[scope], judge=judge_for(scope)
        )

    def supports(self, verb: Verb, platform: Platform) -> bool:
        return platform is Platform.CHROMEOS and verb in SUPPORTED

    async def check(self) -> Checked:
        granted: list[str] = []
        missing: dict[str, str] = {}
        for scope, purpose in PURPOSES.items():
            try:
                await self._tried(scope)
                granted.append(scope)
            except Forbidden:
                missing[scope] = purpose
            except MdmError as error:
                return Checked(False, str(error), tuple(granted), missing, error.reason)
        works = READ in granted or WRITE in granted
        detail = "Devices can be read." if works else "Devices cannot be read: a right is missing."
        return Checked(works, detail, tuple(granted), missing)

    async def _tried(self, scope: str) -> None:
        """The least that needs the scope and changes nothing."""
        if scope == TELEMETRY:
            await self._ask("GET", self._telemetry, scope, {"readMask": "name", "pageSize": "1"})
        else:
            await self._ask("GET", self._devices, scope, {"maxResults": "1", "fields": "kind"})

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        batteries = await self._batteries()
        query = None
        if since is not None:
            query = f"sync:{(since.astimezone(UTC) - OVERLAP).date().isoformat()}.."
        total = await self._count() if since is None else None
        seen: set[str] = set()
        async for rows, following in self._listed(query):
            read = [managed_device(raw) for raw in rows]
            fresh = [each for each in read if isinstance(each, ManagedDevice)]
            devices = [
                with_battery(device, batteries[device.external_id])
                if device.external_id in batteries
                else device
                for device in {each.external_id: each for each in fresh}.values()
                if device.external_id not in seen
            ]
            seen.update(device.external_id for device in devices)
            bad = [each for each in read if isinstance(each, BadRecord)]
            yield Page(devices, bad, following, total)

    async def _listed(self, query: str | None) -> AsyncIterator[tuple[list[Any], str | None]]:
        """Raw devices a page, and the token of the next."""
        params = {
            "maxResults": str(PAGE),
            "projection": "FULL",
            "fields": f"kind,nextPageToken,chromeosdevices({','.join(FIELDS)})",
            **({} if query is None else {"query": query}),
        }
        async for raw in self._walked(self._devices, READ, params):
            if "kind" not in raw and "chromeosdevices" not in raw:
                raise ProtocolError("The answer is not a list of devices.")
            yield _listed_rows(raw, "chromeosdevices"), reading.text(raw.get("nextPageToken"))

    async def _walked(
        self, url: str, scope: str, params: Mapping[str, str]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Every page, by its token. A token lives for minutes: one that is refused is Transient, and the list
        has to be begun anew.
        """
        token: str | None = None
        used: set[str] = set()
        for _ in range(MOST_PAGES):
            try:
                here = {**params, **({} if token is None else {"pageToken": token})}
                raw = (await self._ask("GET", url, scope, here)).object()
            except BadRequest as error:
                if token is None:
                    raise
                raise Transient(f"The list ran out half way: {error}") from None
            yield raw
            token = reading.text(raw.get("nextPageToken"))
            if token is None:
                return
            if token in used:
                raise ProtocolError("The list goes round in circles.")
            used.add(token)
        raise ProtocolError("The list does not end.")

    async def _count(self) -> int | None:
        raw = (await self._ask("GET", f"{self._devices}:countChromeOsDevices", READ)).object()
        return reading.whole(raw.get("count"))

    async def _batteries(self) -> Mapping[str, Battery]:
        """By deviceId; none where we may not ask."""
        params = {"readMask": BATTERY_MASK, "pageSize": str(TELEMETRY_PAGE)}
        try:
            return {
                found[0]: found[1]
                async for raw in self._walked(self._telemetry, TELEMETRY, params)
                for each in _listed_rows(raw, "devices")
                if (found := battery_of(each)) is not None
            }
        except (Forbidden, NotFound):
            return {}

    async def _battery(self, device_id: str) -> Battery | None:
        try:
            url = f"{self._telemetry}/{segment(device_id)}"
            reply = await self._ask("GET", url, TELEMETRY, {"readMask": BATTERY_MASK})
        except (Forbidden, NotFound):
            return None
        found = battery_of(reply.object())
        return None if found is None else found[1]

    async def device(self, external_id: str) -> ManagedDevice:
        return _whole(await self._raw(external_id), await self._battery(external_id))

    async def _raw(self, device_id: str) -> Mapping[str, Any]:
        params = {"projection": "FULL", "fields": ",".join(FIELDS)}
        raw = (await self._ask("GET", f"{self._devices}/{segment(device_id)}", READ, params)).object()
        if raw.get("deviceId") != device_id:
            raise ProtocolError("The answer is about another device.")
        return raw

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        """Those in use first, then the one that was seen last. Google finds parts of serial numbers, three
        characters and more; what is not the whole is left out.
        """
        wanted = reading.serial(serial)
        if wanted is None or len(wanted) < 3 or any(mark in wanted for mark in "\"' :"):
            return ()
        found = [managed_device(raw) async for rows, _ in self._listed(f"id:{wanted}") for raw in rows]
        same = [each for each in found if isinstance(each, ManagedDevice) and each.serial == wanted]
        return sorted({each.external_id: each for each in same}.values(), key=_in_use_and_seen, reverse=True)

    async def send(self, command: Command) -> Receipt:
        if not self.supports(command.verb, command.device.platform):
            raise Unsupported(f"Google does not do {command.verb} on {command.device.platform}.")
        with maybe_done():
            if command.verb in ISSUED:
                return await self._issue(command)
            if command.verb in STATUSES:
                return await self._change_status(command)
            if command.verb in ANNOTATIONS:
                return await self._annotate(command)
            return await self._move(command)

    async def _issue(self, command: Command) -> Receipt:
        body = issue_request(command)
        url = f"{self._devices}/{segment(target(command))}:issueCommand"
        raw = (await self._ask("POST", url, WRITE, json=body)).object()
        handle = reading.text(raw.get("commandId"))
        if handle is None:
            raise ProtocolError("The answer holds no command id.")
        return Receipt(State.QUEUED, f"command/{handle}")

    async def _change_status(self, command: Command) -> Receipt:
        body = status_request(command)
        said = (await self._ask("POST", f"{self._devices}:batchChangeStatus", WRITE, json=body)).object()
        results = reading.rows(said.get("changeChromeOsDeviceStatusResults"))
        result = next((each for each in results if reading.dig(each, "deviceId") == target(command)), None)
        if (error := reading.dig(result, "error")) is not None:
            raise of_one_device(error, WRITE)
        if reading.dig(result, "response") is None:
            raise ProtocolError("The answer does not say what became of the device.")
        return Receipt(State.SENT, f"status/{STATUSES[command.verb][1]}")

    async def _annotate(self, command: Command) -> Receipt:
        name, argument = ANNOTATIONS[command.verb]
        value = command.arguments.get(argument)
        if value is None:
            raise BadRequest(f"What it should be is missing ({argument}).")
        url = f"{self._devices}/{segment(target(command))}"
        raw = (await self._ask("PATCH", url, WRITE, json={name: value})).object()
        if raw.get(name, "") != value:
            raise ProtocolError("The answer shows another value than the one sent.")
        return Receipt(State.SUCCEEDED)

    async def _move(self, command: Command) -> Receipt:
        """Google does not report devices that it did not move: the outcome is read from the device."""
        unit = unit_of(command)
        reply = await self._ask(
            "POST",
            f"{self._devices}/moveDevicesToOu",
            WRITE,
            {"orgUnitPath": unit},
            {"deviceIds": [target(command)]},
        )
        if reply.body.strip():
            reply.object()
        return Receipt(State.SENT, f"unit/{unit}")

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        """Told from the device: whether it stands as wanted. Commands that are issued (restart, wipe) leave
        no list behind: Unsupported.
        """
        if command.verb in ISSUED or command.verb not in SUPPORTED:
            raise Unsupported("Google keeps no list of the commands that it was given.")
        raw = await self._raw(target(command))
        if command.verb in STATUSES:
            status = STATUSES[command.verb][1]
            return Receipt(State.SENT, f"status/{status}") if raw.get("status") == status else None
        if command.verb in ANNOTATIONS:
            name, argument = ANNOTATIONS[command.verb]
            same = raw.get(name, "") == command.arguments.get(argument)
            return Receipt(State.SUCCEEDED) if same else None
        unit = unit_of(command)
        return Receipt(State.SENT, f"unit/{unit}") if stands_in(raw, unit) else None

    async def outcome(self, command: Command, handle: str) -> Outcome:
        kind, _, value = handle.partition("/")
        if kind == "command":
            url = f"{self._devices}/{segment(target(command))}/commands/{segment(value)}"
            raw = (await self._ask("GET", url, READ)).object()
            if reading.text(raw.get("commandId")) != value:
                raise ProtocolError("The answer is about another command.")
            return command_outcome(raw)
        stands = await self._raw(target(command))
        if kind == "status":
            return Outcome(State.SUCCEEDED if stands.get("status") == value else State.SENT)
        if kind == "unit":
            return Outcome(State.SUCCEEDED if stands_in(stands, value) else State.SENT)
        raise BadRequest("That is no handle of a command.")

    async def close(self) -> None:
        await self._asker.close()


def _listed_rows(raw: Mapping[str, Any], name: str) -> list[Any]:
    """ProtocolError for something else than a list; none where it is left out."""
    rows = raw.get(name, [])
    if not isinstance(rows, list):
        raise ProtocolError(f"{name} is not a list.")
    return rows


def _whole(raw: Mapping[str, Any], battery: Battery | None) -> ManagedDevice:
    device = managed_device(raw, battery)
    if isinstance(device, BadRecord):
        raise ProtocolError(f"The device cannot be understood: {device.why}.")
    return device


def _in_use_and_seen(device: ManagedDevice) -> tuple[bool, datetime]:
    return (
        device.vendor.get("status") == "ACTIVE",
        device.last_check_in or datetime.min.replace(tzinfo=UTC),
    )
