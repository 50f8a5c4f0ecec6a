"""The verbs on commands to devices as mutations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import strawberry
from pydantic import TypeAdapter
from strawberry import UNSET

from integrations.mdm.port import Verb
from schema.changes import changed, viewed
from schema.context import Info
from schema.desk_inputs import Versioned
from schema.errors import UserError
from schema.mdm import connection_number
from schema.mdm_commands import MdmBulk, MdmCommand
from schema.nodes import key_in, mutation, number_in
from schema.ticket_inputs import Once, mirrors, wanted
from service.assets.models import AssetKind
from service.core.fields import Line
from service.mdm import bulks, command_inputs, commanding
from service.mdm import command_deciding as deciding
from service.mdm import command_listing as listing

Changes = Callable[..., Awaitable[Any]]
CARRY_SECRETS = frozenset({"askMdmCommand", "proposeMdmBulk", "readMdmCommandSecrets"})
TAG: TypeAdapter[str] = TypeAdapter(Line)


@mirrors(command_inputs.CommandArguments, "MdmCommandArguments")
class CommandArguments:
    message: str | None = UNSET
    phone: str | None = UNSET
    pin: str | None = UNSET
    name: str | None = UNSET
    user: str | None = UNSET
    tag: str | None = UNSET
    site: str | None = UNSET
    delay: int | None = UNSET
    leaves: command_inputs.Leaves | None = UNSET


@mirrors(command_inputs.AskCommand, "AskMdmCommandInput")
class AskMdmCommand(Once):
    asset_tag: str = strawberry.field(description="The tag that is stuck on the device.")
    verb: Verb
    reason: str
    arguments: CommandArguments | None = UNSET
    ticket: int | None = UNSET
    connection_id: strawberry.ID | None = UNSET
    during_testing: bool | None = UNSET


@mirrors(command_inputs.ApproveCommand, "ApproveMdmCommandInput")
class ApproveMdmCommand(Versioned):
    id: strawberry.ID
    comment: str | None = UNSET


@mirrors(command_inputs.RefuseCommand, "RefuseMdmCommandInput")
class RefuseMdmCommand(Versioned):
    id: strawberry.ID
    reason: str


@strawberry.input(name="CancelMdmCommandInput")
class CancelMdmCommand(Versioned):
    id: strawberry.ID


@strawberry.input(name="ReadMdmCommandSecretsInput")
class ReadMdmCommandSecrets(Versioned):
    id: strawberry.ID


@mirrors(bulks.ProposeBulk, "ProposeMdmBulkInput")
class ProposeMdmBulk(Once):
    verb: Verb
    reason: str
    arguments: CommandArguments | None = UNSET
    tags: list[str] | None = UNSET
    school_id: strawberry.ID | None = UNSET
    kinds: list[AssetKind] | None = UNSET
    connection_id: strawberry.ID | None = UNSET
    during_testing: bool | None = UNSET


@mirrors(bulks.ConfirmBulk, "ConfirmMdmBulkInput")
class ConfirmMdmBulk(Once):
    id: strawberry.ID
    digest: str


@strawberry.type
class MdmCommandPayload:
    command: MdmCommand | None
    user_errors: list[UserError]


@strawberry.type(description="One secret of a command, shown this once.")
class MdmSecret:
    name: str
    value: str


@strawberry.type
class MdmSecretsPayload:
    command_id: strawberry.ID | None
    secrets: list[MdmSecret]
    user_errors: list[UserError]


@strawberry.type
class MdmBulkPayload:
    bulk: MdmBulk | None
    user_errors: list[UserError]


def _service_input(given: Any, model: type[Any]) -> Any:
    """The service's input, of what was sent: global ids become numbers, what was not sent stays unsaid."""
    sent = {
        name: value
        for name in model.model_fields
        if (value := getattr(given, name, UNSET)) is not UNSET and value is not None
    }
    if "arguments" in sent:
        inner = vars(sent["arguments"]).items()
        sent["arguments"] = {name: value for name, value in inner if value is not UNSET}
    if "connection_id" in sent:
        sent["connection_id"] = connection_number(sent["connection_id"])
    if "school_id" in sent:
        sent["school_id"] = key_in(sent["school_id"], "Place", "school_id")
    return model(**sent)


async def _command(
    info: Info, asked: Once, verb: Changes, arguments: Callable[[], list[Any]]
) -> MdmCommandPayload:
    row, errors = await viewed(info, asked, verb, listing.command_shown, arguments)
    return MdmCommandPayload(command=row, user_errors=errors)


async def _bulk(info: Info, asked: Once, verb: Changes, arguments: Callable[[], list[Any]]) -> MdmBulkPayload:
    row, errors = await viewed(info, asked, verb, listing.bulk_shown, arguments)
    return MdmBulkPayload(bulk=row, user_errors=errors)


@strawberry.type
class Mutation:
    @mutation(description="Have a device do something. What destroys data waits for a second person.")
    async def ask_mdm_command(self, info: Info, input: AskMdmCommand) -> MdmCommandPayload:
        def arguments() -> list[Any]:
            return [TAG.validate_python(input.asset_tag), _service_input(input, command_inputs.AskCommand)]

        return await _command(info, input, commanding.ask_command, arguments)

    @mutation(description="Agree, as the second person, to a command that destroys.")
    async def approve_mdm_command(self, info: Info, input: ApproveMdmCommand) -> MdmCommandPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmCommand"), wanted(input, command_inputs.ApproveCommand)]

        return await _command(info, input, deciding.approve_command, arguments)

    @mutation(description="Do not agree to a command.")
    async def refuse_mdm_command(self, info: Info, input: RefuseMdmCommand) -> MdmCommandPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmCommand"), wanted(input, command_inputs.RefuseCommand)]

        return await _command(info, input, deciding.refuse_command, arguments)

    @mutation(description="Take back a command that was not sent yet.")
    async def cancel_mdm_command(self, info: Info, input: CancelMdmCommand) -> MdmCommandPayload:
        return await _command(
            info, input, deciding.cancel_command, lambda: [number_in(input.id, "MdmCommand")]
        )

    @mutation(description="Read the PIN or code of a command, once: who asked for it or approved it.")
    async def read_mdm_command_secrets(self, info: Info, input: ReadMdmCommandSecrets) -> MdmSecretsPayload:
        found, errors = await changed(
            info, input, deciding.read_secrets, lambda: [number_in(input.id, "MdmCommand")]
        )
        told = [MdmSecret(name=name, value=value) for name, value in sorted((found or {}).items())]
        of = None if errors else strawberry.ID(str(number_in(input.id, "MdmCommand")))
        return MdmSecretsPayload(command_id=of, secrets=told, user_errors=errors)

    @mutation(description="Draw up one command for many devices; nothing is sent before it is confirmed.")
    async def propose_mdm_bulk(self, info: Info, input: ProposeMdmBulk) -> MdmBulkPayload:
        return await _bulk(
            info, input, bulks.propose_bulk, lambda: [_service_input(input, bulks.ProposeBulk)]
        )

    @mutation(description="Have a bulk command done, to the devices as they were shown.")
    async def confirm_mdm_bulk(self, info: Info, input: ConfirmMdmBulk) -> MdmBulkPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmBulk"), wanted(input, bulks.ConfirmBulk)]

        return await _bulk(info, input, bulks.confirm_bulk, arguments)
