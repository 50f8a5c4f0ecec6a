"""Syncs: asked for, let through or discarded, cancelled; handed out when they are due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from pydantic import Field
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from integrations.mdm.port import AuthFailed
from service.core.actor import SYSTEM
from service.core.errors import Conflict, NotFound, require
from service.core.fields import Input
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.work import Resources, Work
from service.mdm.access import COMMANDS, CONFIGURES, SEES, may_command, may_configure, may_see_records
from service.mdm.lease import QUIET, SILENT_FOR, UNDER_WAY, end_run
from service.mdm.models import MdmConnection, MdmRun, MdmStagedPage, SyncKind, SyncState

NEVER_BEGUN: Final = timedelta(hours=12)
"""A run that no worker took up for so long is abandoned."""
GOING: Final = (SyncState.WAITING, SyncState.STAGING, SyncState.RECONCILING, SyncState.HELD)
log = structlog.get_logger()


class SyncGoing(Conflict):
    code = "sync_going"
    title = "Another sync of this connection is going. Wait until it has ended, or cancel it."


class SyncHeld(Conflict):
    code = "sync_held"
    title = "A sync of this connection waits for a person to decide. Let it through or discard it first."


class SwitchedOff(Conflict):
    code = "connection_off"
    title = "This connection is switched off."


class NotHeld(Conflict):
    code = "sync_not_held"
    title = "This sync does not wait for a decision."


class TooLate(Conflict):
    code = "sync_too_late"
    title = "This sync has ended, or is being written down already."


class AskSync(Input):
    """A sync, in so far as none is going already."""

    kind: SyncKind | None = Field(
        None, description="Every device, or what checked in since the last one; left out: what is due."
    )
    dry: bool = Field(False, description="True: only tell what would be done, and change nothing.")


class DecideRun(Input):
    """What becomes of a sync that would change more than the connection's guard lets it."""

    go: bool = Field(description="False: it is discarded.")


@once(MdmRun)
async def ask_sync(work: Work, connection_id: int, wanted: AskSync) -> MdmRun:
    """Have a connection synced as soon as a worker is free. A run of the same kind that is going is the
    answer. NotFound; SwitchedOff, but for a dry one; SyncHeld; SyncGoing where it is of another kind.
    """
    _require(work, may_command(work.actor), COMMANDS)
    connection = await work.session.get(MdmConnection, connection_id)
    if connection is None:
        raise NotFound("There is no such connection.")
    if not (connection.enabled or wanted.dry):
        raise SwitchedOff
    kind = wanted.kind or due_kind(connection, work.now)
    run = await _new_run(work, connection_id, kind, dry=wanted.dry)
    if run is not None:
        log.info("mdm_sync_asked", run_id=run.id, connection_id=connection_id, by=work.actor.person_id)
        return run
    going = await _going(work, connection_id)
    if going.state is SyncState.HELD:
        raise SyncHeld
    if wanted.dry is not going.dry or wanted.kind not in (None, going.kind):
        raise SyncGoing
    return going


@once(MdmRun)
async def decide_run(work: Work, run_id: int, decision: DecideRun) -> MdmRun:
    """Let a held sync through, or discard what it read. NotFound, NotHeld."""
    _require(work, may_configure(work.actor), CONFIGURES)
    run = await _for_update(work, run_id)
    if run.state is not SyncState.HELD:
        raise NotHeld
    run.decided_by_id, run.decided_at = work.actor.person_id, work.now
    log.info("mdm_run_decided", run_id=run.id, go=decision.go, by=work.actor.person_id)
    if not decision.go:
        await _discard(work, run)
        return run
    run.state, run.heard_at = SyncState.RECONCILING, None
    await work.session.flush()
    await enqueue(work, "mdm.sync", run_id=run.id)
    return run


@once(MdmRun)
async def cancel_run(work: Work, run_id: int) -> MdmRun:
    """Stop a sync before anything of it is written down. NotFound, TooLate."""
    _require(work, may_command(work.actor), COMMANDS)
    run = await _for_update(work, run_id)
    if run.state not in (SyncState.WAITING, SyncState.STAGING, SyncState.HELD):
        raise TooLate
    log.info("mdm_run_cancelled", run_id=run.id, by=work.actor.person_id)
    await _discard(work, run)
    return run


def due_kind(connection: Any, now: datetime) -> SyncKind:
    """Every device where that was last done too long ago, or never; else what has changed."""
    full_at = connection.full_at
    is_old = full_at is None or full_at + timedelta(hours=connection.full_hours) <= now
    return SyncKind.FULL if is_old or connection.watermark is None else SyncKind.INCREMENTAL


async def hand_out(resources: Resources) -> list[int]:
    """Give up runs whose worker is gone, and make those that are due; their numbers."""
    async with resources.begin(SYSTEM) as work:
        await _abandon(work)
        due = (
            select(MdmConnection)
            .where(
                MdmConnection.enabled,
                func.coalesce(MdmConnection.failure, "") != AuthFailed.reason,
                func.coalesce(MdmConnection.next_sync_at, work.now) <= work.now,
                ~select(MdmRun.id)
                .where(MdmRun.connection_id == MdmConnection.id, MdmRun.state.in_(GOING))
                .exists(),
            )
            .order_by(MdmConnection.id)
            .with_for_update(skip_locked=True)
        )
        runs = [
            await _new_run(work, connection.id, due_kind(connection, work.now))
            for connection in (await work.session.scalars(due)).all()
        ]
        return [run.id for run in runs if run is not None]


async def _new_run(work: Work, connection_id: int, kind: SyncKind, *, dry: bool = False) -> MdmRun | None:
    """None where one is going."""
    made = (
        insert(MdmRun)
        .values(
            connection_id=connection_id,
            kind=kind,
            state=SyncState.WAITING,
            dry=dry,
            asked_by_id=work.actor.person_id,
            counts={},
            created_at=work.now,
        )
        .on_conflict_do_nothing()
        .returning(MdmRun)
    )
    run: MdmRun | None = await work.session.scalar(made)
    if run is not None:
        await enqueue(work, "mdm.sync", run_id=run.id)
    return run


async def _going(work: Work, connection_id: int) -> MdmRun:
    here = MdmRun.connection_id == connection_id, MdmRun.state.in_(GOING)
    run = await work.session.scalar(select(MdmRun).where(*here))
    if run is None:
        raise SyncGoing
    return run


async def _abandon(work: Work) -> None:
    """What was reconciled stays; the next run goes on from there, at once."""
    silent = and_(MdmRun.state.in_(UNDER_WAY), MdmRun.heard_at < work.now - SILENT_FOR)
    asked = func.coalesce(MdmRun.decided_at, MdmRun.created_at)
    waiting = and_(
        or_(MdmRun.state == SyncState.WAITING, MdmRun.state.in_(UNDER_WAY)),
        MdmRun.heard_at.is_(None),
        asked < work.now - NEVER_BEGUN,
    )
    left = (
        update(MdmRun)
        .where(or_(silent, waiting))
        .values(state=SyncState.ABANDONED, ended_at=work.now, detail="Its worker was not heard of any more.")
        .returning(MdmRun.id, MdmRun.connection_id)
    )
    rows = (await work.db.execute(left)).all()
    if not rows:
        return
    await work.session.execute(
        delete(MdmStagedPage).where(MdmStagedPage.run_id.in_([row.id for row in rows])),
        execution_options=QUIET,
    )
    sooner = update(MdmConnection).where(MdmConnection.id.in_([row.connection_id for row in rows]))
    await work.session.execute(
        sooner.where(MdmConnection.enabled).values(next_sync_at=work.now), execution_options=QUIET
    )
    log.warning("mdm_runs_abandoned", run_ids=[row.id for row in rows])


async def _discard(work: Work, run: MdmRun) -> None:
    """The connection is asked again at its usual time."""
    await end_run(work, run.id, SyncState.DISCARDED)
    connection = await work.session.get_one(MdmConnection, run.connection_id)
    if connection.enabled:
        connection.next_sync_at = work.now + timedelta(minutes=connection.sync_minutes)
    await work.session.flush()
    await work.session.refresh(run)


async def _for_update(work: Work, run_id: int) -> MdmRun:
    run = await work.session.get(MdmRun, run_id, with_for_update=True)
    if run is None:
        raise NotFound("There is no such sync.")
    return run


def _require(work: Work, allowed: bool, words: str) -> None:
    """Who does not see syncs is not told more than that."""
    require(may_see_records(work.actor) or allowed, SEES)
    require(allowed, words)
