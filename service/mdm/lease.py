"""A run in one worker's hands: whoever writes for it shows that nobody has taken it over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import delete, update

from service.core.actor import SYSTEM
from service.core.work import Resources, Work
from service.mdm.models import MdmRun, MdmStagedPage, SyncState

SILENT_FOR: Final = timedelta(minutes=10)
"""A run whose worker was not heard of for so long is abandoned."""
BEAT: Final = 60.0
QUIET: Final = {"synchronize_session": False}
SWITCHED_OFF: Final = "The connection was switched off."
UNDER_WAY: Final = (SyncState.STAGING, SyncState.RECONCILING)
log = structlog.get_logger()


class TakenOver(Exception):
    """The run was cancelled, or given up because its worker was silent for too long."""


@dataclass(slots=True)
class Lease:
    """`heard_at` is what this worker wrote last: another value there means that the run is not its own."""

    resources: Resources
    run_id: int
    heard_at: datetime
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def work(self, **values: Any) -> AsyncIterator[Work]:
        """A transaction that writes for the run, with `values` set on it. TakenOver."""
        async with self._turn:
            async with self.resources.begin(SYSTEM) as work:
                await self._renew(work, values)
                yield work
            self.heard_at = work.now

    async def _renew(self, work: Work, values: dict[str, Any]) -> None:
        ours = MdmRun.id == self.run_id, MdmRun.heard_at == self.heard_at, MdmRun.state.in_(UNDER_WAY)
        renewed = update(MdmRun).where(*ours).values(heard_at=work.now, **values)
        done: Any = await work.session.execute(renewed, execution_options=QUIET)
        if done.rowcount != 1:
            raise TakenOver

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """While the vendor takes its time, the run is heard of all the same."""
        task = asyncio.create_task(self._beat(), name="sync heartbeat")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                async with self.work():
                    pass
            except TakenOver:
                return
            except Exception as error:  # noqa: BLE001  (the next beat, or the next page, tells what is the matter)
                log.warning("mdm_run_not_renewed", run_id=self.run_id, error=type(error).__name__)


async def end_run(work: Work, run_id: int, state: SyncState, **values: Any) -> None:
    """Its state and what is left of its pages."""
    ended = update(MdmRun).where(MdmRun.id == run_id).values(state=state, ended_at=work.now, **values)
    await work.session.execute(ended, execution_options=QUIET)
    await work.session.execute(
        delete(MdmStagedPage).where(MdmStagedPage.run_id == run_id), execution_options=QUIET
    )
