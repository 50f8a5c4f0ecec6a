"""SET: by the complete engine only, and never twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from integrations.snmp.agent import SimulatedAgent, Tree, Type
from integrations.snmp.target import AgentRefused, BadCredentials, Credential, SetType, Silent
from integrations.snmp.transport import Transport
from tests.integrations.snmp.transport_asking import V2C, V3, target, users

NUMBER, TEXT, NAME, GAUGE = (f"1.3.6.1.4.1.99999.{index}.0" for index in range(1, 5))
WRITER = Credential(V2C.version, community="writer")


@pytest.fixture(scope="module")
async def transport() -> AsyncIterator[Transport]:
    async with Transport() as made:
        yield made


@pytest.fixture
async def agent() -> AsyncIterator[SimulatedAgent]:
    tree = Tree.of(
        [
            (NUMBER, Type.INTEGER, 1),
            (TEXT, Type.OCTETS, "before"),
            (NAME, Type.OID, "1.3.6.1"),
            (GAUGE, Type.GAUGE32, 0),
        ]
    )
    made = SimulatedAgent(tree, communities=("public", "writer"), users=users(), write=("writer", V3.user))
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("credential", [WRITER, V3], ids=["v2c", "v3"])
async def test_every_type_is_written_in_one_question(
    transport: Transport, agent: SimulatedAgent, credential: Credential
) -> None:
    asked = target(agent, credential)
    await transport.get(asked, [NUMBER])
    written = {
        NUMBER: (SetType.INTEGER, -2),
        TEXT: (SetType.STRING, "größer"),
        NAME: (SetType.OBJECT_ID, "1.3.6.1.4.1.99999"),
        GAUGE: (SetType.GAUGE, 4_294_967_295),
    }
    await transport.set(asked, written)
    assert await transport.get(asked, list(written)) == {
        NUMBER: -2,
        TEXT: "größer".encode(),
        NAME: "1.3.6.1.4.1.99999",
        GAUGE: 4_294_967_295,
    }
    await transport.set(asked, {TEXT: (SetType.STRING, b"\x00\xff")})
    assert await transport.get(asked, [TEXT]) == {TEXT: b"\x00\xff"}


async def test_a_refused_write_says_which_and_why(transport: Transport, agent: SimulatedAgent) -> None:
    with pytest.raises(AgentRefused) as refused:
        await transport.set(target(agent, V2C), {NUMBER: (SetType.INTEGER, 2)})
    assert (refused.value.status, refused.value.name) == (6, "noAccess")
    with pytest.raises(AgentRefused) as refused:
        await transport.set(target(agent, WRITER), {NUMBER: (SetType.INTEGER, 2), TEXT: (SetType.INTEGER, 2)})
    assert (refused.value.name, refused.value.index) == ("wrongType", 2)
    assert await transport.get(target(agent), [NUMBER]) == {NUMBER: 1}


@pytest.mark.parametrize("credential", [WRITER, V3], ids=["v2c", "v3"])
async def test_a_write_without_an_answer_is_sent_once(
    transport: Transport, agent: SimulatedAgent, credential: Credential
) -> None:
    asked = target(agent, credential, timeout=0.1, retries=3)
    await transport.set(asked, {NUMBER: (SetType.INTEGER, 5)})
    agent.faults.silent = True
    before = agent.received
    with pytest.raises(Silent):
        await transport.set(asked, {NUMBER: (SetType.INTEGER, 6)})
    knock = 1  # after silence, a datagram that asks for nothing: is the port closed?
    assert agent.received - before == 1 + knock


async def test_a_write_with_the_wrong_password_is_refused(
    transport: Transport, agent: SimulatedAgent
) -> None:
    wrong = replace(V3, auth_password="not-the-password")
    with pytest.raises(BadCredentials):
        await transport.set(target(agent, wrong), {NUMBER: (SetType.INTEGER, 2)})
    assert await transport.get(target(agent), [NUMBER]) == {NUMBER: 1}


async def test_a_value_that_does_not_fit_its_type_is_the_callers_mistake(
    transport: Transport, agent: SimulatedAgent
) -> None:
    for kind, value in ((SetType.GAUGE, -1), (SetType.INTEGER, 2**31), (SetType.OBJECT_ID, "x.y")):
        with pytest.raises(ValueError):  # noqa: PT011
            await transport.set(target(agent, WRITER), {NUMBER: (kind, value)})
    assert agent.received == 0
