"""The demo's network for as long as `firstbell up --demo` runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from service.demo.network.plays import SchoolNetwork
from service.demo.network.school import FIRST_ADDRESS, PORT
from service.demo.network.story import tell

log = structlog.get_logger()


@asynccontextmanager
async def running(
    say: Callable[[str], None], *, port: int = PORT, first: str = FIRST_ADDRESS
) -> AsyncIterator[SchoolNetwork | None]:
    """Devices that answer and a story that is told, until the end of the block.

    Where a port is taken, `say` is told so, and there is no network.
    """
    school = SchoolNetwork(port=port, first=first)
    try:
        school.start()
    except OSError as error:
        say(f"The demo goes on without its simulated network: {first}:{port}: {error.strerror}.")
        yield None
        return
    story = asyncio.create_task(tell(school, time.monotonic))
    story.add_done_callback(_ended)
    try:
        yield school
    finally:
        story.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await story
        school.stop()


def _ended(story: asyncio.Task[None]) -> None:
    """A port that somebody took while its device was off ends the story; the devices go on."""
    if not story.cancelled() and (error := story.exception()) is not None:
        log.warning("demo_story_ended", error=str(error))
