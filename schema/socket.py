"""Subscriptions over a websocket: the protocol `graphql-transport-ws`, one operation a message id."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from schema.context import Context
from schema.errors import formatted, refusal_of
from schema.limits import Limits, Looked
from service.core.errors import Refusal
from service.core.settings import Settings

PROTOCOL = "graphql-transport-ws"
INIT_WITHIN = 10.0
PING_EVERY = 20.0
ENDS_WITHIN = 40.0
BAD, UNAUTHORIZED, FORBIDDEN, TOO_SLOW, TAKEN, TWICE = 4400, 4401, 4403, 4408, 4409, 4429


Asked = tuple[str, dict[str, Any] | None, str | None]


class Ended(Exception):
    """The connection ends with a code of the protocol and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class Operation:
    """One that runs. It is never cancelled in the middle: it is told to end."""

    task: asyncio.Task[None] | None = None
    context: Context | None = None
    has_ended: bool = False

    def end(self) -> None:
        self.has_ended = True
        if self.context is not None:
            self.context.end()


class Connection:
    """One websocket, from its first message to its last."""

    def __init__(self, websocket: WebSocket, schema: Any, limits: Limits, settings: Settings) -> None:
        self._socket = websocket
        self._schema = schema
        self._limits = limits
        self._settings = settings
        self._secret: str | None = None
        self._running: dict[str, Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        await self._socket.accept(subprotocol=PROTOCOL)
        pinging: asyncio.Task[None] | None = None
        try:
            await self._begin()
            pinging = asyncio.create_task(self._ping(), name="ping")
            while True:
                await self._handle(await self._message())
        except Ended as end:
            await self._close(end)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            if pinging is not None:
                pinging.cancel()
            await self._end_all()

    async def _end_all(self) -> None:
        for operation in self._running.values():
            operation.end()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=ENDS_WITHIN)
            for task in late:
                task.cancel()

    async def _begin(self) -> None:
        try:
            message = await asyncio.wait_for(self._message(), INIT_WITHIN)
        except TimeoutError:
            raise Ended(TOO_SLOW, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Ended(UNAUTHORIZED, "Unauthorized")
        self._secret = _secret_in(self._socket, message.get("payload"))
        if self._secret is None:
            raise Ended(FORBIDDEN, "Forbidden")
        try:
            await self._resources.identify(self._secret)
        except Refusal:
            raise Ended(FORBIDDEN, "Forbidden") from None
        await self._send({"type": "connection_ack"})

    @property
    def _resources(self) -> Any:
        return self._socket.app.state.resources

    async def _message(self) -> dict[str, Any]:
        received = await self._socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1000))
        text = received.get("text")
        if text is None:
            raise Ended(BAD, "Messages are text")
        if len(text) > self._settings.max_body:
            raise Ended(BAD, "This message is too large")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Ended(BAD, "Messages are JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise Ended(BAD, "Messages have a type")
        return message

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "subscribe":
            await self._subscribe(message)
        elif kind == "complete":
            operation = self._running.pop(_id_of(message), None)
            if operation is not None:
                operation.end()
        elif kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "connection_init":
            raise Ended(TWICE, "Too many initialisation requests")
        elif kind != "pong":
            raise Ended(BAD, "Unknown message type")

    async def _subscribe(self, message: dict[str, Any]) -> None:
        name, asked = _id_of(message), _asked(message.get("payload"))
        if name in self._running:
            raise Ended(TAKEN, f"Subscriber for {name} already exists")
        if len(self._running) >= self._settings.max_subscriptions:
            await self._refuse(name, "too_many_subscriptions", "This connection holds as many as it may.")
            return
        looked = self._limits.look(*asked)
        if looked.errors:
            await self._send({"id": name, "type": "error", "payload": formatted(looked.errors, None)})
            return
        operation = self._running[name] = Operation()
        task = asyncio.create_task(self._run(name, operation, asked, looked), name=f"operation {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, name: str, operation: Operation, asked: Asked, looked: Looked) -> None:
        try:
            await self._results(name, operation, asked, looked)
        except (WebSocketDisconnect, RuntimeError):
            operation.end()
        except Exception as error:  # noqa: BLE001  (one operation must not end the others)
            refusal = refusal_of(error)
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._refuse(name, refusal.code, refusal.detail)
        finally:
            if self._running.get(name) is operation:
                del self._running[name]

    async def _results(self, name: str, operation: Operation, asked: Asked, looked: Looked) -> None:
        text, variables, chosen = asked
        context = operation.context = await self._context()
        context.prepared = looked.prepared
        if operation.has_ended:
            return
        cost = {"cost": {"requested": looked.cost, "limit": self._limits.most}}
        results: AsyncGenerator[Any, None] = await self._schema.stream(
            text, variable_values=variables, context_value=context, operation_name=chosen
        )
        async with contextlib.aclosing(results):
            async for result in results:
                if operation.has_ended:
                    return
                payload: dict[str, Any] = {"data": result.data, "extensions": cost}
                if result.errors:
                    payload["errors"] = formatted(result.errors, context.request_id)
                await self._send({"id": name, "type": "next", "payload": payload})
        if not operation.has_ended:
            del self._running[name]
            await self._send({"id": name, "type": "complete"})

    async def _context(self) -> Context:
        assert self._secret is not None
        actor = await self._resources.identify(self._secret)
        hub = getattr(self._socket.app.state, "hub", None)
        return Context(self._resources, actor, hub=hub, secret=self._secret)

    async def _refuse(self, name: str, code: str, message: str) -> None:
        payload = [{"message": message, "extensions": {"code": code}}]
        await self._send({"id": name, "type": "error", "payload": payload})

    async def _ping(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await asyncio.sleep(PING_EVERY)
                await self._send({"type": "ping"})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(orjson.dumps(message).decode())

    async def _close(self, end: Ended) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close(end.code, end.reason)


def _secret_in(websocket: WebSocket, payload: Any) -> str | None:
    """The token in the first message, or in the handshake's header."""
    given = websocket.headers.get("authorization")
    if isinstance(payload, dict):
        named = {str(key).lower(): value for key, value in payload.items()}
        given = named.get("authorization", given)
    if not isinstance(given, str):
        return None
    scheme, _, secret = given.partition(" ")
    secret = secret.strip()
    return secret if scheme.lower() == "bearer" and 0 < len(secret) <= 200 else None


def _id_of(message: dict[str, Any]) -> str:
    name = message.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise Ended(BAD, "This message has no id")
    return name


def _asked(payload: Any) -> Asked:
    """The document, its variables, and which operation; of the right kinds, else the connection ends."""
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        raise Ended(BAD, "Payload needs a query")
    variables, operation = payload.get("variables"), payload.get("operationName")
    if not isinstance(variables, dict | None) or not isinstance(operation, str | None):
        raise Ended(BAD, "Payload has variables or a name of the wrong kind")
    return payload["query"], variables, operation
