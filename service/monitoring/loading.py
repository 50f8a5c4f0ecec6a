"""Leased devices as a poll needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import text

from integrations.snmp.reading import DeviceKind
from integrations.snmp.storing import reading_from_json
from integrations.snmp.target import Credential, Target
from integrations.snmp.understanding import poll_plan
from service.core.vault import KeyMissing
from service.core.work import Eyes
from service.monitoring.asking import opened
from service.monitoring.judging import Watched
from service.monitoring.memory import Memory
from service.monitoring.models import ReachBy, SnmpCredential
from service.monitoring.network import Network
from service.monitoring.planned import Planned
from service.monitoring.specs import profile_of

log = structlog.get_logger()

_LEASED = text(
    """
    SELECT d.id, d.address, d.port, d.asset_id, d.profile, d.credential_id, d.reach_by, d.reach_port,
        d.important_ports, d.discovered_at, d.place_id, w.reach, w.memory, w.counters, w.current_hash,
        w.engine_id, w.max_repetitions, children.assets, children.needed, own.port_up
    FROM network_watches AS w
    JOIN network_devices AS d ON d.id = w.device_id
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(p.port, p.assets) FILTER (WHERE p.assets IS NOT NULL) AS assets,
            array_agg(p.port) FILTER (WHERE p.is_needed) AS needed
        FROM (
            SELECT np.parent_port AS port, bool_or(c.kind = ANY(:gear)) AS is_needed,
                jsonb_agg(c.asset_id) FILTER (WHERE c.asset_id IS NOT NULL) AS assets
            FROM network_parents AS np JOIN network_devices AS c ON c.id = np.device_id
            WHERE np.parent_id = d.id GROUP BY np.parent_port) AS p
    ) AS children ON true
    LEFT JOIN LATERAL (
        SELECT bool_or(pw.current->'ports'->np.parent_port->>1 = 'up') AS port_up
        FROM network_parents AS np JOIN network_watches AS pw ON pw.device_id = np.parent_id
        WHERE np.device_id = d.id AND pw.current->'ports' ? np.parent_port
            AND pw.reach = 2 AND pw.answered_at = pw.polled_at
    ) AS own ON true
    WHERE w.device_id = ANY(:ids) AND w.lease = :lease AND w.leased_until > :now AND d.watched
        AND d.discovered_at IS NOT NULL
    ORDER BY d.id
    """
)
_INVENTORY = text("SELECT id, inventory, rows FROM network_devices WHERE id = ANY(:ids)")
_POSITIONS = text(
    "SELECT device_id, metric, instance, position FROM network_series WHERE device_id = ANY(:ids)"
)


async def load_leased(eyes: Eyes, network: Network, lease: str, ids: Sequence[int]) -> list[Watched]:
    """What the lease still holds. A device without a credential comes without a target; one whose credential
    no key of ours opens is left alone: that says something of this host, not of the device.
    """
    values = {"ids": list(ids), "lease": lease, "now": eyes.now, "gear": _GEAR}
    rows = (await eyes.db.execute(_LEASED, values)).all()
    await _plan(eyes, network, rows)
    secrets = await _credentials(eyes, network, {row.credential_id for row in rows})
    usable = [row for row in rows if row.credential_id is None or row.credential_id in secrets]
    made = (_readable(network, row, secrets.get(row.credential_id)) for row in usable)
    return [watched for watched in made if watched is not None]


def _readable(network: Network, row: Any, credential: Credential | None) -> Watched | None:
    """None for what cannot be read, which must not take the others of its batch with it."""
    try:
        return _watched(network, row, credential)
    except Exception:
        log.exception("network_device_unreadable", device_id=row.id)
        return None


def _watched(network: Network, row: Any, credential: Credential | None) -> Watched:
    planned = network.plans.get((row.id, row.discovered_at))
    assert planned is not None
    return Watched(
        device_id=row.id,
        address=row.address,
        asset_id=row.asset_id,
        profile=profile_of(network.profiles, row.profile),
        planned=planned,
        target=_target(network, row, credential),
        reach_by=_REACH_BY[row.reach_by - 1],
        reach_port=row.reach_port,
        memory=Memory.from_json(row.memory),
        counters=row.counters,
        current_hash=row.current_hash,
        children=row.assets or {},
        counting_ports=frozenset(row.important_ports) | frozenset(row.needed or ()),
        port_up=row.port_up,
        discovered_at=row.discovered_at,
        place_id=row.place_id,
        reach=row.reach,
    )


_GEAR = [
    list(DeviceKind).index(kind) + 1
    for kind in (
        DeviceKind.SWITCH,
        DeviceKind.ROUTER,
        DeviceKind.FIREWALL,
        DeviceKind.ACCESS_POINT,
        DeviceKind.WIRELESS_CONTROLLER,
        DeviceKind.SERVER,
        DeviceKind.STORAGE,
    )
]
"""What is never switched off by whoever leaves the room: a lost link to one of these is news by itself."""
_REACH_BY = [member.value for member in ReachBy]


def _target(network: Network, row: Any, credential: Credential | None) -> Target | None:
    if credential is None:
        return None
    return Target(
        address=row.address,
        port=row.port,
        credential=credential,
        timeout=network.timeout,
        retries=network.retries,
        engine_id=row.engine_id,
        max_repetitions=row.max_repetitions,
    )


async def _plan(eyes: Eyes, network: Network, rows: Sequence[Any]) -> None:
    """Make the plans that this process has not made since the devices were discovered last."""
    missing = {row.id: row for row in rows if network.plans.get((row.id, row.discovered_at)) is None}
    if not missing:
        return
    ids = {"ids": list(missing)}
    places: dict[int, dict[tuple[str, str], int]] = {}
    for device_id, metric, instance, position in await eyes.db.execute(_POSITIONS, ids):
        places.setdefault(device_id, {})[metric, instance] = position
    for device_id, inventory, table_rows in (await eyes.db.execute(_INVENTORY, ids)).all():
        row = missing[device_id]
        profile = profile_of(network.profiles, row.profile)
        known = reading_from_json(inventory or {"profile": profile.name})
        planned = Planned(poll_plan(profile, table_rows or {}, known), places.get(device_id, {}))
        network.plans.put((device_id, row.discovered_at), planned)


async def _credentials(eyes: Eyes, network: Network, ids: set[int | None]) -> dict[int, Credential]:
    """Opened once for as long as they are not changed."""
    wanted = [credential_id for credential_id in ids if credential_id is not None]
    if not wanted:
        return {}
    found: dict[int, Credential] = {}
    table = SnmpCredential.__table__
    changed = (await eyes.db.execute(table.select().where(table.c.id.in_(wanted)))).all()
    for row in changed:
        known = network.credentials.get((row.id, row.changed_at))
        if known is None:
            try:
                known = opened(network.vault, row).credential
            except KeyMissing:
                log.warning("credential_cannot_be_opened", credential=row.name)
                continue
            network.credentials.put((row.id, row.changed_at), known)
        found[row.id] = known
    return found
