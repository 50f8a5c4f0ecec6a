"""Every request to Jamf Pro and every reply of the simulated one, held against the vendor's schemas."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import httpx
import orjson
import pytest

from integrations.mdm import jamf_pro_commands as commands
from integrations.mdm.port import MdmError, Verb
from integrations.mdm.simulated.jamf_pro import PENDING
from integrations.mdm.simulated.server import Exchange
from tests.integrations.mdm.jamf_pro_lab import IPAD, MAC, TV, Lab, Port, port

pytestmark = pytest.mark.shared

REQUESTS = {
    r"POST /api/(v1/)?oauth/token": "jamfpro.OAuthTokenRequest.json",
    r"POST /api/v2/mdm/commands": "jamfpro.MdmCommandRequest.json",
    r"POST /api/v\d/computers?-inventory/\d+/erase": "jamfpro.EraseComputerRequest.json",
    r"POST /api/v2/mobile-devices/\d+/erase": "jamfpro.EraseMobileDeviceRequest.json",
    r"PATCH /api/v\d/computers-inventory-detail/\d+": "jamfpro.UpdateComputerRequest.json",
    r"PATCH /api/v2/mobile-devices/\d+": "jamfpro.UpdateMobileDeviceV2Request.json",
}
REPLIES = {
    r"POST /api/(v1/)?oauth/token": "jamfpro.OAuthTokenResponse.json",
    r"GET /api/v\d/computers-inventory": "jamfpro.ComputersInventoryV4.list.json",
    r"GET /api/v\d/computers-inventory/\d+": "jamfpro.ComputerInventoryV4.json",
    r"GET /api/v2/mobile-devices/detail": "jamfpro.MobileDevicesDetailV2.list.json",
    r"GET /api/v1/sites": "jamfpro.SitesV1.json",
    r"GET /api/v2/mdm/commands": "jamfpro.MdmCommandResults.json",
    r"POST /api/v2/mdm/commands": "jamfpro.MdmCommandResponse.json",
    r"POST /api/v\d/computers?-inventory/\d+/erase": "jamfpro.EraseComputerResponse.json",
    r"POST /api/v2/mobile-devices/\d+/erase": "jamfpro.EraseMobileDeviceResponse.json",
    r"POST /api/v2/mobile-devices/\d+/unmanage": "jamfpro.UnmanageMobileDeviceResponse.json",
}
WITHOUT_SCHEMA = (
    r"PATCH /api/.*|POST /JSSResource/.*|POST /api/v\d/computers?-inventory/\d+/remove-mdm-profile"
    r"|GET /api/v\d/computers-inventory/\d+/view-device-lock-pin"
)

Flaws = Callable[[str, object], list[str]]


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[tuple[Port, str]]:
    async with port() as made:
        yield made


@pytest.fixture
def here(opened: tuple[Port, str], http: httpx.AsyncClient) -> Lab:
    at, url = opened
    return at.lab(url, http)


def schema_of(table: dict[str, str], line: str) -> str | None:
    return next((name for pattern, name in table.items() if re.fullmatch(pattern, line)), None)


def wrong_with(exchange: Exchange, flaws: Flaws) -> list[str]:
    asked, answer = exchange.asked, exchange.answer
    line = f"{asked.method} {asked.path}"
    found: list[str] = []
    if asked.body:
        name = schema_of(REQUESTS, line)
        sent = asked.form() if "oauth" in line else asked.json()
        found += [f"{line} asks {name}: {each}" for each in flaws(name, sent)] if name else [f"{line}: ?"]
    if answer.status >= 400:
        name = "jamfpro.OAuthTokenError.json" if "oauth" in line and answer.status == 400 else None
        name = name or "jamfpro.ApiError.json"
    else:
        name = schema_of(REPLIES, line)
        if name is None:
            return found if re.fullmatch(WITHOUT_SCHEMA, line) else [*found, f"{line} has no schema"]
    return found + [f"{line} answers {name}: {each}" for each in flaws(name, orjson.loads(answer.wire))]


async def whole_life(here: Lab) -> None:
    """Everything that the adapter can ask, with every command on a Mac, an iPad and an Apple TV."""
    await here.devices()
    await here.devices(since=here.simulator.clock.now)
    await here.vendor.find("WPM00005")
    await here.vendor.check()
    for verb in Verb:
        for on in (MAC, IPAD, TV):
            command = await here.command(verb, on)
            if not here.vendor.supports(verb, command.device.platform):
                continue
            receipt = await here.vendor.send(command)
            here.simulator.clock.push(PENDING / 4)
            if receipt.handle:
                await here.vendor.outcome(command, receipt.handle)
            if verb is not Verb.UNENROL:
                await here.vendor.recent(command, here.simulator.clock.now - PENDING)
    here.simulator.clock.push(PENDING)
    await here.devices()


async def test_every_request_and_reply_of_a_whole_life_keeps_to_its_schema(here: Lab, flaws: Flaws) -> None:
    await whole_life(here)
    log = here.simulator.log
    assert [each for exchange in log for each in wrong_with(exchange, flaws)] == []
    lines = [f"{exchange.asked.method} {exchange.asked.path}" for exchange in log]
    seen = {schema_of(table, line) for table in (REQUESTS, REPLIES) for line in lines} - {None}
    assert seen == {*REQUESTS.values(), *REPLIES.values()}


async def test_an_older_servers_requests_and_replies_keep_to_their_schemas(here: Lab, flaws: Flaws) -> None:
    here.simulator.older = True
    await whole_life(here)
    assert [each for exchange in here.simulator.log for each in wrong_with(exchange, flaws)] == []


async def test_every_refusal_keeps_to_its_schema(here: Lab, flaws: Flaws) -> None:
    wrong = here.another(client_secret="wrong")
    here.simulator.rights.clear()
    for asked in (wrong.device(MAC), here.vendor.device(MAC), here.vendor.device("mobile:99")):
        with pytest.raises(MdmError):
            await asked
    statuses = {exchange.answer.status for exchange in here.simulator.log}
    assert statuses >= {400, 403}
    assert [each for exchange in here.simulator.log for each in wrong_with(exchange, flaws)] == []


async def test_what_a_failed_command_and_an_empty_list_say_keeps_to_its_schema(
    here: Lab, flaws: Flaws
) -> None:
    command = await here.command(Verb.RESTART, IPAD)
    handle = (await here.vendor.send(command)).handle or ""
    here.simulator.fates[command.device.command_id or ""] = "ERROR"
    here.simulator.clock.push(PENDING)
    await here.vendor.outcome(command, handle)
    here.simulator.computers.clear()
    here.simulator.mobiles.clear()
    assert await here.devices() == []
    assert [each for exchange in here.simulator.log for each in wrong_with(exchange, flaws)] == []


def test_every_supported_verb_has_a_right_by_name_or_none() -> None:
    assert set(commands.RIGHTS) == set(commands.PLATFORMS)
