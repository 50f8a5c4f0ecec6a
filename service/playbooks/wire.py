"""Runs and playbooks as REST shows them: the documented shape, and the plain values that fill it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.core.work import Eyes
from service.playbooks.cards import Card
from service.playbooks.models import Origin, VersionStatus
from service.playbooks.queries import run_card
from service.playbooks.state import Stage
from service.playbooks.summary import Summary


class ChoiceOut(BaseModel):
    value: str
    label: str


class StepOut(BaseModel):
    """The present step, ready to show. Answer with one of `choices`, or one of `ways`, and this `path`."""

    path: str = Field(examples=["others_work"])
    kind: str = Field(
        description="single, multi, text, number, photo, info, consent, approval, waiting, handed_over, "
        "ended or cancelled."
    )
    text: str
    help: str | None
    picture: str | None = Field(description="The slot of a picture of the district's.")
    picture_alt: str | None
    choices: list[ChoiceOut]
    ways: list[ChoiceOut]
    minimum: float | None
    maximum: float | None
    answers_by: str | None = Field(description="Who can answer: requester, technician, or an approver.")
    until: datetime | None = Field(description="When it goes on without an answer.")
    seconds: int | None = Field(description="What the step takes a person.")
    can_go_back: bool


class RunListed(BaseModel):
    """A run as lists show it."""

    id: int
    playbook: str
    playbook_version: int
    playbook_hash: str = Field(description="The canonical form it is pinned to, for ever.")
    ticket: int | None
    asset_tag: str | None
    person: dict[str, Any] | None
    school_id: str | None
    language: str
    stage: Stage
    path: str
    approval_role: str | None
    outcome: str | None
    dry_run: bool
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int


class RunOut(RunListed):
    """A run with its present step in the language of whose run it is."""

    title: str
    step: StepOut


class RunPage(BaseModel):
    items: list[RunListed]
    next_cursor: str | None


class RunEventOut(BaseModel):
    id: int
    at: datetime
    kind: str
    path: str
    by: str
    seconds: float | None
    detail: dict[str, Any]


class RunEventPage(BaseModel):
    items: list[RunEventOut]
    next_cursor: str | None


class LineOut(BaseModel):
    what: str
    came: str
    detail: str | None


class SummaryOut(BaseModel):
    """What was asked and answered, read, done and ruled out."""

    title: str
    why: str | None
    asked: list[LineOut]
    read: list[LineOut]
    done: list[LineOut]
    ruled_out: list[str]


class SuggestionOut(BaseModel):
    playbook: str = Field(examples=["chromebook-wifi"])
    title: str
    summary: str
    first_question: str | None = Field(description="What it would ask first if it knew nothing.")


class PlaybookListed(BaseModel):
    playbook: str
    title: str
    summary: str
    owner: str
    version_id: int
    version: int
    hash: str
    origin: Origin
    asset_kinds: list[str]
    categories: list[str]
    languages: list[str] = Field(description="Languages in which every text is there.")
    steps: int


class VersionOut(BaseModel):
    """A version of a playbook."""

    id: int
    playbook: str
    version: int
    origin: Origin
    status: VersionStatus
    part: bool
    hash: str | None
    revision: int
    author: str
    created_at: datetime
    published_by: str | None
    published_at: datetime | None
    withdrawn_at: datetime | None
    reason: str | None


class VersionText(VersionOut):
    source: str


class ProblemOut(BaseModel):
    line: int
    where: str
    code: str
    message: str


class CheckedOut(BaseModel):
    """What is wrong with a playbook, and the share of its ways that examples take."""

    problems: list[ProblemOut]
    coverage: float


class GraphOut(BaseModel):
    mermaid: str


class KnownFactOut(BaseModel):
    name: str
    type: Literal["text", "number", "boolean", "instant"]
    keeper: str
    label: str
    max_age_seconds: int
    choices: list[str]
    staff_only: bool


class DistrictFactOut(BaseModel):
    id: int
    name: str
    school_id: str | None
    value: Any
    since: datetime | None
    until: datetime | None
    set_at: datetime
    set_by: str


class PhotoOut(BaseModel):
    key: str = Field(description="What the answer names.")
    media_type: str
    at: datetime


class StepFigures(BaseModel):
    step: str
    entered: int
    answered: int
    dont_know: int
    cannot: int
    timed_out: int
    cancelled: int
    back_jumps: int
    not_relevant: int
    median_seconds: float | None
    drop_off: float | None
    unknown_rate: float | None
    edges: dict[str, int]
    alarms: list[str]


class AnalyticsOut(BaseModel):
    playbook: str
    version: int
    hash: str
    since: datetime
    until: datetime
    runs: int
    outcomes: dict[str, int]
    reopened_7d: dict[str, int]
    steps: list[StepFigures]
    not_relevant: list[dict[str, Any]]
    by: dict[str, dict[str, Any]]
    definitions: dict[str, str]


class DeflectionOut(BaseModel):
    since: datetime
    until: datetime
    windows: dict[str, dict[str, int]]
    definitions: dict[str, str]


def run_listed(row: Any) -> dict[str, Any]:
    person = {"id": row.person_id, "name": row.person_name} if row.person_id is not None else None
    return {
        "id": row.id,
        "playbook": row.playbook,
        "playbook_version": row.playbook_version,
        "playbook_hash": row.playbook_hash,
        "ticket": row.ticket_id,
        "asset_tag": row.asset_tag,
        "person": person,
        "school_id": row.school_id,
        "language": row.language,
        "stage": row.stage,
        "path": row.path,
        "approval_role": row.approval_role,
        "outcome": row.outcome,
        "dry_run": row.is_dry,
        "started_at": row.started_at,
        "updated_at": row.updated_at,
        "ended_at": row.ended_at,
        "version": row.version,
    }


async def run_shown(eyes: Eyes, row: Any, language: str | None = None) -> dict[str, Any]:
    title, step = await run_card(eyes, row, language)
    return run_listed(row) | {"title": title, "step": card_shown(step)}


def card_shown(step: Card) -> dict[str, Any]:
    return asdict(step)


def run_event(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "kind": row.kind,
        "path": row.path,
        "by": row.actor_name,
        "seconds": row.seconds,
        "detail": row.detail,
    }


def summary_shown(made: Summary) -> dict[str, Any]:
    return asdict(made)


def version_shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "playbook": row.playbook,
        "version": row.number,
        "origin": row.origin,
        "status": row.status,
        "part": row.is_part,
        "hash": row.hash,
        "revision": row.revision,
        "author": row.author_name,
        "created_at": row.created_at,
        "published_by": row.published_by,
        "published_at": row.published_at,
        "withdrawn_at": row.withdrawn_at,
        "reason": row.reason,
    }


def version_text(row: Any) -> dict[str, Any]:
    return version_shown(row) | {"source": row.source}
