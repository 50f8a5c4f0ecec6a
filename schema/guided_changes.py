"""The verbs of guided help as mutations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import strawberry
from pydantic import BaseModel
from strawberry import UNSET
from strawberry.scalars import JSON

from schema import ticket_inputs
from schema.changes import changed
from schema.context import Info
from schema.desk_inputs import Versioned
from schema.errors import UserError
from schema.guided import DistrictFact, PlaybookRun, PlaybookSuggestion, PlaybookVersion, RunPhoto
from schema.nodes import mutation, number_in
from schema.ticket_inputs import Once, mirrors, wanted
from schema.tickets import Ticket
from service.core.work import Work
from service.playbooks import actions, district, opening, photos, versions
from service.playbooks.queries import run_view

Verb = Callable[..., Awaitable[Any]]


@strawberry.input
class OnRun(Versioned):
    run: strawberry.ID = strawberry.field(description="The run, by its id or global id.")


@mirrors(opening.OpenWithHelp, "OpenTicketInput")
class OpenTicket(ticket_inputs.OpenTicket):
    start_playbook: str | None = UNSET


@mirrors(actions.StartRun, "StartRunInput")
class StartRun(Once):
    playbook: str
    ticket: int | None = UNSET
    asset_tag: str | None = UNSET
    person_id: strawberry.ID | None = UNSET
    language: str | None = UNSET
    dry_run: bool | None = UNSET


@mirrors(actions.AnswerStep, "AnswerStepInput")
class AnswerStep(OnRun):
    step: str
    value: JSON | None = UNSET
    way: str | None = UNSET


@mirrors(actions.SkipStep, "SkipStepInput")
class SkipStep(OnRun):
    step: str
    reason: str


@mirrors(None, "GoBackInput")
class GoBack(OnRun):
    pass


@mirrors(actions.Why, "HandOverRunInput")
class HandOverRun(OnRun):
    reason: str


@mirrors(None, "TakeOverRunInput")
class TakeOverRun(OnRun):
    pass


@mirrors(actions.Because, "ApproveRunInput")
class ApproveRun(OnRun):
    reason: str


@mirrors(actions.Because, "RefuseRunInput")
class RefuseRun(OnRun):
    reason: str


@mirrors(actions.Why, "CancelRunInput")
class CancelRun(OnRun):
    reason: str


@mirrors(photos.AddPhoto, "AddPhotoInput")
class AddPhoto(Once):
    run: strawberry.ID
    content: str


@mirrors(versions.WritePlaybook, "WritePlaybookInput")
class WritePlaybook(Once):
    source: str


@strawberry.input
class OnVersion(Versioned):
    id: strawberry.ID = strawberry.field(description="The version, by its id or global id.")


@mirrors(versions.WritePlaybook, "RewritePlaybookInput")
class RewritePlaybook(OnVersion):
    source: str


@mirrors(None, "SubmitPlaybookInput")
class SubmitPlaybook(OnVersion):
    pass


@mirrors(None, "PublishPlaybookInput")
class PublishPlaybook(OnVersion):
    pass


@mirrors(versions.Withdraw, "WithdrawPlaybookInput")
class WithdrawPlaybook(OnVersion):
    reason: str


@mirrors(district.SetDistrictFact, "SetDistrictFactInput")
class SetDistrictFact(Once):
    name: str
    value: JSON
    school_id: strawberry.ID | None = UNSET
    since: datetime | None = UNSET
    until: datetime | None = UNSET


@strawberry.input(name="EndDistrictFactInput")
class EndDistrictFact(Once):
    fact_id: strawberry.ID


@strawberry.type(description="The ticket, playbooks that may solve it, the run that was begun; or why not.")
class TicketOpenedPayload:
    ticket: Ticket | None = None
    suggested_playbooks: list[PlaybookSuggestion] = strawberry.field(default_factory=list)
    run: PlaybookRun | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type(description="The run as the change left it, or null and why it was refused.")
class RunPayload:
    run: PlaybookRun | None
    user_errors: list[UserError]


@strawberry.type
class PhotoPayload:
    photo: RunPhoto | None
    user_errors: list[UserError]


@strawberry.type
class VersionPayload:
    version: PlaybookVersion | None
    user_errors: list[UserError]


@strawberry.type
class DistrictFactPayload:
    fact: DistrictFact | None
    user_errors: list[UserError]


async def _run(info: Info, asked: Any, verb: Verb, model: type[BaseModel] | None = None) -> RunPayload:
    """The run that the verb leaves, as `run_view` shows it."""

    async def shown(work: Work, *given: Any) -> Any:
        moved = await verb(work, *given)
        await work.session.flush()
        return await run_view(work, moved.id, checked=False)

    def arguments() -> list[Any]:
        which: list[Any] = [number_in(asked.run, "PlaybookRun", "run")] if isinstance(asked, OnRun) else []
        return which + ([wanted(asked, model)] if model else [])

    row: Any
    row, errors = await changed(info, asked, shown, arguments)
    return RunPayload(run=row, user_errors=errors)


async def _version(
    info: Info, asked: Any, verb: Verb, model: type[BaseModel] | None = None
) -> VersionPayload:
    def arguments() -> list[Any]:
        which: list[Any] = [number_in(asked.id, "PlaybookVersion")] if isinstance(asked, OnVersion) else []
        return which + ([wanted(asked, model)] if model else [])

    row: Any
    row, errors = await changed(info, asked, verb, arguments)
    return VersionPayload(version=row, user_errors=errors)


@strawberry.type
class Mutation:
    @mutation(description="File a ticket; it answers with the playbooks that may solve it.")
    async def open_ticket(self, info: Info, input: OpenTicket) -> TicketOpenedPayload:
        made: Any
        made, errors = await changed(
            info, input, opening.opened_with_help, lambda: [wanted(input, opening.OpenWithHelp)]
        )
        if made is None:
            return TicketOpenedPayload(user_errors=errors)
        return TicketOpenedPayload(ticket=made.ticket, suggested_playbooks=made.helps, run=made.run)

    @mutation(description="Begin a playbook.")
    async def start_run(self, info: Info, input: StartRun) -> RunPayload:
        return await _run(info, input, actions.start_run, actions.StartRun)

    @mutation(description="Answer the present step; sent twice, it does nothing twice.")
    async def answer_step(self, info: Info, input: AnswerStep) -> RunPayload:
        return await _run(info, input, actions.answer, actions.AnswerStep)

    @mutation(description="Say why a step is not relevant.")
    async def skip_step(self, info: Info, input: SkipStep) -> RunPayload:
        return await _run(info, input, actions.skip, actions.SkipStep)

    @mutation(description="Go back to the step answered last.")
    async def go_back(self, info: Info, input: GoBack) -> RunPayload:
        return await _run(info, input, actions.back)

    @mutation(description="Give it to a technician, with everything learnt.")
    async def hand_over_run(self, info: Info, input: HandOverRun) -> RunPayload:
        return await _run(info, input, actions.hand_over, actions.Why)

    @mutation(description="Go on with it as a technician.")
    async def take_over_run(self, info: Info, input: TakeOverRun) -> RunPayload:
        return await _run(info, input, actions.take_over)

    @mutation(description="Agree to what it asks for.")
    async def approve_run(self, info: Info, input: ApproveRun) -> RunPayload:
        return await _run(info, input, actions.approve, actions.Because)

    @mutation(description="Do not agree to it.")
    async def refuse_run(self, info: Info, input: RefuseRun) -> RunPayload:
        return await _run(info, input, actions.refuse, actions.Because)

    @mutation(description="Stop; nothing more is asked or done.")
    async def cancel_run(self, info: Info, input: CancelRun) -> RunPayload:
        return await _run(info, input, actions.cancel, actions.Why)

    @mutation(description="Add a photo for an answer.")
    async def add_photo(self, info: Info, input: AddPhoto) -> PhotoPayload:
        def arguments() -> list[Any]:
            return [number_in(input.run, "PlaybookRun", "run"), wanted(input, photos.AddPhoto)]

        row: Any
        row, errors = await changed(info, input, photos.add_photo, arguments)
        return PhotoPayload(photo=row, user_errors=errors)

    @mutation(description="Write a draft of a playbook.")
    async def write_playbook(self, info: Info, input: WritePlaybook) -> VersionPayload:
        return await _version(info, input, versions.write_playbook, versions.WritePlaybook)

    @mutation(description="Change a draft.")
    async def rewrite_playbook(self, info: Info, input: RewritePlaybook) -> VersionPayload:
        return await _version(info, input, versions.rewrite_playbook, versions.WritePlaybook)

    @mutation(description="Send a draft for review.")
    async def submit_playbook(self, info: Info, input: SubmitPlaybook) -> VersionPayload:
        return await _version(info, input, versions.submit_playbook)

    @mutation(description="Let new runs take a reviewed version.")
    async def publish_playbook(self, info: Info, input: PublishPlaybook) -> VersionPayload:
        return await _version(info, input, versions.publish_playbook)

    @mutation(description="Stop a version; its open runs are handed over.")
    async def withdraw_playbook(self, info: Info, input: WithdrawPlaybook) -> VersionPayload:
        return await _version(info, input, versions.withdraw_playbook, versions.Withdraw)

    @mutation(description="Say what the district decided.")
    async def set_district_fact(self, info: Info, input: SetDistrictFact) -> DistrictFactPayload:
        row: Any
        row, errors = await changed(
            info, input, district.set_district_fact, lambda: [wanted(input, district.SetDistrictFact)]
        )
        return DistrictFactPayload(fact=row, user_errors=errors)

    @mutation(description="It holds no more.")
    async def end_district_fact(self, info: Info, input: EndDistrictFact) -> DistrictFactPayload:
        row: Any
        row, errors = await changed(
            info,
            input,
            district.end_district_fact,
            lambda: [number_in(input.fact_id, "DistrictFact", "fact_id")],
        )
        return DistrictFactPayload(fact=row, user_errors=errors)
