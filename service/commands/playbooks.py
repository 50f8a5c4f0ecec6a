"""`firstbell playbook`: check, prove, draw and play playbooks, without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.commands import base
from service.playbooks.answers import DoesNotFit
from service.playbooks.cards import Card, card
from service.playbooks.facts import FACTS, Fact
from service.playbooks.grammar import Book, Playbook, bound, called_by
from service.playbooks.graph import mermaid
from service.playbooks.library import FOLDER, Shelved, files, linted, load
from service.playbooks.proving import CannotPlay, fact_from, proved
from service.playbooks.reading import Problem, Unreadable, plain_value
from service.playbooks.state import Advance, Answer, Back, Decide, Event, Look, Replied, Result, Stage, View
from service.playbooks.traversal import CannotMove, advance, begin

app = typer.Typer(name="playbook", help="Check, prove, draw and play playbooks.", no_args_is_help=True)
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]…", help="Files or folders; else all that come along.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The machine-readable form.")]
Locales = Annotated[str, typer.Option(help="Languages that must be complete.")]


@app.command("lint")
def lint(paths: Files = None, locales: Locales = "en,es", as_json: AsJson = False) -> None:
    """Say what is wrong with playbooks, with file and line."""
    shelf, problems = _read(paths)
    library = _library(shelf)
    wanted = tuple(one.strip() for one in locales.split(",") if one.strip())
    for one in shelf:
        problems += linted(one, library, wanted)
    if as_json:
        typer.echo(json.dumps([_plain(problem) for problem in problems], ensure_ascii=False, indent=2))
    else:
        for problem in problems:
            base.out.print(escape(str(problem)))
        base.out.print(f"{len(shelf)} playbooks, {len(problems)} problems.")
    if problems:
        raise typer.Exit(1)


@app.command("test")
def prove(paths: Files = None, as_json: AsJson = False) -> None:
    """Play the examples of playbooks, and say which ways none of them takes."""
    shelf, problems = _read(paths)
    _stop_at(problems)
    library = _library(shelf)
    rows = [_proof(one, library) for one in shelf]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        _show_proofs(rows)
    if any(row["failures"] or row["missing"] for row in rows):
        raise typer.Exit(1)


@app.command("graph")
def graph(file: Path, language: Annotated[str, typer.Option(help="Language of the words.")] = "en") -> None:
    """Print a playbook as a Mermaid flow chart."""
    shelf, problems = _read([file])
    _stop_at(problems)
    for one in shelf:
        typer.echo(mermaid(one.playbook, language), nl=False)


@app.command("run")
def run(
    file: Path,
    language: Annotated[str, typer.Option(help="Language of the words.")] = "en",
    fact: Annotated[
        list[str] | None, typer.Option(help="An invented fact: device.status=active. Can be repeated.")
    ] = None,
) -> None:
    """Play a playbook in the terminal, with invented facts. Nothing is done to any device."""
    shelf, problems = _read([file])
    _stop_at(problems)
    if len(shelf) != 1:
        base.fail("Name one file to play.", 2)
    library = _library(shelf)
    _stop_at(linted(shelf[0], library))
    facts = dict(map(_fact, fact or []))
    try:
        player = _Player(bound(shelf[0].playbook, library), language, facts)
    except CannotPlay as error:
        base.fail(f"{error}.", 2)
    player.play()


def _read(paths: list[Path] | None) -> tuple[list[Shelved], list[Problem]]:
    shelf: list[Shelved] = []
    problems: list[Problem] = []
    found = files(paths or [FOLDER])
    if not found:
        base.fail("There is no playbook here.", 2)
    for path in found:
        try:
            shelf.append(load(path))
        except Unreadable as error:
            problems += error.problems
        except OSError as error:
            base.fail(f"{path} cannot be read: {error.strerror or error}", 2)
    return shelf, problems


def _stop_at(problems: list[Problem]) -> None:
    if problems:
        for problem in problems:
            base.errors.print(escape(str(problem)))
        raise typer.Exit(1)


def _library(shelf: list[Shelved]) -> dict[str, Playbook]:
    """The playbooks read, with the parts they call from beside them or the desk's own folder."""
    library = {one.playbook.id: one.playbook for one in shelf}
    folders = [*{one.path.parent for one in shelf}, FOLDER]
    waiting = list(library.values())
    while waiting:
        for _, name in called_by(waiting.pop()):
            if name not in library and (part := _part(folders, name)) is not None:
                library[name] = part
                waiting.append(part)
    return library


def _part(folders: list[Path], name: str) -> Playbook | None:
    """A playbook is in the file of its name."""
    for folder in folders:
        try:
            return load(folder / f"{name}.yaml").playbook
        except (Unreadable, OSError):
            continue
    return None


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "where": problem.where,
        "code": problem.code,
        "message": problem.message,
    }


def _proof(one: Shelved, library: Mapping[str, Playbook]) -> dict[str, Any]:
    if problems := linted(one, library):
        return {
            "playbook": one.playbook.id,
            "examples": len(one.playbook.examples),
            "coverage": 0.0,
            "failures": [{"example": "", "why": f"lint: {problem}"} for problem in problems],
            "missing": [],
        }
    proof = proved(bound(one.playbook, library))
    return {
        "playbook": one.playbook.id,
        "examples": len(one.playbook.examples),
        "coverage": round(proof.coverage, 4),
        "failures": [{"example": name, "why": why} for name, why in proof.failures],
        "missing": [f"{step}.{edge}" for step, edge in proof.missing],
    }


def _show_proofs(rows: list[dict[str, Any]]) -> None:
    table = Table("playbook", "examples", "ways shown", "failures")
    for row in rows:
        table.add_row(
            row["playbook"], str(row["examples"]), f"{row['coverage']:.0%}", str(len(row["failures"]))
        )
    base.out.print(table)
    for row in rows:
        for failure in row["failures"]:
            base.out.print(escape(f"{row['playbook']}: {failure['example']}: {failure['why']}"))
        if row["missing"]:
            base.out.print(escape(f"{row['playbook']}: no example takes {', '.join(row['missing'])}"))


def _fact(given: str) -> tuple[str, Any]:
    name, _, value = given.partition("=")
    if name not in FACTS:
        base.fail(f"There is no fact “{name}”.", 2)
    return name, plain_value(value)


class _Player:
    """One run in the terminal; waits and actions come out as the player says."""

    def __init__(self, book: Book, language: str, facts: Mapping[str, Any]) -> None:
        self.book = book
        self.language = language
        self.now = datetime.now(UTC)
        self.facts: dict[str, Fact] = {
            name: fact_from(name, value, self.now) for name, value in facts.items()
        }

    def view(self) -> View:
        return View(self.now, lambda name: self._fresh(self.facts.get(name)))

    def _fresh(self, fact: Fact | None) -> Fact | None:
        return replace(fact, as_of=self.now) if fact is not None else None

    def play(self) -> None:
        made = begin(self.book, self.view())
        self.tell(made)
        while not made.state.is_finished:
            try:
                made = advance(self.book, made.state, self.event(made), self.view())
            except DoesNotFit as error:
                base.out.print(f"[yellow]{escape(error.said(self.language))}[/yellow]")
                continue
            except CannotMove as error:
                base.out.print(f"[yellow]{escape(str(error))}[/yellow]")
                continue
            self.tell(made)
        shown = self.card(made)
        base.out.print(f"\n[bold]{escape(shown.text)}[/bold]")
        for entry in made.log:
            if entry.kind in ("ended", "handed_over"):
                base.out.print(escape(f"{entry.kind}: {json.dumps(dict(entry.detail))}"))

    def card(self, made: Advance) -> Card:
        return card(self.book, made.state, self.language, self.view(), zone=UTC)

    def tell(self, made: Advance) -> None:
        for entry in made.log:
            detail = json.dumps(dict(entry.detail), ensure_ascii=False, default=str)
            base.out.print(escape(f"  · {entry.path}: {entry.kind} {detail}"), style="dim")

    def event(self, made: Advance) -> Event:
        state, shown = made.state, self.card(made)
        base.out.print(f"\n[bold]{escape(shown.text)}[/bold]")
        if shown.help:
            base.out.print(escape(shown.help))
        if state.stage is Stage.APPROVAL:
            return Decide(typer.confirm("Approve?"), "played", len(state.decisions) + 1)
        if state.stage is Stage.ACTING:
            came = typer.prompt("What comes of it (ok, error, failed, unsupported)", default="ok")
            return Result(state.path, state.attempt(), came)
        if state.stage in (Stage.ASKING, Stage.CONSENT):
            return self.answer(state.path, shown)
        if typer.confirm("Wait until it gives up (no: the requester writes)?", default=True):
            self.now = max(self.now, state.until or self.now)
            return Look()
        return Replied()

    def answer(self, path: str, shown: Card) -> Event:
        for choice in (*shown.choices, *shown.ways):
            base.out.print(escape(f"  {choice.value}: {choice.label}"))
        said = typer.prompt("Answer (or: back)").strip()
        by: Any = "technician" if shown.answers_by == "technician" else "requester"
        if said == "back":
            return Back(by)
        if said in {way.value for way in shown.ways}:
            return Answer(path, way=said, by=by)
        value: Any = said
        if shown.kind in ("multi", "photo"):
            value = [one.strip() for one in said.split(",") if one.strip()]
        if shown.kind == "number":
            value = plain_value(said)
        return Answer(path, value, by=by)
