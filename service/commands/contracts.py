"""`firstbell contracts`: what the doors promise, written to the files that clients read."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from service.commands import base
from service.playbooks.grammar import playbook_schema


def contracts(
    check: Annotated[bool, typer.Option("--check", help="Only compare; say what differs.")] = False,
    folder: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
) -> None:
    """Write openapi.yaml, schema/schema.graphql and playbooks/playbook.schema.json, or compare them."""
    differing = [name for name, text in written().items() if _differs(folder / name, text, check=check)]
    if check and differing:
        base.fail(
            f"{' and '.join(differing)} differ from the code. Run `make contracts` and look at the change."
        )


def written() -> dict[str, str]:
    """The contracts by file name."""
    # Here, not above: both doors together take most of a command's start, and no other command needs them.
    from schema import sdl
    from service.app import make_app

    document = make_app("postgresql://nowhere/none").openapi()
    return {
        "openapi.yaml": yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110),
        "schema/schema.graphql": sdl(),
        "playbooks/playbook.schema.json": json.dumps(playbook_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def _differs(path: Path, text: str, *, check: bool) -> bool:
    there = path.read_text() if path.exists() else ""
    if there == text:
        return False
    if check:
        lines = difflib.unified_diff(there.splitlines(), text.splitlines(), str(path), "the code", n=1)
        base.errors.print("\n".join(list(lines)[:60]), markup=False)
    else:
        path.write_text(text)
        base.out.print(f"Wrote {path}.")
    return True
