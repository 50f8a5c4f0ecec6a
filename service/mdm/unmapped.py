"""Words that records carry and that mean nothing here, each with why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import String, func, literal, select, tuple_

from integrations.mdm.port import Platform
from service.core.errors import Invalid, require
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.mdm.access import SEES, may_see_records
from service.mdm.mapped import Mapped, Why, kind_for, place_for
from service.mdm.models import MappingKind, MdmConnection, MdmRecord
from service.mdm.planning import load_mapped

MOST_WORDS: Final = 20_000
"""Words looked at for one page; past them the page ends early, and its cursor goes on."""
UNMAPPED: Final = frozenset({Why.UNKNOWN_WORD, Why.SEVERAL_PLACES, Why.IGNORED})


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A word at one connection. `records` carry it; `example_id` is one of them; `key` continues after it."""

    kind: MappingKind
    connection_id: int
    connection_name: str
    word: str
    model_id: str | None
    platform: Platform | None
    records: int
    example_id: int
    why: Why
    key: tuple[Any, ...]


async def unmapped_page(
    eyes: Eyes,
    kind: MappingKind,
    *,
    connection_id: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Unmapped]:
    """By connection and word: what devices that are listed say, and nobody has said the meaning of."""
    require(may_see_records(eyes.actor), SEES)
    mapped = await load_mapped(eyes)
    rows = (await eyes.db.execute(_words(kind, connection_id, cursor))).all()
    told: list[Unmapped] = []
    for row in rows:
        one = _told(mapped, kind, row)
        if one.why not in UNMAPPED:
            continue
        told.append(one)
        if len(told) > limit:
            return Page(told[:limit], unmapped_cursor(told[limit - 1]))
    if len(rows) == MOST_WORDS:
        return Page(told, cursor_of(*_key(rows[-1])))
    return Page(told, None)


def unmapped_cursor(row: Unmapped) -> str:
    return cursor_of(*row.key)


def _words(kind: MappingKind, connection_id: int | None, cursor: str | None) -> Any:
    """Each word once for each connection, and for models once for each id and platform that it comes with."""
    model_id = func.coalesce(MdmRecord.record["model_id"].astext, "")
    word: Any = MdmRecord.site
    beside: list[Any] = []
    if kind is MappingKind.MODEL:
        word, beside = func.coalesce(MdmRecord.model, model_id), [model_id, MdmRecord.platform]
    named = [column.label(name) for column, name in zip(beside, ("model_id", "platform"), strict=False)]
    grouped = [MdmRecord.connection_id, MdmConnection.name, word, *beside]
    query = (
        select(
            MdmRecord.connection_id,
            MdmConnection.name.label("connection_name"),
            word.label("word"),
            *named,
            func.count().label("records"),
            func.min(MdmRecord.id).label("example_id"),
        )
        .join(MdmConnection, MdmConnection.id == MdmRecord.connection_id)
        .where(MdmRecord.missing_since.is_(None), word.is_not(None), word != "")
        .group_by(*grouped)
        .order_by(MdmRecord.connection_id, word.collate("C"), *(_ordered(column) for column in beside))
        .limit(MOST_WORDS)
    )
    if connection_id is not None:
        query = query.where(MdmRecord.connection_id == connection_id)
    if cursor is not None:
        query = query.where(_after([MdmRecord.connection_id, word, *beside], cursor))
    return query


def _ordered(column: Any) -> Any:
    return column.collate("C") if isinstance(column.type, String) else column


def _after(columns: Sequence[Any], cursor: str) -> Any:
    key = key_of(cursor, len(columns)) or []
    if not (isinstance(key[0], int) and 0 <= key[0] < 2**63 and _is_text(key[1])):
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor")
    edge: list[Any] = [literal(key[0]), literal(key[1]).collate("C")]
    if len(columns) > 2:
        if not _is_text(key[2]) or key[3] not in list(Platform):
            raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor")
        edge += [literal(key[2]).collate("C"), literal(Platform(key[3]), MdmRecord.platform.type)]
    return tuple_(*(_ordered(column) for column in columns)) > tuple_(*edge)


def _is_text(part: Any) -> bool:
    try:
        return isinstance(part, str) and b"\x00" not in part.encode()
    except UnicodeEncodeError:
        return False


def _told(mapped: Mapped, kind: MappingKind, row: Any) -> Unmapped:
    if kind is MappingKind.SITE:
        why, model_id, platform = place_for(mapped, row.connection_id, row.word).why, None, None
    else:
        model_id, platform = row.model_id or None, row.platform
        why = kind_for(mapped, row.connection_id, row.word, model_id, platform).why
    return Unmapped(
        kind,
        row.connection_id,
        row.connection_name,
        row.word,
        model_id,
        platform,
        row.records,
        row.example_id,
        why,
        _key(row),
    )


def _key(row: Any) -> tuple[Any, ...]:
    if hasattr(row, "platform"):
        return row.connection_id, row.word, row.model_id, row.platform.value
    return row.connection_id, row.word
