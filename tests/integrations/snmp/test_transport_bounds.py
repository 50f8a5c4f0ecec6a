"""How walks grow and end, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from integrations.snmp.bounds import MAX_OCTETS, Gathering, Memories, Memory, plain, walk
from integrations.snmp.target import AgentRefused, Malformed, Silent, SnmpError, Target, Value, Walked
from tests.integrations.snmp.transport_asking import V2C

BASE = "1.3.6.1.2"
names = st.lists(st.integers(0, 3), min_size=1, max_size=7).map(
    lambda tail: ".".join(map(str, [1, 3, *tail]))
)


@given(st.lists(st.lists(st.tuples(names, st.integers() | st.binary()), max_size=8), max_size=8))
def test_whatever_is_answered_what_is_taken_rises_below_the_base(
    answers: Sequence[list[tuple[str, Value]]],
) -> None:
    found = Gathering(BASE, limit=10)
    for rows in answers:
        if found.going_on:
            found.take(rows)
    taken = [tuple(map(int, oid.split("."))) for oid in found.answers]
    assert taken == sorted(set(taken))
    assert all(name[:5] == (1, 3, 6, 1, 2) and len(name) > 5 for name in taken)
    assert len(taken) <= 10


def _taken(*oids: str) -> Gathering:
    found = Gathering(BASE, limit=5)
    found.take([(oid, 1) for oid in oids])
    return found


def test_a_walk_ends_for_a_reason() -> None:
    assert _taken("1.3.6.1.2.9", "1.3.6.1.2.10").going_on
    for oids, cut in {
        (): None,
        ("1.3.6.1.2.1", "1.3.6.1.3"): None,
        ("1.3.6.1.20.1",): None,
        ("1.3.6.1.2.1", "1.3.6.1.2.1"): "loop",
        ("1.3.6.1.2.10", "1.3.6.1.2.9"): "loop",
        ("1.3.6.1.2.1", "1.3.6.1.1"): "loop",
        ("1.3.6.1.2",): "loop",
        tuple(f"1.3.6.1.2.{index}" for index in range(1, 9)): "limit",
        ("1.3.6.1.2" + ".1" * 124,): "truncated",
    }.items():
        found = _taken(*oids)
        assert (found.going_on, found.cut) == (False, cut)


def test_a_walk_ends_by_its_size_and_by_its_time() -> None:
    found = Gathering(BASE, limit=10**9)
    rows = 0
    while found.going_on:
        rows += 1
        found.take([(f"{BASE}.{rows}", bytes(1024 * 1024))])
    assert (found.cut, rows) == ("limit", MAX_OCTETS // 1024**2)
    late = Gathering(BASE, limit=10**9, seconds=-1)
    late.take([(f"{BASE}.1", 1)])
    assert (late.going_on, late.cut, len(late.answers)) == (False, "limit", 1)


class Bears:
    """An agent of a thousand rows that answers `trouble` to more than `most` at once."""

    def __init__(self, most: int, trouble: SnmpError, answers: int = 1000) -> None:
        self.most, self.trouble, self.answers = most, trouble, answers
        self.asked: list[tuple[int, int]] = []

    async def ask(self, after: str, repetitions: int, retries: int) -> list[tuple[str, Value]]:
        self.asked.append((repetitions, retries))
        if repetitions > self.most or len(self.asked) > self.answers:
            raise self.trouble
        last = int(after[len(BASE) + 1 :] or 0)
        return [(f"{BASE}.{last + step}", 1) for step in range(1, repetitions + 1) if last + step <= 60]


async def _walked(agent: Bears, **options: bool) -> tuple[Walked, Memory]:
    memory = Memory(max_repetitions=24)
    return await walk(Gathering(BASE, 1000), agent.ask, memory, 2, **options), memory


async def test_too_much_is_halved_and_remembered() -> None:
    agent = Bears(7, AgentRefused(1, "tooBig"))
    walked, memory = await _walked(agent)
    assert (len(walked.answers), walked.cut, memory.max_repetitions) == (60, None, 6)
    assert [repetitions for repetitions, _ in agent.asked[:4]] == [24, 12, 6, 6]


async def test_a_silent_agent_is_asked_for_one_row_before_it_is_given_up() -> None:
    agent = Bears(0, Silent("No answer."))
    try:
        await _walked(agent)
    except Silent:
        assert agent.asked == [(24, 2), (1, 0)]
    else:
        raise AssertionError("It was silent.")


async def test_silence_and_nonsense_amidst_a_walk_keep_what_was_found() -> None:
    for trouble, cut in ((Silent("No answer."), "silent"), (Malformed("?"), "truncated")):
        walked, _ = await _walked(Bears(24, trouble, answers=2))
        assert (len(walked.answers), walked.cut) == (48, cut)


async def test_v1s_no_such_name_is_the_end() -> None:
    walked, memory = await _walked(Bears(1, AgentRefused(2, "noSuchName"), answers=3), bulk=False)
    assert (len(walked.answers), walked.cut, memory.max_repetitions) == (3, None, 24)


def test_memories_are_bounded_and_follow_what_a_target_says() -> None:
    memories = Memories(most=2)
    first = Target("10.0.0.1", V2C, max_repetitions=20)
    memories.of(first).max_repetitions = 5
    assert memories.of(first).max_repetitions == 5
    assert memories.of(replace(first, max_repetitions=5)).max_repetitions == 5
    assert memories.of(replace(first, max_repetitions=40)).max_repetitions == 40
    memories.of(Target("10.0.0.2", V2C))
    memories.of(Target("10.0.0.3", V2C))
    assert memories.of(first).max_repetitions == 20


def test_a_changed_engine_is_told() -> None:
    memory = Memory()
    for engine_id in (b"one", b"one", b"", b"two"):
        memory.meet(engine_id)
    assert (memory.engine_id, memory.former_engine_id) == (b"two", b"one")


def test_opaque_numbers_become_numbers() -> None:
    assert plain(b"\x9f\x78\x04\x41\x48\x00\x00") == 12.5
    assert plain(b"\x9f\x79\x08\x40\x29\x00\x00\x00\x00\x00\x00") == 12.5
    for other in (b"", b"\x9f\x78\x04\x41\x48\x00", b"\x9f\x78\x04\x41\x48\x00\x00\x00", b"text"):
        assert plain(other) == other
