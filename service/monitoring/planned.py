"""How a device is polled, as of its last discovery, and where its numbers stand in a sample."""

from __future__ import annotations

from dataclasses import dataclass, field

from integrations.snmp.understanding import Plan


@dataclass(slots=True)
class Planned:
    """`positions`: (metric, instance) → place in the device's sample, from 1."""

    plan: Plan
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
