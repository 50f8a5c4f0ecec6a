"""`firstbell secrets`: the keys that seal secrets at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import typer
from rich.markup import escape
from sqlalchemy import Column, select, update

import service.tables  # noqa: F401
from service.commands import base
from service.core.actor import SYSTEM
from service.core.database import Base
from service.core.migrating import migrate
from service.core.vault import KeyMissing, Vault, new_key, open_vault
from service.core.work import Resources

app = typer.Typer(name="secrets", help="Keys that seal secrets at rest.", no_args_is_help=True)
SEALED: Final = ("sealed", "told")
BATCH: Final = 200


@app.callback()
def about() -> None:
    """Keys that seal secrets at rest."""


@app.command("new-key")
def make_key() -> None:
    """Print a new key, to be put in front of the others in FIRSTBELL_SECRET_KEYS."""
    typer.echo(new_key())


@app.command("rotate")
def rotate() -> None:
    """Seal every secret anew under the newest key; afterwards the older keys can go.

    A secret that no key opens stays as it is and is named; the command then ends with 1.
    """
    with base.sentences():
        vault = open_vault()
        with base.database() as url:
            migrate(url)

            async def go() -> Resealed:
                async with base.resources(url) as resources:
                    return await reseal_all(resources, vault)

            done = base.run(go())
    are = "secret is" if done.count == 1 else "secrets are"
    base.out.print(f"{done.count:,} {are} sealed with the newest key.")
    for closed in done.closed:
        base.errors.print(f"No key opens {escape(closed)}. It was left as it is.")
    if done.closed:
        base.fail(
            f"{len(done.closed):,} could not be opened. Keep the older keys, or enter these secrets anew."
        )


@dataclass(slots=True)
class Resealed:
    """How many were sealed anew, and which could not be opened: `table id`."""

    count: int = 0
    closed: list[str] = field(default_factory=list)


def sealed_columns() -> list[Column[Any]]:
    """Every column of the desk's tables that holds sealed secrets: those called `sealed`, and `told` where
    they wait to be read once.
    """
    tables = Base.metadata.sorted_tables
    return [table.c[name] for table in tables for name in SEALED if name in table.c]


async def reseal_all(resources: Resources, vault: Vault, *, batch: int = BATCH) -> Resealed:
    """Every sealed secret under the newest key, a batch a transaction."""
    done = Resealed()
    for column in sealed_columns():
        after = 0
        while True:
            async with resources.begin(SYSTEM) as work:
                key = column.table.c.id
                sealed_rows = select(key, column).where(key > after, column.is_not(None)).order_by(key)
                query = sealed_rows.limit(batch).with_for_update()
                rows = (await work.session.execute(query)).all()
                for row_id, sealed in rows:
                    await _reseal(work.session, vault, column, row_id, sealed, done)
            if len(rows) < batch:
                break
            after = rows[-1][0]
    return done


async def _reseal(
    session: Any, vault: Vault, column: Column[Any], row_id: int, sealed: bytes, done: Resealed
) -> None:
    try:
        renewed = vault.reseal(sealed)
    except KeyMissing:
        done.closed.append(f"{column.table.name} {row_id}")
        return
    await session.execute(
        update(column.table).where(column.table.c.id == row_id).values({column.name: renewed})
    )
    done.count += 1
