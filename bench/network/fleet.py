"""Simulated devices on the loopback in a process of their own: `python -m bench.network.fleet LIVE SILENT`.

It prints the port that all of them have, each at its own address, then answers until it is told to stop.
Every tenth is a printer, the others are switches of 24 ports. Silent ones hear and say nothing.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from integrations.snmp.agent import Network, SimulatedAgent, Tree, loopback
from integrations.snmp.reading import DeviceKind
from service.demo.network.models import Face, printer, switch
from service.demo.network.models.parts import set_link
from service.demo.network.models.switches import ports

FIRST = "127.40.0.1"
COMMUNITY = "bench"
PORTS = 24
EVERY = 10
"""One in so many is a printer."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """`live` and `silent` are addresses; `nobody` are addresses at which nothing listens."""

    port: int
    live: list[str]
    silent: list[str]
    nobody: list[str]


def kind_of(position: int) -> DeviceKind:
    return DeviceKind.PRINTER if position % EVERY == EVERY - 1 else DeviceKind.SWITCH


def trees() -> dict[DeviceKind, Tree]:
    """What devices of each kind have; all of a kind have the same."""
    face = Face("bench", "Loopback", "CL-24P", "FB000001", b"\x02\x46\x42\x00\x01\x00")
    nics = ports(face, PORTS, uplinks=0)
    made = switch(face, nics, poe=PORTS)
    for nic in nics:
        set_link(made, nic, True, 0.0)
    return {DeviceKind.SWITCH: made, DeviceKind.PRINTER: printer(face)}


def free_port() -> int:
    """For UDP, at the first address, where no outgoing socket takes it meanwhile."""
    for port in range(21_000, 32_000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((FIRST, port))
            except OSError:
                continue
            return port
    raise RuntimeError("No port is free.")


def raise_limit(files: int) -> None:
    """Let this process have so many open files, if the system does."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = files if most == resource.RLIM_INFINITY else min(files, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _answer(live: int, silent: int) -> None:
    raise_limit(live + silent + 200)
    port, shown, network = free_port(), trees(), Network()
    for position in range(live + silent):
        agent = SimulatedAgent(
            shown[kind_of(position)],
            communities=(COMMUNITY,),
            address=loopback(position, FIRST),
            port=port,
        )
        agent.faults.silent = position >= live
        network.add(str(position), agent)
    async with network:
        gc.freeze()
        print(port, flush=True)
        await asyncio.Event().wait()


@contextmanager
def fleet(live: int, silent: int = 0, nobody: int = 0) -> Iterator[Fleet]:
    """Devices that answer, that do not, and that are not there, until the end of the block."""
    command = [sys.executable, "-m", "bench.network.fleet", str(live), str(silent)]
    folder = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise RuntimeError("The simulated devices did not start.")
        addresses = [loopback(position, FIRST) for position in range(live + silent + nobody)]
        yield Fleet(int(said), addresses[:live], addresses[live : live + silent], addresses[live + silent :])
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    uvloop.run(_answer(int(sys.argv[1]), int(sys.argv[2])))
