"""What keeps a call short, whatever an agent answers: how a walk grows, how it ends, and what is remembered.

Both engines walk through `walk`, so that they take the same rows and stop for the same reasons.
"""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from integrations.snmp.target import (
    AgentRefused,
    Answers,
    Malformed,
    Silent,
    SnmpError,
    Target,
    Value,
    Walked,
)

Rows = list[tuple[str, Value]]

MAX_VARIABLES = 100
MAX_OCTETS = 16 * 1024 * 1024
"""Of strings and names in one walk's answers."""
MAX_SUBIDENTIFIERS = 128
"""Of a name (RFC 2578, 3.5)."""
WALK_SECONDS = 180.0
REMEMBERED_AGENTS = 20_000

TOO_BIG, NO_SUCH_NAME, GEN_ERR = 1, 2, 5
FLOAT, DOUBLE = b"\x9f\x78\x04", b"\x9f\x79\x08"
_single, _double = struct.Struct("!f"), struct.Struct("!d")


@dataclass(slots=True)
class Memory:
    """What was learnt of an agent. `max_repetitions` and `variables` (of one GET) are what it bears.

    `engine_id` is the one it last answered by; `former_engine_id` an earlier one that it no longer has.
    """

    max_repetitions: int = 25
    engine_id: bytes | None = None
    former_engine_id: bytes | None = None
    variables: int = MAX_VARIABLES

    def meet(self, engine_id: bytes) -> None:
        """The agent has answered as this engine."""
        if engine_id and engine_id != self.engine_id:
            self.former_engine_id = self.engine_id
            self.engine_id = engine_id

    def fewer_variables(self, than: int) -> None:
        """A GET of this many was too much."""
        self.variables = max(min(self.variables, than // 2), 1)


class Memories:
    """One memory an agent, the longest unused forgotten first. What a target says is where one begins."""

    def __init__(self, most: int = REMEMBERED_AGENTS) -> None:
        self.most = most
        self._kept: OrderedDict[tuple[str, int], tuple[Target, Memory]] = OrderedDict()

    def of(self, target: Target) -> Memory:
        """A target that now names another `max_repetitions` or engine than before is begun anew."""
        key = (target.address, target.port)
        known = self._kept.get(key)
        if known and (known[0] is target or _says_the_same(known[0], target, known[1])):
            self._kept.move_to_end(key)
            return known[1]
        memory = Memory(max(target.max_repetitions, 1), target.engine_id)
        self._kept[key] = (target, memory)
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return memory


def _says_the_same(before: Target, now: Target, memory: Memory) -> bool:
    repetitions = now.max_repetitions in (before.max_repetitions, memory.max_repetitions)
    return repetitions and now.engine_id in (before.engine_id, memory.engine_id, None)


def numbers(oid: str) -> tuple[int, ...]:
    """ValueError where it is no OID in dotted numbers."""
    return tuple(map(int, oid.split(".")))


def plain(value: bytes) -> bytes | float:
    """An opaque float or double (net-snmp's, in its BER frame) as a number; other octets as they are."""
    if value[:3] == FLOAT and len(value) == 7:
        return float(_single.unpack(value[3:])[0])
    if value[:3] == DOUBLE and len(value) == 11:
        return float(_double.unpack(value[3:])[0])
    return value


class Gathering:
    """What a walk has so far. It takes rising names below `base` only, so it cannot go round in circles.

    `cut` says why it ended early. `last` is where to go on.
    """

    def __init__(self, base: str, limit: int, seconds: float = WALK_SECONDS) -> None:
        self.base = numbers(base)
        self.limit = limit
        self.answers: Answers = {}
        self.cut: str | None = None
        self.last = base
        self.going_on = limit > 0
        self._below = base + "."
        self._rising = self.base
        self._octets = 0
        self._until = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return self._until - time.monotonic()

    def end(self, cut: str | None = None) -> None:
        """No more. `cut` is None where the agent has no more either."""
        self.going_on = False
        self.cut = cut

    def take(self, rows: Iterable[tuple[str, Value]]) -> None:
        """One answer's rows. No row at all ends the walk."""
        before = len(self.answers)
        for oid, value in rows:
            if not self._takes(oid, value):
                return
        if len(self.answers) == before:
            self.end()
        elif self._octets > MAX_OCTETS or self.seconds_left < 0:
            self.end("limit")

    def _takes(self, oid: str, value: Value) -> bool:
        if not oid.startswith(self._below):
            self.end("loop" if numbers(oid) <= self._rising else None)
            return False
        name = numbers(oid)
        if name <= self._rising:
            self.end("loop")
            return False
        if len(name) > MAX_SUBIDENTIFIERS:
            self.end("truncated")
            return False
        if len(self.answers) >= self.limit:
            self.end("limit")
            return False
        self._rising = name
        self.last = oid
        self.answers[oid] = value
        self._octets += len(oid) + (len(value) if isinstance(value, bytes | str) else 8)
        return True

    def walked(self) -> Walked:
        return Walked(self.answers, self.cut)


Ask = Callable[[str, int, int], Awaitable[Rows]]
"""What comes after a name: the name, how many rows (1: a GETNEXT will do), and how many retries."""


async def walk(
    found: Gathering, ask: Ask, memory: Memory, retries: int, *, bulk: bool = True, in_trouble: bool = False
) -> Walked:
    """Go on with a walk until its end.

    On trouble fewer rows are asked for at once, down to one, and what the agent bore is remembered. An
    agent that has not answered yet is asked for one row straight away. What was found before an agent fell
    silent or spoke nonsense is kept. `in_trouble`: another engine has just failed with as many rows as are
    remembered. SnmpError where nothing was found.
    """
    known = memory.max_repetitions if bulk else 1
    if in_trouble and found.answers:
        known = max(known // 2, 1)
    repetitions = 1 if in_trouble and not found.answers else known
    while found.going_on:
        fresh = not found.answers
        try:
            rows = await ask(found.last, repetitions, retries if repetitions == known else 0)
        except (Silent, Malformed, AgentRefused) as trouble:
            if repetitions == 1:
                _give_up(found, trouble)
            elif fresh and not isinstance(trouble, AgentRefused):
                repetitions = 1
            else:
                known = repetitions = max(repetitions // 2, 1)
            continue
        found.take(rows)
        if repetitions < known:
            known = repetitions = max(known // 2, 1)
        if bulk:
            memory.max_repetitions = known
    return found.walked()


def _give_up(found: Gathering, trouble: SnmpError) -> None:
    """The end of the objects in v1, or the end of our patience."""
    if isinstance(trouble, AgentRefused) and trouble.status == NO_SUCH_NAME:
        found.end()
    elif not found.answers:
        raise trouble
    elif isinstance(trouble, Silent):
        found.end("silent")
    else:
        found.end("truncated")
