"""How a mutation makes a change: one transaction, and a refusal as data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from strawberry import UNSET

from schema.context import Info
from schema.errors import UserError, is_told_as_data, refusal_of, user_errors
from schema.ticket_inputs import Once

R = TypeVar("R")


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


def sent(value: Any) -> Any:
    return None if value is UNSET else value
