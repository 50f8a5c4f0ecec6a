"""Reading through both engines: the same answers from the same agents."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable

import pytest

from integrations.snmp.agent import SimulatedAgent, Type, User
from integrations.snmp.agent.hostile import HostileAgent
from integrations.snmp.agent.message import parse_community, version_of
from integrations.snmp.target import (
    AuthProtocol,
    BadCredentials,
    Credential,
    PrivProtocol,
    Silent,
    Target,
    Unreachable,
)
from integrations.snmp.transport import Transport
from tests.integrations.snmp.transport_asking import (
    LEVELS,
    SMALL,
    SYSTEM,
    V1,
    V2C,
    V3,
    small_tree,
    target,
    users,
    v3,
)

WHOLE = "1.3.6.1.2.1"
Starts = Callable[[SimulatedAgent], SimulatedAgent]


@pytest.fixture(scope="module")
async def shared_transports() -> AsyncIterator[dict[str, Transport]]:
    """One of each for the whole file: a pysnmp engine is dear."""
    async with Transport("gufo") as gufo, Transport("pysnmp") as pysnmp:
        yield {"gufo": gufo, "pysnmp": pysnmp}


@pytest.fixture(params=["gufo", "pysnmp"])
def transport(shared_transports: dict[str, Transport], request: pytest.FixtureRequest) -> Transport:
    return shared_transports[request.param]


@pytest.fixture
async def starts() -> AsyncIterator[Starts]:
    """Starts an agent, until the test ends."""
    started: list[SimulatedAgent] = []

    def start(agent: SimulatedAgent) -> SimulatedAgent:
        agent.start()
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.stop()


@pytest.fixture
async def agent(starts: Starts) -> SimulatedAgent:
    return starts(SimulatedAgent(small_tree(), users=users()))


def name_of(credential: Credential) -> str:
    return credential.user or credential.version.value


@pytest.mark.parametrize("credential", LEVELS, ids=name_of)
async def test_every_level_reads_the_same(
    transport: Transport, agent: SimulatedAgent, credential: Credential
) -> None:
    asked = target(agent, credential)
    assert (await transport.walk(asked, WHOLE)).answers == SMALL
    assert await transport.get(asked, list(SMALL)) == SMALL


async def test_a_walk_stays_below_its_base(transport: Transport, agent: SimulatedAgent) -> None:
    walked = await transport.walk(target(agent), SYSTEM)
    assert list(walked.answers) == [oid for oid in SMALL if oid.startswith(SYSTEM + ".")]
    assert walked.cut is None


async def test_a_walk_of_nothing_is_empty(transport: Transport, agent: SimulatedAgent) -> None:
    for base in (f"{SYSTEM}.4", "1.3.6.1.2.1.3", "1.3.6.1.9"):
        walked = await transport.walk(target(agent), base)
        assert (walked.answers, walked.cut) == ({}, None)


async def test_a_walk_ends_at_its_limit(transport: Transport, agent: SimulatedAgent) -> None:
    walked = await transport.walk(target(agent), WHOLE, limit=30)
    assert (len(walked.answers), walked.cut) == (30, "limit")


@pytest.mark.parametrize("credential", [V1, V2C, V3], ids=name_of)
async def test_what_is_not_there_is_left_out(
    transport: Transport, agent: SimulatedAgent, credential: Credential
) -> None:
    asked = [f"{SYSTEM}.4.0", f"{SYSTEM}.1.0", "1.3.6.1.9.9.0", f"{SYSTEM}.3.0", f"{SYSTEM}.99.0"]
    answers = await transport.get(target(agent, credential), asked)
    assert answers == {oid: SMALL[oid] for oid in (f"{SYSTEM}.1.0", f"{SYSTEM}.3.0")}
    assert await transport.get(target(agent, credential), [f"{SYSTEM}.4.0", "1.3.6.1.9.0"]) == {}
    assert await transport.get(target(agent, credential), []) == {}


async def test_a_get_asks_for_a_hundred_at_once(transport: Transport, starts: Starts) -> None:
    agent = starts(SimulatedAgent(small_tree(rows=250)))
    oids = [f"1.3.6.1.2.1.2.2.1.10.{index}" for index in range(1, 251)]
    answers = await transport.get(target(agent), oids)
    assert answers == {oid: index * 1000 for index, oid in enumerate(oids, 1)}
    assert agent.received == 3


async def test_an_answer_that_is_too_big_is_asked_for_in_halves(transport: Transport, starts: Starts) -> None:
    agent = starts(SimulatedAgent(small_tree(), max_size=484))
    asked = target(agent)
    assert await transport.get(asked, list(SMALL)) == SMALL
    borne = transport.remembered(asked).variables
    assert borne < len(SMALL)
    before = agent.received
    assert await transport.get(asked, list(SMALL)) == SMALL
    assert agent.received - before == -(-len(SMALL) // borne)


async def test_an_answer_beyond_the_fast_engine_is_read_by_the_other(
    transport: Transport, starts: Starts
) -> None:
    tree = small_tree(rows=0)
    long = {f"1.3.6.1.2.1.2.2.1.2.{index}": bytes([index]) * 1400 for index in range(1, 30)}
    tree.update((oid, Type.OCTETS, value) for oid, value in long.items())
    agent = starts(SimulatedAgent(tree))
    asked = target(agent)
    assert await transport.get(asked, list(long)) == long
    assert (await transport.walk(asked, "1.3.6.1.2.1.2")).answers == long


async def test_repetitions_halve_until_the_agent_bears_them_and_that_is_remembered(
    transport: Transport, starts: Starts
) -> None:
    def bears_eight(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
        if parse_community(data, *version_of(data)).pdu.second > 8:
            return []
        answer = agent.answer(data)
        return [] if answer is None else [answer]

    agent = starts(HostileAgent(bears_eight, small_tree()))
    asked = target(agent, timeout=0.1)
    walked = await transport.walk(asked, WHOLE)
    assert (walked.answers, walked.cut) == (SMALL, None)
    assert transport.remembered(asked).max_repetitions == 6
    before = agent.received
    assert (await transport.walk(asked, WHOLE)).answers == SMALL
    assert agent.received - before <= len(SMALL) // 6 + 3


async def test_an_agent_that_falls_silent_in_a_walk_leaves_what_it_said(
    transport: Transport, starts: Starts
) -> None:
    def answers_twice(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
        answer = agent.answer(data)
        return [answer] if answer and agent.received <= 2 else []

    agent = starts(HostileAgent(answers_twice, small_tree()))
    walked = await transport.walk(target(agent, timeout=0.1, max_repetitions=4), WHOLE)
    assert (list(walked.answers.items()), walked.cut) == (list(SMALL.items())[:8], "silent")


async def test_the_wrong_community_is_silence(transport: Transport, agent: SimulatedAgent) -> None:
    wrong = Credential(V2C.version, community="private")
    with pytest.raises(Silent):
        await transport.get(target(agent, wrong, timeout=0.1), list(SMALL))


async def test_a_question_is_tried_again(transport: Transport, agent: SimulatedAgent) -> None:
    agent.faults.drop_every = 2
    agent.received = 1
    assert await transport.get(target(agent, timeout=0.2, retries=1), [f"{SYSTEM}.1.0"])
    assert agent.received == 3


async def test_silence_takes_no_longer_than_its_tries(transport: Transport, agent: SimulatedAgent) -> None:
    agent.faults.silent = True
    started = time.monotonic()
    with pytest.raises(Silent):
        await transport.get(target(agent, timeout=0.1, retries=1), [f"{SYSTEM}.1.0"])
    assert 0.19 < time.monotonic() - started < 1.0


@pytest.mark.parametrize("credential", [V1, V2C, V3], ids=name_of)
async def test_a_host_without_an_agent_is_unreachable(
    transport: Transport, agent: SimulatedAgent, credential: Credential
) -> None:
    asked = target(agent, credential, timeout=0.2)
    assert await transport.get(asked, [f"{SYSTEM}.1.0"])
    agent.unplug()
    for _ in range(2):
        with pytest.raises(Unreachable):
            await transport.get(asked, [f"{SYSTEM}.1.0"])
    agent.plug()
    assert await transport.get(asked, [f"{SYSTEM}.1.0"])


SHA256, AES128 = AuthProtocol.SHA256, PrivProtocol.AES128
REFUSED = {
    "unknown user": v3(SHA256, AES128, user="nobody"),
    "wrong password": v3(SHA256, AES128, auth_password="not-auctoritas"),
    "wrong secret": v3(SHA256, AES128, priv_password="not-privatus"),
    "wrong protocol": v3(AuthProtocol.SHA1, AES128, user=V3.user),
}


@pytest.mark.parametrize("credential", REFUSED.values(), ids=list(REFUSED))
async def test_v3_refusals_are_bad_credentials(
    transport: Transport, agent: SimulatedAgent, credential: Credential
) -> None:
    with pytest.raises(BadCredentials) as refused:
        await transport.get(target(agent, credential), [f"{SYSTEM}.1.0"])
    assert not any(secret in str(refused.value) for secret in ("auctoritas", "privatus"))
    assert await transport.get(target(agent, V3), [f"{SYSTEM}.1.0"])


async def test_one_user_name_may_have_other_passwords_elsewhere(transport: Transport, starts: Starts) -> None:
    agents = []
    for password in ("the-first-password", "another-password"):
        credential = v3(SHA256, AES128, user="admin", auth_password=password)
        agents.append((credential, SimulatedAgent(small_tree(), users=[_user(credential)])))
    for _, agent in agents:
        starts(agent)
    for _ in range(2):
        for credential, agent in agents:
            assert await transport.get(target(agent, credential), [f"{SYSTEM}.1.0"])


def _user(credential: Credential) -> User:
    return User(
        credential.user, credential.auth, credential.auth_password, credential.priv, credential.priv_password
    )


async def test_a_v3_agent_may_reboot(transport: Transport, agent: SimulatedAgent) -> None:
    asked = target(agent, V3)
    for _ in range(3):
        assert await transport.get(asked, [f"{SYSTEM}.1.0"])
        agent.reboot()


async def test_the_engine_id_is_remembered_and_a_changed_one_told(
    transport: Transport, starts: Starts
) -> None:
    first = starts(SimulatedAgent(small_tree(), users=users(), engine_id=b"\x80\x00\x00\x00\x05the-first"))
    asked = target(first, V3)
    assert await transport.get(asked, [f"{SYSTEM}.1.0"])
    assert transport.remembered(asked).engine_id == first.engine.engine_id
    first.stop()
    second = starts(
        SimulatedAgent(
            small_tree(), users=users(), engine_id=b"\x80\x00\x00\x00\x05the-second", port=first.port
        )
    )
    assert await transport.get(asked, [f"{SYSTEM}.1.0"])
    memory = transport.remembered(asked)
    assert memory.engine_id == second.engine.engine_id
    assert memory.former_engine_id == first.engine.engine_id


async def test_a_known_engine_id_saves_a_question(agent: SimulatedAgent) -> None:
    async with Transport("gufo") as transport:
        assert await transport.get(target(agent, V3), [f"{SYSTEM}.1.0"])
    discovering = agent.received
    async with Transport("gufo") as transport:
        known = target(agent, V3, engine_id=agent.engine.engine_id)
        assert await transport.get(known, [f"{SYSTEM}.1.0"])
    assert agent.received - discovering == discovering - 1


async def test_a_cancelled_call_leaves_nothing_behind(transport: Transport, agent: SimulatedAgent) -> None:
    agent.faults.silent = True
    calls = [
        asyncio.ensure_future(transport.get(target(agent, each, timeout=5), [f"{SYSTEM}.1.0"]))
        for each in (V2C, V3)
    ]
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    agent.faults.silent = False
    assert await transport.get(target(agent, V3), [f"{SYSTEM}.1.0"])


async def test_no_more_is_in_flight_than_was_set(agent: SimulatedAgent) -> None:
    agent.faults.delay = 0.15
    for limited in (Transport("gufo", gufo_in_flight=2), Transport("pysnmp", pysnmp_in_flight=2)):
        async with limited as transport:
            await transport.get(target(agent, timeout=2), [f"{SYSTEM}.1.0"])
            before = agent.received
            calls = [
                asyncio.ensure_future(transport.get(target(agent, timeout=2), [f"{SYSTEM}.1.0"]))
                for _ in range(4)
            ]
            await asyncio.sleep(0.12)
            assert agent.received - before == 2
            assert len(await asyncio.gather(*calls)) == 4


async def test_contexts_and_names_are_left_to_the_complete_engine(
    agent: SimulatedAgent, starts: Starts
) -> None:
    vlan = starts(SimulatedAgent(small_tree(), users=users(), contexts={"vlan-7": small_tree(rows=3)}))
    in_context = target(vlan, v3(SHA256, AES128, context="vlan-7"))
    by_name = Target("localhost", V2C, agent.port, timeout=0.4)
    async with Transport() as transport:
        assert transport.engine_for(target(agent)).name == "gufo"
        assert transport.engine_for(in_context).name == transport.engine_for(by_name).name == "pysnmp"
        assert len((await transport.walk(in_context, "1.3.6.1.2.1.2")).answers) == 3
        assert await transport.get(by_name, [f"{SYSTEM}.1.0"]) == {f"{SYSTEM}.1.0": b"a switch"}
        nowhere = Target("no-such-host.invalid", V2C)
        with pytest.raises(Unreachable):
            await transport.get(nowhere, [f"{SYSTEM}.1.0"])


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_sockets_are_few_and_are_given_back(starts: Starts) -> None:
    agents = [starts(SimulatedAgent(small_tree(rows=0), users=users())) for _ in range(12)]
    before = descriptors()
    async with Transport(gufo_sessions=4) as transport:
        for credential in (V2C, V3):
            for agent in agents:
                assert await transport.get(target(agent, credential), [f"{SYSTEM}.1.0"])
        assert 4 <= descriptors() - before <= 4 * 3
    assert descriptors() == before


async def test_an_oid_that_is_none_is_the_callers_mistake(
    transport: Transport, agent: SimulatedAgent
) -> None:
    for wrong in ("", ".1.3.6", "system", "1.3.-6"):
        with pytest.raises(ValueError):  # noqa: PT011
            await transport.get(target(agent), [wrong])
        with pytest.raises(ValueError):  # noqa: PT011
            await transport.walk(target(agent), wrong)
