"""Refusals and faults as GraphQL tells them: a sentence, and a stable code in `extensions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry
from graphql import GraphQLError
from pydantic import ValidationError
from strawberry.utils.str_converters import to_camel_case

from service.core.errors import FieldError, Invalid, Refusal
from service.core.faults import Fault, refusal_for
from service.web import fields_of

BAD_QUERY = "bad_query"
PLAIN = frozenset({"settings"})
RENAMED = {"cursor": "after", "limit": "first", "q": "words"}


@strawberry.type(description="Why a change was refused: `field` is the input field, or null for the whole.")
class UserError:
    field: str | None
    code: str
    message: str


def refusal_of(error: Exception) -> Refusal:
    """The refusal that an exception stands for; what is none is a fault, and logged."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ValidationError):
        return Invalid(fields=fields_of(error.errors()))
    return refusal_for(error)


def is_told_as_data(refusal: Refusal) -> bool:
    """Refusals of a change are part of its answer; outages and faults are errors."""
    return refusal.status < 500


def user_errors(refusal: Refusal) -> list[UserError]:
    if not refusal.fields:
        return [UserError(field=None, code=refusal.code, message=refusal.detail)]
    return [UserError(field=path(f.field), code=f.code, message=f.message) for f in refusal.fields]


def path(field: str) -> str:
    """A field's path as GraphQL spells it; what lies in a JSON value is spelt there as it was sent."""
    first, *rest = field.split(".")
    if first not in PLAIN:
        rest = [_spelt(part) for part in rest]
    return ".".join([_spelt(first), *rest])


def _spelt(part: str) -> str:
    return RENAMED.get(part) or to_camel_case(part)


def formatted(errors: Sequence[GraphQLError], request_id: str | None) -> list[dict[str, Any]]:
    return [_formatted(error, request_id) for error in errors]


def _formatted(error: GraphQLError, request_id: str | None) -> dict[str, Any]:
    cause = _cause(error)
    told: dict[str, Any] = {"message": error.message}
    if error.locations:
        told["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        told["path"] = error.path
    if cause is None:
        told["extensions"] = {"code": BAD_QUERY, **(error.extensions or {})}
        return told
    refusal = refusal_of(cause)
    told["message"] = refusal.detail
    told["extensions"] = _extensions(refusal, request_id)
    return told


def _cause(error: GraphQLError) -> Exception | None:
    """What went wrong in our code; None where the document or its variables are at fault."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _extensions(refusal: Refusal, request_id: str | None) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": refusal.code}
    if refusal.fields:
        extensions["errors"] = [_field(field) for field in refusal.fields]
    if isinstance(refusal, Fault) and request_id is not None:
        extensions["requestId"] = request_id
    return extensions


def _field(field: FieldError) -> dict[str, str]:
    return {"field": path(field.field), "code": field.code, "message": field.message}
