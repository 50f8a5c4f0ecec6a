"""`firstbell up`, `serve`, `worker`, `migrate`: what runs."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvicorn

from service.commands import base
from service.commands.demo import ensure_demo
from service.core import logs
from service.core.settings import Settings, settings
from service.demo.management.running import managing
from service.demo.network.running import running
from service.worker import run_worker

if TYPE_CHECKING:
    from fastapi import FastAPI

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on.")]


def up(
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty desk with the demo district.")] = False,
    host: Host = None,
    port: Port = None,
) -> None:
    """Database, migrations, API and worker, in one command."""
    with base.sentences(), base.database() as url:
        _configure_logs()
        base.prepare(url)
        address = _address(host, port)
        if demo:
            ensure_demo(url, *address)
        else:
            base.errors.print(f"Firstbell answers at http://{_said(*address)}. Ctrl+C stops it.")
        base.run(_up(url, *address, demo=demo))


def serve(
    host: Host = None,
    port: Port = None,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="Web processes.")] = None,
) -> None:
    """The API, in as many processes as asked for."""
    with base.sentences(), base.database() as url:
        _configure_logs()
        base.prepare(url)
        address = _address(host, port)
        count = processes or settings().processes
        if count == 1:
            base.run(_server(_app(url, settings()), *address).serve())
            return
        os.environ["FIRSTBELL_DATABASE_URL"] = url
        options = _options(*address)
        uvicorn.run("service.commands.serving:app_from_environment", factory=True, workers=count, **options)


def worker() -> None:
    """The jobs: timers that fall due, holds that end."""
    with base.sentences(), base.database() as url:
        _configure_logs()
        base.prepare(url)
        base.run(_worker(url))


def migrate_command() -> None:
    """Bring the database to what this version needs."""
    with base.sentences(), base.database() as url:
        before, after = base.prepare(url)
        base.out.print("Nothing to do." if before == after else f"From {before or 'nothing'} to {after}.")


def app_from_environment() -> FastAPI:
    """The app of one of several web processes."""
    _configure_logs()
    own = Settings()
    assert own.database_url is not None
    return _app(own.database_url.get_secret_value(), own)


def _app(url: str, own: Settings) -> FastAPI:
    """The API, imported here: a worker and all other commands start in half the time without it."""
    from service.app import make_app

    return make_app(url, own)


async def _worker(url: str) -> None:
    async with base.resources(url) as resources:
        await run_worker(url, resources, settings())


async def _up(url: str, host: str, port: int, *, demo: bool = False) -> None:
    """API and worker in one loop, and with them the demo's network and device managements; when the API is
    told to stop, all do.
    """
    server = _server(_app(url, settings()), host, port)
    async with AsyncExitStack() as stack:
        if demo:
            await stack.enter_async_context(running(base.errors.print))
        resources = await stack.enter_async_context(base.resources(url))
        if demo:
            await stack.enter_async_context(managing(base.errors.print, resources))
        work = asyncio.create_task(run_worker(url, resources, settings(), signals=False))
        work.add_done_callback(lambda task: _stop(server, task))
        try:
            await server.serve()
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(work, 25)


def _stop(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        server.should_exit = True


def _server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, **_options(host, port)))


def _options(host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "log_config": None,
        "access_log": False,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "websockets-sansio",
        "ws_max_size": settings().max_body,
        "server_header": False,
        "timeout_graceful_shutdown": 15,
        "backlog": 1024,
    }


def _address(host: str | None, port: int | None) -> tuple[str, int]:
    """Where to listen; a port that is taken is said before anything starts."""
    where = host or settings().host, settings().port if port is None else port
    with socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            base.fail(f"Cannot listen on {_said(*where)}: {error.strerror}. Choose another with --port.")
        return where[0], int(probe.getsockname()[1])


def _said(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _configure_logs() -> None:
    logs.configure(settings().log_level, settings().log_format)
