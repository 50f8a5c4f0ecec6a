"""Intune walked and commanded: pages, find, check, and each command through its life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest

from integrations.mdm.intune import Intune
from integrations.mdm.intune_actions import ACTIONS
from integrations.mdm.intune_records import (
    device_of,
)
from integrations.mdm.port import (
    BadRequest,
    Command,
    ManagedDevice,
    NotFound,
    Platform,
    ProtocolError,
    RateLimited,
    State,
    Transient,
    Unsupported,
    Verb,
)
from integrations.mdm.simulated.intune import CLIENT, READ, SECRET, TENANT, SimulatedIntune
from integrations.mdm.simulated.server import Fault, status
from tests.integrations.mdm.standing import Place, one_place
from tests.integrations.mdm.walking import PACE

DAY = timedelta(days=1)


@pytest.fixture
def school() -> SimulatedIntune:
    return SimulatedIntune()


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with one_place() as made:
        yield made


@pytest.fixture
def intune(place: Place, school: SimulatedIntune, http: httpx.AsyncClient) -> Intune:
    return connected(place.stands(school), http)


def connected(url: str, http: httpx.AsyncClient, **settings: str) -> Intune:
    usual = {"tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET, "base_url": url}
    return Intune(usual | settings, http, pace=PACE)


async def everything(vendor: Intune, since: datetime | None = None) -> dict[str, ManagedDevice]:
    found: dict[str, ManagedDevice] = {}
    async for page in vendor.pages(since):
        for device in page.devices:
            assert device.external_id not in found
            found[device.external_id] = device
    return found


def numbered(school: SimulatedIntune, number: int) -> ManagedDevice:
    return next(device_of(row) for key, row in school.devices.items() if key.endswith(f"{number:03d}"))


async def test_a_full_walk_loses_and_doubles_nothing(intune: Intune, school: SimulatedIntune) -> None:
    found = await everything(intune)
    assert list(found) == list(school.devices)
    asked = [each.asked for each in school.log if each.asked.path.endswith("managedDevices")]
    assert len(asked) == 3
    rows = [row["id"] for each in school.log[1:] for row in each.answer.body["value"]]  # type: ignore[index]
    assert len(rows) > len(set(rows)), "the simulator repeats rows across pages"
    awkward = {key[-2:]: device for key, device in found.items()}
    assert awkward["03"].serial is None
    assert awkward["04"].serial is None
    assert awkward["02"].user == "grace.hopper@willow.example.org"
    assert awkward["10"].user is None
    assert awkward["08"].last_check_in is None


@pytest.mark.parametrize("ignored", [False, True])
async def test_an_incremental_walk_gives_the_recent_even_where_filters_are_ignored(
    intune: Intune, school: SimulatedIntune, ignored: bool
) -> None:
    school.ignores_filters = ignored
    found = await everything(intune, school.clock.now - timedelta(hours=5))
    assert [key[-2:] for key in found] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize(
    ("serial", "keys"), [("wlw000005", ["05", "06"]), ("O'Neil-10", ["10"]), ("NONE-99", []), ("0", [])]
)
async def test_a_serial_number_finds_its_devices_and_no_others(
    intune: Intune, school: SimulatedIntune, serial: str, keys: list[str], ignored: bool
) -> None:
    school.ignores_filters = ignored
    assert [device.external_id[-2:] for device in await intune.find(serial)] == keys


async def test_one_device_comes_with_its_battery(intune: Intune, school: SimulatedIntune) -> None:
    key = (numbered(school, 5)).external_id
    read = await intune.device(key)
    assert (read.battery_percent, read.model_id) == (81.0, "iPad13,18")
    with pytest.raises(NotFound):
        await intune.device("00000000-dead-0000-0000-000000000000")
    with pytest.raises(BadRequest):
        await intune.device("..")


@pytest.mark.parametrize(
    "link",
    ["https://192.0.2.9/v1.0/deviceManagement/managedDevices?$skiptoken=p4", "//192.0.2.9/", "relative", 7],
)
async def test_the_token_goes_to_no_other_server(
    intune: Intune, school: SimulatedIntune, link: object
) -> None:
    school.inject(status(200, {"value": [], "@odata.nextLink": link}), path="managedDevices")
    with pytest.raises(ProtocolError, match="another server"):
        await everything(intune)


async def test_a_list_that_goes_in_circles_is_no_list(intune: Intune, school: SimulatedIntune) -> None:
    await intune.check()
    host = next(each.asked.headers["host"] for each in school.log)
    link = f"http://{host}/v1.0/deviceManagement/managedDevices?$skiptoken=p4"
    school.inject(status(200, {"value": [], "@odata.nextLink": link}), path="managedDevices$", times=9)
    with pytest.raises(ProtocolError, match="does not end"):
        await everything(intune)


async def test_one_bad_record_stops_no_other(intune: Intune, school: SimulatedIntune) -> None:
    rows = [{"id": "1", "deviceName": "good"}, {"deviceName": "nameless"}, None, {"id": "2", "model": {}}]
    school.inject(status(200, {"value": rows}), path="managedDevices")
    pages = [page async for page in intune.pages()]
    assert [device.external_id for device in pages[0].devices] == ["1", "2"]
    assert len(pages[0].bad) == 2
    assert not any("nameless" in bad.why for bad in pages[0].bad)


async def test_check_tells_what_is_granted_and_what_is_missing(
    intune: Intune, school: SimulatedIntune
) -> None:
    assert (await intune.check()).missing == {}
    school.roles = {READ}
    school.clock.push(DAY)
    reading = await intune.check()
    assert reading.works
    assert list(reading.missing.values()) == ["to send commands"]
    school.roles = set()
    school.clock.push(DAY)
    nothing = await intune.check()
    assert not nothing.works
    assert list(nothing.missing.values()) == ["to list devices"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [("client_secret", "secret is wrong"), ("client_id", "application is not known"), ("tenant", "(tenant)")],
)
async def test_check_says_which_credential_is_wrong(
    place: Place, school: SimulatedIntune, http: httpx.AsyncClient, setting: str, words: str
) -> None:
    vendor = connected(place.stands(school), http, **{setting: "wrong-one"})
    found = await vendor.check()
    again = await vendor.check()
    assert not found.works
    assert words in found.detail
    assert again == found
    assert len(school.log) == 1, "what was refused is not asked for again at once"


async def test_a_token_that_ended_is_renewed_once(intune: Intune, school: SimulatedIntune) -> None:
    await everything(intune)
    school.clock.push(timedelta(hours=2))
    await everything(intune)
    assert sum(each.asked.path.endswith("/token") for each in school.log) == 2


ENDS = [(verb, platform) for verb, action in ACTIONS.items() for platform in sorted(action.platforms)]
NUMBERS = {
    Platform.WINDOWS: 1,
    Platform.IPADOS: 5,
    Platform.MACOS: 7,
    Platform.ANDROID: 11,
    Platform.IOS: 12,
}
ARGUMENTS = {"pin": "739164", "message": "Bring it", "phone": "555-0100", "name": "NEW"}


@pytest.mark.parametrize(("verb", "platform"), ENDS)
async def test_every_command_runs_to_its_end(
    intune: Intune, school: SimulatedIntune, verb: Verb, platform: Platform
) -> None:
    device = replace(numbered(school, NUMBERS[platform]), supervised=True)
    command = Command(verb, device, ARGUMENTS)
    assert intune.supports(verb, platform)
    sent_at = school.clock.now
    receipt = await intune.send(command)
    assert school.effects == [(ACTIONS[verb].name, device.external_id)]
    if verb is Verb.MESSAGE:
        assert receipt.state is State.UNVERIFIABLE
        assert receipt.handle is None
        with pytest.raises(Unsupported):
            await intune.recent(command, sent_at)
        return
    handle = str(receipt.handle)
    states = []
    for _ in range(3):
        states.append((await intune.outcome(command, handle)).state)
        school.clock.push(timedelta(minutes=3))
    ended = await intune.outcome(command, handle)
    assert states == [State.SENT, State.ACKNOWLEDGED, State.SUCCEEDED]
    assert ended.state is State.SUCCEEDED
    assert len(school.effects) == 1
    again = await intune.recent(command, sent_at)
    assert again is not None
    assert again.state is State.SUCCEEDED
    assert (await intune.outcome(command, str(again.handle))).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("fate", "state"),
    [("failed", State.FAILED), ("notSupported", State.UNSUPPORTED), ("canceled", State.CANCELLED)],
)
async def test_a_command_that_fails_is_not_told_as_done(
    intune: Intune, school: SimulatedIntune, fate: str, state: State
) -> None:
    device = numbered(school, 1)
    school.fates[device.external_id] = fate
    command = Command(Verb.WIPE, device)
    handle = str((await intune.send(command)).handle)
    school.clock.push(timedelta(minutes=6))
    assert (await intune.outcome(command, handle)).state is state


async def test_an_older_action_of_the_same_name_is_not_taken_for_ours(
    intune: Intune, school: SimulatedIntune
) -> None:
    device = numbered(school, 1)
    command = Command(Verb.RESTART, device)
    await intune.send(command)
    school.clock.push(timedelta(minutes=6))
    await everything(intune)
    second = await intune.send(command)
    assert (await intune.outcome(command, str(second.handle))).state is State.SENT
    later = school.clock.now + timedelta(minutes=2)
    assert await intune.recent(command, later) is None


async def test_a_lock_of_a_mac_tells_its_pin_once_it_is_there(
    intune: Intune, school: SimulatedIntune
) -> None:
    command = Command(Verb.LOCK, numbered(school, 7))
    handle = str((await intune.send(command)).handle)
    school.clock.push(timedelta(minutes=6))
    assert (await intune.outcome(command, handle)).secrets == {"pin": "481516"}


async def test_a_device_that_left_is_told_by_what_was_asked(intune: Intune, school: SimulatedIntune) -> None:
    device = numbered(school, 1)
    del school.devices[device.external_id]
    mark = (school.clock.now - DAY).isoformat()
    assert (await intune.outcome(Command(Verb.WIPE, device), mark)).state is State.SUCCEEDED
    assert (await intune.outcome(Command(Verb.RESTART, device), mark)).state is State.UNVERIFIABLE
    with pytest.raises(NotFound) as refused:
        await intune.send(Command(Verb.RESTART, device))
    assert not refused.value.sent
    with pytest.raises(NotFound):
        await intune.recent(Command(Verb.RESTART, device), school.clock.now)


@pytest.mark.parametrize(
    ("verb", "number", "arguments", "error"),
    [
        (Verb.LOCK, 1, {}, Unsupported),
        (Verb.SET_ASSET_TAG, 1, {"tag": "7"}, Unsupported),
        (Verb.LOST_MODE_ON, 12, {"message": "m"}, Unsupported),
        (Verb.RESTART, 12, {}, Unsupported),
        (Verb.LOST_MODE_ON, 5, {}, BadRequest),
        (Verb.RENAME, 1, {"name": " "}, BadRequest),
        (Verb.MESSAGE, 5, {}, BadRequest),
        (Verb.WIPE, 7, {"pin": "12345"}, BadRequest),
        (Verb.WIPE, 7, {}, BadRequest),
    ],
)
async def test_what_cannot_be_done_is_not_asked_for(
    intune: Intune,
    school: SimulatedIntune,
    verb: Verb,
    number: int,
    arguments: dict[str, str],
    error: type[Exception],
) -> None:
    device = numbered(school, number)
    before = len(school.log)
    with pytest.raises(error):
        await intune.send(Command(verb, device, arguments))
    assert len(school.log) == before


async def test_too_many_commands_are_refused_for_a_while(intune: Intune, school: SimulatedIntune) -> None:
    school.writes = 1
    device = numbered(school, 1)
    await intune.send(Command(Verb.SYNC, device))
    with pytest.raises(RateLimited) as refused:
        await intune.send(Command(Verb.SYNC, device))
    assert refused.value.retry_after == 20
    school.clock.push(timedelta(seconds=21))
    await intune.send(Command(Verb.SYNC, device))
    assert len(school.effects) == 2


async def test_after_a_lost_answer_recent_finds_what_was_taken(
    intune: Intune, school: SimulatedIntune
) -> None:
    device = numbered(school, 1)
    command = Command(Verb.WIPE, device)
    since = school.clock.now
    school.inject(Fault("cut", done=True), path="/wipe$")
    with pytest.raises(Transient) as lost:
        await intune.send(command)
    assert lost.value.sent
    found = await intune.recent(command, since)
    assert found is not None
    assert found.state is State.SENT
    assert school.effects == [("wipe", device.external_id)]
