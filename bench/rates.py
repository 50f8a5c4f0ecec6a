"""The six operations against the floor, on 100,000 tickets, in short turns: ours, floor, ours, floor, …"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.drive import Round, Tally, drive, ratio, request
from bench.serving import server
from bench.table import Row, show
from service.core.embedded import clean_environment, lease

TICKETS = 100_000
CLIENTS = 1, 16
ROUNDS, SECONDS = 5, 1.0
MOST_WRITES = 900
"""At most so many writes a turn: every ticket is answered and resolved once, by one side."""


@dataclass(frozen=True)
class Operation:
    name: str
    aim: float
    requests: Callable[[bool], Iterator[bytes]]
    """The requests for our side (True) or the floor's."""
    most: int = 1 << 30


def operations(desk: load.Desk, unanswered: range) -> list[Operation]:
    """What is measured. The technician serves every queue; the page and the search have 50 tickets each."""
    rng = random.Random(7)
    numbers = [1001 + rng.randrange(desk.tickets) for _ in range(5000)]
    queues = [1 + n % (load.QUEUES - 1) for n in range(load.QUEUES - 1)]
    own = {True: unanswered[::2], False: unanswered[1::2]}
    to_reply = {side: iter(own[side]) for side in own}
    to_resolve = {side: iter(own[side]) for side in own}
    tech, teacher, admin = desk.dispatcher, desk.teacher, desk.admin

    def fetch(ours: bool) -> Iterator[bytes]:
        return _cycle([_get(f"/tickets/{n}", tech, ours) for n in numbers])

    def page(ours: bool) -> Iterator[bytes]:
        paths = [f"/tickets?queue=q{q:02}&limit=50" if ours else f"/tickets?queue={q}" for q in queues]
        return _cycle([_get(path, tech, ours) for path in paths])

    def search(ours: bool) -> Iterator[bytes]:
        return _cycle([_get(f"/tickets?q={load.FEW}" if ours else f"/search?q={load.FEW}", admin, ours)])

    def opened(ours: bool) -> Iterator[bytes]:
        for n in itertools.count():
            body = {
                "subject": "Projector shows no picture",
                "description": f"Blue screen since second period, cable checked. {n}",
                "place_id": f"{1 + n % load.SCHOOLS:04}-101",
                "category": "av.projector",
            }
            yield _post("/tickets", teacher, ours, body)

    def reply(ours: bool) -> Iterator[bytes]:
        body = {"body": "I swapped the cable; please try again."}
        return (_post(f"/tickets/{n}/reply", tech, ours, body) for n in to_reply[ours])

    def resolve(ours: bool) -> Iterator[bytes]:
        body = {"resolution": "Replaced the cable.", "cause": "av.cable", "fix": "onsite.replace_part"}
        return (_post(f"/tickets/{n}/resolve", tech, ours, body) for n in to_resolve[ours])

    return [
        Operation("fetch", 0.6, fetch),
        Operation("queue page of 50", 0.6, page),
        Operation("search, 0.2 % hits", 0.6, search),
        Operation("open", 0.5, opened, MOST_WRITES),
        Operation("reply", 0.5, reply, MOST_WRITES),
        Operation("resolve", 0.5, resolve, MOST_WRITES),
    ]


def measure(operation: Operation, ours: int, floor: int, clients: int) -> tuple[Tally, Tally]:
    """Alternating turns on the two ports, after one that does not count."""
    tallies = Tally(), Tally()
    sides = (ours, operation.requests(True)), (floor, operation.requests(False))
    for turn in range(ROUNDS + 1):
        for tally, (port, requests) in zip(tallies, sides, strict=True):
            seconds = SECONDS if turn else 0.3
            done: Round = drive(port, requests, clients=clients, seconds=seconds, most=operation.most)
            if turn:
                tally.rounds.append(done)
    return tallies


def run() -> list[Row]:
    """The six operations, on one database."""
    clean_environment()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstbell-bench-")))
        url = stack.enter_context(lease(home))
        desk = asyncio.run(load.load(url, TICKETS))
        writes = (ROUNDS + 1) * MOST_WRITES * len(CLIENTS) * 2 + 100
        unanswered = load.add_tickets(url, writes, open_share=1.0, answered=False)
        ours, floor = stack.enter_context(server("ours", url)), stack.enter_context(server("floor", url))
        return compare(operations(desk, unanswered), ours, floor)


def compare(wanted: list[Operation], ours: int, floor: int, only: str = "") -> list[Row]:
    rows = []
    for operation in wanted:
        if only not in operation.name:
            continue
        for clients in CLIENTS:
            mine, bare = measure(operation, ours, floor, clients)
            rows.append(Row.of(operation.name, clients, mine, bare, operation.aim, ratio(mine, bare)))
            show([rows[-1]], header=len(rows) == 1)
    return rows


def _cycle(requests: list[bytes]) -> Iterator[bytes]:
    return itertools.cycle(requests)


def _get(path: str, token: str, ours: bool) -> bytes:
    return request("GET", f"/api/v1{path}", token=token) if ours else request("GET", path)


def _post(path: str, token: str, ours: bool, body: object) -> bytes:
    return (
        request("POST", f"/api/v1{path}", token=token, body=body)
        if ours
        else request("POST", path, body=body)
    )
