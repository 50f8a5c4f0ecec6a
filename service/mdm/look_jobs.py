"""The background door to fresh looks at devices of tickets."""

from __future__ import annotations

from procrastinate import JobContext, RetryStrategy

from service.core.outbox import jobs, resources_of
from service.mdm import looking
from service.mdm.vendors import managements_of

AGAIN = RetryStrategy(max_attempts=8, wait=2, exponential_wait=2)


@jobs.task(name="mdm.look_at_device", pass_context=True, queue="mdm", retry=AGAIN)
async def look_at_device(context: JobContext, ticket_id: int, asset_id: int) -> None:
    """What asking comes to is told on the ticket; only a database that is away makes it be tried again."""
    await looking.look_at_device(resources_of(context), managements_of(context), ticket_id, asset_id)
