"""Intune against Microsoft's own schemas: what we ask, what our simulator answers, and the samples."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from integrations.mdm.asking import Reply
from integrations.mdm.intune import judged, token_judged
from integrations.mdm.intune_actions import ACTIONS
from integrations.mdm.intune_records import device_of, entry_after, outcome_of
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Command,
    Compliance,
    Enrolment,
    Forbidden,
    MdmError,
    NotFound,
    Platform,
    RateLimited,
    State,
    Verb,
)
from integrations.mdm.simulated.intune import SimulatedIntune
from integrations.mdm.simulated.server import Asked, Exchange, serving
from tests.integrations.mdm.test_intune import ARGUMENTS, connected, everything
from tests.integrations.mdm.test_intune_faults import commanded

pytestmark = pytest.mark.shared
Flaws = Callable[[str, object], list[str]]
REQUESTS = {
    "wipe": "intune.wipeRequest.json",
    "enableLostMode": "intune.beta.enableLostModeRequest.json",
    "playLostModeSound": "intune.beta.playLostModeSoundRequest.json",
    "setDeviceName": "intune.beta.setDeviceNameRequest.json",
    "sendCustomNotificationToCompanyPortal": "intune.beta.sendCustomNotificationRequest.json",
}


def reply_schema(asked: Asked, status: int) -> str:
    token = asked.path.endswith("/token")
    if status >= 400:
        return "intune.TokenErrorResponse.json" if token else "intune.Error.json"
    if token:
        return "intune.TokenResponse.json"
    listing = asked.path.endswith("/managedDevices")
    return "intune.managedDevice.list.json" if listing else "intune.managedDevice.json"


def request_flaws(flaws: Flaws, asked: Asked) -> list[str]:
    """A body by the schema of its action; an action without one by the list of those that take none."""
    if asked.method == "GET" or asked.path.endswith("/token"):
        return []
    action = asked.path.rsplit("/", 1)[1]
    if action in REQUESTS:
        return flaws(REQUESTS[action], asked.json())
    return flaws("intune.noBodyActions.json", action) + (["a body"] if asked.body else [])


def answer_flaws(flaws: Flaws, exchange: Exchange) -> list[str]:
    """The beta record with a battery is in no schema of v1.0 and is left out."""
    beta = exchange.asked.path.startswith("/beta/") and exchange.asked.method == "GET"
    if beta and exchange.answer.status < 400:
        return []
    if exchange.answer.body is None:
        return [] if exchange.answer.status == 204 else ["no body"]
    schema = reply_schema(exchange.asked, exchange.answer.status)
    return flaws(schema, orjson.loads(exchange.answer.wire))


async def test_what_is_asked_and_answered_keeps_to_the_schemas(http: httpx.AsyncClient, flaws: Flaws) -> None:
    school = SimulatedIntune()
    async with serving(school) as url:
        vendor = connected(url, http)
        await connected(url, http, client_secret="wrong").check()
        await everything(vendor)
        await everything(vendor, school.clock.now)
        await vendor.find("WLW000005")
        for verb in ACTIONS:
            command = commanded(verb)
            await vendor.device(command.device.external_id)
            receipt = await vendor.send(command)
            school.clock.push(timedelta(minutes=6))
            if receipt.handle is not None:
                await vendor.outcome(command, receipt.handle)
            school.devices |= SimulatedIntune().devices
        with pytest.raises(NotFound):
            await vendor.device("none")
        school.roles = set()
        school.clock.push(timedelta(days=1))
        await vendor.check()
    wrong = [flaw for each in school.log for flaw in request_flaws(flaws, each.asked)]
    wrong += [flaw for each in school.log for flaw in answer_flaws(flaws, each)]
    assert wrong == []
    assert {each.answer.status for each in school.log} == {200, 204, 401, 403, 404}
    assert {each.asked.path.rsplit("/", 1)[1] for each in school.log if each.answer.status == 204} == {
        action.name for action in ACTIONS.values()
    }


def test_the_sample_page_is_read(sample: Callable[[str], Any]) -> None:
    rows = sample("intune.managedDevices.page1.json")["value"]
    read = [device_of(row) for row in rows]
    assert [each.platform for each in read] == [
        Platform.WINDOWS,
        Platform.WINDOWS,
        Platform.IPADOS,
        Platform.MACOS,
        Platform.WINDOWS,
        Platform.WINDOWS,
        Platform.IPADOS,
        Platform.MACOS,
    ]
    assert [each.compliance for each in read] == [
        Compliance.OK,
        Compliance.BAD,
        Compliance.GRACE,
        Compliance.UNKNOWN,
        Compliance.OK,
        Compliance.UNKNOWN,
        Compliance.BAD,
        Compliance.OK,
    ]
    assert [each.user for each in read] == [row["userPrincipalName"] or None for row in rows]
    assert [each.serial for each in read] == [row["serialNumber"] for row in rows]
    assert [each.storage_free for each in read] == [row["freeStorageSpaceInBytes"] for row in rows]
    first = read[0]
    assert first.last_check_in == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    assert (first.wifi_mac, first.site, first.enrolment) == (
        "02:ee:15:08:3a:3f",
        "Student 1:1",
        Enrolment.ENROLLED,
    )
    assert all(each.command_id == each.external_id for each in read)


def test_sparse_and_empty_sample_pages_are_read(sample: Callable[[str], Any]) -> None:
    sparse = [device_of(row) for row in sample("intune.managedDevices.select.json")["value"]]
    assert [each.serial for each in sparse] == ["INTN50001", "INTN50002", "INTN50003"]
    assert all(each.last_check_in is None and each.platform is Platform.OTHER for each in sparse)
    assert sample("intune.managedDevices.empty.json")["value"] == []


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("pending", State.SENT),
        ("active", State.ACKNOWLEDGED),
        ("done", State.SUCCEEDED),
        ("failed", State.FAILED),
        ("notSupported", State.UNSUPPORTED),
    ],
)
def test_the_sample_logs_of_actions_are_read(sample: Callable[[str], Any], name: str, state: State) -> None:
    record = sample(f"intune.managedDevice.action.{name}.json")
    before = datetime(2026, 11, 20, 14, 29, tzinfo=UTC)
    entry = entry_after(record, Verb.RESTART, before)
    assert entry is not None
    assert outcome_of(entry).state is state
    assert entry_after(record, Verb.RESTART, before + timedelta(minutes=1)) is None
    assert entry_after(record, Verb.WIPE, before) is None


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("400.actionUnsupported", 400, BadRequest),
        ("401", 401, AuthFailed),
        ("403", 403, Forbidden),
        ("404", 404, NotFound),
        ("429", 429, RateLimited),
    ],
)
def test_the_sample_errors_are_judged(
    sample: Callable[[str], Any], name: str, status: int, error: type[MdmError]
) -> None:
    found = judged(Reply(status, {}, orjson.dumps(sample(f"intune.error.{name}.json"))))
    assert type(found) is error
    if isinstance(found, Forbidden):
        assert found.permission == "DeviceManagementManagedDevices.ReadWrite.All"


def test_the_sample_of_an_expired_secret_says_so(sample: Callable[[str], Any]) -> None:
    found = token_judged(Reply(401, {}, orjson.dumps(sample("intune.token.error.json"))))
    assert isinstance(found, AuthFailed)
    assert "expired" in str(found)


def test_our_bodies_are_those_of_the_sample_requests(sample: Callable[[str], Any]) -> None:
    for verb, name in (
        (Verb.WIPE, "intune.wipe.request.json"),
        (Verb.RENAME, "intune.beta.setDeviceName.request.json"),
        (Verb.MESSAGE, "intune.beta.notify.request.json"),
    ):
        made = ACTIONS[verb].body
        assert made is not None
        command = Command(verb, commanded(verb, Platform.MACOS).device, ARGUMENTS)
        assert made(command).keys() == sample(name).keys()
