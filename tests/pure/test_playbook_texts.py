"""Words with facts in them, and the cards of every stage in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.playbooks.cards import SAID, card
from service.playbooks.graph import mermaid
from service.playbooks.library import shipped
from service.playbooks.readability import grade
from service.playbooks.texts import (
    filled,
    holes,
    in_language,
    is_complete,
    lasting,
    misfit,
    names_in,
    written,
)
from tests.playing import NOON, Run, book, playbook

NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)
SEEN = (NOW - timedelta(hours=3)).isoformat()
KNOWN: Mapping[tuple[str, str], Any] = {
    ("fact", "device.model"): "C-11",
    ("fact", "device.last_seen"): SEEN,
    ("fact", "device.enrolled"): True,
    ("fact", "net.ap.clients"): 31,
    ("fact", "device.storage_free_gb"): 2.50,
    ("answer", "which"): ["a", "b"],
    ("answer", "evil"): "{{ fact.device.model }} <b>x</b>",
    ("out", "restart"): "ok",
}


def said(words: str, language: str = "en", **given: Any) -> str:
    given.setdefault("now", NOW)
    return filled({language: words}, language, lambda kind, name: KNOWN.get((kind, name)), **given)


# Holes


@pytest.mark.parametrize(
    ("words", "comes"),
    [
        ("Your {{ fact.device.model }}.", "Your C-11."),
        ("{{fact.device.model}}{{ fact.device.model }}", "C-11C-11"),
        ("{{ fact.device.last_seen }}", "2026-09-14 12:00"),
        ("{{ fact.device.last_seen | date }}", "2026-09-14"),
        ("{{ fact.device.last_seen | duration }}", "3 hours"),
        ("{{ fact.device.enrolled }}", "yes"),
        ("{{ fact.net.ap.clients }}", "31"),
        ("{{ fact.device.storage_free_gb }}", "2.5"),
        ("{{ answer.which }}", "a, b"),
        ("{{ out.restart }}", "ok"),
        ("{{ fact.device.tag }}", "not known"),
        ('{{ fact.device.tag | default:"this device" }}', "this device"),
        ('{{ fact.device.tag | default:"" }}', ""),
        ('{{ fact.device.last_seen | duration | default:"long" }}', "3 hours"),
        ('{{ fact.device.support_ends | date | default:"soon" }}', "soon"),
        ("{{ answer.evil }}", "{{ fact.device.model }} <b>x</b>"),
        ("{{ settings.database_url }}", ""),
        ("{{ fact.device.model | upper }}", ""),
        ("no holes { at } all", "no holes { at } all"),
    ],
)
def test_a_hole_is_filled(words: str, comes: str) -> None:
    assert said(words) == comes


def test_a_hole_is_filled_in_the_readers_language_and_zone() -> None:
    assert said("{{ fact.device.enrolled }}", "es") == "sí"
    assert said("{{ fact.device.enrolled }}", "es-MX") == "sí"
    assert said("{{ fact.device.tag }}", "es-MX") == "no se sabe"
    assert said("{{ fact.device.last_seen | duration }}", "es") == "3 horas"
    assert said("{{ fact.device.last_seen }}", zone=ZoneInfo("America/Chicago")) == "2026-09-14 07:00"


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-09-14T15:00:00.000000", "x" * 9000,
        "2026-W38-1T15:00:00+00:00", [[["deep"]]], {"a": 1}, 10**30, float("inf"), float("nan"), "", b"x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [None, "date", "duration"])
def test_whatever_a_person_or_a_vendor_wrote_can_be_shown(value: Any, shape: str | None) -> None:
    for zone in (UTC, ZoneInfo("Pacific/Kiritimati")):
        assert len(written(value, shape, "es", zone=zone, now=NOW)) <= 500


@given(st.text() | st.integers() | st.floats() | st.datetimes() | st.datetimes(timezones=st.timezones()))
def test_no_value_breaks_a_text(value: Any) -> None:
    for shape in (None, "date", "duration"):
        assert isinstance(written(value, shape, "en", now=NOW), str)


@pytest.mark.parametrize(
    ("seconds", "en", "es"),
    [
        (-5, "less than a minute", "menos de un minuto"),
        (59, "less than a minute", "menos de un minuto"),
        (60, "1 minute", "1 minuto"),
        (3_599, "59 minutes", "59 minutos"),
        (3_600, "1 hour", "1 hora"),
        (86_399, "23 hours", "23 horas"),
        (86_400, "1 day", "1 día"),
        (90 * 86_400, "90 days", "90 días"),
    ],
)
def test_how_long_something_lasts(seconds: int, en: str, es: str) -> None:
    assert lasting(timedelta(seconds=seconds), "en") == en
    assert lasting(timedelta(seconds=seconds), "es-MX") == es


@pytest.mark.parametrize(
    ("hole", "why"),
    [
        (" fact.device.model ", None),
        (" fact.device.last_seen | duration ", None),
        (' fact.device.model | default:"it" ', None),
        (" answer.which ", None),
        (" fact.device.modl ", "there is no fact device.modl"),
        (" fact.device.last_user ", "device.last_user is for staff only and is never put into a text"),
        (" fact.device.model | date ", "date is for instants; device.model is a text"),
        (" settings.database_url ", "write {{ fact.name }}, {{ answer.step }} or {{ out.step }}, with date, "
         "duration or default"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_hole(hole: str, why: str | None) -> None:
    assert misfit(hole) == why


def test_a_brace_without_its_partner_is_told() -> None:
    for words in ("{{ fact.device.model", "fact.device.model }}", "{{ fact.\ndevice.model }}"):
        assert [why for _, _, why in holes({"en": words})] == ["a {{ has no matching }}"]


def test_the_names_in_a_text() -> None:
    text = {"en": "{{ fact.device.tag }} {{ answer.a }} {{ nonsense }}", "es": "{{ out.b }}"}
    assert names_in(text) == {("fact", "device.tag"), ("answer", "a"), ("out", "b")}


# Languages


def test_a_language_falls_back_to_its_base_and_then_to_english() -> None:
    text = {"en": "Hello", "es": "Hola", "pt-BR": "Oi"}
    assert [in_language(text, one) for one in ("es", "es-MX", "pt-BR", "fr", "en-GB", "")] == [
        "Hola", "Hola", "Oi", "Hello", "Hello", "Hello",
    ]  # fmt: skip
    assert in_language({}, "en") == ""
    assert is_complete(text, "es-MX")
    assert not is_complete(text, "fr")


def test_everything_the_desk_says_is_there_in_both_languages() -> None:
    for text in SAID.values():
        assert text["en"] != text["es"] or text["en"] == "No"


# Cards

ALL = book(
    """
    first:
      question: single
      text: {en: "Is {{ fact.device.model }} on?", es: "¿Está encendido {{ fact.device.model }}?"}
      help: {en: Look at it, es: Mírelo}
      picture: {slot: a-light, alt: {en: A light, es: Una luz}}
      time: 45s
      options:
        - {value: yes, label: {en: "Yes", es: "Sí"}, next: tell}
        - {value: no, label: {en: "No", es: "No"}, next: show}
    tell:
      info: {en: Press it, es: Presiónelo}
      done: act
      didnt_help: pause
    show:
      question: photo
      text: {en: Show it, es: Muéstrelo}
      optional: true
      maximum: 3
      next: over
    act:
      action: device.command
      text: {en: We restart it., es: Lo reiniciamos.}
      with: {command: restart}
      risk: R2
      verify: {check: {fact: device.last_seen, op: newer_than, value: 1m, max_age: 1m}, within: 5m}
      ok: agree
    agree: {approval: {role: lead}, text: {en: May we., es: Podemos.}, approved: good}
    pause: {wait: {for: 1h}, text: {en: Please wait, es: Espere}, done: look}
    look:
      check: {fact: net.ap.status, op: eq, value: up}
      fresh: 30s
      "true": good
      "false": tech
      unknown: tech
    tech:
      question: text
      audience: technician
      text: {en: What is it, es: Qué es}
      next: good
    """
)


def begun(**facts: Any) -> Run:
    return Run(ALL, facts={"device.model": "C-11"} | {k.replace("__", "."): v for k, v in facts.items()})


def test_the_card_of_a_question() -> None:
    shown = begun().card("es")
    assert (shown.path, shown.kind, shown.text) == ("first", "single", "¿Está encendido C-11?")
    assert (shown.help, shown.picture, shown.picture_alt) == ("Mírelo", "a-light", "Una luz")
    assert [(one.value, one.label) for one in shown.choices] == [("yes", "Sí"), ("no", "No")]
    assert [(one.value, one.label) for one in shown.ways] == [
        ("dont_know", "No lo sé"),
        ("cannot", "No puedo hacerlo"),
    ]
    assert (shown.answers_by, shown.seconds, shown.can_go_back) == ("requester", 45, False)
    assert shown.until == NOON + timedelta(hours=24)


def test_the_card_of_an_instruction() -> None:
    shown = begun().says("yes").card("en-GB")
    assert (shown.kind, shown.text, shown.seconds, shown.can_go_back) == ("info", "Press it", 120, True)
    assert [one.label for one in (*shown.choices, *shown.ways)] == [
        "Done",
        "It didn't help",
        "I can't do this",
    ]


def test_the_card_of_a_photo_that_may_be_left_out() -> None:
    shown = begun().says("no").card()
    assert (shown.kind, shown.maximum) == ("photo", 3)
    assert [one.value for one in shown.ways] == ["left_out", "dont_know", "cannot"]


def test_the_cards_of_an_action_from_consent_to_its_after_check() -> None:
    run = begun().says("yes").says("done")
    consent = run.card("es")
    assert (consent.kind, consent.text) == ("consent", "Lo reiniciamos. ¿Podemos hacerlo ahora?")
    assert [one.label for one in consent.choices] == ["Sí, adelante", "No, ahora no"]
    acting = run.says("yes").card()
    assert (acting.kind, acting.text, acting.answers_by) == (
        "waiting",
        "We restart it. We are doing this now.",
        None,
    )
    assert run.comes("ok").card("es").text == "Lo reiniciamos. Estamos comprobando si funcionó."


def test_the_card_of_an_approval() -> None:
    run = begun().says("yes").says("done").says("yes").comes("ok")
    run.knows({"device.last_seen": run.now.isoformat()}).after(seconds=1)
    shown = run.card()
    assert (shown.kind, shown.answers_by) == ("approval", "lead")
    assert shown.text == "May we. Somebody at your district has to agree first. You will hear from us."
    assert run.decides(True, 1).card("es").text == "Bien"


def test_the_cards_of_waiting_and_of_looking() -> None:
    run = begun().says("yes").says("didnt_help")
    assert (run.card("es").kind, run.card("es").text) == ("waiting", "Espere")
    assert run.after(hours=1).at == ("look", "freshening")
    assert run.card("es").text == "Estamos revisando el dispositivo. Tarda un momento."
    shown = run.after(seconds=30).card()
    assert (shown.kind, shown.answers_by, shown.text) == ("text", "technician", "What is it")


@pytest.mark.parametrize(
    ("language", "over", "gone", "cancelled"),
    [
        ("en", "Over", SAID["handed_over"]["en"], "This was cancelled."),
        ("es", "Fin", SAID["handed_over"]["es"], "Esto se canceló."),
        ("fr", "Over", SAID["handed_over"]["en"], "This was cancelled."),
    ],
)
def test_the_last_cards(language: str, over: str, gone: str, cancelled: str) -> None:
    handed = begun().way("cannot").card(language)
    assert (handed.kind, handed.text, handed.answers_by) == ("handed_over", over, None)
    assert begun().gives_up().card(language).text == gone
    stopped = begun().is_cancelled().card(language)
    assert (stopped.kind, stopped.text, stopped.can_go_back) == ("cancelled", cancelled, False)


def test_an_end_without_words_of_its_own_says_thank_you() -> None:
    of = book(
        "first: {info: {en: Do}, done: quiet}\nquiet: {end: {cause: dup, fix: none, outcome: duplicate}}"
    )
    assert Run(of).says("done").card("es").text == "Eso es todo. Gracias."


def test_a_card_never_shows_what_is_for_staff_only() -> None:
    of = book("first: {info: {en: 'Last {{ fact.device.last_user }}'}, done: good}")
    assert Run(of, facts={"device.last_user": "ann"}).card().text == "Last not known"


def test_a_card_shows_answers_of_its_own_part_only() -> None:
    of = book(
        "first: {question: text, text: {en: Who}, next: call}",
        "call: {call: inner, returns: {x: good}}",
        playbook(
            "ask: {question: text, text: {en: 'Not {{ answer.first }} but {{ answer.ask }}'}, next: end}",
            "end: {end: {returns: x}}",
            name="inner",
            start="ask",
            more="part: true",
        ),
    )
    assert Run(of).says("me").card().text == "Not not known but not known"


def test_a_card_is_made_in_the_zone_of_its_reader() -> None:
    of = book("first: {info: {en: 'Seen {{ fact.device.last_seen }}'}, done: good}")
    run = Run(of, facts={"device.last_seen": NOON.isoformat()})
    made = card(of, run.state, "en", run.view(), zone=ZoneInfo("America/Chicago"))
    assert made.text == "Seen 2026-09-14 07:00"


# Reading grades and pictures


def test_short_words_are_easier_than_long_ones() -> None:
    assert grade(["Turn it on. Wait. Try again."], "en") < 3
    assert grade(["Authentication infrastructure necessitates organisational authorisation."], "en") > 12
    assert grade(["Encienda la luz. Espere un poco."], "es-MX") <= 6
    assert grade([], "en") == 0.0
    assert grade(["…", "{{ fact.device.model }}"], "es") >= 0


def test_a_picture_of_a_playbook_names_every_step_and_way() -> None:
    made = mermaid(ALL.main, "es")
    assert made.startswith("flowchart TD\n")
    assert all(f"  {step}" in made for step in ALL.main.steps)
    assert 'first -->|"yes"| tell' in made


def test_a_step_called_end_does_not_break_the_picture() -> None:
    of = book(
        'first: {info: {en: Say "hi"}, done: end}', "end: {end: {cause: dup, fix: none, outcome: workaround}}"
    )
    made = mermaid(of.main)
    assert 'first -->|"done"| end_\n' in made
    assert "Say 'hi'" in made


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_playbook_has_a_picture(name: str) -> None:
    lines = mermaid(shipped()[name].playbook, "es").splitlines()
    assert all(line.count('"') % 2 == 0 for line in lines)
