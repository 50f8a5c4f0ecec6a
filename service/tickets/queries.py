"""Named selects on one ticket: the row to change, the view to show, its timeline and links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, func, literal, literal_column, select, text, union_all
from sqlalchemy.orm import aliased

from service.assets.models import Asset
from service.core.actor import Actor
from service.core.errors import Invalid, NotFound, Stale
from service.core.paging import Page, cursor_of, key_of
from service.core.settings import settings
from service.core.work import Eyes, Work
from service.people.models import Person
from service.places.models import Place
from service.sla.models import SlaPolicy, SlaTimer
from service.sla.timers import IN_ORDER
from service.tickets import access
from service.tickets.device_seen import KEPT_DEVICE, see_device
from service.tickets.models import Queue, Ticket, TicketEvent, TicketLink

Requester, Assignee, OpenedBy, Vendor = aliased(Person), aliased(Person), aliased(Person), aliased(Person)


async def ticket_for_update(work: Work, number: int) -> Ticket:
    """The ticket, locked, if the actor sees it and it is the version they expect; else a refusal."""
    ticket = await work.session.scalar(_LOCKED, {"number": number})
    if ticket is None or not _is_there(work, ticket):
        raise _nothing(number)
    expected = work.conditions.expected_version
    if expected is not None and expected != ticket.version:
        raise Stale
    return ticket


_LOCKED = select(Ticket).where(Ticket.id == bindparam("number")).with_for_update(key_share=True)


async def language_of_notes(work: Work, number: int) -> str:
    """That of the technician who has the ticket, else the desk's."""
    theirs = select(Person.language).join(Ticket, Ticket.assignee_id == Person.id).where(Ticket.id == number)
    return await work.session.scalar(theirs) or settings().desk_language


def _is_there(eyes: Eyes, ticket: Any) -> bool:
    return access.may_read(eyes.actor) and access.may_view(eyes.actor, ticket)


def _nothing(number: int) -> NotFound:
    return NotFound(f"There is no ticket {number} that you can see.")


TIMERS = (
    select(
        func.coalesce(
            func.json_agg(
                func.json_build_object(
                    "agreement", SlaTimer.agreement,
                    "policy", SlaPolicy.name,
                    "vendor_id", SlaTimer.vendor_id,
                    "target", SlaTimer.target,
                    "cycle", SlaTimer.n,
                    "state", SlaTimer.state,
                    "started_at", SlaTimer.started_at,
                    "due_at", SlaTimer.due_at,
                    "stopped_at", SlaTimer.stopped_at,
                    "breached_at", SlaTimer.breached_at,
                    "target_seconds", func.extract("epoch", SlaTimer.goal),
                ).op("ORDER BY")(literal_column("sla_timers.agreement, sla_timers.target, sla_timers.n"))
            ),
            text("'[]'::json"),
        )
    )
    .select_from(SlaTimer)
    .outerjoin(SlaPolicy, SlaPolicy.id == SlaTimer.policy_id)
    .where(SlaTimer.ticket_id == Ticket.id)
    .correlate(Ticket)
    .scalar_subquery()
)  # fmt: skip

NEXT_DUE_SEEN = (
    select(func.min(SlaTimer.due_at))
    .where(SlaTimer.ticket_id == Ticket.id, SlaTimer.stopped_at.is_(None), access.TIMER_SEEN)
    .correlate(Ticket)
    .scalar_subquery()
    .label("next_due_seen")
)
"""The earliest due time that runs among the timers that the actor sees, for the values of `access.seeing`."""

TICKET: list[Any] = list(Ticket.__table__.c)
NAMES: list[Any] = [
    Queue.key.label("queue_key"),
    Queue.name.label("queue_name"),
    Requester.name.label("requester_name"),
    Assignee.name.label("assignee_name"),
    OpenedBy.name.label("opened_by_name"),
    Place.name.label("place_name"),
    Asset.tag.label("asset_tag"),
    Asset.kind.label("asset_kind"),
    Asset.model.label("asset_model"),
]


def seen_timers(actor: Actor, *columns: Any) -> Select[Any]:
    """Columns of the timers that the actor sees, and of their tickets and policies, in order."""
    return (
        select(*columns)
        .select_from(SlaTimer)
        .join(Ticket, Ticket.id == SlaTimer.ticket_id)
        .outerjoin(SlaPolicy, SlaPolicy.id == SlaTimer.policy_id)
        .where(access.TIMER_SEEN)
        .params(access.seeing(actor))
        .order_by(*IN_ORDER)
    )


def with_names(query: Select[Any]) -> Select[Any]:
    return (
        query.join(Queue, Queue.id == Ticket.queue_id)
        .outerjoin(Requester, Requester.id == Ticket.requester_id)
        .outerjoin(Assignee, Assignee.id == Ticket.assignee_id)
        .outerjoin(OpenedBy, OpenedBy.id == Ticket.opened_by_id)
        .outerjoin(Place, Place.id == Ticket.place_id)
        .outerjoin(Asset, Asset.id == Ticket.asset_id)
    )


UNSHOWN = frozenset({"policy_id", "policy_version", "calendar_id", "unanswered_since", "touched_at"})
SHOWN = [column for column in TICKET if column.name not in UNSHOWN]
_WHOLE = Vendor.name.label("vendor_name"), Asset.serial.label("asset_serial"), TIMERS.label("timers")
_VIEW = (
    with_names(select(*SHOWN, *NAMES, *_WHOLE, KEPT_DEVICE))
    .outerjoin(Vendor, Vendor.id == Ticket.vendor_id)
    .where(Ticket.id == bindparam("number"))
)


async def ticket_view(eyes: Eyes, number: int, *, checked: bool = True) -> Any:
    """One ticket with its names, and the timers and the device (`device_of`) that the actor sees, as a row;
    NotFound if it is not visible.

    Without the check it is for whoever just changed the ticket, perhaps out of their own sight.
    """
    row = (await eyes.db.execute(_VIEW, {"number": number})).one_or_none()
    if row is None or (checked and not _is_there(eyes, row)):
        raise _nothing(number)
    row.timers[:] = access.timers_seen(eyes.actor, row, row.timers)
    await see_device(eyes, row)
    eyes.version = row.version
    return row


async def ticket_rights(eyes: Eyes, number: int) -> Any:
    """What decides about a visible ticket's rights; NotFound if it is not visible."""
    ticket = (await eyes.db.execute(_RIGHTS, {"number": number})).one_or_none()
    if ticket is None or not _is_there(eyes, ticket):
        raise _nothing(number)
    return ticket


RIGHTS = [
    Ticket.id,
    Ticket.requester_id,
    Ticket.opened_by_id,
    Ticket.assignee_id,
    Ticket.device_holder_id,
    Ticket.shared_with,
    Ticket.confidential,
    Ticket.queue_id,
    Ticket.school_id,
]
_RIGHTS = select(*RIGHTS).where(Ticket.id == bindparam("number"))
EVENT = list(TicketEvent.__table__.c)


async def timeline(eyes: Eyes, number: int, *, limit: int = 50, cursor: str | None = None) -> Page[Any]:
    """The events of a ticket, oldest first; who does not work the ticket gets the public ones."""
    ticket = await ticket_rights(eyes, number)
    key = key_of(cursor, 1)
    query = select(*EVENT).where(TicketEvent.ticket_id == number)
    if not access.sees_notes(eyes.actor, ticket):
        query = query.where(TicketEvent.public)
    if key is not None:
        query = query.where(TicketEvent.id > _event_id(key[0]))
    rows = (await eyes.db.execute(query.order_by(TicketEvent.id).limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


def _event_id(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor")
    return value


async def links(eyes: Eyes, number: int) -> Sequence[Any]:
    """Links from and to a ticket, of which only those to visible tickets."""
    await ticket_rights(eyes, number)
    there, here = TicketLink.other_id, TicketLink.ticket_id
    ways = [
        select(TicketLink.kind, there.label("number"), literal(True).label("outward")).where(here == number),
        select(TicketLink.kind, here.label("number"), literal(False).label("outward")).where(there == number),
    ]
    found = union_all(*ways).subquery()
    query = (
        select(found.c.kind, found.c.number, found.c.outward, Ticket.subject, Ticket.status)
        .join(Ticket, Ticket.id == found.c.number)
        .where(access.visible_to(eyes.actor))
        .order_by(found.c.number)
        .limit(200)
    )
    return (await eyes.db.execute(query)).all()
