"""What a run may ask: facts of its device, its school, the desk and the district."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, true

from service.assets.facts import known
from service.assets.loans import loaners_free
from service.assets.models import Asset, AssetKind
from service.core.work import Eyes
from service.people.models import Person
from service.places.decided import decided
from service.playbooks.ahead import facts_ahead
from service.playbooks.facts import FACTS, Fact, Keeper
from service.playbooks.grammar import Book
from service.playbooks.models import PlaybookRun
from service.playbooks.state import State, View
from service.sla import covering
from service.sla.clock import is_open
from service.tickets.models import OPEN, Queue, Ticket
from service.tickets.resolution import Fix

PLATFORMS: Final = {AssetKind.CHROMEBOOK: "chromeos", AssetKind.TABLET: "ipados"}
REPAIRS: Final = (Fix.ONSITE_REPLACE_PART.value, Fix.VENDOR_RMA.value, Fix.SWAP_PERMANENT.value)
ALIKE_WITHIN: Final = timedelta(minutes=15)
DESK: Final = "the desk"


async def view_for(eyes: Eyes, run: Any, book: Book, state: State, *, whole: bool = False) -> View:
    """The facts that the run can ask for from where it is; from its start with `whole`."""
    frames = ((book.main.id, book.main.start),) if whole else state.frames
    return await view_of(eyes, run, book, facts_ahead(book, frames))


async def view_of(eyes: Eyes, run: Any, book: Book, names: frozenset[str]) -> View:
    facts = await facts_for(eyes, run, book, names) if names else {}
    return View(eyes.now, facts.get)


async def facts_for(eyes: Eyes, run: Any, book: Book, names: frozenset[str]) -> dict[str, Fact]:
    """The named facts, as far as anybody knows them."""
    about = _About(eyes, run, book)
    found: dict[str, Fact] = {}
    if run.asset_id is not None and any(FACTS[name].keeper is not Keeper.DISTRICT for name in names):
        found |= await about.kept(names)
    for name in names - found.keys():
        count = _DESK_FACTS.get(name)
        if count is not None and (value := await count(about)) is not None:
            found[name] = Fact(name, value, eyes.now, DESK)
    if any(FACTS[name].keeper is Keeper.DISTRICT for name in names):
        found |= await district_facts(eyes, run.school_id, names)
    return found


class _About:
    """A run whose device and person are read once."""

    def __init__(self, eyes: Eyes, run: Any, book: Book) -> None:
        self.eyes = eyes
        self.run = run
        self.book = book
        self._asset: Any = None

    async def kept(self, names: frozenset[str]) -> dict[str, Fact]:
        if self.run.asset_id is None:
            return {}
        rows = (await self.eyes.db.execute(known([self.run.asset_id]))).all()
        return {
            row.name: Fact(row.name, row.value, row.as_of, row.source) for row in rows if row.name in names
        }

    async def asset(self) -> Any:
        if self._asset is None and self.run.asset_id is not None:
            query = select(Asset.tag, Asset.kind, Asset.model).where(Asset.id == self.run.asset_id)
            self._asset = (await self.eyes.db.execute(query)).one_or_none()
        return self._asset

    async def count(self, *where: Any) -> int:
        query = select(func.count()).select_from(Ticket).where(*where)
        return int((await self.eyes.db.execute(query)).scalar_one())

    @property
    def other_tickets(self) -> Any:
        return Ticket.id != (self.run.ticket_id or 0)


async def _kind(about: _About) -> str | None:
    asset = await about.asset()
    return asset.kind.value if asset else None


async def _platform(about: _About) -> str | None:
    asset = await about.asset()
    return PLATFORMS.get(asset.kind) if asset else None


async def _model(about: _About) -> str | None:
    asset = await about.asset()
    return asset.model if asset else None


async def _tag(about: _About) -> str | None:
    asset = await about.asset()
    return asset.tag if asset else None


async def _role(about: _About) -> str | None:
    query = select(Person.role).where(Person.id == about.run.person_id)
    role = (await about.eyes.db.execute(query)).scalar()
    return role.value if role else None


async def _repairs(about: _About) -> int | None:
    if about.run.asset_id is None:
        return None
    since = about.eyes.now - timedelta(days=365)
    return await about.count(
        Ticket.asset_id == about.run.asset_id, Ticket.fix.in_(REPAIRS), Ticket.resolved_at >= since
    )


async def _repair_open(about: _About) -> bool | None:
    if about.run.asset_id is None:
        return None
    repairs = select(Queue.id).where(Queue.key == "devices")
    return bool(
        await about.count(
            Ticket.asset_id == about.run.asset_id, OPEN, Ticket.queue_id.in_(repairs), about.other_tickets
        )
    )


async def _lost_report(about: _About) -> bool | None:
    if about.run.asset_id is None:
        return None
    lost = Ticket.category_id == "device.lost"
    return bool(await about.count(Ticket.asset_id == about.run.asset_id, OPEN, lost, about.other_tickets))


async def _open_on_device(about: _About) -> int | None:
    if about.run.asset_id is None:
        return None
    return await about.count(Ticket.asset_id == about.run.asset_id, OPEN, about.other_tickets)


async def _alike(about: _About) -> int | None:
    """Like reports of others at the school: tickets of its categories, and runs of it without a ticket."""
    run = about.run
    if run.school_id is None:
        return None
    since = about.eyes.now - ALIKE_WITHIN
    reported = 0
    if about.book.main.applies_to.categories:
        reported = await about.count(
            Ticket.school_id == run.school_id,
            Ticket.opened_at >= since,
            Ticket.requester_id.is_distinct_from(run.person_id),
            or_(*(_of_symptom(category) for category in about.book.main.applies_to.categories)),
            _of_kind((await about.asset()).kind) if run.asset_id is not None else true(),
            about.other_tickets,
        )
    runs = select(func.count(func.distinct(PlaybookRun.person_id))).where(
        PlaybookRun.school_id == run.school_id,
        PlaybookRun.started_at >= since,
        PlaybookRun.playbook == about.book.main.id,
        PlaybookRun.ticket_id.is_(None),
        ~PlaybookRun.is_dry,
        PlaybookRun.person_id.is_distinct_from(run.person_id),
    )
    return reported + int((await about.eyes.db.execute(runs)).scalar_one())


def _of_symptom(category: str) -> Any:
    """Tickets of a category; of what lies under it too, unless it is a whole family such as “device”."""
    same = Ticket.category_id == category
    return or_(same, Ticket.category_id.startswith(f"{category}.")) if "." in category else same


def _of_kind(kind: AssetKind) -> Any:
    """Tickets about no device that is named, or about one of the same kind."""
    alike = select(Asset.id).where(Asset.kind == kind)
    return or_(Ticket.asset_id.is_(None), Ticket.asset_id.in_(alike))


async def _loaners(about: _About) -> int:
    asset = await about.asset()
    return await loaners_free(about.eyes, about.run.school_id, asset.kind if asset else None)


async def _in_session(about: _About) -> bool | None:
    """Whether the school is open now by its calendar; unknown where it keeps none."""
    calendar_id = await covering.calendar_of_place(about.eyes, about.run.school_id)
    if calendar_id is None:
        return None
    kept = await covering.calendar(about.eyes, calendar_id)
    try:
        return is_open(about.eyes.now, kept.calendar)
    except covering.CANNOT_COUNT:
        return None


_DESK_FACTS: Final[Mapping[str, Callable[[_About], Coroutine[Any, Any, Any]]]] = {
    "device.kind": _kind,
    "device.platform": _platform,
    "device.model": _model,
    "device.tag": _tag,
    "device.repairs_12m": _repairs,
    "device.repair_open": _repair_open,
    "device.lost_report_open": _lost_report,
    "person.role": _role,
    "tickets.same_symptom_15m": _alike,
    "tickets.on_device_open": _open_on_device,
    "loaners.free": _loaners,
    "class.in_session": _in_session,
}


async def district_facts(eyes: Eyes, school_id: str | None, names: frozenset[str]) -> dict[str, Fact]:
    """What the district decided, as facts of now."""
    values = await decided(eyes, school_id, names)
    return {name: Fact(name, value, eyes.now, "the district") for name, value in values.items()}
