"""The demo's computers as whoever manages them would find them: when each was last seen, and how it is. Pure,
and the same each time for the same devices.
"""

from __future__ import annotations

import random
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.assets.models import AssetKind

Row = dict[str, Any]
"""A device as its vendor writes it."""

GB: Final = 1_000_000_000
ADDRESS: Final = "127.0.0.1"
OFTEN: Final = 1_300
"""Minutes within which most devices were seen."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A device of the inventory. `school` is the short name of its school, `email` its holder's address."""

    tag: str
    serial: str
    kind: AssetKind
    model: str
    school: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """How a device is. `seen` None: never; `is_on`: it answers these days. `charge`, `health` and `used`
    (storage) are percent; `number` is its own, for addresses and versions.
    """

    seen: datetime | None
    is_on: bool
    charge: int
    health: int
    cycles: int
    used: int
    number: int


@dataclass(slots=True)
class Fleet:
    """The devices of one management, in a fixed order."""

    devices: list[Owned]
    lives: dict[str, Life]

    @classmethod
    def of(cls, devices: Iterable[Owned], now: datetime) -> Fleet:
        ordered = sorted(devices, key=lambda one: one.serial)
        return cls(ordered, dict(_lives(ordered, now)))

    def awkward(self, count: int) -> list[Owned | None]:
        """The first that nobody holds and that answer; None for what is not there."""
        spare = (one for one in self.devices if one.email is None and self.lives[one.serial].is_on)
        return [next(spare, None) for _ in range(count)]

    def __iter__(self) -> Iterator[tuple[Owned, Life]]:
        return ((one, self.lives[one.serial]) for one in self.devices)


def _lives(devices: Sequence[Owned], now: datetime) -> Iterator[tuple[str, Life]]:
    rank = 0
    for one in devices:
        known = random.Random(one.serial)  # noqa: S311  (a demo, not a secret)
        seen: datetime | None = now - timedelta(minutes=known.randint(3, OFTEN))
        is_on = one.email is not None or rank % 11 not in (0, 4, 7)
        if not is_on:
            seen = _long_ago(rank, now)
        rank += one.email is None
        yield (
            one.serial,
            Life(
                seen=seen,
                is_on=is_on,
                charge=known.randint(12, 100),
                health=known.choice([98, 95, 91, 86, 79, 62]),
                cycles=known.randint(20, 700),
                used=known.choice([31, 48, 55, 67, 96]),
                number=zlib.crc32(one.serial.encode()),
            ),
        )


def _long_ago(rank: int, now: datetime) -> datetime | None:
    """The first was never seen, others for some days or weeks."""
    if rank == 0:
        return None
    days = {0: 9, 4: 21 + rank % 40, 7: 4}[rank % 11]
    return now - timedelta(days=days, minutes=rank)


def name_of(vendor: str, serial: str) -> str:
    """An id that stays a device's own."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{vendor}:{serial}"))


def mac_of(life: Life) -> str:
    """Twelve hex digits, locally administered."""
    return f"02fb{life.number:08x}"


def address_of(life: Life) -> str:
    return f"10.{20 + life.number % 8}.{life.number >> 8 & 0xFF}.{2 + life.number % 250}"


def written(at: datetime) -> str:
    """As Google and Microsoft write an instant."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def said(at: datetime) -> str:
    """As Jamf School writes one."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def schools_short(names: Mapping[str, str]) -> dict[str, str]:
    """What people call schools, by id: the first two words of their names."""
    return {school_id: " ".join(name.split()[:2]) for school_id, name in names.items()}
