"""The history of the network: where each number stands, keeping samples, and reading them for graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from psycopg import AsyncConnection
from pydantic import Field
from sqlalchemy import ColumnElement, Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection as Connection
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import Invalid, NotFound, require
from service.core.fields import Clean, Input, Instant
from service.core.settings import settings
from service.core.work import Eyes
from service.monitoring.access import SEES, may_see_network
from service.monitoring.history_models import DAYS, HOURS, SAMPLES
from service.monitoring.models import NetworkDevice, NetworkSeries, NetworkWatch
from service.monitoring.partitions import make_partitions
from service.monitoring.points import MOST_POINTS, Point, on_grid, with_gaps
from service.monitoring.samples import Sample, packed

Named = tuple[str, str, str]
Positions = dict[tuple[str, str], int]
MOST_SERIES = 8_000
LONGEST_NAME = 500
MOST_INSTANCES = 64
RAW_SPAN = timedelta(hours=48)

_KNOWN = text("SELECT device_id, metric, instance, position FROM network_series WHERE device_id = ANY(:ids)")
_LOCK = text("SELECT id FROM network_devices WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
_APPEND = text(
    """
    INSERT INTO network_series (device_id, position, metric, instance, unit)
    SELECT device_id, position, metric, instance, unit FROM (
        SELECT w.*, coalesce(most.position, 0)
            + row_number() OVER (PARTITION BY w.device_id ORDER BY w.n) AS position
        FROM unnest(CAST(:devices AS bigint[]), CAST(:metrics AS text[]), CAST(:instances AS text[]),
            CAST(:units AS text[])) WITH ORDINALITY AS w(device_id, metric, instance, unit, n)
        LEFT JOIN LATERAL (
            SELECT max(s.position) AS position FROM network_series AS s WHERE s.device_id = w.device_id
        ) AS most ON true
        WHERE NOT EXISTS (SELECT FROM network_series AS s
            WHERE s.device_id = w.device_id AND s.metric = w.metric AND s.instance = w.instance)
    ) AS appended
    WHERE position <= :most
    """
)


async def ensure_series(
    db: AsyncSession | Connection, wanted: Mapping[int, Sequence[Named]]
) -> dict[int, Positions]:
    """Where each (metric, instance, unit) of each device stands in its samples, from 1; new ones come last.

    In the caller's transaction, which keeps others from appending to the same devices until it ends: a
    position that it rolls back was never given. A name past 500 characters, or a device's 8,001st, gets none.
    """
    known = await _positions(db, wanted)
    missing = [
        (device_id, *named)
        for device_id, given in wanted.items()
        for named in _distinct(given)
        if named[:2] not in known.get(device_id, {})
    ]
    if missing and await _append(db, missing):
        known = await _positions(db, wanted)
    return {
        device_id: {key: found[key] for metric, instance, _ in given if (key := (metric, instance)) in found}
        for device_id, given in wanted.items()
        if (found := known.get(device_id)) is not None
    }


def _distinct(given: Sequence[Named]) -> list[Named]:
    """Each metric of an instance once, where its names can be kept."""
    names = {
        (metric, instance): unit
        for metric, instance, unit in given
        if len(metric) + len(instance) <= LONGEST_NAME and "\x00" not in metric + instance
    }
    return [(*key, unit) for key, unit in names.items()]


async def _positions(db: AsyncSession | Connection, wanted: Mapping[int, Any]) -> dict[int, Positions]:
    found: dict[int, Positions] = {}
    for device_id, metric, instance, position in await db.execute(_KNOWN, {"ids": list(wanted)}):
        found.setdefault(device_id, {})[metric, instance] = position
    return found


async def _append(db: AsyncSession | Connection, missing: Sequence[tuple[int, str, str, str]]) -> bool:
    """Whoever holds a device's row appends to it, the next one sees it; a device that is gone gets none."""
    ids = sorted({row[0] for row in missing})
    locked = {row[0] for row in await db.execute(_LOCK, {"ids": ids})}
    rows = [row for row in missing if row[0] in locked]
    if not rows:
        return False
    devices, metrics, instances, units = (list(column) for column in zip(*rows, strict=True))
    arrays = {"devices": devices, "metrics": metrics, "instances": instances, "units": units}
    await db.execute(_APPEND, arrays | {"most": MOST_SERIES})
    return True


async def store_samples(raw: AsyncConnection[Any], rows: Sequence[Sample]) -> None:
    """Keep (device, instant, numbers by position) in the caller's transaction, all rows in one COPY.

    A day without its partition gets one here. A row without numbers is left out.
    """
    kept = [row for row in rows if row[2]]
    if not kept:
        return
    await make_partitions(raw, {at.astimezone(UTC).date() for _, at, _ in kept})
    async with (
        raw.cursor() as cursor,
        cursor.copy('COPY network_samples (device_id, at, "values") FROM STDIN (FORMAT BINARY)') as copy,
    ):
        await copy.write(packed(kept))


class Step(StrEnum):
    """How fine a history is told."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


ROLLED: dict[Step, tuple[Table, timedelta]] = {
    Step.HOUR: (HOURS, timedelta(hours=1)),
    Step.DAY: (DAYS, timedelta(days=1)),
}
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), Clean]
Instance = Annotated[str, Field(max_length=LONGEST_NAME), Clean]


class MetricsQuery(Input):
    """What is asked of a device's metrics."""

    metric: Name | None = Field(None, description="Only this one.")


class HistoryQuery(Input):
    """A metric of a device over a span of time."""

    metric: Name = Field(description="A metric that the device has.", examples=["cpu.percent"])
    instance: list[Instance] = Field(
        default_factory=list, max_length=MOST_INSTANCES, description="Which of it (ports, sensors); else all."
    )
    since: Instant | None = Field(None, alias="from", description="From here on; else a day before `until`.")
    until: Instant | None = Field(None, description="Before this; else until now.")
    step: Step | None = Field(
        None, description="Every sample, hours or days; else what suits the span and is still kept."
    )


@dataclass(frozen=True, slots=True)
class Drawn:
    """One instance's points: when, mean, least, most; nulls where nothing was measured."""

    instance: str
    unit: str
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Graph:
    device_id: int
    metric: str
    step: Step
    since: datetime
    until: datetime
    series: list[Drawn]


async def metrics_of(eyes: Eyes, device_id: int, wanted: MetricsQuery | None = None) -> list[dict[str, Any]]:
    """What is measured of a device, with the last values: metric, instance, unit, last_value, last_at."""
    require(may_see_network(eyes.actor), SEES)
    at = await _answered_at(eyes, device_id)
    query = (
        select(
            NetworkSeries.metric,
            NetworkSeries.instance,
            NetworkSeries.unit,
            NetworkWatch.last_values[NetworkSeries.position].label("last_value"),
        )
        .join(NetworkWatch, NetworkWatch.device_id == NetworkSeries.device_id)
        .where(NetworkSeries.device_id == device_id)
        .order_by(NetworkSeries.metric, NetworkSeries.position)
    )
    if wanted is not None and wanted.metric is not None:
        query = query.where(NetworkSeries.metric == wanted.metric)
    return [
        {**row._mapping, "last_at": at if row.last_value is not None else None}
        for row in await eyes.db.execute(query)
    ]


async def _answered_at(eyes: Eyes, device_id: int) -> datetime | None:
    """When the device was last read; NotFound where there is none such."""
    query = (
        select(NetworkDevice.id, NetworkWatch.answered_at)
        .outerjoin(NetworkWatch, NetworkWatch.device_id == NetworkDevice.id)
        .where(NetworkDevice.id == device_id)
    )
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such device.")
    at: datetime | None = row.answered_at
    return at


async def history(eyes: Eyes, device_id: int, wanted: HistoryQuery) -> Graph:
    """Points for graphs: at most 2,000 an instance, nulls where nothing was measured, nothing made up."""
    require(may_see_network(eyes.actor), SEES)
    await _answered_at(eyes, device_id)
    until = wanted.until or eyes.now
    since = wanted.since or until - timedelta(days=1)
    step = step_for(since, until, eyes.now, wanted.step)
    series = await _series(eyes, device_id, wanted)
    if step is Step.RAW:
        drawn = await _raw(eyes, device_id, series, since, until)
    else:
        drawn = await _rolled(eyes, device_id, series, since, until, step)
    return Graph(device_id, wanted.metric, step, since, until, drawn)


def step_for(since: datetime, until: datetime, now: datetime, wanted: Step | None) -> Step:
    """The step that was asked for, if it fits the span; else the finest that does and is still kept."""
    span = until - since
    if span <= timedelta(0):
        raise Invalid.field("from", "`from` must lie before `until`.", "bad_span")
    if wanted is None:
        kept = settings()
        if span <= RAW_SPAN and since >= now - timedelta(days=kept.sample_days):
            return Step.RAW
        whole_hours = span <= MOST_POINTS * timedelta(hours=1)
        wanted = Step.HOUR if whole_hours and since >= now - timedelta(days=kept.hourly_days) else Step.DAY
    most = RAW_SPAN if wanted is Step.RAW else ROLLED[wanted][1] * (MOST_POINTS - 1)
    if span > most:
        raise Invalid.field("step", f"That is too fine for so long: at most {most.days} days.", "too_fine")
    return wanted


async def _series(eyes: Eyes, device_id: int, wanted: HistoryQuery) -> Sequence[Any]:
    query = select(NetworkSeries.position, NetworkSeries.instance, NetworkSeries.unit).where(
        NetworkSeries.device_id == device_id, NetworkSeries.metric == wanted.metric
    )
    if wanted.instance:
        query = query.where(NetworkSeries.instance.in_(wanted.instance))
    rows = (await eyes.db.execute(query.order_by(NetworkSeries.position).limit(MOST_INSTANCES + 1))).all()
    if not rows:
        raise NotFound("This device has no such metric.")
    if len(rows) > MOST_INSTANCES:
        raise Invalid.field(
            "instance", f"This metric has more than {MOST_INSTANCES} instances. Name the ones you want."
        )
    return rows


async def _rows(
    eyes: Eyes, table: Table, device_id: int, columns: Sequence[ColumnElement[Any]], span: tuple[Any, Any]
) -> Sequence[Any]:
    """A device's rows of a span, oldest first: one range of one index in each partition that it touches."""
    at = table.c.at
    query = select(at, *columns).where(table.c.device_id == device_id, at >= span[0], at < span[1])
    return (await eyes.db.execute(query.order_by(at))).all()


async def _raw(
    eyes: Eyes, device_id: int, series: Sequence[Any], since: datetime, until: datetime
) -> list[Drawn]:
    columns = [SAMPLES.c["values"][each.position] for each in series]
    rows = await _rows(eyes, SAMPLES, device_id, columns, (since, until))
    return [
        Drawn(each.instance, each.unit, with_gaps([(row[0], row[n], row[n], row[n]) for row in rows]))
        for n, each in enumerate(series, start=1)
    ]


async def _rolled(
    eyes: Eyes, device_id: int, series: Sequence[Any], since: datetime, until: datetime, step: Step
) -> list[Drawn]:
    table, width = ROLLED[step]
    columns = [table.c[name][each.position] for each in series for name in ("mean", "least", "most")]
    first = since - (since - datetime.min.replace(tzinfo=UTC)) % width
    until = min(until, eyes.now)
    rows = await _rows(eyes, table, device_id, columns, (first, until))
    return [
        Drawn(
            each.instance,
            each.unit,
            on_grid([(row[0], *row[n : n + 3]) for row in rows], first, until, width),
        )
        for n, each in zip(range(1, 3 * len(series), 3), series, strict=True)
    ]
