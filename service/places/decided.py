"""What the district decided for its schools: testing windows, fees, loaners."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import or_, select

from service.core.work import Eyes
from service.places.models import DistrictFact

TESTING: Final = "school.testing"
SHELF: Final = "district facts"


async def decided(eyes: Eyes, school_id: str | None, names: frozenset[str]) -> dict[str, Any]:
    """Values by name, as far as they hold now: the school's own word before the district's, the newest
    before older.
    """
    rows = await eyes.shelf.get(SHELF, lambda: _load(eyes))
    return {
        row.name: row.value
        for row in rows
        if row.name in names and row.school_id in (None, school_id) and _is_now(row, eyes.now)
    }


async def testing_now(eyes: Eyes, school_id: str | None) -> bool:
    """Whether a test is being taken, read anew: before what cannot be called back."""
    eyes.shelf.drop(SHELF)
    return (await decided(eyes, school_id, frozenset({TESTING}))).get(TESTING) is True


def _is_now(row: Any, now: datetime) -> bool:
    return (row.since is None or row.since <= now) and (row.until is None or now < row.until)


async def _load(eyes: Eyes) -> list[Any]:
    query = (
        select(*DistrictFact.__table__.c)
        .where(or_(DistrictFact.until.is_(None), DistrictFact.until > eyes.now))
        .order_by(DistrictFact.school_id.nulls_first(), DistrictFact.set_at, DistrictFact.id)
    )
    return list((await eyes.db.execute(query)).all())
