"""Each verb's own rules, beyond who may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from service.core.actor import Role
from service.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from service.core.work import Conditions, Work
from service.tickets import actions, desk, inputs
from service.tickets.lifecycle import Status, WrongStatus
from service.tickets.queries import links, ticket_view, timeline
from service.tickets.resolution import Cause, Fix, Outcome
from tests import makers
from tests.conftest import NOW

OUTCOME = inputs.Resolve(resolution="Done", cause=Cause.OTHER, fix=Fix.NONE)


@pytest.fixture
async def people(work: Work) -> dict[str, Any]:
    school = await makers.make_school(work)
    queue = await makers.default_queue(work)
    return {
        "school": school,
        "queue": queue,
        "teacher": await makers.acting(work, await makers.make_person(work, school_id=school.id)),
        "tech": await makers.acting(work, await makers.make_person(work, Role.TECHNICIAN, queues=[queue])),
        "other": await makers.acting(work, await makers.make_person(work, Role.TECHNICIAN, queues=[queue])),
    }


async def test_routing_rules_choose_the_queue_and_the_default_takes_the_rest(
    work: Work, people: dict[str, Any]
) -> None:
    network = await makers.make_queue(work)
    await makers.make_category(work, "net.wifi")
    rule = desk.RuleIn(conditions={"category": ["net"]}, queue=network.key)
    await desk.set_routing(work, desk.Routing(rules=[rule]))
    people["teacher"].shelf = work.shelf
    wifi = await makers.make_ticket(people["teacher"], category="net.wifi")
    other = await makers.make_ticket(people["teacher"])
    assert (wifi.queue_id, other.queue_id) == (network.id, people["queue"].id)


async def test_the_matrix_gives_the_priority_and_the_districts_cells_win(
    work: Work, people: dict[str, Any]
) -> None:
    normal = await makers.make_ticket(people["teacher"], impact="school", urgency="would_help")
    cell = desk.Cell(impact="school", urgency="would_help", priority="P1")
    await desk.set_matrix(work, desk.MatrixIn(cells=[cell]))
    people["teacher"].shelf = work.shelf
    changed = await makers.make_ticket(people["teacher"], impact="school", urgency="would_help")
    assert (normal.priority, changed.priority) == ("P3", "P1")


async def test_whoever_starts_an_unassigned_ticket_takes_it(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    await actions.start(people["tech"], ticket.id)
    assert ticket.assignee_id == people["tech"].actor.person_id
    with pytest.raises(WrongStatus, match="already in progress"):
        await actions.start(people["other"], ticket.id)


async def test_a_transfer_clears_the_assignee_and_takes_the_queues_confidence(
    work: Work, people: dict[str, Any]
) -> None:
    private = await makers.make_queue(work, confidential=True)
    people["tech"].shelf = work.shelf
    ticket = await makers.make_ticket(people["teacher"])
    await actions.start(people["tech"], ticket.id)
    await actions.transfer(people["tech"], ticket.id, inputs.Transfer(queue=private.key))
    assert (ticket.assignee_id, ticket.confidential) == (None, True)
    with pytest.raises(NotFound):
        await ticket_view(people["tech"], ticket.id)
    assert (await ticket_view(people["teacher"], ticket.id)).id == ticket.id


async def test_a_confidential_ticket_goes_only_to_who_serves_its_queue(
    work: Work, people: dict[str, Any]
) -> None:
    private = await makers.make_queue(work, confidential=True)
    ticket = await makers.make_ticket(people["teacher"])
    work.shelf.clear()
    await actions.transfer(work, ticket.id, inputs.Transfer(queue=private.key))
    with pytest.raises(Invalid, match="does not serve"):
        await actions.assign(work, ticket.id, inputs.Assign(assignee_id=people["tech"].actor.person_id))


async def test_a_queue_that_becomes_confidential_takes_its_tickets_with_it(
    work: Work, people: dict[str, Any]
) -> None:
    queue = await makers.make_queue(work)
    ticket = await makers.make_ticket(people["teacher"])
    await actions.transfer(work, ticket.id, inputs.Transfer(queue=queue.key))
    await desk.edit_queue(work, queue.key, desk.EditQueue(name="Private", confidential=True))
    assert (await ticket_view(work, ticket.id)).confidential


async def test_a_requester_who_closes_a_solved_ticket_confirms_it(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    await actions.resolve(people["tech"], ticket.id, OUTCOME)
    await actions.close(people["teacher"], ticket.id, inputs.Close())
    assert (ticket.status, ticket.outcome) == (Status.CLOSED, Outcome.SOLVED_CONFIRMED)


async def test_a_technicians_close_confirms_nothing(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    await actions.resolve(people["tech"], ticket.id, OUTCOME)
    await actions.close(people["tech"], ticket.id, inputs.Close())
    assert ticket.outcome == Outcome.SOLVED_ASSUMED


async def test_a_closed_ticket_takes_no_replies_until_it_is_reopened(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    await actions.resolve(people["tech"], ticket.id, OUTCOME)
    await actions.close(people["teacher"], ticket.id, inputs.Close())
    with pytest.raises(actions.TicketClosed):
        await actions.reply(people["teacher"], ticket.id, inputs.Reply(body="Thanks"))
    await actions.reopen(people["teacher"], ticket.id, inputs.Reopen(reason="Again"))
    assert (ticket.resolution, ticket.resolved_at, ticket.closed_at, ticket.reopens) == (None, None, None, 1)
    await actions.reply(people["teacher"], ticket.id, inputs.Reply(body="Here I am"))


async def test_a_hold_into_the_past_is_refused(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    with pytest.raises(Invalid, match="has passed"):
        await actions.hold(
            people["tech"], ticket.id, inputs.Hold(reason="x", until=NOW - timedelta(minutes=1))
        )
    assert ticket.status is Status.NEW


async def test_triage_leaves_alone_what_was_not_sent_and_says_what_it_changed(
    people: dict[str, Any],
) -> None:
    await makers.make_category(people["tech"], "av.projector")
    ticket = await makers.make_ticket(people["teacher"], impact="classroom")
    await actions.triage(people["tech"], ticket.id, inputs.Triage(category="av.projector"))
    assert (ticket.category_id, ticket.impact, ticket.subject) == (
        "av.projector",
        "classroom",
        "Projector shows no picture",
    )
    last = (await timeline(people["tech"], ticket.id)).rows[-1]
    assert last.detail == {"changes": {"category": [None, "av.projector"]}}
    await actions.triage(people["tech"], ticket.id, inputs.Triage(category=None, priority="P1"))
    assert (ticket.category_id, ticket.priority) == (None, "P1")
    await actions.triage(people["tech"], ticket.id, inputs.Triage(priority=None))
    assert ticket.priority == "P2"


async def test_tags_are_a_set_and_bounded(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    await actions.tag(people["tech"], ticket.id, inputs.Tag(add=["b", "a", "a"], remove=["c"]))
    assert ticket.tags == ["a", "b"]
    await actions.tag(people["tech"], ticket.id, inputs.Tag(remove=["a"], add=[f"t{n}" for n in range(19)]))
    assert len(ticket.tags) == 20
    with pytest.raises(Invalid, match="at most 20"):
        await actions.tag(people["tech"], ticket.id, inputs.Tag(add=["more"]))


async def test_links_show_from_both_sides_and_only_what_is_visible(
    work: Work, people: dict[str, Any]
) -> None:
    mine = await makers.make_ticket(people["teacher"])
    theirs = await makers.make_ticket(people["tech"])
    await actions.link(people["tech"], mine.id, inputs.Link(kind="caused_by", other=theirs.id))
    assert [(row.number, row.outward) for row in await links(people["tech"], mine.id)] == [(theirs.id, True)]
    assert [(row.number, row.outward) for row in await links(people["tech"], theirs.id)] == [(mine.id, False)]
    assert await links(people["teacher"], mine.id) == []
    with pytest.raises(Invalid, match="itself"):
        await actions.link(people["tech"], mine.id, inputs.Link(kind="caused_by", other=mine.id))


async def test_a_vendor_sees_a_ticket_from_sharing_to_unsharing(work: Work, people: dict[str, Any]) -> None:
    vendor = await makers.make_person(work, Role.VENDOR)
    theirs = await makers.acting(work, vendor)
    ticket = await makers.make_ticket(people["teacher"])
    with pytest.raises(NotFound):
        await actions.reply(theirs, ticket.id, inputs.Reply(body="Hello"))
    await actions.share(people["tech"], ticket.id, inputs.Share(person_id=vendor.id))
    await actions.reply(theirs, ticket.id, inputs.Reply(body="Hello"))
    with pytest.raises(Forbidden):
        await actions.note(theirs, ticket.id, inputs.Note(body="Hm"))
    await actions.unshare(people["tech"], ticket.id, inputs.Unshare(person_id=vendor.id))
    with pytest.raises(NotFound):
        await actions.reply(theirs, ticket.id, inputs.Reply(body="Hello?"))


async def test_what_a_vendor_opens_is_shared_with_it(work: Work, people: dict[str, Any]) -> None:
    vendor = await makers.acting(work, await makers.make_person(work, Role.VENDOR))
    ticket = await makers.make_ticket(vendor)
    assert (await ticket_view(vendor, ticket.id)).id == ticket.id


async def test_a_guardian_sees_the_ticket_of_the_device_the_child_had_then(
    work: Work, people: dict[str, Any]
) -> None:
    child, next_child = [await makers.make_person(work, Role.PUPIL) for _ in range(2)]
    parent = await makers.acting(work, await makers.make_person(work, Role.GUARDIAN, children=[child]))
    next_parent = await makers.make_person(work, Role.GUARDIAN, children=[next_child])
    asset = await makers.make_asset(work, holder_id=child.id)
    ticket = await makers.make_ticket(people["teacher"], asset_tag=asset.tag)
    asset.holder_id = next_child.id
    await work.session.flush()
    assert (await ticket_view(parent, ticket.id)).id == ticket.id
    with pytest.raises(NotFound):
        await ticket_view(await makers.acting(work, next_parent), ticket.id)


async def test_an_expected_version_is_held_to(people: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(people["teacher"])
    people["tech"].conditions = Conditions(expected_version=2)
    with pytest.raises(Stale):
        await actions.start(people["tech"], ticket.id)
    people["tech"].conditions = Conditions(expected_version=1)
    await actions.start(people["tech"], ticket.id)


async def test_a_reopened_fault_gives_way_to_a_newer_ticket_of_it(work: Work, people: dict[str, Any]) -> None:
    key = makers.unique("switch")
    old = await makers.make_ticket(work, source_key=key)
    await actions.resolve(work, old.id, OUTCOME)
    new = await makers.make_ticket(work, source_key=key)
    assert new.id != old.id
    with pytest.raises(Conflict, match=str(new.id)):
        await actions.reopen(work, old.id, inputs.Reopen(reason="Again"))
    await actions.cancel(work, new.id, inputs.Cancel(reason="Planned"))
    await actions.reopen(work, old.id, inputs.Reopen(reason="Again"))
