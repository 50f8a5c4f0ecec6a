"""Opening a ticket: the verb with the most rules in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select

from service.core.actor import Role
from service.core.errors import Conflict, Forbidden, Invalid, require
from service.core.idempotency import once
from service.core.work import Work
from service.tickets import access
from service.tickets.changes import record_opened
from service.tickets.device import freeze
from service.tickets.inputs import OpenTicket
from service.tickets.lifecycle import Status
from service.tickets.lookups import asset_by_serial, asset_by_tag, category_known, place_by_id, requester
from service.tickets.models import OPEN, Channel, Ticket, TicketText
from service.tickets.priority import priority_of
from service.tickets.routing import queue_for
from service.tickets.rules import DeskRules, QueueFacts, desk_rules

DESK_ONLY = ("priority", "queue", "reported_at", "external_id", "source_key", "tags", "channel")
SYSTEMS_OWN = ("network:", "mdm:")
"""How keys begin that only the system gives: a fault it tells of must never find a person's ticket."""
TEXT_SEARCHED = 100_000


class AlreadyOpen(Conflict):
    code = "already_open"


@once(Ticket)
async def open_ticket(work: Work, wanted: OpenTicket) -> Ticket:
    """File a ticket: place, priority and queue are found by rules, timers start, what is known of its device
    is taken down.

    With a `source_key` that has an open ticket, that ticket is the answer and nothing new is made.
    """
    return await file_ticket(work, wanted)


async def file_ticket(work: Work, wanted: OpenTicket) -> Ticket:
    """The same as a part of another verb, which answers for its own key."""
    require(access.may_open(work.actor), "This token may not open tickets.")
    _refuse_shaping(work, wanted)
    if (earlier := await _earlier(work, wanted)) is not None:
        work.version = earlier.version
        return earlier
    rules = await desk_rules(work)
    about = await _about(work, wanted)
    ticket = _ticket(work, wanted, rules, about)
    await category_known(work, wanted.category)
    traits = _traits(ticket, about)
    queue = _queue(wanted, rules, traits)
    traits["queue"] = queue.key
    ticket.queue_id, ticket.confidential = queue.id, queue.confidential
    work.session.add(ticket)
    await record_opened(work, ticket, traits)
    await work.db.execute(_WRITE_TEXT, {"ticket_id": ticket.id, "words": words_of(ticket)})
    if ticket.asset_id is not None:
        await freeze(work, ticket.id, ticket.asset_id)
    return ticket


_TEXTS: Any = TicketText.__table__
_WRITE_TEXT = insert(_TEXTS)


def words_of(ticket: Ticket) -> str:
    """What search finds a ticket by."""
    return f"{ticket.subject}\n{ticket.description}"[:TEXT_SEARCHED]


def _refuse_shaping(work: Work, wanted: OpenTicket) -> None:
    sent = [name for name in DESK_ONLY if name in wanted.model_fields_set]
    if sent == ["channel"] and wanted.channel in (Channel.API, Channel.WEB):
        return
    if sent and not access.may_shape(work.actor):
        raise Forbidden(f"Only the desk sets {', '.join(sent)}. Leave it out.")
    if (wanted.source_key or "").startswith(SYSTEMS_OWN) and work.actor.role is not Role.SYSTEM:
        told = f"Keys that begin with {' or '.join(SYSTEMS_OWN)} are the system's own. Choose another."
        raise Invalid.field("source_key", told, "reserved")
    if wanted.reported_at is not None and wanted.reported_at > work.now:
        raise Invalid.field("reported_at", "That moment has not come yet.", "in_the_future")


async def _earlier(work: Work, wanted: OpenTicket) -> Ticket | None:
    """The open ticket of the same fault; two polls at the same time queue up on a lock of its key."""
    if wanted.source_key is None:
        return None
    await work.session.execute(select(_lock(wanted.source_key)))
    ticket = await work.session.scalar(select(Ticket).where(Ticket.source_key == wanted.source_key, OPEN))
    if ticket is not None and not access.may_view(work.actor, ticket):
        raise AlreadyOpen("This fault has an open ticket already, which you cannot see.")
    return ticket


def _lock(key: str) -> Any:
    return func.pg_advisory_xact_lock(func.hashtextextended(key, 0))


class _About:
    """Who and what a ticket is about, as found."""

    def __init__(self, person_id: int | None, role: str | None, language: str) -> None:
        self.person_id, self.role, self.language = person_id, role, language
        self.place_id: str | None = None
        self.school_id: str | None = None
        self.asset: Any = None
        self.knows_asset = False


async def _about(work: Work, wanted: OpenTicket) -> _About:
    actor = work.actor
    about = _About(actor.person_id, actor.role.value, actor.language)
    home = actor.home_school_id
    if wanted.requester_id is not None and wanted.requester_id != actor.person_id:
        person = await requester(work, wanted.requester_id)
        about = _About(person.id, person.role.value, person.language)
        home = person.school_id
    elif actor.role in (Role.INTEGRATION, Role.SYSTEM):
        about = _About(None, None, actor.language)
    about.asset = await _asset(work, wanted)
    if about.asset is not None:
        about.knows_asset = access.may_know_device(actor, about.asset.holder_id)
    place_id = wanted.place_id or (about.knows_asset and about.asset.place_id) or home
    if place_id is not None:
        place = await place_by_id(work, place_id)
        about.place_id, about.school_id = place.id, place.school_id
    return about


async def _asset(work: Work, wanted: OpenTicket) -> Any:
    """Anybody may name a device by what is printed on it; what they see of it is another matter."""
    if wanted.asset_serial is None:
        return await asset_by_tag(work, wanted.asset_tag) if wanted.asset_tag is not None else None
    if wanted.asset_tag is not None:
        raise Invalid.field("asset_serial", "Give the tag or the serial number, not both.", "not_both")
    return await asset_by_serial(work, wanted.asset_serial)


def _ticket(work: Work, wanted: OpenTicket, rules: DeskRules, about: _About) -> Ticket:
    return Ticket(
        kind=wanted.kind,
        status=Status.NEW,
        priority=wanted.priority or priority_of(wanted.impact, wanted.urgency, rules.matrix),
        impact=wanted.impact,
        urgency=wanted.urgency,
        channel=wanted.channel,
        version=1,
        reopens=0,
        requester_id=about.person_id,
        opened_by_id=work.actor.person_id,
        asset_id=about.asset.id if about.asset else None,
        device_holder_id=about.asset.holder_id if about.knows_asset else None,
        school_id=about.school_id,
        place_id=about.place_id,
        category_id=wanted.category,
        language=wanted.language or about.language,
        subject=wanted.subject,
        description=wanted.description,
        tags=sorted(set(wanted.tags)),
        shared_with=[work.actor.person_id] if work.actor.role is Role.VENDOR else [],
        external_id=wanted.external_id,
        source_key=wanted.source_key,
        opened_at=work.now,
        reported_at=wanted.reported_at or work.now,
        updated_at=work.now,
    )


def _traits(ticket: Ticket, about: _About) -> dict[str, str | None]:
    return {
        "kind": ticket.kind.value,
        "category": ticket.category_id,
        "school": ticket.school_id,
        "queue": None,
        "asset_kind": about.asset.kind.value if about.asset else None,
        "requester_role": about.role,
        "channel": ticket.channel.value,
        "priority": ticket.priority.value,
    }


def _queue(wanted: OpenTicket, rules: DeskRules, traits: dict[str, str | None]) -> QueueFacts:
    if wanted.queue is not None:
        return rules.queue(wanted.queue)
    return rules.queues[queue_for(traits, rules.routing, rules.default_queue.id)]
