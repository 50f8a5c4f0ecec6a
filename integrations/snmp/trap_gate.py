"""Which datagrams on the trap port are worth decoding, and the count of those that are not. PURE.

Judged by sender and size alone, in microseconds, so that a storm costs next to nothing. Memory is bounded
whatever addresses the datagrams claim to come from.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from integrations.snmp.target import Credential

ELSEWHERE = "*"
"""The address under which a count stands whose own address was forgotten."""
KNOWN_KEPT = 20_000
LEVELS_KEPT = 4096


class Reason(StrEnum):
    """What became of a datagram."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    DISCOVERY = "discovery"
    UNKNOWN_SOURCE = "unknown_source"
    SOURCE_LIMIT = "source_limit"
    OVERALL_LIMIT = "overall_limit"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    NOT_A_NOTIFICATION = "not_a_notification"
    WRONG_VERSION = "wrong_version"
    WRONG_COMMUNITY = "wrong_community"
    UNKNOWN_ENGINE = "unknown_engine"
    UNKNOWN_USER = "unknown_user"
    WRONG_LEVEL = "wrong_level"
    WRONG_DIGEST = "wrong_digest"
    NOT_IN_TIME = "not_in_time"
    NOT_DECRYPTED = "not_decrypted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Source:
    """A device that may send. `engine_id` is its own, for v3; None believes any that knows the keys."""

    device_id: int
    credential: Credential
    engine_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Datagrams a second and at once, for each source and for all together; octets a datagram; how many
    unknown addresses are kept by name.
    """

    per_source: float = 5.0
    burst: int = 20
    overall: float = 50.0
    overall_burst: int = 100
    size: int = 8192
    strangers: int = 64


class Top:
    """Counts by key, exact for the keys that come often; others may be summed up in `rest`, by reason."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.counts: dict[tuple[str, Reason], int] = {}
        self.rest: Counter[Reason] = Counter()

    def add(self, key: tuple[str, Reason]) -> None:
        counts = self.counts
        counts[key] = counts.get(key, 0) + 1
        if len(counts) > 2 * self.kept:
            self._forget()

    def _forget(self) -> None:
        best = dict(heapq.nlargest(self.kept, self.counts.items(), key=lambda item: item[1]))
        for key, count in self.counts.items():
            if key not in best:
                self.rest[key[1]] += count
        self.counts = best

    def drained(self) -> dict[tuple[str, Reason], int]:
        """All counts; they start anew. What was forgotten stands under `ELSEWHERE`."""
        found = self.counts | {(ELSEWHERE, reason): count for reason, count in self.rest.items()}
        self.counts, self.rest = {}, Counter()
        return found


class Tally:
    """How often each thing happened: in all since the start, and by address since the last `drained`."""

    def __init__(self, strangers: int) -> None:
        self.totals: Counter[Reason] = Counter()
        self._known = Top(KNOWN_KEPT)
        self._strangers = Top(strangers)

    def add(self, address: str, reason: Reason) -> None:
        self.totals[reason] += 1
        top = self._strangers if reason is Reason.UNKNOWN_SOURCE else self._known
        top.add((address, reason))

    def strangers(self) -> list[tuple[str, int]]:
        """The unknown addresses that were heard most, most first."""
        found = sorted(self._strangers.counts.items(), key=lambda item: (-item[1], item[0]))
        return [(address, count) for (address, _), count in found[: self._strangers.kept]]

    def drained(self) -> dict[tuple[str, Reason], int]:
        return self._known.drained() | self._strangers.drained()

    def __len__(self) -> int:
        return len(self._known.counts) + len(self._strangers.counts)


class Gate:
    """Lets pass what comes from a known source and within the limits.

    `sources` is asked for every datagram, so what it knows may change at any time. Each limit is a token
    bucket, kept as the instant at which it will be full again.
    """

    def __init__(self, sources: Callable[[str], Source | None], limits: Limits, tally: Tally) -> None:
        self._sources = sources
        self._limits = limits
        self._tally = tally
        self._each = 1 / limits.per_source
        self._each_overall = 1 / limits.overall
        self._full_at: dict[str, float] = {}
        self._overall_full_at = 0.0

    def judge(self, address: str, size: int, now: float) -> Source | None:
        """The source, or None for a datagram to drop, which is then counted. `now` is monotonic seconds."""
        source = self._sources(address)
        refusal = Reason.UNKNOWN_SOURCE if source is None else self._limited(address, size, now)
        if refusal is None:
            return source
        self._tally.add(address, refusal)
        return None

    def _limited(self, address: str, size: int, now: float) -> Reason | None:
        limits = self._limits
        full_at = max(self._full_at.get(address, 0.0), now) + self._each
        if full_at - now > limits.burst * self._each + 1e-9:
            return Reason.SOURCE_LIMIT
        if size > limits.size:
            return Reason.TOO_LARGE
        overall = max(self._overall_full_at, now) + self._each_overall
        if overall - now > limits.overall_burst * self._each_overall + 1e-9:
            return Reason.OVERALL_LIMIT
        self._full_at[address], self._overall_full_at = full_at, overall
        if len(self._full_at) > LEVELS_KEPT:
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
        return None

    def __len__(self) -> int:
        return len(self._full_at)
