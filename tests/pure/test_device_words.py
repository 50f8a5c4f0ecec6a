"""Facts of a device in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.mdm.port import Compliance, Enrolment, ManagedDevice
from service.assets.fact_words import (
    KEPT_FACTS,
    LAST_SEEN,
    NOTES,
    PLAIN,
    FactType,
    in_words,
    is_stale,
    label_of,
    note_of,
    place_of,
    unit_of,
)
from service.mdm.records import facts_standing, facts_told
from service.playbooks.facts import FACTS

NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
WHOLE = ManagedDevice(
    "1",
    serial="S",
    name="n",
    os_version="1",
    user="u@x.example",
    last_user="l@x.example",
    last_check_in=NOW,
    enrolment=Enrolment.ENROLLED,
    compliance=Compliance.OK,
    supervised=True,
    battery_percent=1.0,
    battery_health_percent=1.0,
    battery_cycles=1,
    storage_total=2,
    storage_free=1,
    wifi_mac="aa:bb:cc:dd:ee:ff",
    lan_address="10.0.0.1",
    public_address="203.0.113.1",
    support_ends=NOW,
)


def test_all_that_a_management_reports_has_a_name_in_both_languages() -> None:
    for name in facts_told(WHOLE) | facts_standing(WHOLE):
        label = KEPT_FACTS[name].label
        assert label["en"]
        assert label["es"]
        assert label["en"] != name


def test_a_playbook_reads_the_same_facts() -> None:
    assert KEPT_FACTS.items() <= FACTS.items()


def test_who_used_a_device_and_where_is_never_plain() -> None:
    private = {"user", "network", "address", "mac", "name"}
    for name in PLAIN:
        assert not KEPT_FACTS[name].staff_only
        assert not private & set(name.replace(".", "_").split("_")), name
    hidden = {
        "device.last_user",
        "device.user",
        "device.last_network",
        "device.public_address",
        "device.wifi_mac",
    }
    assert all(KEPT_FACTS[name].staff_only for name in hidden)


@pytest.mark.parametrize(
    ("name", "value", "en", "es"),
    [
        ("device.storage_free_gb", 3.2, "3.2 GB", "3.2 GB"),
        ("device.battery_percent", 61.0, "61%", "61 %"),
        ("device.clock_skew_seconds", 4, "4 s", "4 s"),
        ("device.battery_cycles", 310, "310", "310"),
        ("device.enrolled", True, "yes", "sí"),
        ("device.status", "lost", "reported lost", "marcado como perdido"),
        ("device.status", "new word", "new word", "new word"),
        ("device.management", "unenrolled", "not enrolled", "no inscrito"),
        ("device.os_version", "2026-09-14", "2026-09-14", "2026-09-14"),
        ("device.support_ends", "2029-06-30T00:00:00+00:00", "2029-06-30", "2029-06-30"),
        ("device.last_seen", "2026-09-14T10:05:00-05:00", "2026-09-14 15:05 UTC", "2026-09-14 15:05 UTC"),
        ("device.last_seen", "yesterday", "yesterday", "yesterday"),
        ("device.last_seen", 7, "7", "7"),
        ("unheard.of_it", [1, "two"], "1, two", "1, two"),
        ("unheard.of_percent", "much", "much", "much"),
        ("unheard.of_percent", True, "yes", "sí"),
    ],
)
def test_a_value_as_a_person_reads_it(name: str, value: Any, en: str, es: str) -> None:
    assert (in_words(name, value, "en"), in_words(name, value, "es")) == (en, es)


def test_every_choice_that_a_reader_may_meet_has_words() -> None:
    for name in PLAIN:
        for choice in KEPT_FACTS[name].choices:
            assert in_words(name, choice, "es") != choice, (name, choice)


def test_names_units_and_their_order() -> None:
    assert label_of("device.os_version", "es-MX") == "versión del sistema"
    assert label_of("device.os_version", "vi") == "system version"
    assert label_of("unheard.of_it", "en") == "unheard.of_it"
    assert [unit_of(name) for name in ("device.battery_percent", "device.os_version")] == ["%", None]
    names = ["unheard.b", "device.os_version", "unheard.a", LAST_SEEN]
    assert sorted(names, key=place_of) == [LAST_SEEN, "device.os_version", "unheard.a", "unheard.b"]


def test_an_hour_under_a_day_is_not_stale_and_a_second_over_it_is() -> None:
    day = timedelta(days=1)
    assert not is_stale(NOW - day, NOW)
    assert is_stale(NOW - day - timedelta(seconds=1), NOW)
    assert not is_stale(NOW + day, NOW), "a clock that runs ahead"


def note(
    facts: dict[str, tuple[Any, datetime]], *, later: timedelta = timedelta(0), language: str = "en"
) -> str | None:
    return note_of(facts, taken_at=NOW, now=NOW + later, language=language)


def seen(**ago: float) -> dict[str, tuple[Any, datetime]]:
    at = NOW - timedelta(**ago)
    return {LAST_SEEN: (at.isoformat(), at), "device.os_version": ("1", at)}


@pytest.mark.parametrize(
    ("facts", "later", "told"),
    [
        ({}, 0, "Nothing is known of this device."),
        (seen(minutes=5), 0, "Last seen by device management 5 minutes ago."),
        (seen(days=9), 0, "Last seen by device management 9 days ago; what follows may have changed."),
        (seen(minutes=5), 2, "Last seen by device management 5 minutes before this was filed."),
        (
            seen(days=1, hours=1),
            2,
            "Last seen by device management 1 day before this was filed; what follows may have changed.",
        ),
        (seen(minutes=-5), 0, "Last seen by device management less than a minute ago."),
        ({"device.status": ("active", NOW)}, 0, None),
        (
            {"device.status": ("active", NOW - timedelta(days=3)), LAST_SEEN: ("?", NOW - timedelta(days=4))},
            0,
            "What is known of this device was 3 days old when this was filed; it may have changed.",
        ),
    ],
)
def test_the_note_says_how_much_it_is_worth(facts: Any, later: float, told: str | None) -> None:
    assert note(facts, later=timedelta(hours=later)) == told


def test_every_note_is_there_in_both_languages_with_the_same_gaps() -> None:
    for words in NOTES.values():
        assert words["en"].count("{0}") == words["es"].count("{0}")
        assert words["en"] != words["es"]


@settings(max_examples=40)
@given(
    minutes=st.integers(-10_000, 1_000_000),
    later=st.integers(0, 1_000_000),
    language=st.sampled_from(["en", "es", "es-MX", "vi"]),
)
def test_a_note_never_breaks_and_warns_exactly_of_what_is_stale(
    minutes: int, later: int, language: str
) -> None:
    facts = seen(minutes=minutes)
    told = note(facts, later=timedelta(minutes=later), language=language)
    assert told
    assert "{" not in told
    warns = "may have changed" in told or "puede haber cambiado" in told
    assert warns == is_stale(facts[LAST_SEEN][1], NOW)


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(KEPT_FACTS)),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.lists(st.integers()),
    ),
)
def test_any_value_has_words(name: str, value: Any) -> None:
    assert isinstance(in_words(name, value, "es"), str)


def test_types_of_facts_fit_their_units() -> None:
    for name, known in KEPT_FACTS.items():
        if unit_of(name) is not None:
            assert known.type is FactType.NUMBER, name
