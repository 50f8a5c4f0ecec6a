"""How tickets go: each plot is one ticket's life as steps, and the driver in `fill` plays them in time order.

A plot yields `Step`s: who does what, and how much working time after the step before. Steps that would lie
ahead of now are not played, so young tickets are in the middle of their lives.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.core.actor import SYSTEM, Actor
from service.core.work import Work
from service.demo.problems import HELLO, NUDGE, STILL, THANKS, Problem, Words
from service.sla.calendar import Calendar
from service.sla.clock import due_at
from service.tickets import actions, inputs
from service.tickets.models import LinkKind
from service.tickets.resolution import Fix, Outcome

Verb = Callable[..., Awaitable[Any]]
DAY = 8 * 60.0


@dataclass(slots=True)
class Case:
    """One ticket of the demo: what it is about, who takes part, and its number once it is open."""

    rng: random.Random
    problem: Problem
    language: str
    opening: inputs.OpenTicket
    filer: Actor
    asker: Actor
    """Who answers for the requester: a guardian, for a child."""
    technician: Actor
    lead: Actor
    vendor: Actor
    calendar: Calendar
    now: datetime
    """The instant of the step before."""
    away: tuple[str, str, Actor] | None = None
    """Where it belongs if it came to the wrong queue: queue, category, somebody there."""
    number: int = 0
    earlier: int | None = None
    """An open ticket of the same queue, for duplicates."""

    def later(self, minutes: float) -> datetime:
        """So much working time after the step before."""
        return due_at(self.now, timedelta(minutes=minutes), self.calendar)

    @property
    def words(self) -> Words:
        return self.problem.words[self.language]

    def says(self, phrases: dict[str, Any]) -> str:
        said = phrases[self.language]
        return said if isinstance(said, str) else self.rng.choice(said)


@dataclass(frozen=True, slots=True)
class Step:
    """`actor` does `verb` with `wanted`, after so many working minutes or `at` an instant."""

    after: float
    actor: Actor
    verb: Verb
    wanted: Any = None
    at: datetime | None = None

    async def play(self, work: Work, number: int) -> None:
        arguments = () if self.wanted is None else (self.wanted,)
        await self.verb(work, number, *arguments)


Plot = Callable[[Case], Iterator[Step]]


def solved(case: Case) -> Iterator[Step]:
    """The usual one."""
    yield from taken(case)
    yield resolved(case, case.rng.uniform(20, 300))
    yield from finished(case)


def quick(case: Case) -> Iterator[Step]:
    """Answered and solved on the spot."""
    yield Step(minutes(case, 12), case.technician, actions.reply, inputs.Reply(body=case.words.resolution))
    yield resolved(case, 2)
    yield from finished(case)


def asked(case: Case) -> Iterator[Step]:
    """The desk needs to know more."""
    yield from taken(case)
    yield question(case)
    yield Step(case.rng.uniform(15, 500), case.asker, actions.reply, inputs.Reply(body=case.words.answer))
    yield Step(case.rng.uniform(5, 60), case.technician, actions.reply, inputs.Reply(body=case.says(HELLO)))
    yield resolved(case, case.rng.uniform(20, 240))
    yield from finished(case)


def held(case: Case) -> Iterator[Step]:
    """A part is on its way."""
    yield from taken(case)
    wait = inputs.Note(body="Ordered the part. The supplier says two to four days.")
    yield Step(case.rng.uniform(10, 60), case.technician, actions.note, wait)
    until = case.later(case.rng.uniform(1, 4) * DAY)
    hold = inputs.Hold(reason="Waiting for the spare part", until=until)
    yield Step(5, case.technician, actions.hold, hold)
    yield Step(0, SYSTEM, actions.end_hold, at=until)
    yield resolved(case, case.rng.uniform(20, 200))
    yield from finished(case)


def held_long(case: Case) -> Iterator[Step]:
    """Nobody knows until when."""
    yield from taken(case)
    hold = inputs.Hold(reason="Waiting for the budget of the next term")
    yield Step(case.rng.uniform(30, 300), case.technician, actions.hold, hold)


def late(case: Case) -> Iterator[Step]:
    """Nobody looks at it in time; a lead hands it out."""
    yield Step(case.rng.uniform(560, 900), case.asker, actions.reply, inputs.Reply(body=case.says(NUDGE)))
    yield Step(
        case.rng.uniform(30, 120), case.lead, actions.assign, inputs.Assign(assignee_id=who(case.technician))
    )
    yield Step(case.rng.uniform(5, 60), case.technician, actions.start)
    yield Step(1, case.technician, actions.reply, inputs.Reply(body=case.says(HELLO)))
    yield resolved(case, case.rng.uniform(400, 1500))
    yield from finished(case)


def passed_on(case: Case) -> Iterator[Step]:
    """It came to the wrong queue."""
    assert case.away is not None
    queue, category, colleague = case.away
    yield Step(minutes(case, 40), case.technician, actions.triage, inputs.Triage(category=category))
    to = inputs.Transfer(queue=queue, reason="This is theirs")
    yield Step(2, case.technician, actions.transfer, to)
    yield Step(case.rng.uniform(20, 200), colleague, actions.start)
    yield Step(3, colleague, actions.reply, inputs.Reply(body=case.says(HELLO)))
    yield Step(case.rng.uniform(30, 300), colleague, actions.resolve, resolution(case))
    yield from finished(case)


def reopened(case: Case) -> Iterator[Step]:
    """It was not solved after all."""
    yield from taken(case)
    yield resolved(case, case.rng.uniform(20, 200))
    again = inputs.Reopen(reason=case.says(STILL))
    yield Step(case.rng.uniform(60, 1400), case.asker, actions.reopen, again)
    yield Step(case.rng.uniform(10, 120), case.technician, actions.reply, inputs.Reply(body=case.says(HELLO)))
    yield resolved(case, case.rng.uniform(30, 400))
    yield from finished(case)


def called_off(case: Case) -> Iterator[Step]:
    """The requester found the cable."""
    why = {"en": "Found it myself, sorry", "es": "Ya lo resolví, disculpe"}[case.language]
    yield Step(case.rng.uniform(10, 200), case.asker, actions.cancel, inputs.Cancel(reason=why))


def doubled(case: Case) -> Iterator[Step]:
    """Somebody has told us already; without an earlier open ticket it is worked like any other."""
    yield Step(minutes(case, 60), case.technician, actions.reply, inputs.Reply(body=case.says(HELLO)))
    if case.earlier is None:
        yield resolved(case, 30)
        return
    same = inputs.Link(kind=LinkKind.DUPLICATE_OF, other=case.earlier)
    yield Step(1, case.technician, actions.link, same)


def shared(case: Case) -> Iterator[Step]:
    """A vendor repairs it."""
    yield from taken(case)
    yield Step(5, case.technician, actions.tag, inputs.Tag(add=["warranty"]))
    yield Step(10, case.technician, actions.share, inputs.Share(person_id=who(case.vendor)))
    yield Step(
        2, case.technician, actions.hold, inputs.Hold(reason="With the vendor", vendor_id=who(case.vendor))
    )
    told = inputs.Reply(body="Received. The repair takes about three working days.")
    yield Step(case.rng.uniform(200, 600), case.vendor, actions.reply, told)
    back = inputs.Reply(body="Repaired and on its way back.")
    yield Step(case.rng.uniform(2, 4) * DAY, case.vendor, actions.reply, back)
    yield Step(case.rng.uniform(30, 300), case.technician, actions.start)
    yield Step(1, case.technician, actions.resolve, resolution(case, fix=Fix.VENDOR_RMA))
    yield from finished(case)


def silent(case: Case) -> Iterator[Step]:
    """The requester never answers."""
    yield from taken(case)
    yield question(case)
    gone = resolution(case, outcome=Outcome.CLOSED_NO_REPLY)
    yield Step(7 * DAY, case.technician, actions.resolve, gone)
    yield Step(2 * DAY, case.lead, actions.close, inputs.Close())


def ongoing(case: Case) -> Iterator[Step]:
    """Being worked on."""
    yield from taken(case)


def untouched(case: Case) -> Iterator[Step]:
    """Just filed."""
    yield from ()


def recovered(case: Case) -> Iterator[Step]:
    """The device comes back before anybody has looked."""
    yield Step(case.rng.uniform(6, 90), case.filer, actions.resolve, resolution(case, fix=Fix.NONE))
    yield Step(1.5 * DAY, case.lead, actions.close, inputs.Close())


def attended(case: Case) -> Iterator[Step]:
    """Somebody goes there."""
    yield Step(minutes(case, 20), case.technician, actions.start)
    gone = inputs.Note(body="No link light on the uplink. Going there.")
    yield Step(5, case.technician, actions.note, gone)
    yield resolved(case, case.rng.uniform(30, 400))
    yield Step(2 * DAY, case.lead, actions.close, inputs.Close())


def taken(case: Case) -> Iterator[Step]:
    """A technician takes it and says so."""
    yield Step(minutes(case, 22), case.technician, actions.start)
    yield Step(case.rng.uniform(1, 10), case.technician, actions.reply, inputs.Reply(body=case.says(HELLO)))


def finished(case: Case) -> Iterator[Step]:
    """After the solution: thanks, silence, or a lead who tidies up."""
    ending = case.rng.random()
    if ending < 0.4:
        thanks = inputs.Close(comment=case.says(THANKS))
        yield Step(case.rng.uniform(10, 700), case.asker, actions.close, thanks)
    elif ending < 0.85:
        yield Step(3 * DAY, case.lead, actions.close, inputs.Close())


def question(case: Case) -> Step:
    wait = inputs.WaitOnRequester(question=case.words.question)
    return Step(case.rng.uniform(5, 60), case.technician, actions.wait_on_requester, wait)


def resolved(case: Case, after: float) -> Step:
    return Step(after, case.technician, actions.resolve, resolution(case))


def resolution(case: Case, *, fix: Fix | None = None, outcome: Outcome | None = None) -> inputs.Resolve:
    return inputs.Resolve(
        resolution=case.words.resolution,
        cause=case.problem.cause,
        fix=fix or case.problem.fix,
        outcome=outcome or Outcome.SOLVED_ASSUMED,
    )


def minutes(case: Case, usual: float) -> float:
    """Often shorter than usual, sometimes much longer."""
    return min(case.rng.expovariate(1 / usual), 6 * usual) + 1


def who(actor: Actor) -> int:
    assert actor.person_id is not None
    return actor.person_id
