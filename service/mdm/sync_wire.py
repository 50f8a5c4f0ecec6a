"""Syncs, records and reviews as REST shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from integrations.mdm.port import Enrolment, Platform
from service.assets.models import AssetKind
from service.mdm.models import LineKind, Matched, ReviewWhy, SyncKind, SyncState


class Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class MdmCountsOut(BaseModel):
    """Devices, by what they came to. `unmatched` and `ambiguous` ones wait for a person, since whenever."""

    listed: int = 0
    added: int = Field(0, description="Seen for the first time.")
    updated: int = 0
    unchanged: int = 0
    missing: int = Field(0, description="Not listed any more.")
    returned: int = Field(0, description="Were missing, and are listed again.")
    bad: int = Field(0, description="Records that could not be read.")
    assets_added: int = 0
    unmatched: int = 0
    ambiguous: int = 0


class MdmRunOut(Row):
    """A sync, and what it came to. Before it has ended, counts are those so far."""

    id: int
    connection_id: int
    connection_name: str
    kind: SyncKind
    state: SyncState
    dry: bool = Field(description="It only tells what would be done.")
    since: datetime | None = Field(description="An incremental one asks for what checked in since.")
    asked_by_id: int | None = Field(description="Null: it was due.")
    decided_by_id: int | None
    decided_at: datetime | None
    counts: MdmCountsOut
    would_change_percent: float | None = Field(description="Of the devices that were known before.")
    pages_staged: int
    failure: str | None = Field(examples=["auth_failed"])
    detail: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class MdmRunPage(BaseModel):
    items: list[MdmRunOut]
    next_cursor: str | None


class MdmRunLineOut(Row):
    """One thing that a person may want to read of a sync."""

    id: int
    kind: LineKind
    external_id: str | None = Field(description="The vendor's name of the device.")
    asset_id: int | None
    why: str


class MdmRunLinePage(BaseModel):
    items: list[MdmRunLineOut]
    next_cursor: str | None


class MdmRecordListed(Row):
    """What one connection last said of one device, without who uses it."""

    id: int
    connection_id: int
    connection_name: str
    external_id: str
    asset_id: int | None
    asset_tag: str | None
    matched: Matched | None = Field(description="What ties it to its asset; null where it has none.")
    serial: str | None
    tag: str | None
    platform: Platform
    enrolment: Enrolment
    site: str | None
    model: str | None
    last_check_in: datetime | None
    first_seen_at: datetime
    changed_at: datetime
    missing_since: datetime | None


class MdmRecordOut(MdmRecordListed):
    """All that one connection last said of one device; reading it is written down."""

    device: dict[str, Any] = Field(
        description="By the names of a canonical device; what is not said is left out."
    )


class MdmRecordPage(BaseModel):
    items: list[MdmRecordListed]
    next_cursor: str | None


class MdmRecordList(BaseModel):
    items: list[MdmRecordOut]


class MdmCandidateOut(Row):
    """An asset that a record may be."""

    id: int
    tag: str
    kind: AssetKind
    model: str | None
    serial: str | None
    school_id: str | None


class MdmReviewOut(Row):
    """A record that waits for a person to say which asset it is, or that waited."""

    id: int
    record_id: int
    why: ReviewWhy
    candidates: list[MdmCandidateOut]
    raised_at: datetime
    settled_at: datetime | None
    settled_by_id: int | None = Field(description="Null where a sync has found the asset meanwhile.")
    connection_id: int
    connection_name: str
    external_id: str
    serial: str | None
    tag: str | None
    platform: Platform
    enrolment: Enrolment
    model: str | None
    site: str | None
    last_check_in: datetime | None
    asset_tag: str | None


class MdmReviewPage(BaseModel):
    items: list[MdmReviewOut]
    next_cursor: str | None
