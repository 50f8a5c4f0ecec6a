"""What breaks in a school's network, and how it is put right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from integrations.snmp.agent import Type, running
from integrations.snmp.agent.tree import SYS_UPTIME
from service.demo.network.models.hosts import set_used
from service.demo.network.models.parts import Clock
from service.demo.network.models.power import Source, show_apc, show_ups
from service.demo.network.models.printers import Trouble, set_toner, show
from service.demo.network.models.rooms import set_temperature
from service.demo.network.school import FIRST_ADDRESS, PORT, Spec
from service.demo.network.wiring import Wiring

WRAP = 2**32
FULL, LOW, EMPTY, NEW = 0.97, 4, 0, 100
HOT = 46.0


class SchoolNetwork(Wiring):
    """Two schools' devices on the loopback. Things break by one method and heal by the one behind it.

    Devices are named as in `devices`; KeyError for one that is not there.
    """

    def __init__(
        self,
        *,
        port: int = PORT,
        first: str = FIRST_ADDRESS,
        boot: float = 40.0,
        clock: Clock = time.monotonic,
        more: Sequence[Spec] = (),
    ) -> None:
        super().__init__(port=port, first=first, boot=boot, clock=clock, more=more)
        self._troubles: dict[str, set[Trouble]] = {}

    def jam(self, printer: str) -> None:
        self._ail(printer, Trouble.JAM)

    def clear(self, printer: str) -> None:
        """Take the jammed paper out."""
        self._mend(printer, Trouble.JAM)

    def open_door(self, printer: str) -> None:
        self._ail(printer, Trouble.DOOR)

    def close_door(self, printer: str) -> None:
        self._mend(printer, Trouble.DOOR)

    def toner_low(self, printer: str) -> None:
        set_toner(self[printer].tree, LOW)
        self._ail(printer, Trouble.TONER_LOW)

    def empty_toner(self, printer: str) -> None:
        set_toner(self[printer].tree, EMPTY)
        self._mend(printer, Trouble.TONER_LOW)
        self._ail(printer, Trouble.TONER_EMPTY)

    def replace_toner(self, printer: str) -> None:
        set_toner(self[printer].tree, NEW)
        self._mend(printer, Trouble.TONER_LOW, Trouble.TONER_EMPTY)

    def port_down(self, switch: str, port: int) -> None:
        """The cable of a port (its number) is out: what hangs on it is gone, and without power if it had it
        from there.
        """
        self.cut.add((switch, port))
        self.settle()

    def port_up(self, switch: str, port: int) -> None:
        self.cut.discard((switch, port))
        self.settle()

    async def flap(self, switch: str, port: int, times: int = 3, pause: float = 1.0) -> None:
        """Down and up so many times, with `pause` seconds between."""
        for _ in range(times):
            self.port_down(switch, port)
            await asyncio.sleep(pause)
            self.port_up(switch, port)
            await asyncio.sleep(pause)

    def power_cut(self, ups: str) -> None:
        """The load lives on the battery."""
        self._feed(ups, Source.BATTERY)

    def power_back(self, ups: str) -> None:
        self._feed(ups, Source.MAINS)

    def self_test(self, ups: str) -> None:
        """The UPS tries its battery: no outage. `power_back` ends it."""
        self._feed(ups, Source.TEST)

    def reboot(self, device: str) -> None:
        self.restart(device)

    def wrap_uptime(self, device: str, seconds: float = 30.0) -> None:
        """Let sysUpTime pass 2^32 hundredths in so many seconds, while snmpEngineTime goes on."""
        tree, agent = self[device].tree, self.agent(device)
        agent.engine.seconds = WRAP // 100
        tree.set(SYS_UPTIME, Type.TICKS, running(WRAP - int(100 * (seconds + tree.uptime))))

    def silence(self, device: str) -> None:
        """Its agent hears and does not answer; the device itself is there."""
        self.agent(device).faults.silent = True

    def speak(self, device: str) -> None:
        self.agent(device).faults.silent = False

    def unplug(self, device: str) -> None:
        """Nothing of it is there any more, nor of what hangs on it."""
        self.unplugged.add(device)
        self.settle()

    def plug(self, device: str) -> None:
        """It starts, which takes a while."""
        self.unplugged.discard(device)
        self.settle()

    def die(self, switch: str) -> None:
        self.unplug(switch)

    def revive(self, switch: str) -> None:
        self.plug(switch)

    def ap_lost(self, access_point: str) -> None:
        """Its controller has lost it."""
        self.lost.add(access_point)
        self.settle()

    def ap_back(self, access_point: str) -> None:
        self.lost.discard(access_point)
        self.settle()

    def fill_disk(self, store: str) -> None:
        set_used(self[store].tree, FULL)

    def free_disk(self, store: str) -> None:
        set_used(self[store].tree, 0.52)

    def heat(self, sensor: str) -> None:
        set_temperature(self[sensor].tree, HOT)

    def cool(self, sensor: str) -> None:
        set_temperature(self[sensor].tree)

    def troubles(self, printer: str) -> set[Trouble]:
        return self._troubles.setdefault(printer, set())

    def _ail(self, printer: str, trouble: Trouble) -> None:
        self.troubles(printer).add(trouble)
        show(self[printer].tree, self.troubles(printer))

    def _mend(self, printer: str, *troubles: Trouble) -> None:
        self.troubles(printer).difference_update(troubles)
        show(self[printer].tree, self.troubles(printer))

    def _feed(self, ups: str, source: Source) -> None:
        device = self[ups]
        assert device.battery is not None
        device.battery.feed(source, device.tree.uptime)
        tell = show_apc if device.spec.model.startswith("Smart") else show_ups
        tell(device.tree, device.battery)
