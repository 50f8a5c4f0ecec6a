"""The job process: the same resources as the web process, queues and periodic jobs."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException

import service.core.housekeeping
import service.playbooks.jobs
import service.tickets.jobs  # noqa: F401
from service.core.database import driver_url
from service.core.outbox import Listener, jobs
from service.core.settings import Settings
from service.core.work import Resources

log = structlog.get_logger()


async def run_worker(url: str, resources: Resources, settings: Settings, *, signals: bool = True) -> None:
    """Work jobs off until told to stop; an outage of the database is waited out."""
    listener = Listener(url, lambda facts: _hear(resources, facts), resources.shelf.clear)
    listener.start()
    try:
        await _work(driver_url(url).replace("+psycopg", "", 1), resources, settings, signals=signals)
    finally:
        await listener.close()


def _hear(resources: Resources, facts: dict[str, Any]) -> None:
    """Rules that changed elsewhere are read afresh here."""
    if facts.get("config"):
        resources.shelf.clear()


async def _work(conninfo: str, resources: Resources, settings: Settings, *, signals: bool) -> None:
    silent = False
    while True:
        connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=settings.worker_concurrency + 2)
        try:
            with jobs.replace_connector(connector) as app:
                async with app.open_async():
                    log.info("worker_ready", concurrency=settings.worker_concurrency)
                    await app.run_worker_async(
                        concurrency=settings.worker_concurrency,
                        fetch_job_polling_interval=0.5,
                        delete_jobs="successful",
                        install_signal_handlers=signals,
                        additional_context={"resources": resources},
                        shutdown_graceful_timeout=20,
                    )
            return
        except (ConnectorException, OSError) as error:
            if not silent:
                log.warning("worker_lost_database", error=type(error).__name__)
                silent = True
            await asyncio.sleep(1)
