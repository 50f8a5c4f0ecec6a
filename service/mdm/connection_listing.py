"""Connections as lists and one by one, without their secrets; vendors, and what each is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import func, select

from integrations.mdm.port import Enrolment, Platform, Setting, Verb
from service.core.errors import NotFound, require
from service.core.paging import Page, cursor_of, key_of
from service.core.vault import KeyMissing, open_vault
from service.core.work import Eyes
from service.mdm.access import SEES, may_see_records
from service.mdm.models import MdmConnection, MdmRecord, VendorName
from service.mdm.vendors import VENDORS, settings_of
from service.people.tokens import int_key

LABELS: Final = {
    VendorName.GOOGLE: "Google Admin",
    VendorName.INTUNE: "Microsoft Intune",
    VendorName.JAMF_PRO: "Jamf Pro",
    VendorName.JAMF_SCHOOL: "Jamf School",
    VendorName.MOSYLE: "Mosyle",
    VendorName.FLEET: "Fleet",
}


def _counted(*conditions: Any) -> Any:
    present = MdmRecord.connection_id == MdmConnection.id, MdmRecord.missing_since.is_(None)
    return select(func.count()).where(*present, *conditions).correlate(MdmConnection).scalar_subquery()


_COLUMNS: Final = [
    *MdmConnection.__table__.c,
    _counted().label("devices"),
    _counted(MdmRecord.asset_id.is_(None), MdmRecord.enrolment != Enrolment.UNENROLLED).label("unmatched"),
]


@dataclass(frozen=True, slots=True)
class Supported:
    """A command, and the platforms of which it can be asked."""

    verb: Verb
    platforms: Sequence[Platform]


@dataclass(frozen=True, slots=True)
class VendorShown:
    """A vendor with the fields of its form."""

    vendor: VendorName
    label: str
    settings: Sequence[Setting]
    verbs: Sequence[Supported]


async def connections_page(
    eyes: Eyes, *, vendor: VendorName | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Connections by id, as `connection_by_id` shows each."""
    require(may_see_records(eyes.actor), SEES)
    query = select(*_COLUMNS).order_by(MdmConnection.id)
    if vendor is not None:
        query = query.where(MdmConnection.vendor == vendor)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(MdmConnection.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    shown = [_shown(row) for row in rows[:limit]]
    return Page(shown, cursor_of(shown[-1].id) if len(rows) > limit else None)


async def connection_by_id(eyes: Eyes, connection_id: int) -> Any:
    """One of them: its columns without the sealed secrets, `has_secrets` their names, `secrets_lost` where no
    key opens them, `devices` and `unmatched` as counts of records that are listed. Its version becomes the
    answer's ETag. NotFound.
    """
    require(may_see_records(eyes.actor), SEES)
    row = (await eyes.db.execute(select(*_COLUMNS).where(MdmConnection.id == connection_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such connection.")
    eyes.version = row.version
    return _shown(row)


async def connection_named(eyes: Eyes, name: str) -> Any:
    """The same by its name, whatever the case. NotFound."""
    require(may_see_records(eyes.actor), SEES)
    query = select(MdmConnection.id).where(func.lower(MdmConnection.name) == name.strip().lower())
    found = (await eyes.db.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"There is no connection {name}.")
    return await connection_by_id(eyes, found)


def vendors_shown(eyes: Eyes) -> list[VendorShown]:
    """Every vendor that a connection may be of."""
    require(may_see_records(eyes.actor), SEES)
    return every_vendor()


def every_vendor() -> list[VendorShown]:
    return [
        VendorShown(vendor, LABELS[vendor], settings_of(vendor), supported_by(vendor)) for vendor in VENDORS
    ]


def supported_by(vendor: VendorName) -> list[Supported]:
    """What may be asked of devices there. Adapters tell that without their settings."""
    adapter = VENDORS[vendor]
    unset = adapter.__new__(adapter)
    told = [
        Supported(verb, [platform for platform in Platform if unset.supports(verb, platform)])
        for verb in Verb
    ]
    return [one for one in told if one.platforms]


def _shown(row: Any) -> SimpleNamespace:
    told = dict(row._mapping)
    sealed = told.pop("sealed")
    try:
        names, lost = sorted(open_vault().open(sealed)), False
    except KeyMissing:
        names, lost = [], True
    return SimpleNamespace(**told, has_secrets=names, secrets_lost=lost)
