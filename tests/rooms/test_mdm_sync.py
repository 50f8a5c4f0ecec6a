"""Syncs over HTTP: what is kept, what is never lost, and what stops for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import create_async_engine

from integrations.mdm.port import ManagedDevice, Page
from integrations.mdm.simulated.server import Fault, status
from service.core.actor import SYSTEM, Role
from service.core.errors import Forbidden, NotFound
from service.core.migrating import migrate
from service.mdm import run_reconciling
from service.mdm.lease import SILENT_FOR, Lease, TakenOver
from service.mdm.models import MdmRun, SyncKind, VendorName
from service.mdm.queries import connection_row
from service.mdm.reconciling import reconcile_one
from service.mdm.records import from_json
from service.mdm.run_reconciling import Reconciling
from service.mdm.staging import Staging
from service.mdm.sync_running import run_sync
from service.mdm.syncing import (
    NEVER_BEGUN,
    AskSync,
    DecideRun,
    NotHeld,
    SwitchedOff,
    SyncGoing,
    SyncHeld,
    TooLate,
    ask_sync,
    cancel_run,
    decide_run,
    hand_out,
)
from tests import makers
from tests.conftest import fresh_database
from tests.mdm_lab import Lab, chromebook, google, opened

STATES = ["waiting", "staging", "reconciling", "held", "complete", "failed", "discarded", "abandoned"]
LIST = r"/devices/chromeos$"
BAD, ADDED, MISSING = 1, 2, 4  # kinds of lines as they are kept


@pytest.fixture(scope="module")
def own_url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url, "mdm_sync") as url:
        migrate(url)
        yield url


@pytest.fixture(scope="module")
async def open_lab(own_url: str) -> AsyncIterator[Lab]:
    async with opened(own_url) as lab:
        yield lab


@pytest.fixture
async def lab(open_lab: Lab) -> Lab:
    await open_lab.clear()
    return open_lab


def state(run: Any) -> str:
    return STATES[run.state - 1]


def cart(count: int, **given: Any) -> list[dict[str, Any]]:
    return [chromebook(f"d{n}", f"SER{n}", f"T{n}", **given) for n in range(count)]


async def test_a_first_sync_adds_what_it_reads(lab: Lab) -> None:
    google(lab, *(chromebook(f"d{n}", f"SER{n}", f"T{n}" if n % 2 else None) for n in range(8)))
    connection = await lab.google(name="Google")
    run = await lab.sync(connection)
    assert state(run) == "complete", run
    assert run.counts["listed"] == run.counts["added"] == run.counts["assets_added"] == 8
    assert await lab.tags() == ["SER0", "SER2", "SER4", "SER6", "T1", "T3", "T5", "T7"]
    asset = await lab.asset("T1")
    assert (asset.serial, asset.model, asset.kind) == ("SER1", "Acer Chromebook 511", 1)
    assert (await lab.standing(asset.id))["device.serial_matches"] is True
    kept = await lab.connection(connection)
    assert kept.watermark == kept.full_at == run.started_at
    assert kept.next_sync_at >= lab.watch.now + timedelta(minutes=60)
    assert await lab.rows("SELECT * FROM mdm_staged_pages") == []


async def test_an_unchanged_sync_writes_nothing(lab: Lab) -> None:
    google(lab, *cart(8))
    connection = await lab.google()
    await lab.sync(connection)
    versions = "SELECT 'r', id, CAST(xmin AS text) FROM mdm_records UNION ALL SELECT 'a', id, CAST(xmin AS "
    versions += "text) FROM assets UNION ALL SELECT 'f', asset_id, CAST(xmin AS text) FROM asset_reports"
    before = await lab.rows(f"{versions} ORDER BY 1, 2")
    run = await lab.sync(connection, "full")
    assert {name: run.counts[name] for name in ("listed", "unchanged", "added", "updated")} == {
        "listed": 8, "unchanged": 8, "added": 0, "updated": 0,
    }  # fmt: skip
    assert await lab.rows(f"{versions} ORDER BY 1, 2") == before
    assert len(before) == 24


async def test_an_incremental_sync_asks_since_the_watermark_and_misses_nobody(lab: Lab) -> None:
    simulator = google(lab, *cart(3), chromebook("old", "OLD", "TOLD", seen=24 * 30))
    connection = await lab.google()
    first = await lab.sync(connection)
    simulator.devices["d1"]["osVersion"] = "153.0"
    run = await lab.sync(connection)
    assert run.kind == 2
    assert run.since == first.started_at
    assert (run.counts["listed"], run.counts["updated"], run.counts["missing"]) == (3, 1, 0)
    assert (await lab.record("d1")).record["os_version"] == "153.0"
    assert (await lab.record("old")).missing_since is None


async def test_a_device_that_is_not_listed_is_marked_and_may_return(lab: Lab) -> None:
    simulator = google(lab, *cart(8))
    connection = await lab.google()
    await lab.sync(connection)
    gone = simulator.devices.pop("d3")
    run = await lab.sync(connection, "full")
    assert run.counts["missing"] == 1
    assert (MISSING, "d3", "It is not listed any more.") in await lab.lines(run.id)
    record, asset = await lab.record("d3"), await lab.asset("T3")
    assert record.missing_since == lab.watch.now
    assert record.asset_id == asset.id
    told = await lab.standing(asset.id)
    assert told["device.management"] == "unknown"
    assert "device.enrolled" not in told
    simulator.devices["d3"] = gone
    run = await lab.sync(connection, "full")
    assert (run.counts["returned"], run.counts["added"], run.counts["missing"]) == (1, 0, 0)
    assert (await lab.record("d3")).missing_since is None
    assert (await lab.standing(asset.id))["device.management"] == "enrolled"


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_failed_page_changes_nothing(lab: Lab, at: int) -> None:
    simulator = google(lab, *cart(8))
    connection = await lab.google()
    await lab.sync(connection)
    before, was = await lab.kept(), await lab.connection(connection)
    for device in simulator.devices.values():
        device["osVersion"] = "200"
    simulator.devices.pop("d0")
    simulator.inject(status(503, {}), at=simulator.asked + 2 + at, path=LIST, times=100)
    lab.later(minutes=10)
    run = await lab.sync(connection, "full")
    assert (state(run), run.failure, run.pages_staged) == ("failed", "transient", at - 1)
    assert await lab.kept() == before
    now = await lab.connection(connection)
    assert (now.watermark, now.full_at) == (was.watermark, was.full_at)
    assert (now.failure, now.failing_since) == ("transient", lab.watch.now)
    assert lab.watch.now < now.next_sync_at <= lab.watch.now + timedelta(hours=1)
    assert await lab.rows("SELECT * FROM mdm_staged_pages") == []


async def test_a_connection_that_works_again_forgets_its_failure(lab: Lab) -> None:
    simulator = google(lab, *cart(3))
    connection = await lab.google()
    simulator.inject(status(503, {}), times=3)
    assert state(await lab.sync(connection)) == "failed"
    lab.later(minutes=40)
    simulator.inject(status(503, {}), times=3)
    await lab.sync(connection)
    waits = (await lab.connection(connection)).next_sync_at - lab.watch.now
    assert waits == timedelta(minutes=40)
    assert state(await lab.sync(connection)) == "complete"
    now = await lab.connection(connection)
    assert (now.failure, now.failure_detail, now.failing_since) == (None, None, None)


async def test_refused_credentials_are_not_tried_again_by_themselves(lab: Lab) -> None:
    simulator = google(lab, *cart(3))
    connection = await lab.google()
    refused = {"error": "invalid_grant", "error_description": "Invalid JWT."}
    simulator.inject(status(400, refused), path="/token", times=100)
    run = await lab.sync(connection)
    assert (state(run), run.failure) == ("failed", "auth_failed")
    assert "PRIVATE KEY" not in run.detail
    lab.later(days=2)
    assert await hand_out(lab.resources) == []
    await lab.change(connection, failure=None)
    assert len(await hand_out(lab.resources)) == 1


async def test_a_run_that_would_change_much_waits_for_a_person(lab: Lab) -> None:
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    await lab.sync(connection)
    before, was = await lab.kept(), await lab.connection(connection)
    for n in range(6):
        simulator.devices.pop(f"d{n}")
    run = await lab.sync(connection, "full")
    assert (state(run), run.would_change_percent, run.counts["missing"]) == ("held", 50.0, 6)
    assert len(await lab.lines(run.id)) == 6
    assert await lab.kept() == before
    assert (await lab.connection(connection)).watermark == was.watermark
    with pytest.raises(SyncHeld):
        await lab.ask(connection, "full")
    lab.later(days=1)
    assert await hand_out(lab.resources) == []
    async with lab.resources.begin(SYSTEM) as work:
        assert (await decide_run(work, run.id, DecideRun(go=True))).heard_at is None
    done = await lab.end(run.id)
    assert (state(done), done.counts["missing"]) == ("complete", 6)
    assert len(await lab.rows("SELECT 1 FROM mdm_records WHERE missing_since IS NOT NULL")) == 6
    assert (await lab.connection(connection)).watermark == done.started_at


async def test_a_held_run_may_be_discarded(lab: Lab) -> None:
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    await lab.sync(connection)
    before = await lab.kept()
    simulator.devices = {"x": chromebook("x", "X")}
    run = await lab.sync(connection, "full")
    async with lab.resources.begin(SYSTEM) as work:
        decided = await decide_run(work, run.id, DecideRun(go=False))
        assert decided.ended_at == work.now
        with pytest.raises(NotHeld):
            await decide_run(work, run.id, DecideRun(go=True))
    assert state(await lab.end(run.id)) == "discarded"
    assert await lab.kept() == before
    assert await lab.rows("SELECT * FROM mdm_staged_pages") == []


async def test_many_changes_of_what_a_device_says_of_itself_stop_nothing(lab: Lab) -> None:
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    await lab.sync(connection)
    for device in simulator.devices.values():
        device["osVersion"] = "200"
    run = await lab.sync(connection, "full")
    assert (state(run), run.counts["updated"], run.would_change_percent) == ("complete", 12, 0.0)


async def test_many_serial_numbers_that_change_stop_a_run(lab: Lab) -> None:
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    await lab.sync(connection)
    for n in range(7):
        simulator.devices[f"d{n}"]["serialNumber"] = f"OTHER{n}"
    run = await lab.sync(connection, "full")
    assert (state(run), run.would_change_percent) == ("held", 58.3)


async def test_an_empty_list_is_never_believed(lab: Lab) -> None:
    simulator = google(lab, *cart(2))
    connection = await lab.google(guard_percent=100)
    await lab.sync(connection)
    simulator.devices = {}
    run = await lab.sync(connection, "full")
    assert state(run) == "held"
    assert "Nothing was listed" in run.detail
    assert await lab.rows("SELECT 1 FROM mdm_records WHERE missing_since IS NOT NULL") == []


async def test_a_dry_run_tells_and_changes_nothing(lab: Lab) -> None:
    simulator = google(lab, *cart(4))
    connection = await lab.google()
    empty = await lab.kept()
    run = await lab.sync(connection, dry=True)
    assert (state(run), run.dry, run.counts["assets_added"]) == ("complete", True, 4)
    assert await lab.kept() == empty
    assert (await lab.connection(connection)).watermark is None
    lines = await lab.lines(run.id)
    assert (ADDED, "d1", "A new asset with the tag T1.") in lines
    await lab.sync(connection)
    before = await lab.kept()
    simulator.devices.pop("d0")
    simulator.devices["d1"]["serialNumber"] = "NEW1"
    run = await lab.sync(connection, "full", dry=True)
    assert (run.counts["missing"], run.counts["updated"]) == (1, 1)
    assert await lab.kept() == before


async def test_two_new_devices_with_one_tag_are_told_apart_in_a_dry_run_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_reconciling, "BATCH", 1)
    google(lab, chromebook("a", "A", "T"), chromebook("b", "B", "T"))
    connection = await lab.google()
    dry = await lab.sync(connection, dry=True)
    run = await lab.sync(connection)
    for each in (dry, run):
        assert (each.counts["assets_added"], each.counts["ambiguous"]) == (1, 1)


async def test_one_bad_record_is_one_line(lab: Lab) -> None:
    simulator = google(lab, *cart(3))
    connection = await lab.google()
    await lab.sync(connection)
    simulator.devices["d1"] = {"deviceId": "d1", "serialNumber": ["not", "a", "text"], "status": 7, "kind": 4}
    simulator.devices["d9"] = chromebook("d9", "SER9", "T9", model="x" * 120_000)
    run = await lab.sync(connection, "full")
    assert (state(run), run.counts["bad"], run.counts["missing"]) == ("complete", 1, 0)
    assert (BAD, "d9", "The record is too large.") in await lab.lines(run.id)
    assert len(await lab.rows("SELECT 1 FROM mdm_records")) == 3


async def test_a_record_that_does_not_say_whose_it_is_keeps_all_from_being_missing(lab: Lab) -> None:
    simulator = google(lab, *cart(4))
    connection = await lab.google()
    await lab.sync(connection)
    simulator.devices.pop("d2")
    simulator.devices["?"] = {"serialNumber": "SER2", "status": "ACTIVE"}
    run = await lab.sync(connection, "full")
    assert (state(run), run.counts["bad"], run.counts["missing"]) == ("complete", 1, 0)
    assert (run.counts["listed"], run.counts["unchanged"]) == (3, 3)
    assert any("do not say which device" in why for _, _, why in await lab.lines(run.id))
    assert (await lab.record("d2")).missing_since is None


async def test_a_list_that_is_shorter_than_its_total_marks_nothing(lab: Lab) -> None:
    simulator = google(lab, *cart(4))
    connection = await lab.google()
    await lab.sync(connection)
    simulator.devices.pop("d2")
    simulator.inject(status(200, {"count": "4"}), path="countChromeOsDevices")
    run = await lab.sync(connection, "full")
    assert (state(run), run.counts["missing"]) == ("complete", 0)
    assert any("there are 4 devices and listed 3" in why for _, _, why in await lab.lines(run.id))
    assert (await lab.sync(connection, "full")).counts["missing"] == 1


async def test_a_worker_that_dies_half_way_loses_and_doubles_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses one record: batches before it are kept, the next run goes on."""
    monkeypatch.setattr(run_reconciling, "BATCH", 2)
    google(lab, *cart(8))
    connection = await lab.google()
    async with lab.resources.begin(SYSTEM) as work:
        for statement in _REFUSE:
            await work.session.execute(text(statement))
    run = await lab.sync(connection)
    assert (state(run), run.failure) == ("failed", "internal_error")
    assert len(await lab.rows("SELECT 1 FROM mdm_records")) == 4
    assert (await lab.connection(connection)).watermark is None
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DROP TRIGGER refuse_d5 ON mdm_records"))
    run = await lab.sync(connection)
    assert (state(run), run.counts["added"], run.counts["unchanged"]) == ("complete", 4, 4)
    assert await lab.tags() == [f"T{n}" for n in range(8)]


_REFUSE = (
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'no'; END $$",
    "CREATE TRIGGER refuse_d5 BEFORE INSERT ON mdm_records FOR EACH ROW WHEN (NEW.external_id = 'd5') "
    "EXECUTE FUNCTION refuse()",
)


async def test_a_run_that_loses_the_database_is_failed_once_that_is_back(lab: Lab, server_url: str) -> None:
    """Every connection is cut at the first page, and for a while there are no new ones."""
    google(lab, *cart(3))
    connection = await lab.google()
    run_id = await lab.ask(connection)
    admin = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    name = (await lab.one("SELECT current_database() AS name")).name
    async with lab.resources.begin(SYSTEM) as work:
        for statement in _CUT_OFF:
            await work.session.execute(text(statement))
    async with admin.connect() as server:
        await server.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        try:
            running = asyncio.create_task(run_sync(lab.resources, lab.managements, run_id))
            left = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
            while await server.scalar(left, {"name": name}):  # noqa: ASYNC110  (another connection writes)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            assert not running.done()
        finally:
            await server.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
        await running
    await admin.dispose()
    run = await lab.run(run_id)
    assert (state(run), run.failure) == ("failed", "database_away")
    row = await lab.connection(connection)
    assert row.next_sync_at - lab.watch.now <= timedelta(minutes=2)
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DROP TRIGGER cut_off ON mdm_staged_pages"))
    assert state(await lab.sync(connection)) == "complete"


_CUT_OFF = (
    "CREATE OR REPLACE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "ORDER BY pid = pg_backend_pid(); RETURN NEW; END $$",
    "CREATE TRIGGER cut_off BEFORE INSERT ON mdm_staged_pages FOR EACH ROW EXECUTE FUNCTION cut_off()",
)


async def test_a_run_whose_worker_is_gone_is_given_up_and_its_worker_writes_no_more(lab: Lab) -> None:
    google(lab, *cart(4))
    connection = await lab.google()
    run_id = await lab.ask(connection)
    heard = lab.watch.now
    async with lab.resources.begin(SYSTEM) as work:
        staging = update(MdmRun).where(MdmRun.id == run_id)
        await work.session.execute(staging.values(state="staging", started_at=heard, heard_at=heard))
    lease = Lease(lab.resources, run_id, heard)
    async with lease.work(pages_staged=1):
        pass
    assert await hand_out(lab.resources) == []
    lab.later(seconds=SILENT_FOR.total_seconds() + 1)
    (again,) = await hand_out(lab.resources)
    assert state(await lab.run(run_id)) == "abandoned"
    with pytest.raises(TakenOver):
        async with lease.work(pages_staged=2):
            pass
    assert (await lab.run(run_id)).pages_staged == 1
    assert state(await lab.end(again)) == "complete"


async def test_a_run_that_nobody_takes_up_is_given_up_in_the_end(lab: Lab) -> None:
    google(lab)
    connection = await lab.google()
    run_id = await lab.ask(connection)
    lab.later(seconds=NEVER_BEGUN.total_seconds() + 1)
    assert len(await hand_out(lab.resources)) == 1
    assert state(await lab.run(run_id)) == "abandoned"


async def test_two_workers_run_one_run_once(lab: Lab) -> None:
    simulator = google(lab, *cart(4), page=50)
    connection = await lab.google()
    run_id = await lab.ask(connection)
    both = (run_sync(lab.resources, lab.managements, run_id) for _ in range(2))
    await asyncio.gather(*both)
    assert state(await lab.run(run_id)) == "complete"
    lists = [each for each in simulator.log if each.asked.path.endswith("/devices/chromeos")]
    assert len(lists) == 1


async def test_a_stopped_worker_leaves_nothing_half_done(lab: Lab) -> None:
    simulator = google(lab, *cart(8))
    connection = await lab.google()
    await lab.sync(connection, dry=True)
    simulator.inject(Fault("silence"), path=LIST, at=simulator.asked + 4)
    run_id = await lab.ask(connection)
    task = asyncio.create_task(run_sync(lab.resources, lab.managements, run_id))
    async with asyncio.timeout(10):
        while not await lab.rows("SELECT 1 FROM mdm_staged_pages"):  # noqa: ASYNC110  (another connection writes)
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert state(await lab.run(run_id)) == "staging"
    assert await lab.rows("SELECT 1 FROM mdm_records") == []
    lab.later(minutes=11)
    (again,) = await hand_out(lab.resources)
    assert state(await lab.end(again)) == "complete"
    assert len(await lab.tags()) == 8


async def test_a_device_on_two_pages_is_counted_once_and_seen_last_counts(lab: Lab) -> None:
    connection = await lab.google()
    run_id = await lab.ask(connection)
    async with lab.resources.begin(SYSTEM) as work:
        begun = update(MdmRun).where(MdmRun.id == run_id)
        now = work.now
        await work.session.execute(
            begun.values(state="staging", started_at=now, heard_at=now, kind=SyncKind.FULL)
        )
    lease = Lease(lab.resources, run_id, now)
    staging = Staging(lease, connection)

    def seen(name: str, hours: int, os: str) -> ManagedDevice:
        at = datetime(2026, 9, 14, hours, tzinfo=UTC)
        return ManagedDevice(name, serial=name.upper(), os_version=os, last_check_in=at)

    await staging.keep(Page([seen("a", 5, "first"), seen("b", 5, "first"), seen("b", 6, "same page")]))
    await staging.keep(Page([seen("a", 4, "older"), seen("b", 7, "newest")]))
    await staging.keep(Page([seen("a", 5, "equal"), seen("c", 1, "only")]))
    assert staging.counts.listed == 3
    async with lab.resources.read(SYSTEM) as read:
        row = await connection_row(read, connection)
        run = (await read.db.execute(select(*MdmRun.__table__.c).where(MdmRun.id == run_id))).one()
    await Reconciling(lease, run, row).run()
    versions = {name: (await lab.record(name)).record["os_version"] for name in "abc"}
    assert versions == {"a": "first", "b": "newest", "c": "only"}


async def test_settings_that_changed_reach_devices_that_did_not(lab: Lab) -> None:
    simulator = google(lab, *cart(3))
    connection = await lab.google()
    await lab.sync(connection)
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("UPDATE assets SET tag = 'mine' WHERE tag = 'T1'"))
    assert simulator.devices["d1"]["annotatedAssetId"] == "T1"
    await lab.sync(connection, "full")
    assert "mine" in await lab.tags()
    lab.later(minutes=5)
    await lab.change(connection, owns_tag=True)
    lab.later(minutes=5)
    run = await lab.sync(connection, "full")
    assert run.counts["updated"] == 0
    assert await lab.tags() == ["T0", "T1", "T2"]


async def test_tags_that_move_on_within_a_batch_stop_nothing(lab: Lab) -> None:
    simulator = google(lab, *(chromebook(f"d{n}", f"S{n}", f"T{n}") for n in range(3)), page=50)
    connection = await lab.google(owns_tag=True)
    await lab.sync(connection)
    for n in range(3):
        simulator.devices[f"d{n}"]["annotatedAssetId"] = f"T{n + 1}"
    for _ in range(2):
        assert state(await lab.sync(connection, "full")) == "complete"
    assert len(await lab.tags()) == 3


async def test_what_was_not_added_is_found_once_its_asset_is_there(lab: Lab) -> None:
    google(lab, *cart(3))
    connection = await lab.google(adds_assets=False)
    run = await lab.sync(connection)
    assert (run.counts["unmatched"], run.counts["assets_added"]) == (3, 0)
    assert await lab.tags() == []
    async with lab.resources.begin(SYSTEM) as work:
        await makers.make_asset(work, tag="T1", serial="ser1")
    run = await lab.sync(connection, "full")
    assert (run.counts["unmatched"], run.counts["unchanged"]) == (2, 3)
    assert (await lab.record("d1")).asset_id == (await lab.asset("T1")).id
    settled = await lab.rows("SELECT 1 FROM mdm_reviews WHERE settled_at IS NOT NULL")
    assert len(settled) == 1


async def test_a_look_at_a_device_during_a_sync_is_not_undone_by_it(lab: Lab) -> None:
    """What was listed before the look is older than what the look found."""
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    await lab.sync(connection)
    simulator.devices = {name: row for name, row in simulator.devices.items() if name == "d1"}
    simulator.devices["d1"]["osVersion"] = "listed"
    run = await lab.sync(connection, "full")
    assert state(run) == "held"
    lab.later(minutes=1)
    async with lab.resources.begin(SYSTEM) as work:
        row = await connection_row(work, connection)
        record = await lab.record("d1")
        device = from_json(record.record)
        await reconcile_one(work, row, replace(device, os_version="looked at"))
        await decide_run(work, run.id, DecideRun(go=True))
    await lab.end(run.id)
    assert (await lab.record("d1")).record["os_version"] == "looked at"


# Asking.


async def test_asked_twice_there_is_one_run(lab: Lab) -> None:
    connection = await lab.google()
    first = await lab.ask(connection)
    assert await lab.ask(connection) == first
    assert await lab.ask(connection, "full") == first
    with pytest.raises(SyncGoing):
        await lab.ask(connection, "incremental")
    with pytest.raises(SyncGoing):
        await lab.ask(connection, dry=True)
    jobs = await lab.rows("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.sync'")
    assert [job.args for job in jobs] == [{"run_id": first}]


async def test_what_cannot_be_synced_is_refused(lab: Lab) -> None:
    connection = await lab.google(enabled=False)
    with pytest.raises(SwitchedOff):
        await lab.ask(connection)
    with pytest.raises(NotFound):
        await lab.ask(connection + 1)
    assert await hand_out(lab.resources) == []


async def test_who_may_ask_and_decide(lab: Lab) -> None:
    google(lab)
    connection = await lab.google()
    async with lab.resources.begin(SYSTEM) as work:
        technician = await makers.acting(work, await makers.make_person(work, Role.TECHNICIAN))
        teacher = await makers.acting(work, await makers.make_person(work))
        with pytest.raises(Forbidden):
            await ask_sync(teacher, connection, AskSync())
        run = await ask_sync(technician, connection, AskSync())
        assert run.asked_by_id == technician.actor.person_id
        with pytest.raises(Forbidden):
            await decide_run(technician, run.id, DecideRun(go=True))
        with pytest.raises(NotFound):
            await cancel_run(technician, run.id + 1)


async def test_a_run_is_cancelled_before_anything_is_written(lab: Lab) -> None:
    google(lab, *cart(3))
    connection = await lab.google()
    run_id = await lab.ask(connection)
    async with lab.resources.begin(SYSTEM) as work:
        await cancel_run(work, run_id)
    assert state(await lab.end(run_id)) == "discarded"
    run = await lab.sync(connection)
    assert state(run) == "complete"
    async with lab.resources.begin(SYSTEM) as work:
        with pytest.raises(TooLate):
            await cancel_run(work, run.id)


async def test_syncs_are_handed_out_when_they_are_due(lab: Lab) -> None:
    google(lab, *cart(2))
    connection = await lab.google(sync_minutes=30, full_hours=4)
    (run_id,) = await hand_out(lab.resources)
    assert await hand_out(lab.resources) == []
    assert (await lab.end(run_id)).kind == 1
    lab.later(minutes=29)
    assert await hand_out(lab.resources) == []
    lab.later(minutes=5)
    (run_id,) = await hand_out(lab.resources)
    assert (await lab.end(run_id)).kind == 2
    lab.later(hours=4)
    (run_id,) = await hand_out(lab.resources)
    assert (await lab.end(run_id)).kind == 1
    assert (await lab.connection(connection)).full_at == lab.watch.now


async def test_the_worker_runs_what_is_asked(lab: Lab) -> None:
    google(lab, *cart(2))
    run_id = await lab.ask(await lab.google())
    await lab.work_off()
    assert state(await lab.run(run_id)) == "complete"


async def test_settings_that_are_no_good_are_told(lab: Lab) -> None:
    connection = await lab.connect(
        VendorName.GOOGLE, {"admin": "a@b.example"}, {"service_account": "{s3cret"}
    )
    run = await lab.sync(connection)
    assert state(run) == "failed"
    assert "s3cret" not in run.detail
    other = await lab.connect(VendorName.FLEET, {}, {})
    assert (await lab.sync(other)).failure == "bad_settings"
    await lab.change(other, sealed=b"sealed with another key")
    assert (await lab.sync(other)).failure == "key_missing"
