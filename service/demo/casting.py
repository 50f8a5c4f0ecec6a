"""Who files what and when: the tickets of the last six weeks, in the order in which they are opened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.core.actor import Actor
from service.demo import district, plots
from service.demo.founding import District
from service.demo.plots import Case, Plot
from service.demo.problems import FAULTS, PROBLEMS, SAFETY, Problem, Words
from service.sla.calendar import Calendar
from service.sla.clock import due_at, elapsed
from service.tickets.inputs import OpenTicket
from service.tickets.models import Channel
from service.tickets.priority import Urgency
from service.tickets.resolution import Fix

FILED: list[tuple[Plot, int]] = [
    (plots.solved, 75),
    (plots.quick, 36),
    (plots.asked, 32),
    (plots.held, 18),
    (plots.held_long, 3),
    (plots.late, 14),
    (plots.passed_on, 10),
    (plots.reopened, 10),
    (plots.called_off, 10),
    (plots.doubled, 8),
    (plots.shared, 6),
    (plots.silent, 6),
]
"""Lives of the tickets that people file over six weeks, and how many there are of each."""

REPORTED: list[tuple[Plot, int]] = [(plots.recovered, 12), (plots.attended, 10)]
"""The same for what the network monitor reports."""

YOUNG: list[tuple[Plot, int]] = [(plots.ongoing, 6), (plots.asked, 4), (plots.quick, 4), (plots.untouched, 8)]
"""Tickets of the last hours."""

CONFIDENTIAL: list[tuple[Plot, int]] = [(plots.solved, 2), (plots.asked, 1), (plots.ongoing, 1)]
QUEUE_OF = {"account": "accounts", "av": "classroom", "testing": "classroom", "network": "network"} | {
    "device": "devices",
    "print": "devices",
    "safety": "safety",
}
AWAY = {
    "accounts": ("desk", "software.update"),
    "classroom": ("network", "network.wifi"),
    "desk": ("accounts", "account.password"),
    "devices": ("accounts", "account.roster"),
    "network": ("devices", "device.power"),
}


@dataclass
class Cast:
    """The district, the dice, and the time in which it all happens."""

    district: District
    rng: random.Random
    since: datetime
    until: datetime
    _calendars: dict[int, Calendar] = field(default_factory=dict)

    def somewhen(self, calendar: Calendar, *, last_hours: float | None = None) -> datetime:
        """An instant of school time, of the last few hours of it if wanted; one in sixteen is an evening."""
        open_time = elapsed(self.since, self.until, calendar)
        if last_hours is not None:
            ago = timedelta(hours=self.rng.uniform(0, last_hours))
            return due_at(self.since, max(open_time - ago, timedelta(minutes=1)), calendar)
        at = due_at(self.since, open_time * self.rng.uniform(0.001, 1), calendar)
        if self.rng.random() < 1 / 16:
            at += timedelta(hours=self.rng.uniform(5, 9))
        return min(at, self.until)

    def calendar(self, school_id: str) -> Calendar:
        kept = self.district.calendars[district.SCHOOLS[school_id][1]]
        if kept.id not in self._calendars:
            self._calendars[kept.id] = Calendar.from_json(kept.definition)
        return self._calendars[kept.id]

    def desk_of(self, queue: str) -> Actor:
        serving = [name for _, name, _ in district.TECHNICIANS if queue in district.SERVES[name]]
        return self.district.actors[self.rng.choice(serving)]

    def lead(self) -> Actor:
        return self.district.actors[self.rng.choice(district.LEADS)[1]]


def cases(cast: Cast) -> list[tuple[Case, Plot]]:
    """Every ticket with its life, oldest first."""
    made = [(_filed(cast), plot) for plot in _spread(FILED)]
    made += [(_filed(cast, last_hours=5), plot) for plot in _spread(YOUNG)]
    made += [(_reported(cast), plot) for plot in _spread(REPORTED)]
    made += [(_filed(cast, problem=SAFETY), plot) for plot in _spread(CONFIDENTIAL)]
    return sorted(made, key=lambda one: one[0].now)


def _spread(lives: list[tuple[Plot, int]]) -> Iterator[Plot]:
    for plot, count in lives:
        yield from [plot] * count


def _filed(cast: Cast, *, problem: Problem | None = None, last_hours: float | None = None) -> Case:
    """A ticket of a person: mostly a teacher, at times a pupil, a guardian, or the desk for a caller."""
    rng = cast.rng
    school_id = rng.choice(list(district.SCHOOLS))
    calendar = cast.calendar(school_id)
    problem = problem or rng.choice(PROBLEMS)
    at = cast.somewhen(calendar, last_hours=last_hours)
    queue = QUEUE_OF.get(problem.category.partition(".")[0], "desk")
    technician = cast.desk_of(queue)
    filer, about, shape = _people(cast, problem, school_id, technician, at)
    asker = about if filer is technician else filer
    language = asker.language if asker.language in problem.words else "en"
    words = problem.words[language]
    opening = OpenTicket(
        subject=words.subject,
        description=words.description,
        kind=problem.kind,
        category=problem.category,
        impact=problem.impact,
        urgency=_urgency(rng, problem),
        language=language,
        asset_tag=_device(cast, problem, school_id, about),
        place_id=rng.choice(cast.district.rooms[school_id]) if problem.device is None else None,
        **shape,
    )
    return Case(
        rng=rng,
        problem=problem,
        language=language,
        opening=opening,
        filer=filer,
        asker=asker,
        technician=technician,
        lead=cast.lead(),
        vendor=cast.district.actors[rng.choice(district.VENDORS)[1]],
        calendar=calendar,
        now=at,
        away=_away(cast, queue),
    )


def _people(
    cast: Cast, problem: Problem, school_id: str, technician: Actor, at: datetime
) -> tuple[Actor, Actor, dict[str, object]]:
    """Who files it, whom it is for, and what only the desk may say about it."""
    rng, actors = cast.rng, cast.district.actors
    dice = rng.random()
    teacher = actors[rng.choice(district.STAFF[school_id])[1]]
    pupil = actors[rng.choice(district.PUPILS[school_id])[1]]
    if problem is SAFETY or problem.shared_device or dice < 0.6:
        return teacher, teacher, {"channel": rng.choice([Channel.WEB, Channel.API])}
    if dice < 0.75:
        called = at - timedelta(minutes=rng.uniform(2, 30))
        shape = {"channel": rng.choice([Channel.PHONE, Channel.WALK_IN]), "requester_id": teacher.person_id}
        return technician, teacher, shape | {"reported_at": called, "tags": sorted(problem.tags)}
    guardian = next((one for one in actors.values() if pupil.person_id in one.child_ids), None)
    if dice < 0.87 or guardian is None:
        return pupil, pupil, {"channel": Channel.WEB}
    return guardian, pupil, {"channel": Channel.WEB, "requester_id": pupil.person_id}


def _device(cast: Cast, problem: Problem, school_id: str, about: Actor) -> str | None:
    if problem.device is None:
        return None
    own = next((t for n, t in cast.district.own_device.items() if cast.district.actors[n] == about), None)
    prefix = district.MODELS[problem.device][0]
    if own and own.startswith(prefix) and not problem.shared_device:
        return own
    there = cast.district.devices[school_id, problem.device]
    return cast.rng.choice(there) if there else None


def _urgency(rng: random.Random, problem: Problem) -> Urgency:
    return rng.choice([problem.urgency, problem.urgency, Urgency.WORKAROUND])


def _away(cast: Cast, queue: str) -> tuple[str, str, Actor] | None:
    if queue not in AWAY:
        return None
    to, category = AWAY[queue]
    return to, category, cast.desk_of(to)


def _reported(cast: Cast) -> Case:
    """A ticket of the network monitor: nobody waits for an answer to it."""
    rng = cast.rng
    category, kind, says, cause, impact = rng.choice(FAULTS)
    school_id = rng.choice([s for s in district.SCHOOLS if cast.district.devices[s, kind]])
    tag = rng.choice(cast.district.devices[school_id, kind])
    words = Words(f"{tag} {says}", "Seen by the network monitor.", "", "", "It answers again.")
    problem = Problem(category, cause, Fix.REMOTE_PORT_CYCLE, {"en": words}, kind, impact)
    monitor = cast.district.actors[district.MONITOR]
    calendar = cast.calendar(school_id)
    opening = OpenTicket(
        subject=words.subject,
        description=words.description,
        category=category,
        impact=impact,
        urgency=Urgency.CANNOT_WORK if impact.value == "school" else Urgency.WORKAROUND,
        asset_tag=tag,
        channel=Channel.MONITORING,
        source_key=f"monitor:{tag}:{category}",
    )
    queue = QUEUE_OF.get(category.partition(".")[0], "desk")
    return Case(
        rng=rng,
        problem=problem,
        language="en",
        opening=opening,
        filer=monitor,
        asker=monitor,
        technician=cast.desk_of(queue),
        lead=cast.lead(),
        vendor=monitor,
        calendar=calendar,
        now=cast.somewhen(calendar),
    )
