"""Samples put together by the hour, and hours by the day: least, mean and most of each number.

A roll-up says how many samples it was made of. Where that is not how many there are it is made again, so
that late samples count, nothing is done twice, and a run that broke off is simply run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.core.settings import settings
from service.monitoring.history_models import DAYS, HOURS

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OFTEN = timedelta(hours=2)
HOURLY = timedelta(hours=48)
DEVICES_AT_ONCE = 500
HOUR_OF_THE_LONG_LOOK = 3

_STALE_HOURS = text(
    """
    SELECT s.device_id FROM (
        SELECT device_id, count(*) AS n FROM network_samples
        WHERE at >= :since AND at < :until GROUP BY device_id
    ) AS s
    LEFT JOIN network_hours AS r ON r.device_id = s.device_id AND r.at = :since
    WHERE r.n IS DISTINCT FROM s.n ORDER BY s.device_id
    """
)
_STALE_DAYS = text(
    """
    SELECT h.device_id FROM (
        SELECT device_id, sum(n) AS n FROM network_hours
        WHERE device_id = ANY(:devices) AND at >= :since AND at < :until GROUP BY device_id
    ) AS h
    LEFT JOIN network_days AS r ON r.device_id = h.device_id AND r.at = :since
    WHERE r.n IS DISTINCT FROM h.n ORDER BY h.device_id
    """
)
_KEPT = """
    SELECT device_id, :since, max(n), array_agg(least ORDER BY position), array_agg(mean ORDER BY position),
        array_agg(most ORDER BY position)
    FROM by_position GROUP BY device_id ORDER BY device_id
    ON CONFLICT (device_id, at) DO UPDATE
    SET n = excluded.n, least = excluded.least, mean = excluded.mean, most = excluded.most
"""
_ROLL_HOUR = text(
    f"""
    WITH by_position AS (
        SELECT device_id, position, count(*) AS n, min(value) AS least, avg(value)::real AS mean,
            max(value) AS most
        FROM network_samples, unnest("values") WITH ORDINALITY AS u(value, position)
        WHERE device_id = ANY(:devices) AND at >= :since AND at < :until
        GROUP BY device_id, position
    )
    INSERT INTO network_hours (device_id, at, n, least, mean, most) {_KEPT}
    """
)
_ROLL_DAY = text(
    f"""
    WITH by_position AS (
        SELECT device_id, position, sum(n) AS n, min(low) AS least, max(high) AS most,
            (sum(middle::float8 * n) / sum(n) FILTER (WHERE middle IS NOT NULL))::real AS mean
        FROM network_hours, unnest(least, mean, most) WITH ORDINALITY AS u(low, middle, high, position)
        WHERE device_id = ANY(:devices) AND at >= :since AND at < :until
        GROUP BY device_id, position
    )
    INSERT INTO network_days (device_id, at, n, least, mean, most) {_KEPT}
    """
)
_DEVICES = """
    WITH RECURSIVE known AS (
        (SELECT device_id FROM {table} WHERE device_id > :after ORDER BY device_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.device_id FROM {table} AS t WHERE t.device_id > known.device_id
            ORDER BY t.device_id LIMIT 1)
        FROM known WHERE known.device_id IS NOT NULL
    )
    SELECT device_id FROM known WHERE device_id IS NOT NULL LIMIT :most
"""
_FORGET = """
    DELETE FROM {table} AS t WHERE t.device_id = ANY(:devices)
        AND (t.at < :before OR NOT EXISTS (SELECT FROM network_devices AS d WHERE d.id = t.device_id))
"""


def look_back(now: datetime) -> timedelta:
    """How far back a run looks for what changed: two hours; two days in the first run of an hour; once a
    night as long as samples are kept, for whatever an outage left undone.
    """
    if now.minute >= 10:
        return OFTEN
    return timedelta(days=settings().sample_days) if now.hour == HOUR_OF_THE_LONG_LOOK else HOURLY


async def roll_up(db: AsyncConnection, since: datetime, until: datetime, *, days: bool = True) -> int:
    """Roll up the hours that `since` to `until` touch, and with `days` their days; how many were made.

    Each statement stands on its own (`db` in autocommit): at most 500 devices, one hour or one day. A day's
    mean is that of its hours, each with the weight of its samples.
    """
    made = 0
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < until:
        day = hour.replace(hour=0)
        changed = 0
        while hour < min(until, day + DAY):
            changed += await _roll_hour(db, hour)
            hour += HOUR
        if days and (changed or until - hour < HOURLY):
            changed += await _roll_day(db, day)
        made += changed
    return made


async def _roll_hour(db: AsyncConnection, hour: datetime) -> int:
    span = {"since": hour, "until": hour + HOUR}
    stale = (await db.execute(_STALE_HOURS, span)).scalars().all()
    for devices in _batches(stale):
        await db.execute(_ROLL_HOUR, span | {"devices": devices})
    return len(stale)


async def _roll_day(db: AsyncConnection, day: datetime) -> int:
    """Days of devices that are known: others lose their hours too."""
    made = 0
    span = {"since": day, "until": day + DAY}
    known = (await db.execute(text("SELECT id FROM network_devices ORDER BY id"))).scalars().all()
    for devices in _batches(known):
        stale = (await db.execute(_STALE_DAYS, span | {"devices": devices})).scalars().all()
        if stale:
            await db.execute(_ROLL_DAY, span | {"devices": list(stale)})
        made += len(stale)
    return made


def _batches(devices: Sequence[int]) -> list[list[int]]:
    return [list(devices[n : n + DEVICES_AT_ONCE]) for n in range(0, len(devices), DEVICES_AT_ONCE)]


async def forget_roll_ups(db: AsyncConnection, now: datetime) -> int:
    """Delete hours and days past their keeping, and those of devices that are gone; how many rows.

    Few devices at a time, each statement on its own (`db` in autocommit).
    """
    kept = settings()
    forgotten = 0
    for table, days in ((HOURS, kept.hourly_days), (DAYS, kept.daily_days)):
        before = now - timedelta(days=days)
        after = -1
        while devices := await _next_devices(db, table.name, after):
            given = {"devices": devices, "before": before}
            forgotten += (await db.execute(text(_FORGET.format(table=table.name)), given)).rowcount
            after = devices[-1]
    return forgotten


async def _next_devices(db: AsyncConnection, table: str, after: int) -> list[int]:
    """The next devices that have rows in a roll-up, found by skipping along its index."""
    given = {"after": after, "most": DEVICES_AT_ONCE}
    return list((await db.execute(text(_DEVICES.format(table=table)), given)).scalars())
