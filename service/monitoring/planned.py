"""How a device is polled, as of its last discovery, and where its numbers stand in a sample."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.snmp.reading import Port
from integrations.snmp.understanding import Plan
from service.monitoring.rates import Narrow

Name = tuple[str, str]
"""A metric and its instance."""


@dataclass(slots=True)
class Planned:
    """`positions`: name → place in the device's sample, from 1. `size` is the sample's, `places` are those of
    `Plan.counted` from 0: `size` where there is none yet. `stamp` tells whether counters that were kept are
    still those of the plan.
    """

    plan: Plan
    positions: dict[Name, int] = field(default_factory=dict)
    counted: tuple[Name, ...] = field(init=False)
    stamp: int = field(init=False)
    size: int = field(init=False)
    places: list[int] = field(init=False)
    ports: PortsSeen | None = None
    _of: dict[tuple[str, ...], list[tuple[int, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counted = self.plan.counted
        self.stamp = zlib.crc32(repr(self.counted).encode())
        self.place({})

    def narrow(self) -> list[Narrow]:
        """Counters of the plan that may go round, each with the places of all counters of its port."""
        of: dict[str, list[int]] = {}
        for at, (_, instance) in enumerate(self.counted):
            of.setdefault(instance, []).append(at)
        return [
            Narrow(at, most, tuple(of[self.counted[at][1]]))
            for at, most in self.plan.narrow.items()
            if most is not None
        ]

    def counters_of(self, metrics: tuple[str, ...]) -> list[tuple[int, str]]:
        """Which of the plan's counters are of these metrics, each with its instance."""
        found = self._of.get(metrics)
        if found is None:
            found = self._of[metrics] = [
                (n, instance) for n, (name, instance) in enumerate(self.counted) if name in metrics
            ]
        return found

    def place(self, positions: Mapping[Name, int]) -> None:
        """New numbers have got their places."""
        self.positions.update(positions)
        self.size = max(self.positions.values(), default=0)
        self.places = [self.positions.get(name, self.size + 1) - 1 for name in self.counted]


@dataclass(frozen=True, slots=True)
class PortsSeen:
    """The ports as they were found last, as `current` tells of them, and the checksum of that."""

    ports: list[Port]
    current: dict[str, Any]
    checksum: int
