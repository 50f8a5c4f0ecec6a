"""The GraphQL door on HTTP: POST a document, get its answer; a websocket for subscriptions."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog
from fastapi import APIRouter
from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from schema import schema
from schema.context import Context
from schema.errors import formatted
from schema.limits import Limits
from schema.socket import PROTOCOL, Connection
from service.core.faults import Fault
from service.core.settings import Settings
from service.web import BadRequest, Json, current_actor, resources_of

PATH = "/graphql"
log = structlog.get_logger()


def graphql_door(settings: Settings) -> APIRouter:
    """The routes of the door. The app's state has `resources` and, for subscriptions, `hub`."""
    limits = Limits(schema.core, settings)

    async def answer(request: Request) -> Response:
        request.scope["route"] = route
        return await _answer(request, limits)

    async def listen(websocket: WebSocket) -> None:
        if PROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await Connection(websocket, schema, limits, settings).serve()

    route = Route(PATH, answer, methods=["POST"], name="graphql", include_in_schema=False)
    router = APIRouter()
    router.routes.append(route)
    router.routes.append(WebSocketRoute(PATH, listen, name="graphql subscriptions"))
    return router


async def _answer(request: Request, limits: Limits) -> Json:
    actor = await current_actor(request)
    text, variables, operation = _asked(request, await request.body())
    request_id = getattr(request.state, "request_id", None)
    looked = limits.look(text, variables, operation)
    extensions = {"cost": {"requested": looked.cost, "limit": limits.most}}
    if looked.errors:
        return Json({"errors": formatted(looked.errors, request_id), "extensions": extensions})
    if looked.kind is OperationType.SUBSCRIPTION:
        raise BadRequest(f"Subscriptions go over a websocket with the protocol {PROTOCOL}.")
    hub = getattr(request.app.state, "hub", None)
    context = Context(resources_of(request), actor, request_id=request_id, hub=hub)
    context.prepared = looked.prepared
    try:
        result = await schema.execute(
            text, variable_values=variables, context_value=context, operation_name=operation
        )
    except asyncio.CancelledError:
        if asyncio.current_task().cancelling():  # type: ignore[union-attr]
            raise
        log.error("field_cancelled", operation=operation)
        raise Fault from None  # a field that failed took down one that waited for the same rows
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = formatted(result.errors, request_id)
    return Json(body | {"extensions": extensions})


def _asked(request: Request, body: bytes) -> tuple[str, dict[str, Any] | None, str | None]:
    """The document, its variables, and which of its operations."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in ("application/json", "application/graphql-response+json"):
        raise BadRequest("Send the query as application/json.")
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON.") from None
    if isinstance(asked, list):
        raise BadRequest("Send one operation in a request; batches are not taken.")
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        raise BadRequest("The body is an object with a `query`, a text.")
    variables, operation = asked.get("variables"), asked.get("operationName")
    if not isinstance(variables, dict | None):
        raise BadRequest("`variables` is an object.")
    if not isinstance(operation, str | None):
        raise BadRequest("`operationName` is a text.")
    return asked["query"], variables, operation or None
