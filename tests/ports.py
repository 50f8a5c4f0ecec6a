"""Ports for servers that a test starts by themselves."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(20_000, 32_000)  # where no outgoing connection of another test takes one meanwhile


def free_port() -> int:
    """A port of the loopback that nobody listens on, for TCP and UDP."""
    for port in random.SystemRandom().sample(BELOW_EPHEMERAL, 200):
        with (
            socket.socket() as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
