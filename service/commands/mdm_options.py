"""What the commands of `firstbell mdm` share: options, secrets from elsewhere, the database."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.table import Table

from integrations.mdm.port import Setting
from service.commands import base
from service.core.actor import SYSTEM
from service.core.migrating import migrate
from service.core.work import Resources, Work

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Plain = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting that is no secret; `firstbell mdm vendors`."),
]
InFile = Annotated[
    list[str] | None, typer.Option("--secret-file", metavar="KEY=FILE", help="A secret that a file holds.")
]
InEnv = Annotated[
    list[str] | None,
    typer.Option("--secret-env", metavar="KEY=VARIABLE", help="A secret that the environment holds."),
]
Enabled = Annotated[bool | None, typer.Option("--on/--off", help="Whether it is synced by itself.")]
Commands = Annotated[
    bool | None, typer.Option("--commands/--no-commands", help="Whether commands may be sent by it.")
]
Adds = Annotated[bool | None, typer.Option("--adds/--no-adds", help="Whether it adds unknown devices.")]
Holder = Annotated[
    bool | None, typer.Option("--owns-holder/--no-owns-holder", help="Whether it says who has a device.")
]
Tag = Annotated[
    bool | None, typer.Option("--owns-tag/--no-owns-tag", help="Whether it says which tag a device has.")
]
Minutes = Annotated[int | None, typer.Option("--sync-minutes", help="Between syncs of what has changed.")]
Hours = Annotated[int | None, typer.Option("--full-hours", help="Between syncs of every device.")]
Guard = Annotated[
    int | None, typer.Option("--guard-percent", help="A sync that would change more waits for a person.")
]


def settings_given(
    declared: Sequence[Setting],
    plain: Sequence[str] | None,
    in_file: Sequence[str] | None,
    in_env: Sequence[str] | None,
) -> dict[str, str]:
    """Settings by name, from where the options say they are."""
    given: dict[str, str] = {}
    secret = {setting.key for setting in declared if setting.secret}
    for key, value in map(_pair, plain or ()):
        if key in secret:
            raise ValueError(f"{key} is a secret, and others see the words of a command. Use --secret-file.")
        given[key] = value
    for key, path in map(_pair, in_file or ()):
        given[key] = Path(path).read_text().strip("\r\n")
    for key, variable in map(_pair, in_env or ()):
        if variable not in os.environ:
            raise ValueError(f"The environment has no {variable}.")
        given[key] = os.environ[variable]
    return given


def _pair(words: str) -> tuple[str, str]:
    key, equals, value = words.partition("=")
    if not equals or not key.strip():
        raise ValueError("Say KEY=VALUE, such as base_url=https://mdm.example.org.")
    return key.strip(), value


def ask_for_secrets(declared: Sequence[Setting], given: dict[str, str]) -> None:
    for setting in declared:
        if setting.secret and setting.required and setting.key not in given:
            if setting.kind == "json":
                raise ValueError(f"{setting.label}: --secret-file {setting.key}=FILE.")
            given[setting.key] = prompted(setting)


def secret_named(declared: Sequence[Setting], key: str) -> Setting:
    for setting in declared:
        if setting.secret and setting.key == key:
            return setting
    raise ValueError(f"This vendor has no secret called {key}.")


def prompted(setting: Setting) -> str:
    return str(typer.prompt(setting.label, hide_input=True, err=True))


def sent(**columns: Any) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None}


def within(verb: Callable[[Work], Awaitable[T]]) -> T:
    """What a verb answers, in a transaction of its own as the desk itself."""

    async def go(resources: Resources) -> T:
        async with resources.begin(SYSTEM) as work:
            return await verb(work)

    return on_database(go)


def on_database(act: Callable[[Resources], Awaitable[T]]) -> T:
    async def go(url: str) -> T:
        async with base.resources(url) as resources:
            return await act(resources)

    with base.database() as url:
        migrate(url)
        return base.run(go(url))


def base_table(*headers: str, whole: int = 3) -> Table:
    """The first `whole` columns name the thing, and are never cut, however narrow the terminal is."""
    table = Table(box=None, pad_edge=False)
    for n, header in enumerate(headers):
        table.add_column(header, no_wrap=n < whole, overflow="fold")
    return table


def print_json(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())
