"""What the desk tells you: tickets that are late or close to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from schema.changes import changed
from schema.context import Info
from schema.errors import UserError
from schema.nodes import Connection, PageInfo, field, mutation, number_in, page_size, told
from schema.places import cursor_after
from schema.ticket_inputs import Once
from service.tickets.notices import notices_page, see_notice


@strawberry.type(description="A message to you. `detail` names the tickets, and which of their targets.")
class Notice:
    notice_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    at: datetime
    text: str
    detail: JSON
    seen_at: datetime | None


@strawberry.type
class NoticeEdge:
    cursor: str
    node: Notice


@strawberry.type
class NoticeConnection:
    nodes: list[Notice]
    edges: list[NoticeEdge]
    page_info: PageInfo


@strawberry.input
class SeeNoticeInput(Once):
    notice_id: strawberry.ID


@strawberry.type(description="The notice, or null and why it was refused.")
class NoticePayload:
    notice: Notice | None
    user_errors: list[UserError]


@strawberry.type
class Query:
    @field(graphql_type=NoticeConnection | None, description="Your notices, newest first.")
    async def notices(self, info: Info, first: int | None = None, after: str | None = None) -> object:
        async with info.context.read() as read:
            page = await notices_page(read, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)


@strawberry.type
class Mutation:
    @mutation(description="Say that you saw one of your notices.")
    async def see_notice(self, info: Info, input: SeeNoticeInput) -> NoticePayload:
        def arguments() -> list[Any]:
            return [number_in(input.notice_id, "Notice", "notice_id")]

        row: Any
        row, errors = await changed(info, input, see_notice, arguments)
        return NoticePayload(notice=row, user_errors=errors)
