"""How patient diagnosis is: how many looks make a fault, how many end it, and how often to look. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

UNREACHABLE: Final = "device.unreachable"
SNMP: Final = "device.snmp"


class Missing(StrEnum):
    """What it means that a row is not answered any more.

    `GOOD`: it was only there because of the fault (a printer's alert). `BAD`: it has to be there, also if it
    was well (an access point of a controller). `KEEP`: nothing.
    """

    BAD = "bad"
    KEEP = "keep"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class CheckRule:
    """`confirm` bad looks in a row open a fault that has been bad for at least `lasting`; `clear` good ones
    close it. `step` is the least change of a number worth telling while it is open.
    """

    confirm: int = 2
    clear: int = 2
    lasting: timedelta = timedelta(0)
    missing: Missing = Missing.KEEP
    step: float = 1.0

    def __post_init__(self) -> None:
        if self.confirm < 1 or self.clear < 1 or self.lasting < timedelta(0):
            raise ValueError(
                "A check is confirmed and cleared by at least one look, and lasts no negative time."
            )


OWN_RULE: Final = CheckRule(confirm=4)
"""Of a device's two own checks: the first failure and three retries."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The patience with one device.

    A fault that comes back within `flap_window` of its end is the old one; at the `flaps`-th time it is
    flapping, and ends only after it has been good for `steady` as well. `grace` is how long a device whose
    switch port is up may be silent, because it sleeps. A row that an open fault is about and that was absent
    from `vanish` polls is told to have vanished; absence is not judged until a device has run for `boot`. An
    unconfirmed suspicion that is older than `stale` starts anew. A suspicion is looked at again after
    `retry_seconds`; a device that is down after a tenth of its outage, between `down_seconds` and
    `slowest_seconds`.
    """

    checks: Mapping[str, CheckRule] = field(default_factory=dict)
    flap_window: timedelta = timedelta(hours=1)
    flaps: int = 3
    steady: timedelta = timedelta(minutes=30)
    grace: timedelta = timedelta(0)
    vanish: int = 3
    boot: timedelta = timedelta(minutes=10)
    stale: timedelta = timedelta(minutes=15)
    retry_seconds: float = 15.0
    down_seconds: float = 60.0
    slowest_seconds: float = 900.0

    def of(self, check: str) -> CheckRule:
        default = OWN_RULE if check in (UNREACHABLE, SNMP) else CheckRule()
        return self.checks.get(check, default)
