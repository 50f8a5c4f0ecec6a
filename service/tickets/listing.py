"""Lists of tickets. They give columns, not entities, and every shape stays flat at a million tickets."""

from __future__ import annotations

from collections.abc import Sequence
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
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

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
from service.tickets.queries import NAMES, TICKET, with_names
from service.tickets.rules import desk_rules

MOST_COUNTED = 10_000
MOST_PROBED = 1_000
LISTED = [column for column in TICKET if column.name not in ("description", "resolution")]


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
    wanted = _conditions(eyes, narrowed, order)
    if (key := key_of(cursor, 3)) is not None:
        wanted.append(_after(order, key))
    if words is not None:
        wanted.append(await _matching(eyes, words))
    chosen = _chosen(eyes, narrowed, wanted, order, limit + 1)
    if columns is None:
        listed = with_names(select(*LISTED, *NAMES).join(chosen, chosen.c.id == Ticket.id))
    else:
        listed = select(*columns).join(chosen, chosen.c.id == Ticket.id)
    rows = (await eyes.db.execute(listed.order_by(*_order(order)))).all()
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
        select(literal_column("1")).select_from(Ticket).where(*_conditions(eyes, narrowed, Sort.NEWEST))
    )
    if not _sees_every(eyes.actor, narrowed):
        seen = seen.where(access.visible_to(eyes.actor))
    counted = select(func.count()).select_from(seen.limit(MOST_COUNTED + 1).subquery())
    number = (await eyes.db.execute(counted)).scalar_one()
    return min(number, MOST_COUNTED), number > MOST_COUNTED


async def _by_id(eyes: Eyes, narrowed: TicketFilter) -> TicketFilter:
    """The filter with its queue named by id, as the rules of visibility know it."""
    if narrowed.queue is None:
        return narrowed
    queue = (await desk_rules(eyes)).queue(narrowed.queue)
    return narrowed.model_copy(update={"queue": None, "queue_id": queue.id})


def _chosen(eyes: Eyes, narrowed: TicketFilter, wanted: Sequence[Any], order: Sort, limit: int) -> Any:
    """The ids of a page: one branch a rule of visibility, each with its index and limit, then the best."""
    at = (next_due() if order is Sort.NEXT_DUE else Ticket.opened_at).label("at")
    best = select(Ticket.id, at).where(*wanted).order_by(*_order(order)).limit(limit)
    if _sees_every(eyes.actor, narrowed):
        return best.subquery("chosen")
    branches = [best.where(access.shared_with(eyes.actor))]
    branches += [_branch(best.where(b.also), b) for b in access.visible_branches(eyes.actor)]
    together = union_all(*(select(b.subquery()) for b in branches)).subquery()
    distinct = select(together).distinct().subquery()
    keys = [distinct.c.at, distinct.c.id]
    ordered = [key.desc() for key in keys] if order is Sort.NEWEST else keys
    return select(distinct.c.id).order_by(*ordered).limit(limit).subquery("chosen")


def _branch(best: Select[Any], branch: access.Branch) -> Select[Any]:
    """The best of a branch; with several values the best of each (an index scan each), put together."""
    if len(branch.values) == 1:
        return best.where(branch.column == branch.values[0])
    values = (
        func.unnest(literal(list(branch.values), ARRAY(branch.column.type)))
        .table_valued("value")
        .render_derived()
    )
    each = best.where(branch.column == values.c.value).correlate(values).subquery().lateral()
    return select(each).select_from(values).join(each, literal_column("true"))


def _sees_every(actor: Actor, narrowed: TicketFilter) -> bool:
    """Whether the filter alone keeps the list to tickets the actor sees, so that no rule need be added."""
    if actor.sees_all or (actor.person_id is not None and actor.person_id == narrowed.requester_id):
        return True
    return narrowed.queue_id is not None and narrowed.queue_id in actor.queue_ids


def _conditions(eyes: Eyes, narrowed: TicketFilter, order: Sort) -> list[Any]:
    finished = narrowed.status is not None and not is_open(narrowed.status)
    conditions: list[Any] = []
    if narrowed.open or order is Sort.NEXT_DUE or (narrowed.status is not None and not finished):
        conditions.append(OPEN)
    if narrowed.open is False or finished:
        conditions.append(text("tickets.status >= 5"))
    if narrowed.asset_tag is not None:
        asset = select(Asset.id).where(Asset.tag == narrowed.asset_tag).scalar_subquery()
        conditions.append(Ticket.asset_id == asset)
    if narrowed.unassigned is not None:
        unassigned = Ticket.assignee_id.is_(None)
        conditions.append(unassigned if narrowed.unassigned else ~unassigned)
    if narrowed.tag is not None:
        conditions += [text("tickets.tags <> '{}'"), Ticket.tags.contains([narrowed.tag])]
    if narrowed.overdue is not None:
        overdue = func.coalesce(Ticket.next_due_at < eyes.now, literal_column("false"))
        conditions.append(overdue if narrowed.overdue else ~overdue)
    if narrowed.opened_since is not None:
        conditions.append(Ticket.opened_at >= narrowed.opened_since)
    if narrowed.opened_until is not None:
        conditions.append(Ticket.opened_at < narrowed.opened_until)
    equal: list[tuple[Any, Any]] = [
        (Ticket.status, narrowed.status),
        (Ticket.queue_id, narrowed.queue_id),
        (Ticket.school_id, narrowed.school_id),
        (Ticket.assignee_id, narrowed.assignee_id),
        (Ticket.requester_id, narrowed.requester_id),
        (Ticket.category_id, narrowed.category),
        (Ticket.kind, narrowed.kind),
        (Ticket.priority, narrowed.priority),
        (Ticket.external_id, narrowed.external_id),
    ]
    return conditions + [column == value for column, value in equal if value is not None]


def _order(order: Sort) -> tuple[Any, ...]:
    if order is Sort.NEWEST:
        return Ticket.opened_at.desc(), Ticket.id.desc()
    return (next_due() if order is Sort.NEXT_DUE else Ticket.opened_at), Ticket.id


def _after(order: Sort, key: Sequence[Any]) -> ColumnElement[bool]:
    """Rows beyond the cursor, as one row comparison that the index answers."""
    belongs_to, at, number = key
    if belongs_to != order.value or not isinstance(number, int) or not 0 <= number < 2**63:
        raise Invalid.field("cursor", "This cursor belongs to another list. Start again.", "bad_cursor")
    edge = tuple_(cast(literal(_edge(at), Text), DateTime(timezone=True)), literal(number, BigInteger))
    here = tuple_(next_due() if order is Sort.NEXT_DUE else Ticket.opened_at, Ticket.id)
    return here < edge if order is Sort.NEWEST else here > edge


def _edge(at: Any) -> str:
    if at == "infinity":
        return "infinity"
    try:
        return datetime.fromisoformat(at).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        raise Invalid.field("cursor", "This cursor is not one of ours. Start again.", "bad_cursor") from None


async def _matching(eyes: Eyes, words: str) -> ColumnElement[bool]:
    """Tickets whose text has the words, as a condition that is fast for rare words and for common ones.

    Rare: the index of words gives the ids. Common: the list is walked in its own order and each text tried.
    """
    query = func.websearch_to_tsquery(text("'english'::regconfig"), words)
    hits = select(TicketText.ticket_id).where(TicketText.tsv.op("@@")(query)).limit(MOST_PROBED + 1)
    ids = [row.ticket_id for row in await eyes.db.execute(hits)]
    if len(ids) <= MOST_PROBED:
        return Ticket.id == func.any(literal(ids, ARRAY(BigInteger)))
    tried = select(TicketText.ticket_id).where(
        TicketText.ticket_id == Ticket.id, TicketText.tsv.op("@@")(query)
    )
    return exists(tried.offset(text("0")))
