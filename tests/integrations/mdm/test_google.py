"""The Google adapter against the simulated Google: rights, lists, commands and what becomes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from integrations.mdm.google import READ, TELEMETRY, WRITE, Google
from integrations.mdm.google_account import service_account as account_of
from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Forbidden,
    ManagedDevice,
    NotFound,
    Platform,
    ProtocolError,
    RateLimited,
    Receipt,
    State,
    Transient,
    Unsupported,
    Verb,
)
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.google_school import device_id
from integrations.mdm.simulated.google_tokens import ADMIN, service_account
from integrations.mdm.simulated.server import Answer, Asked, serving
from tests.integrations.mdm.google_bench import (
    KEY_FILE,
    SINCE,
    chromebook,
    command,
    google,
    listed,
    school,
    scope_asked,
)


@pytest.fixture
def simulator() -> SimulatedGoogle:
    return school()


@pytest.fixture
async def url(simulator: SimulatedGoogle) -> AsyncIterator[str]:
    async with serving(simulator) as address:
        yield address


@pytest.fixture
def vendor(url: str, http: httpx.AsyncClient, simulator: SimulatedGoogle) -> Google:
    return google(url, http, simulator)


def scopes(simulator: SimulatedGoogle) -> list[str]:
    return [scope for each in simulator.log if (scope := scope_asked(each.asked))]


async def test_a_full_list_has_every_device_once_with_its_battery(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    pages = [page async for page in vendor.pages()]
    devices = [device for page in pages for device in page.devices]
    assert [len(page.devices) for page in pages] == [4, 4, 2]
    assert [device.external_id for device in devices] == list(simulator.devices)
    assert {page.total for page in pages} == {10}
    assert pages[-1].next is None
    by_id = {device.external_id: device for device in devices}
    assert by_id[device_id(1)].battery_percent == 50.0
    assert by_id[device_id(2)].battery_percent == 100.0
    assert by_id[device_id(5)].battery_health_percent == 80.9
    assert by_id[device_id(4)].battery_percent is None
    assert by_id[device_id(3)].user is None
    assert by_id[device_id(6)].serial is None
    assert by_id[device_id(7)].last_check_in is None


async def test_an_incremental_list_overlaps_by_a_day(vendor: Google, simulator: SimulatedGoogle) -> None:
    found = {device.external_id for device in await listed(vendor, SINCE)}
    assert found == {device_id(number) for number in range(1, 7)}
    queries = {
        each.asked.query.get("query") for each in simulator.log if each.asked.path.endswith("chromeos")
    }
    assert queries == {"sync:2026-09-13.."}


async def test_an_empty_school_is_an_empty_list(vendor: Google, simulator: SimulatedGoogle) -> None:
    simulator.devices.clear()
    simulator.telemetry.clear()
    pages = [page async for page in vendor.pages()]
    assert [(list(page.devices), page.total) for page in pages] == [([], 0)]


async def test_a_device_on_two_pages_is_given_once(vendor: Google, simulator: SimulatedGoogle) -> None:
    """As when one is added before it while the list is read."""
    doubled = [*simulator.devices.items()]
    simulator.devices = {f"{at}": raw for at, (_, raw) in enumerate([*doubled, *doubled])}
    devices = await listed(vendor)
    assert len(devices) == len({device.external_id for device in devices}) == 10


async def test_a_row_that_is_none_is_set_aside_and_the_others_stay(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    del simulator.devices[device_id(2)]["deviceId"]
    pages = [page async for page in vendor.pages()]
    assert [bad.why for page in pages for bad in page.bad] == ["no deviceId"]
    assert sum(len(page.devices) for page in pages) == 9


async def test_a_list_whose_token_ran_out_is_no_whole_list(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    pages = vendor.pages()
    await anext(pages)
    simulator.clock.push(timedelta(minutes=11))
    with pytest.raises(Transient, match="half way"):
        await anext(pages)


async def test_a_list_that_goes_round_in_circles_ends(
    simulator: SimulatedGoogle, http: httpx.AsyncClient
) -> None:
    def circle(asked: Asked) -> Answer:
        return Answer(200, {"kind": "admin#directory#chromeosdevices", "nextPageToken": "again"})

    simulator._routes.insert(0, ("GET", simulator._routes[1][1], circle))
    async with serving(simulator) as url:
        with pytest.raises(ProtocolError, match="circles"):
            await listed(google(url, http, simulator))


@pytest.mark.parametrize("body", [{}, [], None, {"chromeosdevices": {}}, "kind"])
async def test_what_is_no_list_is_not_taken_for_an_empty_one(
    simulator: SimulatedGoogle, http: httpx.AsyncClient, body: object
) -> None:
    answer = Answer(200, b"null" if body is None else body)
    simulator._routes.insert(0, ("GET", simulator._routes[1][1], lambda asked: answer))
    async with serving(simulator) as url:
        with pytest.raises(ProtocolError):
            await listed(google(url, http, simulator))


async def test_reading_asks_for_no_right_to_write(vendor: Google, simulator: SimulatedGoogle) -> None:
    await listed(vendor)
    await vendor.device(device_id(1))
    assert sorted(scopes(simulator)) == [READ, TELEMETRY]
    await vendor.send(command(Verb.RESTART))
    assert sorted(scopes(simulator)) == sorted([READ, TELEMETRY, WRITE])


async def test_a_district_that_only_lets_us_read_works(http: httpx.AsyncClient) -> None:
    simulator = school(delegated=frozenset({READ}))
    async with serving(simulator) as url:
        vendor = google(url, http, simulator)
        assert len(await listed(vendor)) == 10
        assert (await vendor.device(device_id(1))).battery_percent is None
        with pytest.raises(Forbidden) as raised:
            await vendor.send(command(Verb.WIPE))
        checked = await vendor.check()
    assert raised.value.permission == WRITE
    assert simulator.effects == []
    assert checked.works
    assert checked.granted == (READ,)
    assert checked.missing == {WRITE: "sending commands", TELEMETRY: "reading batteries"}


async def test_a_role_that_lacks_a_privilege_is_found(http: httpx.AsyncClient) -> None:
    simulator = school(privileges=frozenset({READ, TELEMETRY}))
    async with serving(simulator) as url:
        checked = await google(url, http, simulator).check()
    assert (checked.works, checked.granted) == (True, (READ, TELEMETRY))
    assert list(checked.missing) == [WRITE]


async def test_checking_changes_nothing_and_finds_everything(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    checked = await vendor.check()
    assert checked.works
    assert set(checked.granted) == {READ, WRITE, TELEMETRY}
    assert not checked.missing
    assert simulator.effects == []
    assert {each.asked.method for each in simulator.log if each.asked.path != "/token"} == {"GET"}


async def test_a_wrong_administrator_or_key_or_clock_is_no_access(
    url: str, http: httpx.AsyncClient, simulator: SimulatedGoogle
) -> None:
    settings = {"service_account": KEY_FILE, "admin": ADMIN, "base_url": url}
    other_key = service_account(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    now = simulator.clock.now.timestamp()
    for wrong, at in (
        ({"admin": "nobody@harbour.example"}, now),
        ({"service_account": other_key}, now),
        ({}, now + 3600),
        ({}, now - 7200),
    ):
        vendor = Google({**settings, **wrong}, http, now=lambda at=at: at)  # type: ignore[misc]
        with pytest.raises(AuthFailed):
            await vendor.device(device_id(1))
        assert not (await vendor.check()).works


def _key_file(**changed: object) -> str:
    return orjson.dumps({**orjson.loads(KEY_FILE), **changed}).decode()


def test_what_is_no_key_file_is_refused_without_telling_it() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for text in (
        "",
        "[]",
        "{}",
        _key_file(private_key="-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"),
        _key_file(private_key=curve.decode()),
    ):
        with pytest.raises(BadRequest) as raised:
            Google({"service_account": text, "admin": ADMIN})
        assert "c2VjcmV0" not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert "private" not in repr(account_of(KEY_FILE)).lower()


async def test_a_key_file_cannot_send_its_assertions_elsewhere(
    url: str, http: httpx.AsyncClient, simulator: SimulatedGoogle
) -> None:
    text = _key_file(token_uri="http://192.0.2.1/steal")
    vendor = Google(
        {"service_account": text, "admin": ADMIN, "base_url": url},
        http,
        now=lambda: simulator.clock.now.timestamp(),
    )
    assert (await vendor.device(device_id(1))).serial == "FBCHR0001"


async def test_tokens_are_renewed_before_they_end_and_only_then(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    for minutes in (0, 30, 27, 1, 1):
        simulator.clock.push(timedelta(minutes=minutes))
        await vendor.outcome(command(Verb.DISABLE), "status/ACTIVE")
    assert scopes(simulator) == [READ, READ]
    assert all(each.answer.status == 200 for each in simulator.log)


async def test_many_questions_at_once_fetch_one_token(vendor: Google, simulator: SimulatedGoogle) -> None:
    found = await asyncio.gather(*(vendor.find("FBCHR0002") for _ in range(8)))
    assert {len(each) for each in found} == {1}
    assert scopes(simulator) == [READ]


async def test_a_serial_number_is_found_whole_with_the_one_in_use_first(vendor: Google) -> None:
    assert [each.external_id for each in await vendor.find("fbchr0001 ")] == [device_id(1), device_id(8)]
    assert [each.external_id for each in await vendor.find("FBCHR00010")] == [device_id(10)]
    assert list(await vendor.find("BCHR000")) == []


@pytest.mark.parametrize("serial", ["", "None", "AB", 'X" status:managed', "a:b", "a b c"])
async def test_what_is_no_serial_number_is_not_asked_for(
    vendor: Google, simulator: SimulatedGoogle, serial: str
) -> None:
    assert list(await vendor.find(serial)) == []
    assert simulator.asked == 0


async def test_a_device_that_is_not_there(vendor: Google) -> None:
    for missing in ("nobody", "../../x"):
        with pytest.raises(NotFound):
            await vendor.device(missing)
    with pytest.raises(BadRequest):
        await vendor.device("..")


@pytest.mark.parametrize("verb", [Verb.RESTART, Verb.WIPE, Verb.WIPE_USERS])
async def test_a_command_runs_through_its_states(
    vendor: Google, simulator: SimulatedGoogle, verb: Verb
) -> None:
    wanted = command(verb)
    receipt = await vendor.send(wanted)
    assert receipt.state is State.QUEUED
    assert receipt.handle is not None
    states = []
    for _ in range(4):
        states.append((await vendor.outcome(wanted, receipt.handle)).state)
        simulator.clock.push(timedelta(seconds=30))
    assert states == [State.QUEUED, State.SENT, State.ACKNOWLEDGED, State.SUCCEEDED]
    assert len(simulator.effects) == 1


async def test_a_command_may_fail_or_expire(vendor: Google, simulator: SimulatedGoogle) -> None:
    simulator.failing.add(device_id(1))
    simulator.off.add(device_id(2))
    failing, off = command(Verb.RESTART, 1), command(Verb.RESTART, 2)
    handles = [(await vendor.send(each)).handle or "" for each in (failing, off)]
    simulator.clock.push(timedelta(minutes=11))
    failed, expired = [await vendor.outcome(*each) for each in zip((failing, off), handles, strict=True)]
    assert (failed.state, failed.detail) == (State.FAILED, "The device could not do it.")
    assert (expired.state, expired.at) == (State.EXPIRED, simulator.clock.now - timedelta(minutes=1))


async def test_disabling_and_enabling_are_verified_on_the_device(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    for verb, status in (
        (Verb.DISABLE, "DISABLED"),
        (Verb.ENABLE, "ACTIVE"),
        (Verb.UNENROL, "DEPROVISIONED"),
    ):
        receipt = await vendor.send(command(verb))
        assert receipt == Receipt(State.SENT, f"status/{status}")
        assert (await vendor.outcome(command(verb), f"status/{status}")).state is State.SUCCEEDED
        assert simulator.devices[device_id(1)]["status"] == status
    assert (await vendor.outcome(command(Verb.DISABLE, 2), "status/DISABLED")).state is State.SENT


async def test_a_refusal_for_one_device_within_a_200_is_a_refusal(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    with pytest.raises(NotFound):
        await vendor.send(replace(command(Verb.DISABLE), device=replace(chromebook(1), command_id="nobody")))
    with pytest.raises(BadRequest, match="deprovisioned"):
        await vendor.send(command(Verb.ENABLE, 8))
    simulator.without_licence = True
    with pytest.raises(BadRequest, match="Delinquent"):
        await vendor.send(command(Verb.ENABLE, 5))
    assert simulator.effects == []


async def test_moving_is_verified_on_the_device_since_google_says_nothing(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    receipt = await vendor.send(command(Verb.MOVE, 1, site="/Students/Harbour Primary"))
    assert receipt == Receipt(State.SENT, "unit//Students/Harbour Primary")
    assert (await vendor.outcome(command(Verb.MOVE), receipt.handle or "")).state is State.SUCCEEDED
    by_id = await vendor.send(command(Verb.MOVE, 1, site="id:02ab3c4d0000003"))
    assert (await vendor.outcome(command(Verb.MOVE), by_id.handle or "")).state is State.SUCCEEDED
    assert simulator.devices[device_id(1)]["orgUnitPath"] == "/Students/Mill Lane"
    gone = command(Verb.MOVE, 77, site="/Staff")
    assert (await vendor.send(gone)).state is State.SENT
    with pytest.raises(NotFound):
        await vendor.outcome(gone, "unit//Staff")
    with pytest.raises(BadRequest):
        await vendor.send(command(Verb.MOVE, 1, site="/Nowhere"))


async def test_annotations_are_set_and_emptied(vendor: Google, simulator: SimulatedGoogle) -> None:
    assert (await vendor.send(command(Verb.SET_USER, 3, user="ann@harbour.example"))).state is State.SUCCEEDED
    assert simulator.devices[device_id(3)]["annotatedUser"] == "ann@harbour.example"
    assert (await vendor.send(command(Verb.SET_ASSET_TAG, 3, tag=""))).state is State.SUCCEEDED
    assert "annotatedAssetId" not in simulator.devices[device_id(3)]
    with pytest.raises(BadRequest):
        await vendor.send(command(Verb.SET_USER, 3, user="x" * 101))


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        (Verb.RESTART, {"delay": "301"}),
        (Verb.RESTART, {"delay": "soon"}),
        (Verb.UNENROL, {"reason": "bored"}),
        (Verb.MOVE, {"site": " "}),
    ],
)
async def test_what_cannot_be_meant_is_not_sent(
    vendor: Google, simulator: SimulatedGoogle, verb: Verb, arguments: dict[str, str]
) -> None:
    with pytest.raises(BadRequest):
        await vendor.send(command(verb, 1, **arguments))
    assert simulator.effects == []


async def test_what_is_not_supported_is_not_sent(vendor: Google, simulator: SimulatedGoogle) -> None:
    ipad = ManagedDevice(device_id(1), platform=Platform.IPADOS)
    for wanted in (command(Verb.LOCATE), replace(command(Verb.RESTART), device=ipad)):
        with pytest.raises(Unsupported):
            await vendor.send(wanted)
    assert simulator.asked == 0
    supported = {verb for verb in Verb if vendor.supports(verb, Platform.CHROMEOS)}
    assert len(supported) == 9
    assert not any(
        vendor.supports(verb, platform) for verb in Verb for platform in Platform if platform != "chromeos"
    )


async def test_after_a_silence_the_device_tells_what_was_taken(
    vendor: Google, simulator: SimulatedGoogle
) -> None:
    since = simulator.clock.now
    for verb in (Verb.DISABLE, Verb.MOVE, Verb.SET_USER, Verb.SET_ASSET_TAG):
        assert await vendor.recent(command(verb), since) is None
        sent = await vendor.send(command(verb))
        assert await vendor.recent(command(verb), since) == sent
    for verb in (Verb.RESTART, Verb.WIPE, Verb.WIPE_USERS):
        with pytest.raises(Unsupported):
            await vendor.recent(command(verb), since)


async def test_the_two_kinds_of_403_are_told_apart(http: httpx.AsyncClient) -> None:
    for simulator, kind in ((school(privileges=frozenset()), Forbidden), (school(quota=0), RateLimited)):
        async with serving(simulator) as url:
            with pytest.raises(kind):
                await google(url, http, simulator).send(command(Verb.WIPE))
        assert simulator.effects == []


async def test_no_log_at_any_level_holds_a_secret(
    vendor: Google, simulator: SimulatedGoogle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await vendor.find("FBCHR0001")
    await vendor.send(command(Verb.RESTART))
    assertion = simulator.log[0].asked.form()["assertion"]
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}
    for secret in (assertion[:40], *simulator.tokens, "BEGIN PRIVATE"):
        assert secret not in caplog.text


async def test_an_adapter_closes_only_a_client_of_its_own(http: httpx.AsyncClient, vendor: Google) -> None:
    await vendor.close()
    assert not http.is_closed
    own = Google({"service_account": KEY_FILE, "admin": ADMIN})
    await own.close()
    assert own._asker._http.is_closed
