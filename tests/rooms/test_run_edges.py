"""Runs at their edges: races, what is late, what is broken, and who has no business there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from service.assets.loans import AskForLoaner, MoveLoan, ask_for_loaner, move_loan
from service.assets.models import AssetKind, LoanState
from service.core.actor import SYSTEM, Role
from service.core.errors import Forbidden, Invalid, NotFound
from service.core.shelf import Shelf
from service.places import decided
from service.places.models import DistrictFact
from service.playbooks import actions, district, opening, queries, versions, waking
from service.playbooks.models import ActionState, PlaybookRun, RunAction
from service.playbooks.state import Stage
from service.tickets import actions as tickets
from service.tickets import inputs
from service.tickets.models import Ticket
from tests import makers
from tests.playbook_texts import small
from tests.rooms.test_runs import WIFI, Desk, desk, published, until_restart  # noqa: F401


async def states(desk: Desk) -> list[ActionState]:  # noqa: F811
    return list(await desk.work.session.scalars(select(RunAction.state).order_by(RunAction.id)))


async def test_what_waits_for_its_turn_is_not_done_once_its_run_is_over(desk: Desk) -> None:  # noqa: F811
    first = await until_restart(desk)
    await desk.says(first, "restart", "yes")
    second = await until_restart(desk)
    await desk.says(second, "restart", "yes")
    await actions.cancel(await desk.as_(desk.teacher), second.id, actions.Why(reason="It works now"))
    ran = await desk.work.session.scalar(select(RunAction.id).order_by(RunAction.id))
    assert ran is not None
    await waking.report_result(desk.work, ran, "ok", None)
    assert await states(desk) == [ActionState.ENDED, ActionState.ENDED]


async def test_an_action_that_is_never_heard_of_does_not_keep_its_device_for_ever(desk: Desk) -> None:  # noqa: F811
    first = await until_restart(desk)
    await desk.says(first, "restart", "yes")
    assert first.wake_at is not None
    desk.work.now = first.wake_at
    await waking.wake_one(desk.work, first.id)
    assert first.path == "restart_by_hand"
    second = await until_restart(desk)
    await desk.says(second, "restart", "yes")
    assert (await states(desk))[-1] is ActionState.SENT


# What the run does not wait for any more.


async def test_a_late_result_of_an_action_given_up_changes_nothing(desk: Desk) -> None:  # noqa: F811
    run = await until_restart(desk)
    await desk.says(run, "restart", "yes")
    action = (await desk.work.session.scalars(select(RunAction))).one()
    await actions.hand_over(await desk.as_(desk.teacher), run.id, actions.Why(reason="No time"))
    assert (action.state, action.result) == (ActionState.ENDED, "expired")
    await waking.report_result(desk.work, action.id, "ok", None)
    assert (action.result, run.stage) == ("expired", Stage.HANDED_OVER)


async def test_what_was_queued_before_a_test_began_is_refused_when_its_turn_comes(
    desk: Desk,  # noqa: F811
) -> None:
    run = await until_restart(desk)
    await desk.says(run, "restart", "yes")
    action = (await desk.work.session.scalars(select(RunAction))).one()
    assert await waking.may_be_sent(desk.work, action.id) is action
    held = desk.work.shelf
    lead = await desk.as_(desk.lead)
    lead.shelf = Shelf()  # another process: nothing is heard of it here
    window = district.SetDistrictFact(name="school.testing", value=True, school_id=desk.school.id)
    await district.set_district_fact(lead, window)
    assert desk.work.shelf is held
    assert await waking.may_be_sent(desk.work, action.id) is None
    assert (action.result, run.path) == ("refused", "restart_by_hand")


EITHER = """
schema: playbook/1
id: either
title: {en: Either}
summary: {en: Waits for a fact or a reply}
owner: desk
start: wait
steps:
  wait:
    wait: {for: 24h, until: {fact: device.last_seen, op: newer_than, value: 10m, max_age: 10m}, reply: true}
    text: {en: We wait}
    done: good
    timed_out: over
  good: {end: {cause: other, fix: self.guided, outcome: solved_assumed}}
  over: {handoff: {queue: desk}, text: {en: A technician comes}}
examples:
  - {name: it came, arrives: {wait: {device.last_seen: "-1m"}},
     ends: {cause: other, fix: self.guided, outcome: solved_assumed}}
  - {name: it did not, times_out: [wait], ends: {handoff: desk}}
"""


@pytest.mark.parametrize("comes", ["fact", "reply"])
async def test_a_wait_for_a_fact_or_a_reply_goes_on_with_either(
    desk: Desk,  # noqa: F811
    comes: str,
) -> None:
    await makers.make_playbook(desk.work, EITHER)
    teacher = await desk.as_(desk.teacher)
    ticket = await makers.make_ticket(teacher, asset_tag=desk.chromebook.tag)
    run = await desk.start(playbook="either", ticket=ticket.id)
    assert run.stage is Stage.WAITING
    desk.work.now += timedelta(minutes=2)
    if comes == "fact":
        await desk.knows(device__last_seen=desk.work.now.isoformat())
    else:
        await tickets.reply(await desk.as_(desk.teacher), ticket.id, inputs.Reply(body="It works"))
    due = (await desk.work.session.execute(waking._DUE, {"now": desk.work.now, "batch": 10})).all()
    assert [row.id for row in due] == [run.id]
    await waking.wake_one(desk.work, run.id)
    assert run.stage is Stage.ENDED


async def test_other_facts_do_not_make_a_wait_deaf_to_a_reply(desk: Desk) -> None:  # noqa: F811
    await makers.make_playbook(desk.work, EITHER)
    ticket = await makers.make_ticket(await desk.as_(desk.teacher), asset_tag=desk.chromebook.tag)
    run = await desk.start(playbook="either", ticket=ticket.id)
    desk.work.now += timedelta(minutes=2)
    await tickets.reply(await desk.as_(desk.teacher), ticket.id, inputs.Reply(body="It works"))
    run.updated_at = desk.work.now + timedelta(seconds=1)  # a look that began before the reply was there
    await desk.work.session.flush()
    await waking.wake_one(desk.work, run.id)
    assert run.stage is Stage.ENDED


# Runs that cannot go on.


async def test_one_broken_run_does_not_keep_the_others_waiting(app: Any) -> None:
    resources = app.state.resources
    long_ago = resources.clock() - timedelta(days=2)
    async with resources.begin(SYSTEM, now=long_ago) as work:
        await makers.default_queue(work)
        name = makers.unique("broken")
        await makers.make_playbook(work, small(name))
        teacher = await makers.acting(work, await makers.make_person(work))
        broken, fine = [await actions.start_run(teacher, actions.StartRun(playbook=name)) for _ in range(2)]
        good = broken.state
        broken.state = good | {"frames": [[name, "no-such-step"]]}
    await waking.wake(resources)
    async with resources.begin(SYSTEM) as work:
        after = await work.session.get_one(PlaybookRun, fine.id)
        assert after.stage is Stage.HANDED_OVER
        laid_aside = await work.session.get_one(PlaybookRun, broken.id)
        assert laid_aside.wake_at is not None
        assert laid_aside.wake_at > work.now
        laid_aside.state = good
    async with resources.begin(SYSTEM, now=resources.clock() + timedelta(minutes=2)) as work:
        await waking.wake_one(work, broken.id)
        mended = await work.session.get_one(PlaybookRun, broken.id)
        assert mended.stage is Stage.HANDED_OVER


async def test_a_run_laid_aside_waits_for_what_it_waited_for_again(desk: Desk) -> None:  # noqa: F811
    await makers.make_playbook(desk.work, EITHER)
    run = await desk.start(playbook="either")
    waited = (run.wake_at, run.waits_for)
    await waking._lay_aside(desk.work, run.id)
    await desk.work.session.refresh(run)
    assert run.waits_for is None
    await waking.wake_one(desk.work, run.id)
    assert (run.wake_at, run.waits_for) == waited


async def test_the_run_of_somebody_who_left_is_handed_over_all_the_same(desk: Desk) -> None:  # noqa: F811
    run = await desk.start()
    desk.teacher.active = False
    await desk.work.session.flush()
    desk.work.now += timedelta(hours=24)
    await waking.wake_one(desk.work, run.id)
    assert run.stage is Stage.HANDED_OVER
    ticket = await desk.work.session.get_one(Ticket, run.ticket_id)
    assert (ticket.requester_id, ticket.asset_id) == (None, desk.chromebook.id)


async def test_a_ticket_full_of_tags_is_handed_over_all_the_same(desk: Desk) -> None:  # noqa: F811
    ticket = await makers.make_ticket(await desk.as_(desk.teacher), asset_tag=desk.chromebook.tag)
    await tickets.tag(desk.work, ticket.id, inputs.Tag(add=[f"t{n}" for n in range(20)]))
    for _ in range(3):
        person = await makers.make_person(desk.work, school_id=desk.school.id)
        theirs = await desk.as_(person)
        await makers.make_ticket(theirs, category="network.wifi", place_id=desk.school.id)
    run = await desk.start(ticket=ticket.id)
    assert (run.stage, run.path) == (Stage.HANDED_OVER, "outage")
    assert len(ticket.tags) == 20


async def test_a_version_withdrawn_elsewhere_is_not_begun_from_an_old_shelf(
    desk: Desk,  # noqa: F811
) -> None:
    version = await published(desk)
    await desk.start(playbook="our-wipe")  # the shelf knows it now
    elsewhere = await desk.as_(desk.lead)
    elsewhere.shelf = Shelf()
    await versions.withdraw_playbook(elsewhere, version.id, versions.Withdraw(reason="It was wrong"))
    with pytest.raises(Invalid, match="no playbook"):
        await desk.start(playbook="our-wipe")


# Whose business it is.


async def test_who_only_sees_a_ticket_begins_no_run_that_could_resolve_it(desk: Desk) -> None:  # noqa: F811
    ticket = await makers.make_ticket(await desk.as_(desk.teacher), asset_tag=desk.chromebook.tag)
    await tickets.share(desk.work, ticket.id, inputs.Share(person_id=desk.other.id))
    wanted = actions.StartRun(playbook=WIFI, ticket=ticket.id)
    with pytest.raises(Forbidden):
        await actions.start_run(await desk.as_(desk.other), wanted)
    for person in (desk.teacher, desk.technician):
        assert await actions.start_run(await desk.as_(person), wanted)


async def test_a_pupil_neither_reads_nor_restarts_the_device_of_another(desk: Desk) -> None:  # noqa: F811
    pupil = await makers.make_person(desk.work, Role.PUPIL, school_id=desk.school.id)
    theirs = await desk.as_(pupil)
    with pytest.raises(Invalid) as refused:
        await actions.start_run(theirs, actions.StartRun(playbook=WIFI, asset_tag=desk.chromebook.tag))
    assert refused.value.fields[0].code == "unknown_asset"
    wanted = opening.OpenWithHelp(subject="Wi-Fi", asset_tag=desk.chromebook.tag, start_playbook=WIFI)
    ticket = await opening.open_ticket(theirs, wanted)
    run = await opening.run_of(desk.work, ticket.id, WIFI)
    assert run is not None
    assert (ticket.asset_id, run.asset_id) == (desk.chromebook.id, None)
    own = await makers.make_asset(desk.work, holder_id=pupil.id, school_id=desk.school.id)
    run = await actions.start_run(theirs, actions.StartRun(playbook=WIFI, asset_tag=own.tag))
    assert run.asset_id == own.id


async def test_a_guardian_does_not_see_the_run_of_a_confidential_ticket(desk: Desk) -> None:  # noqa: F811
    secret = await makers.make_queue(desk.work, key="privacy", confidential=True)
    pupil = await makers.make_person(desk.work, Role.PUPIL, school_id=desk.school.id)
    guardian = await makers.make_person(desk.work, Role.GUARDIAN, children=[pupil])
    run = await actions.start_run(await desk.as_(pupil), actions.StartRun(playbook=WIFI))
    assert await queries.run_view(await desk.as_(guardian), run.id)
    await desk.says(run, "others_work", "yes", person=pupil)
    await desk.says(run, "network_list", way="dont_know", person=pupil)
    assert run.ticket_id is not None
    await tickets.transfer(desk.work, run.ticket_id, inputs.Transfer(queue=secret.key))
    theirs = await desk.as_(guardian)
    with pytest.raises(NotFound):
        await queries.run_view(theirs, run.id)
    assert (await queries.runs_page(theirs)).rows == []
    assert await queries.run_view(await desk.as_(pupil), run.id)


async def test_the_ticket_of_a_run_knows_who_had_the_device(desk: Desk) -> None:  # noqa: F811
    pupil = await makers.make_person(desk.work, Role.PUPIL, school_id=desk.school.id)
    guardian = await makers.make_person(desk.work, Role.GUARDIAN, children=[pupil])
    own = await makers.make_asset(desk.work, holder_id=pupil.id, school_id=desk.school.id)
    theirs = await desk.as_(guardian)
    wanted = actions.StartRun(playbook=WIFI, asset_tag=own.tag, person_id=pupil.id)
    run = await actions.start_run(theirs, wanted)
    run = await actions.hand_over(theirs, run.id, actions.Why(reason="No time"))
    ticket = await desk.work.session.get_one(Ticket, run.ticket_id)
    assert (ticket.asset_id, ticket.device_holder_id) == (own.id, pupil.id)


# Two at once.


async def two_runs_at_a_restart(app: Any) -> tuple[list[int], Any]:
    """Two runs for one device, each one answer away from a restart; and the teacher of both."""
    async with app.state.resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        name = makers.unique("twice")
        await makers.make_playbook(work, RESTART.format(id=name))
        teacher = await makers.make_person(work)
        tag = (await makers.make_asset(work, holder_id=teacher.id)).tag
        theirs = await makers.acting(work, teacher)
        wanted = actions.StartRun(playbook=name, asset_tag=tag)
        runs = [(await actions.start_run(theirs, wanted)).id for _ in range(2)]
    return runs, theirs.actor


RESTART = """
schema: playbook/1
id: {id}
title: {{en: Restart it}}
summary: {{en: Restarts}}
owner: desk
start: restart
steps:
  restart:
    action: device.command
    text: {{en: It restarts}}
    with: {{command: restart}}
    risk: R2
    undo: {{en: Nothing to undo}}
    ok: good
    failed: over
  good: {{end: {{cause: other, fix: remote.command, outcome: solved_assumed}}}}
  over: {{handoff: {{queue: desk}}, text: {{en: A technician comes}}}}
examples:
  - {{name: done, answers: {{restart: yes}}, results: {{restart: ok}},
     ends: {{cause: other, fix: remote.command, outcome: solved_assumed}}}}
  - {{name: failed, answers: {{restart: yes}}, results: {{restart: failed}}, ends: {{handoff: desk}}}}
  - {{name: no, answers: {{restart: no}}, ends: {{handoff: desk}}}}
  - {{name: silent, answers: {{restart: yes}}, times_out: [restart], ends: {{handoff: desk}}}}
"""
YES = actions.AnswerStep(step="restart", value="yes")


async def test_an_action_asked_for_while_another_ends_gets_its_turn(app: Any) -> None:
    resources = app.state.resources
    (first, second), actor = await two_runs_at_a_restart(app)
    async with resources.begin(actor) as work:
        await actions.answer(work, first, YES)
    async with resources.begin(SYSTEM) as work:
        running = await work.session.scalar(select(RunAction.id).where(RunAction.run_id == first))
        assert running is not None
        await waking.report_result(work, running, "ok", None)
        asking = asyncio.create_task(answered(resources, actor, second))
        await asyncio.sleep(0.5)
    await asking
    async with resources.read(SYSTEM) as read:
        query = select(RunAction.state).where(RunAction.run_id == second)
        assert (await read.db.execute(query)).scalar_one() is ActionState.SENT


async def answered(resources: Any, actor: Any, run: int) -> None:
    async with resources.begin(actor) as work:
        await actions.answer(work, run, YES)


async def test_a_result_and_a_time_out_at_once_move_the_run_once(app: Any) -> None:
    resources = app.state.resources
    for _ in range(5):
        (first, second), actor = await two_runs_at_a_restart(app)
        for run in (first, second):
            await answered(resources, actor, run)
        async with resources.begin(SYSTEM) as work:
            query = select(RunAction).where(RunAction.run_id.in_([first, second])).order_by(RunAction.id)
            running, waiting = list(await work.session.scalars(query))
            late = max(
                r.wake_at for r in [await work.session.get_one(PlaybookRun, i) for i in (first, second)]
            )

        async def result(action: int) -> None:
            async with resources.begin(SYSTEM) as work:
                await waking.report_result(work, action, "ok", None)

        async def time_out(run: int, at: Any) -> None:
            async with resources.begin(SYSTEM, now=at) as work:
                await waking.wake_one(work, run)

        await asyncio.gather(
            result(running.id), result(waiting.id), time_out(first, late), time_out(second, late)
        )
        async with resources.begin(SYSTEM) as work:
            for run_id in (first, second):
                run = await work.session.get_one(PlaybookRun, run_id)
                assert run.stage in (Stage.ENDED, Stage.HANDED_OVER)
            query = select(RunAction.state).where(RunAction.run_id.in_([first, second]))
            assert set(await work.session.scalars(query)) == {ActionState.ENDED}


async def test_loaners_asked_for_at_once_are_all_lent_and_each_once(app: Any) -> None:
    resources = app.state.resources
    async with resources.begin(SYSTEM) as work:
        school = await makers.make_school(work)
        person = await makers.make_person(work, school_id=school.id)
        for _ in range(6):
            await makers.make_asset(work, is_loaner=True, school_id=school.id)
    wanted = AskForLoaner(kind=AssetKind.CHROMEBOOK, person_id=person.id, school_id=school.id)

    async def lent() -> int | None:
        async with resources.begin(SYSTEM) as work:
            return (await ask_for_loaner(work, wanted)).asset_id

    assert len(set(await asyncio.gather(*(lent() for _ in range(6))))) == 6


async def test_the_loaner_that_was_set_aside_may_be_named_when_it_goes_out(desk: Desk) -> None:  # noqa: F811
    loaner, other = [
        await makers.make_asset(desk.work, is_loaner=True, school_id=desk.school.id) for _ in range(2)
    ]
    wanted = AskForLoaner(kind=AssetKind.CHROMEBOOK, person_id=desk.teacher.id)
    loan = await ask_for_loaner(desk.work, wanted)
    out = MoveLoan(state=LoanState.HANDED_OUT, asset_tag=loaner.tag)
    assert (await move_loan(desk.work, loan.id, out)).asset_id == loaner.id
    for tag in (other.tag, loaner.tag):
        with pytest.raises(Invalid, match="when it goes out"):
            await move_loan(desk.work, loan.id, MoveLoan(state=LoanState.RETURNED, asset_tag=tag))
    assert (await move_loan(desk.work, loan.id, MoveLoan(state=LoanState.RETURNED))).asset_id == loaner.id


async def test_what_the_district_decided_once_is_not_carried_for_ever(desk: Desk) -> None:  # noqa: F811
    lead = await desk.as_(desk.lead)
    fact = await district.set_district_fact(
        lead, district.SetDistrictFact(name="policy.loaner_allowed", value=True)
    )
    past = desk.work.now - timedelta(days=1)
    await desk.work.session.execute(update(DistrictFact).where(DistrictFact.id == fact.id).values(until=past))
    assert await decided._load(desk.work) == []
