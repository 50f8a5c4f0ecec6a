"""The HTTP door to tickets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from service.core.fields import Line
from service.core.paging import MAX_PAGE
from service.tickets import actions, inputs, wire
from service.tickets.explaining import ticket_timers
from service.tickets.listing import Sort, TicketFilter, count_tickets, tickets_page
from service.tickets.queries import links, ticket_view, timeline
from service.web import Cursor, Json, Limit, Number, Reading, Working, door, paged, refusals

router = door("/tickets", "tickets")
TICKET: dict[str, Any] = {"response_model": wire.TicketOut, "responses": refusals(404, 409, 412)}


class TicketList(TicketFilter):
    """A list: what it is narrowed to, its order, its page."""

    q: Line | None = Field(None, description="Words to search for in subject and description.")
    sort: Sort | None = Field(None, description="The desk's default is `next_due`, over open tickets.")
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=500, description="`next_cursor` of the page before.")


async def _shown(work: Working, number: int, status: int = 200) -> Json:
    return Json(wire.shown(await ticket_view(work, number, checked=False)), status)


@router.get(
    "",
    operation_id="listTickets",
    summary="Tickets you see",
    response_model=wire.TicketPage,
    responses=refusals(),
)
async def list_tickets(wanted: Annotated[TicketList, Query()], read: Reading) -> Json:
    page = await tickets_page(
        read, wanted, sort=wanted.sort, words=wanted.q, limit=wanted.limit, cursor=wanted.cursor
    )
    return Json({"items": wire.listed(page.rows), "next_cursor": page.next_cursor})


@router.get(
    "/count",
    operation_id="countTickets",
    summary="How many tickets you see, counted to 10,000",
    response_model=wire.TicketCount,
    responses=refusals(),
)
async def count(wanted: Annotated[TicketFilter, Query()], read: Reading) -> Json:
    number, more = await count_tickets(read, wanted)
    return Json({"count": number, "more": more})


@router.get(
    "/{number}",
    operation_id="getTicket",
    summary="One ticket with its timers",
    response_model=wire.TicketOut,
    responses=refusals(404),
)
async def get_ticket(number: Number, read: Reading) -> Json:
    return Json(wire.shown(await ticket_view(read, number)))


@router.get(
    "/{number}/timeline",
    operation_id="getTimeline",
    summary="What happened to a ticket, oldest first",
    response_model=wire.EventPage,
    responses=refusals(404),
)
async def get_timeline(number: Number, read: Reading, limit: Limit = 50, cursor: Cursor = None) -> Json:
    return Json(paged(await timeline(read, number, limit=limit, cursor=cursor), wire.event))


@router.get(
    "/{number}/sla",
    operation_id="getTicketSla",
    summary="Its timers as they stand now, and why",
    response_model=list[wire.TimerExplained],
    responses=refusals(404),
)
async def get_sla(number: Number, read: Reading) -> Json:
    return Json(await ticket_timers(read, number))


@router.get(
    "/{number}/links",
    operation_id="getLinks",
    summary="Tickets it is tied to",
    response_model=list[wire.LinkOut],
    responses=refusals(404),
)
async def get_links(number: Number, read: Reading) -> Json:
    return Json([dict(row._mapping) for row in await links(read, number)])


@router.post("/{number}/reply", operation_id="replyToTicket", summary="Write to the other side", **TICKET)
async def reply(number: Number, wanted: inputs.Reply, work: Working) -> Json:
    await actions.reply(work, number, wanted)
    return await _shown(work, number)


@router.post(
    "/{number}/note", operation_id="noteOnTicket", summary="Write what only the desk reads", **TICKET
)
async def note(number: Number, wanted: inputs.Note, work: Working) -> Json:
    await actions.note(work, number, wanted)
    return await _shown(work, number)


@router.post(
    "/{number}/triage",
    operation_id="triageTicket",
    summary="Say what it is and how much it matters",
    **TICKET,
)
async def triage(number: Number, wanted: inputs.Triage, work: Working) -> Json:
    await actions.triage(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/assign", operation_id="assignTicket", summary="Give it to a technician", **TICKET)
async def assign(number: Number, wanted: inputs.Assign, work: Working) -> Json:
    await actions.assign(work, number, wanted)
    return await _shown(work, number)


@router.post(
    "/{number}/unassign",
    operation_id="unassignTicket",
    summary="Put it back for anybody of the queue",
    **TICKET,
)
async def unassign(number: Number, work: Working) -> Json:
    await actions.unassign(work, number)
    return await _shown(work, number)


@router.post(
    "/{number}/transfer", operation_id="transferTicket", summary="Send it to another queue", **TICKET
)
async def transfer(number: Number, wanted: inputs.Transfer, work: Working) -> Json:
    await actions.transfer(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/start", operation_id="startTicket", summary="Begin to work on it", **TICKET)
async def start(number: Number, work: Working) -> Json:
    await actions.start(work, number)
    return await _shown(work, number)


@router.post(
    "/{number}/wait", operation_id="waitOnRequester", summary="Wait until the requester answers", **TICKET
)
async def wait_on_requester(number: Number, wanted: inputs.WaitOnRequester, work: Working) -> Json:
    await actions.wait_on_requester(work, number, wanted)
    return await _shown(work, number)


@router.post(
    "/{number}/hold", operation_id="holdTicket", summary="Wait for a reason of the desk's own", **TICKET
)
async def hold(number: Number, wanted: inputs.Hold, work: Working) -> Json:
    await actions.hold(work, number, wanted)
    return await _shown(work, number)


@router.post(
    "/{number}/resolve", operation_id="resolveTicket", summary="Say that it is solved, and how", **TICKET
)
async def resolve(number: Number, wanted: inputs.Resolve, work: Working) -> Json:
    await actions.resolve(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/close", operation_id="closeTicket", summary="End it for good", **TICKET)
async def close(number: Number, wanted: inputs.Close, work: Working) -> Json:
    await actions.close(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/reopen", operation_id="reopenTicket", summary="It is not solved after all", **TICKET)
async def reopen(number: Number, wanted: inputs.Reopen, work: Working) -> Json:
    await actions.reopen(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/cancel", operation_id="cancelTicket", summary="It is not needed any more", **TICKET)
async def cancel(number: Number, wanted: inputs.Cancel, work: Working) -> Json:
    await actions.cancel(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/tag", operation_id="tagTicket", summary="Add and remove tags", **TICKET)
async def tag(number: Number, wanted: inputs.Tag, work: Working) -> Json:
    await actions.tag(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/link", operation_id="linkTicket", summary="Tie it to another ticket", **TICKET)
async def link(number: Number, wanted: inputs.Link, work: Working) -> Json:
    await actions.link(work, number, wanted)
    return await _shown(work, number)


@router.post("/{number}/share", operation_id="shareTicket", summary="Let somebody else see it", **TICKET)
async def share(number: Number, wanted: inputs.Share, work: Working) -> Json:
    await actions.share(work, number, wanted)
    return await _shown(work, number)


@router.post(
    "/{number}/unshare", operation_id="unshareTicket", summary="Stop sharing it with somebody", **TICKET
)
async def unshare(number: Number, wanted: inputs.Unshare, work: Working) -> Json:
    await actions.unshare(work, number, wanted)
    return await _shown(work, number)
