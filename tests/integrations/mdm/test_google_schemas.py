"""What goes over the wire between the adapter and the simulated Google, by Google's own schemas."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from integrations.mdm.google import Google
from integrations.mdm.port import MdmError, Platform, Verb
from integrations.mdm.simulated import google as simulated
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.server import Exchange, serving
from tests.integrations.mdm.google_bench import CALLS, command, google, listed, school

pytestmark = pytest.mark.shared
Flaws = Callable[[str, object], list[str]]
REPLIES = (
    (r"POST /token", "TokenResponse"),
    (r"GET .*/chromeos", "ChromeOsDevices.list"),
    (r"GET .*/chromeos/[^/]+", "ChromeOsDevice"),
    (r"PATCH .*/chromeos/[^/]+", "ChromeOsDevice"),
    (r"GET .*/chromeos/[^/]+/commands/\d+", "Command"),
    (r"POST .*:issueCommand", "IssueCommandResponse"),
    (r"POST .*:batchChangeStatus", "BatchChangeStatusResponse"),
    (r"GET .*/telemetry/devices", "TelemetryDevices.list"),
)
REQUESTS = (
    (r"POST .*:issueCommand", "IssueCommandRequest"),
    (r"POST .*:batchChangeStatus", "BatchChangeStatusRequest"),
    (r"POST .*/moveDevicesToOu", "MoveDevicesToOuRequest"),
    (r"PATCH .*/chromeos/[^/]+", "ChromeOsDevice"),
)
BODILESS = (r"GET .*:countChromeOsDevices", r"POST .*/moveDevicesToOu")


def _schema(table: tuple[tuple[str, str], ...], exchange: Exchange) -> str | None:
    asked = f"{exchange.asked.method} {exchange.asked.path}"
    return next((f"google.{name}.json" for pattern, name in table if re.fullmatch(pattern, asked)), None)


def _reply_flaws(flaws: Flaws, exchange: Exchange) -> list[str]:
    answer, asked = exchange.answer, exchange.asked
    if answer.status >= 400:
        kind = "TokenErrorResponse" if asked.path == "/token" else "Error"
        return flaws(f"google.{kind}.json", answer.body)
    if re.fullmatch(r".*/telemetry/devices/[^/]+", asked.path):
        return flaws("google.TelemetryDevices.list.json", {"devices": [answer.body]})
    schema = _schema(REPLIES, exchange)
    if schema is None:
        known = any(re.fullmatch(pattern, f"{asked.method} {asked.path}") for pattern in BODILESS)
        return [] if known else [f"no schema for {asked.method} {asked.path}"]
    return flaws(schema, answer.body)


def _request_flaws(flaws: Flaws, exchange: Exchange) -> list[str]:
    asked = exchange.asked
    if asked.path == "/token" or asked.method == "GET":
        return []
    schema = _schema(REQUESTS, exchange)
    if schema is None:
        return [f"no schema for {asked.method} {asked.path}"]
    body = asked.json()
    named = {"deviceId": asked.path.rpartition("/")[2]} if asked.method == "PATCH" else {}
    return flaws(schema, {**body, **named})


def _checked(flaws: Flaws, simulator: SimulatedGoogle) -> set[str]:
    """The kinds of exchange seen; each is right both ways."""
    assert simulator.log
    for exchange in simulator.log:
        assert not _request_flaws(flaws, exchange), exchange.asked
        assert not _reply_flaws(flaws, exchange), exchange.asked
    return {str(_schema(REPLIES, each)) for each in simulator.log}


async def test_every_request_and_every_reply_keeps_to_the_strict_schemas(
    flaws: Flaws, http: httpx.AsyncClient
) -> None:
    seen: set[str] = set()
    for call in CALLS:
        simulator = school()
        async with serving(simulator) as url:
            await call.run(google(url, http, simulator), simulator)
        seen |= _checked(flaws, simulator)
    assert {f"google.{name}.json" for _, name in REPLIES} <= seen


async def test_every_refusal_keeps_to_the_strict_schemas(flaws: Flaws, http: httpx.AsyncClient) -> None:
    refusing = (
        (school(), lambda vendor: vendor.device("nobody")),
        (school(delegated=frozenset()), listed),
        (school(privileges=frozenset()), listed),
        (school(quota=0), lambda vendor: vendor.device("nobody")),
        (school(), lambda vendor: vendor.send(command(Verb.RESTART, 8))),
        (school(), lambda vendor: vendor.send(command(Verb.MOVE, 1, site="/Nowhere"))),
        (school(), lambda vendor: vendor.send(command(Verb.SET_USER, 1, user="x" * 101))),
        (school(), lambda vendor: vendor.send(command(Verb.ENABLE, 8))),
        (school(), lambda vendor: vendor.outcome(command(Verb.RESTART), "command/404")),
    )
    for simulator, asking in refusing:
        async with serving(simulator) as url:
            with pytest.raises(MdmError):
                await asking(google(url, http, simulator))
        _checked(flaws, simulator)


@pytest.mark.parametrize(
    "answer",
    [
        simulated.UNAUTHORISED,
        simulated.NOT_ALLOWED,
        simulated.WRONG_SCOPE,
        simulated.TOO_FAST,
        simulated.BROKEN,
    ],
    ids=lambda answer: str(answer.status),
)
def test_errors_by_hand_keep_to_the_strict_schema(flaws: Flaws, answer: Any) -> None:
    assert flaws("google.Error.json", answer.body) == []


def test_the_school_keeps_to_the_strict_schemas(flaws: Flaws) -> None:
    simulator = school()
    listed_devices = {
        "kind": "admin#directory#chromeosdevices",
        "chromeosdevices": [*simulator.devices.values()],
    }
    assert flaws("google.ChromeOsDevices.list.json", listed_devices) == []
    telemetry = {"devices": [*simulator.telemetry.values()]}
    assert flaws("google.TelemetryDevices.list.json", telemetry) == []


def test_a_made_up_field_is_noticed(flaws: Flaws) -> None:
    assert flaws("google.ChromeOsDevice.json", {"deviceId": "1", "hostname": "cb-1"})
    assert flaws("google.IssueCommandRequest.json", {"commandType": "REBOOT", "urgency": 1})


def test_every_supported_verb_is_walked() -> None:
    vendor: Any = Google
    named = {call.name for call in CALLS}
    assert all(f"send {verb}" in named for verb in Verb if vendor.supports(None, verb, Platform.CHROMEOS))


async def test_what_is_sent_is_what_the_samples_send(
    sample: Callable[[str], Any], http: httpx.AsyncClient
) -> None:
    simulator = school()
    async with serving(simulator) as url:
        vendor = google(url, http, simulator)
        for verb in (Verb.RESTART, Verb.WIPE, Verb.DISABLE):
            await vendor.send(command(verb))
    sent = [orjson.loads(each.asked.body) for each in simulator.log if each.asked.path != "/token"]
    reboot, powerwash, disable = sent
    expected = sample("google.issueCommand.reboot.request.json")
    assert orjson.loads(reboot.pop("payload")) == orjson.loads(expected["payload"])
    assert reboot == {"commandType": expected["commandType"]}
    assert powerwash == sample("google.issueCommand.powerwash.request.json")
    assert disable | {"deviceIds": []} == sample("google.batchChangeStatus.disable.request.json") | {
        "deviceIds": []
    }
