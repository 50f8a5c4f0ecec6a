"""Connections to device managements: made, changed, switched on and off, deleted; secrets are never told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import structlog
from pydantic import AfterValidator, Field, PlainSerializer, SecretStr
from sqlalchemy import delete, func, select, update

from service.assets.models import AssetReport
from service.core.errors import Conflict, FieldError, Invalid, NotFound, Stale, require
from service.core.fields import Input, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.vault import KeyMissing, open_vault
from service.core.work import Work
from service.mdm.access import KEEPS, SEES, may_keep_connections, may_see_records
from service.mdm.lease import UNDER_WAY, end_run
from service.mdm.models import (
    CommandState,
    MdmCommand,
    MdmConnection,
    MdmRun,
    SyncState,
    VendorName,
)
from service.mdm.settings import LONGEST_JSON, settled
from service.mdm.vendors import settings_of

MOST_CONNECTIONS: Final = 100
MOST_SETTINGS: Final = 40
IDLE: Final = (SyncState.WAITING, SyncState.HELD)
ENDED: Final = (
    CommandState.SUCCEEDED,
    CommandState.FAILED,
    CommandState.EXPIRED,
    CommandState.CANCELLED,
    CommandState.UNSUPPORTED,
    CommandState.UNVERIFIABLE,
    CommandState.REFUSED,
)
log = structlog.get_logger()


class SyncUnderWay(Conflict):
    code = "sync_under_way"
    title = "A sync of this connection is under way. Wait until it has ended, or cancel it."


class ConnectionInUse(Conflict):
    code = "connection_in_use"
    title = "Commands that were sent by this connection have not ended. Wait for them, or switch it off."


def _is_text(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds characters that are not text") from None
    if "\x00" in value:
        raise ValueError("holds characters that are not text")
    return secret


# Told only to what compares a request with its repetition, which keeps a digest of it.
_Digested = PlainSerializer(lambda secret: secret.get_secret_value(), return_type=str, when_used="json")
Value = Annotated[SecretStr, Field(max_length=LONGEST_JSON), AfterValidator(_is_text), _Digested]
Key = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_]*$")]
Settings = Annotated[dict[Key, Value | None], Field(max_length=MOST_SETTINGS)]
_SETTINGS: Final = (
    "By their names, as `GET /mdm/vendors` lists them. What is not sent stays; null takes an optional one "
    "away. Secrets are sealed and never told."
)


class EditConnection(Input):
    """What is not sent stays as it is. Under another address every secret must be sent again."""

    name: Line | None = Field(None, examples=["Google, district"])
    settings: Settings | None = Field(
        None, description=_SETTINGS, examples=[{"base_url": "https://school.jamfcloud.com"}]
    )
    enabled: bool | None = Field(None, description="False: nothing is asked of it by itself.")
    sync_minutes: Annotated[int, Field(ge=5, le=10_080)] | None = Field(
        None, description="How often what has changed is asked for."
    )
    full_hours: Annotated[int, Field(ge=1, le=720)] | None = Field(
        None, description="How often every device is asked for."
    )
    guard_percent: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="A sync that would change more of the known devices than this waits for a person."
    )
    adds_assets: bool | None = Field(None, description="Whether devices that are not known are added.")
    owns_holder: bool | None = Field(None, description="Whether it says who has a device.")
    owns_tag: bool | None = Field(None, description="Whether it says which asset tag a device has.")
    allows_commands: bool | None = Field(None, description="Whether commands may be sent by it.")


class NewConnection(EditConnection):
    """An account at a device management. Its secrets are sealed and never told."""

    name: Line = Field(examples=["Google, district"])
    vendor: VendorName
    settings: Settings = Field(description=_SETTINGS)


@once(MdmConnection)
async def add_connection(work: Work, wanted: NewConnection) -> MdmConnection:
    """Keep a connection; it is synced as soon as a worker is free, unless it is made switched off. Invalid,
    Conflict where its name is taken.
    """
    require(may_keep_connections(work.actor), KEEPS)
    await _alone(work)
    await _name_is_free(work, wanted.name, None)
    there = await work.session.scalar(select(func.count()).select_from(MdmConnection))
    if (there or 0) >= MOST_CONNECTIONS:
        raise Conflict(f"The desk keeps at most {MOST_CONNECTIONS} connections.")
    made = settled(settings_of(wanted.vendor), _revealed(wanted.settings), {}, {})
    row = MdmConnection(
        vendor=wanted.vendor,
        settings=made.plain,
        sealed=open_vault().seal(made.secrets),
        created_at=work.now,
        changed_at=work.now,
        **_columns(wanted),
    )
    row.next_sync_at = work.now if row.enabled is not False else None
    work.session.add(row)
    await work.session.flush()
    await work.session.refresh(row)
    work.version = row.version
    _tell(work, row, "mdm_connection_added", wanted)
    return row


@once(MdmConnection)
async def edit_connection(work: Work, connection_id: int, wanted: EditConnection) -> MdmConnection:
    """Change what is sent. Other settings or secrets clear what the last test and the last failure said, and
    have every device asked for. NotFound, Stale, Invalid, Conflict.
    """
    row = await connection_for_update(work, connection_id)
    columns = _columns(wanted)
    if (name := columns.get("name", row.name)) != row.name:
        await _alone(work)
        await _name_is_free(work, name, row.id)
        await _no_sync_under_way(work, row.id)
        await _carry_reports(work, row.name, name)
    was_enabled = row.enabled
    for column, value in columns.items():
        setattr(row, column, value)
    if wanted.settings is not None:
        await _settle(work, row, _revealed(wanted.settings))
    _plan(work, row, was_enabled=was_enabled, sooner="sync_minutes" in columns)
    await _touched(work, row)
    _tell(work, row, "mdm_connection_changed", wanted)
    return row


@once(MdmConnection)
async def delete_connection(work: Work, connection_id: int) -> MdmConnection:
    """Forget it with its records, runs, reviews, mappings and what it said of devices; devices, tickets and
    commands stay. NotFound, Stale; SyncUnderWay; ConnectionInUse while commands of it have not ended.
    """
    row = await connection_for_update(work, connection_id)
    await _no_sync_under_way(work, row.id)
    going = select(MdmCommand.id).where(MdmCommand.connection_id == row.id, MdmCommand.state.not_in(ENDED))
    if await work.session.scalar(going.limit(1)) is not None:
        raise ConnectionInUse
    await work.session.execute(delete(AssetReport).where(AssetReport.source == row.name))
    await work.session.delete(row)
    await work.session.flush()
    _tell(work, row, "mdm_connection_deleted", None)
    return row


@once(MdmConnection)
async def ask_check(work: Work, connection_id: int) -> MdmConnection:
    """Have it tried as soon as a worker is free; what was found stands on it afterwards. NotFound."""
    require(may_see_records(work.actor) or may_keep_connections(work.actor), SEES)
    row = await work.session.get(MdmConnection, connection_id)
    if row is None:
        raise NotFound("There is no such connection.")
    require(may_keep_connections(work.actor), KEEPS)
    await enqueue(work, "mdm.check_connection", connection_id=row.id)
    return row


async def connection_for_update(work: Work, connection_id: int) -> MdmConnection:
    """The connection, locked, for somebody who may change it. NotFound, Forbidden, Stale."""
    require(may_see_records(work.actor) or may_keep_connections(work.actor), SEES)
    row = await work.session.get(MdmConnection, connection_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such connection.")
    require(may_keep_connections(work.actor), KEEPS)
    if work.conditions.expected_version not in (None, row.version):
        raise Stale
    return row


def kept_secrets(row: Any) -> dict[str, str]:
    """The secrets of a row with `sealed`; none where the key that sealed them is gone, so that they are asked
    for.
    """
    try:
        return open_vault().open(row.sealed)
    except KeyMissing:
        return {}


def _revealed(sent: Mapping[str, SecretStr | None]) -> dict[str, str | None]:
    return {key: None if value is None else value.get_secret_value() for key, value in sent.items()}


def _columns(wanted: EditConnection) -> dict[str, Any]:
    """What was sent but for the settings. Invalid for null, which none of them can be."""
    names = wanted.model_fields_set - {"settings", "vendor"}
    columns = {name: getattr(wanted, name) for name in sorted(names)}
    missing = [name for name in sorted(wanted.model_fields_set) if getattr(wanted, name) is None]
    if missing:
        fields = [FieldError(name, "required", "This cannot be nothing; leave it out.") for name in missing]
        raise Invalid(fields=fields)
    return columns


async def _settle(work: Work, row: MdmConnection, sent: dict[str, str | None]) -> None:
    """Other settings may mean another account: nothing that was known of the old one counts."""
    made = settled(settings_of(row.vendor), sent, row.settings, kept_secrets(row))
    if not made.changed:
        return
    await _discard(work, await _no_sync_under_way(work, row.id))
    row.settings = made.plain
    row.sealed = open_vault().seal(made.secrets)
    row.watermark = row.full_at = None
    row.checked = row.checked_at = None
    row.failure = row.failure_detail = row.failing_since = None
    row.next_sync_at = work.now


def _plan(work: Work, row: MdmConnection, *, was_enabled: bool, sooner: bool) -> None:
    if not row.enabled:
        row.next_sync_at = None
    elif not was_enabled or sooner:
        row.next_sync_at = work.now


async def _touched(work: Work, row: MdmConnection) -> None:
    row.version += 1
    row.changed_at = work.now
    await work.session.flush()
    work.version = row.version


async def _alone(work: Work) -> None:
    """One change of names at a time."""
    await work.session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended("mdm connections", 0)))
    )


async def _name_is_free(work: Work, name: str, but: int | None) -> None:
    """Nor may another differ only by case: people tell them apart by name."""
    same = select(MdmConnection.id).where(func.lower(MdmConnection.name) == name.lower())
    if await work.session.scalar(same.where(MdmConnection.id != (but or 0)).limit(1)) is not None:
        raise Conflict(f"There is a connection {name} already.")


async def _no_sync_under_way(work: Work, connection_id: int) -> list[int]:
    """The runs that are held. One that only waits cannot begin before this change is made; one that somebody
    has in hand just now is not waited for: they may wait for this very connection.
    """
    going = MdmRun.connection_id == connection_id, MdmRun.state.in_((*UNDER_WAY, *IDLE))
    there = set((await work.session.scalars(select(MdmRun.id).where(*going))).all())
    query = select(MdmRun.id, MdmRun.state).where(MdmRun.id.in_(there)).with_for_update(skip_locked=True)
    rows = (await work.session.execute(query)).all()
    if len(rows) != len(there) or any(row.state in UNDER_WAY for row in rows):
        raise SyncUnderWay
    return [row.id for row in rows if row.state is SyncState.HELD]


async def _discard(work: Work, run_ids: list[int]) -> None:
    """What was read of another account is not to be let through."""
    by = {"decided_at": work.now, "decided_by_id": work.actor.person_id}
    for run_id in run_ids:
        why = "The settings of the connection were changed."
        await end_run(work, run_id, SyncState.DISCARDED, detail=why, **by)


async def _carry_reports(work: Work, was: str, name: str) -> None:
    """What a connection said of devices is kept under its name."""
    quiet = {"synchronize_session": False}
    left = delete(AssetReport).where(AssetReport.source == name)
    carried = update(AssetReport).where(AssetReport.source == was).values(source=name)
    await work.session.execute(left, execution_options=quiet)
    await work.session.execute(carried, execution_options=quiet)


def _tell(work: Work, row: MdmConnection, event: str, wanted: EditConnection | None) -> None:
    """Who changed which fields, by name; never what they hold."""
    fields = sorted(wanted.model_fields_set) if wanted is not None else []
    settings = sorted(wanted.settings) if wanted is not None and wanted.settings else []
    log.info(
        event,
        connection_id=row.id,
        vendor=row.vendor.value,
        person_id=work.actor.person_id,
        token_id=work.actor.token_id,
        fields=fields,
        settings=settings,
    )
