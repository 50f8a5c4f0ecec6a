"""How full a school's internet line is, as far as the port that it comes in by can tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text

from integrations.snmp.reading import LinkState, Port
from integrations.snmp.storing import reading_from_json
from integrations.snmp.understanding.ports import is_physical
from service.assets.facts import FactIn
from service.core.work import Eyes

SURE: Final = 90.0
"""Percent of the port from which on its line is certainly full as well. A line may be slower than its port,
so that less of the port says nothing of the line."""
FRESH: Final = timedelta(minutes=15)
_LINE: Final = re.compile(r"\b(wan|internet|isp|outside)", re.IGNORECASE)
_ROOTS: Final = text(
    """
    WITH RECURSIVE above AS (
        SELECT d.id FROM network_devices AS d WHERE d.asset_id = :asset
        UNION
        SELECT np.parent_id FROM network_parents AS np JOIN above ON np.device_id = above.id
    )
    SELECT d.id, d.inventory, w.current->'ports' AS states,
        ARRAY(SELECT np.parent_port FROM network_parents AS np WHERE np.parent_id = d.id
            UNION SELECT l.port_key FROM network_links AS l
            WHERE l.device_id = d.id AND l.neighbour_id IS NOT NULL) AS inner_ports
    FROM above JOIN network_devices AS d ON d.id = above.id AND d.is_root AND d.watched
    JOIN network_watches AS w ON w.device_id = d.id
    WHERE d.inventory IS NOT NULL LIMIT 2
    """
)
_OCTETS: Final = text(
    """
    SELECT s.at AS as_of, (SELECT max(s."values"[n.position]) FROM network_series AS n
        WHERE n.device_id = :device AND n.instance = :port
            AND n.metric IN ('port.in_octets', 'port.out_octets')) AS octets
    FROM network_samples AS s
    WHERE s.device_id = :device AND s.at > :since AND s.at <= :now ORDER BY s.at DESC LIMIT 1
    """
)


async def line_use(eyes: Eyes, asset_id: int) -> FactIn | None:
    """`net.wan_use_percent` where the way to the internet is known and its port is nearly full."""
    roots = (await eyes.db.execute(_ROOTS, {"asset": asset_id})).all()
    if len(roots) != 1:
        return None
    root = roots[0]
    port = line_port(_up(root), root.inner_ports)
    if port is None or not port.speed_mbps:
        return None
    values = {"device": root.id, "port": port.key, "since": eyes.now - FRESH, "now": eyes.now}
    row = (await eyes.db.execute(_OCTETS, values)).first()
    if row is None or row.octets is None:
        return None
    percent = row.octets * 8 / (port.speed_mbps * 1_000_000) * 100
    if percent < SURE:
        return None
    return FactIn(name="net.wan_use_percent", value=round(min(percent, 100)), as_of=row.as_of)


def _up(root: Any) -> list[Port]:
    up = {key for key, (_, oper, _) in (root.states or {}).items() if oper == LinkState.UP}
    return [one for one in reading_from_json(root.inventory).ports if is_physical(one) and one.key in up]


def line_port(ports: Sequence[Port], inner: Collection[str]) -> Port | None:
    """Of a root's ports that are up, the one that leads out: the only one on which none of ours hangs, or the
    only such one that is called so."""
    outer = [port for port in ports if port.key not in inner]
    called = [port for port in outer if _LINE.search(f"{port.name} {port.alias} {port.description}")]
    for found in (called, outer):
        if len(found) == 1:
            return found[0]
    return None
