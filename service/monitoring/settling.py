"""What becomes of a device's faults, given the network around it: a ticket, or a line on another's. PURE.

A fault that a dead parent, maintenance or a doubtful poller may explain is held. Whoever holds it settles
again when the hold is over, when a parent was looked at, when maintenance ends and when the doubt does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from service.monitoring.lineage import root, uplinks
from service.monitoring.memory import Key, Standing
from service.monitoring.rules import SNMP, UNREACHABLE
from service.monitoring.transitions import (
    Changed,
    Found,
    Opened,
    Recovered,
    Reopened,
    Transition,
    Vanished,
)

__all__ = [
    "BACK",
    "HOLD",
    "MARGIN",
    "Decision",
    "Fault",
    "Held",
    "HoldUntil",
    "Note",
    "OpenTicket",
    "ParentState",
    "Recover",
    "Settlement",
    "Silenced",
    "Surroundings",
    "UnderParent",
    "Why",
    "root",
    "settle",
    "uplinks",
]

HOLD: Final = timedelta(seconds=90)
"""How long a fault waits, in all, for what its parents say."""

BACK: Final = timedelta(minutes=5)
"""How long a device may take to come up after the parent that it hung on: access points boot for minutes."""

MARGIN: Final = timedelta(seconds=15)
"""A parent that answers so long after its child fell silent did not fall with it."""

Fault = Opened | Reopened


@dataclass(frozen=True, slots=True)
class ParentState:
    """`checked_at`: when its reachability was last looked at (`Memory.pinged_at`)."""

    device_id: int
    state: Standing
    checked_at: datetime | None = None
    in_maintenance: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`parents` are the device's `uplinks`; a parent may be named more than once.

    `suspect` doubts the poller "itself" or its "uplink". `through` are the checks that fail with the way to
    the device; none of them does while the device itself `is_reached` (SNMP is silent, but it answers).
    """

    now: datetime
    parents: tuple[ParentState, ...] = ()
    in_maintenance: bool = False
    suspect: Literal["itself", "uplink"] | None = None
    is_reached: bool = False
    through: frozenset[str] = frozenset({UNREACHABLE, SNMP})


class Why(StrEnum):
    """Why an open fault has no ticket: a parent is being asked, is down, maintenance, or the poller is in
    doubt.
    """

    HELD = "held"
    UNDER_PARENT = "under_parent"
    SILENCED = "silenced"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Held:
    """An open fault without a ticket of its own. `until` ends a hold; `parent_id` is the parent that it is
    told under, or was before the hold.
    """

    fault: Fault
    why: Why
    until: datetime | None = None
    parent_id: int | None = None


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """For a `Reopened` fault: its old ticket goes on."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class HoldUntil:
    """Look at the parents in `probe` now, and if `again` at the device itself. `why`: HELD or SUSPENDED."""

    fault: Fault
    at: datetime
    probe: tuple[int, ...] = ()
    again: bool = False
    why: Why = Why.HELD


@dataclass(frozen=True, slots=True)
class UnderParent:
    fault: Fault
    parent_id: int


@dataclass(frozen=True, slots=True)
class Silenced:
    """Known, without a ticket, while there is maintenance here or on every way to here."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Recover:
    """Goes through whatever is around. `held` is what it ends, if the fault had no ticket yet."""

    recovered: Recovered
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """News of a fault that is not held."""

    transition: Changed | Vanished


Decision = OpenTicket | HoldUntil | UnderParent | Silenced | Recover | Note


@dataclass(frozen=True, slots=True)
class Settlement:
    """`held` is what to hand in the next time, in place of what was held before."""

    decisions: tuple[Decision, ...]
    held: tuple[Held, ...]


def settle(transitions: Sequence[Transition], place: Surroundings, held: Iterable[Held] = ()) -> Settlement:
    """What becomes of one device's transitions, and of its faults that are held. A suspicion is no fault."""
    waiting = {_key(one.fault): one for one in held}
    fresh: dict[Key, Fault] = {}
    decisions: list[Decision] = []
    for transition in transitions:
        key = _key(transition)
        match transition:
            case Opened() | Reopened():
                fresh.setdefault(key, waiting[key].fault if key in waiting else transition)
            case Recovered():
                fresh.pop(key, None)
                decisions.append(Recover(transition, waiting.pop(key, None)))
            case Changed() if key in fresh or key in waiting:
                fresh[key] = _reworded(fresh.get(key) or waiting[key].fault, transition)
            case Changed() | Vanished() if key not in fresh and key not in waiting:
                decisions.append(Note(transition))
    faults = {key: one.fault for key, one in waiting.items()} | fresh
    kept: list[Held] = []
    for key, fault in faults.items():
        decision = _decide(fault, waiting.get(key), place)
        decisions.append(decision)
        kept += _held(decision, waiting.get(key))
    return Settlement(tuple(decisions), tuple(kept))


def _key(named: Transition) -> Key:
    return named.check, named.instance


def _reworded(fault: Fault, changed: Found) -> Fault:
    return replace(fault, label=changed.label, value=changed.value, evidence=changed.evidence)


FaultDecision = OpenTicket | HoldUntil | UnderParent | Silenced


def _decide(fault: Fault, prior: Held | None, place: Surroundings) -> FaultDecision:
    if place.in_maintenance:
        return Silenced(fault)
    reached = place.is_reached and fault.check != UNREACHABLE
    if reached or fault.check not in place.through:
        return OpenTicket(fault)
    parents = _once_each(place.parents)
    if _is_silenced_above(parents):
        return Silenced(fault)
    if place.suspect is not None:
        return HoldUntil(fault, place.now + HOLD, why=Why.SUSPENDED)
    if not parents:
        return OpenTicket(fault)
    if all(parent.state is Standing.DOWN for parent in parents):
        return UnderParent(fault, parents[0].device_id)
    return _wait(fault, prior, parents, place.now)


def _wait(
    fault: Fault, prior: Held | None, parents: Sequence[ParentState], now: datetime
) -> OpenTicket | HoldUntil:
    """Some way to the device may be there. If one is, the fault is its own; if nobody knows in time, too."""
    returning = _was_under(prior) is not None
    if prior is not None and prior.why is Why.HELD and prior.until is not None:
        until = prior.until
    else:
        until = now + (BACK if returning else HOLD)
    stood = [parent for parent in parents if _has_stood(parent, fault)]
    if now >= until or (stood and not returning):
        return OpenTicket(fault)
    unsure = [one.device_id for one in parents if one.state is not Standing.DOWN and one not in stood]
    return HoldUntil(fault, until, tuple(unsure), again=returning)


def _was_under(prior: Held | None) -> int | None:
    if prior is None or prior.why not in (Why.HELD, Why.UNDER_PARENT):
        return None
    return prior.parent_id


def _has_stood(parent: ParentState, fault: Fault) -> bool:
    seen = parent.checked_at
    return parent.state is Standing.UP and seen is not None and seen >= fault.since + MARGIN


def _is_silenced_above(parents: Sequence[ParentState]) -> bool:
    """Every way leads through maintenance or a dead parent, and one through maintenance."""
    cut = all(one.in_maintenance or one.state is Standing.DOWN for one in parents)
    return cut and any(one.in_maintenance for one in parents)


def _once_each(parents: Iterable[ParentState]) -> list[ParentState]:
    """Of two rows of one parent the later look counts, and in doubt the one that hides nothing."""
    found: dict[int, ParentState] = {}
    for parent in parents:
        other = found.get(parent.device_id, parent)
        later = max(other, parent, key=_certainty)
        silenced = other.in_maintenance or parent.in_maintenance
        found[parent.device_id] = replace(later, in_maintenance=silenced)
    return list(found.values())


def _certainty(parent: ParentState) -> tuple[datetime, int]:
    order = (Standing.DOWN, Standing.UNKNOWN, Standing.UP)
    return parent.checked_at or datetime.min.replace(tzinfo=UTC), order.index(parent.state)


def _held(decision: FaultDecision, prior: Held | None) -> list[Held]:
    match decision:
        case HoldUntil(fault, at, why=Why.HELD):
            return [Held(fault, Why.HELD, at, _was_under(prior))]
        case HoldUntil(fault, at):
            return [Held(fault, Why.SUSPENDED, at)]
        case UnderParent(fault, parent_id):
            return [Held(fault, Why.UNDER_PARENT, None, parent_id)]
        case Silenced(fault):
            return [Held(fault, Why.SILENCED)]
    return []
