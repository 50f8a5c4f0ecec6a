"""Devices that are watched: added, edited, looked at, and what they hang on."""

from __future__ import annotations

import asyncio
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from sqlalchemy import delete, func, select, text, update

from integrations.snmp.profile import load_profiles
from integrations.snmp.reading import DeviceKind
from service.assets.models import Asset
from service.core.errors import Conflict, FieldError, Invalid, NotFound, Stale, require
from service.core.fields import Id, Input, Key, Line
from service.core.idempotency import once
from service.core.settings import settings
from service.core.work import Work
from service.monitoring.access import (
    CONFIGURES,
    RUNS,
    SEES,
    may_configure_network,
    may_run_network,
    may_see_network,
)
from service.monitoring.charting import ask_for_chart
from service.monitoring.models import (
    UNRESOLVED,
    NetworkDevice,
    NetworkFault,
    NetworkParent,
    NetworkWatch,
    ReachBy,
    ReachState,
    SnmpCredential,
    SnmpState,
)
from service.monitoring.reporting import let_go
from service.monitoring.targets import why_not
from service.places.models import Place, PlaceKind

MOST_PORTS: Final = 500
MOST_PARENTS: Final = 20
KINDS: Final = frozenset(DeviceKind)


def _address(value: str) -> str:
    """The address as it is always written, so that one device is not there twice."""
    if "%" in value:
        raise ValueError("names an interface of one machine; leave out “%…”")
    try:
        address = ip_address(value.strip())
    except ValueError:
        raise ValueError("is not an IP address") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if (why := why_not(address)) is not None:
        raise ValueError(why)
    return str(address)


Address = Annotated[
    str,
    Field(max_length=60, description="Its IP address.", examples=["10.21.0.5"]),
    AfterValidator(_address),
]
Port = Annotated[int, Field(ge=1, le=65535)]


class EditDevice(Input):
    """What is not sent stays as it is."""

    address: Address | None = None
    port: Port | None = Field(None, description="Of its SNMP agent.")
    name: Line | None = Field(None, examples=["Switch, closet B"])
    school_id: Key | None = None
    place_id: Key | None = Field(None, description="Where it stands; says the school too.")
    asset_tag: Line | None = Field(None, description="Ties it to a device of the inventory.")
    credential_id: Id | None = Field(None, description="Null: discovery tries all, in their order.")
    write_credential_id: Id | None = Field(None, description="Where port commands are wanted at all.")
    profile: Key | None = Field(None, description="Null: discovery finds it.")
    reach_by: ReachBy | None = Field(None, description="How it is found to be there if SNMP is silent.")
    reach_port: Port | None = Field(None, description="Of `reach_by: tcp`.")
    watched: bool | None = Field(None, description="False: it is kept, and not asked.")
    is_root: bool | None = Field(None, description="The network begins here: nothing is upstream of it.")
    important_ports: Annotated[list[Line], Field(max_length=MOST_PORTS)] | None = Field(
        None, description="Keys of ports that make a ticket when they go down.", examples=[["Gi1/0/24"]]
    )


class AddDevice(EditDevice):
    """A device to watch. It is discovered at once, and polled from then on."""

    address: Address
    port: Port = Field(161, description="Of its SNMP agent.")


class ParentIn(Input):
    device_id: Id
    port: str = Field("", max_length=200, description="The parent's port, where it is known.")


class SetParents(Input):
    """What a device hangs on, whole; it counts instead of what was found. Nothing: what is found counts."""

    parents: list[ParentIn] = Field(max_length=MOST_PARENTS)


@once(NetworkDevice)
async def add_device(work: Work, wanted: AddDevice) -> NetworkDevice:
    """Watch a device, from its first discovery on. Conflict where its address or asset is taken."""
    require(may_configure_network(work.actor), CONFIGURES)
    sent = _sent(wanted)
    await _address_is_free(work, wanted.address, wanted.port, None)
    device = NetworkDevice(
        address=wanted.address,
        port=wanted.port,
        name=wanted.name or wanted.address,
        kind=DeviceKind.OTHER,
        profile="",
        reach_by=ReachBy.ICMP,
        watched=True,
        is_root=False,
        important_ports=[],
        created_at=work.now,
    )
    await _fill(work, device, sent)
    work.session.add(device)
    await work.session.flush()
    work.session.add(_new_watch(device, work.now))
    await work.session.flush()
    work.version = device.version
    return device


def _new_watch(device: NetworkDevice, now: datetime) -> NetworkWatch:
    return NetworkWatch(
        device_id=device.id,
        next_discovery_at=now if device.watched else None,
        next_poll_at=None,
        reach=ReachState.UNKNOWN,
        snmp=SnmpState.UNKNOWN,
        memory={},
        counters={},
        current={},
        last_values=[],
    )


@once(NetworkDevice)
async def edit_device(work: Work, device_id: int, wanted: EditDevice) -> NetworkDevice:
    """Change what was sent of it; another address, credential or profile has it discovered anew.

    NotFound, Stale, Conflict.
    """
    device = await device_for_update(work, device_id)
    asked, was_root, was_at = _asking(device), device.is_root, device.school_id
    sent = _sent(wanted)
    address, port = sent.get("address", device.address), sent.get("port", device.port)
    if (address, port) != (device.address, device.port):
        await _address_is_free(work, address, port, device.id)
        device.address, device.port = address, port
    await _fill(work, device, sent)
    await _touched(work, device)
    if _asking(device) != asked:
        await _ask_anew(work, device)
    if device.school_id != was_at:
        await _move_faults(work, device)
    if device.is_root != was_root:
        await ask_for_chart(work)
    return device


@once(NetworkDevice)
async def delete_device(work: Work, device_id: int) -> NetworkDevice:
    """Watch it no more, and forget its history; tickets about it stay, and are told. NotFound, Stale."""
    device = await device_for_update(work, device_id)
    await let_go(work, device)
    await work.session.delete(device)
    await work.session.flush()
    return device


@once(NetworkDevice)
async def poll_now(work: Work, device_id: int) -> NetworkDevice:
    """Have it asked as soon as a worker is free; discovered first, if it never was. NotFound, Conflict."""
    require(may_run_network(work.actor), RUNS)
    device = await _watched_device(work, device_id)
    due = {"next_poll_at": work.now} if device.discovered_at else {"next_discovery_at": work.now}
    await _schedule(work, device_id, is_slow=False, **due)
    return device


@once(NetworkDevice)
async def rediscover(work: Work, device_id: int) -> NetworkDevice:
    """Have its identity, profile and parts found anew. NotFound, Conflict."""
    require(may_run_network(work.actor), RUNS)
    device = await _watched_device(work, device_id)
    await _schedule(work, device_id, next_discovery_at=work.now)
    return device


@once(NetworkDevice)
async def set_parents(work: Work, device_id: int, wanted: SetParents) -> NetworkDevice:
    """Say what it hangs on. NotFound, Stale; Invalid where it would come to hang on itself."""
    await work.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended("network parents", 0)))
    )
    device = await device_for_update(work, device_id)
    rows = {(parent.device_id, parent.port): parent for parent in wanted.parents}
    ids = {parent_id for parent_id, _ in rows}
    there = set(await work.session.scalars(select(NetworkDevice.id).where(NetworkDevice.id.in_(ids))))
    if ids - there:
        raise Invalid.field("parents", "There is no such device.", "unknown_device")
    behind = set((await work.session.scalars(_BEHIND, {"device": device.id})).all())
    if ids & behind:
        raise Invalid.field("parents", "A device cannot hang on itself, nor on what hangs on it.", "loop")
    await work.session.execute(delete(NetworkParent).where(NetworkParent.device_id == device.id))
    work.session.add_all(
        NetworkParent(device_id=device.id, parent_id=parent_id, parent_port=port, by_hand=True)
        for parent_id, port in rows
    )
    await _touched(work, device)
    await ask_for_chart(work)
    return device


_BEHIND = text(
    """
    WITH RECURSIVE behind(id) AS (
        SELECT CAST(:device AS bigint)
        UNION SELECT p.device_id FROM network_parents AS p JOIN behind AS b ON p.parent_id = b.id
    )
    SELECT id FROM behind
    """
)


async def device_for_update(work: Work, device_id: int) -> NetworkDevice:
    """The device, locked, for somebody who may change it. NotFound, Forbidden, Stale."""
    require(may_see_network(work.actor) or may_configure_network(work.actor), SEES)
    device = await work.session.get(NetworkDevice, device_id, with_for_update=True)
    if device is None:
        raise NotFound("There is no such network device.")
    require(may_configure_network(work.actor), "Devices are added and changed by leads and administrators.")
    if work.conditions.expected_version not in (None, device.version):
        raise Stale
    return device


async def _watched_device(work: Work, device_id: int) -> NetworkDevice:
    device = await work.session.get(NetworkDevice, device_id)
    if device is None:
        raise NotFound("There is no such network device.")
    if not device.watched:
        raise Conflict("This device is not watched. Watch it first.")
    return device


async def _touched(work: Work, device: NetworkDevice) -> None:
    device.version += 1
    await work.session.flush()
    work.version = device.version


async def _schedule(work: Work, device_id: int, **due: Any) -> None:
    await work.session.execute(
        update(NetworkWatch).where(NetworkWatch.device_id == device_id).values(**due),
        execution_options={"synchronize_session": False},
    )


async def _ask_anew(work: Work, device: NetworkDevice) -> None:
    """Who answers there is not known any more: what its SNMP engine was called is forgotten.

    What is not watched is not asked at all, and what was wrong with it is nobody's news any more. A poll that
    is on its way loses its lease: it has asked somebody else, or in vain.
    """
    free: dict[str, Any] = {"lease": None, "leased_until": None}
    if device.watched:
        # What does not answer now was perhaps well when it was watched last: the poll tells, not discovery.
        polled = {"next_poll_at": func.coalesce(NetworkWatch.next_poll_at, work.now)}
        polled = polled if device.discovered_at else {}
        await _schedule(work, device.id, next_discovery_at=work.now, engine_id=None, **free, **polled)
        return
    await let_go(work, device)
    nothing = {"memory": {}, "reach": ReachState.UNKNOWN, "snmp": SnmpState.UNKNOWN}
    await _schedule(work, device.id, next_discovery_at=None, next_poll_at=None, **free, **nothing)


async def _move_faults(work: Work, device: NetworkDevice) -> None:
    """What is still wrong with it is the school's where it stands now."""
    moved = update(NetworkFault).where(NetworkFault.device_id == device.id, UNRESOLVED)
    await work.session.execute(moved.values(school_id=device.school_id))


def _asking(device: NetworkDevice) -> tuple[Any, ...]:
    """What decides who is asked, and how."""
    return device.address, device.port, device.credential_id, device.profile, device.watched


def _sent(wanted: EditDevice) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in wanted.model_fields_set}


async def _address_is_free(work: Work, address: str, port: int, but: int | None) -> None:
    query = select(NetworkDevice.id).where(NetworkDevice.address == address, NetworkDevice.port == port)
    if await work.session.scalar(query) not in (None, but):
        raise Conflict(f"There is a network device at {address}, port {port} already.")


NULLABLE: Final = frozenset(
    {"school_id", "place_id", "asset_tag", "credential_id", "write_credential_id", "profile", "reach_port"}
)


async def _fill(work: Work, device: NetworkDevice, sent: dict[str, Any]) -> None:
    """Put what was sent into the row; Invalid where it does not fit."""
    empty = [name for name, value in sent.items() if value is None and name not in NULLABLE]
    if empty and device.id is not None:
        fields = [FieldError(name, "required", "This cannot be null; leave it out.") for name in empty]
        raise Invalid(fields[0].message, fields=fields)
    for name in ("name", "reach_by", "watched", "is_root"):
        if sent.get(name) is not None:
            setattr(device, name, sent[name])
    if sent.get("important_ports") is not None:
        device.important_ports = list(dict.fromkeys(sent["important_ports"]))
    if "profile" in sent:
        device.profile = await _profile(sent["profile"])
    if "asset_tag" in sent:
        await _tie(work, device, sent)
    await _locate(work, device, sent)
    await _let_in(work, device, sent)
    _reached(device, sent)


async def _profile(name: str | None) -> str:
    """Its name, or "" for the one that discovery finds. Profiles are read from files the first time."""
    if name is None:
        return ""
    try:
        profiles = await asyncio.to_thread(load_profiles, own=settings().profiles)
        return profiles.by_name(name).name
    except KeyError:
        raise Invalid.field("profile", "There is no such profile.", "unknown_profile") from None


async def _tie(work: Work, device: NetworkDevice, sent: dict[str, Any]) -> None:
    """Tie it to an asset, and let it stand where that stands, unless somebody says where."""
    if sent["asset_tag"] is None:
        device.asset_id = None
        return
    asset = await work.session.scalar(select(Asset).where(Asset.tag == sent["asset_tag"]))
    if asset is None:
        raise Invalid.field("asset_tag", "There is no device with this tag.", "unknown_asset")
    taken = await work.session.scalar(select(NetworkDevice.id).where(NetworkDevice.asset_id == asset.id))
    if taken not in (None, device.id):
        raise Conflict(f"Another network device is tied to {asset.tag} already.")
    device.asset_id = asset.id
    if device.kind is DeviceKind.OTHER and asset.kind.value in KINDS:
        device.kind = DeviceKind(asset.kind.value)
    if "place_id" not in sent and "school_id" not in sent and device.school_id is None:
        device.place_id, device.school_id = asset.place_id, asset.school_id


async def _locate(work: Work, device: NetworkDevice, sent: dict[str, Any]) -> None:
    if "place_id" not in sent and "school_id" not in sent:
        return
    school_id, place_id = sent.get("school_id", device.school_id), sent.get("place_id", device.place_id)
    if "place_id" not in sent and school_id != device.school_id:
        place_id = None
    place = await work.session.get(Place, place_id) if place_id is not None else None
    if place_id is not None and place is None:
        raise Invalid.field("place_id", "There is no such place.", "unknown_place")
    if place is not None:
        if sent.get("school_id") not in (None, place.school_id):
            raise Invalid.field("place_id", "This place is at another school.", "other_school")
        school_id = place.school_id
    elif school_id is not None:
        school = await work.session.get(Place, school_id)
        if school is None or school.kind is not PlaceKind.SCHOOL:
            raise Invalid.field("school_id", "There is no such school.", "unknown_school")
    device.place_id, device.school_id = place_id, school_id


async def _let_in(work: Work, device: NetworkDevice, sent: dict[str, Any]) -> None:
    for name in ("credential_id", "write_credential_id"):
        if name not in sent:
            continue
        if sent[name] is not None:
            credential = await work.session.get(SnmpCredential, sent[name])
            if credential is None:
                raise Invalid.field(name, "There is no such credential.", "unknown_credential")
            if name == "write_credential_id" and not credential.writes:
                raise Invalid.field(name, "This credential is not one for writing.", "does_not_write")
        setattr(device, name, sent[name])


def _reached(device: NetworkDevice, sent: dict[str, Any]) -> None:
    """TCP needs its port; the others have none."""
    if "reach_port" in sent:
        device.reach_port = sent["reach_port"]
    elif device.reach_by is not ReachBy.TCP:
        device.reach_port = None
    if device.reach_by is ReachBy.TCP and device.reach_port is None:
        raise Invalid.field("reach_port", "Say which TCP port shows that it is there.", "required")
    if device.reach_by is not ReachBy.TCP and device.reach_port is not None:
        raise Invalid.field("reach_port", "Only `tcp` has a port.", "only_tcp")
