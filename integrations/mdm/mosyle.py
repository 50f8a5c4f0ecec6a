"""Mosyle Manager (the edition for schools), API v2.

Needs an access token and an administrator with the API permission; the token may be bound to addresses. Every
request is a POST, so what only reads is said to be repeatable, and every body carries the access token.
Mosyle gives no number for a command and never says what became of it: only lost mode, a name and a user can
be seen on the device afterwards. `groups`, which would address all devices of a group, is never sent.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from integrations.mdm import reading
from integrations.mdm.asking import Asker, Pace, Reply, Token, TokenKeeper, by_status, maybe_done
from integrations.mdm.mosyle_records import (
    COLUMNS,
    SYSTEMS,
    Listed,
    accepted,
    device_of,
    listed,
    refused,
    taken,
    updated,
)
from integrations.mdm.port import (
    AuthFailed,
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
    Unsupported,
    Verb,
)

LIFE = 24 * 3600.0
"""Seconds that a login lasts, as the guide says; the answer itself does not."""
BASE = "https://managerapi.mosyle.com"
MOST_PAGES = 2000
PERMISSION = "API access of the administrator, from this address"

MOBILE = frozenset({Platform.IOS, Platform.IPADOS})
COMPUTING = MOBILE | {Platform.MACOS}
ALL = COMPUTING | {Platform.TVOS, Platform.VISIONOS}


@dataclass(frozen=True, slots=True)
class Operation:
    """Where a verb is asked for, by which name there, and of which platforms."""

    path: str
    name: str
    platforms: frozenset[Platform]


OPERATIONS: Mapping[Verb, Operation] = {
    Verb.RESTART: Operation("bulkops", "restart_devices", COMPUTING | {Platform.TVOS}),
    Verb.SHUTDOWN: Operation("bulkops", "shutdown_devices", COMPUTING),
    Verb.LOCK: Operation("bulkops", "lock_device", COMPUTING),
    Verb.WIPE: Operation("bulkops", "wipe_devices", ALL),
    Verb.MOVE: Operation("bulkops", "move_device_account", ALL),
    Verb.LOST_MODE_ON: Operation("lostmode", "enable", MOBILE),
    Verb.LOST_MODE_OFF: Operation("lostmode", "disable", MOBILE),
    Verb.PLAY_SOUND: Operation("lostmode", "play_sound", MOBILE),
    Verb.LOCATE: Operation("lostmode", "request_location", MOBILE),
    Verb.RENAME: Operation("devices", "name", ALL),
    Verb.SET_ASSET_TAG: Operation("devices", "asset_tag", ALL),
    Verb.SET_USER: Operation("users", "assign_device", ALL),
}
SEEN_ON_DEVICE = frozenset({Verb.LOST_MODE_ON, Verb.LOST_MODE_OFF, Verb.RENAME, Verb.SET_USER})


class Mosyle:
    """One school or district."""

    name = "mosyle"
    settings: Sequence[Setting] = (
        Setting("access_token", "Access token", secret=True),
        Setting("email", "E-mail of the administrator", kind="email"),
        Setting("password", "Password of the administrator", secret=True),
        Setting("account", "Account (districts only)", required=False),
        Setting("base_url", "Address of the API", required=False, kind="url", default=BASE),
    )

    def __init__(
        self,
        settings: Mapping[str, str],
        http: httpx.AsyncClient | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._base = f"{reading.base_url(settings.get('base_url') or BASE)}/v2"
        self._access, self._password = settings["access_token"].strip(), settings["password"]
        self._email = settings["email"].strip()
        self._account = (settings.get("account") or "").strip()
        secrets = (self._access, self._password)
        self._asker = Asker(http=http, pace=pace, secrets=secrets)
        self._keeper = TokenKeeper(self._login)

    def supports(self, verb: Verb, platform: Platform) -> bool:
        operation = OPERATIONS.get(verb)
        return operation is not None and platform in operation.platforms

    async def check(self) -> Checked:
        """Log in and list devices. Rights to command cannot be asked for without commanding."""
        try:
            await self._list(SYSTEMS[0], {"page": 1})
        except AuthFailed as wrong:
            return Checked(False, str(wrong), reason=wrong.reason)
        except Forbidden as wrong:
            missing = {wrong.permission or PERMISSION: "to list devices"}
            return Checked(False, str(wrong), missing=missing, reason=wrong.reason)
        return Checked(
            True,
            "Devices can be listed; whether commands may be sent shows with the first one.",
            granted=("list devices",),
        )

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        """Every device whatever `since` is: Mosyle cannot be asked for changes, and what was changed at the
        console alone moves no check-in.
        """
        known: set[str] = set()
        for system in SYSTEMS:
            async for page in self._walk(system, known):
                yield page

    async def device(self, external_id: str) -> ManagedDevice:
        """One device, by walking until it is met: Mosyle cannot be asked for a UDID."""
        async for page in self.pages():
            for each in page.devices:
                if each.external_id == external_id:
                    return each
        raise NotFound("Mosyle does not know this device.")

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        wanted = reading.serial(serial)
        if wanted is None:
            return ()
        found: dict[str, ManagedDevice] = {}
        for system in SYSTEMS:
            for device in await self._by_serial(system, wanted):
                found.setdefault(device.external_id, device)
        return tuple(found.values())

    async def send(self, command: Command) -> Receipt:
        """Ask once. An "OK" outside proves nothing; the inner status and the devices not found are read."""
        operation = OPERATIONS.get(command.verb)
        if operation is None or not self.supports(command.verb, command.device.platform):
            raise Unsupported(f"Mosyle cannot do this with {command.device.platform.value} devices.")
        element = _element(command, operation)
        with maybe_done():
            reply = await self._ask(
                operation.path, {"elements": [element]}, secrets=_pins(command), repeatable=False
            )
            _judge_answer(reply.json(), command, operation)
        return _receipt(command)

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        raise Unsupported("Mosyle keeps no list of commands that could be asked for.")

    async def outcome(self, command: Command, handle: str) -> Outcome:
        """What shows on the device of lost mode, a name or a user; anything else cannot be seen."""
        if command.verb not in SEEN_ON_DEVICE:
            return Outcome(State.UNVERIFIABLE)
        try:
            device = await self._current(command.device)
        except NotFound:
            return Outcome(State.UNVERIFIABLE, detail="Mosyle no longer lists the device.")
        return Outcome(State.SUCCEEDED if _shows(command, device) else State.SENT)

    async def close(self) -> None:
        await self._asker.close()

    async def _current(self, device: ManagedDevice) -> ManagedDevice:
        system = device.vendor.get("os")
        if device.serial is not None and system in SYSTEMS:
            for each in await self._by_serial(str(system), device.serial):
                if each.external_id == device.external_id:
                    return each
        return await self.device(device.external_id)

    async def _by_serial(self, system: str, serial: str) -> list[ManagedDevice]:
        answer = await self._list(system, {"serial_numbers": [serial]})
        devices, _ = _read(answer.rows, system)
        return [device for device in devices if device.serial == serial]

    async def _walk(self, system: str, known: set[str]) -> AsyncIterator[Page]:
        """The pages of one system. The first is 1, though the guide also says 0: where the rows that are
        promised do not come, or none at all, 0 is asked as well. ProtocolError where there are still fewer,
        those that came twice included (a UDID may be listed twice for good).
        """
        met, counted, total = 0, 0, None
        for number in range(1, MOST_PAGES + 1):
            page, rows = await self._page(system, number, known)
            total = total if page.total is None else page.total
            if not page.devices and not page.bad:
                break
            met += len(page.devices) + len(page.bad)
            counted += rows
            yield page
            if total is not None and met >= total:
                return
        else:
            raise ProtocolError("Mosyle's list of devices does not end.")
        if met and total is None:
            return
        page, rows = await self._page(system, 0, known)
        total = total if page.total is None else page.total
        yield page
        if counted + (rows if page.devices else 0) < (total or 0):
            raise ProtocolError("Mosyle listed fewer devices than it says there are.")

    async def _page(self, system: str, number: int, known: set[str]) -> tuple[Page, int]:
        """What is new on one page, and how many rows it had."""
        answer = await self._list(system, {"page": number})
        devices, bad = _read(answer.rows, system)
        fresh = {each.external_id: each for each in devices if each.external_id not in known}
        known.update(fresh)
        told = answer.total if answer.rows else None
        return Page(tuple(fresh.values()), bad, total=told), len(answer.rows)

    async def _list(self, system: str, options: Mapping[str, object]) -> Listed:
        asked = {"os": system, "specific_columns": list(COLUMNS), **options}
        body: dict[str, object] = {"options": asked}
        if self._account:
            body["idaccount"] = self._account
        reply = await self._ask("listdevices", body, repeatable=True)
        return listed(reply.json())

    async def _ask(
        self, path: str, body: Mapping[str, object], *, repeatable: bool, secrets: Sequence[str] = ()
    ) -> Reply:
        return await self._asker.ask(
            "POST",
            f"{self._base}/{path}",
            json={"accessToken": self._access, **body},
            keeper=self._keeper,
            judge=judged,
            repeatable=repeatable,
            secrets=secrets,
        )

    async def _login(self) -> Token:
        """The token comes in a header of the answer. A login changes nothing, so it may be repeated."""
        reply = await self._asker.ask(
            "POST",
            f"{self._base}/login",
            json={"accessToken": self._access, "email": self._email, "password": self._password},
            judge=login_judged,
            repeatable=True,
        )
        scheme, _, token = reply.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token.strip():
            raise ProtocolError("Mosyle's login answered without a token.")
        return Token(token.strip(), LIFE)


def judged(reply: Reply) -> MdmError | None:
    """By the HTTP status, and by what the body says where that is 200: refusals come so too."""
    if reply.status == 401:
        return AuthFailed("Mosyle does not accept the login.")
    if reply.status == 403:
        return Forbidden("Mosyle does not allow this to the administrator or from here.", PERMISSION)
    if not reply.ok:
        return by_status(reply)
    return refused(reply.maybe()) if reply.maybe() is not None else None


def login_judged(reply: Reply) -> MdmError | None:
    if reply.status in (400, 401):
        return AuthFailed("Mosyle does not accept the access token, the e-mail or the password.")
    return judged(reply) if reply.status == 403 else by_status(reply)


def _element(command: Command, operation: Operation) -> dict[str, Any]:
    """The one element that is sent: always of exactly one device."""
    if operation.path == "users":
        return {
            "operation": operation.name,
            "id": _needed(command, "user"),
            "serial_number": _serial(command),
        }
    if operation.path == "devices":
        wanted = _needed(command, "name" if command.verb is Verb.RENAME else "tag")
        return {"serialnumber": _serial(command), operation.name: wanted}
    element = {"operation": operation.name, "devices": [command.device.external_id]}
    return element | _details(command)


def _details(command: Command) -> dict[str, Any]:
    said = command.arguments
    mac = command.device.platform is Platform.MACOS
    if command.verb is Verb.LOCK:
        shown = {"lockmessage": said.get("message"), "phonenumber": said.get("phone")}
        return ({"pincode": _pin(command)} if mac else {}) | {
            name: each for name, each in shown.items() if each
        }
    if command.verb is Verb.WIPE:
        return {"options": {"pin_code": _pin(command)}} if mac else {}
    if command.verb is Verb.LOST_MODE_ON:
        phone = said.get("phone")
        return {"message": _needed(command, "message")} | ({"phone_number": phone} if phone else {})
    return {"AccountID": _needed(command, "site")} if command.verb is Verb.MOVE else {}


def _pin(command: Command) -> str:
    """Chosen by whoever asks, so that it is known even where the answer is lost."""
    pin = command.arguments.get("pin", "")
    if not re.fullmatch(r"[0-9]{6}", pin):
        raise BadRequest("A Mac needs a PIN of six digits, by which it is unlocked afterwards.")
    return pin


def _pins(command: Command) -> tuple[str, ...]:
    pin = command.arguments.get("pin")
    return (pin,) if pin else ()


def _needed(command: Command, name: str) -> str:
    value = command.arguments.get(name, "").strip()
    if not value:
        raise BadRequest(f"The {name} is missing.")
    return value


def _serial(command: Command) -> str:
    if command.device.serial is None:
        raise BadRequest("Mosyle writes records by serial number, and this device has none.")
    return command.device.serial


def _judge_answer(body: object, command: Command, operation: Operation) -> None:
    if operation.path == "users":
        accepted(body)
    elif operation.path == "devices":
        updated(body, _serial(command))
    else:
        taken(body, command.device.external_id)


def _receipt(command: Command) -> Receipt:
    if command.verb is Verb.SET_ASSET_TAG:
        return Receipt(State.SUCCEEDED, detail="Mosyle wrote it into its record.")
    if command.verb in SEEN_ON_DEVICE:
        return Receipt(State.SENT, handle=command.verb.value)
    return Receipt(State.UNVERIFIABLE, detail="Mosyle does not say what becomes of it.")


def _shows(command: Command, device: ManagedDevice) -> bool:
    if command.verb is Verb.RENAME:
        return device.name == command.arguments.get("name", "").strip()
    if command.verb is Verb.SET_USER:
        wanted = command.arguments.get("user", "").strip().casefold()
        return wanted in {device.user, str(device.vendor.get("userid", "")).casefold()}
    return device.lost_mode is (command.verb is Verb.LOST_MODE_ON)


def _read(rows: Sequence[object], system: str) -> tuple[list[ManagedDevice], list[BadRecord]]:
    devices: list[ManagedDevice] = []
    bad: list[BadRecord] = []
    for row in rows:
        try:
            if not isinstance(row, Mapping):
                raise ValueError("not an object")
            devices.append(device_of(row, system))
        except ValueError as error:
            bad.append(BadRecord(None, f"A record of Mosyle's list of {system} cannot be read: {error}."))
    return devices, bad
