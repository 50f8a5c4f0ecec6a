"""The load: requests over kept connections by plain sockets and one epoll, some 15 µs each.

So it is the server that is measured, and not its caller.
"""

from __future__ import annotations

import gc
import selectors
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson


class Refused(Exception):
    """The server said no; a benchmark of refusals is worth nothing."""


def request(method: str, path: str, *, token: str = "", body: object = None) -> bytes:
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: desk", "Accept: application/json"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@dataclass
class Round:
    """What one short burst showed; times in seconds."""

    seconds: float
    times: list[float]

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds


class _Client:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = 0.0

    def send(self, wanted: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(wanted)

    def receive(self) -> None:
        """Read the whole answer: what is there, and the rest if it comes in pieces."""
        answer = self.socket.recv(1 << 18)
        while (end := answer.find(b"\r\n\r\n")) < 0 and answer:
            answer += self.socket.recv(1 << 18)
        if answer[9:11] != b"20":
            raise Refused(answer.decode(errors="replace")[:1000])
        at = answer.find(b"content-length: ", 0, end) + 16
        length = int(answer[at : answer.find(b"\r\n", at)])
        while len(answer) < end + 4 + length:
            answer += self.socket.recv(1 << 18)


def drive(
    port: int, requests: Iterator[bytes], *, clients: int, seconds: float, most: int = 1 << 30
) -> Round:
    """Keep `clients` requests in flight until time, requests or `most` run out."""
    gc.disable()
    waiting = selectors.EpollSelector()
    times: list[float] = []
    started = time.perf_counter()
    sent = 0
    for _ in range(clients):
        if (wanted := next(requests, None)) is None:
            break
        client = _Client(port)
        waiting.register(client.socket, selectors.EVENT_READ, client)
        client.send(wanted)
        sent += 1
    while waiting.get_map():
        for key, _ in waiting.select(20):
            client = key.data
            client.receive()
            ended = time.perf_counter()
            times.append(ended - client.began)
            wanted = next(requests, None) if ended - started < seconds and sent < most else None
            if wanted is None:
                waiting.unregister(client.socket)
                client.socket.close()
            else:
                client.send(wanted)
                sent += 1
    gc.enable()
    return Round(time.perf_counter() - started, times)


@dataclass
class Tally:
    """Rounds of one side, put together."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(r.rate for r in self.rounds)

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        times = sorted(t for r in self.rounds for t in r.times)
        return times[min(len(times) - 1, int(len(times) * share))] * 1000


def ratio(ours: Tally, floor: Tally) -> float:
    """The median of the rounds' own ratios: what disturbs the machine disturbs both sides of a pair."""
    return statistics.median(a.rate / b.rate for a, b in zip(ours.rounds, floor.rounds, strict=True))
