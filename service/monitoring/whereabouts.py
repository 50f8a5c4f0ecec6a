"""What hangs on what, and where a MAC was last found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from service.core.errors import Invalid, NotFound, require
from service.core.work import Eyes
from service.monitoring.access import SEES, may_see_network
from service.monitoring.models import NetworkDevice, NetworkLink, NetworkMac, NetworkParent, NetworkWatch
from service.places.models import Place

MOST_NODES: Final = 5_000
MOST_LINKS: Final = 20_000
log = structlog.get_logger()
Neighbour = aliased(NetworkDevice)
School = aliased(Place)


@dataclass(frozen=True, slots=True)
class Topology:
    """Devices, what was found at their ports, and what they hang on. `complete` is False where a district has
    more than 5,000 devices or 20,000 links: ask school by school.
    """

    nodes: Sequence[Any]
    links: Sequence[Any]
    parents: Sequence[Any]
    complete: bool


async def topology(eyes: Eyes, school_id: str | None = None) -> Topology:
    """The network of a school, with links and parents that lead out of it; or the whole district's."""
    require(may_see_network(eyes.actor), SEES)
    here = [NetworkDevice.school_id == school_id] if school_id is not None else []
    nodes = (
        select(
            NetworkDevice.id,
            NetworkDevice.name,
            NetworkDevice.kind,
            NetworkDevice.school_id,
            NetworkDevice.is_root,
            NetworkWatch.reach,
        )
        .outerjoin(NetworkWatch, NetworkWatch.device_id == NetworkDevice.id)
        .where(*here)
        .order_by(NetworkDevice.id)
    )
    links = (
        select(
            NetworkLink.device_id,
            NetworkLink.port_key.label("port"),
            NetworkLink.neighbour_id,
            func.coalesce(Neighbour.name, NetworkLink.described["name"].astext).label("neighbour_name"),
            NetworkLink.neighbour_port,
            NetworkLink.protocol,
            NetworkLink.is_uplink.label("uplink"),
            NetworkLink.seen_at,
        )
        .join(NetworkDevice, NetworkDevice.id == NetworkLink.device_id)
        .outerjoin(Neighbour, Neighbour.id == NetworkLink.neighbour_id)
        .where(*here)
        .order_by(NetworkLink.device_id, NetworkLink.port_key, NetworkLink.rank)
    )
    parents = (
        select(
            NetworkParent.device_id,
            NetworkParent.parent_id,
            NetworkParent.parent_port.label("port"),
            NetworkParent.by_hand,
        )
        .join(NetworkDevice, NetworkDevice.id == NetworkParent.device_id)
        .where(*here)
        .order_by(NetworkParent.device_id, NetworkParent.parent_id, NetworkParent.parent_port)
    )
    found = [
        await _bounded(eyes, query, most)
        for query, most in ((nodes, MOST_NODES), (links, MOST_LINKS), (parents, MOST_LINKS))
    ]
    return Topology(found[0][0], found[1][0], found[2][0], all(whole for _, whole in found))


async def _bounded(eyes: Eyes, query: Any, most: int) -> tuple[Sequence[Any], bool]:
    rows = (await eyes.db.execute(query.limit(most + 1))).all()
    return rows[:most], len(rows) <= most


async def mac_location(eyes: Eyes, mac: str) -> Any:
    """The port on which a MAC was last found, closest to it. NotFound.

    A MAC stands for somebody's device, and its port for a room: each look is logged with who looked, never
    with the MAC.
    """
    require(may_see_network(eyes.actor), SEES)
    query = (
        select(
            NetworkMac.mac,
            NetworkMac.device_id,
            NetworkDevice.name.label("device_name"),
            Place.name.label("place_name"),
            School.name.label("school_name"),
            NetworkMac.port_key.label("port"),
            NetworkMac.vlan,
            NetworkMac.address,
            NetworkMac.seen_at,
        )
        .join(NetworkDevice, NetworkDevice.id == NetworkMac.device_id)
        .outerjoin(Place, Place.id == NetworkDevice.place_id)
        .outerjoin(School, School.id == NetworkDevice.school_id)
        .where(NetworkMac.mac == written(mac))
    )
    row = (await eyes.db.execute(query)).one_or_none()
    who = eyes.actor
    log.info("network_mac_looked_up", person_id=who.person_id, token_id=who.token_id, found=row is not None)
    if row is None:
        raise NotFound("This MAC was not seen on any switch that is watched.")
    return row


def written(mac: str) -> str:
    """A MAC as it is kept, `aa:bb:cc:dd:ee:ff`, from any usual way of writing it. Invalid."""
    digits = mac.lower().translate({ord(mark): None for mark in ":-. "})
    if len(digits) != 12 or not set(digits) <= set("0123456789abcdef"):
        raise Invalid.field("mac", "A MAC has 12 hexadecimal digits, as in 00:1b:21:3c:9d:f8.", "bad_mac")
    return ":".join(digits[n : n + 2] for n in range(0, 12, 2))
