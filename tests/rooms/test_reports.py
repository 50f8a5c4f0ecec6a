"""The report on resolution, on a small log that was computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import delete

from service.core.actor import Actor, Role, Scope
from service.core.errors import Forbidden, Invalid
from service.core.work import Work
from service.reports.definitions import DEFINITIONS
from service.reports.rendering import COLUMNS, csv_of, rows_of
from service.reports.resolution import ReportQuery, resolution_report
from service.sla.models import SlaTimer
from service.sla.policy import Target
from service.tickets.lifecycle import Status
from service.tickets.models import Ticket, TicketEvent
from service.tickets.priority import Priority
from tests import makers

ROUND_THE_CLOCK = {"zone": "UTC", "hours": {"mon": [["08:00", "16:00"]], "tue": [["08:00", "16:00"]]}}
MONDAY = datetime(2016, 2, 29, 8, tzinfo=UTC)


def later(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


async def logged(
    work: Work, opened: float, *events: tuple[float, Status | None, Any], **given: Any
) -> Ticket:
    """A ticket that was opened so many hours after the Monday, with just these events."""
    ticket = await makers.make_ticket(work, category=None)
    await work.session.execute(delete(TicketEvent).where(TicketEvent.ticket_id == ticket.id))
    await work.session.execute(delete(SlaTimer).where(SlaTimer.ticket_id == ticket.id))
    ticket.opened_at = ticket.reported_at = later(opened)
    for name, value in given.items():
        setattr(ticket, name, value)
    work.session.add_all(
        TicketEvent(
            ticket_id=ticket.id, kind="test", at=later(hour), actor_name="x", by_desk=True, public=False,
            status=status, queue_id=queue.id if queue else None, detail={},
        )
        for hour, status, queue in events
    )  # fmt: skip
    await work.session.flush()
    return ticket


@pytest.fixture
async def log(work: Work) -> Sequence[Ticket]:
    """Four tickets of one school: reopened, on hold, closed only, and still open since February."""
    await makers.make_calendar(work, ROUND_THE_CLOCK)
    one, two = await makers.make_queue(work, key="one"), await makers.make_queue(work, key="two")
    return [
        await logged(
            work, 0, (0, Status.NEW, one), (2, Status.RESOLVED, None), (3, Status.IN_PROGRESS, two),
            (5, Status.RESOLVED, None), (6, Status.CLOSED, one),
            queue_id=one.id, priority=Priority.P1, external_id="X1", status=Status.CLOSED,
        ),
        await logged(
            work, 24, (24, Status.ON_HOLD, one), (26, Status.WAITING_ON_REQUESTER, None),
            (32, Status.IN_PROGRESS, None), (34, Status.RESOLVED, None),
            queue_id=one.id, priority=Priority.P2, external_id="X2", status=Status.RESOLVED,
        ),
        await logged(
            work, 48, (50, Status.CLOSED, None), queue_id=two.id, priority=Priority.P2, external_id="X3",
            status=Status.CLOSED,
        ),
        await logged(
            work, 10, (10, Status.NEW, two), queue_id=two.id, priority=Priority.P1, external_id="X4",
        ),
    ]  # fmt: skip


async def report(work: Work, **wanted: Any) -> dict[str, Any]:
    wanted.setdefault("external_prefix", "X")
    return await resolution_report(work, ReportQuery(**wanted))


def summed(n: int, mean: float, median: float, p90: float) -> dict[str, Any]:
    return {"n": n, "mean_h": mean, "median_h": median, "p90_h": p90}


async def test_counts_and_months(work: Work, log: Sequence[Ticket]) -> None:
    total = (await report(work))["total"]
    assert total["tickets"] == 4
    assert total["opened"] == {"count": 4, "by_month": {"2016-02": 2, "2016-03": 2}}
    assert total["resolved"] == {"count": 3, "by_month": {"2016-02": 1, "2016-03": 2}}
    assert total["closed"] == {"count": 2, "by_month": {"2016-02": 1, "2016-03": 1}}
    assert total["reopened"] == {"tickets": 1, "reopens": 1, "by_month": {"2016-02": 1}}
    assert total["reassigned"] == {"tickets": 1, "moves": 2, "by_month": {"2016-02": 2}}


async def test_times_with_and_without_holds(work: Work, log: Sequence[Ticket]) -> None:
    total = (await report(work))["total"]
    last = total["time_to_last_resolution"]["calendar"]
    assert last["with_hold"] == summed(3, 5.666667, 5.0, 9.0)
    assert last["without_hold"] == summed(3, 3.0, 2.0, 4.4)
    assert last["without_on_hold"] == summed(3, 5.0, 5.0, 7.4)
    assert last["without_waiting"] == summed(3, 3.666667, 4.0, 4.8)
    first = total["time_to_first_resolution"]["calendar"]["with_hold"]
    assert first == summed(3, 4.666667, 2.0, 8.4)
    assert total["time_to_close"]["calendar"]["with_hold"] == summed(2, 4.0, 4.0, 5.6)


async def test_working_time_is_that_of_the_calendar(work: Work, log: Sequence[Ticket]) -> None:
    """Open on Monday and Tuesday: the ticket of Wednesday has no working time."""
    calendar = await makers.make_calendar(work, ROUND_THE_CLOCK)
    wanted = [{"calendar": calendar.name}, {"calendar": str(calendar.id)}]
    for asked in wanted:
        made = await report(work, **asked)
        working = made["total"]["time_to_last_resolution"]["working"]
        assert working["with_hold"] == summed(3, 4.333333, 5.0, 7.4)
        assert working["without_waiting"] == summed(3, 2.333333, 2.0, 4.4)
        assert made["query"]["calendar"] == calendar.name


async def test_a_ticket_counts_on_its_own_calendar_if_none_is_asked_for(
    work: Work, log: Sequence[Ticket]
) -> None:
    hours = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed")}
    calendar = await makers.make_calendar(work, {"zone": "UTC", "hours": hours})
    for ticket in log:
        ticket.calendar_id = calendar.id
    await work.session.flush()
    total = (await report(work))["total"]
    times = total["time_to_last_resolution"]
    assert times["working"] == times["calendar"]


async def test_groups_by_several_cuts(work: Work, log: Sequence[Ticket]) -> None:
    made = await report(work, by="queue,weekday")
    keys = [(group["by"]["queue"], group["by"]["weekday"]) for group in made["groups"]]
    assert keys == [("one", "mon"), ("one", "tue"), ("two", "mon"), ("two", "wed")]
    assert [group["tickets"] for group in made["groups"]] == [1, 1, 1, 1]
    by_priority = await report(work, by=["priority"])
    p1, p2 = by_priority["groups"]
    assert (p1["by"], p1["time_to_last_resolution"]["calendar"]["with_hold"]) == (
        {"priority": "P1"},
        summed(1, 5.0, 5.0, 5.0),
    )
    assert p2["time_to_last_resolution"]["calendar"]["with_hold"] == summed(2, 6.0, 6.0, 9.2)
    by_category = await report(work, by=["category", "school"])
    assert [group["by"] for group in by_category["groups"]] == [{"category": None, "school": None}]


async def test_the_backlog_at_ends_of_months(work: Work, log: Sequence[Ticket]) -> None:
    backlog = (await report(work))["total"]["backlog"]
    assert list(backlog)[:2] == ["2016-03-01", "2016-04-01"]
    assert list(backlog)[-1] == "2026-09-01"
    assert set(backlog.values()) == {1}
    in_march = (await report(work, opened_since="2016-03-01T00:00:00Z"))["total"]
    assert (in_march["tickets"], in_march["backlog"]["2016-03-01"]) == (2, 1)
    by_month = await report(work, by="month")
    assert [group["backlog"]["2016-04-01"] for group in by_month["groups"]] == [1, 0]


async def test_the_zone_decides_about_months(work: Work, log: Sequence[Ticket]) -> None:
    made = await report(work, zone="Pacific/Kiritimati")
    assert made["total"]["opened"]["by_month"] == {"2016-02": 1, "2016-03": 3}
    assert made["query"]["zone"] == "Pacific/Kiritimati"


async def test_filters_narrow(work: Work, log: Sequence[Ticket]) -> None:
    assert (await report(work, priority=["P1"]))["total"]["tickets"] == 2
    assert (await report(work, queue=["two"]))["total"]["tickets"] == 2
    assert (await report(work, external_prefix="X1"))["total"]["tickets"] == 1
    assert (await report(work, opened_until=later(10)))["total"]["tickets"] == 1
    assert (await report(work, category=["no.such"]))["total"]["tickets"] == 0


async def test_first_responses_count_for_tickets_that_have_a_requester(
    work: Work, log: Sequence[Ticket]
) -> None:
    person = await makers.make_person(work)
    for ticket, hours in ((log[0], 3), (log[1], None)):
        ticket.requester_id = person.id
        ticket.first_response_at = ticket.opened_at + timedelta(hours=hours) if hours else None
    await work.session.flush()
    made = (await report(work))["total"]["first_response"]
    assert made["calendar"] == made["working"] == summed(1, 3.0, 3.0, 3.0)
    assert made["unanswered"] == 1


async def test_attainment_counts_what_ended_or_ran_late(work: Work, log: Sequence[Ticket]) -> None:
    calendar = await makers.make_calendar(work)

    def timer(ticket: Ticket, n: int, state: str, **given: Any) -> SlaTimer:
        values = {"due_at": later(1), "stopped_at": later(1), "breached_at": None} | given
        return SlaTimer(
            ticket_id=ticket.id, target=Target.RESOLUTION, n=n, state=state, policy_id=1, policy_version=1,
            calendar_id=calendar.id, calendar_version=1, started_at=later(0), goal=timedelta(hours=1),
            pauses=[], checks=[], **values,
        )  # fmt: skip

    work.session.add_all(
        [
            timer(log[0], 1, "met"),
            timer(log[0], 2, "met"),
            timer(log[1], 1, "met"),
            timer(log[1], 2, "breached", breached_at=later(1)),
            timer(log[2], 1, "cancelled"),
            timer(log[3], 1, "running", stopped_at=None),
        ]
    )
    await work.session.flush()
    made = (await report(work))["total"]["sla"]
    wanted = {"n": 3, "met": 1, "breached": 2, "running_past_due": 1, "share": 0.333333}
    assert made["resolution"] == wanted
    assert made["first_response"]["share"] is None


async def test_only_tickets_that_the_actor_sees_count(work: Work, log: Sequence[Ticket]) -> None:
    queue = await makers.make_queue(work)
    tech = await makers.make_person(work, Role.TECHNICIAN, queues=[queue])
    theirs = await makers.acting(work, tech)
    assert (await report(theirs))["total"]["tickets"] == 0
    log[0].queue_id = queue.id
    await work.session.flush()
    assert (await report(theirs))["total"]["tickets"] == 1


@pytest.mark.parametrize(
    "actor",
    [
        Actor("teacher", Role.STAFF, person_id=1),
        Actor("narrow", Role.ADMIN, scopes=frozenset({Scope.TICKETS_READ})),
    ],
)
async def test_reports_are_for_the_desk_with_a_token_for_them(work: Work, actor: Actor) -> None:
    with pytest.raises(Forbidden):
        await report(await makers.acting(work, actor=actor))


@pytest.mark.parametrize(
    "wanted",
    [
        {"by": ["shoe"]},
        {"by": ["queue", "queue"]},
        {"by": ["queue", "month", "weekday", "priority"]},
        {"zone": "Moon"},
        {"opened_since": "2016-03-01T00:00:00"},
        {"what": 1},
    ],
)
def test_a_query_that_does_not_fit_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReportQuery(**wanted)


async def test_an_unknown_calendar_is_refused(work: Work) -> None:
    with pytest.raises(Invalid, match="no calendar"):
        await report(work, calendar="Moon base")


async def test_every_figure_has_a_definition(work: Work, log: Sequence[Ticket]) -> None:
    made = await report(work, by="queue")
    assert made["definitions"] == DEFINITIONS
    for kind, *_, figure, _value in rows_of(made):
        assert kind in ("total", "group")
        assert any(fits(figure, name) for name in DEFINITIONS), figure


def fits(figure: str, name: str) -> bool:
    """`*` stands for one part, or for the rest at the beginning; a definition covers what is below it."""
    if name.startswith("*."):
        return figure.endswith(name[1:])
    parts, wanted = figure.split("."), name.split(".")
    return len(parts) >= len(wanted) and all(w in ("*", p) for p, w in zip(parts, wanted, strict=False))


async def test_the_csv_has_a_row_a_group_and_figure(work: Work, log: Sequence[Ticket]) -> None:
    made = await report(work, by="priority")
    lines = csv_of(made).splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert "group,,,,P1,,,time_to_last_resolution.calendar.with_hold.mean_h,5.0" in lines
    assert "total,,,,,,,reassigned.moves,2" in lines


async def test_a_report_is_eight_selects_at_most(work: Work, log: Sequence[Ticket]) -> None:
    from sqlalchemy import event as sqlalchemy_event

    said: list[str] = []
    connection = (await work.session.connection()).sync_connection

    def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    sqlalchemy_event.listen(connection, "before_cursor_execute", hear)
    await report(work, by="queue,month")
    sqlalchemy_event.remove(connection, "before_cursor_execute", hear)
    assert len(said) <= 8
