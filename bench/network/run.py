"""`python -m bench network`: four measurements on one desk, each with its aim.

CPU is user and system of this process. Every side of a comparison asks the same devices for the same objects
in the same run, in turns.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from bench.load import load
from bench.network.bare import Asked, Gufo, Pysnmp
from bench.network.desk import Cost, Desk, costing, desk, new_vault, targets, watch
from bench.network.fleet import Fleet, fleet, free_port, kind_of, raise_limit
from bench.network.hour import District, replay
from bench.network.storm import storm
from integrations.snmp.target import Target
from integrations.snmp.understanding import Plan
from service.core import embedded
from service.core.settings import Settings
from service.core.vault import Vault
from service.monitoring.trapping import TrapEar

DEVICES, ROUNDS = 500, 5
SAMPLED = 60
"""Devices that pysnmp is asked for: it is slow."""
LIVE, SILENT, NOBODY, PASSES = 2_000, 100, 100, 6
LARGE, DEAD_SHARE, INTERVAL = 10_000, 0.05, 300.0
TRAPS, TRAP_SOURCES, STORM_ROUNDS = 5_000, 200, 3
GUFO_AIM, PYSNMP_AIM, CORE_AIM = 3.0, 6.0, 0.2


def run() -> bool:
    """Print what was measured; False where an aim was missed."""
    embedded.clean_environment()
    raise_limit(8_192)
    with tempfile.TemporaryDirectory(prefix="firstbell-bench-") as home, embedded.lease(Path(home)) as url:
        asyncio.run(load(url, 1_000))
        postmaster = embedded.status(Path(home)).pid
        vault = new_vault()
        with fleet(DEVICES) as small:
            ours, kept = uvloop.run(_compare(url, vault, small, postmaster))
        kept &= _large_district(ours)
        with fleet(DEVICES) as small:
            uvloop.run(_under_traps(url, vault, small))
        with fleet(LIVE, SILENT, NOBODY) as large:
            return uvloop.run(_false_down(url, vault, large)) and kept


async def _compare(url: str, vault: Vault, small: Fleet, postmaster: int | None) -> tuple[Cost, bool]:
    watch(url, small, vault)
    asked = _asked(small)
    values = Counter(kind_of(position) for position in range(DEVICES))
    print(f"lean poll of {DEVICES} devices: " + ", ".join(f"{n} {kind}" for kind, n in values.items()))
    print(f"{'':<42}{'devices/s':>10}{'CPU ms each':>12}{'database':>10}", flush=True)
    async with desk(url, vault) as ours:
        gufo = Gufo(asked)
        mine, bare, asking = await _in_turns(ours, gufo, targets(small), postmaster)
    _show("ours: ask, understand, diagnose, store", mine)
    _show("of that, asking", asking)
    _show("bare gufo-snmp", bare)
    plain = await _pysnmp(asked, looks_up=False)
    _show(f"bare pysnmp, lookupMib=False ({SAMPLED} of them)", plain)
    usual = await _pysnmp(asked, looks_up=True)
    _show(f"bare pysnmp as it comes ({SAMPLED} of them)", usual)
    over, under = mine.own_ms / bare.own_ms, usual.own_ms / mine.own_ms
    print(f"CPU: {over:.2f} x bare gufo (aim {GUFO_AIM:.0f} at most){_missed(over > GUFO_AIM)}")
    print(f"CPU: 1/{under:.1f} of pysnmp's default (aim 1/{PYSNMP_AIM:.0f}){_missed(under < PYSNMP_AIM)}")
    return mine, over <= GUFO_AIM and under >= PYSNMP_AIM


def _asked(small: Fleet) -> list[Asked]:
    return [Asked(to.address, to.port, plan.oids, plan.walks) for to, plan in targets(small)]


async def _in_turns(
    ours: Desk, gufo: Gufo, asked: list[tuple[Target, Plan]], postmaster: int | None
) -> tuple[Cost, Cost, Cost]:
    """The median rounds of ours, of gufo's and of our asking alone, after one each that does not count."""
    rounds = []
    for _ in range(ROUNDS + 1):
        with costing(DEVICES, postmaster) as mine:
            await ours.make_due()
            polled = await ours.poll_due()
        assert polled == DEVICES
        with costing(DEVICES) as bare:
            await gufo.round()
        with costing(DEVICES) as asking:
            await ours.ask(asked)
        rounds.append((mine, bare, asking))
    mine, bare, asking = (_median(list(costs)) for costs in zip(*rounds[1:], strict=True))
    return mine, bare, asking


def _median(costs: list[Cost]) -> Cost:
    """By each measure by itself."""
    of = statistics.median
    return Cost(
        costs[0].devices,
        of(cost.seconds for cost in costs),
        of(cost.own for cost in costs),
        of(cost.database for cost in costs),
    )


async def _pysnmp(asked: list[Asked], *, looks_up: bool) -> Cost:
    switches = max(1, round(len(asked) / SAMPLED))
    bare = Pysnmp(asked[::switches][:SAMPLED], looks_up=looks_up)
    try:
        await bare.round()
        with costing(SAMPLED) as cost:
            await bare.round()
    finally:
        bare.close()
    return cost


def _show(name: str, cost: Cost) -> None:
    database = f"{cost.database_ms:>10.2f}" if cost.database else ""
    print(f"{name:<42}{cost.rate:>10,.0f}{cost.own_ms:>12.2f}{database}", flush=True)


def _missed(is_missed: bool) -> str:
    return "  misses" if is_missed else ""


def _large_district(ours: Cost) -> bool:
    dead = int(LARGE * DEAD_SHARE)
    hour = replay(District(LARGE, dead, INTERVAL, ours.own / ours.devices, ours.rate))
    print(f"\none hour of {LARGE:,} devices, each every {INTERVAL:.0f} s, {dead} of them down for long:")
    print(f"  {hour.polls:,} polls and {hour.slow_polls:,} looks at what is down")
    print(
        f"  {hour.core:.1%} of a core (aim under {CORE_AIM:.0%}){_missed(hour.core >= CORE_AIM)}; "
        f"at most {hour.busiest} due at once"
    )
    print(
        f"  longest queue {hour.longest_queue} devices, of the slow one {hour.longest_slow_queue}; "
        f"longest wait {hour.longest_wait:.1f} s"
    )
    return hour.core < CORE_AIM


async def _under_traps(url: str, vault: Vault, small: Fleet) -> None:
    watch(url, small, vault)
    port = free_port()
    async with desk(url, vault) as ours:
        await ours.make_due()
        await ours.poll_due()
        quiet = await _rounds(ours)
        settings = Settings(trap_port=port, trap_host="127.0.0.1")
        async with TrapEar(ours.resources, ours.network, settings) as ear:
            await asyncio.sleep(0.5)
            with storm(port, TRAPS, TRAP_SOURCES):
                loud = await _rounds(ours)
            assert ear.listener is not None
            counts = ear.listener.counts()
    heard = sum(counts.values()) / (loud.seconds * STORM_ROUNDS)
    print(f"\npolling {DEVICES} devices, alone and while {heard:,.0f} traps/s of {TRAPS:,} sent arrive:")
    _show("alone", quiet)
    _show("under traps", loud)
    each = 1_000_000 * (loud.own - quiet.own) / (heard * loud.seconds)
    print(
        f"  throughput {loud.rate / quiet.rate:.0%} (their senders have their share of the cores); "
        f"{each:.0f} us of CPU a trap; what became of them: {counts}",
        flush=True,
    )


async def _rounds(ours: Desk) -> Cost:
    costs = []
    for _ in range(STORM_ROUNDS):
        with costing(DEVICES) as cost:
            await ours.make_due()
            await ours.poll_due()
        costs.append(cost)
    return _median(costs)


async def _false_down(url: str, vault: Vault, large: Fleet) -> bool:
    watch(url, large, vault)
    async with desk(url, vault) as ours:
        with costing(PASSES * (LIVE + SILENT + NOBODY)) as cost:
            for _ in range(PASSES):
                await ours.make_due()
                await ours.poll_due()
        judged = dict.fromkeys(await ours.rows(_DOWN), True)
        missed = await ours.rows(_UNANSWERED)
    down = {row.address for row in judged}
    false, right = down & set(large.live), down - set(large.live)
    silent = {row.address for row in missed} & set(large.live)
    print(f"\n{LIVE:,} live devices at {cost.rate:,.0f} devices/s, {SILENT + NOBODY} dead beside:")
    print(f"  live ones judged down: {len(false)} (aim 0){_missed(bool(false))}")
    print(
        f"  live ones whose last poll failed: {len(silent)}; dead ones judged down: {len(right)}", flush=True
    )
    return not false


_DOWN = """
    SELECT DISTINCT d.address FROM network_devices AS d
    LEFT JOIN network_watches AS w ON w.device_id = d.id
    LEFT JOIN network_faults AS f ON f.device_id = d.id AND f.check IN ('device.unreachable', 'device.snmp')
    WHERE w.reach = 3 OR f.id IS NOT NULL
"""
_UNANSWERED = """
    SELECT d.address FROM network_devices AS d JOIN network_watches AS w ON w.device_id = d.id
    WHERE w.answered_at IS DISTINCT FROM w.polled_at
"""
