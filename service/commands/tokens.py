"""`firstbell token`: credentials made, listed and revoked by an operator."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table
from sqlalchemy import func, select

from service.commands import base
from service.core.actor import SYSTEM, Role, Scope
from service.core.database import utc_now
from service.core.errors import Invalid
from service.core.migrating import migrate
from service.core.work import Work
from service.people.actions import NewPerson, add_person
from service.people.models import Person
from service.people.tokens import MadeToken, NewToken, create_token, revoke_token, tokens_page

app = typer.Typer(name="token", help="Make, list and revoke tokens.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("create")
def create(
    person: Annotated[str | None, typer.Option("--for", help="The person, by email or id.")] = None,
    admin: Annotated[str | None, typer.Option(help="Or: the name of a new administrator.")] = None,
    label: Annotated[str, typer.Option(help="What the token is for.")] = "made by an operator",
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it may do; the role's usual if none.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token; its secret is shown this once."""
    with base.sentences():
        if (person is None) == (admin is None):
            raise ValueError("Say whose token: --for EMAIL|ID, or --admin NAME for a new administrator.")
        made = _with(lambda work: _create(work, person, admin, label, scope, days))
        if as_json:
            _print({"id": made.id, "person_id": made.token.person_id, "secret": made.secret})
        else:
            base.errors.print("This is shown once. Keep it safe.")
            print(made.secret)  # noqa: T201


@app.command("list")
def list_tokens(
    person: Annotated[str | None, typer.Option("--for", help="Only this person's, by email or id.")] = None,
    as_json: Json = False,
) -> None:
    """The newest hundred tokens, without their secrets."""
    with base.sentences():
        rows = _with(lambda work: _listed(work, person))
        if as_json:
            _print(rows)
            return
        table = Table("id", "person", "role", "label", "last used", "state", "may")
        for row in rows:
            used = str(row["last_used_at"] or "never")[:16]
            cells = (row["id"], row["person_name"], row["role"], row["label"], used, _state(row))
            table.add_row(*map(str, cells), "\n".join(row["scopes"]))
        base.out.print(table)


def _state(row: dict[str, Any]) -> str:
    if row["revoked_at"]:
        return "revoked"
    if row["expires_at"] is None:
        return "active"
    until = f"{row['expires_at']:%Y-%m-%d}"
    return f"until {until}" if row["expires_at"] > utc_now() else f"expired {until}"


@app.command("revoke")
def revoke(token_id: Annotated[int, typer.Argument(min=1)]) -> None:
    """Refuse a token from now on."""
    with base.sentences():
        _with(lambda work: revoke_token(work, token_id))
        base.out.print(f"Token {token_id} is revoked.")


async def _create(
    work: Work,
    person: str | None,
    admin: str | None,
    label: str,
    scopes: list[Scope] | None,
    days: int | None,
) -> MadeToken:
    if admin is not None:
        owner = await add_person(work, NewPerson(name=admin, role=Role.ADMIN))
    else:
        owner = await _person(work, person or "")
    expires_at = work.now + timedelta(days=days) if days else None
    wanted = NewToken(person_id=owner.id, label=label, scopes=scopes or None, expires_at=expires_at)
    made = await create_token(work, wanted)
    assert isinstance(made, MadeToken)
    return made


async def _person(work: Work, who: str) -> Person:
    condition = (
        Person.id == int(who) if re.fullmatch(r"\d{1,15}", who) else func.lower(Person.email) == who.lower()
    )
    person = await work.session.scalar(select(Person).where(condition))
    if person is None:
        raise Invalid(f"There is nobody known as {who!r}. Send an email address or an id.")
    return person


def _with(act: Any) -> Any:
    """Do one thing in one transaction as the system."""

    async def go(url: str) -> Any:
        async with base.resources(url) as resources, resources.begin(SYSTEM) as work:
            return await act(work)

    with base.database() as url:
        migrate(url)
        return base.run(go(url))


async def _listed(work: Work, person: str | None) -> list[dict[str, Any]]:
    person_id = (await _person(work, person)).id if person is not None else None
    page = await tokens_page(work, person_id=person_id, limit=100)
    return [dict(row._mapping) for row in page.rows]


def _print(value: Any) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())  # noqa: T201
