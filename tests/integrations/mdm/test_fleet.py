"""Fleet: hosts read, walked and found, each command through its life, and every fault at every request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from integrations.mdm.asking import Pace, Reply
from integrations.mdm.fleet import ACTIONS, Fleet, judged
from integrations.mdm.fleet_records import device_of, standing
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Command,
    Compliance,
    Enrolment,
    Forbidden,
    ManagedDevice,
    NotFound,
    Platform,
    ProtocolError,
    State,
    Transient,
    Unsupported,
    Verb,
)
from integrations.mdm.simulated.fleet import PIN, TOKEN, SimulatedFleet, refused
from integrations.mdm.simulated.server import Fault, Simulator, status
from tests.integrations.mdm.standing import Place, one_place
from tests.integrations.mdm.walking import PACE, Bench, Call, troubles, walked

HOST = {"id": 1, "mdm": {}, "issues": {}}


@pytest.fixture
def school() -> SimulatedFleet:
    return SimulatedFleet()


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with one_place() as made:
        yield made


@pytest.fixture
def fleet(place: Place, school: SimulatedFleet, http: httpx.AsyncClient) -> Fleet:
    return connected(place.stands(school), http, PACE, school)


def connected(url: str, http: httpx.AsyncClient, pace: Pace, _simulator: Simulator) -> Fleet:
    return Fleet({"base_url": url, "token": TOKEN}, http, pace=pace)


def small() -> SimulatedFleet:
    made = SimulatedFleet()
    made.largest_page = 4
    return made


@pytest.mark.parametrize(
    ("fields", "attribute", "read"),
    [
        ({"platform": "darwin"}, "platform", Platform.MACOS),
        ({"platform": "ubuntu"}, "platform", Platform.LINUX),
        ({"platform": "ios", "os_version": "iPadOS 26.1"}, "platform", Platform.IPADOS),
        ({"platform": "ios", "os_version": "iOS 26.1"}, "platform", Platform.IOS),
        ({"platform": "plan9"}, "platform", Platform.OTHER),
        ({"hardware_serial": "-1"}, "serial", "-1"),
        ({"hardware_serial": ""}, "serial", None),
        ({"mdm": {"enrollment_status": "On (manual)"}}, "enrolment", Enrolment.ENROLLED),
        ({"mdm": {"enrollment_status": "Pending"}}, "enrolment", Enrolment.PENDING),
        ({"mdm": {"enrollment_status": "Off"}}, "enrolment", Enrolment.UNENROLLED),
        ({"mdm": None}, "enrolment", Enrolment.UNKNOWN),
        ({"issues": {"failing_policies_count": 0}}, "compliance", Compliance.OK),
        ({"issues": {"failing_policies_count": 3}}, "compliance", Compliance.BAD),
        ({"issues": None}, "compliance", Compliance.UNKNOWN),
        ({"mdm": {"device_status": "locked"}}, "lost_mode", True),
        ({"gigs_disk_space_available": 120.5}, "storage_free", 120_500_000_000),
        ({"device_mapping": [{"email": "A@B.Example"}]}, "user", "a@b.example"),
        ({"device_mapping": []}, "user", None),
        ({"team_id": 0}, "site_id", "0"),
    ],
)
def test_a_field_is_read(fields: dict[str, object], attribute: str, read: object) -> None:
    assert getattr(device_of(HOST | fields), attribute) == read


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (401, "Authentication failed", AuthFailed),
        (403, "Forbidden", Forbidden),
        (402, "", Unsupported),
        (422, "Requires Fleet Premium license", Unsupported),
        (422, "Can't lock iOS or iPadOS hosts. Use wipe instead.", Unsupported),
        (422, "Error 1452: Cannot add a row: MDM is off", Unsupported),
        (422, "Error 1452: Cannot add a row (`fleet`.`x`)", BadRequest),
        (404, "Resource Not Found", NotFound),
        (500, "", Transient),
    ],
)
def test_an_error_is_judged_by_its_reason_and_shows_no_database(
    code: int, reason: str, error: type[Exception]
) -> None:
    made = refused(code, reason)
    found = judged(Reply(made.status, made.headers, made.wire))
    assert type(found) is error
    assert "1452" not in str(found)


async def everything(vendor: Fleet, since: object = None) -> list[ManagedDevice]:
    return [device async for page in vendor.pages(since) for device in page.devices]  # type: ignore[arg-type]


@pytest.mark.parametrize("says_more", [True, False])
@pytest.mark.parametrize("largest_page", [1, 3, 7, 100])
async def test_a_full_walk_loses_and_doubles_nothing(
    fleet: Fleet, school: SimulatedFleet, says_more: bool, largest_page: int
) -> None:
    school.says_more, school.largest_page = says_more, largest_page
    assert [int(device.external_id) for device in await everything(fleet)] == list(school.hosts)


async def test_an_incremental_walk_gives_what_was_written_since(fleet: Fleet, school: SimulatedFleet) -> None:
    found = await everything(fleet, school.clock.now - timedelta(hours=4))
    assert sorted(device.external_id for device in found) == ["1", "2", "3", "4"]
    assert len(school.log) == 2


async def test_a_list_that_goes_in_circles_is_no_list(fleet: Fleet, school: SimulatedFleet) -> None:
    page = {"hosts": [{"id": 1}], "meta": {"has_next_results": True}}
    school.inject(status(200, page), path="hosts", times=9)
    with pytest.raises(ProtocolError, match="same page"):
        await everything(fleet)


async def test_one_bad_host_stops_no_other(fleet: Fleet, school: SimulatedFleet) -> None:
    page = {"hosts": [{"id": 1}, {"id": "x"}, None], "meta": {"has_next_results": False}}
    school.inject(status(200, page), path="hosts")
    pages = [page async for page in fleet.pages()]
    assert len(pages[0].devices) == 1
    assert len(pages[0].bad) == 2


@pytest.mark.parametrize("says_more", [True, False])
async def test_a_serial_number_finds_its_host_only(
    fleet: Fleet, school: SimulatedFleet, says_more: bool
) -> None:
    school.says_more = says_more
    school.hosts[7]["hostname"] = "desk-of-fir000002"
    assert [device.external_id for device in await fleet.find("fir000002")] == ["2"]
    assert await fleet.find("0") == ()


async def test_one_host_is_read(fleet: Fleet) -> None:
    assert (await fleet.device("1")).user == "ada@fir.example.org"
    with pytest.raises(NotFound):
        await fleet.device("99")


async def test_check_tells_a_wrong_token(fleet: Fleet, place: Place, http: httpx.AsyncClient) -> None:
    assert (await fleet.check()).works
    assert not (await Fleet({"base_url": place.url, "token": "wrong"}, http, pace=PACE).check()).works


NUMBERS = {
    Platform.MACOS: "1",
    Platform.WINDOWS: "2",
    Platform.LINUX: "3",
    Platform.IPADOS: "4",
    Platform.CHROMEOS: "6",
    Platform.IOS: "7",
}
ENDS = [(verb, platform) for verb, action in ACTIONS.items() for platform in sorted(action.platforms)]


@pytest.mark.parametrize(
    ("verb", "platform", "older"), [(*end, False) for end in ENDS] + [(Verb.WIPE, Platform.WINDOWS, True)]
)
async def test_every_command_runs_to_its_end(
    fleet: Fleet, school: SimulatedFleet, verb: Verb, platform: Platform, older: bool
) -> None:
    school.older = older
    host = school.hosts[int(NUMBERS[platform])]
    if verb is Verb.ENABLE:
        host["mdm"] = {**host["mdm"], "device_status": "locked"}
    command = Command(verb, await fleet.device(NUMBERS[platform]))
    since = school.clock.now
    receipt = await fleet.send(command)
    assert school.effects == [(ACTIONS[verb].name, NUMBERS[platform])]
    assert receipt.secrets == (
        {"pin": PIN} if verb in (Verb.LOCK, Verb.DISABLE) and platform is Platform.MACOS else {}
    )
    assert PIN not in repr(receipt)
    assert (await fleet.outcome(command, str(receipt.handle))).state is State.SENT
    school.clock.push(timedelta(minutes=3))
    assert (await fleet.outcome(command, str(receipt.handle))).state is State.SUCCEEDED
    if verb is Verb.SYNC:
        with pytest.raises(Unsupported):
            await fleet.recent(command, since)
    else:
        assert (await fleet.recent(command, since)).state is State.SUCCEEDED  # type: ignore[union-attr]


async def test_a_lock_that_nobody_took_is_not_recent(fleet: Fleet, school: SimulatedFleet) -> None:
    command = Command(Verb.LOCK, await fleet.device("1"))
    assert await fleet.recent(command, school.clock.now) is None
    assert (await fleet.outcome(command, "lock")).state is State.QUEUED
    school.inject(Fault("cut", done=True), path="lock$")
    with pytest.raises(Transient):
        await fleet.send(command)
    assert (await fleet.recent(command, school.clock.now)) is not None


async def test_what_the_edition_or_the_user_may_not_is_told(fleet: Fleet, school: SimulatedFleet) -> None:
    command = Command(Verb.WIPE, await fleet.device("1"))
    school.premium = False
    with pytest.raises(Unsupported, match="Premium"):
        await fleet.send(command)
    school.allowed = False
    with pytest.raises(Forbidden):
        await fleet.send(command)
    with pytest.raises(Unsupported):
        await fleet.send(Command(Verb.LOCK, await fleet.device("4")))
    assert school.effects == []


def test_a_host_without_management_is_never_done() -> None:
    found = standing({"id": 1, "mdm": None}, Verb.WIPE, SimulatedFleet().clock.now)
    assert found.state is State.QUEUED


def sending(verb: Verb) -> Call:
    async def run(vendor: Fleet, _simulator: object) -> object:
        return await vendor.send(Command(verb, ManagedDevice("1", platform=Platform.MACOS)))

    return Call(f"send {verb}", run)


async def listed(vendor: Fleet, _simulator: object) -> object:
    return await everything(vendor)


async def test_every_call_survives_every_fault(http: httpx.AsyncClient) -> None:
    errors = [refused(code, "no").body for code in (401, 403, 429, 500)]
    calls = (
        Call("pages", listed),
        Call("find", lambda vendor, _: vendor.find("FIR000002")),
        Call("device", lambda vendor, _: vendor.device("1")),
        Call("outcome", lambda vendor, _: vendor.outcome(Command(Verb.LOCK, ManagedDevice("1")), "lock")),
        Call("recent", lambda vendor, s: vendor.recent(Command(Verb.LOCK, ManagedDevice("1")), s.clock.now)),
        *(sending(verb) for verb in ACTIONS if verb is not Verb.DISABLE),
    )
    found = await walked(
        Bench(
            simulator=small,
            vendor=connected,
            calls=calls,
            troubles=troubles(*errors),
            secrets=(TOKEN, PIN),
        ),
        http,
    )
    assert found.wrong == [], "\n".join(found.wrong)
    assert found.cases > 100
    assert found.raised.keys() == {"AuthFailed", "Forbidden", "RateLimited", "Transient", "ProtocolError"}
