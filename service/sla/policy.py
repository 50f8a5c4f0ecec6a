"""What a policy promises: its targets in working time, what pauses them, and the rules of change.

PURE.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Literal

MOST_MINUTES: Final = 10 * 366 * 24 * 60
MOST_STEPS: Final = 20
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


class Agreement(StrEnum):
    """Who owes it: the desk to the requester, a queue to the desk, or a vendor to the desk."""

    SLA = "sla"
    OLA = "ola"
    VENDOR = "vendor"


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


NO_PAUSE: Final[Mapping[str, frozenset[Target]]] = {}

PROMISED: Final[Mapping[Agreement, tuple[Target, ...]]] = {
    Agreement.SLA: tuple(Target),
    Agreement.OLA: (Target.UPDATE, Target.RESOLUTION),
    Agreement.VENDOR: (Target.RESOLUTION,),
}
NAMES: Final = {Agreement.SLA: "SLA", Agreement.OLA: "OLA", Agreement.VENDOR: "vendor contract"}


class Tell(StrEnum):
    """Whom a step tells: who has the ticket, everybody of its queue, the queue's leads, the admins."""

    ASSIGNEE = "assignee"
    QUEUE = "queue"
    LEADS = "leads"
    ADMINS = "admins"


@dataclass(frozen=True, slots=True)
class Step:
    """Whom to tell when so much working time has run since a target was due; negative is before it."""

    target: Target
    after: timedelta
    tell: tuple[Tell, ...]

    @classmethod
    def from_json(cls, obj: object) -> "Step":
        """Read `{target, before_minutes | after_minutes, tell}`, or BadPolicy."""
        given = _object(obj, "escalate")
        if unknown := given.keys() - {"target", "before_minutes", "after_minutes", "tell"}:
            raise BadPolicy(f"escalate: unknown key {min(unknown)!r}")
        if ("before_minutes" in given) == ("after_minutes" in given):
            raise BadPolicy("escalate: a step has either before_minutes or after_minutes")
        key = "before_minutes" if "before_minutes" in given else "after_minutes"
        amount = _goal(given[key], f"escalate: {key}")
        return cls(
            target=Target(_one_of(given.get("target"), tuple(Target), "escalate: target")),
            after=-amount if key == "before_minutes" else amount,
            tell=_told(given.get("tell")),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form, from which `from_json` makes an equal step."""
        key = "after_minutes" if self.after > timedelta(0) else "before_minutes"
        return {
            "target": self.target.value,
            key: minutes(abs(self.after)),
            "tell": [one.value for one in self.tell],
        }


@dataclass(frozen=True)
class Policy:
    """The targets in working time, the targets each status pauses, the rules of change, and who is told
    when. BadPolicy.
    """

    targets: Mapping[Target, timedelta]
    pause: Mapping[str, frozenset[Target]] = field(default_factory=lambda: DEFAULT_PAUSE)
    on_reopen: OnReopen = "resume"
    on_change: OnChange = "retroactive"
    warn_at: tuple[float, ...] = (0.5, 0.75, 0.9)
    escalate: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        for target, goal in self.targets.items():
            if goal <= timedelta(0):
                raise BadPolicy(f"targets: {target} must be more than zero minutes")
        if list(self.warn_at) != sorted(set(self.warn_at)) or not all(0 < s < 1 for s in self.warn_at):
            raise BadPolicy("warn_at: rising shares between 0 and 1 are wanted, like 0.5, 0.75")
        if len({(step.target, step.after) for step in self.escalate}) != len(self.escalate):
            raise BadPolicy("escalate: two steps of a target at the same time; name everybody in one")

    def pauses(self, status: str, target: Target) -> bool:
        """Whether `target` does not run while the ticket is in `status`."""
        return target in self.pause.get(status, ())

    def with_targets(self, changes: Mapping[Target, timedelta | None]) -> "Policy":
        """The same rules with some targets replaced, or removed where the change is None."""
        merged = {**self.targets, **changes}
        return replace(self, targets={t: goal for t, goal in merged.items() if goal is not None})

    @classmethod
    def from_json(cls, obj: object) -> "Policy":
        """Read `{targets, pause?, on_reopen?, on_change?, warn_at?, escalate?}`, or BadPolicy.

        Targets are in minutes.
        """
        given = _object(obj, "policy")
        unknown = given.keys() - {"targets", "pause", "on_reopen", "on_change", "warn_at", "escalate"}
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
            escalate=_steps(given.get("escalate", [])),
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
            "escalate": [step.to_json() for step in self.escalate],
        }

    def fit_for(self, agreement: Agreement) -> "Policy":
        """The policy itself, if an agreement of this kind can promise that; else BadPolicy."""
        name, promised = NAMES[agreement], PROMISED[agreement]
        for where, targets in (
            ("targets", tuple(self.targets)),
            ("escalate", tuple(s.target for s in self.escalate)),
        ):
            if other := [target for target in targets if target not in promised]:
                raise BadPolicy(f"{where}: the {name} promises {' and '.join(promised)}, not {other[0]}")
        if agreement is Agreement.VENDOR and any(self.pause.values()):
            raise BadPolicy(
                "pause: a vendor contract runs while the ticket is on hold, and nothing pauses it"
            )
        return self


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


def _steps(obj: object) -> tuple[Step, ...]:
    if not isinstance(obj, list | tuple) or len(obj) > MOST_STEPS:
        raise BadPolicy(f"escalate: a list of steps, {MOST_STEPS} at most, is wanted")
    return tuple(Step.from_json(step) for step in obj)


def _told(obj: object) -> tuple[Tell, ...]:
    known = isinstance(obj, list | tuple) and all(name in list(Tell) for name in obj)
    if not isinstance(obj, list | tuple) or not known or not obj or len(set(obj)) != len(obj):
        raise BadPolicy(f"escalate: tell: a list of some of {', '.join(Tell)} is wanted, each once")
    return tuple(Tell(name) for name in obj)


def _shares(obj: object) -> tuple[float, ...]:
    if not isinstance(obj, list | tuple) or len(obj) > 20 or not all(isinstance(s, float) for s in obj):
        raise BadPolicy("warn_at: a list of shares like 0.5 is wanted")
    return tuple(obj)
