from pathlib import Path

import pytest

from integrations.snmp.agent import Tree, Type, growing, running
from tests.integrations.snmp.test_agent_asking import COLUMN, NAME, UPTIME, small_switch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_objects_are_in_order_of_their_numbers_not_of_their_text():
    tree = Tree.of((f"1.3.{last}", Type.INTEGER, last) for last in (100, 9, 20_000, 127, 128, 16_384))
    assert [value for _, _, value in tree] == [9, 100, 127, 128, 16_384, 20_000]


def test_next_and_bulk_go_behind_a_name_that_need_not_exist():
    tree = small_switch()
    assert tree.next(COLUMN) == (f"{COLUMN}.1", Type.INTEGER, 1)
    assert [value for _, _, value in tree.bulk(f"{COLUMN}.2", 2)] == [3, 4]
    assert tree.next("1.4") is None
    assert tree.bulk("1.4", 5) == []


def test_a_removed_row_is_gone_and_its_neighbours_stay():
    tree = small_switch()
    tree.set(f"{COLUMN}0.1", Type.INTEGER, 99)
    assert tree.remove(COLUMN) == 4
    assert tree.get(f"{COLUMN}.1") is None
    assert tree.get(f"{COLUMN}0.1") == (Type.INTEGER, 99)
    assert tree.remove(COLUMN) == 0


def test_a_copy_and_its_original_change_apart():
    original = small_switch()
    copy = original.copy()
    copy.set(NAME, Type.OCTETS, "copy")
    copy.set("1.3.9.1", Type.INTEGER, 1)
    original.remove(COLUMN)
    assert original.get(NAME) == (Type.OCTETS, b"sw-1")
    assert "1.3.9.1" not in original
    assert copy.get(f"{COLUMN}.4") == (Type.INTEGER, 4)
    assert len(copy) == 13
    assert len(original) == 8


def test_live_values_follow_the_clock_wrap_and_begin_again():
    clock = Clock()
    tree = Tree(clock)
    tree.set(UPTIME, Type.TICKS, running())
    tree.set("1.3.1", Type.COUNTER32, growing(2**31, start=5))
    tree.set("1.3.2", Type.GAUGE32, growing(2**31))
    clock.now += 3
    assert tree.get(UPTIME) == (Type.TICKS, 300)
    assert tree.get("1.3.1") == (Type.COUNTER32, 2**31 + 5)
    assert tree.get("1.3.2") == (Type.GAUGE32, 2**32 - 1)
    tree.uptime = 0
    assert [value for _, _, value in tree.bulk("1.3", 9)] == [5, 0, 0]


def test_a_recorded_uptime_runs_on_and_starts_from_nothing():
    clock = Clock()
    tree = small_switch()
    tree.clock = clock
    tree.let_uptime_run()
    clock.now += 1
    assert tree.get(UPTIME) == (Type.TICKS, 4300)
    tree.uptime = 0
    assert tree.get(UPTIME) == (Type.TICKS, 0)
    with pytest.raises(ValueError, match="no uptime"):
        tree.let_uptime_run(NAME)


def test_nothing_runs_in_a_snapshot():
    clock = Clock()
    tree = Tree(clock)
    tree.set("1.3.1", Type.COUNTER64, growing(10))
    clock.now += 1
    still = tree.snapshot()
    clock.now += 1
    assert still.get("1.3.1") == (Type.COUNTER64, 10)
    assert tree.get("1.3.1") == (Type.COUNTER64, 20)


def test_a_live_value_of_another_type_is_refused_when_it_is_set():
    with pytest.raises(ValueError, match="no value"):
        Tree().set("1.3.1", Type.INTEGER, lambda seconds: "words")


RECORDING = "\n".join(
    [
        "1.3.6.1.2.1.1.1.0|4|a | b ",
        "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.9",
        "1.3.6.1.2.1.2.2.1.6.1|4x|00ff80",
        "1.3.6.1.2.1.2.2.1.6.2|4|",
        "1.3.6.1.2.1.4.20.1.1|64|10.0.0.1",
        "1.3.6.1.2.1.5|65|4294967295",
        "1.3.6.1.2.1.6|66|7",
        "1.3.6.1.2.1.7|67|8",
        "1.3.6.1.2.1.8|68x|9f780400000000",
        "1.3.6.1.2.1.9|70|18446744073709551615",
        "1.3.6.1.2.1.10|5|",
        "1.3.6.1.2.1.11|2|-3",
    ]
)


def test_every_tag_of_a_recording_is_read(tmp_path: Path):
    path = tmp_path / "device.snmprec"
    path.write_text(RECORDING)
    tree = Tree.from_snmprec(path)
    assert list(tree) == list(Tree.from_snmprec(RECORDING))
    assert [(kind, value) for _, kind, value in tree] == [
        (Type.OCTETS, b"a | b "),
        (Type.OID, "1.3.6.1.4.1.9"),
        (Type.OCTETS, b"\x00\xff\x80"),
        (Type.OCTETS, b""),
        (Type.IP, "10.0.0.1"),
        (Type.COUNTER32, 2**32 - 1),
        (Type.GAUGE32, 7),
        (Type.TICKS, 8),
        (Type.OPAQUE, b"\x9fx\x04\x00\x00\x00\x00"),
        (Type.COUNTER64, 2**64 - 1),
        (Type.NULL, None),
        (Type.INTEGER, -3),
    ]


def test_variation_modules_of_a_recording_are_refused():
    with pytest.raises(ValueError, match="writecache"):
        Tree.from_snmprec("1.3.6.1|2:writecache|value=1")
