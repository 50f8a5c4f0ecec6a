"""Mosyle against schemas made from its guide: what we ask, what our simulator answers, and the samples."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from integrations.mdm.mosyle import OPERATIONS
from integrations.mdm.mosyle_records import device_of, listed, taken, updated
from integrations.mdm.port import (
    BadRequest,
    Enrolment,
    NotFound,
    Platform,
)
from integrations.mdm.simulated.mosyle import SimulatedMosyle
from integrations.mdm.simulated.server import Exchange, serving
from tests.integrations.mdm.test_mosyle import connected, everything
from tests.integrations.mdm.test_mosyle_faults import commanded

pytestmark = pytest.mark.shared
Flaws = Callable[[str, object], list[str]]
SCHEMAS = {
    "login": ("mosyle.login.request.json", "mosyle.login.response.json"),
    "listdevices": ("mosyle.listdevices.request.json", "mosyle.listdevices.response.json"),
    "bulkops": ("mosyle.bulkops.request.json", "mosyle.command.response.json"),
    "lostmode": ("mosyle.lostmode.request.json", "mosyle.command.response.json"),
    "devices": ("mosyle.devices.update.request.json", "mosyle.devices.update.response.json"),
    "users": ("mosyle.assignDevice.request.json", "mosyle.command.response.json"),
}


def exchange_flaws(flaws: Flaws, exchange: Exchange) -> list[str]:
    """Errors of HTTP have no schema: only their request is looked at."""
    asked, answered = SCHEMAS[exchange.asked.path.rsplit("/", 1)[1]]
    wrong = flaws(asked, exchange.asked.json())
    if exchange.answer.status == 200:
        wrong += flaws(answered, orjson.loads(exchange.answer.wire))
    return [f"{exchange.asked.path}: {flaw}" for flaw in wrong]


@pytest.mark.parametrize("array_form", [False, True])
async def test_what_is_asked_and_answered_keeps_to_the_schemas(
    http: httpx.AsyncClient, flaws: Flaws, array_form: bool
) -> None:
    school = SimulatedMosyle()
    school.array_form = array_form
    async with serving(school) as url:
        vendor = connected(url, http, account="1")
        await everything(vendor)
        await vendor.find("PINE000004")
        for verb in OPERATIONS:
            await vendor.send(commanded(verb))
        school.allowed = False
        for path in ("bulkops", "lostmode"):
            verb = next(verb for verb, operation in OPERATIONS.items() if operation.path == path)
            with pytest.raises(Exception, match="allow"):
                await vendor.send(commanded(verb))
    assert [flaw for each in school.log for flaw in exchange_flaws(flaws, each)] == []
    assert {each.asked.path.rsplit("/", 1)[1] for each in school.log} == SCHEMAS.keys()


def test_the_sample_page_is_read(sample: Callable[[str], Any]) -> None:
    answer = listed(sample("mosyle.listdevices.ios.page1.json"))
    assert (len(answer.rows), answer.total) == (8, 20)
    read = [device_of(row, "ios") for row in answer.rows]  # type: ignore[arg-type]
    first = read[0]
    assert first.external_id == first.command_id == "00008120-00000000000C0000"
    assert (first.serial, first.name, first.model) == (
        "MSPAD00001",
        "Elm Elementary iPad 00",
        "iPad (10th generation)",
    )
    assert first.user == "ada.okafor@students.example.org"
    assert (first.site, first.site_id, first.asset_tag) == ("Elm Elementary", "1", None)
    assert first.last_check_in == datetime.fromtimestamp(1795185000, UTC)
    assert (first.battery_percent, first.storage_total, first.storage_free) == (
        95.0,
        64_000_000_000,
        41_200_000_000,
    )
    assert (first.wifi_mac, first.lan_address, first.public_address) == (
        "02:05:60:f9:dd:c1",
        "10.60.0.1",
        "203.0.113.9",
    )
    assert (first.platform, first.supervised, first.enrolment) == (
        Platform.IPADOS,
        True,
        Enrolment.ENROLLED,
    )
    assert read[3].user is None
    assert read[3].vendor["SharedCartName"] == "Cart 4"
    assert [each.lost_mode for each in read] == [False] * 4 + [True] + [False] * 3
    assert [each.asset_tag for each in read[1:4]] == ["MS-0001", "MS-0002", "MS-0003"]


def test_the_other_sample_lists_are_read(sample: Callable[[str], Any]) -> None:
    mac = device_of(listed(sample("mosyle.listdevices.mac.page1.json")).rows[0], "mac")  # type: ignore[arg-type]
    assert (mac.platform, mac.model_id) == (Platform.MACOS, "Mac15,12")
    assert len(listed(sample("mosyle.listdevices.arrayform.json")).rows) == 2
    assert listed(sample("mosyle.listdevices.notfound.json")).rows == ()


def test_the_sample_answers_to_commands_are_judged(sample: Callable[[str], Any]) -> None:
    taken(sample("mosyle.command.sent.json"), "any")
    with pytest.raises(NotFound):
        taken(sample("mosyle.command.notfound.json"), "UDID1")
    with pytest.raises(BadRequest):
        taken(sample("mosyle.command.notfound.json"), "another")
    with pytest.raises(BadRequest):
        taken(sample("mosyle.command.missing.json"), "any")
    updated(sample("mosyle.update.response.json"), "MSPAD00001")
