"""Keyset cursors: where a page ended, opaque to callers, checked when it comes back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from service.core.errors import Invalid

T = TypeVar("T")
MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page; `next_cursor` is None on the last."""

    rows: Sequence[T]
    next_cursor: str | None

    @property
    def has_next(self) -> bool:
        return self.next_cursor is not None


def cursor_of(*key: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def key_of(cursor: str | None, length: int) -> list[Any] | None:
    """The key inside a cursor, or None for the first page; a cursor that is not ours is refused."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = orjson.loads(base64.urlsafe_b64decode(padded.encode()))
    except (ValueError, binascii.Error, UnicodeError):
        key = None
    if not isinstance(key, list) or len(key) != length:
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again without it.", "bad_cursor")
    return key
