"""No secret reaches a log line."""

from __future__ import annotations

import io
import json
import logging

import psycopg
import pytest
import sqlalchemy.exc
import structlog

from service.core import logs
from service.people.identity import new_secret


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("postgresql://desk:hunter2@db/firstbell", "postgresql://desk:…@db/firstbell"),
        ("password=hunter2 next", "password=… next"),
        ("secret: hunter2", "secret: …"),
        ('{"client_secret": "hunter2"}', '{"client_secret": …'),
        ("This vendor has no secret called pin.", "This vendor has no secret called pin."),
        ("password authentication failed for user desk", "password authentication failed for user desk"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_in_text_are_blotted_out(text: str, masked: str) -> None:
    assert logs.masked(text) == masked


def test_a_token_is_never_in_a_log_line() -> None:
    secret = new_secret()
    assert secret not in logs.masked(f"seen {secret} here")


def test_every_logger_goes_through_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    monkeypatch.setattr("sys.stderr", stream)
    secret = new_secret()
    try:
        logs.configure("info", "json")
        structlog.get_logger().info("tried", token=secret, note=f"Bearer {secret}")
        logging.getLogger("somebody.else").warning("connect to postgresql://a:%s@b/c", "hunter2")
        try:
            raise ValueError(f"bad token {secret}")
        except ValueError:
            structlog.get_logger().error("fault", exc_info=True)
    finally:
        logs.configure("warning", "console")
        logging.getLogger().handlers[:] = before
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 3
    assert secret not in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_made_up_things_are_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    monkeypatch.setattr("sys.stderr", stream)
    try:
        logs.configure("info", "json")
        told = structlog.get_logger()
        with logs.untold():
            told.info("made up")
            told.warning("something is wrong")
        told.info("real")
    finally:
        logs.configure("warning", "console")
        logging.getLogger().handlers[:] = before
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["something is wrong", "real"]
    assert logs.UNTOLD not in stream.getvalue()


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("gone"), sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("gone"))],
)
def test_a_job_that_lost_the_database_is_one_line(error: Exception) -> None:
    kept = logging.LogRecord(
        "procrastinate.worker", 40, "", 1, "Job %s failed", ("x",), (type(error), error, None)
    )
    assert logs.Outages().filter(kept)
    assert (kept.getMessage(), kept.exc_info) == ("Job x failed (OperationalError)", None)
