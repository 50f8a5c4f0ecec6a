"""The worker's ear for traps and informs. What is heard changes nothing: it has the device polled at once.

Only devices that are watched may send, each by its own credential; everybody else is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import orjson
import structlog
from sqlalchemy import select, text

from integrations.snmp.traps import Notification, Source, TrapListener
from integrations.snmp.traps_map import meaning
from service.core.actor import SYSTEM
from service.core.settings import Settings
from service.core.vault import KeyMissing
from service.core.work import Eyes, Resources, Work
from service.monitoring.asking import CREDENTIAL, opened
from service.monitoring.models import NetworkDevice, NetworkWatch
from service.monitoring.network import Network

LOOK_EVERY = 1.0
READ_EVERY = 30.0
MOST_KEPT = 1_000
MOST_AT_ONCE = 500
APART = timedelta(seconds=30)
"""However many traps a device sends, they have it polled so often at most."""
log = structlog.get_logger()

_LOOK = text(
    """
    UPDATE network_watches
    SET next_poll_at = least(next_poll_at, greatest(:now, polled_at + :apart)), is_slow = false
    WHERE device_id IN (
        SELECT device_id FROM network_watches WHERE device_id = ANY(:ids) AND next_poll_at IS NOT NULL
        ORDER BY device_id FOR UPDATE)
    """
)
_COUNT = text(
    """
    INSERT INTO network_trap_counts (address, reason, count, first_at, last_at)
    SELECT address, reason, count, :now, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(address text, reason text, count bigint)
    ORDER BY address, reason
    ON CONFLICT (address, reason) DO UPDATE
    SET count = network_trap_counts.count + excluded.count, last_at = excluded.last_at
    """
)
_FORGET = text(
    """
    DELETE FROM network_trap_counts WHERE (address, reason) IN (
        SELECT address, reason FROM network_trap_counts ORDER BY last_at DESC, address, reason OFFSET :most)
    """
)


class TrapEar:
    """Listens while it is entered; without a port it does nothing."""

    def __init__(self, resources: Resources, network: Network, settings: Settings) -> None:
        self._resources, self._network, self._settings = resources, network, settings
        self._sources: Mapping[str, Source] = {}
        self._concerned: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.listener: TrapListener | None = None

    async def __aenter__(self) -> TrapEar:
        port = self._settings.trap_port
        if port is None:
            return self
        listener = TrapListener(
            self._settings.trap_host,
            port,
            sources=lambda address: self._sources.get(address),
            hear=self._hear,
            engine_id=own_engine_id(),
        )
        try:
            listener.open()
        except OSError as error:
            log.warning("trap_port_not_opened", port=port, error=error.strerror)
            return self
        self.listener = listener
        every = ((self._look, LOOK_EVERY), (self._read_and_count, READ_EVERY))
        self._tasks = [asyncio.create_task(self._over_and_over(do, pause)) for do, pause in every]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.listener is not None:
            self.listener.close()

    def _hear(self, told: Notification) -> None:
        if meaning(told.trap_oid, told.values).kind == "poll_now" and len(self._concerned) < MOST_AT_ONCE:
            self._concerned.add(told.source.device_id)

    async def _over_and_over(self, do: Any, pause: float) -> None:
        while True:
            try:
                await do()
            except Exception as error:  # noqa: BLE001  (the database may be away for a while)
                log.warning("trap_ear_stumbled", error=type(error).__name__)
            await asyncio.sleep(pause)

    async def _look(self) -> None:
        if self._concerned:
            concerned, self._concerned = self._concerned, set()
            async with self._resources.begin(SYSTEM) as work:
                await look_after_traps(work, concerned)

    async def _read_and_count(self) -> None:
        async with self._resources.read(SYSTEM) as read:
            self._sources = await sources(read, self._network)
        counted = self.listener.drained() if self.listener is not None else {}
        if counted:
            rows = [{"address": at, "reason": why.value, "count": n} for (at, why), n in counted.items()]
            async with self._resources.begin(SYSTEM) as work:
                values = {"now": work.now, "rows": orjson.dumps(rows).decode()}
                await work.session.execute(_COUNT, values)
                await work.session.execute(_FORGET, {"most": MOST_KEPT})


async def look_after_traps(work: Work, device_ids: Collection[int]) -> None:
    """Have the devices polled as soon as somebody can, but none over and over."""
    values = {"ids": sorted(device_ids), "now": work.now, "apart": APART}
    await work.session.execute(_LOOK, values)


async def sources(eyes: Eyes, network: Network) -> dict[str, Source]:
    """Who may send: watched devices, by address."""
    credentials = {}
    for row in (await eyes.db.execute(select(*CREDENTIAL))).all():
        with contextlib.suppress(KeyMissing):
            credentials[row.id] = opened(network.vault, row).credential
    query = (
        select(NetworkDevice.id, NetworkDevice.address, NetworkDevice.credential_id, NetworkWatch.engine_id)
        .join(NetworkWatch, NetworkWatch.device_id == NetworkDevice.id)
        .where(NetworkDevice.watched)
        .order_by(NetworkDevice.id)
    )
    found: dict[str, Source] = {}
    for row in (await eyes.db.execute(query)).all():
        if row.credential_id in credentials:
            found[row.address] = Source(row.id, credentials[row.credential_id], row.engine_id)
    return found


def own_engine_id() -> bytes:
    """Ours towards senders of v3 informs, the same after every start on this host (RFC 3411, octets form)."""
    return b"\x80\x00\x7e\xd9\x05" + hashlib.sha256(socket.gethostname().encode()).digest()[:12]
