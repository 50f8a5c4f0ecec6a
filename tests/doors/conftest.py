"""A live demo: `firstbell up --demo` in a process of its own, for the tests that use it as people would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from service.core.database import make_engine
from service.core.migrating import migrate
from service.core.work import Resources
from service.demo.fill import ensure_filled
from tests.conftest import fresh_database
from tests.ports import free_port

PATIENCE = 120.0
DEMO_NOW = datetime(2026, 12, 3, 20, 15, tzinfo=UTC)


@pytest.fixture(scope="session")
async def filled_demo(server_url: str) -> AsyncIterator[str]:
    """A database filled as if it were a Thursday afternoon in December: to be copied, not to be used."""
    with fresh_database(server_url, "fb_demo") as url:
        migrate(url)
        resources = Resources(engine=make_engine(url, pool=2), clock=lambda: DEMO_NOW)
        assert await ensure_filled(resources)
        await resources.close()
        yield url


@dataclass(frozen=True)
class LiveDemo:
    url: str
    printed: str
    tokens: dict[str, str]

    def as_(self, who: str) -> httpx.Client:
        """A client of REST with the token that was printed for them."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30)

    def environment(self, who: str, url: str | None = None) -> dict[str, str]:
        """What the examples are told."""
        return os.environ | {"FIRSTBELL_URL": url or self.url, "FIRSTBELL_TOKEN": self.tokens[who]}


@pytest.fixture(scope="module")
def live_demo(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDemo]:
    folder = tmp_path_factory.mktemp("live")
    with fresh_database(server_url, f"live_{uuid.uuid4().hex[:12]}") as database_url:
        environment = os.environ | {"FIRSTBELL_DATABASE_URL": database_url, "FIRSTBELL_LOG_LEVEL": "warning"}
        port = free_port()
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            server = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "up", "--demo", "--port", str(port)],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=err,
            )
        try:
            yield _ready(server, f"http://127.0.0.1:{port}", folder)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(40)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _ready(server: subprocess.Popen[bytes], url: str, folder: Path) -> LiveDemo:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).is_success:
                printed = (folder / "out").read_text()
                return LiveDemo(url, printed, dict(re.findall(r"^  (\w+) +(fb_\S+)", printed, re.MULTILINE)))
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"The demo did not start: {(folder / 'err').read_text()[-2000:]}")
