"""Jamf Pro in trouble: every call of the adapter, every request of it, every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx

from integrations.mdm import jamf_pro_commands as commands
from integrations.mdm import jamf_pro_records as records
from integrations.mdm.asking import Pace
from integrations.mdm.jamf_pro import JamfPro
from integrations.mdm.port import (
    Command,
    Forbidden,
    ManagedDevice,
    MdmError,
    NotFound,
    Page,
    Receipt,
    Verb,
)
from integrations.mdm.simulated.jamf_pro import SECRET, SimulatedJamfPro, fault
from integrations.mdm.simulated.server import Asked
from tests.integrations.mdm.jamf_pro_lab import ARGUMENTS, IPAD, MAC, PIN, adapter
from tests.integrations.mdm.walking import Bench, Call, Trouble, troubles, walked

SITES = "/api/v1/sites"
"""Read for the names of sites only: without them devices keep the number of theirs."""


def simulator() -> SimulatedJamfPro:
    made = SimulatedJamfPro()
    made.life = 3600
    return made


def vendor(url: str, http: httpx.AsyncClient, pace: Pace, _: object) -> JamfPro:
    return adapter(url, http, pace, page_size=8)


async def everything(asked: JamfPro, _: Any) -> list[Page]:
    return [page async for page in asked.pages()]


async def changed(asked: JamfPro, at: SimulatedJamfPro) -> list[Page]:
    return [page async for page in asked.pages(at.clock.now - timedelta(days=2))]


async def one(asked: JamfPro, _: Any) -> ManagedDevice:
    return await asked.device("mobile:2")


async def by_serial(asked: JamfPro, _: Any) -> Any:
    return await asked.find("WPM00005")


def known(at: SimulatedJamfPro, on: str, verb: Verb) -> Command:
    """A command as somebody would give it who read the device before."""
    kind, number = records.split(on)
    raw = (at.computers if kind == "computer" else at.mobiles)[number]
    return Command(verb, records.reader(kind, {})(raw), ARGUMENTS.get(verb, {}))


def sending(verb: Verb, on: str) -> Call:
    async def run(asked: JamfPro, at: SimulatedJamfPro) -> Receipt:
        return await asked.send(known(at, on, verb))

    return Call(f"{verb} {on}", run)


def looking(verb: Verb, on: str) -> Call:
    async def run(asked: JamfPro, at: SimulatedJamfPro) -> Receipt | None:
        command = known(at, on, verb)
        at._queue(at._by_management_id(command.device.command_id or "") or {}, "DEVICE_LOCK", lambda: None)
        return await asked.recent(command, at.clock.now)

    return Call(f"recent {verb} {on}", run)


async def outcome(asked: JamfPro, at: SimulatedJamfPro) -> object:
    command = known(at, IPAD, Verb.RESTART)
    row = at._by_management_id(command.device.command_id or "") or {}
    sent = at._queue(row, "RESTART_DEVICE", lambda: None)
    return await asked.outcome(command, sent.uuid)


CALLS = [
    Call("every device", everything),
    Call("a device", one),
    Call("an outcome", outcome),
    looking(Verb.LOCK, IPAD),
]
SHAPES = (
    (Verb.RESTART, IPAD),
    (Verb.LOCK, MAC),
    (Verb.CLEAR_PASSCODE, IPAD),
    (Verb.SET_USER, MAC),
)
"""One of each shape: in JSON, with a PIN and a look before it, a Classic one in XML, an edit."""
ALIKE = [Call("devices since", changed), Call("by serial", by_serial)]


def tolerated(asked: Asked, error: MdmError) -> bool:
    return asked.path == SITES and isinstance(error, Forbidden | NotFound)


def without_sites(result: object) -> object:
    if isinstance(result, list):
        return [replace(page, devices=[replace(each, site=None) for each in page.devices]) for page in result]
    return replace(result, site=None) if isinstance(result, ManagedDevice) else result


TROUBLES = troubles(
    fault(401, "INVALID_TOKEN", "Unauthorized").body,
    fault(403, "INVALID_PRIVILEGE", "Forbidden").body,
    fault(429, "TOO_MANY_REQUESTS", "Slow down").body,
    {"httpStatus": 500, "errors": []},
)


def bench(calls: Sequence[Call], suffered: Mapping[str, Trouble]) -> Bench:
    return Bench(
        simulator=simulator,
        vendor=vendor,
        calls=calls,
        troubles=suffered,
        secrets=(SECRET, PIN, "simulated-0"),
        repeatable=r"^POST /api/(v1/)?oauth/token$",
        renews=r" /api/v\d/(?!oauth)| /JSSResource/",
        tolerates=tolerated,
        essential=without_sites,
    )


async def test_whatever_goes_wrong_nothing_is_lost_done_twice_or_told_wrongly(
    http: httpx.AsyncClient,
) -> None:
    found = await walked(bench([*CALLS, *(sending(*shape) for shape in SHAPES)], TROUBLES), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 300
    assert found.mended > found.cases / 4
    assert {"AuthFailed", "Forbidden", "RateLimited", "Transient", "ProtocolError"} <= set(found.raised)


async def test_reading_a_part_survives_every_fault(http: httpx.AsyncClient) -> None:
    found = await walked(bench(ALIKE, TROUBLES), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 30
    assert found.raised.keys() == {"AuthFailed", "Forbidden", "RateLimited", "Transient", "ProtocolError"}


def other_commands() -> list[Call]:
    """Every command to a Mac and to an iPad that is no shape."""
    at = simulator()
    pairs = [(verb, on) for verb in commands.PLATFORMS for on in (MAC, IPAD) if (verb, on) not in SHAPES]
    return [
        sending(verb, on)
        for verb, on in pairs
        if known(at, on, verb).device.platform in commands.PLATFORMS[verb]
    ]


async def test_every_other_command_survives_every_fault(http: httpx.AsyncClient) -> None:
    others = other_commands()
    found = await walked(bench(others, TROUBLES), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert len(others) >= 15
    assert found.cases >= 25 * len(others)
    assert "Transient" in found.raised
