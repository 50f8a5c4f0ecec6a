"""The floor of the GraphQL door: a bare Strawberry schema on the same rows, with both of its caches on.

One list of the same six columns by a Core select with the same enums and times, no rules; answered by orjson.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import orjson
import strawberry
from fastapi import FastAPI, Request, Response
from sqlalchemy import bindparam, literal_column, select
from strawberry.extensions import ParserCache, ValidationCache

from service.core.database import make_engine
from service.core.settings import Settings
from service.tickets.lifecycle import Status
from service.tickets.models import OPEN, Ticket, next_due
from service.tickets.priority import Priority

BareStatus, BarePriority = strawberry.enum(Status, name="Status"), strawberry.enum(Priority, name="Priority")
COLUMNS = (
    Ticket.id.label("number"),
    Ticket.subject,
    Ticket.status,
    Ticket.priority,
    Ticket.opened_at,
    Ticket.next_due_at,
)
PAGE = (
    select(*COLUMNS)
    .where(Ticket.queue_id == bindparam("queue"), OPEN)
    .order_by(next_due(), Ticket.id)
    .limit(literal_column("51"))
)


@strawberry.type
class BareTicket:
    number: int
    subject: str
    status: BareStatus
    priority: BarePriority
    opened_at: datetime
    next_due_at: datetime | None


@strawberry.type
class Query:
    @strawberry.field(graphql_type=list[BareTicket])
    async def tickets(self, info: strawberry.Info, queue: int) -> object:
        async with info.context["reading"].connect() as db:
            return (await db.execute(PAGE, {"queue": queue})).all()[:50]


def make_strawberry_floor(url: str) -> FastAPI:
    settings = Settings()
    schema = strawberry.Schema(query=Query, extensions=[ParserCache(), ValidationCache()])
    engine = make_engine(url, pool=settings.database_pool, statement_timeout=settings.statement_timeout)
    context = {"reading": engine.execution_options(isolation_level="AUTOCOMMIT")}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 50)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/graphql")
    async def graphql(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        result = await schema.execute(
            asked["query"], variable_values=asked["variables"], context_value=context
        )
        status = 500 if result.errors else 200
        return Response(orjson.dumps({"data": result.data}), status, media_type="application/json")

    return app
