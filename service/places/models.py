"""Schools, buildings and rooms: one tree; and what the district decided for them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database import Base, Coded


class PlaceKind(StrEnum):
    SCHOOL = "school"
    BUILDING = "building"
    ROOM = "room"


class Place(Base):
    """A place by its id, which is text: school ids have leading zeros.

    `school_id` is the school it belongs to (itself, for a school). A place without a calendar keeps its
    parent's.
    """

    __tablename__ = "places"
    __table_args__ = (Index(None, "school_id"), Index(None, "parent_id"), Index(None, "calendar_id"))

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[PlaceKind] = mapped_column(Coded(PlaceKind))
    name: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    school_id: Mapped[str] = mapped_column(ForeignKey("places.id", deferrable=True, initially="DEFERRED"))
    calendar_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("calendars.id"))


class DistrictFact(Base):
    """What the district, or one school (`school_id`), decided; between `since` and `until` where given."""

    __tablename__ = "district_facts"
    __table_args__ = (Index(None, "name", "school_id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    value: Mapped[Any] = mapped_column(JSONB)
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(Text)
