"""Every request to Jamf School and every reply of the simulated one, held against the schemas made of Jamf's
SDK and of recorded answers, for none is published.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import orjson
import pytest

from integrations.mdm import jamf_school_records as records
from integrations.mdm.jamf_school import PLATFORMS, JamfSchool
from integrations.mdm.port import Command, MdmError, Verb
from integrations.mdm.simulated.jamf_school import KEY, NETWORK, TAKES, SimulatedJamfSchool
from integrations.mdm.simulated.server import Exchange, serving

pytestmark = pytest.mark.shared

Flaws = Callable[[str, object], list[str]]
REQUESTS = {
    "restart": "jamfschool.restartRequest.json",
    "wipe": "jamfschool.wipeRequest.json",
    "details": "jamfschool.detailsRequest.json",
    "owner": "jamfschool.ownerRequest.json",
    "migrate": "jamfschool.migrateRequest.json",
}
REPLIES = {
    r"GET /api/devices": "jamfschool.devices.list.json",
    r"GET /api/devices/[^/]+": "jamfschool.device.detail.json",
    r"GET /api/locations": "jamfschool.locations.list.json",
    r"(POST|PUT) /api/devices/.*": "jamfschool.commandResponse.json",
}
ARGUMENTS = {
    Verb.SET_ASSET_TAG: {"tag": "RW-77"},
    Verb.SET_USER: {"user": "ada.byron@rowan.example.org"},
    Verb.MOVE: {"site": "2"},
}


@pytest.fixture
async def pair(http: httpx.AsyncClient) -> AsyncIterator[tuple[JamfSchool, SimulatedJamfSchool]]:
    simulator = SimulatedJamfSchool()
    async with serving(simulator) as url:
        said = {"base_url": url, "network_id": NETWORK, "api_key": KEY}
        yield JamfSchool(said, http=http), simulator


def wrong_with(exchange: Exchange, flaws: Flaws) -> list[str]:
    asked, answer = exchange.asked, exchange.answer
    line = f"{asked.method} {asked.path}"
    found: list[str] = []
    if asked.body:
        name = REQUESTS[asked.path.rpartition("/")[2]]
        found += [f"{line} asks {name}: {each}" for each in flaws(name, asked.json())]
    if line == "GET /api/users":
        return found
    name = next(name for pattern, name in REPLIES.items() if re.fullmatch(pattern, line))
    if answer.status >= 400:
        name = "jamfschool.Error.json"
    return found + [f"{line} answers {name}: {each}" for each in flaws(name, orjson.loads(answer.wire))]


@pytest.mark.parametrize("newer", [False, True])
async def test_every_request_and_reply_of_a_whole_life_keeps_to_its_schema(
    pair: tuple[JamfSchool, SimulatedJamfSchool], flaws: Flaws, newer: bool
) -> None:
    vendor, simulator = pair
    simulator.newer = newer
    rows = list(simulator.devices.values())
    for verb, platforms in PLATFORMS.items():
        for device in (records.device(rows[at], {}) for at in (0, 3, 10)):
            if device.platform in platforms:
                await vendor.send(Command(verb, device, ARGUMENTS.get(verb, {})))
                simulator.clock.push(TAKES)
    async for page in vendor.pages():
        for device in page.devices:
            await vendor.device(device.external_id)
    await vendor.check()
    assert [each for exchange in simulator.log for each in wrong_with(exchange, flaws)] == []
    bodies = {exchange.asked.path.rpartition("/")[2] for exchange in simulator.log if exchange.asked.body}
    assert bodies == set(REQUESTS)


async def test_every_refusal_keeps_to_its_schema(
    pair: tuple[JamfSchool, SimulatedJamfSchool], flaws: Flaws
) -> None:
    vendor, simulator = pair

    async def refused() -> None:
        with pytest.raises(MdmError):
            await vendor.device("00008110-0000000000000099")

    await refused()
    simulator.verbs.clear()
    await refused()
    assert [exchange.answer.status for exchange in simulator.log] == [404, 405]
    assert [each for exchange in simulator.log for each in wrong_with(exchange, flaws)] == []


def test_the_samples_are_read_by_the_table(sample: Callable[[str], Any]) -> None:
    places = {str(row["id"]): row["name"] for row in sample("jamfschool.locations.json")["locations"]}
    rows = sample("jamfschool.devices.json")["devices"]
    read = [records.device(raw, places) for raw in rows]
    assert len({device.external_id for device in read}) == len(rows) == 20
    for raw, device in zip(rows, read, strict=True):
        assert device.external_id == raw["UDID"]
        assert device.serial == raw["serialNumber"]
        assert (device.site_id, device.site) == (str(raw["locationId"]), places[str(raw["locationId"])])
        assert device.user == raw["owner"].get("email")
        assert device.asset_tag == (raw["assetTag"] or None)
        assert device.battery_percent == pytest.approx(raw["batteryLevel"] * 100, abs=0.05)
        assert device.storage_free == int(raw["availableCapacity"] * 10**9)
        assert device.wifi_mac == raw["networkInformation"]["WiFiMAC"]
        assert f"{device.last_check_in:%Y-%m-%d %H:%M:%S}" == raw["lastCheckin"]
        assert device.platform == raw["os"]["prefix"].lower()
        pending, managed = raw["enrollType"].endswith("Pending"), raw["isManaged"]
        assert device.enrolment == ("pending" if pending else "enrolled" if managed else "unenrolled")


def test_a_sample_read_alone_says_what_the_list_says(sample: Callable[[str], Any]) -> None:
    listed = {raw["UDID"]: raw for raw in sample("jamfschool.devices.json")["devices"]}
    for name in ("jamfschool.device.detail.json", "jamfschool.device.detail.no_owner.json"):
        alone = sample(name)["device"]
        assert records.device(alone, {}) == records.device(listed[alone["UDID"]], {})


@pytest.mark.parametrize("name", ["devices.location0", "devices.location1", "devices.empty"])
def test_the_samples_of_single_locations_are_read(sample: Callable[[str], Any], name: str) -> None:
    said = sample(f"jamfschool.{name}.json")
    read = [records.device(raw, {}) for raw in said["devices"]]
    assert len(read) == said["count"]
    assert {device.site_id for device in read} <= {name[-1]}
