"""The HTTP door for those who write playbooks, and for what the district decided."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query

from service.core.fields import Instant, Language
from service.playbooks import analytics, district, listing, versions, wire
from service.web import Json, Reading, RowId, Working, door, refusals

router = door("/playbooks", "playbooks")
drafts = door("/playbook-versions", "playbooks")
facts = door("/playbook-facts", "playbooks")
decided = door("/district-facts", "playbooks")
reports = door("/reports", "reports")
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{1,59}$", examples=["chromebook-wifi"])]
Words = Annotated[Language | None, Query(description="Of the words; else yours.")]
Since = Annotated[Instant | None, Query(description="Runs that began from here on; else of 90 days.")]
Until = Annotated[Instant | None, Query(description="Runs that began before; else until now.")]
VERSION: dict[str, Any] = {"response_model": wire.VersionOut, "responses": refusals(404, 409, 412)}


@router.get(
    "",
    operation_id="listPlaybooks",
    summary="Playbooks that can be started",
    response_model=list[wire.PlaybookListed],
    responses=refusals(),
)
async def list_playbooks(read: Reading, language: Words = None) -> Json:
    return Json(await listing.playbooks(read, language))


@router.post(
    "/check",
    operation_id="checkPlaybook",
    summary="Lint a playbook and play its examples; nothing is kept",
    response_model=wire.CheckedOut,
    responses=refusals(),
)
async def check(playbook: versions.WritePlaybook, read: Reading) -> Json:
    return Json(await versions.check_playbook(read, playbook))


@router.post(
    "",
    operation_id="writePlaybook",
    summary="Write a draft",
    status_code=201,
    response_model=wire.VersionOut,
    responses=refusals(409),
)
async def write(playbook: versions.WritePlaybook, work: Working) -> Json:
    made = await versions.write_playbook(work, playbook)
    work.version = made.revision
    return Json(wire.version_shown(made), 201)


@router.get(
    "/{playbook}",
    operation_id="getPlaybook",
    summary="One playbook",
    response_model=wire.PlaybookListed,
    responses=refusals(404),
)
async def get_playbook(playbook: Name, read: Reading, language: Words = None) -> Json:
    return Json(await listing.playbook(read, playbook, language))


@router.get(
    "/{playbook}/graph",
    operation_id="getPlaybookGraph",
    summary="A playbook as a Mermaid flow chart",
    response_model=wire.GraphOut,
    responses=refusals(404),
)
async def get_graph(playbook: Name, read: Reading, language: Words = None) -> Json:
    return Json({"mermaid": await listing.graph(read, playbook, language)})


@router.get(
    "/{playbook}/versions",
    operation_id="listPlaybookVersions",
    summary="Every version of a playbook, newest first",
    response_model=list[wire.VersionOut],
    responses=refusals(404),
)
async def list_versions(playbook: Name, read: Reading) -> Json:
    return Json([wire.version_shown(row) for row in await versions.versions(read, playbook)])


@router.get(
    "/{playbook}/analytics",
    operation_id="getPlaybookAnalytics",
    summary="How a version does, step by step",
    response_model=wire.AnalyticsOut,
    responses=refusals(404),
)
async def get_analytics(
    playbook: Name,
    read: Reading,
    version: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    since: Since = None,
    until: Until = None,
) -> Json:
    return Json(await analytics.analytics(read, playbook, number=version, since=since, until=until))


@drafts.get(
    "/{version}",
    operation_id="getPlaybookVersion",
    summary="A version with its text",
    response_model=wire.VersionText,
    responses=refusals(404),
)
async def get_version(version: RowId, read: Reading) -> Json:
    return Json(wire.version_text(await versions.version_by_id(read, version)))


@drafts.put("/{version}", operation_id="rewritePlaybook", summary="Change a draft", **VERSION)
async def rewrite(version: RowId, playbook: versions.WritePlaybook, work: Working) -> Json:
    return Json(wire.version_shown(await versions.rewrite_playbook(work, version, playbook)))


@drafts.post("/{version}/submit", operation_id="submitPlaybook", summary="Send for review", **VERSION)
async def submit(version: RowId, work: Working) -> Json:
    return Json(wire.version_shown(await versions.submit_playbook(work, version)))


@drafts.post("/{version}/publish", operation_id="publishPlaybook", summary="Let new runs take it", **VERSION)
async def publish(version: RowId, work: Working) -> Json:
    return Json(wire.version_shown(await versions.publish_playbook(work, version)))


@drafts.post(
    "/{version}/withdraw", operation_id="withdrawPlaybook", summary="Stop it; hand its runs over", **VERSION
)
async def withdraw(version: RowId, why: versions.Withdraw, work: Working) -> Json:
    return Json(wire.version_shown(await versions.withdraw_playbook(work, version, why)))


@facts.get(
    "",
    operation_id="listKnownFacts",
    summary="The facts that playbooks may ask about",
    response_model=list[wire.KnownFactOut],
    responses=refusals(),
)
async def list_known(read: Reading, language: Words = None) -> Json:
    return Json(district.known_facts(language or read.actor.language))


@decided.get(
    "",
    operation_id="listDistrictFacts",
    summary="What the district decided",
    response_model=list[wire.DistrictFactOut],
    responses=refusals(),
)
async def list_decided(read: Reading) -> Json:
    return Json([dict(row._mapping) for row in await district.district_facts(read)])


@decided.post(
    "",
    operation_id="setDistrictFact",
    summary="Say what the district decided",
    status_code=201,
    response_model=wire.DistrictFactOut,
    responses=refusals(),
)
async def set_fact(fact: district.SetDistrictFact, work: Working) -> Json:
    return Json(_fact(await district.set_district_fact(work, fact)), 201)


@decided.post(
    "/{fact}/end",
    operation_id="endDistrictFact",
    summary="It holds no more",
    response_model=wire.DistrictFactOut,
    responses=refusals(404),
)
async def end_fact(fact: RowId, work: Working) -> Json:
    return Json(_fact(await district.end_district_fact(work, fact)))


def _fact(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in wire.DistrictFactOut.model_fields}


@reports.get(
    "/deflection",
    operation_id="reportDeflection",
    summary="What guided help without a ticket came to",
    response_model=wire.DeflectionOut,
    responses=refusals(),
)
async def report_deflection(read: Reading, since: Since = None, until: Until = None) -> Json:
    return Json(await analytics.deflection(read, since=since, until=until))
