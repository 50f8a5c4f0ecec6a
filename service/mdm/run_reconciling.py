"""A listing that is whole, made true in batches: judged first where it may change much, then carried out,
then what was not listed is marked, then the run is complete and the watermark moves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import func, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from service.core.actor import SYSTEM
from service.core.work import Work
from service.mdm.applying import Collided, add_lines, alone, carry_out, line, reapply
from service.mdm.lease import QUIET, Lease, end_run
from service.mdm.mapped import Mapped
from service.mdm.matching import AMBIGUOUS, Around
from service.mdm.merging import percent, stops
from service.mdm.missing import Gone, mark, named, would_go
from service.mdm.models import (
    LineKind,
    MdmConnection,
    MdmMapping,
    MdmRecord,
    MdmReview,
    MdmRun,
    MdmStagedPage,
    SyncKind,
    SyncState,
)
from service.mdm.planning import Plan, Read, load_mapped, planned
from service.mdm.queries import connection_row
from service.mdm.staging import MOST_LINES
from service.mdm.tally import Tally

BATCH: Final = 500
TRIES: Final = 3
AGAIN: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that only has to be tried once more."""
T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Before:
    """What stands before anything is changed. `known` devices were listed the last time; `changed` ones are
    staged; `counts` come from the staging.
    """

    known: int
    changed: int
    gone: Gone
    counts: Mapping[str, int]
    is_empty: bool


@dataclass(slots=True)
class Reconciling:
    """One run, in the hands of the worker that holds its lease."""

    lease: Lease
    run_row: Any
    connection: Any
    mapped: Mapped = field(default_factory=Mapped)
    mapped_at: tuple[Any, ...] | None = None
    tally: Tally = field(default_factory=Tally)

    async def run(self) -> None:
        """To its end: complete, or held for a person. TakenOver."""
        before = await self._before()
        if await self._is_stopped(before):
            return
        async for reads in self._batches():
            await self._anew(partial(self._apply, reads))
        gone = await self._anew(partial(self._mark, before))
        if self.run_row.kind is SyncKind.FULL:
            await self._look_again()
        await self._complete(before, gone)

    async def _before(self) -> Before:
        async with self.lease.work(state=SyncState.RECONCILING) as work:
            await self._map(work)
            counts = await self._counts(work)
            known = await _one(work, select(func.count()).where(*self._present()))
            staged = func.sum(func.jsonb_array_length(MdmStagedPage.devices))
            changed = await _one(work, select(staged).where(MdmStagedPage.run_id == self.run_row.id))
            empty = self.run_row.kind is SyncKind.FULL and counts["listed"] == 0 and known > 0
            return Before(known, changed, await would_go(work, self.run_row, counts), counts, empty)

    def _present(self) -> tuple[Any, ...]:
        return MdmRecord.connection_id == self.connection.id, MdmRecord.missing_since.is_(None)

    async def _counts(self, work: Work) -> dict[str, int]:
        row: dict[str, int] = (
            await work.db.execute(select(MdmRun.counts).where(MdmRun.id == self.run_row.id))
        ).scalar_one()
        return {"listed": 0, "bad": 0, "nameless": 0, **row}

    async def _is_stopped(self, before: Before) -> bool:
        """Whether it ends here: it is dry, or waits for a person. Only what may be too much is planned whole
        beforehand.
        """
        row, guard = self.run_row, self.connection.guard_percent
        most = before.changed + before.gone.count
        if not row.dry and (self._was_told or not (before.is_empty or stops(most, before.known, guard))):
            return False
        tally = await self._judge()
        moves = tally.moves + before.gone.count
        if not (row.dry or before.is_empty or stops(moves, before.known, guard)):
            return False
        await self._stop(before, tally, percent(moves, before.known))
        return True

    async def _judge(self) -> Tally:
        """What all of it would come to; nothing is written."""
        tally = Tally(tells_all=True)
        around = Around()
        async for reads in self._batches():
            async with self.lease.resources.read(SYSTEM) as read:
                plan = await planned(
                    read,
                    self.connection,
                    self.mapped,
                    reads,
                    around=around.carried(),
                    listed_at=self.run_row.started_at,
                )
            tally.add(plan)
            around = plan.around
        return tally

    async def _stop(self, before: Before, tally: Tally, change: float) -> None:
        counts = self._told(before, tally, before.gone.count)
        async with self.lease.work(counts=counts, would_change_percent=change) as work:
            lines = await named(work, self.run_row, MOST_LINES) if before.gone.count else []
            await add_lines(work, self.run_row.id, [*self._doubt(before), *tally.lines, *lines])
            if self.run_row.dry:
                await end_run(work, self.run_row.id, SyncState.COMPLETE)
                return
            why = "Nothing was listed." if before.is_empty else f"It would change {change} % of the devices."
            held = update(MdmRun).where(MdmRun.id == self.run_row.id)
            await work.session.execute(
                held.values(state=SyncState.HELD, detail=f"{why} A person has to decide."),
                execution_options=QUIET,
            )
        log.warning("mdm_run_held", run_id=self.run_row.id, percent=change)

    @property
    def _was_told(self) -> bool:
        return self.run_row.decided_at is not None

    def _doubt(self, before: Before) -> list[dict[str, Any]]:
        return [line(LineKind.NOTE, before.gone.doubt)] if before.gone.doubt else []

    def _told(self, before: Before, tally: Tally, gone: int) -> dict[str, int]:
        told = tally.counts()
        changed = told["added"] + told["updated"] + told["returned"]
        bad = before.counts["bad"] - before.counts["nameless"]
        unchanged = max(0, before.counts["listed"] - bad - changed)
        return {**before.counts, **told, "unchanged": unchanged, "missing": gone}

    async def _batches(self) -> AsyncIterator[Sequence[Read]]:
        """Staged devices, each id once: of one that is on several pages, the last was seen last."""
        last = await self._listed_twice()
        pages = MdmStagedPage.run_id == self.run_row.id
        waiting: list[Read] = []
        page = 0
        while True:
            query = (
                select(MdmStagedPage.page, MdmStagedPage.devices, MdmStagedPage.digests)
                .where(pages, MdmStagedPage.page > page, literal_column("devices <> '[]'"))
                .order_by(MdmStagedPage.page)
                .limit(1)
            )
            async with self.lease.resources.read(SYSTEM) as read:
                row = (await read.db.execute(query)).one_or_none()
            if row is None:
                break
            page = row.page
            for told, digest in zip(row.devices, row.digests, strict=True):
                if last.get(told["external_id"], page) == page:
                    waiting.append(Read.of(told, digest))
            while len(waiting) >= BATCH:
                yield waiting[:BATCH]
                waiting = waiting[BATCH:]
        if waiting:
            yield waiting

    async def _listed_twice(self) -> dict[str, int]:
        """The last page by id, of those that are staged on several."""
        async with self.lease.resources.read(SYSTEM) as read:
            rows = (await read.db.execute(_TWICE, {"run": self.run_row.id})).all()
        return {row.external_id: row.page for row in rows}

    async def _anew(self, transaction: Callable[[], Awaitable[T]]) -> T:
        """What it comes to; tried again where somebody wrote the same meanwhile."""
        for _ in range(1, TRIES):
            try:
                return await transaction()
            except (Collided, IntegrityError):
                self.mapped_at = None
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in AGAIN:
                    raise
        return await transaction()

    async def _apply(self, reads: Sequence[Read]) -> None:
        """One batch in one transaction."""
        async with self.lease.work() as work:
            await self._begin(work)
            plan = await planned(work, self.connection, self.mapped, reads, listed_at=self.run_row.started_at)
            await carry_out(work, self.connection, plan)
            await self._write_lines(work, plan)
        self.tally.add(plan)

    async def _begin(self, work: Work) -> None:
        """Alone, and with what the connection may do and what words mean as it is now: somebody may have
        changed it since the run began.
        """
        await alone(work)
        self.connection = await connection_row(work, self.connection.id) or self.connection
        await self._map(work)

    async def _map(self, work: Work) -> None:
        stands = select(func.count(), func.max(MdmMapping.changed_at)).select_from(MdmMapping)
        changed = tuple((await work.db.execute(stands)).one())
        if changed != self.mapped_at:
            self.mapped, self.mapped_at = await load_mapped(work), changed

    async def _write_lines(self, work: Work, plan: Plan) -> None:
        """Those of the batch, as long as the run has few. Who let it through was told them before."""
        if self._was_told:
            return
        fresh = Tally()
        fresh.add(plan)
        await add_lines(work, self.run_row.id, fresh.lines[: max(0, MOST_LINES - len(self.tally.lines))])

    async def _mark(self, before: Before) -> int:
        if before.gone.count == 0 and before.gone.doubt is None:
            return 0
        async with self.lease.work() as work:
            await self._begin(work)
            if not self._was_told:
                lines = await named(work, self.run_row, MOST_LINES) if before.gone.count else []
                await add_lines(work, self.run_row.id, [*self._doubt(before), *lines])
            if before.gone.count == 0:
                return 0
            return await mark(work, self.run_row, self.connection, self.mapped)

    async def _look_again(self) -> None:
        """Records without an asset that no person has settled: there may be one for them by now."""
        last: int | None = 0
        while last is not None:
            last = await self._anew(partial(self._look_past, last))

    async def _look_past(self, last: int) -> int | None:
        """A batch of those after `last`; the last of them, None where there was none."""
        query = (
            select(MdmRecord.id, MdmRecord.record, MdmRecord.digest)
            .where(*self._present(), MdmRecord.asset_id.is_(None), MdmRecord.matched.is_(None))
            .where(MdmRecord.id > last)
            .order_by(MdmRecord.id)
            .limit(BATCH)
        )
        async with self.lease.work() as work:
            await self._begin(work)
            rows = (await work.db.execute(query)).all()
            if not rows:
                return None
            plan = await reapply(work, self.connection, self.mapped, rows)
        self.tally.of["assets_added"] += sum(
            one.match is not None and one.match.adds is not None for one in plan.devices
        )
        return int(rows[-1].id)

    async def _complete(self, before: Before, gone: int) -> None:
        row, connection = self.run_row, self.connection
        change = percent(self.tally.moves + gone, before.known)
        async with self.lease.work(would_change_percent=change) as work:
            counts = {**self._told(before, self.tally, gone), **await self._waiting(work)}
            await end_run(work, row.id, SyncState.COMPLETE, counts=counts)
            values: dict[str, Any] = {
                "watermark": row.started_at,
                "failure": None,
                "failure_detail": None,
                "failing_since": None,
                "next_sync_at": work.now + spread(connection.id, connection.sync_minutes),
            }
            if row.kind is SyncKind.FULL:
                values["full_at"] = row.started_at
            done = update(MdmConnection).where(MdmConnection.id == connection.id).values(**values)
            await work.session.execute(done, execution_options=QUIET)
        log.info("mdm_run_complete", run_id=row.id, connection_id=connection.id, **counts)

    async def _waiting(self, work: Work) -> dict[str, int]:
        """How many records wait for a person now."""
        query = (
            select(MdmReview.why, func.count())
            .join(MdmRecord, MdmRecord.id == MdmReview.record_id)
            .where(*self._present(), MdmReview.settled_at.is_(None))
            .group_by(MdmReview.why)
        )
        told = {"unmatched": 0, "ambiguous": 0}
        for why, count in (await work.db.execute(query)).all():
            told["ambiguous" if why in AMBIGUOUS else "unmatched"] += count
        return told


def spread(connection_id: int, minutes: int) -> timedelta:
    """Until the next sync: up to a tenth later, always the same for one connection, so that not all ask at
    once.
    """
    share = (connection_id * 2_654_435_761 % 2**32) / 2**32
    return timedelta(minutes=minutes * (1 + share / 10))


async def _one(work: Work, query: Any) -> int:
    found: int | None = (await work.db.execute(query)).scalar()
    return found or 0


_TWICE: Final = text("""
    WITH twice AS (
        SELECT external_id FROM mdm_staged_pages, unnest(listed) AS external_id
        WHERE run_id = :run GROUP BY external_id HAVING count(*) > 1)
    SELECT twice.external_id, max(p.page) AS page
    FROM twice, mdm_staged_pages AS p, jsonb_array_elements(p.devices) AS told
    WHERE p.run_id = :run AND told->>'external_id' = twice.external_id
        AND EXISTS (SELECT 1 FROM twice)
    GROUP BY twice.external_id
""")
