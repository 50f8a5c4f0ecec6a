"""Conditions of checks: a small language with three answers, true, false and unknown. PURE.

    percent <= 5 or (percent is unknown and reported == 'low')
    printer.troubles has 'jammed' and not testing
    oper in ['down', 'not_present'] and admin == 'up'

Names are fields of what is checked, or dotted ones of the whole reading. What was not read is unknown; an
unknown makes a condition unknown unless the rest decides it (Kleene): `false and unknown` is false,
`true or unknown` is true. `is known` and `is unknown` always have an answer. `a + 3` and `a - 3` may stand on
either side of a comparison.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Getter = Callable[[Any, Any], Any]
"""A field's value from (what is checked, the whole reading); None is unknown."""

Condition = Callable[[Any, Any], "bool | None"]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<text>[^']*)'|(?P<name>[a-z_][a-z0-9_.]*)"
    r"|(?P<sign><=|>=|==|!=|<|>|\(|\)|\[|\]|,|\+|-))"
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_WORDS: Final = frozenset({"and", "or", "not", "in", "has", "is", "known", "unknown", "true", "false"})
DEEPEST: Final = 20


class BadCondition(ValueError):
    """The condition cannot be read; says where and why."""


def compiled(source: str, names: Mapping[str, Getter]) -> Condition:
    """The condition as a function. Raises `BadCondition` for words that it does not know."""
    return _Parser(source, names).whole()


def words_in(source: str) -> tuple[set[str], set[str]]:
    """The names and the quoted texts that a condition speaks of."""
    found = list(_tokens(source))
    names = {word for kind, word in found if kind == "name" and word not in _WORDS}
    return names, {word for kind, word in found if kind == "text"}


def _tokens(source: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(source.rstrip())
    while at < end:
        found = _TOKEN.match(source, at)
        if found is None:
            raise BadCondition(f"cannot read {source[at:].strip()!r}")
        kind = found.lastgroup or "sign"
        tokens.append((kind, found.group(kind)))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent; every method reads one rule of the grammar and gives its function."""

    def __init__(self, source: str, names: Mapping[str, Getter]) -> None:
        self.source = source
        self.names = names
        self.tokens = _tokens(source)
        self.at = 0
        self.depth = 0

    def whole(self) -> Condition:
        made = self.either()
        if self.at < len(self.tokens):
            raise BadCondition(f"{self.tokens[self.at][1]!r} is left over in {self.source!r}")
        return made

    def either(self) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadCondition(f"{self.source!r} goes too deep")
        made = self.both()
        while self.takes("or"):
            made = _either(made, self.both())
        self.depth -= 1
        return made

    def both(self) -> Condition:
        made = self.negated()
        while self.takes("and"):
            made = _both(made, self.negated())
        return made

    def negated(self) -> Condition:
        turns = 0
        while self.takes("not"):
            turns += 1
        made = self.compared()
        return _negated(made) if turns % 2 else made

    def compared(self) -> Condition:
        if self.takes("("):
            made = self.either()
            self.needs(")")
            return made
        left = self.sum()
        sign = self.peek()
        if sign in _COMPARE:
            self.at += 1
            return _compared(left, _COMPARE[sign], self.sum())
        if self.takes("is"):
            known = self.takes("known")
            if not known:
                self.needs("unknown")
            return _known(left, known)
        if self.takes("in"):
            return _within(left, frozenset(self.listed()))
        if self.takes("has"):
            return _having(left, self.literal())
        return _truth(left)

    def listed(self) -> list[Any]:
        self.needs("[")
        found = [self.literal()]
        while self.takes(","):
            found.append(self.literal())
        self.needs("]")
        return found

    def sum(self) -> Getter:
        """`a`, `a + 3` or `a - 3`; a number that brings its own sign follows without one."""
        made = self.operand()
        while self.at < len(self.tokens):
            kind, word = self.tokens[self.at]
            if word in ("+", "-"):
                self.at += 1
                made = _shifted(made, float(f"{word}{self.number()}"))
            elif kind == "number" and word.startswith("-"):
                made = _shifted(made, float(self.number()))
            else:
                break
        return made

    def operand(self) -> Getter:
        kind, word = self.next()
        if kind == "name" and word not in _WORDS:
            if word not in self.names:
                raise BadCondition(f"{word!r} is not known here")
            return self.names[word]
        self.at -= 1
        return _constant(self.literal())

    def literal(self) -> Any:
        kind, word = self.next()
        if kind == "number":
            return float(word)
        if kind == "text":
            return word
        if word in ("true", "false"):
            return word == "true"
        raise BadCondition(f"{word!r} stands where a value should in {self.source!r}")

    def number(self) -> str:
        kind, word = self.next()
        if kind != "number":
            raise BadCondition(f"{word!r} stands where a number should in {self.source!r}")
        return word

    def peek(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise BadCondition(f"{self.source!r} ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, word: str) -> bool:
        if (
            self.at < len(self.tokens)
            and self.tokens[self.at][1] == word
            and self.tokens[self.at][0] != "text"
        ):
            self.at += 1
            return True
        return False

    def needs(self, word: str) -> None:
        if not self.takes(word):
            raise BadCondition(f"{word!r} is missing in {self.source!r}")


def _either(left: Condition, right: Condition) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        first = left(item, reading)
        if first is True:
            return True
        second = right(item, reading)
        if second is True:
            return True
        return False if first is False and second is False else None

    return judge


def _both(left: Condition, right: Condition) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        first = left(item, reading)
        if first is False:
            return False
        second = right(item, reading)
        if second is False:
            return False
        return True if first is True and second is True else None

    return judge


def _negated(inner: Condition) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        found = inner(item, reading)
        return None if found is None else not found

    return judge


def _compared(left: Getter, compare: Callable[[Any, Any], bool], right: Getter) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        first = left(item, reading)
        if first is None:
            return None
        second = right(item, reading)
        if second is None:
            return None
        try:
            return compare(first, second)
        except TypeError:
            return None

    return judge


def _within(left: Getter, values: frozenset[Any]) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        found = left(item, reading)
        if found is None:
            return None
        return found in values if isinstance(found, str | int | float) else None

    return judge


def _having(left: Getter, value: Any) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        found = left(item, reading)
        return value in found if isinstance(found, tuple | list) else None

    return judge


def _known(left: Getter, known: bool) -> Condition:
    return lambda item, reading: (left(item, reading) is not None) is known


def _truth(left: Getter) -> Condition:
    def judge(item: Any, reading: Any) -> bool | None:
        found = left(item, reading)
        return None if found is None else bool(found)

    return judge


def _constant(value: Any) -> Getter:
    return lambda item, reading: value


def _shifted(left: Getter, by: float) -> Getter:
    def shifted(item: Any, reading: Any) -> float | None:
        found = left(item, reading)
        return found + by if isinstance(found, int | float) else None

    return shifted
