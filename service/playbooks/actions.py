"""What people do in runs of playbooks. Each verb: find, may, move, record."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import func, select

from service.assets.models import Asset
from service.core.actor import Role
from service.core.errors import Conflict, Forbidden, Invalid, NotFound, require
from service.core.fields import Id, Input, Language, Line
from service.core.idempotency import once
from service.core.work import Work
from service.people.models import Person
from service.playbooks import access
from service.playbooks.ahead import facts_ahead
from service.playbooks.answers import DoesNotFit
from service.playbooks.changes import record
from service.playbooks.grammar import Book, Question
from service.playbooks.knowing import view_for, view_of
from service.playbooks.models import PlaybookRun, PlaybookVersion, RunEvent, RunPhoto, VersionStatus
from service.playbooks.queries import run_for_update
from service.playbooks.state import (
    Answer,
    Back,
    By,
    Cancel,
    Decide,
    Event,
    HandOver,
    Skip,
    Stage,
    TakeOver,
    state_from,
)
from service.playbooks.traversal import CannotMove, advance, begin, step_of
from service.playbooks.versions import book_of, current
from service.tickets.models import Ticket
from service.tickets.queries import ticket_rights

MOST_OPEN = 50
StepPath = Annotated[str, Field(min_length=1, max_length=250, pattern=r"^[a-z0-9_.]+$")]
AnswerText = Annotated[str, Field(max_length=4000)]
AnswerValue = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)]
    | Annotated[float, Field(strict=True)]
    | AnswerText
    | Annotated[list[AnswerText], Field(max_length=20)]
)


class StartRun(Input):
    """Begin a playbook: for a ticket, or before there is one."""

    playbook: Line = Field(examples=["chromebook-wifi"])
    ticket: int | None = Field(None, ge=1, le=2**53, description="A ticket that you see.")
    asset_tag: Line | None = Field(None, description="The device; else the ticket's.")
    person_id: Id | None = Field(None, description="Desk only: whose trouble it is, if not yours.")
    language: Language | None = Field(None, description="Of the words; else the person's.")
    dry_run: bool = Field(False, description="Say what it would do, and do nothing.")


class AnswerStep(Input):
    """An answer to the present step; sent twice, it does nothing twice."""

    step: StepPath = Field(description="The `path` of the step that is answered.", examples=["others_work"])
    value: AnswerValue | None = Field(
        None,
        description="A choice, list, text or number, as the step's kind wants.",
        examples=["yes"],
    )
    way: Literal["dont_know", "cannot", "left_out"] | None = Field(
        None, description="Instead of a value: what is always possible."
    )


class SkipStep(Input):
    step: StepPath
    reason: Line = Field(description="Why the step is not relevant; its author reads it.")


class Why(Input):
    reason: Line = Field(examples=["No time right now"])


class Because(Input):
    reason: Line = Field(description="Kept with the decision.", examples=["Checked with the teacher"])


class RunEnded(Conflict):
    code = "run_ended"


@once(PlaybookRun)
async def start_run(work: Work, wanted: StartRun) -> PlaybookRun:
    """Begin a playbook; what can be looked up is, and the first question is the answer."""
    return await started(work, wanted)


async def started(work: Work, wanted: StartRun) -> PlaybookRun:
    require(access.may_start(work.actor))
    version_id = (await current(work)).get(wanted.playbook)
    if version_id is None:
        raise _no_playbook(wanted.playbook)
    await _refuse_too_many(work)
    book = await book_of(work, version_id)
    about = await _about(work, wanted)
    run = PlaybookRun(
        version_id=version_id,
        playbook=book.main.id,
        began_without_ticket=wanted.ticket is None,
        started_by_id=work.actor.person_id,
        is_dry=wanted.dry_run,
        version=0,
        started_at=work.now,
        updated_at=work.now,
        stage=Stage.ASKING,
        path=book.main.start,
        state={},
        **about,
    )
    work.session.add(run)
    await work.session.flush()
    await _refuse_withdrawn(work, run)
    view = await view_of_start(work, run, book)
    own = work.actor.person_id == run.person_id or not work.actor.is_desk
    made = begin(book, view, asked_of="requester" if own else "technician", dry=wanted.dry_run)
    await record(work, run, book, made)
    return run


async def _refuse_too_many(work: Work) -> None:
    query = (
        select(func.count())
        .select_from(PlaybookRun)
        .where(PlaybookRun.started_by_id == work.actor.person_id, PlaybookRun.ended_at.is_(None))
    )
    if work.actor.person_id is not None and (await work.session.scalar(query) or 0) >= MOST_OPEN:
        raise Conflict(f"You have {MOST_OPEN} runs under way. Finish or cancel one first.")


async def _refuse_withdrawn(work: Work, run: PlaybookRun) -> None:
    """The shelf may be older than a withdrawal, which has handed over the runs that it saw."""
    status = select(PlaybookVersion.status).where(PlaybookVersion.id == run.version_id)
    if await work.session.scalar(status) is VersionStatus.WITHDRAWN:
        work.shelf.drop("playbooks")
        raise _no_playbook(run.playbook)


def _no_playbook(name: str) -> Invalid:
    return Invalid.field("playbook", f"There is no playbook “{name}”.", "unknown_playbook")


async def view_of_start(work: Work, run: PlaybookRun, book: Book) -> Any:
    return await view_of(work, run, book, facts_ahead(book, ((book.main.id, book.main.start),)))


async def _about(work: Work, wanted: StartRun) -> dict[str, Any]:
    """Whose run it is, on which device, at which school, in which language."""
    about: dict[str, Any] = {
        "person_id": work.actor.person_id,
        "school_id": work.actor.home_school_id,
        "asset_id": None,
        "ticket_id": None,
        "language": work.actor.language,
    }
    if wanted.ticket is not None:
        about |= await _of_ticket(work, wanted.ticket)
    if wanted.person_id is not None and wanted.person_id != about["person_id"]:
        about |= await _of_person(work, wanted.person_id)
    if wanted.asset_tag is not None:
        about |= await _of_device(work, wanted.asset_tag, about["school_id"])
    if wanted.language is not None:
        about["language"] = wanted.language
    return about


async def _of_ticket(work: Work, number: int) -> dict[str, Any]:
    rights = await ticket_rights(work, number)
    require(access.may_start_for(work.actor, rights), "You see this ticket, but it is not yours.")
    ticket = await work.session.get_one(Ticket, rights.id)
    return {
        "ticket_id": ticket.id,
        "person_id": ticket.requester_id or work.actor.person_id,
        "school_id": ticket.school_id,
        "asset_id": await _known_device(work, ticket.asset_id),
        "language": ticket.language,
    }


async def _known_device(work: Work, asset_id: int | None) -> int | None:
    """The device of a ticket; None where whoever begins may not know of it: a run asks instead."""
    holder = await work.session.scalar(select(Asset.holder_id).where(Asset.id == asset_id))
    return asset_id if access.may_use_device(work.actor, holder) else None


async def _of_person(work: Work, person_id: int) -> dict[str, Any]:
    person = await work.session.get(Person, person_id)
    allowed = work.actor.is_desk or (work.actor.role is Role.GUARDIAN and person_id in work.actor.child_ids)
    if person is None or not allowed:
        raise Invalid.field("person_id", "There is nobody with this id whom you can help.", "unknown_person")
    return {"person_id": person.id, "school_id": person.school_id, "language": person.language}


async def _of_device(work: Work, tag: str, school_id: str | None) -> dict[str, Any]:
    asset = await work.session.scalar(select(Asset).where(Asset.tag == tag))
    if asset is None or not access.may_use_device(work.actor, asset.holder_id):
        raise Invalid.field(
            "asset_tag", f"There is no device of yours with the tag “{tag}”. Leave it out.", "unknown_asset"
        )
    return {"asset_id": asset.id, "school_id": asset.school_id or school_id}


@once(PlaybookRun)
async def answer(work: Work, run_id: int, said: AnswerStep) -> PlaybookRun:
    """Answer the present step; the next one is the answer."""
    run, ticket = await run_for_update(work, run_id)
    by = _side(work, run, ticket)
    if said.way is None and said.value is None:
        raise Invalid.field("value", "Send a value, or a way.", "required")
    book = await book_of(work, run.version_id)
    if isinstance(said.value, list):
        await _refuse_unknown_photos(work, run, book, said)
    return await moved(work, run, Answer(said.step, said.value, said.way, by))


@once(PlaybookRun)
async def skip(work: Work, run_id: int, said: SkipStep) -> PlaybookRun:
    """Say why a step is not relevant; it goes on as if the answer were not known."""
    run, ticket = await run_for_update(work, run_id)
    return await moved(work, run, Skip(said.step, said.reason, _side(work, run, ticket)))


@once(PlaybookRun)
async def back(work: Work, run_id: int) -> PlaybookRun:
    """Go back to the step answered last; what came after it is forgotten."""
    run, ticket = await run_for_update(work, run_id)
    return await moved(work, run, Back(_side(work, run, ticket)))


@once(PlaybookRun)
async def hand_over(work: Work, run_id: int, why: Why) -> PlaybookRun:
    """That is all I can do: a technician takes it from here, with everything learnt."""
    run, ticket = await run_for_update(work, run_id)
    return await moved(work, run, HandOver(why.reason, _side(work, run, ticket)))


@once(PlaybookRun)
async def take_over(work: Work, run_id: int) -> PlaybookRun:
    """A technician goes on with the run from the last step that asked something."""
    run, ticket = await run_for_update(work, run_id)
    require(access.may_work(work.actor, run, ticket))
    return await moved(work, run, TakeOver())


@once(PlaybookRun)
async def approve(work: Work, run_id: int, why: Because) -> PlaybookRun:
    """Agree to what the run asks for."""
    return await _decided(work, run_id, why, approved=True)


@once(PlaybookRun)
async def refuse(work: Work, run_id: int, why: Because) -> PlaybookRun:
    """Do not agree to it."""
    return await _decided(work, run_id, why, approved=False)


async def _decided(work: Work, run_id: int, why: Because, *, approved: bool) -> PlaybookRun:
    run, ticket = await run_for_update(work, run_id)
    require(access.may_work(work.actor, run, ticket))
    if run.approval_role is None:
        raise Conflict("Nothing waits for an approval here.")
    require(
        access.may_approve(work.actor, run, run.approval_role),
        f"It takes somebody with the role {run.approval_role} or above, who did not start this run.",
    )
    if approved and await _has_had_a_hand_in(work, run):
        raise Forbidden("You answered in this run yourself. Somebody else has to agree.")
    return await moved(work, run, Decide(approved, why.reason, work.actor.person_id))


async def _has_had_a_hand_in(work: Work, run: PlaybookRun) -> bool:
    """Whether the actor answered in the run, or took it over: whoever agrees is another person."""
    query = select(RunEvent.id).where(
        RunEvent.run_id == run.id,
        RunEvent.actor_id == work.actor.person_id,
        RunEvent.kind.in_(("answered", "consented", "taken_over")),
    )
    return await work.session.scalar(query.limit(1)) is not None


@once(PlaybookRun)
async def cancel(work: Work, run_id: int, why: Why) -> PlaybookRun:
    """Stop; nothing more is asked or done."""
    run, ticket = await run_for_update(work, run_id)
    return await moved(work, run, Cancel(why.reason, _side(work, run, ticket)))


def _side(work: Work, run: PlaybookRun, ticket: Any | None) -> By:
    side = access.side_of(work.actor, run, ticket)
    if side is None:
        raise Forbidden("You may see this run, but not answer in it.")
    return side


async def moved(work: Work, run: PlaybookRun, event: Event) -> PlaybookRun:
    """The run after the event, with everything that follows; as it was, where the event is no news."""
    book = await book_of(work, run.version_id)
    state = state_from(run.state)
    view = await view_for(work, run, book, state, whole=isinstance(event, Back | TakeOver))
    try:
        made = advance(book, state, event, view)
    except DoesNotFit as error:
        raise Invalid.field("value", error.said(run.language), error.code) from None
    except CannotMove as error:
        refusal = RunEnded(error.said(run.language))
        refusal.code = error.code
        raise refusal from None
    if made.log or made.state != state:
        await record(work, run, book, made)
    else:
        work.version = run.version
    return run


async def _refuse_unknown_photos(work: Work, run: PlaybookRun, book: Book, said: AnswerStep) -> None:
    state = state_from(run.state)
    step = step_of(book, state)
    if said.step != state.path or not isinstance(step, Question) or step.question != "photo":
        return
    assert isinstance(said.value, list)
    query = select(RunPhoto.key).where(RunPhoto.run_id == run.id, RunPhoto.key.in_(said.value))
    there = set(await work.session.scalars(query))
    if missing := [key for key in said.value if key not in there]:
        raise Invalid.field("value", f"There is no photo “{missing[0][:40]}” in this run.", "unknown_photo")


async def run_by_id(work: Work, run_id: int) -> PlaybookRun:
    """A run for the desk's own jobs, locked. NotFound."""
    run = await work.session.get(PlaybookRun, run_id, with_for_update=True)
    if run is None:
        raise NotFound
    return run
