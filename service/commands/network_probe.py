"""What `firstbell network probe` asks with, and how it tells what it understood."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from integrations.snmp.reading import Finding, LinkState, Port, Reading, Verdict
from integrations.snmp.target import AuthProtocol, Credential, PrivProtocol, Version
from service.commands import base
from service.monitoring.discovering import Discovered
from service.monitoring.wording import About, sentence

PASSWORDS: Final = {"auth": "FIRSTBELL_SNMP_AUTH_PASSWORD", "priv": "FIRSTBELL_SNMP_PRIV_PASSWORD"}
ONLY_WHERE_MARKED: Final = frozenset({"port.down"})
PARTS: Final = (
    "identity",
    "uptime",
    "ports",
    "printer",
    "ups",
    "sensors",
    "loads",
    "access_points",
    "clients",
    "neighbours",
    "vlans",
    "addresses",
    "metrics",
)


class EngineName(StrEnum):
    GUFO = "gufo"
    PYSNMP = "pysnmp"


def credential_from(
    *,
    community: str | None,
    v1: bool,
    user: str | None,
    auth: AuthProtocol | None,
    priv: PrivProtocol | None,
    context: str,
) -> Credential:
    """The credential that the options describe; what is secret comes from the environment or is asked for."""
    if user is None:
        if auth or priv or context:
            raise ValueError("--auth, --priv and --context belong to v3: name its user with --v3-user.")
        given = community if community is not None else typer.prompt("Community", hide_input=True, err=True)
        return Credential(Version.V1 if v1 else Version.V2C, community=given)
    if priv and not auth:
        raise ValueError("--priv needs --auth.")
    return Credential(
        Version.V3,
        user=user,
        auth=auth,
        auth_password=_password("auth") if auth else "",
        priv=priv,
        priv_password=_password("priv") if priv else "",
        context=context,
    )


def _password(which: str) -> str:
    given = os.environ.get(PASSWORDS[which])
    if given is None:
        said = {"auth": "Authentication password", "priv": "Encryption password"}[which]
        given = typer.prompt(said, hide_input=True, err=True)
    if len(given) < 8:
        raise ValueError("SNMPv3 passwords have at least 8 characters.")
    return str(given)


def told(found: Discovered) -> dict[str, Any]:
    """What `--json` prints: the parts of a reading by the names of its fields, every field there.

    `faults` are the checks that stand badly; ports that are down are none, as only marked ones count.
    """
    reading = asdict(found.reading)
    return {
        "profile": found.profile.name,
        **{part: reading[part] for part in PARTS},
        "faults": [_fault(found, finding) for finding in faults_in(found.reading)],
        "incomplete": found.cut,
    }


def faults_in(reading: Reading) -> list[Finding]:
    return [
        finding
        for finding in reading.findings
        if finding.verdict is Verdict.BAD and finding.check not in ONLY_WHERE_MARKED
    ]


def _fault(found: Discovered, finding: Finding) -> dict[str, Any]:
    spec = found.profile.faults.get(finding.check)
    return {
        "check": finding.check,
        "instance": finding.instance,
        "label": finding.label,
        "value": finding.value,
        "evidence": finding.evidence,
        "category": spec.category if spec else None,
    }


def show(found: Discovered, host: str) -> None:
    """As a person reads it: who it is, what it has, what is wrong."""
    reading = found.reading
    _identity(found, host)
    _table("Ports", ("port", "alias", "enabled", "link", "Mbit/s", "VLAN", "power"), _ports(reading.ports))
    if reading.printer is not None:
        _printer(reading)
    if reading.ups is not None:
        values = {name: value for name, value in asdict(reading.ups).items() if value not in (None, [])}
        _table("UPS", ("", ""), ((name.replace("_", " "), _plain(value)) for name, value in values.items()))
    _table("Sensors", ("sensor", "kind", "value", "healthy"), _sensors(reading))
    _table(
        "Loads",
        ("load", "kind", "percent"),
        ((one.description or one.key, one.kind, _number(one.percent)) for one in reading.loads),
    )
    _table(
        "Access points",
        ("name", "state", "address", "model", "clients"),
        (
            (one.name or one.key, one.state or _truth(one.up), one.address, one.model, _plain(one.clients))
            for one in reading.access_points
        ),
    )
    _table(
        "Neighbours",
        ("our port", "name", "its port", "address", "by"),
        (
            (one.port_key or one.local_port, one.name or one.chassis, one.port, one.address, one.protocol)
            for one in reading.neighbours
        ),
    )
    if reading.vlans:
        base.out.print(
            "VLANs: " + escape(", ".join(f"{one.id} {one.name or ''}".strip() for one in reading.vlans))
        )
    _faults(found, host)
    for base_oid, why in found.cut.items():
        base.out.print(f"[yellow]Not all was read: {escape(base_oid)} ended early ({escape(why)}).[/yellow]")


def _identity(found: Discovered, host: str) -> None:
    identity, uptime = found.reading.identity, found.reading.uptime
    table = Table(show_header=False, box=None, title=None)
    rows = {
        "device": identity.name or host,
        "kind": f"{identity.kind.value}, profile {found.profile.name}",
        "vendor": identity.vendor,
        "model": identity.model,
        "serial": identity.serial,
        "version": identity.version,
        "description": identity.description,
        "location": identity.location,
        "contact": identity.contact,
        "up since": _lasted(uptime.engine_seconds, uptime.host_ticks, uptime.ticks),
        "addresses": ", ".join(one.address for one in found.reading.addresses[:10]) or None,
    }
    for name, value in rows.items():
        if value:
            table.add_row(f"[bold]{name}[/bold]", escape(" ".join(str(value).split())))
    base.out.print(table)


def _lasted(engine: int | None, host: int | None, ticks: int | None) -> str | None:
    seconds = engine if engine is not None else next((t // 100 for t in (host, ticks) if t is not None), None)
    if seconds is None:
        return None
    days, rest = divmod(seconds, 86_400)
    return f"{days} d {rest // 3600} h {rest // 60 % 60} min"


def _ports(ports: Sequence[Port]) -> Iterable[Sequence[Any]]:
    for port in ports:
        watts = f" {port.poe_watts:g} W" if port.poe_watts is not None else ""
        yield (
            port.key,
            port.alias,
            _truth(None if port.admin is None else port.admin is LinkState.UP),
            port.oper.value.replace("_", " ") if port.oper is not None else "",
            _number(port.speed_mbps or None),
            _plain(port.vlan),
            f"{port.poe_state or ''}{watts}",
        )


def _printer(reading: Reading) -> None:
    printer = reading.printer
    assert printer is not None
    said = {
        "status": printer.status,
        "errors": ", ".join(printer.errors) if printer.errors else None,
        "panel": printer.panel,
        "pages": printer.pages,
    }
    _table("Printer", ("", ""), ((name, _plain(value)) for name, value in said.items() if value is not None))
    _table(
        "Supplies",
        ("supply", "kind", "left"),
        (
            (one.description or one.key, one.kind, _level(one.percent, one.special))
            for one in printer.supplies
        ),
    )
    _table(
        "Trays",
        ("tray", "left"),
        ((one.name or one.key, _level(one.percent, one.special)) for one in printer.trays),
    )
    _table(
        "Alerts",
        ("severity", "code", "says"),
        ((one.severity, _plain(one.code), one.description) for one in printer.alerts),
    )


def _level(percent: float | None, special: Any) -> str:
    if percent is not None:
        return f"{percent:.0f} %"
    words = {"some_remains": "some remains", "unrestricted": "no limit"}
    return words.get(str(special), "not known")


def _sensors(reading: Reading) -> Iterable[Sequence[Any]]:
    for one in reading.sensors:
        value = one.state if one.state is not None else f"{_number(one.value)} {one.unit or ''}".strip()
        yield one.description or one.key, one.kind, value, _truth(one.healthy)


def _faults(found: Discovered, host: str) -> None:
    faults = faults_in(found.reading)
    if not faults:
        base.out.print("[green]Nothing is wrong with it, as far as it says.[/green]")
        return
    for one in faults:
        base.out.print(f"[red]Fault:[/red] {escape(_sentence(found, one, host))} [dim]{one.check}[/dim]")


def _sentence(found: Discovered, finding: Finding, host: str) -> str:
    """What a technician would read on the fault's ticket."""
    identity = found.reading.identity
    about = About(
        device=identity.name or host,
        address=host,
        model=" ".join(part for part in (identity.vendor, identity.model) if part) or None,
        label=finding.label,
        instance=finding.instance,
        value=finding.value,
        evidence=finding.evidence,
    )
    spec = found.profile.faults.get(finding.check)
    return sentence(spec.for_technician, about, "en") if spec else finding.label or finding.instance


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Nothing where there are no rows."""
    listed = list(rows)
    if not listed:
        return
    table = Table(*columns, title=title, title_justify="left", show_header=any(columns))
    for row in listed:
        table.add_row(*(escape(" ".join(str(cell if cell is not None else "").split())) for cell in row))
    base.out.print(table)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return _number(value) if isinstance(value, float) else "" if value is None else str(value)


def _truth(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _number(value: float | None) -> str:
    """At most two decimals."""
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
