"""Announcements: sent after the commit, heard by every listener; jobs: in the transaction."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.outbox import Announcer, Listener, enqueue
from service.core.work import Resources, Work
from tests.conftest import NOW


async def test_every_announcement_is_heard_however_many_there_are(database_url: str) -> None:
    engine = make_engine(database_url, pool=2)
    announcer = Announcer(engine)
    heard: list[dict[str, Any]] = []
    all_heard = asyncio.Event()

    def hear(facts: dict[str, Any]) -> None:
        heard.append(facts)
        if sum("ours" in f for f in heard) == 600:
            all_heard.set()

    listener = Listener(database_url, hear, lambda: None)
    listener.start()
    await asyncio.wait_for(listener.connected.wait(), 10)
    for start in range(0, 600, 200):
        announcer.send([{"ours": n, "padding": "x" * 100} for n in range(start, start + 200)])
        await asyncio.sleep(0)
    await asyncio.wait_for(all_heard.wait(), 10)
    assert [f["ours"] for f in heard if "ours" in f] == list(range(600))
    await listener.close()
    await announcer.close()
    await engine.dispose()


async def test_a_listener_that_lost_its_connection_listens_again_and_catches_up(database_url: str) -> None:
    engine = make_engine(database_url, pool=2)
    caught_up: asyncio.Queue[None] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    listener = Listener(database_url, heard.put_nowait, lambda: caught_up.put_nowait(None))
    listener.start()
    await asyncio.wait_for(caught_up.get(), 10)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'firstbell listener' AND datname = current_database()"
            )
        )
    await asyncio.wait_for(caught_up.get(), 10)
    announcer = Announcer(engine)
    announcer.send([{"again": True}])
    while not (await asyncio.wait_for(heard.get(), 10)).get("again"):
        pass
    await listener.close()
    await announcer.close()
    await engine.dispose()


async def test_a_job_is_in_the_transaction(database_url: str) -> None:
    engine = make_engine(database_url, pool=2)
    resources = Resources(engine=engine)

    async def jobs(work: Work) -> int:
        query = text("SELECT count(*) FROM procrastinate_jobs WHERE args->>'ticket_id' = '-42'")
        return int((await work.session.execute(query)).scalar_one())

    class Undone(Exception):
        pass

    try:
        async with resources.begin(SYSTEM) as work:
            await enqueue(work, "tickets.end_hold", at=NOW + timedelta(days=9999), ticket_id=-42)
            assert await jobs(work) == 1
            raise Undone
    except Undone:
        pass
    async with resources.begin(SYSTEM) as work:
        assert await jobs(work) == 0
    await engine.dispose()
