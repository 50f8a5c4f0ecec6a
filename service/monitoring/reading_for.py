"""What the network knows of an asset, read anew for a playbook and kept with the asset."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import text

from integrations.snmp.reading import DeviceKind
from service.assets.facts import FactIn, keep_facts
from service.assets.models import Asset
from service.core.actor import SYSTEM
from service.core.work import Resources, Work
from service.monitoring.commanding import keep_port_facts
from service.monitoring.models import NetworkDevice
from service.monitoring.network import Network
from service.monitoring.polling import LEASE, poll

_CONCERNED = text(
    """
    SELECT d.id FROM network_devices AS d WHERE d.asset_id = :asset
    UNION
    SELECT np.parent_id FROM network_parents AS np
    JOIN network_devices AS d ON d.id = np.device_id WHERE d.asset_id = :asset
    UNION
    (SELECT d.id FROM network_devices AS d
    JOIN assets AS a ON a.place_id = d.place_id
    WHERE a.id = :asset AND d.kind = :access_point ORDER BY d.id LIMIT 4)
    """
)
_LEASE = text(
    """
    UPDATE network_watches SET lease = :lease, leased_until = :until
    WHERE device_id = ANY(:ids) AND next_poll_at IS NOT NULL AND (leased_until IS NULL OR leased_until < :now)
    RETURNING device_id
    """
)
_ROOM = text(
    """
    SELECT w.reach, w.polled_at, (w.current->>'clients')::int AS clients
    FROM network_devices AS d JOIN network_watches AS w ON w.device_id = d.id
    JOIN assets AS a ON a.place_id = d.place_id
    WHERE a.id = :asset AND d.kind = :access_point AND w.polled_at IS NOT NULL
    ORDER BY w.reach <> 2, d.id LIMIT 1
    """
)
_OWN = text(
    """
    SELECT d.kind, w.reach, w.polled_at FROM network_devices AS d
    JOIN network_watches AS w ON w.device_id = d.id
    WHERE d.asset_id = :asset AND w.polled_at IS NOT NULL
    """
)
UP, DOWN = 2, 3


def _code(kind: DeviceKind) -> int:
    column: Any = NetworkDevice.__table__.c.kind
    return int(column.type.code(kind))


_ACCESS_POINT = _code(DeviceKind.ACCESS_POINT)
_REACHABLE = {
    _code(DeviceKind.PRINTER): "printer.reachable",
    _code(DeviceKind.PROJECTOR): "av.reachable",
}


async def read_device(resources: Resources, network: Network, asset_id: int) -> None:
    """Poll the asset's own device, the switch it hangs on and the access points of its room, then keep what
    they say of the asset. A device that somebody else is asking just now is not asked twice."""
    lease = uuid.uuid4().hex
    async with resources.begin(SYSTEM) as work:
        ids = (
            await work.session.scalars(_CONCERNED, {"asset": asset_id, "access_point": _ACCESS_POINT})
        ).all()
        values = {"ids": list(ids), "lease": lease, "now": work.now, "until": work.now + LEASE}
        taken = (await work.session.scalars(_LEASE, values)).all()
    if taken:
        await poll(resources, network, lease, sorted(taken))
    async with resources.begin(SYSTEM) as work:
        if await work.session.get(Asset, asset_id) is not None:
            await keep_about(work, asset_id)
            await keep_port_facts(work, asset_id)


async def keep_about(work: Work, asset_id: int) -> None:
    """Whether the device answers, and how the room's access point is."""
    facts = []
    own = (await work.session.execute(_OWN, {"asset": asset_id})).first()
    if own is not None and own.reach in (UP, DOWN):
        name = _REACHABLE.get(own.kind)
        if name is not None:
            facts.append(FactIn(name=name, value=own.reach == UP, as_of=own.polled_at))
    values = {"asset": asset_id, "access_point": _ACCESS_POINT}
    room = (await work.session.execute(_ROOM, values)).first()
    if room is not None and room.reach in (UP, DOWN):
        facts.append(
            FactIn(name="net.ap.status", value="up" if room.reach == UP else "down", as_of=room.polled_at)
        )
        if room.clients is not None and room.reach == UP:
            facts.append(FactIn(name="net.ap.clients", value=room.clients, as_of=room.polled_at))
    if facts:
        await keep_facts(work, asset_id, "snmp", facts)
