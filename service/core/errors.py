"""Refusals: what a caller may be told. Anything else is a fault and reads "internal error" outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One input field that does not fit: `field` is a dotted path, `message` a sentence."""

    field: str
    code: str
    message: str


class Refusal(Exception):
    """A request that the desk understands and declines, with a stable `code` and one sentence."""

    code = "refused"
    status = 400
    title = "The request was refused."

    def __init__(self, detail: str | None = None, *, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.fields = tuple(fields)


class NotFound(Refusal):
    code = "not_found"
    status = 404
    title = "There is nothing here that you can see."


class Unauthenticated(Refusal):
    code = "unauthenticated"
    status = 401
    title = "Send a valid token: `Authorization: Bearer …`."


class Forbidden(Refusal):
    code = "forbidden"
    status = 403
    title = "You may see this, but not do that."


class Conflict(Refusal):
    code = "conflict"
    status = 409
    title = "The current state does not allow that."


class Stale(Conflict):
    code = "stale"
    status = 412
    title = "Somebody changed this since you read it. Read it again, then repeat your change."


class KeyReused(Refusal):
    code = "idempotency_key_reused"
    status = 422
    title = "This idempotency key was used for another request. Use a new key for a new request."


class Invalid(Refusal):
    code = "invalid"
    status = 422
    title = "Some of the input does not fit."

    @classmethod
    def field(cls, field: str, message: str, code: str = "invalid") -> Invalid:
        return cls(message, fields=[FieldError(field, code, message)])


class TooLarge(Refusal):
    code = "too_large"
    status = 413
    title = "The request is larger than the desk accepts."


class Unavailable(Refusal):
    code = "unavailable"
    status = 503
    title = "The desk's database does not answer. Nothing was saved. Try again in a moment."


def require(allowed: bool, detail: str | None = None) -> None:
    if not allowed:
        raise Forbidden(detail)
