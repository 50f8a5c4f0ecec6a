"""Priority from impact and urgency, pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Priority(StrEnum):
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Impact(StrEnum):
    """Who is affected."""

    DISTRICT = "district"
    SCHOOL = "school"
    CLASSROOM = "classroom"
    INDIVIDUAL = "individual"


class Urgency(StrEnum):
    """What they cannot do, from "a mission-critical service is down" to "it would help"."""

    CRITICAL_SERVICE_DOWN = "critical_service_down"
    CANNOT_WORK = "cannot_work"
    WORKAROUND = "workaround"
    WOULD_HELP = "would_help"


Matrix = Mapping[tuple[Impact, Urgency], Priority]

_ROWS = {
    Urgency.CRITICAL_SERVICE_DOWN: (Priority.P1, Priority.P1, Priority.P1, Priority.P2),
    Urgency.CANNOT_WORK: (Priority.P1, Priority.P1, Priority.P1, Priority.P2),
    Urgency.WORKAROUND: (Priority.P2, Priority.P2, Priority.P2, Priority.P3),
    Urgency.WOULD_HELP: (Priority.P3, Priority.P3, Priority.P3, Priority.P4),
}

DEFAULT_MATRIX: Matrix = {
    (impact, urgency): row[column] for urgency, row in _ROWS.items() for column, impact in enumerate(Impact)
}


def priority_of(impact: Impact, urgency: Urgency, changes: Matrix | None = None) -> Priority:
    """The district's cell of the matrix where it has one, else the K-12 default."""
    return (changes or {}).get((impact, urgency)) or DEFAULT_MATRIX[impact, urgency]
