"""Many simulated devices in one process, each at an address or a port of its own."""

from __future__ import annotations

from ipaddress import IPv4Address
from types import TracebackType
from typing import Self

from integrations.snmp.agent.agent import SimulatedAgent


class Network:
    """Agents that start and stop together, by the names they are given.

    `async with` starts what was added and stops everything at the end; an agent added in between is started
    at once. The limit of open files must allow one or two sockets an agent.
    """

    def __init__(self) -> None:
        self.agents: dict[str, SimulatedAgent] = {}
        self._running = False

    def add(self, name: str, agent: SimulatedAgent) -> SimulatedAgent:
        """ValueError if the name is taken."""
        if name in self.agents:
            raise ValueError(f"{name} is on this network already.")
        if self._running:
            agent.start()
        self.agents[name] = agent
        return agent

    def remove(self, name: str) -> None:
        self.agents.pop(name).stop()

    def __getitem__(self, name: str) -> SimulatedAgent:
        return self.agents[name]

    def start(self) -> None:
        """Inside a running event loop. OSError where an address is taken; then nothing is left open."""
        self._running = True
        try:
            for agent in self.agents.values():
                agent.start()
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        self._running = False
        for agent in self.agents.values():
            agent.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def loopback(position: int, first: str = "127.20.0.1") -> str:
    """The address `position` places behind `first`; never an x.x.x.0 or x.x.x.255. ValueError outside
    127.0.0.0/8.
    """
    block, host = divmod(int(IPv4Address(first)) % 256 - 1 + position, 254)
    address = IPv4Address((int(IPv4Address(first)) // 256 + block) * 256 + host + 1)
    if not address.is_loopback:
        raise ValueError(f"{address} is no loopback address.")
    return str(address)
