"""What a discovery found becomes a device that is watched, or brings the known one up to date.

A device is known again by its serial number, its SNMP engine or its own MACs, wherever it answers; by its
address only where these do not speak against it. What people set (name, place, asset, credential, important
ports …) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, text

from integrations.snmp.storing import reading_to_json
from service.assets.models import Asset
from service.core.work import Work
from service.monitoring.discovering import Discovered
from service.monitoring.models import NetworkDevice, NetworkWatch, ReachBy, ReachState, SnmpState
from service.monitoring.schedule import slot_after

DAY: Final = 86_400.0
FIRST_POLL: Final = timedelta(seconds=5)
_NOBODYS: Final = re.compile(
    r"none|null|n/?a|unknown|undefined|invalid|(?:un|not)specified|(?:system)?serialnumber|default(?:string)?"
    r"|tobefilledbyo\.?e\.?m\.?|0?123456789?0?|<.*>|(.)\1*"
)
_VIRTUAL_ROUTER: Final = "00:00:5e:"

_MACS = text(
    """
    SELECT jsonb_path_query_array(inventory, '$.ports[*].mac') FROM network_devices WHERE id = :device
    """
)
_BY_MAC = text(
    """
    SELECT d.id, p.mac FROM network_devices AS d,
        LATERAL (SELECT lower(m #>> '{}') AS mac
                 FROM jsonb_path_query(d.inventory, '$.ports[*].mac') AS m) AS p
    WHERE d.inventory IS NOT NULL AND p.mac IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where an answer came from, and what a new device is given. `since`: what was adopted after that instant
    elsewhere is at two addresses at once.
    """

    address: str
    port: int
    credential_id: int
    school_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """`also_at` is the address by which the device goes on being asked, where it answered at another one."""

    device: NetworkDevice
    is_new: bool = False
    also_at: str | None = None


class KnownMacs:
    """The MACs of every device's own ports; read once for many adoptions, as this reads every inventory."""

    def __init__(self, owners: dict[str, int]) -> None:
        self._owners = owners

    @classmethod
    async def read(cls, work: Work) -> KnownMacs:
        rows = (await work.db.execute(_BY_MAC)).all()
        return cls({mac: device_id for device_id, mac in rows if is_own_mac(mac)})

    def owner(self, macs: Iterable[str]) -> int | None:
        """The device that has most of them, if it is one only."""
        owners = {self._owners[mac] for mac in macs if mac in self._owners}
        return owners.pop() if len(owners) == 1 else None

    def keep(self, device_id: int, macs: Iterable[str]) -> None:
        self._owners.update(dict.fromkeys(macs, device_id))


def serial_of(found: Discovered) -> str | None:
    """The serial number, where it can be one device's alone."""
    serial = str(keepable(found.reading.identity.serial or "")).strip()
    plain = serial.lower().replace(" ", "")
    if len(plain) < 4 or _NOBODYS.fullmatch(plain):
        return None
    return serial


def macs_of(found: Discovered) -> frozenset[str]:
    return frozenset(p.mac.lower() for p in found.reading.ports if p.mac and is_own_mac(p.mac))


def is_own_mac(mac: str) -> bool:
    """Not all zeros, no group address, no virtual router's."""
    lowered = mac.lower()
    if len(lowered) != 17 or not lowered.strip("0:") or lowered.startswith(_VIRTUAL_ROUTER):
        return False
    return not int(lowered[:2], 16) & 1


def keepable(value: Any) -> Any:
    """The value with what the database takes for no text (NUL, halves of surrogate pairs) left out."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "ignore").decode()
    if isinstance(value, dict):
        return {keepable(key): keepable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [keepable(one) for one in value]
    return value


async def adopt(work: Work, found: Discovered, at: Whereabouts, macs: KnownMacs) -> Adopted:
    """The device that answered, added or brought up to date, with its watch and its asset."""
    await work.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended("network devices", 0)))
    )
    device = await _same(work, found, at, macs)
    is_new = device is None
    also_at = None
    if device is None:
        device = await _added(work, found, at)
    elif (device.address, device.port) != (at.address, at.port):
        if _is_at_both(device, found, at):
            also_at = device.address
        else:
            await _move(work, device, at)
    await refresh(work, device, found, at.credential_id)
    macs.keep(device.id, macs_of(found))
    return Adopted(device, is_new, also_at)


async def recognised(work: Work, found: Discovered, at: Whereabouts, macs: KnownMacs) -> Adopted | None:
    """The device that answered, where it is known; it is left as it is."""
    device = await _same(work, found, at, macs)
    if device is None:
        return None
    elsewhere = (device.address, device.port) != (at.address, at.port)
    return Adopted(device, also_at=device.address if elsewhere else None)


async def refresh(work: Work, device: NetworkDevice, found: Discovered, credential_id: int) -> None:
    """Keep what a device was found to be and to have; one that was changed for another at its address is from
    now on that other one.
    """
    identity = found.reading.identity
    serial = serial_of(found)
    if device.serial and serial and device.serial != serial:
        await _part_with_asset(work, device)
    device.profile = found.profile.name
    device.kind = identity.kind
    device.vendor = keepable(identity.vendor) or device.vendor
    device.model = keepable(identity.model) or device.model
    device.serial = serial or device.serial
    device.firmware = keepable(identity.version) or device.firmware
    device.inventory = keepable(
        reading_to_json(found.reading) | {"matched": found.matched, "changed": found.changed}
    )
    device.rows = found.rows
    device.discovered_at = work.now
    device.credential_id = device.credential_id or credential_id
    if device.name == device.address:
        device.name = named(found, device.address)
    if device.asset_id is None:
        await _tie_to_asset(work, device)
    await work.session.flush()
    await _watch(work, device, found)


async def _same(work: Work, found: Discovered, at: Whereabouts, macs: KnownMacs) -> NetworkDevice | None:
    serial, own = serial_of(found), macs_of(found)
    if serial is not None:
        for device in await _all(work, NetworkDevice.serial == serial):
            if not await has_other_macs(work, device, own):
                return device
    if found.engine_id:
        watched = select(NetworkWatch.device_id).where(NetworkWatch.engine_id == found.engine_id)
        for device in await _all(work, NetworkDevice.id.in_(watched)):
            if _is_alike(device, found) and not await has_other_macs(work, device, own):
                return device
    owner = macs.owner(own)
    if owner is not None:
        for device in await _all(work, NetworkDevice.id == owner):
            if not _has_other_serial(device, serial):
                return device
    here = await _all(work, (NetworkDevice.address == at.address) & (NetworkDevice.port == at.port))
    return here[0] if here else None


async def _all(work: Work, condition: Any) -> list[NetworkDevice]:
    query = select(NetworkDevice).where(condition).order_by(NetworkDevice.id).with_for_update()
    return list(await work.session.scalars(query))


def _is_alike(device: NetworkDevice, found: Discovered) -> bool:
    """The same name and object id: devices set up from one image have one engine id too."""
    known = (device.inventory or {}).get("identity", {})
    identity = found.reading.identity
    same = (known.get("name"), known.get("object_id")) == (identity.name, identity.object_id)
    return same and not _has_other_serial(device, serial_of(found))


def _has_other_serial(device: NetworkDevice, serial: str | None) -> bool:
    return bool(device.serial and serial and device.serial != serial)


async def has_other_macs(work: Work, device: NetworkDevice, own: frozenset[str]) -> bool:
    """Both have MACs, and share none: two devices with one serial number."""
    if not own or device.inventory is None:
        return False
    listed = (await work.db.execute(_MACS, {"device": device.id})).scalar_one() or []
    theirs = {mac.lower() for mac in listed if mac and is_own_mac(mac)}
    return bool(theirs) and theirs.isdisjoint(own)


def _is_at_both(device: NetworkDevice, found: Discovered, at: Whereabouts) -> bool:
    """A router answers at each of its addresses, and stays known by the first."""
    if any(own.address == device.address for own in found.reading.addresses):
        return True
    return at.since is not None and device.discovered_at is not None and device.discovered_at >= at.since


async def _added(work: Work, found: Discovered, at: Whereabouts) -> NetworkDevice:
    identity = found.reading.identity
    device = NetworkDevice(
        name=named(found, at.address),
        address=at.address,
        port=at.port,
        kind=identity.kind,
        profile=found.profile.name,
        school_id=at.school_id,
        credential_id=at.credential_id,
        reach_by=ReachBy.ICMP,
        important_ports=[],
        created_at=work.now,
    )
    work.session.add(device)
    await work.session.flush()
    return device


def named(found: Discovered, address: str) -> str:
    """The device's own name, else its model and address."""
    own, model = _printable(found.reading.identity.name), _printable(found.reading.identity.model)
    return (own or f"{model or found.profile.name} {address}")[:200]


def _printable(words: str | None) -> str:
    return "".join(c for c in words or "" if c.isprintable()).strip()


async def _move(work: Work, device: NetworkDevice, at: Whereabouts) -> None:
    """To where it answered now. Whoever was known there changes places with it, and is looked at anew; an
    entry that was never more than an address is this device's.
    """
    here = await _all(work, (NetworkDevice.address == at.address) & (NetworkDevice.port == at.port))
    left = device.address, device.port
    for other in here:
        if other.discovered_at is None:
            await work.session.delete(other)
            await work.session.flush()
            continue
        device.address = f"{at.address} (moving)"
        await work.session.flush()
        other.address, other.port = left
        watch = await work.session.get(NetworkWatch, other.id)
        if watch is not None:
            watch.next_discovery_at = work.now
        await work.session.flush()
    device.address, device.port = at.address, at.port
    await work.session.flush()


async def _tie_to_asset(work: Work, device: NetworkDevice) -> None:
    """To the one asset with its serial number, if no other device is tied to that."""
    if not device.serial:
        return
    taken = select(NetworkDevice.asset_id).where(NetworkDevice.asset_id.is_not(None))
    query = select(Asset).where(func.lower(Asset.serial) == device.serial.lower(), Asset.id.not_in(taken))
    assets = list(await work.session.scalars(query.limit(2)))
    if len(assets) != 1:
        return
    device.asset_id = assets[0].id
    device.place_id = device.place_id or assets[0].place_id
    device.school_id = device.school_id or assets[0].school_id


async def _part_with_asset(work: Work, device: NetworkDevice) -> None:
    """From the asset that is the device which stood here before, by its serial number."""
    if device.asset_id is None:
        return
    serial = await work.session.scalar(select(Asset.serial).where(Asset.id == device.asset_id))
    if serial is not None and serial.lower() == (device.serial or "").lower():
        device.asset_id = None


async def _watch(work: Work, device: NetworkDevice, found: Discovered) -> None:
    watch = await work.session.get(NetworkWatch, device.id, with_for_update=True)
    if watch is None:
        watch = NetworkWatch(
            device_id=device.id,
            reach=ReachState.UP,
            reach_since=work.now,
            snmp=SnmpState.OK,
            snmp_since=work.now,
        )
        watch.answered_at = work.now
        work.session.add(watch)
    watch.engine_id = found.engine_id or watch.engine_id
    watch.max_repetitions = found.max_repetitions
    if device.watched:
        watch.next_discovery_at = slot_after(device.id, DAY, work.now + timedelta(hours=1))
        watch.next_poll_at = watch.next_poll_at or work.now + FIRST_POLL
    await work.session.flush()
