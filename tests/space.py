"""Where tests keep databases: in memory where there is room, as dozens are made, copied and thrown away, and
no test takes the machine's power away."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from service.core import embedded

MEMORY = Path("/dev/shm")  # noqa: S108
ROOM = 4 << 30  # bytes
ABANDONED = 3600.0  # seconds


def space() -> Path:
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy else Path(tempfile.gettempdir())


def home_of_a_run(prefix: str) -> Path:
    """A folder for this run's server. Those of runs that were killed are cleared away."""
    for old in space().glob(f"{prefix}*"):
        if time.time() - old.stat().st_mtime > ABANDONED and not embedded.status(old).running:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=space()))
