"""Agents that lie, flood and never end: every call comes to an end, in time and in little memory."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable

import pytest

from integrations.snmp.agent import SimulatedAgent
from integrations.snmp.agent.endpoint import Endpoint, Peer
from integrations.snmp.agent.hostile import BEHAVIOURS, Behaviour, HostileAgent
from integrations.snmp.target import Answers, AuthProtocol, Malformed, Silent, SnmpError, Target, Walked
from integrations.snmp.transport import Transport
from tests.integrations.snmp.transport_asking import SYSTEM, V1, V2C, V3, small_tree, target, users, v3

WHOLE = "1.3.6.1.2.1"
OIDS = [f"{SYSTEM}.1.0", f"{SYSTEM}.3.0"]
LIMIT = 12
SECONDS_A_CALL = 4.0
"""For calls of 0.1 s a try, with others at the same time on the same loop."""
MEGABYTES = 64
FLOODS = {"repeated"}
LEVELS = {"v1": V1, "v2c": V2C, "v3": V3}
Starts = Callable[[HostileAgent], HostileAgent]
Outcome = Answers | Walked | SnmpError


@pytest.fixture(scope="module")
async def shared_transports() -> AsyncIterator[dict[str, Transport]]:
    async with Transport("gufo") as gufo, Transport("pysnmp") as pysnmp:
        yield {"gufo": gufo, "pysnmp": pysnmp}


@pytest.fixture(params=["gufo", "pysnmp"])
def transport(shared_transports: dict[str, Transport], request: pytest.FixtureRequest) -> Transport:
    return shared_transports[request.param]


@pytest.fixture
async def starts() -> AsyncIterator[Starts]:
    started: list[HostileAgent] = []

    def start(agent: HostileAgent) -> HostileAgent:
        agent.start()
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.stop()


async def outcome(call: Callable[[], object]) -> Outcome:
    """What a call gives, or the SnmpError it ends with, within its time; anything else is a failure."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(SECONDS_A_CALL * 3):
            return await call()  # type: ignore[misc, no-any-return]
    except SnmpError as error:
        return error
    finally:
        assert time.monotonic() - started < SECONDS_A_CALL


async def outcomes(transport: Transport, asked: Target) -> tuple[Outcome, Outcome]:
    got = await outcome(lambda: transport.get(asked, OIDS))
    walked = await outcome(lambda: transport.walk(asked, WHOLE, LIMIT))
    return got, walked


def assert_harmless(got: Outcome, walked: Outcome) -> None:
    """Nothing that was not asked for, nothing beside the base, nothing that does not rise."""
    if isinstance(got, dict):
        assert set(got) <= set(OIDS)
    if isinstance(walked, Walked):
        names = [tuple(map(int, oid.split("."))) for oid in walked.answers]
        base = tuple(map(int, WHOLE.split(".")))
        assert len(names) <= LIMIT
        assert names == sorted(set(names))
        assert all(name[: len(base)] == base and len(name) > len(base) for name in names)


def kind_of(result: Outcome) -> object:
    """What both engines must agree on. Nonsense that comes late, on a busy host, is silence."""
    if isinstance(result, Silent | Malformed):
        return SnmpError
    if isinstance(result, SnmpError):
        return type(result)
    return (list(result.answers), result.cut) if isinstance(result, Walked) else result


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ENGINES_DISAGREE = {
    "monstrous_integer",  # gufo takes it for 0
    "negative_counter",  # gufo takes it for a positive one
    "empty_integer",  # gufo takes it for 0
    "endless_subidentifier",  # gufo cuts it to 32 bits
    "bit_flips",  # other bits each time
    "truncated",
    "noise",
    "huge",  # whether 64 KB are there in time
    "deep_nesting",
}


@pytest.mark.parametrize("level", LEVELS)
async def test_every_behaviour_is_borne_by_both_engines_alike(
    shared_transports: dict[str, Transport], starts: Starts, level: str
) -> None:
    before = peak_megabytes()
    names = [name for name in BEHAVIOURS if name not in FLOODS]

    few = asyncio.Semaphore(16)

    async def by(engine: str, name: str) -> tuple[Outcome, Outcome]:
        async with few:
            agent = starts(HostileAgent(BEHAVIOURS[name], users=users()))
            asked = target(agent, LEVELS[level], timeout=0.15)
            return await outcomes(shared_transports[engine], asked)

    found = {}
    for engine in shared_transports:
        found[engine] = await asyncio.gather(*(by(engine, name) for name in names))
        for got, walked in found[engine]:
            assert_harmless(got, walked)
    differing = {
        name: str((gufo, pysnmp))[:2000]
        for name, gufo, pysnmp in zip(names, found["gufo"], found["pysnmp"], strict=True)
        if name not in ENGINES_DISAGREE and [*map(kind_of, gufo)] != [*map(kind_of, pysnmp)]
    }
    assert differing == {}
    assert peak_megabytes() - before < MEGABYTES


async def test_a_flood_of_answers_leaves_the_first(transport: Transport, starts: Starts) -> None:
    agent = starts(HostileAgent(BEHAVIOURS["repeated"], users=users()))
    got = await outcome(lambda: transport.get(target(agent, timeout=1.0), OIDS))
    assert got == {OIDS[0]: b"hostile", OIDS[1]: 360_000}
    got, walked = await outcomes(transport, target(agent, V3, timeout=0.3))
    assert_harmless(got, walked)


async def test_nonsense_without_end_does_not_turn_the_clock_back(transport: Transport) -> None:
    asking: list[Peer] = []
    port = Endpoint(lambda _, peer: asking.append(peer))
    port.open()

    async def pour() -> None:
        while True:
            for peer in asking[-1:]:
                port.send(b"\x30\x03\x02\x01\x01", peer)
            await asyncio.sleep(0.02)

    pouring = asyncio.ensure_future(pour())
    started = time.monotonic()
    with pytest.raises(Malformed):
        await transport.get(Target("127.0.0.1", V2C, port.port, timeout=0.2, retries=1), OIDS)
    assert time.monotonic() - started < 1.5
    pouring.cancel()
    port.close()


async def test_a_walk_without_end_ends_by_its_time(starts: Starts) -> None:
    agent = starts(HostileAgent(BEHAVIOURS["endless_walk"]))
    for engine in ("gufo", "pysnmp"):
        async with Transport(engine, walk_seconds=0.3) as transport:  # type: ignore[arg-type]
            started = time.monotonic()
            walked = await transport.walk(target(agent, max_repetitions=1), WHOLE, 10**9)
            assert walked.cut == "limit"
            assert 0.2 < time.monotonic() - started < 1.5


async def test_an_agent_among_liars_is_read_as_ever(transport: Transport, starts: Starts) -> None:
    """Nonsense from some must not slow or spoil what others say."""
    liars = [starts(HostileAgent(behaviour)) for behaviour in _nonsense()]
    honest = SimulatedAgent(small_tree(), users=users())
    honest.start()
    try:
        asked = target(honest, V2C, timeout=2.0)
        calls = [outcome(lambda liar=liar: transport.get(target(liar, timeout=0.2), OIDS)) for liar in liars]
        *_, walked = await asyncio.gather(*calls, transport.walk(asked, WHOLE))
        assert isinstance(walked, Walked)
        assert (len(walked.answers), walked.cut) == (49, None)
    finally:
        honest.stop()


async def test_nobody_answers_for_another(transport: Transport, starts: Starts) -> None:
    """pysnmp's request ids follow one another, so a liar can guess its neighbour's."""
    liar = starts(HostileAgent(BEHAVIOURS["wrong_request_id"]))
    slow = SimulatedAgent(small_tree(), users=users())
    slow.faults.delay = 0.1
    slow.start()
    try:
        lied = asyncio.ensure_future(outcome(lambda: transport.get(target(liar, timeout=0.2), OIDS)))
        found = await transport.get(target(slow, V2C, timeout=2.0), OIDS)
        assert found == {OIDS[0]: b"a switch", OIDS[1]: 4_294_967_295}
        assert isinstance(await lied, Malformed)
    finally:
        slow.stop()


def _nonsense() -> list[Behaviour]:
    return [BEHAVIOURS[name] for name in ("noise", "truncated", "bit_flips", "length_too_long", "empty")]


async def test_answers_that_nobody_signed_are_not_believed(transport: Transport, starts: Starts) -> None:
    for name in ("unsigned", "wrong_digest"):
        agent = starts(HostileAgent(BEHAVIOURS[name], users=users()))
        for credential in (V3, v3(AuthProtocol.SHA1)):
            got, walked = await outcomes(transport, target(agent, credential, timeout=0.1))
            assert isinstance(got, SnmpError)
            assert isinstance(walked, SnmpError)
