"""Faults as a list and one by one, in columns with the names that people know."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from service.core.errors import NotFound, require
from service.core.fields import Code, Id, Input, Key
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.monitoring.access import SEES, may_see_network
from service.monitoring.models import FaultState, NetworkDevice, NetworkFault
from service.people.tokens import int_key
from service.places.models import Place

Parent = aliased(NetworkDevice)
School = aliased(Place)
FAULT = [
    *NetworkFault.__table__.c,
    NetworkDevice.name.label("device_name"),
    NetworkDevice.kind.label("device_kind"),
    Place.name.label("place_name"),
    School.name.label("school_name"),
    Parent.name.label("parent_name"),
]


class FaultFilter(Input):
    """What the faults are narrowed to; conditions add up."""

    school_id: Key | None = None
    device_id: Id | None = None
    state: FaultState | None = None
    check: Code | None = Field(None, description="Such as `port.down`.")
    open: bool | None = Field(None, description="Only what is still wrong, or only what is well again.")


async def faults_page(
    eyes: Eyes, narrowed: FaultFilter, *, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Faults, newest first."""
    require(may_see_network(eyes.actor), SEES)
    query = _named().where(*_conditions(narrowed)).order_by(NetworkFault.id.desc())
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(NetworkFault.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def fault_view(eyes: Eyes, fault_id: int) -> Any:
    """One of them. NotFound."""
    require(may_see_network(eyes.actor), SEES)
    row = (await eyes.db.execute(_named().where(NetworkFault.id == fault_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such fault.")
    return row


def _named() -> Any:
    return (
        select(*FAULT)
        .join(NetworkDevice, NetworkDevice.id == NetworkFault.device_id)
        .outerjoin(Place, Place.id == NetworkDevice.place_id)
        .outerjoin(School, School.id == NetworkFault.school_id)
        .outerjoin(Parent, Parent.id == NetworkFault.parent_id)
    )


def _conditions(narrowed: FaultFilter) -> list[ColumnElement[bool]]:
    equal = {
        "school_id": NetworkFault.school_id,
        "device_id": NetworkFault.device_id,
        "state": NetworkFault.state,
        "check": NetworkFault.check,
    }
    told: list[ColumnElement[bool]] = [
        column == getattr(narrowed, name)
        for name, column in equal.items()
        if getattr(narrowed, name) is not None
    ]
    if narrowed.open is not None:
        ended = NetworkFault.resolved_at.is_not(None)
        told.append(~ended if narrowed.open else ended)
    return told
