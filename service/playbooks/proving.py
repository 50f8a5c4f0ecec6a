"""The examples of a playbook, played; and which of its ways they have shown.

PURE. An example gives facts and answers and says which steps are passed and how it ends. The ways that are
open at every step (I don't know, I can't, nobody answers) and lead to the way out are tried by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.playbooks import grammar
from service.playbooks.answers import DoesNotFit
from service.playbooks.conditions import span
from service.playbooks.facts import FACTS, Fact, FactType, Keeper
from service.playbooks.grammar import Book, Example
from service.playbooks.state import (
    Advance,
    Answer,
    Decide,
    Event,
    HandedOver,
    Look,
    Replied,
    Result,
    Stage,
    State,
    View,
)
from service.playbooks.traversal import CannotMove, advance, begin, step_of

STARTS_AT: Final = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
MOST_MOVES: Final = 300
WAYS: Final = ("dont_know", "cannot", "left_out")
Edge = tuple[str, str]


class CannotPlay(ValueError):
    """The example does not say what happens at a step."""


@dataclass(frozen=True)
class Played:
    """What became of an example: the run, the steps of the playbook itself, the ways it took."""

    state: State
    path: tuple[str, ...]
    ends: Mapping[str, str]
    edges: frozenset[Edge]
    states: tuple[tuple[State, datetime], ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """How the examples of a playbook came out: failures in sentences, and ways that none of them took."""

    failures: tuple[tuple[str, str], ...]
    covered: frozenset[Edge]
    missing: tuple[Edge, ...]

    @property
    def is_complete(self) -> bool:
        return not self.failures and not self.missing

    @property
    def coverage(self) -> float:
        everything = len(self.covered) + len(self.missing)
        return len(self.covered) / everything if everything else 1.0


def proved(book: Book) -> Proof:
    """Play every example, and try the ways that are always open."""
    failures: list[tuple[str, str]] = []
    covered: set[Edge] = set()
    for example in book.main.examples:
        try:
            run = played(book, example)
        except (CannotPlay, CannotMove, DoesNotFit) as error:
            failures.append((example.name, str(error)))
            continue
        covered |= run.edges
        if (why := _differs(example, run)) is not None:
            failures.append((example.name, why))
        covered |= set(_open_ways(book, run))
    wanted = set(all_edges(book.main))
    return Proof(tuple(failures), frozenset(covered & wanted), tuple(sorted(wanted - covered)))


def all_edges(playbook: grammar.Playbook) -> Iterator[Edge]:
    for step_id, step in playbook.steps.items():
        for edge, _ in grammar.edges(step, playbook.way_out):
            yield step_id, edge


def _differs(example: Example, run: Played) -> str | None:
    if dict(run.ends) != dict(example.ends):
        return f"it ends with {_listed(run.ends)}, not with {_listed(example.ends)} ({' → '.join(run.path)})"
    if example.path and list(run.path) != list(example.path):
        return f"it goes {' → '.join(run.path)}"
    return None


def _listed(ends: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in ends.items()) or "nothing"


def played(book: Book, example: Example) -> Played:
    """The run of one example. CannotPlay, CannotMove, DoesNotFit."""
    return _Play(book, example).whole()


class _Play:
    def __init__(self, book: Book, example: Example) -> None:
        self.book = book
        self.example = example
        self.now = STARTS_AT
        self.facts: dict[str, Fact] = {}
        self.learn(example.facts)
        self.states: list[tuple[State, datetime]] = []
        self.handed: HandedOver | None = None

    def learn(self, facts: Mapping[str, Any]) -> None:
        for name, given in facts.items():
            self.facts[name] = fact_from(name, given, self.now)

    def view(self) -> View:
        return View(self.now, self.fact)

    def fact(self, name: str) -> Fact | None:
        """A fact; what the desk counts and the district decided is always of now."""
        fact = self.facts.get(name)
        if fact is not None and name in FACTS and FACTS[name].keeper in (Keeper.DESK, Keeper.DISTRICT):
            return replace(fact, as_of=self.now) if not self.is_aged(name) else fact
        return fact

    def is_aged(self, name: str) -> bool:
        """Whether the example says itself how old it is."""
        return isinstance(self.example.facts.get(name), Mapping)

    def whole(self) -> Played:
        made = begin(self.book, self.view())
        self.note(made)
        for _ in range(MOST_MOVES):
            if made.state.is_finished:
                break
            self.states.append((made.state, self.now))
            made = advance(self.book, made.state, self.event(made.state), self.view())
            self.note(made)
        else:
            raise CannotPlay("it does not come to an end")
        visits = [visit for visit in made.state.visits if "." not in visit.path]
        return Played(
            made.state,
            tuple(visit.path for visit in visits),
            self.ends(made.state),
            frozenset((v.path, v.edge) for v in visits if v.edge),
            tuple(self.states),
            self.facts,
        )

    def note(self, made: Advance) -> None:
        for effect in made.effects:
            if isinstance(effect, HandedOver):
                self.handed = effect

    def ends(self, state: State) -> dict[str, str]:
        if state.stage is Stage.HANDED_OVER and self.handed is not None:
            return {"handoff": self.handed.queue}
        return dict(state.code)

    def event(self, state: State) -> Event:
        """What the example says happens next."""
        path = state.path
        if state.stage in (Stage.ASKING, Stage.CONSENT):
            return self.time_out(state) if path in self.example.times_out else self.answer(path)
        if state.stage is Stage.APPROVAL:
            if path in self.example.decisions:
                return Decide(self.example.decisions[path], "example", len(state.decisions) + 1)
            return self.time_out(state)
        if state.stage is Stage.ACTING:
            if path in self.example.times_out:
                return self.time_out(state)
            return Result(path, state.attempt(), self.example.results.get(path, "ok"))
        if state.stage is Stage.WAITING and self.example.answers.get(path) == "replied":
            return Replied()
        if path in self.example.arrives:
            self.now += timedelta(seconds=1)
            before = dict(self.facts)
            self.learn(self.example.arrives[path])
            if before != self.facts and not _was_here(self.states[:-1], state):
                return Look()
        return self.time_out(state)

    def time_out(self, state: State) -> Look:
        if state.until is not None:
            self.now = max(self.now, state.until)
        return Look()

    def answer(self, path: str) -> Answer:
        if path not in self.example.answers:
            raise CannotPlay(f"it has no answer for “{path}”")
        given = self.example.answers[path]
        self.now += timedelta(seconds=20)
        by: Any = "technician" if self.is_for_technician() else "requester"
        if given in WAYS:
            return Answer(path, way=given, by=by)
        return Answer(path, given, by=by)

    def is_for_technician(self) -> bool:
        step = step_of(self.book, self.states[-1][0])
        return getattr(step, "audience", None) is grammar.Audience.TECHNICIAN


def _was_here(states: list[tuple[State, datetime]], state: State) -> bool:
    """Whether the last event changed nothing: what arrived was not what the step waits for."""
    return bool(states) and states[-1][0] is state


def _open_ways(book: Book, run: Played) -> Iterator[Edge]:
    """Try “I don't know”, “I can't” and silence at each step of a run, where the step does not say itself
    where they lead: they must lead where the defaults say."""
    for state, now in run.states:
        if state.stage is not Stage.ASKING or len(state.frames) > 1:
            continue
        step, path = step_of(book, state), state.path
        ways = dict(grammar.edges(step, book.main.way_out))
        for edge, said in (
            ("dont_know", getattr(step, "dont_know", None)),
            ("cannot", step.cannot),
            ("timeout", step.on_timeout),
        ):
            if said is None and edge in ways and _leads_there(book, run, state, now, edge, ways[edge]):
                yield path, edge


def _leads_there(book: Book, run: Played, state: State, now: datetime, edge: str, target: str | None) -> bool:
    step = step_of(book, state)
    by: Any = "technician" if step.audience is grammar.Audience.TECHNICIAN else "requester"
    way: Any = edge
    event: Event = Look() if edge == "timeout" else Answer(state.path, way=way, by=by)
    at = state.until if edge == "timeout" and state.until else now
    visits = advance(book, state, event, View(at, run.facts.get)).state.visits
    left = len(state.visits) - 1
    if visits[left].edge != edge:
        return False
    return len(visits) == left + 1 if target is None else visits[left + 1].path == target


def fact_from(name: str, given: Any, now: datetime) -> Fact:
    """A fact as examples write it: a value, or {value, age}; of an instant, `-5m` or `+30d` from now.

    CannotPlay.
    """
    try:
        return _fact_from(name, given, now)
    except ValueError as error:
        raise CannotPlay(f"the fact {name}: {error}") from None


def _fact_from(name: str, given: Any, now: datetime) -> Fact:
    value, age = given, "0s"
    if isinstance(given, Mapping):
        value, age = given.get("value"), str(given.get("age", "0s"))
    known = FACTS.get(name)
    if known is not None and known.type is FactType.INSTANT and isinstance(value, str) and value[:1] in "+-":
        value = (now + span(value[1:]) * (1 if value[0] == "+" else -1)).isoformat()
    return Fact(name, value, now - span(age), "example")
