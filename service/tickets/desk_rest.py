"""The HTTP door to the desk's own rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from service.sla.calendars import EditCalendar
from service.sla.models import SchoolCalendar
from service.sla.rest import CalendarOut
from service.tickets import desk, notices, recalculation
from service.tickets.models import Category, Notice, Queue
from service.web import Cursor, Limit, Reading, RowId, Working, door, refusals

router = door("", "desk")
QueueKey = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", examples=["network"])]


class QueueOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    key: str
    name: str
    confidential: bool
    is_default: bool


class CategoryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str


@router.get("/queues", operation_id="listQueues", response_model=list[QueueOut], responses=refusals())
async def list_queues(read: Reading) -> object:
    return await desk.queues(read)


@router.post(
    "/queues", operation_id="addQueue", response_model=QueueOut, status_code=201, responses=refusals(409)
)
async def add_queue(queue: desk.NewQueue, work: Working) -> Queue:
    return await desk.add_queue(work, queue)


@router.put("/queues/{key}", operation_id="editQueue", response_model=QueueOut, responses=refusals(404, 409))
async def edit_queue(key: QueueKey, queue: desk.EditQueue, work: Working) -> Queue:
    return await desk.edit_queue(work, key, queue)


@router.get(
    "/categories", operation_id="listCategories", response_model=list[CategoryOut], responses=refusals()
)
async def list_categories(read: Reading) -> object:
    return await desk.categories(read)


@router.post(
    "/categories",
    operation_id="addCategory",
    response_model=CategoryOut,
    status_code=201,
    responses=refusals(409),
)
async def add_category(category: desk.NewCategory, work: Working) -> Category:
    return await desk.add_category(work, category)


@router.get("/routing", operation_id="getRouting", response_model=desk.Routing, responses=refusals())
async def get_routing(read: Reading) -> dict[str, Any]:
    return {"rules": await desk.routing(read)}


@router.put("/routing", operation_id="setRouting", response_model=desk.Routing, responses=refusals())
async def set_routing(routing: desk.Routing, work: Working) -> dict[str, Any]:
    await desk.set_routing(work, routing)
    return {"rules": await desk.routing(work)}


@router.get("/priority-matrix", operation_id="getMatrix", response_model=desk.MatrixIn, responses=refusals())
async def get_matrix(read: Reading) -> dict[str, Any]:
    return {"cells": await desk.matrix(read)}


@router.put("/priority-matrix", operation_id="setMatrix", response_model=desk.MatrixIn, responses=refusals())
async def set_matrix(matrix: desk.MatrixIn, work: Working) -> dict[str, Any]:
    await desk.set_matrix(work, matrix)
    return {"cells": await desk.matrix(work)}


@router.put(
    "/calendars/{calendar_id}",
    operation_id="editCalendar",
    summary="Change a calendar (a snow day); running timers move with it",
    response_model=CalendarOut,
    responses=refusals(404, 412),
)
async def edit_calendar(calendar_id: RowId, calendar: EditCalendar, work: Working) -> SchoolCalendar:
    return await recalculation.edit_calendar(work, calendar_id, calendar)


class NoticeOut(BaseModel):
    """What the desk tells you; `detail` lists the tickets that are late or close to it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    text: str
    detail: dict[str, Any]
    seen_at: datetime | None


class NoticePage(BaseModel):
    items: list[NoticeOut]
    next_cursor: str | None


@router.get(
    "/notices",
    operation_id="listNotices",
    summary="What the desk tells you: tickets that are late or close to it",
    response_model=NoticePage,
    responses=refusals(),
)
async def list_notices(read: Reading, limit: Limit = 50, cursor: Cursor = None) -> object:
    page = await notices.notices_page(read, limit=limit, cursor=cursor)
    return {"items": page.rows, "next_cursor": page.next_cursor}


@router.post(
    "/notices/{notice_id}/seen",
    operation_id="seeNotice",
    summary="Say that you saw one of your notices",
    response_model=NoticeOut,
    responses=refusals(404),
)
async def see_notice(notice_id: RowId, work: Working) -> Notice:
    return await notices.see_notice(work, notice_id)
