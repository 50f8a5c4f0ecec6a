"""Commands when a vendor hangs, loses answers or comes back late, or when a playbook goes on without them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from procrastinate import PsycopgConnector
from sqlalchemy import text

from integrations.mdm.asking import Pace
from integrations.mdm.port import Verb
from integrations.mdm.simulated.server import Fault
from service.core.actor import SYSTEM
from service.core.outbox import enqueue, jobs
from service.mdm import following, reading_for
from service.mdm.bulks import ConfirmBulk, ProposeBulk, confirm_bulk, propose_bulk
from service.mdm.command_deciding import read_secrets
from service.mdm.command_listing import bulk_by_id
from service.mdm.models import CommandState, MdmCommand, VendorName
from service.worker import COMMANDS_AT_ONCE
from tests import makers
from tests.command_lab import KINDS, PIN, CommandLab, command_lab, copied
from tests.rooms.test_mdm_sending import FIRST, changed, chromebook, device_of

GOOGLE = VendorName.GOOGLE
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
async def shared_lab(empty_url: str) -> AsyncIterator[CommandLab]:
    with copied(empty_url, "hardships") as url:
        async with command_lab(url) as made:
            yield made


@pytest.fixture
async def lab(shared_lab: CommandLab) -> AsyncIterator[CommandLab]:
    pace = shared_lab.managements.pace
    yield shared_lab
    shared_lab.managements.pace = pace
    await shared_lab.forget()
    async with shared_lab.resources.begin(SYSTEM) as work:
        for change in (
            "UPDATE mdm_connections SET enabled = false",
            "DELETE FROM mdm_bulks",
            "DELETE FROM procrastinate_jobs",
        ):
            await work.session.execute(text(change))


async def goes_to(lab: CommandLab, connection: int, address: str) -> None:
    await lab.change(connection, settings={**KINDS[GOOGLE].settings, "base_url": address})


# A lost answer.


async def test_looks_that_failed_are_none_that_found_nothing(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    lab.simulator.inject(Fault("cut"), path=":batchChangeStatus")
    command = await lab.command(tag, Verb.DISABLE)
    await lab.drain()
    await goes_to(lab, connection, NOBODY)
    for _ in range(6):
        row = await lab.row(command)
        assert (row.state, row.looks) == (CommandState.UNSURE, 0)
        assert row.next_look_at is not None
        await lab.tick(row.next_look_at - lab.watch.now)
    assert "could not be asked" in str((await lab.row(command)).detail)
    await goes_to(lab, connection, lab.url)
    await lab.tick(timedelta(minutes=10))
    row = await lab.row(command)
    assert (row.state, row.looks, row.attempts) == (CommandState.UNSURE, 1, 1)
    assert lab.simulator.effects == []


async def test_a_pin_that_was_read_while_its_answer_was_lost_is_not_offered_again(lab: CommandLab) -> None:
    connection = await lab.stands(VendorName.JAMF_PRO)
    tag = await lab.know(connection, await device_of(lab, connection, "computer:1"))
    lab.simulator.rights -= {"View Computer Device Lock Pin"}
    lab.simulator.inject(Fault("cut", done=True), path=r"/erase$")
    command = await lab.command(tag, Verb.WIPE, arguments={"pin": PIN})
    await lab.drain()
    assert (await lab.row(command)).state is CommandState.UNSURE
    async with lab.resources.begin(SYSTEM) as work:
        assert await read_secrets(await lab.as_(work, "technician"), command) == {"pin": PIN}
    ended = await lab.end_of(command)
    assert (ended.state, ended.told, ended.sealed) == (CommandState.SUCCEEDED, None, None)
    assert ended.told_at is not None


async def test_what_was_sent_once_is_not_said_to_have_never_been_sent(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.DISABLE)
    asked_at = lab.watch.now - timedelta(days=2)
    await changed(lab, MdmCommand, command, attempts=1, created_at=asked_at)
    ended = await lab.end_of(command)
    assert (ended.state, lab.simulator.effects) == (CommandState.EXPIRED, [])
    assert "It was not sent again" in str(ended.detail)


# The last word.


async def test_what_comes_late_does_not_undo_what_was_asked_for_since(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    await goes_to(lab, connection, NOBODY)
    late = await lab.command(tag, Verb.DISABLE)
    await lab.drain()
    assert (await lab.row(late)).state is CommandState.QUEUED
    await goes_to(lab, connection, lab.url)
    wanted = await lab.command(tag, Verb.ENABLE)
    assert (await lab.end_of(wanted)).state is CommandState.SUCCEEDED
    ended = await lab.end_of(late)
    assert (ended.state, ended.attempts) == (CommandState.CANCELLED, 0)
    assert "The opposite was asked for" in str(ended.detail)
    assert lab.simulator.effects == [("status", FIRST, "ACTIVE")]


# A playbook that went on.


async def test_a_command_whose_job_was_held_up_is_not_sent_after_its_playbook_went_on(
    lab: CommandLab,
) -> None:
    _, tag = await chromebook(lab)
    about: dict[str, Any] = {
        "action_id": 77,
        "asset_id": (await lab.asset(tag)).id,
        "arguments": {"command": "restart"},
        "key": "run 7 restart 1",
    }
    for name in ("mdm.withdraw_command", "mdm.send_command", "mdm.withdraw_command"):
        await jobs.tasks[name].func(lab.context(name), **about)
    await lab.drain()
    (row,) = await lab.rows("SELECT id, ticket_id FROM mdm_commands WHERE action_id = 77")
    assert (await lab.row(row.id)).state is CommandState.CANCELLED
    assert lab.simulator.effects == []


async def test_withdrawn_and_sent_at_once_it_is_withdrawn(lab: CommandLab) -> None:
    _, tag = await chromebook(lab)
    asset_id = (await lab.asset(tag)).id

    async def runs(name: str, n: int) -> None:
        about = {"action_id": n, "asset_id": asset_id, "key": f"run 8 restart {n}"}
        await jobs.tasks[name].func(lab.context(name), arguments={"command": "restart"}, **about)

    for n in range(101, 109):
        names = ("mdm.send_command", "mdm.withdraw_command")
        await asyncio.gather(*(runs(name, n) for name in (names if n % 2 else reversed(names))))
    states = await lab.rows("SELECT id FROM mdm_commands WHERE action_id BETWEEN 101 AND 108")
    assert {(await lab.row(row.id)).state for row in states} <= {CommandState.CANCELLED, CommandState.REFUSED}
    await lab.drain()
    assert lab.simulator.effects == []


# A bulk.


async def test_a_bulk_over_a_connection_whose_settings_are_no_good_is_refused(
    lab: CommandLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tag = await chromebook(lab)
    async with lab.resources.begin(SYSTEM) as work:
        wanted = ProposeBulk(verb=Verb.RESTART, reason="Update of the cart", tags=[tag])
        bulk = await propose_bulk(await lab.as_(work, "lead"), wanted)
    async with lab.resources.begin(SYSTEM) as work:
        await confirm_bulk(await lab.as_(work, "lead"), bulk.id, ConfirmBulk(digest=bulk.digest))

    def opens(_: Any) -> Any:
        raise KeyError("service_account")

    monkeypatch.setattr(lab.managements, "vendor", opens)
    await lab.drain()
    async with lab.resources.read(SYSTEM) as read:
        seen = await bulk_by_id(read, bulk.id)
    assert seen.reread_at is not None
    assert "its secrets or settings are no good" in seen.refused


async def test_a_read_by_settings_that_are_no_good_leaves_what_was_known(
    lab: CommandLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, tag = await chromebook(lab)
    asset = await lab.asset(tag)

    def opens(_: Any) -> Any:
        raise KeyError("service_account")

    monkeypatch.setattr(lab.managements, "vendor", opens)
    assert await reading_for.read_device(lab.resources, lab.managements, asset.id)
    assert await lab.rows("SELECT 1 FROM asset_reports WHERE asset_id = :id", id=asset.id) == []


# A vendor that hangs.

_MANY = text(
    """
    INSERT INTO mdm_commands (verb, risk, state, asset_id, record_id, connection_id, arguments, reason,
        created_at, next_look_at, sent_at, handle)
    SELECT c.verb, c.risk, 5, c.asset_id, c.record_id, c.connection_id, c.arguments, c.reason, c.created_at,
        c.created_at, c.created_at, 'x' || n
    FROM mdm_commands AS c, generate_series(1, 400) AS n WHERE c.id = :id
    """
)


async def test_commands_of_one_connection_do_not_crowd_out_those_of_another(lab: CommandLab) -> None:
    _, crowded = await chromebook(lab)
    many = await lab.command(crowded, Verb.RESTART)
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(_MANY, {"id": many})
    _, tag = await chromebook(lab)
    lab.watch.now += timedelta(seconds=30)
    other = await lab.command(tag, Verb.RESTART)
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM procrastinate_jobs"))
        await work.session.execute(text("UPDATE mdm_commands SET state = 5 WHERE id = :id"), {"id": many})
    lab.watch.now += timedelta(minutes=2)
    async with lab.resources.begin(SYSTEM) as work:
        assert await following.take_up(work) == following.BATCH + 1
    (job,) = await lab.rows("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.send'")
    assert job.args == {"command_id": other}


async def _hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes what it is told and never answers."""
    with suppress(ConnectionError):
        while await reader.read(4096):
            pass
    writer.close()


async def test_a_vendor_that_hangs_holds_up_no_other(lab: CommandLab) -> None:
    """Five minutes would pass before anybody else's turn, were all of its jobs begun."""
    hung = await lab.stands(GOOGLE)
    stuck = await lab.know(hung, await device_of(lab, hung, FIRST))
    _, tag = await chromebook(lab)
    lab.managements.pace = Pace(connect=1, silence=60, total=60, tries=1)
    async with await asyncio.start_server(_hangs, "127.0.0.1", 0) as server:
        await goes_to(lab, hung, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await _asked_to_read(lab, stuck, 40)
        restart = await lab.command(tag, Verb.RESTART)
        async with _worker(lab):
            assert await _is_sent_within(lab, restart, 30)
    assert lab.simulator.effects == [("issued", FIRST, "REBOOT")]


@asynccontextmanager
async def _worker(lab: CommandLab) -> AsyncIterator[None]:
    conninfo = lab.database_url.replace("+psycopg", "", 1)
    held = {"resources": lab.resources, "managements": lab.managements}
    with jobs.replace_connector(PsycopgConnector(conninfo=conninfo, min_size=1, max_size=4)) as app:
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(
                    queues=["mdm"],
                    concurrency=COMMANDS_AT_ONCE,
                    install_signal_handlers=False,
                    listen_notify=False,
                    fetch_job_polling_interval=0.1,
                    shutdown_graceful_timeout=0.1,
                    additional_context=held,
                )
            )
            try:
                yield
            finally:
                worker.cancel()
                with suppress(asyncio.CancelledError):
                    await worker


async def _is_sent_within(lab: CommandLab, command: int, seconds: int) -> bool:
    for _ in range(10 * seconds):
        if (await lab.row(command)).sent_at and lab.simulator.effects:
            return True
        await asyncio.sleep(0.1)
    return False


async def _asked_to_read(lab: CommandLab, tag: str, times: int) -> None:
    """Nothing else waits."""
    asset_id = (await lab.asset(tag)).id
    async with lab.resources.begin(SYSTEM) as work:
        await work.session.execute(text("DELETE FROM procrastinate_jobs"))
        for _ in range(times):
            await enqueue(work, "mdm.read_device", asset_id=asset_id, facts=[])


async def test_who_gets_no_turn_comes_again(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    asset_id = (await lab.asset(tag)).id
    turns = lab.managements.turns
    command = await lab.command(tag, Verb.RESTART)
    async with turns.of(connection), turns.of(connection), turns.of(connection), turns.of(connection):
        await lab.drain()
        row = await lab.row(command)
        assert (row.state, row.attempts) == (CommandState.QUEUED, 0)
        assert row.next_look_at == lab.watch.now + timedelta(seconds=5)
        name = "mdm.read_device"
        await jobs.tasks[name].func(lab.context(name), asset_id=asset_id, facts=[])
        (again,) = await lab.rows("SELECT args FROM procrastinate_jobs WHERE task_name = 'mdm.read_device'")
        assert again.args["tries"] == 1
        name = "mdm.check_connection"
        await jobs.tasks[name].func(lab.context(name), connection_id=connection)
        assert (await lab.connection(connection)).checked_at is None
        assert await lab.rows("SELECT 1 FROM procrastinate_jobs WHERE task_name = 'mdm.check_connection'")
    assert lab.simulator.effects == []
    await lab.tick(timedelta(seconds=5))
    assert lab.simulator.effects == [("issued", FIRST, "REBOOT")]


@pytest.mark.parametrize(("state", "minutes"), [(CommandState.SENDING, 2), (CommandState.QUEUED, 60)])
async def test_no_turn_shortens_no_lease_and_no_vendors_pause(
    lab: CommandLab, state: CommandState, minutes: int
) -> None:
    connection, tag = await chromebook(lab)
    command = await lab.command(tag, Verb.RESTART)
    later = lab.watch.now + timedelta(minutes=minutes)
    await changed(lab, MdmCommand, command, state=state, next_look_at=later)
    turns = lab.managements.turns
    async with turns.of(connection), turns.of(connection), turns.of(connection), turns.of(connection):
        await lab.drain()
    assert (await lab.row(command)).next_look_at == later


async def test_a_look_for_a_ticket_comes_again_too(lab: CommandLab) -> None:
    connection, tag = await chromebook(lab)
    asset_id = (await lab.asset(tag)).id
    async with lab.resources.begin(SYSTEM) as work:
        ticket = await makers.make_ticket(work, asset_tag=tag)
    turns, name = lab.managements.turns, "mdm.look_at_device"
    async with turns.of(connection), turns.of(connection), turns.of(connection), turns.of(connection):
        await jobs.tasks[name].func(lab.context(name), ticket_id=ticket.id, asset_id=asset_id)
    (again,) = await lab.rows(
        "SELECT args, scheduled_at FROM procrastinate_jobs WHERE task_name = 'mdm.look_at_device'"
        " AND scheduled_at IS NOT NULL"
    )
    assert again.args == {"ticket_id": ticket.id, "asset_id": asset_id}
    assert again.scheduled_at == lab.watch.now + timedelta(seconds=5)
