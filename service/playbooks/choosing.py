"""Which playbooks fit what somebody says: by device, category and words.

PURE.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from service.playbooks.grammar import Playbook

STEM: Final = 5
MOST_WORDS: Final = 200
LEAST: Final = 2
KIND, CATEGORY, FAMILY, WORD, MOST_FOR_WORDS = 1, 4, 2, 2, 8
_APART: Final = re.compile(r"[^a-z0-9ñ]+")
_JOINED: Final = re.compile("[-'\u2019]")


@dataclass(frozen=True)
class Wanted:
    """What is known of somebody's trouble."""

    words: frozenset[str]
    category: str | None = None
    asset_kind: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A playbook with the stems of its words, made once."""

    playbook: str
    kinds: frozenset[str]
    categories: tuple[str, ...]
    words: frozenset[str]


def stems(texts: Iterable[str]) -> frozenset[str]:
    """The beginnings of the words in these texts, without accents and case: “Wi-Fi” is wifi."""
    found: list[str] = []
    for text in texts:
        plain = unicodedata.normalize("NFKD", _JOINED.sub("", text.casefold()))
        plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
        found += [word[:STEM] for word in _APART.split(plain) if len(word) > 1]
    return frozenset(found[:MOST_WORDS])


def candidate(playbook: Playbook) -> Candidate:
    applies = playbook.applies_to
    return Candidate(
        playbook.id,
        frozenset(applies.asset_kinds),
        tuple(applies.categories),
        stems(word for words in applies.words.values() for word in words),
    )


def score(one: Candidate, wanted: Wanted) -> int:
    """How well a playbook fits; 0 when the device is of another kind."""
    if wanted.asset_kind and one.kinds and wanted.asset_kind not in one.kinds:
        return 0
    points = min(WORD * len(one.words & wanted.words), MOST_FOR_WORDS)
    if wanted.category:
        points += max((_category(mine, wanted.category) for mine in one.categories), default=0)
    if wanted.asset_kind and wanted.asset_kind in one.kinds:
        points += KIND
    return points


def _category(mine: str, asked: str) -> int:
    if asked == mine or asked.startswith(f"{mine}."):
        return CATEGORY
    return FAMILY if asked.split(".")[0] == mine.split(".")[0] else 0


def best(candidates: Mapping[str, Candidate], wanted: Wanted, *, most: int = 3) -> list[tuple[str, int]]:
    """The playbooks that fit, best first, with their scores."""
    found = ((name, score(one, wanted)) for name, one in candidates.items())
    fitting = [(name, points) for name, points in found if points >= LEAST]
    return sorted(fitting, key=lambda one: (-one[1], one[0]))[:most]
