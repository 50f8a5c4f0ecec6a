"""Calendars and policies with their editions, and one timer a target and cycle."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Interval, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database import Base, Coded
from service.sla.policy import Agreement, Target


class SchoolCalendar(Base):
    """Opening hours by name. `definition` is the JSON form of `service.sla.calendar.Calendar`."""

    __tablename__ = "calendars"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CalendarEdition(Base):
    """What a calendar said at a version: a timer that ended under it is explained by it for ever."""

    __tablename__ = "calendar_editions"

    calendar_id: Mapped[int] = mapped_column(ForeignKey("calendars.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class SlaPolicy(Base):
    """Targets by priority for the tickets that match; of each kind, the first match by `position` applies.

    `matches` narrows by `kinds`, `schools`, `queues`, `categories`, `roles` (of the requester); `targets`
    holds minutes of working time: `{"P1": {"first_response": 30, "resolution": 240}}`. Without a
    `calendar_id` the place's calendar counts.
    """

    __tablename__ = "sla_policies"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[Agreement] = mapped_column(Coded(Agreement), default=Agreement.SLA, server_default=text("1"))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    position: Mapped[int] = mapped_column(default=100, server_default=text("100"))
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("calendars.id"))
    matches: Mapped[dict[str, list[str]]] = mapped_column(JSONB)
    targets: Mapped[dict[str, dict[str, float]]] = mapped_column(JSONB)
    rules: Mapped[dict[str, Any]] = mapped_column(JSONB)


class PolicyEdition(Base):
    __tablename__ = "policy_editions"

    policy_id: Mapped[int] = mapped_column(ForeignKey("sla_policies.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class TimerState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


class SlaTimer(Base):
    """One cycle of one target of one ticket, under one agreement; `vendor_id` says with whom a contract is.

    `pauses` is `[[from, to or null, reason], …]`. While it runs, `checks` holds the instants at which it
    must be looked at (warnings, then the due time), `steps` whom the policy's further steps tell:
    `[{"before_minutes" or "after_minutes", "tell", "at", "fired"}, …]`, `at` null while it is paused.
    `next_check_at` is the first of all these still ahead. A breached timer without `stopped_at` still counts.
    """

    __tablename__ = "sla_timers"
    __table_args__ = (
        UniqueConstraint("ticket_id", "agreement", "target", "n"),
        Index("ix_sla_timers_sweep", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        Index("ix_sla_timers_calendar", "calendar_id", postgresql_where=text("stopped_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"))
    agreement: Mapped[Agreement] = mapped_column(
        Coded(Agreement), default=Agreement.SLA, server_default=text("1")
    )
    vendor_id: Mapped[int | None] = mapped_column(BigInteger)
    target: Mapped[Target] = mapped_column(Coded(Target))
    n: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[TimerState] = mapped_column(Coded(TimerState))
    policy_id: Mapped[int] = mapped_column(BigInteger)
    policy_version: Mapped[int]
    calendar_id: Mapped[int] = mapped_column(BigInteger)
    calendar_version: Mapped[int]
    started_at: Mapped[datetime]
    goal: Mapped[timedelta] = mapped_column(Interval)
    pauses: Mapped[list[list[Any]]] = mapped_column(JSONB)
    due_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    checks: Mapped[list[datetime]] = mapped_column(ARRAY(TIMESTAMP(timezone=True)))
    steps: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, default=list, server_default=text("'[]'::jsonb")
    )
    next_check_at: Mapped[datetime | None]
