"""What hangs on what in the district, from what every device was found to have: links, parents, MACs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from integrations.snmp.reading import Neighbour
from integrations.snmp.storing import reading_from_json
from integrations.snmp.topology import Chart, Seen, chart
from service.core.outbox import enqueue
from service.core.work import Work
from service.monitoring.models import NetworkDevice, NetworkLink, NetworkMac, NetworkParent

BATCH: Final = 200
AT_ONCE: Final = 10_000
SOON: Final = timedelta(seconds=15)
LATER: Final = timedelta(minutes=10)
KEPT: Final = timedelta(days=30)
"""How long a MAC that is seen nowhere any more is remembered."""

_INVENTORIES = text(
    """
    SELECT id, address, kind, is_root, discovered_at, jsonb_build_object(
        'profile', profile, 'identity', coalesce(inventory->'identity', '{}'),
        'ports', coalesce(inventory->'ports', '[]'), 'neighbours', coalesce(inventory->'neighbours', '[]'),
        'learned', coalesce(inventory->'learned', '[]'), 'addresses', coalesce(inventory->'addresses', '[]'),
        'arp', coalesce(inventory->'arp', '[]')) AS inventory
    FROM network_devices WHERE id > :after AND inventory IS NOT NULL AND discovered_at IS NOT NULL
    ORDER BY id LIMIT :most
    """
)
_MACS = text(
    """
    INSERT INTO network_macs AS m (mac, device_id, port_key, vlan, address, seen_at)
    SELECT * FROM unnest(CAST(:macs AS text[]), CAST(:devices AS bigint[]), CAST(:ports AS text[]),
        CAST(:vlans AS integer[]), CAST(:addresses AS text[]), CAST(:seen AS timestamptz[]))
    ON CONFLICT (mac) DO UPDATE SET device_id = excluded.device_id, port_key = excluded.port_key,
        vlan = excluded.vlan, address = coalesce(excluded.address, m.address), seen_at = excluded.seen_at
    WHERE (m.device_id, m.port_key, m.vlan, m.seen_at)
            IS DISTINCT FROM (excluded.device_id, excluded.port_key, excluded.vlan, excluded.seen_at)
        OR (excluded.address IS NOT NULL AND m.address IS DISTINCT FROM excluded.address)
    """
)

LinkKey = tuple[int, str, int]


@dataclass(slots=True)
class District:
    """Every device as it was last read."""

    seen: list[Seen] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    read_at: dict[int, datetime] = field(default_factory=dict)


async def ask_for_chart(work: Work, *, soon: bool = True) -> None:
    """Have the district charted in a while; at most one chart waits, and one that is not urgent."""
    try:
        async with work.session.begin_nested():
            if soon:
                await enqueue(work, "monitoring.chart", at=work.now + SOON, lock="monitoring.chart")
            else:
                await enqueue(work, "monitoring.chart", at=work.now + LATER, lock="monitoring.chart later")
    except AlreadyEnqueued:
        return


async def chart_district(work: Work) -> Chart:
    """Write down links, parents and MACs as the last discoveries tell them. What was set by hand stays."""
    district = await _district(work)
    charted = await asyncio.to_thread(chart, district.seen, district.roots)
    for name in ("network chart", "network parents"):
        await work.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
    here = set((await work.session.scalars(select(NetworkDevice.id))).all())
    await _keep_links(work, _links(district, charted, here))
    await _keep_parents(work, charted, here)
    await _keep_macs(work, district, charted, here)
    return charted


async def _district(work: Work) -> District:
    district = District()
    after = 0
    while True:
        rows = (await work.db.execute(_INVENTORIES, {"after": after, "most": BATCH})).all()
        await asyncio.to_thread(_add, district, rows)
        if len(rows) < BATCH:
            return district
        after = rows[-1].id


def _add(district: District, rows: Sequence[Any]) -> None:
    for row in rows:
        reading = reading_from_json(row.inventory)
        district.seen.append(Seen.of(row.id, row.address, reading))
        district.read_at[row.id] = row.discovered_at
        if row.is_root:
            district.roots.append(row.id)


def _links(district: District, charted: Chart, here: set[int]) -> dict[LinkKey, dict[str, Any]]:
    """Rows of both ends of every link, of neighbours that are not ours, and of ports that lead up unseen."""
    told = _told_by(district)
    names = {one.device_id: one.name for one in district.seen}
    at: defaultdict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for link in charted.links:
        near, far = (link.device_id, link.port_key), (link.neighbour_id, link.neighbour_port)
        for (device, port), (other, other_port) in ((near, far), (far, near)):
            if device in here and other in here:
                described = _described(told.get((device, port), ()), names.get(other))
                at[device, port].append(_row(link.protocol, other, other_port, described))
    for device, port, neighbour in charted.unmanaged:
        if device in here:
            described = _words(neighbour)
            at[device, port].append(_row(neighbour.protocol, None, neighbour.port, described))
    for device, port in charted.uplinks:
        if device in here and (device, port) not in at:
            at[device, port].append(_row("fdb", None, None, {}))
    return {
        (device, port, rank): row
        | {"is_uplink": (device, port) in charted.uplinks, "seen_at": district.read_at[device]}
        for (device, port), rows in at.items()
        for rank, row in enumerate(sorted(rows, key=_order))
    }


def _row(
    protocol: str, neighbour_id: int | None, neighbour_port: str | None, described: dict[str, Any]
) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "neighbour_id": neighbour_id,
        "neighbour_port": neighbour_port or None,
        "described": described,
    }


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Our own devices first; the same order whatever order they came in."""
    return (
        row["neighbour_id"] is None,
        row["neighbour_id"] or 0,
        row["protocol"],
        row["neighbour_port"] or "",
        str(row["described"].get("name")),
        str(row["described"].get("chassis")),
    )


def _told_by(district: District) -> dict[tuple[int, str], list[Neighbour]]:
    """What LLDP and CDP say at each port."""
    told: defaultdict[tuple[int, str], list[Neighbour]] = defaultdict(list)
    for one in district.seen:
        for neighbour in one.neighbours:
            told[one.device_id, neighbour.port_key or neighbour.local_port].append(neighbour)
    return told


def _described(neighbours: Sequence[Neighbour], name: str | None) -> dict[str, Any]:
    """What the port's neighbour said of itself; the one of that name, where several are there."""
    if not neighbours:
        return {}
    best = next((one for one in neighbours if name and one.name == name), neighbours[0])
    return _words(best)


def _words(neighbour: Neighbour) -> dict[str, Any]:
    names = ("name", "chassis", "port", "port_description", "description", "address", "is_bridge")
    said = asdict(neighbour)
    return {name: said[name] for name in names if said[name] is not None}


async def _keep_links(work: Work, wanted: Mapping[LinkKey, Mapping[str, Any]]) -> None:
    kept: dict[LinkKey, dict[str, Any]] = {}
    for row in (await work.db.execute(select(*NetworkLink.__table__.c))).all():
        values = dict(row._mapping)
        key = (values.pop("device_id"), values.pop("port_key"), values.pop("rank"))
        kept[key] = values
    gone = [key for key in kept if key not in wanted]
    for some in _chunks(gone):
        keys = tuple_(NetworkLink.device_id, NetworkLink.port_key, NetworkLink.rank)
        await work.session.execute(delete(NetworkLink).where(keys.in_(some)))
    new = [
        {"device_id": key[0], "port_key": key[1], "rank": key[2], **row}
        for key, row in wanted.items()
        if kept.get(key) != row
    ]
    for rows in _chunks(new, 1_000):
        said = insert(NetworkLink).values(list(rows))
        values = {
            name: said.excluded[name] for name in rows[0] if name not in ("device_id", "port_key", "rank")
        }
        await work.session.execute(
            said.on_conflict_do_update(index_elements=["device_id", "port_key", "rank"], set_=values)
        )


async def _keep_parents(work: Work, charted: Chart, here: set[int]) -> None:
    """Learnt parents, but for devices whose parents somebody set."""
    columns = (
        NetworkParent.device_id,
        NetworkParent.parent_id,
        NetworkParent.parent_port,
        NetworkParent.by_hand,
    )
    rows = (await work.db.execute(select(*columns))).all()
    by_hand = [(row.device_id, row.parent_id) for row in rows if row.by_hand]
    wanted = set(_without_loops(charted, by_hand, here))
    kept = {(row.device_id, row.parent_id, row.parent_port) for row in rows if not row.by_hand}
    for some in _chunks(sorted(kept - wanted)):
        keys = tuple_(NetworkParent.device_id, NetworkParent.parent_id, NetworkParent.parent_port)
        await work.session.execute(
            delete(NetworkParent).where(keys.in_(some), NetworkParent.by_hand.is_(False))
        )
    new = [
        {"device_id": device, "parent_id": parent, "parent_port": port, "by_hand": False}
        for device, parent, port in sorted(wanted - kept)
    ]
    for some in _chunks(new, 1_000):
        await work.session.execute(insert(NetworkParent).values(list(some)).on_conflict_do_nothing())


def _without_loops(
    charted: Chart, by_hand: Sequence[tuple[int, int]], here: set[int]
) -> Iterable[tuple[int, int, str]]:
    """Learnt parents that do not make a device hang on itself by way of what was set by hand."""
    above: defaultdict[int, set[int]] = defaultdict(set)
    for device, parent in by_hand:
        above[device].add(parent)
    set_by_hand = frozenset(above)
    for device in sorted(charted.parents):
        for parent, port in charted.parents[device]:
            if device in set_by_hand or device not in here or parent not in here:
                continue
            if by_hand and _hangs_on(parent, device, above):
                continue
            above[device].add(parent)
            yield device, parent, port


def _hangs_on(device: int, other: int, above: Mapping[int, set[int]]) -> bool:
    waiting, seen = [device], {device}
    while waiting:
        for parent in above.get(waiting.pop(), ()):
            if parent == other:
                return True
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return device == other


async def _keep_macs(work: Work, district: District, charted: Chart, here: set[int]) -> None:
    """Where each MAC is now; where it was last, for those that are nowhere, for 30 days."""
    addresses = {row.mac.lower(): row.address for one in district.seen for row in one.arp}
    places = [(mac, place) for mac, place in sorted(charted.places.items()) if place.device_id in here]
    for some in _chunks(places):
        values = {
            "macs": [mac for mac, _ in some],
            "devices": [place.device_id for _, place in some],
            "ports": [place.port_key for _, place in some],
            "vlans": [place.vlan for _, place in some],
            "addresses": [addresses.get(mac) for mac, _ in some],
            "seen": [district.read_at[place.device_id] for _, place in some],
        }
        await work.db.execute(_MACS, values)
    await work.session.execute(delete(NetworkMac).where(NetworkMac.seen_at < work.now - KEPT))


def _chunks(items: Sequence[Any], size: int = AT_ONCE) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
