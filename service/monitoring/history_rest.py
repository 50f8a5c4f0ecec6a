"""The history of the network over HTTP, and its last values for Prometheus."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from service.monitoring.exposition import MEDIA_TYPE, ExpositionQuery, exposition
from service.monitoring.history import Graph, HistoryQuery, MetricsQuery, Step, history, metrics_of
from service.web import Json, Reading, RowId, door, refusals

router = door("/network", "network")


class MetricOut(BaseModel):
    """What is measured, and what it was the last time."""

    metric: str = Field(examples=["cpu.percent"])
    instance: str = Field(description="Which of it: a port, a sensor; empty for the device itself.")
    unit: str
    last_value: float | None
    last_at: datetime | None


class DrawnOut(BaseModel):
    """One line of a graph. A point is `[at, mean, least, most]`; nulls are gaps."""

    instance: str
    unit: str
    points: list[tuple[datetime, float | None, float | None, float | None]]


class HistoryOut(BaseModel):
    device_id: int
    metric: str
    step: Step
    since: datetime = Field(alias="from")
    until: datetime
    series: list[DrawnOut]


def graph_shown(graph: Graph) -> dict[str, Any]:
    return {
        "device_id": graph.device_id,
        "metric": graph.metric,
        "step": graph.step,
        "from": graph.since,
        "until": graph.until,
        "series": graph.series,
    }


@router.get(
    "/devices/{device}/metrics",
    operation_id="listNetworkMetrics",
    summary="What is measured of a device, with the last values",
    response_model=list[MetricOut],
    responses=refusals(404),
)
async def list_metrics(device: RowId, wanted: Annotated[MetricsQuery, Query()], read: Reading) -> Json:
    return Json(await metrics_of(read, device, wanted))


@router.get(
    "/devices/{device}/history",
    operation_id="getNetworkHistory",
    summary="A metric over time, for graphs",
    response_model=HistoryOut,
    responses=refusals(404),
)
async def get_history(device: RowId, wanted: Annotated[HistoryQuery, Query()], read: Reading) -> Json:
    return Json(graph_shown(await history(read, device, wanted)))


@router.get(
    "/metrics",
    operation_id="exposeNetworkMetrics",
    summary="The last values of every device, for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Exposition format 0.0.4.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **refusals(),
    },
)
async def expose_metrics(wanted: Annotated[ExpositionQuery, Query()], read: Reading) -> Response:
    return Response(await exposition(read, wanted), media_type=MEDIA_TYPE)
