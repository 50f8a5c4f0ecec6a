"""Commands and the people and settings behind them, when these are no longer what they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text, update

from integrations.mdm.port import Verb
from service.assets.models import Asset
from service.core.actor import SYSTEM
from service.mdm import command_deciding
from service.mdm.bulks import ConfirmBulk, ProposeBulk, confirm_bulk, propose_bulk
from service.mdm.command_deciding import approve_command
from service.mdm.command_inputs import ApproveCommand
from service.mdm.command_targets import AskerGone
from service.mdm.commanding import DuringTest
from service.mdm.models import CommandState
from service.playbooks.district import SetDistrictFact, set_district_fact
from tests import makers
from tests.command_lab import CommandLab, command_lab, copied
from tests.rooms.test_mdm_commanding import REASON, Desk, desk  # noqa: F401  (a fixture)
from tests.rooms.test_mdm_sending import chromebook

COMMENT = "Checked with Dana Whitfield"


@pytest.fixture(scope="module")
async def lab(empty_url: str) -> AsyncIterator[CommandLab]:
    with copied(empty_url, "two_people") as url:
        async with command_lab(url) as made:
            yield made


async def shut_out(desk: Desk, who: str) -> None:  # noqa: F811
    await desk.sets(desk.people[who], active=False)


async def test_what_somebody_asked_for_who_was_shut_out_is_not_approved(desk: Desk) -> None:  # noqa: F811
    command = await desk.ask(Verb.WIPE)
    await shut_out(desk, "technician")
    with pytest.raises(AskerGone):
        await desk.approve(command)
    assert command.state is CommandState.WAITING
    assert await desk.jobs() == []


async def test_a_bulk_that_somebody_proposed_who_was_shut_out_is_not_confirmed(desk: Desk) -> None:  # noqa: F811
    wanted = ProposeBulk(verb=Verb.WIPE, reason=REASON, tags=[desk.asset.tag])
    bulk = await propose_bulk(await desk.as_("lead"), wanted)
    await shut_out(desk, "lead")
    with pytest.raises(AskerGone):
        await confirm_bulk(await desk.as_("admin"), bulk.id, ConfirmBulk(digest=bulk.digest))
    assert bulk.confirmed_at is None


async def test_a_test_at_the_school_that_the_device_has_left_holds_no_approval_up(
    desk: Desk,  # noqa: F811
) -> None:
    command = await desk.ask(Verb.WIPE)
    other = await makers.make_school(desk.work)
    testing = SetDistrictFact(name="school.testing", value=True, school_id=desk.school.id)
    until = desk.work.now + timedelta(hours=1)
    await set_district_fact(await desk.as_("lead"), testing.model_copy(update={"until": until}))
    with pytest.raises(DuringTest):
        await desk.approve(command)
    await desk.sets(desk.asset, school_id=other.id, place_id=other.id)
    assert (await desk.approve(command)).state is CommandState.QUEUED


async def test_an_approver_s_words_are_kept_and_not_logged(
    desk: Desk,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[Any] = []

    def heard(event: str, **told: Any) -> None:
        lines.append((event, told))

    monkeypatch.setattr(command_deciding, "log", SimpleNamespace(info=heard))
    command = await desk.ask(Verb.WIPE)
    await approve_command(await desk.as_("lead"), command.id, ApproveCommand(comment=COMMENT))
    assert (command.decision, command.detail) == (COMMENT, None)
    assert [event for event, _ in lines] == ["mdm_command_approved"]
    assert COMMENT not in str(lines)


async def test_a_test_at_the_school_that_the_device_is_at_by_now_refuses_it(lab: CommandLab) -> None:
    """A wipe may have waited for two days."""
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.WIPE)
    async with lab.resources.begin(SYSTEM) as work:
        school = await makers.make_school(work)
        moved = update(Asset).where(Asset.tag == tag).values(school_id=school.id, place_id=school.id)
        await work.session.execute(moved)
        until = lab.watch.now + timedelta(hours=1)
        wanted = SetDistrictFact(name="school.testing", value=True, school_id=school.id, until=until)
        await set_district_fact(await lab.as_(work, "lead"), wanted)
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.REFUSED, [])
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM district_facts"))
        await work.session.execute(text("DELETE FROM mdm_commands"))


@pytest.mark.parametrize("broken", [KeyError("service_account"), ValueError("between-you-and-me")])
async def test_settings_that_are_no_good_send_nothing_and_tell_no_secret(
    lab: CommandLab, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    """A connection that was changed by hand, or by an older version."""
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)

    def opens(_: Any) -> Any:
        raise broken

    monkeypatch.setattr(lab.managements, "vendor", opens)
    await lab.drain()
    row = await lab.row(command)
    assert row.state is CommandState.FAILED
    assert row.detail == "The settings of the connection are not complete or not right. Nothing was sent."
    monkeypatch.undo()
    other = await lab.command(tag, Verb.RESTART)
    await lab.drain()
    assert (await lab.row(other)).state is CommandState.SENT
    monkeypatch.setattr(lab.managements, "vendor", opens)
    row = await lab.row(other)
    assert row.next_look_at is not None
    await lab.tick(row.next_look_at - lab.watch.now)
    row = await lab.row(other)
    assert row.state is CommandState.SENT
    assert "between-you-and-me" not in str(row.detail)
    assert "not complete or not right" in str(row.detail)
    async with lab.resources.begin(lab.actors["technician"]) as work:
        await work.session.execute(text("DELETE FROM mdm_commands"))
