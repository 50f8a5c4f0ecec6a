"""Traps at an even pace, until stopped: `python -m bench.network.storm PORT RATE SOURCES`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import uvloop

from bench.network.fleet import COMMUNITY, FIRST
from integrations.snmp.agent import Type, loopback
from integrations.snmp.agent.notify import Notifier

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
INDEX = "1.3.6.1.2.1.2.2.1.1.7"
TICK = 0.01


async def _send(port: int, rate: int, sources: int) -> None:
    senders = [
        Notifier("127.0.0.1", port, community=COMMUNITY, source=loopback(position, FIRST))
        for position in range(sources)
    ]
    for sender in senders:
        sender.open()
    print("ready", flush=True)
    began = time.monotonic()
    for sent, sender in enumerate(cycle(senders), 1):
        sender.trap(LINK_DOWN, [(INDEX, Type.INTEGER, 7)])
        ahead = sent / rate - (time.monotonic() - began)
        if ahead > TICK:
            await asyncio.sleep(ahead)


@contextmanager
def storm(port: int, rate: int, sources: int) -> Iterator[None]:
    """Traps to `port` of 127.0.0.1, `rate` a second, from that many devices of the fleet."""
    command = [sys.executable, "-m", "bench.network.storm", str(port), str(rate), str(sources)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    uvloop.run(_send(*map(int, sys.argv[1:])))
