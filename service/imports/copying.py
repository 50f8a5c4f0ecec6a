"""Many rows into a table at once, by COPY, inside the transaction of a Work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from service.core.work import Work

MICROSECOND = timedelta(microseconds=1)
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


async def copy_rows(work: Work, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add the rows to the table, in their order."""
    raw: Any = (await (await work.session.connection()).get_raw_connection()).driver_connection
    text = "".join("\t".join(map(_field, row)) + "\n" for row in rows)
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    async with raw.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(text.encode())


def _field(value: Any) -> str:
    """A value as COPY reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(ESCAPES) if "\\" in value or not value.isprintable() else value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value // MICROSECOND} microseconds"
    if isinstance(value, Json):
        return orjson.dumps(value.content).decode().translate(ESCAPES)
    if isinstance(value, list):
        return "{" + ",".join(map(_item, value)) + "}"
    raise TypeError(type(value).__name__)


def _item(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return f'"{value.isoformat()}"'


class Json:
    """A value for a JSONB column."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content
