"""What a command may be, and what follows from each thing that becomes of it. PURE.

Risk decides everything: who must agree, how long the same may not be asked again, for how long sending is
tried, and whether what may have been done already is ever sent a second time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from integrations.mdm.port import (
    AuthFailed,
    BadRequest,
    Forbidden,
    MdmError,
    NotFound,
    Platform,
    RateLimited,
    Risk,
    State,
    Unsupported,
    Verb,
)
from service.mdm.models import CommandState, VendorName

MOST_DESTRUCTIVE_A_DAY: Final = 20
MOST_SENDS: Final = 3
WAITS_FOR_A_PERSON: Final = timedelta(hours=48)
DAY: Final = timedelta(days=1)
SOON: Final = timedelta(seconds=5)
SLOWEST: Final = timedelta(minutes=10)
COOLDOWNS: Final[Mapping[Risk, timedelta]] = {
    Risk.HARMLESS: timedelta(0),
    Risk.DISTURBING: timedelta(minutes=10),
    Risk.LOCKING: timedelta(hours=1),
    Risk.DESTRUCTIVE: DAY,
}
PATIENCE: Final[Mapping[Risk, timedelta]] = {
    Risk.HARMLESS: timedelta(hours=6),
    Risk.DISTURBING: timedelta(minutes=30),
    Risk.LOCKING: DAY,
    Risk.DESTRUCTIVE: timedelta(hours=2),
}
"""For how long sending is tried while the vendor cannot be reached: nobody wants a restart hours later."""
INVERSES: Final[Mapping[Verb, frozenset[Verb]]] = {
    Verb.LOCK: frozenset({Verb.ENABLE}),
    Verb.DISABLE: frozenset({Verb.ENABLE}),
    Verb.ENABLE: frozenset({Verb.DISABLE, Verb.LOCK}),
    Verb.LOST_MODE_ON: frozenset({Verb.LOST_MODE_OFF}),
    Verb.LOST_MODE_OFF: frozenset({Verb.LOST_MODE_ON}),
}
ALIKE: Final[Mapping[Verb, frozenset[Verb]]] = {
    Verb.LOCK: frozenset({Verb.LOCK, Verb.DISABLE}),
    Verb.DISABLE: frozenset({Verb.LOCK, Verb.DISABLE}),
}
"""What some vendors do the same way for: a Mac that is locked twice has two PINs. Else each verb is alone."""
IN_FLIGHT: Final = frozenset(
    {
        CommandState.WAITING,
        CommandState.QUEUED,
        CommandState.SENDING,
        CommandState.UNSURE,
        CommandState.SENT,
        CommandState.ACKNOWLEDGED,
    }
)
ENDED: Final = frozenset(CommandState) - IN_FLIGHT
FOLLOWED: Final = frozenset({CommandState.UNSURE, CommandState.SENT, CommandState.ACKNOWLEDGED})
UNSENT_ENDS: Final = frozenset(
    {CommandState.REFUSED, CommandState.CANCELLED, CommandState.UNSUPPORTED, CommandState.FAILED}
)
"""Ends after which the same may be asked for again at once."""
REFUSING_TESTS: Final = frozenset({Risk.DISTURBING, Risk.LOCKING, Risk.DESTRUCTIVE})
CHECKED_BEFORE: Final = frozenset({Risk.LOCKING, Risk.DESTRUCTIVE})
"""The device is read again, right before such a command is sent to it."""

SIX_DIGITS: Final = re.compile(r"[0-9]{6}")
PHONE: Final = re.compile(r"[0-9+() ./-]{3,40}")
LEAVES: Final = ("retiring", "same_model", "different_model", "transfer", "repair", "other")
LONGEST_DELAY: Final = 300
LOOKS_WHEN_UNSURE: Final = (
    timedelta(seconds=20),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=4),
)
"""Between looks for a command whose answer was lost."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a verb takes and, of that, what it cannot do without."""

    takes: frozenset[str]
    needs: frozenset[str] = frozenset()


NOTHING: Final = Form(frozenset())
FORMS: Final[Mapping[Verb, Form]] = {
    Verb.RESTART: Form(frozenset({"delay"})),
    Verb.LOCK: Form(frozenset({"message", "phone", "pin"})),
    Verb.WIPE: Form(frozenset({"pin"})),
    Verb.UNENROL: Form(frozenset({"leaves"})),
    Verb.LOST_MODE_ON: Form(frozenset({"message", "phone"}), frozenset({"message"})),
    Verb.RENAME: Form(frozenset({"name"}), frozenset({"name"})),
    Verb.MESSAGE: Form(frozenset({"message"}), frozenset({"message"})),
    Verb.SET_ASSET_TAG: Form(frozenset({"tag"}), frozenset({"tag"})),
    Verb.SET_USER: Form(frozenset({"user"}), frozenset({"user"})),
    Verb.MOVE: Form(frozenset({"site"}), frozenset({"site"})),
}
MAY_BE_EMPTY: Final = frozenset({"tag", "user"})
"""Empty takes away what is there."""
PINNED: Final[Mapping[VendorName, frozenset[Verb]]] = {
    VendorName.JAMF_PRO: frozenset({Verb.LOCK, Verb.WIPE}),
    VendorName.MOSYLE: frozenset({Verb.LOCK, Verb.WIPE}),
    VendorName.INTUNE: frozenset({Verb.WIPE}),
}
"""Whose Macs are locked and wiped with a PIN of ours; other vendors make their own, or none."""
ONLY_GOOGLES: Final = frozenset({"delay", "leaves"})


@dataclass(frozen=True, slots=True)
class Misfit:
    argument: str
    why: str


def misfits(verb: Verb, arguments: Mapping[str, str], vendor: VendorName, platform: Platform) -> list[Misfit]:
    """What is wrong with the arguments of a command, one sentence each; none repeats a value."""
    form = FORMS.get(verb, NOTHING)
    wrong = [Misfit(name, f"That takes no {name}.") for name in sorted(arguments.keys() - form.takes)]
    for name in sorted(form.takes):
        value = arguments.get(name)
        if value is None or (not value and name not in MAY_BE_EMPTY):
            if name in form.needs:
                wrong.append(Misfit(name, f"That needs a {name}."))
        elif (why := _misfit(name, value, verb, vendor, platform)) is not None:
            wrong.append(Misfit(name, why))
    return wrong


def _misfit(name: str, value: str, verb: Verb, vendor: VendorName, platform: Platform) -> str | None:
    if name == "pin":
        if not takes_pin(verb, vendor, platform):
            return "This device is not locked with a PIN that can be chosen."
        return None if SIX_DIGITS.fullmatch(value) else "A PIN has six digits."
    if name in ONLY_GOOGLES and vendor is not VendorName.GOOGLE:
        return f"Only Google's devices take a {name}."
    if name == "phone" and not PHONE.fullmatch(value):
        return "That is no telephone number."
    if name == "delay" and not (re.fullmatch(r"[0-9]{1,3}", value) and int(value) <= LONGEST_DELAY):
        return f"A restart waits for 0 to {LONGEST_DELAY} seconds."
    if name == "leaves" and value not in LEAVES:
        return f"A device leaves for one of: {', '.join(LEAVES)}."
    return None


def takes_pin(verb: Verb, vendor: VendorName, platform: Platform) -> bool:
    """Whether a PIN of ours locks it; one is made where none is given."""
    return platform is Platform.MACOS and verb in PINNED.get(vendor, ())


def for_vendor(arguments: Mapping[str, str]) -> dict[str, str]:
    """By the names that adapters know."""
    return {("reason" if name == "leaves" else name): value for name, value in arguments.items()}


def needs_second_person(risk: Risk) -> bool:
    return risk is Risk.DESTRUCTIVE


@dataclass(frozen=True, slots=True)
class Earlier:
    """A command that the device was given before. `sent_at` is None where it was never sent."""

    id: int
    verb: Verb
    state: CommandState
    sent_at: datetime | None


def in_the_way(
    verb: Verb, risk: Risk, earlier: Sequence[Earlier], now: datetime
) -> tuple[Earlier, str] | None:
    """The earlier command that forbids this one, and why. `earlier` in any order."""
    same = [one for one in earlier if one.verb in alike(verb)]
    for one in same:
        if one.state in IN_FLIGHT:
            return one, f"The same was asked of this device already, and is not over: command {one.id}."
    undone = max(
        (one.id for one in earlier if _was_sent(one) and one.verb in INVERSES.get(verb, ())), default=0
    )
    for one in same:
        if not _was_sent(one) or one.id < undone or one.sent_at is None:
            continue
        if now < (until := one.sent_at + COOLDOWNS[risk]):
            minutes = max(1, round((until - now).total_seconds() / 60))
            return one, f"The device was told that by command {one.id}; ask again in {minutes} minutes."
    return None


def alike(verb: Verb) -> frozenset[Verb]:
    """The verbs that count as this one when it was asked before."""
    return ALIKE.get(verb, frozenset({verb}))


def _was_sent(one: Earlier) -> bool:
    return one.sent_at is not None and one.state not in UNSENT_ENDS


def given_up_at(state: CommandState, risk: Risk, since: datetime) -> datetime:
    """From when on nothing more is expected of a command in flight. `since` is when it was asked for or
    approved while it is queued, when it was sent afterwards.
    """
    return since + (PATIENCE[risk] if state is CommandState.QUEUED else life(risk))


def life(risk: Risk) -> timedelta:
    """How long a device that is off may take: a restart of yesterday is of no use, a lost iPad's lock is."""
    return DAY if risk in (Risk.HARMLESS, Risk.DISTURBING) else timedelta(days=30)


def next_look(looks: int) -> timedelta:
    """5, 10, 20, 40 … seconds, ten minutes at most; `looks` were made already."""
    return min(SOON * (1 << min(looks, 10)), SLOWEST)


def next_look_for_lost(lost_for: timedelta) -> timedelta:
    """After the vendor could not be asked for a command whose answer was lost."""
    return min(max(lost_for / 4, timedelta(minutes=1)), SLOWEST)


def next_try(tries: int, asked_for: float | None = None) -> timedelta:
    """Until sending is tried again: what the vendor asks for where it says so, within 5 s and an hour."""
    if asked_for is not None:
        return min(max(timedelta(seconds=asked_for), SOON), timedelta(hours=1))
    return min(timedelta(seconds=15) * (1 << min(tries, 10)), SLOWEST)


class Then(StrEnum):
    """What to do after asking failed. `LOOK`: it may have been done, so look before anything else."""

    AGAIN = "again"
    LOOK = "look"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"


def after_failed_send(error: MdmError) -> Then:
    """What was surely not done may be tried again; what may have been done never is without a look."""
    if isinstance(error, Unsupported):
        return Then.UNSUPPORTED
    if isinstance(error, AuthFailed | Forbidden | NotFound | BadRequest):
        return Then.FAIL
    if isinstance(error, RateLimited) or not error.sent:
        return Then.AGAIN
    return Then.LOOK


class Found(StrEnum):
    """What looking for a lost command comes to."""

    NEXT = "next"
    RESEND = "resend"
    PERSON = "person"
    GIVE_UP = "give_up"


def after_nothing_found(risk: Risk, looks: int, attempts: int) -> Found:
    """The vendor has no such command, after `looks` looks and `attempts` sends. Only after several looks is
    that believed; what destroys is then sent by a person's word alone.
    """
    if looks < len(LOOKS_WHEN_UNSURE):
        return Found.NEXT
    if risk is Risk.DESTRUCTIVE:
        return Found.PERSON
    return Found.RESEND if attempts < MOST_SENDS else Found.GIVE_UP


class Asked(StrEnum):
    """What an error means while the vendor is asked how a command stands."""

    LATER = "later"
    NEVER = "never"


def after_failed_look(error: MdmError) -> Asked:
    """NotFound, Unsupported and BadRequest will not become better by asking again."""
    never = isinstance(error, NotFound | Unsupported | BadRequest)
    return Asked.NEVER if never else Asked.LATER


STATES: Final[Mapping[State, CommandState]] = {
    State.QUEUED: CommandState.SENT,
    State.SENT: CommandState.SENT,
    State.ACKNOWLEDGED: CommandState.ACKNOWLEDGED,
    State.SUCCEEDED: CommandState.SUCCEEDED,
    State.FAILED: CommandState.FAILED,
    State.EXPIRED: CommandState.EXPIRED,
    State.CANCELLED: CommandState.CANCELLED,
    State.UNSUPPORTED: CommandState.UNSUPPORTED,
    State.UNVERIFIABLE: CommandState.UNVERIFIABLE,
}
"""What a vendor says, as a command's state: queued there is sent from here."""


def after_receipt(state: State, handle: str | None) -> CommandState:
    """Without a handle nobody can ask what becomes of it: unless it is over, that is unverifiable."""
    told = STATES[state]
    return CommandState.UNVERIFIABLE if told in IN_FLIGHT and handle is None else told
