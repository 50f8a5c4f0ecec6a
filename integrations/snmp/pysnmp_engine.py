"""Reads and writes by pysnmp: slow, and complete (SET, contexts, errors told in full).

One SnmpEngine a process is shared by all targets, without MIB look-ups; another takes its place where
pysnmp would mix two of our credentials up, or where it has gathered too many addresses. Source: pysnmp
7.1.30, `entity/rfc3413/cmdgen.py`, `proto/rfc3412.py`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pyasn1.type import univ  # type: ignore[import-untyped]
from pysnmp.entity.rfc3413 import cmdgen  # type: ignore[import-untyped]
from pysnmp.error import PySnmpError  # type: ignore[import-untyped]
from pysnmp.proto import rfc1902, rfc1905  # type: ignore[import-untyped]

from integrations.snmp.bounds import (
    NO_SUCH_NAME,
    TOO_BIG,
    WALK_SECONDS,
    Gathering,
    Memories,
    Memory,
    Rows,
    numbers,
    plain,
    walk,
)
from integrations.snmp.pysnmp_port import TICK, Household, Question
from integrations.snmp.target import (
    AgentRefused,
    Answers,
    BadCredentials,
    Malformed,
    SetType,
    Silent,
    SnmpError,
    Target,
    Unreachable,
    Value,
    Version,
    Walked,
)

STATUS = {
    1: "tooBig",
    2: "noSuchName",
    3: "badValue",
    4: "readOnly",
    5: "genErr",
    6: "noAccess",
    7: "wrongType",
    8: "wrongLength",
    9: "wrongEncoding",
    10: "wrongValue",
    11: "noCreation",
    12: "inconsistentValue",
    13: "resourceUnavailable",
    14: "commitFailed",
    15: "undoFailed",
    16: "authorizationError",
    17: "notWritable",
    18: "inconsistentName",
}
REFUSALS = {
    "UnknownUserName",
    "UnknownSecurityName",
    "UnsupportedSecurityLevel",
    "WrongDigest",
    "AuthenticationError",
    "AuthenticationFailure",
    "DecryptionError",
    "NotInTimeWindow",
    "UnknownEngineID",
    "UnknownContext",
}
STALE = {"NotInTimeWindow", "UnknownEngineID"}

REFUSAL_WAIT = 0.2
RENEWED_AT_MOST_EVERY = 10.0
MAX_HOUSEHOLDS = 8
EMPTY_SEQUENCE = b"\x30\x00"
MARGIN = 1.0
"""Seconds above what the tries take: v3 asks for the agent's engine first."""

Sender = Callable[[Any, str, str, Callable[..., None]], None]
"""Sends a question: pysnmp's engine, the target's name in it, v3's context, and who hears the answer."""
Heard = tuple[Any, int, int, Sequence[tuple[Any, Any]]]
"""pysnmp's error, the agent's error status and index, and the bindings."""


class Stale(Exception):
    """pysnmp may hold on to an engine id or a clock that the agent no longer has, or `instead` is true."""

    def __init__(self, instead: SnmpError) -> None:
        super().__init__()
        self.instead = instead


class PysnmpEngine:
    """The complete engine. Every datagram's question is bounded in time by itself, so no call hangs."""

    name = "pysnmp"

    def __init__(
        self, memories: Memories, *, in_flight: int = 25, walk_seconds: float = WALK_SECONDS
    ) -> None:
        self.memories = memories
        self.walk_seconds = walk_seconds
        self._slots = asyncio.Semaphore(in_flight)
        self._households: list[Household] = []
        self._renewed: float | None = None

    def serves(self, target: Target) -> bool:
        return True

    async def get(self, target: Target, oids: Sequence[str]) -> Answers:
        """An agent that finds an answer too big is asked for half, and what it bore is remembered. v1's
        noSuchName takes one name out and asks for the rest.
        """
        memory = self.memories.of(target)
        wanted, answers = list(oids), Answers()
        until = time.monotonic() + _tries(target, target.retries) * (4 + len(wanted) // memory.variables)
        while wanted:
            if time.monotonic() > until:
                raise Silent("The agent answers too slowly to come to an end.")
            asked = wanted[: memory.variables]
            try:
                rows = await self._ask(target, _get(asked), target.retries)
            except AgentRefused as refusal:
                _ease(memory, wanted, len(asked), refusal)
            else:
                answers.update(_as_asked(rows, asked))
                del wanted[: len(asked)]
        return answers

    async def walk(self, target: Target, base: str, *, limit: int = 20_000) -> Walked:
        found = Gathering(base, limit, self.walk_seconds)
        return await self.walk_on(target, found, in_trouble=False)

    async def walk_on(self, target: Target, found: Gathering, *, in_trouble: bool) -> Walked:
        """The rest of a walk. `in_trouble`: fewer rows at once than were asked for so far."""
        bulk = target.credential.version is not Version.V1

        async def ask(after: str, repetitions: int, retries: int) -> Rows:
            rows = await self._ask(target, _after(after, repetitions, bulk=bulk), retries)
            return [(oid, value) for oid, value in rows if value is not None]

        memory = self.memories.of(target)
        return await walk(found, ask, memory, target.retries, bulk=bulk, in_trouble=in_trouble)

    async def set(self, target: Target, values: Mapping[str, tuple[SetType, int | str | bytes]]) -> None:
        """A lost answer is Silent: the agent may have obeyed."""
        await self._ask(target, _set(values), 0)

    async def close(self) -> None:
        households, self._households = self._households, []
        for household in households:
            await household.close()

    async def _ask(self, target: Target, send: Sender, retries: int) -> list[tuple[str, Value | None]]:
        """One question's bindings, None for what is not there."""
        async with self._slots:
            place = await _place(target)
            try:
                heard = await self._heard(target, place, send, retries)
            except Stale as stale:
                if not self._renews():
                    raise stale.instead from None
                try:
                    heard = await self._heard(target, place, send, retries)
                except Stale as still:
                    raise still.instead from None
        _, status, index, bindings = heard
        if status:
            raise AgentRefused(status, STATUS.get(status, f"error {status}"), index)
        try:
            return [(_dotted(name), _value(value)) for name, value in bindings]
        except (PyAsn1Error, ValueError, TypeError):
            raise Malformed("The answer holds values that cannot be read.") from None

    async def _heard(self, target: Target, place: tuple[str, int], send: Sender, retries: int) -> Heard:
        household = await self._household(target)
        household.busy += 1
        try:
            heard, question = await _exchange(household, target, place, send, retries)
        finally:
            household.busy -= 1
        if heard is None or type(heard[0]).__name__ == "RequestTimedOut":
            silence = await _silence(place, question)
            raise Stale(silence) if question.junk and place in household.engine_ids else silence
        if heard[0] is not None:
            raise _failure(heard[0])
        if target.credential.version is Version.V3 and place in household.engine_ids:
            self.memories.of(target).meet(household.engine_ids[place])
        return heard

    async def _household(self, target: Target) -> Household:
        """One that suits; where there is none, a new one, and those that are spent are closed."""
        for household in reversed(self._households):
            if household.suits(target.credential):
                return household
        made = Household.new()
        self._households.append(made)
        idle = [each for each in self._households[:-1] if not each.busy]
        crowded = len(self._households) > MAX_HOUSEHOLDS
        for household in [each for each in idle if each.spent] or (idle[:1] if crowded else []):
            self._households.remove(household)
            await household.close()
        return made

    def _renews(self) -> bool:
        """Let pysnmp's caches go; seldom, since an agent must not make us do it over and over."""
        now = time.monotonic()
        if self._renewed is not None and now - self._renewed < RENEWED_AT_MOST_EVERY:
            return False
        self._renewed = now
        for household in self._households:
            household.retired = True
        return True


async def _exchange(
    household: Household, target: Target, place: tuple[str, int], send: Sender, retries: int
) -> tuple[Heard | None, Question]:
    """What pysnmp heard, or None where it did not come to an end in time."""
    answer: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
    question = Question(time.monotonic() + target.timeout)

    def hear(
        engine: Any, handle: Any, error: Any, status: Any, index: Any, bindings: Any, context: Any
    ) -> None:
        question.moves += 1
        if not answer.done():
            answer.set_result((error, int(status), int(index), bindings))

    with household.asking(place, question):
        try:
            name = household.named(target, place, retries)
            send(household.engine, name, target.credential.context, hear)
            async with asyncio.timeout(_tries(target, retries)):
                return await answer, question
        except TimeoutError:
            return None, question
        except (PySnmpError, PyAsn1Error) as problem:
            raise SnmpError(f"The question cannot be put: {type(problem).__name__}.") from None


def _tries(target: Target, retries: int) -> float:
    """Seconds that one question takes at most."""
    return (target.timeout + TICK) * (retries + 1) + MARGIN


async def _place(target: Target) -> tuple[str, int]:
    """The host's address and the port. Unreachable where its name means nothing."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(target.address)), target.port
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.address, target.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise Unreachable("The host's name means no address.") from None
    return str(found[0][4][0]), target.port


async def _silence(place: tuple[str, int], question: Question) -> SnmpError:
    """Why nothing came: only nonsense did, nobody listens, or nobody says."""
    if question.junk:
        return Malformed("Only what is no answer came.")
    if await _refused(place):
        return Unreachable("The host says that no agent listens there.")
    return Silent("No answer.")


class _Refusal(asyncio.DatagramProtocol):
    """A connected port hears of ICMP errors; pysnmp's does not, being one for all."""

    def __init__(self) -> None:
        self.heard: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def error_received(self, exc: Exception) -> None:
        if not self.heard.done():
            self.heard.set_result(True)


async def _refused(place: tuple[str, int]) -> bool:
    """Whether a datagram that asks for nothing comes back as unreachable within `REFUSAL_WAIT` seconds."""
    loop = asyncio.get_running_loop()
    try:
        port, refusal = await loop.create_datagram_endpoint(_Refusal, remote_addr=place)
    except OSError:
        return True
    try:
        port.sendto(EMPTY_SEQUENCE)
        async with asyncio.timeout(REFUSAL_WAIT):
            return await refusal.heard
    except TimeoutError:
        return False
    finally:
        port.close()


def _failure(error: Any) -> Exception:
    name = type(error).__name__
    if name in STALE:
        return Stale(BadCredentials("The agent does not agree with us on its engine."))
    if name in REFUSALS:
        return BadCredentials(f"The agent refuses these credentials ({name}).")
    return Malformed(f"The answer does not fit the question ({name}).")


def _ease(memory: Memory, wanted: list[str], asked: int, refusal: AgentRefused) -> None:
    """Make the next question one that the agent can bear, or raise the refusal."""
    if refusal.status == TOO_BIG and asked > 1:
        memory.fewer_variables(asked)
    elif refusal.status == NO_SUCH_NAME and 0 < refusal.index <= asked:
        del wanted[refusal.index - 1]
    elif refusal.status == NO_SUCH_NAME and asked == 1:
        del wanted[0]
    else:
        raise refusal


def _get(oids: Sequence[str]) -> Sender:
    names = [(_name(oid), rfc1905.unSpecified) for oid in oids]

    def send(engine: Any, target: str, context: str, hear: Callable[..., None]) -> None:
        cmdgen.GetCommandGenerator().send_varbinds(engine, target, None, context, names, hear)

    return send


def _after(oid: str, repetitions: int, *, bulk: bool) -> Sender:
    names = [(_name(oid), rfc1905.unSpecified)]

    def send(engine: Any, target: str, context: str, hear: Callable[..., None]) -> None:
        if bulk:
            asking = cmdgen.BulkCommandGeneratorSingleRun()
            asking.send_varbinds(engine, target, None, context, 0, repetitions, names, hear)
        else:
            asking = cmdgen.NextCommandGeneratorSingleRun()
            asking.send_varbinds(engine, target, None, context, names, hear)

    return send


def _set(values: Mapping[str, tuple[SetType, int | str | bytes]]) -> Sender:
    bindings = [(_name(oid), _typed(kind, value)) for oid, (kind, value) in values.items()]

    def send(engine: Any, target: str, context: str, hear: Callable[..., None]) -> None:
        cmdgen.SetCommandGenerator().send_varbinds(engine, target, None, context, bindings, hear)

    return send


def _name(oid: str) -> Any:
    """ValueError where it is none."""
    try:
        return rfc1902.ObjectName(numbers(oid))
    except PyAsn1Error:
        raise ValueError("What is asked for is no object identifier.") from None


def _typed(kind: SetType, value: int | str | bytes) -> Any:
    """ValueError where the value is none of its type."""
    try:
        match kind:
            case SetType.INTEGER:
                return rfc1902.Integer32(value)
            case SetType.GAUGE:
                return rfc1902.Gauge32(value)
            case SetType.OBJECT_ID:
                return rfc1902.ObjectIdentifier(numbers(str(value)))
            case SetType.STRING:
                return rfc1902.OctetString(value.encode() if isinstance(value, str) else value)
    except PyAsn1Error:
        raise ValueError(f"That is no {kind}.") from None


def _dotted(name: Any) -> str:
    return ".".join(map(str, name.asTuple()))


def _value(value: Any) -> Value | None:
    """None for what stands for no value. Which class pysnmp picks depends on the SNMP version."""
    match value:
        case univ.Null():  # an OctetString to pyasn1, and so are noSuchObject and its like
            return None
        case univ.Integer():
            return int(value)
        case rfc1902.IpAddress():
            return ".".join(map(str, bytes(value)))
        case rfc1902.Opaque():
            return plain(bytes(value))
        case univ.OctetString():
            return bytes(value)
        case univ.ObjectIdentifier():
            return _dotted(value)
        case _:
            return None


def _as_asked(rows: Sequence[tuple[str, Value | None]], asked: Sequence[str]) -> Answers:
    """Malformed where an answer names nothing that was asked for."""
    wanted = set(asked)
    fitting = [(oid, value) for oid, value in rows if oid in wanted]
    if not fitting:
        raise Malformed("The answer names nothing that was asked for.")
    return {oid: value for oid, value in fitting if value is not None}
