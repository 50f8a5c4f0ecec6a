"""Loaners: lent while somebody's own device is away, and given back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import exists, func, or_, select

from service.assets.models import Asset, AssetKind, Loan, LoanState
from service.core.actor import Actor, Role, Scope
from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Id, Input, Key, Line
from service.core.idempotency import once
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.people.models import Person
from service.people.tokens import int_key

OUT = (LoanState.SET_ASIDE, LoanState.HANDED_OUT)
NEXT = {
    LoanState.ORDERED: frozenset({LoanState.SET_ASIDE, LoanState.CANCELLED}),
    LoanState.SET_ASIDE: frozenset({LoanState.HANDED_OUT, LoanState.CANCELLED}),
    LoanState.HANDED_OUT: frozenset({LoanState.RETURNED}),
}


class NoLoanerFree(Conflict):
    code = "no_loaner_free"
    title = "No loaner of this kind is free at this school."


class AskForLoaner(Input):
    """A loaner for somebody: a free one of that kind at their school is set aside, or one is ordered."""

    kind: AssetKind = Field(examples=["chromebook"])
    person_id: Id
    school_id: Key | None = Field(None, description="Where; else the person's school.")
    ticket: int | None = Field(None, ge=1, le=2**53, description="The ticket it is for.")
    days: int = Field(14, ge=1, le=365)
    order: bool = Field(False, description="True: only order one, whether or not one is free.")
    source_key: Line | None = Field(None, description="Asked twice under one key, there is one loan.")


class MoveLoan(Input):
    state: LoanState = Field(examples=["returned"])
    asset_tag: Line | None = Field(None, description="The device, for a loan that was only ordered.")


def may_lend(actor: Actor) -> bool:
    return actor.is_desk and actor.holds(Scope.TICKETS_WRITE)


def may_see_loans(actor: Actor) -> bool:
    return actor.holds(Scope.TICKETS_READ)


def _is_free() -> Any:
    out = exists().where(Loan.asset_id == Asset.id, Loan.state.in_(OUT))
    return Asset.is_loaner & ~out


async def loaners_free(eyes: Eyes, school_id: str | None, kind: AssetKind | None) -> int:
    """How many loaners could be lent at a school now."""
    query = select(func.count()).select_from(Asset).where(_is_free(), Asset.school_id == school_id)
    if kind is not None:
        query = query.where(Asset.kind == kind)
    return int((await eyes.db.execute(query)).scalar_one())


@once(Loan)
async def ask_for_loaner(work: Work, wanted: AskForLoaner) -> Loan:
    """Set a free loaner aside for somebody, or order one. NoLoanerFree."""
    require(may_lend(work.actor))
    if wanted.source_key is not None:
        earlier = await work.session.scalar(select(Loan).where(Loan.source_key == wanted.source_key))
        if earlier is not None:
            return earlier
    person = await work.session.get(Person, wanted.person_id)
    if person is None:
        raise Invalid.field("person_id", "There is no such person.", "unknown_person")
    school_id = wanted.school_id or person.school_id
    asset_id = None if wanted.order else await _free_one(work, school_id, wanted.kind)
    loan = Loan(
        state=LoanState.ORDERED if wanted.order else LoanState.SET_ASIDE,
        kind=wanted.kind,
        asset_id=asset_id,
        person_id=person.id,
        school_id=school_id,
        ticket_id=wanted.ticket,
        source_key=wanted.source_key,
        asked_at=work.now,
        due_at=work.now + timedelta(days=wanted.days),
    )
    work.session.add(loan)
    await work.session.flush()
    return loan


async def _one_at_a_time(work: Work, school_id: str | None) -> None:
    """A lock on a device would not do: its row stays as it is, so who waited for it would lend it again."""
    await work.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"loaners {school_id}", 0)))
    )


async def _free_one(work: Work, school_id: str | None, kind: AssetKind) -> int:
    await _one_at_a_time(work, school_id)
    query = (
        select(Asset.id)
        .where(_is_free(), Asset.school_id == school_id, Asset.kind == kind)
        .order_by(Asset.id)
        .limit(1)
    )
    found = await work.session.scalar(query)
    if found is None:
        raise NoLoanerFree
    return found


@once(Loan)
async def move_loan(work: Work, loan_id: int, to: MoveLoan) -> Loan:
    """Say that a loaner was set aside, handed out, given back, or is not needed."""
    require(may_lend(work.actor))
    loan = await work.session.get(Loan, loan_id, with_for_update=True)
    if loan is None:
        raise NotFound("There is no such loan.")
    if to.state not in NEXT.get(loan.state, frozenset()):
        raise Conflict(f"A loan that is {loan.state.value} does not become {to.state.value}.")
    if to.asset_tag is not None:
        if to.state not in OUT:
            raise Invalid.field("asset_tag", "The device is named when it goes out.", "not_now")
        loan.asset_id = await _loaner_by_tag(work, loan, to.asset_tag)
    if to.state in OUT and loan.asset_id is None:
        raise Invalid.field("asset_tag", "Say which device it is.", "required")
    loan.state = to.state
    if to.state in (LoanState.RETURNED, LoanState.CANCELLED):
        loan.ended_at = work.now
    await work.session.flush()
    return loan


async def _loaner_by_tag(work: Work, loan: Loan, tag: str) -> int:
    """A free loaner, or the one that was set aside for this loan."""
    school_id = await work.session.scalar(select(Asset.school_id).where(Asset.tag == tag))
    await _one_at_a_time(work, school_id)
    query = select(Asset.id).where(Asset.tag == tag, or_(_is_free(), Asset.id == loan.asset_id))
    found = await work.session.scalar(query)
    if found is None:
        raise Invalid.field("asset_tag", "There is no free loaner with this tag.", "unknown_asset")
    return found


LOAN = [*Loan.__table__.c, Asset.tag.label("asset_tag")]


async def loans_page(
    eyes: Eyes,
    *,
    state: LoanState | None = None,
    school_id: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Loans, newest first: all for the desk, their own and their children's for others."""
    require(may_see_loans(eyes.actor))
    query = select(*LOAN).outerjoin(Asset, Asset.id == Loan.asset_id).order_by(Loan.id.desc())
    if not eyes.actor.is_desk or eyes.actor.role is Role.VENDOR:
        query = query.where(Loan.person_id.in_([eyes.actor.person_id, *sorted(eyes.actor.child_ids)]))
    if state is not None:
        query = query.where(Loan.state == state)
    if school_id is not None:
        query = query.where(Loan.school_id == school_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(Loan.id < int_key(key))
    rows: Sequence[Any] = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def loan_by_id(eyes: Eyes, loan_id: int) -> Any:
    """A loan with the tag of its device, for whoever just changed it."""
    query = select(*LOAN).outerjoin(Asset, Asset.id == Loan.asset_id).where(Loan.id == loan_id)
    return (await eyes.db.execute(query)).one()
