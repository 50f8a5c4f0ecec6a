"""Whether an answer fits its question, and the sentence to say when it does not.

PURE.
"""

from __future__ import annotations

from typing import Any, Final

from service.playbooks.conditions import is_number
from service.playbooks.grammar import Info, Question
from service.playbooks.texts import in_language

LONGEST_TEXT: Final = 2000
LARGEST_NUMBER: Final = 2**53
MOST_PHOTOS: Final = 5


class DoesNotFit(ValueError):
    """The answer is not one of this question; `code` is stable, `words` are a sentence by language."""

    def __init__(self, code: str, **words: str) -> None:
        super().__init__(words["en"])
        self.code = code
        self.words = words

    def said(self, language: str) -> str:
        return in_language(self.words, language)


def fitted(step: Question | Info, value: Any) -> Any:
    """The answer as it is kept. DoesNotFit."""
    if isinstance(step, Info):
        ways = ("done", "didnt_help") if step.didnt_help else ("done",)
        return _one_of(ways, value)
    match step.question:
        case "single":
            return _one_of([option.value for option in step.options], value)
        case "multi":
            return _some_of([option.value for option in step.options], value)
        case "text":
            return _text(value)
        case "number":
            return _number(step, value)
        case "photo":
            return _photos(step, value)


def _one_of(choices: Any, value: Any) -> str:
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(choices)
        raise DoesNotFit("choice", en=f"Choose one of: {listed}.", es=f"Elija una de estas: {listed}.")
    return value


def _some_of(choices: list[str], value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(one in choices for one in value):
        listed = ", ".join(choices)
        raise DoesNotFit(
            "choices", en=f"Choose one or more of: {listed}.", es=f"Elija una o más de estas: {listed}."
        )
    return [one for one in choices if one in value]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not _is_text(value):
        raise DoesNotFit("text", en="Write a few words.", es="Escriba unas palabras.")
    if len(value) > LONGEST_TEXT:
        raise DoesNotFit(
            "text_too_long",
            en=f"Use at most {LONGEST_TEXT} characters.",
            es=f"Use como máximo {LONGEST_TEXT} caracteres.",
        )
    return value.strip()


def _number(step: Question, value: Any) -> Any:
    if not is_number(value) or not abs(value) <= LARGEST_NUMBER:
        raise DoesNotFit("number", en="Write a number.", es="Escriba un número.")
    low, high = step.minimum, step.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        least, most = f"{low:g}" if low is not None else "…", f"{high:g}" if high is not None else "…"
        raise DoesNotFit(
            "number_range",
            en=f"Write a number from {least} to {most}.",
            es=f"Escriba un número de {least} a {most}.",
        )
    return value


def _is_text(value: str) -> bool:
    """Whether it can be kept: neither NUL nor half a character."""
    return "\x00" not in value and not any("\ud800" <= one <= "\udfff" for one in value)


def _photos(step: Question, value: Any) -> list[str]:
    most = int(step.maximum or MOST_PHOTOS)
    least = int(step.minimum or 1)
    if (
        not isinstance(value, list)
        or not least <= len(value) <= most
        or not all(isinstance(one, str) and 0 < len(one) <= 64 and _is_text(one) for one in value)
        or len(set(value)) != len(value)
    ):
        raise DoesNotFit(
            "photos",
            en=f"Add {least} to {most} photos first, then send their ids.",
            es=f"Agregue primero de {least} a {most} fotos y envíe sus identificadores.",
        )
    return value


def edge_of(step: Question | Info, value: Any) -> str:
    """The way a fitting answer leaves the step by."""
    if isinstance(step, Info) or step.question == "single":
        return str(value)
    if step.question == "multi":
        chosen = (option for option in step.options if option.value in value and option.next)
        return next((option.value for option in chosen), "next")
    return "next"
