"""The sweep of due timers: how many a second, and what a look costs when nothing is due."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from bench import load
from service.app import make_resources
from service.core.embedded import clean_environment, lease
from service.core.settings import Settings
from service.core.work import Resources
from service.tickets.sweep import sweep

TICKETS, DUE, LOOKS = 100_000, 40_000, 200

MAKE_DUE = text(
    """
    UPDATE sla_timers SET state = 1, breached_at = NULL, stopped_at = NULL,
        due_at = now() - interval '1 minute', checks = ARRAY[now() - interval '1 minute'],
        next_check_at = now() - interval '1 minute'
    WHERE id IN (SELECT id FROM sla_timers ORDER BY id LIMIT :due)
    """
)


def run() -> None:
    clean_environment()
    with tempfile.TemporaryDirectory(prefix="firstbell-bench-") as home, lease(Path(home)) as url:
        asyncio.run(load.load(url, TICKETS))
        asyncio.run(_measure(url))


async def _measure(url: str) -> None:
    resources = make_resources(url, Settings(database_pool=4))
    try:
        await sweep(resources)
        idle = [await _timed(resources) for _ in range(LOOKS)]
        async with resources.engine.begin() as db:
            await db.execute(MAKE_DUE, {"due": DUE})
        started = time.perf_counter()
        found = await sweep(resources)
        seconds = time.perf_counter() - started
    finally:
        await resources.close()
    print(f"sweep of {found:,} due timers: {found / seconds:,.0f} a second")
    print(f"sweep with nothing due, among {2 * TICKETS:,} timers: {statistics.median(idle) * 1000:.2f} ms")


async def _timed(resources: Resources) -> float:
    started = time.perf_counter()
    await sweep(resources)
    return time.perf_counter() - started
