"""Conditions on facts, with three answers: yes, no, and not known.

PURE. A fact that is missing or older than it may be is not known, never "no" (Kleene's logic: unknown and
false is false, unknown or true is true). Only `present` is always known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, StrictFloat, StrictInt, Tag

from service.core.words import instant
from service.playbooks.facts import FACTS, Fact, FactType

MOST_LEAVES: Final = 50
DEEPEST: Final = 8
_SPAN: Final = re.compile(r"^([0-9]{1,5})([smhd])$")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
Span = Annotated[str, Field(pattern=_SPAN.pattern, description="A length of time: 90s, 15m, 24h, 7d.")]
Scalar = (
    StrictBool
    | Annotated[StrictInt, Field(ge=-(2**53), le=2**53)]
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[str, Field(max_length=200)]
)
FactName = Annotated[
    str, Field(max_length=80, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$", examples=["device.last_seen"])
]


class Op(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    IN = "in"
    CONTAINS = "contains"
    NEWER_THAN = "newer_than"
    OLDER_THAN = "older_than"
    PRESENT = "present"


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Compare(_Form):
    """A fact, an earlier answer (`answer.<step>`) or an outcome (`out.<step>`) against a value."""

    fact: FactName
    op: Op
    value: Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=50)] | None = None
    max_age: Span | None = Field(None, description="How old the fact may be; else as the registry says.")


class All(_Form):
    all: list[Condition] = Field(min_length=1, max_length=MOST_LEAVES)


class Any_(_Form):  # noqa: N801
    any: list[Condition] = Field(min_length=1, max_length=MOST_LEAVES)


class Not(_Form):
    not_: Condition = Field(alias="not")


def _kind(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", {})
    for name in ("fact", "all", "any", "not", "not_"):
        if name in keys:
            return name.rstrip("_")
    return None


Condition = Annotated[
    Annotated[Compare, Tag("fact")]
    | Annotated[All, Tag("all")]
    | Annotated[Any_, Tag("any")]
    | Annotated[Not, Tag("not")],
    Discriminator(
        _kind,
        custom_error_type="condition",
        custom_error_message="A condition is {fact, op, value}, {all: […]}, {any: […]} or {not: …}.",
    ),
]
for _form in (All, Any_, Not):
    _form.model_rebuild()


@dataclass(frozen=True, slots=True)
class Plain:
    """A value without an age: an answer, or the outcome of a step."""

    value: Any


LookUp = Callable[[str], Fact | Plain | None]


def span(text: str) -> timedelta:
    """`15m` as an amount of time. ValueError."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no length of time; write 90s, 15m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def is_span(value: Any) -> bool:
    return isinstance(value, str) and _SPAN.fullmatch(value) is not None


def holds(condition: Condition, look_up: LookUp, now: datetime) -> bool | None:
    """Whether it holds; None when what is known does not tell."""
    match condition:
        case All():
            return _every([holds(one, look_up, now) for one in condition.all])
        case Any_():
            inverse = _every([_negated(holds(one, look_up, now)) for one in condition.any])
            return _negated(inverse)
        case Not():
            return _negated(holds(condition.not_, look_up, now))
        case Compare():
            return _compared(condition, look_up(condition.fact), now)


def _every(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _compared(leaf: Compare, found: Fact | Plain | None, now: datetime) -> bool | None:
    usable = found is not None and found.value is not None and not is_stale(leaf, found, now)
    if leaf.op is Op.PRESENT:
        return usable if leaf.value is not False else not usable
    if not usable or found is None:
        return None
    return _answer(leaf, found.value, now)


def is_stale(leaf: Compare, found: Fact | Plain, now: datetime) -> bool:
    """Whether a fact is older than the condition, or else the registry, lets it be."""
    if isinstance(found, Plain):
        return False
    known = FACTS.get(leaf.fact)
    allowed = span(leaf.max_age) if leaf.max_age else (known.max_age if known else None)
    return allowed is not None and now - found.as_of > allowed


def _answer(leaf: Compare, value: Any, now: datetime) -> bool | None:
    wanted = leaf.value
    if leaf.op in (Op.NEWER_THAN, Op.OLDER_THAN):
        at = instant(value)
        if at is None or not is_span(wanted):
            return None
        is_new = now - at <= span(str(wanted))
        return is_new if leaf.op is Op.NEWER_THAN else not is_new
    if leaf.op is Op.IN:
        return any(_same(value, one) for one in _listed(wanted))
    if leaf.op is Op.CONTAINS:
        return isinstance(value, list | tuple) and any(_same(one, wanted) for one in value)
    if leaf.op in (Op.EQ, Op.NE):
        return _same(value, wanted) is (leaf.op is Op.EQ)
    if not (is_number(value) and is_number(wanted)):
        return None
    return _ORDER[leaf.op](value, wanted)


_ORDER: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.LT: lambda a, b: a < b,
    Op.LTE: lambda a, b: a <= b,
    Op.GT: lambda a, b: a > b,
    Op.GTE: lambda a, b: a >= b,
}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _same(a: Any, b: Any) -> bool:
    """Equal, and of one kind: 1 is not true, and "1" is no number."""
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaves(condition: Condition) -> Iterator[Compare]:
    """Every comparison in it."""
    match condition:
        case Compare():
            yield condition
        case All():
            for one in condition.all:
                yield from leaves(one)
        case Any_():
            for one in condition.any:
                yield from leaves(one)
        case Not():
            yield from leaves(condition.not_)


def depth(condition: Condition) -> int:
    match condition:
        case All():
            return 1 + max(depth(one) for one in condition.all)
        case Any_():
            return 1 + max(depth(one) for one in condition.any)
        case Not():
            return 1 + depth(condition.not_)
    return 1


def misfit(leaf: Compare) -> str | None:
    """Why a comparison with a fact of the registry can never be answered; None if it can."""
    known = FACTS.get(leaf.fact)
    if (why := _form_misfit(leaf)) is not None:
        return why
    if known is None or leaf.op is Op.PRESENT:
        return None
    values = _listed(leaf.value)
    if leaf.op in (Op.NEWER_THAN, Op.OLDER_THAN):
        return _instant_misfit(known.type, leaf)
    if known.type is FactType.INSTANT:
        return f"{leaf.fact} is an instant; compare it with newer_than or older_than"
    if leaf.op is Op.CONTAINS:
        return f"{leaf.fact} is a {known.type}, not a list; use eq or in"
    if leaf.op in _ORDER and known.type is not FactType.NUMBER:
        return f"{leaf.fact} is a {known.type}; only numbers are ordered, use eq or in"
    for value in values:
        if not _is_of(value, known.type):
            return f"{leaf.fact} is a {known.type}; {value!r} is not"
        if known.choices and value not in known.choices:
            return f"{leaf.fact} is one of {', '.join(known.choices)}, never {value!r}"
    return None


def _form_misfit(leaf: Compare) -> str | None:
    """What is wrong whatever the fact is."""
    if leaf.op is Op.PRESENT:
        wrong = leaf.value is not None and not isinstance(leaf.value, bool)
        return "present takes no value, or true or false" if wrong else None
    if leaf.value is None:
        return f"{leaf.op} takes a value"
    if isinstance(leaf.value, list) and leaf.op is not Op.IN:
        return f"{leaf.op} takes one value, not a list; use in"
    return None


def _instant_misfit(kind: FactType, leaf: Compare) -> str | None:
    if kind is not FactType.INSTANT:
        return f"{leaf.fact} is a {kind}; {leaf.op} is for instants"
    if not is_span(leaf.value):
        return f"{leaf.op} takes a length of time such as 15m, not {leaf.value!r}"
    return None


def _is_of(value: Any, kind: FactType) -> bool:
    if kind is FactType.BOOLEAN:
        return isinstance(value, bool)
    if kind is FactType.NUMBER:
        return is_number(value)
    return isinstance(value, str)
