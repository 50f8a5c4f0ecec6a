"""The background door to tickets."""

from __future__ import annotations

from procrastinate import JobContext

from service.core.actor import SYSTEM
from service.core.outbox import jobs, resources_of
from service.tickets import actions
from service.tickets.sweep import sweep


@jobs.task(name="tickets.end_hold", pass_context=True, queue="desk")
async def end_hold(context: JobContext, ticket_id: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await actions.end_hold(work, ticket_id)


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="tickets.sweep_timers", pass_context=True, queue="desk", queueing_lock="tickets.sweep_timers")
async def sweep_timers(context: JobContext, timestamp: int) -> None:
    await sweep(resources_of(context))
