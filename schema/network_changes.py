"""The verbs on the network as mutations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from strawberry import UNSET

from integrations.snmp.target import AuthProtocol, PrivProtocol, Version
from schema.changes import Arguments, DeletedPayload, Verb, changed, deleted, viewed
from schema.context import Info
from schema.desk_inputs import Versioned
from schema.errors import UserError
from schema.network import NetworkDevice, NetworkMaintenance, identified
from schema.network_discovery import NetworkProbe, NetworkScan, SnmpCredential
from schema.nodes import mutation, number_in
from schema.ticket_inputs import Once, mirrors, wanted
from service.core.work import Work
from service.monitoring import credentials, devices, listing, maintenance, probing, scanning
from service.monitoring.models import ReachBy

CARRY_SECRETS = frozenset({"addSnmpCredential", "editSnmpCredential"})


@mirrors(credentials.NewCredential, "AddSnmpCredentialInput")
class AddSnmpCredential(Once):
    name: str
    version: Version
    community: str | None = UNSET
    user: str | None = UNSET
    auth: AuthProtocol | None = UNSET
    auth_password: str | None = UNSET
    priv: PrivProtocol | None = UNSET
    priv_password: str | None = UNSET
    context: str | None = UNSET
    writes: bool | None = UNSET


@mirrors(credentials.EditCredential, "EditSnmpCredentialInput")
class EditSnmpCredential(AddSnmpCredential):
    id: strawberry.ID


@strawberry.input(name="DeleteSnmpCredentialInput")
class DeleteSnmpCredential(Once):
    id: strawberry.ID


@mirrors(credentials.OrderCredentials, "OrderSnmpCredentialsInput")
class OrderSnmpCredentials(Once):
    ids: list[strawberry.ID]


@mirrors(devices.AddDevice, "AddNetworkDeviceInput")
class AddNetworkDevice(Once):
    address: str
    port: int | None = UNSET
    name: str | None = UNSET
    school_id: strawberry.ID | None = UNSET
    place_id: strawberry.ID | None = UNSET
    asset_tag: str | None = UNSET
    credential_id: strawberry.ID | None = UNSET
    write_credential_id: strawberry.ID | None = UNSET
    profile: str | None = UNSET
    reach_by: ReachBy | None = UNSET
    reach_port: int | None = UNSET
    watched: bool | None = UNSET
    is_root: bool | None = UNSET
    important_ports: list[str] | None = UNSET


@mirrors(devices.EditDevice, "EditNetworkDeviceInput")
class EditNetworkDevice(Versioned):
    id: strawberry.ID
    address: str | None = UNSET
    port: int | None = UNSET
    name: str | None = UNSET
    school_id: strawberry.ID | None = UNSET
    place_id: strawberry.ID | None = UNSET
    asset_tag: str | None = UNSET
    credential_id: strawberry.ID | None = UNSET
    write_credential_id: strawberry.ID | None = UNSET
    profile: str | None = UNSET
    reach_by: ReachBy | None = UNSET
    reach_port: int | None = UNSET
    watched: bool | None = UNSET
    is_root: bool | None = UNSET
    important_ports: list[str] | None = UNSET


@strawberry.input(name="DeleteNetworkDeviceInput")
class DeleteNetworkDevice(Versioned):
    id: strawberry.ID


@strawberry.input(name="PollNetworkDeviceInput")
class PollNetworkDevice(Once):
    id: strawberry.ID


@strawberry.input(name="RediscoverNetworkDeviceInput")
class RediscoverNetworkDevice(Once):
    id: strawberry.ID


@mirrors(devices.ParentIn, "NetworkParentInput")
class ParentIn:
    device_id: strawberry.ID
    port: str | None = UNSET


@mirrors(devices.SetParents, "SetNetworkParentsInput")
class SetNetworkParents(Versioned):
    id: strawberry.ID
    parents: list[ParentIn]


@mirrors(maintenance.PlanMaintenance, "PlanNetworkMaintenanceInput")
class PlanNetworkMaintenance(Once):
    ends_at: datetime
    reason: str
    everything: bool | None = UNSET
    school_id: strawberry.ID | None = UNSET
    device_id: strawberry.ID | None = UNSET
    starts_at: datetime | None = UNSET


@strawberry.input(name="CancelNetworkMaintenanceInput")
class CancelNetworkMaintenance(Once):
    id: strawberry.ID


@mirrors(scanning.AskForScan, "ScanNetworkInput")
class ScanNetwork(Once):
    targets: list[str]
    port: int | None = UNSET
    school_id: strawberry.ID | None = UNSET
    adopts: bool | None = UNSET


@mirrors(probing.AskForProbe, "ProbeNetworkInput")
class ProbeNetwork(Once):
    address: str
    port: int | None = UNSET


@strawberry.type
class SnmpCredentialPayload:
    credential: SnmpCredential | None
    user_errors: list[UserError]


@strawberry.type
class SnmpCredentialsPayload:
    credentials: list[SnmpCredential] | None
    user_errors: list[UserError]


@strawberry.type
class NetworkDevicePayload:
    device: NetworkDevice | None
    user_errors: list[UserError]


@strawberry.type
class NetworkMaintenancePayload:
    maintenance: NetworkMaintenance | None
    user_errors: list[UserError]


@strawberry.type
class NetworkScanPayload:
    scan: NetworkScan | None
    user_errors: list[UserError]


@strawberry.type
class NetworkProbePayload:
    probe: NetworkProbe | None
    user_errors: list[UserError]


async def _device(info: Info, asked: Once, verb: Verb, arguments: Arguments) -> NetworkDevicePayload:
    row, errors = await viewed(info, asked, verb, listing.device_view, arguments)
    return NetworkDevicePayload(device=row, user_errors=errors)


async def _credential(info: Info, asked: Once, verb: Verb, arguments: Arguments) -> SnmpCredentialPayload:
    row, errors = await viewed(info, asked, verb, listing.credential_by_id, arguments)
    return SnmpCredentialPayload(credential=row, user_errors=errors)


async def _maintenance(
    info: Info, asked: Once, verb: Verb, arguments: Arguments
) -> NetworkMaintenancePayload:
    row, errors = await viewed(info, asked, verb, listing.maintenance_by_id, arguments)
    return NetworkMaintenancePayload(maintenance=row, user_errors=errors)


async def _ordered(work: Work, wanted: credentials.OrderCredentials) -> Any:
    await credentials.order_credentials(work, wanted)
    return (await listing.credentials_page(work, limit=credentials.MOST_CREDENTIALS)).rows


@strawberry.type
class Mutation:
    @mutation(description="Keep a credential; its secrets are sealed and never told.")
    async def add_snmp_credential(self, info: Info, input: AddSnmpCredential) -> SnmpCredentialPayload:
        return await _credential(
            info, input, credentials.add_credential, lambda: [wanted(input, credentials.NewCredential)]
        )

    @mutation(description="Change a credential, whole; secrets that are not sent stay.")
    async def edit_snmp_credential(self, info: Info, input: EditSnmpCredential) -> SnmpCredentialPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "SnmpCredential"), wanted(input, credentials.EditCredential)]

        return await _credential(info, input, credentials.edit_credential, arguments)

    @mutation(description="Forget a credential that no device needs.")
    async def delete_snmp_credential(self, info: Info, input: DeleteSnmpCredential) -> DeletedPayload:
        return await deleted(info, input, credentials.delete_credential, "SnmpCredential")

    @mutation(description="Say which credential discovery tries first.")
    async def order_snmp_credentials(self, info: Info, input: OrderSnmpCredentials) -> SnmpCredentialsPayload:
        def arguments() -> list[Any]:
            ids = [number_in(one, "SnmpCredential", "ids") for one in input.ids]
            return [credentials.OrderCredentials(ids=ids)]

        rows: Any
        rows, errors = await changed(info, input, _ordered, arguments)
        return SnmpCredentialsPayload(credentials=rows, user_errors=errors)

    @mutation(description="Watch a device; it is discovered at once.")
    async def add_network_device(self, info: Info, input: AddNetworkDevice) -> NetworkDevicePayload:
        return await _device(
            info, input, devices.add_device, lambda: [wanted(identified(input), devices.AddDevice)]
        )

    @mutation(description="Change what is sent of a device; the rest stays.")
    async def edit_network_device(self, info: Info, input: EditNetworkDevice) -> NetworkDevicePayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "NetworkDevice"), wanted(identified(input), devices.EditDevice)]

        return await _device(info, input, devices.edit_device, arguments)

    @mutation(description="Watch a device no more and forget its history; tickets stay.")
    async def delete_network_device(self, info: Info, input: DeleteNetworkDevice) -> DeletedPayload:
        return await deleted(info, input, devices.delete_device, "NetworkDevice")

    @mutation(description="Ask a device now.")
    async def poll_network_device(self, info: Info, input: PollNetworkDevice) -> NetworkDevicePayload:
        return await _device(info, input, devices.poll_now, lambda: [number_in(input.id, "NetworkDevice")])

    @mutation(description="Find anew what a device is and has.")
    async def rediscover_network_device(
        self, info: Info, input: RediscoverNetworkDevice
    ) -> NetworkDevicePayload:
        return await _device(info, input, devices.rediscover, lambda: [number_in(input.id, "NetworkDevice")])

    @mutation(description="Say what a device hangs on, instead of what was found.")
    async def set_network_parents(self, info: Info, input: SetNetworkParents) -> NetworkDevicePayload:
        def arguments() -> list[Any]:
            parents = [wanted(identified(one), devices.ParentIn) for one in input.parents]
            return [number_in(input.id, "NetworkDevice"), devices.SetParents(parents=parents)]

        return await _device(info, input, devices.set_parents, arguments)

    @mutation(description="Make no tickets of faults for a time.")
    async def plan_network_maintenance(
        self, info: Info, input: PlanNetworkMaintenance
    ) -> NetworkMaintenancePayload:
        def arguments() -> list[Any]:
            return [wanted(identified(input), maintenance.PlanMaintenance)]

        return await _maintenance(info, input, maintenance.plan_maintenance, arguments)

    @mutation(description="End a maintenance now, or before it begins.")
    async def cancel_network_maintenance(
        self, info: Info, input: CancelNetworkMaintenance
    ) -> NetworkMaintenancePayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "NetworkMaintenance")]

        return await _maintenance(info, input, maintenance.cancel_maintenance, arguments)

    @mutation(description="Search addresses for devices.")
    async def scan_network(self, info: Info, input: ScanNetwork) -> NetworkScanPayload:
        row: Any
        row, errors = await changed(
            info, input, scanning.ask_for_scan, lambda: [wanted(input, scanning.AskForScan)]
        )
        return NetworkScanPayload(scan=row, user_errors=errors)

    @mutation(description="Look what answers at one address.")
    async def probe_network(self, info: Info, input: ProbeNetwork) -> NetworkProbePayload:
        row: Any
        row, errors = await changed(
            info, input, probing.ask_for_probe, lambda: [wanted(input, probing.AskForProbe)]
        )
        return NetworkProbePayload(probe=row, user_errors=errors)
