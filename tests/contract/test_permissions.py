"""Every operation of both doors against every role: a new one must be named here first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case

from schema import schema
from service.core.actor import SYSTEM, Role
from service.tickets.models import Notice
from tests import makers
from tests.contract.world import WHO, World, make_world

EVERYBODY = frozenset(WHO) - {"nobody"}
SEES = frozenset({"requester", "guardian", "vendor", "technician", "lead", "integration", "admin"})
WORKS = frozenset({"technician", "lead", "integration", "admin"})
FINISHES = WORKS | {"requester"}
DESK = frozenset({"technician", "elsewhere", "lead", "integration", "admin"})
CONFIGURES = frozenset({"lead", "admin"})
EDITS_DIRECTORY = frozenset({"integration", "admin"})
ADMIN = frozenset({"admin"})

NEW_CALENDAR = {"name": None, "definition": makers.CALENDAR}
OUTCOME = {"resolution": "Done", "cause": "other", "fix": "none"}


@dataclass(frozen=True)
class Try:
    """How an operation is tried: who may, on what, with what; `state` is what its ticket must be in."""

    who: frozenset[str]
    method: str
    path: str
    body: Callable[[World], Any] | None = None
    state: str | None = None


def verb(name: str, who: frozenset[str], body: Any = None, state: str = "new") -> Try:
    made = body if callable(body) or body is None else lambda _: body
    return Try(who, "POST", f"/tickets/{{number}}/{name}", made, state)


OPERATIONS: dict[str, Try] = {
    "openTicket": Try(EVERYBODY, "POST", "/tickets", lambda _: {"subject": "No sound"}),
    "listTickets": Try(EVERYBODY, "GET", "/tickets"),
    "countTickets": Try(EVERYBODY, "GET", "/tickets/count"),
    "getTicket": Try(SEES, "GET", "/tickets/{number}", state="new"),
    "getTimeline": Try(SEES, "GET", "/tickets/{number}/timeline", state="new"),
    "getTicketSla": Try(SEES, "GET", "/tickets/{number}/sla", state="new"),
    "getLinks": Try(SEES, "GET", "/tickets/{number}/links", state="new"),
    "replyToTicket": verb("reply", SEES, {"body": "Hello"}),
    "noteOnTicket": verb("note", WORKS, {"body": "Hello"}),
    "triageTicket": verb("triage", WORKS, {"impact": "school"}),
    "assignTicket": verb("assign", WORKS, lambda w: {"assignee_id": w.people["technician"].id}),
    "unassignTicket": verb("unassign", WORKS),
    "transferTicket": verb("transfer", WORKS, lambda w: {"queue": w.ids["other_queue"]}),
    "startTicket": verb("start", WORKS),
    "waitOnRequester": verb("wait", WORKS, {}),
    "holdTicket": verb("hold", WORKS, {"reason": "Parts"}),
    "resolveTicket": verb("resolve", WORKS, OUTCOME),
    "closeTicket": verb("close", FINISHES, {}, "resolved"),
    "reopenTicket": verb("reopen", FINISHES, {"reason": "Again"}, "closed"),
    "cancelTicket": verb("cancel", FINISHES, {"reason": "Found it"}),
    "tagTicket": verb("tag", WORKS, {"add": ["loud"]}),
    "linkTicket": verb("link", WORKS, lambda w: {"kind": "relates_to", "other": w.ids["other_ticket"]}),
    "shareTicket": verb("share", WORKS, lambda w: {"person_id": w.people["other_staff"].id}),
    "unshareTicket": verb("unshare", WORKS, lambda w: {"person_id": w.people["other_staff"].id}),
    "listQueues": Try(EVERYBODY, "GET", "/queues"),
    "addQueue": Try(CONFIGURES, "POST", "/queues", lambda _: {"key": makers.unique("q"), "name": "Q"}),
    "editQueue": Try(CONFIGURES, "PUT", "/queues/{other_queue}", lambda _: {"name": "Renamed"}),
    "listCategories": Try(EVERYBODY, "GET", "/categories"),
    "addCategory": Try(
        CONFIGURES, "POST", "/categories", lambda _: {"id": makers.unique("c").replace("-", "_"), "name": "C"}
    ),
    "getRouting": Try(DESK, "GET", "/routing"),
    "setRouting": Try(CONFIGURES, "PUT", "/routing", lambda _: {"rules": []}),
    "getMatrix": Try(EVERYBODY, "GET", "/priority-matrix"),
    "setMatrix": Try(CONFIGURES, "PUT", "/priority-matrix", lambda _: {"cells": []}),
    "explainSla": Try(
        EVERYBODY,
        "POST",
        "/sla/explain",
        lambda _: {
            "calendar": makers.CALENDAR,
            "policy": {"targets": {"resolution": 60}},
            "events": [{"at": "2026-11-23T09:00:00-06:00", "kind": "opened", "by": "requester"}],
        },
    ),
    "listCalendars": Try(EVERYBODY, "GET", "/calendars"),
    "getCalendar": Try(EVERYBODY, "GET", "/calendars/{calendar}"),
    "createCalendar": Try(
        CONFIGURES, "POST", "/calendars", lambda _: NEW_CALENDAR | {"name": makers.unique("Cal")}
    ),
    "previewCalendar": Try(
        CONFIGURES, "POST", "/calendars/{calendar}/preview", lambda _: {"definition": makers.CALENDAR}
    ),
    "editCalendar": Try(
        CONFIGURES, "PUT", "/calendars/{calendar}", lambda _: {"definition": makers.CALENDAR}
    ),
    "listPolicies": Try(DESK, "GET", "/sla/policies"),
    "createPolicy": Try(
        CONFIGURES,
        "POST",
        "/sla/policies",
        lambda _: {"name": makers.unique("Policy"), "active": False, "targets": makers.TARGETS},
    ),
    "editPolicy": Try(
        CONFIGURES,
        "PUT",
        "/sla/policies/{policy}",
        lambda _: {"name": makers.unique("Policy"), "active": False, "targets": makers.TARGETS},
    ),
    "listPlaces": Try(EVERYBODY, "GET", "/places"),
    "getPlace": Try(EVERYBODY, "GET", "/places/{school}"),
    "addPlace": Try(
        EDITS_DIRECTORY,
        "POST",
        "/places",
        lambda _: {"id": makers.unique("9"), "kind": "school", "name": "S"},
    ),
    "editPlace": Try(EDITS_DIRECTORY, "PUT", "/places/{school}", lambda _: {"name": "Renamed"}),
    "getMe": Try(EVERYBODY, "GET", "/me"),
    "listPeople": Try(DESK, "GET", "/people"),
    "getPerson": Try(DESK | {"pupil", "guardian"}, "GET", "/people/{pupil}"),
    "addPerson": Try(EDITS_DIRECTORY, "POST", "/people", lambda _: {"name": "New", "role": "staff"}),
    "editPerson": Try(
        EDITS_DIRECTORY, "PUT", "/people/{other_staff}", lambda _: {"name": "Edited", "role": "staff"}
    ),
    "relatePerson": Try(
        EDITS_DIRECTORY,
        "POST",
        "/people/{requester}/relate",
        lambda w: {"kind": "teaches", "other_id": w.people["pupil"].id},
    ),
    "unrelatePerson": Try(
        EDITS_DIRECTORY,
        "POST",
        "/people/{requester}/unrelate",
        lambda w: {"kind": "teaches", "other_id": w.people["pupil"].id},
    ),
    "serve": Try(
        ADMIN,
        "POST",
        "/people/{spare}/serve",
        lambda w: {"school_ids": [w.ids["school"]]},
    ),
    "listTokens": Try(ADMIN, "GET", "/tokens"),
    "createToken": Try(
        ADMIN, "POST", "/tokens", lambda w: {"person_id": w.people["other_staff"].id, "label": "x"}
    ),
    "revokeToken": Try(ADMIN, "POST", "/tokens/{spare_token}/revoke"),
    "listAssets": Try(EVERYBODY, "GET", "/assets"),
    "getAsset": Try(DESK | {"pupil", "guardian"}, "GET", "/assets/{tag}"),
    "addAsset": Try(
        EDITS_DIRECTORY, "POST", "/assets", lambda _: {"tag": makers.unique("T"), "kind": "laptop"}
    ),
    "editAsset": Try(EDITS_DIRECTORY, "PUT", "/assets/{spare_tag}", lambda _: {"kind": "laptop"}),
    "listNotices": Try(EVERYBODY, "GET", "/notices"),
    "seeNotice": Try(frozenset({"technician"}), "POST", "/notices/{notice}/seen"),
    "reportResolution": Try(DESK, "GET", "/reports/resolution"),
}
QUERIES: dict[str, str] = {
    "listTickets": "{ tickets(first: 1) { nodes { number } } }",
    "countTickets": "{ ticketCount { count } }",
    "getTicket": "{ ticket(number: %(number)s) { subject } }",
    "getTimeline": "{ ticket(number: %(number)s) { timeline { nodes { kind } } } }",
    "getTicketSla": "{ ticket(number: %(number)s) { sla } }",
    "getLinks": "{ ticket(number: %(number)s) { links { number } } }",
    "listQueues": "{ queues { key } }",
    "listCategories": "{ categories { key } }",
    "getRouting": "{ routing { queue } }",
    "getMatrix": "{ priorityMatrix { priority } }",
    "explainSla": "query($body: JSON!) { explainSla(scenario: $body) }",
    "listCalendars": "{ calendars { name } }",
    "getCalendar": '{ calendar(id: "%(calendar)s") { name } }',
    "previewCalendar": "query($definition: JSON!) "
    '{ previewCalendar(id: "%(calendar)s", definition: $definition) { cycle } }',
    "listPolicies": "{ slaPolicies { name } }",
    "listPlaces": "{ places(first: 1) { nodes { name } } }",
    "getPlace": '{ place(id: "%(school)s") { name } }',
    "getMe": "{ me { person { name } } }",
    "listPeople": "{ people(first: 1) { nodes { name } } }",
    "getPerson": '{ person(id: "%(pupil)s") { name } }',
    "listTokens": "{ tokens(first: 1) { nodes { label } } }",
    "listAssets": "{ assets(first: 1) { nodes { tag } } }",
    "getAsset": '{ asset(tag: "%(tag)s") { tag } }',
    "listNotices": "{ notices(first: 1) { nodes { text } } }",
    "reportResolution": "{ reportResolution }",
}
# a mutation's subject: the name of its input field, from the last name in the REST path
SUBJECTS = {
    "number": "number", "other_queue": "key", "calendar": "id", "policy": "id", "school": "id",
    "other_staff": "id", "requester": "id", "spare": "id", "spare_token": "id", "spare_tag": "tag",
    "notice": "noticeId",
}  # fmt: skip
CODED = {"role", "kind", "impact", "cause", "fix"}
OPEN_TO_ALL = {"healthz", "readyz", "metrics"}


@pytest.fixture(scope="session")
async def world(app: Any) -> World:
    made = await make_world(app.state.resources)
    async with made.resources.begin(SYSTEM) as work:
        spare = await makers.make_person(work, Role.TECHNICIAN)
        await makers.token_for(work, spare)
        made.people["spare"] = spare
        made.ids["spare_tag"] = (await makers.make_asset(work)).tag
        made.ids["spare_token"] = await makers.token_id(work, spare)
        notice = Notice(
            person_id=made.people["technician"].id, at=work.now, send_at=work.now, text="Late", detail={}
        )
        work.session.add(notice)
        await work.session.flush()
        made.ids["notice"] = notice.id
    made.ids["other_ticket"] = await made.ticket()
    return made


def test_every_rest_operation_is_in_the_matrix(app: Any) -> None:
    documented = {op["operationId"] for path in app.openapi()["paths"].values() for op in path.values()}
    assert documented - OPEN_TO_ALL == set(OPERATIONS)


def test_every_graphql_field_is_in_the_matrix() -> None:
    core = schema.core
    mutations = set(core.mutation_type.fields)
    assert mutations == {name for name in OPERATIONS if name not in QUERIES}
    asked = " ".join(QUERIES.values())
    beside = {"node", "nodes", "queue"}  # by their own rules; tested with the tickets and rows they show
    assert {name for name in core.query_type.fields if f"{name}" not in asked} <= beside


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_graphql_door_gives_the_same_answer(
    operation: str, world: World, client: httpx.AsyncClient
) -> None:
    wanted = OPERATIONS[operation]
    for who in WHO:
        number = await world.ticket(wanted.state) if wanted.state else 0
        names = {**world.ids, **{n: p.id for n, p in world.people.items()}, "number": number}
        body = wanted.body(world) if wanted.body else {}
        asked = question(operation, wanted, names, body)
        answer = await client.post("/graphql", json=asked, headers=world.headers(who))
        if who == "nobody":
            assert answer.status_code == 401
            continue
        codes = refused_with(answer.json())
        if who in wanted.who:
            assert codes == [], (operation, who, answer.text)
        else:
            invisible = wanted.state is not None and who not in SEES
            allowed = {"not_found"} if invisible else {"forbidden", "not_found"}
            assert codes, (operation, who, answer.text)
            assert set(codes) <= allowed, (operation, who, answer.text)


def question(operation: str, wanted: Try, names: dict[str, Any], body: Any) -> dict[str, Any]:
    if operation in QUERIES:
        text = QUERIES[operation]
        variables = {"body": body, "definition": body.get("definition")}
        sent = {name: value for name, value in variables.items() if f"${name}" in text}
        return {"query": text % names if "%(" in text else text, "variables": sent}
    given = {to_camel_case(name): _coded(name, value) for name, value in body.items()}
    for subject in re.findall(r"{(\w+)}", wanted.path):
        given[SUBJECTS[subject]] = names[subject]
    named = schema.core.mutation_type.fields[operation].args["input"].type
    text = f"mutation($input: {named}) {{ {operation}(input: $input) {{ userErrors {{ code message }} }} }}"
    return {"query": text, "variables": {"input": given}}


def _coded(name: str, value: Any) -> Any:
    return value.upper().replace(".", "_") if name in CODED else value


def refused_with(answer: dict[str, Any]) -> list[str]:
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    for payload in (answer.get("data") or {}).values():
        if isinstance(payload, dict):
            codes += [error["code"] for error in payload.get("userErrors", ())]
    return codes


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_only_who_may_can(operation: str, world: World, client: httpx.AsyncClient) -> None:
    wanted = OPERATIONS[operation]
    for who in WHO:
        number = await world.ticket(wanted.state) if wanted.state else 0
        people = {name: person.id for name, person in world.people.items()}
        path = wanted.path.format(**{**world.ids, **people, "number": number})
        body = wanted.body(world) if wanted.body else None
        answer = await client.request(wanted.method, f"/api/v1{path}", json=body, headers=world.headers(who))
        if who in wanted.who:
            assert answer.status_code in (200, 201), (operation, who, answer.text)
        elif who == "nobody":
            assert answer.status_code == 401, (operation, answer.text)
        else:
            invisible = wanted.state is not None and who not in SEES
            allowed = (404,) if invisible else (403, 404)
            assert answer.status_code in allowed, (operation, who, answer.status_code, answer.text)
