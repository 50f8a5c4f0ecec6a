"""What is wrong with a playbook, found before anybody runs it.

PURE. Each problem has a stable code, the place, its line, and a sentence that says what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from service.playbooks import grammar
from service.playbooks.conditions import DEEPEST as DEEPEST_CONDITION
from service.playbooks.conditions import (
    MOST_LEAVES,
    Compare,
    Condition,
    Op,
    depth,
    is_number,
    leaves,
    misfit,
    span,
)
from service.playbooks.facts import FACTS
from service.playbooks.grammar import (
    BASE_LOCALE,
    DEEPEST_CALL,
    LONGEST_LIFE,
    MOST_VISITS,
    Action,
    ApprovalStep,
    Call,
    End,
    Handoff,
    Info,
    Playbook,
    Question,
    Risk,
    conditions_of,
    edge_targets,
    texts_of,
)
from service.playbooks.reading import Problem, Source
from service.playbooks.texts import holes, is_complete, names_in
from service.playbooks.verbs import ORDER, least_risk, misfits
from service.tickets.resolution import Cause, Fix, Outcome

CODES: Final[Mapping[str, frozenset[str]]] = {
    "cause": frozenset(Cause),
    "fix": frozenset(Fix),
    "outcome": frozenset(Outcome),
}
RESULTS: Final = frozenset(
    {"ok", "error", "failed", "unsupported", "expired", "refused", "unverifiable", "sent"}
)
_OF_LISTS_AND_TIMES: Final = frozenset({Op.CONTAINS, Op.NEWER_THAN, Op.OLDER_THAN})
Graph = Mapping[str, Mapping[str, str | None]]


def problems_in(
    playbook: Playbook,
    library: Mapping[str, Playbook],
    *,
    source: Source | None = None,
    locales: Sequence[str] = (BASE_LOCALE,),
) -> list[Problem]:
    """Everything wrong with a playbook. `library` has the parts it may call; `locales` must be complete."""
    linter = _Linter(playbook, library, locales)
    linter.all()
    if source is None:
        return linter.found
    return [replace(one, line=source.line(one.where)) for one in linter.found]


class _Linter:
    def __init__(self, playbook: Playbook, library: Mapping[str, Playbook], locales: Sequence[str]) -> None:
        self.playbook = playbook
        self.library = library
        self.locales = locales
        self.found: list[Problem] = []
        self.graph: Graph = {step: edge_targets(playbook, step) for step in playbook.steps}

    def wrong(self, code: str, where: str, message: str) -> None:
        self.found.append(Problem(code, message, where))

    def all(self) -> None:
        self.targets()
        self.shape()
        self.texts()
        for step_id, step in self.playbook.steps.items():
            self.step(step_id, step)
        self.calls()
        self.spans()
        self.examples()

    # The graph.

    def targets(self) -> None:
        if self.playbook.start not in self.graph:
            self.wrong("no_start", "start", f"There is no step “{self.playbook.start}” to start with.")
        way_out = self.playbook.way_out
        if way_out is not None and way_out not in self.graph:
            self.wrong("no_target", "way_out", f"The way out leads to “{way_out}”, which is not a step.")
        for step_id, ways in self.graph.items():
            for edge, target in ways.items():
                if target is not None and target != way_out and target not in self.graph:
                    self.wrong(
                        "no_target",
                        f"steps.{step_id}",
                        f"“{edge}” of “{step_id}” leads to “{target}”, which is not a step.",
                    )
                if target is None and edge not in _DEFAULTED:
                    self.wrong(
                        "no_way_on",
                        f"steps.{step_id}",
                        f"“{edge}” of “{step_id}” leads nowhere. Say where, or give the playbook a way_out.",
                    )

    def shape(self) -> None:
        """Reachable, without cycles, and short enough."""
        reached = self.reached(self.playbook.start)
        for step_id in self.graph:
            if reached and step_id not in reached:
                self.wrong("unreachable", f"steps.{step_id}", f"Nothing leads to “{step_id}”.")
        cycle = self.cycle()
        if cycle:
            self.wrong(
                "cycle",
                f"steps.{cycle[0]}",
                f"These steps lead in a circle: {' → '.join([*cycle, cycle[0]])}. "
                "Use retry or wait instead; people can go back by themselves.",
            )
            return
        longest = self.longest(self.playbook.start, {}, {})
        if longest > MOST_VISITS:
            self.wrong(
                "too_long",
                "steps",
                f"A run can pass {longest} steps here; {MOST_VISITS} is the most. Split it, or hand over.",
            )

    def reached(self, start: str, *, unapproved: bool = False) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            step_id = waiting.pop()
            if step_id in seen or step_id not in self.graph:
                continue
            seen.add(step_id)
            approves = unapproved and isinstance(self.playbook.steps[step_id], ApprovalStep)
            ways = self.graph[step_id].items()
            waiting.extend(
                target for edge, target in ways if target and not (approves and edge == "approved")
            )
        return seen

    def cycle(self) -> list[str]:
        """A circle of steps, if there is one."""
        done: set[str] = set()
        for root in self.graph:
            path: list[str] = []
            waiting: list[tuple[str, Iterator[str]]] = [(root, self.next_of(root))]
            if root in done:
                continue
            path.append(root)
            while waiting:
                step_id, ways = waiting[-1]
                target = next(ways, None)
                if target is None:
                    waiting.pop()
                    path.pop()
                    done.add(step_id)
                elif target in path:
                    return path[path.index(target) :]
                elif target not in done:
                    path.append(target)
                    waiting.append((target, self.next_of(target)))
        return []

    def next_of(self, step_id: str) -> Iterator[str]:
        return iter([t for t in dict.fromkeys(self.graph[step_id].values()) if t and t in self.graph])

    def longest(
        self, step_id: str, known: dict[str, int], parts: dict[str, int], left: int = DEEPEST_CALL
    ) -> int:
        """The most steps a run can pass from here on, parts included; there are no cycles."""
        if step_id not in self.graph:
            return 0
        if step_id not in known:
            inside = 0
            step = self.playbook.steps[step_id]
            if isinstance(step, Call) and step.call in self.library and step.call != self.playbook.id:
                inside = _longest_of(self.library[step.call], self.library, parts, left)
            further = [self.longest(target, known, parts, left) for target in self.next_of(step_id)]
            known[step_id] = 1 + inside + max(further, default=0)
        return known[step_id]

    def before(self, step_id: str) -> set[str]:
        """The steps from which this one can be reached."""
        back: dict[str, set[str]] = {}
        for earlier, ways in self.graph.items():
            for target in ways.values():
                if target:
                    back.setdefault(target, set()).add(earlier)
        seen: set[str] = set()
        waiting = list(back.get(step_id, ()))
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(back.get(one, ()))
        return seen

    # Words.

    def texts(self) -> None:
        for where, text in texts_of(self.playbook):
            for locale in dict.fromkeys([BASE_LOCALE, *self.locales]):
                if not is_complete(text, locale):
                    self.wrong("no_text", where, f"The words in “{locale}” are missing.")
            for language, hole, why in holes(text):
                if why:
                    self.wrong("bad_hole", where, f"“{hole}” in “{language}” cannot be filled: {why}.")
            named = {language: names_in({language: words}) for language, words in text.items()}
            if len(set(map(frozenset, named.values()))) > 1:
                self.wrong("texts_differ", where, "The languages do not name the same facts and answers.")
            self.names_in_text(where, names_in(text))

    def names_in_text(self, where: str, names: set[tuple[str, str]]) -> None:
        step_id = where.split(".")[1] if where.startswith("steps.") else None
        for kind, name in sorted(names):
            if kind != "fact" and (problem := self.earlier_step(f"{kind}.{name}", step_id)):
                self.wrong("bad_hole", where, problem)

    # Steps.

    def step(self, step_id: str, step: Any) -> None:
        where = f"steps.{step_id}"
        for place, condition in conditions_of(step):
            self.condition(step_id, f"{where}.{place}", condition)
        ways = self.graph[step_id]
        for edge in step.rules_out:
            if edge not in ways:
                self.wrong("no_edge", f"{where}.rules_out.{edge}", f"“{step_id}” cannot be left by “{edge}”.")
        if step.on_timeout is not None and "timeout" not in ways:
            self.wrong("no_edge", f"{where}.on_timeout", f"“{step_id}” does not time out: drop `on_timeout`.")
        if isinstance(step, Question):
            self.question(where, step)
        if isinstance(step, Action):
            self.action(step_id, where, step)
        if isinstance(step, End):
            self.end(where, step)

    def question(self, where: str, step: Question) -> None:
        values = [option.value for option in step.options]
        for value in sorted({value for value in values if values.count(value) > 1}):
            self.wrong("twice", f"{where}.options", f"The option “{value}” is here twice.")
        chosen = step.question in ("single", "multi")
        if chosen and len(values) < 2:
            self.wrong("few_options", where, "A choice has at least two options.")
        if not chosen and values:
            self.wrong("options", f"{where}.options", f"A {step.question} question has no options.")
        if reserved := sorted({"dont_know", "cannot", "left_out", "timeout", "next"} & set(values)):
            self.wrong("reserved", f"{where}.options", f"“{reserved[0]}” is always possible; do not list it.")
        if step.optional and step.question not in ("text", "photo"):
            self.wrong("optional", where, "Only a text or a photo can be left out.")
        if step.minimum is not None and step.maximum is not None and step.minimum > step.maximum:
            self.wrong("range", where, "The minimum is larger than the maximum.")

    def action(self, step_id: str, where: str, step: Action) -> None:
        least = least_risk(step.action, step.with_)
        if ORDER[step.risk] < ORDER[least]:
            self.wrong("risk", f"{where}.risk", f"This action is {least} at least, not {step.risk}.")
        for sentence in misfits(step.action, step.with_):
            self.wrong("argument", f"{where}.with", sentence)
        if step.risk is Risk.R3 and step.approval is None and self.reachable_unapproved(step_id):
            self.wrong(
                "no_approval",
                where,
                "An R3 action needs an approval: its own, or an approval step on every way to it.",
            )
        if step.undo is None and step.risk is Risk.R2 and step.verify is None and step.requires is None:
            self.wrong(
                "unguarded", where, "An R2 action without undo needs `verify` or `requires`, to be safe."
            )

    def reachable_unapproved(self, step_id: str) -> bool:
        """Whether a way leads to it that does not leave an approval step as approved."""
        return step_id in self.reached(self.playbook.start, unapproved=True)

    def end(self, where: str, step: End) -> None:
        if self.playbook.part:
            if step.end.returns is None or step.end.cause or step.end.fix or step.end.outcome:
                self.wrong("end", where, "A part ends with `returns`, and nothing else.")
            return
        if step.end.returns is not None:
            self.wrong("end", where, "Only a part returns something.")
        for name, known in CODES.items():
            code = getattr(step.end, name)
            if code is None:
                self.wrong("no_code", where, f"The end needs a {name}.")
            elif code not in known:
                self.wrong("code", f"{where}.end.{name}", f"“{code}” is no {name} of the desk.")

    # Conditions.

    def condition(self, step_id: str, where: str, condition: Condition) -> None:
        if depth(condition) > DEEPEST_CONDITION or sum(1 for _ in leaves(condition)) > MOST_LEAVES:
            self.wrong("too_deep", where, "This condition is too large to be understood. Use more steps.")
            return
        for leaf in leaves(condition):
            self.leaf(step_id, where, leaf)

    def leaf(self, step_id: str, where: str, leaf: Compare) -> None:
        kind = leaf.fact.partition(".")[0]
        if kind in ("answer", "out"):
            if problem := self.earlier_step(leaf.fact, step_id, leaf):
                self.wrong("reference", where, problem)
            return
        if leaf.fact not in FACTS:
            self.no_fact(where, leaf.fact)
        elif (why := misfit(leaf)) is not None:
            self.wrong("misfit", where, f"{why}.")

    def no_fact(self, where: str, name: str) -> None:
        near = _nearest(name)
        hint = f" Did you mean {near}?" if near else ""
        self.wrong("no_fact", where, f"There is no fact “{name}”.{hint}")

    def earlier_step(self, name: str, step_id: str | None, leaf: Compare | None = None) -> str | None:
        """What is wrong with a name of an answer or an outcome; None if nothing."""
        kind, _, wanted = name.partition(".")
        step = self.playbook.steps.get(wanted)
        right = (Question, Info) if kind == "answer" else (Action, Call)
        if not isinstance(step, right):
            return (
                f"“{name}” names no {'question' if kind == 'answer' else 'action or call'} of this playbook."
            )
        if step_id is not None and wanted not in self.before(step_id):
            return f"“{name}” is not known yet at “{step_id}”: nothing leads from “{wanted}” to it."
        return None if leaf is None else self.never(leaf, wanted, step)

    def never(self, leaf: Compare, wanted: str, step: Any) -> str | None:
        """Why a comparison with an answer or an outcome can never be answered; None if it can."""
        if (why := misfit(leaf)) is not None:
            return f"{why}."
        if leaf.op is Op.PRESENT:
            return None
        if isinstance(step, Question) and step.question == "photo":
            return f"“{wanted}” is a photo; ask only whether it is present."
        if isinstance(step, Question) and step.question == "number":
            values = leaf.value if isinstance(leaf.value, list) else [leaf.value]
            fits = leaf.op not in _OF_LISTS_AND_TIMES and all(map(is_number, values))
            return None if fits else f"“{wanted}” is a number; compare it with numbers."
        is_multi = isinstance(step, Question) and step.question == "multi"
        if leaf.op not in ((Op.CONTAINS,) if is_multi else (Op.EQ, Op.NE, Op.IN)):
            return f"Ask “{wanted}” with {'contains' if is_multi else 'eq, ne or in'}."
        values = leaf.value if isinstance(leaf.value, list) else [leaf.value]
        known = _outcomes(step)
        unknown = [value for value in values if known and value not in known]
        return f"“{unknown[0]}” is nothing that “{wanted}” can come to." if unknown else None

    # Parts and limits.

    def calls(self) -> None:
        for step_id, step in self.playbook.steps.items():
            if isinstance(step, Call):
                self.call(step_id, step)

    def call(self, step_id: str, step: Call) -> None:
        where = f"steps.{step_id}"
        part = self.library.get(step.call)
        if part is None or not part.part:
            self.wrong("no_part", f"{where}.call", f"There is no part “{step.call}”.")
            return
        if self.playbook.id in _reaches(part, self.library):
            self.wrong("recursion", f"{where}.call", f"“{step.call}” comes back to this playbook.")
            return
        if (deep := 1 + _deepest(part, self.library)) > DEEPEST_CALL:
            self.wrong("too_deep", f"{where}.call", f"Parts are {deep} deep; {DEEPEST_CALL} is the most.")
        returned = {
            one.end.returns for one in part.steps.values() if isinstance(one, End) and one.end.returns
        }
        for value in sorted(returned - step.returns.keys()):
            self.wrong("returns", f"{where}.returns", f"“{step.call}” can return “{value}”: where to?")
        for value in sorted(step.returns.keys() - returned):
            self.wrong("returns", f"{where}.returns.{value}", f"“{step.call}” never returns “{value}”.")

    def spans(self) -> None:
        if span(self.playbook.life) > span(LONGEST_LIFE):
            self.wrong("too_long", "life", f"A run lives {LONGEST_LIFE} at most.")
        for step_id, step in self.playbook.steps.items():
            spans = {"timeout": step.timeout, "time": step.time}
            if isinstance(step, grammar.Wait):
                spans["wait.for"] = step.wait.for_
            for name, value in spans.items():
                if value is not None and span(value) > span(self.playbook.life):
                    self.wrong("too_long", f"steps.{step_id}.{name}", "This is longer than the run may live.")
        way_out = self.playbook.steps.get(self.playbook.way_out or "")
        if way_out is not None and not isinstance(way_out, Handoff | End):
            self.wrong("way_out", "way_out", "The way out is a handoff, or an end.")

    def examples(self) -> None:
        """An example with a fact that nobody knows would prove nothing."""
        for n, example in enumerate(self.playbook.examples):
            told = {"facts": example.facts} | {f"arrives.{at}": new for at, new in example.arrives.items()}
            for place, facts in told.items():
                for name in sorted(facts.keys() - FACTS.keys()):
                    self.no_fact(f"examples.{n}.{place}.{name}", name)


_DEFAULTED: Final = frozenset({"dont_know", "cannot", "timeout", "failed", "refused", "timed_out"})


def _outcomes(step: Any) -> frozenset[str]:
    """What an answer to a step, or its outcome, can be; empty: any words."""
    match step:
        case Question():
            return frozenset(option.value for option in step.options)
        case Info():
            return frozenset({"done", "didnt_help"} if step.didnt_help else {"done"})
        case Action():
            return RESULTS
        case Call():
            return frozenset(step.returns)
    return frozenset()


def _longest_of(part: Playbook, library: Mapping[str, Playbook], parts: dict[str, int], left: int) -> int:
    """The most steps of a part; `parts` has those of each part and depth that was looked at."""
    key = f"{part.id} {left}"
    if key not in parts:
        linter = _Linter(part, library, ())
        is_told_elsewhere = left == 0 or bool(linter.cycle())
        parts[key] = 0 if is_told_elsewhere else linter.longest(part.start, {}, parts, left - 1)
    return parts[key]


def _reaches(part: Playbook, library: Mapping[str, Playbook]) -> set[str]:
    seen: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if one.id in seen:
            continue
        seen.add(one.id)
        called = {name for _, name in grammar.called_by(one)}
        waiting.extend(library[name] for name in called & library.keys())
        seen |= called - library.keys()
    return seen


def _deepest(part: Playbook, library: Mapping[str, Playbook]) -> int:
    """How deep parts are below this one; one more than may be where they are deeper, or go in circles."""
    level = {part.id}
    for deep in range(DEEPEST_CALL + 1):
        parts = [library[name] for name in level]
        level = {name for one in parts for _, name in grammar.called_by(one) if name in library}
        if not level:
            return deep
    return DEEPEST_CALL + 1


def _nearest(name: str) -> str | None:
    return next(iter(difflib.get_close_matches(name, FACTS, 1)), None)
