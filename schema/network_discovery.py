"""Credentials of agents, and searches for devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry

from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from schema.context import Info
from schema.nodes import Connection, Node, PageInfo, field, global_id, number_in, page_size, told
from schema.places import cursor_after
from service.monitoring import listing, probing, scanning
from service.monitoring.credentials import warning_of
from service.monitoring.models import ScanState


@strawberry.type(description="A credential without its secrets; those are never told.")
class SnmpCredential(Node):
    id: strawberry.ID = global_id("SnmpCredential")
    credential_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    name: str
    version: Version
    position: int = strawberry.field(description="Discovery tries the lowest first.")
    user: str | None = told(lambda row: row.username)
    auth: AuthProtocol | None
    priv: PrivProtocol | None
    context: str | None
    writes: bool
    devices: int = strawberry.field(description="How many devices are asked, or written to, with it.")
    warning: str | None = told(warning_of, description="What is weak about it.")
    created_at: datetime
    changed_at: datetime


@strawberry.type
class SnmpCredentialEdge:
    cursor: str
    node: SnmpCredential


@strawberry.type
class SnmpCredentialConnection:
    nodes: list[SnmpCredential]
    edges: list[SnmpCredentialEdge]
    page_info: PageInfo


def _said(name: str) -> Any:
    return told(lambda line: line.get(name))


@strawberry.type(
    description="What answered at an address; `why` says why it was not understood, or not added."
)
class NetworkFound:
    address: str = _said("address")
    credential: str | None = _said("credential")
    profile: str | None = _said("profile")
    kind: DeviceKind | None = _said("kind")
    vendor: str | None = _said("vendor")
    model: str | None = _said("model")
    serial: str | None = _said("serial")
    name: str | None = _said("name")
    device_id: strawberry.ID | None = _said("device_id")
    is_new: bool | None = _said("is_new")
    why: str | None = _said("why")


@strawberry.type(description="A search for devices; counts are of addresses.")
class NetworkScan(Node):
    id: strawberry.ID = global_id("NetworkScan")
    scan_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    state: ScanState
    targets: list[str]
    port: int
    school_id: str | None
    adopts: bool
    asked: int
    answered: int
    adopted: int
    detail: str | None
    asked_by_id: strawberry.ID | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @field(graphql_type=list[NetworkFound] | None, description="A line for each address that answered.")
    async def found(root: Any, info: Info) -> object:  # noqa: N805
        if hasattr(root, "found"):
            return root.found
        async with info.context.read() as read:
            return (await scanning.scan_by_id(read, root.id)).found


@strawberry.type
class NetworkScanEdge:
    cursor: str
    node: NetworkScan


@strawberry.type
class NetworkScanConnection:
    nodes: list[NetworkScan]
    edges: list[NetworkScanEdge]
    page_info: PageInfo


@strawberry.type(description="One look at one address; `found` is null until it is done.")
class NetworkProbe:
    probe_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    state: ScanState
    address: str = told(lambda row: row.targets[0])
    port: int
    found: NetworkFound | None = told(lambda row: row.found[0] if row.found else None)
    detail: str | None
    created_at: datetime
    ended_at: datetime | None


@strawberry.type
class Query:
    @field(graphql_type=SnmpCredential | None, description="One credential, without its secrets.")
    async def snmp_credential(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await listing.credential_by_id(read, number_in(id, "SnmpCredential"))

    @field(
        graphql_type=SnmpCredentialConnection | None,
        description="Credentials in the order in which discovery tries them.",
    )
    async def snmp_credentials(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> object:
        async with info.context.read() as read:
            page = await listing.credentials_page(read, limit=page_size(first), cursor=after)
        return Connection(page, listing.credential_cursor, after=after)

    @field(graphql_type=NetworkScan | None, description="A search, and what answered.")
    async def network_scan(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await scanning.scan_by_id(read, number_in(id, "NetworkScan"))

    @field(graphql_type=NetworkScanConnection | None, description="Searches for devices, newest first.")
    async def network_scans(
        self,
        info: Info,
        state: ScanState | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await scanning.scans_page(read, state=state, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=NetworkProbe | None, description="What answered at one address.")
    async def network_probe(self, info: Info, id: strawberry.ID) -> object:
        async with info.context.read() as read:
            return await probing.probe_by_id(read, number_in(id, "NetworkProbe"))
