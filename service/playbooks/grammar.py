"""What a playbook may say: the models behind the YAML files, the API and the published JSON Schema.

PURE. One file is one playbook. A step is of the kind its first key names; where it leads stands in the step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from service.playbooks.conditions import Condition, Scalar, Span

MOST_STEPS: Final = 120
MOST_VISITS: Final = 60
DEEPEST_CALL: Final = 4
LONGEST_LIFE: Final = "14d"
BASE_LOCALE: Final = "en"

StepId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$", examples=["which_light"])]
PlaybookId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,59}$", examples=["chromebook-wifi"])]
Value = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,47}$", description="What a choice is called.")]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]
Text = Annotated[
    dict[Locale, Annotated[str, Field(min_length=1, max_length=1200)]],
    Field(min_length=1, max_length=20, description="The words by language; `en` must be there."),
]
QueueKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=64)]
Limit = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Priority = Literal["P1", "P2", "P3", "P4"]


class Audience(StrEnum):
    """Who can answer a step."""

    REQUESTER = "requester"
    TECHNICIAN = "technician"
    EITHER = "either"


class Risk(StrEnum):
    """What an action can cost: nothing, nothing felt, an interruption, data or an account."""

    R0 = "R0"
    R1 = "R1"
    R2 = "R2"
    R3 = "R3"


class Verb(StrEnum):
    """What a playbook can have done."""

    TICKET_NOTE = "ticket.note"
    TICKET_REPLY = "ticket.reply"
    TICKET_UPDATE = "ticket.update"
    LOANER_ORDER = "loaner.order"
    LOANER_ISSUE = "loaner.issue"
    FACT_REFRESH = "fact.refresh"
    DEVICE_COMMAND = "device.command"
    POE_CYCLE = "network.poe_cycle"


class Role(StrEnum):
    """Who may approve."""

    TECHNICIAN = "technician"
    LEAD = "lead"
    ADMIN = "admin"


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Picture(_Form):
    """A place for a picture: the district puts its own into `slot`; `alt` says what is on it."""

    slot: PlaybookId
    alt: Text


class _Step(_Form):
    audience: Audience = Audience.REQUESTER
    time: Span | None = Field(None, description="How long the step takes a person.")
    timeout: Span | None = Field(None, description="How long it is waited for.")
    on_timeout: StepId | None = Field(None, description="Where it leads then; else the way out.")
    rules_out: dict[str, Text] = Field(
        default_factory=dict,
        max_length=20,
        description="What a technician need not look at any more, by the way the step was left.",
    )


class Option(_Form):
    value: Value
    label: Text
    next: StepId | None = Field(None, description="Where it leads; else the step's `next`.")


class Question(_Step):
    """Asks the person. "I don't know" and "I can't" are always possible: they lead to the way out unless
    the step says otherwise."""

    question: Literal["single", "multi", "text", "number", "photo"]
    text: Text
    help: Text | None = None
    picture: Picture | None = None
    options: list[Option] = Field(default_factory=list, max_length=12)
    minimum: Limit | None = Field(None, description="Of a number; the fewest photos of `photo`.")
    maximum: Limit | None = Field(None, description="Of a number; the most photos of `photo`.")
    next: StepId | None = None
    dont_know: StepId | None = None
    cannot: StepId | None = None
    optional: bool = Field(False, description="A text or photo that may be left out: it goes on to `next`.")


class Info(_Step):
    """Tells the person what to do, and asks how it went."""

    info: Text
    help: Text | None = None
    picture: Picture | None = None
    done: StepId
    didnt_help: StepId | None = Field(None, description="Where “It didn't help” leads, if it is offered.")
    cannot: StepId | None = None


class Check(_Step):
    """Looks at facts. With `fresh` they are asked for anew, and waited for, where it does not hold."""

    check: Condition
    fresh: Span | None = None
    true: StepId
    false: StepId
    unknown: StepId


class Case(_Form):
    if_: Condition = Field(alias="if")
    next: StepId


class Branch(_Step):
    """The first case that holds decides; not known is not a case, `default` is."""

    branch: list[Case] = Field(min_length=1, max_length=20)
    default: StepId


class Verify(_Form):
    """What must be true after an action, and how long that may take."""

    check: Condition
    within: Span = "5m"


class Approval(_Form):
    """Who must agree, how many of them, and until when."""

    role: Role
    count: int = Field(1, ge=1, le=5)
    timeout: Span = "24h"


class Action(_Step):
    """Has something done. Its risk class decides who must agree first."""

    action: Verb
    text: Text = Field(description="What is being done, shown while it happens; asked about when it is R2.")
    with_: dict[Value, Scalar] = Field(default_factory=dict, alias="with", max_length=12)
    risk: Risk
    requires: Condition | None = Field(None, description="Done only where this holds.")
    approval: Approval | None = None
    verify: Verify | None = None
    undo: Text | None = Field(None, description="How a technician takes it back; without it, not at all.")
    retry: int = Field(0, ge=0, le=2, description="Further tries after an error, never after a time-out.")
    ok: StepId
    failed: StepId | None = None
    refused: StepId | None = Field(None, description="Where a no of person, rule or approver leads.")


class WaitFor(_Form):
    """For a length of time; with `until` or `reply`, at most for it."""

    for_: Span = Field(alias="for")
    until: Condition | None = None
    reply: bool = Field(False, description="Until the requester writes on the ticket.")


class Wait(_Step):
    wait: WaitFor
    text: Text
    done: StepId
    timed_out: StepId | None = Field(None, description="Where it leads when it did not come.")


class Call(_Step):
    """Goes through another playbook, a part, and on by what that returns."""

    call: PlaybookId
    returns: dict[Value, StepId] = Field(min_length=1, max_length=12)


class ApprovalStep(_Step):
    """Asks somebody with a role."""

    approval: Approval
    text: Text
    approved: StepId
    refused: StepId | None = None


class HandTo(_Form):
    queue: QueueKey
    priority: Priority | None = None
    category: Code | None = None
    tags: list[QueueKey] = Field(default_factory=list, max_length=5)


class Handoff(_Step):
    """Gives the ticket, and everything learnt, to a queue. `text` is what the person reads."""

    handoff: HandTo
    text: Text


class Ending(_Form):
    """The resolution code of a playbook, or what a part returns to its caller."""

    cause: Code | None = None
    fix: Code | None = None
    outcome: Code | None = None
    returns: Value | None = None


class End(_Step):
    end: Ending
    text: Text | None = None


KINDS: Final[Mapping[str, type[_Step]]] = {
    "question": Question,
    "info": Info,
    "check": Check,
    "branch": Branch,
    "action": Action,
    "wait": Wait,
    "call": Call,
    "approval": ApprovalStep,
    "handoff": Handoff,
    "end": End,
}


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        if "action" in value:
            return "action"
        return next((name for name in KINDS if name in value), None)
    return kind_of(value) if isinstance(value, _Step) else None


def kind_of(step: object) -> str:
    return next(name for name, form in KINDS.items() if isinstance(step, form))


Step = Annotated[
    Annotated[Question, Tag("question")]
    | Annotated[Info, Tag("info")]
    | Annotated[Check, Tag("check")]
    | Annotated[Branch, Tag("branch")]
    | Annotated[Action, Tag("action")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[Call, Tag("call")]
    | Annotated[ApprovalStep, Tag("approval")]
    | Annotated[Handoff, Tag("handoff")]
    | Annotated[End, Tag("end")],
    Discriminator(
        _kind,
        custom_error_type="step_kind",
        custom_error_message=f"A step is one of: {', '.join(KINDS)}.",
    ),
]


class AppliesTo(_Form):
    """When the playbook is suggested: for these kinds of device, categories, and words of the requester."""

    asset_kinds: list[Value] = Field(default_factory=list, max_length=20)
    categories: list[Code] = Field(default_factory=list, max_length=20)
    words: dict[Locale, Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=60)]] = Field(
        default_factory=dict
    )


class Example(_Form):
    """A proof: with these facts and answers, it goes along this path to this end.

    `answers` by step; of a step in a part, `call_step.step`. `results` are what actions come to, `decisions`
    what approvers say, `times_out` the steps nobody answers.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    facts: dict[str, Any] = Field(default_factory=dict, max_length=60)
    answers: dict[str, Any] = Field(default_factory=dict, max_length=60)
    results: dict[str, str] = Field(default_factory=dict, max_length=20)
    decisions: dict[str, bool] = Field(default_factory=dict, max_length=20)
    arrives: dict[str, dict[str, Any]] = Field(
        default_factory=dict, max_length=20, description="Facts that come in while a step waits for them."
    )
    times_out: list[str] = Field(default_factory=list, max_length=60)
    path: list[str] = Field(default_factory=list, max_length=MOST_VISITS)
    ends: dict[str, str]


class Playbook(_Form):
    """One file of `playbooks/`, whole."""

    schema_: Literal["playbook/1"] = Field(alias="schema")
    id: PlaybookId
    title: Text
    summary: Text
    owner: QueueKey = Field(description="The queue whose people keep it up to date.")
    part: bool = Field(False, description="True: other playbooks call it; nobody starts it.")
    applies_to: AppliesTo = AppliesTo()
    start: StepId
    way_out: StepId | None = Field(None, description="Where “I don't know” and time-outs lead by default.")
    life: Span = LONGEST_LIFE
    steps: dict[StepId, Step] = Field(min_length=1, max_length=MOST_STEPS)
    examples: list[Example] = Field(default_factory=list, max_length=200)


TIMEOUTS: Final[Mapping[str, Span]] = {
    "question": "24h",
    "info": "24h",
    "check": "60s",
    "action": "10m",
    "approval": "24h",
}
TIMES: Final[Mapping[str, Span]] = {"question": "30s", "info": "2m", "wait": "0s"}


def edges(step: object, way_out: str | None) -> Iterator[tuple[str, str | None]]:
    """The ways a step can be left, by name, and where they lead; None where nothing says where."""
    match step:
        case Question():
            for option in step.options:
                if option.next or step.question == "single":
                    yield option.value, option.next or step.next
            if step.question != "single" or (step.next and not step.options):
                yield "next", step.next
            if step.optional:
                yield "left_out", step.next
            yield "dont_know", step.dont_know or way_out
            yield "cannot", step.cannot or step.dont_know or way_out
            yield "timeout", step.on_timeout or way_out
        case Info():
            yield "done", step.done
            if step.didnt_help:
                yield "didnt_help", step.didnt_help
            yield "cannot", step.cannot or way_out
            yield "timeout", step.on_timeout or way_out
        case Check():
            yield "true", step.true
            yield "false", step.false
            yield "unknown", step.unknown
        case Branch():
            for n, case in enumerate(step.branch, start=1):
                yield f"case{n}", case.next
            yield "default", step.default
        case Action():
            yield "ok", step.ok
            yield "failed", step.failed or way_out
            if can_be_refused(step):
                yield "refused", step.refused or step.failed or way_out
            yield "timeout", step.on_timeout or step.failed or way_out
        case Wait():
            yield "done", step.done
            if step.wait.until is not None or step.wait.reply:
                yield "timed_out", step.timed_out or way_out
        case Call():
            yield from step.returns.items()
        case ApprovalStep():
            yield "approved", step.approved
            yield "refused", step.refused or way_out
            yield "timeout", step.on_timeout or step.refused or way_out


def can_be_refused(step: Action) -> bool:
    return step.risk in (Risk.R2, Risk.R3) or step.requires is not None or step.approval is not None


def edge_targets(playbook: Playbook, step_id: str) -> dict[str, str | None]:
    return dict(edges(playbook.steps[step_id], playbook.way_out))


def conditions_of(step: object) -> Iterator[tuple[str, Condition]]:
    """The conditions in a step, with the place each stands at."""
    match step:
        case Check():
            yield "check", step.check
        case Branch():
            for n, case in enumerate(step.branch):
                yield f"branch.{n}.if", case.if_
        case Action():
            if step.requires is not None:
                yield "requires", step.requires
            if step.verify is not None:
                yield "verify.check", step.verify.check
        case Wait():
            if step.wait.until is not None:
                yield "wait.until", step.wait.until


def texts_of(playbook: Playbook) -> Iterator[tuple[str, Text]]:
    """Every text people read, with the place it stands at."""
    yield "title", playbook.title
    yield "summary", playbook.summary
    for step_id, step in playbook.steps.items():
        where = f"steps.{step_id}"
        for name in ("text", "info", "help", "undo"):
            if isinstance(text := getattr(step, name, None), dict):
                yield f"{where}.{name}", text
        if (picture := getattr(step, "picture", None)) is not None:
            yield f"{where}.picture.alt", picture.alt
        for edge, text in step.rules_out.items():
            yield f"{where}.rules_out.{edge}", text
        for n, option in enumerate(getattr(step, "options", ())):
            yield f"{where}.options.{n}.label", option.label


@dataclass(frozen=True)
class Book:
    """A playbook with the parts it calls: what a version is, and what a run is pinned to."""

    main: Playbook
    parts: Mapping[str, Playbook]

    def __getitem__(self, playbook_id: str) -> Playbook:
        return self.main if playbook_id == self.main.id else self.parts[playbook_id]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form: sorted JSON without examples."""
        return hashlib.sha256(canonical(self).encode()).hexdigest()


def canonical(book: Book) -> str:
    return json.dumps(plain(book), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plain(book: Book) -> dict[str, Any]:
    """The book as JSON values; examples are proof, not content, and stay out."""
    written = {name: _written(part) for name, part in sorted(book.parts.items())}
    return {"main": _written(book.main), "parts": written}


def _written(playbook: Playbook) -> dict[str, Any]:
    return playbook.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, exclude={"examples"}
    )


def book_from(written: Mapping[str, Any]) -> Book:
    """The book that `plain` wrote."""
    return Book(
        Playbook.model_validate(written["main"]),
        {name: Playbook.model_validate(part) for name, part in written["parts"].items()},
    )


def called_by(playbook: Playbook) -> Iterator[tuple[str, str]]:
    """The call steps of a playbook and the parts they call."""
    for step_id, step in playbook.steps.items():
        if isinstance(step, Call):
            yield step_id, step.call


def bound(main: Playbook, library: Mapping[str, Playbook]) -> Book:
    """The playbook with every part it reaches. KeyError names a part that is not in the library."""
    parts: dict[str, Playbook] = {}
    waiting = [main]
    while waiting:
        for _, name in called_by(waiting.pop()):
            if name not in parts and name != main.id:
                parts[name] = library[name]
                waiting.append(parts[name])
    return Book(main, parts)


def playbook_schema() -> dict[str, Any]:
    """The JSON Schema of a playbook file, as editors and other tools take it."""
    made = Playbook.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
