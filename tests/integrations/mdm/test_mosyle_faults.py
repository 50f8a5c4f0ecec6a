"""Every call of Mosyle under every fault at every request of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx

from integrations.mdm.asking import Pace
from integrations.mdm.mosyle import OPERATIONS, Mosyle
from integrations.mdm.port import AuthFailed, Command, Forbidden, ManagedDevice, Platform, Verb
from integrations.mdm.simulated.mosyle import ACCESS, EMAIL, PASSWORD, SimulatedMosyle
from integrations.mdm.simulated.server import Simulator
from tests.integrations.mdm.walking import Bench, Call, Trouble, troubles, walked

PIN = "739164"
ARGUMENTS = {"pin": PIN, "message": "m", "name": "New", "tag": "PN-77", "user": "hopper", "site": "2"}
ERRORS = troubles({"status": "ERROR"}, {"status": "ERROR"}, {"status": "ERROR"}, {"status": "ERROR"})
MAC = ManagedDevice("00008120-0000000000000009", serial="PINE000009", platform=Platform.MACOS)
IPAD = ManagedDevice(
    "00008120-0000000000000001", serial="PINE000001", platform=Platform.IPADOS, vendor={"os": "ios"}
)


def mosyle(url: str, http: httpx.AsyncClient, pace: Pace, _simulator: Simulator) -> Mosyle:
    settings = {"access_token": ACCESS, "email": EMAIL, "password": PASSWORD, "base_url": url}
    return Mosyle(settings, http, pace=pace)


def small() -> SimulatedMosyle:
    made = SimulatedMosyle()
    made.page_size = 5
    return made


def commanded(verb: Verb) -> Command:
    """The verb for a Mac where that needs a PIN, for an iPad elsewhere."""
    return Command(verb, MAC if verb in (Verb.LOCK, Verb.WIPE) else IPAD, ARGUMENTS)


async def listed(vendor: Mosyle, _simulator: object) -> object:
    return [(page.devices, page.bad) async for page in vendor.pages() if page.devices]


async def checked(vendor: Mosyle, _simulator: object) -> object:
    found = await vendor.check()
    if not found.works:
        raise Forbidden(found.detail) if found.missing else AuthFailed(found.detail)
    return found


def sending(verb: Verb) -> Call:
    async def run(vendor: Mosyle, _simulator: object) -> object:
        return await vendor.send(commanded(verb))

    return Call(f"send {verb}", run)


READS = (
    Call("pages", listed),
    Call("outcome", lambda vendor, _: vendor.outcome(commanded(Verb.LOST_MODE_OFF), "lost_mode_off")),
)


def bench(calls: Sequence[Call], suffered: Mapping[str, Trouble]) -> Bench:
    return Bench(
        simulator=small,
        vendor=mosyle,
        calls=calls,
        troubles=suffered,
        secrets=(ACCESS, PASSWORD, PIN, "simulated.mosyle.jwt"),
        repeatable=r"^POST /v2/(login|listdevices)$",
    )


async def test_every_read_survives_every_fault(http: httpx.AsyncClient) -> None:
    reading = {name: trouble for name, trouble in ERRORS.items() if not trouble.fault.done}
    found = await walked(bench(READS, reading), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 100
    assert found.mended > 40
    assert found.raised.keys() == {"AuthFailed", "Forbidden", "RateLimited", "Transient", "ProtocolError"}


async def test_every_command_survives_every_fault(http: httpx.AsyncClient) -> None:
    found = await walked(bench([sending(verb) for verb in OPERATIONS], ERRORS), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 150
    assert found.raised.keys() >= {"AuthFailed", "Forbidden", "RateLimited", "Transient"}


async def test_every_other_call_survives_every_fault(http: httpx.AsyncClient) -> None:
    others = [
        Call("check", checked),
        Call("find", lambda vendor, _: vendor.find("PINE000004")),
    ]
    found = await walked(bench(others, ERRORS), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 70
    assert found.raised.keys() >= {"Forbidden", "Transient"}
