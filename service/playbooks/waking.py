"""Runs that must go on by themselves: their time is up, a fact came in, the requester wrote."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select, text

from service.core.actor import SYSTEM
from service.core.work import Resources, Work
from service.playbooks.actions import moved, run_by_id
from service.playbooks.changes import end_action
from service.playbooks.models import ActionState, PlaybookRun, RunAction
from service.playbooks.state import HandOver, Look, Replied, Result, Stage, state_from, to_json

BATCH = 200
MOST_BATCHES = 100

_DUE = text(
    """
    SELECT id, waits_for FROM playbook_runs WHERE wake_at <= :now
    UNION
    SELECT r.id, r.waits_for FROM playbook_runs AS r
    WHERE r.waits_for = 'facts' AND EXISTS (
        SELECT 1 FROM asset_facts AS f WHERE f.asset_id = r.asset_id AND f.received_at > r.updated_at)
    UNION
    SELECT r.id, r.waits_for FROM playbook_runs AS r
    WHERE r.waits_for = 'reply' AND EXISTS (
        SELECT 1 FROM ticket_events AS e WHERE e.ticket_id = r.ticket_id AND e.kind = 'ticket.replied'
            AND e.at > r.updated_at AND e.actor_id = r.person_id)
    LIMIT :batch
    """
)


async def wake(resources: Resources) -> int:
    """Look at every run that is due by now; how many there were. Several sweepers share them out."""
    total = 0
    for _ in range(MOST_BATCHES):
        async with resources.read(SYSTEM) as read:
            due = (await read.db.execute(_DUE, {"now": read.now, "batch": BATCH})).all()
        for row in due:
            async with resources.begin(SYSTEM) as work:
                await wake_one(work, row.id)
        total += len(due)
        if len(due) < BATCH:
            break
    return total


async def wake_one(work: Work, run_id: int) -> None:
    """Look at one run, unless somebody else does right now."""
    query = select(PlaybookRun).where(PlaybookRun.id == run_id).with_for_update(skip_locked=True)
    run = await work.session.scalar(query)
    if run is None or run.ended_at is not None:
        return
    if run.waits_for == "reply" and await _has_replied(work, run):
        await moved(work, run, Replied())
        return
    before = run.version
    await moved(work, run, Look())
    if run.version == before:
        run.updated_at = work.now  # the facts that came were others
        await work.session.flush()


async def _has_replied(work: Work, run: PlaybookRun) -> bool:
    query = text(
        "SELECT EXISTS (SELECT 1 FROM ticket_events WHERE ticket_id = :ticket AND kind = 'ticket.replied' "
        "AND at > :since AND actor_id = :person)"
    )
    given = {"ticket": run.ticket_id, "since": run.updated_at, "person": run.person_id}
    return bool(await work.session.scalar(query, given))


async def report_result(work: Work, action_id: int, result: str, detail: str | None) -> None:
    """What became of an action, once: a result that comes again is ignored."""
    action = await work.session.get(RunAction, action_id, with_for_update=True)
    if action is None or action.state is ActionState.ENDED:
        return
    await end_action(work, action, result, detail)
    run = await run_by_id(work, action.run_id)
    await moved(work, run, Result(action.path, action.attempt, result, detail))


async def give_up_waiting(work: Work, run_id: int) -> None:
    """Nobody can read the facts that the run waits for: it goes on without them, now."""
    run = await run_by_id(work, run_id)
    if run.stage is not Stage.FRESHENING:
        return
    run.state = to_json(replace(state_from(run.state), until=work.now))
    await moved(work, run, Look())


async def end_withdrawn(resources: Resources, version_id: int) -> None:
    """Hand over every open run of a withdrawn version."""
    async with resources.read(SYSTEM) as read:
        query = select(PlaybookRun.id).where(
            PlaybookRun.version_id == version_id, PlaybookRun.ended_at.is_(None)
        )
        found = [row.id for row in (await read.db.execute(query)).all()]
    for run_id in found:
        async with resources.begin(SYSTEM) as work:
            run = await run_by_id(work, run_id)
            if run.ended_at is None:
                await moved(work, run, HandOver("the playbook was withdrawn", "system"))
