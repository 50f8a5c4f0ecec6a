"""A live ticket's timers, explained line by line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.core.work import Eyes
from service.sla import covering, timers
from service.sla.cycle import Cycle, judged
from service.sla.explain import explanation
from service.sla.models import SlaPolicy, SlaTimer
from service.sla.policy import minutes
from service.tickets.queries import seen_timers, ticket_rights


async def ticket_timers(eyes: Eyes, number: int) -> list[dict[str, Any]]:
    """Every cycle of every target as it stands now, in the form of `firstbell sla explain`."""
    await ticket_rights(eyes, number)
    columns = [*timers.COLUMNS, SlaPolicy.name.label("policy")]
    query = seen_timers(eyes.actor, *columns).where(SlaTimer.ticket_id == number)
    rows = (await eyes.db.execute(query)).all()
    return [await _explained(eyes, row) for row in rows]


async def _explained(eyes: Eyes, row: Any) -> dict[str, Any]:
    calendar = await covering.calendar_edition(eyes, row.calendar_id, row.calendar_version)
    cycle = timers.cycle_of(row)
    judgement = judged(cycle, calendar, eyes.now)
    again = await _judged_again(eyes, row, cycle)
    return {
        "agreement": row.agreement,
        "policy": row.policy,
        "target": cycle.target,
        "cycle": cycle.n,
        "state": judgement.state,
        "outside_hours": judgement.outside_hours,
        "started_at": cycle.started_at,
        "due_at": judgement.due_at,
        "stopped_at": cycle.stopped_at,
        "breached_at": judgement.breached_at,
        "target_minutes": minutes(cycle.goal),
        "elapsed_minutes": minutes(judgement.elapsed),
        "remaining_minutes": minutes(judgement.remaining),
        "paused": [{"from": p.start, "to": p.end, "reason": p.reason} for p in cycle.pauses],
        "policy_version": row.policy_version,
        "calendar_version": row.calendar_version,
        "explain": explanation(cycle, calendar, eyes.now, under=(row.agreement, row.policy)),
        "recalculated": again,
    }


async def _judged_again(eyes: Eyes, row: Any, cycle: Cycle) -> dict[str, Any] | None:
    """A finished cycle by the calendar as it is now, beside the judgement it got then."""
    kept = await covering.calendar(eyes, row.calendar_id)
    if cycle.is_open or cycle.ending == "cancelled" or kept.version == row.calendar_version:
        return None
    judgement = judged(replace(cycle, ending=None), kept.calendar, eyes.now)
    return {
        "calendar_version": kept.version,
        "state": judgement.state,
        "due_at": judgement.due_at,
        "elapsed_minutes": minutes(judgement.elapsed),
    }
