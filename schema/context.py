"""What a GraphQL operation holds: who asks, what the process has open, and the loaders of this operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import strawberry

from schema.loaders import Loaders
from service.core.actor import Actor
from service.core.work import Conditions, Read, Resources, Work

if TYPE_CHECKING:
    from schema.hub import Hub
    from schema.limits import Prepared

READS_AT_ONCE = 4


class Context:
    """One operation. Sibling fields are resolved at the same time, so each read has its own connection."""

    def __init__(
        self,
        resources: Resources,
        actor: Actor,
        *,
        request_id: str | None = None,
        hub: Hub | None = None,
        secret: str | None = None,
    ) -> None:
        self.resources = resources
        self.actor = actor
        self.request_id = request_id
        self.hub = hub
        self.prepared: Prepared | None = None
        self.has_ended = False
        self.on_end: Callable[[], None] | None = None
        self._secret = secret

    @cached_property
    def _reads(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(READS_AT_ONCE)

    @cached_property
    def loaders(self) -> Loaders:
        return Loaders(self)

    @property
    def names(self) -> frozenset[str]:
        """Every field name in the document; all of a row's columns are fetched when it is not known."""
        return self.prepared.names if self.prepared is not None else frozenset()

    def end(self) -> None:
        """Nobody waits for the answer any more. What runs comes to its own end: a read that is cut short
        would take its connection out of the pool."""
        self.has_ended = True
        if self.on_end is not None:
            self.on_end()

    def forget(self) -> None:
        """What was loaded is stale: something changed."""
        self.__dict__.pop("loaders", None)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Read]:
        """A short look of its own. An operation holds a few connections at a time, not the whole pool."""
        async with self._reads, self.resources.read(self.actor) as read:
            yield read

    @asynccontextmanager
    async def begin(self, key: str | None, expected_version: int | None = None) -> AsyncIterator[Work]:
        conditions = Conditions(key, expected_version)
        async with self.resources.begin(self.actor, conditions=conditions) as work:
            yield work
        self.forget()

    async def identify_again(self) -> None:
        """Who asks, as they are now; Unauthenticated once the token is revoked or has expired."""
        if self._secret is not None:
            self.actor = await self.resources.identify(self._secret)


Info: TypeAlias = strawberry.Info[Context, None]
