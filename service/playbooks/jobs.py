"""The background door to playbooks.

What is done to devices is done by other rooms, found by the name of their job:

- `mdm.send_command(action_id, asset_id, arguments, key, behind)` and `monitoring.cycle_port(…)` do an action
  once for its `key`, and tell what became of it with `playbooks.hear(action_id, result, detail)`; `behind` a
  device's command are people and a ticket (`waking.behind`);
- `mdm.read_device(asset_id, facts)`, `monitoring.read_device(…)` and `people.read_account(…)` read facts
  anew and keep them with the device;
- `mdm.withdraw_command(action_id, asset_id, arguments, key)` takes a command back that no run waits for any
  more, also one that has not come yet.

Where no such job is registered the district has nothing connected, and the run is told so at once.
"""

from __future__ import annotations

from typing import Any, Final

from procrastinate import JobContext, RetryStrategy

from service.core.actor import SYSTEM
from service.core.outbox import jobs, offer, resources_of
from service.playbooks import photos, waking
from service.playbooks.changes import what_of
from service.playbooks.facts import FACTS, Keeper
from service.playbooks.grammar import Verb
from service.playbooks.models import PlaybookRun
from service.playbooks.versions import publish_shipped

AGAIN = RetryStrategy(max_attempts=12, wait=2, exponential_wait=2)
PERFORMERS: Final = {
    Verb.DEVICE_COMMAND.value: "mdm.send_command",
    Verb.POE_CYCLE.value: "monitoring.cycle_port",
}
READERS: Final = {
    Keeper.MDM: "mdm.read_device",
    Keeper.NETWORK: "monitoring.read_device",
    Keeper.DIRECTORY: "people.read_account",
}
NOT_CONNECTED: Final = "Nothing is connected that could do this."


@jobs.task(name="playbooks.perform", pass_context=True, queue="desk", retry=AGAIN)
async def perform(context: JobContext, action_id: int) -> None:
    """Pass an action on to whoever can do it."""
    async with resources_of(context).begin(SYSTEM) as work:
        action = await waking.may_be_sent(work, action_id)
        if action is None:
            return
        about = what_of(action)
        if action.verb == Verb.DEVICE_COMMAND:
            about["behind"] = await waking.behind(work, action)
        taken = await offer(work, PERFORMERS[action.verb], action_id=action.id, **about)
        if not taken:
            await waking.report_result(work, action_id, "unsupported", NOT_CONNECTED)


@jobs.task(name="playbooks.hear", pass_context=True, queue="desk", retry=AGAIN)
async def hear(context: JobContext, action_id: int, result: str, detail: str | None = None) -> None:
    """What became of an action."""
    async with resources_of(context).begin(SYSTEM) as work:
        await waking.report_result(work, action_id, result, detail)


@jobs.task(name="playbooks.refresh", pass_context=True, queue="desk", retry=AGAIN)
async def refresh(context: JobContext, run_id: int, facts: list[str]) -> None:
    """Have facts read anew by whoever keeps them."""
    async with resources_of(context).begin(SYSTEM) as work:
        run = await work.session.get(PlaybookRun, run_id)
        if run is None:
            return
        wanted: dict[Any, list[str]] = {}
        for name in facts or [name for name, known in FACTS.items() if known.keeper in READERS]:
            wanted.setdefault(READERS.get(FACTS[name].keeper), []).append(name)
        asked = False
        for name, names in wanted.items():
            if run.asset_id is not None and name is not None:
                asked |= await offer(work, name, asset_id=run.asset_id, facts=names)
        if not asked:
            await waking.give_up_waiting(work, run_id)


@jobs.task(name="playbooks.end_withdrawn", pass_context=True, queue="desk", retry=AGAIN)
async def end_withdrawn(context: JobContext, version_id: int) -> None:
    await waking.end_withdrawn(resources_of(context), version_id)


@jobs.periodic(cron="* * * * * */2")
@jobs.task(name="playbooks.wake", pass_context=True, queue="desk", queueing_lock="playbooks.wake")
async def wake(context: JobContext, timestamp: int) -> None:
    await waking.wake(resources_of(context))


@jobs.periodic(cron="23 3 * * *")
@jobs.task(
    name="playbooks.forget_photos",
    pass_context=True,
    queue="desk",
    queueing_lock="playbooks.forget_photos",
)
async def forget_photos(context: JobContext, timestamp: int) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        await photos.forget_photos(work)


@jobs.periodic(cron="41 * * * *")
@jobs.task(name="playbooks.bring_in", pass_context=True, queue="desk", queueing_lock="playbooks.bring_in")
async def bring_in(context: JobContext, timestamp: int) -> None:
    """Playbooks that come along with a new version of the desk, should its start have missed them."""
    async with resources_of(context).begin(SYSTEM) as work:
        await publish_shipped(work)
