"""Devices: what they are, who has them, where they stand."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database import Base, Coded


class AssetKind(StrEnum):
    CHROMEBOOK = "chromebook"
    TABLET = "tablet"
    LAPTOP = "laptop"
    DESKTOP = "desktop"
    PRINTER = "printer"
    PROJECTOR = "projector"
    DISPLAY = "display"
    PHONE = "phone"
    SWITCH = "switch"
    ACCESS_POINT = "access_point"
    UPS = "ups"
    OTHER = "other"


class Asset(Base):
    """A device of the district, known by the tag that is stuck on it."""

    __tablename__ = "assets"
    __table_args__ = (
        UniqueConstraint("tag"),
        Index(None, "serial"),
        Index("ix_assets_serial_upper", text("upper(serial)")),
        Index(None, "holder_id"),
        Index(None, "place_id"),
        Index(None, "school_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tag: Mapped[str] = mapped_column(Text)
    kind: Mapped[AssetKind] = mapped_column(Coded(AssetKind))
    model: Mapped[str | None] = mapped_column(Text)
    serial: Mapped[str | None] = mapped_column(Text)
    holder_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    place_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    is_loaner: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class AssetFact(Base):
    """What device management, the network or a directory last said of a device: `value` was so at `as_of`."""

    __tablename__ = "asset_facts"
    __table_args__ = (Index(None, "asset_id", "received_at"),)

    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    as_of: Mapped[datetime]
    source: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime]


class AssetReport(Base):
    """All that one source says of a device, written whole; single facts are `AssetFact`. Of the same fact the
    newest word counts, whichever holds it.

    `facts` by name are what the device itself told, so at `as_of` (null: it never told anything); `standing`
    what the source knows without it (its status, its user), so at `received_at`.
    """

    __tablename__ = "asset_reports"
    __table_args__ = ({"postgresql_with": {"fillfactor": "80"}},)

    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    standing: Mapped[dict[str, Any]] = mapped_column(JSONB)
    as_of: Mapped[datetime | None]
    received_at: Mapped[datetime]


class LoanState(StrEnum):
    ORDERED = "ordered"
    SET_ASIDE = "set_aside"
    HANDED_OUT = "handed_out"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class Loan(Base):
    """A device lent to somebody while theirs is away. `asset_id` is null while it is only ordered.

    `source_key` names what asked for it: asked twice, there is one loan.
    """

    __tablename__ = "loans"
    __table_args__ = (
        UniqueConstraint("source_key"),
        Index("uq_loans_out", "asset_id", unique=True, postgresql_where=text("state IN (2, 3)")),
        Index(None, "person_id", "id"),
        Index(None, "school_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[LoanState] = mapped_column(Coded(LoanState))
    kind: Mapped[AssetKind] = mapped_column(Coded(AssetKind))
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    ticket_id: Mapped[int | None] = mapped_column(BigInteger)
    source_key: Mapped[str | None] = mapped_column(Text)
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
