"""How runs move: every kind of step and every stage, and random events on the playbooks that come along."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.playbooks.answers import DoesNotFit
from service.playbooks.conditions import span
from service.playbooks.facts import FACTS, FactType
from service.playbooks.grammar import MOST_VISITS, Book
from service.playbooks.library import books, shipped
from service.playbooks.state import (
    Answer,
    Back,
    Cancel,
    Decide,
    HandedOver,
    HandOver,
    Look,
    Perform,
    Refresh,
    Replied,
    Result,
    Skip,
    TakeOver,
    WantsTechnician,
    state_from,
    to_json,
)
from service.playbooks.traversal import CannotMove, advance, frames_to, step_of, wakes_at
from tests.playing import NOON, Run, book, dedented, part

TWO = book(
    """
    first:
      question: single
      text: {en: Is it on}
      options:
        - {value: yes, label: {en: "Yes"}, next: second}
        - {value: no, label: {en: "No"}, next: over}
    second: {info: {en: Press it}, done: good, didnt_help: over}
    """
)
YES_NO = """
    {name}:
      question: single
      text: {{en: Well}}
      options:
        - {{value: yes, label: {{en: "Yes"}}, next: {yes}}}
        - {{value: no, label: {{en: "No"}}, next: {no}}}
"""


def asks(name: str, yes: str, no: str = "over", *, more: str = "") -> str:
    return dedented(YES_NO.format(name=name, yes=yes, no=no)) + more


def acts(more: str = "", *, risk: str = "R2", ok: str = "good", name: str = "act") -> str:
    """A restart, or with R3 a wipe, with whatever else is said of it."""
    command = {"R2": "restart", "R3": "wipe"}.get(risk, "sync")
    return dedented(f"""
    {name}:
      action: device.command
      text: {{en: We do it}}
      with: {{command: {command}}}
      risk: {risk}
      ok: {ok}
      {more}
    """)


def cannot(code: str) -> Any:
    """The context in which an event must be refused with this code."""
    return pytest.raises(CannotMove, check=lambda error: error.code == code)


# Questions


def test_an_answer_leads_where_its_option_says() -> None:
    assert Run(TWO).says("yes").at == ("second", "asking")
    assert Run(TWO).says("no").at == ("over", "handed_over")


def test_an_end_gives_the_code_and_a_handoff_its_queue() -> None:
    ended = Run(TWO).says("yes").says("done")
    assert ended.at == ("good", "ended")
    assert ended.state.code == {"cause": "other", "fix": "none", "outcome": "solved_confirmed"}
    assert Run(TWO).says("no").made.effects == (HandedOver("network"),)


@pytest.mark.parametrize("way", ["dont_know", "cannot"])
def test_not_knowing_and_not_being_able_to_lead_to_the_way_out(way: str) -> None:
    assert Run(TWO).way(way).at == ("over", "handed_over")


def test_without_a_way_out_the_owner_gets_it() -> None:
    run = Run(book(asks("first", "good"), more="")).way("dont_know")
    assert run.at == ("first", "handed_over")
    assert run.made.effects == (HandedOver("desk"),)
    assert run.state.why == "there is no way on from first"


def test_a_question_that_cannot_be_done_goes_where_not_knowing_leads() -> None:
    run = Run(book(asks("first", "good", more="\n  dont_know: good")))
    assert run.way("cannot").state.visits[0].edge == "cannot"
    assert run.at == ("good", "ended")


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("text", ["", "  ", "a\x00b", "\ud800", "x" * 2001, 5, None, ["a"], True]),
        ("number", ["5", True, None, float("nan"), float("inf"), 10**400, -(10**400), 0, 11, [3]]),
        ("photo", ["a", [], [""], ["a", "a"], ["x" * 65], list("abcdef"), [1], None, [["a"]], ["\ud800"]]),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_a_sentence(kind: str, bad: list[Any]) -> None:
    limits = "minimum: 1\n      maximum: 10" if kind == "number" else ""
    of = book(f"""
    first:
      question: {kind}
      text: {{en: Say}}
      next: good
      {limits}
    """)
    for value in bad:
        with pytest.raises(DoesNotFit) as refusal:
            Run(of).says(value)
        assert refusal.value.said("es") != refusal.value.said("en") != ""


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("text", " it hums ", "it hums"),
        ("number", 2.5, 2.5),
        ("number", 7, 7),
        ("photo", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_fitting_answer_is_kept(kind: str, value: Any, kept: Any) -> None:
    run = Run(book(f"first: {{question: {kind}, text: {{en: Say}}, next: good}}")).says(value)
    assert run.state.answers == {"first": kept}


def test_of_several_choices_the_first_with_a_way_of_its_own_decides() -> None:
    of = book("""
    first:
      question: multi
      text: {en: Which}
      options:
        - {value: a, label: {en: A}}
        - {value: b, label: {en: B}, next: over}
      next: good
    """)
    assert Run(of).says(["a"]).at[0] == "good"
    assert Run(of).says(["b", "a"]).at[0] == "over"
    assert Run(of).says(["b", "a"]).state.answers["first"] == ["a", "b"]
    for bad in ([], ["c"], "a", [["a"]], {"a": 1}, None):
        with pytest.raises(DoesNotFit):
            Run(of).says(bad)


def test_only_what_may_be_left_out_can_be() -> None:
    of = book("first: {question: photo, text: {en: Show}, optional: true, next: good}")
    assert Run(of).way("left_out").at == ("good", "ended")
    with pytest.raises(DoesNotFit, match="cannot be left out"):
        Run(TWO).way("left_out")


# Twice, late, elsewhere


def test_a_double_tap_changes_nothing() -> None:
    run = Run(TWO).says("yes")
    before = run.made.state
    again = run.says("yes", path="first")
    assert again.state is before
    assert (again.made.log, again.made.effects) == ((), ())


def test_a_double_tap_on_not_knowing_changes_nothing() -> None:
    run = Run(book(asks("first", "good", more="\n  dont_know: second"), asks("second", "good")))
    run.way("dont_know")
    before = run.state
    assert run.does(Answer("first", way="dont_know")).state is before
    with cannot("answered_already"):
        run.does(Answer("first", way="cannot"))


def test_another_answer_to_a_step_that_was_left_is_refused() -> None:
    run = Run(TWO).says("yes")
    for event in (Answer("first", "no"), Answer("first", 5), Answer("first", way="cannot"), Answer("first")):
        with cannot("answered_already"):
            run.does(event)


@pytest.mark.parametrize("path", ["second", "good", "nowhere", "", "first.first", "first."])
def test_an_answer_to_a_step_where_the_run_is_not_is_refused(path: str) -> None:
    with cannot("another_step"):
        Run(TWO).does(Answer(path, "yes"))
    with cannot("another_step"):
        Run(TWO).does(Skip(path, "why"))


# Going back


def test_back_forgets_the_answer_and_everything_after_it() -> None:
    of = book(asks("first", "second"), asks("second", "third"), "third: {info: {en: Look}, done: good}")
    run = Run(of).says("yes").says("yes").back()
    assert (run.at, run.path, run.state.answers) == (
        ("second", "asking"),
        ["first", "second"],
        {"first": "yes"},
    )
    run.back()
    assert (run.at, run.path, run.state.answers) == (("first", "asking"), ["first"], {})
    with cannot("nothing_before"):
        run.back()
    assert run.says("no").at == ("over", "handed_over")


def test_going_back_looks_at_the_facts_anew() -> None:
    of = book(
        asks("first", "look"),
        """
    look: {check: {fact: net.ap.status, op: eq, value: up}, "true": second, "false": third, unknown: third}
    """,
        asks("second", "good"),
        asks("third", "good"),
    )
    run = Run(of).says("yes")
    assert run.at[0] == "third"
    run.back().knows({"net.ap.status": "up"}).says("yes")
    assert (run.at[0], run.path) == ("second", ["first", "look", "second"])


PART = part(
    "a-part",
    asks("inner", "deep", "none"),
    """
    deep: {info: {en: Do it}, done: some, didnt_help: none}
    some: {end: {returns: some}}
    none: {end: {returns: none}}
    """,
    start="inner",
)
CALLING = book(
    asks("first", "call"),
    "call: {call: a-part, returns: {some: last, none: last}}\n",
    asks("last", "branch"),
    """
    branch: {branch: [{if: {fact: out.call, op: eq, value: some}, next: good}], default: over}
    """,
    PART,
)


def test_a_part_is_gone_through_and_its_return_is_known() -> None:
    run = Run(CALLING).says("yes").says("yes")
    assert run.at == ("call.deep", "asking")
    run.says("done").says("yes")
    assert run.at == ("good", "ended")
    assert run.state.outs == {"call": "some"}
    assert run.path == ["first", "call", "call.inner", "call.deep", "call.some", "last", "branch", "good"]


def test_back_goes_into_a_part_through_it_and_out_of_it() -> None:
    run = Run(CALLING).says("yes").says("yes").says("done").back()
    assert (run.at, run.state.outs) == (("call.deep", "asking"), {})
    assert run.state.visits[1].left_at is None
    assert run.back().at == ("call.inner", "asking")
    assert run.back().at == ("first", "asking")
    assert (run.path, run.state.answers) == (["first"], {})
    run.says("yes").says("no").says("yes")
    assert (run.at, run.state.outs) == (("over", "handed_over"), {"call": "none"})


def test_answers_of_a_part_are_named_by_the_way_to_it() -> None:
    run = Run(CALLING).says("yes").says("yes")
    assert run.state.answers == {"first": "yes", "call.inner": "yes"}


@pytest.mark.parametrize("state", ["ok", "failed", None])
def test_nobody_goes_back_past_what_was_done(state: str | None) -> None:
    of = book(
        asks("first", "act"), acts("on_timeout: second", risk="R1", ok="second"), asks("second", "good")
    )
    run = Run(of).says("yes")
    assert run.at == ("act", "acting")
    if state is None:
        run.after(minutes=11)
        assert run.at == ("second", "asking")
    elif state == "ok":
        run.comes(state)
    with cannot("already_done"):
        run.back()
    assert not run.card().can_go_back


def test_one_may_go_back_past_what_only_reads_and_it_is_asked_for_anew() -> None:
    of = book(
        asks("first", "act"),
        "act: {action: fact.refresh, text: {en: Look}, risk: R0, ok: second}\n",
        asks("second", "good"),
    )
    run = Run(of).says("yes")
    assert run.performed[0].attempt == 1
    run.back().says("yes")
    assert run.performed[0].attempt == 2
    run.comes("ok", attempt=1)
    assert run.at == ("act", "acting")
    assert run.comes("ok").at == ("second", "asking")


def test_one_may_go_back_past_a_restart_that_was_declined() -> None:
    of = book(asks("first", "act"), acts("refused: second"), asks("second", "good"))
    run = Run(of).says("yes").says("no")
    assert run.back().at == ("first", "asking")


def test_nobody_goes_back_past_the_word_of_an_approver() -> None:
    step = "agree: {approval: {role: lead}, text: {en: May we}, approved: second, refused: second}\n"
    of = book(asks("first", "agree"), step, asks("second", "good"))
    waiting = Run(of).says("yes")
    assert waiting.at == ("agree", "approval")
    assert waiting.back().at == ("first", "asking")
    for approved in (True, False):
        with cannot("already_done"):
            Run(of).says("yes").decides(approved, 1).back()


def test_nobody_goes_back_past_the_first_of_two_approvals_of_an_action() -> None:
    of = book(asks("first", "act"), acts("approval: {role: lead, count: 2}", risk="R3"))
    run = Run(of).says("yes").decides(True, 1)
    with cannot("already_done"):
        run.back()


def test_only_a_technician_goes_back_in_a_run_that_was_taken_over() -> None:
    run = Run(TWO).says("yes").is_taken()
    with cannot("for_technician"):
        run.back()
    assert run.back(by="technician").at == ("first", "asking")


def test_a_requester_does_not_go_back_to_a_technicians_step() -> None:
    run = Run(book(asks("first", "second", more="\n  audience: technician"), asks("second", "good")))
    run.says("yes", by="technician")
    with cannot("for_technician"):
        run.back()


def test_a_card_offers_to_go_back_only_where_one_can() -> None:
    of = book(
        'first: {check: {fact: net.ap.status, op: present}, "true": second, "false": second, unknown: over}',
        asks("second", "third"),
        asks("third", "good"),
    )
    run = Run(of)
    assert not run.card().can_go_back
    assert run.says("yes").card().can_go_back
    assert not run.says("yes").card().can_go_back


# Skipping


def test_what_is_not_relevant_goes_where_not_knowing_leads_with_its_reason() -> None:
    run = Run(TWO).skips("it has no light")
    assert run.at == ("over", "handed_over")
    assert run.made.log[0].detail == {"reason": "it has no light", "by": "requester"}
    assert (run.made.log[0].kind, run.state.answers) == ("not_relevant", {})


def test_an_instruction_that_is_not_relevant_did_not_help() -> None:
    run = Run(TWO).says("yes").skips("no such key")
    assert run.state.visits[1].edge == "didnt_help"


def test_not_knowing_of_an_instruction_is_not_being_able_to() -> None:
    run = Run(TWO).says("yes").way("dont_know")
    assert run.state.visits[1].edge == "cannot"
    before = run.state
    with cannot("answered_already"):
        run.does(Answer("second", "done"))
    assert run.does(Answer("second", way="dont_know")).state is before


# Checks and branches

CHECK = """first:
  check: {fact: net.ap.status, op: eq, value: up}
  "true": good
  "false": over
  unknown: second
"""


@pytest.mark.parametrize(("value", "to"), [("up", "good"), ("down", "over"), (None, "second")])
def test_a_check_has_three_ways(value: str | None, to: str) -> None:
    facts = {"net.ap.status": value} if value else {}
    assert Run(book(CHECK, asks("second", "good")), facts=facts).at[0] == to


def test_what_a_check_read_is_written_down_with_its_age_and_source() -> None:
    run = Run(book(CHECK, asks("second", "good")), facts={"net.ap.status": "up"})
    read = next(one for one in run.log if one.kind == "fact_read")
    assert read.detail == {"facts": {"net.ap.status": ["up", NOON.isoformat(), "test"]}, "answer": True}


def test_the_first_case_that_holds_decides_and_not_known_is_none() -> None:
    of = book("""
    first:
      branch:
        - {if: {fact: net.ap.clients, op: gt, value: 30}, next: over}
        - {if: {fact: net.ap.status, op: eq, value: up}, next: good}
      default: way
    way: {info: {en: Wait}, done: good}
    """)
    assert Run(of).at[0] == "way"
    assert Run(of, facts={"net.ap.status": "up"}).at[0] == "good"
    assert Run(of, facts={"net.ap.status": "up", "net.ap.clients": 31}).at[0] == "over"


FRESH = book(CHECK + "  fresh: 30s", asks("second", "good"))


def test_a_stale_fact_is_asked_for_and_waited_for() -> None:
    run = Run(FRESH)
    assert (run.at, run.made.effects) == (("first", "freshening"), (Refresh(("net.ap.status",)),))
    assert run.state.until == NOON + timedelta(seconds=30)
    assert run.after(seconds=5).at == ("first", "freshening")
    assert run.made.log == ()
    assert run.knows({"net.ap.status": "up"}).after(seconds=1).at == ("good", "ended")


def test_what_does_not_come_in_time_is_unknown() -> None:
    run = Run(FRESH).after(seconds=30)
    assert (run.at, run.state.visits[0].edge) == (("second", "asking"), "unknown")


def test_a_no_is_asked_anew_before_it_is_believed() -> None:
    run = Run(book(asks("look", "first"), CHECK + "  fresh: 30s", asks("second", "good"), start="look"))
    run.knows({"net.ap.status": "down"}, age=timedelta(minutes=1)).says("yes")
    assert run.at == ("first", "freshening")
    assert run.after(seconds=5).at == ("first", "freshening")
    run.knows({"net.ap.clients": 5}).after(seconds=1)
    assert run.at == ("first", "freshening")
    run.knows({"net.ap.status": "down"}).after(seconds=1)
    assert (run.at, run.state.visits[1].edge) == (("over", "handed_over"), "false")


def test_a_no_that_nobody_reads_anew_in_time_is_believed() -> None:
    run = Run(FRESH, facts={"net.ap.status": "down"}).after(seconds=30)
    assert (run.at, run.state.visits[0].edge) == (("over", "handed_over"), "false")


def test_what_nobody_can_read_is_not_waited_for() -> None:
    of = book(
        'first: {check: {fact: policy.loaner_allowed, op: eq, value: true}, fresh: 30s, "true": good,'
        ' "false": over, unknown: over}'
    )
    assert Run(of).at == ("over", "handed_over")


# Actions


def test_a_restart_in_session_wants_the_persons_yes() -> None:
    run = Run(book(acts(name="first")))
    assert (run.at, run.performed) == (("first", "consent"), [])
    run.says("yes")
    assert run.at == ("first", "acting")
    assert run.performed == [Perform("first", 1, "device.command", {"command": "restart"}, "R2")]
    assert run.comes("ok").at == ("good", "ended")


def test_out_of_session_nobody_is_asked() -> None:
    of = book(acts(name="first"))
    assert Run(of, facts={"class.in_session": False}).at == ("first", "acting")
    assert Run(of, facts={"class.in_session": True}).at == ("first", "consent")


def test_what_was_known_of_the_session_an_hour_ago_does_not_spare_the_question() -> None:
    of = book(asks("first", "act"), acts())
    run = Run(of, facts={"class.in_session": False})
    run.now += timedelta(hours=1)
    assert run.says("yes").at == ("act", "consent")


@pytest.mark.parametrize("risk", ["R2", "R3"])
def test_nothing_that_interrupts_is_done_in_a_testing_window(risk: str) -> None:
    approval = "approval: {role: lead}" if risk == "R3" else ""
    run = Run(book(acts(approval, risk=risk, name="first")), facts={"school.testing": True})
    assert (run.at, run.performed) == (("over", "handed_over"), [])
    assert next(e for e in run.log if e.kind == "action_refused").detail == {"why": "testing"}


def test_a_testing_window_that_begins_before_the_yes_refuses_all_the_same() -> None:
    run = Run(book(acts("refused: good", name="first"))).knows({"school.testing": True}).says("yes")
    assert (run.at, run.performed) == (("good", "ended"), [])


def test_a_testing_window_that_begins_before_the_approval_refuses_all_the_same() -> None:
    run = Run(book(acts("approval: {role: lead}", risk="R3", name="first")))
    assert run.at == ("first", "approval")
    run.knows({"school.testing": True}).decides(True, 1)
    assert (run.at, run.performed) == (("over", "handed_over"), [])


def test_a_testing_window_that_begins_before_the_second_try_refuses_it() -> None:
    run = Run(book(acts("retry: 2", name="first"))).says("yes").knows({"school.testing": True}).comes("error")
    assert (run.at, run.performed) == (("over", "handed_over"), [])


def test_what_changes_nothing_is_done_in_a_testing_window() -> None:
    assert Run(book(acts(risk="R1", name="first")), facts={"school.testing": True}).at == ("first", "acting")


def test_a_precondition_that_is_not_known_to_hold_refuses() -> None:
    of = book(acts("requires: {fact: net.ap.status, op: eq, value: up}", name="first"))
    assert Run(of).at == ("over", "handed_over")
    assert Run(of, facts={"net.ap.status": "up"}).at == ("first", "consent")


def test_a_no_is_no_and_a_double_tap_on_it_nothing() -> None:
    run = Run(book(acts("refused: second", name="first"), asks("second", "good"))).says("no")
    assert (run.at, run.performed) == (("second", "asking"), [])
    before = run.state
    assert run.says("no", path="first").state is before
    with cannot("answered_already"):
        run.says("yes", path="first")


def test_a_yes_twice_does_it_once_and_a_no_after_it_is_refused() -> None:
    run = Run(book(acts(ok="second", name="first"), asks("second", "good"))).says("yes")
    assert run.says("yes").performed == []
    with cannot("another_step"):
        run.says("no")
    run.comes("ok")
    assert run.says("yes", path="first").at == ("second", "asking")
    with cannot("answered_already"):
        run.says("no", path="first")


@pytest.mark.parametrize("value", ["maybe", None, True, ["yes"], 1])
def test_consent_is_yes_or_no(value: Any) -> None:
    with pytest.raises(DoesNotFit):
        Run(book(acts(name="first"))).says(value)


def test_an_error_is_tried_again_as_often_as_it_says() -> None:
    run = Run(book(acts("retry: 1\n      failed: second", risk="R1", name="first"), asks("second", "good")))
    run.comes("error")
    assert (run.at, run.performed[0].attempt) == (("first", "acting"), 2)
    assert run.comes("ok", attempt=1).at == ("first", "acting")
    assert run.comes("error").at == ("second", "asking")


@pytest.mark.parametrize("state", ["failed", "unsupported", "expired", "refused", "nonsense", ""])
def test_only_an_error_is_tried_again(state: str) -> None:
    run = Run(book(acts("retry: 2\n      failed: good", risk="R1", name="first"))).comes(state)
    assert (run.at, run.performed) == (("good", "ended"), [])


def test_what_is_never_heard_of_again_is_not_tried_again() -> None:
    run = Run(
        book(acts("retry: 2\n      on_timeout: second", risk="R1", name="first"), asks("second", "good"))
    )
    run.after(minutes=10)
    assert (run.at, run.performed) == (("second", "asking"), [])
    before = run.state
    assert run.comes("ok", path="first", attempt=1).state is before


def test_a_result_twice_or_of_another_step_is_ignored() -> None:
    run = Run(book(acts(risk="R1", name="first", ok="second"), asks("second", "good")))
    before = run.state
    assert run.comes("ok", path="second", attempt=1).state is before
    assert run.comes("ok", attempt=7).state is before
    run.comes("ok")
    after = run.state
    assert run.comes("failed", path="first", attempt=1).state is after


VERIFY = "verify: {check: {fact: device.last_seen, op: newer_than, value: 1m, max_age: 1m}, within: 5m}"


def test_an_action_is_ok_when_its_after_check_holds() -> None:
    run = Run(book(acts(VERIFY, risk="R1", name="first"))).comes("ok")
    assert (run.at, run.made.effects) == (("first", "verifying"), (Refresh(("device.last_seen",)),))
    assert run.after(minutes=1).at == ("first", "verifying")
    run.knows({"device.last_seen": run.now.isoformat()}).after(seconds=1)
    assert run.at == ("good", "ended")


def test_what_was_so_before_an_action_says_nothing_of_what_came_of_it() -> None:
    run = Run(book(acts(VERIFY, name="first")), facts={"device.last_seen": NOON.isoformat()})
    run.now += timedelta(seconds=20)
    assert run.says("yes").comes("ok").at == ("first", "verifying")
    assert run.after(seconds=1).at == ("first", "verifying")
    run.knows({"device.last_seen": run.now.isoformat()})
    assert run.after(seconds=1).at == ("good", "ended")


def test_what_is_known_right_after_an_action_is_enough() -> None:
    run = Run(book(acts(VERIFY, risk="R1", name="first")))
    run.now += timedelta(seconds=20)
    run.knows({"device.last_seen": run.now.isoformat()}).comes("ok")
    assert run.at == ("good", "ended")


def test_an_action_whose_after_check_never_holds_has_failed() -> None:
    run = Run(book(acts(VERIFY + "\n      failed: second", risk="R1", name="first"), asks("second", "good")))
    assert run.comes("unverifiable").after(minutes=5).at == ("second", "asking")
    assert run.state.visits[0].edge == "failed"


# Approvals


def test_a_wipe_wants_as_many_people_as_it_says() -> None:
    run = Run(book(acts("approval: {role: lead, count: 2}", risk="R3", name="first")))
    assert run.decides(True, 1).at == ("first", "approval")
    with cannot("decided_already"):
        run.decides(True, 1)
    with cannot("decided_already"):
        run.decides(False, 1)
    run.decides(True, 2)
    assert (run.at, run.performed[0].verb) == (("first", "acting"), "device.command")


def test_one_no_is_enough() -> None:
    run = Run(book(acts("approval: {role: lead, count: 2}\n      refused: good", risk="R3", name="first")))
    run.decides(True, 1).decides(False, 2)
    assert (run.at, run.performed) == (("good", "ended"), [])


def test_a_wipe_after_an_approval_step_needs_no_other() -> None:
    step = "first: {approval: {role: admin}, text: {en: May we}, approved: act, refused: over}\n"
    run = Run(book(step, acts(risk="R3"))).decides(True, 1)
    assert run.at == ("act", "acting")


def test_a_wipe_is_never_done_on_the_refused_side_of_an_approval() -> None:
    step = "first: {approval: {role: admin, count: 2}, text: {en: May we}, approved: good, refused: act}\n"
    run = Run(book(step, acts(risk="R3"))).decides(True, 1).decides(False, 2)
    assert (run.at, run.performed) == (("over", "handed_over"), [])


def test_the_approval_of_one_wipe_is_not_the_approval_of_another() -> None:
    first = acts("approval: {role: lead}\n      failed: act", risk="R3", name="first", ok="act")
    run = Run(book(first, acts(risk="R3"))).decides(True, 1).comes("ok")
    assert (run.at, run.performed) == (("over", "handed_over"), [])


def test_nothing_waits_for_an_approval_elsewhere() -> None:
    with cannot("no_approval_asked"):
        Run(TWO).decides(True, 1)


def test_an_approval_that_nobody_gives_times_out() -> None:
    of = book("first: {approval: {role: lead, timeout: 2h}, text: {en: May we}, approved: good}")
    assert Run(of).after(hours=2).state.visits[0].edge == "timeout"


# Waits


def test_a_wait_for_a_time_goes_on_after_it() -> None:
    run = Run(book("first: {wait: {for: 30m}, text: {en: Wait}, done: good}"))
    assert run.after(minutes=29).at == ("first", "waiting")
    assert run.after(minutes=1).at == ("good", "ended")


UNTIL = book(
    "first: {wait: {for: 30m, until: {fact: net.ap.status, op: eq, value: up}}, text: {en: Wait},"
    " done: good, timed_out: over}"
)


def test_a_wait_until_goes_on_when_it_holds() -> None:
    run = Run(UNTIL)
    assert (run.at, run.made.effects) == (("first", "waiting"), (Refresh(("net.ap.status",)),))
    assert run.knows({"net.ap.status": "up"}).after(minutes=1).at == ("good", "ended")
    assert Run(UNTIL, facts={"net.ap.status": "up"}).at == ("good", "ended")


def test_a_wait_until_gives_up_in_time() -> None:
    assert Run(UNTIL, facts={"net.ap.status": "down"}).after(minutes=30).at == ("over", "handed_over")


def test_a_wait_for_a_reply_goes_on_with_it() -> None:
    of = book("first: {wait: {for: 2d, reply: true}, text: {en: Write}, done: good, timed_out: over}")
    assert Run(of).replies().at == ("good", "ended")
    assert Run(of).after(days=2).at == ("over", "handed_over")
    assert Run(UNTIL).replies().at == ("first", "waiting")


# Time and limits


def test_a_question_that_nobody_answers_times_out() -> None:
    run = Run(book(asks("first", "good", more="\n  timeout: 1h\n  on_timeout: good")))
    assert run.after(minutes=59).made.log == ()
    assert run.after(minutes=1).state.visits[0].edge == "timeout"
    assert run.at == ("good", "ended")


def test_consent_that_nobody_gives_does_nothing() -> None:
    run = Run(book(acts("on_timeout: good", name="first"))).after(hours=24)
    assert (run.at, run.performed) == (("good", "ended"), [])


def test_a_run_that_is_too_old_is_handed_over_and_not_taken_up_again() -> None:
    of = book(asks("first", "good", more="\n  timeout: 9d"), more="way_out: over\nlife: 7d")
    run = Run(of)
    assert wakes_at(of, run.state) == NOON + timedelta(days=7)
    run.after(days=7)
    assert (run.at, run.state.why) == (("first", "handed_over"), "this run is too old")
    with cannot("too_old"):
        run.is_taken()


def test_a_run_of_too_many_steps_is_handed_over() -> None:
    steps = "".join(
        f"s{n}: {{branch: [{{if: {{fact: net.ap.status, op: present}}, next: over}}], default: s{n + 1}}}\n"
        for n in range(70)
    )
    run = Run(book(f"{steps}s70: {{info: {{en: Far}}, done: good}}", start="s0"))
    assert (run.state.stage.value, len(run.path)) == ("handed_over", MOST_VISITS)
    assert run.state.why == "this run had too many steps"
    assert run.made.effects == (HandedOver("desk"),)


def test_parts_that_call_each_other_for_ever_are_stopped() -> None:
    ping = part("ping", "first: {call: pong, returns: {x: done}}\ndone: {end: {returns: x}}")
    pong = part("pong", "first: {call: ping, returns: {x: done}}\ndone: {end: {returns: x}}")
    run = Run(book("first: {call: ping, returns: {x: good}}", ping, pong))
    assert run.state.why == "parts call each other too deeply"


# Ends from outside


def test_a_person_may_hand_over_at_any_time() -> None:
    run = Run(TWO).says("yes").gives_up("the bell rings")
    assert (run.at, run.state.why) == (("second", "handed_over"), "the bell rings")
    assert run.made.effects == (HandedOver("desk"),)


def test_a_technician_goes_on_from_the_step_that_was_asked_last() -> None:
    run = Run(TWO).says("yes").gives_up().is_taken()
    assert (run.at, run.state.asked_of) == (("second", "asking"), "technician")
    assert (run.state.answers, run.state.code, run.state.why) == ({"first": "yes"}, {}, None)
    with cannot("for_technician"):
        run.says("done")
    assert run.says("done", by="technician").at == ("good", "ended")


def test_a_technician_takes_over_a_run_where_it_is() -> None:
    run = Run(TWO).is_taken()
    assert (run.at, run.state.asked_of) == (("first", "asking"), "technician")


def test_a_wipe_is_not_repeated_by_taking_over() -> None:
    of = book(asks("first", "act"), acts("approval: {role: lead}\n      failed: over", risk="R3"))
    for event in (Result("act", 1, "failed"), HandOver("no time")):
        run = Run(of).says("yes").decides(True, 1).does(event)
        assert run.state.stage.value == "handed_over"
        with cannot("already_done"):
            run.is_taken()


def test_a_no_of_an_approver_is_asked_for_again_after_taking_over() -> None:
    step = "agree: {approval: {role: lead}, text: {en: May we}, approved: good, refused: over}"
    run = Run(book(asks("first", "agree"), step)).says("yes").decides(False, 1).is_taken()
    assert (run.at, run.state.decisions) == (("first", "asking"), ())
    assert run.says("yes", by="technician").decides(True, 1).at == ("good", "ended")


def test_what_was_done_is_done_under_another_number_after_taking_over() -> None:
    of = book(asks("first", "act"), acts("failed: over", risk="R1"))
    run = Run(of).says("yes").gives_up().is_taken().says("yes", by="technician")
    assert run.performed[0].attempt == 2
    assert run.comes("ok", attempt=1).at == ("act", "acting")


def test_where_nothing_was_asked_there_is_nothing_to_go_on_from() -> None:
    with cannot("nothing_before"):
        Run(book(CHECK, asks("second", "good")), facts={"net.ap.status": "down"}).is_taken()


@pytest.mark.parametrize("end", ["ended", "handed_over", "cancelled"])
def test_a_finished_run_never_moves(end: str) -> None:
    run = Run(TWO).says("yes")
    {"ended": lambda: run.says("done"), "handed_over": run.gives_up, "cancelled": run.is_cancelled}[end]()
    assert run.state.stage.value == end
    before = run.state
    for event in (Back(), HandOver("x"), Cancel("x"), Decide(True, "x", 1), Skip("second", "x")):
        with pytest.raises(CannotMove):
            run.does(event)
    for event in (Look(), Replied(), Result("second", 1, "ok")):
        assert run.does(event).state is before
    if end != "handed_over":
        with cannot("finished"):
            run.is_taken()
    assert wakes_at(TWO, run.state) is None


def test_a_step_for_a_technician_asks_for_one() -> None:
    of = book(asks("first", "good", more="\n  audience: technician"))
    run = Run(of)
    assert run.made.effects == (WantsTechnician(),)
    with cannot("for_technician"):
        run.says("yes")
    assert run.says("yes", by="technician").at == ("good", "ended")
    assert Run(of, asked_of="technician").made.effects == ()


# Dry runs

DRY = book(
    acts("approval: {role: lead}", risk="R3", name="first", ok="agree"),
    "agree: {approval: {role: lead}, text: {en: May we}, approved: second}\n",
    acts(risk="R3", name="second", ok="third"),
    acts(risk="R2", name="third", ok="look"),
    'look: {check: {fact: net.ap.status, op: eq, value: up}, fresh: 30s, "true": over, "false": over, '
    "unknown: pause}",
    "pause: {wait: {for: 1d}, text: {en: Wait}, done: over}\n",
)


def test_a_dry_run_says_everything_and_does_nothing() -> None:
    run = Run(DRY, dry=True)
    assert (run.at, run.made.effects) == (("over", "handed_over"), ())
    said = [(one.kind, one.path) for one in run.log if one.kind.startswith("would")]
    assert said == [
        ("would_ask_approval", "first"),
        ("would_act", "first"),
        ("would_ask_approval", "agree"),
        ("would_act", "second"),
        ("would_act", "third"),
        ("would_wait", "pause"),
    ]


def test_a_dry_run_asks_what_a_run_asks() -> None:
    assert Run(TWO, dry=True).says("yes").says("done").at == ("good", "ended")


# Any events at all

BUSY = book(
    asks("first", "act", "act", more="\n  dont_know: act"),
    acts("retry: 1\n      failed: agree\n      " + VERIFY, ok="agree"),
    "agree: {approval: {role: lead, count: 2}, text: {en: May we}, approved: wipe, refused: call}",
    acts("failed: call\n      refused: call", risk="R3", name="wipe", ok="call"),
    "call: {call: inner, returns: {a: pause, b: look}}",
    "pause: {wait: {for: 1h, reply: true}, text: {en: Wait}, done: look, timed_out: look}",
    """
    look:
      check: {fact: net.ap.status, op: eq, value: up}
      fresh: 30m
      "true": again
      "false": again
      unknown: again
    """,
    asks("again", "second", "second", more="\n  dont_know: second"),
    acts(
        "approval: {role: lead}\n      failed: last\n      on_timeout: last",
        risk="R3",
        name="second",
        ok="last",
    ),
    asks("last", "good", "second_call"),
    "second_call: {call: inner, returns: {a: over, b: good}}",
    part(
        "inner",
        asks("first", "note", "b", more="\n  dont_know: b"),
        "note: {action: fact.refresh, text: {en: Look}, risk: R0, retry: 2, ok: tell, on_timeout: tell}",
        "tell: {info: {en: Do}, done: a, didnt_help: b}",
        "a: {end: {returns: a}}",
        "b: {end: {returns: b}}",
    ),
)
BOOKS = books(shipped()) | {"busy": BUSY}
NAMES = sorted(BOOKS)
FACT_NAMES = sorted(FACTS)
Events = list[tuple[int, int, int]]


def fact_value(name: str, n: int) -> Any:
    known = FACTS[name]
    if known.type is FactType.BOOLEAN:
        return n % 2 == 0
    if known.type is FactType.NUMBER:
        return (n * 7) % 101
    if known.type is FactType.INSTANT:
        return (NOON + timedelta(minutes=(n - 50) * 37)).isoformat()
    return known.choices[n % len(known.choices)] if known.choices else "word"


def an_answer(run: Run, n: int) -> Answer:
    """A fitting answer mostly, and now and then one that is not."""
    shown, by = (
        run.card(),
        ("technician" if n % 5 == 0 or run.card().answers_by == "technician" else "requester"),
    )
    values: list[Any] = [choice.value for choice in shown.choices] or [None]
    value: Any = values[n % len(values)]
    if shown.kind == "multi":
        value = values[: 1 + n % len(values)]
    if shown.kind in ("text", "number", "photo"):
        value = {"text": "words", "number": shown.minimum or n, "photo": ["a"]}[shown.kind]
    if n % 17 == 0:
        value = [None, 5, "nonsense", [], True, "\ud800", 10**400][n % 7]
    ways = [way.value for way in shown.ways]
    if n % 11 == 0 and ways:
        return Answer(run.state.path, way=ways[n % len(ways)], by=by)  # type: ignore[arg-type]
    return Answer(run.state.path, value, by=by)  # type: ignore[arg-type]


def an_event(run: Run, kind: int, n: int, minutes: int) -> Any:
    path = run.path[n % len(run.path)] if n % 3 == 0 else run.state.path
    if kind < 14:
        stage = run.state.stage.value
        if stage == "acting":
            results = ("ok", "error", "failed", "unverifiable", "expired", "?")
            return Result(path, 1 + n % 3 if n % 4 == 0 else run.state.attempt(), results[n % 6])
        if stage == "approval":
            return Decide(n % 4 != 0, "because", n % 3)
        return an_answer(run, n) if stage in ("asking", "consent") else Look()
    if kind == 14:
        run.now += timedelta(minutes=minutes)
        return Look()
    if kind == 15:
        name = FACT_NAMES[n % len(FACT_NAMES)]
        run.knows({name: fact_value(name, n)})
        return Look()
    return (
        Back("technician" if n % 2 else "requester"),
        Answer(path, "yes"),
        Skip(path, "x"),
        TakeOver(),
        HandOver("x") if n % 3 == 0 else Replied(),
        Cancel("x") if n % 7 == 0 else Result(path, 1, "ok"),
        Decide(True, "x", n % 2),
    )[kind - 16]


def check_invariants(of: Book, run: Run) -> None:
    state = run.state
    assert len(state.visits) <= MOST_VISITS
    assert (wakes_at(of, state) is None) is state.is_finished
    assert state.frames == frames_to(of, state.path)[: len(state.frames)]
    for playbook, step in state.frames:
        assert step in of[playbook].steps
    for visit in state.visits:
        frames_to(of, visit.path)
        assert (visit.left_at is None) is (visit.edge is None)
    assert len({visit.path for visit in state.visits}) == len(state.visits)
    assert state_from(json.loads(json.dumps(to_json(state)))) == state
    assert step_of(of, state) is not None
    assert run.card("es").text


@settings(max_examples=400)
@given(
    st.sampled_from(NAMES) | st.just("busy"),
    st.lists(
        st.tuples(st.integers(0, 22), st.integers(0, 400), st.integers(0, 3000)), min_size=15, max_size=60
    ),
    st.dictionaries(st.sampled_from(FACT_NAMES), st.integers(0, 100), max_size=25),
    st.booleans(),
)
def test_no_events_break_a_run(name: str, events: Events, facts: dict[str, int], dry: bool) -> None:
    of = BOOKS[name]
    run = Run(of, facts={one: fact_value(one, n) for one, n in facts.items()}, dry=dry)
    performed = [(one.path, one.attempt) for one in run.performed]
    check_invariants(of, run)
    for kind, n, minutes in events:
        event, before = an_event(run, kind, n, minutes), run.state
        was_finished = before.is_finished
        try:
            made = advance(of, before, event, run.view())
        except (CannotMove, DoesNotFit):
            continue
        assert not was_finished or made.state is before or isinstance(event, TakeOver)
        run.made = run._note(made)
        performed += [(one.path, one.attempt) for one in run.performed]
        if made.state is not before:
            check_invariants(of, run)
    assert len(set(performed)) == len(performed)
    assert not (dry and performed)


@settings(max_examples=80)
@given(st.sampled_from(NAMES), st.lists(st.integers(0, 400), min_size=30, max_size=60))
def test_every_run_comes_to_an_end_by_itself(name: str, answers: list[int]) -> None:
    run = Run(BOOKS[name])
    for n in answers:
        if run.state.is_finished:
            break
        event = an_event(run, 0, n, 0)
        try:
            run.does(event)
        except (CannotMove, DoesNotFit):
            run.after(hours=1)
    for _ in range(MOST_VISITS + 20):
        if run.state.is_finished:
            return
        at = wakes_at(run.book, run.state)
        assert at is not None
        run.now = max(run.now, at)
        run.does(Look())
    raise AssertionError(run.at)


@settings(max_examples=100)
@given(st.sampled_from(NAMES), st.lists(st.integers(0, 400), max_size=25), st.integers(0, 24))
def test_a_run_that_is_kept_and_read_again_goes_on_alike(name: str, answers: list[int], at: int) -> None:
    kept, whole = Run(BOOKS[name]), Run(BOOKS[name])
    for n, one in enumerate(answers):
        for run in (kept, whole):
            with suppress(CannotMove, DoesNotFit):
                run.does(an_event(run, 0, one, 0))
        if n == at:
            again = state_from(json.loads(json.dumps(to_json(kept.state))))
            kept.made = type(kept.made)(again)
    assert kept.state == whole.state


def test_every_shipped_life_is_at_most_two_weeks() -> None:
    assert all(span(one.main.life) <= timedelta(days=14) for one in BOOKS.values())
