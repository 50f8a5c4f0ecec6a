"""The desk's own rules, read from the shelf: queues, routing, the priority matrix, categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from service.assets.models import Asset
from service.core.errors import Invalid
from service.core.work import Eyes, Work
from service.people.models import Person
from service.tickets.models import Category, PriorityRule, Queue, RoutingRule, Ticket
from service.tickets.priority import Matrix
from service.tickets.routing import Rule


@dataclass(frozen=True, slots=True)
class QueueFacts:
    id: int
    key: str
    name: str
    confidential: bool
    is_default: bool


@dataclass(frozen=True, slots=True)
class DeskRules:
    """Everything that decides about a new ticket, in one look."""

    queues: Mapping[int, QueueFacts]
    by_key: Mapping[str, QueueFacts]
    routing: tuple[Rule, ...]
    matrix: Matrix
    categories: frozenset[str]

    @property
    def default_queue(self) -> QueueFacts:
        for queue in self.queues.values():
            if queue.is_default:
                return queue
        raise Invalid("This desk has no default queue yet. Ask a lead to make one.")

    def queue(self, key: str) -> QueueFacts:
        if key not in self.by_key:
            raise Invalid.field("queue", f"There is no queue “{key}”.", "unknown_queue")
        return self.by_key[key]


async def desk_rules(eyes: Eyes) -> DeskRules:
    return await eyes.shelf.get("desk", lambda: _load(eyes.db))


async def _load(db: Any) -> DeskRules:
    queues = [QueueFacts(*row) for row in await db.execute(_QUEUES)]
    routing = await db.execute(
        select(RoutingRule.conditions, RoutingRule.queue_id).order_by(RoutingRule.position, RoutingRule.id)
    )
    matrix = await db.execute(select(PriorityRule.impact, PriorityRule.urgency, PriorityRule.priority))
    categories = await db.execute(select(Category.id))
    return DeskRules(
        queues={queue.id: queue for queue in queues},
        by_key={queue.key: queue for queue in queues},
        routing=tuple(Rule(row.conditions, row.queue_id) for row in routing),
        matrix={(row.impact, row.urgency): row.priority for row in matrix},
        categories=frozenset(row.id for row in categories),
    )


_QUEUES = select(Queue.id, Queue.key, Queue.name, Queue.confidential, Queue.is_default).order_by(Queue.id)


async def traits_of(work: Work, ticket: Ticket) -> dict[str, str | None]:
    """What rules and policies may look at."""
    asset_kind = requester_role = None
    if ticket.asset_id is not None:
        kind = await work.session.scalar(select(Asset.kind).where(Asset.id == ticket.asset_id))
        asset_kind = kind.value if kind else None
    if ticket.requester_id is not None:
        role = await work.session.scalar(select(Person.role).where(Person.id == ticket.requester_id))
        requester_role = role.value if role else None
    queue = (await desk_rules(work)).queues.get(ticket.queue_id)
    return {
        "kind": ticket.kind.value,
        "category": ticket.category_id,
        "school": ticket.school_id,
        "queue": queue.key if queue else None,
        "asset_kind": asset_kind,
        "requester_role": requester_role,
        "channel": ticket.channel.value,
        "priority": ticket.priority.value,
    }
