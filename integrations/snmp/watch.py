"""The poller watches itself: when many devices fail at once, the fault may be here or in an uplink.

Kernel counters from Linux's /proc/net/snmp (RFC 4113 and udp(7)); unknown elsewhere. They count for the
whole network namespace.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

COUNTERS = Path("/proc/net/snmp")
LAG_LIMIT = 0.5
"""Seconds: an answer that waits as long for the loop looks like a slow agent, and two make a time-out."""
FAILED_SHARE = 0.2
FEWEST_FAILED = 3
MINUTE = 60.0


class Judgement(StrEnum):
    TRUSTED = "trusted"
    SUSPECTS_ITSELF = "suspects_itself"
    SUSPECTS_UPLINK = "suspects_uplink"


class Cause(StrEnum):
    KERNEL_DROPS = "kernel_drops"
    LOOP_LAG = "loop_lag"


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts from an unknown beginning: two samples tell what was in between, also where rounds overlap.

    `drops`: datagrams lost in this host's receive buffers; None where the system does not say. `late`: how
    often the event loop came later than `LAG_LIMIT`. `lag`: its worst lateness (seconds) of the last minute.
    """

    drops: int | None = None
    late: int = 0
    lag: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`share` of what was polled failed; `drops` and `lag` while it was polled."""

    judgement: Judgement
    cause: Cause | None = None
    share: float = 0.0
    drops: int | None = None
    lag: float = 0.0

    @property
    def holds_tickets(self) -> bool:
        return self.judgement is not Judgement.TRUSTED


def verdict(before: Sample, after: Sample, polled: int, failed: int, usual_failed: float = 0.0) -> Verdict:
    """What a round's failures are worth. PURE.

    `usual_failed`: how many fail in a usual round, such as hosts that are known to be down. Without failures
    above that there is nothing to hold. Otherwise lost datagrams and a late loop come first: they explain
    any failure. An uplink is suspected where at least `FEWEST_FAILED` more than usual and more than
    `FAILED_SHARE` of those that usually answer failed.
    """
    unusual = failed - usual_failed
    drops = _grown(before.drops, after.drops)
    share = unusual / max(polled - usual_failed, 1) if unusual > 0 else 0.0

    def judged(judgement: Judgement, cause: Cause | None = None) -> Verdict:
        return Verdict(judgement, cause, share, drops, after.lag)

    if unusual <= 0:
        return judged(Judgement.TRUSTED)
    if drops:
        return judged(Judgement.SUSPECTS_ITSELF, Cause.KERNEL_DROPS)
    if after.late > before.late:
        return judged(Judgement.SUSPECTS_ITSELF, Cause.LOOP_LAG)
    if unusual >= FEWEST_FAILED and share > FAILED_SHARE:
        return judged(Judgement.SUSPECTS_UPLINK)
    return judged(Judgement.TRUSTED)


def _grown(before: int | None, after: int | None) -> int | None:
    """A counter that fell was begun anew: all that it counts is new."""
    if before is None or after is None:
        return None
    return after - before if after >= before else after


def udp_drops(text: str) -> int | None:
    """RcvbufErrors of a /proc/net/snmp, or InErrors where an older kernel does not count them apart. None
    where there are neither. PURE.

    InErrors includes RcvbufErrors and wrong checksums, so the two are never added.
    """
    lines = [line.split() for line in text.splitlines() if line.startswith("Udp:")]
    if len(lines) != 2:
        return None
    counted = dict(zip(lines[0], lines[1], strict=False))
    for name in ("RcvbufErrors", "InErrors"):
        if counted.get(name, "").isdigit():
            return int(counted[name])
    return None


class Watch:
    """Looks at the event loop's lateness every `interval` seconds from `start` until `close`."""

    def __init__(self, counters: Path = COUNTERS, interval: float = 0.1) -> None:
        self.counters = counters
        self.interval = interval
        self._lags: deque[float] = deque(maxlen=max(int(MINUTE / interval), 1))
        self._late = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Inside a running event loop."""
        if self._timer is None:
            self._schedule(asyncio.get_running_loop())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sample(self) -> Sample:
        """The state now, a look that is overdue included."""
        overdue = self._overdue()
        late = self._late + (overdue > LAG_LIMIT)
        return Sample(self._drops(), late, max(overdue, max(self._lags, default=0.0)))

    def _overdue(self) -> float:
        if self._timer is None:
            return 0.0
        return max(asyncio.get_running_loop().time() - self._timer.when(), 0.0)

    def _drops(self) -> int | None:
        try:
            return udp_drops(self.counters.read_text())
        except (OSError, ValueError):
            return None

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_at(loop.time() + self.interval, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        lag = self._overdue()
        self._lags.append(lag)
        self._late += lag > LAG_LIMIT
        if self._timer is not None:
            self._schedule(loop)
