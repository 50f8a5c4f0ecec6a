"""The district's device managements: connections, what each said of its devices, syncs, and commands."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from integrations.mdm.port import Enrolment, Platform, Risk, Verb
from service.assets.models import AssetKind
from service.core.database import Base, Coded


class VendorName(StrEnum):
    GOOGLE = "google"
    INTUNE = "intune"
    JAMF_PRO = "jamf_pro"
    JAMF_SCHOOL = "jamf_school"
    MOSYLE = "mosyle"
    FLEET = "fleet"


class MdmConnection(Base):
    """One account at one device management. `settings` holds what may be read back, `sealed` the secrets.

    `watermark` is the start of the last complete run: an incremental one asks for what checked in since.
    While `failure` says that the credentials are refused (`auth_failed`), nothing is asked by itself.
    `guard_percent`: a run that would change more of the known devices than this stops for a person.
    """

    __tablename__ = "mdm_connections"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    name: Mapped[str] = mapped_column(Text)
    vendor: Mapped[VendorName] = mapped_column(Coded(VendorName))
    settings: Mapped[dict[str, str]] = mapped_column(JSONB)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    enabled: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    sync_minutes: Mapped[int] = mapped_column(default=60, server_default=text("60"))
    full_hours: Mapped[int] = mapped_column(default=24, server_default=text("24"))
    guard_percent: Mapped[int] = mapped_column(SmallInteger, default=20, server_default=text("20"))
    adds_assets: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    owns_holder: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    owns_tag: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    allows_commands: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    watermark: Mapped[datetime | None]
    full_at: Mapped[datetime | None]
    next_sync_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    checked: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    failure: Mapped[str | None] = mapped_column(Text)
    failure_detail: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class Matched(StrEnum):
    """What ties a record to an asset: the vendor's own id of it, seen before, comes first by itself."""

    SERIAL = "serial"
    TAG = "tag"
    ADDED = "added"
    PERSON = "person"


class MdmRecord(Base):
    """What one connection last said of one device. It is never deleted: `missing_since` says from which
    complete full run on it was no longer listed.

    `record` is the canonical device as JSON, `digest` of it (what is unchanged is not written again).
    `mapped_place_id` is where its site last put its asset: a place that a person chose since stays.
    """

    __tablename__ = "mdm_records"
    __table_args__ = (
        UniqueConstraint("connection_id", "external_id"),
        Index(None, "asset_id"),
        Index(None, "serial"),
        Index("ix_mdm_records_unmatched", "connection_id", "id", postgresql_where=text("asset_id IS NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("mdm_connections.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(Text)
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))
    matched: Mapped[Matched | None] = mapped_column(Coded(Matched))
    serial: Mapped[str | None] = mapped_column(Text)
    tag: Mapped[str | None] = mapped_column(Text)
    platform: Mapped[Platform] = mapped_column(Coded(Platform))
    enrolment: Mapped[Enrolment] = mapped_column(Coded(Enrolment))
    site: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    mapped_place_id: Mapped[str | None] = mapped_column(Text)
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    last_check_in: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]


class SyncKind(StrEnum):
    FULL = "full"
    INCREMENTAL = "incremental"


class SyncState(StrEnum):
    """`HELD`: it would change more than the guard lets it and waits for a person. `DISCARDED`: a person said
    no. `ABANDONED`: its worker went away before it was done; nothing but staging was touched, or what was
    reconciled stays and the next run goes on from there.
    """

    WAITING = "waiting"
    STAGING = "staging"
    RECONCILING = "reconciling"
    HELD = "held"
    COMPLETE = "complete"
    FAILED = "failed"
    DISCARDED = "discarded"
    ABANDONED = "abandoned"


class MdmRun(Base):
    """One sync of one connection, with what it came to.

    `counts`: listed, added, updated, unchanged, missing, returned, bad, unmatched, ambiguous (whole numbers).
    `pages_staged` tells how far it is; `heard_at` moves while its worker lives.
    """

    __tablename__ = "mdm_runs"
    __table_args__ = (
        Index(None, "connection_id", "id"),
        Index(
            "uq_mdm_runs_going",
            "connection_id",
            unique=True,
            postgresql_where=text("state < 5"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("mdm_connections.id", ondelete="CASCADE"))
    kind: Mapped[SyncKind] = mapped_column(Coded(SyncKind))
    state: Mapped[SyncState] = mapped_column(Coded(SyncState))
    dry: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    since: Mapped[datetime | None]
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    decided_at: Mapped[datetime | None]
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    would_change_percent: Mapped[float | None]
    pages_staged: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failure: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class MdmStagedPage(Base):
    """A page as it came: every id on it, and those devices whose record is not the one that is kept.

    Gone when its run ends. `devices` are canonical devices as JSON, `digests` of them in the same order.
    """

    __tablename__ = "mdm_staged_pages"

    run_id: Mapped[int] = mapped_column(ForeignKey("mdm_runs.id", ondelete="CASCADE"), primary_key=True)
    page: Mapped[int] = mapped_column(Integer, primary_key=True)
    listed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    devices: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    digests: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))


class LineKind(StrEnum):
    BAD_RECORD = "bad_record"
    ADDED = "added"
    UPDATED = "updated"
    MISSING = "missing"
    RETURNED = "returned"
    REVIEW = "review"
    NOTE = "note"


class MdmRunLine(Base):
    """One line of a run's report: a record that could not be read, or (a dry run) what would be done."""

    __tablename__ = "mdm_run_lines"
    __table_args__ = (Index(None, "run_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("mdm_runs.id", ondelete="CASCADE"))
    kind: Mapped[LineKind] = mapped_column(Coded(LineKind))
    external_id: Mapped[str | None] = mapped_column(Text)
    asset_id: Mapped[int | None] = mapped_column(BigInteger)
    why: Mapped[str] = mapped_column(Text)


class ReviewWhy(StrEnum):
    """Why a record fits no asset by itself."""

    SERIAL_TWICE = "serial_twice"
    TAG_TWICE = "tag_twice"
    TAG_OF_ANOTHER = "tag_of_another"
    TAKEN = "taken"
    NO_NAME = "no_name"
    NOT_ADDED = "not_added"


class MdmReview(Base):
    """A record that waits for a person to say which asset it is. Open while `settled_at` is null."""

    __tablename__ = "mdm_reviews"
    __table_args__ = (
        Index("uq_mdm_reviews_open", "record_id", unique=True, postgresql_where=text("settled_at IS NULL")),
        Index(None, "record_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("mdm_records.id", ondelete="CASCADE"))
    why: Mapped[ReviewWhy] = mapped_column(Coded(ReviewWhy))
    candidates: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    raised_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))


class MappingKind(StrEnum):
    """`SITE` is what vendors call location, site, category or organisation unit; a unit's children follow it
    ("/Schools/North" maps "/Schools/North/Carts" too, unless that is mapped itself).
    """

    SITE = "site"
    MODEL = "model"


class MdmMapping(Base):
    """What a vendor's word means here: a site is a place, a model (or the vendor's id of it) a kind of asset.

    `connection_id` null: of every connection. A word that is mapped to nothing is ignored on purpose.
    """

    __tablename__ = "mdm_mappings"
    __table_args__ = (
        UniqueConstraint("kind", "connection_id", "word", postgresql_nulls_not_distinct=True),
        Index(None, "connection_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[MappingKind] = mapped_column(Coded(MappingKind))
    connection_id: Mapped[int | None] = mapped_column(ForeignKey("mdm_connections.id", ondelete="CASCADE"))
    word: Mapped[str] = mapped_column(Text)
    place_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    asset_kind: Mapped[AssetKind | None] = mapped_column(Coded(AssetKind))
    model_name: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[datetime]


class CommandState(StrEnum):
    """`WAITING`: for a second person. `UNSURE`: it was sent, no answer came, and the vendor has not told yet
    whether it has it; never sent again before that is known. The states from `SUCCEEDED` on are ends.
    """

    WAITING = "waiting"
    QUEUED = "queued"
    SENDING = "sending"
    UNSURE = "unsure"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNSUPPORTED = "unsupported"
    UNVERIFIABLE = "unverifiable"
    REFUSED = "refused"


class MdmBulk(Base):
    """One command for many devices, confirmed after its targets were read again.

    `wanted` is what was asked for (tags, or a school and kinds); `digest` of the targets as they were shown.
    """

    __tablename__ = "mdm_bulks"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    verb: Mapped[Verb] = mapped_column(Coded(Verb))
    arguments: Mapped[dict[str, str]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(Text)
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    targets: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    digest: Mapped[str] = mapped_column(Text)
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    confirmed_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    reread_at: Mapped[datetime | None]
    refused: Mapped[str | None] = mapped_column(Text)
    during_testing: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class MdmCommand(Base):
    """One command for one device. `key` makes it one, however often it is asked for.

    `sealed` holds secret arguments (a PIN) until they were sent; `told` the secrets that somebody may need,
    until they were read, once (`told_at`, by `told_to_id`). `during_testing`: the one who asked said that a
    test at the school is no reason to wait. `decision` is what the second person said. `next_look_at` is when
    it must be taken up again, whatever its state; `looks` counts tries in the present state (of one whose
    answer was lost, those that found nothing), `attempts` those that may have reached the vendor.
    """

    __tablename__ = "mdm_commands"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "asset_id", "id"),
        Index(None, "ticket_id", "id", postgresql_where=text("ticket_id IS NOT NULL")),
        Index(None, "bulk_id", "id", postgresql_where=text("bulk_id IS NOT NULL")),
        Index(None, "record_id", postgresql_where=text("record_id IS NOT NULL")),
        Index("ix_mdm_commands_due", "next_look_at", "id", postgresql_where=text("state < 7")),
        Index("ix_mdm_commands_waiting", "id", postgresql_where=text("state = 1")),
        Index("ix_mdm_commands_destructive", "asked_by_id", "id", postgresql_where=text("risk = 4")),
        Index(None, "action_id", postgresql_where=text("action_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    key: Mapped[str | None] = mapped_column(Text)
    verb: Mapped[Verb] = mapped_column(Coded(Verb))
    risk: Mapped[Risk] = mapped_column(Coded(Risk))
    state: Mapped[CommandState] = mapped_column(Coded(CommandState))
    asset_id: Mapped[int | None] = mapped_column(ForeignKey("assets.id"))
    record_id: Mapped[int | None] = mapped_column(ForeignKey("mdm_records.id", ondelete="SET NULL"))
    connection_id: Mapped[int | None] = mapped_column(ForeignKey("mdm_connections.id", ondelete="SET NULL"))
    school_id: Mapped[str | None] = mapped_column(ForeignKey("places.id"))
    ticket_id: Mapped[int | None] = mapped_column(BigInteger)
    action_id: Mapped[int | None] = mapped_column(BigInteger)
    bulk_id: Mapped[int | None] = mapped_column(ForeignKey("mdm_bulks.id"))
    arguments: Mapped[dict[str, str]] = mapped_column(JSONB)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    reason: Mapped[str] = mapped_column(Text)
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None] = mapped_column(Text)
    handle: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    told: Mapped[bytes | None] = mapped_column(LargeBinary)
    told_at: Mapped[datetime | None]
    told_to_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    during_testing: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    looks: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    next_look_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
