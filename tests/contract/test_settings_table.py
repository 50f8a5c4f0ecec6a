"""docs/settings.md tells every setting as the code has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import annotated_types
from pydantic.fields import FieldInfo

from service.core.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    told = [line for line in PAGE.read_text().splitlines() if line.startswith("| `FIRSTBELL_")]
    assert told == [_row(name, field) for name, field in Settings.model_fields.items()]


def _row(name: str, field: FieldInfo) -> str:
    cells = f"FIRSTBELL_{name.upper()}`", _default(field.default), _range(field), field.description
    return f"| `{' | '.join(str(cell) for cell in cells)} |"


def _default(value: Any) -> str:
    return "none" if value is None else f"`{value}`"


def _range(field: FieldInfo) -> str:
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return ", ".join(choices)
    least = [m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)]
    most = [m.le for m in field.metadata if isinstance(m, annotated_types.Le)]
    if not least:
        return ""
    return f"{least[0]} to {most[0]}" if most else f"{least[0]} or more"
