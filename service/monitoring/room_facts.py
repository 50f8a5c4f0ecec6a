"""How the access point of a room is, as facts of the devices that belong into that room."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import text

from integrations.snmp.reading import DeviceKind
from service.core.work import Eyes
from service.monitoring.models import NetworkDevice
from service.places.models import Place, PlaceKind

_DEVICES: Any = NetworkDevice.__table__.c
_PLACES: Any = Place.__table__.c
_CODES: Final = {
    "access_point": _DEVICES.kind.type.code(DeviceKind.ACCESS_POINT),
    "room": _PLACES.kind.type.code(PlaceKind.ROOM),
}
_ROOMS: Final = text(
    """
    SELECT a.id AS asset_id, f.name, f.value, best.polled_at AS as_of
    FROM (
        SELECT DISTINCT ON (d.place_id) d.place_id, w.reach, w.polled_at,
            CASE WHEN w.reach = 2 THEN w.current->'clients' END AS clients
        FROM network_devices AS d
        JOIN network_watches AS w ON w.device_id = d.id AND w.reach IN (2, 3) AND w.polled_at IS NOT NULL
        JOIN places AS p ON p.id = d.place_id AND p.kind = :room
        WHERE d.place_id = ANY(:places) AND d.kind = :access_point
        ORDER BY d.place_id, w.reach, d.id
    ) AS best
    JOIN assets AS a ON a.place_id = best.place_id
    CROSS JOIN LATERAL (VALUES ('net.ap.status', to_jsonb(CASE best.reach WHEN 2 THEN 'up' ELSE 'down' END)),
        ('net.ap.clients', best.clients)) AS f(name, value)
    WHERE f.value IS NOT NULL AND (CAST(:asset AS bigint) IS NULL OR a.id = :asset)
        AND NOT EXISTS (SELECT FROM network_devices AS own
            WHERE own.asset_id = a.id AND own.kind = :access_point)
    """
)
"""Of several access points of a room one that is up tells. One that is an asset itself tells its own."""


async def room_facts(
    eyes: Eyes, places: Collection[str], asset_id: int | None = None
) -> list[dict[str, Any]]:
    """`net.ap.status` and `net.ap.clients` of the assets of these rooms, or of one of them: rows of asset_id,
    name, value, as_of. A school or a building is no room.
    """
    values = {"places": sorted(places), "asset": asset_id, **_CODES}
    return [dict(row._mapping) for row in await eyes.db.execute(_ROOMS, values)]
