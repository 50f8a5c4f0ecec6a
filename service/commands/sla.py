"""`firstbell sla`: the arithmetic of SLA timers at the command line, without a database."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from rich.console import Console
from rich.markup import escape

from service.sla.explain import answered, explained
from service.sla.scenario import BadScenario, scenario_from_json

LONGEST_LINE: Final = 8_000_000
LONGEST_SCENARIO: Final = 32_000_000
COLOURS: Final = {
    "running": "cyan",
    "paused": "yellow",
    "met": "green",
    "breached": "red",
    "cancelled": "dim",
}

app = typer.Typer(name="sla", help="Explain SLA timers, and count working time.", no_args_is_help=True)


@app.command("explain")
def explain_scenario(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="The scenario as JSON; - reads standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The machine-readable form.")] = False,
) -> None:
    """Explain every timer of one scenario: a calendar, a policy, and what happened to the ticket."""
    try:
        answer = explained(scenario_from_json(_contents(file)))
    except BadScenario as wrong:
        typer.echo(str(wrong), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        _show(answer["timers"])


@app.command("time")
def count_time() -> None:
    """Answer one JSON object a line: working time elapsed, and when an amount of it is due."""
    try:
        while line := sys.stdin.buffer.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                _skip_line(sys.stdin.buffer)
                answer: dict[str, Any] = {"error": "the line is too long"}
            else:
                answer = answered(line)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _contents(file: str) -> bytes:
    try:
        if file == "-":
            contents = sys.stdin.buffer.read(LONGEST_SCENARIO + 1)
        else:
            with Path(file).open("rb") as stream:
                contents = stream.read(LONGEST_SCENARIO + 1)
    except OSError as wrong:
        raise BadScenario(f"{file} cannot be read: {wrong.strerror or wrong}") from None
    if len(contents) > LONGEST_SCENARIO:
        raise BadScenario("the scenario is too long")
    return contents


def _show(timers: list[dict[str, Any]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not timers:
        console.print("No timer: the policy promises nothing here.")
    for timer in timers:
        heading = f"{timer['target'].replace('_', ' ').capitalize()}, cycle {timer['cycle']}"
        console.print(f"[bold]{heading}[/bold]  [{COLOURS[timer['state']]}]{timer['state'].upper()}[/]")
        for line in timer["explain"]:
            console.print(f"  {escape(line)}")
        console.print()
