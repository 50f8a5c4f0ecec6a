"""What diagnosis remembers of a device between two looks: as little as it needs. PURE.

A fault that is plainly well has no track. The JSON of a memory holds only what differs from the usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from integrations.snmp.reading import Uptime
from service.monitoring.rules import SNMP, UNREACHABLE
from service.monitoring.transitions import Told

Key = tuple[str, str]
"""The check and the instance of a fault."""

Known = Mapping[str, Mapping[str, str | None]]
"""Check → instance → label: the rows that have to be there."""


class Phase(StrEnum):
    SUSPECTED = "suspected"
    OPEN = "open"
    CLOSED = "closed"


class Standing(StrEnum):
    """Whether a device can be reached, once that is confirmed. `UNKNOWN` while it is suspected or asleep, or
    where it has not been asked.
    """

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Track:
    """How one fault stands. `since`: its first bad look.

    While it is not open, `run` counts bad looks in a row and `run_at` is the last of them; while it is open,
    `run` counts good ones and `run_at` is the first. A closed one (`closed_at`) is kept for its flap window,
    with a run if it is suspected anew. `absent` counts polls without its row; `told` is what was said last.
    """

    phase: Phase
    since: datetime
    run: int = 0
    run_at: datetime | None = None
    closed_at: datetime | None = None
    flaps: int = 0
    asleep: bool = False
    absent: int = 0
    told: Told | None = None

    @property
    def is_open(self) -> bool:
        return self.phase is Phase.OPEN

    @property
    def is_suspected(self) -> bool:
        return not self.is_open and self.run > 0


@dataclass(frozen=True, slots=True)
class Memory:
    """`pinged_at` and `polled_at` are the last looks at the device's two states, `uptime` what it said last
    and when.
    """

    tracks: Mapping[Key, Track] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    pinged_at: datetime | None = None
    polled_at: datetime | None = None
    uptime: Uptime | None = None
    uptime_at: datetime | None = None

    @property
    def standing(self) -> Standing:
        """As a parent of others. A device that is only known by SNMP is down when its agent is silent."""
        track = self.tracks.get((UNREACHABLE, ""))
        if track is not None and track.is_open:
            return Standing.DOWN
        snmp = self.tracks.get((SNMP, ""))
        unproven = snmp is not None and (self.pinged_at is None or self.pinged_at < snmp.since)
        if snmp is not None and unproven and snmp.is_open and _is_silence(snmp.told):
            return Standing.DOWN
        if self.pinged_at is None or unproven or not self.is_plainly_reachable:
            return Standing.UNKNOWN
        return Standing.UP

    @property
    def is_plainly_reachable(self) -> bool:
        """Not down, not suspected to be, not asleep; also where nobody has asked."""
        track = self.tracks.get((UNREACHABLE, ""))
        return track is None or not (track.is_open or track.is_suspected)

    @property
    def open_faults(self) -> tuple[Key, ...]:
        return tuple(key for key, track in self.tracks.items() if track.is_open)

    def without(self, check: str, instance: str) -> Memory:
        """Forgotten: somebody says that the row will not come back, or that the fault is none."""
        known = {
            name: {row: label for row, label in rows.items() if (name, row) != (check, instance)}
            for name, rows in self.known.items()
        }
        tracks = {key: track for key, track in self.tracks.items() if key != (check, instance)}
        return replace(self, tracks=tracks, known={name: rows for name, rows in known.items() if rows})

    def to_json(self) -> dict[str, Any]:
        tracks = [
            {"check": check, "instance": instance} | _track_json(track)
            for (check, instance), track in self.tracks.items()
        ]
        uptime = None if self.uptime is None else _uptime_json(self.uptime)
        return _set(
            {
                "tracks": tracks or None,
                "known": {check: dict(rows) for check, rows in self.known.items()} or None,
                "pinged_at": _said(self.pinged_at),
                "polled_at": _said(self.polled_at),
                "uptime": uptime,
                "uptime_at": _said(self.uptime_at),
            }
        )

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Memory:
        uptime = data.get("uptime")
        return Memory(
            tracks={(row["check"], row["instance"]): _track(row) for row in data.get("tracks", ())},
            known={check: dict(rows) for check, rows in data.get("known", {}).items()},
            pinged_at=_instant(data.get("pinged_at")),
            polled_at=_instant(data.get("polled_at")),
            uptime=None if uptime is None else Uptime(**uptime),
            uptime_at=_instant(data.get("uptime_at")),
        )


def _is_silence(told: Told | None) -> bool:
    return told is not None and told.evidence.get("reason") in ("silent", "unreachable")


def _uptime_json(uptime: Uptime) -> dict[str, Any]:
    data = {
        "ticks": uptime.ticks,
        "engine_seconds": uptime.engine_seconds,
        "engine_boots": uptime.engine_boots,
        "host_ticks": uptime.host_ticks,
    }
    return _set(data)


def _track_json(track: Track) -> dict[str, Any]:
    told = None if track.told is None else _set(asdict(track.told))
    data = {
        "phase": track.phase.value,
        "since": _said(track.since),
        "run": track.run or None,
        "run_at": _said(track.run_at),
        "closed_at": _said(track.closed_at),
        "flaps": track.flaps or None,
        "asleep": track.asleep or None,
        "absent": track.absent or None,
        "told": told,
    }
    return _set(data)


def _track(row: Mapping[str, Any]) -> Track:
    told = row.get("told")
    return Track(
        phase=Phase(row["phase"]),
        since=datetime.fromisoformat(row["since"]),
        run=row.get("run", 0),
        run_at=_instant(row.get("run_at")),
        closed_at=_instant(row.get("closed_at")),
        flaps=row.get("flaps", 0),
        asleep=row.get("asleep", False),
        absent=row.get("absent", 0),
        told=None if told is None else Told(**told),
    )


def _set(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _said(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
