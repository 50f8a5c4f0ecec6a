"""A simulated Jamf Pro and an adapter that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from integrations.mdm.asking import Pace
from integrations.mdm.jamf_pro import JamfPro
from integrations.mdm.port import Command, ManagedDevice, Verb
from integrations.mdm.simulated.jamf_pro import CLIENT, SECRET, SimulatedJamfPro
from integrations.mdm.simulated.server import Simulator, serving

PACE = Pace(connect=2, silence=2, total=4, tries=3, first_wait=0.002, longest_wait=1)
MAC, IPAD, PHONE, TV = "computer:1", "mobile:1", "mobile:8", "mobile:5"
LOST = "mobile:3"
PIN = "481516"
ARGUMENTS = {
    Verb.LOCK: {"message": "Return to the library", "phone": "555-0100", "pin": PIN},
    Verb.WIPE: {"pin": PIN},
    Verb.LOST_MODE_ON: {"message": "Please return", "phone": "555-0100"},
    Verb.RENAME: {"name": "WIL-NEW-01"},
    Verb.SET_ASSET_TAG: {"tag": "TAG-77"},
    Verb.SET_USER: {"user": "new.user@willow.example.org"},
    Verb.MOVE: {"site": "Birch Middle"},
}


@dataclass
class Lab:
    simulator: SimulatedJamfPro
    vendor: JamfPro
    url: str
    http: httpx.AsyncClient

    def another(self, page_size: int = 4, **values: str) -> JamfPro:
        return adapter(values.pop("url", self.url), self.http, page_size=page_size, **values)

    async def command(self, verb: Verb, on: str, **arguments: str) -> Command:
        device = await self.vendor.device(on)
        return Command(verb, device, arguments or ARGUMENTS.get(verb, {}))

    async def devices(self, **asked: Any) -> list[ManagedDevice]:
        return [device async for page in self.vendor.pages(**asked) for device in page.devices]


def adapter(
    url: str, http: httpx.AsyncClient, pace: Pace = PACE, page_size: int = 4, **values: str
) -> JamfPro:
    said = {"base_url": url, "client_id": CLIENT, "client_secret": SECRET, **values}
    return JamfPro(said, http=http, pace=pace, page_size=page_size)


class Port(Simulator):
    """A port on which one simulator after the other stands: opening one takes longer than a test."""

    current: Simulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)

    def lab(self, url: str, http: httpx.AsyncClient) -> Lab:
        simulator = SimulatedJamfPro()
        self.current = simulator
        return Lab(simulator, adapter(url, http), url, http)


@asynccontextmanager
async def port() -> AsyncIterator[tuple[Port, str]]:
    made = Port()
    async with serving(made) as url:
        yield made, url
