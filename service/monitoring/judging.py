"""What one look at a device means for what is kept of it. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.snmp.facts import facts_of
from integrations.snmp.grammar import Rate
from integrations.snmp.profile import FaultSpec, Profile
from integrations.snmp.reading import DeviceKind, Finding, LinkState, Port, Reading, Verdict
from integrations.snmp.target import Answers, Target
from integrations.snmp.understanding import Glance, rate_verdict
from service.monitoring.current import beside_ports, hash_of, ports_of
from service.monitoring.diagnosis import Observation, diagnose, followed, telling
from service.monitoring.memory import Memory, Standing
from service.monitoring.planned import Name, Planned, PortsSeen
from service.monitoring.rates import Continuity, judge_uptime, rates
from service.monitoring.rules import SNMP as SNMP_CHECK
from service.monitoring.rules import CheckRule, Missing, Rules
from service.monitoring.schedule import next_look, slot_after
from service.monitoring.transitions import Transition

REACH = {"unknown": 1, "up": 2, "down": 3, "asleep": 4}
SNMP = {"unknown": 1, "ok": 2, "silent": 3, "bad_credentials": 4, "malformed": 5}
REDISCOVER_IN = timedelta(minutes=1)
ONLY_IMPORTANT = frozenset({"port.down"})
PER_SECOND = "/s"
Numbers = dict[Name, tuple[float, str]]
Counts = Mapping[str, Mapping[str, int]]
POE_FACTS = {"delivering": "delivering", "searching": "searching", "disabled": "disabled"}
REACHABLE = {DeviceKind.PRINTER: "printer.reachable", DeviceKind.PROJECTOR: "av.reachable"}
TELLS_ITS_ROOM = timedelta(hours=1)


@dataclass(slots=True)
class Watched:
    """A device as a poll needs it. `children`: our port → the assets that hang on it; `counting_ports`: ports
    whose being down is news; `port_up`: the state of the switch port that it hangs on itself; `reach`: how it
    stood after the last poll (`REACH`)."""

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
    place_id: str | None = None
    reach: int | None = None


@dataclass(slots=True)
class Judged:
    """`rates` are those of the plan's counters in a second, `numbers` all else: (metric, instance) → (value,
    unit). `values` are both in the order of the device's sample.
    """

    watched: Watched
    at: datetime
    answered: bool
    memory: Memory
    transitions: tuple[Transition, ...]
    next_poll_at: datetime
    is_slow: bool
    reach: str | None
    snmp: str | None
    numbers: Numbers = field(default_factory=dict)
    rates: Sequence[float | None] = ()
    counters: dict[str, Any] | None = None
    current: dict[str, Any] | None = None
    current_hash: int | None = None
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    rediscover: bool = False
    values: list[float | None] = field(default_factory=list)
    learnt: Any = None

    def as_sample(self) -> list[float | None]:
        planned = self.watched.planned
        sample: list[float | None] = [None] * (planned.size + 1)
        if self.rates:
            for place, value in zip(planned.places, self.rates, strict=True):
                sample[place] = value
        for key, (value, _) in self.numbers.items():
            sample[planned.positions.get(key, 0) - 1] = value
        sample.pop()
        return sample if self.numbers or any(value is not None for value in self.rates) else []

    def unplaced(self) -> list[tuple[str, str, str]]:
        """Metric, instance and unit of the numbers that have no place in the sample yet."""
        planned = self.watched.planned
        new = [(*key, unit) for key, (_, unit) in self.numbers.items() if key not in planned.positions]
        if self.rates and planned.size in planned.places:
            counted = zip(planned.counted, planned.places, self.rates, strict=True)
            new += [
                (*key, PER_SECOND) for key, at, rate in counted if at == planned.size and rate is not None
            ]
        return new

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
    glance = watched.planned.plan.glance(answers) if answers is not None else None
    reading = glance.reading if glance is not None else None
    reachable = (answers is not None) if is_there is None else is_there
    measured = measure(watched, at, glance) if glance is not None else Measured()
    rules = rules_of(watched.profile)
    seen = Observation(
        at=at,
        reachable=reachable,
        snmp="ok" if reading is not None else reason or "silent",
        findings=_findings(watched, reading, measured, rules) if reading is not None else (),
        uptime=reading.uptime if reading is not None else None,
        port_up=watched.port_up,
    )
    found = diagnose(watched.memory, seen, rules)
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
        rates=measured.rates,
        counters=measured.counters,
        rediscover=found.rebooted,
    )
    if reading is not None:
        _keep_reading(judged, reading)
    _keep_reach(judged)
    return judged


def _findings(watched: Watched, reading: Reading, measured: Measured, rules: Rules) -> list[Finding]:
    """What a poll found that may change something, without ports that nobody needs, and with what was counted
    since the last one.
    """
    kept = [
        f
        for f in telling(reading.findings, watched.memory, rules)
        if f.check not in ONLY_IMPORTANT
        or f.instance in watched.counting_ports
        or (f.check, f.instance) in watched.memory.tracks
    ]
    return kept + _counted(watched, measured, rules)


def _counted(watched: Watched, measured: Measured, rules: Rules) -> list[Finding]:
    """Findings of checks on what is counted in an hour, of each instance that has a rate that may change
    something.
    """
    found = []
    checks = followed(watched.memory, rules)
    for check, spec in watched.profile.faults.items():
        if spec.rate is None or (
            check not in checks and not _has_counted(watched.planned, measured, spec.rate)
        ):
            continue
        for instance, counted in _hourly(watched.planned, measured, spec.rate).items():
            verdict = rate_verdict(spec.rate, counted)
            if verdict is Verdict.BAD or check in checks:
                value = round(counted)
                found.append(Finding(check, instance, verdict, instance, value, {"in an hour": value}))
    return found


def _has_counted(planned: Planned, measured: Measured, spec: Rate) -> bool:
    """Whether anything was: a rate of nothing is never bad."""
    counters = planned.counters_of(spec.metrics) if measured.rates else ()
    others = (value for (name, _), (value, _) in measured.numbers.items() if name in spec.metrics)
    return any(measured.rates[at] for at, _ in counters) or any(others)


def _hourly(planned: Planned, measured: Measured, spec: Rate) -> dict[str, float]:
    hourly: dict[str, float] = {}
    if measured.rates:
        for at, instance in planned.counters_of(spec.metrics):
            value = measured.rates[at]
            if value is not None:
                hourly[instance] = hourly.get(instance, 0.0) + value * 3600
    for (name, instance), (number, _) in measured.numbers.items():
        if name in spec.metrics:
            hourly[instance] = hourly.get(instance, 0.0) + number * 3600
    return hourly


def rules_of(profile: Profile) -> Rules:
    """The patience with a kind of device, made once for each profile."""
    found = _RULES.get(profile.name)
    if found is None or found[0] is not profile:
        checks = {check: _rule(check, spec) for check, spec in profile.faults.items()}
        stale = max(timedelta(minutes=15), timedelta(seconds=4 * profile.interval))
        found = profile, Rules(checks=checks, grace=timedelta(seconds=profile.grace), stale=stale)
        _RULES[profile.name] = found
    return found[1]


_RULES: dict[str, tuple[Profile, Rules]] = {}


def _rule(check: str, spec: FaultSpec) -> CheckRule:
    usual = Rules().of(check)
    missing = Missing.BAD if spec.each == "access_point" else Missing.KEEP
    return CheckRule(confirm=spec.confirm or usual.confirm, clear=spec.clear, missing=missing)


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
    ports, others = _ports_seen(watched.planned, reading), beside_ports(reading)
    checksum = hash_of(others, ports.checksum)
    if checksum != watched.current_hash:
        judged.current, judged.current_hash = ports.current | others, checksum
    if watched.asset_id is not None:
        judged.facts[watched.asset_id] = facts_of(reading)
    if watched.children:
        for port in reading.ports:
            for asset_id in watched.children.get(port.key, ()):
                judged.facts.setdefault(asset_id, {}).update(port_facts(port))


def _keep_reach(judged: Judged) -> None:
    """Whether it can be reached, for kinds that playbooks ask it of; not while that is only suspected."""
    asset_id = judged.watched.asset_id
    if asset_id is not None and judged.reach in ("up", "down"):
        told = reach_facts(judged.watched.profile.kind, judged.reach == "up")
        if told:
            judged.facts.setdefault(asset_id, {}).update(told)


def reach_facts(kind: DeviceKind, is_up: bool) -> dict[str, Any]:
    """`printer.reachable`, `av.reachable` or `net.ap.status`, as its kind is called."""
    if kind is DeviceKind.ACCESS_POINT:
        return {"net.ap.status": "up" if is_up else "down"}
    return {REACHABLE[kind]: is_up} if kind in REACHABLE else {}


def room_to_tell(judged: Judged) -> str | None:
    """The place whose devices should hear of this access point: it came or went, or an hour has passed."""
    watched = judged.watched
    if watched.profile.kind is not DeviceKind.ACCESS_POINT or watched.place_id is None or not judged.reach:
        return None
    before = watched.memory.pinged_at
    due = before is None or slot_after(watched.device_id, TELLS_ITS_ROOM.total_seconds(), before) <= judged.at
    return watched.place_id if due or REACH[judged.reach] != watched.reach else None


def _ports_seen(planned: Planned, reading: Reading) -> PortsSeen:
    """Made anew only for ports that are not those of the last poll."""
    seen = planned.ports
    if seen is None or seen.ports is not reading.ports:
        current = ports_of(reading.ports)
        seen = planned.ports = PortsSeen(reading.ports, current, hash_of(current))
    return seen


def port_facts(port: Port) -> dict[str, Any]:
    """What a switch's port says about the device that hangs on it (service/assets/fact_words.py).
    `port.oper_status` is a text in the words of IF-MIB's ifOperStatus, such as lower_layer_down.
    """
    facts: dict[str, Any] = {}
    if port.oper is not None:
        facts["net.port_up"] = port.oper is LinkState.UP
        facts["port.oper_status"] = port.oper.value
    if port.admin is not None:
        facts["net.port_enabled"] = port.admin is LinkState.UP
    if port.poe_state is not None:
        facts["net.poe"] = POE_FACTS.get(port.poe_state, "fault")
    return facts


@dataclass(slots=True)
class Measured:
    """`rates` in the order of the plan's counters, `numbers` all else. `counters` are what the next poll
    counts from: `values` in the order of the plan whose `stamp` they bear, and `of` all others, by metric and
    instance.
    """

    numbers: Numbers = field(default_factory=dict)
    rates: Sequence[float | None] = ()
    counters: dict[str, Any] | None = None


def measure(watched: Watched, at: datetime, glance: Glance) -> Measured:
    """Gauges as they are; counters as what was counted in a second since the last poll."""
    before, planned = watched.counters, watched.planned
    seconds = (at - datetime.fromisoformat(before["at"])).total_seconds() if "at" in before else 0.0
    rebooted = _has_rebooted(watched.memory, glance.reading, at)
    found = Measured()
    of = _measure_others(found, before.get("of", {}), seconds, rebooted, glance.reading)
    counts = glance.counts
    if counts and "at" in before:
        was = _counts_before(before, planned)
        found.rates = rates(was, counts, seconds, rebooted=rebooted, narrow=planned.narrow)
    if of or any(count is not None for count in counts):
        found.counters = {"at": at, "of": of, "stamp": planned.stamp, "values": counts}
    return found


def _counts_before(before: Mapping[str, Any], planned: Planned) -> Sequence[int | None]:
    """None for all where the counters were those of another plan."""
    if before.get("stamp") == planned.stamp:
        values: Sequence[int | None] = before["values"]
        return values
    return [None] * len(planned.counted)


def _measure_others(
    found: Measured, before: Counts, seconds: float, rebooted: bool, reading: Reading
) -> dict[str, dict[str, int]]:
    """What the reading's own metrics stand at; puts numbers and rates into `found`."""
    kept: dict[str, dict[str, int]] = {}
    for metric in reading.metrics:
        if not metric.counter:
            found.numbers[metric.name, metric.instance] = metric.value, metric.unit
            continue
        value = int(metric.value)
        kept.setdefault(metric.name, {})[metric.instance] = value
        was = before.get(metric.name, {}).get(metric.instance)
        (counted,) = rates([was], [value], seconds, rebooted=rebooted)
        if counted is not None:
            found.numbers[metric.name, metric.instance] = counted, f"{metric.unit}{PER_SECOND}"
    return kept


def _has_rebooted(memory: Memory, reading: Reading, at: datetime) -> bool:
    if memory.uptime is None or memory.uptime_at is None:
        return False
    elapsed = (at - memory.uptime_at).total_seconds()
    return judge_uptime(memory.uptime, reading.uptime, elapsed) is Continuity.REBOOTED
