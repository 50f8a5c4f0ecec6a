"""On which port an asset hangs, and what is known of that port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, text

from integrations.snmp.reading import Port
from integrations.snmp.storing import reading_from_json
from service.core.settings import settings
from service.core.work import Eyes
from service.monitoring.models import (
    NetworkCommand,
    NetworkDevice,
    NetworkLink,
    NetworkMac,
    NetworkParent,
    NetworkWatch,
    SnmpCredential,
)
from service.monitoring.port_rules import Behind, PortVerb, Situation

A_DAY: Final = timedelta(hours=24)
POWER: Final[Mapping[str, str]] = {
    "delivering": "delivering",
    "delivering_power": "delivering",
    "searching": "searching",
    "disabled": "disabled",
    "fault": "fault",
    "other_fault": "fault",
}
DEVICE: Final = [column for column in NetworkDevice.__table__.c if column.name != "rows"]

_OWN_MACS = text(
    """
    SELECT lower(m #>> '{}') FROM network_devices AS d, jsonb_path_query(d.inventory, '$.ports[*].mac') AS m
    WHERE d.id = :device AND m #>> '{}' IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True)
class PortPlace:
    """A port of a device, and the device that hangs on it where one is meant."""

    device_id: int
    port_key: str
    target_id: int | None = None


async def port_of_asset(eyes: Eyes, asset_id: int) -> PortPlace | str:
    """The one port on which the asset's device was last seen, or the sentence that says why there is none."""
    row = (
        await eyes.db.execute(
            select(NetworkDevice.id, NetworkDevice.address).where(NetworkDevice.asset_id == asset_id)
        )
    ).first()
    if row is None:
        return "This device is not known to the network monitor."
    for found in (
        await _by_parents(eyes, row.id),
        await _by_links(eyes, row.id),
        await _by_macs(eyes, row.id, row.address),
    ):
        if len(found) > 1:
            return "The device hangs on more than one port."
        if found:
            device_id, port_key = found.pop()
            return PortPlace(device_id, port_key, row.id)
    return "Nobody knows on which port this device hangs."


async def _by_parents(eyes: Eyes, device_id: int) -> set[tuple[int, str]]:
    query = select(NetworkParent.parent_id, NetworkParent.parent_port).where(
        NetworkParent.device_id == device_id, NetworkParent.parent_port != ""
    )
    return {(row[0], row[1]) for row in (await eyes.db.execute(query)).all()}


async def _by_links(eyes: Eyes, device_id: int) -> set[tuple[int, str]]:
    query = select(NetworkLink.device_id, NetworkLink.port_key).where(NetworkLink.neighbour_id == device_id)
    return {(row[0], row[1]) for row in (await eyes.db.execute(query)).all()}


async def _by_macs(eyes: Eyes, device_id: int, address: str) -> set[tuple[int, str]]:
    macs = list((await eyes.db.execute(_OWN_MACS, {"device": device_id})).scalars())
    query = select(NetworkMac.device_id, NetworkMac.port_key).where(
        or_(NetworkMac.mac.in_(macs), NetworkMac.address == address), NetworkMac.device_id != device_id
    )
    return {(row[0], row[1]) for row in (await eyes.db.execute(query)).all()}


async def device_of_asset(eyes: Eyes, asset_id: int) -> Any:
    """The asset's device with its inventory, if it is watched; else None."""
    query = select(*DEVICE).where(NetworkDevice.asset_id == asset_id, NetworkDevice.watched)
    return (await eyes.db.execute(query)).first()


async def device_row(eyes: Eyes, device_id: int) -> Any:
    """The device with its inventory; None if there is none."""
    return (await eyes.db.execute(select(*DEVICE).where(NetworkDevice.id == device_id))).first()


def port_in(device: Any, port_key: str) -> Port | None:
    """A port as it was at the device's last discovery."""
    if device.inventory is None:
        return None
    return next((p for p in reading_from_json(device.inventory).ports if p.key == port_key), None)


async def situation(eyes: Eyes, device: Any, port: Port | None, place: PortPlace) -> Situation:
    """What decides whether a command may be sent to the port."""
    at = (place.device_id, place.port_key)
    links = (
        await eyes.db.execute(
            select(NetworkLink.is_uplink, NetworkLink.neighbour_id, NetworkLink.described).where(
                NetworkLink.device_id == at[0], NetworkLink.port_key == at[1]
            )
        )
    ).all()
    return Situation(
        commands_on=settings().network_commands,
        may_write=await _may_write(eyes, device.write_credential_id),
        port=port,
        is_uplink=any(link.is_uplink for link in links),
        has_bridge=any(link.described.get("is_bridge") for link in links),
        macs=await _macs(eyes, at),
        is_important=place.port_key in device.important_ports,
        behind=await _behind(eyes, at, {link.neighbour_id for link in links if link.neighbour_id}),
        target_id=place.target_id,
        cycles=await cycles(eyes, at),
    )


async def cycles(eyes: Eyes, at: tuple[int, str]) -> int:
    """Cycles of a port in the last 24 hours that were sent, however they ended."""
    query = select(func.count()).where(
        NetworkCommand.device_id == at[0],
        NetworkCommand.port_key == at[1],
        NetworkCommand.verb == PortVerb.CYCLE.value,
        NetworkCommand.sent_at > eyes.now - A_DAY,
    )
    return int((await eyes.db.execute(query)).scalar_one())


async def _may_write(eyes: Eyes, credential_id: int | None) -> bool:
    if credential_id is None:
        return False
    query = select(SnmpCredential.writes).where(SnmpCredential.id == credential_id)
    return bool((await eyes.db.execute(query)).scalar())


async def _macs(eyes: Eyes, at: tuple[int, str]) -> int:
    query = select(func.count()).where(NetworkMac.device_id == at[0], NetworkMac.port_key == at[1])
    return int((await eyes.db.execute(query)).scalar_one())


async def _behind(eyes: Eyes, at: tuple[int, str], linked: set[int]) -> tuple[Behind, ...]:
    """Our devices that a link or a parent's port says are there."""
    hanging = select(NetworkParent.device_id).where(
        NetworkParent.parent_id == at[0], NetworkParent.parent_port == at[1]
    )
    query = select(NetworkDevice.id, NetworkDevice.kind).where(
        or_(NetworkDevice.id.in_(sorted(linked)), NetworkDevice.id.in_(hanging))
    )
    rows = (await eyes.db.execute(query.order_by(NetworkDevice.id))).all()
    return tuple(Behind(row.id, row.kind) for row in rows)


async def states_now(eyes: Eyes, device: Any, port: Port) -> tuple[Any, Any, str | None, Any]:
    """Administrative and operating state, power in the facts' words, and the instant all that was so."""
    query = select(NetworkWatch.current, NetworkWatch.polled_at).where(NetworkWatch.device_id == device.id)
    watch = (await eyes.db.execute(query)).first()
    polled = (watch.current.get("ports") or {}).get(port.key) if watch is not None else None
    if polled is not None and watch is not None and watch.polled_at is not None:
        admin, oper, power = polled
        return admin, oper, POWER.get(power or ""), watch.polled_at
    return port.admin, port.oper, POWER.get(port.poe_state or ""), device.discovered_at
