"""One device, read by itself, kept as a sync keeps it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from integrations.mdm.port import ManagedDevice
from service.assets.facts import confirm_report
from service.core.errors import Invalid, NotFound
from service.core.work import Work
from service.mdm.applying import alone, carry_out
from service.mdm.models import MdmConnection, MdmRecord
from service.mdm.planning import Read, load_mapped, planned
from service.mdm.queries import CONNECTION, RECORD
from service.mdm.records import as_json, digest_of, why_not_kept


async def reconcile_one(work: Work, connection: Any, device: ManagedDevice) -> Any:
    """Keep what a connection (a row with its columns) has just said of a device: matched, merged and reported
    like one of a sync, and confirmed where it is as before. The row of its record. NotFound where the
    connection is gone, Invalid for what cannot be kept.
    """
    told = as_json(device)
    if (why := why_not_kept(told)) is not None:
        raise Invalid(why)
    await alone(work)
    connection = await _as_it_is(work, connection.id)
    read = Read(told, digest_of(told), device)
    plan = await planned(work, connection, await load_mapped(work), [read])
    await carry_out(work, connection, plan)
    here = MdmRecord.connection_id == connection.id, MdmRecord.external_id == device.external_id
    record = (await work.db.execute(select(*RECORD).where(*here))).one()
    if record.asset_id is not None:
        await confirm_report(work, record.asset_id, connection.name)
    return record


async def _as_it_is(work: Work, connection_id: int) -> Any:
    """Whoever asked may have read it long before: its name, under which reports are kept, stays as it is now
    until the end of the transaction.
    """
    query = select(*CONNECTION).where(MdmConnection.id == connection_id)
    row = (await work.db.execute(query.with_for_update(read=True, key_share=True))).one_or_none()
    if row is None:
        raise NotFound("There is no such connection any more.")
    return row
