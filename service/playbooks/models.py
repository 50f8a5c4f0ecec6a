"""Versions of playbooks, runs with their logs and actions, and what the district decided."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database import Base, Coded
from service.playbooks.state import Stage


class Origin(StrEnum):
    SHIPPED = "shipped"
    DISTRICT = "district"


class VersionStatus(StrEnum):
    DRAFT = "draft"
    REVIEW = "review"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


class PlaybookVersion(Base):
    """A version of a playbook. Once published it never changes: `hash` names its canonical form.

    `book` is the playbook with the parts it calls; of a draft it is empty, `source` is the text written.
    """

    __tablename__ = "playbook_versions"
    __table_args__ = (
        UniqueConstraint("playbook", "number"),
        Index("uq_playbook_versions_current", "playbook", unique=True, postgresql_where=text("status = 3")),
        Index(None, "hash"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    playbook: Mapped[str] = mapped_column(Text)
    number: Mapped[int]
    origin: Mapped[Origin] = mapped_column(Coded(Origin))
    status: Mapped[VersionStatus] = mapped_column(Coded(VersionStatus))
    is_part: Mapped[bool]
    hash: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    book: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    author_id: Mapped[int | None] = mapped_column(BigInteger)
    author_name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    published_by: Mapped[str | None] = mapped_column(Text)
    published_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class PlaybookRun(Base):
    """A run of a version, for a person and perhaps a device and a ticket. `state` is the pure State as JSON.

    `wake_at` is when it must be looked at; `waits_for` what it would go on for before that.
    """

    __tablename__ = "playbook_runs"
    __table_args__ = (
        Index("ix_playbook_runs_wake", "wake_at", postgresql_where=text("wake_at IS NOT NULL")),
        Index("ix_playbook_runs_waiting", "id", postgresql_where=text("waits_for IS NOT NULL")),
        Index("ix_playbook_runs_approval", "id", postgresql_where=text("stage = 3")),
        Index(None, "ticket_id", postgresql_where=text("ticket_id IS NOT NULL")),
        Index(None, "person_id", "id"),
        Index(None, "version_id", "started_at"),
        Index(None, "school_id", "id"),
        Index("ix_playbook_runs_open", "started_by_id", postgresql_where=text("ended_at IS NULL")),
        Index(None, "playbook", "school_id", "started_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("playbook_versions.id"))
    playbook: Mapped[str] = mapped_column(Text)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id", ondelete="CASCADE"))
    began_without_ticket: Mapped[bool]
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    started_by_id: Mapped[int | None] = mapped_column(BigInteger)
    school_id: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    stage: Mapped[Stage] = mapped_column(Coded(Stage))
    path: Mapped[str] = mapped_column(Text)
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    approval_role: Mapped[str | None] = mapped_column(Text)
    waits_for: Mapped[str | None] = mapped_column(Text)
    wake_at: Mapped[datetime | None]
    is_dry: Mapped[bool]
    version: Mapped[int]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)


class RunEvent(Base):
    """The log of a run, only ever added to. `seconds` is how long the step took that was left."""

    __tablename__ = "playbook_run_events"
    __table_args__ = (Index(None, "run_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("playbook_runs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor_name: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seconds: Mapped[float | None]


class ActionState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    ENDED = "ended"


class RunAction(Base):
    """Something a run has done to a device: one at a time a device, and once an attempt."""

    __tablename__ = "playbook_actions"
    __table_args__ = (
        UniqueConstraint("run_id", "path", "attempt"),
        Index("uq_playbook_actions_device", "asset_id", unique=True, postgresql_where=text("state = 2")),
        Index("ix_playbook_actions_waiting", "asset_id", "id", postgresql_where=text("state = 1")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("playbook_runs.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    verb: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    risk: Mapped[str] = mapped_column(Text)
    asset_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[ActionState] = mapped_column(Coded(ActionState))
    result: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RunPhoto(Base):
    """A photo given as an answer; `key` is what the answer says."""

    __tablename__ = "playbook_photos"
    __table_args__ = (UniqueConstraint("run_id", "key"), Index(None, "at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("playbook_runs.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
