"""Partitions of the samples on a live database: several makers, readers in the way, what a graph reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from integrations.snmp.reading import DeviceKind
from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.work import Resources
from service.monitoring import keeping, partitions
from service.monitoring.exposition import exposition
from service.monitoring.history import HistoryQuery, ensure_series, history, store_samples
from service.monitoring.models import NetworkDevice, ReachBy
from tests import makers

THEN = datetime(2019, 3, 1, 12, tzinfo=UTC)
LATER = THEN + timedelta(days=50)
DAY = timedelta(days=1)


class Desk:
    """A database, a clock to be set, and devices that are gone afterwards."""

    def __init__(self, url: str) -> None:
        self.resources = Resources(make_engine(url, pool=8))
        self.at(THEN)

    def at(self, now: datetime) -> None:
        self.resources.clock = lambda: now

    async def device(self) -> int:
        async with self.resources.begin(SYSTEM) as work:
            device = NetworkDevice(
                name=makers.unique("watched"), address=makers.unique("127.0.1"), port=161,
                kind=DeviceKind.SWITCH, profile="switch", reach_by=ReachBy.SNMP, created_at=work.now,
            )  # fmt: skip
            work.session.add(device)
            await work.session.flush()
            return device.id

    async def store(self, device_id: int, *at: datetime) -> None:
        async with self.resources.begin(SYSTEM) as work:
            await store_samples(await raw_of(work.connection), [(device_id, each, [1.0]) for each in at])

    async def stored(self, device_id: int) -> list[datetime]:
        query = text("SELECT at FROM network_samples WHERE device_id = :d ORDER BY at")
        async with self.resources.read(SYSTEM) as read:
            return list((await read.db.execute(query, {"d": device_id})).scalars())

    async def days(self) -> list[date]:
        async with self.resources.read(SYSTEM) as read:
            there = await partitions.partitions(await raw_of(read.db))
        return [partition.day for partition in there if partition.day.year == 2019]


async def raw_of(connection: AsyncConnection | None) -> psycopg.AsyncConnection[Any]:
    assert connection is not None
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    return raw


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    made = Desk(database_url)
    try:
        yield made
        made.at(datetime(2020, 6, 1, tzinfo=UTC))
        await keeping.keep_partitions(made.resources)
        async with made.resources.begin(SYSTEM) as work:
            mine = NetworkDevice.name.startswith("watched-")
            await work.session.execute(delete(NetworkDevice).where(mine))
            await work.session.execute(text("DROP TABLE IF EXISTS network_samples_20200531"))
            for n in range(4):
                await work.session.execute(text(f"DROP TABLE IF EXISTS network_samples_2020060{n + 1}"))
    finally:
        await made.resources.close()


async def test_days_are_made_ahead_and_dropped_when_they_are_old(desk: Desk) -> None:
    device = await desk.device()
    made, dropped = await keeping.keep_partitions(desk.resources)
    ahead = [THEN.date() + n * DAY for n in range(-1, 4)]
    assert (made, dropped) == (ahead, [])
    assert await keeping.keep_partitions(desk.resources) == ([], [])
    young = LATER - timedelta(days=30)
    await desk.store(device, THEN, young - DAY, young)
    desk.at(LATER)
    made, dropped = await keeping.keep_partitions(desk.resources)
    assert made == [LATER.date() + n * DAY for n in range(-1, 4)]
    assert dropped == [*ahead, (young - DAY).date()]
    assert await desk.days() == [young.date(), *made]
    assert await desk.stored(device) == [young]


async def test_workers_that_keep_partitions_at_once_do_it_once(desk: Desk) -> None:
    for now, wanted in ((THEN, 0), (LATER, 5)):
        desk.at(now)
        answers = await asyncio.gather(*(keeping.keep_partitions(desk.resources) for _ in range(5)))
        assert sorted(day for made, _ in answers for day in made) == [
            now.date() + n * DAY for n in range(-1, 4)
        ]
        assert sum(len(dropped) for _, dropped in answers) == wanted


async def test_polls_that_miss_the_same_day_at_once_all_keep_their_samples(desk: Desk) -> None:
    device = await desk.device()
    at = [THEN + timedelta(days=n % 2, seconds=n) for n in range(6)]
    await asyncio.gather(*(desk.store(device, each) for each in at))
    assert await desk.stored(device) == sorted(at)
    assert await desk.days() == [THEN.date(), THEN.date() + DAY]


async def test_making_days_stops_no_writer_and_no_writer_stops_it(desk: Desk) -> None:
    device = await desk.device()
    await keeping.keep_partitions(desk.resources)
    async with desk.resources.begin(SYSTEM) as work:
        await store_samples(await raw_of(work.connection), [(device, THEN, [1.0])])
        desk.at(THEN + 2 * DAY)
        made, _ = await asyncio.wait_for(keeping.keep_partitions(desk.resources), 5)
        assert made == [THEN.date() + n * DAY for n in (4, 5)]
        await asyncio.wait_for(desk.store(device, THEN + DAY), 5)
        await store_samples(await raw_of(work.connection), [(device, THEN + 2 * DAY, [1.0])])
    assert await desk.stored(device) == [THEN, THEN + DAY, THEN + 2 * DAY]


async def test_a_long_reader_holds_a_drop_up_and_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await desk.device()
    await desk.store(device, THEN, THEN + DAY)
    monkeypatch.setattr(partitions, "PATIENCE", "150ms")
    desk.at(LATER)
    async with desk.resources.begin(SYSTEM) as reader:
        await reader.session.execute(text("SELECT count(*) FROM network_samples"))
        made, dropped = await keeping.keep_partitions(desk.resources)
        assert (len(made), dropped) == (5, [])
        async with desk.resources.read(SYSTEM) as read:
            there = await partitions.partitions(await raw_of(read.db))
        assert [p.half_detached for p in there if p.day.month == 3] == [True, False]
        await asyncio.wait_for(desk.store(device, LATER), 5)
        assert await asyncio.wait_for(desk.stored(device), 5) == [THEN + DAY, LATER]
        assert (await keeping.keep_partitions(desk.resources))[1] == []
    assert (await keeping.keep_partitions(desk.resources))[1] == [THEN.date(), THEN.date() + DAY]
    assert await desk.days() == made
    async with desk.resources.read(SYSTEM) as read:
        assert (await read.db.execute(text("SHOW lock_timeout"))).scalar_one() == "0"


async def test_a_day_that_was_detached_and_not_dropped_is_dropped(desk: Desk) -> None:
    await keeping.keep_partitions(desk.resources)
    async with desk.resources.begin(SYSTEM) as work:
        name = partitions.name_of(THEN.date())
        await work.session.execute(text(f"ALTER TABLE network_samples DETACH PARTITION {name}"))
    desk.at(LATER)
    assert len((await keeping.keep_partitions(desk.resources))[1]) == 5
    assert THEN.date() not in await desk.days()


async def test_polls_that_name_new_numbers_at_once_give_each_a_place_of_its_own(desk: Desk) -> None:
    one, other = await desk.device(), await desk.device()

    async def place(n: int) -> dict[int, dict[tuple[str, str], int]]:
        wanted = [("fan", str(n), "rpm"), ("fan", "shared", "rpm")]
        async with desk.resources.begin(SYSTEM) as work:
            given = {one: wanted, other: wanted} if n % 2 else {other: wanted, one: wanted}
            return await ensure_series(work.db, given)

    answers = await asyncio.gather(*(place(n) for n in range(6)))
    for device in (one, other):
        places = {key: position for answer in answers for key, position in answer[device].items()}
        assert sorted(places.values()) == list(range(1, 8))
        assert {answer[device]["fan", "shared"] for answer in answers} == {places["fan", "shared"]}


async def test_the_jobs_do_not_stand_in_one_transaction(desk: Desk) -> None:
    device = await desk.device()
    desk.at(THEN.replace(hour=13, minute=5))
    await desk.store(device, THEN, THEN + timedelta(minutes=5), THEN + timedelta(minutes=62))
    assert await keeping.roll_up_recent(desk.resources) == 3
    assert await keeping.roll_up_recent(desk.resources) == 0
    query = text("SELECT array_agg(n ORDER BY at) FROM network_hours WHERE device_id = :d")
    async with desk.resources.read(SYSTEM) as read:
        assert (await read.db.execute(query, {"d": device})).scalar_one() == [2, 1]
    desk.at(THEN + timedelta(days=401))
    assert await keeping.forget_roll_ups(desk.resources) == 2


async def test_a_graph_reads_its_range_of_one_index_and_no_other_day(desk: Desk) -> None:
    """5,760 rows in five days: 20 devices, a sample each 25 minutes, 24 numbers."""
    await keeping.keep_partitions(desk.resources)
    device = await desk.device()
    fill = """
        INSERT INTO network_samples
        SELECT :d + d, t, array_fill(d::real, ARRAY[24])
        FROM generate_series(0, 19) AS d,
            generate_series(CAST(:since AS timestamptz), :until, interval '25 minutes') AS t
    """
    since = THEN.replace(hour=0) - DAY
    async with desk.resources.begin(SYSTEM) as work:
        span = {"d": device, "since": since, "until": since + 5 * DAY - timedelta(minutes=1)}
        assert (await work.session.execute(text(fill), span)).rowcount == 5_760
        await ensure_series(work.db, {device: [("fan", str(n), "rpm") for n in range(24)]})
    async with desk.resources.read(SYSTEM, now=THEN) as read:
        await read.db.execute(text("ANALYZE network_samples"))
        with statements(desk.resources.engine) as run:
            wanted = {"metric": "fan", "from": THEN, "until": THEN + timedelta(hours=6)}
            graph = await history(read, device, HistoryQuery.model_validate(wanted))
        assert [len(line.points) for line in graph.series] == [14] * 24
        (statement, values) = run[-1]
        explained = await (await raw_of(read.db)).execute(f"EXPLAIN {statement}", values)
        plan = "\n".join(row[0] for row in await explained.fetchall())
    assert "Index Scan using network_samples_20190301_device_id_at_idx" in plan
    assert "Seq Scan" not in plan
    assert "20190228" not in plan
    assert "20190302" not in plan
    assert len(run) == 3


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database in between."""
    asked: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(engine.sync_engine, "before_cursor_execute", hear)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", hear)


async def test_the_page_for_prometheus_takes_five_queries(desk: Desk) -> None:
    async with desk.resources.read(SYSTEM) as read:
        with statements(desk.resources.engine) as run:
            await exposition(read)
    assert len(run) == 5
