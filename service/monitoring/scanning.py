"""Searches for devices among the addresses that an operator named."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from sqlalchemy import select

from service.core.errors import Invalid, NotFound, require
from service.core.fields import Input, Key, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes, Work
from service.monitoring.access import CONFIGURES, SEES, may_configure_network, may_see_network
from service.monitoring.models import NetworkScan, ScanState
from service.monitoring.targets import MOST_ADDRESSES, BadTarget, named
from service.people.tokens import int_key
from service.places.models import Place

MOST_TARGETS: Final = 64
SCAN: Final = list(NetworkScan.__table__.c)
LISTED: Final = [column for column in SCAN if column.name != "found"]


def _together(targets: list[str]) -> list[str]:
    try:
        named(targets)
    except BadTarget as error:
        raise ValueError(str(error)) from None
    return targets


class AskForScan(Input):
    """A search among these addresses and no others."""

    targets: Annotated[list[Line], AfterValidator(_together)] = Field(
        min_length=1,
        max_length=MOST_TARGETS,
        description="Addresses, CIDR ranges, `a-b` ranges and host names; "
        f"{MOST_ADDRESSES:,} addresses in all at most.",
        examples=[["10.20.0.0/24", "10.20.1.5-10.20.1.40"]],
    )
    port: int = Field(161, ge=1, le=65_535, description="The UDP port that agents answer on.")
    school_id: Key | None = Field(None, description="The school that new devices are given.")
    adopts: bool = Field(True, description="False: only tell what is there, and add nothing.")


@once(NetworkScan)
async def ask_for_scan(work: Work, wanted: AskForScan) -> NetworkScan:
    """Have addresses searched by the job `monitoring.scan`."""
    require(may_configure_network(work.actor), CONFIGURES)
    if wanted.school_id is not None:
        place = await work.session.get(Place, wanted.school_id)
        if place is None or place.school_id != place.id:
            raise Invalid.field("school_id", "There is no such school.", "unknown_place")
    scan = NetworkScan(
        state=ScanState.WAITING,
        targets=list(wanted.targets),
        port=wanted.port,
        school_id=wanted.school_id,
        adopts=wanted.adopts,
        asked=0,
        answered=0,
        adopted=0,
        found=[],
        asked_by_id=work.actor.person_id,
        created_at=work.now,
    )
    work.session.add(scan)
    await work.session.flush()
    await enqueue(work, "monitoring.scan", scan_id=scan.id)
    return scan


async def scans_page(
    eyes: Eyes, *, state: ScanState | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Any]:
    """Scans, newest first, without what they found."""
    require(may_see_network(eyes.actor), SEES)
    query = select(*LISTED).order_by(NetworkScan.id.desc())
    if state is not None:
        query = query.where(NetworkScan.state == state)
    if (key := key_of(cursor, 1)) is not None:
        query = query.where(NetworkScan.id < int_key(key))
    rows = (await eyes.db.execute(query.limit(limit + 1))).all()
    return Page(rows[:limit], cursor_of(rows[limit - 1].id) if len(rows) > limit else None)


async def scan_by_id(eyes: Eyes, scan_id: int) -> Any:
    """A scan with a line for each address that answered."""
    require(may_see_network(eyes.actor), SEES)
    row = (await eyes.db.execute(select(*SCAN).where(NetworkScan.id == scan_id))).first()
    if row is None:
        raise NotFound("There is no such scan.")
    return row
