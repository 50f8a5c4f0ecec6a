"""What one look at a device means for what is kept of it. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.snmp.facts import facts_of
from integrations.snmp.profile import FaultSpec, Profile
from integrations.snmp.reading import Finding, LinkState, Port, Reading
from integrations.snmp.target import Answers, Target
from integrations.snmp.understanding import rate_verdict
from service.monitoring.current import current_of, hash_of
from service.monitoring.diagnosis import Observation, diagnose
from service.monitoring.memory import Memory, Standing
from service.monitoring.planned import Planned
from service.monitoring.rates import Continuity, Counter, judge_uptime, rate
from service.monitoring.rules import SNMP as SNMP_CHECK
from service.monitoring.rules import UNREACHABLE, CheckRule, Missing, Rules
from service.monitoring.schedule import next_look
from service.monitoring.transitions import Transition

REACH = {"unknown": 1, "up": 2, "down": 3, "asleep": 4}
SNMP = {"unknown": 1, "ok": 2, "silent": 3, "bad_credentials": 4, "malformed": 5}
REDISCOVER_IN = timedelta(minutes=1)
ONLY_IMPORTANT = frozenset({"port.down"})
OWN = frozenset({UNREACHABLE, SNMP_CHECK})
POE_FACTS = {"delivering": "delivering", "searching": "searching", "disabled": "disabled"}


@dataclass(slots=True)
class Watched:
    """A device as a poll needs it. `children`: our port → the assets that hang on it; `counting_ports`: ports
    whose being down is news; `port_up`: the state of the switch port that it hangs on itself."""

    device_id: int
    address: str
    asset_id: int | None
    profile: Profile
    planned: Planned
    target: Target | None
    reach_by: str
    reach_port: int | None
    memory: Memory
    counters: Mapping[str, Any] = field(default_factory=dict)
    current_hash: int | None = None
    children: Mapping[str, Sequence[int]] = field(default_factory=dict)
    counting_ports: frozenset[str] = frozenset()
    port_up: bool | None = None
    discovered_at: datetime | None = None


@dataclass(slots=True)
class Judged:
    """`numbers` (metric, instance) → (value, unit); `values` are they in the order of the device's sample."""

    watched: Watched
    at: datetime
    answered: bool
    memory: Memory
    transitions: tuple[Transition, ...]
    next_poll_at: datetime
    is_slow: bool
    reach: str | None
    snmp: str | None
    numbers: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    counters: dict[str, Any] | None = None
    current: dict[str, Any] | None = None
    current_hash: int | None = None
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    rediscover: bool = False
    values: list[float | None] = field(default_factory=list)
    learnt: Any = None

    def as_sample(self) -> list[float | None]:
        positions = self.watched.planned.positions
        if not self.numbers or not positions:
            return []
        sample: list[float | None] = [None] * max(positions.values())
        for key, (value, _) in self.numbers.items():
            position = positions.get(key)
            if position is not None:
                sample[position - 1] = value
        return sample

    def row(self) -> dict[str, Any]:
        """The device's row of `network_watches`, as JSON."""
        learnt = self.learnt
        return {
            "device_id": self.watched.device_id,
            "next_poll_at": self.next_poll_at,
            "is_slow": self.is_slow,
            "next_discovery_at": self.at + REDISCOVER_IN if self.rediscover else None,
            "reach": REACH[self.reach] if self.reach else None,
            "snmp": SNMP.get(self.snmp, 1) if self.snmp else None,
            "polled_at": self.at,
            "answered": self.answered,
            "memory": self.memory.to_json(),
            "counters": self.counters,
            "current": self.current,
            "current_hash": self.current_hash,
            "last_values": self.values or None,
            "engine_id": learnt.engine_id.hex() if learnt is not None and learnt.engine_id else None,
            "max_repetitions": learnt.max_repetitions if learnt is not None else None,
        }


def judge(
    watched: Watched, at: datetime, answers: Answers | None, reason: str | None, is_there: bool | None
) -> Judged:
    """Take a look into account. `answers` None: SNMP failed for `reason`; `is_there`: whether it could be
    reached at all, None where only SNMP tells."""
    reading = watched.planned.plan.read(answers) if answers is not None else None
    reachable = (answers is not None) if is_there is None else is_there
    measured = measure(watched, at, reading) if reading is not None else Measured()
    seen = Observation(
        at=at,
        reachable=reachable,
        snmp="ok" if reading is not None else reason or "silent",
        findings=_findings(watched, reading, measured) if reading is not None else (),
        uptime=reading.uptime if reading is not None else None,
        port_up=watched.port_up,
    )
    found = diagnose(watched.memory, seen, rules_of(watched.profile))
    standing = found.memory.standing
    judged = Judged(
        watched=watched,
        at=at,
        answered=reading is not None,
        memory=found.memory,
        transitions=found.transitions,
        next_poll_at=next_look(watched.device_id, watched.profile.interval, at, found.next_in),
        is_slow=standing is Standing.DOWN,
        reach="asleep" if found.asleep else _reach(standing, reachable),
        snmp=_snmp(found.memory, seen),
        numbers=measured.numbers,
        counters=measured.counters,
        rediscover=found.rebooted,
    )
    if reading is not None:
        _keep_reading(judged, reading)
    return judged


def _findings(watched: Watched, reading: Reading, measured: Measured) -> list[Finding]:
    """What a poll found, without ports that nobody needs, and with what was counted since the last one."""
    kept = [
        f for f in reading.findings if f.check not in ONLY_IMPORTANT or f.instance in watched.counting_ports
    ]
    return kept + _counted(watched.profile, measured)


def _counted(profile: Profile, measured: Measured) -> list[Finding]:
    """Findings of checks on what is counted in an hour, one for each instance that has a rate."""
    found = []
    for check, spec in profile.faults.items():
        if spec.rate is None:
            continue
        hourly: dict[str, float] = {}
        for (name, instance), (value, _) in measured.numbers.items():
            if name in spec.rate.metrics:
                hourly[instance] = hourly.get(instance, 0.0) + value * 3600
        for instance, counted in hourly.items():
            verdict = rate_verdict(spec.rate, counted)
            value = round(counted)
            found.append(Finding(check, instance, verdict, instance, value, {"in an hour": value}))
    return found


def rules_of(profile: Profile) -> Rules:
    """The patience with a kind of device, made once for each profile."""
    found = _RULES.get(profile.name)
    if found is None or found[0] is not profile:
        checks = {check: _rule(spec) for check, spec in profile.faults.items() if check not in OWN}
        found = profile, Rules(checks=checks, grace=timedelta(seconds=profile.grace))
        _RULES[profile.name] = found
    return found[1]


_RULES: dict[str, tuple[Profile, Rules]] = {}


def _rule(spec: FaultSpec) -> CheckRule:
    missing = Missing.BAD if spec.each == "access_point" else Missing.KEEP
    return CheckRule(confirm=spec.confirm, clear=spec.clear, missing=missing)


def _reach(standing: Standing, reachable: bool) -> str | None:
    """None while it is only suspected: what was known stays."""
    if standing is Standing.DOWN:
        return "down"
    return "up" if reachable else None


def _snmp(memory: Memory, seen: Observation) -> str | None:
    track = memory.tracks.get((SNMP_CHECK, ""))
    if track is not None and track.is_open:
        return seen.snmp if seen.snmp != "ok" else None
    return "ok" if seen.snmp == "ok" else None


def _keep_reading(judged: Judged, reading: Reading) -> None:
    watched = judged.watched
    current = current_of(reading)
    checksum = hash_of(current)
    if checksum != watched.current_hash:
        judged.current, judged.current_hash = current, checksum
    if watched.asset_id is not None:
        judged.facts[watched.asset_id] = facts_of(reading)
    if watched.children:
        for port in reading.ports:
            for asset_id in watched.children.get(port.key, ()):
                judged.facts.setdefault(asset_id, {}).update(port_facts(port))


def port_facts(port: Port) -> dict[str, Any]:
    """What a switch's port says about the device that hangs on it (service/playbooks/facts.py)."""
    facts: dict[str, Any] = {}
    if port.oper is not None:
        facts["net.port_up"] = port.oper is LinkState.UP
    if port.admin is not None:
        facts["net.port_enabled"] = port.admin is LinkState.UP
    if port.poe_state is not None:
        facts["net.poe"] = POE_FACTS.get(port.poe_state, "fault")
    return facts


@dataclass(slots=True)
class Measured:
    """`numbers`: (metric, instance) → (value, unit). `counters` are what the next poll counts from."""

    numbers: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    counters: dict[str, Any] | None = None


def measure(watched: Watched, at: datetime, reading: Reading) -> Measured:
    """Gauges as they are; counters as what was counted in a second since the last poll."""
    before = watched.counters
    was_at = datetime.fromisoformat(before["at"]) if "at" in before else None
    old: Mapping[str, Mapping[str, int]] = before.get("of", {})
    rebooted = _has_rebooted(watched.memory, reading, at)
    found = Measured()
    kept: dict[str, dict[str, int]] = {}
    for metric in reading.metrics:
        if not metric.counter:
            found.numbers[metric.name, metric.instance] = metric.value, metric.unit
            continue
        value = int(metric.value)
        kept.setdefault(metric.name, {})[metric.instance] = value
        was = old.get(metric.name, {}).get(metric.instance)
        if was is None or was_at is None:
            continue
        counted = rate(Counter(was, was_at), Counter(value, at), rebooted=rebooted)
        if counted is not None:
            found.numbers[metric.name, metric.instance] = counted, f"{metric.unit}/s"
    if kept:
        found.counters = {"at": at, "of": kept}
    return found


def _has_rebooted(memory: Memory, reading: Reading, at: datetime) -> bool:
    if memory.uptime is None or memory.uptime_at is None:
        return False
    elapsed = (at - memory.uptime_at).total_seconds()
    return judge_uptime(memory.uptime, reading.uptime, elapsed) is Continuity.REBOOTED
