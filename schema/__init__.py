"""The GraphQL door: it translates, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import strawberry
from graphql import GraphQLError, GraphQLSchema
from strawberry.extensions import SchemaExtension
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types
from strawberry.types import ExecutionContext

from schema import (
    assets,
    desk,
    desk_changes,
    guided,
    guided_changes,
    loans,
    mdm,
    mdm_changes,
    mdm_command_changes,
    mdm_commands,
    mdm_sync,
    mdm_sync_changes,
    network,
    network_changes,
    network_commands,
    network_discovery,
    network_history,
    notices,
    people,
    places,
    relay,
    sla,
    subscriptions,
    ticket_changes,
    tickets,
)
from schema.context import Context
from schema.nodes import INSTANT, straighten

CARRY_SECRETS = network_changes.CARRY_SECRETS | mdm_changes.CARRY_SECRETS | mdm_command_changes.CARRY_SECRETS
SNAPSHOT = Path(__file__).parent / "schema.graphql"


class AsPrepared(SchemaExtension):
    """Runs the document that the door has parsed and validated, and does neither again."""

    def on_operation(self) -> Iterator[None]:
        operation = self.execution_context
        context = operation.context
        if isinstance(context, Context) and context.prepared is not None:
            operation.graphql_document = context.prepared.document
            operation.validation_rules = ()
        yield


class WithoutSecrets(SchemaExtension):
    """What carries a secret and does not fit its type is refused in words that do not repeat it."""

    def on_operation(self) -> Iterator[None]:
        yield
        operation = self.execution_context
        context = operation.context
        if isinstance(context, Context) and context.names & CARRY_SECRETS:
            for error in getattr(operation.result, "errors", None) or ():
                if isinstance(error.original_error, GraphQLError | None):
                    error.message = (
                        "The variables do not fit: a field is missing, unknown or of a wrong type."
                    )


class DeskSchema(strawberry.Schema):
    """The schema of the desk; its doors log faults where they tell them."""

    @property
    def core(self) -> GraphQLSchema:
        return self._schema

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing here: refusals are answers, and faults are logged once, by `schema.errors`."""


Query = merge_types(
    "Query",
    (
        relay.Query,
        people.Query,
        tickets.Query,
        places.Query,
        assets.Query,
        loans.Query,
        guided.Query,
        mdm.Query,
        mdm_commands.Query,
        mdm_sync.Query,
        network.Query,
        network_commands.Query,
        network_discovery.Query,
        network_history.Query,
        sla.Query,
        notices.Query,
        desk.Query,
    ),
)
schema = DeskSchema(
    query=Query,
    mutation=merge_types(
        "Mutation",
        (
            guided_changes.Mutation,
            ticket_changes.Mutation,
            loans.Mutation,
            mdm_changes.Mutation,
            mdm_command_changes.Mutation,
            mdm_sync_changes.Mutation,
            network_changes.Mutation,
            network_commands.Mutation,
            notices.Mutation,
            desk_changes.Mutation,
        ),
    ),
    subscription=subscriptions.Subscription,
    extensions=[AsPrepared, WithoutSecrets],
    scalar_overrides={datetime: INSTANT},
    config=StrawberryConfig(relay_max_results=100),
)
straighten(schema.core)


def sdl() -> str:
    """The schema as its snapshot has it."""
    return print_schema(schema) + "\n"
