"""A playbook as a picture: Mermaid text.

PURE.
"""

from __future__ import annotations

from service.playbooks import grammar
from service.playbooks.grammar import Playbook, kind_of
from service.playbooks.texts import in_language

_SHAPES = {
    "question": ('{{"', '"}}'),
    "info": ('["', '"]'),
    "check": ('{"', '"}'),
    "branch": ('{"', '"}'),
    "action": ('[["', '"]]'),
    "wait": ('(["', '"])'),
    "call": ('[/"', '"/]'),
    "approval": ('{{"', '"}}'),
    "handoff": ('>"', '"]'),
    "end": ('(("', '"))'),
}


def mermaid(playbook: Playbook, language: str = "en") -> str:
    """A flow chart of the steps; ways to the way out are left out, as every step has them."""
    lines = ["flowchart TD"]
    for step_id, step in playbook.steps.items():
        before, after = _SHAPES[kind_of(step)]
        lines.append(f"  {_node(step_id)}{before}{_label(step_id, step, language)}{after}")
    for step_id, step in playbook.steps.items():
        by_target: dict[str, list[str]] = {}
        for edge, target in grammar.edges(step, playbook.way_out):
            if target is not None and not (target == playbook.way_out and edge in _ALWAYS):
                by_target.setdefault(target, []).append(edge)
        lines += [
            f'  {_node(step_id)} -->|"{", ".join(ways)}"| {_node(target)}'
            for target, ways in by_target.items()
        ]
    return "\n".join(lines) + "\n"


_RESERVED = frozenset({"end", "graph", "subgraph", "style", "class", "click", "default", "call", "href"})


def _node(step_id: str) -> str:
    """The name of a step in Mermaid, where some words mean something."""
    return f"{step_id}_" if step_id in _RESERVED else step_id


_ALWAYS = frozenset({"dont_know", "cannot", "timeout"})


def _label(step_id: str, step: object, language: str) -> str:
    text = getattr(step, "text", None) or getattr(step, "info", None)
    words = in_language(text, language) if isinstance(text, dict) else ""
    match step:
        case grammar.Call():
            words = step.call
        case grammar.Action():
            words = f"{step.action} ({step.risk}): {words}"
        case grammar.End():
            code = step.end.model_dump(exclude_none=True)
            words = " · ".join(map(str, code.values()))
        case grammar.Handoff():
            words = f"→ {step.handoff.queue}: {words}"
    words = words.replace('"', "'").replace("\n", " ")
    short = words if len(words) <= 90 else f"{words[:87]}…"
    return f"{step_id}<br/>{short}" if short else step_id
