"""The history of the network: places of numbers, samples in partitions, roll-ups, graphs, Prometheus."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select, text

from integrations.snmp.reading import DeviceKind
from service.core.actor import Role, Scope
from service.core.errors import Forbidden, Invalid, NotFound
from service.core.work import Work
from service.monitoring import partitions, rollups
from service.monitoring.exposition import ExpositionQuery, exposition
from service.monitoring.history import (
    HistoryQuery,
    MetricsQuery,
    Step,
    ensure_series,
    history,
    metrics_of,
    step_for,
    store_samples,
)
from service.monitoring.history_models import DAYS, HOURS, SAMPLES
from service.monitoring.models import (
    FaultState,
    NetworkDevice,
    NetworkFault,
    NetworkSeries,
    NetworkWatch,
    ReachBy,
    ReachState,
    SnmpState,
)
from service.monitoring.points import on_grid, with_gaps
from service.monitoring.samples import HEADER, TRAILER, packed
from tests import makers
from tests.conftest import NOW

HOUR = NOW.replace(minute=0)
CPU = ("cpu.percent", "", "%")
FAN = ("fan", "1", "rpm")
FIVE = timedelta(minutes=5)


async def make_device(work: Work, **given: Any) -> NetworkDevice:
    given.setdefault("name", makers.unique("switch"))
    device = NetworkDevice(
        address=makers.unique("127.0.0"), port=161, kind=DeviceKind.SWITCH, profile="switch",
        reach_by=ReachBy.ICMP, created_at=work.now, **given,
    )  # fmt: skip
    work.session.add(device)
    await work.session.flush()
    return device


async def raw_of(work: Work) -> psycopg.AsyncConnection[Any]:
    raw = (await (await work.session.connection()).get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    return raw


async def store(work: Work, device_id: int, *samples: tuple[datetime, list[float | None]]) -> None:
    await store_samples(await raw_of(work), [(device_id, at, values) for at, values in samples])


async def rows_of(work: Work, table: Any, device_id: int) -> list[tuple[Any, ...]]:
    columns = [column for column in table.c if column.name != "device_id"]
    query = select(*columns).where(table.c.device_id == device_id).order_by(table.c.at)
    return [tuple(row) for row in await work.session.execute(query)]


# Where each number stands


async def test_numbers_keep_their_places_and_new_ones_come_last(work: Work) -> None:
    device = await make_device(work)
    first = await ensure_series(work.session, {device.id: [CPU, ("port.in", "Gi1/1", "bit/s")]})
    again = await ensure_series(work.session, {device.id: [("port.in", "Gi1/2", "bit/s"), CPU]})
    assert first == {device.id: {("cpu.percent", ""): 1, ("port.in", "Gi1/1"): 2}}
    assert again == {device.id: {("port.in", "Gi1/2"): 3, ("cpu.percent", ""): 1}}
    units = select(NetworkSeries.unit).where(NetworkSeries.device_id == device.id)
    assert (await work.session.scalars(units.order_by(NetworkSeries.position))).all() == [
        "%",
        "bit/s",
        "bit/s",
    ]


async def test_many_devices_are_placed_by_themselves_and_twice_the_same_is_once(work: Work) -> None:
    one, other = await make_device(work), await make_device(work)
    await ensure_series(work.session, {one.id: [CPU]})
    gone = other.id + 1_000_000
    placed = await ensure_series(
        work.session,
        {
            one.id: [("fan", "1", "rpm"), ("fan", "1", "rpm")],
            other.id: [CPU, ("fan", "1", "rpm")],
            gone: [CPU],
        },
    )
    assert placed == {
        one.id: {("fan", "1"): 2},
        other.id: {("cpu.percent", ""): 1, ("fan", "1"): 2},
    }


async def test_a_name_that_cannot_be_kept_gets_no_place(work: Work) -> None:
    device = await make_device(work)
    wanted = [("fan", "x" * 600, "rpm"), ("fan", "a\x00b", "rpm"), CPU]
    placed = await ensure_series(work.session, {device.id: wanted})
    assert placed == {device.id: {("cpu.percent", ""): 1}}


# Samples


async def test_a_sample_comes_back_as_it_was_and_makes_its_partition(work: Work) -> None:
    device = await make_device(work)
    at = datetime(2031, 5, 4, 23, 59, 59, 999_999, tzinfo=UTC)
    await store(work, device.id, (at, [1.5, None, -3.25, 0.0]), (at + FIVE, [None]), (at, []))
    assert await rows_of(work, SAMPLES, device.id) == [(at, [1.5, None, -3.25, 0.0]), (at + FIVE, [None])]
    query = "SELECT DISTINCT tableoid::regclass::text FROM network_samples WHERE device_id = :d ORDER BY 1"
    lying = (await work.session.execute(text(query), {"d": device.id})).scalars().all()
    assert lying == ["network_samples_20310504", "network_samples_20310505"]


async def test_what_is_no_number_is_kept_as_not_measured(work: Work) -> None:
    device = await make_device(work)
    await store(
        work, device.id, (NOW, [math.nan, math.inf, -math.inf, 1e39, 3.0, None]), (NOW, [math.inf, 1.0])
    )
    rows = [row[1] for row in await rows_of(work, SAMPLES, device.id)]
    assert rows == [[None, None, None, None, 3.0, None], [None, 1.0]]


@given(
    st.lists(st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9)
)
def test_the_binary_form_says_what_postgres_reads(values: list[float | None]) -> None:
    whole = packed([(7, NOW, values)])
    row = whole[len(HEADER) : -len(TRAILER)]
    fields, _, device, _, ticks, size, ndim, nulls, oid, length, low = struct.unpack(">hiqiqiiiiii", row[:50])
    assert (fields, device, ndim, oid, length, low) == (3, 7, 1, 700, len(values), 1)
    assert (size, nulls) == (len(row) - 30, None in values)
    assert datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks) == NOW
    told, at = [], 50
    for _ in values:
        (bytes_,) = struct.unpack(">i", row[at : at + 4])
        told.append(None if bytes_ == -1 else struct.unpack(">f", row[at + 4 : at + 8])[0])
        at += 4 if bytes_ == -1 else 8
    assert (told, at) == (values, len(row))


async def test_making_partitions_leaves_the_callers_wait_for_locks_as_it_was(work: Work) -> None:
    raw = await raw_of(work)
    await raw.execute("SET LOCAL lock_timeout = '77s'")
    days = [date(2031, 6, 1), date(2031, 6, 2)]
    assert await partitions.make_partitions(raw, days) == days
    assert await partitions.make_partitions(raw, days) == []
    assert await (await raw.execute("SHOW lock_timeout")).fetchone() == ("77s",)


# Roll-ups


async def rolled(work: Work, since: datetime, until: datetime, **given: Any) -> int:
    return await rollups.roll_up(await work.session.connection(), since, until, **given)


async def test_an_hour_tells_least_mean_and_most_of_each_number(work: Work) -> None:
    device = await make_device(work)
    await store(
        work, device.id, (HOUR, [10, None]), (HOUR + FIVE, [20, 4.0]), (HOUR + 2 * FIVE, [60, None, 7])
    )
    assert await rolled(work, HOUR, NOW + FIVE) >= 2
    assert await rows_of(work, HOURS, device.id) == [
        (HOUR, 3, [10.0, 4.0, 7.0], [30.0, 4.0, 7.0], [60.0, 4.0, 7.0])
    ]
    day = HOUR.replace(hour=0)
    assert await rows_of(work, DAYS, device.id) == [
        (day, 3, [10.0, 4.0, 7.0], [30.0, 4.0, 7.0], [60.0, 4.0, 7.0])
    ]


async def test_a_day_weighs_its_hours_by_their_samples(work: Work) -> None:
    device = await make_device(work)
    early = HOUR - timedelta(hours=2)
    samples = [(early, [0, None]), (HOUR, [8, 1]), (HOUR + FIVE, [8, 1]), (HOUR + 2 * FIVE, [8, 1])]
    await store(work, device.id, *samples)
    await rolled(work, early, NOW + FIVE)
    assert await rows_of(work, DAYS, device.id) == [
        (HOUR.replace(hour=0), 4, [0.0, 1.0], [6.0, 1.0], [8.0, 1.0])
    ]


async def test_only_what_changed_is_rolled_up_again_and_late_samples_count(work: Work) -> None:
    device = await make_device(work)
    early = HOUR - timedelta(hours=5)
    await store(work, device.id, (early, [1]), (HOUR, [5]))
    assert await rolled(work, early, NOW + FIVE) == 3
    assert await rolled(work, early, NOW + FIVE) == 0
    await store(work, device.id, (early + FIVE, [3]))
    assert await rolled(work, early, NOW + FIVE) == 2
    assert [(row[1], row[3]) for row in await rows_of(work, HOURS, device.id)] == [(2, [2.0]), (1, [5.0])]
    assert [(row[1], row[3]) for row in await rows_of(work, DAYS, device.id)] == [(3, [3.0])]


async def test_days_wait_for_the_run_that_rolls_them(work: Work) -> None:
    device = await make_device(work)
    await store(work, device.id, (HOUR, [1]))
    assert await rolled(work, HOUR, NOW + FIVE, days=False) == 1
    assert await rows_of(work, DAYS, device.id) == []
    assert await rolled(work, HOUR - timedelta(hours=30), NOW + FIVE) == 1
    assert len(await rows_of(work, DAYS, device.id)) == 1


def test_a_run_looks_back_as_far_as_its_minute_says() -> None:
    assert rollups.look_back(NOW.replace(minute=20)) == timedelta(hours=2)
    assert rollups.look_back(NOW.replace(minute=0)) == timedelta(hours=48)
    assert rollups.look_back(NOW.replace(hour=3, minute=0)) == timedelta(days=30)


async def test_old_roll_ups_and_those_of_devices_that_are_gone_are_forgotten(work: Work) -> None:
    device = await make_device(work)
    gone = device.id + 1_000_000
    for table, days in ((HOURS, 400), (DAYS, 1826)):
        for owner, at in (
            (device.id, NOW - timedelta(days=days, hours=1)),
            (device.id, NOW - timedelta(days=days, hours=-1)),
            (gone, NOW),
        ):
            row = {"device_id": owner, "at": at, "n": 1, "least": [1], "mean": [1], "most": [1]}
            await work.session.execute(table.insert().values(row))
    assert await rollups.forget_roll_ups(await work.session.connection(), NOW) == 4
    for table, days in ((HOURS, 400), (DAYS, 1826)):
        kept = [row[0] for row in await rows_of(work, table, device.id)]
        assert kept == [NOW - timedelta(days=days, hours=-1)]
        assert await rows_of(work, table, gone) == []


# Graphs


async def watched(work: Work, device: NetworkDevice, **given: Any) -> NetworkWatch:
    given.setdefault("reach", ReachState.UP)
    given.setdefault("snmp", SnmpState.OK)
    given.setdefault("memory", {})
    watch = NetworkWatch(device_id=device.id, **given)
    work.session.add(watch)
    await work.session.flush()
    return watch


async def test_what_is_measured_is_told_with_its_last_value(work: Work) -> None:
    device = await make_device(work)
    await ensure_series(
        work.session, {device.id: [("port.in", "Gi1/1", "bit/s"), CPU, ("port.in", "Gi1/2", "bit/s")]}
    )
    await watched(work, device, answered_at=NOW - FIVE, last_values=[1e10, 12.5])
    told = [tuple(row.values()) for row in await metrics_of(work, device.id)]
    assert told == [
        ("cpu.percent", "", "%", 12.5, NOW - FIVE),
        ("port.in", "Gi1/1", "bit/s", 1e10, NOW - FIVE),
        ("port.in", "Gi1/2", "bit/s", None, None),
    ]
    of_port = MetricsQuery(metric="port.in")
    assert [row["instance"] for row in await metrics_of(work, device.id, of_port)] == ["Gi1/1", "Gi1/2"]
    with pytest.raises(NotFound):
        await metrics_of(work, device.id + 1_000_000)


async def test_a_graph_of_samples_has_a_gap_where_some_are_missing(work: Work) -> None:
    device = await make_device(work)
    await ensure_series(work.session, {device.id: [CPU, FAN]})
    at = [NOW - n * FIVE for n in (9, 8, 7, 3, 2, 1)]
    await store(work, device.id, *((each, [float(n), None]) for n, each in enumerate(at)))
    graph = await history(work, device.id, HistoryQuery(metric="cpu.percent"))
    assert (graph.step, graph.since, graph.until) == (Step.RAW, NOW - timedelta(days=1), NOW)
    points = graph.series[0].points
    assert points[:3] == [(at[n], n, n, n) for n in range(3)]
    assert points[3] == (at[2] + FIVE, None, None, None)
    assert points[4:] == [(at[n], n, n, n) for n in range(3, 6)]
    fan = (await history(work, device.id, HistoryQuery(metric="fan"))).series[0].points
    assert {point[1:] for point in fan} == {(None, None, None)}


async def test_a_graph_of_hours_shows_each_hour_and_nothing_where_none_is(work: Work) -> None:
    device = await make_device(work)
    await ensure_series(work.session, {device.id: [FAN, CPU]})
    early = HOUR - timedelta(hours=3)
    await store(work, device.id, (early, [1.0, 10.0]), (early + FIVE, [1.0, 20.0]), (HOUR - FIVE, [1.0, 5.0]))
    await rolled(work, early, NOW + FIVE)
    span = {"from": early + FIVE, "until": NOW, "step": "hour"}
    graph = await history(work, device.id, HistoryQuery(metric="cpu.percent", **span))
    hour = timedelta(hours=1)
    assert graph.series[0].points == [
        (early, 15.0, 10.0, 20.0),
        (early + hour, None, None, None),
        (early + 2 * hour, 5.0, 5.0, 5.0),
    ]
    days = await history(work, device.id, HistoryQuery(metric="cpu.percent", **(span | {"step": "day"})))
    assert [point[1] for point in days.series[0].points] == [pytest.approx(35 / 3)]


async def test_several_instances_come_in_one_graph_and_no_more_than_64(work: Work) -> None:
    device = await make_device(work)
    ports = [f"Gi1/{n}" for n in range(65)]
    await ensure_series(work.session, {device.id: [("port.in", port, "bit/s") for port in ports]})
    await store(work, device.id, (NOW - FIVE, [float(n) for n in range(65)]))
    wanted = HistoryQuery(metric="port.in", instance=["Gi1/7", "Gi1/2", "none"])
    graph = await history(work, device.id, wanted)
    assert [(line.instance, line.points[0][1]) for line in graph.series] == [("Gi1/2", 2.0), ("Gi1/7", 7.0)]
    with pytest.raises(Invalid) as refused:
        await history(work, device.id, HistoryQuery(metric="port.in"))
    assert refused.value.fields[0].field == "instance"
    for missing in (HistoryQuery(metric="nothing"), HistoryQuery(metric="port.in", instance=["none"])):
        with pytest.raises(NotFound):
            await history(work, device.id, missing)


@pytest.mark.parametrize(
    ("ago", "span", "wanted", "step"),
    [
        (1, 1, None, Step.RAW),
        (2, 2, None, Step.RAW),
        (3, 3, None, Step.HOUR),
        (40, 1, None, Step.HOUR),
        (83, 83, None, Step.HOUR),
        (84, 84, None, Step.DAY),
        (500, 1, None, Step.DAY),
        (1, 1, Step.DAY, Step.DAY),
        (500, 1, Step.RAW, Step.RAW),
        (3, 3, Step.RAW, None),
        (84, 84, Step.HOUR, None),
        (2_100, 2_100, None, None),
        (1, 0, None, None),
    ],
)
def test_the_step_suits_the_span_and_what_is_kept(
    ago: int, span: int, wanted: Step | None, step: Step | None
) -> None:
    since = NOW - timedelta(days=ago)
    if step is not None:
        assert step_for(since, since + timedelta(days=span), NOW, wanted) is step
        return
    with pytest.raises(Invalid):
        step_for(since, since + timedelta(days=span), NOW, wanted)


@given(st.lists(st.integers(1, 4_000), min_size=0, max_size=60, unique=True), st.integers(6, 40))
def test_a_graph_never_has_too_many_points_and_keeps_its_extremes(at: list[int], most: int) -> None:
    samples = [(NOW + timedelta(seconds=n), float(n), float(n - 1), float(n + 1)) for n in sorted(at)]
    points = with_gaps(samples, most)
    assert len(points) <= most
    assert [point[0] for point in points] == sorted(point[0] for point in points)
    measured = [point for point in points if point[1] is not None]
    assert min((p[2] for p in measured), default=0) == min((s[2] for s in samples), default=0)
    assert max((p[3] for p in measured), default=0) == max((s[3] for s in samples), default=0)


def test_a_grid_ends_before_its_end() -> None:
    hour = timedelta(hours=1)
    assert [p[0] for p in on_grid([], HOUR, HOUR + 2 * hour, hour)] == [HOUR, HOUR + hour]
    assert len(on_grid([], HOUR, HOUR + 2 * hour + FIVE, hour)) == 3
    assert on_grid([], HOUR, HOUR - hour, hour) == []


async def test_only_the_desk_sees_the_history(work: Work) -> None:
    device = await make_device(work)
    await ensure_series(work.session, {device.id: [CPU]})
    for actor in (
        makers.as_actor(Role.STAFF),
        makers.as_actor(Role.TECHNICIAN, scopes=frozenset({Scope.TICKETS_READ})),
    ):
        theirs = Work(work.session, actor, work.now, work.shelf)
        with pytest.raises(Forbidden):
            await metrics_of(theirs, device.id)
        with pytest.raises(Forbidden):
            await history(theirs, device.id, HistoryQuery(metric="cpu.percent"))
        with pytest.raises(Forbidden):
            await exposition(theirs)


# Prometheus


def read_by_prometheus(page: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Name, then labels, then value, as the client's own parser reads the text; each name only once."""
    families = list(text_string_to_metric_families(page.decode()))
    assert len({family.name for family in families}) == len(families)
    assert {family.type for family in families} <= {"gauge"}
    assert all(family.documentation for family in families)
    return {
        family.name.removeprefix("firstbell_network_"): {
            tuple(value for name, value in sample.labels.items() if name != "device"): sample.value
            for sample in family.samples
        }
        for family in families
    }


async def test_prometheus_reads_the_last_values(work: Work) -> None:
    school = await makers.make_school(work)
    odd = await make_device(work, name='Lab "2"\\\n', school_id=school.id)
    plain, stale, silent = [await make_device(work, name=name) for name in ("plain", "stale", "silent")]
    await ensure_series(
        work.session, {d.id: [("port.in", 'a"\\', "bit/s"), CPU] for d in (odd, plain, stale)}
    )
    ago = timedelta(minutes=14)
    await watched(work, odd, answered_at=NOW - ago, polled_at=NOW - ago, last_values=[1e10, 12.5])
    await watched(
        work, plain, answered_at=NOW, polled_at=NOW, last_values=[None, 0.25], reach=ReachState.ASLEEP
    )
    await watched(work, stale, answered_at=NOW - 4 * FIVE, polled_at=NOW, last_values=[1.0, 2.0],
                  snmp=SnmpState.SILENT, reach=ReachState.DOWN)  # fmt: skip
    await watched(work, silent, snmp=SnmpState.UNKNOWN, reach=ReachState.UNKNOWN)
    faults = [("port", "1", FaultState.OPEN, None), ("port", "2", FaultState.OPEN, None),
              ("port", "3", FaultState.HELD, None), ("port", "4", FaultState.RECOVERED, NOW)]  # fmt: skip
    for check, instance, state, resolved_at in faults:
        work.session.add(
            NetworkFault(
                device_id=stale.id,
                check=check,
                instance=instance,
                state=state,
                evidence={},
                since=NOW,
                opened_at=NOW,
                resolved_at=resolved_at,
            )
        )
    await work.session.flush()
    page = await exposition(work)
    told = read_by_prometheus(page)
    there = ('Lab "2"\\\n', school.id)
    assert told["port_in"] == {(*there, 'a"\\'): 1e10}
    assert told["cpu_percent"] == {(*there, ""): 12.5, ("plain", "", ""): 0.25}
    assert told["up"] == {there: 1.0, ("plain", ""): 1.0, ("stale", ""): 0.0}
    assert told["snmp_up"] == {there: 1.0, ("plain", ""): 1.0, ("stale", ""): 0.0}
    assert told["last_poll_timestamp_seconds"][there] == (NOW - ago).timestamp()
    assert told["open_faults"] == {("stale", "", "open"): 2.0, ("stale", "", "held"): 1.0}
    assert b"# HELP firstbell_network_port_in port.in of the last poll, in bit/s.\n" in page
    of_school = read_by_prometheus(await exposition(work, ExpositionQuery(school_id=school.id)))
    assert {labels[:2] for values in of_school.values() for labels in values} == {there}


async def test_what_is_not_watched_is_not_told_and_like_names_are_one(work: Work) -> None:
    device, other = await make_device(work), await make_device(work, watched=False)
    named = [("disk.used", "1", "%"), ("disk_used", "2", "%")]
    await ensure_series(work.session, {device.id: named, other.id: named})
    for each in (device, other):
        await watched(work, each, answered_at=NOW, polled_at=NOW, last_values=[1.0, 2.0])
    told = read_by_prometheus(await exposition(work))
    assert told["disk_used"] == {(device.name, "", "1"): 1.0, (device.name, "", "2"): 2.0}
    assert await exposition(work, ExpositionQuery(school_id="nowhere")) == b""
