"""Devices, credentials, maintenance and trap counts as lists and one by one, in columns, not entities."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import aliased

from integrations.snmp.reading import DeviceKind
from service.assets.models import Asset
from service.core.errors import Invalid, NotFound, require
from service.core.fields import Clean, Input, Key
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.monitoring.access import SEES, may_see_credentials, may_see_network
from service.monitoring.models import (
    FaultState,
    NetworkDevice,
    NetworkFault,
    NetworkMaintenance,
    NetworkParent,
    NetworkWatch,
    ReachState,
    SnmpCredential,
    SnmpState,
    TrapCount,
)
from service.people.tokens import int_key
from service.places.models import Place

Search = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Clean]
School = aliased(Place)

OPEN_FAULTS = (
    select(func.count())
    .where(
        NetworkFault.device_id == NetworkDevice.id,
        NetworkFault.resolved_at.is_(None),
        NetworkFault.state.in_((FaultState.OPEN, FaultState.UNDER_PARENT)),
    )
    .correlate(NetworkDevice)
    .scalar_subquery()
)
HEAVY = {"inventory", "rows"}
DEVICE = [
    *(column for column in NetworkDevice.__table__.c if column.name not in HEAVY),
    Asset.tag.label("asset_tag"),
    Place.name.label("place_name"),
    School.name.label("school_name"),
    NetworkWatch.reach,
    NetworkWatch.reach_since,
    NetworkWatch.snmp,
    NetworkWatch.snmp_since,
    NetworkWatch.polled_at,
    NetworkWatch.answered_at,
    NetworkWatch.next_poll_at,
    NetworkWatch.next_discovery_at,
    OPEN_FAULTS.label("open_faults"),
]


class DeviceFilter(Input):
    """What the devices are narrowed to; conditions add up."""

    school_id: Key | None = None
    kind: DeviceKind | None = None
    reach: ReachState | None = Field(None, description="Whether it is there.")
    snmp: SnmpState | None = Field(None, description="Whether its agent answers.")
    watched: bool | None = None
    q: Search | None = Field(None, description="Part of a name, address, serial number, model or vendor.")


async def devices_page(
    eyes: Eyes, narrowed: DeviceFilter, *, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Devices that are watched or kept, by id."""
    require(may_see_network(eyes.actor), SEES)
    query = with_places(select(*DEVICE)).where(*_conditions(narrowed)).order_by(NetworkDevice.id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(NetworkDevice.id > int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def device_view(eyes: Eyes, device_id: int) -> Any:
    """One of them; its version becomes the answer's ETag. NotFound."""
    require(may_see_network(eyes.actor), SEES)
    row = (
        await eyes.db.execute(with_places(select(*DEVICE)).where(NetworkDevice.id == device_id))
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such network device.")
    eyes.version = row.version
    return row


async def parents_of(eyes: Eyes, device_id: int) -> list[Any]:
    """What a device hangs on, with names."""
    require(may_see_network(eyes.actor), SEES)
    query = (
        select(
            NetworkParent.parent_id.label("device_id"),
            NetworkDevice.name,
            NetworkParent.parent_port.label("port"),
            NetworkParent.by_hand,
        )
        .join(NetworkDevice, NetworkDevice.id == NetworkParent.parent_id)
        .where(NetworkParent.device_id == device_id)
        .order_by(NetworkParent.parent_id, NetworkParent.parent_port)
        .limit(100)
    )
    return list((await eyes.db.execute(query)).all())


def with_places(query: Any) -> Any:
    """The query on devices with the tables of DEVICE beside them."""
    return (
        query.select_from(NetworkDevice)
        .outerjoin(NetworkWatch, NetworkWatch.device_id == NetworkDevice.id)
        .outerjoin(Asset, Asset.id == NetworkDevice.asset_id)
        .outerjoin(Place, Place.id == NetworkDevice.place_id)
        .outerjoin(School, School.id == NetworkDevice.school_id)
    )


def _conditions(narrowed: DeviceFilter) -> list[ColumnElement[bool]]:
    equal = {
        "school_id": NetworkDevice.school_id,
        "kind": NetworkDevice.kind,
        "reach": NetworkWatch.reach,
        "snmp": NetworkWatch.snmp,
        "watched": NetworkDevice.watched,
    }
    told: list[ColumnElement[bool]] = [
        column == getattr(narrowed, name)
        for name, column in equal.items()
        if getattr(narrowed, name) is not None
    ]
    if narrowed.q is not None:
        searched = ("name", "address", "serial", "model", "vendor")
        columns = [getattr(NetworkDevice, name) for name in searched]
        told.append(or_(*(column.icontains(narrowed.q, autoescape=True) for column in columns)))
    return told


CREDENTIAL = [
    *(column for column in SnmpCredential.__table__.c if column.name != "sealed"),
    select(func.count())
    .where(
        or_(
            NetworkDevice.credential_id == SnmpCredential.id,
            NetworkDevice.write_credential_id == SnmpCredential.id,
        )
    )
    .correlate(SnmpCredential)
    .scalar_subquery()
    .label("devices"),
]


async def credentials_page(eyes: Eyes, *, limit: int = 50, cursor: str | None = None) -> Page[Any]:
    """Credentials without their secrets, in the order in which discovery tries them."""
    require(may_see_credentials(eyes.actor), "Leads and administrators see credentials.")
    query = select(*CREDENTIAL).order_by(SnmpCredential.position, SnmpCredential.id)
    if (key := key_of(cursor, 2)) is not None:
        edge = tuple_(literal(int_key(key[:1])), literal(int_key(key[1:])))
        query = query.where(tuple_(SnmpCredential.position, SnmpCredential.id) > edge)
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], credential_cursor(rows[limit - 1]) if len(rows) > limit else None)


def credential_cursor(row: Any) -> str:
    return cursor_of(row.position, row.id)


async def credential_by_id(eyes: Eyes, credential_id: int) -> Any:
    """One credential without its secrets. NotFound."""
    require(may_see_credentials(eyes.actor), "Leads and administrators see credentials.")
    row = (await eyes.db.execute(select(*CREDENTIAL).where(SnmpCredential.id == credential_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such credential.")
    return row


class MaintenanceState(StrEnum):
    UPCOMING = "upcoming"
    CURRENT = "current"
    OVER = "over"


async def maintenances_page(
    eyes: Eyes,
    *,
    state: MaintenanceState | None = None,
    school_id: str | None = None,
    device_id: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Any]:
    """Maintenance, newest first; what is over only where it is asked for.

    A school's and a device's are those planned for that school or device, not the district's.
    """
    require(may_see_network(eyes.actor), SEES)
    query = _maintenances(eyes).order_by(NetworkMaintenance.id.desc())
    is_state = _state(eyes) == (state or MaintenanceState.OVER).value
    query = query.where(is_state if state is not None else ~is_state)
    if school_id is not None:
        query = query.where(NetworkMaintenance.school_id == school_id)
    if device_id is not None:
        query = query.where(NetworkMaintenance.device_id == device_id)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(NetworkMaintenance.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def maintenance_by_id(eyes: Eyes, maintenance_id: int) -> Any:
    require(may_see_network(eyes.actor), SEES)
    query = _maintenances(eyes).where(NetworkMaintenance.id == maintenance_id)
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such maintenance.")
    return row


def _state(eyes: Eyes) -> ColumnElement[str]:
    over = or_(NetworkMaintenance.cancelled_at.is_not(None), NetworkMaintenance.ends_at <= eyes.now)
    return case(
        (over, MaintenanceState.OVER.value),
        (NetworkMaintenance.starts_at > eyes.now, MaintenanceState.UPCOMING.value),
        else_=MaintenanceState.CURRENT.value,
    )


def _maintenances(eyes: Eyes) -> Any:
    return (
        select(
            *NetworkMaintenance.__table__.c,
            _state(eyes).label("state"),
            School.name.label("school_name"),
            NetworkDevice.name.label("device_name"),
        )
        .outerjoin(School, School.id == NetworkMaintenance.school_id)
        .outerjoin(NetworkDevice, NetworkDevice.id == NetworkMaintenance.device_id)
    )


async def traps_page(
    eyes: Eyes, *, known: bool | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """How many traps came from each source, and what became of them; `known` sources are devices."""
    require(may_see_network(eyes.actor), SEES)
    is_known = exists().where(NetworkDevice.address == TrapCount.address)
    query = select(*TrapCount.__table__.c, is_known.label("known")).order_by(
        TrapCount.address, TrapCount.reason
    )
    if known is not None:
        query = query.where(is_known if known else ~is_known)
    if (key := key_of(cursor, 2)) is not None:
        address, reason = (_text(part) for part in key)
        after = and_(TrapCount.address == address, TrapCount.reason > reason)
        query = query.where(or_(TrapCount.address > address, after))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], trap_cursor(rows[limit - 1]) if len(rows) > limit else None)


def trap_cursor(row: Any) -> str:
    return cursor_of(row.address, row.reason)


def _text(part: Any) -> str:
    if not isinstance(part, str) or "\x00" in part:
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor")
    return part
