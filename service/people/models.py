"""Persons, how they relate, what they serve, and their tokens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from service.core.actor import Role
from service.core.database import Base, Coded


class Person(Base):
    __tablename__ = "persons"
    __table_args__ = (
        UniqueConstraint("external_id"),
        Index("uq_persons_email", text("lower(email)"), unique=True),
        Index(None, "school_id"),
        Index(None, "role", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    external_id: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(Coded(Role))
    language: Mapped[str] = mapped_column(Text, default="en", server_default="en")
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))


class RelationKind(StrEnum):
    GUARDIAN_OF = "guardian_of"
    TEACHES = "teaches"


class Relation(Base):
    """`person_id` is guardian of, or teaches, `other_id`."""

    __tablename__ = "relations"
    __table_args__ = (Index(None, "other_id"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[RelationKind] = mapped_column(Coded(RelationKind), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), primary_key=True)


class ServedSchool(Base):
    __tablename__ = "served_schools"
    __table_args__ = (Index(None, "school_id"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), primary_key=True)
    school_id: Mapped[str] = mapped_column(ForeignKey("places.id", ondelete="CASCADE"), primary_key=True)


class ServedQueue(Base):
    __tablename__ = "served_queues"
    __table_args__ = (Index(None, "queue_id"),)

    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"), primary_key=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True)


class Token(Base):
    """A credential: only the SHA-256 of its 256 random bits is kept."""

    __tablename__ = "tokens"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "person_id"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    label: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
