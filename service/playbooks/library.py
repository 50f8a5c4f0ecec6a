"""The playbooks that come with the desk: the files of the folder `playbooks/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from service.playbooks.grammar import Book, Playbook, bound
from service.playbooks.lint import problems_in
from service.playbooks.reading import Problem, Source, Unreadable, read

FOLDER = Path(__file__).parents[2] / "playbooks"


@dataclass(frozen=True)
class Shelved:
    """A playbook with where it was read from."""

    path: Path
    playbook: Playbook
    source: Source


def files(paths: Iterable[Path]) -> list[Path]:
    """The playbook files among these files and folders, in order of their names."""
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return found


def load(path: Path) -> Shelved:
    """One file. Unreadable, with the file's name in each problem; OSError."""
    try:
        playbook, source = read(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise Unreadable([Problem("yaml", "This is not UTF-8 text.", file=path.name)]) from None
    except Unreadable as error:
        raise Unreadable([replace(one, file=path.name) for one in error.problems]) from None
    if playbook.id != path.stem:
        at = source.line("id")
        message = f"The file is called {path.name}, so its id is “{path.stem}”."
        raise Unreadable([Problem("id", message, "id", at, path.name)])
    return Shelved(path, playbook, source)


@cache
def shipped() -> Mapping[str, Shelved]:
    """Every playbook that comes with the desk, by id; read once a process."""
    return {one.playbook.id: one for one in map(load, files([FOLDER]))}


def books(shelf: Mapping[str, Shelved]) -> dict[str, Book]:
    """The playbooks that can be started, each with its parts."""
    library = {name: one.playbook for name, one in shelf.items()}
    return {name: bound(playbook, library) for name, playbook in library.items() if not playbook.part}


def linted(
    one: Shelved, library: Mapping[str, Playbook], locales: tuple[str, ...] = ("en",)
) -> list[Problem]:
    """What is wrong with a file, with its name and lines."""
    found = problems_in(one.playbook, library, source=one.source, locales=locales)
    return [replace(problem, file=one.path.name) for problem in found]
