"""Traps and informs, heard by a plain socket and by a receiver of the test's own."""

import socket
import time
from dataclasses import replace

import pytest

from integrations.snmp.agent import Type, User
from integrations.snmp.agent.ber import header, integer, read_integer
from integrations.snmp.agent.endpoint import Endpoint
from integrations.snmp.agent.engine import Report, SecureEngine
from integrations.snmp.agent.message import (
    V1,
    V2C,
    V3,
    Pdu,
    PduType,
    encode_community,
    encode_pdu,
    parse_binds,
    parse_community,
    parse_framed,
    parse_scoped,
    read_bind,
    version_of,
)
from integrations.snmp.agent.notify import TRAP_OID, UPTIME, Notifier, Refused
from integrations.snmp.agent.tree import Tree
from integrations.snmp.agent.usm import Keys
from integrations.snmp.target import AuthProtocol, PrivProtocol

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
PORT = ("1.3.6.1.2.1.2.2.1.1.7", Type.INTEGER, 7)
SIGNER = User("signer", AuthProtocol.SHA256, "maplesyrup")
SEALER = User("sealer", AuthProtocol.SHA512, "maplesyrup", PrivProtocol.AES256, "pancakes!")
DES = User("old", AuthProtocol.MD5, "maplesyrup", PrivProtocol.DES, "pancakes!")
ENGINE = b"\x80receiver"


@pytest.fixture
def listening():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        made.bind(("127.0.0.1", 0))
        made.settimeout(1)
        yield made


def said(pdu: Pdu) -> list[tuple[str, Type, object]]:
    """The bindings behind uptime and trap OID, which must be there."""
    binds = [read_bind(each) for each in pdu.binds]
    assert binds[0][:2] == (UPTIME, Type.TICKS)
    assert binds[1] == (TRAP_OID, Type.OID, LINK_DOWN)
    return binds[2:]


async def test_a_trap_of_v2c_comes_from_its_source_and_says_what_happened(listening):
    async with Notifier(*listening.getsockname(), community="traps", source="127.0.0.7") as notifier:
        notifier.started -= 12
        notifier.trap(LINK_DOWN, [PORT])
        data, (address, _) = listening.recvfrom(2000)
    message = parse_community(data, *version_of(data))
    assert (address, message.version, message.community) == ("127.0.0.7", V2C, b"traps")
    assert message.pdu.type == PduType.TRAP
    assert said(message.pdu) == [PORT]
    assert 1200 <= read_bind(message.pdu.binds[0])[2] < 1300


async def test_a_trap_of_v1_has_its_own_shape(listening):
    async with Notifier(*listening.getsockname()) as notifier:
        notifier.trap_v1("1.3.6.1.4.1.318", 6, 5, [PORT], agent="10.1.2.3")
        data = listening.recv(2000)
    version, at, stop = version_of(data)
    assert version == V1
    _, community_at, at = header(data, at, stop)
    assert data[community_at:at] == b"public"
    tag, at, end = header(data, at, stop)
    assert (tag, end) == (PduType.TRAP_V1, stop)
    _, name_at, at = header(data, at, end)
    assert data[name_at:at] == bytes.fromhex("2b06010401823e")
    _, address_at, at = header(data, at, end)
    assert data[address_at:at] == bytes((10, 1, 2, 3))
    generic, at = read_integer(data, at, end)
    specific, at = read_integer(data, at, end)
    assert (generic, specific) == (6, 5)
    tag, _, at = header(data, at, end)
    assert tag == Type.TICKS
    _, binds_at, binds_end = header(data, at, end)
    assert [read_bind(each) for each in parse_binds(data, binds_at, binds_end)] == [PORT]


@pytest.mark.parametrize("user", [User("plain"), SIGNER, SEALER, DES], ids=lambda user: user.name)
async def test_a_trap_of_v3_is_in_the_name_of_its_own_engine(listening, user):
    async with Notifier(*listening.getsockname(), user=user, engine_id=b"\x80sender", boots=9) as notifier:
        notifier.trap(LINK_DOWN, [PORT])
        data = listening.recv(2000)
    version, at, stop = version_of(data)
    framed = parse_framed(data, at, stop)
    assert (version, framed.flags, framed.encrypted) == (V3, user.level, user.level == 3)
    security, keys = framed.security, Keys.of(user, b"\x80sender")
    assert (security.engine_id, security.boots, security.user) == (b"\x80sender", 9, user.name.encode())
    assert keys.is_signed(data, framed) == (user.auth is not None)
    plain = framed.data
    if framed.encrypted:
        assert LINK_DOWN.encode() not in data
        plain = keys.decrypted(plain, security.salt, security.boots, security.time)
    assert said(parse_scoped(plain).pdu) == [PORT]


class Receiver:
    """Acknowledges what it hears, from the `lost`+1-th datagram on."""

    def __init__(self, users: list[User] = [], *, lost: int = 0, status: int = 0) -> None:  # noqa: B006
        self.heard: list[Pdu] = []
        self.engine = SecureEngine(ENGINE, users, {"": Tree()}, 3, time.monotonic)
        self.lost, self.status = lost, status
        self.endpoint = Endpoint(self._hear)

    async def __aenter__(self):
        self.endpoint.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.endpoint.close()

    def _hear(self, data: bytes, peer: tuple[str, int]) -> None:
        self.lost -= 1
        if self.lost >= 0:
            return
        version, at, stop = version_of(data)
        if version == V3:
            answer = self.engine.answer(data, parse_framed(data, at, stop), self._acknowledged, 65_507)
        else:
            message = parse_community(data, version, at, stop)
            answer = encode_community(V2C, message.community, self._acknowledged(message.pdu))
        if answer is not None:
            self.endpoint.send(answer, peer)

    def _acknowledged(self, pdu: Pdu, *_: object) -> bytes:
        self.heard.append(pdu)
        return encode_pdu(PduType.RESPONSE, pdu.request_id, pdu.raw, self.status)


@pytest.mark.parametrize("user", [None, User("plain"), SIGNER, SEALER, DES], ids=str)
async def test_an_inform_waits_for_its_acknowledgement(user):
    async with (
        Receiver([user] if user else []) as receiver,
        Notifier("127.0.0.1", receiver.endpoint.port, user=user) as notifier,
    ):
        await notifier.inform(LINK_DOWN, [PORT])
        await notifier.inform(LINK_DOWN, [PORT])
    assert [pdu.type for pdu in receiver.heard] == [PduType.INFORM] * 2
    assert said(receiver.heard[0]) == [PORT]


async def test_an_inform_that_is_lost_is_sent_again_with_the_same_number():
    async with (
        Receiver(lost=1) as receiver,
        Notifier("127.0.0.1", receiver.endpoint.port) as notifier,
    ):
        await notifier.inform(LINK_DOWN, wait=0.05, retries=1)
    assert receiver.lost == -1
    assert len(receiver.heard) == 1


async def test_an_inform_that_nobody_acknowledges_times_out():
    async with (
        Receiver(lost=99) as receiver,
        Notifier("127.0.0.1", receiver.endpoint.port) as notifier,
    ):
        with pytest.raises(TimeoutError):
            await notifier.inform(LINK_DOWN, wait=0.02, retries=2)
        assert receiver.lost == 96


async def test_an_inform_finds_its_receiver_again_after_a_reboot():
    async with (
        Receiver([SEALER]) as receiver,
        Notifier("127.0.0.1", receiver.endpoint.port, user=SEALER) as notifier,
    ):
        await notifier.inform(LINK_DOWN)
        receiver.engine.reboot()
        await notifier.inform(LINK_DOWN)
    assert receiver.engine.reports[Report.NOT_IN_TIME_WINDOWS] == 1
    assert len(receiver.heard) == 2


async def test_an_inform_that_is_refused_says_why():
    async with (
        Receiver([SEALER], status=5) as receiver,
        Notifier("127.0.0.1", receiver.endpoint.port) as notifier,
        Notifier(
            "127.0.0.1", receiver.endpoint.port, user=replace(SEALER, auth_password="wrong words")
        ) as stranger,
    ):
        with pytest.raises(Refused, match="error status 5"):
            await notifier.inform(LINK_DOWN)
        with pytest.raises(Refused) as refused:
            await stranger.inform(LINK_DOWN)
        assert refused.value.reason == Report.WRONG_DIGESTS


async def test_five_thousand_traps_take_less_than_a_second_and_arrive(listening):
    async with Notifier(*listening.getsockname()) as notifier:
        began, heard = time.process_time(), 0
        for _ in range(50):
            for _ in range(100):
                notifier.trap(LINK_DOWN, [PORT])
            heard += sum(bool(listening.recv(2000)) for _ in range(100))
        assert time.process_time() - began < 1
    assert heard == 5_000


def test_numbers_of_traps_fit_a_request_id():
    assert integer(next(Notifier("127.0.0.1", 162)._numbers))[:1] == b"\x02"
    assert 0 < next(Notifier("127.0.0.1", 162)._numbers) < 2**31 - 2**24
