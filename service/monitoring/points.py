"""Points of a graph. PURE. What was not measured stays a gap: nothing is interpolated or carried on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

Point = tuple[datetime, float | None, float | None, float | None]

MOST_POINTS = 2_000
LATE = 2.5  # of the usual distance between samples: what comes later has missed one


def with_gaps(samples: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Samples in order, with one point of nulls where samples are missing; never more than `most`.

    Too many are put together evenly by time: the mean of their means, their least and their most.
    """
    points = _gapped(samples)
    if len(points) <= most:
        return points
    return _gapped(_thinned(samples, most // 2))


def _gapped(samples: Sequence[Point]) -> list[Point]:
    if len(samples) < 2:
        return list(samples)
    distances = [(after[0] - before[0]).total_seconds() for before, after in pairwise(samples)]
    usual = median(distances)
    points = [samples[0]]
    for before, after, distance in zip(samples, samples[1:], distances, strict=False):
        if distance > LATE * usual:
            points.append((before[0] + timedelta(seconds=usual), None, None, None))
        points.append(after)
    return points


def _thinned(samples: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points, each at the first of the samples it stands for."""
    first = samples[0][0]
    width = (samples[-1][0] - first) / most
    bins: dict[int, list[Point]] = {}
    for sample in samples:
        bins.setdefault(min(int((sample[0] - first) / width), most - 1), []).append(sample)
    return [_together(inside) for inside in bins.values()]


def _together(samples: Sequence[Point]) -> Point:
    measured = [(mean, least, high) for _, mean, least, high in samples if mean is not None]
    if not measured:
        return samples[0][0], None, None, None
    means, least, most = zip(*measured, strict=True)
    return samples[0][0], sum(means) / len(means), min(least), max(most)


def on_grid(rolled: Sequence[Point], first: datetime, until: datetime, width: timedelta) -> list[Point]:
    """A point for every span from `first` to before `until`, nulls where there is no roll-up."""
    there = {point[0]: point for point in rolled}
    count = -((first - until) // width)
    return [there.get(at, (at, None, None, None)) for at in (first + n * width for n in range(max(count, 0)))]
