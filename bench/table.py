"""The one table that the benchmarks print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.drive import Tally

HEADER = (
    f"{'':<28}{'clients':>8}{'ours/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'p99/p50':>8}"
    f"{'floor/s':>9}{'p50 ms':>8}{'ratio':>7}{'aim':>6}"
)
TAIL_AIM = 4


@dataclass(frozen=True)
class Row:
    name: str
    clients: int
    rate: float
    p50: float
    p99: float
    floor_rate: float
    floor_p50: float
    ratio: float
    aim: float

    @classmethod
    def of(cls, name: str, clients: int, ours: Tally, floor: Tally, aim: float, ratio: float) -> Row:
        p50, p99 = ours.quantile(0.5), ours.quantile(0.99)
        return cls(name, clients, ours.rate, p50, p99, floor.rate, floor.quantile(0.5), ratio, aim)

    @property
    def tail(self) -> float:
        return self.p99 / self.p50

    @property
    def misses(self) -> str:
        """What of the aims it does not reach; the tail's is for 16 clients."""
        missed = ["ratio"] if self.ratio < self.aim else []
        if self.clients == 16 and self.tail >= TAIL_AIM:
            missed.append("p99")
        return ", ".join(missed)


def show(rows: Sequence[Row], *, header: bool = True) -> None:
    if header:
        print(HEADER)
    for r in rows:
        mark = f"  misses {r.misses}" if r.misses else ""
        print(
            f"{r.name:<28}{r.clients:>8}{r.rate:>9,.0f}{r.p50:>8.2f}{r.p99:>8.2f}{r.tail:>8.1f}"
            f"{r.floor_rate:>9,.0f}{r.floor_p50:>8.2f}{r.ratio:>7.2f}{r.aim:>6.2f}{mark}",
            flush=True,
        )
