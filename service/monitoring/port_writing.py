"""SETs on one port of a switch: read first, write once, read back. No database.

Only `pethPsePortAdminEnable` (RFC 3621) and `ifAdminStatus` (RFC 2863) are ever written. A SET whose answer
was lost is not repeated: the value is read, and decides.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from integrations.snmp.decoding import text
from integrations.snmp.reading import Port
from integrations.snmp.target import AgentRefused, Answers, SetType, SnmpError, Target
from service.monitoring.port_rules import PortVerb

POWER_ADMIN: Final = "1.3.6.1.2.1.105.1.1.1.3"
POWER_STATE: Final = "1.3.6.1.2.1.105.1.1.1.6"
ADMIN: Final = "1.3.6.1.2.1.2.2.1.7"
OPER: Final = "1.3.6.1.2.1.2.2.1.8"
DESCRIPTION: Final = "1.3.6.1.2.1.2.2.1.2"
NAME: Final = "1.3.6.1.2.1.31.1.1.1.1"
WRITABLE: Final = frozenset({POWER_ADMIN, ADMIN})
ON, OFF = 1, 2  # TruthValue and ifAdminStatus agree on these
DELIVERING: Final = 3
RESTORES: Final = 3


class Asker(Protocol):
    """What is needed of a transport."""

    async def get(self, target: Target, oids: Any) -> Answers: ...

    async def set(self, target: Target, values: Any) -> None: ...


class Result(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Ended:
    result: Result
    detail: str


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two looks, and how long the power may take to come back."""

    between: float = 2.0
    longest: float = 60.0


@dataclass(frozen=True, slots=True)
class Before:
    """What stood there before anything was written: the two administrative states and the power's state."""

    admin: int | None = None
    power_admin: int | None = None
    power_state: int | None = None

    def to_json(self) -> dict[str, int | None]:
        return asdict(self)


class Moved(Exception):
    """The interface at the port's index has another name by now: the port's key."""


class PortWriter:
    """One port of one agent: asked with `reading`, written with `writing`."""

    def __init__(
        self, transport: Asker, reading: Target, writing: Target, port: Port, pace: Pace | None = None
    ) -> None:
        self._transport = transport
        self._reading = reading
        self._writing = replace(writing, retries=0)
        self._port = port
        self._pace = pace or Pace()

    async def before(self) -> Before:
        """The present state. Moved where the index is another port's now; SnmpError without an answer."""
        index = self._port.index
        power = [f"{POWER_ADMIN}.{self._port.poe_index}", f"{POWER_STATE}.{self._port.poe_index}"]
        wanted = [f"{NAME}.{index}", f"{DESCRIPTION}.{index}", f"{ADMIN}.{index}"]
        said = await self._transport.get(self._reading, wanted + (power if self._port.poe_index else []))
        if not self._is_same(said.get(wanted[0]), said.get(wanted[1])):
            raise Moved(self._port.key)
        return Before(_int(said.get(wanted[2])), _int(said.get(power[0])), _int(said.get(power[1])))

    async def cycle(self, before: Before, seconds: float) -> Ended:
        """Power off, `seconds`, power on, until it is delivered again. Whatever happens in between, the power
        comes back on as far as the device lets it.
        """
        off = await self._write(POWER_ADMIN, self._port.poe_index, OFF)
        if off is not None and off.result is not Result.UNVERIFIABLE:
            return off
        try:
            if off is None:
                await asyncio.sleep(seconds)
        finally:
            on = await asyncio.shield(self._restore(known_off=off is None))
        return on or off or await self.delivers_again(before)

    async def resume(self, before: Before) -> Ended:
        """After a cycle that nobody saw end: give power back where it is off, never take it away."""
        now = await self._value(POWER_ADMIN, self._port.poe_index)
        if now == ON:
            return Ended(
                Result.UNVERIFIABLE, "The desk was interrupted; the port has power, nobody saw it cycle."
            )
        return await self._restore(known_off=now == OFF) or await self.delivers_again(before)

    async def switch(self, verb: PortVerb) -> Ended:
        """`ifAdminStatus` up or down, read back."""
        wanted = ON if verb is PortVerb.ENABLE else OFF
        if await self._value(ADMIN, self._port.index) == wanted:
            return Ended(Result.OK, f"The port was {_word(wanted)} already.")
        failed = await self._write(ADMIN, self._port.index, wanted)
        return failed or Ended(Result.OK, f"The port is {_word(wanted)}.")

    async def switched(self, verb: PortVerb) -> Ended:
        """Whether a switch that nobody saw end was obeyed."""
        wanted = ON if verb is PortVerb.ENABLE else OFF
        now = await self._value(ADMIN, self._port.index)
        if now is None:
            return Ended(Result.UNVERIFIABLE, "The desk was interrupted, and the device does not say.")
        if now == wanted:
            return Ended(Result.OK, f"The port is {_word(wanted)}.")
        return Ended(Result.FAILED, f"The desk was interrupted; the port is not {_word(wanted)}.")

    async def delivers_again(self, before: Before) -> Ended:
        """Look until power is delivered, at most `longest` seconds."""
        state: int | None = None
        async for state in self._looks():
            if state == DELIVERING:
                return Ended(Result.OK, "The port was without power and delivers it again.")
        if before.power_state != DELIVERING:
            told = "The port was cycled; it delivered no power before, nor does it now."
            return Ended(Result.UNVERIFIABLE, told)
        if state is None:
            told = "The port was cycled; the switch does not say whether it delivers."
            return Ended(Result.UNVERIFIABLE, told)
        return Ended(
            Result.FAILED, f"The port was cycled, but delivers no power after {self._pace.longest:.0f} s."
        )

    async def _looks(self) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._pace.longest
        while True:
            yield await self._value(POWER_STATE, self._port.poe_index)
            if loop.time() >= until:
                return
            await asyncio.sleep(self._pace.between)

    async def _restore(self, *, known_off: bool) -> Ended | None:
        """Power back on; None once it is. Written only while it is known to be off."""
        told = ""
        for attempt in range(RESTORES):
            if attempt:
                await asyncio.sleep(self._pace.between)
            if attempt or not known_off:
                now = await self._value(POWER_ADMIN, self._port.poe_index)
                if now == ON:
                    return None
                if now is None:
                    continue
            ended = await self._write(POWER_ADMIN, self._port.poe_index, ON)
            if ended is None:
                return None
            told = f" {ended.detail}"
        return Ended(
            Result.FAILED, f"Power may be off on this port: it could not be switched on again.{told}"
        )

    async def _write(self, column: str, index: Any, value: int) -> Ended | None:
        """One SET and its reading back; None where the value stands."""
        assert column in WRITABLE, column
        lost = ""
        try:
            await self._transport.set(self._writing, {f"{column}.{index}": (SetType.INTEGER, value)})
        except AgentRefused as error:
            return Ended(Result.FAILED, f"The device refused: {error.name}.")
        except SnmpError as error:
            lost = f" The answer was lost ({error.reason})."
        for attempt in range(3):
            if attempt:
                await asyncio.sleep(self._pace.between)
            now = await self._value(column, index)
            if now == value:
                return None
            if now is not None and lost == "" and attempt:
                return Ended(Result.FAILED, "The device said yes, and kept the old value.")
        if now is not None:
            return Ended(Result.FAILED, f"The device kept the old value.{lost}")
        return Ended(Result.UNVERIFIABLE, f"The device does not say what the value is now.{lost}")

    async def _value(self, column: str, index: Any) -> int | None:
        try:
            said = await self._transport.get(self._reading, [f"{column}.{index}"])
        except SnmpError:
            return None
        return _int(said.get(f"{column}.{index}"))

    def _is_same(self, name: Any, description: Any) -> bool:
        """By name or description as it was at discovery; an agent that has neither is taken at its index."""
        for said, known in ((name, self._port.name), (description, self._port.description)):
            if known and (now := text(said)):
                return now == known
        return True


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _word(value: int) -> str:
    return "enabled" if value == ON else "disabled"
