"""Polls: due devices go out in batches, are asked without a transaction, and what they said is stored in one.

A batch is leased to one job at a time; a job that died gives its devices back when the lease runs out, and a
job that comes too late finds that the lease is not its own any more and does nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
import structlog
from sqlalchemy import text

from integrations.snmp.reach import reachable
from integrations.snmp.target import Answers, SnmpError, Target
from integrations.snmp.transport import Transport
from integrations.snmp.understanding import Plan
from integrations.snmp.watch import Sample
from service.core.actor import SYSTEM
from service.core.outbox import enqueue
from service.core.work import Resources, Work
from service.monitoring.history import ensure_series, store_samples
from service.monitoring.judging import Judged, Watched, judge, room_to_tell
from service.monitoring.loading import load_leased
from service.monitoring.network import Network
from service.monitoring.reporting import report, waiting
from service.monitoring.room_facts import room_facts
from service.monitoring.suspicion import Doubt, doubt

LEASE = timedelta(minutes=4)
APART = timedelta(seconds=15)
BATCH = 100
SLOW_BATCH = 40
MOST_AT_ONCE = 4_000
MOST_ROWS = 400
log = structlog.get_logger()

_TAKE = text(
    """
    WITH due AS (
        SELECT w.device_id FROM network_watches AS w
        WHERE w.is_slow = :slow AND w.next_poll_at <= :now
            AND (w.leased_until IS NULL OR w.leased_until < :now)
        ORDER BY w.next_poll_at LIMIT :most
        FOR UPDATE SKIP LOCKED
    )
    UPDATE network_watches AS w SET lease = :lease, leased_until = :until FROM due
    WHERE w.device_id = due.device_id
    RETURNING w.device_id
    """
)


async def hand_out(resources: Resources) -> int:
    """Lease every due device and put a job on the queue for each batch; how many devices went out.

    Devices that have been down for long go out in small batches on a queue of their own.
    """
    return await _hand_out(resources, slow=False, size=BATCH) + await _hand_out(
        resources, slow=True, size=SLOW_BATCH
    )


async def _hand_out(resources: Resources, *, slow: bool, size: int) -> int:
    handed = 0
    while handed < MOST_AT_ONCE:
        async with resources.begin(SYSTEM) as work:
            taken = await _hand_out_batch(work, slow=slow, size=size)
        handed += taken
        if taken < size:
            break
    return handed


async def _hand_out_batch(work: Work, *, slow: bool, size: int) -> int:
    lease, ids = await take_due(work, slow=slow, size=size)
    if ids and slow:
        await enqueue(work, "monitoring.poll_slow", lease=lease, device_ids=ids)
    elif ids:
        await enqueue(work, "monitoring.poll", lease=lease, device_ids=ids)
    return len(ids)


async def take_due(work: Work, *, slow: bool, size: int) -> tuple[str, list[int]]:
    """Lease devices whose time has come, the longest due first; the lease, and whom it holds."""
    lease = uuid.uuid4().hex
    values = {"slow": slow, "now": work.now, "most": size, "lease": lease, "until": work.now + LEASE}
    return lease, sorted((await work.session.scalars(_TAKE, values)).all())


@dataclass(slots=True)
class Look:
    """One look at a device: what it answered, or why not, and whether it is there at all."""

    watched: Watched
    at: datetime
    answers: Answers | None = None
    reason: str | None = None
    is_there: bool | None = None


@dataclass(slots=True)
class Round:
    """What came of a batch."""

    polled: int = 0
    failed: int = 0
    doubt: Doubt | None = None


async def poll(resources: Resources, network: Network, lease: str, device_ids: Sequence[int]) -> Round:
    """Ask the devices of a lease, judge what they say, and keep it."""
    async with resources.read(SYSTEM) as read:
        leased = await load_leased(read, network, lease, device_ids)
    before = network.watch.sample()
    asked = await asyncio.gather(*(_asked_once(resources, network, watched) for watched in leased))
    after = network.watch.sample()
    looks = [one for one in asked if one is not None]
    judged = [one for one in map(_judged, looks) if one is not None]
    for one in judged:
        if one.watched.target is not None:
            one.learnt = network.transport.remembered(one.watched.target)
    await place(resources, judged)
    found = Round(len(looks), sum(not one.answered for one in judged))
    async with resources.begin(SYSTEM) as work:
        held = await keep(work, lease, judged)
        judged = [one for one in judged if one.watched.device_id in held]
        found.doubt = await _doubt(work, network, before, after, judged)
        await _report_all(work, network, judged, found.doubt)
    return found


async def _asked_once(resources: Resources, network: Network, watched: Watched) -> Look | None:
    """One device that cannot be asked at all must not take the others of its batch with it."""
    try:
        return await look(resources, network, watched)
    except Exception:
        log.exception("network_look_failed", device_id=watched.device_id)
        return None


def _judged(one: Look) -> Judged | None:
    try:
        return judge(one.watched, one.at, one.answers, one.reason, one.is_there)
    except Exception:
        log.exception("network_judging_failed", device_id=one.watched.device_id)
        return None


async def _doubt(
    work: Work, network: Network, before: Sample, after: Sample, judged: Sequence[Judged]
) -> Doubt | None:
    """In a savepoint: what goes wrong with one ticket must not throw away what a batch was told."""
    try:
        async with work.session.begin_nested():
            return await doubt(work, network, before, after, judged)
    except Exception:
        log.exception("network_doubt_failed")
        return None


async def _report_all(work: Work, network: Network, judged: Sequence[Judged], doubted: Doubt | None) -> None:
    """After what all of them said is kept, so that a child is judged by what its parent said just now."""
    look_at: set[int] = set()
    for one in judged:
        if one.transitions:
            look_at |= await _report(work, network, one, doubted)
    await look_soon(work, look_at)


async def look_now(work: Work, device_ids: Collection[int]) -> None:
    """Have devices looked at as soon as somebody can."""
    await _look(work, device_ids, timedelta(0))


async def look_soon(work: Work, device_ids: Collection[int]) -> None:
    """Have devices looked at again that others wait for: as soon as somebody can, and not more often than
    every 15 seconds, however many wait and however often they ask."""
    await _look(work, device_ids, APART)


async def _look(work: Work, device_ids: Collection[int], apart: timedelta) -> None:
    if device_ids:
        values = {"ids": sorted(device_ids), "now": work.now, "apart": apart}
        await work.session.execute(_SOON, values)


_SOON = text(
    """
    UPDATE network_watches AS w SET is_slow = false,
        next_poll_at = CASE WHEN w.leased_until > :now THEN due.at ELSE least(w.next_poll_at, due.at) END
    FROM (
        SELECT device_id, greatest(:now, polled_at + CAST(:apart AS interval)) AS at FROM network_watches
        WHERE device_id = ANY(:ids) AND next_poll_at IS NOT NULL
        ORDER BY device_id FOR UPDATE SKIP LOCKED) AS due
    WHERE w.device_id = due.device_id
    """
)
"""Waits for nobody: whoever has a row now has looked just now, or asks again."""


async def settle_waiting(resources: Resources, network: Network) -> int:
    """Settle anew every fault whose wait may be over; of how many devices."""
    async with resources.read(SYSTEM) as read:
        devices = await waiting(read)
    for device_id in devices:
        try:
            async with resources.begin(SYSTEM) as work:
                found = await report(work, network.profiles, device_id, ())
                await look_soon(work, found.look_at)
        except Exception:
            log.exception("network_settling_failed", device_id=device_id)
    return len(devices)


async def look(resources: Resources, network: Network, watched: Watched) -> Look:
    """Ask one device once. What is not there in SNMP is looked for by its other way of being reached."""
    target = watched.target
    found = Look(watched, resources.clock())
    if target is None:
        found.reason = "bad_credentials"
    else:
        try:
            found.answers = await _asked(network.transport, target, watched.planned.plan)
        except SnmpError as error:
            found.reason = error.reason
    found.at = resources.clock()
    if found.answers:
        found.is_there = True
    else:
        if found.answers is not None:
            found.answers, found.reason = None, "silent"
        found.is_there = await _is_there(network, watched)
    return found


async def _asked(transport: Transport, target: Target, plan: Plan) -> Answers:
    """What a poll asks: known objects, and the few tables whose rows come and go with what is wrong."""
    answers = await transport.get(target, plan.oids)
    if answers:
        for base in plan.walks:
            answers |= (await transport.walk(target, base, limit=MOST_ROWS)).answers
    return answers


async def _is_there(network: Network, watched: Watched) -> bool | None:
    """By ICMP or TCP; None where this device is only ever known by SNMP, or this host may not ask."""
    if watched.reach_by == "snmp":
        return None
    by: Literal["icmp", "tcp"] = "tcp" if watched.reach_by == "tcp" else "icmp"
    return await reachable(
        watched.address,
        by=by,
        port=watched.reach_port,
        timeout=network.reach_timeout,
        pause=network.reach_pause,
    )


async def _report(work: Work, network: Network, one: Judged, doubted: Doubt | None) -> set[int]:
    """One device's transitions in a savepoint. What goes wrong with one leaves the others, and its memory is
    put back, so that the next poll finds it again."""
    device_id = one.watched.device_id
    try:
        async with work.session.begin_nested():
            return (await report(work, network.profiles, device_id, one.transitions, doubted)).look_at
    except Exception:
        log.exception("network_report_failed", device_id=device_id)
        memory = orjson.dumps(one.watched.memory.to_json()).decode()
        await work.session.execute(_PUT_BACK, {"id": device_id, "memory": memory})
        return set()


_PUT_BACK = text("UPDATE network_watches SET memory = CAST(:memory AS jsonb) WHERE device_id = :id")


_LOCK_DEVICES = text("SELECT id FROM network_devices WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
"""Everybody locks a device before its watch: reports, edits, discoveries."""
_KEEP = text(
    """
    UPDATE network_watches AS w SET
        lease = NULL, leased_until = NULL,
        next_poll_at = CASE WHEN w.next_poll_at IS NULL THEN NULL
            WHEN w.next_poll_at > w.leased_until - CAST(:lasts AS interval)
            THEN least(w.next_poll_at, r.next_poll_at) ELSE r.next_poll_at END,
        is_slow = r.is_slow,
        next_discovery_at = coalesce(r.next_discovery_at, w.next_discovery_at),
        reach = coalesce(r.reach, w.reach),
        reach_since = CASE WHEN r.reach <> w.reach THEN r.polled_at ELSE w.reach_since END,
        snmp = coalesce(r.snmp, w.snmp),
        snmp_since = CASE WHEN r.snmp <> w.snmp THEN r.polled_at ELSE w.snmp_since END,
        polled_at = r.polled_at,
        answered_at = CASE WHEN r.answered THEN r.polled_at ELSE w.answered_at END,
        memory = r.memory,
        counters = coalesce(r.counters, w.counters),
        current = coalesce(r.current, w.current),
        current_hash = coalesce(r.current_hash, w.current_hash),
        last_values = coalesce(r.last_values, w.last_values),
        engine_id = coalesce(decode(r.engine_id, 'hex'), w.engine_id),
        max_repetitions = coalesce(r.max_repetitions, w.max_repetitions)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
        device_id bigint, next_poll_at timestamptz, is_slow boolean, next_discovery_at timestamptz,
        reach smallint, snmp smallint, polled_at timestamptz, answered boolean, memory jsonb, counters jsonb,
        current jsonb, current_hash bigint, last_values double precision[], engine_id text,
        max_repetitions smallint)
    WHERE w.device_id = r.device_id AND w.lease = :lease
    RETURNING w.device_id
    """
)

_KEEP_FACTS = text(
    """
    INSERT INTO asset_facts (asset_id, name, value, as_of, source, received_at)
    SELECT asset_id, name, value, as_of, 'snmp', :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS r(asset_id bigint, name text, value jsonb, as_of timestamptz)
    ON CONFLICT (asset_id, name) DO UPDATE
    SET value = excluded.value, as_of = excluded.as_of, source = excluded.source,
        received_at = excluded.received_at
    WHERE asset_facts.as_of <= excluded.as_of
    """
)


async def keep(work: Work, lease: str, judged: Sequence[Judged]) -> frozenset[int]:
    """States, schedules, facts and samples of a batch, each in one statement; the devices that the lease
    still held. What comes after a lease ran out is thrown away: somebody else has looked since.
    """
    if not judged:
        return frozenset()
    connection = work.connection
    assert connection is not None
    rows = orjson.dumps([one.row() for one in judged]).decode()
    told = sorted(one.watched.device_id for one in judged if one.transitions)
    if told:
        await connection.execute(_LOCK_DEVICES, {"ids": told})
    values = {"lease": lease, "rows": rows, "lasts": LEASE}
    kept = frozenset((await connection.execute(_KEEP, values)).scalars())
    judged = [one for one in judged if one.watched.device_id in kept]
    facts = await _facts(work, judged)
    if facts:
        await connection.execute(_KEEP_FACTS, {"now": work.now, "rows": orjson.dumps(facts).decode()})
    samples = [(one.watched.device_id, one.at, one.values) for one in judged if one.values]
    if samples:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await store_samples(raw, samples)
    return kept


async def _facts(work: Work, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """What a batch says of assets, each fact once, the newest: in one order, so that two batches that keep
    the same facts wait for each other and never in a circle."""
    told = {
        (asset_id, name): {"asset_id": asset_id, "name": name, "value": value, "as_of": one.at}
        for one in sorted(judged, key=lambda one: one.at)
        for asset_id, facts in one.facts.items()
        for name, value in facts.items()
    }
    rooms = {place for one in judged if (place := room_to_tell(one)) is not None}
    if rooms:
        told |= {(row["asset_id"], row["name"]): row for row in await room_facts(work, rooms)}
    return [told[key] for key in sorted(told)]


async def place(resources: Resources, judged: Sequence[Judged]) -> None:
    """Give every number its place in the device's sample. New ones get theirs in a transaction of their own:
    what is remembered here has been committed."""
    missing: dict[int, list[tuple[str, str, str]]] = {}
    for one in judged:
        new = one.unplaced()
        if new:
            missing[one.watched.device_id] = new
    if missing:
        async with resources.begin(SYSTEM) as work:
            placed = await ensure_series(work.session, missing)
        for one in judged:
            one.watched.planned.place(placed.get(one.watched.device_id, {}))
    for one in judged:
        one.values = one.as_sample()
