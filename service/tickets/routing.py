"""Which queue a ticket goes to, pure: the first rule that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.core.traits import Conditions, fits


@dataclass(frozen=True, slots=True)
class Rule:
    """`conditions`: trait -> accepted values; every trait named must have one of its values."""

    conditions: Conditions
    queue_id: int


def queue_for(traits: Mapping[str, str | None], rules: Sequence[Rule], default: int) -> int:
    return next((rule.queue_id for rule in rules if fits(rule.conditions, traits)), default)
