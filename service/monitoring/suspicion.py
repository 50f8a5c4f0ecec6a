"""Whether the poller should doubt itself: then single devices get no tickets until it sees clearly again.

What fails is counted over all devices that were asked lately. Devices whose parents fail as well are
explained by them and count for nothing: a dead switch with forty devices behind it is one failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from sqlalchemy import text

from integrations.snmp.watch import Judgement, Sample, Verdict, verdict
from service.core.settings import settings
from service.core.work import Work
from service.monitoring.judging import Judged
from service.monitoring.memory import Standing
from service.monitoring.network import Network
from service.monitoring.rules import SNMP, UNREACHABLE
from service.monitoring.settling import BACK
from service.monitoring.ticketing import POLLER_KEY, TAG, locked, open_of, words
from service.monitoring.transitions import Opened, Reopened, Transition
from service.tickets import actions, inputs
from service.tickets.lifecycle import is_open
from service.tickets.models import Channel
from service.tickets.opening import open_ticket
from service.tickets.priority import Impact, Urgency
from service.tickets.resolution import Cause, Fix, Outcome

Doubt = Literal["itself", "uplink"]
ROUND = timedelta(minutes=10)

_FLEET = text(
    """
    WITH asked AS (
        SELECT device_id, answered_at IS DISTINCT FROM polled_at AS fails FROM network_watches
        WHERE (polled_at > :since AND reach <> 3) OR device_id = ANY(ARRAY(
            SELECT device_id FROM network_faults WHERE resolved_at IS NULL AND state = 5))
    ), explained AS (
        SELECT np.device_id FROM network_parents AS np
        JOIN network_watches AS w ON w.device_id = np.parent_id
        GROUP BY np.device_id
        HAVING bool_and(w.reach = 3
            OR (w.polled_at IS NOT NULL AND w.answered_at IS DISTINCT FROM w.polled_at))
    )
    SELECT count(*) AS polled, count(*) FILTER (
        WHERE fails AND NOT EXISTS (SELECT FROM explained AS e WHERE e.device_id = asked.device_id)) AS failed
    FROM asked
    """
)
_LOOK_AGAIN = text(
    """
    UPDATE network_faults SET hold_until = :until WHERE id IN (
        SELECT id FROM network_faults WHERE resolved_at IS NULL AND state = 5
        ORDER BY id FOR UPDATE SKIP LOCKED)
    RETURNING device_id
    """
)
_SOON = text(
    """
    UPDATE network_watches SET next_poll_at = least(next_poll_at, :now), is_slow = false
    WHERE device_id IN (
        SELECT device_id FROM network_watches WHERE device_id = ANY(:ids) AND next_poll_at IS NOT NULL
        ORDER BY device_id FOR UPDATE SKIP LOCKED)
    """
)


async def doubt(
    work: Work, network: Network, before: Sample, after: Sample, judged: Sequence[Judged]
) -> Doubt | None:
    """What to think of this batch, after it has been kept; one ticket tells the desk, and ends with it."""
    number = await open_of(work, POLLER_KEY)
    anew = any(_fails_anew(one) for one in judged)
    if number is None and not anew:
        return None
    fleet = (await work.session.execute(_FLEET, {"since": work.now - ROUND})).one()
    # Where nothing failed just now, what this host loses says nothing of what has failed for long.
    found = verdict(before if anew else after, after, polled=fleet.polled, failed=fleet.failed)
    if not found.holds_tickets:
        await _see_clearly(work, number)
        return None
    if any(_is_held(transition) for one in judged for transition in one.transitions):
        await _tell(work, found)
    return "uplink" if found.judgement is Judgement.SUSPECTS_UPLINK else "itself"


def _fails_anew(one: Judged) -> bool:
    return not one.answered and one.watched.memory.standing is not Standing.DOWN


def _is_held(transition: Transition) -> bool:
    return isinstance(transition, Opened | Reopened) and transition.check in (UNREACHABLE, SNMP)


async def _tell(work: Work, found: Verdict) -> None:
    why = found.cause.value if found.cause is not None else f"{found.share:.0%}"
    desk = work.as_desk()
    language = settings().desk_language
    await open_ticket(
        desk,
        inputs.OpenTicket(
            subject=words(language, "poller"),
            description=words(language, "poller_why", why=why),
            impact=Impact.DISTRICT,
            urgency=Urgency.WORKAROUND,
            channel=Channel.MONITORING,
            language=language,
            tags=[TAG],
            source_key=POLLER_KEY,
        ),
    )


async def _see_clearly(work: Work, number: int | None) -> None:
    """End the doubt: its ticket is resolved, and what was held back is looked at again before it counts."""
    desk = work.as_desk()
    ticket = await locked(desk, number)
    if ticket is None or not is_open(ticket.status):
        return
    outcome = inputs.Resolve(
        resolution=words(settings().desk_language, "poller_well"),
        cause=Cause.OTHER,
        fix=Fix.NONE,
        outcome=Outcome.SOLVED_CONFIRMED,
    )
    await actions.resolve(desk, ticket.id, outcome)
    held = (await work.session.scalars(_LOOK_AGAIN, {"until": work.now + BACK})).all()
    await work.session.execute(_SOON, {"ids": sorted(set(held)), "now": work.now})
