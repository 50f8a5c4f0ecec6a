"""Jamf School in trouble: every call of the adapter, every request of it, every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx

from integrations.mdm import jamf_school_records as records
from integrations.mdm.asking import Pace
from integrations.mdm.jamf_school import PLATFORMS, JamfSchool
from integrations.mdm.port import Command, Forbidden, ManagedDevice, MdmError, Page, Receipt, Verb
from integrations.mdm.simulated.jamf_school import KEY, NETWORK, SimulatedJamfSchool
from integrations.mdm.simulated.server import Asked
from tests.integrations.mdm.walking import Bench, Call, Trouble, troubles, walked

FIRST = f"00008110-{1:016X}"
ARGUMENTS = {
    Verb.SET_ASSET_TAG: {"tag": "RW-77"},
    Verb.SET_USER: {"user": "grace.h@rowan.example.org"},
    Verb.MOVE: {"site": "Rowan High"},
}


def known(at: SimulatedJamfSchool, verb: Verb) -> Command:
    """A command as somebody would give it who read the device before."""
    return Command(verb, records.device(at.devices[FIRST], {}), ARGUMENTS.get(verb, {}))


def vendor(url: str, http: httpx.AsyncClient, pace: Pace, _: object) -> JamfSchool:
    return JamfSchool({"base_url": url, "network_id": NETWORK, "api_key": KEY}, http=http, pace=pace)


async def everything(asked: JamfSchool, _: Any) -> list[Page]:
    return [page async for page in asked.pages()]


async def changed(asked: JamfSchool, at: SimulatedJamfSchool) -> list[Page]:
    return [page async for page in asked.pages(at.clock.now - timedelta(days=2))]


async def moved(asked: JamfSchool, at: SimulatedJamfSchool) -> Receipt | None:
    at.devices[FIRST]["locationId"] = 2
    return await asked.recent(known(at, Verb.MOVE), at.clock.now)


def sending(verb: Verb) -> Call:
    async def run(asked: JamfSchool, at: SimulatedJamfSchool) -> Receipt:
        return await asked.send(known(at, verb))

    return Call(f"send {verb}", run)


def tolerated(asked: Asked, error: MdmError) -> bool:
    """Names of places add to what is known of a device."""
    return asked.path == "/api/locations" and isinstance(error, Forbidden)


def without_sites(result: object) -> object:
    if isinstance(result, list):
        return [replace(page, devices=[replace(each, site=None) for each in page.devices]) for page in result]
    if isinstance(result, tuple):
        return tuple(without_sites(each) for each in result)
    return replace(result, site=None) if isinstance(result, ManagedDevice) else result


CALLS = [
    Call("every device", everything),
    Call("a device", lambda asked, _: asked.device(FIRST)),
    Call("by serial", lambda asked, _: asked.find("RWS00006")),
]
ALIKE = [Call("devices since", changed), Call("recently moved", moved)]
SHAPES = (Verb.RESTART, Verb.SET_USER)
"""A command, and an edit with a look before it."""
TROUBLES = troubles(
    {"code": 401, "message": "Unauthorized"},
    {"code": 403, "message": "Forbidden"},
    {"code": 429, "message": "Too many requests"},
    {"code": 500, "message": "Oops"},
)


def bench(calls: Sequence[Call], suffered: Mapping[str, Trouble]) -> Bench:
    return Bench(
        simulator=SimulatedJamfSchool,
        vendor=vendor,
        calls=calls,
        troubles=suffered,
        secrets=(KEY,),
        tolerates=tolerated,
        essential=without_sites,
    )


async def test_whatever_goes_wrong_nothing_is_lost_done_twice_or_told_wrongly(
    http: httpx.AsyncClient,
) -> None:
    found = await walked(bench([*CALLS, *map(sending, SHAPES)], TROUBLES), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 120
    assert found.mended > 50
    assert found.raised.keys() == {"AuthFailed", "Forbidden", "RateLimited", "Transient", "ProtocolError"}


async def test_every_other_call_survives_every_fault(http: httpx.AsyncClient) -> None:
    others = [*ALIKE, *(sending(verb) for verb in PLATFORMS if verb not in SHAPES)]
    found = await walked(bench(others, TROUBLES), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases >= 5 * len(others)
    assert found.raised.keys() >= {"Forbidden", "Transient"}
