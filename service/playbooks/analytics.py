"""How playbooks do: by version and step, and what they really saved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, select, text

from service.core.errors import NotFound, require
from service.core.work import Eyes
from service.playbooks import access
from service.playbooks.measures import DEFINITIONS, groups_of, steps_of, with_medians
from service.playbooks.models import PlaybookVersion, VersionStatus
from service.playbooks.versions import book_of

WINDOWS: Final = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
_RUNS = "r.version_id = :version AND NOT r.is_dry AND r.started_at >= :since AND r.started_at < :until"
_COUNTS = text(
    f"""
    SELECT e.path, e.kind, e.detail->>'edge' AS edge, e.detail->>'kind' AS step_kind,
        e.detail->>'way' AS way, e.detail->>'to' AS to, count(*) AS number
    FROM playbook_run_events AS e JOIN playbook_runs AS r ON r.id = e.run_id
    WHERE {_RUNS} AND e.kind IN
        ('left', 'answered', 'timed_out', 'cancelled', 'not_relevant', 'jumped_back')
    GROUP BY 1, 2, 3, 4, 5, 6
    """
)
_MEDIANS = text(
    f"""
    SELECT e.path, percentile_cont(0.5) WITHIN GROUP (ORDER BY e.seconds) AS median
    FROM playbook_run_events AS e JOIN playbook_runs AS r ON r.id = e.run_id
    WHERE {_RUNS} AND e.kind = 'left' GROUP BY 1
    """
)
_STANDING = text(f"SELECT r.path, count(*) AS number FROM playbook_runs AS r WHERE {_RUNS} GROUP BY 1")
_OUTCOMES = text(
    f"SELECT coalesce(r.outcome, 'open') AS outcome, count(*) AS number FROM playbook_runs AS r "
    f"WHERE {_RUNS} GROUP BY 1"
)
_REASONS = text(
    f"""
    SELECT e.path, e.detail->>'reason' AS reason, count(*) AS number
    FROM playbook_run_events AS e JOIN playbook_runs AS r ON r.id = e.run_id
    WHERE {_RUNS} AND e.kind = 'not_relevant' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 100
    """
)
_REOPENED = text(
    f"""
    SELECT count(*) AS solved, count(*) FILTER (WHERE EXISTS (
        SELECT 1 FROM ticket_events AS t WHERE t.ticket_id = r.ticket_id AND t.kind = 'ticket.reopened'
            AND t.at > r.ended_at AND t.at <= r.ended_at + interval '7 days')) AS reopened
    FROM playbook_runs AS r
    WHERE {_RUNS} AND r.ticket_id IS NOT NULL AND r.outcome IN ('solved_confirmed', 'solved_assumed')
    """
)
_GROUPS: Final[Mapping[str, str]] = {
    "school": "r.school_id",
    "model": "(SELECT a.model FROM assets AS a WHERE a.id = r.asset_id)",
    "language": "r.language",
}
_DEFLECTION = text(
    """
    WITH runs AS (
        SELECT r.ended_at, r.outcome, r.ticket_id, EXISTS (
            SELECT 1 FROM tickets AS t WHERE t.requester_id = r.person_id
                AND t.opened_at >= r.ended_at AND t.opened_at < r.ended_at + :window
                AND (r.asset_id IS NULL OR t.asset_id IS NULL OR t.asset_id = r.asset_id)) AS came_back
        FROM playbook_runs AS r
        WHERE r.began_without_ticket AND NOT r.is_dry AND r.started_by_id = r.person_id
            AND r.started_at >= :since AND r.started_at < :until
            AND r.ended_at IS NOT NULL AND r.ended_at + :window <= :now
    )
    SELECT count(*) AS runs,
        count(*) FILTER (WHERE ticket_id IS NOT NULL) AS handed_over,
        count(*) FILTER (WHERE ticket_id IS NULL AND came_back) AS returned,
        count(*) FILTER (WHERE ticket_id IS NULL AND NOT came_back AND outcome = 'solved_confirmed')
            AS confirmed,
        count(*) FILTER (WHERE ticket_id IS NULL AND NOT came_back AND outcome <> 'solved_confirmed')
            AS silent
    FROM runs
    """
).bindparams(bindparam("window"))
LONG_AGO: Final = timedelta(days=90)


async def analytics(
    eyes: Eyes,
    playbook: str,
    *,
    number: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """The figures of one version (the current one unless said) over a period (90 days unless said)."""
    require(access.may_read_analytics(eyes.actor))
    version = await _version(eyes, playbook, number)
    given = {"version": version.id} | _period(eyes, since, until)
    book = await book_of(eyes, version.id)
    rows = (await eyes.db.execute(_COUNTS, given)).all()
    standing = {row.path: row.number for row in (await eyes.db.execute(_STANDING, given)).all()}
    steps = steps_of(rows, standing, book.main.steps)
    with_medians(steps, {row.path: row.median for row in (await eyes.db.execute(_MEDIANS, given)).all()})
    outcomes = {row.outcome: row.number for row in (await eyes.db.execute(_OUTCOMES, given)).all()}
    reopened = (await eyes.db.execute(_REOPENED, given)).one()
    reasons = (await eyes.db.execute(_REASONS, given)).all()
    return {
        "playbook": playbook,
        "version": version.number,
        "hash": version.hash,
        "since": given["since"],
        "until": given["until"],
        "runs": sum(outcomes.values()),
        "outcomes": outcomes,
        "reopened_7d": {"solved": reopened.solved, "reopened": reopened.reopened},
        "steps": [step.told() for step in steps],
        "not_relevant": [{"step": row.path, "reason": row.reason, "times": row.number} for row in reasons],
        "by": {name: await _grouped(eyes, column, given) for name, column in _GROUPS.items()},
        "definitions": {name: DEFINITIONS[name] for name in _DEFINED},
    }


_DEFLECTED: Final = ("confirmed", "silent", "returned", "handed_over")
_DEFINED: Final = [name for name in DEFINITIONS if name not in _DEFLECTED]


async def _grouped(eyes: Eyes, column: str, given: Mapping[str, Any]) -> dict[str, Any]:
    query = text(
        f"SELECT {column} AS key, count(*) AS runs, count(*) FILTER (WHERE r.outcome IN "
        f"('solved_confirmed', 'solved_assumed')) AS solved FROM playbook_runs AS r WHERE {_RUNS} "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 500"
    )
    return groups_of((await eyes.db.execute(query, given)).all())


async def _version(eyes: Eyes, playbook: str, number: int | None) -> Any:
    query = select(PlaybookVersion.id, PlaybookVersion.number, PlaybookVersion.hash).where(
        PlaybookVersion.playbook == playbook, PlaybookVersion.hash.is_not(None)
    )
    if number is not None:
        query = query.where(PlaybookVersion.number == number)
    else:
        query = query.where(PlaybookVersion.status == VersionStatus.PUBLISHED)
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such version of a playbook.")
    return row


def _period(eyes: Eyes, since: datetime | None, until: datetime | None) -> dict[str, datetime]:
    end = until or eyes.now
    return {"since": since or end - LONG_AGO, "until": end}


async def deflection(
    eyes: Eyes, *, since: datetime | None = None, until: datetime | None = None
) -> dict[str, Any]:
    """What guided help without a ticket came to, looked at a day and a week later.

    A window counts only runs that ended so long ago that it has passed.
    """
    require(access.may_read_analytics(eyes.actor))
    period = _period(eyes, since, until)
    told: dict[str, Any] = {}
    for name, window in WINDOWS.items():
        given = period | {"window": window, "now": eyes.now}
        row = (await eyes.db.execute(_DEFLECTION, given)).one()
        told[name] = dict(row._mapping)
    return {**period, "windows": told, "definitions": {name: DEFINITIONS[name] for name in _DEFLECTED}}
