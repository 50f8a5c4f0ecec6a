"""Named selects on runs: the row to change, the view to show, lists, logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.orm import aliased

from service.assets.models import Asset
from service.core.errors import NotFound, Stale, require
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.people.models import Person
from service.people.tokens import int_key
from service.playbooks import access
from service.playbooks.ahead import facts_in_words
from service.playbooks.cards import Card, card
from service.playbooks.knowing import view_of
from service.playbooks.models import PlaybookRun, PlaybookVersion, RunEvent
from service.playbooks.state import Stage, state_from
from service.playbooks.summary import Summary, summary
from service.playbooks.texts import in_language
from service.playbooks.traversal import step_of
from service.playbooks.versions import book_of
from service.sla import covering
from service.tickets.models import Ticket
from service.tickets.queries import RIGHTS

RunPerson = aliased(Person)
TICKET_RIGHTS = [column.label(f"ticket__{column.key}") for column in RIGHTS]
RUN = [
    *PlaybookRun.__table__.c,
    PlaybookVersion.number.label("playbook_version"),
    PlaybookVersion.hash.label("playbook_hash"),
    Asset.tag.label("asset_tag"),
    RunPerson.name.label("person_name"),
]


class _Rights:
    """The columns of a run's ticket that decide who sees it."""

    def __init__(self, row: Any) -> None:
        for column in RIGHTS:
            setattr(self, column.key, getattr(row, f"ticket__{column.key}"))


def _nothing(run_id: int) -> NotFound:
    return NotFound(f"There is no run {run_id} that you can see.")


async def ticket_of(eyes: Eyes, run: Any) -> Any | None:
    """What decides about the rights in a run's ticket."""
    if run.ticket_id is None:
        return None
    return (await eyes.db.execute(_TICKET, {"number": run.ticket_id})).one_or_none()


_TICKET = select(*RIGHTS).where(Ticket.id == bindparam("number"))


async def run_for_update(work: Work, run_id: int) -> tuple[PlaybookRun, Any | None]:
    """The run, locked, if the actor sees it and it is the version they expect; and its ticket's rights."""
    run = await work.session.scalar(_LOCKED, {"run": run_id})
    ticket = await ticket_of(work, run) if run is not None else None
    if run is None or not access.may_read(work.actor) or not access.may_view(work.actor, run, ticket):
        raise _nothing(run_id)
    if work.conditions.expected_version not in (None, run.version):
        raise Stale
    return run, ticket


_LOCKED = select(PlaybookRun).where(PlaybookRun.id == bindparam("run")).with_for_update(key_share=True)


def _runs() -> Any:
    return (
        select(*RUN)
        .join(PlaybookVersion, PlaybookVersion.id == PlaybookRun.version_id)
        .outerjoin(Asset, Asset.id == PlaybookRun.asset_id)
        .outerjoin(RunPerson, RunPerson.id == PlaybookRun.person_id)
    )


_VIEW = (
    _runs()
    .add_columns(*TICKET_RIGHTS)
    .outerjoin(Ticket, Ticket.id == PlaybookRun.ticket_id)
    .where(PlaybookRun.id == bindparam("run"))
)


async def run_view(eyes: Eyes, run_id: int, *, checked: bool = True) -> Any:
    """One run with the names it refers to; NotFound if it is not visible."""
    row = (await eyes.db.execute(_VIEW, {"run": run_id})).one_or_none()
    if row is None:
        raise _nothing(run_id)
    ticket = _Rights(row) if row.ticket_id is not None else None
    if checked and not (access.may_read(eyes.actor) and access.may_view(eyes.actor, row, ticket)):
        raise _nothing(run_id)
    eyes.version = row.version
    return row


async def runs_page(
    eyes: Eyes,
    *,
    ticket: int | None = None,
    stage: Stage | None = None,
    playbook: str | None = None,
    mine: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Runs that the actor sees, newest first."""
    require(access.may_read(eyes.actor))
    query = _runs().where(access.visible_to(eyes.actor)).order_by(PlaybookRun.id.desc())
    if ticket is not None:
        query = query.where(PlaybookRun.ticket_id == ticket)
    if stage is not None:
        query = query.where(PlaybookRun.stage == stage)
    if playbook is not None:
        query = query.where(PlaybookRun.playbook == playbook)
    if mine:
        query = query.where(PlaybookRun.person_id == eyes.actor.person_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(PlaybookRun.id < int_key(key))
    rows: Sequence[Any] = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


EVENT = list(RunEvent.__table__.c)


async def run_log(eyes: Eyes, run_id: int, *, limit: int = 50, cursor: str | None = None) -> Page[Any]:
    """The log of a run, oldest first, for the desk: it names facts that are not for everybody."""
    run = await run_view(eyes, run_id)
    require(access.may_work(eyes.actor, run, await ticket_of(eyes, run)))
    query = select(*EVENT).where(RunEvent.run_id == run_id).order_by(RunEvent.id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(RunEvent.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def run_summary(eyes: Eyes, run_id: int, language: str | None = None) -> Summary:
    """What was asked, answered, read, done and ruled out, in the reader's language: for the desk."""
    run = await run_view(eyes, run_id)
    require(access.may_work(eyes.actor, run, await ticket_of(eyes, run)))
    return await summary_of(eyes, run, language or eyes.actor.language)


async def summary_of(eyes: Eyes, run: Any, language: str) -> Summary:
    query = (
        select(RunEvent.kind, RunEvent.path, RunEvent.detail)
        .where(RunEvent.run_id == run.id, RunEvent.kind.in_(SUMMED))
        .order_by(RunEvent.id)
    )
    log = (await eyes.db.execute(query)).all()
    book = await book_of(eyes, run.version_id)
    zone = await zone_of(eyes, run.school_id)
    return summary(book, state_from(run.state), log, language, eyes.now, zone)


SUMMED = ("fact_read", "action_resulted", "action_refused", "not_relevant")


async def zone_of(eyes: Eyes, school_id: str | None) -> tzinfo:
    """The zone in which a school reads its clock."""
    calendar_id = await covering.calendar_of_place(eyes, school_id)
    if calendar_id is None:
        return UTC
    return ZoneInfo((await covering.calendar(eyes, calendar_id)).calendar.zone)


async def run_card(eyes: Eyes, run: Any, language: str | None = None) -> tuple[str, Card]:
    """The title of a run and its present step, in the language of whose run it is unless said otherwise."""
    book = await book_of(eyes, run.version_id)
    state = state_from(run.state)
    words = language or run.language
    names = frozenset(facts_in_words(step_of(book, state)))
    view = await view_of(eyes, run, book, names)
    zone = await zone_of(eyes, run.school_id) if names else UTC
    return in_language(book.main.title, words), card(book, state, words, view, zone=zone)
