"""Whether a host is there: what counts as an answer, and what does not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from integrations.snmp.agent.endpoint import Doorbell
from integrations.snmp.reach import NotAllowed, answers_ping, answers_tcp, reachable

ABSENT = "127.0.0.1.invalid"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue of connections is full: a new one is neither accepted nor refused."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    waiting = []
    for _ in range(3):
        knocking = socket.socket()
        knocking.setblocking(False)
        knocking.connect_ex(listening.getsockname())
        waiting.append(knocking)
    yield listening.getsockname()[1]
    for each in [*waiting, listening]:
        each.close()


async def test_an_accepted_connection_proves_the_host() -> None:
    door = Doorbell()
    door.open()
    try:
        assert await reachable("127.0.0.1", by="tcp", port=door.port, tries=1)
    finally:
        door.close()


async def test_a_refused_named_port_is_no_proof() -> None:
    door = Doorbell()
    door.open()
    door.close()
    started = time.monotonic()
    assert not await reachable("127.0.0.1", by="tcp", port=door.port, tries=2, timeout=0.05)
    assert time.monotonic() - started < 1.0


async def test_without_a_named_port_a_refusal_proves_the_host() -> None:
    assert await answers_tcp("127.0.0.1", None, 0.5)


async def test_a_port_that_says_nothing_takes_no_longer_than_its_tries(silent_port: int) -> None:
    started = time.monotonic()
    assert not await reachable("127.0.0.1", by="tcp", port=silent_port, tries=2, timeout=0.1)
    assert 0.2 <= time.monotonic() - started < 1.0


async def test_a_door_that_opens_at_the_second_try_is_enough() -> None:
    door = Doorbell()
    door.open()
    door.close()
    asking = asyncio.ensure_future(reachable("127.0.0.1", by="tcp", port=door.port, tries=3, timeout=0.3))
    await asyncio.sleep(0.05)
    door.open()
    assert await asking
    door.close()


async def test_a_name_that_means_nothing_is_not_there() -> None:
    for by in ("icmp", "tcp"):
        assert not await reachable(ABSENT, by=by, tries=1, timeout=0.5)  # type: ignore[arg-type]


async def test_ping_finds_this_host_or_says_that_it_may_not() -> None:
    allowed = _may_ping()
    if allowed:
        assert await answers_ping("127.0.0.1", tries=1)
    else:
        with pytest.raises(NotAllowed):
            await answers_ping("127.0.0.1", tries=1)
    assert await reachable("127.0.0.1")


def _may_ping() -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return True
    return False


async def test_where_ping_is_forbidden_tcp_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal, as sockets give it where neither kind of ICMP is allowed."""
    real = socket.socket

    class Restricted(real):  # type: ignore[misc, valid-type]
        def __init__(self, family: int = -1, type: int = -1, proto: int = -1, *others: object) -> None:  # noqa: A002
            if proto == socket.IPPROTO_ICMP:
                raise PermissionError(1, "Operation not permitted")
            super().__init__(family, type, proto, *others)

    door = Doorbell()
    door.open()
    monkeypatch.setattr(socket, "socket", Restricted)
    try:
        with pytest.raises(NotAllowed):
            await answers_ping("127.0.0.1", tries=1, seconds=0.2)
        assert await reachable("127.0.0.1", by="icmp", port=door.port, tries=1)
    finally:
        monkeypatch.undo()
        door.close()
