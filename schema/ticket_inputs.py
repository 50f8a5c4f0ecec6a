"""The inputs of the verbs on tickets. Each mirrors the service's own, which checks it.

What is not sent is `UNSET` and stays unsaid; what is sent as null is null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, TypeVar

import strawberry
from pydantic import BaseModel
from strawberry import UNSET
from strawberry.types import get_object_definition

from schema.nodes import key_in, number_in
from service.tickets import inputs
from service.tickets.lifecycle import Status
from service.tickets.listing import TicketFilter as Filter
from service.tickets.models import Channel, Kind, LinkKind
from service.tickets.priority import Impact, Priority, Urgency
from service.tickets.resolution import Cause, Fix, Outcome

T = TypeVar("T", bound=type)
M = TypeVar("M", bound=BaseModel)
# fields that name a row: of which type, and whether its own key is a number
NUMBERED = {
    "requester_id": "Person",
    "assignee_id": "Person",
    "person_id": "Person",
    "other_id": "Person",
    "vendor_id": "Person",
    "holder_id": "Person",
    "queue_id": "Queue",
    "queue_ids": "Queue",
    "calendar_id": "SchoolCalendar",
}
KEYED = {"place_id": "Place", "school_id": "Place", "parent_id": "Place", "school_ids": "Place"}


def mirrors(model: type[BaseModel] | None, name: str) -> Callable[[T], T]:
    """A GraphQL input with the fields of a service input, and its descriptions."""

    def wrap(cls: T) -> T:
        made = strawberry.input(cls, name=name, description=model.__doc__ if model else None)
        for field in get_object_definition(made, strict=True).fields:
            if model is not None and field.python_name in model.model_fields:
                field.description = field.description or model.model_fields[field.python_name].description
        return made

    return wrap


def wanted(given: Any, model: type[M]) -> M:
    """The service's input: what was sent, with global ids turned into the service's own."""
    sent = {name: getattr(given, name) for name in model.model_fields if hasattr(given, name)}
    return model(**{name: _plain(name, value) for name, value in sent.items() if value is not UNSET})


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in NUMBERED:
        return _each(value, lambda given: number_in(given, NUMBERED[name], name))
    if name in KEYED:
        return _each(value, lambda given: key_in(given, KEYED[name], name))
    return _each(value, lambda given: strawberry.asdict(given) if is_dataclass(given) else given)


def _each(value: Any, plain: Callable[[Any], Any]) -> Any:
    return [plain(one) for one in value] if isinstance(value, list) else plain(value)


@strawberry.input
class Once:
    idempotency_key: str | None = strawberry.field(
        default=UNSET, description="Your own name for this change: sent again, it does nothing twice."
    )


@strawberry.input
class Existing(Once):
    number: int = strawberry.field(description="The ticket's number.")
    expected_version: int | None = strawberry.field(
        default=UNSET, description="The `version` you read: refused if somebody changed it since."
    )


@mirrors(Filter, "TicketFilter")
class TicketFilter:
    open: bool | None = UNSET
    status: Status | None = UNSET
    queue: str | None = UNSET
    queue_id: strawberry.ID | None = UNSET
    school_id: strawberry.ID | None = UNSET
    assignee_id: strawberry.ID | None = UNSET
    unassigned: bool | None = UNSET
    requester_id: strawberry.ID | None = UNSET
    asset_tag: str | None = UNSET
    category: str | None = UNSET
    kind: Kind | None = UNSET
    priority: Priority | None = UNSET
    tag: str | None = UNSET
    external_id: str | None = UNSET
    opened_since: datetime | None = UNSET
    opened_until: datetime | None = UNSET
    overdue: bool | None = UNSET


@strawberry.input
class OpenTicket(Once):
    subject: str
    description: str | None = UNSET
    kind: Kind | None = UNSET
    requester_id: strawberry.ID | None = UNSET
    place_id: strawberry.ID | None = UNSET
    asset_tag: str | None = UNSET
    asset_serial: str | None = UNSET
    category: str | None = UNSET
    impact: Impact | None = UNSET
    urgency: Urgency | None = UNSET
    priority: Priority | None = UNSET
    queue: str | None = UNSET
    channel: Channel | None = UNSET
    language: str | None = UNSET
    reported_at: datetime | None = UNSET
    tags: list[str] | None = UNSET
    external_id: str | None = UNSET
    source_key: str | None = UNSET


@mirrors(inputs.Reply, "ReplyToTicketInput")
class Reply(Existing):
    body: str


@mirrors(inputs.Note, "NoteOnTicketInput")
class Note(Existing):
    body: str


@mirrors(inputs.Triage, "TriageTicketInput")
class Triage(Existing):
    subject: str | None = UNSET
    kind: Kind | None = UNSET
    category: str | None = UNSET
    impact: Impact | None = UNSET
    urgency: Urgency | None = UNSET
    priority: Priority | None = UNSET
    place_id: strawberry.ID | None = UNSET
    asset_tag: str | None = UNSET
    language: str | None = UNSET


@mirrors(inputs.Assign, "AssignTicketInput")
class Assign(Existing):
    assignee_id: strawberry.ID


@mirrors(None, "UnassignTicketInput")
class Unassign(Existing):
    pass


@mirrors(inputs.Transfer, "TransferTicketInput")
class Transfer(Existing):
    queue: str
    reason: str | None = UNSET


@mirrors(None, "StartTicketInput")
class Start(Existing):
    pass


@mirrors(inputs.WaitOnRequester, "WaitOnRequesterInput")
class WaitOnRequester(Existing):
    question: str | None = UNSET


@mirrors(inputs.Hold, "HoldTicketInput")
class Hold(Existing):
    reason: str
    until: datetime | None = UNSET
    vendor_id: strawberry.ID | None = UNSET


@mirrors(inputs.Resolve, "ResolveTicketInput")
class Resolve(Existing):
    resolution: str
    cause: Cause
    fix: Fix
    outcome: Outcome | None = UNSET


@mirrors(inputs.Close, "CloseTicketInput")
class Close(Existing):
    comment: str | None = UNSET


@mirrors(inputs.Reopen, "ReopenTicketInput")
class Reopen(Existing):
    reason: str


@mirrors(inputs.Cancel, "CancelTicketInput")
class Cancel(Existing):
    reason: str


@mirrors(inputs.Tag, "TagTicketInput")
class Tag(Existing):
    add: list[str] | None = UNSET
    remove: list[str] | None = UNSET


@mirrors(inputs.Link, "LinkTicketInput")
class Link(Existing):
    kind: LinkKind
    other: int


@mirrors(inputs.Share, "ShareTicketInput")
class Share(Existing):
    person_id: strawberry.ID


@mirrors(inputs.Unshare, "UnshareTicketInput")
class Unshare(Existing):
    person_id: strawberry.ID
