"""Playbooks in the desk: those that come along, and the district's own from draft to published."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import func, select, update

from service.core.actor import SYSTEM
from service.core.errors import Conflict, FieldError, Invalid, NotFound, Stale, require
from service.core.fields import Input, Line
from service.core.idempotency import once
from service.core.outbox import enqueue
from service.core.work import Eyes, Work
from service.playbooks import access, library
from service.playbooks.grammar import Action, Book, Playbook, Risk, book_from, bound, plain
from service.playbooks.lint import problems_in
from service.playbooks.models import Origin, PlaybookVersion, VersionStatus
from service.playbooks.proving import Proof, proved
from service.playbooks.reading import Problem, Source, Unreadable, playbook_of, source_of

MOST_PROBLEMS = 50
_BOOKS: dict[str, Book] = {}
_MOST_BOOKS = 500


class NotReady(Invalid):
    code = "playbook_not_ready"
    title = "This playbook cannot be published yet."


class WritePlaybook(Input):
    """A playbook as YAML text, which JSON is too."""

    source: Annotated[str, Field(min_length=1, max_length=400_000)] = Field(
        examples=["schema: playbook/1\nid: our-cart\n…"]
    )


class Withdraw(Input):
    """Open runs of the version are handed over with what they learnt."""

    reason: Line


async def book_of(eyes: Eyes, version_id: int) -> Book:
    """The book of a published version, read once a process and kept by its hash."""
    digest = await eyes.shelf.get(("playbook hash", version_id), lambda: _hash(eyes.db, version_id))
    if (book := _BOOKS.get(digest)) is None:
        query = select(PlaybookVersion.book).where(PlaybookVersion.id == version_id)
        book = book_from((await eyes.db.execute(query)).scalar_one())
        if len(_BOOKS) >= _MOST_BOOKS:
            _BOOKS.clear()
        _BOOKS[digest] = book
    return book


async def _hash(db: Any, version_id: int) -> str:
    query = select(PlaybookVersion.hash).where(PlaybookVersion.id == version_id)
    return str((await db.execute(query)).scalar_one())


async def current(eyes: Eyes) -> dict[str, int]:
    """The version of each playbook that can be started, by its id."""
    found = await eyes.shelf.get("playbooks", lambda: _load_current(eyes.db))
    return dict(found)


async def _load_current(db: Any) -> list[tuple[str, int]]:
    query = (
        select(PlaybookVersion.playbook, PlaybookVersion.id)
        .where(PlaybookVersion.status == VersionStatus.PUBLISHED, ~PlaybookVersion.is_part)
        .order_by(PlaybookVersion.playbook)
    )
    return [(row.playbook, row.id) for row in (await db.execute(query)).all()]


async def publish_shipped(work: Work) -> int:
    """Bring in the playbooks that come along, where they are new or changed; how many were.

    A playbook that the district has made its own stays the district's.
    """
    await _lock(work)
    if await _has_all(work):
        return 0
    shelf = library.shipped()
    parts = {name: one.playbook for name, one in shelf.items()}
    rows = await work.session.execute(
        select(PlaybookVersion.playbook, PlaybookVersion.hash, PlaybookVersion.status, PlaybookVersion.origin)
    )
    there = rows.all()
    kept = {(row.playbook, row.hash) for row in there if row.origin is Origin.SHIPPED}
    ours = {
        row.playbook
        for row in there
        if row.origin is Origin.DISTRICT and row.status is VersionStatus.PUBLISHED
    }
    new = 0
    for name, one in sorted(shelf.items()):
        book = bound(one.playbook, parts)
        if (name, book.hash) in kept:
            continue
        text = one.path.read_text(encoding="utf-8")
        version = await _added(work, one.playbook, Origin.SHIPPED, text)
        if name in ours:
            version.status = VersionStatus.SUPERSEDED
            version.book, version.hash = plain(book), book.hash
        else:
            await _publish(work, version, book)
        new += 1
    await work.session.flush()
    return new


async def _has_all(work: Work) -> bool:
    """Whether the newest version that came along of each playbook is the file that is here."""
    query = (
        select(PlaybookVersion.playbook, func.md5(PlaybookVersion.source))
        .where(PlaybookVersion.origin == Origin.SHIPPED)
        .order_by(PlaybookVersion.playbook, PlaybookVersion.number)
    )
    there = {row[0]: row[1] for row in (await work.session.execute(query)).all()}
    return all(there.get(path.stem) == _md5(path) for path in library.files([library.FOLDER]))


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


async def _added(work: Work, playbook: Playbook, origin: Origin, text: str) -> PlaybookVersion:
    last = await work.session.scalar(
        select(func.max(PlaybookVersion.number)).where(PlaybookVersion.playbook == playbook.id)
    )
    version = PlaybookVersion(
        playbook=playbook.id,
        number=(last or 0) + 1,
        origin=origin,
        status=VersionStatus.DRAFT,
        is_part=playbook.part,
        source=text,
        revision=1,
        author_id=work.actor.person_id,
        author_name=work.actor.name if origin is Origin.DISTRICT else SYSTEM.name,
        created_at=work.now,
    )
    work.session.add(version)
    await work.session.flush()
    return version


async def _publish(work: Work, version: PlaybookVersion, book: Book) -> None:
    await work.session.execute(
        update(PlaybookVersion)
        .where(
            PlaybookVersion.playbook == version.playbook, PlaybookVersion.status == VersionStatus.PUBLISHED
        )
        .values(status=VersionStatus.SUPERSEDED),
        execution_options={"synchronize_session": "fetch"},
    )
    version.status = VersionStatus.PUBLISHED
    version.book, version.hash = plain(book), book.hash
    version.published_at, version.published_by = work.now, work.actor.name
    await work.session.flush()
    work.change_config()


# The district's own.


@once(PlaybookVersion)
async def write_playbook(work: Work, wanted: WritePlaybook) -> PlaybookVersion:
    """A new draft: of a new playbook, or the next version of one."""
    require(access.may_write_playbooks(work.actor))
    await _lock(work)
    playbook, _ = await asyncio.to_thread(_read, wanted.source)
    return await _added(work, playbook, Origin.DISTRICT, wanted.source)


@once(PlaybookVersion)
async def rewrite_playbook(work: Work, version_id: int, wanted: WritePlaybook) -> PlaybookVersion:
    """Change a draft. What was sent for review becomes a draft again."""
    require(access.may_write_playbooks(work.actor))
    version = await version_for_update(work, version_id)
    _refuse_unless(version, VersionStatus.DRAFT, VersionStatus.REVIEW)
    playbook, source = await asyncio.to_thread(_read, wanted.source)
    if playbook.id != version.playbook:
        raise _not_ready(
            [Problem("id", f"This is a draft of “{version.playbook}”.", "id", source.line("id"))]
        )
    version.source, version.is_part = wanted.source, playbook.part
    version.status = VersionStatus.DRAFT
    version.author_id, version.author_name = work.actor.person_id, work.actor.name
    return await _revised(work, version)


@once(PlaybookVersion)
async def submit_playbook(work: Work, version_id: int) -> PlaybookVersion:
    """Send a draft for review: it must lint clean, and its examples must show every way."""
    require(access.may_write_playbooks(work.actor))
    version = await version_for_update(work, version_id)
    _refuse_unless(version, VersionStatus.DRAFT)
    await _ready(work, version)
    version.status = VersionStatus.REVIEW
    return await _revised(work, version)


@once(PlaybookVersion)
async def publish_playbook(work: Work, version_id: int) -> PlaybookVersion:
    """Make a reviewed version the one that new runs take. Running ones keep theirs."""
    require(access.may_write_playbooks(work.actor))
    await _lock(work)
    version = await version_for_update(work, version_id)
    _refuse_unless(version, VersionStatus.REVIEW)
    book = await _ready(work, version)
    require(
        access.may_publish(work.actor, version.author_id, risks_of(book)),
        "It interrupts people or can lose data, so somebody other than its author publishes it.",
    )
    await _publish(work, version, book)
    return await _revised(work, version)


@once(PlaybookVersion)
async def withdraw_playbook(work: Work, version_id: int, why: Withdraw) -> PlaybookVersion:
    """Stop a version at once: nobody starts it, and its open runs go to technicians."""
    require(access.may_write_playbooks(work.actor))
    version = await version_for_update(work, version_id)
    _refuse_unless(version, VersionStatus.PUBLISHED, VersionStatus.SUPERSEDED)
    version.status = VersionStatus.WITHDRAWN
    version.withdrawn_at, version.reason = work.now, why.reason
    await enqueue(work, "playbooks.end_withdrawn", version_id=version.id)
    work.change_config()
    return await _revised(work, version)


async def version_for_update(work: Work, version_id: int) -> PlaybookVersion:
    version = await work.session.get(PlaybookVersion, version_id, with_for_update=True)
    if version is None:
        raise NotFound("There is no such version.")
    if work.conditions.expected_version not in (None, version.revision):
        raise Stale
    return version


async def _revised(work: Work, version: PlaybookVersion) -> PlaybookVersion:
    version.revision += 1
    work.version = version.revision
    await work.session.flush()
    return version


async def _lock(work: Work) -> None:
    """Numbers and the one published version of a playbook are given out one at a time."""
    await work.session.execute(select(func.pg_advisory_xact_lock(func.hashtext("playbook versions"))))


def _refuse_unless(version: PlaybookVersion, *statuses: VersionStatus) -> None:
    if version.status not in statuses:
        raise Conflict(
            f"This version is {version.status.value}; that can be done with {statuses[0].value} only."
        )


def _read(text: str) -> tuple[Playbook, Source]:
    try:
        source = source_of(text)
        return playbook_of(source), source
    except Unreadable as error:
        raise _not_ready(error.problems) from None


async def _ready(work: Work, version: PlaybookVersion) -> Book:
    """The book of a draft that is in order, else what is wrong with it. NotReady."""
    looked = await asyncio.to_thread(_looked_over, version.source, await parts_there(work))
    if looked.problems or looked.book is None:
        raise _not_ready(looked.problems)
    return looked.book


@dataclass(frozen=True)
class Looked:
    """What is wrong with a playbook's text, its book if it is in order, and the share of ways shown."""

    problems: Sequence[Problem]
    book: Book | None = None
    coverage: float = 0.0


def _looked_over(text: str, parts: Mapping[str, Playbook]) -> Looked:
    """Read, lint and prove a text: seconds of work for a large one, so it is done in a thread."""
    try:
        source = source_of(text)
        playbook = playbook_of(source)
    except Unreadable as error:
        return Looked(error.problems)
    if problems := problems_in(playbook, parts, source=source):
        return Looked(problems)
    book = bound(playbook, parts)
    proof = proved(book)
    return Looked(_unproved(proof), book, round(proof.coverage, 4))


def _unproved(proof: Proof) -> list[Problem]:
    failed = [Problem("example", f"Example “{name}”: {why}.", "examples") for name, why in proof.failures]
    missing = [
        Problem("no_example", f"No example takes “{edge}” of “{step}”.", f"steps.{step}")
        for step, edge in proof.missing
    ]
    return failed + missing


async def parts_there(eyes: Eyes) -> dict[str, Playbook]:
    """The published playbooks by id, of which a playbook may call the parts."""
    query = select(PlaybookVersion.id).where(PlaybookVersion.status == VersionStatus.PUBLISHED)
    found = [await book_of(eyes, row.id) for row in (await eyes.db.execute(query)).all()]
    return {book.main.id: book.main for book in found}


async def check_playbook(eyes: Eyes, wanted: WritePlaybook) -> dict[str, Any]:
    """What is wrong with a playbook, and how its examples come out; nothing is kept."""
    require(access.may_write_playbooks(eyes.actor))
    looked = await asyncio.to_thread(_looked_over, wanted.source, await parts_there(eyes))
    problems = [told(one) for one in looked.problems[:MOST_PROBLEMS]]
    return {"problems": problems, "coverage": looked.coverage}


def told(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.line,
        "where": problem.where,
        "code": problem.code,
        "message": problem.message,
    }


def _not_ready(problems: Sequence[Problem]) -> NotReady:
    fields = [
        FieldError("source", one.code, f"Line {one.line}: {one.message}") for one in problems[:MOST_PROBLEMS]
    ]
    return NotReady(fields=fields)


VERSION = [column for column in PlaybookVersion.__table__.c if column.name not in ("book", "source")]


async def versions(eyes: Eyes, playbook: str) -> Sequence[Any]:
    """Every version of a playbook, newest first: for those who write playbooks, and the desk."""
    require(eyes.actor.is_desk)
    query = select(*VERSION).where(PlaybookVersion.playbook == playbook)
    rows = (await eyes.db.execute(query.order_by(PlaybookVersion.number.desc()))).all()
    if not rows:
        raise NotFound("There is no such playbook.")
    return rows


async def version_by_id(eyes: Eyes, version_id: int) -> Any:
    """One version with its source text."""
    require(eyes.actor.is_desk)
    query = select(*VERSION, PlaybookVersion.source).where(PlaybookVersion.id == version_id)
    row = (await eyes.db.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no such version.")
    eyes.version = row.revision
    return row


def risks_of(book: Book) -> set[Risk]:
    """What its actions can cost, those of its parts included."""
    playbooks = (book.main, *book.parts.values())
    return {step.risk for one in playbooks for step in one.steps.values() if isinstance(step, Action)}
