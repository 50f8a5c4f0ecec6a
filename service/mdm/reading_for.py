"""A managed device read anew for a playbook, and kept with its asset."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from integrations.mdm.port import AuthFailed, ManagedDevice, MdmError
from service.core.actor import SYSTEM
from service.core.errors import Invalid, NotFound
from service.core.vault import KeyMissing
from service.core.work import Resources
from service.mdm.queries import Managed, record_of_asset
from service.mdm.reconciling import reconcile_one
from service.mdm.sending import note_trouble
from service.mdm.vendors import Managements

PATIENCE: Final = 60.0
"""Seconds for the whole look: somebody waits for it."""
log = structlog.get_logger()


async def read_device(resources: Resources, managements: Managements, asset_id: int) -> bool:
    """Have the asset's management say what it knows of it now. A run that waits for facts goes on with what
    came, or when its own time is up: nothing is told where nobody manages the device or it cannot be asked.
    False where it was not asked because others ask it already.
    """
    async with resources.read(SYSTEM) as read:
        managed = await record_of_asset(read, asset_id)
    if managed is None or managed.connection.failure == AuthFailed.reason:
        return True
    async with managements.turns.of(managed.connection.id) as is_ours:
        if is_ours:
            await _read(resources, managements, managed)
        return is_ours


async def _read(resources: Resources, managements: Managements, managed: Managed) -> None:
    said = await _asked(managements, managed)
    async with resources.begin(SYSTEM) as work:
        if isinstance(said, MdmError):
            await note_trouble(work, managed.connection, said)
            return
        try:
            await reconcile_one(work, managed.connection, said)
        except (Invalid, NotFound) as refusal:
            log.info("mdm_device_unread", connection_id=managed.connection.id, reason=refusal.code)


async def _asked(managements: Managements, managed: Managed) -> ManagedDevice | MdmError:
    """In no transaction."""
    connection: Any = managed.connection
    try:
        vendor = managements.vendor(connection)
        async with asyncio.timeout(PATIENCE):
            return await vendor.device(managed.record.external_id)
    except (KeyMissing, ValueError, KeyError, TimeoutError) as error:
        why: MdmError = MdmError(type(error).__name__)
    except MdmError as error:
        why = error
    log.info("mdm_device_unread", connection_id=connection.id, reason=why.reason)
    return why
