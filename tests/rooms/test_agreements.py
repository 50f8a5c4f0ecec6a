"""What queues and vendors owe beside the SLA, on live tickets: rows, who sees them, what they cost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select, update

from service.core.actor import Actor, Role
from service.core.errors import Invalid
from service.core.work import Work
from service.reports.resolution import ReportQuery, resolution_report
from service.sla import timers
from service.sla.calendars import EditCalendar, moves
from service.sla.models import SlaTimer, TimerState
from service.sla.policies import EditPolicy, edit_policy
from service.tickets import access, actions, inputs, wire
from service.tickets.explaining import ticket_timers
from service.tickets.listing import Sort, TicketFilter, tickets_page
from service.tickets.models import Ticket, TicketEvent
from service.tickets.queries import seen_timers, ticket_view
from service.tickets.recalculation import edit_calendar
from service.tickets.resolution import Cause, Fix
from service.tickets.sweep import sweep_batch
from tests import makers
from tests.conftest import NOW

OUTCOME = inputs.Resolve(resolution="Done", cause=Cause.OTHER, fix=Fix.NONE)


@pytest.fixture
async def desk(work: Work) -> dict[str, Any]:
    """A school with its SLA, two queues with an OLA each, and a vendor with a contract."""
    school = await makers.make_school(work)
    await makers.make_policy(work, matches={"school": [school.id]})
    first, repairs = await makers.default_queue(work), await makers.make_queue(work)
    plain = await makers.make_queue(work)
    vendor, other = await makers.make_person(work, Role.VENDOR), await makers.make_person(work, Role.VENDOR)
    targets = {"P3": {"update": 60, "resolution": 120}, "P1": {"resolution": 30}}
    await makers.make_policy(
        work, kind="ola", name="First line", matches={"queue": [first.key]}, targets=targets
    )
    slower = {"P3": {"resolution": 240}}
    await makers.make_policy(
        work, kind="ola", name="Repairs", matches={"queue": [repairs.key]}, targets=slower
    )
    await makers.make_policy(
        work, kind="vendor", name="Copperline", matches={"vendor": [str(vendor.id)]}, targets=slower
    )
    people = {
        "teacher": await makers.make_person(work, school_id=school.id),
        "technician": await makers.make_person(work, Role.TECHNICIAN, queues=[first, repairs, plain]),
    }
    acting = {name: await makers.acting(work, person) for name, person in people.items()}
    return acting | {
        "school": school, "first": first, "repairs": repairs, "plain": plain, "vendor": vendor, "other": other
    }  # fmt: skip


def at(work: Work, **given: float) -> Work:
    """The same person, that much after the tests' now."""
    work.now = NOW + timedelta(**given)
    return work


async def rows(work: Work, number: int) -> dict[tuple[str, str, int], Any]:
    found = await work.session.execute(
        select(*timers.COLUMNS, SlaTimer.next_check_at)
        .where(SlaTimer.ticket_id == number)
        .order_by(*timers.IN_ORDER)
    )
    return {(row.agreement.value, row.target.value, row.n): row for row in found}


async def beside(work: Work, number: int) -> dict[tuple[str, str, int], Any]:
    return {key: row for key, row in (await rows(work, number)).items() if key[0] != "sla"}


# An OLA


async def test_a_queue_owes_from_the_opening_and_the_earliest_of_all_is_due_next(
    desk: dict[str, Any],
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    found = await rows(desk["teacher"], ticket.id)
    assert set(found) == {
        ("sla", "first_response", 1), ("sla", "resolution", 1), ("ola", "update", 1), ("ola", "resolution", 1)
    }  # fmt: skip
    assert ticket.next_due_at == found["ola", "update", 1].due_at == NOW + timedelta(hours=1)


async def test_a_transfer_ends_what_one_queue_owed_and_begins_what_the_next_owes(
    desk: dict[str, Any],
) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    sla = (await rows(technician, ticket.id))["sla", "resolution", 1]
    to = inputs.Transfer(queue=desk["repairs"].key)
    await actions.transfer(at(technician, minutes=90), ticket.id, to)
    found = await rows(technician, ticket.id)
    assert found["sla", "resolution", 1] == sla
    assert (found["ola", "update", 1].state, found["ola", "update", 1].breached_at) == (
        TimerState.BREACHED,
        NOW + timedelta(hours=1),
    )
    assert found["ola", "resolution", 1].state is TimerState.MET
    second = found["ola", "resolution", 2]
    assert (second.started_at, second.due_at) == (technician.now, technician.now + timedelta(minutes=240))
    assert ("ola", "update", 2) not in found
    query = select(TicketEvent.detail, TicketEvent.at).where(
        TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "sla.breached"
    )
    (breach,) = (await technician.session.execute(query)).all()
    assert (breach.detail["agreement"], breach.detail["target"]) == ("ola", "update")
    assert breach.at == NOW + timedelta(hours=1)


async def test_a_queue_without_an_ola_owes_nothing_and_back_again_the_count_goes_on(
    desk: dict[str, Any],
) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.transfer(at(technician, minutes=10), ticket.id, inputs.Transfer(queue=desk["plain"].key))
    assert all(row.stopped_at for row in (await beside(technician, ticket.id)).values())
    await actions.transfer(at(technician, minutes=20), ticket.id, inputs.Transfer(queue=desk["first"].key))
    found = await beside(technician, ticket.id)
    assert found["ola", "resolution", 2].started_at == technician.now
    assert found["ola", "resolution", 2].stopped_at is None


async def test_a_new_priority_counts_an_ola_from_when_the_queue_got_the_ticket(desk: dict[str, Any]) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.transfer(at(technician, minutes=10), ticket.id, inputs.Transfer(queue=desk["plain"].key))
    await actions.transfer(at(technician, minutes=20), ticket.id, inputs.Transfer(queue=desk["first"].key))
    await actions.triage(at(technician, minutes=30), ticket.id, inputs.Triage(priority="P1"))
    found = await beside(technician, ticket.id)
    assert found["ola", "update", 2].state is TimerState.CANCELLED
    assert found["ola", "resolution", 2].due_at == NOW + timedelta(minutes=50)
    await actions.triage(at(technician, minutes=40), ticket.id, inputs.Triage(priority="P3"))
    again = (await beside(technician, ticket.id))["ola", "update", 3]
    assert again.started_at == NOW + timedelta(minutes=20)


async def test_an_ola_that_covers_a_waiting_ticket_later_does_not_count_the_wait(
    work: Work, desk: dict[str, Any]
) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    to = inputs.Transfer(queue=desk["plain"].key)
    await actions.transfer(at(technician, minutes=5), ticket.id, to)
    await actions.hold(at(technician, minutes=10), ticket.id, inputs.Hold(reason="Parts"))
    await actions.start(at(technician, minutes=40), ticket.id)
    await makers.make_policy(
        work, kind="ola", matches={"queue": [desk["plain"].key]}, targets={"P2": {"resolution": 120}}
    )
    technician.shelf = work.shelf
    await actions.triage(at(technician, minutes=50), ticket.id, inputs.Triage(priority="P2"))
    row = (await beside(technician, ticket.id))["ola", "resolution", 2]
    assert (row.started_at, row.due_at) == (NOW + timedelta(minutes=5), NOW + timedelta(minutes=155))


async def test_a_reopened_ticket_goes_on_with_the_time_its_queue_used(desk: dict[str, Any]) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.resolve(at(technician, minutes=40), ticket.id, OUTCOME)
    await actions.reopen(at(desk["teacher"], minutes=100), ticket.id, inputs.Reopen(reason="No"))
    row = (await beside(technician, ticket.id))["ola", "resolution", 2]
    assert row.due_at == NOW + timedelta(minutes=180)


async def test_a_cancelled_or_merged_ticket_cancels_what_its_queue_owes(desk: dict[str, Any]) -> None:
    kept, ticket = await makers.make_ticket(desk["teacher"]), await makers.make_ticket(desk["teacher"])
    link = inputs.Link(kind="duplicate_of", other=kept.id)
    await actions.link(at(desk["technician"], minutes=5), ticket.id, link)
    found = await beside(desk["technician"], ticket.id)
    assert {row.reason for row in found.values()} == {f"merged: duplicate of {kept.id}"}
    assert ticket.next_due_at is None


async def test_an_ola_that_is_switched_off_ends_when_the_ticket_is_retimed(
    work: Work, desk: dict[str, Any]
) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    policy_id = (await beside(work, ticket.id))["ola", "resolution", 1].policy_id
    off = EditPolicy(name="First line", active=False, targets={"P3": {"resolution": 1}})
    await edit_policy(work, policy_id, off)
    technician.shelf = work.shelf
    await actions.reply(at(technician, minutes=5), ticket.id, inputs.Reply(body="Hello"))
    assert (await beside(work, ticket.id))["ola", "resolution", 1].stopped_at is None
    await actions.triage(at(technician, minutes=6), ticket.id, inputs.Triage(priority="P1"))
    row = (await beside(work, ticket.id))["ola", "resolution", 1]
    assert (row.state, row.reason) == (TimerState.CANCELLED, "no policy covers this ticket any more")


async def test_an_ola_on_a_calendar_that_has_run_out_leaves_the_sla_alone(
    work: Work, desk: dict[str, Any]
) -> None:
    summer = await makers.make_calendar(
        work, {"zone": "America/Chicago", "hours": {}, "overrides": {"2026-09-14": [["08:00", "16:00"]]}}
    )
    queue = await makers.make_queue(work)
    await makers.make_policy(
        work,
        kind="ola",
        calendar_id=summer.id,
        matches={"queue": [queue.key]},
        targets={"P3": {"resolution": 60}},
    )
    desk["teacher"].shelf = desk["technician"].shelf = work.shelf
    ticket = await makers.make_ticket(at(desk["teacher"], days=2))
    technician = at(desk["technician"], days=2, minutes=5)
    await actions.transfer(technician, ticket.id, inputs.Transfer(queue=queue.key))
    found = await rows(work, ticket.id)
    assert found["sla", "resolution", 1].stopped_at is None
    assert [key for key, row in found.items() if key[0] == "ola" and row.stopped_at is None] == []
    assert ticket.next_due_at == found["sla", "first_response", 1].due_at


# A vendor's contract


async def test_a_contract_runs_while_the_ticket_is_on_hold_with_that_vendor(desk: dict[str, Any]) -> None:
    technician, vendor = desk["technician"], desk["vendor"]
    ticket = await makers.make_ticket(desk["teacher"])
    hold = inputs.Hold(reason="Screen", vendor_id=vendor.id)
    await actions.hold(at(technician, minutes=10), ticket.id, hold)
    row = (await rows(technician, ticket.id))["vendor", "resolution", 1]
    assert (row.vendor_id, row.started_at) == (vendor.id, technician.now)
    assert ticket.next_due_at == (await rows(technician, ticket.id))["sla", "first_response", 1].due_at
    view = await ticket_view(technician, ticket.id)
    assert (view.vendor_id, view.vendor_name) == (vendor.id, vendor.name)
    await actions.start(at(technician, minutes=70), ticket.id)
    row = (await rows(technician, ticket.id))["vendor", "resolution", 1]
    assert (row.state, row.stopped_at) == (TimerState.MET, technician.now)
    assert (ticket.vendor_id, (await ticket_view(technician, ticket.id)).vendor_name) == (None, None)


async def test_held_with_two_vendors_in_turn_each_goes_on_with_its_own_time(
    work: Work, desk: dict[str, Any]
) -> None:
    technician, vendor, other = desk["technician"], desk["vendor"], desk["other"]
    await makers.make_policy(work, kind="vendor", name="Anybody", targets={"P3": {"resolution": 240}})
    technician.shelf = desk["teacher"].shelf = work.shelf
    ticket = await makers.make_ticket(desk["teacher"])
    for minute, with_whom in ((10, vendor), (60, other), (100, vendor)):
        hold = inputs.Hold(reason="Screen", vendor_id=with_whom.id)
        await actions.hold(at(technician, minutes=minute), ticket.id, hold)
        await actions.start(at(technician, minutes=minute + 30), ticket.id)
    found = {key: row for key, row in (await rows(work, ticket.id)).items() if key[0] == "vendor"}
    assert [(n, row.vendor_id) for (_, _, n), row in found.items()] == [
        (1, vendor.id), (2, other.id), (3, vendor.id)
    ]  # fmt: skip
    explained = [t for t in await ticket_timers(technician, ticket.id) if t["agreement"].value == "vendor"]
    assert [(t["elapsed_minutes"], t["policy"]) for t in explained] == [
        (30, "Copperline"), (30, "Anybody"), (60, "Copperline")
    ]  # fmt: skip
    assert explained[2]["explain"][0].startswith("Resolution (cycle 3), vendor contract “Copperline”: 4 h")


@pytest.mark.parametrize(("end", "state"), [("resolve", "met"), ("cancel", "cancelled")])
async def test_a_ticket_that_ends_on_hold_ends_the_contract_too(
    desk: dict[str, Any], end: str, state: str
) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    hold = inputs.Hold(reason="Screen", vendor_id=desk["vendor"].id)
    await actions.hold(at(technician, minutes=10), ticket.id, hold)
    how = OUTCOME if end == "resolve" else inputs.Cancel(reason="Found it")
    await getattr(actions, end)(at(technician, minutes=20), ticket.id, how)
    assert (await rows(technician, ticket.id))["vendor", "resolution", 1].state.value == state
    assert ticket.vendor_id is None


async def test_a_contract_that_fits_only_later_counts_from_the_hold(work: Work, desk: dict[str, Any]) -> None:
    technician = desk["technician"]
    ticket = await makers.make_ticket(desk["teacher"])
    hold = inputs.Hold(reason="Printer", vendor_id=desk["other"].id)
    await actions.hold(at(technician, minutes=10), ticket.id, hold)
    await makers.make_policy(work, kind="vendor", targets={"P1": {"resolution": 60}})
    technician.shelf = work.shelf
    await actions.triage(at(technician, minutes=30), ticket.id, inputs.Triage(priority="P1"))
    row = (await rows(work, ticket.id))["vendor", "resolution", 1]
    assert (row.started_at, row.due_at) == (NOW + timedelta(minutes=10), NOW + timedelta(minutes=70))
    await actions.triage(at(technician, minutes=40), ticket.id, inputs.Triage(priority="P3"))
    row = (await rows(work, ticket.id))["vendor", "resolution", 1]
    assert (row.state, row.reason) == (TimerState.CANCELLED, "the target was removed")


async def test_only_a_vendor_can_be_waited_for_as_one(work: Work, desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    gone = await makers.make_person(work, Role.VENDOR, active=False)
    for person_id in (2**50, desk["teacher"].actor.person_id, gone.id):
        hold = inputs.Hold(reason="Screen", vendor_id=person_id)
        with pytest.raises(Invalid) as refusal:
            await actions.hold(desk["technician"], ticket.id, hold)
        assert [(f.field, f.code) for f in refusal.value.fields] == [("vendor_id", "unknown_vendor")]
    assert ticket.status.value == "new"


async def test_a_hold_that_runs_out_ends_the_contract(work: Work, desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    until = NOW + timedelta(hours=1)
    hold = inputs.Hold(reason="Screen", vendor_id=desk["vendor"].id, until=until)
    await actions.hold(desk["technician"], ticket.id, hold)
    await actions.end_hold(at(work, hours=1), ticket.id)
    assert (await rows(work, ticket.id))["vendor", "resolution", 1].stopped_at == until
    assert ticket.vendor_id is None


# Policies


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"kind": "ola", "targets": {"P3": {"first_response": 5}}}, "targets", "the OLA promises update and"),
        (
            {"kind": "vendor", "targets": {"P3": {"update": 5}}},
            "targets",
            "the vendor contract promises resolution",
        ),
        ({"kind": "vendor", "rules": {"pause": {"on_hold": ["resolution"]}}}, "rules", "nothing pauses it"),
        ({"kind": "ola", "matches": {"vendor": ["5"]}}, "matches", "The OLA matches by kind, category"),
        ({"matches": {"vendor": ["5"]}}, "matches", "not vendor"),
        (
            {"rules": {"escalate": [{"target": "resolution"}]}},
            "rules",
            "either before_minutes or after_minutes",
        ),
    ],
)
async def test_a_policy_that_its_kind_cannot_promise_is_refused(
    work: Work, given: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await makers.make_policy(work, **({"targets": {"P3": {"resolution": 60}}} | given))
    (wrong,) = refusal.value.fields
    assert wrong.field == field
    assert sentence in wrong.message


async def test_a_policy_stays_of_its_kind(work: Work) -> None:
    policy = await makers.make_policy(work, kind="ola", targets={"P3": {"resolution": 60}})
    edit = {"name": policy.name, "targets": {"P3": {"resolution": 30}}}
    assert (await edit_policy(work, policy.id, EditPolicy(**edit))).kind.value == "ola"
    assert (await edit_policy(work, policy.id, EditPolicy(**edit, kind="ola"))).version == 3
    with pytest.raises(Invalid, match="kind ola and stays so"):
        await edit_policy(work, policy.id, EditPolicy(**edit, kind="sla"))


# What reads timers


async def test_a_snow_day_moves_what_a_queue_owes_and_says_so(work: Work, desk: dict[str, Any]) -> None:
    ticket = await makers.make_ticket(at(desk["teacher"], hours=5, minutes=30))
    definition = makers.CALENDAR | {"closed": ["2026-09-15"]}
    at(work, hours=5, minutes=40)
    previewed = await moves(work, ticket.calendar_id, definition)
    assert {(move.agreement.value, move.target.value) for move in previewed} == {
        ("sla", "first_response"), ("sla", "resolution"), ("ola", "update"), ("ola", "resolution")
    }  # fmt: skip
    await edit_calendar(work, ticket.calendar_id, EditCalendar(definition=definition))
    found = await rows(work, ticket.id)
    assert {(m.agreement.value, m.target.value): m.moves_to for m in previewed} == {
        key[:2]: row.due_at for key, row in found.items()
    }
    await work.session.refresh(ticket)
    assert ticket.next_due_at == min(row.due_at for row in found.values())


async def test_a_report_counts_what_the_desk_owes_requesters_and_nothing_else(
    work: Work, desk: dict[str, Any]
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    await actions.resolve(at(desk["technician"], hours=3), ticket.id, OUTCOME)
    assert (await rows(work, ticket.id))["ola", "resolution", 1].state is TimerState.BREACHED
    report = await resolution_report(at(work, hours=4), ReportQuery(school=[desk["school"].id]))
    resolution = report["total"]["sla"]["resolution"]
    assert (resolution["met"], resolution["breached"]) == (1, 0)
    assert report["total"]["sla"]["update"]["n"] == 0
    assert "policies of kind sla" in report["definitions"]["sla.*.n"]


async def test_what_a_queue_owes_is_warned_of_and_noted_like_the_sla(
    work: Work, desk: dict[str, Any]
) -> None:
    ticket = await makers.make_ticket(desk["teacher"])
    for minutes in (31, 61, 91, 121):
        await sweep_batch(at(work, minutes=minutes))
    query = (
        select(TicketEvent.kind, TicketEvent.detail)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.detail["agreement"].astext == "ola")
        .order_by(TicketEvent.id)
    )
    found = [(row.kind, row.detail["target"]) for row in await work.session.execute(query)]
    assert found == [
        ("sla.warned", "update"), ("sla.warned", "resolution"), ("sla.breached", "update"),
        ("sla.warned", "resolution"), ("sla.breached", "resolution"),
    ]  # fmt: skip


# Who sees what


async def test_the_desk_keeps_what_it_agreed_to_itself_and_a_vendor_sees_its_contract(
    work: Work, desk: dict[str, Any]
) -> None:
    technician, vendor, other = desk["technician"], desk["vendor"], desk["other"]
    ticket = await makers.make_ticket(desk["teacher"])
    for person in (vendor, other):
        await actions.share(technician, ticket.id, inputs.Share(person_id=person.id))
    hold = inputs.Hold(reason="Screen", vendor_id=vendor.id)
    await actions.hold(at(technician, minutes=10), ticket.id, hold)
    looking = {
        "teacher": desk["teacher"], "technician": technician,
        "vendor": await makers.acting(work, vendor), "other": await makers.acting(work, other),
    }  # fmt: skip
    wanted = {
        "teacher": {"sla"},
        "technician": {"sla", "ola", "vendor"},
        "vendor": {"sla", "vendor"},
        "other": {"sla"},
    }
    for who, eyes in looking.items():
        codes = {row["agreement"] for row in (await ticket_view(eyes, ticket.id)).timers}
        assert {("sla", "ola", "vendor")[code - 1] for code in codes} == wanted[who], who
        assert {t["agreement"].value for t in await ticket_timers(eyes, ticket.id)} == wanted[who], who


async def test_who_does_not_see_an_ola_does_not_see_when_it_is_due(work: Work, desk: dict[str, Any]) -> None:
    teacher, technician = desk["teacher"], desk["technician"]
    ticket = await makers.make_ticket(teacher)
    await actions.reply(at(technician, minutes=1), ticket.id, inputs.Reply(body="Hello"))
    found = await rows(work, ticket.id)
    theirs, ours = found["sla", "resolution", 1].due_at, found["ola", "update", 2].due_at
    assert ours < theirs
    mine = TicketFilter(requester_id=teacher.actor.person_id)
    for eyes, due in ((teacher, theirs), (technician, ours)):
        assert wire.shown(await ticket_view(eyes, ticket.id))["next_due_at"] == due
        (listed,) = wire.listed((await tickets_page(eyes, mine)).rows)
        assert listed["next_due_at"] == due
    page = await tickets_page(teacher, mine, sort=Sort.NEXT_DUE)
    assert [row.next_due_at for row in page.rows] == [ours]


async def test_the_rule_for_timers_is_the_same_in_python_and_in_sql(work: Work, desk: dict[str, Any]) -> None:
    rng = random.Random(11)
    elsewhere = await makers.make_school(work)
    technician, vendor = desk["technician"], desk["vendor"]
    numbers = []
    for n in range(24):
        ticket = await makers.make_ticket(desk["teacher"])
        if n % 2:
            await actions.transfer(technician, ticket.id, inputs.Transfer(queue=desk["repairs"].key))
        if n % 3 == 0:
            hold = inputs.Hold(reason="Screen", vendor_id=vendor.id)
            await actions.hold(technician, ticket.id, hold)
        values = {
            "confidential": rng.random() < 0.4,
            "school_id": rng.choice([desk["school"].id, elsewhere.id, None]),
            "assignee_id": rng.choice([None, technician.actor.person_id]),
        }
        await work.session.execute(update(Ticket).where(Ticket.id == ticket.id).values(values))
        numbers.append(ticket.id)
    columns = [SlaTimer.id, SlaTimer.agreement, SlaTimer.vendor_id, Ticket.requester_id, Ticket.opened_by_id,
               Ticket.assignee_id, Ticket.confidential, Ticket.queue_id, Ticket.school_id]  # fmt: skip
    joined = select(*columns).join(Ticket, Ticket.id == SlaTimer.ticket_id)
    every = (await work.session.execute(joined.where(SlaTimer.ticket_id.in_(numbers)))).all()
    ids = [technician.actor.person_id, vendor.id, desk["teacher"].actor.person_id, desk["other"].id]
    for role in Role:
        for _ in range(12):
            actor = Actor(
                name="x", role=role, person_id=rng.choice(ids),
                queue_ids=frozenset(rng.sample([desk["first"].id, desk["repairs"].id], rng.randint(0, 2))),
                school_ids=frozenset(rng.sample([desk["school"].id, elsewhere.id], rng.randint(0, 2))),
            )  # fmt: skip
            query = seen_timers(actor, SlaTimer.id).where(SlaTimer.ticket_id.in_(numbers))
            seen = set((await work.session.execute(query)).scalars())
            assert seen == {row.id for row in every if access.sees_timer(actor, row, row)}, actor


# What it costs


@contextmanager
def statements(work: Work) -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        heard.append(" ".join(statement.split()))

    connection = work.session.bind.sync_connection  # type: ignore[union-attr]
    sqlalchemy_event.listen(connection, "before_cursor_execute", hear)
    yield heard
    sqlalchemy_event.remove(connection, "before_cursor_execute", hear)


async def cost(teacher: Work, technician: Work, away: str) -> dict[str, int]:
    """How many statements each verb takes with the desk's rules on the shelf."""
    counts: dict[str, int] = {}
    for _ in range(2):
        with statements(teacher) as heard:
            ticket = await makers.make_ticket(teacher)
        counts["open"] = len(heard)
        story: list[tuple[str, Work, Any]] = [
            ("reply", technician, inputs.Reply(body="Hello")),
            ("hold", technician, inputs.Hold(reason="Parts")),
            ("start", technician, None),
            ("triage", technician, inputs.Triage(priority="P2")),
            ("transfer", technician, inputs.Transfer(queue=away)),
            ("resolve", technician, OUTCOME),
            ("reopen", teacher, inputs.Reopen(reason="No")),
        ]
        for minute, (verb, actor, given) in enumerate(story, 1):
            with statements(teacher) as heard:
                work = at(actor, minutes=minute)
                await (
                    getattr(actions, verb)(work, ticket.id, given)
                    if given
                    else getattr(actions, verb)(work, ticket.id)
                )
            counts[verb] = len(heard)
        with statements(teacher) as heard:
            await ticket_view(technician, ticket.id)
        counts["view"] = len(heard)
    return counts


# what the verbs took when there were SLAs only
AS_BEFORE = {
    "open": 5, "reply": 5, "hold": 5, "start": 5, "triage": 6, "transfer": 6, "resolve": 5, "reopen": 5,
    "view": 1,
}  # fmt: skip


async def test_a_desk_with_slas_alone_pays_nothing_for_the_others(work: Work) -> None:
    school = await makers.make_school(work)
    await makers.make_policy(work, matches={"school": [school.id]})
    queue, away = await makers.default_queue(work), await makers.make_queue(work)
    teacher = await makers.acting(work, await makers.make_person(work, school_id=school.id))
    person = await makers.make_person(work, Role.TECHNICIAN, queues=[queue, away])
    assert await cost(teacher, await makers.acting(work, person), away.key) == AS_BEFORE


async def test_an_ola_costs_its_choice_and_no_statement_for_its_timers(desk: dict[str, Any]) -> None:
    """Where it is chosen anew: since when the queue has the ticket, and at a reopening who asks."""
    counts = await cost(desk["teacher"], desk["technician"], desk["repairs"].key)
    assert {verb: counts[verb] - AS_BEFORE[verb] for verb in counts} == dict.fromkeys(counts, 0) | {
        "triage": 1,
        "reopen": 2,
    }
