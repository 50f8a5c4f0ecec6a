"""The district before its first ticket: calendars, places, queues, policies, people, devices."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from zoneinfo import ZoneInfo

from service.assets.actions import NewAsset, add_asset
from service.assets.models import AssetKind
from service.core.actor import SYSTEM, Actor, Role
from service.core.work import Work
from service.demo import district, hours
from service.people.actions import NewPerson, Relate, Serve, add_person, relate, serve
from service.people.identity import actor_of_person
from service.people.models import RelationKind
from service.places.actions import NewPlace, add_place
from service.places.models import PlaceKind
from service.sla.calendars import NewCalendar, create_calendar
from service.sla.models import SchoolCalendar
from service.sla.policies import NewPolicy, create_policy
from service.tickets import desk


@dataclass
class District:
    """What tickets are made of: actors by the name in their email, devices by school and kind."""

    people: dict[str, int] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    calendars: dict[str, SchoolCalendar] = field(default_factory=dict)
    devices: dict[tuple[str, AssetKind], list[str]] = field(default_factory=lambda: defaultdict(list))
    own_device: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def of(self, *names: str) -> list[Actor]:
        return [self.actors[name] for name in names]


async def founded(work: Work, rng: random.Random) -> District:
    """Everything but tickets, by the system first and by the administrator as soon as there is one."""
    made = District()
    await _add_person(work, made, district.ADMINS[0], Role.ADMIN, None)
    work.actor = await actor_of_person(work.db, made.people[district.ADMINS[0][1]])
    await _calendars(work, made)
    await _places(work, made)
    await _desk(work, made)
    await _people(work, made)
    await _contract(work, made)
    await _devices(work, made, rng)
    for name, person_id in made.people.items():
        made.actors[name] = await actor_of_person(work.db, person_id)
    work.actor = SYSTEM
    return made


async def _calendars(work: Work, made: District) -> None:
    today = work.now.astimezone(ZoneInfo(hours.ZONE)).date()
    for name, windows, early in (
        ("office", hours.OFFICE, None),
        ("elementary", hours.ELEMENTARY, "11:30"),
        ("middle", hours.MIDDLE, "11:45"),
        ("high", hours.HIGH, "12:00"),
    ):
        definition = hours.definition(windows, today, early=early)
        title = "District office" if name == "office" else f"{name.capitalize()} school"
        made.calendars[name] = await create_calendar(work, NewCalendar(name=title, definition=definition))


async def _places(work: Work, made: District) -> None:
    for school_id, (name, calendar) in district.SCHOOLS.items():
        keeps = made.calendars[calendar].id
        school = NewPlace(id=school_id, kind=PlaceKind.SCHOOL, name=name, calendar_id=keeps)
        await add_place(work, school)
        for wing, building in district.BUILDINGS.items():
            inside = f"{school_id}-{wing}"
            await add_place(
                work, NewPlace(id=inside, kind=PlaceKind.BUILDING, name=building, parent_id=school_id)
            )
            for room in district.ROOMS[wing]:
                place = NewPlace(id=f"{inside}-{room}", kind=PlaceKind.ROOM, name=room, parent_id=inside)
                made.rooms[school_id].append((await add_place(work, place)).id)


async def _desk(work: Work, made: District) -> None:
    for key, name in district.QUEUES.items():
        queue = desk.NewQueue(
            key=key, name=name, confidential=key == district.CONFIDENTIAL, is_default=key == "desk"
        )
        await desk.add_queue(work, queue)
    for code, name in district.CATEGORIES.items():
        await desk.add_category(work, desk.NewCategory(id=code, name=name))
    rules = [desk.RuleIn(conditions=conditions, queue=queue) for conditions, queue in district.ROUTING]
    await desk.set_routing(work, desk.Routing(rules=rules))
    for policy in district.POLICIES:
        office = {"calendar_id": made.calendars["office"].id} if policy.get("position") == 10 else {}
        await create_policy(work, NewPolicy(**policy, **office))


async def _people(work: Work, made: District) -> None:
    for known, role, school_id in district.everybody()[1:]:
        await _add_person(work, made, known, role, school_id)
    for (_, guardian, _), children in district.GUARDIANS:
        for child in children:
            relation = Relate(kind=RelationKind.GUARDIAN_OF, other_id=made.people[child])
            await relate(work, made.people[guardian], relation)
    for school_id, pupils in district.PUPILS.items():
        teacher = district.STAFF[school_id][0][1]
        for _, pupil, _ in pupils:
            taught = Relate(kind=RelationKind.TEACHES, other_id=made.people[pupil])
            await relate(work, made.people[teacher], taught)
    queues = {queue.key: queue.id for queue in await desk.queues(work)}
    for name, keys in district.SERVES.items():
        await serve(work, made.people[name], Serve(queue_ids=[queues[key] for key in keys]))


async def _contract(work: Work, made: District) -> None:
    """What the repair shop promised."""
    vendor = made.people[district.VENDORS[0][1]]
    office = made.calendars["office"].id
    matches = {"vendor": [str(vendor)]}
    await create_policy(work, NewPolicy(**district.CONTRACT, matches=matches, calendar_id=office))


async def _add_person(
    work: Work, made: District, known: district.Known, role: Role, school_id: str | None
) -> None:
    name, local, language = known
    person = NewPerson(
        name=name,
        role=role,
        email=f"{local}@example.org",
        external_id=f"demo-{len(made.people) + 1:03}",
        language=language,
        school_id=school_id,
    )
    made.people[local] = (await add_person(work, person)).id


async def _devices(work: Work, made: District, rng: random.Random) -> None:
    """Chromebooks to pupils and laptops to staff first, the rest to rooms, school by school."""
    holders = {
        AssetKind.CHROMEBOOK: _named(district.PUPILS),
        AssetKind.LAPTOP: _named(district.STAFF),
    }
    schools = cycle(district.SCHOOLS)
    for kind, (prefix, count, model) in district.MODELS.items():
        waiting = holders.get(kind, iter(()))
        for n in range(1, count + 1):
            holder, school_id = next(waiting, (None, None))
            school_id = school_id or next(schools)
            tag = f"{prefix}-{n:05}"
            device = NewAsset(
                tag=tag,
                kind=kind,
                model=model,
                serial=f"{prefix}{rng.randrange(16**8):08X}",
                holder_id=made.people[holder] if holder else None,
                place_id=school_id if holder else rng.choice(made.rooms[school_id]),
            )
            await add_asset(work, device)
            if holder:
                made.own_device[holder] = tag
            else:
                made.devices[school_id, kind].append(tag)


def _named(people: dict[str, list[district.Known]]) -> Iterator[tuple[str | None, str | None]]:
    for school_id, ones in people.items():
        for _, local, _ in ones:
            yield local, school_id
