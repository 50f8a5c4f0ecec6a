"""A UDP port of our own on the loopback, and a TCP port that is there while a device has power.

Linux: every address of 127.0.0.0/8 can be bound without setting anything up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

Peer = tuple[str, int]
Handler = Callable[[bytes, Peer], None]

MAX_DATAGRAM = 65_507
READS_AT_ONCE = 64


class Endpoint:
    """One address and port, read by the running event loop. A port of 0 is chosen at `open` and then kept.

    `handler` gets each datagram and who sent it. OSError from `open` where the address is taken.
    """

    def __init__(self, handler: Handler, address: str = "127.0.0.1", port: int = 0, buffer: int = 0) -> None:
        self.handler = handler
        self.address = address
        self.port = port
        self.buffer = buffer
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        """Listen; nothing if it does already."""
        if self._socket is not None:
            return
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            if self.buffer:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
            made.bind((self.address, self.port))
        except OSError:
            made.close()
            raise
        self.port = made.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(made.fileno(), self._read)
        self._socket = made

    def close(self) -> None:
        """Give the port up: the kernel answers port unreachable from now on."""
        if self._socket is None or self._loop is None:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None

    def send(self, data: bytes, peer: Peer) -> None:
        """Send, or lose it as UDP may: port closed, buffer full, message too long, or nobody there."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(data, peer)

    def _read(self) -> None:
        for _ in range(READS_AT_ONCE):
            if self._socket is None:
                return
            try:
                data, peer = self._socket.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:  # an earlier send's ICMP error
                continue
            self.handler(data, peer)


class Doorbell:
    """A TCP port that takes a connection and closes it again: proof that a device has power."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        self.port = port
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Listen; nothing if it does already. OSError where the address is taken."""
        if self._socket is not None:
            return
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((self.address, self.port))
            made.listen(8)
        except OSError:
            made.close()
            raise
        self.port = made.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(made.fileno(), self._accept)
        self._socket = made

    def close(self) -> None:
        """Connections are refused from now on."""
        if self._socket is None or self._loop is None:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None

    def _accept(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.accept()[0].close()
