"""Counters as rates, and what an uptime says: true traffic back from wrapping counters; made-up clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.snmp.reading import Uptime
from service.monitoring.rates import (
    LAG,
    Continuity,
    Counter,
    Narrow,
    judge_uptime,
    rate,
    rates,
    seconds_up,
)

quick = settings(max_examples=60)
START = datetime(2026, 9, 14, 7, 0, tzinfo=UTC)
FAST = 12.5e6
"""The octets of 100 Mbit/s."""

DAY = 86_400
REBOOTED, WRAPPED, SAME, UNKNOWN = Continuity


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def reading(value: int, seconds: float = 0, bits: int = 32) -> Counter:
    return Counter(value, after(seconds), 32 if bits == 32 else 64)


@quick
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(1, 320), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_the_rates_of_a_wrapping_counter_add_up_to_the_true_traffic(
    value: int, polls: list[tuple[int, float]]
) -> None:
    """At up to 100 Mbit/s and 320 s no poll can miss a whole wrap."""
    counted, told, now = value, 0.0, 0
    for seconds, load in polls:
        before = reading(counted % 2**32, now)
        now += seconds
        counted += int(load * FAST * seconds)
        found = rate(before, reading(counted % 2**32, now), most=FAST)
        assert found is not None
        told += found * seconds
    assert told == pytest.approx(counted - value)


@quick
@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.floats(-600, 4000),
    st.sampled_from([32, 64]),
    st.sampled_from([None, 0.0, FAST, 1.25e9]),
)
def test_a_rate_is_never_negative_and_never_beyond_what_is_possible(
    before: int, now: int, seconds: float, bits: int, most: float | None
) -> None:
    size = 2**bits
    found = rate(reading(before % size, 0, bits), reading(now % size, seconds, bits), most=most)
    if found is not None:
        assert seconds > 0
        assert 0 <= found <= (most or 1.25e11) * (seconds + LAG) / seconds


READINGS = st.one_of(st.none(), st.integers(-3, 2**64 - 1), st.integers(0, 1000))


@quick
@given(
    st.lists(st.tuples(READINGS, READINGS), max_size=12),
    st.one_of(st.sampled_from([0, -20, 300]), st.integers(-600, 4000)),
    st.booleans(),
)
def test_many_counters_at_once_have_the_rates_that_each_has_by_itself(
    pairs: list[tuple[int | None, int | None]], seconds: int, rebooted: bool
) -> None:
    each = [
        rate(reading(was, 0, 64), reading(now, seconds, 64), rebooted=rebooted)
        if was is not None and now is not None
        else None
        for was, now in pairs
    ]
    assert rates([was for was, _ in pairs], [now for _, now in pairs], seconds, rebooted=rebooted) == each


ALONE, BESIDE = Narrow(0, FAST, (0, 1)), Narrow(1, FAST, (0, 1))


def of_a_port(was: tuple[int, int], now: tuple[int, int], seconds: float) -> list[float | None]:
    """Octets in and out of a port with Counter32 at 100 Mbit/s."""
    return rates(was, now, seconds, narrow=lambda: (ALONE, BESIDE))


@quick
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 320), st.integers(0, 2**31))
def test_a_counter_of_32_bits_that_went_round_once_has_its_true_rate_beside_others(
    value: int, load: float, seconds: int, other: int
) -> None:
    traffic = int(load * FAST * seconds)
    found = of_a_port((value, other), ((value + traffic) % 2**32, other + 5), seconds)
    assert found == pytest.approx([traffic / seconds, 5 / seconds])


@quick
@given(st.tuples(*[st.integers(1, 2**32 - 1)] * 2), st.tuples(*[st.floats(0, 1)] * 2), st.integers(1, 4000))
def test_counters_that_were_set_back_together_have_no_rate(
    was: tuple[int, int], since: tuple[float, float], seconds: int
) -> None:
    now = int((was[0] - 1) * since[0]), int((was[1] - 1) * since[1])
    assert of_a_port(was, now, seconds) == [None, None]


@quick
@given(st.integers(1, 2**32 - 1), st.floats(0, 1), st.integers(1, 4000))
def test_a_counter_that_fell_has_a_rate_only_if_so_much_can_have_been_counted(
    was: int, since: float, seconds: int
) -> None:
    now = int((was - 1) * since)
    [found, _] = of_a_port((was, 0), (now, 0), seconds)
    round_once = 2**32 - was + now
    if found is not None:
        assert found == pytest.approx(round_once / seconds)
        assert round_once <= FAST * (seconds + LAG) < round_once + 2**32


@quick
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(-20, 4000), st.booleans())
def test_what_may_go_round_beside_others_says_what_it_says_by_itself_where_it_fell(
    was: int, now: int, seconds: int, rebooted: bool
) -> None:
    if now >= was:
        return
    alone = rate(reading(was), reading(now, seconds), most=FAST, rebooted=rebooted)
    found = rates([was], [now], seconds, rebooted=rebooted, narrow=lambda: [Narrow(0, FAST, (0,))])
    assert found == [alone]


def test_a_counter_of_64_bits_never_goes_round_and_one_that_was_not_read_decides_nothing() -> None:
    assert rates([2**32 - 1], [5], 300) == [None]
    assert of_a_port((2**32 - 1, 0), (299, 0), 300) == [1, 0]
    assert rates([2**32 - 1, None], [299, None], 300, narrow=lambda: (ALONE, BESIDE)) == [1, None]
    assert rates([2**33, 0], [299, 0], 300, narrow=lambda: (ALONE, BESIDE)) == [None, 0]


@quick
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(1, 4000))
def test_a_rate_of_a_32_bit_counter_is_true_whatever_it_could_have_missed(
    value: int, traffic: int, seconds: int
) -> None:
    """Either nothing is said, or there was no other traffic that the port could have carried."""
    most = 1.25e8
    if traffic > most * seconds:
        return
    found = rate(reading(value), reading((value + traffic) % 2**32, seconds), most=most)
    assert found is None or found == pytest.approx(traffic / seconds)


def test_a_counter_at_a_gigabit_says_nothing_after_five_minutes_but_does_after_fifteen_seconds() -> None:
    assert rate(reading(0), reading(1_500_000, 300), most=1.25e8) is None
    assert rate(reading(0), reading(1_500_000, 15), most=1.25e8) == 100_000


@pytest.mark.parametrize(
    ("before", "now", "words", "found"),
    [
        (None, reading(5, 300), {}, None),
        (reading(100), reading(3100, 300), {}, 10),
        (reading(100), reading(3100, 300), {"rebooted": True}, None),
        (reading(100), reading(3100, 300), {"discontinuity": True}, None),
        (reading(3100), reading(100, 300), {}, None),
        (reading(2**32 - 100), reading(200, 300), {"most": FAST}, 1),
        (reading(2**32 - 100), reading(200, 300), {}, None),
        (reading(2**31), reading(200, 30), {"most": FAST}, None),
        (reading(2**64 - 100, 0, 64), reading(200, 300, 64), {"most": FAST}, None),
        (reading(100, 0, 64), reading(2**62, 300, 64), {}, None),
        (reading(100, 0, 64), reading(2**62, 300, 64), {"most": FAST}, None),
        (reading(100), reading(3100, 300, 64), {}, None),
        (reading(100), reading(3100, 0), {}, None),
        (reading(100, 300), reading(3100, 0), {}, None),
        (reading(-1), reading(3100, 300), {}, None),
    ],
)
def test_what_two_readings_say(
    before: Counter | None, now: Counter, words: dict[str, float], found: float | None
) -> None:
    assert rate(before, now, **words) == found  # type: ignore[arg-type]


def test_after_a_reset_there_is_a_rate_again_at_the_next_poll() -> None:
    before, reset, later = reading(9_000, 0, 64), reading(600, 300, 64), reading(1_200, 600, 64)
    assert (rate(before, reset), rate(reset, later)) == (None, 2)


def test_a_stale_cache_that_is_read_fresh_does_not_look_too_fast() -> None:
    """The agent's counters were 10 s old at the first reading: the port was never faster than it can be."""
    assert rate(reading(0, 0, 64), reading(int(FAST * 25), 15, 64), most=FAST) == pytest.approx(
        FAST * 25 / 15
    )
    assert rate(reading(0, 0, 64), reading(int(FAST * 40), 15, 64), most=FAST) is None


def ticks(seconds: float, wrap: int = 2**32) -> Uptime:
    return Uptime(ticks=int(seconds * 100) % wrap)


@quick
@given(
    st.sampled_from([2**32, 2**31, 2**32 // 10]),
    st.floats(-290, 290),
    st.sampled_from([300, 900, 3600]),
    st.floats(-3, 3),
)
def test_an_uptime_that_wraps_is_no_reboot(wrap: int, offset: float, elapsed: int, jitter: float) -> None:
    before = wrap / 100 - elapsed / 2 + offset / 300 * elapsed / 2
    now = before + elapsed + jitter
    verdict = judge_uptime(ticks(before, wrap), ticks(now, wrap), elapsed)
    assert verdict in (WRAPPED, SAME)
    assert verdict is WRAPPED or int(now * 100) % wrap >= before * 100


@quick
@given(
    st.floats(0, 400 * DAY),
    st.sampled_from([15, 60, 300, 3600]),
    st.floats(0.0, 1.0),
    st.sampled_from(["ticks", "host_ticks", "engine_seconds"]),
    st.floats(-3, 3),
)
def test_a_reboot_between_two_readings_is_seen_whichever_clock_there_is(
    before: float, elapsed: int, since: float, clock: str, jitter: float
) -> None:
    """Except where the new clock cannot be told from the old, which had hardly run at all, or shows what a
    wrap would.
    """
    now = since * elapsed
    if abs(before + elapsed - now) < 30 or abs(now - before) < 0.02:
        return
    due = before + elapsed
    if any(due + 30 > wrap and abs(due - wrap - now) < 30 for wrap in (2**31 / 100, 2**32 / 1000)):
        return
    unit = 1 if clock == "engine_seconds" else 100
    found = [Uptime(**{clock: int(seconds * unit)}) for seconds in (before, now)]
    if getattr(found[0], clock) != getattr(found[1], clock):
        assert judge_uptime(found[0], found[1], max(elapsed + jitter, 0)) is REBOOTED


@quick
@given(st.floats(0, 400 * DAY), st.integers(1, 7 * DAY), st.floats(-5, 5))
def test_a_device_that_ran_on_is_never_said_to_have_rebooted(
    before: float, elapsed: int, jitter: float
) -> None:
    now = max(before + elapsed + jitter, 0)
    seen = (
        (ticks(before), ticks(now)),
        (Uptime(host_ticks=int(before * 100)), Uptime(host_ticks=int(now * 100))),
    )
    for old, new in seen:
        assert judge_uptime(old, new, elapsed) is SAME


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "verdict"),
    [
        (None, Uptime(ticks=5), 300, UNKNOWN),
        (Uptime(ticks=5), None, 300, UNKNOWN),
        (Uptime(), Uptime(), 300, UNKNOWN),
        (ticks(5000), ticks(5300), -10, UNKNOWN),
        (ticks(50 * DAY), ticks(120), 300, REBOOTED),
        (ticks(497 * DAY), ticks(60), 300, REBOOTED),
        (ticks(2**32 / 100 - 100), ticks(200), 300, WRAPPED),
        (ticks(2**32 / 100 - 100), ticks(30), 300, REBOOTED),
        # By our clock it had three seconds to go.
        (ticks(2**32 / 100 - 303), ticks(2), 300, WRAPPED),
        # What has run for longer than milliseconds in 32 bits last does not wrap there.
        (ticks(2**32 / 1000 + 5), ticks(298), 300, REBOOTED),
        # One clock was not there before: it is not compared with another.
        (ticks(50 * DAY), Uptime(ticks=50 * DAY * 100 + 30_000, engine_seconds=90), 300, SAME),
        # The engine's clock decides, and the wrap of sysUpTime is nobody's reboot.
        (
            Uptime(ticks=2**32 - 1, engine_seconds=DAY),
            Uptime(ticks=29_999, engine_seconds=DAY + 300),
            300,
            SAME,
        ),
        # Boots went up although the clock ran on within its slack: a very young engine.
        (
            Uptime(engine_seconds=2, engine_boots=3),
            Uptime(engine_seconds=10, engine_boots=4),
            15,
            REBOOTED,
        ),
        # Boots that never move (not persisted): the time tells.
        (
            Uptime(engine_seconds=DAY, engine_boots=1),
            Uptime(engine_seconds=20, engine_boots=1),
            300,
            REBOOTED,
        ),
        # An engine's clock that stands still is none.
        (Uptime(ticks=DAY, engine_seconds=0), Uptime(ticks=DAY + 30_000, engine_seconds=0), 300, SAME),
        (Uptime(engine_seconds=7), Uptime(engine_seconds=7), 300, UNKNOWN),
        # Somebody restarted the agent of a server that ran on.
        (
            Uptime(ticks=DAY * 100, engine_seconds=DAY, host_ticks=9 * DAY * 100),
            Uptime(ticks=2000, engine_seconds=20, host_ticks=9 * DAY * 100 + 30_000),
            300,
            SAME,
        ),
        # Somebody set a clock back by an hour: no reboot leaves so much uptime.
        (ticks(9 * DAY), ticks(9 * DAY - 3300), 300, UNKNOWN),
        # The engine's clock wraps after 68 years.
        (Uptime(engine_seconds=2**31 - 100), Uptime(engine_seconds=200), 300, WRAPPED),
        # A poll that was missed for an hour, with the reboot in it.
        (ticks(1000), ticks(1200), 3600, REBOOTED),
    ],
)
def test_what_two_uptimes_say(
    before: Uptime | None, now: Uptime | None, elapsed: float, verdict: Continuity
) -> None:
    assert judge_uptime(before, now, elapsed) is verdict


@pytest.mark.parametrize(
    ("uptime", "seconds"),
    [
        (None, None),
        (Uptime(), None),
        (Uptime(ticks=250), 2.5),
        (Uptime(ticks=250, engine_seconds=7), 7),
        (Uptime(ticks=250, engine_seconds=7, host_ticks=900), 9),
    ],
)
def test_how_long_a_device_has_run(uptime: Uptime | None, seconds: float | None) -> None:
    assert seconds_up(uptime) == seconds
