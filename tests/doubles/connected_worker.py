"""A worker of a district whose device management is connected: what it said once is said again.

It stands in for the result of the job `mdm.send_command`, not for any code of the desk: a restart is
acknowledged, and the device checks in a moment later.
"""

from __future__ import annotations

import os
from typing import Any

from procrastinate import JobContext

from service.assets.facts import FactIn, keep_facts
from service.commands import base
from service.core import logs
from service.core.actor import SYSTEM
from service.core.outbox import enqueue, jobs, resources_of
from service.core.settings import settings
from service.worker import run_worker

RECORDED = {"restart": "ok", "sync": "ok"}


@jobs.task(name="mdm.send_command", pass_context=True, queue="desk")
async def send_command(
    context: JobContext, action_id: int, asset_id: int, arguments: dict[str, Any], key: str
) -> None:
    async with resources_of(context).begin(SYSTEM) as work:
        result = RECORDED.get(arguments["command"], "unsupported")
        seen = FactIn(name="device.last_seen", value=work.now.isoformat())
        await keep_facts(work, asset_id, "recorded", [seen])
        await enqueue(work, "playbooks.hear", action_id=action_id, result=result, detail=key)


async def work_off(url: str) -> None:
    async with base.resources(url) as resources:
        await run_worker(url, resources, settings())


if __name__ == "__main__":
    logs.configure("warning", "console")
    base.run(work_off(os.environ["FIRSTBELL_DATABASE_URL"]))
