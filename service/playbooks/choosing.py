"""Which playbooks fit what somebody says: by device, category and words.

PURE. A word counts the more, the fewer playbooks have it; what fits less than half as well as the best is
not suggested.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from service.playbooks.grammar import Playbook

STEM: Final = 5
MOST_WORDS: Final = 200
LEAST: Final = 2
KIND, CATEGORY, FAMILY, MOST_FOR_WORDS = 1, 4, 2, 12
_APART: Final = re.compile(r"[^a-z0-9]+")
_JOINED: Final = re.compile("[-'\u2019]")
_SAYS_NOTHING: Final = """
my the is it on in an and to of not no does dont doesnt do can cant cannot wont with for at this that
me we you have has was are be will get got when what why how from but its im
el la los las mi mis de del en se es un una con por que no si al lo le su sus me te ya muy este esta
esto para hay son fue ser sin pero como cuando
"""
_EMPTY: Final = frozenset(_SAYS_NOTHING.split())


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


@dataclass(frozen=True)
class Shelf:
    """The playbooks that can be suggested, and how much each of their words tells."""

    candidates: tuple[Candidate, ...]

    @cached_property
    def weights(self) -> Mapping[str, int]:
        found = Counter(word for one in self.candidates for word in one.words)
        return {word: 4 if number <= 3 else 2 if number <= 8 else 1 for word, number in found.items()}


def stems(texts: Iterable[str]) -> frozenset[str]:
    """The beginnings of the words in these texts, without accents, case and what says nothing."""
    found: list[str] = []
    for text in texts:
        plain = unicodedata.normalize("NFKD", _JOINED.sub("", text.casefold()))
        plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
        found += [_stem(word) for word in _APART.split(plain) if len(word) > 1 and word not in _EMPTY]
    return frozenset(found[:MOST_WORDS])


def _stem(word: str) -> str:
    """The first letters; but a Chromebook is no Chromecast."""
    return "chromebook" if word.startswith("chromebook") else word[:STEM]


def candidate(playbook: Playbook) -> Candidate:
    applies = playbook.applies_to
    return Candidate(
        playbook.id,
        frozenset(applies.asset_kinds),
        tuple(applies.categories),
        stems([*playbook.title.values(), *(word for words in applies.words.values() for word in words)]),
    )


def score(one: Candidate, wanted: Wanted, weights: Mapping[str, int]) -> int:
    """How well a playbook fits; 0 when the device is of another kind."""
    if wanted.asset_kind and one.kinds and wanted.asset_kind not in one.kinds:
        return 0
    points = min(sum(weights[word] for word in one.words & wanted.words), MOST_FOR_WORDS)
    if wanted.category:
        points += max((_category(mine, wanted.category) for mine in one.categories), default=0)
    if wanted.asset_kind and wanted.asset_kind in one.kinds:
        points += KIND
    return points


def _category(mine: str, asked: str) -> int:
    if asked == mine or asked.startswith(f"{mine}."):
        return CATEGORY
    return FAMILY if asked.split(".")[0] == mine.split(".")[0] else 0


def best(shelf: Shelf, wanted: Wanted, *, most: int = 3) -> list[tuple[str, int]]:
    """The playbooks that fit, best first, with their scores."""
    found = [(one.playbook, score(one, wanted, shelf.weights)) for one in shelf.candidates]
    found.sort(key=lambda one: (-one[1], one[0]))
    enough = max(LEAST, found[0][1] / 2) if found else LEAST
    return [one for one in found[:most] if one[1] >= enough]
