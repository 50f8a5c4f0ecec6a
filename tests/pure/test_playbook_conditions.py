"""Conditions: three answers, and a fact that is missing or stale is never “no”."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service.playbooks.conditions import (
    All,
    Any_,
    Compare,
    Condition,
    Not,
    Op,
    Plain,
    depth,
    holds,
    instant,
    leaves,
    misfit,
    span,
)
from service.playbooks.facts import FACTS, Fact, FactType

NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
READ = TypeAdapter[Condition](Condition)
NAMES = ["device.status", "net.ap.status", "net.ap.clients", "device.enrolled", "device.last_seen"]
VALUES: Mapping[str, list[Any]] = {
    "device.status": ["active", "disabled"],
    "net.ap.status": ["up", "down"],
    "net.ap.clients": [0, 1, 30],
    "device.enrolled": [True, False],
    "device.last_seen": [(NOW - timedelta(minutes=n)).isoformat() for n in (1, 60, 3000)],
}
Known = dict[str, Fact | Plain]


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    name = draw(st.sampled_from(NAMES))
    if FACTS[name].type is FactType.INSTANT:
        op, value = draw(st.sampled_from([Op.NEWER_THAN, Op.OLDER_THAN])), draw(st.sampled_from(["5m", "2h"]))
    elif FACTS[name].type is FactType.NUMBER:
        op = draw(st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.LTE, Op.GT, Op.GTE]))
        value = draw(st.sampled_from(VALUES[name]))
    else:
        op, value = draw(st.sampled_from([Op.EQ, Op.NE, Op.IN])), draw(st.sampled_from(VALUES[name]))
    return Compare(fact=name, op=op, value=value)


def conditions(*, with_present: bool = False) -> st.SearchStrategy[Any]:
    base: st.SearchStrategy[Any] = comparisons()
    if with_present:
        base |= st.builds(Compare, fact=st.sampled_from(NAMES), op=st.just(Op.PRESENT))
    return st.recursive(
        base,
        lambda inner: (
            st.builds(All, all=st.lists(inner, min_size=1, max_size=3))
            | st.builds(Any_, any=st.lists(inner, min_size=1, max_size=3))
            | st.builds(lambda one: Not.model_validate({"not": one}), inner)
        ),
        max_leaves=8,
    )


@st.composite
def known(draw: st.DrawFn, names: list[str] | None = None) -> Known:
    """Facts, some of them missing, null or stale."""
    chosen = names if names is not None else draw(st.lists(st.sampled_from(NAMES), unique=True))
    made: Known = {}
    for name in chosen:
        age = draw(st.sampled_from([timedelta(0), timedelta(minutes=5)]))
        made[name] = Fact(name, draw(st.sampled_from(VALUES[name])), NOW - age, "test")
    return made


def answer(condition: Any, facts: Known) -> bool | None:
    return holds(condition, facts.get, NOW)


def negated(condition: Any) -> Not:
    return Not.model_validate({"not": condition})


# Kleene's logic


@given(st.lists(conditions(with_present=True), min_size=1, max_size=4), known())
def test_not_all_is_any_not(parts: list[Any], facts: Known) -> None:
    assert answer(negated(All(all=parts)), facts) is answer(Any_(any=list(map(negated, parts))), facts)


@given(st.lists(conditions(with_present=True), min_size=1, max_size=4), known())
def test_not_any_is_all_not(parts: list[Any], facts: Known) -> None:
    assert answer(negated(Any_(any=parts)), facts) is answer(All(all=list(map(negated, parts))), facts)


@given(conditions(with_present=True), known())
def test_not_not_is_itself(condition: Any, facts: Known) -> None:
    assert answer(negated(negated(condition)), facts) is answer(condition, facts)


@given(conditions(with_present=True), conditions(with_present=True), known())
def test_order_does_not_matter(one: Any, other: Any, facts: Known) -> None:
    assert answer(All(all=[one, other]), facts) is answer(All(all=[other, one]), facts)
    assert answer(Any_(any=[one, other]), facts) is answer(Any_(any=[other, one]), facts)


TABLE = [(True, True), (True, False), (True, None), (False, False), (False, None), (None, None)]
MADE = {
    True: Compare(fact="device.status", op=Op.EQ, value="active"),
    False: Compare(fact="device.status", op=Op.EQ, value="disabled"),
    None: Compare(fact="net.ap.status", op=Op.EQ, value="up"),
}


@pytest.mark.parametrize(("one", "other"), TABLE)
def test_the_truth_table_of_all_and_any(one: bool | None, other: bool | None) -> None:
    facts: Known = {"device.status": Fact("device.status", "active", NOW, "test")}
    every = False if False in (one, other) else None if None in (one, other) else True
    some = True if True in (one, other) else None if None in (one, other) else False
    assert answer(All(all=[MADE[one], MADE[other]]), facts) is every
    assert answer(Any_(any=[MADE[one], MADE[other]]), facts) is some


@given(conditions(), known(), known(NAMES))
def test_learning_a_fact_never_turns_an_answer_round(condition: Any, facts: Known, more: Known) -> None:
    before = answer(condition, facts)
    for name in NAMES:
        after = answer(condition, {name: more[name]} | facts)
        assert before is None or after is before


@given(conditions(), known())
def test_knowing_nothing_answers_nothing(condition: Any, facts: Known) -> None:
    stale = {name: Fact(name, fact.value, NOW - timedelta(days=500), "test") for name, fact in facts.items()}
    null = {name: Fact(name, None, NOW, "test") for name in facts}
    assert answer(condition, {}) is None
    assert answer(condition, stale) is None  # type: ignore[arg-type]
    assert answer(condition, null) is None  # type: ignore[arg-type]


@given(conditions(with_present=True), known(NAMES))
def test_knowing_everything_answers_everything(condition: Any, facts: Known) -> None:
    assert answer(condition, facts) is not None


@given(st.sampled_from(NAMES), known(), st.sampled_from([None, True, False]))
def test_presence_is_always_known(name: str, facts: Known, wanted: bool | None) -> None:
    assert answer(Compare(fact=name, op=Op.PRESENT, value=wanted), facts) is (
        (name in facts) is (wanted is not False)
    )


# Staleness


@pytest.mark.parametrize(
    ("name", "max_age", "age", "stale"),
    [
        ("net.ap.status", None, "15m", False),
        ("net.ap.status", None, "901s", True),
        ("net.ap.status", "1h", "1h", False),
        ("net.ap.status", "1m", "61s", True),
        ("device.status", None, "24h", False),
        ("device.status", None, "86401s", True),
        ("device.status", "0s", "1s", True),
        ("account.state", None, "3601s", True),
        ("policy.loaner_allowed", None, "399d", False),
    ],
)
def test_a_fact_is_good_as_long_as_the_registry_or_the_condition_says(
    name: str, max_age: str | None, age: str, stale: bool
) -> None:
    facts: Known = {name: Fact(name, "x", NOW - span(age), "test")}
    leaf = Compare(fact=name, op=Op.EQ, value="x", max_age=max_age)
    assert answer(leaf, facts) is (None if stale else True)
    assert answer(Compare(fact=name, op=Op.PRESENT, max_age=max_age), facts) is not stale


def test_an_answer_never_goes_stale() -> None:
    leaf = Compare(fact="answer.step", op=Op.EQ, value="yes", max_age="0s")
    assert answer(leaf, {"answer.step": Plain("yes")}) is True


# Operators and types


@pytest.mark.parametrize(
    ("value", "op", "wanted", "holds_"),
    [
        (1, "eq", True, False),
        (True, "eq", 1, False),
        (0, "eq", False, False),
        (True, "ne", 1, True),
        (1, "eq", 1.0, True),
        ("1", "eq", 1, False),
        (True, "in", [1, 0], False),
        (1, "in", [1, 0], True),
        ("a", "in", ["b", "a"], True),
        ("a", "in", "a", True),
        ("ab", "in", ["a"], False),
        (["a", "b"], "contains", "a", True),
        (["a", "b"], "contains", "c", False),
        ("abc", "contains", "a", False),
        ([1], "contains", True, False),
        (5, "lt", 5, False),
        (5, "lte", 5, True),
        (5, "gt", 4.9, True),
        (5, "gte", 5.1, False),
        (True, "lt", 5, None),
        ("5", "lt", 6, None),
        (5, "lt", "6", None),
        (5, "lt", [6], None),
        ("not an instant", "newer_than", "5m", None),
        ("2026-09-14T15:00:00", "newer_than", "5m", None),
        ("2026-09-14T14:58:00+00:00", "newer_than", "5m", True),
        ("2026-09-14T16:58:00+02:00", "newer_than", "5m", True),
        ("2026-09-14T14:55:00Z", "newer_than", "5m", True),
        ("2026-09-14T14:54:59Z", "newer_than", "5m", False),
        ("2026-09-14T14:54:59Z", "older_than", "5m", True),
        ("2027-01-01T00:00:00Z", "older_than", "0s", False),
        ("2026-09-14T14:58:00Z", "newer_than", "no span", None),
        ("2026-09-14T14:58:00Z", "newer_than", 5, None),
        ("0001-01-01T00:00:00+23:59", "older_than", "5m", True),
        (5, "newer_than", "5m", None),
    ],
)
def test_what_an_operator_answers(value: Any, op: str, wanted: Any, holds_: bool | None) -> None:
    leaf = Compare(fact="answer.step", op=Op(op), value=wanted)
    assert answer(leaf, {"answer.step": Plain(value)}) is holds_


@given(
    st.sampled_from(Op),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.text())
    | st.datetimes(),
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.just("5m"),
)
def test_no_value_breaks_a_comparison(op: Op, value: Any, wanted: Any) -> None:
    leaf = Compare(fact="answer.step", op=op, value=wanted)
    assert answer(leaf, {"answer.step": Plain(value)}) in (True, False, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800), ("0s", 0)]
)
def test_a_length_of_time(text: str, seconds: int) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "5w", "-5m", "1.5h", "123456s", "5m\n", "\u0665m", "5M", "PT5M"]
)
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time"):
        span(text)
    with pytest.raises(ValidationError):
        Compare(fact="device.status", op=Op.PRESENT, max_age=text)


@pytest.mark.parametrize(
    "value", ["", "2026-09-14", "14:00", "x" * 30, 5, None, True, NOW.replace(tzinfo=None)]
)
def test_what_is_no_instant(value: Any) -> None:
    assert instant(value) is None


# The form


@pytest.mark.parametrize(
    "written",
    [
        {"fact": "a.b", "op": "eq", "value": 5, "more": 1},
        {"fact": "a.b", "op": "like", "value": 5},
        {"fact": "ab", "op": "eq", "value": 5},
        {"fact": "a.b", "op": "eq", "value": float("nan")},
        {"fact": "a.b", "op": "eq", "value": float("inf")},
        {"fact": "a.b", "op": "eq", "value": 10**400},
        {"fact": "a.b", "op": "eq", "value": []},
        {"fact": "a.b", "op": "eq", "value": {"a": 1}},
        {"all": []},
        {"any": [5]},
        {"not": None},
        {"not": "a"},
        {"neither": []},
        {},
        [],
        "fact",
        None,
        5,
    ],
)
def test_what_is_no_condition_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(written)


@given(conditions(with_present=True))
def test_a_condition_is_read_as_it_is_written(condition: Any) -> None:
    assert READ.validate_python(READ.dump_python(condition, mode="json", by_alias=True)) == condition


def test_leaves_and_depth() -> None:
    made = READ.validate_python(
        {"all": [{"fact": "a.b", "op": "present"}, {"not": {"any": [{"fact": "c.d", "op": "present"}]}}]}
    )
    assert ([leaf.fact for leaf in leaves(made)], depth(made)) == (["a.b", "c.d"], 4)


# What can never be answered


@pytest.mark.parametrize(
    ("name", "op", "value", "says"),
    [
        ("device.last_seen", "eq", "2026-09-14", "is an instant; compare it with newer_than or older_than"),
        ("device.last_seen", "lt", 5, "is an instant"),
        ("device.last_seen", "newer_than", 5, "takes a length of time such as 15m"),
        ("device.last_seen", "newer_than", "soon", "takes a length of time such as 15m"),
        ("net.ap.clients", "newer_than", "5m", "newer_than is for instants"),
        ("net.ap.status", "contains", "u", "not a list; use eq or in"),
        ("net.ap.status", "gt", 5, "only numbers are ordered"),
        ("net.ap.clients", "gt", "5", "is a number; '5' is not"),
        ("net.ap.clients", "eq", True, "is a number; True is not"),
        ("device.enrolled", "eq", 1, "is a boolean; 1 is not"),
        ("device.enrolled", "eq", "yes", "is a boolean"),
        ("device.model", "eq", 5, "is a text; 5 is not"),
        ("net.ap.status", "eq", "Up", "is one of up, down, never 'Up'"),
        ("net.ap.status", "in", ["up", "off"], "never 'off'"),
        ("net.ap.status", "eq", ["up", "down"], "takes one value, not a list; use in"),
        ("net.ap.clients", "lt", [5], "takes one value, not a list; use in"),
        ("net.ap.status", "eq", None, "takes a value"),
        ("net.ap.status", "present", "up", "present takes no value"),
    ],
)
def test_a_comparison_that_can_never_be_answered_says_why(name: str, op: str, value: Any, says: str) -> None:
    assert says in (misfit(Compare(fact=name, op=Op(op), value=value)) or "")


@given(comparisons())
def test_a_comparison_that_fits_has_nothing_wrong(leaf: Compare) -> None:
    assert misfit(leaf) is None


@given(
    st.sampled_from(Op), st.sampled_from(sorted(FACTS)), st.integers() | st.booleans() | st.text() | st.none()
)
def test_whatever_fits_is_answered_when_the_fact_is_there(op: Op, name: str, value: Any) -> None:
    try:
        leaf = Compare(fact=name, op=op, value=value)
    except ValidationError:
        return
    if misfit(leaf) is None:
        a_value: Any = {
            FactType.TEXT: (*FACTS[name].choices, "word")[0],
            FactType.NUMBER: 5,
            FactType.BOOLEAN: True,
            FactType.INSTANT: NOW.isoformat(),
        }[FACTS[name].type]
        assert answer(leaf, {name: Fact(name, a_value, NOW, "test")}) is not None


def test_every_fact_has_words_in_both_languages_and_a_good_name() -> None:
    for name, fact in FACTS.items():
        assert all(fact.label[language] for language in ("en", "es"))
        assert Compare(fact=name, op=Op.PRESENT).fact == name
        assert not fact.choices or fact.type is FactType.TEXT
