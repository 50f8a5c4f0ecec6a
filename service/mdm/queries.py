"""Named looks at records that several verbs take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, select

from integrations.mdm.port import Enrolment
from service.core.work import Eyes
from service.mdm.models import MdmConnection, MdmRecord

RECORD: Final = list(MdmRecord.__table__.c)
CONNECTION: Final = list(MdmConnection.__table__.c)


@dataclass(frozen=True, slots=True)
class Managed:
    """A record and the connection that it came by: rows with all of their columns."""

    record: Any
    connection: Any


async def record_of_asset(eyes: Eyes, asset_id: int, connection_id: int | None = None) -> Managed | None:
    """What speaks for an asset: of the records that are listed still, by connections that are switched on,
    the one with the newest check-in, one that is not enrolled any more last. None where nothing manages it.
    """
    query = _listed().where(MdmRecord.asset_id == asset_id, MdmConnection.enabled)
    if connection_id is not None:
        query = query.where(MdmRecord.connection_id == connection_id)
    left = MdmRecord.enrolment == Enrolment.UNENROLLED
    newest = left, MdmRecord.last_check_in.desc().nulls_last(), MdmRecord.id.desc()
    found: int | None = (await eyes.db.execute(query.order_by(*newest).limit(1))).scalar()
    return None if found is None else await record_with_connection(eyes, found)


async def record_with_connection(eyes: Eyes, record_id: int) -> Managed | None:
    """One record by its number, whether it is listed still or not; None where there is none."""
    record = (await eyes.db.execute(select(*RECORD).where(MdmRecord.id == record_id))).one_or_none()
    if record is None:
        return None
    return Managed(record, await connection_row(eyes, record.connection_id))


async def connection_row(eyes: Eyes, connection_id: int) -> Any:
    """All columns of a connection, the sealed secrets too: for who is about to ask its vendor. None."""
    return (await eyes.db.execute(select(*CONNECTION).where(MdmConnection.id == connection_id))).one_or_none()


def _listed() -> Select[Any]:
    return (
        select(MdmRecord.id)
        .join(MdmConnection, MdmConnection.id == MdmRecord.connection_id)
        .where(MdmRecord.missing_since.is_(None))
    )
