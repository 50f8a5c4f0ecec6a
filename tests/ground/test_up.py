"""`firstbell up` as an operator meets it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from service.core import embedded
from tests.ports import free_port
from tests.space import space

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fb-up-", dir=space()) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def start(home: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if k != "FIRSTBELL_DATABASE_URL"}
    environment |= {"FIRSTBELL_HOME": str(home), "FIRSTBELL_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "service.cli", "up", "--port", str(port)]
    with (home / "stderr").open("wb") as errors:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)


def ready(port: int, wanted: int = 200, seconds: float = 40) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == wanted:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def test_up_outlives_its_database_and_stops_when_told(home: Path) -> None:
    port = free_port()
    with start(home, port) as process, ExitStack() as last:
        last.callback(process.kill)
        assert ready(port)
        before = embedded.status(home).pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        assert ready(port, 503, 10) or embedded.status(home).pid != before
        assert ready(port)
        assert embedded.status(home).pid != before
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    assert not embedded.status(home).running
    said = (home / "stderr").read_text()
    assert "database_died" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_said_in_a_sentence(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(home, taken.getsockname()[1])
        assert process.wait(60) == 1
    said = (home / "stderr").read_text()
    assert "Cannot listen on 127.0.0.1" in said
    assert "Traceback" not in said
