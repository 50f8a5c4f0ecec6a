"""Jamf Pro over HTTP: reading, finding, every command and what becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from integrations.mdm import jamf_pro_commands as commands
from integrations.mdm.port import (
    BadRequest,
    Enrolment,
    NotFound,
    Platform,
    ProtocolError,
    State,
    Transient,
    Unsupported,
    Verb,
)
from integrations.mdm.simulated.jamf_pro import PENDING, fault
from integrations.mdm.simulated.server import Fault
from tests.integrations.mdm.jamf_pro_lab import IPAD, LOST, MAC, PHONE, PIN, TV, Lab, Port, port

SAMPLE = {Platform.MACOS: MAC, Platform.IPADOS: IPAD, Platform.IOS: PHONE, Platform.TVOS: TV}
SUPPORTED = [
    (verb, platform)
    for verb, platforms in commands.PLATFORMS.items()
    for platform in sorted(platforms)
    if platform in SAMPLE
]


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[tuple[Port, str]]:
    async with port() as made:
        yield made


@pytest.fixture
def here(opened: tuple[Port, str], http: httpx.AsyncClient) -> Lab:
    at, url = opened
    return at.lab(url, http)


async def test_a_full_sync_reads_every_record_once_and_keeps_the_kinds_apart(here: Lab) -> None:
    read = await here.devices()
    expected = [f"computer:{each}" for each in here.simulator.computers]
    expected += [f"mobile:{each}" for each in here.simulator.mobiles]
    assert [device.external_id for device in read] == expected
    sites = {device.external_id: device.site for device in read}
    assert (sites[MAC], sites["mobile:2"], sites[LOST]) == (
        "Willow Elementary",
        "Birch Middle",
        "Birch Middle",
    )


async def test_a_list_ends_on_its_total_and_not_on_a_page_cut_short(here: Lab) -> None:
    here.simulator.largest_page = 3
    pages = [page async for page in here.vendor.pages()]
    assert [len(page.devices) for page in pages] == [3, 3, 1, 3, 3, 3, 1]
    assert [page.total for page in pages] == [7] * 3 + [10] * 4
    assert [page.next is None for page in pages] == [False, False, True, False, False, False, True]


async def test_an_incremental_sync_leaves_out_what_was_not_seen_since(here: Lab) -> None:
    since = here.simulator.clock.now - timedelta(days=2)
    read = {device.external_id for device in await here.devices(since=since)}
    assert {"computer:5", "mobile:6", "mobile:10"}.isdisjoint(read)
    assert len(read) == 7 + 10 - 3


async def test_an_older_server_is_asked_by_its_own_routes_and_fields(here: Lab) -> None:
    here.simulator.older = True
    since = here.simulator.clock.now - timedelta(days=2)
    assert len(await here.devices()) == 17
    assert len(await here.devices(since=since)) == 14
    assert (await here.vendor.send(await here.command(Verb.WIPE, MAC))).handle
    asked = [exchange.asked.path for exchange in here.simulator.log]
    assert "/api/oauth/token" in asked
    assert asked[-1] == "/api/v1/computer-inventory/1/erase"


async def test_a_broken_record_is_named_and_stops_no_other(here: Lab) -> None:
    here.simulator.computers["2"]["general"]["site"] = "Willow"
    here.simulator.computers["3"]["id"] = None
    pages = [page async for page in here.vendor.pages()]
    assert sorted((bad.external_id or "", bad.why) for page in pages for bad in page.bad) == [
        ("", "no id"),
        ("computer:2", "site is not a section"),
    ]
    assert sum(len(page.devices) for page in pages) == 17 - 2


async def test_a_device_that_went_away_during_a_walk_makes_the_list_incomplete(here: Lab) -> None:
    here.simulator.largest_page = 3
    pages = here.vendor.pages()
    assert len((await anext(pages)).devices) == 3
    del here.simulator.computers["1"]
    with pytest.raises(Transient, match="changed while"):
        await anext(pages)


async def test_a_device_is_read_alone_with_its_site(here: Lab) -> None:
    device = await here.vendor.device("mobile:2")
    assert (device.name, device.site, device.site_id) == ("Cart-A-02", "Birch Middle", "2")
    assert (await here.vendor.device(MAC)).platform is Platform.MACOS


@pytest.mark.parametrize("unknown", ["computer:99", "mobile:99", "99", "computer:", "watch:1", "mobile:1/2"])
async def test_a_device_that_is_not_there_is_not_found(here: Lab, unknown: str) -> None:
    with pytest.raises(NotFound):
        await here.vendor.device(unknown)


async def test_a_filter_that_is_not_kept_to_is_not_believed(here: Lab) -> None:
    command = await here.command(Verb.RESTART, IPAD)
    await here.vendor.send(await here.command(Verb.RESTART, PHONE))
    here.simulator.ignores_filters = True
    generous = here.another(page_size=100)
    for asked in (
        generous.device(IPAD),
        generous.find("WPI00001"),
        generous.recent(command, here.simulator.clock.now),
        generous.outcome(command, "7f000000-0000-0000-0000-00000000beef"),
    ):
        with pytest.raises(ProtocolError):
            await asked


async def test_a_serial_number_that_is_there_twice_is_found_twice_the_newest_first(here: Lab) -> None:
    found = await here.vendor.find("wpm00005")
    assert [(each.external_id, each.enrolment) for each in found] == [
        ("computer:6", Enrolment.ENROLLED),
        ("computer:5", Enrolment.UNENROLLED),
    ]
    assert [each.external_id for each in await here.vendor.find("WPI00002")] == ["mobile:2"]
    assert await here.vendor.find("To be filled by O.E.M.") == ()
    assert await here.vendor.find('x" or "') == ()


@pytest.mark.parametrize(("verb", "platform"), SUPPORTED, ids=lambda each: str(each))
async def test_every_supported_command_is_taken_once_and_comes_to_its_end(
    here: Lab, verb: Verb, platform: Platform
) -> None:
    on = SAMPLE[platform]
    if verb in (Verb.PLAY_SOUND, Verb.LOST_MODE_OFF) and platform is Platform.IPADOS:
        on = LOST
    elif verb in (Verb.PLAY_SOUND, Verb.LOST_MODE_OFF):
        here.simulator.mobiles["8"]["security"]["lostModeEnabled"] = True
    command = await here.command(verb, on)
    receipt = await here.vendor.send(command)
    assert len(here.simulator.effects) == 1
    if verb in commands.RECORD_EDITS:
        assert (receipt.state, receipt.handle) == (State.SUCCEEDED, None)
        return
    assert receipt.state is State.SENT
    assert receipt.handle is not None
    assert (await here.vendor.outcome(command, receipt.handle)).state is State.SENT
    here.simulator.clock.push(PENDING)
    assert (await here.vendor.outcome(command, receipt.handle)).state is State.SUCCEEDED


async def test_commands_change_what_the_next_reading_says(here: Lab) -> None:
    for verb, on in [
        (Verb.SET_ASSET_TAG, MAC),
        (Verb.SET_USER, MAC),
        (Verb.MOVE, MAC),
        (Verb.SET_ASSET_TAG, IPAD),
        (Verb.SET_USER, IPAD),
        (Verb.MOVE, IPAD),
        (Verb.LOST_MODE_ON, IPAD),
        (Verb.RENAME, IPAD),
        (Verb.UNENROL, TV),
    ]:
        await here.vendor.send(await here.command(verb, on))
    here.simulator.clock.push(PENDING)
    for on in (MAC, IPAD):
        device = await here.vendor.device(on)
        said = (device.asset_tag, device.user, device.site)
        assert said == ("TAG-77", "new.user@willow.example.org", "Birch Middle")
    assert (await here.vendor.device(IPAD)).lost_mode is True
    assert (await here.vendor.device(IPAD)).name == "WIL-NEW-01"
    assert (await here.vendor.device(TV)).enrolment is Enrolment.UNENROLLED


async def test_a_device_that_is_asleep_is_waited_for_and_a_refusal_is_told_in_its_words(here: Lab) -> None:
    command = await here.command(Verb.RESTART, IPAD)
    handle = (await here.vendor.send(command)).handle or ""
    here.simulator.asleep.add(command.device.command_id or "")
    here.simulator.clock.push(PENDING)
    waiting = await here.vendor.outcome(command, handle)
    assert (waiting.state, waiting.at) == (State.SENT, None)
    assert waiting.detail
    here.simulator.asleep.clear()
    here.simulator.fates[command.device.command_id or ""] = "COMMAND_FORMAT_ERROR"
    failed = await here.vendor.outcome(command, handle)
    assert (failed.state, failed.detail) == (State.FAILED, "The device refused")
    assert failed.at is not None


async def test_a_command_that_was_flushed_is_not_found(here: Lab) -> None:
    command = await here.command(Verb.RESTART, IPAD)
    handle = (await here.vendor.send(command)).handle or ""
    here.simulator.sent.clear()
    with pytest.raises(NotFound):
        await here.vendor.outcome(command, handle)


async def test_a_mac_gets_a_pin_that_is_shown_once_and_never_printed(here: Lab) -> None:
    command = await here.command(Verb.LOCK, MAC, message="Locked")
    receipt = await here.vendor.send(command)
    pin = receipt.secrets["pin"]
    assert here.simulator.pins["1"] == pin
    assert len(pin) == 6
    assert pin.isdigit()
    assert pin not in repr(receipt)
    assert PIN not in repr(await here.command(Verb.LOCK, MAC))


@pytest.mark.parametrize("verb", [Verb.LOCK, Verb.WIPE])
async def test_a_pin_that_jamf_pro_repeats_in_a_refusal_is_not_told(here: Lab, verb: Verb) -> None:
    command = await here.command(verb, MAC)
    refusal = fault(400, "INVALID_FIELD", f"The pin {PIN} is not one", "pin")
    here.simulator.inject(Fault(answer=refusal), path="/erase$")
    here.simulator.inject(Fault(answer=refusal), path="mdm/commands$", at=here.simulator.asked + 2)
    with pytest.raises(BadRequest, match="The pin ") as refused:
        await here.vendor.send(command)
    assert PIN not in str(refused.value)


async def test_a_mac_is_not_locked_again_while_a_lock_is_on_its_way(here: Lab) -> None:
    command = await here.command(Verb.LOCK, MAC)
    await here.vendor.send(command)
    with pytest.raises(BadRequest, match="two PINs") as refused:
        await here.vendor.send(command)
    assert refused.value.sent is False
    here.simulator.clock.push(PENDING)
    assert (await here.vendor.send(command)).state is State.SENT
    assert [effect[0] for effect in here.simulator.effects] == ["DEVICE_LOCK"] * 2


async def test_a_lock_whose_answer_was_lost_is_found_again_with_its_pin(here: Lab) -> None:
    started = here.simulator.clock.now
    command = await here.command(Verb.LOCK, MAC, message="Locked")
    assert await here.vendor.recent(command, started) is None
    here.simulator.inject(Fault("cut", done=True), path="mdm/commands$", at=here.simulator.asked + 2)
    with pytest.raises(Transient) as lost:
        await here.vendor.send(command)
    assert lost.value.sent is True
    found = await here.vendor.recent(command, started)
    assert found is not None
    assert found.secrets == {"pin": here.simulator.pins["1"]}
    assert found.handle == here.simulator.sent[0].uuid
    assert await here.vendor.recent(command, started + timedelta(hours=1)) is None


async def test_a_wipe_whose_answer_was_lost_is_found_and_an_older_one_is_not_taken_for_it(here: Lab) -> None:
    command = await here.command(Verb.WIPE, IPAD)
    await here.vendor.send(command)
    here.simulator.clock.push(timedelta(hours=1))
    began = here.simulator.clock.now
    assert await here.vendor.recent(command, began) is None
    await here.vendor.send(command)
    found = await here.vendor.recent(command, began)
    assert found is not None
    assert found.handle == here.simulator.sent[1].uuid


async def test_an_edit_that_was_refused_although_it_was_written_has_succeeded(here: Lab) -> None:
    command = await here.command(Verb.SET_ASSET_TAG, IPAD)
    refusal = fault(409, "DUPLICATE_FIELD", "Duplicate")
    here.simulator.inject(Fault(answer=refusal, done=True), path="/api/v2/mobile-devices/1$")
    assert (await here.vendor.send(command)).state is State.SUCCEEDED
    here.simulator.inject(Fault(answer=refusal), path="/api/v2/mobile-devices/1$")
    with pytest.raises(BadRequest):
        await here.vendor.send(await here.command(Verb.SET_ASSET_TAG, IPAD, tag="OTHER"))
    assert await here.vendor.recent(command, here.simulator.clock.now) is not None


async def test_an_unenrolment_cannot_be_looked_for(here: Lab) -> None:
    with pytest.raises(Unsupported):
        await here.vendor.recent(await here.command(Verb.UNENROL, IPAD), here.simulator.clock.now)


@pytest.mark.parametrize(
    ("verb", "on"),
    [
        (Verb.RESTART, "mobile:4"),
        (Verb.LOST_MODE_ON, "mobile:4"),
        (Verb.LOST_MODE_ON, MAC),
        (Verb.CLEAR_PASSCODE, MAC),
        (Verb.SHUTDOWN, TV),
        (Verb.DISABLE, IPAD),
        (Verb.MESSAGE, IPAD),
    ],
)
async def test_what_a_device_cannot_do_is_not_sent(here: Lab, verb: Verb, on: str) -> None:
    with pytest.raises(Unsupported):
        await here.vendor.send(await here.command(verb, on))
    assert here.simulator.effects == []


@pytest.mark.parametrize(
    ("verb", "on", "arguments"),
    [
        (Verb.LOCK, MAC, {"pin": "12345"}),
        (Verb.LOCK, MAC, {"pin": "12345a"}),
        (Verb.LOST_MODE_ON, IPAD, {"tag": "x"}),
        (Verb.RENAME, IPAD, {"name": " "}),
        (Verb.RENAME, MAC, {"tag": "x"}),
        (Verb.SET_USER, IPAD, {"user": "the library"}),
        (Verb.MOVE, IPAD, {"site": "Nowhere"}),
        (Verb.SET_ASSET_TAG, MAC, {"name": "x"}),
    ],
)
async def test_arguments_that_are_missing_or_wrong_are_refused_before_anything_is_sent(
    here: Lab, verb: Verb, on: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(BadRequest):
        await here.vendor.send(await here.command(verb, on, **arguments))
    assert here.simulator.effects == []


async def test_the_user_before_leaves_nothing_behind(here: Lab) -> None:
    await here.vendor.send(await here.command(Verb.SET_USER, IPAD, user=""))
    place = here.simulator.mobiles["1"]["userAndLocation"]
    assert (place["username"], place["realName"], place["emailAddress"]) == ("", "", "")
    assert (await here.vendor.device(IPAD)).user is None
