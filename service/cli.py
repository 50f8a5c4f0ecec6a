"""The `firstbell` command."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import structlog
import typer

from service.commands import (
    contracts,
    demo,
    imports,
    mdm,
    network,
    playbooks,
    reports,
    secrets,
    serving,
    sla,
    tokens,
)
from service.core import logs

app = typer.Typer(
    name="firstbell",
    help="The IT service desk of a school district.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(serving.up)
app.command("serve")(serving.serve)
app.command("worker")(serving.worker)
app.command("migrate")(serving.migrate_command)
app.command("demo")(demo.demo)
app.command("contracts")(contracts.contracts)
app.add_typer(tokens.app)
app.add_typer(imports.app)
app.add_typer(reports.app)
app.add_typer(sla.app)
app.add_typer(playbooks.app)
app.add_typer(network.app)
app.add_typer(mdm.app)
app.add_typer(secrets.app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("firstbell"))
        raise typer.Exit


@app.callback()
def about(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """The IT service desk of a school district."""
    if not structlog.is_configured():
        logs.configure("warning")  # commands that serve say more; of the others the answer is the output


def main() -> None:
    app()


if __name__ == "__main__":
    main()
