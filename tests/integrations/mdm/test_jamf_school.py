"""Jamf School over HTTP: reading, finding, every command and what can be said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from integrations.mdm.asking import Pace
from integrations.mdm.jamf_school import COMMANDS, PLATFORMS, JamfSchool
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
    State,
    Transient,
    Unsupported,
    Verb,
)
from integrations.mdm.simulated.jamf_school import KEY, NETWORK, TAKES, SimulatedJamfSchool
from integrations.mdm.simulated.server import Answer, Fault, serving, status

PACE = Pace(connect=2, silence=2, total=4, tries=3, first_wait=0.002, longest_wait=1)
FIRST, LOCATION_0, TV = (f"00008110-{number:016X}" for number in (1, 3, 11))
SECOND, MAC = f"{2:040x}", f"{4:040x}"
UNSUPERVISED = f"{10:040x}"
ARGUMENTS = {
    Verb.SET_ASSET_TAG: {"tag": "RW-77"},
    Verb.SET_USER: {"user": "grace.h@rowan.example.org"},
    Verb.MOVE: {"site": "rowan high"},
}
ON = {Platform.IPADOS: FIRST, Platform.MACOS: MAC, Platform.TVOS: TV}
SUPPORTED = [(verb, each) for verb, found in PLATFORMS.items() for each in sorted(found) if each in ON]


def adapter(url: str, http: httpx.AsyncClient, **values: str) -> JamfSchool:
    said = {"base_url": url, "network_id": NETWORK, "api_key": KEY, **values}
    return JamfSchool(said, http=http, pace=PACE)


class Port(SimulatedJamfSchool):
    """One port for all tests, on which a fresh simulator stands each time."""

    current: SimulatedJamfSchool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[tuple[Port, str]]:
    made = Port()
    async with serving(made) as url:
        yield made, url


@pytest.fixture
def there(port: tuple[Port, str]) -> SimulatedJamfSchool:
    port[0].current = SimulatedJamfSchool()
    return port[0].current


@pytest.fixture
def vendor(port: tuple[Port, str], there: SimulatedJamfSchool, http: httpx.AsyncClient) -> JamfSchool:
    return adapter(port[1], http)


@pytest.fixture
def another(port: tuple[Port, str], http: httpx.AsyncClient) -> Callable[..., JamfSchool]:
    return lambda **values: adapter(values.pop("url", port[1]), http, **values)


async def everything(vendor: JamfSchool, since: datetime | None = None) -> dict[str, ManagedDevice]:
    return {device.external_id: device async for page in vendor.pages(since) for device in page.devices}


async def command(vendor: JamfSchool, verb: Verb, on: str, **arguments: str) -> Command:
    return Command(verb, await vendor.device(on), arguments or ARGUMENTS.get(verb, {}))


async def test_a_full_sync_reads_every_device_with_the_place_it_is_at(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    read = await everything(vendor)
    assert list(read) == list(there.devices)
    assert (read[LOCATION_0].site, read[LOCATION_0].site_id) == ("Rowan District", "0")
    assert (read[UNSUPERVISED].site, read[UNSUPERVISED].site_id) == (None, "7")


async def test_awkward_rows_are_read_for_what_they_say(vendor: JamfSchool) -> None:
    read = list((await everything(vendor)).values())
    assert read[1].user == "grace.h@rowan.example.org"
    assert (read[2].user, read[4].user, read[4].serial) == (None, None, None)
    assert [read[at].enrolment for at in (5, 6, 8)] == [
        Enrolment.PENDING,
        Enrolment.UNENROLLED,
        Enrolment.UNENROLLED,
    ]
    assert (read[7].last_check_in, read[7].battery_percent) == (None, None)
    assert read[9].battery_percent == 57.0
    assert [read[at].platform for at in (0, 3, 10)] == [Platform.IPADOS, Platform.MACOS, Platform.TVOS]


async def test_since_leaves_out_what_neither_checked_in_nor_was_changed(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    read = await everything(vendor, there.clock.now - timedelta(days=2))
    assert len(read) == len(there.devices) - 1
    assert f"{8:040x}" in read


async def test_a_list_that_is_shorter_than_it_says_is_not_taken_for_all(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    rows = list(there.devices.values())[:3]
    cut = Answer(200, {"code": 200, "count": 11, "devices": rows})
    there.inject(Fault(answer=cut), path="/devices$", times=9)
    with pytest.raises(Transient):
        await everything(vendor)


async def test_a_row_that_comes_twice_is_read_once_and_a_broken_one_is_named(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    good = there.devices[FIRST]
    rows: list[object] = [good, good, {**good, "UDID": None}, {**good, "UDID": "x" * 40, "os": "iPadOS"}, 7]
    there.inject(Fault(answer=Answer(200, {"code": 200, "count": 5, "devices": rows})), path="/devices$")
    pages = [page async for page in vendor.pages()]
    assert [device.external_id for device in pages[0].devices] == [FIRST]
    assert [(bad.external_id, bad.why) for bad in pages[0].bad] == [
        (None, "no UDID"),
        ("x" * 40, "os has another shape"),
        (None, "it is no record"),
    ]


@pytest.mark.parametrize("newer", [False, True])
async def test_a_device_read_alone_says_the_same_as_in_the_list(
    there: SimulatedJamfSchool, vendor: JamfSchool, newer: bool
) -> None:
    there.newer = newer
    listed = await everything(vendor)
    for external_id, device in listed.items():
        if device.last_check_in is not None:
            assert await vendor.device(external_id) == device


async def test_a_device_that_is_not_there_is_not_found(vendor: JamfSchool) -> None:
    with pytest.raises(NotFound):
        await vendor.device("00008110-0000000000000099")


async def test_an_unknown_address_is_no_unknown_device(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    for body in (b"404 page not found", {"code": 404, "message": "Not found"}):
        there.inject(status(404, body))
        with pytest.raises(ProtocolError, match="version of its protocol"):
            await vendor.device(FIRST)


async def test_another_device_than_was_asked_for_is_not_believed(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    other = Answer(200, {"code": 200, "device": there.devices[SECOND]})
    there.inject(Fault(answer=other))
    with pytest.raises(ProtocolError):
        await vendor.device(FIRST)
    rows = list(there.devices.values())
    everybody = Answer(200, {"code": 200, "count": len(rows), "devices": rows})
    there.inject(Fault(answer=everybody))
    with pytest.raises(ProtocolError):
        await vendor.find("RWS00001")


async def test_serial_numbers_are_found_exactly(vendor: JamfSchool) -> None:
    assert [device.external_id for device in await vendor.find("rws00001")] == [FIRST]
    assert len(await vendor.find("RWS00006")) == 2
    assert await vendor.find("N/A") == ()
    assert await vendor.find("RWS99999") == ()


@pytest.mark.parametrize(("verb", "platform"), SUPPORTED, ids=str)
async def test_every_supported_command_is_sent_once_and_told_truly(
    there: SimulatedJamfSchool, vendor: JamfSchool, verb: Verb, platform: Platform
) -> None:
    receipt = await vendor.send(await command(vendor, verb, ON[platform]))
    assert len(there.effects) == 1
    assert receipt.handle is None
    expected = State.UNVERIFIABLE if verb in COMMANDS else State.SUCCEEDED
    assert receipt.state is expected
    with pytest.raises(Unsupported):
        await vendor.outcome(await command(vendor, verb, ON[platform]), "1")


async def test_what_was_sent_shows_in_the_next_reading(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    for verb in (Verb.SET_ASSET_TAG, Verb.SET_USER, Verb.MOVE, Verb.SYNC):
        await vendor.send(await command(vendor, verb, FIRST))
    await vendor.send(await command(vendor, Verb.UNENROL, SECOND))
    there.clock.push(TAKES)
    device = await vendor.device(FIRST)
    said = (device.asset_tag, device.user, device.site)
    assert said == ("RW-77", "grace.h@rowan.example.org", "Rowan High")
    assert device.last_check_in == there.clock.now
    assert (await vendor.device(SECOND)).enrolment is Enrolment.UNENROLLED


async def test_only_what_the_record_tells_can_be_looked_for(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    since = datetime(2026, 9, 14, tzinfo=UTC)
    for verb in (Verb.SET_ASSET_TAG, Verb.SET_USER, Verb.MOVE, Verb.UNENROL):
        asked = await command(vendor, verb, SECOND if verb is not Verb.SET_USER else FIRST)
        assert await vendor.recent(asked, since) is None
        await vendor.send(asked)
        there.clock.push(TAKES)
        found = await vendor.recent(asked, since)
        assert found is not None
        assert found.state is State.SUCCEEDED
    for verb in (Verb.RESTART, Verb.WIPE, Verb.SYNC, Verb.CLEAR_PASSCODE):
        with pytest.raises(Unsupported):
            await vendor.recent(await command(vendor, verb, FIRST), since)


async def test_nobody_is_a_user_and_the_first_location_a_place(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    await vendor.send(await command(vendor, Verb.SET_USER, FIRST, user=""))
    await vendor.send(await command(vendor, Verb.MOVE, FIRST, site="0"))
    device = await vendor.device(FIRST)
    assert (device.user, device.site_id) == (None, "0")
    assert [effect[2] for effect in there.effects] == ["0", "0"]


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        (Verb.SET_USER, {"user": "nobody@rowan.example.org"}),
        (Verb.SET_USER, {"user": "Ada"}),
        (Verb.SET_USER, {"tag": "x"}),
        (Verb.MOVE, {"site": "Nowhere"}),
        (Verb.SET_ASSET_TAG, {"user": "x"}),
    ],
)
async def test_arguments_that_are_missing_or_wrong_change_nothing(
    there: SimulatedJamfSchool, vendor: JamfSchool, verb: Verb, arguments: dict[str, str]
) -> None:
    with pytest.raises(BadRequest) as refused:
        await vendor.send(await command(vendor, verb, FIRST, **arguments))
    assert refused.value.sent is False
    assert there.effects == []


@pytest.mark.parametrize(
    ("verb", "on"),
    [
        (Verb.LOCK, FIRST),
        (Verb.SHUTDOWN, MAC),
        (Verb.LOST_MODE_ON, FIRST),
        (Verb.CLEAR_PASSCODE, MAC),
        (Verb.RESTART, UNSUPERVISED),
    ],
)
async def test_what_is_not_offered_is_not_sent(
    there: SimulatedJamfSchool, vendor: JamfSchool, verb: Verb, on: str
) -> None:
    with pytest.raises(Unsupported):
        await vendor.send(await command(vendor, verb, on))
    assert there.effects == []


@pytest.mark.parametrize(("method", "right"), [("GET", "Read"), ("POST", "Add"), ("PUT", "Edit")])
async def test_a_right_that_the_key_lacks_is_named(
    there: SimulatedJamfSchool, vendor: JamfSchool, method: str, right: str
) -> None:
    asked = {"POST": Verb.RESTART, "PUT": Verb.SET_USER, "GET": Verb.SYNC}[method]
    given = await command(vendor, asked, FIRST, user="")
    there.verbs.discard(method)
    with pytest.raises(Forbidden) as refused:
        await (vendor.device(FIRST) if method == "GET" else vendor.send(given))
    assert refused.value.permission == right
    assert there.effects == []


async def test_wrong_credentials_are_said_without_telling_them(another: Callable[..., JamfSchool]) -> None:
    wrong = another(api_key="wrong-key-of-somebody")
    with pytest.raises(AuthFailed) as refused:
        await wrong.device(FIRST)
    assert "wrong-key" not in f"{refused.value!r}"
    checked = await wrong.check()
    assert not checked.works


async def test_an_error_in_a_good_status_is_an_error(there: SimulatedJamfSchool, vendor: JamfSchool) -> None:
    asked = await command(vendor, Verb.SET_ASSET_TAG, FIRST)
    there.inject(status(200, {"code": 429, "message": "Too many requests"}), path="/details$")
    there.inject(status(200, {"code": 404, "message": "DeviceNotFound"}), path="/restart$")
    with pytest.raises(Exception, match="Too many requests"):
        await vendor.send(asked)
    with pytest.raises(NotFound):
        await vendor.send(await command(vendor, Verb.RESTART, FIRST))


async def test_a_check_reads_without_reading_everything(
    there: SimulatedJamfSchool, vendor: JamfSchool
) -> None:
    checked = await vendor.check()
    assert (checked.works, checked.granted) == (True, ("Read",))
    listed = [exchange for exchange in there.log if exchange.asked.path == "/api/devices"]
    assert [exchange.answer.body for exchange in listed] == [{"code": 200, "count": 0, "devices": []}]
    there.verbs.discard("GET")
    refused = await vendor.check()
    assert (refused.works, dict(refused.missing)) == (False, {"Read": "to list devices"})


async def test_the_address_may_be_pasted_from_a_browser(
    port: tuple[Port, str], there: SimulatedJamfSchool, another: Callable[..., JamfSchool]
) -> None:
    pasted = another(url=f"{port[1]}/devices/#overview")
    assert (await pasted.device(FIRST)).serial == "RWS00001"
    assert there.asked == 2
