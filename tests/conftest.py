"""One PostgreSQL for the run, one database a worker, a rolled-back transaction a room test."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from _pytest.nodeid import NodeId
from hypothesis import settings as hypothesis_settings
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from service.app import make_app
from service.core import logs
from service.core.actor import SYSTEM
from service.core.database import driver_url, make_engine
from service.core.embedded import clean_environment, lease
from service.core.migrating import migrate
from service.core.settings import Settings
from service.core.shelf import Shelf
from service.core.work import Work
from tests.space import home_of_a_run

gc.set_threshold(20_000, 50, 50)
os.environ.pop("COLUMNS", None)  # pytest-xdist tells its workers how wide its own terminal is
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # httpx asks for it at every lock, in every folder
logs.configure("warning", "console")
SHARED = Path(__file__).parents[2] / "shared"
HOME = "TESTS_DATABASE_HOME"
NOW = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)

hypothesis_settings.register_profile("desk", deadline=None, derandomize=True, print_blob=False)
hypothesis_settings.load_profile("desk")
if "FIRSTBELL_DATABASE_URL" not in os.environ:
    clean_environment()


def pytest_configure(config: pytest.Config) -> None:
    """pysnmp calls pysmi, where that is installed, by names that pysmi 2 warns of."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _make_room(config)
    config.addinivalue_line("filterwarnings", r"ignore:.* is deprecated:DeprecationWarning:pysnmp\..*")


def _make_room(config: pytest.Config) -> None:
    """For the server of all workers, who inherit the environment, until the run is over."""
    home = home_of_a_run("firstbell-tests-")
    os.environ[HOME] = str(home)
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


def pytest_collection_finish() -> None:
    """As the service does once it is up: what stays is not looked through again for what may go."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("shared") and not SHARED.exists():
            item.add_marker(pytest.mark.skip(reason="the shared reference data is not here"))
        if getattr(config.option, "loadgroup", False):
            _group(item)
    if getattr(config.option, "loadgroup", False):
        # What takes long begins early: a long group that begins last is waited for by all.
        items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def _group(item: pytest.Item) -> None:
    """Tell pytest-xdist who runs in one worker: it reads that from a test's name, and where pytest 9.2 keeps
    the name, pytest-xdist 3.8 does not write."""
    group = item.get_closest_marker("xdist_group")
    if group is not None and "@" not in item.nodeid.rpartition("]")[2]:
        item._id = NodeId.parse(f"{item.nodeid}@{group.args[0]}")


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server: the one named in the environment, or an embedded one for this run."""
    given = os.environ.get("FIRSTBELL_DATABASE_URL")
    with ExitStack() as stack:
        if given is None:
            given = stack.enter_context(lease(Path(os.environ[HOME])))
        yield driver_url(given)


def _run_id() -> str:
    return f"{os.getuid()}-{os.environ.get('PYTEST_XDIST_TESTRUNUID', str(os.getpid()))[:12]}"


@pytest.fixture(scope="session")
def empty_url(server_url: str) -> Iterator[str]:
    """A migrated database of this worker's own that nobody uses: to be copied, as migrating takes long."""
    with fresh_database(server_url, "fb_empty") as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def database_url(server_url: str, empty_url: str) -> Iterator[str]:
    """A database of this worker's own, migrated."""
    with fresh_database(server_url, "fb", like=empty_url) as url:
        yield url


@contextmanager
def fresh_database(
    server_url: str, name: str, *, durable: bool = False, like: str | None = None
) -> Iterator[str]:
    """An empty database of this run's and this worker's own, or a copy of the one `like` (its URL) that
    nobody is using; gone afterwards.

    Unless it is `durable`, commits do not wait for the disk: only a crash of the server tells the difference.
    """
    name = f"{name}_{_run_id()}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}".replace("-", "_")
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    drop = text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    with admin.connect() as connection:
        connection.execute(drop)
        copied = f' TEMPLATE "{make_url(like).database}"' if like is not None else ""
        connection.execute(text(f'CREATE DATABASE "{name}"{copied}'))
        if not durable:
            connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(drop)


@pytest.fixture(scope="session")
async def rolled_back(server_url: str, empty_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database in which nothing is ever committed. One for all: it knows the statements."""
    with fresh_database(server_url, "fb_rolled_back", like=empty_url) as url:
        engine = make_engine(url, pool=2)
        yield engine
        await engine.dispose()


@asynccontextmanager
async def undone(engine: AsyncEngine) -> AsyncIterator[Work]:
    """A Work of the system's at a known time, rolled back afterwards."""
    async with engine.connect() as connection, connection.begin() as transaction:
        async with AsyncSession(bind=connection, expire_on_commit=False, autoflush=False) as session:
            yield Work(session, SYSTEM, NOW, Shelf())
        await transaction.rollback()


@pytest.fixture
async def work(rolled_back: AsyncEngine) -> AsyncIterator[Work]:
    """The same, on an empty desk."""
    async with undone(rolled_back) as made:
        yield made


@contextmanager
def serving(url: str) -> Iterator[str]:
    """The service on a real socket of the loopback, in a thread of its own; its address."""
    config = uvicorn.Config(
        make_app(url, Settings(database_pool=8)),
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
async def app(database_url: str) -> AsyncIterator[object]:
    made = make_app(database_url, Settings(database_pool=8))
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(app: object) -> AsyncIterator[httpx.AsyncClient]:
    """The service without a socket; say who asks with `headers`."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as made:
        yield made
