"""Whatever is sent that the contract allows, or nearly allows: no fault, no undocumented answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import make_app
from service.core.actor import SYSTEM, Role
from service.core.database import make_engine
from service.core.work import Resources
from tests import makers

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="session")
def secret(database_url: str) -> str:
    """An administrator's token, and some things for made-up requests to meet."""

    async def make() -> str:
        resources = Resources(engine=make_engine(database_url, pool=2))
        async with resources.begin(SYSTEM) as work:
            await makers.default_queue(work)
            school = await makers.make_school(work)
            await makers.make_policy(work, matches={"school": [school.id]})
            admin = await makers.make_person(work, Role.ADMIN, school_id=school.id)
            made = await makers.token_for(work, admin)
            for _ in range(3):
                await makers.make_ticket(await makers.acting(work, admin))
        await resources.engine.dispose()
        return made

    return asyncio.run(make())


schema = schemathesis.openapi.from_dict(make_app("postgresql://nowhere/none").openapi())


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_the_service_keeps_its_contract(case: Any, secret: str, live: str) -> None:
    answer = case.call(base_url=live, headers=makers.bearer(secret), timeout=20)
    case.validate_response(answer, checks=CHECKS)
