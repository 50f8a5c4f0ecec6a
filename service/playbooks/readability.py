"""How hard a text is to read, as a school grade.

PURE. English: Flesch-Kincaid grade (Kincaid et al. 1975). Spanish: the Fernández Huerta score (1959), turned
into a grade by its published bands. Both are rough on one sentence; they are for whole playbooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from service.playbooks.texts import HOLE

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019\-][^\W\d_]+)*")
_SENTENCE = re.compile(r"[.!?:;]+(?:\s|$)|\n+")
_EN_VOWELS = re.compile(r"[aeiouy]+")
_ES_VOWELS = re.compile(r"[aeiouáéíóúü]+")
_BANDS = ((90, 4.0), (80, 5.0), (70, 6.0), (60, 8.0), (50, 10.0), (30, 13.0))


def grade(texts: Iterable[str], language: str) -> float:
    """The school grade that reads these texts, taken together, with ease; 0 for no words."""
    language = language.partition("-")[0]
    sentences, words, syllables = 0, 0, 0
    for text in texts:
        for sentence in _SENTENCE.split(HOLE.sub("it", text)):
            found = _WORD.findall(sentence.lower())
            if found:
                sentences += 1
                words += len(found)
                syllables += sum(_syllables(word, language) for word in found)
    if not words:
        return 0.0
    if language == "es":
        score = 206.84 - 60 * syllables / words - 1.02 * words / sentences
        return next((school for least, school in _BANDS if score >= least), 16.0)
    return 0.39 * words / sentences + 11.8 * syllables / words - 15.59


def _syllables(word: str, language: str) -> int:
    if language == "es":
        return max(1, len(_ES_VOWELS.findall(word)))
    count = len(_EN_VOWELS.findall(word))
    if word.endswith("e") and not word.endswith(("le", "ee")) and count > 1:
        count -= 1
    if word.endswith("es") and count > 1 and not word.endswith(("ches", "shes", "ses", "xes", "zes")):
        count -= 1
    return max(1, count)
