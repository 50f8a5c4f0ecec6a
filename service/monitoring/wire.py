"""The network as REST shows it: the documented shape, and the plain values that fill it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from service.core.work import Eyes
from service.monitoring import inventories, listing
from service.monitoring.credentials import warning_of
from service.monitoring.listing import MaintenanceState
from service.monitoring.models import FaultState, ReachBy, ReachState, ScanState, SnmpState
from service.monitoring.parts_wire import NetworkSummaryOut
from service.monitoring.whereabouts import Topology


class CredentialOut(BaseModel):
    """A credential without its secrets; those are never told."""

    id: int
    name: str
    version: Version
    position: int = Field(description="Discovery tries the lowest first.")
    user: str | None
    auth: AuthProtocol | None
    priv: PrivProtocol | None
    context: str | None
    writes: bool
    devices: int = Field(description="How many devices are asked, or written to, with it.")
    warning: str | None = Field(description="What is weak about it.")
    created_at: datetime
    changed_at: datetime


class CredentialPage(BaseModel):
    items: list[CredentialOut]
    next_cursor: str | None


class NetworkDeviceListed(BaseModel):
    """A device of the network as lists show it."""

    id: int
    version: int
    name: str = Field(examples=["Switch, closet B"])
    address: str = Field(examples=["10.21.0.5"])
    port: int
    kind: DeviceKind
    profile: str | None = Field(description="Null until it is discovered.")
    vendor: str | None
    model: str | None
    serial: str | None
    firmware: str | None
    asset_tag: str | None
    school_id: str | None
    school_name: str | None
    place_id: str | None
    place_name: str | None
    credential_id: int | None
    write_credential_id: int | None
    reach_by: ReachBy
    reach_port: int | None
    watched: bool
    is_root: bool
    important_ports: list[str]
    reach: ReachState
    reach_since: datetime | None
    snmp: SnmpState
    snmp_since: datetime | None
    open_faults: int
    polled_at: datetime | None
    answered_at: datetime | None = Field(description="When its agent last answered.")
    next_poll_at: datetime | None
    discovered_at: datetime | None
    next_discovery_at: datetime | None
    created_at: datetime


class NetworkDevicePage(BaseModel):
    items: list[NetworkDeviceListed]
    next_cursor: str | None


class ParentOut(BaseModel):
    device_id: int
    name: str
    port: str = Field(description="Empty where it is not known.")
    by_hand: bool


class NetworkDeviceOut(NetworkDeviceListed):
    """A device of the network, how much it has, and what it hangs on."""

    summary: NetworkSummaryOut
    parents: list[ParentOut]


class FaultOut(BaseModel):
    """One thing wrong with one device; `instance` is what of it, empty for the device itself."""

    id: int
    device_id: int
    device_name: str
    device_kind: DeviceKind
    school_id: str | None
    school_name: str | None
    place_name: str | None
    check: str = Field(examples=["port.down"])
    instance: str
    label: str | None
    state: FaultState
    value: Any
    evidence: dict[str, Any] = Field(description="What the device said, by name.")
    since: datetime
    opened_at: datetime
    hold_until: datetime | None
    resolved_at: datetime | None
    flaps: int = Field(description="How often it came back.")
    ticket: int | None = Field(description="Number of its ticket.")
    parent_id: int | None = Field(description="The device whose fault explains this one.")
    parent_name: str | None


class FaultPage(BaseModel):
    items: list[FaultOut]
    next_cursor: str | None


class NodeOut(BaseModel):
    id: int
    name: str
    kind: DeviceKind
    school_id: str | None
    is_root: bool
    reach: ReachState


class NetworkLinkOut(BaseModel):
    """What was found at a port; `neighbour_id` where it is watched."""

    device_id: int
    port: str
    neighbour_id: int | None
    neighbour_name: str | None
    neighbour_port: str | None
    protocol: str
    uplink: bool
    seen_at: datetime


class HangsOnOut(BaseModel):
    device_id: int
    parent_id: int
    port: str
    by_hand: bool


class TopologyOut(BaseModel):
    """Devices, links and parents; not `complete` past 5,000 devices or 20,000 links."""

    nodes: list[NodeOut]
    links: list[NetworkLinkOut]
    parents: list[HangsOnOut]
    complete: bool


class MacOut(BaseModel):
    """Where a MAC was last found."""

    mac: str
    device_id: int
    device_name: str
    place_name: str | None
    school_name: str | None
    port: str
    vlan: int | None
    address: str | None
    seen_at: datetime


class MaintenanceOut(BaseModel):
    """A time in which faults make no tickets; neither school nor device: the whole district."""

    id: int
    state: MaintenanceState
    school_id: str | None
    school_name: str | None
    device_id: int | None
    device_name: str | None
    reason: str
    starts_at: datetime
    ends_at: datetime
    created_by_id: int | None
    created_at: datetime
    cancelled_at: datetime | None


class MaintenancePage(BaseModel):
    items: list[MaintenanceOut]
    next_cursor: str | None


class ScanListed(BaseModel):
    """A search for devices; counts are of addresses."""

    id: int
    state: ScanState
    targets: list[str]
    port: int
    school_id: str | None
    adopts: bool
    asked: int
    answered: int
    adopted: int
    detail: str | None
    asked_by_id: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class FoundOut(BaseModel):
    """What answered at an address; `why` says why it was not understood, or not added."""

    address: str
    credential: str | None = Field(description="The name of the credential that it answered to.")
    profile: str | None
    kind: DeviceKind | None
    vendor: str | None
    model: str | None
    serial: str | None
    name: str | None
    device_id: int | None = Field(description="The device that it became, or is.")
    is_new: bool | None
    why: str | None


class ScanOut(ScanListed):
    found: list[FoundOut]


class ScanPage(BaseModel):
    items: list[ScanListed]
    next_cursor: str | None


class ProbeOut(BaseModel):
    """One look at one address; `found` is null until it is done, and where nothing answered."""

    id: int
    state: ScanState
    address: str
    port: int
    found: FoundOut | None
    detail: str | None
    created_at: datetime
    ended_at: datetime | None


class TrapCountOut(BaseModel):
    """`reason` is what became of the traps; a `known` source is a device that is watched."""

    address: str
    reason: str
    count: int
    known: bool
    first_at: datetime
    last_at: datetime


class TrapCountPage(BaseModel):
    items: list[TrapCountOut]
    next_cursor: str | None


_FOUND = tuple(FoundOut.model_fields)


def credential(row: Any) -> dict[str, Any]:
    told = _told(row, "id", "name", "version", "position", "auth", "priv", "context", "writes", "devices")
    dates = _told(row, "created_at", "changed_at")
    return told | {"user": row.username, "warning": warning_of(row)} | dates


def device(row: Any) -> dict[str, Any]:
    """A device that is kept without a watch is not known to be there or not."""
    states = {"reach": row.reach or ReachState.UNKNOWN, "snmp": row.snmp or SnmpState.UNKNOWN}
    return _told(row, *NetworkDeviceListed.model_fields) | {"profile": row.profile or None} | states


async def device_whole(eyes: Eyes, device_id: int) -> dict[str, Any]:
    """What `NetworkDeviceOut` says of a device. NotFound."""
    row = await listing.device_view(eyes, device_id)
    parents = [dict(one._mapping) for one in await listing.parents_of(eyes, device_id)]
    return device(row) | {"summary": await inventories.summary(eyes, device_id), "parents": parents}


def fault(row: Any) -> dict[str, Any]:
    names = (name for name in FaultOut.model_fields if name != "ticket")
    return _told(row, *names) | {"ticket": row.ticket_id}


def topology(found: Topology) -> dict[str, Any]:
    nodes = [plain(row) | {"reach": row.reach or ReachState.UNKNOWN} for row in found.nodes]
    links, parents = ([plain(row) for row in rows] for rows in (found.links, found.parents))
    return {"nodes": nodes, "links": links, "parents": parents, "complete": found.complete}


def maintenance(row: Any) -> dict[str, Any]:
    return _told(row, *MaintenanceOut.model_fields)


def scan_listed(row: Any) -> dict[str, Any]:
    return _told(row, *ScanListed.model_fields)


def scan(row: Any) -> dict[str, Any]:
    return scan_listed(row) | {"found": [found(one) for one in row.found]}


def probe(row: Any) -> dict[str, Any]:
    told = _told(row, "id", "state", "port", "detail", "created_at", "ended_at")
    return told | {"address": row.targets[0], "found": found(row.found[0]) if row.found else None}


def found(line: dict[str, Any]) -> dict[str, Any]:
    """A line of what a scan found, with every field."""
    return {name: line.get(name) for name in _FOUND}


def plain(row: Any) -> dict[str, Any]:
    return dict(row._mapping)


def _told(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
