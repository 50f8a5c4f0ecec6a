"""Between two polls: whether devices are still there. One that is not is polled at once, which confirms it.

Only what was there is asked, by ICMP or TCP, in one sweep a minute; nothing is stored of one that answers.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from integrations.snmp.reach import reachable
from service.core.actor import SYSTEM
from service.core.work import Resources
from service.monitoring.models import ReachBy
from service.monitoring.polling import look_now

AT_ONCE = 64
QUIET = timedelta(seconds=50)
MOST = 20_000
_BY = [member.value for member in ReachBy]

_THERE = text(
    """
    SELECT d.id, d.address, d.reach_by, d.reach_port FROM network_watches AS w
    JOIN network_devices AS d ON d.id = w.device_id
    WHERE w.reach = 2 AND d.watched AND d.reach_by <> 3 AND w.polled_at < :before
        AND w.next_poll_at > :soon
    ORDER BY w.polled_at LIMIT :most
    """
)


async def look_around(resources: Resources) -> int:
    """Look for every device that is not polled within the minute anyhow; how many did not answer."""
    async with resources.read(SYSTEM) as read:
        values = {"before": read.now - QUIET, "soon": read.now + timedelta(seconds=10), "most": MOST}
        rows = (await read.db.execute(_THERE, values)).all()
    gate = asyncio.Semaphore(AT_ONCE)
    answers = await asyncio.gather(*(_is_there(row, gate) for row in rows))
    gone = [row.id for row, there in zip(rows, answers, strict=True) if there is False]
    if gone:
        async with resources.begin(SYSTEM) as work:
            await look_now(work, gone)
    return len(gone)


async def _is_there(row: Any, gate: asyncio.Semaphore) -> bool | None:
    async with gate:
        return await reachable(row.address, by=_BY[row.reach_by - 1], port=row.reach_port)
