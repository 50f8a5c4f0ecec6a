"""The language of checks: true, false and unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.snmp.conditions import BadCondition, compiled, words_in

NAMES = {name: (lambda item, reading, name=name: item[name]) for name in ("a", "b", "x", "word", "many")}


def judged(source: str, **values: Any) -> bool | None:
    return compiled(source, NAMES)(
        {"a": None, "b": None, "x": None, "word": None, "many": None, **values}, None
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "values", "answer"),
    [
        ("x <= 5", {"x": 5}, True),
        ("x <= 5", {"x": 5.1}, False),
        ("x <= 5", {}, None),
        ("x > -3", {"x": -2}, True),
        ("x >= a - 3", {"x": 7, "a": 10}, True),
        ("x >= a -3", {"x": 6, "a": 10}, False),
        ("x > a + 2 - 1", {"x": 12, "a": 10}, True),
        ("word == 'low'", {"word": "low"}, True),
        ("word != 'low'", {"word": "ok"}, True),
        ("word != 'low'", {}, None),
        ("word in ['low', 'empty']", {"word": "empty"}, True),
        ("word in ['low', 'empty']", {"word": "ok"}, False),
        ("x in [1, -3]", {"x": -3}, True),
        ("many has 'jammed'", {"many": ("jammed", "offline")}, True),
        ("many has 'jammed'", {"many": ()}, False),
        ("many has 'jammed'", {}, None),
        ("x is unknown", {}, True),
        ("x is known", {"x": 0}, True),
        ("not x is known", {"x": 0}, False),
        ("not not a", {"a": True}, True),
        ("a", {"a": False}, False),
        ("a == true", {"a": True}, True),
        ("(a or b) and x > 1", {"a": False, "b": True, "x": 2}, True),
        ("a or b and x > 1", {"a": True, "b": False, "x": 0}, True),
    ],
)
def test_a_condition_is_judged(source: str, values: dict[str, Any], answer: bool | None) -> None:
    assert judged(source, **values) is answer


KLEENE = [True, False, None]


@pytest.mark.parametrize("a", KLEENE)
@pytest.mark.parametrize("b", KLEENE)
def test_an_unknown_makes_unknown_unless_the_rest_decides(a: bool | None, b: bool | None) -> None:
    either = True if True in (a, b) else None if None in (a, b) else False
    both = False if False in (a, b) else None if None in (a, b) else True
    assert judged("a or b", a=a, b=b) is either
    assert judged("a and b", a=a, b=b) is both
    assert judged("not a", a=a) is (None if a is None else not a)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x <",
        "x <= 5 5",
        "nobody == 1",
        "x == low",
        "(x == 1",
        "x in []",
        "x in [a]",
        "x is",
        "x & 1",
        "and",
        "'open",
        "__import__('os')",
        "x + a > 1",
        "(" * 40 + "a" + ")" * 40,
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(source: str) -> None:
    with pytest.raises(BadCondition):
        compiled(source, NAMES)  # type: ignore[arg-type]


def test_values_that_cannot_be_compared_are_unknown() -> None:
    assert judged("x < 5", x="low") is None
    assert judged("many in ['low']", many=["low"]) is None
    assert judged("word has 'l'", word="low") is None


def test_the_words_of_a_condition_can_be_told() -> None:
    assert words_in("x <= 5 and word in ['low', 'empty']") == ({"x", "word"}, {"low", "empty"})


@given(st.text(alphabet="ax ()[]<>=!'+-.0123456789andornotishk,", max_size=40))
def test_any_text_is_either_refused_or_judged(source: str) -> None:
    try:
        condition = compiled(source, NAMES)  # type: ignore[arg-type]
    except BadCondition:
        return
    assert condition({"a": 1, "x": None, "b": 2, "word": "w", "many": ()}, None) in (True, False, None)
