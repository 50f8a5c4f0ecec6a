"""Faults among parents, maintenance and doubt: one failure upstream is one ticket, and nothing is lost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.monitoring.diagnosis import (
    SNMP,
    UNREACHABLE,
    Changed,
    Opened,
    Recovered,
    Reopened,
    Standing,
    Suspected,
    Transition,
    Vanished,
)
from service.monitoring.settling import (
    BACK,
    HOLD,
    Decision,
    Held,
    HoldUntil,
    Note,
    OpenTicket,
    ParentState,
    Recover,
    Silenced,
    Surroundings,
    UnderParent,
    Why,
    root,
    settle,
    uplinks,
)
from service.monitoring.transitions import Told

quick = settings(max_examples=60)
START = datetime(2026, 9, 14, 7, 0, tzinfo=UTC)
TONER = "printer.toner_low"
UP, DOWN, UNKNOWN = Standing


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opened(check: str = UNREACHABLE, seconds: float = 0, since: float = -45, instance: str = "") -> Opened:
    return Opened(check=check, instance=instance, at=at(seconds), since=at(since))


def recovered(check: str = UNREACHABLE, seconds: float = 600) -> Recovered:
    lasted = timedelta(seconds=seconds)
    return Recovered(check=check, instance="", at=at(seconds), since=at(-45), lasted=lasted)


def parent(device_id: int, state: Standing, checked: float | None = -60, **words: Any) -> ParentState:
    return ParentState(device_id, state, None if checked is None else at(checked), **words)


@dataclass
class Device:
    """One device, settled again and again."""

    held: tuple[Held, ...] = ()
    said: list[tuple[Decision, ...]] = field(default_factory=list)

    def settle(self, seconds: float, *transitions: Transition, **around: Any) -> list[Decision]:
        parents = tuple(around.pop("parents", ()))
        found = settle(transitions, Surroundings(at(seconds), parents=parents, **around), self.held)
        self.held = found.held
        self.said.append(found.decisions)
        return list(found.decisions)


def kinds(decisions: Iterable[Decision]) -> list[type[Decision]]:
    return [type(one) for one in decisions]


# Parents.


def test_a_device_without_parents_opens_at_once() -> None:
    assert kinds(Device().settle(0, opened())) == [OpenTicket]


def test_a_child_waits_until_its_parent_is_known_to_be_down_and_is_told_there() -> None:
    child = Device()
    [hold] = child.settle(0, opened(), parents=[parent(7, UP)])
    assert hold == HoldUntil(opened(), at(90), probe=(7,))
    [hold] = child.settle(30, parents=[parent(7, UNKNOWN, 20)])
    assert hold == HoldUntil(opened(), at(90), probe=(7,))
    assert child.settle(60, parents=[parent(7, DOWN, 60)]) == [UnderParent(opened(), 7)]
    assert child.settle(3600, parents=[parent(7, DOWN, 3000)]) == [UnderParent(opened(), 7)]
    [over] = child.settle(4000, recovered(seconds=4000), parents=[parent(7, UP, 3990)])
    assert isinstance(over, Recover)
    assert over.held is not None
    assert (over.held.why, over.held.parent_id, child.held) == (Why.UNDER_PARENT, 7, ())


def test_a_child_whose_parent_answers_after_it_fell_silent_opens_its_own_ticket() -> None:
    child = Device()
    child.settle(0, opened(), parents=[parent(7, UP, -60)])
    assert kinds(child.settle(5, parents=[parent(7, UP, -31)])) == [HoldUntil]
    assert child.settle(10, parents=[parent(7, UP, 9)]) == [OpenTicket(opened())]
    assert child.held == ()


def test_a_parent_of_whom_nobody_knows_holds_a_child_for_90_seconds_in_all() -> None:
    child = Device()
    states = [UP, UNKNOWN, UP, UNKNOWN, UNKNOWN]
    for n, state in enumerate(states):
        [hold] = child.settle(20 * n, *([opened()] if n == 0 else []), parents=[parent(7, state, None)])
        assert isinstance(hold, HoldUntil)
        assert hold.at == at(90)
    assert kinds(child.settle(90, parents=[parent(7, UNKNOWN, None)])) == [OpenTicket]


def test_with_two_uplinks_only_both_explain_it() -> None:
    child = Device()
    one_down = [parent(7, DOWN), parent(8, UNKNOWN)]
    assert child.settle(0, opened(), parents=one_down) == [HoldUntil(opened(), at(90), probe=(8,))]
    assert child.settle(60, parents=[parent(7, DOWN), parent(8, DOWN)]) == [UnderParent(opened(), 7)]
    other = Device()
    assert kinds(other.settle(0, opened(), parents=[parent(7, DOWN), parent(8, UP, -5)])) == [OpenTicket]


def test_a_parent_that_is_named_twice_counts_once_by_its_latest_look() -> None:
    for rows in ([parent(7, UNKNOWN, -300), parent(7, DOWN, 0)], [parent(7, DOWN, 0), parent(7, UP, None)]):
        for order in (rows, rows[::-1]):
            assert Device().settle(0, opened(), parents=order) == [UnderParent(opened(), 7)]
    tied = [parent(7, DOWN, 0), parent(7, UP, 0)]
    for order in (tied, tied[::-1]):
        assert kinds(Device().settle(0, opened(), parents=order)) == [OpenTicket]


def test_after_its_parent_is_back_a_child_may_boot_before_it_gets_a_ticket() -> None:
    child = Device()
    child.settle(0, opened(), parents=[parent(7, DOWN)])
    [hold] = child.settle(1000, parents=[parent(7, UP, 1000)])
    assert hold == HoldUntil(opened(), at(1000) + BACK, again=True)
    assert kinds(child.settle(1000 + 200, parents=[parent(7, UP, 1200)])) == [HoldUntil]
    assert kinds(child.settle(1000 + 300, parents=[parent(7, UP, 1300)])) == [OpenTicket]


def test_a_parent_that_falls_again_takes_its_child_under_again() -> None:
    child = Device()
    child.settle(0, opened(), parents=[parent(7, DOWN)])
    child.settle(1000, parents=[parent(7, UP, 1000)])
    assert child.settle(1100, parents=[parent(7, DOWN, 1100)]) == [UnderParent(opened(), 7)]
    [hold] = child.settle(2000, parents=[parent(7, UP, 2000)])
    assert isinstance(hold, HoldUntil)
    assert hold.at == at(2000) + BACK


def test_what_a_device_says_itself_is_its_own_whatever_its_parents_do() -> None:
    around: dict[str, Any] = {"parents": [parent(7, DOWN)], "suspect": "uplink"}
    assert kinds(Device().settle(0, opened(TONER, instance="1"), **around)) == [OpenTicket]
    assert kinds(Device().settle(0, opened(SNMP), is_reached=True, **around)) == [OpenTicket]
    assert kinds(Device().settle(0, opened(SNMP), parents=[parent(7, DOWN)])) == [UnderParent]
    assert kinds(Device().settle(0, opened(), is_reached=True, parents=[parent(7, DOWN)])) == [UnderParent]


def test_other_checks_can_fail_with_the_way_too() -> None:
    found = Device().settle(
        0, opened("ap.down", instance="lab"), parents=[parent(7, DOWN)], through=frozenset({"ap.down"})
    )
    assert kinds(found) == [UnderParent]


# Maintenance and doubt.


def test_in_maintenance_a_fault_is_known_and_gets_its_ticket_if_it_outlasts_it() -> None:
    device = Device()
    around: dict[str, Any] = {"in_maintenance": True}
    assert kinds(device.settle(0, opened(), opened(TONER), **around)) == [Silenced, Silenced]
    assert kinds(device.settle(600, **around)) == [Silenced, Silenced]
    [over, still] = device.settle(1200, recovered(TONER, 1200), **around)
    assert isinstance(over, Recover)
    assert over.held is not None
    assert over.held.why is Why.SILENCED
    assert kinds([still]) == [Silenced]
    assert kinds(device.settle(1800, parents=[parent(7, UP, 1790)])) == [OpenTicket]


def test_a_recovery_goes_through_maintenance_and_doubt() -> None:
    assert Device().settle(0, recovered(), in_maintenance=True, suspect="itself") == [Recover(recovered())]


def test_maintenance_of_a_parent_silences_what_hangs_on_it_and_only_by_that() -> None:
    maintained = parent(7, UP, 0, in_maintenance=True)
    assert kinds(Device().settle(0, opened(), parents=[maintained])) == [Silenced]
    assert kinds(Device().settle(0, opened(), parents=[maintained, parent(8, DOWN)])) == [Silenced]
    assert kinds(Device().settle(0, opened(), parents=[maintained, parent(8, UP, 0)])) == [OpenTicket]
    assert kinds(Device().settle(0, opened(TONER), parents=[maintained])) == [OpenTicket]
    twice = [parent(7, DOWN, 0), parent(7, DOWN, -60, in_maintenance=True)]
    assert kinds(Device().settle(0, opened(), parents=twice)) == [Silenced]


def test_while_the_poller_doubts_itself_no_device_gets_a_ticket() -> None:
    device = Device()
    for seconds in (0, 90, 180, 270):
        [hold] = device.settle(seconds, *([] if seconds else [opened()]), suspect="itself")
        assert hold == HoldUntil(opened(), at(seconds + 90), why=Why.SUSPENDED)
    assert kinds(device.settle(300, parents=[parent(7, UNKNOWN)])) == [HoldUntil]
    assert kinds(device.settle(390, parents=[parent(7, UNKNOWN)])) == [OpenTicket]


# What else is said of a fault.


def test_a_fault_that_changes_while_it_is_held_opens_with_its_last_words() -> None:
    device = Device()
    device.settle(0, opened(TONER), in_maintenance=True)
    words: dict[str, Any] = {"check": TONER, "instance": "", "since": at(-45)}
    changed = Changed(**words, at=at(300), value=0, label="Black", evidence={"a": 1}, before=Told())
    vanished = Vanished(**words, at=at(400))
    assert kinds(device.settle(400, changed, vanished, in_maintenance=True)) == [Silenced]
    [ticket] = device.settle(600)
    assert isinstance(ticket, OpenTicket)
    assert (ticket.fault.value, ticket.fault.label, ticket.fault.since) == (0, "Black", at(-45))
    assert device.settle(700, changed, vanished) == [Note(changed), Note(vanished)]


def test_a_suspicion_is_no_fault_and_a_fault_reported_twice_is_one() -> None:
    device = Device()
    suspected = Suspected(check=UNREACHABLE, instance="", at=at(-45), since=at(-45))
    assert device.settle(-45, suspected, parents=[parent(7, UP)]) == []
    device.settle(0, opened(), parents=[parent(7, UP)])
    again = replace(opened(), at=at(60))
    assert device.settle(60, again, again, parents=[parent(7, UP)]) == [HoldUntil(opened(), at(90), (7,))]
    assert len(device.held) == 1


def test_a_fault_that_opens_and_ends_in_one_report_gets_no_ticket() -> None:
    device = Device()
    assert device.settle(600, opened(), recovered()) == [Recover(recovered())]
    assert device.held == ()


def test_a_fault_that_ends_and_returns_in_one_report_is_settled_anew() -> None:
    device = Device()
    device.settle(0, opened(), parents=[parent(7, UP)])
    words: dict[str, Any] = {"check": UNREACHABLE, "instance": "", "at": at(700), "since": at(650)}
    returned = Reopened(**words, flaps=1)
    over, hold = device.settle(700, recovered(), returned, parents=[parent(7, UP)])
    assert isinstance(over, Recover)
    assert hold == HoldUntil(returned, at(790), probe=(7,))


# Any surroundings.

parents_drawn = st.lists(
    st.builds(
        ParentState,
        st.integers(1, 4),
        st.sampled_from(Standing),
        st.one_of(st.none(), st.integers(-200, 800).map(at)),
        st.booleans(),
    ),
    max_size=5,
)
surroundings = st.tuples(
    st.integers(1, 200),
    parents_drawn,
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, None, None, "itself", "uplink"]),
)


@settings(max_examples=80)
@given(st.lists(surroundings, min_size=1, max_size=12))
def test_a_fault_is_either_held_or_has_a_ticket_and_never_one_that_something_explains(
    drawn: list[tuple[int, list[ParentState], bool, Any]],
) -> None:
    device, seconds = Device(), 0
    unexplained_since: int | None = None
    was_under = False
    for n, (passed, parents, in_maintenance, suspect) in enumerate(drawn):
        seconds += passed
        around: dict[str, Any] = {"parents": parents, "in_maintenance": in_maintenance, "suspect": suspect}
        before = device.held
        [decision] = device.settle(seconds, *([] if n else [opened()]), **around)
        assert len(device.held) == (0 if isinstance(decision, OpenTicket) else 1)
        states: dict[int, set[Standing]] = {}
        for one in parents:
            states.setdefault(one.device_id, set()).add(one.state)
        all_down = bool(states) and all(found == {DOWN} for found in states.values())
        if in_maintenance or suspect is not None or all_down:
            assert not isinstance(decision, OpenTicket)
        if isinstance(decision, Silenced):
            assert in_maintenance or any(one.in_maintenance for one in parents)
        if isinstance(decision, HoldUntil) and decision.why is Why.HELD:
            unexplained_since = seconds if unexplained_since is None else unexplained_since
            was_under = was_under or bool(before and before[0].why is Why.UNDER_PARENT)
            assert decision.again == was_under
            assert at(seconds) < decision.at == at(unexplained_since) + (BACK if was_under else HOLD)
            assert set(decision.probe) <= states.keys()
        else:
            # Explained for now: what nobody can explain later waits anew.
            unexplained_since, was_under = None, False
        if isinstance(decision, OpenTicket):
            return
        # Settled again at the same instant, nothing moves.
        held = device.held
        assert device.settle(seconds, **around) == [decision]
        assert device.held == held
        # Rows come in any order and more than once.
        turned = Device(held=before)
        [same] = turned.settle(
            seconds, *([] if n else [opened()]), **(around | {"parents": [*parents[::-1], *parents]})
        )
        assert type(same) is type(decision)
        assert set(getattr(same, "probe", ())) == set(getattr(decision, "probe", ()))


# Who hangs on whom.

graphs = st.dictionaries(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3), max_size=10)
states_drawn = st.dictionaries(st.integers(0, 9), st.sampled_from(Standing), max_size=10)


@settings(max_examples=80)
@given(graphs, states_drawn)
def test_who_is_explained_has_a_root_that_is_down_and_on_its_own(
    parents: dict[int, list[int]], states: dict[int, Standing]
) -> None:
    """Loops, doubled rows and rows of a device to itself included."""
    for device in range(10):
        found = root(device, states, parents)
        links = uplinks(device, parents)
        assert len(set(links)) == len(links)
        assert device not in links
        if links and all(states.get(one) is DOWN for one in links):
            assert found is not None
        if found is not None:
            assert states[found] is DOWN
            assert found != device
            assert root(found, states, parents) is None
            assert links
            assert UP not in {states.get(one, UNKNOWN) for one in links}


@quick
@given(graphs)
def test_if_everything_is_down_somebody_in_every_circle_has_a_ticket(parents: dict[int, list[int]]) -> None:
    states = dict.fromkeys(range(10), DOWN)
    for device in range(10):
        around = tuple(ParentState(one, DOWN, at(0)) for one in uplinks(device, parents))
        [decision] = settle([opened()], Surroundings(at(0), around)).decisions
        cause = root(device, states, parents)
        assert isinstance(decision, UnderParent) == (cause is not None)
        if cause is not None:
            assert not uplinks(cause, parents)


def test_two_that_hang_on_each_other_do_not_wait_for_each_other() -> None:
    parents = {1: [2], 2: [1]}
    assert (uplinks(1, parents), uplinks(2, parents)) == ((), (1,))
    assert (root(1, {1: DOWN, 2: DOWN}, parents), root(2, {1: DOWN, 2: DOWN}, parents)) == (None, 1)


@pytest.mark.parametrize(
    ("states", "cause"),
    [
        ({}, None),
        ({2: DOWN}, 2),
        ({1: DOWN, 2: DOWN}, 1),
        ({1: DOWN}, 1),
        ({1: DOWN, 2: UP}, None),
        ({1: UP, 2: DOWN}, 2),
        ({2: UNKNOWN}, None),
    ],
)
def test_the_root_of_a_chain(states: Mapping[int, Standing], cause: int | None) -> None:
    """3 hangs on 2, and 2 on 1; what is not known yet is explained by what is dead above it."""
    assert root(3, states, {3: [2], 2: [1]}) == cause


def test_with_two_ways_up_the_nearest_root_is_named_and_only_if_both_are_cut() -> None:
    parents = {5: [3, 4], 3: [1], 4: [2]}
    assert root(5, {3: DOWN, 4: UP}, parents) is None
    assert root(5, {1: DOWN, 3: DOWN, 4: DOWN}, parents) == 4


def test_a_long_chain_and_a_long_circle_end() -> None:
    chain = {n: [n - 1] for n in range(1, 400)}
    assert root(399, dict.fromkeys(range(400), DOWN), chain) == 0
    assert root(399, {0: DOWN}, chain) == 0
    assert root(399, dict.fromkeys(range(400), DOWN), chain | {0: [399]}) == 0


# A whole school.


@dataclass
class School:
    """Devices in a tree, each looked at on its own time. A device falls silent with whatever it hangs on."""

    above: dict[int, int]
    devices: dict[int, Device] = field(default_factory=dict)
    tickets: set[int] = field(default_factory=set)

    def ways(self, device: int) -> list[int]:
        found = [device]
        while found[-1] in self.above:
            found.append(self.above[found[-1]])
        return found

    def settle(self, seconds: float, device: int, known: Mapping[int, Standing], *said: Transition) -> None:
        parents = (
            [parent(self.above[device], known[self.above[device]], seconds)] if device in self.above else []
        )
        one = self.devices.setdefault(device, Device())
        for decision in one.settle(seconds, *said, parents=parents):
            if isinstance(decision, OpenTicket):
                self.tickets.add(device)


trees = st.lists(st.floats(0, 1, exclude_max=True), min_size=3, max_size=25).map(
    lambda draws: {n + 1: int(draw * (n + 1)) for n, draw in enumerate(draws)}
)


@quick
@given(trees, st.randoms(use_true_random=False))
def test_one_failure_upstream_is_one_ticket_and_its_end_is_none(above: dict[int, int], chance: Any) -> None:
    school = School(above)
    dead = chance.randrange(len(above))
    cut = [one for one in range(len(above) + 1) if dead in school.ways(one)]
    # Everybody is confirmed down 45 to 105 s after it happened, in any order; polls may miss the child first.
    confirmed = {one: 45 + chance.random() * 60 for one in cut}
    back = {one: 2000 + chance.random() * 240 for one in cut}
    stays = chance.choice([None, *[one for one in cut if one != dead and above.get(one) == dead]])
    for seconds in range(0, 3000, 5):
        for one in cut:
            gone = one == stays or seconds < back[one]
            known = {
                other: (UNKNOWN if seconds < confirmed[other] else DOWN)
                if other == stays or seconds < back[other]
                else UP
                for other in cut
            } | {other: UP for other in range(len(above) + 1) if other not in cut}
            said: list[Transition] = []
            if confirmed[one] <= seconds < confirmed[one] + 5:
                said = [opened(seconds=seconds, since=0)]
            elif not gone and seconds - 5 < back[one]:
                said = [recovered(seconds=seconds)]
            if said or one in school.devices:
                school.settle(seconds, one, known, *said)
        if seconds == 1995:
            assert school.tickets == {dead}
    assert school.tickets == {dead} | ({stays} if stays is not None else set())
