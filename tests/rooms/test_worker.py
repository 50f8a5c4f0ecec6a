"""A worker that is told to stop leaves nothing behind, wherever in its start that finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.migrating import migrate
from service.core.settings import Settings
from service.core.work import Resources
from service.worker import run_worker
from tests import makers
from tests.conftest import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="function")  # where no other test's tasks live
QUIET = Settings(trap_port=None)


@pytest.fixture(scope="module")
def quiet_url(server_url: str) -> Iterator[str]:
    """A desk on whose queue no other test has left work."""
    with fresh_database(server_url, "fb_worker") as url:
        migrate(url)
        yield url


async def stopped_after(seconds: float, url: str, resources: Resources) -> None:
    work = asyncio.create_task(run_worker(url, resources, QUIET, signals=False))
    await asyncio.sleep(seconds)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(work, 30)


async def left_behind(before: set[asyncio.Task[Any]]) -> list[str]:
    """Tasks that do not end by themselves either."""
    for _ in range(500):
        left = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
        if not left:
            return []
        await asyncio.sleep(0.02)
    return left


async def connections(resources: Resources, name: str) -> int:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
    async with resources.read(SYSTEM) as read:
        return int(await read.db.scalar(query, {"name": name}) or 0)


async def none_left(resources: Resources, name: str) -> bool:
    """PostgreSQL notices within a moment that a client has gone."""
    for _ in range(100):
        if not await connections(resources, name):
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.3])
async def test_a_worker_that_is_stopped_lets_go_of_its_connections(quiet_url: str, seconds: float) -> None:
    name = makers.unique("worker")
    url = make_url(quiet_url).update_query_dict({"application_name": name})
    resources = Resources(make_engine(quiet_url, pool=2))
    before = asyncio.all_tasks()
    try:
        await stopped_after(seconds, url.render_as_string(hide_password=False), resources)
        assert await left_behind(before) == []
        assert await none_left(resources, name)
    finally:
        await resources.close()


async def test_a_worker_that_waits_for_its_database_can_be_stopped(quiet_url: str) -> None:
    nowhere = make_url(quiet_url).set(database=makers.unique("absent"))
    resources = Resources(make_engine(quiet_url, pool=2))
    before = asyncio.all_tasks()
    try:
        await stopped_after(0.2, nowhere.render_as_string(hide_password=False), resources)
        assert await left_behind(before) == []
    finally:
        await resources.close()
