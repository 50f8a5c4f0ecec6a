"""Asking the simulated Google: keys, adapters, commands, and every call that there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations.mdm.asking import Pace
from integrations.mdm.google import TELEMETRY, Google
from integrations.mdm.port import Command, Forbidden, ManagedDevice, MdmError, Platform, RateLimited, Verb
from integrations.mdm.simulated import google as simulated
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.google_school import device_id
from integrations.mdm.simulated.google_tokens import ADMIN, service_account, signed_claims
from integrations.mdm.simulated.server import Asked, Fault, Simulator
from tests.integrations.mdm.walking import FOR_GOOD, PACE, Bench, Call, Trouble, troubles

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY_FILE = service_account(KEY)
SINCE = datetime(2026, 9, 14, 9, 0, tzinfo=UTC)
ARGUMENTS: dict[Verb, dict[str, str]] = {
    Verb.SET_ASSET_TAG: {"tag": "HP-100"},
    Verb.SET_USER: {"user": "lena.ortiz@pupils.harbour.example"},
    Verb.MOVE: {"site": "/Students/Harbour Primary"},
}


def school(**given: Any) -> SimulatedGoogle:
    return SimulatedGoogle(KEY.public_key(), **given)


def google(url: str, http: httpx.AsyncClient, simulator: Simulator, pace: Pace = PACE) -> Google:
    """An adapter whose clock is the simulator's."""
    settings = {"service_account": KEY_FILE, "admin": ADMIN, "base_url": url}
    return Google(settings, http, pace=pace, now=lambda: simulator.clock.now.timestamp())


def chromebook(number: int) -> ManagedDevice:
    return ManagedDevice(device_id(number), platform=Platform.CHROMEOS)


def command(verb: Verb, number: int = 1, **arguments: str) -> Command:
    return Command(verb, chromebook(number), {**ARGUMENTS.get(verb, {}), **arguments})


async def listed(vendor: Google, since: datetime | None = None) -> list[ManagedDevice]:
    return [device async for page in vendor.pages(since) for device in page.devices]


async def _all(vendor: Google, _: Simulator) -> object:
    return await listed(vendor)


async def _some(vendor: Google, _: Simulator) -> object:
    return await listed(vendor, SINCE)


async def _one(vendor: Google, _: Simulator) -> object:
    return await vendor.device(device_id(1))


async def _found(vendor: Google, _: Simulator) -> object:
    return list(await vendor.find("fbchr0001"))


def _sent(verb: Verb) -> Call:
    async def run(vendor: Google, _: Simulator) -> object:
        number = 5 if verb is Verb.ENABLE else 1
        return await vendor.send(command(verb, number))

    return Call(f"send {verb}", run)


async def _status_outcome(vendor: Google, _: Simulator) -> object:
    return await vendor.outcome(command(Verb.DISABLE, 5), "status/DISABLED")


async def _command_outcome(vendor: Google, simulator: Simulator) -> object:
    assert isinstance(simulator, SimulatedGoogle)
    simulator.commands["1789"] = {
        "commandId": "1789",
        "type": "REBOOT",
        "issueTime": "2026-09-14T14:58:00.000Z",
        "commandExpireTime": "2026-09-14T15:08:00.000Z",
        "deviceId": device_id(1),
    }
    return await vendor.outcome(command(Verb.RESTART), "command/1789")


async def _recent(vendor: Google, simulator: Simulator) -> object:
    return await vendor.recent(command(Verb.DISABLE, 5), simulator.clock.now - timedelta(hours=1))


CALLS = (
    Call("every device", _all),
    Call("devices since", _some),
    Call("one device", _one),
    Call("find", _found),
    *(_sent(verb) for verb in Verb if Google.supports(None, verb, Platform.CHROMEOS)),  # type: ignore[arg-type]
    Call("outcome of a status", _status_outcome),
    Call("outcome of a command", _command_outcome),
    Call("recent", _recent),
)


def without_batteries(result: object) -> object:
    listed_too = result if isinstance(result, list) else [result]
    return [
        replace(each, battery_percent=None, battery_health_percent=None, battery_cycles=None)
        if isinstance(each, ManagedDevice)
        else each
        for each in listed_too
    ]


def about_batteries(asked: Asked, error: MdmError) -> bool:
    """A right to telemetry that is missing costs the batteries only."""
    return isinstance(error, Forbidden) and ("/telemetry/" in asked.path or scope_asked(asked) == TELEMETRY)


def scope_asked(asked: Asked) -> str | None:
    """What a token is asked for; None where it is another question."""
    if asked.path != "/token":
        return None
    claims = signed_claims(asked.form()["assertion"], KEY.public_key())
    return str(claims["scope"]) if claims else None


def bench() -> Bench:
    suffered = troubles(
        simulated.UNAUTHORISED.body,
        simulated.NOT_ALLOWED.body,
        simulated.error(429, "rateLimitExceeded", "Slow down").body,
        simulated.BROKEN.body,
    )
    slower = Fault(answer=simulated.TOO_FAST)
    scope = Fault(answer=simulated.WRONG_SCOPE)
    return Bench(
        simulator=lambda: school(page=6),
        vendor=lambda url, http, pace, simulator: google(url, http, simulator, pace),
        calls=CALLS,
        troubles={
            **suffered,
            "403 too fast once": Trouble(slower, (RateLimited,), passing=True),
            "403 for want of a scope": Trouble(scope, (Forbidden,), times=FOR_GOOD),
        },
        secrets=("ya29.simulated", "BEGIN PRIVATE KEY", KEY_FILE[200:260], "eyJhbGciOiJSUzI1NiIs"),
        repeatable=r"^POST /token$",
        renews=r"/chromeos|/telemetry",
        alike=scope_asked,
        tolerates=about_batteries,
        essential=without_batteries,
    )
