"""Jamf School, under version 3 of its protocol.

No schema is published: paths and shapes are those of Jamf's own SDK and of recorded answers, and of `/users`
and `/locations` no more is read than ids, names and addresses. Devices come in one list without pages and
without a filter by time. No command has an id, so what becomes of one is never known. A right that the key
lacks is answered with 405; a path that it does not know with 404, as a device is, except in words.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from integrations.mdm import jamf_school_records as records
from integrations.mdm import reading
from integrations.mdm.asking import Asker, Pace, Reply, by_status, segment
from integrations.mdm.port import (
    BadRecord,
    BadRequest,
    Checked,
    Command,
    Enrolment,
    Forbidden,
    ManagedDevice,
    MdmError,
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

OVERLAP = timedelta(minutes=10)
PATIENCE = Pace(silence=120, total=300, largest=128 * 1024 * 1024)
"""All devices of a district come in one body."""
CONNECTIONS = 2
EVERY = frozenset({Platform.MACOS, Platform.IPADOS, Platform.IOS, Platform.TVOS})
HELD = frozenset({Platform.IPADOS, Platform.IOS})
PLATFORMS: Mapping[Verb, frozenset[Platform]] = {
    Verb.RESTART: EVERY,
    Verb.CLEAR_PASSCODE: HELD,
    Verb.WIPE: EVERY,
    Verb.SYNC: EVERY,
    Verb.UNENROL: EVERY,
    Verb.SET_ASSET_TAG: EVERY,
    Verb.SET_USER: EVERY,
    Verb.MOVE: EVERY,
}
COMMANDS: Mapping[Verb, tuple[str, Mapping[str, str] | None]] = {
    Verb.RESTART: ("restart", None),
    Verb.CLEAR_PASSCODE: ("restart", {"clearPasscode": "true"}),
    Verb.WIPE: ("wipe", {"clearActivationLock": "true"}),
    Verb.SYNC: ("refresh", None),
    Verb.UNENROL: ("unenroll", None),
}
"""Flags are words, as Jamf's own SDK sends them. A passcode is only cleared together with a restart."""
RIGHTS = {"GET": "Read", "POST": "Add", "PUT": "Edit", "DELETE": "Delete"}
SENT = "It was sent. Jamf School never says what became of a command."
NOBODY = "FIRSTBELL0CHECK"
"""A serial number that no device has: the list is asked for it to try the right to read."""


class JamfSchool:
    name = "jamf_school"
    settings: Sequence[Setting] = (
        Setting("base_url", "Address of Jamf School", kind="url"),
        Setting("network_id", "Network ID"),
        Setting("api_key", "API key", secret=True),
    )

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        http: httpx.AsyncClient | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._base = f"{reading.base_url(values['base_url'])}/api"
        network, key = values["network_id"].strip(), values["api_key"].strip()
        basic = base64.b64encode(f"{network}:{key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "X-Server-Protocol-Version": "3"}
        self._asker = Asker(
            http=http, pace=pace or PATIENCE, secrets=(key, basic), sleep=sleep, chance=chance
        )
        self._few = asyncio.Semaphore(CONNECTIONS)
        self._places: dict[str, str] = {}

    def supports(self, verb: Verb, platform: Platform) -> bool:
        return platform in PLATFORMS.get(verb, ())

    async def close(self) -> None:
        await self._asker.close()

    async def check(self) -> Checked:
        """Look for a device that is not there, and read the locations. Rights to write are not tried, for
        that would write.
        """
        try:
            await self._listed({"serialnumber": NOBODY})
            await self._read_places()
        except Forbidden as refused:
            missing = {refused.permission or "Read": "to list devices"}
            return Checked(False, str(refused), missing=missing, reason=refused.reason)
        except MdmError as error:
            return Checked(False, str(error), reason=error.reason)
        return Checked(True, "Devices can be read.", ("Read",))

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        """One page with every device. `since` is compared here, with what neither checked in nor was changed
        left out; a device that says neither is kept.
        """
        await self._name_places()
        rows = await self._listed({})
        seen: set[str] = set()
        devices: list[ManagedDevice] = []
        bad: list[BadRecord] = []
        for raw in rows:
            known = records.udid(raw)
            if known is not None and known in seen:
                continue
            seen |= {known} if known else set()
            try:
                if _is_newer(raw, since):
                    devices.append(records.device(raw, self._places))
            except (ValueError, AttributeError) as wrong:
                bad.append(
                    BadRecord(known, str(wrong) if isinstance(wrong, ValueError) else "it is no record")
                )
        yield Page(tuple(devices), tuple(bad), None, len(rows))

    async def device(self, external_id: str) -> ManagedDevice:
        found = (await self._ask("GET", f"/devices/{segment(external_id)}")).object().get("device")
        if records.udid(found) != external_id:
            raise ProtocolError("Jamf School answered with another device than was asked for.")
        return await self._read(found)

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        wanted = reading.serial(serial)
        if wanted is None:
            return ()
        found = [await self._read(raw) for raw in await self._listed({"serialnumber": wanted})]
        if any(device.serial != wanted for device in found):
            raise ProtocolError("Jamf School answered with another device than was asked for.")
        return tuple(found)

    async def send(self, command: Command) -> Receipt:
        """Record edits have succeeded when they are answered; everything else is unverifiable from the start.
        `user` is an address, `site` an id or a name of a location.
        """
        _supported(command)
        path = f"/devices/{segment(command.device.external_id)}"
        with _unsent():
            edit = None if command.verb in COMMANDS else await self._edit(command)
        if edit is None:
            verb, flags = COMMANDS[command.verb]
            await self._write("POST", f"{path}/{verb}", flags)
            return Receipt(State.UNVERIFIABLE, detail=SENT)
        method, part, body = edit
        await self._write(method, f"{path}/{part}", body)
        return Receipt(State.SUCCEEDED)

    async def _edit(self, command: Command) -> tuple[str, str, Mapping[str, Any]]:
        if command.verb is Verb.SET_ASSET_TAG:
            return "POST", "details", {"assetTag": _argument(command, "tag")}
        if command.verb is Verb.SET_USER:
            return "PUT", "owner", {"user": await self._user(_argument(command, "user"))}
        where = {"locationId": await self._place(_argument(command, "site")), "onlyDevice": True}
        return "PUT", "migrate", where

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        """Record edits and unenrolments are looked up in the record. Unsupported for everything else."""
        _supported(command)
        if command.verb in COMMANDS and command.verb is not Verb.UNENROL:
            raise Unsupported("Jamf School does not list what was sent.")
        return Receipt(State.SUCCEEDED) if await self._is_so(command) else None

    async def outcome(self, command: Command, handle: str) -> Outcome:
        """Unsupported, always."""
        raise Unsupported("Jamf School never says what became of a command.")

    async def _is_so(self, command: Command) -> bool:
        """Whether the record says already what the command wants."""
        device = await self.device(command.device.external_id)
        if command.verb is Verb.UNENROL:
            return device.enrolment is Enrolment.UNENROLLED
        if command.verb is Verb.SET_ASSET_TAG:
            return (device.asset_tag or "") == _argument(command, "tag")
        if command.verb is Verb.SET_USER:
            return (device.user or "") == _argument(command, "user").casefold()
        return device.site_id == str(await self._place(_argument(command, "site")))

    async def _read(self, raw: Any) -> ManagedDevice:
        place = reading.text(reading.dig(raw, "locationId"))
        if place is not None and place not in self._places:
            await self._name_places()
        try:
            return records.device(raw, self._places)
        except (ValueError, AttributeError):
            raise ProtocolError("The record of the device cannot be read.") from None

    async def _listed(self, query: Mapping[str, str]) -> list[Any]:
        """All devices that the query lets through. Transient where fewer came than were counted."""
        said = (await self._ask("GET", f"/devices?{urlencode(query)}" if query else "/devices")).object()
        rows, count = said.get("devices"), reading.whole(said.get("count"))
        if not isinstance(rows, list):
            raise ProtocolError("The list of devices came without its devices.")
        if count is not None and count != len(rows):
            raise Transient("The list of devices is not whole.")
        return rows

    async def _name_places(self) -> None:
        try:
            self._places = await self._read_places()
        except Forbidden:
            self._places = {}

    async def _read_places(self) -> dict[str, str]:
        """Names of locations by id; the first is "0"."""
        rows = (await self._ask("GET", "/locations")).object().get("locations")
        if not isinstance(rows, list):
            raise ProtocolError("The locations came in another shape.")
        pairs = (
            (reading.text(reading.dig(row, "id")), reading.text(reading.dig(row, "name"))) for row in rows
        )
        return {number: name for number, name in pairs if number and name}

    async def _place(self, wanted: str) -> int:
        places = await self._read_places()
        if wanted in places:
            return int(wanted)
        named = [number for number, name in places.items() if name.casefold() == wanted.casefold()]
        if len(named) != 1:
            raise BadRequest("Jamf School has no location of that name, or more than one.")
        return int(named[0])

    async def _user(self, wanted: str) -> int:
        """The number of the user with that address; 0, which is nobody, for none."""
        if not wanted:
            return 0
        rows = (await self._ask("GET", "/users")).object().get("users")
        if not isinstance(rows, list):
            raise ProtocolError("The users came in another shape.")
        address = reading.address(wanted)
        numbers = {
            reading.whole(reading.dig(row, "id"))
            for row in rows
            if address is not None and reading.address(reading.dig(row, "email")) == address
        }
        if len(numbers) != 1 or None in numbers:
            raise BadRequest("Jamf School has no user with that address, or more than one.")
        return numbers.pop() or 0

    async def _write(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        """Once. An answer that cannot be read is Transient: it may have been done."""
        try:
            (await self._ask(method, path, body)).object()
        except ProtocolError as unread:
            if not unread.sent:
                raise
            raise Transient(f"Jamf School's answer cannot be read: {unread}") from None

    async def _ask(self, method: str, path: str, body: object = None) -> Reply:
        async with self._few:
            return await self._asker.ask(
                method,
                self._base + path,
                json=body,
                headers=self._headers,
                judge=lambda it: _judge(method, it),
            )


def _judge(method: str, reply: Reply) -> MdmError | None:
    """By the code in the body before the status: an error may come with status 200."""
    said = reply.maybe()
    error = reading.dig(said, "error")
    told = error if isinstance(error, Mapping) else said
    code = reading.whole(reading.dig(told, "code"))
    words = reading.text(reading.dig(told, "message"))
    if code is None or not 400 <= code < 600:
        code = reply.status
    if 200 <= code < 300:
        return None
    if code == 405 and error is not None:
        return Forbidden(f"{words or 'The key lacks a right.'} (status 405)", RIGHTS.get(method))
    if code == 404 and not re.search(r"[a-z] ?not ?found", (words or "").casefold()):
        return ProtocolError("Jamf School does not know this address or this version of its protocol.")
    return by_status(Reply(code, reply.headers, reply.body), words)


def _is_newer(raw: Any, since: datetime | None) -> bool:
    """Whether it checked in or was changed since; also where it says neither."""
    if since is None:
        return True
    said = (records.checked_in(raw.get(name)) for name in ("lastCheckin", "modified"))
    known = [moment for moment in said if moment is not None]
    return not known or max(known) >= since - OVERLAP


@contextmanager
def _unsent() -> Iterator[None]:
    """Whatever goes wrong meanwhile, the command itself was not sent."""
    try:
        yield
    except MdmError as error:
        error.sent = False
        raise


def _supported(command: Command) -> None:
    if command.device.platform not in PLATFORMS.get(command.verb, ()):
        raise Unsupported(f"Jamf School does not do that on {command.device.platform}.")
    held = command.device.platform in HELD
    if command.verb is Verb.RESTART and held and command.device.supervised is False:
        raise Unsupported("That is only for supervised devices, and this one is not.")


def _argument(command: Command, name: str) -> str:
    """May be empty, which is none; BadRequest where it is missing."""
    said = command.arguments.get(name)
    if said is None:
        raise BadRequest(f"That needs a {name}.")
    return said.strip()
