"""What REST doors share: who asks, the Work or Read they get, refusals as problem+json, paging, replays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from service.core import faults
from service.core.actor import Actor
from service.core.errors import FieldError, Invalid, NotFound, Refusal, Unauthenticated
from service.core.idempotency import Replayed, keep_answer
from service.core.paging import MAX_PAGE, Page
from service.core.work import Conditions, Read, Resources, Work

PROBLEM = "application/problem+json"
TYPE_BASE = "urn:firstbell:problem:"


class Problem(BaseModel):
    """An RFC 9457 problem; `code` is stable, `detail` is a sentence for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    errors: list[dict[str, str]] = Field(default_factory=list)


def resources_of(request: Request) -> Resources:
    return request.app.state.resources  # type: ignore[no-any-return]


async def current_actor(request: Request) -> Actor:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip() or len(secret) > 200:
        raise Unauthenticated
    return await resources_of(request).identify(secret.strip())


async def _reading(request: Request, actor: CurrentActor) -> AsyncIterator[Read]:
    async with resources_of(request).read(actor) as read:
        request.state.looked = read
        yield read


async def _working(
    request: Request,
    actor: CurrentActor,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=200,
            description="Your own name for this request: sent again with the same body, it does "
            "nothing twice and gets the first answer.",
            examples=["7c1f5a52-open"],
        ),
    ] = None,
    if_match: Annotated[
        str | None,
        Header(
            max_length=40,
            description="The `ETag` you read: refused with 412 if somebody changed it since.",
            examples=['"v3"'],
        ),
    ] = None,
) -> AsyncIterator[Work]:
    conditions = Conditions(idempotency_key, version_in(if_match), keeps_answer=True)
    async with resources_of(request).begin(actor, conditions=conditions) as work:
        request.state.looked = work
        yield work


CurrentActor = Annotated[Actor, Depends(current_actor)]
Reading = Annotated[Read, Depends(_reading, scope="function")]
Working = Annotated[Work, Depends(_working, scope="function")]
Number = Annotated[int, Path(ge=1, le=2**53, description="The ticket's number.", examples=[1001])]
RowId = Annotated[int, Path(ge=1, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows in the page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


def etag_of(version: int) -> str:
    return f'"v{version}"'


def version_in(if_match: str | None) -> int | None:
    """The version a caller expects; `*` expects nothing in particular."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not (tag.startswith("v") and tag[1:].isascii() and tag[1:].isdigit() and len(tag) <= 19):
        raise Invalid.field("If-Match", 'Send the ETag as you got it, such as "v3".', "bad_etag")
    return int(tag[1:])


class Door(APIRoute):
    """A route that answers with the ETag of what it touched and keeps the answer for its key."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                response: Response = await original(request)
            except Replayed as again:
                return _replayed(again)
            looked = getattr(request.state, "looked", None)
            version = getattr(looked, "version", None)
            if version is not None:
                response.headers["ETag"] = etag_of(version)
            if isinstance(looked, Work) and looked.claimed is not None:
                await keep_answer(
                    looked, response.status_code, bytes(response.body), response.headers.get("etag")
                )
            return response

        return handler


def _replayed(again: Replayed) -> Response:
    record = again.record
    headers = {"Idempotency-Replayed": "true"} | ({"ETag": record.etag} if record.etag else {})
    return Response(
        record.answer or b"", record.status or 200, headers=headers, media_type="application/json"
    )


class Json(Response):
    """Plain values as JSON, by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in {
        400: "The request could not be read.",
        401: "No valid token.",
        403: "Visible, but not allowed.",
        404: "Not there, or not visible to you.",
        409: "The current state does not allow it.",
        412: "Changed by somebody since you read it.",
        413: "The request is too large.",
        415: "The body is not declared as JSON.",
        422: "The input does not fit.",
        503: "The database does not answer; try again.",
    }.items()
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented refusals of an operation; 400, 401, 403, 413, 415, 422 and 503 are everybody's."""
    return {status: _REFUSED[status] for status in sorted({400, 401, 403, 413, 415, 422, 503, *statuses})}


def door(prefix: str, tag: str) -> APIRouter:
    return APIRouter(prefix=f"/api/v1{prefix}", tags=[tag], route_class=Door)


def paged(page: Page[Any], wire: Callable[[Any], Any]) -> dict[str, Any]:
    return {"items": [wire(row) for row in page.rows], "next_cursor": page.next_cursor}


def problem(refusal: Refusal, request_id: str | None = None) -> Json:
    body = {
        "type": TYPE_BASE + refusal.code,
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        "request_id": request_id,
        "errors": [{"field": f.field, "code": f.code, "message": f.message} for f in refusal.fields],
    }
    headers = {"Retry-After": "2"} if refusal.status == 503 else {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Json(body, refusal.status, headers=headers, media_type=PROBLEM)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document with what every operation shares: the token, and problems as refusals."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        license_info=app.license_info,
        routes=app.routes,
    )
    parts = made.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token of the desk: `fb_…`."}
    }
    for path, operations in made["paths"].items():
        if path.startswith("/api/"):
            for operation in operations.values():
                operation["security"] = [{"token": []}]
    return made


def install_document(app: FastAPI) -> None:
    """Serve that document, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def install_refusals(app: FastAPI) -> None:
    """Every way a request can fail answers problem+json."""

    def request_id(request: Request) -> str | None:
        return getattr(request.state, "request_id", None)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return problem(error, request_id(request))

    async def misfit(request: Request, error: Exception) -> Response:
        assert isinstance(error, (RequestValidationError, ValidationError))
        unreadable = any(e["type"] == "json_invalid" for e in error.errors())
        refusal: Refusal = Invalid(fields=fields_of(error.errors()))
        if unreadable:
            refusal = BadRequest("The body is not JSON.")
        elif _is_untyped(request, error):
            refusal = NotJson()
        return problem(refusal, request_id(request))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refusal = {404: NotFound(), 401: Unauthenticated()}.get(error.status_code)
        if refusal is None:
            refusal = BadRequest(str(error.detail))
            refusal.status = error.status_code
            refusal.code = "method_not_allowed" if error.status_code == 405 else "bad_request"
        answer = problem(refusal, request_id(request))
        if error.headers:
            answer.headers.update(error.headers)
        return answer

    async def database(request: Request, error: Exception) -> Response:
        return problem(faults.refusal_for(error), request_id(request))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, misfit)
    app.add_exception_handler(ValidationError, misfit)
    app.add_exception_handler(HTTPException, http)
    for kind in (DBAPIError, OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, database)


def _is_untyped(request: Request, error: Any) -> bool:
    whole = any(tuple(e["loc"]) == ("body",) and e["type"] != "missing" for e in error.errors())
    return whole and "json" not in request.headers.get("content-type", "")


class NotJson(Refusal):
    code = "not_json"
    status = 415
    title = "Send JSON, with the header `Content-Type: application/json`."


class BadRequest(Refusal):
    code = "bad_request"
    status = 400
    title = "The request could not be read."


def fields_of(errors: Sequence[Any]) -> list[FieldError]:
    """Pydantic's errors as ours: where, a stable code, a sentence without the input in it."""
    return [
        FieldError(".".join(str(part) for part in e["loc"] if part != "body") or "body", e["type"], e["msg"])
        for e in errors[:50]
    ]
