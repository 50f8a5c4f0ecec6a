"""Teachers' tickets that a broken device explains: tied to its ticket, and told so once.

A ticket is explained by an open fault when it is about the very device (or one that hangs on it and is not
reachable for that reason), or comes from the room of such a device and is about the same kind of thing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import exists, select, text

from integrations.snmp.profile import Profiles
from service.core.work import Work
from service.monitoring.models import NetworkDevice, NetworkFault
from service.monitoring.specs import spec_of
from service.monitoring.ticketing import about, words
from service.monitoring.wording import sentence
from service.tickets import actions, inputs
from service.tickets.models import OPEN, Channel, LinkKind, Ticket, TicketLink

log = structlog.get_logger()
HOW_FAR_BACK = timedelta(hours=12)
MOST = 200

_EXPLAINED = text(
    """
    WITH broken AS MATERIALIZED (
        SELECT f.id AS fault_id, f.ticket_id, t.category_id, d.asset_id, d.place_id
        FROM network_faults AS f
        JOIN tickets AS t ON t.id = f.ticket_id AND t.status < 5
        LEFT JOIN network_faults AS c ON c.parent_id = f.device_id AND c.resolved_at IS NULL AND c.state = 3
        JOIN network_devices AS d ON d.id = f.device_id OR d.id = c.device_id
        WHERE f.resolved_at IS NULL AND f.state = 2
    ), asked AS MATERIALIZED (
        SELECT id, asset_id, place_id, split_part(category_id, '.', 1) AS about FROM tickets
        WHERE status < 5 AND channel <> :monitoring AND opened_at > :since
    ), explained AS (
        SELECT w.id AS number, b.fault_id, b.ticket_id AS cause
        FROM asked AS w JOIN broken AS b ON b.asset_id = w.asset_id
        UNION
        SELECT w.id, b.fault_id, b.ticket_id
        FROM asked AS w JOIN places AS p ON p.id = w.place_id AND p.kind <> 1
        JOIN broken AS b ON b.place_id = w.place_id AND split_part(b.category_id, '.', 1) = w.about
    )
    SELECT DISTINCT ON (e.number) e.number, e.fault_id, e.cause FROM explained AS e
    WHERE e.number <> e.cause AND NOT EXISTS (SELECT FROM ticket_links AS l
        WHERE l.ticket_id = e.number AND l.kind = :caused_by AND l.other_id = e.cause)
    ORDER BY e.number, e.fault_id
    LIMIT :most
    """
)


async def explain_tickets(work: Work, profiles: Profiles) -> int:
    """Tie every open ticket of the last hours that an open fault explains; how many were tied."""
    found = await work.session.execute(
        _EXPLAINED,
        {
            "monitoring": _code(Ticket.channel, Channel.MONITORING),
            "caused_by": _code(TicketLink.kind, LinkKind.CAUSED_BY),
            "since": work.now - HOW_FAR_BACK,
            "most": MOST,
        },
    )
    tied = 0
    for number, fault_id, cause in found.all():
        try:
            async with work.session.begin_nested():
                tied += await _tie(work, profiles, number, fault_id, cause)
        except Exception:
            log.exception("network_explaining_failed", ticket=number)
    return tied


async def _tie(work: Work, profiles: Profiles, number: int, fault_id: int, cause: int) -> bool:
    desk = work.as_desk()
    ticket = await desk.session.scalar(
        select(Ticket).where(Ticket.id == number, OPEN).with_for_update(key_share=True, skip_locked=True)
    )
    fault = await desk.session.get(NetworkFault, fault_id)
    if ticket is None or fault is None or await _is_tied(work, number, cause):
        return False
    device = await desk.session.get(NetworkDevice, fault.device_id)
    if device is None:
        return False
    spec = spec_of(profiles, device.profile, fault.check)
    if spec is None:
        return False
    await actions.link(desk, number, inputs.Link(kind=LinkKind.CAUSED_BY, other=cause))
    told = await about(desk, device, fault, ())
    language = ticket.language
    body = words(language, "known", sentence=sentence(spec.for_teacher, told, language))
    await actions.reply(desk, number, inputs.Reply(body=body))
    return True


async def _is_tied(work: Work, number: int, cause: int) -> bool:
    """Looked up again under the ticket's lock: two sweeps at once tell nobody twice."""
    link = exists().where(
        TicketLink.ticket_id == number, TicketLink.kind == LinkKind.CAUSED_BY, TicketLink.other_id == cause
    )
    return bool(await work.session.scalar(select(link)))


def _code(column: Any, member: Any) -> int:
    return int(column.type.code(member))
