"""What a look at a device leads to, and what is told of a fault. PURE.

`check` and `instance` name the fault ("" is the device itself), `since` is its first bad look. `label`,
`value` and `evidence` are fit for PostgreSQL's jsonb: bytes are hexadecimal, texts and tables are cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from integrations.snmp.reading import Finding

LONGEST_TEXT: Final = 300
MOST_ITEMS: Final = 40
DEEPEST: Final = 4
EXACT: Final = 2**53
"""Beyond it a JSON number need not survive; it is told as text."""


@dataclass(frozen=True, slots=True)
class Told:
    label: str | None = None
    value: Any = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    check: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Transition):
    """`at` is the look that led to it."""

    at: datetime
    since: datetime
    label: str | None = None
    value: Any = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected(Found):
    """Bad for the first time, and not yet confirmed. If it never is, nothing more is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Found):
    """Confirmed: a new fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened(Found):
    """Confirmed, and so soon after its end that it is the same fault, for the `flaps`-th time. A `flapping`
    one has to be good for longer before it ends.
    """

    flaps: int
    flapping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Found):
    """An open fault has other words or another measure now; `before` is what was told last."""

    before: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished(Transition):
    """The row that an open fault is about is no longer answered. The fault stays open; told once."""

    at: datetime
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Transition):
    """Closed `at` this look. `lasted` runs from the first bad look to the first good one; `gone` says that it
    is over because its row is no longer there.
    """

    at: datetime
    since: datetime
    lasted: timedelta
    gone: bool = False


def told(finding: Finding) -> Told:
    evidence = _plain(finding.evidence, 0)
    return Told(
        label=None if finding.label is None else text(finding.label),
        value=_plain(finding.value, 0),
        evidence=evidence if isinstance(evidence, dict) else {},
    )


def differs(before: Told, after: Told, step: float) -> bool:
    """Whether it is worth saying anew, a number only if it moved by a `step`.

    Beside a value, numbers in the evidence are not compared: a clock among them would make news of every
    poll.
    """
    if before.label != after.label or _moved(before.value, after.value, step):
        return True
    numbers = before.value is None and after.value is None
    return any(
        _moved(before.evidence.get(name), after.evidence.get(name), step if numbers else math.inf)
        for name in before.evidence.keys() | after.evidence.keys()
    )


def text(value: str) -> str:
    """What jsonb can hold: no NUL, no lone surrogate, and not endless."""
    cut = value.replace("\x00", "")[:LONGEST_TEXT]
    return cut.encode("utf-8", "replace").decode("utf-8")


def _moved(before: Any, after: Any, step: float) -> bool:
    if _is_number(before) and _is_number(after):
        return bool(before != after and abs(after - before) >= step)
    return bool(before != after)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= EXACT else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray):
        return value.hex()[:LONGEST_TEXT]
    if isinstance(value, str) or depth >= DEEPEST:
        return text(str(value))
    return _plain_table(value, depth)


def _plain_table(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {text(str(name)): _plain(item, depth + 1) for name, item in list(value.items())[:MOST_ITEMS]}
    if isinstance(value, set | frozenset):
        return [_plain(item, depth + 1) for item in sorted(value, key=str)[:MOST_ITEMS]]
    if isinstance(value, Sequence):
        return [_plain(item, depth + 1) for item in value[:MOST_ITEMS]]
    return text(str(value))
