"""What the network measured, over time and last."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from schema.context import Info
from schema.nodes import field, instant, number_in, told
from service.monitoring.exposition import ExpositionQuery, exposition
from service.monitoring.history import HistoryQuery, MetricsQuery, Step, history, metrics_of


@strawberry.type(description="What is measured of a device, and what it was the last time.")
class NetworkMetric:
    metric: str = told(lambda row: row["metric"])
    instance: str = told(
        lambda row: row["instance"], description="A port, a sensor; empty for the device itself."
    )
    unit: str = told(lambda row: row["unit"])
    last_value: float | None = told(lambda row: row["last_value"])
    last_at: datetime | None = told(lambda row: row["last_at"])


@strawberry.type(description="One line of a graph.")
class NetworkGraphLine:
    instance: str
    unit: str
    points: JSON = strawberry.field(description="Each is [at, mean, least, most]; nulls are gaps.")


@strawberry.type(description="A metric of a device over a span of time.")
class NetworkGraph:
    device_id: strawberry.ID = strawberry.field(description="As REST has it.")
    metric: str
    step: Step
    since: datetime = strawberry.field(name="from")
    until: datetime
    series: list[NetworkGraphLine]


@strawberry.type
class Query:
    @field(graphql_type=list[NetworkMetric] | None, description="What is measured of a device.")
    async def network_metrics(
        self, info: Info, device_id: strawberry.ID, metric: str | None = None
    ) -> object:
        device = number_in(device_id, "NetworkDevice", "deviceId")
        async with info.context.read() as read:
            return await metrics_of(read, device, MetricsQuery(metric=metric))

    @field(
        graphql_type=NetworkGraph | None,
        description="A metric over time, for graphs: at most 2,000 points an instance.",
    )
    async def network_history(
        self,
        info: Info,
        device_id: strawberry.ID,
        metric: str,
        instance: list[str] | None = None,
        since: Annotated[datetime | None, strawberry.argument(name="from")] = None,
        until: datetime | None = None,
        step: Step | None = None,
    ) -> object:
        device = number_in(device_id, "NetworkDevice", "deviceId")
        wanted = HistoryQuery.model_validate(
            {
                "metric": metric,
                "instance": instance or [],
                "from": instant(since, "from"),
                "until": instant(until, "until"),
                "step": step,
            }
        )
        async with info.context.read() as read:
            return await history(read, device, wanted)

    @field(graphql_type=str | None, description="The last values of every device, as Prometheus reads them.")
    async def network_exposition(self, info: Info, school_id: strawberry.ID | None = None) -> object:
        wanted = ExpositionQuery.model_validate({"school_id": school_id})
        async with info.context.read() as read:
            return (await exposition(read, wanted)).decode()
