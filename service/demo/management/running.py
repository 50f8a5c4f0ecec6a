"""The demo's device managements for as long as the demo runs: each answers where its connection asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from integrations.mdm.google_account import service_account
from integrations.mdm.simulated.intune import SimulatedIntune
from integrations.mdm.simulated.jamf_school import SimulatedJamfSchool
from integrations.mdm.simulated.server import Clock, WallClock, serving
from service.assets.models import Asset, AssetKind
from service.core.actor import SYSTEM
from service.core.vault import KeyMissing, open_vault
from service.core.work import Resources
from service.demo import district
from service.demo.management import chromebooks, computers, tablets
from service.demo.management.drifting import TICK, Managed, ObeyedGoogle, drift, set_seen
from service.demo.management.fleet import ADDRESS, OFTEN, Fleet, Owned
from service.demo.management.founding import SCHOOLS, TITLES
from service.mdm.models import MdmConnection, MdmRecord, VendorName
from service.people.models import Person

KINDS: Final = {
    VendorName.GOOGLE: (AssetKind.CHROMEBOOK,),
    VendorName.JAMF_SCHOOL: (AssetKind.TABLET,),
    VendorName.INTUNE: (AssetKind.LAPTOP, AssetKind.DESKTOP),
}
PAGE: Final = 60
"""Devices a page: small enough for a listing to have several."""
STEP: Final = timedelta(seconds=3)
"""A Chromebook that is on has done what it was told after three of these."""
PENDING: Final = timedelta(seconds=10)
DONE: Final = timedelta(seconds=25)
UVICORN: Final = logging.getLogger("uvicorn.error")
log = structlog.get_logger()


@asynccontextmanager
async def managing(
    say: Callable[[str], None], resources: Resources, *, clock: Clock | None = None, tick: float = TICK
) -> AsyncIterator[Mapping[VendorName, Managed]]:
    """Managements that answer, over the devices that the desk has; by vendor those that run.

    One whose port is taken, or whose secrets cannot be read, is told to `say` and left out. `clock` is the
    managements' own, in place of the real time; devices check in every `tick` seconds.
    """
    simulators: dict[VendorName, Managed] = {}
    level = UVICORN.level
    async with AsyncExitStack() as stack:
        for connection in await _connections(resources):
            if (port := _port(connection)) is None:
                continue
            try:
                owned = await _owned(resources, KINDS[connection.vendor])
                simulator = _simulator(connection, owned, clock or WallClock())
                await _remember(resources, connection, simulator)
                await stack.enter_async_context(serving(simulator, port))
            except (OSError, KeyMissing) as error:
                why = error.strerror if isinstance(error, OSError) else error
                title = f"simulated {TITLES[connection.vendor]}"
                say(f"The demo goes on without its {title}: {ADDRESS}:{port}: {why}.")
                continue
            simulators[connection.vendor] = simulator
        UVICORN.setLevel(level)  # the simulators silence it, and the desk's own server with it
        life = asyncio.create_task(drift(simulators.values(), tick))
        life.add_done_callback(_ended)
        try:
            yield simulators
        finally:
            life.cancel()
            with suppress(asyncio.CancelledError):
                await life


def _ended(life: asyncio.Task[None]) -> None:
    """Devices that check in no more are no reason to end the demo."""
    if not life.cancelled() and (error := life.exception()) is not None:
        log.warning("demo_devices_stopped", error=type(error).__name__)


async def _connections(resources: Resources) -> Sequence[Any]:
    """The first of each vendor that is simulated, as it is kept now."""
    query = (
        select(MdmConnection.id, MdmConnection.vendor, MdmConnection.settings, MdmConnection.sealed)
        .where(MdmConnection.vendor.in_(KINDS))
        .ext(distinct_on(MdmConnection.vendor))
        .order_by(MdmConnection.vendor, MdmConnection.id)
    )
    async with resources.read(SYSTEM) as read:
        return (await read.db.execute(query)).all()


def _port(connection: Any) -> int | None:
    """Of the loopback; None where somebody has pointed the connection elsewhere."""
    address = urlsplit(connection.settings.get("base_url", ""))
    return address.port if address.hostname == ADDRESS else None


async def _owned(resources: Resources, kinds: Sequence[AssetKind]) -> list[Owned]:
    """The devices of these kinds that the demo brought along; one that came by a sync, or by a person, is not
    among them.
    """
    prefixes = "|".join(district.MODELS[kind][0] for kind in kinds)
    query = (
        select(Asset.tag, Asset.serial, Asset.kind, Asset.model, Asset.school_id, Person.email)
        .outerjoin(Person, Person.id == Asset.holder_id)
        .where(
            Asset.kind.in_(kinds),
            Asset.serial.op("~")(f"^({prefixes})[0-9A-F]{{8}}$"),
            Asset.school_id.in_(SCHOOLS),
        )
    )
    async with resources.read(SYSTEM) as read:
        rows = (await read.db.execute(query)).all()
    return [
        Owned(row.tag, row.serial, row.kind, row.model or "", SCHOOLS[row.school_id], row.email)
        for row in rows
    ]


async def _remember(resources: Resources, connection: Any, simulator: Managed) -> None:
    """No device goes back in time when the demo is started anew; one that is off has not been seen since."""
    query = select(MdmRecord.external_id, MdmRecord.last_check_in).where(
        MdmRecord.connection_id == connection.id, MdmRecord.last_check_in.is_not(None)
    )
    async with resources.read(SYSTEM) as read:
        kept = (await read.db.execute(query)).all()
    soonest = simulator.clock.now - timedelta(minutes=OFTEN)
    for row in kept:
        is_off = row.external_id in simulator.off
        if row.external_id in simulator.devices and (is_off or row.last_check_in > soonest):
            set_seen(simulator, row.external_id, row.last_check_in)


def _simulator(connection: Any, owned: Sequence[Owned], clock: Clock) -> Managed:
    """KeyMissing where the connection's secrets cannot be read any more."""
    fleet = Fleet.of(owned, clock.now)
    match connection.vendor:
        case VendorName.GOOGLE:
            return _google(connection, fleet, clock)
        case VendorName.JAMF_SCHOOL:
            return _jamf_school(fleet, clock)
        case _:
            return _intune(fleet, clock)


def _google(connection: Any, fleet: Fleet, clock: Clock) -> ObeyedGoogle:
    """It knows the public half of the key that the connection signs with."""
    secrets = open_vault().open(connection.sealed)
    account = service_account(secrets["service_account"])
    google = ObeyedGoogle(account.key.public_key(), clock, page=PAGE, step=STEP)
    rows = chromebooks.devices(fleet, clock.now)
    google.devices = {row.get("deviceId", chromebooks.UNREADABLE): row for row in rows}
    google.telemetry = {row["deviceId"]: row for row in chromebooks.batteries(fleet, clock.now)}
    google.units = chromebooks.units([*SCHOOLS.values()])
    google.off = chromebooks.off(fleet)
    return google


def _jamf_school(fleet: Fleet, clock: Clock) -> SimulatedJamfSchool:
    jamf = SimulatedJamfSchool(clock)
    jamf.locations = tablets.locations(SCHOOLS)
    jamf.devices = {row["UDID"]: row for row in tablets.devices(fleet, jamf.locations, clock.now)}
    jamf.users = {}
    jamf.off = tablets.off(fleet)
    return jamf


def _intune(fleet: Fleet, clock: Clock) -> SimulatedIntune:
    intune = SimulatedIntune(clock, pending=PENDING, done=DONE)
    intune.page_size = PAGE // 3
    intune.devices = {row["id"]: row for row in computers.devices(fleet, clock.now)}
    intune.off = computers.off(fleet)
    return intune
