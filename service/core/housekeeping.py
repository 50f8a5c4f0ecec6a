"""Jobs of the service itself: forget old idempotency keys, take up jobs of workers that died."""

from __future__ import annotations

from datetime import timedelta

from procrastinate import JobContext
from sqlalchemy import delete

from service.core.actor import SYSTEM
from service.core.models import IdempotencyKey
from service.core.outbox import jobs, resources_of
from service.core.settings import settings


@jobs.periodic(cron="17 * * * *")
@jobs.task(name="core.forget_keys", pass_context=True, queue="desk", queueing_lock="core.forget_keys")
async def forget_keys(context: JobContext, timestamp: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        before = work.now - timedelta(hours=settings().idempotency_hours)
        await work.session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < before))


@jobs.periodic(cron="* * * * *")
@jobs.task(name="core.retry_stalled", pass_context=True, queue="desk", queueing_lock="core.retry_stalled")
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        await manager.retry_job(job)
