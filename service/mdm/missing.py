"""Devices that a whole list did not name: marked, never deleted, and only where the list surely was whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from service.core.work import Work
from service.mdm.applying import Line, line, reapply
from service.mdm.mapped import Mapped
from service.mdm.models import LineKind, SyncKind

WHY: Final = "It is not listed any more."


@dataclass(frozen=True, slots=True)
class Gone:
    """Records that a run would mark. `doubt` says why it marks none."""

    count: int
    doubt: str | None = None


async def would_go(work: Work, run: Any, counts: Mapping[str, int]) -> Gone:
    """What the full list of a run does not name; none of an incremental one."""
    if run.kind is not SyncKind.FULL:
        return Gone(0)
    count: int = (await work.db.execute(_COUNT, _given(run))).scalar_one()
    if counts.get("nameless"):
        why = f"{counts['nameless']} of the records that could not be read do not say which device they are."
        return Gone(0, f"{why} Nothing is marked as missing this time.") if count else Gone(0)
    if counts.get("total", 0) > counts["listed"]:
        why = f"The vendor says that there are {counts['total']} devices and listed {counts['listed']}."
        return Gone(0, f"{why} Nothing is marked as missing this time.") if count else Gone(0)
    return Gone(count)


async def named(work: Work, run: Any, most: int) -> list[Line]:
    """A line for each of them."""
    rows = (await work.db.execute(_NAMES, {**_given(run), "most": most})).all()
    return [line(LineKind.MISSING, WHY, row.external_id, row.asset_id) for row in rows]


async def mark(work: Work, run: Any, connection: Any, mapped: Mapped) -> int:
    """Mark them; what the connection said of their assets says so too, unless another device of it speaks for
    the asset from now on. How many.
    """
    given = {**_given(run), "now": work.now}
    gone = (await work.db.execute(_MARK, given)).all()
    assets = sorted({row.asset_id for row in gone if row.asset_id is not None})
    if assets:
        said = {"connection": connection.id, "assets": assets}
        left = {**said, "source": connection.name, "now": work.now, "since": work.now.isoformat()}
        await work.db.execute(_LEFT, left)
        await _speak_now(work, connection, mapped, (await work.db.execute(_OTHERS, said)).all())
    return len(gone)


async def _speak_now(work: Work, connection: Any, mapped: Mapped, rows: Sequence[Any]) -> None:
    if rows:
        await reapply(work, connection, mapped, rows)


def _given(run: Any) -> dict[str, Any]:
    return {"connection": run.connection_id, "run": run.id, "began": run.started_at}


_UNLISTED: Final = """
    connection_id = :connection AND missing_since IS NULL AND changed_at <= :began
    AND external_id NOT IN (SELECT unnest(listed) FROM mdm_staged_pages WHERE run_id = :run)
"""
_COUNT: Final = text(f"SELECT count(*) FROM mdm_records WHERE {_UNLISTED}")
_NAMES: Final = text(
    f"SELECT external_id, asset_id FROM mdm_records WHERE {_UNLISTED} ORDER BY id LIMIT :most"
)
_MARK: Final = text(
    f"UPDATE mdm_records SET missing_since = :now WHERE {_UNLISTED} RETURNING external_id, asset_id"
)
_LEFT: Final = text("""
    UPDATE asset_reports AS told SET
        standing = (standing - 'device.enrolled' - 'device.status') || jsonb_build_object(
            'device.management', 'unknown', 'device.not_listed_since', CAST(:since AS text)),
        received_at = :now
    WHERE source = :source AND asset_id = ANY(:assets) AND NOT EXISTS (
        SELECT 1 FROM mdm_records AS r
        WHERE r.asset_id = told.asset_id AND r.connection_id = :connection AND r.missing_since IS NULL)
""")
_OTHERS: Final = text("""
    SELECT record, digest FROM mdm_records
    WHERE connection_id = :connection AND asset_id = ANY(:assets) AND missing_since IS NULL ORDER BY id
""")
