"""The desk's own rules: queues, categories, routing, the priority matrix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import delete, insert, select, update

from service.core.errors import Conflict, Invalid, NotFound, require
from service.core.fields import Code, Input, Key, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.shelf import SETTLED
from service.core.traits import TRAITS, unknown_traits
from service.core.work import Eyes, Work
from service.tickets import access
from service.tickets.models import Category, PriorityRule, Queue, RoutingRule, Ticket
from service.tickets.priority import DEFAULT_MATRIX, Impact, Priority, Urgency
from service.tickets.rules import desk_rules


class NewQueue(Input):
    key: Key = Field(examples=["network"])
    name: Line = Field(examples=["Network"])
    confidential: bool = Field(False, description="Seen only by those who serve it, and by admins.")
    is_default: bool = Field(
        False, description="Where tickets go that no routing rule fits; the first queue is it."
    )


class EditQueue(Input):
    name: Line
    confidential: bool = False
    is_default: bool = False


class NewCategory(Input):
    id: Code = Field(examples=["av.projector"])
    name: Line = Field(examples=["Projectors"])


class RuleIn(Input):
    conditions: dict[Code, list[Line]] = Field(
        max_length=20, examples=[{"category": ["network"], "school": ["0421"]}]
    )
    queue: Key = Field(examples=["network"])


class Routing(Input):
    """The rules, whole, in order: the first that fits decides."""

    rules: list[RuleIn] = Field(max_length=500)


class Cell(Input):
    impact: Impact
    urgency: Urgency
    priority: Priority


class MatrixIn(Input):
    """The cells that differ from the default; the others stay as the default has them."""

    cells: list[Cell] = Field(max_length=16)


@once(Queue)
async def add_queue(work: Work, wanted: NewQueue) -> Queue:
    require(access.may_configure(work.actor))
    if wanted.key in (await desk_rules(work)).by_key:
        raise Conflict(f"There is a queue {wanted.key} already.")
    queue = Queue(**wanted.model_dump())
    queue.is_default = queue.is_default or not (await desk_rules(work)).queues
    await _only_default(work, queue)
    work.session.add(queue)
    await work.session.flush()
    work.change_config()
    return queue


@once(Queue)
async def edit_queue(work: Work, key: str, wanted: EditQueue) -> Queue:
    """Its name and nature; tickets in a queue that becomes confidential become so with it."""
    require(access.may_configure(work.actor))
    queue = await work.session.scalar(select(Queue).where(Queue.key == key).with_for_update())
    if queue is None or (queue.confidential and not access.may_see_queue(work.actor, queue.id)):
        raise NotFound("There is no such queue.")
    if queue.is_default and not wanted.is_default:
        raise Conflict("The desk needs a default queue. Make another one the default instead.")
    turned = queue.confidential != wanted.confidential
    queue.name, queue.confidential, queue.is_default = wanted.name, wanted.confidential, wanted.is_default
    await _only_default(work, queue)
    await work.session.flush()
    if turned:
        await follow_queue(work, queue.id)
        later = work.now + timedelta(seconds=SETTLED)
        await enqueue(work, "tickets.follow_queue", at=later, queue_id=queue.id)
    work.change_config()
    return queue


async def follow_queue(work: Work, queue_id: int) -> None:
    """Make the tickets of a queue as confidential as it is.

    Done when it turns, and again when no process can hold the queue as it was: a ticket that was being
    opened meanwhile may have been marked by the old rule.
    """
    confidential = select(Queue.confidential).where(Queue.id == queue_id).scalar_subquery()
    await work.session.execute(
        update(Ticket)
        .where(Ticket.queue_id == queue_id, Ticket.confidential != confidential)
        .values(confidential=confidential),
        execution_options={"synchronize_session": False},
    )


async def _only_default(work: Work, queue: Queue) -> None:
    if queue.is_default:
        await work.session.execute(
            update(Queue).where(Queue.key != queue.key).values(is_default=False),
            execution_options={"synchronize_session": False},
        )


@once(Category)
async def add_category(work: Work, wanted: NewCategory) -> Category:
    require(access.may_configure(work.actor))
    if await work.session.get(Category, wanted.id) is not None:
        raise Conflict(f"There is a category {wanted.id} already.")
    category = Category(**wanted.model_dump())
    work.session.add(category)
    await work.session.flush()
    work.change_config()
    return category


async def set_routing(work: Work, wanted: Routing) -> None:
    """Replace the routing rules."""
    require(access.may_configure(work.actor))
    rules = await desk_rules(work)
    for rule in wanted.rules:
        if unknown := unknown_traits(rule.conditions):
            raise Invalid.field("rules", f"Rules look at {', '.join(TRAITS)}, not {unknown[0]}.")
    rows = [
        {"position": place, "conditions": rule.conditions, "queue_id": rules.queue(rule.queue).id}
        for place, rule in enumerate(wanted.rules)
    ]
    await work.session.execute(delete(RoutingRule))
    if rows:
        await work.session.execute(insert(RoutingRule), rows)
    work.change_config()


async def set_matrix(work: Work, wanted: MatrixIn) -> None:
    """Replace the cells that differ from the default matrix."""
    require(access.may_configure(work.actor))
    cells = {(cell.impact, cell.urgency): cell.priority for cell in wanted.cells}
    await work.session.execute(delete(PriorityRule))
    if cells:
        await work.session.execute(
            insert(PriorityRule),
            [{"impact": i, "urgency": u, "priority": p} for (i, u), p in cells.items()],
        )
    work.change_config()


async def queues(eyes: Eyes) -> Sequence[Any]:
    """Queues by key; confidential ones only for those who serve them."""
    actor = eyes.actor
    rules = await desk_rules(eyes)
    seen = [q for q in rules.queues.values() if not q.confidential or access.may_see_queue(actor, q.id)]
    return sorted(seen, key=lambda queue: queue.key)


async def categories(eyes: Eyes) -> Sequence[Any]:
    return (await eyes.db.execute(select(Category.id, Category.name).order_by(Category.id))).all()


async def routing(eyes: Eyes) -> list[dict[str, Any]]:
    require(eyes.actor.is_desk, "Only the desk sees its routing rules.")
    rules = await desk_rules(eyes)
    return [{"conditions": r.conditions, "queue": rules.queues[r.queue_id].key} for r in rules.routing]


async def matrix(eyes: Eyes) -> list[dict[str, Any]]:
    """Every cell as it counts now."""
    changed = (await desk_rules(eyes)).matrix
    return [
        {"impact": impact, "urgency": urgency, "priority": changed.get((impact, urgency), priority)}
        for (impact, urgency), priority in DEFAULT_MATRIX.items()
    ]
