"""Jamf Pro: signing in, and what a client may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from integrations.mdm import jamf_pro_commands as commands
from integrations.mdm.port import AuthFailed, Forbidden, Platform, State, Verb
from integrations.mdm.simulated.jamf_pro import PASSWORD, USER, VIEW
from integrations.mdm.simulated.server import Answer, Fault
from tests.integrations.mdm.jamf_pro_lab import IPAD, MAC, Lab, Port, port


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[tuple[Port, str]]:
    async with port() as made:
        yield made


@pytest.fixture
def here(opened: tuple[Port, str], http: httpx.AsyncClient) -> Lab:
    at, url = opened
    return at.lab(url, http)


async def test_a_token_that_ended_is_renewed_and_the_same_is_asked_again_once(here: Lab) -> None:
    command = await here.command(Verb.RESTART, IPAD)
    here.simulator.clock.push(timedelta(minutes=2))
    assert (await here.vendor.send(command)).state is State.SENT
    paths = [exchange.asked.path for exchange in here.simulator.log]
    assert paths.count("/api/v1/oauth/token") == 2
    assert len(here.simulator.effects) == 1


async def test_many_questions_at_once_sign_in_once(here: Lab) -> None:
    await asyncio.gather(*(here.vendor.device(f"mobile:{number}") for number in range(1, 11)))
    paths = [exchange.asked.path for exchange in here.simulator.log]
    assert paths.count("/api/v1/oauth/token") == 1


async def test_an_account_signs_in_with_its_name_and_password(here: Lab) -> None:
    user = here.another(sign_in="account", client_id=USER, client_secret=PASSWORD)
    assert (await user.device(MAC)).external_id == MAC
    wrong = here.another(sign_in="account", client_id=USER, client_secret="wrong")
    with pytest.raises(AuthFailed):
        await wrong.device(MAC)


async def test_wrong_credentials_are_said_and_not_tried_over_and_over(here: Lab) -> None:
    wrong = here.another(client_secret="wrong-secret-value")
    for _ in range(3):
        with pytest.raises(AuthFailed) as refused:
            await wrong.device(MAC)
        assert refused.value.sent is False
        assert "wrong-secret-value" not in str(refused.value)
    assert len(here.simulator.log) == 1
    checked = await wrong.check()
    assert (checked.works, checked.granted) == (False, ())


async def test_a_missing_right_is_named(here: Lab) -> None:
    right = "Send Mobile Device Restart Device Command"
    command = await here.command(Verb.RESTART, IPAD)
    here.simulator.rights.discard(right)
    with pytest.raises(Forbidden) as refused:
        await here.vendor.send(command)
    assert refused.value.permission == right


async def test_a_refusal_of_the_classic_api_is_one_of_rights_and_not_of_credentials(here: Lab) -> None:
    right = "Send Mobile Device Remove Passcode Command"
    command = await here.command(Verb.CLEAR_PASSCODE, IPAD)
    here.simulator.rights.discard(right)
    with pytest.raises(Forbidden) as refused:
        await here.vendor.send(command)
    assert refused.value.permission == right
    assert here.simulator.effects == []


async def test_a_refusal_from_something_before_jamf_pro_names_no_right(here: Lab) -> None:
    page = {"content-type": "text/html"}
    here.simulator.inject(Fault(answer=Answer(403, b"<html>WAF</html>", page)), path="/api/v4")
    with pytest.raises(Forbidden, match="before Jamf Pro") as refused:
        await here.vendor.device(MAC)
    assert refused.value.permission is None


async def test_a_check_says_what_is_granted_and_what_is_missing(here: Lab) -> None:
    whole = await here.vendor.check()
    assert whole.works
    assert set(whole.granted) == {"Read Computers", "Read Mobile Devices", "Read Sites", VIEW}
    here.simulator.rights -= {"Read Sites", "Read Mobile Devices"}
    partly = await here.vendor.check()
    assert not partly.works
    assert set(partly.missing) == {"Read Sites", "Read Mobile Devices"}
    assert (await here.another(reads="computers").check()).works
    assert here.simulator.effects == []


async def test_without_the_right_to_sites_devices_keep_the_number_of_theirs(here: Lab) -> None:
    here.simulator.rights.discard("Read Sites")
    read = {device.external_id: device for device in await here.devices()}
    assert (read["mobile:2"].site, read["mobile:2"].site_id) == (None, "2")
    assert len(read) == 17


async def test_only_what_the_connection_is_for_is_read(here: Lab) -> None:
    reading_macs = here.another(reads="computers")
    read = [device async for page in reading_macs.pages() for device in page.devices]
    assert {device.platform for device in read} == {Platform.MACOS}


async def test_the_address_may_be_pasted_from_a_browser(here: Lab) -> None:
    pasted = here.another(url=f"{here.url}/index.html?failover#top")
    assert (await pasted.device(MAC)).external_id == MAC


def test_what_is_supported_is_said_by_platform(here: Lab) -> None:
    every = [(verb, platform) for verb in Verb for platform in Platform]
    supported = {pair for pair in every if here.vendor.supports(*pair)}
    assert supported == {(verb, each) for verb, found in commands.PLATFORMS.items() for each in found}
    assert not here.vendor.supports(Verb.WIPE, Platform.CHROMEOS)
