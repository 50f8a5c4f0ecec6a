"""Syncs and looks, and what people do to the same devices and connections meanwhile."""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from integrations.mdm.port import ManagedDevice
from service.core.actor import SYSTEM, Role
from service.core.errors import Invalid
from service.core.migrating import migrate
from service.mdm import applying, run_reconciling
from service.mdm.connections import EditConnection, SyncUnderWay, edit_connection
from service.mdm.lease import Lease
from service.mdm.mappings import SetMapping, set_mapping
from service.mdm.models import MappingKind
from service.mdm.queries import connection_row
from service.mdm.reconciling import reconcile_one
from service.mdm.records import from_json
from service.mdm.reviewing import SettleAs, SettleReview, settle_review
from service.mdm.run_reconciling import Reconciling
from service.mdm.staging import Staging
from service.mdm.syncing import DecideRun, decide_run
from tests import makers
from tests.conftest import fresh_database
from tests.mdm_lab import Lab, chromebook, google, opened
from tests.rooms.test_mdm_sync import MISSING, cart, state

LIST = r"/devices/chromeos$"


@pytest.fixture(scope="module")
def own_url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url, "mdm_crossings") as url:
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


# Devices that have left.


async def test_a_device_that_has_left_is_kept_without_an_asset_and_without_a_question(lab: Lab) -> None:
    async with lab.resources.begin(SYSTEM) as work:
        await makers.make_asset(work, tag="OURS", serial="SER1")
    left = cart(4, status="DEPROVISIONED")
    simulator = google(lab, *left, chromebook("here", "HERE"))
    connection = await lab.google()
    for run in (await lab.sync(connection, dry=True), await lab.sync(connection)):
        assert state(run) == "complete"
        assert (run.counts["added"], run.counts["assets_added"]) == (5, 1)
        assert (run.counts["unmatched"], run.counts["ambiguous"]) == (0, 0)
    assert await lab.tags() == ["HERE", "OURS"]
    assert await lab.rows("SELECT 1 FROM mdm_reviews") == []
    assert (await lab.record("d0")).asset_id is None
    assert (await lab.record("d1")).asset_id == (await lab.asset("OURS")).id
    async with lab.resources.begin(SYSTEM) as work:
        await makers.make_asset(work, tag="LATER", serial="SER2")
    simulator.devices["d3"]["status"] = "ACTIVE"
    await lab.sync(connection, "full")
    assert (await lab.record("d2")).asset_id == (await lab.asset("LATER")).id
    assert (await lab.record("d3")).asset_id == (await lab.asset("T3")).id
    assert await lab.tags() == ["HERE", "LATER", "OURS", "T3"]


async def test_a_question_about_a_device_that_leaves_is_over(lab: Lab) -> None:
    simulator = google(lab, chromebook("d", "SER"))
    connection = await lab.google(adds_assets=False)
    await lab.sync(connection)
    review = await lab.one("SELECT id FROM mdm_reviews WHERE settled_at IS NULL")
    simulator.devices["d"]["status"] = "DEPROVISIONED"
    run = await lab.sync(connection, "full")
    assert run.counts["unmatched"] == 0
    assert (await lab.one("SELECT * FROM mdm_reviews")).settled_at is not None
    async with lab.resources.begin(SYSTEM) as work:
        technician = await makers.acting(work, await makers.make_person(work, Role.TECHNICIAN))
        await settle_review(technician, review.id, SettleReview(how=SettleAs.NEW))
    assert await lab.tags() == ["SER"]


# People at the same time.


async def test_what_a_person_changes_while_a_batch_is_written_stays(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab.resources.begin(SYSTEM) as work:
        first, chosen = await makers.make_school(work), await makers.make_school(work)
        asset = await makers.make_asset(work, tag="T0", serial="SER0")
    google(lab, *cart(1, orgUnitPath=f"/{first.id}"))
    connection = await lab.google()
    real = applying._change_assets
    edits = 0

    async def a_person_is_faster(work: Any, plan: Any) -> None:
        nonlocal edits
        if edits == 0:
            edits += 1
            async with lab.resources.begin(SYSTEM) as other:
                moved = "UPDATE assets SET place_id = :to, school_id = :to WHERE id = :id"
                await other.session.execute(text(moved), {"to": chosen.id, "id": asset.id})
        await real(work, plan)

    monkeypatch.setattr(applying, "_change_assets", a_person_is_faster)
    run = await lab.sync(connection)
    assert (state(run), edits) == ("complete", 1)
    kept = await lab.asset("T0")
    assert (kept.place_id, kept.school_id, kept.model) == (chosen.id, chosen.id, "Acer Chromebook 511")


async def test_an_administrator_and_a_batch_never_wait_for_each_other(lab: Lab) -> None:
    """A new record needs its connection, and a new name the runs of it."""
    google(lab, *cart(2))
    connection = await lab.google()
    run_id = await lab.ask(connection)
    async with lab.resources.begin(SYSTEM) as work:
        begun = "UPDATE mdm_runs SET state = :state, heard_at = :now, started_at = :now WHERE id = :id"
        given = {"state": 3, "now": work.now, "id": run_id}
        await work.session.execute(text(begun), given)
    lease = Lease(lab.resources, run_id, lab.watch.now)

    async def rename() -> None:
        async with lab.resources.begin(SYSTEM) as work:
            await edit_connection(work, connection, EditConnection(name="Another"))

    async with asyncio.timeout(10), lease.work() as work:
        renaming = asyncio.create_task(rename())
        await asyncio.sleep(0.3)
        row = await connection_row(work, connection)
        await reconcile_one(work, row, ManagedDevice("new", serial="NEW"))
        with pytest.raises(SyncUnderWay):
            await renaming
    assert await lab.tags() == ["NEW"]


async def test_authority_that_is_taken_back_holds_from_the_next_batch_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_reconciling, "BATCH", 3)
    google(lab, *cart(9))
    connection = await lab.google()
    real = Reconciling._write_lines

    async def then_it_is_taken_back(self: Reconciling, work: Any, plan: Any) -> None:
        await real(self, work, plan)
        off = "UPDATE mdm_connections SET adds_assets = false WHERE id = :id"
        await work.session.execute(text(off), {"id": connection})

    monkeypatch.setattr(Reconciling, "_write_lines", then_it_is_taken_back)
    run = await lab.sync(connection)
    assert (run.counts["assets_added"], run.counts["unmatched"]) == (3, 6)
    assert len(await lab.tags()) == 3


async def test_a_word_that_gets_another_meaning_means_it_from_the_next_batch_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_reconciling, "BATCH", 3)
    async with lab.resources.begin(SYSTEM) as work:
        before, after = await makers.make_school(work), await makers.make_school(work)
    google(lab, *cart(6, orgUnitPath=f"/{before.id}"))
    connection = await lab.google()
    real = Reconciling._write_lines

    async def then_it_means_another_place(self: Reconciling, work: Any, plan: Any) -> None:
        await real(self, work, plan)
        wanted = SetMapping(kind=MappingKind.SITE, word=f"/{before.id}", place_id=after.id)
        await set_mapping(work, wanted)

    monkeypatch.setattr(Reconciling, "_write_lines", then_it_means_another_place)
    await lab.sync(connection)
    placed = [row.place_id for row in await lab.rows("SELECT place_id FROM assets ORDER BY tag")]
    assert placed == [before.id] * 3 + [after.id] * 3


async def test_a_sync_that_waits_when_its_connection_is_switched_off_asks_nobody(lab: Lab) -> None:
    simulator = google(lab, *cart(2))
    connection = await lab.google()
    run_id = await lab.ask(connection)
    await lab.change(connection, enabled=False)
    run = await lab.end(run_id)
    assert (state(run), run.detail) == ("discarded", "The connection was switched off.")
    assert simulator.log == []


async def test_a_sync_ends_at_the_next_page_when_its_connection_is_switched_off(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    real = Lease._renew
    renewed = 0

    async def then_it_is_switched_off(self: Lease, work: Any, values: Any) -> None:
        nonlocal renewed
        await real(self, work, values)
        renewed += 1
        if renewed == 2:
            off = "UPDATE mdm_connections SET enabled = false WHERE id = :id"
            await work.session.execute(text(off), {"id": connection})

    monkeypatch.setattr(Lease, "_renew", then_it_is_switched_off)
    run = await lab.sync(connection)
    assert (state(run), run.pages_staged) == ("discarded", 2)
    assert await lab.tags() == []
    assert await lab.rows("SELECT 1 FROM mdm_staged_pages") == []
    lists = [each for each in simulator.log if each.asked.path.endswith("/devices/chromeos")]
    assert len(lists) == 2
    kept = await lab.connection(connection)
    assert (kept.failure, kept.watermark) == (None, None)


async def test_a_connection_that_is_off_may_be_looked_at(lab: Lab) -> None:
    """As the first steps with one say."""
    google(lab, *cart(2))
    connection = await lab.google(enabled=False)
    run = await lab.sync(connection, "full", dry=True)
    assert (state(run), run.counts["added"]) == ("complete", 2)
    assert await lab.tags() == []


async def test_a_report_stays_under_the_name_that_a_connection_has_by_now(lab: Lab) -> None:
    google(lab, *cart(1))
    connection = await lab.google(name="Before")
    await lab.sync(connection)
    async with lab.resources.read(SYSTEM) as read:
        asked = await connection_row(read, connection)
    async with lab.resources.begin(SYSTEM) as work:
        await edit_connection(work, connection, EditConnection(name="After"))
    lab.later(minutes=1)
    device = from_json((await lab.record("d0")).record)
    async with lab.resources.begin(SYSTEM) as work:
        await reconcile_one(work, asked, replace(device, os_version="looked at"))
    report = await lab.one("SELECT source, facts, received_at FROM asset_reports")
    assert (report.source, report.facts["device.os_version"]) == ("After", "looked at")
    assert report.received_at == lab.watch.now


# Words of a run.


async def test_what_a_person_let_through_is_told_once(lab: Lab) -> None:
    simulator = google(lab, *cart(12))
    connection = await lab.google()
    await lab.sync(connection)
    simulator.devices = {name: row for name, row in simulator.devices.items() if int(name[1:]) < 4}
    simulator.devices["d0"]["serialNumber"] = "OTHER"
    run = await lab.sync(connection, "full")
    assert state(run) == "held"
    before = await lab.lines(run.id)
    async with lab.resources.begin(SYSTEM) as work:
        await decide_run(work, run.id, DecideRun(go=True))
    assert state(await lab.end(run.id)) == "complete"
    assert await lab.lines(run.id) == before
    assert [kind for kind, *_ in before].count(MISSING) == 8


ENDLESS = "".join(random.Random(1).choices(string.ascii_uppercase + string.digits, k=8_000))


@pytest.mark.parametrize("given", [{"serialNumber": ENDLESS}, {"orgUnitPath": "/x" * 4_000}])
async def test_words_without_end_are_one_bad_record(lab: Lab, given: dict[str, str]) -> None:
    simulator = google(lab, *cart(3))
    connection = await lab.google()
    await lab.sync(connection)
    simulator.devices["d1"] |= given
    run = await lab.sync(connection, "full")
    assert (state(run), run.counts["bad"], run.counts["missing"]) == ("complete", 1, 0)
    async with lab.resources.begin(SYSTEM) as work:
        row = await connection_row(work, connection)
        with pytest.raises(Invalid):
            await reconcile_one(work, row, ManagedDevice("d1", serial=ENDLESS))


async def test_nothing_was_seen_in_the_future(lab: Lab) -> None:
    google(lab, chromebook("d", "SER", seen=-9))
    await lab.sync(await lab.google())
    report = await lab.one("SELECT facts, as_of FROM asset_reports")
    assert report.as_of == lab.watch.now
    assert report.facts["device.last_seen"] == lab.watch.now.isoformat()


# Logs, and what is deleted.


async def test_an_error_of_the_database_repeats_nobodys_address(lab: Lab) -> None:
    async with lab.resources.begin(SYSTEM) as work:
        query = text("SELECT no_such FROM assets WHERE tag = :user")
        with pytest.raises(Exception, match="no_such") as told:
            await work.session.execute(query, {"user": "kai.moreno@pupils.fir.example"})
        assert "kai.moreno" not in str(told.value)


async def test_what_hangs_on_records_is_found_by_an_index(lab: Lab) -> None:
    """Deleting a connection with all its records looks once a record for each of these."""
    found = await lab.rows(
        """
        SELECT c.conrelid::regclass::text AS holder, a.attname AS name,
            EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indkey[0] = a.attnum
                AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname
                    || ' IS NOT NULL)')) AS indexed
        FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid = 'mdm_records'::regclass
        """
    )
    assert {row.holder: row.indexed for row in found} == {"mdm_reviews": True, "mdm_commands": True}


async def test_a_list_without_a_page_is_an_empty_list(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Staging, vendor: Any, since: Any) -> None:
        pass

    google(lab)
    monkeypatch.setattr(Staging, "run", nothing)
    run = await lab.sync(await lab.google())
    assert (state(run), run.counts["listed"]) == ("complete", 0)
