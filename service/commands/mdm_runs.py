"""`firstbell mdm runs`, `lines`, `decide`, `cancel`: what syncs came to, and what becomes of a held one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from service.commands import base
from service.commands.mdm_options import Json, base_table, print_json, within
from service.core.work import Work
from service.mdm import connection_listing, run_listing, syncing
from service.mdm.sync_wire import MdmCountsOut, MdmRunLineOut, MdmRunOut

MOST_LISTED: Final = 1_000
Limit = Annotated[int, typer.Option(min=1, max=MOST_LISTED, help="How many.")]
Run = Annotated[int, typer.Argument(help="Its number; `firstbell mdm runs NAME`.")]


def list_runs(
    name: Annotated[str, typer.Argument(help="Name of the connection.")],
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Syncs of a connection, the newest first, and what they came to."""
    with base.sentences():

        async def go(work: Work) -> Sequence[Any]:
            connection = await connection_listing.connection_named(work, name)
            page = await run_listing.runs_page(work, connection_id=connection.id, limit=limit)
            return page.rows

        rows = within(go)
    if as_json:
        print_json([MdmRunOut.model_validate(row).model_dump(mode="json") for row in rows])
        return
    table = base_table("run", "kind", "state", "asked", "ended", "counts", "why")
    for row in rows:
        ended = f"{row.ended_at:%Y-%m-%d %H:%M}" if row.ended_at else ""
        kind = f"{row.kind.value}{' (dry)' if row.dry else ''}"
        cells = (row.id, kind, row.state.value, f"{row.created_at:%Y-%m-%d %H:%M}", ended, _counts(row))
        table.add_row(*(escape(str(cell)) for cell in cells), escape(row.detail or row.failure or ""))
    base.out.print(table)


def list_lines(run: Run, limit: Limit = 200, as_json: Json = False) -> None:
    """What a sync has to tell of single devices."""
    with base.sentences():

        async def go(work: Work) -> Sequence[Any]:
            return (await run_listing.lines_page(work, run, limit=limit)).rows

        rows = within(go)
    if as_json:
        print_json([MdmRunLineOut.model_validate(row).model_dump(mode="json") for row in rows])
        return
    table = base_table("kind", "device", "why", whole=1)
    for row in rows:
        table.add_row(row.kind.value, escape(row.external_id or ""), escape(row.why))
    base.out.print(table)


def decide(
    run: Run,
    go: Annotated[bool, typer.Option("--go/--discard", help="Let it through, or throw away what it read.")],
) -> None:
    """Say what becomes of a sync that is held, since it would change much."""
    with base.sentences():
        decided = within(lambda work: syncing.decide_run(work, run, syncing.DecideRun(go=go)))
    base.out.print(f"Run {decided.id}: {decided.state.value}.")


def cancel(run: Run) -> None:
    """Stop a sync of which nothing is written down yet."""
    with base.sentences():
        cancelled = within(lambda work: syncing.cancel_run(work, run))
    base.out.print(f"Run {cancelled.id}: {cancelled.state.value}.")


def _counts(row: Any) -> str:
    """Those that are not nought, as REST calls them."""
    told = MdmCountsOut.model_validate(row.counts).model_dump()
    return ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in told.items() if count)
