"""Syncs as a list and one by one, and the lines of their reports."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from service.core.errors import NotFound, require
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.mdm.access import SEES, may_see_records
from service.mdm.models import LineKind, MdmConnection, MdmRun, MdmRunLine, SyncState
from service.people.tokens import int_key

RUN: Final = [*MdmRun.__table__.c, MdmConnection.name.label("connection_name")]
LINE: Final = list(MdmRunLine.__table__.c)


async def runs_page(
    eyes: Eyes,
    *,
    connection_id: int | None = None,
    state: SyncState | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Syncs, newest first."""
    require(may_see_records(eyes.actor), SEES)
    query = _named().order_by(MdmRun.id.desc())
    if connection_id is not None:
        query = query.where(MdmRun.connection_id == connection_id)
    if state is not None:
        query = query.where(MdmRun.state == state)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmRun.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def run_by_id(eyes: Eyes, run_id: int) -> Any:
    """One of them. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    row = (await eyes.db.execute(_named().where(MdmRun.id == run_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such sync.")
    return row


async def lines_page(
    eyes: Eyes, run_id: int, *, kind: LineKind | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """What a sync has to tell, in the order in which it came to it. NotFound."""
    await run_by_id(eyes, run_id)
    query = select(*LINE).where(MdmRunLine.run_id == run_id).order_by(MdmRunLine.id)
    if kind is not None:
        query = query.where(MdmRunLine.kind == kind)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmRunLine.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


def _named() -> Any:
    return select(*RUN).join(MdmConnection, MdmConnection.id == MdmRun.connection_id)
