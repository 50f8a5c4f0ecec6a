"""Tickets through the GraphQL door: every verb once as it should go, and once refused."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.core.actor import SYSTEM
from service.tickets import actions, inputs
from tests import makers
from tests.doors.graphql_client import PAYLOAD, Desk, make_desk

DONE = {"resolution": "Swapped the cable", "cause": "AV_CABLE", "fix": "ONSITE_ADJUST"}


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    yield made
    await made.client.aclose()


async def closed(desk: Desk) -> int:
    number = await desk.open()
    await desk.change("resolveTicket", number=number, **DONE)
    await desk.change("closeTicket", number=number)
    return number


async def test_a_ticket_is_answered_with_all_that_rest_shows(desk: Desk) -> None:
    number = await desk.open(category="av.projector", assetTag=desk.tag, impact="CLASSROOM")
    query = """query($number: Int!) { ticket(number: $number) {
        number status priority kind impact urgency channel language tags reopens version description
        queue { key name } category { key } requester { personId name role } openedBy { name }
        assignee { name } place { placeId name } schoolId asset { tag kind model holder { name } }
        sharedWith
        timers { target cycle state startedAt dueAt targetMinutes } lastReply { body }
        timeline { nodes { kind by { name } byName byDesk public status body detail } }
        links { number } sla openedAt reportedAt updatedAt nextDueAt cause fix outcome resolution } }"""
    ticket = (await desk.data(query, number=number))["ticket"]
    assert ticket["number"] == number
    assert (ticket["status"], ticket["priority"]) == ("NEW", "P2")
    assert ticket["requester"]["name"] == ticket["openedBy"]["name"] == "Rosa Delgado"
    assert ticket["assignee"] is None
    assert ticket["place"]["placeId"] == ticket["schoolId"] == desk.school.id
    assert ticket["asset"]["tag"] == desk.tag
    assert ticket["asset"]["holder"]["name"] == "Rosa Delgado"
    assert [timer["target"] for timer in ticket["timers"]] == ["FIRST_RESPONSE", "RESOLUTION"]
    assert ticket["timeline"]["nodes"][0]["kind"] == "ticket.opened"
    assert ticket["openedAt"].endswith("+00:00") or ticket["openedAt"].endswith("Z")
    assert len(ticket["sla"]) == 2


VERBS: list[tuple[str, dict[str, Any], str]] = [
    ("replyToTicket", {"body": "On my way."}, "NEW"),
    ("noteOnTicket", {"body": "Order a lamp."}, "NEW"),
    ("triageTicket", {"impact": "DISTRICT"}, "NEW"),
    ("unassignTicket", {}, "NEW"),
    ("startTicket", {}, "IN_PROGRESS"),
    ("waitOnRequester", {"question": "Which room?"}, "WAITING_ON_REQUESTER"),
    ("holdTicket", {"reason": "Waiting for the lamp", "until": "2199-01-01T00:00:00Z"}, "ON_HOLD"),
    ("resolveTicket", DONE, "RESOLVED"),
    ("cancelTicket", {"reason": "Found it myself"}, "CANCELLED"),
    ("tagTicket", {"add": ["lamp"]}, "NEW"),
]


@pytest.mark.parametrize(("verb", "given", "status"), VERBS, ids=[verb for verb, _, _ in VERBS])
async def test_a_verb_changes_the_ticket(desk: Desk, verb: str, given: dict[str, Any], status: str) -> None:
    number = await desk.open()
    payload = await desk.change(verb, number=number, **given)
    assert payload["userErrors"] == []
    assert payload["ticket"]["status"] == status
    assert payload["ticket"]["version"] > 1


async def test_a_ticket_is_assigned_transferred_shared_and_linked(desk: Desk) -> None:
    number, other = await desk.open(), await desk.open()
    technician, vendor = desk.people["technician"].id, desk.people["vendor"].id
    whole = base64.b64encode(f"Person:{technician}".encode()).decode()
    for verb, given in (
        ("assignTicket", {"assigneeId": whole}),
        ("transferTicket", {"queue": desk.other_queue.key, "reason": "Theirs"}),
        ("shareTicket", {"personId": str(vendor)}),
        ("linkTicket", {"kind": "RELATES_TO", "other": other}),
    ):
        payload = await desk.change(verb, number=number, **given)
        assert payload["userErrors"] == [], verb
    query = """query($number: Int!) { ticket(number: $number) { queue { key } sharedWith
        links { kind outward number } } }"""
    ticket = (await desk.data(query, number=number))["ticket"]
    assert ticket["queue"]["key"] == desk.other_queue.key
    assert ticket["sharedWith"] == [str(vendor)]
    assert ticket["links"] == [{"kind": "RELATES_TO", "outward": True, "number": other}]
    await desk.change("unshareTicket", number=number, personId=str(vendor))
    assert (await desk.data(query, number=number))["ticket"]["sharedWith"] == []


async def test_a_ticket_is_closed_and_reopened(desk: Desk) -> None:
    number = await closed(desk)
    payload = await desk.change("reopenTicket", "teacher", number=number, reason="Gone again")
    assert (payload["userErrors"], payload["ticket"]["status"]) == ([], "NEW")


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("replyToTicket", "stranger", {"body": "Hello"}, "not_found"),
    ("noteOnTicket", "teacher", {"body": "Hello"}, "forbidden"),
    ("triageTicket", "technician", {"subject": None}, "required"),
    ("assignTicket", "technician", {"assigneeId": "999999999"}, "unknown_person"),
    ("assignTicket", "technician", {"assigneeId": "nobody"}, "bad_id"),
    ("unassignTicket", "teacher", {}, "forbidden"),
    ("transferTicket", "technician", {"queue": "no-such-queue"}, "unknown_queue"),
    ("startTicket", "teacher", {}, "forbidden"),
    ("waitOnRequester", "teacher", {}, "forbidden"),
    ("holdTicket", "technician", {"reason": "Lamp", "until": "2001-01-01T00:00:00Z"}, "in_the_past"),
    ("resolveTicket", "teacher", DONE, "forbidden"),
    ("closeTicket", "technician", {}, "wrong_status"),
    ("reopenTicket", "technician", {"reason": "Why"}, "conflict"),
    ("cancelTicket", "stranger", {"reason": "Why"}, "not_found"),
    ("tagTicket", "technician", {"add": ["not a tag"]}, "string_pattern_mismatch"),
    ("linkTicket", "technician", {"kind": "RELATES_TO", "other": 1}, "unknown_ticket"),
    ("shareTicket", "technician", {"personId": "999999999"}, "unknown_person"),
    ("unshareTicket", "teacher", {"personId": "1"}, "forbidden"),
]


@pytest.mark.parametrize(("verb", "who", "given", "code"), REFUSED, ids=[f"{r[0]}-{r[3]}" for r in REFUSED])
async def test_a_refusal_is_a_user_error_and_changes_nothing(
    desk: Desk, verb: str, who: str, given: dict[str, Any], code: str
) -> None:
    number = await desk.open()
    assert await desk.refused(verb, who, number=number, **given) == code
    assert (await desk.data("query($n: Int!) { ticket(number: $n) { version } }", n=number))["ticket"] == {
        "version": 1
    }


async def test_an_input_that_does_not_fit_names_its_fields_as_graphql_spells_them(desk: Desk) -> None:
    payload = await desk.change("openTicket", subject="  ", placeId="no/place", externalId="x" * 300)
    assert {error["field"] for error in payload["userErrors"]} == {"subject", "placeId", "externalId"}


async def test_only_the_desk_shapes_a_ticket_it_opens(desk: Desk) -> None:
    assert await desk.refused("openTicket", "teacher", subject="Mine", priority="P1") == "forbidden"


async def test_triage_leaves_what_was_not_sent_and_computes_priority_again_for_null(desk: Desk) -> None:
    number = await desk.open(impact="CLASSROOM", urgency="WORKAROUND")
    await desk.change("triageTicket", number=number, priority="P4")
    query = "query($n: Int!) { ticket(number: $n) { priority impact subject } }"
    assert (await desk.data(query, n=number))["ticket"]["priority"] == "P4"
    await desk.change("triageTicket", number=number, subject="Projector is dark")
    assert (await desk.data(query, n=number))["ticket"]["priority"] == "P4"
    await desk.change("triageTicket", number=number, priority=None)
    after = (await desk.data(query, n=number))["ticket"]
    assert after == {"priority": "P2", "impact": "CLASSROOM", "subject": "Projector is dark"}


async def test_a_change_of_a_version_that_is_gone_is_refused(desk: Desk) -> None:
    number = await desk.open()
    await desk.change("startTicket", number=number, expectedVersion=1)
    assert await desk.refused("replyToTicket", number=number, body="Hi", expectedVersion=1) == "stale"


async def test_the_same_key_sent_at_the_same_time_opens_one_ticket(desk: Desk) -> None:
    asked = [desk.open(idempotencyKey="the-same", description="Once") for _ in range(8)]
    assert len(set(await asyncio.gather(*asked))) == 1
    assert await desk.refused("openTicket", "teacher", subject="Other", idempotencyKey="the-same") == (
        "idempotency_key_reused"
    )


async def test_an_empty_key_is_refused(desk: Desk) -> None:
    payload = await desk.change("openTicket", subject="Mine", idempotencyKey="")
    assert payload["userErrors"][0]["field"] == "idempotencyKey"


async def test_several_changes_in_one_document_see_each_other(desk: Desk) -> None:
    number = await desk.open()
    query = f"""mutation($a: ReplyToTicketInput!, $b: StartTicketInput!) {{
        replyToTicket(input: $a) {{ ticket {{ lastReply {{ body }} }} }}
        again: replyToTicket(input: {{number: {number}, body: "Second"}}) {{
            ticket {{ lastReply {{ body }} }} }}
        startTicket(input: $b) {PAYLOAD} }}"""
    answer = await desk.data(query, a={"number": number, "body": "First"}, b={"number": number})
    assert answer["replyToTicket"]["ticket"]["lastReply"]["body"] == "First"
    assert answer["again"]["ticket"]["lastReply"]["body"] == "Second"
    assert answer["startTicket"]["ticket"]["version"] == 4


async def test_a_list_is_paged_by_cursor_without_loss_or_repeat(desk: Desk) -> None:
    key, opened = await desk.fresh_queue(tickets=5)
    query = """query($queue: String, $after: String, $sort: TicketSort) {
        tickets(filter: {queue: $queue}, first: 2, after: $after, sort: $sort) {
            edges { cursor node { number } } nodes { number }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    for sort in (None, "NEXT_DUE", "NEWEST", "OLDEST"):
        found, after = [], None
        while True:
            page = (await desk.data(query, "admin", queue=key, after=after, sort=sort))["tickets"]
            found += [edge["node"]["number"] for edge in page["edges"]]
            assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert sorted(found) == sorted(opened)
        assert len(found) == 5


async def test_an_edge_in_the_middle_continues_after_itself(desk: Desk) -> None:
    key, _ = await desk.fresh_queue(tickets=3)
    query = """query($key: String!, $after: String) { queue(key: $key) {
        name tickets(first: 3, after: $after) { edges { cursor node { number } } } } }"""
    edges = (await desk.data(query, "admin", key=key))["queue"]["tickets"]["edges"]
    rest = (await desk.data(query, "admin", key=key, after=edges[0]["cursor"]))["queue"]["tickets"]["edges"]
    assert [edge["node"] for edge in rest] == [edge["node"] for edge in edges[1:]]


@pytest.mark.parametrize("first", [0, -1, 101, 2_000_000_000])
async def test_a_page_of_an_impossible_size_is_refused(desk: Desk, first: int) -> None:
    code = await desk.code("query($n: Int) { tickets(first: $n) { nodes { number } } }", n=first)
    assert code in ("invalid", "too_costly")


async def test_a_cursor_of_another_list_is_refused(desk: Desk) -> None:
    await desk.open()
    page = "tickets(first: 1, sort: %s, after: $after) { pageInfo { endCursor } }"
    newest = await desk.data("query($after: String) { " + page % "NEWEST" + " }", "teacher")
    cursor = newest["tickets"]["pageInfo"]["endCursor"]
    for sort, after in (("OLDEST", cursor), ("NEWEST", "rubbish"), ("NEWEST", "WzFd")):
        answer = await desk.ask("query($after: String) { " + page % sort + " }", "teacher", after=after)
        assert answer["data"] == {"tickets": None}
        assert answer["errors"][0]["extensions"]["errors"][0]["field"] == "after"


async def test_tickets_are_counted_and_searched(desk: Desk) -> None:
    number = await desk.open(subject="Zebra on the whiteboard")
    asked = "query($f: TicketFilter) { ticketCount(filter: $f) { count more } }"
    counted = await desk.data(asked, "teacher", f={"openedSince": "2001-01-01T00:00:00Z", "open": True})
    assert counted["ticketCount"]["count"] >= 1
    assert counted["ticketCount"]["more"] is False
    assert await desk.code(asked, f={"openedSince": "2001-01-01T00:00:00"}) == "invalid"
    found = await desk.data('{ tickets(words: "zebra") { nodes { number } } }', "teacher")
    assert found["tickets"]["nodes"] == [{"number": number}]


async def test_what_cannot_be_seen_is_null_with_an_error(desk: Desk) -> None:
    number = await desk.open()
    answer = await desk.ask("query($n: Int!) { ticket(number: $n) { number } }", "stranger", n=number)
    assert answer["data"] == {"ticket": None}
    assert answer["errors"][0]["extensions"]["code"] == "not_found"
    assert await desk.code('{ queue(key: "no-such-queue") { key } }') == "not_found"


async def test_internal_notes_are_for_the_desk_only(desk: Desk) -> None:
    number = await desk.open()
    await desk.change("noteOnTicket", number=number, body="The teacher kicked it")
    query = """query($n: Int!) { ticket(number: $n) {
        timeline { nodes { kind body public } } lastReply { body } } }"""
    theirs = await desk.data(query, "teacher", n=number)
    assert [node["kind"] for node in theirs["ticket"]["timeline"]["nodes"]] == ["ticket.opened"]
    assert "kicked" not in str(theirs)
    assert "kicked" in str(await desk.data(query, n=number))


async def test_the_timeline_is_paged(desk: Desk) -> None:
    number = await desk.open()
    for body in ("One", "Two"):
        await desk.change("replyToTicket", number=number, body=body)
    query = """query($n: Int!, $after: String) { ticket(number: $n) { timeline(first: 2, after: $after) {
        nodes { body } pageInfo { hasNextPage endCursor } } } }"""
    page = (await desk.data(query, n=number))["ticket"]["timeline"]
    assert [node["body"] for node in page["nodes"]] == [None, "One"]
    after = page["pageInfo"]["endCursor"]
    rest = (await desk.data(query, n=number, after=after))["ticket"]["timeline"]
    assert [node["body"] for node in rest["nodes"]] == ["Two"]
    assert rest["pageInfo"]["hasNextPage"] is False


async def test_a_requester_reads_names_of_the_desk_but_not_their_addresses(desk: Desk) -> None:
    number = await desk.open(assetTag=desk.tag)
    await desk.change("startTicket", number=number)
    query = """query($n: Int!) { ticket(number: $n) { assignee { name role email language }
        asset { tag serial holder { name } } place { name calendarId } } }"""
    theirs = (await desk.data(query, "teacher", n=number))["ticket"]
    assert theirs["assignee"] == {
        "name": "Amir Haddad",
        "role": "TECHNICIAN",
        "email": None,
        "language": None,
    }
    assert theirs["asset"]["holder"] == {"name": "Rosa Delgado"}
    ours = (await desk.data(query, n=number))["ticket"]
    assert ours["assignee"]["email"].endswith("@example.org")


async def test_a_vendor_sees_no_holder_of_the_device(desk: Desk) -> None:
    number = await desk.open(assetTag=desk.tag)
    await desk.change("shareTicket", number=number, personId=str(desk.people["vendor"].id))
    query = "query($n: Int!) { ticket(number: $n) { asset { tag kind holder { name } schoolId } } }"
    asset = (await desk.data(query, "vendor", n=number))["ticket"]["asset"]
    assert asset == {"tag": desk.tag, "kind": "CHROMEBOOK", "holder": None, "schoolId": None}


async def test_everything_with_an_id_is_found_again_by_it(desk: Desk) -> None:
    number = await desk.open(assetTag=desk.tag, category="av.projector")
    query = """query($n: Int!) { ticket(number: $n) { id queue { id } requester { id } place { id }
        asset { id } category { id } } slaPolicies { id } calendars { id } }"""
    answer = await desk.data(query, n=number)
    ticket = answer["ticket"]
    ids = [
        ticket["id"],
        *(ticket[name]["id"] for name in ("queue", "requester", "place", "asset", "category")),
    ]
    ids += [answer["slaPolicies"][0]["id"], answer["calendars"][0]["id"]]
    found = await desk.data("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)
    assert [node["id"] for node in found["nodes"]] == ids
    assert [node["__typename"] for node in found["nodes"]] == [
        "Ticket", "Queue", "Person", "Place", "Asset", "Category", "SlaPolicy", "SchoolCalendar",
    ]  # fmt: skip
    one = await desk.data("query($id: ID!) { node(id: $id) { ... on Ticket { number } } }", id=ids[0])
    assert one["node"] == {"number": number}


async def test_an_id_that_is_not_ours_is_null_beside_those_that_are(desk: Desk) -> None:
    number = await desk.open()
    mine = base64.b64encode(f"Ticket:{number}".encode()).decode()
    foreign = base64.b64encode(b"Token:1").decode()
    answer = await desk.ask(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", "stranger", ids=[mine, foreign, "rubbish"]
    )
    assert answer["data"]["nodes"] == [None, None, None]
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["not_found", "invalid", "invalid"]


async def test_the_directory_is_for_those_who_may_look_things_up(desk: Desk) -> None:
    query = """query($place: ID!, $tag: String!, $person: ID!) {
        me { person { name } scopes schoolIds } place(id: $place) { name kind }
        places(first: 1) { nodes { id } } asset(tag: $tag) { tag holder { name } }
        assets(first: 1) { edges { cursor node { tag } } }
        person(id: $person) { name email } queues { key } categories { key } }"""
    asked = {"place": desk.school.id, "tag": desk.tag, "person": str(desk.people["teacher"].id)}
    answer = await desk.data(query, **asked)
    assert answer["me"]["person"]["name"] == "Amir Haddad"
    assert answer["place"] == {"name": desk.school.name, "kind": "SCHOOL"}
    assert answer["person"]["name"] == "Rosa Delgado"
    theirs = await desk.ask(query, "stranger", **asked)
    assert theirs["data"]["person"] is None
    assert theirs["data"]["asset"] is None
    people = await desk.ask("{ people { nodes { name } } }", "teacher")
    assert people["errors"][0]["extensions"]["code"] == "forbidden"


async def test_a_document_with_several_operations_runs_the_one_that_is_named(desk: Desk) -> None:
    document = "query A { queues { key } } query B { me { person { name } } }"
    headers = {"Authorization": f"Bearer {desk.tokens['teacher']}"}
    for name, expected in (("B", {"me"}), (None, None), ("C", None)):
        body = {"query": document, "operationName": name}
        answer = (await desk.client.post("/graphql", json=body, headers=headers)).json()
        if expected:
            assert set(answer["data"]) == expected
        else:
            assert answer["errors"][0]["extensions"]["code"] == "unknown_operation"


async def test_a_ticket_that_leaves_the_actors_sight_is_still_the_answer_to_the_change(desk: Desk) -> None:
    async with desk.app.state.resources.begin(SYSTEM) as work:
        secret_queue = await makers.make_queue(work, confidential=True)
        number = (await makers.make_ticket(work)).id
        await actions.transfer(work, number, inputs.Transfer(queue=desk.queue.key))
    payload = await desk.change("transferTicket", number=number, queue=secret_queue.key)
    assert payload["ticket"]["number"] == number
    assert await desk.code("query($n: Int!) { ticket(number: $n) { number } }", n=number) == "not_found"
