"""Mosyle read and commanded: rows, answers that say "OK" and mean no, pages, and each command through its
life.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest

from integrations.mdm.mosyle import OPERATIONS, SEEN_ON_DEVICE, Mosyle
from integrations.mdm.mosyle_records import accepted, device_of, listed, taken, updated
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Command,
    Enrolment,
    Forbidden,
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
from integrations.mdm.simulated.mosyle import ACCESS, EMAIL, PASSWORD, SimulatedMosyle
from integrations.mdm.simulated.server import Fault, status
from tests.integrations.mdm.standing import Place, one_place
from tests.integrations.mdm.walking import PACE


@pytest.fixture
def school() -> SimulatedMosyle:
    return SimulatedMosyle()


@pytest.fixture(scope="module")
async def place() -> AsyncIterator[Place]:
    async with one_place() as made:
        yield made


@pytest.fixture
def mosyle(place: Place, school: SimulatedMosyle, http: httpx.AsyncClient) -> Mosyle:
    return connected(place.stands(school), http)


def connected(url: str, http: httpx.AsyncClient, **settings: str) -> Mosyle:
    usual = {"access_token": ACCESS, "email": EMAIL, "password": PASSWORD, "base_url": url}
    return Mosyle(usual | settings, http, pace=PACE)


async def everything(vendor: Mosyle, since: datetime | None = None) -> dict[str, ManagedDevice]:
    found: dict[str, ManagedDevice] = {}
    async for page in vendor.pages(since):
        for device in page.devices:
            assert device.external_id not in found
            found[device.external_id] = device
    return found


def numbered(school: SimulatedMosyle, number: int) -> ManagedDevice:
    row = school.devices[f"00008120-{number:016X}"]
    return device_of(row, row["os"])


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read"),
    [
        ("serial_number", "", "serial", None),
        ("serial_number", "pine1", "serial", "PINE1"),
        ("battery", "0.95", "battery_percent", 95.0),
        ("battery", "1", "battery_percent", 100.0),
        ("battery", "73", "battery_percent", 73.0),
        ("battery", "-1", "battery_percent", None),
        ("battery", None, "battery_percent", None),
        ("total_disk", "64.0000000000", "storage_total", 64_000_000_000),
        ("available_disk", "41.2000000000", "storage_free", 41_200_000_000),
        ("total_disk", None, "storage_total", None),
        ("date_last_beat", "1795185000", "last_check_in", datetime(2026, 11, 20, 14, 30, tzinfo=UTC)),
        ("date_last_beat", "0", "last_check_in", None),
        ("status", "IN", "enrolment", Enrolment.ENROLLED),
        ("status", "LIMBO", "enrolment", Enrolment.ENROLLED),
        ("status", "OUT", "enrolment", Enrolment.UNKNOWN),
        ("is_supervised", "1", "supervised", True),
        ("is_supervised", "0", "supervised", False),
        ("lostmode_status", "ENABLED", "lost_mode", True),
        ("lostmode_status", "DISABLED", "lost_mode", False),
        ("lostmode_status", None, "lost_mode", None),
        ("useremail", "Ada@Pine.Example.org", "user", "ada@pine.example.org"),
        ("userid", "ada@pine.example.org", "user", "ada@pine.example.org"),
        ("userid", "byron", "user", None),
        ("device_model", "iPad13,18", "platform", Platform.IPADOS),
        ("device_model", "iPhone14,5", "platform", Platform.IOS),
        ("device_model", "iPad13,18", "model", "iPad13,18"),
        ("last_lan_ip", "10.60.0.1", "lan_address", "10.60.0.1"),
        ("last_ip_beat", "203.0.113.9", "public_address", "203.0.113.9"),
    ],
)
def test_a_field_is_read(field: str, value: object, attribute: str, read: object) -> None:
    assert getattr(device_of({"deviceudid": "1", field: value}, "ios"), attribute) == read


@pytest.mark.parametrize(
    ("system", "platform"),
    [
        ("mac", Platform.MACOS),
        ("tvos", Platform.TVOS),
        ("visionos", Platform.VISIONOS),
        ("ios", Platform.IOS),
    ],
)
def test_the_list_tells_the_platform(system: str, platform: Platform) -> None:
    assert device_of({"deviceudid": "1"}, system).platform is platform


def test_in_limbo_the_old_user_is_nobody() -> None:
    assert device_of({"deviceudid": "1", "status": "LIMBO", "useremail": "a@b.example"}, "ios").user is None


def inside(**said: object) -> dict[str, object]:
    return {"status": "OK", "response": [said]}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (inside(status="COMMAND_SENT", devices_notfound=["u1"]), NotFound),
        (inside(status="ERROR", devices_notfound=["U1"]), NotFound),
        (inside(status="ERROR"), BadRequest),
        (inside(status="MISSING_DATA", info="Missing key: devices"), BadRequest),
        (inside(status="INVALID_DATA"), BadRequest),
        (inside(status="NOT_ALLOWED"), Forbidden),
        (inside(status="ACCOUNT_NOTFOUND"), NotFound),
        (inside(status="SOMETHING_NEW"), ProtocolError),
        ({"status": "OK"}, ProtocolError),
        ({"status": "OK", "response": []}, ProtocolError),
        ({"status": "Too many requests"}, RateLimited),
        ({"status": "ERROR"}, BadRequest),
        ([], ProtocolError),
        (None, ProtocolError),
    ],
)
def test_an_ok_outside_proves_nothing(body: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        taken(body, "u1")


def test_a_command_is_taken_where_only_others_were_not_found() -> None:
    taken(inside(status="COMMAND_SENT", devices_notfound=["u2"]), "u1")
    taken({"status": "OK", "response": {"status": "COMMAND_SENT"}}, "u1")


def test_an_update_is_written_where_its_serial_number_comes_back() -> None:
    updated({"status": "OK", "devices": ["Pine1"]}, "PINE1")
    with pytest.raises(NotFound):
        updated({"status": "OK", "devices": ["PINE2"]}, "PINE1")
    with pytest.raises(ProtocolError):
        updated({"status": "OK"}, "PINE1")


def test_an_assignment_is_refused_by_its_inner_status() -> None:
    accepted(inside(status="COMMAND_SENT"))
    accepted({"status": "OK"})
    with pytest.raises(NotFound):
        accepted(inside(status="USERS_NOTFOUND"))


def test_a_list_comes_as_an_object_or_in_an_array_and_ends_in_one() -> None:
    rows = {"devices": [{"deviceudid": "1"}], "rows": "7"}
    assert listed({"status": "OK", "response": rows}).total == 7
    assert listed({"status": "OK", "response": [rows]}).rows == [{"deviceudid": "1"}]
    assert listed(inside(status="DEVICES_NOTFOUND")).rows == ()
    with pytest.raises(BadRequest):
        listed(inside(status="UNKNOWN_COLUMNS"))
    with pytest.raises(ProtocolError):
        listed({"status": "OK"})


@pytest.mark.parametrize("first_page", [0, 1])
@pytest.mark.parametrize("array_form", [False, True])
@pytest.mark.parametrize("page_size", [2, 100])
async def test_a_full_walk_loses_and_doubles_nothing(
    mosyle: Mosyle, school: SimulatedMosyle, first_page: int, array_form: bool, page_size: int
) -> None:
    school.first_page, school.array_form, school.page_size = first_page, array_form, page_size
    assert (await everything(mosyle)).keys() == school.devices.keys()


async def test_an_incremental_walk_is_a_full_one(mosyle: Mosyle, school: SimulatedMosyle) -> None:
    assert (await everything(mosyle, school.clock.now)).keys() == school.devices.keys()


async def test_awkward_rows_are_read_as_what_they_are(mosyle: Mosyle) -> None:
    found = {int(key[-2:], 16): device for key, device in (await everything(mosyle)).items()}
    assert found[1].user == "ada.byron@pine.example.org"
    assert (found[2].user, found[2].vendor["SharedCartName"]) == (None, "Cart 2")
    assert (found[3].user, found[3].enrolment) == (None, Enrolment.ENROLLED)
    assert found[4].lost_mode is True
    assert found[4].serial == found[5].serial
    assert (found[6].serial, found[6].user, found[6].battery_percent) == (None, None, 73.0)
    assert (found[7].last_check_in, found[7].storage_free) == (None, None)
    assert found[8].platform is Platform.IOS


async def test_a_list_that_comes_short_is_no_list(mosyle: Mosyle, school: SimulatedMosyle) -> None:
    short = {"status": "OK", "response": {"devices": [{"deviceudid": "1"}], "rows": 9, "page": 1}}
    school.inject(status(200, short), path="listdevices", times=4)
    with pytest.raises(ProtocolError, match="fewer devices"):
        await everything(mosyle)


async def test_a_device_that_is_listed_twice_for_good_is_no_reason_to_fail(
    mosyle: Mosyle, school: SimulatedMosyle
) -> None:
    rows = [{"deviceudid": "1"}, {"deviceudid": "1"}, {"deviceudid": "2"}]
    twice = {"status": "OK", "response": {"devices": rows, "rows": 3}}
    nothing = {"status": "OK", "response": [{"status": "DEVICES_NOTFOUND"}]}
    school.inject(status(200, twice), path="listdevices")
    school.inject(status(200, nothing), path="listdevices", times=99)
    assert list(await everything(mosyle)) == ["1", "2"]


async def test_one_bad_row_stops_no_other(mosyle: Mosyle, school: SimulatedMosyle) -> None:
    rows = [{"deviceudid": "1"}, {"device_name": "nameless"}, 7]
    answer = {"status": "OK", "response": {"devices": rows, "rows": 3}}
    school.inject(status(200, answer), path="listdevices")
    page = await anext(aiter(mosyle.pages()))
    assert [device.external_id for device in page.devices] == ["1"]
    assert len(page.bad) == 2


async def test_a_busy_answer_in_a_200_is_waited_for(mosyle: Mosyle, school: SimulatedMosyle) -> None:
    school.inject(status(200, {"status": "Too many requests"}), path="listdevices", times=2)
    assert (await everything(mosyle)).keys() == school.devices.keys()


@pytest.mark.parametrize(("serial", "count"), [("pine000004", 2), ("PINE000009", 1), ("NONE1", 0), ("0", 0)])
async def test_a_serial_number_finds_its_devices(mosyle: Mosyle, serial: str, count: int) -> None:
    found = await mosyle.find(serial)
    assert len(found) == count
    assert {device.serial for device in found} <= {serial.upper()}


async def test_one_device_is_found_by_its_udid(mosyle: Mosyle) -> None:
    assert (await mosyle.device("00008120-000000000000000B")).platform is Platform.TVOS
    with pytest.raises(NotFound):
        await mosyle.device("00008120-00000000DEADBEEF")


@pytest.mark.parametrize("setting", ["access_token", "email", "password"])
async def test_check_says_that_the_login_is_wrong_and_asks_no_more(
    place: Place, school: SimulatedMosyle, http: httpx.AsyncClient, setting: str
) -> None:
    vendor = connected(place.stands(school), http, **{setting: "wrong-one"})
    assert not (await vendor.check()).works
    with pytest.raises(AuthFailed):
        await vendor.find("PINE000001")
    assert len(school.log) == 1


async def test_a_login_that_ended_is_renewed_once(mosyle: Mosyle, school: SimulatedMosyle) -> None:
    assert (await mosyle.check()).works
    school.clock.push(timedelta(hours=25))
    await everything(mosyle)
    assert sum(each.asked.path == "/v2/login" for each in school.log) == 2


NUMBERS = {Platform.IPADOS: 1, Platform.IOS: 8, Platform.MACOS: 9, Platform.TVOS: 11}
ARGUMENTS = {"pin": "739164", "message": "m", "name": "New", "tag": "PN-77", "user": "hopper", "site": "2"}
ENDS = [
    (verb, platform)
    for verb, operation in OPERATIONS.items()
    for platform in sorted(operation.platforms)
    if platform in NUMBERS
]


@pytest.mark.parametrize(("verb", "platform"), ENDS)
async def test_every_command_runs_as_far_as_can_be_seen(
    mosyle: Mosyle, school: SimulatedMosyle, verb: Verb, platform: Platform
) -> None:
    device = numbered(school, NUMBERS[platform])
    if verb is Verb.LOST_MODE_OFF:
        school.devices[device.external_id]["lostmode_status"] = "ENABLED"
    command = Command(verb, device, ARGUMENTS)
    receipt = await mosyle.send(command)
    assert len(school.effects) == 1
    assert school.effects[0][1] in (device.external_id, device.serial)
    if verb is Verb.SET_ASSET_TAG:
        assert receipt.state is State.SUCCEEDED
        assert (await mosyle.device(device.external_id)).asset_tag == "PN-77"
    elif verb in SEEN_ON_DEVICE:
        before = await mosyle.outcome(command, str(receipt.handle))
        school.clock.push(timedelta(minutes=3))
        after = await mosyle.outcome(command, str(receipt.handle))
        assert receipt.state is State.SENT
        assert before.state is (State.SUCCEEDED if verb is Verb.SET_USER else State.SENT)
        assert after.state is State.SUCCEEDED
    else:
        assert (receipt.state, receipt.handle) == (State.UNVERIFIABLE, None)
        assert (await mosyle.outcome(command, "any")).state is State.UNVERIFIABLE
    with pytest.raises(Unsupported):
        await mosyle.recent(command, school.clock.now)


async def test_a_pin_goes_to_macs_only_and_no_group_is_ever_named(
    mosyle: Mosyle, school: SimulatedMosyle
) -> None:
    for number in (1, 9):
        for verb in (Verb.LOCK, Verb.WIPE):
            await mosyle.send(Command(verb, numbered(school, number), {"pin": "739164"}))
    bodies = [each.asked.body for each in school.log if each.asked.path == "/v2/bulkops"]
    assert [b"739164" in body for body in bodies] == [False, False, True, True]
    elements = [orjson.loads(body)["elements"] for body in bodies]
    assert all(len(each) == 1 and len(each[0]["devices"]) == 1 for each in elements)
    assert not any("groups" in each[0] for each in elements)


@pytest.mark.parametrize(
    ("verb", "number", "arguments", "error"),
    [
        (Verb.LOCK, 9, {}, BadRequest),
        (Verb.LOCK, 9, {"pin": "12345a"}, BadRequest),
        (Verb.WIPE, 9, {"pin": "1234567"}, BadRequest),
        (Verb.LOST_MODE_ON, 1, {}, BadRequest),
        (Verb.LOST_MODE_ON, 9, {"message": "m"}, Unsupported),
        (Verb.SHUTDOWN, 11, {}, Unsupported),
        (Verb.UNENROL, 1, {}, Unsupported),
        (Verb.SYNC, 1, {}, Unsupported),
        (Verb.RENAME, 6, {"name": "n"}, BadRequest),
        (Verb.RENAME, 1, {"name": " "}, BadRequest),
        (Verb.SET_USER, 1, {}, BadRequest),
        (Verb.MOVE, 1, {}, BadRequest),
    ],
)
async def test_what_cannot_be_done_is_not_asked_for(
    mosyle: Mosyle,
    school: SimulatedMosyle,
    verb: Verb,
    number: int,
    arguments: dict[str, str],
    error: type[Exception],
) -> None:
    device = numbered(school, number)
    before = len(school.log)
    with pytest.raises(error):
        await mosyle.send(Command(verb, device, arguments))
    assert len(school.log) == before


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [(Verb.RESTART, {}), (Verb.RENAME, {"name": "n"}), (Verb.SET_USER, {"user": "hopper"})],
)
async def test_a_device_that_is_not_known_is_told(
    mosyle: Mosyle, school: SimulatedMosyle, verb: Verb, arguments: dict[str, str]
) -> None:
    ghost = replace(numbered(school, 1), external_id="00008120-DEAD", serial="GHOST1")
    with pytest.raises(NotFound):
        await mosyle.send(Command(verb, ghost, arguments))
    assert school.effects == []
    assert (
        await mosyle.outcome(Command(Verb.RENAME, ghost, arguments), "rename")
    ).state is State.UNVERIFIABLE


async def test_a_command_that_is_not_allowed_is_told(mosyle: Mosyle, school: SimulatedMosyle) -> None:
    school.allowed = False
    with pytest.raises(Forbidden) as refused:
        await mosyle.send(Command(Verb.RESTART, numbered(school, 1)))
    assert refused.value.permission


async def test_a_write_whose_answer_cannot_be_read_may_have_been_done(
    mosyle: Mosyle, school: SimulatedMosyle
) -> None:
    device = numbered(school, 1)
    school.inject(Fault("truncated"), path="bulkops")
    with pytest.raises(Transient) as lost:
        await mosyle.send(Command(Verb.WIPE, device))
    assert lost.value.sent
    assert school.effects == [("wipe_devices", device.external_id)]


async def test_a_district_names_its_account(
    place: Place, school: SimulatedMosyle, http: httpx.AsyncClient
) -> None:
    await connected(place.stands(school), http, account="7").check()
    assert orjson.loads(school.log[-1].asked.body)["idaccount"] == "7"
