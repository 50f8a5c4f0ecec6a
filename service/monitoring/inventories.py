"""What devices were found to have, read for people and integrations: ports, access points, and the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from service.core.errors import Invalid, NotFound, require
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.monitoring import parts
from service.monitoring.access import SEES, may_see_network
from service.monitoring.models import NetworkDevice, NetworkLink, NetworkMac, NetworkWatch
from service.monitoring.parts import AccessPointShown, Behind, Inventory, PortShown, Summary

Neighbour = aliased(NetworkDevice)


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=Keyed)


async def summary(eyes: Eyes, device_id: int) -> Summary:
    """How many of what a device has. NotFound."""
    kept = await _kept(eyes, device_id)
    return parts.summary_of(kept.inventory, kept.current)


async def inventory(eyes: Eyes, device_id: int) -> Inventory:
    """Its parts but for ports and access points; empty before its first discovery. NotFound."""
    kept = await _kept(eyes, device_id)
    return parts.inventory_of(kept.inventory, kept.current)


async def ports_page(
    eyes: Eyes, device_id: int, *, limit: int = 50, cursor: str | None = None
) -> Page[PortShown]:
    """Its ports in its own order, with what was found behind each. NotFound."""
    kept = await _kept(eyes, device_id)
    rows, more = _after(parts.port_rows(kept.inventory), cursor, limit)
    keys = [row["key"] for row in rows]
    behind, macs = await _behind(eyes, device_id, keys), await _macs(eyes, device_id, keys)
    important = set(kept.important_ports)
    shown = [
        parts.port_shown(
            row, kept.current, behind[row["key"]], row["key"] in important, macs.get(row["key"], 0)
        )
        for row in rows
    ]
    return _page(shown, more)


async def access_points_page(
    eyes: Eyes, device_id: int, *, limit: int = 50, cursor: str | None = None
) -> Page[AccessPointShown]:
    """The access points that a controller knows. NotFound."""
    kept = await _kept(eyes, device_id)
    rows, more = _after(parts.access_point_rows(kept.inventory), cursor, limit)
    return _page([parts.access_point_shown(row, kept.current) for row in rows], more)


def part_cursor(part: Keyed) -> str:
    return cursor_of(part.key)


async def _kept(eyes: Eyes, device_id: int) -> Any:
    require(may_see_network(eyes.actor), SEES)
    query = (
        select(NetworkDevice.inventory, NetworkDevice.important_ports, NetworkWatch.current)
        .outerjoin(NetworkWatch, NetworkWatch.device_id == NetworkDevice.id)
        .where(NetworkDevice.id == device_id)
    )
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such network device.")
    return row


def _after(rows: Sequence[Any], cursor: str | None, limit: int) -> tuple[Sequence[Any], bool]:
    """The rows of a page, and whether there are more."""
    start = 0
    if (key := key_of(cursor, 1)) is not None:
        places = [n for n, row in enumerate(rows) if row["key"] == key[0]]
        if not places:
            raise Invalid.field("cursor", "What this page begins after is gone. Start again.", "bad_cursor")
        start = places[0] + 1
    return rows[start : start + limit], len(rows) > start + limit


def _page(shown: Sequence[K], more: bool) -> Page[K]:
    return Page(shown, part_cursor(shown[-1]) if more else None)


async def _behind(eyes: Eyes, device_id: int, keys: Collection[str]) -> dict[str, list[Behind]]:
    query = (
        select(
            NetworkLink.port_key,
            NetworkLink.protocol,
            NetworkLink.neighbour_id,
            func.coalesce(Neighbour.name, NetworkLink.described["name"].astext).label("name"),
            NetworkLink.neighbour_port,
            NetworkLink.is_uplink,
        )
        .outerjoin(Neighbour, Neighbour.id == NetworkLink.neighbour_id)
        .where(NetworkLink.device_id == device_id, NetworkLink.port_key.in_(keys))
        .order_by(NetworkLink.port_key, NetworkLink.rank)
    )
    found: dict[str, list[Behind]] = defaultdict(list)
    for row in (await eyes.db.execute(query)).all():
        found[row.port_key].append(
            Behind(row.protocol, row.neighbour_id, row.name, row.neighbour_port, row.is_uplink)
        )
    return found


async def _macs(eyes: Eyes, device_id: int, keys: Collection[str]) -> dict[str, int]:
    query = (
        select(NetworkMac.port_key, func.count())
        .where(NetworkMac.device_id == device_id, NetworkMac.port_key.in_(keys))
        .group_by(NetworkMac.port_key)
    )
    return {row[0]: row[1] for row in (await eyes.db.execute(query)).all()}
