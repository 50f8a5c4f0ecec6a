"""Keeping the history in order: what its jobs do. None of it is one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, timedelta

from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncConnection as Connection

from service.core.settings import settings
from service.core.work import Resources
from service.monitoring import partitions, rollups


@asynccontextmanager
async def _autocommit(resources: Resources) -> AsyncIterator[Connection]:
    engine = resources.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        yield connection


async def roll_up_recent(resources: Resources) -> int:
    """Hours that changed lately, and once an hour their days; how many roll-ups were made."""
    now = resources.clock()
    back = rollups.look_back(now)
    async with _autocommit(resources) as connection:
        return await rollups.roll_up(connection, now - back, now, days=back > rollups.OFTEN)


async def keep_partitions(resources: Resources) -> tuple[list[date], list[date]]:
    """Make the days from yesterday to three ahead, drop those past their keeping; the days made and dropped.

    A day is dropped when all of it is past `FIRSTBELL_SAMPLE_DAYS`.
    """
    now = resources.clock()
    before = now.astimezone(UTC).date() - timedelta(days=settings().sample_days)
    async with _autocommit(resources) as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert isinstance(raw, AsyncConnection)
        made = await partitions.make_partitions(raw, partitions.days_ahead(now))
        return made, await partitions.drop_partitions(raw, before)


async def forget_roll_ups(resources: Resources) -> int:
    """Delete roll-ups past their keeping; how many rows."""
    async with _autocommit(resources) as connection:
        return await rollups.forget_roll_ups(connection, resources.clock())
