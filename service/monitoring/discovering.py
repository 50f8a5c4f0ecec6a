"""One agent read whole: what it is, all that its profile reads, and what that means. No database."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from integrations.snmp.profile import Profile, Profiles
from integrations.snmp.reading import Learned, Reading
from integrations.snmp.target import (
    AgentRefused,
    Answers,
    BadCredentials,
    Malformed,
    Silent,
    SnmpError,
    Target,
    Unreachable,
    Version,
)
from integrations.snmp.transport import Transport
from integrations.snmp.understanding import rows_of, understand
from service.monitoring.asking import Opened

LONGEST: Final = 180.0
"""Seconds that reading one agent whole may take."""

CHANGED: Final = ("1.3.6.1.2.1.47.1.4.1.0", "1.3.6.1.2.1.31.1.5.0")
"""entLastChangeTime and ifTableLastChange: what a device has changes when they do."""

ENGINE_ID: Final = "1.3.6.1.6.3.10.2.1.1.0"
CISCO: Final = "1.3.6.1.4.1.9.1."
FORWARDING: Final = ("1.3.6.1.2.1.17.1.4.1.2", "1.3.6.1.2.1.17.4.3.1.2", "1.3.6.1.2.1.17.4.3.1.3")
MOST_VLANS: Final = 64
INTERNAL_VLANS: Final = range(1002, 1006)
MOST_SILENT: Final = 2
LOOK_UP_FOR: Final = 10.0


class Nothing(SnmpError):
    """The agent lets us in and shows nothing."""

    reason = "nothing_shown"


@dataclass(frozen=True, slots=True)
class Discovered:
    """`matched` is the profile that its identification gives; `rows` are the table rows that polls ask for,
    `changed` the stamps of `CHANGED`; `cut` names bases whose walk ended early, and why.
    """

    profile: Profile
    matched: str
    reading: Reading
    rows: dict[str, list[str]]
    engine_id: bytes | None
    max_repetitions: int
    changed: dict[str, int]
    cut: dict[str, str]


@dataclass(frozen=True, slots=True)
class LetIn:
    """The first credential that an agent answered to, and what it said when it was asked what it is."""

    opened: Opened
    target: Target
    answers: Answers


async def addresses_of(host: str) -> Sequence[str]:
    """What the resolver knows, IPv4 first; nothing where it knows nothing in time."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOK_UP_FOR):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    texts = dict.fromkeys(str(where[0]).partition("%")[0] for *_, where in found)
    return sorted(texts, key=lambda text: ":" in text)


async def let_in(transport: Transport, profiles: Profiles, targets: Sequence[tuple[Opened, Target]]) -> LetIn:
    """Try credentials in order. BadCredentials where the agent answers and refuses all, Silent where nothing
    answers at all, Nothing where it lets us in and shows nothing.
    """
    told: SnmpError = Silent("Nothing answers.")
    for known, target in targets:
        try:
            answers = await transport.get(target, profiles.identify)
        except Unreachable:
            raise
        except SnmpError as error:
            told = error if isinstance(told, Silent) else told
        else:
            if answers:
                return LetIn(known, target, answers)
            told = Nothing("The agent shows nothing to this credential.")
    raise told


async def discover(
    transport: Transport,
    profiles: Profiles,
    target: Target,
    identified: Answers | None = None,
    named: str = "",
) -> Discovered:
    """Read an agent whole, in at most `LONGEST` seconds; SnmpError where it does not answer.

    `identified` is what it said to `profiles.identify` already; `named` a profile that is taken whatever it
    said, if there is one of that name.
    """
    try:
        async with asyncio.timeout(LONGEST):
            return await _discover(transport, profiles, target, identified, named)
    except TimeoutError:
        raise Silent(f"Reading the agent took more than {LONGEST:.0f} seconds.") from None


async def _discover(
    transport: Transport, profiles: Profiles, target: Target, identified: Answers | None, named: str
) -> Discovered:
    answers = dict(identified or await transport.get(target, profiles.identify))
    if not answers:
        raise Nothing("The agent shows nothing to this credential.")
    matched = profiles.match(answers)
    profile = next((known for known in profiles.all if known.name == named), matched)
    cut = await _read_all(transport, profile, target, answers)
    reading = understand(profile, answers)
    if _learns_by_vlan(reading):
        reading.learned = await _learned_by_vlan(transport, profile, target, reading)
    memory = transport.remembered(target)
    return Discovered(
        profile=profile,
        matched=matched.name,
        reading=reading,
        rows=rows_of(profile, answers),
        engine_id=memory.engine_id or _engine_id_in(answers),
        max_repetitions=memory.max_repetitions,
        changed=changed_in(answers),
        cut=cut,
    )


def _engine_id_in(answers: Answers) -> bytes | None:
    """An agent that is asked by v2c has one too."""
    said = answers.get(ENGINE_ID)
    return said if isinstance(said, bytes) and 5 <= len(said) <= 32 else None


def changed_in(answers: Answers) -> dict[str, int]:
    return {oid: value for oid in CHANGED if isinstance(value := answers.get(oid), int)}


async def _read_all(
    transport: Transport, profile: Profile, target: Target, answers: Answers
) -> dict[str, str]:
    """Everything that the profile reads, into `answers`; which walks ended early, and why.

    An agent that falls silent under one of its tables has the others still.
    """
    answers |= await transport.get(target, (*profile.discovery.get, *CHANGED, ENGINE_ID))
    cut = {}
    silent = 0
    for base in profile.discovery.walk:
        try:
            walked = await transport.walk(target, base)
        except (Silent, AgentRefused) as error:
            cut[base] = error.reason
            silent += isinstance(error, Silent)
            if silent >= MOST_SILENT:
                raise
            continue
        answers |= walked.answers
        if walked.cut is not None:
            cut[base] = walked.cut
    return cut


def _learns_by_vlan(reading: Reading) -> bool:
    """Old Cisco IOS keeps a forwarding table for each VLAN, behind a community or context of its own."""
    object_id = reading.identity.object_id or ""
    return object_id.startswith(CISCO) and bool(reading.vlans)


async def _learned_by_vlan(
    transport: Transport, profile: Profile, target: Target, reading: Reading
) -> list[Learned]:
    """What was learned in each VLAN beside what the agent showed at once; two silent VLANs end it."""
    found = {(one.mac, one.vlan): one for one in reading.learned}
    silent = 0
    for vlan in [vlan.id for vlan in reading.vlans if vlan.id not in INTERNAL_VLANS][:MOST_VLANS]:
        try:
            answers = await _forwarding(transport, _inside(target, vlan))
        except (Silent, BadCredentials, AgentRefused, Malformed):
            silent += 1
            if silent >= MOST_SILENT:
                break
            continue
        for one in _with_ports(understand(profile, answers).learned, reading):
            found.setdefault((one.mac, vlan), replace(one, vlan=vlan))
    return list(found.values())


async def _forwarding(transport: Transport, target: Target) -> Answers:
    answers: Answers = {}
    for base in FORWARDING:
        answers |= (await transport.walk(target, base)).answers
    return answers


def _inside(target: Target, vlan: int) -> Target:
    """`community@vlan`, or the v3 context `vlan-N`. One try: an agent that has none stays silent."""
    known = target.credential
    if known.version is Version.V3:
        inside = replace(known, context=f"vlan-{vlan}")
    else:
        inside = replace(known, community=f"{known.community}@{vlan}")
    return replace(target, credential=inside, timeout=min(target.timeout, 1.0), retries=0)


def _with_ports(learned: Sequence[Learned], reading: Reading) -> list[Learned]:
    """With the names of their ports, which were read outside of the VLAN."""
    keys = {port.index: port.key for port in reading.ports}
    return [replace(one, port_key=keys.get(one.index or -1)) for one in learned]
