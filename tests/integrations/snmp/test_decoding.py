"""From octets and numbers to values; what makes no sense is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.snmp import decoding
from integrations.snmp.reading import LinkState, Special

anything = st.one_of(
    st.binary(max_size=20),
    st.integers(-(2**64), 2**64),
    st.text(max_size=20),
    st.floats(allow_nan=True, allow_infinity=True),
    st.none(),
)


@pytest.mark.parametrize(
    ("octets", "errors"),
    [
        (b"", ()),
        (b"\x00", ()),
        (b"\x04", ("jammed",)),
        (b"\x40", ("no_paper",)),
        (b"\x10", ("no_toner",)),
        (b"\x20", ("low_toner",)),
        (b"\x01\x00", ("service_requested",)),
        (b"\x80", ("low_paper",)),
        (b"\x0a", ("door_open", "offline")),
        (b"\x00\x04", ("input_tray_empty",)),
        (b"\x00\x03\xff", ("input_tray_empty", "overdue_prevent_maint")[1:]),
    ],
)
def test_the_first_error_bit_is_the_most_significant_one(octets: bytes, errors: tuple[str, ...]) -> None:
    assert decoding.error_bits(octets) == errors


def test_error_bits_that_were_not_answered_are_unknown() -> None:
    assert decoding.error_bits(None) is None
    assert decoding.error_bits(4) is None


@pytest.mark.parametrize(
    ("level", "meaning"),
    [
        (-1, Special.UNRESTRICTED),
        (-2, Special.UNKNOWN),
        (-3, Special.SOME_REMAINS),
        (-100, Special.UNKNOWN),
        (0, None),
        (7, None),
        (None, None),
    ],
)
def test_a_level_below_zero_is_no_number(level: int | None, meaning: Special | None) -> None:
    assert decoding.special(level) is meaning


@pytest.mark.parametrize(
    ("level", "capacity", "percent"),
    [
        (50, 200, 25.0),
        (0, 100, 0.0),
        (150, 100, 100.0),
        (-3, 100, None),
        (-2, 100, None),
        (0, -2, None),
        (1, 0, None),
        (None, 100, None),
        (5, None, None),
    ],
)
def test_a_percentage_needs_two_numbers_that_make_sense(level: Any, capacity: Any, percent: Any) -> None:
    assert decoding.percent(level, capacity) == percent


@pytest.mark.parametrize(
    ("value", "mac"),
    [
        (bytes.fromhex("001ba90ba752"), "00:1b:a9:0b:a7:52"),
        (b"0:1b:a9:b:a7:52", "00:1b:a9:0b:a7:52"),
        ("00-1B-A9-0B-A7-52", "00:1b:a9:0b:a7:52"),
        (bytes(6), None),
        (b"", None),
        (b"abc", None),
        (12, None),
        (None, None),
    ],
)
def test_a_mac_is_read_from_octets_or_text(value: Any, mac: str | None) -> None:
    assert decoding.mac(value) == mac


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"Tray 1\x00\x00", "Tray 1"),
        (b"T\xf3ner\n  negro", "Tóner negro"),
        ("Tóner".encode(), "Tóner"),
        (b"\x00\x01", None),
        (b"", None),
        (7, "7"),
        (b"x" * 900, "x" * 500),
    ],
)
def test_a_text_is_one_printable_line(value: Any, said: str | None) -> None:
    assert decoding.text(value) == said


@pytest.mark.parametrize(
    ("value", "number"),
    [(b"23.5 C", 23.5), (b"-4", -4.0), (7, 7.0), (b"n/a", None), (float("nan"), None), (b"1.2.3", None)],
)
def test_a_number_may_be_written_out(value: Any, number: float | None) -> None:
    assert decoding.number(value) == number


def test_wi_fi_channels_have_their_middle() -> None:
    channels = {1: 2412.0, 11: 2462.0, 14: 2484.0, 36: 5180.0, 132: 5660.0, 388: 5660.0, 0: None, 20: None}
    assert {channel: decoding.channel_mhz(channel) for channel in channels} == channels


def test_power_in_milliwatts_is_told_in_decibels() -> None:
    assert decoding.dbm(1) == 0.0
    assert decoding.dbm(0.25) == -6.02
    assert decoding.dbm(0) is None
    assert decoding.fahrenheit(212) == 100.0


def test_the_value_of_an_entity_sensor_is_scaled_by_thousands_and_by_its_precision() -> None:
    assert decoding.entity_sensor_factor(9, 0) == 1.0
    assert decoding.entity_sensor_factor(8, 1) == pytest.approx(0.0001)
    assert decoding.entity_sensor_factor(10, 0) == 1000.0
    assert decoding.entity_sensor_factor(0, 0) is None
    assert decoding.entity_sensor_factor(9, None) is None


@pytest.mark.parametrize(
    ("mask", "prefix"),
    [("255.255.255.0", 24), ("0.0.0.0", 0), ("255.0.255.0", None), (b"\xff\xff\0\0", 16), (None, None)],  # noqa: S104
)
def test_a_netmask_is_told_as_a_prefix(mask: Any, prefix: int | None) -> None:
    assert decoding.prefix_of(mask) == prefix


def test_an_index_holds_macs_and_addresses() -> None:
    assert decoding.index_mac([0, 27, 169, 11, 167, 82]) == "00:1b:a9:0b:a7:52"
    assert decoding.index_mac([0, 27, 169, 11, 167, 256]) is None
    assert decoding.index_address([10, 0, 0, 7]) == "10.0.0.7"
    assert decoding.index_address([0xFE, 0x80, *[0] * 13, 1]) == "fe80::1"
    assert decoding.index_address([10, 0, 0]) is None
    assert decoding.subids("1.x.3") == []


def test_a_link_has_the_seven_states_of_the_mib() -> None:
    states = [decoding.link_state(number) for number in range(9)]
    assert states == [None, *LinkState, None]


@given(anything)
def test_no_value_of_an_agent_is_too_odd_to_be_read(value: Any) -> None:
    for decode in (
        decoding.text,
        decoding.integer,
        decoding.number,
        decoding.mac,
        decoding.bits,
        decoding.error_bits,
        decoding.link_state,
        decoding.address,
        decoding.prefix_of,
    ):
        decode(value)
    assert (decoding.text(value) or "").isprintable()


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_a_percentage_is_never_below_zero_nor_above_a_hundred(level: int, capacity: int) -> None:
    percent = decoding.percent(level, capacity)
    assert percent is None or 0 <= percent <= 100
    assert (percent is None) == (level < 0 or capacity <= 0)
