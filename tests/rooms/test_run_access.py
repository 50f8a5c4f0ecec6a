"""Who sees a run: `may_view` and `visible_to` give one answer, and lists give what it allows."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import insert, select

from service.core.work import Work
from service.playbooks import access, queries
from service.playbooks.models import PlaybookRun
from service.playbooks.state import Stage
from service.tickets.models import Ticket
from tests import makers
from tests.playbook_texts import small
from tests.rooms.test_access import a_town


async def a_town_with_runs(work: Work) -> list[Any]:
    """Runs of every make in that town; its actors."""
    dice = random.Random(20261124)
    people, _, schools, actors = await a_town(work)
    version = await makers.make_playbook(work, small())
    tickets = list(await work.session.scalars(select(Ticket.id)))
    some = lambda: dice.choice([None, *(p.id for p in people)])  # noqa: E731
    rows = [
        {
            "version_id": version.id, "playbook": "small", "ticket_id": dice.choice([None, *tickets[:60]]),
            "began_without_ticket": False, "person_id": some(), "started_by_id": some(),
            "school_id": dice.choice([None, *(s.id for s in schools)]), "language": "en",
            "stage": Stage.ASKING, "path": "first", "state": {}, "is_dry": False, "version": 1,
            "started_at": makers.later(), "updated_at": makers.later(),
        }
        for _ in range(300)
    ]  # fmt: skip
    await work.session.execute(insert(PlaybookRun), rows)
    return actors


async def test_python_and_the_database_agree_on_who_sees_which_run(work: Work) -> None:
    actors = await a_town_with_runs(work)
    runs = list(await work.session.scalars(select(PlaybookRun)))
    tickets = {ticket.id: ticket for ticket in await work.session.scalars(select(Ticket))}
    for actor in actors:
        there = {r.id for r in runs if access.may_view(actor, r, tickets.get(r.ticket_id))}
        found = set(await work.session.scalars(select(PlaybookRun.id).where(access.visible_to(actor))))
        assert found == there, actor


async def test_lists_of_runs_give_what_may_be_seen_page_by_page(work: Work) -> None:
    actors = await a_town_with_runs(work)
    for actor in actors[:30]:
        work.actor = actor
        wanted = list(
            await work.session.scalars(
                select(PlaybookRun.id).where(access.visible_to(actor)).order_by(PlaybookRun.id.desc())
            )
        )
        found: list[int] = []
        cursor = None
        while True:
            page = await queries.runs_page(work, limit=41, cursor=cursor)
            found += [row.id for row in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == wanted


async def test_who_may_answer_sees_the_run(work: Work) -> None:
    actors = await a_town_with_runs(work)
    runs = list(await work.session.scalars(select(PlaybookRun)))
    tickets = {ticket.id: ticket for ticket in await work.session.scalars(select(Ticket))}
    for actor in actors:
        for run in runs:
            ticket = tickets.get(run.ticket_id)
            if access.side_of(actor, run, ticket) is not None:
                assert access.may_view(actor, run, ticket), (actor, run.id)
