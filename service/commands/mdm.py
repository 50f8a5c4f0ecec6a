"""`firstbell mdm`: device managements connected, tested and synced; secrets never as arguments."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from integrations.mdm.port import Checked
from service.commands import base, mdm_runs, mdm_words
from service.commands.mdm_options import (
    Adds,
    Commands,
    Enabled,
    Guard,
    Holder,
    Hours,
    InEnv,
    InFile,
    Json,
    Minutes,
    Plain,
    Tag,
    ask_for_secrets,
    base_table,
    on_database,
    print_json,
    prompted,
    secret_named,
    sent,
    settings_given,
    within,
)
from service.core.actor import SYSTEM
from service.core.work import Resources, Work
from service.mdm import connection_listing as listing
from service.mdm import connections, wire
from service.mdm.checking import check_connection
from service.mdm.models import SyncKind, VendorName
from service.mdm.syncing import AskSync, ask_sync
from service.mdm.vendors import open_managements, settings_of

app = typer.Typer(name="mdm", help="Connect device managements.", no_args_is_help=True)
Named = Annotated[str, typer.Argument(help="Name of the connection.")]


@app.command("vendors")
def vendors(as_json: Json = False) -> None:
    """What can be connected, and which settings each needs."""
    told = [wire.vendor(one) for one in listing.every_vendor()]
    if as_json:
        print_json(told)
        return
    table = base_table("vendor", "setting", "what it is", "needed", "kind", whole=2)
    for one in told:
        for n, setting in enumerate(one["settings"]):
            first = one["vendor"] if n == 0 else ""
            needed = "yes" if setting["required"] else setting["default"] or "no"
            kind = "secret" if setting["secret"] else " | ".join(setting["choices"]) or setting["kind"]
            table.add_row(
                *(escape(str(cell)) for cell in (first, setting["key"], setting["label"], needed, kind))
            )
    base.out.print(table)


@app.command("add")
def add(
    name: Named,
    vendor: Annotated[VendorName, typer.Argument(help="What it is.")],
    plain: Plain = None,
    in_file: InFile = None,
    in_env: InEnv = None,
    enabled: Enabled = None,
    allows_commands: Commands = None,
    adds_assets: Adds = None,
    owns_holder: Holder = None,
    owns_tag: Tag = None,
    sync_minutes: Minutes = None,
    full_hours: Hours = None,
    guard_percent: Guard = None,
    as_json: Json = False,
) -> None:
    """Connect a device management. Secrets that no option tells where to find are asked for.

    Test it with `firstbell mdm check NAME`; with --off it is not synced before you say so.
    """
    with base.sentences():
        given = settings_given(settings_of(vendor), plain, in_file, in_env)
        ask_for_secrets(settings_of(vendor), given)
        columns = sent(
            enabled=enabled,
            allows_commands=allows_commands,
            adds_assets=adds_assets,
            owns_holder=owns_holder,
            owns_tag=owns_tag,
            sync_minutes=sync_minutes,
            full_hours=full_hours,
            guard_percent=guard_percent,
        )
        wanted = connections.NewConnection(name=name, vendor=vendor, settings=given, **columns)

        async def go(work: Work) -> Any:
            return await listing.connection_by_id(work, (await connections.add_connection(work, wanted)).id)

        _show(within(go), as_json)


@app.command("edit")
def edit(
    name: Named,
    new_name: Annotated[str | None, typer.Option("--name", help="Call it something else.")] = None,
    plain: Plain = None,
    in_file: InFile = None,
    in_env: InEnv = None,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", metavar="KEY", help="Ask for this secret anew.")
    ] = None,
    enabled: Enabled = None,
    allows_commands: Commands = None,
    adds_assets: Adds = None,
    owns_holder: Holder = None,
    owns_tag: Tag = None,
    sync_minutes: Minutes = None,
    full_hours: Hours = None,
    guard_percent: Guard = None,
    as_json: Json = False,
) -> None:
    """Change what is said; the rest stays, secrets too. An empty value takes an optional setting away."""
    with base.sentences():
        columns = sent(
            name=new_name,
            enabled=enabled,
            allows_commands=allows_commands,
            adds_assets=adds_assets,
            owns_holder=owns_holder,
            owns_tag=owns_tag,
            sync_minutes=sync_minutes,
            full_hours=full_hours,
            guard_percent=guard_percent,
        )
        row = within(lambda work: listing.connection_named(work, name))
        declared = settings_of(row.vendor)
        given = settings_given(declared, plain, in_file, in_env)
        for key in ask or ():
            given[key] = prompted(secret_named(declared, key))
        wanted = connections.EditConnection(**columns, **({"settings": given} if given else {}))

        async def go(work: Work) -> Any:
            await connections.edit_connection(work, row.id, wanted)
            return await listing.connection_by_id(work, row.id)

        _show(within(go), as_json)


@app.command("list")
def list_connections(as_json: Json = False) -> None:
    """Connections, how they fare, and how many devices each lists."""
    with base.sentences():

        async def go(work: Work) -> list[Any]:
            return list((await listing.connections_page(work, limit=connections.MOST_CONNECTIONS)).rows)

        rows = within(go)
    if as_json:
        print_json([wire.connection(row) for row in rows])
        return
    table = base_table("id", "name", "vendor", "state", "devices", "unmatched", "last sync", "commands")
    for row in rows:
        state = "off" if not row.enabled else (row.failure or "ok").replace("_", " ")
        last = f"{row.watermark:%m-%d %H:%M}" if row.watermark else "never"
        allowed = "yes" if row.allows_commands else "no"
        cells = (row.id, row.name, row.vendor, state, row.devices, row.unmatched, last, allowed)
        table.add_row(*(escape(str(cell)) for cell in cells))
    base.out.print(table)


@app.command("delete")
def delete(
    name: Named, yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False
) -> None:
    """Forget a connection and what it said of devices; devices and tickets stay."""
    with base.sentences():
        row = within(lambda work: listing.connection_named(work, name))
        if not yes:
            typer.confirm(f"Forget {row.name} and its {row.devices:,} records?", abort=True, err=True)
        within(lambda work: connections.delete_connection(work, row.id))
    base.out.print(f"{escape(row.name)} is forgotten.")


@app.command("check")
def check(name: Named, as_json: Json = False) -> None:
    """Test a connection now: does it work, which rights are missing. Ends with 1 if it does not work."""
    with base.sentences():
        found = on_database(lambda resources: _checked(resources, name))
    if as_json:
        print_json(
            {
                "works": found.works,
                "detail": found.detail,
                "reason": found.reason,
                "granted": list(found.granted),
                "missing": dict(found.missing),
            }
        )
    else:
        _show_check(name, found)
    if not found.works:
        raise typer.Exit(1)


async def _checked(resources: Resources, name: str) -> Checked:
    async with resources.read(SYSTEM) as read:
        row = await listing.connection_named(read, name)
    managements = open_managements()
    try:
        found = await check_connection(resources, managements, row.id)
    finally:
        await managements.close()
    if found is None:
        raise ValueError(f"{row.name} was changed or deleted meanwhile. Test it again.")
    return found


def _show_check(name: str, found: Checked) -> None:
    verdict = "works" if found.works else "does not work"
    base.out.print(f"{escape(name)} {verdict}. {escape(found.detail)}")
    for right in found.granted:
        base.out.print(f"  granted  {escape(right)}")
    for right, purpose in found.missing.items():
        base.out.print(f"  missing  {escape(right)}, {escape(purpose)}")


@app.command("sync")
def sync(
    name: Named,
    full: Annotated[
        bool | None,
        typer.Option("--full/--changed", help="Every device, or what has changed; else what is due."),
    ] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Tell what would be done, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Ask for a sync; a worker does it. `firstbell mdm runs NAME` tells how far it is."""
    with base.sentences():
        kind = None if full is None else SyncKind.FULL if full else SyncKind.INCREMENTAL

        async def go(work: Work) -> Any:
            row = await listing.connection_named(work, name)
            return await ask_sync(work, row.id, AskSync(kind=kind, dry=dry))

        run = within(go)
    if as_json:
        print_json({"run": run.id, "kind": run.kind, "state": run.state, "dry": run.dry})
    else:
        base.out.print(
            f"Run {run.id}: {run.kind.value}{', only to look' if run.dry else ''}, {run.state.value}."
        )


app.command("runs")(mdm_runs.list_runs)
app.command("lines")(mdm_runs.list_lines)
app.command("decide")(mdm_runs.decide)
app.command("cancel")(mdm_runs.cancel)
app.command("map")(mdm_words.map_word)
app.command("unmap")(mdm_words.unmap)
app.command("mappings")(mdm_words.list_mappings)
app.command("unmapped")(mdm_words.list_unmapped)


def _show(row: Any, as_json: bool) -> None:
    if as_json:
        print_json(wire.connection(row))
        return
    base.out.print(f"{escape(row.name)}: {row.vendor.value}, {'on' if row.enabled else 'off'}.")
    for key, value in sorted(row.settings.items()):
        base.out.print(f"  {key} = {escape(value)}")
    for key in row.has_secrets:
        base.out.print(f"  {key} is kept, sealed")
