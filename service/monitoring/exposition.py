"""The last values of every device as Prometheus reads them: exposition format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
What devices count is kept as rates, so that every metric is a gauge.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Select, Text, case, extract, func, null, select, type_coerce

from service.core.errors import require
from service.core.fields import Input, Key
from service.core.work import Eyes
from service.monitoring.access import SEES, may_see_network
from service.monitoring.models import (
    NetworkDevice,
    NetworkFault,
    NetworkSeries,
    NetworkWatch,
    ReachState,
    SnmpState,
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH = timedelta(minutes=15)
ROWS_IN_A_BREATH = 5_000
PREFIX = "firstbell_network_"
NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
UP = "Whether the device is there: 1 reached or asleep, 0 down."
SNMP_UP = "Whether the device answers SNMP as it should."
POLLED = "When the device was last polled, in seconds since 1970."
FAULTS = "Faults that are not over, by state."


class ExpositionQuery(Input):
    """What is told; a large district is scraped school by school."""

    school_id: Key | None = Field(None, description="Only this school's devices.")


async def exposition(eyes: Eyes, wanted: ExpositionQuery | None = None) -> bytes:
    """Watched devices: whether they are up, their faults, and the values of the last poll while it is not
    older than 15 minutes. The lines of a metric stand together under one HELP and one TYPE.
    """
    require(may_see_network(eyes.actor), SEES)
    school_id = wanted.school_id if wanted is not None else None
    page = _Page()
    for name, help_text, query in (
        ("up", UP, _up()),
        ("snmp_up", SNMP_UP, _snmp_up()),
        ("last_poll_timestamp_seconds", POLLED, _polled()),
        ("open_faults", FAULTS, _faults()),
    ):
        rows = (await eyes.db.execute(_of_school(query, school_id))).all()
        await page.add(name, help_text, rows, "state")
    rows = (await eyes.db.execute(_of_school(_values(eyes.now), school_id))).all()
    for name, group in sorted(_by_name(rows).items()):
        help_text = f"{group[0].metric} of the last poll{_in(group[0].unit)}."
        await page.add(name, help_text, group, "instance")
    return page.whole()


def _of_school(query: Select[Any], school_id: str | None) -> Select[Any]:
    query = query.where(NetworkDevice.watched).order_by(NetworkDevice.id)
    return query if school_id is None else query.where(NetworkDevice.school_id == school_id)


def _device(label: ColumnElement[Any], value: ColumnElement[Any], *more: Any) -> Select[Any]:
    return select(
        NetworkDevice.id,
        NetworkDevice.name,
        NetworkDevice.school_id,
        label.label("label"),
        value.label("value"),
        *more,
    ).join(NetworkWatch, NetworkWatch.device_id == NetworkDevice.id)


def _up() -> Select[Any]:
    there = NetworkWatch.reach.in_((ReachState.UP, ReachState.ASLEEP))
    return _device(null(), case((there, 1), else_=0)).where(NetworkWatch.reach != ReachState.UNKNOWN)


def _snmp_up() -> Select[Any]:
    answers = case((NetworkWatch.snmp == SnmpState.OK, 1), else_=0)
    return _device(null(), answers).where(NetworkWatch.snmp != SnmpState.UNKNOWN)


def _polled() -> Select[Any]:
    seconds = extract("epoch", NetworkWatch.polled_at)
    return _device(null(), seconds).where(NetworkWatch.polled_at.is_not(None))


def _faults() -> Select[Any]:
    state = type_coerce(NetworkFault.state, NetworkFault.state.type)
    return (
        _device(state, func.count())
        .join(NetworkFault, NetworkFault.device_id == NetworkDevice.id)
        .where(NetworkFault.resolved_at.is_(None))
        .group_by(NetworkDevice.id, NetworkFault.state)
    )


def _values(now: datetime) -> Select[Any]:
    value = NetworkWatch.last_values[NetworkSeries.position]
    return (
        _device(type_coerce(NetworkSeries.instance, Text), value, NetworkSeries.metric, NetworkSeries.unit)
        .join(NetworkSeries, NetworkSeries.device_id == NetworkDevice.id)
        .where(NetworkWatch.answered_at >= now - FRESH, value.is_not(None))
    )


def _by_name(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Rows of each metric; names that are the same to Prometheus are one."""
    names = {metric: NOT_IN_A_NAME.sub("_", metric) for metric in {row.metric for row in rows}}
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(names[row.metric], []).append(row)
    return groups


def _in(unit: str) -> str:
    return f", in {unit}" if unit else ""


class _Page:
    """The text as it grows, and each device's labels, made once."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._labels: dict[int, str] = {}

    async def add(self, name: str, help_text: str, rows: Sequence[Any], label: str) -> None:
        """A metric with all its rows; none, no heading. Others of the process get their turn in between."""
        if not rows:
            return
        escaped = help_text.replace("\\", r"\\").replace("\n", r"\n")
        self._parts.append(f"# HELP {PREFIX}{name} {escaped}\n# TYPE {PREFIX}{name} gauge\n")
        for start in range(0, len(rows), ROWS_IN_A_BREATH):
            self._parts += [self._line(name, row, label) for row in rows[start : start + ROWS_IN_A_BREATH]]
            await asyncio.sleep(0)

    def whole(self) -> bytes:
        return "".join(self._parts).encode()

    def _line(self, name: str, row: Any, label: str) -> str:
        labels = self._labels.get(row.id) or self._labelled(row)
        if row.label is not None:
            labels += f',{label}="{_escaped(row.label)}"'
        return f"{PREFIX}{name}{{{labels}}} {float(row.value)!r}\n"

    def _labelled(self, row: Any) -> str:
        school = _escaped(row.school_id or "")
        made = f'device="{row.id}",name="{_escaped(row.name)}",school="{school}"'
        self._labels[row.id] = made
        return made


def _escaped(value: str) -> str:
    return value.translate(ESCAPES)
