"""The background door to tickets."""

from __future__ import annotations

from procrastinate import JobContext, RetryStrategy

from service.core.actor import SYSTEM
from service.core.outbox import jobs, resources_of
from service.tickets import actions, desk, recalculation
from service.tickets.sweep import sweep

AGAIN = RetryStrategy(max_attempts=12, wait=2, exponential_wait=2)


@jobs.task(name="tickets.end_hold", pass_context=True, queue="desk", retry=AGAIN)
async def end_hold(context: JobContext, ticket_id: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await actions.end_hold(work, ticket_id)


@jobs.task(name="tickets.follow_calendar", pass_context=True, queue="desk", retry=AGAIN)
async def follow_calendar(context: JobContext, calendar_id: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        work.shelf.drop(("calendar", calendar_id))
        await recalculation.follow_calendar(work, calendar_id)


@jobs.task(name="tickets.follow_queue", pass_context=True, queue="desk", retry=AGAIN)
async def follow_queue(context: JobContext, queue_id: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await desk.follow_queue(work, queue_id)


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="tickets.sweep_timers", pass_context=True, queue="desk", queueing_lock="tickets.sweep_timers")
async def sweep_timers(context: JobContext, timestamp: int) -> None:
    await sweep(resources_of(context))
