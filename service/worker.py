"""The job process: the same resources as the web process, queues and periodic jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

import service.core.housekeeping
import service.mdm.command_jobs
import service.mdm.connection_jobs
import service.mdm.look_jobs
import service.mdm.sync_jobs
import service.monitoring.field_jobs
import service.monitoring.history_jobs
import service.monitoring.jobs
import service.playbooks.jobs
import service.tickets.jobs  # noqa: F401
from service.core.database import driver_url
from service.core.outbox import Listener, jobs
from service.core.settings import Settings
from service.core.work import Resources
from service.mdm.vendors import open_managements
from service.monitoring.network import open_network
from service.monitoring.trapping import TrapEar

QUEUES = ("desk",), ("network",), ("network_slow",), ("network_field",), ("mdm",), ("mdm_sync",)
"""Each with a turn of its own: waiting for silent devices takes no timer's turn."""
NETWORK_AT_ONCE = 3
FIELD_AT_ONCE = 4
COMMANDS_AT_ONCE = 8
SYNCS_AT_ONCE = 2
LAST_JOBS = 3.0  # seconds
log = structlog.get_logger()


async def run_worker(url: str, resources: Resources, settings: Settings, *, signals: bool = True) -> None:
    """Work jobs off until told to stop; an outage of the database is waited out."""
    async with AsyncExitStack() as stack:
        network = open_network()
        stack.push_async_callback(network.close)
        managements = open_managements()
        stack.push_async_callback(managements.close)
        listener = Listener(url, lambda facts: _hear(resources, facts), resources.shelf.clear)
        stack.push_async_callback(listener.close)
        listener.start()
        await stack.enter_async_context(TrapEar(resources, network, settings))
        conninfo = driver_url(url).replace("+psycopg", "", 1)
        held = {"resources": resources, "network": network, "managements": managements}
        await _work(conninfo, held, settings, signals=signals)


def _hear(resources: Resources, facts: dict[str, Any]) -> None:
    """Rules that changed elsewhere are read afresh here."""
    if facts.get("config"):
        resources.shelf.clear()


async def _work(conninfo: str, held: dict[str, Any], settings: Settings, *, signals: bool) -> None:
    silent = False
    while True:
        try:
            async with _opened(conninfo, settings.worker_concurrency + 20) as app:
                log.info("worker_ready", concurrency=settings.worker_concurrency)
                await _run(app, held, settings, signals=signals)
            return
        except (ConnectorException, OSError) as error:
            if not silent:
                log.warning("worker_lost_database", error=type(error).__name__)
                silent = True
            await asyncio.sleep(1)


@asynccontextmanager
async def _opened(conninfo: str, connections: int) -> AsyncIterator[App]:
    """The queue over a pool of its own. One that was never fully open has tasks and connections to close too,
    which procrastinate's own context leaves.
    """
    connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=connections)
    try:
        with jobs.replace_connector(connector) as app:
            await app.open_async()
            _heed_cancellation()
            yield app
    finally:
        await connector.close_async()


def _heed_cancellation() -> None:
    """Before Python 3.12, `asyncio.wait_for` loses a cancellation that comes just as what it waits for is
    there, and the pool of connections waits by it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _run(app: App, held: dict[str, Any], settings: Settings, *, signals: bool) -> None:
    """A worker for each group of queues; when one ends, all do."""
    at_once = (
        settings.worker_concurrency,
        NETWORK_AT_ONCE,
        1,
        FIELD_AT_ONCE,
        COMMANDS_AT_ONCE,
        SYNCS_AT_ONCE,
    )
    workers = [
        Worker(
            app,
            queues=list(queues),
            concurrency=concurrency,
            fetch_job_polling_interval=0.5,
            delete_jobs="successful",
            install_signal_handlers=signals and n == 0,
            additional_context=held,
            shutdown_graceful_timeout=20,
        )
        for n, (queues, concurrency) in enumerate(zip(QUEUES, at_once, strict=True))
    ]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]  # type: ignore[no-untyped-call]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending = asyncio.create_task(_end(workers, tasks))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise
    for task in ended:
        task.result()


async def _end(workers: list[Worker], tasks: list[asyncio.Task[None]]) -> None:
    """Jobs that are nearly done end well."""
    for worker in workers:
        worker.stop()  # type: ignore[no-untyped-call]
    # A worker that was only just starting has not heard of the stop.
    await asyncio.wait(tasks, timeout=LAST_JOBS)
    for worker, task in zip(workers, tasks, strict=True):
        # A cancellation alone can be lost in the same way while the worker starts, which then runs on.
        worker.stop()  # type: ignore[no-untyped-call]
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
