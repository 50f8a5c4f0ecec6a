"""One unit of work: a transaction, the actor behind it, and its one time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from service.core.actor import SYSTEM, Actor
from service.core.database import utc_now
from service.core.shelf import Shelf

if TYPE_CHECKING:
    from service.core.outbox import Announcer


@dataclass(slots=True)
class Conditions:
    """What the caller asked to be held to: an idempotency key, the version they read."""

    key: str | None = None
    expected_version: int | None = None
    keeps_answer: bool = False


@dataclass(slots=True)
class Work:
    session: AsyncSession
    actor: Actor
    now: datetime
    shelf: Shelf
    conditions: Conditions = field(default_factory=Conditions)
    announced: list[dict[str, Any]] = field(default_factory=list)
    claimed: int | None = None
    version: int | None = None
    config_changed: bool = False
    connection: AsyncConnection | None = None

    @property
    def db(self) -> AsyncSession | AsyncConnection:
        """For statements on columns: past the session, which adds a third to what such a statement costs."""
        return self.connection or self.session

    def as_desk(self) -> Work:
        """The same transaction and time with the desk itself behind it: what follows by rule."""
        return replace(self, actor=SYSTEM, conditions=Conditions(), claimed=None, version=None)

    def change_config(self) -> None:
        """Rules of the desk changed: read them afresh here at once, everywhere after the commit."""
        self.shelf = Shelf()
        self.config_changed = True


@dataclass(slots=True)
class Read:
    """A read-only look at the database, as somebody. `version` becomes the answer's ETag."""

    db: AsyncConnection
    actor: Actor
    now: datetime
    shelf: Shelf
    version: int | None = None


Eyes = Work | Read


@dataclass
class Resources:
    """What a process holds open: engine, rules on the shelf, announcer, and how it tells who asks."""

    engine: AsyncEngine
    identify: Callable[[str], Awaitable[Actor]] = field(init=False)
    shelf: Shelf = field(default_factory=Shelf)
    announcer: Announcer | None = None
    clock: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self._write = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        self._read = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def begin(
        self, actor: Actor, *, now: datetime | None = None, conditions: Conditions | None = None
    ) -> AsyncIterator[Work]:
        """Open a transaction; commit on the way out, then say what happened."""
        async with self._write() as session:
            work = Work(session, actor, now or self.clock(), self.shelf, conditions or Conditions())
            async with session.begin():
                work.connection = await session.connection()
                yield work
        self.follow_up(work)

    @asynccontextmanager
    async def read(self, actor: Actor, *, now: datetime | None = None) -> AsyncIterator[Read]:
        async with self._read.connect() as connection:
            yield Read(connection, actor, now or self.clock(), self.shelf)

    def follow_up(self, work: Work) -> None:
        """What must wait for the commit: other processes and listeners hear of it."""
        if work.config_changed:
            self.shelf.clear()
            work.announced.append({"config": True})
        if work.announced and self.announcer is not None:
            self.announcer.send(work.announced)

    async def close(self) -> None:
        if self.announcer is not None:
            await self.announcer.close()
        await self.engine.dispose()
