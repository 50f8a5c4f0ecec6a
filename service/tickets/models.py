"""Tickets, their events, and the rules that bring them to a queue."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Computed,
    ForeignKey,
    Index,
    Sequence,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database import Base, Coded
from service.tickets.lifecycle import Status
from service.tickets.priority import Impact, Priority, Urgency

OPEN = text("status < 5")
DUE = text("coalesce(next_due_at, 'infinity'::timestamptz)")
number_sequence = Sequence("ticket_numbers", metadata=Base.metadata, start=1001)


class Kind(StrEnum):
    INCIDENT = "incident"
    REQUEST = "request"


class Channel(StrEnum):
    API = "api"
    WEB = "web"
    EMAIL = "email"
    PHONE = "phone"
    WALK_IN = "walk_in"
    MONITORING = "monitoring"
    IMPORT = "import"


class Ticket(Base):
    """A request for help. Its `id` is the number that people say, from a sequence, never used twice.

    Open means `status < 5` in the database (new, in progress, waiting on requester, on hold).
    `device_holder_id` is who had the device when the ticket was opened; it does not follow the device.
    `vendor_id` is with whom it is on hold, while it is.
    """

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_open_queue", "queue_id", DUE, "id", postgresql_where=OPEN),
        Index("ix_tickets_open_school", "school_id", DUE, "id", postgresql_where=OPEN),
        Index("ix_tickets_open_assignee", "assignee_id", DUE, "id", postgresql_where=OPEN),
        Index("ix_tickets_open_due", DUE, "id", postgresql_where=OPEN),
        Index("ix_tickets_queue", "queue_id", "opened_at", "id"),
        Index("ix_tickets_school", "school_id", "opened_at", "id"),
        Index("ix_tickets_opened", "opened_at", "id"),
        Index("ix_tickets_requester", "requester_id", "opened_at", "id"),
        Index("ix_tickets_assignee", "assignee_id", "opened_at", "id"),
        Index("ix_tickets_opened_by", "opened_by_id", "opened_at", "id"),
        Index(
            "ix_tickets_device_holder",
            "device_holder_id",
            "opened_at",
            "id",
            postgresql_where=text("device_holder_id IS NOT NULL"),
        ),
        Index("ix_tickets_asset", "asset_id", "id", postgresql_where=text("asset_id IS NOT NULL")),
        Index(
            "ix_tickets_shared",
            "shared_with",
            postgresql_using="gin",
            postgresql_where=text("shared_with <> '{}'"),
        ),
        Index("ix_tickets_tags", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),
        Index(
            "uq_tickets_fault",
            "source_key",
            unique=True,
            postgresql_where=text("source_key IS NOT NULL AND status < 5"),
        ),
        Index(
            "uq_tickets_external",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(
        BigInteger, server_default=text("nextval('ticket_numbers')"), primary_key=True
    )
    kind: Mapped[Kind] = mapped_column(Coded(Kind))
    status: Mapped[Status] = mapped_column(Coded(Status))
    priority: Mapped[Priority] = mapped_column(Coded(Priority))
    impact: Mapped[Impact] = mapped_column(Coded(Impact))
    urgency: Mapped[Urgency] = mapped_column(Coded(Urgency))
    channel: Mapped[Channel] = mapped_column(Coded(Channel))
    confidential: Mapped[bool]
    version: Mapped[int]
    reopens: Mapped[int] = mapped_column(SmallInteger)
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id"))
    requester_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    opened_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))
    device_holder_id: Mapped[int | None] = mapped_column(BigInteger)
    school_id: Mapped[str | None] = mapped_column(Text)
    place_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    category_id: Mapped[str | None] = mapped_column(ForeignKey("categories.id"))
    language: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    shared_with: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    external_id: Mapped[str | None] = mapped_column(Text)
    source_key: Mapped[str | None] = mapped_column(Text)
    policy_id: Mapped[int | None] = mapped_column(BigInteger)
    policy_version: Mapped[int | None]
    calendar_id: Mapped[int | None] = mapped_column(BigInteger)
    hold_reason: Mapped[str | None] = mapped_column(Text)
    vendor_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    resolution: Mapped[str | None] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    fix: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    opened_at: Mapped[datetime]
    reported_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    hold_until: Mapped[datetime | None]
    unanswered_since: Mapped[datetime | None]
    touched_at: Mapped[datetime | None]
    first_response_at: Mapped[datetime | None]
    last_reply_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    next_due_at: Mapped[datetime | None]


class TicketDevice(Base):
    """What was known of a ticket's device when the ticket was filed, and what a look at it since then said.

    `facts` and `fresh` are lists of `{name, value, as_of, source}`; `duplicates` the numbers of tickets about
    the same device that were open at filing. `fresh_asked_at` without `fresh_at`: the look is under way;
    `fresh_begun_at` is when a worker set out for it.
    """

    __tablename__ = "ticket_devices"
    __table_args__ = (Index(None, "asset_id", "ticket_id"),)

    ticket_id: Mapped[int] = mapped_column(
        ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id"))
    facts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    duplicates: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    taken_at: Mapped[datetime]
    fresh: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    fresh_asked_at: Mapped[datetime | None]
    fresh_begun_at: Mapped[datetime | None]
    fresh_at: Mapped[datetime | None]
    fresh_detail: Mapped[str | None] = mapped_column(Text)


class TicketText(Base):
    """What search looks through, beside the ticket so that its many updates stay cheap."""

    __tablename__ = "ticket_texts"
    __table_args__ = (Index("ix_ticket_texts_tsv", "tsv", postgresql_using="gin"),)

    ticket_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True
    )
    words: Mapped[str] = mapped_column(Text)
    tsv: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("to_tsvector('english'::regconfig, words)", persisted=True)
    )


class TicketEvent(Base):
    """The audit log of a ticket, which is its timeline too; replies and notes are events with a body.

    `status` and `queue_id` say what the event made of them, None where it left them alone. Only `public`
    events are shown to requesters and vendors.
    """

    __tablename__ = "ticket_events"
    __table_args__ = (Index(None, "ticket_id", "id"), Index(None, "at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor_name: Mapped[str] = mapped_column(Text)
    by_desk: Mapped[bool]
    public: Mapped[bool]
    status: Mapped[Status | None] = mapped_column(Coded(Status))
    queue_id: Mapped[int | None] = mapped_column(BigInteger)
    body: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Notice(Base):
    """One message to one person: what a sweep found that concerns them, kept back until opening hours.

    `detail` is `{"warned": [...], "breached": [...], "escalated": [...]}`, each
    `{"number", "agreement", "target", "due_at"}`.
    """

    __tablename__ = "notices"
    __table_args__ = (Index(None, "person_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    send_at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seen_at: Mapped[datetime | None]


class LinkKind(StrEnum):
    RELATES_TO = "relates_to"
    DUPLICATE_OF = "duplicate_of"
    CAUSED_BY = "caused_by"
    PART_OF = "part_of"


class TicketLink(Base):
    """`ticket_id` relates to, is a duplicate of, is caused by, or is part of `other_id`."""

    __tablename__ = "ticket_links"
    __table_args__ = (Index(None, "other_id"),)

    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[LinkKind] = mapped_column(Coded(LinkKind), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True)


class Queue(Base):
    """Where tickets wait. A confidential queue is seen only by those who serve it, and by admins."""

    __tablename__ = "queues"
    __table_args__ = (UniqueConstraint("key"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    confidential: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    is_default: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class Category(Base):
    __tablename__ = "categories"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)


class RoutingRule(Base):
    """Tickets that fit `conditions` go to `queue_id`; the first rule that fits, by `position`, decides."""

    __tablename__ = "routing_rules"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int]
    conditions: Mapped[dict[str, list[str]]] = mapped_column(JSONB)
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id"))


class PriorityRule(Base):
    """One cell of the impact x urgency matrix, where the district's differs from the default."""

    __tablename__ = "priority_rules"

    impact: Mapped[Impact] = mapped_column(Coded(Impact), primary_key=True)
    urgency: Mapped[Urgency] = mapped_column(Coded(Urgency), primary_key=True)
    priority: Mapped[Priority] = mapped_column(Coded(Priority))


def next_due() -> Any:
    """The sort key of "next due first", exactly as the indexes have it."""
    return func.coalesce(Ticket.next_due_at, text("'infinity'::timestamptz"))
