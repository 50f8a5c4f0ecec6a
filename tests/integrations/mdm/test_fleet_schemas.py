"""Fleet against the schemas made from its documents: what our simulator answers, and the samples."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from integrations.mdm.asking import Reply
from integrations.mdm.fleet import ACTIONS, judged
from integrations.mdm.fleet_records import device_of
from integrations.mdm.port import (
    AuthFailed,
    Command,
    Compliance,
    Enrolment,
    ManagedDevice,
    NotFound,
    Platform,
    Unsupported,
)
from integrations.mdm.simulated.fleet import SimulatedFleet
from integrations.mdm.simulated.server import Exchange, serving
from tests.integrations.mdm.test_fleet import connected, everything
from tests.integrations.mdm.walking import PACE

pytestmark = pytest.mark.shared
Flaws = Callable[[str, object], list[str]]


def exchange_flaws(flaws: Flaws, exchange: Exchange) -> list[str]:
    path, answer = exchange.asked.path, exchange.answer
    if answer.body is None:
        return [] if answer.status == 204 else ["no body"]
    if answer.status >= 400:
        schema = "fleet.Error.json"
    elif exchange.asked.method == "POST":
        schema = "fleet.lock.response.json"
    else:
        schema = "fleet.hosts.list.json" if path.endswith("/hosts") else "fleet.host.detail.json"
    return [f"{path}: {flaw}" for flaw in flaws(schema, orjson.loads(answer.wire))]


async def test_what_is_answered_keeps_to_the_schemas(http: httpx.AsyncClient, flaws: Flaws) -> None:
    school = SimulatedFleet()
    async with serving(school) as url:
        vendor = connected(url, http, PACE, school)
        await everything(vendor)
        for verb in ACTIONS:
            await vendor.send(Command(verb, ManagedDevice("1", platform=Platform.MACOS)))
        await vendor.device("1")
        with pytest.raises(NotFound):
            await vendor.device("99")
        school.premium = False
        with pytest.raises(Unsupported):
            await vendor.send(Command(next(iter(ACTIONS)), ManagedDevice("1", platform=Platform.MACOS)))
    assert [flaw for each in school.log for flaw in exchange_flaws(flaws, each)] == []
    posts = [each.asked for each in school.log if each.asked.method == "POST"]
    assert len(posts) == len(ACTIONS) + 1
    assert not any(each.body for each in posts)


def test_the_sample_hosts_are_read(sample: Callable[[str], Any]) -> None:
    read = [device_of(host) for host in sample("fleet.hosts.page0.json")["hosts"]]
    assert [each.platform for each in read] == [
        Platform.MACOS,
        Platform.WINDOWS,
        Platform.LINUX,
        Platform.CHROMEOS,
        Platform.IPADOS,
        Platform.MACOS,
        Platform.WINDOWS,
        Platform.LINUX,
    ]
    assert [each.enrolment is Enrolment.ENROLLED for each in read] == [True] * 2 + [False] + [True] * 4 + [
        False
    ]
    first = device_of(sample("fleet.host.detail.json")["host"])
    assert first == read[0]
    assert (first.external_id, first.serial, first.name) == ("1", "FLEET00000", "host-00")
    assert first.last_check_in == datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
    assert (first.compliance, first.storage_total) == (Compliance.BAD, 250_000_000_000)
    assert (first.wifi_mac, first.lan_address) == ("02:dc:0c:b7:07:da", "10.70.0.1")
    assert (read[1].site, read[1].site_id) == ("Oak Middle", "2")


@pytest.mark.parametrize(("name", "error"), [("401", AuthFailed), ("422", Unsupported)])
def test_the_sample_errors_are_judged(
    sample: Callable[[str], Any], name: str, error: type[Exception]
) -> None:
    found = judged(Reply(int(name), {}, orjson.dumps(sample(f"fleet.error.{name}.json"))))
    assert type(found) is error
