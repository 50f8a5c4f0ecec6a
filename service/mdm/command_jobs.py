"""The background door to commands."""

from __future__ import annotations

from typing import Any, Final

from procrastinate import JobContext, RetryStrategy

from service.core.actor import SYSTEM
from service.core.outbox import enqueue, jobs, resources_of
from service.mdm import bulk_running, following, sending
from service.mdm.playing import Behind, take_action, withdraw_action
from service.mdm.reading_for import read_device
from service.mdm.turns import LATER
from service.mdm.vendors import managements_of

AGAIN: Final = RetryStrategy(max_attempts=8, wait=2, exponential_wait=2)
QUEUE: Final = "mdm"
MOST_TRIES: Final = 12


@jobs.task(name="mdm.send", pass_context=True, queue=QUEUE, retry=AGAIN)
async def send(context: JobContext, command_id: int) -> None:
    await sending.send(resources_of(context), managements_of(context), command_id)


@jobs.task(name="mdm.follow", pass_context=True, queue=QUEUE, retry=AGAIN)
async def follow(context: JobContext, command_id: int) -> None:
    await following.follow(resources_of(context), managements_of(context), command_id)


@jobs.periodic(cron="* * * * * */5")
@jobs.task(name="mdm.look_at_commands", pass_context=True, queue="desk", queueing_lock="mdm.look_at_commands")
async def look_at_commands(context: JobContext, timestamp: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await following.take_up(work)


@jobs.task(name="mdm.run_bulk", pass_context=True, queue=QUEUE, retry=AGAIN)
async def run_bulk(context: JobContext, bulk_id: int) -> None:
    await bulk_running.run_bulk(resources_of(context), managements_of(context), bulk_id)


@jobs.task(name="mdm.send_command", pass_context=True, queue="desk", retry=AGAIN)
async def send_command(
    context: JobContext,
    action_id: int,
    asset_id: int | None,
    arguments: dict[str, Any],
    key: str,
    behind: dict[str, Any] | None = None,
) -> None:
    """A playbook's action: a device is commanded once for its key. `behind`: see `Behind`."""
    async with resources_of(context).begin(SYSTEM) as work:
        await take_action(work, action_id, asset_id, arguments, key, Behind(**(behind or {})))


@jobs.task(name="mdm.withdraw_command", pass_context=True, queue="desk", retry=AGAIN)
async def withdraw_command(
    context: JobContext,
    action_id: int,
    asset_id: int | None = None,
    arguments: dict[str, Any] | None = None,
    key: str | None = None,
) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await withdraw_action(work, action_id, asset_id, arguments or {}, key)


@jobs.task(name="mdm.read_device", pass_context=True, queue=QUEUE, retry=AGAIN)
async def read_managed_device(context: JobContext, asset_id: int, facts: list[str], tries: int = 0) -> None:
    """For a playbook: whatever device management says of the device now is kept with it. While others ask
    that management it is tried again, for as long as a playbook may wait for it.
    """
    resources = resources_of(context)
    if await read_device(resources, managements_of(context), asset_id) or tries >= MOST_TRIES:
        return
    async with resources.begin(SYSTEM) as work:
        at, more = work.now + LATER, tries + 1
        await enqueue(work, "mdm.read_device", at=at, asset_id=asset_id, facts=facts, tries=more)
