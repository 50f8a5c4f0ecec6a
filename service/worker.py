"""The job process: the same resources as the web process, queues and periodic jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException

import service.core.housekeeping
import service.monitoring.field_jobs
import service.monitoring.history_jobs
import service.monitoring.jobs
import service.playbooks.jobs
import service.tickets.jobs  # noqa: F401
from service.core.database import driver_url
from service.core.outbox import Listener, jobs
from service.core.settings import Settings
from service.core.work import Resources
from service.monitoring.network import Network, open_network
from service.monitoring.trapping import TrapEar

QUEUES = ("desk",), ("network",), ("network_slow",), ("network_field",)
"""Each with a turn of its own: waiting for silent devices takes no timer's turn."""
NETWORK_AT_ONCE = 3
FIELD_AT_ONCE = 4
log = structlog.get_logger()


async def run_worker(url: str, resources: Resources, settings: Settings, *, signals: bool = True) -> None:
    """Work jobs off until told to stop; an outage of the database is waited out."""
    listener = Listener(url, lambda facts: _hear(resources, facts), resources.shelf.clear)
    listener.start()
    network = open_network()
    try:
        async with TrapEar(resources, network, settings):
            conninfo = driver_url(url).replace("+psycopg", "", 1)
            await _work(conninfo, resources, network, settings, signals=signals)
    finally:
        await network.close()
        await listener.close()


def _hear(resources: Resources, facts: dict[str, Any]) -> None:
    """Rules that changed elsewhere are read afresh here."""
    if facts.get("config"):
        resources.shelf.clear()


async def _work(
    conninfo: str, resources: Resources, network: Network, settings: Settings, *, signals: bool
) -> None:
    silent = False
    while True:
        connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=settings.worker_concurrency + 9)
        try:
            with jobs.replace_connector(connector) as app:
                async with app.open_async():
                    log.info("worker_ready", concurrency=settings.worker_concurrency)
                    await _run(app, resources, network, settings, signals=signals)
            return
        except (ConnectorException, OSError) as error:
            if not silent:
                log.warning("worker_lost_database", error=type(error).__name__)
                silent = True
            await asyncio.sleep(1)


async def _run(
    app: App, resources: Resources, network: Network, settings: Settings, *, signals: bool
) -> None:
    """A worker for each group of queues; when one ends, all do."""
    at_once = settings.worker_concurrency, NETWORK_AT_ONCE, 1, FIELD_AT_ONCE
    tasks = []
    for n, (queues, concurrency) in enumerate(zip(QUEUES, at_once, strict=True)):
        options: dict[str, Any] = {
            "queues": list(queues),
            "concurrency": concurrency,
            "fetch_job_polling_interval": 0.5,
            "delete_jobs": "successful",
            "install_signal_handlers": signals and n == 0,
            "additional_context": {"resources": resources, "network": network},
            "shutdown_graceful_timeout": 20,
        }
        tasks.append(asyncio.create_task(app.run_worker_async(**options)))
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
