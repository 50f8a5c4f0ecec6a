"""Which facts a run can still ask for, so that no others are read.

PURE.
"""

from __future__ import annotations

from service.playbooks import grammar
from service.playbooks.conditions import leaves
from service.playbooks.facts import FACTS
from service.playbooks.grammar import Book, Playbook, Risk, conditions_of, edge_targets
from service.playbooks.texts import names_in

_KNOWN: dict[tuple[str, tuple[tuple[str, str], ...]], frozenset[str]] = {}
_MOST = 20_000
RISKY = frozenset({"class.in_session", "school.testing"})


def facts_ahead(book: Book, frames: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The names of the facts that steps from here on look at, in the playbooks entered and their parts."""
    key = (book.hash, frames)
    if (known := _KNOWN.get(key)) is None:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        names: set[str] = set()
        for playbook, step in frames:
            _gather(book, book[playbook], step, names, set())
        known = _KNOWN[key] = frozenset(names)
    return known


def _gather(book: Book, playbook: Playbook, start: str, names: set[str], seen: set[tuple[str, str]]) -> None:
    waiting = [start]
    while waiting:
        step_id = waiting.pop()
        if (playbook.id, step_id) in seen:
            continue
        seen.add((playbook.id, step_id))
        step = playbook.steps[step_id]
        names |= facts_in(step)
        if isinstance(step, grammar.Call):
            part = book[step.call]
            _gather(book, part, part.start, names, seen)
        waiting.extend(target for target in edge_targets(playbook, step_id).values() if target)


def facts_in(step: object) -> set[str]:
    """The facts that one step looks at, in its conditions and its words."""
    names = {leaf.fact for _, condition in conditions_of(step) for leaf in leaves(condition)}
    names = {name for name in names if name in FACTS} | facts_in_words(step)
    if isinstance(step, grammar.Action) and step.risk in (Risk.R2, Risk.R3):
        names |= RISKY
    return names


def facts_in_words(step: object) -> set[str]:
    """The facts that the words of a step show."""
    texts = [getattr(step, name, None) for name in ("text", "info", "help")]
    texts += [option.label for option in getattr(step, "options", ())]
    return {
        name
        for text in texts
        if isinstance(text, dict)
        for kind, name in names_in(text)
        if kind == "fact" and name in FACTS
    }
