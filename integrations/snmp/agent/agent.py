"""A simulated device: an SNMP agent for v1, v2c and v3 whose objects and troubles change while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from integrations.snmp.agent.answering import Refuses, Rules, Written, answer
from integrations.snmp.agent.ber import Malformed, Type, Value
from integrations.snmp.agent.endpoint import MAX_DATAGRAM, Doorbell, Endpoint, Peer
from integrations.snmp.agent.engine import SecureEngine
from integrations.snmp.agent.message import (
    V1,
    V2C,
    V3,
    Community,
    Pdu,
    encode_community,
    parse_community,
    parse_framed,
    version_of,
)
from integrations.snmp.agent.tree import Tree
from integrations.snmp.agent.usm import User

SNMP_ENGINE = "1.3.6.1.6.3.10.2.1"
ROOM_FOR_MESSAGE = 32
"""Octets around a community message's PDU, the community aside."""


@dataclass(slots=True)
class Faults:
    """What ails an agent; each may be changed at any time.

    `silent`: hears, never answers. `delay`: seconds before each answer. `drop_every`: each n-th question is
    lost (0 for none).
    """

    silent: bool = False
    delay: float = 0.0
    drop_every: int = 0


class SimulatedAgent:
    """An agent over a tree.

    `communities` are names that see the main tree, or names with trees of their own (as old Cisco switches
    have `name@vlan`); `contexts` the same for v3's context names beside the main tree's empty one. `write`
    names the communities and users that may SET. `on_set` hears of each object written, after all of a SET
    were. `max_varbinds`, `writable` and `refuses` are those of `Rules`. An answer has at most `max_size`
    octets.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        communities: Mapping[str, Tree] | Iterable[str] = ("public",),
        users: Iterable[User] = (),
        contexts: Mapping[str, Tree] | None = None,
        engine_id: bytes = b"\x80\x00\x00\x00\x05firstbell",
        boots: int = 1,
        write: Iterable[str] = (),
        writable: Iterable[str] = ("",),
        refuses: Refuses | None = None,
        on_set: Callable[[SimulatedAgent, str, Value], None] | None = None,
        max_varbinds: int = 100,
        max_size: int = MAX_DATAGRAM,
        address: str = "127.0.0.1",
        port: int = 0,
        reach_port: int | None = None,
    ) -> None:
        self.tree = tree
        named = communities if isinstance(communities, Mapping) else dict.fromkeys(communities, tree)
        self.communities = {name.encode(): shown for name, shown in named.items()}
        self.engine = SecureEngine(engine_id, users, {"": tree, **(contexts or {})}, boots, tree.clock)
        self.write = {name.encode() for name in write}
        self.rules = Rules(max_varbinds, tuple(writable), refuses)
        self.on_set = on_set
        self.max_size = max_size
        self.faults = Faults()
        self.received = self.answered = self.malformed = 0
        self._frozen: dict[int, Tree] | None = None
        self._endpoint = Endpoint(self._hear, address, port)
        self._doorbell = None if reach_port is None else Doorbell(address, reach_port)

    @property
    def address(self) -> str:
        return self._endpoint.address

    @property
    def port(self) -> int:
        """The UDP port: 0 until `start` where none was named."""
        return self._endpoint.port

    @property
    def reach_port(self) -> int | None:
        """The TCP port that is open while the device has power, if there is one."""
        return self._doorbell.port if self._doorbell else None

    def start(self) -> None:
        """Open both ports, inside a running event loop. OSError where one is taken."""
        self._endpoint.open()
        if self._doorbell:
            self._doorbell.open()

    def stop(self) -> None:
        """Close both ports. The agent can be started again."""
        self._endpoint.close()
        if self._doorbell:
            self._doorbell.close()

    def unplug(self) -> None:
        """Close the UDP port only: the host is there, its agent is not (ICMP port unreachable)."""
        self._endpoint.close()

    def plug(self) -> None:
        """Open the UDP port again."""
        self._endpoint.open()

    def power_off(self) -> None:
        """Nothing of the device is there any more."""
        self.stop()

    def power_on(self) -> None:
        """Start anew after `power_off`: everything that runs begins again."""
        self.reboot()
        self.start()

    def reboot(self) -> None:
        """One more boot, engine time and uptime from 0. Counters that are live begin again, others stay."""
        self.engine.reboot()
        for tree in {id(tree): tree for tree in self._trees()}.values():
            tree.uptime = 0.0

    def publish_engine(self) -> None:
        """Show SNMP-FRAMEWORK-MIB's engine id, boots and time in the main tree, as they are from now on."""
        engine = self.engine
        self.tree.set(f"{SNMP_ENGINE}.1.0", Type.OCTETS, engine.engine_id)
        self.tree.set(f"{SNMP_ENGINE}.2.0", Type.INTEGER, lambda _: engine.boots)
        self.tree.set(f"{SNMP_ENGINE}.3.0", Type.INTEGER, lambda _: engine.seconds)
        self.tree.set(f"{SNMP_ENGINE}.4.0", Type.INTEGER, self.max_size)

    @property
    def frozen(self) -> bool:
        """Whether the agent goes on telling what was true when it froze, whatever happens to the trees."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, is_frozen: bool) -> None:
        if is_frozen != self.frozen:
            self._frozen = {id(tree): tree.snapshot() for tree in self._trees()} if is_frozen else None

    def answer(self, data: bytes) -> bytes | None:
        """The answer to a datagram, or None where there is none. Malformed for what is no SNMP."""
        version, at, stop = version_of(data)
        if version in (V1, V2C):
            return self._answer_community(parse_community(data, version, at, stop))
        if version == V3:
            framed = parse_framed(data, at, stop)
            return self.engine.answer(data, framed, self._answer_scoped, self.max_size)
        raise Malformed(f"There is no SNMP of version {version}.")

    def _trees(self) -> list[Tree]:
        return [self.tree, *self.communities.values(), *self.engine.contexts.values()]

    def _shown(self, tree: Tree) -> Tree:
        return tree if self._frozen is None else self._frozen.get(id(tree), tree)

    def _answer_community(self, message: Community) -> bytes | None:
        tree = self.communities.get(message.community)
        if tree is None:
            return None
        room = self.max_size - ROOM_FOR_MESSAGE - len(message.community)
        pdu = self._respond(message.pdu, tree, message.version, message.community, room)
        return encode_community(message.version, message.community, pdu)

    def _answer_scoped(self, pdu: Pdu, tree: Tree, user: User, room: int) -> bytes:
        return self._respond(pdu, tree, V3, user.name.encode(), room)

    def _respond(self, pdu: Pdu, tree: Tree, version: int, who: bytes, room: int) -> bytes:
        """The response PDU; the hook hears what was written."""
        shown = self._shown(tree)
        may_write = who in self.write
        response, written = answer(pdu, shown, self.rules, version=version, may_write=may_write, room=room)
        self._tell(written, tree if shown is not tree else None)
        return response

    def _tell(self, written: Written, behind: Tree | None) -> None:
        for oid, kind, value in written:
            if behind is not None:
                behind.set(oid, kind, value)
            if self.on_set:
                self.on_set(self, oid, value)

    def _hear(self, data: bytes, peer: Peer) -> None:
        self.received += 1
        faults = self.faults
        if faults.silent or (faults.drop_every and self.received % faults.drop_every == 0):
            return
        try:
            response = self.answer(data)
        except Malformed:
            self.malformed += 1
            return
        if response is None:
            return
        self.answered += 1
        if faults.delay:
            asyncio.get_running_loop().call_later(faults.delay, self._endpoint.send, response, peer)
        else:
            self._endpoint.send(response, peer)
