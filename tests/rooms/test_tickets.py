"""The verbs on tickets, on a real database that forgets them."""

from __future__ import annotations

import pytest

from service.core.actor import Role
from service.core.errors import Invalid
from service.core.work import Work
from service.tickets import actions, inputs
from service.tickets.lifecycle import Status
from service.tickets.queries import ticket_view, timeline
from service.tickets.resolution import Cause, Fix
from tests import makers


async def test_a_teacher_files_a_ticket_and_a_technician_resolves_it(work: Work) -> None:
    school = await makers.make_school(work)
    await makers.make_policy(work)
    queue = await makers.default_queue(work)
    teacher = await makers.make_person(work, school_id=school.id)
    tech = await makers.make_person(work, Role.TECHNICIAN, queues=[queue])
    ticket = await makers.make_ticket(await makers.acting(work, teacher))
    assert ticket.status is Status.NEW
    assert ticket.next_due_at is not None
    theirs = await makers.acting(work, tech)
    await actions.start(theirs, ticket.id)
    await actions.reply(theirs, ticket.id, inputs.Reply(body="On my way."))
    outcome = inputs.Resolve(resolution="Swapped the cable", cause=Cause.AV_CABLE, fix=Fix.ONSITE_ADJUST)
    await actions.resolve(theirs, ticket.id, outcome)
    view = await ticket_view(theirs, ticket.id)
    assert view.status is Status.RESOLVED
    assert [t["state"] for t in view.timers] == [3, 3]
    events = (await timeline(theirs, ticket.id)).rows
    assert [e.kind for e in events] == [
        "ticket.opened",
        "ticket.started",
        "ticket.replied",
        "ticket.resolved",
    ]


@pytest.mark.parametrize("key", ["network:poller", "network:7:port.down:3", "mdm:12"])
@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.ADMIN, Role.INTEGRATION])
async def test_the_systems_own_keys_are_given_by_the_system_alone(work: Work, role: Role, key: str) -> None:
    await makers.default_queue(work)
    someone = await makers.acting(work, await makers.make_person(work, role))
    with pytest.raises(Invalid) as caught:
        await makers.make_ticket(someone, source_key=key)
    (wrong,) = caught.value.fields
    assert (wrong.field, wrong.code) == ("source_key", "reserved")
    assert "the system's own" in wrong.message
    theirs = await makers.make_ticket(someone, source_key=f"their-{key}")
    own = await makers.make_ticket(work.as_desk(), source_key=key)
    assert (theirs.source_key, own.source_key) == (f"their-{key}", key)
