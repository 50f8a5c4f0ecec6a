"""Around every request: an id, a log line, a measure, a limit on the body, and the last net for faults."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

import orjson
import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.errors import TooLarge
from service.core.faults import refusal_for

log = structlog.get_logger()
REQUESTS = Counter("firstbell_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram(
    "firstbell_request_seconds",
    "Time to answer",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
GIVEN_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Surroundings:
    """ASGI middleware; `max_body` is in bytes."""

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self.app = app
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        answered = {"status": 0}

        async def labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), *_headers(request_id)]
            await send(message)

        try:
            await self._limited(scope, receive, labelled)
        except TooLarge as refusal:
            if not answered["status"]:
                await _tell(labelled, refusal, request_id)
        except Exception as error:  # noqa: BLE001  (the last net: nothing of a fault reaches the caller)
            told = refusal_for(error)
            if not answered["status"]:
                await _tell(labelled, told, request_id)
        finally:
            _measure(scope, answered["status"], time.perf_counter() - started)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self.max_body:
            raise TooLarge(f"The body may have {self.max_body:,} bytes at most.")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_body:
                raise TooLarge(f"The body may have {self.max_body:,} bytes at most.")
            return message

        await self.app(scope, counted, send)


def _request_id(scope: Scope) -> str:
    given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"").decode("latin-1")
    return given if GIVEN_ID.match(given) else secrets.token_hex(8)


def _headers(request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


async def _tell(send: Send, refusal: Any, request_id: str) -> None:
    body = {
        "type": f"urn:firstbell:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        "request_id": request_id,
        "errors": [],
    }
    headers = [(b"content-type", b"application/problem+json")]
    if refusal.status == 503:
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


@lru_cache(maxsize=2_000)
def _measures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The counter and the histogram of a route, found by their labels once."""
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


def _measure(scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    requests, took = _measures(method, route, status)
    requests.inc()
    took.observe(seconds)
    if status >= 500:
        log.error("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))
    else:
        log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))
