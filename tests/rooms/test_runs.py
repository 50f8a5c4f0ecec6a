"""Runs of playbooks on a real database: facts, tickets, handoffs, actions, approvals."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from service.assets.facts import FactIn, keep_facts
from service.assets.models import Asset, AssetFact, AssetKind, Loan, LoanState
from service.core.actor import SYSTEM, Role
from service.core.errors import Conflict, Forbidden, Invalid, NotFound
from service.core.work import Work
from service.playbooks import (
    actions,
    district,
    opening,
    photos,
    queries,
    suggesting,
    traversal,
    versions,
    waking,
)
from service.playbooks.models import (
    ActionState,
    Origin,
    PlaybookRun,
    PlaybookVersion,
    RunAction,
    RunEvent,
    RunPhoto,
    VersionStatus,
)
from service.playbooks.state import Stage
from service.tickets import actions as tickets
from service.tickets import inputs
from service.tickets.lifecycle import Status
from service.tickets.models import Ticket, TicketEvent
from tests import makers
from tests.conftest import undone
from tests.playbook_texts import PIXEL, small

WIFI = "chromebook-wifi"


class Desk:
    """A school with a teacher, a technician, two leads, a Chromebook, and the playbooks."""

    def __init__(self, work: Work) -> None:
        self.work = work

    async def set_up(self) -> Desk:
        work = self.work
        await makers.default_queue(work)
        self.network = await makers.make_queue(work, key="network")
        self.devices = await makers.make_queue(work, key="devices")
        await makers.make_category(work, "network")
        await makers.make_category(work, "network.wifi")
        self.school = await makers.make_school(work)
        queues = [self.network, self.devices]
        self.teacher = await makers.make_person(work, school_id=self.school.id)
        self.other = await makers.make_person(work, school_id=self.school.id)
        self.technician = await makers.make_person(
            work, Role.TECHNICIAN, queues=queues, schools=[self.school]
        )
        self.lead = await makers.make_person(work, Role.LEAD, queues=queues, schools=[self.school])
        self.second = await makers.make_person(work, Role.LEAD, queues=queues, schools=[self.school])
        self.chromebook = await makers.make_asset(
            work, holder_id=self.teacher.id, school_id=self.school.id, place_id=self.school.id
        )
        return self

    async def as_(self, person: Any, **changes: Any) -> Work:
        acting = await makers.acting(self.work, person, **changes)
        acting.shelf = self.work.shelf
        return acting

    async def knows(self, **facts: Any) -> None:
        said = [FactIn(name=name.replace("__", "."), value=value) for name, value in facts.items()]
        await keep_facts(self.work, self.chromebook.id, "google", said)

    async def start(self, **given: Any) -> PlaybookRun:
        given.setdefault("playbook", WIFI)
        given.setdefault("asset_tag", self.chromebook.tag)
        return await actions.start_run(await self.as_(self.teacher), actions.StartRun(**given))

    async def says(self, run: PlaybookRun, step: str, value: Any = None, **given: Any) -> PlaybookRun:
        person = given.pop("person", self.teacher)
        said = actions.AnswerStep(step=step, value=value, **given)
        return await actions.answer(await self.as_(person), run.id, said)

    async def events(self, run: PlaybookRun, kind: str) -> list[Any]:
        query = select(RunEvent).where(RunEvent.run_id == run.id, RunEvent.kind == kind).order_by(RunEvent.id)
        return list(await self.work.session.scalars(query))


@pytest.fixture
async def desk(stocked: AsyncEngine) -> AsyncIterator[Desk]:
    async with undone(stocked) as work:
        yield await Desk(work).set_up()


def ago(work: Work, **given: float) -> str:
    return (work.now - timedelta(**given)).isoformat()


async def test_facts_answer_what_the_machine_knows_and_the_teacher_is_asked_the_rest(desk: Desk) -> None:
    await desk.knows(net__ap__status="up", device__last_seen=ago(desk.work, days=3))
    run = await desk.start()
    assert (run.stage, run.path) == (Stage.ASKING, "others_work")
    read = {name for event in await desk.events(run, "fact_read") for name in event.detail["facts"]}
    assert {"net.ap.status", "device.last_seen"} <= read
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", "nothing")
    await desk.says(run, "switch_on", "done")
    run = await desk.says(run, "works_now", "yes")
    assert (run.stage, run.outcome, run.ticket_id) == (Stage.ENDED, "solved_confirmed", None)


async def test_a_run_that_solves_its_ticket_resolves_it_with_its_code(desk: Desk) -> None:
    teacher = await desk.as_(desk.teacher)
    wanted = opening.OpenWithHelp(
        subject="My Chromebook won't connect", asset_tag=desk.chromebook.tag, start_playbook=WIFI
    )
    ticket = await opening.open_ticket(teacher, wanted)
    run = await opening.run_of(desk.work, ticket.id, WIFI)
    assert run is not None
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", "nothing")
    await desk.says(run, "switch_on", "done")
    await desk.says(run, "works_now", "yes")
    resolved = await desk.work.session.get_one(Ticket, ticket.id)
    assert (resolved.status, resolved.cause, resolved.outcome) == (
        Status.RESOLVED,
        "net.radio_off",
        "solved_confirmed",
    )


async def test_a_run_without_ticket_hands_over_by_opening_one_with_everything_on_it(desk: Desk) -> None:
    await desk.knows(net__ap__status="up", device__last_seen=ago(desk.work, days=3))
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    run = await desk.says(run, "network_list", way="dont_know")
    assert run.stage is Stage.HANDED_OVER
    ticket = await desk.work.session.get_one(Ticket, run.ticket_id)
    assert (ticket.queue_id, ticket.requester_id, ticket.asset_id) == (
        desk.network.id,
        desk.teacher.id,
        desk.chromebook.id,
    )
    query = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "ticket.noted")
    note = (await desk.work.session.scalars(query)).one()
    assert not note.public
    for said in (
        "Do other devices get online in the same room? → Yes, others work",
        "What do you see? → does not know",
        "last check-in → 2026-09-11 10:00 (less than a minute old, google)",
        "The access point of the room is up.",
        "Other devices in the room are online.",
    ):
        assert said in note.body, (said, note.body)


async def test_the_same_answer_twice_moves_once_and_another_is_refused(desk: Desk) -> None:
    run = await desk.start()
    first = (await desk.says(run, "others_work", "yes")).version
    again = await desk.says(run, "others_work", "yes")
    assert (again.version, again.path) == (first, "network_list")
    with pytest.raises(Conflict, match="another answer"):
        await desk.says(run, "others_work", "no")
    assert len(await desk.events(run, "answered")) == 1


async def test_an_answer_that_does_not_fit_is_refused_in_the_persons_language(desk: Desk) -> None:
    run = await desk.start(language="es")
    with pytest.raises(Invalid) as refused:
        await desk.says(run, "others_work", "perhaps")
    assert refused.value.fields[0].message == "Elija una de estas: yes, no."


async def test_what_cannot_be_done_is_said_in_the_persons_language(desk: Desk) -> None:
    run = await desk.start(language="es")
    with pytest.raises(Conflict, match="No hay un paso anterior"):
        await actions.back(await desk.as_(desk.teacher), run.id)


def test_every_refusal_of_a_move_has_its_sentence_in_spanish() -> None:
    source = Path(traversal.__file__).read_text()
    assert set(re.findall(r'CannotMove\(\s*"(\w+)"', source)) == set(traversal.SPANISH)


async def test_going_back_forgets_what_came_after(desk: Desk) -> None:
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", "nothing")
    run = await actions.back(await desk.as_(desk.teacher), run.id)
    assert run.path == "network_list"
    run = await actions.back(await desk.as_(desk.teacher), run.id)
    assert run.path == "others_work"
    assert run.state["answers"] == {}
    with pytest.raises(Conflict, match="no step to go back to"):
        await actions.back(await desk.as_(desk.teacher), run.id)


async def until_restart(desk: Desk) -> PlaybookRun:
    await desk.knows(device__last_seen=ago(desk.work, minutes=20))
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    return await desk.says(run, "network_list", "no_internet")


async def test_an_interruption_in_session_needs_the_persons_yes(desk: Desk) -> None:
    run = await until_restart(desk)
    assert run.stage is Stage.CONSENT
    run = await desk.says(run, "restart", "yes")
    assert run.stage is Stage.ACTING
    action = (await desk.work.session.scalars(select(RunAction))).one()
    assert (action.verb, action.state, action.arguments) == (
        "device.command",
        ActionState.SENT,
        {"command": "restart"},
    )


async def test_out_of_session_nobody_need_be_asked(desk: Desk) -> None:
    desk.work.now = desk.work.now.replace(hour=2)
    run = await until_restart(desk)
    assert run.stage is Stage.ACTING


async def test_a_testing_window_refuses_a_restart(desk: Desk) -> None:
    desk.work.now = desk.work.now.replace(hour=2)
    await desk.knows(device__last_seen=ago(desk.work, minutes=20))
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    window = district.SetDistrictFact(
        name="school.testing",
        value=True,
        school_id=desk.school.id,
        since=desk.work.now - timedelta(hours=1),
        until=desk.work.now + timedelta(hours=5),
    )
    lead = await desk.as_(desk.lead)
    await district.set_district_fact(lead, window)
    desk.work.shelf = lead.shelf
    run = await desk.says(run, "network_list", "no_internet")
    assert run.path == "restart_by_hand"
    assert [event.detail for event in await desk.events(run, "action_refused")] == [{"why": "testing"}]
    assert await desk.work.session.scalar(select(func.count()).select_from(RunAction)) == 0


async def test_a_result_is_taken_once_and_a_fact_confirms_it(desk: Desk) -> None:
    run = await until_restart(desk)
    await desk.says(run, "restart", "yes")
    action = (await desk.work.session.scalars(select(RunAction))).one()
    await waking.report_result(desk.work, action.id, "ok", None)
    assert run.stage is Stage.VERIFYING
    await waking.report_result(desk.work, action.id, "failed", "told twice")
    assert run.stage is Stage.VERIFYING
    desk.work.now += timedelta(minutes=2)
    await desk.knows(device__last_seen=desk.work.now.isoformat())
    await waking.wake_one(desk.work, run.id)
    assert run.path == "works_now"
    assert len(await desk.events(run, "action_resulted")) == 1


async def test_what_was_so_before_an_action_does_not_confirm_it(desk: Desk) -> None:
    await desk.knows(device__last_seen=ago(desk.work, minutes=3))
    run = await desk.start()
    for step, value in (("works_by_now", "no"), ("others_work", "yes"), ("network_list", "no_internet")):
        await desk.says(run, step, value)
    desk.work.now += timedelta(minutes=1)
    await desk.says(run, "restart", "yes")
    action = (await desk.work.session.scalars(select(RunAction))).one()
    await waking.report_result(desk.work, action.id, "ok", None)
    assert run.stage is Stage.VERIFYING
    await waking.wake_one(desk.work, run.id)
    assert run.stage is Stage.VERIFYING


async def test_an_action_that_is_never_heard_of_times_out(desk: Desk) -> None:
    run = await until_restart(desk)
    await desk.says(run, "restart", "yes")
    assert run.wake_at is not None
    desk.work.now = run.wake_at
    await waking.wake_one(desk.work, run.id)
    assert run.path == "restart_by_hand"
    action = (await desk.work.session.scalars(select(RunAction))).one()
    await waking.report_result(desk.work, action.id, "ok", None)
    assert run.path == "restart_by_hand"


async def test_one_action_a_device_at_a_time_the_next_one_waits(desk: Desk) -> None:
    first = await until_restart(desk)
    await desk.says(first, "restart", "yes")
    second = await until_restart(desk)
    await desk.says(second, "restart", "yes")
    states = list(await desk.work.session.scalars(select(RunAction.state).order_by(RunAction.id)))
    assert states == [ActionState.SENT, ActionState.QUEUED]
    ran = await desk.work.session.scalar(select(RunAction.id).order_by(RunAction.id))
    assert ran is not None
    await waking.report_result(desk.work, ran, "failed", None)
    states = list(await desk.work.session.scalars(select(RunAction.state).order_by(RunAction.id)))
    assert states == [ActionState.ENDED, ActionState.SENT]


async def test_a_technician_takes_over_at_the_last_question_and_answers_for_the_teacher(desk: Desk) -> None:
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", way="dont_know")
    assert run.stage is Stage.HANDED_OVER
    technician = await desk.as_(desk.technician)
    run = await actions.take_over(technician, run.id)
    assert (run.stage, run.path) == (Stage.ASKING, "network_list")
    assert run.state["answers"] == {"others_work": "yes"}
    with pytest.raises(Conflict, match="technician"):
        await desk.says(run, "network_list", "nothing")
    run = await desk.says(run, "network_list", "nothing", person=desk.technician)
    assert run.path == "switch_on"


async def test_whose_run_it_is_not_does_not_see_it(desk: Desk) -> None:
    run = await desk.start()
    stranger = await desk.as_(desk.other)
    with pytest.raises(NotFound):
        await queries.run_view(stranger, run.id)
    with pytest.raises(NotFound):
        await actions.answer(stranger, run.id, actions.AnswerStep(step="others_work", value="yes"))
    assert (await queries.runs_page(stranger)).rows == []
    assert [row.id for row in (await queries.runs_page(await desk.as_(desk.technician))).rows] == [run.id]


async def test_others_at_the_school_with_the_same_trouble_make_it_an_outage(desk: Desk) -> None:
    for _ in range(3):
        person = await makers.make_person(desk.work, school_id=desk.school.id)
        await makers.make_ticket(
            await desk.as_(person), subject="No Wi-Fi", category="network.wifi", place_id=desk.school.id
        )
    run = await desk.start()
    assert (run.stage, run.path) == (Stage.HANDED_OVER, "outage")
    ticket = await desk.work.session.get_one(Ticket, run.ticket_id)
    assert ticket.priority.value == "P1"
    assert "outage" in ticket.tags


async def test_a_fact_that_nobody_can_read_anew_does_not_keep_the_teacher_waiting(desk: Desk) -> None:
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", "no_school")
    await desk.says(run, "any_network", "done")
    assert run.stage is Stage.FRESHENING
    await waking.give_up_waiting(desk.work, run.id)
    assert (run.stage, run.path) == (Stage.ASKING, "settings_back")


async def test_a_fact_that_comes_in_wakes_the_run(desk: Desk) -> None:
    run = await desk.start()
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", "no_school")
    await desk.says(run, "any_network", "done")
    desk.work.now += timedelta(seconds=20)
    await desk.knows(device__last_seen=ago(desk.work, seconds=5))
    due = (await desk.work.session.execute(waking._DUE, {"now": desk.work.now, "batch": 10})).all()
    assert [row.id for row in due] == [run.id]
    await waking.wake_one(desk.work, run.id)
    assert run.path == "settings_back"


async def test_silence_leads_to_the_way_out_after_a_day(desk: Desk) -> None:
    run = await desk.start()
    assert run.wake_at == desk.work.now + timedelta(hours=24)
    desk.work.now += timedelta(hours=24)
    await waking.wake_one(desk.work, run.id)
    assert run.stage is Stage.HANDED_OVER
    assert run.wake_at is None


async def test_a_dry_run_does_nothing_and_says_what_it_would_do(desk: Desk) -> None:
    await desk.knows(device__last_seen=ago(desk.work, minutes=20))
    run = await desk.start(dry_run=True)
    await desk.says(run, "others_work", "yes")
    run = await desk.says(run, "network_list", "no_internet")
    assert run.path == "works_now"
    would = await desk.events(run, "would_act")
    assert [event.detail["with"] for event in would] == [{"command": "restart"}]
    run = await desk.says(run, "works_now", "no")
    assert (run.stage, run.ticket_id) == (Stage.HANDED_OVER, None)
    for table in (RunAction, Ticket):
        assert await desk.work.session.scalar(select(func.count()).select_from(table)) == 0


async def test_skipping_keeps_the_reason_for_the_author(desk: Desk) -> None:
    run = await desk.start()
    skipped = actions.SkipStep(step="others_work", reason="I am alone in the building")
    run = await actions.skip(await desk.as_(desk.teacher), run.id, skipped)
    assert run.path == "network_list"
    version = run.version
    assert (await actions.skip(await desk.as_(desk.teacher), run.id, skipped)).version == version
    assert [event.detail["reason"] for event in await desk.events(run, "not_relevant")] == [
        "I am alone in the building"
    ]


async def test_suggestions_know_words_device_and_language(desk: Desk) -> None:
    teacher = await desk.as_(desk.teacher)
    asked = suggesting.Ask(words="my Chromebook won't connect", asset_tag=desk.chromebook.tag)
    found = await suggesting.suggest(teacher, asked)
    assert found[0]["playbook"] == WIFI
    assert found[0]["first_question"] == "Do other devices get online in the same room?"
    asked = suggesting.Ask(words="el chromebook no se conecta a internet", language="es")
    found = await suggesting.suggest(teacher, asked)
    assert found[0]["title"] == "El Chromebook no se conecta a la Wi-Fi"


# Loaners, approvals and the district's own playbooks.

WIPE = """
schema: playbook/1
id: our-wipe
title: {en: Wipe it}
summary: {en: Wipes a device}
owner: devices
start: sure
steps:
  sure:
    question: single
    text: {en: Shall it be wiped}
    options:
      - {value: yes, label: {en: Yes}, next: wipe}
      - {value: no, label: {en: No}, next: stop}
    dont_know: stop
  wipe:
    action: device.command
    text: {en: The device is wiped}
    with: {command: wipe}
    risk: R3
    approval: {role: lead, count: 2, timeout: 24h}
    ok: done
    failed: stop
  done: {end: {cause: os.corrupt, fix: remote.command, outcome: solved_assumed}}
  stop: {end: {cause: os.corrupt, fix: none, outcome: cannot_fix}}
examples:
  - {name: wiped, answers: {sure: yes}, decisions: {wipe: true}, ends: {cause: os.corrupt, fix: remote.command, outcome: solved_assumed}}
  - {name: refused, answers: {sure: yes}, decisions: {wipe: false}, ends: {cause: os.corrupt, fix: none, outcome: cannot_fix}}
  - {name: failed, answers: {sure: yes}, decisions: {wipe: true}, results: {wipe: failed}, ends: {cause: os.corrupt, fix: none, outcome: cannot_fix}}
  - {name: silent, answers: {sure: yes}, decisions: {wipe: true}, times_out: [wipe], ends: {cause: os.corrupt, fix: none, outcome: cannot_fix}}
  - {name: no, answers: {sure: no}, ends: {cause: os.corrupt, fix: none, outcome: cannot_fix}}
  - {name: not sure, answers: {sure: dont_know}, ends: {cause: os.corrupt, fix: none, outcome: cannot_fix}}
"""  # noqa: E501


async def published(desk: Desk, source: str = WIPE) -> PlaybookVersion:
    lead, second = await desk.as_(desk.lead), await desk.as_(desk.second)
    draft = await versions.write_playbook(lead, versions.WritePlaybook(source=source))
    await versions.submit_playbook(lead, draft.id)
    made = await versions.publish_playbook(second, draft.id)
    desk.work.shelf = second.shelf
    return made


async def test_a_wipe_needs_two_people_of_the_role_and_happens_once(desk: Desk) -> None:
    await published(desk)
    run = await desk.start(playbook="our-wipe")
    await desk.says(run, "sure", "yes")
    assert (run.stage, run.approval_role) == (Stage.APPROVAL, "lead")
    why = actions.Because(reason="Checked with the teacher")
    with pytest.raises(Forbidden):
        await actions.approve(await desk.as_(desk.technician), run.id, why)
    await actions.approve(await desk.as_(desk.lead), run.id, why)
    assert run.stage is Stage.APPROVAL
    with pytest.raises(Conflict, match="your word"):
        await actions.approve(await desk.as_(desk.lead), run.id, why)
    await actions.approve(await desk.as_(desk.second), run.id, why)
    assert run.stage is Stage.ACTING
    assert await desk.work.session.scalar(select(func.count()).select_from(RunAction)) == 1


async def test_an_approver_is_not_who_started_the_run(desk: Desk) -> None:
    await published(desk)
    wanted = actions.StartRun(playbook="our-wipe", asset_tag=desk.chromebook.tag)
    run = await actions.start_run(await desk.as_(desk.lead), wanted)
    await desk.says(run, "sure", "yes", person=desk.lead)
    with pytest.raises(Forbidden, match="did not start"):
        await actions.approve(await desk.as_(desk.lead), run.id, actions.Because(reason="Mine"))


async def test_who_answered_for_the_teacher_does_not_approve_too(desk: Desk) -> None:
    await published(desk)
    run = await desk.start(playbook="our-wipe")
    await actions.take_over(await desk.as_(desk.lead), run.id)
    await desk.says(run, "sure", "yes", person=desk.lead)
    why = actions.Because(reason="I know it")
    with pytest.raises(Forbidden, match="Somebody else"):
        await actions.approve(await desk.as_(desk.lead), run.id, why)
    await actions.approve(await desk.as_(desk.second), run.id, why)
    assert run.stage is Stage.APPROVAL


async def test_nobody_has_too_many_runs_under_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MOST_OPEN", 3)
    runs = [await desk.start() for _ in range(3)]
    with pytest.raises(Conflict, match="3 runs under way"):
        await desk.start()
    await actions.cancel(await desk.as_(desk.teacher), runs[0].id, actions.Why(reason="Enough"))
    assert (await desk.start()).stage is Stage.ASKING


async def test_photos_are_forgotten_when_their_time_is_over(desk: Desk) -> None:
    run = await desk.start()
    teacher = await desk.as_(desk.teacher)
    await photos.add_photo(teacher, run.id, photos.AddPhoto(content=PIXEL))
    desk.work.now += timedelta(days=170)
    await photos.add_photo(await desk.as_(desk.teacher), run.id, photos.AddPhoto(content=PIXEL))
    desk.work.now += timedelta(days=20)
    await photos.forget_photos(desk.work)
    assert await desk.work.session.scalar(select(func.count()).select_from(RunPhoto)) == 1


async def test_what_can_lose_data_is_published_by_somebody_other_than_its_author(desk: Desk) -> None:
    lead = await desk.as_(desk.lead)
    draft = await versions.write_playbook(lead, versions.WritePlaybook(source=WIPE))
    await versions.submit_playbook(lead, draft.id)
    with pytest.raises(Forbidden, match="other than its author"):
        await versions.publish_playbook(lead, draft.id)


async def test_a_playbook_that_is_not_in_order_is_not_submitted(desk: Desk) -> None:
    lead = await desk.as_(desk.lead)
    broken = WIPE.replace("dont_know: stop", "dont_know: nowhere")
    draft = await versions.write_playbook(lead, versions.WritePlaybook(source=broken))
    with pytest.raises(versions.NotReady) as refused:
        await versions.submit_playbook(lead, draft.id)
    assert "Line 11" in refused.value.fields[0].message or "nowhere" in refused.value.fields[0].message


async def test_a_new_version_leaves_open_runs_where_they_are(desk: Desk) -> None:
    await published(desk)
    run = await desk.start(playbook="our-wipe")
    newer = await published(desk, WIPE.replace("Shall it be wiped", "Really"))
    assert (newer.number, newer.status) == (2, VersionStatus.PUBLISHED)
    _, card = await queries.run_card(desk.work, run)
    assert card.text == "Shall it be wiped"
    _, card = await queries.run_card(desk.work, await desk.start(playbook="our-wipe"))
    assert card.text == "Really"


async def test_a_published_version_cannot_be_changed(desk: Desk) -> None:
    version = await published(desk)
    with pytest.raises(Conflict, match="published"):
        await versions.rewrite_playbook(
            await desk.as_(desk.lead), version.id, versions.WritePlaybook(source=WIPE)
        )


async def test_the_districts_own_version_is_not_undone_by_what_comes_along(desk: Desk) -> None:
    shipped = await desk.work.session.scalar(
        select(PlaybookVersion).where(PlaybookVersion.playbook == "gate-many")
    )
    assert shipped is not None
    own = shipped.source.replace("value: 3", "value: 2").replace("same_symptom_15m: 2", "same_symptom_15m: 1")
    await published(desk, own)
    await desk.work.session.execute(
        update(PlaybookVersion).where(PlaybookVersion.id == shipped.id).values(source="older", hash="older")
    )
    assert await versions.publish_shipped(desk.work) == 1
    current = await desk.work.session.scalar(
        select(PlaybookVersion.origin).where(
            PlaybookVersion.playbook == "gate-many", PlaybookVersion.status == VersionStatus.PUBLISHED
        )
    )
    assert current is Origin.DISTRICT


async def test_what_comes_along_is_brought_in_once(desk: Desk) -> None:
    assert await versions.publish_shipped(desk.work) == 0


LEND = """
schema: playbook/1
id: our-loaner
title: {en: Lend one}
summary: {en: Lends one}
owner: devices
start: lend
steps:
  lend: {call: offer-loaner, returns: {issued: lent, none: none_left}}
  lent: {end: {cause: power.port_broken, fix: swap.loaner, outcome: workaround}}
  none_left: {handoff: {queue: devices}, text: {en: None left}}
examples:
  - name: lent
    facts: {policy.loaner_allowed: true, loaners.free: 1}
    answers: {lend.want: yes}
    ends: {cause: power.port_broken, fix: swap.loaner, outcome: workaround}
  - {name: none, ends: {handoff: devices}}
"""


async def test_a_loaner_is_set_aside_once_and_not_the_last_one_twice(desk: Desk) -> None:
    await published(desk, LEND)
    lead = await desk.as_(desk.lead)
    await district.set_district_fact(lead, district.SetDistrictFact(name="policy.loaner_allowed", value=True))
    desk.work.shelf = lead.shelf
    await makers.make_asset(desk.work, is_loaner=True, school_id=desk.school.id)
    run = await desk.start(playbook="our-loaner")
    assert run.path == "lend.want"
    await desk.says(run, "lend.want", "yes")
    assert (run.stage, run.outcome) == (Stage.ENDED, "workaround")
    loan = (await desk.work.session.scalars(select(Loan))).one()
    assert (loan.state, loan.person_id, loan.kind) == (
        LoanState.SET_ASIDE,
        desk.teacher.id,
        AssetKind.CHROMEBOOK,
    )
    run = await desk.start(playbook="our-loaner")
    assert run.stage is Stage.HANDED_OVER


# Facts of devices.


async def test_an_older_word_on_a_fact_changes_nothing(desk: Desk) -> None:
    said = [FactIn(name="device.status", value="active", as_of=desk.work.now)]
    await keep_facts(desk.work, desk.chromebook.id, "google", said)
    older = [FactIn(name="device.status", value="lost", as_of=desk.work.now - timedelta(hours=1))]
    await keep_facts(desk.work, desk.chromebook.id, "jamf", older)
    kept = (await desk.work.session.scalars(select(AssetFact))).one()
    assert (kept.value, kept.source) == ("active", "google")


async def test_a_withdrawn_version_hands_its_open_runs_over(desk: Desk) -> None:
    version = await published(desk)
    run = await desk.start(playbook="our-wipe")
    lead = await desk.as_(desk.lead)
    await versions.withdraw_playbook(lead, version.id, versions.Withdraw(reason="It was wrong"))
    desk.work.shelf = lead.shelf
    jobs = (await desk.work.session.execute(text("SELECT task_name, args FROM procrastinate_jobs"))).all()
    assert ("playbooks.end_withdrawn", {"version_id": version.id}) in [tuple(row) for row in jobs]
    with pytest.raises(Invalid, match="no playbook"):
        await desk.start(playbook="our-wipe")
    assert run.stage is Stage.ASKING


async def test_the_open_runs_of_a_withdrawn_version_go_to_technicians(app: Any) -> None:
    resources = app.state.resources
    name = makers.unique("gone")
    async with resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        version = await makers.make_playbook(work, small(name))
        teacher = await makers.make_person(work)
    async with resources.begin(SYSTEM) as work:
        theirs = await makers.acting(work, teacher)
        run = await actions.start_run(theirs, actions.StartRun(playbook=name))
        await versions.withdraw_playbook(work, version.id, versions.Withdraw(reason="Wrong"))
    for _ in range(2):
        await waking.end_withdrawn(resources, version.id)
    async with resources.begin(SYSTEM) as work:
        after = await work.session.get_one(PlaybookRun, run.id)
        assert (after.stage, after.state["why"]) == (Stage.HANDED_OVER, "the playbook was withdrawn")
        ticket = await work.session.get_one(Ticket, after.ticket_id)
        assert ticket.requester_id == teacher.id


async def test_the_note_is_in_the_language_of_the_technician_who_has_the_ticket(desk: Desk) -> None:
    desk.technician.language = "es"
    ticket = await makers.make_ticket(await desk.as_(desk.teacher), asset_tag=desk.chromebook.tag)
    await tickets.transfer(desk.work, ticket.id, inputs.Transfer(queue="network"))
    await tickets.assign(desk.work, ticket.id, inputs.Assign(assignee_id=desk.technician.id))
    run = await desk.start(ticket=ticket.id)
    await desk.says(run, "others_work", "yes")
    await desk.says(run, "network_list", way="dont_know")
    query = select(TicketEvent.body).where(
        TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "ticket.noted"
    )
    note = (await desk.work.session.scalars(query)).one()
    assert note.startswith("Ayuda guiada: El Chromebook no se conecta a la Wi-Fi")
    assert "Sí, los demás funcionan" in note


async def test_a_reply_on_the_ticket_ends_a_wait_for_it(desk: Desk) -> None:
    source = """
schema: playbook/1
id: our-wait
title: {en: Wait}
summary: {en: Waits}
owner: devices
start: wait
steps:
  wait: {wait: {for: 24h, reply: true}, text: {en: Write us}, done: thanks, timed_out: over}
  thanks: {end: {cause: other, fix: info.given, outcome: solved_assumed}}
  over: {handoff: {queue: devices}, text: {en: Over}}
examples:
  - {name: wrote, answers: {wait: replied}, ends: {cause: other, fix: info.given, outcome: solved_assumed}}
  - {name: did not, ends: {handoff: devices}}
"""
    await published(desk, source)
    ticket = await makers.make_ticket(await desk.as_(desk.teacher))
    run = await desk.start(playbook="our-wait", ticket=ticket.id)
    assert (run.stage, run.waits_for) == (Stage.WAITING, "reply")
    desk.work.now += timedelta(minutes=5)
    teacher = await desk.as_(desk.teacher)
    await tickets.reply(teacher, ticket.id, inputs.Reply(body="Here I am"))
    await waking.wake_one(desk.work, run.id)
    assert run.stage is Stage.ENDED


async def test_a_loaner_asset_is_told_by_the_directory(desk: Desk) -> None:
    asset = await makers.make_asset(desk.work, is_loaner=True)
    assert (await desk.work.session.get_one(Asset, asset.id)).is_loaner
