"""Due timers, found and marked in one statement a batch, so that no two sweepers mark one twice."""

from __future__ import annotations

from sqlalchemy import bindparam, text

from service.core.actor import SYSTEM
from service.core.outbox import announce
from service.core.work import Resources, Work
from service.tickets.notices import notify

BATCH = 500
MOST_BATCHES = 200

_SWEEP = text(
    """
    WITH due AS (
        SELECT id FROM sla_timers
        WHERE next_check_at < :now
        ORDER BY next_check_at LIMIT :batch
        FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE sla_timers AS t
        SET breached_at = CASE WHEN t.due_at < :now THEN t.due_at END,
            state = CASE WHEN t.due_at < :now THEN 4 ELSE t.state END,
            next_check_at = (SELECT min(c) FROM unnest(t.checks) AS c WHERE c >= :now)
        FROM due WHERE t.id = due.id
        RETURNING t.ticket_id, t.target, t.n, t.due_at, t.breached_at, t.started_at,
            (SELECT max(c) FROM unnest(t.checks) AS c WHERE c < :now) AS reached_at
    ), noted AS (
        INSERT INTO ticket_events (ticket_id, kind, at, actor_name, by_desk, public, detail)
        SELECT ticket_id,
            CASE WHEN breached_at IS NULL THEN 'sla.warned' ELSE 'sla.breached' END,
            coalesce(breached_at, reached_at), 'Firstbell', true, false,
            jsonb_build_object(
                'target', (ARRAY['first_response','next_response','update','resolution'])[target],
                'cycle', n,
                'due_at', due_at)
        FROM marked
        RETURNING id, ticket_id, kind, detail
    )
    SELECT noted.*, t.queue_id, t.assignee_id, t.priority, t.calendar_id
    FROM noted JOIN tickets AS t ON t.id = noted.ticket_id ORDER BY noted.id
    """
).bindparams(bindparam("batch", BATCH))


async def sweep(resources: Resources) -> int:
    """Mark every warning and breach that is due by now; how many there were."""
    total = 0
    for _ in range(MOST_BATCHES):
        async with resources.begin(SYSTEM) as work:
            found = await sweep_batch(work)
        total += found
        if found < BATCH:
            break
    return total


async def sweep_batch(work: Work) -> int:
    """One batch inside the transaction of `work`: marked, with an event each, people told, and announced."""
    rows = (await work.session.execute(_SWEEP, {"now": work.now})).all()
    for row in rows:
        announce(work, ticket=row.ticket_id, event=row.id, queues=[row.queue_id])
    await notify(work, rows)
    return len(rows)
