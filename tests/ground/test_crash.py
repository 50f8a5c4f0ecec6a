"""Two API processes and two workers on one PostgreSQL; one of each is killed in the middle of the work."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.work import Resources
from tests import makers
from tests.conftest import fresh_database
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash")]
WRITES = 2_000
AT_ONCE = 24
PATIENCE = 60.0  # seconds that a writer goes on repeating
UNUSED = httpx.create_ssl_context()  # each client would make one of its own, which takes long
ALL_HOURS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
SOON = {"first_response": 0.02, "resolution": 0.03}


@contextmanager
def process(*arguments: str, url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A firstbell command of its own, killed at the end if it still runs."""
    environment = os.environ | {"FIRSTBELL_DATABASE_URL": url, "FIRSTBELL_LOG_LEVEL": "warning"}
    with log.open("wb") as out:
        command = [sys.executable, "-m", "service.cli", *arguments]
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)


async def a_desk(url: str) -> str:
    """A desk whose timers fall due a second after a ticket is opened; a teacher's token."""
    resources = Resources(engine=make_engine(url, pool=2))
    async with resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        calendar = await makers.make_calendar(work, {"zone": "UTC", "hours": ALL_HOURS})
        school = await makers.make_school(work, calendar_id=calendar.id)
        await makers.make_policy(
            work, targets=dict.fromkeys(("P1", "P2", "P3", "P4"), SOON), rules={"warn_at": []}
        )
        teacher = await makers.make_person(work, school_id=school.id)
        secret = await makers.token_for(work, teacher)
    await resources.engine.dispose()
    return secret


class Writers:
    """Clients that file tickets under keys of their own and repeat what was not acknowledged."""

    def __init__(self, ports: list[int], secret: str) -> None:
        self.addresses = [f"http://127.0.0.1:{port}/api/v1/tickets" for port in ports]
        self.headers = makers.bearer(secret)
        self.acknowledged: dict[int, set[int]] = {n: set() for n in range(WRITES)}
        self.done = 0
        self.a_third_done = asyncio.Event()

    async def write_all(self, waiting: asyncio.Queue[int]) -> None:
        """Over connections of its own: a pool that all share is searched whole at each request."""
        async with httpx.AsyncClient(timeout=20, verify=UNUSED) as client:
            while not waiting.empty():
                n = waiting.get_nowait()
                await self.write(n, client)
                self.done += 1
                if self.done == WRITES // 3:
                    self.a_third_done.set()

    async def write(self, n: int, client: httpx.AsyncClient) -> None:
        """Until acknowledged, on one server or the other; every seventh is sent twice at once."""
        headers = self.headers | {"Idempotency-Key": f"write-{n}"}
        heard: Counter[str] = Counter()
        deadline = time.monotonic() + PATIENCE
        for attempt in itertools.count():
            address = self.addresses[(n + attempt) % 2]
            once = lambda: client.post(address, json={"subject": f"Write {n}"}, headers=headers)  # noqa: B023, E731
            sent = [once(), once()] if n % 7 == 0 else [once()]
            answers = await asyncio.gather(*sent, return_exceptions=True)
            good = [a for a in answers if isinstance(a, httpx.Response) and a.status_code == 201]
            self.acknowledged[n] |= {a.json()["number"] for a in good}
            if good:
                return
            heard.update(f"{address[17:22]} {_told(answer)}" for answer in answers)
            assert time.monotonic() < deadline, f"write {n} was never acknowledged: {heard}"
            await asyncio.sleep(0.05)


def _told(answer: httpx.Response | BaseException) -> str:
    if isinstance(answer, httpx.Response):
        return f"{answer.status_code} {answer.text[:80]}"
    return type(answer).__name__


async def ready(port: int) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(300):
            try:
                if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError("the server did not become ready")


async def test_nothing_is_lost_and_nothing_done_twice_when_processes_are_killed(
    server_url: str, empty_url: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        name = f"fb_crash_{os.getpid()}"
        url = stack.enter_context(fresh_database(server_url, name, durable=True, like=empty_url))
        secret = await a_desk(url)
        ports = [free_port(), free_port()]
        apis, workers = [], []
        for n, port in enumerate(ports):
            command = ("serve", "--port", str(port))
            apis.append(stack.enter_context(process(*command, url=url, log=tmp_path / f"api{n}")))
            workers.append(stack.enter_context(process("worker", url=url, log=tmp_path / f"worker{n}")))
        await asyncio.gather(*(ready(port) for port in ports))
        assert [child.poll() for child in apis] == [None, None]
        writers = Writers(ports, secret)
        await run(writers, apis[0], workers[0])
        acknowledged = list(writers.acknowledged.values())
        assert all(len(numbers) == 1 for numbers in acknowledged)
        await all_swept(url)
        found = audit(url)
    assert found["tickets"] == found["subjects"] == WRITES
    assert found["numbers"] == {number for numbers in acknowledged for number in numbers}
    assert found["timers"] == 2 * WRITES
    assert found["breaches"] == found["distinct_breaches"] == 2 * WRITES


async def run(writers: Writers, api: subprocess.Popen[bytes], worker: subprocess.Popen[bytes]) -> None:
    waiting: asyncio.Queue[int] = asyncio.Queue()
    for n in range(WRITES):
        waiting.put_nowait(n)
    tasks = [asyncio.create_task(writers.write_all(waiting)) for _ in range(AT_ONCE)]
    await writers.a_third_done.wait()
    os.kill(api.pid, signal.SIGKILL)
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.gather(*tasks)


async def all_swept(url: str) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + 60
    with engine.connect() as connection:
        while time.monotonic() < deadline:
            left = connection.scalar(text("SELECT count(*) FROM sla_timers WHERE next_check_at IS NOT NULL"))
            connection.rollback()
            if left == 0:
                break
            await asyncio.sleep(0.25)
    engine.dispose()
    assert left == 0, f"{left} timers were never swept"


def audit(url: str) -> dict[str, Any]:
    engine = create_engine(url)
    with engine.connect() as connection:
        tickets = connection.execute(text("SELECT id, subject FROM tickets")).all()
        timers = connection.scalar(text("SELECT count(*) FROM sla_timers"))
        breaches = connection.execute(
            text(
                "SELECT count(*) AS n, count(DISTINCT (ticket_id, detail->>'target')) AS d "
                "FROM ticket_events WHERE kind = 'sla.breached'"
            )
        ).one()
    engine.dispose()
    return {
        "tickets": len(tickets),
        "subjects": len({t.subject for t in tickets}),
        "numbers": {t.id for t in tickets},
        "timers": timers,
        "breaches": breaches.n,
        "distinct_breaches": breaches.d,
    }
