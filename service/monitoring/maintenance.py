"""Times in which faults make no tickets: planned, looked up, ended early."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field
from sqlalchemy import select

from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Id, Input, Instant, Key, Line
from service.core.idempotency import once
from service.core.work import Work
from service.monitoring.access import RUNS, may_run_network
from service.monitoring.models import NetworkDevice, NetworkMaintenance
from service.places.models import Place, PlaceKind

LONGEST: Final = timedelta(days=30)
FARTHEST: Final = timedelta(days=366)
LATE: Final = timedelta(minutes=5)  # how far a caller's clock may run behind ours


class PlanMaintenance(Input):
    """Exactly one of `everything`, `school_id` and `device_id` says what it is for."""

    everything: bool = Field(False, description="The whole district.")
    school_id: Key | None = Field(None, description="Every device of a school.")
    device_id: Id | None = Field(None, description="A device, and what hangs on it.")
    starts_at: Instant | None = Field(None, description="Else now.")
    ends_at: Instant = Field(description="At most 30 days later.", examples=["2026-09-14T18:00:00Z"])
    reason: Line = Field(examples=["New switch in closet B"])


@once(NetworkMaintenance)
async def plan_maintenance(work: Work, wanted: PlanMaintenance) -> NetworkMaintenance:
    """Make no tickets of faults in that time. Invalid where scope or time do not fit."""
    require(may_run_network(work.actor), RUNS)
    await _scoped(work, wanted)
    starts_at = wanted.starts_at or work.now
    if starts_at < work.now - LATE:
        raise Invalid.field("starts_at", "That moment has passed; leave it out to start now.", "in_the_past")
    if starts_at > work.now + FARTHEST:
        raise Invalid.field("starts_at", "Plan at most a year ahead.", "too_far")
    if wanted.ends_at <= max(starts_at, work.now):
        raise Invalid.field("ends_at", "It ends before it begins.", "bad_end")
    if wanted.ends_at - starts_at > LONGEST:
        raise Invalid.field("ends_at", f"A maintenance lasts at most {LONGEST.days} days.", "too_long")
    planned = NetworkMaintenance(
        school_id=wanted.school_id,
        device_id=wanted.device_id,
        reason=wanted.reason,
        starts_at=starts_at,
        ends_at=wanted.ends_at,
        created_by_id=work.actor.person_id,
        created_at=work.now,
    )
    work.session.add(planned)
    await work.session.flush()
    return planned


@once(NetworkMaintenance)
async def cancel_maintenance(work: Work, maintenance_id: int) -> NetworkMaintenance:
    """End it now, or before it begins. NotFound; Conflict once it is over."""
    require(may_run_network(work.actor), RUNS)
    planned = await work.session.get(NetworkMaintenance, maintenance_id, with_for_update=True)
    if planned is None:
        raise NotFound("There is no such maintenance.")
    if planned.cancelled_at is not None or planned.ends_at <= work.now:
        raise Conflict("This maintenance is over.")
    planned.cancelled_at = work.now
    await work.session.flush()
    return planned


async def _scoped(work: Work, wanted: PlanMaintenance) -> None:
    scopes = [wanted.everything, wanted.school_id is not None, wanted.device_id is not None]
    if sum(scopes) != 1:
        sentence = "Say what it is for: everything, a school, or a device."
        raise Invalid.field("everything", sentence, "one_scope")
    if wanted.school_id is not None:
        school = await work.session.get(Place, wanted.school_id)
        if school is None or school.kind is not PlaceKind.SCHOOL:
            raise Invalid.field("school_id", "There is no such school.", "unknown_school")
    elif wanted.device_id is not None:
        found = await work.session.scalar(
            select(NetworkDevice.id).where(NetworkDevice.id == wanted.device_id)
        )
        if found is None:
            raise Invalid.field("device_id", "There is no such network device.", "unknown_device")
