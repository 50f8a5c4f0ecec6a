"""The demo's device managements as `firstbell up --demo` founds and runs them, synced by the real jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from procrastinate import PsycopgConnector
from sqlalchemy import func, select, text

from integrations.mdm.port import Verb
from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.server import WallClock
from service.assets.facts import known
from service.assets.models import Asset, AssetKind
from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.outbox import jobs
from service.core.vault import open_vault
from service.core.work import Resources
from service.demo.management import chromebooks, computers, tablets
from service.demo.management.drifting import Drift, Managed
from service.demo.management.fleet import Fleet, Owned, name_of
from service.demo.management.founding import SCHOOLS
from service.demo.management.running import managing
from service.mdm import command_jobs, sync_jobs
from service.mdm.command_inputs import AskCommand
from service.mdm.commanding import ask_command
from service.mdm.following import take_up
from service.mdm.models import (
    CommandState,
    LineKind,
    MappingKind,
    MdmCommand,
    MdmConnection,
    MdmRecord,
    MdmReview,
    MdmRun,
    MdmRunLine,
    ReviewWhy,
    SyncKind,
    SyncState,
    VendorName,
)
from service.mdm.syncing import AskSync, ask_sync, hand_out
from service.mdm.unmapped import unmapped_page
from service.mdm.vendors import Managements
from tests.conftest import fresh_database
from tests.ports import free_port

pytestmark = pytest.mark.xdist_group("demo")
NEVER = 3600.0
GOOGLE, JAMF, INTUNE = VendorName.GOOGLE, VendorName.JAMF_SCHOOL, VendorName.INTUNE
COMPUTERS = (AssetKind.CHROMEBOOK, AssetKind.TABLET, AssetKind.LAPTOP, AssetKind.DESKTOP)
LISTED = {GOOGLE: 151 + 2, JAMF: 30 + 1, INTUNE: 30 + 12 + 1}
SOURCES = {
    AssetKind.CHROMEBOOK: "Google Admin",
    AssetKind.TABLET: "Jamf School",
    AssetKind.LAPTOP: "Intune",
    AssetKind.DESKTOP: "Intune",
}


@dataclass
class Desk:
    """The demo with its managements, all on one clock that goes with the real time and can be pushed."""

    resources: Resources
    managements: Managements
    url: str
    clock: WallClock
    simulators: Mapping[VendorName, Managed]

    @property
    def google(self) -> SimulatedGoogle:
        found = self.simulators[GOOGLE]
        assert isinstance(found, SimulatedGoogle)
        return found

    async def rows(self, query: Any) -> Sequence[Any]:
        async with self.resources.read(SYSTEM) as read:
            return (await read.db.execute(query)).all()

    async def work_off(self) -> None:
        """Workers on the queues of device management, until nothing waits there."""
        conninfo = self.url.replace("+psycopg", "", 1)
        connector = PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4)
        with jobs.replace_connector(connector) as app:
            async with app.open_async():
                await app.run_worker_async(
                    queues=[sync_jobs.QUEUE, command_jobs.QUEUE],
                    wait=False,
                    concurrency=3,
                    delete_jobs="successful",
                    install_signal_handlers=False,
                    listen_notify=False,
                    additional_context={"resources": self.resources, "managements": self.managements},
                )

    async def sync(self, kind: SyncKind) -> dict[VendorName, Any]:
        """Every connection, asked for by a person; the runs as they ended."""
        connections = await self.rows(select(MdmConnection.id))
        async with self.resources.begin(SYSTEM) as work:
            asked = [(await ask_sync(work, row.id, AskSync(kind=kind))).id for row in connections]
        await self.work_off()
        return await self.runs(MdmRun.id.in_(asked))

    async def runs(self, which: Any) -> dict[VendorName, Any]:
        query = select(MdmConnection.vendor, *MdmRun.__table__.c).join(MdmConnection).where(which)
        rows = await self.rows(query)
        assert {(row.state, row.detail) for row in rows} == {(SyncState.COMPLETE, None)}
        return {row.vendor: row for row in rows}

    async def restart(self, serial: str) -> int:
        (row,) = await self.rows(select(Asset.tag).where(Asset.serial == serial))
        async with self.resources.begin(SYSTEM) as work:
            wanted = AskCommand(verb=Verb.RESTART, reason="Hangs since the update")
            number = (await ask_command(work, row.tag, wanted)).id
        await self.work_off()
        return number

    async def state_in(self, command_id: int, seconds: float) -> CommandState:
        """How a command stands after so long."""
        self.clock.push(timedelta(seconds=seconds))
        async with self.resources.begin(SYSTEM) as work:
            await take_up(work)
        await self.work_off()
        (row,) = await self.rows(select(MdmCommand.state).where(MdmCommand.id == command_id))
        return CommandState(row.state)


@pytest.fixture(scope="module")
async def desk(server_url: str, filled_demo: str) -> AsyncIterator[Desk]:
    """The demo after its first syncs."""
    with fresh_database(server_url, "demo_mdm", like=filled_demo) as url:
        clock = WallClock()
        resources = Resources(make_engine(url, pool=4), clock=lambda: clock.now)
        await _founded_today(resources)
        said: list[str] = []
        async with (
            managing(said.append, resources, clock=clock, tick=NEVER) as simulators,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            assert said == []
            made = Desk(resources, Managements(open_vault(), http), url, clock, simulators)
            assert len(await hand_out(resources)) == 3
            await made.work_off()
            yield made
        await resources.close()


async def _founded_today(resources: Resources) -> None:
    """The connections as if they had been made just now, each on a port that is free here."""
    async with resources.begin(SYSTEM) as work:
        for row in await work.session.scalars(select(MdmConnection)):
            row.settings = {**row.settings, "base_url": f"http://127.0.0.1:{free_port()}"}
            row.created_at = row.changed_at = row.next_sync_at = work.now


async def test_the_first_syncs_come_to_what_a_district_finds(desk: Desk) -> None:
    first = select(func.min(MdmRun.id)).group_by(MdmRun.connection_id)
    runs = await desk.runs(MdmRun.id.in_(first))
    assert {vendor: run.counts["listed"] for vendor, run in runs.items()} == LISTED
    names = ("added", "assets_added", "bad", "unmatched", "ambiguous", "missing")
    assert {vendor: tuple(run.counts[name] for name in names) for vendor, run in runs.items()} == {
        GOOGLE: (153, 1, 1, 0, 1, 0),
        JAMF: (31, 0, 0, 0, 1, 0),
        INTUNE: (43, 0, 0, 1, 0, 0),
    }
    bad = MdmRunLine.kind == LineKind.BAD_RECORD, MdmRunLine.run_id == runs[GOOGLE].id
    assert [row.why for row in await desk.rows(select(MdmRunLine.why).where(*bad))] == ["no deviceId"]


async def test_every_computer_has_facts_of_its_management(desk: Desk) -> None:
    kinds = {row.id: row.kind for row in await desk.rows(select(Asset).where(Asset.kind.in_(COMPUTERS)))}
    facts: dict[int, dict[str, Any]] = {}
    sources: dict[int, set[str]] = {}
    for row in await desk.rows(known(list(kinds))):
        facts.setdefault(row.asset_id, {})[row.name] = row.value
        sources.setdefault(row.asset_id, set()).add(row.source)
    assert len(kinds) == 151 + 30 + 30 + 12 + 1
    assert sources == {number: {SOURCES[kind]} for number, kind in kinds.items()}
    statuses = Counter(told["device.status"] for told in facts.values())
    assert statuses == {"active": len(kinds) - 2, "disabled": 1, "deprovisioned": 1}
    seen = {number: told.get("device.last_seen") for number, told in facts.items()}
    never = [kinds[number] for number, at in seen.items() if at is None]
    assert sorted(never) == [AssetKind.CHROMEBOOK, AssetKind.DESKTOP, AssetKind.TABLET]
    lately = [at for at in seen.values() if at and desk.clock.now - _read(at) < timedelta(days=1)]
    assert 0.6 < len(lately) / len(kinds) < 0.9
    assert len([at for at in seen.values() if at and desk.clock.now - _read(at) > timedelta(weeks=3)]) > 5


def _read(at: str) -> datetime:
    return datetime.fromisoformat(at)


async def test_people_places_and_tags_stay_as_the_desk_had_them(desk: Desk, filled_demo: str) -> None:
    before = Resources(make_engine(filled_demo, pool=1))
    columns = [Asset.tag, Asset.serial, Asset.holder_id, Asset.place_id, Asset.kind, Asset.model]
    async with before.read(SYSTEM) as read:
        had = set((await read.db.execute(select(*columns))).all())
    await before.close()
    has = set(await desk.rows(select(*columns)))
    assert had <= has
    (added,) = has - had
    assert (added.tag, added.serial) == (chromebooks.STRANGERS_TAG, chromebooks.STRANGER)
    assert (added.kind, added.place_id in SCHOOLS) == (AssetKind.CHROMEBOOK, True)


async def test_one_word_is_left_without_a_meaning(desk: Desk) -> None:
    async with desk.resources.read(SYSTEM) as read:
        sites = await unmapped_page(read, MappingKind.SITE)
        models = await unmapped_page(read, MappingKind.MODEL)
    assert [(one.connection_name, one.word, one.records) for one in sites.rows] == [
        ("Google Admin", chromebooks.ASTRAY, 1)
    ]
    assert list(models.rows) == []


async def test_three_records_wait_for_a_person(desk: Desk) -> None:
    query = select(MdmReview.why, MdmReview.candidates, MdmRecord.serial).join(MdmRecord)
    found = {row.why: row for row in await desk.rows(query.where(MdmReview.settled_at.is_(None)))}
    assert found.keys() == {ReviewWhy.TAKEN, ReviewWhy.TAG_OF_ANOTHER, ReviewWhy.NO_NAME}
    twice, moved = found[ReviewWhy.TAKEN], found[ReviewWhy.TAG_OF_ANOTHER]
    assert (moved.serial, found[ReviewWhy.NO_NAME].serial) == (tablets.REPLACEMENT, None)
    serials = dict(await desk.rows(select(Asset.id, Asset.serial).where(Asset.kind.in_(COMPUTERS))))
    assert [serials[number] for number in twice.candidates] == [twice.serial]
    assert [serials[number].startswith("TB") for number in moved.candidates] == [True]


async def test_a_second_sync_finds_nothing_and_writes_nothing(desk: Desk) -> None:
    written = "SELECT 'r', id, xmin::text FROM mdm_records UNION ALL SELECT 'a', id, xmin::text FROM assets"
    reports = " UNION ALL SELECT 'f' || source, asset_id, xmin::text FROM asset_reports"
    before = set(await desk.rows(text(written + reports)))
    runs = await desk.sync(SyncKind.FULL)
    changes = ("added", "updated", "returned", "missing", "assets_added")
    assert {run.counts[name] for run in runs.values() for name in changes} == {0}
    assert {vendor: run.counts["listed"] for vendor, run in runs.items()} == LISTED
    assert len(before) > 700
    assert set(await desk.rows(text(written + reports))) == before


async def test_devices_that_check_in_are_found_by_the_next_sync(desk: Desk) -> None:
    desk.clock.push(timedelta(minutes=1))
    drift = Drift(desk.simulators.values())
    for _ in range(4):
        drift.step()
    runs = await desk.sync(SyncKind.INCREMENTAL)
    assert {vendor: (run.counts["updated"], run.counts["missing"]) for vendor, run in runs.items()} == {
        GOOGLE: (4, 0),
        JAMF: (4, 0),
        INTUNE: (4, 0),
    }


async def test_a_chromebook_that_is_on_restarts_and_checks_in(desk: Desk) -> None:
    serial = _some_serial(desk, GOOGLE, "deviceId", off=False)
    command_id = await desk.restart(serial)
    assert await desk.state_in(command_id, 5) is CommandState.SENT
    assert await desk.state_in(command_id, 11) is CommandState.SUCCEEDED
    row = desk.google.devices[name_of("google", serial)]
    assert timedelta(0) < desk.clock.now - _read(row["lastSync"]) < timedelta(seconds=15)
    assert [effect for effect in desk.google.effects if effect[1] == row["deviceId"]] == [
        ("issued", row["deviceId"], "REBOOT")
    ]


async def test_a_device_that_is_off_keeps_a_command_waiting(desk: Desk) -> None:
    command_id = await desk.restart(_some_serial(desk, GOOGLE, "deviceId", off=True))
    assert await desk.state_in(command_id, 60) is CommandState.SENT
    command_id = await desk.restart(_some_serial(desk, INTUNE, "id", off=True))
    assert await desk.state_in(command_id, 60) is CommandState.SENT


async def test_a_laptop_restarts_and_of_a_tablet_nobody_ever_knows(desk: Desk) -> None:
    laptop = await desk.restart(_some_serial(desk, INTUNE, "id", off=False))
    tablet = await desk.restart(_some_serial(desk, JAMF, "UDID", off=False))
    assert await desk.state_in(laptop, 40) is CommandState.SUCCEEDED
    assert await desk.state_in(tablet, 0) is CommandState.UNVERIFIABLE


def _some_serial(desk: Desk, vendor: VendorName, key: str, *, off: bool) -> str:
    """Of a device that the desk has too, and that is as it should be."""
    simulator = desk.simulators[vendor]
    for row in simulator.devices.values():
        usual = row.get("status", "ACTIVE") == "ACTIVE" and row.get("isManaged", True)
        known_ = row.get(key) == name_of(vendor.value.replace("_", " "), row["serialNumber"])
        if usual and known_ and (row[key] in simulator.off) is off:
            return str(row["serialNumber"])
    raise AssertionError("no such device")


async def test_a_port_that_is_taken_is_said_and_the_others_go_on(desk: Desk) -> None:
    said: list[str] = []
    async with managing(said.append, desk.resources) as again:
        assert again == {}
    assert len(said) == 3
    assert all(one.startswith("The demo goes on without its simulated ") for one in said)
    assert all(one.endswith(": Address already in use.") for one in said)


async def test_started_anew_no_device_goes_back_in_time(desk: Desk) -> None:
    """On other ports, beside those that run."""
    await desk.sync(SyncKind.FULL)
    await _founded_today(desk.resources)
    kept = await desk.rows(select(MdmRecord.external_id, MdmRecord.last_check_in))
    async with managing(print, desk.resources, clock=desk.clock, tick=NEVER) as again:
        assert again.keys() == {GOOGLE, JAMF, INTUNE}
        seen = {name: row for simulator in again.values() for name, row in simulator.devices.items()}
        off = {name for simulator in again.values() for name in simulator.off}
    times = {row.external_id: (row.last_check_in, _seen(seen[row.external_id])) for row in kept}
    assert len(times) == sum(LISTED.values())
    assert all(was is None or now >= was.replace(microsecond=0) for was, now in times.values())
    still = [was == now for name, (was, now) in times.items() if name in off and was is not None]
    assert len(still) > 30
    assert all(still)


def _seen(row: Mapping[str, Any]) -> datetime:
    told = row.get("lastSync") or row.get("lastSyncDateTime") or row["lastCheckin"]
    return _read(told).replace(tzinfo=UTC) if told else datetime.min.replace(tzinfo=UTC)


def test_the_same_devices_make_the_same_rows() -> None:
    now = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
    kinds = {"CB": AssetKind.CHROMEBOOK, "TB": AssetKind.TABLET, "LT": AssetKind.LAPTOP}
    for prefix, kind in kinds.items():
        owned = [
            Owned(f"{prefix}-{n:05}", f"{prefix}{n * 7919:08X}", kind, "Larkbook", "Alder Run")
            for n in range(40)
        ]
        one, other = (Fleet.of(devices, now) for devices in (owned, reversed(owned)))
        assert _rows(prefix, one, now) == _rows(prefix, other, now)
        assert len({str(row) for row in _rows(prefix, one, now)}) == len(_rows(prefix, one, now))


def test_few_devices_or_none_make_rows_too() -> None:
    now = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
    one = Owned("LT-00001", "LT0000001A", AssetKind.LAPTOP, "Wayfarer", "Alder Run", "ada@example.org")
    assert [len(_rows(prefix, Fleet.of([], now), now)) for prefix in ("CB", "TB", "LT")] == [1, 0, 0]
    assert [len(_rows(prefix, Fleet.of([one], now), now)) for prefix in ("TB", "LT")] == [1, 1]
    assert chromebooks.off(Fleet.of([], now)) == {chromebooks.UNREADABLE}


def _rows(prefix: str, fleet: Fleet, now: datetime) -> list[dict[str, Any]]:
    if prefix == "CB":
        return [*chromebooks.devices(fleet, now), *chromebooks.batteries(fleet, now)]
    if prefix == "TB":
        return list(tablets.devices(fleet, tablets.locations(SCHOOLS), now))
    return list(computers.devices(fleet, now))
