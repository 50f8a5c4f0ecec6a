"""The same key, sent twice: the change happens once, and both callers hear of it.

A key is claimed by an insert in the change's own transaction. A second caller with the key waits for that
transaction: when it commits, the second gets the first answer; when it rolls back, the second goes ahead.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

import orjson
from pydantic import BaseModel
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from service.core.database import Base
from service.core.errors import Invalid, KeyReused
from service.core.models import IdempotencyKey
from service.core.work import Work

P = ParamSpec("P")
R = TypeVar("R")
MAX_KEY = 200


class Replayed(Exception):
    """The answer that this key got the first time; the REST door sends it again."""

    def __init__(self, record: IdempotencyKey) -> None:
        super().__init__(record.key)
        self.record = record


def once(
    subject: type[Base], *, keeps_answer: bool = True
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Make a verb safe to repeat under the key in `work.conditions`; `subject` is the row it returns.

    With `keeps_answer=False` the first answer is not kept (it holds a secret); a repeat gets the row.
    """

    def wrap(verb: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(verb)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            work = cast("Work", args[0])
            if work.conditions.key is None:
                return await verb(*args, **kwargs)
            earlier = await _claim(work, _fingerprint(work, verb.__name__, args[1:]))
            if earlier is not None:
                return cast("R", await _again(work, subject, earlier))
            row = await verb(*args, **kwargs)
            await work.session.flush()
            await _keep(work, subject=_identity(row))
            if not keeps_answer:
                work.claimed = None
            return row

        return wrapped

    return wrap


async def keep_answer(work: Work, status: int, answer: bytes, etag: str | None) -> None:
    """Remember what the REST door is about to say, in the same transaction."""
    await _keep(work, status=status, answer=answer, etag=etag)


async def _claim(work: Work, fingerprint: bytes) -> IdempotencyKey | None:
    key, owner = _checked(work.conditions.key or ""), work.actor.person_id or 0
    claim = (
        insert(IdempotencyKey)
        .values(owner=owner, key=key, fingerprint=fingerprint, created_at=work.now)
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.id)
    )
    work.claimed = await work.session.scalar(claim)
    if work.claimed is not None:
        return None
    earlier = (
        await work.session.scalars(
            select(IdempotencyKey).where(IdempotencyKey.owner == owner, IdempotencyKey.key == key)
        )
    ).one()
    if earlier.fingerprint != fingerprint:
        raise KeyReused
    return earlier


async def _again(work: Work, subject: type[Base], earlier: IdempotencyKey) -> Any:
    if work.conditions.keeps_answer and earlier.answer is not None:
        raise Replayed(earlier)
    return await work.session.get(subject, orjson.loads(earlier.subject or "null"))


async def _keep(work: Work, **values: Any) -> None:
    await work.session.execute(
        update(IdempotencyKey).where(IdempotencyKey.id == work.claimed).values(**values),
        execution_options={"synchronize_session": False},
    )


def _checked(key: str) -> str:
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise Invalid.field(
            "idempotency_key", f"An idempotency key is 1 to {MAX_KEY} printable characters.", "bad_key"
        )
    return key


def _identity(row: Any) -> str:
    return orjson.dumps(row.id).decode()


def _fingerprint(work: Work, verb: str, arguments: tuple[Any, ...]) -> bytes:
    """What makes a request the same: the verb, what was sent, and what the token may do."""
    plain = [
        a.model_dump(mode="json", exclude_unset=True) if isinstance(a, BaseModel) else a for a in arguments
    ]
    request = [verb, sorted(work.actor.scopes), plain]
    return hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).digest()
