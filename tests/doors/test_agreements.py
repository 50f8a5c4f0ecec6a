"""Agreements beside the SLA, through both doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests import makers
from tests.doors.graphql_client import Desk, make_desk

STEP = {"target": "resolution", "after_minutes": 30, "tell": ["leads"]}
CREATE = """mutation($input: CreatePolicyInput!) { createPolicy(input: $input) {
    policy { policyId kind rules } userErrors { field code message } } }"""
EDIT = """mutation($input: EditPolicyInput!) { editPolicy(input: $input) {
    policy { kind version } userErrors { field message } } }"""
HELD = """query($number: Int!) { ticket(number: $number) { nextDueAt vendor { personId name }
    timers { agreement policy target dueAt state } sla } }"""


@pytest.fixture(scope="module")
async def desk(app: Any) -> AsyncIterator[Desk]:
    made = await make_desk(app)
    yield made
    await made.client.aclose()


@pytest.fixture(scope="module")
async def agreed(desk: Desk) -> dict[str, Any]:
    """An OLA of the queue's, made by REST, and a vendor's contract, made by GraphQL."""
    ola = {
        "name": makers.unique("OLA"),
        "kind": "ola",
        "matches": {"queue": [desk.queue.key]},
        "targets": {p: {"update": 1, "resolution": 600} for p in ("P1", "P2", "P3", "P4")},
        "rules": {"escalate": [STEP]},
    }
    headers = makers.bearer(desk.tokens["admin"])
    answer = await desk.client.post("/api/v1/sla/policies", json=ola, headers=headers)
    assert answer.status_code == 201, answer.text
    contract = {
        "name": makers.unique("Contract"),
        "kind": "VENDOR",
        "matches": {"vendor": [str(desk.people["vendor"].id)]},
        "targets": {p: {"resolution": 600} for p in ("P1", "P2", "P3", "P4")},
    }
    made = (await desk.data(CREATE, "admin", input=contract))["createPolicy"]
    assert made["userErrors"] == []
    return {"ola": answer.json(), "contract": made["policy"] | {"name": contract["name"]}}


async def rest(desk: Desk, path: str, who: str) -> Any:
    return (await desk.client.get(f"/api/v1{path}", headers=makers.bearer(desk.tokens[who]))).json()


async def test_a_policy_shows_its_kind_and_its_steps(desk: Desk, agreed: dict[str, Any]) -> None:
    ola, contract = agreed["ola"], agreed["contract"]
    assert (ola["kind"], ola["rules"]["escalate"]) == ("ola", [STEP])
    assert ola["rules"]["pause"]["on_hold"] == ["resolution", "update"]
    assert (contract["kind"], contract["rules"]["pause"]) == ("VENDOR", {})
    listed = {policy["name"]: policy["kind"] for policy in await rest(desk, "/sla/policies", "admin")}
    assert (listed[ola["name"]], listed[contract["name"]]) == ("ola", "vendor")


async def test_a_ticket_on_hold_with_a_vendor_says_so_and_shows_each_what_is_theirs(
    desk: Desk, agreed: dict[str, Any]
) -> None:
    number, vendor = await desk.open(), desk.people["vendor"]
    await desk.change("transferTicket", number=number, queue=desk.queue.key)
    await desk.change("shareTicket", number=number, personId=str(vendor.id))
    payload = await desk.change("holdTicket", number=number, reason="Screen", vendorId=str(vendor.id))
    assert payload["userErrors"] == []
    wanted = {
        "technician": ["sla", "sla", "ola", "ola", "ola", "vendor"],
        "teacher": ["sla", "sla"],
        "vendor": ["sla", "sla", "vendor"],
    }
    for who, agreements in wanted.items():
        whole = await rest(desk, f"/tickets/{number}", who)
        assert whole["vendor"] == {"id": vendor.id, "name": vendor.name}
        assert [timer["agreement"] for timer in whole["timers"]] == agreements
        graph = (await desk.data(HELD, who, number=number))["ticket"]
        assert graph["vendor"]["name"] == vendor.name
        assert [timer["agreement"].lower() for timer in graph["timers"]] == agreements
        assert [timer["agreement"] for timer in graph["sla"]] == agreements
        assert [t["agreement"] for t in await rest(desk, f"/tickets/{number}/sla", who)] == agreements
        due = min(timer["dueAt"] for timer in graph["timers"] if timer["state"] == "RUNNING")
        assert graph["nextDueAt"] == due
    names = {timer["policy"] for timer in (await rest(desk, f"/tickets/{number}", "technician"))["timers"]}
    assert {agreed["ola"]["name"], agreed["contract"]["name"]} < names
    explained = await rest(desk, f"/tickets/{number}/sla", "vendor")
    assert f"vendor contract “{agreed['contract']['name']}”" in explained[-1]["explain"][0]
    await desk.change("startTicket", number=number)
    assert (await rest(desk, f"/tickets/{number}", "technician"))["vendor"] is None


async def test_a_hold_with_somebody_who_is_no_vendor_is_refused(desk: Desk) -> None:
    number = await desk.open()
    nobody = {"reason": "Screen", "vendorId": str(desk.people["teacher"].id)}
    assert await desk.refused("holdTicket", number=number, **nobody) == "unknown_vendor"
    answer = await desk.client.post(
        f"/api/v1/tickets/{number}/hold",
        json={"reason": "Screen", "vendor_id": desk.people["teacher"].id},
        headers=makers.bearer(desk.tokens["technician"]),
    )
    (wrong,) = answer.json()["errors"]
    assert (answer.status_code, wrong["field"], wrong["code"]) == (422, "vendor_id", "unknown_vendor")


async def test_a_policy_that_promises_too_much_is_refused_in_a_sentence(
    desk: Desk, agreed: dict[str, Any]
) -> None:
    wrong = {"name": makers.unique("OLA"), "kind": "OLA", "targets": {"P3": {"first_response": 5}}}
    (error,) = (await desk.data(CREATE, "admin", input=wrong))["createPolicy"]["userErrors"]
    assert (error["field"], error["code"]) == ("targets", "bad_policy")
    assert "the OLA promises update and resolution, not first_response" in error["message"]
    other = {
        "id": agreed["contract"]["policyId"],
        "name": agreed["contract"]["name"],
        "kind": "SLA",
        "targets": {},
    }
    (error,) = (await desk.data(EDIT, "admin", input=other))["editPolicy"]["userErrors"]
    assert error["field"] == "kind"
