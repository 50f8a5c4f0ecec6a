"""The network of two schools: what there is, where it hangs, and how it lets us in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from integrations.snmp.agent import SimulatedAgent, Tree, User, loopback
from integrations.snmp.agent.ber import Value
from integrations.snmp.reading import DeviceKind
from integrations.snmp.target import AuthProtocol, PrivProtocol
from service.demo.network import models
from service.demo.network.models.parts import Clock, Face, Nic
from service.demo.network.models.switches import POE_PORT, ports
from service.demo.network.models.wireless import Lightweight

PORT: Final = 16161
"""UDP for SNMP, and the same number of TCP that shows that a device has power."""

FIRST_ADDRESS: Final = "127.20.0.1"
READS: Final = "firstbell-demo"
"""The community of most devices."""

READER: Final = User(
    "firstbell-demo", AuthProtocol.SHA256, "demo-only-authentic", PrivProtocol.AES128, "demo-only-private"
)
"""Lets us into the devices that speak v3 alone."""

WRITER: Final = User(
    "firstbell-demo-write",
    AuthProtocol.SHA256,
    "demo-only-authentic-w",
    PrivProtocol.AES128,
    "demo-only-private-w",
)
"""May switch power over Ethernet off and on."""

PORTS: Final = 24
UPLINK: Final = PORTS + 1
HIGH, MIDDLE = "0304", "0203"
TITLES: Final = {HIGH: "Ridgewater High School", MIDDLE: "Kestrel Bend Middle School"}
ROOMS: Final = ("A-101", "A-102", "A-103", "A-104", "A-Library", "B-201", "B-202", "B-Gym")
CLIENTS: Final = 3
"""Classroom computers on each access switch: MACs that bridges learn, without agents."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A device before it is made. `place` is a building or a room of the school, `parent` what it hangs on.

    `secure` lets in v3 alone; `answers` False has no agent of its own.
    """

    name: str
    kind: DeviceKind
    school: str
    place: str
    parent: str | None
    model: str
    poe: bool = False
    secure: bool = False
    answers: bool = True


@dataclass(slots=True)
class Device:
    """A device of the network. `port` is the number of its parent's port that it hangs on.

    `nics` are a switch's, `battery` a UPS's. `speaks_lldp`: switches hear it.
    """

    spec: Spec
    face: Face
    tree: Tree
    agent: SimulatedAgent | None
    port: int
    nics: list[Nic] = field(default_factory=list)
    battery: models.Battery | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_switch(self) -> bool:
        return self.spec.kind is DeviceKind.SWITCH

    @property
    def speaks_lldp(self) -> bool:
        return self.spec.kind in LLDP_KINDS

    @property
    def place_id(self) -> str:
        return f"{self.spec.school}-{self.spec.place}"


LLDP_KINDS: Final = frozenset(
    {DeviceKind.SWITCH, DeviceKind.ACCESS_POINT, DeviceKind.FIREWALL, DeviceKind.WIRELESS_CONTROLLER}
)
OnSet = Callable[[SimulatedAgent, str, Value], None]


def specs() -> Iterator[Spec]:
    """Every device, parents before what hangs on them."""
    kind = DeviceKind
    yield Spec("district-fw", kind.FIREWALL, HIGH, "A", None, "FGT-200F", secure=True)
    for school, short in ((HIGH, "rhs"), (MIDDLE, "kbm")):
        yield from _backbone(school, short)
        for place in ROOMS:
            yield _access_point(school, short, place)
        yield from _classrooms(school, short)
    yield Spec("district-wlc", kind.WIRELESS_CONTROLLER, HIGH, "A", "rhs-core", "AIR-CT5520-K9", secure=True)
    yield Spec("rhs-nas", kind.STORAGE, HIGH, "A", "rhs-core", "DS923+")
    yield Spec("rhs-printer-office-colour", kind.PRINTER, HIGH, "A-101", "rhs-sw-a", "C6300")


def _backbone(school: str, short: str) -> Iterator[Spec]:
    kind = DeviceKind
    yield Spec(f"{short}-core", kind.SWITCH, school, "A", "district-fw", "CL-24X", secure=True)
    for wing in ("a", "b"):
        yield Spec(f"{short}-sw-{wing}", kind.SWITCH, school, wing.upper(), f"{short}-core", "CL-24P")
    yield Spec(f"{short}-ups-mdf", kind.UPS, school, "A", f"{short}-core", "Smart-UPS 1500")
    yield Spec(f"{short}-ups-b", kind.UPS, school, "B", f"{short}-sw-b", "SP-1500R")
    yield Spec(f"{short}-sensor-mdf", kind.SENSOR, school, "A", f"{short}-core", "Room Alert 12E")


def _access_point(school: str, short: str, place: str) -> Spec:
    """The high school's have a controller that answers for them."""
    name = f"{short}-ap-{place.partition('-')[2].lower()}"
    alone = school == MIDDLE
    model = "U6-Pro" if alone else "C9120AXI-B"
    kind = DeviceKind.ACCESS_POINT
    return Spec(name, kind, school, place, _closet(short, place), model, poe=True, answers=alone)


def _classrooms(school: str, short: str) -> Iterator[Spec]:
    for place in ("A-Library", "A-101", "A-104", "B-201", "B-Gym"):
        room = "office" if place == "A-101" else place.partition("-")[2].lower()
        name = f"{short}-printer-{room}"
        yield Spec(name, DeviceKind.PRINTER, school, place, _closet(short, place), "4200")
    for place in ("A-102", "B-202", *(("A-103",) if school == HIGH else ())):
        name = f"{short}-projector-{place.partition('-')[2].lower()}"
        yield Spec(name, DeviceKind.PROJECTOR, school, place, _closet(short, place), "EB-L260F")


def _closet(short: str, place: str) -> str:
    return f"{short}-sw-{place[0].lower()}"


class Builder:
    """Makes the devices of a network whose agents listen on `port` (0: each on one of its own choice).

    `more` are devices beside those of the demo, each after what it hangs on.
    """

    def __init__(
        self,
        on_set: OnSet,
        *,
        port: int = PORT,
        first: str = FIRST_ADDRESS,
        clock: Clock = time.monotonic,
        more: Sequence[Spec] = (),
    ) -> None:
        self.on_set = on_set
        self.port = port
        self.first = first
        self.clock = clock
        self.more = more
        self._taken: Counter[str] = Counter()

    def devices(self) -> dict[str, Device]:
        """By name, parents before what hangs on them."""
        made: dict[str, Device] = {}
        for position, spec in enumerate([*specs(), *self.more]):
            own = [Lightweight(d.face) for d in made.values() if not d.spec.answers]
            made[spec.name] = self._device(position, spec, own)
        return made

    def _device(self, position: int, spec: Spec, lightweight: list[Lightweight]) -> Device:
        face = self._face(position, spec)
        nics = ports(face, PORTS) if spec.kind is DeviceKind.SWITCH else []
        battery = models.Battery() if spec.kind is DeviceKind.UPS else None
        tree = self._tree(spec, face, nics, battery, lightweight)
        agent = self._agent(spec, face, tree) if spec.answers else None
        self._taken[spec.parent or ""] += 1
        return Device(spec, face, tree, agent, self._taken[spec.parent or ""], nics, battery)

    def _face(self, position: int, spec: Spec) -> Face:
        number = 0x024642000000 + (position + 1) * 0x100
        return Face(
            name=spec.name,
            location=f"{TITLES[spec.school]}, {spec.place.replace('-', ' ')}",
            model=spec.model,
            serial=f"FB{spec.kind.value[:2].upper()}{number // 0x100 % 0x10000 * 7919 % 1_000_000:06}",
            mac=number.to_bytes(6),
            address=loopback(position, self.first),
            firmware=f"{4 + position % 3}.{position % 10}.{position % 7}",
            up_for=86_400.0 * (9 + position * 3 % 61),
        )

    def _tree(
        self,
        spec: Spec,
        face: Face,
        nics: list[Nic],
        battery: models.Battery | None,
        lightweight: list[Lightweight],
    ) -> Tree:
        clock = self.clock
        match spec.kind:
            case DeviceKind.SWITCH:
                return models.switch(face, nics, poe=0 if spec.name.endswith("core") else PORTS, clock=clock)
            case DeviceKind.PRINTER:
                return models.printer(face, colour="colour" in spec.name, clock=clock)
            case DeviceKind.ACCESS_POINT:
                return models.access_point(face, clock=clock)
            case DeviceKind.UPS:
                assert battery is not None
                make = models.apc_ups if spec.model.startswith("Smart") else models.ups
                return make(face, battery, clock=clock)
            case DeviceKind.WIRELESS_CONTROLLER:
                return models.controller(face, lightweight, clock=clock)
            case DeviceKind.FIREWALL:
                return models.firewall(face, clock=clock)
            case DeviceKind.STORAGE:
                return models.nas(face, clock=clock)
            case DeviceKind.SENSOR:
                return models.room_sensor(face, clock=clock)
            case _:
                return models.projector(face, clock=clock)

    def _agent(self, spec: Spec, face: Face, tree: Tree) -> SimulatedAgent:
        users = [READER] if spec.secure else []
        is_switch = spec.kind is DeviceKind.SWITCH
        agent = SimulatedAgent(
            tree,
            communities=() if spec.secure else (READS,),
            users=[*users, WRITER] if is_switch else users,
            engine_id=b"\x80\x00\x7e\xd9\x03" + face.mac,
            boots=7,
            write=(WRITER.name,) if is_switch else (),
            writable=(f"{POE_PORT}.3",),
            on_set=self.on_set,
            address=face.address,
            port=self.port,
            reach_port=self.port,
        )
        agent.engine.seconds = int(face.up_for)
        if spec.secure:
            agent.publish_engine()
        return agent
