"""Tickets as REST shows them: the documented shape, and the plain values that fill it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from service.sla.models import TimerState
from service.sla.policy import Agreement, Target
from service.tickets.device_seen import device_of
from service.tickets.lifecycle import Status
from service.tickets.models import Channel, Kind, LinkKind
from service.tickets.priority import Impact, Priority, Urgency


class Named(BaseModel):
    id: int
    name: str | None


class QueueRef(BaseModel):
    key: str
    name: str


class PlaceRef(BaseModel):
    id: str
    name: str | None


class AssetRef(BaseModel):
    tag: str
    kind: str
    model: str | None


class TimerOut(BaseModel):
    """A cycle of a target. `due_at` is null while it is paused; `target_minutes` are working time.

    `agreement` is `sla` for what the desk owes the requester. Those who work the ticket also see `ola`, what
    its queue owes, and `vendor`, what a vendor does by contract.
    """

    agreement: Agreement
    policy: str = Field(description="The policy's name.")
    target: Target
    cycle: int
    state: TimerState
    started_at: datetime
    due_at: datetime | None
    stopped_at: datetime | None
    breached_at: datetime | None
    target_minutes: float


class PauseOut(BaseModel):
    since: datetime = Field(alias="from")
    to: datetime | None
    reason: str


class Recalculated(BaseModel):
    """A finished cycle, judged again by the calendar as it is now; the judgement it got then stands."""

    calendar_version: int
    state: TimerState
    due_at: datetime
    elapsed_minutes: float


class TimerExplained(TimerOut):
    """A cycle as it stands now: `due_at` of a paused one is as if its pause ended now."""

    outside_hours: bool
    elapsed_minutes: float
    remaining_minutes: float
    paused: list[PauseOut]
    policy_version: int
    calendar_version: int
    explain: list[str]
    recalculated: Recalculated | None


class TicketListed(BaseModel):
    """A ticket as lists show it."""

    number: int = Field(examples=[1001])
    kind: Kind
    subject: str
    status: Status
    priority: Priority
    impact: Impact
    urgency: Urgency
    queue: QueueRef
    category: str | None
    requester: Named | None
    opened_by: Named | None
    assignee: Named | None
    place: PlaceRef | None
    school_id: str | None
    asset: AssetRef | None
    channel: Channel
    language: str
    tags: list[str]
    external_id: str | None
    source_key: str | None
    opened_at: datetime
    reported_at: datetime
    updated_at: datetime
    next_due_at: datetime | None = Field(description="The earliest that runs, of the timers that you see.")
    first_response_at: datetime | None
    last_reply_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    hold_reason: str | None
    hold_until: datetime | None
    cause: str | None
    fix: str | None
    outcome: str | None
    reopens: int
    version: int


class DeviceFactOut(BaseModel):
    """Something that was known of a device, in the reader's language: what it is called, and its value."""

    name: str = Field(examples=["device.storage_free_gb"])
    label: str = Field(description="What people call it.", examples=["free storage in GB"])
    value: Any = Field(examples=[3.2])
    unit: str | None = Field(examples=["GB"])
    words: str = Field(description="The value as a person reads it.", examples=["3.2 GB"])
    as_of: datetime = Field(description="When it was so.")
    source: str = Field(description="Who said it.", examples=["District Google"])
    stale: bool = Field(
        description="It was more than a day old when it was taken down: at `taken_at`, or at the `as_of` of "
        "the fresh look. It does not change later."
    )


class FreshLookOut(BaseModel):
    """A look at the device that was asked for when the ticket was filed."""

    facts: list[DeviceFactOut]
    as_of: datetime | None = Field(description="When the look ended; null while it is under way.")
    asked_at: datetime
    detail: str | None = Field(description="Why it brought nothing, if it did not.")


class DeviceOut(BaseModel):
    """What was known of the ticket's device when the ticket was filed, or tied to it; it stays as it was.

    The desk sees everything that is known. Whoever may know the device (staff, its holder, the holder's
    guardians) sees when it last checked in, its system, storage, battery, state, and until when it is
    supported; others only that the desk has it.
    """

    tag: str
    kind: str
    model: str | None
    serial: str | None
    withheld: bool = Field(description="True: what is known of it is not for you.")
    note: str | None = Field(
        description="How much the facts are worth, in a sentence.",
        examples=["Last seen by device management 9 days ago; what follows may have changed."],
    )
    facts: list[DeviceFactOut]
    duplicates: list[int] = Field(
        description="Other tickets about the same device that were open then, of those you see; newest first."
    )
    taken_at: datetime
    fresh: FreshLookOut | None = Field(description="Null where no device management could be asked.")


class TicketOut(TicketListed):
    """One ticket, whole, with its SLA timers and what was known of its device."""

    description: str
    resolution: str | None
    vendor: Named | None = Field(description="With whom it is on hold.")
    shared_with: list[int]
    timers: list[TimerOut]
    device: DeviceOut | None = Field(description="Null where the ticket is about no device.")


class TicketPage(BaseModel):
    items: list[TicketListed]
    next_cursor: str | None


class TicketCount(BaseModel):
    count: int = Field(description="At most 10,000.")
    more: bool = Field(description="True when there are more than that.")


class EventOut(BaseModel):
    """An entry of the timeline; replies and notes carry a `body`."""

    id: int
    kind: str = Field(examples=["ticket.replied"])
    at: datetime
    by: Named | None
    by_desk: bool
    public: bool
    status: Status | None = Field(description="The status it moved the ticket to, if it did.")
    body: str | None
    detail: dict[str, Any]


class EventPage(BaseModel):
    items: list[EventOut]
    next_cursor: str | None


class LinkOut(BaseModel):
    kind: LinkKind
    outward: bool = Field(description="True: this ticket is the one that relates to, duplicates, …")
    number: int
    subject: str
    status: Status


AGREEMENTS = list(Agreement)
TARGETS = list(Target)
STATES = list(TimerState)


def listed(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of a list. As dicts first: a look-up in a row costs ten times one in a dict."""
    names = rows[0]._fields if rows else ()
    return [_listed(dict(zip(names, row, strict=True))) for row in rows]


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": row["id"],
        "kind": row["kind"],
        "subject": row["subject"],
        "status": row["status"],
        "priority": row["priority"],
        "impact": row["impact"],
        "urgency": row["urgency"],
        "queue": {"key": row["queue_key"], "name": row["queue_name"]},
        "category": row["category_id"],
        "requester": _named(row["requester_id"], row["requester_name"]),
        "opened_by": _named(row["opened_by_id"], row["opened_by_name"]),
        "assignee": _named(row["assignee_id"], row["assignee_name"]),
        "place": {"id": row["place_id"], "name": row["place_name"]} if row["place_id"] is not None else None,
        "school_id": row["school_id"],
        "asset": _asset(row),
        "channel": row["channel"],
        "language": row["language"],
        "tags": row["tags"],
        "external_id": row["external_id"],
        "source_key": row["source_key"],
        "opened_at": row["opened_at"],
        "reported_at": row["reported_at"],
        "updated_at": row["updated_at"],
        "next_due_at": row.get("next_due_seen", row["next_due_at"]),
        "first_response_at": row["first_response_at"],
        "last_reply_at": row["last_reply_at"],
        "resolved_at": row["resolved_at"],
        "closed_at": row["closed_at"],
        "hold_reason": row["hold_reason"],
        "hold_until": row["hold_until"],
        "cause": row["cause"],
        "fix": row["fix"],
        "outcome": row["outcome"],
        "reopens": row["reopens"],
        "version": row["version"],
    }


def shown(row: Any) -> dict[str, Any]:
    timers = [timer(values) for values in row.timers]
    running = [one["due_at"] for one in timers if one["stopped_at"] is None and one["due_at"] is not None]
    return listed([row])[0] | {
        "next_due_at": min(running, default=None),
        "description": row.description,
        "resolution": row.resolution,
        "vendor": _named(row.vendor_id, row.vendor_name),
        "shared_with": row.shared_with,
        "timers": timers,
        "device": device_of(row),
    }


def timer(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "agreement": AGREEMENTS[values["agreement"] - 1],
        "policy": values["policy"],
        "target": TARGETS[values["target"] - 1],
        "cycle": values["cycle"],
        "state": STATES[values["state"] - 1],
        "started_at": _instant(values["started_at"]),
        "due_at": _instant(values["due_at"]),
        "stopped_at": _instant(values["stopped_at"]),
        "breached_at": _instant(values["breached_at"]),
        "target_minutes": values["target_seconds"] / 60,
    }


def _instant(written: str | None) -> datetime | None:
    """As PostgreSQL wrote it into JSON, to be written once more like every other instant."""
    return datetime.fromisoformat(written) if written is not None else None


def event(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "at": row.at,
        "by": _named(row.actor_id, row.actor_name),
        "by_desk": row.by_desk,
        "public": row.public,
        "status": row.status,
        "body": row.body,
        "detail": row.detail,
    }


def _named(row_id: int | None, name: str | None) -> dict[str, Any] | None:
    return {"id": row_id, "name": name} if row_id is not None else None


def _asset(row: dict[str, Any]) -> dict[str, Any] | None:
    if row["asset_id"] is None:
        return None
    return {"tag": row["asset_tag"], "kind": row["asset_kind"], "model": row["asset_model"]}
