"""The HTTP door to calendars, policies and the explanation of timers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel, ConfigDict

from service.core.errors import Invalid
from service.sla import calendars, policies
from service.sla.explain import explained
from service.sla.models import SchoolCalendar, SlaPolicy
from service.sla.policy import Agreement, Target
from service.sla.scenario import BadScenario, Scenario
from service.web import CurrentActor, Json, Reading, RowId, Working, door, refusals

router = door("", "sla")

EXAMPLE = {
    "calendar": {"zone": "America/Chicago", "hours": {"mon": [["07:30", "16:00"]]}},
    "policy": {"targets": {"first_response": 60, "resolution": 480}},
    "events": [{"at": "2026-11-23T09:00:00-06:00", "kind": "opened", "by": "requester"}],
    "as_of": "2026-11-23T10:30:00-06:00",
}


class CalendarOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    version: int
    definition: dict[str, Any]


class MoveOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    ticket_id: int
    agreement: Agreement
    target: Target
    cycle: int
    due_at: datetime | None
    moves_to: datetime | None


class PolicyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    kind: Agreement
    version: int
    position: int
    active: bool
    calendar_id: int | None
    matches: dict[str, list[str]]
    targets: dict[str, dict[str, float]]
    rules: dict[str, Any]


class Explained(BaseModel):
    """The timers of a scenario, as `docs/sla.md` describes them."""

    timers: list[dict[str, Any]]


@router.post(
    "/sla/explain",
    operation_id="explainSla",
    summary="The timers of a scenario, and why they stand as they do",
    response_model=Explained,
    responses=refusals(),
)
async def explain(
    scenario: Annotated[Scenario, Body(openapi_examples={"a Monday": {"value": EXAMPLE}})],
    actor: CurrentActor,
) -> Json:
    try:
        return Json(await asyncio.to_thread(explained, scenario))
    except (BadScenario, ValueError) as error:
        raise Invalid.field("body", str(error), "bad_scenario") from None


@router.get(
    "/calendars", operation_id="listCalendars", response_model=list[CalendarOut], responses=refusals()
)
async def list_calendars(read: Reading) -> object:
    return await calendars.calendars(read)


@router.post(
    "/calendars",
    operation_id="createCalendar",
    response_model=CalendarOut,
    status_code=201,
    responses=refusals(409),
)
async def create_calendar(calendar: calendars.NewCalendar, work: Working) -> SchoolCalendar:
    return await calendars.create_calendar(work, calendar)


@router.get(
    "/calendars/{calendar_id}",
    operation_id="getCalendar",
    response_model=CalendarOut,
    responses=refusals(404),
)
async def get_calendar(calendar_id: RowId, read: Reading) -> object:
    return await calendars.calendar_by_id(read, calendar_id)


@router.post(
    "/calendars/{calendar_id}/preview",
    operation_id="previewCalendar",
    summary="Every running target that the new definition would move; nothing is saved",
    response_model=list[MoveOut],
    responses=refusals(404),
)
async def preview(calendar_id: RowId, calendar: calendars.EditCalendar, read: Reading) -> object:
    return await calendars.moves(read, calendar_id, calendar.definition)


@router.get(
    "/sla/policies", operation_id="listPolicies", response_model=list[PolicyOut], responses=refusals()
)
async def list_policies(read: Reading) -> object:
    return await policies.policies(read)


@router.post(
    "/sla/policies",
    operation_id="createPolicy",
    response_model=PolicyOut,
    status_code=201,
    responses=refusals(409),
)
async def create_policy(policy: policies.NewPolicy, work: Working) -> SlaPolicy:
    return await policies.create_policy(work, policy)


@router.put(
    "/sla/policies/{policy_id}",
    operation_id="editPolicy",
    response_model=PolicyOut,
    responses=refusals(404, 409, 412),
)
async def edit_policy(policy_id: RowId, policy: policies.EditPolicy, work: Working) -> SlaPolicy:
    return await policies.edit_policy(work, policy_id, policy)
