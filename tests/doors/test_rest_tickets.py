"""The HTTP door to tickets: what a client relies on."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest

from service.core.actor import SYSTEM, Role
from service.people.models import Token
from tests import makers


class Desk:
    """A school with a teacher and a technician, and how they speak to the desk."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.teacher: dict[str, str] = {}
        self.technician: dict[str, str] = {}
        self.queue = ""

    async def open(self, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        body = {"subject": "Projector shows no picture"} | fields
        return await self.client.post("/api/v1/tickets", json=body, headers=headers or self.teacher)

    async def do(self, number: int, verb: str, body: Any = None, **headers: str) -> httpx.Response:
        path = f"/api/v1/tickets/{number}/{verb}"
        return await self.client.post(path, json=body, headers=self.technician | headers)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", headers=headers or self.technician)


@pytest.fixture
async def desk(app: Any, client: httpx.AsyncClient) -> Desk:
    made = Desk(client)
    async with app.state.resources.begin(SYSTEM) as work:
        default = await makers.default_queue(work)
        school = await makers.make_school(work)
        await makers.make_policy(work, matches={"school": [school.id]})
        teacher = await makers.make_person(work, school_id=school.id, name="Rosa Delgado")
        technician = await makers.make_person(work, Role.TECHNICIAN, queues=[default], name="Amir Haddad")
        made.teacher = makers.bearer(await makers.token_for(work, teacher))
        made.technician = makers.bearer(await makers.token_for(work, technician))
        made.queue = default.key
    return made


async def test_a_ticket_is_answered_with_its_number_and_due_times(desk: Desk) -> None:
    answer = await desk.open(impact="classroom", urgency="cannot_work")
    ticket = answer.json()
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"v1"'
    assert ticket["number"] > 1000
    assert (ticket["status"], ticket["priority"], ticket["requester"]["name"]) == (
        "new",
        "P1",
        "Rosa Delgado",
    )
    assert [(t["target"], t["state"], t["target_minutes"]) for t in ticket["timers"]] == [
        ("first_response", "running", 30.0),
        ("resolution", "running", 240.0),
    ]
    due = min(datetime.fromisoformat(t["due_at"]) for t in ticket["timers"])
    assert datetime.fromisoformat(ticket["next_due_at"]) == due


async def test_the_same_key_sent_twice_opens_one_ticket(desk: Desk) -> None:
    headers = desk.teacher | {"Idempotency-Key": makers.unique("open")}
    first = await desk.open(headers)
    second = await desk.open(headers)
    assert second.status_code == 201
    assert second.content == first.content
    assert second.headers["etag"] == first.headers["etag"]
    assert second.headers["idempotency-replayed"] == "true"


async def test_the_same_key_sent_twenty_times_at_once_opens_one_ticket(desk: Desk) -> None:
    headers = desk.teacher | {"Idempotency-Key": makers.unique("storm")}
    answers = await asyncio.gather(*(desk.open(headers) for _ in range(20)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["number"] for a in answers}) == 1


async def test_a_key_used_for_another_body_is_refused(desk: Desk) -> None:
    headers = desk.teacher | {"Idempotency-Key": makers.unique("other")}
    await desk.open(headers)
    answer = await desk.open(headers, subject="Something else")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_refused_request_leaves_its_key_free(desk: Desk) -> None:
    number = (await desk.open()).json()["number"]
    key = {"Idempotency-Key": makers.unique("again")}
    body = {"reason": "Still dark"}
    assert (await desk.do(number, "reopen", body, **key)).status_code == 409
    await desk.do(number, "resolve", {"resolution": "Done", "cause": "other", "fix": "none"})
    assert (await desk.do(number, "reopen", body, **key)).status_code == 200
    again = await desk.do(number, "reopen", body, **key)
    assert (again.status_code, again.json()["reopens"]) == (200, 1)


async def test_keys_belong_to_their_sender(desk: Desk) -> None:
    key = {"Idempotency-Key": makers.unique("shared")}
    mine = (await desk.open(desk.teacher | key)).json()["number"]
    theirs = (await desk.open(desk.technician | key)).json()["number"]
    assert mine != theirs


async def test_a_change_to_an_old_version_is_refused(desk: Desk) -> None:
    opened = await desk.open()
    number, etag = opened.json()["number"], opened.headers["etag"]
    assert (await desk.do(number, "start", **{"If-Match": etag})).headers["etag"] == '"v2"'
    stale = await desk.do(number, "note", {"body": "Late"}, **{"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert (await desk.do(number, "note", {"body": "Now"}, **{"If-Match": '"v2"'})).status_code == 200


@pytest.mark.parametrize("tag", ["7", '"x"', '"v"', '"v99999999999999999999"', "'v1'"])
async def test_an_etag_that_is_not_ours_is_refused_with_a_sentence(desk: Desk, tag: str) -> None:
    number = (await desk.open()).json()["number"]
    answer = await desk.do(number, "start", **{"If-Match": tag})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "If-Match"


async def test_the_requesters_answer_brings_a_waiting_ticket_back(desk: Desk) -> None:
    number = (await desk.open()).json()["number"]
    await desk.do(number, "assign", {"assignee_id": await desk_person(desk)})
    waiting = (await desk.do(number, "wait", {"question": "Which room?"})).json()
    assert waiting["status"] == "waiting_on_requester"
    assert {t["target"]: t["state"] for t in waiting["timers"]} == {
        "first_response": "met",
        "resolution": "paused",
    }
    answer = await desk.client.post(
        f"/api/v1/tickets/{number}/reply", json={"body": "204"}, headers=desk.teacher
    )
    states = {(t["target"], t["state"]) for t in answer.json()["timers"]}
    assert answer.json()["status"] == "in_progress"
    assert ("resolution", "running") in states
    assert ("next_response", "running") in states


async def desk_person(desk: Desk) -> int:
    return int((await desk.get("/me")).json()["id"])


async def test_requesters_never_see_notes(desk: Desk) -> None:
    number = (await desk.open()).json()["number"]
    await desk.do(number, "note", {"body": "The cable is older than the pupil"})
    await desk.do(number, "reply", {"body": "On my way"})
    theirs = (await desk.get(f"/tickets/{number}/timeline", desk.teacher)).json()["items"]
    ours = (await desk.get(f"/tickets/{number}/timeline")).json()["items"]
    assert [e["kind"] for e in theirs] == ["ticket.opened", "ticket.replied"]
    assert [e["kind"] for e in ours] == ["ticket.opened", "ticket.noted", "ticket.replied"]


async def test_pages_follow_each_other_without_gaps(desk: Desk) -> None:
    numbers = [(await desk.open(subject=f"Mouse {n}")).json()["number"] for n in range(7)]
    seen: list[int] = []
    cursor = ""
    while True:
        page = (await desk.get(f"/tickets?limit=3&sort=newest{cursor}", desk.teacher)).json()
        seen += [item["number"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == numbers[::-1]


async def test_search_finds_words_in_subject_and_description(desk: Desk) -> None:
    word = makers.unique("zebra").replace("-", "")
    number = (await desk.open(description=f"The {word} sticker fell off")).json()["number"]
    found = (await desk.get(f"/tickets?q={word}", desk.teacher)).json()["items"]
    assert [item["number"] for item in found] == [number]
    assert (await desk.get("/tickets?q=%22%20OR%20'--", desk.teacher)).status_code == 200


async def test_a_fault_has_one_open_ticket(desk: Desk) -> None:
    key = makers.unique("printer")
    opened = await asyncio.gather(*(desk.open(desk.technician, source_key=key) for _ in range(20)))
    numbers = {answer.json()["number"] for answer in opened}
    assert ({answer.status_code for answer in opened}, len(numbers)) == ({201}, 1)
    number = numbers.pop()
    await desk.do(number, "resolve", {"resolution": "Toner", "cause": "print.supply", "fix": "none"})
    anew = (await desk.open(desk.technician, source_key=key)).json()["number"]
    assert anew != number
    assert (await desk.do(number, "reopen", {"reason": "Again"})).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": "   "}, "subject"),
        ({"subject": "a\x00b"}, "subject"),
        ({"subject": "x", "colour": "red"}, "colour"),
        ({"subject": "x", "place_id": "nowhere"}, "place_id"),
        ({"subject": "x", "asset_tag": "none such"}, "asset_tag"),
        ({"subject": "x", "category": "no.such"}, "category"),
        ({"subject": "x", "requester_id": 1}, "requester_id"),
    ],
)
async def test_bad_input_names_its_field(desk: Desk, body: dict[str, Any], field: str) -> None:
    answer = await desk.client.post("/api/v1/tickets", json=body, headers=desk.teacher)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [e["field"] for e in answer.json()["errors"]] == [field]


async def test_only_the_desk_shapes_a_ticket(desk: Desk) -> None:
    answer = await desk.open(priority="P1")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await desk.open(desk.technician, priority="P1")).json()["priority"] == "P1"


async def test_a_body_that_is_not_json_is_refused(desk: Desk) -> None:
    headers = desk.teacher | {"Content-Type": "application/json"}
    answer = await desk.client.post("/api/v1/tickets", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_a_body_that_is_too_large_is_refused(desk: Desk) -> None:
    answer = await desk.open(description="x" * 1_100_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_revoked_token_is_refused_at_once(app: Any, desk: Desk) -> None:
    async with app.state.resources.begin(SYSTEM) as work:
        admin = makers.bearer(await makers.token_for(work, await makers.make_person(work, Role.ADMIN)))
        person = await makers.make_person(work)
        secret = await makers.token_for(work, person)
        made = await makers.token_id(work, person)
    assert (await desk.get("/me", makers.bearer(secret))).status_code == 200
    revoked = await desk.client.post(f"/api/v1/tokens/{made}/revoke", headers=admin)
    assert revoked.status_code == 200
    answer = await desk.get("/me", makers.bearer(secret))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_new_tokens_secret_is_told_once(app: Any, desk: Desk) -> None:
    async with app.state.resources.begin(SYSTEM) as work:
        admin = makers.bearer(await makers.token_for(work, await makers.make_person(work, Role.ADMIN)))
        person = await makers.make_person(work)
    body = {"person_id": person.id, "label": "tablet"}
    headers = admin | {"Idempotency-Key": makers.unique("token")}
    first = (await desk.client.post("/api/v1/tokens", json=body, headers=headers)).json()
    second = (await desk.client.post("/api/v1/tokens", json=body, headers=headers)).json()
    assert first["secret"].startswith("fb_")
    assert (second["id"], second["secret"]) == (first["id"], None)


async def test_a_live_timer_explains_itself(desk: Desk) -> None:
    number = (await desk.open()).json()["number"]
    timers = (await desk.get(f"/tickets/{number}/sla", desk.teacher)).json()
    assert [t["target"] for t in timers] == ["first_response", "resolution"]
    assert all(t["explain"] and t["elapsed_minutes"] >= 0 for t in timers)


async def test_a_snow_day_is_previewed_and_then_moves_running_timers(app: Any, desk: Desk) -> None:
    opened = (await desk.open()).json()
    async with app.state.resources.begin(SYSTEM) as work:
        lead = makers.bearer(await makers.token_for(work, await makers.make_person(work, Role.LEAD)))
        calendar = await makers.calendar_of(work, opened["number"])
    closed = [
        f"20{year}-{month:02}-{day:02}" for year in (26, 27) for month in range(1, 13) for day in range(1, 29)
    ]
    definition = makers.CALENDAR | {"closed": closed}
    path = f"/api/v1/calendars/{calendar}"
    preview = await desk.client.post(f"{path}/preview", json={"definition": definition}, headers=lead)
    assert {m["ticket_id"] for m in preview.json()} == {opened["number"]}
    assert (await desk.get(f"/tickets/{opened['number']}")).json()["next_due_at"] == opened["next_due_at"]
    edited = await desk.client.put(path, json={"definition": definition}, headers=lead | {"If-Match": '"v1"'})
    assert (edited.status_code, edited.json()["version"]) == (200, 2)
    moved = (await desk.get(f"/tickets/{opened['number']}")).json()
    assert moved["next_due_at"] == min(m["moves_to"] for m in preview.json()).replace("Z", "+00:00")
    kinds = [e["kind"] for e in (await desk.get(f"/tickets/{opened['number']}/timeline")).json()["items"]]
    assert kinds == ["ticket.opened", "sla.moved", "sla.moved"]


async def test_a_tokens_last_use_is_written_down_and_its_end_is_held_to(app: Any, desk: Desk) -> None:
    resources = app.state.resources
    async with resources.begin(SYSTEM) as work:
        person = await makers.make_person(work)
        secret = await makers.token_for(work, person)
        token = await makers.token_id(work, person)
    assert (await desk.get("/me", makers.bearer(secret))).status_code == 200
    async with resources.begin(SYSTEM) as work:
        row = await work.session.get_one(Token, token)
        assert row.last_used_at is not None
        assert secret.encode() not in row.digest
        row.expires_at = work.now
        work.change_config()
    answer = await desk.get("/me", makers.bearer(secret))
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (401, True)
