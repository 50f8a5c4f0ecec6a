"""The playbooks that come along: in order, proved so well that mistakes are noticed, and easy to read."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from service.playbooks.conditions import leaves
from service.playbooks.facts import FACTS
from service.playbooks.grammar import Audience, Book, Playbook, bound, conditions_of, edge_targets, texts_of
from service.playbooks.library import FOLDER, Shelved, books, files, linted, shipped
from service.playbooks.lint import problems_in
from service.playbooks.proving import proved
from service.playbooks.readability import grade

NAMES = [path.stem for path in files([FOLDER])]
LIBRARY: dict[str, Playbook] = {name: one.playbook for name, one in shipped().items()}
HARDEST = {"en": 6.5, "es": 8.0}
LEAST_CAUGHT = 0.95
MISTAKES_A_FILE = 24
every_file = pytest.mark.parametrize("name", NAMES)


def shelved(name: str) -> Shelved:
    return shipped()[name]


@every_file
def test_it_is_in_order_and_complete_in_english_and_spanish(name: str) -> None:
    assert [str(one) for one in linted(shelved(name), LIBRARY, ("en", "es"))] == []


@every_file
def test_its_examples_hold_and_show_every_way(name: str) -> None:
    proof = proved(bound(LIBRARY[name], LIBRARY))
    assert (proof.failures, proof.missing) == ((), ())
    assert proof.is_complete
    assert proof.coverage == 1.0


def words_for_people(playbook: Playbook) -> Iterator[dict[str, str]]:
    """What a requester reads: not the steps of technicians, and not what rules out what."""
    technical = {step for step, one in playbook.steps.items() if one.audience is Audience.TECHNICIAN}
    for where, text in texts_of(playbook):
        parts = where.split(".")
        if ".rules_out." not in where and not (parts[0] == "steps" and parts[1] in technical):
            yield text


@every_file
@pytest.mark.parametrize("language", HARDEST)
def test_a_sixth_grader_can_read_it(name: str, language: str) -> None:
    texts = [text[language] for text in words_for_people(LIBRARY[name])]
    assert grade(texts, language) <= HARDEST[language]


@every_file
def test_it_fits_the_published_schema(name: str) -> None:
    jsonschema_rs.validator_for(Playbook.model_json_schema(by_alias=True)).validate(
        shelved(name).source.values
    )


@every_file
def test_it_says_nothing_the_requester_must_not_know(name: str) -> None:
    for _, text in texts_of(LIBRARY[name]):
        for fact in (fact for fact in FACTS.values() if fact.staff_only):
            assert all(fact.name not in words for words in text.values())


def test_every_part_is_called_and_every_playbook_can_be_found() -> None:
    called = {part for book in books(shipped()).values() for part in book.parts}
    for name, one in LIBRARY.items():
        assert not one.part or name in called or one.examples
        assert one.part or one.applies_to.words.keys() >= {"en", "es"}


# Would a mistake be noticed?

TARGETS = (
    "next", "done", "didnt_help", "cannot", "dont_know", "on_timeout", "ok", "failed", "refused", "timed_out",
    "approved", "true", "false", "unknown", "default",
)  # fmt: skip
INVERSE = {
    "eq": "ne", "ne": "eq", "lt": "gte", "gte": "lt", "gt": "lte", "lte": "gt",
    "newer_than": "older_than", "older_than": "newer_than",
}  # fmt: skip
Values = dict[str, Any]
Mistake = tuple[str, Callable[[Values], None]]


def places(step: Values) -> list[tuple[Values, str]]:
    """Where the targets of a step stand: the mapping and the key."""
    found = [(step, key) for key in TARGETS if isinstance(step.get(key), str)]
    inner = [*step.get("options", ()), *step.get("branch", ())]
    found += [(one, "next") for one in inner if "next" in one]
    returns = step.get("returns", {})
    return found + [(returns, key) for key in returns]


def comparisons(value: Any) -> list[Values]:
    if isinstance(value, dict):
        here = [value] if "fact" in value and "op" in value else []
        return here + [one for inner in value.values() for one in comparisons(inner)]
    return [one for inner in value for one in comparisons(inner)] if isinstance(value, list) else []


def drop(n: int, step: Values) -> None:
    held, key = places(step)[n]
    del held[key]


def swap(a: int, b: int, step: Values) -> None:
    (one, one_key), (two, two_key) = places(step)[a], places(step)[b]
    one[one_key], two[two_key] = two[two_key], one[one_key]


def rewrite(n: int, key: str, value: str, step: Values) -> None:
    comparisons(step)[n][key] = value


def lead(n: int, target: str, step: Values) -> None:
    step["options"][n]["next"] = target


def mistakes_in(step: Values, steps: Iterable[str]) -> Iterator[Mistake]:
    """Every single mistake of these kinds: what it is, and how to make it in a copy of the step."""
    here = places(step)
    for n, (_, key) in enumerate(here):
        yield f"{key} dropped", partial(drop, n)
    for (a, (one, one_key)), (b, (two, two_key)) in combinations(enumerate(here), 2):
        if one[one_key] != two[two_key]:
            yield f"{one_key} and {two_key} swapped", partial(swap, a, b)
    for n, leaf in enumerate(comparisons(step)):
        if (op := INVERSE.get(leaf["op"])) is not None:
            yield f"{leaf['fact']} {leaf['op']} made {op}", partial(rewrite, n, "op", op)
        for name in alike(leaf["fact"]):
            yield f"{leaf['fact']} misnamed {name}", partial(rewrite, n, "fact", name)
    for n, option in enumerate(step.get("options", ())):
        for target in steps:
            if option.get("next") not in (None, target):
                yield f"{option['value']} leads to {target}", partial(lead, n, target)


def alike(name: str) -> list[str]:
    """Other facts of the same type, which an author might have meant."""
    if name not in FACTS:
        return []
    return [other for other, fact in FACTS.items() if other != name and fact.type is FACTS[name].type]


def kind_of(mistake: str) -> str:
    words = ("dropped", "swapped", "misnamed", "made", "leads")
    return next(word for word in words if f" {word}" in mistake)


def sampled(name: str) -> Iterator[tuple[str, Values]]:
    """Some mistakes of every kind, the same ones each time, each in a copy of the file."""
    values = shelved(name).source.values
    by_kind: dict[str, list[tuple[str, Mistake]]] = {}
    for step_id, step in values["steps"].items():
        for mistake in mistakes_in(step, values["steps"]):
            by_kind.setdefault(kind_of(mistake[0]), []).append((step_id, mistake))
    rng = random.Random(name)
    each = -(-MISTAKES_A_FILE // max(1, len(by_kind)))
    for _, some in sorted(by_kind.items()):
        for step_id, (mistake, make) in rng.sample(some, min(each, len(some))):
            other = copy.deepcopy(values)
            make(other["steps"][step_id])
            yield f"{step_id}: {mistake}", other


def means(playbook: Playbook) -> Any:
    """Where every step leads, and on what conditions: two files with the same are one."""
    graph = {step: edge_targets(playbook, step) for step in playbook.steps}
    asked = [leaf for one in playbook.steps.values() for _, c in conditions_of(one) for leaf in leaves(c)]
    return graph, asked


def is_caught(values: Values) -> bool | None:
    """Whether lint or the file's own examples notice; None if it means what it meant."""
    try:
        playbook = Playbook.model_validate(values)
    except ValidationError:
        return True
    if means(playbook) == means(LIBRARY[playbook.id]):
        return None
    library = LIBRARY | {playbook.id: playbook}
    if problems_in(playbook, library, locales=("en", "es")):
        return True
    return not proved(Book(playbook, bound(playbook, library).parts)).is_complete


def test_mistakes_in_the_files_are_noticed() -> None:
    caught: Counter[str] = Counter()
    survivors: list[str] = []
    for name in NAMES:
        for mistake, values in sampled(name):
            noticed = is_caught(values)
            if noticed is False:
                survivors.append(f"{name}: {mistake}")
            elif noticed:
                caught[kind_of(mistake)] += 1
    everything = caught.total() + len(survivors)
    listed = "\n".join(survivors)
    assert everything >= 10 * len(NAMES)
    assert min(caught[kind] for kind in ("dropped", "swapped", "misnamed", "made", "leads")) >= len(NAMES)
    assert caught.total() / everything >= LEAST_CAUGHT, f"{len(survivors)} of {everything}:\n{listed}"
