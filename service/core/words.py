"""What people read, in their language: the right text, values, how long something lasts.

PURE.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

Words = Mapping[str, str]
BASE_LANGUAGE: Final = "en"


def in_language(text: Words, language: str) -> str:
    """The text in a language, or in its base language, or in English."""
    return text.get(language) or text.get(language.partition("-")[0]) or text.get(BASE_LANGUAGE) or ""


def instant(value: Any) -> datetime | None:
    """An instant, or the text of one with its offset; None if it is neither."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def written(
    value: Any, shape: str | None, language: str, *, zone: tzinfo = UTC, now: datetime | None = None
) -> str:
    """A value as a person reads it. `shape` of an instant: "date", "duration" (until `now`), else to the
    minute.
    """
    if isinstance(value, bool):
        words = {"en": ("no", "yes"), "es": ("no", "sí")}
        return words.get(language.partition("-")[0], words["en"])[value]
    if isinstance(value, list | tuple):
        return ", ".join(written(one, shape, language) for one in value)
    at = _readable(value)
    if at is not None and shape == "duration" and now is not None:
        return lasting(now - at, language)
    if at is not None:
        return at.astimezone(zone).strftime("%Y-%m-%d" if shape == "date" else "%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)[:500]


def lasting(span: timedelta, language: str) -> str:
    """How long, in the largest unit that is not zero."""
    es = language.startswith("es")
    seconds = max(0, int(span.total_seconds()))
    for size, one, many, uno, varios in (
        (86_400, "day", "days", "día", "días"),
        (3_600, "hour", "hours", "hora", "horas"),
        (60, "minute", "minutes", "minuto", "minutos"),
    ):
        if seconds >= size:
            n = seconds // size
            return f"{n} {(uno if n == 1 else varios) if es else (one if n == 1 else many)}"
    return "menos de un minuto" if es else "less than a minute"


def _readable(value: Any) -> datetime | None:
    """An instant that a person may read; what only looks like one stays as it is."""
    at = instant(value)
    return at if at is not None and 1900 <= at.year <= 2999 else None
