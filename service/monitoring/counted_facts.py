"""Facts of an asset that no single look tells: counted over time, or over other devices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import text

from integrations.snmp.reading import DeviceKind
from service.assets.facts import FactIn
from service.assets.models import Asset, AssetKind
from service.core.work import Eyes
from service.monitoring.internet_line import line_use
from service.monitoring.models import NetworkDevice
from service.monitoring.port_finding import PortPlace, port_of_asset

AN_HOUR: Final = timedelta(hours=1)
SEVEN_DAYS: Final = timedelta(days=7)
_DEVICES: Any = NetworkDevice.__table__.c
_ASSETS: Any = Asset.__table__.c
_ERRORS: Final = text(
    """
    SELECT sum(e.errors * e.seconds) / sum(e.seconds) * 3600 AS hourly, max(e.at) AS as_of
    FROM (
        SELECT s.at, extract(epoch FROM s.at - lag(s.at) OVER (ORDER BY s.at)) AS seconds,
            (SELECT sum(s."values"[n.position]) FROM network_series AS n
                WHERE n.device_id = :device AND n.instance = :port
                    AND n.metric IN ('port.in_errors', 'port.out_errors')) AS errors
        FROM network_samples AS s
        WHERE s.device_id = :device AND s.at > :earlier AND s.at <= :now
    ) AS e
    WHERE e.at > :since AND e.errors IS NOT NULL AND e.seconds > 0
    """
)
"""A sample's rate is that since the sample before it, however long ago that was."""
_JAMS: Final = text(
    """
    SELECT coalesce(sum(1 + f.flaps), 0) AS jams FROM network_devices AS d
    LEFT JOIN network_faults AS f ON f.device_id = d.id AND f."check" = 'printer.jammed'
        AND f.opened_at > :since
    WHERE d.asset_id = :asset AND d.kind = :printer AND d.watched AND d.created_at <= :since
    GROUP BY d.id
    """
)
_SEEN_AT: Final = text(
    """
    SELECT bool_and(m.address = d.address) AS matches, max(m.seen_at) AS as_of
    FROM network_devices AS d JOIN network_watches AS w ON w.device_id = d.id,
        jsonb_path_query(d.inventory, '$.ports[*].mac') AS own
    JOIN network_macs AS m ON m.mac = lower(own #>> '{}') AND m.address IS NOT NULL
    WHERE d.asset_id = :asset AND d.kind = :printer AND w.answered_at < m.seen_at
    HAVING count(*) > 0
    """
)
"""Where a printer that has not answered since was seen by whoever forwards for it."""
_PHONES: Final = text(
    """
    SELECT count(*) FILTER (WHERE w.reach = 3) AS down, min(w.polled_at) AS as_of
    FROM assets AS a
    JOIN network_devices AS d ON d.school_id = a.school_id AND d.kind = :phone AND d.watched
        AND d.asset_id IS DISTINCT FROM a.id
    JOIN network_watches AS w ON w.device_id = d.id AND w.polled_at IS NOT NULL AND w.reach IN (2, 3)
    WHERE a.id = :asset AND a.kind = :desk_phone
    HAVING count(*) > 0
    """
)


async def counted_facts(eyes: Eyes, asset_id: int) -> list[FactIn]:
    """`net.port_errors`, `net.wan_use_percent`, `printer.jams_7d`, `printer.address_matches` and
    `phone.others_down`: those that what was measured and found can tell.
    """
    found = (
        await _port_errors(eyes, asset_id),
        await line_use(eyes, asset_id),
        await _jams(eyes, asset_id),
        await _seen_at(eyes, asset_id),
        await _phones(eyes, asset_id),
    )
    return [fact for fact in found if fact is not None]


async def _port_errors(eyes: Eyes, asset_id: int) -> FactIn | None:
    """Errors in and out on the port that it hangs on, at the rate of the last hour."""
    place = await port_of_asset(eyes, asset_id)
    if not isinstance(place, PortPlace):
        return None
    hours = {"earlier": eyes.now - 2 * AN_HOUR, "since": eyes.now - AN_HOUR, "now": eyes.now}
    row = await _one(eyes, _ERRORS, {"device": place.device_id, "port": place.port_key, **hours})
    if row.hourly is None:
        return None
    return FactIn(name="net.port_errors", value=round(row.hourly), as_of=row.as_of)


async def _jams(eyes: Eyes, asset_id: int) -> FactIn | None:
    """Each return of a jam counts as one. A printer that is not watched for so long tells nothing."""
    printer = _DEVICES.kind.type.code(DeviceKind.PRINTER)
    values = {"asset": asset_id, "since": eyes.now - SEVEN_DAYS, "printer": printer}
    row = await _one(eyes, _JAMS, values)
    return None if row is None else FactIn(name="printer.jams_7d", value=int(row.jams), as_of=eyes.now)


async def _seen_at(eyes: Eyes, asset_id: int) -> FactIn | None:
    values = {"asset": asset_id, "printer": _DEVICES.kind.type.code(DeviceKind.PRINTER)}
    row = await _one(eyes, _SEEN_AT, values)
    return None if row is None else FactIn(name="printer.address_matches", value=row.matches, as_of=row.as_of)


async def _phones(eyes: Eyes, asset_id: int) -> FactIn | None:
    """As old as the oldest of the looks at them."""
    values = {
        "asset": asset_id,
        "phone": _DEVICES.kind.type.code(DeviceKind.PHONE),
        "desk_phone": _ASSETS.kind.type.code(AssetKind.PHONE),
    }
    row = await _one(eyes, _PHONES, values)
    return None if row is None else FactIn(name="phone.others_down", value=row.down, as_of=row.as_of)


async def _one(eyes: Eyes, query: Any, values: Mapping[str, Any]) -> Any:
    return (await eyes.db.execute(query, dict(values))).first()
