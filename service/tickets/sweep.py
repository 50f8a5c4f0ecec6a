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
        SELECT id, next_check_at AS since, breached_at AS noted_at, steps AS waiting FROM sla_timers
        WHERE next_check_at < :now
        ORDER BY next_check_at LIMIT :batch
        FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE sla_timers AS t
        SET breached_at = CASE WHEN t.due_at < :now THEN t.due_at END,
            state = CASE WHEN t.due_at < :now THEN 4 ELSE t.state END,
            steps = CASE WHEN t.steps = '[]' THEN t.steps ELSE (
                SELECT jsonb_agg(s || CASE WHEN (s->>'at')::timestamptz < :now
                    THEN '{"fired": true}'::jsonb ELSE '{}' END ORDER BY i)
                FROM jsonb_array_elements(t.steps) WITH ORDINALITY AS e(s, i)) END,
            next_check_at = least(
                (SELECT min(c) FROM unnest(t.checks) AS c WHERE c >= :now),
                (SELECT min((s->>'at')::timestamptz) FROM jsonb_array_elements(t.steps) AS s
                    WHERE NOT (s->>'fired')::boolean AND (s->>'at')::timestamptz >= :now))
        FROM due WHERE t.id = due.id
        RETURNING t.ticket_id, t.n, t.due_at, t.breached_at, t.calendar_id, due.noted_at, due.waiting,
            (ARRAY['sla','ola','vendor'])[t.agreement] AS agreement,
            (ARRAY['first_response','next_response','update','resolution'])[t.target] AS target,
            (SELECT max(c) FROM unnest(t.checks) AS c WHERE c >= due.since AND c < :now) AS reached_at
    ), found AS (
        SELECT marked.*, 'sla.warned' AS kind, reached_at AS at, '{}'::jsonb AS more
            FROM marked WHERE breached_at IS NULL AND reached_at IS NOT NULL
        UNION ALL
        SELECT marked.*, 'sla.breached', breached_at, '{}'
            FROM marked WHERE breached_at IS NOT NULL AND noted_at IS NULL
        UNION ALL
        SELECT marked.*, 'sla.escalated', (s->>'at')::timestamptz, s - '{at,fired}'::text[]
            FROM marked, jsonb_array_elements(waiting) AS s
            WHERE NOT (s->>'fired')::boolean AND (s->>'at')::timestamptz < :now
    ), noted AS (
        INSERT INTO ticket_events (ticket_id, kind, at, actor_name, by_desk, public, detail)
        SELECT ticket_id, kind, at, 'Firstbell', true, false,
            jsonb_build_object('agreement', agreement, 'target', target, 'cycle', n, 'due_at', due_at) || more
        FROM found ORDER BY at
        RETURNING id, ticket_id, kind, detail
    )
    SELECT noted.*, t.queue_id, t.assignee_id, t.priority, marked.calendar_id
    FROM noted
    JOIN tickets AS t ON t.id = noted.ticket_id
    JOIN marked ON marked.ticket_id = noted.ticket_id AND marked.n = (noted.detail->>'cycle')::int
        AND marked.agreement = noted.detail->>'agreement' AND marked.target = noted.detail->>'target'
    ORDER BY noted.id
    """
).bindparams(bindparam("batch", BATCH))


async def sweep(resources: Resources) -> int:
    """Mark every warning, breach and further step that is due by now; how many there were."""
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
