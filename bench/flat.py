"""Does it stay flat? The same reads at 10,000 and at 1,000,000 tickets, through our door, one client."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from bench import load
from bench.drive import Tally, drive, request
from bench.serving import server
from service.core.embedded import clean_environment, lease

SIZES = {10_000: 0.35, 1_000_000: 0.05}
"""Tickets, and the share that is open: at either size every queue has more than a page."""
AIM = 1.5
ROUNDS, SECONDS = 7, 0.7


def paths(desk: load.Desk) -> dict[str, list[tuple[str, str]]]:
    """What is asked, and with whose token."""
    queues = [f"/api/v1/tickets?queue=q{1 + n:02}&limit=50" for n in range(load.QUEUES - 1)]
    return {
        "queue page of 50": [(path, desk.dispatcher) for path in queues],
        "page of 5 schools": [("/api/v1/tickets?limit=50", desk.half_served)],
        "page of 5 schools and queues": [("/api/v1/tickets?limit=50", desk.technician)],
        "everything newest first": [("/api/v1/tickets?sort=newest&limit=50", desk.admin)],
        "search, rare word": [(f"/api/v1/tickets?q={load.RARE}", desk.admin)],
        "search, common word": [(f"/api/v1/tickets?q={load.COMMON}", desk.admin)],
        "search, common, 5 schools": [(f"/api/v1/tickets?q={load.COMMON}", desk.half_served)],
        "count open": [("/api/v1/tickets/count?open=true", desk.dispatcher)],
    }


def run() -> bool:
    """Print the table; False when the queue page missed its aim."""
    clean_environment()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstbell-bench-")))
        url = stack.enter_context(lease(home))
        desks = [
            asyncio.run(load.load(_database(url, size), size, open_share=s)) for size, s in SIZES.items()
        ]
        ports = [stack.enter_context(server("ours", desk.url)) for desk in desks]
        return compare(desks, ports)


def _database(url: str, size: int) -> str:
    name = f"tickets_{size}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def compare(desks: list[load.Desk], ports: list[int]) -> bool:
    small, large = (f"{desk.tickets:,}" for desk in desks)
    head = f"{small + ' p50':>16}{'p99':>8}{large + ' p50':>16}{'p99':>8}{'ratio':>7}{'aim':>6}"
    print(f"{'in ms, 1 client':<30}{head}")
    kept = True
    for name in paths(desks[0]):
        tallies = [Tally(), Tally()]
        asked = [
            itertools.cycle([request("GET", path, token=token) for path, token in paths(desk)[name]])
            for desk in desks
        ]
        for turn in range(ROUNDS + 1):
            for tally, port, requests in zip(tallies, ports, asked, strict=True):
                done = drive(port, requests, clients=1, seconds=SECONDS)
                if turn:
                    tally.rounds.append(done)
        (a, a99), (b, b99) = ((t.quantile(0.5), t.quantile(0.99)) for t in tallies)
        aim = AIM if name == "queue page of 50" else None
        missed = aim is not None and b / a > aim
        kept = kept and not missed
        said = f"{aim:>6.2f}" if aim else ""
        print(
            f"{name:<30}{a:>16.2f}{a99:>8.2f}{b:>16.2f}{b99:>8.2f}{b / a:>7.2f}{said}"
            f"{'  misses ratio' if missed else ''}",
            flush=True,
        )
    return kept
