"""What a process that asks the network holds open: transport, profiles, keys, and what it has learnt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from procrastinate import JobContext

from integrations.snmp.profile import Profiles, load_profiles
from integrations.snmp.reach import PAUSE
from integrations.snmp.target import Credential
from integrations.snmp.transport import Transport
from integrations.snmp.watch import Watch
from service.core.settings import settings
from service.core.vault import Vault, open_vault
from service.monitoring.planned import Planned

K = TypeVar("K")
V = TypeVar("V")
MOST_PLANS = 12_000


class Kept(Generic[K, V]):
    """The last `most` values that were asked for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


@dataclass
class Network:
    transport: Transport
    profiles: Profiles
    vault: Vault
    watch: Watch
    timeout: float = 2.0
    retries: int = 1
    reach_timeout: float = 1.0
    reach_pause: float = PAUSE
    plans: Kept[tuple[int, datetime | None], Planned] = field(default_factory=lambda: Kept(MOST_PLANS))
    credentials: Kept[tuple[int, datetime], Credential] = field(default_factory=lambda: Kept(500))

    async def close(self) -> None:
        await self.transport.close()
        self.watch.close()


def open_network() -> Network:
    """For one process, inside its loop: one engine, one set of sockets."""
    own = settings()
    watch = Watch()
    watch.start()
    profiles = load_profiles(own=own.profiles)
    return Network(Transport(), profiles, open_vault(), watch, own.snmp_timeout, own.snmp_retries)


def network_of(context: JobContext) -> Network:
    found: Any = context.additional_context["network"]
    return found  # type: ignore[no-any-return]
