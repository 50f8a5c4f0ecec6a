"""Commands to devices: which are taken, who agrees to what, and how a secret is read once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select, text, update

import service.mdm.command_jobs  # noqa: F401  (jobs are enqueued by their names)
from integrations.mdm.port import Enrolment, ManagedDevice, Platform, Verb
from service.core.actor import SYSTEM, Role, Scope
from service.core.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, Stale
from service.core.vault import open_vault
from service.core.work import Conditions, Work
from service.mdm import following
from service.mdm.command_changes import move
from service.mdm.command_deciding import (
    NotWaiting,
    SecretsGone,
    approve_command,
    cancel_command,
    read_secrets,
    refuse_command,
)
from service.mdm.command_inputs import ApproveCommand, AskCommand, RefuseCommand
from service.mdm.command_listing import CommandFilter, command_by_id, commands_page
from service.mdm.command_rules import MOST_DESTRUCTIVE_A_DAY
from service.mdm.command_targets import AnotherDevice, CommandsOff, CommandUnsupported, NotManaged
from service.mdm.commanding import CommandTooSoon, DuringTest, TooManyCommands, ask_command
from service.mdm.models import CommandState, MdmCommand
from service.mdm.playing import withdraw_of_action
from service.playbooks.district import SetDistrictFact, set_district_fact
from service.tickets.models import TicketEvent
from tests import makers

REASON = "It hangs since the update"
JAMF = {"base_url": "https://jamf.invalid", "client_id": "desk", "client_secret": "hidden-secret"}


ROLES = {
    "technician": Role.TECHNICIAN,
    "other": Role.TECHNICIAN,
    "lead": Role.LEAD,
    "admin": Role.ADMIN,
    "teacher": Role.STAFF,
    "sync": Role.INTEGRATION,
}


@dataclass
class Desk:
    """A MacBook that Jamf Pro manages at a school, and the people of the desk."""

    work: Work
    school: Any
    connection: Any
    asset: Any
    record: Any
    people: dict[str, Any] = field(default_factory=dict)

    async def as_(self, who: str, **changes: Any) -> Work:
        if who not in self.people:
            self.people[who] = await makers.make_person(self.work, ROLES[who])
        return await makers.acting(self.work, self.people[who], **changes)

    async def ask(self, verb: Verb = Verb.RESTART, who: str = "technician", **given: Any) -> MdmCommand:
        wanted = AskCommand.model_validate({"verb": verb, "reason": REASON, **given})
        return await ask_command(await self.as_(who), self.asset.tag, wanted)

    async def refused(self, kind: type[Refusal], verb: Verb = Verb.RESTART, **given: Any) -> str:
        with pytest.raises(kind) as caught:
            await self.ask(verb, **given)
        return caught.value.detail

    async def approve(self, command: MdmCommand, who: str = "lead") -> MdmCommand:
        return await approve_command(await self.as_(who), command.id, ApproveCommand())

    async def jobs(self) -> list[str]:
        rows = await self.work.session.execute(text("SELECT task_name FROM procrastinate_jobs ORDER BY id"))
        return [row.task_name for row in rows if row.task_name.startswith("mdm.")]

    async def sets(self, row: Any, **columns: Any) -> None:
        for name, value in columns.items():
            setattr(row, name, value)
        await self.work.session.flush()


@pytest.fixture
async def desk(work: Work) -> Desk:
    school = await makers.make_school(work)
    connection = await makers.make_mdm_connection(
        work, vendor="jamf_pro", settings=JAMF, allows_commands=True
    )
    asset = await makers.make_asset(work, serial="WPM00001", school_id=school.id, place_id=school.id)
    device = ManagedDevice(
        "computer:1",
        command_id="0000",
        serial="WPM00001",
        platform=Platform.MACOS,
        enrolment=Enrolment.ENROLLED,
        last_check_in=work.now,
    )
    record = await makers.make_mdm_record(work, connection, device, asset_id=asset.id)
    await work.session.execute(text("DELETE FROM procrastinate_jobs"))
    return Desk(work, school, connection, asset, record)


# What is taken.


async def test_a_restart_is_queued_at_once(desk: Desk) -> None:
    command = await desk.ask()
    assert (command.state, command.risk.value, command.record_id) == (
        CommandState.QUEUED,
        "disturbing",
        desk.record.id,
    )
    assert (command.asked_by_id, command.school_id) == (desk.people["technician"].id, desk.school.id)
    assert await desk.jobs() == ["mdm.send"]


async def test_a_lock_runs_at_once_and_a_wipe_waits_for_a_second_person(desk: Desk) -> None:
    assert (await desk.ask(Verb.LOCK)).state is CommandState.QUEUED
    assert (await desk.ask(Verb.WIPE)).state is CommandState.WAITING
    assert await desk.jobs() == ["mdm.send"]


@pytest.mark.parametrize("who", ["teacher", "sync"])
async def test_only_technicians_and_up_command(desk: Desk, who: str) -> None:
    with pytest.raises(Forbidden):
        await desk.ask(who=who)


async def test_a_token_without_the_scope_commands_nothing(desk: Desk) -> None:
    work = await desk.as_("technician")
    work.actor = replace(work.actor, scopes=work.actor.scopes - {Scope.MDM_WRITE})
    with pytest.raises(Forbidden):
        await ask_command(work, desk.asset.tag, AskCommand(verb=Verb.SYNC, reason=REASON))


async def test_a_device_that_nobody_manages_is_not_commanded(desk: Desk) -> None:
    await desk.sets(desk.record, asset_id=None)
    await desk.refused(NotManaged)
    with pytest.raises(NotFound):
        await ask_command(await desk.as_("lead"), "no-such", AskCommand(verb=Verb.SYNC, reason=REASON))


@pytest.mark.parametrize(
    ("record", "connection", "kind", "words"),
    [
        ({"enrolment": Enrolment.UNENROLLED}, {}, NotManaged, "has left Jamf Pro"),
        ({}, {"allows_commands": False}, CommandsOff, "switched off for the connection"),
        ({}, {"enabled": False}, CommandsOff, "is switched off"),
        ({}, {"failure": "auth_failed"}, CommandsOff, "refuses the credentials"),
        ({"platform": Platform.WINDOWS}, {}, CommandUnsupported, "cannot do lock on windows"),
        ({"platform": Platform.TVOS}, {}, CommandUnsupported, "It can do: move, rename, restart"),
        ({"serial": "WPM00002"}, {}, AnotherDevice, "another serial number"),
    ],
)
async def test_what_stands_against_a_lock_is_told(
    desk: Desk, record: dict[str, Any], connection: dict[str, Any], kind: type[Conflict], words: str
) -> None:
    await desk.sets(desk.record, **record)
    await desk.sets(desk.connection, **connection)
    assert words in await desk.refused(kind, Verb.LOCK)


async def test_a_device_that_is_not_listed_any_more_is_told_since_when(desk: Desk) -> None:
    await desk.sets(desk.record, missing_since=desk.work.now - timedelta(days=3))
    assert "11 September 2026" in await desk.refused(NotManaged)


async def test_a_new_connection_takes_no_commands(work: Work) -> None:
    assert (await makers.make_mdm_connection(work)).allows_commands is False


async def test_of_several_managements_the_one_that_can_takes_it(desk: Desk) -> None:
    fleet = await makers.make_mdm_connection(desk.work, allows_commands=True)
    device = ManagedDevice(
        "7",
        serial="WPM00001",
        platform=Platform.MACOS,
        enrolment=Enrolment.ENROLLED,
        last_check_in=desk.work.now + timedelta(minutes=5),
    )
    newer = await makers.make_mdm_record(desk.work, fleet, device, asset_id=desk.asset.id)
    assert (await desk.ask(Verb.SYNC)).record_id == newer.id
    assert (await desk.ask(Verb.RESTART)).record_id == desk.record.id
    assert (await desk.ask(Verb.LOCK, connection_id=desk.connection.id)).record_id == desk.record.id
    assert "Fleet cannot do restart" in await desk.refused(
        CommandUnsupported, Verb.RESTART, connection_id=fleet.id
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"verb": Verb.RENAME}, "arguments.name"),
        ({"verb": Verb.RESTART, "arguments": {"message": "Hello"}}, "arguments.message"),
        ({"verb": Verb.RESTART, "arguments": {"delay": 10}}, "arguments.delay"),
        ({"verb": Verb.RESTART, "arguments": {"pin": "123456"}}, "arguments.pin"),
        ({"verb": Verb.LOCK, "arguments": {"phone": "call me"}}, "arguments.phone"),
        ({"ticket": 2**40}, "ticket"),
    ],
)
async def test_arguments_that_do_not_fit_are_named(desk: Desk, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await desk.ask(**given)
    assert [one.field for one in caught.value.fields] == [field]


@pytest.mark.parametrize(
    "given",
    [
        {"reason": "ab c"},
        {"reason": "    x    "},
        {"reason": "x" * 501},
        {"arguments": {"pin": "12345"}},
        {"arguments": {"colour": "red"}},
        {"arguments": {"message": "x" * 501}},
        {"arguments": {"delay": 301}},
        {"verb": "explode"},
    ],
)
def test_inputs_are_bounded_and_tell_no_pin(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        AskCommand.model_validate({"verb": "lock", "reason": REASON} | given)
    assert "12345" not in " ".join(error["msg"] for error in caught.value.errors())


async def test_a_ticket_that_one_does_not_see_is_not_written_to(desk: Desk) -> None:
    ticket = await makers.make_ticket(desk.work)
    with pytest.raises(Invalid):
        await desk.ask(ticket=ticket.id)
    assert (await desk.ask(who="admin", ticket=ticket.id)).ticket_id == ticket.id


# What stands in the way.


async def test_the_same_twice_points_to_the_first(desk: Desk) -> None:
    first = await desk.ask()
    assert f"command {first.id}" in await desk.refused(CommandTooSoon)
    assert (await desk.ask(Verb.SYNC)).id != first.id


async def test_after_its_cooldown_it_may_be_asked_again(desk: Desk) -> None:
    first = await desk.ask()
    first.sent_at = desk.work.now
    await move(desk.work, first, CommandState.SUCCEEDED)
    desk.work.now += timedelta(minutes=9)
    assert "1 minutes" in await desk.refused(CommandTooSoon)
    desk.work.now += timedelta(minutes=1)
    assert (await desk.ask()).state is CommandState.QUEUED


async def test_what_failed_may_be_asked_again_at_once(desk: Desk) -> None:
    first = await desk.ask(Verb.WIPE)
    first.sent_at = desk.work.now
    await move(desk.work, first, CommandState.FAILED)
    assert (await desk.ask(Verb.WIPE)).state is CommandState.WAITING


async def test_a_wipe_that_cannot_be_confirmed_is_not_asked_again_within_a_day(desk: Desk) -> None:
    first = await desk.ask(Verb.WIPE)
    first.sent_at = desk.work.now
    await move(desk.work, first, CommandState.UNVERIFIABLE)
    desk.work.now += timedelta(hours=23)
    await desk.refused(CommandTooSoon, Verb.WIPE)
    desk.work.now += timedelta(hours=1)
    assert (await desk.ask(Verb.WIPE)).state is CommandState.WAITING


async def test_one_person_destroys_only_so_much_in_a_day(desk: Desk) -> None:
    for n in range(MOST_DESTRUCTIVE_A_DAY):
        command = await desk.ask(Verb.WIPE)
        await move(desk.work, command, CommandState.CANCELLED)
        assert n < MOST_DESTRUCTIVE_A_DAY
    await desk.refused(TooManyCommands, Verb.WIPE)
    assert (await desk.ask(Verb.WIPE, who="other")).state is CommandState.WAITING
    desk.work.now += timedelta(days=1, seconds=1)
    await desk.work.session.execute(update(MdmCommand).values(state=CommandState.CANCELLED))
    assert (await desk.ask(Verb.WIPE)).state is CommandState.WAITING


async def test_a_test_at_the_school_refuses_everything_that_disturbs(desk: Desk) -> None:
    await _test_begins(desk)
    for verb in (Verb.RESTART, Verb.LOCK, Verb.WIPE):
        await desk.refused(DuringTest, verb)
    assert (await desk.ask(Verb.SYNC)).state is CommandState.QUEUED
    with pytest.raises(Forbidden):
        await desk.ask(Verb.LOCK, during_testing=True)
    kept = await desk.ask(Verb.LOCK, who="lead", during_testing=True)
    assert (kept.state, kept.during_testing) == (CommandState.QUEUED, True)


async def test_a_test_at_another_school_is_nothing_to_it(desk: Desk) -> None:
    other = await makers.make_school(desk.work)
    await _test_begins(desk, other.id)
    assert (await desk.ask()).state is CommandState.QUEUED


async def _test_begins(desk: Desk, school_id: str | None = None) -> None:
    wanted = SetDistrictFact(name="school.testing", value=True, school_id=school_id or desk.school.id)
    await set_district_fact(await desk.as_("lead"), wanted)


# A key makes it one.


async def test_a_repeated_request_is_one_command(desk: Desk) -> None:
    wanted = AskCommand(verb=Verb.RESTART, reason=REASON)
    first = await ask_command(
        await desk.as_("technician", conditions=Conditions("k1")), desk.asset.tag, wanted
    )
    again = await ask_command(
        await desk.as_("technician", conditions=Conditions("k1")), desk.asset.tag, wanted
    )
    assert first.id == again.id
    assert await desk.jobs() == ["mdm.send"]


def test_a_pin_is_in_no_digest_and_in_no_repr() -> None:
    wanted = AskCommand.model_validate(
        {"verb": "lock", "reason": REASON, "arguments": {"pin": "481516", "message": "Hello"}}
    )
    assert "481516" not in f"{wanted!r} {wanted.model_dump_json()} {wanted.model_dump(mode='json')}"
    assert wanted.arguments.plain() == {"message": "Hello"}


# A second person.


async def test_a_wipe_is_approved_by_somebody_else_and_then_sent(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    approved = await desk.approve(command)
    assert (approved.state, approved.decided_by_id, approved.decided_at) == (
        CommandState.QUEUED,
        desk.people["lead"].id,
        desk.work.now,
    )
    assert await desk.jobs() == ["mdm.send"]
    with pytest.raises(NotWaiting):
        await desk.approve(command, "admin")


@pytest.mark.parametrize("verb", [Verb.WIPE, Verb.UNENROL])
async def test_nobody_approves_their_own(desk: Desk, verb: Verb) -> None:
    command = await desk.ask(verb, who="lead")
    with pytest.raises(Forbidden):
        await desk.approve(command, "lead")
    work = await desk.as_("lead")
    work.actor = replace(work.actor, token_id=2**40)  # the same person behind another token
    with pytest.raises(Forbidden):
        await approve_command(work, command.id, ApproveCommand())
    assert command.state is CommandState.WAITING
    assert (await desk.approve(command, "admin")).state is CommandState.QUEUED


@pytest.mark.parametrize("who", ["technician", "other", "teacher", "sync"])
async def test_only_leads_and_administrators_approve(desk: Desk, who: str) -> None:
    command = await desk.ask(Verb.WIPE)
    with pytest.raises(Forbidden):
        await desk.approve(command, who)
    with pytest.raises(Forbidden):
        await refuse_command(await desk.as_(who), command.id, RefuseCommand(reason="No, never"))


async def test_the_desk_itself_is_no_second_person(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    with pytest.raises(Forbidden):
        await approve_command(desk.work, command.id, ApproveCommand())
    by_itself = await ask_command(
        replace(desk.work, actor=SYSTEM),
        desk.asset.tag,
        AskCommand(verb=Verb.UNENROL, reason=REASON),
    )
    assert (by_itself.state, by_itself.asked_by_id) == (CommandState.WAITING, None)
    assert (await desk.approve(by_itself)).state is CommandState.QUEUED


async def test_one_approves_what_one_has_read(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    stale = await desk.as_("lead", conditions=Conditions(expected_version=command.version + 1))
    with pytest.raises(Stale):
        await approve_command(stale, command.id, ApproveCommand())
    good = await desk.as_("lead", conditions=Conditions(expected_version=command.version))
    assert (await approve_command(good, command.id, ApproveCommand())).state is CommandState.QUEUED
    assert good.version == command.version


async def test_a_test_that_has_begun_holds_an_approval_up(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    await _test_begins(desk)
    with pytest.raises(DuringTest):
        await desk.approve(command)


async def test_a_refusal_keeps_its_reason(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    refused = await refuse_command(
        await desk.as_("lead"), command.id, RefuseCommand(reason="Another cart was meant")
    )
    assert (refused.state, refused.detail, refused.sealed) == (
        CommandState.REFUSED,
        "Another cart was meant",
        None,
    )
    with pytest.raises(NotWaiting):
        await desk.approve(command)


async def test_nobody_waits_for_ever(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    desk.work.now += timedelta(hours=47)
    assert await following.take_up(desk.work) == 0
    desk.work.now += timedelta(hours=1)
    assert await following.take_up(desk.work) == 1
    await desk.work.session.refresh(command)
    assert (command.state, command.sealed) == (CommandState.EXPIRED, None)
    with pytest.raises(NotWaiting):
        await desk.approve(command)


# Taken back.


async def test_who_asked_takes_it_back_until_it_is_sent(desk: Desk) -> None:
    command = await desk.ask()
    with pytest.raises(Forbidden):
        await cancel_command(await desk.as_("other"), command.id)
    assert (await cancel_command(await desk.as_("technician"), command.id)).state is CommandState.CANCELLED
    sent = await desk.ask()
    await move(desk.work, sent, CommandState.SENDING)
    with pytest.raises(NotWaiting):
        await cancel_command(await desk.as_("technician"), sent.id)


async def test_a_lead_takes_back_what_others_asked_for(desk: Desk) -> None:
    command = await desk.ask(Verb.WIPE)
    assert (await cancel_command(await desk.as_("lead"), command.id)).state is CommandState.CANCELLED


async def test_a_playbook_that_went_on_takes_back_what_was_not_sent(desk: Desk) -> None:
    waiting, sent = await desk.ask(Verb.WIPE), await desk.ask(Verb.RESTART)
    waiting.action_id = sent.action_id = 77
    await move(desk.work, sent, CommandState.SENT)
    await withdraw_of_action(desk.work, 77)
    assert (waiting.state, sent.state) == (CommandState.CANCELLED, CommandState.SENT)


# Secrets.


async def test_a_pin_is_sealed_and_shown_nowhere(desk: Desk) -> None:
    command = await desk.ask(Verb.LOCK, arguments={"pin": "481516", "message": "Bring it back"})
    assert command.arguments == {"message": "Bring it back"}
    assert open_vault().open(command.sealed or b"") == {"pin": "481516"}
    row = await command_by_id(await desk.as_("lead"), command.id)
    assert "481516" not in str(dict(row._mapping))
    assert not {"sealed", "told", "handle", "key"} & set(row._mapping)


async def test_a_mac_without_a_pin_gets_one(desk: Desk) -> None:
    found = open_vault().open((await desk.ask(Verb.WIPE)).sealed or b"")["pin"]
    assert len(found) == 6
    assert found.isdigit()
    assert (await desk.ask(Verb.RESTART)).sealed is None


async def test_a_secret_is_read_once_by_who_asked(desk: Desk) -> None:
    command = await _with_secret(desk)
    for who in ("other", "teacher", "lead", "admin"):
        with pytest.raises(Forbidden):
            await read_secrets(await desk.as_(who), command.id)
    assert await read_secrets(await desk.as_("technician"), command.id) == {"pin": "271828"}
    assert (command.told, command.told_at, command.told_to_id) == (
        None,
        desk.work.now,
        desk.people["technician"].id,
    )
    with pytest.raises(SecretsGone):
        await read_secrets(await desk.as_("technician"), command.id)


async def test_who_approved_it_may_read_it_too(desk: Desk) -> None:
    command = await _with_secret(desk, Verb.WIPE)
    await desk.approve(command)
    assert await read_secrets(await desk.as_("lead"), command.id) == {"pin": "271828"}


async def test_there_is_not_always_a_secret(desk: Desk) -> None:
    command = await desk.ask()
    with pytest.raises(NotFound):
        await read_secrets(await desk.as_("technician"), command.id)


async def test_a_secret_whose_key_is_gone_says_so(desk: Desk) -> None:
    command = await _with_secret(desk)
    await desk.sets(command, told=b"gAAAAA-sealed-by-another-key")
    with pytest.raises(Conflict, match="key"):
        await read_secrets(await desk.as_("technician"), command.id)


async def _with_secret(desk: Desk, verb: Verb = Verb.LOCK) -> MdmCommand:
    command = await desk.ask(verb)
    command.told = open_vault().seal({"pin": "271828"})
    await desk.work.session.flush()
    return command


# Its ticket.


@pytest.mark.parametrize(
    ("language", "words"), [("en", "cannot be confirmed"), ("es-MX", "no se puede confirmar")]
)
async def test_an_end_is_noted_for_the_technician_who_has_the_ticket(
    desk: Desk, language: str, words: str
) -> None:
    ticket = await makers.make_ticket(desk.work, language="fr", asset_tag=desk.asset.tag)
    has_it = await makers.make_person(desk.work, Role.TECHNICIAN, language=language)
    ticket.assignee_id = has_it.id
    command = await desk.ask(Verb.LOCK, who="admin", ticket=ticket.id, arguments={"pin": "481516"})
    command.attempts = 1
    await move(desk.work, command, CommandState.UNVERIFIABLE)
    events = (
        await desk.work.session.scalars(
            select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "ticket.noted")
        )
    ).all()
    assert len(events) == 1
    body = events[0].body or ""
    assert words in body
    assert desk.asset.tag in body
    assert "PIN" in body
    assert "481516" not in body
    assert events[0].public is False
    assert open_vault().open(command.told or b"") == {"pin": "481516"}


async def test_the_note_on_a_ticket_that_nobody_has_is_in_the_language_of_the_desk(desk: Desk) -> None:
    ticket = await makers.make_ticket(desk.work, language="es", asset_tag=desk.asset.tag)
    command = await desk.ask(Verb.RESTART, who="admin", ticket=ticket.id)
    await move(desk.work, command, CommandState.SUCCEEDED)
    noted = select(TicketEvent.body).where(
        TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "ticket.noted"
    )
    body = f"Restart of {desk.asset.tag} (command {command.id}) was done."
    assert (await desk.work.session.scalars(noted)).all() == [body]


# Lists.


async def test_lists_are_narrowed_and_paged(desk: Desk) -> None:
    made = [await desk.ask(verb) for verb in (Verb.RESTART, Verb.SYNC, Verb.WIPE)]
    read = await desk.as_("lead")
    first = await commands_page(read, CommandFilter(), limit=2)
    rest = await commands_page(read, CommandFilter(), limit=2, cursor=first.next_cursor)
    assert [row.id for row in (*first.rows, *rest.rows)] == [one.id for one in reversed(made)]
    waiting = await commands_page(read, CommandFilter(state=CommandState.WAITING))
    assert [row.id for row in waiting.rows] == [made[2].id]
    assert waiting.rows[0].asked_by_name == desk.people["technician"].name
    of_asset = CommandFilter(asset_tag=desk.asset.tag, connection_id=desk.connection.id)
    assert len((await commands_page(read, of_asset)).rows) == 3
    assert (await commands_page(read, CommandFilter(asset_tag="no-such"))).rows == []
    with pytest.raises(Forbidden):
        await commands_page(await desk.as_("teacher"), CommandFilter())
    with pytest.raises(NotFound):
        await command_by_id(read, 2**40)
