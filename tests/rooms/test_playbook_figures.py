"""Figures of playbooks against plain counting, and what guided help really saved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from service.core.actor import Role
from service.core.errors import Forbidden
from service.core.work import Work
from service.playbooks import actions, analytics, waking
from service.playbooks.measures import SMALLEST_GROUP
from tests import makers
from tests.playbook_texts import small


class Town:
    def __init__(self, work: Work) -> None:
        self.work = work

    async def set_up(self) -> Town:
        await makers.default_queue(self.work)
        self.school = await makers.make_school(self.work)
        self.lead = await makers.make_person(self.work, Role.LEAD, schools=[self.school])
        await makers.make_playbook(self.work, small())
        return self

    async def run(self, *said: tuple[str, Any], **given: Any) -> tuple[Any, Work]:
        """A run of somebody new, with these answers; a step of the run takes a minute."""
        teacher = await makers.make_person(self.work, school_id=self.school.id)
        theirs = await makers.acting(self.work, teacher)
        run = await actions.start_run(theirs, actions.StartRun(playbook="small", **given))
        for step, value in said:
            self.work.now += timedelta(minutes=1)
            theirs.now = self.work.now
            way = {"way": value} if value in ("dont_know", "left_out") else {"value": value}
            await actions.answer(theirs, run.id, actions.AnswerStep(step=step, **way))
        return run, theirs

    async def figures(self) -> dict[str, Any]:
        self.work.now += timedelta(seconds=1)
        lead = await makers.acting(self.work, self.lead)
        lead.now = self.work.now
        return await analytics.analytics(lead, "small")


@pytest.fixture
async def town(work: Work) -> Town:
    return await Town(work).set_up()


async def test_steps_are_counted_as_they_were_taken(town: Town) -> None:
    for _ in range(3):
        await town.run(("first", "yes"), ("second", "left_out"))
    await town.run(("first", "dont_know"))
    back, theirs = await town.run(("first", "yes"))
    await actions.back(theirs, back.id)
    skipped, theirs = await town.run()
    await actions.skip(theirs, skipped.id, actions.SkipStep(step="first", reason="It has no switch"))
    silent, _ = await town.run()
    town.work.now += timedelta(hours=24)
    await waking.wake_one(town.work, silent.id)
    told = await town.figures()
    first = next(step for step in told["steps"] if step["step"] == "first")
    assert told["runs"] == 7
    assert first["entered"] == 8
    assert (first["answered"], first["dont_know"], first["timed_out"]) == (4, 1, 1)
    assert (first["back_jumps"], first["not_relevant"]) == (1, 1)
    assert first["edges"] == {"yes": 4, "dont_know": 2, "timeout": 1}
    assert first["median_seconds"] == 60
    assert first["drop_off"] == round(1 / 8, 4)
    assert told["outcomes"] == {"solved_confirmed": 3, "handed_over": 3, "open": 1}
    assert told["not_relevant"] == [{"step": "first", "reason": "It has no switch", "times": 1}]
    assert set(told["definitions"]) >= {"entered", "drop_off", "reopened_7d"}


async def test_dry_runs_do_not_count(town: Town) -> None:
    await town.run(("first", "yes"), ("second", "left_out"), dry_run=True)
    assert (await town.figures())["runs"] == 0


async def test_small_groups_are_hidden(town: Town) -> None:
    for _ in range(SMALLEST_GROUP - 1):
        await town.run(language="es")
    assert (await town.figures())["by"]["language"] == {"groups": [], "hidden": 1}
    await town.run(language="es")
    assert (await town.figures())["by"]["language"]["groups"] == [
        {"key": "es", "runs": SMALLEST_GROUP, "solved": 0}
    ]


async def test_figures_are_not_for_teachers(town: Town) -> None:
    _, theirs = await town.run()
    with pytest.raises(Forbidden):
        await analytics.analytics(theirs, "small")


async def test_deflection_is_confirmed_silent_or_returned_and_never_just_no_ticket(town: Town) -> None:
    good = ("first", "yes"), ("second", "left_out")
    await town.run(*good)
    _, came_back = await town.run(*good)
    gone, theirs = await town.run()
    await actions.cancel(theirs, gone.id, actions.Why(reason="Bell rang"))
    _, later = await town.run(*good)
    await town.run(("first", "dont_know"))
    came_back.now = town.work.now + timedelta(hours=3)
    await makers.make_ticket(came_back)
    later.now = town.work.now + timedelta(days=3)
    await makers.make_ticket(later)
    lead = await makers.acting(town.work, town.lead)
    lead.now = town.work.now + timedelta(days=8)
    windows = (await analytics.deflection(lead))["windows"]
    assert windows["24h"] == {"runs": 5, "handed_over": 1, "returned": 1, "confirmed": 2, "silent": 1}
    assert windows["7d"] == {"runs": 5, "handed_over": 1, "returned": 2, "confirmed": 1, "silent": 1}


async def test_a_run_counts_only_once_its_window_has_passed(town: Town) -> None:
    await town.run(("first", "yes"), ("second", "left_out"))
    lead = await makers.acting(town.work, town.lead)
    lead.now = town.work.now + timedelta(days=2)
    windows = (await analytics.deflection(lead))["windows"]
    assert (windows["24h"]["runs"], windows["7d"]["runs"]) == (1, 0)
