"""Fills an empty desk with the demo district, through the verbs and with a clock of its own."""

from __future__ import annotations

import heapq
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, select, text

from service.core.actor import SYSTEM, Scope
from service.core.errors import Conflict
from service.core.logs import untold
from service.core.work import Resources, Work
from service.demo import district
from service.demo.casting import Cast, cases
from service.demo.founding import District, founded
from service.demo.guided import helped, prepared
from service.demo.hours import ZONE
from service.demo.management.founding import managed
from service.demo.network.founding import networked
from service.demo.plots import Case, Plot, Step
from service.people.models import Person
from service.people.tokens import MadeToken, NewToken, create_token
from service.sla.calendar import Calendar
from service.sla.calendars import EditCalendar
from service.sla.models import SlaTimer
from service.tickets.models import OPEN, Ticket
from service.tickets.opening import open_ticket
from service.tickets.recalculation import edit_calendar
from service.tickets.sweep import sweep_batch

SEED = 20
LOCK = 0x46425F44  # "FB_D"
WEEKS = timedelta(weeks=6)
SWEPT_AFTER = timedelta(seconds=3)
TOKENS_LAST = timedelta(days=30)
MARK = "demo-001"
"""The roster id of the demo's administrator: a desk that knows it holds the demo."""

Scene = Callable[[], Awaitable[Any]]
"""Something that happens; it answers with the instant and the scene that follow from it, if any."""


async def ensure_filled(resources: Resources, on_start: Callable[[], None] | None = None) -> bool:
    """Fill an empty desk; True if it was empty. A desk with data of its own is refused.

    It is one transaction: a fill that is interrupted leaves nothing behind, and two at a time make one.
    """
    async with resources.begin(SYSTEM) as work:
        await work.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        people = await work.session.scalar(select(func.count()).select_from(Person))
        if people == 0:
            if on_start is not None:
                on_start()
            with untold():
                await fill(work)
            return True
        if await work.session.scalar(select(Person.id).where(Person.external_id == MARK)) is None:
            raise Conflict(
                "This desk holds data of its own, and the demo fills only an empty one. "
                "Choose another FIRSTBELL_HOME or database for it."
            )
    return False


INTEGRATES: Final = [
    Scope.TICKETS_READ,
    Scope.TICKETS_WRITE,
    Scope.DIRECTORY_READ,
    Scope.NETWORK_READ,
    Scope.MDM_READ,
]


async def fresh_tokens(resources: Resources) -> dict[str, MadeToken]:
    """A token each for a teacher, a technician and an integration, good for thirty days."""
    made = {}
    async with resources.begin(SYSTEM) as work:
        for role, name in district.TRIED_AS.items():
            person = await work.session.scalar(select(Person.id).where(Person.email == f"{name}@example.org"))
            if person is None:
                raise Conflict(f"The demo's {role} is no longer here. Choose another FIRSTBELL_HOME.")
            token = NewToken(
                person_id=person,
                label="demo",
                scopes=INTEGRATES if role == "integration" else None,
                expires_at=work.now + TOKENS_LAST,
            )
            one = await create_token(work, token)
            assert isinstance(one, MadeToken)
            made[role] = one
    return made


async def fill(work: Work) -> None:
    """Everything, up to `work.now`."""
    rng = random.Random(SEED)  # noqa: S311  (a demo, not a secret)
    until = work.now
    work.now = until - WEEKS - timedelta(days=1)
    made = await founded(work, rng)
    await prepared(work, made)
    cast = Cast(made, rng, until - WEEKS, until)
    await Play(work, until).run(cast)
    work.now = until
    await helped(work, made, rng)
    work.actor = SYSTEM
    await networked(work)
    await managed(work)
    work.announced.clear()


_FIRST_CHECK = select(func.min(SlaTimer.next_check_at)).where(SlaTimer.next_check_at < bindparam("at"))


class Play:
    """Plays scenes in the order of their instants, and sweeps the timers that fall due between them."""

    def __init__(self, work: Work, until: datetime) -> None:
        self.work = work
        self.until = until
        self._waiting: list[tuple[datetime, int, Scene]] = []
        self._count = 0

    async def run(self, cast: Cast) -> None:
        for case, plot in cases(cast):
            self.later(case.now, self._opening(case, plot))
        self.later(*self._closed_day(cast.district))
        while self._waiting:
            at, _, scene = heapq.heappop(self._waiting)
            await self._sweep_until(at)
            self.work.now = at
            following = await scene()
            if following is not None:
                self.later(*following)
        await self._sweep_until(self.until)

    def later(self, at: datetime, scene: Scene) -> None:
        if at <= self.until:
            self._count += 1
            heapq.heappush(self._waiting, (at, self._count, scene))

    def _opening(self, case: Case, plot: Plot) -> Scene:
        async def scene() -> tuple[datetime, Scene] | None:
            self.work.actor = case.filer
            ticket = await open_ticket(self.work, case.opening)
            if ticket.opened_at < self.work.now:
                return None  # the monitor saw the same fault again
            case.number = ticket.id
            case.earlier = await self._earlier(ticket)
            return self._next(case, plot(case))

        return scene

    def _next(self, case: Case, life: Iterator[Step]) -> tuple[datetime, Scene] | None:
        step = next(life, None)
        if step is None:
            return None

        async def scene() -> tuple[datetime, Scene] | None:
            self.work.actor = step.actor
            await step.play(self.work, case.number)
            case.now = self.work.now
            return self._next(case, life)

        return step.at or case.later(step.after), scene

    async def _earlier(self, ticket: Ticket) -> int | None:
        """The newest open ticket before it about the same thing."""
        return await self.work.session.scalar(
            select(func.max(Ticket.id)).where(
                Ticket.queue_id == ticket.queue_id,
                Ticket.category_id == ticket.category_id,
                Ticket.id < ticket.id,
                OPEN,
            )
        )

    async def _sweep_until(self, at: datetime) -> None:
        """What the worker does every few seconds, at the instants at which it would find something."""
        while (due := await self.work.session.scalar(_FIRST_CHECK, {"at": at})) is not None:
            self.work.now = min(due + SWEPT_AFTER, at)
            await sweep_batch(self.work)

    def _closed_day(self, made: District) -> tuple[datetime, Scene]:
        """Two weeks ago the boiler of the middle school broke: the next school day was called off."""
        kept = made.calendars["middle"]
        called, off = _two_school_days(Calendar.from_json(kept.definition), self.until)
        edited = kept.definition | {"closed": sorted([*kept.definition["closed"], off.isoformat()])}

        async def scene() -> None:
            self.work.actor = made.actors[district.ADMINS[0][1]]
            await edit_calendar(self.work, kept.id, EditCalendar(definition=edited))

        return called, scene


def _two_school_days(calendar: Calendar, until: datetime) -> tuple[datetime, date]:
    """The afternoon of a school day about two weeks ago, and the school day after it."""
    day = until.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=14)
    while not calendar.windows_on(day):
        day -= timedelta(days=1)
    following = day + timedelta(days=1)
    while not calendar.windows_on(following):
        following += timedelta(days=1)
    return datetime.combine(day, time(14, 40), ZoneInfo(ZONE)), following
