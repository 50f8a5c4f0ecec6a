"""What a queue and a vendor owe beside the SLA, and whom a policy's further steps tell.

The school is open Monday to Friday 07:30-16:00 in Chicago.
Times are written "day hour:minute" of November 2026: the 20th is a Friday, the 23rd a Monday.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sla.agreement import THE_DESK, THE_QUEUE, Party, seen_by
from service.sla.calendar import WEEKDAYS, Calendar
from service.sla.clock import elapsed
from service.sla.course import (
    CancelledBecause,
    Change,
    Course,
    HandedOver,
    Note,
    Opened,
    PublicReply,
    Received,
    StatusChanged,
    TargetsChanged,
    advance,
)
from service.sla.cycle import Cycle, judged, step_at
from service.sla.policy import (
    FINISHED,
    PROMISED,
    Agreement,
    BadPolicy,
    Policy,
    State,
    Step,
    Target,
    Tell,
)
from service.sla.words import told

FIRST, NEXT, UPDATE, RESOLUTION = Target
SCHOOL = Calendar("America/Chicago", dict.fromkeys(WEEKDAYS[:5], ((450, 960),)))
REPAIR, PRINTERS = 7, 8
REPAIRERS, PRINTER_PEOPLE = Party(Agreement.VENDOR, REPAIR), Party(Agreement.VENDOR, PRINTERS)


@dataclass(frozen=True)
class Transferred:
    """The ticket goes to another queue."""

    at: datetime


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=ZoneInfo("America/Chicago"))


def policy(targets: dict[str, float], **rules: Any) -> Policy:
    return Policy.from_json({"targets": targets, **rules})


def opened(when: str = "20 09:00", **more: Any) -> Opened:
    return Opened(at(when), "requester", **more)


def moved(when: str, to: str, vendor: int | None = None) -> StatusChanged:
    return StatusChanged(at(when), to, "technician", vendor)


def lived(party: Party, rules: Policy, *story: Any, counted: int = 0) -> Course:
    """The party's course through a ticket's story."""
    course, status = Course(counted=counted), "new"
    for change in story:
        if isinstance(change, Transferred):
            steps: list[Change] = [HandedOver(change.at), Received(change.at, status)]
            steps = steps if party is THE_QUEUE else []
        else:
            steps = [change]
        for step in steps:
            if (seen := seen_by(party, step, course)) is not None:
                course = advance(course, seen, rules, SCHOOL)
        status = change.to if isinstance(change, StatusChanged) else status
    return course


def of(target: Target, course: Course) -> list[Cycle]:
    return [cycle for cycle in course.cycles if cycle.target is target]


def spent(cycle: Cycle, when: datetime) -> timedelta:
    return judged(cycle, SCHOOL, when).elapsed


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


# What each kind may promise


@pytest.mark.parametrize(
    ("kind", "wrong", "sentence"),
    [
        (
            Agreement.OLA,
            {"targets": {"first_response": 5}},
            "the OLA promises update and resolution, not first",
        ),
        (
            Agreement.OLA,
            {"targets": {"next_response": 5}},
            "the OLA promises update and resolution, not next",
        ),
        (Agreement.VENDOR, {"targets": {"update": 5}}, "the vendor contract promises resolution, not update"),
        (
            Agreement.VENDOR,
            {"pause": {"on_hold": ["resolution"]}},
            "a vendor contract runs while the ticket is on hold, and nothing pauses it",
        ),
        (
            Agreement.VENDOR,
            {"pause": {}, "escalate": [{"target": "update", "after_minutes": 5, "tell": ["leads"]}]},
            "escalate: the vendor contract promises resolution, not update",
        ),
    ],
)
def test_what_an_agreement_cannot_promise_is_refused(
    kind: Agreement, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadPolicy) as refusal:
        Policy.from_json({"targets": {"resolution": 60}, **wrong}).fit_for(kind)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("kind", Agreement)
def test_what_an_agreement_can_promise_is_taken(kind: Agreement) -> None:
    rules = policy({target.value: 60 for target in PROMISED[kind]}, pause={})
    assert rules.fit_for(kind) is rules


# An OLA


def test_an_ola_counts_from_when_the_queue_got_the_ticket_and_not_from_the_first_contact() -> None:
    course = lived(THE_QUEUE, policy({"resolution": 60}), opened("20 09:00", reported_at=at("19 10:00")))
    assert [cycle.started_at for cycle in course.cycles] == [at("20 09:00")]


def test_a_transfer_ends_what_the_queue_owed_and_the_next_queue_begins_a_further_cycle() -> None:
    rules = policy({"update": 30, "resolution": 60})
    course = lived(
        THE_QUEUE,
        rules,
        opened(),
        Transferred(at("20 09:20")),
        Transferred(at("20 11:00")),
        moved("20 11:10", "resolved"),
    )
    assert [(c.n, c.started_at, c.stopped_at, c.ending) for c in of(RESOLUTION, course)] == [
        (1, at("20 09:00"), at("20 09:20"), "met"),
        (2, at("20 09:20"), at("20 11:00"), "breached"),
        (3, at("20 11:00"), at("20 11:10"), "met"),
    ]
    assert [c.ending for c in of(UPDATE, course)] == ["met", "breached", "met"]


def test_the_queue_must_touch_it_first_and_every_so_often() -> None:
    story = [opened(), Note(at("20 09:20"), "technician"), PublicReply(at("20 09:40"), "technician")]
    course = lived(THE_QUEUE, policy({"update": 30}), *story)
    assert [(c.n, c.started_at, c.ending) for c in of(UPDATE, course)] == [
        (1, at("20 09:00"), "met"),
        (2, at("20 09:20"), "met"),
        (3, at("20 09:40"), None),
    ]


def test_a_ticket_that_comes_to_a_queue_on_hold_starts_there_paused() -> None:
    story = [
        opened(),
        moved("20 09:30", "on_hold"),
        Transferred(at("20 10:00")),
        moved("20 11:00", "in_progress"),
    ]
    (first, second) = of(RESOLUTION, lived(THE_QUEUE, policy({"resolution": 60}), *story))
    assert spent(first, at("20 12:00")) == minutes(30)
    assert judged(second, SCHOOL, at("20 10:30")).state is State.PAUSED
    assert spent(second, at("20 11:20")) == minutes(20)


def test_a_reopened_ticket_carries_the_time_of_the_queue_that_has_it_and_of_no_other() -> None:
    rules = policy({"resolution": 60})
    story = [opened(), Transferred(at("20 09:40")), moved("20 10:00", "resolved"), moved("20 11:00", "new")]
    last = of(RESOLUTION, lived(THE_QUEUE, rules, *story))[-1]
    assert (last.n, spent(last, at("20 11:10"))) == (3, minutes(30))
    while_resolved = [
        opened(), moved("20 10:00", "resolved"), Transferred(at("20 10:30")), moved("20 11:00", "new")
    ]  # fmt: skip
    last = of(RESOLUTION, lived(THE_QUEUE, rules, *while_resolved))[-1]
    assert (last.n, last.started_at, last.pauses) == (2, at("20 11:00"), ())


def test_an_ola_newly_promised_counts_from_when_the_queue_got_the_ticket() -> None:
    nothing = policy({})
    course = lived(THE_QUEUE, nothing, opened(), Transferred(at("20 10:00")))
    promised = TargetsChanged(at("20 10:30"), policy({"update": 60, "resolution": 120}))
    course = advance(course, promised, promised.policy, SCHOOL)
    assert {cycle.started_at for cycle in course.cycles} == {at("20 10:00")}


def test_an_ola_of_the_queue_before_is_not_taken_for_this_queues() -> None:
    rules = policy({"resolution": 60})
    course = lived(THE_QUEUE, rules, opened(), Transferred(at("20 10:00")))
    course = advance(course, TargetsChanged(at("20 10:10"), policy({})), policy({}), SCHOOL)
    course = advance(course, TargetsChanged(at("20 10:20"), rules), rules, SCHOOL)
    last = of(RESOLUTION, course)[-1]
    assert (last.n, last.started_at) == (3, at("20 10:00"))


# A vendor's contract


def test_a_contract_runs_while_the_ticket_is_on_hold_with_that_vendor() -> None:
    story = [opened(), moved("20 10:00", "on_hold", REPAIR), moved("20 11:00", "in_progress")]
    (cycle,) = lived(REPAIRERS, policy({"resolution": 90}, pause={}), *story).cycles
    assert (cycle.started_at, cycle.stopped_at, cycle.ending) == (at("20 10:00"), at("20 11:00"), "met")
    assert lived(PRINTER_PEOPLE, policy({"resolution": 90}, pause={}), *story).cycles == ()


@pytest.mark.parametrize("to", ["in_progress", "waiting_on_requester", "resolved", "closed"])
def test_whatever_ends_the_hold_ends_the_vendors_part(to: str) -> None:
    story = [opened(), moved("20 10:00", "on_hold", REPAIR), moved("20 12:00", to)]
    (cycle,) = lived(REPAIRERS, policy({"resolution": 90}, pause={}), *story).cycles
    assert (cycle.ending, cycle.stopped_at) == ("breached", at("20 12:00"))


def test_a_cancelled_ticket_cancels_the_vendors_part() -> None:
    held = [opened(), moved("20 10:00", "on_hold", REPAIR)]
    rules = policy({"resolution": 90}, pause={})
    (cycle,) = lived(REPAIRERS, rules, *held, moved("20 10:30", "cancelled")).cycles
    assert (cycle.ending, cycle.reason) == ("cancelled", "the ticket was cancelled")
    (cycle,) = lived(REPAIRERS, rules, *held, CancelledBecause(at("20 10:30"), "merged: 5")).cycles
    assert (cycle.ending, cycle.reason) == ("cancelled", "merged: 5")


@pytest.mark.parametrize(
    ("on_reopen", "used"), [("resume", [60, 90]), ("new_cycle", [60, 30]), ("none", [60])]
)
def test_held_with_the_same_vendor_again_it_goes_on_as_the_policy_says(
    on_reopen: str, used: list[int]
) -> None:
    story = [
        opened(),
        moved("20 10:00", "on_hold", REPAIR),
        moved("20 11:00", "in_progress"),
        moved("20 12:00", "on_hold", PRINTERS),
        moved("20 13:00", "in_progress"),
        moved("20 14:00", "on_hold", REPAIR),
    ]
    course = lived(REPAIRERS, policy({"resolution": 480}, pause={}, on_reopen=on_reopen), *story)
    assert [spent(cycle, at("20 14:30")) for cycle in course.cycles] == [minutes(n) for n in used]


def test_the_count_of_a_contract_goes_on_from_the_cycles_of_other_vendors() -> None:
    story = [opened(), moved("20 10:00", "on_hold", REPAIR)]
    course = lived(REPAIRERS, policy({"resolution": 90}, pause={}), *story, counted=4)
    assert [cycle.n for cycle in course.cycles] == [5]


def test_the_desk_sees_what_happens_as_it_happens() -> None:
    change = moved("20 10:00", "on_hold", REPAIR)
    assert seen_by(THE_DESK, change, Course()) is change


# Properties: against a fold that knows no cycles, only who had the ticket for how long

MOMENTS = st.lists(
    st.tuples(st.integers(1, 6 * 24 * 60), st.integers(0, 9)), max_size=14, unique_by=lambda m: m[0]
)
STATUSES = ("new", "in_progress", "waiting_on_requester", "on_hold", "resolved", "closed", "cancelled")
END = at("28 12:00")


def story_of(moments: list[tuple[int, int]]) -> list[Any]:
    """A ticket's life: statuses by number, holds with two vendors, transfers."""
    story: list[Any] = [opened()]
    for minute, kind in sorted(moments):
        when = at("20 09:00") + minutes(minute)
        if kind < 7:
            story.append(StatusChanged(when, STATUSES[kind], "technician"))
        elif kind < 9:
            story.append(StatusChanged(when, "on_hold", "technician", REPAIR if kind == 7 else PRINTERS))
        else:
            story.append(Transferred(when))
    return [change for n, change in enumerate(story) if not _is_hold_on_hold(story, n)]


def _is_hold_on_hold(story: list[Any], n: int) -> bool:
    """No verb puts a ticket on hold that is on hold already."""
    before = [c for c in story[:n] if isinstance(c, StatusChanged)]
    held = isinstance(story[n], StatusChanged) and story[n].to == "on_hold"
    return held and bool(before) and before[-1].to == "on_hold"


def spans_of(story: Sequence[Any]) -> list[tuple[datetime, datetime, str, int | None, int]]:
    """The life in stretches: from, to, the status, the vendor, and how many queues had it before."""
    spans, status, vendor, stay = [], "new", None, 0
    for change, following in zip(story, [*story[1:], None], strict=True):
        if isinstance(change, StatusChanged):
            status, vendor = change.to, change.vendor
        stay += isinstance(change, Transferred)
        spans.append((change.at, following.at if following else END, status, vendor, stay))
    return spans


def queue_spent(story: Sequence[Any], rules: Policy) -> timedelta | None:
    """What the queue that has the ticket in the end has used; None if it owes nothing (any more)."""
    used: timedelta | None = None
    running, stay_of_run, ended = False, -1, ""
    for start, end, status, _, stay in spans_of(story):
        if stay != stay_of_run:
            stay_of_run, running, ended, used = stay, False, "", None
        if status in FINISHED:
            ended, running = ("cancelled" if "cancelled" in (ended, status) else status), False
            continue
        if not running:
            came_back = ended != ""
            if came_back and rules.on_reopen == "none":
                continue
            fresh = used is None or rules.on_reopen == "new_cycle" or ended == "cancelled"
            used, running, ended = (timedelta(0) if fresh else used), True, ""
        if not rules.pauses(status, RESOLUTION):
            assert used is not None
            used += elapsed(start, end, SCHOOL)
    return used


@settings(deadline=None, derandomize=True, max_examples=400)
@given(MOMENTS)
def test_the_spans_of_successive_queues_partition_the_life_of_a_ticket(
    moments: list[tuple[int, int]],
) -> None:
    story = story_of(moments)
    rules = policy({"resolution": 60}, pause={}, on_reopen="new_cycle")
    cycles = of(RESOLUTION, lived(THE_QUEUE, rules, *story))
    open_life = sum(
        (
            elapsed(start, end, SCHOOL)
            for start, end, status, _, _ in spans_of(story)
            if status not in FINISHED
        ),
        timedelta(0),
    )
    assert sum((spent(cycle, END) for cycle in cycles), timedelta(0)) == open_life
    assert [cycle.n for cycle in cycles] == list(range(1, len(cycles) + 1))
    for one, following in pairwise(cycles):
        assert one.stopped_at is not None
        assert one.stopped_at <= following.started_at
    for cycle in cycles:
        assert {change.at for change in story} | {None} >= {cycle.started_at, cycle.stopped_at}


@settings(deadline=None, derandomize=True, max_examples=400)
@given(MOMENTS, st.sampled_from(["resume", "new_cycle", "none"]))
def test_a_queue_has_used_what_a_slow_fold_says(moments: list[tuple[int, int]], on_reopen: str) -> None:
    story = story_of(moments)
    rules = policy({"resolution": 60}, on_reopen=on_reopen)
    since = max((c.at for c in story if isinstance(c, Transferred)), default=story[0].at)
    mine = [c for c in of(RESOLUTION, lived(THE_QUEUE, rules, *story)) if c.started_at >= since]
    assert (spent(mine[-1], END) if mine else None) == queue_spent(story, rules)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(MOMENTS)
def test_a_vendors_time_is_the_time_the_ticket_was_on_hold_with_them(moments: list[tuple[int, int]]) -> None:
    story = story_of(moments)
    for party in (REPAIRERS, PRINTER_PEOPLE):
        held = [
            (start, end, status)
            for start, end, status, vendor, _ in spans_of(story)
            if vendor == party.vendor
        ]
        each = [elapsed(start, end, SCHOOL) for start, end in joined(held)]
        fresh = lived(party, policy({"resolution": 60}, pause={}, on_reopen="new_cycle"), *story)
        assert [spent(cycle, END) for cycle in fresh.cycles] == each
        resumed = lived(party, policy({"resolution": 60}, pause={}, on_reopen="resume"), *story)
        if not any(cycle.ending == "cancelled" for cycle in resumed.cycles):
            carried = [sum(each[: n + 1], timedelta(0)) for n in range(len(each))]
            assert [spent(cycle, END) for cycle in resumed.cycles] == carried
        once = lived(party, policy({"resolution": 60}, pause={}, on_reopen="none"), *story)
        assert [spent(cycle, END) for cycle in once.cycles] == each[:1]


def joined(held: list[tuple[datetime, datetime, str]]) -> list[tuple[datetime, datetime]]:
    """Stretches that touch are one: a transfer does not end a hold."""
    whole: list[tuple[datetime, datetime]] = []
    for start, end, _ in held:
        if whole and whole[-1][1] == start:
            whole[-1] = (whole[-1][0], end)
        else:
            whole.append((start, end))
    return whole


# Words


def test_the_words_name_the_agreement_when_it_is_not_the_sla() -> None:
    story = [
        opened(), moved("20 10:00", "on_hold", REPAIR), moved("20 11:00", "in_progress"),
        moved("20 12:00", "on_hold", REPAIR),
    ]  # fmt: skip
    cycle = lived(REPAIRERS, policy({"resolution": 480}, pause={}), *story).cycles[-1]
    judgement = judged(cycle, SCHOOL, at("20 13:00"))
    lines = told(cycle, judgement, SCHOOL, at("20 13:00"), under=(Agreement.VENDOR, "Copperline"))
    assert lines[0].startswith("Resolution (cycle 2), vendor contract “Copperline”: 8 h of working time")
    assert any(line.startswith("Not with the vendor from Fri 20 Nov 11:00") for line in lines)
    plain = told(cycle, judgement, SCHOOL, at("20 13:00"), under=(Agreement.SLA, "Everybody"))
    assert plain[0].startswith("Resolution (cycle 2): 8 h of working time")


# Further steps


def test_steps_come_back_from_their_json_form() -> None:
    written = [
        {"target": "resolution", "before_minutes": 30, "tell": ["assignee", "queue"]},
        {"target": "resolution", "after_minutes": 0.5, "tell": ["leads", "admins"]},
        {"target": "first_response", "after_minutes": 30, "tell": ["leads"]},
    ]
    rules = policy({"resolution": 60}, escalate=written)
    assert rules.escalate[0] == Step(RESOLUTION, -minutes(30), (Tell.ASSIGNEE, Tell.QUEUE))
    assert rules.to_json()["escalate"] == written
    assert Policy.from_json(rules.to_json()) == rules


STEP = {"target": "resolution", "after_minutes": 30, "tell": ["leads"]}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "escalate: a list of steps, 20 at most, is wanted"),
        ([STEP] * 21, "escalate: a list of steps, 20 at most, is wanted"),
        (["leads"], "escalate: an object is wanted"),
        ([STEP | {"colour": "red"}], "escalate: unknown key 'colour'"),
        ([STEP | {"before_minutes": 5}], "either before_minutes or after_minutes"),
        ([{"target": "resolution", "tell": ["leads"]}], "either before_minutes or after_minutes"),
        ([STEP | {"after_minutes": 0}], "escalate: after_minutes must be more than zero minutes"),
        ([STEP | {"after_minutes": "soon"}], "escalate: after_minutes: a number of minutes"),
        ([STEP | {"target": "fix"}], "escalate: target: one of first_response"),
        ([STEP | {"target": ["fix"]}], "escalate: target: one of first_response"),
        ([STEP | {"tell": []}], "escalate: tell: a list of some of assignee, queue, leads, admins"),
        ([STEP | {"tell": "leads"}], "escalate: tell: a list of some of"),
        ([STEP | {"tell": ["principal"]}], "escalate: tell: a list of some of"),
        ([STEP | {"tell": [["leads"]]}], "escalate: tell: a list of some of"),
        ([STEP | {"tell": ["leads", "leads"]}], "each once"),
        ([STEP, STEP | {"tell": ["admins"]}], "escalate: two steps of a target at the same time"),
    ],
)
def test_steps_that_cannot_be_read_are_refused_by_name(wrong: Any, sentence: str) -> None:
    with pytest.raises(BadPolicy) as refusal:
        policy({"resolution": 60}, escalate=wrong)
    assert sentence in str(refusal.value)


def step(after: float) -> Step:
    return Step(RESOLUTION, minutes(after), (Tell.LEADS,))


def test_a_step_is_due_so_much_working_time_before_or_after_the_target() -> None:
    cycle = Cycle(RESOLUTION, 1, at("20 14:00"), minutes(90))
    assert step_at(cycle, step(-30), SCHOOL, at("20 14:00")) == at("20 15:00")
    assert step_at(cycle, step(30), SCHOOL, at("20 14:00")) == at("20 16:00")
    assert step_at(cycle, step(60), SCHOOL, at("20 14:00")) == at("23 08:00")


def test_a_step_moves_with_a_pause_as_the_target_does() -> None:
    story = [opened("20 09:00"), moved("20 09:10", "on_hold"), moved("20 09:40", "in_progress")]
    (cycle,) = of(RESOLUTION, lived(THE_QUEUE, policy({"resolution": 60}), *story))
    assert step_at(cycle, step(-20), SCHOOL, at("20 09:40")) == at("20 10:10")
    assert step_at(cycle, step(20), SCHOOL, at("20 09:40")) == at("20 10:50")


def test_a_step_before_the_start_or_after_the_calendar_ends_is_none() -> None:
    cycle = Cycle(RESOLUTION, 1, at("20 14:00"), minutes(30))
    assert step_at(cycle, step(-30), SCHOOL, at("20 14:00")) is None
    day = Calendar("America/Chicago", {}, overrides={date(2026, 11, 20): ((450, 960),)})
    assert step_at(cycle, step(60), day, at("20 14:00")) == at("20 15:30")
    assert step_at(cycle, step(120), day, at("20 14:00")) is None


@given(st.integers(1, 3000), st.integers(-3000, 3000).filter(bool), st.integers(0, 5000))
def test_between_a_step_and_the_target_lies_its_working_time(goal: int, after: int, offset: int) -> None:
    cycle = Cycle(RESOLUTION, 1, at("20 09:00") + minutes(offset), minutes(goal))
    due, when = judged(cycle, SCHOOL, cycle.started_at).due_at, step_at(cycle, step(after), SCHOOL, END)
    if goal + after <= 0:
        assert when is None
    else:
        assert when is not None
        between = elapsed(due, when, SCHOOL) if after > 0 else elapsed(when, due, SCHOOL)
        assert between == minutes(abs(after))
        assert (when > due) == (after > 0)


def test_a_target_that_is_replaced_leaves_the_steps_of_the_old_one_behind() -> None:
    cycle = Cycle(RESOLUTION, 1, at("20 09:00"), minutes(60))
    shorter = replace(cycle, goal=minutes(30))
    assert step_at(cycle, step(10), SCHOOL, END) == at("20 10:10")
    assert step_at(shorter, step(10), SCHOOL, END) == at("20 09:40")
