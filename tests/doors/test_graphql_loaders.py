"""How many statements a page of tickets takes, and what becomes of it when a loader fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from schema.loaders import Loaders
from service.core.actor import SYSTEM
from service.tickets import actions, inputs
from tests import makers
from tests.doors.graphql_client import Desk, make_desk

PAGE = """query($queue: String) { tickets(filter: {queue: $queue}, first: 50) { nodes {
    number subject requester { name } openedBy { name } assignee { name } asset { tag holder { name } }
    place { name school { name } } queue { key name } category { name } timers { target state dueAt }
    lastReply { body by { name } } sharedWith } } }"""
# the page; people, asset, place, categories, timers, replies; what those refer to in turn
MOST_STATEMENTS = 12


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    yield made
    await made.client.aclose()


async def full_queue(desk: Desk, tickets: int) -> str:
    """A queue with tickets of different people and devices, each assigned and replied to."""
    async with desk.app.state.resources.begin(SYSTEM) as work:
        queue = await makers.make_queue(work)
        reply, to = inputs.Reply(body="On my way."), inputs.Assign(assignee_id=desk.people["technician"].id)
        for _ in range(tickets):
            teacher = await makers.make_person(work, school_id=desk.school.id)
            asset = await makers.make_asset(work, holder_id=teacher.id, place_id=desk.school.id)
            theirs = await makers.acting(work, teacher)
            ticket = await makers.make_ticket(theirs, asset_tag=asset.tag, category="av.projector")
            await actions.transfer(work, ticket.id, inputs.Transfer(queue=queue.key))
            await actions.assign(work, ticket.id, to)
            await actions.reply(work, ticket.id, reply)
            await actions.share(work, ticket.id, inputs.Share(person_id=desk.people["vendor"].id))
    return str(queue.key)


@contextmanager
def counted(desk: Desk) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = desk.app.state.resources.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def warm(desk: Desk, query: str, key: str) -> tuple[Any, list[str]]:
    """The answer, and the statements it takes once rules and people are on the shelf again."""
    answers = []
    for _ in range(3):
        with counted(desk) as statements:
            data = await desk.data(query, "admin", queue=key)
        answers.append((data, statements))
        await asyncio.sleep(0.05)
    return min(answers, key=lambda answer: len(answer[1]))


async def test_a_page_takes_as_many_statements_for_50_tickets_as_for_5(desk: Desk) -> None:
    numbers = []
    for size in (5, 50):
        key = await full_queue(desk, size)
        page, statements = await warm(desk, PAGE, key)
        nodes = page["tickets"]["nodes"]
        assert len(nodes) == size
        assert all(node["lastReply"]["by"] is None and node["lastReply"]["body"] for node in nodes)
        assert all(node["asset"]["holder"]["name"] == node["requester"]["name"] for node in nodes)
        assert all(node["timers"] and node["queue"]["key"] == key for node in nodes)
        numbers.append(len(statements))
    assert numbers[0] == numbers[1] <= MOST_STATEMENTS


async def test_a_page_of_plain_fields_takes_one_statement(desk: Desk) -> None:
    key, _ = await desk.fresh_queue(tickets=2)
    query = "query($queue: String) { tickets(filter: {queue: $queue}) { nodes { number subject status } } }"
    _, (statement,) = await warm(desk, query, key)
    assert "description" not in statement


async def test_a_loader_that_fails_leaves_the_rest_of_the_page(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Loaders, ids: list[int]) -> list[Any]:
        raise OperationalError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)

    key, numbers = await desk.fresh_queue(tickets=3)
    monkeypatch.setattr(Loaders, "_people", broken)
    query = """query($queue: String) { tickets(filter: {queue: $queue}) { nodes {
        number requester { name } openedBy { name } queue { key } } } }"""
    answer = await desk.ask(query, "admin", queue=key)
    nodes = answer["data"]["tickets"]["nodes"]
    assert sorted(node["number"] for node in nodes) == sorted(numbers)
    assert all(node["requester"] is None and node["queue"] == {"key": key} for node in nodes)
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"unavailable"}
