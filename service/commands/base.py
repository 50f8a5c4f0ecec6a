"""What the commands share: the database to work on, resources, and errors as sentences."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import structlog
import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.core import embedded
from service.core.actor import SYSTEM
from service.core.errors import Refusal
from service.core.logs import masked
from service.core.migrating import migrate
from service.core.settings import Settings, settings
from service.core.work import Resources
from service.playbooks.versions import publish_shipped
from service.resources import make_resources

T = TypeVar("T")
REVIVED_EVERY = 1.0
log = structlog.get_logger()
errors = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)
EXPECTED = (Refusal, embedded.EmbeddedError, SQLAlchemyError, ValidationError, OSError, ValueError)


@contextmanager
def database() -> Iterator[str]:
    """The address of the database: the one that is set, or the embedded one, held while it is used."""
    given = settings().database_url
    if given is not None:
        yield given.get_secret_value()
        return
    embedded.clean_environment()
    waiting = lambda words: errors.print(f"[dim]{words}[/dim]")  # noqa: E731
    with (
        embedded.lease(
            settings().home, on_wait=waiting, patience=float(settings().database_start_limit)
        ) as url,
        _revived(settings().home),
    ):
        yield url


@contextmanager
def _revived(home: Path) -> Iterator[None]:
    """Start the embedded database again should it die while it is used."""
    stop, leases = threading.Event(), ExitStack()

    def watch() -> None:
        while not stop.wait(REVIVED_EVERY):
            if embedded.status(home).running:
                continue
            log.warning("database_died")
            try:
                leases.callback(embedded.start(home).release)
                log.info("database_started_again")
            except embedded.EmbeddedError as error:
                log.error("database_does_not_start", error=str(error))

    watcher = threading.Thread(target=watch, name="database watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join(REVIVED_EVERY + 1)
        leases.close()


def prepare(url: str) -> tuple[str | None, str]:
    """Bring the database to what this version needs, playbooks included; the revisions before and after."""

    async def go() -> None:
        async with resources(url) as made, made.begin(SYSTEM) as work:
            await publish_shipped(work)

    revisions = migrate(url)
    run(go())
    return revisions


@asynccontextmanager
async def resources(url: str, using: Settings | None = None) -> AsyncIterator[Resources]:
    """What a process holds open, closed afterwards."""
    made = make_resources(url, using or settings())
    try:
        yield made
    finally:
        await made.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


@contextmanager
def sentences() -> Iterator[None]:
    """What goes wrong is told in one sentence; the trace is for `FIRSTBELL_LOG_LEVEL=debug`."""
    try:
        yield
    except EXPECTED as error:
        if os.environ.get("FIRSTBELL_LOG_LEVEL") == "debug":
            raise
        fail(said(error))


def said(error: BaseException) -> str:
    if isinstance(error, Refusal):
        return " ".join(
            [error.detail, *(f"{f.field}: {f.message}" for f in error.fields if f.message != error.detail)]
        )
    if isinstance(error, ValidationError):
        if error.title != "Settings":
            return " ".join(_sentence(e) for e in error.errors())
        return "Settings: " + "; ".join(_field("FIRSTBELL_", e["loc"], e["msg"]) for e in error.errors())
    if isinstance(error, DBAPIError):
        first = (
            str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        )
        return masked(f"The database said: {first}")
    return masked(str(error)) or type(error).__name__


def _sentence(error: ErrorDetails) -> str:
    """Our own rules say it whole; pydantic's say what is wrong with a field."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    return _field("", error["loc"], error["msg"])


def _field(prefix: str, place: Sequence[Any], message: str) -> str:
    name = ".".join(map(str, place))
    return f"{prefix}{name.upper() if prefix else name}: {message}"


def fail(sentence: str, code: int = 1) -> NoReturn:
    errors.print(f"[red]firstbell:[/red] {sentence}", markup=True)
    raise typer.Exit(code)
