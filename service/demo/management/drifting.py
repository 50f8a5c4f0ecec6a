"""What the demo's devices do by themselves: now and then one checks in, and a Chromebook that was told to do
something checks in when it has done it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from integrations.mdm.simulated.google import SimulatedGoogle
from integrations.mdm.simulated.intune import SimulatedIntune
from integrations.mdm.simulated.jamf_school import SimulatedJamfSchool
from integrations.mdm.simulated.server import Answer, Asked
from service.demo.management.fleet import Row, said, written

TICK: Final = 5.0
"""Seconds between check-ins, one in each management."""
APART: Final = 7
"""Devices that take turns lie so far apart in the list, so that no school goes first."""
EMPTY: Final = 10
"""Percent of charge at which a device is plugged in."""


class ObeyedGoogle(SimulatedGoogle):
    """Whoever has carried out a command has thereby checked in."""

    async def answer(self, asked: Asked) -> Answer:
        for command in self.commands.values():
            device_id = command["deviceId"]
            done = datetime.fromisoformat(command["issueTime"]) + 3 * self.step
            if _answers(self, device_id) and self._seen(device_id) < done <= self.clock.now:
                set_seen(self, device_id, done)
        return await super().answer(asked)

    def _seen(self, device_id: str) -> datetime:
        """To the second, rounded up: that is how it is written."""
        return datetime.fromisoformat(self.devices[device_id]["lastSync"]) + timedelta(seconds=1)


Managed = SimulatedGoogle | SimulatedJamfSchool | SimulatedIntune


@dataclass(slots=True)
class Turns:
    """Whose turn it is to check in. Who is off, or gone, is left out."""

    simulator: Managed
    order: list[str] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        ids = sorted(self.simulator.devices)
        self.order = [one for first in range(APART) for one in ids[first::APART]]

    def next(self) -> str | None:
        for _ in self.order:
            device_id = self.order[self.at]
            self.at = (self.at + 1) % len(self.order)
            if _answers(self.simulator, device_id):
                return device_id
        return None


class Drift:
    def __init__(self, simulators: Iterable[Managed]) -> None:
        self._turns = [Turns(simulator) for simulator in simulators]

    def step(self) -> None:
        """One device of each checks in."""
        for turns in self._turns:
            device_id = turns.next()
            if device_id is not None:
                check_in(turns.simulator, device_id)
            # Requests are kept for tests to look at; here they would only grow.
            turns.simulator.log.clear()


async def drift(simulators: Iterable[Managed], tick: float = TICK) -> None:
    """For ever, every `tick` seconds."""
    going = Drift(simulators)
    while True:
        await asyncio.sleep(tick)
        going.step()


def _answers(simulator: Managed, device_id: str) -> bool:
    return device_id in simulator.devices and device_id not in simulator.off


def check_in(simulator: Managed, device_id: str) -> None:
    """Now, with a battery that was used meanwhile."""
    now = simulator.clock.now
    set_seen(simulator, device_id, now)
    row = simulator.devices[device_id]
    match simulator:
        case SimulatedGoogle():
            if (telemetry := simulator.telemetry.get(device_id)) is not None:
                _use_battery(telemetry, now)
        case SimulatedJamfSchool():
            row["batteryLevel"] = _used(round(row["batteryLevel"] * 100)) / 100
        case SimulatedIntune():
            if "batteryLevelPercentage" in row["-hardware"]:
                charge = int(row["-hardware"]["batteryLevelPercentage"])
                row["-hardware"]["batteryLevelPercentage"] = float(_used(charge))


def set_seen(simulator: Managed, device_id: str, at: datetime) -> None:
    """When a device last checked in, as its vendor writes that."""
    row = simulator.devices[device_id]
    match simulator:
        case SimulatedGoogle():
            row["lastSync"] = written(at)
        case SimulatedJamfSchool():
            row["lastCheckin"] = row["modified"] = said(at)
        case SimulatedIntune():
            row["lastSyncDateTime"] = written(at)


def _use_battery(telemetry: Row, now: datetime) -> None:
    report: dict[str, Any] = telemetry["batteryStatusReport"][0]
    sample, full = report["sample"][0], int(report["fullChargeCapacity"])
    report["reportTime"] = sample["reportTime"] = written(now)
    charge = _used(100 * int(sample["remainingCapacity"]) // full)
    sample["remainingCapacity"] = str(full * charge // 100)


def _used(charge: int) -> int:
    """Percent, some time later."""
    return charge - 4 if charge > EMPTY else 100
