"""`firstbell playbook`: lint, test, graph and run, as an author uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app as firstbell
from service.playbooks.library import FOLDER, files
from tests.playbook_texts import small

WIFI = str(FOLDER / "chromebook-wifi.yaml")
BUSY = """
schema: playbook/1
id: busy
title: {en: Busy, es: Ocupado}
summary: {en: Everything at once, es: Todo a la vez}
owner: desk
start: number
way_out: over
steps:
  number:
    question: number
    text: {en: How many lights, es: Cuántas luces}
    minimum: 0
    maximum: 4
    next: which
  which:
    question: multi
    text: {en: Which ones, es: Cuáles}
    options: [{value: red, label: {en: Red, es: Rojo}}, {value: blue, label: {en: Blue, es: Azul}}]
    next: restart
  restart:
    action: device.command
    text: {en: We restart it., es: Lo reiniciamos.}
    with: {command: restart}
    risk: R2
    requires: {fact: device.status, op: eq, value: active}
    retry: 1
    ok: agree
  agree: {approval: {role: lead}, text: {en: May we., es: Podemos.}, approved: pause, refused: over}
  pause: {wait: {for: 2h, reply: true}, text: {en: Write to us, es: Escríbanos}, done: good, timed_out: over}
  good: {end: {cause: other, fix: none, outcome: solved_confirmed}, text: {en: It works, es: Funciona}}
  over: {handoff: {queue: desk}, text: {en: A technician comes, es: Viene un técnico}}
"""


def firstbell_playbook(*words: str, lines: str = "") -> Any:
    return CliRunner().invoke(firstbell, ["playbook", *words], input=lines)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """A file of a playbook in a folder of its own."""

    def written(text: str, name: str = "small") -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def in_order(result: Any) -> str:
    """What it printed, when it ended well."""
    assert result.exit_code == 0, result.output
    return str(result.stdout)


# lint


def test_lint_says_when_there_is_nothing_wrong() -> None:
    shown = in_order(firstbell_playbook("lint"))
    assert shown == f"{len(files([FOLDER]))} playbooks, 0 problems.\n"


def test_lint_names_file_line_and_code(file: Any) -> None:
    bad = file(small().replace("next: second}", "next: secnd}"))
    result = firstbell_playbook("lint", bad)
    assert result.exit_code == 1
    assert (
        "small.yaml:11: “yes” of “first” leads to “secnd”, which is not a step. [no_target]" in result.stdout
    )
    assert result.stdout.endswith("1 playbooks, 2 problems.\n")


def test_lint_as_json(file: Any) -> None:
    bad = file("schema: playbook/1\nid: small\nid: small\n")
    result = firstbell_playbook("lint", bad, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"file": "small.yaml", "line": 3, "where": "id", "code": "twice", "message": "“id” is here twice."}
    ]
    assert json.loads(in_order(firstbell_playbook("lint", WIFI, "--json"))) == []


def test_lint_wants_the_languages_that_are_named(file: Any) -> None:
    in_order(firstbell_playbook("lint", file(small())))
    result = firstbell_playbook("lint", file(small()), "--locales", "en, fr")
    assert result.exit_code == 1
    assert "The words in “fr” are missing. [no_text]" in result.stdout


def test_lint_takes_a_folder(file: Any, tmp_path: Path) -> None:
    file(small("one"), "one")
    file(small("two"), "two")
    assert in_order(firstbell_playbook("lint", str(tmp_path))) == "2 playbooks, 0 problems.\n"


@pytest.mark.parametrize("command", ["lint", "test", "graph", "run"])
def test_a_file_that_is_not_there_is_said(command: str, tmp_path: Path) -> None:
    result = firstbell_playbook(command, str(tmp_path / "nothing.yaml"))
    assert result.exit_code == 2
    assert "nothing.yaml cannot be read: No such file or directory" in result.output


@pytest.mark.parametrize("command", ["lint", "test", "graph", "run"])
def test_an_empty_folder_is_said(command: str, tmp_path: Path) -> None:
    result = firstbell_playbook(command, str(tmp_path))
    assert result.exit_code == 2
    assert "There is no playbook here." in result.output


@pytest.mark.parametrize("command", ["lint", "test", "graph", "run"])
@pytest.mark.parametrize("text", ["", "[", "a: &a b", "steps: {first: nothing}", "\x00", "id: small"])
def test_a_file_that_is_no_playbook_is_said_and_does_not_crash(command: str, text: str, file: Any) -> None:
    result = firstbell_playbook(command, file(text))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "small.yaml:1: " in result.output


@pytest.mark.parametrize("command", ["test", "run"])
@pytest.mark.parametrize(("old", "new"), [("start: first", "start: frist"), ("next: second", "next: secnd")])
def test_a_playbook_that_is_not_in_order_is_not_played(command: str, old: str, new: str, file: Any) -> None:
    result = firstbell_playbook(command, file(small().replace(old, new)), lines="yes\n")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "which is not a step" in result.output or "There is no step" in result.output


@pytest.mark.parametrize("command", ["test", "run"])
def test_a_part_that_is_not_there_is_said(command: str, file: Any) -> None:
    calling = small().replace(
        "  second:\n", "  lend: {call: no-such-part, returns: {x: second}}\n  second:\n"
    )
    result = firstbell_playbook(command, file(calling.replace("next: second}", "next: lend}")))
    assert result.exit_code == 1
    assert "There is no part “no-such-part”." in result.output


# test


def test_the_examples_are_played() -> None:
    result = firstbell_playbook("test", WIFI, "--json")
    (row,) = json.loads(in_order(result))
    assert (row["playbook"], row["coverage"], row["failures"], row["missing"]) == (
        "chromebook-wifi",
        1.0,
        [],
        [],
    )
    assert "100%" in in_order(firstbell_playbook("test", WIFI))


def test_an_example_that_ends_otherwise_is_a_failure(file: Any) -> None:
    bad = file(small().replace("answers: {first: yes, second: left_out}", "answers: {first: no}"))
    result = firstbell_playbook("test", bad)
    assert result.exit_code == 1
    assert "it ends with handoff desk" in result.stdout
    assert "no example takes second.left_out" in result.stdout


@pytest.mark.parametrize("fact", ['"-soon"', "{value: 3, age: old}", "{value: 3, age: 5}", "[]"])
def test_an_example_with_an_impossible_fact_is_a_failure_and_no_crash(fact: str, file: Any) -> None:
    text = small().replace(
        "    answers: {first: yes, second: [one]}", f"    facts: {{device.last_seen: {fact}}}"
    )
    result = firstbell_playbook("test", file(text), "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)[0]["failures"]) == 1


# graph


def test_a_playbook_is_drawn_in_a_language(file: Any) -> None:
    shown = in_order(firstbell_playbook("graph", file(small()), "--language", "es"))
    assert shown.startswith("flowchart TD\n")
    assert '  first{{"first<br/>Está encendido"}}\n' in shown
    assert '  first -->|"no"| agree\n' in shown


# run


def test_a_playbook_is_played_to_its_end(file: Any) -> None:
    shown = in_order(firstbell_playbook("run", file(small()), lines="yes\nleft_out\n"))
    assert "Is it on" in shown
    assert "yes: Yes" in shown
    assert "dont_know: I don't know" in shown
    assert 'ended: {"cause": "other", "fix": "self.guided", "outcome": "solved_confirmed"}' in shown


def test_a_player_who_errs_is_told_and_may_go_back(file: Any) -> None:
    shown = in_order(
        firstbell_playbook(
            "run", file(small()), "--language", "es", lines="tal vez\nback\nyes\nback\nno\nn\n"
        )
    )
    assert "Elija una de estas: yes, no." in shown
    assert "There is no step to go back to." in shown
    assert "jumped_back" in shown
    assert 'handed_over: {"queue": "desk"}' in shown


def test_every_kind_of_step_can_be_played(file: Any) -> None:
    lines = "[\n1:30\n9\n2\nred, blue\nyes\nerror\nok\ny\nn\n"
    shown = in_order(
        firstbell_playbook("run", file(BUSY, "busy"), "--fact", "device.status=active", lines=lines)
    )
    assert shown.count("Write a number.") == 2
    assert "Write a number from 0 to 4." in shown
    assert '{"value": ["red", "blue"], "by": "requester"}' in shown
    assert shown.count("action_requested") == 2
    assert "It works" in shown


def test_time_passes_when_a_player_waits(file: Any) -> None:
    lines = "2\nred\nyes\nok\ny\ny\n"
    shown = in_order(
        firstbell_playbook("run", file(BUSY, "busy"), "--fact", "device.status=active", lines=lines)
    )
    assert 'handed_over: {"queue": "desk"}' in shown


def test_a_precondition_without_its_fact_refuses(file: Any) -> None:
    shown = in_order(firstbell_playbook("run", file(BUSY, "busy"), lines="2\nred\n"))
    assert 'action_refused {"why": "requires"}' in shown


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        ("device.mood=good", "There is no fact “device.mood”."),
        ("device.last_seen=-soon", "is no length of time"),
    ],
)
def test_a_fact_that_cannot_be_is_said(fact: str, says: str, file: Any) -> None:
    result = firstbell_playbook("run", file(small()), "--fact", fact)
    assert result.exit_code == 2
    assert says in result.output


def test_invented_facts_are_read_as_a_playbook_reads_them(file: Any) -> None:
    text = (
        small()
        .replace("start: first", "start: power")
        .replace(
            "steps:\n",
            "steps:\n  power: {check: {fact: av.power, op: eq, value: on}, 'true': first, 'false': over,"
            " unknown: over}\n",
        )
    )
    shown = in_order(firstbell_playbook("run", file(text), "--fact", "av.power=on", lines="yes\nleft_out\n"))
    assert '"av.power": ["on"' in shown


def test_a_player_who_leaves_just_leaves(file: Any) -> None:
    result = firstbell_playbook("run", file(small()), lines="")
    assert result.exit_code == 1
    assert "Aborted" in result.output


def test_a_shipped_playbook_is_played_with_its_parts() -> None:
    lines = "yes\nnothing\ndone\nyes\n"
    shown = in_order(firstbell_playbook("run", WIFI, "--fact", "device.last_seen=-3d", lines=lines))
    assert "many.others" in shown
    assert '"outcome": "solved_confirmed"' in shown
