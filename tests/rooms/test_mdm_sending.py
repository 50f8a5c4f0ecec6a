"""Sending: once, whatever crashes in between; looked for when its answer is lost; and told truly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from integrations.mdm.asking import Pace
from integrations.mdm.port import Enrolment, ManagedDevice, Platform, Verb
from integrations.mdm.simulated.server import Answer, Fault, status
from service.core.actor import SYSTEM
from service.core.vault import open_vault
from service.mdm import (
    command_changes,
    command_deciding,
    commanding,
    following,
    reading_for,
    sending,
)
from service.mdm.command_deciding import cancel_command
from service.mdm.models import CommandState, MdmCommand, MdmRecord, VendorName
from service.playbooks.district import SetDistrictFact, set_district_fact
from tests import makers
from tests.command_lab import KINDS, PIN, CommandLab, command_lab, copied

PATIENT = Pace(connect=1, silence=5, total=5, tries=2, first_wait=0.001, longest_wait=0.01)
GOOGLE, JAMF, INTUNE = VendorName.GOOGLE, VendorName.JAMF_PRO, VendorName.INTUNE
FIRST = "7f3c2a10-0000-4000-8000-000000000001"
SECRETS = "SELECT told FROM mdm_commands WHERE id = :id"


@pytest.fixture(scope="module")
async def shared_lab(empty_url: str) -> AsyncIterator[CommandLab]:
    with copied(empty_url, "sending") as url:
        async with command_lab(url) as made:
            yield made


@pytest.fixture
async def lab(shared_lab: CommandLab) -> AsyncIterator[CommandLab]:
    pace = shared_lab.managements.pace
    yield shared_lab
    shared_lab.managements.pace = pace
    await shared_lab.forget()
    async with shared_lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("UPDATE mdm_connections SET enabled = false"))
        await work.session.execute(text("DELETE FROM procrastinate_jobs"))


async def device_of(lab: CommandLab, connection: int, external_id: str) -> ManagedDevice:
    return next(one for one in await lab.devices(connection) if one.external_id == external_id)


async def chromebook(lab: CommandLab) -> tuple[int, str]:
    connection = await lab.stands(GOOGLE)
    return connection, await lab.know(connection, await device_of(lab, connection, FIRST))


async def of_jamf(lab: CommandLab, external_id: str) -> tuple[int, str]:
    connection = await lab.stands(JAMF)
    return connection, await lab.know(connection, await device_of(lab, connection, external_id))


async def changed(lab: CommandLab, table: Any, key: int, **columns: Any) -> None:
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(update(table).where(table.id == key).values(**columns))


async def told(lab: CommandLab, command_id: int) -> dict[str, str]:
    sealed = (await lab.one(SECRETS, id=command_id)).told
    return open_vault().open(bytes(sealed)) if sealed else {}


# Once.


async def test_two_workers_send_it_once(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    sends = [sending.send(lab.resources, lab.managements, command) for _ in range(4)]
    await asyncio.gather(*sends)
    assert lab.simulator.effects == [("issued", FIRST, "REBOOT")]
    assert (await lab.row(command)).attempts == 1


async def test_two_lookers_settle_it_once(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    lab.watch.now += timedelta(minutes=2)
    lab.simulator.clock.push(timedelta(minutes=2))
    await asyncio.gather(*(following.follow(lab.resources, lab.managements, command) for _ in range(3)))
    row = await lab.row(command)
    assert row.state is CommandState.SUCCEEDED
    assert row.version == 4  # asked for, sending, sent, done


async def test_two_ticks_share_out_what_is_due(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM procrastinate_jobs"))
    lab.watch.now += timedelta(minutes=2)

    async def tick() -> int:
        async with lab.resources.begin(SYSTEM) as work:
            return await following.take_up(work)

    assert sorted(await asyncio.gather(tick(), tick(), tick())) == [0, 0, 1]
    await lab.drain()
    assert (await lab.row(command)).state is CommandState.SENT


async def test_a_worker_killed_while_it_sends_leaves_a_command_that_is_looked_for(
    lab: CommandLab,
) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    lab.managements.pace = PATIENT
    command = await lab.command(tag, Verb.WIPE)
    lab.simulator.inject(Fault("silence", done=True), path=KINDS[JAMF].send)
    killed = asyncio.create_task(sending.send(lab.resources, lab.managements, command))
    await _until(lambda: bool(lab.simulator.effects))
    killed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await killed
    assert (await lab.row(command)).state is CommandState.SENDING
    await sending.send(lab.resources, lab.managements, command)
    assert len(lab.simulator.effects) == 1
    ended = await lab.end_of(command)
    assert (ended.state, len(lab.simulator.effects)) == (CommandState.SUCCEEDED, 1)


async def _until(holds: Any) -> None:
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def test_a_worker_killed_before_it_sends_wipes_nothing_without_a_person(lab: CommandLab) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    command = await lab.command(tag, Verb.WIPE)
    async with lab.resources.begin(SYSTEM) as work:
        assert await sending._claim(work, lab.managements.vault, command) is not None
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.WAITING, [])
    assert "approve it again" in (ended.detail or "")


async def test_a_late_answer_is_taken_by_a_command_that_was_given_up_as_lost(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.DISABLE)
    async with lab.resources.begin(SYSTEM) as work:
        claimed = await sending._claim(work, lab.managements.vault, command)
    assert claimed is not None
    said = await sending._asked(lab.managements, claimed)
    await changed(lab, MdmCommand, command, state=CommandState.UNSURE)
    async with lab.resources.begin(SYSTEM) as work:
        await sending._settle(work, lab.managements.vault, claimed, said)
    assert (await lab.row(command)).state is CommandState.SENT
    async with lab.resources.begin(SYSTEM) as work:
        await sending._settle(work, lab.managements.vault, claimed, said)
    assert (await lab.row(command)).version == 3


# A wipe needs two people and happens once though the reply was lost.


@pytest.mark.parametrize("how", ["cut", "silence"])
async def test_a_wipe_needs_two_people_and_happens_once_though_the_reply_was_lost(
    lab: CommandLab, how: str
) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    async with lab.resources.begin(SYSTEM) as work:
        asked = await commanding.ask_command(
            await lab.as_(work, "lead"),
            tag,
            commanding.AskCommand(verb=Verb.WIPE, reason="It is given to another school"),
        )
    await lab.drain()
    assert ((await lab.row(asked.id)).state, lab.simulator.effects) == (CommandState.WAITING, [])
    with pytest.raises(command_deciding.Forbidden):
        await lab.approve(asked.id, "lead")
    lab.simulator.inject(Fault(how, done=True), path="/erase$")
    await lab.approve(asked.id, "admin")
    await lab.drain()
    assert (await lab.row(asked.id)).state is CommandState.UNSURE
    ended = await lab.end_of(asked.id)
    assert ended.state is CommandState.SUCCEEDED
    assert lab.simulator.effects == [("erase", "0000f00d-0000-4000-8000-000000000001")]


async def test_a_wipe_that_never_arrived_is_sent_again_by_a_persons_word_alone(lab: CommandLab) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    lab.simulator.inject(Fault("cut"), path="/erase$")
    command = await lab.command(tag, Verb.WIPE)
    waiting = await lab.end_of(command)
    assert (waiting.state, waiting.decided_by_id, lab.simulator.effects) == (CommandState.WAITING, None, [])
    await lab.tick(timedelta(hours=3))
    assert lab.simulator.effects == []
    await lab.approve(command, "admin")
    ended = await lab.end_of(command)
    assert (ended.state, ended.attempts, len(lab.simulator.effects)) == (CommandState.SUCCEEDED, 2, 1)


async def test_what_never_arrives_is_sent_three_times_and_no_more(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    lab.simulator.inject(Fault("cut"), path=":batchChangeStatus", times=9)
    ended = await lab.end_of(await lab.command(tag, Verb.DISABLE))
    assert (ended.state, ended.attempts, lab.simulator.effects) == (CommandState.FAILED, 3, [])
    assert "3 times" in (ended.detail or "")
    tried = [one for one in lab.simulator.log if one.asked.path.endswith(":batchChangeStatus")]
    assert len(tried) == 3


async def test_what_was_undone_meanwhile_is_not_sent_again(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    lab.simulator.inject(Fault("cut"), path=":batchChangeStatus")
    lost = await lab.command(tag, Verb.DISABLE)
    await lab.drain()
    assert (await lab.row(lost)).state is CommandState.UNSURE
    undoing = await lab.command(tag, Verb.ENABLE)
    await lab.drain()
    assert (await lab.end_of(lost)).state is CommandState.FAILED
    assert (await lab.end_of(undoing)).state is CommandState.SUCCEEDED
    assert lab.simulator.effects == [("status", FIRST, "ACTIVE")]


# Looked at first.


@pytest.mark.parametrize("verb", [Verb.WIPE, Verb.LOCK])
async def test_a_device_that_is_another_now_is_left_alone(lab: CommandLab, verb: Verb) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    lab.simulator.mobiles["1"]["hardware"]["serialNumber"] = "WPI00099"
    ended = await lab.end_of(await lab.command(tag, verb))
    assert (ended.state, lab.simulator.effects, ended.attempts) == (CommandState.FAILED, [], 0)
    assert "another device now" in (ended.detail or "")


async def test_a_filter_that_is_ignored_wipes_nothing(lab: CommandLab) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    lab.simulator.ignores_filters = True
    command = await lab.command(tag, Verb.WIPE)
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.EXPIRED, [])
    assert "Nothing was sent" in (ended.detail or "")


async def test_a_device_that_left_is_not_locked(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    lab.simulator.devices[FIRST]["status"] = "DEPROVISIONED"
    ended = await lab.end_of(await lab.command(tag, Verb.DISABLE))
    assert (ended.state, lab.simulator.effects) == (CommandState.FAILED, [])
    assert "left its management" in (ended.detail or "")


async def test_a_device_that_is_gone_is_told_so(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    del lab.simulator.devices[FIRST]
    ended = await lab.end_of(await lab.command(tag, Verb.WIPE))
    assert (ended.state, lab.simulator.effects) == (CommandState.FAILED, [])


# What comes in between.


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"enabled": False}, "switched off"),
        ({"allows_commands": False}, "switched off"),
        ({"failure": "auth_failed"}, "refuses the credentials"),
    ],
)
async def test_a_connection_that_was_changed_since_sends_nothing(
    lab: CommandLab, columns: dict[str, Any], words: str
) -> None:
    connection, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    await lab.change(connection, **columns)
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.FAILED, [])
    assert words in (ended.detail or "")
    assert "Nothing was sent" in (ended.detail or "")


async def test_a_record_that_is_another_devices_by_now_sends_nothing(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    row = await lab.row(command)
    async with lab.resources.begin(SYSTEM) as work:
        other = await makers.make_asset(work)
    await changed(lab, MdmRecord, row.record_id or 0, asset_id=other.id)
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.FAILED, [])


@pytest.mark.parametrize("column", [{"missing_since": True}, {"enrolment": Enrolment.UNENROLLED}])
async def test_a_record_that_is_no_longer_listed_sends_nothing(
    lab: CommandLab, column: dict[str, Any]
) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    values = {name: lab.watch.now if value is True else value for name, value in column.items()}
    await changed(lab, MdmRecord, (await lab.row(command)).record_id or 0, **values)
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.FAILED, [])


async def test_a_test_that_has_begun_since_refuses_it(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    async with lab.resources.begin(SYSTEM) as work:
        lead = await lab.as_(work, "lead")
        until = lab.watch.now + timedelta(hours=1)
        await set_district_fact(lead, SetDistrictFact(name="school.testing", value=True, until=until))
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.REFUSED, [])
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM district_facts"))


async def test_what_was_taken_back_is_not_sent(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    async with lab.resources.begin(SYSTEM) as work:
        await cancel_command(await lab.as_(work, "technician"), command)
    await lab.drain()
    assert lab.simulator.effects == []


async def test_a_vendor_out_of_reach_is_tried_for_a_while_and_then_given_up(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    settings = {"admin": KINDS[GOOGLE].settings["admin"], "base_url": "http://127.0.0.1:9"}
    await lab.change(connection, settings=settings)
    began = lab.watch.now
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    queued = await lab.row(command)
    assert (queued.state, queued.attempts, queued.sent_at) == (CommandState.QUEUED, 0, None)
    ended = await lab.end_of(command)
    assert (ended.state, ended.attempts) == (CommandState.EXPIRED, 0)
    assert timedelta(minutes=25) <= lab.watch.now - began <= timedelta(minutes=45)


async def test_a_vendor_that_comes_back_gets_it_once(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    lab.simulator.inject(status(503), path="/token", times=4)
    await lab.end_of(await lab.command(tag, Verb.RESTART))
    assert lab.simulator.effects == [("issued", FIRST, "REBOOT")]


# What becomes of it.


async def test_a_device_that_is_off_lets_googles_command_expire(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    lab.simulator.off.add(FIRST)
    assert (await lab.end_of(await lab.command(tag, Verb.RESTART))).state is CommandState.EXPIRED


async def test_a_device_that_cannot_is_a_failure(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    lab.simulator.failing.add(FIRST)
    ended = await lab.end_of(await lab.command(tag, Verb.RESTART))
    assert ended.state is CommandState.FAILED
    assert ended.detail


async def test_an_ipad_that_is_not_ready_stays_sent_and_is_given_up_after_a_day(lab: CommandLab) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    lab.simulator.asleep.add("0000f00d-0000-4000-8000-000000000001")
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    await lab.tick(timedelta(minutes=5))
    row = await lab.row(command)
    assert (row.state, row.detail) == (
        CommandState.SENT,
        "The device was not ready and asks again by itself.",
    )
    began = lab.watch.now
    ended = await lab.end_of(command, stride=timedelta(hours=2))
    assert (ended.state, ended.attempts) == (CommandState.EXPIRED, 1)
    assert "may yet be done" in (ended.detail or "")
    assert lab.watch.now - began <= timedelta(days=1, hours=2)


async def test_a_command_that_was_flushed_cannot_be_confirmed(lab: CommandLab) -> None:
    _, tag = await of_jamf(lab, "mobile:1")
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    lab.simulator.sent.clear()
    ended = await lab.end_of(command)
    assert ended.state is CommandState.UNVERIFIABLE
    assert "does not say any more" in (ended.detail or "")


async def test_a_vendor_in_trouble_is_asked_again_how_it_stands(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    lab.simulator.inject(Fault(answer=Answer(503)), path="/commands/", times=4)
    await lab.tick(timedelta(seconds=5))
    row = await lab.row(command)
    assert row.state is CommandState.SENT
    assert "could not be asked how it stands" in (row.detail or "")
    assert (await lab.end_of(command)).state is CommandState.SUCCEEDED


async def test_a_connection_that_is_off_is_not_asked_and_not_forgotten(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    await lab.change(connection, enabled=False)
    before = lab.simulator.asked
    await lab.tick(timedelta(minutes=1))
    assert (lab.simulator.asked, (await lab.row(command)).state) == (before, CommandState.SENT)
    await lab.change(connection, enabled=True)
    assert (await lab.end_of(command)).state is CommandState.SUCCEEDED


async def test_credentials_refused_while_looking_stop_the_connection(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    lab.simulator.inject(status(401), path="/commands/", times=10)
    await lab.tick(timedelta(seconds=5))
    assert (await lab.connection(connection)).failure == "auth_failed"
    assert (await lab.row(command)).state is CommandState.SENT


# Secrets.


@pytest.mark.parametrize("fault", [None, Fault("cut", done=True)])
@pytest.mark.parametrize("verb", [Verb.LOCK, Verb.WIPE])
async def test_the_pin_of_a_mac_is_the_one_it_was_locked_with(
    lab: CommandLab, verb: Verb, fault: Fault | None
) -> None:
    _, tag = await of_jamf(lab, "computer:1")
    if fault is not None:
        path, at = (r"/erase$", None) if verb is Verb.WIPE else (r"/mdm/commands$", None)
        lab.simulator.rights -= {"View Computer Device Lock Pin"}
        if verb is Verb.LOCK:  # the list of commands is read first, on the same path
            at = lab.simulator.asked + 3
        lab.simulator.inject(fault, path=path, at=at)
    command = await lab.command(tag, verb)
    ended = await lab.end_of(command)
    assert ended.sealed is None
    assert len(lab.simulator.effects) == 1
    pin = (await told(lab, command))["pin"]
    sent = [one.asked.json() for one in lab.simulator.log if b'"pin"' in one.asked.body]
    assert [pin in str(one) for one in sent] == [True]


async def test_a_pin_that_may_lock_a_mac_is_never_lost(lab: CommandLab) -> None:
    connection = await lab.stands(VendorName.MOSYLE)
    mac = next(one for one in await lab.devices(connection) if one.platform is Platform.MACOS)
    tag = await lab.know(connection, mac)
    lab.simulator.inject(Fault("cut", done=True), path="bulkops")
    command = await lab.command(tag, Verb.LOCK, arguments={"pin": PIN})
    ended = await lab.end_of(command)
    assert (ended.state, ended.sealed) == (CommandState.UNVERIFIABLE, None)
    assert await told(lab, command) == {"pin": PIN}


async def test_a_pin_that_was_never_sent_is_forgotten(lab: CommandLab) -> None:
    _, tag = await of_jamf(lab, "computer:1")
    lab.simulator.inject(status(403, {"errors": []}), path=r"/mdm/commands$", times=9)
    command = await lab.command(tag, Verb.LOCK, arguments={"pin": PIN})
    ended = await lab.end_of(command)
    assert (ended.state, ended.sealed, ended.told) == (CommandState.FAILED, None, None)


async def test_what_a_vendor_tells_only_at_the_end_is_kept(lab: CommandLab) -> None:
    connection = await lab.stands(INTUNE)
    mac = next(one for one in await lab.devices(connection) if one.platform is Platform.MACOS)
    command = await lab.command(await lab.know(connection, mac), Verb.LOCK)
    assert (await lab.end_of(command)).state is CommandState.SUCCEEDED
    assert await told(lab, command) == {"pin": "481516"}


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **about: self.kept.append(f"{level} {event} {about}")


async def test_no_log_line_no_note_and_no_row_holds_a_secret(
    lab: CommandLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines()
    for module in (commanding, command_changes, command_deciding, sending, following, reading_for):
        monkeypatch.setattr(module, "log", lines)
    async with lab.resources.begin(SYSTEM) as work:
        ticket = await makers.make_ticket(work)
    for fault in (None, status(400, {"errors": [{"code": "X", "description": f"pin {PIN} is no good"}]})):
        _, tag = await of_jamf(lab, "computer:1")
        if fault is not None:
            lab.simulator.inject(fault, path="/erase$")
        arguments = {"pin": PIN}
        command = await lab.command(tag, Verb.WIPE, who="admin", arguments=arguments, ticket=ticket.id)
        row = await lab.end_of(command)
        shown = {column.name: getattr(row, column.name) for column in MdmCommand.__table__.c}
        assert PIN not in str(shown)
        if fault is None:
            async with lab.resources.begin(SYSTEM) as work:
                read = await command_deciding.read_secrets(await lab.as_(work, "admin"), command)
            assert read == {"pin": PIN}
        else:
            assert row.state is CommandState.FAILED
            assert "•••" in (row.detail or "")
    notes = await lab.rows(
        "SELECT body FROM ticket_events WHERE ticket_id = :id AND body <> ''", id=ticket.id
    )
    asked = await lab.rows("SELECT args FROM procrastinate_jobs")
    said = " ".join([*lines.kept, *(str(one) for one in (*notes, *asked))])
    assert len(notes) == 4  # each waited for approval, and ended
    assert sum("mdm_command_asked" in line for line in lines.kept) == 2
    assert sum("mdm_command_secrets_read" in line for line in lines.kept) == 1
    assert not [one for one in (PIN, *KINDS[JAMF].secrets.values()) if one in said]


# A fresh look for a playbook.


async def test_a_device_read_anew_is_kept_and_wakes_who_waits(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    asset = await lab.one("SELECT id FROM assets WHERE tag = :tag", tag=tag)
    lab.simulator.devices[FIRST] |= {"status": "DISABLED"}
    await reading_for.read_device(lab.resources, lab.managements, asset.id)
    first = await lab.one("SELECT * FROM asset_reports WHERE asset_id = :id", id=asset.id)
    assert first.standing["device.status"] == "disabled"
    lab.later(minutes=1)
    await reading_for.read_device(lab.resources, lab.managements, asset.id)
    again = await lab.one("SELECT * FROM asset_reports WHERE asset_id = :id", id=asset.id)
    assert again.received_at == first.received_at + timedelta(minutes=1)


@pytest.mark.parametrize("fault", [status(401), Fault("cut")])
async def test_a_device_that_cannot_be_read_leaves_what_was_known(lab: CommandLab, fault: Fault) -> None:
    connection, tag = await chromebook(lab)
    asset = await lab.one("SELECT id FROM assets WHERE tag = :tag", tag=tag)
    lab.simulator.inject(fault, path=f"/chromeos/{FIRST}", times=9)
    await reading_for.read_device(lab.resources, lab.managements, asset.id)
    assert await lab.rows("SELECT 1 FROM asset_reports WHERE asset_id = :id", id=asset.id) == []
    refused = fault.answer.status == 401
    assert (await lab.connection(connection)).failure == ("auth_failed" if refused else None)
    before = lab.simulator.asked
    await reading_for.read_device(lab.resources, lab.managements, asset.id)
    assert (lab.simulator.asked == before) is refused
