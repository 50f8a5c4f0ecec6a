"""The end of an agent's objects, read from a v2c answer as it came."""

from __future__ import annotations

import socket

import pytest

from integrations.snmp.agent import SimulatedAgent
from integrations.snmp.ending import next_datagram, says_end
from integrations.snmp.transport import Transport
from tests.integrations.snmp.transport_asking import SMALL, SYSTEM, V1, small_tree, target

AFTER = "1.3.6.1.2.1.43.18.1.1"
NAME = bytes.fromhex("06092b060102012b120101")
END, NULL, NOTHING = b"\x82\x00", b"\x05\x00", b"\x81\x00"


def framed(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes((tag, len(content))) + content


def answer(value: bytes = END, *, status: int = 0, name: bytes = NAME, pdu: int = 0xA2) -> bytes:
    rows = framed(0x30, framed(0x30, name, value))
    numbers = (b"\x02\x02\x12\x34", bytes((2, 1, status)), b"\x02\x01\x00")
    return framed(0x30, b"\x02\x01\x01", framed(4, b"public"), framed(pdu, *numbers, rows))


def test_the_end_is_told_by_its_own_value_for_what_was_asked_and_without_an_error() -> None:
    assert says_end(answer(), AFTER)
    assert not says_end(answer(NULL), AFTER)
    assert not says_end(answer(NOTHING), AFTER)
    assert not says_end(answer(status=5), AFTER)
    assert not says_end(answer(pdu=0xA8), AFTER)
    assert not says_end(answer(), AFTER + ".1")
    assert says_end(answer(name=bytes.fromhex("06082b06010401896708")), "1.3.6.1.4.1.1255.8")


@pytest.mark.parametrize("length", range(len(answer())))
def test_what_is_cut_off_says_nothing(length: int) -> None:
    assert not says_end(answer()[:length], AFTER)


def test_a_datagram_that_was_looked_at_still_comes() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        ours.bind(("127.0.0.1", 0))
        assert next_datagram(ours.fileno()) == b""
        other.sendto(b"first", ours.getsockname())
        assert next_datagram(ours.fileno()) == next_datagram(ours.fileno()) == ours.recv(99) == b"first"
        assert next_datagram(ours.fileno()) == b""


async def test_the_end_of_all_objects_costs_one_question() -> None:
    agent = SimulatedAgent(small_tree())
    agent.start()
    try:
        async with Transport("gufo") as transport:
            walked = await transport.walk(target(agent), AFTER)
            assert (walked.answers, walked.cut, agent.answered) == ({}, None, 1)
            column = "1.3.6.1.2.1.2.2.1.10"
            walked = await transport.walk(target(agent), column)
            assert walked.answers == {oid: SMALL[oid] for oid in SMALL if not oid.startswith(SYSTEM)}
            assert (walked.cut, agent.answered) == (None, 4)
            walked = await transport.walk(target(agent, V1), AFTER)
            assert (walked.answers, walked.cut) == ({}, None)
    finally:
        agent.stop()
