"""`python -m bench mdm`: a district's devices synced, staging to reconciled, by a worker process of its own.

The first list is all news; the second is the same again and must write nothing; in the third every device has
checked in since, so that all of it is judged by the guard before it is written. Pages come from memory, so
that what is measured is ours; then, of fewer devices, from the simulated Google over HTTP.
"""

from __future__ import annotations

import asyncio
import dataclasses
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert, text

from integrations.mdm.port import Compliance, Enrolment, ManagedDevice, Page, Platform
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.google_tokens import ADMIN, service_account
from integrations.mdm.simulated.server import Clock, serving
from service.core import embedded, logs
from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.migrating import migrate
from service.core.vault import Vault
from service.core.work import Resources
from service.mdm.models import MdmConnection, SyncKind, VendorName
from service.mdm.sync_running import run_sync
from service.mdm.syncing import AskSync, ask_sync
from service.mdm.vendors import Managements

DEVICES: Final = 50_000
OVER_HTTP: Final = 5_000
PAGE: Final = 300
"""Devices on a page of Google's at most."""
FIRST_AIM, AGAIN_AIM, MEMORY_AIM = 1_500, 4_000, 300
WRITTEN: Final = ("mdm_records", "assets", "asset_reports")
KEY: Final = "Zm9yLWJlbmNobWFya3Mtb25seS1ub3QtYS1zZWNyZXQ="
SEEN: Final = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Measured:
    """Of one run; `written` are rows of the tables in `WRITTEN`, `memory` is the worker's peak in MB."""

    name: str
    devices: int
    seconds: float
    written: int
    memory: float

    @property
    def rate(self) -> float:
        return self.devices / self.seconds


def run() -> bool:
    """Print what was measured; False where an aim was missed."""
    embedded.clean_environment()
    with tempfile.TemporaryDirectory(prefix="firstbell-bench-") as home, embedded.lease(Path(home)) as url:
        migrate(url)
        first, again, seen = uvloop.run(_worker(url, DEVICES))
        print(f"{'':<46}{'devices/s':>10}{'aim':>8}{'rows':>9}{'MB':>7}", flush=True)
        kept = _show(first, FIRST_AIM) & _show(again, AGAIN_AIM) & _show(seen, FIRST_AIM)
        kept &= _told(f"rows written the second time: {again.written} (aim 0)", missed=again.written > 0)
        kept &= _told(
            f"peak memory of the worker: {seen.memory:.0f} MB (aim under {MEMORY_AIM})",
            missed=seen.memory >= MEMORY_AIM,
        )
        for measured in uvloop.run(_over_http(url)):
            _show(measured, 0)
    return kept


def _show(measured: Measured, aim: float) -> bool:
    is_missed = measured.rate < aim
    told = f"{aim:>8,.0f}" if aim else f"{'':>8}"
    print(
        f"{measured.name:<46}{measured.rate:>10,.0f}{told}{measured.written:>9,}{measured.memory:>7.0f}"
        f"{'  misses' if is_missed else ''}",
        flush=True,
    )
    return not is_missed


def _told(line: str, *, missed: bool) -> bool:
    print(f"{line}{'  misses' if missed else ''}", flush=True)
    return not missed


async def _over_http(url: str) -> list[Measured]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    simulator = SimulatedGoogle(key.public_key(), Clock(datetime.now(UTC)), page=PAGE)
    simulator.devices = {each["deviceId"]: each for each in map(_chromebook, range(OVER_HTTP))}
    simulator.telemetry = {}
    async with serving(simulator) as base:
        return await _worker(url, OVER_HTTP, base, service_account(key))


async def _worker(url: str, devices: int, base: str = "", account: str = "") -> list[Measured]:
    """The runs in a process of their own."""
    given = orjson.dumps({"url": url, "devices": devices, "base": base, "account": account})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.mdm", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate(given)
    if process.returncode != 0:
        raise RuntimeError("The worker's process failed.")
    return [Measured(**each) for each in orjson.loads(told)]


async def _measure(url: str, devices: int, base: str, account: str) -> list[Measured]:
    engine = make_engine(url, pool=3)
    resources = Resources(engine=engine)
    how = "from Google over HTTP" if base else "from memory"
    async with httpx.AsyncClient(trust_env=False) as http:
        vault = Vault([KEY])
        managements = Managements(vault, http) if base else InMemory(vault, http, devices)
        connection = await _connect(resources, vault, base, account)
        measured = []
        for which in ("first", "again") if base else ("first", "again", "all seen since"):
            if which == "all seen since":
                InMemory.seen += timedelta(hours=1)
            since = await _transaction(resources)
            begun = time.perf_counter()
            await _sync(resources, managements, connection)
            seconds = time.perf_counter() - begun
            name = f"{devices:,} devices {how}, {which}"
            written = await _written(resources, since)
            measured.append(Measured(name, devices, seconds, written, _peak()))
    await resources.close()
    return measured


class InMemory(Managements):
    """Every connection lists the same made-up devices, last `seen` then, without asking anybody."""

    seen = SEEN

    def __init__(self, vault: Vault, http: httpx.AsyncClient, devices: int) -> None:
        super().__init__(vault, http)
        self.devices = devices

    def vendor(self, connection: Any) -> Any:
        return Listed(self.devices, self.seen)


@dataclass(frozen=True)
class Listed:
    devices: int
    seen: datetime

    async def pages(self, since: datetime | None = None) -> AsyncIterator[Page]:
        for begin in range(0, self.devices, PAGE):
            here = [_device(number, self.seen) for number in range(begin, min(begin + PAGE, self.devices))]
            yield Page(here, total=self.devices)


def _device(number: int, seen: datetime) -> ManagedDevice:
    return ManagedDevice(
        external_id=f"7f3c2a10-0000-4000-8000-{number:012d}",
        serial=f"BENCH{number:07d}",
        name=f"Chromebook {number}",
        manufacturer="Acer",
        model=f"Acer Chromebook {511 + number % 7}",
        platform=Platform.CHROMEOS,
        os_version="152.0.7811.40",
        user=f"pupil{number}@pupils.harbour.example",
        last_user=f"pupil{number}@pupils.harbour.example",
        asset_tag=f"CB-{number:06d}",
        site=f"/Students/School {number % 40}",
        site_id=f"id:{number % 40}",
        last_check_in=seen + timedelta(seconds=number),
        enrolled_at=SEEN - timedelta(days=400),
        enrolment=Enrolment.ENROLLED,
        compliance=Compliance.OK,
        battery_percent=73.0,
        battery_health_percent=91.5,
        battery_cycles=number % 900,
        storage_total=62_537_072_640,
        storage_free=50_000_000_000 + number,
        wifi_mac="02:fb:00:aa:00:01",
        lan_address=f"10.31.{number % 250}.7",
        public_address="203.0.113.77",
        support_ends=SEEN + timedelta(days=2_000),
        vendor={"status": "ACTIVE", "etag": f"{number}"},
    )


def _chromebook(number: int) -> dict[str, Any]:
    return {
        "kind": "admin#directory#chromeosdevice",
        "deviceId": f"http-{number:08d}",
        "serialNumber": f"HTTP{number:07d}",
        "annotatedAssetId": f"HT-{number:06d}",
        "annotatedUser": f"pupil{number}@pupils.harbour.example",
        "status": "ACTIVE",
        "lastSync": "2026-09-14T12:00:00.000Z",
        "model": "Acer Chromebook 511 (C736)",
        "osVersion": "152.0.7811.40",
        "orgUnitPath": f"/Students/School {number % 40}",
        "lastKnownNetwork": [{"ipAddress": "10.31.4.7", "wanIpAddress": "203.0.113.77"}],
        "diskSpaceUsage": {"capacityBytes": "62537072640", "usedBytes": str(9_000_000_000 + number)},
    }


async def _connect(resources: Resources, vault: Vault, base: str, account: str) -> int:
    async with resources.begin(SYSTEM) as work:
        row = {
            "name": "Google over HTTP" if base else "Google",
            "vendor": VendorName.GOOGLE,
            "settings": {"admin": ADMIN, "base_url": base},
            "sealed": vault.seal({"service_account": account}),
            "created_at": work.now,
            "changed_at": work.now,
        }
        made = insert(MdmConnection).values(row).returning(MdmConnection.id)
        return int((await work.session.execute(made)).scalar_one())


async def _sync(resources: Resources, managements: Managements, connection: int) -> None:
    async with resources.begin(SYSTEM) as work:
        run_id = (await ask_sync(work, connection, AskSync(kind=SyncKind.FULL))).id
    await run_sync(resources, managements, run_id)
    async with resources.read(SYSTEM) as read:
        row = (await read.db.execute(text("SELECT * FROM mdm_runs WHERE id = :id"), {"id": run_id})).one()
    if row.failure is not None or row.counts.get("unchanged") is None:
        raise RuntimeError(f"The sync did not end well: {row.failure} {row.detail}")


async def _transaction(resources: Resources) -> int:
    async with resources.begin(SYSTEM) as work:
        found = await work.session.execute(text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)"))
        return int(found.scalar_one())


async def _written(resources: Resources, since: int) -> int:
    """Rows whose present version came after that transaction."""
    counted = " + ".join(
        f"(SELECT count(*) FROM {table} WHERE CAST(CAST(xmin AS text) AS bigint) > :since)"
        for table in WRITTEN
    )
    async with resources.read(SYSTEM) as read:
        return int((await read.db.execute(text(f"SELECT {counted}"), {"since": since})).scalar_one())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _work() -> None:
    """What the process of the worker does: told on its input what, telling on its output how it went."""
    logs.configure("warning", "console")
    measured = uvloop.run(_measure(**orjson.loads(sys.stdin.buffer.read())))
    sys.stdout.buffer.write(orjson.dumps([dataclasses.asdict(each) for each in measured]))


if __name__ == "__main__":
    _work()
