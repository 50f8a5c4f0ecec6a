"""Life cycle, priority and routing: the rules without a database."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.traits import TRAITS, fits
from service.tickets.lifecycle import MOVES, OPEN_STATUSES, Status, WrongStatus, is_open, moved
from service.tickets.priority import DEFAULT_MATRIX, Impact, Priority, Urgency, priority_of
from service.tickets.routing import Rule, queue_for

words = st.sampled_from(["a", "b", "a.b", "a.b.c", "ab"])
traits = st.dictionaries(st.sampled_from(TRAITS), st.none() | words)
conditions = st.dictionaries(st.sampled_from(TRAITS), st.lists(words, min_size=1, max_size=3))
rules = st.lists(st.builds(Rule, conditions, st.integers(1, 9)), max_size=5)


def test_every_status_can_be_left_and_reached() -> None:
    reached = set().union(*MOVES.values())
    assert set(MOVES) == set(Status) == reached


def test_open_statuses_have_the_codes_that_the_indexes_say() -> None:
    codes = {status: code for code, status in enumerate(Status, start=1)}
    assert {status for status, code in codes.items() if code < 5} == OPEN_STATUSES


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_a_ticket_moves_where_it_may_and_is_refused_elsewhere(status: Status, to: Status) -> None:
    if to in MOVES[status]:
        assert moved(status, to=to) is to
    else:
        with pytest.raises(WrongStatus, match="already" if status is to else "cannot become"):
            moved(status, to=to)


@given(st.lists(st.sampled_from(Status), max_size=30))
def test_only_reopening_leads_from_finished_to_open(steps: list[Status]) -> None:
    status, walked = Status.NEW, [Status.NEW]
    for step in steps:
        if step in MOVES[status]:
            status = moved(status, to=step)
            walked.append(status)
    for before, after in pairwise(walked):
        if not is_open(before) and is_open(after):
            assert after in (Status.NEW, Status.IN_PROGRESS)


def test_the_default_matrix_is_the_districts_one() -> None:
    rows = {
        Urgency.CRITICAL_SERVICE_DOWN: "1112",
        Urgency.CANNOT_WORK: "1112",
        Urgency.WORKAROUND: "2223",
        Urgency.WOULD_HELP: "3334",
    }
    for urgency, row in rows.items():
        for impact, digit in zip(Impact, row, strict=True):
            assert DEFAULT_MATRIX[impact, urgency] == f"P{digit}"


@given(st.sampled_from(Urgency))
def test_a_wider_impact_is_never_less_urgent(urgency: Urgency) -> None:
    along = [DEFAULT_MATRIX[impact, urgency] for impact in Impact]
    assert along == sorted(along)


@given(st.sampled_from(Impact), st.sampled_from(Urgency), st.sampled_from(Priority))
def test_a_districts_own_cell_wins(impact: Impact, urgency: Urgency, priority: Priority) -> None:
    assert priority_of(impact, urgency, {(impact, urgency): priority}) is priority
    assert priority_of(impact, urgency, {}) is DEFAULT_MATRIX[impact, urgency]


@given(rules, traits)
def test_the_first_rule_that_fits_decides(chain: list[Rule], seen: dict[str, str | None]) -> None:
    fitting = [rule.queue_id for rule in chain if fits(rule.conditions, seen)]
    assert queue_for(seen, chain, default=0) == (fitting[0] if fitting else 0)


@given(traits)
def test_no_conditions_fit_everything_and_missing_traits_fit_none(seen: dict[str, str | None]) -> None:
    assert fits({}, seen)
    assert not fits({"kind": ["incident"]}, seen | {"kind": None})


def test_a_category_takes_what_lies_under_it_and_not_its_namesakes() -> None:
    assert fits({"category": ["device"]}, {"category": "device.screen"})
    assert fits({"category": ["device"]}, {"category": "device"})
    assert not fits({"category": ["device"]}, {"category": "devices"})
