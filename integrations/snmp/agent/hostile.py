"""Agents that misbehave, to see what a poller bears.

A behaviour gets the agent and the question's datagram, and yields what is sent back; `BEHAVIOURS` names
them all. They work for v1, v2c and v3 where they say nothing else: in v3 the answer is rightly signed and
encrypted, so that the nonsense gets as far as it can.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from integrations.snmp.agent.agent import SimulatedAgent
from integrations.snmp.agent.answering import answer
from integrations.snmp.agent.ber import (
    SEQUENCE,
    Malformed,
    Type,
    Value,
    tlv,
)
from integrations.snmp.agent.endpoint import Endpoint, Peer
from integrations.snmp.agent.engine import Report
from integrations.snmp.agent.lies import FULL, LIES, Lie, names, response, rows
from integrations.snmp.agent.message import (
    V1,
    V2C,
    V3,
    Pdu,
    PduType,
    encode_community,
    encode_pdu,
    parse_community,
    parse_framed,
    version_of,
)
from integrations.snmp.agent.tree import Tree
from integrations.snmp.agent.usm import User

REPEATS = 10_000


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A datagram that is sent from another place than the one that was asked."""

    data: bytes
    same_address: bool


Behaviour = Callable[["HostileAgent", bytes], Iterable[bytes | Elsewhere]]
Make = Callable[[Pdu], bytes]


class HostileAgent(SimulatedAgent):
    """An agent that answers as `behaviour` will, from `tree` where it needs honest values.

    `seed` fixes what is random. `received` counts questions. `other_address` is where answers come from that
    come from another address.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        tree: Tree | None = None,
        *,
        seed: int = 0,
        other_address: str = "127.0.0.99",
        communities: Iterable[str] = ("public",),
        users: Iterable[User] = (),
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        tree = small_tree() if tree is None else tree
        super().__init__(tree, communities=communities, users=users, address=address, port=port)
        self.engine.boots, self.engine.seconds = 100, 1_000_000
        self.behaviour = behaviour
        self.random = random.Random(seed)  # noqa: S311
        self._make: Make | None = None
        self._other_port = Endpoint(_ignore, address)
        self._other_address = Endpoint(_ignore, other_address)

    def start(self) -> None:
        super().start()
        self._other_port.open()
        self._other_address.open()

    def stop(self) -> None:
        super().stop()
        self._other_port.close()
        self._other_address.close()

    def crafted(self, data: bytes, make: Make) -> bytes | None:
        """An answer whose PDU is `make`'s, in the envelope that the question asks for."""
        self._make = make
        try:
            return self.answer(data)
        finally:
            self._make = None

    def _respond(self, pdu: Pdu, tree: Tree, version: int, who: bytes, room: int) -> bytes:
        return self._make(pdu) if self._make else super()._respond(pdu, tree, version, who, room)

    def _hear(self, data: bytes, peer: Peer) -> None:
        self.received += 1
        try:
            for sent in self.behaviour(self, data):
                self._send(sent, peer)
        except Malformed:
            self.malformed += 1

    def _send(self, sent: bytes | Elsewhere, peer: Peer) -> None:
        if isinstance(sent, bytes):
            self._endpoint.send(sent, peer)
        else:
            (self._other_port if sent.same_address else self._other_address).send(sent.data, peer)


def small_tree() -> Tree:
    """A system group and one column of four rows."""
    system = "1.3.6.1.2.1.1"
    objects: list[tuple[str, Type, Value]] = [
        (f"{system}.1.0", Type.OCTETS, "hostile"),
        (f"{system}.2.0", Type.OID, "1.3.6.1.4.1.99999.1"),
        (f"{system}.3.0", Type.TICKS, 360_000),
        (f"{system}.5.0", Type.OCTETS, "room 12"),
        *((f"1.3.6.1.2.1.2.2.1.10.{index}", Type.COUNTER32, index * 1000) for index in range(1, 5)),
    ]
    return Tree.of(objects)


def _ignore(data: bytes, peer: Peer) -> None:
    """What is sent to a port that only answers is nobody's."""


def _some(answer: bytes | None) -> list[bytes]:
    return [] if answer is None else [answer]


def _made(lie: Lie) -> Behaviour:
    return lambda agent, data: _some(agent.crafted(data, partial(lie, agent.tree)))


def _damaged(damage: Callable[[HostileAgent, bytes], bytes]) -> Behaviour:
    """A behaviour that damages an honest answer."""
    return lambda agent, data: [damage(agent, each) for each in _some(agent.answer(data))]


def _relabelled(agent: HostileAgent, data: bytes, *, version: bool) -> Iterable[bytes]:
    """An honest answer with another community or, of v1 and v2c, the other version. v3 stays honest."""
    honest = agent.answer(data)
    number, at, stop = version_of(data)
    if honest is None or number == V3:
        return _some(honest)
    found = parse_community(data, number, at, stop)
    pdu = honest[-_pdu_size(honest, found.community) :]
    other = (V2C if number == V1 else V1) if version else number
    return [encode_community(other, found.community if version else b"someone-else", pdu)]


def _pdu_size(answer: bytes, community: bytes) -> int:
    _, at, stop = version_of(answer)
    return stop - at - len(tlv(Type.OCTETS, community))


def _from_elsewhere(agent: HostileAgent, data: bytes, *, same_address: bool) -> Iterable[Elsewhere]:
    return [Elsewhere(each, same_address) for each in _some(agent.answer(data))]


def _longer(agent: HostileAgent, answer: bytes) -> bytes:
    """An outer length that claims more than there is."""
    return bytes((SEQUENCE, 0x84, 0x7F, 0xFF, 0xFF, 0xFF)) + answer[2:]


def _shorter(agent: HostileAgent, answer: bytes) -> bytes:
    """An outer length that ends before its content."""
    return bytes((SEQUENCE, 10)) + answer[2:]


def _truncated(agent: HostileAgent, answer: bytes) -> bytes:
    return answer[: agent.random.randrange(1, len(answer))]


def _indefinite(agent: HostileAgent, answer: bytes) -> bytes:
    """The outer length is BER's indefinite form, which SNMP forbids."""
    _, at, _ = version_of(answer)
    return bytes((SEQUENCE, 0x80)) + answer[at - 3 :] + bytes(2)


def _trailing(agent: HostileAgent, answer: bytes) -> bytes:
    return answer + b"and more"


def _flipped(agent: HostileAgent, answer: bytes) -> bytes:
    """One to eight bits are turned over, anywhere."""
    noisy = bytearray(answer)
    for _ in range(agent.random.randint(1, 8)):
        bit = agent.random.randrange(len(noisy) * 8)
        noisy[bit // 8] ^= 1 << bit % 8
    return bytes(noisy)


def _empty(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    return [b""]


def _noise(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    return [agent.random.randbytes(agent.random.randrange(1, 1500))]


def _huge_noise(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    return [agent.random.randbytes(65_507)]


def _echo(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    """The question, as it came."""
    return [data]


def _repeated(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    """An honest answer ten thousand times; a receive buffer holds but some of them."""
    return [each for each in _some(agent.answer(data)) for _ in range(REPEATS)]


def _endless_reports(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    """v3: another report of another kind to every question. Silent for v1 and v2c."""
    number, at, stop = version_of(data)
    if number != V3:
        return []
    reports = [Report.UNKNOWN_ENGINE_IDS, Report.NOT_IN_TIME_WINDOWS]
    framed = parse_framed(data, at, stop)
    return [agent.engine.reported(framed, reports[agent.received % 2])]


def _time_backwards(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    """v3: every answer is of an earlier boot and an earlier second than the question, which was in time."""
    if version_of(data)[0] != V3:
        return _some(agent.answer(data))

    def earlier(pdu: Pdu) -> bytes:
        agent.engine.boots = max(agent.engine.boots - 1, 0)
        agent.engine.seconds = max(agent.engine.seconds - 1000, 0)
        return answer(pdu, agent.tree, agent.rules, version=V3, may_write=False, room=FULL)[0]

    return _some(agent.crafted(data, earlier))


def _unsigned(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    """v3: an answer in plain, without the digest and encryption that were asked for."""
    number, at, stop = version_of(data)
    if number != V3:
        return _some(agent.answer(data))
    framed = parse_framed(data, at, stop)
    answers = []

    def overhear(pdu: Pdu) -> bytes:
        answers.append(agent.engine.plain(framed, response(pdu, rows(names(pdu)))))
        return encode_pdu(PduType.RESPONSE, pdu.request_id, b"")

    honest = agent.crafted(data, overhear)
    return answers or _some(honest)


def _wrong_digest(agent: HostileAgent, data: bytes) -> Iterable[bytes]:
    """v3: one bit of the digest is wrong. Honest without authentication."""
    answers = _some(agent.answer(data))
    if version_of(data)[0] != V3:
        return answers
    return [_turned(answer) for answer in answers]


def _turned(answer: bytes) -> bytes:
    _, at, stop = version_of(answer)
    security = parse_framed(answer, at, stop).security
    if not security.digest:
        return answer
    where = security.digest_at
    return answer[:where] + bytes((answer[where] ^ 1,)) + answer[where + 1 :]


BEHAVIOURS: dict[str, Behaviour] = {
    **{name: _made(lie) for name, lie in LIES.items()},
    "wrong_community": partial(_relabelled, version=False),
    "wrong_version": partial(_relabelled, version=True),
    "from_another_address": partial(_from_elsewhere, same_address=False),
    "from_another_port": partial(_from_elsewhere, same_address=True),
    "length_too_long": _damaged(_longer),
    "length_too_short": _damaged(_shorter),
    "truncated": _damaged(_truncated),
    "indefinite_length": _damaged(_indefinite),
    "trailing_bytes": _damaged(_trailing),
    "bit_flips": _damaged(_flipped),
    "empty": _empty,
    "noise": _noise,
    "huge_noise": _huge_noise,
    "echo": _echo,
    "repeated": _repeated,
    "endless_reports": _endless_reports,
    "time_backwards": _time_backwards,
    "unsigned": _unsigned,
    "wrong_digest": _wrong_digest,
}
