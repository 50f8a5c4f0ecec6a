"""A scan on its way: addresses asked at a steady pace, what answers read and adopted, progress told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

import structlog
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import cast, literal

from integrations.snmp.target import BadCredentials, Malformed, SnmpError, Target
from service.core.actor import SYSTEM
from service.core.work import Resources, Work
from service.monitoring.adopting import Adopted, KnownMacs, Whereabouts, adopt, keepable, recognised
from service.monitoring.asking import Opened, credentials_in_order
from service.monitoring.charting import ask_for_chart
from service.monitoring.discovering import Discovered, Nothing, addresses_of, discover, let_in
from service.monitoring.models import NetworkScan, ScanState
from service.monitoring.network import Network
from service.monitoring.targets import named, why_not

AT_ONCE: Final = 32
A_SECOND: Final = 50.0
TRY_FOR: Final = 1.0
RETRIES: Final = 1
LONGEST: Final = 3_600.0
WRITE_EVERY: Final = 1.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard a scan asks: addresses in flight, addresses a second, seconds for all and for each try."""

    at_once: int = AT_ONCE
    a_second: float = A_SECOND
    longest: float = LONGEST
    try_for: float = TRY_FOR


class TakenOver(Exception):
    """Another run of the same scan has begun."""


@dataclass(slots=True)
class Sweep:
    """One run of a scan. `begun` marks what it writes: a run that was taken over writes nothing more."""

    resources: Resources
    network: Network
    scan_id: int
    begun: datetime
    targets: list[str]
    port: int
    school_id: str | None
    adopts: bool
    credentials: list[Opened]
    macs: KnownMacs
    pace: Pace
    asked: int = 0
    answered: int = 0
    adopted: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def run(self) -> None:
        """Ask every address once, and write progress down every second."""
        turns = asyncio.Queue[str](maxsize=self.pace.at_once)
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._write_often())
            askers = [group.create_task(self._ask_from(turns)) for _ in range(self.pace.at_once)]
            async for address in self._paced():
                await turns.put(address)
            await turns.join()
            for task in (writer, *askers):
                task.cancel()

    async def _paced(self) -> AsyncIterator[str]:
        """Addresses no faster than the pace."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async for address in self._addresses():
            due = max(due + 1 / self.pace.a_second, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))
            yield address

    async def _addresses(self) -> AsyncIterator[str]:
        wanted = named(self.targets)
        seen = set()
        for host in wanted.hosts:
            for address in await self._looked_up(host):
                seen.add(address)
                yield address
        for address in wanted.addresses():
            if address not in seen:
                yield address

    async def _looked_up(self, host: str) -> list[str]:
        """The host's first address that may be asked; a line that says why where there is none."""
        why = "its name is not known"
        for text in await addresses_of(host):
            forbidden = why_not(ip_address(text))
            if forbidden is None:
                return [text]
            why = f"its address {forbidden}"
        self.asked += 1
        self.lines.append(line(host, why=why[0].upper() + why[1:] + "."))
        return []

    async def _ask_from(self, turns: asyncio.Queue[str]) -> None:
        while True:
            address = await turns.get()
            try:
                await self._ask(address)
            finally:
                turns.task_done()

    async def _ask(self, address: str) -> None:
        """One address: a line where it answered, whatever came of it."""
        told: dict[str, Any] | None
        try:
            told = await self._told(address)
        except (BadCredentials, Malformed, Nothing) as error:
            told = line(address, why=REASONS.get(error.reason, str(error)))
        except SnmpError as error:
            told = None if error.reason in NOBODY else line(address, why=str(error))
        except IntegrityError:
            told = line(address, why="Somebody added a device at this address at the same time.")
        except Exception:
            log.exception("scan_of_address_failed", scan=self.scan_id, address=address)
            told = line(address, why="The desk could not read it: internal error.")
        self.asked += 1
        if told is not None:
            self.answered += 1
            self.lines.append(told)

    async def _told(self, address: str) -> dict[str, Any]:
        transport = self.network.transport
        targets = [(known, self._target(address, known)) for known in self.credentials]
        met = await let_in(transport, self.network.profiles, targets)
        careful = Target(address, met.opened.credential, self.port, engine_id=met.target.engine_id)
        found = await discover(transport, self.network.profiles, careful, met.answers)
        return line(address, met.opened.name, found, await self._known(address, met.opened, found))

    def _target(self, address: str, known: Opened) -> Target:
        return Target(address, known.credential, self.port, timeout=self.pace.try_for, retries=RETRIES)

    async def _known(self, address: str, known: Opened, found: Discovered) -> Adopted | None:
        """The device that it became, or is; None where it is none of ours and nothing is to be added."""
        at = Whereabouts(address, self.port, known.id, self.school_id, self.begun)
        async with self.resources.begin(SYSTEM) as work:
            if not self.adopts:
                return await recognised(work, found, at, self.macs)
            adopted = await adopt(work, found, at, self.macs)
        self.adopted += adopted.also_at is None
        return adopted

    async def _write_often(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY)
            async with self.resources.begin(SYSTEM) as work:
                await self.write(work)

    async def write(self, work: Work) -> None:
        """What came since the last time. TakenOver."""
        lines, self.lines = self.lines, []
        ours = (NetworkScan.id == self.scan_id) & (NetworkScan.started_at == self.begun)
        values: dict[str, Any] = {
            "asked": self.asked,
            "answered": self.answered,
            "adopted": self.adopted,
        }
        if lines:
            values["found"] = NetworkScan.found.op("||")(cast(literal(lines, JSONB), JSONB))
        written = update(NetworkScan).where(ours, NetworkScan.state == ScanState.RUNNING).values(values)
        done: Any = await work.session.execute(written, execution_options={"synchronize_session": False})
        if done.rowcount != 1:
            raise TakenOver


REASONS: Final = {
    "bad_credentials": "It answers, and none of the credentials is accepted.",
    "malformed": "What it answers is not SNMP.",
    "nothing_shown": "It accepts a credential and shows nothing to it.",
}
NOBODY: Final = frozenset({"silent", "unreachable"})


def line(
    address: str,
    credential: str | None = None,
    found: Discovered | None = None,
    adopted: Adopted | None = None,
    why: str | None = None,
) -> dict[str, Any]:
    """What a scan says of one address that answered."""
    identity = found.reading.identity if found is not None else None
    if adopted is not None and adopted.also_at is not None:
        why = f"This device is known by its address {adopted.also_at}."
    told = {
        "address": address,
        "credential": credential,
        "profile": found.profile.name if found is not None else None,
        "kind": identity.kind.value if identity is not None else None,
        "vendor": identity.vendor if identity is not None else None,
        "model": identity.model if identity is not None else None,
        "serial": identity.serial if identity is not None else None,
        "name": identity.name if identity is not None else None,
        "device_id": adopted.device.id if adopted is not None else None,
        "is_new": adopted.is_new if adopted is not None else None,
        "why": why,
    }
    return {name: keepable(value) for name, value in told.items()}


async def run_scan(resources: Resources, network: Network, scan_id: int, pace: Pace | None = None) -> None:
    """Do a scan from the beginning; done again after a crash it adds nothing twice."""
    sweep = await _begun(resources, network, scan_id, pace or Pace())
    if sweep is None:
        return
    state, detail = ScanState.DONE, None
    try:
        async with asyncio.timeout(sweep.pace.longest):
            await sweep.run()
    except TimeoutError:
        state, detail = ScanState.FAILED, "It took too long; what was found is kept."
    except ExceptionGroup as group:
        if group.subgroup(TakenOver) is None:
            raise
        log.warning("scan_taken_over", scan=scan_id)
        return
    await _ended(resources, sweep, state, detail)


async def _begun(resources: Resources, network: Network, scan_id: int, pace: Pace) -> Sweep | None:
    """None where it has ended, or cannot begin because no credential can be used."""
    async with resources.begin(SYSTEM) as work:
        scan = await work.session.get(NetworkScan, scan_id, with_for_update=True)
        if scan is None or scan.state in (ScanState.DONE, ScanState.FAILED):
            return None
        good, closed = await credentials_in_order(work, network.vault)
        scan.state, scan.started_at = ScanState.RUNNING, work.now
        scan.asked = scan.answered = scan.adopted = 0
        scan.found = []
        scan.detail = f"Cannot be opened, and is left out: {', '.join(closed)}." if closed else None
        if not good:
            scan.state, scan.ended_at = ScanState.FAILED, work.now
            scan.detail = scan.detail or "There is no credential to ask with."
        await work.session.flush()
        if not good:
            return None
        macs = await KnownMacs.read(work)
        return Sweep(
            resources,
            network,
            scan.id,
            work.now,
            list(scan.targets),
            scan.port,
            scan.school_id,
            scan.adopts,
            good,
            macs,
            pace,
        )


async def _ended(resources: Resources, sweep: Sweep, state: ScanState, detail: str | None) -> None:
    """The last of what was found, how it ended, and a new chart of what hangs on what. TakenOver."""
    async with resources.begin(SYSTEM) as work:
        await sweep.write(work)
        told = func.concat_ws(" ", NetworkScan.detail, detail)
        ended = update(NetworkScan).where(NetworkScan.id == sweep.scan_id)
        await work.session.execute(
            ended.values(state=state, ended_at=work.now, detail=func.nullif(told, "")),
            execution_options={"synchronize_session": False},
        )
        if sweep.adopted:
            await ask_for_chart(work)
