"""Jamf Pro: the tenant's own API (`/api`, OpenAPI of 11.30.1), and the Classic API for the two commands that
it alone can give.

Lists end on the total that Jamf Pro states. A filter may be ignored, so what it lets through is checked
again. Nothing that writes is tried a second time.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from secrets import randbelow
from typing import Any

import httpx

from integrations.mdm import jamf_pro_commands as commands
from integrations.mdm import jamf_pro_records as records
from integrations.mdm import jamf_pro_replies as replies
from integrations.mdm import reading
from integrations.mdm.asking import Pace
from integrations.mdm.jamf_pro_client import READ, JamfProClient
from integrations.mdm.jamf_pro_records import COMPUTER, MOBILE
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

SKEW = timedelta(minutes=2)
"""By how much the vendor's clock may differ from ours when a command is looked for."""
MOST_PAGES = 5000
CHANGED = "The list changed while it was read; some devices may be missing from it."
"""Records that go away move others to pages that were read already."""
READS = {"all": (COMPUTER, MOBILE), "computers": (COMPUTER,), "mobile": (MOBILE,)}
OLDEST = datetime.min.replace(tzinfo=UTC)
NOWHERE = "00000000-0000-0000-0000-000000000000"


class JamfPro:
    name = "jamf_pro"
    settings: Sequence[Setting] = (
        Setting("base_url", "Address of Jamf Pro", kind="url"),
        Setting(
            "sign_in",
            "Sign in as",
            required=False,
            kind="choice",
            default="api_client",
            choices=("api_client", "account"),
        ),
        Setting("client_id", "Client ID or user name"),
        Setting("client_secret", "Client secret or password", secret=True),
        Setting("reads", "Reads", required=False, kind="choice", default="all", choices=tuple(READS)),
    )

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        http: httpx.AsyncClient | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        page_size: int = 200,
    ) -> None:
        self._kinds = READS[values.get("reads") or "all"]
        self._client = JamfProClient(
            reading.base_url(values["base_url"]),
            values["client_id"].strip(),
            values["client_secret"].strip(),
            account=values.get("sign_in") == "account",
            page_size=page_size,
            http=http,
            pace=pace,
            sleep=sleep,
            chance=chance,
            now=now,
        )
        self._sites: dict[str, str] = {}

    def supports(self, verb: Verb, platform: Platform) -> bool:
        return platform in commands.PLATFORMS.get(verb, ())

    async def close(self) -> None:
        await self._client.close()

    async def check(self) -> Checked:
        """Read one computer, one mobile device, the sites and a command that is not there. Rights to send are
        not tried, for that would send.
        """
        granted: list[str] = []
        missing: dict[str, str] = {}
        try:
            for right, purpose, probe in self._probes():
                try:
                    await probe()
                    granted.append(right)
                except Forbidden:
                    missing[right] = purpose
        except MdmError as error:
            return Checked(False, str(error), tuple(granted), missing, error.reason)
        works = all(READ[kind] in granted for kind in self._kinds)
        detail = "Devices can be read." if works else "Not every kind of device can be read."
        return Checked(works, detail, tuple(granted), missing)

    def _probes(self) -> list[tuple[str, str, Callable[[], Awaitable[object]]]]:
        ask = self._client
        every: dict[str, tuple[str, Callable[[], Awaitable[object]]]] = {
            COMPUTER: ("to list computers", lambda: ask.listed(COMPUTER, 0, size=1)),
            MOBILE: ("to list mobile devices", lambda: ask.listed(MOBILE, 0, size=1)),
        }
        return [
            *((READ[kind], *every[kind]) for kind in self._kinds),
            (commands.READ_SITES, "to name the sites of mobile devices", ask.sites),
            (
                commands.VIEW_COMMANDS,
                "to send commands and to see what became of them",
                lambda: ask.commands(f'uuid=="{NOWHERE}"'),
            ),
        ]

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        """Computers, then mobile devices; their sites by name where the client may read sites."""
        await self._name_sites()
        for kind in self._kinds:
            async for page in self._walk(kind, since):
                yield page

    async def _walk(self, kind: str, since: datetime | None) -> AsyncIterator[Page]:
        wanted = None if since is None else replies.changed(replies.CHANGED[kind], since)
        seen: set[str] = set()
        nameless = most = 0
        for number in range(MOST_PAGES):
            try:
                total, rows = await self._client.listed(kind, number, wanted)
            except replies.InvalidField:
                if since is None or kind == COMPUTER or wanted == replies.changed_on_older(since):
                    raise
                wanted = replies.changed_on_older(since)
                total, rows = await self._client.listed(kind, number, wanted)
            if total < most:
                raise Transient(CHANGED)
            most = total
            fresh, unnamed = _sorted_out(kind, rows, seen)
            seen.update(fresh)
            nameless += len(unnamed)
            done = len(seen) + nameless >= total
            following = None if done else f"{kind}:{number + 1}"
            yield self._page(kind, [*fresh.values(), *unnamed], total, following)
            if done:
                return
            if not rows:
                raise Transient(CHANGED)
        raise ProtocolError("The list does not end.")

    def _page(self, kind: str, rows: Sequence[Any], total: int, following: str | None) -> Page:
        read = records.reader(kind, self._sites)
        devices: list[ManagedDevice] = []
        bad: list[BadRecord] = []
        for raw in rows:
            try:
                devices.append(read(raw))
            except (ValueError, AttributeError) as wrong:
                why = str(wrong) if isinstance(wrong, ValueError) else "it is no record"
                bad.append(BadRecord(records.record_id(kind, raw), why))
        return Page(tuple(devices), tuple(bad), following, total)

    async def device(self, external_id: str) -> ManagedDevice:
        try:
            kind, number = records.split(external_id)
        except ValueError:
            raise NotFound("Jamf Pro has no such device.") from None
        if kind == COMPUTER:
            found = [await self._client.computer(number)]
        else:
            found = await self._only(kind, f'mobileDeviceId=="{number}"')
        if not found:
            raise NotFound("Jamf Pro has no such device.")
        if any(records.record_id(kind, raw) != external_id for raw in found):
            raise ProtocolError("Jamf Pro answered with another device than was asked for.")
        return await self._read(kind, found[0])

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        """Newest enrolment first: a device that was wiped and enrolled again may be there twice."""
        wanted = reading.serial(serial)
        if wanted is None:
            return ()
        found: list[ManagedDevice] = []
        for kind in self._kinds:
            rows = await self._only(kind, f"{replies.SERIAL[kind]}=={replies.quoted(wanted)}")
            found += [await self._read(kind, raw) for raw in rows]
        if any(device.serial != wanted for device in found):
            raise ProtocolError("Jamf Pro answered with another device than was asked for.")
        newest = sorted(found, key=lambda it: it.enrolled_at or it.last_check_in or OLDEST, reverse=True)
        return tuple(newest)

    async def _only(self, kind: str, wanted: str) -> list[Any]:
        """The few records that a filter lets through. ProtocolError where they are more than a page."""
        total, rows = await self._client.listed(kind, 0, wanted)
        if total > len(rows):
            raise ProtocolError("Jamf Pro did not keep to what was asked for.")
        return rows

    async def _read(self, kind: str, raw: Any) -> ManagedDevice:
        site = reading.text(reading.dig(raw, "general", "siteId"))
        if kind == MOBILE and site not in (None, records.NO_SITE, *self._sites):
            await self._name_sites()
        try:
            return records.reader(kind, self._sites)(raw)
        except (ValueError, AttributeError):
            raise ProtocolError("The record of the device cannot be read.") from None

    async def _name_sites(self) -> None:
        try:
            self._sites = await self._client.sites()
        except (Forbidden, NotFound):
            self._sites = {}

    async def send(self, command: Command) -> Receipt:
        """Record edits have succeeded when they are answered. A Mac is locked or erased with the `pin` given,
        or with one made here, and not locked again while a lock is on its way: the two PINs could not be told
        apart. A `site` is an id or a name. An answer that cannot be read is Transient: it may have been done.
        """
        commands.supported(command)
        pin = _pin(command)
        with _unsent():
            site = await self._site(command)
            ask = commands.asking(command, routes=await self._routes(command), pin=pin, site=site)
            if pin is not None and command.verb is Verb.LOCK:
                await self._not_locking(command)
        known = () if pin is None else (pin,)
        try:
            reply = await self._client.ask(ask.method, ask.path, ask.right, json=ask.body, secrets=known)
            return replies.receipt(command, reply, pin)
        except ProtocolError as unread:
            if not unread.sent:
                raise
            raise Transient(f"Jamf Pro's answer cannot be read: {unread}") from None
        except BadRequest:
            if command.verb in commands.RECORD_EDITS and await self._is_so(command, site):
                return Receipt(State.SUCCEEDED)
            raise

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        """Record edits and renames are looked up in the record, other commands among those sent, with the PIN
        of a lock where it may be seen. Unsupported for an unenrolment, which is not listed there.
        """
        commands.supported(command)
        if command.verb in (*commands.RECORD_EDITS, Verb.RENAME):
            is_so = await self._is_so(command, await self._site(command))
            return Receipt(State.SUCCEEDED) if is_so else None
        if command.verb is Verb.UNENROL:
            raise Unsupported("Jamf Pro does not list unenrolments among its commands.")
        sent = await self._sent(command, since - SKEW)
        if not sent:
            return None
        newest = max(sent, key=replies.sent_at)
        outcome = replies.outcome(newest)
        pin = await self._lock_pin(command)
        kept = {} if pin is None else {"pin": pin}
        return Receipt(outcome.state, reading.text(newest.get("uuid")), outcome.detail, kept)

    async def outcome(self, command: Command, handle: str) -> Outcome:
        """NotFound where the command was flushed. Jamf Pro never lets one expire."""
        if handle == replies.BY_NAME:
            renamed = await self._is_so(command, None)
            return Outcome(State.SUCCEEDED if renamed else State.SENT)
        if not re.fullmatch(r"[0-9A-Za-z-]{1,64}", handle):
            raise BadRequest("That is not the id of a command.")
        rows = await self._client.commands(f'uuid=="{handle}"')
        if not rows:
            raise NotFound("Jamf Pro no longer knows that command.")
        if any(row.get("uuid") != handle for row in rows):
            raise ProtocolError("Jamf Pro answered with another command than was asked for.")
        return replies.outcome(rows[0])

    async def _routes(self, command: Command) -> str:
        return await self._client.routes() if command.device.platform is Platform.MACOS else "v4"

    async def _not_locking(self, command: Command) -> None:
        sent = await self._sent(command)
        if any(row.get("commandState") in replies.IN_FLIGHT for row in sent):
            raise BadRequest("A lock is on its way already; a second would leave two PINs.")

    async def _sent(self, command: Command, since: datetime | None = None) -> list[Mapping[str, Any]]:
        """What was sent to that device of that kind. ProtocolError where anything else is among it: that none
        was sent is a reason to send, and must be true.
        """
        client, kind = command.device.command_id, commands.TYPES[command.verb]
        wanted = f'clientManagementId=="{client}";command=={kind}'
        if since is not None:
            wanted += f';dateSent=ge="{replies.moment(since)}"'
        rows = await self._client.commands(wanted)
        for row in rows:
            if reading.dig(row, "client", "managementId") != client or row.get("commandType") != kind:
                raise ProtocolError("Jamf Pro answered with other commands than were asked for.")
        return [row for row in rows if since is None or replies.sent_at(row) >= since]

    async def _lock_pin(self, command: Command) -> str | None:
        if command.verb is not Verb.LOCK or not commands.needs_pin(command):
            return None
        return await self._client.lock_pin(records.split(command.device.external_id)[1])

    async def _is_so(self, command: Command, site: str | None) -> bool:
        """Whether the record says already what the command wants."""
        device, wanted = await self.device(command.device.external_id), command.arguments
        pairs = {
            Verb.RENAME: (device.name, wanted.get("name")),
            Verb.SET_ASSET_TAG: (device.asset_tag, wanted.get("tag")),
            Verb.SET_USER: (device.user, (wanted.get("user") or "").casefold()),
            Verb.MOVE: (device.site_id, site),
        }
        said, meant = pairs[command.verb]
        return (said or "") == (meant or "").strip()

    async def _site(self, command: Command) -> str | None:
        """The id of the site to move to, named by id or by name; None for no site and for other commands."""
        if command.verb is not Verb.MOVE:
            return None
        wanted = commands.argument(command, "site", empty=True)
        if wanted in ("", records.NO_SITE):
            return None
        sites = await self._client.sites()
        if wanted in sites:
            return wanted
        named = [number for number, name in sites.items() if name.casefold() == wanted.casefold()]
        if len(named) != 1:
            raise BadRequest("Jamf Pro has no site of that name, or more than one.")
        return named[0]


def _sorted_out(kind: str, rows: Sequence[Any], seen: set[str]) -> tuple[dict[str, Any], list[Any]]:
    """Records by id that were not seen yet, and those without an id."""
    fresh: dict[str, Any] = {}
    unnamed: list[Any] = []
    for raw in rows:
        known = records.record_id(kind, raw)
        if known is None:
            unnamed.append(raw)
        elif known not in seen:
            fresh[known] = raw
    return fresh, unnamed


@contextmanager
def _unsent() -> Iterator[None]:
    """Whatever goes wrong meanwhile, the command itself was not sent."""
    try:
        yield
    except MdmError as error:
        error.sent = False
        raise


def _pin(command: Command) -> str | None:
    if not commands.needs_pin(command):
        return None
    return commands.six_digits(command.arguments.get("pin") or f"{randbelow(10**6):06}")
