"""What happens in the demo's network by itself: things break and are put right, over and over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import Final

from service.demo.network.models.parts import Clock
from service.demo.network.plays import SchoolNetwork
from service.demo.network.school import Device

MINUTES: Final = 75.0
"""How long the story is; then it begins again."""

Play = Callable[[SchoolNetwork], object]


@dataclass(frozen=True, slots=True)
class Scene:
    """`minute` is counted from the story's beginning."""

    minute: float
    play: Play


def _port_of(network: SchoolNetwork, name: str) -> tuple[str, int]:
    device: Device = network[name]
    return device.spec.parent or "", device.port


SCENES: Final = (
    Scene(1, lambda school: school.jam("rhs-printer-library")),
    Scene(3, lambda school: school.port_down(*_port_of(school, "kbm-ap-202"))),
    Scene(6, lambda school: school.clear("rhs-printer-library")),
    Scene(8, lambda school: school.toner_low("kbm-printer-office")),
    Scene(10, lambda school: school.port_up(*_port_of(school, "kbm-ap-202"))),
    Scene(12, lambda school: school.power_cut("rhs-ups-mdf")),
    Scene(16, lambda school: school.power_back("rhs-ups-mdf")),
    Scene(18, lambda school: school.ap_lost("rhs-ap-103")),
    Scene(20, lambda school: school.replace_toner("kbm-printer-office")),
    Scene(24, lambda school: school.ap_back("rhs-ap-103")),
    Scene(26, lambda school: school.self_test("kbm-ups-mdf")),
    Scene(28, lambda school: school.power_back("kbm-ups-mdf")),
    Scene(30, lambda school: school.empty_toner("rhs-printer-201")),
    Scene(34, lambda school: school.die("kbm-sw-b")),
    Scene(38, lambda school: school.replace_toner("rhs-printer-201")),
    Scene(42, lambda school: school.revive("kbm-sw-b")),
    Scene(45, lambda school: school.open_door("kbm-printer-gym")),
    Scene(48, lambda school: school.reboot("rhs-sw-a")),
    Scene(50, lambda school: school.close_door("kbm-printer-gym")),
    Scene(52, lambda school: school.heat("kbm-sensor-mdf")),
    Scene(56, lambda school: school.silence("rhs-nas")),
    Scene(60, lambda school: school.cool("kbm-sensor-mdf")),
    Scene(64, lambda school: school.speak("rhs-nas")),
)

Sleep = Callable[[float], Awaitable[object]]


async def tell(
    school: SchoolNetwork, clock: Clock, *, minute: float = 60.0, sleep: Sleep = asyncio.sleep
) -> None:
    """Play the scenes at their minutes, for ever; `clock` gives seconds, a minute has `minute` of them."""
    began = clock()
    for times in count():
        for scene in SCENES:
            due = began + (times * MINUTES + scene.minute) * minute
            await sleep(max(due - clock(), 0.0))
            scene.play(school)
