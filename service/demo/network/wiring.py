"""Who has power, who can be reached, and what bridges, LLDP, the controller and the router tell of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from integrations.snmp.agent import SimulatedAgent, Type, running
from integrations.snmp.agent.ber import Value
from integrations.snmp.agent.tree import SYS_UPTIME
from integrations.snmp.reading import DeviceKind
from service.demo.network.models.hosts import show_arp
from service.demo.network.models.parts import Clock, set_link
from service.demo.network.models.switches import (
    POE_PORT,
    Capability,
    Power,
    Seen,
    show_learned,
    show_neighbours,
    show_power,
)
from service.demo.network.models.wireless import Lightweight, show_access_points
from service.demo.network.school import CLIENTS, FIRST_ADDRESS, PORT, UPLINK, Builder, Device, Spec

CAPABILITIES: Final = {
    DeviceKind.SWITCH: Capability.BRIDGE,
    DeviceKind.ACCESS_POINT: Capability.BRIDGE | Capability.ACCESS_POINT,
    DeviceKind.FIREWALL: Capability.ROUTER,
    DeviceKind.WIRELESS_CONTROLLER: Capability.STATION,
}
Place = tuple[str, int]
"""A switch's name and the number of one of its ports."""


class Wiring:
    """Two schools' devices with their cables.

    What is done to it is kept in a few sets, and `settle` makes everything that follows true: which agents
    listen, which ports have a link and power, and what is told of it. `boot` is how many seconds a device
    takes to start; `port`, `first`, `clock` and `more` are the builder's.
    """

    def __init__(
        self,
        *,
        port: int = PORT,
        first: str = FIRST_ADDRESS,
        boot: float = 40.0,
        clock: Clock = time.monotonic,
        more: Sequence[Spec] = (),
    ) -> None:
        self.boot = boot
        builder = Builder(self._on_set, port=port, first=first, clock=clock, more=more)
        self.devices = builder.devices()
        self.unplugged: set[str] = set()
        self.cut: set[Place] = set()
        self.powered_off: set[Place] = set()
        self.lost: set[str] = set()
        self._powered = set(self.devices)
        self._booting: dict[str, asyncio.TimerHandle] = {}
        self._shown: dict[tuple[str, str], object] = {}
        self._running = False
        self.settle()

    def __getitem__(self, name: str) -> Device:
        return self.devices[name]

    def agent(self, name: str) -> SimulatedAgent:
        """KeyError for a device that has no agent of its own."""
        agent = self.devices[name].agent
        if agent is None:
            raise KeyError(name)
        return agent

    def start(self) -> None:
        """Inside a running event loop. OSError where a port is taken; then nothing is left open."""
        self._running = True
        try:
            self.settle()
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        self._running = False
        for timer in self._booting.values():
            timer.cancel()
        self._booting.clear()
        for device in self.devices.values():
            if device.agent:
                device.agent.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_well(self) -> bool:
        """Whether nothing is unplugged, cut, lost or starting."""
        return not (self.unplugged or self.cut or self.powered_off or self.lost or self._booting)

    def is_on(self, name: str) -> bool:
        return name in self._powered and name not in self._booting

    def is_reached(self, name: str) -> bool:
        """Whether it is on, and every cable and switch up to the root."""
        device = self.devices[name]
        parent = device.spec.parent
        return self.is_on(name) and (parent is None or (self._is_linked(device) and self.is_reached(parent)))

    def settle(self) -> None:
        """Make true what follows from what was done."""
        for device in self.devices.values():
            self._give_power(device)
        for device in self.devices.values():
            self._open_or_close(device)
        for device in self.devices.values():
            if device.is_switch:
                self._show_switch(device)
        self._show_wireless()
        self._show_router()

    def restart(self, name: str) -> None:
        """Take its power for a moment."""
        self._powered.discard(name)
        self.settle()

    def _give_power(self, device: Device) -> None:
        name = device.name
        has_power = name not in self.unplugged and (not device.spec.poe or self._is_fed(device))
        if has_power and name not in self._powered:
            self._powered.add(name)
            self._begin_boot(name)
        elif not has_power and name in self._powered:
            self._powered.discard(name)
            if timer := self._booting.pop(name, None):
                timer.cancel()

    def _is_fed(self, device: Device) -> bool:
        parent = device.spec.parent
        place = (parent or "", device.port)
        return self.is_on(place[0]) and place not in self.cut and place not in self.powered_off

    def _begin_boot(self, name: str) -> None:
        if self._running and self.boot:
            loop = asyncio.get_running_loop()
            self._booting[name] = loop.call_later(self.boot, self._booted, name)
        else:
            self._start_anew(name)

    def _booted(self, name: str) -> None:
        self._booting.pop(name, None)
        self._start_anew(name)
        self.settle()

    def _start_anew(self, name: str) -> None:
        device = self.devices[name]
        if device.agent:
            device.tree.set(SYS_UPTIME, Type.TICKS, running())
            device.agent.reboot()

    def _open_or_close(self, device: Device) -> None:
        if device.agent is None or not self._running:
            return
        if self.is_reached(device.name):
            device.agent.start()
        else:
            device.agent.stop()

    def _is_linked(self, device: Device) -> bool:
        """Whether the cable to its parent carries anything."""
        parent = device.spec.parent
        return (
            parent is not None
            and self.is_on(device.name)
            and self.is_on(parent)
            and (parent, device.port) not in self.cut
        )

    def _children(self, name: str) -> Iterator[Device]:
        return (device for device in self.devices.values() if device.spec.parent == name)

    def _linked(self, device: Device) -> Iterator[tuple[Device, int]]:
        """What is connected to it now, and by which of its ports (0 where it is no switch)."""
        for child in self._children(device.name):
            if self._is_linked(child):
                yield child, child.port
        if device.spec.parent and self._is_linked(device):
            yield self.devices[device.spec.parent], UPLINK if device.is_switch else 0

    def _behind(self, device: Device, came_from: str) -> Iterator[Device]:
        yield device
        for other, _ in self._linked(device):
            if other.name != came_from:
                yield from self._behind(other, device.name)

    def _show_switch(self, switch: Device) -> None:
        linked = {port: other for other, port in self._linked(switch)}
        client_ports = self._client_ports(switch)
        at = switch.tree.uptime if (switch.name, "learned") in self._shown else 0.0
        for nic in switch.nics:
            is_cut = (switch.name, nic.index) in self.cut
            is_up = nic.index in linked or (nic.index in client_ports and not is_cut)
            set_link(switch.tree, nic, is_up, at)
        if self._is_news(switch, "power", states := self._power_states(switch)):
            show_power(switch.tree, states)
        seen = {port: self._seen(switch, other) for port, other in linked.items() if other.speaks_lldp}
        if self._is_news(switch, "seen", seen):
            show_neighbours(switch.tree, seen)
        learned = sorted(self._learned(switch, linked))
        if self._is_news(switch, "learned", learned):
            show_learned(switch.tree, learned)

    def _is_news(self, device: Device, what: str, now: object) -> bool:
        """Tables are written only when they change, and never where they would stay empty."""
        if self._shown.get((device.name, what), None if now else now) == now:
            return False
        self._shown[device.name, what] = now
        return True

    def _power_states(self, switch: Device) -> dict[int, Power]:
        """Of the ports that can power anything."""
        found = {
            nic.index: Power.SEARCHING for nic in switch.nics if f"{POE_PORT}.3.1.{nic.index}" in switch.tree
        }
        for child in self._children(switch.name):
            if child.spec.poe and child.name in self._powered:
                found[child.port] = Power.DELIVERING
        return found | {port: Power.DISABLED for name, port in self.powered_off if name == switch.name}

    def _seen(self, switch: Device, other: Device) -> Seen:
        """What the switch hears of what hangs on it, or of what it hangs on."""
        if other.is_switch:
            number = switch.port if other.name == switch.spec.parent else UPLINK
            port = other.nics[number - 1].name
        else:
            port = "internal" if other.spec.kind is DeviceKind.FIREWALL else "eth0"
        return Seen(
            other.face, port, f"{other.spec.model} {other.face.firmware}", CAPABILITIES[other.spec.kind]
        )

    def _client_ports(self, switch: Device) -> dict[int, bytes]:
        """Ports of classroom computers, the last of an access switch, and their MACs."""
        if switch.name.endswith("core"):
            return {}
        return {UPLINK - 1 - n: b"\x02" + switch.face.mac[1:5] + bytes((0xF0 + n,)) for n in range(CLIENTS)}

    def _learned(self, switch: Device, linked: dict[int, Device]) -> Iterator[tuple[bytes, int]]:
        for port, other in linked.items():
            for device in self._behind(other, switch.name):
                yield device.face.mac, port
                if device.is_switch:
                    yield from ((mac, port) for mac in self._client_macs(device))
        own = self._client_ports(switch)
        yield from ((mac, port) for port, mac in own.items() if (switch.name, port) not in self.cut)

    def _client_macs(self, switch: Device) -> Iterator[bytes]:
        return (
            mac for port, mac in self._client_ports(switch).items() if (switch.name, port) not in self.cut
        )

    def _show_wireless(self) -> None:
        """The controller has the access points that can reach it."""
        controller = next(
            device for device in self.devices.values() if device.spec.kind is DeviceKind.WIRELESS_CONTROLLER
        )
        joined = [
            Lightweight(device.face)
            for device in self.devices.values()
            if not device.spec.answers and self.is_reached(device.name) and device.name not in self.lost
        ]
        if self._is_news(controller, "joined", [one.face.name for one in joined]):
            show_access_points(controller.tree, joined)

    def _show_router(self) -> None:
        router = next(device for device in self.devices.values() if device.spec.parent is None)
        macs = {
            device.face.address: device.face.mac
            for device in self.devices.values()
            if device is not router and self.is_reached(device.name)
        }
        if self._is_news(router, "arp", macs):
            show_arp(router.tree, macs)

    def _on_set(self, agent: SimulatedAgent, oid: str, value: Value) -> None:
        """A SET of pethPsePortAdminEnable switches what hangs on the port off (2) or on (1)."""
        switch = next(device for device in self.devices.values() if device.agent is agent)
        place = switch.name, int(oid.rpartition(".")[2])
        if value == 1:
            self.powered_off.discard(place)
        else:
            self.powered_off.add(place)
        self.settle()
