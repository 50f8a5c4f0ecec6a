"""SLA policies: made, read, edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import insert, select

from service.core.actor import Scope
from service.core.errors import Invalid, NotFound, Stale, require
from service.core.fields import Code, Id, Input, Line, PlainObject
from service.core.idempotency import once
from service.core.traits import POLICY_TRAITS, TRAITS, unknown_traits
from service.core.work import Eyes, Work
from service.sla.calendars import may_configure
from service.sla.models import PolicyEdition, SchoolCalendar, SlaPolicy
from service.sla.policy import DEFAULT_PAUSE, NAMES, NO_PAUSE, Agreement, BadPolicy, Policy

PRIORITIES = ("P1", "P2", "P3", "P4")
Minutes = Annotated[float, Field(gt=0, le=525_600)]
Matches = dict[Code, list[Line]]

DEFAULT_RULES: dict[str, Any] = {
    "on_reopen": "resume",
    "on_change": "retroactive",
    "warn_at": [0.5, 0.75, 0.9],
    "escalate": [],
}


class PolicyIn(Input):
    name: Line = Field(examples=["Classrooms"])
    position: int = Field(100, ge=0, le=10_000, description="Policies are tried in this order.")
    active: bool = True
    calendar_id: Id | None = Field(None, description="Instead of the calendar of the ticket's place.")
    matches: Matches = Field(
        default_factory=dict,
        max_length=20,
        description=f"The tickets it is for, by {', '.join(TRAITS)}; a vendor contract also by vendor, a "
        "person's id. Empty is all.",
        examples=[{"kind": ["incident"], "requester_role": ["staff"]}],
    )
    targets: dict[str, dict[str, Minutes]] = Field(
        description="Minutes of working time by priority and target.",
        examples=[{"P1": {"first_response": 30, "next_response": 60, "resolution": 240}}],
    )
    rules: PlainObject = Field(
        default_factory=dict,
        description="`pause`, `on_reopen`, `on_change`, `warn_at`, `escalate`, where they differ from the "
        "defaults.",
    )


class NewPolicy(PolicyIn):
    kind: Agreement = Field(
        Agreement.SLA,
        description="What the desk owes requesters (sla), a queue owes the desk (ola), or a vendor (vendor).",
    )


class EditPolicy(PolicyIn):
    """The policy, whole. Tickets opened before keep the edition they began under until they are retimed."""

    kind: Agreement | None = Field(None, description="It stays what it is.")


@once(SlaPolicy)
async def create_policy(work: Work, wanted: NewPolicy) -> SlaPolicy:
    require(may_configure(work.actor))
    policy = SlaPolicy(version=1, kind=wanted.kind, **await _checked(work, wanted, wanted.kind))
    work.session.add(policy)
    await work.session.flush()
    await _keep_edition(work, policy)
    return policy


@once(SlaPolicy)
async def edit_policy(work: Work, policy_id: int, wanted: EditPolicy) -> SlaPolicy:
    require(may_configure(work.actor))
    policy = await work.session.get(SlaPolicy, policy_id, with_for_update=True)
    if policy is None:
        raise NotFound("There is no such policy.")
    if work.conditions.expected_version not in (None, policy.version):
        raise Stale
    if wanted.kind not in (None, policy.kind):
        sentence = f"This policy is of kind {policy.kind.value} and stays so. Make another one."
        raise Invalid.field("kind", sentence, "bad_policy")
    for name, value in (await _checked(work, wanted, policy.kind)).items():
        setattr(policy, name, value)
    policy.version += 1
    await work.session.flush()
    await _keep_edition(work, policy)
    work.version = policy.version
    return policy


async def policies(eyes: Eyes) -> Sequence[Any]:
    require(eyes.actor.is_desk and eyes.actor.holds(Scope.DIRECTORY_READ))
    query = select(SlaPolicy.__table__).order_by(SlaPolicy.position, SlaPolicy.id)
    return (await eyes.db.execute(query)).all()


async def _checked(work: Work, wanted: PolicyIn, kind: Agreement) -> dict[str, Any]:
    known = POLICY_TRAITS if kind is Agreement.VENDOR else TRAITS
    if unknown := unknown_traits(wanted.matches, known):
        sentence = f"The {NAMES[kind]} matches by {', '.join(known)}, not {unknown[0]}."
        raise Invalid.field("matches", sentence)
    rules = _defaults(kind) | wanted.rules
    _policy_of({**rules, "targets": {}}, "rules", kind)
    for priority, targets in wanted.targets.items():
        if priority not in PRIORITIES:
            raise Invalid.field("targets", f"Priorities are {', '.join(PRIORITIES)}, not {priority!r}.")
        _policy_of({**rules, "targets": targets}, "targets", kind)
    if wanted.calendar_id is not None:
        there = await work.session.get(SchoolCalendar, wanted.calendar_id)
        if there is None:
            raise Invalid.field("calendar_id", "There is no such calendar.", "unknown_calendar")
    return wanted.model_dump(exclude={"rules", "kind"}) | {"rules": rules}


def _defaults(kind: Agreement) -> dict[str, Any]:
    """A contract runs on hold; what else is agreed stands still then."""
    pause = NO_PAUSE if kind is Agreement.VENDOR else DEFAULT_PAUSE
    return DEFAULT_RULES | {"pause": {status: sorted(targets) for status, targets in pause.items()}}


def _policy_of(definition: dict[str, Any], field: str, kind: Agreement) -> Policy:
    try:
        return Policy.from_json(definition).fit_for(kind)
    except BadPolicy as error:
        raise Invalid.field(field, str(error), "bad_policy") from None


async def _keep_edition(work: Work, policy: SlaPolicy) -> None:
    definition = {"targets": policy.targets, "rules": policy.rules, "matches": policy.matches}
    await work.session.execute(
        insert(PolicyEdition).values(
            policy_id=policy.id,
            version=policy.version,
            definition=definition,
            at=work.now,
            actor=work.actor.name,
        )
    )
    work.change_config()
