"""One hour of a large district, second by second, without a device: does the schedule stay level? PURE.

Devices are due when service/monitoring/schedule.py says so. What has been down for long goes out on the slow
queue, whose looks come the rarer the longer the outage; each of its batches waits for time-outs.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.monitoring.polling import BATCH, SLOW_BATCH
from service.monitoring.rules import Rules
from service.monitoring.schedule import next_look, slot_after

BEGINS = datetime(2026, 9, 14, 8, 0, tzinfo=UTC)
HANDED_OUT_EVERY = 5
HOUR = 3600
SEED = 7


@dataclass(frozen=True, slots=True)
class District:
    """`interval` in seconds; `dead` of the devices are down, each since some time of the last day.

    A poll costs `cpu` seconds, and `rate` of them are done in a second; a batch of dead ones takes `silence`
    seconds.
    """

    devices: int
    dead: int
    interval: float
    cpu: float
    rate: float
    silence: float = 4.0


@dataclass(slots=True)
class Hour:
    """`core` is the share of one core; queues in devices, waits in seconds from due to done, at most."""

    polls: int = 0
    slow_polls: int = 0
    core: float = 0.0
    longest_queue: int = 0
    longest_slow_queue: int = 0
    longest_wait: float = 0.0
    busiest: int = 0
    """Most devices handed out at once."""


@dataclass(slots=True)
class _Queue:
    waiting: deque[tuple[datetime, int]] = field(default_factory=deque)
    free_at: float = 0.0


def replay(district: District) -> Hour:
    """What an hour from 8 o'clock brings."""
    rng, rules, found = random.Random(SEED), Rules(), Hour()
    down_since = {
        device: BEGINS - timedelta(seconds=rng.uniform(0, 86_400)) for device in range(1, district.dead + 1)
    }
    due = [(_first(district, rules, down_since, device), device) for device in range(1, district.devices + 1)]
    heapq.heapify(due)
    usual, slow = _Queue(), _Queue()
    for second in range(0, HOUR, HANDED_OUT_EVERY):
        now = BEGINS + timedelta(seconds=second)
        handed = 0
        while due and due[0][0] <= now:
            at, device = heapq.heappop(due)
            (slow if device in down_since else usual).waiting.append((at, device))
            handed += 1
        found.busiest = max(found.busiest, handed)
        found.longest_queue = max(found.longest_queue, len(usual.waiting))
        found.longest_slow_queue = max(found.longest_slow_queue, len(slow.waiting))
        done = _worked(usual, second, BATCH, BATCH / district.rate)
        done_slow = _worked(slow, second, SLOW_BATCH, district.silence)
        found.polls += len(done)
        found.slow_polls += len(done_slow)
        for ended, at, device in done + done_slow:
            moment = BEGINS + timedelta(seconds=ended)
            found.longest_wait = max(found.longest_wait, (moment - at).total_seconds())
            wait = _down_in(rules, moment - down_since[device]) if device in down_since else None
            heapq.heappush(due, (next_look(device, district.interval, moment, wait), device))
    found.core = (found.polls + found.slow_polls) * district.cpu / HOUR
    return found


def _first(district: District, rules: Rules, down_since: dict[int, datetime], device: int) -> datetime:
    if device in down_since:
        last = _down_in(rules, BEGINS - down_since[device])
        return BEGINS + timedelta(seconds=random.Random(device).uniform(0, last))
    return slot_after(device, district.interval, BEGINS)


def _down_in(rules: Rules, outage: timedelta) -> float:
    """As service/monitoring/diagnosis.py does: after a tenth of the outage, within bounds."""
    return min(max(outage.total_seconds() / 10, rules.down_seconds), rules.slowest_seconds)


def _worked(queue: _Queue, second: int, size: int, takes: float) -> list[tuple[float, datetime, int]]:
    """Batches that are begun before the next hand-out: when each device was done, was due, and which."""
    done = []
    queue.free_at = max(queue.free_at, float(second))
    while queue.waiting and queue.free_at < second + HANDED_OUT_EVERY:
        batch = [queue.waiting.popleft() for _ in range(min(size, len(queue.waiting)))]
        queue.free_at += takes * (len(batch) / size if size == BATCH else 1)
        done += [(queue.free_at, at, device) for at, device in batch]
    return done
