"""Structured logs: one line an event, with the request id, and never a secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import orjson
import psycopg
import structlog
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import InterfaceError, OperationalError

SECRET = re.compile(
    r"(fb_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+"
    r"|(?i:(bearer(?=[=: ])|(?:password|passwd|secret)(?=[\"']?\s*[=:]))([\"']?[=:\s]+))\S+"
    r"|(://[^:/\s@]+):[^@\s]+@"
)
"""The word "secret" is followed by one where there is a sign between; in a sentence it is only a word."""
SECRET_KEYS = frozenset({"authorization", "token", "secret", "password", "cookie", "database_url"})


def masked(value: str) -> str:
    """The text with tokens, bearer headers and passwords in addresses blotted out."""
    return SECRET.sub(
        lambda m: (m[1] and "fb_…") or (m[2] and f"{m[2]}{m[3]}…") or (f"{m[4]}:…@" if m[4] else "…"), value
    )


def mask_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key.lower() in SECRET_KEYS:
            event[key] = "…"
        elif isinstance(value, str):
            event[key] = masked(value)
    return event


UNTOLD = "untold"


def untold() -> AbstractContextManager[None]:
    """Within it nothing that only informs is written: made-up things are no news."""
    return structlog.contextvars.bound_contextvars(**{UNTOLD: True})


def drop_untold(_logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if event.pop(UNTOLD, False) and name in ("debug", "info"):
        raise structlog.DropEvent
    return event


AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""How a job finds out that the database went away, by SQLAlchemy or past it."""


class Outages(logging.Filter):
    """Shortens what procrastinate says, at length and once a queue, when the database goes away: the worker
    tells of that in a line, and of each job that failed by it one line is enough.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not record.name.startswith(("procrastinate", "asyncio")):
            return True
        if isinstance(error, AWAY):
            record.exc_info = None
            record.msg = f"{record.getMessage()} ({type(error).__name__})"
            record.args = ()
        return not isinstance(error, ConnectorException)


def configure(level: str = "info", form: str = "auto") -> None:
    """Send structlog and the standard library's loggers through one chain to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        drop_untold,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    as_json = structlog.processors.JSONRenderer(
        serializer=lambda value, **_: orjson.dumps(value, default=str).decode()
    )
    for_eyes = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if for_eyes else as_json
    # Our own JSON lines go straight to standard error: through `logging` a line costs three times as much.
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter if for_eyes else as_json],
        logger_factory=structlog.stdlib.LoggerFactory()
        if for_eyes
        else structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                mask_secrets,
                renderer,
            ],
        )
    )
    handler.addFilter(Outages())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "procrastinate", "sqlalchemy.engine", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel("WARNING")
    logging.getLogger("psycopg.pool").setLevel("ERROR")
