"""Playbooks for what somebody says, with the first question of each."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import select

from service.assets.models import Asset
from service.core.actor import Scope
from service.core.errors import NotFound, require
from service.core.fields import Clean, Code, Input, Language, Line
from service.core.work import Eyes
from service.playbooks import choosing
from service.playbooks.cards import card
from service.playbooks.grammar import Book
from service.playbooks.state import Stage, View
from service.playbooks.texts import in_language
from service.playbooks.traversal import begin
from service.playbooks.versions import book_of, current

_FIRST: dict[tuple[str, str], str | None] = {}
_MOST_FIRST = 5_000
Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000), Clean]
"""As long as still fits an address, whatever its letters."""


class Ask(Input):
    """What somebody would say to a technician."""

    words: Said = Field("", examples=["my Chromebook won't connect"])
    category: Code | None = Field(None, examples=["network.wifi"])
    asset_tag: Line | None = Field(None, examples=["CB-00017"])
    language: Language | None = None


async def suggest(eyes: Eyes, asked: Ask) -> list[dict[str, Any]]:
    """The playbooks that fit, best first, each with the first question it would ask."""
    require(eyes.actor.holds(Scope.TICKETS_READ))
    kind = await _kind(eyes, asked.asset_tag) if asked.asset_tag else None
    return await suggestions(eyes, [asked.words], asked.category, kind, asked.language or eyes.actor.language)


async def suggestions(
    eyes: Eyes, texts: list[str], category: str | None, asset_kind: str | None, language: str
) -> list[dict[str, Any]]:
    """The same for a ticket whose device is known."""
    there = await current(eyes)
    if not there:
        return []
    shelf = await eyes.shelf.get("playbook candidates", lambda: _candidates(eyes, there))
    wanted = choosing.Wanted(choosing.stems(texts), category, asset_kind)
    found = choosing.best(shelf, wanted)
    return [await _told(eyes, there[name], language) for name, _ in found if name in there]


async def _candidates(eyes: Eyes, there: dict[str, int]) -> choosing.Shelf:
    books = [await book_of(eyes, version) for version in there.values()]
    return choosing.Shelf(tuple(choosing.candidate(book.main) for book in books))


async def _kind(eyes: Eyes, tag: str) -> str | None:
    kind = (await eyes.db.execute(select(Asset.kind).where(Asset.tag == tag))).scalar()
    if kind is None:
        raise NotFound(f"There is no device with the tag “{tag}”.")
    return str(kind.value)


async def _told(eyes: Eyes, version_id: int, language: str) -> dict[str, Any]:
    book = await book_of(eyes, version_id)
    return {
        "playbook": book.main.id,
        "title": in_language(book.main.title, language),
        "summary": in_language(book.main.summary, language),
        "first_question": first_question(book, language, eyes),
    }


def first_question(book: Book, language: str, eyes: Eyes) -> str | None:
    """What a run would ask first while nothing is known of the device; None if it would ask nothing."""
    key = (book.hash, language)
    if key not in _FIRST:
        if len(_FIRST) >= _MOST_FIRST:
            _FIRST.clear()
        view = View(eyes.now, lambda _: None)
        state = begin(book, view, dry=True).state
        asks = state.stage is Stage.ASKING
        _FIRST[key] = card(book, state, language, view, zone=UTC).text if asks else None
    return _FIRST[key]
