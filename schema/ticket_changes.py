"""The verbs on tickets, as mutations. Every answer has the ticket, or why it was refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry
from pydantic import BaseModel

from schema import ticket_inputs as given
from schema.changes import changed
from schema.context import Info
from schema.errors import UserError
from schema.nodes import mutation
from schema.ticket_inputs import wanted
from schema.tickets import Ticket
from service.tickets import actions, inputs
from service.tickets.models import Ticket as Row

Verb = Callable[..., Awaitable[Row]]


@strawberry.type(description="The ticket as the change left it, or null and why it was refused.")
class TicketPayload:
    ticket: Ticket | None
    user_errors: list[UserError]


async def _told(
    info: Info, asked: given.Once, verb: Verb, model: type[BaseModel] | None = None
) -> TicketPayload:
    row: Any
    row, errors = await changed(info, asked, verb, lambda: _arguments(asked, model))
    return TicketPayload(ticket=row, user_errors=errors)


def _arguments(asked: given.Once, model: type[BaseModel] | None) -> list[Any]:
    """What a verb takes after the work: the number of a ticket that is there, and its input."""
    number: list[Any] = [asked.number] if isinstance(asked, given.Existing) else []
    return number + ([wanted(asked, model)] if model is not None else [])


@strawberry.type
class Mutation:
    @mutation(description="Write to the other side.")
    async def reply_to_ticket(self, info: Info, input: given.Reply) -> TicketPayload:
        return await _told(info, input, actions.reply, inputs.Reply)

    @mutation(description="Write what only the desk reads.")
    async def note_on_ticket(self, info: Info, input: given.Note) -> TicketPayload:
        return await _told(info, input, actions.note, inputs.Note)

    @mutation(description="Say what it is and how much it matters; fields that are not sent stay.")
    async def triage_ticket(self, info: Info, input: given.Triage) -> TicketPayload:
        return await _told(info, input, actions.triage, inputs.Triage)

    @mutation(description="Give it to a technician.")
    async def assign_ticket(self, info: Info, input: given.Assign) -> TicketPayload:
        return await _told(info, input, actions.assign, inputs.Assign)

    @mutation(description="Put it back for anybody of the queue.")
    async def unassign_ticket(self, info: Info, input: given.Unassign) -> TicketPayload:
        return await _told(info, input, actions.unassign)

    @mutation(description="Send it to another queue.")
    async def transfer_ticket(self, info: Info, input: given.Transfer) -> TicketPayload:
        return await _told(info, input, actions.transfer, inputs.Transfer)

    @mutation(description="Begin to work on it.")
    async def start_ticket(self, info: Info, input: given.Start) -> TicketPayload:
        return await _told(info, input, actions.start)

    @mutation(description="Wait until the requester answers.")
    async def wait_on_requester(self, info: Info, input: given.WaitOnRequester) -> TicketPayload:
        return await _told(info, input, actions.wait_on_requester, inputs.WaitOnRequester)

    @mutation(description="Wait for a reason of the desk's own.")
    async def hold_ticket(self, info: Info, input: given.Hold) -> TicketPayload:
        return await _told(info, input, actions.hold, inputs.Hold)

    @mutation(description="Say that it is solved, and how.")
    async def resolve_ticket(self, info: Info, input: given.Resolve) -> TicketPayload:
        return await _told(info, input, actions.resolve, inputs.Resolve)

    @mutation(description="End it for good.")
    async def close_ticket(self, info: Info, input: given.Close) -> TicketPayload:
        return await _told(info, input, actions.close, inputs.Close)

    @mutation(description="It is not solved after all.")
    async def reopen_ticket(self, info: Info, input: given.Reopen) -> TicketPayload:
        return await _told(info, input, actions.reopen, inputs.Reopen)

    @mutation(description="It is not needed any more.")
    async def cancel_ticket(self, info: Info, input: given.Cancel) -> TicketPayload:
        return await _told(info, input, actions.cancel, inputs.Cancel)

    @mutation(description="Add and remove tags.")
    async def tag_ticket(self, info: Info, input: given.Tag) -> TicketPayload:
        return await _told(info, input, actions.tag, inputs.Tag)

    @mutation(description="Tie it to another ticket.")
    async def link_ticket(self, info: Info, input: given.Link) -> TicketPayload:
        return await _told(info, input, actions.link, inputs.Link)

    @mutation(description="Let somebody else see it.")
    async def share_ticket(self, info: Info, input: given.Share) -> TicketPayload:
        return await _told(info, input, actions.share, inputs.Share)

    @mutation(description="Stop sharing it with somebody.")
    async def unshare_ticket(self, info: Info, input: given.Unshare) -> TicketPayload:
        return await _told(info, input, actions.unshare, inputs.Unshare)
