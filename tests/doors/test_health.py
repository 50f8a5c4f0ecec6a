"""Alive, ready, measured; and what clients hear while the database is away."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import make_app
from service.core import embedded
from service.core.actor import SYSTEM
from service.core.migrating import migrate
from service.core.settings import Settings
from tests import makers
from tests.space import space


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (200, "ok")


async def test_measures_name_routes_not_paths(client: httpx.AsyncClient) -> None:
    await client.get("/api/v1/tickets/424242")
    await client.get("/nowhere/secret-in-path")
    text = (await client.get("/metrics")).text
    assert 'route="/api/v1/tickets/{number}"' in text
    assert "424242" not in text
    assert "secret-in-path" not in text


async def test_a_request_id_comes_back_and_a_hostile_one_does_not(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"X-Request-Id": "abc-1"})).headers[
        "x-request-id"
    ] == "abc-1"
    assert (await client.get("/healthz", headers={"X-Request-Id": "a b\"'"})).headers[
        "x-request-id"
    ] != "a b\"'"


async def test_unknown_paths_and_methods_answer_as_problems(client: httpx.AsyncClient) -> None:
    missing = await client.get("/api/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await client.delete("/api/v1/tickets")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fb-outage-", dir=space()) as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.skipif("FIRSTBELL_DATABASE_URL" in os.environ, reason="stops a server of its own")
async def test_an_outage_is_said_and_survived(home: Path) -> None:
    held = embedded.start(home)
    migrate(held.url)
    app: Any = make_app(held.url, Settings(database_pool=4))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://desk") as client,
    ):
        async with app.state.resources.begin(SYSTEM) as work:
            await makers.default_queue(work)
            headers = makers.bearer(await makers.token_for(work, await makers.make_person(work)))
        assert (
            await client.post("/api/v1/tickets", json={"subject": "a"}, headers=headers)
        ).status_code == 201
        pid = embedded.status(home).pid
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        _gone(pid)
        lost = await client.post("/api/v1/tickets", json={"subject": "b"}, headers=headers)
        assert (lost.status_code, lost.json()["code"]) == (503, "unavailable")
        assert lost.headers["retry-after"] == "2"
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")
        assert (await client.get("/healthz")).status_code == 200
        again = embedded.start(home)
        assert (await client.get("/readyz")).status_code == 200
        assert (
            await client.post("/api/v1/tickets", json={"subject": "c"}, headers=headers)
        ).status_code == 201
    again.release()
    held.release()


def _gone(pid: int) -> None:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
