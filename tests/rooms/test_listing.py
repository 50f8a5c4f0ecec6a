"""Every filter narrows to what it says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from service.core.actor import Role
from service.core.errors import Invalid
from service.core.work import Work
from service.tickets import actions, inputs
from service.tickets.listing import Sort, TicketFilter, count_tickets, tickets_page
from tests import makers
from tests.conftest import NOW


@pytest.fixture
async def desk(work: Work) -> dict[str, Any]:
    """Two tickets that differ in everything a filter can see: `this`, and `other`."""
    school, elsewhere = await makers.make_school(work), await makers.make_school(work)
    queue = await makers.make_queue(work)
    await makers.make_category(work, "av.projector")
    technician = await makers.make_person(work, Role.TECHNICIAN, queues=[queue])
    teacher, colleague = await makers.make_person(work), await makers.make_person(work)
    asset = await makers.make_asset(work)
    await makers.make_policy(work, matches={"school": [school.id]})
    external = makers.unique("INC")
    this = await makers.make_ticket(
        work, queue=queue.key, place_id=school.id, requester_id=teacher.id, asset_tag=asset.tag,
        category="av.projector", kind="request", priority="P1", tags=["loud"], external_id=external,
    )  # fmt: skip
    await actions.assign(work, this.id, inputs.Assign(assignee_id=technician.id))
    await actions.start(work, this.id)
    work.now = NOW + timedelta(days=3)
    other = await makers.make_ticket(work, place_id=elsewhere.id, requester_id=colleague.id)
    return {
        "this": this.id, "other": other.id, "queue": queue, "school": school, "asset": asset,
        "technician": technician, "teacher": teacher, "external": external,
    }  # fmt: skip


FILTERS: dict[str, Any] = {
    "status": lambda d: {"status": "in_progress"},
    "queue": lambda d: {"queue": d["queue"].key},
    "queue_id": lambda d: {"queue_id": d["queue"].id},
    "school_id": lambda d: {"school_id": d["school"].id},
    "assignee_id": lambda d: {"assignee_id": d["technician"].id},
    "unassigned": lambda d: {"unassigned": False},
    "requester_id": lambda d: {"requester_id": d["teacher"].id},
    "asset_tag": lambda d: {"asset_tag": d["asset"].tag},
    "category": lambda d: {"category": "av.projector"},
    "kind": lambda d: {"kind": "request"},
    "priority": lambda d: {"priority": "P1"},
    "tag": lambda d: {"tag": "loud"},
    "external_id": lambda d: {"external_id": d["external"]},
    "opened_since": lambda d: {"opened_since": NOW, "opened_until": NOW + timedelta(days=1)},
    "opened_until": lambda d: {"opened_until": NOW + timedelta(days=2)},
    "overdue": lambda d: {"overdue": True},
    "open": lambda d: {"open": True, "kind": "request"},
}


def test_every_filter_is_tried() -> None:
    assert set(FILTERS) == set(TicketFilter.model_fields)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("sort", Sort)
async def test_a_filter_keeps_what_it_names(work: Work, desk: dict[str, Any], name: str, sort: Sort) -> None:
    narrowed = TicketFilter(**FILTERS[name](desk))
    found = [row.id for row in (await tickets_page(work, narrowed, sort=sort, limit=100)).rows]
    assert desk["this"] in found
    assert desk["other"] not in found
    assert (await count_tickets(work, narrowed))[0] == len(found)


async def test_a_queue_that_is_not_there_is_said(work: Work, desk: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="no queue"):
        await tickets_page(work, TicketFilter(queue="nowhere"))


async def test_finished_tickets_are_listed_newest_first(work: Work, desk: dict[str, Any]) -> None:
    for number in (desk["this"], desk["other"]):
        await actions.cancel(work, number, inputs.Cancel(reason="x"))
    page = await tickets_page(work, TicketFilter(open=False), limit=100)
    assert [row.id for row in page.rows][:2] == [desk["other"], desk["this"]]


@pytest.mark.parametrize(
    "cursor", ["x", "bm8", "WzEsMiwzXQ", "WyJuZXdlc3QiLCJ4IiwxXQ", "W10", "é", "A" * 400]
)
async def test_a_cursor_that_is_not_ours_is_refused(work: Work, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        await tickets_page(work, TicketFilter(), sort=Sort.NEWEST, cursor=cursor)


@pytest.mark.parametrize(
    "words", ["projector", '"shows no"', "projector -nothing", "a & b | !c :*", "''", "%_\\"]
)
async def test_any_words_can_be_searched_for(work: Work, desk: dict[str, Any], words: str) -> None:
    page = await tickets_page(work, TicketFilter(), words=words)
    assert len(page.rows) <= 50


async def test_common_words_are_found_in_the_order_of_the_list(
    work: Work, monkeypatch: pytest.MonkeyPatch, desk: dict[str, Any]
) -> None:
    monkeypatch.setattr("service.tickets.listing.MOST_PROBED", 1)
    page = await tickets_page(work, TicketFilter(), words="projector", sort=Sort.NEWEST, limit=100)
    found = [row.id for row in page.rows]
    assert found[:2] == [desk["other"], desk["this"]]
