"""What every simulated device management stands on: a real HTTP server on the loopback, routes, a log of what
was asked and answered, and faults on demand.

A simulator is a `Simulator` with routes added in its `__init__`; `serving` puts it on a port. `effects` lists
what was changed, one entry a change, so that a test can tell done from done twice.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SILENCE = 30.0
"""Seconds that a fault keeps an answer back at most; who asked has gone away long before."""


class Clock:
    """The simulator's own time; tests push it."""

    def __init__(self, now: datetime = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)) -> None:
        self.now = now

    def push(self, by: timedelta) -> None:
        self.now += by


class WallClock(Clock):
    """Goes with the real time; a push is kept."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    @now.setter
    def now(self, to: datetime) -> None:
        self._ahead = to - datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `path` is as sent (quoted); `at` holds the unquoted values of the route's `{names}`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """None where there is no body; orjson.JSONDecodeError where it is something else."""
        return orjson.loads(self.body) if self.body else None

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: bytes as they are, None for none, anything else as JSON."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def wire(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


@dataclass(frozen=True, slots=True)
class Exchange:
    """`faulty` answers are not the simulator's own and need not keep to a schema."""

    asked: Asked
    answer: Answer
    faulty: bool = False


Handler = Callable[[Asked], Answer | Awaitable[Answer]]
Wire = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with one request. With `done`, what was asked takes effect first.

    `how`: "reply" gives `answer`; "silence" gives nothing until the asker leaves; "cut" drops the connection
    before the head, "cut_body" in the midst of the body; "truncated" ends the JSON half way, with a length
    that says so; "slow" lets the body drip, a byte at a time.
    """

    how: str = "reply"
    answer: Answer = Answer(500)
    done: bool = False


def status(code: int, body: object = None, *, done: bool = False, **headers: str) -> Fault:
    """A fault that is a plain reply; `headers` by name with underscores ("retry_after")."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(answer=Answer(code, body, named), done=done)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    at: int | None
    path: re.Pattern[str] | None
    times: int

    def strikes(self, number: int, asked: Asked) -> bool:
        here = (self.at is None or number >= self.at) and (self.path is None or self.path.search(asked.path))
        if not here or self.times <= 0:
            return False
        self.times -= 1
        return True


class Simulator:
    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.log: list[Exchange] = []
        self.effects: list[tuple[str, ...]] = []
        self.asked = 0
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._planned: list[_Planned] = []

    def on(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer requests whose whole path is `pattern` ("/devices/{id}:wipe") by `handler`."""
        parts = re.split(r"\{(\w+)\}", pattern)
        regex = "".join(f"(?P<{part}>[^/]+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        self._routes.append((method, re.compile(regex), handler))

    def inject(self, fault: Fault, *, at: int | None = None, path: str | None = None, times: int = 1) -> None:
        """`fault` strikes the next `times` requests, from the `at`th one (counted from 1 since the start), on
        paths in which the pattern `path` is found.
        """
        self._planned.append(_Planned(fault, at, re.compile(path) if path else None, times))

    def missing(self, asked: Asked) -> Answer:
        """What is answered where there is no route."""
        return Answer(404, {"error": "not found"})

    async def answer(self, asked: Asked) -> Answer:
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(asked.path)
            if found and method == asked.method:
                at = {name: unquote(value) for name, value in found.groupdict().items()}
                given = handler(
                    Asked(asked.method, asked.path, asked.query, asked.headers, asked.body, at),
                )
                return given if isinstance(given, Answer) else await given
        return self.missing(asked)

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[[], Any], send: Wire) -> None:
        asked = await _read(scope, receive)
        self.asked += 1
        number = self.asked
        fault = next((each.fault for each in self._planned if each.strikes(number, asked)), None)
        if fault is None:
            answer = await self.answer(asked)
            self.log.append(Exchange(asked, answer))
            await _sent(send, answer, answer.wire)
            return
        own = (
            await self.answer(asked) if fault.done or fault.how in ("truncated", "cut_body", "slow") else None
        )
        self.log.append(Exchange(asked, own or fault.answer, faulty=True))
        await _broken(fault, own or fault.answer, scope["state"]["wire"], receive, send)


async def _read(scope: Mapping[str, Any], receive: Callable[[], Any]) -> Asked:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return Asked(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )


async def _sent(send: Wire, answer: Answer, body: bytes) -> None:
    await _head(send, answer, len(body))
    await send({"type": "http.response.body", "body": body})


async def _head(send: Wire, answer: Answer, length: int) -> None:
    headers = {
        "content-type": "application/json; charset=UTF-8",
        **answer.headers,
        "content-length": str(length),
    }
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }
    )


async def _broken(
    fault: Fault, answer: Answer, wire: asyncio.Transport, receive: Callable[[], Any], send: Wire
) -> None:
    body = answer.wire
    if fault.how == "silence":
        await _left(receive, SILENCE)
        wire.abort()
    elif fault.how == "cut":
        wire.abort()
    elif fault.how == "cut_body":
        await _head(send, answer, len(body) + 10)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        wire.close()
    elif fault.how == "truncated":
        await _sent(send, answer, body[: len(body) // 2])
    elif fault.how == "slow":
        await _head(send, answer, len(body) + 1000)
        for at in range(len(body) + 1000):
            await send({"type": "http.response.body", "body": body[at : at + 1] or b" ", "more_body": True})
            if await _left(receive, 0.02):
                break
        wire.abort()
    else:
        await _sent(send, fault.answer, fault.answer.wire)


async def _left(receive: Callable[[], Any], seconds: float) -> bool:
    """Whether the asker went away within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


class _Wired(HttpToolsProtocol):
    """The HTTP of uvicorn, with the connection itself at hand in the scope, to be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "wire": transport}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are whose process it is."""
        yield


@asynccontextmanager
async def serving(simulator: Simulator, port: int = 0) -> AsyncIterator[str]:
    """The simulator on a loopback port of this event loop ("http://127.0.0.1:40123"); 0 takes a free one."""
    listening = _listening(port)
    config = uvicorn.Config(
        simulator,
        http=_Wired,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await server.shutdown(sockets=[listening])


def _listening(port: int) -> socket.socket:
    """Of the protocol TCP by name: only so asyncio turns off the delay of small packets."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise
    return listening
