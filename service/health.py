"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.core.migrating import head, is_newer
from service.web import Json, resources_of

router = APIRouter(tags=["health"])


@router.get("/", include_in_schema=False)
async def doors() -> dict[str, str]:
    """Where to go from here."""
    return {
        "name": "Firstbell",
        "rest": "/api/v1",
        "openapi": "/openapi.json",
        "graphql": "/graphql",
        "ready": "/readyz",
    }


@router.get("/healthz", operation_id="healthz", summary="The process is alive")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Database, migrations and queue are there",
    responses={503: {"description": "Not ready; the body says what is missing."}},
)
async def readyz(request: Request) -> Json:
    checks = await _checks(request)
    ready = all(value == "ok" for value in checks.values())
    return Json({"status": "ready" if ready else "not ready", **checks}, 200 if ready else 503)


@router.get(
    "/metrics", operation_id="metrics", summary="Figures for Prometheus", response_class=PlainTextResponse
)
async def metrics() -> PlainTextResponse:
    return PlainTextResponse(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _checks(request: Request) -> dict[str, Any]:
    try:
        async with resources_of(request).engine.connect() as connection:
            version = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            queue = await connection.scalar(text("SELECT to_regclass('procrastinate_jobs') IS NOT NULL"))
    except (SQLAlchemyError, OSError):
        return {"database": "unreachable", "migrations": "unknown", "queue": "unknown"}
    return {
        "database": "ok",
        "migrations": "ok" if version == head() or is_newer(version) else f"at {version}, want {head()}",
        "queue": "ok" if queue else "missing",
    }
