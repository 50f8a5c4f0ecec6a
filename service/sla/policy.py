"""What a policy promises: its targets in working time, what pauses them, and the rules of change.

PURE.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Literal

MOST_MINUTES: Final = 10 * 366 * 24 * 60
STATUSES: Final = (
    "new",
    "in_progress",
    "waiting_on_requester",
    "on_hold",
    "resolved",
    "closed",
    "cancelled",
)
WORKING: Final = frozenset({"new", "in_progress"})
FINISHED: Final = frozenset({"resolved", "closed", "cancelled"})

OnReopen = Literal["resume", "new_cycle", "none"]
OnChange = Literal["retroactive", "from_now"]


class BadPolicy(ValueError):
    """The policy cannot be read; the message says which part and why."""


class Target(StrEnum):
    """What is promised."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    UPDATE = "update"
    RESOLUTION = "resolution"


class State(StrEnum):
    """How a cycle stands at an instant."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


DEFAULT_PAUSE: Final[Mapping[str, frozenset[Target]]] = {
    "waiting_on_requester": frozenset({Target.NEXT_RESPONSE, Target.UPDATE, Target.RESOLUTION}),
    "on_hold": frozenset({Target.UPDATE, Target.RESOLUTION}),
}


@dataclass(frozen=True)
class Policy:
    """The targets in working time, the targets each status pauses, and the rules of change. BadPolicy."""

    targets: Mapping[Target, timedelta]
    pause: Mapping[str, frozenset[Target]] = field(default_factory=lambda: DEFAULT_PAUSE)
    on_reopen: OnReopen = "resume"
    on_change: OnChange = "retroactive"
    warn_at: tuple[float, ...] = (0.5, 0.75, 0.9)

    def __post_init__(self) -> None:
        for target, goal in self.targets.items():
            if goal <= timedelta(0):
                raise BadPolicy(f"targets: {target} must be more than zero minutes")
        if list(self.warn_at) != sorted(set(self.warn_at)) or not all(0 < s < 1 for s in self.warn_at):
            raise BadPolicy("warn_at: rising shares between 0 and 1 are wanted, like 0.5, 0.75")

    def pauses(self, status: str, target: Target) -> bool:
        """Whether `target` does not run while the ticket is in `status`."""
        return target in self.pause.get(status, ())

    def with_targets(self, changes: Mapping[Target, timedelta | None]) -> "Policy":
        """The same rules with some targets replaced, or removed where the change is None."""
        merged = {**self.targets, **changes}
        return replace(self, targets={t: goal for t, goal in merged.items() if goal is not None})

    @classmethod
    def from_json(cls, obj: object) -> "Policy":
        """Read `{targets, pause?, on_reopen?, on_change?, warn_at?}`, targets in minutes, or BadPolicy."""
        given = _object(obj, "policy")
        unknown = given.keys() - {"targets", "pause", "on_reopen", "on_change", "warn_at"}
        if unknown:
            raise BadPolicy(f"policy: unknown key {min(unknown)!r}")
        if "targets" not in given:
            raise BadPolicy("policy: targets is missing")
        on_reopen: OnReopen = _one_of(
            given.get("on_reopen", "resume"), ("resume", "new_cycle", "none"), "on_reopen"
        )
        on_change: OnChange = _one_of(
            given.get("on_change", "retroactive"), ("retroactive", "from_now"), "on_change"
        )
        goals = targets_from_json(given["targets"])
        return cls(
            targets={t: goal for t, goal in goals.items() if goal is not None},
            pause=_pause_from_json(given["pause"]) if "pause" in given else DEFAULT_PAUSE,
            on_reopen=on_reopen,
            on_change=on_change,
            warn_at=_shares(given.get("warn_at", [0.5, 0.75, 0.9])),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form, minutes as numbers, from which `from_json` makes an equal policy."""
        return {
            "targets": {t.value: minutes(self.targets[t]) for t in Target if t in self.targets},
            "pause": {
                s: [t.value for t in Target if t in self.pause[s]] for s in STATUSES if s in self.pause
            },
            "on_reopen": self.on_reopen,
            "on_change": self.on_change,
            "warn_at": list(self.warn_at),
        }


def minutes(amount: timedelta) -> int | float:
    """Minutes as a number: whole where it is whole, else exact to the microsecond."""
    whole, rest = divmod(amount, timedelta(minutes=1))
    return amount / timedelta(minutes=1) if rest else whole


def targets_from_json(obj: object) -> dict[Target, timedelta | None]:
    """Goals by target from minutes; None where the target is null. BadPolicy."""
    goals: dict[Target, timedelta | None] = {}
    for key, value in _object(obj, "targets").items():
        if key not in list(Target):
            raise BadPolicy(f"targets: {key!r} is no target; the targets are {', '.join(Target)}")
        goals[Target(key)] = None if value is None else _goal(value, f"targets: {key}")
    return goals


def _object(obj: object, where: str) -> dict[str, Any]:
    if not isinstance(obj, dict):
        raise BadPolicy(f"{where}: an object is wanted")
    return obj


def _one_of(value: Any, choices: tuple[str, ...], where: str) -> Any:
    if value not in choices:
        raise BadPolicy(f"{where}: one of {', '.join(choices)} is wanted")
    return value


def _goal(value: object, where: str) -> timedelta:
    goal = amount_of_minutes(value, where)
    if goal <= timedelta(0):
        raise BadPolicy(f"{where} must be more than zero minutes")
    return goal


def amount_of_minutes(value: object, where: str) -> timedelta:
    """A number of minutes, whole or not, as an amount of time; BadPolicy if it is none or over ten years."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_MINUTES:
        return timedelta(minutes=value)
    raise BadPolicy(f"{where}: a number of minutes, ten years at most, is wanted")


def _pause_from_json(obj: object) -> dict[str, frozenset[Target]]:
    pause: dict[str, frozenset[Target]] = {}
    for status, names in _object(obj, "pause").items():
        if status not in STATUSES:
            raise BadPolicy(f"pause: {status!r} is no status; the statuses are {', '.join(STATUSES)}")
        if not isinstance(names, list | tuple) or not all(name in list(Target) for name in names):
            raise BadPolicy(f"pause: {status}: a list of targets is wanted")
        pause[status] = frozenset(Target(name) for name in names)
    return pause


def _shares(obj: object) -> tuple[float, ...]:
    if not isinstance(obj, list | tuple) or len(obj) > 20 or not all(isinstance(s, float) for s in obj):
        raise BadPolicy("warn_at: a list of shares like 0.5 is wanted")
    return tuple(obj)
