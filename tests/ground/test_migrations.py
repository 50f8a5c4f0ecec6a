"""Migrations: forward, once, whoever starts at the same time, and equal to the tables in the code."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

import service.tables  # noqa: F401
from service.core.database import Base, Coded
from service.core.migrating import config, head, migrate
from tests.conftest import fresh_database


def name(what: str) -> str:
    return f"fb_{what}_{os.getpid()}"


def test_six_processes_that_start_at_once_migrate_once(server_url: str) -> None:
    with fresh_database(server_url, name("six")) as url, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: migrate(url), range(6)))
    assert sorted(answers, key=str) == [*([(head(), head())] * 5), (None, head())]


def test_the_migrated_tables_are_those_of_the_code(server_url: str) -> None:
    with fresh_database(server_url, name("same")) as url:
        migrate(url)
        engine = create_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": same_type})
            differences = [d for d in compare_metadata(context, Base.metadata) if not _foreign(d)]
        engine.dispose()
    assert differences == []


def same_type(context: Any, column: Any, metadata_column: Any, there: Any, wanted: Any) -> bool | None:
    """True when they differ; a coded enum is a smallint there."""
    return False if isinstance(wanted, Coded) else None


def _foreign(difference: Any) -> bool:
    """The tables of the job queue and of the migrations are not ours."""
    return "procrastinate" in str(difference) or "alembic" in str(difference)


DESK_OF_0001 = """
    INSERT INTO calendars (id, name, definition) VALUES (1, 'C', '{"zone": "UTC", "hours": {}}');
    INSERT INTO sla_policies (id, name, matches, targets, rules) VALUES (1, 'P', '{}', '{}', '{}');
    INSERT INTO queues (id, key, name) VALUES (1, 'desk', 'Desk');
    INSERT INTO persons (id, name, role) VALUES (1, 'Copperline', 4);
    INSERT INTO tickets (id, kind, status, priority, impact, urgency, channel, confidential, version, reopens,
        queue_id, language, subject, description, tags, shared_with, hold_reason, opened_at, reported_at,
        updated_at)
    SELECT n, 1, 4, 3, 3, 3, 1, false, 1, 0, 1, 'en', 'S', 'D', '{}', '{}', 'Parts', now(), now(), now()
    FROM generate_series(1, 500) AS n
"""
TIMERS_OF_0001 = """
    INSERT INTO sla_timers (id, ticket_id, target, n, state, policy_id, policy_version, calendar_id,
        calendar_version, started_at, goal, pauses, due_at, checks, next_check_at)
    SELECT {first} + 2 * ticket + n, ticket, 4, {n} + n, 1, 1, 1, 1, 1, now(), interval '1 hour', '[]', now(),
        ARRAY[now()], now()
    FROM generate_series(1, 500) AS ticket, generate_series(0, 1) AS n
"""


def test_what_was_made_before_there_were_other_agreements_is_the_slas(server_url: str) -> None:
    with fresh_database(server_url, name("agreed")) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            made = config()
            made.attributes["connection"] = connection
            command.upgrade(made, "0001")
            connection.execute(text(DESK_OF_0001))
            connection.execute(text(TIMERS_OF_0001.format(first=0, n=1)))
            files = (
                "SELECT relname, relfilenode FROM pg_class WHERE relname IN ('tickets', 'sla_timers')"
                " ORDER BY relname"
            )
            before = connection.execute(text(files)).all()
            connection.commit()
        assert migrate(url) == ("0001", head())
        with engine.connect() as connection:
            assert connection.execute(text(files)).all() == before, "a table was written anew"
            timers = "SELECT count(*), min(agreement), max(agreement), count(vendor_id) FROM sla_timers"
            assert tuple(connection.execute(text(timers)).one()) == (1000, 1, 1, 0)
            others = "SELECT (SELECT kind FROM sla_policies), (SELECT count(vendor_id) FROM tickets)"
            assert tuple(connection.execute(text(others)).one()) == (1, 0)
            connection.execute(text(TIMERS_OF_0001.format(first=5000, n=3)))  # a version before still writes
            connection.execute(text("UPDATE sla_timers SET agreement = 2, n = n - 2 WHERE n > 2"))
            with pytest.raises(IntegrityError, match="uq_sla_timers_ticket_id_agreement_target_n"):
                connection.execute(text("UPDATE sla_timers SET agreement = 1"))
        engine.dispose()


def test_a_migration_that_broke_off_at_its_index_is_run_again(server_url: str) -> None:
    with fresh_database(server_url, name("broke")) as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        plain = create_engine(url)
        with plain.connect() as connection:
            made = config()
            made.attributes["connection"] = connection
            command.upgrade(made, "0002")
            connection.commit()
        plain.dispose()
        with engine.connect() as connection:
            for statement in (
                "ALTER TABLE sla_timers DROP CONSTRAINT uq_sla_timers_ticket_id_agreement_target_n",
                "ALTER TABLE sla_timers ADD CONSTRAINT uq_sla_timers_ticket_id_target_n"
                " UNIQUE (ticket_id, target, n)",
                "CREATE UNIQUE INDEX uq_sla_timers_ticket_id_agreement_target_n ON sla_timers (ticket_id)",
                "UPDATE alembic_version SET version_num = '0001'",
            ):
                connection.execute(text(statement))
        assert migrate(url) == ("0001", head())
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": same_type})
            assert [d for d in compare_metadata(context, Base.metadata) if not _foreign(d)] == []
        engine.dispose()


def test_every_migration_bounds_its_wait_for_locks() -> None:
    from pathlib import Path

    import service.core.migrating as migrating

    versions = Path(migrating.__file__).parent / "migrations" / "versions"
    for script in versions.glob("*.py"):
        assert "SET LOCAL lock_timeout" in script.read_text(), script.name


def test_a_failed_migration_leaves_nothing_behind(server_url: str) -> None:
    with fresh_database(server_url, name("failed")) as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE tickets (id int)"))
        with pytest.raises(Exception, match="tickets"):
            migrate(url)
        with engine.connect() as connection:
            connection.execute(text("DROP TABLE tickets"))
        assert migrate(url) == (None, head())
        engine.dispose()


DESK_OF_0005 = """
    INSERT INTO places (id, kind, name, school_id) VALUES ('0421', 1, 'Riverside', '0421');
    INSERT INTO queues (id, key, name) VALUES (1, 'desk', 'Desk');
    INSERT INTO persons (id, name, role) VALUES (1, 'Dana', 4);
    INSERT INTO assets (id, tag, kind, serial, school_id)
    SELECT n, 'CB-' || n, 1, CASE WHEN n % 10 > 0 THEN 'nxk' || n END, '0421'
    FROM generate_series(1, 500) AS n;
    INSERT INTO asset_facts (asset_id, name, value, as_of, source, received_at)
    SELECT n, 'net.port_up', 'true', now(), 'snmp', now() FROM generate_series(1, 500) AS n;
    INSERT INTO district_facts (id, name, value, set_at, set_by)
    VALUES (1, 'school.testing', 'true', now(), 'Dana');
    INSERT INTO tickets (id, kind, status, priority, impact, urgency, channel, confidential, version, reopens,
        queue_id, asset_id, language, subject, description, tags, shared_with, opened_at, reported_at,
        updated_at)
    SELECT n, 1, 1, 3, 3, 3, 1, false, 1, 0, 1, n, 'en', 'S', 'D', '{}', '{}', now(), now(), now()
    FROM generate_series(1, 500) AS n
"""
HELD_BY_0005 = "assets", "asset_facts", "district_facts", "persons", "places", "tickets"


def test_a_desk_without_device_management_keeps_all_it_has(server_url: str) -> None:
    with fresh_database(server_url, name("managed")) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            made = config()
            made.attributes["connection"] = connection
            command.upgrade(made, "0005")
            connection.execute(text(DESK_OF_0005))
            before = _held(connection)
            connection.commit()
        assert migrate(url) == ("0005", head())
        with engine.connect() as connection:
            assert _held(connection) == before, "a row was lost or a table was written anew"
            found = text("SELECT id FROM assets WHERE upper(serial) = 'NXK7'")
            assert connection.execute(found).scalar_one() == 7
            connection.execute(text("SET enable_seqscan = off"))
            plan = connection.execute(text(f"EXPLAIN {found.text}")).scalars().all()
            assert "ix_assets_serial_upper" in "\n".join(plan)
        engine.dispose()


def _held(connection: Any) -> dict[str, tuple[Any, ...]]:
    """Of each table the file it lies in, and how many rows it has."""
    file = "SELECT relfilenode FROM pg_class WHERE relname = '{0}'"
    both = "SELECT ({file}), (SELECT count(*) FROM {0})"
    return {
        table: tuple(connection.execute(text(both.format(table, file=file.format(table)))).one())
        for table in HELD_BY_0005
    }
