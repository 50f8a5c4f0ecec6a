"""`firstbell network`: look at one device, check profiles, list devices and faults, search addresses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from integrations.snmp.linting import lint as lint_profiles
from integrations.snmp.profile import FOLDER, load_profiles
from integrations.snmp.target import (
    AuthProtocol,
    BadCredentials,
    PrivProtocol,
    Silent,
    SnmpError,
    Target,
    Unreachable,
    Version,
)
from integrations.snmp.transport import Transport
from service.commands import base, network_probe
from service.core.actor import SYSTEM
from service.core.migrating import migrate
from service.core.settings import settings
from service.core.work import Eyes, Resources
from service.monitoring.discovering import Discovered, Nothing, addresses_of, discover
from service.monitoring.fault_listing import FaultFilter, faults_page
from service.monitoring.listing import DeviceFilter, devices_page
from service.monitoring.models import ScanState
from service.monitoring.network import open_network
from service.monitoring.scanning import AskForScan, ask_for_scan, scan_by_id
from service.monitoring.sweeping import run_scan

app = typer.Typer(name="network", help="Look at the network, as the desk sees it.", no_args_is_help=True)
SILENT: Final = 2
REFUSED: Final = 3
PATIENCE: Final = 5.0
MOST_LISTED: Final = 10_000
ROOMY: Final = 100
"""Characters of a terminal that has room for models and schools, too."""
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("probe")
def probe(
    host: Annotated[str, typer.Argument(help="Address or name of the device.")],
    port: Annotated[int, typer.Option(min=1, max=65_535, help="UDP port of its agent.")] = 161,
    community: Annotated[
        str | None,
        typer.Option(envvar="FIRSTBELL_SNMP_COMMUNITY", help="Of v2c; asked for if there is none."),
    ] = None,
    v1: Annotated[bool, typer.Option("--v1", help="Speak v1 instead of v2c.")] = False,
    v3_user: Annotated[
        str | None, typer.Option("--v3-user", envvar="FIRSTBELL_SNMP_USER", help="Speak v3 as this user.")
    ] = None,
    auth: Annotated[
        AuthProtocol | None,
        typer.Option(help="How v3 authenticates. The password: FIRSTBELL_SNMP_AUTH_PASSWORD, or asked for."),
    ] = None,
    priv: Annotated[
        PrivProtocol | None,
        typer.Option(help="How v3 encrypts. The password: FIRSTBELL_SNMP_PRIV_PASSWORD, or asked for."),
    ] = None,
    context: Annotated[str, typer.Option(help="Context name of v3.")] = "",
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds for each try; two tries.")] = 2.0,
    engine: Annotated[
        network_probe.EngineName | None, typer.Option(help="What speaks SNMP; else what suits best.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read one device and tell what was understood. Needs no database and keeps nothing.

    Ends with 0 if it was understood, 2 if nothing answers, 3 if the credential is refused.
    """
    with base.sentences():
        credential = network_probe.credential_from(
            community=community, v1=v1, user=v3_user, auth=auth, priv=priv, context=context
        )
        found = _asked(host, Target("", credential, port, timeout=timeout), engine)
        if as_json:
            _print(network_probe.told(found))
        else:
            network_probe.show(found, host)


def _asked(host: str, target: Target, engine: network_probe.EngineName | None) -> Discovered:
    """What the device said; the command ends with a sentence where it said nothing."""
    where = f"{host}, port {target.port}"
    try:
        return base.run(_probe(host, target, engine))
    except Silent:
        hint = "" if target.credential.version is Version.V3 else ", or the community is wrong"
        base.fail(f"{escape(where)} does not answer: it is off, filtered{hint}.", SILENT)
    except Unreachable:
        base.fail(f"{escape(where)} has no SNMP agent: the host or its network says so.", SILENT)
    except BadCredentials:
        base.fail(f"{escape(where)} answers, and refuses this credential.", REFUSED)
    except Nothing:
        base.fail(f"{escape(where)} accepts this credential and shows nothing to it.", REFUSED)
    except SnmpError as error:
        base.fail(f"{escape(where)}: {escape(str(error))}")


async def _probe(host: str, target: Target, engine: network_probe.EngineName | None) -> Discovered:
    addresses = await addresses_of(host)
    if not addresses:
        raise ValueError(f"There is no host {host}.")
    transport = Transport(prefer=engine.value if engine else None)
    try:
        profiles = load_profiles(own=settings().profiles)
        return await discover(transport, profiles, replace(target, address=addresses[0]))
    finally:
        await transport.close()


@app.command("lint")
def lint(
    folder: Annotated[Path | None, typer.Argument(help="Profiles; else those that come along.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with device profiles."""
    if folder is not None and not folder.is_dir():
        base.fail(f"{escape(str(folder))} is no folder.", 2)
    problems = [str(problem) for problem in lint_profiles(folder or FOLDER)]
    if as_json:
        _print(problems)
    else:
        for problem in problems:
            base.out.print(escape(problem))
        count = len(list((folder or FOLDER).glob("*.yaml")))
        base.out.print(f"{count} profiles, {len(problems)} problems.")
    if problems:
        raise typer.Exit(1)


@app.command("devices")
def devices(
    q: Annotated[str | None, typer.Option(help="Part of a name, address, serial, model or vendor.")] = None,
    school: Annotated[str | None, typer.Option(help="Id of a school.")] = None,
    as_json: Json = False,
) -> None:
    """The devices that are watched, with their states."""
    with base.sentences():
        rows = _all(lambda eyes, cursor: _devices(eyes, cursor, q, school))
    if as_json:
        _print([dict(row._mapping) for row in rows])
        return
    roomy = base.out.width >= ROOMY
    about = ("model", "school") if roomy else ()
    table = _table("id", "name", "address", "kind", *about, "there", "SNMP", "faults")
    for row in rows:
        known = (row.model or "", row.school_name or "") if roomy else ()
        states = (row.reach or "-", (row.snmp or "-").replace("_", " "), row.open_faults)
        cells = (row.id, row.name, row.address, row.kind.replace("_", " "), *known, *states)
        table.add_row(*(escape(str(cell)) for cell in cells))
    base.out.print(table)


async def _devices(eyes: Eyes, cursor: str | None, q: str | None, school: str | None) -> Any:
    return await devices_page(eyes, DeviceFilter(q=q, school_id=school), limit=100, cursor=cursor)


@app.command("faults")
def faults(
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: Json = False,
) -> None:
    """What is wrong with devices now."""
    with base.sentences():
        rows = _all(lambda eyes, cursor: _faults(eyes, cursor, every))
    if as_json:
        _print([_fault(row) for row in rows])
        return
    table = _table("id", "device", "check", "what", "state", "since", "ticket")
    for row in rows:
        since = f"{row.since:%m-%d %H:%M}"
        what, state = row.label or row.instance, row.state.replace("_", " ")
        cells = (row.id, row.device_name, row.check, what, state, since, row.ticket_id or "")
        table.add_row(*(escape(str(cell)) for cell in cells))
    base.out.print(table)


def _fault(row: Any) -> dict[str, Any]:
    """As REST calls its fields."""
    return {("ticket" if name == "ticket_id" else name): value for name, value in row._mapping.items()}


async def _faults(eyes: Eyes, cursor: str | None, every: bool) -> Any:
    return await faults_page(eyes, FaultFilter(open=None if every else True), limit=100, cursor=cursor)


@app.command("scan")
def scan(
    targets: Annotated[list[str], typer.Argument(help="Addresses, CIDR ranges, a-b ranges, host names.")],
    port: Annotated[int, typer.Option(min=1, max=65_535, help="UDP port of agents.")] = 161,
    school: Annotated[str | None, typer.Option(help="Id of the school that new devices are given.")] = None,
    only_look: Annotated[bool, typer.Option("--only-look", help="Tell what is there, add nothing.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Do it in this process, without a worker.")] = False,
    as_json: Json = False,
) -> None:
    """Search addresses for devices, and wait until it is done."""
    with base.sentences():
        wanted = AskForScan(targets=targets, port=port, school_id=school, adopts=not only_look)
        with base.database() as url:
            migrate(url)
            row = base.run(_scanned(url, wanted, here))
    if as_json:
        _print({**row._mapping})
    else:
        _show_scan(row)
    if row.state is ScanState.FAILED:
        base.fail(escape(row.detail or "The scan failed."))


async def _scanned(url: str, wanted: AskForScan, here: bool) -> Any:
    async with base.resources(url) as resources:
        async with resources.begin(SYSTEM) as work:
            scan_id = (await ask_for_scan(work, wanted)).id
        if not here:
            return await _waited(resources, scan_id)
        network = open_network()
        running = asyncio.create_task(run_scan(resources, network, scan_id))
        try:
            row = await _waited(resources, scan_id)
            await running
            return row
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await network.close()


async def _waited(resources: Resources, scan_id: int) -> Any:
    """The scan once it has ended; its progress is shown on standard error."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=base.errors, transient=True) as bar:
        task = bar.add_task("Asking", total=None)
        waited = 0.0
        while True:
            async with resources.read(SYSTEM) as read:
                row = await scan_by_id(read, scan_id)
            if row.state in (ScanState.DONE, ScanState.FAILED):
                return row
            bar.update(task, completed=row.asked, description=f"Asked; {row.answered} answered")
            if row.state is ScanState.WAITING and waited >= PATIENCE:
                base.errors.print("No worker has taken it up yet: `firstbell worker` does.")
                waited = -3600.0
            waited += 0.5
            await asyncio.sleep(0.5)


def _show_scan(row: Any) -> None:
    table = _table("address", "name", "kind", "vendor", "model", "serial", "credential", "device")
    for found in row.found:
        device = found["device_id"] if found["device_id"] is not None else found["why"] or ""
        names = ("address", "name", "kind", "vendor", "model", "serial", "credential")
        table.add_row(*(escape(str(found[name] or "")) for name in names), escape(str(device)))
    base.out.print(table)
    base.out.print(f"{row.asked:,} asked, {row.answered:,} answered, {row.adopted:,} watched.")


def _table(*headers: str) -> Table:
    """The first three columns name the thing, and are never cut, however narrow the terminal is."""
    table = Table(box=None, pad_edge=False)
    for n, header in enumerate(headers):
        table.add_column(header, no_wrap=n < 3, overflow="fold")
    return table


def _all(page: Any) -> list[Any]:
    """Every row, page by page, at most 10,000."""

    async def go(url: str) -> list[Any]:
        rows: list[Any] = []
        cursor: str | None = None
        async with base.resources(url) as resources, resources.read(SYSTEM) as read:
            while True:
                got = await page(read, cursor)
                rows += got.rows
                cursor = got.next_cursor
                if cursor is None or len(rows) >= MOST_LISTED:
                    return rows

    with base.database() as url:
        migrate(url)
        return base.run(go(url))


def _print(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())
