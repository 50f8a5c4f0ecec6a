"""Microsoft Intune over Microsoft Graph: v1.0, and beta only where v1.0 has nothing (some of
`intune_actions`, and the battery in `Intune.device`).

Needs an app registration with a client secret and, as application permissions with admin consent,
`DeviceManagementManagedDevices.Read.All` and for commands `….PrivilegedOperations.All`. Intune has no asset
tag, no room of its own and no number for a command: what became of one is read from the device's action log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import httpx

from integrations.mdm import reading
from integrations.mdm.asking import Asker, Pace, Reply, Token, TokenKeeper, by_status, maybe_done, segment
from integrations.mdm.intune_actions import ACTIONS, action_of
from integrations.mdm.intune_records import (
    FIELDS,
    GONE,
    LOGGED_AS,
    device_of,
    entry_after,
    last_start,
    missing_permission,
    outcome_of,
    reasons,
    roles_of,
    with_battery,
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
    RateLimited,
    Receipt,
    Setting,
    State,
    Transient,
    Unsupported,
    Verb,
)

READ = "DeviceManagementManagedDevices.Read.All"
EDIT = "DeviceManagementManagedDevices.ReadWrite.All"
ACT = "DeviceManagementManagedDevices.PrivilegedOperations.All"
OVERLAP = timedelta(minutes=15)
SKEW = timedelta(seconds=60)
"""How far our clock may be ahead of Intune's when an action is looked for again."""
NEVER = datetime(1, 1, 1, tzinfo=UTC)
MOST_PAGES = 2000
CLOUDS: Mapping[str, tuple[str, str]] = {
    "global": ("https://graph.microsoft.com", "https://login.microsoftonline.com"),
    "us_gov": ("https://graph.microsoft.us", "https://login.microsoftonline.us"),
    "us_dod": ("https://dod-graph.microsoft.us", "https://login.microsoftonline.us"),
    "china": ("https://microsoftgraph.chinacloudapi.cn", "https://login.partner.microsoftonline.cn"),
}
"""Where Graph and the sign-in are, by cloud; all but the first from memory of Microsoft's pages."""


class Intune:
    """One tenant. `base_url` among the settings stands for Graph and the sign-in, for a simulator."""

    name = "intune"
    settings: Sequence[Setting] = (
        Setting("tenant", "Directory (tenant) ID"),
        Setting("client_id", "Application (client) ID"),
        Setting("client_secret", "Client secret", secret=True),
        Setting("cloud", "Microsoft's cloud", required=False, default="global", choices=tuple(CLOUDS)),
        Setting("base_url", "Address of a simulator", required=False, kind="url"),
    )

    def __init__(
        self,
        settings: Mapping[str, str],
        http: httpx.AsyncClient | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._graph, self._login = CLOUDS[settings.get("cloud") or "global"]
        if settings.get("base_url"):
            self._graph = self._login = reading.base_url(settings["base_url"])
        self._tenant, self._client = settings["tenant"].strip(), settings["client_id"].strip()
        self._secret = settings["client_secret"].strip()
        self._asker = Asker(http=http, pace=pace, secrets=(self._secret,))
        self._keeper = TokenKeeper(self._token)

    def supports(self, verb: Verb, platform: Platform) -> bool:
        action = ACTIONS.get(verb)
        return action is not None and platform in action.platforms

    async def check(self) -> Checked:
        """Read one page of devices. What else is granted stands in the access token; trying it would change
        devices.
        """
        try:
            await self._get(self._devices_url({"$select": "id", "$top": "1"}))
        except AuthFailed as refused:
            return Checked(False, str(refused), reason=refused.reason)
        except Forbidden as refused:
            missing = {refused.permission or READ: "to list devices"}
            return Checked(False, str(refused), missing=missing, reason=refused.reason)
        roles = roles_of(await self._keeper.token())
        if roles is None:
            return Checked(
                True,
                "Devices can be read; whether commands may be sent shows with the first one.",
                granted=(READ,),
            )
        missing = {} if roles & {ACT, EDIT} else {ACT: "to send commands"}
        detail = (
            "Devices can be read, commands cannot be sent."
            if missing
            else "Devices and commands are allowed."
        )
        return Checked(True, detail, granted=tuple(sorted(roles)), missing=missing)

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        """Every device, or those whose last check-in is at most `OVERLAP` older than `since`. Graph is known
        to ignore a filter in silence, so it is applied here once more.
        """
        query = {"$select": FIELDS}
        earliest = None if since is None else since - OVERLAP
        if earliest is not None:
            query["$filter"] = f"lastSyncDateTime ge {earliest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        async for page in self._walk(query):
            fresh = [
                device
                for device in page.devices
                if earliest is None or (device.last_check_in is not None and device.last_check_in >= earliest)
            ]
            yield Page(fresh, page.bad, page.next)

    async def device(self, external_id: str) -> ManagedDevice:
        """One device, with its battery where the beta record tells it (beta; left out where that fails)."""
        record = await self._get(self._device_url(external_id) + _query({"$select": FIELDS}))
        device = _read(record)
        hardware = self._device_url(external_id, beta=True) + _query({"$select": "id,hardwareInformation"})
        try:
            return with_battery(device, await self._get(hardware, repeatable=False))
        except AuthFailed:
            raise
        except MdmError:
            return device

    async def find(self, serial: str) -> Sequence[ManagedDevice]:
        wanted = reading.serial(serial)
        if wanted is None:
            return ()
        quoted = wanted.replace("'", "''")
        walk = self._walk({"$select": FIELDS, "$filter": f"serialNumber eq '{quoted}'"})
        return [device async for page in walk for device in page.devices if device.serial == wanted]

    async def send(self, command: Command) -> Receipt:
        """Ask once. The action log is read before, so that the new entry can be told from older ones by
        Intune's own clock. A message to the Company Portal leaves no entry.
        """
        action = action_of(command)
        body = None if action.body is None else action.body(command)
        handle = None if command.verb is Verb.MESSAGE else await self._mark(command)
        with maybe_done():
            await self._asker.ask(
                "POST",
                f"{self._device_url(_key(command), beta=action.beta)}/{action.name}",
                json=body,
                headers={"client-request-id": str(uuid4())},
                keeper=self._keeper,
                judge=judged,
                secrets=tuple(value for name, value in command.arguments.items() if name == "pin" and value),
            )
        if handle is None:
            return Receipt(State.UNVERIFIABLE, detail="Intune does not say whether the message was read.")
        return Receipt(State.QUEUED, handle=handle.isoformat())

    async def recent(self, command: Command, since: datetime) -> Receipt | None:
        """The first action of this kind that Intune's log has since (by a clock up to `SKEW` behind ours). A
        record that is gone tells of a wipe or a retirement; otherwise that is NotFound.
        """
        if command.verb not in LOGGED_AS:
            raise Unsupported("Intune keeps no log of this.")
        try:
            record = await self._log(command)
        except NotFound:
            if command.verb not in GONE:
                raise
            return Receipt(
                State.SUCCEEDED, handle=since.isoformat(), detail="Intune no longer lists the device."
            )
        before = since - SKEW
        entry = entry_after(record, command.verb, before)
        if entry is None:
            return None
        return Receipt(outcome_of(entry).state, handle=before.isoformat())

    async def outcome(self, command: Command, handle: str) -> Outcome:
        """The entry of the action log that was started after `handle`, the log's last one before sending. A
        synchronisation also shows in the time of the last check-in.
        """
        after = datetime.fromisoformat(handle)
        try:
            record = await self._log(command)
        except NotFound:
            gone = command.verb in GONE
            return Outcome(
                State.SUCCEEDED if gone else State.UNVERIFIABLE, detail="Intune no longer lists the device."
            )
        entry = entry_after(record, command.verb, after)
        if entry is not None and outcome_of(entry).state not in (State.QUEUED, State.SENT):
            return outcome_of(entry)
        seen = reading.instant(record.get("lastSyncDateTime"))
        if command.verb is Verb.SYNC and seen is not None and seen > after:
            return Outcome(State.SUCCEEDED, at=seen)
        return outcome_of(entry) if entry is not None else Outcome(State.QUEUED)

    async def close(self) -> None:
        await self._asker.close()

    async def _mark(self, command: Command) -> datetime:
        """What a new entry of the log will be later than. Where this fails, nothing was asked for."""
        try:
            return _latest(await self._log(command), command.verb)
        except MdmError as error:
            error.sent = False
            raise

    async def _log(self, command: Command) -> Mapping[str, Any]:
        query = _query({"$select": "id,lastSyncDateTime,deviceActionResults"})
        return await self._get(self._device_url(_key(command)) + query)

    async def _walk(self, query: Mapping[str, str]) -> AsyncIterator[Page]:
        """All pages by their links, as they are; a device on two of them is given once."""
        url: str | None = self._devices_url(query)
        known: set[str] = set()
        walked: set[str] = set()
        while url is not None:
            if url in walked or len(walked) >= MOST_PAGES:
                raise ProtocolError("Intune's list of devices does not end.")
            walked.add(url)
            body = await self._get(url)
            url = self._next(body)
            devices, bad = _rows(body)
            fresh = {each.external_id: each for each in devices if each.external_id not in known}
            known.update(fresh)
            yield Page(tuple(fresh.values()), bad, url)

    def _next(self, body: Mapping[str, Any]) -> str | None:
        """The link to the next page; ProtocolError where it leads to another server, for the token would go
        there too.
        """
        link = body.get("@odata.nextLink")
        if link is None:
            return None
        ours, theirs = urlsplit(self._graph), urlsplit(str(link))
        if (theirs.scheme, theirs.netloc.casefold()) != (ours.scheme, ours.netloc.casefold()):
            raise ProtocolError("The link to the next page leads to another server.")
        return str(link)

    async def _get(self, url: str, *, repeatable: bool = True) -> dict[str, Any]:
        reply = await self._asker.ask(
            "GET",
            url,
            headers={"client-request-id": str(uuid4())},
            keeper=self._keeper,
            judge=judged,
            repeatable=repeatable,
        )
        return reply.object()

    def _devices_url(self, query: Mapping[str, str]) -> str:
        return f"{self._graph}/v1.0/deviceManagement/managedDevices{_query(query)}"

    def _device_url(self, key: str, *, beta: bool = False) -> str:
        version = "beta" if beta else "v1.0"
        return f"{self._graph}/{version}/deviceManagement/managedDevices/{segment(key)}"

    async def _token(self) -> Token:
        """By client credentials; asking again changes nothing, so it may be repeated."""
        reply = await self._asker.ask(
            "POST",
            f"{self._login}/{segment(self._tenant)}/oauth2/v2.0/token",
            form={
                "client_id": self._client,
                "client_secret": self._secret,
                "scope": f"{self._graph}/.default",
                "grant_type": "client_credentials",
            },
            repeatable=True,
            judge=token_judged,
        )
        body = reply.object()
        token, seconds = reading.text(body.get("access_token")), reading.number(body.get("expires_in"))
        if token is None or seconds is None:
            raise ProtocolError("The sign-in answered without a token.")
        return Token(token, seconds)


def judged(reply: Reply) -> MdmError | None:
    """What is wrong with an answer of Graph: by its error codes, and by its status where it has none."""
    if reply.ok:
        return None
    why = reasons(reply.maybe())
    number = f" (request-id {why.request_id})" if why.request_id else ""
    if why.codes & {"TooManyRequests", "activityLimitReached"} or reply.status == 429:
        plain = by_status(reply)
        told = plain.retry_after if isinstance(plain, RateLimited) else None
        return RateLimited(f"Intune asks for fewer requests.{number}", told or why.retry_after)
    if why.codes & {"InvalidAuthenticationToken", "ExpiredAuthenticationToken"}:
        return AuthFailed(f"Intune does not accept the access token.{number}")
    if why.codes & {"Forbidden", "Authorization_RequestDenied", "AccessDenied"} or reply.status == 403:
        permission = missing_permission(why.words)
        lacks = f" It asks for {permission}." if permission else ""
        return Forbidden(f"Intune does not allow this to the application.{lacks}{number}", permission)
    if why.codes & {"ResourceNotFound", "Request_ResourceNotFound"}:
        return NotFound(f"Intune does not know this device.{number}")
    if reply.status == 400:
        return BadRequest(
            "Intune refused the request without a reason; often the device or its system cannot do it."
            + number
        )
    return by_status(reply, f"Intune reports a fault{number}")


REFUSALS: Mapping[int, str] = {
    7000215: "The client secret is wrong.",
    7000222: "The client secret has expired.",
    700016: "The application is not known in this directory.",
    90002: "The directory (tenant) is not known.",
}
"""Numbers of the sign-in's errors (AADSTS…) that a technician can put right."""


def token_judged(reply: Reply) -> MdmError | None:
    """What is wrong with an answer of the sign-in."""
    if reply.ok:
        return None
    body = reply.maybe()
    numbers = reading.rows(reading.dig(body, "error_codes"))
    for number in numbers:
        if number in REFUSALS:
            return AuthFailed(f"{REFUSALS[number]} (AADSTS{number})")
    error = reading.dig(body, "error")
    if error in ("temporarily_unavailable", "server_error"):
        return Transient("The sign-in is not available just now.")
    if reply.status in (400, 401):
        known = isinstance(error, str) and error.isascii() and len(error) <= 40
        return AuthFailed(f"The sign-in was refused{f': {error}' if known else ''}.")
    return by_status(reply, "The sign-in reports a fault")


def _rows(body: Mapping[str, Any]) -> tuple[list[ManagedDevice], list[BadRecord]]:
    value = body.get("value")
    if not isinstance(value, list):
        raise ProtocolError("Intune's list of devices holds no list.")
    devices: list[ManagedDevice] = []
    bad: list[BadRecord] = []
    for each in value:
        try:
            devices.append(_read(each))
        except ProtocolError as error:
            bad.append(BadRecord(None, str(error)))
    return devices, bad


def _read(record: object) -> ManagedDevice:
    if not isinstance(record, Mapping):
        raise ProtocolError("The record of a device is not an object.")
    try:
        return device_of(record)
    except ValueError as error:
        raise ProtocolError(f"The record of a device cannot be read: {error}.") from None


def _latest(record: Mapping[str, Any], verb: Verb) -> datetime:
    started = last_start(record, verb) or NEVER
    seen = reading.instant(record.get("lastSyncDateTime")) or NEVER
    return max(started, seen) if verb is Verb.SYNC else started


def _key(command: Command) -> str:
    return command.device.command_id or command.device.external_id


def _query(query: Mapping[str, str]) -> str:
    return "?" + urlencode(query, quote_via=quote, safe="$,")
