"""Known devices read whole again: daily, and sooner where what they have has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, select, text, update

from integrations.snmp.target import SnmpError, Target
from service.core.actor import SYSTEM
from service.core.outbox import enqueue
from service.core.work import Resources, Work
from service.monitoring.adopting import KnownMacs, Whereabouts, adopt, has_other_macs, macs_of, refresh
from service.monitoring.asking import Opened, credentials_in_order
from service.monitoring.charting import ask_for_chart
from service.monitoring.discovering import CHANGED, Discovered, changed_in, discover, let_in
from service.monitoring.models import NetworkDevice, NetworkWatch, ReachState, SnmpState
from service.monitoring.network import Network

AT_ONCE: Final = 16
TRY_FOR: Final = 2.0
HANDED_OUT: Final = 200
A_JOB: Final = 20
LEASE: Final = timedelta(hours=1)
AGAIN_KNOWN: Final = timedelta(hours=1)
AGAIN_NEW: Final = timedelta(minutes=5)
MOST_NOTICED: Final = 500
STATES: Final = {
    "bad_credentials": SnmpState.BAD_CREDENTIALS,
    "malformed": SnmpState.MALFORMED,
}
log = structlog.get_logger()

_TAKE = text(
    """
    WITH due AS (
        SELECT w.device_id FROM network_watches AS w
        JOIN network_devices AS d ON d.id = w.device_id AND d.watched
        WHERE w.next_discovery_at <= :now ORDER BY w.next_discovery_at LIMIT :most
        FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE network_watches AS w SET next_discovery_at = :until FROM due WHERE w.device_id = due.device_id
    RETURNING w.device_id
    """
)
_STAMPED = text(
    """
    SELECT d.id, d.address, d.port, d.credential_id, d.inventory->'changed' AS changed, w.engine_id
    FROM network_devices AS d JOIN network_watches AS w ON w.device_id = d.id
    WHERE d.id > :after AND d.watched AND w.snmp = :ok AND d.inventory->'changed' <> '{}'
    ORDER BY d.id LIMIT :most
    """
)


async def hand_out(resources: Resources) -> int:
    """Put every device that is due on the queue; how many."""
    async with resources.begin(SYSTEM) as work:
        values = {"now": work.now, "until": work.now + LEASE, "most": HANDED_OUT}
        ids = sorted((await work.session.scalars(_TAKE, values)).all())
        for start in range(0, len(ids), A_JOB):
            await enqueue(work, "monitoring.rediscover", device_ids=ids[start : start + A_JOB])
    return len(ids)


async def rediscover(
    resources: Resources, network: Network, device_ids: Sequence[int], try_for: float = TRY_FOR
) -> int:
    """Read these devices whole; how many answered. One that fails leaves the others.

    `try_for` is seconds for each try of each credential, until one is answered to.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(device_id: int) -> bool:
        async with turns:
            try:
                return await _rediscover(resources, network, device_id, try_for)
            except Exception:
                log.exception("rediscovery_failed", device_id=device_id)
                return False

    async with resources.read(SYSTEM) as read:
        new = await read.db.scalar(select(func.count()).where(*_never(device_ids)))
    answered = sum(await asyncio.gather(*map(one, device_ids)))
    if answered:
        async with resources.begin(SYSTEM) as work:
            await ask_for_chart(work, soon=bool(new))
    return answered


def _never(device_ids: Sequence[int]) -> tuple[Any, ...]:
    """Of these, what has never been read: where it hangs should be known before it fails first."""
    return NetworkDevice.id.in_(device_ids), NetworkDevice.discovered_at.is_(None)


async def _rediscover(resources: Resources, network: Network, device_id: int, try_for: float) -> bool:
    async with resources.read(SYSTEM) as read:
        query = select(*_ASKED).where(NetworkDevice.id == device_id, NetworkDevice.watched)
        row = (await read.db.execute(query)).first()
        if row is None:
            return False
        good, _ = await credentials_in_order(read, network.vault, only=row.credential_id)
    targets = [(known, replace(_target(row, known), timeout=try_for)) for known in good]
    try:
        met = await let_in(network.transport, network.profiles, targets)
        found = await discover(
            network.transport,
            network.profiles,
            _target(row, met.opened),
            met.answers,
            named=_pinned(row),
        )
    except SnmpError as error:
        async with resources.begin(SYSTEM) as work:
            await _put_off(work, device_id, error.reason)
        return False
    async with resources.begin(SYSTEM) as work:
        await _keep(work, device_id, found, met.opened)
    return True


_ASKED: Final = (
    NetworkDevice.id,
    NetworkDevice.address,
    NetworkDevice.port,
    NetworkDevice.credential_id,
    NetworkDevice.profile,
    NetworkDevice.inventory["matched"].astext.label("matched"),
)


def _target(row: Any, known: Opened) -> Target:
    return Target(row.address, known.credential, row.port)


def _pinned(row: Any) -> str:
    """The profile that somebody named; "" where it is what discovery made of the device."""
    return "" if row.profile == (row.matched or "") else str(row.profile)


async def _put_off(work: Work, device_id: int, reason: str) -> None:
    """Tried again later. What was never discovered is not polled, so its state is told here."""
    device = await work.session.get(NetworkDevice, device_id)
    watch = await work.session.get(NetworkWatch, device_id, with_for_update=True)
    if device is None or watch is None:
        return
    is_new = device.discovered_at is None
    watch.next_discovery_at = work.now + (AGAIN_NEW if is_new else AGAIN_KNOWN)
    state = STATES.get(reason, SnmpState.SILENT)
    if is_new and watch.snmp is not state:
        watch.snmp, watch.snmp_since = state, work.now
        log.info("device_not_discovered", device_id=device_id, reason=reason)
    await work.session.flush()


async def _keep(work: Work, device_id: int, found: Discovered, known: Opened) -> None:
    """What was read is the device's that is at the address, unless it is one that is known elsewhere."""
    device = await work.session.get(NetworkDevice, device_id)
    if device is None:
        return
    at = Whereabouts(device.address, device.port, known.id)
    is_other = await has_other_macs(work, device, macs_of(found))
    macs = await KnownMacs.read(work) if is_other else KnownMacs({})
    adopted = await adopt(work, found, at, macs)
    if adopted.also_at is not None:
        await work.session.refresh(device, with_for_update=True)
        await refresh(work, device, found, known.id)
    watch = await work.session.get(NetworkWatch, device_id)
    if watch is not None and watch.snmp is not SnmpState.OK and watch.polled_at is None:
        watch.snmp, watch.snmp_since = SnmpState.OK, work.now
        watch.reach, watch.reach_since = ReachState.UP, work.now
        watch.answered_at = work.now
        await work.session.flush()


async def notice_changes(resources: Resources, network: Network) -> int:
    """Ask every device that tells when what it has changed last; how many have changed and are read anew."""
    changed, after = 0, 0
    while True:
        async with resources.read(SYSTEM) as read:
            code = NetworkWatch.snmp.type.code(SnmpState.OK)
            values = {"after": after, "ok": code, "most": MOST_NOTICED}
            rows = (await read.db.execute(_STAMPED, values)).all()
            good, _ = await credentials_in_order(read, network.vault)
        moved = await _moved(network, rows, {known.id: known for known in good})
        if moved:
            async with resources.begin(SYSTEM) as work:
                watches = update(NetworkWatch).where(NetworkWatch.device_id.in_(moved))
                await work.session.execute(watches.values(next_discovery_at=work.now))
        changed += len(moved)
        if len(rows) < MOST_NOTICED:
            return changed
        after = rows[-1].id


async def _moved(network: Network, rows: Sequence[Any], credentials: dict[int, Opened]) -> list[int]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(row: Any) -> int | None:
        known = credentials.get(row.credential_id)
        if known is None:
            return None
        async with turns:
            try:
                target = replace(_target(row, known), engine_id=row.engine_id)
                answers = await network.transport.get(target, CHANGED)
            except SnmpError:
                return None
        now = changed_in(answers)
        return row.id if now and now != row.changed else None

    return [found for found in await asyncio.gather(*map(look, rows)) if found is not None]
