"""Loaners: lent while somebody's own device is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET

from schema.changes import viewed
from schema.context import Info
from schema.errors import UserError
from schema.nodes import Connection, PageInfo, field, key_in, loaded, mutation, number_in, page_size, told
from schema.people import Person
from schema.places import cursor_after
from schema.ticket_inputs import Once, mirrors, wanted
from service.assets import loans
from service.assets.models import AssetKind, LoanState


@strawberry.type(description="A device lent to somebody.")
class Loan:
    loan_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    state: LoanState
    kind: AssetKind
    asset_tag: str | None = strawberry.field(description="Null while it is only ordered.")
    person: Person | None = loaded("person", "person_id")
    school_id: str | None
    ticket_number: int | None = told(lambda row: row.ticket_id, description="The ticket it is for.")
    asked_at: datetime
    due_at: datetime
    ended_at: datetime | None


@strawberry.type
class LoanEdge:
    cursor: str
    node: Loan


@strawberry.type
class LoanConnection:
    nodes: list[Loan]
    edges: list[LoanEdge]
    page_info: PageInfo


@mirrors(loans.AskForLoaner, "AskForLoanerInput")
class AskForLoaner(Once):
    kind: AssetKind
    person_id: strawberry.ID
    school_id: strawberry.ID | None = UNSET
    ticket: int | None = UNSET
    days: int | None = UNSET
    order: bool | None = UNSET
    source_key: str | None = UNSET


@mirrors(loans.MoveLoan, "MoveLoanInput")
class MoveLoan(Once):
    loan_id: strawberry.ID
    state: LoanState
    asset_tag: str | None = UNSET


@strawberry.type
class LoanPayload:
    loan: Loan | None
    user_errors: list[UserError]


async def _loan(
    info: Info, asked: Once, verb: Callable[..., Awaitable[Any]], arguments: Callable[[], list[Any]]
) -> LoanPayload:
    row, errors = await viewed(info, asked, verb, loans.loan_by_id, arguments)
    return LoanPayload(loan=row, user_errors=errors)


@strawberry.type
class Query:
    @field(graphql_type=LoanConnection | None, description="Loans, newest first.")
    async def loans(
        self,
        info: Info,
        state: LoanState | None = None,
        school_id: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        school = key_in(school_id, "Place", "school_id") if school_id is not None else None
        async with info.context.read() as read:
            page = await loans.loans_page(
                read, state=state, school_id=school, limit=page_size(first), cursor=after
            )
        return Connection(page, cursor_after, after=after)


@strawberry.type
class Mutation:
    @mutation(description="Set a loaner aside for somebody, or order one.")
    async def ask_for_loaner(self, info: Info, input: AskForLoaner) -> LoanPayload:
        return await _loan(info, input, loans.ask_for_loaner, lambda: [wanted(input, loans.AskForLoaner)])

    @mutation(description="Say that a loaner was handed out, given back, or is not needed.")
    async def move_loan(self, info: Info, input: MoveLoan) -> LoanPayload:
        def arguments() -> list[Any]:
            return [number_in(input.loan_id, "Loan", "loan_id"), wanted(input, loans.MoveLoan)]

        return await _loan(info, input, loans.move_loan, arguments)
