"""Each misbehaviour does what it says, and the strict decoder of our own tells the malformed ones."""

import asyncio
import socket

import pytest

from integrations.snmp.agent import Malformed, User
from integrations.snmp.agent.ber import decode_oid, oid_text
from integrations.snmp.agent.engine import SecureEngine
from integrations.snmp.agent.hostile import BEHAVIOURS, REPEATS, Elsewhere, HostileAgent
from integrations.snmp.agent.message import (
    V1,
    V2C,
    Pdu,
    PduType,
    parse_community,
    parse_framed,
    parse_pdu,
    read_bind,
    version_of,
)
from integrations.snmp.target import AuthProtocol, PrivProtocol
from tests.integrations.snmp.test_agent_asking import NAME, gufo, gufo_v3, question, running_agent

BASE = "1.3.6.1.2.1.2.2.1.10"
SEALER = User("sealer", AuthProtocol.SHA256, "maplesyrup", PrivProtocol.AES128, "pancakes!")
GET, NEXT, BULK = PduType.GET, PduType.GETNEXT, PduType.GETBULK


def said(
    name: str, kind: PduType = GET, oid: str = NAME, *, agent: HostileAgent | None = None, **more
) -> list:
    agent = agent or HostileAgent(BEHAVIOURS[name])
    return list(agent.behaviour(agent, question(kind, [oid], **more)))


def response(name: str, *arguments, **more) -> Pdu:
    (data,) = said(name, *arguments, **more)
    message = parse_community(data, *version_of(data))
    assert message.pdu.type == PduType.RESPONSE
    assert message.pdu.request_id == 4711
    return message.pdu


def walked(name: str, rounds: int) -> list[str]:
    """The names that a naive walk by GETNEXT is led through."""
    found = [BASE]
    for _ in range(rounds):
        found.append(oid_text(decode_oid(response(name, NEXT, found[-1]).binds[0][0])))
    return found[1:]


def numbers(names: list[str]) -> list[tuple[int, ...]]:
    return [tuple(map(int, name.split("."))) for name in names]


def test_an_endless_walk_rises_below_its_base_for_ever():
    names = numbers(walked("endless_walk", 500))
    assert names == sorted(set(names))
    assert all(oid_text(name).startswith(f"{BASE}.") for name in names)
    bulk = response("endless_walk", BULK, BASE, second=40).binds
    assert len(bulk) == 40
    assert decode_oid(bulk[0][0]) == names[0]
    assert decode_oid(bulk[39][0]) == names[39]


def test_a_looping_walk_comes_back_to_the_same_names():
    names = walked("looping_walk", 30)
    assert len(set(names)) == 3
    assert len({name for name, _, _ in response("looping_walk", BULK, BASE, second=40).binds}) == 3


def test_a_backward_walk_falls():
    names = numbers(walked("backward_walk", 30))
    assert names == sorted(names, reverse=True)
    assert len(set(names)) == 30


def test_the_same_name_and_other_names_are_no_progress():
    assert walked("same_name", 3) == [BASE] * 3
    assert not walked("other_names", 1)[0].startswith(BASE)
    assert len(response("too_many_bindings", BULK, BASE, second=10).binds) == 100
    assert response("no_bindings").binds == []


def test_errors_that_no_agent_should_answer():
    assert (response("bad_status").first, response("bad_status").second) == (77, 9_999)
    assert response("always_gen_err").first == 5
    assert response("always_too_big").first == 1
    assert response("endless_end_of_mib").binds[0][1:] == (0x82, b"")


VALUES = [
    "monstrous_integer",
    "negative_counter",
    "empty_integer",
    "short_address",
    "endless_subidentifier",
    "unknown_tag",
    "deep_nesting",
]


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_cannot_be_is_told_when_it_is_read(name):
    with pytest.raises(Malformed):
        read_bind(response(name).binds[0])


def test_huge_answers_fit_a_datagram_however_much_is_asked():
    for name in ("huge", "deep_nesting", "monstrous_integer"):
        agent = HostileAgent(BEHAVIOURS[name])
        (data,) = agent.behaviour(agent, question(GET, [NAME] * 60))
        assert 20_000 < len(data) <= 65_507
    assert len(read_bind(response("huge").binds[0])[2]) == 65_000


@pytest.mark.parametrize(
    "name",
    [
        "inner_length_lies",
        "length_too_long",
        "length_too_short",
        "truncated",
        "indefinite_length",
        "trailing_bytes",
        "empty",
        "noise",
        "huge_noise",
    ],
)
def test_what_is_no_message_is_told_by_the_decoder(name):
    (data,) = said(name)
    with pytest.raises(Malformed):
        parse_community(data, *version_of(data))


def test_answers_that_answer_somebody_else():
    (data,) = said("wrong_community")
    assert parse_community(data, *version_of(data)).community == b"someone-else"
    for version, other in ((V1, V2C), (V2C, V1)):
        (data,) = said("wrong_version", version=version)
        message = parse_community(data, *version_of(data))
        assert (message.version, message.community) == (other, b"public")
        assert message.pdu.binds[0][2] == b"room 12"
    (data,) = said("wrong_request_id")
    assert parse_community(data, *version_of(data)).pdu.request_id == 4712
    (data,) = said("wrong_pdu")
    assert parse_community(data, *version_of(data)).pdu.type == PduType.GET
    assert said("echo") == [question(GET, [NAME])]
    assert [each.same_address for each in said("from_another_port")] == [True]
    assert isinstance(said("from_another_address")[0], Elsewhere)


async def test_answers_come_from_another_port_or_another_address():
    for name, same_address in (("from_another_port", True), ("from_another_address", False)):
        with running_agent(HostileAgent(BEHAVIOURS[name])) as agent:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
                asker.setblocking(False)
                asker.bind(("0.0.0.0", 0))  # noqa: S104
                asker.sendto(question(GET, [NAME]), (agent.address, agent.port))
                loop = asyncio.get_running_loop()
                _, sender = await asyncio.wait_for(loop.sock_recvfrom(asker, 2000), 1)
            assert (sender[0] == agent.address) is same_address
            assert sender != (agent.address, agent.port)


def test_an_answer_is_repeated_ten_thousand_times():
    answers = said("repeated")
    assert len(answers) == REPEATS
    assert len(set(answers)) == 1


def test_turned_bits_are_the_same_for_the_same_seed():
    def series(seed: int) -> list[bytes]:
        agent = HostileAgent(BEHAVIOURS["bit_flips"], seed=seed)
        return [said("bit_flips", agent=agent)[0] for _ in range(50)]

    assert series(1) == series(1)
    assert series(1) != series(2)
    honest = HostileAgent(BEHAVIOURS["echo"]).answer(question(GET, [NAME]))
    assert all(len(data) == len(honest) and data != honest for data in series(1))


async def test_every_behaviour_bears_a_real_client_of_every_version():
    """None of them raises in the agent, whatever the client makes of it."""
    loop, raised = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: raised.append(context))
    try:
        for name in sorted(set(BEHAVIOURS) - {"repeated"}):
            agent = HostileAgent(BEHAVIOURS[name], users=[SEALER], other_address="127.0.0.98")
            with running_agent(agent):
                for session in (gufo(agent), gufo_v3(agent, SEALER)):
                    session._timeout = 0.01
                    await _tried(session)
            assert agent.received >= 2, name
    finally:
        loop.set_exception_handler(None)
    assert raised == []


async def _tried(session) -> None:
    try:
        async with session:
            await session.get(NAME)
    except Exception:  # noqa: BLE001, S110
        pass


def secure(name: str) -> tuple[HostileAgent, SecureEngine]:
    agent = HostileAgent(BEHAVIOURS[name], users=[SEALER])
    return agent, agent.engine


async def test_reports_never_end_and_change_their_kind():
    agent, engine = secure("endless_reports")
    with running_agent(agent):
        for _ in range(4):
            session = gufo_v3(agent, SEALER)
            session._timeout = 0.05
            await _tried(session)
    assert agent.received >= 4
    assert len(engine.reports) == 2
    assert sum(engine.reports.values()) == agent.received
    assert said("endless_reports") == []


async def test_time_and_boots_go_backwards_in_answers_to_questions_that_were_in_time():
    agent, engine = secure("time_backwards")
    with running_agent(agent):
        session = gufo_v3(agent, SEALER)
        session._timeout = 0.05
        await _tried(session)
    falls = 100 - engine.boots
    assert falls == agent.received - sum(engine.reports.values()) >= 1
    assert engine.seconds <= 1_000_000 - falls * 1000 + 1


async def sealed_answer(name: str) -> tuple[HostileAgent, bytes]:
    """The last answer to gufo's sealed GET, as it went out."""
    agent, _ = secure(name)
    sent: list[bytes] = []
    agent.behaviour = lambda agent, data: [
        sent.append(each) or each for each in BEHAVIOURS[name](agent, data)
    ]
    with running_agent(agent):
        session = gufo_v3(agent, SEALER)
        session._timeout = 0.05
        await _tried(session)
    return agent, sent[-1]


async def test_an_unsigned_answer_is_in_plain():
    agent, data = await sealed_answer("unsigned")
    _, at, stop = version_of(data)
    framed = parse_framed(data, at, stop)
    assert (framed.flags, framed.encrypted, framed.security.digest) == (0, False, b"")
    assert agent.engine.engine_id in framed.data


async def test_a_wrong_digest_is_one_bit_off():
    agent, data = await sealed_answer("wrong_digest")
    _, at, stop = version_of(data)
    framed = parse_framed(data, at, stop)
    keys = agent.engine._keys_of(SEALER)
    assert not keys.is_signed(data, framed)
    where = framed.security.digest_at
    mended = data[:where] + bytes((data[where] ^ 1,)) + data[where + 1 :]
    assert keys.is_signed(mended, parse_framed(mended, at, stop))


def test_a_pdu_needs_all_its_parts():
    with pytest.raises(Malformed):
        parse_pdu(bytes.fromhex("a003020101"), 0, 5)
