"""A playbook's file as a model, with the line of every key, so that what is wrong can be pointed at.

PURE but for the text it is given. The YAML is the plain part of YAML: no anchors, no tags, keys once, and
`no` is the word no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from pydantic import ValidationError

from service.playbooks.grammar import Playbook

LARGEST: Final = 400_000
DEEPEST: Final = 24
MOST_NODES: Final = 40_000
MOST_TOLD: Final = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: a stable code, a sentence, and where."""

    code: str
    message: str
    where: str = ""
    line: int = 1
    file: str = ""

    def __str__(self) -> str:
        at = f"{self.file}:{self.line}" if self.file else f"line {self.line}"
        return f"{at}: {self.message} [{self.code}]"


class Unreadable(ValueError):
    """The text is no playbook; `problems` say why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


class _Loader(yaml.SafeLoader):
    """YAML in which only true and false are booleans, and nothing is a date."""

    yaml_implicit_resolvers = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True)
class Source:
    """What a file says as plain values, and the line of each place in it."""

    values: Any
    lines: Mapping[str, int]

    def line(self, where: str) -> int:
        """The line of a dotted place, or of the nearest thing around it."""
        parts = where.split(".")
        while parts:
            if (line := self.lines.get(".".join(parts))) is not None:
                return line
            parts.pop()
        return 1


def source_of(text: str) -> Source:
    """The plain values of a YAML text with their lines. Unreadable."""
    if len(text) > LARGEST:
        raise Unreadable([Problem("too_large", f"A playbook has at most {LARGEST:,} characters.")])
    try:
        for token in yaml.scan(text, Loader=_Loader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                line = token.start_mark.line + 1
                raise Unreadable([Problem("yaml", "Anchors, aliases and tags are not used here.", "", line)])
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it is nested too deeply"
        raise Unreadable(
            [Problem("yaml", f"This is not YAML: {said}.", "", mark.line + 1 if mark else 1)]
        ) from None
    if node is None:
        raise Unreadable([Problem("empty", "There is nothing in this file.")])
    reader = _Reader()
    values = reader.value(node, "", 0)
    if reader.problems:
        raise Unreadable(reader.problems)
    return Source(values, reader.lines)


class _Reader:
    """Turns nodes into values and notes their lines."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._nodes = 0
        self._constructor = _Loader("")

    def value(self, node: yaml.Node, where: str, depth: int) -> Any:
        self._nodes += 1
        if depth > DEEPEST or self._nodes > MOST_NODES:
            self._wrong("too_deep", "It is nested too deeply, or has too many parts.", where, node)
            return None
        self.lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where, depth)
        if isinstance(node, yaml.SequenceNode):
            inside = f"{where}." if where else ""
            return [self.value(one, f"{inside}{n}", depth + 1) for n, one in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, where: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong("yaml", "A key is a word.", where, key)
                continue
            name = str(key.value)
            place = f"{where}.{name}" if where else name
            if name in made:
                self._wrong("twice", f"“{name}” is here twice.", place, key)
            self.lines[place] = key.start_mark.line + 1
            made[name] = self.value(value, place, depth + 1)
        return made

    def _scalar(self, node: yaml.Node) -> Any:
        if node.value in ("true", "false") and getattr(node, "style", None) is None:
            return node.value == "true"
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            self._wrong("yaml", "This value cannot be read.", "", node)
            return None

    def _wrong(self, code: str, message: str, where: str, node: yaml.Node) -> None:
        if len(self.problems) < MOST_TOLD:
            self.problems.append(Problem(code, message, where, node.start_mark.line + 1))


def playbook_of(source: Source) -> Playbook:
    """The playbook that the values are. Unreadable."""
    try:
        return Playbook.model_validate(source.values)
    except ValidationError as error:
        raise Unreadable(_told(error, source)) from None


def read(text: str) -> tuple[Playbook, Source]:
    """A playbook and its source from the text of a file. Unreadable."""
    source = source_of(text)
    return playbook_of(source), source


def _told(error: ValidationError, source: Source) -> list[Problem]:
    problems = []
    for one in error.errors()[:MOST_TOLD]:
        where = _place(one["loc"], source)
        problems.append(Problem(one["type"], _sentence(one, where), where, source.line(where)))
    return problems


def _place(loc: Sequence[Any], source: Source) -> str:
    """The place in the file; pydantic adds the kinds of steps and conditions, which are not in it."""
    kept: list[str] = []
    for part in map(str, loc):
        here = ".".join([*kept, part])
        if here in source.lines or part == str(loc[-1]):
            kept.append(part)
    return ".".join(kept)


def _sentence(error: Any, where: str) -> str:
    name = where.rpartition(".")[2] or "the file"
    match error["type"]:
        case "missing":
            return f"“{name}” is missing here."
        case "extra_forbidden":
            return f"“{name}” is not a word that can stand here."
        case "step_kind" | "condition":
            return str(error["msg"])
    return f"“{name}” does not fit: {error['msg']}."
