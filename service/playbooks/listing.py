"""The playbooks that can be started, as a list and one by one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from service.core.actor import Scope
from service.core.errors import NotFound, require
from service.core.work import Eyes
from service.playbooks.grammar import Book, texts_of
from service.playbooks.graph import mermaid
from service.playbooks.models import PlaybookVersion
from service.playbooks.texts import in_language
from service.playbooks.versions import book_of, current


async def playbooks(eyes: Eyes, language: str | None = None) -> list[dict[str, Any]]:
    """Every playbook that can be started, by its id."""
    require(eyes.actor.holds(Scope.TICKETS_READ))
    there = await current(eyes)
    query = select(PlaybookVersion.id, PlaybookVersion.number, PlaybookVersion.hash, PlaybookVersion.origin)
    rows = (await eyes.db.execute(query.where(PlaybookVersion.id.in_(there.values())))).all()
    by_id = {row.id: row for row in rows}
    words = language or eyes.actor.language
    return [
        _told(await book_of(eyes, version), by_id[version], words)
        for version in there.values()
        if version in by_id
    ]


async def playbook(eyes: Eyes, name: str, language: str | None = None) -> dict[str, Any]:
    """One of them. NotFound."""
    for one in await playbooks(eyes, language):
        if one["playbook"] == name:
            return one
    raise NotFound("There is no such playbook.")


async def graph(eyes: Eyes, name: str, language: str | None = None) -> str:
    """A playbook as a Mermaid flow chart. NotFound."""
    require(eyes.actor.holds(Scope.TICKETS_READ))
    version = (await current(eyes)).get(name)
    if version is None:
        raise NotFound("There is no such playbook.")
    return mermaid((await book_of(eyes, version)).main, language or eyes.actor.language)


def _told(book: Book, row: Any, language: str) -> dict[str, Any]:
    main = book.main
    return {
        "playbook": main.id,
        "title": in_language(main.title, language),
        "summary": in_language(main.summary, language),
        "owner": main.owner,
        "version_id": row.id,
        "version": row.number,
        "hash": row.hash,
        "origin": row.origin,
        "asset_kinds": list(main.applies_to.asset_kinds),
        "categories": list(main.applies_to.categories),
        "languages": languages_of(book),
        "steps": len(main.steps),
    }


def languages_of(book: Book) -> list[str]:
    """The languages in which every text of the playbook and its parts is there."""
    texts = [text for one in (book.main, *book.parts.values()) for _, text in texts_of(one)]
    return sorted(set.intersection(*(set(text) for text in texts)))
