"""Whether a host is there at all, whatever its agent does. ICMP by icmplib, or TCP.

Many systems forbid ICMP to processes without privileges (Linux: net.ipv4.ping_group_range). That is no
proof against a host: then TCP is tried.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

from icmplib import async_ping  # type: ignore[import-untyped]
from icmplib.exceptions import ICMPLibError, SocketPermissionError  # type: ignore[import-untyped]

KNOCKED_PORTS = (443, 80, 22)
"""Where no port is named: some host's answer, even a refusal, is likely from one of these."""
PAUSE = 0.2
"""Seconds between tries that fail at once."""


class NotAllowed(Exception):
    """This process may not send ICMP here."""


async def reachable(
    address: str,
    *,
    by: Literal["icmp", "tcp"] = "icmp",
    port: int | None = None,
    tries: int = 3,
    timeout: float = 1.0,  # noqa: ASYNC109
    pause: float = PAUSE,
) -> bool:
    """Whether the host answers one of `tries`, each of at most `timeout` seconds, `pause` seconds apart.

    By TCP a named `port` must accept the connection. Without one a refusal proves the host as well. By ICMP
    where that is not allowed: as by TCP.
    """
    if by == "icmp":
        with suppress(NotAllowed):
            return await answers_ping(address, tries=tries, seconds=timeout, pause=pause)
    for attempt in range(tries):
        if attempt:
            await asyncio.sleep(min(pause, timeout))
        if await answers_tcp(address, port, timeout):
            return True
    return False


async def answers_ping(address: str, *, tries: int = 3, seconds: float = 1.0, pause: float = PAUSE) -> bool:
    """One echo reply will do. NotAllowed where neither kind of ICMP socket can be opened."""
    for attempt in range(tries):
        if attempt:
            await asyncio.sleep(min(pause, seconds))
        if await _pinged(address, seconds):
            return True
    return False


async def _pinged(address: str, seconds: float) -> bool:
    for privileged in (False, True):
        try:
            host = await async_ping(address, count=1, timeout=seconds, privileged=privileged)
        except SocketPermissionError:
            continue
        except (ICMPLibError, OSError):
            return False
        return bool(host.is_alive)
    raise NotAllowed


async def answers_tcp(address: str, port: int | None, seconds: float) -> bool:
    """A connection to `port`; without one a connection to or a refusal by any of a few usual ports."""
    if port is not None:
        return await _knocked(address, port, seconds) is True
    knocks = await asyncio.gather(*(_knocked(address, each, seconds) for each in KNOCKED_PORTS))
    return any(heard is not None for heard in knocks)


async def _knocked(address: str, port: int, seconds: float) -> bool | None:
    """True: accepted. False: refused by the host. None: nothing, or a router's word that there is no way."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return False
    except (OSError, TimeoutError):
        return None
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
