"""Which port commands may be sent, and the sentence that says why not. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from integrations.snmp.reading import DeviceKind, Port

MOST_CYCLES_A_DAY: Final = 3
MOST_MACS: Final = 4
PASSES_TRAFFIC: Final = frozenset({DeviceKind.SWITCH, DeviceKind.ROUTER, DeviceKind.FIREWALL})


class PortVerb(StrEnum):
    """`cycle` takes the port's power away for a few seconds and gives it back; the others switch the port."""

    CYCLE = "cycle"
    ENABLE = "enable"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class Behind:
    """A device of ours that is known to hang on the port."""

    device_id: int
    kind: DeviceKind


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a port. `target_id` is the device that the command is for, None where a person named
    the port; `has_bridge` and `macs` are what was last seen behind it; `cycles` those of the last 24 hours.
    """

    commands_on: bool
    may_write: bool
    port: Port | None
    is_uplink: bool = False
    has_bridge: bool = False
    macs: int = 0
    is_important: bool = False
    behind: Sequence[Behind] = ()
    target_id: int | None = None
    cycles: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """`unsupported` where it cannot be done here at all, `refused` where it must not be."""

    result: str
    why: str


def refusal(verb: PortVerb, port: Situation) -> Refused | None:
    """Why the command must not be sent; None where it may be."""
    return _impossible(verb, port) or _forbidden(verb, port)


def _impossible(verb: PortVerb, at: Situation) -> Refused | None:
    if not at.commands_on:
        return Refused("unsupported", "Port commands are switched off (FIRSTBELL_NETWORK_COMMANDS).")
    if not at.may_write:
        return Refused("unsupported", "This device has no credential that may write.")
    if at.port is None:
        return Refused("unsupported", "The device has no such port.")
    if verb is PortVerb.CYCLE and at.port.poe_index is None:
        return Refused("unsupported", "The port gives no power that could be switched.")
    if verb is PortVerb.CYCLE and at.port.poe_admin is False:
        return Refused("refused", "Power was switched off on this port on purpose, so it stays off.")
    return None


def _forbidden(verb: PortVerb, at: Situation) -> Refused | None:
    if verb is PortVerb.ENABLE:
        return None
    if at.is_uplink:
        return Refused("refused", "The port leads towards the core of the network.")
    if not _leads_to_target(at):
        if at.has_bridge or any(one.kind in PASSES_TRAFFIC for one in at.behind):
            return Refused("refused", "Other network devices hang on this port.")
        if at.macs > MOST_MACS:
            return Refused("refused", f"{at.macs} devices hang on this port, more than {MOST_MACS}.")
        if at.is_important:
            return Refused("refused", "The port is marked as important.")
    if verb is PortVerb.CYCLE and at.cycles >= MOST_CYCLES_A_DAY:
        return Refused("refused", f"The port was cycled {at.cycles} times in 24 hours; that is enough.")
    return None


def _leads_to_target(at: Situation) -> bool:
    """Exactly one of our devices is behind it, no switch or router, and it is the one meant. A person who
    names a port means the one that is there.
    """
    if len(at.behind) != 1 or at.behind[0].kind in PASSES_TRAFFIC:
        return False
    return at.target_id is None or at.target_id == at.behind[0].device_id
