"""The engine, the base of all tables, and the column types they share."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from sqlalchemy import DateTime, MetaData, SmallInteger, TypeDecorator
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

E = TypeVar("E", bound=StrEnum)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True)}


class Coded(TypeDecorator[E]):
    """A `StrEnum` kept as a smallint: its place in the enum, counted from 1. Members are only appended."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self.kind = kind
        self._codes = {member: code for code, member in enumerate(kind, start=1)}
        self._members = {code: member for member, code in self._codes.items()}

    def code(self, member: E) -> int:
        return self._codes[member]

    def process_bind_param(self, value: E | None, dialect: Dialect) -> int | None:
        return None if value is None else self._codes[self.kind(value)]

    def process_result_value(self, value: int | None, dialect: Dialect) -> E | None:
        return None if value is None else self._members[value]


def driver_url(url: str) -> str:
    """The URL with the psycopg 3 driver, whatever way of writing `postgresql` it came in."""
    parsed = make_url(url)
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError("FIRSTBELL_DATABASE_URL must be a postgresql:// address.")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def make_engine(url: str, *, pool: int = 20, statement_timeout: int = 30) -> AsyncEngine:
    """An engine whose connections speak UTC, give up long statements and read JSON fast. Its errors do not
    repeat what was to be written: that is people's names and addresses, and errors are logged.
    """
    return create_async_engine(
        driver_url(url),
        hide_parameters=True,
        pool_size=pool,
        max_overflow=max(2, pool // 2),
        pool_timeout=10,
        pool_recycle=1800,
        json_serializer=lambda value: orjson.dumps(value, default=_plain).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "connect_timeout": 10,
            "application_name": "firstbell",
            "options": f"-c timezone=UTC -c statement_timeout={statement_timeout * 1000} "
            "-c idle_in_transaction_session_timeout=60000 -c jit=off",
        },
    )


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(type(value).__name__)


def utc_now() -> datetime:
    return datetime.now(UTC)
