"""Commands as REST shows them: the documented shape, and the plain values that fill it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from integrations.mdm.port import Platform, Risk, Verb
from service.assets.models import AssetKind
from service.mdm.models import CommandState, VendorName


class MdmCommandOut(BaseModel):
    """A command for one device, and what became of it. Its secrets are never here."""

    id: int
    version: int
    verb: Verb
    risk: Risk
    state: CommandState
    asset_tag: str | None
    school_id: str | None
    connection_id: int | None
    connection_name: str | None
    vendor: VendorName | None
    ticket: int | None = Field(description="Number of the ticket on which the outcome is noted.")
    action_id: int | None = Field(description="The playbook's action that it is for.")
    bulk_id: int | None
    arguments: dict[str, str]
    reason: str
    detail: str | None = Field(description="Why it stands as it does, in a sentence.")
    asked_by_id: int | None
    asked_by_name: str | None
    decided_by_id: int | None = Field(description="The second person, who approved or refused it.")
    decided_by_name: str | None
    decided_at: datetime | None
    decision: str | None = Field(description="What the second person said.")
    during_testing: bool
    has_secrets: bool = Field(description="A PIN or code can be read, once.")
    told_at: datetime | None = Field(description="When that was read.")
    told_to_id: int | None
    attempts: int = Field(description="How often it may have reached the vendor.")
    created_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    next_look_at: datetime | None


class MdmCommandPage(BaseModel):
    items: list[MdmCommandOut]
    next_cursor: str | None


class MdmSecretOut(BaseModel):
    name: str = Field(examples=["pin"])
    value: str


class MdmSecretsOut(BaseModel):
    """Shown this once."""

    command_id: int
    secrets: list[MdmSecretOut]


class BulkDeviceOut(BaseModel):
    asset_tag: str | None
    serial: str | None
    platform: Platform
    model: str | None
    connection_name: str


class LeftOutOut(BaseModel):
    tag: str
    why: str


class StateCountOut(BaseModel):
    state: CommandState
    count: int


class MdmBulkListed(BaseModel):
    """One command for many devices. `refused` says why nothing of it was sent."""

    id: int
    verb: Verb
    arguments: dict[str, str]
    reason: str
    tags: list[str]
    school_id: str | None
    kinds: list[AssetKind]
    count: int = Field(description="How many devices it is for.")
    digest: str = Field(description="Of the list of devices: confirm with it.")
    counts: list[StateCountOut] = Field(description="Its commands by state, once it was sent.")
    during_testing: bool
    asked_by_id: int | None
    asked_by_name: str | None
    confirmed_by_id: int | None
    confirmed_by_name: str | None
    created_at: datetime
    confirmed_at: datetime | None
    reread_at: datetime | None = Field(description="When its devices were read again and compared.")
    refused: str | None


class MdmBulkOut(MdmBulkListed):
    devices: list[BulkDeviceOut]
    left_out: list[LeftOutOut] = Field(description="Devices that cannot take it; a hundred at most.")


class MdmBulkPage(BaseModel):
    items: list[MdmBulkListed]
    next_cursor: str | None


def command(row: Any) -> dict[str, Any]:
    return _told(row, MdmCommandOut, "ticket") | {"ticket": row.ticket_id}


def told_secrets(command_id: int, found: dict[str, str]) -> dict[str, Any]:
    secrets = [{"name": name, "value": value} for name, value in sorted(found.items())]
    return {"command_id": command_id, "secrets": secrets}


def bulk_listed(row: Any) -> dict[str, Any]:
    return _told(row, MdmBulkListed, "counts") | {"counts": counts(row)}


def bulk(row: Any) -> dict[str, Any]:
    devices = [dict(one._mapping) for one in row.devices]
    return bulk_listed(row) | {"devices": devices, "left_out": row.left_out or []}


def counts(row: Any) -> list[dict[str, Any]]:
    return [{"state": state, "count": n} for state, n in sorted(row.counts.items())]


def _told(row: Any, shape: type[BaseModel], *but: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.model_fields if name not in but}
