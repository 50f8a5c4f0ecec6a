"""A timer with its arithmetic, and one scenario or one sum at a time for machines.

PURE. `explained` answers a scenario with its timers; `sla_time` answers one sum.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from service.sla.calendar import Calendar, OutOfRange
from service.sla.clock import NeverOpen, due_at, due_before, elapsed
from service.sla.course import OutOfOrder
from service.sla.cycle import Cycle, judged
from service.sla.policy import Agreement, amount_of_minutes, minutes
from service.sla.scenario import BadScenario, Scenario, instant_from, json_from
from service.sla.words import told


def explained(scenario: Scenario) -> dict[str, Any]:
    """The scenario's timers with their arithmetic, in the machine-readable form.

    Times are RFC 3339 with the offset of the calendar's zone. BadScenario if the calendar cannot answer.
    """
    try:
        cycles, calendar = scenario.cycles()
        return {"timers": [_timer(cycle, calendar, scenario.judged_at) for cycle in cycles]}
    except (NeverOpen, OutOfRange, OutOfOrder) as wrong:
        raise BadScenario(str(wrong)) from None


def _timer(cycle: Cycle, calendar: Calendar, as_of: datetime) -> dict[str, Any]:
    judgement = judged(cycle, calendar, as_of)
    return {
        "target": cycle.target.value,
        "cycle": cycle.n,
        "state": judgement.state.value,
        "outside_hours": judgement.outside_hours,
        "started_at": _rfc3339(cycle.started_at, calendar),
        "due_at": _rfc3339(judgement.due_at, calendar),
        "stopped_at": _rfc3339(cycle.stopped_at, calendar),
        "breached_at": _rfc3339(judgement.breached_at, calendar),
        "target_minutes": minutes(cycle.goal),
        "elapsed_minutes": minutes(judgement.elapsed),
        "remaining_minutes": minutes(judgement.remaining),
        "paused": [
            {"from": _rfc3339(p.start, calendar), "to": _rfc3339(p.end, calendar), "reason": p.reason}
            for p in cycle.pauses
        ],
        "explain": told(cycle, judgement, calendar, as_of),
    }


def explanation(
    cycle: Cycle, calendar: Calendar, as_of: datetime, *, under: tuple[Agreement, str] | None = None
) -> list[str]:
    """The arithmetic of one cycle, line by line, in the calendar's local time; at most 60 lines.

    `under` is the agreement and the name of its policy, which are told where it is not the SLA.
    """
    return told(cycle, judged(cycle, calendar, as_of), calendar, as_of, under=under)


def sla_time(line: object) -> dict[str, Any]:
    """Answer one object of the `sla time` protocol: `{"minutes"}` for elapsed, `{"at"}` for due.

    For the backward direction `start` is where the time ends. BadScenario says in one sentence what is wrong.
    """
    try:
        return _sum(_asked(line))
    except BadScenario:
        raise
    except ValueError as wrong:
        raise BadScenario(str(wrong)) from None


def answered(text: str | bytes) -> dict[str, Any]:
    """Answer one line of the `sla time` protocol, a bad one with `{"error"}`."""
    try:
        return sla_time(json_from(text))
    except BadScenario as wrong:
        return {"error": str(wrong)}


_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "elapsed": frozenset({"calendar", "op", "start", "end"}),
    "due": frozenset({"calendar", "op", "start", "minutes"}),
}


def _asked(line: object) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise BadScenario("a line holds one object")
    op = line.get("op")
    if not isinstance(op, str) or op not in _KEYS:
        raise BadScenario("op: elapsed or due is wanted")
    if missing := _KEYS[op] - line.keys():
        raise BadScenario(f"{min(missing)} is missing")
    if unknown := line.keys() - _KEYS[op] - ({"direction"} if op == "due" else set()):
        raise BadScenario(f"{min(unknown)!r} is unknown here")
    return line


def _sum(line: dict[str, Any]) -> dict[str, Any]:
    calendar = _calendar_of(json.dumps(line["calendar"], sort_keys=True))
    start = _time_in(line, "start")
    if line["op"] == "elapsed":
        return {"minutes": minutes(elapsed(start, _time_in(line, "end"), calendar))}
    target = amount_of_minutes(line["minutes"], "minutes")
    match line.get("direction", "forward"):
        case "forward":
            return {"at": _rfc3339(due_at(start, target, calendar), calendar)}
        case "backward":
            return {"at": _rfc3339(due_before(start, target, calendar), calendar)}
        case _:
            raise BadScenario("direction: forward or backward is wanted")


def _time_in(line: dict[str, Any], key: str) -> datetime:
    try:
        return instant_from(line[key])
    except ValueError as wrong:
        raise BadScenario(f"{key}: {wrong}") from None


@lru_cache(maxsize=64)
def _calendar_of(text: str) -> Calendar:
    return Calendar.from_json(json.loads(text))


def _rfc3339(at: datetime | None, calendar: Calendar) -> str | None:
    """In local time; in UTC where the zone's offset, long ago, had seconds, which RFC 3339 cannot write."""
    if at is None:
        return None
    local = at.astimezone(calendar.tz)
    offset = local.utcoffset() or timedelta(0)
    return (local.astimezone(UTC) if offset % timedelta(minutes=1) else local).isoformat()
