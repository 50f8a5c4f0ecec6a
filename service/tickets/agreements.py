"""Which agreements a change of a ticket concerns: the SLA, its queue's OLA, the contract of its vendor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from service.core.work import Work
from service.sla import covering
from service.sla.agreement import THE_DESK, THE_QUEUE, Party
from service.sla.course import Change, Course, HandedOver, Opened, Received
from service.sla.covering import NOT_COVERED, Covered
from service.sla.policy import Agreement
from service.sla.timers import TicketTimers, Turn
from service.tickets import rules
from service.tickets.lifecycle import Status
from service.tickets.models import Channel, Ticket, TicketEvent

RETIMED = ("priority", "category_id", "queue_id", "school_id", "place_id", "kind", "asset_id")
Traits = Mapping[str, str | None]


async def at_opening(work: Work, ticket: Ticket, traits: Traits, opened: Opened) -> list[Turn]:
    """What a new ticket begins: the SLA and, where the desk has any, the OLA of its queue."""
    cover(ticket, await _chosen(work, ticket, traits, Agreement.SLA))
    turns = [Turn(THE_DESK, Course(), [opened], covered_by(ticket), ticket.priority.value)]
    if await covering.are_any(work, Agreement.OLA):
        covered = await _chosen(work, ticket, traits, Agreement.OLA)
        turns.append(Turn(THE_QUEUE, Course(), [opened], covered, ticket.priority.value))
    return turns


def keep_counted(ticket: Ticket, begun: TicketTimers) -> None:
    """A ticket whose SLA could not be counted is not covered by it."""
    if THE_DESK in begun.uncounted:
        cover(ticket, NOT_COVERED)


async def in_change(
    work: Work, ticket: Ticket, changed: Mapping[str, Any], changes: Sequence[Change]
) -> list[Turn]:
    """What each agreement makes of a change; none where it concerns no timer."""
    replaced = any(name in changed for name in RETIMED)
    if not (changes or replaced):
        return []
    traits = await rules.traits_of(work, ticket) if replaced else None
    if traits is not None:
        cover(ticket, await _chosen(work, ticket, traits, Agreement.SLA))
    turn = Turn(
        THE_DESK, _desks(ticket, changed), changes, covered_by(ticket), ticket.priority.value, replaced
    )
    return [
        turn,
        *await _queues(work, ticket, changed, changes, traits),
        *await _vendors(work, ticket, changed, changes, traits),
    ]


def _desks(ticket: Ticket, changed: Mapping[str, Any]) -> Course:
    return Course(
        status=_status(ticket, changed),
        started_at=ticket.reported_at,
        owes_response=awaits_response(ticket)
        and (ticket.first_response_at is None or "first_response_at" in changed)
        and ticket.reopens == 0,
        unanswered_since=ticket.unanswered_since,
        touched_at=ticket.touched_at,
    )


async def _queues(
    work: Work, ticket: Ticket, changed: Mapping[str, Any], changes: Sequence[Change], traits: Traits | None
) -> list[Turn]:
    """The OLA goes on as it runs; it is chosen anew with what decides about it, and at a reopening.

    A transfer ends that of the queue which had the ticket and begins that of the queue which gets it.
    """
    status, priority = _status(ticket, changed), ticket.priority.value
    if traits is None and "reopens" not in changed:
        return [Turn(THE_QUEUE, Course(status=status), changes, None, priority)]
    are_any = await covering.are_any(work, Agreement.OLA)
    traits = traits or (await rules.traits_of(work, ticket) if are_any else {})
    covered = await _chosen(work, ticket, traits, Agreement.OLA)
    if "queue_id" in changed:
        leaves = Turn(THE_QUEUE, Course(status=status), [HandedOver(work.now)], None, priority)
        comes = Turn(THE_QUEUE, Course(), [Received(work.now, status)], covered, priority)
        return [leaves, comes]
    since = await _last(work, ticket, TicketEvent.queue_id.is_not(None)) if are_any else ticket.opened_at
    touched = ticket.touched_at if ticket.touched_at is not None and ticket.touched_at >= since else None
    course = Course(status=status, started_at=since, touched_at=touched)
    return [Turn(THE_QUEUE, course, changes, covered, priority, replaced=True)]


async def _vendors(
    work: Work, ticket: Ticket, changed: Mapping[str, Any], changes: Sequence[Change], traits: Traits | None
) -> list[Turn]:
    """The contract of the vendor with whom the ticket is, or was until now, on hold."""
    now_with, priority = ticket.vendor_id, ticket.priority.value
    turns = []
    if (was_with := changed.get("vendor_id")) is not None:
        left = Course(status="in_progress")
        turns.append(Turn(Party(Agreement.VENDOR, was_with), left, changes, None, priority))
    if now_with is None:
        return turns
    party, held = Party(Agreement.VENDOR, now_with), "vendor_id" not in changed
    if held and traits is None:
        return [Turn(party, Course(status="in_progress"), changes, None, priority)]
    are_any = await covering.are_any(work, Agreement.VENDOR)
    traits = traits or (await rules.traits_of(work, ticket) if are_any else {})
    covered = await _chosen(work, ticket, {**traits, "vendor": str(now_with)}, Agreement.VENDOR)
    if held and are_any:
        began_at = await _last(work, ticket, TicketEvent.status == Status.ON_HOLD)
        course = Course(status="in_progress", started_at=began_at)
    else:
        course = Course(status="in_progress" if held else "resolved")
    return [*turns, Turn(party, course, changes, covered, priority, replaced=held)]


async def _chosen(work: Work, ticket: Ticket, traits: Traits, agreement: Agreement) -> Covered:
    return await covering.choose(work, traits, ticket.place_id, ticket.priority.value, agreement)


async def _last(work: Work, ticket: Ticket, says: ColumnElement[bool]) -> datetime:
    """When the last event before this change said so: since then it has been so."""
    query = (
        select(TicketEvent.at)
        .where(TicketEvent.ticket_id == ticket.id, says)
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )
    return await work.session.scalar(query) or ticket.opened_at


def awaits_response(ticket: Ticket) -> bool:
    """Somebody waits for an answer; monitoring does not."""
    return ticket.requester_id is not None and ticket.channel is not Channel.MONITORING


def covered_by(ticket: Any) -> Covered:
    """The SLA that covers a ticket, as its row says."""
    return Covered(ticket.policy_id, ticket.policy_version, ticket.calendar_id, ticket.priority.value)


def cover(ticket: Ticket, covered: Covered) -> None:
    ticket.policy_id = covered.policy_id
    ticket.policy_version = covered.policy_version
    ticket.calendar_id = covered.calendar_id


def _status(ticket: Ticket, changed: Mapping[str, Any]) -> str:
    """What the status was before the change."""
    status: Status = changed.get("status") or ticket.status
    return status.value
