"""What leaves a transaction: jobs go with it, announcements go right after it.

A `pg_notify` inside a transaction holds a lock through the flush, so announcements are sent by a task of
the process, several in one statement. A crash in between loses a wake-up, never an event: listeners also
look for new events by id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import psycopg
import structlog
from procrastinate import App, JobContext, PsycopgConnector
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from service.core.database import driver_url
from service.core.work import Resources, Work

CHANNEL = "firstbell"
MAX_NOTIFY_BYTES = 7000
PAUSE = 0.02
log = structlog.get_logger()

jobs = App(connector=PsycopgConnector())


def resources_of(context: JobContext) -> Resources:
    return context.additional_context["resources"]  # type: ignore[no-any-return]


async def enqueue(
    work: Work, name: str, *, at: datetime | None = None, lock: str | None = None, **arguments: Any
) -> None:
    """Put a job on the queue inside the transaction of `work`: rolled back, there is no job."""
    await _defer(work, name, at, lock, arguments)


async def _defer(
    work: Work, name: str, at: datetime | None, lock: str | None, arguments: dict[str, Any]
) -> None:
    raw = (await (await work.session.connection()).get_raw_connection()).driver_connection
    deferrer = jobs.configure_task(name, connection=raw, schedule_at=at, queueing_lock=lock)
    await deferrer.defer_async(**arguments)


async def offer(work: Work, name: str, **arguments: Any) -> bool:
    """The same for a job that may be connected or not: False, and nothing enqueued, where nobody takes it."""
    if name not in jobs.tasks:
        return False
    await _defer(work, name, None, None, arguments)
    return True


def announce(work: Work, **facts: Any) -> None:
    """Tell listeners after the commit; `facts` are ids, the listener loads the truth."""
    work.announced.append(facts)


class Announcer:
    """Sends announcements on one channel, many in one statement, from one task of the process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._waiting: list[dict[str, Any]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def send(self, facts: list[dict[str, Any]]) -> None:
        self._waiting.extend(facts)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="announcer")
        self._wake.set()

    async def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                await asyncio.wait_for(self._task, 5)

    async def _run(self) -> None:
        while not (self._closed and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                await self._send(batch)
            except Exception as error:  # noqa: BLE001  (a lost wake-up must not end the announcer)
                log.warning("announcements_lost", count=len(batch), error=type(error).__name__)
            if not self._closed:
                await asyncio.sleep(PAUSE)  # what comes meanwhile goes in one statement

    async def _send(self, batch: list[dict[str, Any]]) -> None:
        payloads = _packed(batch)
        statement = text(
            f"SELECT pg_notify('{CHANNEL}', p) FROM unnest(CAST(:payloads AS text[])) AS p"
        ).bindparams(bindparam("payloads", payloads))
        async with self._engine.connect() as connection:
            await connection.execute(statement)


def _packed(batch: list[dict[str, Any]]) -> list[str]:
    """JSON arrays small enough for a NOTIFY."""
    payloads: list[str] = []
    current: list[bytes] = []
    size = 0
    for facts in batch:
        line = orjson.dumps(facts)
        if current and size + len(line) > MAX_NOTIFY_BYTES:
            payloads.append(_joined(current))
            current, size = [], 0
        current.append(line)
        size += len(line) + 1
    if current:
        payloads.append(_joined(current))
    return payloads


def _joined(lines: list[bytes]) -> str:
    return (b"[" + b",".join(lines) + b"]").decode()


Hearer = Callable[[dict[str, Any]], None]


class Listener:
    """One connection that hears every announcement; it reconnects by itself and then says so.

    `hear` gets each announcement, `catch_up` runs after every (re)connection, when some may be missed.
    """

    def __init__(self, url: str, hear: Hearer, catch_up: Callable[[], None]) -> None:
        self._conninfo = driver_url(url).replace("postgresql+psycopg://", "postgresql://", 1)
        self._hear = hear
        self._catch_up = catch_up
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        silent = False
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as error:
                self.connected.clear()
                if not silent:
                    log.warning("listener_lost", error=type(error).__name__)
                    silent = True
                await asyncio.sleep(1)
            else:
                silent = False

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, connect_timeout=10, application_name="firstbell listener"
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.connected.set()
            self._catch_up()
            async for notice in connection.notifies():
                for facts in orjson.loads(notice.payload):
                    self._hear(facts)
