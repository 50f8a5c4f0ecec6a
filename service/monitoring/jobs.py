"""The background door to polls: hand out, ask, settle, look whether devices are there, explain tickets."""

from __future__ import annotations

from procrastinate import JobContext, RetryStrategy

from service.core.actor import SYSTEM
from service.core.outbox import jobs, resources_of
from service.monitoring import polling, reaching, reading_for
from service.monitoring.matching import explain_tickets
from service.monitoring.network import network_of

QUEUE, SLOW_QUEUE = "network", "network_slow"
AGAIN = RetryStrategy(max_attempts=5, wait=2, exponential_wait=2)


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="monitoring.hand_out", pass_context=True, queue="desk", queueing_lock="monitoring.hand_out")
async def hand_out(context: JobContext, timestamp: int) -> None:
    await polling.hand_out(resources_of(context))


@jobs.task(name="monitoring.poll", pass_context=True, queue=QUEUE)
async def poll(context: JobContext, lease: str, device_ids: list[int]) -> None:
    """Not retried: a lease that ends gives the devices to the next round."""
    await polling.poll(resources_of(context), network_of(context), lease, device_ids)


@jobs.task(name="monitoring.poll_slow", pass_context=True, queue=SLOW_QUEUE)
async def poll_slow(context: JobContext, lease: str, device_ids: list[int]) -> None:
    """Devices that have been down for long: waiting for them takes nobody else's turn."""
    await polling.poll(resources_of(context), network_of(context), lease, device_ids)


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="monitoring.settle", pass_context=True, queue="desk", queueing_lock="monitoring.settle")
async def settle(context: JobContext, timestamp: int) -> None:
    await polling.settle_waiting(resources_of(context), network_of(context))


@jobs.periodic(cron="* * * * *")
@jobs.task(name="monitoring.reach", pass_context=True, queue=QUEUE, queueing_lock="monitoring.reach")
async def reach(context: JobContext, timestamp: int) -> None:
    await reaching.look_around(resources_of(context))


@jobs.periodic(cron="* * * * * */10")
@jobs.task(name="monitoring.explain", pass_context=True, queue="desk", queueing_lock="monitoring.explain")
async def explain(context: JobContext, timestamp: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await explain_tickets(work, network_of(context).profiles)


@jobs.task(name="monitoring.read_device", pass_context=True, queue=QUEUE, retry=AGAIN)
async def read_device(context: JobContext, asset_id: int, facts: list[str]) -> None:
    """A playbook wants to know: what the network knows of an asset is read anew and kept with it."""
    await reading_for.read_device(resources_of(context), network_of(context), asset_id)
