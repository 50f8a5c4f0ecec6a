"""Syncs, records and reviews through both doors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from integrations.mdm.port import Enrolment, ManagedDevice, Platform
from service.core.actor import SYSTEM, Role
from service.core.work import Resources
from service.mdm.models import LineKind, MdmRun, MdmRunLine, SyncState
from service.mdm.queries import connection_row
from service.mdm.reconciling import reconcile_one
from tests import makers

RUN = "runId connectionId connectionName kind state dry counts { listed unchanged } wouldChangePercent"


@dataclass
class Desk:
    """`admin` and `technician` ask; `connection` is theirs alone."""

    client: httpx.AsyncClient
    resources: Resources
    connection: int
    headers: dict[str, dict[str, str]]

    async def post(self, path: str, who: str = "admin", key: str | None = None, **body: Any) -> Any:
        headers = self.headers[who] | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(f"/api/v1/mdm{path}", json=body, headers=headers)

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(f"/api/v1/mdm{path}", params=query, headers=self.headers["technician"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = await self.client.post("/graphql", json=body, headers=self.headers["admin"])
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    async def mutate(self, verb: str, selection: str, **given: Any) -> Any:
        name = verb[0].upper() + verb[1:]
        query = f"mutation($input: {name}Input!) {{ {verb}(input: $input) {{ {selection} userErrors {{ code field message }} }} }}"  # noqa: E501
        return (await self.ask(query, input=given))[verb]

    async def says(self, external_id: str, **given: Any) -> Any:
        given.setdefault("platform", Platform.CHROMEOS)
        given.setdefault("enrolment", Enrolment.ENROLLED)
        async with self.resources.begin(SYSTEM) as work:
            row = await connection_row(work, self.connection)
            return await reconcile_one(work, row, ManagedDevice(external_id, **given))

    async def held(self) -> int:
        """A run that waits for a person, with two lines."""
        run_id = int((await self.post(f"/connections/{self.connection}/sync")).json()["id"])
        async with self.resources.begin(SYSTEM) as work:
            run = await work.session.get_one(MdmRun, run_id)
            run.state, run.counts, run.would_change_percent = SyncState.HELD, {"listed": 3}, 50.0
            lines = [{"run_id": run_id, "kind": LineKind.MISSING, "external_id": f"d{n}", "why": "Gone."}
                     for n in range(2)]  # fmt: skip
            await work.session.execute(insert(MdmRunLine), lines)
        return run_id


@pytest.fixture
async def desk(app: Any, client: httpx.AsyncClient) -> Desk:
    async with app.state.resources.begin(SYSTEM) as work:
        connection = await makers.make_mdm_connection(work)
        headers = {}
        for who, role in (("admin", Role.ADMIN), ("technician", Role.TECHNICIAN)):
            person = await makers.make_person(work, role)
            headers[who] = makers.bearer(await makers.token_for(work, person, everything=True))
        return Desk(client, app.state.resources, connection.id, headers)


async def test_a_sync_is_asked_for_and_can_be_followed(desk: Desk) -> None:
    asked = await desk.post(f"/connections/{desk.connection}/sync", "technician", kind="full")
    assert asked.status_code == 202, asked.text
    run = asked.json()
    assert (run["connection_id"], run["kind"], run["state"]) == (desk.connection, "full", "waiting")
    assert run["counts"]["listed"] == 0
    assert await desk.get(f"/runs/{run['id']}") == run
    assert await desk.get("/runs", connection_id=desk.connection) == {"items": [run], "next_cursor": None}
    assert (await desk.get("/runs", connection_id=desk.connection, state="held"))["items"] == []
    again = await desk.post(f"/connections/{desk.connection}/sync")
    assert again.json()["id"] == run["id"]
    other = await desk.post(f"/connections/{desk.connection}/sync", kind="incremental")
    assert (other.status_code, other.json()["code"]) == (409, "sync_going")


async def test_a_sync_with_a_key_is_asked_for_once(desk: Desk) -> None:
    key, path = makers.unique("sync"), f"/connections/{desk.connection}/sync"
    first = await desk.post(path, key=key)
    await desk.post(f"/runs/{first.json()['id']}/cancel")
    again = await desk.post(path, key=key)
    assert first.json() == again.json()
    assert len((await desk.get("/runs", connection_id=desk.connection))["items"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/connections/9007199254740991/sync", {}, 404, "not_found"),
        ("/runs/9007199254740991/decide", {"go": True}, 404, "not_found"),
        ("/runs/9007199254740991/cancel", {}, 404, "not_found"),
        ("/reviews/9007199254740991/settle", {"how": "none"}, 404, "not_found"),
        ("/reviews/1/settle", {"how": "maybe"}, 422, "invalid"),
        ("/connections/1/sync", {"kind": "half"}, 422, "invalid"),
        ("/connections/1/sync", {"since": "2026-01-01T00:00:00Z"}, 422, "invalid"),
        ("/runs/1/decide", {}, 422, "invalid"),
    ],
)
async def test_what_does_not_fit_is_refused(
    desk: Desk, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await desk.post(path, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_both_doors_tell_the_same_of_a_run(desk: Desk) -> None:
    run_id = await desk.held()
    rest, lines = await desk.get(f"/runs/{run_id}"), await desk.get(f"/runs/{run_id}/lines", limit=1)
    query = f"query($id: ID!) {{ mdmRun(id: $id) {{ id {RUN} lines(first: 1) {{ nodes {{ lineId kind externalId assetId why }} pageInfo {{ hasNextPage }} }} }} }}"  # noqa: E501
    told = (await desk.ask(query, id=str(run_id)))["mdmRun"]
    assert {name: told[name] for name in ("connectionName", "dry", "wouldChangePercent")} == {
        "connectionName": rest["connection_name"], "dry": False, "wouldChangePercent": 50.0,
    }  # fmt: skip
    assert (told["kind"], told["state"]) == (rest["kind"].upper(), rest["state"].upper())
    assert told["counts"] == {"listed": 3, "unchanged": 0}
    (line,) = lines["items"]
    assert told["lines"]["nodes"] == [
        {"lineId": str(line["id"]), "kind": "MISSING", "externalId": "d0", "assetId": None, "why": "Gone."}
    ]
    assert told["lines"]["pageInfo"]["hasNextPage"]
    assert lines["next_cursor"]
    assert (await desk.get(f"/runs/{run_id}/lines", kind="note"))["items"] == []
    node = await desk.ask("query($id: ID!) { node(id: $id) { ... on MdmRun { runId } } }", id=told["id"])
    assert node["node"]["runId"] == str(run_id)


async def test_a_held_run_is_decided_through_both_doors(desk: Desk) -> None:
    run_id = await desk.held()
    refused = await desk.post(f"/runs/{run_id}/decide", "technician", go=True)
    assert refused.status_code == 403
    decided = (await desk.post(f"/runs/{run_id}/decide", go=True)).json()
    assert (decided["state"], decided["decided_by_id"] is not None) == ("reconciling", True)
    late = await desk.mutate("decideMdmRun", "run { state }", id=str(run_id), go=False)
    problem = (await desk.post(f"/runs/{run_id}/decide", go=False)).json()
    assert late["run"] is None
    assert (late["userErrors"][0]["code"], late["userErrors"][0]["message"]) == (
        problem["code"], problem["detail"],
    ) == ("sync_not_held", problem["detail"])  # fmt: skip


async def test_mutations_do_what_rest_does(desk: Desk) -> None:
    asked = await desk.mutate(
        "askMdmSync", f"run {{ {RUN} }}", id=str(desk.connection), kind="FULL", dry=True
    )
    assert (asked["run"]["state"], asked["run"]["dry"]) == ("WAITING", True)
    cancelled = await desk.mutate("cancelMdmRun", "run { state endedAt }", id=asked["run"]["runId"])
    assert cancelled["run"]["state"] == "DISCARDED"
    assert cancelled["run"]["endedAt"] is not None
    late = await desk.mutate("cancelMdmRun", "run { state }", id=asked["run"]["runId"])
    assert late["userErrors"][0]["code"] == "sync_too_late"


async def test_both_doors_tell_the_same_of_a_record(desk: Desk) -> None:
    serial = makers.unique("S").upper()
    record = await desk.says("d1", serial=serial, user="ada@school.example", model="Acer")
    (listed,) = (await desk.get("/records", connection_id=desk.connection, serial=serial))["items"]
    assert (listed["id"], listed["asset_tag"], listed["matched"]) == (record.id, serial, "added")
    assert "device" not in listed
    whole = await desk.get(f"/records/{record.id}")
    assert whole["device"]["user"] == "ada@school.example"
    assert (await desk.get(f"/assets/{serial}/records"))["items"] == [whole]
    query = """query($filter: MdmRecordFilter, $id: ID!, $tag: String!) {
        mdmRecords(filter: $filter) { nodes { recordId assetTag matched platform device asset { tag } } }
        mdmRecord(id: $id) { device } mdmAssetRecords(tag: $tag) { recordId device } }"""
    told = await desk.ask(
        query, filter={"connectionId": str(desk.connection), "matched": True}, id=str(record.id), tag=serial
    )
    assert told["mdmRecords"]["nodes"] == [
        {"recordId": str(record.id), "assetTag": serial, "matched": "ADDED", "platform": "CHROMEOS",
         "device": whole["device"], "asset": {"tag": serial}}
    ]  # fmt: skip
    assert told["mdmRecord"]["device"] == whole["device"]
    assert told["mdmAssetRecords"] == [{"recordId": str(record.id), "device": whole["device"]}]


async def test_a_review_is_settled_through_both_doors(desk: Desk) -> None:
    async with desk.resources.begin(SYSTEM) as work:
        serial = makers.unique("DUP").upper()
        first, second = [await makers.make_asset(work, serial=serial) for _ in range(2)]
    for name in ("d1", "d2"):
        await desk.says(name, serial=serial)
    reviews = (await desk.get("/reviews", connection_id=desk.connection, why="serial_twice"))["items"]
    assert [review["external_id"] for review in reviews] == ["d1", "d2"]
    assert [each["tag"] for each in reviews[0]["candidates"]] == [first.tag, second.tag]
    refused = await desk.post(f"/reviews/{reviews[0]['id']}/settle", how="asset", asset_tag="nowhere")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "asset_tag")
    settled = await desk.post(
        f"/reviews/{reviews[0]['id']}/settle", "technician", how="asset", asset_tag=first.tag
    )
    assert settled.status_code == 200, settled.text
    assert (settled.json()["asset_tag"], settled.json()["settled_at"] is not None) == (first.tag, True)
    assert await desk.get(f"/reviews/{reviews[0]['id']}") == settled.json()
    other = await desk.mutate(
        "settleMdmReview", "review { reviewId assetTag settledById }",
        id=str(reviews[1]["id"]), how="ASSET", assetTag=second.tag,
    )  # fmt: skip
    assert other["review"]["assetTag"] == second.tag
    assert other["review"]["settledById"] is not None
    query = """query($id: ID!) { mdmReviews(connectionId: $id, settled: true) {
        nodes { reviewId why candidates { assetId tag } } } }"""
    told = (await desk.ask(query, id=str(desk.connection)))["mdmReviews"]["nodes"]
    assert [(each["why"], len(each["candidates"])) for each in told] == [("SERIAL_TWICE", 2)] * 2
    assert (await desk.get("/reviews", connection_id=desk.connection))["items"] == []
