"""What follows from a move of a run: its row, its log, its actions, its ticket, the announcement."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import func, select, text

from service.assets.loans import AskForLoaner, NoLoanerFree, ask_for_loaner
from service.assets.models import Asset, AssetKind
from service.core.errors import Conflict, Invalid, Refusal
from service.core.outbox import announce, enqueue
from service.core.work import Work
from service.playbooks.conditions import leaves
from service.playbooks.grammar import Book, Verb
from service.playbooks.handing import close_solved, hand_to_desk, note, reply, update_ticket
from service.playbooks.knowing import view_for
from service.playbooks.models import ActionState, PlaybookRun, RunAction
from service.playbooks.state import (
    Advance,
    Effect,
    Event,
    HandedOver,
    Perform,
    Refresh,
    Result,
    Stage,
    State,
    WantsTechnician,
    to_json,
)
from service.playbooks.traversal import advance, step_of, wakes_at

BY_JOB: Final = frozenset({Verb.DEVICE_COMMAND, Verb.POE_CYCLE})


async def record(work: Work, run: PlaybookRun, book: Book, made: Advance) -> None:
    """Write the move down and do everything that follows from it, until the run waits for somebody."""
    while True:
        has_acted = run.stage is Stage.ACTING
        _note_state(work, run, book, made.state)
        await _write_log(work, run, made)
        if has_acted:
            await _end_left_actions(work, run, made.state)
        result: Event | None = None
        for effect in made.effects:
            result = await _do(work, run, book, effect) or result
        if made.state.stage is Stage.ENDED and not made.state.dry:
            await close_solved(work, run, book, made.state)
        if result is None:
            break
        await work.session.flush()
        made = advance(book, made.state, result, await view_for(work, run, book, made.state))
    await work.session.flush()
    work.version = run.version
    announce(work, run=run.id)


def _note_state(work: Work, run: PlaybookRun, book: Book, state: State) -> None:
    run.state = to_json(state)
    run.stage, run.path = state.stage, state.path
    note_waits(run, book, state)
    run.approval_role = None
    if state.stage is Stage.APPROVAL:
        run.approval_role = step_of(book, state).approval.role.value
    run.version += 1
    run.updated_at = work.now
    run.ended_at = work.now if state.is_finished else None
    run.outcome = None
    if state.is_finished:
        run.outcome = state.code.get("outcome", "ended") if state.stage is Stage.ENDED else state.stage.value


def note_waits(run: PlaybookRun, book: Book, state: State) -> None:
    run.wake_at = wakes_at(book, state)
    run.waits_for = _waits_for(book, state)


def _waits_for(book: Book, state: State) -> str | None:
    """What a run would go on for before its time is up."""
    if state.stage in (Stage.FRESHENING, Stage.VERIFYING):
        return "facts"
    if state.stage is not Stage.WAITING:
        return None
    wait = step_of(book, state).wait
    for_facts = wait.until is not None and any(leaves(wait.until))
    if wait.reply:
        return "either" if for_facts else "reply"
    return "facts" if for_facts else None


async def _write_log(work: Work, run: PlaybookRun, made: Advance) -> None:
    if run.id is None:
        await work.session.flush()
    log = [
        {"kind": entry.kind, "path": entry.path, "detail": entry.detail, "seconds": entry.seconds}
        for entry in made.log
    ]
    if log:
        given = {
            "run": run.id,
            "at": work.now,
            "actor": work.actor.person_id,
            "name": work.actor.name,
            "log": orjson.dumps(log).decode(),
        }
        await work.db.execute(_WRITE_LOG, given)


_WRITE_LOG = text(
    """
    INSERT INTO playbook_run_events (run_id, at, kind, path, actor_id, actor_name, detail, seconds)
    SELECT :run, :at, kind, path, CAST(:actor AS bigint), :name, detail, seconds
    FROM ROWS FROM (
        jsonb_to_recordset(CAST(:log AS jsonb))
            AS (kind text, path text, detail jsonb, seconds double precision)
    ) WITH ORDINALITY AS line(kind, path, detail, seconds, n)
    ORDER BY n
    """
)


async def _do(work: Work, run: PlaybookRun, book: Book, effect: Effect) -> Event | None:
    """Have one effect happen; an action that is done at once gives its result."""
    match effect:
        case Perform():
            return await _perform(work, run, effect)
        case Refresh():
            await enqueue(work, "playbooks.refresh", run_id=run.id, facts=list(effect.facts))
        case HandedOver():
            await hand_to_desk(work, run, book, effect)
        case WantsTechnician():
            await hand_to_desk(work, run, book, HandedOver(book.main.owner))
    return None


async def _perform(work: Work, run: PlaybookRun, wanted: Perform) -> Result | None:
    if Verb(wanted.verb) in BY_JOB:
        return await send(work, run, wanted)
    try:
        async with work.session.begin_nested():
            detail = await _at_once(work, run, wanted)
    except NoLoanerFree as refusal:
        return Result(wanted.path, wanted.attempt, "failed", refusal.detail)
    except (Conflict, Invalid) as refusal:
        return Result(wanted.path, wanted.attempt, "failed", _said(refusal))
    return Result(wanted.path, wanted.attempt, "ok", detail)


def _said(refusal: Refusal) -> str:
    return " ".join(
        [refusal.detail, *(one.message for one in refusal.fields if one.message != refusal.detail)]
    )


async def _at_once(work: Work, run: PlaybookRun, wanted: Perform) -> str | None:
    """What needs no job: the ticket, a loaner, a look at the device."""
    given = wanted.arguments
    match Verb(wanted.verb):
        case Verb.TICKET_NOTE:
            await note(work, run, str(given["body"]))
        case Verb.TICKET_REPLY:
            await reply(work, run, str(given["body"]))
        case Verb.TICKET_UPDATE:
            await update_ticket(work, run, given)
        case Verb.LOANER_ORDER | Verb.LOANER_ISSUE:
            return await _lend(work, run, wanted)
        case Verb.FACT_REFRESH:
            facts = [str(given["fact"])] if "fact" in given else []
            await enqueue(work, "playbooks.refresh", run_id=run.id, facts=facts)
    return None


async def _lend(work: Work, run: PlaybookRun, wanted: Perform) -> str | None:
    if run.person_id is None:
        raise Conflict("There is nobody to lend it to.")
    kind = wanted.arguments.get("kind")
    if kind is None and run.asset_id is not None:
        kind = await work.session.scalar(select(Asset.kind).where(Asset.id == run.asset_id))
    loan = await ask_for_loaner(
        work.as_desk(),
        AskForLoaner(
            kind=AssetKind(kind or AssetKind.CHROMEBOOK),
            person_id=run.person_id,
            school_id=run.school_id,
            ticket=run.ticket_id,
            days=int(wanted.arguments.get("days", 14)),
            order=wanted.verb == Verb.LOANER_ORDER,
            source_key=f"run {run.id} {wanted.path}",
        ),
    )
    if loan.asset_id is None:
        return None
    return await work.session.scalar(select(Asset.tag).where(Asset.id == loan.asset_id))


async def send(work: Work, run: PlaybookRun, wanted: Perform) -> Result | None:
    """Have a job do it, one at a time a device: what comes while another runs waits for its turn."""
    if run.asset_id is None:
        return Result(wanted.path, wanted.attempt, "unsupported", "No device is named.")
    await _lock_device(work, run.asset_id)
    busy = await work.session.scalar(
        select(RunAction.id).where(RunAction.asset_id == run.asset_id, RunAction.state == ActionState.SENT)
    )
    action = RunAction(
        run_id=run.id,
        path=wanted.path,
        attempt=wanted.attempt,
        verb=wanted.verb,
        arguments=dict(wanted.arguments),
        risk=wanted.risk,
        asset_id=run.asset_id,
        state=ActionState.QUEUED if busy else ActionState.SENT,
        requested_at=work.now,
    )
    work.session.add(action)
    await work.session.flush()
    if not busy:
        await enqueue(work, "playbooks.perform", action_id=action.id)
    return None


async def _lock_device(work: Work, asset_id: int | None) -> None:
    """Whose turn it is at a device is settled by one at a time. The run is locked before, always."""
    await work.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"device {asset_id}", 0)))
    )


async def _end_left_actions(work: Work, run: PlaybookRun, state: State) -> None:
    """What the run does not wait for any more: what was not sent never is, and the device is free again."""
    query = select(RunAction).where(RunAction.run_id == run.id, RunAction.state != ActionState.ENDED)
    for action in list(await work.session.scalars(query)):
        if state.stage is not Stage.ACTING or (action.path, action.attempt) != (state.path, state.attempt()):
            was_sent = action.state is ActionState.SENT
            await end_action(work, action, "expired", None)
            if was_sent and action.verb == Verb.DEVICE_COMMAND:
                await enqueue(work, "mdm.withdraw_command", action_id=action.id, **what_of(action))


def what_of(action: RunAction) -> dict[str, Any]:
    """What is to be done to which device, and the key that makes it be done once."""
    return {
        "asset_id": action.asset_id,
        "arguments": action.arguments,
        "key": f"run {action.run_id} {action.path} {action.attempt}",
    }


async def end_action(work: Work, action: RunAction, result: str, detail: str | None) -> None:
    """Close an action of a locked run, and let the next one for the same device go."""
    await _lock_device(work, action.asset_id)
    await work.session.refresh(action)
    held_the_device = action.state is ActionState.SENT
    action.state, action.result, action.detail = ActionState.ENDED, result, detail
    action.ended_at = work.now
    await work.session.flush()
    if not held_the_device:
        return
    waiting = await work.session.scalar(
        select(RunAction)
        .where(RunAction.asset_id == action.asset_id, RunAction.state == ActionState.QUEUED)
        .order_by(RunAction.id)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    if waiting is not None:
        waiting.state = ActionState.SENT
        await work.session.flush()
        await enqueue(work, "playbooks.perform", action_id=waiting.id)
