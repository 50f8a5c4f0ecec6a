"""What a hostile or careless client may send: a clear answer, and the desk lives."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query
from sqlalchemy.exc import OperationalError

from schema import schema
from schema.door import PATH, graphql_door
from schema.limits import Limits
from service.core.settings import Settings
from service.tickets import desk as desk_rules
from tests import makers
from tests.doors.graphql_client import Desk, make_desk

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    yield made
    assert (await made.data("{ queues { key } }"))["queues"], "the desk still answers"
    await made.client.aclose()


async def send(desk: Desk, body: bytes, **headers: str) -> httpx.Response:
    return await desk.client.post(
        PATH, content=body, headers=JSON | makers.bearer(desk.tokens["teacher"]) | headers
    )


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer fb_nobody"}, {"Authorization": "Basic eA=="}, {"Authorization": "Bearer"}],
)
async def test_without_a_valid_token_there_is_a_problem_and_no_answer(
    desk: Desk, headers: dict[str, str]
) -> None:
    response = await desk.client.post(PATH, json={"query": "{ __typename }"}, headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"1", b'"{ queues { key } }"', b"[]", b'[{"query": "{ queues { key } }"}]', b"{}",
        b'{"query": null}', b'{"query": 1}', b'{"query": ["{ queues { key } }"]}', b"\xff\xfe{}",
        b'{"query": "{ queues { key } }", "variables": [1]}',
        b'{"query": "{ queues { key } }", "variables": "x"}',
        b'{"query": "{ queues { key } }", "operationName": 7}', b"[" * 100_000, b'{"query":' + b"[" * 5_000,
        '{"query": "\ud800"}'.encode("utf-8", "surrogatepass"), b'{"query": "\\ud800"}',
    ],
)  # fmt: skip
async def test_a_body_that_is_no_operation_is_a_bad_request(desk: Desk, body: bytes) -> None:
    response = await send(desk, body)
    assert response.status_code == 400, response.text
    assert response.json()["code"] == "bad_request"


async def test_another_content_type_is_a_bad_request(desk: Desk) -> None:
    for media in ("text/plain", "multipart/form-data; boundary=x", "application/graphql", ""):
        response = await send(desk, b'{"query": "{ queues { key } }"}', **{"content-type": media})
        assert response.status_code == 400


async def test_a_huge_body_is_refused(desk: Desk) -> None:
    response = await send(desk, b'{"query": "' + b"#" * 1_100_000 + b'"}')
    assert response.status_code == 413


async def test_get_is_not_answered(desk: Desk) -> None:
    headers = makers.bearer(desk.tokens["teacher"]) | {"accept": "text/html"}
    response = await desk.client.get(f"{PATH}?query={{queues{{key}}}}", headers=headers)
    assert response.status_code == 405


DEEP = "{ tickets { nodes { place { " + "parent { " * 8 + "name" + " }" * 12
REFUSED = {
    "empty": ("", "bad_query"),
    "no operation": ("fragment F on Query { queues { key } }", "unknown_operation"),
    "syntax": ("{ queues { key }", "bad_query"),
    "a type definition": ("type X { y: Int }", "bad_query"),
    "an unknown field": ("{ secrets }", "bad_query"),
    "an unknown argument": ('{ queue(key: "a", sql: "x") { key } }', "bad_query"),
    "a wrong kind": ('{ ticket(number: "1; DROP TABLE tickets") { number } }', "bad_query"),
    "a number that is none": ("{ ticket(number: 1e400) { number } }", "bad_query"),
    "too deep": (DEEP, "too_deep"),
    "very deep": ("{" + "a{" * 400 + "b" + "}" * 400 + "}", "too_deep"),
    "a deep value": ('{ tickets(filter: ' + "[" * 400 + "]" * 400 + ") { nodes { number } } }", "too_deep"),
    "too long": ("{" + " queues { key }" * 2_000 + "}", "too_long"),
    "too many aliases": (
        "{" + "".join(f" a{i}: queues {{ key }}" for i in range(40)) + "}", "too_many_aliases"
    ),
    "one field many times": ("{" + " __typename" * 1_500 + "}", "too_many_aliases"),
    "one alias many times": ("{" + " a: __typename" * 600 + "}", "too_many_aliases"),
    "many operations": (" ".join(f"query Q{i} {{ __typename }}" for i in range(50)), "too_many_operations"),
    "two of a name": ("query A { __typename } query A { __typename }", "bad_query"),
    "a cycle": ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "bad_query"),
    "a cycle of itself": ("{ ...A } fragment A on Query { queues { key } ...A }", "bad_query"),
    "a cycle below": (
        "{ tickets { nodes { place { ...P } } } } fragment P on Place { parent { ...P } }",
        "bad_query",
    ),
    "an unused cycle": ("{ __typename } fragment A on Query { ...A }", "bad_query"),
    "a long chain": (
        "{ ...F0 } " + " ".join(f"fragment F{i} on Query {{ ...F{i + 1} }}" for i in range(240)),
        "bad_query",
    ),
    "too costly": (
        "{ tickets(first: 100) { nodes { timeline(first: 100) { nodes { body } } } } }", "too_costly"
    ),
    "a doubling": (
        "{ ...A } fragment A on Query { a: queues { ...B } b: queues { ...B } } "
        "fragment B on Queue { c: tickets(first: 100) { nodes { subject kind } } "
        "d: tickets(first: 90) { nodes { tags } } }",
        "too_costly",
    ),
    "introspection many times": (
        "{" + "".join(f" a{i}: __schema {{ types {{ name }} }}" for i in range(9)) + "}",
        "too_costly",
    ),
    "introspection in circles": (
        "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }",
        "bad_query",
    ),
    "a subscription of two": ("subscription { a: queueChanged(key: \"a\") { missed } "
                              "b: queueChanged(key: \"b\") { missed } }", "bad_query"),
    "streaming": ("{ queues @stream { key } }", "bad_query"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_document_beyond_the_limits_is_refused_before_it_runs(desk: Desk, name: str) -> None:
    document, code = REFUSED[name]
    began = time.perf_counter()
    answer = await desk.ask(document)
    assert time.perf_counter() - began < 1
    assert "data" not in answer
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}
    assert all(error["message"] for error in answer["errors"])
    assert answer["extensions"]["cost"]["limit"] == 5_000


async def test_a_subscription_is_not_answered_over_post(desk: Desk) -> None:
    response = await send(desk, b'{"query": "subscription { ticketChanged(number: 1) { missed } }"}')
    assert response.status_code == 400
    assert "websocket" in response.json()["detail"]


async def test_variables_count_in_the_cost(desk: Desk) -> None:
    query = "query($n: Int) { tickets(first: $n) { nodes { timeline(first: $n) { nodes { body } } } } }"
    small = await desk.ask(query, n=2)
    assert small["extensions"]["cost"]["requested"] < 100
    assert await desk.code(query, n=100) == "too_costly"
    assert await desk.code(query.replace("$n: Int)", "$n: Int = 100)")) == "too_costly"
    assert await desk.code(query, n=10**9) == "too_costly"


async def test_every_answer_states_its_cost(desk: Desk) -> None:
    answer = await desk.ask(
        "{ tickets(first: 50) { nodes { number subject status priority openedAt version } } }"
    )
    assert answer["extensions"]["cost"] == {"requested": 5 + 50 * 6 + 1, "limit": 5_000}


async def test_many_ids_cost_what_they_are(desk: Desk) -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Ticket { timeline { nodes { body } } } } }"
    assert await desk.code(query, ids=["x"] * 5_000) == "too_costly"
    assert await desk.code("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["x"] * 101) == "invalid"


@pytest.mark.parametrize(
    "variables",
    [
        {"f": {"status": "asleep"}}, {"f": {"unknown": 1}}, {"f": []}, {"f": {"open": "yes"}},
        {"f": {"openedSince": "yesterday"}}, {"f": {"openedSince": 5}}, {"f": {"queueId": {}}},
        {"n": "5"}, {"n": 2**40}, {"n": 1.5}, {"n": [1]}, {"n": {"$gt": 0}},
    ],
)  # fmt: skip
async def test_variables_of_the_wrong_kind_are_told_apart_from_faults(desk: Desk, variables: Any) -> None:
    query = "query($f: TicketFilter, $n: Int) { tickets(filter: $f, first: $n) { nodes { number } } }"
    answer = await desk.ask(query, **variables)
    assert {error["extensions"]["code"] for error in answer["errors"]} <= {"bad_query", "too_costly"}
    assert "Internal" not in str(answer)


@pytest.mark.parametrize(
    "filter_",
    [
        {"queue": "'; DROP TABLE tickets; --"}, {"queue": "no\u0000thing"}, {"assetTag": "x" * 500},
        {"tag": "\u202e"}, {"openedSince": "0001-01-01T00:00:00Z"}, {"queueId": "-1"},
        {"assigneeId": "9" * 40},
        {"requesterId": "UGVyc29uOm9vcHM="}, {"open": None, "priority": None, "category": "../../etc"},
    ],
)  # fmt: skip
async def test_filters_that_do_not_fit_name_their_field(desk: Desk, filter_: dict[str, Any]) -> None:
    query = "query($f: TicketFilter) { tickets(filter: $f) { nodes { number } } }"
    answer = await desk.ask(query, f=filter_)
    extensions = answer["errors"][0]["extensions"]
    assert extensions["code"] == "invalid"
    assert {error["field"] for error in extensions["errors"]} <= set(filter_)


async def test_words_that_are_no_words_are_refused(desk: Desk) -> None:
    query = "query($w: String) { tickets(words: $w) { nodes { number } } }"
    for words in ("", "x" * 1_000, "a\u0000b"):
        assert await desk.code(query, w=words) == "invalid"
    for words in ("'", "a & | !", '"unclosed', "or or -"):
        assert (await desk.data(query, w=words))["tickets"]["nodes"] == []


async def test_introspection_is_answered_and_cheap(desk: Desk) -> None:
    answer = await desk.ask(get_introspection_query(input_value_deprecation=True, specified_by_url=True))
    assert {"Ticket", "Queue", "Person", "SlaTimer"} <= {
        each["name"] for each in answer["data"]["__schema"]["types"]
    }
    assert answer["extensions"]["cost"]["requested"] == 100


async def test_a_fault_is_masked_and_can_be_found_by_its_request_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_eyes: Any) -> Any:
        raise ZeroDivisionError("the secret of the division")

    monkeypatch.setattr(desk_rules, "queues", broken)
    answer = await desk.ask("{ queues { key } }")
    assert answer["data"] == {"queues": None}
    assert answer["errors"][0]["extensions"]["code"] == "internal_error"
    assert answer["errors"][0]["extensions"]["requestId"]
    assert "secret" not in str(answer)
    assert "ZeroDivisionError" in caplog.text


async def test_a_database_that_is_away_is_told_as_unavailable(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)

    monkeypatch.setattr(desk_rules, "queues", away)
    assert await desk.code("{ queues { key } }") == "unavailable"


async def test_what_is_kept_of_documents_is_bounded(desk: Desk) -> None:
    limits = Limits(schema.core, Settings())
    for number in range(400):
        limits.look(f"{{ ticket(number: {number}) {{ number }} }}", None, None)
    long = "{ queues { key } } #" + "x" * 30_000
    assert limits.look(long, None, None).errors == ()
    assert limits._kept.cache_info().currsize == 256


async def test_limits_come_from_the_settings() -> None:
    limits = Limits(
        schema.core, Settings(max_query_depth=2, max_aliases=1, max_query_cost=10, max_query_tokens=50)
    )
    for document, code in (
        ("{ tickets { nodes { number } } }", "too_deep"),
        ("{ a: __typename b: __typename }", "too_many_aliases"),
        ("{ queues { key name } }", "too_costly"),
        ("{ " + "queues { key } " * 20 + "}", "too_long"),
    ):
        (error,) = limits.look(document, None, None).errors
        assert (error.extensions or {})["code"] == code
    assert graphql_door(Settings()).routes
