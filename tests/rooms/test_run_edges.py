"""Runs at their edges: races, what is late, what is broken, and who has no business there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from service.assets.facts import FactIn, keep_facts
from service.assets.models import Asset, Loan
from service.core.actor import SYSTEM, Role
from service.core.errors import Conflict, Forbidden, Invalid, NotFound
from service.playbooks import access, actions, district, jobs, opening, queries, versions, waking
from service.playbooks.models import ActionState, PlaybookRun, RunAction
from service.playbooks.state import Stage
from service.tickets import actions as tickets
from service.tickets import inputs
from service.tickets.lifecycle import Status
from service.tickets.models import Ticket
from tests import makers
from tests.playbook_texts import small
from tests.rooms.test_runs import Desk, ago, desk, until_restart  # noqa: F401


async def states(desk: Desk) -> list[ActionState]:
    return list(await desk.work.session.scalars(select(RunAction.state).order_by(RunAction.id)))


async def test_what_waits_for_its_turn_is_not_done_once_its_run_is_over(desk: Desk) -> None:
    first = await until_restart(desk)
    await desk.says(first, "restart", "yes")
    second = await until_restart(desk)
    await desk.says(second, "restart", "yes")
    await actions.cancel(await desk.as_(desk.teacher), second.id, actions.Why(reason="It works now"))
    ran = await desk.work.session.scalar(select(RunAction.id).order_by(RunAction.id))
    assert ran is not None
    await waking.report_result(desk.work, ran, "ok", None)
    assert await states(desk) == [ActionState.ENDED, ActionState.ENDED]


async def test_an_action_that_is_never_heard_of_does_not_keep_its_device_for_ever(desk: Desk) -> None:
    first = await until_restart(desk)
    await desk.says(first, "restart", "yes")
    assert first.wake_at is not None
    desk.work.now = first.wake_at
    await waking.wake_one(desk.work, first.id)
    assert first.path == "restart_by_hand"
    second = await until_restart(desk)
    await desk.says(second, "restart", "yes")
    assert (await states(desk))[-1] is ActionState.SENT


async def test_a_wait_for_a_fact_or_a_reply_goes_on_with_either(desk: Desk) -> None:
    source = small("either").replace("next: second", "next: waits").replace(
        "  second:\n",
        "  waits:\n    wait: {for: 24h, until: {fact: device.last_seen, op: newer_than, value: 10m, max_age: 10m}"
        ", reply: true}\n    text: {en: Wait, es: Espere}\n    done: second\n    timed_out: over\n  second:\n",
    ).replace("path: [first, second, good]", "path: [first, waits, second, good]")
    source = source.replace("answers: {first: yes, second: [one]}", "facts: {device.last_seen: 1m ago}\n    answers: {first: yes, second: [one]}")
    print(source)
    await makers.make_playbook(desk.work, source, until=versions.VersionStatus.DRAFT)
