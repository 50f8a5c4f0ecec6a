"""What people do with tickets. Each verb: find, may, allowed, change, record."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from service.core.errors import Conflict, Invalid, require
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.work import Work
from service.people.models import Person
from service.tickets import access, device, inputs
from service.tickets.changes import NOTE, REPLY, record, side
from service.tickets.lifecycle import SAID, Status, WrongStatus, is_open, moved
from service.tickets.lookups import (
    asset_by_tag,
    category_known,
    confidence_of,
    place_by_id,
    technician,
    vendor,
)
from service.tickets.models import OPEN, LinkKind, Ticket, TicketLink
from service.tickets.priority import priority_of
from service.tickets.queries import ticket_for_update
from service.tickets.resolution import Outcome
from service.tickets.rules import desk_rules


class TicketClosed(Conflict):
    code = "ticket_closed"
    title = "This ticket is closed. Reopen it to go on."


@once(Ticket)
async def reply(work: Work, number: int, message: inputs.Reply) -> Ticket:
    """Write to the other side. The requester's answer brings a waiting ticket back to work."""
    ticket = await ticket_for_update(work, number)
    require(access.may_reply(work.actor, ticket))
    _refuse_closed(ticket)
    by = side(work, ticket)
    if by == "technician" and ticket.first_response_at is None:
        ticket.first_response_at = work.now
    if by == "requester" and ticket.status is Status.WAITING_ON_REQUESTER:
        ticket.status = moved(ticket.status, to=Status.IN_PROGRESS)
    ticket.last_reply_at = work.now
    await record(work, ticket, REPLY, body=message.body)
    return ticket


@once(Ticket)
async def note(work: Work, number: int, message: inputs.Note) -> Ticket:
    """Write what only the desk reads."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    await record(work, ticket, NOTE, body=message.body, public=False)
    return ticket


@once(Ticket)
async def triage(work: Work, number: int, seen: inputs.Triage) -> Ticket:
    """Say what it is and how much it matters; fields that were not sent stay."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    _refuse_closed(ticket)
    before = _triaged(ticket)
    sent = seen.model_fields_set
    for name in ("subject", "kind", "impact", "urgency", "language"):
        if name in sent:
            setattr(ticket, name, _wanted(name, getattr(seen, name)))
    if "category" in sent:
        ticket.category_id = await category_known(work, seen.category)
    if "place_id" in sent:
        place = await place_by_id(work, seen.place_id) if seen.place_id else None
        ticket.place_id = place.id if place else None
        ticket.school_id = place.school_id if place else None
    if "asset_tag" in sent:
        asset = await asset_by_tag(work, seen.asset_tag) if seen.asset_tag else None
        ticket.asset_id = asset.id if asset else None
        ticket.device_holder_id = asset.holder_id if asset else None
    if seen.priority is not None:
        ticket.priority = seen.priority
    elif sent & {"priority", "impact", "urgency"}:
        ticket.priority = priority_of(ticket.impact, ticket.urgency, (await desk_rules(work)).matrix)
    after = _triaged(ticket)
    changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    await record(work, ticket, "ticket.triaged", public=False, changes=changes)
    if "asset_id" in changes:
        await device.follow(work, ticket.id, ticket.asset_id)
    return ticket


@once(Ticket)
async def assign(work: Work, number: int, to: inputs.Assign) -> Ticket:
    """Give it to a technician."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    _refuse_closed(ticket)
    person = await technician(work, to.assignee_id, ticket)
    ticket.assignee_id = person.id
    await record(work, ticket, "ticket.assigned", assignee_id=person.id, assignee=person.name)
    return ticket


@once(Ticket)
async def unassign(work: Work, number: int) -> Ticket:
    """Put it back for anybody of the queue to take."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    _refuse_closed(ticket)
    ticket.assignee_id = None
    await record(work, ticket, "ticket.unassigned")
    return ticket


@once(Ticket)
async def transfer(work: Work, number: int, to: inputs.Transfer) -> Ticket:
    """Send it to another queue, where somebody else will take it."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    _refuse_closed(ticket)
    queue = (await desk_rules(work)).queue(to.queue)
    if queue.id == ticket.queue_id:
        raise Conflict(f"This ticket is already in {queue.name}.")
    ticket.queue_id, ticket.assignee_id = queue.id, None
    ticket.confidential = await confidence_of(work, queue.id)
    await record(work, ticket, "ticket.transferred", queue=queue.key, reason=to.reason, public=False)
    return ticket


@once(Ticket)
async def start(work: Work, number: int) -> Ticket:
    """Begin to work on it; whoever starts an unassigned ticket takes it."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    if not is_open(ticket.status):
        raise WrongStatus(f"This ticket is {SAID[ticket.status]}. Reopen it to go on.")
    ticket.status = moved(ticket.status, to=Status.IN_PROGRESS)
    _let_go(ticket)
    if ticket.assignee_id is None:
        ticket.assignee_id = work.actor.person_id
    await record(work, ticket, "ticket.started")
    return ticket


@once(Ticket)
async def wait_on_requester(work: Work, number: int, wait: inputs.WaitOnRequester) -> Ticket:
    """Nothing to do until the requester answers; a question goes to them as a public reply."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    status = moved(ticket.status, to=Status.WAITING_ON_REQUESTER)
    if wait.question:
        if side(work, ticket) == "technician" and ticket.first_response_at is None:
            ticket.first_response_at = work.now
        ticket.last_reply_at = work.now
        await record(work, ticket, REPLY, body=wait.question)
    ticket.status = status
    _let_go(ticket)
    await record(work, ticket, "ticket.waiting")
    return ticket


@once(Ticket)
async def hold(work: Work, number: int, hold: inputs.Hold) -> Ticket:
    """Nothing to do for a reason of the desk's own, or a vendor's, until an instant if one is given."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    if hold.until is not None and hold.until <= work.now:
        raise Invalid.field("until", "Until when? That moment has passed.", "in_the_past")
    who = await vendor(work, hold.vendor_id) if hold.vendor_id is not None else None
    ticket.status = moved(ticket.status, to=Status.ON_HOLD)
    ticket.hold_reason, ticket.hold_until, ticket.vendor_id = hold.reason, hold.until, hold.vendor_id
    until = hold.until.isoformat() if hold.until else None
    await record(
        work,
        ticket,
        "ticket.held",
        reason=hold.reason,
        until=until,
        vendor_id=hold.vendor_id,
        vendor=who.name if who else None,
    )
    return ticket


async def end_hold(work: Work, number: int) -> None:
    """Bring a ticket back whose hold has run out; one that is held for longer is looked at again then."""
    ticket = await ticket_for_update(work, number)
    if ticket.status is not Status.ON_HOLD or ticket.hold_until is None:
        return
    if ticket.hold_until > work.now:
        await enqueue(work, "tickets.end_hold", at=ticket.hold_until, ticket_id=number)
        return
    ticket.status = moved(ticket.status, to=Status.IN_PROGRESS)
    _let_go(ticket)
    await record(work, ticket, "ticket.hold_ended")


@once(Ticket)
async def resolve(work: Work, number: int, outcome: inputs.Resolve) -> Ticket:
    """Say that it is solved, what it was and what helped."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    ticket.status = moved(ticket.status, to=Status.RESOLVED)
    ticket.resolution = outcome.resolution
    ticket.cause, ticket.fix, ticket.outcome = outcome.cause, outcome.fix, outcome.outcome
    ticket.resolved_at = work.now
    _let_go(ticket)
    await record(
        work,
        ticket,
        "ticket.resolved",
        body=outcome.resolution,
        cause=outcome.cause.value,
        fix=outcome.fix.value,
        outcome=outcome.outcome.value,
    )
    return ticket


@once(Ticket)
async def close(work: Work, number: int, last: inputs.Close) -> Ticket:
    """End it for good; a requester who closes a resolved ticket confirms the solution."""
    ticket = await ticket_for_update(work, number)
    require(access.may_finish(work.actor, ticket))
    ticket.status = moved(ticket.status, to=Status.CLOSED)
    ticket.closed_at = work.now
    if side(work, ticket) == "requester" and ticket.outcome == Outcome.SOLVED_ASSUMED:
        ticket.outcome = Outcome.SOLVED_CONFIRMED
    await record(work, ticket, "ticket.closed", body=last.comment)
    return ticket


@once(Ticket)
async def reopen(work: Work, number: int, why: inputs.Reopen) -> Ticket:
    """It is not solved after all."""
    ticket = await ticket_for_update(work, number)
    require(access.may_finish(work.actor, ticket))
    if is_open(ticket.status):
        raise Conflict("This ticket is open already. Write a reply instead.")
    await _refuse_second_fault(work, ticket)
    ticket.status = moved(ticket.status, to=Status.IN_PROGRESS if ticket.assignee_id else Status.NEW)
    ticket.reopens += 1
    ticket.resolved_at = ticket.closed_at = None
    ticket.resolution = ticket.cause = ticket.fix = ticket.outcome = None
    await record(work, ticket, "ticket.reopened", body=why.reason)
    return ticket


@once(Ticket)
async def cancel(work: Work, number: int, why: inputs.Cancel) -> Ticket:
    """It is not needed any more, and nothing was solved."""
    ticket = await ticket_for_update(work, number)
    require(access.may_finish(work.actor, ticket))
    await _cancel(work, ticket, why.reason, Outcome.CANCELLED)
    return ticket


@once(Ticket)
async def tag(work: Work, number: int, tags: inputs.Tag) -> Ticket:
    """Add and remove tags."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    wanted = sorted((set(ticket.tags) | set(tags.add)) - set(tags.remove))
    if len(wanted) > 20:
        raise Invalid.field("add", "A ticket has at most 20 tags.", "too_many")
    ticket.tags = wanted
    await record(work, ticket, "ticket.tagged", public=False, added=tags.add, removed=tags.remove)
    return ticket


@once(Ticket)
async def link(work: Work, number: int, link: inputs.Link) -> Ticket:
    """Tie it to another ticket; a duplicate is cancelled in favour of the other one."""
    if link.other == number:
        raise Invalid.field("other", "A ticket cannot be linked to itself.", "same_ticket")
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    other = await _other(work, link.other)
    row = {"ticket_id": number, "kind": link.kind, "other_id": other.id}
    await work.session.execute(upsert(TicketLink).values(row).on_conflict_do_nothing())
    if link.kind is LinkKind.DUPLICATE_OF and is_open(ticket.status):
        await _cancel(work, ticket, f"duplicate of {other.id}", Outcome.DUPLICATE)
    await record(work, ticket, "ticket.linked", public=False, link=link.kind.value, other=other.id)
    return ticket


@once(Ticket)
async def share(work: Work, number: int, share: inputs.Share) -> Ticket:
    """Let a vendor, or anybody else, see it and write in it."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    person = await work.session.scalar(select(Person).where(Person.id == share.person_id, Person.active))
    if person is None:
        raise Invalid.field("person_id", "There is no such person.", "unknown_person")
    if person.id not in ticket.shared_with:
        if len(ticket.shared_with) >= 50:
            raise Conflict("A ticket is shared with at most 50 people.")
        ticket.shared_with = sorted({*ticket.shared_with, person.id})
    await record(work, ticket, "ticket.shared", public=False, person_id=person.id, person=person.name)
    return ticket


@once(Ticket)
async def unshare(work: Work, number: int, share: inputs.Unshare) -> Ticket:
    """Stop sharing it with somebody."""
    ticket = await ticket_for_update(work, number)
    require(access.may_work(work.actor, ticket))
    ticket.shared_with = [person for person in ticket.shared_with if person != share.person_id]
    await record(work, ticket, "ticket.unshared", public=False, person_id=share.person_id)
    return ticket


async def _cancel(work: Work, ticket: Ticket, reason: str, outcome: Outcome) -> None:
    ticket.status = moved(ticket.status, to=Status.CANCELLED)
    ticket.closed_at = work.now
    ticket.outcome = outcome
    _let_go(ticket)
    ends = f"merged: {reason}" if outcome is Outcome.DUPLICATE else None
    await record(work, ticket, "ticket.cancelled", timers_end=ends, reason=reason)


async def _other(work: Work, number: int) -> Ticket:
    other = await work.session.get(Ticket, number)
    if other is None or not access.may_view(work.actor, other):
        raise Invalid.field("other", f"There is no ticket {number} that you can see.", "unknown_ticket")
    return other


async def _refuse_second_fault(work: Work, ticket: Ticket) -> None:
    """A fault has one open ticket: where a newer one is open, that is the place to go on."""
    if ticket.source_key is None:
        return
    newer = await work.session.scalar(select(Ticket.id).where(Ticket.source_key == ticket.source_key, OPEN))
    if newer is not None:
        raise Conflict(f"The same fault has an open ticket already: {newer}.")


def _let_go(ticket: Ticket) -> None:
    """It is not on hold any more."""
    ticket.hold_reason = ticket.hold_until = ticket.vendor_id = None


def _refuse_closed(ticket: Ticket) -> None:
    if ticket.status in (Status.CLOSED, Status.CANCELLED):
        raise TicketClosed


def _wanted(name: str, value: object) -> object:
    if value is None:
        raise Invalid.field(name, "This field cannot be empty.", "required")
    return value


def _triaged(ticket: Ticket) -> dict[str, object]:
    return {
        "subject": ticket.subject,
        "kind": ticket.kind.value,
        "category": ticket.category_id,
        "impact": ticket.impact.value,
        "urgency": ticket.urgency.value,
        "priority": ticket.priority.value,
        "place_id": ticket.place_id,
        "asset_id": ticket.asset_id,
        "language": ticket.language,
    }
