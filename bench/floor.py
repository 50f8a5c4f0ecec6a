"""The floor: bare FastAPI and SQLAlchemy over the same tables, with no rules, in their fastest form.

No actor, no permissions, no life cycle, no clock, no log line, no measures, no problem+json. Lists and single
tickets are Core selects of columns whose rows go through `dict` to orjson; writes are Core inserts and
updates. Statements are built once, so SQLAlchemy's cache always hits. Engine, pool, event loop, HTTP parser
and garbage collection are set as the service sets them.

What each endpoint reads and writes, which is what the service's does:

- fetch: one ticket, all columns; names of queue, place, people, device (6 joins); its timers, with their
  policies' names, as one JSON.
- page: 51 open tickets of a queue by next due: the columns that lists show, the same names.
- search: 51 tickets whose text matches, newest first: the same columns. In two statements, ids first: as one
  it is planned anew each time, for four times what it takes.
- open: inserts 1 ticket (all columns), 2 timers, 1 event, 1 text; reads the ticket back as in fetch.
- reply: locks and reads 1 ticket, reads its timers; updates 6 columns of the ticket and 15 of 1 timer;
  inserts 1 event; reads the ticket back.
- resolve: the same with 9 columns of the ticket.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel
from sqlalchemy import (
    ARRAY,
    BigInteger,
    MetaData,
    Table,
    Text,
    bindparam,
    cast,
    create_engine,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)

from service.core.database import driver_url, make_engine
from service.core.settings import Settings
from service.tickets.listing import NOT_LISTED

GOAL = {1: timedelta(minutes=120), 4: timedelta(minutes=1440)}


class Opened(BaseModel):
    subject: str
    description: str = ""
    place_id: str | None = None
    category: str | None = None


class Replied(BaseModel):
    body: str


class Resolved(BaseModel):
    resolution: str
    cause: str
    fix: str
    outcome: str = "solved_assumed"


class Statements:
    """Every statement of the floor, over tables as the database describes them."""

    def __init__(self, url: str) -> None:
        engine = create_engine(driver_url(url))
        metadata = MetaData()
        names = (
            "tickets",
            "sla_timers",
            "ticket_events",
            "ticket_texts",
            "queues",
            "persons",
            "places",
            "assets",
        )
        tables = [Table(name, metadata, autoload_with=engine) for name in names]
        engine.dispose()
        (
            self.tickets,
            self.timers,
            self.events,
            self.texts,
            self.queues,
            self.persons,
            self.places,
            self.assets,
        ) = tables
        t = self.tickets
        due = literal_column("coalesce(tickets.next_due_at, 'infinity'::timestamptz)")
        is_open = text("tickets.status < 5")
        listed = [c for c in t.c if c.name not in NOT_LISTED]
        self.fetch = self._named([*t.c], self._timers_as_json()).where(t.c.id == bindparam("number"))
        page = (
            select(t.c.id)
            .where(t.c.queue_id == bindparam("queue"), is_open)
            .order_by(due, t.c.id)
            .limit(literal_column("51"))
        )
        chosen = page.subquery("chosen")
        self.page = self._named(listed, from_=t.join(chosen, chosen.c.id == t.c.id)).order_by(due, t.c.id)
        x = self.texts
        query = func.websearch_to_tsquery(text("'english'::regconfig"), bindparam("q"))
        self.probe = select(cast(func.array_agg(x.c.ticket_id), Text)).where(x.c.tsv.op("@@")(query))
        found = select(t.c.id).where(
            t.c.id == func.any(cast(bindparam("hits", type_=Text), ARRAY(BigInteger)))
        )
        hits = (
            found.order_by(t.c.opened_at.desc(), t.c.id.desc()).limit(literal_column("51")).subquery("chosen")
        )
        self.search = self._named(listed, from_=t.join(hits, hits.c.id == t.c.id)).order_by(
            t.c.opened_at.desc(), t.c.id.desc()
        )
        self.fetched, self.listed = _names(self.fetch), _names(self.page)
        self.open_ticket = insert(t).returning(t.c.id)
        self.open_timers = insert(self.timers).returning(self.timers.c.id)
        self.write_event = insert(self.events).returning(self.events.c.id)
        self.write_text = insert(x)
        self.lock = select(t).where(t.c.id == bindparam("number")).with_for_update(key_share=True)
        self.timers_of = select(self.timers).where(self.timers.c.ticket_id == bindparam("number"))
        self.reply = self._changing(t, REPLY_COLUMNS)
        self.resolve = self._changing(t, RESOLVE_COLUMNS)
        self.stop_timer = self._changing(self.timers, TIMER_COLUMNS)

    def _named(self, columns: list[Any], *more: Any, from_: Any = None) -> Any:
        t, requester, assignee, opener = self.tickets, *(self.persons.alias() for _ in range(3))
        names = [
            self.queues.c.key.label("queue_key"),
            self.queues.c.name.label("queue_name"),
            requester.c.name.label("requester_name"),
            assignee.c.name.label("assignee_name"),
            opener.c.name.label("opened_by_name"),
            self.places.c.name.label("place_name"),
            self.assets.c.tag.label("asset_tag"),
            self.assets.c.kind.label("asset_kind"),
            self.assets.c.model.label("asset_model"),
        ]
        joined = (t if from_ is None else from_).join(self.queues, self.queues.c.id == t.c.queue_id)
        for table, column in (
            (requester, t.c.requester_id),
            (assignee, t.c.assignee_id),
            (opener, t.c.opened_by_id),
            (self.places, t.c.place_id),
            (self.assets, t.c.asset_id),
        ):
            joined = joined.outerjoin(table, table.c.id == column)
        return select(*columns, *names, *more).select_from(joined)

    def _timers_as_json(self) -> Any:
        names = "agreement", "target", "n", "state", "started_at", "due_at", "stopped_at", "breached_at"
        pairs = ", ".join(f"'{name}', s.{name}" for name in names)
        built = f"json_build_object({pairs}, 'policy', p.name, 'target_seconds', extract(epoch FROM s.goal))"
        return literal_column(
            f"(SELECT coalesce(json_agg({built} ORDER BY s.agreement, s.target, s.n), '[]')"
            " FROM sla_timers AS s LEFT JOIN sla_policies AS p ON p.id = s.policy_id"
            " WHERE s.ticket_id = tickets.id)"
        ).label("timers")

    def _changing(self, table: Table, names: tuple[str, ...]) -> Any:
        values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
        return update(table).where(table.c.id == bindparam("row")).values(values)


REPLY_COLUMNS = (
    "version",
    "updated_at",
    "last_reply_at",
    "first_response_at",
    "touched_at",
    "next_due_at",
)
RESOLVE_COLUMNS = (
    "version",
    "updated_at",
    "status",
    "resolution",
    "cause",
    "fix",
    "outcome",
    "resolved_at",
    "next_due_at",
)
TIMER_COLUMNS = (
    "state",
    "policy_id",
    "policy_version",
    "calendar_id",
    "calendar_version",
    "started_at",
    "goal",
    "pauses",
    "due_at",
    "stopped_at",
    "breached_at",
    "reason",
    "checks",
    "steps",
    "next_check_at",
)


def make_floor(url: str) -> FastAPI:
    settings = Settings()
    sql = Statements(url)
    engine = make_engine(url, pool=settings.database_pool, statement_timeout=settings.statement_timeout)
    reading = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 50)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/tickets/{number}")
    async def fetch(number: int) -> Response:
        async with reading.connect() as db:
            row = (await db.execute(sql.fetch, {"number": number})).one()
        return _json(dict(zip(sql.fetched, row, strict=False)))

    @app.get("/tickets")
    async def page(queue: int) -> Response:
        async with reading.connect() as db:
            rows = (await db.execute(sql.page, {"queue": queue})).all()
        return _json([dict(zip(sql.listed, row, strict=False)) for row in rows[:50]])

    @app.get("/search")
    async def search(q: str) -> Response:
        async with reading.connect() as db:
            hits = (await db.execute(sql.probe, {"q": q})).scalar_one()
            rows = (await db.execute(sql.search, {"hits": hits or "{}"})).all()
        return _json([dict(zip(sql.listed, row, strict=False)) for row in rows[:50]])

    @app.post("/tickets", status_code=201)
    async def open_ticket(wanted: Opened) -> Response:
        now = datetime.now(UTC)
        async with engine.begin() as db:
            number = (await db.execute(sql.open_ticket, _new_ticket(wanted, now))).scalar_one()
            await db.execute(sql.open_timers, [_new_timer(number, target, now) for target in (1, 4)])
            detail = {"channel": "api"}
            await db.execute(sql.write_event, _event(number, "ticket.opened", now, detail=detail, status=1))
            words = f"{wanted.subject}\n{wanted.description}"
            await db.execute(sql.write_text, {"ticket_id": number, "words": words})
            row = (await db.execute(sql.fetch, {"number": number})).one()
        return _json(dict(zip(sql.fetched, row, strict=False)), 201)

    @app.post("/tickets/{number}/reply")
    async def reply(number: int, wanted: Replied) -> Response:
        now = datetime.now(UTC)
        return await _change(
            number, 1, sql.reply, {}, _event(number, "ticket.replied", now, body=wanted.body), now
        )

    @app.post("/tickets/{number}/resolve")
    async def resolve(number: int, wanted: Resolved) -> Response:
        now = datetime.now(UTC)
        how = {"cause": wanted.cause, "fix": wanted.fix, "outcome": wanted.outcome}
        event = _event(number, "ticket.resolved", now, body=wanted.resolution, detail=how, status=5)
        values = how | {"status": 5, "resolution": wanted.resolution}
        return await _change(number, 4, sql.resolve, values, event, now)

    async def _change(
        number: int, target: int, statement: Any, values: dict[str, Any], event: dict[str, Any], now: datetime
    ) -> Response:
        async with engine.begin() as db:
            ticket = (await db.execute(sql.lock, {"number": number})).mappings().one()
            timers = (await db.execute(sql.timers_of, {"number": number})).mappings().all()
            timer = next(row for row in timers if row["target"] == target)
            await db.execute(sql.stop_timer, _stopped(timer, now))
            times = dict.fromkeys(
                ("updated_at", "last_reply_at", "first_response_at", "touched_at", "resolved_at"), now
            )
            all_values = values | times | {"version": ticket["version"] + 1, "next_due_at": None}
            named = {f"new_{name}": all_values[name] for name in _columns_of(statement, sql)}
            await db.execute(statement, named | {"row": number})
            await db.execute(sql.write_event, event)
            row = (await db.execute(sql.fetch, {"number": number})).one()
        return _json(dict(zip(sql.fetched, row, strict=False)))

    return app


def _columns_of(statement: Any, sql: Statements) -> tuple[str, ...]:
    return REPLY_COLUMNS if statement is sql.reply else RESOLVE_COLUMNS


def _names(query: Any) -> list[str]:
    """Plain strings, as orjson wants its keys."""
    return [str.__str__(column.name) for column in query.selected_columns]


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _new_ticket(wanted: Opened, now: datetime) -> dict[str, Any]:
    nothing = dict.fromkeys(
        (
            "assignee_id", "asset_id", "device_holder_id", "external_id", "source_key", "hold_reason",
            "resolution", "cause", "fix", "outcome", "hold_until", "touched_at", "first_response_at",
            "last_reply_at", "resolved_at", "closed_at",
        )
    )  # fmt: skip
    return nothing | {
        "kind": 1, "status": 1, "priority": 3, "impact": 4, "urgency": 3, "channel": 1,
        "confidential": False, "version": 1, "reopens": 0, "queue_id": 1, "requester_id": 1,
        "opened_by_id": 1, "school_id": wanted.place_id and wanted.place_id[:4], "place_id": wanted.place_id,
        "category_id": wanted.category, "language": "en", "subject": wanted.subject,
        "description": wanted.description, "tags": [], "shared_with": [], "policy_id": 1, "policy_version": 1,
        "calendar_id": 1, "opened_at": now, "reported_at": now, "updated_at": now, "unanswered_since": now,
        "next_due_at": now + GOAL[1],
    }  # fmt: skip


def _new_timer(number: int, target: int, now: datetime) -> dict[str, Any]:
    due = now + GOAL[target]
    return {
        "ticket_id": number, "target": target, "n": 1, "state": 1, "policy_id": 1, "policy_version": 1,
        "calendar_id": 1, "calendar_version": 1, "started_at": now, "goal": GOAL[target], "pauses": [],
        "due_at": due, "stopped_at": None, "breached_at": None, "reason": None,
        "checks": [now + GOAL[target] * share for share in (0.5, 0.75, 0.9, 1)],
        "next_check_at": now + GOAL[target] * 0.5,
    }  # fmt: skip


def _stopped(timer: Any, now: datetime) -> dict[str, Any]:
    values = dict(timer) | {"state": 3, "stopped_at": now, "checks": [], "next_check_at": None}
    return {f"new_{name}": values[name] for name in TIMER_COLUMNS} | {"row": timer["id"]}


def _event(
    number: int,
    kind: str,
    now: datetime,
    *,
    body: str | None = None,
    detail: dict[str, Any] | None = None,
    status: int | None = None,
) -> dict[str, Any]:
    return {
        "ticket_id": number, "kind": kind, "at": now, "actor_id": 1, "actor_name": "Teacher 1",
        "by_desk": False, "public": True, "status": status, "queue_id": None, "body": body,
        "detail": detail or {},
    }  # fmt: skip
