"""A playbook's file as a model, with the line of every key, so that what is wrong can be pointed at.

PURE but for the text it is given. The YAML is the plain part of YAML: no anchors, no tags, keys once, `no` is
the word no, and `1:30` and `0x10` are words too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml
from pydantic import ValidationError

from service.playbooks.grammar import KINDS, Playbook

LARGEST: Final = 400_000
DEEPEST: Final = 24
MOST_NODES: Final = 40_000
MOST_TOKENS: Final = 200_000
MOST_TOLD: Final = 50
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,14})")
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?")
_NOT_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


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
    if (odd := _NOT_TEXT.search(text)) is not None:
        line = text.count("\n", 0, odd.start()) + 1
        raise Unreadable([Problem("yaml", "There is a character here that is no text.", "", line)])
    try:
        _refuse_at_sight(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        line = min(mark.line, text.count("\n", 0, -1)) + 1 if mark else 1
        raise Unreadable([Problem("yaml", f"This is not YAML: {said}.", "", line)]) from None
    if node is None:
        raise Unreadable([Problem("empty", "There is nothing in this file.")])
    reader = _Reader()
    values = reader.value(node, "", 0)
    if reader.problems:
        raise Unreadable(reader.problems)
    return Source(values, reader.lines)


def _refuse_at_sight(text: str) -> None:
    """What is not used here, and what would take too long to read. Unreadable."""
    depth = 0
    for n, token in enumerate(yaml.scan(text, Loader=_LOADER)):
        line = token.start_mark.line + 1
        if isinstance(token, _ALIEN):
            raise Unreadable([Problem("yaml", "Anchors, aliases and tags are not used here.", "", line)])
        depth += isinstance(token, _OPENS) - isinstance(token, _CLOSES)
        if depth > DEEPEST or n > MOST_TOKENS:
            raise Unreadable([Problem("too_deep", _TOO_MUCH, "", line)])


_TOO_MUCH: Final = "It is nested too deeply, or has too many parts."
_ALIEN: Final = (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)
_OPENS: Final = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSES: Final = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class _Reader:
    """Turns nodes into values and notes their lines."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def value(self, node: yaml.Node, where: str, depth: int) -> Any:
        self._nodes += 1
        if depth > DEEPEST or self._nodes > MOST_NODES:
            self._wrong("too_deep", _TOO_MUCH, where, node)
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
            name = str(self._scalar(key, plain=False))
            place = f"{where}.{name}" if where else name
            if name in made:
                self._wrong("twice", f"“{name}” is here twice.", place, key)
            self.lines[place] = key.start_mark.line + 1
            made[name] = self.value(value, place, depth + 1)
        return made

    def _scalar(self, node: yaml.Node, *, plain: bool = True) -> Any:
        text = str(node.value)
        if _NOT_TEXT.search(text):
            self._wrong("yaml", "There is a character here that is no text.", "", node)
            return ""
        return plain_value(text) if plain and not getattr(node, "style", None) else text

    def _wrong(self, code: str, message: str, where: str, node: yaml.Node) -> None:
        if len(self.problems) < MOST_TOLD:
            self.problems.append(Problem(code, message, where, node.start_mark.line + 1))


def plain_value(text: str) -> Any:
    """What a word without quotes means: true, false, nothing, a number, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "": None, "~": None, "null": None}


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
    told: dict[str, Problem] = {}
    for one in error.errors(include_input=False, include_url=False)[:MOST_TOLD]:
        where = _place(one["loc"], source)
        told.setdefault(where, Problem(one["type"], _sentence(one, where), where, source.line(where)))
    return list(told.values())


def _place(loc: Sequence[Any], source: Source) -> str:
    """The place in the file; pydantic adds the kinds of steps and conditions, which are not in it."""
    kept: list[str] = []
    is_kind = False
    for n, part in enumerate(map(str, loc)):
        if (n == 2 and loc[0] == "steps" and part in KINDS) or is_kind:
            is_kind = False
            continue
        if ".".join([*kept, part]) in source.lines or (n == len(loc) - 1 and kept[-1:] != ["value"]):
            kept.append(part)
        is_kind = n > 1 and (part in _CONDITIONS or (isinstance(loc[n], int) and kept[-2:-1] in _LISTS))
    return ".".join(kept)


_CONDITIONS: Final = ("check", "if", "requires", "until", "not")
_LISTS: Final = (["all"], ["any"])


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
