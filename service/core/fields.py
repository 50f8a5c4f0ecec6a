"""Field types that inputs share: bounded, trimmed, and free of what the database cannot keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

MOST_OF_AN_OBJECT = 500_000


class Input(BaseModel):
    """The input of a verb: frozen, and strict about fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _clean(value: str) -> str:
    if "\x00" in value or not _is_unicode(value):
        raise ValueError("holds characters that are not text")
    return value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in_reach(value: datetime) -> datetime:
    """UTC, and within the years in which calendars can be computed."""
    if not 1970 <= value.year <= 2200:
        raise ValueError("must lie between 1970 and 2200")
    return value.astimezone(UTC)


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Only what JSON and the database can carry, and not too much of it."""
    try:
        written = orjson.dumps(value)
    except (TypeError, ValueError):
        raise ValueError("holds what cannot be kept as JSON") from None
    if b"\\u0000" in written or len(written) > MOST_OF_AN_OBJECT:
        raise ValueError("holds characters that are not text, or is too large")
    return value


Clean = AfterValidator(_clean)
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_clean)
]
Body = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), AfterValidator(_clean)
]
OptionalBody = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=20_000), AfterValidator(_clean)
]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]
Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
PlainObject = Annotated[dict[str, Any], AfterValidator(_plain)]
Id = Annotated[int, Field(ge=1, le=2**53)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_reach)]
Tags = Annotated[list[Key], Field(max_length=20)]
