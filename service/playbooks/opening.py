"""A ticket opened with help at once: the playbooks that fit it, and a run of the one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field
from sqlalchemy import select

from service.core.fields import Line
from service.core.idempotency import once
from service.core.work import Eyes, Work
from service.playbooks.actions import StartRun, started
from service.playbooks.models import PlaybookRun
from service.playbooks.queries import run_view
from service.playbooks.suggesting import suggestions
from service.tickets.inputs import OpenTicket
from service.tickets.models import Ticket
from service.tickets.opening import file_ticket
from service.tickets.queries import ticket_view


class OpenWithHelp(OpenTicket):
    start_playbook: Line | None = Field(
        None, description="Begin this playbook for the ticket at once.", examples=["chromebook-wifi"]
    )


@once(Ticket)
async def open_ticket(work: Work, wanted: OpenWithHelp) -> Ticket:
    """File a ticket, and begin a playbook for it where one is named."""
    ticket = await file_ticket(work, wanted)
    if wanted.start_playbook is not None:
        run = await run_of(work, ticket.id, wanted.start_playbook)
        if run is None:
            await started(work, StartRun(playbook=wanted.start_playbook, ticket=ticket.id))
        work.version = ticket.version
    return ticket


async def run_of(work: Work, number: int, playbook: str, *, ended: bool = False) -> PlaybookRun | None:
    """The newest run of a playbook for a ticket: one that goes on, or with `ended` any."""
    query = select(PlaybookRun).where(PlaybookRun.ticket_id == number, PlaybookRun.playbook == playbook)
    if not ended:
        query = query.where(PlaybookRun.ended_at.is_(None))
    return await work.session.scalar(query.order_by(PlaybookRun.id.desc()).limit(1))


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket as it is shown, the playbooks that fit it, and the run that was begun for it, if any."""

    ticket: Any
    helps: list[dict[str, Any]]
    run: Any | None


async def opened_with_help(work: Work, wanted: OpenWithHelp) -> Opened:
    """File a ticket, and everything that the answer tells of it."""
    filed = await open_ticket(work, wanted)
    ticket = await ticket_view(work, filed.id, checked=False)
    run = None
    if wanted.start_playbook is not None:
        begun = await run_of(work, filed.id, wanted.start_playbook, ended=True)
        run = await run_view(work, begun.id, checked=False) if begun is not None else None
    helps = await help_for(work, ticket)
    work.version = filed.version
    return Opened(ticket, helps, run)


async def help_for(eyes: Eyes, ticket: Any) -> list[dict[str, Any]]:
    """The playbooks that fit a ticket as it is shown."""
    kind = ticket.asset_kind.value if ticket.asset_kind is not None else None
    texts = [ticket.subject, ticket.description]
    return await suggestions(eyes, texts, ticket.category_id, kind, ticket.language)
