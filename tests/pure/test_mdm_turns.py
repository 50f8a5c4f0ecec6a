"""Turns at device managements: several where they answer, one at a time where one hangs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.mdm import turns
from service.mdm.turns import AT_ONCE, Turns


async def taken(stack: AsyncExitStack, line: Turns, connection: int, times: int) -> list[bool]:
    return [await stack.enter_async_context(line.of(connection)) for _ in range(times)]


async def test_so_many_ask_one_connection_and_others_are_not_kept_from_theirs() -> None:
    line = Turns()
    async with AsyncExitStack() as stack:
        assert await taken(stack, line, 1, AT_ONCE + 1) == [True] * AT_ONCE + [False]
        assert await taken(stack, line, 2, 1) == [True]
        assert await stack.enter_async_context(line.of(None))
    async with line.of(1) as is_ours:
        assert is_ours


async def test_a_turn_that_comes_free_soon_is_waited_for() -> None:
    line, done = Turns(), 0

    async def asks() -> None:
        nonlocal done
        async with line.of(1) as is_ours:
            await asyncio.sleep(0.05)
            done += is_ours

    await asyncio.gather(*(asks() for _ in range(4 * AT_ONCE)))
    assert done == 4 * AT_ONCE


async def test_one_that_hangs_is_asked_by_one_at_a_time_until_it_answers_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "HANGS", 0.05)
    line = Turns()
    async with line.of(1):
        await asyncio.sleep(0.1)
        async with line.of(1) as second:
            assert not second
    async with AsyncExitStack() as stack:
        assert await taken(stack, line, 1, 2) == [True, False]
    async with AsyncExitStack() as stack:
        assert await taken(stack, line, 1, 2) == [True, True]


async def test_what_goes_wrong_within_a_turn_gives_it_back() -> None:
    line = Turns()
    for _ in range(2 * AT_ONCE):
        with pytest.raises(LookupError):
            async with line.of(1):
                raise LookupError
    async with line.of(1) as is_ours:
        assert is_ours
