"""Runs that must go on by themselves: their time is up, a fact came in, the requester wrote."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, text, update

from service.core.actor import SYSTEM
from service.core.work import Resources, Work
from service.places.decided import testing_now
from service.playbooks.actions import moved, run_by_id
from service.playbooks.changes import end_action, note_waits
from service.playbooks.grammar import Risk
from service.playbooks.models import ActionState, PlaybookRun, RunAction
from service.playbooks.state import HandOver, Look, Replied, Result, Stage, state_from, to_json
from service.playbooks.versions import book_of

BATCH = 200
MOST_BATCHES = 100
LAID_ASIDE: Final = timedelta(minutes=1)
LONGEST_DETAIL: Final = 500
log = structlog.get_logger()

_DUE = text(
    """
    SELECT id, waits_for FROM playbook_runs WHERE wake_at <= :now
    UNION
    SELECT r.id, r.waits_for FROM playbook_runs AS r
    WHERE r.waits_for IN ('facts', 'either') AND EXISTS (
        SELECT 1 FROM asset_facts AS f
        WHERE f.asset_id = r.asset_id AND f.received_at > r.updated_at - interval '5 seconds'
        UNION ALL
        SELECT 1 FROM asset_reports AS f
        WHERE f.asset_id = r.asset_id AND f.received_at > r.updated_at - interval '5 seconds')
    UNION
    SELECT r.id, r.waits_for FROM playbook_runs AS r
    WHERE r.waits_for IN ('reply', 'either') AND EXISTS (
        SELECT 1 FROM ticket_events AS e WHERE e.ticket_id = r.ticket_id AND e.kind = 'ticket.replied'
            AND e.at > CAST(r.state->>'since' AS timestamptz) AND e.actor_id = r.person_id)
    LIMIT :batch
    """
)


async def wake(resources: Resources) -> int:
    """Look at every run that is due by now; how many there were. Several sweepers share them out.

    A run that cannot go on is laid aside for a while, and does not keep the others waiting.
    """
    seen: set[int] = set()
    for _ in range(MOST_BATCHES):
        async with resources.read(SYSTEM) as read:
            due = (await read.db.execute(_DUE, {"now": read.now, "batch": BATCH})).all()
        new = [row for row in due if row.id not in seen]
        seen.update(row.id for row in new)
        for row in new:
            try:
                async with resources.begin(SYSTEM) as work:
                    await wake_one(work, row.id)
            except Exception:
                log.exception("run_cannot_go_on", run=row.id)
                async with resources.begin(SYSTEM) as work:
                    await _lay_aside(work, row.id)
        if len(due) < BATCH or not new:
            break
    return len(seen)


async def wake_one(work: Work, run_id: int) -> None:
    """Look at one run, unless somebody else does right now."""
    query = select(PlaybookRun).where(PlaybookRun.id == run_id).with_for_update(skip_locked=True)
    run = await work.session.scalar(query)
    if run is None or run.ended_at is not None:
        return
    if run.waits_for in ("reply", "either") and await _has_replied(work, run):
        await moved(work, run, Replied())
        return
    before = run.version
    await moved(work, run, Look())
    if run.version == before:
        run.updated_at = work.now  # the facts that came were others
        note_waits(run, await book_of(work, run.version_id), state_from(run.state))
        await work.session.flush()


async def _has_replied(work: Work, run: PlaybookRun) -> bool:
    query = text(
        "SELECT EXISTS (SELECT 1 FROM ticket_events WHERE ticket_id = :ticket AND kind = 'ticket.replied' "
        "AND at > :since AND actor_id = :person)"
    )
    since = state_from(run.state).since
    given = {"ticket": run.ticket_id, "since": since, "person": run.person_id}
    return bool(await work.session.scalar(query, given))


async def report_result(work: Work, action_id: int, result: str, detail: str | None) -> None:
    """What became of an action, once: a result that comes again is ignored."""
    found = await _with_its_run(work, action_id)
    if found is None:
        return
    action, run = found
    detail = detail[:LONGEST_DETAIL] if detail else None
    await end_action(work, action, result, detail)
    await moved(work, run, Result(action.path, action.attempt, result, detail))


async def may_be_sent(work: Work, action_id: int) -> RunAction | None:
    """An action that its run still waits for; None where it does not, or where a test has begun meanwhile."""
    found = await _with_its_run(work, action_id)
    if found is None or found[0].state is not ActionState.SENT:
        return None
    action, run = found
    if Risk(action.risk) in (Risk.R2, Risk.R3) and await testing_now(work, run.school_id):
        await report_result(work, action_id, "refused", "A test is being taken at this school.")
        return None
    return action


async def behind(work: Work, action: RunAction) -> dict[str, Any]:
    """Whose run an action belongs to, who approved this very action in it, and the run's ticket."""
    run = await work.session.get_one(PlaybookRun, action.run_id)
    said = state_from(run.state).decisions
    approvers = [one.by for one in said if one.path == action.path and one.approved and one.by is not None]
    return {
        "asked_by_id": run.person_id or run.started_by_id,
        "approver_ids": approvers,
        "ticket_id": run.ticket_id,
    }


async def _with_its_run(work: Work, action_id: int) -> tuple[RunAction, PlaybookRun] | None:
    """An action that has not ended, and its run, locked: the run always before whatever it does."""
    run_id = await work.session.scalar(select(RunAction.run_id).where(RunAction.id == action_id))
    if run_id is None:
        return None
    run = await run_by_id(work, run_id)
    action = await work.session.get_one(RunAction, action_id, populate_existing=True)
    return None if action.state is ActionState.ENDED else (action, run)


async def _lay_aside(work: Work, run_id: int) -> None:
    """Look at a run again in a while, whatever it waits for."""
    query = update(PlaybookRun).where(PlaybookRun.id == run_id, PlaybookRun.ended_at.is_(None))
    await work.session.execute(query.values(wake_at=work.now + LAID_ASIDE, waits_for=None))


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
    failed: list[Exception] = []
    for run_id in found:
        try:
            async with resources.begin(SYSTEM) as work:
                run = await run_by_id(work, run_id)
                if run.ended_at is None:
                    await moved(work, run, HandOver("the playbook was withdrawn", "system"))
        except Exception as error:  # noqa: BLE001  (the others are handed over all the same)
            failed.append(error)
    if failed:
        raise ExceptionGroup("runs that could not be handed over", failed)
