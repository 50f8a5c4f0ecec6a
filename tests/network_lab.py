"""A simulated network, polled in a time of our own: real agents, real UDP, real PostgreSQL."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from integrations.snmp.profile import load_profiles
from integrations.snmp.transport import Transport
from integrations.snmp.watch import Watch
from service.assets.models import AssetKind
from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.vault import Vault, new_key
from service.core.work import Resources, Work
from service.demo.network.plays import SchoolNetwork
from service.demo.network.school import READER, READS, Spec
from service.monitoring.charting import chart_district
from service.monitoring.matching import explain_tickets
from service.monitoring.models import (
    NetworkDevice,
    NetworkFault,
    NetworkWatch,
    ReachBy,
    ReachState,
    SnmpCredential,
    SnmpState,
)
from service.monitoring.network import Network
from service.monitoring.polling import poll, settle_waiting, take_due
from service.monitoring.rediscovering import rediscover
from service.places.models import Place
from service.tickets.models import Channel, Queue, Ticket
from tests import makers
from tests.conftest import NOW
from tests.ports import free_port

TICK = 5
KINDS = {"printer": AssetKind.PRINTER, "switch": AssetKind.SWITCH, "access_point": AssetKind.ACCESS_POINT}


_NEXT = text(
    """
    SELECT least(
        (SELECT min(next_poll_at) FROM network_watches),
        (SELECT min(coalesce(hold_until, opened_at)) FROM network_faults
            WHERE resolved_at IS NULL AND state IN (1, 5)),
        (SELECT min(ends_at) FROM network_maintenances
            WHERE ends_at > (SELECT max(polled_at) FROM network_watches)))
    """
)


@dataclass
class Watching:
    """Devices that are watched. `now` is the desk's clock and that of the simulated devices; `seconds` have
    passed on both."""

    resources: Resources
    network: Network
    now: datetime = NOW
    ids: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    async def run(self, minutes: float) -> None:
        """Let time pass as the worker would: due devices are polled, what waits is settled, in steps of 5 s;
        steps in which nothing is due are left out."""
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            async with self.work() as work:
                due = await work.session.scalar(_NEXT)
            ahead = ((due or end) - self.now).total_seconds()
            steps = max(1, math.ceil(ahead / TICK))
            self.pass_time(min(steps * TICK, (end - self.now).total_seconds()))
            await self.tick()

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)

    async def tick(self) -> None:
        for slow in (False, True):
            while True:
                async with self.resources.begin(SYSTEM) as work:
                    lease, ids = await take_due(work, slow=slow, size=100)
                if not ids:
                    break
                await poll(self.resources, self.network, lease, ids)
        await settle_waiting(self.resources, self.network)
        async with self.resources.begin(SYSTEM) as work:
            await explain_tickets(work, self.network.profiles)

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        async with self.resources.begin(SYSTEM) as work:
            yield work

    async def tickets(self, *, still_open: bool | None = None) -> list[Ticket]:
        """What the monitor opened, oldest first."""
        query = select(Ticket).where(Ticket.channel == Channel.MONITORING).order_by(Ticket.id)
        async with self.work() as work:
            found = list(await work.session.scalars(query))
        return [t for t in found if still_open is None or (t.resolved_at is None) == still_open]

    async def told(self) -> list[tuple[str, str]]:
        """Every ticket of the monitor's as (device and check, status)."""
        names = {number: name for name, number in self.ids.items()}
        return [(_key(ticket, names), ticket.status.value) for ticket in await self.tickets()]

    async def faults(self, *, unresolved: bool = True) -> list[NetworkFault]:
        query = select(NetworkFault).order_by(NetworkFault.id)
        if unresolved:
            query = query.where(NetworkFault.resolved_at.is_(None))
        async with self.work() as work:
            return list(await work.session.scalars(query))

    async def watch(self, name: str) -> NetworkWatch:
        async with self.work() as work:
            row = await work.session.get(NetworkWatch, self.ids[name])
        assert row is not None
        return row


@dataclass
class Lab(Watching):
    """The simulated school network."""

    school: SchoolNetwork = field(kw_only=True)


def _key(ticket: Ticket, names: dict[int, str]) -> str:
    parts = (ticket.source_key or "").split(":", 3)
    if len(parts) < 4:
        return ":".join(parts)
    _, device, check, instance = parts
    return f"{names.get(int(device) if device.isdigit() else 0, device)} {check} {instance}".strip()


@asynccontextmanager
async def a_lab(url: str, *names: str, more: Sequence[Spec] = ()) -> AsyncIterator[Lab]:
    """Only the named devices (`kbm-*`: all of a school) and whatever they hang on are watched; with none
    named, all are. `more` are devices beside those of the demo district."""
    holder: dict[str, Lab] = {}
    school = SchoolNetwork(
        port=free_port(), boot=0.0, clock=lambda: holder["lab"].seconds if holder else 0.0, more=more
    )
    async with opened(url, Transport(), timeout=0.15, retries=0) as (resources, network):
        network.reach_timeout, network.reach_pause = 0.03, 0.0
        lab = holder["lab"] = Lab(resources, network, school=school)
        resources.clock = lambda: lab.now
        async with school:
            asked = [name for name, device in school.devices.items() if device.agent is not None]
            wanted = {found for name in names or ("*",) for found in fnmatch.filter(asked, name)}
            await _found(lab, wanted)
            yield lab


@asynccontextmanager
async def opened(url: str, transport: Transport, **given: Any) -> AsyncIterator[tuple[Resources, Network]]:
    """What a worker holds open."""
    async with AsyncExitStack() as stack:
        watch = Watch()
        watch.start()
        network = Network(transport, load_profiles(), Vault([new_key()]), watch, **given)
        stack.push_async_callback(network.close)
        resources = Resources(make_engine(url, pool=6))
        stack.push_async_callback(resources.close)
        yield resources, network


async def _found(lab: Lab, wanted: set[str]) -> None:
    for name in list(wanted):
        parent = lab.school[name].spec.parent
        while parent is not None:
            wanted.add(parent)
            parent = lab.school[parent].spec.parent
    async with lab.work() as work:
        await begin_anew(work)
        credentials = await reading_credentials(work, lab.network.vault)
        for name, device in lab.school.devices.items():
            if name not in wanted or device.agent is None:
                continue
            lab.ids[name] = await _device(work, name, device, credentials[device.spec.secure])
    await discovered(lab)


async def begin_anew(work: Work) -> None:
    """Nothing is watched and no ticket is open; what the desk needs to open some is there."""
    await work.session.execute(text("TRUNCATE network_devices, snmp_credentials, tickets CASCADE"))
    if await work.session.scalar(select(Queue.id).limit(1)) is None:
        await makers.default_queue(work)
        for code in ("network", "print", "av"):
            await makers.make_category(work, code)


async def discovered(lab: Watching) -> None:
    """Everything is read whole, and what hangs on what is known."""
    await rediscover(lab.resources, lab.network, list(lab.ids.values()))
    async with lab.work() as work:
        found = await work.session.scalars(
            select(NetworkDevice.name).where(NetworkDevice.discovered_at.is_(None))
        )
        assert not list(found)
        await chart_district(work)


async def reading_credentials(work: Work, vault: Vault) -> dict[bool, int]:
    """Of v2c (False) and v3 (True), as the simulated network has them."""
    secrets: dict[bool, dict[str, str]] = {
        False: {"community": READS},
        True: {"auth_password": READER.auth_password, "priv_password": READER.priv_password},
    }
    made = {}
    for secure, secret in secrets.items():
        row = SnmpCredential(
            name=makers.unique("credential"),
            version="v3" if secure else "v2c",
            position=int(secure),
            username=READER.name if secure else None,
            auth=READER.auth if secure else None,
            priv=READER.priv if secure else None,
            writes=False,
            sealed=vault.seal(secret),
            created_at=work.now,
            changed_at=work.now,
        )
        work.session.add(row)
        await work.session.flush()
        made[secure] = row.id
    return made


async def _device(work: Work, name: str, device: Any, credential: int) -> int:
    school = await _place(work, device.spec.school, None)
    place = await _place(work, device.place_id, school)
    asset = await makers.make_asset(
        work,
        kind=KINDS.get(device.spec.kind.value, AssetKind.OTHER),
        place_id=place,
        school_id=school,
        tag=makers.unique(name),
    )
    return await watched(
        work,
        name=name,
        address=device.face.address,
        port=device.agent.port,
        kind=device.spec.kind,
        asset_id=asset.id,
        place_id=place,
        school_id=school,
        credential_id=credential,
        reach_by=ReachBy.TCP,
        reach_port=device.agent.port,
        is_root=device.spec.parent is None,
    )


async def watched(work: Work, **given: Any) -> int:
    """A device that nobody has looked at yet."""
    row = NetworkDevice(**{"profile": "", "important_ports": [], "created_at": work.now, **given})
    work.session.add(row)
    await work.session.flush()
    watch = NetworkWatch(
        device_id=row.id,
        next_discovery_at=work.now,
        reach=ReachState.UNKNOWN,
        snmp=SnmpState.UNKNOWN,
        memory={},
        counters={},
        current={},
        last_values=[],
    )
    work.session.add(watch)
    await work.session.flush()
    return row.id


async def _place(work: Work, place: str, school: str | None) -> str:
    if await work.session.get(Place, place) is None:
        kind = "school" if school is None else "room"
        work.session.add(Place(id=place, kind=kind, name=place, parent_id=school, school_id=school or place))
        await work.session.flush()
    return place
