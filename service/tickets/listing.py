"""Lists of tickets. They give columns, not entities, and every shape stays flat at a million tickets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import Field
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from service.assets.models import Asset
from service.core.actor import Actor
from service.core.errors import Invalid, require
from service.core.fields import Code, Id, Input, Instant, Key, Line
from service.core.paging import Page, cursor_of, key_of
from service.core.work import Eyes
from service.tickets import access
from service.tickets.lifecycle import Status, is_open
from service.tickets.models import OPEN, Kind, Ticket, TicketText, next_due
from service.tickets.priority import Priority
from service.tickets.queries import NAMES, NEXT_DUE_SEEN, TICKET, with_names
from service.tickets.rules import desk_rules

MOST_COUNTED = 10_000
MOST_PROBED = 1_000
MOST_QUERIES = 500
NOT_LISTED = {"description", "resolution", "shared_with", "confidential", "device_holder_id", "policy_id",
              "policy_version", "calendar_id", "vendor_id", "unanswered_since", "touched_at"}  # fmt: skip
LISTED = [column for column in TICKET if column.name not in NOT_LISTED]


class Sort(StrEnum):
    NEXT_DUE = "next_due"
    NEWEST = "newest"
    OLDEST = "oldest"


class TicketFilter(Input):
    """What a list is narrowed to; conditions add up."""

    open: bool | None = Field(None, description="Only open, or only finished, tickets.")
    status: Status | None = None
    queue: Key | None = Field(None, description="By its key.")
    queue_id: Id | None = None
    school_id: Key | None = None
    assignee_id: Id | None = None
    unassigned: bool | None = None
    requester_id: Id | None = None
    asset_tag: Line | None = None
    category: Code | None = None
    kind: Kind | None = None
    priority: Priority | None = None
    tag: Key | None = None
    external_id: Line | None = None
    opened_since: Instant | None = None
    opened_until: Instant | None = None
    overdue: bool | None = Field(None, description="Only tickets with a timer past its due time.")


async def tickets_page(
    eyes: Eyes,
    narrowed: TicketFilter,
    *,
    sort: Sort | None = None,
    words: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
    columns: Sequence[Any] | None = None,
) -> Page[Any]:
    """A page of the tickets the actor sees.

    The desk's default order is next due first, over open tickets; others', and that of a search, is newest
    first. `words` are searched for in subject and description.
    """
    require(access.may_read(eyes.actor), "This token may not read tickets.")
    narrowed = await _by_id(eyes, narrowed)
    order = sort or default_sort(narrowed, by_due=eyes.actor.is_desk and words is None)
    values = _values(eyes, narrowed)
    branches = _branches(eyes.actor, narrowed)
    if branches is not None:
        values |= {"me": [eyes.actor.person_id]} | {b.name: b.value for b in branches}
    if (key := key_of(cursor, 3)) is not None:
        values |= _edge(order, key)
    if words is not None:
        values |= await _hits(eyes, words)
    if not eyes.actor.is_desk and columns is None:
        values |= access.seeing(eyes.actor)
    query = _page_query(narrowed, order, limit + 1, values.keys(), branches, columns)
    rows = (await eyes.db.execute(query, values)).all()
    more = len(rows) > limit
    return Page(rows[:limit], cursor_after(rows[limit - 1], order) if more else None)


def default_sort(narrowed: TicketFilter, *, by_due: bool) -> Sort:
    """Next due first where that is wanted and the list is of open tickets, else newest first."""
    finished = narrowed.open is False or (narrowed.status is not None and not is_open(narrowed.status))
    return Sort.NEXT_DUE if by_due and not finished else Sort.NEWEST


def cursor_after(row: Any, order: Sort) -> str:
    at = row.next_due_at if order is Sort.NEXT_DUE else row.opened_at
    return cursor_of(order.value, at.isoformat() if at else "infinity", row.id)


async def count_tickets(eyes: Eyes, narrowed: TicketFilter) -> tuple[int, bool]:
    """How many tickets the actor sees, counted to 10,000; True when there are more."""
    require(access.may_read(eyes.actor), "This token may not read tickets.")
    narrowed = await _by_id(eyes, narrowed)
    seen: Select[Any] = (
        select(literal_column("1")).select_from(Ticket).where(*_conditions(narrowed, Sort.NEWEST))
    )
    if _branches(eyes.actor, narrowed) is not None:
        seen = seen.where(access.visible_to(eyes.actor))
    counted = select(func.count()).select_from(seen.limit(MOST_COUNTED + 1).subquery())
    number = (await eyes.db.execute(counted, _values(eyes, narrowed))).scalar_one()
    return min(number, MOST_COUNTED), number > MOST_COUNTED


async def _by_id(eyes: Eyes, narrowed: TicketFilter) -> TicketFilter:
    """The filter with its queue named by id, as the rules of visibility know it."""
    if narrowed.queue is None:
        return narrowed
    queue = (await desk_rules(eyes)).queue(narrowed.queue)
    return narrowed.model_copy(update={"queue": None, "queue_id": queue.id})


def _values(eyes: Eyes, narrowed: TicketFilter) -> dict[str, Any]:
    """What the statement is told, by the names of its parameters."""
    told = {name: getattr(narrowed, name) for name in TicketFilter.model_fields}
    return {name: value for name, value in told.items() if value is not None} | {"now": eyes.now}


def _page_query(
    narrowed: TicketFilter,
    order: Sort,
    limit: int,
    told: Collection[str],
    branches: Sequence[access.Branch] | None,
    columns: Sequence[Any] | None,
) -> Select[Any]:
    """The statement of a page. Lists that differ in nothing but values share one: it costs more to build one
    and to find it among those that are compiled than to run it."""
    flags = narrowed.open, narrowed.unassigned, narrowed.overdue, narrowed.status and is_open(narrowed.status)
    ways = None if branches is None else tuple(branch.has_many for branch in branches)
    shape = order, limit, frozenset(told), flags, ways, None if columns is None else tuple(columns)
    if shape not in _QUERIES:
        if len(_QUERIES) >= MOST_QUERIES:
            _QUERIES.clear()
        due = [NEXT_DUE_SEEN] if "vendor_self" in told else []
        _QUERIES[shape] = _listed(_chosen(narrowed, order, limit, told, branches), columns, due).order_by(
            *_order(order)
        )
    return _QUERIES[shape]


_QUERIES: dict[Any, Select[Any]] = {}


def _listed(chosen: Any, columns: Sequence[Any] | None, due: Sequence[Any]) -> Select[Any]:
    """`due` is the due time to show where it is not the ticket's own."""
    if columns is None:
        return with_names(select(*LISTED, *NAMES, *due).join(chosen, chosen.c.id == Ticket.id))
    return select(*columns).join(chosen, chosen.c.id == Ticket.id)


def _chosen(
    narrowed: TicketFilter,
    order: Sort,
    most: int,
    told: Collection[str],
    branches: Sequence[access.Branch] | None,
) -> Any:
    """The ids of a page: one branch a rule of visibility, each with its index and limit, then the best.

    The limit is a literal: with a parameter PostgreSQL plans anew each time, for thrice what the page takes.
    """
    wanted = _conditions(narrowed, order)
    if "edge_id" in told:
        wanted.append(_after(order))
    if "hits" in told or "words" in told:
        wanted.append(_matching(found="hits" in told))
    limit: ColumnElement[int] = literal_column(str(most))
    at = (next_due() if order is Sort.NEXT_DUE else Ticket.opened_at).label("at")
    best = select(Ticket.id, at).where(*wanted).order_by(*_order(order)).limit(limit)
    if branches is None:
        return best.subquery("chosen")
    shared = access.shared_with(bindparam("me", type_=Ticket.shared_with.type))
    ways = [best.where(shared), *(_branch(best.where(b.also), b) for b in branches)]
    together = union_all(*(select(way.subquery()) for way in ways)).subquery()
    distinct = select(together).distinct().subquery()
    keys = [distinct.c.at, distinct.c.id]
    ordered = [key.desc() for key in keys] if order is Sort.NEWEST else keys
    return select(distinct.c.id).order_by(*ordered).limit(limit).subquery("chosen")


def _branch(best: Select[Any], branch: access.Branch) -> Select[Any]:
    """The best of a branch; with several values the best of each (an index scan each), put together."""
    if not branch.has_many:
        return best.where(branch.column == bindparam(branch.name, type_=branch.column.type))
    given = bindparam(branch.name, type_=ARRAY(branch.column.type))
    values = func.unnest(given).table_valued("value").render_derived()
    each = best.where(branch.column == values.c.value).correlate(values).subquery().lateral()
    return select(each).select_from(values).join(each, literal_column("true"))


def _branches(actor: Actor, narrowed: TicketFilter) -> Sequence[access.Branch] | None:
    """The rules of visibility to add; None where the filter alone keeps the list to what the actor sees."""
    if access.sees_every_of(actor, requester_id=narrowed.requester_id, queue_id=narrowed.queue_id):
        return None
    return access.visible_branches(actor)


def _conditions(narrowed: TicketFilter, order: Sort) -> list[Any]:
    """Conditions on parameters named like the filter's fields (`_values`)."""
    finished = narrowed.status is not None and not is_open(narrowed.status)
    conditions: list[Any] = []
    if narrowed.open or order is Sort.NEXT_DUE or (narrowed.status is not None and not finished):
        conditions.append(OPEN)
    if narrowed.open is False or finished:
        conditions.append(text("tickets.status >= 5"))
    if narrowed.asset_tag is not None:
        asset = select(Asset.id).where(Asset.tag == bindparam("asset_tag")).scalar_subquery()
        conditions.append(Ticket.asset_id == asset)
    if narrowed.unassigned is not None:
        unassigned = Ticket.assignee_id.is_(None)
        conditions.append(unassigned if narrowed.unassigned else ~unassigned)
    if narrowed.tag is not None:
        conditions += [
            text("tickets.tags <> '{}'"),
            Ticket.tags.contains(cast(array([bindparam("tag", type_=Text)]), ARRAY(Text))),
        ]
    if narrowed.overdue is not None:
        overdue = func.coalesce(Ticket.next_due_at < bindparam("now"), literal_column("false"))
        conditions.append(overdue if narrowed.overdue else ~overdue)
    if narrowed.opened_since is not None:
        conditions.append(Ticket.opened_at >= bindparam("opened_since"))
    if narrowed.opened_until is not None:
        conditions.append(Ticket.opened_at < bindparam("opened_until"))
    equal: dict[str, Any] = {
        "status": Ticket.status,
        "queue_id": Ticket.queue_id,
        "school_id": Ticket.school_id,
        "assignee_id": Ticket.assignee_id,
        "requester_id": Ticket.requester_id,
        "category": Ticket.category_id,
        "kind": Ticket.kind,
        "priority": Ticket.priority,
        "external_id": Ticket.external_id,
    }
    told = {name: column for name, column in equal.items() if getattr(narrowed, name) is not None}
    return conditions + [column == bindparam(name, type_=column.type) for name, column in told.items()]


def _order(order: Sort) -> tuple[Any, ...]:
    if order is Sort.NEWEST:
        return Ticket.opened_at.desc(), Ticket.id.desc()
    return (next_due() if order is Sort.NEXT_DUE else Ticket.opened_at), Ticket.id


def _after(order: Sort) -> ColumnElement[bool]:
    """Rows beyond the cursor, as one row comparison that the index answers."""
    at = cast(bindparam("edge_at", type_=Text), DateTime(timezone=True))
    edge = tuple_(at, bindparam("edge_id", type_=BigInteger))
    here = tuple_(next_due() if order is Sort.NEXT_DUE else Ticket.opened_at, Ticket.id)
    return here < edge if order is Sort.NEWEST else here > edge


def _edge(order: Sort, key: Sequence[Any]) -> dict[str, Any]:
    belongs_to, at, number = key
    if belongs_to != order.value or not isinstance(number, int) or not 0 <= number < 2**63:
        raise Invalid.field("cursor", "This cursor belongs to another list. Start again.", "bad_cursor")
    if at == "infinity":
        return {"edge_at": at, "edge_id": number}
    try:
        return {"edge_at": datetime.fromisoformat(at).astimezone(UTC).isoformat(), "edge_id": number}
    except (TypeError, ValueError, OverflowError):
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor") from None


async def _hits(eyes: Eyes, words: str) -> dict[str, Any]:
    """Ids of the tickets whose text has the words; where they are many, the words themselves.

    The ids stay the array literal that the database made of them: a thousand numbers cost more than a page.
    """
    count, ids = (await eyes.db.execute(_PROBE, {"words": words})).one()
    return {"hits": ids or "{}"} if count <= MOST_PROBED else {"words": words}


_HAS_WORDS = TicketText.tsv.op("@@")(
    func.websearch_to_tsquery(text("'english'::regconfig"), bindparam("words", type_=Text))
)
_PROBED = select(TicketText.ticket_id).where(_HAS_WORDS).limit(MOST_PROBED + 1).subquery()
_PROBE = select(func.count(), cast(func.array_agg(_PROBED.c.ticket_id), Text)).select_from(_PROBED)


def _matching(*, found: bool) -> ColumnElement[bool]:
    """Tickets whose text has the words, as a condition that is fast for rare words and for common ones.

    Rare: the index of words gave the ids. Common: the list is walked in its own order and each text tried.
    """
    if found:
        return Ticket.id == func.any(cast(bindparam("hits", type_=Text), ARRAY(BigInteger)))
    tried = select(TicketText.ticket_id).where(TicketText.ticket_id == Ticket.id, _HAS_WORDS)
    return exists(tried.offset(literal_column("0")))
