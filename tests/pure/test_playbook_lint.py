"""What is wrong with a playbook is found, with its line and a sentence; hostile texts are refused at once."""

from __future__ import annotations

import json
import string
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.assets.models import AssetKind
from service.playbooks import verbs
from service.playbooks.grammar import Playbook, Verb, book_from, bound, plain
from service.playbooks.library import load
from service.playbooks.lint import problems_in
from service.playbooks.proving import proved
from service.playbooks.reading import LARGEST, Problem, Unreadable, plain_value, read
from tests.playing import ENDS, part, written

GOOD = """\
schema: playbook/1
id: small
title: {en: Small, es: Pequeño}
summary: {en: For tests, es: Para pruebas}
owner: desk
start: first
way_out: over
steps:
  first:
    question: single
    text: {en: Is it on, es: Está encendido}
    options:
      - {value: yes, label: {en: "Yes", es: "Sí"}, next: look}
      - {value: no, label: {en: "No", es: "No"}, next: tell}
  look:
    check: {fact: net.ap.status, op: eq, value: up}
    "true": good
    "false": act
    unknown: act
  tell:
    info: {en: Press it, es: Presiónelo}
    done: look
  act:
    action: device.command
    text: {en: We restart it, es: Lo reiniciamos}
    with: {command: restart}
    risk: R2
    requires: {fact: device.status, op: eq, value: active}
    ok: parted
  parted:
    call: a-part
    returns: {some: good, none: over}
  good: {end: {cause: other, fix: none, outcome: solved_confirmed}, text: {en: Good, es: Bien}}
  over: {handoff: {queue: network}, text: {en: Over, es: Fin}}
"""
A_PART = part(
    "a-part",
    "first: {info: {en: Do}, done: some, cannot: none}",
    "some: {end: {returns: some}}",
    "none: {end: {returns: none}}",
)
LIBRARY: Mapping[str, Playbook] = {"a-part": A_PART}
OVER = "  over: {handoff"


def found(text: str, library: Mapping[str, Playbook] = LIBRARY) -> list[Problem]:
    """Everything wrong with a text, by reading it and by lint. Nothing but Unreadable may be raised."""
    try:
        playbook, source = read(text)
    except Unreadable as error:
        return list(error.problems)
    return problems_in(playbook, library, source=source, locales=("en", "es"))


def test_there_is_nothing_wrong_with_the_good_one() -> None:
    assert found(GOOD) == []


LEAF = "{fact: net.ap.status, op: eq, value: up}"
SAYS = "{en: Press it, es: Presiónelo}"
OPTIONS = "    options:\n"
EXAMPLE = "examples: [{name: a, facts: {device.statuss: active}, ends: {}}] #!\n"
TELL = f"  tell:\n    info: {SAYS}\n    done: look\n"
LOOK = f'  look:\n    check: {LEAF}\n    "true": good\n'


def hole(inner: str) -> str:
    return json.dumps(dict.fromkeys(("en", "es"), f"{{{{ {inner} }}}}"))


def asks(kind: str, *more: str) -> str:
    """The step `tell`, asking something instead."""
    lines = (f"question: {kind}", "text: {en: A, es: A}", "next: look", *more)
    return "  tell: #!\n" + "".join(f"    {line}\n" for line in lines)


# Each case: the code, what is replaced in the good one, and what it is replaced with; `#!` marks the line.
CASES = [
    ("no_start", "start: first", "start: frist #!"),
    ("no_target", "way_out: over", "way_out: ovr #!"),
    ("no_target", TELL, TELL.replace("tell:", "tell: #!") + "    on_timeout: nowhere\n"),
    ("no_target", "done: look", "done: lok"),
    ("unreachable", OVER, "  lost: {info: {en: Lost, es: Perdido}, done: over} #!\n" + OVER),
    ("cycle", LOOK, LOOK.replace("look:", "look: #!").replace("good", "tell")),
    ("no_text", "Está encendido}", "Está encendido}\n    help: {en: Look} #!"),
    ("no_text", "{en: Press it, es: Presiónelo}", "{es: Presiónelo} #!"),
    ("bad_hole", SAYS, hole("fact.device.modl") + " #!"),
    ("bad_hole", SAYS, hole("settings.database_url") + " #!"),
    ("bad_hole", SAYS, hole("answer.act") + " #!"),
    ("bad_hole", SAYS, hole("out.parted") + " #!"),
    ("texts_differ", SAYS, '{en: "{{ fact.device.model }}", es: Presiónelo} #!'),
    ("no_edge", "done: look", "done: look\n    rules_out: {didnt_help: {en: No, es: No}} #!"),
    ("no_edge", '    "true": good', '    on_timeout: over #!\n    "true": good'),
    ("no_fact", "steps:\n", EXAMPLE + "steps:\n"),
    ("twice", OPTIONS, OPTIONS + '      - {value: yes, label: {en: "A", es: "A"}, next: look}\n'),
    ("few_options", TELL, asks("single", "options: [{value: a, label: {en: A, es: A}}]")),
    ("options", TELL, asks("text", "options: [{value: a, label: {en: A, es: A}}]")),
    ("reserved", OPTIONS, OPTIONS + '      - {value: cannot, label: {en: "A", es: "A"}, next: look}\n'),
    ("optional", TELL, asks("number", "optional: true")),
    ("range", TELL, asks("number", "minimum: 5", "maximum: 4")),
    ("risk", "risk: R2", "risk: R1 #!"),
    ("argument", "{command: restart}", "{command: explode} #!"),
    ("argument", "{command: restart}", "{command: restart, force: true} #!"),
    ("argument", "{command: restart}", "{message: hello} #!"),
    ("argument", "{command: restart}", '{command: restart, message: "{{ settings.secret }}"} #!'),
    ("no_approval", "risk: R2", "risk: R3"),
    ("unguarded", "    requires: {fact: device.status, op: eq, value: active}\n", ""),
    ("end", "good: {end: {", "good: {end: {returns: x, "),
    ("no_code", "fix: none, ", ""),
    ("code", "cause: other", "cause: gremlins"),
    ("too_deep", LEAF, "{not: " * 9 + "{fact: net.ap.status, op: present}" + "}" * 9 + " #!"),
    ("reference", LEAF, "{fact: answer.look, op: eq, value: up} #!"),
    ("reference", LEAF, "{fact: answer.first, op: eq, value: maybe} #!"),
    ("reference", LEAF, "{fact: answer.first, op: contains, value: yes} #!"),
    ("reference", LEAF, "{fact: answer.first, op: newer_than, value: x} #!"),
    ("reference", LEAF, "{fact: answer.tell, op: eq, value: didnt_help} #!"),
    ("reference", LEAF, "{fact: answer.first, op: eq, value: [yes, no]} #!"),
    ("reference", LEAF, "{fact: out.parted, op: eq, value: some} #!"),
    ("reference", "{fact: device.status, op: eq, value: active}", "{fact: out.tell, op: eq, value: ok} #!"),
    ("no_fact", "fact: net.ap.status", "fact: net.ap.state"),
    ("misfit", "value: up", "value: Up"),
    ("misfit", "op: eq, value: up", "op: gt, value: 5"),
    ("misfit", "op: eq, value: up", "op: eq"),
    ("no_part", "call: a-part", "call: b-part #!"),
    ("returns", "some: good, none: over", "some: good"),
    ("returns", "some: good, none: over", "some: good, none: over, more: over"),
    ("too_long", "way_out: over", "way_out: over\nlife: 15d #!"),
    ("too_long", "done: look", "done: look\n    timeout: 15d #!"),
    ("way_out", "way_out: over", "way_out: parted #!"),
    # Read, not linted.
    ("missing", "owner: desk\n", ""),
    ("missing", "    unknown: act\n", ""),
    ("extra_forbidden", "owner: desk", "owner: desk\nownr: desk #!"),
    ("extra_forbidden", "done: look", "done: look\n    dun: look #!"),
    ("extra_forbidden", "{queue: network}", "{queue: network, prio: P1}"),
    ("step_kind", "    info: {en: Press it, es: Presiónelo}\n    done: look", "    done: look"),
    ("step_kind", "  tell:\n    info: {en: Press it, es: Presiónelo}\n    done: look", "  tell: nothing #!"),
    ("condition", "check: {fact: net.ap.status, op: eq, value: up}", "check: up #!"),
    ("condition", "check: {fact: net.ap.status, op: eq, value: up}", "check: {is: up} #!"),
    ("literal_error", "schema: playbook/1", "schema: playbook/2 #!"),
    ("literal_error", "question: single", "question: double #!"),
    ("enum", "op: eq, value: up", "op: like, value: up"),
    ("enum", "risk: R2", "risk: R9 #!"),
    ("string_pattern_mismatch", "id: small", "id: Small Thing #!"),
    ("string_pattern_mismatch", "done: look", "done: look\n    timeout: soon #!"),
    ("string_too_long", "Press it", "x" * 1201),
    ("string_type", "owner: desk", "owner: 5 #!"),
    ("dict_type", "title: {en: Small, es: Pequeño}", "title: Small #!"),
    ("bool_type", "value: up}", "value: {a: b}}"),
    ("twice", "owner: desk", "owner: desk\nowner: mdm #!"),
    ("twice", "done: look", "done: look\n    done: act #!"),
    ("yaml", "owner: desk", "owner: &a desk #!"),
    ("yaml", "owner: desk", "owner: !!str desk #!"),
    ("yaml", "owner: desk", "owner: *a #!"),
    ("yaml", "owner: desk", "\towner: desk #!"),
    ("yaml", "owner: desk", "owner: [desk\n?"),
    ("yaml", "owner: desk", "[a, b]: desk #!"),
    ("yaml", "owner: desk", "owner: a\x00b #!"),
    ("yaml", "owner: desk", "owner: a\ud800b #!"),
    ("yaml", "owner: desk", 'owner: "a\\0b" #!'),
    ("yaml", "owner: desk", 'owner: "a\\ud800b" #!'),
    ("yaml", "owner: desk", '"\\ud800": desk #!'),
]


@pytest.mark.parametrize(
    ("code", "old", "new"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)]
)
def test_each_mistake_has_its_code_its_line_and_a_sentence(code: str, old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    told = found(text)
    assert {problem.code for problem in told} == {code}, told
    assert told[0].message[-1] in ".!?"
    if "#!" in new:
        line = text[: text.index("#!")].count("\n") + 1
        assert {problem.line for problem in told} <= {
            line,
            *range(line + 1, line + 5 * text.count("tell: #!")),
        }, told


def test_every_code_of_the_linter_has_its_case() -> None:
    source = Path(verbs.__file__).with_name("lint.py").read_text(encoding="utf-8")
    codes = {
        line.split('"')[1] for line in source.replace("(\n", "(").split("self.wrong(")[1:] for line in [line]
    }
    there = {case[0] for case in CASES} | {"no_way_on", "recursion"}
    assert codes - there == set()


def test_without_a_way_out_what_leads_nowhere_goes_to_the_owner() -> None:
    without = GOOD.replace("way_out: over\n", "")
    assert found(without) == []
    assert [one.code for one in found(without.replace(", next: tell}", "}"))] == ["no_way_on", "unreachable"]


def test_an_alternative_is_offered_for_a_fact_that_is_not_there() -> None:
    assert "Did you mean net.ap.status?" in found(GOOD.replace("net.ap.status", "net.ap.statuss"))[0].message


@pytest.mark.parametrize("name", ["device.last_user", "device.last_network", "account.risky_sign_in"])
def test_what_only_staff_may_see_is_put_into_no_text(name: str) -> None:
    hole = f'{{en: "{{{{ fact.{name} }}}}", es: "{{{{ fact.{name} }}}}"}}'
    told = found(GOOD.replace("{en: Press it, es: Presiónelo}", hole))
    assert [one.code for one in told] == ["bad_hole", "bad_hole"]
    assert "for staff only" in told[0].message


@pytest.mark.parametrize(
    "hole",
    [
        "settings.database_url",
        "env.HOME",
        "fact",
        "fact.",
        "fact.__class__",
        "fact.device.model.__class__",
        "fact.device.model | upper",
        "fact.device.model()",
        "fact['a']",
        "7*7",
        "config",
        "",
        " ",
        "%s",
        'fact.device.model | default:"{{ x }}"',
        "fact.device.model | date",
        "fact.device.model\n",
        "self",
        "answer.first.__init__",
        "answer.nowhere",
        "out.first",
        "fact.device.model }} {{ settings.secret",
        "FACT.device.model",
        "run.state",
        "fact.net..ap",
    ],
)
def test_templates_reach_nothing_but_facts_and_answers(hole: str) -> None:
    words = json.dumps({"en": f"a {{{{ {hole} }}}} b", "es": f"a {{{{ {hole} }}}} b"})
    told = found(GOOD.replace("{en: Press it, es: Presiónelo}", words))
    assert told
    assert {one.code for one in told} == {"bad_hole"}


# Approvals


WIPE = "    risk: R2\n"


def test_a_wipe_behind_an_approval_step_is_in_order() -> None:
    asked = GOOD.replace(WIPE, "    risk: R3\n").replace(
        '"false": act\n    unknown: act', '"false": agree\n    unknown: agree'
    )
    step = (
        "  agree: {approval: {role: lead}, text: {en: May we, es: Podemos}, approved: act, refused: over}\n"
    )
    assert found(asked.replace(OVER, step + OVER)) == []
    for wrong in ("refused: act, on_timeout: over", "on_timeout: act", "refused: act"):
        bad = step.replace("refused: over", wrong)
        assert [one.code for one in found(asked.replace(OVER, bad + OVER))] == ["no_approval"]


def test_one_way_round_the_approval_is_one_too_many() -> None:
    asked = GOOD.replace(WIPE, "    risk: R3\n").replace('"false": act', '"false": agree')
    step = (
        "  agree: {approval: {role: lead}, text: {en: May we, es: Podemos}, approved: act, refused: over}\n"
    )
    assert [one.code for one in found(asked.replace(OVER, step + OVER))] == ["no_approval"]


# Parts


def caller(name: str, *calls: str, ends: str = "{end: {returns: x}}") -> Playbook:
    """A part that calls parts one after the other."""
    steps = [f"s{n}: {{call: {call}, returns: {{x: s{n + 1}}}}}" for n, call in enumerate(calls)]
    return part(name, *steps, f"s{len(calls)}: {ends}", start="s0")


def calls(library: Mapping[str, Playbook], name: str) -> list[str]:
    text = GOOD.replace("call: a-part", f"call: {name}").replace("some: good, none: over", "x: good")
    return sorted({one.code for one in found(text, library)})


def test_parts_that_come_back_are_refused() -> None:
    assert calls({"loop": caller("loop", "small")}, "loop") == ["recursion"]


@pytest.mark.parametrize(("deep", "codes"), [(3, []), (4, ["too_deep"]), (5, ["too_deep"])])
def test_parts_are_four_deep_at_most(deep: int, codes: list[str]) -> None:
    library = {f"p{n}": caller(f"p{n}", f"p{n + 1}") for n in range(deep)} | {f"p{deep}": caller(f"p{deep}")}
    assert calls(library, "p0") == codes


def test_steps_of_parts_count_too() -> None:
    library = {"p1": caller("p1", *["p2"] * 10), "p2": caller("p2", *["p3"] * 2), "p3": caller("p3")}
    assert calls(library, "p1") == ["too_long"]


@pytest.mark.parametrize("wide", [1, 3, 100])
def test_many_parts_that_call_many_are_judged_at_once(wide: int) -> None:
    library = {}
    for n in range(12):
        for k in range(min(wide, 3)):
            below = [f"p{n + 1}-{(k + i) % min(wide, 3)}" for i in range(wide)] if n < 11 else []
            library[f"p{n}-{k}"] = caller(f"p{n}-{k}", *below)
    started = time.perf_counter()
    assert "too_deep" in calls(library, "p0-0")
    assert time.perf_counter() - started < 2


def test_parts_that_call_each_other_end_the_search() -> None:
    library = {"a1": caller("a1", "b1"), "b1": caller("b1", "a1")}
    assert calls(library, "a1") == ["too_deep"]
    assert bound(read(GOOD.replace("a-part", "a1"))[0], library).parts.keys() == {"a1", "b1"}


# Hostile

HEAD = GOOD[: GOOD.index("steps:")]
HOSTILE: Mapping[str, str] = {
    "nothing": "",
    "white space": " \n\n \n",
    "a comment": "# nothing",
    "a word": "hello",
    "a list": "[1, 2]",
    "a number": "5",
    "no steps": HEAD + "steps: {}\n",
    "too large": "a" * (LARGEST + 1),
    "10,000 steps": HEAD + "steps:\n" + "".join(
        f"  s{n}: {{info: {{en: A}}, done: s{n + 1}}}\n" for n in range(10_000)
    ),
    "121 steps": HEAD + "steps:\n" + "".join(
        f"  s{n}: {{info: {{en: A}}, done: s{n + 1}}}\n" for n in range(121)
    ),
    "10,000 conditions deep": GOOD.replace(
        "{fact: net.ap.status, op: eq, value: up}",
        "{not: " * 10_000 + "{fact: net.ap.status, op: present}" + "}" * 10_000,
    ),
    "51 conditions": GOOD.replace(
        "{fact: net.ap.status, op: eq, value: up}",
        "{all: [" + ", ".join(["{fact: net.ap.status, op: present}"] * 51) + "]}",
    ),
    "many conditions": GOOD.replace(
        "{fact: net.ap.status, op: eq, value: up}",
        "{all: [" + ", ".join(["{any: [" + ", ".join(["{fact: a.b, op: present}"] * 50) + "]}"] * 50) + "]}",
    ),
    "brackets": "[" * 390_000,
    "braces": "{" * 390_000,
    "braces and keys": "{a: " * 90_000,
    "dashes": "- " * 190_000,
    "question marks": "? " * 190_000,
    "deep blocks": "".join(f"{' ' * n}a:\n" for n in range(800)),
    "quotes": '"' * 300_000,
    "one open quote": '"' + "a" * 300_000,
    "colons": "a: 1" + ":1" * 190_000,
    "a huge number": GOOD.replace("value: up", "value: " + "9" * 200_000),
    "a huge hexadecimal": GOOD.replace("value: up", "value: 0x" + "f" * 200_000),
    "a huge exponent": GOOD.replace("value: up", "value: 1e999999999"),
    "not a number": GOOD.replace("value: up", "value: .nan"),
    "many keys": "\n".join(f"k{n}: 1" for n in range(30_000)),
    "many lists": "a: [" + "[],\n" * 60_000 + "]",
    "long lines of commas": "a: [" + "1," * 150_000 + "]",
    "an alias bomb": "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip(
        string.ascii_lowercase, string.ascii_lowercase[1:], strict=False)),
    "a merge": "a: 1\n<<: {b: 1}\n",
    "a tag that runs": "!!python/object/apply:os.system ['true']",
    "a tag that runs in a key": "? !!python/name:os.system\n: 1",
    "a directive": "%YAML 9.9\n---\na: 1",
    "two documents": GOOD + "---\n" + GOOD,
    "a control character": GOOD.replace("Small", "Sm\x07all"),
    "a NUL at the end": GOOD + "\x00",
    "a lone half": GOOD.replace("Small", "\udcff"),
    "a byte order mark inside": GOOD.replace("Small", "S\ufffe"),
    "tabs": GOOD.replace("    ", "\t"),
    "steps as a list": HEAD + "steps: [1, 2, 3]\n",
    "steps that are nothing": HEAD + "steps: {first: , second: null, third: 5, fourth: [], fifth: x}\n",
    "a step of every kind": HEAD + "steps: {first: {question: single, info: {en: A}, check: 5, end: {}}}\n",
    "keys of every type": HEAD + "steps: {first: {1: 2, null: 3, true: 4}}\n",
    "a cycle": GOOD.replace("ok: parted", "ok: first"),
    "a step to itself": GOOD.replace("ok: parted", "ok: act"),
    "a chain of a hundred": HEAD.replace("first", "s0").replace("way_out: over", "") + "steps:\n" + "".join(
        f"  s{n}: {{info: {{en: A, es: A}}, done: s{n + 1}}}\n" for n in range(100)
    ) + "  s100: {end: {cause: other, fix: none, outcome: workaround}}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_quickly_with_a_sentence(name: str) -> None:
    started = time.perf_counter()
    told = found(HOSTILE[name])
    assert time.perf_counter() - started < 3
    assert 1 <= len(told) <= 60
    for problem in told:
        str(problem).encode()
        assert len(problem.message) < 700
        assert problem.line >= 1


def test_a_diamond_of_steps_is_judged_at_once() -> None:
    steps = "".join(
        f"s{n}: {{question: single, text: {{en: A, es: A}}, next: s{n + 1}, options: ["
        "{value: a, label: {en: A, es: A}}, {value: b, label: {en: B, es: B}}]}\n"
        for n in range(55)
    )
    started = time.perf_counter()
    assert (
        found(
            written(
                f"{steps}s55: {{info: {{en: A, es: A}}, done: good}}\n{ENDS}",
                start="s0",
                more="way_out: over",
            )
        )
        == []
    )
    assert time.perf_counter() - started < 1


def test_a_playbook_may_be_written_as_json() -> None:
    playbook, source = read(GOOD)
    again, _ = read(json.dumps(source.values))
    assert again == playbook
    assert read(json.dumps(source.values, indent=1, ensure_ascii=False))[0] == playbook


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("Y", "Y"), ("True", "True"),
        ("true", True), ("false", False), ("~", None), ("null", None), ("", None), ("5", 5), ("-5", -5),
        ("+5", 5), ("05", "05"), ("00.5", "00.5"), ("1.", "1."),
        ("0x1f", "0x1f"), ("0b1", "0b1"), ("1_000", "1_000"), ("1:30", "1:30"), ("2026-09-14", "2026-09-14"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", ".5"), (".inf", ".inf"), ("9" * 16, "9" * 16), ("-20m", "-20m"),
        ("=", "="), ("<<", "<<"), ("\u0663", "\u0663"),
    ],
)  # fmt: skip
def test_a_word_means_what_it_says(text: str, value: Any) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


ALPHABET = st.characters(blacklist_categories=()) | st.sampled_from(list("{}[]:,-?&*!|>'\"%@`#\n \t"))


@settings(max_examples=300)
@given(st.text(ALPHABET, max_size=80))
def test_no_text_raises_anything_but_unreadable(text: str) -> None:
    assert found(text)


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 40), st.text(ALPHABET, max_size=12))
def test_no_damage_raises_anything_but_unreadable(at: int, gone: int, put: str) -> None:
    for problem in found(GOOD[:at] + put + GOOD[at + gone :]):
        str(problem).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("steps",), ("steps", "first"), ("steps", "first", "options"), ("steps", "first", "options", 0),
    ("steps", "look", "check"), ("steps", "look", "check", "value"), ("steps", "act", "with"),
    ("steps", "act", "requires"), ("steps", "parted", "returns"), ("steps", "good", "end"), ("title",),
    ("applies_to",), ("examples",), ("start",), ("life",), ("steps", "act", "approval"),
    ("steps", "act", "verify"),
]  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(PLACES), JSON)
def test_no_value_anywhere_raises_anything_but_unreadable(place: tuple[Any, ...], value: Any) -> None:
    values = json.loads(json.dumps(read(GOOD)[1].values))
    inner = values
    for one in place[:-1]:
        inner = inner[one]
    inner[place[-1]] = value
    for problem in found(json.dumps(values)):
        str(problem).encode()


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["device.last_seen", "net.ap.clients", "x.y", "look"]), JSON, max_size=3)
)
def test_no_example_breaks_the_proof(facts: dict[str, Any]) -> None:
    values = json.loads(json.dumps(read(GOOD)[1].values))
    values["examples"] = [
        {
            "name": "any",
            "facts": facts,
            "answers": {"first": "yes"} | facts,
            "arrives": {"act": facts},
            "ends": {},
        }
    ]
    try:
        playbook, _ = read(json.dumps(values))
    except Unreadable:
        return
    assert proved(bound(playbook, LIBRARY)).failures


# What a version is


def test_a_book_survives_being_kept() -> None:
    book = bound(read(GOOD)[0], LIBRARY)
    again = book_from(json.loads(json.dumps(plain(book))))
    assert (again.hash, again.main.steps) == (book.hash, book.main.steps)


def test_the_hash_is_of_what_it_does_and_not_of_its_layout_or_examples() -> None:
    book = bound(read(GOOD)[0], LIBRARY)
    other = (
        GOOD.replace("owner: desk\n", "") + "owner: desk # moved\nexamples: [{name: a, ends: {handoff: x}}]\n"
    )
    assert bound(read(other)[0], LIBRARY).hash == book.hash
    assert bound(read(GOOD.replace("value: up", "value: down"))[0], LIBRARY).hash != book.hash
    assert bound(read(GOOD)[0], {"a-part": A_PART.model_copy(update={"owner": "mdm"})}).hash != book.hash


def test_a_file_is_called_as_its_id(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(GOOD, encoding="utf-8")
    assert load(tmp_path / "small.yaml").playbook.id == "small"
    (tmp_path / "other.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(Unreadable, match=r"other.yaml:2: .*\[id\]"):
        load(tmp_path / "other.yaml")
    (tmp_path / "small.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Unreadable, match="not UTF-8"):
        load(tmp_path / "small.yaml")


# Actions


def test_the_kinds_of_loaners_are_the_kinds_of_devices() -> None:
    assert set(verbs.KINDS) == set(AssetKind)


@pytest.mark.parametrize(
    ("verb", "arguments", "says"),
    [
        ("loaner.issue", {"days": "many"}, "whole number from 1 to 365"),
        ("loaner.issue", {"days": 0}, "whole number from 1 to 365"),
        ("loaner.issue", {"days": True}, "whole number from 1 to 365"),
        ("loaner.order", {"kind": "yacht"}, "is one of chromebook"),
        ("fact.refresh", {"fact": "device.mood"}, "There is no fact “device.mood”"),
        ("ticket.note", {}, "needs “body”"),
        ("ticket.note", {"body": "{{ fact.device.last_user }}"}, "nothing is put into it"),
        ("ticket.update", {"priority": "P9"}, "is one of P1"),
        ("ticket.update", {"cause": "dup"}, "needs a “fix” too"),
        ("network.poe_cycle", {"seconds": 9999}, "whole number from 1 to 60"),
    ],
)
def test_arguments_that_do_not_fit_say_why(verb: str, arguments: dict[str, Any], says: str) -> None:
    assert any(says in one for one in verbs.misfits(Verb(verb), arguments))
