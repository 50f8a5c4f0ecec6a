import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.snmp.agent import SimulatedAgent
from integrations.snmp.agent.ber import (
    SEQUENCE,
    Malformed,
    Type,
    decode,
    decode_oid,
    encode,
    expect,
    header,
    integer,
    oid_content,
    parse_oid,
    tlv,
)
from integrations.snmp.agent.message import parse_framed, parse_pdu, version_of
from tests.integrations.snmp.test_agent_asking import NAME, question, small_switch

SUBIDS = st.integers(0, 2**32 - 1)
OIDS = st.one_of(
    st.tuples(st.integers(0, 1), st.integers(0, 39)),
    st.tuples(st.just(2), st.integers(0, 2**32 - 81)),
).flatmap(lambda head: st.lists(SUBIDS, max_size=20).map(lambda tail: (*head, *tail)))
VALUES = st.one_of(
    st.tuples(st.just(Type.INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from([Type.COUNTER32, Type.GAUGE32, Type.TICKS]), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(Type.COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.sampled_from([Type.OCTETS, Type.OPAQUE]), st.binary(max_size=400)),
    st.tuples(st.just(Type.OID), OIDS.map(lambda oid: ".".join(map(str, oid)))),
    st.tuples(st.just(Type.IP), st.ip_addresses(v=4).map(str)),
    st.just((Type.NULL, None)),
)


@given(VALUES)
@settings(max_examples=150)
def test_every_value_is_read_back_as_it_was_written(value):
    kind, content = value
    whole = encode(kind, content)
    tag, start, stop = header(whole, 0, len(whole))
    assert stop == len(whole)
    assert decode(tag, whole[start:stop]) == (kind, content)


@given(OIDS)
@settings(max_examples=100)
def test_every_object_identifier_is_read_back_as_it_was_written(oid):
    assert decode_oid(oid_content(oid)) == oid


def test_octets_are_those_of_the_standards():
    assert oid_content(parse_oid(".1.3.6.1.4.1.9999.1")) == bytes.fromhex("2b06010401ce0f01")
    assert integer(128) == bytes.fromhex("02020080")
    assert integer(-128) == bytes.fromhex("020180")
    assert integer(-129) == bytes.fromhex("0202ff7f")
    assert encode(Type.COUNTER32, 2**32 - 1) == bytes.fromhex("410500ffffffff")
    assert encode(Type.COUNTER64, 2**64 - 1) == bytes.fromhex("460900ffffffffffffffff")
    assert encode(Type.IP, "10.0.255.1") == bytes.fromhex("40040a00ff01")
    assert tlv(4, b"x" * 200)[:3] == bytes.fromhex("0481c8")
    assert tlv(4, b"x" * 70_000)[:5] == bytes.fromhex("0483011170")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Type.INTEGER, 2**31),
        (Type.GAUGE32, -1),
        (Type.COUNTER64, 2**64),
        (Type.IP, "10.0.0"),
        (Type.OID, "3.1"),
        (Type.OID, "1.40"),
        (Type.OID, "1.3.4294967296"),
        (Type.OCTETS, 5),
        (Type.INTEGER, "5"),
    ],
)
def test_what_a_type_cannot_hold_is_refused(kind, value):
    with pytest.raises(ValueError, match=r"out of range|no value|no IPv4|no object|no sub"):
        encode(kind, value)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "3080020101 0000",
        "3085000000000100",
        "3003020101 00",
        "30050201",
        "1f8101 00",
        "02020001",
        "0202ffff",
        "0200",
        "02050100000000",
    ],
)
def test_a_message_that_is_no_strict_ber_is_refused(octets):
    with pytest.raises(Malformed):
        version_of(bytes.fromhex(octets))


@pytest.mark.parametrize("octets", ["", "80", "2b80", "2b8001", "2b9080808000", "2b" + "01" * 128])
def test_an_object_identifier_that_is_none_is_refused(octets):
    with pytest.raises(Malformed):
        decode_oid(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("tag", "octets"),
    [(0x41, "ff"), (0x41, "010000000000"), (0x40, "7f0001"), (0x05, "00"), (0x02, "0001"), (0x5B, "00")],
)
def test_a_value_outside_its_type_is_refused(tag, octets):
    with pytest.raises(Malformed):
        decode(tag, bytes.fromhex(octets))


def test_long_lengths_that_are_not_the_shortest_are_read_as_net_snmp_writes_them():
    assert expect(bytes.fromhex("30820003020101"), 0, 7, SEQUENCE) == (4, 7)


@given(st.binary(max_size=200))
@settings(max_examples=150)
def test_bytes_at_random_are_malformed_and_nothing_worse(data):
    for parse in (
        lambda: version_of(data),
        lambda: parse_pdu(data, 0, len(data)),
        lambda: parse_framed(data, 0, len(data)),
    ):
        with pytest.raises(Malformed):
            parse()


@given(st.data())
@settings(max_examples=200)
def test_a_question_with_turned_octets_is_answered_or_malformed(data):
    agent = SimulatedAgent(small_switch())
    noisy = bytearray(question(0xA5, [NAME, NAME], second=5))
    for _ in range(data.draw(st.integers(1, 4))):
        noisy[data.draw(st.integers(0, len(noisy) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer = agent.answer(bytes(noisy))
    except Malformed:
        return
    assert answer is None or version_of(answer)
