"""`firstbell demo`: a district to try things on, with tokens and commands that work when pasted."""

from __future__ import annotations

from typing import Annotated

import orjson
import typer
from rich.markup import escape

from service.commands import base
from service.core.settings import settings
from service.demo.district import TRIED_AS, everybody
from service.demo.fill import ensure_filled, fresh_tokens

ANY_HOST = ("0.0.0.0", "::", "")  # noqa: S104


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="The tokens as JSON, for machines.")] = False,
    host: Annotated[str | None, typer.Option(help="Address in the commands that are shown.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port in those commands.")] = None,
) -> None:
    """Fill an empty desk with the demo district, and make fresh tokens for it."""
    with base.sentences(), base.database() as url:
        base.prepare(url)
        filled, secrets = _filled(url)
        address = _address(host or settings().host, port or settings().port)
        if as_json:
            answer = {"filled": filled, "address": address, "tokens": secrets}
            print(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())  # noqa: T201
        else:
            made = "made" if filled else "here already"
            base.out.print(f"\nThe demo district is {made}. Run [bold]firstbell up[/bold], then try it:")
            _show(address, secrets)


def ensure_demo(url: str, host: str, port: int) -> None:
    """Fill the desk if it is empty, and say how to try it."""
    filled, secrets = _filled(url)
    address = _address(host, port)
    made = "a new demo district" if filled else "the demo district it had already"
    base.out.print(
        f"\n[bold]Firstbell[/bold] answers at [cyan]{address}[/cyan] with {made}. Ctrl+C stops it."
    )
    _show(address, secrets)


def _filled(url: str) -> tuple[bool, dict[str, str]]:
    async def go() -> tuple[bool, dict[str, str]]:
        async with base.resources(url) as resources:
            filled = await ensure_filled(resources, _say_patience)
            tokens = await fresh_tokens(resources)
        return filled, {role: token.secret for role, token in tokens.items()}

    return base.run(go())


def _say_patience() -> None:
    base.errors.print("[dim]Making the demo district; this takes about ten seconds.[/dim]")


def _address(host: str, port: int) -> str:
    """Where a command on this machine reaches the desk."""
    here = "127.0.0.1" if host in ANY_HOST else host
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def _show(address: str, secrets: dict[str, str]) -> None:
    show = base.out.print
    show("Tokens, shown this once; they last thirty days, and `firstbell demo` makes new ones:\n")
    names = {local: name for (name, local, _), _, _ in everybody()}
    for role, secret in secrets.items():
        show(f"  {role:<12} [green]{secret}[/green]  {names[TRIED_AS[role]]}")
    for about, command in commands(address, secrets).items():
        show(f"\n[dim]# {about}[/dim]\n{escape(command)}")
    show("")


def commands(address: str, secrets: dict[str, str]) -> dict[str, str]:
    """Three commands that work when pasted, by what they do."""
    bearer = {role: f"-H 'Authorization: Bearer {secret}'" for role, secret in secrets.items()}
    ticket = (
        '{"subject": "My Chromebook will not connect", "category": "network.wifi", '
        '"start_playbook": "chromebook-wifi"}'
    )
    query = '{"query": "{ tickets(first: 3) { nodes { number subject status priority nextDueAt } } }"}'
    json = "-H 'Content-Type: application/json'"
    return {
        "A teacher files a ticket, and is asked the first question.": (
            f"curl -s {address}/api/v1/tickets {bearer['teacher']} \\\n  {json} -d '{ticket}'"
        ),
        "A technician sees what is due next.": f"curl -s '{address}/api/v1/tickets?sort=next_due&limit=3' "
        f"\\\n  {bearer['technician']}",
        "An integration asks by GraphQL.": f"curl -s {address}/graphql {bearer['integration']} \\\n"
        f"  {json} -d '{query}'",
    }
