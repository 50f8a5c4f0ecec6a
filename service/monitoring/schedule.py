"""When a device is asked next. PURE.

Devices are spread over their interval by a hash of their id, so that a district's worth of polls is a steady
trickle and a device keeps its second however often it was looked at in between.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def slot_after(device_id: int, interval: float, now: datetime) -> datetime:
    """The device's own next instant after `now`; `interval` in seconds."""
    phase = zlib.crc32(device_id.to_bytes(8, "big")) / 2**32 * interval
    passed = (now - EPOCH).total_seconds() - phase
    return EPOCH + timedelta(seconds=(passed // interval + 1) * interval + phase)


def next_look(device_id: int, interval: float, now: datetime, next_in: float | None) -> datetime:
    """The next slot, or sooner or later where diagnosis asks for it (`next_in`, seconds)."""
    if next_in is not None:
        return now + timedelta(seconds=next_in)
    return slot_after(device_id, interval, now)
