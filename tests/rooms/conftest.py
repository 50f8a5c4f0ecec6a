"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from service.core.actor import SYSTEM
from service.core.database import make_engine
from service.core.shelf import Shelf
from service.core.work import Work
from service.playbooks import versions
from tests.conftest import NOW, fresh_database


@pytest.fixture(scope="session")
async def stocked(server_url: str, empty_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database in which all that was committed are the playbooks that come along."""
    with fresh_database(server_url, "fb_stocked", like=empty_url) as url:
        engine = make_engine(url, pool=2)
        async with AsyncSession(engine) as session, session.begin():
            assert await versions.publish_shipped(Work(session, SYSTEM, NOW, Shelf()))
        yield engine
        await engine.dispose()
