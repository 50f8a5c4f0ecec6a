"""The verbs on syncs and reviews as mutations."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET

from schema.changes import viewed
from schema.context import Info
from schema.errors import UserError
from schema.mdm_sync import MdmReview, MdmRun
from schema.nodes import mutation, number_in
from schema.ticket_inputs import Once, mirrors, wanted
from service.mdm import reviewing, run_listing, syncing
from service.mdm.models import SyncKind
from service.mdm.reviewing import SettleAs


@mirrors(syncing.AskSync, "AskMdmSyncInput")
class AskMdmSync(Once):
    id: strawberry.ID = strawberry.field(description="Of the connection.")
    kind: SyncKind | None = UNSET
    dry: bool | None = UNSET


@mirrors(syncing.DecideRun, "DecideMdmRunInput")
class DecideMdmRun(Once):
    id: strawberry.ID
    go: bool


@strawberry.input(name="CancelMdmRunInput")
class CancelMdmRun(Once):
    id: strawberry.ID


@mirrors(reviewing.SettleReview, "SettleMdmReviewInput")
class SettleMdmReview(Once):
    id: strawberry.ID
    how: SettleAs
    asset_tag: str | None = UNSET


@strawberry.type
class MdmRunPayload:
    run: MdmRun | None
    user_errors: list[UserError]


@strawberry.type
class MdmReviewPayload:
    review: MdmReview | None
    user_errors: list[UserError]


@strawberry.type
class Mutation:
    @mutation(description="Have a connection synced.")
    async def ask_mdm_sync(self, info: Info, input: AskMdmSync) -> MdmRunPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmConnection"), wanted(input, syncing.AskSync)]

        run, errors = await viewed(info, input, syncing.ask_sync, run_listing.run_by_id, arguments)
        return MdmRunPayload(run=run, user_errors=errors)

    @mutation(description="Let a held sync through, or discard it.")
    async def decide_mdm_run(self, info: Info, input: DecideMdmRun) -> MdmRunPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmRun"), wanted(input, syncing.DecideRun)]

        run, errors = await viewed(info, input, syncing.decide_run, run_listing.run_by_id, arguments)
        return MdmRunPayload(run=run, user_errors=errors)

    @mutation(description="Stop a sync before anything is written down.")
    async def cancel_mdm_run(self, info: Info, input: CancelMdmRun) -> MdmRunPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmRun")]

        run, errors = await viewed(info, input, syncing.cancel_run, run_listing.run_by_id, arguments)
        return MdmRunPayload(run=run, user_errors=errors)

    @mutation(description="Say which asset a record is.")
    async def settle_mdm_review(self, info: Info, input: SettleMdmReview) -> MdmReviewPayload:
        def arguments() -> list[Any]:
            return [number_in(input.id, "MdmReview"), wanted(input, reviewing.SettleReview)]

        review, errors = await viewed(info, input, reviewing.settle_review, reviewing.review_by_id, arguments)
        return MdmReviewPayload(review=review, user_errors=errors)
