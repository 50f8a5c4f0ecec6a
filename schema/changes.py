"""How a mutation makes a change: one transaction, and a refusal as data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import strawberry
from strawberry import UNSET

from schema.context import Info
from schema.errors import UserError, is_told_as_data, refusal_of, user_errors
from schema.nodes import number_in
from schema.ticket_inputs import Once
from service.core.work import Work

R = TypeVar("R")
Verb = Callable[..., Awaitable[Any]]
Arguments = Callable[[], Sequence[Any]]


@strawberry.type(description="`deletedId` is what is gone, as REST has it; null where it was refused.")
class DeletedPayload:
    deleted_id: strawberry.ID | None
    user_errors: list[UserError]


async def changed(
    info: Info, asked: Once, verb: Callable[..., Awaitable[R]], arguments: Callable[[], Sequence[Any]]
) -> tuple[R | None, list[UserError]]:
    """The row that the verb returned; or None, and why it was refused and rolled back."""
    key, expected = sent(asked.idempotency_key), sent(getattr(asked, "expected_version", UNSET))
    try:
        given = arguments()
        async with info.context.begin(key, expected) as work:
            return await verb(work, *given), []
    except Exception as error:
        refusal = refusal_of(error)
        if not is_told_as_data(refusal):
            raise refusal from error
        return None, user_errors(refusal)


async def viewed(info: Info, asked: Once, verb: Verb, view: Verb, arguments: Arguments) -> Any:
    """The row that the verb leaves, as `view` shows it; and why it was refused."""

    async def shown(work: Work, *given: Any) -> Any:
        return await view(work, (await verb(work, *given)).id)

    return await changed(info, asked, shown, arguments)


async def deleted(info: Info, asked: Any, verb: Verb, type_name: str) -> DeletedPayload:
    """What the input's `id` names is gone, unless it was refused."""

    def arguments() -> list[Any]:
        return [number_in(asked.id, type_name)]

    _, errors = await changed(info, asked, verb, arguments)
    gone = None if errors else strawberry.ID(str(number_in(asked.id, type_name)))
    return DeletedPayload(deleted_id=gone, user_errors=errors)


def sent(value: Any) -> Any:
    return None if value is UNSET else value
