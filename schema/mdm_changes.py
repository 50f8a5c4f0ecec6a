"""The verbs on connections and mappings as mutations."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from schema.changes import Arguments, DeletedPayload, Verb, deleted, viewed
from schema.context import Info
from schema.desk_inputs import Versioned
from schema.errors import UserError
from schema.mdm import MdmConnection, MdmMapping, connection_number
from schema.nodes import mutation, number_in
from schema.ticket_inputs import Once, mirrors, wanted
from service.assets.models import AssetKind
from service.mdm import connection_listing as listing
from service.mdm import connections, mappings
from service.mdm.models import MappingKind, VendorName

CARRY_SECRETS = frozenset({"addMdmConnection", "editMdmConnection"})


@mirrors(connections.NewConnection, "AddMdmConnectionInput")
class AddMdmConnection(Once):
    name: str
    vendor: VendorName
    settings: JSON
    enabled: bool | None = UNSET
    sync_minutes: int | None = UNSET
    full_hours: int | None = UNSET
    guard_percent: int | None = UNSET
    adds_assets: bool | None = UNSET
    owns_holder: bool | None = UNSET
    owns_tag: bool | None = UNSET
    allows_commands: bool | None = UNSET


@mirrors(connections.EditConnection, "EditMdmConnectionInput")
class EditMdmConnection(Versioned):
    id: strawberry.ID
    name: str | None = UNSET
    settings: JSON | None = UNSET
    enabled: bool | None = UNSET
    sync_minutes: int | None = UNSET
    full_hours: int | None = UNSET
    guard_percent: int | None = UNSET
    adds_assets: bool | None = UNSET
    owns_holder: bool | None = UNSET
    owns_tag: bool | None = UNSET
    allows_commands: bool | None = UNSET


@strawberry.input(name="DeleteMdmConnectionInput")
class DeleteMdmConnection(Versioned):
    id: strawberry.ID


@strawberry.input(name="CheckMdmConnectionInput")
class CheckMdmConnection(Once):
    id: strawberry.ID


@mirrors(mappings.SetMapping, "SetMdmMappingInput")
class SetMdmMapping(Once):
    kind: MappingKind
    word: str
    connection_id: strawberry.ID | None = UNSET
    place_id: strawberry.ID | None = UNSET
    asset_kind: AssetKind | None = UNSET
    model_name: str | None = UNSET


@strawberry.input(name="DeleteMdmMappingInput")
class DeleteMdmMapping(Once):
    id: strawberry.ID


@strawberry.type
class MdmConnectionPayload:
    connection: MdmConnection | None
    user_errors: list[UserError]


@strawberry.type
class MdmMappingPayload:
    mapping: MdmMapping | None
    user_errors: list[UserError]


async def _connection(info: Info, asked: Once, verb: Verb, arguments: Arguments) -> MdmConnectionPayload:
    row, errors = await viewed(info, asked, verb, listing.connection_by_id, arguments)
    return MdmConnectionPayload(connection=row, user_errors=errors)


@strawberry.type
class Mutation:
    @mutation(description="Connect a device management; its secrets are sealed and never told.")
    async def add_mdm_connection(self, info: Info, input: AddMdmConnection) -> MdmConnectionPayload:
        return await _connection(
            info, input, connections.add_connection, lambda: [wanted(input, connections.NewConnection)]
        )

    @mutation(description="Change what is sent of a connection; the rest stays, secrets too.")
    async def edit_mdm_connection(self, info: Info, input: EditMdmConnection) -> MdmConnectionPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmConnection"), wanted(input, connections.EditConnection)]

        return await _connection(info, input, connections.edit_connection, arguments)

    @mutation(description="Forget a connection and what it said; devices and tickets stay.")
    async def delete_mdm_connection(self, info: Info, input: DeleteMdmConnection) -> DeletedPayload:
        return await deleted(info, input, connections.delete_connection, "MdmConnection")

    @mutation(description="Test a connection: `checked` tells afterwards what was found.")
    async def check_mdm_connection(self, info: Info, input: CheckMdmConnection) -> MdmConnectionPayload:
        return await _connection(
            info, input, connections.ask_check, lambda: [number_in(input.id, "MdmConnection")]
        )

    @mutation(description="Say what a word means; devices that carry it follow.")
    async def set_mdm_mapping(self, info: Info, input: SetMdmMapping) -> MdmMappingPayload:
        def arguments() -> list[Any]:
            if isinstance(owner := input.connection_id, str):
                input.connection_id = connection_number(owner)  # type: ignore[assignment]
            return [wanted(input, mappings.SetMapping)]

        row, errors = await viewed(info, input, mappings.set_mapping, mappings.mapping_by_id, arguments)
        return MdmMappingPayload(mapping=row, user_errors=errors)

    @mutation(description="Take a mapping away; devices stay where it put them.")
    async def delete_mdm_mapping(self, info: Info, input: DeleteMdmMapping) -> DeletedPayload:
        return await deleted(info, input, mappings.delete_mapping, "MdmMapping")
