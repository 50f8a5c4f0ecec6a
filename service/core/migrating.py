"""Migrations, forward only, and one process at a time."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from service.core.database import driver_url

LOCK = 0x46425F4D  # "FB_M"
PAUSE = 0.1


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("path_separator", "os")
    return made


@lru_cache(maxsize=1)
def head() -> str:
    """The revision that this code works with."""
    return ScriptDirectory.from_config(config()).get_current_head() or ""


def is_newer(revision: str | None) -> bool:
    """A newer version has migrated the database already: its migrations work with this code too."""
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    return revision is not None and revision not in known


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the database forward; the revisions before and after.

    Others who start at the same time wait on an advisory lock and then find nothing left to do. They ask for
    it again and again: who sleeps inside a statement holds up an index that is built concurrently.
    """
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            while not _locked(connection):
                time.sleep(PAUSE)
            before = _current(connection)
            if before != head() and not is_newer(before):
                made = config()
                made.attributes["connection"] = connection
                command.upgrade(made, "head")
                connection.commit()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()
            return before, head()
    finally:
        engine.dispose()


def _locked(connection) -> bool:  # type: ignore[no-untyped-def]
    got = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK})
    connection.commit()
    return bool(got)


def _current(connection) -> str | None:  # type: ignore[no-untyped-def]
    there = connection.scalar(text("SELECT to_regclass('alembic_version')"))
    current = connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None
    connection.commit()
    return current
