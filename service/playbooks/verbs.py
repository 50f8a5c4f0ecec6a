"""What actions take, and the least risk each can have.

PURE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.playbooks.facts import FACTS
from service.playbooks.grammar import Risk, Verb
from service.tickets.priority import Priority
from service.tickets.resolution import Cause, Fix, Outcome

COMMANDS: Final[Mapping[str, Risk]] = {
    "sync": Risk.R1,
    "play_sound": Risk.R1,
    "locate": Risk.R1,
    "message": Risk.R1,
    "install_app": Risk.R1,
    "restart": Risk.R2,
    "shutdown": Risk.R2,
    "lock": Risk.R2,
    "lost_mode_on": Risk.R3,
    "lost_mode_off": Risk.R3,
    "disable": Risk.R3,
    "enable": Risk.R3,
    "clear_passcode": Risk.R3,
    "wipe_users": Risk.R3,
    "wipe": Risk.R3,
    "retire": Risk.R3,
}
KINDS: Final = (
    "chromebook",
    "tablet",
    "laptop",
    "desktop",
    "printer",
    "projector",
    "display",
    "phone",
    "switch",
    "access_point",
    "ups",
    "other",
)
NUMBERS: Final[Mapping[str, tuple[int, int]]] = {"days": (1, 365), "seconds": (1, 60)}
ORDER: Final = {risk: n for n, risk in enumerate(Risk)}


@dataclass(frozen=True, slots=True)
class VerbForm:
    """The arguments of a verb with the values each may have (empty: any), and its least risk."""

    least: Risk
    takes: Mapping[str, tuple[str, ...]]
    needs: frozenset[str] = frozenset()


FORMS: Final[Mapping[Verb, VerbForm]] = {
    Verb.TICKET_NOTE: VerbForm(Risk.R0, {"body": ()}, frozenset({"body"})),
    Verb.TICKET_REPLY: VerbForm(Risk.R0, {"body": ()}, frozenset({"body"})),
    Verb.TICKET_UPDATE: VerbForm(
        Risk.R1,
        {
            "queue": (),
            "priority": tuple(Priority),
            "category": (),
            "cause": tuple(Cause),
            "fix": tuple(Fix),
            "outcome": tuple(Outcome),
        },
    ),
    Verb.LOANER_ORDER: VerbForm(Risk.R1, {"kind": KINDS, "days": ()}),
    Verb.LOANER_ISSUE: VerbForm(Risk.R1, {"kind": KINDS, "days": ()}),
    Verb.FACT_REFRESH: VerbForm(Risk.R0, {"fact": ()}),
    Verb.DEVICE_COMMAND: VerbForm(
        Risk.R1, {"command": tuple(COMMANDS), "message": (), "app": ()}, frozenset({"command"})
    ),
    Verb.POE_CYCLE: VerbForm(Risk.R2, {"seconds": ()}),
}


def least_risk(verb: Verb, arguments: Mapping[str, Any]) -> Risk:
    """The risk that an action cannot be below."""
    risk = FORMS[verb].least
    command = COMMANDS.get(str(arguments.get("command"))) if verb is Verb.DEVICE_COMMAND else None
    return max(risk, command or risk, key=ORDER.__getitem__)


def misfits(verb: Verb, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with the arguments of an action, in sentences."""
    form = FORMS[verb]
    wrong = [f"{verb} needs “{name}”." for name in sorted(form.needs - arguments.keys())]
    for name, value in arguments.items():
        if name not in form.takes:
            wrong.append(f"{verb} takes {', '.join(form.takes)}, not “{name}”.")
        elif isinstance(value, str) and "{{" in value:
            wrong.append(f"“{name}” of {verb} is taken as it stands; nothing is put into it.")
        elif name in NUMBERS and not _is_within(value, *NUMBERS[name]):
            least, most = NUMBERS[name]
            wrong.append(f"“{name}” of {verb} is a whole number from {least} to {most}.")
        elif name == "fact" and value not in FACTS:
            wrong.append(f"There is no fact “{value}”.")
        elif form.takes[name] and value not in form.takes[name]:
            wrong.append(f"“{name}” of {verb} is one of {', '.join(form.takes[name])}, not “{value}”.")
    if "cause" in arguments and "fix" not in arguments:
        wrong.append(f"{verb} with a “cause” resolves the ticket: it needs a “fix” too.")
    return wrong


def _is_within(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
