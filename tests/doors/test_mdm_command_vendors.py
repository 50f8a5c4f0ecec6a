"""Every command of every vendor, over HTTP, to its end; and with the answer lost or the vendor in trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from integrations.mdm.port import RISKS, Enrolment, ManagedDevice, Platform, Risk, Verb
from integrations.mdm.simulated.server import Answer, Fault, status
from service.mdm.command_rules import takes_pin
from service.mdm.connection_listing import supported_by
from service.mdm.models import CommandState, VendorName
from tests.command_lab import KINDS, CommandLab, command_lab, copied

STEP = timedelta(minutes=6)
SAYS_NOTHING = {
    VendorName.JAMF_SCHOOL: {Verb.SET_ASSET_TAG, Verb.SET_USER, Verb.MOVE},
    VendorName.MOSYLE: {
        Verb.LOST_MODE_ON, Verb.LOST_MODE_OFF, Verb.RENAME, Verb.SET_USER, Verb.SET_ASSET_TAG,
    },
}  # fmt: skip
"""Vendors that never say what became of a command, and what of it shows all the same."""
NOT_LOST = {Verb.LOST_MODE_OFF, Verb.PLAY_SOUND}
"""What a device that is not in lost mode refuses, where its vendor tells."""


@pytest.fixture(scope="module")
async def lab(empty_url: str) -> AsyncIterator[CommandLab]:
    with copied(empty_url, "vendors") as url:
        async with command_lab(url) as made:
            yield made


def pairs(vendor: VendorName) -> list[tuple[Verb, Platform]]:
    return [(one.verb, platform) for one in supported_by(vendor) for platform in one.platforms]


async def known(lab: CommandLab, vendor: VendorName) -> tuple[int, dict[Platform, str]]:
    """A connection, and for each platform that the vendor commands an asset by its tag."""
    connection = await lab.stands(vendor)
    chosen: dict[Platform, ManagedDevice] = {}
    for device in await lab.devices(connection):
        best = chosen.get(device.platform)
        if best is None or _fitness(device) > _fitness(best):
            chosen[device.platform] = device
    return connection, {platform: await lab.know(connection, one) for platform, one in chosen.items()}


def _fitness(device: ManagedDevice) -> tuple[bool, bool, bool]:
    return device.enrolment is Enrolment.ENROLLED, device.supervised is not False, bool(device.serial)


@pytest.mark.parametrize("vendor", list(VendorName))
async def test_every_command_comes_to_its_end_and_is_done_once(lab: CommandLab, vendor: VendorName) -> None:
    _, tags = await known(lab, vendor)
    for verb, platform in pairs(vendor):
        simulator = lab.fresh(vendor)
        await lab.forget()
        asked = await lab.command(tags[platform], verb, arguments=lab.arguments(vendor, verb))
        ended = await lab.end_of(asked, stride=STEP)
        told = f"{vendor} {verb} {platform}: {ended.state} {ended.detail}"
        assert len(simulator.effects) == 1, told
        assert ended.state is expected(vendor, verb), told
        assert (ended.sealed, ended.attempts) == (None, 1), told
        assert (ended.told is not None) == has_secret(vendor, verb, platform), told


def expected(vendor: VendorName, verb: Verb) -> CommandState:
    if vendor in SAYS_NOTHING and verb not in SAYS_NOTHING[vendor]:
        return CommandState.UNVERIFIABLE
    if vendor is VendorName.INTUNE and verb is Verb.MESSAGE:
        return CommandState.UNVERIFIABLE
    if vendor is VendorName.JAMF_PRO and verb in NOT_LOST:
        return CommandState.FAILED
    return CommandState.SUCCEEDED


def has_secret(vendor: VendorName, verb: Verb, platform: Platform) -> bool:
    """A PIN of ours, of Fleet's, or what Intune tells of a Mac and an Android when it is done."""
    if takes_pin(verb, vendor, platform):
        return True
    mac = platform is Platform.MACOS
    if vendor is VendorName.FLEET:
        return mac and verb in (Verb.LOCK, Verb.DISABLE)
    if vendor is VendorName.INTUNE:
        return (mac and verb is Verb.LOCK) or (platform is Platform.ANDROID and verb is Verb.CLEAR_PASSCODE)
    return False


WIPED = Verb.WIPE
TRIED: dict[VendorName, tuple[Platform, tuple[Verb, Verb, Verb]]] = {
    VendorName.GOOGLE: (Platform.CHROMEOS, (Verb.RESTART, Verb.DISABLE, WIPED)),
    VendorName.INTUNE: (Platform.IPADOS, (Verb.RESTART, Verb.LOCK, WIPED)),
    VendorName.JAMF_PRO: (Platform.IPADOS, (Verb.RESTART, Verb.LOCK, WIPED)),
    VendorName.JAMF_SCHOOL: (Platform.IPADOS, (Verb.RESTART, Verb.CLEAR_PASSCODE, WIPED)),
    VendorName.MOSYLE: (Platform.IPADOS, (Verb.RESTART, Verb.LOCK, WIPED)),
    VendorName.FLEET: (Platform.MACOS, (Verb.SYNC, Verb.LOCK, WIPED)),
}
CAN_TELL: dict[VendorName, set[Verb]] = {
    VendorName.GOOGLE: {Verb.DISABLE},
    VendorName.INTUNE: {Verb.RESTART, Verb.LOCK, WIPED},
    VendorName.JAMF_PRO: {Verb.RESTART, Verb.LOCK, WIPED},
    VendorName.FLEET: {Verb.LOCK, WIPED},
}
"""Of what a vendor can tell, after a lost answer, whether it has it."""
SEND = {vendor: kind.send for vendor, kind in KINDS.items()} | {
    VendorName.GOOGLE: r":issueCommand|:batchChangeStatus"
}
FOR_GOOD = 1000
LOST = {
    "done, then cut off": Fault("cut", done=True),
    "done, then silence": Fault("silence", done=True),
    "cut off before": Fault("cut"),
    "503": Fault(answer=Answer(503)),
}
FEWER = "done, then cut off", "cut off before"
"""Tried with what does not destroy; a wipe suffers all of them."""


@pytest.mark.parametrize("vendor", list(VendorName))
async def test_a_lost_answer_is_looked_for_and_nothing_is_wiped_twice(
    lab: CommandLab, vendor: VendorName
) -> None:
    _, tags = await known(lab, vendor)
    platform, verbs = TRIED[vendor]
    for verb in verbs:
        for name in LOST if verb is WIPED else FEWER:
            fault = LOST[name]
            simulator = lab.fresh(vendor)
            await lab.forget()
            simulator.inject(fault, path=SEND[vendor])
            asked = await lab.command(tags[platform], verb, arguments=lab.arguments(vendor, verb))
            ended = await lab.end_of(asked, stride=STEP)
            told = f"{vendor} {verb}, {name}: {ended.state} {ended.detail} {simulator.effects}"
            assert (ended.state, len(simulator.effects)) == after(vendor, verb, done=fault.done), told


def after(vendor: VendorName, verb: Verb, *, done: bool) -> tuple[CommandState, int]:
    """How it must end, and how often it was done."""
    if verb not in CAN_TELL.get(vendor, ()):
        return CommandState.UNVERIFIABLE, int(done)
    if done:
        return CommandState.SUCCEEDED, 1
    if RISKS[verb] is Risk.DESTRUCTIVE:
        return CommandState.WAITING, 0
    return CommandState.SUCCEEDED, 1


@pytest.mark.parametrize("vendor", list(VendorName))
async def test_refusals_are_told_and_limits_are_kept_to(lab: CommandLab, vendor: VendorName) -> None:
    connection, tags = await known(lab, vendor)
    platform, verbs = TRIED[vendor]
    forbidden = 405 if vendor is VendorName.JAMF_SCHOOL else 403
    for verb in (verbs[0], WIPED):
        for code, times in ((401, FOR_GOOD), (forbidden, FOR_GOOD), (429, 1)):
            simulator = lab.fresh(vendor)
            await lab.forget()
            await lab.change(connection, failure=None)
            simulator.inject(refusal(vendor, code), path=SEND[vendor], times=times)
            asked = await lab.command(tags[platform], verb, arguments=lab.arguments(vendor, verb))
            ended = await lab.end_of(asked, stride=STEP)
            told = f"{vendor} {verb}, {code}: {ended.state} {ended.detail} {simulator.effects}"
            good = (expected(vendor, verb), 1)
            assert (ended.state, len(simulator.effects)) == (
                good if code == 429 else (CommandState.FAILED, 0)
            ), told
            failing = (await lab.connection(connection)).failure
            assert failing == ("auth_failed" if code == 401 else None), told
            assert not any(secret in (ended.detail or "") for secret in KINDS[vendor].secrets.values())


def refusal(vendor: VendorName, code: int) -> Fault:
    """As the vendor itself would say it."""
    if vendor is VendorName.JAMF_PRO and code == 401:
        return status(401, {"httpStatus": 401, "errors": [{"code": "INVALID_TOKEN", "description": "No"}]})
    if vendor is VendorName.JAMF_PRO:
        return status(code, {"httpStatus": code, "errors": [{"code": "INVALID_PRIVILEGE"}]}, retry_after="1")
    if vendor is VendorName.JAMF_SCHOOL:
        return status(code, {"error": {"code": code, "message": "Not allowed"}}, retry_after="1")
    return status(code, {"error": {"code": code, "message": "No"}}, retry_after="1")
