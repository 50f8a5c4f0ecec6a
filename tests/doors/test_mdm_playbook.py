"""Playbooks command devices: from a teacher's answer to Google's reply, with a worker in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from procrastinate import PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import text

import service.worker
from integrations.mdm.simulated.server import Fault
from service.app import make_app
from service.assets.models import Asset
from service.core.actor import SYSTEM, Role
from service.core.outbox import jobs
from service.core.settings import Settings
from service.core.vault import open_vault
from service.mdm.models import CommandState, VendorName
from service.mdm.vendors import Managements
from service.playbooks import versions
from service.playbooks.district import SetDistrictFact, set_district_fact
from tests import makers
from tests.command_lab import QUICK, CommandLab, copied
from tests.mdm_lab import Stage, Watch, serving

CHROMEBOOK = "7f3c2a10-0000-4000-8000-000000000001"
IPAD = "mobile:1"
NOW = datetime.now(UTC).replace(microsecond=0)
DUE = text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE scheduled_at <= :now")
"""The queue keeps to the database's clock, the desk to its own."""
ALWAYS = {
    "zone": "UTC",
    "hours": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}
"""In session, whenever the test runs: then the teacher is asked before a restart."""
WIPING = """
schema: playbook/1
id: wipe-it-{role}
title: {{en: Erase the tablet}}
summary: {{en: Erases it once somebody has agreed}}
owner: desk
start: erase
steps:
  erase:
    action: device.command
    text: {{en: We erase the tablet if somebody agrees. Leave it on.}}
    with: {{command: wipe}}
    risk: R3
    approval: {{role: {role}, timeout: 24h}}
    timeout: 4h
    ok: good
    failed: over
    refused: over
    on_timeout: over
  good: {{end: {{cause: other, fix: self.guided, outcome: solved_assumed}}, text: {{en: Good}}}}
  over: {{handoff: {{queue: desk}}, text: {{en: A technician comes}}}}
examples:
  - {{name: it works, decisions: {{erase: true}}, results: {{erase: ok}},
     ends: {{cause: other, fix: self.guided, outcome: solved_assumed}}}}
  - {{name: it does not, decisions: {{erase: true}}, results: {{erase: failed}}, ends: {{handoff: desk}}}}
  - {{name: nobody wants it, decisions: {{erase: false}}, ends: {{handoff: desk}}}}
  - {{name: nobody says, times_out: [erase], ends: {{handoff: desk}}}}
"""


@dataclass
class Play:
    """A school with a teacher, the desk's people, and a worker that is called for."""

    lab: CommandLab
    client: httpx.AsyncClient
    people: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    school: str = ""

    async def post(self, path: str, body: Any, who: str = "teacher") -> dict[str, Any]:
        headers = makers.bearer(self.tokens[who])
        answer = await self.client.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def get(self, path: str, who: str = "technician") -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1{path}", headers=makers.bearer(self.tokens[who]))
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def says(self, run: int, step: str, value: str) -> dict[str, Any]:
        return await self.post(f"/playbook-runs/{run}/answer", {"step": step, "value": value})

    async def run(self, run: int) -> dict[str, Any]:
        return await self.get(f"/playbook-runs/{run}", "teacher")

    async def work_off(self, by: timedelta = timedelta(0)) -> None:
        """Time goes by; then a worker, until nothing waits any more."""
        self.lab.watch.now += by
        self.lab.simulator.clock.push(by)
        connector = PsycopgConnector(
            conninfo=self.lab.database_url.replace("+psycopg", "", 1), min_size=1, max_size=4
        )
        async with self.lab.resources.begin(SYSTEM) as work:
            await work.session.execute(DUE, {"now": self.lab.watch.now})
        held = {"resources": self.lab.resources, "managements": self.lab.managements}
        with jobs.replace_connector(connector) as app:
            async with app.open_async():
                for name in ("mdm.look_at_commands", "playbooks.wake"):
                    with suppress(AlreadyEnqueued):  # the worker's own clock was quicker
                        await app.configure_task(name).defer_async(timestamp=0)
                for _ in range(2):  # what was heard may ask for more
                    await app.run_worker_async(
                        queues=["desk", "mdm"],
                        wait=False,
                        delete_jobs="successful",
                        install_signal_handlers=False,
                        listen_notify=False,
                        additional_context=held,
                    )

    async def begin(self) -> None:
        async with self.lab.resources.begin(SYSTEM) as work:
            await makers.default_queue(work)
            queues = [await makers.make_queue(work, key=key) for key in ("network", "devices")]
            for key in ("network", "network.wifi"):
                await makers.make_category(work, key)
            calendar = await makers.make_calendar(work, ALWAYS)
            school = await makers.make_school(work, calendar_id=calendar.id)
            self.school = school.id
            for who, role in (
                ("teacher", Role.STAFF),
                ("technician", Role.TECHNICIAN),
                ("lead", Role.LEAD),
                ("admin", Role.ADMIN),
            ):
                given = {} if role is Role.STAFF else {"queues": queues, "schools": [school]}
                person = await makers.make_person(work, role, school_id=school.id, **given)
                self.people[who] = person
                self.tokens[who] = await makers.token_for(work, person)
            await versions.publish_shipped(work)
            for role in ("lead", "technician"):
                await makers.make_playbook(work, WIPING.format(role=role))
            await work.session.execute(text("DELETE FROM procrastinate_jobs"))

    async def device(self, vendor: VendorName, external_id: str, kind: str) -> str:
        """The teacher's, by its tag."""
        connection = await self.lab.stands(vendor)
        device = next(one for one in await self.lab.devices(connection) if one.external_id == external_id)
        tag = await self.lab.know(connection, device)
        async with self.lab.resources.begin(SYSTEM) as work:
            asset = await work.session.get_one(Asset, (await self.lab.asset(tag)).id)
            asset.kind, asset.holder_id = asset.kind.__class__(kind), self.people["teacher"].id
            asset.school_id = asset.place_id = self.school
        return tag

    async def commands(self, tag: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/mdm/commands?asset_tag={tag}"))["items"])


@pytest.fixture(scope="module")
async def shared_play(empty_url: str) -> AsyncIterator[Play]:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(copied(empty_url, "playbook"))
        app = make_app(url, Settings(database_pool=8))
        await stack.enter_async_context(app.router.lifespan_context(app))
        watch, stage = Watch(NOW), Stage()
        app.state.resources.clock = watch
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        address = await stack.enter_async_context(serving(stage))
        managements = Managements(open_vault(), http, QUICK)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://desk")
        )
        made = Play(CommandLab(app.state.resources, managements, watch, stage, address, url), client)
        await made.begin()
        yield made


@pytest.fixture
async def play(shared_play: Play) -> AsyncIterator[Play]:
    yield shared_play
    async with shared_play.lab.resources.begin(SYSTEM) as work:
        for change in (
            "DELETE FROM mdm_commands",
            "DELETE FROM district_facts",
            "DELETE FROM procrastinate_jobs",
            "UPDATE mdm_connections SET enabled = false",
            "UPDATE playbook_runs SET ended_at = now(), wake_at = NULL WHERE ended_at IS NULL",
        ):
            await work.session.execute(text(change))
        work.change_config()


def seen(play: Play, ago: timedelta) -> None:
    """The Chromebook checks in."""
    at = play.lab.watch.now - ago
    play.lab.simulator.devices[CHROMEBOOK]["lastSync"] = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


async def until_the_restart(play: Play) -> tuple[str, int]:
    """The teacher has answered up to the question whether it may be restarted now."""
    tag = await play.device(VendorName.GOOGLE, CHROMEBOOK, "chromebook")
    seen(play, timedelta(minutes=20))
    asset = await play.lab.asset(tag)
    await service.mdm.command_jobs.read_managed_device.func(play.lab.context("mdm.read_device"), asset.id, [])
    opened = await play.post(
        "/tickets",
        {"subject": "My Chromebook will not connect", "asset_tag": tag, "start_playbook": "chromebook-wifi"},
    )
    run = opened["run"]["id"]
    await play.says(run, "others_work", "yes")
    asked = await play.says(run, "network_list", "no_internet")
    assert (asked["stage"], asked["path"]) == ("consent", "restart")
    return tag, run


async def test_a_playbook_restarts_a_chromebook_and_ends_confirmed(play: Play) -> None:
    tag, run = await until_the_restart(play)
    assert (await play.says(run, "restart", "yes"))["stage"] == "acting"
    await play.work_off()
    assert play.lab.simulator.effects == [("issued", CHROMEBOOK, "REBOOT")]
    (command,) = await play.commands(tag)
    assert (command["state"], command["asked_by_id"]) == ("sent", play.people["teacher"].id)
    await play.work_off(timedelta(seconds=95))
    (command,) = await play.commands(tag)
    assert command["state"] == "succeeded"
    assert (await play.run(run))["stage"] == "verifying"
    seen(play, timedelta(0))
    await play.work_off(timedelta(seconds=20))
    assert (await play.run(run))["path"] == "works_now"
    ended = await play.says(run, "works_now", "yes")
    assert (ended["stage"], ended["outcome"]) == ("ended", "solved_confirmed")
    ticket = await play.get(f"/tickets/{command['ticket']}")
    assert ticket["status"] == "resolved"
    timeline = await play.get(f"/tickets/{command['ticket']}/timeline")
    notes = [one["body"] for one in timeline["items"] if one["kind"] == "ticket.noted"]
    assert any(f"Restart of {tag}" in note and "was done" in note for note in notes)
    assert len(play.lab.simulator.effects) == 1


async def test_a_restart_that_fails_leads_the_teacher_on(play: Play) -> None:
    tag, run = await until_the_restart(play)
    play.lab.simulator.failing.add(CHROMEBOOK)
    await play.says(run, "restart", "yes")
    await play.work_off()
    await play.work_off(timedelta(seconds=95))
    assert (await play.run(run))["path"] == "restart_by_hand"
    assert [one["state"] for one in await play.commands(tag)] == ["failed"]


async def test_the_same_job_twice_is_one_command(play: Play) -> None:
    tag, run = await until_the_restart(play)
    await play.says(run, "restart", "yes")
    action = await play.lab.one("SELECT * FROM playbook_actions WHERE run_id = :id", id=run)
    for _ in range(3):
        await service.mdm.command_jobs.send_command.func(
            play.lab.context("mdm.send_command"),
            action_id=action.id,
            asset_id=action.asset_id,
            arguments=action.arguments,
            key=f"run {run} {action.path} {action.attempt}",
        )
    await play.work_off()
    assert len(await play.commands(tag)) == 1
    assert len(play.lab.simulator.effects) == 1


@pytest.mark.parametrize(
    ("change", "result", "words"),
    [
        ("UPDATE mdm_connections SET allows_commands = false", "unsupported", "switched off"),
        ("UPDATE mdm_records SET asset_id = NULL", "unsupported", "No device management knows"),
    ],
)
async def test_what_stands_against_it_is_the_actions_result(
    play: Play, change: str, result: str, words: str
) -> None:
    _, run = await until_the_restart(play)
    async with play.lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text(change))
    await play.says(run, "restart", "yes")
    await play.work_off()
    action = await play.lab.one("SELECT * FROM playbook_actions WHERE run_id = :id", id=run)
    assert action.result == result
    assert words in action.detail
    assert (await play.run(run))["path"] == "restart_by_hand"
    assert play.lab.simulator.effects == []


async def test_a_test_that_begins_in_between_refuses_it(play: Play) -> None:
    tag, run = await until_the_restart(play)
    await play.says(run, "restart", "yes")
    async with play.lab.resources.begin(SYSTEM) as work:
        lead = await makers.acting(work, play.people["lead"])
        wanted = SetDistrictFact(name="school.testing", value=True, school_id=play.school)
        await set_district_fact(lead, wanted)
    await play.work_off()
    assert (await play.run(run))["path"] == "restart_by_hand"
    assert (await play.commands(tag), play.lab.simulator.effects) == ([], [])


async def until_approval(play: Play, role: str) -> tuple[str, int]:
    tag = await play.device(VendorName.JAMF_PRO, IPAD, "tablet")
    run = await play.post("/playbook-runs", {"playbook": f"wipe-it-{role}", "asset_tag": tag})
    assert run["stage"] == "approval"
    return tag, int(run["id"])


async def approve(play: Play, run: int, who: str) -> dict[str, Any]:
    return await play.post(f"/playbook-runs/{run}/approve", {"reason": "It is given back"}, who)


async def test_a_wipe_by_a_playbook_takes_two_people_and_happens_once_though_the_reply_was_lost(
    play: Play,
) -> None:
    tag, run = await until_approval(play, "lead")
    await play.work_off()
    assert play.lab.simulator.effects == []
    play.lab.simulator.inject(Fault("cut", done=True), path="/erase$")
    await approve(play, run, "lead")
    await play.work_off()
    (command,) = await play.commands(tag)
    assert (command["state"], command["asked_by_id"], command["decided_by_id"]) == (
        "unsure",
        play.people["teacher"].id,
        play.people["lead"].id,
    )
    for _ in range(6):
        await play.work_off(timedelta(minutes=2))
    (command,) = await play.commands(tag)
    assert command["state"] == "succeeded"
    assert (await play.run(run))["stage"] == "ended"
    assert len(play.lab.simulator.effects) == 1


async def test_a_technicians_word_in_a_playbook_is_not_enough_to_wipe(play: Play) -> None:
    tag, run = await until_approval(play, "technician")
    await approve(play, run, "technician")
    await play.work_off()
    (command,) = await play.commands(tag)
    assert (command["state"], play.lab.simulator.effects) == ("waiting", [])
    await play.post(f"/mdm/commands/{command['id']}/approve", {}, "lead")
    await play.work_off()
    await play.work_off(timedelta(minutes=2))
    (command,) = await play.commands(tag)
    assert (command["state"], len(play.lab.simulator.effects)) == ("succeeded", 1)
    assert (await play.run(run))["stage"] == "ended"


async def test_a_wipe_that_nobody_approves_here_is_withdrawn_when_its_run_goes_on(play: Play) -> None:
    tag, run = await until_approval(play, "technician")
    await approve(play, run, "technician")
    await play.work_off()
    await play.work_off(timedelta(hours=5))
    await play.work_off()
    (command,) = await play.commands(tag)
    assert (command["state"], play.lab.simulator.effects) == (CommandState.CANCELLED.value, [])
    assert (await play.run(run))["stage"] == "handed_over"
