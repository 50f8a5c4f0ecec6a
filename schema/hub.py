"""What happens to tickets and in the network, heard once in a process and given to whoever subscribed.

Announcements are the fast way. A crash can lose one, so new events are looked for by their id as well; ids
become visible out of order, so each look goes back over a window of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import case, func, select
from sqlalchemy.orm import aliased

from service.core.actor import SYSTEM
from service.core.outbox import Listener
from service.core.work import Resources
from service.tickets.models import Ticket, TicketEvent

WINDOW = 500
KEPT_FOR_A_SLOW_READER = 100
DELIVERIES_AT_ONCE = 4
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Happening:
    ticket: int
    event: int


@dataclass(frozen=True, slots=True)
class FaultMoved:
    """A fault of the network began, ended, or became something else."""

    fault: int


H = TypeVar("H")


class Heard(Generic[H]):
    """What one subscriber has not read yet. One that reads too slowly loses the oldest, and is told so."""

    def __init__(self) -> None:
        self._waiting: deque[H] = deque()
        self._wake = asyncio.Event()
        self.missed = False

    def put(self, happening: H) -> None:
        if len(self._waiting) >= KEPT_FOR_A_SLOW_READER:
            self._waiting.popleft()
            self.missed = True
        self._waiting.append(happening)
        self._wake.set()

    def stir(self) -> None:
        """Have the subscriber look up who it is again, though nothing happened."""
        self._wake.set()

    async def next(self, seconds: float) -> H | None:
        """The next happening; None after `seconds`, or when stirred."""
        if not self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()
        return self._waiting.popleft() if self._waiting else None

    def was_missed(self) -> bool:
        missed, self.missed = self.missed, False
        return missed


class Hub:
    """One listener a process; `start` and `close` belong to its life."""

    def __init__(self, url: str, resources: Resources, *, look_every: float = 1.0) -> None:
        self.delivering = asyncio.Semaphore(DELIVERIES_AT_ONCE)
        self._resources = resources
        self._listener = Listener(url, self._hear, self._catch_up)
        self._look_every = look_every
        self._task: asyncio.Task[None] | None = None
        self._now = asyncio.Event()
        self._by_ticket: dict[int, set[Heard[Happening]]] = {}
        self._by_queue: dict[int, set[Heard[Happening]]] = {}
        self._by_run: dict[int, set[Heard[Happening]]] = {}
        self._by_school: dict[str | None, set[Heard[FaultMoved]]] = {}
        self._seen: set[int] = set()
        self._highest = 0
        self._is_current = False

    @property
    def subscribers(self) -> int:
        return len(self._everybody())

    def start(self) -> None:
        self._listener.start()
        self._task = asyncio.create_task(self._look_around(), name="hub")

    async def close(self) -> None:
        await self._listener.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @asynccontextmanager
    async def subscribed(
        self, *, ticket: int | None = None, queue: int | None = None
    ) -> AsyncIterator[Heard[Happening]]:
        """What happens to a ticket, or in a queue, from now on."""
        await self._look(tell=self._is_current)  # what has happened by now is not news to the new one
        heard: Heard[Happening] = Heard()
        place, key = (self._by_ticket, ticket) if ticket is not None else (self._by_queue, queue)
        assert key is not None
        place.setdefault(key, set()).add(heard)
        try:
            yield heard
        finally:
            place[key].discard(heard)
            if not place[key]:
                del place[key]

    @asynccontextmanager
    async def following(self, run: int) -> AsyncIterator[Heard[Happening]]:
        """Stirred whenever a run of a playbook moves, from now on; what it is now is read anew each time."""
        heard: Heard[Happening] = Heard()
        self._by_run.setdefault(run, set()).add(heard)
        try:
            yield heard
        finally:
            self._by_run[run].discard(heard)
            if not self._by_run[run]:
                del self._by_run[run]

    @asynccontextmanager
    async def watching(self, school: str | None) -> AsyncIterator[Heard[FaultMoved]]:
        """Faults of the network at a school, or everywhere, from now on. An announcement that is lost is not
        made up for; who may have missed some is told so.
        """
        heard: Heard[FaultMoved] = Heard()
        self._by_school.setdefault(school, set()).add(heard)
        try:
            yield heard
        finally:
            self._by_school[school].discard(heard)
            if not self._by_school[school]:
                del self._by_school[school]

    def _everybody(self) -> set[Heard[Any]]:
        places: tuple[dict[Any, set[Heard[Any]]], ...]
        places = (self._by_ticket, self._by_queue, self._by_run, self._by_school)
        groups = [group for place in places for group in place.values()]
        return {heard for group in groups for heard in group}

    def _hear(self, facts: dict[str, Any]) -> None:
        if facts.get("config"):
            self._resources.shelf.clear()
            for heard in self._everybody():
                heard.stir()
        for heard in self._by_run.get(facts.get("run", 0), ()):
            heard.stir()
        if facts.get("network_fault") is not None:
            for school in {None, facts.get("school_id")}:
                for watcher in self._by_school.get(school, ()):
                    watcher.put(FaultMoved(facts["network_fault"]))
        if facts.get("event") is not None:
            self._tell(Happening(facts["ticket"], facts["event"]), facts.get("queues", ()))

    def _tell(self, happening: Happening, queues: Iterable[int]) -> None:
        if happening.event in self._seen:
            return
        self._seen.add(happening.event)
        groups = [self._by_ticket.get(happening.ticket), *(self._by_queue.get(queue) for queue in queues)]
        for heard in {heard for group in groups if group for heard in group}:
            heard.put(happening)

    def _catch_up(self) -> None:
        """The listener is connected, perhaps again: rules and events may have changed unheard."""
        self._resources.shelf.clear()
        for group in self._by_school.values():
            for watcher in group:
                watcher.missed = True
        for heard in self._everybody():
            heard.stir()
        self._now.set()

    async def _look_around(self) -> None:
        silent = False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), self._look_every)
            self._now.clear()
            if not self._by_ticket and not self._by_queue:
                self._is_current = False
                continue
            try:
                await self._look(tell=True)
                silent = False
            except Exception as error:  # noqa: BLE001  (whatever it was, the next look may succeed)
                if not silent:
                    log.warning("hub_cannot_look", error=type(error).__name__)
                    silent = True

    async def _look(self, *, tell: bool) -> None:
        """Find events that nobody announced; with nobody subscribed before, only learn where we are."""
        async with self._resources.read(SYSTEM) as read:
            if not tell:
                self._highest = (await read.db.execute(select(func.max(TicketEvent.id)))).scalar() or 0
            rows = (await read.db.execute(_recent(self._highest))).all()
        for row in rows:
            if tell:
                queues = {row.queue_id, row.queue_now, row.queue_before} - {None}
                self._tell(Happening(row.ticket_id, row.id), queues)
            self._highest = max(self._highest, row.id)
        self._seen = {event for event in self._seen if event > self._highest - 2 * WINDOW}
        if not tell:
            self._seen.update(row.id for row in rows)
            self._is_current = True


def _recent(highest: int) -> Any:
    """The events of the window, with the queue each brought its ticket to, took it from, and its present."""
    return (
        select(
            TicketEvent.id,
            TicketEvent.ticket_id,
            TicketEvent.queue_id,
            Ticket.queue_id.label("queue_now"),
            case((TicketEvent.queue_id.is_not(None), _queue_before())).label("queue_before"),
        )
        .join(Ticket, Ticket.id == TicketEvent.ticket_id)
        .where(TicketEvent.id > highest - WINDOW)
        .order_by(TicketEvent.id)
        .limit(10 * WINDOW)
    )


def _queue_before() -> Any:
    """The queue that a ticket was in before an event: who watches it hears that the ticket left."""
    earlier = aliased(TicketEvent)
    return (
        select(earlier.queue_id)
        .where(
            earlier.ticket_id == TicketEvent.ticket_id,
            earlier.id < TicketEvent.id,
            earlier.queue_id.is_not(None),
        )
        .order_by(earlier.id.desc())
        .limit(1)
        .correlate(TicketEvent)
        .scalar_subquery()
    )
