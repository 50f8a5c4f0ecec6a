"""Subscriptions over a real websocket of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import uvicorn
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from schema.door import PATH
from schema.hub import KEPT_FOR_A_SLOW_READER, Happening, Heard, Hub
from service.app import make_app
from service.core.actor import SYSTEM
from service.core.settings import Settings
from service.people.tokens import revoke_token
from service.tickets import actions, inputs
from tests import makers
from tests.doors.graphql_client import Desk, make_desk
from tests.playbook_texts import small

PROTOCOL = Subprotocol("graphql-transport-ws")
CHANGED = """subscription($n: Int!) { ticketChanged(number: $n) {
    missed ticket { number status version queue { key } } event { kind body public by { name } } } }"""
QUEUE_CHANGED = """subscription($key: String!) { queueChanged(key: $key) {
    ticket { number queue { key } } event { kind } } }"""

START_RUN = "mutation($input: StartRunInput!) { startRun(input: $input) { run { runId path } } }"
ANSWER_STEP = "mutation($input: AnswerStepInput!) { answerStep(input: $input) { run { path } } }"
RUN_CHANGED = 'subscription { runChanged(id: "%s") { path stage step { text } } }'


class Quiet(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served(Desk):
    """The desk on a socket of the loopback."""

    url = ""

    async def connected(self, who: str | None = "technician", **more: Any) -> Listening:
        socket = await connect(self.url, subprotocols=[PROTOCOL], **more)
        listening = Listening(socket)
        if who is not None:
            await listening.begin({"Authorization": f"Bearer {self.tokens[who]}"})
        return listening

    async def hears(self, client: Listening, query: str, **variables: Any) -> str:
        """Subscribe, and wait until the desk has taken note of it."""
        hub: Hub = self.app.state.hub
        before = hub.subscribers
        name = await client.subscribe(query, **variables)
        for _ in range(500):
            if hub.subscribers > before:
                return name
            await asyncio.sleep(0.01)
        raise AssertionError("nobody took note of the subscription")


class Listening:
    """A client of the protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._ids = itertools.count(1)

    async def send(self, **message: Any) -> None:
        await self.socket.send(orjson.dumps(message).decode())

    async def next(self, seconds: float = 5) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = orjson.loads(await asyncio.wait_for(self.socket.recv(), seconds))
            if message["type"] != "ping":
                return message

    async def begin(self, payload: dict[str, Any] | None) -> None:
        await self.send(type="connection_init", **({"payload": payload} if payload is not None else {}))
        assert (await self.next())["type"] == "connection_ack"

    async def subscribe(self, query: str, **variables: Any) -> str:
        name = str(next(self._ids))
        await self.send(id=name, type="subscribe", payload={"query": query, "variables": variables})
        return name

    async def change(self, seconds: float = 5) -> dict[str, Any]:
        """What the next message says has changed."""
        message = await self.next(seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (change,) = message["payload"]["data"].values()
        return dict(change)

    async def is_silent(self, seconds: float = 0.5) -> bool:
        with contextlib.suppress(TimeoutError):
            raise AssertionError(await self.next(seconds))
        return True

    async def closed_with(self) -> int | None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.socket.recv(), 5)
        return self.socket.close_code


@pytest.fixture(scope="module")
async def served(database_url: str) -> AsyncIterator[Served]:
    app = make_app(database_url, Settings(database_pool=8))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, ws="websockets-sansio")
    server = Quiet(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            raise AssertionError("the server did not start") from task.exception()
        await asyncio.sleep(0.01)
    if (wired := getattr(app.state, "hub", None)) is not None:
        await wired.close()
    hub = app.state.hub = Hub(database_url, app.state.resources, look_every=0.2)
    hub.start()
    made = await make_desk(app)
    desk = Served(app, made.client)
    vars(desk).update(vars(made))
    desk.url = f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{PATH}"
    yield desk
    await made.client.aclose()
    await hub.close()
    server.should_exit = True
    await task


async def test_a_subscriber_hears_what_happens_to_a_ticket_once(served: Served) -> None:
    number = await served.open()
    client = await served.connected()
    await served.hears(client, CHANGED, n=number)
    await served.change("replyToTicket", number=number, body="On my way.")
    change = await client.change()
    assert change["event"] == {
        "kind": "ticket.replied", "body": "On my way.", "public": True, "by": {"name": "Amir Haddad"},
    }  # fmt: skip
    assert change["ticket"] | {"queue": None} == {
        "number": number,
        "status": "NEW",
        "version": 2,
        "queue": None,
    }
    assert change["missed"] is False
    assert await client.is_silent()
    await served.change("startTicket", number=number)
    assert (await client.change())["ticket"]["status"] == "IN_PROGRESS"
    await client.socket.close()


async def test_a_queue_tells_of_tickets_that_come_and_go(served: Served) -> None:
    number = await served.open()
    client = await served.connected()
    await served.hears(client, QUEUE_CHANGED, key=served.queue.key)
    await served.change("replyToTicket", number=number, body="Not there yet")
    assert await client.is_silent()
    for key in (served.queue.key, served.other_queue.key):
        await served.change("transferTicket", number=number, queue=key)
        change = await client.change()
        assert change["ticket"] == {"number": number, "queue": {"key": key}}
        assert change["event"]["kind"] == "ticket.transferred"
    await client.socket.close()


async def test_a_requester_hears_replies_but_not_notes(served: Served) -> None:
    number = await served.open()
    client = await served.connected("teacher")
    await served.hears(client, CHANGED, n=number)
    await served.change("noteOnTicket", number=number, body="Kicked it")
    assert await client.is_silent()
    await served.change("replyToTicket", number=number, body="We are on it")
    assert (await client.change())["event"]["body"] == "We are on it"
    await client.socket.close()


async def test_an_announcement_that_was_lost_is_found_by_the_event_itself(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await served.open()
    client = await served.connected()
    await served.hears(client, CHANGED, n=number)
    monkeypatch.setattr(served.app.state.resources, "announcer", None)
    await served.change("replyToTicket", number=number, body="Unheard")
    assert (await client.change())["event"]["body"] == "Unheard"
    await client.socket.close()


async def test_a_ticket_that_left_is_told_though_its_announcement_was_lost(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await served.open()
    await served.change("transferTicket", number=number, queue=served.queue.key)
    client = await served.connected()
    await served.hears(client, QUEUE_CHANGED, key=served.queue.key)
    monkeypatch.setattr(served.app.state.resources.announcer, "send", lambda facts: None)
    await served.change("transferTicket", number=number, queue=served.other_queue.key)
    change = await client.change()
    assert change["ticket"] == {"number": number, "queue": {"key": served.other_queue.key}}
    await client.socket.close()


async def test_a_listener_that_lost_its_connection_finds_what_it_missed(served: Served) -> None:
    number = await served.open()
    client = await served.connected()
    await served.hears(client, CHANGED, n=number)
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'firstbell listener'"
    )
    async with served.app.state.resources.read(SYSTEM) as read:
        await read.db.execute(text(f"{cut} AND datname = current_database()"))
    await served.change("replyToTicket", number=number, body="In between")
    assert (await client.change())["event"]["body"] == "In between"
    await client.socket.close()


async def test_a_revoked_token_ends_the_subscription_at_once(served: Served) -> None:
    number = await served.open()
    async with served.app.state.resources.begin(SYSTEM) as work:
        secret = await makers.token_for(work, served.people["technician"])
    async with served.app.state.resources.begin(SYSTEM) as work:
        found = "SELECT max(id) FROM tokens WHERE person_id = :person"
        person = {"person": served.people["technician"].id}
        token = (await work.session.execute(text(found), person)).scalar_one()
    client = await served.connected(None)
    await client.begin({"authorization": f"Bearer {secret}"})
    name = await served.hears(client, CHANGED, n=number)
    async with served.app.state.resources.begin(SYSTEM) as work:
        await revoke_token(work, token)
    ended = await client.next()
    assert ended["payload"]["errors"][0]["extensions"]["code"] == "unauthenticated"
    assert await client.next() == {"id": name, "type": "complete"}
    await client.subscribe("query { queues { key } }")
    assert (await client.next())["payload"][0]["extensions"]["code"] == "unauthenticated"
    await client.socket.close()


async def test_a_ticket_that_leaves_the_subscribers_sight_ends_the_subscription(served: Served) -> None:
    async with served.app.state.resources.begin(SYSTEM) as work:
        secret_queue = (await makers.make_queue(work, confidential=True)).key
        number = (await makers.make_ticket(work)).id
        await actions.transfer(work, number, inputs.Transfer(queue=served.queue.key))
    client = await served.connected()
    await served.hears(client, CHANGED, n=number)
    await served.change("transferTicket", number=number, queue=secret_queue)
    ended = await client.next()
    assert "errors" in ended["payload"], ended
    assert ended["payload"]["errors"][0]["extensions"]["code"] == "not_found"
    assert (await client.next())["type"] == "complete"
    await client.socket.close()


async def test_what_cannot_be_seen_cannot_be_subscribed_to(served: Served) -> None:
    number = await served.open()
    client = await served.connected("stranger")
    for query, variables in ((CHANGED, {"n": number}), (QUEUE_CHANGED, {"key": "no-such-queue"})):
        await client.subscribe(query, **variables)
        message = await client.next()
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "not_found"
        if message["type"] == "next":
            assert (await client.next())["type"] == "complete"
    await client.socket.close()


async def test_the_token_may_come_in_the_handshake(served: Served) -> None:
    client = await served.connected(None, additional_headers=makers.bearer(served.tokens["teacher"]))
    await client.begin(None)
    await client.subscribe("{ me { person { name } } }")
    message = await client.next()
    assert message["payload"]["data"] == {"me": {"person": {"name": "Rosa Delgado"}}}
    assert message["payload"]["extensions"]["cost"]["requested"] > 0
    assert (await client.next())["type"] == "complete"
    await client.socket.close()


@pytest.mark.parametrize(
    "payload", [None, {}, {"Authorization": "Bearer fb_nobody"}, {"Authorization": 5}, 7]
)
async def test_without_a_valid_token_the_connection_is_closed(served: Served, payload: Any) -> None:
    client = await served.connected(None)
    await client.send(type="connection_init", payload=payload)
    assert await client.closed_with() == 4403


SUBSCRIBE = {
    "id": "1",
    "type": "subscribe",
    "payload": {"query": "subscription { ticketChanged(number: 1) { missed } }"},
}


async def test_a_subscription_before_the_handshake_closes_the_connection(served: Served) -> None:
    client = await served.connected(None)
    await client.send(**SUBSCRIBE)
    assert await client.closed_with() == 4401


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 4400), ("[]", 4400), ("7", 4400), ('"subscribe"', 4400),
        ("[" * 10_000, 4400), (b"\x00\xff", 4400),
        ('{"type": 5}', 4400), ('{"type": "dance"}', 4400), ('{"type": "connection_init"}', 4429),
        ('{"type": "subscribe"}', 4400),
        ('{"type": "subscribe", "id": 5, "payload": {"query": "{a}"}}', 4400),
        ('{"type": "subscribe", "id": "1"}', 4400), ('{"type": "subscribe", "id": "1", "payload": []}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": 5}}', 4400),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": [5]}}', 4400),
        ('{"type": "complete", "id": {}}', 4400), ("x" * 1_000_001, 4400),
    ],
    ids=range(17),
)  # fmt: skip
async def test_a_message_against_the_protocol_closes_the_connection(
    served: Served, message: str | bytes, code: int
) -> None:
    client = await served.connected()
    await client.socket.send(message)
    assert await client.closed_with() == code


async def test_two_operations_of_one_id_close_the_connection(served: Served) -> None:
    client = await served.connected()
    number = await served.open()
    for _ in range(2):
        await client.send(id="1", type="subscribe", payload={"query": CHANGED, "variables": {"n": number}})
    assert await client.closed_with() == 4409


async def test_another_subprotocol_is_not_spoken(served: Served) -> None:
    socket = await connect(served.url, subprotocols=[Subprotocol("graphql-ws")])
    assert await Listening(socket).closed_with() == 4406


async def test_a_document_that_is_refused_is_an_error_of_its_own(served: Served) -> None:
    client = await served.connected()
    for query, code in (("{ secrets }", "bad_query"), ("{", "bad_query"), ("", "bad_query")):
        name = await client.subscribe(query)
        message = await client.next()
        assert (message["id"], message["type"]) == (name, "error")
        assert message["payload"][0]["extensions"]["code"] == code
    await client.send(type="ping")
    assert (await client.next())["type"] == "pong"
    await client.socket.close()


async def test_a_connection_holds_only_so_many_subscriptions(served: Served) -> None:
    number = await served.open()
    client = await served.connected()
    most = Settings().max_subscriptions
    for name in range(most + 1):
        await client.send(
            id=f"s{name}", type="subscribe", payload={"query": CHANGED, "variables": {"n": number}}
        )
    message = await client.next()
    assert (message["id"], message["type"]) == (f"s{most}", "error")
    assert message["payload"][0]["extensions"]["code"] == "too_many_subscriptions"
    await client.send(id="s0", type="complete")
    await client.send(id="again", type="subscribe", payload={"query": "{ queues { key } }"})
    assert (await client.next())["type"] == "next"
    await client.socket.close()


async def test_nothing_is_left_of_a_client_that_is_gone(served: Served) -> None:
    hub: Hub = served.app.state.hub
    number = await served.open()
    before = hub.subscribers
    client = await served.connected()
    name = await served.hears(client, CHANGED, n=number)
    await served.hears(client, CHANGED, n=number)
    assert hub.subscribers == before + 2
    await client.send(id=name, type="complete")
    for _ in range(500):
        if hub.subscribers == before + 1:
            break
        await asyncio.sleep(0.01)
    assert hub.subscribers == before + 1
    client.socket.transport.abort()
    for _ in range(500):
        if hub.subscribers == before:
            break
        await asyncio.sleep(0.01)
    assert hub.subscribers == before


async def test_many_subscribers_hear_many_changes(served: Served) -> None:
    number = await served.open()
    clients = [await served.connected() for _ in range(10)]
    for client in clients:
        await served.hears(client, CHANGED, n=number)
    for body in ("1", "2", "3"):
        await served.change("replyToTicket", number=number, body=body)
    for client in clients:
        heard = sorted([(await client.change())["event"]["body"] for _ in range(3)])
        assert heard == ["1", "2", "3"]
        await client.socket.close()


async def test_a_slow_reader_loses_the_oldest_and_is_told_so() -> None:
    heard = Heard()
    for event in range(KEPT_FOR_A_SLOW_READER + 2):
        heard.put(Happening(1, event))
    assert await heard.next(1) == Happening(1, 2)
    assert heard.was_missed() is True
    assert heard.was_missed() is False


async def test_a_reader_waits_until_stirred() -> None:
    heard = Heard()
    asyncio.get_running_loop().call_later(0.05, heard.stir)
    assert await heard.next(5) is None
    assert await heard.next(0.01) is None


async def test_a_subscriber_sees_a_run_move(served: Served) -> None:
    async with served.app.state.resources.begin(SYSTEM) as work:
        await makers.make_playbook(work, small("watched"))
    started = (await served.data(START_RUN, "teacher", input={"playbook": "watched"}))["startRun"]["run"]
    client = await served.connected("technician")
    await served.hears(client, RUN_CHANGED % started["runId"])
    assert (await client.change())["path"] == "first"
    given = {"run": started["runId"], "step": "first", "value": "yes"}
    await served.data(ANSWER_STEP, "teacher", input=given)
    change = await client.change()
    assert (change["path"], change["step"]["text"]) == ("second", "Show it")
    stranger = await served.connected("stranger")
    await stranger.subscribe(RUN_CHANGED % started["runId"])
    message = await stranger.next()
    assert message["type"] == "error" or message["payload"]["errors"]
