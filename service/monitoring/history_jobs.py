"""The background door to the history: roll-ups, partitions made ahead and dropped, roll-ups forgotten."""

from __future__ import annotations

from procrastinate import JobContext

from service.core.outbox import jobs, resources_of
from service.monitoring import keeping


@jobs.periodic(cron="*/10 * * * *")
@jobs.task(
    name="monitoring.roll_up",
    pass_context=True,
    queue="desk",
    lock="monitoring.roll_up",
    queueing_lock="monitoring.roll_up",
)
async def roll_up(context: JobContext, timestamp: int) -> None:
    await keeping.roll_up_recent(resources_of(context))


@jobs.periodic(cron="7 * * * *")
@jobs.task(
    name="monitoring.keep_partitions",
    pass_context=True,
    queue="desk",
    queueing_lock="monitoring.keep_partitions",
)
async def keep_partitions(context: JobContext, timestamp: int) -> None:
    await keeping.keep_partitions(resources_of(context))


@jobs.periodic(cron="37 4 * * *")
@jobs.task(
    name="monitoring.forget_roll_ups",
    pass_context=True,
    queue="desk",
    queueing_lock="monitoring.forget_roll_ups",
)
async def forget_roll_ups(context: JobContext, timestamp: int) -> None:
    await keeping.forget_roll_ups(resources_of(context))
