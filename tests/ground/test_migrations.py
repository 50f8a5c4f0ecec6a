"""Migrations: forward, once, whoever starts at the same time, and equal to the tables in the code."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

import service.tables  # noqa: F401
from service.core.database import Base, Coded
from service.core.migrating import head, migrate
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
