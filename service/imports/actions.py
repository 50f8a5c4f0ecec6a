"""The verb that brings another desk's tickets here."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import resources as packaged
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from service.core.actor import Actor, Role, Scope
from service.core.errors import Invalid, require
from service.core.work import Resources
from service.imports.directory import KnownQueue, directory_of
from service.imports.folding import Folded, folded
from service.imports.lines import Unfit, event_test, line_reader
from service.imports.loading import Loaded, Loader, external_id, load, sorted_out, tickets_there
from service.imports.mapping import BadMapping, EventMapping, mapping_from_yaml
from service.imports.reading import Export, Reject, Row, Unreadable
from service.imports.sorting import LINES_A_RUN, Sorter

TICKETS_A_BATCH = 1_000
LINES_A_STEP = 2_000
MOST_NAMED = 100
MOST_MAPPING_BYTES = 1_000_000

Phase = Literal["reading", "writing"]
Progress = Callable[[Phase, int, int, int], None]
"""Called with the phase, what is done of how much (bytes read, then lines written), and the lines read."""


@dataclass
class Imported:
    """What an import did. `differs` names the first hundred tickets that were left alone, with the reason."""

    mapping: str
    dry_run: bool
    lines: int = 0
    rejected: int = 0
    rejects: str | None = None
    incidents: int = 0
    inserted: int = 0
    already_there: int = 0
    changed: int = 0
    differing: int = 0
    differs: dict[str, str] = field(default_factory=dict)
    created: dict[str, int] = field(default_factory=dict)
    checks: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def lines_a_second(self) -> int:
        return round(self.lines / self.seconds) if self.seconds else 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 3), "lines_a_second": self.lines_a_second}


def may_import(actor: Actor) -> bool:
    return actor.role in (Role.ADMIN, Role.SYSTEM) and actor.holds(Scope.DESK_WRITE)


def shipped_mappings() -> list[str]:
    """The names of the mappings that come with the desk."""
    folder = packaged.files("service.imports") / "mappings"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def mapping_named(name: str) -> EventMapping:
    """A shipped mapping by its name, or one of your own by its file; Invalid says what is wrong with it."""
    if name in shipped_mappings():
        text = (packaged.files("service.imports") / "mappings" / f"{name}.yaml").read_text("utf-8")
        return mapping_from_yaml(text)
    path = Path(name)
    if not path.is_file():
        raise Invalid(
            f"There is no mapping “{name}”: give a YAML file, or one of {', '.join(shipped_mappings())}."
        )
    try:
        if path.stat().st_size > MOST_MAPPING_BYTES:
            raise Invalid(f"{name} is too long for a mapping.")
        return mapping_from_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as wrong:
        raise Invalid(f"{name} cannot be read: {wrong}") from None
    except BadMapping as wrong:
        raise Invalid(f"The mapping {name} does not fit.\n{wrong}") from None


async def import_incidents(
    resources: Resources,
    actor: Actor,
    path: Path,
    mapping: EventMapping,
    *,
    dry_run: bool = False,
    rejects: Path | None = None,
    progress: Progress = lambda phase, done, whole, lines: None,
    tickets_a_batch: int = TICKETS_A_BATCH,
    lines_a_run: int = LINES_A_RUN,
) -> Imported:
    """Bring every incident of an export here: its times, its events, its timers as they ran.

    Each batch is one transaction. What is there already is left as it is, so a run that broke off is run
    again. With `dry_run` everything is read and folded, and nothing is written but the rejects.
    """
    require(may_import(actor), "Only an administrator imports tickets, with a token for desk:write.")
    began = time.monotonic()
    result = Imported(mapping.name, dry_run)
    async with resources.read(actor) as read:
        directory = await directory_of(read, mapping)
    with Sorter(lines_a_run) as sorter, Rejects(path, rejects) as rejected:
        _read(path, mapping, Loader(directory), sorter, rejected, progress)
        result.lines, result.rejected = sorter.count + rejected.count, rejected.count
        result.rejects = str(rejected.path) if rejected.count else None
        writes = partial(_dry, resources, actor) if dry_run else partial(_written, resources, actor)
        done = 0
        loader = Loader(directory)
        for batch, lines in _batches(sorter, tickets_a_batch, result):
            _add(result, await writes(loader, batch))
            done += lines
            progress("writing", done, sorter.count, result.lines)
    result.created = dict(directory.created)
    result.seconds = time.monotonic() - began
    return result


async def _written(resources: Resources, actor: Actor, loader: Loader, batch: list[Folded]) -> Loaded:
    async with resources.begin(actor) as work:
        return await load(work, loader, batch)


async def _dry(resources: Resources, actor: Actor, loader: Loader, batch: list[Folded]) -> Loaded:
    """What writing the batch would do."""
    directory = loader.directory
    async with resources.read(actor) as read:
        there = await tickets_there(read, [external_id(directory, ticket) for ticket in batch])
        loaded, new, grown = await sorted_out(read, directory, batch, there)
    fresh = [*new, *(ticket for ticket, _ in grown)]
    if directory.fallback is None and any(turn.traits.queue is None for t in fresh for turn in t.turns):
        directory.created["queues"] += 1
        directory.fallback = KnownQueue(0, "", confidential=False)
    for kind, names in directory.unknown(fresh).items():
        directory.created[kind] += len(names)
        kept: dict[str, Any] = getattr(directory, kind)
        kept.update(dict.fromkeys(names))
    return loaded


def _read(
    path: Path,
    mapping: EventMapping,
    loader: Loader,
    sorter: Sorter,
    rejected: Rejects,
    progress: Progress,
) -> None:
    """Read the file to its end: what means something to the sorter, the rest to the rejects."""
    try:
        export = Export(path, mapping.file)
    except Unreadable as wrong:
        raise Invalid(str(wrong)) from None
    with export:
        if absent := mapping.missing_columns(export.header):
            raise Invalid(f"The file lacks columns that the mapping names: {', '.join(absent)}.")
        rejected.header = export.header
        to_line = line_reader(mapping, export.header, loader.directory.known())
        count = 0
        for row in export.rows(event_test(mapping, export.header)):
            count += 1
            if isinstance(row, Row):
                try:
                    sorter.add(to_line(row.line, row.fields))
                except Unfit as wrong:
                    rejected.add(Reject(row.line, str(wrong), row.fields))
            else:
                rejected.add(row)
            if not count % LINES_A_STEP:
                progress("reading", export.position, export.size, count)
        progress("reading", export.size, export.size, count)


def _batches(sorter: Sorter, size: int, result: Imported) -> Iterator[tuple[list[Folded], int]]:
    """Folded tickets, some at a time, with the number of their lines."""
    tickets = (folded(lines) for lines in sorter.tickets())
    while batch := list(islice(tickets, size)):
        result.incidents += len(batch)
        for ticket in batch:
            _count(result.checks, "resolved_at", ticket.check_resolved)
            _count(result.checks, "closed_at", ticket.check_closed)
        yield batch, sum(len(ticket.turns) for ticket in batch)


def _count(checks: dict[str, dict[str, int]], column: str, outcome: str) -> None:
    counts = checks.setdefault(column, {"equal": 0, "missing": 0, "differs": 0})
    counts[outcome] += 1


def _add(result: Imported, loaded: Loaded) -> None:
    result.inserted += loaded.inserted
    result.already_there += loaded.already_there
    result.changed += loaded.grown
    result.differing += len(loaded.differs)
    for name, reason in loaded.differs.items():
        if len(result.differs) < MOST_NAMED:
            result.differs[name] = reason


class Rejects:
    """The lines that were left out, as CSV: number, reason, then the columns of the file.

    The file is made with the first reject: at `wanted`, else beside the input, else in the current folder.
    """

    def __init__(self, source: Path, wanted: Path | None) -> None:
        self._source, self._wanted = source, wanted
        self._file: TextIO | None = None
        self._writer: Any = None
        self.path: Path | None = None
        self.header: list[str] = []
        self.count = 0

    def __enter__(self) -> Rejects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, reject: Reject) -> None:
        if self._file is None:
            self._open()
        self.count += 1
        fields = (value.replace("\x00", "\\x00") for value in reject.fields)
        self._writer.writerow([reject.line, reject.reason, *fields])

    def _open(self) -> None:
        beside = self._source.with_name(self._source.name + ".rejects.csv")
        places = [self._wanted] if self._wanted else [beside, Path.cwd() / beside.name]
        for place in places:
            if not os.access(place.parent, os.W_OK):
                continue
            try:
                self._file = place.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            except OSError:
                continue
            self.path = place
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "reason", *self.header])
            return
        raise Invalid(f"The rejects cannot be written to {places[0]}. Name another file with --rejects.")
