"""The life of the embedded PostgreSQL, with real servers and real kills (reads /proc: Linux)."""

import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from service.core import embedded
from service.core.embedded import EmbeddedError, lease, start, status
from tests.space import space

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")

OWNER = """
import sys
from pathlib import Path
from service.core.embedded import lease
with lease(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


# Helpers


def until(holds: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def exists(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def keepers(home: Path) -> list[int]:
    mark = f"embedded.py\0{home}/postgres\0".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def at_work_below(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(home):
                found.append(int(entry.name))
    return found


def postmaster(home: Path) -> int:
    pid = status(home).pid
    assert pid
    return pid


def query(url: str, text: str) -> list[tuple[object, ...]]:
    conninfo = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        done = connection.execute(text.encode())
        return done.fetchall() if done.description else []


def tree(folder: Path) -> list[tuple[str, int, int, int, int]]:
    paths = [folder, *sorted(folder.rglob("*"))]
    found = [(str(path), path.lstat()) for path in paths]
    return [(path, it.st_mode, it.st_uid, it.st_size, it.st_mtime_ns) for path, it in found]


def script_environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | more


@contextmanager
def running(script: str, *args: object, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python program in a session of its own that prints a line when it has its lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=script_environment(**env),
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    line = process.stdout.readline().strip()
    assert line, "the program ended without a word"
    return line


def end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.close()
    assert process.wait(20) == 0


def stop_whatever_runs(home: Path) -> None:
    if (pid := status(home).pid) is not None:
        os.kill(pid, signal.SIGQUIT)
        until(lambda: not status(home).running)
    for keeper in keepers(home):
        with suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A home that was never used, below a folder that only we can enter."""
    with tempfile.TemporaryDirectory(prefix="firstbell-", dir=space()) as folder:
        home = Path(folder) / "home"
        try:
            yield home
        finally:
            stop_whatever_runs(home)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="firstbell-", dir=space()) as folder:
        home = Path(folder) / "home"
        with lease(home) as url:
            query(url, "create table kept (word text)")
            query(url, "insert into kept values ('chalk')")
        yield home


@pytest.fixture
def home(empty: Path, prepared: Path) -> Path:
    """A home with a stopped database that holds one word."""
    subprocess.run(["cp", "-a", prepared, empty], check=True)
    return empty


def words(url: str) -> list[object]:
    return [word for (word,) in query(url, "select word from kept order by word")]


# The ordinary life


def test_a_lease_gives_a_database_of_our_own_and_leaves_nothing_running(empty: Path) -> None:
    told: list[str] = []
    with lease(empty, on_wait=told.append) as url:
        names = ["jit", "listen_addresses", "fsync", "TimeZone", "server_encoding", "max_connections"]
        settings = [query(url, f"show {name}")[0][0] for name in names]
        assert settings == ["off", "", "on", "UTC", "UTF8", "200"]
        assert query(url, "select current_user::text, current_database()::text, lower('ÉCOLE')") == [
            ("firstbell", "firstbell", "école")
        ]
        running_now = status(empty)
        assert running_now.running
        assert os.getpid() in running_now.users
        assert stat.S_IMODE((empty / "postgres" / "data").stat().st_mode) == 0o700
    assert told[0] == "the database is being made, this happens once"
    assert status(empty) == embedded.Status(running=False, pid=None, users=())
    until(lambda: not keepers(empty))
    assert running_now.pid is not None
    assert not exists(running_now.pid)


def test_what_was_written_is_there_after_a_stop(home: Path) -> None:
    with lease(home) as url:
        query(url, "insert into kept values ('sponge')")
    with lease(home) as url:
        assert words(url) == ["chalk", "sponge"]


def test_each_start_begins_a_new_log_and_keeps_the_one_before(home: Path) -> None:
    folder = home / "postgres"
    for _ in range(3):
        with lease(home) as url, pytest.raises(psycopg.Error):
            query(url, "select * from no_such_table")
    for name in ("postgres.log", "postgres.log.1"):
        assert (folder / name).read_text().count("no_such_table") == 2  # the error and its statement
    assert sorted(path.name for path in folder.glob("*.log*")) == ["postgres.log", "postgres.log.1"]


def test_a_stop_while_another_command_uses_it_keeps_it_up(home: Path) -> None:
    with running(OWNER, home) as first, running(OWNER, home) as second:
        said(first)
        url = said(second)
        before = postmaster(home)
        end(first)
        assert postmaster(home) == before
        assert words(url) == ["chalk"]
        end(second)
    assert not status(home).running


def test_two_leases_of_one_process_are_two_users(home: Path) -> None:
    first, second = start(home), start(home)
    first.release()
    first.release()
    assert words(second.url) == ["chalk"]
    second.release()
    assert not status(home).running


def test_commands_that_all_find_no_database_make_one(empty: Path) -> None:
    with running(OWNER, empty) as first, running(OWNER, empty) as second, running(OWNER, empty) as third:
        everybody = [first, second, third]
        urls = {said(process) for process in everybody}
        assert len(urls) == 1
        assert len(status(empty).users) == 3
        for process in everybody:
            assert process.stdin
            process.stdin.close()
        assert [process.wait(20) for process in everybody] == [0, 0, 0]
    assert not status(empty).running
    assert sorted(path.name for path in (empty / "postgres").glob("data*")) == ["data"]


def test_a_server_that_has_no_connection_left_is_still_found_running(home: Path) -> None:
    with running(OWNER, home) as owner:
        conninfo = said(owner).replace("postgresql+psycopg", "postgresql")
        with ExitStack() as everything:
            with suppress(psycopg.OperationalError):
                while True:
                    everything.enter_context(closing(psycopg.connect(conninfo)))
            start(home, patience=1).release()
        end(owner)


def test_a_server_without_our_database_says_so_at_once(home: Path) -> None:
    with running(OWNER, home) as owner:
        url = said(owner)
        query(url.replace("/firstbell?", "/postgres?"), "drop database firstbell")
        with pytest.raises(EmbeddedError, match='does not admit us: database "firstbell" does not exist'):
            start(home)
        end(owner)


def test_interrupting_the_command_does_not_interrupt_the_server(home: Path) -> None:
    deaf = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{OWNER}"
    with running(deaf, home) as owner:
        url = said(owner)
        os.killpg(owner.pid, signal.SIGINT)
        time.sleep(0.3)
        assert words(url) == ["chalk"]
        end(owner)


# Killed users


def test_a_killed_owner_is_no_user_even_if_a_program_it_began_lives_on(home: Path) -> None:
    with_a_child = "import subprocess\n" + OWNER.replace(
        "    print(url", "    child = subprocess.Popen(['sleep', '60'])\n    print(child.pid, url"
    )
    with running(with_a_child, home) as owner:
        child = int(said(owner).split()[0])
        server = postmaster(home)
        owner.kill()
        until(lambda: not exists(server))
        assert exists(child)
        os.kill(child, signal.SIGKILL)
    until(lambda: not keepers(home))
    assert "database system is shut down" in (home / "postgres" / "postgres.log").read_text()


def test_whoever_comes_right_after_a_killed_owner_is_served(home: Path) -> None:
    for _ in range(3):
        with running(OWNER, home) as owner:
            said(owner)
            owner.kill()
        with lease(home) as url:
            assert words(url) == ["chalk"]
            time.sleep(0.5)
            assert words(url) == ["chalk"]


def test_a_server_that_lost_its_keeper_gets_a_new_one(home: Path) -> None:
    with running(OWNER, home) as owner:
        said(owner)
        server = postmaster(home)
        [keeper] = keepers(home)
        os.kill(keeper, signal.SIGKILL)
        owner.kill()
    time.sleep(0.5)
    assert postmaster(home) == server
    with running(OWNER, home) as owner:
        said(owner)
        assert postmaster(home) == server
        assert len(keepers(home)) == 1
        owner.kill()
    until(lambda: not exists(server))


def test_a_forked_worker_keeps_the_server_after_its_parent_was_released(home: Path) -> None:
    forking = """
import os, sys, time
from pathlib import Path
from service.core.embedded import start
lease = start(Path(sys.argv[1]))
if os.fork():
    lease.release()
    print(lease.url, flush=True)
else:
    sys.stdin.read()
    lease.release()
"""
    with running(forking, home) as parent:
        url = said(parent)
        assert parent.wait(10) == 0
        time.sleep(0.5)
        assert words(url) == ["chalk"]
        assert parent.stdin
        parent.stdin.close()
        until(lambda: not status(home).running)


# Killed servers


def test_a_server_killed_in_use_is_started_again_with_its_data(home: Path) -> None:
    with running(OWNER, home) as owner:
        url = said(owner)
        query(url, "insert into kept values ('sponge')")
        os.kill(postmaster(home), signal.SIGKILL)
        with lease(home) as again:
            assert words(again) == ["chalk", "sponge"]
        assert words(url) == ["chalk", "sponge"]
        end(owner)
    assert not status(home).running


def test_a_query_that_outlives_its_killed_server_does_not_block_the_next(home: Path) -> None:
    busy = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b"
    with running(OWNER, home) as owner:
        conninfo = said(owner).replace("postgresql+psycopg", "postgresql")
        with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
            backend = connection.info.backend_pid
            connection.pgconn.send_query(busy.encode())
            time.sleep(0.3)
            os.kill(postmaster(home), signal.SIGKILL)
            time.sleep(0.3)
            assert exists(backend)
            with lease(home) as url:
                assert not exists(backend)
                assert words(url) == ["chalk"]


def test_a_server_killed_between_two_commands_recovers(home: Path) -> None:
    held = start(home)
    server = postmaster(home)
    os.kill(server, signal.SIGKILL)
    until(lambda: not exists(server))
    held.release()
    with lease(home) as url:
        assert words(url) == ["chalk"]


def test_a_zombie_is_not_taken_for_a_server(home: Path) -> None:
    held = start(home)
    server = postmaster(home)
    [keeper] = keepers(home)
    os.kill(keeper, signal.SIGSTOP)  # it cannot bury its child
    os.kill(server, signal.SIGKILL)
    until(lambda: not exists(server))
    try:
        assert Path(f"/proc/{server}").exists()
        assert not status(home).running
        with lease(home) as url:
            assert words(url) == ["chalk"]
    finally:
        os.kill(keeper, signal.SIGCONT)
        held.release()
    until(lambda: not keepers(home))


def test_a_stranger_with_the_pid_of_a_dead_server_is_left_alone(home: Path) -> None:
    held = start(home)
    server = postmaster(home)
    os.kill(server, signal.SIGKILL)
    until(lambda: not exists(server))
    held.release()
    data = home / "postgres" / "data"
    owner = data.stat()
    uid, gid = (owner.st_uid, owner.st_gid) if AS_ROOT else (None, None)
    with subprocess.Popen(["sleep", "60"], cwd="/", user=uid, group=gid) as stranger:
        try:
            for record in (data / "postmaster.pid", data / ".s.PGSQL.5432.lock"):
                record.write_text(record.read_text().replace(str(server), str(stranger.pid), 1))
            assert not status(home).running
            with lease(home) as url:
                assert words(url) == ["chalk"]
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_an_initdb_whose_command_was_killed_is_begun_afresh(empty: Path) -> None:
    with running(OWNER, empty) as owner:
        until(lambda: list(empty.glob("postgres/data.new-*/PG_VERSION")))
        owner.kill()
    assert not (empty / "postgres" / "data").exists()
    with lease(empty) as url:
        assert query(url, "select 1") == [(1,)]
    until(lambda: not at_work_below(empty))
    with lease(empty):
        assert [path.name for path in (empty / "postgres").glob("data*")] == ["data"]


@contextmanager
def recovery_held(home: Path, until_then: Callable[[], object]) -> Iterator[None]:
    """Lets the recovery rest once it has begun to redo, so that a fast machine has a long one too."""
    log = home / "postgres" / "postgres.log"
    over = threading.Event()

    def redoing() -> int | None:
        for pid in at_work_below(home):
            with suppress(OSError):
                if b"startup recovering" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    last_start = log.read_text().rpartition("starting PostgreSQL")[2]
                    return pid if "redo starts" in last_start else None
        return None

    def rest() -> None:
        while not over.wait(0.002):
            if (pid := redoing()) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    while not (until_then() or over.wait(0.02)):
                        pass
                    os.kill(pid, signal.SIGCONT)
                return

    brake = threading.Thread(target=rest)
    brake.start()
    try:
        yield
    finally:
        over.set()
        brake.join()


def crash_with_much_to_redo(home: Path) -> None:
    with running(OWNER, home) as owner:
        url = said(owner)
        for setting in ("max_wal_size = '8GB'", "checkpoint_timeout = '1h'", "synchronous_commit = off"):
            query(url, f"alter system set {setting}")
        query(url, "select pg_reload_conf()")
        query(url, "create table if not exists heavy as select n, n * 7 % 1000003 as m from series")
        query(url, "create index if not exists heavy_m on heavy (m)")
        query(url, "update heavy set m = m + 1")
        os.kill(postmaster(home), signal.SIGKILL)
        owner.kill()


def test_a_long_recovery_is_told_and_may_take_longer_than_one_is_willing_to_wait(home: Path) -> None:
    with lease(home) as url:
        query(url, "create view series as select n from generate_series(1, 300000) n")
    crash_with_much_to_redo(home)
    told: list[str] = []

    def tells() -> list[str]:
        return [reason for reason in told if re.search("redo|recovery", reason)]

    with recovery_held(home, tells), lease(home, on_wait=told.append) as url:
        assert words(url) == ["chalk"]
        assert query(url, "select count(*) from heavy") == [(300000,)]
    assert tells()
    assert "redo done" in (home / "postgres" / "postgres.log").read_text()
    crash_with_much_to_redo(home)
    impatient = r"Gave up after 0\.4 s: the database is not ready yet"
    later = time.monotonic() + 1.5
    with (
        recovery_held(home, lambda: time.monotonic() > later),
        pytest.raises(EmbeddedError, match=impatient),
    ):
        start(home, patience=0.4)
    with lease(home) as url:
        assert query(url, "select count(*) from heavy") == [(300000,)]


def test_a_server_that_dies_while_starting_is_told_apart_with_its_last_words(home: Path) -> None:
    with (home / "postgres" / "data" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match=r"ended while it was starting.*no_such_setting"):
        start(home)
    assert not status(home).running


# Surroundings


def test_nothing_in_the_environment_diverts_server_or_client(home: Path) -> None:
    hostile = {
        "PGHOST": "elsewhere.invalid",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "mallory",
        "PGDATABASE": "elsewhere",
        "PGDATA": "/nonexistent",
        "PGOPTIONS": "-c timezone=Asia/Tokyo",
        "PGSERVICE": "no_such_service",
        "PGTZ": "Asia/Tokyo",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGCONNECT_TIMEOUT": "1",
    }
    asking = """
import sys, psycopg
from pathlib import Path
from service.core.embedded import clean_environment, lease
with lease(Path(sys.argv[1])) as url:
    print(url, flush=True)
    clean_environment()
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        print(connection.execute("select current_user, current_setting('timezone')").fetchone(), flush=True)
    sys.stdin.read()
"""
    with running(asking, home, **hostile) as process:
        url = make_url(said(process))
        assert (url.username, url.database) == ("firstbell", "firstbell")
        assert url.query == {"host": str(home / "postgres" / "data"), "port": "5432"}
        environment = Path(f"/proc/{postmaster(home)}/environ").read_bytes()
        assert b"PGHOST" not in environment
        assert b"PGTZ" not in environment
        assert said(process) == "('firstbell', 'UTC')"
        end(process)


def foreign_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")


def foreign_cluster(folder: Path) -> None:
    shutil.copytree(folder / "data", folder.with_name("moved"))
    shutil.rmtree(folder)
    folder.with_name("moved").rename(folder)


def older_cluster(folder: Path) -> None:
    (folder / "data" / "PG_VERSION").write_text("16\n")


def older_marker(folder: Path) -> None:
    (folder / "firstbell.json").write_text(json.dumps({"postgresql": 16}))


def damaged_marker(folder: Path) -> None:
    (folder / "firstbell.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (foreign_cluster, "something that Firstbell did not make"),
        (older_cluster, "holds data of PostgreSQL 16"),
        (older_marker, "holds data of PostgreSQL 16"),
        (damaged_marker, "is damaged"),
    ],
)
def test_a_database_that_is_not_ours_is_refused_and_not_touched(
    home: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    if spoil is older_marker:
        shutil.rmtree(home / "postgres" / "data")
    spoil(home / "postgres")
    before = tree(home)
    with pytest.raises(EmbeddedError, match=sentence):
        start(home)
    assert tree(home) == before


def test_a_folder_with_files_of_somebody_else_is_refused_and_not_touched(empty: Path) -> None:
    foreign_files(empty / "postgres")
    before = tree(empty)
    with pytest.raises(EmbeddedError, match=r"did not make \(thesis.txt\)"):
        start(empty)
    assert tree(empty) == before


def test_other_things_in_the_home_do_not_matter(empty: Path) -> None:
    empty.mkdir()
    (empty / "settings.toml").write_text("")
    with lease(empty) as url:
        assert query(url, "select 1") == [(1,)]


def test_a_path_too_long_for_a_socket_is_reached_by_a_short_private_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home.parent))
    far = home.parent / ("far" * 40) / ("away ö" * 10)
    far.parent.mkdir()
    home.rename(far)
    with lease(far) as url:
        assert words(url) == ["chalk"]
        link = Path(str(make_url(url).query["host"]))
        assert stat.S_IMODE(link.parent.lstat().st_mode) == 0o700
        assert link.readlink() == far / "postgres" / "data"
        assert link.parent.parent == home.parent
    assert not status(far).running


@pytest.mark.parametrize("prepare", ["open", "link"])
def test_a_private_folder_that_others_prepared_is_not_used(
    empty: Path, monkeypatch: pytest.MonkeyPatch, prepare: str
) -> None:
    trap = empty.parent / f"firstbell-{os.geteuid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(trap.parent))
    if prepare == "open":
        trap.mkdir()
        trap.chmod(0o777)
    else:
        trap.symlink_to(empty.parent)
    assert embedded._private_folder().parent != trap.parent
    trap.rmdir() if prepare == "open" else trap.unlink()
    assert embedded._private_folder() == trap


# Accounts


ASKING = """
import sys
from pathlib import Path
from service.core.embedded import EmbeddedError, lease
try:
    with lease(Path(sys.argv[1])) as url:
        print(url)
except EmbeddedError as refusal:
    print(refusal)
"""


def ordinary(script: str, *args: object) -> "subprocess.CompletedProcess[str]":
    """Run a script as an ordinary user: as whoever we are, unless that is root."""
    nobody = pwd.getpwnam("nobody")
    uid, gid, groups = (nobody.pw_uid, nobody.pw_gid, list[int]()) if AS_ROOT else (None, None, None)
    packages = Path(psycopg.__file__).parents[1]
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        with suppress(PermissionError, FileNotFoundError):
            done = subprocess.run(
                [python, "-c", f"import psycopg, service.core.embedded\n{script}", *map(str, args)],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{packages}"},
                cwd="/",
                user=uid,
                group=gid,
                extra_groups=groups,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            if "ModuleNotFoundError" not in done.stderr and "ImportError" not in done.stderr:
                return done
    pytest.skip("no Python that an ordinary user may run with our packages")


@pytest.fixture
def ordinary_home(empty: Path) -> Iterator[Path]:
    if AS_ROOT:
        nobody = pwd.getpwnam("nobody")
        os.chown(empty.parent, nobody.pw_uid, nobody.pw_gid)
    yield empty
    empty.parent.chmod(0o700)


def asked(home: Path) -> str:
    done = ordinary(ASKING, home)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_ordinary_user_gets_the_same_life(ordinary_home: Path) -> None:
    done = ordinary(
        """
import os, signal, sys
from pathlib import Path
from service.core.embedded import lease, start, status
assert os.geteuid() != 0
home = Path(sys.argv[1])
with lease(home) as url:
    psycopg.connect(url.replace("+psycopg", "")).close()
    os.kill(status(home).pid, signal.SIGKILL)
    with lease(home) as again:
        assert again == url
        psycopg.connect(url.replace("+psycopg", "")).close()
assert not status(home).running
held = start(home)
print(status(home).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""",
        ordinary_home,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    until(lambda: not exists(int(done.stdout)))


@only_root
def test_what_root_starts_in_the_home_of_another_stays_usable_for_its_owner(ordinary_home: Path) -> None:
    ordinary_home.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(ordinary_home, nobody.pw_uid, nobody.pw_gid)
    with lease(ordinary_home) as url:
        assert query(url, "select 1") == [(1,)]
        assert Path(f"/proc/{postmaster(ordinary_home)}").stat().st_uid == nobody.pw_uid
    assert {path.lstat().st_uid for path in ordinary_home.rglob("*")} == {nobody.pw_uid}
    assert asked(ordinary_home) == url


@only_root
def test_programs_below_a_closed_folder_are_copied_once_for_the_account_of_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Path(embedded._programs(embedded.Account())).parents[1]
    libraries = wheel.with_name(f"{wheel.name}.libs")
    with tempfile.TemporaryDirectory(dir="/tmp") as closed, tempfile.TemporaryDirectory(dir="/tmp") as shared:
        subprocess.run(["cp", "-al", wheel, libraries, closed], check=True)
        monkeypatch.syspath_prepend(closed)
        Path(shared).chmod(0o755)
        monkeypatch.setattr(embedded, "SHARED_PROGRAMS", Path(shared) / "programs")
        for _ in range(2):
            with lease(home) as url:
                assert words(url) == ["chalk"]
                program = Path(f"/proc/{postmaster(home)}/exe").readlink()
                assert program.is_relative_to(shared)
        assert len(list((Path(shared) / "programs").iterdir())) == 1


# What can go wrong below us


def test_a_home_one_may_not_write_to_is_one_sentence(ordinary_home: Path) -> None:
    ordinary_home.parent.chmod(0o500)
    sentence = asked(ordinary_home)
    assert re.fullmatch(r"The database folder \S+ cannot be used: Permission denied \(\S+\)\.", sentence)


def test_a_data_folder_of_somebody_else_is_one_sentence(ordinary_home: Path) -> None:
    folder = ordinary_home / "postgres"
    folder.mkdir(parents=True)
    folder.chmod(0o000)
    sentence = asked(ordinary_home)
    folder.chmod(0o700)
    assert "cannot be used: Permission denied" in sentence


def alone(home: Path, script: str, namespace: str, prepare: str) -> str:
    """What the script says in a namespace of its own, which a shell command has prepared."""
    home.mkdir()
    shell = ["sh", "-c", f'{prepare} || exit 77; exec "$@"', "-"]
    done = subprocess.run(
        ["unshare", *namespace.split(), *shell, sys.executable, "-c", script, str(home)],
        env=script_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("may not make a namespace here")
    assert done.returncode == 0, done.stderr
    assert "\n" not in done.stdout.strip()
    return done.stdout.strip()


def small_disk(home: Path, script: str, options: str) -> str:
    return alone(home, script, "--mount", f"mount -t tmpfs -o {options} disk {home}")


def test_a_root_that_may_not_become_another_account_is_one_sentence(empty: Path) -> None:
    sentence = alone(empty, ASKING, "--user --map-root-user", "true")
    assert "root may not change to another account here; run Firstbell as an ordinary user" in sentence


@only_root
def test_a_disk_too_small_for_a_database_is_one_sentence(empty: Path) -> None:
    sentence = small_disk(empty, ASKING, "size=8m")
    assert "No space left on device" in sentence


@only_root
def test_a_disk_that_is_full_at_a_start_is_one_sentence(empty: Path) -> None:
    filling = ASKING.replace(
        "try:",
        """
home = Path(sys.argv[1])
with lease(home):
    pass
with suppress(OSError), (home / "ballast").open("wb", buffering=0) as ballast:
    while True:
        ballast.write(bytes(4096))
try:""",
    ).replace("import sys\n", "import sys\nfrom contextlib import suppress\n")
    sentence = small_disk(empty, filling, "size=80m")
    assert re.search("disk of .* is full|No space left on device", sentence)


@only_root
def test_a_read_only_disk_is_one_sentence(empty: Path) -> None:
    sentence = small_disk(empty, ASKING, "size=8m,ro")
    assert "cannot be used: Read-only file system" in sentence
