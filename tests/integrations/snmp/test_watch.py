"""What a round's failures are worth, and how the poller sees its own troubles."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.snmp.watch import Cause, Judgement, Sample, Watch, udp_drops, verdict

CALM = Sample(drops=10, late=2, lag=0.01)
UDP = (
    "Ip: Forwarding DefaultTTL\nIp: 1 64\n"
    "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n"
    "Udp: 322375 66 443599 817345 443596 0\n"
    "UdpLite: InDatagrams\nUdpLite: 0\n"
)


def test_a_round_without_failures_is_trusted_whatever_happened_here() -> None:
    troubled = Sample(drops=500, late=9, lag=3.0)
    assert verdict(CALM, troubled, polled=100, failed=0).judgement is Judgement.TRUSTED


def test_a_few_failures_are_the_devices_own() -> None:
    found = verdict(CALM, CALM, polled=100, failed=5)
    assert (found.judgement, found.cause, found.holds_tickets) == (Judgement.TRUSTED, None, False)
    assert found.share == 0.05


def test_lost_datagrams_explain_even_one_failure() -> None:
    found = verdict(CALM, Sample(drops=11, late=2), polled=100, failed=1)
    assert (found.judgement, found.cause) == (Judgement.SUSPECTS_ITSELF, Cause.KERNEL_DROPS)
    assert (found.drops, found.holds_tickets) == (1, True)


def test_a_late_loop_explains_a_failure() -> None:
    found = verdict(CALM, Sample(drops=10, late=3, lag=0.8), polled=100, failed=1)
    assert (found.judgement, found.cause, found.lag) == (Judgement.SUSPECTS_ITSELF, Cause.LOOP_LAG, 0.8)


def test_lateness_before_the_round_does_not_count() -> None:
    late_before = Sample(drops=10, late=50, lag=2.0)
    assert verdict(late_before, late_before, polled=100, failed=1).judgement is Judgement.TRUSTED


def test_many_failures_at_once_point_to_an_uplink() -> None:
    found = verdict(CALM, CALM, polled=100, failed=21)
    assert (found.judgement, found.holds_tickets) == (Judgement.SUSPECTS_UPLINK, True)
    assert verdict(CALM, CALM, polled=100, failed=20).judgement is Judgement.TRUSTED


def test_what_is_usually_down_does_not_point_to_an_uplink() -> None:
    assert verdict(CALM, CALM, polled=100, failed=40, usual_failed=40).judgement is Judgement.TRUSTED
    found = verdict(CALM, CALM, polled=100, failed=60, usual_failed=40)
    assert found.judgement is Judgement.SUSPECTS_UPLINK
    assert found.share == pytest.approx(20 / 60)


def test_two_of_two_failures_are_too_few_for_an_uplink() -> None:
    assert verdict(CALM, CALM, polled=2, failed=2).judgement is Judgement.TRUSTED
    assert verdict(CALM, CALM, polled=3, failed=3).judgement is Judgement.SUSPECTS_UPLINK


def test_where_the_system_does_not_count_drops_nothing_is_made_of_them() -> None:
    found = verdict(Sample(), Sample(), polled=10, failed=1)
    assert (found.judgement, found.drops) == (Judgement.TRUSTED, None)


def test_a_counter_that_began_anew_counts_from_nothing() -> None:
    assert verdict(Sample(drops=900), Sample(drops=0), polled=10, failed=1).drops == 0
    found = verdict(Sample(drops=900), Sample(drops=4), polled=10, failed=1)
    assert (found.drops, found.cause) == (4, Cause.KERNEL_DROPS)


@given(
    polled=st.integers(0, 500),
    failed=st.integers(0, 500),
    usual=st.floats(0, 500),
    drops=st.none() | st.integers(0, 9),
    late=st.integers(0, 3),
)
def test_a_cause_is_named_exactly_for_suspicions_of_oneself(
    polled: int, failed: int, usual: float, drops: int | None, late: int
) -> None:
    before, after = Sample(drops=drops and 0), Sample(drops=drops, late=late)
    found = verdict(before, after, polled, min(failed, polled), usual)
    assert (found.cause is None) == (found.judgement is not Judgement.SUSPECTS_ITSELF)
    assert found.share >= 0
    if min(failed, polled) <= usual:
        assert not found.holds_tickets


def test_the_kernels_counter_is_read_by_name() -> None:
    assert udp_drops(UDP) == 443_596
    assert udp_drops(UDP.replace("RcvbufErrors", "Other")) == 443_599


@pytest.mark.parametrize(
    "text", ["", "Udp: InDatagrams\n", "Udp: InDatagrams\nUdp: 5\n", "Udp: RcvbufErrors\nUdp: many\n"]
)
def test_what_does_not_say_is_unknown(text: str) -> None:
    assert udp_drops(text) is None


def test_a_system_without_the_file_is_unknown(tmp_path: Path) -> None:
    assert Watch(tmp_path / "nothing").sample() == Sample()


async def test_a_blocked_loop_is_noticed(tmp_path: Path) -> None:
    counters = tmp_path / "snmp"
    counters.write_text(UDP)
    watch = Watch(counters, interval=0.01)
    watch.start()
    await asyncio.sleep(0.03)
    before = watch.sample()
    time.sleep(0.6)  # noqa: ASYNC251
    overdue = watch.sample()
    await asyncio.sleep(0.03)
    after = watch.sample()
    watch.close()
    assert before.drops == 443_596
    assert (overdue.late - before.late, after.late - before.late) == (1, 1)
    assert after.lag >= overdue.lag > 0.5
    assert verdict(before, after, polled=10, failed=1).cause is Cause.LOOP_LAG


async def test_a_closed_watch_leaves_no_timer() -> None:
    watch = Watch(interval=0.01)
    watch.start()
    watch.start()
    await asyncio.sleep(0.03)
    watch.close()
    watch.close()
    before = watch.sample()
    time.sleep(0.02)  # noqa: ASYNC251
    await asyncio.sleep(0.02)
    assert watch.sample().lag == before.lag
