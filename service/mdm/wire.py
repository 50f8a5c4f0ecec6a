"""Connections and mappings as REST shows them: the documented shape, and the plain values that fill it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from integrations.mdm.port import Platform, Verb
from service.assets.models import AssetKind
from service.mdm.connection_listing import VendorShown
from service.mdm.mapped import Why
from service.mdm.models import MappingKind, VendorName
from service.mdm.unmapped import Unmapped


class MdmSettingOut(BaseModel):
    """One field of a connection's form; a `secret` is write-only."""

    key: str = Field(examples=["client_secret"])
    label: str = Field(examples=["Client secret"])
    secret: bool
    required: bool
    kind: str = Field(description="`text`, `url`, `email`, `json` or `choice`.")
    choices: list[str] = Field(description="Empty where anything may be said.")
    default: str | None


class MdmSupportedOut(BaseModel):
    """A command, and the platforms of which it can be asked."""

    verb: Verb
    platforms: list[Platform]


class MdmVendorOut(BaseModel):
    """A device management that a connection may be of: its form, and what its devices can be told."""

    vendor: VendorName
    label: str = Field(examples=["Jamf Pro"])
    settings: list[MdmSettingOut]
    verbs: list[MdmSupportedOut]


class MdmVendorList(BaseModel):
    items: list[MdmVendorOut]


class MissingRightOut(BaseModel):
    right: str = Field(examples=["Read Computers"])
    purpose: str = Field(description="What it is needed for.", examples=["to list computers"])


class MdmCheckedOut(BaseModel):
    """What the last test found."""

    works: bool
    detail: str
    granted: list[str]
    missing: list[MissingRightOut]


class MdmConnectionOut(BaseModel):
    """A connection without its secrets; those are never told."""

    id: int
    version: int
    name: str
    vendor: VendorName
    settings: dict[str, str] = Field(description="Those that are no secret, by name.")
    has_secrets: list[str] = Field(description="Names of the secrets that are kept.")
    secrets_lost: bool = Field(description="No key opens them any more: enter them again.")
    enabled: bool
    sync_minutes: int
    full_hours: int
    guard_percent: int
    adds_assets: bool
    owns_holder: bool
    owns_tag: bool
    allows_commands: bool
    devices: int = Field(description="How many it lists.")
    unmatched: int = Field(
        description="How many of these are tied to no device of the inventory, without those that have left."
    )
    watermark: datetime | None = Field(description="The start of the last complete sync.")
    full_at: datetime | None = Field(description="The start of the last complete one of every device.")
    next_sync_at: datetime | None
    checked_at: datetime | None
    checked: MdmCheckedOut | None = Field(description="Null until it was tested as it is now.")
    failure: str | None = Field(
        description="Why it fails: `auth_failed` (nothing is asked by itself until it is seen to), "
        "`forbidden`, `rate_limited`, `transient`, `bad_request`, `not_found`, `unsupported`, "
        "`protocol_error`, `timed_out`, `key_missing`, `internal_error` or `check_failed`.",
        examples=["auth_failed"],
    )
    failure_detail: str | None
    failing_since: datetime | None
    created_at: datetime
    changed_at: datetime


class MdmConnectionPage(BaseModel):
    items: list[MdmConnectionOut]
    next_cursor: str | None


class MdmMappingOut(BaseModel):
    """What a word means. Neither place nor kind nor name: it is ignored on purpose."""

    id: int
    kind: MappingKind
    connection_id: int | None = Field(description="Null: of every connection.")
    connection_name: str | None
    word: str
    place_id: str | None
    place_name: str | None
    asset_kind: AssetKind | None
    model_name: str | None
    changed_at: datetime


class MdmMappingPage(BaseModel):
    items: list[MdmMappingOut]
    next_cursor: str | None


class UnmappedOut(BaseModel):
    """A word that devices carry and that means nothing here."""

    kind: MappingKind
    connection_id: int
    connection_name: str
    word: str
    model_id: str | None = Field(description="Of a model: the vendor's id of it.")
    platform: Platform | None = Field(description="Of a model.")
    records: int = Field(description="How many devices carry it.")
    example_id: int = Field(description="The record of one of them.")
    why: Why = Field(
        description="`unknown_word`, `several_places` (its name fits more than one) or `ignored`."
    )


class UnmappedPage(BaseModel):
    items: list[UnmappedOut]
    next_cursor: str | None


def vendor(shown: VendorShown) -> dict[str, Any]:
    settings = [_told(one, *MdmSettingOut.model_fields) for one in shown.settings]
    verbs = [_told(one, *MdmSupportedOut.model_fields) for one in shown.verbs]
    return {"vendor": shown.vendor, "label": shown.label, "settings": settings, "verbs": verbs}


def connection(row: Any) -> dict[str, Any]:
    return _told(row, *MdmConnectionOut.model_fields)


def mapping(row: Any) -> dict[str, Any]:
    return _told(row, *MdmMappingOut.model_fields)


def unmapped(row: Unmapped) -> dict[str, Any]:
    return _told(row, *UnmappedOut.model_fields)


def _told(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
