"""What every process holds open: the API, the worker, and each command that asks the database."""

from __future__ import annotations

from service.core.database import make_engine
from service.core.outbox import Announcer
from service.core.settings import Settings
from service.core.work import Resources
from service.people.identity import identify_with


def make_resources(url: str, settings: Settings) -> Resources:
    """Engine, announcer and identity for one process."""
    engine = make_engine(url, pool=settings.database_pool, statement_timeout=settings.statement_timeout)
    resources = Resources(engine=engine, announcer=Announcer(engine))
    resources.identify = identify_with(resources)
    return resources
