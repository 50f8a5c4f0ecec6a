"""The background door to tests of connections and to words whose meaning changed."""

from __future__ import annotations

from procrastinate import JobContext, RetryStrategy

from service.assets.models import AssetKind
from service.core.actor import SYSTEM
from service.core.outbox import enqueue, jobs, resources_of
from service.mdm import checking, remapping
from service.mdm.mappings import Meaning
from service.mdm.models import MappingKind
from service.mdm.turns import LATER
from service.mdm.vendors import managements_of

AGAIN = RetryStrategy(max_attempts=8, wait=2, exponential_wait=2)


@jobs.task(name="mdm.check_connection", pass_context=True, queue="mdm", retry=AGAIN)
async def check_connection(context: JobContext, connection_id: int) -> None:
    resources, managements = resources_of(context), managements_of(context)
    async with managements.turns.of(connection_id) as is_ours:
        if is_ours:
            await checking.check_connection(resources, managements, connection_id)
            return
    async with resources.begin(SYSTEM) as work:
        at = work.now + LATER
        await enqueue(work, "mdm.check_connection", at=at, connection_id=connection_id)


@jobs.task(name="mdm.remap", pass_context=True, queue="mdm", lock="mdm.remap", retry=AGAIN)
async def remap(
    context: JobContext,
    kind: str,
    connection_id: int | None,
    word: str,
    was_mapped: bool,
    asset_kind: str | None,
    model_name: str | None,
) -> None:
    """One at a time, in the order in which mappings were changed. `asset_kind` and `model_name` are what a
    model meant before, where it `was_mapped`.
    """
    meant = Meaning(None, AssetKind(asset_kind) if asset_kind else None, model_name)
    change = remapping.Changed(MappingKind(kind), connection_id, word, meant if was_mapped else None)
    await remapping.remap(resources_of(context), change)
