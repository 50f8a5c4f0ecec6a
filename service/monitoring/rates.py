"""Counters as rates, and whether what we read now has run since we read it last.

PURE. Times are aware datetimes, `elapsed` is seconds. A counter that cannot be trusted gives no rate, never a
wrong one: the caller keeps the newest reading either way and has a rate again at the next poll.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from integrations.snmp.reading import Uptime

LAG: Final = 15.0
"""Seconds by which an agent's counters may be older than its answer: many refresh a cache now and then."""

MOST: Final = 1.25e11
"""What no counter of ours exceeds in a second: the octets of 1 Tbit/s. Stands where no speed is known."""

TICKS: Final = 100
"""TimeTicks are hundredths of a second."""

TICK_WRAPS: Final = (2**32, 2**31, 2**32 // 10)
"""Where TimeTicks start anew: after 497.1 days, after 248.6 (a signed counter), or after 49.7 (32 bits of
milliseconds, divided by ten).
"""

ENGINE_WRAPS: Final = (2**31,)
"""snmpEngineTime starts anew after 68 years (RFC 3414, 2.2.1)."""


@dataclass(frozen=True, slots=True)
class Counter:
    """`value` as read `at` an instant, from a Counter32 or a Counter64. Where that is not known, say 64: such
    a counter is never taken to have wrapped.
    """

    value: int
    at: datetime
    bits: Literal[32, 64] = 64


def rate(
    previous: Counter | None,
    now: Counter,
    *,
    rebooted: bool = False,
    discontinuity: bool = False,
    most: float | None = None,
) -> float | None:
    """What was counted in a second, zero or more; None where two readings do not tell.

    `discontinuity` says that ifCounterDiscontinuityTime is another than before. `most` is what can be counted
    in a second: a port's speed in octets. Only with it may a Counter32 have wrapped, and only if one number
    of wraps fits: at 1 Gbit/s and 300 s several do, which is None.
    """
    if previous is None or rebooted or discontinuity or previous.bits != now.bits:
        return None
    seconds = (now.at - previous.at).total_seconds()
    if seconds <= 0 or min(previous.value, now.value) < 0:
        return None
    return _told(now.value - previous.value, seconds, most, now.bits)


def _told(counted: int, seconds: float, most: float | None, bits: int) -> float | None:
    """The rate that a difference stands for, if only one can."""
    known = most is not None and most > 0
    limit = (most if most is not None and known else MOST) * (seconds + LAG)
    if bits == 32 and known:
        counted %= 2**32
        if counted + 2**32 <= limit:
            return None
    return counted / seconds if 0 <= counted <= limit else None


@dataclass(frozen=True, slots=True)
class Narrow:
    """A Counter32 among the counters of one answer, at the place `at`; it counts at most `most` in a second.
    `of` are the places of all counters of its instance, which are set back together.
    """

    at: int
    most: float
    of: tuple[int, ...]


def rates(
    previous: Sequence[int | None],
    now: Sequence[int | None],
    seconds: float,
    *,
    rebooted: bool = False,
    narrow: Callable[[], Iterable[Narrow]] = tuple,
) -> list[float | None]:
    """As `rate` for the counters of one answer, each with itself `seconds` ago; None is not read.

    One that fell gives no rate, but for one of `narrow` (asked for only then) that fell alone of its instance
    and can have gone round just once. One that did not fall is believed, also where it may have gone round
    unseen.
    """
    if rebooted or seconds <= 0:
        return [None] * len(now)
    limit = MOST * (seconds + LAG)
    found = [
        None
        if was is None or value is None or was < 0 or not 0 <= value - was <= limit
        else (value - was) / seconds
        for was, value in zip(previous, now, strict=True)
    ]
    if None in found and any(map(_fell, previous, now)):
        _go_round(found, previous, now, seconds, narrow())
    return found


def _go_round(
    found: list[float | None],
    previous: Sequence[int | None],
    now: Sequence[int | None],
    seconds: float,
    narrow: Iterable[Narrow],
) -> None:
    """Put the rates of counters that went round into `found`."""
    for one in narrow:
        was, value = previous[one.at], now[one.at]
        if was is None or value is None or not 0 <= value < was < 2**32:
            continue
        if sum(_fell(previous[at], now[at]) for at in one.of) == 1:
            found[one.at] = _told(value - was, seconds, one.most, 32)


def _fell(was: int | None, value: int | None) -> bool:
    return was is not None and value is not None and value < was


class Continuity(StrEnum):
    """`REBOOTED`: counters are new. `WRAPPED`: only the uptime started anew. `UNKNOWN`: no clock was read
    twice and fits the time that has passed.
    """

    REBOOTED = "rebooted"
    WRAPPED = "wrapped"
    SAME = "same"
    UNKNOWN = "unknown"


def judge_uptime(previous: Uptime | None, now: Uptime | None, elapsed: float) -> Continuity:
    """By snmpEngineTime with its boots, else hrSystemUptime, else sysUpTime: the first that makes sense.

    An agent that was restarted on a host that ran on is no reboot: hrSystemUptime overrules the other two.
    """
    if previous is None or now is None or elapsed < 0:
        return Continuity.UNKNOWN
    host = _ticks(previous.host_ticks, now.host_ticks, elapsed)
    ran_on = host if host in (Continuity.SAME, Continuity.WRAPPED) else None
    engine = _engine(previous, now, elapsed)
    if engine is Continuity.REBOOTED and ran_on:
        return ran_on
    return engine or host or _ticks(previous.ticks, now.ticks, elapsed) or Continuity.UNKNOWN


def seconds_up(uptime: Uptime | None) -> float | None:
    """How long the device has run at least; None if it does not say."""
    if uptime is None:
        return None
    if uptime.host_ticks is not None:
        return uptime.host_ticks / TICKS
    if uptime.engine_seconds is not None:
        return float(uptime.engine_seconds)
    return None if uptime.ticks is None else uptime.ticks / TICKS


def _engine(previous: Uptime, now: Uptime, elapsed: float) -> Continuity | None:
    said = _run(previous.engine_seconds, now.engine_seconds, elapsed, ENGINE_WRAPS)
    boots = (previous.engine_boots, now.engine_boots)
    if said is Continuity.SAME and None not in boots and boots[0] != boots[1]:
        young = now.engine_seconds is not None and now.engine_seconds <= elapsed + _slack(elapsed)
        return Continuity.REBOOTED if young else None
    return said


def _ticks(previous: int | None, now: int | None, elapsed: float) -> Continuity | None:
    return _run(_seconds(previous), _seconds(now), elapsed, [wrap / TICKS for wrap in TICK_WRAPS])


def _seconds(ticks: int | None) -> float | None:
    return None if ticks is None else ticks / TICKS


def _run(
    before: float | None, now: float | None, elapsed: float, wraps: Sequence[float]
) -> Continuity | None:
    """What one clock says; None if it stands still, leaps, or is not there.

    Who ran on shows `before + elapsed`; who started in between shows at most `elapsed`. All else is no clock.
    """
    if before is None or now is None or min(before, now) < 0:
        return None
    slack = _slack(elapsed)
    if now == before and elapsed > slack:
        return None
    due = before + elapsed
    if abs(now - due) <= slack:
        return Continuity.SAME
    if any(_wrapped(before, due, now, wrap, slack) for wrap in wraps):
        return Continuity.WRAPPED
    return Continuity.REBOOTED if now < due and now <= elapsed + slack else None


def _wrapped(before: float, due: float, now: float, wrap: float, slack: float) -> bool:
    """A clock that wraps never shows `wrap`; with the slack, `due` may lie a little before it."""
    if before >= wrap or due + slack < wrap:
        return False
    off = (now - due) % wrap
    return min(off, wrap - off) <= slack


def _slack(elapsed: float) -> float:
    """Seconds by which two clocks may differ: an answer's way with its retries, and drift."""
    return 10.0 + 0.002 * elapsed
