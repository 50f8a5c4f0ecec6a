"""Guided help through both doors, as a teacher, a technician and an integration use it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.core.actor import SYSTEM, Role
from tests import makers
from tests.doors.graphql_client import Desk, make_desk
from tests.playbook_texts import PIXEL, small

START = """mutation($input: StartRunInput!) { startRun(input: $input) {
    run { runId path stage title step { text kind choices { value label } ways { value } } }
    userErrors { field code message } } }"""
ANSWER = """mutation($input: AnswerStepInput!) { answerStep(input: $input) {
    run { runId path stage outcome version step { text } } userErrors { field code message } } }"""


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    async with app.state.resources.begin(SYSTEM) as work:
        await makers.make_playbook(work, small("helped").replace("frobnicator", "gizmotron"))
        made.people["lead"] = await makers.make_person(work, Role.LEAD)
        made.tokens["lead"] = await makers.token_for(work, made.people["lead"])
        made.people["sync"] = await makers.make_person(work, Role.INTEGRATION)
        made.tokens["sync"] = await makers.token_for(work, made.people["sync"], everything=True)
    yield made
    await made.client.aclose()


class Rest:
    """REST as somebody."""

    def __init__(self, desk: Desk, who: str) -> None:
        self.client = desk.client
        self.headers = makers.bearer(desk.tokens[who])

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.client.post(f"/api/v1{path}", json=body, headers=self.headers | headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", headers=self.headers)


async def test_opening_a_ticket_answers_with_help_and_begins_it_at_once(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    body = {"subject": "The gizmotron is off", "language": "es", "start_playbook": "helped"}
    opened = (await teacher.post("/tickets", body)).json()
    assert opened["suggested_playbooks"] == [
        {
            "playbook": "helped",
            "title": "Un libro pequeño",
            "summary": "Pregunta dos veces",
            "first_question": "Está encendido",
        }
    ]
    assert (opened["run"]["ticket"], opened["run"]["step"]["text"]) == (opened["number"], "Está encendido")
    assert [way["label"] for way in opened["run"]["step"]["ways"]] == ["No lo sé", "No puedo hacerlo"]


async def test_a_key_opens_one_ticket_and_one_run(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    body = {"subject": "The gizmotron is off", "start_playbook": "helped"}
    key = makers.unique("guided")
    answers = await asyncio.gather(
        *(teacher.post("/tickets", body, **{"Idempotency-Key": key}) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["run"]["id"] for answer in answers}) == 1
    other = await teacher.post("/tickets", body | {"start_playbook": None}, **{"Idempotency-Key": key})
    assert other.json()["code"] == "idempotency_key_reused"


async def test_an_unknown_playbook_opens_nothing(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    before = (await teacher.get("/tickets/count")).json()
    refused = await teacher.post("/tickets", {"subject": "Help", "start_playbook": "no-such"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "unknown_playbook")
    assert (await teacher.get("/tickets/count")).json() == before


async def test_a_run_by_graphql_from_start_to_end(desk: Desk) -> None:
    started = (await desk.data(START, "teacher", input={"playbook": "helped"}))["startRun"]
    run = started["run"]
    assert (run["path"], run["stage"], run["title"]) == ("first", "ASKING", "A small playbook")
    assert [choice["value"] for choice in run["step"]["choices"]] == ["yes", "no"]
    given = {"run": run["runId"], "step": "first", "value": "yes"}
    moved = (await desk.data(ANSWER, "teacher", input=given))["answerStep"]["run"]
    assert moved["path"] == "second"
    given = {"run": run["runId"], "step": "second", "way": "left_out"}
    ended = (await desk.data(ANSWER, "teacher", input=given))["answerStep"]["run"]
    assert (ended["stage"], ended["outcome"], ended["step"]["text"]) == ("ENDED", "solved_confirmed", "Good")


async def test_what_does_not_fit_is_told_in_a_sentence_through_both_doors(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    run = (await teacher.post("/playbook-runs", {"playbook": "helped", "language": "es"})).json()["id"]
    refused = await teacher.post(f"/playbook-runs/{run}/answer", {"step": "first", "value": "maybe"})
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (
        422,
        "Elija una de estas: yes, no.",
    )
    given = {"run": str(run), "step": "first", "value": "maybe"}
    payload = (await desk.data(ANSWER, "teacher", input=given))["answerStep"]
    assert payload["userErrors"][0]["message"] == "Elija una de estas: yes, no."
    gone = await teacher.post(f"/playbook-runs/{run}/answer", {"step": "second", "value": "x"})
    assert (gone.status_code, gone.json()["code"]) == (409, "another_step")


async def test_answers_that_are_hostile_get_an_answer(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    run = (await teacher.post("/playbook-runs", {"playbook": "helped"})).json()["id"]
    for value in ({}, [], [[]], None, 10**30, "x" * 5000, ["a"] * 30, "\x00", True, -0.0):
        answer = await teacher.post(f"/playbook-runs/{run}/answer", {"step": "first", "value": value})
        assert answer.status_code == 422, (value, answer.text)
    for step in ("", "FIRST", "a" * 300, "first;drop", "../x"):
        answer = await teacher.post(f"/playbook-runs/{run}/answer", {"step": step, "value": "yes"})
        assert answer.status_code == 422, step


async def test_a_photo_is_an_answer_and_only_for_those_who_see_the_run(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    run = (await teacher.post("/playbook-runs", {"playbook": "helped"})).json()["id"]
    await teacher.post(f"/playbook-runs/{run}/answer", {"step": "first", "value": "yes"})
    unknown = await teacher.post(
        f"/playbook-runs/{run}/answer", {"step": "second", "value": ["0123456789abcdef"]}
    )
    assert unknown.json()["errors"][0]["code"] == "unknown_photo"
    no_picture = base64.b64encode(b"<svg onload=alert(1)>").decode()
    for content, code in ((no_picture, "bad_picture"), ("not base64!", "bad_base64")):
        refused = await teacher.post(f"/playbook-runs/{run}/photos", {"content": content})
        assert refused.json()["errors"][0]["code"] == code
    key = (await teacher.post(f"/playbook-runs/{run}/photos", {"content": PIXEL})).json()["key"]
    shown = await teacher.get(f"/playbook-runs/{run}/photos/{key}")
    assert (shown.headers["content-type"], base64.b64encode(shown.content).decode()) == ("image/png", PIXEL)
    assert (await Rest(desk, "stranger").get(f"/playbook-runs/{run}/photos/{key}")).status_code == 404
    ended = await teacher.post(f"/playbook-runs/{run}/answer", {"step": "second", "value": [key]})
    assert ended.json()["outcome"] == "solved_confirmed"


async def test_a_technician_approves_with_a_reason_and_reads_everything(desk: Desk) -> None:
    teacher, technician = Rest(desk, "teacher"), Rest(desk, "technician")
    run = (await teacher.post("/playbook-runs", {"playbook": "helped"})).json()["id"]
    asked = (await teacher.post(f"/playbook-runs/{run}/answer", {"step": "first", "value": "no"})).json()
    assert (asked["stage"], asked["approval_role"]) == ("approval", "technician")
    assert "has to agree first" in asked["step"]["text"]
    waiting = (await technician.get("/playbook-runs?stage=approval")).json()["items"]
    assert run in [row["id"] for row in waiting]
    bare = await technician.post(f"/playbook-runs/{run}/approve", {})
    assert bare.status_code == 422
    done = await technician.post(f"/playbook-runs/{run}/approve", {"reason": "Looks safe"})
    assert done.json()["stage"] == "ended"
    log = (await technician.get(f"/playbook-runs/{run}/log?limit=100")).json()["items"]
    assert [line["kind"] for line in log].count("approved") == 1
    assert next(line["detail"]["reason"] for line in log if line["kind"] == "approved") == "Looks safe"


async def test_an_old_version_of_a_run_is_not_answered_by_mistake(desk: Desk) -> None:
    teacher = Rest(desk, "teacher")
    started = await teacher.post("/playbook-runs", {"playbook": "helped"})
    run, etag = started.json()["id"], started.headers["etag"]
    answer = {"step": "first", "value": "yes"}
    assert (await teacher.post(f"/playbook-runs/{run}/answer", answer, **{"If-Match": etag})).is_success
    stale = await teacher.post(f"/playbook-runs/{run}/back", **{"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")


async def test_a_district_writes_checks_and_publishes_its_own(desk: Desk) -> None:
    lead, technician = Rest(desk, "lead"), Rest(desk, "technician")
    broken = {"source": small("ours").replace("next: agree", "next: nowhere")}
    checked = (await lead.post("/playbooks/check", broken)).json()
    assert [problem["code"] for problem in checked["problems"]] == ["no_target", "unreachable"]
    assert checked["problems"][0]["line"] == 11
    draft = await lead.post("/playbooks", {"source": small("ours")})
    version = draft.json()["id"]
    early = await lead.post(f"/playbook-versions/{version}/publish")
    assert early.status_code == 409
    assert (await lead.post(f"/playbook-versions/{version}/submit")).json()["status"] == "review"
    published = (await lead.post(f"/playbook-versions/{version}/publish")).json()
    assert (published["status"], len(published["hash"])) == ("published", 64)
    listed = (await technician.get("/playbooks/ours")).json()
    assert (listed["origin"], listed["languages"], listed["version"]) == ("district", ["en", "es"], 1)
    graph = (await technician.get("/playbooks/ours/graph?language=es")).json()["mermaid"]
    assert graph.startswith("flowchart TD")
    assert "Está encendido" in graph
    assert (await technician.post("/playbooks", {"source": small("mine")})).status_code == 403
    gone = await lead.post(f"/playbook-versions/{version}/withdraw", {"reason": "Wrong"})
    assert gone.json()["status"] == "withdrawn"
    assert (await technician.get("/playbooks/ours")).status_code == 404


async def test_facts_of_devices_are_kept_with_age_and_source(desk: Desk) -> None:
    sync, technician = Rest(desk, "sync"), Rest(desk, "technician")
    said = {"name": "device.os_version", "value": "131.0", "as_of": "2026-09-14T10:00:00+00:00"}
    told = await sync.post(f"/assets/{desk.tag}/facts", {"source": "google", "facts": [said]})
    assert told.is_success
    (fact,) = (await technician.get(f"/assets/{desk.tag}/facts")).json()
    assert (fact["value"], fact["source"]) == ("131.0", "google")
    asked = "query($tag: String!) { asset(tag: $tag) { facts { name value source } } }"
    facts = (await desk.data(asked, tag=desk.tag))["asset"]["facts"]
    assert facts == [{"name": "device.os_version", "value": "131.0", "source": "google"}]
    assert (await Rest(desk, "teacher").get(f"/assets/{desk.tag}/facts")).status_code == 403
    future = said | {"as_of": "2190-01-01T00:00:00+00:00"}
    refused = await sync.post(f"/assets/{desk.tag}/facts", {"source": "google", "facts": [future]})
    assert refused.json()["errors"][0]["code"] == "in_the_future"


async def test_a_loaner_goes_out_and_comes_back(desk: Desk, app: Any) -> None:
    async with app.state.resources.begin(SYSTEM) as work:
        loaner = await makers.make_asset(work, is_loaner=True, school_id=desk.school.id)
    technician = Rest(desk, "technician")
    wanted = {"kind": "chromebook", "person_id": desk.people["teacher"].id}
    loan = (await technician.post("/loans", wanted)).json()
    assert (loan["state"], loan["asset_tag"]) == ("set_aside", loaner.tag)
    none_left = await technician.post("/loans", wanted)
    assert (none_left.status_code, none_left.json()["code"]) == (409, "no_loaner_free")
    mine = (await Rest(desk, "teacher").get("/loans")).json()["items"]
    assert [row["id"] for row in mine] == [loan["id"]]
    for state in ("handed_out", "returned"):
        moved = await technician.post(f"/loans/{loan['id']}/move", {"state": state})
        assert moved.json()["state"] == state
    assert (await technician.post("/loans", wanted)).is_success
