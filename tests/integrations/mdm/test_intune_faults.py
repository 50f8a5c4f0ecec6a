"""Every call of Intune under every fault at every request of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx

from integrations.mdm.asking import Pace
from integrations.mdm.intune import Intune
from integrations.mdm.intune_actions import ACTIONS
from integrations.mdm.port import AuthFailed, Command, Forbidden, ManagedDevice, MdmError, Platform, Verb
from integrations.mdm.simulated.intune import CLIENT, SECRET, TENANT, SimulatedIntune, fault
from integrations.mdm.simulated.server import Asked, Simulator
from tests.integrations.mdm.walking import Bench, Call, Trouble, troubles, walked

PIN = "739164"
ARGUMENTS = {"pin": PIN, "message": "Bring it to room 7", "phone": "555-0100", "name": "WIL-NEW"}
ERRORS = troubles(
    fault(401, "InvalidAuthenticationToken", "Lifetime validation failed.").body,
    fault(403, "Forbidden", "must have one of the following scopes: Device.ReadWrite.All").body,
    fault(429, "TooManyRequests", "Too many requests").body,
    fault(500, "InternalServerError", "").body,
)


def intune(url: str, http: httpx.AsyncClient, pace: Pace, _simulator: Simulator) -> Intune:
    settings = {"tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET, "base_url": url}
    return Intune(settings, http, pace=pace)


def small() -> SimulatedIntune:
    made = SimulatedIntune()
    made.page_size = 6
    return made


def commanded(verb: Verb, platform: Platform | None = None) -> Command:
    """The verb for a device of the school that can do it; with a secret wherever one is taken."""
    usual = Platform.MACOS if verb is Verb.WIPE else min(ACTIONS[verb].platforms)
    fits = platform or usual
    number = {
        Platform.WINDOWS: 1,
        Platform.IPADOS: 5,
        Platform.MACOS: 7,
        Platform.ANDROID: 11,
        Platform.IOS: 5,
    }[fits]
    return Command(verb, device_like(number, fits), ARGUMENTS)


def device_like(number: int, platform: Platform) -> ManagedDevice:
    key = f"3c9d{number:04d}-77aa-4e0e-9c11-d00000000{number:03d}"
    return ManagedDevice(external_id=key, command_id=key, platform=platform, supervised=True)


async def listed(vendor: Intune, since: Any = None) -> object:
    return [(page.devices, page.bad) async for page in vendor.pages(since)]


def logged(simulator: SimulatedIntune, command: Command) -> None:
    """The command, taken just now and done already."""
    at = f"{simulator.clock.now:%Y-%m-%dT%H:%M:%SZ}"
    entry = {"actionName": "rebootNow", "actionState": "done", "startDateTime": at, "lastUpdatedDateTime": at}
    simulator.devices[command.device.external_id]["deviceActionResults"] = [entry]


async def followed(vendor: Intune, simulator: SimulatedIntune) -> object:
    command = commanded(Verb.RESTART)
    logged(simulator, command)
    return await vendor.outcome(command, (simulator.clock.now - timedelta(minutes=1)).isoformat())


async def looked_for(vendor: Intune, simulator: SimulatedIntune) -> object:
    command = commanded(Verb.RESTART)
    logged(simulator, command)
    return await vendor.recent(command, simulator.clock.now)


async def checked(vendor: Intune, _simulator: SimulatedIntune) -> object:
    found = await vendor.check()
    if not found.works:
        raise Forbidden(found.detail) if found.missing else AuthFailed(found.detail)
    return found


def sending(verb: Verb) -> Call:
    async def run(vendor: Intune, _simulator: Simulator) -> object:
        return await vendor.send(commanded(verb))

    return Call(f"send {verb}", run)


READS = (
    Call("pages", lambda vendor, _: listed(vendor)),
    Call("device", lambda vendor, _: vendor.device(device_like(5, Platform.IPADOS).external_id)),
    Call("find", lambda vendor, _: vendor.find("WLW000005")),
    Call("outcome", followed),
)


def about_the_battery(asked: Asked, error: MdmError) -> bool:
    """The beta record only adds to what is known."""
    return asked.path.startswith("/beta/") and asked.method == "GET" and not isinstance(error, AuthFailed)


def without_battery(result: object) -> object:
    return getattr(result, "external_id", result)


def bench(calls: Sequence[Call], suffered: Mapping[str, Trouble]) -> Bench:
    return Bench(
        simulator=small,
        vendor=intune,
        calls=calls,
        troubles=suffered,
        secrets=(SECRET, PIN, "simulated-signature"),
        repeatable=r"^POST /[^/]+/oauth2/",
        bodiless=r"^POST /(v1\.0|beta)/",
        tolerates=about_the_battery,
        essential=without_battery,
    )


async def test_every_read_survives_every_fault(http: httpx.AsyncClient) -> None:
    reading = {name: trouble for name, trouble in ERRORS.items() if not trouble.fault.done}
    found = await walked(bench(READS, reading), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 120
    assert found.mended > 40
    assert found.raised.keys() == {"AuthFailed", "Forbidden", "RateLimited", "Transient", "ProtocolError"}


async def test_every_command_survives_every_fault(http: httpx.AsyncClient) -> None:
    found = await walked(bench([sending(verb) for verb in ACTIONS], ERRORS), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 200
    assert found.raised.keys() >= {"AuthFailed", "Forbidden", "RateLimited", "Transient"}


async def test_every_other_call_survives_every_fault(http: httpx.AsyncClient) -> None:
    others = [
        Call("check", checked),
        Call("recent", looked_for),
        Call("pages since", lambda vendor, simulator: listed(vendor, simulator.clock.now)),
    ]
    found = await walked(bench(others, ERRORS), http)
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 80
    assert found.raised.keys() >= {"Forbidden", "Transient"}
