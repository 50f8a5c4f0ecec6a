"""What happens to a ticket, in a queue, or in the network, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import strawberry
from sqlalchemy.exc import SQLAlchemyError

from schema.context import Context, Info
from schema.guided import PlaybookRun, run_by_key
from schema.hub import Happening, Heard
from schema.network import NetworkFault
from schema.nodes import key_in, subscription
from schema.tickets import Ticket, TicketEvent, queue_by_key
from service.core.errors import NotFound, Refusal, Unavailable
from service.core.faults import refusal_for
from service.core.paging import cursor_of
from service.monitoring.fault_listing import FaultFilter, fault_view, faults_page
from service.tickets.queries import ticket_rights, ticket_view, timeline

WHO_ASKS_EVERY = 30.0
RUN_LOOKED_AT_EVERY = 10.0  # should an announcement be lost


@strawberry.type(description="Something happened to a ticket that you see.")
class TicketChange:
    ticket: Ticket
    event: TicketEvent
    missed: bool = strawberry.field(
        description="You read too slowly, or the desk was down: some events before this one were left out. "
        "The timeline has them."
    )


@strawberry.type(description="A fault of the network began, ended, or became something else.")
class NetworkFaultChange:
    fault: NetworkFault
    missed: bool = strawberry.field(
        description="Some changes before this one may have been left out: read the list of faults again."
    )


@strawberry.type
class Subscription:
    @subscription(description="What happens to one ticket.")
    async def ticket_changed(self, info: Info, number: int) -> AsyncGenerator[TicketChange, None]:
        context = info.context
        async with context.read() as read:
            await ticket_rights(read, number)
        subscribed = _hub(context).subscribed(ticket=number)
        async with aclosing(_changes(context, subscribed, ends_unseen=True)) as changes:
            async for change in changes:
                yield change

    @subscription(description="What happens in a queue, to the tickets in it that you see.")
    async def queue_changed(self, info: Info, key: str) -> AsyncGenerator[TicketChange, None]:
        context = info.context
        queue = await queue_by_key(context, key)
        subscribed = _hub(context).subscribed(queue=queue.id)
        async with aclosing(_changes(context, subscribed, ends_unseen=False)) as changes:
            async for change in changes:
                yield change

    @subscription(description="A run of a playbook, each time it moves; the first time at once.")
    async def run_changed(self, info: Info, id: strawberry.ID) -> AsyncGenerator[PlaybookRun, None]:
        context = info.context
        run = await run_by_key(context, id)
        async with _hub(context).following(run.id) as heard:
            context.on_end = heard.stir
            told = -1
            while not context.has_ended:
                try:
                    await context.identify_again()
                    run = await run_by_key(context, id)
                except (SQLAlchemyError, OSError) as error:
                    await _sit_out(error, heard)
                    continue
                if run.version != told:
                    told = run.version
                    context.forget()
                    yield run
                await heard.next(RUN_LOOKED_AT_EVERY)

    @subscription(description="What begins and ends to be wrong in the network, at one school or everywhere.")
    async def network_fault_changed(
        self, info: Info, school_id: strawberry.ID | None = None
    ) -> AsyncGenerator[NetworkFaultChange, None]:
        context = info.context
        async with context.read() as read:
            await faults_page(read, FaultFilter(), limit=1)
        school = key_in(school_id, "Place", "school_id") if school_id is not None else None
        async with _hub(context).watching(school) as heard:
            context.on_end = heard.stir
            while not context.has_ended:
                moved = await heard.next(WHO_ASKS_EVERY)
                try:
                    await context.identify_again()
                    change = await _moved(context, moved.fault, heard) if moved is not None else None
                except (SQLAlchemyError, OSError) as error:
                    await _sit_out(error, heard)
                    continue
                if change is not None:
                    context.forget()
                    yield change


def _hub(context: Context) -> Any:
    if context.hub is None:
        raise Unavailable("This process has no subscriptions.")
    return context.hub


async def _changes(
    context: Context, subscribed: AbstractAsyncContextManager[Heard[Happening]], *, ends_unseen: bool
) -> AsyncGenerator[TicketChange, None]:
    """Each happening as the actor of that moment sees it; a revoked token ends it.

    With `ends_unseen` a ticket that is out of the actor's sight ends it too.
    """
    async with subscribed as heard:
        context.on_end = heard.stir
        while not context.has_ended:
            happening = await heard.next(WHO_ASKS_EVERY)
            try:
                await context.identify_again()
                change = await _seen(context, happening, heard) if happening is not None else None
            except NotFound:
                if ends_unseen:
                    raise
                continue
            except (SQLAlchemyError, OSError) as error:
                await _sit_out(error, heard)
                continue
            if change is not None:
                context.forget()
                yield change


async def _seen(context: Context, happening: Happening, heard: Heard[Happening]) -> TicketChange | None:
    """The ticket and the event; None for an event that is not for the actor's eyes."""
    if context.hub is None:
        return None
    async with context.hub.delivering, context.read() as read:
        just_before = cursor_of(happening.event - 1)
        events = (await timeline(read, happening.ticket, limit=1, cursor=just_before)).rows
        if not events or events[0].id != happening.event:
            return None
        ticket: Any = await ticket_view(read, happening.ticket)
    return TicketChange(ticket=ticket, event=events[0], missed=heard.was_missed())


async def _moved(context: Context, fault: int, heard: Heard[Any]) -> NetworkFaultChange | None:
    """The fault as it is now; None for one whose device is gone."""
    if context.hub is None:
        return None
    async with context.hub.delivering, context.read() as read:
        try:
            row: Any = await fault_view(read, fault)
        except NotFound:
            return None
    return NetworkFaultChange(fault=row, missed=heard.was_missed())


async def _sit_out(error: Exception, heard: Heard[Any]) -> None:
    """The database is away: the event is lost for this subscriber, who is told so with the next one."""
    refusal: Refusal = refusal_for(error)
    if not isinstance(refusal, Unavailable):
        raise refusal from error
    heard.missed = True
    await asyncio.sleep(1)
