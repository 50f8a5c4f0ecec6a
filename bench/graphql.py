"""A page of 50 tickets x 6 fields through our GraphQL door, against bare Strawberry with its caches on."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import load
from bench.drive import request
from bench.rates import TICKETS, Operation, compare
from bench.serving import server
from bench.table import Row
from service.core.embedded import clean_environment, lease

FIELDS = "number subject status priority openedAt nextDueAt"
OURS = f"query ($q: String!) {{ tickets(filter: {{queue: $q}}, first: 50) {{ nodes {{ {FIELDS} }} }} }}"
BARE = f"query ($q: Int!) {{ tickets(queue: $q) {{ {FIELDS} }} }}"


def operation(desk: load.Desk) -> Operation:
    def page(ours: bool) -> Iterator[bytes]:
        bodies = [
            {"query": OURS, "variables": {"q": f"q{n:02}"}}
            if ours
            else {"query": BARE, "variables": {"q": n}}
            for n in range(1, load.QUEUES)
        ]
        token = desk.dispatcher if ours else ""
        return itertools.cycle([request("POST", "/graphql", token=token, body=body) for body in bodies])

    return Operation("graphql page of 50 x 6", 0.9, page)


def run() -> list[Row]:
    """On a database of its own."""
    clean_environment()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firstbell-bench-")))
        url = stack.enter_context(lease(home))
        desk = asyncio.run(load.load(url, TICKETS))
        ours = stack.enter_context(server("ours", url))
        return compare([operation(desk)], ours, stack.enter_context(server("strawberry", url)))
