"""SNMPv3: both clients at every level, and each report by hand."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from gufo.snmp import SnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    USM_AUTH_HMAC96_MD5,
    USM_AUTH_HMAC96_SHA,
    USM_AUTH_HMAC128_SHA224,
    USM_AUTH_HMAC192_SHA256,
    USM_AUTH_HMAC256_SHA384,
    USM_AUTH_HMAC384_SHA512,
    USM_PRIV_CBC56_DES,
    USM_PRIV_CFB128_AES,
    USM_PRIV_CFB192_AES_BLUMENTHAL,
    USM_PRIV_CFB256_AES_BLUMENTHAL,
    OctetString,
    UsmUserData,
    get_cmd,
    set_cmd,
)

from integrations.snmp.agent import Malformed, SimulatedAgent, Status, Tree, Type, User
from integrations.snmp.agent.engine import Report
from integrations.snmp.agent.message import (
    AUTH,
    PRIV,
    REPORTABLE,
    Framed,
    Pdu,
    PduType,
    Security,
    encode_pdu,
    encode_scoped,
    parse_framed,
    parse_scoped,
    read_bind,
    varbind,
    version_of,
)
from integrations.snmp.agent.usm import Keys, localised, master_key
from integrations.snmp.target import AuthProtocol, PrivProtocol
from tests.integrations.snmp.test_agent_asking import (
    COLUMN,
    NAME,
    engine,
    gufo_v3,
    named,
    pysnmp,
    running_agent,
    small_switch,
)

__all__ = ["engine"]

AUTHS = {
    AuthProtocol.MD5: USM_AUTH_HMAC96_MD5,
    AuthProtocol.SHA1: USM_AUTH_HMAC96_SHA,
    AuthProtocol.SHA224: USM_AUTH_HMAC128_SHA224,
    AuthProtocol.SHA256: USM_AUTH_HMAC192_SHA256,
    AuthProtocol.SHA384: USM_AUTH_HMAC256_SHA384,
    AuthProtocol.SHA512: USM_AUTH_HMAC384_SHA512,
}
PRIVS = {
    PrivProtocol.DES: USM_PRIV_CBC56_DES,
    PrivProtocol.AES128: USM_PRIV_CFB128_AES,
    PrivProtocol.AES192: USM_PRIV_CFB192_AES_BLUMENTHAL,
    PrivProtocol.AES256: USM_PRIV_CFB256_AES_BLUMENTHAL,
}
WORD, OTHER_WORD = "maplesyrup", "pancakes!"
PLAIN = User("plain")
SIGNER = User("signer", AuthProtocol.SHA256, WORD)
SEALER = User("sealer", AuthProtocol.SHA1, WORD, PrivProtocol.AES256, OTHER_WORD)
USERS = [
    PLAIN,
    *(User(f"a-{auth}", auth, WORD) for auth in AuthProtocol),
    *(User(f"p-{priv}", AuthProtocol.SHA256, WORD, priv, OTHER_WORD) for priv in PrivProtocol),
    User("p-md5-aes256", AuthProtocol.MD5, WORD, PrivProtocol.AES256, OTHER_WORD),
    User("p-sha1-aes192", AuthProtocol.SHA1, WORD, PrivProtocol.AES192, OTHER_WORD),
    User("p-sha512-aes128", AuthProtocol.SHA512, WORD, PrivProtocol.AES128, OTHER_WORD),
]


def usm(user: User) -> UsmUserData:
    return UsmUserData(
        user.name,
        authKey=user.auth_password if user.auth else None,
        privKey=user.priv_password if user.priv else None,
        authProtocol=AUTHS[user.auth] if user.auth else None,
        privProtocol=PRIVS[user.priv] if user.priv else None,
    )


def test_keys_are_those_of_rfc_3414():
    engine_id = bytes.fromhex("000000000000000000000002")
    assert master_key(AuthProtocol.MD5, WORD).hex() == "9faf3283884e92834ebc9847d8edd963"
    assert localised(AuthProtocol.MD5, WORD, engine_id).hex() == "526f5eed9fcce26f8964c2930787d82b"
    assert master_key(AuthProtocol.SHA1, WORD).hex() == "9fb5cc0381497b3793528939ff788d5d79145211"
    assert localised(AuthProtocol.SHA1, WORD, engine_id).hex() == "6695febc9288e36282235fc7151f128497b38f3f"


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
async def test_gufo_gets_and_walks_as_every_kind_of_user(user):
    with running_agent(SimulatedAgent(small_switch(), users=[user])) as agent:
        async with gufo_v3(agent, user) as session:
            assert await session.get(NAME) == b"sw-1"
            assert [value async for _, value in session.getbulk(COLUMN)] == [1, 2, 3, 4]
        assert agent.malformed == 0


@pytest.mark.parametrize("user", [PLAIN, *USERS[1:3], *USERS[7:12]], ids=lambda user: user.name)
async def test_pysnmp_gets_and_sets_as_many_kinds_of_user(engine, user):
    identity = b"\x80\x00\x00\x00\x05" + user.name.encode()
    agent = SimulatedAgent(small_switch(), users=[user], engine_id=identity, write=[user.name])
    with running_agent(agent):
        error, status, _, found = await pysnmp(engine, get_cmd, agent, usm(user), named(NAME))
        assert (error, status, found[0][1].prettyPrint()) == (None, 0, "sw-1")
        write = named(NAME, OctetString("sw-2"))
        assert (await pysnmp(engine, set_cmd, agent, usm(user), write))[:2] == (None, 0)
    assert agent.tree.get(NAME) == (Type.OCTETS, b"sw-2")


async def test_pysnmp_reads_another_context(engine):
    vlan = Tree.of([(NAME, Type.OCTETS, "vlan ten")])
    agent = SimulatedAgent(small_switch(), users=[SEALER], contexts={"vlan-10": vlan}, engine_id=b"\x80ctx1")
    with running_agent(agent):
        found = (await pysnmp(engine, get_cmd, agent, usm(SEALER), named(NAME), context="vlan-10"))[3]
        assert found[0][1].prettyPrint() == "vlan ten"
        error = (await pysnmp(engine, get_cmd, agent, usm(SEALER), named(NAME), context="vlan-11"))[0]
        assert error is not None
    assert agent.engine.reports[Report.UNKNOWN_CONTEXTS] == 1


@pytest.mark.parametrize(
    ("wrong", "report"),
    [
        (replace(SEALER, name="nobody"), Report.UNKNOWN_USER_NAMES),
        (replace(SEALER, auth_password="wrong words"), Report.WRONG_DIGESTS),
        (replace(SEALER, priv_password="wrong words"), Report.DECRYPTION_ERRORS),
    ],
)
async def test_gufo_with_wrong_credentials_reads_nothing_and_is_counted(wrong, report):
    with running_agent(SimulatedAgent(small_switch(), users=[SEALER])) as agent:
        with pytest.raises((SnmpError, TimeoutError)):
            async with gufo_v3(agent, wrong) as session:
                await session.get(NAME)
        assert agent.engine.reports[report] >= 1


async def test_gufo_reads_on_after_a_reboot_once_it_has_refreshed():
    with running_agent(SimulatedAgent(small_switch(), users=[SEALER], boots=3)) as agent:
        async with gufo_v3(agent, SEALER) as session:
            assert await session.get(NAME) == b"sw-1"
            agent.reboot()
            with pytest.raises((SnmpError, TimeoutError)):
                await session.get(NAME)
            assert agent.engine.reports[Report.NOT_IN_TIME_WINDOWS] == 1
        async with gufo_v3(agent, SEALER) as session:
            assert await session.get(NAME) == b"sw-1"


def secure_question(agent: SimulatedAgent, user: User, /, **more) -> bytes:
    """A GET of the name at the user's level, or with other `flags`, `context`, `scope` (context engine) or
    security parameters.
    """
    flags = more.pop("flags", user.level | REPORTABLE)
    engine_id, context = agent.engine.engine_id, more.pop("context", b"")
    scope = more.pop("scope", engine_id)
    boots, seconds = agent.engine.boots, agent.engine.seconds
    security = replace(Security(engine_id, boots, seconds, user.name.encode(), b"", b"", 0), **more)
    keys = Keys.of(user, engine_id)
    pdu = encode_pdu(PduType.GET, 4711, varbind(NAME, Type.NULL, None))
    data = encode_scoped(scope, context, pdu)
    if flags & PRIV:
        data, salt = keys.encrypted(data, boots, seconds, 99)
        security = replace(security, salt=more.get("salt", salt))
    framed = Framed(815, 65_507, flags, 3, security, bool(flags & PRIV), data)
    return (keys if flags & AUTH else Keys(PLAIN, b"", b"")).signed(framed)


def asked(agent: SimulatedAgent, user: User, /, **more) -> tuple[int, Pdu] | None:
    """Flags and PDU of the answer, its digest checked and its payload decrypted; None for no answer."""
    question = secure_question(agent, user, **more)
    return opened(agent, Keys.of(user, agent.engine.engine_id), question)


def opened(agent: SimulatedAgent, keys: Keys, question: bytes) -> tuple[int, Pdu] | None:
    whole = agent.answer(question)
    if whole is None:
        return None
    _, at, stop = version_of(whole)
    framed = parse_framed(whole, at, stop)
    assert framed.message_id == 815
    assert framed.security.engine_id == agent.engine.engine_id
    if framed.flags & AUTH:
        assert keys.is_signed(whole, framed)
    data, security = framed.data, framed.security
    if framed.encrypted:
        data = keys.decrypted(data, security.salt, security.boots, security.time)
    return framed.flags, parse_scoped(data).pdu


def secure_agent() -> SimulatedAgent:
    return SimulatedAgent(small_switch(), users=[PLAIN, SIGNER, SEALER], boots=5)


@pytest.mark.parametrize(
    ("user", "change", "report", "flags"),
    [
        (SIGNER, {"engine_id": b""}, Report.UNKNOWN_ENGINE_IDS, 0),
        (SIGNER, {"engine_id": b"\x80other"}, Report.UNKNOWN_ENGINE_IDS, 0),
        (SIGNER, {"user": b"nobody"}, Report.UNKNOWN_USER_NAMES, 0),
        (replace(SIGNER, name="plain"), {}, Report.UNSUPPORTED_SEC_LEVELS, 0),
        (replace(SIGNER, auth_password="wrong words"), {}, Report.WRONG_DIGESTS, 0),
        (replace(SIGNER, auth=AuthProtocol.SHA512), {}, Report.WRONG_DIGESTS, 0),
        (SIGNER, {"boots": 4}, Report.NOT_IN_TIME_WINDOWS, AUTH),
        (SIGNER, {"time": 151}, Report.NOT_IN_TIME_WINDOWS, AUTH),
        (replace(SEALER, priv_password="wrong words"), {}, Report.DECRYPTION_ERRORS, AUTH),
        (SEALER, {"salt": b"short"}, Report.DECRYPTION_ERRORS, AUTH),
        (SIGNER, {"scope": b"\x80other"}, Report.UNKNOWN_PDU_HANDLERS, AUTH),
        (SEALER, {"context": b"nowhere"}, Report.UNKNOWN_CONTEXTS, AUTH | PRIV),
    ],
)
def test_what_is_not_in_order_is_reported_at_its_level_and_counted(user, change, report, flags):
    agent = secure_agent()
    for times in (1, 2):
        found = asked(agent, user, **change)
        assert found is not None
        assert found[0] == flags
        assert found[1].type == PduType.REPORT
        assert read_bind(found[1].binds[0]) == (report, Type.COUNTER32, times)
        assert found[1].request_id == (0 if report == Report.DECRYPTION_ERRORS else 4711)


def test_a_question_within_the_window_is_answered():
    agent = secure_agent()
    for user in (PLAIN, SIGNER, SEALER):
        flags, pdu = asked(agent, user)
        assert (flags, pdu.type, pdu.request_id) == (user.level, PduType.RESPONSE, 4711)
        assert read_bind(pdu.binds[0]) == (NAME, Type.OCTETS, b"sw-1")
    assert asked(agent, SIGNER, time=150)[1].type == PduType.RESPONSE


def test_who_wants_no_report_gets_none():
    agent = secure_agent()
    assert asked(agent, SIGNER, engine_id=b"", flags=0) is None
    assert agent.engine.reports[Report.UNKNOWN_ENGINE_IDS] == 1


def test_a_user_below_its_level_is_not_authorised():
    flags, pdu = asked(secure_agent(), SEALER, flags=AUTH)
    assert (flags, pdu.first) == (AUTH, Status.AUTHORIZATION_ERROR)


def test_privacy_without_authentication_is_malformed():
    with pytest.raises(Malformed):
        asked(secure_agent(), SEALER, flags=PRIV)
    with pytest.raises(ValueError, match="needs authentication"):
        User("x", priv=PrivProtocol.AES128, priv_password=WORD)


def test_no_boots_are_left_after_the_last():
    agent = secure_agent()
    agent.engine.boots = 2**31 - 1
    assert read_bind(asked(agent, SIGNER)[1].binds[0])[0] == Report.NOT_IN_TIME_WINDOWS
    agent.reboot()
    assert agent.engine.boots == 2**31 - 1


@pytest.mark.parametrize("change", [{"boots": -1}, {"time": -1}])
def test_negative_boots_and_times_are_malformed(change):
    with pytest.raises(Malformed):
        asked(secure_agent(), SIGNER, **change)


@pytest.mark.parametrize("user", [PLAIN, SIGNER, SEALER], ids=lambda user: user.name)
def test_a_question_with_turned_octets_is_answered_reported_or_malformed(user):
    agent, chance, outcomes = secure_agent(), random.Random(7), Counter()
    whole = secure_question(agent, user)
    for _ in range(400):
        noisy = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            noisy[chance.randrange(len(noisy))] = chance.randrange(256)
        del noisy[chance.choice([len(noisy), chance.randrange(len(noisy))]) :]
        try:
            answer = agent.answer(bytes(noisy))
            outcomes["none" if answer is None else "answer"] += 1
        except Malformed:
            outcomes["malformed"] += 1
    assert outcomes["malformed"] > 100
    assert outcomes["answer"] > 20


def test_passwords_are_not_shown():
    assert WORD not in repr(SEALER)
    assert OTHER_WORD not in repr(SEALER)
    assert "auth=b" not in repr(Keys.of(SEALER, b"\x80engine"))
