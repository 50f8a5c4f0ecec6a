"""`firstbell import`: another desk's tickets brought here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from service.commands import base
from service.core.actor import SYSTEM
from service.core.migrating import migrate
from service.imports.actions import (
    Imported,
    Phase,
    import_incidents,
    mapping_named,
    shipped_mappings,
)

app = typer.Typer(name="import", help="Bring another desk's tickets here.", no_args_is_help=True)
SAID = {"reading": "Reading lines", "writing": "Writing tickets"}


@app.callback()
def about() -> None:
    """Bring another desk's tickets here."""


@app.command("incidents")
def incidents(
    file: Annotated[Path, typer.Argument(help="The export: event lines as CSV, plain, gzip or xz.")],
    mapping: Annotated[
        str,
        typer.Option(help=f"A YAML file, or one of: {', '.join(shipped_mappings())}.", metavar="NAME|FILE"),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and fold everything, and write nothing.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Where lines that were left out go; FILE.rejects.csv if not said.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary for machines.")] = False,
) -> None:
    """Import incidents with their times and events; running it again changes nothing.

    Lines that cannot be read are written down with their number and the reason, and nothing else is lost.
    """
    with base.sentences():
        read_with = mapping_named(mapping)
        if not file.is_file():
            raise ValueError(f"{file} is no file.")
        with base.database() as url:
            migrate(url)
            with Steps() as steps:

                async def go() -> Imported:
                    async with base.resources(url) as resources:
                        return await import_incidents(
                            resources,
                            SYSTEM,
                            file,
                            read_with,
                            dry_run=dry_run,
                            rejects=rejects,
                            progress=steps.show,
                        )

                result = base.run(go())
    if as_json:
        typer.echo(orjson.dumps(result.to_json(), option=orjson.OPT_INDENT_2))
    else:
        _show(result)


class Steps:
    """Two bars on standard error: bytes read, lines written, with lines a second."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=base.errors,
        )
        self._tasks = {
            phase: self._bars.add_task(said, total=None, start=False, rate="") for phase, said in SAID.items()
        }

    def __enter__(self) -> Steps:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, phase: Phase, done: int, whole: int, lines: int) -> None:
        task = self._tasks[phase]
        if not self._bars.tasks[task].started:
            self._bars.start_task(task)
        seconds = self._bars.tasks[task].elapsed or 0.001
        counted = lines if phase == "reading" else done
        self._bars.update(task, completed=done, total=whole, rate=f"{counted / seconds:,.0f} lines/s")


def _show(result: Imported) -> None:
    table = Table(title="Dry run: nothing was written" if result.dry_run else None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    would = "would be " if result.dry_run else ""
    rows = {
        "event lines read": result.lines,
        "lines rejected": result.rejected,
        "incidents": result.incidents,
        f"{would}imported": result.inserted,
        "there already, unchanged": result.already_there,
        f"{would}brought forward": result.changed,
        "different, left alone": result.differing,
        **{f"{kind} {would}created": count for kind, count in result.created.items() if count},
        "seconds": round(result.seconds, 1),
        "event lines a second": result.lines_a_second,
    }
    for said, count in rows.items():
        table.add_row(said, f"{count:,}")
    base.out.print(table)
    for column, counts in result.checks.items():
        if counts["missing"] or counts["differs"]:
            base.out.print(
                f"{column}: the column is empty on {counts['missing']:,} incidents that have such an event, "
                f"and says something else on {counts['differs']:,}. The events count."
            )
    for name, reason in list(result.differs.items())[:10]:
        base.out.print(f"{escape(name)}: {escape(reason)}")
    if result.rejects is not None:
        base.out.print(f"Rejected lines and why: {escape(result.rejects)}")
