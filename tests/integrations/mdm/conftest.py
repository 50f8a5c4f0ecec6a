"""One HTTP client for all vendors' tests, and the vendors' schemas where they are here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest

MDM = Path("data", "mdm")


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Shared, since making one reads every certificate authority of the machine."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=40)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as made:
        yield made


@pytest.fixture(scope="session")
def sample(shared: Path) -> Callable[[str], Any]:
    """A vendor's sample by file name ("google.token.json")."""
    return cache(lambda name: orjson.loads((shared / MDM / "samples" / name).read_bytes()))


@pytest.fixture(scope="session")
def flaws(shared: Path) -> Callable[[str, object], list[str]]:
    """What is wrong with a value by a strict schema, named by file ("google.Error.json"); [] when nothing."""

    @cache
    def validator(name: str) -> Any:
        return jsonschema_rs.validator_for(
            orjson.loads((shared / MDM / "schemas" / "strict" / name).read_bytes())
        )

    def found(name: str, value: object) -> list[str]:
        return [f"{error.instance_path}: {error.message}" for error in validator(name).iter_errors(value)]

    return found
