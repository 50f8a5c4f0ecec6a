"""A server process with one worker on a free port of the loopback: `python -m bench.serving NAME URL`.

It prints its port, then serves until it is told to stop. Both sides run under the same uvicorn.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _app(name: str, url: str) -> Any:
    if name == "ours":
        from service.app import make_app
        from service.core import logs

        logs.configure()
        return make_app(url)
    if name == "floor":
        from bench.floor import make_floor

        return make_floor(url)
    from bench.strawberry_floor import make_strawberry_floor

    return make_strawberry_floor(url)


def main() -> None:
    import uvicorn

    name, url = sys.argv[1:]
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    config = uvicorn.Config(
        _app(name, url),
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        server_header=False,
        timeout_graceful_shutdown=5,
        backlog=1024,
    )
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def server(name: str, url: str) -> Iterator[int]:
    """The port of a server in a process of its own, stopped afterwards; its log lines go to a file."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FIRSTBELL_")}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.serving", name, url],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=Path(__file__).parents[1],
            env=environment,
            text=True,
        )
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port:
                log.seek(0)
                raise RuntimeError(f"{name} did not start: {log.read()[-2000:]}")
            yield int(port)
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    main()
