"""Devices: what they are, who has them, where they stand."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint
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
