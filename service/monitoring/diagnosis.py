"""From what a device answered, look by look, to faults that open and close. PURE.

Each fault, named by check and instance, opens after so many bad looks in a row and closes after so many good
ones, both by its own check. A look that says nothing of it (`KEEP`, not asked, not reachable) counts neither
way and does not break the row. Two checks are the device's own: `device.unreachable` and `device.snmp`. While
the device is not plainly reachable, SNMP's silence proves nothing and is not counted; an SNMP answer is.

What a look leads to are transitions (service/monitoring/transitions.py); whether they become tickets is for
service/monitoring/settling.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from integrations.snmp.reading import Finding, Uptime, Verdict
from service.monitoring.memory import Key, Memory, Standing, Track
from service.monitoring.rates import Continuity, judge_uptime, seconds_up
from service.monitoring.rules import SNMP, UNREACHABLE, CheckRule, Missing, Rules
from service.monitoring.tracking import Look, is_old, retry_in, step
from service.monitoring.transitions import (
    Changed,
    Found,
    Opened,
    Recovered,
    Reopened,
    Suspected,
    Told,
    Transition,
    Vanished,
    text,
    told,
)

__all__ = [
    "SNMP",
    "UNREACHABLE",
    "Changed",
    "CheckRule",
    "Diagnosis",
    "Found",
    "Memory",
    "Missing",
    "Observation",
    "Opened",
    "Recovered",
    "Reopened",
    "Rules",
    "Standing",
    "Suspected",
    "Transition",
    "Vanished",
    "diagnose",
    "followed",
    "telling",
]

OK: Final = "ok"
SILENT: Final = "silent"
LATEST: Final = timedelta(days=1)
OWN: Final = frozenset({UNREACHABLE, SNMP})


@dataclass(frozen=True, slots=True)
class Observation:
    """One look, or half of one: a part that was not looked at is None.

    `snmp` is "ok" or the reason why asking failed (integrations/snmp/target.py). `complete` is False where a
    table was cut short, so that a row's absence says nothing. `port_up` is the state of the switch port that
    the device hangs on, None if not known.
    """

    at: datetime
    reachable: bool | None = None
    snmp: str | None = None
    findings: Sequence[Finding] = ()
    uptime: Uptime | None = None
    complete: bool = True
    port_up: bool | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("An observation's time says its zone.")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`next_in` is seconds until the device should be looked at again, asking for both of its states; None
    is its usual time. `asleep`: it is silent and thought well.
    """

    memory: Memory
    transitions: tuple[Transition, ...] = ()
    next_in: float | None = None
    rebooted: bool = False
    asleep: bool = False


def diagnose(memory: Memory, observation: Observation, rules: Rules) -> Diagnosis:
    """What the look changes. A part that is no newer than the last of its kind is ignored."""
    at = observation.at
    pinged = observation.reachable is not None and _is_newer(at, memory.pinged_at)
    polled = observation.snmp is not None and _is_newer(at, memory.polled_at)
    transitions: list[Transition] = []
    rebooted = False
    if pinged:
        memory = replace(memory, pinged_at=at)
        verdict = Verdict.GOOD if observation.reachable else Verdict.BAD
        look = Look(verdict, silent=True, port_up=observation.port_up)
        memory = _follow(memory, (UNREACHABLE, ""), look, at, rules, transitions)
    if polled:
        memory = replace(memory, polled_at=at)
        if observation.snmp == OK:
            rebooted = _has_rebooted(memory, observation)
            memory = _read(memory, observation, rules, transitions)
        elif memory.is_plainly_reachable:
            memory = _follow(memory, (SNMP, ""), _unread(observation), at, rules, transitions)
    if pinged or polled:
        memory = _without_the_old(memory, at, rules)
    asleep = any(track.asleep for track in memory.tracks.values())
    return Diagnosis(memory, tuple(transitions), _next_in(memory, at, rules), rebooted, asleep)


def _is_newer(at: datetime, last: datetime | None) -> bool:
    """Nothing arrives a day late: then it was the earlier look whose clock was wrong."""
    return last is None or at > last or last - at > LATEST


def _unread(observation: Observation) -> Look:
    evidence = {"reason": observation.snmp}
    silent = observation.snmp == SILENT
    return Look(Verdict.BAD, Told(evidence=evidence), silent=silent, port_up=observation.port_up)


def _has_rebooted(memory: Memory, observation: Observation) -> bool:
    if memory.uptime is None or memory.uptime_at is None:
        return False
    elapsed = (observation.at - memory.uptime_at).total_seconds()
    return judge_uptime(memory.uptime, observation.uptime, elapsed) is Continuity.REBOOTED


def _read(memory: Memory, observation: Observation, rules: Rules, transitions: list[Transition]) -> Memory:
    """A poll that was answered: SNMP is well, and every finding and every absence is looked at."""
    if observation.uptime is not None:
        memory = replace(memory, uptime=observation.uptime, uptime_at=observation.at)
    looks: dict[Key, Look] = {(SNMP, ""): Look(Verdict.GOOD)}
    for finding in telling(observation.findings, memory, rules):
        key = (finding.check, text(finding.instance))
        if finding.check not in OWN:
            looks[key] = _worse(looks.get(key), _look_at(finding))
    memory = _knowing(memory, looks, rules)
    if observation.complete and not _has_just_started(observation, rules):
        memory, absences = _absences(memory, looks, rules, transitions)
        looks |= absences
    for key, look in looks.items():
        memory = _follow(memory, key, look, observation.at, rules, transitions)
    return memory


def telling(findings: Sequence[Finding], memory: Memory, rules: Rules) -> list[Finding]:
    """Without those that change nothing: what is not bad says nothing of a check that has no fault, no
    suspicion and no rows that have to be there.
    """
    checks = followed(memory, rules)
    return [one for one in findings if one.verdict is Verdict.BAD or one.check in checks]


def followed(memory: Memory, rules: Rules) -> set[str]:
    """The checks of which a good look says something as well."""
    needed = {check for check, rule in rules.checks.items() if rule.missing is Missing.BAD}
    return needed.union(check for check, _ in memory.tracks)


def _look_at(finding: Finding) -> Look:
    """Only what is wrong is told in full; most of what a poll finds is well."""
    if finding.verdict is Verdict.BAD:
        return Look(finding.verdict, told(finding))
    return Look(finding.verdict, Told(None if finding.label is None else text(finding.label)))


def _has_just_started(observation: Observation, rules: Rules) -> bool:
    """Tables fill up slowly after a start: what is not there yet is not gone."""
    up = seconds_up(observation.uptime)
    return up is not None and up < rules.boot.total_seconds()


def _worse(one: Look | None, other: Look) -> Look:
    """Of two findings with one name, bad counts before unknown, and unknown before good."""
    order = (Verdict.GOOD, Verdict.KEEP, Verdict.BAD)
    return other if one is None or order.index(other.verdict) > order.index(one.verdict) else one


def _knowing(memory: Memory, looks: Mapping[Key, Look], rules: Rules) -> Memory:
    """Rows whose absence would be bad are noted as soon as they are seen."""
    known = {
        check: dict(rows) for check, rows in memory.known.items() if _missing(rules, check) is Missing.BAD
    }
    for (check, instance), look in looks.items():
        if check not in OWN and _missing(rules, check) is Missing.BAD:
            rows = known.setdefault(check, {})
            rows[instance] = look.told.label or rows.get(instance)
    return memory if known == memory.known else replace(memory, known=known)


def _missing(rules: Rules, check: str) -> Missing:
    return rules.of(check).missing


def _absences(
    memory: Memory, looks: Mapping[Key, Look], rules: Rules, transitions: list[Transition]
) -> tuple[Memory, dict[Key, Look]]:
    """What it means for each fault and each known row that it was not answered."""
    absent: dict[Key, Look] = {}
    for check, rows in memory.known.items():
        for instance, label in rows.items():
            absent[check, instance] = Look(Verdict.BAD, Told(label, evidence={"missing": True}))
    tracks = dict(memory.tracks)
    for key, track in memory.tracks.items():
        missing = _missing(rules, key[0])
        if key in looks or key[0] in OWN:
            tracks[key] = replace(track, absent=0)
        elif missing is Missing.GOOD:
            absent[key] = Look(Verdict.GOOD, gone=True)
        elif missing is Missing.KEEP:
            _keep_absent(tracks, key, memory.polled_at, rules, transitions)
    if tracks != memory.tracks:
        memory = replace(memory, tracks=tracks)
    return memory, {key: look for key, look in absent.items() if key not in looks}


def _keep_absent(
    tracks: dict[Key, Track], key: Key, at: datetime | None, rules: Rules, transitions: list[Transition]
) -> None:
    track = tracks[key] = replace(tracks[key], absent=min(tracks[key].absent + 1, rules.vanish + 1))
    if track.absent < rules.vanish:
        return
    if not track.is_open:
        # What was a fault until lately is remembered for its flap window, with its row or without.
        if track.closed_at is None:
            del tracks[key]
    elif track.absent == rules.vanish and at is not None:
        transitions.append(Vanished(check=key[0], instance=key[1], at=at, since=track.since))


def _follow(
    memory: Memory,
    key: Key,
    look: Look,
    at: datetime,
    rules: Rules,
    transitions: list[Transition],
) -> Memory:
    """The memory after one look at one fault."""
    before = memory.tracks.get(key)
    after, said = step(key, before, look, at, rules)
    if said is not None:
        transitions.append(said)
    if after == before:
        return memory
    tracks = {name: track for name, track in memory.tracks.items() if name != key}
    return replace(memory, tracks=tracks if after is None else tracks | {key: after})


def _without_the_old(memory: Memory, at: datetime, rules: Rules) -> Memory:
    """Ends that are too long ago to come back, and suspicions that nobody followed up."""
    tracks = {key: track for key, track in memory.tracks.items() if not is_old(track, at, rules)}
    return memory if len(tracks) == len(memory.tracks) else replace(memory, tracks=tracks)


def _next_in(memory: Memory, at: datetime, rules: Rules) -> float | None:
    retry = min(
        (
            retry_in(track, at, rules.of(key[0]), rules)
            for key, track in memory.tracks.items()
            if track.is_suspected and not track.asleep and _was_bad_last(memory, key, track)
        ),
        default=None,
    )
    return _down_in(memory, at, rules) if retry is None else retry


def _was_bad_last(memory: Memory, key: Key, track: Track) -> bool:
    return track.run_at == (memory.pinged_at if key[0] == UNREACHABLE else memory.polled_at)


def _down_in(memory: Memory, at: datetime, rules: Rules) -> float | None:
    """The longer an outage, the rarer a look; None if it is not out, and as soon as it answers again."""
    for key in ((UNREACHABLE, ""), (SNMP, "")):
        track = memory.tracks.get(key)
        if track is not None and track.is_open:
            tenth = 0.0 if track.run else (at - track.since).total_seconds() / 10
            return min(max(tenth, rules.down_seconds), rules.slowest_seconds)
    return None
