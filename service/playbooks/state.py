"""What is known of a run: where it is, what was answered, what came of its actions.

PURE. A state is a value; `to_json` and `state_from` carry it through the database. A step is named by its
path: the call steps on the way to it and its own id, with dots (`safety.smoke`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from service.playbooks.facts import Fact

By = Literal["requester", "technician", "system"]


class Stage(StrEnum):
    """What a run waits for."""

    ASKING = "asking"
    CONSENT = "consent"
    APPROVAL = "approval"
    ACTING = "acting"
    VERIFYING = "verifying"
    FRESHENING = "freshening"
    WAITING = "waiting"
    HANDED_OVER = "handed_over"
    ENDED = "ended"
    CANCELLED = "cancelled"


PERSONAL = frozenset({Stage.ASKING, Stage.CONSENT})
FINISHED = frozenset({Stage.HANDED_OVER, Stage.ENDED, Stage.CANCELLED})


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay at a step; `edge` is the way it was left by."""

    path: str
    entered_at: datetime
    left_at: datetime | None = None
    edge: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """An approver's word."""

    path: str
    approved: bool
    by: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """`frames` are the playbooks entered and the step in each, the innermost last. `asked_of` is who answers:
    the requester, or the technician who took over. `until` is when the present step gives up, `acted_at` when
    the last action was asked for."""

    frames: tuple[tuple[str, str], ...]
    stage: Stage
    started_at: datetime
    since: datetime
    until: datetime | None = None
    visits: tuple[Visit, ...] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    outs: Mapping[str, str] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    asked_of: By = "requester"
    dry: bool = False
    code: Mapping[str, str] = field(default_factory=dict)
    why: str | None = None
    acted_at: datetime | None = None
    skipped: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return ".".join(step for _, step in self.frames)

    @property
    def is_finished(self) -> bool:
        return self.stage in FINISHED

    def attempt(self) -> int:
        return self.attempts.get(self.path, 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the run's log. `seconds` is how long a step took that was left."""

    kind: str
    path: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Perform:
    """Have an action done; (path, attempt) names it within its run, for ever."""

    path: str
    attempt: int
    verb: str
    arguments: Mapping[str, Any]
    risk: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """Have these facts of the device read anew."""

    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Give the ticket to a queue (None: the playbook's owner), with what was learnt."""

    queue: str
    priority: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantsTechnician:
    """The step is for a technician: there must be a ticket that one can find."""


Effect = Perform | Refresh | HandedOver | WantsTechnician


@dataclass(frozen=True, slots=True)
class View:
    """What a step may look at: the time, and facts by name."""

    now: datetime
    fact: Callable[[str], Fact | None]


@dataclass(frozen=True, slots=True)
class Advance:
    """A step of a run: the state after it, what to write down, and what to have done."""

    state: State
    log: tuple[Entry, ...] = ()
    effects: tuple[Effect, ...] = ()


# What happens to a run.


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to the step at `path`: a `value`, or one of the `ways` that are always open."""

    path: str
    value: Any = None
    way: Literal["dont_know", "cannot", "left_out"] | None = None
    by: By = "requester"


@dataclass(frozen=True, slots=True)
class Skip:
    """Not relevant, because: for the author to read. It leads where not knowing leads."""

    path: str
    reason: str
    by: By = "requester"


@dataclass(frozen=True, slots=True)
class Back:
    by: By = "requester"


@dataclass(frozen=True, slots=True)
class Decide:
    approved: bool
    reason: str
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an action: `ok`, `error` (may be tried again), `failed`, `unsupported`, `expired`,
    `refused`, or `unverifiable` (sent, and nobody can say)."""

    path: str
    attempt: int
    state: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Time passed, or facts came in."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The requester wrote on the ticket."""


@dataclass(frozen=True, slots=True)
class HandOver:
    reason: str
    by: By = "requester"


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A technician goes on from the last step that asked something."""


@dataclass(frozen=True, slots=True)
class Cancel:
    reason: str
    by: By = "requester"


Event = Answer | Skip | Back | Decide | Result | Look | Replied | HandOver | TakeOver | Cancel


def to_json(state: State) -> dict[str, Any]:
    return {
        "frames": [list(frame) for frame in state.frames],
        "stage": state.stage.value,
        "started_at": state.started_at.isoformat(),
        "since": state.since.isoformat(),
        "until": state.until.isoformat() if state.until else None,
        "visits": [
            [v.path, v.entered_at.isoformat(), v.left_at.isoformat() if v.left_at else None, v.edge]
            for v in state.visits
        ],
        "answers": dict(state.answers),
        "outs": dict(state.outs),
        "decisions": [[d.path, d.approved, d.by, d.reason] for d in state.decisions],
        "attempts": dict(state.attempts),
        "asked_of": state.asked_of,
        "dry": state.dry,
        "code": dict(state.code),
        "why": state.why,
        "acted_at": state.acted_at.isoformat() if state.acted_at else None,
        "skipped": list(state.skipped),
    }


def state_from(kept: Mapping[str, Any]) -> State:
    """The state that `to_json` wrote."""
    return State(
        frames=tuple((book, step) for book, step in kept["frames"]),
        stage=Stage(kept["stage"]),
        started_at=datetime.fromisoformat(kept["started_at"]),
        since=datetime.fromisoformat(kept["since"]),
        until=_instant(kept["until"]),
        visits=tuple(
            Visit(path, datetime.fromisoformat(entered), _instant(left), edge)
            for path, entered, left, edge in kept["visits"]
        ),
        answers=kept["answers"],
        outs=kept["outs"],
        decisions=tuple(Decision(*one) for one in kept["decisions"]),
        attempts=kept["attempts"],
        asked_of=kept["asked_of"],
        dry=kept["dry"],
        code=kept["code"],
        why=kept["why"],
        acted_at=_instant(kept["acted_at"]),
        skipped=tuple(kept["skipped"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
