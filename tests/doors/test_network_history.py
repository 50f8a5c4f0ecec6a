"""The history of the network through its doors: REST, GraphQL, and the page that Prometheus reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from integrations.snmp.reading import DeviceKind
from schema.nodes import global_id
from service.core.actor import SYSTEM, Role
from service.monitoring.history import ensure_series, store_samples
from service.monitoring.models import NetworkDevice, NetworkWatch, ReachBy, ReachState, SnmpState
from tests import makers

MINUTES = timedelta(minutes=1)


class Watched:
    """A switch that was polled three times, fifteen, ten and five minutes ago; its second fan is silent."""

    def __init__(self, device_id: int, school_id: str, now: datetime) -> None:
        self.device_id = device_id
        self.school_id = school_id
        self.at = [now - n * MINUTES for n in (15, 10, 5)]
        self.path = f"/api/v1/network/devices/{device_id}"


@pytest.fixture
async def watched(app: Any) -> Watched:
    async with app.state.resources.begin(SYSTEM) as work:
        school = await makers.make_school(work)
        device = NetworkDevice(
            name="IDF 2", address=makers.unique("127.0.2"), port=161, kind=DeviceKind.SWITCH,
            profile="switch", reach_by=ReachBy.SNMP, school_id=school.id, created_at=work.now,
        )  # fmt: skip
        work.session.add(device)
        await work.session.flush()
        made = Watched(device.id, school.id, work.now)
        work.session.add(
            NetworkWatch(
                device_id=device.id,
                reach=ReachState.UP,
                snmp=SnmpState.OK,
                polled_at=made.at[-1],
                answered_at=made.at[-1],
                last_values=[3000.5, None],
                memory={},
            )
        )
        await work.session.flush()
        await ensure_series(work.session, {device.id: [("fan.speed", "1", "rpm"), ("fan.speed", "2", "rpm")]})
        raw = (await work.connection.get_raw_connection()).driver_connection
        assert isinstance(raw, psycopg.AsyncConnection)
        await store_samples(raw, [(device.id, at, [1000.5 * n, None]) for n, at in enumerate(made.at, 1)])
    return made


@pytest.fixture
async def technician(app: Any) -> dict[str, str]:
    async with app.state.resources.begin(SYSTEM) as work:
        person = await makers.make_person(work, Role.TECHNICIAN)
        return makers.bearer(await makers.token_for(work, person, everything=True))


@pytest.fixture
async def teacher(app: Any) -> dict[str, str]:
    async with app.state.resources.begin(SYSTEM) as work:
        person = await makers.make_person(work)
        return makers.bearer(await makers.token_for(work, person, everything=True))


async def test_what_is_measured_is_listed(
    client: httpx.AsyncClient, technician: dict[str, str], watched: Watched
) -> None:
    listed = (await client.get(f"{watched.path}/metrics", headers=technician)).json()
    assert [tuple(each.values())[:4] for each in listed] == [
        ("fan.speed", "1", "rpm", 3000.5),
        ("fan.speed", "2", "rpm", None),
    ]
    assert datetime.fromisoformat(listed[0]["last_at"]) == watched.at[-1]
    assert (await client.get(f"{watched.path}/metrics?metric=none", headers=technician)).json() == []


async def test_a_graph_has_its_points_and_its_gaps(
    client: httpx.AsyncClient, technician: dict[str, str], watched: Watched
) -> None:
    answer = await client.get(f"{watched.path}/history", params={"metric": "fan.speed"}, headers=technician)
    graph = answer.json()
    assert answer.status_code == 200
    assert (graph["device_id"], graph["metric"], graph["step"]) == (watched.device_id, "fan.speed", "raw")
    first, second = graph["series"]
    assert [(datetime.fromisoformat(at), *rest) for at, *rest in first["points"]] == [
        (at, 1000.5 * n, 1000.5 * n, 1000.5 * n) for n, at in enumerate(watched.at, 1)
    ]
    assert [point[1:] for point in second["points"]] == [[None] * 3] * 3
    one = {
        "metric": "fan.speed",
        "instance": ["2", "9"],
        "from": str(watched.at[1]),
        "until": str(watched.at[2]),
    }
    graph = (await client.get(f"{watched.path}/history", params=one, headers=technician)).json()
    assert [(line["instance"], len(line["points"])) for line in graph["series"]] == [("2", 1)]
    assert datetime.fromisoformat(graph["from"]) == watched.at[1]


async def test_graphql_tells_the_same(
    client: httpx.AsyncClient, technician: dict[str, str], watched: Watched
) -> None:
    rest = (
        await client.get(f"{watched.path}/history", params={"metric": "fan.speed"}, headers=technician)
    ).json()
    listed = (await client.get(f"{watched.path}/metrics", headers=technician)).json()
    query = """query($id: ID!, $from: DateTime, $until: DateTime) {
        networkMetrics(deviceId: $id) { metric instance unit lastValue lastAt }
        networkHistory(deviceId: $id, metric: "fan.speed", instance: ["1", "2"], from: $from, until: $until) {
            metric step from until series { instance unit points } } }"""
    variables = {"id": watched.device_id, "from": rest["from"], "until": rest["until"]}
    answer = await client.post("/graphql", json={"query": query, "variables": variables}, headers=technician)
    data = answer.json()["data"]
    assert [list(each.values()) for each in data["networkMetrics"]] == [
        list(each.values()) for each in listed
    ]
    graph = data["networkHistory"]
    assert graph["step"] == "RAW"
    assert {name: graph[name] for name in ("from", "until", "series")} == {
        name: rest[name] for name in ("from", "until", "series")
    }
    by_global_id = global_id("NetworkDevice").tell(Row(watched.device_id))
    narrow = f'{{ networkMetrics(deviceId: "{by_global_id}", metric: "fan.speed") {{ instance }} }}'
    answer = await client.post("/graphql", json={"query": narrow}, headers=technician)
    assert len(answer.json()["data"]["networkMetrics"]) == 2


class Row:
    def __init__(self, id: int) -> None:  # noqa: A002
        self.id = id


async def test_prometheus_scrapes_it_with_a_token(
    client: httpx.AsyncClient, technician: dict[str, str], watched: Watched
) -> None:
    path = f"/api/v1/network/metrics?school_id={watched.school_id}"
    answer = await client.get(path, headers=technician)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = {family.name: family.samples for family in text_string_to_metric_families(answer.text)}
    (fan,) = told["firstbell_network_fan_speed"]
    labels = {"device": str(watched.device_id), "name": "IDF 2", "school": watched.school_id, "instance": "1"}
    assert (fan.labels, fan.value) == (labels, 3000.5)
    assert told["firstbell_network_up"][0].value == told["firstbell_network_snmp_up"][0].value == 1
    assert (
        "firstbell_network_fan_speed{"
        in (await client.get("/api/v1/network/metrics", headers=technician)).text
    )
    query = f'{{ networkExposition(schoolId: "{watched.school_id}") }}'
    told = (await client.post("/graphql", json={"query": query}, headers=technician)).json()["data"]
    assert told["networkExposition"] == answer.text


async def test_others_are_refused(
    client: httpx.AsyncClient, teacher: dict[str, str], watched: Watched
) -> None:
    for path in (f"{watched.path}/metrics", f"{watched.path}/history?metric=x", "/api/v1/network/metrics"):
        assert (await client.get(path, headers=teacher)).status_code == 403
        assert (await client.get(path)).status_code == 401
    for field in (
        f"networkMetrics(deviceId: {watched.device_id}) {{ metric }}",
        f'networkHistory(deviceId: {watched.device_id}, metric: "x") {{ step }}',
        "networkExposition",
    ):
        answer = await client.post("/graphql", json={"query": f"{{ {field} }}"}, headers=teacher)
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["forbidden"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("metric=none", 404, None),
        ("metric=fan.speed&instance=9", 404, None),
        ("", 422, "query.metric"),
        ("metric=fan.speed&step=week", 422, "query.step"),
        ("metric=fan.speed&shoe=1", 422, "query.shoe"),
        ("metric=fan.speed&from=yesterday", 422, "query.from"),
        ("metric=fan.speed&from=2026-01-01T00:00:00Z&until=2025-01-01T00:00:00Z", 422, "from"),
        ("metric=fan.speed&from=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&step=raw", 422, "step"),
        ("metric=fan.speed&from=2010-01-01T00:00:00Z", 422, "step"),
        ("metric=a%00b", 422, "query.metric"),
        ("metric=fan.speed" + "".join(f"&instance={n}" for n in range(65)), 422, "query.instance"),
    ],
)
async def test_what_does_not_fit_is_said(
    client: httpx.AsyncClient,
    technician: dict[str, str],
    watched: Watched,
    query: str,
    status: int,
    field: str | None,
) -> None:
    answer = await client.get(f"{watched.path}/history?{query}", headers=technician)
    assert answer.status_code == status, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == ([field] if field else [])


async def test_a_device_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, technician: dict[str, str], watched: Watched
) -> None:
    missing = f"/api/v1/network/devices/{watched.device_id + 1_000_000}"
    assert (await client.get(f"{missing}/metrics", headers=technician)).status_code == 404
    assert (await client.get(f"{missing}/history?metric=fan.speed", headers=technician)).status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        'networkHistory(deviceId: "one", metric: "x") { step }',
        'networkHistory(deviceId: 1, metric: "") { step }',
        'networkHistory(deviceId: 1, metric: "x", until: "1066-10-14T09:00:00Z") { step }',
        'networkMetrics(deviceId: 1, metric: "a\\u0000b") { unit }',
        'networkExposition(schoolId: "no school")',
    ],
)
async def test_graphql_says_what_does_not_fit(
    client: httpx.AsyncClient, technician: dict[str, str], asked: str
) -> None:
    answer = await client.post("/graphql", json={"query": f"{{ {asked} }}"}, headers=technician)
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["invalid"]
