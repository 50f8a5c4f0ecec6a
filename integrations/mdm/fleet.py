"""Fleet (fleetdm.com), REST API v1: what a sixth device management takes, which is one adapter.

Needs the token of an API-only user. Locking and wiping are of Fleet's Premium edition. Sources: the REST
documents of December 2024; `refetch` and the words of a missing licence are from memory of newer ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from integrations.mdm import reading
from integrations.mdm.asking import Asker, Pace, Reply, by_status, maybe_done, segment
from integrations.mdm.fleet_records import WANTED, changed_at, device_of, reasons, standing
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

PAGE = 100
MOST_PAGES = 10_000
OVERLAP = timedelta(minutes=15)
COMPUTERS = frozenset({Platform.MACOS, Platform.WINDOWS, Platform.LINUX})
MOBILE = frozenset({Platform.IOS, Platform.IPADOS})


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    platforms: frozenset[Platform]


ACTIONS: Mapping[Verb, Action] = {
    Verb.LOCK: Action("lock", COMPUTERS),
    Verb.DISABLE: Action("lock", COMPUTERS),
    Verb.ENABLE: Action("unlock", COMPUTERS),
    Verb.WIPE: Action("wipe", COMPUTERS | MOBILE),
    Verb.SYNC: Action("refetch", COMPUTERS | MOBILE | {Platform.CHROMEOS}),
}


class Fleet:
    """One Fleet server."""

    name = "fleet"
    settings: Sequence[Setting] = (
        Setting("base_url", "Address of the server", kind="url"),
        Setting("token", "Token of an API-only user", secret=True),
    )

    def __init__(
        self,
        settings: Mapping[str, str],
        http: httpx.AsyncClient | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._base = f"{reading.base_url(settings['base_url'])}/api/v1/fleet"
        self._token = settings["token"].strip()
        self._asker = Asker(http=http, pace=pace, secrets=(self._token,))

    def supports(self, verb: Verb, platform: Platform) -> bool:
        action = ACTIONS.get(verb)
        return action is not None and platform in action.platforms

    async def check(self) -> Checked:
        """Read one host. Whether the user may lock and wipe cannot be asked for without doing it."""
        try:
            await self._hosts({"page": "0", "per_page": "1"})
        except AuthFailed as wrong:
            return Checked(False, str(wrong), reason=wrong.reason)
        except Forbidden as wrong:
            missing = {"observer": "to list hosts"}
            return Checked(False, str(wrong), missing=missing, reason=wrong.reason)
        return Checked(True, "Hosts can be listed.", granted=("list hosts",))

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        """Every host by its id; or, newest first, those that Fleet wrote at most `OVERLAP` before `since`. A
        short page is no end: the end is what the server says or an empty page.
        """
        earliest = None if since is None else since - OVERLAP
        order = {"order_key": "id", "order_direction": "asc"}
        if earliest is not None:
            order = {"order_key": "updated_at", "order_direction": "desc"}
        known: set[str] = set()
        for number in range(MOST_PAGES):
            asked = {"page": str(number), "per_page": str(PAGE), "device_mapping": "true", **order}
            hosts, more = await self._hosts(asked)
            wanted = [host for host in hosts if not _older(host, earliest)]
            devices, bad = _read(wanted)
            fresh = {each.external_id: each for each in devices if each.external_id not in known}
            known.update(fresh)
            ends = more is False or not hosts or len(wanted) < len(hosts)
            yield Page(tuple(fresh.values()), bad, None if ends else str(number + 1))
            if ends:
                return
            if not fresh and not bad:
                raise ProtocolError("Fleet gives the same page of hosts again.")
        raise ProtocolError("Fleet's list of hosts does not end.")

    async def device(self, external_id: str) -> ManagedDevice:
        host = await self._host(external_id)
        try:
            return device_of(host)
        except ValueError as error:
            raise ProtocolError(f"Fleet's record of a host cannot be read: {error}.") from None

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        """By the free search, whose hits are held against the serial number."""
        wanted = reading.serial(serial)
        if wanted is None:
            return ()
        found: dict[str, ManagedDevice] = {}
        for number in range(MOST_PAGES):
            asked = {"query": wanted, "page": str(number), "per_page": str(PAGE), "device_mapping": "true"}
            hosts, more = await self._hosts(asked)
            devices, _ = _read(hosts)
            found |= {each.external_id: each for each in devices if each.serial == wanted}
            if more is False or len(hosts) < PAGE:
                break
        return tuple(found.values())

    async def send(self, command: Command) -> Receipt:
        """Ask once. The PIN that unlocks a Mac comes with the answer, and only then."""
        if not self.supports(command.verb, command.device.platform):
            raise Unsupported(f"Fleet cannot do this with {command.device.platform.value} hosts.")
        action = ACTIONS[command.verb]
        seen = await self._mark(command) if command.verb is Verb.SYNC else None
        pin = command.device.platform is Platform.MACOS and action.name == "lock"
        with maybe_done():
            reply = await self._asker.ask(
                "POST",
                f"{self._base}/hosts/{segment(command.device.external_id)}/{action.name}",
                params={"view_pin": "true"} if pin else None,
                headers=self._headers(),
                judge=judged,
            )
            said = reply.object() if reply.body else {}
        code = reading.text(said.get("unlock_pin"))
        return Receipt(
            State.SENT if said.get("pending_action") else State.QUEUED,
            handle=seen.isoformat() if seen else command.verb.value,
            detail="Fleet gave no PIN with the lock." if pin and code is None else None,
            secrets={"pin": code} if code else {},
        )

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        """What the host's record shows of a lock or a wipe; Fleet does not say since when."""
        if command.verb not in WANTED:
            raise Unsupported("Fleet keeps no list of this.")
        shown = standing(await self._host(command.device.external_id), command.verb, since)
        return None if shown.state is State.QUEUED else Receipt(shown.state, handle=command.verb.value)

    async def outcome(self, command: Command, handle: str) -> Outcome:
        """By the host's record. A refetch is over when details are newer than they were."""
        before = datetime.fromisoformat(handle) if command.verb is Verb.SYNC else datetime.now(UTC)
        try:
            host = await self._host(command.device.external_id)
        except NotFound:
            return Outcome(State.UNVERIFIABLE, detail="Fleet no longer lists the host.")
        return standing(host, command.verb, before)

    async def close(self) -> None:
        await self._asker.close()

    async def _mark(self, command: Command) -> datetime:
        try:
            host = await self._host(command.device.external_id)
        except MdmError as error:
            error.sent = False
            raise
        return reading.instant(host.get("detail_updated_at")) or datetime(1, 1, 1, tzinfo=UTC)

    async def _host(self, key: str) -> Mapping[str, Any]:
        reply = await self._asker.ask(
            "GET", f"{self._base}/hosts/{segment(key)}", headers=self._headers(), judge=judged
        )
        host = reply.object().get("host")
        if not isinstance(host, Mapping):
            raise ProtocolError("Fleet answered without a host.")
        return host

    async def _hosts(self, query: Mapping[str, str]) -> tuple[list[Any], bool | None]:
        """The rows of a page, and whether there are more where the server says so."""
        reply = await self._asker.ask(
            "GET", f"{self._base}/hosts", params=query, headers=self._headers(), judge=judged
        )
        body = reply.object()
        hosts = body.get("hosts")
        if not isinstance(hosts, list):
            raise ProtocolError("Fleet's list of hosts holds no list.")
        return hosts, reading.truth(reading.dig(body, "meta", "has_next_results"))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}


def judged(reply: Reply) -> MdmError | None:
    """By status, and for refusals by their words; those may hold database text and are not passed on."""
    if reply.ok:
        return None
    words = reasons(reply.maybe()).casefold()
    if reply.status == 402 or "premium license" in words:
        return Unsupported("Fleet does this only with its Premium licence.")
    if reply.status == 401:
        return AuthFailed("Fleet does not accept the token.")
    if reply.status == 403:
        return Forbidden("Fleet does not allow this to the user of the token.")
    if reply.status == 422 and words:
        if "can't" in words or "mdm" in words:
            return Unsupported("Fleet cannot do this with this host, or its device management is off.")
        return BadRequest("Fleet refused the request.")
    return by_status(reply)


def _older(host: object, earliest: datetime | None) -> bool:
    if earliest is None or not isinstance(host, Mapping):
        return False
    written = changed_at(host)
    return written is not None and written < earliest


def _read(hosts: Sequence[object]) -> tuple[list[ManagedDevice], list[BadRecord]]:
    devices: list[ManagedDevice] = []
    bad: list[BadRecord] = []
    for host in hosts:
        try:
            if not isinstance(host, Mapping):
                raise ValueError("not an object")
            devices.append(device_of(host))
        except ValueError as error:
            bad.append(BadRecord(None, f"A record of Fleet's list cannot be read: {error}."))
    return devices, bad
