"""One fault, look by look: well, suspected, asleep, open, closed. PURE."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from integrations.snmp.reading import Verdict
from service.monitoring.memory import Key, Phase, Track
from service.monitoring.rules import CheckRule, Rules
from service.monitoring.transitions import (
    Changed,
    Opened,
    Recovered,
    Reopened,
    Suspected,
    Told,
    Transition,
    differs,
)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look says of one fault. `silent`: nobody answered, and the switch port is as `port_up` says;
    `gone`: its row is not there any more.
    """

    verdict: Verdict
    told: Told = field(default_factory=Told)
    silent: bool = False
    port_up: bool | None = None
    gone: bool = False


Step = tuple[Track | None, Transition | None]


def step(key: Key, before: Track | None, look: Look, at: datetime, rules: Rules) -> Step:
    """The track after the look (None: plainly well), and what is said of it."""
    if look.verdict is Verdict.KEEP:
        return before, None
    if before is not None and before.is_open:
        return _while_open(key, before, look, at, rules)
    if look.verdict is Verdict.BAD:
        return _while_well(key, before, look, at, rules)
    return _acquitted(before), None


def is_old(track: Track, at: datetime, rules: Rules) -> bool:
    if track.is_open:
        return False
    if track.run_at is not None and at - track.run_at <= rules.stale:
        return False
    return track.closed_at is None or at - track.closed_at > rules.flap_window


def retry_in(track: Track, at: datetime, rule: CheckRule, rules: Rules) -> float:
    """Soon; but what only has yet to last is not asked over and over."""
    if track.run < rule.confirm:
        return rules.retry_seconds
    left = (track.since + rule.lasting - at).total_seconds()
    return min(max(left, rules.retry_seconds), rules.down_seconds)


def _acquitted(track: Track | None) -> Track | None:
    """A good look ends a suspicion; that it was a fault until lately stays known."""
    if track is None or track.closed_at is None:
        return None
    return replace(track, phase=Phase.CLOSED, run=0, run_at=None, asleep=False)


def _while_well(key: Key, before: Track | None, look: Look, at: datetime, rules: Rules) -> Step:
    """A bad look at what is not open: suspected, kept in suspicion, asleep, or opened."""
    rule = rules.of(key[0])
    track = _suspicion(before, at, rules)
    asleep = look.silent and _may_sleep(track, look, at, rules)
    woken = track.asleep and not asleep
    track = replace(track, run=1 if woken or asleep else track.run + 1, run_at=at, asleep=asleep)
    if not asleep and track.run >= rule.confirm and at - track.since >= rule.lasting:
        return _opened(key, track, look, at, rules)
    if track.run > 1 or asleep:
        return track, None
    return track, Suspected(**_words(key, track.since, at, look.told))


def _suspicion(before: Track | None, at: datetime, rules: Rules) -> Track:
    """The running suspicion, or a new one that starts now."""
    if before is None:
        return Track(Phase.SUSPECTED, since=at)
    if before.run == 0 or before.run_at is None or at - before.run_at > rules.stale:
        return replace(before, phase=Phase.SUSPECTED, since=at, run=0, asleep=False)
    return before


def _may_sleep(track: Track, look: Look, at: datetime, rules: Rules) -> bool:
    """Its port is up, or is not known now and it slept when it was."""
    up = look.port_up or (look.port_up is None and track.asleep)
    return up and at - track.since < rules.grace


def _opened(key: Key, track: Track, look: Look, at: datetime, rules: Rules) -> tuple[Track, Transition]:
    words = _words(key, track.since, at, look.told)
    again = track.closed_at is not None and track.since - track.closed_at <= rules.flap_window
    flaps = track.flaps + 1 if again else 0
    opened = Track(Phase.OPEN, since=track.since, flaps=flaps, told=look.told)
    if not again:
        return opened, Opened(**words)
    return opened, Reopened(**words, flaps=flaps, flapping=_is_flapping(flaps, rules))


def _is_flapping(flaps: int, rules: Rules) -> bool:
    return flaps >= rules.flaps


def _while_open(key: Key, track: Track, look: Look, at: datetime, rules: Rules) -> Step:
    if look.verdict is Verdict.BAD:
        return _still_bad(key, track, look, at, rules)
    first = at if track.run == 0 or track.run_at is None else track.run_at
    track = replace(track, run=track.run + 1, run_at=first)
    steady = not _is_flapping(track.flaps, rules) or at - first >= rules.steady
    if track.run < rules.of(key[0]).clear or not steady:
        return track, None
    lasted = max(first - track.since, timedelta(0))
    closed = Track(Phase.CLOSED, since=track.since, closed_at=at, flaps=track.flaps)
    return closed, Recovered(
        check=key[0], instance=key[1], at=at, since=track.since, lasted=lasted, gone=look.gone
    )


def _still_bad(key: Key, track: Track, look: Look, at: datetime, rules: Rules) -> Step:
    before = track.told or Told()
    track = replace(track, run=0, run_at=None)
    if not differs(before, look.told, rules.of(key[0]).step):
        return track, None
    changed = Changed(**_words(key, track.since, at, look.told), before=before)
    return replace(track, told=look.told), changed


def _words(key: Key, since: datetime, at: datetime, said: Told) -> dict[str, Any]:
    return {
        "check": key[0],
        "instance": key[1],
        "since": since,
        "at": at,
        "label": said.label,
        "value": said.value,
        "evidence": said.evidence,
    }
