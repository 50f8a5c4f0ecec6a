"""The desk's names for what a source names: queues, categories, schools, persons; new ones are created."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select

from service.core.errors import Invalid
from service.core.work import Eyes, Work
from service.imports.folding import Folded
from service.imports.lines import Known
from service.imports.mapping import EventMapping, Names, PersonColumn
from service.people.models import Person
from service.places.models import Place, PlaceKind
from service.tickets.models import Category, Queue

LONGEST_KEY = 60
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class KnownQueue:
    id: int
    key: str
    confidential: bool


@dataclass
class Directory:
    """What there is by name, and how many were created. A name is kept as the source has it."""

    mapping: EventMapping
    queues: dict[str, KnownQueue] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    schools: dict[str, str] = field(default_factory=dict)
    persons: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    fallback: KnownQueue | None = None
    created: dict[str, int] = field(default_factory=lambda: {"queues": 0, "categories": 0, "schools": 0})

    def known(self) -> Known:
        return Known(frozenset(self.queues), frozenset(self.categories), frozenset(self.schools))

    def queue(self, name: str | None) -> KnownQueue | None:
        return self.queues.get(name) if name is not None else self.fallback

    def unknown(self, tickets: Iterable[Folded]) -> dict[str, set[str]]:
        """Names on the tickets that the desk does not have yet."""
        wanted: dict[str, set[str]] = {"queues": set(), "categories": set(), "schools": set()}
        for ticket in tickets:
            for turn in ticket.turns:
                traits = turn.traits
                wanted["queues"].add(traits.queue or "")
                wanted["categories"].add(traits.category or "")
                wanted["schools"].add(traits.school or "")
        there: dict[str, Mapping[str, Any]] = {
            "queues": self.queues,
            "categories": self.categories,
            "schools": self.schools,
        }
        return {kind: names - there[kind].keys() - {""} for kind, names in wanted.items()}


async def directory_of(eyes: Eyes, mapping: EventMapping) -> Directory:
    """Everything that the desk has a name for; a value of the mapping that leads nowhere is refused."""
    found = Directory(mapping)
    await _load_queues(eyes, found)
    for row in await eyes.db.execute(select(Category.id, Category.name)):
        found.categories.setdefault(row.name, row.id)
        found.taken.add(f"category {row.id}")
    query = select(Place.id, Place.name, Place.kind).order_by(Place.id)
    for place in await eyes.db.execute(query):
        found.taken.add(f"school {place.id}")
        if place.kind is PlaceKind.SCHOOL:
            found.schools.setdefault(place.name, place.id)
    for category_id in list(found.categories.values()):
        found.categories.setdefault(category_id, category_id)
    for school_id in list(found.schools.values()):
        found.schools.setdefault(school_id, school_id)
    _point(found.categories, mapping.category, "category")
    _point(found.schools, mapping.school, "school")
    return found


async def _load_queues(eyes: Eyes, found: Directory) -> None:
    query = select(Queue.id, Queue.key, Queue.name, Queue.confidential, Queue.is_default).order_by(Queue.id)
    by_key = {}
    for row in await eyes.db.execute(query):
        queue = KnownQueue(row.id, row.key, row.confidential)
        by_key[row.key] = queue
        found.queues.setdefault(row.name, queue)
        found.taken.add(f"queue {row.key}")
        if row.is_default:
            found.fallback = queue
    for key, queue in by_key.items():
        found.queues.setdefault(key, queue)
    _point(found.queues, found.mapping.queue, "queue")
    none = found.mapping.queue.none
    if none is not None:
        found.fallback = by_key.get(none.key)
    elif found.fallback is None:
        raise Invalid("This desk has no default queue, and the mapping has no queue.none. Name one of them.")


def _point(there: dict[str, Any], part: Names | None, name: str) -> None:
    """What the mapping says of a name goes before what is found."""
    for source, ours in (part.values if part is not None else {}).items():
        if ours not in there:
            raise Invalid(f"{name}.values.{source}: there is no {name} “{ours}” on this desk.")
        there[source] = there[ours]


async def create_unknown(work: Work, directory: Directory, tickets: Iterable[Folded]) -> None:
    """Create what the mapping wants created and the tickets name."""
    tickets = list(tickets)
    unknown = directory.unknown(tickets)
    none = directory.mapping.queue.none
    if (
        none is not None
        and directory.fallback is None
        and any(turn.traits.queue is None for ticket in tickets for turn in ticket.turns)
    ):
        directory.fallback = await _create_queue(work, directory, none.key, none.name)
    for name in sorted(unknown["queues"]):
        key = _free(directory, "queue", slug(name, "-"), "-")
        directory.queues[name] = await _create_queue(work, directory, key, name)
    for name in sorted(unknown["categories"]):
        key = _free(directory, "category", slug(name, "_"), "_")
        await work.session.execute(insert(Category).values(id=key, name=name[:LONGEST_NAME]))
        directory.categories[name] = key
        directory.created["categories"] += 1
    for name in sorted(unknown["schools"]):
        key = _free(directory, "school", slug(name, "-"), "-")
        values = {"id": key, "kind": PlaceKind.SCHOOL, "name": name[:LONGEST_NAME], "school_id": key}
        await work.session.execute(insert(Place).values(values))
        directory.schools[name] = key
        directory.created["schools"] += 1
    if any(unknown.values()):
        work.change_config()


async def _create_queue(work: Work, directory: Directory, key: str, name: str) -> KnownQueue:
    values = {"key": key, "name": name[:LONGEST_NAME], "confidential": False, "is_default": False}
    queue_id = (await work.session.execute(insert(Queue).values(values).returning(Queue.id))).scalar_one()
    directory.taken.add(f"queue {key}")
    directory.created["queues"] += 1
    work.change_config()
    return KnownQueue(queue_id, key, confidential=False)


def slug(name: str, joint: str) -> str:
    """A key that reads like the name: small ASCII letters and digits; a digest where none are left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return (
        joint.join(words)[:LONGEST_KEY].strip(joint)
        or hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
    )


def _free(directory: Directory, kind: str, key: str, joint: str) -> str:
    """The key, or the first of key-2, key-3 that nothing else has."""
    wanted, n = key, 1
    while f"{kind} {wanted}" in directory.taken:
        n += 1
        wanted = f"{key}{joint}{n}"
    directory.taken.add(f"{kind} {wanted}")
    return wanted


async def find_persons(work: Work, directory: Directory, tickets: Iterable[Folded]) -> None:
    """Look up the persons that the tickets name and the directory has not been asked for."""
    tickets = list(tickets)
    for part, attribute in (
        (directory.mapping.requester, "requester"),
        (directory.mapping.assignee, "assignee"),
    ):
        if part is None:
            continue
        names = {getattr(ticket, attribute) for ticket in tickets} - {None}
        await _find(
            work, directory, part, {name for name in names if (part.match, name) not in directory.persons}
        )


async def _find(work: Work, directory: Directory, part: PersonColumn, names: set[str]) -> None:
    if not names:
        return
    by_email = part.match == "email"
    column = func.lower(Person.email) if by_email else Person.external_id
    keys = {name.lower() if by_email else name: name for name in names}
    query = select(column.label("key"), Person.id, Person.role).where(column.in_(sorted(keys)))
    found = {row.key: (row.id, row.role.value) for row in await work.session.execute(query)}
    for name in names:
        key = name.lower() if by_email else name
        if key in found:
            directory.persons[part.match, name] = found[key]


def person(directory: Directory, part: PersonColumn | None, name: str | None) -> tuple[int, str] | None:
    """The id and role of the person a column names, if the directory has them."""
    return directory.persons.get((part.match, name)) if part is not None and name is not None else None
