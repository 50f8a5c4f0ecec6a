"""A fresh look at the device of a ticket that was just filed: asked of its management once, whatever the
number of tickets, and attached to them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog

from integrations.mdm.port import AuthFailed, ManagedDevice, MdmError, NotFound
from service.core.actor import SYSTEM
from service.core.errors import Invalid
from service.core.errors import NotFound as Gone
from service.core.outbox import enqueue
from service.core.vault import KeyMissing
from service.core.work import Resources, Work
from service.mdm.connection_listing import LABELS
from service.mdm.queries import Managed, record_of_asset
from service.mdm.reconciling import reconcile_one
from service.mdm.sending import note_trouble
from service.mdm.turns import LATER
from service.mdm.vendors import Managements
from service.tickets.device import Turn, attach_fresh, begin_look, never_mind

PATIENCE: Final = 60.0
"""Seconds for the whole look, its repetitions too: somebody waits for it."""
AGAIN_IN: Final = timedelta(seconds=15)
LONGEST_DETAIL: Final = 400
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Looked:
    """What a management said of a device; or why it said nothing."""

    device: ManagedDevice | None = None
    detail: str = ""
    trouble: MdmError | None = None


async def look_at_device(
    resources: Resources,
    managements: Managements,
    ticket_id: int,
    asset_id: int,
    *,
    patience: float = PATIENCE,
) -> None:
    """Read a device anew, and give what is known of it then to every ticket that waits for it. Whatever goes
    wrong is told on the ticket, and what was taken down at its filing stays.
    """
    async with resources.read(SYSTEM) as read:
        managed = await record_of_asset(read, asset_id)
    async with managements.turns.of(managed.connection.id if managed else None) as is_ours:
        if is_ours:
            await _look(resources, managements, ticket_id, asset_id, patience)
            return
    async with resources.begin(SYSTEM) as work:
        at = work.now + LATER
        await enqueue(work, "mdm.look_at_device", at=at, ticket_id=ticket_id, asset_id=asset_id)


async def _look(
    resources: Resources, managements: Managements, ticket_id: int, asset_id: int, patience: float
) -> None:
    async with resources.begin(SYSTEM) as work:
        managed = await _whom_to_ask(work, ticket_id, asset_id)
    if managed is None:
        return
    looked = await _asked(managements, managed, patience)
    async with resources.begin(SYSTEM) as work:
        await _keep(work, managed, asset_id, looked)


async def _whom_to_ask(work: Work, ticket_id: int, asset_id: int) -> Managed | None:
    """None where nobody is to be asked, now or ever."""
    turn = await begin_look(work, ticket_id, asset_id)
    if turn is Turn.WAIT:
        at = work.now + AGAIN_IN
        await enqueue(work, "mdm.look_at_device", at=at, ticket_id=ticket_id, asset_id=asset_id)
    if turn is not Turn.GO:
        return None
    managed = await record_of_asset(work, asset_id)
    if managed is None:
        await never_mind(work, asset_id)
        return None
    if managed.connection.failure == AuthFailed.reason:
        who = _who(managed.connection)
        await attach_fresh(work, asset_id, detail=f"{who} was not asked: it refuses the credentials.")
        return None
    return managed


async def _asked(managements: Managements, managed: Managed, patience: float) -> Looked:
    """In no transaction."""
    connection, who = managed.connection, _who(managed.connection)
    try:
        vendor = managements.vendor(connection)
        async with asyncio.timeout(patience):
            return Looked(await vendor.device(managed.record.external_id))
    except NotFound:
        return Looked(detail=f"{who} does not list this device any more.")
    except MdmError as error:
        return Looked(detail=_shortened(f"{who} could not be asked: {error}"), trouble=error)
    except TimeoutError:
        return Looked(detail=f"{who} did not answer within {patience:g} seconds.")
    except KeyMissing:
        return Looked(detail=f"{who} could not be asked: no key opens the secrets of its connection.")
    except (ValueError, KeyError):
        return Looked(detail=f"{who} could not be asked: the settings of its connection do not fit.")
    except Exception as error:  # noqa: BLE001  (an adapter's own fault is told too, without its words)
        log.error("mdm_look_fault", connection_id=connection.id, error=type(error).__name__)
        return Looked(detail=f"{who} could not be asked: an internal error.")


async def _keep(work: Work, managed: Managed, asset_id: int, looked: Looked) -> None:
    connection = managed.connection
    if looked.trouble is not None:
        await note_trouble(work, connection, looked.trouble)
    if looked.device is None:
        await attach_fresh(work, asset_id, detail=looked.detail)
        return
    try:
        await reconcile_one(work, connection, looked.device)
    except Gone:
        await attach_fresh(work, asset_id, detail=f"{_who(connection)} is not connected any more.")
        return
    except Invalid as refusal:
        await attach_fresh(work, asset_id, detail=f"{_who(connection)}: {refusal.detail}")
        return
    await attach_fresh(work, asset_id)


def _who(connection: Any) -> str:
    return f"{LABELS[connection.vendor]} (“{connection.name}”)"


def _shortened(detail: str) -> str:
    return detail if len(detail) <= LONGEST_DETAIL else detail[: LONGEST_DETAIL - 1] + "…"
