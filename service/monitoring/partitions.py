"""Partitions of the samples, a day (UTC) each: made ahead or when a sample asks for one, dropped when old.

All of it on a plain psycopg connection, since some must happen outside a transaction. Making one takes
locks that let readers and writers go on (SHARE UPDATE EXCLUSIVE), and so does DETACH … CONCURRENTLY.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable, QueryCanceled

DROPPING = 0x46425F44  # "FB_D", held by whoever drops; makers do not wait for it
PATIENCE = "10s"
AHEAD = 3
NAME = re.compile(r"network_samples_(\d{4})(\d{2})(\d{2})")
Raw = AsyncConnection[Any]
log = structlog.get_logger()

LOCK = "LOCK TABLE ONLY network_samples IN SHARE UPDATE EXCLUSIVE MODE"  # one maker at a time
MISSING = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(quote_ident(name)) IS NULL"
THERE = """
    SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)
    FROM pg_class AS c
    JOIN pg_class AS parent ON parent.oid = 'network_samples'::regclass
    LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND i.inhparent = parent.oid
    WHERE c.relnamespace = parent.relnamespace AND c.relkind = 'r'
        AND c.relname ~ '^network_samples_[0-9]{8}$'
    ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """A day's table. It is not `attached` after a drop broke off, `half_detached` while one still waits."""

    day: date
    attached: bool
    half_detached: bool

    @property
    def name(self) -> str:
        return name_of(self.day)


def name_of(day: date) -> str:
    return f"network_samples_{day:%Y%m%d}"


def days_ahead(now: datetime) -> list[date]:
    """Yesterday to three days from now."""
    today = now.astimezone(UTC).date()
    return [today + timedelta(days=n) for n in range(-1, AHEAD + 1)]


async def partitions(raw: Raw) -> list[Partition]:
    """Every partition there is, oldest first, and the tables that once were one."""
    found = []
    for name, attached, half in await (await raw.execute(THERE)).fetchall():
        if (matched := NAME.fullmatch(name)) is not None:
            found.append(Partition(date(*map(int, matched.groups())), attached, half))
    return found


async def make_partitions(raw: Raw, days: Iterable[date]) -> list[date]:
    """Make the days that are missing; those made. Whoever makes the same ones at once waits, and finds them.

    Inside a transaction it is part of it. Raises psycopg's LockNotAvailable after ten seconds of waiting.
    """
    wanted = {name_of(day): day for day in days}
    if not await _missing(raw, wanted):
        return []
    async with raw.transaction(), _patience(raw):
        await raw.execute(LOCK)
        missing = sorted(await _missing(raw, wanted))
        for name in missing:
            await _make(raw, name, wanted[name])
    return [wanted[name] for name in missing]


async def _missing(raw: Raw, names: Iterable[str]) -> list[str]:
    return [row[0] for row in await (await raw.execute(MISSING, (list(names),))).fetchall()]


async def _make(raw: Raw, name: str, day: date) -> None:
    bounds = f"FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
    await raw.execute(f"CREATE TABLE {name} (LIKE network_samples)")
    await raw.execute(f"ALTER TABLE network_samples ATTACH PARTITION {name} FOR VALUES {bounds}")


@asynccontextmanager
async def _patience(raw: Raw) -> AsyncIterator[None]:
    """Bounded waits for locks; afterwards the transaction waits as it did before."""
    before = await (await raw.execute("SELECT current_setting('lock_timeout')")).fetchone()
    await raw.execute("SELECT set_config('lock_timeout', %s, true)", (PATIENCE,))
    yield
    await raw.execute("SELECT set_config('lock_timeout', %s, true)", before)


async def drop_partitions(raw: Raw, before: date) -> list[date]:
    """Drop the days before `before`; those dropped. `raw` must be in autocommit.

    What a long reader holds up is left for the next time. Two at once: the second does nothing.
    """
    got = await (await raw.execute("SELECT pg_try_advisory_lock(%s)", (DROPPING,))).fetchone()
    if got is None or not got[0]:
        return []
    try:
        await raw.execute("SELECT set_config('lock_timeout', %s, false)", (PATIENCE,))
        return await _drop([p for p in await partitions(raw) if p.day < before], raw)
    finally:
        await raw.execute("RESET lock_timeout")
        await raw.execute("SELECT pg_advisory_unlock(%s)", (DROPPING,))


async def _drop(old: Sequence[Partition], raw: Raw) -> list[date]:
    """Those that hang half detached come first: PostgreSQL bears one at a time."""
    dropped = []
    for partition in sorted(old, key=lambda p: (not p.half_detached, p.day)):
        try:
            await _drop_one(raw, partition)
        except (LockNotAvailable, QueryCanceled) as error:
            log.warning("partition_not_dropped", partition=partition.name, error=type(error).__name__)
            break
        dropped.append(partition.day)
    return dropped


async def _drop_one(raw: Raw, partition: Partition) -> None:
    if partition.attached:
        how = "FINALIZE" if partition.half_detached else "CONCURRENTLY"
        await raw.execute(f"ALTER TABLE network_samples DETACH PARTITION {partition.name} {how}")
    await raw.execute(f"DROP TABLE {partition.name}")
