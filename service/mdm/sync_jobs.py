"""The background door to syncs."""

from __future__ import annotations

from procrastinate import JobContext, RetryStrategy

from service.core.outbox import jobs, resources_of
from service.mdm import syncing
from service.mdm.sync_running import run_sync
from service.mdm.vendors import managements_of

QUEUE = "mdm_sync"
AGAIN = RetryStrategy(max_attempts=5, wait=2, exponential_wait=2)


@jobs.task(name="mdm.sync", pass_context=True, queue=QUEUE, retry=AGAIN)
async def sync(context: JobContext, run_id: int) -> None:
    """Asked twice for one run, it runs once: the second finds it in hand or ended."""
    await run_sync(resources_of(context), managements_of(context), run_id)


@jobs.periodic(cron="* * * * *")
@jobs.task(name="mdm.sync_due", pass_context=True, queue="desk", queueing_lock="mdm.sync_due")
async def sync_due(context: JobContext, timestamp: int) -> None:
    await syncing.hand_out(resources_of(context))
