"""Guided help: playbooks, their runs, and what the district decided."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from schema.context import Context, Info
from schema.nodes import (
    Connection,
    Node,
    PageInfo,
    field,
    global_id,
    instant,
    line,
    loaded,
    number_in,
    page_size,
    told,
)
from schema.people import Person
from schema.places import cursor_after
from service.playbooks import analytics, district, listing, photos, queries, suggesting, versions
from service.playbooks.models import Origin, VersionStatus
from service.playbooks.state import Stage


@strawberry.type
class StepChoice:
    value: str = strawberry.field(description="What an answer says.")
    label: str


@strawberry.type(description="The present step of a run, ready to show.")
class RunStep:
    path: str = strawberry.field(description="What an answer names as `step`.")
    kind: str = strawberry.field(
        description="single, multi, text, number, photo, info, consent, approval, waiting, handed_over, "
        "ended or cancelled."
    )
    text: str
    help: str | None
    picture: str | None
    picture_alt: str | None
    choices: list[StepChoice]
    ways: list[StepChoice] = strawberry.field(description="What is always possible beside the choices.")
    minimum: float | None
    maximum: float | None
    answers_by: str | None = strawberry.field(description="requester, technician, or an approver's role.")
    until: datetime | None
    seconds: int | None
    can_go_back: bool


@strawberry.type(description="A line of a run's log.")
class RunEvent:
    event_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    at: datetime
    kind: str
    path: str
    by: str = told(lambda row: row.actor_name)
    seconds: float | None
    detail: JSON


@strawberry.type
class RunEventEdge:
    cursor: str
    node: RunEvent


@strawberry.type
class RunEventConnection:
    nodes: list[RunEvent]
    edges: list[RunEventEdge]
    page_info: PageInfo


@strawberry.type
class SummaryLine:
    what: str
    came: str
    detail: str | None


@strawberry.type(description="What was asked and answered, read, done and ruled out.")
class RunSummary:
    title: str
    why: str | None
    asked: list[SummaryLine]
    read: list[SummaryLine]
    done: list[SummaryLine]
    ruled_out: list[str]


@strawberry.type(description="A photo given as an answer.")
class RunPhoto:
    key: str = strawberry.field(description="What the answer names.")
    media_type: str
    at: datetime


@strawberry.type(description="A run of a playbook.")
class PlaybookRun(Node):
    id: strawberry.ID = global_id("PlaybookRun")
    run_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    playbook: str
    playbook_version: int
    playbook_hash: str = strawberry.field(description="The canonical form it is pinned to, for ever.")
    ticket_number: int | None = told(lambda row: row.ticket_id, description="Its ticket, if it has one.")
    asset_tag: str | None
    person: Person | None = loaded("person", "person_id", description="Whose run it is.")
    school_id: str | None
    language: str
    stage: Stage
    path: str
    approval_role: str | None
    outcome: str | None
    dry_run: bool = told(lambda row: row.is_dry)
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    version: int = strawberry.field(description="Send it back as `expectedVersion`.")

    @field(graphql_type=str | None, description="The title of its playbook.")
    async def title(root: Any, info: Info, language: str | None = None) -> object:  # noqa: N805
        async with info.context.read() as read:
            return (await queries.run_card(read, root, language))[0]

    @field(graphql_type=RunStep | None, description="The present step, in the language of whose run it is.")
    async def step(root: Any, info: Info, language: str | None = None) -> object:  # noqa: N805
        async with info.context.read() as read:
            return (await queries.run_card(read, root, language))[1]

    @field(graphql_type=RunEventConnection | None, description="What happened, oldest first; for the desk.")
    async def log(
        root: Any,  # noqa: N805
        info: Info,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await queries.run_log(read, root.id, limit=page_size(first), cursor=after)
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=RunSummary | None, description="What a technician must know; for the desk.")
    async def summary(root: Any, info: Info, language: str | None = None) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await queries.run_summary(read, root.id, language)

    @field(graphql_type=str | None, description="One of its photos, as base64.")
    async def photo(root: Any, info: Info, key: str) -> object:  # noqa: N805
        async with info.context.read() as read:
            found = await photos.photo_by_key(read, root.id, key[:64])
        return base64.b64encode(found.content).decode()


@strawberry.type
class PlaybookRunEdge:
    cursor: str
    node: PlaybookRun


@strawberry.type
class PlaybookRunConnection:
    nodes: list[PlaybookRun]
    edges: list[PlaybookRunEdge]
    page_info: PageInfo


@strawberry.type(description="A playbook that may solve it.")
class PlaybookSuggestion:
    playbook: str = told(lambda row: row["playbook"])
    title: str = told(lambda row: row["title"])
    summary: str = told(lambda row: row["summary"])
    first_question: str | None = told(
        lambda row: row["first_question"], description="What it would ask first if it knew nothing."
    )


@strawberry.type(description="A version of a playbook.")
class PlaybookVersion(Node):
    id: strawberry.ID = global_id("PlaybookVersion")
    version_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    playbook: str
    version: int = told(lambda row: row.number)
    origin: Origin
    status: VersionStatus
    part: bool = told(lambda row: row.is_part, description="Other playbooks call it; nobody starts it.")
    hash: str | None
    revision: int = strawberry.field(description="Send it back as `expectedVersion`.")
    author: str = told(lambda row: row.author_name)
    created_at: datetime
    published_by: str | None
    published_at: datetime | None
    withdrawn_at: datetime | None
    reason: str | None

    @field(graphql_type=str | None, description="Its text.")
    async def source(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return (await versions.version_by_id(read, root.id)).source


@strawberry.type(description="A playbook that can be started.")
class Playbook:
    playbook: str = told(lambda row: row["playbook"])
    title: str = told(lambda row: row["title"])
    summary: str = told(lambda row: row["summary"])
    owner: str = told(lambda row: row["owner"])
    version_id: strawberry.ID = told(lambda row: row["version_id"])
    version: int = told(lambda row: row["version"])
    hash: str = told(lambda row: row["hash"])
    origin: Origin = told(lambda row: row["origin"])
    asset_kinds: list[str] = told(lambda row: row["asset_kinds"])
    categories: list[str] = told(lambda row: row["categories"])
    languages: list[str] = told(lambda row: row["languages"])
    steps: int = told(lambda row: row["steps"])

    @field(graphql_type=str | None, description="As a Mermaid flow chart.")
    async def graph(root: Any, info: Info, language: str | None = None) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await listing.graph(read, root["playbook"], language)

    @field(graphql_type=list[PlaybookVersion] | None, description="All of them, newest first; for the desk.")
    async def versions(root: Any, info: Info) -> object:  # noqa: N805
        async with info.context.read() as read:
            return await versions.versions(read, root["playbook"])

    @field(graphql_type=JSON | None, description="How a version does, step by step, as REST tells it.")
    async def analytics(
        root: Any,  # noqa: N805
        info: Info,
        version: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> object:
        period = {"since": instant(since, "since"), "until": instant(until, "until")}
        async with info.context.read() as read:
            return await analytics.analytics(read, root["playbook"], number=version, **period)


@strawberry.type(description="A fact that playbooks may ask about.")
class KnownFact:
    name: str = told(lambda row: row["name"])
    type: str = told(lambda row: row["type"])
    keeper: str = told(lambda row: row["keeper"])
    label: str = told(lambda row: row["label"])
    max_age_seconds: int = told(lambda row: row["max_age_seconds"])
    choices: list[str] = told(lambda row: row["choices"])
    staff_only: bool = told(lambda row: row["staff_only"])


@strawberry.type(description="What the district, or one school, decided.")
class DistrictFact:
    fact_id: strawberry.ID = told(lambda row: row.id, description="As REST has it.")
    name: str
    school_id: str | None
    value: JSON
    since: datetime | None
    until: datetime | None
    set_at: datetime
    set_by: str


@strawberry.type
class Query:
    @field(
        graphql_type=list[PlaybookSuggestion] | None,
        description="Playbooks for what somebody says, with their first question.",
    )
    async def suggest_playbooks(
        self,
        info: Info,
        words: str | None = None,
        category: str | None = None,
        asset_tag: str | None = None,
        language: str | None = None,
    ) -> object:
        asked = suggesting.Ask(words=words or "", category=category, asset_tag=asset_tag, language=language)
        async with info.context.read() as read:
            return await suggesting.suggest(read, asked)

    @field(graphql_type=PlaybookRun | None, description="One run, by its id or global id.")
    async def playbook_run(self, info: Info, id: strawberry.ID) -> object:
        return await run_by_key(info.context, id)

    @field(graphql_type=PlaybookRunConnection | None, description="Runs you see, newest first.")
    async def playbook_runs(
        self,
        info: Info,
        ticket: int | None = None,
        stage: Stage | None = None,
        playbook: str | None = None,
        mine: bool = False,
        first: int | None = None,
        after: str | None = None,
    ) -> object:
        async with info.context.read() as read:
            page = await queries.runs_page(
                read,
                ticket=ticket,
                stage=stage,
                playbook=line(playbook, "playbook"),
                mine=mine,
                limit=page_size(first),
                cursor=after,
            )
        return Connection(page, cursor_after, after=after)

    @field(graphql_type=list[Playbook] | None, description="Playbooks that can be started.")
    async def playbooks(self, info: Info, language: str | None = None) -> object:
        async with info.context.read() as read:
            return await listing.playbooks(read, language)

    @field(graphql_type=Playbook | None, description="One playbook, by its id.")
    async def playbook(self, info: Info, id: str, language: str | None = None) -> object:
        async with info.context.read() as read:
            return await listing.playbook(read, id, language)

    @field(graphql_type=PlaybookVersion | None, description="One version, by its id or global id.")
    async def playbook_version(self, info: Info, id: strawberry.ID) -> object:
        return await version_by_key(info.context, id)

    @field(graphql_type=JSON | None, description="What is wrong with a playbook's text, as REST tells it.")
    async def check_playbook(self, info: Info, source: str) -> object:
        async with info.context.read() as read:
            return await versions.check_playbook(read, versions.WritePlaybook(source=source))

    @field(graphql_type=list[KnownFact] | None, description="The facts that playbooks may ask about.")
    async def known_facts(self, info: Info, language: str | None = None) -> object:
        return district.known_facts(language or info.context.actor.language)

    @field(graphql_type=list[DistrictFact] | None, description="What the district decided.")
    async def district_facts(self, info: Info) -> object:
        async with info.context.read() as read:
            return await district.district_facts(read)

    @field(graphql_type=JSON | None, description="What guided help without a ticket came to.")
    async def report_deflection(
        self, info: Info, since: datetime | None = None, until: datetime | None = None
    ) -> object:
        period = {"since": instant(since, "since"), "until": instant(until, "until")}
        async with info.context.read() as read:
            return await analytics.deflection(read, **period)


async def run_by_key(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await queries.run_view(read, number_in(key, "PlaybookRun"))


async def version_by_key(context: Context, key: str) -> Any:
    async with context.read() as read:
        return await versions.version_by_id(read, number_in(key, "PlaybookVersion"))
