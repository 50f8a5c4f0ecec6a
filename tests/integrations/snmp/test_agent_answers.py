"""What the agent answers, in memory: the rules of RFC 3416 and, for v1, RFC 1157 and 3584."""

import pytest

from integrations.snmp.agent import Malformed, SimulatedAgent, Status, Tree, Type
from integrations.snmp.agent.message import V1, V2C, PduType, encode_community, encode_pdu, varbind
from tests.integrations.snmp.test_agent_asking import (
    COLUMN,
    LOCATION,
    NAME,
    UPTIME,
    WIDE,
    answered,
    question,
    small_switch,
)

GET, NEXT, BULK = PduType.GET, PduType.GETNEXT, PduType.GETBULK
END, NO_OBJECT, NO_INSTANCE = 0x82, 0x80, 0x81


def writing(*binds: tuple[str, Type, object], version: int = V2C) -> bytes:
    pdu = encode_pdu(PduType.SET, 4711, b"".join(varbind(*each) for each in binds))
    return encode_community(version, b"public", pdu)


def test_absent_objects_and_absent_rows_are_told_apart():
    pdu = answered(SimulatedAgent(small_switch()), question(GET, [f"{COLUMN}.9", "1.3.6.1.9.9", NAME]))
    assert [tag for _, tag, _ in pdu.binds] == [NO_INSTANCE, NO_OBJECT, Type.OCTETS]
    assert (pdu.first, pdu.second) == (Status.NO_ERROR, 0)


def test_v1_names_the_first_absent_object_and_sends_the_question_back():
    asked = [NAME, f"{COLUMN}.9", UPTIME]
    pdu = answered(SimulatedAgent(small_switch()), question(GET, asked, version=V1))
    assert (pdu.first, pdu.second) == (Status.NO_SUCH_NAME, 2)
    assert [tag for _, tag, _ in pdu.binds] == [Type.NULL] * 3


def test_v1_has_no_counter_of_64_bits():
    agent = SimulatedAgent(small_switch())
    assert answered(agent, question(GET, [f"{WIDE}.1"], version=V1)).first == Status.NO_SUCH_NAME
    assert answered(agent, question(NEXT, [f"{COLUMN}.4"], version=V1)).first == Status.NO_SUCH_NAME


def test_the_end_is_an_exception_under_the_last_name():
    pdu = answered(SimulatedAgent(small_switch()), question(NEXT, ["1.4"]))
    assert [tag for _, tag, _ in pdu.binds] == [END]
    pdu = answered(SimulatedAgent(small_switch()), question(BULK, [f"{WIDE}.1"], second=10))
    assert [tag for _, tag, _ in pdu.binds] == [Type.COUNTER64, END]
    assert pdu.binds[0][0] == pdu.binds[1][0]


def test_a_bulk_stops_at_whole_repetitions_of_a_hundred():
    tree = Tree.of((f"1.3.{column}.{row}", Type.INTEGER, row) for column in range(8) for row in range(1, 40))
    asked = [f"1.3.{column}" for column in range(8)]
    assert len(answered(SimulatedAgent(tree), question(BULK, asked, second=24)).binds) == 96
    assert len(answered(SimulatedAgent(tree), question(BULK, asked[:1], second=5_000)).binds) == 100
    agent = SimulatedAgent(tree, max_varbinds=20)
    assert len(answered(agent, question(BULK, asked, second=24)).binds) == 16


def test_a_bulk_with_more_heads_than_names_or_negative_counts_is_bounded():
    agent = SimulatedAgent(small_switch())
    assert len(answered(agent, question(BULK, [NAME, COLUMN], first=99, second=5)).binds) == 2
    assert len(answered(agent, question(BULK, [NAME, COLUMN], first=-1, second=2)).binds) == 4
    assert answered(agent, question(BULK, [NAME], second=-7)).binds == []


def test_a_bulk_is_cut_to_the_agents_size_and_a_get_is_too_big():
    tree = Tree.of((f"1.3.1.{row}", Type.OCTETS, "x" * 100) for row in range(1, 50))
    agent = SimulatedAgent(tree, max_size=1000)
    bulk = question(BULK, ["1.3.1"], second=40)
    assert len(agent.answer(bulk)) <= 1000
    assert len(answered(agent, bulk).binds) == 8
    asked = [f"1.3.1.{row}" for row in range(1, 12)]
    pdu = answered(agent, question(GET, asked))
    assert (pdu.first, pdu.second, pdu.binds) == (Status.TOO_BIG, 0, [])
    pdu = answered(agent, question(GET, asked, version=V1))
    assert (pdu.first, pdu.second, len(pdu.binds)) == (Status.TOO_BIG, 0, 11)


@pytest.mark.parametrize("kind", [GET, NEXT, BULK])
def test_a_broken_object_is_a_general_error(kind):
    agent = SimulatedAgent(small_switch())
    agent.rules.broken.add(LOCATION)
    asked = [NAME, LOCATION if kind == GET else NAME]
    pdu = answered(agent, question(kind, asked, second=1))
    assert (pdu.first, pdu.second) == (Status.GEN_ERR, 2 if kind == GET else 1)
    agent.rules.broken.clear()
    assert answered(agent, question(kind, asked, second=1)).first == Status.NO_ERROR


@pytest.mark.parametrize(
    ("bind", "status", "in_v1"),
    [
        (("1.3.9.9.0", Type.INTEGER, 1), Status.NO_CREATION, Status.NO_SUCH_NAME),
        ((LOCATION, Type.OCTETS, "x"), Status.NOT_WRITABLE, Status.NO_SUCH_NAME),
        ((NAME, Type.INTEGER, 1), Status.WRONG_TYPE, Status.BAD_VALUE),
        ((f"{COLUMN}.1", Type.INTEGER, 77), Status.WRONG_VALUE, Status.BAD_VALUE),
    ],
)
def test_a_set_that_is_refused_says_why_and_writes_nothing(bind, status, in_v1):
    heard = []
    agent = SimulatedAgent(
        small_switch(),
        write=["public"],
        writable=[NAME, COLUMN],
        refuses=lambda oid, value: Status.WRONG_VALUE if value == 77 else None,
        on_set=lambda *each: heard.append(each),
    )
    good = (NAME, Type.OCTETS, "new")
    for version, wanted in ((V2C, status), (V1, in_v1)):
        pdu = answered(agent, writing(good, bind, version=version))
        assert (pdu.first, pdu.second) == (wanted, 2)
    assert agent.tree.get(NAME) == (Type.OCTETS, b"sw-1")
    assert heard == []


def test_a_community_that_may_only_read_has_no_access():
    agent = SimulatedAgent(small_switch(), communities=["public", "private"], write=["private"])
    assert answered(agent, writing((NAME, Type.OCTETS, "x"))).first == Status.NO_ACCESS
    assert agent.tree.get(NAME) == (Type.OCTETS, b"sw-1")


def test_the_hook_hears_what_was_written_and_may_change_more():
    def port_goes_down(agent: SimulatedAgent, oid: str, value: object) -> None:
        agent.tree.set(f"{COLUMN}.4", Type.INTEGER, 2 if value == 2 else 1)

    agent = SimulatedAgent(small_switch(), write=["public"], on_set=port_goes_down)
    pdu = answered(agent, writing((f"{COLUMN}.1", Type.INTEGER, 2)))
    assert (pdu.first, pdu.binds[0][2]) == (Status.NO_ERROR, b"\x02")
    assert agent.tree.get(f"{COLUMN}.1") == agent.tree.get(f"{COLUMN}.4") == (Type.INTEGER, 2)
    answered(agent, writing((f"{COLUMN}.1", Type.INTEGER, 1)))
    assert agent.tree.get(f"{COLUMN}.4") == (Type.INTEGER, 1)


def test_a_frozen_agent_tells_the_past_and_is_up_to_date_when_it_thaws():
    agent = SimulatedAgent(small_switch(), write=["public"])
    agent.frozen = True
    agent.tree.set(NAME, Type.OCTETS, "new")
    answered(agent, writing((f"{COLUMN}.1", Type.INTEGER, 2)))
    assert answered(agent, question(GET, [NAME])).binds[0][2] == b"sw-1"
    agent.frozen = False
    found = answered(agent, question(GET, [NAME, f"{COLUMN}.1"])).binds
    assert [content for _, _, content in found] == [b"new", b"\x02"]


@pytest.mark.parametrize("kind", [PduType.RESPONSE, PduType.INFORM, PduType.TRAP, PduType.REPORT])
def test_what_is_no_question_is_malformed(kind):
    with pytest.raises(Malformed):
        SimulatedAgent(small_switch()).answer(question(kind, [NAME]))


def test_a_bulk_of_v1_and_another_version_are_malformed():
    agent = SimulatedAgent(small_switch())
    for version in (V1, 2, 7):
        with pytest.raises(Malformed):
            agent.answer(question(BULK, [NAME], version=version))


def test_a_reboot_sets_the_clocks_back_and_counts():
    agent = SimulatedAgent(small_switch(), boots=4)
    agent.tree.let_uptime_run()
    agent.publish_engine()
    agent.reboot()
    assert agent.tree.get(UPTIME)[1] < 100
    assert [value for _, _, value in agent.tree.bulk("1.3.6.1.6.3.10.2.1.1.0", 2)] == [5, 0]
