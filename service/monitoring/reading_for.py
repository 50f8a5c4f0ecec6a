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
from service.monitoring.asked_facts import ask_all, questions
from service.monitoring.commanding import keep_port_facts
from service.monitoring.counted_facts import counted_facts
from service.monitoring.judging import reach_facts
from service.monitoring.models import NetworkDevice
from service.monitoring.network import Network
from service.monitoring.polling import LEASE, poll
from service.monitoring.room_facts import room_facts

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
UP = 2
_OWN = text(
    """
    SELECT d.kind, w.reach, w.polled_at, w.current->'clients' AS clients FROM network_devices AS d
    JOIN network_watches AS w ON w.device_id = d.id
    WHERE d.asset_id = :asset AND w.polled_at IS NOT NULL AND w.reach IN (2, 3)
    """
)
_KINDS: Any = NetworkDevice.__table__.c.kind.type
_ACCESS_POINT = int(_KINDS.code(DeviceKind.ACCESS_POINT))


async def read_device(resources: Resources, network: Network, asset_id: int) -> None:
    """Poll the asset's own device, the switch it hangs on and the access points of its room, ask what polls
    leave out, and keep what all of them say of the asset. A device that somebody else is polling just now is
    not polled twice."""
    lease = uuid.uuid4().hex
    async with resources.begin(SYSTEM) as work:
        ids = (
            await work.session.scalars(_CONCERNED, {"asset": asset_id, "access_point": _ACCESS_POINT})
        ).all()
        values = {"ids": list(ids), "lease": lease, "now": work.now, "until": work.now + LEASE}
        taken = (await work.session.scalars(_LEASE, values)).all()
    if taken:
        await poll(resources, network, lease, sorted(taken))
    async with resources.read(SYSTEM) as read:
        asked = await questions(read, network, asset_id)
    answered = await ask_all(network.transport, asked, resources.clock)
    async with resources.begin(SYSTEM) as work:
        asset = await work.session.get(Asset, asset_id)
        if asset is not None:
            await keep_about(work, asset)
            await keep_port_facts(work, asset_id)
            facts = [*await counted_facts(work, asset_id), *answered]
            if facts:
                await keep_facts(work, asset_id, "snmp", facts)


async def keep_about(work: Work, asset: Asset) -> None:
    """Whether the device answers, and how the room's access point is."""
    facts = []
    own = (await work.session.execute(_OWN, {"asset": asset.id})).first()
    if own is not None:
        told = reach_facts(list(DeviceKind)[own.kind - 1], own.reach == UP)
        if own.kind == _ACCESS_POINT and own.reach == UP and own.clients is not None:
            told["net.ap.clients"] = own.clients
        facts += [FactIn(name=name, value=value, as_of=own.polled_at) for name, value in told.items()]
    if asset.place_id is not None:
        room = await room_facts(work, [asset.place_id], asset.id)
        facts += [FactIn(name=one["name"], value=one["value"], as_of=one["as_of"]) for one in room]
    if facts:
        await keep_facts(work, asset.id, "snmp", facts)
