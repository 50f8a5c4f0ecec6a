"""Conditions on the traits of a ticket, pure: shared by routing rules and SLA policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TRAITS = ("kind", "category", "school", "queue", "asset_kind", "requester_role", "channel", "priority")
POLICY_TRAITS = (*TRAITS, "vendor")
Conditions = Mapping[str, Sequence[str]]


def fits(conditions: Conditions, traits: Mapping[str, str | None]) -> bool:
    """True when every condition holds; the category `device` takes `device.screen` too."""
    return all(_holds(name, accepted, traits.get(name)) for name, accepted in conditions.items())


def unknown_traits(conditions: Conditions, known: Sequence[str] = TRAITS) -> list[str]:
    return [name for name in conditions if name not in known]


def _holds(name: str, accepted: Sequence[str], value: str | None) -> bool:
    if value is None:
        return False
    if name == "category":
        return any(value == wanted or value.startswith(f"{wanted}.") for wanted in accepted)
    return value in accepted
