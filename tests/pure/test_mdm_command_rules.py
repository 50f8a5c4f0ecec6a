"""Rules of commands: who must agree, what stands in the way, what follows from each reply and silence."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.mdm import port
from integrations.mdm.port import RISKS, Platform, Risk, State, Verb
from service.mdm.command_rules import (
    COOLDOWNS,
    ENDED,
    FORMS,
    IN_FLIGHT,
    INVERSES,
    LOOKS_WHEN_UNSURE,
    MOST_SENDS,
    PINNED,
    STATES,
    UNSENT_ENDS,
    Asked,
    Earlier,
    Found,
    Then,
    after_failed_look,
    after_failed_send,
    after_nothing_found,
    after_receipt,
    alike,
    for_vendor,
    given_up_at,
    in_the_way,
    life,
    misfits,
    needs_second_person,
    next_look,
    next_try,
    takes_pin,
)
from service.mdm.command_words import SAID, VERBS, sentence
from service.mdm.models import CommandState, VendorName

NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
GOOD = {
    "message": "Bring it to the office",
    "phone": "+1 (555) 010-0100",
    "pin": "000000",
    "name": "LIB-07",
    "user": "ada@school.example",
    "tag": "CB-1",
    "site": "/Staff",
    "delay": "300",
    "leaves": "repair",
}
GOOGLE, JAMF = VendorName.GOOGLE, VendorName.JAMF_PRO
verbs, risks = st.sampled_from(Verb), st.sampled_from(Risk)
states = st.sampled_from(CommandState)
ages = st.integers(0, 3 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))
earlier = st.lists(
    st.builds(Earlier, st.integers(1, 10**6), verbs, states, st.none() | ages),
    max_size=8,
    unique_by=lambda one: one.id,
)
errors = st.sampled_from(
    [
        port.AuthFailed("x"),
        port.Forbidden("x"),
        port.RateLimited("x"),
        port.Transient("x"),
        port.BadRequest("x"),
        port.NotFound("x"),
        port.Unsupported("x"),
        port.ProtocolError("x"),
        port.MdmError("x"),
    ]
)


# Who must agree.


def test_what_destroys_and_nothing_else_needs_a_second_person() -> None:
    needing = {verb for verb in Verb if needs_second_person(RISKS[verb])}
    assert needing == {Verb.WIPE, Verb.WIPE_USERS, Verb.UNENROL}


# Arguments.


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_takes_its_own_arguments_and_refuses_the_others(verb: Verb) -> None:
    form = FORMS.get(verb)
    takes = form.takes if form else frozenset()
    vendor = GOOGLE if takes & {"delay", "leaves"} else JAMF
    own = {name: GOOD[name] for name in takes}
    assert misfits(verb, own, vendor, Platform.MACOS) == []
    for name in GOOD.keys() - takes:
        assert [one.argument for one in misfits(verb, own | {name: GOOD[name]}, vendor, Platform.MACOS)] == [
            name
        ]


@pytest.mark.parametrize(
    ("verb", "arguments", "wrong"),
    [
        (Verb.RENAME, {}, "name"),
        (Verb.RENAME, {"name": ""}, "name"),
        (Verb.LOST_MODE_ON, {"phone": "555-0100"}, "message"),
        (Verb.MOVE, {}, "site"),
        (Verb.LOCK, {"pin": "12345"}, "pin"),
        (Verb.LOCK, {"pin": "12345a"}, "pin"),
        (Verb.LOCK, {"pin": "\uff11\uff12\uff13\uff14\uff15\uff16"}, "pin"),
        (Verb.LOCK, {"phone": "call me"}, "phone"),
        (Verb.RESTART, {"delay": "10"}, "delay"),
        (Verb.UNENROL, {"leaves": "repair"}, "leaves"),
    ],
)
def test_what_does_not_fit_is_named_and_not_repeated(
    verb: Verb, arguments: dict[str, str], wrong: str
) -> None:
    found = misfits(verb, arguments, JAMF, Platform.MACOS)
    assert [one.argument for one in found] == [wrong]
    assert not any(value and value in one.why for one in found for value in arguments.values())


@pytest.mark.parametrize("delay", ["301", "-1", "1.5", "", "1000"])
def test_googles_restart_waits_at_most_five_minutes(delay: str) -> None:
    found = misfits(Verb.RESTART, {"delay": delay}, GOOGLE, Platform.CHROMEOS)
    assert bool(found) is (delay != "")


def test_a_tag_and_a_user_may_be_taken_away() -> None:
    assert misfits(Verb.SET_ASSET_TAG, {"tag": ""}, JAMF, Platform.MACOS) == []
    assert misfits(Verb.SET_USER, {"user": ""}, JAMF, Platform.MACOS) == []
    assert [one.argument for one in misfits(Verb.SET_USER, {}, JAMF, Platform.MACOS)] == ["user"]


def test_only_macs_of_some_vendors_take_a_pin() -> None:
    taking = {
        (vendor, verb)
        for vendor, verb, platform in itertools.product(VendorName, Verb, Platform)
        if takes_pin(verb, vendor, platform) and platform is Platform.MACOS
    }
    assert taking == {(vendor, verb) for vendor, verbs in PINNED.items() for verb in verbs}
    assert not any(
        takes_pin(verb, vendor, platform)
        for vendor, verb, platform in itertools.product(VendorName, Verb, set(Platform) - {Platform.MACOS})
    )
    assert misfits(Verb.LOCK, {"pin": "123456"}, JAMF, Platform.IPADOS)
    assert misfits(Verb.LOCK, {"pin": "123456"}, VendorName.FLEET, Platform.MACOS)


def test_adapters_get_arguments_by_their_own_names() -> None:
    assert for_vendor({"leaves": "repair", "site": "/A"}) == {"reason": "repair", "site": "/A"}


# What stands in the way.


@given(verbs, earlier)
def test_nothing_is_asked_twice_at_once(verb: Verb, before: list[Earlier]) -> None:
    found = in_the_way(verb, RISKS[verb], before, NOW)
    going = [one for one in before if one.verb in alike(verb) and one.state in IN_FLIGHT]
    if going:
        assert found is not None
        assert found[0].verb in alike(verb)
        assert str(found[0].id) in found[1]


@given(verbs, earlier)
def test_only_the_same_verb_within_its_cooldown_stands_in_the_way(verb: Verb, before: list[Earlier]) -> None:
    found = in_the_way(verb, RISKS[verb], before, NOW)
    if found is not None:
        one = found[0]
        assert one.verb in alike(verb)
        if one.state in ENDED:
            assert one.state not in UNSENT_ENDS
            assert one.sent_at is not None
            assert one.sent_at + COOLDOWNS[RISKS[verb]] > NOW


@given(verbs, earlier)
def test_what_was_never_sent_cools_nothing_down(verb: Verb, before: list[Earlier]) -> None:
    unsent = [Earlier(one.id, one.verb, one.state, None) for one in before if one.state in ENDED]
    assert in_the_way(verb, RISKS[verb], unsent, NOW) is None


@pytest.mark.parametrize(
    ("verb", "minutes", "refused"),
    [
        (Verb.SYNC, 0, False),
        (Verb.RESTART, 9, True),
        (Verb.RESTART, 10, False),
        (Verb.LOCK, 59, True),
        (Verb.LOCK, 60, False),
        (Verb.WIPE, 24 * 60 - 1, True),
        (Verb.WIPE, 24 * 60, False),
    ],
)
def test_the_same_again_has_to_wait(verb: Verb, minutes: int, refused: bool) -> None:
    before = [Earlier(1, verb, CommandState.SUCCEEDED, NOW - timedelta(minutes=minutes))]
    assert (in_the_way(verb, RISKS[verb], before, NOW) is not None) is refused


def test_a_mac_is_not_locked_and_disabled_at_once() -> None:
    going = [Earlier(1, Verb.LOCK, CommandState.UNSURE, NOW)]
    assert in_the_way(Verb.DISABLE, Risk.LOCKING, going, NOW)
    assert in_the_way(Verb.LOST_MODE_ON, Risk.LOCKING, going, NOW) is None


@pytest.mark.parametrize("verb", INVERSES)
def test_what_was_undone_may_be_asked_again_at_once(verb: Verb) -> None:
    done = Earlier(1, verb, CommandState.SUCCEEDED, NOW - timedelta(minutes=5))
    inverse = next(iter(INVERSES[verb]))
    undone = Earlier(2, inverse, CommandState.SUCCEEDED, NOW - timedelta(minutes=2))
    assert in_the_way(verb, RISKS[verb], [done], NOW)
    assert in_the_way(verb, RISKS[verb], [done, undone], NOW) is None
    failed = Earlier(2, inverse, CommandState.FAILED, NOW - timedelta(minutes=2))
    assert in_the_way(verb, RISKS[verb], [done, failed], NOW)
    before = Earlier(0, inverse, CommandState.SUCCEEDED, NOW - timedelta(minutes=7))
    assert in_the_way(verb, RISKS[verb], [done, before], NOW)


# What follows from replies and from silence.


@given(errors, st.booleans())
def test_what_may_have_been_done_is_never_simply_sent_again(error: port.MdmError, sent: bool) -> None:
    error.sent = sent
    then = after_failed_send(error)
    if then is Then.AGAIN:
        assert not sent or isinstance(error, port.RateLimited)
    if sent and type(error) in (port.Transient, port.ProtocolError, port.MdmError):
        assert then is Then.LOOK


@pytest.mark.parametrize(
    ("error", "then"),
    [
        (port.AuthFailed("x"), Then.FAIL),
        (port.Forbidden("x"), Then.FAIL),
        (port.NotFound("x"), Then.FAIL),
        (port.BadRequest("x"), Then.FAIL),
        (port.Unsupported("x"), Then.UNSUPPORTED),
        (port.RateLimited("x"), Then.AGAIN),
        (port.Transient("x"), Then.LOOK),
        (port.ProtocolError("x"), Then.LOOK),
    ],
)
def test_errors_of_sending(error: port.MdmError, then: Then) -> None:
    assert after_failed_send(error) is then


@given(st.integers(0, 20), st.integers(1, 20))
def test_what_destroys_is_only_ever_sent_again_by_a_person(looks: int, attempts: int) -> None:
    assert after_nothing_found(Risk.DESTRUCTIVE, looks, attempts) in (Found.NEXT, Found.PERSON)


@given(risks, st.integers(0, 20), st.integers(1, 20))
def test_nothing_is_believed_before_several_looks_and_nothing_sent_for_ever(
    risk: Risk, looks: int, attempts: int
) -> None:
    found = after_nothing_found(risk, looks, attempts)
    assert (found is Found.NEXT) == (looks < len(LOOKS_WHEN_UNSURE))
    if attempts >= MOST_SENDS:
        assert found is not Found.RESEND


def test_looks_for_a_lost_command_take_several_minutes() -> None:
    assert sum(LOOKS_WHEN_UNSURE, timedelta(0)) >= timedelta(minutes=5)


@given(errors)
def test_a_look_that_fails_is_made_again_unless_it_never_will_succeed(error: port.MdmError) -> None:
    never = isinstance(error, port.NotFound | port.Unsupported | port.BadRequest)
    assert (after_failed_look(error) is Asked.NEVER) == never


@given(st.sampled_from(State), st.none() | st.text(min_size=1, max_size=5))
def test_what_nobody_can_be_asked_about_is_never_called_done(state: State, handle: str | None) -> None:
    told = after_receipt(state, handle)
    if told is CommandState.SUCCEEDED:
        assert state is State.SUCCEEDED
    if handle is None:
        assert told in ENDED


def test_every_state_of_a_vendor_has_a_meaning_and_ends_are_ends() -> None:
    assert STATES.keys() == set(State)
    assert {STATES[state] for state in port.FINAL} <= ENDED
    assert {STATES[state] for state in set(State) - port.FINAL} <= IN_FLIGHT


# Time.


@given(st.integers(0, 10**6))
def test_looks_become_rarer_and_never_stop(looks: int) -> None:
    assert timedelta(seconds=5) <= next_look(looks) <= next_look(looks + 1) <= timedelta(minutes=10)


def test_the_first_looks_are_soon() -> None:
    assert [next_look(n).total_seconds() for n in range(5)] == [5, 10, 20, 40, 80]


@given(st.integers(0, 10**6), st.none() | st.floats(0, 10**9))
def test_a_vendor_that_asks_for_time_gets_it_within_bounds(tries: int, asked_for: float | None) -> None:
    wait = next_try(tries, asked_for)
    assert timedelta(seconds=5) <= wait <= timedelta(hours=1)
    if asked_for is not None and 5 <= asked_for <= 3600:
        assert abs(wait.total_seconds() - asked_for) < 0.001


@given(risks, st.sampled_from(sorted(IN_FLIGHT)))
def test_a_command_in_flight_is_given_up_some_day(risk: Risk, state: CommandState) -> None:
    ends = given_up_at(state, risk, NOW)
    assert NOW < ends <= NOW + timedelta(days=30)
    if state is CommandState.QUEUED:
        assert ends <= NOW + timedelta(days=1)


def test_a_restart_is_not_sent_hours_later_and_a_lost_ipads_lock_waits_for_weeks() -> None:
    assert given_up_at(CommandState.QUEUED, Risk.DISTURBING, NOW) - NOW <= timedelta(minutes=30)
    assert life(Risk.LOCKING) == timedelta(days=30)


# Words.


@pytest.mark.parametrize("language", ["en", "es", "es-MX", "vi"])
def test_every_end_of_every_command_has_a_sentence(language: str) -> None:
    for verb, state in itertools.product(Verb, SAID):
        told = sentence(language, verb, state, tag="CB-1", number=7, detail="Why not.", secret=True)
        assert "CB-1" in told
        assert "7" in told
        assert "Why not." in told
    assert VERBS.keys() == set(Verb)
    assert SAID.keys() == ENDED | {CommandState.WAITING}


def test_what_cannot_be_confirmed_is_not_called_done() -> None:
    english = sentence(
        "en", Verb.WIPE, CommandState.UNVERIFIABLE, tag="A", number=1, detail=None, secret=False
    )
    spanish = sentence(
        "es", Verb.WIPE, CommandState.UNVERIFIABLE, tag="A", number=1, detail=None, secret=False
    )
    assert "cannot be confirmed" in english
    assert "no se puede confirmar" in spanish
