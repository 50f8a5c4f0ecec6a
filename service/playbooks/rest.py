"""The HTTP door to guided help: tickets opened with it, suggestions, and runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import Response

from service.core.fields import Language, Line
from service.playbooks import actions, opening, photos, queries, suggesting, wire
from service.playbooks.state import Stage
from service.tickets import wire as tickets
from service.web import Cursor, Json, Limit, Reading, RowId, Working, door, paged, refusals

opened = door("/tickets", "tickets")
router = door("/playbook-runs", "guided help")
suggested = door("/playbook-suggestions", "guided help")
RUN: dict[str, Any] = {"response_model": wire.RunOut, "responses": refusals(404, 409, 412)}
Words = Annotated[Language | None, Query(description="Of the words; else those of whose run it is.")]
PhotoKey = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", examples=["0123456789abcdef"])]


class TicketOpened(tickets.TicketOut):
    """The ticket, with playbooks that may solve it at once, and the run that was begun."""

    suggested_playbooks: list[wire.SuggestionOut]
    run: wire.RunOut | None


@opened.post(
    "",
    operation_id="openTicket",
    summary="File a ticket",
    status_code=201,
    response_model=TicketOpened,
    responses=refusals(404, 409),
)
async def open_ticket(ticket: opening.OpenWithHelp, work: Working) -> Json:
    made = await opening.opened_with_help(work, ticket)
    run = await wire.run_shown(work, made.run) if made.run is not None else None
    return Json(tickets.shown(made.ticket) | {"suggested_playbooks": made.helps, "run": run}, 201)


async def _shown(work: Working, run_id: int) -> dict[str, Any]:
    return await wire.run_shown(work, await queries.run_view(work, run_id, checked=False))


async def _answered(work: Working, run_id: int, status: int = 200) -> Json:
    return Json(await _shown(work, run_id), status)


@suggested.get(
    "",
    operation_id="suggestPlaybooks",
    summary="Playbooks for what somebody says, with their first question",
    response_model=list[wire.SuggestionOut],
    responses=refusals(404),
)
async def suggest(asked: Annotated[suggesting.Ask, Query()], read: Reading) -> Json:
    return Json(await suggesting.suggest(read, asked))


@router.post("", operation_id="startRun", summary="Begin a playbook", status_code=201, **RUN)
async def start_run(run: actions.StartRun, work: Working) -> Json:
    return await _answered(work, (await actions.start_run(work, run)).id, 201)


@router.get(
    "",
    operation_id="listRuns",
    summary="Runs you see, newest first",
    response_model=wire.RunPage,
    responses=refusals(),
)
async def list_runs(
    read: Reading,
    ticket: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    stage: Stage | None = None,
    playbook: Line | None = None,
    mine: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Json:
    page = await queries.runs_page(
        read, ticket=ticket, stage=stage, playbook=playbook, mine=mine, limit=limit, cursor=cursor
    )
    return Json(paged(page, wire.run_listed))


@router.get(
    "/{run}",
    operation_id="getRun",
    summary="A run and its present step",
    response_model=wire.RunOut,
    responses=refusals(404),
)
async def get_run(run: RowId, read: Reading, language: Words = None) -> Json:
    return Json(await wire.run_shown(read, await queries.run_view(read, run), language))


@router.post("/{run}/answer", operation_id="answerStep", summary="Answer the present step", **RUN)
async def answer(run: RowId, said: actions.AnswerStep, work: Working) -> Json:
    await actions.answer(work, run, said)
    return await _answered(work, run)


@router.post("/{run}/skip", operation_id="skipStep", summary="Say why a step is not relevant", **RUN)
async def skip(run: RowId, said: actions.SkipStep, work: Working) -> Json:
    await actions.skip(work, run, said)
    return await _answered(work, run)


@router.post("/{run}/back", operation_id="goBack", summary="Go back to the step answered last", **RUN)
async def back(run: RowId, work: Working) -> Json:
    await actions.back(work, run)
    return await _answered(work, run)


@router.post("/{run}/hand-over", operation_id="handOverRun", summary="Give it to a technician", **RUN)
async def hand_over(run: RowId, why: actions.Why, work: Working) -> Json:
    await actions.hand_over(work, run, why)
    return await _answered(work, run)


@router.post("/{run}/take-over", operation_id="takeOverRun", summary="Go on with it as a technician", **RUN)
async def take_over(run: RowId, work: Working) -> Json:
    await actions.take_over(work, run)
    return await _answered(work, run)


@router.post("/{run}/approve", operation_id="approveRun", summary="Agree to what it asks for", **RUN)
async def approve(run: RowId, why: actions.Because, work: Working) -> Json:
    await actions.approve(work, run, why)
    return await _answered(work, run)


@router.post("/{run}/refuse", operation_id="refuseRun", summary="Do not agree to it", **RUN)
async def refuse(run: RowId, why: actions.Because, work: Working) -> Json:
    await actions.refuse(work, run, why)
    return await _answered(work, run)


@router.post("/{run}/cancel", operation_id="cancelRun", summary="Stop", **RUN)
async def cancel(run: RowId, why: actions.Why, work: Working) -> Json:
    await actions.cancel(work, run, why)
    return await _answered(work, run)


@router.get(
    "/{run}/log",
    operation_id="getRunLog",
    summary="What happened in a run, oldest first",
    response_model=wire.RunEventPage,
    responses=refusals(404),
)
async def get_log(run: RowId, read: Reading, limit: Limit = 50, cursor: Cursor = None) -> Json:
    return Json(paged(await queries.run_log(read, run, limit=limit, cursor=cursor), wire.run_event))


@router.get(
    "/{run}/summary",
    operation_id="getRunSummary",
    summary="What was asked, answered, read, done and ruled out",
    response_model=wire.SummaryOut,
    responses=refusals(404),
)
async def get_summary(run: RowId, read: Reading, language: Words = None) -> Json:
    return Json(wire.summary_shown(await queries.run_summary(read, run, language)))


@router.post(
    "/{run}/photos",
    operation_id="addPhoto",
    summary="Add a photo for an answer",
    status_code=201,
    response_model=wire.PhotoOut,
    responses=refusals(404, 409),
)
async def add_photo(run: RowId, photo: photos.AddPhoto, work: Working) -> Json:
    kept = await photos.add_photo(work, run, photo)
    return Json({"key": kept.key, "media_type": kept.media_type, "at": kept.at}, 201)


@router.get(
    "/{run}/photos/{key}",
    operation_id="getPhoto",
    summary="A photo of a run",
    response_class=Response,
    responses={
        **refusals(404),
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
    },
)
async def get_photo(
    run: RowId,
    key: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", examples=["0123456789abcdef"])],
    read: Reading,
) -> Response:
    photo = await photos.photo_by_key(read, run, key)
    headers = {"Content-Disposition": "inline", "X-Content-Type-Options": "nosniff"}
    return Response(photo.content, media_type=photo.media_type, headers=headers)
