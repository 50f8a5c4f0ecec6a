"""Questions for a simulated agent, by hand and by gufo-snmp and pysnmp over UDP (v1 and v2c)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager

import pytest
from gufo.snmp import Aes128Key, Aes192Key, Aes256Key, DesKey, Md5Key, Sha1Key, SnmpVersion
from gufo.snmp import User as GufoUser
from gufo.snmp.aio.client import SnmpSession
from gufo.snmp.user import Sha224Key, Sha256Key, Sha384Key, Sha512Key
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    Integer32,
    ObjectIdentity,
    ObjectType,
    OctetString,
    SnmpEngine,
    UdpTransportTarget,
    bulk_cmd,
    get_cmd,
    next_cmd,
    set_cmd,
)

from integrations.snmp.agent import SimulatedAgent, Tree, Type, User
from integrations.snmp.agent.ber import NULL, oid_content, parse_oid
from integrations.snmp.agent.message import (
    V2C,
    Pdu,
    PduType,
    bind,
    encode_community,
    encode_pdu,
    parse_community,
    version_of,
)
from integrations.snmp.target import AuthProtocol, PrivProtocol

NAME = "1.3.6.1.2.1.1.5.0"
LOCATION = "1.3.6.1.2.1.1.6.0"
UPTIME = "1.3.6.1.2.1.1.3.0"
COLUMN = "1.3.6.1.2.1.2.2.1.8"
WIDE = "1.3.6.1.2.1.31.1.1.1.6"

AUTH_KEYS = {
    AuthProtocol.MD5: Md5Key,
    AuthProtocol.SHA1: Sha1Key,
    AuthProtocol.SHA224: Sha224Key,
    AuthProtocol.SHA256: Sha256Key,
    AuthProtocol.SHA384: Sha384Key,
    AuthProtocol.SHA512: Sha512Key,
}
PRIV_KEYS = {
    PrivProtocol.DES: DesKey,
    PrivProtocol.AES128: Aes128Key,
    PrivProtocol.AES192: Aes192Key,
    PrivProtocol.AES256: Aes256Key,
}


def small_switch() -> Tree:
    """Six system objects, four ports' states, two 64-bit counters."""
    return Tree.of(
        [
            ("1.3.6.1.2.1.1.1.0", Type.OCTETS, "a switch"),
            ("1.3.6.1.2.1.1.2.0", Type.OID, "1.3.6.1.4.1.9.1.1"),
            (UPTIME, Type.TICKS, 4200),
            ("1.3.6.1.2.1.1.4.0", Type.OCTETS, b""),
            (NAME, Type.OCTETS, "sw-1"),
            (LOCATION, Type.OCTETS, "room 12"),
            *((f"{COLUMN}.{port}", Type.INTEGER, port) for port in range(1, 5)),
            *((f"{WIDE}.{port}", Type.COUNTER64, port << 40) for port in range(1, 3)),
        ]
    )


@contextmanager
def running_agent(agent: SimulatedAgent):
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


def question(
    kind: PduType,
    oids: Iterable[str],
    *,
    first: int = 0,
    second: int = 0,
    version: int = V2C,
    community: bytes = b"public",
) -> bytes:
    binds = b"".join(bind(oid_content(parse_oid(oid)), NULL) for oid in oids)
    return encode_community(version, community, encode_pdu(kind, 4711, binds, first, second))


def answered(agent: SimulatedAgent, data: bytes) -> Pdu:
    """The response to a v1 or v2c question, its envelope checked."""
    answer = agent.answer(data)
    assert answer is not None
    version, at, stop = version_of(answer)
    message = parse_community(answer, version, at, stop)
    assert message.pdu.type == PduType.RESPONSE
    assert message.pdu.request_id == 4711
    return message.pdu


def gufo(agent: SimulatedAgent, version: SnmpVersion = SnmpVersion.v2c, **more: object) -> SnmpSession:
    return SnmpSession(agent.address, agent.port, timeout=0.5, version=version, **more)


def gufo_user(user: User) -> GufoUser:
    return GufoUser(
        user.name,
        auth_key=AUTH_KEYS[user.auth](user.auth_password.encode()) if user.auth else None,
        priv_key=PRIV_KEYS[user.priv](user.priv_password.encode()) if user.priv else None,
    )


@pytest.fixture(scope="module")
async def engine():
    made = SnmpEngine()
    yield made
    made.close_dispatcher()


def named(oid: str, value: object = None) -> ObjectType:
    return ObjectType(ObjectIdentity(oid)) if value is None else ObjectType(ObjectIdentity(oid), value)


async def pysnmp(engine: SnmpEngine, ask, agent: SimulatedAgent, auth, *arguments, context: str = ""):
    """Error indication, error status and index as numbers, and name and value pairs as pysnmp gives them."""
    target = await UdpTransportTarget.create((agent.address, agent.port), timeout=0.5, retries=0)
    scope = ContextData(contextName=context.encode())
    error, status, index, binds = await ask(engine, auth, target, scope, *arguments, lookupMib=False)
    return error, int(status), int(index), [(str(name), value) for name, value in binds]


def gufo_v3(agent: SimulatedAgent, user: User) -> SnmpSession:
    return gufo(agent, SnmpVersion.v3, user=gufo_user(user))


V1_AUTH = CommunityData("public", mpModel=0)  # noqa: S508
V2_AUTH = CommunityData("public", mpModel=1)  # noqa: S508


async def test_gufo_gets_and_walks_over_v2c():
    with running_agent(SimulatedAgent(small_switch())) as agent:
        async with gufo(agent) as session:
            assert await session.get(NAME) == b"sw-1"
            assert await session.get_many([NAME, UPTIME, "1.3.9.9"]) == {NAME: b"sw-1", UPTIME: 4200}
            assert [value async for _, value in session.getbulk(COLUMN)] == [1, 2, 3, 4]
            assert [value async for _, value in session.getnext(WIDE)] == [1 << 40, 2 << 40]


async def test_gufo_walks_over_v1_and_never_sees_a_counter_of_64_bits():
    with running_agent(SimulatedAgent(small_switch())) as agent:
        async with gufo(agent, SnmpVersion.v1) as session:
            assert len([name async for name, _ in session.getnext("1.3")]) == 10


@pytest.mark.parametrize("auth", [V1_AUTH, V2_AUTH], ids=["v1", "v2c"])
async def test_pysnmp_gets_the_next_and_sets(engine, auth):
    agent = SimulatedAgent(small_switch(), write=["public"])
    with running_agent(agent):
        _, status, _, found = await pysnmp(engine, get_cmd, agent, auth, named(NAME), named(UPTIME))
        assert (status, [value.prettyPrint() for _, value in found]) == (0, ["sw-1", "4200"])
        _, status, _, found = await pysnmp(engine, next_cmd, agent, auth, named(COLUMN))
        assert (status, [(name, int(value)) for name, value in found]) == (0, [(f"{COLUMN}.1", 1)])
        write = (named(NAME, OctetString("sw-2")), named(f"{COLUMN}.1", Integer32(2)))
        assert (await pysnmp(engine, set_cmd, agent, auth, *write))[1] == 0
    assert agent.tree.get(NAME) == (Type.OCTETS, b"sw-2")
    assert agent.tree.get(f"{COLUMN}.1") == (Type.INTEGER, 2)


async def test_pysnmp_gets_several_columns_in_one_bulk(engine):
    with running_agent(SimulatedAgent(small_switch())) as agent:
        columns = (named(NAME), named(COLUMN), named(WIDE))
        _, status, _, found = await pysnmp(engine, bulk_cmd, agent, V2_AUTH, 1, 3, *columns)
    assert status == 0
    assert [name for name, _ in found] == [
        LOCATION,
        f"{COLUMN}.1",
        f"{WIDE}.1",
        f"{COLUMN}.2",
        f"{WIDE}.2",
        f"{COLUMN}.3",
        f"{WIDE}.2",
    ]
    assert found[-1][1].prettyPrint() == "No more variables left in this MIB View"


async def test_a_wrong_community_is_not_answered():
    with running_agent(SimulatedAgent(small_switch(), communities=["secret"])) as agent:
        async with gufo(agent) as session:
            with pytest.raises(TimeoutError):
                await session.get(NAME)
        assert (agent.received, agent.answered, agent.malformed) == (1, 0, 0)


async def test_a_community_may_have_a_tree_of_its_own():
    vlan = Tree.of([(NAME, Type.OCTETS, "vlan ten")])
    agent = SimulatedAgent(switch := small_switch(), communities={"public": switch, "public@10": vlan})
    assert answered(agent, question(PduType.GET, [NAME], community=b"public@10")).binds[0][2] == b"vlan ten"
    assert answered(agent, question(PduType.GET, [NAME])).binds[0][2] == b"sw-1"
