"""A run of a small playbook, played by a test without a database."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from service.playbooks.cards import Card, card
from service.playbooks.facts import Fact
from service.playbooks.grammar import Book, Playbook
from service.playbooks.reading import read
from service.playbooks.state import (
    Advance,
    Answer,
    Back,
    Cancel,
    Decide,
    Entry,
    Event,
    HandOver,
    Look,
    Perform,
    Replied,
    Result,
    Skip,
    State,
    TakeOver,
    View,
)
from service.playbooks.traversal import advance, begin

NOON = datetime(2026, 9, 14, 12, 0, tzinfo=UTC)
HEAD = """\
schema: playbook/1
id: {id}
title: {{en: A small one, es: Uno pequeño}}
summary: {{en: For tests, es: Para pruebas}}
owner: desk
{more}
steps:
"""
ENDS = """
over: {handoff: {queue: network}, text: {en: Over, es: Fin}}
good: {end: {cause: other, fix: none, outcome: solved_confirmed}, text: {en: Good, es: Bien}}
"""


def written(steps: str, *, name: str = "small", start: str = "first", more: str = "") -> str:
    """The text of a playbook with these steps."""
    head = HEAD.format(id=name, more=f"start: {start}\n{more}")
    return head + textwrap.indent(steps.strip(), "  ") + "\n"


def dedented(*pieces: str) -> str:
    """Steps one under the other, however far each piece is indented."""
    return "\n".join(textwrap.dedent(one).strip() for one in pieces)


def playbook(*steps: str, **given: Any) -> Playbook:
    return read(written(dedented(*steps), **given))[0]


def part(name: str, *steps: str, start: str = "first") -> Playbook:
    return playbook(*steps, name=name, start=start, more="part: true")


def book(*pieces: str | Playbook, more: str = "way_out: over", start: str = "first") -> Book:
    """A playbook of these steps and parts, with the ends `good` and `over`."""
    steps = [one for one in pieces if isinstance(one, str)]
    parts = {one.id: one for one in pieces if isinstance(one, Playbook)}
    return Book(playbook(*steps, ENDS, more=more, start=start), parts)


class Run:
    """What happens to a run, and what came of it last."""

    def __init__(self, of: Book, *, facts: Mapping[str, Any] | None = None, **given: Any) -> None:
        self.book = of
        self.now = NOON
        self.facts: dict[str, Fact] = {}
        self.log: list[Entry] = []
        self.knows(facts or {})
        self.made = self._note(begin(of, self.view(), **given))

    def _note(self, made: Advance) -> Advance:
        self.log += made.log
        self.performed = [one for one in made.effects if isinstance(one, Perform)]
        return made

    def knows(self, facts: Mapping[str, Any], age: timedelta = timedelta(0)) -> Run:
        self.facts |= {name: Fact(name, value, self.now - age, "test") for name, value in facts.items()}
        return self

    def view(self) -> View:
        return View(self.now, self.facts.get)

    @property
    def state(self) -> State:
        return self.made.state

    @property
    def at(self) -> tuple[str, str]:
        return self.state.path, self.state.stage.value

    @property
    def path(self) -> list[str]:
        return [visit.path for visit in self.state.visits]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.made.log]

    def does(self, event: Event) -> Run:
        self.made = self._note(advance(self.book, self.state, event, self.view()))
        return self

    def says(self, value: Any, path: str | None = None, **given: Any) -> Run:
        return self.does(Answer(path or self.state.path, value, **given))

    def way(self, way: Any, **given: Any) -> Run:
        return self.does(Answer(self.state.path, way=way, **given))

    def skips(self, reason: str, **given: Any) -> Run:
        return self.does(Skip(self.state.path, reason, **given))

    def back(self, **given: Any) -> Run:
        return self.does(Back(**given))

    def decides(self, approved: bool, person: int | None, reason: str = "because") -> Run:
        return self.does(Decide(approved, reason, person))

    def comes(self, state: str, *, path: str | None = None, attempt: int | None = None) -> Run:
        return self.does(Result(path or self.state.path, attempt or self.state.attempt(), state))

    def replies(self) -> Run:
        return self.does(Replied())

    def gives_up(self, reason: str = "no time") -> Run:
        return self.does(HandOver(reason))

    def is_taken(self) -> Run:
        return self.does(TakeOver())

    def is_cancelled(self, reason: str = "no need") -> Run:
        return self.does(Cancel(reason))

    def after(self, **span: float) -> Run:
        """Time passes, and the run is looked at."""
        self.now += timedelta(**span)
        return self.does(Look())

    def card(self, language: str = "en") -> Card:
        return card(self.book, self.state, language, self.view(), zone=UTC)
