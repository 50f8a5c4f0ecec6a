"""What stands around a device: the parents that it hangs on, maintenance, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import text

from service.core.work import Eyes
from service.monitoring.lineage import uplinks
from service.monitoring.memory import Memory, Standing
from service.monitoring.rules import UNREACHABLE
from service.monitoring.settling import ParentState, Surroundings

PORT_DOWN = "port.down"

_ABOVE = text(
    """
    WITH RECURSIVE above AS (
        SELECT np.device_id, np.parent_id, np.parent_port FROM network_parents AS np WHERE np.device_id = :id
        UNION
        SELECT np.device_id, np.parent_id, np.parent_port
        FROM network_parents AS np JOIN above ON np.device_id = above.parent_id
    )
    SELECT above.device_id, above.parent_id, w.memory, w.link,
        EXISTS (SELECT FROM network_faults AS f WHERE f.device_id = above.parent_id AND f.resolved_at IS NULL
            AND f."check" = 'port.down' AND f.instance = above.parent_port) AS port_down
    FROM above, LATERAL (
        SELECT memory, current->'ports'->above.parent_port->>1 AS link
        FROM network_watches WHERE device_id = above.parent_id OFFSET 0) AS w
    LIMIT 500
    """
)
"""Watches are wide: `OFFSET 0` has a few looked up instead of all read."""
_IN_MAINTENANCE = text(
    """
    SELECT d.id FROM network_devices AS d
    JOIN network_maintenances AS m ON m.cancelled_at IS NULL AND m.starts_at <= :now AND m.ends_at > :now
        AND (m.device_id = d.id OR m.school_id = d.school_id OR (m.device_id IS NULL AND m.school_id IS NULL))
    WHERE d.id = ANY(:ids)
    """
)
_ON_PORT = text("SELECT device_id FROM network_parents WHERE parent_id = :id AND parent_port = :port")
_BEHIND = text(
    """
    WITH RECURSIVE below AS (
        SELECT np.device_id FROM network_parents AS np
        WHERE np.parent_id = :id AND (CAST(:port AS text) IS NULL OR np.parent_port = :port)
        UNION
        SELECT np.device_id FROM network_parents AS np JOIN below ON np.parent_id = below.device_id
    )
    SELECT d.name FROM below JOIN network_devices AS d ON d.id = below.device_id
    WHERE d.id <> :id ORDER BY d.name, d.id LIMIT 1000
    """
)


async def surroundings(
    eyes: Eyes, device_id: int, memory: Memory, suspect: Literal["itself", "uplink"] | None
) -> Surroundings:
    """What decides whether a fault of this device is its own."""
    rows = (await eyes.db.execute(_ABOVE, {"id": device_id})).all()
    above: dict[int, list[int]] = {}
    for row in rows:
        above.setdefault(row.device_id, []).append(row.parent_id)
    silenced = await in_maintenance(eyes, {device_id, *(row.parent_id for row in rows)})
    own = set(uplinks(device_id, above))
    covered = device_id in silenced or (bool(own) and all(_silenced(one, above, silenced) for one in own))
    parents = tuple(
        _parent(row, silenced) for row in rows if row.device_id == device_id and row.parent_id in own
    )
    return Surroundings(
        now=eyes.now,
        parents=parents,
        in_maintenance=covered,
        suspect=suspect,
        is_reached=memory.standing is Standing.UP,
    )


def _parent(row: Any, silenced: frozenset[int]) -> ParentState:
    """A parent whose port has lost its link is as good as down for what hangs on that port; while that is
    only suspected, nobody knows."""
    memory = Memory.from_json(row.memory)
    if row.port_down:
        state = Standing.DOWN
    elif row.link not in (None, "up"):
        state = Standing.UNKNOWN
    else:
        state = memory.standing
    return ParentState(row.parent_id, state, memory.pinged_at, row.parent_id in silenced)


def _silenced(one: int, above: dict[int, list[int]], silenced: frozenset[int]) -> bool:
    """Whether every way from here leads through maintenance."""
    seen: set[int] = set()
    ahead = [one]
    while ahead:
        here = ahead.pop()
        if here in silenced or here in seen:
            continue
        seen.add(here)
        higher = above.get(here, [])
        if not higher:
            return False
        ahead += higher
    return True


async def in_maintenance(eyes: Eyes, ids: Iterable[int]) -> frozenset[int]:
    rows = await eyes.db.execute(_IN_MAINTENANCE, {"ids": list(ids), "now": eyes.now})
    return frozenset(row[0] for row in rows)


async def behind(eyes: Eyes, device_id: int, port: str | None = None) -> Sequence[str]:
    """Names of the devices that hang on this one, or on one port of it, directly or not."""
    return [row[0] for row in await eyes.db.execute(_BEHIND, {"id": device_id, "port": port})]


async def is_port_in_maintenance(eyes: Eyes, device_id: int, port: str) -> bool:
    """Whether what hangs on the port is being worked on, so that the link may go."""
    children = await eyes.db.execute(_ON_PORT, {"id": device_id, "port": port})
    return bool(await in_maintenance(eyes, children.scalars()))


__all__ = [
    "PORT_DOWN",
    "UNREACHABLE",
    "behind",
    "in_maintenance",
    "is_port_in_maintenance",
    "surroundings",
]
