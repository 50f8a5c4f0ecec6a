"""Words for people: the right language, with facts and answers put in.

PURE. A text may name facts, answers and outcomes as `{{ fact.device.model }}`, with the filters `date`,
`duration` and `default:"…"`. Nothing else is looked up, and nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from service.playbooks.conditions import instant
from service.playbooks.facts import FACTS, FactType
from service.playbooks.grammar import BASE_LOCALE

HOLE: Final = re.compile(r"\{\{(.*?)\}\}")
_HOLE_FORM: Final = re.compile(
    r"^\s*(fact|answer|out)\.([a-z0-9_]+(?:\.[a-z0-9_]+)*)\s*"
    r"(?:\|\s*(date|duration)\s*)?(?:\|\s*default\s*:\s*\"([^\"{}]{0,80})\"\s*)?$"
)
Words = Mapping[str, str]
Look = Callable[[str, str], Any]
NOT_KNOWN: Final = {"en": "not known", "es": "no se sabe"}


def in_language(text: Words, language: str) -> str:
    """The text in a language, or in its base language, or in English."""
    return text.get(language) or text.get(language.partition("-")[0]) or text.get(BASE_LOCALE) or ""


def is_complete(text: Words, language: str) -> bool:
    return language in text or language.partition("-")[0] in text


def filled(text: Words, language: str, look: Look, *, zone: tzinfo = UTC, now: datetime | None = None) -> str:
    """The text in a language with its holes filled; what is not known says so, or as its default."""

    def put(match: re.Match[str]) -> str:
        form = _HOLE_FORM.match(match[1])
        if form is None:
            return ""
        value = look(form[1], form[2])
        if value is None:
            return form[4] if form[4] is not None else in_language(NOT_KNOWN, language)
        return written(value, form[3], language, zone=zone, now=now)

    return HOLE.sub(put, in_language(text, language))


def written(
    value: Any, shape: str | None, language: str, *, zone: tzinfo = UTC, now: datetime | None = None
) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        words = {"en": ("no", "yes"), "es": ("no", "sí")}
        return words.get(language.partition("-")[0], words["en"])[value]
    if isinstance(value, list | tuple):
        return ", ".join(written(one, shape, language) for one in value)
    at = _instant(value)
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


def _instant(value: Any) -> datetime | None:
    """An instant that a person may read; what only looks like one stays as it is."""
    at = instant(value)
    return at if at is not None and 1900 <= at.year <= 2999 else None


def holes(text: Words) -> Iterator[tuple[str, str, str | None]]:
    """Of every hole: the language, what stands in it, and what is wrong with it (None: nothing)."""
    for language, words in text.items():
        rest = HOLE.sub("", words)
        if "{{" in rest or "}}" in rest:
            yield language, words, "a {{ has no matching }}"
        for match in HOLE.finditer(words):
            yield language, match[1].strip(), misfit(match[1])


def misfit(hole: str) -> str | None:
    """Why a hole cannot be filled; None if it can."""
    form = _HOLE_FORM.match(hole)
    if form is None:
        return "write {{ fact.name }}, {{ answer.step }} or {{ out.step }}, with date, duration or default"
    if form[1] != "fact":
        return None
    known = FACTS.get(form[2])
    if known is None:
        return f"there is no fact {form[2]}"
    if known.staff_only:
        return f"{form[2]} is for staff only and is never put into a text"
    if form[3] and known.type is not FactType.INSTANT:
        return f"{form[3]} is for instants; {form[2]} is a {known.type}"
    return None


def names_in(text: Words) -> set[tuple[str, str]]:
    """The facts, answers and outcomes that a text names."""
    found = (_HOLE_FORM.match(match[1]) for words in text.values() for match in HOLE.finditer(words))
    return {(form[1], form[2]) for form in found if form is not None}
