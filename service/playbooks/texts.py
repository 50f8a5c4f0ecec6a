"""Words for people: the right language, with facts and answers put in.

PURE. A text may name facts, answers and outcomes as `{{ fact.device.model }}`, with the filters `date`,
`duration` and `default:"…"`. Nothing else is looked up, and nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from service.core.words import Words, in_language, lasting, written
from service.playbooks.facts import FACTS, FactType

__all__ = [
    "HOLE",
    "NOT_KNOWN",
    "Look",
    "Words",
    "filled",
    "holes",
    "in_language",
    "is_complete",
    "lasting",
    "misfit",
    "names_in",
    "written",
]

HOLE: Final = re.compile(r"\{\{(.*?)\}\}")
_HOLE_FORM: Final = re.compile(
    r"^\s*(fact|answer|out)\.([a-z0-9_]+(?:\.[a-z0-9_]+)*)\s*"
    r"(?:\|\s*(date|duration)\s*)?(?:\|\s*default\s*:\s*\"([^\"{}]{0,80})\"\s*)?$"
)
Look = Callable[[str, str], Any]
NOT_KNOWN: Final = {"en": "not known", "es": "no se sabe"}


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
