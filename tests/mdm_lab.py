"""A desk with a database of its own and device managements behind it, for tests of syncs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from procrastinate import PsycopgConnector
from sqlalchemy import text, update

from integrations.mdm.asking import Pace
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.google_tokens import ADMIN, service_account
from integrations.mdm.simulated.server import Clock, Simulator, serving
from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.outbox import jobs
from service.core.vault import Vault, new_key
from service.core.work import Resources
from service.mdm import sync_jobs
from service.mdm.models import MdmConnection, VendorName
from service.mdm.sync_running import run_sync
from service.mdm.syncing import AskSync, ask_sync
from service.mdm.vendors import Managements
from tests import makers

PACE = Pace(connect=2, silence=2, total=4, tries=3, first_wait=0.002, longest_wait=0.01)
IMPATIENT = Pace(connect=0.2, silence=0.15, total=0.2, tries=2, first_wait=0.002, longest_wait=0.01)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY_FILE = service_account(KEY)
TABLES = (
    "mdm_connections, mdm_records, mdm_runs, mdm_reviews, mdm_mappings, mdm_run_lines, mdm_staged_pages, "
    "assets, asset_reports, asset_facts, persons, places, calendars, procrastinate_jobs"
)


class Stage(Simulator):
    """A port on which one simulator after the other stands."""

    current: Simulator

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.current(scope, receive, send)


@dataclass
class Watch:
    """The desk's own time."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Lab:
    """`watch` is the desk's clock; `url` where `stage` stands."""

    resources: Resources
    managements: Managements
    watch: Watch
    stage: Stage
    url: str
    database_url: str

    def later(self, **given: float) -> datetime:
        self.watch.now += timedelta(**given)
        return self.watch.now

    async def connect(
        self, vendor: VendorName, settings: dict[str, str], secrets: dict[str, str], **columns: Any
    ) -> int:
        """A connection by its number."""
        async with self.resources.begin(SYSTEM) as work:
            row = MdmConnection(
                name=columns.pop("name", makers.unique(vendor.value)),
                vendor=vendor,
                settings={"base_url": self.url, **settings},
                sealed=self.managements.vault.seal(secrets),
                created_at=work.now,
                changed_at=work.now,
                **columns,
            )
            work.session.add(row)
            await work.session.flush()
            return row.id

    async def google(self, **columns: Any) -> int:
        return await self.connect(
            VendorName.GOOGLE, {"admin": ADMIN}, {"service_account": KEY_FILE}, **columns
        )

    async def sync(self, connection_id: int, kind: str | None = None, *, dry: bool = False) -> Any:
        """Asked for and run; the run as it ended."""
        return await self.end(await self.ask(connection_id, kind, dry=dry))

    async def ask(self, connection_id: int, kind: str | None = None, *, dry: bool = False) -> int:
        async with self.resources.begin(SYSTEM) as work:
            wanted = AskSync.model_validate({"kind": kind, "dry": dry})
            return (await ask_sync(work, connection_id, wanted)).id

    async def end(self, run_id: int) -> Any:
        await run_sync(self.resources, self.managements, run_id)
        return await self.run(run_id)

    def sign_in_anew(self) -> None:
        """What asks vendors is opened afresh, with no tokens."""
        self.managements._opened.clear()

    async def work_off(self) -> None:
        """A worker on the queue of syncs, until nothing waits there any more."""
        conninfo = self.database_url.replace("+psycopg", "", 1)
        connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4)
        held = {"resources": self.resources, "managements": self.managements}
        with jobs.replace_connector(connector) as app:
            async with app.open_async():
                await app.run_worker_async(
                    queues=[sync_jobs.QUEUE],
                    wait=False,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    listen_notify=False,
                    additional_context=held,
                )

    async def change(self, connection_id: int, **columns: Any) -> None:
        async with self.resources.begin(SYSTEM) as work:
            columns = {"changed_at": work.now, "version": MdmConnection.version + 1, **columns}
            changed = update(MdmConnection).where(MdmConnection.id == connection_id)
            await work.session.execute(changed.values(**columns))

    async def rows(self, query: str, **given: Any) -> Sequence[Any]:
        async with self.resources.read(SYSTEM) as read:
            return (await read.db.execute(text(query), given)).all()

    async def one(self, query: str, **given: Any) -> Any:
        (row,) = await self.rows(query, **given)
        return row

    async def run(self, run_id: int) -> Any:
        return await self.one("SELECT * FROM mdm_runs WHERE id = :id", id=run_id)

    async def lines(self, run_id: int) -> list[tuple[int, str | None, str]]:
        rows = await self.rows("SELECT * FROM mdm_run_lines WHERE run_id = :id ORDER BY id", id=run_id)
        return [(row.kind, row.external_id, row.why) for row in rows]

    async def connection(self, connection_id: int) -> Any:
        return await self.one("SELECT * FROM mdm_connections WHERE id = :id", id=connection_id)

    async def record(self, external_id: str, connection_id: int | None = None) -> Any:
        return await self.one(
            "SELECT * FROM mdm_records WHERE external_id = :name"
            " AND (CAST(:here AS bigint) IS NULL OR connection_id = :here)",
            name=external_id,
            here=connection_id,
        )

    async def asset(self, tag: str) -> Any:
        return await self.one("SELECT * FROM assets WHERE tag = :tag", tag=tag)

    async def tags(self) -> list[str]:
        return [row.tag for row in await self.rows("SELECT tag FROM assets ORDER BY tag")]

    async def standing(self, asset_id: int) -> dict[str, Any]:
        row = await self.one("SELECT standing FROM asset_reports WHERE asset_id = :id", id=asset_id)
        return dict(row.standing)

    async def kept(self) -> dict[str, Any]:
        """All that syncs write, without when it was written."""
        return {
            "records": [tuple(row) for row in await self.rows(_RECORDS)],
            "assets": [tuple(row) for row in await self.rows("SELECT * FROM assets ORDER BY id")],
            "reports": [
                (row.asset_id, row.source, row.facts, row.standing)
                for row in await self.rows("SELECT * FROM asset_reports ORDER BY 1, 2")
            ],
            "reviews": [
                tuple(row)
                for row in await self.rows("SELECT record_id, why, candidates FROM mdm_reviews ORDER BY 1, 2")
            ],
        }

    async def clear(self) -> None:
        async with self.resources.begin(SYSTEM) as work:
            await work.session.execute(text(f"TRUNCATE {TABLES} CASCADE"))


_RECORDS = (
    "SELECT id, connection_id, external_id, asset_id, matched, serial, tag, record, "
    "missing_since IS NULL FROM mdm_records ORDER BY connection_id, external_id"
)


@asynccontextmanager
async def opened(database_url: str, pace: Pace = PACE) -> AsyncIterator[Lab]:
    """A lab on a migrated database that nobody else uses."""
    engine = make_engine(database_url, pool=4)
    watch = Watch(datetime.now(UTC).replace(microsecond=0))
    resources = Resources(engine=engine, clock=watch)
    stage = Stage()
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False) as http,
        serving(stage) as url,
    ):
        managements = Managements(Vault([new_key()]), http, pace)
        yield Lab(resources, managements, watch, stage, url, database_url)
    await resources.close()


def google(lab: Lab, *devices: dict[str, Any], page: int = 3) -> SimulatedGoogle:
    """A Google with exactly these devices, on stage from now on."""
    simulator = SimulatedGoogle(KEY.public_key(), Clock(datetime.now(UTC)), page=page)
    simulator.devices = {each["deviceId"]: each for each in devices}
    simulator.telemetry = {}
    lab.stage.current = simulator
    return simulator


def chromebook(name: str, serial: str | None = None, tag: str | None = None, **other: Any) -> dict[str, Any]:
    """As Google lists it; `seen` is its last check-in, hours ago."""
    seen = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=other.pop("seen", 5))
    given = {
        "kind": "admin#directory#chromeosdevice",
        "deviceId": name,
        "serialNumber": serial,
        "annotatedAssetId": tag,
        "status": "ACTIVE",
        "model": "Acer Chromebook 511",
        "lastSync": seen.isoformat().replace("+00:00", ".000Z"),
        "orgUnitPath": "/Students",
        **other,
    }
    return {key: value for key, value in given.items() if value is not None}
