"""Whatever is sent that the contract allows, or nearly allows: no fault, no undocumented answer."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of
from schemathesis import GenerationMode
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
from tests.conftest import fresh_database, serving

ROOT = Path(__file__).parents[2]
EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="session")
def desk(server_url: str, empty_url: str) -> Iterator[tuple[str, str]]:
    """A desk that made-up requests may ruin: its address, and an administrator's token."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with fresh_database(server_url, f"fb_contract_{os.getpid()}_{worker}", like=empty_url) as url:
        secret = asyncio.run(_furnished(url))
        with serving(url) as address:
            yield address, secret


async def _furnished(url: str) -> str:
    resources = Resources(engine=make_engine(url, pool=2))
    async with resources.begin(SYSTEM) as work:
        await makers.default_queue(work)
        school = await makers.make_school(work)
        await makers.make_policy(work, matches={"school": [school.id]})
        admin = await makers.make_person(work, Role.ADMIN, school_id=school.id)
        secret = await makers.token_for(work, admin)
        for _ in range(3):
            await makers.make_ticket(await makers.acting(work, admin))
    await resources.engine.dispose()
    return secret


OPERATIONS = re.findall(r"^ +operationId: (\w+)$", (ROOT / "openapi.yaml").read_text(), re.MULTILINE)
"""By their ids, from the document as it is kept, which a check holds to the code."""


@cache
def operations() -> dict[str, Any]:
    """The same, as they can be made requests of."""
    schema = schemathesis.openapi.from_dict(make_app("postgresql://nowhere/none").openapi())
    found = (result.ok() for result in schema.get_all_operations())
    return {operation.definition.raw["operationId"]: operation for operation in found}


def test_every_operation_is_tried() -> None:
    assert sorted(OPERATIONS) == sorted(operations())


@pytest.fixture(scope="session")
def session() -> Iterator[requests.Session]:
    """One connection for all, and no look at the environment before each request."""
    with requests.Session() as made:
        made.trust_env = False
        yield made


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_service_keeps_its_contract(
    operation: str, desk: tuple[str, str], session: requests.Session
) -> None:
    address, secret = desk
    made = [operations()[operation].as_strategy(generation_mode=mode) for mode in GenerationMode]

    @given(case=one_of(*made))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def keeps(case: Any) -> None:
        answer = case.call(base_url=address, headers=makers.bearer(secret), session=session, timeout=20)
        case.validate_response(answer, checks=CHECKS)

    keeps()
