"""A run from its claim to its end, whatever the end is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, update

from integrations.mdm.port import MdmError, RateLimited, Transient
from service.core.actor import SYSTEM
from service.core.faults import is_outage
from service.core.vault import KeyMissing
from service.core.work import Resources, Work
from service.mdm.lease import SWITCHED_OFF, Lease, TakenOver, end_run
from service.mdm.models import MdmConnection, MdmRun, SyncKind, SyncState
from service.mdm.queries import connection_row
from service.mdm.run_reconciling import Reconciling
from service.mdm.staging import Counts, Staging
from service.mdm.vendors import Managements

SOONEST: Final = timedelta(minutes=2)
LATEST: Final = timedelta(hours=1)
LONGEST_WISH: Final = timedelta(hours=6)
RUN: Final = list(MdmRun.__table__.c)
QUIET: Final = {"synchronize_session": False}
DATABASE_AWAY: Final = "database_away"
OUTLASTS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0)
"""Seconds between tries to write down that a run failed, when the database is away."""
log = structlog.get_logger()


async def run_sync(resources: Resources, managements: Managements, run_id: int) -> None:
    """Read, reconcile, end. What another worker has in hand, or has ended, is left alone."""
    claimed = await _claimed(resources, run_id)
    if claimed is None:
        return
    run, connection = claimed
    lease = Lease(resources, run.id, run.heard_at)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lease.beating())
        try:
            if run.state is SyncState.STAGING:
                await _stage(lease, managements, run, connection)
            await Reconciling(lease, run, connection).run()
        except TakenOver:
            log.info("mdm_run_taken_over", run_id=run_id)
        except MdmError as error:
            wish = error.retry_after if isinstance(error, RateLimited) else None
            await _fail(lease, connection, error.reason, str(error), wish)
        except KeyMissing as error:
            await _fail(lease, connection, "key_missing", str(error))
        except Exception as error:
            if is_outage(error):
                await _fail(lease, connection, DATABASE_AWAY, "The desk's database went away meanwhile.")
                return
            log.exception("mdm_run_failed", run_id=run_id)
            await _fail(lease, connection, "internal_error", "The desk could not do it: internal error.")


async def _claimed(resources: Resources, run_id: int) -> tuple[Any, Any] | None:
    """The run as its worker has it from now on, and its connection. A run is begun, or gone on with after a
    person let it through.
    """
    async with resources.begin(SYSTEM) as work:
        run = await _begun(work, run_id) or await _let_through(work, run_id)
        if run is None:
            return None
        return run, await connection_row(work, run.connection_id)


async def _begun(work: Work, run_id: int) -> Any:
    """Without a watermark every device is asked for. What was switched off since it was asked for ends here,
    unless it only looks.
    """
    query = (
        select(MdmRun.kind, MdmRun.dry, MdmConnection.watermark, MdmConnection.enabled)
        .join(MdmConnection, MdmConnection.id == MdmRun.connection_id)
        .where(MdmRun.id == run_id, MdmRun.state == SyncState.WAITING)
    )
    waiting = (await work.db.execute(query)).one_or_none()
    if waiting is None:
        return None
    if not (waiting.enabled or waiting.dry):
        await end_run(work, run_id, SyncState.DISCARDED, detail=SWITCHED_OFF)
        return None
    since = waiting.watermark if waiting.kind is SyncKind.INCREMENTAL else None
    begun = (
        update(MdmRun)
        .where(MdmRun.id == run_id, MdmRun.state == SyncState.WAITING)
        .values(
            state=SyncState.STAGING,
            kind=SyncKind.FULL if since is None else SyncKind.INCREMENTAL,
            since=since,
            started_at=work.now,
            heard_at=work.now,
        )
        .returning(*RUN)
    )
    return (await work.db.execute(begun)).one_or_none()


async def _let_through(work: Work, run_id: int) -> Any:
    mine = MdmRun.id == run_id, MdmRun.state == SyncState.RECONCILING, MdmRun.heard_at.is_(None)
    going = update(MdmRun).where(*mine).values(heard_at=work.now).returning(*RUN)
    return (await work.db.execute(going)).one_or_none()


async def _stage(lease: Lease, managements: Managements, run: Any, connection: Any) -> Counts:
    changed = connection.full_at is None or connection.changed_at > connection.full_at
    everything = run.kind is SyncKind.FULL and changed
    staging = Staging(lease, connection.id, everything, run.dry)
    await staging.run(_vendor(managements, connection), run.since)
    return staging.counts


def _vendor(managements: Managements, connection: Any) -> Any:
    """MdmError where the settings are no good; a setting's own words may hold a secret and are not told."""
    try:
        return managements.vendor(connection)
    except (ValueError, KeyError):
        raise BadSettings("The settings of the connection are not complete or not right.") from None


class BadSettings(MdmError):
    reason = "bad_settings"
    sent = False


async def _fail(lease: Lease, connection: Any, reason: str, detail: str, wish: float | None = None) -> None:
    """Nothing was changed but what was reconciled already, and that stays; the watermark does too."""
    log.warning("mdm_run_failed", run_id=lease.run_id, connection_id=connection.id, reason=reason)
    for wait in (*OUTLASTS, None):
        try:
            await _write_failure(lease, connection, reason, detail[:500], wish)
        except TakenOver:
            log.info("mdm_run_taken_over", run_id=lease.run_id)
        except Exception as error:
            if wait is None or not is_outage(error):
                raise
            await asyncio.sleep(wait)
            continue
        return


async def _write_failure(lease: Lease, connection: Any, reason: str, detail: str, wish: float | None) -> None:
    async with lease.work() as work:
        await end_run(work, lease.run_id, SyncState.FAILED, failure=reason, detail=detail)
        failing = connection.failing_since or work.now
        again = _again_at(connection, reason, failing, work.now, wish)
        values = {
            "failure": reason,
            "failure_detail": detail,
            "failing_since": failing,
            "next_sync_at": again,
        }
        changed = update(MdmConnection).where(MdmConnection.id == connection.id).values(**values)
        await work.session.execute(changed, execution_options=QUIET)


def _again_at(connection: Any, reason: str, failing: datetime, now: datetime, wish: float | None) -> datetime:
    """Later the longer it fails; as late as the vendor asks for, within reason."""
    passing = reason in (Transient.reason, RateLimited.reason, DATABASE_AWAY)
    usual = timedelta(minutes=connection.sync_minutes)
    wait = min(max(now - failing, SOONEST), LATEST) if passing else max(usual, SOONEST)
    asked = min(timedelta(seconds=wish or 0), LONGEST_WISH)
    return now + max(wait, asked)
