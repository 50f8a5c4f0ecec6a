"""Which record a command for an asset goes to, and why there may be none; whether who asked still may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import select

from integrations.mdm.port import RISKS, Enrolment, Platform, Verb
from service.assets.models import Asset
from service.core.errors import Conflict
from service.core.work import Eyes
from service.mdm.command_rules import CHECKED_BEFORE
from service.mdm.connection_listing import LABELS, supported_by
from service.mdm.models import MdmRecord, VendorName
from service.mdm.queries import CONNECTION, RECORD, Managed
from service.people.models import Person


class NotManaged(Conflict):
    code = "not_managed"
    title = "No device management knows this device."


class CommandsOff(Conflict):
    code = "commands_off"
    title = "Commands are switched off for this connection."


class CommandUnsupported(Conflict):
    code = "command_unsupported"
    title = "This device management cannot do that with this device."


class AnotherDevice(Conflict):
    code = "another_device"
    title = "The device management's record is of another device."


class AskerGone(Conflict):
    code = "asker_gone"
    title = "Whoever asked for it is not active at the desk any more. Refuse it, and ask for it anew."


@dataclass(frozen=True, slots=True)
class Target:
    """An asset (a row with id, tag, serial, school_id) and the record by which it is commanded."""

    asset: Any
    managed: Managed

    @property
    def vendor(self) -> VendorName:
        vendor: VendorName = self.managed.connection.vendor
        return vendor

    @property
    def platform(self) -> Platform:
        platform: Platform = self.managed.record.platform
        return platform


async def target_of(eyes: Eyes, asset: Any, verb: Verb, connection_id: int | None = None) -> Target:
    """The record that takes the command: the one with the newest check-in of those that can. NotManaged,
    CommandsOff, CommandUnsupported, AnotherDevice: why the newest cannot.
    """
    known = await records_of(eyes, [asset.id], connection_id)
    chosen = choose(asset, known.get(asset.id, []), verb)
    if isinstance(chosen, Conflict):
        raise chosen
    return chosen


def choose(asset: Any, known: Sequence[Managed], verb: Verb) -> Target | Conflict:
    """The first of an asset's records that can take the command; else why the first cannot."""
    refused: Conflict | None = None
    for managed in known:
        refusal = unfit(managed, asset, verb)
        if refusal is None:
            return Target(asset, managed)
        refused = refused or refusal
    return refused or NotManaged()


async def records_of(
    eyes: Eyes, asset_ids: Sequence[int], connection_id: int | None = None
) -> dict[int, list[Managed]]:
    """All records by asset: those of connections that are on, that are listed and enrolled first, then by
    their check-in.
    """
    connections = {row.id: row for row in (await eyes.db.execute(select(*CONNECTION))).all()}
    query = (
        select(*RECORD)
        .where(MdmRecord.asset_id.in_(asset_ids))
        .order_by(
            MdmRecord.missing_since.is_not(None),
            MdmRecord.enrolment == Enrolment.UNENROLLED,
            MdmRecord.last_check_in.desc().nulls_last(),
            MdmRecord.id.desc(),
        )
    )
    if connection_id is not None:
        query = query.where(MdmRecord.connection_id == connection_id)
    found: dict[int, list[Managed]] = {}
    for row in (await eyes.db.execute(query)).all():
        found.setdefault(row.asset_id, []).append(Managed(row, connections[row.connection_id]))
    for managed in found.values():
        managed.sort(key=lambda one: not one.connection.enabled)
    return found


def unfit(managed: Managed, asset: Any, verb: Verb) -> Conflict | None:
    """Why the record cannot take the command, as far as our own tables tell; None where it can."""
    record, connection = managed.record, managed.connection
    label = LABELS[connection.vendor]
    if not connection.enabled:
        return CommandsOff(f"The connection {connection.name} is switched off.")
    if record.missing_since is not None:
        return NotManaged(
            f"{label} does not list this device any more since {record.missing_since:%d %B %Y}."
        )
    if record.enrolment is Enrolment.UNENROLLED:
        return NotManaged(f"This device has left {label}.")
    if not connection.allows_commands:
        return CommandsOff(f"Commands are switched off for the connection {connection.name}.")
    if connection.failure == "auth_failed":
        return CommandsOff(
            f"{label} refuses the credentials of the connection {connection.name}. "
            "An administrator must see to it."
        )
    able = verbs_for(connection.vendor, record.platform)
    if verb not in able:
        others = ", ".join(sorted(one.value for one in able)) or "nothing"
        return CommandUnsupported(
            f"{label} cannot do {verb.value} on {record.platform.value}. It can do: {others}."
        )
    if RISKS[verb] in CHECKED_BEFORE and _differ(asset.serial, record.serial):
        return AnotherDevice(f"{label}'s record has another serial number than this device.")
    return None


@cache
def verbs_for(vendor: VendorName, platform: Platform) -> frozenset[Verb]:
    """What may be asked of such a device there."""
    return frozenset(one.verb for one in supported_by(vendor) if platform in one.platforms)


def _differ(ours: str | None, theirs: str | None) -> bool:
    return bool(ours and theirs) and ours.strip().upper() != theirs.strip().upper()  # type: ignore[union-attr]


async def asset_row(eyes: Eyes, asset_id: int) -> Any:
    """What a command needs of an asset; None where there is none."""
    query = select(Asset.id, Asset.tag, Asset.serial, Asset.school_id).where(Asset.id == asset_id)
    return (await eyes.db.execute(query)).one_or_none()


async def asker_is_active(eyes: Eyes, person_id: int | None) -> None:
    """Two people stand behind what destroys; one who was shut out meanwhile is none. AskerGone."""
    if person_id is None:
        return
    active = select(Person.active).where(Person.id == person_id)
    if not (await eyes.db.execute(active)).scalar():
        raise AskerGone
