"""The background door to scans, discoveries, charts and port commands."""

from __future__ import annotations

from typing import Any

from procrastinate import JobContext, RetryStrategy

from service.core.actor import SYSTEM
from service.core.outbox import jobs, resources_of
from service.monitoring import rediscovering
from service.monitoring.charting import chart_district
from service.monitoring.commanding import take_cycle
from service.monitoring.network import network_of
from service.monitoring.port_running import run_command
from service.monitoring.sweeping import run_scan

AGAIN = RetryStrategy(max_attempts=8, wait=2, exponential_wait=2)
QUEUE = "network_field"


@jobs.task(name="monitoring.scan", pass_context=True, queue=QUEUE, lock="monitoring.scan", retry=AGAIN)
async def scan(context: JobContext, scan_id: int) -> None:
    """One scan at a time, whatever the number of workers."""
    await run_scan(resources_of(context), network_of(context), scan_id)


@jobs.periodic(cron="* * * * *")
@jobs.task(
    name="monitoring.discover_due", pass_context=True, queue="desk", queueing_lock="monitoring.discover_due"
)
async def discover_due(context: JobContext, timestamp: int) -> None:
    await rediscovering.hand_out(resources_of(context))


@jobs.task(name="monitoring.rediscover", pass_context=True, queue=QUEUE, retry=AGAIN)
async def rediscover(context: JobContext, device_ids: list[int]) -> None:
    await rediscovering.rediscover(resources_of(context), network_of(context), device_ids)


@jobs.periodic(cron="*/30 * * * *")
@jobs.task(
    name="monitoring.notice_changes",
    pass_context=True,
    queue=QUEUE,
    queueing_lock="monitoring.notice_changes",
)
async def notice_changes(context: JobContext, timestamp: int) -> None:
    """Ports, modules and boards that came or went make their device be read anew."""
    await rediscovering.notice_changes(resources_of(context), network_of(context))


@jobs.task(name="monitoring.chart", pass_context=True, queue=QUEUE, lock="monitoring.chart", retry=AGAIN)
async def chart(context: JobContext) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await chart_district(work)


@jobs.task(name="monitoring.cycle_port", pass_context=True, queue="desk", retry=AGAIN)
async def cycle_port(
    context: JobContext, action_id: int, asset_id: int | None, arguments: dict[str, Any], key: str
) -> None:
    """A playbook's action: the port of an asset's device is cycled once for its key."""
    async with resources_of(context).begin(SYSTEM) as work:
        await take_cycle(work, action_id, asset_id, arguments, key)


@jobs.task(name="monitoring.run_command", pass_context=True, queue=QUEUE, retry=AGAIN)
async def run_port_command(
    context: JobContext, command_id: int, target_id: int | None, seconds: float
) -> None:
    await run_command(resources_of(context), network_of(context), command_id, target_id, seconds)
