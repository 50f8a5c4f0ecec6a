"""Port commands through both doors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from integrations.snmp.reading import Port, Reading
from service.core.actor import SYSTEM, Role
from service.core.settings import settings
from tests import makers

WANTED = {"verb": "cycle", "port_key": "1/1", "reason": "The access point of room 12 hangs"}
MUTATION = """mutation($input: AskForPortCommandInput!) { askForPortCommand(input: $input) {
    command { commandId verb state portKey reason } userErrors { code message } } }"""


@pytest.fixture(autouse=True)
def commands_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Port commands are off by default."""
    monkeypatch.setenv("FIRSTBELL_NETWORK_COMMANDS", "true")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


class Desk:
    def __init__(self, client: httpx.AsyncClient, device_id: int, token: str) -> None:
        self.client = client
        self.device_id = device_id
        self.headers = makers.bearer(token)

    async def post(
        self, device_id: int | None = None, key: str | None = None, **given: Any
    ) -> httpx.Response:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        path = f"/api/v1/network/devices/{device_id or self.device_id}/commands"
        return await self.client.post(path, json=WANTED | given, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(f"/api/v1/network/commands{path}", headers=self.headers)

    async def mutate(self, **given: Any) -> dict[str, Any]:
        sent = {"id": str(self.device_id), "verb": "CYCLE", "portKey": "1/1", "reason": "It hangs"} | given
        body = {"query": MUTATION, "variables": {"input": sent}}
        answer = await self.client.post("/graphql", json=body, headers=self.headers)
        return dict(answer.json()["data"]["askForPortCommand"])


@pytest.fixture
async def desk(app: Any, client: httpx.AsyncClient) -> Desk:
    async with app.state.resources.begin(SYSTEM) as work:
        ports = [Port(key=f"1/{n}", index=n, poe_index=f"1.{n}", poe_admin=True) for n in (1, 2)]
        writes = await makers.make_credential(work, writes=True)
        device = await makers.make_network_device(work, Reading("switch", ports=ports))
        device.write_credential_id = writes.id
        technician = await makers.make_person(work, Role.TECHNICIAN)
        token = await makers.token_for(work, technician, everything=True)
        return Desk(client, device.id, token)


async def test_a_command_is_asked_for_and_can_be_followed(desk: Desk) -> None:
    asked = await desk.post()
    assert asked.status_code == 202, asked.text
    command = asked.json()
    assert (command["verb"], command["port_key"], command["state"]) == ("cycle", "1/1", "waiting")
    assert (await desk.get(f"/{command['id']}")).json() == command
    listed = (await desk.get(f"?device_id={desk.device_id}&state=waiting")).json()
    assert listed == {"items": [command], "next_cursor": None}


async def test_a_command_with_a_key_is_asked_for_once(desk: Desk) -> None:
    key = makers.unique("command")
    first, again = await desk.post(key=key), await desk.post(key=key)
    assert first.json() == again.json()
    assert len((await desk.get(f"?device_id={desk.device_id}")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"port_key": "9/9"}, 409, "port_command_unsupported"),
        ({"device_id": 2**52}, 404, "not_found"),
        ({"verb": "reboot"}, 422, "invalid"),
        ({"reason": " "}, 422, "invalid"),
        ({"object": "1.3.6.1.2.1.1.5.0"}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_commanded_is_refused(
    desk: Desk, given: dict[str, Any], status: int, code: str
) -> None:
    answer = await desk.post(**given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_both_doors_ask_and_refuse_alike(desk: Desk) -> None:
    made = await desk.mutate()
    assert made["userErrors"] == []
    assert (made["command"]["verb"], made["command"]["state"]) == ("CYCLE", "WAITING")
    refused = await desk.mutate(portKey="9/9")
    problem = (await desk.post(port_key="9/9")).json()
    assert refused == {
        "command": None,
        "userErrors": [{"code": problem["code"], "message": problem["detail"]}],
    }


async def test_commands_that_are_switched_off_say_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTBELL_NETWORK_COMMANDS", "false")
    settings.cache_clear()
    answer = await desk.post()
    assert (answer.status_code, answer.json()["code"]) == (409, "port_command_unsupported")
    assert "FIRSTBELL_NETWORK_COMMANDS" in answer.json()["detail"]
