"""A desk that watches the fleet, filled straight into its tables, and polls of it as the worker does them."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg
from sqlalchemy import text

from bench.load import connected
from bench.network.fleet import COMMUNITY, Fleet, kind_of, trees
from integrations.snmp.profile import Profile, load_profiles
from integrations.snmp.reading import DeviceKind, Reading
from integrations.snmp.storing import reading_to_json
from integrations.snmp.target import Answers, Credential, Target, Version
from integrations.snmp.transport import Transport
from integrations.snmp.understanding import Plan, poll_plan, rows_of, understand
from integrations.snmp.watch import Watch
from service.app import make_resources
from service.core.actor import SYSTEM
from service.core.settings import Settings
from service.core.vault import Vault, new_key
from service.core.work import Resources
from service.monitoring.models import NetworkDevice, NetworkWatch, ReachBy, ReachState, SnmpState
from service.monitoring.network import Network
from service.monitoring.polling import hand_out, poll

BATCHES_AT_ONCE = 3
"""As the worker has it."""

_ADD_CREDENTIAL = """
    INSERT INTO snmp_credentials (name, version, position, sealed, created_at, changed_at)
    VALUES ('bench', %(version)s, 1, %(sealed)s, now(), now()) RETURNING id
"""
_ADD_DEVICES = """
    INSERT INTO network_devices (name, address, port, kind, profile, credential_id, reach_by, inventory, rows,
        created_at, discovered_at)
    SELECT address, address, %(port)s, %(kind)s, %(profile)s, %(credential)s, %(reach_by)s, %(inventory)s,
        %(rows)s, now(), now()
    FROM unnest(%(addresses)s::text[]) AS address
"""
_ADD_WATCHES = """
    INSERT INTO network_watches (device_id, reach, snmp)
    SELECT id, %(reach)s, %(snmp)s FROM network_devices
"""
_DUE = text(
    "UPDATE network_watches SET next_poll_at = :now, is_slow = false, lease = NULL, leased_until = NULL"
)
_TAKE_JOBS = text(
    """
    DELETE FROM procrastinate_jobs
    WHERE task_name IN ('monitoring.poll', 'monitoring.poll_slow') AND status = 'todo' RETURNING args
    """
)


@dataclass(frozen=True, slots=True)
class Template:
    """How devices of a kind look after their discovery."""

    profile: Profile
    reading: Reading
    rows: dict[str, list[str]]

    @property
    def plan(self) -> Plan:
        return poll_plan(self.profile, self.rows, self.reading)


def templates() -> dict[DeviceKind, Template]:
    made = {}
    for kind, tree in trees().items():
        answers: Answers = {oid: value for oid, _, value in tree if value is not None}
        profile = load_profiles().match(answers)
        made[kind] = Template(profile, understand(profile, answers), rows_of(profile, answers))
    return made


def targets(fleet: Fleet) -> list[tuple[Target, Plan]]:
    """The live devices, and what is asked of each."""
    plans = {kind: template.plan for kind, template in templates().items()}
    credential = Credential(Version.V2C, community=COMMUNITY)
    return [
        (Target(address, credential, fleet.port), plans[kind_of(position)])
        for position, address in enumerate(fleet.live)
    ]


def watch(url: str, fleet: Fleet, vault: Vault) -> None:
    """Watch the fleet and nothing else, discovered already; only SNMP tells whether a device is there."""
    with connected(url) as db:
        db.execute("TRUNCATE network_devices, snmp_credentials, network_faults CASCADE")
        credential = {
            "version": _code(Version.V2C, list(Version)),
            "sealed": vault.seal({"community": COMMUNITY}),
        }
        (credential_id,) = db.execute(_ADD_CREDENTIAL, credential).fetchone() or (None,)
        everybody = list(enumerate([*fleet.live, *fleet.silent, *fleet.nobody]))
        for kind, template in templates().items():
            addresses = [address for position, address in everybody if kind_of(position) is kind]
            _add_devices(db, fleet.port, kind, template, addresses, credential_id)
        states = {
            "reach": NetworkWatch.reach.type.code(ReachState.UNKNOWN),
            "snmp": NetworkWatch.snmp.type.code(SnmpState.UNKNOWN),
        }
        db.execute(_ADD_WATCHES, states)


def _add_devices(
    db: psycopg.Connection[Any],
    port: int,
    kind: DeviceKind,
    template: Template,
    addresses: list[str],
    credential_id: int | None,
) -> None:
    values = {
        "port": port,
        "kind": NetworkDevice.kind.type.code(kind),
        "profile": template.profile.name,
        "credential": credential_id,
        "reach_by": NetworkDevice.reach_by.type.code(ReachBy.SNMP),
        "inventory": orjson.dumps(reading_to_json(template.reading)).decode(),
        "rows": orjson.dumps(template.rows).decode(),
        "addresses": addresses,
    }
    db.execute(_ADD_DEVICES, values)


def _code(member: Any, members: list[Any]) -> int:
    return members.index(member) + 1


@dataclass(slots=True)
class Cost:
    """Of a round: devices, seconds, and CPU seconds (user and system), this process's and the database's."""

    devices: int = 0
    seconds: float = 0.0
    own: float = 0.0
    database: float = 0.0

    @property
    def rate(self) -> float:
        return self.devices / self.seconds

    @property
    def own_ms(self) -> float:
        return 1000 * self.own / self.devices

    @property
    def database_ms(self) -> float:
        return 1000 * self.database / self.devices


@contextmanager
def costing(devices: int, postmaster: int | None = None) -> Iterator[Cost]:
    """Measures the block."""
    cost = Cost(devices)
    began, own, database = time.perf_counter(), _own_cpu(), _cpu_of_family(postmaster)
    yield cost
    cost.seconds = time.perf_counter() - began
    cost.own = _own_cpu() - own
    cost.database = _cpu_of_family(postmaster) - database


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu_of_family(parent: int | None) -> float:
    """Seconds that a process and its children have used, the ended ones included (Linux, proc(5))."""
    if parent is None:
        return 0.0
    total = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == parent:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == parent:
            total += sum(map(int, fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


class Desk:
    """Polls as the worker does."""

    def __init__(self, resources: Resources, network: Network) -> None:
        self.resources = resources
        self.network = network

    async def make_due(self) -> None:
        async with self.resources.begin(SYSTEM) as work:
            await work.session.execute(_DUE, {"now": work.now})

    async def poll_due(self) -> int:
        """Hand out what is due and work the jobs off; how many devices were looked at."""
        await hand_out(self.resources)
        async with self.resources.begin(SYSTEM) as work:
            jobs = (await work.session.scalars(_TAKE_JOBS)).all()
        turns = asyncio.Semaphore(BATCHES_AT_ONCE)

        async def one(job: dict[str, Any]) -> int:
            async with turns:
                found = await poll(self.resources, self.network, job["lease"], job["device_ids"])
                return found.polled

        return sum(await asyncio.gather(*map(one, jobs)))

    async def ask(self, targets: Sequence[tuple[Target, Plan]]) -> None:
        """What a poll asks, and nothing more."""

        async def one(target: Target, plan: Plan) -> None:
            await self.network.transport.get(target, plan.oids)
            for base in plan.walks:
                await self.network.transport.walk(target, base)

        await asyncio.gather(*(one(target, plan) for target, plan in targets))

    async def rows(self, query: str) -> list[Any]:
        async with self.resources.read(SYSTEM) as read:
            return list((await read.db.execute(text(query))).all())


@asynccontextmanager
async def desk(url: str, vault: Vault) -> AsyncIterator[Desk]:
    resources = make_resources(url, Settings(database_pool=8))
    lag = Watch()
    lag.start()
    network = Network(Transport(), load_profiles(), vault, lag)
    try:
        yield Desk(resources, network)
    finally:
        await network.close()
        await resources.close()


def new_vault() -> Vault:
    return Vault([new_key()])
