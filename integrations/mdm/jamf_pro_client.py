"""Asking Jamf Pro: signing in, its lists, its commands.

Lists are asked by page number and say how many there are in all. Page sizes are cut down in silence, so that
a short page says nothing. Jamf asks for at most five connections at a time.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from integrations.mdm import jamf_pro_replies as replies
from integrations.mdm import reading
from integrations.mdm.asking import Asker, Pace, Reply, Token, TokenKeeper
from integrations.mdm.jamf_pro_commands import READ_COMPUTERS, READ_MOBILE, READ_SITES, VIEW_COMMANDS
from integrations.mdm.jamf_pro_records import COMPUTER, MOBILE
from integrations.mdm.port import Forbidden, NotFound, ProtocolError

CONNECTIONS = 5
EARLY = 10
"""Seconds before its end that a token is renewed: API clients may be set to tokens of a minute."""
SECTIONS = {
    COMPUTER: ("GENERAL", "HARDWARE", "OPERATING_SYSTEM", "USER_AND_LOCATION", "STORAGE"),
    MOBILE: ("GENERAL", "HARDWARE", "USER_AND_LOCATION", "SECURITY"),
}
READ = {COMPUTER: READ_COMPUTERS, MOBILE: READ_MOBILE}

Query = Sequence[tuple[str, str]]


class JamfProClient:
    """`account` signs in as a user instead of as an API client; `page_size` of at most 2000 is kept."""

    def __init__(
        self,
        base: str,
        client: str,
        secret: str,
        *,
        account: bool,
        page_size: int,
        http: httpx.AsyncClient | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._base, self._client, self._secret, self._account = base, client, secret, account
        self._basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        known = (secret, self._basic)
        self._asker = Asker(http=http, pace=pace, secrets=known, sleep=sleep, chance=chance)
        self._keeper = TokenKeeper(self._token, early=EARLY)
        self._now, self._page_size = now, page_size
        self._few = asyncio.Semaphore(CONNECTIONS)
        self._routes: str | None = None

    async def close(self) -> None:
        await self._asker.close()

    async def routes(self) -> str:
        """The version of the computers' routes: "v4", or "v1" where the server is older."""
        if self._routes is None:
            try:
                await self._get("/api/v4/computers-inventory", READ[COMPUTER], [("page-size", "1")])
                self._routes = "v4"
            except NotFound:
                self._routes = "v1"
        return self._routes

    async def listed(
        self, kind: str, number: int, wanted: str | None = None, size: int | None = None
    ) -> tuple[int, list[Any]]:
        """One page, counted from 0, of what the filter `wanted` lets through: how many in all, and records.
        Mobile devices that the server cannot read come with null sections instead of failing all.
        """
        query = [
            *_sections(kind),
            ("page", str(number)),
            ("page-size", str(size or self._page_size)),
            ("sort", "id:asc" if kind == COMPUTER else "mobileDeviceId:asc"),
            *([] if wanted is None else [("filter", wanted)]),
        ]
        if kind == COMPUTER:
            path = f"/api/{await self.routes()}/computers-inventory"
        else:
            path = "/api/v2/mobile-devices/detail"
            query.append(("exception-handling", "LENIENT"))
        return _list(await self._get(path, READ[kind], query))

    async def computer(self, number: str) -> dict[str, Any]:
        path = f"/api/{await self.routes()}/computers-inventory/{number}"
        return (await self._get(path, READ[COMPUTER], _sections(COMPUTER))).object()

    async def sites(self) -> dict[str, str]:
        """Names by id."""
        rows = (await self._get("/api/v1/sites", READ_SITES)).json()
        if not isinstance(rows, list):
            raise ProtocolError("The sites came in another shape.")
        pairs = (
            (reading.text(reading.dig(row, "id")), reading.text(reading.dig(row, "name"))) for row in rows
        )
        return {number: name for number, name in pairs if number and name}

    async def commands(self, wanted: str) -> list[Mapping[str, Any]]:
        """The commands that the filter lets through, newest first. ProtocolError where that is not all."""
        query = [("filter", wanted), ("sort", "dateSent:desc"), ("page", "0"), ("page-size", "100")]
        total, rows = _list(await self._get("/api/v2/mdm/commands", VIEW_COMMANDS, query))
        if total > len(rows) or not all(isinstance(row, Mapping) for row in rows):
            raise ProtocolError("The list of commands is not whole.")
        return rows

    async def lock_pin(self, number: str) -> str | None:
        """The PIN that a Mac was locked with, where this client may see it."""
        path = f"/api/{await self.routes()}/computers-inventory/{number}/view-device-lock-pin"
        try:
            return reading.text((await self._get(path, "View Computer Device Lock Pin")).object().get("pin"))
        except (Forbidden, NotFound, ProtocolError):
            return None

    async def ask(
        self,
        method: str,
        path: str,
        right: str,
        *,
        json: object = None,
        secrets: Sequence[str] = (),
    ) -> Reply:
        """`right` is what is missing where it is refused. Not let in with a fresh token is refused, too."""
        try:
            async with self._few:
                return await self._asker.ask(
                    method,
                    self._base + path,
                    json=json,
                    keeper=self._keeper,
                    judge=replies.judge_by(right),
                    secrets=secrets,
                )
        except replies.Unauthorised as refused:
            raise Forbidden(str(refused), right or None) from None

    async def _get(self, path: str, right: str, query: Query = ()) -> Reply:
        return await self.ask("GET", f"{path}?{urlencode(query)}" if query else path, right)

    async def _token(self) -> Token:
        if self._account:
            basic = {"Authorization": f"Basic {self._basic}"}
            said = await self._signed_in("/api/v1/auth/token", headers=basic)
            ends = reading.instant(said.get("expires"))
            seconds = None if ends is None else (ends - self._now()).total_seconds()
            return replies.token(said.get("token"), seconds)
        form = {
            "client_id": self._client,
            "client_secret": self._secret,
            "grant_type": "client_credentials",
        }
        try:
            said = await self._signed_in("/api/v1/oauth/token", form=form)
        except NotFound:
            said = await self._signed_in("/api/oauth/token", form=form)
        return replies.token(said.get("access_token"), reading.number(said.get("expires_in")))

    async def _signed_in(
        self, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Asking for a token changes nothing and may be repeated."""
        reply = await self._asker.ask(
            "POST",
            self._base + path,
            form=form,
            headers=headers,
            repeatable=True,
            judge=replies.judge_sign_in,
        )
        return reply.object()


def _sections(kind: str) -> list[tuple[str, str]]:
    return [("section", section) for section in SECTIONS[kind]]


def _list(reply: Reply) -> tuple[int, list[Any]]:
    said = reply.object()
    total, rows = reading.whole(said.get("totalCount")), said.get("results")
    if total is None or not isinstance(rows, list):
        raise ProtocolError("A list came without its total or its records.")
    return total, rows
