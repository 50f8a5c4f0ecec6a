"""What runs say about a playbook, step by step, and how honest its successes are.

PURE. Every figure has its definition in `DEFINITIONS`, which is part of each answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SMALLEST_GROUP: Final = 5
ENOUGH: Final = 20
DROP_OFF_ALARM: Final = 0.25
UNKNOWN_ALARM: Final = 0.30
DEFINITIONS: Final[Mapping[str, str]] = {
    "runs": "runs of the version that began in the period; dry runs never count",
    "entered": "times the step was reached, once more when somebody came back to it",
    "answered": "times it was answered with a value",
    "median_seconds": "middle time from reaching the step to leaving it",
    "drop_off": "share of entries at which nobody answered in time, or the run was cancelled there",
    "back_jumps": "times somebody went back to the step",
    "not_relevant": "times somebody said that the step was not relevant, and why",
    "unknown_rate": "of a check: share of looks at which the facts were missing or too old",
    "edges": "times each way out of the step was taken",
    "outcomes": "how runs ended: the outcome of the end, handed_over or cancelled; open while they go on",
    "reopened_7d": "solved runs whose ticket was reopened within 7 days, of those that had a ticket",
    "groups": f"runs and solved runs by school, model and language; groups under {SMALLEST_GROUP} are hidden",
    "confirmed": "ended solved_confirmed without a ticket, and none of that person and device followed",
    "silent": "ended without confirmation and without a ticket, and none followed: nobody knows",
    "returned": "ended without a ticket, and one of that person and device followed in time",
    "handed_over": "became a ticket of a technician",
}


@dataclass
class Step:
    """The figures of one step."""

    path: str
    entered: int = 0
    answered: int = 0
    dont_know: int = 0
    cannot: int = 0
    timed_out: int = 0
    cancelled: int = 0
    back_jumps: int = 0
    not_relevant: int = 0
    median_seconds: float | None = None
    edges: dict[str, int] = field(default_factory=dict)
    is_check: bool = False

    @property
    def drop_off(self) -> float | None:
        return _share(self.timed_out + self.cancelled, self.entered)

    @property
    def unknown_rate(self) -> float | None:
        return _share(self.edges.get("unknown", 0), sum(self.edges.values())) if self.is_check else None

    @property
    def alarms(self) -> list[str]:
        """What an author should look at, once there is enough to look at."""
        found = []
        if self.entered >= ENOUGH and (self.drop_off or 0) > DROP_OFF_ALARM:
            found.append("drop_off")
        if self.entered >= ENOUGH and (self.unknown_rate or 0) > UNKNOWN_ALARM:
            found.append("unknown_rate")
        return found

    def told(self) -> dict[str, Any]:
        return {
            "step": self.path,
            "entered": self.entered,
            "answered": self.answered,
            "dont_know": self.dont_know,
            "cannot": self.cannot,
            "timed_out": self.timed_out,
            "cancelled": self.cancelled,
            "back_jumps": self.back_jumps,
            "not_relevant": self.not_relevant,
            "median_seconds": self.median_seconds,
            "drop_off": self.drop_off,
            "unknown_rate": self.unknown_rate,
            "edges": dict(sorted(self.edges.items())),
            "alarms": self.alarms,
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def steps_of(counts: Iterable[Any], standing: Mapping[str, int], order: Iterable[str]) -> list[Step]:
    """Figures by step from counted log lines.

    Each of `counts` has path, kind, edge, step_kind, way, to, number, median; a row without an edge and
    with a median is the step's own. `standing` is how many runs stand, or ended, at a path.
    """
    steps: dict[str, Step] = {path: Step(path) for path in order}
    for row in counts:
        _count(steps.setdefault(row.path, Step(row.path)), steps, row)
    for path, number in standing.items():
        steps.setdefault(path, Step(path)).entered += number
    return [step for step in steps.values() if step.entered or step.back_jumps]


def _count(step: Step, steps: dict[str, Step], row: Any) -> None:
    match row.kind:
        case "left":
            step.entered += row.number
            step.edges[row.edge] = step.edges.get(row.edge, 0) + row.number
            step.is_check = row.step_kind == "check"
        case "answered":
            name = row.way if row.way in ("dont_know", "cannot") else "answered"
            setattr(step, name, getattr(step, name) + row.number)
        case "timed_out":
            step.timed_out += row.number
        case "cancelled":
            step.cancelled += row.number
        case "not_relevant":
            step.not_relevant += row.number
        case "jumped_back":
            step.entered += row.number
            steps.setdefault(row.to, Step(row.to)).back_jumps += row.number


def with_medians(steps: Iterable[Step], medians: Mapping[str, float]) -> None:
    for step in steps:
        median = medians.get(step.path)
        step.median_seconds = round(median, 1) if median is not None else None


def groups_of(rows: Iterable[Any]) -> dict[str, Any]:
    """Runs and solved runs by group; what is too small to be told is only counted as hidden."""
    told, hidden = [], 0
    for row in rows:
        if row.runs < SMALLEST_GROUP:
            hidden += 1
        else:
            told.append({"key": row.key, "runs": row.runs, "solved": row.solved})
    return {"groups": told, "hidden": hidden}
