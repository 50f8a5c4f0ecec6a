"""A confirmed bulk command: its devices are read again, here and at their managements; only if they are the
very same is anything sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import structlog

from integrations.mdm.port import Enrolment, ManagedDevice, MdmError, NotFound, Vendor
from service.core.actor import SYSTEM
from service.core.errors import Conflict, Invalid
from service.core.outbox import enqueue
from service.core.vault import KeyMissing
from service.core.work import Resources, Work
from service.mdm.bulks import Chosen, chosen_by
from service.mdm.command_targets import Target
from service.mdm.commanding import Wished, keep, lock_device, may_be_asked
from service.mdm.connection_listing import LABELS
from service.mdm.models import CommandState, MdmBulk
from service.mdm.vendors import WALKED, Managements

AT_ONCE: Final = 4
ONE: Final = 90.0
ALL: Final = 600.0
"""Seconds to read one device, and a whole list."""
AT_FIRST: Final = 10
BETWEEN: Final = timedelta(seconds=1)
MOST_NAMED: Final = 10
log = structlog.get_logger()


async def run_bulk(resources: Resources, managements: Managements, bulk_id: int) -> None:
    """Compare, then make one command a device; or refuse the whole, and say which differ. Once."""
    async with resources.begin(SYSTEM) as work:
        chosen = await _still_the_same(work, bulk_id)
    if chosen is None:
        return
    differ = await _differing(managements, chosen.targets)
    async with resources.begin(SYSTEM) as work:
        if differ:
            await _refuse(work, bulk_id, differ)
        elif (now := await _still_the_same(work, bulk_id)) is not None:
            await _send(work, bulk_id, now)


async def _open(work: Work, bulk_id: int) -> MdmBulk | None:
    """Locked; None where it is not to be run, or was."""
    bulk = await work.session.get(MdmBulk, bulk_id, with_for_update=True, populate_existing=True)
    is_open = bulk is not None and bulk.confirmed_at is not None and bulk.reread_at is None
    return bulk if is_open else None


async def _still_the_same(work: Work, bulk_id: int) -> Chosen | None:
    """The selection as our own tables have it now; refused, and None, where it is another than was shown."""
    bulk = await _open(work, bulk_id)
    if bulk is None:
        return None
    try:
        chosen = await chosen_by(work, bulk.wanted, bulk.verb, bulk.arguments)
    except Conflict as refusal:
        await _refuse(work, bulk_id, [refusal.detail])
        return None
    if chosen.digest == bulk.digest:
        return chosen
    now, then = set(chosen.ids), set(bulk.targets)
    told = f"{len(now - then)} devices came to the list, {len(then - now)} left it"
    if now == then:
        told = "a device of the list has another tag, serial number or record"
    await _refuse(work, bulk_id, [told])
    return None


async def _refuse(work: Work, bulk_id: int, differ: Sequence[str]) -> None:
    bulk = await _open(work, bulk_id)
    if bulk is None:
        return
    more = f", and {len(differ) - MOST_NAMED} more" if len(differ) > MOST_NAMED else ""
    bulk.reread_at = work.now
    bulk.refused = f"Nothing was sent: {'; '.join(differ[:MOST_NAMED])}{more}."
    await work.session.flush()
    log.warning("mdm_bulk_refused", bulk=bulk.id, differ=len(differ))


async def _differing(managements: Managements, targets: Sequence[Target]) -> list[str]:
    """What is not as it was shown, by asset tag; in no transaction."""
    groups: dict[int, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.managed.connection.id, []).append(target)
    try:
        async with asyncio.timeout(ALL):
            told = [await _of_connection(managements, group) for group in groups.values()]
    except TimeoutError:
        return ["the devices could not be read again in time"]
    except Exception as error:  # noqa: BLE001  (an adapter's own fault is told too, without its words)
        log.error("mdm_bulk_fault", error=type(error).__name__)
        return ["the devices could not be read again: an internal error"]
    return [line for lines in told for line in lines]


async def _of_connection(managements: Managements, group: Sequence[Target]) -> list[str]:
    connection = group[0].managed.connection
    label = LABELS[connection.vendor]
    try:
        vendor = managements.vendor(connection)
        if connection.vendor in WALKED:
            return await _walked(vendor, group, label)
    except (KeyMissing, ValueError, KeyError, MdmError) as error:
        return [f"{label} could not be read again ({_reason(error)})"]
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(target: Target) -> str | None:
        async with turns:
            return await _read_one(vendor, target, label)

    return [line for line in await asyncio.gather(*(one(target) for target in group)) if line is not None]


async def _read_one(vendor: Vendor, target: Target, label: str) -> str | None:
    try:
        async with asyncio.timeout(ONE):
            device = await vendor.device(target.managed.record.external_id)
    except NotFound:
        return f"{target.asset.tag} is not listed at {label} any more"
    except (MdmError, TimeoutError) as error:
        return f"{target.asset.tag} could not be read again at {label} ({_reason(error)})"
    return _difference(device, target, label)


async def _walked(vendor: Vendor, group: Sequence[Target], label: str) -> list[str]:
    """The list is read once for all of them."""
    wanted = {target.managed.record.external_id: target for target in group}
    found: dict[str, ManagedDevice] = {}
    async for page in vendor.pages():
        found |= {each.external_id: each for each in page.devices if each.external_id in wanted}
    lines = [
        _difference(found[key], target, label)
        if key in found
        else f"{target.asset.tag} is not listed at {label} any more"
        for key, target in wanted.items()
    ]
    return [line for line in lines if line is not None]


def _difference(device: ManagedDevice, target: Target, label: str) -> str | None:
    record = target.managed.record
    if device.external_id != record.external_id or device.serial != record.serial:
        return f"{target.asset.tag} is another device at {label}"
    if device.enrolment is Enrolment.UNENROLLED:
        return f"{target.asset.tag} has left {label}"
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, MdmError):
        return error.reason
    return "no answer in time" if isinstance(error, TimeoutError) else "its secrets or settings are no good"


async def _send(work: Work, bulk_id: int, chosen: Chosen) -> None:
    """One command a device, at a pace that vendors bear; what stands against one of them ends that one."""
    bulk = await _open(work, bulk_id)
    if bulk is None:
        return
    bulk.reread_at = work.now
    await work.session.flush()
    for n, target in enumerate(sorted(chosen.targets, key=lambda one: one.asset.id)):
        await _command(work, bulk, target, max(n + 1 - AT_FIRST, 0) * BETWEEN)
    log.info("mdm_bulk_sent", bulk=bulk.id, devices=len(chosen.targets))


async def _command(work: Work, bulk: MdmBulk, target: Target, wait: timedelta) -> None:
    wished = Wished(
        verb=bulk.verb,
        arguments=bulk.arguments,
        reason=bulk.reason,
        asked_by_id=bulk.asked_by_id,
        approved_by_id=bulk.confirmed_by_id if bulk.confirmed_by_id != bulk.asked_by_id else None,
        during_testing=bulk.during_testing,
        bulk_id=bulk.id,
        key=f"bulk:{bulk.id}:{target.managed.record.id}",
        wait=wait,
    )
    await lock_device(work, target.asset.id)
    try:
        await may_be_asked(work, target, wished)
    except (Conflict, Invalid) as refusal:
        state, told = CommandState.REFUSED, refusal.detail
        await keep(work, target.asset, wished, target=None, state=state, detail=told)
        return
    command: Any = await keep(work, target.asset, wished, target=target, state=CommandState.QUEUED)
    if command is not None and not wait:
        await enqueue(work, "mdm.send", command_id=command.id)
