"""Guided help: 10,000 runs under way, and how fast one process takes their answers.

Aim: 200 answers a second, 99 of 100 within 100 ms. The runs are of the playbook `chromebook-wifi`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, text

from bench.drive import Tally, drive, request
from bench.serving import server
from service.assets.actions import NewAsset, add_asset
from service.assets.models import AssetKind
from service.core.actor import SYSTEM, Role
from service.core.database import driver_url, make_engine
from service.core.embedded import clean_environment, lease
from service.core.migrating import migrate
from service.core.work import Resources, Work
from service.people.actions import NewPerson, add_person
from service.people.identity import actor_of_person
from service.people.tokens import MadeToken, NewToken, create_token
from service.places.actions import NewPlace, add_place
from service.places.models import PlaceKind
from service.playbooks.actions import StartRun, start_run
from service.playbooks.versions import publish_shipped
from service.sla.calendars import NewCalendar, create_calendar
from service.tickets.desk import NewQueue, add_queue

RUNS, AT_ONCE = 10_000, 100
CLIENTS = 1, 16
SECONDS = 15.0
AIM_RATE, AIM_P99 = 200, 100
ANSWERS = {"others_work": "yes", "network_list": "nothing", "switch_on": "done", "works_now": "yes"}
HOURS = {day: [["07:30", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


async def _desk(url: str) -> tuple[str, int]:
    """A school with a teacher and a Chromebook; the teacher's token, and one run to be copied."""
    resources = Resources(engine=make_engine(url, pool=2))
    async with resources.begin(SYSTEM) as work:
        calendar = NewCalendar(name="School", definition={"zone": "America/Chicago", "hours": HOURS})
        kept = await create_calendar(work, calendar)
        await add_place(work, NewPlace(id="0101", kind=PlaceKind.SCHOOL, name="School", calendar_id=kept.id))
        await add_queue(work, NewQueue(key="desk", name="Desk", is_default=True))
        teacher = await add_person(work, NewPerson(name="Teacher", role=Role.STAFF, school_id="0101"))
        await add_asset(work, NewAsset(tag="CB-1", kind=AssetKind.CHROMEBOOK, holder_id=teacher.id))
        await publish_shipped(work)
        token = await create_token(work, NewToken(person_id=teacher.id, label="bench"))
        assert isinstance(token, MadeToken)
        actor = await actor_of_person(work.db, teacher.id)
        theirs = Work(work.session, actor, work.now, work.shelf)
        run = await start_run(theirs, StartRun(playbook="chromebook-wifi", asset_tag="CB-1"))
    await resources.engine.dispose()
    return token.secret, run.id


def _copied(url: str, run: int) -> list[int]:
    """So many runs as that one, all waiting for their first answer."""
    engine = create_engine(driver_url(url))
    with engine.begin() as connection:
        names = connection.execute(
            text(
                "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns "
                "WHERE table_name = 'playbook_runs' AND column_name <> 'id'"
            )
        ).scalar_one()
        copied = f"INSERT INTO playbook_runs ({names}) SELECT {names} FROM playbook_runs, "
        rows = connection.execute(
            text(copied + "generate_series(1, :runs) WHERE playbook_runs.id = :run RETURNING id"),
            {"runs": RUNS * len(CLIENTS), "run": run},
        )
        found = [row.id for row in rows]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE playbook_runs"))
    engine.dispose()
    return found


def _answers(runs: list[int], token: str) -> Iterator[bytes]:
    """Every answer of every run, some hundred runs at a time."""
    for start in range(0, len(runs), AT_ONCE):
        for step, value in ANSWERS.items():
            for run in runs[start : start + AT_ONCE]:
                body = {"step": step, "value": value}
                yield request("POST", f"/api/v1/playbook-runs/{run}/answer", token=token, body=body)


def run() -> None:
    clean_environment()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstbell-bench-")))
        url = stack.enter_context(lease(home))
        migrate(url)
        token, first = asyncio.run(_desk(url))
        runs = _copied(url, first)
        port = stack.enter_context(server("ours", url))
        table = Table("answers, 10,000 runs under way", "clients", "answers/s", "p50 ms", "p99 ms", "aim")
        for n, clients in enumerate(CLIENTS):
            answers = _answers(runs[n * RUNS : (n + 1) * RUNS], token)
            drive(port, answers, clients=clients, seconds=1.0)
            tally = Tally([drive(port, answers, clients=clients, seconds=SECONDS)])
            met = tally.rate >= AIM_RATE and tally.quantile(0.99) < AIM_P99
            table.add_row(
                "answer",
                str(clients),
                f"{tally.rate:.0f}",
                f"{tally.quantile(0.5):.1f}",
                f"{tally.quantile(0.99):.1f}",
                "met" if met else f"missed: {json.dumps([AIM_RATE, AIM_P99])}",
            )
        Console().print(table)
